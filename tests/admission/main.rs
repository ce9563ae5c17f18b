//! The same pod at admission as from the filter: every golden folder's workloads become pods as their controllers make
//! them, are reviewed with the folder's configurations, and must come out as the template that the filter wrote, but for
//! positions in lists.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod pods;
#[allow(dead_code, reason = "the goldens use all of it")]
#[path = "../support/mod.rs"]
mod support;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use pods::make;
use prelit::api::resource::{self, AutoInstrumentation};
use prelit::api::settings::{self, Settings};
use prelit::cli::settings_file;
use prelit::inject::engine::Engine;
use prelit::value::Value;
use prelit::webhook::decision::{Decision, decide};
use prelit::webhook::review::Request;
use serde_json::{Value as Json, json};
use std::fs;
use std::path::Path;
use support::doors;
use support::folder::{Folder, difference, find};
use support::manifest::{self, unordered};

/// The namespace of what names none.
const NAMESPACE: &str = "apps";

/// What the contract lets differ, by what `explain` says of a folder: a text can hold or forbid it, and a pod not.
const EXCEPTIONS: [&str; 10] = [
    "label-on-workload",
    "shared-anchor",
    "unsupported-yaml",
    "ambiguous-label",
    "sops",
    "knative-features",
    "duplicate-variable",
    "edited",
    "configuration-unknown",
    "unreadable-record",
];

fn main() {
    let arguments = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let trials = find(&root)
        .into_iter()
        .filter(|(name, path)| !name.starts_with("functions/") && !name.starts_with("pipelines/") && doors::takes(path))
        .map(|(name, path)| Trial::ignorable_test(name, move || of(&path)))
        .collect();
    libtest_mimic::run(&arguments, trials).exit();
}

fn of(path: &Path) -> Result<Completion, Failed> {
    let explained = fs::read_to_string(path.join("explain.txt")).unwrap_or_default();
    if let Some(exception) = EXCEPTIONS.iter().find(|exception| explained.contains(**exception)) {
        return Ok(Completion::ignored_with(format!("not comparable: {exception}")));
    }
    if path.join("given.yaml").is_file() {
        return Ok(Completion::ignored_with("not comparable: an earlier injection"));
    }
    let folder = Folder::read(path, false)?;
    let Some(run) = Setting::of(&folder) else {
        return Ok(Completion::ignored_with("not comparable: its options are about files"));
    };
    let input = objects(&folder.bytes().unwrap_or_default());
    let output = objects(&folder.over_input(&["inject"]).stdout);
    let engine = run.engine(&input);
    let mut compared = 0;
    for (before, after) in input.iter().zip(&output) {
        // What a controller makes of the rendered template is what comes of the pod that it makes of the plain one.
        for (plain, mut rendered) in make(before).into_iter().zip(make(after)) {
            let mut reviewed = review(&engine, before, &run.namespace, &plain.pod);
            compared += 1;
            for field in ["annotations", "labels"] {
                let at = format!("{}: {field}", plain.template);
                same(&at, &rendered.pod["metadata"][field], &reviewed["metadata"][field])?;
            }
            let [filters, ours] = [&mut rendered.pod, &mut reviewed].map(|pod| unordered(pod["spec"].take()));
            same(&format!("{}: spec", plain.template), &filters, &ours)?;
        }
    }
    if compared == 0 {
        return Ok(Completion::ignored_with("nothing to compare: no kind whose pods are known"));
    }
    Ok(Completion::Completed)
}

fn same(what: &str, filters: &Json, ours: &Json) -> Result<(), Failed> {
    if filters == ours {
        return Ok(());
    }
    let [filters, ours] = [filters, ours].map(|json| format!("{json:#}\n"));
    Err(format!("{what}: other than the filter's\n{}", difference(filters.as_bytes(), ours.as_bytes())).into())
}

/// The objects of a stream; those of lists one by one.
fn objects(stream: &[u8]) -> Vec<Json> {
    let flat = |object: Json| match object {
        Json::Object(mut list)
            if list.get("kind").and_then(Json::as_str).is_some_and(|kind| kind.ends_with("List")) =>
        {
            let of = list["kind"].as_str().unwrap().trim_end_matches("List").to_owned();
            let version = list["apiVersion"].clone();
            let mut items = list.get_mut("items").and_then(Json::as_array_mut).map(std::mem::take).unwrap_or_default();
            for item in items.iter_mut().filter(|item| item.is_object() && !of.is_empty() && item.get("kind").is_none())
            {
                item["kind"] = json!(of);
                item["apiVersion"] = version.clone();
            }
            items
        }
        object => vec![object],
    };
    manifest::documents(stream).into_iter().flat_map(flat).filter(Json::is_object).collect()
}

/// With what a folder is run.
struct Setting {
    settings: Settings,
    apart: Vec<AutoInstrumentation>,
    namespace: String,
}

impl Setting {
    fn of(folder: &Folder) -> Option<Setting> {
        let (mut pairs, mut apart) = (Vec::new(), Vec::new());
        let mut namespace = NAMESPACE.to_owned();
        let mut options = folder.options.iter();
        while let Some(option) = options.next() {
            let (option, value) = match option.split_once('=') {
                Some((option, value)) if option.starts_with("--") => (option, value.to_owned()),
                _ => (option.as_str(), options.next()?.clone()),
            };
            match option {
                "--config" => {
                    let bytes = fs::read(folder.path.join(&value)).ok()?;
                    apart.extend(objects(&bytes).iter().filter_map(configuration));
                }
                "--settings" => {
                    let bytes = fs::read(folder.path.join(&value)).ok()?;
                    pairs.extend(settings_file::pairs_of(&value, &bytes).0);
                }
                "--set" => pairs.push(value.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))?),
                "--namespace" | "-n" => namespace = value,
                _ => return None,
            }
        }
        let settings = settings::read(pairs.into_iter()).ok()?;
        Some(Setting { settings, apart, namespace })
    }

    fn engine(&self, input: &[Json]) -> Engine {
        let apart = self.apart.iter().map(|resource| (resource.clone(), resource.namespace.is_none()));
        let among = input.iter().filter_map(configuration).map(|resource| (resource, false));
        Engine::new(apart.chain(among), &self.settings, Some(self.namespace.clone()))
    }
}

fn configuration(object: &Json) -> Option<AutoInstrumentation> {
    (object["kind"] == "AutoInstrumentation").then(|| resource::read(&Value::from(object)).ok()).flatten()
}

/// The pod as it is after its review.
fn review(engine: &Engine, workload: &Json, namespace: &str, pod: &Json) -> Json {
    let body = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "u", "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": workload["metadata"]["namespace"].as_str().unwrap_or(namespace),
            "operation": "CREATE", "object": pod,
        },
    })
    .to_string();
    let Decision { patch, .. } = decide(engine, &Request::read(body.as_bytes()).unwrap());
    let mut patched = pod.clone();
    if !patch.is_empty() {
        let patch: json_patch::Patch = serde_json::from_slice(&patch).unwrap();
        json_patch::patch(&mut patched, &patch).unwrap();
    }
    patched
}
