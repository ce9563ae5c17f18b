//! What the webhook counts: one table that names every metric, and one place where the numbers are, behind one lock, so that
//! what is read together belongs together. [`Metrics::text`] is how Prometheus reads them; `telemetry` sends the same.

use super::certificates::problem::Problem;
use super::configurations::Census;
use super::decision::Outcome;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What every name begins with.
pub const PREFIX: &str = "prelit";

/// The upper bounds of the histogram, in seconds: a review is some tens of microseconds of work.
pub const BOUNDS: [f64; 12] = [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5];

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name, without the prefix, and without the ending that comes of its kind and unit.
    pub name: &'static str,
    /// Of what kind it is.
    pub kind: Kind,
    /// In what it is measured; empty for what is counted.
    pub unit: &'static str,
    /// By what it is divided.
    pub labels: &'static [&'static str],
    /// What it is, in a few words.
    pub says: &'static str,
}

/// Of what kind a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// How it is now.
    Gauge,
    /// How often it was at most so much.
    Histogram,
    /// Always 1: its labels say it.
    Info,
}

impl Metric {
    /// The name as Prometheus has it; of a histogram, what comes before `_bucket`, `_count` and `_sum`.
    pub fn shown(&self) -> String {
        let unit = if self.unit.is_empty() { String::new() } else { format!("_{}", self.unit) };
        let ending = match self.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram => "",
        };
        format!("{PREFIX}_{}{unit}{ending}", self.name)
    }
}

macro_rules! table {
    ($($id:ident, $name:literal, $kind:expr, $unit:literal, [$($label:literal),*], $says:literal;)*) => {
        /// Its place in the table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        enum Name { $($id),* }

        /// Every metric, in the order of the documentation.
        pub const METRICS: &[Metric] =
            &[$(Metric { name: $name, kind: $kind, unit: $unit, labels: &[$($label),*], says: $says }),*];
    };
}

table! {
    Build, "build", Kind::Info, "", ["version"], "The version that runs.";
    Start, "process_start", Kind::Gauge, "seconds", [], "When the process began, in seconds since 1970.";
    Reviews, "reviews", Kind::Counter, "", ["outcome", "reason"], "Admission reviews by how they came out: injected, carried (rendered before), skipped for a reason of docs/reasons.md, unexpected, failed.";
    Duration, "review_duration", Kind::Histogram, "seconds", [], "How long a review took, from its last byte to the answer.";
    Refused, "requests_refused", Kind::Counter, "", [], "Requests that were no reviews, too large or too late.";
    Configurations, "configurations", Kind::Gauge, "", ["valid"], "AutoInstrumentations that are known.";
    Leader, "leader", Kind::Gauge, "", [], "Whether this replica writes for all.";
    Expiry, "certificate_expiry", Kind::Gauge, "seconds", [], "When the certificate that is served ends, in seconds since 1970; 0 while there is none.";
    Problems, "certificate_problems", Kind::Gauge, "", ["problem"], "What is wrong now with the certificates that were found; an event on the pod says more.";
    Writes, "writes", Kind::Counter, "", ["object"], "What was written: the registration, made or repaired; the certificates; statuses of AutoInstrumentations.";
    Events, "events", Kind::Counter, "", ["result"], "Events by what became of them; those that are dropped came too fast, those that are limited were said before.";
    ApiRequests, "api_requests", Kind::Counter, "", ["method", "code"], "Requests to the API server by the status of their answer; none where there is no answer.";
    Exports, "telemetry_exports", Kind::Counter, "", ["signal", "result"], "Exports of the webhook's own telemetry, each attempt; only where it is sent.";
}

/// What a number is of: a metric, and the values of its labels.
type Series = (Name, [Label; 2]);

/// The value of a label.
type Label = std::borrow::Cow<'static, str>;

/// All numbers.
#[derive(Debug, Default)]
struct Numbers {
    values: BTreeMap<Series, i64>,
    durations: Durations,
}

/// How long reviews took.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Durations {
    /// How many took no longer than each bound and longer than the one before; the last, longer than all.
    pub counts: [u64; BOUNDS.len() + 1],
    /// All together, in seconds.
    pub sum: f64,
}

impl Durations {
    fn add(&mut self, seconds: f64) {
        let at = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        self.counts[at] += 1;
        self.sum += seconds;
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// A metric with what was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// Which one it is.
    pub metric: &'static Metric,
    /// Its numbers, each with its labels.
    pub values: Vec<(Vec<(&'static str, String)>, i64)>,
    /// What a histogram has in place of them.
    pub durations: Option<Durations>,
}

/// Everything that is counted. What is cloned counts in the same place.
#[derive(Debug, Clone)]
pub struct Metrics {
    numbers: Arc<Mutex<Numbers>>,
    start: SystemTime,
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Metrics { numbers: Arc::default(), start: SystemTime::now() };
        metrics.set(Name::Build, [env!("CARGO_PKG_VERSION"), ""], 1);
        let since = metrics.start.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        metrics.set(Name::Start, [""; 2], i64::try_from(since).unwrap_or(i64::MAX));
        // What has not happened yet is told too: an alert on its growth would miss the first time.
        for (name, labels) in [
            (Name::Reviews, ["injected", ""]),
            (Name::Reviews, ["failed", ""]),
            (Name::Refused, ["", ""]),
            (Name::Leader, ["", ""]),
            (Name::Expiry, ["", ""]),
        ] {
            metrics.set(name, labels, 0);
        }
        for object in Object::ALL {
            metrics.set(Name::Writes, [object.word(), ""], 0);
        }
        metrics.found(&[]);
        metrics
    }
}

/// What is written to the API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Object {
    Registration,
    Certificates,
    Status,
}

impl Object {
    const ALL: [Object; 3] = [Object::Registration, Object::Certificates, Object::Status];

    fn word(self) -> &'static str {
        match self {
            Object::Registration => "registration",
            Object::Certificates => "certificates",
            Object::Status => "status",
        }
    }
}

impl Metrics {
    /// A review was answered.
    pub fn reviewed(&self, outcome: Outcome, took: Duration) {
        let mut numbers = self.lock();
        *numbers.of(Name::Reviews, [outcome.word(), outcome.reason()]) += 1;
        numbers.durations.add(took.as_secs_f64());
    }

    /// A request was answered with an error.
    pub fn refused(&self) {
        self.count(Name::Refused, [""; 2]);
    }

    /// There are so many resources.
    pub fn configured(&self, census: Census) {
        for (valid, count) in [("true", census.valid), ("false", census.invalid)] {
            self.set(Name::Configurations, [valid, ""], i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// This replica leads, or does not any more.
    pub fn leads(&self, leads: bool) {
        self.set(Name::Leader, [""; 2], leads.into());
    }

    /// The certificate that is served ends then, in seconds since 1970.
    pub fn expires(&self, at: i64) {
        self.set(Name::Expiry, [""; 2], at);
    }

    /// This and nothing else is wrong with the certificates that were found.
    pub fn found(&self, problems: &[Problem]) {
        let mut numbers = self.lock();
        for code in Problem::CODES {
            *numbers.of(Name::Problems, [code, ""]) = 0;
        }
        for problem in problems {
            *numbers.of(Name::Problems, [problem.code(), ""]) += 1;
        }
    }

    /// Something was written.
    pub fn wrote(&self, object: Object) {
        self.count(Name::Writes, [object.word(), ""]);
    }

    /// What became of an event, in a word.
    pub fn event(&self, result: &'static str) {
        self.count(Name::Events, [result, ""]);
    }

    /// The API server has answered with this status, or not at all.
    pub fn asked(&self, method: &str, status: Option<u16>) {
        let code = status.map_or(Label::Borrowed("none"), |status| status.to_string().into());
        *self.lock().values.entry((Name::ApiRequests, [method.to_owned().into(), code])).or_default() += 1;
    }

    /// An attempt to send a signal of our own telemetry has ended.
    pub fn exported(&self, signal: &'static str, worked: bool) {
        self.count(Name::Exports, [signal, if worked { "sent" } else { "failed" }]);
    }

    /// When counting began.
    pub fn start(&self) -> SystemTime {
        self.start
    }

    /// All of it.
    pub fn families(&self) -> Vec<Family> {
        let numbers = self.lock();
        let family = |(place, metric): (usize, &'static Metric)| {
            let of_it = numbers.values.iter().filter(|((name, _), _)| *name as usize == place);
            let labelled = |labels: &[Label; 2]| {
                metric.labels.iter().zip(labels).map(|(name, value)| (*name, value.clone().into_owned())).collect()
            };
            Family {
                metric,
                values: of_it.map(|((_, labels), value)| (labelled(labels), *value)).collect(),
                durations: (place == Name::Duration as usize).then_some(numbers.durations),
            }
        };
        METRICS.iter().enumerate().map(|(place, metric)| family((place, metric))).collect()
    }

    /// All of it, as Prometheus reads it.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut registry = Registry::with_prefix(PREFIX);
        registry.register_collector(Box::new(self.clone()));
        // Writing into a String does not fail.
        let _infallible = encode(&mut text, &registry);
        text
    }

    fn lock(&self) -> MutexGuard<'_, Numbers> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, name: Name, labels: [&'static str; 2]) {
        *self.lock().of(name, labels) += 1;
    }

    fn set(&self, name: Name, labels: [&'static str; 2], value: i64) {
        *self.lock().of(name, labels) = value;
    }
}

impl Numbers {
    fn of(&mut self, name: Name, labels: [&'static str; 2]) -> &mut i64 {
        self.values.entry((name, labels.map(Label::Borrowed))).or_default()
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for Family { metric, values, durations } in self.families() {
            let unit = Some(Unit::Other(metric.unit.to_owned())).filter(|_| !metric.unit.is_empty());
            let kind = match metric.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
                Kind::Histogram => MetricType::Histogram,
                Kind::Info => MetricType::Info,
            };
            let mut encoder = encoder.encode_descriptor(metric.name, metric.says, unit.as_ref(), kind)?;
            if let Some(Durations { counts, sum }) = durations {
                let bounds = BOUNDS.iter().copied().chain([f64::INFINITY]);
                let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
                encoder.encode_histogram::<NoLabelSet>(sum, counts.iter().sum(), &buckets, None)?;
            }
            for (labels, value) in values {
                write(metric.kind, &mut encoder, &labels, value)?;
            }
        }
        Ok(())
    }
}

fn write(kind: Kind, encoder: &mut MetricEncoder<'_>, labels: &[(&'static str, String)], value: i64) -> fmt::Result {
    match kind {
        Kind::Info => encoder.encode_info(&labels),
        Kind::Counter if labels.is_empty() => encoder.encode_counter::<NoLabelSet, _, u64>(&value.unsigned_abs(), None),
        Kind::Counter => {
            encoder.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&value.unsigned_abs(), None)
        }
        _ if labels.is_empty() => encoder.encode_gauge(&value),
        _ => encoder.encode_family(&labels)?.encode_gauge(&value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Reason;

    #[test]
    fn what_happened_is_in_the_text() {
        let metrics = Metrics::default();
        metrics.reviewed(Outcome::Injected, Duration::from_micros(60));
        metrics.reviewed(Outcome::Skipped(Reason::NotSelected), Duration::from_micros(40));
        metrics.reviewed(Outcome::Injected, Duration::from_secs(9));
        metrics.configured(Census { synced: true, valid: 3, invalid: 1 });
        metrics.leads(true);
        metrics.expires(1_800_000_000);
        metrics.found(&[Problem::Untrusted, Problem::Expired("ca.crt"), Problem::Expired("tls.crt")]);
        metrics.wrote(Object::Registration);
        metrics.event("written");
        metrics.asked("PATCH", Some(409));
        metrics.asked("GET", None);
        metrics.exported("traces", false);
        let text = metrics.text();
        for line in [
            concat!("prelit_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
            "# TYPE prelit_reviews counter",
            "prelit_reviews_total{outcome=\"injected\",reason=\"\"} 2",
            "prelit_reviews_total{outcome=\"skipped\",reason=\"not-selected\"} 1",
            "prelit_reviews_total{outcome=\"failed\",reason=\"\"} 0",
            "# UNIT prelit_review_duration_seconds seconds",
            "prelit_review_duration_seconds_bucket{le=\"0.00005\"} 1",
            "prelit_review_duration_seconds_bucket{le=\"0.0001\"} 2",
            "prelit_review_duration_seconds_bucket{le=\"2.5\"} 2",
            "prelit_review_duration_seconds_bucket{le=\"+Inf\"} 3",
            "prelit_review_duration_seconds_count 3",
            "prelit_requests_refused_total 0",
            "prelit_configurations{valid=\"true\"} 3",
            "prelit_leader 1",
            "prelit_certificate_expiry_seconds 1800000000",
            "prelit_certificate_problems{problem=\"expired\"} 2",
            "prelit_certificate_problems{problem=\"untrusted\"} 1",
            "prelit_certificate_problems{problem=\"absent\"} 0",
            "prelit_writes_total{object=\"registration\"} 1",
            "prelit_writes_total{object=\"status\"} 0",
            "prelit_events_total{result=\"written\"} 1",
            "prelit_api_requests_total{method=\"PATCH\",code=\"409\"} 1",
            "prelit_api_requests_total{method=\"GET\",code=\"none\"} 1",
            "prelit_telemetry_exports_total{signal=\"traces\",result=\"failed\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"), "{text}");
        metrics.found(&[]);
        assert!(metrics.text().contains("prelit_certificate_problems{problem=\"expired\"} 0"), "it was mended");
    }

    #[test]
    fn every_metric_is_shown_by_the_name_that_the_table_says() {
        let metrics = Metrics::default();
        metrics.configured(Census::default());
        metrics.event("written");
        metrics.asked("GET", Some(200));
        metrics.exported("metrics", true);
        let text = metrics.text();
        for (metric, family) in METRICS.iter().zip(metrics.families()) {
            let begins =
                |line: &str| line.strip_prefix(&metric.shown()).is_some_and(|rest| rest.starts_with(['{', ' ', '_']));
            assert!(text.lines().any(begins), "{} in\n{text}", metric.shown());
            assert!(family.durations.is_some() || !family.values.is_empty(), "{}", metric.name);
            assert!(metric.labels.len() <= 2 && metric.says.ends_with('.'), "{}", metric.name);
        }
    }
}
