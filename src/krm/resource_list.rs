//! What an orchestrator sends, and what is asked of it while its items are instrumented.

use super::form::{Form, Frame, FunctionConfig, Misread, only_document};
use super::item::{Extent, Item};
use crate::api::Reason;
use crate::api::settings::{self, SettingProblem};
use crate::manifest::Object;
use crate::manifest::kinds::group_of;
use crate::manifest::workload::FUNCTION_CONFIG;
use crate::render::lines::Lines;
use crate::render::report::{ObjectReference, Position, Remark};
use crate::render::{Failure, Failures, Source};
use crate::value::{Path, Value};
use crate::yaml::Tree;
use std::collections::HashSet;
use std::ops::Range;

/// A list as it was sent.
#[derive(Debug)]
pub struct ResourceList<'s> {
    name: &'s str,
    bytes: &'s [u8],
    /// Where the list stands in the bytes: without a byte order mark or document markers.
    range: Range<usize>,
    frame: Frame,
    items: Vec<Item>,
    function_config: FunctionConfig,
    function_config_extent: Option<Extent>,
    results: Vec<Value<'static>>,
}

impl<'s> ResourceList<'s> {
    /// Reads a list and looks at its form. What stands in the items is looked at when they are rendered.
    ///
    /// # Errors
    /// When it is no list, or not all of one.
    pub fn read(name: &'s str, bytes: &'s [u8]) -> Result<Self, Failures> {
        let lines = Lines::new(name, bytes);
        let failure = |(offset, message): Misread| Failures(vec![Failure::at(&lines, offset, message)]);
        let range = only_document(bytes).map_err(failure)?;
        let text = std::str::from_utf8(&bytes[range.clone()]).map_err(|error| {
            failure((range.start + error.valid_up_to(), "the text is not UTF-8; expected UTF-8".to_owned()))
        })?;
        let form = Form::read(text).map_err(|(offset, message)| failure((range.start + offset, message)))?;
        let extent = |part: &Range<usize>| Extent::of(&lines, &(range.start + part.start..range.start + part.end));
        let items = form.items.into_iter().map(|(part, content)| Item { extent: extent(&part), content }).collect();
        let function_config_extent = form.function_config_range.as_ref().map(extent);
        let Form { frame, function_config, results, .. } = form;
        Ok(ResourceList { name, bytes, range, frame, items, function_config, function_config_extent, results })
    }

    /// How many items there are.
    pub fn item_count(&self) -> usize {
        self.items.len()
    }

    /// What the function was given.
    pub fn function_config(&self) -> &FunctionConfig {
        &self.function_config
    }

    /// Problems with settings of the function's configuration, each at its place.
    pub fn setting_failures(&self, problems: &[SettingProblem]) -> Vec<Failure> {
        let lines = Lines::new(self.name, self.bytes);
        // Read once, since there may be thousands of problems.
        let frame = self.frame();
        let tree = Tree::parse(&frame).ok().filter(|_| !problems.is_empty());
        let value = tree.as_ref().and_then(|tree| tree.value().ok());
        let place = |name: &str| {
            let (tree, value) = tree.as_ref().zip(value.as_ref())?;
            let path = Path::keys(&[FUNCTION_CONFIG]).join(&settings::place(value.get(FUNCTION_CONFIG)?, name));
            let node = tree.node(tree.locate(path.steps())?);
            let single = value.at(&path)?.as_scalar().is_some();
            Some((self.in_bytes(node.start)..self.in_bytes(node.end), single))
        };
        let config = value.as_ref().and_then(|value| Object::read(value.get(FUNCTION_CONFIG)?));
        let owner = config.map(|object| format!("{}: ", ObjectReference::from(&object))).unwrap_or_default();
        let failure = |problem: &SettingProblem| {
            let message = format!("{FUNCTION_CONFIG}: {owner}{problem}");
            match place(&problem.name) {
                Some(part) => Failure::of_part(&lines, part, problem.shown, message),
                None => self.failure(message),
            }
        };
        problems.iter().map(failure).collect()
    }

    /// The list as a source: nothing in it is left alone that cannot be parsed.
    pub(super) fn source(&self) -> Source<'s> {
        Source { name: self.name, bytes: self.bytes, lenient: false, left_alone: None }
    }

    /// The text of what stands around the items.
    pub(super) fn frame(&self) -> std::borrow::Cow<'s, str> {
        self.frame.text(self.text())
    }

    /// An offset of the frame as one of the bytes.
    pub(super) fn in_bytes(&self, offset: usize) -> usize {
        self.range.start + self.frame.outside(offset)
    }

    /// Whether the list ends without a line end.
    pub(super) fn is_open_ended(&self) -> bool {
        !self.text().ends_with('\n')
    }

    /// Where the list ends.
    pub(super) fn end(&self) -> usize {
        self.range.end
    }

    fn text(&self) -> &'s str {
        // It was read as text before there was a list.
        std::str::from_utf8(&self.bytes[self.range.clone()]).unwrap_or_default()
    }

    /// Whether results of information are read by somebody: kustomize throws all results away, after it has
    /// parsed them, which takes it longer than the function takes.
    pub(super) fn wants_information(&self) -> bool {
        !self.items.iter().any(|item| item.content.by_kustomize)
    }

    /// What earlier functions found.
    pub(super) fn earlier_results(&self) -> &[Value<'static>] {
        &self.results
    }

    /// A failure that no item is to blame for.
    pub(super) fn failure(&self, message: String) -> Failure {
        Failure::without_line(&Lines::new(self.name, self.bytes), self.range.start, message)
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
            let part = self.item_at(position).map(|item| item.content.shown());
            if let Some(part) = part.or(is_config.then(|| FUNCTION_CONFIG.to_owned())) {
                failure.message = format!("{part}: {}", failure.message);
            }
        }
        failures
    }

    /// Items that are another one of their file once more: an orchestrator refuses the list, or keeps both. The same
    /// name in two files is a package's own business.
    pub(super) fn duplicates(&self) -> impl Iterator<Item = Remark> {
        let mut seen = HashSet::new();
        let again = self.items.iter().filter(move |item| {
            let ObjectReference { api_version, kind, name, namespace } = &item.content.object;
            let is_named = !kind.is_empty() && !name.is_empty() && !name.ends_with('*');
            let file = item.content.file.as_ref().map(|file| &file.path);
            is_named && !seen.insert((group_of(api_version), kind, name, namespace, file))
        });
        again.map(|item| Remark {
            position: Position { file: self.name.to_owned(), line: item.extent.start.0, column: item.extent.start.1 },
            object: Some(item.content.object.clone()),
            field: String::new(),
            reason: Reason::DuplicateItem,
            detail: String::new(),
        })
    }
}
