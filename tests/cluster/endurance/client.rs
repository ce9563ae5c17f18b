//! A connection to the API server that is kept open: a kubectl for each request would be too slow.

use kube::client::Body;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use serde_json::Value;
use std::path::Path;
use tokio::runtime::{Builder, Runtime};

/// The kinds of bodies.
pub const OBJECT: &str = "application/json";
pub const APPLIED: &str = "application/apply-patch+yaml";
pub const MERGED: &str = "application/merge-patch+json";
pub const PATCH: &str = "application/json-patch+json";

/// Who asks, one request after the other.
pub struct Client {
    runtime: Runtime,
    client: kube::Client,
}

impl Client {
    pub fn new(kubeconfig: &Path) -> Client {
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let client = runtime.block_on(async {
            let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
            let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
            // What becomes of each single request is the question here.
            config.default_retry = false;
            kube::Client::try_from(config).unwrap()
        });
        Client { runtime, client }
    }

    /// The status and the body of the answer; what went wrong, where there was none.
    pub fn send(&self, method: &str, path: &str, body: Option<(&str, &Value)>) -> Result<(u16, Value), String> {
        let mut request = axum::http::Request::builder().method(method).uri(path);
        if let Some((kind, _)) = body {
            request = request.header("content-type", kind);
        }
        let body = body.map_or(Vec::new(), |(_, body)| body.to_string().into_bytes());
        let request = request.body(Body::from(body)).unwrap();
        self.runtime.block_on(async {
            let answer = self.client.send(request).await.map_err(|error| chain(&error))?;
            let status = answer.status().as_u16();
            let body = answer.into_body().collect_bytes().await.map_err(|error| chain(&error))?;
            Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
        })
    }

    /// An object, if it is there and the API server answers.
    pub fn find(&self, path: &str) -> Option<Value> {
        self.send("GET", path, None).ok().filter(|(status, _)| *status == 200).map(|(_, object)| object)
    }

    /// Changes an object, or deletes it; it must succeed.
    #[track_caller]
    pub fn change(&self, path: &str, change: Option<(&str, &Value)>) {
        let method = if change.is_some() { "PATCH" } else { "DELETE" };
        let (status, answer) = self.send(method, path, change).unwrap();
        assert!(status < 300, "{answer}");
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
