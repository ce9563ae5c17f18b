//! What is done with one pod at admission: the engine's plan as a JSON patch, or a reason. Pure; knows no API server.

use super::review::{Request, warning};
use crate::api::{Finding, Reason, Severity, names};
use crate::inject::engine::{Engine, Verdict, Work};
use crate::manifest::{PodTemplate, workloads_as};
use crate::value::patch::to_json_patch;
use crate::value::{Map, Value};
use serde_json::value::RawValue;

/// How a review came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The pod gets a patch.
    Injected,
    /// The pod carries our annotation: it was rendered, and is as it should be.
    Carried,
    /// The pod stays as it is, for a reason.
    Skipped(Reason),
    /// It was not about the creation of a pod.
    Unexpected,
    /// Something of ours went wrong; the pod stays as it is.
    Failed,
}

impl Outcome {
    /// As logs and metrics call it.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Injected => "injected",
            Outcome::Carried => "carried",
            Outcome::Skipped(_) => "skipped",
            Outcome::Unexpected => "unexpected",
            Outcome::Failed => "failed",
        }
    }

    /// The code of the reason, or nothing.
    pub fn reason(self) -> &'static str {
        match self {
            Outcome::Skipped(reason) => reason.code(),
            _ => "",
        }
    }
}

/// What was decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// How it came out.
    pub outcome: Outcome,
    /// The `AutoInstrumentation` that selects the pod, or `label`.
    pub selected_by: Option<String>,
    /// The patch (RFC 6902) as JSON; empty where the pod stays as it is.
    pub patch: Vec<u8>,
    /// What weighs enough to be told to whoever creates the pod.
    pub findings: Vec<(Reason, String)>,
    /// What made the pod, if anything did.
    pub owner: Option<Owner>,
}

/// The controller of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are Kubernetes'")]
pub struct Owner {
    pub api_version: String,
    pub kind: String,
    pub name: String,
    pub uid: String,
}

impl Owner {
    fn of(pod: &Value<'_>) -> Option<Owner> {
        let owners = pod.dig(&["metadata", "ownerReferences"])?.as_list()?;
        let owner = owners.iter().find(|owner| owner.get("controller").and_then(Value::as_bool) == Some(true))?;
        let text = |key| owner.get(key)?.as_text().map(str::to_owned);
        Some(Owner { api_version: text("apiVersion")?, kind: text("kind")?, name: text("name")?, uid: text("uid")? })
    }
}

impl Decision {
    fn of(outcome: Outcome) -> Self {
        Decision { outcome, selected_by: None, patch: Vec::new(), findings: Vec::new(), owner: None }
    }

    /// Something of ours went wrong.
    pub fn failed() -> Self {
        Decision::of(Outcome::Failed)
    }

    /// The findings as the API server shows them. Many pods of one template bring the same.
    pub fn warnings(&self) -> Vec<String> {
        let ours = matches!(self.outcome, Outcome::Failed)
            .then(|| "prelit: internal error; the pod was admitted without instrumentation".to_owned());
        let found = self.findings.iter().map(|(reason, detail)| {
            let detail = if detail.is_empty() { String::new() } else { format!(": {detail}") };
            warning(&format!("prelit: {}{detail} [{}]", reason.sentence(), reason.code()))
        });
        ours.into_iter().chain(found).collect()
    }
}

/// Values of a pod that is looked at: in memory each takes many times its two bytes of text. The largest pods that the API
/// server stores have a tenth.
const MOST_VALUES: usize = 1 << 18;

/// Whether there could be more values in a text than are looked at. Those in strings count too: they are few.
fn is_vast(json: &str) -> bool {
    json.bytes().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count() > MOST_VALUES
}

/// Decides a review.
pub fn decide(engine: &Engine, request: &Request<'_>) -> Decision {
    if !request.creates_pod() {
        return Decision::of(Outcome::Unexpected);
    }
    let object = request.object.map(RawValue::get).filter(|object| !is_vast(object));
    let Some(Ok(mut pod)) = object.map(serde_json::from_str::<Value<'_>>) else {
        return Decision::failed();
    };
    let Some(metadata) = metadata_of(&mut pod) else { return Decision::failed() };
    // The pod need not name its namespace, and whatever it names is not what it is asked for.
    metadata.insert("namespace", Value::text(request.namespace.as_ref()));
    let found = workloads_as(&pod, "Pod", "v1", &[]);
    let Some((workload, template)) =
        found.workloads.first().and_then(|workload| Some((workload, workload.templates.first()?)))
    else {
        return Decision::of(Outcome::Skipped(Reason::NoContainers));
    };
    if template.annotation(names::ANNOTATION_INJECTION).is_some() {
        return Decision::of(Outcome::Carried);
    }
    let verdict = engine.inject(workload, template, &[], false);
    let findings = findings(&verdict, template);
    let selected_by = verdict.selected_by.clone();
    let owner = Owner::of(&pod);
    match &verdict.work {
        Work::Inject(edits) => match to_json_patch(&pod, edits) {
            Ok(patch) => Decision { outcome: Outcome::Injected, selected_by, patch, findings, owner },
            Err(_) => Decision::failed(),
        },
        // An injection is needed for the others.
        Work::Nothing | Work::Remove(_) | Work::Renew(_) => {
            Decision { outcome: Outcome::Skipped(reason(&verdict)), selected_by, patch: Vec::new(), findings, owner }
        }
    }
}

fn metadata_of<'m, 'v>(pod: &'m mut Value<'v>) -> Option<&'m mut Map<'v>> {
    let Value::Map(map) = pod else { return None };
    match map.get_mut("metadata")? {
        Value::Map(metadata) => Some(metadata),
        _ => None,
    }
}

/// Why nothing is done: of the whole pod, or else of the container whose reason weighs most.
fn reason(verdict: &Verdict) -> Reason {
    let of_containers = verdict.containers.iter().filter_map(|container| container.reason);
    let whole = verdict.whole.as_ref().map(|finding| finding.reason);
    whole.or_else(|| of_containers.max_by_key(|reason| reason.severity())).unwrap_or(Reason::NoContainers)
}

/// What weighs enough to be told, once each.
fn findings(verdict: &Verdict, template: &PodTemplate<'_>) -> Vec<(Reason, String)> {
    let mut found: Vec<(Reason, String)> = Vec::new();
    let mut tell = |reason: Reason, detail: &str| {
        let finding = (reason, detail.to_owned());
        if reason.severity() >= Severity::Warning && !found.contains(&finding) {
            found.push(finding);
        }
    };
    if let Some(Finding { reason, detail, .. }) = &verdict.whole {
        tell(*reason, detail);
    } else {
        for container in &verdict.containers {
            let name = &template.containers[container.container].name;
            let detail = if container.detail.is_empty() {
                format!("container {name}")
            } else {
                format!("container {name}: {}", container.detail)
            };
            container.reason.inspect(|reason| tell(*reason, &detail));
        }
    }
    for note in &verdict.notes {
        tell(note.reason, &note.detail);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::settings::Settings;
    use serde_json::{Value as Json, json};

    fn pod() -> Json {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "generateName": "chat-5d5bbfd8c9-", "labels": {"openlit.io/instrument": "true", "pod-template-hash": "5d5bbfd8c9"},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "chat-5d5bbfd8c9", "controller": true, "uid": "u"}],
            },
            "spec": {"containers": [{"name": "app", "image": "python:3.11-slim"}]},
        })
    }

    fn decide_in(namespace: &str, pod: &Json) -> Decision {
        let body = json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {
                "uid": "u", "kind": {"group": "", "version": "v1", "kind": "Pod"},
                "resource": {"group": "", "version": "v1", "resource": "pods"},
                "namespace": namespace, "operation": "CREATE", "object": pod,
            },
        })
        .to_string();
        let engine = Engine::new([], &Settings::default(), None);
        decide(&engine, &Request::read(body.as_bytes()).unwrap())
    }

    #[test]
    fn a_marked_pod_gets_a_patch_that_fits_it() {
        let decision = decide_in("prod", &pod());
        assert_eq!(decision.outcome, Outcome::Injected);
        assert_eq!(decision.selected_by.as_deref(), Some("label"));
        let patch: json_patch::Patch = serde_json::from_slice(&decision.patch).unwrap();
        let mut patched = pod();
        json_patch::patch(&mut patched, &patch).unwrap();
        assert!(patched["metadata"]["annotations"]["openlit.io/injection"].is_string());
        let env = patched["spec"]["containers"][0]["env"].as_array().unwrap();
        assert!(env.iter().any(|entry| entry["name"] == "OTEL_SERVICE_NAME" && entry["value"] == "chat"));
        assert!(patched["metadata"].get("namespace").is_none(), "only the request names it");
    }

    #[test]
    fn a_pod_that_carries_an_injection_is_left_alone() {
        let mut pod = pod();
        pod["metadata"]["annotations"] = json!({"openlit.io/injection": "of any form"});
        let decision = decide_in("prod", &pod);
        assert_eq!((decision.outcome, decision.patch.len()), (Outcome::Carried, 0));
    }

    #[test]
    fn the_namespace_of_the_request_counts_whatever_the_pod_says() {
        let mut pod = pod();
        pod["metadata"]["namespace"] = json!("prod");
        assert_eq!(decide_in("kube-system", &pod).outcome, Outcome::Skipped(Reason::NamespaceExcluded));
        pod["metadata"]["namespace"] = json!("kube-system");
        assert_eq!(decide_in("prod", &pod).outcome, Outcome::Injected);
    }

    #[test]
    fn what_is_not_selected_says_why_and_warns_of_nothing() {
        let mut pod = pod();
        pod["metadata"]["labels"] = json!({});
        let decision = decide_in("prod", &pod);
        assert_eq!(decision.outcome, Outcome::Skipped(Reason::NotSelected));
        assert!(decision.warnings().is_empty());
    }

    #[test]
    fn what_is_probably_not_meant_is_warned_of() {
        let mut pod = pod();
        pod["spec"]["containers"][0]["image"] = json!("python:3.13-alpine");
        let decision = decide_in("prod", &pod);
        assert_eq!(decision.outcome, Outcome::Skipped(Reason::IncompatiblePython));
        let warnings = decision.warnings();
        assert!(
            warnings[0].contains("container app") && warnings[0].ends_with("[incompatible-python]"),
            "{warnings:?}"
        );
    }

    #[test]
    fn a_pod_beyond_all_bounds_is_admitted_as_it_is() {
        let mut vast = pod();
        vast["spec"]["containers"][0]["args"] = vec!["a"; MOST_VALUES].into();
        assert_eq!((decide_in("prod", &vast).outcome, decide_in("prod", &vast).patch.len()), (Outcome::Failed, 0));
        vast["spec"]["containers"][0]["args"] = vec!["a"; MOST_VALUES / 2].into();
        assert_eq!(decide_in("prod", &vast).outcome, Outcome::Injected);
    }

    #[test]
    fn what_is_no_pod_is_admitted() {
        for object in [
            json!(null),
            json!([]),
            json!({"metadata": 7}),
            json!({"metadata": {}}),
            json!({"metadata": {}, "spec": {"containers": 7}}),
        ] {
            let decision = decide_in("prod", &object);
            assert!(decision.patch.is_empty(), "{object}");
        }
    }
}
