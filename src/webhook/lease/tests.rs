use super::*;
use axum::body::Body as Answer;
use axum::http::{Response, StatusCode};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value as Json, json};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use tokio::time::timeout;

/// What an API server knows of one Lease.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    lease: Option<Json>,
    /// When it was written; nobody else does.
    renewed: Vec<Instant>,
    /// How many requests have failed.
    failed: usize,
    ailment: Ailment,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum Ailment {
    #[default]
    None,
    Fails,
    Hangs,
}

impl Server {
    fn client(&self) -> Client {
        let server = self.clone();
        Client::new(service_fn(move |request| server.clone().answer(request)), "openlit")
    }

    async fn answer(self, request: Request<Body>) -> Result<Response<Answer>, Infallible> {
        let ailment = self.0.lock().unwrap().ailment;
        if ailment == Ailment::Hangs {
            std::future::pending::<()>().await;
        }
        let (head, body) = request.into_parts();
        let body: Json = serde_json::from_slice(&body.collect_bytes().await.unwrap()).unwrap_or_default();
        let mut state = self.0.lock().unwrap();
        let (code, answer) = match (ailment, head.method) {
            (Ailment::Fails, _) => {
                state.failed += 1;
                (500, None)
            }
            (_, Method::POST) => {
                state.lease = Some(body);
                (201, state.lease.clone())
            }
            (_, Method::PATCH) if state.lease.is_some() => {
                state.renewed.push(Instant::now());
                let lease = state.lease.as_mut().unwrap();
                for (key, value) in body["spec"].as_object().unwrap() {
                    lease["spec"][key] = value.clone();
                }
                (200, state.lease.clone())
            }
            (..) if state.lease.is_some() => (200, state.lease.clone()),
            (..) => (404, None),
        };
        let failure = || json!({"kind": "Status", "status": "Failure", "code": code, "reason": "X", "message": "no"});
        let answer = answer.unwrap_or_else(failure).to_string();
        Ok(Response::builder().status(StatusCode::from_u16(code).unwrap()).body(Answer::from(answer)).unwrap())
    }

    fn ails(&self, ailment: Ailment) {
        self.0.lock().unwrap().ailment = ailment;
    }

    fn last(&self) -> Instant {
        *self.0.lock().unwrap().renewed.last().unwrap()
    }

    fn spec(&self, key: &str) -> Json {
        self.0.lock().unwrap().lease.as_ref().map_or(Json::Null, |lease| lease["spec"][key].clone())
    }

    /// A replica that leads.
    async fn leader(&self) -> watch::Receiver<bool> {
        let (sender, mut leads) = watch::channel(false);
        let (namespace, name, identity) = ("openlit".to_owned(), "lease".to_owned(), "a".to_owned());
        let claim = Claim { namespace, name, identity, times: SHORT };
        let client = self.client();
        tokio::spawn(async move { claim.lead(client, sender).await });
        turns(&mut leads, true).await;
        leads
    }
}

/// Who keeps a Lease goes by the clock of the machine, which cannot be stopped.
const SHORT: Times =
    Times { duration: Duration::from_secs(4), grace: Duration::from_secs(3), retry: Duration::from_millis(100) };

async fn turns(leads: &mut watch::Receiver<bool>, wanted: bool) {
    timeout(Duration::from_secs(30), leads.wait_for(|leads| *leads == wanted)).await.expect("a turn").unwrap();
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..3_000 {
        if holds() {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("not within half a minute: {what}");
}

#[tokio::test]
async fn a_leader_renews_and_gives_back() {
    let server = Server::default();
    let mut leads = server.leader().await;
    assert!(timeout(2 * SHORT.duration, leads.changed()).await.is_err(), "it goes on");
    assert!(server.last().elapsed() < SHORT.duration);
    drop(leads);
    until("it is given back", || server.spec("holderIdentity").is_null()).await;
}

#[tokio::test]
async fn a_renewal_that_fails_is_tried_again_while_the_lease_holds() {
    let server = Server::default();
    let mut leads = server.leader().await;
    server.ails(Ailment::Fails);
    until("it was tried", || server.0.lock().unwrap().failed > 1).await;
    server.ails(Ailment::None);
    assert!(timeout(2 * SHORT.duration, leads.changed()).await.is_err(), "nobody hears of it");
    assert!(*leads.borrow() && server.last().elapsed() < SHORT.duration);
}

#[tokio::test]
async fn who_cannot_renew_leads_until_the_lease_ends_and_no_longer() {
    for ailment in [Ailment::Fails, Ailment::Hangs] {
        let server = Server::default();
        let mut leads = server.leader().await;
        server.ails(ailment);
        turns(&mut leads, false).await;
        let led = server.last().elapsed();
        let close = Duration::from_millis(500);
        assert!(led + close > SHORT.duration && led < SHORT.duration + close, "{ailment:?} {led:?}");
        server.ails(Ailment::None);
        if ailment == Ailment::Fails {
            turns(&mut leads, true).await;
        }
    }
}

#[tokio::test]
async fn a_lease_that_was_deleted_is_made_anew() {
    let server = Server::default();
    let mut leads = server.leader().await;
    server.0.lock().unwrap().lease = None;
    until("it is there again", || server.spec("holderIdentity") == "a").await;
    turns(&mut leads, true).await;
}

#[tokio::test]
async fn a_lease_that_another_has_taken_is_led_by_no_more() {
    let server = Server::default();
    let mut leads = server.leader().await;
    server.0.lock().unwrap().lease.as_mut().unwrap()["spec"]["holderIdentity"] = "b".into();
    turns(&mut leads, false).await;
    assert_eq!(server.spec("holderIdentity"), "b");
}

/// The process was started anew in its pod, which is its name.
#[tokio::test]
async fn a_lease_that_is_found_held_is_led_by_at_once() {
    let server = Server::default();
    drop(server.leader().await);
    until("it is given back", || server.spec("holderIdentity").is_null()).await;
    let renewed = MicroTime(Timestamp::now());
    server.0.lock().unwrap().lease.as_mut().unwrap()["spec"] =
        json!({ "holderIdentity": "a", "renewTime": renewed, "leaseDurationSeconds": SHORT.duration.as_secs() });
    let start = Instant::now();
    let _leads = server.leader().await;
    assert!(start.elapsed() < SHORT.duration - SHORT.grace, "{:?}", start.elapsed());
}
