//! The steps of `action.yml` as GitHub runs them.

use crate::assistant::{block, build_environment, repository};
use crate::manifest;
use crate::place::{Place, ROOT, Run};
use crate::tools::Tools;
use libtest_mimic::Trial;
use std::fs;
use std::path::Path;

pub fn trials(tools: &Tools) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (name, needs, test) in [
        ("before_injection_every_part_has_findings", &["helm3", "kustomize"][..], before as fn(&Place)),
        ("after_injection_nothing_is_found", &["helm4", "kustomize"], after),
        ("a_hook_that_helm_left_out_is_found", &["helm3"], helm3_hook),
        ("a_function_that_kustomize_skipped_is_found", &["kustomize"], skipped_function),
        ("without_an_input_the_repository_is_checked", &[], no_input),
        ("arguments_reach_every_check", &["helm3"], arguments),
        ("a_chart_that_fails_is_an_error_and_stops_no_other", &["helm3"], broken_chart),
        ("an_empty_render_is_an_error", &["helm3"], empty_render),
        ("a_folder_without_a_chart_is_an_error", &["helm3"], no_chart),
        ("a_folder_without_a_kustomization_is_an_error", &["kustomize"], no_kustomization),
        ("a_chart_in_a_chart_is_rendered_with_it", &["helm3"], subchart),
        ("an_error_of_prelit_is_an_error", &[], bad_setting),
        ("no_prelit_is_an_error", &[], no_prelit),
        ("names_are_never_code", &["helm3", "kustomize"], hostile_names),
        ("the_workflow_of_the_guide_is_valid", &["actionlint"], workflow),
    ] {
        trials.push(tools.trial(&format!("action::{name}"), needs, test));
    }
    for kubectl in tools.kubectls() {
        let name = format!("action::a_function_that_{kubectl}_skipped_is_found");
        trials.push(tools.trial(&name, &[&kubectl.clone()], move |place| {
            if !place.has("kubectl") {
                place.link(&place.program(&kubectl), "kubectl");
            }
            skipped_function(place);
        }));
    }
    trials.push(tools.slow_trial("action::installs_prelit_from_source", &[], install));
    trials
}

/// Runs the steps of `action.yml` as GitHub does: in bash, with the inputs in their expressions. A step that
/// fails ends it.
fn action(place: &Place, inputs: &[(&str, &str)]) -> Run {
    let text = fs::read_to_string(Path::new(ROOT).join("action.yml")).unwrap();
    let action = manifest::documents(text.as_bytes()).remove(0);
    for (name, _) in inputs {
        assert!(!action["inputs"][name].is_null(), "no input is named {name}");
    }
    let input = |name: &str| inputs.iter().find(|(input, _)| *input == name).map_or("", |(_, value)| value);
    let temporary = place.path("../tmp").display().to_string();
    let mut last = None;
    for step in action["runs"]["steps"].as_array().unwrap() {
        match step["if"].as_str() {
            Some("inputs.prelit == ''") if !input("prelit").is_empty() => continue,
            Some("inputs.prelit == ''") | None => {}
            other => panic!("a condition that this test does not know: {other:?}"),
        }
        assert_eq!(step["shell"], "bash");
        let run = step["run"].as_str().unwrap();
        assert!(!run.contains("${{"), "an expression in a command: {run}");
        let mut command = place.command("bash");
        command.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", run]);
        command.env("GITHUB_ACTION_PATH", ROOT).env("RUNNER_TEMP", &temporary);
        build_environment(&mut command);
        for (name, value) in step["env"].as_object().into_iter().flatten() {
            let expression = value.as_str().unwrap().trim_start_matches("${{ ").trim_end_matches(" }}");
            let value = match expression {
                "inputs.prelit || format('{0}/prelit/bin/prelit', runner.temp)" if input("prelit").is_empty() => {
                    format!("{temporary}/prelit/bin/prelit")
                }
                "inputs.prelit || format('{0}/prelit/bin/prelit', runner.temp)" => input("prelit").to_owned(),
                other => input(other.strip_prefix("inputs.").expect("an input")).to_owned(),
            };
            command.env(name, value);
        }
        let run = Run::of(&mut command, "");
        if run.code != 0 {
            return run;
        }
        last = Some(run);
    }
    last.expect("the action has steps")
}

/// The action with the prelit of this build.
fn check(place: &Place, inputs: &[(&str, &str)]) -> Run {
    action(place, &[inputs, &[("prelit", "prelit")]].concat())
}

/// The annotations of a severity, each as its file, its line, and what is said, without the remedy.
fn annotations(run: &Run, severity: &str) -> Vec<String> {
    let command = format!("::{severity} file=");
    let findings = run.stdout.lines().filter_map(|line| line.strip_prefix(command.as_str()));
    findings
        .map(|line| {
            let (place, said) = line.split_once("::").expect("a message");
            let mut place = place.split(',');
            let (file, line) = (place.next().unwrap(), place.next().unwrap());
            format!("{file} {line} {}", said.split("%0A").next().unwrap())
        })
        .collect()
}

fn before(place: &Place) {
    let inputs = [("paths", "manifests"), ("charts", "charts"), ("kustomizations", "overlays/prod")];
    let run = check(repository(place), &inputs).exited(1);
    let found = annotations(&run, "error");
    let is = |file: &str, object: &str| {
        let line = format!("{file} {object}: container ");
        assert!(found.iter().any(|found| found.starts_with(&line)), "{line}\n{found:#?}");
    };
    is("manifests/assistant.yaml line=15", "Deployment/assistant");
    is("manifests/batch jobs/nightly.yaml line=16", "CronJob/nightly");
    is("charts/chat/Chart.yaml line=1", "Deployment/release-name-chat");
    is("charts/chat/Chart.yaml line=1", "Job/release-name-chat-migrate");
    is("overlays/prod/kustomization.yaml line=1", "Deployment/ranker");
    assert_eq!(found.len(), 2 + 4 + 1, "{found:#?}");
    assert!(!run.stdout.contains("<stdin>"), "{}", run.stdout);
}

fn after(place: &Place) {
    repository(place);
    place.run("prelit", &["inject", "--quiet", "--write", "manifests", "base"]).succeeded();
    let plugin = format!("{ROOT}/deploy/helm/prelit-post-renderer");
    place.run("helm4", &["plugin", "install", &plugin]).succeeded();
    let inputs = [
        ("paths", "manifests\nbase"),
        ("charts", "charts/chat"),
        ("helm-args", "--post-renderer=prelit"),
        ("kustomizations", "overlays/prod"),
    ];
    let run = check(place, &inputs).succeeded();
    assert_eq!(annotations(&run, "error"), [] as [&str; 0]);
    assert!(annotations(&run, "notice").iter().any(|notice| notice.starts_with("charts/chat/Chart.yaml line=1 ")));
}

fn helm3_hook(place: &Place) {
    let inputs = [("charts", "charts/chat"), ("helm-args", "--post-renderer=prelit\n--post-renderer-args=inject")];
    let found = annotations(&check(repository(place), &inputs).exited(1), "error");
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].starts_with("charts/chat/Chart.yaml line=1 Job/release-name-chat-migrate: "), "{found:#?}");
}

/// Without `--enable-exec` kustomize leaves the function out without a word, and kubectl always does.
fn skipped_function(place: &Place) {
    repository(place).write("overlays/prod/kustomization.yaml", SKIPPED);
    let inputs = [("kustomizations", "overlays/prod"), ("kustomize-args", "--enable-alpha-plugins")];
    let found = annotations(&check(place, &inputs).exited(1), "error");
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].starts_with("overlays/prod/kustomization.yaml line=1 Deployment/ranker: "), "{found:#?}");
}

const SKIPPED: &str = "resources: [../../base]
transformers:
  - |-
    apiVersion: openlit.io/v1alpha1
    kind: AutoInstrumentation
    metadata:
      name: prod
      annotations:
        config.kubernetes.io/function: 'exec: {path: ./instrument}'
    spec:
      selector:
        matchLabels: {app: ranker}
";

fn no_input(place: &Place) {
    let run = check(repository(place), &[]).exited(1);
    let found = annotations(&run, "error");
    // The templates of the chart are no YAML, and are left alone.
    assert_eq!(found.len(), 3, "{found:#?}");
    assert!(found.iter().any(|found| found.starts_with("base/ranker.yaml line=")), "{found:#?}");
    place.run("prelit", &["inject", "--quiet", "--write", "."]).succeeded();
    check(place, &[]).succeeded();
}

fn arguments(place: &Place) {
    repository(place).write("my settings.env", "OPENLIT_DEFAULT_VERSION=1.0.0\n");
    let inputs = [("paths", "base"), ("charts", "charts"), ("args", "  --settings=my settings.env  \n\n--quiet\n")];
    let run = check(place, &inputs).exited(1);
    assert!(!run.stdout.contains("latest-tag") && !run.stdout.contains("::notice"), "{}", run.stdout);
}

fn broken_chart(place: &Place) {
    repository(place).write("charts/a broken, one/Chart.yaml", "apiVersion: v2\nname: broken\nversion: 0.1.0\n");
    place.write("charts/a broken, one/templates/x.yaml", "a: {{ fail \"no value\" }}\n");
    let run = check(place, &[("charts", "charts")]).exited(2);
    let found = annotations(&run, "error");
    assert_eq!(found[0], "charts/a broken%2C one/Chart.yaml line=1 cannot be rendered: helm failed, see the log");
    assert_eq!(found.len(), 1 + 4, "{found:#?}");
    assert!(run.stderr.contains("no value"), "{}", run.stderr);
}

fn empty_render(place: &Place) {
    repository(place).write("charts/empty/Chart.yaml", "apiVersion: v2\nname: empty\nversion: 0.1.0\n");
    let run = check(place, &[("charts", "charts/empty")]).exited(2);
    let found = annotations(&run, "error");
    assert_eq!(found, ["charts/empty/Chart.yaml line=1 renders nothing, so there is nothing to check"]);
}

fn no_chart(place: &Place) {
    for folder in ["manifests", "nowhere"] {
        let run = check(repository(place), &[("charts", folder)]).exited(2);
        assert_eq!(annotations(&run, "error"), [format!("{folder} line=1 no chart is below this folder")]);
        place.unlink("helm");
    }
}

fn no_kustomization(place: &Place) {
    let run = check(repository(place), &[("kustomizations", "manifests")]).exited(2);
    let found = annotations(&run, "error");
    assert_eq!(found, ["manifests/kustomization.yaml line=1 cannot be rendered: kustomize failed, see the log"]);
}

fn subchart(place: &Place) {
    repository(place).copy("testdata/charts/chat", "charts/outer/charts/chat");
    place.write("charts/outer/Chart.yaml", "apiVersion: v2\nname: outer\nversion: 0.1.0\n");
    let run = check(place, &[("charts", "charts")]).exited(1);
    let found = annotations(&run, "error");
    assert_eq!(found.iter().filter(|found| found.starts_with("charts/outer/Chart.yaml line=1 ")).count(), 4);
    assert_eq!(found.len(), 4 + 4, "{found:#?}");
}

fn bad_setting(place: &Place) {
    let run = check(repository(place), &[("paths", "manifests"), ("args", "--set=OPENLIT_NOPE=1")]).exited(2);
    assert!(run.stderr.contains("OPENLIT_NOPE: unknown setting"), "{}", run.stderr);
}

fn no_prelit(place: &Place) {
    let run = action(repository(place), &[("prelit", "bin/no prelit")]).exited(2);
    assert!(run.stdout.contains("::error title=prelit::bin/no prelit: no such command"), "{}", run.stdout);
}

fn hostile_names(place: &Place) {
    let names = ["-x", "$(touch ran)", "`touch ran`", "a;touch ran", "a b  c", "*", "'\"", "--help", "a%b,c:d"];
    repository(place);
    for name in names {
        place.copy("testdata/repositories/assistant/manifests", format!("{name}/manifests"));
        place.copy("testdata/repositories/assistant/base", format!("{name}/base"));
        place.copy("testdata/charts/chat", format!("{name}/chart"));
        let [paths, charts, kustomizations] = ["manifests", "chart", "base"].map(|part| format!("{name}/{part}"));
        let inputs = [("paths", &*paths), ("charts", &*charts), ("kustomizations", &*kustomizations)];
        let run = check(place, &inputs).exited(1);
        assert_eq!(annotations(&run, "error").len(), 2 + 4 + 1, "{name}: {}", run.stdout);
        let escaped = name.replace('%', "%25").replace(':', "%3A").replace(',', "%2C");
        for file in ["manifests/assistant.yaml", "chart/Chart.yaml", "base/kustomization.yaml"] {
            assert!(run.stdout.contains(&format!("::error file={escaped}/{file},line=")), "{}", run.stdout);
        }
        check(place, &[("charts", name)]).exited(1);
    }
    assert!(!place.path("ran").exists(), "a name was run");
    // A line break cannot stand in an input, and can in the name of a chart below one.
    let name = "below/a\n::error title=planted::b";
    place.copy("testdata/charts/chat", name);
    let run = check(place, &[("charts", "below")]).exited(1);
    assert_eq!(annotations(&run, "error").len(), 4, "{}", run.stdout);
    assert!(!run.stdout.contains("\n::error title=planted"), "{}", run.stdout);
}

/// actionlint knows the inputs of the action, and what a workflow may be.
fn workflow(place: &Place) {
    place.write("action.yml", fs::read(Path::new(ROOT).join("action.yml")).unwrap());
    fs::create_dir(place.path(".git")).unwrap(); // the root of the project, for actionlint
    let right = block(".github/workflows/prelit.yaml").replace("your-org/prelit@main", "./");
    let wrong = right.replace("charts: ", "chart: ");
    let lint = |text: &str| {
        place.write(".github/workflows/prelit.yaml", text);
        place.run("actionlint", &["-shellcheck=", "-pyflakes="])
    };
    lint(&right).succeeded();
    let run = lint(&wrong).exited(1);
    assert!(run.stdout.contains("input \"chart\" is not defined"), "{}", run.stdout);
}

fn install(place: &Place) {
    place.unlink("prelit");
    let run = action(repository(place), &[("paths", "manifests")]).exited(1);
    assert_eq!(annotations(&run, "error").len(), 2, "{}", run.stdout);
}
