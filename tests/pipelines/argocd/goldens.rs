//! The Applications of `testdata/argocd`, out of a git repository: what Argo CD gets is what is written there, and what it
//! shows of an error is the error that is written there.

use super::plugin::DEFAULTS;
use super::repository::ArgoCd;
use crate::application::Application;
use crate::manifest;
use crate::place::Place;
use crate::support::doors::other_objects;
use crate::tools::Tools;
use libtest_mimic::Trial;
use serde_json::Value;
use std::fs;

/// A test an Application.
pub fn trials(tools: &Tools) -> Vec<Trial> {
    let trial = |application: Application| {
        let needs = [super::NEEDS, application.needs()].concat();
        let name = format!("argocd::goldens::{}", application.name);
        tools.trial(&name, &needs, move |place| becomes_what_is_written(place, &application))
    };
    Application::all().into_iter().map(trial).collect()
}

fn becomes_what_is_written(place: &Place, application: &Application) {
    application.set_up(place);
    let argo = ArgoCd::start(place);
    let mut asked = manifest::documents(&fs::read(application.file("application.yaml")).unwrap()).remove(0);
    // The name of the only branch is up to git.
    asked["spec"]["source"]["targetRevision"] = "HEAD".into();
    let answer = argo.ask(&asked);
    if let Ok(text) = fs::read_to_string(application.file("error.txt")) {
        let shown = answer.outcome().expect_err("an error");
        let expected = text.trim_end().replace("../../defaults", place.path(DEFAULTS).to_str().unwrap());
        let is_ours = shown.ends_with(&format!(" failed exit status 1: {expected}"));
        assert!(is_ours || is_refused_by_repo_server(shown), "{shown}");
    } else {
        let expected = manifest::documents(&fs::read(application.file("output.yaml")).unwrap());
        let found: Vec<Value> = answer.objects().into_iter().map(untracked).collect();
        assert_eq!(other_objects("plugin", &expected, &found), None);
    }
}

/// repo-server does not give such a repository to any plugin.
fn is_refused_by_repo_server(error: &str) -> bool {
    error.contains("repository contains out-of-bounds symlinks")
}

/// An object without the annotation by which Argo CD knows it again.
fn untracked(mut object: Value) -> Value {
    // A CustomResourceDefinition has none: several Applications may share it.
    let is_definition = object["kind"] == "CustomResourceDefinition";
    let metadata = object["metadata"].as_object_mut().expect("metadata");
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        let removed = annotations.remove("argocd.argoproj.io/tracking-id");
        assert!(removed.is_some() != is_definition, "the annotation of Argo CD");
        if annotations.is_empty() {
            metadata.remove("annotations");
        }
    }
    object
}
