//! The numbers of `/metrics` over OTLP. The SDK cannot observe a histogram that somebody else keeps, so the messages are
//! made here, of the same numbers: nothing is counted twice. Their names are those of `/metrics` without the endings that
//! come of kind and unit, which a collector adds again where it speaks to Prometheus.

use super::transport::Transport;
use crate::api::settings::Target;
use crate::webhook::metrics::{BOUNDS, Durations, Family, Kind, Metrics, PREFIX};
use opentelemetry_http::Request;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use prost::Message;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

/// What sends them from time to time.
#[derive(Debug)]
pub struct Numbers {
    sender: Arc<Sender>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Sender {
    target: Target,
    transport: Transport,
    resource: Resource,
    metrics: Metrics,
}

impl Numbers {
    /// Sends them at once, and again and again.
    pub fn begin(
        target: Target,
        transport: Transport,
        resource: &opentelemetry_sdk::Resource,
        metrics: Metrics,
        pause: Duration,
    ) -> Self {
        let attributes = ResourceAttributesWithSchema::from(resource).attributes.0;
        let resource = Resource { attributes, ..Resource::default() };
        let sender = Arc::new(Sender { target, transport, resource, metrics });
        let sending = Arc::clone(&sender);
        let task = tokio::spawn(async move {
            let mut turns = interval(pause);
            // What was missed is in the next.
            turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                turns.tick().await;
                sending.send().await;
            }
        });
        Numbers { sender, task }
    }

    /// Sends them for the last time.
    pub async fn end(self) {
        self.task.abort();
        let _aborted = self.task.await;
        self.sender.send().await;
    }
}

impl Sender {
    /// A failure is told by the transport, and not tried again: what was counted is in the next one, too.
    async fn send(&self) {
        let message = message(&self.resource, &self.metrics, SystemTime::now());
        let request = Request::post(&self.target.endpoint).header("content-type", "application/x-protobuf");
        let request =
            self.target.headers.iter().fold(request, |request, (name, value)| request.header(name.as_str(), value));
        if let Ok(request) = request.body(message.encode_to_vec().into()) {
            let _told = self.transport.send(request).await;
        }
    }
}

/// All numbers of a moment.
fn message(resource: &Resource, metrics: &Metrics, now: SystemTime) -> ExportMetricsServiceRequest {
    let period = Period { start: nanoseconds(metrics.start()), now: nanoseconds(now) };
    let families = metrics.families();
    let scope = InstrumentationScope {
        name: "prelit".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    let metrics = ScopeMetrics {
        scope: Some(scope),
        metrics: families.into_iter().map(|family| metric(family, period)).collect(),
        ..ScopeMetrics::default()
    };
    let of_us = ResourceMetrics {
        resource: Some(resource.clone()),
        scope_metrics: vec![metrics],
        ..ResourceMetrics::default()
    };
    ExportMetricsServiceRequest { resource_metrics: vec![of_us] }
}

#[derive(Clone, Copy)]
struct Period {
    start: u64,
    now: u64,
}

fn metric(family: Family, period: Period) -> Metric {
    let Family { metric, values, durations } = family;
    let suffix = if metric.kind == Kind::Info { "_info" } else { "" };
    let points = values.into_iter().map(|(labels, value)| NumberDataPoint {
        attributes: labels.into_iter().map(|(key, value)| attribute(key, value)).collect(),
        start_time_unix_nano: period.start,
        time_unix_nano: period.now,
        value: Some(number_data_point::Value::AsInt(value)),
        ..NumberDataPoint::default()
    });
    let cumulative = AggregationTemporality::Cumulative.into();
    let data = match (metric.kind, durations) {
        (Kind::Histogram, durations) => Data::Histogram(Histogram {
            data_points: durations.iter().map(|durations| point(durations, period)).collect(),
            aggregation_temporality: cumulative,
        }),
        (Kind::Counter, _) => {
            Data::Sum(Sum { data_points: points.collect(), aggregation_temporality: cumulative, is_monotonic: true })
        }
        (Kind::Gauge | Kind::Info, _) => Data::Gauge(Gauge { data_points: points.collect() }),
    };
    Metric {
        name: format!("{PREFIX}_{}{suffix}", metric.name),
        description: metric.says.to_owned(),
        unit: if metric.unit == "seconds" { "s".to_owned() } else { metric.unit.to_owned() },
        data: Some(data),
        ..Metric::default()
    }
}

fn point(durations: &Durations, period: Period) -> HistogramDataPoint {
    HistogramDataPoint {
        start_time_unix_nano: period.start,
        time_unix_nano: period.now,
        count: durations.count(),
        sum: Some(durations.sum),
        bucket_counts: durations.counts.to_vec(),
        explicit_bounds: BOUNDS.to_vec(),
        ..HistogramDataPoint::default()
    }
}

fn attribute(key: &str, value: String) -> KeyValue {
    let value = AnyValue { value: Some(Value::StringValue(value)) };
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}

fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
