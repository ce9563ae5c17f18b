//! What the doors inside other tools cost: `kustomize build` of 1,000 Deployments without a function, with one that
//! does nothing, with Prelit, and with the filter behind it; and what Argo CD's plugin adds to reading a folder, to
//! kustomize and to Helm. Prints tables of `docs/performance.md`.
//!
//! `cargo bench --bench pipelines` needs kustomize and Helm 3, in the folder `PRELIT_TEST_TOOLS` (as `kustomize` and
//! `helm3`) or on the PATH (as `kustomize` and `helm`).
//! `PRELIT_BENCH_RUNS` says how often each runs (default 7).

#[allow(dead_code, reason = "shared with another bench")]
mod race;

use race::{Input, Job, Outcome, Race, deployment};
use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

const PRELIT: &str = env!("CARGO_BIN_EXE_prelit");
const FLAGS: [&str; 3] = ["build", "--enable-alpha-plugins", "--enable-exec"];

fn main() -> Outcome {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    match arguments.first().and_then(|first| first.to_str()) {
        Some("--measure") => race::measure(&arguments[1..]),
        Some("--bench") => report(),
        // Started by `cargo test --all-targets`: times are no test.
        _ => Ok(()),
    }
}

fn report() -> Outcome {
    let folder = tempfile::tempdir()?;
    println!("{} runs each, in turn\n", race::runs());
    let kustomize = tool("kustomize", "kustomize", &["version"]);
    let helm = tool("helm3", "helm", &["version", "--short"]);
    plugin(folder.path(), kustomize.as_deref(), helm.as_deref())?;
    if let Some(kustomize) = kustomize {
        nothing_selected(folder.path(), &kustomize)?;
        everything_injected(folder.path(), &kustomize)?;
    }
    Ok(())
}

/// A tool, if it is there; else that what needs it is not measured.
fn tool(in_folder: &str, on_path: &str, version: &[&str]) -> Option<PathBuf> {
    let tool = env::var_os("PRELIT_TEST_TOOLS").map_or(on_path.into(), |tools| PathBuf::from(tools).join(in_folder));
    let is_there = race::answers(&tool.to_string_lossy(), version, "v");
    if !is_there {
        println!("Not measured where it is needed: {on_path} is not installed.\n");
    }
    is_there.then_some(tool)
}

/// Argo CD's plugin beside what it does without Prelit: reading the files, kustomize, Helm. Half of 200 Deployments are
/// selected.
fn plugin(folder: &Path, kustomize: Option<&Path>, helm: Option<&Path>) -> Outcome {
    let bin = folder.join("bin");
    fs::create_dir(&bin)?;
    for (name, tool) in [("kustomize", kustomize), ("helm", helm)] {
        if let Some(tool) = tool {
            symlink(tool.canonicalize().unwrap_or_else(|_| tool.to_path_buf()), bin.join(name))?;
        }
    }
    let path = format!("PATH={}:{}", bin.display(), env::var("PATH").unwrap_or_default());
    let in_folder = |name: &str, folder: &Path, command: &[&str]| {
        let words = ["-C", &folder.to_string_lossy(), &path, "ARGOCD_APP_NAME=chat", "ARGOCD_APP_SOURCE_PATH=app"]
            .into_iter()
            .chain(command.iter().copied())
            .map(OsString::from)
            .collect::<Vec<_>>();
        Job::new(name, Path::new("env"), words, Input::None)
    };
    let generate = |name: &str, folder: &Path| in_folder(name, folder, &[PRELIT, "cmp", "generate", "--quiet"]);
    let mut sources = Vec::new();
    let plain = source(folder, "plain-folder", "", &[])?;
    sources.push(("a plain folder", in_folder("`cat *.yaml`", &plain, &["sh", "-c", "cat *.yaml"]), plain));
    if kustomize.is_some() {
        let list: String = (0..200).map(|index| format!("- d{index:03}.yaml\n")).collect();
        let kustomization = format!("resources:\n{list}");
        let built = source(folder, "kustomization", "", &[("kustomization.yaml", kustomization.as_str())])?;
        sources.push(("a kustomization", in_folder("`kustomize build`", &built, &["kustomize", "build", "."]), built));
    }
    if helm.is_some() {
        let chart =
            source(folder, "chart", "templates", &[("Chart.yaml", "apiVersion: v2\nname: chat\nversion: 1.0.0\n")])?;
        let template = ["helm", "template", "--include-crds", "chat", "."];
        sources.push(("a chart", in_folder("`helm template`", &chart, &template), chart));
    }
    for (what, without, folder) in sources {
        println!("### `prelit cmp generate` of {what} with 200 Deployments, half of them selected\n");
        let race = Race::run(vec![without, generate("`prelit cmp generate`", &folder)], race::runs())?;
        race.print();
        println!("The plugin adds {:.1} ms, the median of the differences.\n", race.difference(1, 0) * 1e3);
    }
    Ok(())
}

/// A folder with 200 Deployments in a folder below it, or in itself, and other files.
fn source(folder: &Path, name: &str, below: &str, files: &[(&str, &str)]) -> Outcome<PathBuf> {
    let source = folder.join(name);
    fs::create_dir_all(source.join(below))?;
    for index in 0..200 {
        let file = source.join(below).join(format!("d{index:03}.yaml"));
        fs::write(file, deployment(index, index % 2 == 0))?;
    }
    for (file, text) in files {
        fs::write(source.join(file), text)?;
    }
    Ok(source)
}

/// The function's own cost: its answer is what it was sent, and a result for each of 1,000 containers.
fn nothing_selected(folder: &Path, kustomize: &Path) -> Outcome {
    println!("### `kustomize build` of 1,000 Deployments, none of them selected\n");
    let race = Race::run(
        vec![
            build(
                kustomize,
                "with `/bin/cat` as the function",
                &overlay(folder, "cat", false, Some(("/bin/cat", "")))?,
            ),
            build(kustomize, "with `prelit fn`", &overlay(folder, "idle", false, Some((PRELIT, "fn, --quiet")))?),
            build(kustomize, "without a function", &overlay(folder, "plain", false, None)?),
        ],
        race::runs(),
    )?;
    race.print();
    println!(
        "With `prelit fn` the build takes {:.3} times as long as with `/bin/cat`, and {:.2} times as long as without a function.\n",
        race.ratio(1, 0),
        race.ratio(1, 2)
    );
    Ok(())
}

/// The same where every Deployment becomes seven times as long: for kustomize too, so the yardstick is a function
/// that has the answer ready.
fn everything_injected(folder: &Path, kustomize: &Path) -> Outcome {
    println!("### The same, all of them injected\n");
    let answer = folder.join("answer.yaml");
    let taking = script(folder, "taking-notes", &format!("'{PRELIT}' fn --quiet | tee '{}'", answer.display()))?;
    let recorded = overlay(folder, "recorded", true, Some((&taking, "")))?;
    let status = Command::new(kustomize).args(FLAGS).arg(&recorded).output()?.status;
    if !status.success() {
        return Err("kustomize failed".into());
    }
    let ready = script(folder, "ready", &format!("cat > /dev/null; cat '{}'", answer.display()))?;
    let plain = overlay(folder, "labelled", true, None)?;
    let filter = format!("'{}' build '{}' | '{PRELIT}' inject --quiet", kustomize.display(), plain.display());
    let race = Race::run(
        vec![
            build(
                kustomize,
                "with a function that has the answer ready",
                &overlay(folder, "ready-made", true, Some((&ready, "")))?,
            ),
            build(kustomize, "with `prelit fn`", &overlay(folder, "injected", true, Some((PRELIT, "fn, --quiet")))?),
            build(
                kustomize,
                "with `/bin/cat` as the function",
                &overlay(folder, "copied", true, Some(("/bin/cat", "")))?,
            ),
            build(kustomize, "without a function", &plain),
            Job::new("`kustomize build \\| prelit inject`", Path::new("sh"), ["-c", &filter], Input::None),
        ],
        race::runs(),
    )?;
    race.print();
    println!(
        "With `prelit fn` the build takes {:.3} times as long as with the ready answer. The filter makes the plain build {:.3} times as long; the function makes it {:.2} times as long, `/bin/cat` {:.2} times.\n",
        race.ratio(1, 0),
        race.ratio(4, 3),
        race.ratio(1, 3),
        race.ratio(2, 3),
    );
    Ok(())
}

fn build(kustomize: &Path, name: &str, overlay: &Path) -> Job {
    let arguments = FLAGS.iter().map(OsString::from).chain([overlay.as_os_str().to_owned()]);
    Job::new(name, kustomize, arguments, Input::None)
}

/// A folder with 1,000 Deployments and a kustomization, which may name a function: a program and its arguments.
fn overlay(folder: &Path, name: &str, labelled: bool, function: Option<(&str, &str)>) -> Outcome<PathBuf> {
    let overlay = folder.join(name);
    fs::create_dir(&overlay)?;
    fs::write(overlay.join("all.yaml"), (0..1_000).map(|index| deployment(index, labelled)).collect::<String>())?;
    let transformer = function.map(|(program, arguments)| {
        format!(
            "transformers:\n- |-\n  apiVersion: v1\n  kind: ConfigMap\n  metadata:\n    name: function\n    annotations:\n      \
             config.kubernetes.io/function: |\n        exec: {{path: '{program}', args: [{arguments}]}}\n  data: {{}}\n"
        )
    });
    fs::write(
        overlay.join("kustomization.yaml"),
        format!("resources: [all.yaml]\n{}", transformer.unwrap_or_default()),
    )?;
    Ok(overlay)
}

/// A program of the shell.
fn script(folder: &Path, name: &str, line: &str) -> Outcome<String> {
    let file = folder.join(name);
    fs::write(&file, format!("#!/bin/sh\n{line}\n"))?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
    Ok(file.to_string_lossy().into_owned())
}
