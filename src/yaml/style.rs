//! How a document is written, so that what is added looks like its surroundings.

use super::gaps;
use super::tree::{NodeId, NodeKind, Tree};

/// The habits of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// By how many columns a block mapping is indented below its key.
    pub step: usize,
    /// By how many columns the dashes of a list are indented below its key: often 0.
    pub list_offset: usize,
    /// Whether the document is JSON: it begins with a brace, and `kubectl` reads it with a JSON parser.
    pub json: bool,
    /// Whether a blank follows colons and commas in flow style.
    pub spaced: bool,
}

impl Style {
    /// What a document does first, it is taken to do always.
    pub fn of(tree: &Tree<'_>) -> Self {
        let text = tree.text;
        let json = tree.root().is_some_and(|root| is_json(tree, root));
        let mut step = None;
        // A list that is the root was taken out from below a key at the margin.
        let mut list_offset = tree.root().and_then(|root| match tree.node(root).kind {
            NodeKind::Sequence { flow: false } => Some(gaps::column(text, tree.node(root).start)),
            _ => None,
        });
        let mut spaced = None;
        for id in 0..tree.len() {
            let NodeKind::Mapping { flow } = tree.node(id).kind else { continue };
            for (key, value) in tree.entries(id) {
                let node = tree.node(value);
                if flow {
                    if !node.is_empty() {
                        spaced.get_or_insert_with(|| {
                            text.as_bytes().get(node.lead + 1).is_some_and(u8::is_ascii_whitespace)
                        });
                    }
                    break;
                }
                match child_offset(tree, key, value) {
                    Some(Offset::Map(offset)) => _ = step.get_or_insert(offset),
                    Some(Offset::List(offset)) => _ = list_offset.get_or_insert(offset),
                    None => {}
                }
            }
            if step.is_some() && list_offset.is_some() && (!json || spaced.is_some()) {
                break;
            }
        }
        let step = step.unwrap_or(2);
        Style { step, list_offset: list_offset.unwrap_or(step), json, spaced: spaced.unwrap_or(true) }
    }

    /// The same for a place in a mapping: its own lists say how its lists are indented.
    pub fn within(mut self, tree: &Tree<'_>, mapping: NodeId) -> Self {
        for (key, value) in tree.entries(mapping) {
            if let Some(Offset::List(offset)) = child_offset(tree, key, value) {
                self.list_offset = offset;
            }
        }
        self
    }
}

/// Whether a document is JSON as far as its first key tells.
fn is_json(tree: &Tree<'_>, root: NodeId) -> bool {
    let quoted = |key: NodeId| tree.text[tree.node(key).start..].starts_with('"');
    tree.node(root).is_flow() && tree.entries(root).next().is_none_or(|(key, _)| quoted(key))
}

enum Offset {
    Map(usize),
    List(usize),
}

/// By how much a block collection is indented below its key.
fn child_offset(tree: &Tree<'_>, key: NodeId, value: NodeId) -> Option<Offset> {
    let node = tree.node(value);
    let parent = gaps::column(tree.text, tree.node(key).start);
    match node.kind {
        NodeKind::Mapping { flow: false } => {
            gaps::column(tree.text, node.start).checked_sub(parent).filter(|offset| *offset > 0).map(Offset::Map)
        }
        NodeKind::Sequence { flow: false } => {
            let first = tree.children(value).next()?;
            gaps::column(tree.text, tree.node(first).lead).checked_sub(parent).map(Offset::List)
        }
        _ => None,
    }
}

/// One level of indentation of JSON: that of the first line that is indented.
pub(super) fn unit(text: &str) -> &'static str {
    let Some(line) = text.lines().find(|line| line.starts_with([' ', '\t'])) else { return "  " };
    match line.len() - line.trim_start().len() {
        _ if line.starts_with('\t') => "\t",
        width @ 1..=8 => &"        "[..width],
        _ => "  ",
    }
}
