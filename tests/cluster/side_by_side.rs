//! Two installations in one cluster, each for namespaces of its own, as deploy/webhook/README.md says: neither is asked
//! about the other's pods, and neither writes what the other has.

use super::Ground;
use super::control_plane::{ControlPlane, Controllers};
use super::deployment::Deployment;
use super::place::Place;
use super::probe::{endpoint, wait_until_injected};
use super::process::wait_until;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use std::thread::sleep;
use std::time::Duration;

pub fn trials(ground: &Ground) -> Vec<Trial> {
    let test =
        ground.trial_with("side_by_side::two_installations_share_nothing", &["helm4"], two_installations_share_nothing);
    vec![test]
}

/// The collectors, by which it is told whose work a pod is.
const FIRST: &str = "http://first.example.com:4318";
const SECOND: &str = "http://second.example.com:4318";

fn two_installations_share_nothing(place: &Place) {
    let control_plane = ControlPlane::start(Controllers::All);
    for namespace in ["prod", "research", "elsewhere", "openlit", "ai"] {
        control_plane.welcome(place, namespace);
    }
    // The first one by kustomize, for `prod`.
    place.copy("deploy", "deploy");
    place.change(
        "deploy/webhook/overlays/namespaced/settings.yaml",
        "  WATCH_NAMESPACE: prod",
        &format!("  WATCH_NAMESPACE: prod\n  OPENLIT_OTLP_ENDPOINT: {FIRST}"),
    );
    place.out("kubectl apply --server-side -k deploy/webhook/overlays/namespaced");
    control_plane.wait_until_defined();
    // The second by Helm, for `research`. Every other name is made of that of the release.
    place.out(&format!(
        "helm4 install second deploy/helm/openlit-operator --namespace ai --create-namespace --set crd.install=false \
         --set multiOperator.watchNamespace=research --set settings.OPENLIT_OTLP_ENDPOINT={SECOND}"
    ));
    let first = Deployment::of_manifests(&control_plane);
    let second = Deployment { namespace: "ai".to_owned(), name: "second-openlit-operator".to_owned(), ..first };
    let mut replicas = [first.run_one(place, "10.99.3.1"), second.run_one(place, "10.99.3.2")];
    wait_until_injected(place, "prod");
    wait_until_injected(place, "research");
    let goes_to = |namespace| endpoint(place, namespace);
    assert_eq!(
        [goes_to("prod").as_deref(), goes_to("research").as_deref(), goes_to("elsewhere").as_deref()],
        [Some(FIRST), Some(SECOND), None]
    );

    // Of the resources that could be anybody's, each reads and answers its own, and its global namespace's.
    for (namespace, name) in [("prod", "of-first"), ("research", "of-second"), ("elsewhere", "of-nobody")] {
        let resource = json!({
            "apiVersion": "openlit.io/v1alpha1", "kind": "AutoInstrumentation",
            "metadata": { "name": name, "namespace": namespace },
            "spec": {
                "selector": { "matchLabels": { "openlit.io/instrument": "true" } },
                "otlp": { "endpoint": format!("http://{name}.example.com:4318") },
            },
        });
        place.pipe(&resource.to_string(), "kubectl", &["apply", "--server-side", "-f", "-"]).succeeded();
    }
    for (namespace, name) in [("prod", "of-first"), ("research", "of-second")] {
        let wanted = format!("http://{name}.example.com:4318");
        wait_until("the resource holds", || goes_to(namespace).as_ref() == Some(&wanted));
        let manager = || {
            let list = place
                .out(&format!("kubectl get ai {name} --namespace {namespace} --output=json --show-managed-fields"));
            let object: Value = serde_json::from_str(&list).unwrap();
            let mut managers = object["metadata"]["managedFields"].as_array().unwrap().clone();
            managers.retain(|entry| entry["subresource"] == "status");
            assert!(managers.len() < 2, "{managers:?}");
            managers.first().map(|entry| entry["manager"].as_str().unwrap().to_owned())
        };
        let whose = if namespace == "prod" { "prelit-webhook.openlit" } else { "prelit-webhook.ai" };
        wait_until("its status is written", || manager().is_some());
        assert_eq!(manager().as_deref(), Some(whose));
    }
    let status = place.out("kubectl get ai of-nobody --namespace elsewhere --output=jsonpath={.status}");
    assert_eq!((status.as_str(), goes_to("elsewhere")), ("", None));

    // What they have written stays as it is.
    let versions = || {
        let what = "mutatingwebhookconfigurations,secrets";
        let line = "{range .items[*]}{.kind}/{.metadata.name} {.metadata.resourceVersion}{\"\\n\"}{end}";
        place.out(&format!("kubectl get {what} --all-namespaces --output=jsonpath='{line}'"))
    };
    let before = versions();
    assert_eq!(before.lines().filter(|line| line.starts_with("MutatingWebhookConfiguration/")).count(), 2, "{before}");
    sleep(Duration::from_secs(5));
    assert_eq!(versions(), before);
    for replica in &mut replicas {
        replica.wait_until_ready();
    }
    for log in ["openlit-operator", "second-openlit-operator"] {
        let logs = place.out(&format!("cat {log}-*.log"));
        assert!(!logs.contains("forbidden") && !logs.contains("\"WARN\""), "{logs}");
    }

    // One goes, the other stays.
    let [_first, second] = replicas;
    place.out("helm4 uninstall second --namespace ai");
    second.process.stop();
    wait_until("its registration goes with it", || {
        !place.out("kubectl get mutatingwebhookconfigurations --output=name").contains("second")
    });
    assert_eq!(goes_to("research"), None);
    assert_eq!(goes_to("prod").as_deref(), Some("http://of-first.example.com:4318"));
}
