//! The environment of an instrumented container: which entry each variable gets, and where it stands.
//!
//! One entry per name. Strongest first: the container's own entry, template annotations, the
//! configuration's `env[]`, its fields, what is derived. The four `OPENLIT_K8S_*` stand at the front
//! of the list, since others refer to them; the configuration's `env[]` and then the rest are
//! appended. Knows nothing of volumes and of the annotation's text.
//!
//! | the user's `PYTHONPATH`, `OTEL_RESOURCE_ATTRIBUTES` | what is done |
//! |---|---|
//! | has text, an empty text or null | ours is put before it |
//! | has no `value` at all | it gets ours as its `value` |
//! | comes from `valueFrom` | it is renamed, and ours stands directly after it and refers to it |
//! | is absent | ours is appended; with `envFrom`, `PYTHONPATH` refers to itself |

use super::configuration::{Configuration, Headers};
use super::record::{ContainerRecord, Name, USUAL};
use super::resource_attributes::{Facts, Theirs, has_own_key};
use crate::api::names::{self, ENV_PYTHONPATH, ENV_RESOURCE_ATTRIBUTES, ENV_SERVICE_NAME, MOUNT_PATH};
use crate::api::{Finding, Reason};
use crate::manifest::Container;
use crate::value::{Edit, Value};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// The downward API's variables, and their fields.
const DOWNWARD: [(&str, &str); 4] = [
    (names::ENV_NAMESPACE, "metadata.namespace"),
    (names::ENV_POD_NAME, "metadata.name"),
    (names::ENV_POD_UID, "metadata.uid"),
    (names::ENV_NODE_NAME, "spec.nodeName"),
];

/// What is to be done to a container's environment.
#[derive(Debug, Default)]
pub(super) struct Environment {
    /// Entries for the front of the list.
    front: Vec<Value<'static>>,
    /// Entries to rename: index, and what takes their place.
    renamed: Vec<(usize, Value<'static>)>,
    /// Text to put before entries: index, name, text.
    prefixed: Vec<(usize, &'static str, String)>,
    /// Entries without `value`: index, name, value.
    filled: Vec<(usize, &'static str, String)>,
    /// Entries for the end of the list.
    appended: Vec<Value<'static>>,
    /// How long the list is.
    length: usize,
}

/// The entries of a list by name. Of a name that stands twice the last counts, as for the kubelet.
pub(super) struct ByName<'v> {
    pub(super) items: &'v [Value<'v>],
    /// Only for lists so long that a search would be slow.
    index: Option<HashMap<&'v str, usize>>,
}

impl<'v> ByName<'v> {
    pub(super) fn new(items: &'v [Value<'v>]) -> Self {
        let named = || items.iter().enumerate().filter_map(|(index, item)| Some((name_of(item)?, index)));
        ByName { items, index: (items.len() > 64).then(|| named().collect()) }
    }

    pub(super) fn position(&self, name: &str) -> Option<usize> {
        match &self.index {
            Some(index) => index.get(name).copied(),
            None => self.items.iter().rposition(|item| name_of(item) == Some(name)),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&'v Value<'v>> {
        self.position(name).map(|index| &self.items[index])
    }
}

/// The entries of a container as they are.
struct Own<'v>(ByName<'v>);

/// How the container's own entry of a name stands.
enum Entry<'v> {
    None,
    Text(usize, &'v str),
    NoValue(usize),
    From(usize),
}

/// The configuration's `env[]` with each name once, its last.
pub(super) struct Configured<'c> {
    entries: Vec<(&'c str, &'c Value<'static>)>,
}

impl<'c> Configured<'c> {
    pub(super) fn new(configuration: &'c Configuration) -> (Self, Vec<&'c str>) {
        let mut entries: Vec<(&str, &Value<'static>)> = Vec::with_capacity(configuration.env.len());
        let mut duplicates = Vec::new();
        for entry in &configuration.env {
            let Some(name) = name_of(entry) else { continue };
            if let Some(index) = entries.iter().position(|(known, _)| *known == name) {
                entries.remove(index);
                duplicates.push(name);
            }
            entries.push((name, entry));
        }
        (Configured { entries }, duplicates)
    }

    /// Whether the configuration's `env[]` has a name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn get(&self, name: &str) -> Option<&'c Value<'static>> {
        self.entries.iter().find(|(known, _)| *known == name).map(|(_, entry)| *entry)
    }
}

impl<'v> Own<'v> {
    fn of(container: &Container<'v>) -> Result<Self, Finding> {
        match container.value.get("env") {
            None => Ok(Own(ByName::new(&[]))),
            Some(value) if value.is_null() => Ok(Own(ByName::new(&[]))),
            Some(Value::List(items)) => Ok(Own(ByName::new(items))),
            Some(_) => Err(Finding::new(Reason::UnsupportedYaml, container.at.key("env")).with("env is not a list")),
        }
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.0.position(name)
    }

    fn entry(&self, name: &str, container: &Container<'_>) -> Result<Entry<'v>, Finding> {
        let Some(index) = self.position(name) else { return Ok(Entry::None) };
        let item = &self.0.items[index];
        if comes_from(item) {
            return Ok(Entry::From(index));
        }
        match item.get("value") {
            None => Ok(Entry::NoValue(index)),
            Some(value @ Value::Scalar(_)) => Ok(Entry::Text(index, value.as_text().unwrap_or_default())),
            Some(_) => {
                let at = container.at.key("env").index(index).key("value");
                Err(Finding::new(Reason::UnsupportedYaml, at).with(format!("the value of {name} is not text")))
            }
        }
    }

    /// Names that stand more than once.
    fn duplicates(&self) -> Vec<&'v str> {
        let mut seen = HashSet::with_capacity(self.0.items.len());
        let mut duplicates: Vec<&str> =
            self.0.items.iter().filter_map(name_of).filter(|name| !seen.insert(*name)).collect();
        duplicates.sort_unstable();
        duplicates.dedup();
        duplicates
    }
}

/// An entry's name.
pub(super) fn name_of<'v>(entry: &'v Value<'_>) -> Option<&'v str> {
    entry.get("name").and_then(Value::as_text)
}

/// An entry's value as text.
fn text_of<'v>(entry: &'v Value<'_>) -> &'v str {
    entry.get("value").and_then(Value::as_text).unwrap_or_default()
}

/// Whether a container takes variables from elsewhere, whose names are not known.
fn has_env_from(container: &Container<'_>) -> bool {
    container.value.get("envFrom").and_then(Value::as_list).is_some_and(|sources| !sources.is_empty())
}

/// Whether an entry's value is known only in the cluster.
fn comes_from(entry: &Value<'_>) -> bool {
    entry.get("valueFrom").is_some_and(|source| !source.is_null())
}

fn literal(name: &'static str, value: impl Into<Cow<'static, str>>) -> Value<'static> {
    Value::map([("name", Value::text(name)), ("value", Value::text(value))])
}

fn from(name: &'static str, source: &'static str, reference: Value<'static>) -> Value<'static> {
    Value::map([("name", Value::text(name)), ("valueFrom", Value::map([(source, reference)]))])
}

/// Decides the environment of one container, and says what is worth knowing about it.
///
/// # Errors
/// Where `env` is not what Kubernetes takes, or `OPENLIT_ORIGINAL_*` is taken already.
pub(super) fn environment(
    container: &Container<'_>,
    facts: &Facts<'_>,
    configuration: &Configuration,
    configured: &Configured<'_>,
    notes: &mut Vec<Finding>,
) -> Result<(Environment, ContainerRecord), Finding> {
    let own = Own::of(container)?;
    let env_from = has_env_from(container);
    let mut out = Environment { length: own.0.items.len(), ..Environment::default() };
    let mut record = ContainerRecord::default();
    for name in own.duplicates() {
        notes.push(Finding::new(Reason::DuplicateVariable, container.at.key("env")).with(name));
    }

    // Definitions first.
    for (name, field) in DOWNWARD {
        if own.position(name).is_none() {
            out.front.push(match configured.get(name) {
                Some(entry) => entry.clone(),
                None => from(name, "fieldRef", Value::map([("fieldPath", Value::text(field))])),
            });
        }
    }

    // What is merged with the container's own.
    let python_path = own.entry(ENV_PYTHONPATH, container)?;
    let ours = [MOUNT_PATH, "/instrumentation-packages:"];
    merge(&mut out, &mut record, &own, container, ENV_PYTHONPATH, &python_path, ours)?;
    let attributes = own.entry(ENV_RESOURCE_ATTRIBUTES, container)?;
    let theirs = match (&attributes, configured.get(ENV_RESOURCE_ATTRIBUTES)) {
        (Entry::Text(_, text), _) => Theirs::Own(text),
        (Entry::NoValue(_), _) => Theirs::Own(""),
        (Entry::From(_), _) => Theirs::OwnReference,
        (Entry::None, Some(entry)) if comes_from(entry) => Theirs::ConfiguredReference,
        (Entry::None, Some(entry)) => Theirs::Configured(text_of(entry)),
        (Entry::None, None) => Theirs::Nothing,
    };
    // Who decides the service's name: the container's own variable, an annotation, the container's
    // own attributes, the configuration's `env[]`, or the rest of the row.
    let own_attributes_name_it = matches!(theirs, Theirs::Own(text) if has_own_key(text, "service.name"));
    let own_name = own.position(ENV_SERVICE_NAME).is_some();
    let configured_name = !own_name
        && !facts.annotation_decides(ENV_SERVICE_NAME)
        && !own_attributes_name_it
        && configured.get(ENV_SERVICE_NAME).is_some();
    let service_name = facts.service_name(&container.name, theirs);
    let (before, after) =
        facts.attributes(&container.name, Some(&service_name).filter(|_| !own_name && !configured_name), theirs);
    let ours = [before.as_str(), &format!("{before},")];
    merge(&mut out, &mut record, &own, container, ENV_RESOURCE_ATTRIBUTES, &attributes, ours)?;

    // The configuration's own entries.
    let beaten = |name: &str| {
        own.position(name).is_some()
            || facts.annotation_decides(name)
            || (name == ENV_SERVICE_NAME && !configured_name)
            || DOWNWARD.iter().any(|(downward, _)| *downward == name)
    };
    for (name, entry) in configured.entries.iter().filter(|(name, _)| !beaten(name)) {
        match *name {
            ENV_PYTHONPATH => {
                merge_configured(&mut out, &own, container, entry, [MOUNT_PATH, ""], ENV_PYTHONPATH, ":")?;
            }
            ENV_RESOURCE_ATTRIBUTES => {
                let ours = [before.as_str(), after.as_str()];
                merge_configured(&mut out, &own, container, entry, ours, ENV_RESOURCE_ATTRIBUTES, ",")?;
            }
            _ => out.appended.push((*entry).clone()),
        }
    }

    // The rest of the table, in its order.
    let configured_count = out.appended.len();
    let free = |name: &str| own.position(name).is_none() && (configured.get(name).is_none() || beaten(name));
    let mut rest = Rest { free, entries: &mut out.appended };
    // What `$(…)` does not find stays as it is: a directory that does not exist.
    rest.put(ENV_PYTHONPATH, if env_from { "/instrumentation-packages:$(PYTHONPATH)" } else { MOUNT_PATH });
    rest.put(names::ENV_ENDPOINT, configuration.endpoint.clone());
    if let Some(headers) = &configuration.headers {
        rest.put_entry(names::ENV_HEADERS, || headers_entry(headers));
    }
    if let Some(seconds) = configuration.timeout {
        rest.put(names::ENV_TIMEOUT, seconds.to_string());
    }
    rest.put(ENV_SERVICE_NAME, service_name.to_variable());
    rest.put(names::ENV_SERVICE_NAMESPACE, facts.service_namespace().to_variable());
    if let Some(version) = facts.service_version() {
        rest.put(names::ENV_SERVICE_VERSION, version.to_variable());
    }
    rest.put(names::ENV_SERVICE_INSTANCE_ID, facts.service_instance(&container.name).to_variable());
    if let Some(environment) = facts.environment() {
        rest.put(names::ENV_DEPLOYMENT_ENVIRONMENT, environment.to_variable());
    }
    rest.put(ENV_RESOURCE_ATTRIBUTES, before);
    // `true` is the SDKs' own default, and must not hide a `false` from `envFrom`.
    match (configuration.capture_message_content, env_from) {
        (true, true) => {}
        (true, false) => rest.put(names::ENV_CAPTURE, "true"),
        (false, _) => rest.put(names::ENV_CAPTURE, "false"),
    }
    rest.put(names::ENV_DETAILED_TRACING, if configuration.detailed_tracing { "true" } else { "false" });
    if let Some(text) = &configuration.custom_packages_text {
        rest.put(names::ENV_CUSTOM_PACKAGES, text.clone());
    }

    if matches!(python_path, Entry::None) && configured.get(ENV_PYTHONPATH).is_none() && !env_from {
        notes.push(Finding::new(Reason::PythonPathHidden, container.at.clone()).with(container.name.clone()));
    }
    if env_from {
        let hiding: Vec<&str> = out.entries().filter_map(name_of).filter(|name| name.starts_with("OTEL_")).collect();
        notes.push(Finding::new(Reason::EnvFromHidden, container.at.key("envFrom")).with(hiding.join(", ")));
    }
    undefined_references(&out, &own, configured_count, container, notes);
    out.describe(&mut record);
    Ok((out, record))
}

/// The end of the list: what is put there if nobody stronger has the name.
struct Rest<'l, F> {
    free: F,
    entries: &'l mut Vec<Value<'static>>,
}

impl<F: Fn(&str) -> bool> Rest<'_, F> {
    /// A literal; never an empty one.
    fn put(&mut self, name: &'static str, value: impl Into<Cow<'static, str>>) {
        let value = value.into();
        if !value.is_empty() {
            self.put_entry(name, || literal(name, value));
        }
    }

    fn put_entry(&mut self, name: &'static str, entry: impl FnOnce() -> Value<'static>) {
        if (self.free)(name) {
            self.entries.push(entry());
        }
    }
}

/// Puts ours before the container's own entry, if it has one.
fn merge(
    out: &mut Environment,
    record: &mut ContainerRecord,
    own: &Own<'_>,
    container: &Container<'_>,
    name: &'static str,
    entry: &Entry<'_>,
    [alone, before]: [&str; 2],
) -> Result<(), Finding> {
    match entry {
        Entry::None => {}
        Entry::Text(index, text) => {
            // A blank is a directory's name, but no attribute.
            let empty = text.is_empty() || (name == ENV_RESOURCE_ATTRIBUTES && text.trim().is_empty());
            let ours = if empty { alone } else { before };
            record.merged.insert(Cow::Borrowed(name), ours.len());
            out.prefixed.push((*index, name, ours.to_owned()));
        }
        Entry::NoValue(index) => {
            record.filled.push(Cow::Borrowed(name));
            out.filled.push((*index, name, alone.to_owned()));
        }
        Entry::From(index) => {
            let original = original(name, own, container)?;
            record.renamed.push(Cow::Borrowed(name));
            out.renamed.push((*index, literal(name, format!("{before}$({original})"))));
        }
    }
    Ok(())
}

/// Writes the configuration's entry as if it were the container's own, with ours before and after it.
fn merge_configured(
    out: &mut Environment,
    own: &Own<'_>,
    container: &Container<'_>,
    entry: &Value<'static>,
    [before, after]: [&str; 2],
    name: &'static str,
    separator: &str,
) -> Result<(), Finding> {
    let theirs = if comes_from(entry) {
        let original = original(name, own, container)?;
        let reference = format!("$({original})");
        let mut renamed = entry.clone();
        if let Value::Map(map) = &mut renamed {
            map.insert("name", Value::text(original));
        }
        out.appended.push(renamed);
        Cow::Owned(reference)
    } else {
        Cow::Borrowed(text_of(entry))
    };
    let parts = [before, theirs.as_ref(), after];
    let text = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(separator);
    out.appended.push(literal(name, text));
    Ok(())
}

/// The name under which a user's entry goes on.
fn original(name: &str, own: &Own<'_>, container: &Container<'_>) -> Result<String, Finding> {
    let original = format!("{}{name}", names::ORIGINAL_PREFIX);
    match own.position(&original) {
        None => Ok(original),
        Some(index) => {
            Err(Finding::new(Reason::NameConflict, container.at.key("env").index(index).key("name")).with(original))
        }
    }
}

fn headers_entry(headers: &Headers) -> Value<'static> {
    match headers {
        Headers::Literal(text) => literal(names::ENV_HEADERS, text.clone()),
        Headers::Secret { name, key } => from(
            names::ENV_HEADERS,
            "secretKeyRef",
            Value::map([
                ("name", Value::text(name.clone())),
                ("key", Value::text(key.clone())),
                ("optional", Value::bool(true)),
            ]),
        ),
    }
}

/// The names that a text refers to.
fn references(text: &str) -> impl Iterator<Item = &str> {
    text.split("$(").skip(1).filter_map(|rest| rest.split_once(')')).map(|(name, _)| name)
}

/// Warns where an entry refers to a variable that is defined only after it, which the kubelet leaves as text:
/// the configuration's `env[]` to ours, and a user's own entries that take ours in.
fn undefined_references(
    out: &Environment,
    own: &Own<'_>,
    configured_count: usize,
    container: &Container<'_>,
    notes: &mut Vec<Finding>,
) {
    let mut warn = |name: &str, reference: &str| {
        let detail = format!("{name} refers to {reference}");
        notes.push(Finding::new(Reason::UndefinedReference, container.at.key("env")).with(detail));
    };
    let configured = &out.appended[..configured_count];
    if configured.iter().any(|entry| text_of(entry).contains("$(")) {
        let defined: HashMap<&str, usize> =
            out.appended.iter().enumerate().filter_map(|(index, entry)| Some((name_of(entry)?, index))).collect();
        for (index, entry) in configured.iter().enumerate() {
            for reference in references(text_of(entry)) {
                if defined.get(reference).is_some_and(|definition| *definition > index) {
                    warn(name_of(entry).unwrap_or_default(), reference);
                }
            }
        }
    }
    // A container's own definition of a downward variable may stand after the entry that takes ours in.
    for (index, name, text) in &out.prefixed {
        for (downward, _) in DOWNWARD {
            if own.position(downward).is_some_and(|definition| definition > *index) && text.contains(downward) {
                warn(name, downward);
            }
        }
    }
}

impl Environment {
    /// Every new entry.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Value<'static>> {
        self.front.iter().chain(self.renamed.iter().map(|(_, entry)| entry)).chain(&self.appended)
    }

    /// Our part of the user's entries.
    pub(super) fn merged(&self) -> impl Iterator<Item = (&str, &str)> {
        self.prefixed.iter().chain(&self.filled).map(|(_, name, text)| (*name, text.as_str()))
    }

    /// Which of the usual variables were not written, and which others were.
    fn describe(&self, record: &mut ContainerRecord) {
        let written: Vec<&str> = self.entries().filter_map(name_of).collect();
        record.without = USUAL
            .into_iter()
            .filter(|name| {
                !written.contains(name)
                    && !record.merged.contains_key(*name)
                    && !record.filled.iter().any(|other| other == name)
            })
            .map(Cow::Borrowed)
            .collect();
        record.with =
            written.iter().filter(|name| !USUAL.contains(name)).map(|name| Name::Owned((*name).to_owned())).collect();
    }

    /// The edits that carry it out.
    pub(super) fn into_edits(self, container: &Container<'_>, edits: &mut Vec<Edit>) {
        let list = container.at.key("env");
        if !self.front.is_empty() {
            edits.push(Edit::Insert { list: list.clone(), at: 0, items: self.front });
        }
        for (index, _, text) in self.filled {
            edits.push(Edit::Add { map: list.index(index), key: "value".to_owned(), value: Value::text(text) });
        }
        for (index, _, text) in self.prefixed {
            edits.push(Edit::Prefix { scalar: list.index(index).key("value"), text });
        }
        for (index, entry) in self.renamed {
            let text = names::ORIGINAL_PREFIX.to_owned();
            edits.push(Edit::Prefix { scalar: list.index(index).key("name"), text });
            edits.push(Edit::Insert { list: list.clone(), at: index + 1, items: vec![entry] });
        }
        if !self.appended.is_empty() {
            edits.push(Edit::Insert { list, at: self.length, items: self.appended });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inject::testing::{Template, configuration, notes, plan_of, refusal, values, variable, variables};
    use serde_json::json;

    const NAMESPACE: &str = r#"{"fieldRef":{"fieldPath":"metadata.namespace"}}"#;

    #[test]
    fn the_usual_environment_stands_in_the_order_of_the_table() {
        let object = Template::new().lead("chat", Some("k8s.deployment.name"));
        assert_eq!(
            variables(&object, &configuration()),
            [
                &format!("OPENLIT_K8S_NAMESPACE: {NAMESPACE}"),
                r#"OPENLIT_K8S_POD_NAME: {"fieldRef":{"fieldPath":"metadata.name"}}"#,
                r#"OPENLIT_K8S_POD_UID: {"fieldRef":{"fieldPath":"metadata.uid"}}"#,
                r#"OPENLIT_K8S_NODE_NAME: {"fieldRef":{"fieldPath":"spec.nodeName"}}"#,
                "PYTHONPATH=/instrumentation-packages",
                "OTEL_EXPORTER_OTLP_ENDPOINT=http://openlit.default.svc.cluster.local:4318",
                "OTEL_SERVICE_NAME=chat",
                "OTEL_SERVICE_NAMESPACE=$(OPENLIT_K8S_NAMESPACE)",
                "OTEL_SERVICE_INSTANCE_ID=$(OPENLIT_K8S_NAMESPACE).$(OPENLIT_K8S_POD_NAME).app",
                "OTEL_DEPLOYMENT_ENVIRONMENT=kubernetes",
                "OTEL_RESOURCE_ATTRIBUTES=deployment.environment=kubernetes,deployment.environment.name=kubernetes,\
                 k8s.container.name=app,k8s.deployment.name=chat,k8s.namespace.name=$(OPENLIT_K8S_NAMESPACE),\
                 k8s.node.name=$(OPENLIT_K8S_NODE_NAME),k8s.pod.name=$(OPENLIT_K8S_POD_NAME),\
                 k8s.pod.uid=$(OPENLIT_K8S_POD_UID),\
                 service.instance.id=$(OPENLIT_K8S_NAMESPACE).$(OPENLIT_K8S_POD_NAME).app,service.name=chat,\
                 service.namespace=$(OPENLIT_K8S_NAMESPACE)",
                "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true",
                "OPENLIT_DETAILED_TRACING=false",
            ]
        );
    }

    #[test]
    fn definitions_stand_at_the_front_and_the_configurations_env_before_the_rest() {
        let mut configuration = configuration();
        configuration.env = values(json!([{"name": "B", "value": "$(MINE)"}, {"name": "A", "value": "1"}]));
        let names: Vec<String> = variables(&Template::env(json!([{"name": "MINE", "value": "x"}])), &configuration)
            .iter()
            .map(|text| text.split(['=', ':']).next().unwrap().to_owned())
            .collect();
        assert_eq!(
            names[..8],
            [
                "OPENLIT_K8S_NAMESPACE",
                "OPENLIT_K8S_POD_NAME",
                "OPENLIT_K8S_POD_UID",
                "OPENLIT_K8S_NODE_NAME",
                "MINE",
                "B",
                "A",
                "PYTHONPATH"
            ]
        );
    }

    #[test]
    fn a_containers_own_entry_always_wins() {
        for name in USUAL.into_iter().chain([
            names::ENV_HEADERS,
            names::ENV_TIMEOUT,
            names::ENV_SERVICE_VERSION,
            names::ENV_CUSTOM_PACKAGES,
            "OTHER",
        ]) {
            if matches!(name, ENV_PYTHONPATH | ENV_RESOURCE_ATTRIBUTES) {
                continue;
            }
            let mut configuration = configuration();
            configuration.headers = Some(Headers::Literal("a=b".into()));
            configuration.timeout = Some(5);
            configuration.service_version = Some("1".into());
            configuration.custom_packages_text = Some("x".into());
            configuration.env = values(json!([{"name": name, "value": "configured"}]));
            for own in [json!({"name": name, "value": "own"}), json!({"name": name})] {
                let expected = own["value"].as_str().unwrap_or_default().to_owned();
                assert_eq!(variable(&Template::env(json!([own])), &configuration, name), Some(expected), "{name}");
            }
            let own = json!({"name": name, "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}});
            let found = variable(&Template::env(json!([own])), &configuration, name);
            assert_eq!(found.as_deref(), Some(r#"{"secretKeyRef":{"key":"k","name":"s"}}"#), "{name}");
        }
    }

    #[test]
    fn annotations_beat_the_configurations_env_which_beats_its_fields() {
        let mut configuration = configuration();
        configuration.service_name = Some("field".into());
        configuration.env = values(json!([
            {"name": "OTEL_SERVICE_NAME", "value": "env"},
            {"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://env"},
        ]));
        let object = Template::new();
        assert_eq!(variable(&object, &configuration, ENV_SERVICE_NAME).as_deref(), Some("env"));
        assert_eq!(variable(&object, &configuration, names::ENV_ENDPOINT).as_deref(), Some("http://env"));
        assert!(!variable(&object, &configuration, ENV_RESOURCE_ATTRIBUTES).unwrap().contains("service.name="));
        let object = object.annotation("resource.opentelemetry.io/service.name", "annotation");
        assert_eq!(variable(&object, &configuration, ENV_SERVICE_NAME).as_deref(), Some("annotation"));
        assert!(
            variable(&object, &configuration, ENV_RESOURCE_ATTRIBUTES).unwrap().contains("service.name=annotation,")
        );
    }

    #[test]
    fn the_service_name_in_a_containers_own_attributes_is_its_own() {
        let mut configuration = configuration();
        configuration.env = values(json!([{"name": "OTEL_SERVICE_NAME", "value": "env"}]));
        let object = Template::env(json!([{"name": "OTEL_RESOURCE_ATTRIBUTES", "value": "service.name=mine"}]));
        assert_eq!(variable(&object, &configuration, ENV_SERVICE_NAME).as_deref(), Some("mine"));
        let attributes = variable(&object, &configuration, ENV_RESOURCE_ATTRIBUTES).unwrap();
        assert_eq!(attributes.matches("service.name=").count(), 1, "{attributes}");
    }

    #[test]
    fn no_service_name_attribute_where_the_container_has_its_own_variable() {
        let object = Template::env(json!([{"name": "OTEL_SERVICE_NAME", "value": "mine"}]));
        assert!(!variable(&object, &configuration(), ENV_RESOURCE_ATTRIBUTES).unwrap().contains("service.name="));
    }

    #[test]
    fn pythonpath_is_put_before_the_users_text() {
        for (own, expected) in [
            (json!({"name": "PYTHONPATH", "value": "/app:/lib"}), "/instrumentation-packages:/app:/lib"),
            (json!({"name": "PYTHONPATH", "value": ""}), "/instrumentation-packages"),
            (json!({"name": "PYTHONPATH", "value": null}), "/instrumentation-packages"),
            (json!({"name": "PYTHONPATH"}), "/instrumentation-packages"),
        ] {
            let found = variable(&Template::env(json!([own.clone()])), &configuration(), ENV_PYTHONPATH);
            assert_eq!(found.as_deref(), Some(expected), "{own}");
        }
    }

    #[test]
    fn resource_attributes_are_put_before_the_users_text_as_it_stands() {
        let object =
            Template::env(json!([{"name": "OTEL_RESOURCE_ATTRIBUTES", "value": "team=ai, k8s.pod.name=x,bogus"}]));
        let text = variable(&object, &configuration(), ENV_RESOURCE_ATTRIBUTES).unwrap();
        assert!(
            text.ends_with("),team=ai, k8s.pod.name=x,bogus") && text.starts_with("deployment.environment="),
            "{text}"
        );
        assert_eq!(text.matches("k8s.pod.name=").count(), 1);
        for own in [json!({"value": ""}), json!({"value": null}), json!({}), json!({"value": "  "})] {
            let mut entry = own.clone();
            entry["name"] = json!("OTEL_RESOURCE_ATTRIBUTES");
            let text = variable(&Template::env(json!([entry])), &configuration(), ENV_RESOURCE_ATTRIBUTES).unwrap();
            assert!(text.trim().ends_with("service.namespace=$(OPENLIT_K8S_NAMESPACE)"), "{own}: {text}");
        }
    }

    #[test]
    fn what_comes_from_elsewhere_is_renamed_and_referred_to_directly_after_it() {
        let source = json!({"configMapKeyRef": {"name": "c", "key": "k"}});
        for (name, start) in
            [("PYTHONPATH", "/instrumentation-packages:"), ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=")]
        {
            let object = Template::env(json!([{"name": name, "valueFrom": source}, {"name": "LATER", "value": "x"}]));
            let all = variables(&object, &configuration());
            assert_eq!(all[4], format!(r#"OPENLIT_ORIGINAL_{name}: {{"configMapKeyRef":{{"key":"k","name":"c"}}}}"#));
            assert!(all[5].starts_with(&format!("{name}={start}")), "{}", all[5]);
            assert!(all[5].ends_with(&format!("$(OPENLIT_ORIGINAL_{name})")), "{}", all[5]);
            assert_eq!(all[6], "LATER=x");
        }
    }

    #[test]
    fn a_renamed_entry_that_is_the_last_comes_before_what_is_appended() {
        let object =
            Template::env(json!([{"name": "PYTHONPATH", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]));
        let all = variables(&object, &configuration());
        assert!(all[5].starts_with("PYTHONPATH=") && all[6].starts_with("OTEL_EXPORTER_OTLP_ENDPOINT="), "{all:?}");
    }

    #[test]
    fn a_name_for_a_renamed_entry_that_is_taken_is_a_conflict() {
        let object = Template::env(json!([
            {"name": "OPENLIT_ORIGINAL_PYTHONPATH", "value": "x"},
            {"name": "PYTHONPATH", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ]));
        let at = "spec.template.spec.containers[0].env[0].name".to_owned();
        assert_eq!(refusal(&object, &configuration()), (Reason::NameConflict, at));
    }

    #[test]
    fn env_from_may_bring_a_pythonpath_and_a_note_names_what_ours_would_hide() {
        let object = Template::container(json!({"envFrom": [{"configMapRef": {"name": "c"}}]}));
        let found = variable(&object, &configuration(), ENV_PYTHONPATH);
        assert_eq!(found.as_deref(), Some("/instrumentation-packages:$(PYTHONPATH)"));
        let plan = plan_of(&object, &configuration()).unwrap();
        let note = plan.notes.iter().find(|note| note.reason == Reason::EnvFromHidden).unwrap();
        assert!(note.detail.starts_with("OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_SERVICE_NAME,"), "{}", note.detail);
        assert!(!notes(&object, &configuration()).contains(&Reason::PythonPathHidden));
        let own = Template::container(json!({"envFrom": [{}], "env": [{"name": "PYTHONPATH", "value": "/a"}]}));
        assert_eq!(variable(&own, &configuration(), ENV_PYTHONPATH).as_deref(), Some("/instrumentation-packages:/a"));
        let empty = Template::container(json!({"envFrom": []}));
        assert_eq!(variable(&empty, &configuration(), ENV_PYTHONPATH).as_deref(), Some("/instrumentation-packages"));
    }

    #[test]
    fn capture_can_be_turned_off_through_env_from_and_by_the_configuration() {
        let object = Template::container(json!({"envFrom": [{"configMapRef": {"name": "c"}}]}));
        let mut configuration = configuration();
        assert_eq!(variable(&object, &configuration, names::ENV_CAPTURE), None);
        configuration.capture_message_content = false;
        assert_eq!(variable(&object, &configuration, names::ENV_CAPTURE).as_deref(), Some("false"));
        assert_eq!(variable(&Template::new(), &configuration, names::ENV_CAPTURE).as_deref(), Some("false"));
    }

    #[test]
    fn of_a_name_that_stands_twice_the_last_counts_with_a_warning() {
        let object = Template::env(json!([
            {"name": "PYTHONPATH", "value": "/first"}, {"name": "A"}, {"name": "PYTHONPATH", "value": "/last"},
        ]));
        let all = variables(&object, &configuration());
        assert_eq!(
            (all[4].as_str(), all[6].as_str()),
            ("PYTHONPATH=/first", "PYTHONPATH=/instrumentation-packages:/last")
        );
        assert!(notes(&object, &configuration()).contains(&Reason::DuplicateVariable));
    }

    #[test]
    fn a_pythonpath_of_the_image_is_hidden_and_a_note_says_so() {
        assert!(notes(&Template::new(), &configuration()).contains(&Reason::PythonPathHidden));
        let own = Template::env(json!([{"name": "PYTHONPATH", "value": "/a"}]));
        assert!(!notes(&own, &configuration()).contains(&Reason::PythonPathHidden));
    }

    #[test]
    fn headers_are_a_literal_or_an_optional_secret_or_absent() {
        let mut configuration = configuration();
        assert_eq!(variable(&Template::new(), &configuration, names::ENV_HEADERS), None);
        configuration.headers = Some(Headers::Secret { name: "otlp".into(), key: "headers".into() });
        let expected = r#"{"secretKeyRef":{"key":"headers","name":"otlp","optional":true}}"#;
        assert_eq!(variable(&Template::new(), &configuration, names::ENV_HEADERS).as_deref(), Some(expected));
        assert!(!notes(&Template::new(), &configuration).contains(&Reason::SecretInManifest));
        configuration.headers = Some(Headers::Literal("x-api-key=s".into()));
        assert_eq!(variable(&Template::new(), &configuration, names::ENV_HEADERS).as_deref(), Some("x-api-key=s"));
        assert!(notes(&Template::new(), &configuration).contains(&Reason::SecretInManifest));
        let own = Template::env(json!([{"name": "OTEL_EXPORTER_OTLP_HEADERS", "value": "mine=1"}]));
        assert!(!notes(&own, &configuration).contains(&Reason::SecretInManifest));
    }

    #[test]
    fn timeout_version_and_packages_are_written_only_when_set() {
        let mut configuration = configuration();
        for name in [names::ENV_TIMEOUT, names::ENV_SERVICE_VERSION, names::ENV_CUSTOM_PACKAGES] {
            assert_eq!(variable(&Template::new(), &configuration, name), None);
        }
        configuration.timeout = Some(60);
        configuration.service_version = Some("2.4".into());
        configuration.custom_packages_text = Some("my-sdk>=2.0.0, b".into());
        assert_eq!(variable(&Template::new(), &configuration, names::ENV_TIMEOUT).as_deref(), Some("60"));
        assert_eq!(variable(&Template::new(), &configuration, names::ENV_SERVICE_VERSION).as_deref(), Some("2.4"));
        assert_eq!(
            variable(&Template::new(), &configuration, names::ENV_CUSTOM_PACKAGES).as_deref(),
            Some("my-sdk>=2.0.0, b")
        );
    }

    #[test]
    fn what_is_empty_is_not_written() {
        let mut configuration = configuration();
        configuration.environment = String::new();
        let object = Template::new()
            .label("app.kubernetes.io/version", "")
            .annotation("resource.opentelemetry.io/service.namespace", "");
        assert_eq!(variable(&object, &configuration, names::ENV_DEPLOYMENT_ENVIRONMENT), None);
        assert_eq!(variable(&object, &configuration, names::ENV_SERVICE_VERSION), None);
        let namespace = variable(&object, &configuration, names::ENV_SERVICE_NAMESPACE);
        assert_eq!(namespace.as_deref(), Some("$(OPENLIT_K8S_NAMESPACE)"));
    }

    #[test]
    fn references_in_the_endpoint_stay_and_references_in_annotations_are_text() {
        let mut configuration = configuration();
        configuration.endpoint = "http://$(NODE_IP):4318".into();
        let object = Template::new().annotation("resource.opentelemetry.io/service.version", "$(HOME)");
        assert_eq!(variable(&object, &configuration, names::ENV_ENDPOINT).as_deref(), Some("http://$(NODE_IP):4318"));
        assert_eq!(variable(&object, &configuration, names::ENV_SERVICE_VERSION).as_deref(), Some("$$(HOME)"));
    }

    #[test]
    fn the_configurations_env_is_given_as_it_is_whatever_its_source() {
        let mut configuration = configuration();
        let entries = json!([
            {"name": "A", "value": "1"},
            {"name": "B", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}},
            {"name": "C", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": true}}},
        ]);
        configuration.env = values(entries.clone());
        let (template, _) = crate::inject::testing::injected(&Template::new(), &configuration);
        assert_eq!(template["spec"]["containers"][0]["env"].as_array().unwrap()[4..7], *entries.as_array().unwrap());
    }

    #[test]
    fn the_configurations_pythonpath_and_attributes_are_merged_like_a_containers_own() {
        let mut configuration = configuration();
        configuration.env = values(json!([
            {"name": "PYTHONPATH", "value": "/shared"},
            {"name": "OTEL_RESOURCE_ATTRIBUTES", "value": "team=ops,k8s.node.name=n"},
        ]));
        let object = Template::new();
        assert_eq!(
            variable(&object, &configuration, ENV_PYTHONPATH).as_deref(),
            Some("/instrumentation-packages:/shared")
        );
        let text = variable(&object, &configuration, ENV_RESOURCE_ATTRIBUTES).unwrap();
        assert!(text.ends_with(",team=ops,k8s.node.name=n") && text.matches("k8s.node.name").count() == 1, "{text}");
        // Annotations are stronger: they stand last, and the SDK takes the last.
        let text = variable(
            &object.annotation("resource.opentelemetry.io/team", "ai"),
            &configuration,
            ENV_RESOURCE_ATTRIBUTES,
        );
        assert!(text.unwrap().ends_with(",team=ops,k8s.node.name=n,team=ai"));
        // A container's own is stronger.
        let own = Template::env(json!([{"name": "PYTHONPATH", "value": "/app"}]));
        assert_eq!(variable(&own, &configuration, ENV_PYTHONPATH).as_deref(), Some("/instrumentation-packages:/app"));

        configuration.env =
            values(json!([{"name": "PYTHONPATH", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]));
        let all = variables(&Template::new(), &configuration);
        assert_eq!(all[4], r#"OPENLIT_ORIGINAL_PYTHONPATH: {"fieldRef":{"fieldPath":"metadata.name"}}"#);
        assert_eq!(all[5], "PYTHONPATH=/instrumentation-packages:$(OPENLIT_ORIGINAL_PYTHONPATH)");
    }

    #[test]
    fn a_downward_variable_of_the_configuration_stands_at_the_front() {
        let mut configuration = configuration();
        configuration.env = values(json!([{"name": "OPENLIT_K8S_POD_UID", "value": "none"}]));
        assert_eq!(variables(&Template::new(), &configuration)[2], "OPENLIT_K8S_POD_UID=none");
    }

    #[test]
    fn a_reference_to_what_is_defined_later_is_a_warning() {
        let mut configuration = configuration();
        configuration.env = values(json!([{"name": "A", "value": "$(OTEL_SERVICE_NAME)"}]));
        assert!(notes(&Template::new(), &configuration).contains(&Reason::UndefinedReference));
        configuration.env = values(json!([{"name": "A", "value": "$(OPENLIT_K8S_POD_NAME)"}]));
        assert!(!notes(&Template::new(), &configuration).contains(&Reason::UndefinedReference));
        let own = Template::env(json!([
            {"name": "OTEL_RESOURCE_ATTRIBUTES", "value": "a=b"}, {"name": "OPENLIT_K8S_POD_NAME", "value": "p"},
        ]));
        assert!(notes(&own, &configuration).contains(&Reason::UndefinedReference));
    }

    #[test]
    fn the_mark_of_the_opentelemetry_operator_is_never_written() {
        assert_eq!(variable(&Template::new(), &configuration(), "OTEL_RESOURCE_ATTRIBUTES_NODE_NAME"), None);
    }

    #[test]
    fn what_kubernetes_would_refuse_is_left_alone() {
        for (object, at) in [
            (Template::container(json!({"env": {"A": "b"}})), "env"),
            (Template::env(json!([{"name": "PYTHONPATH", "value": ["a"]}])), "env[0].value"),
        ] {
            let at = format!("spec.template.spec.containers[0].{at}");
            assert_eq!(refusal(&object, &configuration()), (Reason::UnsupportedYaml, at));
        }
    }
}
