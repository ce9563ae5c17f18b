//! From the command line to the options of a run. Knows the forms of a settings file, and neither
//! the names of settings nor what they do.

use super::args::Configuration;
use super::files::{self, Input};
use crate::render::{Action, Failure, Failures, KindRow, Options, Settings, Source};
use crate::value::Value;
use std::path::Path;

/// The first document of a text as a value, as far as it can be read.
pub fn yaml_value(bytes: &[u8]) -> Option<Value<'_>> {
    let json: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    Some(Value::from(&json).into_owned())
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
    for text in &configuration.workload {
        match text.parse::<KindRow>() {
            Ok(row) => workloads.push(row),
            Err(error) => failures.push(said(format!("--workload {text}: {error}"))),
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

/// The settings of the file, and over them those of the command line; everything that is wrong at once.
fn settings(configuration: &Configuration) -> Result<Settings, Failures> {
    let mut pairs = Vec::new();
    if let Some(path) = &configuration.settings {
        let (name, bytes) = read_file(path)?;
        pairs = pairs_of(&bytes).map_err(|message| Failures(vec![said(format!("{name}: {message}"))]))?;
    }
    for (name, value) in &configuration.set {
        pairs.retain(|(other, _)| other != name);
        pairs.push((name.clone(), value.clone()));
    }
    Settings::read(pairs).map_err(|wrong| Failures(wrong.into_iter().map(said).collect()))
}

/// The pairs of a settings file: lines of NAME=VALUE, a map, or the `data` of a `ConfigMap`.
fn pairs_of(bytes: &[u8]) -> Result<Vec<(String, String)>, String> {
    const EXPECTED: &str = "expected a ConfigMap, a map of names and values, or lines of NAME=VALUE";
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| format!("{error}, {EXPECTED}"))?;
    if let Some(pairs) = lines_of(text) {
        return Ok(pairs);
    }
    let value = yaml_value(bytes).ok_or(EXPECTED)?;
    let is_object = value.get("kind").is_some() && value.get("apiVersion").is_some();
    let data = if is_object {
        match value.get("kind").and_then(Value::as_text) {
            Some("ConfigMap") => value.get("data").unwrap_or(&Value::NULL),
            kind => return Err(format!("found a {}, {EXPECTED}", kind.unwrap_or("nameless kind"))),
        }
    } else {
        &value
    };
    if data.is_null() {
        return Ok(Vec::new());
    }
    let map = data.as_map().ok_or(EXPECTED)?;
    map.iter()
        .map(|(name, value)| match value {
            value if value.is_null() => Ok((name.to_owned(), String::new())),
            value => match value.as_text() {
                Some(text) => Ok((name.to_owned(), text.to_owned())),
                None => Err(format!("{name}: found a list or a map, expected one value")),
            },
        })
        .collect()
}

/// Lines of NAME=VALUE, if every line is one, or is empty, or a remark.
fn lines_of(text: &str) -> Option<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') && !name.is_empty();
        if !is_name {
            return None;
        }
        pairs.push((name.to_owned(), unquoted(value.trim()).to_owned()));
    }
    Some(pairs)
}

fn unquoted(value: &str) -> &str {
    let quoted = |mark: char| value.len() >= 2 && value.starts_with(mark) && value.ends_with(mark);
    if quoted('"') || quoted('\'') { &value[1..value.len() - 1] } else { value }
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
        pairs_of(text.as_bytes()).unwrap()
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
        assert_eq!(pairs(r#"{"apiVersion": "v1", "kind": "ConfigMap"}"#), []);
    }

    #[test]
    fn other_forms_are_errors_that_say_what_is_expected() {
        for text in [r#"["A=1"]"#, r#"{"A": {}}"#, r#"{"apiVersion": "v1", "kind": "Secret"}"#] {
            assert!(pairs_of(text.as_bytes()).unwrap_err().contains("expected"), "{text}");
        }
        assert!(pairs_of(b"\xff=1").is_err());
    }
}
