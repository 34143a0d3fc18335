{{- /*
  A DaemonSet for each profile, on the nodes of that profile, with every image as an init container that ends at once: the
  kubelet pulls them, and nobody needs the socket of the container runtime. (list $ name "hook" or "continuous")
*/}}
{{- define "rexec.prePuller.daemonSets" -}}
{{- $root := index . 0 }}
{{- $name := index . 1 }}
{{- $kind := index . 2 }}
{{- $values := $root.Values.prePuller }}
{{- range include "rexec.profiles" $root | fromJsonArray }}
---
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: {{ $name }}-{{ .name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "rexec.labels" (list $root (printf "prepuller-%s" $kind)) | nindent 4 }}
    rexec.dev/profile: {{ .name | quote }}
  {{- if eq $kind "hook" }}
  annotations:
    {{- include "rexec.prePuller.hook" 0 | nindent 4 }}
  {{- end }}
spec:
  selector:
    matchLabels:
      {{- include "rexec.selector" (list $root (printf "prepuller-%s" $kind)) | nindent 6 }}
      rexec.dev/profile: {{ .name | quote }}
  updateStrategy:
    rollingUpdate: { maxUnavailable: 100% }
  template:
    metadata:
      labels:
        {{- include "rexec.selector" (list $root (printf "prepuller-%s" $kind)) | nindent 8 }}
        rexec.dev/profile: {{ .name | quote }}
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      terminationGracePeriodSeconds: 0
      imagePullSecrets: {{ include "rexec.imagePullSecrets" $root }}
      securityContext:
        {{- include "rexec.podSecurity" $root | nindent 8 }}
        # Of images that say none, or root.
        runAsUser: 65532
      {{- with $values.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      {{- with .pod.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .pod.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with (.pod.affinity | default dict).nodeAffinity }}
      affinity:
        nodeAffinity:
          {{- toYaml . | nindent 10 }}
      {{- end }}
      initContainers:
        {{- $pulled := concat (values .pythons) $values.extraImages | uniq | sortAlpha }}
        {{- include "rexec.prePuller.container" (list $root "agent" (include "rexec.agentImage" $root) (list "node" "--version")) | nindent 8 }}
        {{- range $index, $image := $pulled }}
        {{- include "rexec.prePuller.container" (list $root (printf "image-%d" $index) $image (list "python3" "--version")) | nindent 8 }}
        {{- end }}
      containers:
        {{- include "rexec.prePuller.container" (list $root "pause" $values.pause.image) | nindent 8 }}
{{- end }}
{{- end }}

{{- define "rexec.prePuller.container" -}}
{{- $root := index . 0 -}}
- name: {{ index . 1 }}
  image: {{ index . 2 | quote }}
  {{- if gt (len .) 3 }}
  command: {{ index . 3 | toJson }}
  {{- end }}
  securityContext:
    {{- include "rexec.containerSecurity" $root | nindent 4 }}
  resources:
    {{- toYaml $root.Values.prePuller.resources | nindent 4 }}
{{- end }}

{{- /* What an install or upgrade makes first, in the order of the weight, and clears away. */}}
{{- define "rexec.prePuller.hook" -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}
