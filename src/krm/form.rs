//! The form of a list: its head, its items, the function's configuration and the results of others. Every part that
//! is not as the protocol says is an error here; what the items hold is not looked at.

use super::item::{self, Content};
use super::{ITEMS, RESULTS};
use crate::api::names;
use crate::api::settings::{self, Given};
use crate::manifest::Object;
use crate::manifest::workload::{FUNCTION_CONFIG, FUNCTION_GROUP, is_resource_list};
use crate::value::{Path, Value};
use crate::yaml::block_list::{BlockList, is_one_item};
use crate::yaml::documents;
use crate::yaml::tree::{NodeKind, Tree};
use rayon::prelude::*;
use std::borrow::Cow;
use std::ops::Range;

/// The versions of the protocol; they do not differ in what is read here.
const VERSIONS: [&str; 2] = ["v1", "v1beta1"];

/// Every item with where it stands.
type Items = Vec<(Range<usize>, Content)>;

/// What is wrong, and at which offset.
pub(super) type Misread = (usize, String);

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

/// A list, read. Ranges are of its text.
#[derive(Debug)]
pub(super) struct Form {
    pub frame: Frame,
    pub items: Items,
    pub function_config: FunctionConfig,
    pub function_config_range: Option<Range<usize>>,
    pub results: Vec<Value<'static>>,
}

/// What stands around the items; all of the list where they could not be told apart.
#[derive(Debug)]
pub(super) struct Frame {
    list: Option<BlockList>,
}

impl Frame {
    /// Its text.
    pub fn text<'t>(&self, whole: &'t str) -> Cow<'t, str> {
        self.list.as_ref().map_or(Cow::Borrowed(whole), |list| Cow::Owned(list.frame(whole)))
    }

    /// An offset of that as one of the list's text.
    pub fn outside(&self, offset: usize) -> usize {
        self.list.as_ref().map_or(offset, |list| list.outside(offset))
    }
}

/// Where the only document of a stream stands.
///
/// # Errors
/// When there is none, or another.
pub(super) fn only_document(bytes: &[u8]) -> Result<Range<usize>, Misread> {
    let has_content = |range: &Range<usize>| {
        bytes[range.clone()]
            .split(|byte| matches!(byte, b'\n' | b'\r'))
            .any(|line| !matches!(line.trim_ascii_start().first(), None | Some(b'#' | b'%')))
    };
    let mut found = documents(bytes).map(|document| document.text).filter(has_content);
    let first = found.next().ok_or((0, format!("found nothing; expected a ResourceList ({FUNCTION_GROUP}/v1)")))?;
    match found.next() {
        None => Ok(first),
        Some(second) => Err((second.start, "a second document begins here; expected one ResourceList".to_owned())),
    }
}

impl Form {
    /// Reads a list: item by item where lines tell them apart, so that it costs the memory of one.
    ///
    /// # Errors
    /// What is wrong first.
    pub fn read(text: &str) -> Result<Form, Misread> {
        if let Some(list) = BlockList::of(text, ITEMS)
            && let Some(items) = items_apart(text, &list)
        {
            let frame = Frame { list: Some(list) };
            let frame_text = frame.text(text);
            let tree = parse(&frame_text)?;
            let value = value_of(&tree)?;
            check_head(&tree, &value)?;
            return Form::around(frame, &tree, &value, items?);
        }
        let tree = Tree::parse(text).map_err(|error| {
            let item = item::around(text, error.offset).map(|item| format!("{item}: ")).unwrap_or_default();
            (error.offset, format!("{item}{}", error.message))
        })?;
        let value = value_of(&tree)?;
        check_head(&tree, &value)?;
        let items = items_within(&tree, &value)?;
        Form::around(Frame { list: None }, &tree, &value, items)
    }

    fn around(frame: Frame, tree: &Tree<'_>, value: &Value<'_>, items: Items) -> Result<Form, Misread> {
        let range = |key: &'static str| {
            let node = tree.node(tree.locate(Path::keys(&[key]).steps())?);
            Some(frame.outside(node.start)..frame.outside(node.end))
        };
        let start = |key| range(key).map_or(0, |range| range.start);
        let results = match value.get(RESULTS) {
            Some(Value::List(results)) => results.iter().map(|result| result.clone().into_owned()).collect(),
            Some(results) if !results.is_null() => return Err((start(RESULTS), "results: expected a list".to_owned())),
            _ => Vec::new(),
        };
        let function_config =
            function_config(value.get(FUNCTION_CONFIG)).map_err(|message| (start(FUNCTION_CONFIG), message))?;
        let function_config_range = range(FUNCTION_CONFIG);
        Ok(Form { frame, items, function_config, function_config_range, results })
    }
}

fn parse(text: &str) -> Result<Tree<'_>, Misread> {
    Tree::parse(text).map_err(|error| (error.offset, error.message))
}

fn value_of<'t>(tree: &'t Tree<'_>) -> Result<Value<'t>, Misread> {
    tree.value().map_err(|error| (error.offset, error.message))
}

/// Looks at kind and version.
fn check_head(tree: &Tree<'_>, value: &Value<'_>) -> Result<(), Misread> {
    let text = |key: &str| value.get(key).and_then(Value::as_text).unwrap_or_default();
    let (kind, api_version) = (text("kind"), text("apiVersion"));
    if !is_resource_list(kind, api_version) {
        let found = if kind.is_empty() { "no kind".to_owned() } else { format!("{api_version} {kind}") };
        return Err((
            0,
            format!(
                "found {found}; expected a ResourceList ({FUNCTION_GROUP}/v1): for plain manifests use prelit inject"
            ),
        ));
    }
    if !VERSIONS.iter().any(|version| api_version == format!("{FUNCTION_GROUP}/{version}")) {
        let node = tree.locate(Path::keys(&["apiVersion"]).steps());
        return Err((
            node.map_or(0, |id| tree.node(id).start),
            format!("found version {api_version}; expected {FUNCTION_GROUP}/v1 or {FUNCTION_GROUP}/v1beta1"),
        ));
    }
    Ok(())
}

/// The items, each read by itself; none where one of them is no YAML, or not one item.
fn items_apart(text: &str, list: &BlockList) -> Option<Result<Items, Misread>> {
    let read = |(place, range): (usize, &Range<usize>)| {
        let tree = Tree::parse(&text[range.clone()]).ok().filter(is_one_item)?;
        let value = tree.value().ok()?;
        let node = tree.node(tree.children(tree.root()?).next()?);
        let extent = range.start + node.start..range.start + node.end;
        let content = Content::read(place, value.as_list()?.first()?);
        Some(content.map(|content| (extent.clone(), content)).map_err(|message| (extent.start, message)))
    };
    let items: Option<Vec<Result<_, Misread>>> = list.items.par_iter().enumerate().map(read).collect();
    Some(items?.into_iter().collect())
}

/// The items of a list that is read as a whole.
fn items_within(tree: &Tree<'_>, value: &Value<'_>) -> Result<Items, Misread> {
    let node = tree.locate(Path::keys(&[ITEMS]).steps()).map(|id| tree.follow(id));
    let start = node.map_or(0, |id| tree.node(id).start);
    let values = match value.get(ITEMS) {
        Some(Value::List(values)) => values.as_slice(),
        Some(items) if items.is_null() => &[],
        Some(_) => return Err((start, "items: expected a list".to_owned())),
        None => return Err((0, "items are missing; expected a list, which may be empty".to_owned())),
    };
    let Some(list) = node.filter(|id| matches!(tree.node(*id).kind, NodeKind::Sequence { .. })) else {
        return Ok(Vec::new());
    };
    let read = |(place, (id, value))| {
        let node = tree.node(id);
        let content = Content::read(place, value).map_err(|message| (node.start, message))?;
        Ok((node.start..node.end, content))
    };
    tree.children(list).zip(values).enumerate().map(read).collect()
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
