//! Offsets into positions, counted only when somebody asks.

use super::report::Position;
use crate::api::syntax;
use std::cell::Cell;
use std::ops::Range;

/// A line of a minified file can be very long; a message shows its beginning.
const LONGEST_LINE: usize = 160;

/// Counts lines of one source, from one place that was asked for to the next.
#[derive(Debug)]
pub struct Lines<'s> {
    file: &'s str,
    bytes: &'s [u8],
    last: Cell<Last>,
}

/// A place that was asked for; line and column from 0.
#[derive(Debug, Clone, Copy, Default)]
struct Last {
    offset: usize,
    line: usize,
    column: usize,
}

impl<'s> Lines<'s> {
    /// For one source.
    pub fn new(file: &'s str, bytes: &'s [u8]) -> Self {
        Lines { file, bytes, last: Cell::default() }
    }

    /// The source.
    pub fn bytes(&self) -> &'s [u8] {
        self.bytes
    }

    /// The position of an offset.
    pub fn position(&self, offset: usize) -> Position {
        let place = self.find(offset);
        Position { file: self.file.to_owned(), line: place.line + 1, column: place.column + 1 }
    }

    /// Goes to an offset, from the last one that was asked for, forwards or back: neighbours cost little, on one
    /// long line too.
    fn find(&self, offset: usize) -> Last {
        let offset = offset.min(self.bytes.len());
        let last = self.last.get();
        let between = &self.bytes[last.offset.min(offset)..last.offset.max(offset)];
        let breaks = memchr::memchr_iter(b'\n', between).count();
        let columns = |bytes: &[u8]| String::from_utf8_lossy(bytes).chars().count();
        let place = if breaks > 0 {
            let line = if last.offset <= offset { last.line + breaks } else { last.line - breaks };
            let start = memchr::memrchr(b'\n', &self.bytes[..offset]).map_or(0, |at| at + 1);
            Last { offset, line, column: columns(&self.bytes[start..offset]) }
        } else if last.offset <= offset {
            Last { offset, column: last.column + columns(between), ..last }
        } else {
            Last { offset, column: last.column.saturating_sub(columns(between)), ..last }
        };
        self.last.set(place);
        place
    }

    /// The line that holds an offset as a picture may show it: its first key, and `…` for the rest.
    /// What stands behind a key may be a secret, and a line without one may be a part of a secret:
    /// nobody knows what a document means that cannot be parsed, and a line of JSON holds a whole object.
    pub fn key_line(&self, offset: usize) -> Option<String> {
        let (start, end) = self.line(offset);
        let line = String::from_utf8_lossy(&self.bytes[start..end]);
        let (lead, rest) = line.split_at(after_key(&line)?);
        Some(cut(if rest.trim().is_empty() { lead.to_owned() } else { format!("{} …", lead.trim_end()) }))
    }

    /// The same with a value that is known to be no secret, where it is the first in its line; without
    /// the credentials of a URL, and without what follows it.
    pub fn value_line(&self, value: Range<usize>) -> Option<String> {
        let (start, end) = self.line(value.start);
        let lead = String::from_utf8_lossy(&self.bytes[start..value.start]);
        let is_first = after_dashes(&lead) == lead.len()
            || after_key(&lead).or_else(|| after_name(&lead)).is_some_and(|end| lead[end..].trim().is_empty());
        if !is_first {
            return self.key_line(value.start);
        }
        let shown = String::from_utf8_lossy(&self.bytes[value.start..value.end.clamp(value.start, end)]);
        Some(cut(format!("{lead}{}", syntax::shown(shown.trim_end()))))
    }

    /// Where the line that holds an offset begins and ends.
    fn line(&self, offset: usize) -> (usize, usize) {
        let offset = offset.min(self.bytes.len());
        let start = memchr::memrchr(b'\n', &self.bytes[..offset]).map_or(0, |at| at + 1);
        let end = memchr::memchr(b'\n', &self.bytes[offset..]).map_or(self.bytes.len(), |at| offset + at);
        (start, end)
    }
}

/// The end of the indentation of a line, and of the dashes of a list.
fn after_dashes(line: &str) -> usize {
    let mut rest = line.trim_start();
    while let Some(item) = rest.strip_prefix('-').filter(|item| item.starts_with([' ', '\t'])) {
        rest = item.trim_start();
    }
    line.len() - rest.len()
}

/// The end of the first key of a line of YAML or JSON, with its colon.
fn after_key(line: &str) -> Option<usize> {
    let start = after_dashes(line);
    let quote = line[start..].chars().next().filter(|first| matches!(first, '"' | '\''));
    let name = start + usize::from(quote.is_some());
    let end = name + after_word(&line[name..])?;
    let rest = match quote {
        Some(quote) => line[end..].strip_prefix(quote)?,
        None => &line[end..],
    };
    let rest = rest.strip_prefix(':')?;
    let end = line.len() - rest.len();
    (quote.is_some() || rest.is_empty() || rest.starts_with(char::is_whitespace)).then_some(end)
}

/// The end of the name of a line `NAME=VALUE`, with its equals sign and a quote.
fn after_name(line: &str) -> Option<usize> {
    let rest = line.trim_start();
    let rest = rest.strip_prefix("export ").unwrap_or(rest).trim_start();
    let rest = rest[after_word(rest)?..].trim_start().strip_prefix('=')?;
    Some(line.len() - rest.trim_start().trim_start_matches(['"', '\'']).len())
}

/// The length of what a key is made of; none, if there is nothing.
fn after_word(text: &str) -> Option<usize> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-' | '.' | '/'));
    Some(end.unwrap_or(text.len())).filter(|end| *end > 0)
}

fn cut(line: String) -> String {
    match line.char_indices().nth(LONGEST_LINE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_line(text: &str) -> Option<String> {
        Lines::new("x", text.as_bytes()).key_line(text.len())
    }

    fn value_line(text: &str, value: &str) -> Option<String> {
        let start = text.find(value).unwrap();
        Lines::new("x", text.as_bytes()).value_line(start..start + value.len())
    }

    #[test]
    fn of_a_line_the_key_is_shown() {
        for (line, expected) in [
            ("  password: s3cr3t # s3cr3t", "  password: …"),
            ("a: b\n- - key:\ts3cr3t", "- - key: …"),
            ("\t\"a/b.c\":\"s3cr3t\",", "\t\"a/b.c\": …"),
            ("'key': {a: s3cr3t}", "'key': …"),
            ("spec:", "spec:"),
            ("spec:  ", "spec:"),
        ] {
            assert_eq!(key_line(line).as_deref(), Some(expected), "{line}");
        }
    }

    #[test]
    fn a_line_without_a_key_is_not_shown() {
        for line in [
            "",
            "s3cr3t",
            "  - s3cr3t",
            "{\"a\": \"s3cr3t\"}",
            "user:s3cr3t",
            "https://user:s3cr3t@host",
            "-----BEGIN RSA PRIVATE KEY-----",
            "MIIEvQ+/IBAD==",
            "A=s3cr3t",
            "# password: s3cr3t",
            "a b: s3cr3t",
            "\"a: s3cr3t",
            "? s3cr3t",
        ] {
            assert_eq!(key_line(line), None, "{line}");
        }
    }

    #[test]
    fn a_value_is_shown_where_it_is_the_first_of_its_line() {
        for (text, value, expected) in [
            ("a: b # s3cr3t", "b", "a: b"),
            ("  - a", "a", "  - a"),
            ("{a: s3cr3t, b: c}", "c", ""),
            ("x: {a: s3cr3t, b: c}", "c", "x: …"),
            ("a: s3cr3t, b", "b", "a: …"),
            ("url: ftp://u:s3cr3t@h", "ftp://u:s3cr3t@h", "url: ftp://***@h"),
            ("export A='b'", "b", "export A='b"),
            ("a: \"b\n s3cr3t\"", "\"b\n s3cr3t\"", "a: \"b"),
        ] {
            assert_eq!(value_line(text, value).unwrap_or_default(), expected, "{text}");
        }
    }

    #[test]
    fn a_long_line_is_cut() {
        let line = format!("a: {}", "b".repeat(1000));
        assert_eq!(value_line(&line, &line[3..]).unwrap().chars().count(), LONGEST_LINE + 1);
    }

    #[test]
    fn positions_are_the_same_in_any_order() {
        let text = "aé\n\nüb: c\r\n{d: é, f: g}";
        let expected = |offset: usize| {
            let before = &text[..offset];
            let line = before.rfind('\n').map_or(before, |at| &before[at + 1..]);
            (before.matches('\n').count() + 1, line.chars().count() + 1)
        };
        let offsets: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let lines = Lines::new("x", text.as_bytes());
        for first in &offsets {
            for second in &offsets {
                lines.position(*first);
                let Position { line, column, .. } = lines.position(*second);
                assert_eq!((line, column), expected(*second), "{first} {second}");
            }
        }
    }
}
