use super::*;
use axum::body::{Body as Answer, Bytes};
use axum::http::{Response, StatusCode};
use futures::stream;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::PostParams;
use kube::runtime::utils::StreamBackoff;
use serde_json::{Value as Json, json};
use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tower::service_fn;

#[tokio::test(start_paused = true)]
async fn a_watch_is_tried_again_within_seconds_however_long_it_failed() {
    let mut pauses = Pauses::default();
    let mut waits = Vec::new();
    for _ in 0..9 {
        let pause = pauses.next().unwrap();
        waits.push(pause.as_millis());
        tokio::time::sleep(pause).await;
    }
    assert_eq!(waits, [100, 200, 400, 800, 1600, 3000, 3000, 3000, 3000]);
    tokio::time::sleep(PEACE).await;
    assert_eq!(pauses.next(), Some(FIRST_PAUSE));
    let of_one = Pauses::up_to(LONGEST_PAUSE_OF_ONE).take(9);
    assert_eq!(of_one.last(), Some(LONGEST_PAUSE_OF_ONE));
}

#[tokio::test(start_paused = true)]
async fn what_says_that_it_begins_each_time_and_fails_is_not_asked_ten_times_a_second() {
    let fails = stream::iter((0..).map(|turn| if turn % 2 == 0 { Ok(()) } else { Err(()) }));
    let start = Instant::now();
    let failed = StreamBackoff::new(fails, Pauses::default()).filter(|turn| ready(turn.is_err())).take(21);
    assert_eq!(failed.count().await, 21);
    assert!(start.elapsed() > 15 * LONGEST_PAUSE, "{:?}", start.elapsed());
}

/// A client whose every request is answered in this way, behind the same layer as those of the real one.
fn answered<F, R>(answer: F) -> Client
where
    F: Fn(Request<Body>) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Response<Answer>, Infallible>> + Send + 'static,
{
    let answer = Arc::new(answer);
    Client::new(Timely(service_fn(move |request| answer(request))), "default")
}

/// Who reads the log is to see what to mend: the address, the name, the network.
#[tokio::test]
async fn why_nobody_answers_is_told_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = client(Config::new(url.parse().unwrap()), &Metrics::default()).unwrap();
    let said = told(&client.apiserver_version().await.unwrap_err());
    assert!(said.contains("Connection refused"), "{said}");
    assert_eq!(said.matches("client error (Connect)").count(), 1, "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_lost_is_not_waited_for() {
    let api: Api<ConfigMap> = Api::default_namespaced(answered(|_| std::future::pending()));
    let start = Instant::now();
    let (params, object) = (PostParams::default(), ConfigMap::default());
    let error = timeout(3 * WRITE, api.replace("a", &params, &object)).await.expect("an end").unwrap_err();
    assert_eq!((told(&error).as_str(), start.elapsed()), ("ServiceError: no answer within 10 s", WRITE));
    let list = timeout(2 * WRITE, api.list(&kube::api::ListParams::default())).await;
    assert!(list.is_err(), "a large list may take longer");
}

fn list(items: &Json) -> Answer {
    let list = json!({
        "apiVersion": "v1", "kind": "ConfigMapList", "metadata": { "resourceVersion": "1" }, "items": items,
    });
    Answer::from(list.to_string())
}

fn config_map(version: &str) -> Json {
    json!({ "metadata": { "name": "a", "namespace": "default", "resourceVersion": version } })
}

/// The first watch is silent for ever, as behind a load balancer that has forgotten it; the second tells of a change.
#[tokio::test(start_paused = true)]
async fn a_watch_that_is_dead_is_seen_within_seconds_of_its_end() {
    let watches = Arc::new(Mutex::new(Vec::new()));
    let asked = Arc::clone(&watches);
    let client = answered(move |request| {
        let query = request.uri().query().unwrap_or_default().to_owned();
        if !query.contains("watch=true") {
            return ready(Ok(Response::new(list(&json!([config_map("1")])))));
        }
        let mut watches = asked.lock().unwrap();
        watches.push(query);
        let change = json!({ "type": "MODIFIED", "object": config_map("2") });
        let change = if watches.len() == 1 { String::new() } else { format!("{change}\n") };
        let silent = stream::iter([Ok::<_, Infallible>(Bytes::from(change))]).chain(stream::pending());
        ready(Ok(Response::new(Answer::from_stream(silent))))
    });
    let mut seen = pin!(watch_object(Api::<ConfigMap>::default_namespaced(client), "a"));
    let start = Instant::now();
    assert!(seen.next().await.unwrap().unwrap().is_some());
    let changed = seen.next().await.unwrap().unwrap().unwrap();
    assert_eq!(changed.metadata.resource_version.as_deref(), Some("2"));
    assert!(start.elapsed() < Duration::from_secs(70), "{:?}", start.elapsed());
    assert!(watches.lock().unwrap()[0].contains("timeoutSeconds=60"), "{watches:?}");
}

#[tokio::test]
async fn an_object_is_what_the_last_list_or_event_says() {
    let lists = Arc::new(Mutex::new(vec![json!([]), json!([config_map("3")])]));
    let client = answered(move |request| {
        if !request.uri().query().unwrap_or_default().contains("watch=true") {
            let items = lists.lock().unwrap().pop().unwrap();
            return ready(Ok(Response::new(list(&items))));
        }
        let event = |kind: &str, version: &str| json!({ "type": kind, "object": config_map(version) }).to_string();
        let gone =
            json!({ "type": "ERROR", "object": { "code": 410, "status": "Failure", "message": "", "reason": "" } });
        let events = [event("MODIFIED", "4"), event("DELETED", "5"), event("ADDED", "6"), gone.to_string()];
        ready(Ok(Response::new(Answer::from(events.join("\n") + "\n"))))
    });
    let seen = watch_object(Api::<ConfigMap>::default_namespaced(client), "a").filter_map(|one| ready(one.ok()));
    let version = |object: Option<ConfigMap>| object.and_then(|object| object.metadata.resource_version);
    let versions: Vec<_> = seen.map(version).take(5).collect().await;
    assert_eq!(
        versions.iter().map(Option::as_deref).collect::<Vec<_>>(),
        [Some("3"), Some("4"), None, Some("6"), None]
    );
}

/// Over a real connection: the head of an answer comes, and then nothing more.
#[tokio::test]
async fn an_answer_that_stands_still_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_u8().await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{").await.unwrap();
        std::future::pending::<()>().await;
    });
    let client =
        client_in_haste(Config::new(url.parse().unwrap()), Duration::from_millis(200), &Metrics::default()).unwrap();
    let read = timeout(Duration::from_secs(30), Api::<ConfigMap>::default_namespaced(client).get("a")).await;
    assert!(read.expect("an end").is_err());
    server.abort();
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_not_shown() {
    let client = answered(|_| ready(Ok(Response::new(list(&json!([{ "data": "s3cret" }]))))));
    let mut seen = pin!(watch_object(Api::<Secret>::default_namespaced(client), "a"));
    let error = seen.next().await.unwrap().unwrap_err();
    assert!(error.to_string().contains("s3cret"), "else this is no test: {error}");
    assert_eq!(told(&error), "an answer of the API server cannot be read");
    let refused = answered(|_| {
        let status =
            json!({ "kind": "Status", "code": 403, "reason": "Forbidden", "message": "no", "status": "Failure" });
        let refused = Response::builder().status(StatusCode::FORBIDDEN).body(Answer::from(status.to_string()));
        ready(Ok(refused.unwrap()))
    });
    let error = Api::<Secret>::default_namespaced(refused).get("a").await.unwrap_err();
    assert!(told(&error).contains("no"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_keeps_its_version_for_itself_answers_all_the_same() {
    let refusals = Arc::new(Mutex::new(vec![403, 429, 503]));
    let left = Arc::clone(&refusals);
    let client = answered(move |_| {
        let code = left.lock().unwrap().pop().unwrap();
        let status = json!({ "kind": "Status", "code": code, "reason": "X", "message": "no", "status": "Failure" });
        ready(Ok(Response::builder().status(code).body(Answer::from(status.to_string())).unwrap()))
    });
    timeout(Duration::from_secs(60), answers(&client)).await.expect("403 is an answer");
    assert!(refusals.lock().unwrap().is_empty(), "429 and 503 are none");
}
