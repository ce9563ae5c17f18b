//! What a run did and why, as data: one row a container, findings with positions, and counts.

use crate::api::Reason;

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

/// One container of one pod template.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Where the container stands; the template, where there is none.
    pub position: Position,
    /// `Deployment`, as it is written.
    pub kind: String,
    /// `apps/v1`.
    pub api_version: String,
    /// The name of the object; empty where it has none.
    pub name: String,
    /// Its namespace, where it is known.
    pub namespace: Option<String>,
    /// The path of the pod template in the object, for kinds with several.
    pub template: String,
    /// The container; empty for a row that speaks of the whole template.
    pub container: String,
    /// What selected it: the name of an `AutoInstrumentation`, or `label`.
    pub selected_by: Option<String>,
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
    /// The object, as `Deployment/chat`; empty for a whole file.
    pub object: String,
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
    /// Documents in them.
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
