//! The path language that says where in an object pod templates stand:
//! `spec.workerGroupSpecs[*].template`, `spec.*ReplicaSpecs.*.template`. Knows nothing of kinds.
//!
//! | written | stands for |
//! |---|---|
//! | `name` | the key `name` of a map |
//! | `*` | every key of a map |
//! | `*Suffix`, `Prefix*` | every key that ends or begins so |
//! | `["a.b"]` | a key with a dot in it |
//! | `[*]` | every item of a list |
//! | `[2]` | the third item |
//!
//! Patterns come from command lines and settings too, so they are bounded and every error says where.

use crate::value::{Map, Path, Step, Value};
use std::borrow::Cow;
use std::fmt;
use thiserror::Error;

/// The longest pattern, in bytes.
const MAX_LENGTH: usize = 1024;
/// The deepest pattern, in steps.
const MAX_STEPS: usize = 64;

/// A path with wildcards, from the root of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<Segment>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    /// This key.
    Key(Cow<'static, str>),
    /// Every key with this beginning and this end.
    Keys { prefix: String, suffix: String },
    /// This item.
    Item(usize),
    /// Every item.
    Items,
}

/// A pattern that cannot be read. Columns count from 1, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PatternError {
    /// There is nothing.
    #[error("the path is empty")]
    Empty,
    /// It is longer or deeper than any object.
    #[error("the path is too long")]
    TooLong,
    /// Two dots in a row, or one at an end.
    #[error("a key is missing at column {0}")]
    NoKey(usize),
    /// A bracket that is not closed.
    #[error("the bracket at column {0} is not closed")]
    Unclosed(usize),
    /// Brackets hold `*`, a number, or a key in quotes.
    #[error("the brackets at column {0} hold neither *, nor a number, nor a key in double quotes")]
    Brackets(usize),
    /// More than one `*` in a key.
    #[error("the key at column {0} has more than one *")]
    Stars(usize),
    /// A character that no key has.
    #[error("an unexpected character at column {0}")]
    Character(usize),
}

impl Pattern {
    /// The object itself.
    pub const ROOT: Pattern = Pattern(Vec::new());

    /// Reads a pattern.
    ///
    /// # Errors
    /// When it does not have the form above.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text.len() > MAX_LENGTH {
            return Err(PatternError::TooLong);
        }
        let mut segments = Vec::new();
        let mut at = 0;
        while at < text.len() {
            let rest = &text[at..];
            if rest.starts_with('[') {
                let (segment, length) = brackets(rest, at + 1)?;
                segments.push(segment);
                at += length;
            } else {
                // A key stands at the beginning or after a dot.
                if at > 0 {
                    if !rest.starts_with('.') {
                        return Err(PatternError::Character(at + 1));
                    }
                    at += 1;
                }
                let key = &text[at..];
                let length = key.find(['.', '[']).unwrap_or(key.len());
                segments.push(key_segment(&key[..length], at + 1)?);
                at += length;
            }
            if segments.len() > MAX_STEPS {
                return Err(PatternError::TooLong);
            }
        }
        Ok(Pattern(segments))
    }

    /// Every place of `root` that the pattern leads to, in document order, with what stands there.
    /// Places that are not there are left out.
    pub fn expand<'v>(&self, root: &'v Value<'v>) -> Vec<(Path, &'v Value<'v>)> {
        let mut found = Vec::new();
        walk(&self.0, root, &mut Vec::with_capacity(self.0.len()), &mut found);
        found
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            let dot = if position == 0 { "" } else { "." };
            match segment {
                Segment::Key(key) if key.contains(|c| !is_plain(c)) => write!(f, "[\"{key}\"]")?,
                Segment::Key(key) => write!(f, "{dot}{key}")?,
                Segment::Keys { prefix, suffix } => write!(f, "{dot}{prefix}*{suffix}")?,
                Segment::Item(index) => write!(f, "[{index}]")?,
                Segment::Items => f.write_str("[*]")?,
            }
        }
        Ok(())
    }
}

/// Whether a character may stand in a key without quotes.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/')
}

fn key_segment(key: &str, column: usize) -> Result<Segment, PatternError> {
    if key.is_empty() {
        return Err(PatternError::NoKey(column));
    }
    if let Some(bad) = key.find(|c| !is_plain(c) && c != '*') {
        return Err(PatternError::Character(column + bad));
    }
    match key.split_once('*') {
        None => Ok(Segment::Key(Cow::Owned(key.to_owned()))),
        Some((_, suffix)) if suffix.contains('*') => Err(PatternError::Stars(column)),
        Some((prefix, suffix)) => Ok(Segment::Keys { prefix: prefix.to_owned(), suffix: suffix.to_owned() }),
    }
}

/// The segment in brackets at the beginning of `text`, and how long it is with them.
fn brackets(text: &str, column: usize) -> Result<(Segment, usize), PatternError> {
    if let Some(quoted) = text.strip_prefix("[\"") {
        let length = quoted.find('"').ok_or(PatternError::Unclosed(column))?;
        if !quoted[length + 1..].starts_with(']') {
            return Err(PatternError::Unclosed(column));
        }
        let key = &quoted[..length];
        if key.is_empty() {
            return Err(PatternError::NoKey(column + 2));
        }
        if let Some(bad) = key.find(|c: char| c.is_control()) {
            return Err(PatternError::Character(column + 2 + bad));
        }
        return Ok((Segment::Key(Cow::Owned(key.to_owned())), length + 4));
    }
    let length = text.find(']').ok_or(PatternError::Unclosed(column))?;
    let segment = match &text[1..length] {
        "*" => Segment::Items,
        number if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) => {
            Segment::Item(number.parse().map_err(|_| PatternError::Brackets(column))?)
        }
        _ => return Err(PatternError::Brackets(column)),
    };
    Ok((segment, length + 1))
}

fn walk<'v>(segments: &[Segment], value: &'v Value<'v>, steps: &mut Vec<Step>, found: &mut Vec<(Path, &'v Value<'v>)>) {
    let Some((segment, rest)) = segments.split_first() else {
        found.push((steps.iter().cloned().collect(), value));
        return;
    };
    let mut down = |step: Step, value: &'v Value<'v>| {
        steps.push(step);
        walk(rest, value, steps, found);
        steps.pop();
    };
    match segment {
        Segment::Key(key) => {
            if let Some(value) = value.get(key) {
                down(Step::Key(key.clone()), value);
            }
        }
        Segment::Keys { prefix, suffix } => {
            for (key, value) in value.as_map().into_iter().flat_map(Map::iter) {
                let fits = key.len() >= prefix.len() + suffix.len();
                if fits && key.starts_with(prefix.as_str()) && key.ends_with(suffix.as_str()) {
                    down(Step::Key(Cow::Owned(key.to_owned())), value);
                }
            }
        }
        Segment::Item(index) => {
            if let Some(value) = value.as_list().and_then(|items| items.get(*index)) {
                down(Step::Index(*index), value);
            }
        }
        Segment::Items => {
            for (index, value) in value.as_list().into_iter().flatten().enumerate() {
                down(Step::Index(index), value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn places(pattern: &str, object: &serde_json::Value) -> Vec<String> {
        let value = Value::from(object);
        Pattern::parse(pattern).unwrap().expand(&value).iter().map(|(path, _)| path.to_string()).collect()
    }

    #[test]
    fn a_pattern_leads_to_every_place_that_is_there() {
        let object = json!({
            "spec": {
                "template": {},
                "workers": [{"template": {}}, {"other": {}}, {"template": {}}],
                "pytorchReplicaSpecs": {"Master": {"template": {}}, "Worker": {"template": {}}},
                "steps": [[{"inline": 1}], [{"inline": 2}, {"inline": 3}]],
                "a.b": {"template": {}},
            }
        });
        for (pattern, expected) in [
            ("spec.template", vec!["spec.template"]),
            ("spec.workers[*].template", vec!["spec.workers[0].template", "spec.workers[2].template"]),
            ("spec.workers[2].template", vec!["spec.workers[2].template"]),
            (
                "spec.*ReplicaSpecs.*.template",
                vec!["spec.pytorchReplicaSpecs.Master.template", "spec.pytorchReplicaSpecs.Worker.template"],
            ),
            ("spec.pytorch*.Master", vec!["spec.pytorchReplicaSpecs.Master"]),
            (
                "spec.steps[*][*].inline",
                vec!["spec.steps[0][0].inline", "spec.steps[1][0].inline", "spec.steps[1][1].inline"],
            ),
            ("spec[\"a.b\"].template", vec!["spec[\"a.b\"].template"]),
            ("spec.missing.template", vec![]),
            ("spec.template[*]", vec![]),
            ("spec.workers.*", vec![]),
        ] {
            assert_eq!(places(pattern, &object), expected, "{pattern}");
        }
    }

    #[test]
    fn hostile_patterns_are_errors_that_say_where() {
        use PatternError::{Brackets, Character, Empty, NoKey, Stars, TooLong, Unclosed};
        for (text, error) in [
            ("", Empty),
            (".", NoKey(1)),
            ("spec.", NoKey(6)),
            (".spec", NoKey(1)),
            ("spec..template", NoKey(6)),
            ("spec[", Unclosed(5)),
            ("spec[*", Unclosed(5)),
            ("spec[]", Brackets(5)),
            ("spec[-1]", Brackets(5)),
            ("spec[99999999999999999999999]", Brackets(5)),
            ("spec[x]", Brackets(5)),
            ("spec[\"a", Unclosed(5)),
            ("spec[\"a\"x", Unclosed(5)),
            ("spec[\"\"]", NoKey(7)),
            ("spec[*]x", Character(8)),
            ("spec.*a*", Stars(6)),
            ("spec.a b", Character(7)),
            ("spec.ü", Character(6)),
            ("spec.a]", Character(7)),
        ] {
            assert_eq!(Pattern::parse(text), Err(error), "{text}");
        }
        assert_eq!(Pattern::parse(&"a".repeat(MAX_LENGTH + 1)), Err(TooLong));
        assert_eq!(Pattern::parse(&"[0]".repeat(MAX_STEPS + 1)), Err(TooLong));
    }

    proptest::proptest! {
        #[test]
        fn whatever_can_be_read_is_written_the_same(text in r#"([a-zA-Z.*_\[\]0-9"-]|\[\*\]|\["a\.b"\]){0,24}"#, any in "(?s).{0,24}") {
            for text in [text, any] {
                if let Ok(pattern) = Pattern::parse(&text) {
                    proptest::prop_assert_eq!(Pattern::parse(&pattern.to_string()), Ok(pattern));
                }
            }
        }
    }

    #[test]
    fn a_pattern_is_written_as_it_was_read() {
        for text in
            ["spec.template", "spec.workerGroupSpecs[*].template", "spec.*ReplicaSpecs.*.template", "a[0][\"b.c\"]"]
        {
            assert_eq!(Pattern::parse(text).unwrap().to_string(), text);
        }
    }
}
