//! Settings as they stand in files: a `ConfigMap`, a plain map, or `NAME=VALUE` lines.

use super::SettingProblem;
use crate::value::{Path, Value};

/// Name and value of every setting in a document: the `data` of a `ConfigMap` (or of another object
/// with `data`, as a functionConfig is), or a plain map of names and values.
///
/// Values are taken as text, quoted or not; null is no value. `OPENLIT_WORKLOADS` and
/// `WATCH_NAMESPACE` may also be lists.
///
/// # Errors
/// When the document is no map, has no `data`, or a value is a map or list where none may stand.
pub fn pairs(document: &Value<'_>) -> Result<Vec<(String, String)>, Vec<SettingProblem>> {
    if document.is_null() {
        return Ok(Vec::new());
    }
    let Some(map) = document.as_map() else {
        return Err(vec![SettingProblem::new("settings", "found no map, expected a ConfigMap or NAME: value pairs")]);
    };
    let map = match (is_object(document), map.get("data")) {
        (false, _) => map,
        (true, Some(Value::Map(data))) => data,
        (true, Some(data)) if !data.is_null() => {
            return Err(vec![SettingProblem::new("data", "expected a map of NAME: value pairs")]);
        }
        (true, _) => {
            return Err(vec![SettingProblem::new("data", "missing, expected a map of NAME: value pairs")]);
        }
    };
    let mut found = Vec::new();
    let mut problems = Vec::new();
    for (name, value) in map.iter() {
        match value {
            Value::Scalar(_) => found.push((name.to_owned(), value.as_text().unwrap_or("").to_owned())),
            Value::List(items) if matches!(name, "OPENLIT_WORKLOADS" | "WATCH_NAMESPACE") => {
                let items: Vec<&str> = items.iter().filter_map(Value::as_text).collect();
                found.push((name.to_owned(), items.join("\n")));
            }
            Value::List(_) => problems.push(SettingProblem::new(name, "found a list, expected text")),
            Value::Map(_) => problems.push(SettingProblem::new(name, "found a map, expected text")),
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
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
///
/// # Errors
/// All lines at once that are neither empty, comments nor settings, and names that stand twice.
pub fn parse_env_file(text: &str) -> Result<Vec<(String, String)>, Vec<SettingProblem>> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut problems = Vec::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let place = || format!("line {}", index + 1);
        // What stands here may be a secret: it is not shown.
        let Some((name, value)) = line.strip_prefix("export ").unwrap_or(line).split_once('=') else {
            problems.push(SettingProblem::new(place(), "expected NAME=VALUE"));
            continue;
        };
        let name = name.trim();
        if !crate::api::syntax::check(crate::api::syntax::ENV_NAME, name) {
            problems.push(SettingProblem::new(place(), "expected NAME=VALUE, with a name of letters, digits and _"));
        } else if found.iter().any(|(known, _)| known == name) {
            problems.push(SettingProblem::new(name, format!("stands twice, again in {}", place())));
        } else {
            found.push((name.to_owned(), unquoted(value.trim()).to_owned()));
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

fn unquoted(value: &str) -> &str {
    let within = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    within('"').or_else(|| within('\'')).unwrap_or(value)
}

/// The items of a list that is written as text: with commas or line ends between them.
pub(super) fn list_items(text: &str) -> Vec<String> {
    text.split([',', '\n']).map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}
