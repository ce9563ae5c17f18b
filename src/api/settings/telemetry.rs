//! The webhook's own telemetry: the variables of the `OpenTelemetry` specification as one place to send each signal to.
//! Of two that say the same, that of the signal counts.

use super::Reader;
use std::fmt;
use std::time::Duration;

/// What begins the name of every variable of the exporter.
pub(super) const PREFIX: &str = "OTEL_EXPORTER_OTLP_";

/// The signals that are sent.
const SENT: [&str; 2] = ["TRACES_", "METRICS_"];

/// What is sent of the webhook itself, where to and how.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Telemetry {
    /// Where its traces go, if anywhere.
    pub traces: Option<Target>,
    /// Where its metrics go, if anywhere.
    pub metrics: Option<Target>,
    /// How often they go there.
    pub interval: Duration,
    /// `OTEL_SERVICE_NAME`, or what the attributes say of it.
    pub service_name: String,
    /// The others of `OTEL_RESOURCE_ATTRIBUTES`.
    pub attributes: Vec<(String, String)>,
    /// Whether logs are to go somewhere: they are written to stderr alone.
    pub logs: bool,
}

/// Where a signal goes.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    /// The whole URL.
    pub endpoint: String,
    /// Headers of each request. They hold keys, and are shown to nobody.
    pub headers: Vec<(String, String)>,
    /// For one request.
    pub timeout: Duration,
    /// The file of the CAs that the receiver is trusted by; those of the machine without it.
    pub certificate: Option<String>,
    /// The files of our own certificate and of its key, where the receiver asks for one.
    pub identity: Option<(String, String)>,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Target").field("headers", &headers).finish_non_exhaustive()
    }
}

impl Telemetry {
    /// Takes it from the settings. Whether something is missing is asked only where it is to be sent.
    pub(super) fn read(reader: &mut Reader) -> Telemetry {
        let wanted = reader.flag("SELF_MONITORING_ENABLED");
        // What is wrong is said of all that are given, also of those that have nothing to work on.
        let given: Vec<String> = reader.values.keys().filter(|name| name.starts_with(PREFIX)).cloned().collect();
        for name in &given {
            let _said = reader.text(name);
        }
        let [traces, metrics] = SENT.map(|signal| Target::read(reader, signal, wanted));
        let logs = reader.optional("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT").is_some();
        if wanted && !given.iter().any(|name| name.ends_with("ENDPOINT") && reader.is_set(name)) {
            reader.problem("SELF_MONITORING_ENABLED", "found true, which needs OTEL_EXPORTER_OTLP_ENDPOINT");
        }
        let (names, attributes): (Vec<_>, Vec<_>) =
            pairs(&reader.text("OTEL_RESOURCE_ATTRIBUTES")).into_iter().partition(|(key, _)| key == "service.name");
        let service_name = match names.into_iter().next_back() {
            Some((_, name)) if !reader.is_set("OTEL_SERVICE_NAME") => name,
            _ => reader.text("OTEL_SERVICE_NAME"),
        };
        Telemetry {
            traces,
            metrics,
            interval: Duration::from_millis(reader.number("OTEL_METRIC_EXPORT_INTERVAL")),
            service_name,
            attributes,
            logs,
        }
    }
}

impl Target {
    fn read(reader: &mut Reader, signal: &str, wanted: bool) -> Option<Target> {
        let own = format!("{PREFIX}{signal}ENDPOINT");
        let endpoint = match reader.optional(&own) {
            Some(whole) => whole,
            None => of_signal(&reader.optional("OTEL_EXPORTER_OTLP_ENDPOINT")?, signal),
        };
        let mut name = |part: &str| {
            let own = format!("{PREFIX}{signal}{part}");
            if reader.is_set(&own) { own } else { format!("{PREFIX}{part}") }
        };
        let [headers, timeout, protocol, compression, certificate, client, key] =
            ["HEADERS", "TIMEOUT", "PROTOCOL", "COMPRESSION", "CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"]
                .map(&mut name);
        let identity = (reader.optional(&client), reader.optional(&key));
        if wanted {
            for (name, spoken) in [(&protocol, "http/protobuf"), (&compression, "none")] {
                let found = reader.text(name);
                if found != spoken {
                    reader.problem(name, format!("found {found}, expected {spoken}: nothing else is spoken"));
                }
            }
            if identity.0.is_some() != identity.1.is_some() {
                let (given, missing) = if identity.0.is_some() { (&client, &key) } else { (&key, &client) };
                reader.problem(given, format!("needs {missing}"));
            }
        }
        Some(Target {
            endpoint,
            headers: pairs(&reader.text(&headers)),
            timeout: Duration::from_millis(reader.number(&timeout)),
            certificate: reader.optional(&certificate),
            identity: identity.0.zip(identity.1),
        })
    }
}

/// The URL of one signal under that of all, which may end in `/` and have a query.
fn of_signal(endpoint: &str, signal: &str) -> String {
    let end = endpoint.find(['?', '#']).unwrap_or(endpoint.len());
    let (path, rest) = endpoint.split_at(end);
    format!("{}/v1/{}{rest}", path.trim_end_matches('/'), signal.trim_end_matches('_').to_ascii_lowercase())
}

/// `name=value` pairs with commas between them, percent-encoded, as headers and resource attributes are written; nothing
/// where one is none.
pub(super) fn read_pairs(text: &str) -> Option<Vec<(String, String)>> {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    items
        .map(|item| {
            let (name, value) = item.split_once('=')?;
            let (name, value) = (name.trim(), decoded(value.trim())?);
            (!name.is_empty()).then(|| (name.to_owned(), value))
        })
        .collect()
}

/// The same where the table has let it pass.
fn pairs(text: &str) -> Vec<(String, String)> {
    read_pairs(text).unwrap_or_default()
}

/// What is percent-encoded; a `%` that begins no code stands for itself.
fn decoded(text: &str) -> Option<String> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut made = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        let code = match rest {
            [b'%', high, low, ..] => digit(*high).zip(digit(*low)),
            _ => None,
        };
        made.push(code.map_or(*byte, |(high, low)| high << 4 | low));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(made).ok().filter(|text| !text.contains(char::is_control))
}
