//! The hooks, with the real pre-commit.

use crate::assistant::{block, build_environment, commit, repository};
use crate::manifest;
use crate::place::{Place, ROOT, Run};
use crate::tools::Tools;
use libtest_mimic::Trial;
use serde_json::Value;
use std::fs;
use std::path::Path;

pub fn trials(tools: &Tools) -> Vec<Trial> {
    vec![
        tools.trial("pre-commit::the_manifest_and_the_guide_are_valid", &["pre-commit"], is_valid),
        tools.trial("pre-commit::check_with_an_installed_prelit", &["pre-commit", "git"], system),
        tools.slow_trial("pre-commit::builds_prelit_from_source", &["pre-commit", "git"], rust),
    ]
}

fn is_valid(place: &Place) {
    fs::copy(Path::new(ROOT).join(".pre-commit-hooks.yaml"), place.path("hooks.yaml")).unwrap();
    place.run("pre-commit", &["validate-manifest", "hooks.yaml"]).succeeded();
    place.write("config.yaml", block(".pre-commit-config.yaml"));
    place.run("pre-commit", &["validate-config", "config.yaml"]).succeeded();
    let guide: Value = manifest::documents(place.read("config.yaml").as_bytes()).remove(0);
    let hooks = manifest::documents(place.read("hooks.yaml").as_bytes()).remove(0);
    let ids: Vec<&Value> = hooks.as_array().unwrap().iter().map(|hook| &hook["id"]).collect();
    assert!(ids.contains(&&guide["repos"][0]["hooks"][0]["id"]), "{guide}");
}

/// The repository under git, with a hook of ours.
fn with_hook(place: &Place, hook: &str) {
    place.write("../prelit/.pre-commit-hooks.yaml", fs::read(Path::new(ROOT).join(".pre-commit-hooks.yaml")).unwrap());
    let ours = commit(place, "../prelit");
    repository(place);
    let config = block(".pre-commit-config.yaml")
        .replace("https://github.com/your-org/prelit", "../prelit")
        .replace("rev: v0.1.0", &format!("rev: {ours}"))
        .replace("id: prelit-check", &format!("id: {hook}"));
    place.write(".pre-commit-config.yaml", config);
    commit(place, ".");
}

/// pre-commit over all files, with what it needs to build Rust.
fn pre_commit(place: &Place) -> Run {
    let mut command = place.command("pre-commit");
    command.args(["run", "--all-files", "--verbose"]);
    build_environment(&mut command);
    Run::of(&mut command, "")
}

fn system(place: &Place) {
    with_hook(place, "prelit-check-system");
    let run = pre_commit(place).exited(1);
    assert!(run.stdout.contains("manifests/assistant.yaml:15:11: finding: Deployment/assistant"), "{}", run.stdout);
    assert!(run.stdout.contains("3 findings"), "{}", run.stdout);
    place.run("prelit", &["inject", "--quiet", "--write", "."]).succeeded();
    let run = pre_commit(place).succeeded();
    assert!(run.stdout.contains("no findings"), "{}", run.stdout);
}

/// The sources, as cargo needs them.
fn sources(place: &Place) {
    for folder in ["src", "tests", "benches"] {
        place.copy(folder, format!("../prelit/{folder}"));
    }
    for file in ["Cargo.toml", "Cargo.lock", "README.md", "LICENSE"] {
        place.write(format!("../prelit/{file}"), fs::read(Path::new(ROOT).join(file)).unwrap());
    }
}

fn rust(place: &Place) {
    sources(place);
    place.unlink("prelit"); // the hook must use its own
    with_hook(place, "prelit-inject");
    let run = pre_commit(place).exited(1);
    assert!(run.stdout.contains("files were modified by this hook"), "{}", run.stdout);
    assert!(place.read("manifests/assistant.yaml").contains("openlit.io/injection"));
    pre_commit(place).succeeded();
    let config = place.read(".pre-commit-config.yaml").replace("id: prelit-inject", "id: prelit-check");
    place.write(".pre-commit-config.yaml", config);
    let run = pre_commit(place).succeeded();
    assert!(run.stdout.contains("no findings"), "{}", run.stdout);
}
