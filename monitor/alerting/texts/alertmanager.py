"""The words of what Alertmanager itself sends, past the gateway: about the monitor, which may be what has failed.

Templates of Go, which Alertmanager fills in. https://prometheus.io/docs/alerting/latest/notifications/
"""

SUBJECT = (
    "[GIÁM SÁT] "
    '{{ if eq .Status "resolved" }}Đã khắc phục: {{ end }}'
    "{{ with .CommonAnnotations.summary }}{{ . }}{{ else }}{{ .CommonLabels.alertname }} ({{ len .Alerts }}){{ end }}"
)
TEXT = """\
{{ range .Alerts.Firing }}- {{ .Annotations.summary }}
  {{ .Annotations.description }}
  {{ .Annotations.dashboard }}
{{ end }}{{ range .Alerts.Resolved }}- Không còn: {{ .Annotations.summary }}
{{ end }}
Thư này do Alertmanager gửi thẳng, không qua máy giám sát."""
