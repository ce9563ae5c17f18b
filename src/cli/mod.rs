//! The command line: bytes, files and terminals. What is done to a manifest, and why, is decided
//! below; here it is only asked for, written and told.

pub mod args;
pub mod check;
pub mod cmp;
pub mod diagnostic;
pub mod diff;
pub mod doors;
pub mod explain;
pub mod files;
pub mod format;
pub mod function;
pub mod inject;
pub mod options;
pub mod pass;
pub mod plugin;
pub mod progress;
pub mod settings_file;
pub mod shell;
pub mod stream;
pub mod style;
#[cfg(feature = "webhook")]
pub mod webhook;
pub mod write;

pub use args::Talk;

use crate::render::{Action, Failures};
use args::{Args, Command, Plugin};
use clap::Parser;
use std::ffi::OsString;

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// `check` or `--strict` found something, or a function failed.
    Findings = 1,
    /// An error; nothing was written.
    Error = 2,
}

/// Runs a command line, the program's name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let result = if plugin::is_called(&arguments) { run_plugin(arguments) } else { run_command(arguments) };
    result.unwrap_or_else(|(failures, exit)| {
        doors::mutter(&diagnostic::errors(&failures.0, style::Style::of_stderr()));
        exit
    })
}

/// How a run ends; failures with the exit code that is theirs.
type Ending = Result<Exit, (Failures, Exit)>;

fn run_plugin(arguments: Vec<OsString>) -> Ending {
    match Plugin::try_parse_from(arguments) {
        Ok(parsed) => plugin::run(parsed).map_err(|failures| (failures, FAILED_FUNCTION)),
        Err(error) => Ok(usage(&error, FAILED_FUNCTION)),
    }
}

/// The protocols of functions and plugins know success and failure; ours says 1.
const FAILED_FUNCTION: Exit = Exit::Findings;

/// Help and version are asked for, and go to stdout; everything else is an error.
fn usage(error: &clap::Error, failed: Exit) -> Exit {
    // A reader may have gone away.
    let _unheard = error.print();
    if error.use_stderr() { failed } else { Exit::Done }
}

fn run_command(arguments: Vec<OsString>) -> Ending {
    let verb = arguments.iter().skip(1).find(|word| !word.as_encoded_bytes().starts_with(b"-"));
    let failed = if verb.is_some_and(|verb| verb == "fn" || verb == "cmp") { FAILED_FUNCTION } else { Exit::Error };
    let Args { talk, command } = match Args::try_parse_from(arguments) {
        Ok(parsed) => parsed,
        Err(error) => return Ok(usage(&error, failed)),
    };
    let result = match &command {
        Command::Inject(edit) => inject::run(Action::Inject, edit, talk),
        Command::Remove(edit) => inject::run(Action::Remove, edit, talk),
        Command::Check(check) => check::run(check, talk),
        Command::Explain(explain) => explain::run(explain, talk),
        Command::Fn(arguments) => return function::run(arguments, talk).map_err(|wrong| (wrong, FAILED_FUNCTION)),
        Command::Cmp { command } => return cmp::run(command, talk).map_err(|wrong| (wrong, FAILED_FUNCTION)),
        #[cfg(feature = "webhook")]
        Command::Webhook(arguments) => webhook::run(arguments),
        Command::InstallKustomizePlugin { dir, remove: false } => plugin::install(dir.as_deref()),
        Command::InstallKustomizePlugin { dir, remove: true } => plugin::uninstall(dir.as_deref()),
        Command::Crd => shell::crd(),
        Command::Completions { shell } => shell::completions(*shell),
        Command::Man { command } => shell::man(command.as_deref()),
    };
    result.map_err(|failures| (failures, Exit::Error))
}
