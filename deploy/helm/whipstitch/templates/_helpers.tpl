{{/* The name of everything: fullnameOverride, or the release's, with the chart's behind it unless it is there already. */}}
{{- define "whipstitch.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "whipstitch.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "whipstitch.fullname" .) -}}
{{- end -}}

{{/* What finds the pods again; it never changes. */}}
{{- define "whipstitch.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Labels of every resource; commonLabels do not win over those that the chart needs. */}}
{{- define "whipstitch.labels" -}}
{{- $own := dict "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version)
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/managed-by" .Release.Service -}}
{{- merge (dict) (include "whipstitch.selector" . | fromYaml) $own .Values.commonLabels | toYaml -}}
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

{{/* What the chart itself sets, as tables of whipstitch.toml. */}}
{{- define "whipstitch.settings" -}}
stream_manager:
  url: {{ .Values.streamManager.url | default (eq .Values.mode "sidecar" | ternary "http://127.0.0.1:5080" "") | quote }}
listen:
  {{- if .Values.tls.secret }}
  https: ["0.0.0.0:{{ .Values.ports.https }}"]
  {{- end }}
  {{- if .Values.ports.http }}
  http: ["0.0.0.0:{{ .Values.ports.http }}"]
  {{- end }}
  admin: "0.0.0.0:{{ .Values.ports.admin }}"
{{- if .Values.tls.secret }}
tls:
  cert: /secrets/tls/tls.crt
  key: /secrets/tls/tls.key
{{- end }}
sessions:
  key_file: /secrets/session/session.key
admin:
  socket: /run/whipstitch/admin.sock
shutdown:
  delay: {{ .Values.shutdown.delaySeconds }}s
  deadline: {{ .Values.shutdown.deadlineSeconds }}s
{{- end -}}

{{/* Keys that the pod depends on are set by values of their own, so that both stay the same. */}}
{{- define "whipstitch.owned" -}}
listen.https: ports.https
listen.http: ports.http
listen.admin: ports.admin
admin.socket: nothing, since the preStop hook needs it
shutdown.delay: shutdown.delaySeconds
shutdown.deadline: shutdown.deadlineSeconds
{{- end -}}

{{/* whipstitch.toml: the chart's settings with config laid over them; a null takes a key away. Values in JSON are TOML. */}}
{{- define "whipstitch.toml" -}}
{{- if not (or .Values.tls.secret .Values.ports.http) -}}
{{- fail "tls.secret is empty: set ports.http, or there is nothing to serve on" -}}
{{- end -}}
{{- if and .Values.certificate.create (not .Values.tls.secret) -}}
{{- fail "certificate.create: set tls.secret to the Secret that cert-manager is to write" -}}
{{- end -}}
{{- range $path, $instead := include "whipstitch.owned" . | fromYaml -}}
{{- $parts := splitList "." $path -}}
{{- if hasKey (index $.Values.config (first $parts) | default dict) (last $parts) -}}
{{- fail (printf "config.%s: set %s" $path $instead) -}}
{{- end -}}
{{- end -}}
{{- $tables := mergeOverwrite (include "whipstitch.settings" . | fromYaml) (deepCopy .Values.config) -}}
{{- range $table, $keys := $tables }}
[{{ $table }}]
{{- range $key, $value := $keys }}
{{- if not (kindIs "invalid" $value) }}
{{ $key }} = {{ toRawJson $value }}
{{- end }}
{{- end }}
{{ end -}}
{{- end -}}

{{/* The grace period of the pod: the whole end, a second to flush, and some to spare. */}}
{{- define "whipstitch.grace" -}}
{{- add .Values.shutdown.delaySeconds .Values.shutdown.deadlineSeconds 10 -}}
{{- end -}}

{{/* The container; the same in both modes. */}}
{{- define "whipstitch.container" -}}
name: whipstitch
image: {{ include "whipstitch.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args: {{ concat (list "run") .Values.extraArgs | toJson }}
{{- with .Values.extraEnv }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
ports:
  {{- if .Values.tls.secret }}
  - name: https
    containerPort: {{ .Values.ports.https }}
  {{- end }}
  {{- with .Values.ports.http }}
  - name: http
    containerPort: {{ . }}
  {{- end }}
  - name: admin
    containerPort: {{ .Values.ports.admin }}
# None of the three asks the Stream Manager: streams with a cached lookup work while it is down.
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
  {{- if .Values.tls.secret }}
  - name: whipstitch-tls
    mountPath: /secrets/tls
    readOnly: true
  {{- end }}
  - name: whipstitch-session
    mountPath: /secrets/session
    readOnly: true
  - name: whipstitch-run
    mountPath: /run/whipstitch
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* Its volumes; the pod's fsGroup hands the secrets to user 65532. */}}
{{- define "whipstitch.volumes" -}}
- name: whipstitch-config
  configMap:
    name: {{ include "whipstitch.fullname" . }}
{{- if .Values.tls.secret }}
- name: whipstitch-tls
  secret:
    secretName: {{ .Values.tls.secret }}
    defaultMode: 0440
{{- end }}
- name: whipstitch-session
  secret:
    secretName: {{ .Values.sessionKey.secret }}
    defaultMode: 0440
- name: whipstitch-run
  emptyDir:
    medium: Memory
    sizeLimit: 1Mi
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
