//! The command line: bytes, files and terminals. What is done to a manifest, and why, is decided
//! below; here it is only asked for, written and told.

pub mod args;
pub mod check;
pub mod diagnostic;
pub mod diff;
pub mod doors;
pub mod explain;
pub mod files;
pub mod format;
pub mod inject;
pub mod options;
pub mod pass;
pub mod progress;
pub mod shell;
pub mod stream;
pub mod style;
pub mod write;

pub use args::Talk;

use crate::render::Action;
use args::{Args, Command};
use clap::Parser;
use std::ffi::OsString;

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// `check` or `--strict` found something.
    Findings = 1,
    /// An error; nothing was written.
    Error = 2,
}

/// Runs a command line, the program's name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let Args { talk, command } = match Args::try_parse_from(arguments) {
        Ok(parsed) => parsed,
        Err(error) => {
            // Help and version are asked for, and go to stdout; a reader may have gone away.
            let _unheard = error.print();
            return if error.use_stderr() { Exit::Error } else { Exit::Done };
        }
    };
    let result = match &command {
        Command::Inject(edit) => inject::run(Action::Inject, edit, talk),
        Command::Remove(edit) => inject::run(Action::Remove, edit, talk),
        Command::Check(check) => check::run(check, talk),
        Command::Explain(explain) => explain::run(explain, talk),
        Command::Crd => shell::crd(),
        Command::Completions { shell } => shell::completions(*shell),
        Command::Man { command } => shell::man(command.as_deref()),
    };
    result.unwrap_or_else(|failures| {
        doors::mutter(&diagnostic::errors(&failures.0, style::Style::of_stderr()));
        Exit::Error
    })
}
