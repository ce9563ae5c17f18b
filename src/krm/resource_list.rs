//! What an orchestrator sends: the items with the files they came from, and the function's configuration.

use super::RESULTS;
use crate::api::settings::{self, Given, SettingProblem};
use crate::api::{Reason, names};
use crate::manifest::workload::{FUNCTION_CONFIG, FUNCTION_GROUP, is_resource_list};
use crate::manifest::{Object, kinds::group_of};
use crate::render::lines::Lines;
use crate::render::report::{ObjectReference, Position, Remark};
use crate::render::{Failure, Failures, Source, Splice};
use crate::value::{Path, Value};
use crate::yaml::tree::{Node, NodeKind, Tree};
use crate::yaml::{Edited, documents};
use std::collections::HashSet;
use std::ops::Range;

/// The key of the items.
const ITEMS: &str = "items";

/// The versions of the protocol; they do not differ in what is read here.
const VERSIONS: [&str; 2] = ["v1", "v1beta1"];

/// A list as it was sent.
#[derive(Debug)]
pub struct ResourceList<'s> {
    name: &'s str,
    bytes: &'s [u8],
    /// Where the list stands in the bytes: without a byte order mark or document markers.
    range: Range<usize>,
    items: Vec<Item>,
    function_config: FunctionConfig,
    function_config_extent: Option<Extent>,
    results: Vec<Value<'static>>,
}

/// What the function was given as its own configuration.
#[derive(Debug)]
pub enum FunctionConfig {
    /// Nothing.
    None,
    /// An `AutoInstrumentation`, which is read with those among the items.
    Resource,
    /// A `ConfigMap` of settings.
    Settings(Given),
}

/// One item.
#[derive(Debug)]
pub(super) struct Item {
    /// Its place in the list, from 0.
    place: usize,
    extent: Extent,
    /// Object and group; empty where it does not say what it is.
    object: ObjectReference,
    pub(super) file: Option<File>,
}

/// Where something stands: line and column of its first byte, and behind its last.
#[derive(Debug, Clone, Copy)]
struct Extent {
    start: (usize, usize),
    end: (usize, usize),
}

impl Extent {
    /// That of a node of a text that begins at an offset.
    fn of(lines: &Lines<'_>, text: usize, node: &Node<'_>) -> Self {
        let place = |offset: usize| {
            let position = lines.position(text + offset);
            (position.line, position.column)
        };
        Extent { start: place(node.start), end: place(node.end) }
    }

    fn holds(&self, position: &Position) -> bool {
        (self.start..self.end).contains(&(position.line, position.column))
    }
}

/// The file that an item came from, as the orchestrator says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct File {
    pub(super) path: String,
    /// The item's place in the file.
    pub(super) index: Option<i64>,
}

impl<'s> ResourceList<'s> {
    /// Reads a list and looks at its form. What stands in the items is looked at when they are rendered.
    ///
    /// # Errors
    /// When it is no list, or not all of one.
    pub fn read(name: &'s str, bytes: &'s [u8]) -> Result<Self, Failures> {
        let lines = Lines::new(name, bytes);
        let failure = |offset: usize, message: String| Failures(vec![Failure::at(&lines, offset, message)]);
        let mut found = None;
        for document in documents(bytes) {
            let start = document.text.start;
            let text = std::str::from_utf8(&bytes[document.text.clone()]).map_err(|error| {
                failure(start + error.valid_up_to(), "the text is not UTF-8; expected UTF-8".to_owned())
            })?;
            let tree = Tree::parse(text).map_err(|error| {
                let item = item_around(text, error.offset).map(|item| format!("{item}: ")).unwrap_or_default();
                failure(start + error.offset, format!("{item}{}", error.message))
            })?;
            if tree.root().is_none() {
                continue;
            }
            if found.is_some() {
                return Err(failure(start, "a second document begins here; expected one ResourceList".to_owned()));
            }
            found = Some((document.text, tree));
        }
        let Some((range, tree)) = found else {
            return Err(failure(0, format!("found nothing; expected a ResourceList ({FUNCTION_GROUP}/v1)")));
        };
        let at = |path: &Path| range.start + offset_of(&tree, path);
        let value = tree.value().map_err(|error| failure(range.start + error.offset, error.message))?;
        let text = |key: &str| value.get(key).and_then(Value::as_text).unwrap_or_default();
        let (kind, api_version) = (text("kind"), text("apiVersion"));
        if !is_resource_list(kind, api_version) {
            let found = if kind.is_empty() { "no kind".to_owned() } else { format!("{api_version} {kind}") };
            let message = format!(
                "found {found}; expected a ResourceList ({FUNCTION_GROUP}/v1): for plain manifests use prelit inject"
            );
            return Err(failure(range.start, message));
        }
        if !VERSIONS.iter().any(|version| api_version.ends_with(&format!("/{version}"))) {
            let message =
                format!("found version {api_version}; expected {FUNCTION_GROUP}/v1 or {FUNCTION_GROUP}/v1beta1");
            return Err(failure(at(&Path::keys(&["apiVersion"])), message));
        }
        let items = items(&lines, range.start, &tree, &value).map_err(|(offset, message)| failure(offset, message))?;
        let results = Path::keys(&[RESULTS]);
        let earlier = match value.get(RESULTS) {
            None => Vec::new(),
            Some(Value::List(earlier)) => earlier.iter().map(|result| result.clone().into_owned()).collect(),
            Some(earlier) if earlier.is_null() => Vec::new(),
            Some(_) => return Err(failure(at(&results), "results: expected a list".to_owned())),
        };
        let function_config = function_config(value.get(FUNCTION_CONFIG))
            .map_err(|message| failure(at(&Path::keys(&[FUNCTION_CONFIG])), message))?;
        let config_node = tree.locate(Path::keys(&[FUNCTION_CONFIG]).steps());
        let function_config_extent = config_node.map(|id| Extent::of(&lines, range.start, tree.node(id)));
        Ok(ResourceList { name, bytes, range, items, function_config, function_config_extent, results: earlier })
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// What the function was given.
    pub fn function_config(&self) -> &FunctionConfig {
        &self.function_config
    }

    /// A problem with a setting of the function's configuration, at its place.
    pub fn setting_failure(&self, problem: &SettingProblem) -> Failure {
        let lines = Lines::new(self.name, self.bytes);
        let message = format!("{FUNCTION_CONFIG}: {problem}");
        let place = Tree::parse(self.text()).ok().and_then(|tree| {
            let value = tree.value().ok()?;
            let config = value.get(FUNCTION_CONFIG)?;
            let path = Path::keys(&[FUNCTION_CONFIG]).join(&settings::place(config, &problem.name));
            let node = tree.node(tree.locate(path.steps())?);
            let single = value.at(&path)?.as_scalar().is_some();
            Some((self.range.start + node.start..self.range.start + node.end, single))
        });
        match place {
            Some((value, true)) if problem.shown => Failure::of_value(&lines, value, message),
            Some((value, _)) => Failure::at(&lines, value.start, message),
            None => self.failure(0, message),
        }
    }

    /// The list as a source: nothing in it is left alone that cannot be parsed.
    pub(super) fn source(&self) -> Source<'s> {
        Source { name: self.name, bytes: self.bytes, lenient: false, left_alone: None }
    }

    /// The text of the list.
    pub(super) fn text(&self) -> &'s str {
        // It was read as text before there was a list.
        std::str::from_utf8(&self.bytes[self.range.clone()]).unwrap_or_default()
    }

    /// What earlier functions found.
    pub(super) fn earlier_results(&self) -> &[Value<'static>] {
        &self.results
    }

    /// Splices of the bytes as splices of the list's text.
    pub(super) fn in_text(&self, splices: Vec<Splice>) -> Edited {
        let start = self.range.start;
        let moved = |splice: Splice| Splice { range: splice.range.start - start..splice.range.end - start, ..splice };
        Edited { splices: splices.into_iter().map(moved).collect(), ..Edited::default() }
    }

    /// Splices of the list's text as splices of the bytes.
    pub(super) fn in_bytes(&self, splices: Vec<Splice>) -> Vec<Splice> {
        let start = self.range.start;
        let moved = |splice: Splice| Splice { range: splice.range.start + start..splice.range.end + start, ..splice };
        splices.into_iter().map(moved).collect()
    }

    /// A failure that no item is to blame for.
    pub(super) fn failure(&self, offset: usize, message: String) -> Failure {
        let position = Lines::new(self.name, self.bytes).position(self.range.start + offset);
        Failure { position: Some(position), message, source_line: None }
    }

    /// The item that holds a position.
    pub(super) fn item_at(&self, position: &Position) -> Option<&Item> {
        let place = (position.line, position.column);
        let after = self.items.partition_point(|item| item.extent.start <= place);
        self.items[..after].last().filter(|item| item.extent.holds(position))
    }

    /// Failures with the items, and the files, that they speak of.
    pub(super) fn name_items(&self, mut failures: Failures) -> Failures {
        for failure in &mut failures.0 {
            let Some(position) = failure.position.as_ref().filter(|position| position.file == self.name) else {
                continue;
            };
            let is_config = self.function_config_extent.is_some_and(|extent| extent.holds(position));
            let part = self.item_at(position).map(Item::shown);
            if let Some(part) = part.or(is_config.then(|| FUNCTION_CONFIG.to_owned())) {
                failure.message = format!("{part}: {}", failure.message);
            }
        }
        failures
    }

    /// Items that are another one once more: an orchestrator keeps one of them, or refuses the list.
    pub(super) fn duplicates(&self) -> impl Iterator<Item = Remark> {
        let mut seen = HashSet::new();
        let again = self.items.iter().filter(move |item| {
            let ObjectReference { api_version, kind, name, namespace } = &item.object;
            let is_named = !kind.is_empty() && !name.is_empty() && !name.ends_with('*');
            is_named && !seen.insert((group_of(api_version), kind, name, namespace, &item.file))
        });
        again.map(|item| Remark {
            position: Position { file: self.name.to_owned(), line: item.extent.start.0, column: item.extent.start.1 },
            object: Some(item.object.clone()),
            field: String::new(),
            reason: Reason::DuplicateItem,
            detail: String::new(),
        })
    }
}

impl Item {
    /// `item 3 (apps/chat.yaml)`
    fn shown(&self) -> String {
        let number = self.place + 1;
        self.file.as_ref().map_or_else(|| format!("item {number}"), |file| format!("item {number} ({})", file.path))
    }
}

/// Looks at the form of all items.
fn items(lines: &Lines<'_>, start: usize, tree: &Tree<'_>, value: &Value<'_>) -> Result<Vec<Item>, (usize, String)> {
    let path = Path::keys(&[ITEMS]);
    let values = match value.get(ITEMS) {
        Some(Value::List(values)) => values.as_slice(),
        Some(items) if items.is_null() => &[],
        Some(_) => return Err((start + offset_of(tree, &path), "items: expected a list".to_owned())),
        None => return Err((start, "items are missing; expected a list, which may be empty".to_owned())),
    };
    let Some(list) = tree.locate(path.steps()).map(|id| tree.follow(id)) else { return Ok(Vec::new()) };
    if !matches!(tree.node(list).kind, NodeKind::Sequence { .. }) {
        return Ok(Vec::new());
    }
    let mut items: Vec<Item> = Vec::with_capacity(values.len());
    for (index, (node, value)) in tree.children(list).zip(values).enumerate() {
        if value.as_map().is_none() {
            let message =
                format!("item {}: found no map; expected an object with apiVersion, kind and metadata", index + 1);
            return Err((start + tree.node(node).start, message));
        }
        items.push(Item {
            place: index,
            extent: Extent::of(lines, start, tree.node(node)),
            object: Object::read(value).map(|object| ObjectReference::from(&object)).unwrap_or_default(),
            file: file_of(value),
        });
    }
    Ok(items)
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

/// What a list brings for the function.
fn function_config(value: Option<&Value<'_>>) -> Result<FunctionConfig, String> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(FunctionConfig::None) };
    let expected = format!(
        "expected an {} ({}/{}), a ConfigMap with settings, or none",
        names::KIND,
        names::GROUP,
        names::VERSION
    );
    let Some(object) = Object::read(value) else {
        return Err(format!("{FUNCTION_CONFIG}: found no kind; {expected}"));
    };
    match (object.kind, object.api_version) {
        _ if object.is_configuration() => Ok(FunctionConfig::Resource),
        ("ConfigMap", "v1") => Ok(FunctionConfig::Settings(settings::pairs(value))),
        (kind, version) => Err(format!("{FUNCTION_CONFIG}: found {version} {kind}; {expected}")),
    }
}

/// The offset of what stands at a path.
fn offset_of(tree: &Tree<'_>, path: &Path) -> usize {
    tree.locate(path.steps()).map_or(0, |id| tree.node(id).start)
}

/// The item around an offset of a text that is no YAML, as far as lines tell: the file that its annotation names.
/// Orchestrators begin every item at a line of its own, with a dash.
fn item_around(text: &str, offset: usize) -> Option<String> {
    let items = text.find("\nitems:")? + 1;
    let dash = |line: &&str| line.trim_start().starts_with("- ");
    let lines = text[items..].lines().skip(1);
    let indent = lines.clone().find(dash).map(|line| line.len() - line.trim_start().len())?;
    let is_item = |line: &str| {
        line.len() > indent
            && line.is_char_boundary(indent)
            && line[indent..].starts_with("- ")
            && line[..indent].trim().is_empty()
    };
    let (mut number, mut file, mut at) = (0, None, items);
    for line in text[items..].split_inclusive('\n') {
        if is_item(line) {
            if at > offset {
                break;
            }
            (number, file) = (number + 1, None);
        }
        if let Some((key, value)) = line.trim().split_once(": ")
            && key.trim_matches(['\'', '"']).ends_with("config.kubernetes.io/path")
        {
            file = Some(value.trim_matches(['\'', '"']));
        }
        at += line.len();
    }
    match (number, file) {
        (0, _) => None,
        (_, None) => Some(format!("item {number}")),
        (_, Some(file)) => Some(format!("item {number} ({file})")),
    }
}
