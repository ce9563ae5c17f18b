//! Argo CD's plugin: the `plugin.yaml` that users get, in Argo CD's own plugin server, asked by Argo CD's own client and
//! repo-server code. Only git, the cluster and Redis are not the real ones: the repository is a local one, no cluster is
//! asked, and the cache is in memory.

mod client;
mod failures;
mod goldens;
mod hostile;
mod parity;
mod plugin;
mod repository;
mod server;
mod sources;

use crate::place::Place;
use crate::tools::Tools;
use libtest_mimic::Trial;

/// Every test.
pub fn trials(tools: &Tools) -> Vec<Trial> {
    let mut trials = Vec::new();
    for tests in [sources::TESTS, failures::TESTS, hostile::TESTS] {
        for (name, renderers, test) in tests {
            let needs = [NEEDS, renderers].concat();
            trials.push(tools.trial(&format!("argocd::{name}"), &needs, test));
        }
    }
    trials.extend(goldens::trials(tools));
    trials.extend(parity::trials(tools));
    trials
}

/// A name, which renderers it needs besides Argo CD, and the test.
type Test = (&'static str, &'static [&'static str], fn(&Place));

const NEEDS: &[&str] = &["argocd-cmp-server", "argocd-cmp-client", "git"];
