//! The golden folders of `testdata/`: one test a folder, named after it. `testdata/README.md` says
//! what a folder holds and explains the language of its `expect.txt`.
//!
//! `PRELIT_BLESS=1 cargo test --test goldens` writes the expected files; the assertions of
//! `expect.txt` and the laws are checked then, too. `cargo test --test goldens -- text/` runs one group.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use libtest_mimic::{Arguments, Failed, Trial};
use std::path::Path;
use support::{folder, verdict};

fn main() {
    let arguments = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let bless = folder::bless();
    let trials = folder::find(&root)
        .into_iter()
        .filter(|(name, _)| !["functions/", "pipelines/"].iter().any(|group| name.starts_with(group)))
        .map(|(name, path)| {
            Trial::test(name, move || {
                let complaints = verdict::of(&path, bless);
                if complaints.is_empty() { Ok(()) } else { Err(Failed::from(complaints.join("\n"))) }
            })
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit();
}
