//! For tests: an ordinary workload and its pod template, and an ordinary configuration.

#![expect(clippy::needless_pass_by_value, reason = "json! at the call reads better without &")]

use super::configuration::Configuration;
use super::plan::{Plan, inject};
use crate::api::settings::Settings;
use crate::api::{Finding, Reason};
use crate::manifest::{Container, Lead, PodTemplate, Role};
use crate::value::edit::apply;
use crate::value::{Path, Step, Value};
use serde_json::{Value as Json, json};
use std::borrow::Cow;

/// A Deployment in the making.
#[derive(Debug, Clone)]
pub(super) struct Template {
    pub(super) object: Json,
    pub(super) lead: Lead,
    pub(super) other_volumes: Vec<String>,
    pub(super) immutable: bool,
}

impl Template {
    pub(super) fn new() -> Self {
        Self::of(json!({"spec": {"containers": [{"name": "app", "image": "python:3.11-slim"}]}}))
    }

    /// Around a pod template.
    pub(super) fn of(template: Json) -> Self {
        Template {
            object: json!({"kind": "Deployment", "metadata": {"name": "chat"}, "spec": {"template": template}}),
            lead: Lead::default(),
            other_volumes: Vec::new(),
            immutable: false,
        }
    }

    /// With these app containers.
    pub(super) fn containers(containers: Json) -> Self {
        Self::of(json!({"spec": {"containers": containers}}))
    }

    /// With one app container that has these fields too.
    pub(super) fn container(fields: Json) -> Self {
        let mut container = json!({"name": "app", "image": "python:3.11-slim"});
        merge(&mut container, fields);
        Self::containers(json!([container]))
    }

    /// With one app container that has this environment.
    pub(super) fn env(env: Json) -> Self {
        Self::container(json!({"env": env}))
    }

    /// With these fields of the pod spec too.
    pub(super) fn spec(mut self, fields: Json) -> Self {
        merge(&mut self.object["spec"]["template"]["spec"], fields);
        self
    }

    pub(super) fn annotation(mut self, key: &str, value: &str) -> Self {
        self.object["spec"]["template"]["metadata"]["annotations"][key] = json!(value);
        self
    }

    pub(super) fn label(mut self, key: &str, value: &str) -> Self {
        self.object["spec"]["template"]["metadata"]["labels"][key] = json!(value);
        self
    }

    pub(super) fn lead(mut self, name: &str, attribute: Option<&'static str>) -> Self {
        self.lead = Lead { name: Some(name.to_owned()), attribute };
        self
    }

    pub(super) fn value(&self) -> Value<'_> {
        Value::from(&self.object)
    }

    pub(super) fn template<'v>(&self, value: &'v Value<'v>) -> PodTemplate<'v> {
        PodTemplate {
            lead: self.lead.clone(),
            other_volumes: self.other_volumes.clone(),
            immutable: self.immutable,
            ..pod_template(value)
        }
    }
}

fn merge(into: &mut Json, fields: Json) {
    if let (Json::Object(into), Json::Object(fields)) = (into, fields) {
        into.extend(fields);
    }
}

/// The pod template of an object with `spec.template`.
pub(super) fn pod_template<'v>(object: &'v Value<'v>) -> PodTemplate<'v> {
    let at = Path::keys(&["spec", "template"]);
    let spec = at.key("spec");
    let mut containers = Vec::new();
    for (list, role) in [("containers", Role::App), ("initContainers", Role::Init)] {
        let items = object.at(&spec.key(list)).and_then(Value::as_list).unwrap_or_default();
        containers.extend(items.iter().enumerate().map(|(index, value)| Container {
            at: spec.key(list).step(Step::Index(index)),
            name: Cow::Borrowed(value.get("name").and_then(Value::as_text).unwrap_or_default()),
            value,
            role,
        }));
    }
    PodTemplate {
        object,
        labels: at.key("metadata").key("labels"),
        annotations: at.key("metadata").key("annotations"),
        at,
        inherited: Vec::new(),
        spec,
        other_volumes: Vec::new(),
        containers,
        lead: Lead::default(),
        immutable: false,
        added: &crate::manifest::kinds::NOTHING,
        inherited_specs: Vec::new(),
    }
}

/// The plan for the app containers.
pub(super) fn plan_of(object: &Template, configuration: &Configuration) -> Result<Plan, Finding> {
    let value = object.value();
    let template = object.template(&value);
    let chosen: Vec<usize> =
        (0..template.containers.len()).filter(|i| template.containers[*i].role == Role::App).collect();
    inject(&template, &chosen, configuration)
}

/// The pod template with its app containers instrumented, and the plan.
pub(super) fn injected(object: &Template, configuration: &Configuration) -> (Json, Plan) {
    let plan = plan_of(object, configuration).unwrap();
    let mut json = apply(object.value(), &plan.edits).unwrap().to_json();
    (json["spec"]["template"].take(), plan)
}

/// The first container's variables after the injection, in their order, as `NAME=value` or `NAME: {…}`.
pub(super) fn variables(object: &Template, configuration: &Configuration) -> Vec<String> {
    let (template, _) = injected(object, configuration);
    let entries = template["spec"]["containers"][0]["env"].as_array().unwrap().clone();
    entries
        .iter()
        .map(|entry| {
            let name = entry["name"].as_str().unwrap();
            match (&entry["value"], &entry["valueFrom"]) {
                (Json::String(text), _) => format!("{name}={text}"),
                (Json::Null, Json::Null) => name.to_owned(),
                (_, source) => format!("{name}: {source}"),
            }
        })
        .collect()
}

/// One variable of the first container; none where it is not there, a failure where it stands twice.
pub(super) fn variable(object: &Template, configuration: &Configuration, name: &str) -> Option<String> {
    let all = variables(object, configuration);
    let is =
        |text: &&String| text.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['=', ':']));
    assert!(all.iter().filter(is).count() < 2, "{name} stands twice: {all:?}");
    all.iter().find(is).map(|text| text[name.len()..].trim_start_matches(['=', ':']).trim_start().to_owned())
}

/// The notes' reasons.
pub(super) fn notes(object: &Template, configuration: &Configuration) -> Vec<Reason> {
    plan_of(object, configuration).unwrap().notes.iter().map(|note| note.reason).collect()
}

/// Why a template is left alone.
pub(super) fn refusal(object: &Template, configuration: &Configuration) -> (Reason, String) {
    let finding = plan_of(object, configuration).unwrap_err();
    (finding.reason, finding.at.to_string())
}

/// The default profile.
pub(super) fn configuration() -> Configuration {
    let mut configuration = Configuration::from_settings(&Settings::default());
    configuration.init_image.reference = "ghcr.io/openlit/openlit-ai-instrumentation:1.2.3".to_owned();
    configuration
}

/// JSON as values that borrow from nothing.
pub(super) fn values(items: Json) -> Vec<Value<'static>> {
    match items {
        Json::Array(items) => items.iter().map(|item| Value::from(item).into_owned()).collect(),
        item => vec![Value::from(&item).into_owned()],
    }
}
