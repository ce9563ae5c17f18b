//! Certificates that somebody else keeps, by the overlay for cert-manager: the files that a kubelet mounts are served and
//! registered, and pods are instrumented at every moment of a renewal. Here the test renews them in cert-manager's place.

use super::Ground;
use super::control_plane::{ControlPlane, Controllers};
use super::deployment::Deployment;
use super::permissions::stand_ins;
use super::place::Place;
use super::probe::{endpoint, wait_until_injected};
use super::process::wait_until;
use libtest_mimic::Trial;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

pub fn trials(ground: &Ground) -> Vec<Trial> {
    vec![
        ground.trial(
            "provided::certificates_are_renewed_while_pods_are_made",
            certificates_are_renewed_while_pods_are_made,
        ),
    ]
}

/// How long pods are made, should the test fail meanwhile.
const LONGEST: Duration = Duration::from_secs(100);

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Writes the Secret as cert-manager does: a new leaf, and the CA that has signed it.
fn issue(place: &Place, authority: &Authority) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["openlit-webhook-service.openlit.svc".to_owned()]).unwrap();
    let leaf = params.signed_by(&key, authority).unwrap();
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": { "name": "openlit-webhook-certs", "namespace": "openlit" },
        "stringData": { "ca.crt": authority.pem(), "tls.crt": leaf.pem(), "tls.key": key.serialize_pem() },
    });
    place.pipe(&secret.to_string(), "kubectl", &["apply", "--server-side", "--filename=-"]).succeeded();
}

fn certificates_are_renewed_while_pods_are_made(place: &Place) {
    let control_plane = ControlPlane::start(Controllers::All);
    control_plane.welcome(place, "apps");
    place.write("cert-manager.json", stand_ins());
    place.out("kubectl create --filename cert-manager.json");
    place.copy("deploy", "deploy");
    place.out("kubectl apply --server-side -k deploy/webhook/overlays/cert-manager");
    let deployment = Deployment::of_manifests(&control_plane);
    // The pod does not start before its Secret is there.
    let first = authority();
    issue(place, &first);
    let replica = deployment.run_one(place, "10.99.8.1");
    wait_until_injected(place, "apps");

    let pod = deployment.pods()[0]["metadata"]["name"].as_str().unwrap().to_owned();
    let mounted = place.path(format!("{pod}-openlit-webhook-certs"));
    let log = || place.read(format!("{pod}.log"));
    let served = || log().lines().filter(|line| line.contains("serving a new certificate")).count();
    let registered = || {
        place.out(
            "kubectl get mutatingwebhookconfiguration openlit-instrumentation-webhook \
         --output=go-template='{{(index .webhooks 0).clientConfig.caBundle | base64decode}}'",
        )
    };
    let (ends, since) = (AtomicBool::new(false), Instant::now());
    thread::scope(|scope| {
        let pods = scope.spawn(|| {
            let mut pods = 0;
            while !ends.load(Ordering::Relaxed) && since.elapsed() < LONGEST {
                assert!(endpoint(place, "apps").is_some(), "pod {pods} was missed");
                pods += 1;
            }
            pods
        });
        // The leaf alone, as at every renewal.
        issue(place, &first);
        deployment.mount("openlit-webhook-certs", &mounted);
        wait_until("the new leaf is served", || served() == 2);
        // And the CA: it is registered beside the old one, before a leaf of it is served.
        let second = authority();
        issue(place, &second);
        deployment.mount("openlit-webhook-certs", &mounted);
        wait_until("both are registered", || {
            registered().contains(&second.pem()) && registered().contains(&first.pem())
        });
        assert_eq!(served(), 2, "nobody has had the time to trust it");
        wait_until("the leaf of the new CA is served", || served() == 3);
        // A few pods more.
        thread::sleep(Duration::from_secs(1));
        ends.store(true, Ordering::Relaxed);
        let pods = pods.join().unwrap();
        assert!(pods > 20, "only {pods} pods");
    });
    assert!(!log().contains("forbidden") && !log().contains("WARN"), "{}", log());
    drop(replica);
}
