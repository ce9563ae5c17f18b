//! Edits: what a plan asks for, addressed to the value **as it was**, so that no edit shifts another.
//!
//! This is the one meaning of every edit. [`apply`] carries edits out on a value, [`super::patch`]
//! writes them as a JSON patch, and `yaml` carries them out on text; all three must agree.

use super::{Map, Path, Scalar, Step, Value};
use std::collections::{BTreeMap, HashMap};
use thiserror::Error;

/// One change to a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Edit {
    /// Puts `items` into the list at `list`, before the item that stands at index `at` now (the
    /// length of the list: after the last). A list that is missing or null is made, with the maps
    /// above it. Inserts at one place keep the order of the plan.
    Insert {
        /// The list.
        list: Path,
        /// The index, in the list as it was.
        at: usize,
        /// What to put there.
        items: Vec<Value<'static>>,
    },
    /// Puts a key that is not there into the map at `map`, as its last. A map that is missing or
    /// null is made, with those above it.
    Add {
        /// The map.
        map: Path,
        /// The new key.
        key: String,
        /// Its value.
        value: Value<'static>,
    },
    /// Puts text before a scalar's own text. A null counts as empty; the result is text.
    Prefix {
        /// The scalar.
        scalar: Path,
        /// What to put before it.
        text: String,
    },
    /// Takes the first `bytes` bytes of a scalar's text away. What is left is plain if it was.
    Cut {
        /// The scalar.
        scalar: Path,
        /// How many bytes; a boundary of a character.
        bytes: usize,
    },
    /// Takes a list's item or a map's entry away.
    Delete {
        /// The item or entry.
        at: Path,
    },
}

impl Edit {
    /// The place that the edit is addressed to.
    pub fn target(&self) -> &Path {
        match self {
            Edit::Insert { list, .. } => list,
            Edit::Add { map, .. } => map,
            Edit::Prefix { scalar, .. } | Edit::Cut { scalar, .. } => scalar,
            Edit::Delete { at } => at,
        }
    }

    /// The same edit below another root.
    #[must_use]
    pub fn below(self, root: &Path) -> Self {
        match self {
            Edit::Insert { list, at, items } => Edit::Insert { list: root.join(&list), at, items },
            Edit::Add { map, key, value } => Edit::Add { map: root.join(&map), key, value },
            Edit::Prefix { scalar, text } => Edit::Prefix { scalar: root.join(&scalar), text },
            Edit::Cut { scalar, bytes } => Edit::Cut { scalar: root.join(&scalar), bytes },
            Edit::Delete { at } => Edit::Delete { at: root.join(&at) },
        }
    }
}

/// An edit that does not fit the value it is addressed to: a defect of whoever made the plan.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("an edit does not fit: at {at}, {problem}")]
pub struct EditError {
    /// The place.
    pub at: Path,
    /// What does not fit.
    pub problem: &'static str,
}

/// All edits of a plan, arranged as the tree of the places they are addressed to.
///
/// Each node holds what is to happen at that place, and the nodes below it.
#[derive(Debug, Default)]
pub struct EditTree<'e> {
    /// Inserts into the list here, by index, in the order of the plan.
    pub inserts: BTreeMap<usize, Vec<&'e Value<'static>>>,
    /// Keys to add to the map here, in the order of the plan.
    pub adds: Vec<(&'e str, &'e Value<'static>)>,
    /// Text to put before the scalar here.
    pub prefix: Option<&'e str>,
    /// Bytes to take from the scalar here.
    pub cut: Option<usize>,
    /// Whether what stands here goes.
    pub delete: bool,
    /// What is to happen further down, in the order in which it was first asked for.
    pub below: Vec<(&'e Step, EditTree<'e>)>,
    /// Where in `below` a step stands; empty as long as there are few.
    index: HashMap<Name<'e>, usize>,
}

/// So many steps below one place are searched one by one, more through an index.
const FEW_STEPS: usize = 16;

/// A step, borrowed.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Name<'s> {
    Key(&'s str),
    Index(usize),
}

impl<'s> From<&'s Step> for Name<'s> {
    fn from(step: &'s Step) -> Self {
        match step {
            Step::Key(key) => Name::Key(key),
            Step::Index(index) => Name::Index(*index),
        }
    }
}

impl<'e> EditTree<'e> {
    /// Arranges edits by place.
    pub fn new(edits: &'e [Edit]) -> Self {
        let mut root = EditTree::default();
        for edit in edits {
            let node = edit.target().steps().iter().fold(&mut root, |node, step| node.child_mut(step));
            match edit {
                Edit::Insert { at, items, .. } => node.inserts.entry(*at).or_default().extend(items),
                Edit::Add { key, value, .. } => node.adds.push((key, value)),
                Edit::Prefix { text, .. } => node.prefix = Some(text),
                Edit::Cut { bytes, .. } => node.cut = Some(*bytes),
                Edit::Delete { .. } => node.delete = true,
            }
        }
        root
    }

    fn child_mut(&mut self, step: &'e Step) -> &mut EditTree<'e> {
        let position = self.position(&step.into()).unwrap_or_else(|| {
            let position = self.below.len();
            self.below.push((step, EditTree::default()));
            if !self.index.is_empty() {
                self.index.insert(step.into(), position);
            } else if position >= FEW_STEPS {
                self.index.extend(self.below.iter().enumerate().map(|(at, (step, _))| ((*step).into(), at)));
            }
            position
        });
        &mut self.below[position].1
    }

    fn position(&self, name: &Name<'_>) -> Option<usize> {
        if self.index.is_empty() {
            self.below.iter().position(|(step, _)| Name::from(*step) == *name)
        } else {
            self.index.get(name).copied()
        }
    }

    /// What is to happen one step down.
    pub fn child(&self, step: &Step) -> Option<&EditTree<'e>> {
        Some(&self.below[self.position(&step.into())?].1)
    }

    /// What is to happen under a key, with the key as a step.
    fn entry(&self, key: &str) -> Option<&(&'e Step, EditTree<'e>)> {
        Some(&self.below[self.position(&Name::Key(key))?])
    }

    /// Whether a missing place becomes a list of what is inserted, and nothing else is asked of it.
    pub fn is_new_list(&self) -> bool {
        self.wants_list() && !self.delete && self.cut.is_none() && self.prefix.is_none()
    }

    /// Whether anything here asks for a list.
    pub fn wants_list(&self) -> bool {
        !self.inserts.is_empty()
    }

    /// The value that edits addressed to a missing or null place make there.
    ///
    /// # Errors
    /// When they ask for a change to something that is not there.
    pub fn make(&self, at: &Path) -> Result<Value<'static>, EditError> {
        let wrong = |problem| Err(EditError { at: at.clone(), problem });
        if self.delete || self.cut.is_some() {
            return wrong("there is nothing to take away");
        }
        if let Some(text) = self.prefix {
            return Ok(Value::text(text.to_owned()));
        }
        if self.wants_list() {
            return Ok(Value::List(self.inserts.values().flatten().map(|item| (*item).clone()).collect()));
        }
        let mut map = Map::default();
        for (step, tree) in &self.below {
            let Step::Key(key) = step else { return wrong("there is no list") };
            map.insert(key.clone(), tree.make(&at.step((*step).clone()))?);
        }
        for (key, value) in &self.adds {
            map.insert((*key).to_owned(), (*value).clone());
        }
        Ok(Value::Map(map))
    }
}

/// Carries edits out on a value.
///
/// # Errors
/// When an edit does not fit the value.
pub fn apply<'a>(value: Value<'a>, edits: &[Edit]) -> Result<Value<'a>, EditError> {
    apply_tree(value, &EditTree::new(edits), &Path::ROOT)
}

/// Carries edits that are arranged already out on a value that stands at `at`.
///
/// # Errors
/// When an edit does not fit the value.
pub fn apply_tree<'a>(value: Value<'a>, tree: &EditTree<'_>, at: &Path) -> Result<Value<'a>, EditError> {
    let wrong = |problem| Err(EditError { at: at.clone(), problem });
    if value.is_null() && tree.cut.is_none() {
        return tree.make(at);
    }
    match value {
        Value::Scalar(scalar) => {
            if !tree.below.is_empty() || !tree.adds.is_empty() || tree.wants_list() {
                return wrong("a list or a map was expected, a scalar stands there");
            }
            let text = scalar.as_str();
            let kept = match tree.cut {
                Some(bytes) => match text.get(bytes..) {
                    Some(kept) => kept,
                    None => return wrong("the text is shorter than what is to be taken from it"),
                },
                None => text,
            };
            match tree.prefix {
                Some(prefix) => Ok(Value::text(format!("{prefix}{kept}"))),
                None if tree.cut.is_some() && scalar.is_plain() => Ok(Value::Scalar(Scalar::plain(kept.to_owned()))),
                None if tree.cut.is_some() => Ok(Value::text(kept.to_owned())),
                None => Ok(Value::Scalar(scalar)),
            }
        }
        Value::List(items) => {
            if !tree.adds.is_empty() || tree.prefix.is_some() || tree.cut.is_some() {
                return wrong("a map or a scalar was expected, a list stands there");
            }
            let length = items.len();
            if tree.inserts.keys().any(|index| *index > length) {
                return wrong("the list is shorter than where something is to be put");
            }
            let mut result = Vec::with_capacity(length + tree.inserts.len());
            for (index, item) in items.into_iter().enumerate() {
                result.extend(tree.inserts.get(&index).into_iter().flatten().map(|item| (*item).clone()));
                match tree.child(&Step::Index(index)) {
                    Some(child) if child.delete => {}
                    Some(child) => result.push(apply_tree(item, child, &at.index(index))?),
                    None => result.push(item),
                }
            }
            result.extend(tree.inserts.get(&length).into_iter().flatten().map(|item| (*item).clone()));
            Ok(Value::List(result))
        }
        Value::Map(map) => {
            if tree.wants_list() || tree.prefix.is_some() || tree.cut.is_some() {
                return wrong("a list or a scalar was expected, a map stands there");
            }
            let mut result = Map::default();
            for (key, value) in map {
                match tree.entry(&key) {
                    Some((_, child)) if child.delete => {}
                    Some((step, child)) => {
                        let value = apply_tree(value, child, &at.step((*step).clone()))?;
                        result.push_unique(key, value);
                    }
                    None => result.push_unique(key, value),
                }
            }
            for (step, child) in &tree.below {
                let Step::Key(key) = step else { return wrong("a list was expected, a map stands there") };
                if !child.delete && result.get(key).is_none() {
                    result.push_unique(key.clone(), child.make(&at.step((*step).clone()))?);
                }
            }
            for (key, value) in &tree.adds {
                if result.get(key).is_some() {
                    return wrong("a key that is to be added is there already");
                }
                result.push_unique((*key).to_owned().into(), (*value).clone());
            }
            Ok(Value::Map(result))
        }
    }
}
