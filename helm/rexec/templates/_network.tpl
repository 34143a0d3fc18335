{{- /* Peers of network policies that more than one component names. */}}

{{- /* Pods of this release: (list $ "proxy"). */}}
{{- define "rexec.peer" -}}
- podSelector:
    matchLabels:
      {{- include "rexec.selector" . | nindent 6 }}
{{- end }}

{{- define "rexec.dnsRule" -}}
- to:
    - namespaceSelector:
        matchLabels: { kubernetes.io/metadata.name: kube-system }
    # A cache on the nodes, which is no pod of the cluster's network.
    - ipBlock: { cidr: 169.254.20.10/32 }
  ports:
    - { port: 53, protocol: UDP }
    - { port: 53, protocol: TCP }
{{- end }}

{{- /* A rule without peers would allow everybody, so an empty list makes none. */}}
{{- define "rexec.metricsRule" -}}
{{- with .Values.metrics.from -}}
# monitoring --> metrics
- from:
    {{- toYaml . | nindent 4 }}
  ports: [{ port: metrics }]
{{- end }}
{{- end }}
