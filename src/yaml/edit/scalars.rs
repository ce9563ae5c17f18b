//! The text of scalars: something is put before it, or taken from its start, in its own quotes.

use super::{Editor, Parent, Refusal};
use crate::value::edit::EditTree;
use crate::value::scalar;
use crate::yaml::emit;
use crate::yaml::tree::{NodeId, NodeKind};
use granit_parser::ScalarStyle;

impl Editor<'_, '_> {
    pub(super) fn scalar(&mut self, id: NodeId, edits: &EditTree<'_>, parent: Parent) -> Result<(), Refusal> {
        if !edits.below.is_empty() || !edits.adds.is_empty() || edits.wants_list() {
            return Err(self.unsupported(id, "a scalar stands where a list or a map was expected"));
        }
        let in_flow = matches!(parent, Parent::Flow);
        if let Some(bytes) = edits.cut {
            self.cut(id, bytes, in_flow)?;
        }
        match edits.prefix {
            Some(prefix) => self.prefix(id, prefix, in_flow),
            None => Ok(()),
        }
    }

    fn prefix(&mut self, id: NodeId, prefix: &str, in_flow: bool) -> Result<(), Refusal> {
        let node = self.tree.node(id);
        let NodeKind::Scalar { text, style, .. } = &node.kind else { return Ok(()) };
        match style {
            ScalarStyle::DoubleQuoted => {
                let mut escaped = String::new();
                emit::escape(&mut escaped, prefix);
                self.insert(node.start + 1, escaped);
            }
            ScalarStyle::SingleQuoted => {
                if prefix.contains(|c: char| c.is_control()) {
                    return Err(self.unsupported(id, "text with control characters is not put into single quotes"));
                }
                self.insert(node.start + 1, prefix.replace('\'', "''"));
            }
            ScalarStyle::Literal | ScalarStyle::Folded => {
                let at = self.block_content(id)?;
                self.insert(at, prefix.to_owned());
            }
            ScalarStyle::Plain if !self.style.json && stays_plain(prefix, text, in_flow) => {
                self.insert(node.start, prefix.to_owned());
            }
            ScalarStyle::Plain => self.quote(id, prefix, 0)?,
        }
        Ok(())
    }

    fn cut(&mut self, id: NodeId, bytes: usize, in_flow: bool) -> Result<(), Refusal> {
        let tree = self.tree;
        let node = tree.node(id);
        let NodeKind::Scalar { text, style, .. } = &node.kind else { return Ok(()) };
        let Some(taken) = text.get(..bytes) else {
            return Err(self.unsupported(id, "the text is shorter than what is to be taken from it"));
        };
        let left = &text[bytes..];
        let raw = &tree.text[node.start..node.end];
        let over_lines = "what is to be taken is written over several lines";
        // Decoded text and what is written are one for one only inside a line.
        if taken.contains(['\n', '\r']) {
            return Err(self.unsupported(id, over_lines));
        }
        match style {
            ScalarStyle::DoubleQuoted => {
                let Some(length) = raw_length(&raw[1..], taken).filter(|length| keeps_fold(&raw[1..], *length)) else {
                    return Err(self.unsupported(id, over_lines));
                };
                self.delete(node.start + 1..node.start + 1 + length);
            }
            ScalarStyle::SingleQuoted => {
                let written = taken.replace('\'', "''");
                if !raw[1..].starts_with(&written) || !keeps_fold(&raw[1..], written.len()) {
                    return Err(self.unsupported(id, over_lines));
                }
                self.delete(node.start + 1..node.start + 1 + written.len());
            }
            ScalarStyle::Literal | ScalarStyle::Folded => {
                let at = self.block_content(id)?;
                if !tree.text[at..node.end].starts_with(taken) {
                    return Err(self.unsupported(id, over_lines));
                }
                if begins_blank(left) {
                    return Err(self.unsupported(id, "what would be left of a block text begins with blanks"));
                }
                self.delete(at..at + bytes);
            }
            ScalarStyle::Plain if !raw.starts_with(taken) => return Err(self.unsupported(id, over_lines)),
            ScalarStyle::Plain if stands_plain(left, in_flow) => self.delete(node.start..node.start + bytes),
            ScalarStyle::Plain => self.quote(id, "", bytes)?,
        }
        Ok(())
    }

    /// Puts a plain scalar into double quotes, with `prefix` before it and without its first `cut` bytes.
    fn quote(&mut self, id: NodeId, prefix: &str, cut: usize) -> Result<(), Refusal> {
        let node = self.tree.node(id);
        let raw = &self.tree.text[node.start..node.end];
        if raw.contains('\n') {
            return Err(self.unsupported(id, "an unquoted text over several lines is not put into quotes; quote it"));
        }
        let mut opening = String::from("\"");
        emit::escape(&mut opening, prefix);
        if cut > 0 {
            self.delete(node.start..node.start + cut);
        }
        self.insert(node.start + cut, opening);
        for (at, _) in raw.match_indices(['"', '\\']).filter(|(at, _)| *at >= cut) {
            self.insert(node.start + at, "\\".to_owned());
        }
        self.insert(node.end, "\"".to_owned());
        Ok(())
    }

    /// Where the content of a block scalar begins, behind its indentation.
    fn block_content(&self, id: NodeId) -> Result<usize, Refusal> {
        let node = self.tree.node(id);
        let NodeKind::Scalar { text, .. } = &node.kind else { return Ok(node.start) };
        if begins_blank(text) {
            return Err(self.unsupported(id, "a block text that begins with blanks is not edited; quote it"));
        }
        let raw = &self.tree.text[node.start..node.end];
        Ok(node.start + raw.len() - raw.trim_start_matches([' ', '\r', '\n']).len())
    }
}

/// Whether `prefix` and a plain scalar's text together may stand without quotes.
fn stays_plain(prefix: &str, text: &str, in_flow: bool) -> bool {
    let harmless = |byte: u8| match byte {
        b',' | b'[' | b']' | b'{' | b'}' => !in_flow,
        b'#' | b'"' | b'\'' | b'\\' | b' ' => false,
        _ => matches!(byte, b'!'..=b'~'),
    };
    prefix.bytes().next().is_some_and(|first| first.is_ascii_alphabetic() || matches!(first, b'/' | b'_'))
        && prefix.bytes().all(harmless)
        && !text.starts_with([' ', '#'])
        && !scalar::looks_typed(&format!("{prefix}{text}"))
}

/// Whether what is left of a plain scalar may stand as it is.
fn stands_plain(text: &str, in_flow: bool) -> bool {
    let ends = |next: char| next.is_whitespace() || in_flow && matches!(next, ',' | '[' | ']' | '{' | '}');
    let mut characters = text.chars();
    match characters.next() {
        Some('-' | '?' | ':') => characters.next().is_some_and(|next| !ends(next)),
        Some(first) => !matches!(
            first,
            ',' | '[' | ']' | '{' | '}' | '#' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' | ' '
        ),
        None => true,
    }
}

/// Whether a block text has no content that its indentation could be told by.
fn begins_blank(text: &str) -> bool {
    text.is_empty() || text.starts_with([' ', '\n', '\t'])
}

/// Whether the rest of a quoted text keeps its meaning without its first `length` bytes: blanks before the end
/// of a line are no text, so those that were taken must not have been all there was before it.
fn keeps_fold(raw: &str, length: usize) -> bool {
    !raw[..length].ends_with([' ', '\t']) || !raw[length..].trim_start_matches([' ', '\t']).starts_with(['\n', '\r'])
}

/// How many bytes of a double-quoted text write `taken`. None where that text goes over lines.
fn raw_length(raw: &str, taken: &str) -> Option<usize> {
    let mut rest = taken;
    let mut at = 0;
    while !rest.is_empty() {
        let mut characters = raw[at..].chars();
        let (character, length) = match characters.next()? {
            '\\' => match characters.next()? {
                'x' => (hex(&raw[at + 2..], 2)?, 4),
                'u' => (hex(&raw[at + 2..], 4)?, 6),
                'U' => (hex(&raw[at + 2..], 8)?, 10),
                'n' => ('\n', 2),
                't' => ('\t', 2),
                '\n' | '\r' => return None,
                other => (other, 1 + other.len_utf8()),
            },
            '\n' | '\r' => return None,
            character => (character, character.len_utf8()),
        };
        rest = rest.strip_prefix(character)?;
        at += length;
    }
    Some(at)
}

fn hex(raw: &str, digits: usize) -> Option<char> {
    char::from_u32(u32::from_str_radix(raw.get(..digits)?, 16).ok()?)
}
