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
    /// An offset and its line, from 0.
    last: Cell<(usize, usize)>,
}

impl<'s> Lines<'s> {
    /// For one source.
    pub fn new(file: &'s str, bytes: &'s [u8]) -> Self {
        Lines { file, bytes, last: Cell::new((0, 0)) }
    }

    /// The source.
    pub fn bytes(&self) -> &'s [u8] {
        self.bytes
    }

    /// The position of an offset.
    pub fn position(&self, offset: usize) -> Position {
        let offset = offset.min(self.bytes.len());
        // From the last offset that was asked for, forwards or back: neighbours cost little.
        let (last, line) = self.last.get();
        let breaks = |from: usize, to: usize| memchr::memchr_iter(b'\n', &self.bytes[from..to]).count();
        let line = if last <= offset { line + breaks(last, offset) } else { line - breaks(offset, last) };
        self.last.set((offset, line));
        let start = memchr::memrchr(b'\n', &self.bytes[..offset]).map_or(0, |at| at + 1);
        let column = String::from_utf8_lossy(&self.bytes[start..offset]).chars().count();
        Position { file: self.file.to_owned(), line: line + 1, column: column + 1 }
    }

    /// The line that holds an offset, for a message.
    pub fn source_line(&self, offset: usize) -> String {
        let offset = offset.min(self.bytes.len());
        let start = memchr::memrchr(b'\n', &self.bytes[..offset]).map_or(0, |at| at + 1);
        let end = memchr::memchr(b'\n', &self.bytes[offset..]).map_or(self.bytes.len(), |at| offset + at);
        let line = String::from_utf8_lossy(&self.bytes[start..end]);
        let line = line.trim_end();
        if line.chars().count() <= LONGEST_LINE {
            line.to_owned()
        } else {
            line.chars().take(LONGEST_LINE).chain("…".chars()).collect()
        }
    }
}
