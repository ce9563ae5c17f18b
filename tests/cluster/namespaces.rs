//! `WATCH_NAMESPACE`: only those namespaces are instrumented and counted, with the resources of the global one, and the
//! rights of the overlay suffice.

use super::Ground;
use super::control_plane::{ControlPlane, Controllers};
use super::deployment::Deployment;
use super::place::Place;
use super::probe::{endpoint, wait_until_injected};
use super::process::wait_until;
use libtest_mimic::Trial;
use serde_json::{Value, json};

pub fn trials(ground: &Ground) -> Vec<Trial> {
    vec![ground.trial("namespaces::only_those_that_are_watched", only_those_that_are_watched)]
}

fn only_those_that_are_watched(place: &Place) {
    let control_plane = ControlPlane::start(Controllers::All);
    for namespace in ["elsewhere", "openlit", "staging", "prod"] {
        control_plane.welcome(place, namespace);
    }
    // As the comment of the overlay says for several: all of them in the setting, and a copy of watched.yaml for each.
    place.copy("deploy", "deploy");
    let overlay = "deploy/webhook/overlays/namespaced";
    place.change(&format!("{overlay}/settings.yaml"), "WATCH_NAMESPACE: prod", "WATCH_NAMESPACE: prod,staging");
    let watched = place.read(format!("{overlay}/watched.yaml"));
    place.write(format!("{overlay}/staging.yaml"), watched.replace("namespace: prod", "namespace: staging"));
    place.change(
        &format!("{overlay}/kustomization.yaml"),
        "  - watched.yaml\n",
        "  - watched.yaml\n  - staging.yaml\n",
    );
    place.out(&format!("kubectl apply --server-side -k {overlay}"));
    control_plane.wait_until_defined();
    // The original's leftover, of which an event in `default` tells.
    place.write("leftover.json", json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": { "name": "openlit-mutating-webhook-configuration" },
        "webhooks": [{
            "name": "pod-instrumentation.openlit.io", "sideEffects": "None", "admissionReviewVersions": ["v1"],
            "clientConfig": { "service": { "name": "openlit-webhook-service", "namespace": "openlit" } },
            "rules": [{ "operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"] }],
            "failurePolicy": "Fail", "objectSelector": { "matchLabels": { "nobody": "has-this" } },
        }],
    }).to_string());
    place.out("kubectl create --filename leftover.json");
    for namespace in ["prod", "staging", "elsewhere", "openlit"] {
        let resource = json!({
            "apiVersion": "openlit.io/v1alpha1", "kind": "AutoInstrumentation",
            "metadata": { "name": "all", "namespace": namespace },
            "spec": {
                // In `staging` it selects nothing, so that the global one holds.
                "selector": { "matchLabels": { "openlit.io/instrument": if namespace == "staging" { "no" } else { "true" } } },
                "otlp": { "endpoint": format!("http://{namespace}.example.com:4318") },
            },
        });
        place.pipe(&resource.to_string(), "kubectl", &["create", "--filename=-"]).succeeded();
    }
    let replica = Deployment::of_manifests(&control_plane).run_one(place, "10.99.6.1");
    wait_until_injected(place, "prod");
    let goes_to = |namespace| endpoint(place, namespace);
    assert_eq!(goes_to("prod").as_deref(), Some("http://prod.example.com:4318"));
    assert_eq!(goes_to("staging").as_deref(), Some("http://openlit.example.com:4318"));
    assert_eq!([goes_to("elsewhere"), goes_to("openlit"), goes_to("default")], [None, None, None]);

    // Pods are counted where they are watched, and nowhere else.
    for namespace in ["prod", "elsewhere"] {
        place.out(&format!(
            "kubectl run app --image=python:3.11 --labels=openlit.io/instrument=true --namespace {namespace}"
        ));
    }
    let status = |namespace: &str| -> Value {
        let text = place.out(&format!("kubectl get ai all --namespace {namespace} --output=json"));
        serde_json::from_str::<Value>(&text).unwrap()["status"].take()
    };
    wait_until("the pod is counted", || status("prod")["pods"]["instrumented"] == 1);
    wait_until("that there is none is counted", || status("staging")["pods"]["instrumented"] == 0);
    assert_eq!((status("elsewhere"), status("openlit")), (Value::Null, Value::Null));

    // All that it writes it may write.
    place.write(
        "modern.json",
        json!({
            "apiVersion": "v1", "kind": "ReplicationController", "metadata": { "name": "modern" },
            "spec": { "template": {
                "metadata": { "labels": { "openlit.io/instrument": "true", "app": "modern" } },
                "spec": { "containers": [{ "name": "app", "image": "python:3.13-alpine" }] },
            } },
        })
        .to_string(),
    );
    place.out("kubectl create --namespace prod --filename modern.json");
    let events = |namespace: &str| place.out(&format!("kubectl get events --namespace {namespace}"));
    wait_until("an event is in the watched namespace", || events("prod").contains("IncompatiblePython"));
    wait_until("an event is in the default namespace", || events("default").contains("LeftoverWebhook"));
    let log = place.out("cat openlit-operator-*.log");
    assert!(!log.contains("forbidden") && !log.contains("cannot be"), "{log}");
    drop(replica);
}
