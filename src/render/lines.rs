//! Offsets into positions, counted only when somebody asks.

use super::report::Position;
use std::cell::Cell;

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
    /// Where its line begins.
    start: usize,
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
            Last { offset, line, start, column: columns(&self.bytes[start..offset]) }
        } else if last.offset <= offset {
            Last { offset, column: last.column + columns(between), ..last }
        } else {
            Last { offset, column: last.column.saturating_sub(columns(between)), ..last }
        };
        self.last.set(place);
        place
    }

    /// The line that holds an offset, for a message.
    pub fn source_line(&self, offset: usize) -> String {
        let start = self.find(offset).start;
        let rest = &self.bytes[start..];
        let line = rest[..memchr::memchr(b'\n', rest).unwrap_or(rest.len())].trim_ascii_end();
        // No character is longer than four bytes: what is cut off would not be shown.
        let line = String::from_utf8_lossy(&line[..line.len().min(4 * (LONGEST_LINE + 1))]);
        let line = line.trim_end();
        if line.chars().count() <= LONGEST_LINE {
            line.to_owned()
        } else {
            line.chars().take(LONGEST_LINE).chain("…".chars()).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(lines.source_line(text.len()), "{d: é, f: g}");
        assert_eq!(lines.source_line(5), "üb: c");
    }
}
