//! The state of an earlier injection: what the annotation says, whether somebody changed what was
//! added, and whether the configuration still gives the same. Decides nothing about what to do then.

use super::plan::Plan;
use super::record::Record;
use super::undo::{digest_now, undo};
use crate::api::{Finding, Reason, names};
use crate::manifest::PodTemplate;
use crate::value::{EditError, Value, edit};

/// What the annotation of a template says.
#[derive(Debug, Clone, PartialEq)]
pub enum Injection {
    /// There is none.
    None,
    /// It cannot be read; why.
    Unreadable(Finding),
    /// The record of an injection.
    Found(Record),
}

/// Reads the annotation of a template; only the template's own, since that is where we write.
pub fn read(template: &PodTemplate<'_>) -> Injection {
    let annotations = template.object.at(&template.annotations);
    let Some(value) = annotations.and_then(|map| map.get(names::ANNOTATION_INJECTION)) else { return Injection::None };
    let at = template.annotations.key(names::ANNOTATION_INJECTION);
    match value.as_text() {
        None => Injection::Unreadable(Finding::new(Reason::UnreadableRecord, at).with("it is not text")),
        Some(text) => match Record::read(text, &at) {
            Ok(record) => Injection::Found(record),
            Err(finding) => Injection::Unreadable(finding),
        },
    }
}

/// Whether what was added is still what was added: nothing, or [`Reason::Edited`].
pub fn examine(template: &PodTemplate<'_>, record: &Record) -> Option<Finding> {
    match digest_now(template, record) {
        Some(digest) if digest == record.added => None,
        found => {
            let finding = Finding::new(Reason::Edited, template.annotations.key(names::ANNOTATION_INJECTION));
            Some(if found.is_none() { finding.with("a part of it is missing") } else { finding })
        }
    }
}

/// The object without our part of one template.
///
/// # Errors
/// When the edits do not fit, which a template as Kubernetes takes it never does.
pub fn strip<'v>(template: &PodTemplate<'v>, record: &Record) -> Result<Value<'v>, EditError> {
    edit::apply(template.object.clone(), &undo(template, record))
}

/// Where an injection stands.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// Somebody changed what was added.
    Edited(Finding),
    /// Injecting again gives the same.
    Current,
    /// Injecting again gives something else: the plan for the stripped object.
    Stale(Box<Plan>),
    /// Injecting again is not in order any more, for this reason.
    Refused(Finding),
}

/// Compares an injection with what injecting again gives.
///
/// | what was added | injecting again | state |
/// |---|---|---|
/// | changed | – | edited |
/// | as it was | gives a reason | refused |
/// | as it was | gives the same record | current |
/// | as it was | gives another record | stale |
///
/// `again` gets the object without our part, and answers for the same template of it. The records tell:
/// each has the digests of its configuration and of what it adds, and which parts are the user's. So
/// positions in lists do not count, nor do fields that others add to our items.
pub fn compare<'v>(
    template: &PodTemplate<'v>,
    record: &Record,
    again: impl FnOnce(&Value<'v>) -> Result<Plan, Finding>,
) -> State {
    if let Some(finding) = examine(template, record) {
        return State::Edited(finding);
    }
    let stripped = match strip(template, record) {
        Ok(stripped) => stripped,
        Err(error) => {
            return State::Edited(Finding::new(Reason::Edited, error.at).with(error.problem));
        }
    };
    match again(&stripped) {
        Err(finding) => State::Refused(finding),
        Ok(plan) if plan.record == *record => State::Current,
        Ok(plan) => State::Stale(Box::new(plan)),
    }
}
