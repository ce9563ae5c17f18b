//! From the command line to the options of a run: which settings, kinds and configurations, and whose word is
//! stronger.

use super::args::Configuration;
use super::files::{self, Input};
use super::settings_file::{in_file, pairs_of};
use crate::api::settings::{self, SettingProblem, Settings};
use crate::krm::{FunctionConfig, ResourceList};
use crate::manifest::Row;
use crate::render::{Action, Failure, Failures, Options, Source};
use std::path::Path;

/// The options of a run. The list of a function may bring settings: they are stronger than those of `--settings`, and
/// weaker than those of `--set`.
///
/// # Errors
///
/// Everything that is wrong with the settings and kinds of the command line, and with the settings of the list.
pub fn options(
    action: Action,
    configuration: &Configuration,
    list: Option<&ResourceList<'_>>,
) -> Result<Options, Failures> {
    let mut failures = Vec::new();
    let settings = settings(configuration, list).map_err(|wrong| failures.extend(wrong.0)).ok();
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

/// The settings of the file, over them those of a function's configuration, and over both those of the command
/// line; everything that is wrong at once.
fn settings(configuration: &Configuration, list: Option<&ResourceList<'_>>) -> Result<Settings, Failures> {
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
    let by_function = list.and_then(|list| match list.function_config() {
        FunctionConfig::Settings(given) => Some((list, given)),
        FunctionConfig::None | FunctionConfig::Resource => None,
    });
    if let Some((list, given)) = by_function {
        pairs.extend(given.pairs.iter().cloned());
        failures.extend(list.setting_failures(&given.problems));
    }
    pairs.extend(configuration.set.iter().cloned());
    let is_set = |name: &str| configuration.set.iter().any(|(set, _)| set == name);
    let is_of_function =
        |name: &str| by_function.is_some_and(|(_, given)| given.pairs.iter().any(|(given, _)| given == name));
    let problems = match settings::read(pairs.into_iter()) {
        Ok(settings) if failures.is_empty() => return Ok(settings),
        Ok(_) => Vec::new(),
        Err(problems) => problems,
    };
    // Whoever said it last is to be told.
    let (by_flag, rest): (Vec<_>, Vec<_>) = problems.into_iter().partition(|problem| is_set(&problem.name));
    let (by_list, by_file): (Vec<_>, Vec<_>) = rest.into_iter().partition(|problem| is_of_function(&problem.name));
    let placeless = |problem: &SettingProblem| Failure::new(problem.to_string());
    failures.extend(by_flag.iter().map(placeless));
    failures.extend(by_function.into_iter().flat_map(|(list, _)| list.setting_failures(&by_list)));
    match &file {
        Some((name, bytes)) => failures.extend(in_file(name, bytes, &by_file)),
        None => failures.extend(by_file.iter().map(placeless)),
    }
    failures.sort_by(|a, b| a.position.cmp(&b.position));
    Err(Failures(failures))
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
    let input =
        Input { name, path: Some(path.to_path_buf()), named: true, regular: true, left_alone: None, renamed: None };
    files::read(&input).map(|bytes| (input.name, bytes))
}
