//! Replicas of the webhook, as the cluster would run them.

use super::control_plane::ControlPlane;
use super::process::Process;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

/// One replica, as its pod would run it.
pub struct Replica {
    process: Process,
    pub address: &'static str,
}

impl Replica {
    pub fn start(control_plane: &ControlPlane, folder: &Path, name: &str, address: &'static str) -> Replica {
        let config = control_plane.kubeconfig_of("openlit", "openlit-operator");
        let mut command = Command::new(env!("CARGO_BIN_EXE_prelit"));
        command.args(["webhook", "--bind", address]).env_clear().env("KUBECONFIG", config);
        command.envs([("POD_NAMESPACE", "openlit"), ("POD_NAME", name), ("LOG_LEVEL", "debug")]);
        Replica { process: Process::start(&mut command, folder, name), address }
    }

    pub fn wait_until_ready(&mut self) {
        let address = self.address;
        self.process.wait_until("the replica is ready", || get(address, 8081, "/readyz").starts_with("HTTP/1.1 200"));
    }
}

/// What is answered to a request; nothing where nobody listens.
pub fn get(address: &str, port: u16, path: &str) -> String {
    let Ok(mut stream) = TcpStream::connect((address, port)) else { return String::new() };
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    stream
        .write_all(request.as_bytes())
        .and_then(|()| stream.read_to_string(&mut answer))
        .map_or(String::new(), |_| answer)
}

/// What a kubelet and the endpoint controller would say of the replicas.
pub fn endpoints(control_plane: &ControlPlane, addresses: &[&str]) {
    let endpoints: Vec<Value> =
        addresses.iter().map(|address| json!({ "addresses": [address], "conditions": { "ready": true } })).collect();
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "name": "replicas", "namespace": "openlit",
            "labels": { "kubernetes.io/service-name": "openlit-webhook-service" },
        },
        "addressType": "IPv4", "ports": [{ "name": "webhook", "port": 9443 }], "endpoints": endpoints,
    });
    control_plane.kubectl(&["apply", "--server-side", "-f", "-"], &slice.to_string());
}
