//! A file of settings: its three forms, and where in it a setting stands. Knows neither the names of settings nor what
//! they do.

use crate::api::settings::{self, SettingProblem};
use crate::render::Failure;
use crate::render::lines::Lines;
use crate::value::Value;
use crate::yaml::Tree;
use crate::yaml::documents::contents;
use std::ops::Range;

/// The pairs of a settings file, and what is wrong with its form: lines of NAME=VALUE, a map, or the
/// `data` of a `ConfigMap`.
pub fn pairs_of(name: &str, bytes: &[u8]) -> (Vec<(String, String)>, Vec<Failure>) {
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
        let document = contents(bytes).next().unwrap_or_default();
        let start = document.start;
        let parsed = Tree::parse(&text[document]).and_then(|tree| Ok(settings::pairs(&tree.value()?)));
        match parsed {
            Ok(given) => given,
            Err(error) => return nothing(start + error.offset, &error.message),
        }
    };
    let failures = in_file(name, bytes, &given.problems);
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

/// Problems with settings, each at its place in the file. The line itself is shown only where it holds no
/// secret: what is unknown may be one.
pub fn in_file(name: &str, bytes: &[u8], problems: &[SettingProblem]) -> Vec<Failure> {
    let lines = Lines::new(name, bytes);
    // Read once, since there may be thousands of problems.
    let tree = if problems.is_empty() { None } else { tree(bytes) };
    let map = tree.as_ref().and_then(|(start, tree)| Some((*start, tree, tree.value().ok()?)));
    problems.iter().map(|problem| failure(&lines, map.as_ref(), problem)).collect()
}

/// The first document, if it is one, and where it begins.
fn tree(bytes: &[u8]) -> Option<(usize, Tree<'_>)> {
    let document = contents(bytes).next()?;
    Some((document.start, Tree::parse(std::str::from_utf8(&bytes[document]).ok()?).ok()?))
}

/// A document that may be a map of settings: where it begins, and what it holds.
type Map<'m> = (usize, &'m Tree<'m>, Value<'m>);

fn failure(lines: &Lines<'_>, map: Option<&Map<'_>>, problem: &SettingProblem) -> Failure {
    let bytes = lines.bytes();
    if let Some(line) = problem.line {
        // A line that is no setting may be anything: it is not shown.
        let name = if problem.name.is_empty() { String::new() } else { format!("{}: ", problem.name) };
        return Failure::without_line(lines, start_of_line(bytes, line), format!("{name}{}", problem.message));
    }
    let message = problem.to_string();
    let in_map = map.and_then(|map| value_in_map(map, &problem.name));
    match in_map.or_else(|| value_in_lines(bytes, &problem.name)) {
        Some(part) => Failure::of_part(lines, part, problem.shown, message),
        None => Failure::without_line(lines, 0, message),
    }
}

/// Where the value of a setting stands in a map, and whether it is a single one.
fn value_in_map((start, tree, value): &Map<'_>, name: &str) -> Option<(Range<usize>, bool)> {
    let path = settings::place(value, name);
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
