{{- /* All names of the chart's objects. */}}

{{- /* Names of releases may have dots, those of Services and label values of the proxy may not. */}}
{{- define "rexec.release" -}}{{ .Release.Name | replace "." "-" }}{{- end }}

{{- /* Room for what follows it: a StatefulSet's pods are labelled with its name and a hash (63 characters). */}}
{{- define "rexec.fullname" -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 36 | trimSuffix "-" }}
{{- else if contains .Chart.Name .Release.Name }}{{ include "rexec.release" . | trunc 36 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" (include "rexec.release" . | trunc 30) .Chart.Name }}
{{- end }}
{{- end }}

{{- define "rexec.proxy.name" -}}{{ include "rexec.fullname" . }}-proxy{{- end }}
{{- define "rexec.signingKey.name" -}}{{ .Values.proxy.signingKey.existingSecret.name | default (printf "%s-signing-key" (include "rexec.fullname" .)) }}{{- end }}
{{- define "rexec.hubToken.name" -}}{{ .Values.hub.existingSecret.name | default (printf "%s-hub-token" (include "rexec.fullname" .)) }}{{- end }}

{{- define "rexec.broker.name" -}}{{ include "rexec.fullname" . }}-broker{{- end }}
{{- /* The headless Service, for servers: its name has the address of each broker. */}}
{{- define "rexec.broker.servers.name" -}}{{ include "rexec.fullname" . }}-broker-servers{{- end }}
{{- define "rexec.brokerCredential.name" -}}{{ .Values.broker.credential.existingSecret.name | default (printf "%s-broker-credential" (include "rexec.fullname" .)) }}{{- end }}

{{- define "rexec.serviceAccount.name" -}}
{{- if .Values.serviceAccount.create }}{{ .Values.serviceAccount.name | default (include "rexec.proxy.name" .) }}
{{- else }}{{ .Values.serviceAccount.name | default "default" }}
{{- end }}
{{- end }}

{{- define "rexec.prePuller.name" -}}{{ include "rexec.fullname" . }}-prepuller{{- end }}
{{- define "rexec.prePullerHook.name" -}}{{ include "rexec.fullname" . }}-prepuller-hook{{- end }}
{{- define "rexec.metrics.name" -}}{{ include "rexec.fullname" . }}-metrics{{- end }}
{{- define "rexec.dashboard.name" -}}{{ include "rexec.fullname" . }}-dashboard{{- end }}
{{- define "rexec.test.name" -}}{{ include "rexec.fullname" . }}-test{{- end }}

{{- /*
  What tells installations in one cluster apart, and so whose users' namespaces are whose: no two may have the same. A release
  is unique by its name and namespace together; 32 bits of a hash hold them apart where the names joined would not.
*/}}
{{- define "rexec.releaseHash" -}}{{ printf "%s/%s" .Release.Namespace .Release.Name | sha256sum | trunc 8 }}{{- end }}

{{- /* The setting cluster.kubernetes.instance, and the label app.kubernetes.io/instance of everything. */}}
{{- define "rexec.instance" -}}
{{- dig "cluster" "kubernetes" "instance" (printf "%s-%s" (include "rexec.release" .) (include "rexec.releaseHash" .)) .Values.proxy.config }}
{{- end }}

{{- /* The setting cluster.kubernetes.namespaces.prefix: what the names of users' namespaces begin with. */}}
{{- define "rexec.namespacePrefix" -}}
{{- dig "cluster" "kubernetes" "namespaces" "prefix" (printf "rexec-%s-" (include "rexec.releaseHash" .)) .Values.proxy.config }}
{{- end }}

{{- /* Objects that belong to no namespace, such as cluster roles: unique in the cluster, as the instance is. */}}
{{- define "rexec.clusterWide.name" -}}{{ include "rexec.instance" . }}-proxy{{- end }}
{{- define "rexec.tokenReview.name" -}}{{ include "rexec.clusterWide.name" . }}-token-review{{- end }}
{{- define "rexec.pullSecrets.name" -}}{{ include "rexec.proxy.name" . }}-pull-secrets{{- end }}
