//! The webhook where it starts: in clusters that tell less, and on machines that are set up otherwise.

use super::Ground;
use super::control_plane::{ControlPlane, Controllers};
use super::place::{Place, Run};
use super::process::Process;
use super::replicas::{Replica, get};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

pub fn trials(ground: &Ground) -> Vec<Trial> {
    vec![
        ground.trial("startup::a_version_that_is_not_told", a_version_that_is_not_told),
        ground.trial("startup::both_families_on_every_machine", both_families_on_every_machine),
        ground.trial("startup::a_proxy_on_the_way", a_proxy_on_the_way),
    ]
}

/// Clusters that are locked tell their version to nobody who is not granted it: our role does, and without it the webhook is
/// registered all the same.
fn a_version_that_is_not_told(place: &Place) {
    let control_plane = ControlPlane::installed(Controllers::None);
    let bindings = ["system:public-info-viewer", "system:discovery"];
    control_plane.kubectl(&[&["delete", "clusterrolebinding"], &bindings[..]].concat(), "");
    let version = || {
        let ask = ["auth", "can-i", "get", "/version", "--as=system:serviceaccount:openlit:openlit-operator"];
        control_plane.try_kubectl(&ask).stdout.trim().to_owned()
    };
    assert_eq!(version(), "yes", "the role grants it");
    let rules =
        control_plane.kubectl(&["get", "clusterrole", "openlit-operator", "--output=jsonpath={.rules}"], "").stdout;
    let rules: Vec<Value> = serde_json::from_str(&rules).unwrap();
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

/// A proxy that leads everywhere, for as long as the process lives: its URL, and to what it was asked to lead.
fn proxy() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("10.99.24.2:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let mut lines = BufReader::new(client.try_clone().unwrap()).lines().map(Result::unwrap);
            // The client says nothing more before it is answered.
            let head: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
            let target = head[0].strip_prefix("CONNECT ").and_then(|line| line.split(' ').next()).unwrap().to_owned();
            let mut server = TcpStream::connect(&target).unwrap();
            seen.lock().unwrap().push(target);
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            let (mut to_server, mut from_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || drop(io::copy(&mut from_client, &mut to_server)));
            thread::spawn(move || drop(io::copy(&mut server, &mut client)));
        }
    });
    (url, asked)
}

/// As kubectl: by `HTTPS_PROXY` unless `NO_PROXY` names the API server, and always by the `proxy-url` of a kubeconfig.
fn a_proxy_on_the_way(place: &Place) {
    let control_plane = ControlPlane::shared();
    let file = fs::read_to_string(control_plane.administrator("default")).unwrap();
    let mut config: Value = serde_json::from_str(&file).unwrap();
    // No proxy is asked for what is on this machine.
    let server = config["clusters"][0]["cluster"]["server"].as_str().unwrap().replace("127.0.0.1", "10.99.0.1");
    config["clusters"][0]["cluster"]["server"] = json!(server);
    let target = server.strip_prefix("https://").unwrap();
    place.write("plain.json", config.to_string());
    let (url, asked) = proxy();
    config["clusters"][0]["cluster"]["proxy-url"] = json!(url);
    place.write("named.json", config.to_string());

    let deaf = "http://10.99.24.2:1";
    for (config, https, no, through) in [
        ("plain.json", url.as_str(), "10.99.24.2", true),
        ("plain.json", url.as_str(), "", true),
        ("plain.json", deaf, "10.99.0.0/24", false),
        ("named.json", deaf, "*", true),
    ] {
        let mut command = place.command("prelit");
        command.args(["webhook", "--uninstall"]).env("KUBECONFIG", place.path(config));
        command.env("HTTPS_PROXY", https).env("NO_PROXY", no);
        // Nothing has these names.
        command.env("WEBHOOK_CONFIG_NAME", "behind-a-proxy").env("WEBHOOK_SECRET_NAME", "behind-a-proxy");
        let said = Run::of(&mut command, "").succeeded().stdout;
        assert_eq!(said.lines().filter(|line| line.starts_with("no ")).count(), 3, "{said}");
        let asked = std::mem::take(&mut *asked.lock().unwrap());
        assert_eq!(asked.iter().any(|asked| asked == target), through, "{config} {no:?}: {asked:?}");
    }
}
