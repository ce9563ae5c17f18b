//! From the command line to the options of a run. Knows the forms of a settings file, and neither
//! the names of settings nor what they do.

use super::args::Configuration;
use super::files::{self, Input};
use crate::api::settings::{self, SettingProblem, Settings};
use crate::manifest::Row;
use crate::render::lines::Lines;
use crate::render::{Action, Failure, Failures, Options, Source};
use crate::value::Value;
use crate::yaml::{ParseError, Tree, documents};
use std::ops::Range;
use std::path::Path;

/// The first document of a text as a value, as far as it can be read.
pub fn yaml_value(bytes: &[u8]) -> Option<Value<'static>> {
    let document = documents(bytes).find(|document| !bytes[document.text.clone()].trim_ascii().is_empty())?;
    let tree = Tree::parse(std::str::from_utf8(&bytes[document.text]).ok()?).ok()?;
    Some(tree.value().ok()?.into_owned())
}

/// The options of a run.
///
/// # Errors
///
/// Everything that is wrong with the settings and kinds of the command line.
pub fn options(action: Action, configuration: &Configuration) -> Result<Options, Failures> {
    let mut failures = Vec::new();
    let settings = settings(configuration).map_err(|wrong| failures.extend(wrong.0)).ok();
    let mut workloads = Vec::new();
    let from_settings = settings.iter().flat_map(|settings| &settings.workloads);
    for text in from_settings.chain(&configuration.workload) {
        match Row::parse(text) {
            Ok(row) => workloads.push(row),
            Err(error) => failures.push(said(format!("workload `{text}`: {error}"))),
        }
    }
    let namespace = configuration.namespace.clone();
    let settings_given = configuration.settings.is_some() || !configuration.set.is_empty();
    match settings {
        Some(settings) if failures.is_empty() => {
            Ok(Options { action, settings, settings_given, namespace, workloads, force: false, thorough: false })
        }
        _ => Err(Failures(failures)),
    }
}

/// The settings of the file, and over them those of the command line; everything that is wrong at once.
fn settings(configuration: &Configuration) -> Result<Settings, Failures> {
    let mut pairs = Vec::new();
    let mut file = None;
    if let Some(path) = &configuration.settings {
        let (name, bytes) = read_file(path)?;
        pairs = pairs_of(&name, &bytes)?;
        file = Some((name, bytes));
    }
    pairs.extend(configuration.set.iter().cloned());
    let by_hand = |name: &str| configuration.set.iter().any(|(set, _)| set == name);
    settings::read(pairs.into_iter()).map_err(|problems| {
        let failure = |problem: SettingProblem| match &file {
            Some((name, bytes)) if !by_hand(&problem.name) => in_file(name, bytes, &problem),
            _ => said(problem.to_string()),
        };
        Failures(problems.into_iter().map(failure).collect())
    })
}

/// The pairs of a settings file: lines of NAME=VALUE, a map, or the `data` of a `ConfigMap`.
fn pairs_of(name: &str, bytes: &[u8]) -> Result<Vec<(String, String)>, Failures> {
    let failed = |problems: Vec<SettingProblem>| {
        Failures(problems.iter().map(|problem| in_file(name, bytes, problem)).collect())
    };
    let text = std::str::from_utf8(bytes).map_err(|error| {
        Failures(vec![Failure::at(
            &Lines::new(name, bytes),
            error.valid_up_to(),
            "found what is not UTF-8, expected text",
        )])
    })?;
    // A map has a colon where the lines of the other form have an equals sign.
    if text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')).is_some_and(is_assignment) {
        return settings::parse_env_file(text).map_err(failed);
    }
    let document = documents(bytes).find(|document| !bytes[document.text.clone()].trim_ascii().is_empty());
    let start = document.as_ref().map_or(0, |document| document.text.start);
    let unparsable =
        |error: ParseError| Failures(vec![Failure::at(&Lines::new(name, bytes), start + error.offset, error.message)]);
    let tree = Tree::parse(document.map_or("", |document| &text[document.text])).map_err(unparsable)?;
    settings::pairs(&tree.value().map_err(unparsable)?).map_err(failed)
}

/// Whether a line is `NAME=VALUE`.
fn is_assignment(line: &str) -> bool {
    let line = line.strip_prefix("export ").unwrap_or(line);
    let name = line.split('=').next().unwrap_or_default();
    name.len() < line.len() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A problem with a setting, at its place in the file.
fn in_file(name: &str, bytes: &[u8], problem: &SettingProblem) -> Failure {
    let lines = Lines::new(name, bytes);
    let message = problem.to_string();
    match value_in_map(bytes, &problem.name).or_else(|| value_in_lines(bytes, &problem.name)) {
        Some((value, true)) if problem.shown => Failure::of_value(&lines, value, message),
        Some((value, _)) => Failure::at(&lines, value.start, message),
        None => Failure { position: Some(lines.position(0)), message, source_line: None },
    }
}

/// Where the value of a setting stands in a map, and whether it is a single one.
fn value_in_map(bytes: &[u8], name: &str) -> Option<(Range<usize>, bool)> {
    let document = documents(bytes).find(|document| !bytes[document.text.clone()].trim_ascii().is_empty())?;
    let tree = Tree::parse(std::str::from_utf8(&bytes[document.text.clone()]).ok()?).ok()?;
    let value = tree.value().ok()?;
    let path = settings::place(&value, name);
    let node = tree.node(tree.locate(path.steps()).filter(|_| !path.steps().is_empty())?);
    let start = document.text.start;
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
    let name = path.to_string_lossy().into_owned();
    let input =
        Input { name, path: Some(path.to_path_buf()), named: true, regular: true, left_alone: None, renamed: None };
    files::read(&input).map(|bytes| (input.name, bytes))
}

fn said(message: String) -> Failure {
    Failure { position: None, message, source_line: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        pairs_of("s", text.as_bytes()).unwrap()
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
            assert!(pairs_of("s", text.as_bytes()).unwrap_err().0[0].message.contains("expected"), "{text}");
        }
        assert!(pairs_of("s", b"\xff=1").is_err());
    }
}
