//! kpt with Prelit as its function, in place, in a pipeline, in a pipe and as a validator. What kpt writes differently by
//! itself is known from the same run with `cat` as the function; all else of the files must be as it was.

use super::place::Place;
use super::shell::settle;
use super::tools::Tools;
use libtest_mimic::Trial;

type Test = fn(&Place);

const TESTS: &[(&str, Test)] = &[
    ("eval_in_place", eval_in_place),
    ("eval_with_settings", eval_with_settings),
    ("comments_that_kpt_doubles", comments_that_kpt_doubles),
    ("render", render),
    ("render_needs_allow_exec", render_needs_allow_exec),
    ("source_and_sink", source_and_sink),
    ("validator_passes", validator_passes),
    ("validator_fails", validator_fails),
    ("validator_sees_an_edit", validator_sees_an_edit),
    ("bad_configuration", bad_configuration),
    ("program_missing", program_missing),
];

/// Every test.
pub fn trials(tools: &Tools) -> Vec<Trial> {
    let trial = |(name, test): &(&str, Test)| {
        let test = *test;
        tools.trial(&format!("kpt::{name}"), &["kpt"], move |place| {
            place.copy(PACKAGE, "shop");
            test(place);
        })
    };
    TESTS.iter().map(trial).collect()
}

const PACKAGE: &str = "testdata/pipelines/kpt-package/input";
const FILES: [&str; 4] = ["Kptfile", "agent.yaml", "chat.yaml", "openlit.yaml"];
const EVAL: &str = "kpt fn eval shop --truncate-output=false --exec";

/// The package as kpt itself leaves it.
fn as_kpt_leaves_it(place: &Place) {
    place.copy(PACKAGE, "kpt");
    place.out("kpt fn eval kpt --exec cat");
}

/// Every file is as the identity function leaves it, but for what Prelit injected.
#[track_caller]
fn only_the_injection_is_new(place: &Place, folder: &str) {
    as_kpt_leaves_it(place);
    for file in FILES {
        let removed = place.out(&format!("prelit remove < {folder}/{file}"));
        assert_eq!(removed, place.read(format!("kpt/{file}")), "{folder}/{file}");
    }
}

/// The files are those that went in.
#[track_caller]
fn nothing_was_written(place: &Place) {
    place.copy(PACKAGE, "before");
    place.line("diff -r before shop").succeeded();
}

fn eval_in_place(place: &Place) {
    place.line(&format!("{EVAL} 'prelit fn' --fn-config shop/openlit.yaml")).succeeded();
    assert!(place.read("shop/chat.yaml").contains("openlit.io/injection"));
    only_the_injection_is_new(place, "shop");
    // As in the file itself: the function says what the filter says.
    for file in FILES {
        let filtered = place.out(&format!("prelit inject --quiet --config kpt/openlit.yaml < kpt/{file}"));
        assert_eq!(place.read(format!("shop/{file}")), filtered, "{file}");
    }
    // A second run changes nothing.
    place.out("cp -r shop once");
    place.line(&format!("{EVAL} 'prelit fn' --fn-config shop/openlit.yaml")).succeeded();
    place.line("diff -r once shop").succeeded();
    place.line("prelit check --config shop/openlit.yaml shop").succeeded();
}

fn eval_with_settings(place: &Place) {
    place.line(&format!("{EVAL} 'prelit fn' -- OPENLIT_DEFAULT_ENVIRONMENT=staging")).succeeded();
    assert!(place.read("shop/agent.yaml").contains("deployment.environment=staging"));
    only_the_injection_is_new(place, "shop");
}

/// kpt copies the comments of what went in to what stands at the same place of a list in what came out. So a comment above
/// the first variable is found above ours too. What Prelit itself writes has it once.
fn comments_that_kpt_doubles(place: &Place) {
    let comment = "# Where the application is.";
    place.change("shop/chat.yaml", "        env:\n", &format!("        env:\n        {comment}\n"));
    let function = "prelit fn --quiet --config shop/openlit.yaml";
    let written = place.out(&format!("kpt fn source shop | {function}"));
    assert_eq!(written.matches(comment).count(), 1, "{written}");
    place.line(&format!("{EVAL} 'prelit fn' --fn-config shop/openlit.yaml")).succeeded();
    assert_eq!(place.read("shop/chat.yaml").matches(comment).count(), 2, "kpt has learnt to copy it once");
    place.line("prelit check --config shop/openlit.yaml shop").succeeded();
}

/// The Kptfile's pipeline: a resource, then settings, then the validator.
fn render(place: &Place) {
    place.line("kpt fn render shop --allow-exec --truncate-output=false").succeeded();
    only_the_injection_is_new(place, "shop");
    for file in ["agent.yaml", "chat.yaml"] {
        settle(&format!("testdata/pipelines/kpt-package/output/{file}"), &place.read(format!("shop/{file}")));
    }
    for file in ["Kptfile", "openlit.yaml"] {
        assert_eq!(place.read(format!("shop/{file}")), place.read(format!("kpt/{file}")), "{file}");
    }
}

fn render_needs_allow_exec(place: &Place) {
    let render = place.line("kpt fn render shop");
    assert_ne!(render.code, 0, "{render}");
    render.says(&["must run with `--allow-exec`"]);
    nothing_was_written(place);
}

fn source_and_sink(place: &Place) {
    place.out("kpt fn source shop | prelit fn --config shop/openlit.yaml | kpt fn sink injected");
    place.out("kpt fn source shop | kpt fn sink identical");
    for file in FILES {
        let removed = place.out(&format!("prelit remove < injected/{file}"));
        assert_eq!(removed, place.read(format!("identical/{file}")), "{file}");
    }
    place.out("prelit check --config shop/openlit.yaml injected");
    // Of a function that fails nothing comes out, and `sink` makes no package of nothing.
    let failed = place.line("kpt fn source shop | prelit fn --set NO=1 | kpt fn sink never");
    assert_ne!(failed.code, 0, "{failed}");
    assert!(!place.path("never/chat.yaml").exists());
}

fn validator_passes(place: &Place) {
    place.line(&format!("{EVAL} 'prelit fn' --fn-config shop/openlit.yaml")).succeeded();
    place.out("cp -r shop injected");
    let check = "'prelit fn --check' --fn-config shop/openlit.yaml --type validator --results-dir results";
    place.line(&format!("{EVAL} {check}")).succeeded();
    place.line("diff -r injected shop").succeeded();
}

/// Nothing was injected yet.
fn validator_fails(place: &Place) {
    let check = "'prelit fn --check' --fn-config shop/openlit.yaml --results-dir results";
    let failed = place.line(&format!("{EVAL} {check}"));
    assert_ne!(failed.code, 0, "{failed}");
    nothing_was_written(place);
    let results = place.read("results/results.yaml");
    for word in ["severity: error", "kind: Deployment", "name: chat", "path: chat.yaml", "not-injected"] {
        assert!(results.contains(word), "{word}\n{results}");
    }
    failed.says(&["[FAIL]", "chat.yaml", "Deployment/chat", "not-injected"]);
}

fn validator_sees_an_edit(place: &Place) {
    place.line(&format!("{EVAL} 'prelit fn' --fn-config shop/openlit.yaml")).succeeded();
    place.change("shop/chat.yaml", "/usr/local/bin/setup-instrumentation.py", "/tmp/other.py");
    let failed = place.line("kpt fn render shop --allow-exec --truncate-output=false --results-dir results");
    assert_ne!(failed.code, 0, "{failed}");
    failed.says(&["edited"]);
    assert!(place.read("results/results.yaml").contains("edited"));
}

fn bad_configuration(place: &Place) {
    let mistakes = [
        ("openlit.yaml", "endpoint:", "endpiont:", "did you mean endpoint?"),
        ("openlit.yaml", "kind: AutoInstrumentation", "kind: Deployment", "Deployment"),
        ("Kptfile", "OPENLIT_OTLP_ENDPOINT", "OPENLIT_OTLP_ENDPONT", "did you mean OPENLIT_OTLP_ENDPOINT?"),
        ("Kptfile", "VERSION: 1.0.0", "VERSION: main", "OPENLIT_DEFAULT_VERSION: found"),
        ("Kptfile", "exec: prelit fn\n", "exec: prelit fn --wrong\n", "--wrong"),
    ];
    for (file, old, new, message) in mistakes {
        place.copy(PACKAGE, "shop");
        place.change(&format!("shop/{file}"), old, new);
        place.out("rm -rf before && cp -r shop before");
        let render = place.line("kpt fn render shop --allow-exec --truncate-output=false");
        assert_ne!(render.code, 0, "{render}");
        render.says(&["[FAIL]", message]);
        place.line("diff -r before shop").succeeded();
    }
}

fn program_missing(place: &Place) {
    place.unlink("prelit");
    let eval = place.line(&format!("{EVAL} 'prelit fn' --fn-config shop/openlit.yaml"));
    assert_ne!(eval.code, 0, "{eval}");
    eval.says(&["executable file not found"]);
    nothing_was_written(place);
}
