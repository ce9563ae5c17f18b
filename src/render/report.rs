//! What a run did and why, as data: one row a container, findings with positions, and counts. From
//! it every door makes one list of what is to be said, and what a gate fails on: the rule is here
//! and the same everywhere. A reason's weight is the reason's own; nothing is weighed here.

use crate::api::{Reason, Severity};
use crate::manifest::Object;
use memchr::memmem;
use std::collections::HashSet;
use std::fmt;

pub use crate::inject::configuration::InitImage;
pub use crate::inject::engine::State;

/// A position in a file; lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The file as it was named, or `<stdin>`.
    pub file: String,
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// An object as something is said of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ObjectReference {
    /// `apps/v1`, as it is written.
    pub api_version: String,
    /// `Deployment`, as it is written.
    pub kind: String,
    /// Its name; where the API server makes one up, the prefix that is written and `*`.
    pub name: String,
    /// Its namespace, where one is written.
    pub namespace: Option<String>,
}

/// `Deployment/chat`; `Workflow/train-*` where the API server makes up the name.
impl fmt::Display for ObjectReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

impl From<&Object<'_>> for ObjectReference {
    fn from(object: &Object<'_>) -> Self {
        let made_up = || format!("{}*", object.generate_name().unwrap_or_default());
        ObjectReference {
            api_version: object.api_version.to_owned(),
            kind: object.kind.to_owned(),
            name: object.name().map_or_else(made_up, str::to_owned),
            namespace: object.namespace().map(str::to_owned),
        }
    }
}

/// One container of one pod template.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Where the container stands; the template, where there is none.
    pub position: Position,
    /// The object that it is a part of.
    pub object: ObjectReference,
    /// The path of the pod template in the object, for kinds with several.
    pub template: String,
    /// The path of the container in the object: `spec.template.spec.containers[0]`; that of the template
    /// for a row that speaks of all of it.
    pub field: String,
    /// The container; empty for a row that speaks of the whole template.
    pub container: String,
    /// What selected it: the name of an `AutoInstrumentation`, or `label`.
    pub selected_by: Option<String>,
    /// The init image that this chooses.
    pub init_image: Option<InitImage>,
    /// What is so.
    pub state: State,
    /// Why, unless it was injected.
    pub reason: Option<Reason>,
    /// What is particular about the reason.
    pub detail: String,
}

/// A remark at a position: notes and warnings on what was injected, and findings about documents and files.
#[derive(Debug, Clone, PartialEq)]
pub struct Remark {
    /// Where.
    pub position: Position,
    /// The object; none for a whole file or document.
    pub object: Option<ObjectReference>,
    /// The path in the object: `spec.template.spec.containers[0]`; may be empty.
    pub field: String,
    /// Why.
    pub reason: Reason,
    /// What is particular.
    pub detail: String,
}

/// How many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Files read (one for a stream).
    pub files: usize,
    /// Files that are not Kubernetes manifests, or that are patches.
    pub files_left_alone: usize,
    /// Files that changed.
    pub files_changed: usize,
    /// Documents in them that hold more than comments.
    pub documents: usize,
    /// Pod templates that were looked at.
    pub templates: usize,
}

/// All that is to be said of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// One row a container, in the order of the input.
    pub rows: Vec<Row>,
    /// Remarks, in the order of the input.
    pub remarks: Vec<Remark>,
    /// How many.
    pub counts: Counts,
}

impl Remark {
    /// A remark on a whole file or document.
    pub fn on_source(position: Position, reason: Reason) -> Self {
        Remark { position, object: None, field: String::new(), reason, detail: String::new() }
    }
}

impl Row {
    /// Whether two rows speak of the same template.
    fn is_beside(&self, other: &Row) -> bool {
        self.position.file == other.position.file
            && self.object == other.object
            && self.template == other.template
            && self.container != other.container
    }

    /// Why a row is as it is.
    ///
    /// | state    | `check`                                   | done          |
    /// |----------|-------------------------------------------|---------------|
    /// | injected | not-injected                              | –             |
    /// | stale    | stale                                     | –             |
    /// | removed  | no-longer-selected                        | –             |
    /// | edited   | edited                                    | edited        |
    /// | current  | its own reason                            | its own       |
    /// | skipped  | its own reason                            | its own       |
    pub fn reason_for(&self, gate: Gate) -> Option<Reason> {
        let change = |reason| match gate {
            Gate::Check => Some(reason),
            Gate::Done => None,
        };
        match self.state {
            State::Injected => change(Reason::NotInjected),
            State::Stale => change(Reason::Stale),
            State::Removed => change(Reason::NoLongerSelected),
            State::Edited => Some(Reason::Edited),
            State::Current | State::Skipped => self.reason,
        }
    }
}

impl Report {
    /// Adds what is to be said of a further source.
    pub fn append(&mut self, other: Report) {
        let Counts { files, files_left_alone, files_changed, documents, templates } = other.counts;
        self.counts.files += files;
        self.counts.files_left_alone += files_left_alone;
        self.counts.files_changed += files_changed;
        self.counts.documents += documents;
        self.counts.templates += templates;
        self.rows.extend(other.rows);
        self.remarks.extend(other.remarks);
    }

    /// Everything that has a reason, by file and position. What holds for a whole template is said once
    /// and not for each of its containers, nor where a remark says it already.
    pub fn items(&self, gate: Gate) -> Vec<Item<'_>> {
        let mut remarks: Vec<Item> = Vec::with_capacity(self.remarks.len());
        for remark in &self.remarks {
            let item = Item {
                position: &remark.position,
                object: remark.object.as_ref(),
                container: "",
                field: &remark.field,
                reason: remark.reason,
                detail: &remark.detail,
            };
            if remarks.last() != Some(&item) {
                remarks.push(item);
            }
        }
        let said: HashSet<_> = remarks.iter().map(Item::of_template).collect();
        let mut rows: Vec<Item> = Vec::new();
        let mut first: Option<(&Row, Reason)> = None;
        for row in &self.rows {
            let Some(reason) = row.reason_for(gate) else { continue };
            let item = Item {
                position: &row.position,
                object: Some(&row.object),
                container: &row.container,
                field: &row.field,
                reason,
                detail: &row.detail,
            };
            if !is_of_template(reason) {
                rows.push(item);
            } else if !said.contains(&item.of_template())
                && !first
                    .is_some_and(|(before, why)| why == reason && before.detail == row.detail && row.is_beside(before))
            {
                first = Some((row, reason));
                rows.push(Item { container: "", field: &row.template, ..item });
            }
        }
        rows.extend(remarks);
        rows.sort_by(|a, b| a.position.cmp(b.position));
        rows
    }

    /// Whether a source that this report speaks of is, or may be, a manifest: something is said of a
    /// workload in it, or it has what no Kubernetes object is without and a values file usually is.
    pub fn is_of_manifest(&self, bytes: &[u8]) -> bool {
        self.counts.files_changed > 0
            || !self.rows.is_empty()
            || memmem::find(bytes, b"apiVersion").is_some() && memmem::find(bytes, b"kind").is_some()
    }
}

/// What asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// `check`: what `inject` would change is a finding.
    Check,
    /// `inject` and `remove`: what they changed is done.
    Done,
}

/// One thing to be said.
#[derive(Debug, Clone, PartialEq)]
pub struct Item<'r> {
    /// Where.
    pub position: &'r Position,
    /// The object; none for a whole file or document.
    pub object: Option<&'r ObjectReference>,
    /// The container; may be empty.
    pub container: &'r str,
    /// The path in the object; may be empty.
    pub field: &'r str,
    /// Why.
    pub reason: Reason,
    /// What is particular.
    pub detail: &'r str,
}

impl Item<'_> {
    /// What two items have in common that say the same of one object.
    fn of_template(&self) -> (&str, Option<&ObjectReference>, Reason, &str) {
        (&self.position.file, self.object, self.reason, self.detail)
    }

    /// The object as a message begins with it: `Deployment/chat: `.
    pub fn subject(&self) -> String {
        self.object.map(|object| format!("{object}: ")).unwrap_or_default()
    }

    /// How much it weighs.
    pub fn severity(&self) -> Severity {
        self.reason.severity()
    }

    /// The sentence, with what is particular: without position, object and code.
    pub fn message(&self) -> String {
        let mut text = String::new();
        if !self.container.is_empty() {
            text.push_str("container ");
            text.push_str(self.container);
            text.push_str(": ");
        }
        text.push_str(self.reason.sentence());
        if !self.detail.is_empty() {
            text.push_str(" (");
            text.push_str(self.detail);
            text.push(')');
        }
        text
    }
}

/// How many of them weigh this much or more: what a gate fails on.
pub fn count(items: &[Item], severity: Severity) -> usize {
    items.iter().filter(|item| item.severity() >= severity).count()
}

/// Whether a reason holds for a pod template as a whole, and is given to each of its containers.
fn is_of_template(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::NotSelected
            | Reason::OptedOut
            | Reason::ConfigurationPassedOver
            | Reason::ConfigurationUnknown
            | Reason::NamespaceExcluded
            | Reason::KnativeFeatures
            | Reason::Sops
            | Reason::UnsupportedYaml
            | Reason::SharedAnchor
            | Reason::UnreadableRecord
            | Reason::Windows
            | Reason::InjectionDisabled
            | Reason::NameConflict
    )
}

/// The name of a state, everywhere.
pub fn state(state: State) -> &'static str {
    match state {
        State::Injected => "injected",
        State::Current => "current",
        State::Stale => "stale",
        State::Edited => "edited",
        State::Removed => "removed",
        State::Skipped => "skipped",
    }
}

/// The name of a weight, everywhere.
pub fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Info => "info",
        Severity::Strict | Severity::Warning => "warning",
        Severity::Finding => "finding",
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::inject::configuration::Packages;

    /// A report with one of everything, and text that every form of output must escape.
    pub fn sample() -> Report {
        let at = |file: &str, line, column| Position { file: file.to_owned(), line, column };
        let chat = ObjectReference {
            api_version: "apps/v1".to_owned(),
            kind: "Deployment".to_owned(),
            name: "chat".to_owned(),
            namespace: Some("ai".to_owned()),
        };
        let row = |line, container: &str, state, reason, detail: &str| Row {
            position: at("apps/a b.yaml", line, 9),
            object: chat.clone(),
            template: "spec.template".to_owned(),
            field: "spec.template.spec.containers[0]".to_owned(),
            container: container.to_owned(),
            selected_by: Some("label".to_owned()),
            init_image: Some(InitImage { reference: "i:1".to_owned(), packages: Packages::Published }),
            state,
            reason,
            detail: detail.to_owned(),
        };
        Report {
            rows: vec![
                row(20, "app", State::Injected, None, ""),
                row(24, "api", State::Current, None, ""),
                row(28, "old", State::Stale, None, "another configuration"),
                row(32, "mine", State::Edited, None, "PYTHONPATH"),
                row(36, "proxy", State::Skipped, Some(Reason::Sidecar), ""),
                row(40, "py", State::Skipped, Some(Reason::NameConflict), "100%, a: b\nc\x1b[0m"),
            ],
            remarks: vec![
                Remark {
                    position: at("apps/a b.yaml", 20, 9),
                    object: Some(chat.clone()),
                    field: "spec.template".to_owned(),
                    reason: Reason::LatestTag,
                    detail: String::new(),
                },
                Remark {
                    position: at("apps/a b.yaml", 4, 1),
                    object: Some(chat.clone()),
                    field: String::new(),
                    reason: Reason::KustomizeRenames,
                    detail: "namePrefix".to_owned(),
                },
                Remark {
                    position: at("<stdin>", 1, 1),
                    object: None,
                    field: String::new(),
                    reason: Reason::Unparsable,
                    detail: String::new(),
                },
            ],
            counts: Counts { files: 2, files_left_alone: 1, files_changed: 1, documents: 3, templates: 1 },
        }
    }

    #[test]
    fn a_check_finds_what_would_change_and_a_run_does_not() {
        let report = sample();
        let codes = |gate| -> Vec<&str> {
            let found = report.items(gate);
            found.iter().filter(|it| it.severity() == Severity::Finding).map(|it| it.reason.code()).collect()
        };
        assert_eq!(codes(Gate::Check), ["unparsable", "not-injected", "stale", "edited", "name-conflict"]);
        assert_eq!(codes(Gate::Done), ["unparsable", "edited", "name-conflict"]);
    }

    #[test]
    fn what_holds_for_a_template_is_said_once() {
        let mut report = sample();
        let row = |container: &str, template: &str, reason| Row {
            container: container.to_owned(),
            template: template.to_owned(),
            state: State::Skipped,
            reason: Some(reason),
            ..sample().rows[1].clone()
        };
        report.rows = vec![
            row("a", "x", Reason::OptedOut),
            row("b", "x", Reason::OptedOut),
            row("a", "y", Reason::OptedOut),
            row("b", "y", Reason::Sidecar),
            row("c", "y", Reason::Sidecar),
            row("a", "z", Reason::SharedAnchor),
            row("b", "z", Reason::SharedAnchor),
        ];
        report.remarks = vec![Remark { reason: Reason::SharedAnchor, ..report.remarks[1].clone() }; 2];
        for remark in &mut report.remarks {
            remark.detail.clear();
        }
        let said: Vec<(&str, &str)> =
            report.items(Gate::Check).iter().map(|item| (item.reason.code(), item.container)).collect();
        let expected =
            [("shared-anchor", ""), ("opted-out", ""), ("opted-out", ""), ("sidecar", "b"), ("sidecar", "c")];
        assert_eq!(said, expected);
    }

    #[test]
    fn what_is_said_is_in_the_order_of_the_file() {
        let report = sample();
        let lines: Vec<usize> = report.items(Gate::Check).iter().skip(1).map(|item| item.position.line).collect();
        assert!(lines.is_sorted());
    }
}
