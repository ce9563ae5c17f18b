//! The harness of the goldens: folders, the command that is tested, assertions, laws, a verdict.
//! Reads manifests with a library that the command does not use for reading them.

pub mod command;
#[allow(dead_code, reason = "the goldens know the filter alone")]
pub mod doors;
pub mod expect;
pub mod folder;
pub mod laws;
pub mod manifest;
pub mod path;
pub mod verdict;
