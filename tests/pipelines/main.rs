//! Prelit inside the tools that render manifests, each of them the real one.
//!
//! `.ci/tools/build /tmp/tools && PRELIT_TEST_TOOLS=/tmp/tools cargo test --test pipelines` runs them with
//! the versions that CI has; without `PRELIT_TEST_TOOLS` they are taken from the PATH. A test whose tool is
//! missing says so and is not counted as passed; `PRELIT_REQUIRE_TOOLS=1` makes it fail. Long ones run only
//! with `PRELIT_SLOW=1`.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod action;
mod application;
mod argocd;
mod assistant;
mod chart;
mod cmp;
mod corpus;
mod deploy;
mod docker;
mod flux;
mod guide;
mod helm;
mod image;
mod kpt;
mod kubectl;
mod kustomize;
mod parity;
#[path = "../support/place.rs"]
mod place;
mod pre_commit;
#[path = "../support/shell.rs"]
mod shell;
mod sidecar;
#[allow(dead_code, reason = "the goldens use all of it")]
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/tools.rs"]
mod tools;

use libtest_mimic::{Arguments, Trial};
use support::manifest;
use tools::Tools;

fn main() {
    let arguments = Arguments::from_args();
    let tools = Tools::find();
    let modules: [fn(&Tools) -> Vec<Trial>; 17] = [
        tools::trials,
        kustomize::trials,
        corpus::trials,
        kubectl::trials,
        kpt::trials,
        guide::trials,
        image::trials,
        sidecar::trials,
        helm::trials,
        action::trials,
        pre_commit::trials,
        flux::trials,
        cmp::trials,
        deploy::trials,
        chart::trials,
        parity::trials,
        argocd::trials,
    ];
    let trials = modules.iter().flat_map(|trials| trials(&tools)).collect();
    libtest_mimic::run(&arguments, trials).exit();
}
