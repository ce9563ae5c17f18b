//! Every golden folder through the plugin server: its input as a plain folder, its configuration and settings as the
//! sidecar's own. The objects must be those of the filter.

use super::client::Client;
use super::plugin::{self, DEFAULTS};
use super::repository::announced;
use super::server::Server;
use crate::manifest;
use crate::place::{Place, ROOT};
use crate::support::doors::{self, other_objects};
use crate::support::folder::{self, Folder};
use crate::tools::Tools;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A test a group of folders, so that a server serves many of them.
pub fn trials(tools: &Tools) -> Vec<Trial> {
    let mut groups: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for (name, path) in folder::find(&Path::new(ROOT).join("testdata")) {
        let group = name.split('/').next().unwrap_or_default().to_owned();
        if !["functions", "pipelines", "errors", "trees"].contains(&group.as_str()) && doors::takes(&path) {
            groups.entry(group).or_default().push(path);
        }
    }
    let needs = ["argocd-cmp-server", "argocd-cmp-client"];
    groups
        .into_iter()
        .map(|(group, folders)| {
            tools.slow_trial(&format!("argocd::parity::{group}"), &needs, move |place| compare(place, &folders))
        })
        .collect()
}

/// Where the plugin, or Argo CD, refuses what the filter takes, and a word of why.
const REFUSED: [(&str, &str); 4] = [
    // The command line passes over settings of other components, which a folder of a cluster may hold.
    ("states/settings-not-known", "LOG_LEVEL: a setting of the webhook"),
    ("text/broken-document-without-a-label", "input.yaml:19:11: unclosed bracket"),
    ("text/empty-stream", "allow-empty"),
    // Argo CD's reader knows YAML 1.1 alone.
    ("text/yaml-directive", "found incompatible YAML document"),
];

/// All that is wrong with all of them.
fn compare(place: &Place, folders: &[PathBuf]) {
    let server = Server::start(place, &plugin::yaml(place));
    let client = Client::start(place);
    let complaints: Vec<String> = folders
        .iter()
        .filter_map(|path| Some(format!("{}: {}", path.display(), complaint(place, &server, &client, path)?)))
        .collect();
    assert!(complaints.is_empty(), "{} of {}\n{}", complaints.len(), folders.len(), complaints.join("\n"));
}

fn complaint(place: &Place, server: &Server, client: &Client, path: &Path) -> Option<String> {
    let folder = Folder::read(path, false).unwrap();
    let environment = environment(path)?;
    for folder in [DEFAULTS, "source"] {
        fs::remove_dir_all(place.path(folder)).ok();
        fs::create_dir(place.path(folder)).unwrap();
    }
    place.write(Path::new("source").join(&folder.input), folder.bytes().unwrap());
    for file in ["config.yaml", "settings.yaml"] {
        if path.join(file).exists() {
            place.write(Path::new(DEFAULTS).join(file), fs::read(path.join(file)).unwrap());
        }
    }
    let answer = client.ask(&json!({
        "call": "generate",
        "plugin": server.plugin,
        "repository": place.path("source"),
        "env": environment,
    }));
    let refusal = REFUSED.iter().find(|(name, _)| path.ends_with(name));
    match (answer.outcome(), refusal) {
        (Ok(found), None) => other_objects("plugin", &numbered(expected(&folder)), &numbered(found)),
        (Err(error), Some((_, word))) if error.contains(word) => None,
        (Err(error), _) => Some(error.to_owned()),
        (Ok(_), Some((_, word))) => Some(format!("is no longer refused: {word}")),
    }
}

/// What the filter gives. As Kubernetes, Argo CD reads nothing between the end of a document and the next `---`.
fn expected(folder: &Folder) -> Vec<Value> {
    let stream = String::from_utf8(folder.over_input(&["inject"]).stdout).unwrap();
    let read = |document: &str| document.split_once("\n...\n").map_or(document, |(read, _)| read).to_owned();
    let documents: Vec<String> = stream.split("\n---\n").map(read).collect();
    manifest::documents(documents.join("\n---\n").as_bytes())
}

/// With numbers as Go writes them into JSON: 1e3 is 1000.
fn numbered(objects: Vec<Value>) -> Vec<Value> {
    fn number(value: Value) -> Value {
        match value {
            Value::Number(number) => match number.as_f64().map(|it| format!("{it}").parse::<i64>()) {
                Some(Ok(whole)) if number.is_f64() => whole.into(),
                _ => Value::Number(number),
            },
            Value::Array(items) => items.into_iter().map(number).collect(),
            Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, number(value))).collect(),
            other => other,
        }
    }
    objects.into_iter().map(number).collect()
}

/// The further arguments of a folder as Argo CD says them; none where an Application has no word for one of them.
fn environment(path: &Path) -> Option<Vec<String>> {
    let text = fs::read_to_string(path.join("args")).unwrap_or_default();
    let mut environment = vec!["ARGOCD_APP_NAME=golden".to_owned()];
    let mut parameters = json!({});
    let mut words = text.lines();
    while let Some(word) = words.next() {
        match word {
            "--strict" => parameters["strict"] = json!("true"),
            "--namespace" => environment.push(format!("ARGOCD_APP_NAMESPACE={}", words.next()?)),
            "--set" => {
                let (name, value) = words.next()?.split_once('=')?;
                parameters["settings"][name] = json!(value);
            }
            _ => return None,
        }
    }
    environment.push(format!("ARGOCD_APP_PARAMETERS={}", announced(&parameters)));
    Some(environment)
}
