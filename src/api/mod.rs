//! The words: the `AutoInstrumentation` resource, the settings, the names that stand in manifests,
//! and the reasons. Knows no rule of injection.

pub mod names;
pub mod reason;

pub use reason::{Finding, Reason, Severity};
