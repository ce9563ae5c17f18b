//! What the webhook stands on may be there later than itself.

use super::Ground;
use super::control_plane::{ControlPlane, Controllers};
use super::deployment::Deployment;
use super::place::Place;
use super::probe::wait_until_injected;
use super::process::Process;
use super::replicas::{Replica, get};
use libtest_mimic::Trial;
use std::thread::sleep;
use std::time::{Duration, Instant};

pub fn trials(ground: &Ground) -> Vec<Trial> {
    vec![
        ground.trial("beginning::before_the_api_server", before_the_api_server),
        ground.trial("beginning::before_the_definition_and_the_rights", before_the_definition_and_the_rights),
    ]
}

fn status(replica: &Replica, path: &str) -> String {
    get(replica.address, 8081, path).lines().next().unwrap_or_default().to_owned()
}

/// It lives, and is not ready, and says why.
fn waits(replica: &mut Replica) {
    let address = replica.address;
    replica.process.wait_until("the replica lives", || get(address, 8081, "/healthz").starts_with("HTTP/1.1 200"));
    assert_eq!(status(replica, "/readyz"), "HTTP/1.1 503 Service Unavailable");
    assert!(get(address, 8081, "/readyz").contains("not known yet"), "{}", get(address, 8081, "/readyz"));
}

fn before_the_api_server(place: &Place) {
    let control_plane = ControlPlane::start(Controllers::All);
    control_plane.welcome(place, "apps");
    place.copy("deploy", "deploy");
    place.out("kubectl apply --server-side -f deploy/openlit-operator.yaml");
    let deployment = Deployment::of_manifests(&control_plane);
    let mut command = deployment.command(place, &deployment.pods()[0], "10.99.10.1");
    control_plane.kill_api_server();
    let mut replica =
        Replica { process: Process::start(&mut command, &place.path(""), "replica"), address: "10.99.10.1" };
    waits(&mut replica);
    sleep(Duration::from_secs(5));
    waits(&mut replica);
    control_plane.start_api_server();
    let since = Instant::now();
    replica.wait_until_ready();
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    deployment.lead(&[replica.address]);
    wait_until_injected(place, "apps");
    // In five seconds it has asked a few times, and not all the time.
    let asked = place.read("replica.log").lines().filter(|line| line.contains("does not answer")).count();
    assert!((3..=8).contains(&asked), "{}", place.read("replica.log"));
}

/// Whoever applies the parts one by one, in the wrong order.
fn before_the_definition_and_the_rights(place: &Place) {
    let control_plane = ControlPlane::start(Controllers::All);
    for namespace in ["openlit", "apps"] {
        control_plane.welcome(place, namespace);
    }
    place.copy("deploy", "deploy");
    for part in ["service-account", "settings", "service", "deployment"] {
        place.out(&format!("kubectl apply --filename deploy/webhook/base/{part}.yaml"));
    }
    let deployment = Deployment::of_manifests(&control_plane);
    let mut replica = deployment.run(place, &deployment.pods()[0], "10.99.10.2");
    waits(&mut replica);
    sleep(Duration::from_secs(3));
    waits(&mut replica);
    place.out("kubectl apply --filename deploy/openlit-operator.yaml");
    let since = Instant::now();
    replica.wait_until_ready();
    assert!(since.elapsed() < Duration::from_secs(20), "{:?}", since.elapsed());
    deployment.lead(&[replica.address]);
    wait_until_injected(place, "apps");
    assert!(!place.out("cat openlit-operator-*.log").contains("panicked"));
}
