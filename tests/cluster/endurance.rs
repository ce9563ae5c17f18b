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
//! - while the API server is down, it answers nobody, and one that starts says that it is not ready;
//! - while the registration is edited or deleted by hand, the API server does as it is told.

mod client;
mod judge;
mod kubelet;
mod stream;
mod witness;

use super::Ground;
use super::control_plane::{ControlPlane, Controllers};
use super::place::Place;
use super::probe::wait_until_injected;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use client::{Client, MERGED, PATCH};
use judge::{Window, judge};
use kubelet::{Kubelet, Template};
use libtest_mimic::Trial;
use prelit::webhook::certificates::Service;
use prelit::webhook::certificates::authority::Authority;
use prelit::webhook::certificates::certificate::Certificate;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::PathBuf;
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

/// It has the name of what its holder writes.
const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/openlit/leases/openlit-instrumentation-webhook";

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
    /// Where the logs are.
    folder: PathBuf,
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
    story.the_api_server_is_killed(Duration::ZERO);
    story.the_registration_is_edited(
        "the rules were",
        &json!({ "op": "replace", "path": "/webhooks/0/rules/0/operations", "value": ["DELETE"] }),
    );
    story.the_registration_is_deleted();
    story.the_leader_is_deleted();
    // So long that who waits for it has become slow in asking.
    story.the_api_server_is_killed(Duration::from_secs(8));
    story.the_registration_is_edited(
        "who is trusted was",
        &json!({ "op": "remove", "path": "/webhooks/0/clientConfig/caBundle" }),
    );
    story.wait("the CA has rotated twice", Duration::from_secs(90), |seen| seen.authorities().len() > 2);
    assert!(story.witness.seen().were_announced(), "{}", story.record());
    story.a_clock_is_off("ahead", 1);
    story.a_clock_is_off("behind", -1);
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
    assert!(seen.least_left.unwrap() > time::Duration::ZERO, "a leaf was served beyond its end");
    let unexplained: Vec<&String> = seen
        .distrust
        .iter()
        .filter(|(at, _)| !story.edited.iter().chain(&story.down).any(|window| window.meets(*at, *at)))
        .map(|(_, why)| why)
        .collect();
    assert!(unexplained.is_empty(), "{unexplained:?}");
    assert!(story.logs().all(|log| !log.contains("panicked")), "{}", story.record());
}

impl Story {
    /// Three replicas are ready, and pods of the namespace `apps` are injected.
    fn begin(place: &Place) -> Story {
        let start = Instant::now();
        let control_plane = ControlPlane::installed(Controllers::None);
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
        let story = Story {
            control_plane,
            client,
            kubelet,
            witness,
            down: Vec::new(),
            edited: Vec::new(),
            start,
            folder: place.path(""),
        };
        story.until("three replicas are ready", Duration::from_secs(60), || story.kubelet.ready().len() == 3);
        wait_until_injected(place, "apps");
        // That comes when it is certain that somebody answers.
        story.until("the policy is Fail", Duration::from_secs(60), || {
            story.client.find(CONFIGURATION).is_some_and(|now| now["webhooks"][0]["failurePolicy"] == "Fail")
        });
        story.tell("three replicas are ready, and the policy is Fail");
        story
    }

    fn a_pod_is_deleted(&self) {
        let pod = self.follower();
        self.kubelet.delete(&pod);
        let took = self.until("it is gone", Duration::from_secs(30), || !self.kubelet.names().contains(&pod));
        self.until_three_are_ready();
        self.tell(&format!("a pod was deleted; it was gone after {took:.1?}"));
    }

    fn a_process_is_killed(&self) {
        self.kubelet.kill(&self.follower());
        let took = self.until("it has left", SECONDS, || self.kubelet.losses().iter().all(|loss| loss.left.is_some()));
        self.until_three_are_ready();
        self.tell(&format!("a process was killed; nobody was led to it any more after {took:.1?}"));
    }

    fn the_secret_is_deleted(&self) {
        let before = self.client.find(SECRET).unwrap();
        self.client.change(SECRET, None);
        let mut now = Value::Null;
        let took = self.until("the Secret is back", SECONDS, || {
            now = self.client.find(SECRET).unwrap_or_default();
            now["metadata"]["uid"].is_string() && now["metadata"]["uid"] != before["metadata"]["uid"]
        });
        assert_eq!(now["data"]["ca.crt"], before["data"]["ca.crt"], "the same CA goes on");
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
        let took = self.wait("another leads", SECONDS, |seen| seen.leader().is_some_and(|now| now != leader));
        self.until_three_are_ready();
        self.tell(&format!("the leader was deleted; another led after {took:.1?}"));
    }

    fn the_api_server_is_killed(&mut self, away: Duration) {
        let from = Instant::now();
        self.control_plane.kill_api_server();
        thread::sleep(away);
        self.control_plane.start_api_server();
        self.down.push(Window { from, to: Instant::now() });
        self.tell(&format!("the API server was killed; it was ready again after {:.1?}", from.elapsed()));
    }

    fn the_registration_is_edited(&mut self, what: &str, edit: &Value) {
        self.the_registration_is_changed(&format!("{what} edited"), Some((PATCH, &json!([edit]))));
    }

    fn the_registration_is_deleted(&mut self) {
        self.the_registration_is_changed("the registration was deleted", None);
    }

    fn the_registration_is_changed(&mut self, how: &str, change: Option<(&str, &Value)>) {
        let before = without_bundle(self.client.find(CONFIGURATION).unwrap());
        let from = Instant::now();
        self.client.change(CONFIGURATION, change);
        let took = self.until("it is what it was", SECONDS, || {
            self.client.find(CONFIGURATION).is_some_and(|now| without_bundle(now) == before)
        });
        self.edited.push(Window { from, to: Instant::now() });
        self.tell(&format!("{how}; it was what it was after {took:.1?}"));
    }

    /// Somebody whose clock is off has put certificates into the Secret. Nothing is wrong with them but the time.
    fn a_clock_is_off(&self, how: &str, hours: i64) {
        let off = OffsetDateTime::now_utc() + time::Duration::hours(hours);
        let authority = Authority::new(time::Duration::minutes(2), off).unwrap();
        let service = Service { name: "openlit-webhook-service".to_owned(), namespace: "openlit".to_owned() };
        let leaf = authority.leaf(&service, time::Duration::seconds(40), off).unwrap();
        let pem = |one: &Certificate| prelit::webhook::certificates::certificate::to_pem([one]);
        let data = json!({
            "tls.crt": BASE64.encode(pem(&leaf.certificate)), "tls.key": BASE64.encode(leaf.key.to_pem()),
            "ca.crt": BASE64.encode(pem(authority.certificate())), "ca.key": BASE64.encode(authority.key_pem()),
        });
        self.client.change(SECRET, Some((MERGED, &json!({ "data": data }))));
        let took = self.until("the leaf is valid", SECONDS, || {
            let secret = self.client.find(SECRET).unwrap_or_default();
            let leaf = BASE64.decode(secret["data"]["tls.crt"].as_str().unwrap_or_default()).unwrap_or_default();
            let (leaf, _) = Certificate::read_all(&leaf);
            leaf.first().is_some_and(|leaf| leaf.valid_at(OffsetDateTime::now_utc()))
        });
        self.tell(&format!("certificates of a clock that is {how} were in the Secret; ours were after {took:.1?}"));
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

    fn until_three_are_ready(&self) {
        self.until("three are ready", Duration::from_secs(30), || self.kubelet.ready().len() == 3);
    }

    /// Waits until the witness has seen something.
    #[track_caller]
    fn wait(&self, what: &str, longest: Duration, holds: impl Fn(&Seen) -> bool) -> Duration {
        self.until(what, longest, || holds(&self.witness.seen()))
    }

    /// Waits until something holds, and says how long that took.
    #[track_caller]
    fn until(&self, what: &str, longest: Duration, mut holds: impl FnMut() -> bool) -> Duration {
        let start = Instant::now();
        while !holds() {
            assert!(start.elapsed() < longest, "{what}: not within {longest:?}\n{}", self.record());
            thread::sleep(Duration::from_millis(20));
        }
        start.elapsed()
    }

    /// What was seen and said lately, for who looks for a fault.
    fn record(&self) -> String {
        let seen = self.witness.seen();
        let at = |at: &Instant| at.duration_since(self.start).as_secs_f64();
        let mut record = String::new();
        for (when, bundle) in &seen.bundles {
            let _ = writeln!(record, "{:6.1} s: registered: {}", at(when), bundle.join(" "));
        }
        for (when, leader) in &seen.leaders {
            let _ = writeln!(record, "{:6.1} s: leads: {leader}", at(when));
        }
        for log in self.logs() {
            let lines: Vec<&str> = log.lines().filter(|line| !line.contains("pod instrumented")).collect();
            let _ = writeln!(record, "…\n{}", lines[lines.len().saturating_sub(25)..].join("\n"));
        }
        record
    }

    /// What each replica has written.
    fn logs(&self) -> impl Iterator<Item = String> {
        (1..=8).filter_map(|number| std::fs::read_to_string(self.folder.join(format!("replica-{number}.log"))).ok())
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
