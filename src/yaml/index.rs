//! What is asked of a tree again and again, found once: where lines begin, the items of long lists, the keys
//! of large maps, what anchors name, and the habits of the document. Without it, every edit and every row of
//! a report would walk a long line or a long list anew.

use super::documents::byte_order_mark;
use super::style::Style;
use super::tree::{NodeId, NodeKind, Tree};
use super::{gaps, style};
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

/// Collections of fewer nodes are walked.
const FEW_NODES: usize = 64;
/// Maps of fewer keys are walked, however large their values are.
const FEW_KEYS: usize = 32;

/// What was found of one tree so far.
#[derive(Debug, Default)]
pub(super) struct Index {
    lines: OnceCell<Vec<usize>>,
    items: RefCell<HashMap<NodeId, Rc<[NodeId]>>>,
    keys: RefCell<HashMap<NodeId, Rc<Keys>>>,
    anchors: OnceCell<HashMap<String, Vec<NodeId>>>,
    style: OnceCell<Style>,
    unit: OnceCell<&'static str>,
    lone_carriage_return: OnceCell<bool>,
}

/// The entries of a large map.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// Key and value by the key's text, merge keys left out.
    pub own: HashMap<String, (NodeId, NodeId)>,
    /// Merge keys and what they merge, in order.
    pub merges: Vec<(NodeId, NodeId)>,
}

impl Tree<'_> {
    /// The starts of the lines; the first is 0.
    fn lines(&self) -> &[usize] {
        self.index.lines.get_or_init(|| {
            let breaks = memchr::memchr_iter(b'\n', self.text.as_bytes());
            std::iter::once(0).chain(breaks.map(|at| at + 1)).collect()
        })
    }

    /// The start of the line that holds `at`.
    pub(super) fn line_start(&self, at: usize) -> usize {
        let lines = self.lines();
        match lines[lines.partition_point(|start| *start <= at) - 1] {
            0 => byte_order_mark(&self.text.as_bytes()[..at]),
            start => start,
        }
    }

    /// The line break before `at`; on the first line the one at its end.
    pub(super) fn newline(&self, at: usize) -> &'static str {
        let lines = self.lines();
        let line = lines.partition_point(|start| *start <= at) - 1;
        match lines.get(line.max(1)) {
            Some(next) if self.text[..*next].ends_with("\r\n") => "\r\n",
            _ => "\n",
        }
    }

    /// The item of a sequence at an index.
    pub(super) fn item(&self, sequence: NodeId, index: usize) -> Option<NodeId> {
        if self.node(sequence).next - sequence <= FEW_NODES {
            return self.children(sequence).nth(index);
        }
        let mut items = self.index.items.borrow_mut();
        items.entry(sequence).or_insert_with(|| self.children(sequence).collect()).get(index).copied()
    }

    /// The entries of a mapping by key; none where it is small and better walked.
    pub(super) fn keys(&self, mapping: NodeId) -> Option<Rc<Keys>> {
        let node = self.node(mapping);
        if node.next - mapping <= FEW_NODES
            || !matches!(node.kind, NodeKind::Mapping { .. })
            || self.entries(mapping).nth(FEW_KEYS).is_none()
        {
            return None;
        }
        let mut found = self.index.keys.borrow_mut();
        let keys = found.entry(mapping).or_insert_with(|| {
            let mut keys = Keys::default();
            for (key, value) in self.entries(mapping) {
                if self.is_merge_key(key) {
                    keys.merges.push((key, value));
                } else if let Some(text) = self.key_text(key) {
                    keys.own.insert(text.into_owned(), (key, value));
                }
            }
            Rc::new(keys)
        });
        Some(Rc::clone(keys))
    }

    /// The node that the anchor `name` stands for at `offset`: the last one before it.
    pub fn anchor_before(&self, name: &str, offset: usize) -> Option<NodeId> {
        let anchors = self.index.anchors.get_or_init(|| {
            let mut anchors: HashMap<String, Vec<NodeId>> = HashMap::new();
            for id in (0..self.len()).filter(|id| self.node(*id).is_anchored()) {
                let node = self.node(id);
                let mut add = |word: &str| {
                    if let Some(name) = word.strip_prefix('&') {
                        anchors.entry(name.to_owned()).or_default().push(id);
                    }
                };
                if node.lead < node.start {
                    self.text[node.lead..node.start].split(gaps::ends_property).for_each(&mut add);
                } else {
                    // A key, or an item in flow style: the properties right before it.
                    let before = self.text[..node.start].trim_end().rsplit(gaps::ends_property);
                    before.take_while(|word| word.starts_with(['&', '!'])).for_each(&mut add);
                }
            }
            anchors
        });
        let named = anchors.get(name)?;
        named[..named.partition_point(|id| self.node(*id).start < offset)].last().copied()
    }

    /// The habits of the document.
    pub(super) fn style(&self) -> Style {
        *self.index.style.get_or_init(|| Style::of(self))
    }

    /// One level of indentation of JSON.
    pub(super) fn unit(&self) -> &'static str {
        self.index.unit.get_or_init(|| style::unit(self.text))
    }

    /// Whether a carriage return ends a line by itself.
    pub(super) fn has_lone_carriage_return(&self) -> bool {
        let bytes = self.text.as_bytes();
        *self
            .index
            .lone_carriage_return
            .get_or_init(|| memchr::memchr_iter(b'\r', bytes).any(|at| bytes.get(at + 1) != Some(&b'\n')))
    }
}
