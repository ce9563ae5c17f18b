//! The settings: one set of names for the webhook's environment, a `ConfigMap`, a functionConfig,
//! a settings file and `--set`. A table names every variable; [`read`] turns pairs into
//! [`Settings`] and says everything that is wrong at once.
//!
//! Knows no door: where the pairs come from is for the door to say.

mod file;
mod table;
mod telemetry;

pub use file::{Given, line_of, pairs, parse_env_file, place};
pub use table::{Kind, VARIABLES, Variable};
pub use telemetry::{Target, Telemetry};

use super::image::Image;
use super::quantity::Quantity;
use super::resource::{Detection, Provider, PullPolicy};
use super::syntax;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Something that is wrong with a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingProblem {
    /// The variable; empty where a line names none.
    pub name: String,
    /// What was found, and what is allowed; no secrets.
    pub message: String,
    /// The line of a file, from 1, where one variable is not the place.
    pub line: Option<usize>,
    /// Whether its value may be shown: the message says it already, so it is no secret.
    pub shown: bool,
}

impl SettingProblem {
    /// A problem of a variable whose value is not to be shown.
    pub fn new(name: impl Into<String>, message: impl Into<String>) -> Self {
        SettingProblem { name: name.into(), message: message.into(), line: None, shown: false }
    }
}

impl std::fmt::Display for SettingProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.name.as_str(), self.line) {
            ("", Some(line)) => write!(f, "line {line}: {}", self.message),
            (name, Some(line)) => write!(f, "{name}: {}, in line {line}", self.message),
            (name, None) => write!(f, "{name}: {}", self.message),
        }
    }
}

/// The user of the init container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RunAsUser {
    /// Non-root where the pod or an instrumented container demands it.
    #[default]
    Auto,
    /// None is written: `OpenShift` assigns one.
    None,
    /// This one.
    Id(i64),
}

/// Whose images the settings `OPENLIT_IMAGE_*` name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InitImages {
    /// The published ones, or a mirror of them.
    #[default]
    Published,
    /// Those that `deploy/providers` builds.
    Prelit,
}

/// What is done with Knative templates, which refuse init containers unless feature flags are on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Knative {
    /// They are left to the webhook.
    #[default]
    Webhook,
    /// They are rendered like others.
    Render,
}

/// An entry of a Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretEntry {
    /// The Secret.
    pub name: String,
    /// Its key.
    pub key: String,
}

/// How failures of the webhook are taken by the API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FailurePolicy {
    /// The pod is admitted.
    #[default]
    Ignore,
    /// The pod is refused.
    Fail,
}

/// Whether the webhook is asked again after others changed the pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReinvocationPolicy {
    /// Never.
    #[default]
    Never,
    /// If needed.
    IfNeeded,
}

/// Where the webhook's certificate comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CertMode {
    /// The webhook makes it.
    #[default]
    SelfSigned,
    /// It is in `WEBHOOK_CERT_DIR`.
    Provided,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the names say it")]
pub enum LogLevel {
    Trace,
    Debug,
    #[default]
    Info,
    Warn,
    Error,
}

/// All settings, typed.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// `OPENLIT_OTLP_ENDPOINT`
    pub otlp_endpoint: String,
    /// `OPENLIT_OTLP_HEADERS_SECRET`
    pub otlp_headers_secret: Option<SecretEntry>,
    /// `OPENLIT_OTLP_TIMEOUT`, in seconds.
    pub otlp_timeout: Option<i32>,
    /// `OPENLIT_DEFAULT_ENVIRONMENT`
    pub default_environment: String,
    /// `OPENLIT_CAPTURE_MESSAGE_CONTENT`
    pub capture_message_content: bool,
    /// `OPENLIT_DETAILED_TRACING`
    pub detailed_tracing: bool,
    /// `OPENLIT_DEFAULT_PROVIDER`
    pub default_provider: Provider,
    /// `OPENLIT_DEFAULT_VERSION`
    pub default_version: String,
    /// `OPENLIT_DEFAULT_INIT_IMAGE`
    pub default_init_image: Option<String>,
    /// `OPENLIT_INIT_IMAGES`
    pub init_images: InitImages,
    /// `OPENLIT_IMAGE_OPENLIT`
    pub image_openlit: String,
    /// `OPENLIT_IMAGE_OPENINFERENCE`
    pub image_openinference: String,
    /// `OPENLIT_IMAGE_OPENLLMETRY`
    pub image_openllmetry: String,
    /// `OPENLIT_IMAGE_PULL_POLICY`
    pub image_pull_policy: PullPolicy,
    /// `OPENLIT_DETECTION`
    pub detection: Detection,
    /// `OPENLIT_INIT_RUN_AS_USER`
    pub init_run_as_user: RunAsUser,
    /// `OPENLIT_INIT_CPU_REQUEST`
    pub init_cpu_request: String,
    /// `OPENLIT_INIT_MEMORY_REQUEST`
    pub init_memory_request: String,
    /// `OPENLIT_INIT_CPU_LIMIT`
    pub init_cpu_limit: String,
    /// `OPENLIT_INIT_MEMORY_LIMIT`
    pub init_memory_limit: String,
    /// `OPENLIT_VOLUME_SIZE_LIMIT`
    pub volume_size_limit: Option<String>,
    /// `OPENLIT_KNATIVE`
    pub knative: Knative,
    /// `OPENLIT_GLOBAL_NAMESPACE`; none: no namespace is global.
    pub global_namespace: Option<String>,
    /// `OPENLIT_WORKLOADS`: what `--workload` says, one `group/Kind=path` an item.
    pub workloads: Vec<String>,
    /// Settings of the webhook itself; they decide nothing that is injected.
    pub webhook: WebhookSettings,
    /// The names of the settings that were given, and are not defaults.
    pub given: BTreeSet<String>,
}

/// Settings of the webhook itself; they decide nothing that is injected.
#[derive(Debug, Clone, PartialEq)]
pub struct WebhookSettings {
    /// `WEBHOOK_PORT`
    pub port: u16,
    /// `WEBHOOK_PATH`
    pub path: String,
    /// `HEALTH_PORT`
    pub health_port: u16,
    /// `METRICS_PORT`
    pub metrics_port: u16,
    /// `WEBHOOK_SERVICE_NAME`
    pub service_name: String,
    /// `WEBHOOK_SERVICE_PORT`
    pub service_port: u16,
    /// `WEBHOOK_SECRET_NAME`
    pub secret_name: String,
    /// `WEBHOOK_CONFIG_NAME`
    pub config_name: String,
    /// `WEBHOOK_CLUSTER_ROLE`
    pub cluster_role: String,
    /// `WEBHOOK_FAILURE_POLICY`
    pub failure_policy: FailurePolicy,
    /// `WEBHOOK_REINVOCATION_POLICY`
    pub reinvocation_policy: ReinvocationPolicy,
    /// `WEBHOOK_TIMEOUT_SECONDS`
    pub timeout_seconds: u8,
    /// `CERT_VALIDITY_DAYS`
    pub cert_validity: Duration,
    /// `CERT_REFRESH_DAYS`: how long before its end a certificate is renewed. Where only the validity is
    /// set, and to less than the default of this, a third of it.
    pub cert_refresh: Duration,
    /// `CERT_MODE`
    pub cert_mode: CertMode,
    /// `WEBHOOK_CERT_DIR`
    pub cert_dir: Option<String>,
    /// `POD_NAMESPACE`
    pub namespace: String,
    /// `WATCH_NAMESPACE`: the namespaces that are watched; all, if empty.
    pub watch_namespaces: Vec<String>,
    /// `LOG_LEVEL`
    pub log_level: LogLevel,
    /// `SELF_MONITORING_ENABLED`
    pub self_monitoring: bool,
    /// `OTEL_*` for the webhook's own telemetry.
    pub telemetry: Telemetry,
}

impl WebhookSettings {
    /// The Lease of the replicas, in their namespace: it has the name of the configuration that its holder writes, so that
    /// each installation has its own, in one namespace, too.
    pub fn lease(&self) -> &str {
        &self.config_name
    }
}

impl Settings {
    /// Whether a setting was given.
    pub fn give(&self, name: &str) -> bool {
        self.given.contains(name)
    }

    /// The images that `OPENLIT_IMAGE_*` name: the provider, the setting, the image.
    pub fn provider_images(&self) -> [(Provider, &'static str, &str); 3] {
        [
            (Provider::Openlit, "OPENLIT_IMAGE_OPENLIT", &self.image_openlit),
            (Provider::Openinference, "OPENLIT_IMAGE_OPENINFERENCE", &self.image_openinference),
            (Provider::Openllmetry, "OPENLIT_IMAGE_OPENLLMETRY", &self.image_openllmetry),
        ]
    }

    /// What takes the place of a provider's `OPENLIT_IMAGE_*`: `OPENLIT_DEFAULT_INIT_IMAGE`, for the default provider
    /// only, since an image holds the packages of one.
    pub fn default_init_image_of(&self, provider: Provider) -> Option<&str> {
        self.default_init_image.as_deref().filter(|_| provider == self.default_provider)
    }

    /// Why a provider cannot be used: Prelit's images were announced, and its setting still names the published one.
    pub fn lacks_image_of(&self, provider: Provider) -> Option<String> {
        let (_, name, image) = self.provider_images().into_iter().find(|(of, ..)| *of == provider)?;
        let lacks = self.init_images == InitImages::Prelit
            && self.default_init_image_of(provider).is_none()
            && Image::parse(image).is_published();
        lacks.then(|| {
            format!("{name} is {image}, which is the published one; expected one that deploy/providers builds")
        })
    }

    /// Whether any setting was given that the profile of labelled pods is made of.
    pub fn give_profile(&self) -> bool {
        const OTHERS: [&str; 3] = ["OPENLIT_KNATIVE", "OPENLIT_GLOBAL_NAMESPACE", "OPENLIT_WORKLOADS"];
        self.given.iter().any(|name| name.starts_with("OPENLIT_") && !OTHERS.contains(&name.as_str()))
    }
}

impl Default for Settings {
    fn default() -> Self {
        // The table is the one place of the defaults; a test proves that they are valid.
        Reader::default().settings()
    }
}

/// Reads settings from a file, a functionConfig or `--set`. Of a name that stands twice the last
/// value counts; an empty value is as if it were not there, but for `OPENLIT_GLOBAL_NAMESPACE`,
/// where it means none.
///
/// # Errors
/// All problems at once: unknown names, and values that their variable does not allow.
pub fn read(pairs: impl Iterator<Item = (String, String)>) -> Result<Settings, Vec<SettingProblem>> {
    let mut reader = Reader::default();
    for (name, value) in pairs {
        if table::known(&name) {
            reader.values.insert(name, value);
        } else {
            let message = unknown_setting(&name);
            reader.problems.push(SettingProblem::new(name, message));
        }
    }
    reader.finish()
}

/// Reads settings from the webhook's environment: names that are unknown are ignored, and values
/// that Kubernetes makes from Services, such as `WEBHOOK_PORT=tcp://10.0.0.1:443`, too.
///
/// # Errors
/// All values at once that their variable does not allow.
pub fn read_environment(pairs: impl Iterator<Item = (String, String)>) -> Result<Settings, Vec<SettingProblem>> {
    let made_by_kubernetes = |name: &str, value: &str| {
        name.ends_with("_PORT") && ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme))
    };
    let values = pairs.filter(|(name, value)| table::known(name) && !made_by_kubernetes(name, value)).collect();
    Reader { values, problems: Vec::new() }.finish()
}

/// Names in the webhook's environment that look like settings and are none: nobody would notice a setting that is written
/// wrong. Names that Kubernetes makes from Services are meant by nobody.
pub fn unknown_in_environment<'n>(names: impl Iterator<Item = &'n str> + Clone) -> Vec<SettingProblem> {
    let services: Vec<&str> = names.clone().filter_map(|name| name.strip_suffix("_SERVICE_HOST")).collect();
    let of_a_service = |name: &str| {
        services.iter().any(|service| {
            let rest = name.strip_prefix(service).unwrap_or_default();
            rest.starts_with("_SERVICE_") || rest.starts_with("_PORT")
        })
    };
    let looks_like_one = |name: &str| ["OPENLIT_", "WEBHOOK_", "CERT_"].iter().any(|prefix| name.starts_with(prefix));
    let unknown = names.filter(|name| looks_like_one(name) && !table::known(name) && !of_a_service(name));
    unknown.map(|name| SettingProblem::new(name, unknown_setting(name))).collect()
}

fn unknown_setting(name: &str) -> String {
    match syntax::nearest(name, VARIABLES.iter().map(|variable| variable.name)) {
        Some(near) => format!("unknown setting; did you mean {near}?"),
        None => "unknown setting; the documentation lists all of them".to_owned(),
    }
}

/// Takes values by the table, and collects what is wrong with them.
#[derive(Default)]
struct Reader {
    values: BTreeMap<String, String>,
    problems: Vec<SettingProblem>,
}

impl Reader {
    fn finish(mut self) -> Result<Settings, Vec<SettingProblem>> {
        let settings = self.settings();
        self.problems.sort_by(|a, b| a.name.cmp(&b.name));
        if self.problems.is_empty() { Ok(settings) } else { Err(self.problems) }
    }

    fn settings(&mut self) -> Settings {
        let settings = Settings {
            otlp_endpoint: self.text("OPENLIT_OTLP_ENDPOINT"),
            otlp_headers_secret: self.optional("OPENLIT_OTLP_HEADERS_SECRET").and_then(|text| {
                let (name, key) = text.split_once('/')?;
                Some(SecretEntry { name: name.to_owned(), key: key.to_owned() })
            }),
            otlp_timeout: self.optional("OPENLIT_OTLP_TIMEOUT").and_then(|text| text.parse().ok()),
            default_environment: self.text("OPENLIT_DEFAULT_ENVIRONMENT"),
            capture_message_content: self.flag("OPENLIT_CAPTURE_MESSAGE_CONTENT"),
            detailed_tracing: self.flag("OPENLIT_DETAILED_TRACING"),
            default_provider: self.choice("OPENLIT_DEFAULT_PROVIDER", &Provider::ALL.map(|one| (one.as_str(), one))),
            default_version: self.text("OPENLIT_DEFAULT_VERSION"),
            default_init_image: self.optional("OPENLIT_DEFAULT_INIT_IMAGE"),
            init_images: self
                .choice("OPENLIT_INIT_IMAGES", &[("published", InitImages::Published), ("prelit", InitImages::Prelit)]),
            image_openlit: self.text("OPENLIT_IMAGE_OPENLIT"),
            image_openinference: self.text("OPENLIT_IMAGE_OPENINFERENCE"),
            image_openllmetry: self.text("OPENLIT_IMAGE_OPENLLMETRY"),
            image_pull_policy: self
                .choice("OPENLIT_IMAGE_PULL_POLICY", &PullPolicy::ALL.map(|one| (one.as_str(), one))),
            detection: self.choice("OPENLIT_DETECTION", &Detection::ALL.map(|one| (one.as_str(), one))),
            init_run_as_user: match self.text("OPENLIT_INIT_RUN_AS_USER").as_str() {
                "none" => RunAsUser::None,
                text => text.parse().map_or(RunAsUser::Auto, RunAsUser::Id),
            },
            init_cpu_request: self.text("OPENLIT_INIT_CPU_REQUEST"),
            init_memory_request: self.text("OPENLIT_INIT_MEMORY_REQUEST"),
            init_cpu_limit: self.text("OPENLIT_INIT_CPU_LIMIT"),
            init_memory_limit: self.text("OPENLIT_INIT_MEMORY_LIMIT"),
            volume_size_limit: self.optional("OPENLIT_VOLUME_SIZE_LIMIT"),
            knative: self.choice("OPENLIT_KNATIVE", &[("webhook", Knative::Webhook), ("render", Knative::Render)]),
            global_namespace: self.optional("OPENLIT_GLOBAL_NAMESPACE"),
            workloads: file::list_items(&self.text("OPENLIT_WORKLOADS")),
            webhook: self.webhook(),
            given: self.values.keys().cloned().collect(),
        };
        self.check_together(&settings);
        settings
    }

    fn webhook(&mut self) -> WebhookSettings {
        let cert_validity = self.duration("CERT_VALIDITY_DAYS");
        let mut cert_refresh = self.duration("CERT_REFRESH_DAYS");
        if !self.is_set("CERT_REFRESH_DAYS") && cert_refresh >= cert_validity {
            cert_refresh = (cert_validity / 3).max(Duration::from_secs(table::LEAST_REFRESH));
        }
        WebhookSettings {
            port: self.number("WEBHOOK_PORT"),
            path: self.text("WEBHOOK_PATH"),
            health_port: self.number("HEALTH_PORT"),
            metrics_port: self.number("METRICS_PORT"),
            service_name: self.text("WEBHOOK_SERVICE_NAME"),
            service_port: self.number("WEBHOOK_SERVICE_PORT"),
            secret_name: self.text("WEBHOOK_SECRET_NAME"),
            config_name: self.text("WEBHOOK_CONFIG_NAME"),
            cluster_role: self.text("WEBHOOK_CLUSTER_ROLE"),
            failure_policy: self
                .choice("WEBHOOK_FAILURE_POLICY", &[("Ignore", FailurePolicy::Ignore), ("Fail", FailurePolicy::Fail)]),
            reinvocation_policy: self.choice(
                "WEBHOOK_REINVOCATION_POLICY",
                &[("Never", ReinvocationPolicy::Never), ("IfNeeded", ReinvocationPolicy::IfNeeded)],
            ),
            timeout_seconds: self.number("WEBHOOK_TIMEOUT_SECONDS"),
            cert_validity,
            cert_refresh,
            cert_mode: self
                .choice("CERT_MODE", &[("self-signed", CertMode::SelfSigned), ("provided", CertMode::Provided)]),
            cert_dir: self.optional("WEBHOOK_CERT_DIR"),
            namespace: self.text("POD_NAMESPACE"),
            watch_namespaces: file::list_items(&self.text("WATCH_NAMESPACE")),
            log_level: self.choice(
                "LOG_LEVEL",
                &[
                    ("trace", LogLevel::Trace),
                    ("debug", LogLevel::Debug),
                    ("info", LogLevel::Info),
                    ("warn", LogLevel::Warn),
                    ("error", LogLevel::Error),
                ],
            ),
            self_monitoring: self.flag("SELF_MONITORING_ENABLED"),
            telemetry: Telemetry::read(self),
        }
    }

    /// What one variable alone cannot show.
    fn check_together(&mut self, settings: &Settings) {
        let webhook = &settings.webhook;
        if settings.default_provider == Provider::Custom && !self.is_set("OPENLIT_DEFAULT_INIT_IMAGE") {
            self.problem("OPENLIT_DEFAULT_PROVIDER", "found custom, which needs OPENLIT_DEFAULT_INIT_IMAGE");
        }
        if let Some(lacks) = settings.lacks_image_of(settings.default_provider) {
            self.problem("OPENLIT_INIT_IMAGES", format!("found prelit, and {lacks}"));
        }
        for (name, request, limit_name, limit) in [
            (
                "OPENLIT_INIT_CPU_REQUEST",
                &settings.init_cpu_request,
                "OPENLIT_INIT_CPU_LIMIT",
                &settings.init_cpu_limit,
            ),
            (
                "OPENLIT_INIT_MEMORY_REQUEST",
                &settings.init_memory_request,
                "OPENLIT_INIT_MEMORY_LIMIT",
                &settings.init_memory_limit,
            ),
        ] {
            if Quantity::compare(request, limit) == Some(Ordering::Greater) {
                self.problem(name, format!("{request} is more than {limit_name}, which is {limit}"));
            }
        }
        if webhook.cert_refresh >= webhook.cert_validity {
            self.problem(
                "CERT_REFRESH_DAYS",
                "must be below CERT_VALIDITY_DAYS: a new certificate would be renewed at once",
            );
        }
        if webhook.cert_mode == CertMode::Provided && webhook.cert_dir.is_none() {
            self.problem("CERT_MODE", "found provided, which needs WEBHOOK_CERT_DIR");
        }
        let ports = [
            ("WEBHOOK_PORT", webhook.port),
            ("HEALTH_PORT", webhook.health_port),
            ("METRICS_PORT", webhook.metrics_port),
        ];
        for (index, (name, port)) in ports.iter().enumerate() {
            if let Some((other, _)) = ports[..index].iter().find(|(_, other)| other == port) {
                self.problem(name, format!("found {port}, which is {other} too"));
            }
        }
    }

    fn problem(&mut self, name: &str, message: impl Into<String>) {
        self.add(SettingProblem::new(name, message));
    }

    fn add(&mut self, problem: SettingProblem) {
        // A variable that is wrong by itself has stood in with its default: nothing follows from that.
        if !self.problems.iter().any(|other| other.name == problem.name) {
            self.problems.push(problem);
        }
    }

    fn is_set(&self, name: &str) -> bool {
        self.values.get(name).is_some_and(|value| !value.trim().is_empty())
    }

    /// The value that counts: what is given, if it is allowed, or the default.
    fn text(&mut self, name: &str) -> String {
        let Some(variable) = table::find(name) else { return String::new() };
        let given = self.values.get(name).map(|value| value.trim().to_owned());
        match given {
            Some(value) if value.is_empty() && !variable.kind.empty_counts() => variable.default.to_owned(),
            Some(value) if value.is_empty() => value,
            None => variable.default.to_owned(),
            Some(value) => match variable.kind.refuses(&value) {
                None => value,
                Some(allowed) => {
                    let found = variable.shown(&value);
                    self.add(SettingProblem {
                        shown: !variable.is_secret(),
                        ..SettingProblem::new(name, format!("found {found}, expected {allowed}"))
                    });
                    variable.default.to_owned()
                }
            },
        }
    }

    fn optional(&mut self, name: &str) -> Option<String> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    fn flag(&mut self, name: &str) -> bool {
        table::boolean(&self.text(name)).unwrap_or_default()
    }

    fn number<T: std::str::FromStr + Default>(&mut self, name: &str) -> T {
        self.text(name).parse().unwrap_or_default()
    }

    fn duration(&mut self, name: &str) -> Duration {
        table::duration(&self.text(name)).unwrap_or_default()
    }

    fn choice<T: Copy + Default>(&mut self, name: &str, choices: &[(&str, T)]) -> T {
        let text = self.text(name);
        choices.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
