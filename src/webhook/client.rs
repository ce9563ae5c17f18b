//! The client of the API server. Every request is counted, whoever makes it.

use super::metrics::Metrics;
use futures::future::BoxFuture;
use hyper::{Request, Response};
use kube::client::{Body, ClientBuilder};
use kube::{Client, Config, Error};
use std::task::{Context, Poll};
use tower::Service;
use tower::layer::layer_fn;

/// A client as configured.
///
/// # Errors
/// A configuration that cannot be used.
pub fn client(config: Config, metrics: Metrics) -> Result<Client, Error> {
    let counted = layer_fn(move |service| Counted { service, metrics: metrics.clone() });
    Ok(ClientBuilder::try_from(config)?.with_layer(&counted).build())
}

#[derive(Debug, Clone)]
struct Counted<S> {
    service: S,
    metrics: Metrics,
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
