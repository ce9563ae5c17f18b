//! The laws of a review, for any bytes at all: no panic; an answer that the API server takes, and that allows; a patch that
//! applies, adds, and is not asked for again. Shared by the property tests and the fuzzer.

use super::filter::{EVERYTHING, OTHER, read_by_another};
use super::manifests;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use prelit::api::resource;
use prelit::api::settings::Settings;
use prelit::inject::engine::Engine;
use prelit::value::Value;
use prelit::webhook::decision::{Outcome, decide};
use prelit::webhook::review::{Request, admit};
use prelit::yaml::documents;
use serde_json::{Value as Json, json};
use std::sync::LazyLock;

/// Engines with a resource that selects every pod, and one where the label decides.
static ENGINES: LazyLock<[Engine; 3]> = LazyLock::new(|| {
    [Some(EVERYTHING), Some(OTHER), None].map(|text| {
        let resources = text.map(|text| {
            let json = read_by_another(text).expect("YAML");
            (resource::read(&Value::from(&json)).expect("a resource"), true)
        });
        Engine::new(resources, &Settings::default(), None)
    })
});

/// Any bytes as a review, and as the object of one: for the fuzzer.
pub fn any_bytes(bytes: &[u8]) {
    reviewed(bytes);
    if let Ok(object) = serde_json::from_slice::<Json>(bytes) {
        reviewed(&review(&object));
    }
}

/// The pod templates of made manifests as pods.
pub fn any_choices(choices: &[u8]) {
    let stream = manifests::stream(choices);
    for document in documents(stream.text.as_bytes()) {
        let Some(object) = stream.text.get(document.text).and_then(read_by_another) else { continue };
        let owner = json!({
            "apiVersion": object["apiVersion"], "kind": object["kind"], "name": object["metadata"]["name"],
            "uid": "u", "controller": true,
        });
        let templates = ["", "/spec/template", "/spec/jobTemplate/spec/template", "/template"];
        for template in templates.iter().filter_map(|at| object.pointer(at)) {
            let mut metadata = template["metadata"].clone();
            if let Some(metadata) = metadata.as_object_mut() {
                metadata.insert("ownerReferences".into(), json!([owner]));
            }
            reviewed(&review(&json!({ "metadata": metadata, "spec": template["spec"] })));
        }
    }
}

fn review(object: &Json) -> Vec<u8> {
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "u", "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": "prod", "operation": "CREATE", "object": object,
        },
    })
    .to_string()
    .into_bytes()
}

fn reviewed(body: &[u8]) {
    let Ok(request) = Request::read(body) else { return };
    for engine in &*ENGINES {
        decided(engine, &request);
    }
}

fn decided(engine: &Engine, request: &Request<'_>) {
    let decision = decide(engine, request);
    let answer = admit(&request.uid, &decision.patch, &decision.warnings());
    let answer: Json = serde_json::from_slice(&answer).expect("an answer is JSON");
    assert_eq!((&answer["apiVersion"], &answer["kind"]), (&json!("admission.k8s.io/v1"), &json!("AdmissionReview")));
    let response = &answer["response"];
    assert_eq!((&response["uid"], &response["allowed"]), (&json!(request.uid), &json!(true)));
    for warning in response["warnings"].as_array().into_iter().flatten() {
        let warning = warning.as_str().expect("a warning is text");
        assert!(warning.len() <= 256 && !warning.contains(char::is_control), "{warning}");
    }
    assert_eq!(response["patch"].is_string(), decision.outcome == Outcome::Injected, "{answer}");
    let Some(patch) = response["patch"].as_str() else { return };
    assert_eq!(response["patchType"], "JSONPatch");
    let patch: json_patch::Patch =
        serde_json::from_slice(&BASE64.decode(patch).expect("base64")).expect("a patch by RFC 6902");
    // A number that another library does not read is no object for it either.
    let Some(Ok(before)) = request.object.map(|object| serde_json::from_str::<Json>(object.get())) else { return };
    let mut after = before.clone();
    json_patch::patch(&mut after, &patch).unwrap_or_else(|error| panic!("{error}: {patch} of {before}"));
    assert!(is_within(&before, &after), "something is gone\n{before}\n{after}");
    let again = review(&after);
    let again = decide(engine, &Request::read(&again).expect("a review"));
    assert_eq!((again.outcome, again.patch.len()), (Outcome::Carried, 0), "{after}");
}

/// Whether everything of a value is in another, in its order: texts may have more before them.
fn is_within(part: &Json, whole: &Json) -> bool {
    match (part, whole) {
        (Json::Object(part), Json::Object(whole)) => {
            part.iter().all(|(key, part)| whole.get(key).is_some_and(|whole| is_within(part, whole)))
        }
        (Json::Array(part), Json::Array(whole)) => {
            let mut whole = whole.iter();
            part.iter().all(|part| whole.any(|whole| is_within(part, whole)))
        }
        // What is null is not there.
        (Json::Null, _) => true,
        (Json::String(part), Json::String(whole)) => whole.ends_with(part.as_str()),
        // A number where text is expected, as no API server has it, is taken for what it says.
        (Json::Number(_) | Json::Bool(_), Json::String(whole)) => whole.ends_with(&part.to_string()),
        _ => part == whole,
    }
}
