//! What is wrong with a golden folder.

use super::expect::{Expectation, Outcome};
use super::folder::{Folder, settle};
use super::laws;
use serde_json::Value;
use std::path::Path;

/// Runs a folder; an empty list is a pass.
pub fn of(path: &Path, bless: bool) -> Vec<String> {
    let folder = match Folder::read(path, bless) {
        Ok(folder) => folder,
        Err(complaint) => return vec![complaint],
    };
    let inject = folder.over_input(&["inject"]);
    let failed = inject.code != 0;
    let explain = folder.over_input(&["explain", "--format", "text"]);
    let json = folder.over_input(&["explain", "--format", "json"]);
    let report = serde_json::from_slice(&json.stdout).unwrap_or(Value::Null);

    let mut complaints = Vec::new();
    let bytes = folder.bytes();
    let outcome = Outcome { input: bytes.as_deref(), inject: &inject, report: &report };
    complaints.extend(folder.expectations.iter().filter_map(|expectation| expectation.check(&outcome)));
    if failed && !folder.expectations.iter().any(|line| matches!(line, Expectation::Exit(_))) {
        complaints.push(format!("exit {}\n{}", inject.code, inject.stderr()));
    }

    let written = !failed || !inject.stdout.is_empty();
    let code = format!("{}\n", inject.code);
    let stderr = inject.stderr();
    for (name, actual) in [
        (folder.output(), written.then_some(&inject.stdout[..])),
        ("explain.txt", (explain.code == 0).then_some(&explain.stdout[..])),
        ("stderr.txt", failed.then_some(stderr.as_bytes())),
        ("exit", failed.then_some(code.as_bytes())),
    ] {
        complaints.extend(settle(path, name, actual, bless).err());
    }

    if folder.laws && !failed {
        complaints.extend(laws::broken(&folder, &inject.stdout, &report));
    }
    complaints
}
