{{- /* Secrets of the chart: which key holds the value, and, of those that the chart makes, the value that is there already. */}}

{{- define "rexec.signingKey.key" -}}{{ .Values.proxy.signingKey.existingSecret.name | empty | ternary "signing-key" .Values.proxy.signingKey.existingSecret.key }}{{- end }}
{{- define "rexec.brokerCredential.key" -}}{{ .Values.broker.credential.existingSecret.name | empty | ternary "credential" .Values.broker.credential.existingSecret.key }}{{- end }}
{{- define "rexec.hubToken.key" -}}{{ .Values.hub.existingSecret.name | empty | ternary "token" .Values.hub.existingSecret.key }}{{- end }}

{{- /*
  The value of an earlier install, in base64; empty without one, and where Helm cannot ask the cluster (helm template): GitOps
  tools give existing secrets. (list $ name key)
*/}}
{{- define "rexec.kept" -}}
{{- $root := index . 0 -}}
{{- $secret := lookup "v1" "Secret" $root.Release.Namespace (index . 1) -}}
{{- dig "data" (index . 2) "" $secret -}}
{{- end }}
