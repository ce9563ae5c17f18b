//! Edits as a JSON patch (RFC 6902), which is how an admission webhook answers.

use super::edit::{EditError, EditTree};
use super::{Edit, Path, Step, Value};
use serde_json::{Value as Json, json};

/// The operations that do to the JSON of `value` what `edits` do to `value`, in an order in which
/// no operation moves the target of a later one.
///
/// # Errors
/// When an edit does not fit the value.
pub fn to_json_patch(value: &Value<'_>, edits: &[Edit]) -> Result<Vec<Json>, EditError> {
    let mut operations = Vec::new();
    write(value, &EditTree::new(edits), &Path::ROOT, &mut operations)?;
    Ok(operations)
}

fn write(value: &Value<'_>, tree: &EditTree<'_>, at: &Path, operations: &mut Vec<Json>) -> Result<(), EditError> {
    let replace = |new: Value<'_>| json!({"op": "replace", "path": at.to_pointer(), "value": new.to_json()});
    match value {
        value if value.is_null() => operations.push(replace(tree.make(at)?)),
        Value::Scalar(scalar) => {
            let new = super::edit::apply_tree(Value::Scalar(scalar.clone()), tree, at)?;
            operations.push(replace(new));
        }
        // From the last item to the first: what is inserted or deleted moves only what is done already.
        Value::List(items) => {
            if tree.inserts.keys().any(|index| *index > items.len()) {
                return Err(EditError {
                    at: at.clone(),
                    problem: "the list is shorter than where something is to be put",
                });
            }
            for index in (0..=items.len()).rev() {
                if let (Some(item), Some(child)) = (items.get(index), tree.child(&Step::Index(index))) {
                    if child.delete {
                        operations.push(json!({"op": "remove", "path": at.index(index).to_pointer()}));
                    } else {
                        write(item, child, &at.index(index), operations)?;
                    }
                }
                for new in tree.inserts.get(&index).into_iter().flatten().rev() {
                    let path = at.index(index).to_pointer();
                    operations.push(json!({"op": "add", "path": path, "value": new.to_json()}));
                }
            }
        }
        Value::Map(map) => {
            for (step, child) in &tree.below {
                let Step::Key(key) = step else {
                    return Err(EditError { at: at.clone(), problem: "a list was expected, a map stands there" });
                };
                let path = at.key(key.clone());
                match map.get(key) {
                    Some(_) if child.delete => operations.push(json!({"op": "remove", "path": path.to_pointer()})),
                    Some(value) => write(value, child, &path, operations)?,
                    None => {
                        let value = child.make(&path)?.to_json();
                        operations.push(json!({"op": "add", "path": path.to_pointer(), "value": value}));
                    }
                }
            }
            for (key, value) in &tree.adds {
                let path = at.key((*key).to_owned()).to_pointer();
                operations.push(json!({"op": "add", "path": path, "value": value.to_json()}));
            }
        }
    }
    Ok(())
}
