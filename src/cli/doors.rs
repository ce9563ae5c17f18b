//! What all doors have in common: reading the command line's inputs, deciding them, and saying on
//! stderr how it went.

use super::args::{self, Configuration};
use super::files::{self, Inputs};
use super::options;
use super::pass::{self, Keep, Lenience, Outcome};
use super::progress::Progress;
use super::style::{Style, plain};
use super::{Talk, stream};
use crate::api::{Reason, Severity};
use crate::render::report::{Item, Report, State, count};
use crate::render::{Failure, Failures, Options};
use crate::value::Value;
use crate::yaml::Tree;
use crate::yaml::documents::contents;
use std::collections::{BTreeMap, HashSet};
use std::io::{self, IsTerminal, Write};

/// Finds, reads and decides everything.
///
/// # Errors
///
/// Inputs that are not there, cannot be read or cannot be parsed, and invalid configurations.
pub fn decide(
    arguments: &args::Inputs,
    configuration: &Configuration,
    options: Options,
    keep: Keep,
    talk: Talk,
) -> Result<(Inputs, Outcome), Failures> {
    if arguments.paths.is_empty() && io::stdin().is_terminal() {
        return Err(error(
            "nothing to read: expected files, folders, or manifests on stdin, which is a terminal \
             (for example: kustomize build . | prelit inject); see prelit --help",
        ));
    }
    let configs = options::configs(configuration)?;
    let inputs = files::find(&arguments.paths, &arguments.exclude, first_value)?;
    if inputs.inputs.is_empty() {
        // A path that matches nothing would pass every check.
        return Err(error(
            "nothing to read: expected manifests, found no file (*.yaml, *.yml, *.json) that is not excluded",
        ));
    }
    let progress = Progress::new(talk.quiet);
    let lenience = Lenience { named: arguments.skip_unparsable };
    let outcome = pass::run(&inputs, options, &options::sources(&configs), keep, lenience, &progress)?;
    if talk.verbose {
        let remarks = &outcome.report.remarks;
        let unparsable = remarks.iter().filter(|remark| remark.reason == Reason::Unparsable);
        let told: HashSet<&str> = unparsable.map(|remark| remark.position.file.as_str()).collect();
        for file in outcome.files.iter().filter(|file| !told.contains(inputs.inputs[file.input].name.as_str())) {
            let input = &inputs.inputs[file.input];
            if let Some(reason) = input.left_alone.or(file.left_alone.then_some(Reason::NotKubernetes)) {
                mutter(&format!("{}: left alone: {} [{}]\n", plain(&input.name), reason.sentence(), reason.code()));
            }
        }
    }
    Ok((inputs, outcome))
}

/// The first document of a kustomization, as far as it can be read.
fn first_value(bytes: &[u8]) -> Option<Value<'static>> {
    let document = contents(bytes).next()?;
    let tree = Tree::parse(std::str::from_utf8(&bytes[document]).ok()?).ok()?;
    Some(tree.value().ok()?.into_owned())
}

/// An error without a position.
pub fn error(message: &str) -> Failures {
    Failures(vec![Failure::new(message)])
}

/// Writes to stdout, as a whole.
///
/// # Errors
///
/// A full disk and the like.
pub fn print(text: &[u8]) -> Result<(), Failures> {
    stream::to_stdout(&[text]).map_err(|failed| error(&format!("stdout: {failed}")))
}

/// Writes to stderr. If nobody can hear it, the exit code still says it.
pub fn mutter(text: &str) {
    let _unheard = io::stderr().write_all(text.as_bytes());
}

/// Whether something was done, or would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tense {
    /// It is done.
    Did,
    /// It is only said.
    Would,
}

/// The summary of a run, on one line.
pub fn say(talk: Talk, report: &Report, tense: Tense) {
    say_of(talk, report, tense, &files(report));
}

/// The same of something else than files.
pub fn say_of(talk: Talk, report: &Report, tense: Tense, place: &str) {
    if !talk.quiet {
        mutter(&format!("{} {}\n", Style::of_stderr().bold("prelit:"), summary(report, tense, place)));
    }
}

/// That findings bar a run that was to be strict; who asked for that is named.
pub fn say_barred(asked_by: &str, items: &[Item], consequence: &str) {
    let findings = plural(count(items, Severity::Strict), "finding");
    mutter(&format!("prelit: {asked_by}: {findings}{consequence}\n"));
}

/// The summary of a check, on one line.
pub fn say_verdict(talk: Talk, report: &Report, items: &[Item]) {
    if talk.quiet {
        return;
    }
    let style = Style::of_stderr();
    let findings = count(items, Severity::Finding);
    let found = plural(findings, "finding");
    let found = if findings == 0 { style.green(&found) } else { style.red(&found) };
    let warned = match count(items, Severity::Warning) - findings {
        0 => String::new(),
        warnings => format!(", {}", plural(warnings, "warning")),
    };
    mutter(&format!("{} {found}{warned}; {}\n", style.bold("prelit:"), summary(report, Tense::Would, &files(report))));
}

/// `no files`, `1 file`, `2 files`.
pub fn plural(count: usize, what: &str) -> String {
    match count {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

/// What was read, by files.
fn files(report: &Report) -> String {
    let mut text = plural(report.counts.files, "file");
    if report.counts.files_left_alone > 0 {
        text = format!("{text}, {} left alone", report.counts.files_left_alone);
    }
    text
}

fn summary(report: &Report, tense: Tense, place: &str) -> String {
    let mut states: BTreeMap<State, usize> = BTreeMap::new();
    for row in &report.rows {
        *states.entry(row.state).or_default() += 1;
    }
    let word = |state: &State| match (state, tense) {
        (State::Injected, Tense::Did) => "injected",
        (State::Injected, Tense::Would) => "to inject",
        (State::Stale, Tense::Did) => "renewed",
        (State::Stale, Tense::Would) => "stale",
        (State::Removed, Tense::Did) => "removed",
        (State::Removed, Tense::Would) => "to remove",
        (State::Current, _) => "current",
        (State::Edited, _) => "edited",
        (State::Skipped, _) => "skipped",
    };
    let parts: Vec<String> = states.iter().map(|(state, count)| format!("{count} {}", word(state))).collect();
    let containers = match report.rows.len() {
        0 => "no container concerned".to_owned(),
        1 => format!("1 container ({})", parts.join(", ")),
        count => format!("{count} containers ({})", parts.join(", ")),
    };
    let mut text = format!("{containers} in {place}");
    let notes = report.remarks.iter().filter(|remark| remark.reason.severity() == Severity::Note).count();
    if notes > 0 {
        text = format!("{text}; {}", plural(notes, "note"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::report::tests::sample;

    #[test]
    fn the_summary_counts_containers_files_and_notes() {
        assert_eq!(
            summary(&sample(), Tense::Did, &files(&sample())),
            "6 containers (1 injected, 1 current, 1 renewed, 1 edited, 2 skipped) in 2 files, 1 left alone; 1 note"
        );
        assert!(summary(&sample(), Tense::Would, "3 items").contains("1 to inject, 1 current, 1 stale"));
        assert_eq!(summary(&Report::default(), Tense::Did, "no files"), "no container concerned in no files");
    }
}
