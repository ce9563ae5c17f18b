//! What somebody breaks by hand is right again within seconds: the registration, the Secret, a name in the settings. What
//! others may add stays.

use super::Ground;
use super::control_plane::{ControlPlane, Controllers};
use super::deployment::Deployment;
use super::place::Place;
use super::probe::{endpoint, wait_until_injected};
use super::replicas::{Replica, get};
use libtest_mimic::Trial;
use prelit::webhook::certificates::Service;
use prelit::webhook::certificates::material::{Data, KEYS, Material};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};
use std::thread::sleep;
use std::time::{Duration, Instant};
use time::OffsetDateTime;

pub fn trials(ground: &Ground) -> Vec<Trial> {
    vec![
        ground.trial("repairs::of_the_registration", of_the_registration),
        ground.trial("repairs::of_the_secret", of_the_secret),
        ground.trial("repairs::of_names", of_names),
    ]
}

/// How long a repair may take: mostly it is there before anybody can look.
const SOON: Duration = Duration::from_secs(10);

const REGISTRATION: &str = "mutatingwebhookconfiguration openlit-instrumentation-webhook";
const SECRET: &str = "openlit-webhook-certs";

/// Waits until something was repaired.
#[track_caller]
fn soon(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < SOON, "{what}: not within {SOON:?}");
        sleep(Duration::from_millis(50));
    }
}

fn install<'c>(place: &Place, control_plane: &'c ControlPlane, address: &'static str) -> (Deployment<'c>, Replica) {
    control_plane.welcome(place, "apps");
    place.copy("deploy", "deploy");
    place.out("kubectl apply --server-side -f deploy/openlit-operator.yaml");
    let deployment = Deployment::of_manifests(control_plane);
    let replica = deployment.run_one(place, address);
    wait_until_injected(place, "apps");
    (deployment, replica)
}

/// The replica is ready, and pods are instrumented: the API server itself trusts it.
#[track_caller]
fn works(place: &Place, replica: &Replica, what: &str) {
    soon(what, || {
        get(replica.address, 8081, "/readyz").starts_with("HTTP/1.1 200") && endpoint(place, "apps").is_some()
    });
}

/// The registration; null where there is none.
fn registration(place: &Place) -> Value {
    let run = place.line(&format!("kubectl get {REGISTRATION} --ignore-not-found --output=json")).succeeded();
    if run.stdout.is_empty() { Value::Null } else { serde_json::from_str(&run.stdout).unwrap() }
}

fn of_the_registration(place: &Place) {
    let control_plane = ControlPlane::start(Controllers::All);
    let (_installation, replica) = install(place, &control_plane, "10.99.7.1");
    let said = |registration: &Value| {
        let metadata = &registration["metadata"];
        (registration["webhooks"].clone(), metadata["ownerReferences"].clone(), metadata["labels"].clone())
    };
    let right = said(&registration(place));
    let edit = |edit: &Value| {
        place.write("edit.json", edit.to_string());
        place.out(&format!("kubectl patch {REGISTRATION} --type=json --patch-file=edit.json"));
    };
    let remove = |path: &str| json!({ "op": "remove", "path": path });
    let replace = |path: &str, value: Value| json!({ "op": "replace", "path": path, "value": value });

    // AKS adds such an expression to every webhook. It stays, also when something else is repaired, and nobody quarrels.
    let theirs = json!({ "key": "kubernetes.azure.com/managedby", "operator": "NotIn", "values": ["aks"] });
    edit(&json!([{ "op": "add", "path": "/webhooks/0/namespaceSelector/matchExpressions/0", "value": theirs }]));
    let expressions = || registration(place)["webhooks"][0]["namespaceSelector"]["matchExpressions"].clone();
    let version = || registration(place)["metadata"]["resourceVersion"].clone();
    let (before, since) = (version(), Instant::now());
    while since.elapsed() < Duration::from_secs(10) {
        assert_eq!(version(), before, "nothing was to be written");
        sleep(Duration::from_millis(500));
    }
    assert_eq!(expressions()[0], theirs);
    edit(&json!([remove("/webhooks/0/clientConfig/caBundle")]));
    let beside = said(&registration_when(place, |found| found["webhooks"][0]["clientConfig"]["caBundle"].is_string()));
    assert_eq!(expressions().as_array().map(Vec::len), Some(2), "{}", expressions());
    works(place, &replica, "beside AKS");
    assert!(!place.out("cat openlit-operator-*.log").contains("keeps changing"));

    // At once: who takes back again and again what is repaired is answered ever later.
    for edits in [
        json!([
            replace("/webhooks/0/clientConfig/service/name", json!("elsewhere")),
            replace("/webhooks/0/failurePolicy", json!("Fail")),
            replace("/webhooks/0/timeoutSeconds", json!(30)),
            replace("/webhooks/0/rules/0/operations", json!(["UPDATE"])),
            replace("/webhooks/0/matchConditions", json!([])),
            replace("/webhooks/0/objectSelector", json!({ "matchLabels": { "nobody": "has-this" } })),
            replace("/webhooks/0/namespaceSelector/matchExpressions", json!([theirs])),
            remove("/metadata/ownerReferences"),
            remove("/metadata/labels"),
        ]),
        json!([replace("/webhooks/0/clientConfig", json!({ "url": "https://127.0.0.1/mutate" }))]),
    ] {
        edit(&edits);
        soon(&edits.to_string(), || said(&registration(place)) == beside);
    }
    edit(&json!([remove("/webhooks/0")]));
    soon("our entry is there again", || said(&registration(place)) == right);
    works(place, &replica, "after all this");
    no_trouble(place);
}

/// The registration, once something holds of it.
#[track_caller]
fn registration_when(place: &Place, holds: impl Fn(&Value) -> bool) -> Value {
    let mut found = Value::Null;
    soon("the registration", || {
        found = registration(place);
        holds(&found)
    });
    found
}

/// A CA and a leaf of it for our Service, as somebody else would make them: `ca.crt`, `tls.crt` and `tls.key`.
fn foreign(until: OffsetDateTime) -> [(&'static str, String); 3] {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_after = until;
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let mut params = CertificateParams::new(vec!["openlit-webhook-service.openlit.svc".to_owned()]).unwrap();
    params.not_after = until;
    let key = KeyPair::generate().unwrap();
    let leaf = params.signed_by(&key, &authority).unwrap();
    [("ca.crt", authority.pem()), ("tls.crt", leaf.pem()), ("tls.key", key.serialize_pem())]
}

/// Whether the Secret holds what may be served and renewed.
fn is_sound(place: &Place, deployment: &Deployment<'_>, service: &str) -> bool {
    if place.out(&format!("kubectl get secret {SECRET} --namespace openlit --ignore-not-found")).is_empty() {
        return false;
    }
    let folder = place.path("found");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    deployment.mount(SECRET, &folder);
    let data: Data =
        KEYS.iter().filter_map(|key| Some(((*key).to_owned(), std::fs::read(folder.join(key)).ok()?))).collect();
    let service = Service { name: service.to_owned(), namespace: "openlit".to_owned() };
    let material = Material::read(Some(&data), &service);
    material.is_sound() && material.problems.is_empty() && material.check_time(OffsetDateTime::now_utc()).is_empty()
}

fn of_the_secret(place: &Place) {
    let control_plane = ControlPlane::start(Controllers::All);
    let (deployment, replica) = install(place, &control_plane, "10.99.7.2");
    let is_sound = || is_sound(place, &deployment, "openlit-webhook-service");
    assert!(is_sound());
    let written = |keys: &[(&str, String)]| {
        let keys: serde_json::Map<_, _> = keys.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
        json!({ "stringData": keys }).to_string()
    };
    let [authority, leaf, key] = foreign(OffsetDateTime::now_utc() + time::Duration::DAY);
    let expired = foreign(OffsetDateTime::now_utc() - time::Duration::DAY);
    let nothing = |keys: &[&'static str]| keys.iter().map(|key| (*key, String::new())).collect::<Vec<_>>();
    for (what, edit) in [
        ("a key that is none", written(&[("tls.key", "-----BEGIN".to_owned())])),
        ("a leaf of somebody else", written(&[leaf.clone(), key.clone()])),
        ("a CA of somebody else", written(std::slice::from_ref(&authority))),
        ("a foreign leaf and CA", written(&[authority, leaf, key])),
        ("an expired leaf and CA", written(&expired)),
        ("without the key of the CA", json!({ "data": { "ca.key": null } }).to_string()),
        ("nothing in it", written(&nothing(&["ca.crt", "ca.key", "tls.crt", "tls.key"]))),
    ] {
        place.write("edit.json", edit);
        place.out(&format!("kubectl patch secret {SECRET} --namespace openlit --type=merge --patch-file=edit.json"));
        soon(what, is_sound);
        works(place, &replica, what);
    }
    // Both at once: nobody else remembers what was trusted.
    place.out(&format!("kubectl delete secret {SECRET} --namespace openlit && kubectl delete {REGISTRATION}"));
    soon("deleted", is_sound);
    works(place, &replica, "deleted");

    // One that cannot be changed into ours, while nobody is there.
    replica.process.stop();
    place.out(&format!("kubectl delete secret {SECRET} --namespace openlit"));
    let other = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "immutable": true,
        "metadata": { "name": SECRET, "namespace": "openlit" }, "stringData": { "a": "b" },
    });
    place.pipe(&other.to_string(), "kubectl", &["create", "--filename=-"]).succeeded();
    let replica = deployment.run(place, &deployment.pods()[0], "10.99.7.2");
    soon("immutable, and of another type", is_sound);
    works(place, &replica, "immutable, and of another type");
    no_trouble(place);
}

/// Another name of the Service: another certificate, and another registration. So that nothing is lost if it is only
/// written in one place, the old one goes on until the replica starts anew.
fn of_names(place: &Place) {
    let control_plane = ControlPlane::start(Controllers::All);
    let (deployment, replica) = install(place, &control_plane, "10.99.7.3");
    place.out("kubectl get service openlit-webhook-service --namespace openlit --output=json > service.json");
    let mut service: Value = serde_json::from_str(&place.read("service.json")).unwrap();
    service["metadata"] = json!({ "name": "renamed", "namespace": "openlit" });
    service["spec"] = json!({ "selector": service["spec"]["selector"], "ports": service["spec"]["ports"] });
    place.out("kubectl delete service openlit-webhook-service --namespace openlit");
    place.pipe(&service.to_string(), "kubectl", &["create", "--filename=-"]).succeeded();
    place.out(
        "kubectl patch configmap openlit-operator-config --namespace openlit --patch='data: {WEBHOOK_SERVICE_NAME: renamed}'",
    );
    replica.process.stop();
    let replica = deployment.run(place, &deployment.pods()[0], "10.99.7.3");
    deployment.lead(&["10.99.7.3"]);
    soon("another certificate", || is_sound(place, &deployment, "renamed"));
    works(place, &replica, "another Service");
    assert_eq!(registration(place)["webhooks"][0]["clientConfig"]["service"]["name"], "renamed");
    no_trouble(place);
}

fn no_trouble(place: &Place) {
    let log = place.out("cat openlit-operator-*.log");
    assert!(!log.contains("panicked") && !log.contains("forbidden"), "{log}");
    assert!(!log.contains("PRIVATE KEY"), "a secret in the log");
}
