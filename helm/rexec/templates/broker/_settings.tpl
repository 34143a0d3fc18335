{{- /* The broker's settings: what the chart knows, and over it broker.config. JSON, which is YAML too, keeps large numbers whole. */}}

{{- define "rexec.broker.settings" -}}
{{- $computed := dict
  "clients" (dict "host" "0.0.0.0" "port" 5559)
  "servers" (dict "host" "0.0.0.0" "port" 5560)
  "admin" (dict "host" "0.0.0.0" "port" 9559)
  "proxy" (dict "url" (include "rexec.proxy.url" .) "credentialFile" "/etc/rexec/broker-credential") }}
{{- mustMergeOverwrite $computed (deepCopy .Values.broker.config) | toJson }}
{{- end }}
