//! The same pod templates from every door: what the filter makes of a golden folder, the function makes of a
//! list of the same objects, and kustomize's older plugin of the same stream.

use super::golden::items;
use crate::support::command::{Run, prelit, run};
use crate::support::doors::{only_resource, other_objects};
use crate::support::folder::Folder;
use crate::support::manifest;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// What is wrong with a folder; an empty list is a pass.
pub fn of(path: &Path) -> Vec<String> {
    let folder = match Folder::read(path, false) {
        Ok(folder) => folder,
        Err(complaint) => return vec![complaint],
    };
    let input = folder.bytes().unwrap_or_default();
    let filtered = prelit(path, &["inject"], &folder.options, &[], Some(&input));
    let mut complaints = Vec::new();
    if filtered.stdout != folder.over_input(&["inject"]).stdout {
        complaints.push("the filter gives other bytes than the file does".to_owned());
    }
    // What is no object is no item of a list, and what has no template is as it was.
    let expected: Vec<Value> = manifest::documents(&filtered.stdout).into_iter().filter(Value::is_object).collect();
    let mut compare = |door: &str, run: &Run, found: Option<Vec<Value>>| {
        if run.code != 0 {
            complaints.push(format!("{door}: exit {}\n{}", run.code, run.stderr()));
        } else {
            match found {
                Some(found) => complaints.extend(other_objects(door, &expected, &found)),
                None => complaints.push(format!("{door}: no list of items")),
            }
        }
    };

    let text = embedded(&input);
    if let Some(list) = &text {
        let run = prelit(path, &["fn"], &folder.options, &[], Some(list.as_bytes()));
        compare("function, YAML", &run, items(&run.stdout));
    }
    let json = (!depends_on_its_text(path)).then(|| {
        let objects: Vec<Value> = manifest::documents(&input).into_iter().filter(Value::is_object).collect();
        json!({ "apiVersion": "config.kubernetes.io/v1", "kind": "ResourceList", "items": objects }).to_string()
    });
    if let Some(list) = &json {
        let run = prelit(path, &["fn"], &folder.options, &[], Some(list.as_bytes()));
        compare("function, JSON", &run, items(&run.stdout));
    }
    if let Some((config, options)) = function_config(&folder) {
        let text = text.map(|list| format!("{list}functionConfig: {config}\n"));
        let json = json.map(|list| format!("{},\"functionConfig\":{config}}}", &list[..list.len() - 1]));
        for list in text.into_iter().chain(json) {
            let run = prelit(path, &["fn"], &options, &[], Some(list.as_bytes()));
            compare("function with a functionConfig", &run, items(&run.stdout));
        }
    }
    if let [option, config, rest @ ..] = &folder.options[..]
        && option == "--config"
    {
        let run = plugin(path, config, rest, &input);
        compare(
            "older plugin",
            &run,
            Some(manifest::documents(&run.stdout).into_iter().filter(Value::is_object).collect()),
        );
        if run.stdout != filtered.stdout {
            complaints.push("older plugin: other bytes than the filter's".to_owned());
        }
    }
    complaints
}

/// Whether a folder shows how something is written, which JSON has no word for: anchors, explicit keys, `yes`.
fn depends_on_its_text(path: &Path) -> bool {
    let report = fs::read_to_string(path.join("explain.txt")).unwrap_or_default();
    ["shared-anchor", "unsupported-yaml", "ambiguous-label"].iter().any(|reason| report.contains(reason))
}

/// The text of the documents as the items of a list, in their own style: each line is indented, the first gets
/// the dash. None where that would mean something else.
fn embedded(input: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(input).ok()?;
    if text.starts_with(['\u{feff}', '{', '%']) || text.contains("\n...") || text.contains("\n%") || text.contains('\t')
    {
        return None;
    }
    let mut list = String::from("apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nitems:\n");
    let mut is_empty = true;
    for document in text.split_inclusive('\n').collect::<Vec<_>>().split(|line| line.starts_with("---")) {
        let is_blank = |line: &str| line.trim().is_empty() || line.starts_with('#');
        if document.iter().all(|line| is_blank(line)) {
            continue;
        }
        is_empty = false;
        for (number, line) in document.iter().enumerate() {
            list.push_str(if number == 0 {
                "- "
            } else if line.trim().is_empty() {
                ""
            } else {
                "  "
            });
            list.push_str(line);
        }
        if !list.ends_with('\n') {
            list.push('\n');
        }
    }
    // The order of two keys on the line of the dash must not matter.
    (!is_empty && items(list.as_bytes()).is_some_and(|found| found == manifest::documents(input))).then_some(list)
}

/// The configuration of a folder as the function's own, and the options that are left: one
/// `AutoInstrumentation`, or settings.
fn function_config(folder: &Folder) -> Option<(Value, Vec<String>)> {
    if let Some((resource, rest)) = only_resource(folder) {
        return Some((resource, rest.to_vec()));
    }
    let [option, file, rest @ ..] = &folder.options[..] else { return None };
    let mut documents = manifest::documents(&fs::read(folder.path.join(file)).ok()?);
    if option != "--settings" || documents.len() != 1 {
        return None;
    }
    let mut settings = documents.remove(0);
    if settings["kind"] != "ConfigMap" {
        settings =
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "settings" }, "data": settings });
    }
    Some((settings, rest.to_vec()))
}

/// Runs Prelit as kustomize runs the plugin of the kind `AutoInstrumentation`.
fn plugin(directory: &Path, config: &str, options: &[String], stdin: &[u8]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_prelit"));
    command.arg0("/plugins/openlit.io/v1alpha1/autoinstrumentation/AutoInstrumentation").arg(config).args(options);
    run(command, directory, Some(stdin))
}
