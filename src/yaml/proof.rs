//! The proof that is made before anything is written: the edited text, parsed again, is what the
//! plan makes of the original.

use super::edit::Edited;
use super::tree::{NodeId, NodeKind, Tree};
use crate::value::edit::apply;
use crate::value::{Edit, EditError, Path, Scalar, Step, Value};
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
    let is_restored =
        |edit: &Edit| edited.restored.iter().any(|(path, _)| edit.target().steps().starts_with(path.steps()));
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
            let in_order = map.iter().all(|(key, value)| {
                entries.next().is_some_and(|(name, child)| {
                    tree.key_text(name).is_some_and(|name| name == key) && same(tree, child, value)
                })
            }) && entries.next().is_none();
            in_order || same_in_any_order(tree, id, map)
        }
        _ => false,
    }
}

fn same_in_any_order(tree: &Tree<'_>, id: NodeId, map: &crate::value::Map<'_>) -> bool {
    let mut count = 0;
    tree.entries(id).all(|(name, child)| {
        count += 1;
        tree.key_text(name).and_then(|name| map.get(&name)).is_some_and(|value| same(tree, child, value))
    }) && count == map.len()
}
