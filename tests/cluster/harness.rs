//! What the harness promises to the other tests.

use super::Ground;
use super::apart;
use super::control_plane::{ControlPlane, Controllers};
use super::place::Place;
use super::process::wait_until;
use libtest_mimic::Trial;
use serde_json::json;
use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::process::Stdio;
use std::thread;

pub fn trials(ground: &Ground) -> Vec<Trial> {
    vec![
        ground.trial("harness::there_is_no_way_out", there_is_no_way_out),
        ground.trial("harness::nothing_outlives_a_test_that_is_killed", nothing_outlives_a_test_that_is_killed),
        ground.trial("harness::what_is_stored_outlives_the_api_server", what_is_stored_outlives_the_api_server),
        ground.trial("harness::an_account_may_do_what_its_roles_allow", an_account_may_do_what_its_roles_allow),
        ground.trial("harness::a_webhook_is_reached_at_its_endpoint", a_webhook_is_reached_at_its_endpoint),
    ]
}

fn there_is_no_way_out(_: &Place) {
    let devices = fs::read_to_string("/proc/net/dev").unwrap();
    let devices: Vec<&str> = devices.lines().filter_map(|line| Some(line.split_once(':')?.0.trim())).collect();
    assert_eq!(devices, ["lo"]);
}

/// As little as the process that was killed can do about it.
fn nothing_outlives_a_test_that_is_killed(_: &Place) {
    let running = || fs::read_dir("/proc").unwrap().flatten().filter(|entry| is_sleep(&entry.path())).count();
    let mut test = apart::run("sleep").arg("123456789").stdin(Stdio::null()).spawn().unwrap();
    wait_until("it runs", || running() == 1);
    test.kill().unwrap();
    test.wait().unwrap();
    wait_until("it is gone", || running() == 0);
}

fn is_sleep(process: &std::path::Path) -> bool {
    fs::read(process.join("cmdline")).is_ok_and(|line| line == b"sleep\x00123456789\x00")
}

fn what_is_stored_outlives_the_api_server(_: &Place) {
    let control_plane = ControlPlane::start(Controllers::None);
    let is_stored = || control_plane.kubectl(&["get", "configmap", "kept", "--output=jsonpath={.data.a}"], "").stdout;
    control_plane.kubectl(&["create", "configmap", "kept", "--from-literal=a=b"], "");
    control_plane.kill_api_server();
    assert!(!control_plane.is_ready());
    control_plane.start_api_server();
    assert_eq!(is_stored(), "b");
    control_plane.stop_api_server();
    assert!(!control_plane.is_ready());
    control_plane.start_api_server();
    assert_eq!(is_stored(), "b");
}

fn an_account_may_do_what_its_roles_allow(place: &Place) {
    let control_plane = ControlPlane::shared();
    control_plane.welcome(place, "accounts");
    place.out("kubectl create serviceaccount reader && kubectl create role reader --verb=get --resource=pods");
    place.out("kubectl create rolebinding reader --role=reader --serviceaccount=accounts:reader");
    let config = control_plane.kubeconfig_of("accounts", "reader");
    let as_reader = format!("kubectl --kubeconfig {}", config.display());
    assert!(place.out(&format!("{as_reader} auth whoami")).contains("system:serviceaccount:accounts:reader"));
    place.line(&format!("{as_reader} get pod none")).failed_saying(&["pods \"none\" not found"]);
    place.line(&format!("{as_reader} get secret none")).failed_saying(&["cannot get resource \"secrets\""]);
}

/// There is no kube-proxy, so the API server must pick an address of the `EndpointSlice` by itself.
fn a_webhook_is_reached_at_its_endpoint(place: &Place) {
    ControlPlane::shared().welcome(place, "webhooks");
    // Of the two endpoints one is not ready, and is not asked.
    let ready = TcpListener::bind(("10.99.1.1", 9443)).unwrap();
    let not_ready = TcpListener::bind(("10.99.1.2", 9443)).unwrap();
    not_ready.set_nonblocking(true).unwrap();
    let metadata = |name: &str| json!({ "name": name, "labels": { "kubernetes.io/service-name": "hook" } });
    let endpoint = |address: &str, ready: bool| json!({ "addresses": [address], "conditions": { "ready": ready } });
    let objects = [
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": metadata("hook"),
            "spec": { "ports": [{ "name": "hook", "port": 443, "targetPort": 9443 }] },
        }),
        json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata("hook"),
            "addressType": "IPv4", "ports": [{ "name": "hook", "port": 9443 }],
            "endpoints": [endpoint("10.99.1.1", true), endpoint("10.99.1.2", false)],
        }),
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": { "name": "hook" },
            "webhooks": [{
                "name": "hook.prelit.test", "sideEffects": "None", "admissionReviewVersions": ["v1"],
                "timeoutSeconds": 5, "failurePolicy": "Fail",
                "clientConfig": { "service": { "namespace": "webhooks", "name": "hook" } },
                "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "webhooks" } },
                "rules": [{
                    "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["CREATE"],
                }],
            }],
        }),
    ];
    place.write("objects.json", objects.map(|object| object.to_string()).join("\n"));
    place.out("kubectl apply -f objects.json");

    let asked = thread::spawn(move || {
        let mut first = [0];
        ready.accept().unwrap().0.read_exact(&mut first).unwrap();
        first[0]
    });
    // The API server takes a moment to hear of a new webhook.
    let mut number = 0;
    wait_until("it is asked", || {
        number += 1;
        place.line(&format!("kubectl create configmap c{number}")).stderr.contains("failed calling webhook")
    });
    assert_eq!(asked.join().unwrap(), 22, "the beginning of a TLS handshake");
    assert!(not_ready.accept().is_err(), "the one that is not ready was asked");
    place.out("kubectl delete validatingwebhookconfiguration hook");
}
