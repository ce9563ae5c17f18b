//! kustomize with Prelit in it, as an exec function, a component, a container and a plugin: over the examples of the
//! guide, over layers that work on what was injected, and with everything set up wrongly.

use super::docker;
use super::manifest::documents;
use super::place::Place;
use super::shell::settle;
use super::tools::Tools;
use libtest_mimic::Trial;

/// kustomize with exec functions.
pub const BUILD: &str = "kustomize build --enable-alpha-plugins --enable-exec";

/// Every test.
pub fn trials(tools: &Tools) -> Vec<Trial> {
    let trial = |(name, test): &(&str, Test)| tools.trial(&format!("kustomize::{name}"), &["kustomize"], *test);
    TESTS.iter().map(trial).collect()
}

type Test = fn(&Place);

const TESTS: &[(&str, Test)] = &[
    ("every_way_to_write_the_function", every_way_to_write_the_function),
    ("two_overlays_over_one_base", two_overlays_over_one_base),
    ("settings_as_a_configmap", settings_as_a_configmap),
    ("several_transformers", several_transformers),
    ("inner_layer", inner_layer),
    ("what_outer_layers_do", what_outer_layers_do),
    ("secret_of_the_same_build", secret_of_the_same_build),
    ("component_comes_first", component_comes_first),
    ("container", container),
    ("legacy_plugin", legacy_plugin),
    ("exec_off_is_caught", exec_off_is_caught),
    ("nothing_switched_on", nothing_switched_on),
    ("program_missing", program_missing),
    ("bad_configuration", bad_configuration),
    ("validators_always_fail", validators_always_fail),
    ("envs_lose_equals_signs", envs_lose_equals_signs),
    ("build_that_fails", build_that_fails),
];

/// The folder that is copied, at the top of the place.
fn guide(place: &Place) {
    place.copy("kustomize-plugin", "");
}

/// What a kustomization of the examples gives without Prelit: its last entry, ours, is cut off.
pub fn plain(place: &Place, build: &str, example: &str) -> String {
    let copied = format!("{example}-plain");
    place.out(&format!("cp -r {example} {copied}"));
    let kustomization = format!("{copied}/kustomization.yaml");
    let text = place.read(&kustomization);
    let (before, _) = text
        .split_once("transformers:")
        .or_else(|| text.split_once("components:"))
        .expect("an entry of ours at the end");
    place.write(&kustomization, before);
    let plain = place.out(&format!("{build} {copied}"));
    assert!(!plain.contains("openlit.io/injection"), "{plain}");
    plain
}

/// The result is that of the filter, document by document, and without the injection it is what the tool writes
/// without us, byte for byte.
#[track_caller]
pub fn is_injected_as_by_the_filter(place: &Place, result: &str, plain: &str, options: &str) {
    place.write("result.yaml", result);
    place.write("plain.yaml", plain);
    let filtered = place.out(&format!("prelit inject {options} < plain.yaml"));
    assert!(filtered.contains("openlit.io/injection"), "the filter injects nothing\n{filtered}");
    assert_eq!(documents(result.as_bytes()), documents(filtered.as_bytes()));
    assert_eq!(place.out("prelit remove < result.yaml"), plain);
    place.out(&format!("prelit check {options} < result.yaml"));
}

fn every_way_to_write_the_function(place: &Place) {
    guide(place);
    let shared = place.out(&format!("{BUILD} example/staging"));
    let without = plain(place, "kustomize build", "example/staging");
    is_injected_as_by_the_filter(place, &shared, &without, "--config exec/openlit.yaml");
    for way in ["file", "inline", "component"] {
        assert_eq!(place.out(&format!("{BUILD} example/{way}")), shared, "{way}");
    }
}

fn two_overlays_over_one_base(place: &Place) {
    guide(place);
    for overlay in ["staging", "production"] {
        let example = format!("example/{overlay}");
        let result = place.out(&format!("{BUILD} {example}"));
        let without = plain(place, "kustomize build", &example);
        is_injected_as_by_the_filter(place, &result, &without, "--config exec/openlit.yaml");
        assert!(result.contains(&format!("service.name={overlay}-chat")), "{result}");
    }
    // Both in one build: the base is instrumented twice, each time in its own copy.
    place.write("example/both/kustomization.yaml", "resources: [../staging, ../production]\n");
    let both = place.line(&format!("{BUILD} example/both | prelit check --config exec/openlit.yaml")).succeeded();
    both.says(&["2 current"]);
}

fn settings_as_a_configmap(place: &Place) {
    guide(place);
    let result = place.out(&format!("{BUILD} example/settings"));
    let without = place.out("kustomize build example/labelled");
    is_injected_as_by_the_filter(place, &result, &without, "--settings example/settings/settings.yaml");
}

fn several_transformers(place: &Place) {
    place.copy("testdata/pipelines/several-transformers/input", "");
    let result = place.out(&format!("{BUILD} ."));
    settle("testdata/pipelines/several-transformers/output.yaml", &result);
    // Those of the other transformers are not this run's, and are left alone.
    place.write("result.yaml", &result);
    place.out("prelit check --config last.yaml < result.yaml");
}

fn inner_layer(place: &Place) {
    place.copy("testdata/pipelines/inner-layer/input", "");
    let result = place.out(&format!("{BUILD} outer"));
    settle("testdata/pipelines/inner-layer/output.yaml", &result);
    place.write("result.yaml", &result);
    let check = place.line("prelit check --config inner/openlit.yaml result.yaml");
    settle("testdata/pipelines/inner-layer/check.txt", &check.to_string());
    assert_eq!(check.code, 1, "{check}");
}

/// One thing an outer layer does, and what `prelit check` says of it.
fn what_outer_layers_do(place: &Place) {
    guide(place);
    let version = "labels: [{pairs: {app.kubernetes.io/version: '2'}, includeTemplates: true}]";
    let image = "images: [{name: ghcr.io/openlit/openlit-ai-instrumentation, newName: mirror.example.com/openlit}]";
    let patch = |name: &str, patch: &str| {
        format!("patches: [{{target: {{kind: Deployment, name: {name}}}, patch: '[{patch}]'}}]")
    };
    // The name of the base, although the layer between has a prefix.
    let replicas = patch("chat", r#"{"op": "add", "path": "/spec/replicas", "value": 3}"#);
    let env = "/spec/template/spec/containers/0/env/0";
    let edit = patch("staging-chat", &format!(r#"{{"op": "remove", "path": "{env}"}}"#));
    let layers = [
        (replicas.as_str(), None),
        ("labels: [{pairs: {team: a}, includeTemplates: true, includeSelectors: true}]", None),
        ("commonAnnotations: {team: a}", None),
        ("namespace: shop", None),
        ("images: [{name: python, newTag: 3.11.9}]", None),
        ("namePrefix: outer-", Some("stale")),
        ("nameSuffix: -next", Some("stale")),
        (version, Some("stale")),
        (image, Some("edited")),
        (edit.as_str(), Some("edited")),
    ];
    for (index, (layer, expected)) in layers.into_iter().enumerate() {
        let outer = format!("example/outer{index}");
        place.write(format!("{outer}/kustomization.yaml"), format!("resources: [../staging]\n{layer}\n"));
        let result = place.out(&format!("{BUILD} {outer}"));
        // Whatever the layer did to the parts that were injected, the whole is a manifest.
        assert_eq!(documents(result.as_bytes()).len(), 3, "{layer}\n{result}");
        place.write("result.yaml", &result);
        let check = place.line("prelit check --config exec/openlit.yaml < result.yaml");
        match expected {
            None => drop(check.succeeded()),
            Some(reason) => {
                assert!(check.code == 1 && check.stdout.contains(&format!("[{reason}]")), "{layer}\n{check}");
            }
        }
    }
}

/// kustomize adds prefixes and hashes to references after all transformers, also in the outermost layer.
fn secret_of_the_same_build(place: &Place) {
    guide(place);
    place.change("exec/openlit.yaml", "  otlp:\n", "  otlp:\n    headersFrom: {secretKeyRef: {name: otlp, key: h}}\n");
    let kustomization = place.read("example/staging/kustomization.yaml");
    let generator = "secretGenerator: [{name: otlp, literals: [h=a]}]\n";
    place.write("example/staging/kustomization.yaml", format!("{generator}{kustomization}"));
    let check = place.line(&format!("{BUILD} example/staging | prelit check --config exec/openlit.yaml"));
    assert!(check.code == 1 && check.stdout.contains("[edited]"), "{check}");
    // With a name that stays, in full.
    place.change("exec/openlit.yaml", "name: otlp", "name: staging-otlp");
    let fixed = "generatorOptions: {disableNameSuffixHash: true}\n";
    place.write("example/staging/kustomization.yaml", format!("{fixed}{generator}{kustomization}"));
    place.out(&format!("{BUILD} example/staging | prelit check --config exec/openlit.yaml"));
}

/// kustomize runs a component before the rest of the kustomization that includes it.
fn component_comes_first(place: &Place) {
    guide(place);
    let layer = "resources: [../base]\nnamePrefix: staging-\ncomponents: [../../component]\n";
    place.write("example/early/kustomization.yaml", layer);
    let check = place.line(&format!("{BUILD} example/early | prelit check --config exec/openlit.yaml"));
    assert!(check.code == 1 && check.stdout.contains("[stale]"), "{check}");
}

fn container(place: &Place) {
    guide(place);
    docker::put(place);
    // Alpha plugins are enough.
    let result = place.out("kustomize build --enable-alpha-plugins example/container");
    docker::was_asked_as_expected(place);
    let without = plain(place, "kustomize build", "example/container");
    is_injected_as_by_the_filter(place, &result, &without, "--config container/openlit.yaml");
}

fn legacy_plugin(place: &Place) {
    guide(place);
    let build = "kustomize build --enable-alpha-plugins example/kubectl";
    place.line(build).failed_saying(&["unable to find plugin root"]);
    place.out("prelit install-kustomize-plugin");
    let result = place.out(build);
    let without = plain(place, "kustomize build", "example/kubectl");
    is_injected_as_by_the_filter(place, &result, &without, "--config legacy/openlit.yaml");
}

fn exec_off_is_caught(place: &Place) {
    guide(place);
    let skipped = place.line("kustomize build --enable-alpha-plugins example/production").succeeded();
    assert_eq!(skipped.stdout, plain(place, "kustomize build", "example/production"));
    assert_eq!(skipped.stderr, "", "kustomize has learnt to say it");
    place.write("result.yaml", &skipped.stdout);
    let check = place.line("prelit check --config exec/openlit.yaml result.yaml");
    assert!(check.code == 1 && check.stdout.contains("[not-injected]"), "{check}");
}

fn nothing_switched_on(place: &Place) {
    guide(place);
    for example in ["staging", "inline", "file", "component", "container", "kubectl"] {
        place.line(&format!("kustomize build example/{example}")).failed_saying(&["external plugins disabled"]);
    }
}

fn program_missing(place: &Place) {
    guide(place);
    place.unlink("prelit");
    place.line(&format!("{BUILD} example/staging")).failed_saying(&["\"prelit\": executable file not found"]);
    let container = place.line("kustomize build --enable-alpha-plugins example/container");
    container.failed_saying(&["\"docker\": executable file not found"]);
}

fn bad_configuration(place: &Place) {
    let mistakes = [
        ("exec/openlit.yaml", "endpoint:", "endpiont:", "staging", "did you mean endpoint?"),
        ("exec/openlit.yaml", "matchLabels", "matchLabel", "staging", "did you mean matchLabels?"),
        ("exec/openlit.yaml", "http://openlit", "openlit", "staging", "expected an http:// or https:// URL"),
        ("exec/openlit.yaml", "v1alpha1", "v1beta7", "staging", "v1beta7"),
        (
            "exec/openlit.yaml",
            "kind: AutoInstrumentation",
            "kind: Autoinstrumentation",
            "staging",
            "Autoinstrumentation",
        ),
        ("exec/openlit.yaml", "args: [fn]", "args: [fn, --set, NO=1]", "staging", "NO: unknown setting"),
        ("exec/openlit.yaml", "args: [fn]", "args: [fun]", "staging", "fun"),
        ("example/settings/settings.yaml", "OPENLIT_OTLP_ENDPOINT", "OPENLIT_ENDPOINT", "settings", "unknown setting"),
        ("example/settings/settings.yaml", "VERSION: 1.0.0", "VERSION: main", "settings", "found \"main\""),
    ];
    for (file, old, new, example, message) in mistakes {
        guide(place);
        place.change(file, old, new);
        let build = place.line(&format!("{BUILD} example/{example}"));
        build.failed_saying(&[message, "couldn't execute function"]);
    }
}

/// For an identity function too: kustomize compares annotations of its own.
fn validators_always_fail(place: &Place) {
    guide(place);
    place.change("example/staging/kustomization.yaml", "transformers:", "validators:");
    for (program, arguments) in [("prelit", "[fn]"), ("prelit", "[fn, --check]"), ("cat", "[]")] {
        place.copy("kustomize-plugin/exec", "exec");
        place.change("exec/openlit.yaml", "path: prelit", &format!("path: {program}"));
        place.change("exec/openlit.yaml", "args: [fn]", &format!("args: {arguments}"));
        let build = place.line(&format!("{BUILD} example/staging"));
        assert!(build.code != 0 && build.stdout.is_empty(), "{build}");
    }
}

fn envs_lose_equals_signs(place: &Place) {
    guide(place);
    place.script("prelit", "#!/bin/sh\nenv | grep ^GIVEN >&2\ncat\n");
    place.change("exec/openlit.yaml", "args: [fn]", "envs: [GIVEN_PLAIN=a, GIVEN_PAIR=a=b]");
    let build = place.line(&format!("{BUILD} example/staging")).succeeded().says(&["GIVEN_PLAIN=a"]);
    assert!(!build.stderr.contains("GIVEN_PAIR"), "kustomize has learnt to pass it\n{build}");
}

/// What the guide says of `pipefail`.
fn build_that_fails(place: &Place) {
    guide(place);
    place.change("example/base/kustomization.yaml", "chat.yaml", "missing.yaml");
    let filtered = place.line("kustomize build example/base | prelit inject --config exec/openlit.yaml");
    filtered.failed_saying(&["missing.yaml"]);
}
