//! One item of a list: where it stands, and the file that it came from.

use crate::manifest::Object;
use crate::manifest::workload::{FUNCTION_GROUP, ITEMS};
use crate::render::lines::Lines;
use crate::render::report::{ObjectReference, Position};
use crate::value::Value;
use crate::yaml::BlockList;
use std::ops::Range;

/// The annotation by which kustomize knows an item again.
const KUSTOMIZE_ID: &str = "kustomize.config.k8s.io/id";

/// One item.
#[derive(Debug)]
pub(super) struct Item {
    pub content: Content,
    pub extent: Extent,
}

/// What an item says of itself.
#[derive(Debug)]
pub(super) struct Content {
    /// Its place in the list, from 0.
    place: usize,
    /// Empty where it does not say what it is.
    pub object: ObjectReference,
    pub file: Option<File>,
    /// Whether it carries the id that kustomize gives to every item.
    pub by_kustomize: bool,
}

/// The file that an item came from, as the orchestrator says.
#[derive(Debug)]
pub(super) struct File {
    pub path: String,
    /// The item's place in the file.
    pub index: Option<i64>,
}

/// Where something stands: line and column of its first byte, and behind its last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    pub start: (usize, usize),
    end: (usize, usize),
}

impl Content {
    /// Reads an item.
    ///
    /// # Errors
    /// When it is no map.
    pub fn read(place: usize, value: &Value<'_>) -> Result<Self, String> {
        if value.as_map().is_none() {
            return Err(format!(
                "item {}: found no map; expected an object with apiVersion, kind and metadata",
                place + 1
            ));
        }
        let object = Object::read(value).map(|object| ObjectReference::from(&object)).unwrap_or_default();
        let annotations = value.dig(&["metadata", "annotations"]);
        let by_kustomize = annotations.is_some_and(|annotations| annotations.get(KUSTOMIZE_ID).is_some());
        // kustomize makes names of files up.
        let file = if by_kustomize { None } else { file_of(value) };
        Ok(Content { place, object, file, by_kustomize })
    }

    /// `item 3 (apps/chat.yaml)`
    pub fn shown(&self) -> String {
        shown(self.place, self.file.as_ref().map(|file| file.path.as_str()))
    }
}

impl Extent {
    /// That of a range of bytes.
    pub fn of(lines: &Lines<'_>, range: &Range<usize>) -> Self {
        let place = |offset: usize| {
            let position = lines.position(offset);
            (position.line, position.column)
        };
        Extent { start: place(range.start), end: place(range.end) }
    }

    /// Whether a position is in it.
    pub fn holds(&self, position: &Position) -> bool {
        (self.start..self.end).contains(&(position.line, position.column))
    }
}

/// The item that holds an offset of a text that is no YAML, as far as lines tell, with the file that its
/// annotation names.
pub(super) fn around(text: &str, offset: usize) -> Option<String> {
    let list = BlockList::of(text, ITEMS)?;
    let place =
        list.items.iter().position(|item| item.contains(&offset) || item.end == offset && offset == text.len())?;
    let path = text[list.items[place].clone()].lines().find_map(|line| {
        let (key, value) = line.trim().split_once(": ")?;
        let is_path = key.trim_matches(['\'', '"']).ends_with(&format!("{FUNCTION_GROUP}/path"));
        is_path.then(|| value.trim_matches(['\'', '"']))
    });
    Some(shown(place, path))
}

fn shown(place: usize, path: Option<&str>) -> String {
    let number = place + 1;
    path.map_or_else(|| format!("item {number}"), |path| format!("item {number} ({path})"))
}

/// The file of an item, by the annotations of the orchestrator: of the present and of the future.
fn file_of(item: &Value<'_>) -> Option<File> {
    let annotation = |name: &str| {
        let annotations = item.dig(&["metadata", "annotations"])?;
        let of = |prefix: &str| annotations.get(&format!("{prefix}{FUNCTION_GROUP}/{name}")).and_then(Value::as_text);
        of("internal.").or_else(|| of(""))
    };
    let path = annotation("path").filter(|path| !path.is_empty())?.to_owned();
    Some(File { path, index: annotation("index").and_then(|index| index.parse().ok()) })
}
