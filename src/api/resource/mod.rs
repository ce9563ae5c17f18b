//! The `AutoInstrumentation` resource, `openlit.io/v1alpha1`: its types, from which the
//! `CustomResourceDefinition` is made, and [`read`], which takes it from a manifest or the cluster.
//!
//! Knows nothing of settings, and not what the fields lead to.

pub mod schema;
mod status;
mod validate;
mod warnings;

pub use status::{AutoInstrumentationStatus, Condition, ConditionStatus, PodCounts};

use super::names::{GROUP, VERSION};
use super::selector::LabelSelector;
use super::settings::Settings;
use super::syntax;
use crate::value::{Path, Value};
use schemars::JsonSchema;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// Something that is wrong with a resource, or, as a warning, that is probably not meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where, from the root of the object.
    pub at: Path,
    /// What was found, and what was expected; no secrets.
    pub message: String,
    /// Whether the value at that place may be shown: the message says it already, so it is no secret.
    pub shown: bool,
}

impl Problem {
    /// A problem at a place whose value is not to be shown.
    pub fn new(at: Path, message: impl Into<String>) -> Self {
        Problem { at, message: message.into(), shown: false }
    }

    /// A problem of a value that is no secret.
    pub fn of_value(at: Path, message: impl Into<String>) -> Self {
        Problem { shown: true, ..Problem::new(at, message) }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.at, self.message)
    }
}

/// A valid resource.
#[derive(Debug, Clone, PartialEq)]
pub struct AutoInstrumentation {
    /// `metadata.name`; `unnamed` where none is written, as in the original's first example.
    pub name: String,
    /// `metadata.namespace`, where it is written.
    pub namespace: Option<String>,
    /// `spec`
    pub spec: Spec,
}

/// What is to be instrumented, how, and where the telemetry goes.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    /// Which pods are instrumented: those whose labels meet every condition. It must not be empty.
    #[schemars(extend("x-kubernetes-validations" = [{
        "rule": "(has(self.matchLabels) && size(self.matchLabels) > 0) || (has(self.matchExpressions) && size(self.matchExpressions) > 0)",
        "message": "matchLabels or matchExpressions must be given: an empty selector would select every pod",
    }]))]
    pub selector: LabelSelector,
    /// Which of the selected pods are left alone. Without a condition, none is.
    pub ignore: Option<LabelSelector>,
    /// Which resource is used where several of one namespace select a pod: the highest priority, then the first name.
    #[serde(default)]
    #[schemars(extend("minimum" = -1_000_000_000, "maximum" = 1_000_000_000))]
    pub priority: i32,
    /// How Python is instrumented.
    #[serde(default)]
    pub python: Python,
    /// Where the telemetry goes.
    #[serde(default)]
    pub otlp: Otlp,
    /// What the telemetry says of its origin.
    #[serde(default)]
    pub resource: ResourceAttributes,
    /// Whether prompts and answers are captured. A pod can always turn it off. Default: the setting `OPENLIT_CAPTURE_MESSAGE_CONTENT`.
    pub capture_message_content: Option<bool>,
    /// Whether the SDK records detailed traces. Default: the setting `OPENLIT_DETAILED_TRACING`.
    pub detailed_tracing: Option<bool>,
    /// Accepted and ignored: nothing instruments Go.
    #[serde(default)]
    #[schemars(schema_with = "schema::anything")]
    pub go: Option<IgnoredAny>,
    /// Accepted and ignored: set `OPENLIT_DISABLE_METRICS` in `python.instrumentation.env`.
    #[schemars(with = "Option<bool>")]
    pub disable_metrics: Option<IgnoredAny>,
}

/// How Python is instrumented.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
pub struct Python {
    /// How Python is instrumented.
    #[serde(default)]
    pub instrumentation: Instrumentation,
}

/// How Python is instrumented.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "!has(self.provider) || self.provider != 'custom' || (has(self.customInitImage) && size(self.customInitImage) > 0)",
    "message": "the provider custom needs customInitImage",
}]))]
pub struct Instrumentation {
    /// Whether this resource is used. `false` passes it over.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Which instrumentation is injected: `openlit`, `openinference`, `openllmetry`, or `custom` with `customInitImage`.
    #[serde(default)]
    pub provider: Provider,
    /// The tag of the provider's image: `latest`, or a whole version such as `1.0.0` or `v1.0.0`. Default: the setting `OPENLIT_DEFAULT_VERSION`, which is `latest`.
    #[schemars(extend("pattern" = syntax::VERSION.pattern))]
    pub version: Option<String>,
    /// When the init container's image is pulled. Default: the setting `OPENLIT_IMAGE_PULL_POLICY`, which is `IfNotPresent`.
    pub image_pull_policy: Option<PullPolicy>,
    /// An init container image of your own, used as it is written.
    #[serde(default, deserialize_with = "text_or_none")]
    #[schemars(with = "Option<String>", extend("pattern" = schema::or_empty(syntax::IMAGE), "maxLength" = 512))]
    pub custom_init_image: Option<String>,
    /// Further pip requirements, with commas between them. None may begin with `-`. Prelit's own images install pure Python alone.
    #[serde(default, deserialize_with = "text_or_none")]
    #[schemars(with = "Option<String>", extend("pattern" = syntax::PACKAGES.pattern, "maxLength" = 8192))]
    pub custom_packages: Option<String>,
    /// Whether `customPackages` are installed without what they depend on. Default: without where the packages come before the application's own.
    pub no_deps: Option<bool>,
    /// How the language of a container is found: `auto` takes a single container that is not known to be something else for Python, `strict` only what is detected. Default: the setting `OPENLIT_DETECTION`.
    pub detection: Option<Detection>,
    /// Variables of every instrumented container. The container's own entry of the same name wins.
    #[serde(default, deserialize_with = "free_list")]
    #[schemars(schema_with = "schema::env")]
    pub env: Vec<Value<'static>>,
    /// Volumes to add to the pod.
    #[serde(default, deserialize_with = "free_list")]
    #[schemars(schema_with = "schema::volumes")]
    pub volumes: Vec<Value<'static>>,
    /// Mounts to add to every instrumented container.
    #[serde(default, deserialize_with = "free_list")]
    #[schemars(schema_with = "schema::volume_mounts")]
    pub volume_mounts: Vec<Value<'static>>,
    /// The `sizeLimit` of the volume that holds the packages. Default: the setting `OPENLIT_VOLUME_SIZE_LIMIT`, which is none.
    #[serde(default, deserialize_with = "quantity")]
    #[schemars(schema_with = "schema::quantity")]
    pub volume_size_limit: Option<String>,
    /// The init container that brings the packages.
    #[serde(default)]
    pub init_container: InitContainer,
}

/// The init container that brings the packages.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InitContainer {
    /// Variables of the init container, such as a pip index or a proxy.
    #[serde(default, deserialize_with = "free_list")]
    #[schemars(schema_with = "schema::env")]
    pub env: Vec<Value<'static>>,
    /// Mounts of the init container. The volumes are the pod's own or those of `volumes`.
    #[serde(default, deserialize_with = "free_list")]
    #[schemars(schema_with = "schema::volume_mounts")]
    pub volume_mounts: Vec<Value<'static>>,
    /// Resources of the init container. They take the place of those of the settings.
    #[serde(default, deserialize_with = "free")]
    #[schemars(schema_with = "schema::resources")]
    pub resources: Option<Value<'static>>,
    /// Security context of the init container. Its fields win over those that are written otherwise.
    #[serde(default, deserialize_with = "free")]
    #[schemars(schema_with = "schema::security_context")]
    pub security_context: Option<Value<'static>>,
}

/// Which instrumentation the packages hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// `OpenLIT`'s own SDK.
    #[default]
    Openlit,
    /// `OpenInference` by Arize.
    Openinference,
    /// `OpenLLMetry` by Traceloop.
    Openllmetry,
    /// The user's own init image.
    Custom,
}

impl Provider {
    /// All of them.
    pub const ALL: [Provider; 4] =
        [Provider::Openlit, Provider::Openinference, Provider::Openllmetry, Provider::Custom];

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Provider::Openlit => "openlit",
            Provider::Openinference => "openinference",
            Provider::Openllmetry => "openllmetry",
            Provider::Custom => "custom",
        }
    }
}

/// When an image is pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
pub enum PullPolicy {
    /// Always.
    Always,
    /// Unless it is there.
    #[default]
    IfNotPresent,
    /// Never.
    Never,
}

impl PullPolicy {
    /// All of them.
    pub const ALL: [PullPolicy; 3] = [PullPolicy::Always, PullPolicy::IfNotPresent, PullPolicy::Never];

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            PullPolicy::Always => "Always",
            PullPolicy::IfNotPresent => "IfNotPresent",
            PullPolicy::Never => "Never",
        }
    }
}

/// How the language of a container is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Detection {
    /// What is detected, and a single container that is not known to be something else.
    #[default]
    Auto,
    /// Only what is detected.
    Strict,
}

impl Detection {
    /// All of them.
    pub const ALL: [Detection; 2] = [Detection::Auto, Detection::Strict];

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Detection::Auto => "auto",
            Detection::Strict => "strict",
        }
    }
}

/// Where the telemetry goes.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("not" = { "required": ["headers", "headersFrom"] }))]
pub struct Otlp {
    /// The http or https URL of an OTLP endpoint, without `/v1/traces`. A reference such as `$(NODE_IP)` is kept. Default: the setting `OPENLIT_OTLP_ENDPOINT`.
    #[schemars(extend("pattern" = syntax::ENDPOINT.pattern, "maxLength" = 2048))]
    pub endpoint: Option<String>,
    /// Headers as `name=value` pairs with commas between them, or as a map. A secret belongs into a Secret: see `headersFrom`, which excludes this.
    #[serde(default)]
    #[schemars(schema_with = "schema::headers")]
    pub headers: Option<Headers>,
    /// Where the headers come from, in place of `headers`.
    pub headers_from: Option<HeadersFrom>,
    /// How many seconds an export may take: 1 to 300. Default: the setting `OPENLIT_OTLP_TIMEOUT`, and without it that of the SDK.
    #[schemars(extend("minimum" = 1, "maximum" = 300))]
    pub timeout: Option<i32>,
}

/// OTLP headers as they are written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Headers {
    /// `name=value` pairs with commas between them.
    Text(String),
    /// A map of names and values.
    Map(BTreeMap<String, String>),
}

impl Headers {
    /// The headers as `OTEL_EXPORTER_OTLP_HEADERS` has them; nothing where there are none. A map is
    /// joined in the order of its names; what would divide or decode a value is percent-encoded.
    pub fn text(&self) -> Option<String> {
        let text = match self {
            Headers::Text(text) => text.clone(),
            Headers::Map(map) => {
                let pair = |(name, value): (&String, &String)| {
                    format!("{name}={}", value.replace('%', "%25").replace(',', "%2C"))
                };
                map.iter().map(pair).collect::<Vec<_>>().join(",")
            }
        };
        Some(text).filter(|text| !text.trim().is_empty())
    }
}

/// Where OTLP headers come from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeadersFrom {
    /// An entry of a Secret in the namespace of the pod. A pod starts without it, and then sends no headers.
    pub secret_key_ref: SecretKeyRef,
}

/// An entry of a Secret.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct SecretKeyRef {
    /// The name of the Secret.
    #[schemars(extend("pattern" = syntax::OBJECT_NAME.pattern, "maxLength" = 253))]
    pub name: String,
    /// The key of the entry: its value is `name=value` pairs with commas between them.
    #[schemars(extend("pattern" = syntax::DATA_KEY.pattern, "maxLength" = 253))]
    pub key: String,
    /// Whether a pod starts without it: always.
    pub optional: Option<bool>,
}

/// What the telemetry says of its origin.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceAttributes {
    /// `deployment.environment`. Default: the setting `OPENLIT_DEFAULT_ENVIRONMENT`.
    #[serde(default, deserialize_with = "text_or_none")]
    #[schemars(with = "Option<String>", extend("maxLength" = 255))]
    pub environment: Option<String>,
    /// `service.name`, for every pod that is selected. Default: from the labels and names of the workload.
    #[serde(default, deserialize_with = "text_or_none")]
    #[schemars(with = "Option<String>", extend("maxLength" = 255))]
    pub service_name: Option<String>,
    /// `service.namespace`. Default: the namespace of the pod.
    #[serde(default, deserialize_with = "text_or_none")]
    #[schemars(with = "Option<String>", extend("maxLength" = 255))]
    pub service_namespace: Option<String>,
    /// `service.version`. Default: the label `app.kubernetes.io/version`.
    #[serde(default, deserialize_with = "text_or_none")]
    #[schemars(with = "Option<String>", extend("maxLength" = 255))]
    pub service_version: Option<String>,
    /// Further resource attributes.
    #[serde(default)]
    #[schemars(schema_with = "schema::attributes")]
    pub attributes: BTreeMap<String, String>,
}

impl Default for Instrumentation {
    fn default() -> Self {
        Instrumentation {
            enabled: true,
            provider: Provider::default(),
            version: None,
            image_pull_policy: None,
            custom_init_image: None,
            custom_packages: None,
            no_deps: None,
            detection: None,
            env: Vec::new(),
            volumes: Vec::new(),
            volume_mounts: Vec::new(),
            volume_size_limit: None,
            init_container: InitContainer::default(),
        }
    }
}

impl AutoInstrumentation {
    /// `namespace/name`, or `name` where no namespace is written.
    pub fn full_name(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}/{}", self.name),
            None => self.name.clone(),
        }
    }

    /// What is valid, but probably not meant. Literal headers and the tag `latest` are not among
    /// it: they have reasons of their own.
    pub fn warnings(&self) -> Vec<Problem> {
        warnings::warnings(self)
    }
}

/// Reads a resource, or says everything that is wrong with it.
///
/// What is wrong is what the API server would refuse by the schema, and what no schema can say. The
/// status is not looked at.
///
/// # Errors
/// All problems at once, in the order of the schema's checks and then of our own.
pub fn read(object: &Value<'_>) -> Result<AutoInstrumentation, Vec<Problem>> {
    let problems = validate::problems(object);
    if !problems.is_empty() {
        return Err(problems);
    }
    let text = |key| object.dig(&["metadata", key])?.as_text().filter(|text| !text.is_empty()).map(str::to_owned);
    let clean = validate::without_nulls(object.get("spec").unwrap_or(&Value::NULL));
    let mut spec: Spec = serde_json::from_value(clean.to_json())
        .map_err(|error| vec![Problem::new(Path::keys(&["spec"]), error.to_string())])?;

    // What is passed on as it was written keeps the order of its keys; volumes, whose sources no
    // schema knows, keep their nulls too.
    let at = ["python", "instrumentation"];
    let instrumentation = clean.dig(&at).unwrap_or(&Value::NULL);
    let init_container = instrumentation.get("initContainer").unwrap_or(&Value::NULL);
    let target = &mut spec.python.instrumentation;
    target.env = list(instrumentation, "env");
    target.volumes =
        object.get("spec").and_then(|spec| spec.dig(&at)).map(|map| list(map, "volumes")).unwrap_or_default();
    target.volume_mounts = list(instrumentation, "volumeMounts");
    let target = &mut target.init_container;
    target.env = list(init_container, "env");
    target.volume_mounts = list(init_container, "volumeMounts");
    target.resources = init_container.get("resources").cloned();
    target.security_context = init_container.get("securityContext").cloned();

    let name = text("name").unwrap_or_else(|| UNNAMED.to_owned());
    Ok(AutoInstrumentation { name, namespace: text("namespace"), spec })
}

/// The name of a resource that has none: as a functionConfig or a file of `--config` it needs none.
const UNNAMED: &str = "unnamed";

/// `apiVersion` of the resource.
pub fn api_version() -> String {
    format!("{GROUP}/{VERSION}")
}

/// Reads a resource for a run with these settings: one that uses a provider whose image they lack cannot be used.
///
/// # Errors
/// All problems at once, as [`read`] has them.
pub fn read_for(object: &Value<'_>, settings: &Settings) -> Result<AutoInstrumentation, Vec<Problem>> {
    let resource = read(object)?;
    let python = &resource.spec.python.instrumentation;
    let needs_image = python.enabled && python.custom_init_image.is_none();
    match settings.lacks_image_of(python.provider).filter(|_| needs_image) {
        None => Ok(resource),
        Some(lacks) => {
            let at = Path::keys(&["spec", "python", "instrumentation", "provider"]);
            let provider = python.provider.as_str();
            let message = format!("the provider {provider} has no image: OPENLIT_INIT_IMAGES is prelit, and {lacks}");
            Err(vec![Problem::of_value(at, message)])
        }
    }
}

fn list(map: &Value<'_>, key: &str) -> Vec<Value<'static>> {
    let items = map.get(key).and_then(Value::as_list).unwrap_or_default();
    items.iter().map(|item| item.clone().into_owned()).collect()
}

fn yes() -> bool {
    true
}

/// Text; empty text is none.
fn text_or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.filter(|text| !text.trim().is_empty()))
}

fn free<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value<'static>>, D::Error> {
    Ok(Some(Value::from(&serde_json::Value::deserialize(from)?).into_owned()))
}

fn free_list<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Value<'static>>, D::Error> {
    let items = Vec::<serde_json::Value>::deserialize(from)?;
    Ok(items.iter().map(|item| Value::from(item).into_owned()).collect())
}

fn quantity<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(match serde_json::Value::deserialize(from)? {
        serde_json::Value::String(text) => Some(text),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
