//! The words: the `AutoInstrumentation` resource, the settings, the names that stand in manifests,
//! and the reasons. Knows no rule of injection.

pub mod crd;
pub mod image;
pub mod names;
pub mod quantity;
pub mod reason;
pub mod resource;
pub mod selector;
pub mod settings;
pub mod syntax;

pub use reason::{Finding, Reason, Severity};
