//! The process of the webhook before any API server has answered.

#![cfg(all(unix, feature = "webhook"))]
#![allow(clippy::unwrap_used)] // Tests may panic: that is how they fail.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Killed when it is dropped.
struct Replica {
    child: Child,
    health: u16,
}

impl Drop for Replica {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Replica {
    /// One whose API server is not there, as soon as it is asked for its health.
    fn alone(folder: &Path, settings: &[(&str, &str)]) -> Replica {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "it",
            "clusters": [{ "name": "it", "cluster": { "server": "https://127.0.0.1:1" } }],
            "users": [{ "name": "it", "user": { "token": "t" } }],
            "contexts": [{ "name": "it", "context": { "cluster": "it", "user": "it" } }],
        });
        let file = folder.join("kubeconfig");
        std::fs::write(&file, config.to_string()).unwrap();
        let free: Vec<TcpListener> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let ports: Vec<u16> = free.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
        drop(free);
        let mut command = Command::new(env!("CARGO_BIN_EXE_prelit"));
        command.args(["webhook", "--bind", "127.0.0.1"]).env_clear().env("KUBECONFIG", file);
        for (name, port) in ["WEBHOOK_PORT", "HEALTH_PORT", "METRICS_PORT"].into_iter().zip(&ports) {
            command.env(name, port.to_string());
        }
        command.envs([("POD_NAMESPACE", "openlit"), ("POD_NAME", "a")]).envs(settings.iter().copied());
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let replica = Replica { child, health: ports[1] };
        within_a_minute("it lives", || replica.answers("/healthz").contains("200 OK"));
        replica
    }

    fn answers(&self, path: &str) -> String {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.health)) else { return String::new() };
        let request = format!("GET {path} HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n");
        let mut answer = String::new();
        stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut answer)).unwrap_or_default();
        answer
    }
}

#[track_caller]
fn within_a_minute(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}: not within a minute");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The first process of a container gets no signal for which it does not listen: the kubelet would wait half a minute, and
/// kill it.
#[test]
fn who_waits_for_an_api_server_ends_when_told_to() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let folder = tempfile::tempdir().unwrap();
        let mut replica = Replica::alone(folder.path(), &[]);
        assert!(replica.answers("/readyz").contains("503"));
        kill(Pid::from_raw(replica.child.id().try_into().unwrap()), signal).unwrap();
        let mut status = None;
        within_a_minute("it ends", || {
            status = replica.child.try_wait().unwrap();
            status.is_some()
        });
        assert_eq!(status.unwrap().code(), Some(0), "by itself, not by {signal}");
    }
}

#[test]
fn a_setting_that_is_written_wrong_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let _replica =
        Replica::alone(folder.path(), &[("WEBHOOK_FAILURE_POLCY", "Fail"), ("OPENLIT_SERVICE_HOST", "10.0.0.1")]);
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    let told: Vec<&str> = log.lines().filter(|line| line.contains("unknown setting")).collect();
    assert_eq!(told.len(), 1, "{log}");
    assert!(
        told[0].contains("WEBHOOK_FAILURE_POLCY") && told[0].contains("did you mean WEBHOOK_FAILURE_POLICY?"),
        "{log}"
    );
}
