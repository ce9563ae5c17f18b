//! `prelit cmp` in the folders of Applications, as Argo CD's plugin server runs it; and beside programs that behave
//! badly. `PRELIT_BLESS=1` writes what comes of the Applications.

use crate::application::Application;
use crate::place::{Place, ROOT, Run};
use crate::tools::Tools;
use libtest_mimic::{Completion, Trial};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

type Test = fn(&Place);

pub fn trials(tools: &Tools) -> Vec<Trial> {
    let mut trials: Vec<Trial> = Application::all()
        .into_iter()
        .map(|application| {
            let name = format!("cmp::{}", application.name);
            let needs = application.needs();
            tools.trial(&name, needs, move |place| becomes_what_is_written(place, &application))
        })
        .collect();
    let others: [(&str, Test); 9] = [
        ("this_repository_can_be_a_source", this_repository_can_be_a_source),
        ("a_program_that_takes_too_long_is_ended", a_program_that_takes_too_long_is_ended),
        ("a_program_that_does_not_listen_is_no_obstacle", a_program_that_does_not_listen_is_no_obstacle),
        ("a_program_that_is_missing_is_named", a_program_that_is_missing_is_named),
        ("a_program_gets_nothing_of_the_environment", a_program_gets_nothing_of_the_environment),
        ("what_a_program_says_is_short_and_hides_credentials", what_a_program_says_is_short_and_hides_credentials),
        ("an_answer_that_is_no_manifest_is_an_error", an_answer_that_is_no_manifest_is_an_error),
        ("folders_that_can_be_rendered_are_discovered", folders_that_can_be_rendered_are_discovered),
        ("parameters_are_those_of_the_folder", parameters_are_those_of_the_folder),
    ];
    trials.extend(others.map(|(name, test)| tools.trial(&format!("cmp::{name}"), &[], test)));
    trials.push(tools.ignorable_trial("cmp::a_program_sees_nothing_but_the_checkout", &[], |place| {
        a_program_sees_nothing_but_the_checkout(place)
    }));
    trials
}

fn becomes_what_is_written(place: &Place, application: &Application) {
    application.set_up(place);
    let run = || {
        let folder = place.path("repository").join(application.path());
        let up: String = application.path().split('/').map(|_| "../").collect();
        let mut command = place.command("prelit");
        command.current_dir(folder).args(["cmp", "generate", "--defaults", &format!("{up}../defaults")]);
        Run::of(command.envs(application.environment()), "")
    };
    let once = run();
    let (output, error) = (application.file("output.yaml"), application.file("error.txt"));
    if std::env::var_os("PRELIT_BLESS").is_some_and(|value| value == "1") {
        let (keep, text, drop) =
            if once.code == 0 { (&output, &once.stdout, &error) } else { (&error, &once.stderr, &output) };
        fs::write(keep, text).unwrap();
        let _none = fs::remove_file(drop);
    }
    if error.is_file() {
        let once = once.exited(1);
        assert_eq!(once.stdout, "");
        assert_eq!(once.stderr, fs::read_to_string(error).unwrap());
    } else {
        let once = once.succeeded();
        assert_eq!(once.stdout, fs::read_to_string(output).unwrap());
        assert_eq!(once.stdout, run().succeeded().stdout, "a second time");
    }
}

/// The example Applications point to it, and Argo CD refuses a repository in which a link leads out of it.
fn this_repository_can_be_a_source(_: &Place) {
    let files = ignore::WalkBuilder::new(ROOT).hidden(false).build().map(Result::unwrap);
    let links: Vec<_> = files.filter(ignore::DirEntry::path_is_symlink).map(|file| file.path().to_owned()).collect();
    assert!(links.is_empty(), "{links:?}");
}

/// Puts a script on the PATH, under a name.
fn script(place: &Place, name: &str, text: &str) {
    // It is given none.
    place.write(name, format!("#!/bin/sh\nPATH=/usr/bin:/bin\n{text}\n"));
    fs::set_permissions(place.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    place.link(&place.path(name), name);
}

/// `prelit cmp` in a kustomization that a script renders.
fn over_script(place: &Place, text: &str, arguments: &[&str]) -> Run {
    script(place, "kustomize", text);
    place.write("app/kustomization.yaml", "resources: []\n");
    let mut command = place.command("prelit");
    command.current_dir(place.path("app")).args(["cmp", "generate"]).args(arguments);
    Run::of(command.env("ARGOCD_APP_SOURCE_PATH", "app").env("ARGOCD_ENV_SECRET", "s3cret"), "")
}

fn a_program_that_takes_too_long_is_ended(place: &Place) {
    let start = Instant::now();
    let run = over_script(place, "exec sleep 60", &["--timeout", "1"]).exited(1);
    assert!(start.elapsed() < Duration::from_secs(20));
    assert_eq!(run.stdout, "");
    assert!(run.stderr.contains("kustomize: found no end of it after 1 s"), "{}", run.stderr);
    // What it has started itself holds the pipes open.
    let run = over_script(&Place::new(Vec::new()), "sleep 60", &["--timeout", "1"]).exited(1);
    assert!(run.stderr.contains("after 1 s"), "{}", run.stderr);
    assert!(start.elapsed() < Duration::from_secs(40));
}

fn a_program_that_does_not_listen_is_no_obstacle(place: &Place) {
    script(place, "helm", "echo 'kind: A'");
    place.write("app/Chart.yaml", "name: chat\n");
    let values = "a: ".to_owned() + &"x".repeat(100_000);
    let parameters = serde_json::json!([{ "name": "values", "string": values }]).to_string();
    let mut command = place.command("prelit");
    command.current_dir(place.path("app")).args(["cmp", "generate"]).env("ARGOCD_APP_NAME", "chat");
    let run = Run::of(command.env("ARGOCD_APP_PARAMETERS", parameters), "").succeeded();
    assert_eq!(run.stdout, "kind: A\n");
}

fn a_program_that_is_missing_is_named(place: &Place) {
    place.write("app/Chart.yaml", "name: chat\n");
    let mut command = place.command("prelit");
    command.current_dir(place.path("app")).args(["cmp", "generate"]).env("ARGOCD_APP_NAME", "chat");
    let bin = place.program("prelit").parent().unwrap().to_owned();
    let run = Run::of(command.env("PATH", bin), "").exited(1);
    assert_eq!(run.stderr, "prelit: helm: not found on the PATH; expected it in the plugin's image\n");
}

fn a_program_gets_nothing_of_the_environment(place: &Place) {
    let run = over_script(place, "echo kind: A; env | sed 's/^/# /'", &[]).succeeded();
    assert!(!run.stdout.contains("ARGOCD") && !run.stdout.contains("s3cret"), "{}", run.stdout);
    assert!(run.stdout.contains("# HOME=/nonexistent\n"), "{}", run.stdout);
}

/// Linux has had the means since 5.13, and containers may take them away.
fn a_program_sees_nothing_but_the_checkout(place: &Place) -> Completion {
    place.write("secret.yaml", "kind: Secret\n");
    let text =
        "echo kind: A; cat kustomization.yaml ../secret.yaml /etc/passwd /proc/1/environ; echo > written; exit 0";
    script(place, "kustomize", text);
    place.write("repo/app/kustomization.yaml", "# resources: []\n");
    let mut command = place.command("prelit");
    command.current_dir(place.path("repo/app")).args(["cmp", "generate"]).env("ARGOCD_APP_SOURCE_PATH", "app");
    let run = Run::of(&mut command, "").succeeded();
    if run.stdout.contains("root:") {
        return Completion::ignored_with("skipped: the kernel has no Landlock here");
    }
    assert_eq!(run.stdout, "kind: A\n# resources: []\n", "{}", run.stderr);
    assert!(run.stderr.contains("/etc/passwd: Permission denied"), "{}", run.stderr);
    assert!(!place.path("repo/app/written").exists());
    Completion::Completed
}

fn what_a_program_says_is_short_and_hides_credentials(place: &Place) {
    let text = "echo \"cannot fetch https://user:s3cret@example.com/x in $PWD/a.yaml\" >&2; \
                head -c 1000000 /dev/zero | tr '\\0' x >&2; echo >&2; echo 'Error: the end of it' >&2; exit 3";
    let run = over_script(place, text, &[]).exited(1);
    let head = "prelit: kustomize failed (exit status: 3): cannot fetch https://***@example.com/x in a.yaml; …";
    assert!(run.stderr.starts_with(head), "{}", run.stderr);
    assert!(run.stderr.len() < 2_200 && run.stderr.ends_with("; Error: the end of it\n"), "{}", run.stderr);
}

fn an_answer_that_is_no_manifest_is_an_error(place: &Place) {
    let run = over_script(place, "printf 'kind: A\\n---\\nb: [\\n'", &[]).exited(1);
    assert_eq!(run.stdout, "");
    assert!(run.stderr.starts_with("<kustomize build>:3:"), "{}", run.stderr);
    let run = over_script(&Place::new(Vec::new()), "kill -9 $$", &[]).exited(1);
    assert!(run.stderr.contains("kustomize failed (signal: 9 (SIGKILL)): it says nothing"), "{}", run.stderr);
}

fn folders_that_can_be_rendered_are_discovered(place: &Place) {
    place.write("overlay/Kustomization", "");
    place.write("chart/Chart.yaml", "");
    place.write("plain/a.yaml", "kind: A\n");
    place.write("below/a/a.yaml", "kind: A\n");
    place.write("others/values.yaml", "a: 1\n");
    place.write("jsonnet/a.yaml", "kind: A\n");
    place.write("jsonnet/b.jsonnet", "{}\n");
    for (folder, kind) in [
        ("overlay", "kustomize\n"),
        ("chart", "helm\n"),
        ("plain", "directory\n"),
        ("below", ""),
        ("others", ""),
        ("jsonnet", ""),
    ] {
        let mut command = place.command("prelit");
        let run = Run::of(command.current_dir(place.path(folder)).args(["cmp", "discover"]), "").succeeded();
        assert_eq!(run.stdout, kind, "{folder}");
    }
}

fn parameters_are_those_of_the_folder(place: &Place) {
    place.write("chart/Chart.yaml", "");
    place.write("defaults/settings.yaml", "OPENLIT_OTLP_ENDPOINT: http://sidecar:4318\n");
    let mut command = place.command("prelit");
    command.current_dir(place.path("chart")).args(["cmp", "parameters", "--defaults", "../defaults"]);
    let run = Run::of(&mut command, "").succeeded();
    let list: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let find = |name: &str| list.as_array().unwrap().iter().find(|each| each["name"] == name);
    assert_eq!(find("endpoint").unwrap()["string"], "http://sidecar:4318");
    assert_eq!(find("values-files").unwrap()["collectionType"], "array");
    assert!(find("recurse").is_none() && find("settings").is_none());
}
