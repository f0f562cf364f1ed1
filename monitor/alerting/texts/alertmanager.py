"""The words of what Alertmanager itself sends: mails about the monitor, which may be what has failed, and Telegram.

Templates of Go, which Alertmanager fills in. https://prometheus.io/docs/alerting/latest/notifications/
"""

SUBJECT = (
    "[GIÁM SÁT] "
    '{{ if eq .Status "resolved" }}Đã khắc phục: {{ end }}'
    "{{ with .CommonAnnotations.summary }}{{ . }}{{ else }}{{ .CommonLabels.alertname }} ({{ len .Alerts }}){{ end }}"
)
TELEGRAM = """\
{{ range .Alerts.Firing }}{{ if .Annotations.drill }}DIỄN TẬP. {{ end }}{{ .Annotations.summary }}
{{ .Annotations.description }}
{{ .Annotations.dashboard }}
{{ end }}{{ range .Alerts.Resolved }}Không còn: {{ .Annotations.summary }}
{{ end }}"""
"""Plain: a name that looks like markup stays a name."""
TEXT = """\
{{ range .Alerts.Firing }}- {{ .Annotations.summary }}
  {{ .Annotations.description }}
  {{ .Annotations.dashboard }}
{{ end }}{{ range .Alerts.Resolved }}- Không còn: {{ .Annotations.summary }}
{{ end }}
Thư này do Alertmanager gửi thẳng, không qua máy giám sát."""
