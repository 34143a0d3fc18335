{{- /* What the pods of `helm test` have in common. */}}

{{- define "rexec.test.pod" -}}
restartPolicy: Never
enableServiceLinks: false
imagePullSecrets: {{ include "rexec.imagePullSecrets" . }}
securityContext:
  {{- include "rexec.podSecurity" . | nindent 2 }}
{{- end }}

{{- define "rexec.test.container" -}}
image: {{ include "rexec.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  {{- include "rexec.containerSecurity" . | nindent 2 }}
resources:
  requests: { cpu: 50m, memory: 128Mi }
  limits: { memory: 256Mi }
{{- end }}
