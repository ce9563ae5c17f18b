//! The webhook's own telemetry over OTLP, where `SELF_MONITORING_ENABLED` asks for it: a span for each review (`spans`,
//! by `OpenTelemetry`'s SDK), and the numbers of `/metrics` (`numbers`). Both leave by the same way (`transport`), in
//! batches and from a queue that drops what is too much: a receiver that hangs or refuses costs no review anything.

mod numbers;
pub mod spans;
mod transport;

use super::metrics::Metrics;
use crate::api::settings::{Target, WebhookSettings};
use numbers::Numbers;
use opentelemetry::KeyValue;
use opentelemetry_otlp::{Protocol, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{ResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::SdkTracerProvider;
use spans::Spans;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use transport::{Reach, Transport};

/// How long the last of it may take at the end of the process.
const FAREWELL: Duration = Duration::from_secs(3);

/// Why telemetry cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// A file that a setting names.
    #[error("{0}: {1}")]
    File(String, String),
    /// Something else; it holds no header.
    #[error("the exporter of traces: {0}")]
    Exporter(String),
}

/// What is sent, and where: checked, and not begun.
#[derive(Debug)]
pub struct Plan {
    traces: Option<(Target, Reach)>,
    metrics: Option<(Target, Reach)>,
    interval: Duration,
    resource: Resource,
    logs: bool,
}

impl Plan {
    /// What the settings ask for; nothing where it is off.
    ///
    /// # Errors
    /// Files of certificates that cannot be used, all at once.
    pub fn new(settings: &WebhookSettings, identity: &str) -> Result<Option<Plan>, Vec<Trouble>> {
        if !settings.self_monitoring {
            return Ok(None);
        }
        let telemetry = &settings.telemetry;
        let mut troubles = Vec::new();
        let mut reached = |target: &Option<Target>| {
            let target = target.clone()?;
            Reach::of(&target).map_err(|trouble| troubles.push(trouble)).ok().map(|reach| (target, reach))
        };
        let plan = Plan {
            traces: reached(&telemetry.traces),
            metrics: reached(&telemetry.metrics),
            interval: telemetry.interval,
            resource: resource(settings, identity),
            logs: telemetry.logs,
        };
        if troubles.is_empty() { Ok(Some(plan)) } else { Err(troubles) }
    }

    /// Begins to send, from within a runtime.
    ///
    /// # Errors
    /// When the exporter does not take what the settings say.
    pub fn begin(self, metrics: &Metrics) -> Result<Telemetry, Trouble> {
        if self.logs {
            tracing::warn!("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT is set; logs are written to stderr alone");
        }
        let transport = |signal, target: &Target, reach| {
            Transport::new(signal, reach, target.timeout, metrics.clone(), Handle::current())
        };
        let provider = match self.traces {
            None => None,
            Some((target, reach)) => {
                let transport = transport("traces", &target, reach);
                Some(provider(target, transport, self.resource.clone())?)
            }
        };
        let numbers = self.metrics.map(|(target, reach)| {
            let transport = transport("metrics", &target, reach);
            Numbers::begin(target, transport, &self.resource, metrics.clone(), self.interval)
        });
        Ok(Telemetry { provider, numbers })
    }
}

/// What is being sent.
#[derive(Debug)]
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
    numbers: Option<Numbers>,
}

impl Telemetry {
    /// Who makes the spans of reviews, if they are sent.
    pub fn spans(&self) -> Option<Spans> {
        self.provider.as_ref().map(Spans::new)
    }

    /// Sends what is left, for a while, and ends.
    pub async fn end(self) {
        let Telemetry { provider, numbers } = self;
        let traces = async {
            // The exporter waits for its answer by holding a thread.
            if let Some(provider) = provider {
                let _what_is_lost_is_logged = spawn_blocking(move || provider.shutdown_with_timeout(FAREWELL)).await;
            }
        };
        let metrics = async {
            if let Some(numbers) = numbers {
                numbers.end().await;
            }
        };
        if timeout(FAREWELL, futures::future::join(traces, metrics)).await.is_err() {
            tracing::warn!("the last telemetry could not be sent in time");
        }
    }
}

/// Of whom telemetry is: what the settings say, over what is known.
fn resource(settings: &WebhookSettings, identity: &str) -> Resource {
    let telemetry = &settings.telemetry;
    let known = [
        ("service.name", telemetry.service_name.as_str()),
        ("service.version", env!("CARGO_PKG_VERSION")),
        ("service.instance.id", identity),
        ("k8s.namespace.name", &settings.namespace),
        ("k8s.pod.name", identity),
    ];
    let known = known.map(|(key, value)| KeyValue::new(key, value.to_owned()));
    let given = telemetry.attributes.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    let detectors: [Box<dyn ResourceDetector>; 1] = [Box::new(TelemetryResourceDetector)];
    Resource::builder_empty().with_detectors(&detectors).with_attributes(known).with_attributes(given).build()
}

fn provider(target: Target, transport: Transport, resource: Resource) -> Result<SdkTracerProvider, Trouble> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_http_client(transport)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(target.endpoint)
        .with_headers(target.headers.into_iter().collect())
        .with_timeout(target.timeout)
        .build()
        .map_err(|error| Trouble::Exporter(error.to_string()))?;
    Ok(SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build())
}

#[cfg(test)]
mod tests;
