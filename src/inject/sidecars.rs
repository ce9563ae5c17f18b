//! Containers that are known to be sidecars, by name or image path: data, and how it is compared.

use crate::api::image::Image;

/// Words of names and of the last part of image paths that mean a sidecar wherever they stand
/// together: `istio-proxy`, `my-istio-proxy-1`, `fluentd-kubernetes-daemonset`.
#[rustfmt::skip]
const ANYWHERE: &[&str] = &[
    // meshes and proxies
    "istio-proxy", "istio-init", "istio-validation", "linkerd-proxy", "linkerd-init", "linkerd-network-validator",
    "envoy-proxy", "envoy-sidecar", "kuma-sidecar", "kuma-dp", "consul-connect", "consul-dataplane",
    "oauth2-proxy", "kube-rbac-proxy", "kube-proxy", "queue-proxy", "cloud-sql-proxy", "cloudsql-proxy", "gce-proxy",
    "alloydb-auth-proxy", "cloudflared", "daprd",
    // secrets
    "vault-agent", "vault-agent-init", "secrets-store",
    // logs
    "fluentd", "fluent-bit", "fluentbit", "filebeat", "promtail", "logstash-forwarder",
    // metrics and traces
    "otel-collector", "otc-container", "otelcol", "opentelemetry-collector", "grafana-agent", "grafana-alloy",
    "jaeger-agent", "datadog-agent", "aws-otel-collector", "xray-daemon", "cloudwatch-agent", "statsd-exporter",
    "newrelic-infrastructure", "telegraf",
    // small helpers of charts
    "configmap-reload", "config-reloader", "git-sync",
];

/// Names that are also ordinary words: they mean a sidecar alone or beside a word of [`COMPANIONS`].
const ALONE: &[&str] = &["envoy", "consul", "prometheus", "alloy", "alertmanager", "vault", "dapr", "otel", "jaeger"];

/// What may stand beside them in the name of a container.
const COMPANIONS: &[&str] =
    &["agent", "sidecar", "proxy", "collector", "server", "init", "dataplane", "exporter", "container"];

/// Image paths whose last part alone does not say enough.
const IMAGES: &[&str] = &[
    "istio/proxyv2",
    "linkerd/proxy",
    "linkerd/proxy-init",
    "grafana/agent",
    "grafana/alloy",
    "datadog/agent",
    "datadoghq/agent",
    "hashicorp/vault",
    "hashicorp/consul",
    "prom/prometheus",
    "prometheus/prometheus",
];

/// The entry that says that a container is a sidecar.
pub fn sidecar(name: &str, image: &Image<'_>) -> Option<&'static str> {
    let anywhere = |text: &str| ANYWHERE.iter().copied().find(|entry| has_words(text, entry));
    let of_path = || {
        let ends = |entry: &&&str| {
            image.path == **entry || image.path.strip_suffix(**entry).is_some_and(|rest| rest.ends_with('/'))
        };
        IMAGES.iter().find(ends).copied()
    };
    let of_image = || ALONE.iter().copied().find(|entry| image.name().eq_ignore_ascii_case(entry));
    anywhere(name).or_else(|| alone(name)).or_else(|| anywhere(image.name())).or_else(of_path).or_else(of_image)
}

/// Whether the words of `entry` stand together in `text`.
fn has_words(text: &str, entry: &str) -> bool {
    text.match_indices(entry.as_bytes().first().map_or('\0', |b| *b as char)).any(|(at, _)| {
        let begins = at == 0 || is_boundary(text.as_bytes()[at - 1]);
        let rest = text.as_bytes().get(at..at + entry.len());
        let same = rest.is_some_and(|rest| {
            rest.iter()
                .zip(entry.bytes())
                .all(|(a, b)| a.eq_ignore_ascii_case(&b) || b == b'-' && matches!(a, b'_' | b'.'))
        });
        begins && same && text.as_bytes().get(at + entry.len()).is_none_or(|b| is_boundary(*b))
    })
}

fn is_boundary(byte: u8) -> bool {
    matches!(byte, b'-' | b'_' | b'.' | b'/')
}

fn alone(name: &str) -> Option<&'static str> {
    let mut found = None;
    for word in name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        match ALONE.iter().copied().find(|entry| entry.eq_ignore_ascii_case(word)) {
            Some(entry) => found = Some(entry),
            None if COMPANIONS.contains(&word) => {}
            None => return None,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(name: &str, image: &str) -> bool {
        sidecar(name, &Image::parse(image)).is_some()
    }

    #[test]
    fn sidecars_are_known_by_name() {
        for name in [
            "istio-proxy",
            "linkerd-proxy",
            "envoy",
            "vault-agent",
            "vault-agent-init",
            "daprd",
            "cloud-sql-proxy",
            "cloudsql-proxy",
            "oauth2-proxy",
            "fluent-bit",
            "fluentd",
            "filebeat",
            "otel-collector",
            "grafana-agent",
            "alloy",
            "datadog-agent",
            "consul",
            "consul-connect",
            "jaeger-agent",
            "prometheus",
            "kube-proxy",
            "prometheus-sidecar",
            "my-fluent-bit",
            "envoy_sidecar",
            "queue-proxy",
        ] {
            assert!(is(name, "acme/x"), "{name}");
        }
        for name in [
            "app",
            "proxy",
            "agent",
            "prometheus-consumer",
            "envoy-config-api",
            "chat-agent",
            "",
            "fluentd2",
            "xfluentd",
        ] {
            assert!(!is(name, "acme/x"), "{name}");
        }
    }

    #[test]
    fn sidecars_are_known_by_image() {
        for image in [
            "docker.io/istio/proxyv2:1.24",
            "cr.l5d.io/linkerd/proxy:stable",
            "envoyproxy/envoy:v1.30",
            "hashicorp/vault:1.17",
            "daprio/daprd:1.13",
            "gcr.io/cloud-sql-connectors/cloud-sql-proxy:2",
            "gcr.io/cloudsql-docker/gce-proxy:1.33",
            "quay.io/oauth2-proxy/oauth2-proxy",
            "fluent/fluent-bit:3.2.2",
            "fluent/fluentd-kubernetes-daemonset",
            "docker.elastic.co/beats/filebeat:8",
            "grafana/agent",
            "grafana/alloy:v1",
            "otel/opentelemetry-collector-contrib",
            "gcr.io/datadoghq/agent:7",
            "hashicorp/consul:1.18",
            "jaegertracing/jaeger-agent:1",
            "prom/prometheus",
            "quay.io/prometheus/prometheus:v3.13.2",
            "amazon/aws-xray-daemon:3",
        ] {
            assert!(is("x", image), "{image}");
        }
        for image in [
            "python:3.11",
            "acme/agent",
            "acme/proxy",
            "acme/prometheus-client-demo",
            "vault.acme.io/app",
            "acme/app:envoy",
        ] {
            assert!(!is("x", image), "{image}");
        }
    }
}
