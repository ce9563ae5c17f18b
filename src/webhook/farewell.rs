//! How a process that is to end sends away who still asks it.
//!
//! API servers keep connections open, and ask the next question where they asked the last. A connection that is closed
//! between two questions may have been given the second one, and that is not asked again anywhere: its pod is refused or
//! missed. So each is answered, and told with the answer that it was the last on this connection.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Version, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use tokio::sync::watch;

/// These routes, with a farewell as soon as the process is to end.
pub fn with_farewell(routes: Router, ends: watch::Receiver<bool>) -> Router {
    routes.layer(from_fn_with_state(ends, answer))
}

async fn answer(State(ends): State<watch::Receiver<bool>>, request: Request, next: Next) -> Response {
    // HTTP/2 has a word of its own for it, which the connection says.
    let old = request.version() < Version::HTTP_2;
    let mut response = next.run(request).await;
    if old && *ends.borrow() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::routing::get;
    use tower::ServiceExt;

    async fn connection(routes: &Router, version: Version) -> Option<HeaderValue> {
        let request = Request::builder().uri("/").version(version).body(Body::empty()).unwrap();
        let response = routes.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        response.headers().get(header::CONNECTION).cloned()
    }

    #[tokio::test]
    async fn who_asks_a_process_that_ends_is_answered_and_sent_away() {
        let ends = watch::Sender::new(false);
        let routes = with_farewell(Router::new().route("/", get(|| async { "ok" })), ends.subscribe());
        assert_eq!(connection(&routes, Version::HTTP_11).await, None);
        ends.send_replace(true);
        assert_eq!(connection(&routes, Version::HTTP_11).await.unwrap(), "close");
        assert_eq!(connection(&routes, Version::HTTP_2).await, None);
    }
}
