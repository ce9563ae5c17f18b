//! What is said of the items, as the protocol's `results`.

use super::item::{File, Item};
use crate::api::Severity;
use crate::render::report;
use crate::value::Value;

/// One result.
#[derive(Debug)]
pub struct FunctionResult<'r> {
    item: &'r report::Item<'r>,
    file: Option<&'r File>,
    level: Level,
}

/// The severities of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The function failed because of it.
    Error,
    /// Somebody should look at it.
    Warning,
    /// How it came out.
    Info,
}

impl Level {
    /// Its name in the protocol.
    pub fn word(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Info => "info",
        }
    }
}

impl<'r> FunctionResult<'r> {
    /// What is said, of an item that has a file, by a function that `failed` or not: a function that says
    /// `error` and ends with success contradicts itself.
    ///
    /// | reason's severity | failed  | did not fail |
    /// |-------------------|---------|--------------|
    /// | finding           | error   | warning      |
    /// | strict, warning   | warning | warning      |
    /// | note, info        | info    | info         |
    pub(super) fn new(item: &'r report::Item<'r>, source: Option<&'r Item>, failed: bool) -> Self {
        let level = match item.severity() {
            Severity::Finding if failed => Level::Error,
            Severity::Finding | Severity::Strict | Severity::Warning => Level::Warning,
            Severity::Note | Severity::Info => Level::Info,
        };
        FunctionResult { item, file: source.and_then(|item| item.content.file.as_ref()), level }
    }

    /// How much it weighs.
    pub fn level(&self) -> Level {
        self.level
    }

    /// What is said.
    pub fn item(&self) -> &'r report::Item<'r> {
        self.item
    }

    /// The file of the list's item, where it is known.
    pub fn file(&self) -> Option<&'r str> {
        self.file.map(|file| file.path.as_str())
    }

    /// As an entry of `results`.
    pub(super) fn to_value(&self) -> Value<'static> {
        let text = |text: &str| Value::text(text.to_owned());
        let item = self.item;
        let message = format!("{}. What to do: {}", item.message(), item.reason.remedy());
        let mut entries: Vec<(&str, Value<'static>)> =
            vec![("message", Value::text(message)), ("severity", text(self.level.word()))];
        if let Some(object) = item.object {
            let mut reference = vec![
                ("apiVersion", text(&object.api_version)),
                ("kind", text(&object.kind)),
                ("name", text(&object.name)),
            ];
            reference.extend(object.namespace.as_deref().map(|namespace| ("namespace", text(namespace))));
            entries.push(("resourceRef", Value::map(reference)));
            if !item.field.is_empty() {
                entries.push(("field", Value::map([("path", text(item.field))])));
            }
        }
        if let Some(file) = self.file {
            let mut place = vec![("path", text(&file.path))];
            place.extend(file.index.map(|index| ("index", Value::int(index))));
            entries.push(("file", Value::map(place)));
        }
        entries.push(("tags", Value::map([("reason", text(item.reason.code()))])));
        Value::map(entries)
    }
}
