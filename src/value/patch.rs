//! Edits as a JSON patch (RFC 6902), which is how an admission webhook answers. It is written as text while the value is
//! walked: a review has no time for a tree of operations.

use super::edit::{EditError, EditTree};
use super::{Edit, Path, Step, Value};
use serde::Serialize;

/// The JSON patch that does to the JSON of `value` what `edits` do to `value`, in an order in which no operation moves
/// the target of a later one.
///
/// # Errors
/// When an edit does not fit the value.
pub fn to_json_patch(value: &Value<'_>, edits: &[Edit]) -> Result<Vec<u8>, EditError> {
    let mut patch = Patch { json: Vec::with_capacity(4096), pointer: String::with_capacity(128) };
    patch.json.push(b'[');
    patch.edit(value, &EditTree::new(edits), Place::Root)?;
    patch.json.push(b']');
    Ok(patch.json)
}

/// A patch in the making.
struct Patch {
    json: Vec<u8>,
    /// Where the next operation is carried out.
    pointer: String,
}

/// Where a value stands: the steps from the last to the first.
#[derive(Clone, Copy)]
enum Place<'p> {
    Root,
    Key(&'p Place<'p>, &'p str),
    Index(&'p Place<'p>, usize),
}

impl Place<'_> {
    fn path(self) -> Path {
        match self {
            Place::Root => Path::ROOT,
            Place::Key(above, key) => above.path().key(key.to_owned()),
            Place::Index(above, index) => above.path().index(index),
        }
    }
}

impl Patch {
    fn edit(&mut self, value: &Value<'_>, tree: &EditTree<'_>, at: Place<'_>) -> Result<(), EditError> {
        let wrong = |problem| Err(EditError { at: at.path(), problem });
        match value {
            value if value.is_null() => self.make("replace", tree, at),
            Value::Scalar(scalar) => {
                let new = super::edit::apply_tree(Value::Scalar(scalar.clone()), tree, &at.path())?;
                self.operation("replace", Some(&new));
                Ok(())
            }
            // From the last item to the first: what is inserted or deleted moves only what is done already.
            Value::List(items) => {
                if tree.inserts.keys().any(|index| *index > items.len()) {
                    return wrong("the list is shorter than where something is to be put");
                }
                for index in (0..=items.len()).rev() {
                    let (child, inserts) = (tree.child(&Step::Index(index)), tree.inserts.get(&index));
                    if child.is_none() && inserts.is_none() {
                        continue;
                    }
                    self.down(Place::Index(&at, index), |patch, below| {
                        match (items.get(index), child) {
                            (Some(_), Some(child)) if child.delete => patch.operation("remove", None::<()>),
                            (Some(item), Some(child)) => patch.edit(item, child, below)?,
                            _ => {}
                        }
                        for new in inserts.into_iter().flatten().rev() {
                            patch.operation("add", Some(new));
                        }
                        Ok(())
                    })?;
                }
                Ok(())
            }
            Value::Map(map) => {
                for (step, child) in &tree.below {
                    let Step::Key(key) = step else { return wrong("a list was expected, a map stands there") };
                    self.down(Place::Key(&at, key), |patch, below| match map.get(key) {
                        Some(_) if child.delete => {
                            patch.operation("remove", None::<()>);
                            Ok(())
                        }
                        Some(value) => patch.edit(value, child, below),
                        None => patch.make("add", child, below),
                    })?;
                }
                for (key, value) in &tree.adds {
                    self.down(Place::Key(&at, key), |patch, _| patch.operation("add", Some(value)));
                }
                Ok(())
            }
        }
    }

    /// Puts what is asked for where nothing stands. Most of it are lists of what is inserted, which need not be copied.
    fn make(&mut self, operation: &str, tree: &EditTree<'_>, at: Place<'_>) -> Result<(), EditError> {
        if tree.is_new_list() {
            let items: Vec<_> = tree.inserts.values().flatten().collect();
            self.operation(operation, Some(items));
        } else {
            self.operation(operation, Some(tree.make(&at.path())?));
        }
        Ok(())
    }

    /// Works one step further down.
    fn down<T>(&mut self, place: Place<'_>, work: impl FnOnce(&mut Self, Place<'_>) -> T) -> T {
        let above = self.pointer.len();
        match place {
            Place::Root => {}
            Place::Key(_, key) => Step::write_key(key, &mut self.pointer),
            Place::Index(_, index) => Step::write_index(index, &mut self.pointer),
        }
        let done = work(self, place);
        self.pointer.truncate(above);
        done
    }

    /// Writes an operation on the place that the pointer names.
    fn operation(&mut self, operation: &str, value: Option<impl Serialize>) {
        if self.json.len() > 1 {
            self.json.push(b',');
        }
        self.json.extend_from_slice(br#"{"op":""#);
        self.json.extend_from_slice(operation.as_bytes());
        self.json.extend_from_slice(br#"","path":"#);
        // What is written to memory, with text as keys, does not fail.
        let _infallible = serde_json::to_writer(&mut self.json, &self.pointer);
        if let Some(value) = value {
            self.json.extend_from_slice(br#","value":"#);
            let _infallible = serde_json::to_writer(&mut self.json, &value);
        }
        self.json.push(b'}');
    }
}
