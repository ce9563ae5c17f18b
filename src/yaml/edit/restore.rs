//! Places where an old value stands behind a mark: removal brings it back as it was written.

use super::{Editor, Parent, Refusal};
use crate::value::Value;
use crate::value::edit::EditTree;
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
        let Some(was) = self.mark(value) else { return Ok(false) };
        let Some(old) = was.old(self.tree) else { return Ok(false) };
        let left = if edits.delete { None } else { Some(self.edited_value(value, edits)?) };
        let is_old = match (&old, &left) {
            // What is deleted was ours alone, and null or empty before.
            (Old::Value(_), None) => true,
            (Old::Value(old), Some(left)) => old == left || is_nothing(old) && is_nothing(left),
            (Old::Alias(_) | Old::Merged, None) => false,
            (Old::Alias(target), Some(left)) => self.tree.value_of(*target)? == *left,
            (Old::Merged, Some(left)) => match parent {
                Parent::BlockEntry { mapping, key } => self.merged_value(mapping, key)? == Some(left.clone()),
                _ => false,
            },
        };
        if !is_old {
            if left.is_some() {
                self.forget(value, &was);
            }
            return Ok(false);
        }
        let here = self.here();
        match old {
            Old::Merged => {
                let Parent::BlockEntry { key, .. } = parent else { return Ok(false) };
                let tree = self.tree;
                let (start, end) = (tree.node(key).start, tree.node(value).end);
                if !gaps::begins_line(tree.text, start) {
                    return Err(self.unsupported(key, "an entry that does not begin its line is not deleted"));
                }
                self.delete(gaps::line_start(tree.text, start)..gaps::next_line(tree.text, end));
            }
            Old::Value(old) => {
                self.bring_back(value, &was);
                self.restored.push((here, old));
            }
            Old::Alias(_) => self.bring_back(value, &was),
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
    fn forget(&mut self, value: NodeId, was: &Was) {
        let tree = self.tree;
        let start = gaps::line_start(tree.text, was.start);
        let blanks = tree.text[start..was.start].trim_end_matches(' ').len();
        let _ = value;
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

fn is_nothing(value: &Value<'_>) -> bool {
    match value {
        Value::List(items) => items.is_empty(),
        Value::Map(map) => map.is_empty(),
        Value::Scalar(_) => value.is_null() || value.as_text() == Some(""),
    }
}
