//! What the webhook answers over HTTP: reviews on one port, probes on another, metrics on a third.

use super::configurations::Configurations;
use super::decision::{Decision, Outcome, decide};
use super::metrics::Metrics;
use super::review::{Request, admit};
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// A pod has at most 1.5 MiB in the API server's store; a review has two of them, and options.
const MAX_BODY: usize = 7 << 20;

/// Reviews that are read at once: what they hold in memory is bounded.
const MAX_AT_ONCE: usize = 64;

/// What answers reviews.
#[derive(Debug)]
pub struct Reviewer {
    configurations: Configurations,
    metrics: Arc<Metrics>,
    deadline: Duration,
    at_once: Semaphore,
}

impl Reviewer {
    /// A reviewer that answers within a deadline.
    pub fn new(configurations: Configurations, metrics: Arc<Metrics>, deadline: Duration) -> Self {
        Reviewer { configurations, metrics, deadline, at_once: Semaphore::new(MAX_AT_ONCE) }
    }

    /// Answers the body of a request.
    ///
    /// # Errors
    /// When it is no review: nothing could be answered that the API server would take.
    pub fn answer(&self, body: &[u8]) -> Result<Vec<u8>, String> {
        let start = Instant::now();
        let request = Request::read(body)?;
        // A defect of ours is no reason to refuse a pod.
        let decision = catch_unwind(AssertUnwindSafe(|| decide(&self.configurations.engine(), &request)))
            .unwrap_or_else(|_| Decision::failed());
        if !request.dry_run {
            log(&request, &decision);
        }
        let warnings = if request.dry_run { Vec::new() } else { decision.warnings() };
        let answer = admit(&request.uid, &decision.patch, &warnings);
        self.metrics.reviewed(decision.outcome, start.elapsed());
        Ok(answer)
    }

    async fn review(&self, body: Body) -> Result<Vec<u8>, (StatusCode, String)> {
        let read = async {
            // It is never closed.
            let _permit = self.at_once.acquire().await.ok();
            let body = to_bytes(body, MAX_BODY).await;
            let body =
                body.map_err(|_| (StatusCode::PAYLOAD_TOO_LARGE, format!("expected at most {MAX_BODY} bytes")))?;
            self.answer(&body).map_err(|message| (StatusCode::BAD_REQUEST, message))
        };
        let late = |_| (StatusCode::REQUEST_TIMEOUT, "the review did not come in time".to_owned());
        timeout(self.deadline, read).await.map_err(late).flatten()
    }
}

fn log(request: &Request<'_>, decision: &Decision) {
    let (namespace, uid) = (&*request.namespace, &*request.uid);
    let selected_by = decision.selected_by.as_deref().unwrap_or_default();
    match decision.outcome {
        Outcome::Injected => tracing::info!(namespace, uid, selected_by, "pod instrumented"),
        Outcome::Carried => tracing::debug!(namespace, uid, "pod instrumented before"),
        Outcome::Skipped(reason) => {
            tracing::debug!(namespace, uid, selected_by, reason = reason.code(), "pod not marked")
        }
        Outcome::Unexpected => tracing::warn!(namespace, uid, "the review is not about the creation of a pod"),
        Outcome::Failed => tracing::error!(namespace, uid, "the review failed; the pod was admitted as it is"),
    }
}

/// The route of reviews.
pub fn reviews(path: &str, reviewer: Arc<Reviewer>) -> Router {
    Router::new().route(path, post(review)).with_state(reviewer)
}

async fn review(State(reviewer): State<Arc<Reviewer>>, body: Body) -> Response {
    match reviewer.review(body).await {
        Ok(answer) => {
            let json = HeaderValue::from_static("application/json");
            ([(header::CONTENT_TYPE, json)], Bytes::from(answer)).into_response()
        }
        Err((status, message)) => {
            reviewer.metrics.refused();
            tracing::warn!(status = status.as_u16(), message, "a request was no review");
            (status, message).into_response()
        }
    }
}

/// Whether the process can do its work: nothing, or what is missing.
pub type Readiness = dyn Fn() -> Result<(), String> + Send + Sync;

/// The routes of the probes: alive, and ready to answer reviews.
pub fn probes(readiness: Arc<Readiness>) -> Router {
    Router::new().route("/healthz", get(|| async { "ok" })).route("/readyz", get(ready)).with_state(readiness)
}

async fn ready(State(readiness): State<Arc<Readiness>>) -> Response {
    match readiness() {
        Ok(()) => "ok".into_response(),
        Err(missing) => (StatusCode::SERVICE_UNAVAILABLE, missing).into_response(),
    }
}

/// The route of the metrics.
pub fn metrics(metrics: Arc<Metrics>) -> Router {
    Router::new().route("/metrics", get(text)).with_state(metrics)
}

async fn text(State(metrics): State<Arc<Metrics>>) -> Response {
    let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], metrics.text()).into_response()
}
