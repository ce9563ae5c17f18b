//! Argo CD's own client code, in the program of `.ci/tools/argocd-cmp-server/client`: requests and answers are lines.

use super::server::SOCKETS;
use crate::place::Place;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

/// What a cluster of today says of itself.
const KUBE_VERSION: &str = "1.36.0";
const API_VERSIONS: [&str; 3] = ["v1", "apps/v1", "monitoring.coreos.com/v1"];

/// A client that runs, until it is dropped.
pub struct Client {
    process: Child,
    pipes: RefCell<(ChildStdin, BufReader<ChildStdout>)>,
}

impl Client {
    /// One that finds the plugins of the place.
    pub fn start(place: &Place) -> Client {
        Client::with_plugins_of(place, &place.path(SOCKETS))
    }

    /// One that finds no plugin: it makes manifests as Argo CD does without any.
    pub fn native(place: &Place) -> Client {
        Client::with_plugins_of(place, &place.path("../no-sockets"))
    }

    fn with_plugins_of(place: &Place, sockets: &Path) -> Client {
        std::fs::create_dir_all(sockets).unwrap();
        // Argo CD's image has it; it prints what GnuPG says of a commit, and that is nothing where none is signed.
        place.script("git-verify-wrapper.sh", "#!/bin/sh\n");
        let mut process = place
            .command("argocd-cmp-client")
            .env("ARGOCD_PLUGINSOCKFILEPATH", sockets)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the client starts");
        let pipes = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        Client { process, pipes: RefCell::new(pipes) }
    }

    /// Asks, and waits for the answer.
    pub fn ask(&self, request: &Value) -> Answer {
        let (requests, answers) = &mut *self.pipes.borrow_mut();
        writeln!(requests, "{request}").expect("the client reads");
        let mut line = String::new();
        answers.read_line(&mut line).unwrap();
        Answer(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")))
    }

    /// The manifests of an Application whose repository is a folder of the place, as a refresh makes them.
    pub fn manifests(&self, application: &Value, repository: &Path) -> Answer {
        self.application("application", application, repository, "60s")
    }

    /// The same, where repo-server waits no longer than this.
    pub fn manifests_within(&self, timeout: &str, application: &Value, repository: &Path) -> Answer {
        self.application("application", application, repository, timeout)
    }

    /// The parameters of an Application, as the user interface shows them.
    pub fn details(&self, application: &Value, repository: &Path) -> Answer {
        self.application("details", application, repository, "60s")
    }

    fn application(&self, call: &str, application: &Value, repository: &Path, timeout: &str) -> Answer {
        self.ask(&json!({
            "call": call,
            "application": application.to_string(),
            "repository": repository,
            "kubeVersion": KUBE_VERSION,
            "apiVersions": API_VERSIONS,
            "timeout": timeout,
            // Each time anew: what is tested is not the cache.
            "hard": true,
        }))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// What Argo CD's code gave back.
#[derive(Debug)]
pub struct Answer(Value);

impl Answer {
    /// The objects, or the error.
    pub fn outcome(&self) -> Result<Vec<Value>, &str> {
        self.0["error"].as_str().map_or_else(|| Ok(self.objects()), Err)
    }

    /// The manifests as Argo CD got them, each a text, if it got them.
    #[track_caller]
    pub fn texts(&self) -> Vec<String> {
        assert!(self.0["error"].is_null(), "an error in place of manifests: {}", self.0["error"]);
        let manifests = self.0["manifests"].as_array().cloned().unwrap_or_default();
        manifests.iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    }

    /// The manifests as objects.
    #[track_caller]
    pub fn objects(&self) -> Vec<Value> {
        self.texts().iter().map(|text| serde_json::from_str(text).unwrap()).collect()
    }

    /// The error, if there is one.
    #[track_caller]
    pub fn error(&self) -> &str {
        self.0["error"].as_str().unwrap_or_else(|| panic!("no error: {}", self.0))
    }

    /// Another part of the answer, if there is no error.
    #[track_caller]
    pub fn get(&self, name: &str) -> &Value {
        assert!(self.0["error"].is_null(), "an error in place of {name}: {}", self.0["error"]);
        &self.0[name]
    }
}
