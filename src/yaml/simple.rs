//! The subset of YAML in which most manifests are written, read in one pass over lines: ASCII, block
//! mappings and sequences with plain keys, scalars and flow collections that end on their line.
//!
//! Whatever is outside it (anchors, tags, block scalars, text over several lines, tabs, other
//! scripts, anything that is not well-formed) makes [`read`] give up, and the parser of
//! [`super::tree`] reads the document as if nothing had been tried. So this can only be too
//! modest, and a property test holds it to the parser, node by node.

use super::gaps;
use super::tree::{Node, NodeId, NodeKind};
use granit_parser::ScalarStyle;
use std::borrow::Cow;
use std::ops::Range;

/// Collections inside collections; deeper ones are left to the parser and its limits.
const MAX_DEPTH: usize = 64;
/// Keys that are longer are left to the parser and its limits.
const MAX_KEY: usize = 256;

/// Room is made for so many nodes at most before there is one: a large text may prove to have few.
const MAX_FIRST: usize = 1 << 16;

/// The first capacity of a list of nodes, from how many are expected.
pub(super) fn first_capacity(expected: usize) -> usize {
    expected.min(MAX_FIRST)
}

/// The nodes of a document that is written simply; none where it is not.
pub(super) fn read(text: &str) -> Option<Vec<Node<'_>>> {
    if !text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\r')) {
        return None;
    }
    let nodes = Vec::with_capacity(first_capacity(text.len() / 16));
    let mut reader = Reader { text, nodes, open: Vec::new(), pending: None, literal: None };
    let mut line = 0;
    while line < text.len() {
        let next = gaps::next_line(text, line);
        reader.line(line..gaps::line_end(text, line))?;
        line = match reader.literal.take() {
            Some(header) => reader.literal(&header, next)?,
            None => next,
        };
    }
    reader.end_of_text()?;
    Some(reader.nodes)
}

/// A block collection that is not closed yet.
struct Open {
    id: NodeId,
    /// The column of its keys or dashes.
    column: usize,
    sequence: bool,
    /// The child that was added last.
    last: NodeId,
}

struct Reader<'t> {
    text: &'t str,
    nodes: Vec<Node<'t>>,
    open: Vec<Open>,
    /// The colon of a key whose value has not come yet.
    pending: Option<usize>,
    /// The header of a literal block scalar whose lines have not come yet.
    literal: Option<Header>,
}

/// `|` or `|-` at the end of a line.
struct Header {
    lead: usize,
    /// The column that the lines are indented deeper than.
    column: usize,
    /// Whether the last line break is no part of the text.
    strip: bool,
}

impl<'t> Reader<'t> {
    fn line(&mut self, range: Range<usize>) -> Option<()> {
        let bytes = &self.text.as_bytes()[..range.end];
        let start = skip_spaces(bytes, range.start);
        if start == range.end || bytes[start] == b'#' {
            // A carriage return by itself is a line break for others.
            return (!bytes[start..].contains(&b'\r')).then_some(());
        }
        if bytes[start..].contains(&b'\r') {
            return None;
        }
        let column = start - range.start;
        let is_dash = bytes[start] == b'-' && bytes.get(start + 1) == Some(&b' ');
        self.settle(column, is_dash)?;
        if is_dash { self.item(start, column, range) } else { self.entry(start, column, range.end) }
    }

    /// Closes what ended before a line at this column, and gives a key that got no value a null.
    fn settle(&mut self, column: usize, is_dash: bool) -> Option<()> {
        if let Some(colon) = self.pending {
            let key_column = self.open.last()?.column;
            if column > key_column || column == key_column && is_dash {
                return Some(());
            }
            self.null(colon);
        }
        while let Some(open) = self.open.last() {
            // A sequence can stand at the column of its key: it ends where no dash follows.
            if open.column > column || open.column == column && open.sequence && !is_dash {
                self.close()?;
            } else {
                break;
            }
        }
        Some(())
    }

    /// `- …`
    fn item(&mut self, dash: usize, column: usize, range: Range<usize>) -> Option<()> {
        match self.pending.take() {
            Some(colon) => self.begin(NodeKind::Sequence { flow: false }, dash, colon, column)?,
            None if self.nodes.is_empty() => self.begin(NodeKind::Sequence { flow: false }, dash, dash, column)?,
            None => {}
        }
        if !self.open.last().is_some_and(|open| open.sequence && open.column == column) {
            return None;
        }
        let bytes = &self.text.as_bytes()[..range.end];
        let start = skip_spaces(bytes, dash + 1);
        if start == range.end || bytes[start] == b'#' || is_dash(bytes, start) {
            return None;
        }
        if key_end(bytes, start).is_none() {
            return self.value(start, dash, range.end);
        }
        let inner = column + start - dash;
        self.begin(NodeKind::Mapping { flow: false }, start, dash, inner)?;
        self.entry(start, inner, range.end)
    }

    /// `key: …`
    fn entry(&mut self, start: usize, column: usize, end: usize) -> Option<()> {
        let bytes = &self.text.as_bytes()[..end];
        let colon = key_end(bytes, start)?;
        match self.pending.take() {
            Some(parent_colon) => self.begin(NodeKind::Mapping { flow: false }, start, parent_colon, column)?,
            None if self.nodes.is_empty() => self.begin(NodeKind::Mapping { flow: false }, start, start, column)?,
            None => {}
        }
        if !self.open.last().is_some_and(|open| !open.sequence && open.column == column) {
            return None;
        }
        self.scalar(start..colon, start, Cow::Borrowed(&self.text[start..colon]), ScalarStyle::Plain);
        let value = skip_spaces(bytes, colon + 1);
        if value == end || bytes[value] == b'#' {
            self.pending = Some(colon);
            return Some(());
        }
        self.value(value, colon, end)
    }

    /// A value that begins and ends on its line.
    fn value(&mut self, start: usize, lead: usize, end: usize) -> Option<()> {
        let bytes = &self.text.as_bytes()[..end];
        let after = match bytes[start] {
            b'|' => {
                let strip = match &bytes[start..] {
                    b"|" => false,
                    b"|-" => true,
                    _ => return None,
                };
                self.literal = Some(Header { lead, column: self.open.last()?.column, strip });
                return Some(());
            }
            b'"' | b'\'' => self.quoted(start, lead, end)?,
            b'[' | b'{' => self.flow(start, lead, end, self.open.len())?,
            _ => {
                let content = plain_end(bytes, start)?;
                self.scalar(start..content, lead, Cow::Borrowed(&self.text[start..content]), ScalarStyle::Plain);
                content
            }
        };
        // Only a comment may follow.
        let rest = skip_spaces(bytes, after);
        (rest == end || bytes[rest] == b'#' && rest > after).then_some(())
    }

    /// The lines of a literal block scalar, from the offset of the first; gives the offset of the line below
    /// them.
    fn literal(&mut self, header: &Header, first: usize) -> Option<usize> {
        let bytes = self.text.as_bytes();
        let start = skip_spaces(bytes, first);
        let indent = start - first;
        if indent <= header.column || matches!(bytes.get(start), None | Some(b'\n' | b'\r')) {
            return None;
        }
        let (mut text, mut line, mut end) = (String::new(), first, first);
        let mut blank = 0;
        while line < bytes.len() {
            let next = gaps::next_line(self.text, line);
            let content = skip_spaces(bytes, line);
            // Nothing is assumed of a last line that does not end, of carriage returns, and of blanks alone.
            if bytes[next - 1] != b'\n'
                || bytes[line..next].contains(&b'\r')
                || content > line && bytes[content] == b'\n'
            {
                return None;
            }
            if content == line && bytes[line] == b'\n' {
                blank += 1;
            } else if content - line >= indent {
                text.extend(std::iter::repeat_n('\n', std::mem::take(&mut blank)));
                text.push_str(&self.text[line + indent..next]);
                end = next - 1;
            } else if content - line > header.column {
                return None;
            } else {
                break;
            }
            line = next;
        }
        if header.strip {
            text.pop();
        }
        self.scalar(start..end, header.lead, Cow::Owned(text), ScalarStyle::Literal);
        // Blank lines below the text are no part of it.
        Some(gaps::next_line(self.text, end))
    }

    /// A quoted scalar; gives the offset behind it.
    fn quoted(&mut self, start: usize, lead: usize, end: usize) -> Option<usize> {
        let (text, after) = unquote(self.text, start, end)?;
        let style =
            if self.text.as_bytes()[start] == b'"' { ScalarStyle::DoubleQuoted } else { ScalarStyle::SingleQuoted };
        self.scalar(start..after, lead, text, style);
        Some(after)
    }

    /// A flow collection; gives the offset behind it.
    fn flow(&mut self, start: usize, lead: usize, end: usize, depth: usize) -> Option<usize> {
        if depth > MAX_DEPTH {
            return None;
        }
        let bytes = &self.text.as_bytes()[..end];
        let is_map = bytes[start] == b'{';
        let close = if is_map { b'}' } else { b']' };
        let kind = if is_map { NodeKind::Mapping { flow: true } } else { NodeKind::Sequence { flow: true } };
        let id = self.push(kind, start..start, lead);
        // Until it is closed, what is added is inside it.
        self.nodes[id].next = usize::MAX;
        let mut at = skip_spaces(bytes, start + 1);
        while *bytes.get(at)? != close {
            if is_map {
                let colon = self.flow_key(at, end)?;
                at = skip_spaces(bytes, colon + 1);
                at = self.flow_value(at, colon, end, depth)?;
            } else {
                at = self.flow_value(at, at, end, depth)?;
            }
            at = skip_spaces(bytes, at);
            match *bytes.get(at)? {
                b',' => {
                    at = skip_spaces(bytes, at + 1);
                    if *bytes.get(at)? == close {
                        return None;
                    }
                }
                byte if byte == close => {}
                _ => return None,
            }
        }
        self.nodes[id].end = at + 1;
        self.nodes[id].next = self.nodes.len();
        Some(at + 1)
    }

    /// A key between braces; gives the offset of its colon.
    fn flow_key(&mut self, start: usize, end: usize) -> Option<usize> {
        let bytes = &self.text.as_bytes()[..end];
        if bytes.get(start) == Some(&b'"') {
            let after = self.quoted(start, start, end)?;
            return (bytes.get(after) == Some(&b':') && after - start <= MAX_KEY).then_some(after);
        }
        let colon = key_end(bytes, start)?;
        self.scalar(start..colon, start, Cow::Borrowed(&self.text[start..colon]), ScalarStyle::Plain);
        Some(colon)
    }

    fn flow_value(&mut self, start: usize, lead: usize, end: usize, depth: usize) -> Option<usize> {
        let bytes = &self.text.as_bytes()[..end];
        match *bytes.get(start)? {
            b'"' | b'\'' => self.quoted(start, lead, end),
            b'[' | b'{' => self.flow(start, lead, end, depth + 1),
            _ => {
                let content = flow_plain_end(bytes, start)?;
                self.scalar(start..content, lead, Cow::Borrowed(&self.text[start..content]), ScalarStyle::Plain);
                Some(content)
            }
        }
    }

    fn scalar(&mut self, range: Range<usize>, lead: usize, text: Cow<'t, str>, style: ScalarStyle) {
        let typed = style == ScalarStyle::Plain;
        self.push(NodeKind::Scalar { text, style, typed }, range, lead);
    }

    /// The value of a key that has none.
    fn null(&mut self, colon: usize) {
        self.pending = None;
        let text = Cow::Borrowed("");
        self.scalar(colon + 1..colon + 1, colon, text, ScalarStyle::Plain);
    }

    fn begin(&mut self, kind: NodeKind<'t>, start: usize, lead: usize, column: usize) -> Option<()> {
        let sequence = matches!(kind, NodeKind::Sequence { .. });
        if self.open.len() >= MAX_DEPTH {
            return None;
        }
        let id = self.push(kind, start..start, lead);
        self.open.push(Open { id, column, sequence, last: id });
        Some(())
    }

    /// Adds a node: a child of the block collection, unless it stands in a flow collection.
    fn push(&mut self, kind: NodeKind<'t>, range: Range<usize>, lead: usize) -> NodeId {
        let id = self.nodes.len();
        self.nodes.push(Node::new(kind, range, lead, id + 1));
        if let Some(open) = self.open.last_mut()
            && self.nodes[open.last].next <= id
        {
            open.last = id;
        }
        id
    }

    fn close(&mut self) -> Option<()> {
        let open = self.open.pop()?;
        let last = &self.nodes[open.last];
        let end = last.end.max(last.lead + 1);
        self.nodes[open.id].end = end;
        self.nodes[open.id].next = self.nodes.len();
        Some(())
    }

    fn end_of_text(&mut self) -> Option<()> {
        if let Some(colon) = self.pending {
            self.null(colon);
        }
        while !self.open.is_empty() {
            self.close()?;
        }
        Some(())
    }
}

fn skip_spaces(bytes: &[u8], from: usize) -> usize {
    from + bytes[from..].iter().take_while(|byte| **byte == b' ').count()
}

fn is_dash(bytes: &[u8], at: usize) -> bool {
    bytes[at] == b'-' && matches!(bytes.get(at + 1), None | Some(b' '))
}

/// The colon behind a plain key that begins at `start`: letters, digits, `_`, `.`, `/` and `-` only.
fn key_end(bytes: &[u8], start: usize) -> Option<usize> {
    let first = bytes.get(start)?;
    if !first.is_ascii_alphanumeric() && *first != b'_' {
        return None;
    }
    let length = bytes[start..]
        .iter()
        .position(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'_' | b'.' | b'/' | b'-'))?;
    let colon = start + length;
    let ends = bytes[colon] == b':' && matches!(bytes.get(colon + 1), None | Some(b' '));
    (ends && length <= MAX_KEY).then_some(colon)
}

/// Whether a plain scalar may begin so, in block and in flow style.
fn begins_plain(bytes: &[u8], start: usize) -> bool {
    match bytes[start] {
        b'-' => bytes.get(start + 1).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'-'),
        first => first.is_ascii_alphanumeric() || matches!(first, b'_' | b'/' | b'.' | b'$' | b'(' | b'~' | b'+'),
    }
}

/// The end of a plain scalar in block style: before a comment and trailing blanks. None where a
/// colon could make it something else.
fn plain_end(bytes: &[u8], start: usize) -> Option<usize> {
    if !begins_plain(bytes, start) {
        return None;
    }
    let mut end = start;
    for (at, byte) in bytes.iter().enumerate().skip(start) {
        match byte {
            b' ' => {}
            b'#' if end < at => break,
            b':' if matches!(bytes.get(at + 1), None | Some(b' ')) => return None,
            _ => end = at + 1,
        }
    }
    Some(end)
}

/// The end of a plain scalar in flow style: one word.
fn flow_plain_end(bytes: &[u8], start: usize) -> Option<usize> {
    if !begins_plain(bytes, start) {
        return None;
    }
    let word = |byte: &u8| !matches!(byte, b' ' | b',' | b'[' | b']' | b'{' | b'}');
    let end = start + bytes[start..].iter().take_while(|byte| word(byte)).count();
    let colon =
        bytes[start..end].windows(2).any(|pair| pair[0] == b':' && !pair[1].is_ascii_alphanumeric() && pair[1] != b'/');
    // Text of several words, and what could be a key, is left to the parser.
    let next = skip_spaces(bytes, end);
    (!colon && bytes[end - 1] != b':' && matches!(bytes.get(next), Some(b',' | b']' | b'}'))).then_some(end)
}

/// A quoted text that ends on its line, and the offset behind it.
fn unquote(text: &str, start: usize, end: usize) -> Option<(Cow<'_, str>, usize)> {
    let bytes = &text.as_bytes()[..end];
    let content = start + 1;
    if bytes[start] == b'\'' {
        let mut at = content;
        loop {
            at += memchr::memchr(b'\'', &bytes[at..])?;
            if bytes.get(at + 1) != Some(&b'\'') {
                break;
            }
            at += 2;
        }
        let raw = &text[content..at];
        let value = if raw.contains('\'') { Cow::Owned(raw.replace("''", "'")) } else { Cow::Borrowed(raw) };
        return Some((value, at + 1));
    }
    let quote = content + memchr::memchr2(b'"', b'\\', &bytes[content..])?;
    if bytes[quote] == b'"' {
        return Some((Cow::Borrowed(&text[content..quote]), quote + 1));
    }
    let mut value = String::from(&text[content..quote]);
    let mut characters = text[quote..end].char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((Cow::Owned(value), quote + at + 1)),
            '\\' => value.push(match characters.next()?.1 {
                escaped @ ('"' | '\\') => escaped,
                'n' => '\n',
                't' => '\t',
                _ => return None,
            }),
            _ => value.push(character),
        }
    }
    None
}
