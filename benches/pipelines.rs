//! What the doors inside kustomize cost: `kustomize build` of 1,000 Deployments without a function, with one that
//! does nothing, with Prelit, and with the filter behind it. Prints tables of `docs/performance.md`.
//!
//! `cargo bench --bench pipelines` needs kustomize, in the folder `PRELIT_TEST_TOOLS` or on the PATH.
//! `PRELIT_BENCH_RUNS` says how often each runs (default 7).

#[allow(dead_code, reason = "shared with another bench")]
mod race;

use race::{Input, Job, Outcome, Race, deployment};
use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
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
    let kustomize =
        env::var_os("PRELIT_TEST_TOOLS").map_or("kustomize".into(), |tools| PathBuf::from(tools).join("kustomize"));
    if !race::answers(&kustomize.to_string_lossy(), &["version"], "v") {
        println!("Not measured, because kustomize is not installed.");
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    println!("{} runs each, in turn\n", race::runs());
    nothing_selected(folder.path(), &kustomize)?;
    everything_injected(folder.path(), &kustomize)
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
