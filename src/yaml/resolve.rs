//! Nodes into values, as `kubectl` reads them: aliases followed, merge keys merged, keys as text.

use super::tree::{NodeId, NodeKind, ParseError, Tree};
use crate::value::{Map, MapBuilder, Scalar, Step, Value};

/// How many values the aliases of a document may stand for altogether: an alias bomb is refused
/// long before it hurts.
const MAX_EXPANDED: usize = 200_000;
/// How deep values may be nested, aliases counted in.
const MAX_DEPTH: usize = 600;

/// Where a key's value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// The mapping has it itself: the key and the value.
    Own(NodeId, NodeId),
    /// `<<` supplies it: the value.
    Merged(NodeId),
    /// The mapping has it, and a `<<` behind it supplies it too: `kubectl` takes the latter, kustomize the mapping's own.
    Overridden(NodeId, NodeId),
}

impl Tree<'_> {
    /// The value of the whole document; null when it is empty.
    ///
    /// # Errors
    /// When its aliases stand for too much.
    pub fn value(&self) -> Result<Value<'_>, ParseError> {
        match self.root() {
            Some(root) => self.value_of(root),
            None => Ok(Value::NULL),
        }
    }

    /// The value of one node.
    ///
    /// # Errors
    /// When its aliases stand for too much.
    pub fn value_of(&self, id: NodeId) -> Result<Value<'_>, ParseError> {
        Resolver { tree: self, expanded: 0 }.value(id, 0, false)
    }

    /// The value under a key of a mapping, merge keys considered. A mapping behind an alias is looked into.
    pub fn lookup(&self, mapping: NodeId, key: &str) -> Option<Entry> {
        self.lookup_below(self.follow(mapping), key, 0)
    }

    fn lookup_below(&self, mapping: NodeId, wanted: &str, depth: usize) -> Option<Entry> {
        if let Some(keys) = self.keys(mapping) {
            let own = keys.own.get(wanted).copied();
            let behind = keys.merges.iter().rev().take_while(|(key, _)| own.is_none_or(|(own, _)| *key > own));
            let merged = behind.map(|(_, source)| *source).find_map(|it| self.merged_below(it, wanted, depth + 1));
            return match (own, merged) {
                (Some((key, _)), Some(merged)) => Some(Entry::Overridden(key, merged)),
                (Some((key, value)), None) => Some(Entry::Own(key, value)),
                (None, merged) => merged.map(Entry::Merged),
            };
        }
        let mut found = None;
        for (key, value) in self.entries(mapping) {
            if self.is_merge_key(key) {
                // What comes later wins; in a list of merged maps the first.
                let Some(merged) = self.merged_below(value, wanted, depth + 1) else { continue };
                found = match found {
                    Some(Entry::Own(key, _) | Entry::Overridden(key, _)) => Some(Entry::Overridden(key, merged)),
                    _ => Some(Entry::Merged(merged)),
                };
            } else if self.key_text(key).is_some_and(|text| text == wanted) {
                found = Some(Entry::Own(key, value));
            }
        }
        found
    }

    /// What merge keys of a mapping supply under a key, whether or not it has that key itself.
    pub fn merged(&self, mapping: NodeId, wanted: &str) -> Option<NodeId> {
        let merges = self.entries(self.follow(mapping)).filter(|(key, _)| self.is_merge_key(*key));
        merges.filter_map(|(_, source)| self.merged_below(source, wanted, 0)).last()
    }

    fn merged_below(&self, source: NodeId, wanted: &str, depth: usize) -> Option<NodeId> {
        if depth > MAX_DEPTH {
            return None;
        }
        let source = self.follow(source);
        match self.node(source).kind {
            NodeKind::Mapping { .. } => match self.lookup_below(source, wanted, depth)? {
                Entry::Own(_, value) | Entry::Merged(value) | Entry::Overridden(_, value) => Some(value),
            },
            NodeKind::Sequence { .. } => {
                self.children(source).find_map(|item| self.merged_below(item, wanted, depth + 1))
            }
            _ => None,
        }
    }

    /// The node at a path, for positions: where the path leads through an alias or a merge, the
    /// place that is reached.
    pub fn locate(&self, steps: &[Step]) -> Option<NodeId> {
        let root = self.root()?;
        steps.iter().try_fold(root, |id, step| {
            let id = self.follow(id);
            match step {
                Step::Key(key) => match self.lookup(id, key)? {
                    Entry::Own(_, value) | Entry::Merged(value) | Entry::Overridden(_, value) => Some(value),
                },
                Step::Index(index) => self.item(id, *index),
            }
        })
    }
}

struct Resolver<'r, 't> {
    tree: &'r Tree<'t>,
    /// Values made inside aliases so far.
    expanded: usize,
}

impl<'r> Resolver<'r, '_> {
    fn value(&mut self, id: NodeId, depth: usize, aliased: bool) -> Result<Value<'r>, ParseError> {
        let tree = self.tree;
        let node = tree.node(id);
        if aliased {
            self.expanded += 1;
        }
        if self.expanded > MAX_EXPANDED || depth > MAX_DEPTH {
            let message = "the document's aliases stand for too much; expected a Kubernetes manifest";
            return Err(ParseError::new(node.start, message));
        }
        Ok(match &node.kind {
            NodeKind::Scalar { text, typed: true, .. } => Value::Scalar(Scalar::plain(text.as_ref())),
            NodeKind::Scalar { text, .. } => Value::text(text.as_ref()),
            NodeKind::Alias { target } => self.value(*target, depth + 1, true)?,
            NodeKind::Sequence { .. } => {
                let items = tree.children(id).map(|item| self.value(item, depth + 1, aliased));
                Value::List(items.collect::<Result<_, _>>()?)
            }
            NodeKind::Mapping { .. } => {
                if tree.has_references && tree.entries(id).any(|(key, _)| tree.is_merge_key(key)) {
                    return Ok(Value::Map(self.merging(id, depth, aliased)?));
                }
                let mut map = Map::default();
                for (key, value) in tree.entries(id) {
                    let Some(name) = tree.key_text(key) else { continue };
                    map.push_unique(name, self.value(value, depth + 1, aliased)?);
                }
                Value::Map(map)
            }
        })
    }

    /// The entries of a mapping with a merge key: what comes later wins.
    fn merging(&mut self, id: NodeId, depth: usize, aliased: bool) -> Result<Map<'r>, ParseError> {
        let tree = self.tree;
        let mut map = MapBuilder::default();
        for (key, value) in tree.entries(id) {
            if tree.is_merge_key(key) {
                self.merge(value, depth + 1, &mut map)?;
            } else if let Some(name) = tree.key_text(key) {
                map.insert(name, self.value(value, depth + 1, aliased)?);
            }
        }
        Ok(map.done())
    }

    /// Puts the entries of what `<<` refers to into a map, over what is there already.
    fn merge(&mut self, source: NodeId, depth: usize, into: &mut MapBuilder<'r>) -> Result<(), ParseError> {
        let source_start = self.tree.node(source).start;
        let source = self.tree.follow(source);
        match self.tree.node(source).kind {
            NodeKind::Mapping { .. } => {
                if let Value::Map(map) = self.value(source, depth + 1, true)? {
                    for (key, value) in map {
                        into.insert(key, value);
                    }
                }
                Ok(())
            }
            // The first of a list wins, so it is put in last.
            NodeKind::Sequence { .. } => {
                let mut items: Vec<_> = self.tree.children(source).collect();
                items.reverse();
                for item in items {
                    self.merge_mapping(item, depth + 1, into)?;
                }
                Ok(())
            }
            _ => Err(ParseError::new(source_start, "<< merges a map or a list of maps; something else was found")),
        }
    }

    fn merge_mapping(&mut self, item: NodeId, depth: usize, into: &mut MapBuilder<'r>) -> Result<(), ParseError> {
        match self.tree.node(self.tree.follow(item)).kind {
            NodeKind::Mapping { .. } => self.merge(item, depth, into),
            _ => Err(ParseError::new(
                self.tree.node(item).start,
                "<< merges a map or a list of maps; something else was found",
            )),
        }
    }
}

/// What a text means that stands alone, like the old value behind `# prelit:was `: a plain or flow value
/// without references. None where it is not one.
pub fn standalone(text: &str) -> Option<Value<'static>> {
    let tree = Tree::parse(text).ok()?;
    Some(tree.value().ok()?.into_owned())
}
