//! Edits as a JSON patch (RFC 6902), which is how an admission webhook answers.

use super::edit::{EditError, EditTree};
use super::{Edit, Path, Step, Value};
use serde::Serialize;

/// One operation of a patch. It borrows what is added: a review has no time for copies.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Operation<'e> {
    op: &'static str,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<New<'e>>,
}

/// What an operation puts somewhere.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
enum New<'e> {
    Borrowed(&'e Value<'static>),
    Items(Vec<&'e Value<'static>>),
    Made(Value<'static>),
}

/// Where an operation is carried out: the steps from the last to the first.
#[derive(Clone, Copy)]
enum Place<'p> {
    Root,
    Key(&'p Place<'p>, &'p str),
    Index(&'p Place<'p>, usize),
}

impl Place<'_> {
    fn pointer(&self) -> String {
        let mut pointer = String::with_capacity(64);
        self.write(&mut pointer);
        pointer
    }

    fn write(&self, pointer: &mut String) {
        match self {
            Place::Root => {}
            Place::Key(above, key) => {
                above.write(pointer);
                Step::write_key(key, pointer);
            }
            Place::Index(above, index) => {
                above.write(pointer);
                Step::write_index(*index, pointer);
            }
        }
    }

    fn path(&self) -> Path {
        match self {
            Place::Root => Path::ROOT,
            Place::Key(above, key) => above.path().key((*key).to_owned()),
            Place::Index(above, index) => above.path().index(*index),
        }
    }
}

/// The operations that do to the JSON of `value` what `edits` do to `value`, in an order in which
/// no operation moves the target of a later one.
///
/// # Errors
/// When an edit does not fit the value.
pub fn to_json_patch<'e>(value: &Value<'_>, edits: &'e [Edit]) -> Result<Vec<Operation<'e>>, EditError> {
    let mut operations = Vec::with_capacity(edits.len());
    write(value, &EditTree::new(edits), Place::Root, &mut operations)?;
    Ok(operations)
}

fn write<'e>(
    value: &Value<'_>,
    tree: &EditTree<'e>,
    at: Place<'_>,
    operations: &mut Vec<Operation<'e>>,
) -> Result<(), EditError> {
    let add = |at: Place<'_>, new| Operation { op: "add", path: at.pointer(), value: Some(new) };
    let replace = |new| Operation { op: "replace", path: at.pointer(), value: Some(new) };
    let remove = |at: Place<'_>| Operation { op: "remove", path: at.pointer(), value: None };
    match value {
        value if value.is_null() => operations.push(replace(make(tree, at)?)),
        Value::Scalar(scalar) => {
            let new = super::edit::apply_tree(Value::Scalar(scalar.clone()), tree, &at.path())?;
            operations.push(replace(New::Made(new.into_owned())));
        }
        // From the last item to the first: what is inserted or deleted moves only what is done already.
        Value::List(items) => {
            if tree.inserts.keys().any(|index| *index > items.len()) {
                return Err(EditError {
                    at: at.path(),
                    problem: "the list is shorter than where something is to be put",
                });
            }
            for index in (0..=items.len()).rev() {
                let below = Place::Index(&at, index);
                if let (Some(item), Some(child)) = (items.get(index), tree.child(&Step::Index(index))) {
                    if child.delete {
                        operations.push(remove(below));
                    } else {
                        write(item, child, below, operations)?;
                    }
                }
                for new in tree.inserts.get(&index).into_iter().flatten().rev() {
                    operations.push(add(below, New::Borrowed(new)));
                }
            }
        }
        Value::Map(map) => {
            for (step, child) in &tree.below {
                let Step::Key(key) = step else {
                    return Err(EditError { at: at.path(), problem: "a list was expected, a map stands there" });
                };
                let below = Place::Key(&at, key);
                match map.get(key) {
                    Some(_) if child.delete => operations.push(remove(below)),
                    Some(value) => write(value, child, below, operations)?,
                    None => operations.push(add(below, make(child, below)?)),
                }
            }
            for (key, value) in &tree.adds {
                operations.push(add(Place::Key(&at, key), New::Borrowed(value)));
            }
        }
    }
    Ok(())
}

/// What stands where nothing did. Most of it are lists of what is inserted, which need not be copied.
fn make<'e>(tree: &EditTree<'e>, at: Place<'_>) -> Result<New<'e>, EditError> {
    if tree.is_new_list() {
        return Ok(New::Items(tree.inserts.values().flatten().copied().collect()));
    }
    tree.make(&at.path()).map(New::Made)
}
