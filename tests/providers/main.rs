//! From manifest to span, with every CPython of this machine and the three providers.
//!
//! `prelit inject` renders a Deployment with a container for each application ([`deployment`]). Then what the kubelet would
//! do is done ([`pod`], [`root`]): the volume is made, the init container's own command runs, `$(VAR)` and the downward API are
//! expanded, and the application's command runs where `/instrumentation-packages` is really that path. It speaks to a model
//! server on loopback, and its telemetry goes to a real OpenTelemetry Collector ([`collector`]). What has arrived is compared
//! ([`judge`]), stdout and exit code are those of the same container without Prelit, and the cell of the table in
//! `docs/providers.md` says what was seen ([`page`]).
//!
//! `.ci/tools/build /tmp/tools && PRELIT_TEST_TOOLS=/tmp/tools PRELIT_SLOW=1 cargo test --test providers` runs every row with every
//! Python, where between the oldest and the newest the providers take turns; `PRELIT_MATRIX=full` runs every cell, and
//! `PRELIT_BLESS=1` writes the tables. Without `PRELIT_SLOW` it is the newest CPython, OpenLIT and one application. What is
//! missing is made in the folder of the tools, by `prepare`. It takes root, for a network and mounts of its own.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../cluster/apart.rs"]
mod apart;
mod application;
mod collector;
mod deployment;
mod ground;
mod judge;
mod page;
#[allow(dead_code, reason = "the pipelines use all of it")]
#[path = "../support/place.rs"]
mod place;
mod pod;
#[allow(dead_code, reason = "the cluster uses all of it")]
#[path = "../cluster/process.rs"]
mod process;
mod root;
#[allow(dead_code, reason = "the goldens use all of it")]
#[path = "../support/mod.rs"]
mod support;
#[allow(dead_code, reason = "the pipelines use all of it")]
#[path = "../support/tools.rs"]
mod tools;
mod world;

use application::{APPLICATIONS, Application, PROVIDERS, Provider};
use ground::Ground;
use libtest_mimic::{Arguments, Trial};
use page::Page;
use std::sync::{Arc, OnceLock};
use world::World;

/// The CPythons that a table can have; those that are not on this machine are not run, and say so.
const PYTHONS: [&str; 7] = ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14"];

fn main() {
    let mut arguments = Arguments::from_args();
    // Two processors, and a little that waits.
    arguments.test_threads = arguments.test_threads.or(Some(3));
    let ground = Arc::new(Ground::find());
    let world = Arc::new(OnceLock::new());
    let page = Arc::new(Page::read());
    let mut trials = Vec::new();
    for python in PYTHONS {
        for provider in PROVIDERS {
            for application in APPLICATIONS {
                trials.push(cell(&ground, &world, &page, provider, python, application));
            }
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    page.write();
    // Before this process ends, what it has started does.
    drop(world);
    conclusion.exit();
}

/// One cell of the table.
fn cell(
    ground: &Arc<Ground>,
    world: &Arc<OnceLock<World>>,
    page: &Arc<Page>,
    provider: Provider,
    python: &'static str,
    application: &'static Application,
) -> Trial {
    let name =
        format!("{}::python_{}::{}", provider.name(), python.replace('.', "_"), application.name.replace('-', "_"));
    if let Some(trial) = ground.instead(&name, provider, python, application) {
        return trial;
    }
    let (ground, world, page) = (Arc::clone(ground), Arc::clone(world), Arc::clone(page));
    Trial::test(name, move || {
        let world = world.get_or_init(|| World::new(&ground));
        let (plain, run) = world.run(provider, python, application);
        let seen = judge::judge(provider, python, application, &plain, &run);
        page.settle(provider, application, python, &seen);
        Ok(())
    })
}
