//! A real OpenTelemetry Collector, and what it has received from each container.

use super::place::Place;
use super::pod::{NODE, items};
use super::process::{PATIENCE, Process};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The names of a pod and a container of it.
pub type Source = (String, String);

pub struct Collector {
    _process: Process,
    marks: AtomicUsize,
    reading: Mutex<Reading>,
}

/// What has been read of its file.
struct Reading {
    file: BufReader<File>,
    line: Vec<u8>,
    received: BTreeMap<Source, Received>,
    marks: Vec<String>,
}

/// What one container has sent.
#[derive(Clone, Default)]
pub struct Received {
    /// Each with its resource's attributes.
    pub spans: Vec<Span>,
    /// All of it, of every signal.
    pub text: String,
}

#[derive(Clone, Debug)]
pub struct Span {
    pub name: String,
    pub attributes: BTreeMap<String, Value>,
    pub resource: BTreeMap<String, Value>,
}

impl Collector {
    pub fn start(place: &Place) -> Collector {
        let file = place.path("received.json");
        let config = json!({
            "receivers": { "otlp": { "protocols": { "http": { "endpoint": format!("{NODE}:4318") } } } },
            "exporters": { "file": { "path": file, "flush_interval": "50ms" } },
            "service": {
                "telemetry": { "metrics": { "level": "none" } },
                "pipelines": {
                    "traces": { "receivers": ["otlp"], "exporters": ["file"] },
                    "metrics": { "receivers": ["otlp"], "exporters": ["file"] },
                    "logs": { "receivers": ["otlp"], "exporters": ["file"] },
                },
            },
        });
        place.write("collector.yaml", config.to_string());
        let mut command = place.command("otelcol");
        command.arg("--config").arg(place.path("collector.yaml"));
        let mut process = Process::start(&mut command, &place.path(""), "collector");
        process.wait_until("the collector listens", || TcpStream::connect((NODE, 4318)).is_ok());
        let file = BufReader::new(File::open(file).unwrap());
        let reading = Mutex::new(Reading { file, line: Vec::new(), received: BTreeMap::new(), marks: Vec::new() });
        Collector { _process: process, marks: AtomicUsize::new(0), reading }
    }

    /// What a container that has ended has sent. The file has it in the order of its arrival: when a span that is sent now
    /// is there, nothing is missing.
    pub fn received(&self, source: &Source) -> Received {
        let mark = format!("mark {}", self.marks.fetch_add(1, Ordering::Relaxed));
        Self::send(&mark);
        let start = Instant::now();
        loop {
            let mut reading = self.reading.lock().unwrap();
            reading.go_on();
            if reading.marks.contains(&mark) {
                return reading.received.get(source).cloned().unwrap_or_default();
            }
            drop(reading);
            assert!(start.elapsed() < PATIENCE, "the collector does not write what it has received");
            thread::sleep(Duration::from_millis(25));
        }
    }

    fn send(mark: &str) {
        let span = json!({
            "traceId": "00000000000000000000000000000001", "spanId": "0000000000000001", "name": mark,
            "startTimeUnixNano": "1", "endTimeUnixNano": "2",
        });
        let body = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [span] }] }] }).to_string();
        let mut stream = TcpStream::connect((NODE, 4318)).unwrap();
        let length = body.len();
        let head = "POST /v1/traces HTTP/1.1\r\nHost: c\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length:";
        stream.write_all(format!("{head} {length}\r\n\r\n{body}").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

impl Reading {
    /// Reads the lines that are complete.
    fn go_on(&mut self) {
        while self.file.read_until(b'\n', &mut self.line).unwrap() > 0 && self.line.ends_with(b"\n") {
            let message: Value = serde_json::from_slice(&self.line).unwrap();
            self.line.clear();
            for (resources, scopes, records) in [
                ("resourceSpans", "scopeSpans", "spans"),
                ("resourceMetrics", "scopeMetrics", "metrics"),
                ("resourceLogs", "scopeLogs", "logRecords"),
            ] {
                for of_resource in items(&message[resources]) {
                    let resource = attributes(&of_resource["resource"]["attributes"]);
                    let name = |key: &str| resource.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
                    let source = (name("k8s.pod.name"), name("k8s.container.name"));
                    let received = self.received.entry(source).or_default();
                    received.text.push_str(&of_resource.to_string());
                    if records != "spans" {
                        continue;
                    }
                    for span in items(&of_resource[scopes]).flat_map(|scope| items(&scope[records])) {
                        let name = span["name"].as_str().unwrap().to_owned();
                        if name.starts_with("mark ") {
                            self.marks.push(name);
                            continue;
                        }
                        let attributes = attributes(&span["attributes"]);
                        received.spans.push(Span { name, attributes, resource: resource.clone() });
                    }
                }
            }
        }
    }
}

/// The one field of each value; the JSON of OTLP writes whole numbers as texts.
fn attributes(list: &Value) -> BTreeMap<String, Value> {
    let value = |value: &Value| match value.as_object().and_then(|object| object.iter().next()) {
        Some((kind, value)) if kind == "intValue" => match value.as_str() {
            Some(text) => json!(text.parse::<i64>().unwrap()),
            None => value.clone(),
        },
        Some((_, value)) => value.clone(),
        None => Value::Null,
    };
    items(list).map(|each| (each["key"].as_str().unwrap().to_owned(), value(&each["value"]))).collect()
}
