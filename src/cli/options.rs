//! From the command line to the options of a run. Knows the forms of a settings file, and neither
//! the names of settings nor what they do.

use super::args::Configuration;
use super::files::{self, Input};
use crate::api::settings::{self, SettingProblem, Settings};
use crate::krm::{FunctionConfig, ResourceList};
use crate::manifest::Row;
use crate::render::lines::Lines;
use crate::render::{Action, Failure, Failures, Options, Source};
use crate::value::Value;
use crate::yaml::Tree;
use crate::yaml::documents::{documents, is_blank};
use std::ops::Range;
use std::path::Path;

/// The first document of a text that is not blank, and where it begins.
fn first_document(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let found = documents(bytes).map(|document| document.text).find(|text| !is_blank(&bytes[text.clone()]));
    found.map(|text| (text.start, &bytes[text]))
}

/// The same as a tree.
fn first_tree(bytes: &[u8]) -> Option<(usize, Tree<'_>)> {
    let (start, document) = first_document(bytes)?;
    Some((start, Tree::parse(std::str::from_utf8(document).ok()?).ok()?))
}

/// The same as a value, as far as it can be read.
pub fn yaml_value(bytes: &[u8]) -> Option<Value<'static>> {
    let (_, tree) = first_tree(bytes)?;
    Some(tree.value().ok()?.into_owned())
}

/// The options of a run.
///
/// # Errors
///
/// Everything that is wrong with the settings and kinds of the command line.
pub fn options(action: Action, configuration: &Configuration) -> Result<Options, Failures> {
    options_of(action, configuration, None)
}

/// The options of a function, whose list may bring settings: they are stronger than those of `--settings`, and
/// weaker than those of `--set`.
///
/// # Errors
///
/// The same, and everything that is wrong with the settings of the list.
pub fn options_of_function(
    action: Action,
    configuration: &Configuration,
    list: &ResourceList<'_>,
) -> Result<Options, Failures> {
    options_of(action, configuration, Some(list))
}

fn options_of(
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
        failures.extend(given.problems.iter().map(|problem| list.setting_failure(problem)));
    }
    pairs.extend(configuration.set.iter().cloned());
    let is_set = |name: &str| configuration.set.iter().any(|(set, _)| set == name);
    let function_of = |name: &str| by_function.filter(|(_, given)| given.pairs.iter().any(|(given, _)| given == name));
    let failure = |problem: SettingProblem| match (function_of(&problem.name), &file) {
        _ if is_set(&problem.name) => Failure::new(problem.to_string()),
        (Some((list, _)), _) => list.setting_failure(&problem),
        (None, Some((name, bytes))) => in_file(name, bytes, &problem),
        (None, None) => Failure::new(problem.to_string()),
    };
    match settings::read(pairs.into_iter()) {
        Ok(settings) if failures.is_empty() => return Ok(settings),
        Ok(_) => {}
        Err(problems) => failures.extend(problems.into_iter().map(failure)),
    }
    failures.sort_by(|a, b| a.position.cmp(&b.position));
    Err(Failures(failures))
}

/// The pairs of a settings file, and what is wrong with its form: lines of NAME=VALUE, a map, or the
/// `data` of a `ConfigMap`.
fn pairs_of(name: &str, bytes: &[u8]) -> (Vec<(String, String)>, Vec<Failure>) {
    let nothing = |offset: usize, message: &str| {
        (Vec::new(), vec![Failure::at(&Lines::new(name, bytes), offset, message.to_owned())])
    };
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return nothing(error.valid_up_to(), "found what is not UTF-8, expected text"),
    };
    let given = if is_lines(text) {
        settings::parse_env_file(text)
    } else {
        let (start, document) = first_document(bytes).unwrap_or_default();
        let document = std::str::from_utf8(document).unwrap_or_default();
        let parsed = Tree::parse(document).and_then(|tree| Ok(settings::pairs(&tree.value()?)));
        match parsed {
            Ok(given) => given,
            Err(error) => return nothing(start + error.offset, &error.message),
        }
    };
    let failures = given.problems.iter().map(|problem| in_file(name, bytes, problem)).collect();
    (given.pairs, failures)
}

/// Whether a text is lines of NAME=VALUE: a map has a colon where those have an equals sign.
fn is_lines(text: &str) -> bool {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')).is_some_and(is_assignment)
}

/// Whether a line is `NAME=VALUE`.
fn is_assignment(line: &str) -> bool {
    let line = line.strip_prefix("export ").unwrap_or(line);
    let name = line.split('=').next().unwrap_or_default();
    name.len() < line.len() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A problem with a setting, at its place in the file. The line itself is shown only where it holds no
/// secret: what is unknown may be one.
fn in_file(name: &str, bytes: &[u8], problem: &SettingProblem) -> Failure {
    let lines = Lines::new(name, bytes);
    if let Some(line) = problem.line {
        // A line that is no setting may be anything: it is not shown.
        let name = if problem.name.is_empty() { String::new() } else { format!("{}: ", problem.name) };
        return Failure::without_line(&lines, start_of_line(bytes, line), format!("{name}{}", problem.message));
    }
    let message = problem.to_string();
    match value_in_map(bytes, &problem.name).or_else(|| value_in_lines(bytes, &problem.name)) {
        Some((value, true)) if problem.shown => Failure::of_value(&lines, value, message),
        Some((value, _)) => Failure::at(&lines, value.start, message),
        None => Failure::without_line(&lines, 0, message),
    }
}

/// Where the value of a setting stands in a map, and whether it is a single one.
fn value_in_map(bytes: &[u8], name: &str) -> Option<(Range<usize>, bool)> {
    let (start, tree) = first_tree(bytes)?;
    let value = tree.value().ok()?;
    let path = settings::place(&value, name);
    let node = tree.node(tree.locate(path.steps()).filter(|_| !path.steps().is_empty())?);
    Some((start + node.start..start + node.end, value.at(&path)?.as_scalar().is_some()))
}

/// Where the value of a setting stands in lines of NAME=VALUE: the last one counts.
fn value_in_lines(bytes: &[u8], name: &str) -> Option<(Range<usize>, bool)> {
    let mut end = 0;
    let mut found = None;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        end += line.len();
        let rest = line.trim_ascii_start();
        let rest = rest.strip_prefix(b"export ").unwrap_or(rest).trim_ascii_start();
        let value = rest.strip_prefix(name.as_bytes()).and_then(|rest| rest.trim_ascii_start().strip_prefix(b"="));
        if let Some(value) = value {
            let value = value.trim_ascii_start();
            let quotes = value.iter().take_while(|byte| matches!(byte, b'"' | b'\'')).count();
            found = Some((end - value.len() + quotes..end, true));
        }
    }
    found
}

/// Where a line begins; lines count from 1.
fn start_of_line(bytes: &[u8], line: usize) -> usize {
    let breaks = line.checked_sub(2).and_then(|before| memchr::memchr_iter(b'\n', bytes).nth(before));
    breaks.map_or(0, |at| at + 1)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        let (pairs, failures) = pairs_of("s", text.as_bytes());
        assert_eq!(failures, [], "{text}");
        pairs
    }

    fn expected(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_settings_file_has_three_forms() {
        let both = expected(&[("A", "1"), ("B", "x=y")]);
        assert_eq!(pairs("# settings\nA=1\n\nexport B='x=y'\n"), both);
        assert_eq!(pairs(r#"{"A": 1, "B": "x=y"}"#), both);
        assert_eq!(
            pairs(r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}, "data": {"A": "1", "B": "x=y"}}"#),
            both
        );
    }

    #[test]
    fn an_empty_file_sets_nothing() {
        assert_eq!(pairs(""), []);
    }

    #[test]
    fn other_forms_are_errors_that_say_what_is_expected() {
        for text in [r#"["A=1"]"#, r#"{"A": {}}"#, r#"{"apiVersion": "v1", "kind": "Secret"}"#] {
            assert!(pairs_of("s", text.as_bytes()).1[0].message.contains("expected"), "{text}");
        }
        assert!(!pairs_of("s", b"\xff=1").1.is_empty());
    }
}
