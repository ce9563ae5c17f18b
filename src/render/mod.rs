//! Streams and trees of manifests in, the same out, instrumented.

pub mod report;
