//! Uninstalling leaves a cluster as it was before: everything that the API server knows is listed, and compared.

use super::Ground;
use super::control_plane::{ControlPlane, Controllers};
use super::deployment::Deployment;
use super::place::{Place, Run};
use super::probe::wait_until_injected;
use super::process::wait_until;
use super::replicas::Replica;
use libtest_mimic::Trial;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub fn trials(ground: &Ground) -> Vec<Trial> {
    vec![
        ground.trial("removal::deleting_the_one_file_leaves_nothing", deleting_the_one_file_leaves_nothing),
        ground.trial("removal::what_is_to_be_kept_is_kept", what_is_to_be_kept_is_kept),
    ]
}

const ONE_FILE: &str = "deploy/openlit-operator.yaml";

/// All objects of the cluster, as `NAMESPACE kind/name`, but for what is there for a while only.
fn everything(place: &Place) -> BTreeSet<String> {
    let kinds = place.out("kubectl api-resources --verbs=list --output=name");
    let kinds: Vec<&str> = kinds.lines().filter(|kind| !kind.starts_with("events")).collect();
    let columns = "NAMESPACE:.metadata.namespace,KIND:.kind,NAME:.metadata.name";
    let list = place.out(&format!(
        "kubectl get {} --all-namespaces --no-headers --output=custom-columns={columns}",
        kinds.join(",")
    ));
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let all: BTreeSet<String> = list.lines().map(words).collect();
    assert!(all.len() > 50, "{all:?}");
    all
}

/// What came since.
fn further(place: &Place, before: &BTreeSet<String>) -> Vec<String> {
    everything(place).difference(before).cloned().collect()
}

/// Waits until all is as it was: the garbage collector takes a moment.
fn wait_until_as(place: &Place, before: &BTreeSet<String>) {
    let start = Instant::now();
    loop {
        let now = everything(place);
        if now == *before {
            return;
        }
        let left = now.symmetric_difference(before).collect::<Vec<_>>();
        assert!(start.elapsed() < Duration::from_secs(30), "{left:?}");
    }
}

/// Applies the one file, and runs its pod until pods are instrumented.
fn install<'c>(place: &Place, control_plane: &'c ControlPlane, address: &'static str) -> (Deployment<'c>, Replica) {
    place.copy("deploy", "deploy");
    place.out(&format!("kubectl apply -f {ONE_FILE}"));
    let deployment = Deployment::of_manifests(control_plane);
    let replica = deployment.run_one(place, address);
    wait_until_injected(place, "apps");
    (deployment, replica)
}

/// Names of what the webhook makes by itself, of no manifest.
const MADE: [&str; 3] = [
    "openlit Secret openlit-webhook-certs",
    "openlit Lease openlit-instrumentation-webhook",
    "<none> MutatingWebhookConfiguration openlit-instrumentation-webhook",
];

fn deleting_the_one_file_leaves_nothing(place: &Place) {
    let control_plane = ControlPlane::start(Controllers::All);
    control_plane.welcome(place, "apps");
    let before = everything(place);
    let (_, replica) = install(place, &control_plane, "10.99.5.1");
    let installed = further(place, &before);
    for made in MADE {
        assert!(installed.iter().any(|name| name == made), "{made} of {installed:?}");
    }
    // It runs while all is deleted around it, as in a cluster: its pod goes with the namespace, and until then it must
    // make nothing again.
    let deletion = std::thread::scope(|scope| {
        let deletion = scope.spawn(|| place.out(&format!("kubectl delete -f {ONE_FILE}")));
        let gone = || !place.out("kubectl get pods --all-namespaces --output=name").contains("openlit-operator");
        wait_until("its pod is gone", gone);
        replica.process.stop();
        deletion.join().unwrap()
    });
    assert!(deletion.contains("namespace \"openlit\" deleted"), "{deletion}");
    wait_until_as(place, &before);
    let log = place.out("cat openlit-operator-*.log");
    assert!(!log.contains("panicked"), "{log}");
}

/// The way of deploy/webhook/README.md that keeps the definition, the resources and the namespace.
fn what_is_to_be_kept_is_kept(place: &Place) {
    let control_plane = ControlPlane::start(Controllers::All);
    control_plane.welcome(place, "apps");
    control_plane.define();
    control_plane.namespace("openlit");
    place.copy("testdata/cluster", "");
    place.out("kubectl create --filename ai.yaml");
    let before = everything(place);
    let (deployment, replica) = install(place, &control_plane, "10.99.5.2");

    // Whoever may install may uninstall; the webhook's own account may, too.
    let account = deployment.control_plane.kubeconfig_of("openlit", "openlit-operator");
    let uninstall = |config: PathBuf| {
        Run::of(place.command("prelit").args(["webhook", "--uninstall"]).env("KUBECONFIG", config), "")
    };
    let refusal = uninstall(account).exited(2);
    let holder =
        place.out("kubectl get lease openlit-instrumentation-webhook --namespace openlit --output=jsonpath={.spec.holderIdentity}");
    assert!(holder.starts_with("openlit-operator-"), "{holder}");
    refusal.failed_saying(&[&holder, "leads", "delete the Deployment first"]);
    assert!(MADE.iter().all(|made| everything(place).contains(*made)), "it refused, and took something");

    let commands = std::fs::read_to_string(place.path("deploy/webhook/README.md")).unwrap();
    let commands: Vec<&str> =
        commands.split("To keep both:").nth(1).unwrap().split("```").nth(1).unwrap().lines().skip(1).collect();
    assert_eq!((commands.len(), commands[1]), (4, "prelit webhook --uninstall"), "{commands:?}");
    place.out(commands[0]);
    replica.process.stop();
    let said = uninstall(place.home(".kube/config")).succeeded().stdout;
    assert_eq!(said.lines().filter(|line| line.starts_with("deleted the ")).count(), 3, "{said}");
    place.out(commands[2]);
    place.out(commands[3]);
    wait_until_as(place, &before);
    // Nothing is there to be deleted, which is no mistake.
    let said = uninstall(place.home(".kube/config")).succeeded().stdout;
    assert_eq!(said.lines().filter(|line| line.starts_with("no ")).count(), 3, "{said}");
}
