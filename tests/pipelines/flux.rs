//! What the guide does for Flux, which runs no program: the recipes up to what Flux reads.

use crate::assistant::{commit, recipe, repository};
use crate::place::Place;
use crate::tools::Tools;
use libtest_mimic::Trial;

pub fn trials(tools: &Tools) -> Vec<Trial> {
    vec![
        tools.trial("flux::what_is_rendered_is_committed", &["kustomize", "git"], what_is_rendered),
        tools.trial("flux::what_is_pushed_is_instrumented", &["helm3"], what_is_pushed),
    ]
}

/// Runs the recipe twice: the second time there is nothing to commit.
fn what_is_rendered(place: &Place) {
    place.copy("testdata/repositories/assistant/manifests/openlit.yaml", "ai.yaml");
    repository(place);
    commit(place, ".");
    place.run("git", &["init", "--quiet", "--bare", "../remote"]).succeeded();
    place.run("git", &["remote", "add", "origin", "../remote"]).succeeded();
    place.write("../home/.gitconfig", "[user]\nname = a\nemail = a@example.com\n[push]\nautoSetupRemote = true\n");
    let recipe = recipe("git push");
    for _ in 0..2 {
        place.run("bash", &["-c", &recipe]).succeeded();
    }
    let pushed = ["-C", "../remote", "log", "--all", "--format=%s"];
    assert_eq!(place.run("git", &pushed).succeeded().stdout, "Render overlays/prod\nall\n");
    assert!(place.read("rendered/prod.yaml").contains("openlit.io/injection"));
}

/// Up to the push itself, which needs a registry.
fn what_is_pushed(place: &Place) {
    place.copy("testdata/repositories/assistant/manifests/openlit.yaml", "ai.yaml");
    repository(place);
    let recipe = recipe("flux push");
    let (render, _) = recipe.split_once("flux push").unwrap();
    place.run("bash", &["-c", render]).succeeded();
    assert_eq!(place.read("rendered/chat.yaml").matches("openlit.io/injection").count(), 4);
}
