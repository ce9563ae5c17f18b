//! The schema of the chart's values, made of the values: Helm says of a name that is not among them that it is wrong, where it
//! would otherwise pass over it.

use super::super::manifest::documents;
use super::super::shell::settle;
use super::{CHART, Chart, TEMPLATE, nested};
use prelit::api::settings::{Kind, VARIABLES};
use serde_json::{Map, Value, json};

/// Values with the choices of a setting.
const CHOICES: [(&str, &str); 7] = [
    ("image.pullPolicy", "OPENLIT_IMAGE_PULL_POLICY"),
    ("instrumentation.defaultImagePullPolicy", "OPENLIT_IMAGE_PULL_POLICY"),
    ("instrumentation.defaultProvider", "OPENLIT_DEFAULT_PROVIDER"),
    ("observability.logLevel", "LOG_LEVEL"),
    ("tls.mode", "CERT_MODE"),
    ("webhook.failurePolicy", "WEBHOOK_FAILURE_POLICY"),
    ("webhook.reinvocationPolicy", "WEBHOOK_REINVOCATION_POLICY"),
];

/// What Kubernetes knows the fields of.
const OF_KUBERNETES: [&str; 6] = [
    "deployment.podSecurityContext",
    "deployment.securityContext",
    "deployment.strategy",
    "healthcheck.livenessProbe",
    "healthcheck.readinessProbe",
    "resources",
];

/// Numbers that may be texts: durations, and the name of a port.
const NUMBER_OR_TEXT: [&str; 3] = ["tls.refreshDays", "tls.validityDays", "webhook.service.targetPort"];

pub fn schema_is_ours() {
    let values = &documents(&std::fs::read(format!("{CHART}/values.yaml")).unwrap())[0];
    let mut schema = schema(values, "");
    let properties = schema["properties"].as_object_mut().unwrap();
    properties["settings"] = settings();
    // By which a chart that it is a part of leaves it out.
    properties.insert("enabled".to_owned(), json!({ "type": "boolean" }));
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    settle(&format!("{CHART}/values.schema.json"), &format!("{schema:#}\n"));
}

fn schema(value: &Value, path: &str) -> Value {
    if let Some((_, setting)) = CHOICES.iter().find(|(value, _)| *value == path) {
        return json!({ "enum": choices(setting) });
    }
    if NUMBER_OR_TEXT.contains(&path) {
        return json!({ "type": ["integer", "string"] });
    }
    match value {
        Value::Object(fields) if fields.is_empty() || OF_KUBERNETES.contains(&path) => json!({ "type": "object" }),
        Value::Object(fields) => {
            let below = |name: &str| format!("{path}.{name}").trim_start_matches('.').to_owned();
            let properties: Map<String, Value> =
                fields.iter().map(|(name, value)| (name.clone(), schema(value, &below(name)))).collect();
            // These a chart has in common with those that it is a part of.
            let more = path == "global";
            json!({ "type": "object", "additionalProperties": more, "properties": properties })
        }
        Value::Array(_) => json!({ "type": "array" }),
        Value::Number(_) => json!({ "type": "integer" }),
        Value::Bool(_) => json!({ "type": "boolean" }),
        Value::String(_) | Value::Null => json!({ "type": "string" }),
    }
}

fn choices(setting: &str) -> &'static [&'static str] {
    match VARIABLES.iter().find(|variable| variable.name == setting).unwrap().kind {
        Kind::Choice(words) => words,
        other => panic!("{setting} is {other:?}"),
    }
}

/// What they may be the command says, at the start.
fn settings() -> Value {
    let any = json!({ "type": ["array", "boolean", "number", "string"] });
    let properties: Map<String, Value> =
        VARIABLES.iter().map(|variable| (variable.name.to_owned(), any.clone())).collect();
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

pub fn what_is_no_value_is_refused(chart: &Chart<'_>) {
    for (path, value) in [
        ("deployment.replica", json!(2)),
        ("deployment.replicas", json!("two")),
        ("settings.OPENLIT_OTLP_ENDPIONT", json!("http://c:4318")),
        ("tls.mode", json!("selfsigned")),
        ("image.tag", json!(1.1)),
    ] {
        chart.place.write("values.yaml", nested(path, &value).to_string());
        let run = chart.place.line(&format!("{} {TEMPLATE} --values values.yaml", chart.helm)).exited(1);
        let name = path.rsplit('.').next().unwrap();
        assert!(run.stderr.contains("schema") && run.stderr.contains(name), "{path}: {}", run.stderr);
    }
}

pub fn what_kubernetes_takes_is_taken(chart: &Chart<'_>) {
    for values in [
        json!({ "resources": { "limits": { "cpu": 1, "ephemeral-storage": "1Gi" } } }),
        json!({ "deployment": { "strategy": { "rollingUpdate": { "maxSurge": "25%" } } } }),
        json!({ "deployment": { "podSecurityContext": { "runAsUser": null, "fsGroup": null } } }),
        json!({ "webhook": { "service": { "targetPort": "webhook" } }, "tls": { "validityDays": "90m" } }),
        json!({ "global": { "imageRegistry": "r.example.com" }, "enabled": true }),
    ] {
        chart.with(&values);
    }
}
