{{- /* The proxy's settings: what the chart knows, and over it proxy.config. JSON, which is YAML too, keeps large numbers whole. */}}

{{- define "rexec.proxy.settings" -}}
{{- /* One name with the addresses of all brokers, so that servers learn of those that are added. */}}
{{- $brokers := list (printf "tcp://%s.%s.svc:5560" (include "rexec.broker.servers.name" .) .Release.Namespace) }}
{{- $broker := dict
  "clientAddress" (printf "tcp://%s.%s.svc:%v" (include "rexec.broker.name" .) .Release.Namespace .Values.broker.service.port)
  "serverAddresses" $brokers }}
{{- with .Values.broker.externalAddress }}
{{- $_ := set $broker "externalAddress" . }}
{{- end }}
{{- $kubernetes := dict
  "instance" (include "rexec.instance" .)
  "releaseNamespace" .Release.Namespace
  "namespaces" (dict "mode" (ternary "made" "given" (eq .Values.rbac.mode "cluster")) "prefix" (include "rexec.namespacePrefix" .))
  "agent" (dict "image" (include "rexec.agentImage" .) "imagePullPolicy" (.Values.agent.image.pullPolicy | default .Values.image.pullPolicy))
  "imagePullSecrets" .Values.imagePullSecrets }}
{{- $identity := dict "authenticators" (include "rexec.authenticators" . | fromJsonArray) }}
{{- if has "jupyterhub" $identity.authenticators }}
{{- $jupyterhub := dict "apiUrl" .Values.hub.apiUrl "serviceName" .Values.hub.serviceName }}
{{- with .Values.hub.publicUrl }}
{{- $_ := set $jupyterhub "publicUrl" (printf "%s/" (trimSuffix "/" .)) }}
{{- end }}
{{- $_ := set $identity "jupyterhub" $jupyterhub }}
{{- end }}
{{- /*
  trustProxy: the hub's proxy has an address of the cluster, and the network policy lets in nobody else.
  shutdownDelaySeconds: until all know that a pod is no endpoint any more, requests still come.
*/}}
{{- $computed := dict
  "shutdownDelaySeconds" 10
  "host" "0.0.0.0"
  "port" 10101
  "prefix" .Values.prefix
  "trustProxy" (list "loopback" "linklocal" "uniquelocal" "100.64.0.0/10")
  "metrics" (dict "host" "0.0.0.0" "port" 10102)
  "broker" $broker
  "identity" $identity
  "cluster" (dict "kind" "kubernetes" "kubernetes" $kubernetes) }}
{{- /* https://hub.example.org/base/ -> https://hub.example.org */}}
{{- with regexFind "^https?://[^/]+" .Values.hub.publicUrl }}
{{- $_ := set $computed "publicUrl" . }}
{{- end }}
{{- mustMergeOverwrite $computed (deepCopy .Values.proxy.config) | toJson }}
{{- end }}

{{- define "rexec.authenticators" -}}
{{ dig "identity" "authenticators" (list "jupyterhub") .Values.proxy.config | toJson }}
{{- end }}

{{- define "rexec.usesHub" -}}
{{ has "jupyterhub" (include "rexec.authenticators" . | fromJsonArray) | ternary "true" "" }}
{{- end }}

{{- /* The settings of the profiles, whose defaults are those of proxy/security-model/settings.ts: (list of {name, pythons, pod}). */}}
{{- define "rexec.profiles" -}}
{{- $pythons := dict "3.9" "python:3.9-slim" "3.10" "python:3.10-slim" "3.11" "python:3.11-slim" "3.12" "python:3.12-slim" "3.13" "python:3.13-slim" }}
{{- $profiles := list }}
{{- range dig "securityModel" "profiles" (list (dict "name" "default")) .Values.proxy.config }}
{{- $profiles = append $profiles (dict "name" .name "pythons" (.pythons | default $pythons) "pod" (.pod | default dict)) }}
{{- end }}
{{- $profiles | toJson }}
{{- end }}

{{- define "rexec.proxy.url" -}}
http://{{ include "rexec.proxy.name" . }}.{{ .Release.Namespace }}.svc:{{ .Values.proxy.service.port }}{{ .Values.prefix }}
{{- end }}
