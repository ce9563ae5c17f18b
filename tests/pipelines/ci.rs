//! Checks in CI: the steps of `action.yml` as GitHub runs them, and the hooks with the real pre-commit, over
//! the repository of `testdata/repositories/assistant` with a Helm chart in it.

use crate::manifest;
use crate::place::{Place, ROOT, Run};
use crate::tools::Tools;
use libtest_mimic::Trial;
use serde_json::Value;
use std::env;
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
    for (name, needs, test) in [
        ("the_manifest_and_the_guide_are_valid", &["pre-commit"][..], pre_commit_is_valid as fn(&Place)),
        ("check_with_an_installed_prelit", &["pre-commit", "git"], pre_commit_system),
    ] {
        trials.push(tools.trial(&format!("pre-commit::{name}"), needs, test));
    }
    trials.push(tools.trial("flux::what_is_rendered_is_committed", &["kustomize", "git"], flux_commit));
    trials.push(tools.trial("flux::what_is_pushed_is_instrumented", &["helm3"], flux_artifact));
    trials.push(tools.slow_trial("action::installs_prelit_from_source", &[], install));
    trials.push(tools.slow_trial("pre-commit::builds_prelit_from_source", &["pre-commit", "git"], pre_commit_rust));
    trials
}

/// The repository, with `helm` on the PATH where a Helm is.
fn repository(place: &Place) -> &Place {
    place.copy("testdata/repositories/assistant", ".");
    place.copy("testdata/charts/chat", "charts/chat");
    for helm in ["helm3", "helm4"] {
        if place.has(helm) {
            place.link(&place.program(helm), "helm");
        }
    }
    place
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

/// The blocks of a language in the guide, without the indentation of a list.
fn blocks(language: &str) -> Vec<String> {
    let guide = fs::read_to_string(Path::new(ROOT).join("docs/ci.md")).unwrap();
    let fence = format!("```{language}\n");
    let blocks = guide.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned());
    blocks.collect()
}

/// The block that begins with a comment that names its file.
fn block(file: &str) -> String {
    let comment = format!("# {file}\n");
    blocks("yaml").into_iter().find(|block| block.starts_with(&comment)).expect(file)
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

fn pre_commit_is_valid(place: &Place) {
    fs::copy(Path::new(ROOT).join(".pre-commit-hooks.yaml"), place.path("hooks.yaml")).unwrap();
    place.run("pre-commit", &["validate-manifest", "hooks.yaml"]).succeeded();
    place.write("config.yaml", block(".pre-commit-config.yaml"));
    place.run("pre-commit", &["validate-config", "config.yaml"]).succeeded();
    let guide: Value = manifest::documents(place.read("config.yaml").as_bytes()).remove(0);
    let hooks = manifest::documents(place.read("hooks.yaml").as_bytes()).remove(0);
    let ids: Vec<&Value> = hooks.as_array().unwrap().iter().map(|hook| &hook["id"]).collect();
    assert!(ids.contains(&&guide["repos"][0]["hooks"][0]["id"]), "{guide}");
}

/// The repository under git, with a hook of ours.
fn with_hook(place: &Place, hook: &str) {
    place.write("../prelit/.pre-commit-hooks.yaml", fs::read(Path::new(ROOT).join(".pre-commit-hooks.yaml")).unwrap());
    let ours = commit(place, "../prelit");
    repository(place);
    let config = block(".pre-commit-config.yaml")
        .replace("https://github.com/your-org/prelit", "../prelit")
        .replace("rev: v0.1.0", &format!("rev: {ours}"))
        .replace("id: prelit-check", &format!("id: {hook}"));
    place.write(".pre-commit-config.yaml", config);
    commit(place, ".");
}

/// Commits what is in a folder.
fn commit(place: &Place, folder: &str) -> String {
    let git = |arguments: &[&str]| {
        let who = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-C", folder];
        place.run("git", &[&who, arguments].concat()).succeeded().stdout.trim().to_owned()
    };
    git(&["init", "--quiet"]);
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message", "all"]);
    git(&["rev-parse", "HEAD"])
}

/// pre-commit over all files, with what it needs to build Rust.
fn pre_commit(place: &Place) -> Run {
    let mut command = place.command("pre-commit");
    command.args(["run", "--all-files", "--verbose"]);
    build_environment(&mut command);
    Run::of(&mut command, "")
}

/// What a build takes from the environment of the tests: the toolchain, the crates that are there, and the
/// folder in which they are compiled already.
fn build_environment(command: &mut std::process::Command) {
    let cargo = Path::new(env!("CARGO")).parent().unwrap();
    let path = command.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, path)| path).unwrap().to_owned();
    command.env("PATH", format!("{}:{}", path.to_str().unwrap(), cargo.display()));
    let home = env::var("CARGO_HOME").or_else(|_| env::var("HOME").map(|home| format!("{home}/.cargo")));
    command.env("CARGO_HOME", home.unwrap());
    command.env("CARGO_TARGET_DIR", env::var("CARGO_TARGET_DIR").unwrap_or(format!("{ROOT}/target")));
}

fn pre_commit_system(place: &Place) {
    with_hook(place, "prelit-check-system");
    let run = pre_commit(place).exited(1);
    assert!(run.stdout.contains("manifests/assistant.yaml:15:11: finding: Deployment/assistant"), "{}", run.stdout);
    assert!(run.stdout.contains("3 findings"), "{}", run.stdout);
    place.run("prelit", &["inject", "--quiet", "--write", "."]).succeeded();
    let run = pre_commit(place).succeeded();
    assert!(run.stdout.contains("no findings"), "{}", run.stdout);
}

/// The sources, as cargo needs them.
fn sources(place: &Place) {
    for folder in ["src", "tests", "benches"] {
        place.copy(folder, format!("../prelit/{folder}"));
    }
    for file in ["Cargo.toml", "Cargo.lock", "README.md", "LICENSE"] {
        place.write(format!("../prelit/{file}"), fs::read(Path::new(ROOT).join(file)).unwrap());
    }
}

fn pre_commit_rust(place: &Place) {
    sources(place);
    place.unlink("prelit"); // the hook must use its own
    with_hook(place, "prelit-inject");
    let run = pre_commit(place).exited(1);
    assert!(run.stdout.contains("files were modified by this hook"), "{}", run.stdout);
    assert!(place.read("manifests/assistant.yaml").contains("openlit.io/injection"));
    pre_commit(place).succeeded();
    let config = place.read(".pre-commit-config.yaml").replace("id: prelit-inject", "id: prelit-check");
    place.write(".pre-commit-config.yaml", config);
    let run = pre_commit(place).succeeded();
    assert!(run.stdout.contains("no findings"), "{}", run.stdout);
}

/// The commands of the guide that have a text in them.
fn recipe(text: &str) -> String {
    blocks("sh").into_iter().find(|block| block.contains(text)).expect(text)
}

/// Runs the recipe twice: the second time there is nothing to commit.
fn flux_commit(place: &Place) {
    place.copy("testdata/repositories/assistant/manifests/openlit.yaml", "ai.yaml");
    repository(place);
    commit(place, ".");
    place.run("git", &["init", "--quiet", "--bare", "../remote"]).succeeded();
    place.run("git", &["remote", "add", "origin", "../remote"]).succeeded();
    place.write("../home/.gitconfig", "[user]\nname = a\nemail = a@example.com\n[push]\nautoSetupRemote = true\n");
    let recipe = recipe("git push");
    for _ in 0..2 {
        place.run("bash", &["-c", &recipe]).succeeded();
    }
    let pushed = ["-C", "../remote", "log", "--all", "--format=%s"];
    assert_eq!(place.run("git", &pushed).succeeded().stdout, "Render overlays/prod\nall\n");
    assert!(place.read("rendered/prod.yaml").contains("openlit.io/injection"));
}

/// Up to the push itself, which needs a registry.
fn flux_artifact(place: &Place) {
    place.copy("testdata/repositories/assistant/manifests/openlit.yaml", "ai.yaml");
    repository(place);
    let recipe = recipe("flux push");
    let (render, _) = recipe.split_once("flux push").unwrap();
    place.run("bash", &["-c", render]).succeeded();
    assert_eq!(place.read("rendered/chat.yaml").matches("openlit.io/injection").count(), 4);
}

fn install(place: &Place) {
    place.unlink("prelit");
    let run = action(repository(place), &[("paths", "manifests")]).exited(1);
    assert_eq!(annotations(&run, "error").len(), 2, "{}", run.stdout);
}
