//! The Deployment: a container for each application and each CPython, since one pod has one provider.

use super::application::{APPLICATIONS, Application, Provider};
use std::fmt::Write;

/// The name of a container.
pub fn container(python: &str, application: &Application) -> String {
    format!("py{}-{}", python.replace('.', ""), application.name)
}

/// As a user writes it.
pub fn deployment(provider: Provider, pythons: &[&str]) -> String {
    let mut text = String::from(
        "apiVersion: apps/v1
kind: Deployment
metadata:
  name: assistants
  namespace: ai
spec:
  selector:
    matchLabels: {app.kubernetes.io/name: assistant}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: assistant
        app.kubernetes.io/version: \"1.4.0\"
        openlit.io/instrument: \"true\"
      annotations:
        resource.opentelemetry.io/team: search, weather
    spec:
      securityContext: {runAsNonRoot: true, runAsUser: 10001, runAsGroup: 10001, fsGroup: 10001}
      volumes:
        - name: scratch
          emptyDir: {}
      containers:
",
    );
    let mut port = 8000;
    for python in pythons {
        for application in APPLICATIONS {
            port += 1;
            let command: Vec<String> = (application.command)(provider).iter().map(|word| format!("{word:?}")).collect();
            write!(
                text,
                "        - name: {}
          image: registry.example.com/python-assistant:1.4.0
          command: [{}]   # {}
          workingDir: /srv/app
          env:
            - name: NODE_IP
              valueFrom: {{fieldRef: {{fieldPath: status.hostIP}}}}
            - name: POD_IP
              valueFrom: {{fieldRef: {{fieldPath: status.podIP}}}}
            - {{name: PORT, value: \"{port}\"}}
            - {{name: OPENAI_API_KEY, value: sk-none}}
            - {{name: OPENAI_BASE_URL, value: \"http://$(NODE_IP):9000/v1\"}}
            - {{name: OPENAI_API_BASE, value: \"http://$(NODE_IP):9000/v1\"}}
            - {{name: ANTHROPIC_API_KEY, value: sk-none}}
            - {{name: ANTHROPIC_BASE_URL, value: \"http://$(NODE_IP):9000\"}}
            - {{name: OTEL_RESOURCE_ATTRIBUTES, value: \"owner=grey%20heron\"}}
            - {{name: ESCAPED, value: \"$$(NODE_IP) $(NOWHERE)\"}}
",
                container(python, application),
                command.join(", "),
                application.title,
            )
            .unwrap();
            if let Some(path) = application.python_path {
                writeln!(text, "            - {{name: PYTHONPATH, value: \"{path}\"}}").unwrap();
            }
            text.push_str(
                "          securityContext: {readOnlyRootFilesystem: true, allowPrivilegeEscalation: false}
          volumeMounts:
            - {name: scratch, mountPath: /tmp}
",
            );
        }
    }
    text
}
