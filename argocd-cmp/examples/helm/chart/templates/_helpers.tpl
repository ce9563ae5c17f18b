{{- define "agent.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{- define "agent.container" -}}
image: "{{ .Values.image.repository }}:{{ .Values.image.tag }}"
env:
  - name: PYTHONPATH
    value: /srv/research
  - name: AGENT_MODEL
    value: {{ .Values.agent.model }}
  - name: AGENT_MAX_STEPS
    value: {{ .Values.agent.maxSteps | quote }}
  - name: ANTHROPIC_API_KEY
    valueFrom:
      secretKeyRef:
        name: {{ .Values.credentials }}
        key: api-key
{{- end }}
