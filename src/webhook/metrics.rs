//! What the webhook counts, in Prometheus' text.

use super::configurations::Standing;
use super::decision::Outcome;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use std::time::Duration;

/// The upper bounds of the histogram, in seconds: a review is some tens of microseconds of work.
const BUCKETS: [f64; 12] = [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Review {
    outcome: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Validity {
    valid: &'static str,
}

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    reviews: Family<Review, Counter>,
    duration: Histogram,
    rejected: Counter,
    configurations: Family<Validity, Gauge>,
    leader: Gauge,
    expiry: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Metrics {
            registry: Registry::with_prefix("prelit"),
            reviews: Family::default(),
            duration: Histogram::new(BUCKETS),
            rejected: Counter::default(),
            configurations: Family::default(),
            leader: Gauge::default(),
            expiry: Gauge::default(),
        };
        let registry = &mut metrics.registry;
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version that runs", build);
        registry.register("reviews", "Admission reviews by outcome and reason", metrics.reviews.clone());
        registry.register_with_unit(
            "review_duration",
            "How long a review took, from its last byte to the answer",
            Unit::Seconds,
            metrics.duration.clone(),
        );
        registry.register(
            "requests_refused",
            "Requests that were no reviews, too large or too late",
            metrics.rejected.clone(),
        );
        registry.register("configurations", "AutoInstrumentations that are known", metrics.configurations.clone());
        registry.register("leader", "Whether this replica writes for all", metrics.leader.clone());
        registry.register_with_unit(
            "certificate_expiry",
            "When the certificate that is served ends, in seconds since 1970",
            Unit::Seconds,
            metrics.expiry.clone(),
        );
        metrics
    }
}

impl Metrics {
    /// A review was answered.
    pub fn reviewed(&self, outcome: Outcome, took: Duration) {
        self.reviews.get_or_create(&Review { outcome: outcome.word(), reason: outcome.reason() }).inc();
        self.duration.observe(took.as_secs_f64());
    }

    /// A request was answered with an error.
    pub fn refused(&self) {
        self.rejected.inc();
    }

    /// The resources stand otherwise.
    pub fn configured(&self, standing: Standing) {
        for (valid, count) in [("true", standing.valid), ("false", standing.invalid)] {
            self.configurations.get_or_create(&Validity { valid }).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// This replica leads, or does not any more.
    pub fn leads(&self, leads: bool) {
        self.leader.set(leads.into());
    }

    /// The certificate that is served ends then, in seconds since 1970.
    pub fn expires(&self, at: i64) {
        self.expiry.set(at);
    }

    /// All of it, as Prometheus reads it.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a String does not fail.
        let _infallible = encode(&mut text, &self.registry);
        text
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
        metrics.configured(Standing { synced: true, valid: 3, invalid: 1 });
        metrics.leads(true);
        metrics.expires(1_800_000_000);
        let text = metrics.text();
        for line in [
            "prelit_reviews_total{outcome=\"injected\",reason=\"\"} 1",
            "prelit_reviews_total{outcome=\"skipped\",reason=\"not-selected\"} 1",
            "prelit_review_duration_seconds_count 2",
            "prelit_configurations{valid=\"true\"} 3",
            "prelit_leader 1",
            "prelit_certificate_expiry_seconds 1800000000",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }
}
