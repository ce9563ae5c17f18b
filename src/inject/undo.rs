//! Taking our part of a template out again: the edits, and what is found of it.
//!
//! Everything is found by name, wherever it stands by now, and the user's part stays as it is now.
//! Lists and maps that have nothing left go as a whole; an explicitly empty one of the user's may so
//! come back absent, which means the same.

use super::digest::{Added, AddedToContainer};
use super::environment::{ByName, name_of};
use super::record::{ContainerRecord, Record};
use super::volumes::same_path;
use crate::api::names;
use crate::manifest::{Container, PodTemplate};
use crate::value::{Edit, Path, Value};

/// The edits that take our part out of a template. What is not there any more, or not as it was
/// written, is passed over: whether that matters is for the caller to ask first ([`super::state::examine`]).
pub fn undo(template: &PodTemplate<'_>, record: &Record) -> Vec<Edit> {
    let mut edits = Vec::with_capacity(8);
    for (container, of_container) in instrumented(template, record) {
        undo_environment(container, of_container, &mut edits);
        let at = container.at.key("volumeMounts");
        take_out(items(container.value.get("volumeMounts")), &at, |mount| is_our_mount(mount, record), &mut edits);
    }
    take_out(
        items(template.field("volumes")),
        &template.spec.key("volumes"),
        |volume| is_our_volume(volume, record),
        &mut edits,
    );
    take_out(
        items(template.field("initContainers")),
        &template.spec.key("initContainers"),
        |container| name_of(container) == Some(names::INIT_CONTAINER),
        &mut edits,
    );
    undo_annotations(template, record, &mut edits);
    edits
}

/// The instrumented containers that are still there, with their records.
fn instrumented<'t, 'v>(
    template: &'t PodTemplate<'v>,
    record: &'t Record,
) -> impl Iterator<Item = (&'t Container<'v>, &'t ContainerRecord)> {
    template
        .containers
        .iter()
        .filter_map(|container| Some((container, record.containers.get(container.name.as_ref())?)))
}

fn items<'v>(list: Option<&'v Value<'v>>) -> &'v [Value<'v>] {
    list.and_then(Value::as_list).unwrap_or_default()
}

fn text_of<'v>(item: &'v Value<'_>, field: &str) -> &'v str {
    item.get(field).and_then(Value::as_text).unwrap_or_default()
}

fn is_our_mount(mount: &Value<'_>, record: &Record) -> bool {
    let path = text_of(mount, "mountPath");
    (text_of(mount, "name") == names::VOLUME && same_path(path, names::MOUNT_PATH))
        || record.mounts.iter().any(|ours| ours == path)
}

fn is_our_volume(volume: &Value<'_>, record: &Record) -> bool {
    name_of(volume).is_some_and(|name| name == names::VOLUME || record.volumes.iter().any(|ours| ours == name))
}

/// Deletes items, or the list where nothing is left of it.
fn take_out(items: &[Value<'_>], list: &Path, is_ours: impl Fn(&Value<'_>) -> bool, edits: &mut Vec<Edit>) {
    let ours: Vec<usize> = (0..items.len()).filter(|index| is_ours(&items[*index])).collect();
    delete(&ours, items.len(), list, edits);
}

fn delete(indexes: &[usize], length: usize, list: &Path, edits: &mut Vec<Edit>) {
    if indexes.is_empty() {
        return;
    }
    if indexes.len() == length {
        edits.push(Edit::Delete { at: list.clone() });
    } else {
        edits.extend(indexes.iter().map(|index| Edit::Delete { at: list.index(*index) }));
    }
}

/// The name under which a user's entry goes on.
fn original(name: &str) -> String {
    format!("{}{name}", names::ORIGINAL_PREFIX)
}

fn undo_environment(container: &Container<'_>, record: &ContainerRecord, edits: &mut Vec<Edit>) {
    let entries = ByName::new(items(container.value.get("env")));
    let list = container.at.key("env");
    let mut ours: Vec<usize> = record.variables().filter_map(|name| entries.position(name)).collect();
    ours.sort_unstable();
    ours.dedup();
    delete(&ours, entries.items.len(), &list, edits);
    if ours.len() == entries.items.len() {
        return;
    }
    let theirs = |index: &usize| ours.binary_search(index).is_err();
    for (name, bytes) in &record.merged {
        let Some(index) = entries.position(name).filter(theirs) else { continue };
        if begins_with_ours(name, text_of(&entries.items[index], "value"), *bytes) {
            edits.push(Edit::Cut { scalar: list.index(index).key("value"), bytes: *bytes });
        }
    }
    for name in &record.filled {
        if let Some(index) = entries.position(name).filter(theirs)
            && !record.merged.contains_key(name)
            && entries.items[index].get("value").is_some()
        {
            edits.push(Edit::Delete { at: list.index(index).key("value") });
        }
    }
    for name in &record.renamed {
        if let Some(index) = entries.position(&original(name)).filter(theirs) {
            edits.push(Edit::Cut { scalar: list.index(index).key("name"), bytes: names::ORIGINAL_PREFIX.len() });
        }
    }
}

/// Whether a merged text still begins with our part, as far as can be told: a text that somebody has
/// written anew keeps what it says.
fn begins_with_ours(name: &str, text: &str, bytes: usize) -> bool {
    let Some((ours, theirs)) = text.split_at_checked(bytes) else { return false };
    match name {
        names::ENV_PYTHONPATH => ours.strip_suffix(':').unwrap_or(ours) == names::MOUNT_PATH,
        names::ANNOTATION_SAFE_TO_EVICT => ours.strip_suffix(',').unwrap_or(ours) == names::VOLUME,
        _ => !ours.is_empty() && (ours.ends_with(',') || theirs.trim().is_empty()),
    }
}

fn undo_annotations(template: &PodTemplate<'_>, record: &Record, edits: &mut Vec<Edit>) {
    let Some(annotations) = template.object.at(&template.annotations).and_then(Value::as_map) else { return };
    let key = names::ANNOTATION_SAFE_TO_EVICT;
    let evict = annotations.get(key);
    let mut ours = Vec::with_capacity(2);
    match (record.safe_to_evict, evict) {
        (None, Some(_)) => ours.push(key),
        (Some(bytes), Some(value)) if begins_with_ours(key, value.as_text().unwrap_or_default(), bytes) => {
            edits.push(Edit::Cut { scalar: template.annotations.key(key), bytes });
        }
        _ => {}
    }
    if annotations.get(names::ANNOTATION_INJECTION).is_some() {
        ours.push(names::ANNOTATION_INJECTION);
    }
    if ours.is_empty() {
        return;
    }
    if ours.len() < annotations.len() {
        edits.extend(ours.iter().map(|key| Edit::Delete { at: template.annotations.key(*key) }));
        return;
    }
    // Nothing is left: the map goes, and above it, within the template, what holds nothing else.
    let mut at = template.annotations.clone();
    while let Some((parent, _)) = at.split_last() {
        let holds_more = template.object.at(&parent).and_then(Value::as_map).is_none_or(|map| map.len() > 1);
        if holds_more || parent.steps().len() <= template.at.steps().len() {
            break;
        }
        at = parent;
    }
    edits.push(Edit::Delete { at });
}

/// The digest of what is there of our part now; none where something is missing.
pub(super) fn digest_now(template: &PodTemplate<'_>, record: &Record) -> Option<String> {
    let mut added = Added::default();
    for (container, of_container) in instrumented(template, record) {
        let entries = ByName::new(items(container.value.get("env")));
        let mut part = AddedToContainer::default();
        for name in of_container.variables() {
            part.env.push(entries.get(name)?);
        }
        for (name, bytes) in &of_container.merged {
            part.merged.push((name, text_of(entries.get(name)?, "value").get(..*bytes)?));
        }
        for name in &of_container.filled {
            part.merged.push((name, text_of(entries.get(name)?, "value")));
        }
        for name in &of_container.renamed {
            entries.position(&original(name))?;
        }
        let mounts = items(container.value.get("volumeMounts"));
        part.mounts.extend(mounts.iter().filter(|mount| is_our_mount(mount, record)));
        added.containers.push((container.name.as_ref(), part));
    }
    if added.containers.len() != record.containers.len() {
        return None;
    }
    added.volumes.extend(items(template.field("volumes")).iter().filter(|volume| is_our_volume(volume, record)));
    let init = items(template.field("initContainers"));
    added.init = init.iter().find(|container| name_of(container) == Some(names::INIT_CONTAINER));
    let annotations = template.object.at(&template.annotations);
    let evict = annotations.and_then(|map| map.get(names::ANNOTATION_SAFE_TO_EVICT)).and_then(Value::as_text);
    added.safe_to_evict = match record.safe_to_evict {
        None => evict?,
        Some(0) => "",
        Some(bytes) => evict?.get(..bytes)?,
    };
    added.digest(record)
}
