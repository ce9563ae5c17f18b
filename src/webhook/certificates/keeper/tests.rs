//! The task against an API server that knows one Secret: lists, watches, versions, conflicts. The real one is asked in
//! the tests of the cluster.

use super::super::material::tests::{service, written};
use super::super::report::tests::codes;
use super::*;
use crate::webhook::certificates::authority::Authority;
use crate::webhook::events::{Events, Notice};
use crate::webhook::logging::tests::Lines;
use axum::http::{Method, Request, Response, StatusCode};
use futures::stream;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::client::Body;
use serde_json::{Value as Json, json};
use std::sync::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::level_filters::LevelFilter;

/// A life in which rotations take a second.
const POLICY: Policy = Policy { validity: time::Duration::HOUR, refresh: time::Duration::seconds(2) };

#[derive(Default)]
struct Server {
    secret: Option<Json>,
    version: u64,
    events: Vec<Json>,
    writes: Vec<String>,
    /// How many writes are refused before one succeeds, and how.
    refuse: Vec<StatusCode>,
}

impl Server {
    fn put(&mut self, secret: Option<Json>) {
        self.version += 1;
        let kind = match (&self.secret, &secret) {
            (None, _) => "ADDED",
            (_, Some(_)) => "MODIFIED",
            (_, None) => "DELETED",
        };
        let before = self.secret.take();
        self.secret = secret;
        if let Some(secret) = &mut self.secret {
            secret["metadata"]["resourceVersion"] = json!(self.version.to_string());
        }
        if let Some(object) = self.secret.clone().or(before) {
            self.events.push(json!({"type": kind, "object": object}));
        }
    }

    fn write(&mut self, method: &Method, body: &[u8]) -> (StatusCode, Json) {
        let object: Json = serde_json::from_slice(body).unwrap_or_default();
        self.writes.push(method.to_string());
        let refused = |code: StatusCode| {
            let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "X",
                "message": "refused", "code": code.as_u16()});
            (code, status)
        };
        if let Some(code) = self.refuse.pop() {
            return refused(code);
        }
        let version = |object: &Json| object["metadata"]["resourceVersion"].clone();
        match (method, &self.secret) {
            (&Method::POST, None) => self.put(Some(object)),
            (&Method::PUT, Some(found)) if version(found) == version(&object) => self.put(Some(object)),
            (&Method::DELETE, Some(found)) if version(found) == object["preconditions"]["resourceVersion"] => {
                self.put(None);
            }
            _ => return refused(StatusCode::CONFLICT),
        }
        (
            StatusCode::OK,
            self.secret.clone().unwrap_or_else(|| json!({"kind": "Status", "apiVersion": "v1", "status": "Success"})),
        )
    }
}

#[derive(Clone, Default)]
struct Api(Arc<Mutex<Server>>);

impl Api {
    fn client(&self) -> Client {
        let api = self.clone();
        let service = tower::service_fn(move |request| {
            let api = api.clone();
            async move { Ok::<_, std::convert::Infallible>(api.answer(request).await) }
        });
        Client::new(service, "openlit")
    }

    async fn answer(&self, request: Request<Body>) -> Response<axum::body::Body> {
        let (parts, body) = request.into_parts();
        let query = parts.uri.query().unwrap_or_default().to_owned();
        let body = body.collect_bytes().await.unwrap();
        let answer = |(code, json): (StatusCode, Json)| {
            Response::builder().status(code).body(axum::body::Body::from(json.to_string())).unwrap()
        };
        if parts.method != Method::GET {
            return answer(self.0.lock().unwrap().write(&parts.method, &body));
        }
        if parts.uri.path().ends_with("/clusterroles/role") {
            let role = json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
                "metadata": {"name": "role", "uid": "of-the-role"}});
            return answer((StatusCode::OK, role));
        }
        assert!(query.contains("fieldSelector=metadata.name%3Dcerts"), "only the one Secret: {query}");
        if !query.contains("watch=") {
            let server = self.0.lock().unwrap();
            let list = json!({"kind": "SecretList", "apiVersion": "v1",
                "metadata": {"resourceVersion": server.version.to_string()}, "items": server.secret.iter().collect::<Vec<_>>()});
            return answer((StatusCode::OK, list));
        }
        let from = query.split("resourceVersion=").nth(1).and_then(|rest| rest.split('&').next()?.parse().ok());
        let from: usize = from.unwrap_or_default();
        let server = self.0.clone();
        // Each version is one event: those after what was listed.
        let events = stream::unfold(from, move |next| {
            let server = server.clone();
            async move {
                loop {
                    if let Some(event) = server.lock().unwrap().events.get(next) {
                        return Some((Ok::<_, std::convert::Infallible>(format!("{event}\n")), next + 1));
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        });
        Response::new(axum::body::Body::from_stream(events))
    }

    fn data(&self) -> Option<Data> {
        let secret = self.0.lock().unwrap().secret.clone()?;
        let secret: Secret = serde_json::from_value(secret).unwrap();
        Some(secret.data?.into_iter().map(|(key, ByteString(value))| (key, value)).collect())
    }

    fn material(&self) -> Material {
        Material::read(self.data().as_ref(), &service())
    }

    fn writes(&self) -> Vec<String> {
        self.0.lock().unwrap().writes.clone()
    }

    /// A Secret that somebody else has written.
    fn given(&self, data: &Data, change: impl FnOnce(&mut Json)) {
        let data = data.iter().map(|(key, value)| (key.clone(), ByteString(value.clone()))).collect();
        let mut secret =
            serde_json::to_value(Secret { data: Some(data), type_: Some(SECRET_TYPE.to_owned()), ..Secret::default() })
                .unwrap();
        secret["metadata"] = json!({"name": "certs", "namespace": "openlit"});
        change(&mut secret);
        self.0.lock().unwrap().put(Some(secret));
    }
}

/// A replica; what it wants is registered as soon as it leads.
struct Replica {
    serving: Arc<Serving>,
    leading: watch::Sender<bool>,
    wanted: watch::Receiver<Vec<u8>>,
    registered: watch::Receiver<Registered>,
    notices: mpsc::Receiver<Notice>,
    metrics: Metrics,
    tasks: Vec<JoinHandle<()>>,
}

impl Replica {
    fn told(&mut self) -> Vec<&'static str> {
        codes(&mut self.notices)
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

fn replica(api: &Api, leads: bool) -> Replica {
    replica_of(api.client(), leads)
}

fn replica_of(client: Client, leads: bool) -> Replica {
    let serving = Arc::new(Serving::default());
    let (leading, receiver) = watch::channel(leads);
    let (sender, wanted) = watch::channel(Vec::new());
    let mut nothing = Registered::default();
    nothing.see(b"", Instant::now());
    let (register, registered) = watch::channel(nothing);
    let metrics = Metrics::default();
    let (events, notices) = Events::new(metrics.clone());
    let keeper = Keeper {
        secret: "certs".to_owned(),
        service: service(),
        policy: POLICY,
        cluster_role: "role".to_owned(),
        field_manager: "prelit".to_owned(),
        serving: serving.clone(),
        leading: receiver,
        registered: registered.clone(),
        wanted: sender,
        report: Report::new(events, metrics.clone(), ObjectReference::default()),
        metrics: metrics.clone(),
    };
    let mut changes = wanted.clone();
    let registration = tokio::spawn(async move {
        while changes.changed().await.is_ok() {
            let bundle = changes.borrow_and_update().clone();
            register.send_modify(|registered| registered.see(&bundle, Instant::now()));
        }
    });
    let tasks = vec![tokio::spawn(keeper.run(client)), registration];
    Replica { serving, leading, wanted, registered, notices, metrics, tasks }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within ten seconds: {what}");
}

fn serves(replica: &Replica, material: &Material) -> bool {
    let served = replica.serving.current().map(|current| current.certificate().clone());
    served.is_some() && served == material.leaf.as_ref().map(|leaf| leaf.certificate.clone())
}

#[tokio::test]
async fn the_leader_writes_and_all_serve() {
    let api = Api::default();
    let (mut leader, mut other) = (replica(&api, true), replica(&api, false));
    until("both serve", || serves(&leader, &api.material()) && serves(&other, &api.material())).await;
    assert_eq!(api.writes(), ["POST"]);
    assert_eq!((leader.told(), other.told()), (vec![], vec![]), "a beginning is no trouble");
    assert!(leader.metrics.text().contains("prelit_writes_total{object=\"certificates\"} 1"));
    assert_eq!(*leader.wanted.borrow(), api.data().unwrap()["ca.crt"]);
    let now = OffsetDateTime::now_utc();
    let ages = leader.registered.borrow().ages(Instant::now());
    leader.serving.check(ages.iter().map(|(one, _)| one), &service(), now).unwrap();
    let secret = api.0.lock().unwrap().secret.clone().unwrap();
    assert_eq!(
        (&secret["type"], &secret["metadata"]["labels"]["app.kubernetes.io/managed-by"]),
        (&json!(SECRET_TYPE), &json!("prelit"))
    );
    let owners = json!([
        { "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "name": "role", "uid": "of-the-role" }
    ]);
    assert_eq!(secret["metadata"]["ownerReferences"], owners);
}

#[tokio::test]
async fn what_is_deleted_is_restored_by_who_leads_then() {
    let api = Api::default();
    let (leader, other) = (replica(&api, true), replica(&api, false));
    until("both serve", || serves(&leader, &api.material()) && serves(&other, &api.material())).await;
    let before = api.data();
    api.0.lock().unwrap().put(None);
    until("it is there again", || api.data() == before).await;
    drop(leader);
    api.0.lock().unwrap().put(None);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(api.data(), None, "nobody leads");
    other.leading.send(true).unwrap();
    until("it is there again", || api.data() == before).await;
    assert!(serves(&other, &api.material()));
}

#[tokio::test]
async fn a_ca_that_is_due_is_replaced_in_three_writes_and_other_keys_stay() {
    let api = Api::default();
    let now = OffsetDateTime::now_utc();
    let old = Authority::new(time::Duration::minutes(30), now).unwrap();
    let mut data = written(&Material {
        bundle: vec![old.certificate().clone()],
        leaf: Some(old.leaf(&service(), time::Duration::minutes(20), now).unwrap()),
        signer: Some(old.clone()),
        ..Material::default()
    });
    data.insert("note".to_owned(), b"of somebody else".to_vec());
    api.given(&data, |_| {});
    let (leader, other) = (replica(&api, true), replica(&api, false));
    until("the old CA has gone", || !api.material().bundle.contains(old.certificate())).await;
    until("all serve", || serves(&leader, &api.material()) && serves(&other, &api.material())).await;
    assert_eq!(api.writes(), ["PUT"; 3]);
    assert_eq!(api.data().unwrap()["note"], b"of somebody else");
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(api.writes().len(), 3, "nothing more is written");
}

#[tokio::test]
async fn refused_writes_are_tried_again() {
    let api = Api::default();
    api.0.lock().unwrap().refuse = vec![StatusCode::CONFLICT, StatusCode::INTERNAL_SERVER_ERROR];
    let mut leader = replica(&api, true);
    until("it is written", || serves(&leader, &api.material())).await;
    assert_eq!(api.writes(), ["POST"; 3]);
    assert_eq!(leader.told(), ["not-written"], "a conflict is no trouble");
}

#[tokio::test]
async fn what_is_wrong_with_the_secret_is_told_by_every_replica_until_it_is_mended() {
    let api = Api::default();
    api.given(&Data::from([("tls.crt".to_owned(), b"-----BEGIN".to_vec())]), |_| {});
    let mut other = replica(&api, false);
    let problems = |replica: &Replica| -> usize {
        let text = replica.metrics.text();
        let of_it =
            text.lines().filter_map(|line| line.strip_prefix("prelit_certificate_problems{")?.split(' ').nth(1));
        of_it.map(|number| number.parse::<usize>().unwrap()).sum()
    };
    until("it is counted", || problems(&other) > 0).await;
    let told = other.told();
    assert!(told.contains(&"unreadable"), "{told:?}");
    let leader = replica(&api, true);
    until("it is mended", || problems(&other) == 0 && serves(&leader, &api.material())).await;
    let mended = api.data();
    api.0.lock().unwrap().put(None);
    until("it is there again", || api.data() == mended).await;
    until("it is told that it was gone", || other.told().contains(&"absent")).await;
}

#[tokio::test]
async fn a_secret_that_cannot_be_changed_is_replaced() {
    let changes: [fn(&mut Json); 2] =
        [|secret| secret["type"] = json!("Opaque"), |secret| secret["immutable"] = json!(true)];
    for change in changes {
        let api = Api::default();
        api.given(&Data::new(), change);
        let leader = replica(&api, true);
        until("it is ours", || serves(&leader, &api.material())).await;
        assert_eq!(api.writes(), ["DELETE", "POST"]);
        assert_eq!(api.0.lock().unwrap().secret.as_ref().unwrap()["type"], SECRET_TYPE);
    }
}

/// What cannot be read is the Secret, too: neither a list of it, nor the answer to its creation.
#[tokio::test]
async fn an_answer_that_cannot_be_read_is_not_logged() {
    for (lists, said) in [(true, "cannot watch the certificates"), (false, "cannot write the certificates")] {
        let service = tower::service_fn(move |request: Request<Body>| async move {
            let garbled = json!({"kind": "Secret", "apiVersion": "v1", "metadata": {}, "data": "s3cret"});
            let items = if lists { json!([garbled]) } else { json!([]) };
            let list =
                json!({"kind": "SecretList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": items});
            let answer = if *request.method() == Method::GET { list } else { garbled };
            Ok::<_, std::convert::Infallible>(Response::new(axum::body::Body::from(answer.to_string())))
        });
        let (lines, _guard) = Lines::begin(LevelFilter::TRACE);
        let _replica = replica_of(Client::new(service, "openlit"), true);
        until(said, || lines.text().contains(said)).await;
        assert!(!lines.text().contains("s3cret"), "{}", lines.text());
    }
}
