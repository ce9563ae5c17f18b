//! Streams and trees of manifests in, the same out, instrumented.

pub mod kustomization;
pub mod report;
mod stub;

pub use stub::{Action, Failure, Failures, KindRow, Options, Rendered, Run, Settings, Source, Splice, Survey};
