//! Prelit and a real API server.
//!
//! The whole process runs in a network of its own ([`apart`]), and its tests start a control plane in it
//! ([`control_plane`]): etcd, the API server, and the controllers that make pods. No kubelet runs, so pods stay where
//! the controllers leave them. Most tests share one control plane, each in a namespace of its own; a test that kills or
//! restarts one has its own.
//!
//! `.ci/tools/build /tmp/tools && PRELIT_TEST_TOOLS=/tmp/tools cargo test --test cluster` runs them with the version that
//! CI has; `KUBEBUILDER_ASSETS` names a folder with another one. They need `kubectl` on the PATH, and root for the
//! network. A test that cannot be run says so and is not counted as passed; `PRELIT_REQUIRE_TOOLS=1` makes it fail.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod apart;
mod applications;
mod control_plane;
mod credentials;
mod definition;
mod harness;
#[allow(dead_code, reason = "the pipelines use all of it")]
#[path = "../support/place.rs"]
mod place;
mod pods;
mod process;
mod replicas;
#[allow(dead_code, reason = "the pipelines use all of it")]
#[path = "../support/shell.rs"]
mod shell;
#[allow(dead_code, reason = "the goldens use all of it")]
#[path = "../support/mod.rs"]
mod support;
#[allow(dead_code, reason = "the pipelines use all of it")]
#[path = "../support/tools.rs"]
mod tools;
mod webhook;
mod workloads;

use control_plane::NEEDS;
use libtest_mimic::{Arguments, Trial};
use place::Place;
use tools::Tools;

fn main() {
    let arguments = Arguments::from_args();
    let ground = Ground { apart: apart::enter(), tools: Tools::find() };
    let modules: [fn(&Ground) -> Vec<Trial>; 6] =
        [harness::trials, definition::trials, workloads::trials, applications::trials, pods::trials, webhook::trials];
    let trials = modules.iter().flat_map(|trials| trials(&ground)).collect();
    libtest_mimic::run(&arguments, trials).exit();
}

/// What every test here stands on.
struct Ground {
    apart: Result<(), String>,
    tools: Tools,
}

impl Ground {
    /// A test in a place of its own, which can start control planes.
    fn trial(&self, name: &str, test: fn(&Place)) -> Trial {
        match &self.apart {
            Ok(()) => self.tools.trial(name, &NEEDS, test),
            Err(why) => tools::skipped(name, why.clone()),
        }
    }
}
