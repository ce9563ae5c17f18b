//! Everything that befalls a webhook in its years, in two minutes, while pods are created without a pause: not one is
//! refused, and none is missed.
//!
//! The certificates live for 40 seconds, so that the CA and the leaf rotate in this time as often as they otherwise do in
//! years. The policy is `Fail`: whatever the webhook does not answer shows as a refused pod, and what it answers wrongly as
//! one that was missed.
//!
//! What no webhook can prevent is counted, and nothing else is forgiven ([`judge`]):
//!
//! - the API server asks one replica, once. Where that is killed with the question in its hands, or is asked in the moment
//!   before it leaves the `EndpointSlice`, the pod is refused. One that is told to end answers everything before;
//! - while the API server is down, it answers nobody, and one that starts says so;
//! - while the registration is edited or deleted by hand, the API server does as it is told.

mod client;
mod judge;
mod kubelet;
mod stream;
mod witness;

use super::Ground;
use super::control_plane::{ControlPlane, Controllers};
use super::place::{Place, ROOT};
use super::probe::wait_until_injected;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use client::Client;
use judge::{Window, judge};
use kubelet::{Kubelet, Template};
use libtest_mimic::Trial;
use prelit::webhook::certificates::Service;
use prelit::webhook::certificates::authority::Authority;
use prelit::webhook::certificates::certificate::Certificate;
use serde_json::{Value, json};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use stream::Stream;
use time::OffsetDateTime;
use witness::{Seen, Witness};

/// A new CA every 50 seconds, a new leaf every 10. A CA is announced for 4 seconds before a leaf of it is served, and kept
/// for 7.5 after.
const SETTINGS: &[(&str, &str)] = &[
    ("CERT_VALIDITY_DAYS", "40s"),
    ("CERT_REFRESH_DAYS", "30s"),
    ("WEBHOOK_FAILURE_POLICY", "Fail"),
    ("LOG_LEVEL", "info"),
];

const CONFIGURATION: &str =
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/openlit-instrumentation-webhook";

const SECRET: &str = "/api/v1/namespaces/openlit/secrets/openlit-webhook-certs";

/// Within what all is repaired that somebody has deleted, edited or replaced.
const SECONDS: Duration = Duration::from_secs(5);

/// Within what another replica leads: the Lease of one that has died must end.
const SUCCESSION: Duration = Duration::from_secs(20);

pub fn trials(ground: &Ground) -> Vec<Trial> {
    vec![ground.slow_trial("endurance::not_one_pod_is_refused_or_missed", not_one_pod_is_refused_or_missed)]
}

/// The cluster, and what befalls it.
struct Story {
    control_plane: ControlPlane,
    client: Client,
    kubelet: Arc<Kubelet>,
    witness: Witness,
    /// When the API server was down.
    down: Vec<Window>,
    /// When the registration was not what it should be.
    edited: Vec<Window>,
    start: Instant,
}

fn not_one_pod_is_refused_or_missed(place: &Place) {
    let mut story = Story::begin(place);
    let stream = Stream::start(&place.home(".kube/config"), "apps");
    thread::sleep(Duration::from_secs(3));

    story.a_pod_is_deleted();
    story.a_process_is_killed();
    story.the_secret_is_deleted();
    story.the_leader_is_lost();
    // In the midst of a rotation.
    story.wait("a CA is announced", Duration::from_secs(60), |seen| seen.bundles.last().unwrap().1.len() == 2);
    story.the_api_server_is(ControlPlane::kill_api_server, "killed");
    story.the_registration_is_edited(
        "its rules",
        &json!({ "op": "replace", "path": "/webhooks/0/rules/0/operations", "value": ["DELETE"] }),
    );
    story.the_registration_is_edited(
        "who is trusted",
        &json!({ "op": "remove", "path": "/webhooks/0/clientConfig/caBundle" }),
    );
    story.the_registration_is_deleted();
    story.the_leader_is_deleted();
    story.the_api_server_is(ControlPlane::stop_api_server, "restarted");
    story.wait("the CA has rotated twice", Duration::from_secs(100), |seen| seen.authorities().len() > 2);
    story.a_clock_is_ahead();
    thread::sleep(Duration::from_secs(3));

    let creations = stream.stop();
    let seen = story.witness.seen();
    story.tell(&format!("the CAs: {}", seen.authorities().join(", ")));
    story.tell(&format!("leaves: {:?}", seen.leaves));
    story.tell(&format!(
        "the leaf was valid for {} more at least, in {} handshakes",
        seen.least_left.unwrap(),
        seen.handshakes
    ));
    let verdict = judge(&creations, &story.down, &story.edited, &story.kubelet.losses());
    story.tell(&verdict.to_string());

    verdict.assert_innocence();
    assert!(seen.leaves.values().any(|leaves| leaves.len() > 2), "the leaf has rotated twice");
    assert!(seen.least_left.unwrap() > time::Duration::seconds(10), "a leaf was nearly served beyond its end");
    let unexplained: Vec<&String> = seen
        .distrust
        .iter()
        .filter(|(at, _)| !story.edited.iter().any(|window| window.meets(*at, *at)))
        .map(|(_, why)| why)
        .collect();
    assert!(unexplained.is_empty(), "{unexplained:?}");
    for number in 1..=8 {
        let log = std::fs::read_to_string(place.path(format!("replica-{number}.log"))).unwrap_or_default();
        assert!(!log.contains("panicked"), "{log}");
    }
}

impl Story {
    /// Three replicas are ready, and pods of the namespace `apps` are injected.
    fn begin(place: &Place) -> Story {
        let start = Instant::now();
        let control_plane = ControlPlane::start(Controllers::None);
        control_plane.kubectl(&["apply", "--server-side", "-f", &format!("{ROOT}/deploy/openlit-operator.yaml")], "");
        control_plane.kubectl(&["wait", "--for=condition=Established", "crd/autoinstrumentations.openlit.io"], "");
        control_plane.welcome(place, "apps");
        place.copy("testdata/cluster/ai.yaml", "ai.yaml");
        place.out("kubectl create -f ai.yaml");
        let administrator = place.home(".kube/config");
        let template = Template {
            folder: place.path(""),
            kubeconfig: control_plane.kubeconfig_of("openlit", "openlit-operator"),
            settings: SETTINGS,
        };
        let kubelet = Arc::new(Kubelet::start(template, 3, &administrator));
        let witness = Witness::start(&kubelet, &administrator);
        let client = Client::new(&administrator);
        let story = Story { control_plane, client, kubelet, witness, down: Vec::new(), edited: Vec::new(), start };
        story.until("three replicas are ready", Duration::from_secs(60), || story.kubelet.ready().len() == 3);
        wait_until_injected(place, "apps");
        story.tell("three replicas are ready");
        story
    }

    fn a_pod_is_deleted(&self) {
        self.kubelet.delete(&self.follower());
        let took = self.until_three_are_ready();
        self.tell(&format!("a pod was deleted; three were ready again after {took:.1?}"));
    }

    fn a_process_is_killed(&self) {
        self.kubelet.kill(&self.follower());
        // Until it is noticed.
        self.until("it has left", SECONDS, || self.kubelet.losses().iter().all(|loss| loss.left.is_some()));
        let took = self.until_three_are_ready();
        self.tell(&format!("a process was killed; three were ready again after {took:.1?}"));
    }

    fn the_secret_is_deleted(&self) {
        let authorities = || self.client.find(SECRET).map(|secret| secret["data"]["ca.crt"].clone());
        let before = authorities().unwrap();
        self.control_plane.kubectl(&["delete", "secret", "openlit-webhook-certs", "--namespace=openlit"], "");
        let took = self.until("the Secret is back", SECONDS, || authorities().is_some());
        assert_eq!(authorities().unwrap(), before, "the same CA goes on");
        self.tell(&format!("the Secret was deleted; the same was back after {took:.1?}"));
    }

    fn the_leader_is_lost(&self) {
        let leader = self.leader();
        self.kubelet.lose(&leader);
        let took = self.wait("another leads", SUCCESSION, |seen| seen.leader().is_some_and(|now| now != leader));
        self.until_three_are_ready();
        self.tell(&format!("the leader was lost; another led after {took:.1?}"));
    }

    fn the_leader_is_deleted(&self) {
        let leader = self.leader();
        self.kubelet.delete(&leader);
        let took = self.wait("another leads", SUCCESSION, |seen| seen.leader().is_some_and(|now| now != leader));
        self.until_three_are_ready();
        self.tell(&format!("the leader was deleted; another led after {took:.1?}"));
    }

    fn the_api_server_is(&mut self, ended: fn(&ControlPlane), how: &str) {
        let from = Instant::now();
        ended(&self.control_plane);
        self.control_plane.start_api_server();
        self.down.push(Window { from, to: Instant::now() });
        self.tell(&format!("the API server was {how}; it was ready again after {:.1?}", from.elapsed()));
    }

    fn the_registration_is_edited(&mut self, what: &str, edit: &Value) {
        let name = self.configuration().unwrap()["metadata"]["name"].as_str().unwrap().to_owned();
        let before = without_bundle(self.configuration().unwrap());
        let from = Instant::now();
        let edit = json!([edit]).to_string();
        self.control_plane.kubectl(&["patch", "mutatingwebhookconfiguration", &name, "--type=json", "-p", &edit], "");
        let took = self.until("it is what it was", SECONDS, || {
            self.configuration().is_some_and(|now| without_bundle(now) == before)
        });
        self.edited.push(Window { from, to: Instant::now() });
        self.tell(&format!("{what} was edited; it was what it was after {took:.1?}"));
    }

    fn the_registration_is_deleted(&mut self) {
        let before = without_bundle(self.configuration().unwrap());
        let name = self.configuration().unwrap()["metadata"]["name"].as_str().unwrap().to_owned();
        let from = Instant::now();
        self.control_plane.kubectl(&["delete", "mutatingwebhookconfiguration", &name], "");
        let took =
            self.until("it is back", SECONDS, || self.configuration().is_some_and(|now| without_bundle(now) == before));
        self.edited.push(Window { from, to: Instant::now() });
        self.tell(&format!("the registration was deleted; it was back after {took:.1?}"));
    }

    /// Somebody whose clock is an hour ahead has put certificates into the Secret. Nothing is wrong with them but the time.
    fn a_clock_is_ahead(&self) {
        let ahead = OffsetDateTime::now_utc() + time::Duration::hours(1);
        let authority = Authority::new(time::Duration::minutes(2), ahead).unwrap();
        let service = Service { name: "openlit-webhook-service".to_owned(), namespace: "openlit".to_owned() };
        let leaf = authority.leaf(&service, time::Duration::seconds(40), ahead).unwrap();
        let pem = |one: &Certificate| prelit::webhook::certificates::certificate::to_pem([one]);
        let data = json!({
            "tls.crt": BASE64.encode(pem(&leaf.certificate)), "tls.key": BASE64.encode(leaf.key.to_pem()),
            "ca.crt": BASE64.encode(pem(authority.certificate())), "ca.key": BASE64.encode(authority.key_pem()),
        });
        let patch = json!({ "data": data }).to_string();
        self.control_plane
            .kubectl(&["patch", "secret", "openlit-webhook-certs", "--namespace=openlit", "-p", &patch], "");
        let took = self.until("the leaf is valid", SECONDS, || {
            let secret = self.client.find(SECRET).unwrap_or_default();
            let leaf = BASE64.decode(secret["data"]["tls.crt"].as_str().unwrap_or_default()).unwrap_or_default();
            let (leaf, _) = Certificate::read_all(&leaf);
            leaf.first().is_some_and(|leaf| leaf.valid_at(OffsetDateTime::now_utc()))
        });
        self.tell(&format!("certificates of the future were in the Secret; ours were after {took:.1?}"));
    }

    /// Who leads now.
    fn leader(&self) -> String {
        self.wait("somebody leads", SUCCESSION, |seen| seen.leader().is_some());
        self.witness.seen().leader().unwrap().to_owned()
    }

    /// One who is ready and does not lead.
    fn follower(&self) -> String {
        let leader = self.leader();
        self.kubelet.ready().into_iter().map(|(name, _)| name).find(|name| *name != leader).unwrap()
    }

    fn configuration(&self) -> Option<Value> {
        self.client.find(CONFIGURATION)
    }

    fn until_three_are_ready(&self) -> Duration {
        self.until("three are ready", Duration::from_secs(30), || self.kubelet.ready().len() == 3)
    }

    /// Waits until the witness has seen something.
    #[track_caller]
    fn wait(&self, what: &str, longest: Duration, holds: impl Fn(&Seen) -> bool) -> Duration {
        self.until(what, longest, || holds(&self.witness.seen()))
    }

    /// Waits until something holds, and says how long that took.
    #[track_caller]
    fn until(&self, what: &str, longest: Duration, holds: impl Fn() -> bool) -> Duration {
        let start = Instant::now();
        while !holds() {
            assert!(start.elapsed() < longest, "{what}: not within {longest:?}; {:?}", self.witness.seen());
            thread::sleep(Duration::from_millis(20));
        }
        start.elapsed()
    }

    fn tell(&self, what: &str) {
        println!("{:6.1} s: {what}", self.start.elapsed().as_secs_f64());
    }
}

/// What is registered, but for who is trusted: that may have rotated.
fn without_bundle(mut configuration: Value) -> Value {
    let mut webhooks = configuration["webhooks"].take();
    let bundle = webhooks[0]["clientConfig"]["caBundle"].take();
    webhooks[0]["trusts"] = json!(bundle.as_str().is_some_and(|bundle| !bundle.is_empty()));
    webhooks
}
