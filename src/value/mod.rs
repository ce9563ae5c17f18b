//! Values as Kubernetes reads them: scalars, lists and maps that borrow from the text they came from.
//!
//! Nothing here knows YAML's syntax or Kubernetes' objects. A scalar keeps the text that was
//! written and says only on demand what type `kubectl` takes it for ([`scalar`]), because most
//! rules compare text.

pub mod edit;
mod json;
pub mod patch;
pub mod path;
pub mod scalar;

pub use edit::{Edit, EditError};
pub use path::{Path, Step};
pub use scalar::{Scalar, ScalarType};

use std::borrow::Cow;
use std::collections::HashMap;

/// A value: what a document, or a part of one, means.
#[derive(Debug, Clone)]
pub enum Value<'a> {
    /// Text, number, boolean or null.
    Scalar(Scalar<'a>),
    /// A sequence.
    List(Vec<Value<'a>>),
    /// A mapping with text keys, in the order in which they were written.
    Map(Map<'a>),
}

/// A mapping that keeps the order of its keys. Keys are unique: the reader refuses duplicates.
#[derive(Debug, Clone, Default)]
pub struct Map<'a> {
    entries: Vec<(Cow<'a, str>, Value<'a>)>,
}

impl<'a> Value<'a> {
    /// The null value.
    pub const NULL: Value<'static> = Value::Scalar(Scalar::NULL);

    /// A text value.
    pub fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Value::Scalar(Scalar::text(text))
    }

    /// A boolean value.
    pub fn bool(value: bool) -> Value<'static> {
        Value::Scalar(Scalar::bool(value))
    }

    /// An integer value.
    pub fn int(value: i64) -> Value<'static> {
        Value::Scalar(Scalar::int(value))
    }

    /// A list of text values.
    pub fn texts<T: Into<Cow<'a, str>>>(items: impl IntoIterator<Item = T>) -> Self {
        Value::List(items.into_iter().map(|item| Value::text(item)).collect())
    }

    /// A map from pairs, in their order.
    pub fn map<K: Into<Cow<'a, str>>>(entries: impl IntoIterator<Item = (K, Value<'a>)>) -> Self {
        Value::Map(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }

    /// Whether this is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Scalar(scalar) if scalar.kind() == ScalarType::Null)
    }

    /// The map, if it is one.
    pub fn as_map(&self) -> Option<&Map<'a>> {
        match self {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The items, if this is a list.
    pub fn as_list(&self) -> Option<&[Value<'a>]> {
        match self {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// The scalar, if it is one.
    pub fn as_scalar(&self) -> Option<&Scalar<'a>> {
        match self {
            Value::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// The text of a scalar as it was written, whatever its type: `8080` and `"8080"` are alike.
    /// Nothing for null, lists and maps.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Scalar(scalar) if scalar.kind() != ScalarType::Null => Some(scalar.as_str()),
            _ => None,
        }
    }

    /// The boolean, if `kubectl` takes the scalar for one.
    pub fn as_bool(&self) -> Option<bool> {
        match self.as_scalar()?.kind() {
            ScalarType::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// The integer, if the scalar is one.
    pub fn as_int(&self) -> Option<i64> {
        match self.as_scalar()?.kind() {
            ScalarType::Int(value) => i64::try_from(value).ok(),
            _ => None,
        }
    }

    /// The value under `key`, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Value<'a>> {
        self.as_map()?.get(key)
    }

    /// The value at a path below this one.
    pub fn at(&self, path: &Path) -> Option<&Value<'a>> {
        path.steps().iter().try_fold(self, |value, step| match step {
            Step::Key(key) => value.get(key),
            Step::Index(index) => value.as_list()?.get(*index),
        })
    }

    /// The value below a run of keys: `value.dig(&["spec", "template"])`.
    pub fn dig(&self, keys: &[&str]) -> Option<&Value<'a>> {
        keys.iter().try_fold(self, |value, key| value.get(key))
    }

    /// The same value, borrowing from nothing.
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Value::Scalar(scalar) => Value::Scalar(scalar.into_owned()),
            Value::List(items) => Value::List(items.into_iter().map(Value::into_owned).collect()),
            Value::Map(map) => {
                let owned =
                    |(key, value): (Cow<'a, str>, Value<'a>)| (Cow::Owned(key.into_owned()), value.into_owned());
                Value::Map(Map { entries: map.entries.into_iter().map(owned).collect() })
            }
        }
    }
}

/// Two values are equal when Kubernetes could not tell them apart: quoting, number format and the
/// order of keys do not count.
impl PartialEq for Value<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Value::Scalar(a), Value::Scalar(b)) => a == b,
            (Value::List(a), Value::List(b)) => a == b,
            (Value::Map(a), Value::Map(b)) => a == b,
            _ => false,
        }
    }
}

impl PartialEq for Map<'_> {
    fn eq(&self, other: &Self) -> bool {
        if self.len() != other.len() {
            return false;
        }
        // Most pairs stand in the same order; only the others cost a search.
        let in_order = self.iter().zip(other.iter()).take_while(|((key, _), (other, _))| key == other).count();
        let (ours, theirs) = (&self.entries[in_order..], &other.entries[in_order..]);
        let index: HashMap<&str, &Value<'_>> = theirs.iter().map(|(key, value)| (key.as_ref(), value)).collect();
        self.iter().zip(other.iter()).take(in_order).all(|((_, value), (_, other))| value == other)
            && ours.iter().all(|(key, value)| index.get(key.as_ref()).is_some_and(|other| *other == value))
    }
}

impl<'a> Map<'a> {
    /// The number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The value under `key`.
    pub fn get(&self, key: &str) -> Option<&Value<'a>> {
        self.entries.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The value under `key`, to change.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value<'a>> {
        self.entries.iter_mut().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// Puts `value` under `key`: in place of the old one, or last.
    pub fn insert(&mut self, key: impl Into<Cow<'a, str>>, value: Value<'a>) {
        let key = key.into();
        match self.entries.iter_mut().find(|(name, _)| *name == key) {
            Some(entry) => entry.1 = value,
            None => self.entries.push((key, value)),
        }
    }

    /// Appends an entry without looking for one of the same name: for readers that have looked already.
    pub fn push_unique(&mut self, key: Cow<'a, str>, value: Value<'a>) {
        self.entries.push((key, value));
    }

    /// Takes the entry out.
    pub fn remove(&mut self, key: &str) -> Option<Value<'a>> {
        let index = self.entries.iter().position(|(name, _)| name == key)?;
        Some(self.entries.remove(index).1)
    }

    /// The entries in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value<'a>)> {
        self.entries.iter().map(|(key, value)| (key.as_ref(), value))
    }
}

/// A map of this many keys is searched through an index while it is made.
const MANY_KEYS: usize = 32;

/// A map in the making, for any number of keys.
#[derive(Debug, Default)]
pub struct MapBuilder<'a> {
    map: Map<'a>,
    /// Where each key stands; empty as long as there are few.
    index: HashMap<Cow<'a, str>, usize>,
}

impl<'a> MapBuilder<'a> {
    /// Puts `value` under `key`: in place of the old one, or last.
    pub fn insert(&mut self, key: Cow<'a, str>, value: Value<'a>) {
        let entries = &mut self.map.entries;
        if entries.len() < MANY_KEYS {
            self.map.insert(key, value);
            return;
        }
        if self.index.is_empty() {
            self.index.extend(entries.iter().enumerate().map(|(at, (key, _))| (key.clone(), at)));
        }
        if let Some(at) = self.index.get(&key) {
            entries[*at].1 = value;
        } else {
            self.index.insert(key.clone(), entries.len());
            entries.push((key, value));
        }
    }

    /// The map.
    pub fn done(self) -> Map<'a> {
        self.map
    }
}

impl<'a> FromIterator<(Cow<'a, str>, Value<'a>)> for Map<'a> {
    fn from_iter<I: IntoIterator<Item = (Cow<'a, str>, Value<'a>)>>(entries: I) -> Self {
        let mut map = MapBuilder::default();
        for (key, value) in entries {
            map.insert(key, value);
        }
        map.done()
    }
}

impl<'a> IntoIterator for Map<'a> {
    type Item = (Cow<'a, str>, Value<'a>);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}
