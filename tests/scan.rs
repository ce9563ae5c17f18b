//! The scan against the parser: what the scan passes over holds, when every document is parsed, nothing that
//! would be injected, renewed or removed.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "laws/filter.rs"]
#[allow(dead_code, reason = "shared with other tests, each of which uses a part")]
mod filter;
#[path = "laws/manifests.rs"]
#[allow(dead_code, reason = "shared with other tests, each of which uses a part")]
mod manifests;

use prelit::render::report::{Row, State};
use prelit::render::{Action, Options, Rendered, Run, Source, Survey};
use proptest::prelude::*;
use rayon::prelude::*;

fn rendered(name: &str, bytes: &[u8], action: Action, configuration: Option<&str>, thorough: bool) -> Option<Rendered> {
    let options = Options { thorough, ..filter::options(action) };
    let source = |name, bytes, lenient| Source { name, bytes, lenient, left_alone: None };
    let configs: Vec<_> = configuration.iter().map(|text| source("config.yaml", text.as_bytes(), false)).collect();
    let stream = source(name, bytes, true);
    let survey = Survey::of(&stream, &options).ok()?;
    Run::new(options, &configs, vec![survey]).ok()?.render(&stream).ok()
}

/// What a run does, without what it only says.
fn deeds(rendered: &Rendered) -> Vec<&Row> {
    rendered.report.rows.iter().filter(|row| row.state != State::Skipped || row.selected_by.is_some()).collect()
}

fn scan_agrees(name: &str, bytes: &[u8]) {
    for (action, configuration) in
        [(Action::Inject, None), (Action::Inject, Some(filter::EVERYTHING)), (Action::Remove, None)]
    {
        let scanned = rendered(name, bytes, action, configuration, false);
        let parsed = rendered(name, bytes, action, configuration, true);
        // Where everything is parsed there may be more that cannot be.
        let (Some(scanned), Some(parsed)) = (scanned, parsed) else { continue };
        let text = String::from_utf8_lossy(bytes);
        assert_eq!(scanned.splices, parsed.splices, "the scan passed over something in {name}\n{text}");
        assert_eq!(deeds(&scanned), deeds(&parsed), "the scan passed over something in {name}\n{text}");
    }
}

/// Ways to write the kind of an object, all of which a parser reads as the same.
fn kind_written(kind: &str, way: usize) -> String {
    let (head, tail) = kind.split_at(3);
    match way {
        0 => format!("kind: {kind} # so"),
        1 => format!("\"kind\": \"{kind}\""),
        2 => format!("'kind': '{kind}'"),
        3 => format!("kind: \"{head}\\x{:02x}{}\"", tail.as_bytes()[0], &tail[1..]),
        4 => format!("kind: \"{head}\\u{:04x}{}\"", tail.as_bytes()[0], &tail[1..]),
        5 => format!("kind: \"{head}\\\n  {tail}\""),
        6 => format!("kind: >-\n  {kind}"),
        7 => format!("kind: !!str {kind}"),
        8 => format!("kind:\n  {kind}"),
        9 => format!("? kind\n: {kind}"),
        10 => format!("x-kind: &kind {kind}\nkind: *kind"),
        11 => format!("x-kind: &kind {{kind: {kind}}}\n<<: *kind"),
        12 => format!("kind:   {kind}   "),
        13 => format!("kind: Service\n<<: {{kind: {kind}}}"),
        14 => format!("\"ki\\x6ed\": {kind}"),
        15 => format!("text: |\n  kind: Service\nkind: {kind}"),
        16 => format!("kind : {kind}"),
        17 => format!("kind:\t{kind}"),
        18 => format!("!!str kind: {kind}"),
        19 => format!("&k kind: {kind}"),
        _ => format!("kind: {kind}"),
    }
}

proptest! {
    // What is found becomes a test with a name.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_scan_sees_every_workload(choices in prop::collection::vec(any::<u8>(), 0..200), way in 0usize..21) {
        let made = manifests::stream(&choices).text;
        let mut text = String::new();
        for line in made.split_inclusive('\n') {
            match line.strip_prefix("kind: ") {
                Some(kind) if kind.trim_end().len() > 3 => {
                    text.push_str(&kind_written(kind.trim_end(), way));
                    text.push('\n');
                }
                _ => text.push_str(line),
            }
        }
        scan_agrees("made.yaml", text.as_bytes());
    }

    #[test]
    fn the_scan_sees_every_label(way in 0usize..8, kind in prop_oneof![Just("Pod"), Just("Job"), Just("Service")]) {
        let label = match way {
            0 => "openlit.io/instrument: \"true\"",
            1 => "\"openlit.io\\/instrument\": \"true\"",
            2 => "\"openlit\\x2eio/instrument\": \"true\"",
            3 => "\"openlit\\u002eio/instrument\": \"true\"",
            4 => "\"openlit\\U0000002eio/instrument\": \"true\"",
            5 => "? \"open\\\n          lit.io/instrument\"\n        : \"true\"",
            6 => "!!binary b3BlbmxpdC5pby9pbnN0cnVtZW50: \"true\"",
            _ => "? >-\n          openlit.io/instrument\n        : \"true\"",
        };
        let version = if kind == "Job" { "batch/v1" } else { "v1" };
        let spec = "spec:\n  containers:\n  - {name: app, image: python:3.11-slim}\n";
        let pod = format!("metadata:\n  labels:\n        {label}\n{spec}");
        let text = if kind == "Job" {
            let template: String = pod.lines().flat_map(|line| ["    ", line, "\n"]).collect();
            format!("apiVersion: {version}\nkind: {kind}\nspec:\n  template:\n{template}")
        } else {
            format!("apiVersion: {version}\nkind: {kind}\n{pod}")
        };
        scan_agrees("labelled.yaml", text.as_bytes());
        if kind == "Pod" {
            let found = rendered("labelled.yaml", text.as_bytes(), Action::Inject, None, false);
            let found = found.map(|rendered| deeds(&rendered).len());
            // An explicit key over two lines is a key like any other; only an edit of it would be refused.
            prop_assert_eq!(found, Some(1), "{}", text);
        }
    }
}

#[test]
fn the_scan_sees_every_workload_of_the_corpus() {
    const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus");
    let mut folders = vec![std::path::PathBuf::from(CORPUS)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() { folders.push(entry.path()) } else { files.push(entry.path()) }
        }
    }
    if files.is_empty() {
        println!("SKIPPED: there is no folder {CORPUS}");
        return;
    }
    files.par_iter().for_each(|path| {
        let bytes = std::fs::read(path).expect("a readable file");
        scan_agrees(&path.to_string_lossy(), &bytes);
    });
    println!("{} files", files.len());
}
