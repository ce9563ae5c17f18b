//! The webhook where it starts: in clusters that tell less, and on machines that are set up otherwise.

use super::Ground;
use super::control_plane::{ControlPlane, Controllers};
use super::place::{Place, ROOT};
use super::process::Process;
use super::replicas::{Replica, get};
use libtest_mimic::Trial;
use std::fs;
use std::process::Command;

pub fn trials(ground: &Ground) -> Vec<Trial> {
    vec![
        ground.trial("startup::a_version_that_is_not_told", a_version_that_is_not_told),
        ground.trial("startup::both_families_on_every_machine", both_families_on_every_machine),
    ]
}

/// Clusters that are locked tell their version to nobody who is not granted it: our role does, and without it the webhook is
/// registered all the same.
fn a_version_that_is_not_told(place: &Place) {
    let control_plane = ControlPlane::start(Controllers::None);
    control_plane.kubectl(&["apply", "--server-side", "-f", &format!("{ROOT}/deploy/openlit-operator.yaml")], "");
    control_plane.wait_until_defined();
    let bindings = ["system:public-info-viewer", "system:discovery"];
    control_plane.kubectl(&[&["delete", "clusterrolebinding"], &bindings[..]].concat(), "");
    let version = || {
        let ask = ["auth", "can-i", "get", "/version", "--as=system:serviceaccount:openlit:openlit-operator"];
        control_plane.try_kubectl(&ask).stdout.trim().to_owned()
    };
    assert_eq!(version(), "yes", "the role grants it");
    let rules =
        control_plane.kubectl(&["get", "clusterrole", "openlit-operator", "--output=jsonpath={.rules}"], "").stdout;
    let rules: Vec<serde_json::Value> = serde_json::from_str(&rules).unwrap();
    let index = rules.iter().position(|rule| rule.get("nonResourceURLs").is_some()).unwrap();
    let patch = format!("[{{\"op\": \"remove\", \"path\": \"/rules/{index}\"}}]");
    control_plane.kubectl(&["patch", "clusterrole", "openlit-operator", "--type=json", "--patch", &patch], "");
    super::process::wait_until("nobody grants it", || version() == "no");
    let mut replica = Replica::start(&control_plane, &place.path(""), "replica", "10.99.24.1");
    replica.wait_until_ready();
    let registered = ["get", "mutatingwebhookconfiguration", "openlit-instrumentation-webhook", "--output=yaml"];
    let registered = control_plane.kubectl(&registered, "").stdout;
    assert!(!registered.contains("matchConditions"), "an old API server would not take them: {registered}");
}

/// Where `net.ipv6.bindv6only` is set, a socket of IPv6 is not one of IPv4 unless it says so.
fn both_families_on_every_machine(place: &Place) {
    let only = "/proc/sys/net/ipv6/bindv6only";
    // This network is that of the tests alone, and nobody else in it listens on all addresses of IPv6.
    fs::write(only, "1").unwrap();
    place.write(
        "config.json",
        r#"{
        "apiVersion": "v1", "kind": "Config", "current-context": "it",
        "clusters": [{ "name": "it", "cluster": { "server": "https://127.0.0.1:1" } }],
        "users": [{ "name": "it", "user": { "token": "t" } }],
        "contexts": [{ "name": "it", "context": { "cluster": "it", "user": "it" } }]
    }"#,
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_prelit"));
    command.arg("webhook").env_clear().env("KUBECONFIG", place.path("config.json"));
    command.envs([("WEBHOOK_PORT", "19443"), ("HEALTH_PORT", "18081"), ("METRICS_PORT", "18080")]);
    let mut process = Process::start(&mut command, &place.path(""), "replica");
    for address in ["::1", "127.0.0.1"] {
        process.wait_until(address, || get(address, 18081, "/healthz").starts_with("HTTP/1.1 200"));
    }
    fs::write(only, "0").unwrap();
}
