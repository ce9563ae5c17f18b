//! Prelit as a KRM function.
//!
//! `testdata/functions/` has a folder for each thing that only a function does; `testdata/README.md` explains
//! them. Every other golden folder is given to the function and to kustomize's older plugin too, and must come
//! out as it comes out of the filter: one engine, whatever the door.
//!
//! `PRELIT_BLESS=1 cargo test --test functions` writes the expected files of the folders.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod golden;
mod parity;
#[allow(dead_code, reason = "the goldens use all of it")]
#[path = "../support/mod.rs"]
mod support;

use libtest_mimic::{Arguments, Failed, Trial};
use std::path::{Path, PathBuf};
use support::{doors, folder};

fn main() {
    let arguments = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let bless = folder::bless();
    let trial = |name: String, test: Box<dyn FnOnce() -> Vec<String> + Send>| {
        Trial::test(name, move || {
            let complaints = test();
            if complaints.is_empty() { Ok(()) } else { Err(Failed::from(complaints.join("\n"))) }
        })
    };
    let (of_functions, others): (Vec<(String, PathBuf)>, Vec<_>) =
        folder::find(&root).into_iter().partition(|(name, _)| name.starts_with("functions/"));
    let goldens = of_functions.into_iter().map(|(name, path)| trial(name, Box::new(move || golden::of(&path, bless))));
    let parity = others
        .into_iter()
        .filter(|(name, path)| !name.starts_with("pipelines/") && doors::takes(path))
        .map(|(name, path)| trial(format!("parity/{name}"), Box::new(move || parity::of(&path))));
    libtest_mimic::run(&arguments, goldens.chain(parity).collect()).exit();
}
