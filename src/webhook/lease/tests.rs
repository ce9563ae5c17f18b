use super::*;
use axum::http::{Method, Request, Response, StatusCode};
use kube::client::Body;
use std::sync::{Arc, Mutex};
use tokio::task::JoinHandle;

const TIMES: Times = Times {
    length: Duration::from_secs(2),
    sure: Duration::from_millis(1_400),
    renew: Duration::from_millis(100),
    look: Duration::from_millis(50),
    patience: Duration::from_millis(300),
};

fn held_by(holder: &str) -> LeaseSpec {
    LeaseSpec { holder_identity: Some(holder.to_owned()), ..LeaseSpec::default() }
}

#[test]
fn what_is_done_depends_on_whose_it_is_and_for_how_long_nobody_has_renewed_it() {
    let step = |found: Option<&LeaseSpec>, same_for| decide(found, "me", same_for, false, &TIMES);
    let just = TIMES.length.saturating_sub(Duration::from_millis(1));
    assert_eq!(step(None, Duration::ZERO), Step::Create);
    assert_eq!(step(Some(&LeaseSpec::default()), Duration::ZERO), Step::Take);
    assert_eq!(step(Some(&held_by("")), Duration::ZERO), Step::Take);
    assert_eq!(step(Some(&held_by("me")), TIMES.length), Step::Renew);
    assert_eq!(step(Some(&held_by("another")), just), Step::Wait);
    assert_eq!(step(Some(&held_by("another")), TIMES.length), Step::Take);
    let due = |holder| decide(Some(&held_by(holder)), "me_1", Duration::ZERO, true, &TIMES);
    assert_eq!(due("another_2"), Step::Succeed);
    assert_eq!((due("another_1"), due("me_1")), (Step::Wait, Step::Renew));
}

#[test]
fn times_of_the_day_are_compared_and_not_believed() {
    let at =
        |second| LeaseSpec { renew_time: Some(MicroTime(Timestamp::from_second(second).unwrap())), ..held_by("it") };
    let (mut watched, now) = (Watched::default(), Instant::now());
    let later = |seconds| now + Duration::from_secs(seconds);
    // Its clock is decades behind, or ahead.
    for (second, seconds, same_for) in [(0, 0, 0), (0, 9, 9), (1, 10, 0), (1, 12, 2), (9_999_999_999, 13, 0)] {
        assert_eq!(watched.see(&at(second), later(seconds)), Duration::from_secs(same_for), "{second}");
    }
}

#[test]
fn a_leader_stops_before_another_may_begin() {
    let Times { length, sure, renew, look, patience } = Times::default();
    assert!(sure + patience < length, "an attempt may be under way when it is sure no more");
    assert!(renew + patience * 2 + patience / 2 < sure, "one that fails is no reason to stop");
    assert!(look < length && patience < sure);
}

/// An API server with one Lease, of which each version can be written once.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    lease: Option<Json>,
    version: u64,
    /// It does not answer.
    dead: bool,
}

impl Server {
    fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request| {
            let server = server.clone();
            async move { Ok::<_, std::convert::Infallible>(server.answer(request).await) }
        });
        Client::new(service, "openlit")
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        if self.0.lock().unwrap().dead {
            std::future::pending::<()>().await;
        }
        let (parts, body) = request.into_parts();
        let body: Json = serde_json::from_slice(&body.collect_bytes().await.unwrap()).unwrap_or_default();
        let (code, answer) = self.0.lock().unwrap().take(&parts.method, &body);
        let body = Body::from(answer.to_string().into_bytes());
        Response::builder().status(code).body(body).unwrap()
    }

    fn holder(&self) -> String {
        let state = self.0.lock().unwrap();
        let lease = state.lease.as_ref().unwrap();
        lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
    }
}

impl State {
    fn take(&mut self, method: &Method, body: &Json) -> (StatusCode, Json) {
        let refused = |code: StatusCode, reason| {
            let status = json!({ "kind": "Status", "status": "Failure", "reason": reason, "code": code.as_u16() });
            (code, status)
        };
        let lease = match (method, self.lease.take()) {
            (&Method::GET, Some(lease)) => {
                self.lease = Some(lease.clone());
                return (StatusCode::OK, lease);
            }
            (&Method::POST, None) => body.clone(),
            (&Method::PATCH, Some(mut lease))
                if body["metadata"]["resourceVersion"] == lease["metadata"]["resourceVersion"] =>
            {
                json_patch::merge(&mut lease, body);
                lease
            }
            (_, None) => return refused(StatusCode::NOT_FOUND, "NotFound"),
            (_, lease) => {
                self.lease = lease;
                return refused(StatusCode::CONFLICT, "Conflict");
            }
        };
        self.version += 1;
        let lease = self.lease.insert(lease);
        lease["metadata"]["resourceVersion"] = json!(self.version.to_string());
        (StatusCode::OK, lease.clone())
    }
}

struct Replica {
    leads: watch::Receiver<bool>,
    ends: watch::Sender<bool>,
    task: JoinHandle<()>,
}

fn replica(server: &Server, identity: &str) -> Replica {
    replica_that(server, identity, false)
}

/// One that waits for what no leader of other settings writes, or does not.
fn replica_that(server: &Server, identity: &str, waits: bool) -> Replica {
    let (told, leads) = watch::channel(false);
    let (ends, ending) = watch::channel(false);
    let succession = Succession::hasty(waits, TIMES.look * 4);
    let candidate = Candidate { lease: "it".to_owned(), identity: identity.to_owned(), succession, times: TIMES };
    let client = server.client();
    let task = tokio::spawn(async move { candidate.run(client, "openlit", told, ending).await });
    Replica { leads, ends, task }
}

impl Replica {
    /// Waits until it leads, or does not; says how long that took.
    async fn until(&mut self, leads: bool) -> Duration {
        let start = Instant::now();
        timeout(Duration::from_secs(20), self.leads.wait_for(|now| *now == leads)).await.unwrap().unwrap();
        start.elapsed()
    }

    fn leads(&self) -> bool {
        *self.leads.borrow()
    }
}

#[tokio::test]
async fn one_of_many_leads_and_goes_on() {
    let server = Server::default();
    let replicas: Vec<Replica> = ["a", "b", "c", "d", "e"].map(|name| replica(&server, name)).into();
    sleep(TIMES.length).await;
    let leader = server.holder();
    for _ in 0..20 {
        sleep(TIMES.renew).await;
        assert_eq!(replicas.iter().filter(|replica| replica.leads()).count(), 1);
    }
    assert_eq!(server.holder(), leader);
    let state = server.0.lock().unwrap();
    assert_eq!(state.lease.as_ref().unwrap()["spec"]["leaseTransitions"], 1);
}

#[tokio::test]
async fn a_leader_that_ends_is_followed_at_once() {
    let server = Server::default();
    let mut first = replica(&server, "first");
    first.until(true).await;
    let mut second = replica(&server, "second");
    sleep(TIMES.look * 3).await;
    assert!(!second.leads());
    first.ends.send(true).unwrap();
    assert!(second.until(true).await < TIMES.length / 2, "it need not wait for the end");
    assert!(!first.leads());
    first.task.await.unwrap();
}

#[tokio::test]
async fn a_leader_that_is_killed_is_waited_for_and_knows_its_lease_again() {
    let server = Server::default();
    let mut first = replica(&server, "first");
    first.until(true).await;
    let mut second = replica(&server, "second");
    sleep(TIMES.look * 3).await;
    first.task.abort();
    let mut again = replica(&server, "first");
    again.until(true).await;
    assert!(!second.leads());
    again.task.abort();
    let took = second.until(true).await;
    assert!(took + TIMES.renew * 2 >= TIMES.length, "{took:?}");
}

#[tokio::test]
async fn who_cannot_renew_stops_before_another_begins() {
    let server = Server::default();
    let mut leader = replica(&server, "leader");
    leader.until(true).await;
    server.0.lock().unwrap().dead = true;
    let took = leader.until(false).await;
    assert!(took < TIMES.length, "{took:?}");
    server.0.lock().unwrap().dead = false;
    leader.until(true).await;
}

#[tokio::test]
async fn who_waits_in_vain_succeeds_a_leader_of_other_settings_alone() {
    let server = Server::default();
    let mut old = replica(&server, "old_1");
    old.until(true).await;
    let same = replica_that(&server, "same_1", true);
    sleep(TIMES.length).await;
    assert!(old.leads() && !same.leads());
    same.task.abort();
    let mut new = replica_that(&server, "new_2", true);
    old.until(false).await;
    assert!(!new.leads(), "the old one might not know yet");
    let took = new.until(true).await;
    assert!(took + TIMES.renew * 2 >= TIMES.sure, "{took:?}");
    assert!(!old.leads());
}
