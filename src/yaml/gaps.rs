//! What stands between nodes: white space, comments, indicators and properties. The parser reports
//! nodes only, so this is where dashes, colons and line ends are found.

use super::documents::byte_order_mark;
use std::ops::Range;

/// The offset of the first byte from `from` on that is neither white space nor in a comment.
pub fn skip_blank(text: &str, from: usize) -> usize {
    let bytes = text.as_bytes();
    let mut at = from;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => at += 1,
            // A carriage return by itself ends a comment, too.
            b'#' if at == 0 || matches!(bytes[at - 1], b' ' | b'\t' | b'\r' | b'\n') => {
                at = memchr::memchr2(b'\n', b'\r', &bytes[at..]).map_or(text.len(), |found| at + found);
            }
            _ => break,
        }
    }
    at
}

/// The offset of `indicator` from `from` on, past white space, comments, properties (`&a`, `!t`)
/// and the bytes in `past`.
pub fn find_indicator(text: &str, from: usize, indicator: u8, past: &[u8]) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = from;
    loop {
        at = skip_blank(text, at);
        let byte = *bytes.get(at)?;
        if byte == indicator {
            return Some(at);
        }
        if byte == b'&' || byte == b'!' {
            at += bytes[at..].iter().position(u8::is_ascii_whitespace)?;
        } else if past.contains(&byte) {
            at += 1;
        } else {
            return None;
        }
    }
}

/// Whether an anchor's name ends here.
pub fn ends_property(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n' | ',' | '[' | ']' | '{' | '}')
}

/// The end of the line that holds `at`, before its line break.
pub fn line_end(text: &str, at: usize) -> usize {
    match memchr::memchr(b'\n', &text.as_bytes()[at..]) {
        Some(found) if found > 0 && text.as_bytes()[at + found - 1] == b'\r' => at + found - 1,
        Some(found) => at + found,
        None => text.len(),
    }
}

/// The start of the line after the one that holds `at`; the end of the text after the last.
pub fn next_line(text: &str, at: usize) -> usize {
    memchr::memchr(b'\n', &text.as_bytes()[at..]).map_or(text.len(), |found| at + found + 1)
}

/// The start of the line that holds `at`; a byte order mark is not part of the first line.
pub fn line_start(text: &str, at: usize) -> usize {
    let before = &text.as_bytes()[..at];
    memchr::memrchr(b'\n', before).map_or_else(|| byte_order_mark(before), |found| found + 1)
}

/// The column of `at`, in characters from 0.
pub fn column(text: &str, at: usize) -> usize {
    text[line_start(text, at)..at].chars().count()
}

/// Whether only blanks stand before `at` on its line.
pub fn begins_line(text: &str, at: usize) -> bool {
    let before = text[..at].trim_end_matches([' ', '\t']);
    before.ends_with('\n') || before.len() == byte_order_mark(before.as_bytes())
}

/// Where something is put that follows content ending at `end`: the start of the line after it and
/// after the comments below it that are indented deeper than `column` (or at all, without one).
pub fn after_content(text: &str, end: usize, column: Option<usize>) -> usize {
    let mut position = next_line(text, end);
    let mut line = position;
    while line < text.len() {
        let content = &text[line..line_end(text, line)];
        let trimmed = content.trim_start_matches([' ', '\t']);
        let following = next_line(text, line);
        if trimmed.starts_with('#') && column.is_none_or(|column| content.len() - trimmed.len() > column) {
            position = following;
        } else if !trimmed.is_empty() {
            break;
        }
        line = following;
    }
    position
}

/// The comment that stands in a gap without a line break, if there is one.
pub fn comment_on_line(text: &str, from: usize) -> Option<Range<usize>> {
    let start = skip_spaces(text, from);
    (text.as_bytes().get(start) == Some(&b'#')).then(|| start..line_end(text, start))
}

/// The offset of the first byte from `from` on that is no blank.
pub fn skip_spaces(text: &str, from: usize) -> usize {
    from + text[from..].bytes().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}
