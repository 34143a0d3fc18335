{{- /* What all pods of the chart have in common. A component is named by (list $ "proxy"). */}}

{{- /* Not the release's name: servers' network policies and the proxy itself know rexec's pods by these labels. */}}
{{- define "rexec.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: rexec
app.kubernetes.io/instance: {{ include "rexec.instance" $root }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "rexec.labels" -}}
{{- $root := index . 0 -}}
{{ include "rexec.selector" . }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- /* The image of (dict "repository" … "tag" … "digest" …). */}}
{{- define "rexec.imageOf" -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag }}{{ end }}
{{- end }}

{{- define "rexec.image" -}}
{{- with .Values.image }}{{ include "rexec.imageOf" (dict "repository" .repository "digest" .digest "tag" (.tag | default $.Chart.AppVersion)) }}{{ end }}
{{- end }}

{{- /* A digest of the one repository means nothing in another. */}}
{{- define "rexec.agentImage" -}}
{{- $image := .Values.image }}
{{- with .Values.agent.image }}
{{- $digest := .digest | default (ternary "" $image.digest (or .repository .tag | empty | not)) }}
{{- include "rexec.imageOf" (dict "repository" (.repository | default $image.repository) "digest" $digest "tag" (.tag | default $image.tag | default $.Chart.AppVersion)) }}
{{- end }}
{{- end }}

{{- define "rexec.imagePullSecrets" -}}
{{- $secrets := list }}
{{- range .Values.imagePullSecrets }}
{{- $secrets = append $secrets (dict "name" .) }}
{{- end }}
{{- $secrets | toJson }}
{{- end }}

{{- /* The Pod Security Standard "restricted". The image says which user it is; OpenShift chooses another. */}}
{{- define "rexec.podSecurity" -}}
runAsNonRoot: true
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "rexec.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{- /* Where a component runs: (list $ "proxy" .Values.proxy). */}}
{{- define "rexec.scheduling" -}}
{{- $values := index . 2 -}}
topologySpreadConstraints:
{{- if $values.topologySpreadConstraints }}
  {{- toYaml $values.topologySpreadConstraints | nindent 2 }}
{{- else }}
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "rexec.selector" . | nindent 8 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
