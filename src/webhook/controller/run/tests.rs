use super::*;
use crate::api::resource::PodCounts;
use crate::webhook::controller::testing::{pod, resource};
use crate::webhook::events::What;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, patch};
use serde_json::{Value as Json, json};
use std::sync::Mutex;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

/// An API server that has pods, and resources whose statuses can be written, as the watch of resources then shows.
#[derive(Clone)]
struct Server {
    resources: watch::Sender<Resources>,
    /// What was asked for: paths, and queries.
    asked: Arc<Mutex<Vec<String>>>,
    /// How many writes are answered that the resource has another version; each time, it gets one.
    conflicts: Arc<Mutex<usize>>,
}

impl Server {
    fn new(found: Vec<Found>) -> Server {
        let contents =
            found.iter().filter_map(|found| Some((found.content.clone().map(Arc::unwrap_or_clone).ok()?, false)));
        let engine = Arc::new(Engine::new(contents, &Settings::default(), None));
        let found = found.into_iter().map(Arc::new).collect();
        let (resources, _) = watch::channel(Resources { engine, found, synced: true });
        Server { resources, asked: Arc::default(), conflicts: Arc::default() }
    }

    fn routes(&self) -> Router {
        let status = "/apis/openlit.io/v1alpha1/namespaces/{namespace}/autoinstrumentations/{name}/status";
        Router::new().route(status, patch(write)).fallback(any(pods)).with_state(self.clone())
    }

    fn controller(&self, watch_namespaces: &[&str]) -> (Controller, mpsc::Receiver<Notice>) {
        let mut settings = Settings::default();
        settings.webhook.watch_namespaces = watch_namespaces.iter().map(|one| (*one).to_owned()).collect();
        let (events, notices) = Events::new(Metrics::default());
        let controller = Controller {
            client: Client::new(self.routes(), "default"),
            settings,
            field_manager: "prelit".to_owned(),
            resources: self.resources.subscribe(),
            events,
            metrics: Metrics::default(),
        };
        (controller, notices)
    }

    fn asked(&self, part: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| asked.contains(part)).count()
    }

    fn status(&self, name: &str) -> Option<Status> {
        let resources = self.resources.borrow();
        resources.found.iter().find(|found| found.id.1 == name).unwrap().status.clone()
    }

    /// Changes a resource as anybody may; each time it has another version.
    fn change(&self, name: &str, change: impl Fn(&mut Found)) -> String {
        let mut version = String::new();
        self.resources.send_modify(|resources| {
            let changed = resources.found.iter().map(|found| {
                if found.id.1 != name {
                    return Arc::clone(found);
                }
                let mut found = Found::clone(found);
                found.version = format!("{}1", found.version);
                version.clone_from(&found.version);
                change(&mut found);
                Arc::new(found)
            });
            resources.found = changed.collect();
        });
        version
    }
}

async fn pods(State(server): State<Server>, uri: Uri) -> Response {
    server.asked.lock().unwrap().push(uri.to_string());
    if !uri.path().ends_with("/pods") {
        return StatusCode::NOT_FOUND.into_response();
    }
    if uri.query().is_some_and(|query| query.contains("watch=true")) {
        return Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>()).into_response();
    }
    let items = [pod("prod", "1", &json!({"app": "a"}), None), pod("prod", "2", &json!({"app": "a"}), Some("old"))];
    let list = json!({
        "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList",
        "metadata": {"resourceVersion": "1"}, "items": items,
    });
    Body::from(list.to_string()).into_response()
}

async fn write(
    State(server): State<Server>,
    Path((_, name)): Path<(String, String)>,
    uri: Uri,
    body: Bytes,
) -> Response {
    server.asked.lock().unwrap().push(uri.to_string());
    let patch: Json = serde_json::from_slice(&body).unwrap();
    let failure = |code: u16, reason: &str| {
        let status = json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": "no"});
        (StatusCode::from_u16(code).unwrap(), status.to_string()).into_response()
    };
    let mut conflicts = server.conflicts.lock().unwrap();
    if *conflicts > 0 {
        *conflicts -= 1;
        server.change(&name, |_| {});
        return failure(409, "Conflict");
    }
    let version = server.resources.borrow().found.iter().find(|found| found.id.1 == name).unwrap().version.clone();
    if patch["metadata"]["resourceVersion"] != *version {
        return failure(409, "Conflict");
    }
    let mut status = patch["status"].clone();
    status.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    let status: Status = serde_json::from_value(status).unwrap();
    let version = server.change(&name, |found| found.status = Some(status.clone()));
    let object = json!({
        "apiVersion": "openlit.io/v1alpha1", "kind": "AutoInstrumentation",
        "metadata": {"name": name, "namespace": "prod", "resourceVersion": version},
    });
    Body::from(object.to_string()).into_response()
}

async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let wait = async {
        while !is() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(20), wait).await.expect(what);
}

fn counts(matching: i32, outdated: i32, missing: i32) -> PodCounts {
    PodCounts { matching, instrumented: 0, outdated, missing }
}

#[tokio::test]
async fn the_leader_writes_what_is_so_once() {
    let server = Server::new(vec![
        resource("prod", "a", &json!({})),
        resource("prod", "broken", &json!({"otlp": {"endpoint": "not a URL"}})),
    ]);
    let (controller, mut notices) = server.controller(&[]);
    let (leads, listens) = watch::channel(false);
    let task = tokio::spawn(controller.run(listens));
    sleep(SOON * 2).await;
    assert_eq!(server.asked("/"), 0, "who does not lead asks for nothing");

    leads.send_replace(true);
    until("the count", || server.status("a").is_some_and(|status| status.pods == Some(counts(2, 1, 1)))).await;
    until("the other", || server.status("broken").is_some_and(|status| status.pods == Some(counts(0, 0, 0)))).await;
    let broken = server.status("broken").unwrap();
    assert!(broken.validation_errors[0].contains("spec.otlp.endpoint"), "{broken:?}");
    let mut said = Vec::new();
    for _ in 0..2 {
        let Notice { object, what } = notices.recv().await.unwrap();
        let What::Standing { reason, warns, .. } = what else { panic!("{what:?}") };
        said.push((object.name.unwrap(), object.kind.unwrap(), reason, warns));
    }
    said.sort();
    let kind = || names::KIND.to_owned();
    assert_eq!(said, [("a".into(), kind(), "Ready", false), ("broken".into(), kind(), "Invalid", true)]);
    assert_eq!(server.asked("fieldManager=prelit"), 2, "once each");
    assert!(server.asked("fieldSelector=status.phase") > 0, "pods that have ended are not asked for");

    // What was written comes back by the watch, and brings nothing, even when it is time to count again.
    sleep(BETWEEN_COUNTS + SOON * 2).await;
    assert_eq!((server.asked("/status"), notices.try_recv().is_err()), (2, true));

    // Who leads no more, is silent.
    leads.send_replace(false);
    sleep(SOON).await;
    server.change("a", |found| found.generation = Some(2));
    sleep(SOON * 3).await;
    assert_eq!(server.asked("/status"), 2);
    leads.send_replace(true);
    until("the generation", || server.status("a").is_some_and(|status| status.observed_generation == Some(2))).await;
    drop(leads);
    timeout(Duration::from_secs(5), task).await.expect("the end").unwrap();
}

#[tokio::test]
async fn a_version_that_another_changed_is_looked_at_again() {
    let server = Server::new(vec![resource("prod", "a", &json!({}))]);
    *server.conflicts.lock().unwrap() = 2;
    let (controller, _notices) = server.controller(&[]);
    let (_leads, listens) = watch::channel(true);
    let task = tokio::spawn(controller.run(listens));
    until("the status", || server.status("a").is_some()).await;
    assert_eq!(server.asked("/status"), 3);
    task.abort();
}

#[tokio::test]
async fn the_status_of_what_is_only_read_is_left_alone() {
    let server = Server::new(vec![resource("prod", "a", &json!({})), resource("openlit", "global", &json!({}))]);
    let (controller, _notices) = server.controller(&["prod", "test"]);
    let (_leads, listens) = watch::channel(true);
    let task = tokio::spawn(controller.run(listens));
    until("the status", || server.status("a").is_some()).await;
    sleep(SOON * 2).await;
    assert_eq!(server.status("global"), None);
    for (path, asked) in [("/namespaces/prod/pods", true), ("/namespaces/test/pods", true), ("/api/v1/pods", false)] {
        assert_eq!(server.asked(path) > 0, asked, "{path}");
    }
    task.abort();
}

#[tokio::test]
async fn until_all_resources_are_known_nothing_is_written() {
    let server = Server::new(vec![resource("prod", "a", &json!({}))]);
    server.resources.send_modify(|resources| resources.synced = false);
    let (controller, _notices) = server.controller(&[]);
    let (_leads, listens) = watch::channel(true);
    let task = tokio::spawn(controller.run(listens));
    sleep(SOON * 4).await;
    assert_eq!(server.status("a"), None);
    server.resources.send_modify(|resources| resources.synced = true);
    until("the status", || server.status("a").is_some()).await;
    task.abort();
}

#[tokio::test]
async fn many_are_counted_and_written_once_each() {
    const MANY: usize = 2 * WRITTEN_AT_ONCE + 1;
    let server = Server::new((0..MANY).map(|index| resource("prod", &format!("a{index}"), &json!({}))).collect());
    let (controller, _notices) = server.controller(&[]);
    let (_leads, listens) = watch::channel(true);
    let task = tokio::spawn(controller.run(listens));
    let counted = |found: &Arc<Found>| found.status.as_ref().is_some_and(|status| status.pods.is_some());
    until("all", || server.resources.borrow().found.iter().all(counted)).await;
    assert_eq!(server.asked("/status"), MANY);
    task.abort();
}
