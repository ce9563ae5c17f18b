//! `prelit check`: the gate. Writes its findings and nothing else.

use super::args::{Check, CheckFormat};
use super::format::{github, json, sarif, text};
use super::pass::Keep;
use super::style::Style;
use super::{Exit, Talk, doors, options};
use crate::api::Severity;
use crate::render::report::{Counts, Gate, Report, count};
use crate::render::{Action, Failures};

/// Opens the door.
///
/// # Errors
///
/// Inputs or configuration that cannot be read, see [`doors::decide`]; nothing that could be checked.
pub fn run(arguments: &Check, talk: Talk) -> Result<Exit, Failures> {
    let options = options::options(Action::Inject, &arguments.configuration, None)?;
    let (_, outcome) = doors::decide(&arguments.inputs, &arguments.configuration, options, Keep::Nothing, talk)?;
    refuse_nothing(arguments, &outcome.report)?;
    let items = outcome.report.items(Gate::Check);
    let shown = match arguments.format {
        CheckFormat::Text => {
            let shown = |weight| match weight {
                Severity::Finding => true,
                Severity::Strict | Severity::Warning => !talk.quiet,
                Severity::Note | Severity::Info => talk.verbose,
            };
            text::items(&items, shown, Style::of_stdout())
        }
        CheckFormat::Json => json::report(&outcome.report),
        CheckFormat::Sarif => sarif::items(&items),
        CheckFormat::Github => github::items(&items, talk.quiet),
    };
    doors::print(shown.as_bytes())?;
    doors::say_verdict(talk, &outcome.report, &items);
    Ok(if count(&items, Severity::Finding) == 0 { Exit::Done } else { Exit::Findings })
}

/// A check that reads nothing does not pass: a build that failed before the pipe, or a folder of templates only.
fn refuse_nothing(arguments: &Check, report: &Report) -> Result<(), Failures> {
    let Counts { files, files_left_alone, documents, .. } = report.counts;
    let is_stream = arguments.inputs.paths.iter().all(|path| path.as_os_str() == "-");
    if is_stream && documents == 0 {
        return Err(doors::error(
            "<stdin>: found nothing to check; expected manifests (did what writes them fail? In a script, set -o pipefail)",
        ));
    }
    let has_findings = count(&report.items(Gate::Check), Severity::Finding) > 0;
    if !is_stream && files_left_alone == files && !has_findings {
        let found = doors::plural(files, "file");
        return Err(doors::error(&format!(
            "found nothing to check: expected manifests, found {found} that are none (prelit check -v names them; \
             a chart is to be rendered first: helm template CHART | prelit check)"
        )));
    }
    Ok(())
}
