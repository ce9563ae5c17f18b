//! The command as a user meets it: help, arguments, files and folders, exit codes. What is injected
//! is the business of the golden folders.

#![allow(clippy::unwrap_used)] // Tests may panic: that is how they fail.

use assert_cmd::Command;
use std::fs;
use std::path::Path;
use std::process::Output;
use tempfile::TempDir;

const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata:\n  name: chat   # kept\n";

const SELECTED: &str = "apiVersion: apps/v1
kind: Deployment
metadata:
  name: chat
spec:
  template:
    metadata:
      labels:
        openlit.io/instrument: \"true\"
    spec:
      containers:
        - name: app
          image: python:3.11-slim
";

fn prelit(folder: &Path, arguments: &[&str], stdin: &str) -> Output {
    let mut command = Command::cargo_bin("prelit").unwrap();
    command.current_dir(folder).args(arguments).write_stdin(stdin).output().unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

fn tree(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

/// An error: exit code 2, a message, and nothing on stdout.
fn assert_error(output: &Output, message: &str) {
    assert_eq!(output.status.code(), Some(2), "{}", stderr(output));
    assert_eq!(stdout(output), "");
    assert!(stderr(output).contains(message), "{}", stderr(output));
}

fn here() -> TempDir {
    tempfile::tempdir().unwrap()
}

mod help {
    use super::*;

    #[test]
    fn every_command_has_examples_or_a_sentence() {
        for command in ["inject", "remove", "check", "explain"] {
            let output = prelit(here().path(), &[command, "--help"], "");
            assert_eq!(output.status.code(), Some(0));
            assert!(stdout(&output).contains("Examples:"), "{command}");
        }
        for command in ["crd", "completions", "man"] {
            let output = prelit(here().path(), &[command, "--help"], "");
            assert!(stdout(&output).contains("For example: prelit"), "{command}");
        }
    }

    #[test]
    fn the_exit_codes_are_in_the_help() {
        let output = prelit(here().path(), &["--help"], "");
        assert_eq!(output.status.code(), Some(0));
        assert!(stdout(&output).contains("Exit codes:"));
        assert_error(&prelit(here().path(), &[], ""), "Usage: prelit");
    }

    #[test]
    fn completions_for_every_shell() {
        for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
            let output = prelit(here().path(), &["completions", shell], "");
            assert_eq!(output.status.code(), Some(0));
            assert!(stdout(&output).contains("skip-unparsable"), "{shell}");
        }
        assert_error(&prelit(here().path(), &["completions", "csh"], ""), "csh");
    }

    #[test]
    fn man_pages_of_the_tool_and_its_commands() {
        let output = prelit(here().path(), &["man"], "");
        assert!(stdout(&output).contains(".TH prelit 1"), "{}", stdout(&output));
        let output = prelit(here().path(), &["man", "inject"], "");
        assert!(stdout(&output).contains(".TH prelit-inject 1"), "{}", stdout(&output));
        assert!(stdout(&output).contains("skip\\-unparsable"));
    }
}

mod arguments {
    use super::*;

    #[test]
    fn what_is_unknown_or_contradictory_is_an_error() {
        for (arguments, message) in [
            (&["inject", "--frobnicate"][..], "--frobnicate"),
            (&["inject", "--write", "--diff", "."], "--diff"),
            (&["inject", "--set", "NAME"], "NAME=VALUE"),
            (&["check", "--format", "xml"], "xml"),
            (&["check", "--write", "."], "--write"),
            (&["-q", "-v", "inject"], "--verbose"),
            (&["infect"], "infect"),
        ] {
            assert_error(&prelit(here().path(), arguments, SERVICE), message);
        }
    }

    #[test]
    fn stdin_cannot_be_written_in_place() {
        assert_error(&prelit(here().path(), &["inject", "--write"], SERVICE), "expected files or folders");
        assert_error(&prelit(here().path(), &["remove", "--write", "-"], SERVICE), "expected files or folders");
    }

    #[test]
    fn every_file_that_is_not_there_is_named() {
        let output = prelit(here().path(), &["inject", "a.yaml", "b.yaml"], "");
        assert_error(&output, "a.yaml: No such file");
        assert_error(&output, "b.yaml: No such file");
        assert_error(&prelit(here().path(), &["inject", "--config", "c.yaml"], SERVICE), "c.yaml: cannot be read");
        assert_error(&prelit(here().path(), &["inject", "--settings", "s"], SERVICE), "s: cannot be read");
    }
}

mod streams {
    use super::*;

    #[test]
    fn a_filter_copies_what_is_no_workload() {
        for text in [SERVICE, "", "\u{feff}a: 1\r\n", "not: [yaml", "{\"kind\": \"Service\"}", "---\n---\n"] {
            for command in ["inject", "remove"] {
                for arguments in [&[command][..], &[command, "-"]] {
                    let output = prelit(here().path(), arguments, text);
                    assert_eq!((output.status.code(), stdout(&output)), (Some(0), text), "{}", stderr(&output));
                }
            }
        }
    }

    #[test]
    fn quiet_is_quiet() {
        assert_eq!(stderr(&prelit(here().path(), &["-q", "inject"], SERVICE)), "");
        assert_eq!(stderr(&prelit(here().path(), &["inject", "-q"], SERVICE)), "");
        assert!(stderr(&prelit(here().path(), &["inject"], SERVICE)).starts_with("prelit: "));
    }

    #[test]
    fn files_are_one_stream_in_the_order_of_the_arguments() {
        let folder = tree(&[("b.yaml", "kind: B"), ("a.yaml", "\u{feff}---\nkind: A\n")]);
        let output = prelit(folder.path(), &["inject", "b.yaml", "a.yaml", "-"], "kind: C\n");
        assert_eq!(stdout(&output), "kind: B\n---\nkind: A\n---\nkind: C\n");
    }

    #[test]
    fn a_folder_is_its_manifests_in_the_order_of_their_names() {
        let folder = tree(&[
            ("k8s/b.yaml", "apiVersion: v1\nkind: B\n"),
            ("k8s/a/z.yml", "apiVersion: v1\nkind: Z\n"),
            ("k8s/c.json", "{\"apiVersion\": \"v1\", \"kind\": \"C\"}\n"),
            ("k8s/values.yaml", "replicas: 3\n"),
            ("k8s/readme.md", "# no\n"),
            ("k8s/.hidden.yaml", "apiVersion: v1\nkind: Hidden\n"),
            ("k8s/out/x.yaml", "apiVersion: v1\nkind: Ignored\n"),
            ("k8s/.gitignore", "out/\n"),
            ("k8s/old/y.yaml", "apiVersion: v1\nkind: Excluded\n"),
        ]);
        let output = prelit(folder.path(), &["inject", "-v", "k8s", "--exclude", "k8s/old"], "");
        assert_eq!(
            stdout(&output),
            "apiVersion: v1\nkind: Z\n---\napiVersion: v1\nkind: B\n---\n{\"apiVersion\": \"v1\", \"kind\": \"C\"}\n"
        );
        assert!(stderr(&output).contains("k8s/values.yaml: left alone"), "{}", stderr(&output));
        assert!(stderr(&output).contains("in 4 files, 1 left alone"), "{}", stderr(&output));
    }

    #[test]
    fn an_empty_stream_is_never_written_for_a_folder() {
        let folder = tree(&[("values.yaml", "a: 1\n")]);
        assert_error(&prelit(folder.path(), &["inject", "."], ""), "nothing to write");
        assert_error(&prelit(here().path(), &["inject", "."], ""), "nothing to read");
        let output = prelit(folder.path(), &["inject", "values.yaml"], "");
        assert_eq!(stdout(&output), "a: 1\n");
    }

    #[test]
    fn a_chart_is_left_alone() {
        let folder = tree(&[
            ("Chart.yaml", "apiVersion: v2\nkind: no\n"),
            ("values.yaml", "a: 1\n"),
            (
                "templates/deploy.yaml",
                "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {{ .Release.Name }}\n",
            ),
            ("crds/crd.yaml", SERVICE),
        ]);
        let output = prelit(folder.path(), &["inject", "."], "");
        assert_eq!(stdout(&output), SERVICE);
        let output = prelit(folder.path(), &["explain", "."], "");
        assert_eq!(stdout(&output).matches("[not-kubernetes]").count(), 3, "{}", stdout(&output));
    }

    #[test]
    fn a_stream_that_begins_with_json_says_that_it_has_documents() {
        let list = "{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": []}\n";
        let folder = tree(&[("a.json", list), ("b.yaml", SERVICE)]);
        assert_eq!(stdout(&prelit(folder.path(), &["inject", "."], "")), format!("---\n{list}---\n{SERVICE}"));
        assert_eq!(stdout(&prelit(folder.path(), &["inject", "a.json"], "")), list);
    }

    #[cfg(unix)]
    #[test]
    fn a_stdout_that_cannot_be_written_to_is_an_error() {
        let folder = tree(&[("a.yaml", SERVICE)]);
        let output = std::process::Command::new(assert_cmd::cargo::cargo_bin("prelit"))
            .args(["inject", "a.yaml"])
            .current_dir(folder.path())
            .stdout(fs::File::open("/dev/null").unwrap())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains("prelit: stdout: "), "{}", stderr(&output));
    }

    #[cfg(unix)]
    #[test]
    fn a_reader_that_goes_away_is_no_error() {
        use std::process::{Command, Stdio};
        let folder = tree(&[("big.yaml", &"a: 1\n".repeat(200_000))]);
        let binary = assert_cmd::cargo::cargo_bin("prelit");
        let mut child = Command::new(binary)
            .args(["inject", "big.yaml"])
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(!stderr(&output).contains("roken"), "{}", stderr(&output));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error() {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let binary = assert_cmd::cargo::cargo_bin("prelit");
        let folder = tree(&[("a.yaml", SERVICE)]);
        let output = std::process::Command::new(binary)
            .args(["inject", "a.yaml"])
            .current_dir(folder.path())
            .stdout(full)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains("prelit: stdout: "), "{}", stderr(&output));
    }
}

mod files {
    use super::*;

    #[test]
    fn what_does_not_change_is_not_written() {
        let folder = tree(&[("a.yaml", SERVICE), ("b.txt", SERVICE)]);
        let before = fs::metadata(folder.path().join("a.yaml")).unwrap().modified().unwrap();
        for arguments in [&["inject", "--write", "."][..], &["remove", "--write", "."], &["inject", "--diff", "."]] {
            let output = prelit(folder.path(), arguments, "");
            assert_eq!((output.status.code(), stdout(&output)), (Some(0), ""), "{}", stderr(&output));
        }
        assert_eq!(fs::metadata(folder.path().join("a.yaml")).unwrap().modified().unwrap(), before);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_path_that_matches_nothing_is_an_error() {
        let folder = tree(&[("a.yaml", SERVICE), ("b.txt", SERVICE)]);
        for arguments in
            [&["check", "."][..], &["inject", "--write", "."], &["explain", "."], &["inject", "--diff", "."]]
        {
            assert_error(&prelit(here().path(), arguments, ""), "nothing to read");
            assert_error(
                &prelit(folder.path(), &[arguments, &["--exclude", "a.yaml"]].concat(), ""),
                "nothing to read",
            );
        }
        assert_error(&prelit(folder.path(), &["check", "a.yaml", "--exclude", "*"], ""), "nothing to read");
        assert_error(&prelit(folder.path(), &["check", ".", "--exclude", "["], ""), "--exclude [");
    }

    #[test]
    fn a_file_that_is_no_text_is_said_once() {
        let folder = tree(&[("a.yaml", SERVICE)]);
        fs::write(folder.path().join("b.yaml"), b"\xff\xfea\0:\0").unwrap();
        let output = prelit(folder.path(), &["check", "-v", "."], "");
        assert_eq!(output.status.code(), Some(1));
        assert!(stdout(&output).contains("[unparsable]"), "{}", stdout(&output));
        assert!(!stderr(&output).contains("left alone:"), "{}", stderr(&output));
        // One that is named is copied if it need not be parsed by its first bytes, and else refused.
        assert_error(&prelit(folder.path(), &["inject", "b.yaml"], ""), "UTF-16");
    }

    #[test]
    fn a_diff_can_be_applied_from_where_it_was_made_or_from_the_root() {
        let folder = tree(&[("a/b/here.yaml", SELECTED), ("a/up.yaml", SELECTED)]);
        let inside = folder.path().join("a/b");
        let root = fs::canonicalize(folder.path()).unwrap();
        let head = |folder: &Path, arguments: &[&str]| {
            let output = prelit(folder, &[&["inject", "-q", "--diff"], arguments].concat(), "");
            assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
            let lines: Vec<String> =
                stdout(&output).lines().filter_map(|line| Some(line.strip_prefix("--- a/")?.to_owned())).collect();
            lines
        };
        let absolute = |path: &str| root.join(path).to_str().unwrap().trim_start_matches('/').to_owned();
        assert_eq!(head(&inside, &["here.yaml"]), ["here.yaml"]);
        assert_eq!(head(&inside, &["../b/./here.yaml"]), ["here.yaml"]);
        assert_eq!(head(&inside, &[root.join("a/b/here.yaml").to_str().unwrap()]), ["here.yaml"]);
        assert_eq!(head(folder.path(), &["./a/"]), ["a/b/here.yaml", "a/up.yaml"]);
        assert_eq!(head(&inside, &["../up.yaml"]), [absolute("a/up.yaml")]);
        assert_eq!(head(&inside, &["here.yaml", "../up.yaml"]), [absolute("a/b/here.yaml"), absolute("a/up.yaml")]);
    }
}

mod settings {
    use super::*;

    #[test]
    fn everything_that_is_wrong_is_said_at_its_line() {
        let folder = tree(&[
            (
                "bad.env",
                "OPENLIT_OTLP_TIMEOUT=5\n# c\n\nfoo\nbar baz\nFOO=hunter2\nOPENLIT_OTLP_TIMEOUT=6\nOPENLIT_DETECTION=lax\n",
            ),
            ("bad.yaml", "FOO: 1\nOPENLIT_DETECTION: lax\nOPENLIT_OTLP_TIMEOUT: [1]\n"),
        ]);
        let output = prelit(folder.path(), &["inject", "--settings", "bad.env", "--set", "X=1"], SERVICE);
        for expected in [
            "prelit: X: unknown setting",
            "bad.env:4:1: expected NAME=VALUE\n",
            "bad.env:5:1: expected NAME=VALUE\n",
            "bad.env:6:5: FOO: unknown setting",
            "bad.env:7:1: OPENLIT_OTLP_TIMEOUT: stands twice",
            "bad.env:8:19: OPENLIT_DETECTION: found \"lax\"",
        ] {
            assert_error(&output, expected);
        }
        assert!(!stderr(&output).contains("hunter2"), "{}", stderr(&output));
        let output = prelit(folder.path(), &["inject", "--settings", "bad.yaml"], SERVICE);
        for expected in
            ["bad.yaml:1:", "bad.yaml:2:20: OPENLIT_DETECTION", "bad.yaml:3:23: OPENLIT_OTLP_TIMEOUT: found a list"]
        {
            assert_error(&output, expected);
        }
    }

    #[test]
    fn they_do_not_come_from_stdin() {
        assert_error(&prelit(here().path(), &["inject", "--settings", "-"], SERVICE), "expected a file");
        assert_error(&prelit(here().path(), &["inject", "-c", "-"], SERVICE), "expected a file");
    }
}

mod formats {
    use super::*;

    #[test]
    fn what_holds_for_a_template_is_said_once() {
        let text = SELECTED.replace("    spec:\n", "    spec: &pod\n").replace(
            "          image: python:3.11-slim\n",
            "          image: python:3.11-slim\n        - name: more\n          image: python:3.11-slim\nx: *pod\n",
        );
        for format in ["text", "github"] {
            let output = prelit(here().path(), &["check", "--format", format], &text);
            assert_eq!(stdout(&output).matches("shared-anchor").count(), 1, "{}", stdout(&output));
        }
    }

    #[test]
    fn an_error_is_said_once() {
        let injected = prelit(here().path(), &["inject"], SELECTED);
        let broken = stdout(&injected).replace("openlit.io/injection: '{", "openlit.io/injection: '{{");
        let output = prelit(here().path(), &["remove"], &broken);
        assert_error(&output, "cannot be read");
        assert_eq!(stderr(&output).matches("cannot be read").count(), 1, "{}", stderr(&output));
    }

    #[test]
    fn a_quiet_github_has_no_notices() {
        let check = |arguments: &[&str]| {
            let all = [&["check", "--format", "github"], arguments].concat();
            stdout(&prelit(here().path(), &all, SELECTED)).to_owned()
        };
        assert!(check(&[]).contains("::notice"), "{}", check(&[]));
        assert!(!check(&["-q"]).contains("::notice") && check(&["-q"]).contains("::error"), "{}", check(&["-q"]));
    }

    #[test]
    fn every_format_can_say_nothing() {
        let check = |format: &str| {
            let output = prelit(here().path(), &["check", "--format", format], SERVICE);
            assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
            stdout(&output).to_owned()
        };
        assert_eq!(check("text"), "");
        assert_eq!(check("github"), "");
        let json: serde_json::Value = serde_json::from_str(&check("json")).unwrap();
        assert_eq!((&json["schema"], &json["findings"]), (&1.into(), &0.into()));
        let sarif: serde_json::Value = serde_json::from_str(&check("sarif")).unwrap();
        assert_eq!(sarif["version"], "2.1.0");
        assert_eq!(sarif["runs"][0]["results"], serde_json::json!([]));
    }

    #[test]
    fn explain_answers_for_no_workload() {
        let output = prelit(here().path(), &["explain"], SERVICE);
        assert_eq!((output.status.code(), stdout(&output)), (Some(0), "no workload was found\n"));
        let output = prelit(here().path(), &["explain", "--format", "json"], SERVICE);
        let json: serde_json::Value = serde_json::from_str(stdout(&output)).unwrap();
        assert_eq!(json["containers"], serde_json::json!([]));
    }
}

#[cfg(feature = "webhook")]
#[test]
fn the_webhook_says_all_that_is_wrong_with_its_settings_at_once() {
    let given = [
        ("CERT_MODE", "provided"),
        ("LOG_LEVEL", "loud"),
        ("METRICS_PORT", "8081"),
        ("OPENLIT_OTLP_ENDPOINT", "ftp://collector"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "key=4711\nother"),
        ("WATCH_NAMESPACE", "Prod"),
        ("WEBHOOK_FAILURE_POLICY", "Never"),
    ];
    let mut command = Command::cargo_bin("prelit").unwrap();
    let output = command.arg("webhook").env_clear().envs(given).output().unwrap();
    assert_eq!((output.status.code(), stdout(&output)), (Some(2), ""), "{}", stderr(&output));
    let said: Vec<&str> = stderr(&output).lines().collect();
    assert_eq!(said.len(), given.len(), "{said:?}");
    for ((name, _), said) in given.iter().zip(&said) {
        assert!(said.starts_with(&format!("prelit: {name}: found ")), "{said}");
    }
    assert!(!stderr(&output).contains("4711"), "{}", stderr(&output));
}

#[test]
fn a_check_of_nothing_does_not_pass() {
    for nothing in ["", "# a build that failed\n---\n"] {
        assert_error(&prelit(here().path(), &["check"], nothing), "found nothing to check");
        assert_eq!(prelit(here().path(), &["inject"], nothing).status.code(), Some(0), "a filter passes it on");
    }
    assert_eq!(prelit(here().path(), &["check", "-"], SERVICE).status.code(), Some(0));
    let chart = tree(&[
        ("chart/Chart.yaml", "apiVersion: v2\nname: chat\nversion: 1.0.0\n"),
        ("chart/templates/a.yaml", "apiVersion: apps/v1\nkind: {{ .Values.kind }}\n"),
    ]);
    assert_error(&prelit(chart.path(), &["check", "."], ""), "a chart is to be rendered first");
    fs::write(chart.path().join("service.yaml"), SERVICE).unwrap();
    assert_eq!(prelit(chart.path(), &["check", "."], "").status.code(), Some(0));
}

#[test]
fn a_function_on_a_command_line_says_what_it_is() {
    let output = prelit(here().path(), &["fn"], SELECTED);
    assert_eq!(output.status.code(), Some(1), "functions know success and failure");
    assert_eq!(stdout(&output), "");
    assert!(stderr(&output).contains("expected a ResourceList"), "{}", stderr(&output));
    for wrong in [&["fn", "--chek"][..], &["fn", "--check", "--remove"]] {
        let output = prelit(here().path(), wrong, "");
        assert_eq!((output.status.code(), stdout(&output)), (Some(1), ""), "{wrong:?}");
    }
    let help = prelit(here().path(), &["fn", "--help"], "");
    assert!(stdout(&help).contains("kpt fn eval"), "{}", stdout(&help));
}

#[cfg(unix)]
#[test]
fn the_plugin_of_kustomize_is_a_link_that_comes_and_goes() {
    let folder = here();
    for _ in 0..2 {
        let output = prelit(folder.path(), &["install-kustomize-plugin", "--dir", "plugins"], "");
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let place = "plugins/openlit.io/v1alpha1/autoinstrumentation/AutoInstrumentation";
        assert_eq!(stdout(&output), format!("{place}\n"));
        let link = folder.path().join(place);
        assert!(link.symlink_metadata().unwrap().file_type().is_symlink());
        assert_eq!(fs::read_dir(link.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
        let plugin = std::process::Command::new(&link).arg("--version").output().unwrap();
        assert!(stdout(&plugin).starts_with("AutoInstrumentation "), "{plugin:?}");
    }
    let place = folder.path().join("plugins/openlit.io/v1alpha1/autoinstrumentation/AutoInstrumentation");
    let remove = ["install-kustomize-plugin", "--dir", "plugins", "--remove"];
    assert_eq!(prelit(folder.path(), &remove, "").status.code(), Some(0));
    assert!(place.symlink_metadata().is_err(), "it is gone");
    assert_error(&prelit(folder.path(), &remove, ""), "No such file");
    fs::write(&place, "#!/bin/sh\n").unwrap();
    for arguments in [&remove[..], &remove[..3]] {
        assert_error(&prelit(folder.path(), arguments, ""), "found something that is not a link to prelit");
    }
    assert_eq!(fs::read_to_string(&place).unwrap(), "#!/bin/sh\n", "what is another's stays");

    fs::write(folder.path().join("file"), "").unwrap();
    let refused = prelit(folder.path(), &["install-kustomize-plugin", "--dir", "file"], "");
    assert_error(&refused, "file/openlit.io/v1alpha1/autoinstrumentation/AutoInstrumentation");
}

#[test]
fn a_configuration_whose_aliases_stand_for_too_much_is_said_to_be_that() {
    let mut text = "apiVersion: openlit.io/v1alpha1\nkind: AutoInstrumentation\nmetadata:\n  a0: &a0 [x]\n".to_owned();
    for depth in 1..8 {
        let below = vec![format!("*a{}", depth - 1); 10].join(", ");
        text.push_str(&format!("  a{depth}: &a{depth} [{below}]\n"));
    }
    let folder = here();
    fs::write(folder.path().join("ai.yaml"), text).unwrap();
    let refused = prelit(folder.path(), &["inject", "--config", "ai.yaml"], SERVICE);
    assert_error(&refused, "alias");
}

/// Whoever starts the webhook has one try to mend them all; a pod that restarts again and again says one thing at a time.
#[cfg(feature = "webhook")]
#[test]
fn everything_that_is_wrong_with_the_settings_of_the_webhook_is_said_at_once() {
    let start = |variables: &[(&str, &str)]| {
        let mut command = Command::cargo_bin("prelit").unwrap();
        command.env_clear().envs(variables.iter().copied()).arg("webhook").output().unwrap()
    };
    let output = start(&[
        ("WEBHOOK_PORT", "0"),
        ("LOG_LEVEL", "loud"),
        ("CERT_MODE", "provided"),
        ("SELF_MONITORING_ENABLED", "true"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "hunter2"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "carrier-pigeon"),
    ]);
    for name in [
        "WEBHOOK_PORT: found \"0\"",
        "LOG_LEVEL: found \"loud\"",
        "CERT_MODE: found provided, which needs WEBHOOK_CERT_DIR",
        "OTEL_EXPORTER_OTLP_ENDPOINT: found \"collector:4317\"",
        "OTEL_EXPORTER_OTLP_HEADERS: found a value that is not shown here",
        "OTEL_EXPORTER_OTLP_PROTOCOL: found \"carrier-pigeon\"",
    ] {
        assert_error(&output, name);
    }
    assert!(!stderr(&output).contains("hunter2"), "{}", stderr(&output));
    let files = start(&[
        ("SELF_MONITORING_ENABLED", "true"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://collector:4318"),
        ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "/nowhere/ca.pem"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "https://collector:4318"),
        ("OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE", "/nowhere/else.pem"),
    ]);
    assert_error(&files, "/nowhere/ca.pem");
    assert_error(&files, "/nowhere/else.pem");
}
