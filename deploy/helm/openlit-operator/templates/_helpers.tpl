{{/* The name of the release's objects. */}}
{{- define "operator.name" -}}
{{- $chart := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains $chart .Release.Name -}}
{{- .Release.Name -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $chart -}}
{{- end -}}
{{- end -}}

{{- define "operator.namespace" -}}{{ default .Release.Namespace .Values.global.namespace }}{{- end -}}
{{- define "operator.service" -}}{{ default (printf "%s-webhook" (include "operator.name" .)) .Values.webhook.service.name }}{{- end -}}
{{- define "operator.secret" -}}{{ default (printf "%s-certs" (include "operator.name" .)) .Values.tls.secretName }}{{- end -}}
{{- define "operator.configuration" -}}{{ default (include "operator.name" .) .Values.webhook.configName }}{{- end -}}
{{- define "operator.clusterRole" -}}
{{- if not (or .Values.rbac.create .Values.rbac.clusterRoleName) -}}
{{- fail "rbac.create is false: expected rbac.clusterRoleName, the ClusterRole that you have made; it owns the registration of the webhook" -}}
{{- end -}}
{{- default (include "operator.name" .) .Values.rbac.clusterRoleName -}}
{{- end -}}

{{- define "operator.account" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "operator.name" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* What selects the pods; never changed. */}}
{{- define "operator.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Labels and annotations of every object; a list of the context and, if there are any, annotations of this one. */}}
{{- define "operator.metadata" -}}
{{- $root := index . 0 -}}
labels:
  {{- include "operator.selector" $root | nindent 2 }}
  app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
  app.kubernetes.io/managed-by: {{ $root.Release.Service }}
  helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
  {{- with $root.Values.global.commonLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- $own := dict -}}
{{- if gt (len .) 1 }}{{ $own = index . 1 }}{{ end -}}
{{- with merge (dict) $own $root.Values.global.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Whom a role is given to. */}}
{{- define "operator.subjects" -}}
subjects:
  - kind: ServiceAccount
    name: {{ include "operator.account" . }}
    namespace: {{ include "operator.namespace" . }}
{{- end -}}

{{/* What is done in a namespace that is watched: the rules of deploy/webhook, which say why. */}}
{{- define "operator.watched" -}}
- apiGroups: [openlit.io]
  resources: [autoinstrumentations]
  verbs: [list, watch]
- apiGroups: [openlit.io]
  resources: [autoinstrumentations/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}

{{/* The settings, by their names. */}}
{{- define "operator.settings" -}}
{{- $settings := dict
  "WEBHOOK_PORT" .Values.webhook.server.port
  "WEBHOOK_PATH" .Values.webhook.server.path
  "WEBHOOK_SERVICE_NAME" (include "operator.service" .)
  "WEBHOOK_SERVICE_PORT" .Values.webhook.service.port
  "WEBHOOK_SECRET_NAME" (include "operator.secret" .)
  "WEBHOOK_CONFIG_NAME" (include "operator.configuration" .)
  "WEBHOOK_CLUSTER_ROLE" (include "operator.clusterRole" .)
  "WEBHOOK_FAILURE_POLICY" .Values.webhook.failurePolicy
  "WEBHOOK_REINVOCATION_POLICY" .Values.webhook.reinvocationPolicy
  "HEALTH_PORT" .Values.healthcheck.port
  "CERT_MODE" .Values.tls.mode
  "CERT_VALIDITY_DAYS" .Values.tls.validityDays
  "CERT_REFRESH_DAYS" .Values.tls.refreshDays
  "LOG_LEVEL" .Values.observability.logLevel
  "SELF_MONITORING_ENABLED" .Values.observability.selfMonitoringEnabled
  "OTEL_EXPORTER_OTLP_ENDPOINT" .Values.observability.otel.endpoint
  "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT" .Values.observability.otel.logsEndpoint
  "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT" .Values.observability.otel.metricsEndpoint
  "OPENLIT_DEFAULT_PROVIDER" .Values.instrumentation.defaultProvider
  "OPENLIT_DEFAULT_VERSION" .Values.instrumentation.defaultVersion
  "OPENLIT_IMAGE_PULL_POLICY" .Values.instrumentation.defaultImagePullPolicy
  "OPENLIT_DEFAULT_INIT_IMAGE" .Values.operator.defaultInitImage
  "OPENLIT_GLOBAL_NAMESPACE" (include "operator.namespace" .)
  "WATCH_NAMESPACE" .Values.multiOperator.watchNamespace
-}}
{{- if eq .Values.tls.mode "provided" -}}
{{- $_ := set $settings "WEBHOOK_CERT_DIR" .Values.webhook.server.certDir -}}
{{- end -}}
{{- range $provider, $image := .Values.providerImages -}}
{{- $tag := ternary (printf ":%s" $image.tag) "" (ne (toString $image.tag) "") -}}
{{- $_ := set $settings (printf "OPENLIT_IMAGE_%s" (upper $provider)) (printf "%s%s" $image.repository $tag) -}}
{{- end -}}
{{- range $name, $value := .Values.settings -}}
{{- $_ := set $settings $name $value -}}
{{- end -}}
{{- range $name, $value := $settings -}}
{{- if or (ne (toString $value) "") (hasKey $.Values.settings $name) }}
{{ $name }}: {{ ternary (join "," $value) (toString $value) (kindIs "slice" $value) | quote }}
{{- end -}}
{{- end -}}
{{- end -}}
