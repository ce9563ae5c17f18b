//! `prelit fn`: what kustomize and kpt send on stdin, and what they get on stdout.

use super::args::Function;
use super::options::Sent;
use super::stream::{self, Part};
use super::{Exit, Talk, doors, files, format, options};
use crate::api::Severity;
use crate::api::settings::SettingProblem;
use crate::krm::{FunctionConfig, ResourceList};
use crate::render::report::{Gate, count};
use crate::render::{Action, Failures};

/// Opens the door.
///
/// # Errors
///
/// A list or a configuration that cannot be read. Nothing was written then.
pub fn run(arguments: &Function, talk: Talk) -> Result<Exit, Failures> {
    let bytes = files::sent()?;
    let list = ResourceList::read(files::STDIN, &bytes)?;
    let action = if arguments.remove { Action::Remove } else { Action::Inject };
    let placed = |problems: &[SettingProblem]| list.setting_failures(problems);
    let sent = match list.function_config() {
        FunctionConfig::Settings(given) => Some(Sent { given, failures: &placed }),
        FunctionConfig::None | FunctionConfig::Resource => None,
    };
    let mut options = options::options(action, &arguments.configuration, sent)?;
    options.force = arguments.findings.force;
    let configs = options::configs(&arguments.configuration)?;
    let rendered = list.render(options, &options::sources(&configs))?;

    let (gate, least) = if arguments.check { (Gate::Check, Severity::Finding) } else { (Gate::Done, Severity::Strict) };
    let items = rendered.report.items(gate);
    let failed = (arguments.check || arguments.findings.strict) && count(&items, least) > 0;
    let results = list.results(&items, failed);
    let barred = failed && !arguments.check;
    if !barred {
        let splices = if arguments.check { Vec::new() } else { rendered.splices };
        let splices = list.answer(splices, &results)?;
        let pieces: Vec<&[u8]> = Part { bytes: &bytes, splices: &splices }.pieces().collect();
        stream::to_stdout(&pieces).map_err(|error| doors::error(&format!("stdout: {error}")))?;
    }
    if failed || !talk.quiet {
        doors::mutter(&format::function::results(&results, talk.verbose));
    }
    if barred {
        doors::say_barred("--strict", &items, ", so nothing was written");
    } else {
        let tense = if arguments.check { doors::Tense::Would } else { doors::Tense::Did };
        doors::say_of(talk, &rendered.report, tense, &doors::plural(list.item_count(), "item"));
    }
    Ok(if failed { Exit::Findings } else { Exit::Done })
}
