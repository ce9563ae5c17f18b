//! A folder of `testdata/functions/`: a `ResourceList` in, and what must come out.

use crate::support::command::prelit;
use crate::support::expect::{Expectation, Outcome};
use crate::support::folder::{Folder, settle};
use crate::support::{laws, manifest};
use serde_json::Value;
use std::path::Path;

/// Runs a folder; an empty list is a pass.
pub fn of(path: &Path, bless: bool) -> Vec<String> {
    let folder = match Folder::read(path, bless) {
        Ok(folder) => folder,
        Err(complaint) => return vec![complaint],
    };
    let input = folder.bytes().expect("a function's input is a file");
    let run = prelit(path, &["fn"], &folder.options, &[], Some(&input));
    let code = format!("{}\n", run.code);
    let stderr = run.stderr();
    let mut complaints = Vec::new();
    for (name, actual) in [
        (folder.output(), (!run.stdout.is_empty()).then_some(&run.stdout[..])),
        ("stderr.txt", Some(stderr.as_bytes())),
        ("exit", (run.code != 0).then_some(code.as_bytes())),
    ] {
        complaints.extend(settle(path, name, actual, bless).err());
    }
    if folder.expectations.iter().any(Expectation::is_of_a_report) {
        complaints
            .push("expect.txt: reason, note, exit check and remove-equivalent say nothing of a function".to_owned());
    }
    let outcome = Outcome { input: Some(&input), inject: &run, report: &Value::Null };
    complaints.extend(folder.expectations.iter().filter_map(|expectation| expectation.check(&outcome)));
    if run.code == 0 && folder.laws {
        complaints.extend(broken(&folder, &input, &run.stdout));
    }
    complaints
}

/// The laws that a folder breaks.
fn broken(folder: &Folder, input: &[u8], output: &[u8]) -> Vec<String> {
    let mut complaints = Vec::new();
    complaints.extend(laws::edits_are_insertions(folder, output));
    let run = |verb: &[&str]| prelit(&folder.path, verb, &folder.options, &[], Some(output));
    let again = run(&["fn"]);
    if again.code != 0 || again.stdout != output {
        complaints.push(format!("law: the function twice = once: exit {}\n{}", again.code, again.stderr()));
    }
    let removed = run(&["fn", "--remove"]);
    if items(&removed.stdout) != items(input) {
        complaints.push(format!("law: --remove gives the items back: exit {}\n{}", removed.code, removed.stderr()));
    }
    complaints
}

/// The items of a list.
pub fn items(list: &[u8]) -> Option<Vec<Value>> {
    Some(manifest::documents(list).first()?.get("items")?.as_array()?.clone())
}
