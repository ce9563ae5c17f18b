//! The `plugin.yaml` that the tests give to the server: the one that users get.

use crate::place::{Place, ROOT};
use std::fs;
use std::path::Path;

/// The folder that is the plugin's in place of `/etc/prelit`, below the working directory.
pub const DEFAULTS: &str = "defaults";

/// The file that users get, but with the defaults of the place.
pub fn yaml(place: &Place) -> String {
    let text = fs::read_to_string(Path::new(ROOT).join("argocd-cmp/plugin.yaml")).unwrap();
    let defaults = format!("--defaults, {}", place.path(DEFAULTS).display());
    with_arguments(&with_arguments(&text, "generate", &defaults), "parameters", &defaults)
}

/// A `plugin.yaml` in which a command gets further arguments.
pub fn with_arguments(plugin: &str, command: &str, arguments: &str) -> String {
    changed(plugin, &format!("[prelit, cmp, {command}"), &format!("[prelit, cmp, {command}, {arguments}"))
}

/// A `plugin.yaml` with discovery switched on, as its comment says.
pub fn with_discovery(plugin: &str) -> String {
    ["# discover:", "#   find:", "#     command: [prelit, cmp, discover]"]
        .iter()
        .fold(plugin.to_owned(), |text, line| changed(&text, line, &line[2..]))
}

fn changed(text: &str, old: &str, new: &str) -> String {
    assert!(text.contains(old), "plugin.yaml has no {old}");
    text.replacen(old, new, 1)
}
