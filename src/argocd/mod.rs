//! What Argo CD and a config-management plugin say to each other: the environment that a plugin is run in, the
//! parameters of an Application, and how a plugin announces those that it knows.
//! <https://argo-cd.readthedocs.io/en/stable/operator-manual/config-management-plugins/>
//!
//! Everything in it comes from an Application, and is taken for hostile: sizes are bounded, nothing is passed over that
//! is unknown. Knows no process, no file and no rule of injection.

mod announcement;
mod environment;
mod parameters;

pub use announcement::{Announcement, announcements};
pub use environment::Environment;
pub use parameters::{Form, PARAMETERS, Parameter, Parameters, Scope};

/// What a folder is rendered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// A kustomization: `kustomize build`.
    Kustomize,
    /// A chart: `helm template`.
    Helm,
    /// Plain manifests: nothing.
    Directory,
}

impl SourceKind {
    /// The word that Argo CD has for it.
    pub fn word(self) -> &'static str {
        match self {
            SourceKind::Kustomize => "kustomize",
            SourceKind::Helm => "helm",
            SourceKind::Directory => "directory",
        }
    }
}
