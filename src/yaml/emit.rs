//! Values into text. What is written here reads the same under YAML 1.1 and 1.2, for `kubectl`,
//! kustomize and JSON readers: text that one of them would take for something else is quoted.

use super::style::Style;
use crate::value::{Scalar, ScalarType, Value, scalar};
use std::fmt::Write;

/// Where a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In block style.
    Block,
    /// Between brackets of YAML.
    Flow,
    /// In JSON.
    Json,
}

/// Writes block style.
pub struct Block<'o> {
    /// Where to.
    pub out: &'o mut String,
    /// How.
    pub style: Style,
    /// The line break.
    pub newline: &'static str,
}

impl Block<'_> {
    /// Begins a line at a column.
    pub fn line(&mut self, column: usize) {
        self.out.push_str(self.newline);
        indent(self.out, column);
    }

    /// Writes text, in quotes where it needs them.
    pub fn text(&mut self, content: &str) {
        text(self.out, content, Place::Block);
    }

    /// `key:` and the value, the key's column given; the line has been begun.
    pub fn entry(&mut self, key: &str, value: &Value<'_>, column: usize) {
        self.text(key);
        self.out.push(':');
        self.after_colon(value, column);
    }

    /// The same with a comment of these words: on the key's line.
    pub fn marked_entry(&mut self, key: &str, value: &Value<'_>, column: usize, words: &[&str]) {
        text(self.out, key, Place::Block);
        self.out.push(':');
        if !is_block(value) {
            self.after_colon(value, column);
        }
        for word in words {
            self.out.push(' ');
            self.out.push_str(word);
        }
        if is_block(value) {
            self.below_key(value, column);
        }
    }

    /// What follows a colon, the key's column given.
    pub fn after_colon(&mut self, value: &Value<'_>, column: usize) {
        if is_block(value) {
            self.below_key(value, column);
        } else {
            self.out.push(' ');
            flow(self.out, value, Place::Block, true);
        }
    }

    /// The lines of a collection below its key, the key's column given: each begun with a line break.
    pub fn below_key(&mut self, value: &Value<'_>, column: usize) {
        match value {
            Value::List(_) => self.lines(value, column + self.style.list_offset),
            _ => self.lines(value, column + self.style.step),
        }
    }

    /// The lines of a collection at a column: each begun with a line break.
    pub fn lines(&mut self, value: &Value<'_>, column: usize) {
        match value {
            Value::List(items) => {
                for item in items {
                    self.line(column);
                    self.item(item, column);
                }
            }
            Value::Map(map) => {
                for (key, value) in map.iter() {
                    self.line(column);
                    self.entry(key, value, column);
                }
            }
            Value::Scalar(_) => {
                self.line(column);
                flow(self.out, value, Place::Block, true);
            }
        }
    }

    /// `- ` and the item, the dash's column given; the line has been begun.
    pub fn item(&mut self, item: &Value<'_>, column: usize) {
        self.out.push_str("- ");
        match item {
            Value::Map(map) if !map.is_empty() => {
                for (index, (key, value)) in map.iter().enumerate() {
                    if index > 0 {
                        self.line(column + 2);
                    }
                    self.entry(key, value, column + 2);
                }
            }
            Value::List(items) if !items.is_empty() => {
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        self.line(column + 2);
                    }
                    self.item(item, column + 2);
                }
            }
            _ => flow(self.out, item, Place::Block, true),
        }
    }
}

/// Whether a value needs lines of its own in block style.
pub fn is_block(value: &Value<'_>) -> bool {
    match value {
        Value::Scalar(_) => false,
        Value::List(items) => !items.is_empty(),
        Value::Map(map) => !map.is_empty(),
    }
}

/// Writes a value on one line: a scalar, or a collection in flow style.
pub fn flow(out: &mut String, value: &Value<'_>, place: Place, spaced: bool) {
    let inner = if place == Place::Block { Place::Flow } else { place };
    let comma = if spaced { ", " } else { "," };
    match value {
        Value::Scalar(value) => scalar_text(out, value, place),
        Value::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { comma } else { "" });
                flow(out, item, inner, spaced);
            }
            out.push(']');
        }
        Value::Map(map) => {
            out.push('{');
            for (index, (key, value)) in map.iter().enumerate() {
                out.push_str(if index > 0 { comma } else { "" });
                flow_entry(out, key, value, inner, spaced);
            }
            out.push('}');
        }
    }
}

/// Writes `key: value` on one line.
pub fn flow_entry(out: &mut String, key: &str, value: &Value<'_>, place: Place, spaced: bool) {
    text(out, key, place);
    // Without a blank after the colon only JSON's quoted keys are keys.
    out.push_str(if spaced || place != Place::Json { ": " } else { ":" });
    flow(out, value, place, spaced);
}

/// Writes a value as JSON over several lines; `indent` is that of the line it begins on.
pub fn pretty(out: &mut String, value: &Value<'_>, indent: &str, unit: &str, newline: &str) {
    let inner = format!("{indent}{unit}");
    let open = |out: &mut String, index: usize| {
        out.push_str(if index > 0 { "," } else { "" });
        out.push_str(newline);
        out.push_str(&inner);
    };
    match value {
        Value::List(items) if !items.is_empty() => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                open(out, index);
                pretty(out, item, &inner, unit, newline);
            }
            out.push_str(newline);
            out.push_str(indent);
            out.push(']');
        }
        Value::Map(map) if !map.is_empty() => {
            out.push('{');
            for (index, (key, value)) in map.iter().enumerate() {
                open(out, index);
                pretty_entry(out, key, value, &inner, unit, newline);
            }
            out.push_str(newline);
            out.push_str(indent);
            out.push('}');
        }
        _ => flow(out, value, Place::Json, true),
    }
}

/// Writes `"key": value` as JSON over several lines.
pub fn pretty_entry(out: &mut String, key: &str, value: &Value<'_>, indent: &str, unit: &str, newline: &str) {
    text(out, key, Place::Json);
    out.push_str(": ");
    pretty(out, value, indent, unit, newline);
}

/// Writes a scalar. What was written unquoted and is no text (`on`, `0o14`, `1e3`) stays as it was written:
/// kustomize may read it otherwise than `kubectl`, and both go on as they did.
pub fn scalar_text(out: &mut String, scalar: &Scalar<'_>, place: Place) {
    match scalar.kind() {
        ScalarType::Text => text(out, scalar.as_str(), place),
        _ if place != Place::Json && !scalar.as_str().is_empty() => out.push_str(scalar.as_str()),
        ScalarType::Null => out.push_str("null"),
        ScalarType::Bool(value) => out.push_str(if value { "true" } else { "false" }),
        ScalarType::Int(value) => out.push_str(&value.to_string()),
        // What JSON reads as this number; others keep their text.
        ScalarType::Float(value) if value.is_finite() => {
            out.push_str(&Value::Scalar(scalar.clone()).to_json().to_string());
        }
        ScalarType::Float(_) => out.push_str(scalar.as_str()),
    }
}

/// Writes text: plain where nobody could misread it, else quoted.
pub fn text(out: &mut String, text: &str, place: Place) {
    if place != Place::Json && is_plain(text) {
        out.push_str(text);
    } else if place != Place::Json && reads_better_in_single_quotes(text) {
        out.push('\'');
        out.push_str(text);
        out.push('\'');
    } else {
        out.push('"');
        escape(out, text);
        out.push('"');
    }
}

/// Whether text may stand without quotes, in block and in flow style.
fn is_plain(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'/' | b':' | b'@' | b'-');
    text.bytes().next().is_some_and(|first| first.is_ascii_alphabetic() || matches!(first, b'_' | b'/'))
        && text.bytes().all(allowed)
        && !text.ends_with(':')
        && !scalar::looks_typed(text)
}

fn reads_better_in_single_quotes(text: &str) -> bool {
    text.contains('"') && text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'\'')
}

/// Escapes text for double quotes, with the escapes that JSON and go-yaml share.
pub fn escape(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            // Control characters, and what YAML 1.1 takes for line breaks or refuses.
            '\0'..='\u{1f}' | '\u{7f}'..='\u{a0}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                let _infallible = write!(out, "\\u{:04x}", u32::from(character));
            }
            _ => out.push(character),
        }
    }
}

/// Writes blanks.
pub fn indent(out: &mut String, columns: usize) {
    out.extend(std::iter::repeat_n(' ', columns));
}
