//! One document as nodes with byte spans, in one flat list in the order of the text.
//!
//! A node is followed by its children; [`Node::next`] is the index after its last descendant, so
//! that children are walked without pointers. What the parser does not report (dashes, colons,
//! explicit keys, the true end of block scalars) is found in the gaps once, here.

use super::documents::byte_order_mark;
use super::index::Index;
use super::{gaps, simple};
use crate::value::{ScalarType, scalar};
use granit_parser::{Event, Options, Parser, ScalarStyle, Span, StructureStyle, Tag};
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use thiserror::Error;

/// Why a document cannot be read, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct ParseError {
    /// The place: a byte offset in the document's text.
    pub offset: usize,
    /// What was found and what was expected.
    pub message: String,
    /// A second place that belongs to it: the first of two equal keys.
    pub related: Option<usize>,
}

impl ParseError {
    pub(super) fn new(offset: usize, message: impl Into<String>) -> Self {
        ParseError { offset, message: message.into(), related: None }
    }
}

/// The index of a node in its tree.
pub type NodeId = usize;

/// What a node is.
#[derive(Debug, Clone)]
pub enum NodeKind<'t> {
    /// A scalar: its text after quotes and escapes.
    Scalar {
        /// The text; empty for an empty node.
        text: Cow<'t, str>,
        /// How it is written.
        style: ScalarStyle,
        /// Whether its text decides its type: plain, and not tagged as text.
        typed: bool,
    },
    /// A sequence; the children are its items.
    Sequence {
        /// `[…]`
        flow: bool,
    },
    /// A mapping; the children are key, value, key, value.
    Mapping {
        /// `{…}`
        flow: bool,
    },
    /// `*name`
    Alias {
        /// The anchored node.
        target: NodeId,
    },
}

/// One node.
#[derive(Debug, Clone)]
pub struct Node<'t> {
    /// What it is.
    pub kind: NodeKind<'t>,
    /// Its first byte, after anchor and tag. For an empty node the place where it would be.
    pub start: usize,
    /// After its last byte. For a block scalar after its last line, before the line break.
    pub end: usize,
    /// The indicator that introduces it: the dash of a block sequence's item, the colon of a mapping's
    /// value, the question mark of a key that has one; else its own start.
    pub lead: usize,
    /// The index after its last descendant.
    pub next: NodeId,
    /// Whether it carries an anchor.
    anchored: bool,
    /// Whether an alias stands for it.
    shared: bool,
    /// Whether it is (in) an entry written with `?`.
    pub explicit: bool,
}

impl<'t> Node<'t> {
    /// A node without anchor, in an entry that is not written with `?`.
    pub(super) fn new(kind: NodeKind<'t>, range: Range<usize>, lead: usize, next: NodeId) -> Self {
        Node { kind, start: range.start, end: range.end, lead, next, anchored: false, shared: false, explicit: false }
    }

    /// Whether it is a collection in flow style.
    pub fn is_flow(&self) -> bool {
        matches!(self.kind, NodeKind::Sequence { flow: true } | NodeKind::Mapping { flow: true })
    }

    /// Whether nothing is written: `key:` and then nothing.
    pub fn is_empty(&self) -> bool {
        self.start == self.end && matches!(&self.kind, NodeKind::Scalar { style: ScalarStyle::Plain, .. })
    }

    /// Whether it carries an anchor.
    pub fn is_anchored(&self) -> bool {
        self.anchored
    }
}

/// A document, parsed.
#[derive(Debug)]
pub struct Tree<'t> {
    /// The document's text.
    pub text: &'t str,
    nodes: Vec<Node<'t>>,
    /// Whether any alias or merge key stands in the document.
    pub has_references: bool,
    pub(super) index: Index,
}

/// A document has at most this many bytes: offsets stay small, and hostile input is refused early.
pub const MAX_DOCUMENT: usize = 1 << 30;

impl<'t> Tree<'t> {
    /// Parses the text of one document. A document without content has no root.
    ///
    /// # Errors
    /// When it is not YAML, is nested deeper than 255 levels, or a mapping has a key twice.
    pub fn parse(text: &'t str) -> Result<Self, ParseError> {
        if text.len() > MAX_DOCUMENT {
            return Err(ParseError::new(0, "the document is larger than 1 GiB; expected a Kubernetes manifest"));
        }
        match simple::read(text) {
            Some(nodes) => Tree { text, nodes, has_references: false, index: Index::default() }.checked(),
            None => Tree::parse_any(text),
        }
    }

    /// Parses YAML of any form.
    fn parse_any(text: &'t str) -> Result<Self, ParseError> {
        let mut options = Options::default();
        options.emit_comments = false;
        options.block_scalar_eof_without_line_feed = false;
        let mut parser = Parser::new_from_str_with_options(text, options);
        let mut builder = Builder::new(text);
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| {
                let offset = error.marker().byte_offset().unwrap_or(0).min(text.len());
                ParseError::new(offset, error.info())
            })?;
            builder.event(event, span)?;
        }
        builder.finish()
    }

    /// The tree, if every mapping has its keys once.
    fn checked(self) -> Result<Self, ParseError> {
        for id in 0..self.nodes.len() {
            if matches!(self.nodes[id].kind, NodeKind::Mapping { .. }) {
                refuse_duplicates(&self, id)?;
            }
        }
        Ok(self)
    }

    /// The root node, unless the document is empty.
    pub fn root(&self) -> Option<NodeId> {
        (!self.nodes.is_empty()).then_some(0)
    }

    /// The number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether the document is empty.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// A node.
    pub fn node(&self, id: NodeId) -> &Node<'t> {
        &self.nodes[id]
    }

    /// The children of a node, in order; for a mapping keys and values in turn.
    pub fn children(&self, id: NodeId) -> Children<'_, 't> {
        Children { tree: self, at: id + 1, end: self.nodes[id].next }
    }

    /// The entries of a mapping.
    pub fn entries(&self, id: NodeId) -> Entries<'_, 't> {
        Entries { children: self.children(id) }
    }

    /// The node that an alias stands for, or the node itself.
    pub fn follow(&self, id: NodeId) -> NodeId {
        match self.nodes[id].kind {
            NodeKind::Alias { target } => target,
            _ => id,
        }
    }

    /// Whether an alias elsewhere stands for this node, so that a change of it would change that place.
    pub fn is_shared(&self, id: NodeId) -> bool {
        self.nodes[id].shared
    }

    /// A key as Kubernetes reads it: text, with numbers and booleans written out as Go writes them.
    /// None for lists and maps.
    pub fn key_text(&self, id: NodeId) -> Option<Cow<'_, str>> {
        let NodeKind::Scalar { text, typed, .. } = &self.nodes[self.follow(id)].kind else { return None };
        if !typed {
            return Some(Cow::Borrowed(text));
        }
        Some(match scalar::resolve(text) {
            ScalarType::Text => Cow::Borrowed(text),
            ScalarType::Null => Cow::Borrowed("null"),
            ScalarType::Bool(value) => Cow::Borrowed(if value { "true" } else { "false" }),
            ScalarType::Int(value) => Cow::Owned(value.to_string()),
            ScalarType::Float(value) => Cow::Owned(value.to_string()),
        })
    }

    /// Whether a key is `<<`: unquoted, so that its value is merged in.
    pub fn is_merge_key(&self, id: NodeId) -> bool {
        matches!(&self.nodes[id].kind, NodeKind::Scalar { text, style: ScalarStyle::Plain, typed: true } if text == "<<")
    }

    /// The text of a scalar, through an alias.
    pub fn scalar_text(&self, id: NodeId) -> Option<&str> {
        match &self.nodes[self.follow(id)].kind {
            NodeKind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }
}

/// Iterator of [`Tree::children`].
#[derive(Debug, Clone)]
pub struct Children<'r, 't> {
    tree: &'r Tree<'t>,
    at: NodeId,
    end: NodeId,
}

impl Iterator for Children<'_, '_> {
    type Item = NodeId;

    fn next(&mut self) -> Option<NodeId> {
        (self.at < self.end).then(|| {
            let id = self.at;
            self.at = self.tree.nodes[id].next;
            id
        })
    }
}

/// Iterator of [`Tree::entries`].
#[derive(Debug, Clone)]
pub struct Entries<'r, 't> {
    children: Children<'r, 't>,
}

impl Iterator for Entries<'_, '_> {
    type Item = (NodeId, NodeId);

    fn next(&mut self) -> Option<(NodeId, NodeId)> {
        Some((self.children.next()?, self.children.next()?))
    }
}

/// A collection whose end has not come yet.
struct Open {
    id: NodeId,
    /// How many children it has so far.
    children: usize,
    /// The child that was added last.
    last: NodeId,
}

struct Builder<'t> {
    text: &'t str,
    nodes: Vec<Node<'t>>,
    open: Vec<Open>,
    /// Anchored nodes by number.
    anchors: HashMap<usize, NodeId>,
    has_references: bool,
    /// After the last indicator or node that was consumed.
    cursor: usize,
    documents: usize,
}

impl<'t> Builder<'t> {
    fn new(text: &'t str) -> Self {
        Builder {
            text,
            nodes: Vec::with_capacity(simple::first_capacity(text.len() / 24)),
            open: Vec::new(),
            anchors: HashMap::new(),
            has_references: false,
            cursor: byte_order_mark(text.as_bytes()),
            documents: 0,
        }
    }

    fn event(&mut self, event: Event<'t>, span: Span) -> Result<(), ParseError> {
        let range = span.byte_range().unwrap_or(0..0);
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                // A marker's dashes are no items, and a byte order mark is nothing at all.
                self.cursor = if self.text[range.clone()].starts_with("---") { range.end } else { self.cursor };
                if self.documents > 1 {
                    return Err(ParseError::new(
                        range.start,
                        "a second document begins here; expected --- on a line of its own before it",
                    ));
                }
            }
            Event::Scalar(text, style, anchor, tag) => self.scalar(text, style, anchor, tag.as_deref(), range),
            Event::SequenceStart(style, anchor, _) => {
                self.begin(NodeKind::Sequence { flow: style == StructureStyle::Flow }, range, anchor);
            }
            Event::MappingStart(style, anchor, _) => {
                self.begin(NodeKind::Mapping { flow: style == StructureStyle::Flow }, range, anchor);
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(range.end),
            Event::Alias(anchor) => {
                self.has_references = true;
                let Some(&target) = self.anchors.get(&anchor) else {
                    return Err(ParseError::new(range.start, "the alias refers to no anchor"));
                };
                if self.open.iter().any(|open| open.id == target) {
                    return Err(ParseError::new(range.start, "the alias stands inside the node that it refers to"));
                }
                self.nodes[target].shared = true;
                self.leaf(NodeKind::Alias { target }, range, 0);
            }
            _ => {}
        }
        Ok(())
    }

    fn scalar(
        &mut self,
        text: Cow<'t, str>,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        range: Range<usize>,
    ) {
        let (text, typed) = match tag.map(|tag| tag.suffix_in_namespace("tag:yaml.org,2002:")) {
            None => (text, style == ScalarStyle::Plain),
            Some(name) => match name.as_deref() {
                Some("null" | "bool" | "int" | "float" | "merge") => (text, true),
                Some("binary") => (decode_base64(&text).map_or(text, Cow::Owned), false),
                // `!!str`, `!` and tags of others: go-yaml v2 takes the text.
                _ => (text, false),
            },
        };
        if style == ScalarStyle::Plain && range.is_empty() {
            // The parser calls an empty node `~` and puts it at its key, or at whatever comes next.
            let id = self.push(NodeKind::Scalar { text: Cow::Borrowed(""), style, typed }, range, anchor);
            self.nodes[id].start = self.cursor;
            self.nodes[id].end = self.cursor;
            return;
        }
        self.has_references |= style == ScalarStyle::Plain && typed && text == "<<";
        if matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
            self.block_scalar(text, style, typed, range, anchor);
        } else {
            self.leaf(NodeKind::Scalar { text, style, typed }, range, anchor);
        }
    }

    /// Adds a block scalar. The parser's span begins behind the header and can reach into the indentation of
    /// the next line; that of an empty one can lie anywhere there.
    fn block_scalar(
        &mut self,
        text: Cow<'t, str>,
        style: ScalarStyle,
        typed: bool,
        range: Range<usize>,
        anchor: usize,
    ) {
        let before = self.cursor;
        let breaks = text.bytes().filter(|byte| *byte == b'\n').count();
        let is_blank = breaks == text.len();
        let id = self.leaf(NodeKind::Scalar { text, style, typed }, range.start..range.start, anchor);
        let indicator = if style == ScalarStyle::Literal { b'|' } else { b'>' };
        let from = if self.nodes[id].lead < range.start { self.nodes[id].lead + 1 } else { before };
        let header = gaps::find_indicator(self.text, from, indicator, b"").unwrap_or(from);
        let header_end = gaps::line_end(self.text, header);
        let end = if is_blank {
            // Every line break of the text is a blank line below the header.
            (0..breaks).fold(header_end, |end, _| gaps::line_end(self.text, gaps::next_line(self.text, end)))
        } else {
            block_scalar_end(self.text, &self.text[header..header_end], range)
        };
        let node = &mut self.nodes[id];
        node.start = node.start.clamp(header_end, end);
        node.end = end;
        self.cursor = before.max(end);
    }

    /// Adds a node without children.
    fn leaf(&mut self, kind: NodeKind<'t>, range: Range<usize>, anchor: usize) -> NodeId {
        let id = self.push(kind, range.clone(), anchor);
        self.cursor = self.cursor.max(range.end);
        id
    }

    fn begin(&mut self, kind: NodeKind<'t>, range: Range<usize>, anchor: usize) {
        let flow = matches!(kind, NodeKind::Sequence { flow: true } | NodeKind::Mapping { flow: true });
        let id = self.push(kind, range.clone(), anchor);
        if flow {
            self.cursor = self.cursor.max(range.end);
        }
        self.open.push(Open { id, children: 0, last: id });
    }

    fn push(&mut self, kind: NodeKind<'t>, range: Range<usize>, anchor: usize) -> NodeId {
        let id = self.nodes.len();
        let (lead, explicit) = self.lead(range.start, id);
        if anchor != 0 {
            self.anchors.insert(anchor, id);
        }
        self.nodes.push(Node {
            kind,
            start: range.start,
            end: range.end,
            lead,
            next: id + 1,
            anchored: anchor != 0,
            shared: false,
            explicit,
        });
        id
    }

    /// Counts a node that begins now with its parent, and finds the indicator that introduces it
    /// and whether it is part of an entry written with `?`.
    fn lead(&mut self, start: usize, id: NodeId) -> (usize, bool) {
        let Some(open) = self.open.last_mut() else { return (start, false) };
        let previous = std::mem::replace(&mut open.last, id);
        let is_value = open.children % 2 == 1;
        open.children += 1;
        match self.nodes[open.id].kind {
            NodeKind::Sequence { flow: false } => match gaps::find_indicator(self.text, self.cursor, b'-', b":?") {
                Some(dash) => {
                    self.cursor = dash + 1;
                    (dash, false)
                }
                None => (start, true),
            },
            NodeKind::Mapping { flow } if is_value => {
                let Node { explicit, lead: mark, .. } = self.nodes[previous];
                // The colon of an entry written with `?` stands below that; another is the next entry's.
                let is_its_own = |colon: &usize| {
                    flow || !explicit || gaps::column(self.text, *colon) == gaps::column(self.text, mark)
                };
                match gaps::find_indicator(self.text, self.cursor, b':', b"").filter(is_its_own) {
                    Some(colon) => {
                        self.cursor = colon + 1;
                        (colon, explicit)
                    }
                    // `{a, b}`: no colon at all.
                    None => (self.cursor, explicit),
                }
            }
            NodeKind::Mapping { flow } => {
                let past: &[u8] = if flow { b"," } else { b"" };
                match gaps::find_indicator(self.text, self.cursor, b'?', past).filter(|mark| *mark < start) {
                    Some(mark) => (mark, true),
                    None => (start, false),
                }
            }
            _ => (start, false),
        }
    }

    fn end(&mut self, end: usize) {
        let Some(open) = self.open.pop() else { return };
        let next = self.nodes.len();
        // The parser's own end of a block collection is at the next token, past comments.
        let last = &self.nodes[open.last];
        let end = if self.nodes[open.id].is_flow() || open.children == 0 { end } else { last.end };
        // A block sequence begins at its first dash, wherever the parser says it does.
        if let NodeKind::Sequence { flow: false } = self.nodes[open.id].kind
            && open.children > 0
        {
            self.nodes[open.id].start = self.nodes[open.id + 1].lead;
        }
        self.nodes[open.id].next = next;
        self.nodes[open.id].end = end;
        self.cursor = self.cursor.max(end);
    }

    fn finish(self) -> Result<Tree<'t>, ParseError> {
        let Builder { text, nodes, has_references, .. } = self;
        Tree { text, nodes, has_references, index: Index::default() }.checked()
    }
}

/// Refuses a mapping that has a key twice, or a key that is a collection: `kubectl` takes the last of two,
/// kustomize refuses both.
fn refuse_duplicates(tree: &Tree<'_>, mapping: NodeId) -> Result<(), ParseError> {
    let mut seen: Vec<(Cow<'_, str>, NodeId)> = Vec::new();
    let mut index: HashMap<Cow<'_, str>, NodeId> = HashMap::new();
    for (key, _) in tree.entries(mapping) {
        let start = tree.node(key).start;
        let Some(text) = tree.key_text(key) else {
            return Err(ParseError::new(start, "a key that is a list or a map; expected text"));
        };
        if tree.is_merge_key(key) {
            continue;
        }
        // Few keys are compared with each other, many through an index.
        let first = if seen.len() < 16 {
            seen.iter().find(|(other, _)| *other == text).map(|(_, first)| *first)
        } else {
            if index.is_empty() {
                index.extend(seen.iter().cloned());
            }
            index.insert(text.clone(), key)
        };
        if let Some(first) = first {
            let message = format!("the key `{text}` stands twice in one map; expected each key once");
            return Err(ParseError { offset: start, message, related: Some(tree.node(first).start) });
        }
        if index.is_empty() {
            seen.push((text, key));
        }
    }
    Ok(())
}

/// After the last line of a block scalar, before its line break. With `+` the blank lines at its
/// end are content; else they are not.
fn block_scalar_end(text: &str, header: &str, Range { start, end }: Range<usize>) -> usize {
    let mut content = &text[start..end];
    if end < text.len() {
        content = content.trim_end_matches([' ', '\t']);
    }
    let keeps = header.split('#').next().is_some_and(|marks| marks.contains('+'));
    let trimmed = if keeps {
        content.strip_suffix("\r\n").or_else(|| content.strip_suffix('\n')).unwrap_or(content)
    } else {
        content.trim_end_matches(['\r', '\n'])
    };
    start + trimmed.len()
}

/// The text that `!!binary` stands for, where it is text.
fn decode_base64(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let mut bits = 0u32;
    let mut count = 0;
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=') {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What is read simply is what the parser reads, node by node.
    #[track_caller]
    fn agree(text: &str) -> bool {
        let Some(simple) = simple::read(text) else { return false };
        let parsed = Tree::parse_any(text).map(|tree| tree.nodes);
        let parsed = match parsed {
            Ok(parsed) => parsed,
            // Duplicate keys are found in both.
            Err(error) if error.related.is_some() => return true,
            Err(error) => panic!("the parser refuses it: {error} at {}\n{text}", error.offset),
        };
        let flat = |nodes: &[Node<'_>]| -> Vec<String> { nodes.iter().map(|node| format!("{node:?}")).collect() };
        assert_eq!(flat(&simple), flat(&parsed), "\n{text}");
        true
    }

    fn lines() -> impl Strategy<Value = String> {
        let word = prop_oneof![
            16 => "[a-z]{1,4}",
            4 => "[a-zA-Z0-9_./$(~+:#,-]{1,8}",
            4 => Just("null".to_owned()),
            4 => Just("8080".to_owned()),
            // Around the limits of keys.
            1 => (250usize..260).prop_map(|length| "k".repeat(length)),
            1 => (1015usize..1030).prop_map(|length| "k".repeat(length)),
        ]
        .boxed();
        let flow = prop_oneof![
            prop::collection::vec(word.clone(), 0..4).prop_map(|words| format!("[{}]", words.join(", "))),
            (word.clone(), word.clone()).prop_map(|(key, value)| format!("{{{key}: {value}, \"k\":[ {value} ]}}")),
            (word.clone(), word.clone()).prop_map(|(key, value)| format!("{{\"{key}\": {value}}}")),
        ]
        .boxed();
        let value = prop_oneof![
            4 => word.clone(),
            1 => (word.clone(), word.clone()).prop_map(|(a, b)| format!("{a} {b}")),
            2 => "\"[a-z :#'{\\[,]{0,8}\"",
            1 => r#""[a-z]{0,3}(\\n|\\"|\\\\|\\x41)[a-z]{0,3}""#,
            2 => "'[a-z :#\"{\\[,]{0,5}(''x)?'",
            2 => flow,
            1 => Just(String::new()),
            2 => Just("|".to_owned()),
            1 => Just("|-".to_owned()),
        ]
        .boxed();
        let comment = prop_oneof![6 => Just(""), 1 => Just(" # c"), 1 => Just("  "), 1 => Just(" #")];
        let content = prop_oneof![
            4 => (word.clone(), value.clone()).prop_map(|(key, value)| format!("{key}: {value}").trim_end().to_owned()),
            3 => word.clone().prop_map(|key| format!("{key}:")),
            3 => (word.clone(), value.clone()).prop_map(|(key, value)| format!("- {key}: {value}").trim_end().to_owned()),
            2 => value.prop_map(|value| format!("- {value}").trim_end().to_owned()),
            1 => Just("# comment".to_owned()),
            2 => Just(String::new()),
            1 => "[a-z:#' |-]{1,8}",
            1 => Just("-".to_owned()),
        ];
        let line = (0usize..5, content, comment);
        let flags = (any::<bool>(), any::<bool>(), any::<bool>());
        (prop::collection::vec(line, 0..12), flags).prop_map(|(lines, (crlf, last, tidy))| {
            let (mut column, mut opened) = (0, false);
            let lines = lines.into_iter().map(|(mut indent, content, comment)| {
                if tidy {
                    // Deeper below a key without a value, nowhere else.
                    indent = if opened { column + 1 } else { indent.min(column) };
                    (column, opened) = (indent, content.ends_with([':', '|']) || content.ends_with("|-"));
                }
                format!("{}{content}{comment}", "  ".repeat(indent))
            });
            let lines: Vec<String> = lines.collect();
            let newline = if crlf { "\r\n" } else { "\n" };
            let mut text = lines.join(newline);
            if last {
                text.push_str(newline);
            }
            text
        })
    }

    proptest! {
        #[test]
        fn simple_documents_are_read_as_the_parser_reads_them(text in lines()) {
            agree(&text);
        }
    }

    #[test]
    fn keys_longer_than_the_limit_are_left_to_the_parser() {
        for length in [200, 254, 255, 256, 257, 1022, 1023, 1024, 1025] {
            let key = "k".repeat(length);
            for text in [format!("{key}: x\n"), format!("a: {{{key}: 1}}\n"), format!("a: {{\"{key}\": 1}}\n")] {
                assert!(agree(&text) || length > 200, "{length}");
            }
        }
    }

    /// Else the property above would hold of nothing.
    #[test]
    fn a_good_share_of_generated_documents_is_read_simply() {
        use proptest::strategy::ValueTree;
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let strategy = lines();
        let mut counts = [0, 0];
        for _ in 0..2_000 {
            let text = strategy.new_tree(&mut runner).unwrap().current();
            counts[usize::from(agree(&text))] += 1;
        }
        assert!(counts[1] > counts[0] / 5, "too few of {counts:?}");
    }

    #[test]
    fn golden_manifests_are_read_alike_and_most_of_them_simply() {
        let mut counts = [0, 0];
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
        let mut folders = vec![folder];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "yaml") {
                    let bytes = std::fs::read(&path).unwrap();
                    for document in crate::yaml::documents(&bytes) {
                        if let Ok(text) = std::str::from_utf8(&bytes[document.text]) {
                            counts[usize::from(agree(text))] += 1;
                        }
                    }
                }
            }
        }
        assert!(counts[1] > 3 * counts[0], "{counts:?}");
    }
}
