//! Pods that are created without a pause, and what became of each.

use super::client::{Client, OBJECT};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How many create pods at once.
pub const CREATORS: usize = 6;

/// Between two pods of one creator: the machine is to be busy, not at its end.
const BREATH: Duration = Duration::from_millis(10);

/// What became of a creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Injected,
    /// Created without the injection.
    Missed,
    /// The API server said no, and why.
    Refused(String),
    /// The API server said nothing.
    Unanswered(String),
}

/// One attempt to create a pod.
#[derive(Debug, Clone)]
pub struct Creation {
    pub began: Instant,
    pub ended: Instant,
    pub outcome: Outcome,
}

/// Those who create pods.
pub struct Stream {
    stop: Arc<AtomicBool>,
    creators: Vec<JoinHandle<Vec<Creation>>>,
}

impl Stream {
    pub fn start(kubeconfig: &Path, namespace: &str) -> Stream {
        let stop = Arc::new(AtomicBool::new(false));
        let creators = (0..CREATORS).map(|_| {
            let (client, namespace, stop) = (Client::new(kubeconfig), namespace.to_owned(), Arc::clone(&stop));
            thread::spawn(move || {
                let mut creations = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    creations.push(create(&client, &namespace));
                    thread::sleep(BREATH);
                }
                creations
            })
        });
        Stream { creators: creators.collect(), stop }
    }

    /// Ends it, and tells of all creations in their order.
    pub fn stop(self) -> Vec<Creation> {
        self.stop.store(true, Ordering::Relaxed);
        let mut creations: Vec<Creation> =
            self.creators.into_iter().flat_map(|creator| creator.join().unwrap()).collect();
        creations.sort_by_key(|creation| creation.began);
        creations
    }
}

/// Creates one pod that the `AutoInstrumentation` selects; no label of ours is on it.
fn create(client: &Client, namespace: &str) -> Creation {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "generateName": "chat-", "labels": { "app": "chat" } },
        "spec": {
            "automountServiceAccountToken": false,
            "containers": [{ "name": "app", "image": "python:3.11" }],
        },
    });
    let began = Instant::now();
    let answer = client.send("POST", &format!("/api/v1/namespaces/{namespace}/pods"), Some((OBJECT, &pod)));
    let outcome = match answer {
        Err(why) => Outcome::Unanswered(why),
        Ok((201, pod)) if pod["metadata"]["annotations"]["openlit.io/injection"].is_string() => Outcome::Injected,
        Ok((201, _)) => Outcome::Missed,
        Ok((_, status)) => {
            Outcome::Refused(status["message"].as_str().map_or_else(|| status.to_string(), str::to_owned))
        }
    };
    Creation { began, ended: Instant::now(), outcome }
}
