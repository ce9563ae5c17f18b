//! The proof that is made before anything is written: the edited text, parsed again, is what the
//! plan makes of the original.
//!
//! The edited text becomes a tree, not a stream of events that is compared as it comes: most documents are read
//! by `simple` without the parser, which makes a tree sooner than the parser makes events, and a tree can
//! be walked in the order of the expected value.

use super::edit::Edited;
use super::tree::{Entries, NodeId, NodeKind, Tree};
use crate::value::edit::apply;
use crate::value::{Edit, EditError, Path, Scalar, Step, Value};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use thiserror::Error;

/// The edited text is not what was meant: a defect, caught before anything is written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "the edited text would not mean what was planned ({0}); nothing was changed. This is a defect of Prelit: please report it with the document"
)]
pub struct ProofError(String);

/// Proves that `edited` carries `edits` out on a document with this value, and gives the edited text.
///
/// # Errors
/// When it does not.
pub fn prove(original: Value<'_>, edits: &[Edit], edited: &Edited, text: &str) -> Result<(), ProofError> {
    let expected = expected(original, edits, edited)?;
    let tree = Tree::parse(text).map_err(|error| ProofError(format!("at byte {}: {error}", error.offset)))?;
    let equal = match tree.root() {
        // Without aliases and merge keys the two are walked side by side, keys in their order.
        Some(root) if !tree.has_references => same(&tree, root, &expected),
        _ => tree.value().is_ok_and(|value| value == expected),
    };
    if equal { Ok(()) } else { Err(ProofError("the values differ".to_owned())) }
}

/// What the plan makes of the original. Where an old value was restored, that value stands instead, and no edit
/// of the plan reaches it. Paths are of the original, before anything in a list has moved.
fn expected<'v>(mut original: Value<'v>, edits: &[Edit], edited: &Edited) -> Result<Value<'v>, ProofError> {
    let wrong = |error: EditError| ProofError(error.to_string());
    if edited.restored.is_empty() {
        return apply(original, edits).map_err(wrong);
    }
    for (path, value) in &edited.restored {
        put(&mut original, path, value.clone());
    }
    let restored: HashSet<&[Step]> = edited.restored.iter().map(|(path, _)| path.steps()).collect();
    let is_restored = |edit: &Edit| {
        let steps = edit.target().steps();
        (0..=steps.len()).any(|length| restored.contains(&steps[..length]))
    };
    let rest: Vec<Edit> = edits.iter().filter(|edit| !is_restored(edit)).cloned().collect();
    apply(original, &rest).map_err(wrong)
}

/// Puts a value at a path whose parent is there.
fn put(root: &mut Value<'_>, path: &Path, value: Value<'static>) {
    let Some((last, parents)) = path.steps().split_last() else { return };
    let mut at = root;
    for step in parents {
        let next = match (at, step) {
            (Value::Map(map), Step::Key(key)) => map.get_mut(key),
            (Value::List(items), Step::Index(index)) => items.get_mut(*index),
            _ => None,
        };
        let Some(next) = next else { return };
        at = next;
    }
    match (at, last) {
        (Value::Map(map), Step::Key(key)) => map.insert(key.clone(), value),
        (Value::List(items), Step::Index(index)) => {
            if let Some(item) = items.get_mut(*index) {
                *item = value;
            }
        }
        _ => {}
    }
}

fn same(tree: &Tree<'_>, id: NodeId, expected: &Value<'_>) -> bool {
    match (&tree.node(id).kind, expected) {
        (NodeKind::Scalar { text, typed, .. }, Value::Scalar(scalar)) => {
            if *typed == scalar.is_plain() && *text == scalar.as_str() {
                return true;
            }
            let found = if *typed { Scalar::plain(text.as_ref()) } else { Scalar::text(text.as_ref()) };
            found == *scalar
        }
        (NodeKind::Sequence { .. }, Value::List(items)) => {
            let mut children = tree.children(id);
            items.iter().all(|item| children.next().is_some_and(|child| same(tree, child, item)))
                && children.next().is_none()
        }
        (NodeKind::Mapping { .. }, Value::Map(map)) => {
            // Usually in the same order, which costs no search.
            let mut entries = tree.entries(id);
            let mut expected = map.iter();
            while let Some((name, child)) = entries.next() {
                let Some(name) = tree.key_text(name) else { return false };
                match expected.next() {
                    Some((key, value)) if name == key => {
                        if !same(tree, child, value) {
                            return false;
                        }
                    }
                    Some(other) => {
                        let rest: HashMap<&str, &Value<'_>> = std::iter::once(other).chain(expected).collect();
                        return same_in_any_order(tree, (name, child), entries, &rest);
                    }
                    None => return false,
                }
            }
            expected.next().is_none()
        }
        _ => false,
    }
}

/// Whether a mapping's entry and those behind it are these, in whatever order. Keys stand once on both sides.
fn same_in_any_order(
    tree: &Tree<'_>,
    (name, child): (Cow<'_, str>, NodeId),
    entries: Entries<'_, '_>,
    expected: &HashMap<&str, &Value<'_>>,
) -> bool {
    let is_there = |name: &str, child| expected.get(name).is_some_and(|value| same(tree, child, value));
    let mut count = 1;
    is_there(&name, child)
        && entries.into_iter().all(|(name, child)| {
            count += 1;
            tree.key_text(name).is_some_and(|name| is_there(&name, child))
        })
        && count == expected.len()
}
