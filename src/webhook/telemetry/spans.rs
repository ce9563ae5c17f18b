//! A span for each review: how it came out and of what it was, never what stands in the pod. It is a child of the API
//! server's, where that one traces.

use crate::webhook::decision::{Decision, Outcome};
use crate::webhook::review::Request;
use crate::webhook::text::one_line;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{Span, SpanBuilder, SpanKind, Status, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use std::time::SystemTime;

/// How long a namespace, a kind or a uid is at most; what is longer is none, and not to be kept.
const LONGEST: usize = 63;

/// Who makes them.
#[derive(Debug, Clone)]
pub struct Spans(SdkTracer);

impl Spans {
    /// They go to the exporter of this provider.
    pub fn new(provider: &SdkTracerProvider) -> Self {
        Spans(provider.tracer("prelit"))
    }

    /// A review that began then has just been decided; `parent` is the `traceparent` of its request.
    pub fn reviewed(&self, parent: Option<&str>, began: SystemTime, request: &Request<'_>, decision: &Decision) {
        let mut attributes = vec![
            KeyValue::new("prelit.outcome", decision.outcome.word()),
            KeyValue::new("prelit.kind", one_line(&request.kind.kind, LONGEST)),
            KeyValue::new("prelit.review.uid", one_line(&request.uid, LONGEST)),
            KeyValue::new("prelit.dry_run", request.dry_run),
            KeyValue::new("k8s.namespace.name", one_line(&request.namespace, LONGEST)),
        ];
        if let Outcome::Skipped(reason) = decision.outcome {
            attributes.push(KeyValue::new("prelit.reason", reason.code()));
        }
        if let Some(owner) = &decision.owner {
            attributes.push(KeyValue::new("prelit.owner.kind", one_line(&owner.kind, LONGEST)));
        }
        let span = SpanBuilder::from_name("review")
            .with_kind(SpanKind::Server)
            .with_start_time(began)
            .with_attributes(attributes);
        let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &Parent(parent));
        let mut span = self.0.build_with_context(span, &context);
        if decision.outcome == Outcome::Failed {
            span.set_status(Status::error("the review failed; the pod was admitted as it is"));
        }
        span.end();
    }
}

/// The one header that is read: others may be of any length.
struct Parent<'h>(Option<&'h str>);

impl Extractor for Parent<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.filter(|_| key == "traceparent")
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent"]
    }
}
