//! Places where an old value stands behind a mark: removal brings it back as it was written.

use super::{Editor, Parent, Refusal};
use crate::value::edit::EditTree;
use crate::value::{Scalar, ScalarType, Step, Value};
use crate::yaml::gaps;
use crate::yaml::tree::{NodeId, NodeKind};
use crate::yaml::was::{MARK, Old, Was};

impl Editor<'_, '_> {
    /// If the value has a mark, and what is left of it once the edits are made is its old value,
    /// brings that back and says so. Where it is not, the mark goes, since it says nothing true any more.
    pub(super) fn restore(&mut self, value: NodeId, edits: &EditTree<'_>, parent: Parent) -> Result<bool, Refusal> {
        if !takes_away(edits) {
            return Ok(false);
        }
        let Some(was) = self.mark(value) else {
            return if edits.delete { self.restore_only_entry(value, edits) } else { Ok(false) };
        };
        let Some(old) = was.old(self.tree) else { return Ok(false) };
        let left = if edits.delete { None } else { Some(self.edited_value(value, edits)?) };
        let merged = matches!(old, Old::Merged);
        // What stood there: what the mark says, or what it refers to means now.
        let stood = match old {
            Old::Value(value) => Some(value),
            Old::Alias(target) => Some(self.tree.value_of(target)?.into_owned()),
            Old::Merged => match parent {
                Parent::BlockEntry { mapping, key } => self.merged_value(mapping, key)?,
                _ => None,
            },
        };
        let Some(stood) = stood else { return Ok(false) };
        let is_old = match &left {
            // What is deleted was ours alone, and null or empty before.
            None => is_nothing(&stood),
            Some(left) => alike(&stood, left) || is_nothing(&stood) && is_nothing(left),
        };
        if !is_old {
            if left.is_some() {
                self.forget(&was);
            }
            return Ok(false);
        }
        if merged {
            let Parent::BlockEntry { key, .. } = parent else { return Ok(false) };
            let tree = self.tree;
            let (start, end) = (tree.node(key).start, tree.node(value).end);
            if !gaps::begins_line(tree.text, start) {
                return Err(self.unsupported(key, "an entry that does not begin its line is not deleted"));
            }
            self.delete(gaps::line_start(tree.text, start)..gaps::next_line(tree.text, end));
        } else {
            self.bring_back(value, &was);
        }
        self.done.restored.push((self.here(), stood));
        Ok(true)
    }

    /// Where a map goes as a whole whose only entry has a mark, the map was there before: that entry is
    /// brought back, and the map stays.
    fn restore_only_entry(&mut self, mapping: NodeId, edits: &EditTree<'_>) -> Result<bool, Refusal> {
        let tree = self.tree;
        if !matches!(tree.node(mapping).kind, NodeKind::Mapping { flow: false }) {
            return Ok(false);
        }
        let mut entries = tree.entries(mapping);
        let (Some((key, value)), None) = (entries.next(), entries.next()) else { return Ok(false) };
        let Some(name) = tree.key_text(key) else { return Ok(false) };
        let here = self.here();
        self.path.push(Step::Key(name.clone().into_owned().into()));
        let restored = self.restore(value, edits, Parent::BlockEntry { key, mapping });
        self.path.pop();
        if !restored? {
            return Ok(false);
        }
        if let Some((_, old)) = self.done.restored.pop() {
            self.done.restored.push((here, Value::map([(name.into_owned(), old)])));
        }
        Ok(true)
    }

    /// Takes out what was put around the old value.
    fn bring_back(&mut self, value: NodeId, was: &Was) {
        let tree = self.tree;
        let node = tree.node(value);
        let block = matches!(node.kind, NodeKind::Sequence { flow: false } | NodeKind::Mapping { flow: false });
        let start = match (block, was.was_empty(tree.text)) {
            (true, false) => was.start,
            (true, true) => was.start - 1,
            (false, false) => node.start,
            (false, true) => node.lead + 1,
        };
        let end = if was.was_empty(tree.text) { was.start + MARK.len() } else { was.old.start };
        self.delete(start..end);
        if block {
            self.delete(self.block_lines(value));
        }
    }

    /// Takes a mark out that says nothing true any more.
    fn forget(&mut self, was: &Was) {
        let tree = self.tree;
        let start = gaps::line_start(tree.text, was.start);
        let blanks = tree.text[start..was.start].trim_end_matches(' ').len();
        self.delete(start + blanks..was.old.end);
    }

    /// What `<<` would supply, were the key not there.
    fn merged_value(&self, mapping: NodeId, key: NodeId) -> Result<Option<Value<'static>>, Refusal> {
        let Some(name) = self.tree.key_text(key) else { return Ok(None) };
        match self.tree.merged(mapping, &name) {
            Some(source) => Ok(Some(self.tree.value_of(source)?.into_owned())),
            None => Ok(None),
        }
    }
}

/// Whether edits only take something away: then it is a removal, and marks count.
fn takes_away(edits: &EditTree<'_>) -> bool {
    edits.delete
        || (edits.inserts.is_empty()
            && edits.adds.is_empty()
            && edits.prefix.is_none()
            && (edits.cut.is_some() || !edits.below.is_empty())
            && edits.below.iter().all(|(_, child)| takes_away(child)))
}

/// Whether two values are the same, were all their scalars text: a text that we wrote without quotes may have
/// become a number once our part of it is gone.
fn alike(one: &Value<'_>, other: &Value<'_>) -> bool {
    match (one, other) {
        (Value::Scalar(one), Value::Scalar(other)) if one != other => {
            let text =
                |scalar: &Scalar<'_>| if scalar.kind() == ScalarType::Null { "" } else { scalar.as_str() }.to_owned();
            text(one) == text(other)
        }
        (Value::List(one), Value::List(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| alike(one, other))
        }
        (Value::Map(one), Value::Map(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, value)| other.get(key).is_some_and(|other| alike(value, other)))
        }
        _ => one == other,
    }
}

fn is_nothing(value: &Value<'_>) -> bool {
    match value {
        Value::List(items) => items.is_empty(),
        Value::Map(map) => map.is_empty(),
        Value::Scalar(_) => value.is_null() || value.as_text() == Some(""),
    }
}
