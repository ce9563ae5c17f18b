//! A long list in a document, item by item. A list of thousands of objects need not become one tree: each of its
//! items is a document by itself, and what stands around them is another.
//!
//! Only block lists below a key of the root are taken apart, as lines tell. Lines can be wrong about text in quotes
//! or brackets that goes on at the margin, and about aliases to what stands in another item: then the pieces are no
//! YAML, and whoever reads them must read the whole document instead.

use super::gaps;
use super::tree::{NodeKind, Tree};
use std::ops::Range;

/// Where the items of a list stand in a document's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockList {
    /// The line that a frame has for all items.
    stand_in: String,
    /// Whole lines each: from the line of the dash to that of the next.
    pub items: Vec<Range<usize>>,
}

impl BlockList {
    /// Takes the list below `key:` apart; none where the document has no such list, or is not written so.
    pub fn of(text: &str, key: &str) -> Option<BlockList> {
        let bytes = text.as_bytes();
        let key_line = find_key(text, key)?;
        let mut items: Vec<Range<usize>> = Vec::new();
        let mut indent = None;
        let mut line = gaps::next_line(text, key_line);
        while line < bytes.len() {
            let next = gaps::next_line(text, line);
            let start = line + bytes[line..next].iter().take_while(|byte| **byte == b' ').count();
            let column = start - line;
            let is_dash =
                bytes.get(start) == Some(&b'-') && matches!(bytes.get(start + 1), None | Some(b' ' | b'\n' | b'\r'));
            match bytes.get(start) {
                Some(b'\t') => return None,
                None | Some(b'\n' | b'\r' | b'#') => {}
                _ if is_dash && indent.is_none_or(|indent| indent == column) => {
                    indent = Some(column);
                    if let Some(last) = items.last_mut() {
                        last.end = line;
                    }
                    items.push(line..line);
                }
                _ if indent.is_some_and(|indent| column > indent) => {}
                // The next key of the root.
                _ if column == 0 => break,
                _ => return None,
            }
            line = next;
        }
        items.last_mut()?.end = line;
        let newline = if text[..items.first()?.start].ends_with("\r\n") { "\r\n" } else { "\n" };
        let stand_in = format!("{}- {{}}{newline}", " ".repeat(indent?));
        let list = BlockList { stand_in, items };
        let frame = list.frame(text);
        list.is_below(&Tree::parse(&frame).ok()?, key, key_line).then_some(list)
    }

    /// The document with an empty map in the place of all items, so that it is written as the document is.
    pub fn frame(&self, text: &str) -> String {
        [&text[..self.start()], &self.stand_in, &text[self.end()..]].concat()
    }

    /// An offset of the frame as one of the document.
    pub fn outside(&self, offset: usize) -> usize {
        match offset.checked_sub(self.start() + self.stand_in.len()) {
            Some(behind) => self.end() + behind,
            None => offset.min(self.start()),
        }
    }

    fn start(&self) -> usize {
        self.items.first().map_or(0, |item| item.start)
    }

    fn end(&self) -> usize {
        self.items.last().map_or(0, |item| item.end)
    }

    /// Whether the parser, too, takes the line for the key of the root that holds the list.
    fn is_below(&self, frame: &Tree<'_>, key: &str, key_line: usize) -> bool {
        let Some(root) = frame.root() else { return false };
        matches!(frame.node(root).kind, NodeKind::Mapping { flow: false })
            && frame.entries(root).any(|(name, value)| {
                frame.scalar_text(name) == Some(key)
                    && frame.node(name).start == key_line
                    && frame.node(value).start == self.start() + indent_of(&self.stand_in)
                    && !frame.node(value).is_anchored()
            })
    }
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// Whether a tree of a piece is a list of one item.
pub fn is_one_item(tree: &Tree<'_>) -> bool {
    tree.root().is_some_and(|root| {
        matches!(tree.node(root).kind, NodeKind::Sequence { flow: false }) && tree.children(root).count() == 1
    })
}

/// The first line that is `key:` and nothing else but a comment.
fn find_key(text: &str, key: &str) -> Option<usize> {
    let mut line = 0;
    while line < text.len() {
        let content = &text[line..gaps::line_end(text, line)];
        let rest = content.strip_prefix(key).and_then(|rest| rest.strip_prefix(':'));
        if rest.is_some_and(|rest| {
            rest.trim_start_matches(' ').is_empty()
                || rest.trim_start_matches(' ').starts_with('#') && rest.starts_with(' ')
        }) {
            return Some(line);
        }
        line = gaps::next_line(text, line);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Option<(String, Vec<&str>)> {
        let list = BlockList::of(text, "items")?;
        Some((list.frame(text), list.items.iter().map(|item| &text[item.clone()]).collect()))
    }

    #[test]
    fn a_list_is_its_frame_and_its_items() {
        let text = "kind: List\nitems: # all\n# first\n- a: 1\n  b: 2\n\n# second\n- c: |\n    - d\n- - e\nf: g\n";
        let (frame, items) = pieces(text).unwrap();
        assert_eq!(frame, "kind: List\nitems: # all\n# first\n- {}\nf: g\n");
        assert_eq!(items, ["- a: 1\n  b: 2\n\n# second\n", "- c: |\n    - d\n", "- - e\n"]);
        let list = BlockList::of(text, "items").unwrap();
        let at = |offset: usize| &text[list.outside(offset)..];
        assert_eq!(list.outside(frame.len()), text.len());
        assert!(at(frame.find("f:").unwrap()).starts_with("f: g") && at(0).starts_with("kind"));
    }

    #[test]
    fn dashes_may_be_indented() {
        let (frame, items) = pieces("items:\n  - a: 1\n    b:\n    - 2\n\n  - c\n").unwrap();
        assert_eq!(frame, "items:\n  - {}\n");
        assert_eq!(items, ["  - a: 1\n    b:\n    - 2\n\n", "  - c\n"]);
    }

    #[test]
    fn what_is_not_written_so_is_left_whole() {
        for text in [
            "",
            "items: []\n",
            "items:\n",
            "items: &x\n- a\n",
            "a:\n  items:\n  - b\n",
            "{\"items\":\n[]}\n",
            "items:\n  - a\n - b\n",
            "items:\n- a\n\t- b\n",
            "a: \"\nitems:\n- b\nc: \"\n",
            "- items:\n",
            "items:\n- a\nitems:\n- b\n",
        ] {
            assert_eq!(pieces(text), None, "{text:?}");
        }
    }
}
