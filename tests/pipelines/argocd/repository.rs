//! A repository with an application in each folder, Applications that name them, and the plugin that renders them.

use super::client::{Answer, Client};
use super::plugin;
use super::server::Server;
use crate::assistant;
use crate::place::Place;
use serde_json::{Value, json};
use std::cell::OnceCell;

/// The repository, below the working directory.
pub const REPOSITORY: &str = "repository";

/// The plugin in its server, somebody who asks it, and a repository that is committed.
pub struct ArgoCd<'p> {
    pub server: Server,
    client: Client,
    /// Argo CD as it is without plugins; most tests do not ask it.
    native: OnceCell<Client>,
    place: &'p Place,
}

impl ArgoCd<'_> {
    /// With the `plugin.yaml` that users get.
    pub fn start(place: &Place) -> ArgoCd<'_> {
        ArgoCd::with(place, &plugin::yaml(place))
    }

    /// With another one.
    pub fn with<'p>(place: &'p Place, plugin: &str) -> ArgoCd<'p> {
        assistant::commit(place, REPOSITORY);
        ArgoCd { server: Server::start(place, plugin), client: Client::start(place), native: OnceCell::new(), place }
    }

    /// What becomes of a folder whose Application names the plugin and these parameters.
    pub fn render(&self, folder: &str, parameters: &Value) -> Answer {
        self.ask(&through(&self.server.plugin, folder, parameters))
    }

    /// What becomes of an Application.
    pub fn ask(&self, application: &Value) -> Answer {
        self.client.manifests(application, &self.place.path(REPOSITORY))
    }

    /// What Argo CD makes of an Application by itself.
    pub fn ask_without_plugins(&self, application: &Value) -> Answer {
        self.native.get_or_init(|| Client::native(self.place)).manifests(application, &self.place.path(REPOSITORY))
    }

    /// The same, where repo-server waits no longer than this.
    pub fn ask_within(&self, timeout: &str, application: &Value) -> Answer {
        self.client.manifests_within(timeout, application, &self.place.path(REPOSITORY))
    }

    /// The same as a text, whether it is an error or not.
    pub fn outcome(&self, folder: &str, parameters: &Value) -> String {
        format!("{:?}", self.render(folder, parameters))
    }

    /// What the plugin server answers to one of its calls, with nobody before it: `match`, `parameters`, `generate`.
    pub fn call(&self, call: &str, folder: &str, environment: &[String]) -> Answer {
        self.client.ask(&json!({
            "call": call,
            "plugin": self.server.plugin,
            "repository": self.place.path(REPOSITORY),
            "path": folder,
            "env": environment,
        }))
    }

    /// What the user interface shows of a folder's parameters.
    pub fn details(&self, folder: &str) -> Answer {
        self.client.details(&through(&self.server.plugin, folder, &json!({})), &self.place.path(REPOSITORY))
    }
}

/// An Application of a folder, with a part of its source: `plugin`, `helm`, `directory`.
pub fn application(folder: &str, kind: &str, part: &Value) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": { "name": "chat", "namespace": "argocd" },
        "spec": {
            "project": "assistants",
            "source": { "repoURL": "https://example.com/a.git", "path": folder, "targetRevision": "HEAD", kind: part },
            "destination": { "server": "https://kubernetes.default.svc", "namespace": "shop" },
        },
    })
}

/// One whose source is the plugin, with parameters: a text, a list of texts or a map of them each.
pub fn through(plugin: &str, folder: &str, parameters: &Value) -> Value {
    application(folder, "plugin", &json!({ "name": plugin, "parameters": announced(parameters) }))
}

/// Parameters as an Application writes them, and `ARGOCD_APP_PARAMETERS` too.
pub fn announced(parameters: &Value) -> Value {
    let parameters = parameters.as_object().expect("parameters by their names");
    let entry = |(name, value): (&String, &Value)| {
        let kind = match value {
            Value::Array(_) => "array",
            Value::Object(_) => "map",
            _ => "string",
        };
        json!({ "name": name, kind: value })
    };
    parameters.iter().map(entry).collect()
}
