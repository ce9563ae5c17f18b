//! What is valid in a resource, but probably not meant.

use super::{AutoInstrumentation, Problem};
use crate::api::image::Image;
use crate::api::selector::Operator;
use crate::api::syntax;
use crate::value::Path;

/// All warnings, in the order of the fields.
pub(super) fn warnings(resource: &AutoInstrumentation) -> Vec<Problem> {
    let spec = &resource.spec;
    let mut found = Vec::new();
    let mut warn = |keys: &[&'static str], message: String| found.push(Problem::new(Path::keys(keys), message));

    if resource.name == super::UNNAMED {
        let message = "missing: it may be left out of a file, but kubectl refuses to apply it".to_owned();
        warn(&["metadata", "name"], message);
    }
    let negative = |operator| matches!(operator, Operator::NotIn | Operator::DoesNotExist);
    let selector = &spec.selector;
    if selector.match_labels.is_empty() && selector.match_expressions.iter().all(|one| negative(one.operator)) {
        let message = "selects every pod that lacks the labels named here; add a condition that a pod must meet";
        warn(&["spec", "selector"], message.to_owned());
    }
    if spec.ignore.as_ref().is_some_and(super::LabelSelector::is_empty) {
        warn(&["spec", "ignore"], "has no condition, and so ignores nothing".to_owned());
    }
    let image = spec.python.instrumentation.custom_init_image.as_deref();
    if let Some(image) = image.filter(|image| !Image::parse(image).has_tag_or_digest()) {
        let message = format!("{image} has neither tag nor digest, and so means the tag latest");
        warn(&["spec", "python", "instrumentation", "customInitImage"], message);
    }
    if let Some(endpoint) = &spec.otlp.endpoint {
        endpoint_warnings(endpoint, |message| warn(&["spec", "otlp", "endpoint"], message));
    }
    if let Some(environment) = spec.resource.environment.as_deref().filter(|text| text.contains([' ', '.'])) {
        let message = format!("{environment} has a space or a dot, which many backends do not expect here");
        warn(&["spec", "resource", "environment"], message);
    }
    for (attribute, field) in [
        ("service.name", "serviceName"),
        ("service.namespace", "serviceNamespace"),
        ("service.version", "serviceVersion"),
        ("deployment.environment", "environment"),
        ("deployment.environment.name", "environment"),
    ] {
        if spec.resource.attributes.contains_key(attribute) {
            let message = format!("{attribute} has a field of its own, resource.{field}");
            warn(&["spec", "resource", "attributes", attribute], message);
        }
    }
    if spec.go.is_some() {
        warn(&["spec", "go"], "is ignored: nothing instruments Go".to_owned());
    }
    if spec.disable_metrics.is_some() {
        let message = "is ignored: set OPENLIT_DISABLE_METRICS in python.instrumentation.env";
        warn(&["spec", "disableMetrics"], message.to_owned());
    }
    found
}

fn endpoint_warnings(endpoint: &str, mut warn: impl FnMut(String)) {
    let shown = syntax::shown(endpoint);
    if shown.contains("***@") {
        warn(format!("{shown} holds a name or password; use otlp.headersFrom"));
    }
    let path = shown.trim_end_matches('/');
    if let Some(signal) = ["/v1/traces", "/v1/metrics", "/v1/logs"].into_iter().find(|end| path.ends_with(end)) {
        warn(format!("{shown} ends in {signal}, which the SDK appends itself; leave it out"));
    }
    let authority = path.split_once("://").map_or("", |(_, rest)| rest).split(['/', '?', '#']).next().unwrap_or("");
    if authority.ends_with(":4317") {
        warn(format!("{shown} has the port of OTLP over gRPC; the packages send OTLP over HTTP, usually to port 4318"));
    }
}
