//! What the original operator leaves behind, in both of its generations, and what becomes of it once the webhook has taken
//! its place.

use super::Ground;
use super::control_plane::{ControlPlane, Controllers};
use super::deployment::Deployment;
use super::place::Place;
use super::probe::{endpoint, probe, wait_until_injected};
use super::process::wait_until;
use libtest_mimic::Trial;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use serde_json::{Value, json};
use std::thread::sleep;
use std::time::Duration;

pub fn trials(ground: &Ground) -> Vec<Trial> {
    vec![
        ground.trial("leftovers::a_registration_to_our_service_is_disarmed", a_registration_to_our_service_is_disarmed),
        ground.trial("leftovers::what_has_our_names_becomes_ours", what_has_our_names_becomes_ours),
    ]
}

const COMMAND: &str = "kubectl delete mutatingwebhookconfiguration openlit-mutating-webhook-configuration";

/// What the original registers: it trusts a CA of its own, and asks about the pods of every namespace but its own pods.
fn registration(configuration: &str, webhook: &str, service: &str, bundle: &str) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": {
            "name": configuration, "labels": { "app": "openlit-operator", "component": "webhook-config" },
        },
        "webhooks": [{
            "name": webhook, "admissionReviewVersions": ["v1", "v1beta1"], "sideEffects": "None",
            "clientConfig": {
                "caBundle": bundle,
                "service": { "name": service, "namespace": "openlit", "path": "/mutate", "port": 443 },
            },
            "rules": [{ "operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"] }],
            "objectSelector": {
                "matchExpressions": [{ "key": "app", "operator": "NotIn", "values": ["openlit-operator"] }],
            },
            "failurePolicy": "Fail", "reinvocationPolicy": "Never",
        }],
    })
}

/// A CA of nobody that is left (PEM).
fn authority() -> String {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
}

fn create(place: &Place, object: &Value) {
    place.pipe(&object.to_string(), "kubectl", &["create", "--filename=-"]).succeeded();
}

fn of_original(place: &Place, path: &str) -> String {
    let name = "mutatingwebhookconfiguration/openlit-mutating-webhook-configuration";
    place.out(&format!("kubectl get {name} --output=jsonpath='{path}'"))
}

/// The later generation: under a name of its own, and dangerous.
fn a_registration_to_our_service_is_disarmed(place: &Place) {
    let control_plane = ControlPlane::start(Controllers::All);
    control_plane.welcome(place, "apps");
    let configuration = "openlit-mutating-webhook-configuration";
    let leftover =
        |service| registration(configuration, "pod-instrumentation.openlit.io", service, &base64(place, &authority()));
    create(place, &leftover("openlit-webhook-service"));
    place.copy("deploy", "deploy");
    place.out("kubectl apply -f deploy/openlit-operator.yaml");
    // No pod can be made, but those of the operator, which it has left out.
    wait_until("all pods are refused", || probe(place, "apps").code != 0);
    let deployment = Deployment::of_manifests(&control_plane);
    let replica = deployment.run_one(place, "10.99.4.1");
    wait_until("none is refused", || probe(place, "apps").code == 0);
    wait_until_injected(place, "apps");
    assert_eq!(of_original(place, "{.webhooks[*].failurePolicy}"), "Ignore");
    place.out("kubectl run real --image=python:3.11 --labels=openlit.io/instrument=true");
    assert!(place.out("kubectl get pod real --output=yaml").contains("openlit.io/injection"));

    // It is said where one looks: in the log, and by an event.
    let log = place.out("cat openlit-operator-*.log");
    let warnings = log.lines().filter(|line| line.contains("WARN") && line.contains(COMMAND));
    assert_eq!(warnings.count(), 1, "{log}");
    let events =
        || place.out(&format!("kubectl events --for=mutatingwebhookconfiguration/{configuration} --namespace default"));
    wait_until("an event is there", || events().contains("LeftoverWebhook"));
    assert!(events().contains(COMMAND), "{}", events());
    assert_eq!(events().lines().count(), 2, "{}", events());

    // Whoever sets it back finds it disarmed again.
    place.out(&format!(
        "kubectl patch mutatingwebhookconfiguration {configuration} --type=json \
         --patch='[{{\"op\": \"replace\", \"path\": \"/webhooks/0/failurePolicy\", \"value\": \"Fail\"}}]'"
    ));
    wait_until("it is disarmed again", || of_original(place, "{.webhooks[*].failurePolicy}") == "Ignore");

    // The command does what it is there for.
    place.out(COMMAND);
    // One that leads elsewhere is not ours to write; this one would refuse the pods of nobody.
    let mut elsewhere = leftover("another-service");
    elsewhere["webhooks"][0]["objectSelector"] = json!({ "matchLabels": { "nobody": "has-this" } });
    create(place, &elsewhere);
    let version = of_original(place, "{.metadata.resourceVersion}");
    // Whatever is written now is written after it was seen.
    place.out(
        "kubectl patch mutatingwebhookconfiguration openlit-instrumentation-webhook --type=json \
               --patch='[{\"op\": \"remove\", \"path\": \"/webhooks/0/clientConfig/caBundle\"}]'",
    );
    wait_until_injected(place, "apps");
    sleep(Duration::from_secs(2));
    assert_eq!(of_original(place, "{.metadata.resourceVersion}"), version);
    assert_eq!(of_original(place, "{.webhooks[*].failurePolicy}"), "Fail");
    let log = place.out("cat openlit-operator-*.log");
    assert!(!log.contains("forbidden") && !log.contains("another-service"), "{log}");
    drop(replica);
}

/// The first generation has our names: its registration, Secret, Service, Deployment and roles become ours.
fn what_has_our_names_becomes_ours(place: &Place) {
    let control_plane = ControlPlane::start(Controllers::All);
    control_plane.welcome(place, "apps");
    control_plane.namespace("openlit");
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["openlit-webhook-service.openlit.svc".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let bundle = authority();
    create(
        place,
        &json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
            "metadata": {
                "name": "openlit-webhook-certs", "namespace": "openlit",
                "labels": { "app": "openlit-operator", "component": "webhook-certs", "managed-by": "openlit-operator.openlit" },
            },
            "stringData": { "ca.crt": bundle, "tls.crt": leaf.pem(), "tls.key": key.serialize_pem() },
        }),
    );
    let name = "openlit-instrumentation-webhook";
    let mut before =
        registration(name, "instrumentation.openlit.io", "openlit-webhook-service", &base64(place, &bundle));
    // And what some release of it has added to it.
    let mut second = before["webhooks"][0].clone();
    second["name"] = json!("pod-instrumentation.openlit.io");
    before["webhooks"].as_array_mut().unwrap().push(second);
    create(place, &before);
    place.copy("deploy", "deploy");
    place.out("kubectl apply --server-side -f deploy/openlit-operator.yaml");
    wait_until("all pods are refused", || probe(place, "apps").code != 0);
    let replica = Deployment::of_manifests(&control_plane).run_one(place, "10.99.4.2");
    wait_until("none is refused", || probe(place, "apps").code == 0);
    wait_until_injected(place, "apps");
    let now: Value =
        serde_json::from_str(&place.out(&format!("kubectl get mutatingwebhookconfiguration {name} --output=json")))
            .unwrap();
    let ours = &now["webhooks"][0];
    assert_eq!((&ours["failurePolicy"], &ours["timeoutSeconds"]), (&json!("Ignore"), &json!(3)), "{now}");
    assert_eq!((&ours["objectSelector"], &ours["sideEffects"]), (&json!({}), &json!("NoneOnDryRun")), "{now}");
    assert_eq!(now["metadata"]["ownerReferences"][0]["kind"], "ClusterRole");
    assert_eq!(now["webhooks"][1]["failurePolicy"], "Ignore", "{now}");
    // What is not ours to take away is named, with the command; after it there is only ours.
    let log = place.out("cat openlit-operator-*.log");
    let command = format!("kubectl delete mutatingwebhookconfiguration {name}");
    assert!(log.contains(&command), "{log}");
    place.out(&command);
    wait_until("it is registered again", || {
        place
            .line(&format!("kubectl get mutatingwebhookconfiguration {name} --output=jsonpath='{{.webhooks[*].name}}'"))
            .stdout
            == "instrumentation.openlit.io"
    });
    wait_until_injected(place, "apps");
    assert_eq!(endpoint(place, "openlit"), None, "our own namespace is left out again");
    drop(replica);
}

fn base64(place: &Place, text: &str) -> String {
    place.pipe(text, "base64", &["--wrap=0"]).succeeded().stdout
}
