//! Everything that comes from an Application or its repository is written by somebody who may commit, and no more. Each
//! of these must end in an error of Prelit or of Argo CD, with nothing read outside the checkout and nothing run.

use super::Test;
use super::client::Answer;
use super::repository::{ArgoCd, REPOSITORY, announced, through};
use super::sources::repository;
use crate::place::{Place, Run};
use serde_json::{Value, json};
use std::os::unix::fs::symlink;
use std::time::Instant;

pub const TESTS: &[Test] = &[
    ("values_files_that_leave_the_checkout", &["helm3"], values_files_that_leave_the_checkout),
    ("links_that_leave_the_checkout", &["helm3"], links_that_leave_the_checkout),
    ("links_are_refused_by_prelit_itself", &["helm3"], links_are_refused_by_prelit_itself),
    ("helm3::parameters_that_look_like_options", &["helm3"], parameters_that_look_like_options),
    ("helm4::parameters_that_look_like_options", &["helm4"], parameters_that_look_like_options),
    ("kustomization_that_runs_programs", &["kustomize"], kustomization_that_runs_programs),
    ("unknown_names", &[], unknown_names),
    ("parameters_that_are_no_parameters", &[], parameters_that_are_no_parameters),
    ("parameters_of_another_type", &["helm3"], parameters_of_another_type),
    ("parameters_that_are_too_large", &["helm3"], parameters_that_are_too_large),
    ("path_of_the_source", &[], path_of_the_source),
];

/// Stands in a file outside the repository; if it comes out, a path has left.
const OUTSIDE: &str = "model: outside-the-checkout";

/// The error of a request; what it must not show is not in it.
#[track_caller]
fn refused(answer: &Answer, what: &Value) -> String {
    let error = answer.outcome().err().unwrap_or_else(|| panic!("{what}: no error"));
    assert!(!error.contains("outside-the-checkout"), "{what}: {error}");
    assert!(error.len() < 3000, "{what}: {} bytes", error.len());
    assert!(!error.contains("panicked"), "{what}: {error}");
    error.to_owned()
}

fn values_files_that_leave_the_checkout(place: &Place) {
    repository(place);
    place.write("outside.yaml", OUTSIDE);
    let outside = place.path("outside.yaml").display().to_string();
    let up = "../".repeat(12);
    let argo = ArgoCd::start(place);
    for file in [
        // Where the test stands; the server unpacks the repository elsewhere, as deep as this or less.
        "../../outside.yaml".to_owned(),
        format!("{}{outside}", up.trim_end_matches('/')),
        format!("/..{outside}"),
        format!("/{up}{}", &outside[1..]),
        format!("templates/../../..{outside}"),
        format!("file://{outside}"),
        "/proc/self/environ".to_owned(),
        "/dev/stdin".to_owned(),
        "-".to_owned(),
        String::new(),
        "values.yaml\0".to_owned(),
        "values.yaml,/etc/passwd".to_owned(),
        ".".to_owned(),
        "templates".to_owned(),
    ] {
        let parameters = json!({ "values-files": [file] });
        refused(&argo.render("chart", &parameters), &parameters);
        // To ignore what is missing is not to ignore what is forbidden.
        let parameters = json!({ "values-files": [file], "ignore-missing-values-files": "true" });
        let text = argo.outcome("chart", &parameters);
        assert!(!text.contains("outside-the-checkout"), "{parameters}: {text}");
    }
}

/// repo-server refuses a repository with such a link. The plugin server takes an absolute one for a path in the
/// checkout, and refuses others.
fn links_that_leave_the_checkout(place: &Place) {
    repository(place);
    place.write("outside.yaml", OUTSIDE);
    symlink(place.path("outside.yaml"), place.path(format!("{REPOSITORY}/chart/link.yaml"))).unwrap();
    let argo = ArgoCd::start(place);
    let parameters = json!({ "values-files": ["link.yaml"] });
    let error = refused(&argo.render("chart", &parameters), &parameters);
    assert!(error.contains("out-of-bounds symlinks"), "{error}");
    let environment = vec![format!("ARGOCD_APP_PARAMETERS={}", announced(&parameters)), "ARGOCD_APP_NAME=a".to_owned()];
    let error = refused(&argo.call("generate", "chart", &environment), &parameters);
    assert!(error.contains("link.yaml: there is no such file"), "{error}");
    symlink("../../outside.yaml", place.path(format!("{REPOSITORY}/chart/second.yaml"))).unwrap();
    let error = refused(&argo.call("generate", "chart", &environment), &parameters);
    assert!(error.contains("path escapes"), "{error}");
}

/// Should they let one through.
fn links_are_refused_by_prelit_itself(place: &Place) {
    repository(place);
    place.write("outside.yaml", OUTSIDE);
    place.write("outside/a.yaml", OUTSIDE);
    let chart = place.path(format!("{REPOSITORY}/chart"));
    symlink(place.path("outside.yaml"), chart.join("link.yaml")).unwrap();
    symlink("link.yaml", chart.join("second.yaml")).unwrap();
    symlink("../../outside", chart.join("folder")).unwrap();
    symlink(place.path("outside.yaml"), place.path(format!("{REPOSITORY}/folder/link.yaml"))).unwrap();
    let generate = |folder: &str, parameters: &Value| {
        let mut command = place.command("prelit");
        command.args(["cmp", "generate"]).current_dir(place.path(REPOSITORY).join(folder));
        command.env("ARGOCD_APP_NAME", "a").env("ARGOCD_APP_SOURCE_PATH", folder);
        command.env("ARGOCD_APP_PARAMETERS", announced(parameters).to_string());
        Run::of(&mut command, "").exited(1)
    };
    for file in ["link.yaml", "second.yaml", "folder/a.yaml"] {
        let run = generate("chart", &json!({ "values-files": [file] }));
        assert!(run.stdout.is_empty() && !run.stderr.contains("outside-the-checkout"), "{run}");
    }
    generate("folder", &json!({}));
}

/// A program that must not be run: it leaves a trace.
fn evil(place: &Place) -> String {
    place.script("evil", &format!("#!/bin/sh\ntouch '{}'\ncat\n", place.path("was-run").display()));
    place.path("../bin/evil").display().to_string()
}

fn parameters_that_look_like_options(place: &Place) {
    repository(place);
    let evil = evil(place);
    place.write("outside.yaml", OUTSIDE);
    let option = format!("--post-renderer={evil}");
    let file = format!("--set-file=model={}", place.path("outside.yaml").display());
    let argo = ArgoCd::start(place);
    for parameters in [
        json!({ "values-files": [option] }),
        json!({ "values-files": ["--post-renderer", evil] }),
        json!({ "values-files": [file] }),
        json!({ "release-name": option }),
        json!({ "release-name": "--generate-name" }),
        json!({ "release-name": "../../a" }),
        json!({ "release-name": "a b" }),
        json!({ "values": option }),
        json!({ "endpoint": option }),
        json!({ "endpoint": "--config=/etc/passwd" }),
        json!({ "environment": "--diff\n--config" }),
        json!({ "version": "--force" }),
        json!({ "provider": "--help" }),
        json!({ "settings": { "--config": "/etc/passwd" } }),
        json!({ "settings": { "OPENLIT_OTLP_ENDPOINT": "--help" } }),
        json!({ "skip-crds": option }),
        json!({ "strict": "--help" }),
    ] {
        refused(&argo.render("chart", &parameters), &parameters);
    }
    // A map of values may have any names; they are values, and no options.
    for parameters in [
        json!({ "helm-parameters": { option.clone(): "a" } }),
        json!({ "helm-parameters": { "a": option.clone() } }),
        json!({ "helm-parameters": { file.clone(): "a" } }),
        json!({ "helm-parameters": { "model": format!("x,{file}") } }),
        json!({ "helm-parameters": { "model": "--post-renderer", "z": evil } }),
    ] {
        let text = argo.outcome("chart", &parameters);
        assert!(!text.contains("outside-the-checkout"), "{parameters}: {text}");
    }
    let folder = json!({ "include": option.clone(), "exclude": "--", "recurse": "true" });
    assert!(!argo.outcome("folder", &folder).contains("outside-the-checkout"));
    assert!(!place.path("was-run").exists(), "the program was run");
}

/// kustomize runs programs only where it is told to.
fn kustomization_that_runs_programs(place: &Place) {
    repository(place);
    let evil = evil(place);
    place.write("outside.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: outside-the-checkout}\n");
    let function = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  annotations:\n    config.kubernetes.io/function: |\n      \
         exec: {{path: {evil}}}\n"
    );
    let kustomizations = [
        ("function", format!("transformers: [function.yaml]\nresources: [chat.yaml] # {function:?}")),
        ("helm", "helmCharts: [{name: chat, releaseName: a}]\nhelmGlobals: {chartHome: ..}\n".to_owned()),
        ("outside", format!("resources: ['{}']\n", place.path("outside.yaml").display())),
        (
            "up",
            format!("resources: ['{}{}']\n", "../".repeat(12), &place.path("outside.yaml").display().to_string()[1..]),
        ),
        ("file", format!("configMapGenerator: [{{name: a, files: ['{}']}}]\n", place.path("outside.yaml").display())),
    ];
    for (name, text) in &kustomizations {
        place.write(format!("{REPOSITORY}/{name}/kustomization.yaml"), text);
        place.write(format!("{REPOSITORY}/{name}/function.yaml"), &function);
        place.copy("docs/examples/chat.yaml", format!("{REPOSITORY}/{name}/chat.yaml"));
    }
    let argo = ArgoCd::start(place);
    for (name, text) in &kustomizations {
        refused(&argo.render(name, &json!({})), &json!(text));
    }
    // Nor does the environment of an Application reach it: Argo CD puts its prefix before each name.
    let mut application = through("prelit", "kustomize/production", &json!({}));
    application["spec"]["source"]["plugin"]["env"] =
        json!([{ "name": "PATH", "value": "/nowhere" }, { "name": "KUSTOMIZE_PLUGIN_HOME", "value": "/nowhere" }]);
    argo.ask(&application).texts();
    assert!(!place.path("was-run").exists(), "the program was run");
}

fn unknown_names(place: &Place) {
    repository(place);
    let argo = ArgoCd::start(place);
    for (parameters, word) in [
        (json!({ "settings": { "OPENLIT_NO_SUCH_SETTING": "1" } }), "OPENLIT_NO_SUCH_SETTING"),
        (json!({ "settings": { "PATH": "/bin" } }), "PATH"),
        (json!({ "endpiont": "http://a:4318" }), "endpiont"),
        (json!({ "Endpoint": "http://a:4318" }), "Endpoint"),
    ] {
        let error = refused(&argo.render("folder", &parameters), &parameters);
        assert!(error.contains(word), "{error}");
    }
    let mut application = through("prelit", "folder", &json!({}));
    application["spec"]["source"]["plugin"]["env"] = json!([{ "name": "OPENLIT_NO_SUCH_SETTING", "value": "1" }]);
    let error = refused(&argo.ask(&application), &application);
    assert!(error.contains("OPENLIT_NO_SUCH_SETTING"), "{error}");
}

/// What an Application cannot say, but another client of the socket can.
fn parameters_that_are_no_parameters(place: &Place) {
    repository(place);
    let argo = ArgoCd::start(place);
    let generate = |text: &str| {
        let environment = [format!("ARGOCD_APP_PARAMETERS={text}"), "ARGOCD_APP_NAME=a".to_owned()];
        argo.call("generate", "folder", &environment)
    };
    for text in [
        "not JSON",
        "[",
        "{}",
        "1",
        "\"a\"",
        "[1]",
        "[null]",
        "[[]]",
        "[{}]",
        "[{\"string\": \"a\"}]",
        "[{\"name\": \"endpoint\"}]",
        "[{\"name\": \"endpoint\", \"value\": \"http://a:1\"}]",
        "[{\"name\": 1, \"string\": \"a\"}]",
        "[{\"name\": \"endpoint\", \"string\": 1}]",
        "[] []",
        "[{\"name\": \"endpoint\", \"string\": \"http://a:1\"}, {\"name\": \"endpoint\", \"string\": \"http://b:1\"}]",
        "[{\"name\": \"endpoint\", \"string\": \"\\ud800\"}]",
    ] {
        refused(&generate(text), &json!(text));
    }
    let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    refused(&generate(&deep), &json!("deep"));
    // An Application without parameters: `null` is how Go writes an empty list. One that is cleared in the user
    // interface has an empty value.
    for text in ["", "null", "[]", "[{\"name\": \"endpoint\", \"string\": \"\"}]"] {
        assert_eq!(generate(text).texts().len(), 2, "{text}");
    }
    assert_eq!(argo.call("generate", "folder", &[]).texts().len(), 2, "no variable at all");
}

fn parameters_of_another_type(place: &Place) {
    repository(place);
    let argo = ArgoCd::start(place);
    for (folder, parameters) in [
        ("folder", json!({ "endpoint": ["http://a:4318"] })),
        ("folder", json!({ "endpoint": { "a": "http://a:4318" } })),
        ("folder", json!({ "settings": "OPENLIT_DETECTION=strict" })),
        ("folder", json!({ "settings": ["OPENLIT_DETECTION=strict"] })),
        ("folder", json!({ "recurse": "yes" })),
        ("folder", json!({ "strict": "True" })),
        ("folder", json!({ "include": ["*.yaml"] })),
        ("chart", json!({ "values-files": "values.yaml" })),
        ("chart", json!({ "values-files": { "a": "values.yaml" } })),
        ("chart", json!({ "values": ["a: b"] })),
        ("chart", json!({ "helm-parameters": "a=b" })),
        ("chart", json!({ "skip-crds": "1" })),
    ] {
        let name = parameters.as_object().unwrap().keys().next().unwrap().clone();
        let error = refused(&argo.render(folder, &parameters), &parameters);
        assert!(error.contains(&name), "{parameters}: {error}");
    }
    for text in ["[a, b]", "a: [", "a"] {
        let parameters = json!({ "values": text });
        let error = refused(&argo.render("chart", &parameters), &parameters);
        assert!(error.contains("parameter \"values\""), "{error}");
    }
}

/// Linux refuses a variable of more than 128 KiB; below that Prelit has limits of its own.
fn parameters_that_are_too_large(place: &Place) {
    repository(place);
    let argo = ArgoCd::start(place);
    let large = json!({ "environment": "a".repeat(200_000) });
    let error = refused(&argo.render("folder", &large), &json!("200 kB"));
    assert!(error.contains("argument list too long"), "{error}");
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
                d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n\
                g: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\nh: &h [*g,*g,*g,*g,*g,*g,*g,*g,*g]\ni: [*h,*h,*h,*h,*h,*h,*h,*h,*h]\n";
    for parameters in [
        json!({ "values": bomb }),
        json!({ "values": format!("a: {}{}", "[".repeat(40_000), "]".repeat(40_000)) }),
        json!({ "release-name": "a".repeat(1_000) }),
    ] {
        refused(&in_time(&argo, "chart", &parameters), &parameters);
    }
    for (folder, parameters) in [
        ("folder", json!({ "environment": "a".repeat(100_000) })),
        ("folder", json!({ "include": format!("{}b", "*a".repeat(10_000)) })),
        ("folder", json!({ "include": "{a,b}".repeat(2_000) })),
        ("folder", json!({ "exclude": "{".repeat(10_000) })),
        ("chart", json!({ "values-files": vec!["values.yaml"; 5_000] })),
        ("chart", json!({ "values": format!("a: {}", "b".repeat(100_000)) })),
    ] {
        in_time(&argo, folder, &parameters);
    }
}

/// An answer, of whatever kind, that does not keep Argo CD waiting.
#[track_caller]
fn in_time(argo: &ArgoCd, folder: &str, parameters: &Value) -> Answer {
    let start = Instant::now();
    let answer = argo.render(folder, parameters);
    let name = parameters.as_object().unwrap().keys().next().unwrap();
    assert!(start.elapsed().as_secs() < 20, "{name}: {:?}", start.elapsed());
    assert!(!format!("{answer:?}").contains("panicked"), "{name}");
    answer
}

/// Argo CD itself refuses these.
fn path_of_the_source(place: &Place) {
    repository(place);
    let argo = ArgoCd::start(place);
    for path in ["../..", "/etc", "folder/../..", "missing", "folder/chat.yaml"] {
        refused(&argo.render(path, &json!({})), &json!(path));
    }
}
