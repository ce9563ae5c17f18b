//! The same objects from every door, with the real tools: what the filter makes of what kustomize builds, the
//! exec function and the older plugin make inside kustomize; and what it makes of what Helm renders, the
//! post-renderer makes inside Helm. Every golden folder is a kustomization and a chart here.

use crate::manifest;
use crate::place::{Place, ROOT, Run};
use crate::support::doors::{self, other_objects};
use crate::support::folder::{self, Folder};
use crate::tools::Tools;
use libtest_mimic::{Completion, Trial};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

const NEEDS: [&str; 3] = ["kustomize", "kubectl", "helm3"];

pub fn trials(tools: &Tools) -> Vec<Trial> {
    let root = Path::new(ROOT).join("testdata");
    let groups = ["functions/", "pipelines/", "errors/", "trees/"];
    folder::find(&root)
        .into_iter()
        .filter(|(name, path)| {
            !groups.iter().any(|group| name.starts_with(group))
                && doors::takes(path)
                && !path.join("input.json").exists()
        })
        .map(|(name, path)| {
            tools.slow_ignorable_trial(&format!("parity::{name}"), &NEEDS, move |place| compare(place, &path))
        })
        .collect()
}

/// Builds a folder in each way. What a tool does not take is said, and is no pass.
fn compare(place: &Place, path: &Path) -> Completion {
    let folder = Folder::read(path, false).unwrap();
    for file in ["input.yaml", "config.yaml", "settings.yaml"] {
        if path.join(file).exists() {
            place.write(file, fs::read(path.join(file)).unwrap());
        }
    }
    let mut refused = Vec::new();
    let mut complaints = Vec::new();
    let mut complain = |door: &str, expected: &Run, found: &Run| {
        complaints.extend(other_objects(door, &objects(expected), &objects(found)));
    };

    kustomization(place, None);
    let plain = place.run("kustomize", &["build"]);
    if plain.code == 0 {
        let filtered = filter(place, &folder, &plain);
        kustomization(place, Some(&exec_function(&folder)));
        let built = place.run("kustomize", &["build", "--enable-alpha-plugins", "--enable-exec"]).succeeded();
        complain("exec function", &filtered, &built);
        if let Some(resource) = legacy_plugin(&folder) {
            place.run("prelit", &["install-kustomize-plugin"]).succeeded();
            kustomization(place, Some(&resource));
            let built = place.run("kubectl", &["kustomize", "--enable-alpha-plugins"]).succeeded();
            // kubectl's kustomize is older, and must not be held to the newer one.
            kustomization(place, None);
            let filtered = filter(place, &folder, &place.run("kubectl", &["kustomize"]).succeeded());
            complain("older plugin", &filtered, &built);
        }
    } else {
        refused.push(format!("kustomize: {}", plain.stderr.trim()));
    }

    place.write("chart/Chart.yaml", "apiVersion: v2\nname: golden\nversion: 1.0.0\n");
    place.write("chart/input.yaml", place.read("input.yaml"));
    place.write("chart/templates/all.yaml", "{{ .Files.Get \"input.yaml\" }}");
    let plain = place.run("helm3", &["template", "golden", "chart"]);
    if plain.code == 0 {
        let mut command = place.command("helm3");
        command.args(["template", "golden", "chart", "--post-renderer", "prelit", "--post-renderer-args", "inject"]);
        for option in &folder.options {
            command.args(["--post-renderer-args", option]);
        }
        complain("post-renderer", &filter(place, &folder, &plain), &Run::of(&mut command, "").succeeded());
    } else {
        refused.push(format!("helm: {}", plain.stderr.trim()));
    }

    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    if refused.len() == 2 {
        return Completion::ignored_with(format!("not built: {}", refused.join("; ")));
    }
    Completion::Completed
}

fn filter(place: &Place, folder: &Folder, manifests: &Run) -> Run {
    let arguments: Vec<&str> = ["inject"].into_iter().chain(folder.options.iter().map(String::as_str)).collect();
    place.pipe(&manifests.stdout, "prelit", &arguments).succeeded()
}

/// The objects of a stream; their order is the tool's own affair.
fn objects(run: &Run) -> Vec<Value> {
    let mut objects = manifest::documents(run.stdout.as_bytes());
    objects.sort_by_key(ToString::to_string);
    objects
}

fn kustomization(place: &Place, transformer: Option<&Value>) {
    let mut kustomization = json!({ "resources": ["input.yaml"] });
    if let Some(transformer) = transformer {
        kustomization["transformers"] = json!([transformer.to_string()]);
    }
    place.write("kustomization.yaml", kustomization.to_string());
}

/// The function with the options of the folder on its command line, and nothing in its configuration.
fn exec_function(folder: &Folder) -> Value {
    let arguments: Vec<&str> = ["fn"].into_iter().chain(folder.options.iter().map(String::as_str)).collect();
    let function = json!({ "exec": { "path": "prelit", "args": arguments } }).to_string();
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": "prelit", "annotations": { "config.kubernetes.io/function": function } },
        "data": {},
    })
}

/// The resource of the folder as the configuration of the older plugin, with the other options; none where the
/// folder has not exactly one.
fn legacy_plugin(folder: &Folder) -> Option<Value> {
    let (mut resource, rest) = doors::only_resource(folder)?;
    // kustomize itself asks for a name.
    if resource["metadata"]["name"].is_null() {
        return None;
    }
    if !rest.is_empty() {
        resource["argsOneLiner"] = rest.join(" ").into();
    }
    Some(resource)
}
