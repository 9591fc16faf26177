{{/* The name of everything: the release's, with the chart's behind it unless it is there already. */}}
{{- define "whipstitch.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What finds the pods again; it never changes. */}}
{{- define "whipstitch.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "whipstitch.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{ include "whipstitch.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "whipstitch.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* whipstitch.toml */}}
{{- define "whipstitch.toml" -}}
{{- $manager := .Values.streamManager.url -}}
{{- if and (eq .Values.mode "sidecar") (not $manager) -}}
{{- $manager = "http://127.0.0.1:5080" -}}
{{- end -}}
[stream_manager]
url = {{ $manager | quote }}

[listen]
https = ["0.0.0.0:{{ .Values.ports.https }}"]
admin = "0.0.0.0:{{ .Values.ports.admin }}"

[tls]
cert = "/secrets/tls/tls.crt"
key = "/secrets/tls/tls.key"

[sessions]
key_file = "/secrets/session/session.key"

[admin]
socket = "/run/whipstitch/admin.sock"

[shutdown]
delay = "{{ .Values.shutdown.delaySeconds }}s"
deadline = "{{ .Values.shutdown.deadlineSeconds }}s"
{{- with .Values.config }}

{{ . | trim }}
{{- end }}
{{ end -}}

{{/* The grace period of the pod: the whole end, a second to flush, and some to spare. */}}
{{- define "whipstitch.grace" -}}
{{- add .Values.shutdown.delaySeconds .Values.shutdown.deadlineSeconds 10 -}}
{{- end -}}

{{/* The container; the same in both modes. */}}
{{- define "whipstitch.container" -}}
name: whipstitch
image: {{ include "whipstitch.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args: [run]
ports:
  - name: https
    containerPort: {{ .Values.ports.https }}
  - name: admin
    containerPort: {{ .Values.ports.admin }}
# None of the three asks the Stream Manager: streams that were looked up go on while it is away.
startupProbe:
  httpGet:
    path: /startupz
    port: admin
  periodSeconds: 1
  failureThreshold: 60
livenessProbe:
  httpGet:
    path: /livez
    port: admin
  periodSeconds: 10
  timeoutSeconds: 5
  # A restart ends every WebSocket: only when it is certain.
  failureThreshold: 6
readinessProbe:
  httpGet:
    path: /readyz
    port: admin
  periodSeconds: 2
  failureThreshold: 2
lifecycle:
  preStop:
    exec:
      command: [/usr/bin/whipstitch, drain, --wait]
resources:
  {{- toYaml .Values.resources | nindent 2 }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
  seccompProfile:
    type: RuntimeDefault
terminationMessagePolicy: FallbackToLogsOnError
volumeMounts:
  - name: whipstitch-config
    mountPath: /etc/whipstitch
    readOnly: true
  - name: whipstitch-tls
    mountPath: /secrets/tls
    readOnly: true
  - name: whipstitch-session
    mountPath: /secrets/session
    readOnly: true
  - name: whipstitch-run
    mountPath: /run/whipstitch
{{- end -}}

{{/* Its volumes; the pod's fsGroup hands the secrets to user 65532. */}}
{{- define "whipstitch.volumes" -}}
- name: whipstitch-config
  configMap:
    name: {{ include "whipstitch.fullname" . }}
- name: whipstitch-tls
  secret:
    secretName: {{ .Values.tls.secret }}
    defaultMode: 0440
- name: whipstitch-session
  secret:
    secretName: {{ .Values.sessionKey.secret }}
    defaultMode: 0440
- name: whipstitch-run
  emptyDir:
    medium: Memory
    sizeLimit: 1Mi
{{- end -}}
