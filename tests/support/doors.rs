//! What is asked of a golden folder at every door: that it gives the objects that the filter gives.

use super::folder::{Folder, difference};
use super::manifest;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Whether the filter takes a folder's input: a stream and not a tree of files, no error, no option that is about files.
pub fn takes(path: &Path) -> bool {
    let args = fs::read_to_string(path.join("args")).unwrap_or_default();
    !path.join("exit").exists()
        && ["input.yaml", "input.json"].iter().any(|name| path.join(name).is_file())
        && !args.lines().any(|option| matches!(option, "--skip-unparsable" | "--exclude"))
}

/// The resource of a folder that has exactly one, and the options that are left: for a door that takes it as its own
/// configuration.
pub fn only_resource(folder: &Folder) -> Option<(Value, &[String])> {
    let [option, config, rest @ ..] = &folder.options[..] else { return None };
    let mut resources = manifest::documents(&fs::read(folder.path.join(config)).ok()?);
    let is_one = option == "--config" && resources.len() == 1 && resources[0]["kind"] == "AutoInstrumentation";
    is_one.then(|| (resources.remove(0), rest))
}

/// What is wrong, if a door gives other objects.
pub fn other_objects(door: &str, expected: &[Value], found: &[Value]) -> Option<String> {
    let text = |objects: &[Value]| format!("{:#}\n", Value::Array(objects.to_vec()));
    let difference = || difference(text(expected).as_bytes(), text(found).as_bytes());
    (expected != found).then(|| format!("{door}: other objects than the filter's\n{}", difference()))
}
