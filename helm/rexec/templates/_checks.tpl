{{- /* What no schema says of values that fit together or do not. All problems at once, as a text; empty is good. */}}
{{- define "rexec.problems" -}}
{{- $problems := list }}
{{- $config := .Values.proxy.config }}
{{- $authenticators := include "rexec.authenticators" . | fromJsonArray }}
{{- /* The chart makes Services, probes and rights for these, so they have one place. */}}
{{- range $setting, $instead := dict
  "prefix" "set prefix"
  "port" "set proxy.service.port, the port of the Service"
  "metrics.port" "it is 10102"
  "broker.serverAddresses" "it is the headless Service of the brokers"
  "broker.credential" "set broker.credential.existingSecret; this would lie open in a ConfigMap"
  "cluster.kind" "it is kubernetes"
  "cluster.kubernetes.kubeconfig" "the proxy has an account of the cluster"
  "cluster.kubernetes.releaseNamespace" "it is the release's namespace"
  "cluster.kubernetes.namespaces.mode" "set rbac.mode"
  "identity.jupyterhub.apiUrl" "set hub.apiUrl"
  "identity.jupyterhub.apiToken" "set hub.existingSecret; this would lie open in a ConfigMap"
  "identity.static.users" "set REXEC_STATIC_USERS from a secret with proxy.extraEnv; this would lie open in a ConfigMap" }}
{{- if include "rexec.isSet" (list $config $setting) }}
{{- $problems = append $problems (printf "proxy.config.%s: not here; %s" $setting $instead) }}
{{- end }}
{{- end }}
{{- range $setting, $instead := dict
  "clients.port" "set broker.service.port, the port of the Service"
  "servers.port" "it is 5560"
  "admin.port" "it is 9559"
  "proxy.url" "it is the Service of the proxy"
  "proxy.credentialFile" "set broker.credential.existingSecret" }}
{{- if include "rexec.isSet" (list $.Values.broker.config $setting) }}
{{- $problems = append $problems (printf "broker.config.%s: not here; %s" $setting $instead) }}
{{- end }}
{{- end }}
{{- if not (regexMatch "^[a-z]" (include "rexec.fullname" .)) }}
{{- $problems = append $problems (printf "fullnameOverride: set it; names of Services begin with a letter, and \"%s\" does not" (include "rexec.fullname" .)) }}
{{- end }}
{{- if not (has .Values.rbac.mode (list "cluster" "namespaces")) }}
{{- $problems = append $problems "rbac.mode: it is cluster or namespaces" }}
{{- end }}
{{- if and .Values.rbac.create (eq .Values.rbac.mode "cluster") (not .Values.admissionPolicy.create) }}
{{- $problems = append $problems "admissionPolicy.create: mode cluster gives rights that only these policies confine. Leave it on, or set rbac.create to false and apply both by other means" }}
{{- end }}
{{- if and (eq .Values.rbac.mode "namespaces") (not (dig "cluster" "kubernetes" "namespaces" "given" dict $config)) }}
{{- $problems = append $problems "proxy.config.cluster.kubernetes.namespaces.given: rbac.mode namespaces needs a namespace for each user" }}
{{- end }}
{{- if and (has "kubernetes" $authenticators) .Values.rbac.create (not .Values.rbac.tokenReview) }}
{{- $problems = append $problems "rbac.tokenReview: the authenticator \"kubernetes\" needs it" }}
{{- end }}
{{- if and .Values.hub.apiToken .Values.hub.existingSecret.name }}
{{- $problems = append $problems "hub.apiToken: not beside hub.existingSecret" }}
{{- end }}
{{- if and (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) }}
{{- $problems = append $problems "serviceAccount.name: with create off, say which account; every pod of the namespace may use \"default\"" }}
{{- end }}
{{- if and .Values.proxy.httpRoute.enabled (not .Values.proxy.httpRoute.parentRefs) }}
{{- $problems = append $problems "proxy.httpRoute.parentRefs: name the gateway" }}
{{- end }}
{{- with .Values.proxy.autoscaling }}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) }}
{{- $problems = append $problems "proxy.autoscaling.minReplicas: at most maxReplicas" }}
{{- end }}
{{- end }}
{{- if lt (int .Values.broker.replicas) 1 }}
{{- $problems = append $problems "broker.replicas: at least 1" }}
{{- end }}
{{- range $problems }}
- {{ . }}
{{- end }}
{{- end }}

{{- /* Whether a dotted name is there: (list dict "a.b.c"). */}}
{{- define "rexec.isSet" -}}
{{- $here := index . 0 }}
{{- $found := true }}
{{- range splitList "." (index . 1) }}
{{- if and $found (kindIs "map" $here) (hasKey $here .) }}
{{- $here = get $here . }}
{{- else }}
{{- $found = false }}
{{- end }}
{{- end }}
{{- if $found }}true{{ end }}
{{- end }}
