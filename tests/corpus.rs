//! The laws over real manifests, written by others. They are kept beside the checkout, since they are not
//! ours; without them the test says so and passes.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "laws/filter.rs"]
#[allow(dead_code, reason = "shared with other tests, each of which uses a part")]
mod filter;
#[path = "laws/manifests.rs"]
#[allow(dead_code, reason = "shared with other tests, each of which uses a part")]
mod manifests;

use filter::{EVERYTHING, Subject};
use prelit::render::report::{Report, State};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus");

/// All files of a folder that could be manifests, in order.
fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml" || ending == "json") {
            into.push(path);
        }
    }
}

/// What became of a file.
struct Outcome {
    report: Report,
    changed: bool,
    /// Whether removal gave the bytes back, and not only the meaning.
    bytes_came_back: bool,
}

#[test]
fn real_manifests_keep_the_laws() {
    let mut paths = Vec::new();
    files(Path::new(CORPUS), &mut paths);
    if paths.is_empty() {
        println!("SKIPPED: there is no folder {CORPUS}");
        return;
    }
    let outcomes: Vec<Option<Outcome>> = paths
        .par_iter()
        .map(|path| {
            let bytes = std::fs::read(path).expect("a readable file");
            let subject = Subject {
                name: &path.to_string_lossy(),
                bytes: &bytes,
                has_flow: bytes.contains(&b'{') || bytes.contains(&b'['),
                configuration: Some(EVERYTHING),
                lenient: true,
            };
            let rendered = filter::holds(&subject)?;
            let once = filter::apply(&bytes, &rendered);
            let bytes_came_back = filter::removed(&subject, &once) == bytes;
            Some(Outcome { changed: !rendered.splices.is_empty(), report: rendered.report, bytes_came_back })
        })
        .collect();

    let mut states: BTreeMap<(State, &str), usize> = BTreeMap::new();
    let mut remarks: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut documents, mut templates, mut changed, mut only_meaning, mut refused) = (0, 0, 0, 0, Vec::new());
    for (path, outcome) in paths.iter().zip(&outcomes) {
        let Some(Outcome { report, changed: has_changed, bytes_came_back }) = outcome else {
            refused.push(path.display().to_string());
            continue;
        };
        documents += report.counts.documents;
        templates += report.counts.templates;
        changed += usize::from(*has_changed);
        only_meaning += usize::from(!bytes_came_back);
        for row in &report.rows {
            *states.entry((row.state, row.reason.map_or("", |reason| reason.code()))).or_default() += 1;
        }
        for remark in &report.remarks {
            *remarks.entry(remark.reason.code()).or_default() += 1;
        }
    }
    println!("{} files, {documents} documents, {templates} pod templates", paths.len());
    println!("{changed} files injected; in {only_meaning} of them only the meaning came back, not the bytes");
    for ((state, reason), count) in states {
        println!("{count:6} containers {state:?} {reason}");
    }
    for (reason, count) in remarks {
        println!("{count:6} remarks {reason}");
    }
    assert!(refused.is_empty(), "a run that passes over what it cannot parse has no errors: {refused:#?}");
    assert!(changed > 0, "a configuration that selects everything injects something");
}
