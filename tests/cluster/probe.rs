//! Asks what would become of a pod that is created now: a server-side dry run goes through the webhooks and leaves nothing.

use super::place::{Place, Run};
use super::process::wait_until;
use serde_json::{Value, json};

/// A plain pod with the label.
pub fn pod() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": "probe", "labels": { "openlit.io/instrument": "true" } },
        "spec": { "containers": [{ "name": "app", "image": "python:3.11" }] },
    })
}

/// What the API server says to it, in a namespace.
pub fn probe(place: &Place, namespace: &str) -> Run {
    let create = ["create", "--namespace", namespace, "--dry-run=server", "--output=json", "--filename=-"];
    place.pipe(&pod().to_string(), "kubectl", &create)
}

/// Where the telemetry of such a pod goes; None where it is not instrumented.
#[track_caller]
pub fn endpoint(place: &Place, namespace: &str) -> Option<String> {
    let pod: Value = serde_json::from_str(&probe(place, namespace).succeeded().stdout).unwrap();
    let injected = pod["metadata"]["annotations"]["openlit.io/injection"].is_string();
    let environment = pod["spec"]["containers"][0]["env"].as_array().cloned().unwrap_or_default();
    let endpoints: Vec<_> = environment.iter().filter(|one| one["name"] == "OTEL_EXPORTER_OTLP_ENDPOINT").collect();
    assert_eq!(endpoints.len(), usize::from(injected), "{pod}");
    endpoints.first().map(|endpoint| endpoint["value"].as_str().unwrap().to_owned())
}

/// Waits until pods of a namespace are instrumented: API servers take a moment to hear of a new registration.
#[track_caller]
pub fn wait_until_injected(place: &Place, namespace: &str) {
    wait_until("pods are instrumented", || endpoint(place, namespace).is_some());
}
