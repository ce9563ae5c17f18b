//! A long list in a document, item by item. A list of thousands of objects need not become one tree: each of its
//! items is a document by itself, and what stands around them is another.
//!
//! Only block lists below a key of the root are taken apart, as lines tell. Lines can be wrong about text in quotes
//! or brackets that goes on at the margin, and about aliases to what stands in another item: then the pieces are no
//! YAML, and whoever reads them must read the whole document instead. An alias beside the list may stand for one
//! anchor in the frame and for another, of the same name, in the document: such a list is not taken apart.

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
        let stand_in = format!("{}- null{newline}", " ".repeat(indent?));
        let list = BlockList { stand_in, items };
        let frame = list.frame(text);
        let tree = Tree::parse(&frame).ok()?;
        (!tree.has_references && list.is_below(&tree, key, key_line)).then_some(list)
    }

    /// The document with one item that is nothing in the place of all, so that it is written as the document is.
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

    /// Whether the parser, too, takes the line for the key of the root that holds the list, and sees nothing in it but
    /// what stands in for the items.
    fn is_below(&self, frame: &Tree<'_>, key: &str, key_line: usize) -> bool {
        let Some(root) = frame.root() else { return false };
        matches!(frame.node(root).kind, NodeKind::Mapping { flow: false })
            && frame.entries(root).any(|(name, value)| {
                frame.scalar_text(name) == Some(key)
                    && frame.node(name).start == key_line
                    && frame.node(value).start == self.start() + indent_of(&self.stand_in)
                    && !frame.node(value).is_anchored()
                    && frame.children(value).count() == 1
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
        assert_eq!(frame, "kind: List\nitems: # all\n# first\n- null\nf: g\n");
        assert_eq!(items, ["- a: 1\n  b: 2\n\n# second\n", "- c: |\n    - d\n", "- - e\n"]);
        let list = BlockList::of(text, "items").unwrap();
        let at = |offset: usize| &text[list.outside(offset)..];
        assert_eq!(list.outside(frame.len()), text.len());
        assert!(at(frame.find("f:").unwrap()).starts_with("f: g") && at(0).starts_with("kind"));
    }

    #[test]
    fn dashes_may_be_indented() {
        let (frame, items) = pieces("items:\n  - a: 1\n    b:\n    - 2\n\n  - c\n").unwrap();
        assert_eq!(frame, "items:\n  - null\n");
        assert_eq!(items, ["  - a: 1\n    b:\n    - 2\n\n", "  - c\n"]);
    }

    /// Each piece by itself is what the document has in its place.
    #[test]
    fn what_lines_take_apart_is_what_the_parser_sees() {
        for text in [
            "items:\n- a\n-\n- - b\n  - c\n- ? d\n  : e\n- {f: g}\n- \"h\n  - i\"\n",
            "items:\n-\n",
            "items:\n-\n  a: b\n-\n",
            "items:\n- |1\n  a\n\n- >+\n  b\n\n# c\n- |2-\n   # d\n",
            "items:\n  - |\n\n     a\n # b\n# c\n  - d\n    e\n#f\n  -\n",
            "items:\n- a\n  - b\n- c: d\n  # deep\n      # deeper\n# none\nz: y\n",
            "x: |2\n\n   a\n\nitems:\n- b\n",
            "x: |\n  items:\n  - a\n'y': b\n  items:\nitems: #\n- c\n",
            "x:\n  items:\n# items:\nitems:\r\n- a\r\n- b\r\n",
            "items:\n- a: &a b\n  c: *a\n- a: &a c\n  d: *a\n- <<: {a: b}\n",
            "items:\n- a\u{2028}- b\n- c\u{85}- d\nz\u{2029}: y\n",
            "items:\n- !!str a\n- !t {}\n- &a\n  b: c\n",
            "items:\n- a\rb: c\n- d\n",
            "items:\n- a:\r    b\n- d\n",
            "items:\n- -a\n- --- b\n- -\n- - -\n",
            "items:\n- a\n: b\n",
            "items:\n- a\n? b\n: - c\n",
            "items:\n- a\n\u{feff}b: c\n",
            "%a: b\nitems:\n- a\n",
        ] {
            let Some(list) = BlockList::of(text, "items") else { continue };
            let trees: Vec<_> = list.items.iter().map(|item| Tree::parse(&text[item.clone()])).collect();
            if !trees.iter().all(|tree| tree.as_ref().is_ok_and(is_one_item)) {
                continue;
            }
            let whole = Tree::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
            let whole = whole.value().unwrap();
            let apart: Vec<_> = trees
                .iter()
                .map(|tree| tree.as_ref().unwrap().value().unwrap().as_list().unwrap()[0].to_json())
                .collect();
            assert_eq!(whole.get("items").unwrap().to_json(), serde_json::Value::from(apart), "{text:?}");
        }
    }

    #[test]
    fn pieces_that_are_not_what_they_seem_are_told_apart_from_items() {
        for text in [
            "items:\n- \"a\n- b\"\n",
            "items:\n- [a,\n- b]\n",
            "items:\n- {a: b,\nc: d}\n",
            "items:\n- a\r- b\n",
            "items:\n- a\n# c\r- b\n",
            "items:\n- &a b\n- *a\n",
            "x: &x a\nitems:\n- *x\n- <<: *x\n",
        ] {
            let Some(list) = BlockList::of(text, "items") else { continue };
            let is_item = |item: &Range<usize>| Tree::parse(&text[item.clone()]).is_ok_and(|tree| is_one_item(&tree));
            assert!(!list.items.iter().all(is_item), "{text:?}");
        }
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
            "items:\n- a\n\"items\":\n- b\n",
            "\"items\":\n- a\n",
            "items :\n- a\n",
            "? items\n: - a\n",
            "items:\t\n- a\n",
            "items:#\n- a\n",
            "items:\n-\ta\n",
            "items:\n-\t\n- a\n",
            "items: # c\r- a\n- b\n",
            "items:\r- a\n- b\n",
            "items:\n# c\r- a\n- b\n",
            "x: 'a\nitems:\n- b'\n",
            "x: [\nitems:\n- b]\n",
            "{x: a,\nitems:\n- b}\n",
            // An alias beside the list may stand for what an item has anchored.
            "x: &x a\nitems:\n- &x b\nz: *x\n",
            "x: &x {a: b}\nitems:\n- &x {a: c}\n<<: *x\n",
            "items:\n- &x b\nz: *x\n",
        ] {
            assert_eq!(pieces(text), None, "{text:?}");
        }
    }
}
