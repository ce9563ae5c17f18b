//! The repository of `testdata/repositories/assistant`, with a Helm chart in it, as CI has it, and the guide `docs/ci.md`,
//! whose files and commands are tried on it.

use crate::place::{Place, ROOT};
use std::env;
use std::fs;
use std::path::Path;

/// The repository, with `helm` on the PATH where a Helm is.
pub fn repository(place: &Place) -> &Place {
    place.copy("testdata/repositories/assistant", ".");
    place.copy("testdata/charts/chat", "charts/chat");
    link_helm(place);
    place
}

/// Puts the Helm that is there, of either version, on the PATH as `helm`.
pub fn link_helm(place: &Place) {
    for helm in ["helm3", "helm4"] {
        if place.has(helm) {
            place.link(&place.program(helm), "helm");
        }
    }
}

/// The blocks of a language in the guide, without the indentation of a list.
pub fn blocks(language: &str) -> Vec<String> {
    let guide = fs::read_to_string(Path::new(ROOT).join("docs/ci.md")).unwrap();
    let fence = format!("```{language}\n");
    let blocks = guide.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned());
    blocks.collect()
}

/// The block that begins with a comment that names its file.
pub fn block(file: &str) -> String {
    let comment = format!("# {file}\n");
    blocks("yaml").into_iter().find(|block| block.starts_with(&comment)).expect(file)
}

/// Commits what is in a folder.
pub fn commit(place: &Place, folder: &str) -> String {
    let git = |arguments: &[&str]| {
        let who = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-C", folder];
        place.run("git", &[&who, arguments].concat()).succeeded().stdout.trim().to_owned()
    };
    git(&["init", "--quiet"]);
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message", "all"]);
    git(&["rev-parse", "HEAD"])
}

/// What a build takes from the environment of the tests: the toolchain, the crates that are there, and the
/// folder in which they are compiled already, with the profile that they were compiled with.
pub fn build_environment(command: &mut std::process::Command) {
    let cargo = Path::new(env!("CARGO")).parent().unwrap();
    let path = command.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, path)| path).unwrap().to_owned();
    command.env("PATH", format!("{}:{}", path.to_str().unwrap(), cargo.display()));
    let home = env::var("CARGO_HOME").or_else(|_| env::var("HOME").map(|home| format!("{home}/.cargo")));
    command.env("CARGO_HOME", home.unwrap());
    command.env("CARGO_TARGET_DIR", env::var("CARGO_TARGET_DIR").unwrap_or(format!("{ROOT}/target")));
    command.envs(env::vars().filter(|(name, _)| name.starts_with("CARGO_PROFILE_")));
}

/// The commands of the guide that have a text in them.
pub fn recipe(text: &str) -> String {
    blocks("sh").into_iter().find(|block| block.contains(text)).expect(text)
}
