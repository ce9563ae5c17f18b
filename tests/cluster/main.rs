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
mod beginning;
mod control_plane;
mod credentials;
mod definition;
mod deployment;
mod endurance;
mod frames;
mod harness;
mod hostile;
mod installation;
mod kinds;
mod leftovers;
mod load;
#[allow(dead_code, reason = "the goldens use all of it")]
#[path = "../admission/pods.rs"]
mod made;
mod namespaces;
mod operations;
mod permissions;
#[allow(dead_code, reason = "the pipelines use all of it")]
#[path = "../support/place.rs"]
mod place;
mod pods;
mod probe;
mod process;
mod provided;
mod readme;
mod registration;
mod removal;
mod repairs;
mod replicas;
#[allow(dead_code, reason = "the pipelines use all of it")]
#[path = "../support/shell.rs"]
mod shell;
mod side_by_side;
mod startup;
mod succession;
#[allow(dead_code, reason = "the goldens use all of it")]
#[path = "../support/mod.rs"]
mod support;
#[allow(dead_code, reason = "the pipelines use all of it")]
#[path = "../support/tools.rs"]
mod tools;
mod undisturbed;
mod visitor;
mod webhook;
mod workloads;

use control_plane::NEEDS;
use libtest_mimic::{Arguments, Trial};
use place::Place;
use tools::Tools;

fn main() {
    let mut arguments = Arguments::from_args();
    // They wait, for programs to start and for certificates to be renewed, more than they work.
    arguments.test_threads = arguments.test_threads.or(Some(4));
    let ground = Ground { apart: apart::enter(), tools: Tools::find() };
    let modules: &[fn(&Ground) -> Vec<Trial>] = &[
        harness::trials,
        definition::trials,
        workloads::trials,
        applications::trials,
        pods::trials,
        webhook::trials,
        side_by_side::trials,
        leftovers::trials,
        removal::trials,
        permissions::trials,
        namespaces::trials,
        repairs::trials,
        provided::trials,
        beginning::trials,
        startup::trials,
        readme::trials,
        endurance::trials,
        registration::trials,
        succession::trials,
        operations::trials,
        hostile::trials,
        kinds::trials,
        undisturbed::trials,
        load::trials,
    ];
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
        self.trial_with(name, &[], test)
    }

    /// The same, with further tools.
    fn trial_with(&self, name: &str, further: &[&str], test: fn(&Place)) -> Trial {
        match &self.apart {
            Ok(()) => self.tools.trial(name, &[&NEEDS, further].concat(), test),
            Err(why) => tools::skipped(name, why.clone()),
        }
    }

    /// The same for one that takes minutes.
    fn slow_trial(&self, name: &str, test: fn(&Place)) -> Trial {
        match &self.apart {
            Ok(()) => self.tools.slow_trial(name, &NEEDS, test),
            Err(why) => tools::skipped(name, why.clone()),
        }
    }
}
