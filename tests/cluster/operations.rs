//! What whoever runs the webhook sees of it, and how it begins and ends: probes, levels of logs, events on its pod, its own
//! telemetry in a real collector, and a review that is under way when it is told to end.

use super::Ground;
use super::control_plane::{ControlPlane, Controllers};
use super::place::Place;
use super::process::{Process, wait_until};
use super::replicas::{Replica, endpoints, get};
use super::visitor::{self, name, trusting};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use libtest_mimic::Trial;
use rustls::{ClientConnection, StreamOwned};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub fn trials(ground: &Ground) -> Vec<Trial> {
    vec![
        ground.trial("operations::a_life_from_before_the_api_server_to_a_slow_review", a_life),
        ground.trial_with("operations::telemetry_arrives_in_a_collector", &["otelcol"], telemetry_arrives),
        ground.trial("operations::a_collector_that_hangs_slows_nothing", a_collector_that_hangs),
    ]
}

/// A control plane in which the webhook is installed, and a namespace for pods.
fn installed(place: &Place) -> ControlPlane {
    let control_plane = ControlPlane::installed(Controllers::None);
    control_plane.welcome(place, "apps");
    control_plane
}

fn pod(name: &str, labels: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "labels": labels },
        "spec": { "containers": [{ "name": "app", "image": "python:3.11", "env": [{ "name": "KEY", "value": "s3cret" }] }] },
    })
}

fn marked() -> Value {
    json!({ "openlit.io/instrument": "true" })
}

/// Creates pods until one is instrumented: the API server takes a moment to hear of a new webhook.
fn wait_until_asked(control_plane: &ControlPlane) {
    let probe = pod("probe", &marked()).to_string();
    wait_until("reviews are asked for", || {
        let arguments = ["create", "--namespace=apps", "--dry-run=server", "--output=json", "-f", "-"];
        control_plane.kubectl(&arguments, &probe).stdout.contains("openlit.io/injection")
    });
}

/// A connection as the API server has one: TLS, which trusts what is registered, and HTTP/1.1.
struct Line(BufReader<StreamOwned<ClientConnection, TcpStream>>);

impl Line {
    fn to(control_plane: &ControlPlane, address: &str, port: u16) -> Line {
        let connection = ClientConnection::new(Arc::new(trusting(control_plane)), name()).unwrap();
        let stream = TcpStream::connect((address, port)).unwrap();
        // Or each request waits for the acknowledgement of the last answer.
        stream.set_nodelay(true).unwrap();
        Line(BufReader::new(StreamOwned::new(connection, stream)))
    }

    fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
        self.0.get_mut().flush().unwrap();
    }

    /// The head of a review of so many bytes.
    fn begin(&mut self, bytes: usize) {
        let head = format!(
            "POST /mutate HTTP/1.1\r\nHost: webhook\r\nContent-Type: application/json\r\nContent-Length: {bytes}\r\n\r\n"
        );
        self.send(&head);
    }

    /// What is answered: the status, and the review.
    fn answer(&mut self) -> (u16, Value) {
        let mut status = String::new();
        self.0.read_line(&mut status).unwrap();
        let mut bytes = 0;
        loop {
            let mut header = String::new();
            self.0.read_line(&mut header).unwrap();
            if header.trim().is_empty() {
                break;
            }
            if let Some(length) = header.to_ascii_lowercase().strip_prefix("content-length:") {
                bytes = length.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; bytes];
        self.0.read_exact(&mut body).unwrap();
        (status.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_slice(&body).unwrap_or_default())
    }

    fn review(&mut self, body: &str) -> (u16, Value) {
        self.begin(body.len());
        self.send(body);
        self.answer()
    }
}

/// The review of a pod with these labels.
fn review(labels: &Value) -> String {
    let mut review = visitor::review();
    review["request"]["object"] = pod("p", labels);
    review.to_string()
}

/// The ports of the replica that listens on all addresses.
const WEBHOOK: u16 = 9543;
const HEALTH: u16 = 8181;
const METRICS: u16 = 8180;

/// Changes the level of logs; what is answered.
fn put_level(address: &str, level: &str) -> String {
    let mut stream = TcpStream::connect((address, HEALTH)).unwrap();
    let length = level.len();
    let head = format!("PUT /loglevel HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(format!("{head}{level}").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn a_life(place: &Place) {
    let control_plane = installed(place);
    // What its pod would be; events are told of it.
    let mut own = pod("replica-1", &json!({}));
    own["metadata"]["namespace"] = "openlit".into();
    own["spec"]["serviceAccountName"] = "openlit-operator".into();
    let arguments = ["create", "--output=jsonpath={.metadata.uid}", "-f", "-"];
    let uid = control_plane.kubectl(&arguments, &own.to_string()).stdout;
    // It listens on all addresses, so that it is reached from within and from without: at ports that no other test has.
    let here = "10.99.26.1";
    let ports = [WEBHOOK, HEALTH, METRICS].map(|port| port.to_string());
    let settings = [
        ("POD_UID", uid.as_str()),
        ("LOG_LEVEL", "info"),
        ("WEBHOOK_PORT", &ports[0]),
        ("HEALTH_PORT", &ports[1]),
        ("METRICS_PORT", &ports[2]),
        // A review may be as slow.
        ("WEBHOOK_TIMEOUT_SECONDS", "30"),
    ];

    // Its token is of the API server.
    let config = control_plane.kubeconfig_of("openlit", "openlit-operator");
    control_plane.stop_api_server();
    // Before there is an API server it lives, says what is missing, and asks again.
    let mut replica = Replica::start_with(&config, &settings, &place.path(""), "replica-1", "0.0.0.0");
    replica.process.wait_until("it lives", || get(here, HEALTH, "/healthz").starts_with("HTTP/1.1 200"));
    assert!(get(here, HEALTH, "/readyz").contains("the AutoInstrumentations are not known yet"));
    let tries = |said: &str| said.matches("the API server does not answer").count();
    wait_until("it has asked some times", || tries(&replica.process.said()) >= 4);
    assert!(tries(&replica.process.said()) < 50, "ever more rarely");
    control_plane.start_api_server();
    endpoints(&control_plane, &[here]);
    let port = json!([{ "op": "replace", "path": "/ports/0/port", "value": WEBHOOK }]).to_string();
    let slice = ["patch", "endpointslice", "replicas", "--namespace=openlit", "--type=json", "--patch", &port];
    control_plane.kubectl(&slice, "");
    replica.process.wait_until("it is ready", || get(here, HEALTH, "/readyz").starts_with("HTTP/1.1 200"));
    wait_until_asked(&control_plane);

    // Of a Secret that somebody has broken, its pod tells; and the metric, until it is mended.
    let describe = || control_plane.kubectl(&["describe", "pod", "replica-1", "--namespace=openlit"], "").stdout;
    assert!(!describe().contains("Certificate"), "a beginning is no trouble");
    let patch = json!({ "data": { "tls.crt": BASE64.encode("-----BEGIN nothing") } }).to_string();
    let secret = ["secret", "openlit-webhook-certs", "--namespace=openlit"];
    control_plane.kubectl(&[&["patch"], &secret[..], &["--type=merge", "--patch", &patch]].concat(), "");
    wait_until("its pod tells what is wrong", || describe().contains("CertificateUnreadable"));
    wait_until("it is mended", || {
        get(here, METRICS, "/metrics").contains("prelit_certificate_problems{problem=\"unreadable\"} 0")
    });
    let writes = |object: &str| {
        let name = format!("prelit_writes_total{{object=\"{object}\"}} ");
        let metrics = get(here, METRICS, "/metrics");
        metrics.lines().find_map(|line| line.strip_prefix(&name)?.parse::<u64>().ok()).unwrap()
    };
    assert!(writes("certificates") >= 2, "made, and mended");
    // A registration that somebody has broken is repaired, and counted.
    let before = writes("registration");
    let patch = json!([{ "op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Fail" }]).to_string();
    let configuration = ["mutatingwebhookconfiguration", "openlit-instrumentation-webhook"];
    control_plane.kubectl(&[&["patch"], &configuration[..], &["--type=json", "--patch", &patch]].concat(), "");
    wait_until("the repair is counted", || writes("registration") > before);
    let metrics = get(here, METRICS, "/metrics");
    assert!(metrics.contains("prelit_api_requests_total{method=\"PUT\",code=\"200\"}"), "{metrics}");
    assert!(metrics.contains("prelit_events_total{result=\"written\"}"), "{metrics}");

    // The level of logs is changed from within, and from nowhere else.
    let unmarked = |name: &str| {
        control_plane.kubectl(&["create", "--namespace=apps", "-f", "-"], &pod(name, &json!({})).to_string());
    };
    unmarked("silent");
    assert!(put_level(here, "debug").starts_with("HTTP/1.1 403"));
    assert!(put_level("127.0.0.1", "loud").starts_with("HTTP/1.1 400"));
    assert!(!replica.process.said().contains("pod not marked"), "that is for debugging");
    assert!(put_level("127.0.0.1", "debug").starts_with("HTTP/1.1 200"));
    unmarked("told");
    wait_until("it says why a pod is left alone", || replica.process.said().contains("pod not marked"));
    let said = replica.process.said();
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    let line = lines.iter().find(|line| line["message"] == "pod not marked").expect("it is said");
    assert_eq!(
        (&line["reason"], &line["namespace"], &line["level"]),
        (&json!("not-selected"), &json!("apps"), &json!("DEBUG"))
    );

    // Told to end, it is not ready at once, and goes on answering: new connections for a while, and what is under way.
    let body = review(&marked());
    let mut early = Line::to(&control_plane, here, WEBHOOK);
    assert_eq!(early.review(&body).0, 200);
    let mut late = Line::to(&control_plane, here, WEBHOOK);
    replica.process.ask_to_end();
    let told = Instant::now();
    wait_until("it is not ready any more", || get(here, HEALTH, "/readyz").contains("the process ends"));
    assert_eq!(Line::to(&control_plane, here, WEBHOOK).review(&body).0, 200);
    // This review ends when nobody is let in any more.
    late.begin(body.len());
    late.send(&body[..100]);
    wait_until("nobody listens any more", || TcpStream::connect((here, WEBHOOK)).is_err());
    assert!(told.elapsed() >= Duration::from_secs(5), "the API servers have time to notice: {:?}", told.elapsed());
    late.send(&body[100..]);
    let (status, answer) = late.answer();
    assert_eq!((status, &answer["response"]["patchType"]), (200, &json!("JSONPatch")));
    assert!(replica.process.end().success());
    assert!(told.elapsed() < Duration::from_secs(25), "{:?}", told.elapsed());
}

/// What a collector has written, a line of JSON for each message.
fn lines(place: &Place, name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(place.path(name)).unwrap_or_default();
    // The last line may be under way.
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn attributes(holder: &Value) -> BTreeMap<String, String> {
    let texts = holder["attributes"].as_array().into_iter().flatten().map(|pair| {
        let value = pair["value"].as_object().unwrap().values().next().unwrap();
        (pair["key"].as_str().unwrap().to_owned(), value.as_str().map_or(value.to_string(), str::to_owned))
    });
    texts.collect()
}

/// Everything under `path` of all messages: lists are gone through.
fn all<'v>(messages: &'v [Value], path: &[&str]) -> Vec<&'v Value> {
    path.iter().fold(messages.iter().collect(), |found: Vec<&Value>, step| {
        found.into_iter().flat_map(|value| value[step].as_array().into_iter().flatten()).collect()
    })
}

fn telemetry_arrives(place: &Place) {
    let control_plane = installed(place);
    let file = |name: &str| json!({ "path": place.path(name), "flush_interval": "50ms" });
    let pipeline = |to: &str| json!({ "receivers": ["otlp"], "exporters": [to] });
    let config = json!({
        "receivers": { "otlp": { "protocols": { "http": { "endpoint": "10.99.27.9:4318" } } } },
        "exporters": { "file/traces": file("traces.json"), "file/metrics": file("metrics.json") },
        "service": {
            "telemetry": { "metrics": { "level": "none" } },
            "pipelines": { "traces": pipeline("file/traces"), "metrics": pipeline("file/metrics") },
        },
    });
    place.write("collector.yaml", config.to_string());
    let mut command = place.command("otelcol");
    command.arg("--config").arg(place.path("collector.yaml"));
    let mut collector = Process::start(&mut command, &place.path(""), "collector");
    collector.wait_until("the collector listens", || TcpStream::connect("10.99.27.9:4318").is_ok());

    let settings = [
        ("SELF_MONITORING_ENABLED", "true"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://10.99.27.9:4318"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20hunter2"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
        // What arrives then is what is sent at the end.
        ("OTEL_BSP_SCHEDULE_DELAY", "600000"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "600000"),
        ("LOG_LEVEL", "trace"),
    ];
    let here = "10.99.27.1";
    let config = control_plane.kubeconfig_of("openlit", "openlit-operator");
    let mut replica = Replica::start_with(&config, &settings, &place.path(""), "replica-1", here);
    endpoints(&control_plane, &[here]);
    replica.wait_until_ready();
    wait_until_asked(&control_plane);
    for (name, labels) in [("marked", marked()), ("plain", json!({}))] {
        control_plane.kubectl(&["create", "--namespace=apps", "-f", "-"], &pod(name, &labels).to_string());
    }
    wait_until("both are counted", || get(here, 8080, "/metrics").contains("reason=\"not-selected\"} 1"));
    let shown = get(here, 8080, "/metrics");
    replica.process.ask_to_end();
    assert!(replica.process.end().success());
    let said = replica.process.said();
    // What it has received is in the files when it has ended.
    collector.stop();

    let (traces, metrics) = (lines(place, "traces.json"), lines(place, "metrics.json"));
    for messages in [all(&traces, &["resourceSpans"]), all(&metrics, &["resourceMetrics"])] {
        assert!(!messages.is_empty(), "{said}");
        for message in messages {
            let resource = attributes(&message["resource"]);
            for (key, value) in [
                ("service.name", "openlit-operator"),
                ("service.version", env!("CARGO_PKG_VERSION")),
                ("service.instance.id", "replica-1"),
                ("k8s.namespace.name", "openlit"),
                ("deployment.environment.name", "test"),
            ] {
                assert_eq!(resource.get(key).map(String::as_str), Some(value), "{key} in {resource:?}");
            }
        }
    }
    let spans = all(&traces, &["resourceSpans", "scopeSpans", "spans"]);
    assert!(spans.iter().all(|span| span["name"] == "review" && span["kind"] == 2), "servers' {spans:?}");
    let with = |outcome: &str| {
        let found = spans
            .iter()
            .map(|span| attributes(span))
            .find(|span| span["prelit.outcome"] == outcome && span["prelit.dry_run"] == "false");
        found.unwrap_or_else(|| panic!("no {outcome} in {spans:?}"))
    };
    assert_eq!(
        (with("injected")["k8s.namespace.name"].as_str(), with("injected")["prelit.kind"].as_str()),
        ("apps", "Pod")
    );
    assert_eq!(with("skipped")["prelit.reason"], "not-selected");
    assert!(!place.read("traces.json").contains("s3cret"), "nothing of what stands in a pod");
    assert!(!said.contains("hunter2"), "no header is logged, at no level");

    // The last message says what /metrics said.
    let last = metrics.last().map(std::slice::from_ref).unwrap();
    let sent = all(last, &["resourceMetrics", "scopeMetrics", "metrics"]);
    let reviews = sent.iter().find(|metric| metric["name"] == "prelit_reviews").expect("reviews are sent");
    let mut compared = 0;
    for point in reviews["sum"]["dataPoints"].as_array().unwrap() {
        let labels = attributes(point);
        let name = format!(
            "prelit_reviews_total{{outcome=\"{}\",reason=\"{}\"}} {}",
            labels["outcome"],
            labels["reason"],
            point["asInt"].as_str().unwrap()
        );
        assert!(shown.lines().any(|line| line == name), "{name} in\n{shown}");
        compared += 1;
    }
    assert_eq!(compared, shown.lines().filter(|line| line.starts_with("prelit_reviews_total{")).count());
    let duration = sent.iter().find(|metric| metric["name"] == "prelit_review_duration").expect("durations are sent");
    let count = format!(
        "prelit_review_duration_seconds_count {}",
        duration["histogram"]["dataPoints"][0]["count"].as_str().unwrap()
    );
    assert!(shown.lines().any(|line| line == count), "{count} in\n{shown}");
    let families = shown.lines().filter(|line| line.starts_with("# TYPE")).count();
    assert_eq!(sent.len(), families, "all of them");
}

fn a_collector_that_hangs(place: &Place) {
    let control_plane = installed(place);
    let collector = TcpListener::bind("10.99.28.9:4318").unwrap();
    let held = std::thread::spawn(move || collector.incoming().map_while(Result::ok).take(64).collect::<Vec<_>>());
    let settings = [
        ("SELF_MONITORING_ENABLED", "true"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://10.99.28.9:4318"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "20000"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "100"),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ("LOG_LEVEL", "info"),
    ];
    let here = "10.99.28.1";
    let config = control_plane.kubeconfig_of("openlit", "openlit-operator");
    let mut replica = Replica::start_with(&config, &settings, &place.path(""), "replica-1", here);
    replica.wait_until_ready();
    let mut line = Line::to(&control_plane, here, 9443);
    let body = review(&json!({}));
    let mut review = |count: usize| {
        for _ in 0..count {
            let start = Instant::now();
            assert_eq!(line.review(&body).0, 200);
            let took = start.elapsed();
            assert!(took < Duration::from_secs(4), "{took:?}, where an export takes 20 seconds");
        }
    };
    // More than the queue holds; what comes then is dropped.
    review(3_000);
    let before = replica.process.memory_now();
    review(2_000);
    let grown = replica.process.memory_now().saturating_sub(before);
    assert!(grown < 4 << 20, "{grown} bytes more for 2,000 reviews");
    let start = Instant::now();
    assert!(replica.process.stop().success());
    assert!(start.elapsed() < Duration::from_secs(14), "{:?}", start.elapsed());
    drop(held);
}
