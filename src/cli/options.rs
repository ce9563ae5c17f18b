//! From the command line to the options of a run: which settings, kinds and configurations, and whose word is
//! stronger.

use super::args::Configuration;
use super::files;
use super::settings_file::{in_file, pairs_of};
use crate::api::settings::{self, Given, SettingProblem, Settings};
use crate::manifest::Row;
use crate::render::{Action, Failure, Failures, Options, Source};
use std::path::Path;

/// Settings that come with what a door is sent: stronger than those of `--settings`, weaker than those of `--set`.
#[derive(Clone, Copy)]
pub struct Sent<'s> {
    /// The settings, and what is wrong with their form.
    pub given: &'s Given,
    /// What is wrong with some of them, each with its place.
    pub failures: &'s dyn Fn(&[SettingProblem]) -> Vec<Failure>,
}

/// The options of a run.
///
/// # Errors
///
/// Everything that is wrong with the settings and kinds of the command line, and with the settings that were sent.
pub fn options(action: Action, configuration: &Configuration, sent: Option<Sent<'_>>) -> Result<Options, Failures> {
    let mut failures = Vec::new();
    let settings = settings(configuration, sent).map_err(|wrong| failures.extend(wrong.0)).ok();
    let mut workloads = Vec::new();
    let from_settings = settings.iter().flat_map(|settings| &settings.workloads);
    for text in from_settings.chain(&configuration.workload) {
        match Row::parse(text) {
            Ok(row) => workloads.push(row),
            Err(error) => failures.push(Failure::new(format!("workload `{text}`: {error}"))),
        }
    }
    let namespace = configuration.namespace.clone();
    match settings {
        Some(settings) if failures.is_empty() => {
            Ok(Options { action, settings, namespace, workloads, force: false, thorough: false })
        }
        _ => Err(Failures(failures)),
    }
}

/// The settings of the file, over them those that were sent, and over both those of the command line; everything that
/// is wrong at once.
fn settings(configuration: &Configuration, sent: Option<Sent<'_>>) -> Result<Settings, Failures> {
    let (mut pairs, mut failures) = (Vec::new(), Vec::new());
    let mut file = None;
    match configuration.settings.as_deref().map(read_file) {
        None => {}
        Some(Err(wrong)) => failures.extend(wrong.0),
        Some(Ok((name, bytes))) => {
            (pairs, failures) = pairs_of(&name, &bytes);
            file = Some((name, bytes));
        }
    }
    if let Some(Sent { given, failures: placed }) = sent {
        pairs.extend(given.pairs.iter().cloned());
        failures.extend(placed(&given.problems));
    }
    pairs.extend(configuration.set.iter().cloned());
    let is_set = |name: &str| configuration.set.iter().any(|(set, _)| set == name);
    let is_of_sender = |name: &str| sent.is_some_and(|sent| sent.given.pairs.iter().any(|(given, _)| given == name));
    let problems = match settings::read(pairs.into_iter()) {
        Ok(settings) if failures.is_empty() => return Ok(settings),
        Ok(_) => Vec::new(),
        Err(problems) => problems,
    };
    // Whoever said it last is to be told.
    let (by_flag, rest): (Vec<_>, Vec<_>) = problems.into_iter().partition(|problem| is_set(&problem.name));
    let (by_sender, by_file): (Vec<_>, Vec<_>) = rest.into_iter().partition(|problem| is_of_sender(&problem.name));
    let placeless = |problem: &SettingProblem| Failure::new(problem.to_string());
    failures.extend(by_flag.iter().map(placeless));
    failures.extend(sent.into_iter().flat_map(|sent| (sent.failures)(&by_sender)));
    match &file {
        Some((name, bytes)) => failures.extend(in_file(name, bytes, &by_file)),
        None => failures.extend(by_file.iter().map(placeless)),
    }
    failures.sort_by(|a, b| a.position.cmp(&b.position));
    Err(Failures(failures))
}

/// The settings of the file as they are written there.
///
/// # Errors
///
/// A file that cannot be read, or is in no form of settings.
pub fn pairs(configuration: &Configuration) -> Result<Vec<(String, String)>, Failures> {
    let Some((name, bytes)) = configuration.settings.as_deref().map(read_file).transpose()? else {
        return Ok(Vec::new());
    };
    let (pairs, failures) = pairs_of(&name, &bytes);
    if failures.is_empty() { Ok(pairs) } else { Err(Failures(failures)) }
}

/// The files of `--config`: pairs of the shown name and the content.
///
/// # Errors
///
/// A file that cannot be read.
pub fn configs(configuration: &Configuration) -> Result<Vec<(String, Vec<u8>)>, Failures> {
    configuration.config.iter().map(|path| read_file(path)).collect()
}

/// The same as sources.
pub fn sources(configs: &[(String, Vec<u8>)]) -> Vec<Source<'_>> {
    configs.iter().map(|(name, bytes)| Source { name, bytes, lenient: false, left_alone: None }).collect()
}

fn read_file(path: &Path) -> Result<(String, Vec<u8>), Failures> {
    if path.as_os_str() == "-" {
        return Err(Failures(vec![Failure::new(
            "-: stdin holds manifests only; expected a file for --config and --settings",
        )]));
    }
    let name = path.to_string_lossy().into_owned();
    files::read_named(&name, path).map(|bytes| (name, bytes))
}
