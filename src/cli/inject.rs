//! `prelit inject` and `prelit remove`: manifests in, manifests out. Everything is decided before
//! the first byte is written.

use super::args::Edit;
use super::files::Inputs;
use super::format::text;
use super::pass::{Decided, Keep, Outcome};
use super::stream::{self, Part};
use super::style::Style;
use super::write::{self, Change};
use super::{Exit, Talk, diff, doors, options};
use crate::api::Severity;
use crate::render::report::{Gate, count};
use crate::render::{Action, Failures};

/// Opens the door.
///
/// # Errors
///
/// Inputs or configuration that cannot be read, what was changed by hand and is to be removed, and
/// files that cannot be written. Nothing was written then.
pub fn run(action: Action, arguments: &Edit, talk: Talk) -> Result<Exit, Failures> {
    let paths = &arguments.inputs.paths;
    if arguments.write && (paths.is_empty() || paths.iter().any(|path| path.as_os_str() == "-")) {
        return Err(doors::error("--write changes files in place, and stdin is none; expected files or folders"));
    }
    let mut options = options::options(action, &arguments.configuration, None)?;
    options.force = arguments.findings.force;
    let keep = match (arguments.write, arguments.diff) {
        (true, _) => Keep::Nothing,
        (_, true) => Keep::Changed,
        _ => Keep::All,
    };
    let (inputs, outcome) = doors::decide(&arguments.inputs, &arguments.configuration, options, keep, talk)?;
    let items = outcome.report.items(Gate::Done);
    let barred = arguments.findings.strict && count(&items, Severity::Strict) > 0;
    if arguments.diff {
        show_diff(&inputs, &outcome)?;
    } else if barred {
        // A gate that fails lets nothing through.
    } else if arguments.write {
        write_files(&inputs, &outcome)?;
    } else {
        write_stream(&inputs, &outcome)?;
    }
    let shown = |weight| match weight {
        Severity::Finding | Severity::Strict => barred || !talk.quiet,
        Severity::Warning => !talk.quiet,
        Severity::Note | Severity::Info => talk.verbose,
    };
    doors::mutter(&text::items(&items, shown, Style::of_stderr()));
    if barred {
        let nothing = if arguments.diff { "" } else { ", so nothing was written" };
        doors::say_barred("--strict", &items, nothing);
        return Ok(Exit::Findings);
    }
    let tense = if arguments.diff { doors::Tense::Would } else { doors::Tense::Did };
    doors::say(talk, &outcome.report, tense);
    Ok(Exit::Done)
}

fn part(file: &Decided) -> Option<Part<'_>> {
    Some(Part { bytes: file.bytes.as_deref()?, splices: &file.splices })
}

fn write_stream(inputs: &Inputs, outcome: &Outcome) -> Result<(), Failures> {
    let parts: Vec<Part> = outcome.files.iter().filter(|file| !file.left_alone).filter_map(part).collect();
    if parts.is_empty() {
        // An empty stream with exit 0 says "delete everything" to the tools that read it.
        let found = doors::plural(inputs.inputs.len(), "file");
        return Err(doors::error(&format!(
            "nothing to write: expected manifests, found {found} without any (prelit inject -v names them)"
        )));
    }
    stream::to_stdout(&stream::join(&parts)).map_err(|error| doors::error(&format!("stdout: {error}")))
}

fn write_files(inputs: &Inputs, outcome: &Outcome) -> Result<(), Failures> {
    let changes: Vec<Change> = outcome
        .files
        .iter()
        .filter(|file| !file.splices.is_empty())
        .filter_map(|file| {
            let path = inputs.inputs[file.input].path.as_deref()?;
            Some(Change { path, digest: file.digest, splices: &file.splices })
        })
        .collect();
    write::stage(&changes)?.commit()
}

fn show_diff(inputs: &Inputs, outcome: &Outcome) -> Result<(), Failures> {
    let style = Style::of_stdout();
    let changed = outcome.files.iter().filter(|file| !file.splices.is_empty());
    let changed: Vec<&Decided> = changed.collect();
    let names = diff::names(changed.iter().map(|file| &inputs.inputs[file.input]));
    let diffs: Vec<Vec<u8>> = changed
        .iter()
        .zip(&names)
        .filter_map(|(file, name)| Some(diff::unified(name, part(file)?)))
        .map(|diff| if style.coloured() { diff::coloured(&diff) } else { diff })
        .collect();
    doors::print(&diffs.concat())
}
