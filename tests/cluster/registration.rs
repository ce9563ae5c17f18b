//! The registration in a cluster: pods are refused for our absence only once somebody has answered; what was deleted comes
//! back before anybody is missed; and all that the webhook has made goes with its role.

use super::Ground;
use super::control_plane::{ControlPlane, Controllers};
use super::place::Place;
use super::probe::wait_until_injected;
use super::process::wait_until;
use super::replicas::{Replica, endpoints, get};
use libtest_mimic::Trial;
use std::time::{Duration, Instant};

pub fn trials(ground: &Ground) -> Vec<Trial> {
    vec![
        ground.trial(
            "registration::nobody_is_refused_before_somebody_answers",
            nobody_is_refused_before_somebody_answers,
        ),
    ]
}

const CONFIGURATION: &str = "mutatingwebhookconfiguration/openlit-instrumentation-webhook";

fn nobody_is_refused_before_somebody_answers(place: &Place) {
    let control_plane = ControlPlane::installed(Controllers::All);
    control_plane.welcome(place, "apps");
    // The resources cannot be read, so that no replica is ever ready.
    let patch =
        |patch: &str| place.out(&format!("kubectl patch clusterrole openlit-operator --type=json --patch='{patch}'"));
    let rule = place.out("kubectl get clusterrole openlit-operator --output=jsonpath='{.rules[0]}'");
    assert!(rule.contains("autoinstrumentations"), "{rule}");
    patch(r#"[{"op": "remove", "path": "/rules/0"}]"#);
    let config = control_plane.kubeconfig_of("openlit", "openlit-operator");
    let settings = [("WEBHOOK_FAILURE_POLICY", "Fail")];
    let mut replica = Replica::start_with(&config, &settings, &place.path(""), "replica-1", "10.99.14.1");
    let policy = || {
        place.out(&format!(
            "kubectl get {CONFIGURATION} --ignore-not-found --output=jsonpath='{{.webhooks[0].failurePolicy}}'"
        ))
    };
    let ready = || get("10.99.14.1", 8081, "/readyz").starts_with("HTTP/1.1 200");
    wait_until("it is registered", || !policy().is_empty());
    // Longer than a replica that is ready needs.
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(12) {
        assert_eq!(policy(), "Ignore");
        place.out("kubectl run probe --image=python:3.11 --dry-run=server");
        assert!(!ready());
        std::thread::sleep(Duration::from_millis(500));
    }

    patch(&format!(r#"[{{"op": "add", "path": "/rules/0", "value": {rule}}}]"#));
    replica.wait_until_ready();
    assert_eq!(policy(), "Ignore");
    endpoints(&control_plane, &["10.99.14.1"]);
    wait_until_injected(place, "apps");
    wait_until("pods are refused from now on", || policy() == "Fail");

    // What is deleted is there again before anybody leaves the Service, and as it was.
    let uid =
        || place.out(&format!("kubectl get {CONFIGURATION} --ignore-not-found --output=jsonpath='{{.metadata.uid}}'"));
    let before = uid();
    place.out(&format!("kubectl delete {CONFIGURATION}"));
    wait_until("it is made anew", || {
        assert!(ready(), "{}", get("10.99.14.1", 8081, "/readyz"));
        let now = uid();
        !now.is_empty() && now != before
    });
    assert_eq!(policy(), "Fail");

    // Nothing of it outlives the installation: the key least of all.
    place.out("kubectl delete clusterrole openlit-operator");
    let secret = "kubectl get secret openlit-webhook-certs --namespace openlit --ignore-not-found --output=name";
    wait_until("all is gone", || uid().is_empty() && place.out(secret).is_empty());
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(3) {
        assert!(uid().is_empty() && place.out(secret).is_empty(), "it is made again");
        std::thread::sleep(Duration::from_millis(300));
    }
}
