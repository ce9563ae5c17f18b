//! What is sent, to receivers that answer, hang and refuse. A real collector reads it in the tests of the cluster.

use super::*;
use crate::api::settings::{Settings, read};
use crate::webhook::certificates::Service;
use crate::webhook::certificates::authority::Authority;
use crate::webhook::certificates::certificate::to_pem;
use crate::webhook::decision::{Decision, Outcome};
use crate::webhook::review::Request;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue as Pair;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use prost::Message;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What came to a receiver: paths, headers and bodies.
type Came = Arc<Mutex<Vec<(String, HeaderMap, Bytes)>>>;

fn settings(pairs: &[(&str, &str)]) -> Settings {
    let on = [("SELF_MONITORING_ENABLED", "true"), ("OTEL_METRIC_EXPORT_INTERVAL", "100")];
    read(on.iter().chain(pairs).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))).unwrap()
}

fn plan(pairs: &[(&str, &str)]) -> Plan {
    Plan::new(&settings(pairs).webhook, "replica-1").unwrap().unwrap()
}

async fn receiver(answer: StatusCode) -> (String, Came) {
    let came = Came::default();
    let take = move |State(came): State<Came>, uri: Uri, headers: HeaderMap, body: Bytes| async move {
        came.lock().unwrap().push((uri.path().to_owned(), headers, body));
        answer
    };
    let routes = Router::new().fallback(take).with_state(came.clone());
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let limits = crate::webhook::server::Limits::default();
    tokio::spawn(crate::webhook::server::serve(listener, None, routes, limits, std::future::pending()));
    (address, came)
}

/// One that takes connections and never says a word.
async fn silence() -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let held = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    (address, held)
}

fn body(namespace: &str, kind: &str) -> Vec<u8> {
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "u-1", "kind": {"group": "", "version": "v1", "kind": kind},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": namespace, "operation": "CREATE", "object": {"spec": {"token": "s3cret"}},
        },
    })
    .to_string()
    .into_bytes()
}

fn decision(outcome: Outcome) -> Decision {
    Decision { outcome, ..Decision::failed() }
}

fn texts(pairs: &[Pair]) -> BTreeMap<String, String> {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    let text = |pair: &Pair| match pair.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        other => format!("{other:?}"),
    };
    pairs.iter().map(|pair| (pair.key.clone(), text(pair))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_and_numbers_are_sent_with_whose_they_are_and_the_headers() {
    let (address, came) = receiver(StatusCode::OK).await;
    let metrics = Metrics::default();
    let telemetry = plan(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &address),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=hunter2%2C3"),
        ("OTEL_RESOURCE_ATTRIBUTES", "team=ai,service.version=9"),
    ]);
    let telemetry = telemetry.begin(&metrics).unwrap();
    let spans = telemetry.spans().unwrap();
    let began = SystemTime::now();
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let question = body("prod", "Pod");
    let request = Request::read(&question).unwrap();
    spans.reviewed(Some(parent), began, &request, &decision(Outcome::Injected));
    spans.reviewed(Some("nonsense"), began, &request, &decision(Outcome::Skipped(crate::api::Reason::NotSelected)));
    let long = body(&"n".repeat(1 << 20), "Pod");
    spans.reviewed(None, began, &Request::read(&long).unwrap(), &decision(Outcome::Failed));
    metrics.reviewed(Outcome::Injected, Duration::from_millis(2));
    telemetry.end().await;

    let came = came.lock().unwrap();
    assert!(came.iter().all(|(_, headers, _)| headers["x-key"] == "hunter2,3"), "each request has the headers");
    let traces: Vec<ExportTraceServiceRequest> = came
        .iter()
        .filter(|(path, ..)| path == "/v1/traces")
        .map(|(.., body)| Message::decode(body.clone()).unwrap())
        .collect();
    let resource = texts(&traces[0].resource_spans[0].resource.as_ref().unwrap().attributes);
    for (key, value) in [
        ("service.name", "openlit-operator"),
        ("service.version", "9"),
        ("service.instance.id", "replica-1"),
        ("k8s.namespace.name", "openlit"),
        ("k8s.pod.name", "replica-1"),
        ("team", "ai"),
        ("telemetry.sdk.language", "rust"),
    ] {
        assert_eq!(resource.get(key).map(String::as_str), Some(value), "{key} in {resource:?}");
    }
    let of_all = traces.iter().flat_map(|one| &one.resource_spans).flat_map(|one| &one.scope_spans);
    let found: Vec<_> = of_all.flat_map(|one| &one.spans).collect();
    assert_eq!(found.len(), 3);
    let [child, skipped, failed] = found[..] else { panic!("three") };
    assert_eq!(child.trace_id, 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128.to_be_bytes());
    assert_eq!(child.parent_span_id, 0xb7ad_6b71_6920_3331_u64.to_be_bytes());
    assert!(child.end_time_unix_nano >= child.start_time_unix_nano);
    let of_child = texts(&child.attributes);
    assert_eq!(
        (
            of_child["prelit.outcome"].as_str(),
            of_child["prelit.kind"].as_str(),
            of_child["k8s.namespace.name"].as_str()
        ),
        ("injected", "Pod", "prod")
    );
    assert_eq!(
        (skipped.parent_span_id.len(), texts(&skipped.attributes)["prelit.reason"].as_str()),
        (0, "not-selected")
    );
    assert_eq!(failed.status.as_ref().unwrap().code, 2);
    assert!(texts(&failed.attributes)["k8s.namespace.name"].len() <= 63, "whatever is asked, little is kept");
    assert!(!came.iter().any(|(.., body)| String::from_utf8_lossy(body).contains("s3cret")));

    let (.., last) = came.iter().rfind(|(path, ..)| path == "/v1/metrics").unwrap();
    let sent: ExportMetricsServiceRequest = Message::decode(last.clone()).unwrap();
    let of_us = &sent.resource_metrics[0];
    assert_eq!(texts(&of_us.resource.as_ref().unwrap().attributes), resource);
    let metric = |name: &str| {
        let found = of_us.scope_metrics[0].metrics.iter().find(|metric| metric.name == name);
        found.unwrap_or_else(|| panic!("no {name}")).clone()
    };
    let Some(Data::Sum(reviews)) = metric("prelit_reviews").data else { panic!("a sum") };
    let injected = reviews.data_points.iter().find(|point| texts(&point.attributes)["outcome"] == "injected").unwrap();
    assert_eq!(
        (injected.value, reviews.is_monotonic, reviews.aggregation_temporality),
        (Some(Value::AsInt(1)), true, 2)
    );
    let duration = metric("prelit_review_duration");
    assert_eq!(duration.unit, "s");
    let Some(Data::Histogram(duration)) = duration.data else { panic!("a histogram") };
    let point = &duration.data_points[0];
    assert_eq!((point.count, point.sum, point.bucket_counts.len()), (1, Some(0.002), point.explicit_bounds.len() + 1));
    assert_eq!(point.bucket_counts[5], 1, "at most 2.5 ms");
    assert!(matches!(metric("prelit_build_info").data, Some(Data::Gauge(_))));
    assert!(metrics.text().contains("prelit_telemetry_exports_total{signal=\"traces\",result=\"sent\"} 1"));
}

/// As many reviews as a busy cluster has in a while, and how long their spans took.
fn review_many(telemetry: &Telemetry) -> Duration {
    let spans = telemetry.spans().unwrap();
    let question = body("prod", "Pod");
    let request = Request::read(&question).unwrap();
    let start = Instant::now();
    for _ in 0..20_000 {
        spans.reviewed(None, SystemTime::now(), &request, &decision(Outcome::Injected));
    }
    start.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_hangs_holds_nothing_up() {
    let (address, _held) = silence().await;
    let metrics = Metrics::default();
    let telemetry = plan(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &address)]).begin(&metrics).unwrap();
    // Built without optimisation, on a machine that is busy; a request may take ten seconds.
    let took = review_many(&telemetry);
    assert!(took < Duration::from_secs(5), "{took:?}");
    let start = Instant::now();
    telemetry.end().await;
    assert!(start.elapsed() < FAREWELL + Duration::from_secs(2), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn receivers_that_refuse_are_counted_and_hold_nothing_up() {
    let nobody = {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let (forbids, _) = receiver(StatusCode::FORBIDDEN).await;
    for address in [nobody, forbids] {
        let metrics = Metrics::default();
        let telemetry = plan(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &address)]).begin(&metrics).unwrap();
        let took = review_many(&telemetry);
        assert!(took < Duration::from_secs(5), "{took:?}");
        telemetry.end().await;
        for signal in ["traces", "metrics"] {
            let line = format!("prelit_telemetry_exports_total{{signal=\"{signal}\",result=\"failed\"}}");
            assert!(metrics.text().contains(&line), "{}", metrics.text());
        }
        assert!(!metrics.text().contains("result=\"sent\""));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_has_an_endpoint_is_sent() {
    let (address, came) = receiver(StatusCode::OK).await;
    let metrics = Metrics::default();
    let whole = format!("{address}/in/here");
    let telemetry = plan(&[("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", &whole)]).begin(&metrics).unwrap();
    assert!(telemetry.spans().is_none());
    telemetry.end().await;
    assert!(came.lock().unwrap().iter().all(|(path, ..)| path == "/in/here"));
    assert!(Plan::new(&Settings::default().webhook, "replica-1").unwrap().is_none(), "nothing, if nobody asks");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_is_trusted_by_the_file_that_is_named_and_no_other() {
    let today = time::OffsetDateTime::now_utc();
    let of_today = || Authority::new(time::Duration::DAY, today).unwrap();
    let (ours, other) = (of_today(), of_today());
    let here = Service { name: "localhost".to_owned(), namespace: "openlit".to_owned() };
    let leaf = ours.leaf(&here, time::Duration::HOUR, today).unwrap();
    let serving = Arc::new(crate::webhook::certificates::serving::Serving::default());
    let identity = crate::webhook::certificates::serving::Identity::new(leaf.chain.clone(), &leaf.key).unwrap();
    serving.set(Arc::new(identity));
    let tls = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(serving);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let routes = Router::new().fallback(|| async { "" });
    let limits = crate::webhook::server::Limits::default();
    tokio::spawn(crate::webhook::server::serve(listener, Some(Arc::new(tls)), routes, limits, std::future::pending()));
    let folder = tempfile::tempdir().unwrap();
    for (authority, trouble) in [(&ours, None), (&other, Some("UnknownIssuer"))] {
        let file = folder.path().join("ca.crt");
        std::fs::write(&file, to_pem([authority.certificate()])).unwrap();
        let pairs = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &*format!("https://localhost:{port}")),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", file.to_str().unwrap()),
        ];
        let target = settings(&pairs).webhook.telemetry.metrics.unwrap();
        let reach = Reach::of(&target).unwrap();
        let transport = Transport::new("metrics", reach, target.timeout, Metrics::default(), Handle::current());
        let request = opentelemetry_http::Request::post(&target.endpoint).body(opentelemetry_http::Bytes::new());
        let said = transport.send(request.unwrap()).await.err().map(|error| transport::told(error.as_ref()));
        assert_eq!(said.is_some(), trouble.is_some(), "{said:?}");
        assert!(trouble.is_none_or(|trouble| said.as_ref().unwrap().contains(trouble)), "{said:?}");
    }
}

#[test]
fn files_that_cannot_be_used_are_all_named_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let troubles = Plan::new(
        &settings(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector:4318"),
            ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "/nowhere/ca.pem"),
            ("OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE", empty.to_str().unwrap()),
        ])
        .webhook,
        "replica-1",
    );
    let said: Vec<String> = troubles.unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].starts_with("/nowhere/ca.pem: "), "{said:?}");
    assert!(said[1].ends_with("empty.pem: expected certificates as PEM, found none"), "{said:?}");
}
