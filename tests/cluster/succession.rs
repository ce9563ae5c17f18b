//! An update that changes what the installation is called, or whose certificates it has: the new replica is ready while the
//! old one still is, and leads; until then and after, pods are instrumented.

use super::Ground;
use super::control_plane::{ControlPlane, Controllers};
use super::place::Place;
use super::probe::wait_until_injected;
use super::process::wait_until;
use super::replicas::{Replica, endpoints, get, slice};
use libtest_mimic::Trial;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use std::path::Path;

pub fn trials(ground: &Ground) -> Vec<Trial> {
    vec![
        ground.trial("succession::another_service_is_led_to", another_service_is_led_to),
        ground.trial("succession::other_certificates_are_taken_up", other_certificates_are_taken_up),
        ground.trial("succession::another_configuration_is_led_at_once", another_configuration_is_led_at_once),
    ]
}

const CONFIGURATION: &str = "openlit-instrumentation-webhook";

/// An installation by the manifests, whose roles grant some more names.
fn installed(place: &Place) -> ControlPlane {
    let control_plane = ControlPlane::installed(Controllers::None);
    control_plane.welcome(place, "apps");
    let roles = place.out(
        "kubectl get --output=yaml clusterrole/openlit-operator; echo ---; \
         kubectl get --namespace openlit --output=yaml role/openlit-operator",
    );
    // What an administrator does who changes names.
    for name in [CONFIGURATION, "openlit-webhook-certs"] {
        assert!(roles.contains(&format!("- {name}\n")), "{roles}");
    }
    let roles = roles
        .replace(&format!("  - {CONFIGURATION}\n"), &format!("  - {CONFIGURATION}\n  - renamed\n"))
        .replace("  - openlit-webhook-certs\n", "  - openlit-webhook-certs\n  - renamed\n");
    place.write("roles.yaml", roles);
    place.out("kubectl apply --server-side --force-conflicts --filename roles.yaml");
    control_plane
}

fn replica(control_plane: &ControlPlane, place: &Place, address: &'static str, settings: &[(&str, &str)]) -> Replica {
    let config = control_plane.kubeconfig_of("openlit", "openlit-operator");
    Replica::start_with(&config, settings, &place.path(""), &format!("replica-{address}"), address)
}

fn is_ready(replica: &Replica) -> bool {
    get(replica.address, 8081, "/readyz").starts_with("HTTP/1.1 200")
}

fn leads(replica: &Replica) -> bool {
    get(replica.address, 8080, "/metrics").contains("prelit_leader 1")
}

fn registered(place: &Place) -> Value {
    let text = place.out(&format!("kubectl get mutatingwebhookconfiguration {CONFIGURATION} --output=json"));
    serde_json::from_str(&text).unwrap()
}

/// The kubelet's and the endpoint controller's word on another Service of the same pods.
fn lead_to(place: &Place, service: &str, addresses: &[&str]) {
    let mut endpoints = slice(addresses);
    endpoints["metadata"]["name"] = json!(service);
    endpoints["metadata"]["labels"]["kubernetes.io/service-name"] = json!(service);
    place.write("slice.json", endpoints.to_string());
    place.out("kubectl apply --server-side --filename slice.json");
}

fn another_service_is_led_to(place: &Place) {
    let control_plane = installed(place);
    let mut old = replica(&control_plane, place, "10.99.11.1", &[]);
    old.wait_until_ready();
    endpoints(&control_plane, &["10.99.11.1"]);
    wait_until_injected(place, "apps");

    let service = "kubectl get --namespace openlit service openlit-webhook-service --output=yaml";
    let renamed = place.out(service).replace("name: openlit-webhook-service", "name: renamed");
    let own_address =
        |line: &&str| ["clusterIP", "- 10.", "resourceVersion", "uid"].iter().any(|word| line.contains(word));
    place.write("service.yaml", renamed.lines().filter(|line| !own_address(line)).collect::<Vec<_>>().join("\n"));
    place.out("kubectl create --filename service.yaml");
    lead_to(place, "renamed", &["10.99.11.1"]);
    let mut new = replica(&control_plane, place, "10.99.11.2", &[("WEBHOOK_SERVICE_NAME", "renamed")]);
    new.wait_until_ready();
    assert!(is_ready(&old), "nothing is lost before the new one is there");
    wait_until("the new one leads, and it alone", || leads(&new) && !leads(&old));
    wait_until("the new name is registered", || {
        registered(place)["webhooks"][0]["clientConfig"]["service"]["name"] == "renamed"
    });
    // Both are asked by the new name: at first only the old one is there for it.
    wait_until_injected(place, "apps");
    lead_to(place, "renamed", &["10.99.11.2"]);
    old.process.stop();
    wait_until_injected(place, "apps");
    assert!(is_ready(&new));
}

fn other_certificates_are_taken_up(place: &Place) {
    let control_plane = installed(place);
    let mut first = replica(&control_plane, place, "10.99.12.1", &[]);
    first.wait_until_ready();
    endpoints(&control_plane, &["10.99.12.1"]);
    wait_until_injected(place, "apps");

    let mut second = replica(&control_plane, place, "10.99.12.2", &[("WEBHOOK_SECRET_NAME", "renamed")]);
    second.wait_until_ready();
    assert!(is_ready(&first), "what it serves is trusted still");
    wait_until("the second one leads, and it alone", || leads(&second) && !leads(&first));
    first.process.stop();
    endpoints(&control_plane, &["10.99.12.2"]);
    wait_until_injected(place, "apps");

    let folder = place.path("certificates");
    provide(&folder);
    let provided = [("CERT_MODE", "provided"), ("WEBHOOK_CERT_DIR", folder.to_str().unwrap())];
    let mut third = replica(&control_plane, place, "10.99.12.3", &provided);
    third.wait_until_ready();
    assert!(is_ready(&second), "what it serves is trusted still");
    second.process.stop();
    endpoints(&control_plane, &["10.99.12.3"]);
    wait_until_injected(place, "apps");
    assert!(is_ready(&third));
}

/// Certificates as cert-manager would write them.
fn provide(folder: &Path) {
    let (key, leaf_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = authority.self_signed(&key).unwrap();
    let leaf = CertificateParams::new(vec!["openlit-webhook-service.openlit.svc".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&leaf_key, &Issuer::from_params(&authority, &key)).unwrap();
    std::fs::create_dir_all(folder).unwrap();
    for (file, text) in [("ca.crt", certificate.pem()), ("tls.crt", leaf.pem()), ("tls.key", leaf_key.serialize_pem())]
    {
        std::fs::write(folder.join(file), text).unwrap();
    }
}

fn another_configuration_is_led_at_once(place: &Place) {
    let control_plane = installed(place);
    let mut old = replica(&control_plane, place, "10.99.13.1", &[]);
    old.wait_until_ready();
    let mut new = replica(&control_plane, place, "10.99.13.2", &[("WEBHOOK_CONFIG_NAME", "renamed")]);
    new.wait_until_ready();
    // Each has a Lease of its own: as two installations in one namespace have.
    wait_until("both lead", || leads(&old) && leads(&new));
    assert!(is_ready(&old));
    let holder = |lease: &str| {
        place
            .out(&format!("kubectl get --namespace openlit lease {lease} --output=jsonpath='{{.spec.holderIdentity}}'"))
    };
    assert!(holder(CONFIGURATION).starts_with("replica-10.99.13.1_"), "{}", holder(CONFIGURATION));
    assert!(holder("renamed").starts_with("replica-10.99.13.2_"), "{}", holder("renamed"));
}
