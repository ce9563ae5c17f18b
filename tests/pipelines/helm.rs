//! Helm 3 and 4: the chart of `testdata/charts/chat`, rendered with Prelit behind it in each of the ways
//! that `docs/helm.md` shows. What counts is what the filter makes of `helm template`.

use crate::manifest;
use crate::place::{Place, ROOT, Run};
use crate::tools::Tools;
use libtest_mimic::Trial;
use serde_json::Value;
use std::collections::BTreeMap;

const TEMPLATE: [&str; 3] = ["template", "chat", "chart"];

pub fn trials(tools: &Tools) -> Vec<Trial> {
    let mut trials = Vec::new();
    for helm in ["helm3", "helm4"] {
        let mut test = |name: &str, test: fn(&Place, &str)| {
            let run = move |place: &Place| test(chart(place, helm), helm);
            trials.push(tools.trial(&format!("{helm}::{name}"), &[helm], run));
        };
        test("the_filter_instruments_the_chart_and_its_hooks", filter_instruments_everything);
        test("nothing_is_dropped", nothing_is_dropped);
        test("the_label_of_the_values_decides", label_of_the_values_decides);
        test("arguments_reach_prelit", arguments_reach_prelit);
        test("an_error_stops_helm", error_stops_helm);
        test("no_prelit_stops_helm", no_prelit_stops_helm);
    }
    for (name, helm, test) in [
        ("post_renderer_is_the_filter_byte_for_byte", "helm3", helm3_is_the_filter as fn(&Place)),
        ("hooks_are_left_alone_and_check_tells", "helm3", helm3_leaves_hooks),
        ("remove_gives_the_chart_back", "helm3", helm3_remove),
        ("plugin_gives_the_pod_templates_of_the_filter", "helm4", helm4_is_the_filter),
        ("plugin_changes_no_line_of_helm", "helm4", helm4_changes_no_line),
        ("install_is_instrumented", "helm4", helm4_install),
    ] {
        trials.push(tools.trial(&format!("{helm}::{name}"), &[helm], move |place| test(chart(place, helm))));
    }
    trials
}

/// The chart, and for Helm 4 the plugin.
fn chart<'p>(place: &'p Place, helm: &str) -> &'p Place {
    place.copy("testdata/charts/chat", "chart");
    if helm == "helm4" {
        place.run(helm, &["plugin", "install", &format!("{ROOT}/deploy/helm/prelit-post-renderer")]).succeeded();
    }
    place
}

/// What `helm VERB …` gives with Prelit as its post-renderer, and arguments for that.
fn post_rendered(place: &Place, helm: &str, verb: &[&str], arguments: &[&str]) -> Run {
    let mut command = place.command(helm);
    command.args(verb).args(["--post-renderer", "prelit"]);
    // Helm 3 runs the program; the plugin of Helm 4 says `inject` itself.
    let inject: &[&str] = if helm == "helm3" { &["inject"] } else { &[] };
    for argument in inject.iter().chain(arguments) {
        command.args(["--post-renderer-args", argument]);
    }
    Run::of(&mut command, "")
}

fn plain(place: &Place, helm: &str) -> String {
    place.run(helm, &TEMPLATE).succeeded().stdout
}

fn filtered(place: &Place, helm: &str) -> String {
    place.pipe(&plain(place, helm), "prelit", &["inject"]).succeeded().stdout
}

/// The objects, by kind and name.
fn objects(stream: &str) -> BTreeMap<String, Value> {
    let text = |object: &Value, at| object.pointer(at).and_then(Value::as_str).unwrap_or("none").to_owned();
    let objects = manifest::documents(stream.as_bytes());
    objects.into_iter().map(|it| (format!("{}/{}", text(&it, "/kind"), text(&it, "/metadata/name")), it)).collect()
}

/// The documents as texts, by their first lines: the template, the kind and the name.
fn documents(stream: &str) -> Vec<&str> {
    stream.split("---\n").map(str::trim_end).filter(|document| !document.is_empty()).collect()
}

fn is_hook(document: &str) -> bool {
    document.contains("helm.sh/hook:")
}

/// The workloads that carry our annotation.
fn instrumented(stream: &str) -> Vec<String> {
    let has = |object: &Value| object.to_string().contains("\"openlit.io/injection\":");
    objects(stream).into_iter().filter(|(_, object)| has(object)).map(|(name, _)| name).collect()
}

const WORKLOADS: [&str; 3] = ["CronJob/chat-evaluation", "Deployment/chat", "StatefulSet/chat-worker"];
const WITH_HOOKS: [&str; 4] =
    ["CronJob/chat-evaluation", "Deployment/chat", "Job/chat-migrate", "StatefulSet/chat-worker"];

fn filter_instruments_everything(place: &Place, helm: &str) {
    place.pipe(&plain(place, helm), "prelit", &["check"]).exited(1);
    let stream = filtered(place, helm);
    assert_eq!(instrumented(&stream), WITH_HOOKS);
    place.pipe(&stream, "prelit", &["check"]).succeeded();
}

fn nothing_is_dropped(place: &Place, helm: &str) {
    let names = |stream: &str| objects(stream).into_keys().collect::<Vec<_>>();
    let rendered = post_rendered(place, helm, &TEMPLATE, &[]).succeeded().stdout;
    assert_eq!(names(&rendered), names(&plain(place, helm)));
    assert_eq!(documents(&rendered).len(), documents(&plain(place, helm)).len());
    assert_eq!(post_rendered(place, helm, &TEMPLATE, &[]).stdout, rendered, "twice the same");
}

fn label_of_the_values_decides(place: &Place, helm: &str) {
    let verb = [&TEMPLATE[..], &["--set-string", "instrument=false"]].concat();
    let rendered = post_rendered(place, helm, &verb, &[]).succeeded().stdout;
    assert_eq!(instrumented(&rendered), [] as [&str; 0]);
    assert_eq!(objects(&rendered), objects(&place.run(helm, &verb).succeeded().stdout));
}

fn arguments_reach_prelit(place: &Place, helm: &str) {
    place.write("a folder/settings.env", "OPENLIT_DEFAULT_ENVIRONMENT=staging\n");
    let rendered = post_rendered(place, helm, &TEMPLATE, &["--settings", "a folder/settings.env"]).succeeded().stdout;
    assert!(rendered.contains("deployment.environment=staging"), "{rendered}");
}

fn error_stops_helm(place: &Place, helm: &str) {
    place.write("settings.yaml", "OPENLIT_DEFAULT_OTLP_TIMEOUT: soon\n");
    let run = post_rendered(place, helm, &TEMPLATE, &["--settings", "settings.yaml"]).exited(1);
    assert_eq!(run.stdout, "");
    // Helm 4 keeps the messages of a post-renderer to itself; the plugin finds Helm's stderr in /proc.
    if helm == "helm3" || cfg!(target_os = "linux") {
        assert!(run.stderr.contains("settings.yaml:1:31: "), "{}", run.stderr);
    }
}

fn no_prelit_stops_helm(place: &Place, helm: &str) {
    place.unlink("prelit");
    let run = post_rendered(place, helm, &TEMPLATE, &[]).exited(1);
    assert_eq!(run.stdout, "");
}

/// Every document is, byte for byte, what the filter makes of it, or what Helm renders where it is a hook.
fn helm3_is_the_filter(place: &Place) {
    let rendered = post_rendered(place, "helm3", &TEMPLATE, &[]).succeeded().stdout;
    let (plain, filtered) = (plain(place, "helm3"), filtered(place, "helm3"));
    let expected: Vec<&str> = documents(&plain)
        .into_iter()
        .zip(documents(&filtered))
        .map(|(plain, filtered)| if is_hook(plain) { plain } else { filtered })
        .collect();
    assert_eq!(documents(&rendered), expected);
    assert_eq!(instrumented(&rendered), WORKLOADS);
}

fn helm3_leaves_hooks(place: &Place) {
    let rendered = post_rendered(place, "helm3", &TEMPLATE, &[]).succeeded().stdout;
    let findings = place.pipe(&rendered, "prelit", &["check"]).exited(1).stdout;
    assert!(findings.contains("finding: Job/chat-migrate: container migrate:"), "{findings}");
    assert_eq!(findings.matches("finding: ").count(), 1, "{findings}");
    // The filter behind it takes the hook in, and leaves the others as they are.
    let stream = place.pipe(&rendered, "prelit", &["inject"]).succeeded().stdout;
    assert_eq!(stream, filtered(place, "helm3"));
}

fn helm3_remove(place: &Place) {
    let rendered = post_rendered(place, "helm3", &TEMPLATE, &[]).succeeded().stdout;
    assert_eq!(place.pipe(&rendered, "prelit", &["remove"]).succeeded().stdout, plain(place, "helm3"));
}

/// Helm 4 gives hooks to the post-renderer too, and writes all it gets back in its own style: the objects are equal.
fn helm4_is_the_filter(place: &Place) {
    let rendered = post_rendered(place, "helm4", &TEMPLATE, &[]).succeeded().stdout;
    assert_eq!(objects(&rendered), objects(&filtered(place, "helm4")));
    assert_eq!(instrumented(&rendered), WITH_HOOKS);
    place.pipe(&rendered, "prelit", &["check"]).succeeded();
}

/// Against a post-renderer that does nothing: comments, order and quotes are what Helm makes of them.
fn helm4_changes_no_line(place: &Place) {
    place.write("nothing/plugin.yaml", NOTHING);
    place.run("helm4", &["plugin", "install", "nothing"]).succeeded();
    let verb = [&TEMPLATE[..], &["--post-renderer", "nothing"]].concat();
    let nothing = place.run("helm4", &verb).succeeded().stdout;
    let rendered = post_rendered(place, "helm4", &TEMPLATE, &[]).succeeded().stdout;
    let mut lines = rendered.lines();
    for line in nothing.lines() {
        let line = line.replace("value: /srv/app:", "value: /instrumentation-packages:/srv/app:");
        assert!(lines.any(|other| other == line), "no longer there, or not in this order: {line}");
    }
    assert_eq!(place.pipe(&rendered, "prelit", &["remove"]).succeeded().stdout, nothing);
}

const NOTHING: &str = "apiVersion: v1
type: postrenderer/v1
name: nothing
version: 0.1.0
runtime: subprocess
runtimeConfig:
  platformCommand:
    - command: cat
";

/// What would be installed; Helm 3 asks a cluster even for that.
fn helm4_install(place: &Place) {
    let verb = ["install", "chat", "chart", "--dry-run=client", "--output", "json"];
    let release = post_rendered(place, "helm4", &verb, &[]).succeeded().stdout;
    let release: Value = serde_json::from_str(&release).unwrap();
    assert_eq!(instrumented(release["manifest"].as_str().unwrap()), WORKLOADS);
    let hooks = release["hooks"].to_string();
    assert!(hooks.contains("openlit.io/injection"), "{hooks}");
}
