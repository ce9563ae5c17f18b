//! What the webhook answers over HTTP: reviews on one port, probes on another, metrics on a third.

use super::configurations::Configurations;
use super::decision::{Decision, Outcome, decide};
use super::events::{Events, Notice, What};
use super::logging::Level;
use super::metrics::Metrics;
use super::review::{Request, admit};
use super::shares::{Share, Shares};
use super::telemetry::spans::Spans;
use super::text::one_line;
use axum::body::{Body, Bytes, HttpBody, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use k8s_openapi::api::core::v1::ObjectReference;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};
use tokio::time::timeout;

/// A pod has at most 1.5 MiB in the API server's store; a review has two of them, and options.
const MAX_BODY: usize = 7 << 20;

/// What all reviews that are under way may hold in memory. They never wait for each other: a peer that says nothing would
/// keep them waiting.
const MEMORY: usize = 64 << 20;

/// What a review takes beside its body, about.
const OVERHEAD: usize = 16 << 10;

/// How much is logged of what a review says: a namespace has at most 63 bytes, and a uid 36. And how much is read of a level,
/// which is a word.
const LONGEST_FIELD: usize = 64;

/// What answers reviews.
#[derive(Debug)]
pub struct Reviewer {
    configurations: Configurations,
    metrics: Metrics,
    events: Events,
    spans: Option<Spans>,
    deadline: Duration,
    memory: Shares,
    begun: Instant,
    /// In which second, from 1, something was last said of what is no review of ours.
    complained: AtomicU64,
}

impl Reviewer {
    /// A reviewer that answers within a deadline.
    pub fn new(configurations: Configurations, metrics: Metrics, events: Events, deadline: Duration) -> Self {
        let (memory, begun, complained) = (Shares::new(MEMORY), Instant::now(), AtomicU64::new(0));
        Reviewer { configurations, metrics, events, spans: None, deadline, memory, begun, complained }
    }

    /// The same, with a span for each review.
    #[must_use]
    pub fn with_spans(self, spans: Option<Spans>) -> Self {
        Reviewer { spans, ..self }
    }

    /// Answers the body of a request, which may name the span that it is part of.
    ///
    /// # Errors
    /// When it is no review: nothing could be answered that the API server would take.
    pub fn answer(&self, body: &[u8], parent: Option<&str>) -> Result<Vec<u8>, String> {
        let (start, began) = (Instant::now(), self.spans.as_ref().map(|_| SystemTime::now()));
        let request = Request::read(body)?;
        // A defect of ours is no reason to refuse a pod.
        let decision = catch_unwind(AssertUnwindSafe(|| decide(&self.configurations.engine(), &request)))
            .unwrap_or_else(|_| Decision::failed());
        if !request.dry_run {
            self.log(&request, &decision);
            self.notice(&request, &decision);
        }
        let warnings = if request.dry_run { Vec::new() } else { decision.warnings() };
        let answer = admit(&request.uid, &decision.patch, &warnings);
        self.metrics.reviewed(decision.outcome, start.elapsed());
        if let (Some(spans), Some(began)) = (&self.spans, began) {
            spans.reviewed(parent, began, &request, &decision);
        }
        Ok(answer)
    }

    /// Tells the pod's owner what `kubectl describe` of it should say: warnings of pods that are created by a
    /// controller reach nobody.
    fn notice(&self, request: &Request<'_>, decision: &Decision) {
        let Some(owner) = &decision.owner else { return };
        for (reason, detail) in &decision.findings {
            let object = ObjectReference {
                api_version: Some(owner.api_version.clone()),
                kind: Some(owner.kind.clone()),
                name: Some(owner.name.clone()),
                namespace: Some(request.namespace.clone().into_owned()),
                uid: Some(owner.uid.clone()),
                ..ObjectReference::default()
            };
            self.events.notice(Notice { object, what: What::Finding(*reason, detail.clone()) });
        }
    }

    fn log(&self, request: &Request<'_>, decision: &Decision) {
        let [namespace, uid] = [&request.namespace, &request.uid].map(|field| one_line(field, LONGEST_FIELD));
        let selected_by = decision.selected_by.as_deref().unwrap_or_default();
        match decision.outcome {
            Outcome::Injected => tracing::info!(namespace, uid, selected_by, "pod instrumented"),
            Outcome::Carried => tracing::debug!(namespace, uid, "pod instrumented before"),
            Outcome::Skipped(reason) => {
                tracing::debug!(namespace, uid, selected_by, reason = reason.code(), "pod not marked");
            }
            Outcome::Unexpected if self.complains() => {
                tracing::warn!(namespace, uid, "the review is not about the creation of a pod");
            }
            Outcome::Failed if self.complains() => {
                tracing::error!(namespace, uid, "the review failed; the pod was admitted as it is");
            }
            Outcome::Unexpected | Outcome::Failed => {}
        }
    }

    /// Whether something is to be said of what strangers can bring about as often as they like: once a second, or it
    /// would fill the log.
    fn complains(&self) -> bool {
        let second = self.begun.elapsed().as_secs() + 1;
        self.complained.swap(second, Ordering::Relaxed) != second
    }

    async fn review(&self, peer: IpAddr, body: Body, parent: Option<&str>) -> Result<Bytes, (StatusCode, String)> {
        let large = || (StatusCode::PAYLOAD_TOO_LARGE, format!("expected at most {MAX_BODY} bytes"));
        // Who does not say how much comes may send all that is allowed.
        let announced = body.size_hint();
        if announced.lower() > MAX_BODY as u64 {
            return Err(large());
        }
        let most = announced.upper().and_then(|most| usize::try_from(most).ok()).unwrap_or(MAX_BODY).min(MAX_BODY);
        let share = self.memory.take(peer, most + OVERHEAD);
        let share = share.ok_or_else(|| (StatusCode::SERVICE_UNAVAILABLE, "too much at once".to_owned()))?;
        let read = async {
            let body = to_bytes(body, most).await.map_err(|_| large())?;
            self.answer(&body, parent).map_err(|message| (StatusCode::BAD_REQUEST, message))
        };
        let late = |_| (StatusCode::REQUEST_TIMEOUT, "the review did not come in time".to_owned());
        let answer = timeout(self.deadline, read).await.map_err(late).flatten()?;
        Ok(Bytes::from_owner(Held { answer, _share: share }))
    }
}

/// An answer that counts as memory that is held until the peer has taken it.
struct Held {
    answer: Vec<u8>,
    _share: Share,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.answer
    }
}

/// The route of reviews.
pub fn reviews(path: &str, reviewer: Arc<Reviewer>) -> Router {
    Router::new().route(path, post(review)).with_state(reviewer)
}

async fn review(
    State(reviewer): State<Arc<Reviewer>>,
    Extension(Peer(peer)): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let parent = headers.get("traceparent").and_then(|value| value.to_str().ok());
    match reviewer.review(peer.ip(), body, parent).await {
        Ok(answer) => {
            let json = HeaderValue::from_static("application/json");
            ([(header::CONTENT_TYPE, json)], answer).into_response()
        }
        Err((status, message)) => {
            reviewer.metrics.refused();
            if reviewer.complains() {
                tracing::warn!(status = status.as_u16(), cause = message, %peer, "a request was no review");
            }
            (status, message).into_response()
        }
    }
}

/// Whether the process can do its work: nothing, or what is missing.
pub type Readiness = dyn Fn() -> Result<(), String> + Send + Sync;

/// Where a connection comes from; the server puts it into every request.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// The routes of the probes, alive and ready to answer reviews, and of the level of logs: `GET` and `PUT /loglevel`,
/// for whoever is in the pod.
pub fn probes(readiness: Arc<Readiness>, level: Level) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .with_state(readiness)
        .route("/loglevel", get(tell_level).put(change_level).with_state(level))
}

async fn ready(State(readiness): State<Arc<Readiness>>) -> Response {
    match readiness() {
        Ok(()) => "ok".into_response(),
        Err(missing) => (StatusCode::SERVICE_UNAVAILABLE, missing).into_response(),
    }
}

async fn tell_level(State(level): State<Level>) -> String {
    level.word()
}

async fn change_level(State(level): State<Level>, Extension(Peer(peer)): Extension<Peer>, body: Body) -> Response {
    // Before anything of it is read: every pod of the cluster can send one.
    if !peer.ip().to_canonical().is_loopback() {
        return (StatusCode::FORBIDDEN, "expected a request from within the pod").into_response();
    }
    let word = to_bytes(body, LONGEST_FIELD).await.unwrap_or_default();
    match level.change(&String::from_utf8_lossy(&word)) {
        Ok(()) => level.word().into_response(),
        Err(message) => (StatusCode::BAD_REQUEST, message).into_response(),
    }
}

/// The route of the metrics.
pub fn metrics(metrics: Metrics) -> Router {
    Router::new().route("/metrics", get(text)).with_state(metrics)
}

async fn text(State(metrics): State<Metrics>) -> Response {
    let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], metrics.text()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::settings::Settings;
    use axum::http::Request as HttpRequest;
    use serde_json::{Value as Json, json};
    use tower::ServiceExt;

    fn reviewer() -> Arc<Reviewer> {
        let configurations = Configurations::new(&Settings::default());
        let metrics = Metrics::default();
        let (events, _) = Events::new(metrics.clone());
        Arc::new(Reviewer::new(configurations, metrics, events, Duration::from_millis(200)))
    }

    async fn send(routes: Router, method: &str, path: &str, peer: &str, body: Body) -> (u16, String) {
        let request = HttpRequest::builder().method(method).uri(path).body(body).unwrap();
        let routes = routes.layer(Extension(Peer(peer.parse().unwrap())));
        let response = routes.oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    fn review(dry_run: bool, image: &str) -> Body {
        Body::from(
            json!({
                "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
                "request": {
                    "uid": "u", "kind": {"group": "", "version": "v1", "kind": "Pod"},
                    "resource": {"group": "", "version": "v1", "resource": "pods"},
                    "namespace": "prod", "operation": "CREATE", "dryRun": dry_run,
                    "object": {
                        "metadata": {"name": "a", "labels": {"openlit.io/instrument": "true"}},
                        "spec": {"containers": [{"name": "app", "image": image}]},
                    },
                },
            })
            .to_string(),
        )
    }

    const INSIDE: &str = "127.0.0.1:5";

    #[tokio::test]
    async fn a_review_is_answered_and_counted() {
        let reviewer = reviewer();
        let routes = reviews("/mutate", Arc::clone(&reviewer));
        let (status, body) = send(routes.clone(), "POST", "/mutate", INSIDE, review(false, "python:3.11")).await;
        let answer: Json = serde_json::from_str(&body).unwrap();
        assert_eq!((status, &answer["response"]["patchType"]), (200, &json!("JSONPatch")));
        assert!(reviewer.metrics.text().contains("prelit_reviews_total{outcome=\"injected\",reason=\"\"} 1"));
        assert_eq!(send(routes.clone(), "GET", "/mutate", INSIDE, Body::empty()).await.0, 405);
        assert_eq!(send(routes, "POST", "/other", INSIDE, Body::empty()).await.0, 404);
    }

    #[tokio::test]
    async fn a_dry_run_gets_the_patch_and_no_warning() {
        let routes = reviews("/mutate", reviewer());
        for (dry_run, warnings) in [(false, 1), (true, 0)] {
            let (_, body) = send(routes.clone(), "POST", "/mutate", INSIDE, review(dry_run, "python:3.13")).await;
            let answer: Json = serde_json::from_str(&body).unwrap();
            assert_eq!(answer["response"]["warnings"].as_array().map_or(0, Vec::len), warnings, "{body}");
        }
    }

    #[tokio::test]
    async fn what_is_no_review_is_refused() {
        let reviewer = reviewer();
        let routes = reviews("/mutate", Arc::clone(&reviewer));
        assert_eq!(send(routes.clone(), "POST", "/mutate", INSIDE, Body::from("s3cret")).await.0, 400);
        let large = Body::from(vec![b' '; MAX_BODY + 1]);
        assert_eq!(send(routes.clone(), "POST", "/mutate", INSIDE, large).await.0, 413);
        let never = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
        assert_eq!(send(routes, "POST", "/mutate", INSIDE, never).await.0, 408);
        assert!(reviewer.metrics.text().contains("prelit_requests_refused_total 3"));
    }

    #[tokio::test]
    async fn who_sends_nothing_keeps_nobody_waiting() {
        let routes = reviews("/mutate", reviewer());
        let never = || Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
        let mut hostile: Vec<_> =
            (0..4).map(|_| Box::pin(send(routes.clone(), "POST", "/mutate", "10.0.0.1:5", never()))).collect();
        for request in &mut hostile {
            assert!(futures::poll!(request.as_mut()).is_pending());
        }
        assert_eq!(send(routes.clone(), "POST", "/mutate", "10.0.0.1:6", never()).await.0, 503);
        let good = send(routes.clone(), "POST", "/mutate", "10.0.0.2:5", review(false, "python:3.11"));
        assert_eq!(good.await.0, 200);
        assert_eq!(hostile.pop().unwrap().await.0, 408);
        drop(hostile);
        assert_eq!(send(routes, "POST", "/mutate", "10.0.0.1:6", never()).await.0, 408);
    }

    #[tokio::test]
    async fn an_answer_is_held_against_its_peer_until_it_is_taken() {
        let reviewer = reviewer();
        let peer = IpAddr::from([10, 0, 0, 1]);
        let answer = reviewer.review(peer, review(false, "python:3.11"), None).await.unwrap();
        let all = MEMORY / 2;
        assert!(reviewer.memory.take(peer, all).is_none());
        drop(answer);
        assert!(reviewer.memory.take(peer, all).is_some());
    }

    #[tokio::test]
    async fn probes_say_what_is_missing_and_levels_are_changed_from_within_only() {
        let level = Level::begin(crate::api::settings::LogLevel::Info);
        let ready = probes(Arc::new(|| Ok(())), level.clone());
        let missing = probes(Arc::new(|| Err("no certificate".to_owned())), level);
        assert_eq!(send(ready.clone(), "GET", "/readyz", INSIDE, Body::empty()).await, (200, "ok".to_owned()));
        assert_eq!(
            send(missing.clone(), "GET", "/readyz", INSIDE, Body::empty()).await,
            (503, "no certificate".to_owned())
        );
        assert_eq!(send(missing, "GET", "/healthz", INSIDE, Body::empty()).await.0, 200);
        assert_eq!(send(ready.clone(), "PUT", "/loglevel", "10.0.0.7:5", Body::from("debug")).await.0, 403);
        let never = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
        let refused = timeout(Duration::from_secs(5), send(ready.clone(), "PUT", "/loglevel", "10.0.0.7:5", never));
        assert_eq!(refused.await.unwrap().0, 403, "nothing is kept of what a stranger sends");
        for word in ["loud", "", "3", "off", &(" ".repeat(1 << 10) + "warn")] {
            let word = Body::from(word.to_owned());
            assert_eq!(send(ready.clone(), "PUT", "/loglevel", INSIDE, word).await.0, 400);
        }
        assert_eq!(send(ready, "PUT", "/loglevel", "[::1]:5", Body::from("warn")).await, (200, "warn".to_owned()));
    }
}
