//! Settings as they stand in files: a `ConfigMap`, a plain map, or `NAME=VALUE` lines.

use super::SettingProblem;
use crate::value::{Path, Value};

/// What stands in a file: settings as names and values, and everything that is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Given {
    /// Name and value, in the order of the file.
    pub pairs: Vec<(String, String)>,
    /// What is wrong with the form. The rest is read all the same, so that everything is said at once.
    pub problems: Vec<SettingProblem>,
}

impl Given {
    fn wrong(name: &str, message: &str) -> Self {
        Given { pairs: Vec::new(), problems: vec![SettingProblem::new(name, message)] }
    }
}

/// Name and value of every setting in a document: the `data` of a `ConfigMap` (or of another object
/// with `data`, as a functionConfig is), or a plain map of names and values.
///
/// Values are taken as text, quoted or not; null is no value. `OPENLIT_WORKLOADS` and
/// `WATCH_NAMESPACE` may also be lists. It is a problem when the document is no map, has no `data`, or
/// a value is a map or list where none may stand.
pub fn pairs(document: &Value<'_>) -> Given {
    let mut given = Given::default();
    if document.is_null() {
        return given;
    }
    let Some(map) = document.as_map() else {
        return Given::wrong("settings", "found no map, expected a ConfigMap or NAME: value pairs");
    };
    let map = match (is_object(document), map.get("data")) {
        (false, _) => map,
        (true, Some(Value::Map(data))) => data,
        (true, Some(data)) if !data.is_null() => return Given::wrong("data", "expected a map of NAME: value pairs"),
        (true, _) => return Given::wrong("data", "missing, expected a map of NAME: value pairs"),
    };
    for (name, value) in map.iter() {
        match value {
            Value::Scalar(_) => given.pairs.push((name.to_owned(), value.as_text().unwrap_or("").to_owned())),
            Value::List(items) if matches!(name, "OPENLIT_WORKLOADS" | "WATCH_NAMESPACE") => {
                let items: Vec<&str> = items.iter().filter_map(Value::as_text).collect();
                given.pairs.push((name.to_owned(), items.join("\n")));
            }
            Value::List(_) => given.problems.push(SettingProblem::new(name, "found a list, expected text")),
            Value::Map(_) => given.problems.push(SettingProblem::new(name, "found a map, expected text")),
        }
    }
    given
}

/// Where a setting stands in a document that [`pairs`] takes, to say a position.
pub fn place(document: &Value<'_>, name: &str) -> Path {
    if is_object(document) && document.dig(&["data", name]).is_some() {
        Path::keys(&["data"]).key(name.to_owned())
    } else if document.get(name).is_some() {
        Path::ROOT.key(name.to_owned())
    } else {
        Path::ROOT
    }
}

/// Whether a document is a Kubernetes object, and no plain map: it has a kind.
fn is_object(document: &Value<'_>) -> bool {
    document.get("kind").is_some() || document.get("apiVersion").is_some()
}

/// Name and value of every `NAME=VALUE` line, as `docker --env-file` and shells have them: `#` begins
/// a comment line, `export` before a name and quotes around a value are taken away. Nothing is expanded.
/// Lines that are neither empty, comments nor settings are problems, and so are names that stand twice.
pub fn parse_env_file(text: &str) -> Given {
    let mut given = Given::default();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut wrong = |name: &str, message: &str| {
            given.problems.push(SettingProblem { line: Some(index + 1), ..SettingProblem::new(name, message) });
        };
        // What stands here may be a secret: it is not shown.
        let Some((name, value)) = assignment(line) else {
            wrong("", "expected NAME=VALUE");
            continue;
        };
        if !crate::api::syntax::check(crate::api::syntax::ENV_NAME, name) {
            wrong("", "expected NAME=VALUE, with a name of letters, digits and _");
        } else if given.pairs.iter().any(|(known, _)| known == name) {
            wrong(name, "stands twice; expected it once");
        } else {
            given.pairs.push((name.to_owned(), unquoted(value).to_owned()));
        }
    }
    given
}

/// The line, from 1, that gives a name its first value among the lines that [`parse_env_file`] takes.
pub fn line_of(text: &str, name: &str) -> Option<usize> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let found = text.lines().position(|line| assignment(line.trim()).is_some_and(|(known, _)| known == name));
    found.map(|index| index + 1)
}

fn assignment(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
    Some((name.trim(), value.trim()))
}

fn unquoted(value: &str) -> &str {
    let within = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    within('"').or_else(|| within('\'')).unwrap_or(value)
}

/// The items of a list that is written as text: with commas or line ends between them.
pub(super) fn list_items(text: &str) -> Vec<String> {
    text.split([',', '\n']).map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}
