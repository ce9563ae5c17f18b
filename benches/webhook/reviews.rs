//! What the API server asks.

use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

/// Where the webhook answers.
pub const PATH: &str = "/mutate";

/// The namespace of the pods, and of the resources that a server has.
pub const NAMESPACE: &str = "assistants";

/// As many bytes as those by which others were measured.
const BYTES: usize = 2_333;

/// A review of a pod that a Deployment makes.
pub struct Review {
    pub name: &'static str,
    pub body: String,
}

impl Review {
    /// Of a pod that a resource selects.
    pub fn selected() -> Review {
        Review { name: "a pod that is instrumented", body: body("chat-0") }
    }

    /// Of a pod that no resource selects, and that nobody has marked: most pods of a cluster.
    pub fn not_selected() -> Review {
        Review { name: "a pod that is left alone", body: body("billing") }
    }
}

/// A pod that a resource selects, as a user makes it.
pub fn pod() -> Pod {
    serde_json::from_value(with_note("chat-0", "")["request"]["object"].take()).unwrap()
}

/// A resource that selects the pods of one application among thousands.
pub fn resource(number: usize) -> Value {
    json!({
        "apiVersion": "openlit.io/v1alpha1", "kind": "AutoInstrumentation",
        "metadata": { "name": format!("chat-{number}"), "namespace": NAMESPACE },
        "spec": {
            "selector": { "matchLabels": { "app": format!("chat-{number}"), "part-of": "assistants" } },
            "otlp": { "endpoint": "http://collector.observability:4318" },
            "resource": { "environment": "production" },
        },
    })
}

fn body(app: &str) -> String {
    let short = with_note(app, "").to_string().len();
    let body = with_note(app, &"x".repeat(BYTES - short)).to_string();
    assert_eq!(body.len(), BYTES, "the figures of others were measured with reviews of this size");
    body
}

fn with_note(app: &str, note: &str) -> Value {
    let kind = json!({ "group": "", "version": "v1", "kind": "Pod" });
    let resource = json!({ "group": "", "version": "v1", "resource": "pods" });
    let name = format!("{app}-5d5bbfd8c9");
    json!({
        "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "kind": kind, "resource": resource,
            "requestKind": kind, "requestResource": resource, "namespace": NAMESPACE, "operation": "CREATE",
            "userInfo": {
                "username": "system:serviceaccount:kube-system:replicaset-controller",
                "uid": "0b4bc5f8-d5a4-4f7e-9d7c-4c7f7a3d8d0a",
                "groups": ["system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"],
            },
            "object": {
                "kind": "Pod", "apiVersion": "v1",
                "metadata": {
                    "generateName": format!("{name}-"), "creationTimestamp": null,
                    "labels": { "app": app, "part-of": "assistants", "pod-template-hash": "5d5bbfd8c9" },
                    "annotations": { "note": note },
                    "ownerReferences": [{
                        "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name, "controller": true,
                        "uid": "2c2dfb1b-4ab5-4d36-8ee4-17ab8a02f3f4", "blockOwnerDeletion": true,
                    }],
                },
                "spec": {
                    "volumes": [{ "name": "token", "projected": { "defaultMode": 420, "sources": [
                        { "serviceAccountToken": { "expirationSeconds": 3607, "path": "token" } },
                        { "configMap": { "name": "kube-root-ca.crt", "items": [{ "key": "ca.crt", "path": "ca.crt" }] } },
                    ] } }],
                    "containers": [{
                        "name": "app", "image": "python:3.11-slim", "command": ["python", "-m", "assistance"],
                        "env": [{ "name": "MODEL", "value": "small" }], "ports": [{ "containerPort": 8080 }],
                        "resources": { "limits": { "memory": "256Mi" } },
                        "volumeMounts": [{ "name": "token", "readOnly": true,
                            "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount" }],
                        "terminationMessagePath": "/dev/termination-log", "imagePullPolicy": "IfNotPresent",
                    }],
                    "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
                    "serviceAccountName": "default", "serviceAccount": "default", "schedulerName": "default-scheduler",
                },
                "status": {},
            },
            "oldObject": null, "dryRun": false,
            "options": { "kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1" },
        },
    })
}
