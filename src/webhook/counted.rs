//! Counts requests to the API server by their answers, whoever makes them.

use super::metrics::Metrics;
use axum::http::{Request, Response};
use futures::future::BoxFuture;
use kube::client::Body;
use std::task::{Context, Poll};
use tower::Service;

/// A service whose every request is counted.
#[derive(Debug, Clone)]
pub struct Counted<S> {
    /// Who answers.
    pub service: S,
    /// Where it is counted.
    pub metrics: Metrics,
}

impl<S, B> Service<Request<Body>> for Counted<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (method, metrics) = (request.method().clone(), self.metrics.clone());
        let answer = self.service.call(request);
        Box::pin(async move {
            let answer = answer.await;
            metrics.asked(method.as_str(), answer.as_ref().ok().map(|answer| answer.status().as_u16()));
            answer
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tower::ServiceExt;

    #[tokio::test]
    async fn every_request_is_counted_by_its_answer() {
        let metrics = Metrics::default();
        let answers = tower::service_fn(|request: Request<Body>| async move {
            let path = request.uri().path().trim_matches('/').to_owned();
            path.parse::<u16>().map(|status| Response::builder().status(status).body(Body::empty()).unwrap())
        });
        let counted = Counted { service: answers, metrics: metrics.clone() };
        for path in ["/200", "/200", "/409", "/nobody"] {
            let request = Request::get(path).body(Body::empty()).unwrap();
            let _answered = counted.clone().oneshot(request).await;
        }
        let text = metrics.text();
        for line in ["code=\"200\"} 2", "code=\"409\"} 1", "code=\"none\"} 1"] {
            let line = format!("prelit_api_requests_total{{method=\"GET\",{line}");
            assert!(text.contains(&line), "{line} in\n{text}");
        }
    }
}
