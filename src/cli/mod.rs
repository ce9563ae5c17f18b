//! The command line.

pub mod args;
pub mod diff;
pub mod stream;
pub mod write;
