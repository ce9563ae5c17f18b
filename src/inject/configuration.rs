//! The effective configuration: one `AutoInstrumentation` and the settings, or the settings alone,
//! resolved to everything that decides what is written.

use crate::value::Value;

/// Which instrumentation the packages hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// `OpenLIT`'s own SDK.
    Openlit,
    /// `OpenInference` by Arize.
    Openinference,
    /// `OpenLLMetry` by Traceloop.
    Openllmetry,
    /// The user's own init image.
    Custom,
}

/// How the language of a container is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detection {
    /// What is detected, and a single container that is not known to be something else.
    Auto,
    /// Only what is detected.
    Strict,
}

/// OTLP headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Headers {
    /// As text: in Git for all to see.
    Literal(String),
    /// From a Secret of the pod's namespace, always optional.
    Secret {
        /// The Secret.
        name: String,
        /// Its key.
        key: String,
    },
}

/// The user of the init container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunAsUser {
    /// Non-root where the pod or an instrumented container demands it.
    Auto,
    /// None is written: OpenShift assigns one.
    None,
    /// This one.
    Id(i64),
}

/// Quantities as Kubernetes writes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitResources {
    /// `requests.cpu`
    pub cpu_request: String,
    /// `requests.memory`
    pub memory_request: String,
    /// `limits.cpu`
    pub cpu_limit: String,
    /// `limits.memory`
    pub memory_limit: String,
}

/// Everything that decides what is written into a selected pod template.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches of the contract")]
pub struct Configuration {
    /// `namespace/name` or `name` of the `AutoInstrumentation`; `settings` for the default profile.
    pub name: String,
    /// Which packages.
    pub provider: Provider,
    /// The init container's image, complete with tag or digest.
    pub init_image: String,
    /// Whether that image is one of the published ones, whose compatibility is known.
    pub published_image: bool,
    /// `Always`, `IfNotPresent` or `Never`.
    pub pull_policy: String,
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`
    pub endpoint: String,
    /// `OTEL_EXPORTER_OTLP_HEADERS`
    pub headers: Option<Headers>,
    /// `OTEL_EXPORTER_OTLP_TIMEOUT` in seconds, which is what the Python SDK reads.
    pub timeout: Option<i64>,
    /// `deployment.environment`
    pub environment: String,
    /// `service.name`, `service.namespace`, `service.version` of the resource.
    pub service_name: Option<String>,
    /// See `service_name`.
    pub service_namespace: Option<String>,
    /// See `service_name`.
    pub service_version: Option<String>,
    /// Further resource attributes.
    pub attributes: Vec<(String, String)>,
    /// Whether prompts and answers are captured.
    pub capture_message_content: bool,
    /// `OPENLIT_DETAILED_TRACING`
    pub detailed_tracing: bool,
    /// Further pip requirements, one an item, trimmed, none empty.
    pub custom_packages: Vec<String>,
    /// The same as the user wrote them, for `CUSTOM_PACKAGES`.
    pub custom_packages_text: Option<String>,
    /// Whether pip leaves dependencies out; none: by where the packages come.
    pub no_deps: Option<bool>,
    /// Entries for every instrumented container, as Kubernetes' `EnvVar`.
    pub env: Vec<Value<'static>>,
    /// Volumes of the pod, as Kubernetes' `Volume`.
    pub volumes: Vec<Value<'static>>,
    /// Mounts of every instrumented container, as Kubernetes' `VolumeMount`.
    pub volume_mounts: Vec<Value<'static>>,
    /// `sizeLimit` of the packages' volume.
    pub volume_size_limit: Option<String>,
    /// Entries for the init container.
    pub init_env: Vec<Value<'static>>,
    /// Mounts of the init container.
    pub init_volume_mounts: Vec<Value<'static>>,
    /// Resources of the init container from the resource, as Kubernetes' `ResourceRequirements`; wins over the settings.
    pub init_resources: Option<Value<'static>>,
    /// Security context of the init container from the resource; its fields win over ours.
    pub init_security_context: Option<Value<'static>>,
    /// Resources of the init container from the settings.
    pub resources: InitResources,
    /// User of the init container.
    pub run_as_user: RunAsUser,
    /// How the language is found.
    pub detection: Detection,
}
