//! `kubectl kustomize`, in every version that is here: the plugin of the older kind and the container function do what
//! kustomize's exec function does, and the exec function is skipped without a word.

use super::docker;
use super::kustomize::{is_injected_as_by_the_filter, plain};
use super::place::Place;
use super::shell::settle;
use super::tools::Tools;
use libtest_mimic::Trial;

type Test = fn(&Place, &str);

const TESTS: &[(&str, Test)] = &[
    ("legacy_plugin", legacy_plugin),
    ("places_of_the_plugin", places_of_the_plugin),
    ("arguments_of_the_plugin", arguments_of_the_plugin),
    ("inner_layer", inner_layer),
    ("container", container),
    ("exec_functions_are_skipped_and_caught", exec_functions_are_skipped_and_caught),
    ("nothing_switched_on", nothing_switched_on),
    ("plugin_missing", plugin_missing),
    ("bad_configuration", bad_configuration),
];

/// Every test with every kubectl.
pub fn trials(tools: &Tools) -> Vec<Trial> {
    let trial = |kubectl: String, (name, test): (&str, Test)| {
        tools.trial(&format!("kubectl::{name} ({kubectl})"), &[&kubectl.clone()], move |place| {
            place.copy("kustomize-plugin", "");
            test(place, &format!("{kubectl} kustomize"));
        })
    };
    let kubectls = tools.kubectls();
    kubectls.iter().flat_map(|kubectl| TESTS.iter().map(|test| trial(kubectl.clone(), *test))).collect()
}

/// The example of the guide, and the two overlays of the exec function, built with another one of our folders.
fn examples_with(place: &Place, kustomize: &str, example: &str, folder: &str) {
    for overlay in ["staging", "production"] {
        place.change(&format!("example/{overlay}/kustomization.yaml"), "../../exec", &format!("../../{folder}"));
    }
    for example in [example, "staging", "production"] {
        let example = format!("example/{example}");
        let result = place.out(&format!("{kustomize} --enable-alpha-plugins {example}"));
        let without = plain(place, kustomize, &example);
        is_injected_as_by_the_filter(place, &result, &without, &format!("--config {folder}/openlit.yaml"));
    }
}

fn legacy_plugin(place: &Place, kustomize: &str) {
    place.out("prelit install-kustomize-plugin");
    examples_with(place, kustomize, "kubectl", "legacy");
}

/// Wherever Prelit puts it, by the same environment it is found.
fn places_of_the_plugin(place: &Place, kustomize: &str) {
    let build = format!("{kustomize} --enable-alpha-plugins example/kubectl");
    let install = "prelit install-kustomize-plugin";
    for (index, line) in [
        format!("{install} --dir $HOME/plugins && KUSTOMIZE_PLUGIN_HOME=$HOME/plugins {build}"),
        format!("export KUSTOMIZE_PLUGIN_HOME=$HOME/plugins; {install} && {build}"),
        format!("export XDG_CONFIG_HOME=$HOME/config; {install} && {build}"),
        format!("unset XDG_CONFIG_HOME; {install} && {build}"),
        // The folder of old, which is looked at only where the others are not there.
        format!("unset XDG_CONFIG_HOME; mkdir -p $HOME/kustomize/plugin; {install} && {build}"),
    ]
    .iter()
    .enumerate()
    {
        let result = place.out(&format!("export HOME=$HOME/{index}; mkdir $HOME; {line}"));
        assert!(result.contains("openlit.io/injection"), "{line}\n{result}");
    }
}

/// As the guide says, beside `spec`.
fn arguments_of_the_plugin(place: &Place, kustomize: &str) {
    place.out("prelit install-kustomize-plugin");
    place.change("legacy/openlit.yaml", "spec:", "argsOneLiner: --set OPENLIT_DETAILED_TRACING=true\nspec:");
    let result = place.out(&format!("{kustomize} --enable-alpha-plugins example/kubectl"));
    assert!(result.contains("name: OPENLIT_DETAILED_TRACING\n          value: \"true\""), "{result}");
}

/// The same bytes as with the exec function, although an outer layer renames, labels and patches.
fn inner_layer(place: &Place, kustomize: &str) {
    place.copy("testdata/pipelines/inner-layer/input", "");
    place.out("prelit install-kustomize-plugin");
    let function = "  annotations:\n    config.kubernetes.io/function: |\n      exec: {path: prelit, args: [fn]}\n";
    place.change("inner/openlit.yaml", function, "");
    let result = place.out(&format!("{kustomize} --enable-alpha-plugins outer"));
    settle("testdata/pipelines/inner-layer/output.yaml", &result);
}

fn container(place: &Place, kustomize: &str) {
    docker::put(place);
    examples_with(place, kustomize, "container", "container");
    docker::was_asked_as_expected(place);
}

fn exec_functions_are_skipped_and_caught(place: &Place, kustomize: &str) {
    place.line(&format!("{kustomize} --enable-exec example/staging")).failed_saying(&["unknown flag"]);
    // A kubectl that does not know this field, up to 1.33, says so; one that knows it would skip the function.
    let build = format!("{kustomize} --enable-alpha-plugins example/staging");
    place.line(&build).failed_saying(&["unknown field", "args"]);
    place.change("exec/openlit.yaml", "        args: [fn]\n", "");
    let skipped = place.line(&format!("{kustomize} --enable-alpha-plugins example/staging")).succeeded();
    assert_eq!(skipped.stdout, plain(place, kustomize, "example/staging"));
    assert_eq!(skipped.stderr, "", "kubectl has learnt to say it");
    place.write("result.yaml", &skipped.stdout);
    let check = place.line("prelit check --config exec/openlit.yaml result.yaml");
    assert!(check.code == 1 && check.stdout.contains("[not-injected]"), "{check}");
}

fn nothing_switched_on(place: &Place, kustomize: &str) {
    for example in ["staging", "container", "kubectl"] {
        place.line(&format!("{kustomize} example/{example}")).failed_saying(&["external plugins disabled"]);
    }
}

fn plugin_missing(place: &Place, kustomize: &str) {
    let build = format!("{kustomize} --enable-alpha-plugins example/kubectl");
    place.line(&build).failed_saying(&["unable to find plugin root"]);
    // Another plugin is there, and not ours.
    std::fs::create_dir_all(place.home(".config/kustomize/plugin")).unwrap();
    place.line(&build).failed_saying(&["AutoInstrumentation"]);
    // It was there, and the program that its link leads to is gone.
    place.out("prelit install-kustomize-plugin");
    let link = place.home(".config/kustomize/plugin/openlit.io/v1alpha1/autoinstrumentation/AutoInstrumentation");
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(place.path("gone"), &link).unwrap();
    place.line(&build).failed_saying(&["AutoInstrumentation"]);
}

fn bad_configuration(place: &Place, kustomize: &str) {
    place.out("prelit install-kustomize-plugin");
    place.change("legacy/openlit.yaml", "endpoint:", "endpiont:");
    let build = place.line(&format!("{kustomize} --enable-alpha-plugins example/kubectl"));
    build.failed_saying(&["did you mean endpoint?"]);
}
