//! What goes wrong, and what Argo CD shows of it: an error that is short, says what and where, and holds no secret; never
//! a part of the manifests, since Argo CD would prune the rest.

use super::Test;
use super::plugin;
use super::repository::{ArgoCd, REPOSITORY, through};
use super::sources::repository;
use crate::place::Place;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

pub const TESTS: &[Test] = &[
    ("document_that_does_not_parse", &[], document_that_does_not_parse),
    ("kustomize_fails", &["kustomize"], kustomize_fails),
    ("kustomize_fails_half_way", &[], kustomize_fails_half_way),
    ("helm3::helm_fails", &["helm3"], helm_fails),
    ("helm4::helm_fails", &["helm4"], helm_fails),
    ("renderer_is_missing", &[], renderer_is_missing),
    ("empty_result", &["helm3"], empty_result),
    ("empty_result_of_kustomize", &[], empty_result_of_kustomize),
    ("source_that_is_not_supported", &[], source_that_is_not_supported),
    ("no_network", &["kustomize", "helm3"], no_network),
    ("argo_cd_waits_no_longer", &[], argo_cd_waits_no_longer),
    ("prelit_waits_no_longer", &[], prelit_waits_no_longer),
    ("renderer_that_does_not_end_on_sigterm", &[], renderer_that_does_not_end_on_sigterm),
    ("renderer_that_says_too_much", &[], renderer_that_says_too_much),
    ("no_secret_is_shown", &[], no_secret_is_shown),
    ("warnings_are_in_the_log", &[], warnings_are_in_the_log),
];

/// What is shown must say all of this, and stay readable.
#[track_caller]
fn fails_saying(argo: &ArgoCd, application: &Value, words: &[&str]) -> String {
    let answer = argo.ask(application);
    let error = answer.error();
    for word in words {
        assert!(error.contains(word), "the error does not say {word:?}: {error}");
    }
    // Argo CD's own words come before: the application, the call, the command.
    let (_, ours) = error.split_once("failed exit status 1: ").unwrap_or_else(|| panic!("not Prelit's: {error}"));
    assert!(ours.len() < 2500, "{} bytes: {error}", ours.len());
    assert!(!ours.contains("_cmp_server"), "names the folder that Argo CD made for this request: {error}");
    ours.to_owned()
}

fn document_that_does_not_parse(place: &Place) {
    repository(place);
    place.write(format!("{REPOSITORY}/folder/z.yaml"), "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: [}\n");
    place.write(format!("{REPOSITORY}/json/z.json"), "{\"apiVersion\": \"v1\",\n \"kind\": ]\n");
    let argo = ArgoCd::start(place);
    fails_saying(&argo, &through("prelit", "folder", &json!({})), &["z.yaml:3:"]);
    fails_saying(&argo, &through("prelit", "json", &json!({})), &["z.json:2:10: "]);
}

fn kustomize_fails(place: &Place) {
    repository(place);
    place.write(format!("{REPOSITORY}/kustomize/production/kustomization.yaml"), "resources: [missing.yaml]\n");
    let argo = ArgoCd::start(place);
    fails_saying(
        &argo,
        &through("prelit", "kustomize/production", &json!({})),
        &["kustomization.yaml:1:13: ", "missing.yaml"],
    );
}

/// A shell would take what is there.
fn kustomize_fails_half_way(place: &Place) {
    repository(place);
    let half = place.read(format!("{REPOSITORY}/folder/chat.yaml"));
    place.write("half.yaml", half);
    let script = format!("#!/bin/sh\ncat '{}'\necho 'out of luck' >&2\nexit 3\n", place.path("half.yaml").display());
    place.script("kustomize", &script);
    let argo = ArgoCd::start(place);
    let application = through("prelit", "kustomize/production", &json!({ "allow-empty": "true" }));
    fails_saying(&argo, &application, &["kustomize", "out of luck", "3"]);
    place.script("kustomize", "#!/bin/sh\nkill -9 $$\n");
    fails_saying(&argo, &application, &["kustomize", "signal"]);
}

fn helm_fails(place: &Place) {
    repository(place);
    place.write(format!("{REPOSITORY}/chart/templates/broken.yaml"), "{{ fail \"there is no model\" }}\n");
    let argo = ArgoCd::start(place);
    fails_saying(&argo, &through("prelit", "chart", &json!({})), &["helm", "broken.yaml", "there is no model"]);
}

fn renderer_is_missing(place: &Place) {
    repository(place);
    let argo = ArgoCd::start(place);
    fails_saying(&argo, &through("prelit", "kustomize/production", &json!({})), &["kustomize", "not found"]);
    fails_saying(&argo, &through("prelit", "chart", &json!({})), &["helm", "not found"]);
}

fn empty_result(place: &Place) {
    repository(place);
    place.write(format!("{REPOSITORY}/nothing/a.yaml"), "# all of it is\n---\n# commented out\n");
    place.write(format!("{REPOSITORY}/off/Chart.yaml"), "apiVersion: v2\nname: off\nversion: 1.0.0\n");
    place.write(format!("{REPOSITORY}/off/templates/a.yaml"), "{{ if .Values.on }}a: b{{ end }}\n");
    let argo = ArgoCd::start(place);
    for folder in ["nothing", "off"] {
        fails_saying(&argo, &through("prelit", folder, &json!({})), &["empty", "allow-empty"]);
        assert_eq!(argo.render(folder, &json!({ "allow-empty": "true" })).texts(), [] as [&str; 0], "{folder}");
    }
    // What is allowed is emptiness, not failure.
    place.write(format!("{REPOSITORY}/off/templates/a.yaml"), "{{ fail \"off\" }}\n");
    drop(argo);
    let argo = ArgoCd::start(place);
    fails_saying(&argo, &through("prelit", "off", &json!({ "allow-empty": "true" })), &["helm"]);
}

fn empty_result_of_kustomize(place: &Place) {
    repository(place);
    place.script("kustomize", "#!/bin/sh\n");
    let argo = ArgoCd::start(place);
    let folder = "kustomize/production";
    fails_saying(&argo, &through("prelit", folder, &json!({})), &["empty", "allow-empty"]);
    assert_eq!(argo.render(folder, &json!({ "allow-empty": "true" })).texts(), [] as [&str; 0]);
}

fn source_that_is_not_supported(place: &Place) {
    repository(place);
    place.write(format!("{REPOSITORY}/jsonnet/a.jsonnet"), "{}\n");
    place.write(format!("{REPOSITORY}/folder/a.jsonnet"), "{}\n");
    place.write(format!("{REPOSITORY}/nothing/README.md"), "no manifests\n");
    let argo = ArgoCd::start(place);
    fails_saying(&argo, &through("prelit", "jsonnet", &json!({})), &["a.jsonnet", "not supported"]);
    fails_saying(&argo, &through("prelit", "folder", &json!({})), &["a.jsonnet", "not supported"]);
    fails_saying(&argo, &through("prelit", "nothing", &json!({})), &[]);
}

/// Nothing is fetched: the addresses are on this machine, where nobody may be asked.
fn no_network(place: &Place) {
    repository(place);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    for (folder, base) in [
        ("https", format!("https://{address}/base.yaml")),
        ("http", format!("http://{address}/base.yaml")),
        ("git", format!("git::http://{address}/base.git")),
        ("ref", format!("http://{address}/base//deploy?ref=main")),
    ] {
        place.write(format!("{REPOSITORY}/{folder}/kustomization.yaml"), format!("resources: ['{base}']\n"));
    }
    let dependency = format!("dependencies: [{{name: redis, version: 1.0.0, repository: 'http://{address}'}}]\n");
    let chart = place.read(format!("{REPOSITORY}/chart/Chart.yaml"));
    place.write(format!("{REPOSITORY}/chart/Chart.yaml"), format!("{chart}{dependency}"));
    let argo = ArgoCd::start(place);
    for folder in ["https", "http", "git", "ref", "chart"] {
        fails_saying(&argo, &through("prelit", folder, &json!({})), &[]);
        assert!(listener.accept().is_err(), "{folder}: somebody was asked");
    }
    let values = json!({ "values-files": [format!("http://{address}/values.yaml")] });
    fails_saying(&argo, &through("prelit", "chart", &values), &[]);
    assert!(listener.accept().is_err(), "values: somebody was asked");
}

/// A renderer that takes a minute.
fn slow_kustomize(place: &Place) {
    place.script("kustomize", "#!/bin/sh\nexec sleep 60\n");
}

/// The processes that render for a place, and what they have started: they can write down nothing, but have an
/// environment like no others.
fn renderers(place: &Place) -> Vec<PathBuf> {
    let place = place.path("").parent().unwrap().to_string_lossy().into_owned();
    let is_of_place = |process: &PathBuf| {
        let environment = fs::read(process.join("environ")).unwrap_or_default();
        let environment = String::from_utf8_lossy(&environment);
        environment.contains("HOME=/nonexistent") && environment.contains(&place)
    };
    fs::read_dir("/proc").unwrap().filter_map(|entry| Some(entry.ok()?.path())).filter(is_of_place).collect()
}

/// They must end, and soon.
#[track_caller]
fn renderer_is_gone(place: &Place, within: Duration) {
    let start = Instant::now();
    while let Some(process) = renderers(place).first() {
        let state = fs::read_to_string(process.join("stat")).unwrap_or_default();
        assert!(start.elapsed() < within, "{} still runs: {state}", process.display());
        sleep(Duration::from_millis(20));
    }
}

fn argo_cd_waits_no_longer(place: &Place) {
    repository(place);
    slow_kustomize(place);
    let argo = ArgoCd::start(place);
    let start = Instant::now();
    let answer = argo.ask_within("2s", &through("prelit", "kustomize/production", &json!({})));
    let waited = start.elapsed();
    assert!(waited < Duration::from_secs(30), "{waited:?}, where kustomize takes a minute");
    let error = answer.error();
    // Go kills the command, Argo CD asks its group to end, and its client waits no longer: whichever comes first.
    let ends = ["signal: killed", "signal: terminated", "DeadlineExceeded"];
    assert!(ends.iter().any(|word| error.contains(word)), "{error}");
    renderer_is_gone(place, Duration::from_secs(15));
}

fn prelit_waits_no_longer(place: &Place) {
    repository(place);
    slow_kustomize(place);
    let argo = ArgoCd::with(place, &plugin::with_arguments(&plugin::yaml(place), "generate", "--timeout, '1'"));
    let start = Instant::now();
    fails_saying(&argo, &through("prelit", "kustomize/production", &json!({})), &["kustomize", "1 s"]);
    let waited = start.elapsed();
    assert!((1..30).contains(&waited.as_secs()), "{waited:?}");
    // Argo CD itself would end it after 5 s.
    renderer_is_gone(place, Duration::from_secs(3));
}

/// Prelit ends it, and Argo CD, 5 s after the answer, what it has started.
fn renderer_that_does_not_end_on_sigterm(place: &Place) {
    repository(place);
    place.script("kustomize", "#!/bin/sh\ntrap '' TERM\nsh -c 'sleep 30; sleep 30' &\nwait\nsleep 30\n");
    let argo = ArgoCd::with(place, &plugin::with_arguments(&plugin::yaml(place), "generate", "--timeout, '1'"));
    let start = Instant::now();
    fails_saying(&argo, &through("prelit", "kustomize/production", &json!({})), &["kustomize", "1 s"]);
    let waited = start.elapsed();
    assert!(waited < Duration::from_secs(10), "{waited:?}");
    assert!(!renderers(place).is_empty(), "what it has started is still there");
    renderer_is_gone(place, Duration::from_secs(15));
}

fn renderer_that_says_too_much(place: &Place) {
    repository(place);
    let script = "#!/bin/sh\nyes 'much too much' | head -c 3000000 >&2\necho 'the end of it' >&2\nexit 1\n";
    place.script("kustomize", script);
    let argo = ArgoCd::start(place);
    fails_saying(&argo, &through("prelit", "kustomize/production", &json!({})), &["kustomize", "much too much"]);
    // Nor is a result that never ends kept in memory.
    place.script("kustomize", "#!/bin/sh\nexec yes 'a: b'\n");
    fails_saying(&argo, &through("prelit", "kustomize/production", &json!({})), &["kustomize"]);
}

fn no_secret_is_shown(place: &Place) {
    const SECRET: &str = "xyzzy-5f2a";
    repository(place);
    // A document that does not parse, and the secret is in it.
    let broken =
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: a}}\nstringData: {{token: {SECRET}, b: [}}\n");
    place.write(format!("{REPOSITORY}/broken/a.yaml"), broken);
    let resource = place.read(format!("{REPOSITORY}/folder/ai.yaml"));
    for (folder, headers) in [("headers", format!("{{authorization: [{SECRET}]}}")), ("pairs", format!("'a {SECRET}'"))]
    {
        let otlp = format!("  otlp:\n    headers: {headers}\n");
        place.write(format!("{REPOSITORY}/{folder}/ai.yaml"), resource.replace("  otlp:\n", &otlp));
    }
    let argo = ArgoCd::start(place);
    let headers = format!("authorization=Bearer {SECRET}");
    for (folder, parameters) in [
        ("broken", json!({})),
        ("headers", json!({})),
        ("pairs", json!({})),
        ("folder", json!({ "settings": { "OPENLIT_OTLP_HEADERS": format!("no pair {SECRET}") } })),
        ("folder", json!({ "settings": { "OPENLIT_OTLP_HEADERS": headers, "OPENLIT_NO_SUCH": SECRET } })),
        ("folder", json!({ "endpoint": format!("ftp://user:{SECRET}@c.example.com:4318") })),
        ("folder", json!({ "settings": { "OPENLIT_OTLP_ENDPOINT": format!("user:{SECRET}@c") } })),
    ] {
        let error = argo.render(folder, &parameters).error().to_owned();
        assert!(!error.contains(SECRET), "{error}");
    }
    assert!(!argo.server.log().contains(SECRET), "{}", argo.server.log());
}

/// Exit code 0: Argo CD shows no stderr then, but the log of the sidecar has it.
fn warnings_are_in_the_log(place: &Place) {
    repository(place);
    let argo = ArgoCd::start(place);
    argo.render("folder", &json!({})).texts();
    assert!(argo.server.log().contains("1 injected"), "{}", argo.server.log());
}
