//! For tests: resources as they are found, and pods as a watch of metadata shows them.

use crate::api::names;
use crate::api::settings::Settings;
use crate::inject::record::Record;
use crate::webhook::configurations::{Found, found};
use k8s_openapi::api::core::v1::Pod;
use kube::api::DynamicObject;
use kube::core::PartialObjectMeta;
use serde_json::{Value as Json, json};

/// A resource that selects `app: <name>`, with these fields of `spec` beside.
pub(super) fn resource(namespace: &str, name: &str, fields: &Json) -> Found {
    let mut spec = json!({"selector": {"matchLabels": {"app": name}}, "otlp": {"endpoint": "http://c:4318"}});
    if let (Some(spec), Some(fields)) = (spec.as_object_mut(), fields.as_object()) {
        spec.extend(fields.clone());
    }
    let object: DynamicObject = serde_json::from_value(json!({
        "apiVersion": "openlit.io/v1alpha1", "kind": "AutoInstrumentation",
        "metadata": {
            "name": name, "namespace": namespace, "uid": format!("{namespace}/{name}"),
            "generation": 1, "resourceVersion": "1",
        },
        "spec": spec,
    }))
    .unwrap();
    found(&object, &Settings::default())
}

/// A pod with these labels, and the record of an injection by a configuration of this digest.
pub(super) fn pod(namespace: &str, uid: &str, labels: &Json, digest: Option<&str>) -> PartialObjectMeta<Pod> {
    let mut annotations = json!({"example.com/other": uid});
    if let Some(digest) = digest {
        let record =
            Record { v: 1, configuration: "any".into(), digest: digest.into(), added: uid.into(), ..Record::default() };
        annotations[names::ANNOTATION_INJECTION] = record.to_text().into();
    }
    serde_json::from_value(json!({
        "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
        "metadata": {"namespace": namespace, "name": uid, "uid": uid, "labels": labels, "annotations": annotations},
    }))
    .unwrap()
}
