//! The table of settings as data: every name, its default, what it allows, and what it is for.

use super::telemetry;
use crate::api::names;
use crate::api::quantity::Quantity;
use crate::api::syntax::{self, Syntax};
use std::time::Duration;

/// One setting.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What holds where it is not given; empty: nothing.
    pub default: &'static str,
    /// What it allows.
    pub kind: Kind,
    /// What it is for, in a sentence.
    pub says: &'static str,
}

/// What a setting allows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Any text of one line.
    Text,
    /// Headers as `name=value` pairs, which are never shown.
    Headers,
    /// Attributes as `name=value` pairs.
    Attributes,
    /// `true` or `false`, as Go reads them.
    Boolean,
    /// A whole number from one to another.
    Number(i64, i64),
    /// One of some words.
    Choice(&'static [&'static str]),
    /// Text of this syntax.
    Syntax(Syntax),
    /// An http or https URL, for ourselves: references to variables mean nothing, and keys are sent as headers.
    Url,
    /// An entry of a Secret, as `name/key`; never shown, since headers may stand there by mistake.
    SecretEntry,
    /// A path that begins with `/`.
    Path,
    /// Days, or a duration such as `90m`, from so many seconds to ten years.
    Days(u64),
    /// A quantity that is not negative.
    Amount,
    /// `auto`, `none`, or the number of a user.
    User,
    /// The name of a namespace, or explicitly none.
    NamespaceOrNone,
    /// Names of namespaces, with commas between them.
    Namespaces,
    /// `group/Kind=path` items, with commas or line ends between them.
    Workloads,
}

/// The shortest time, in seconds, before its end in which a certificate is renewed: where the replica that does it dies,
/// another one does so within fifteen.
pub(super) const LEAST_REFRESH: u64 = 20;

macro_rules! table {
    ($($name:literal, $default:expr, $kind:expr, $says:literal;)*) => {
        /// Every setting, in the order of the documentation.
        pub const VARIABLES: &[Variable] =
            &[$(Variable { name: $name, default: $default, kind: $kind, says: $says }),*];
    };
}

table! {
    "OPENLIT_OTLP_ENDPOINT", "http://openlit.default.svc.cluster.local:4318", Kind::Syntax(syntax::ENDPOINT), "Where telemetry goes, unless an AutoInstrumentation says it.";
    "OPENLIT_OTLP_HEADERS_SECRET", "", Kind::SecretEntry, "The entry of a Secret, as name/key, in the namespace of each pod, that holds the OTLP headers.";
    "OPENLIT_OTLP_TIMEOUT", "", Kind::Number(1, 300), "How many seconds an export may take; without it, what the SDK takes.";
    "OPENLIT_DEFAULT_ENVIRONMENT", "kubernetes", Kind::Text, "deployment.environment, unless an AutoInstrumentation says it.";
    "OPENLIT_CAPTURE_MESSAGE_CONTENT", "true", Kind::Boolean, "Whether prompts and answers are captured.";
    "OPENLIT_DETAILED_TRACING", "false", Kind::Boolean, "Whether the SDK records detailed traces.";
    "OPENLIT_DEFAULT_PROVIDER", "openlit", Kind::Choice(&["openlit", "openinference", "openllmetry", "custom"]), "The provider of the default profile: of pods that the label selects, and no AutoInstrumentation.";
    "OPENLIT_DEFAULT_VERSION", "latest", Kind::Syntax(syntax::VERSION), "The tag of the provider's image, unless an AutoInstrumentation says it or the image has a tag or digest.";
    "OPENLIT_DEFAULT_INIT_IMAGE", "", Kind::Syntax(syntax::IMAGE), "The init image of the default provider, in place of OPENLIT_IMAGE_*.";
    "OPENLIT_INIT_IMAGES", "published", Kind::Choice(&["published", "prelit"]), "Whose images OPENLIT_IMAGE_* name: the published ones or a mirror of them, or Prelit's own, which serve other Pythons.";
    "OPENLIT_IMAGE_OPENLIT", names::IMAGE_OPENLIT, Kind::Syntax(syntax::IMAGE), "Where the openlit image is found.";
    "OPENLIT_IMAGE_OPENINFERENCE", names::IMAGE_OPENINFERENCE, Kind::Syntax(syntax::IMAGE), "Where the openinference image is found.";
    "OPENLIT_IMAGE_OPENLLMETRY", names::IMAGE_OPENLLMETRY, Kind::Syntax(syntax::IMAGE), "Where the openllmetry image is found.";
    "OPENLIT_IMAGE_PULL_POLICY", "IfNotPresent", Kind::Choice(&["Always", "IfNotPresent", "Never"]), "When the init image is pulled, unless an AutoInstrumentation says it.";
    "OPENLIT_DETECTION", "auto", Kind::Choice(&["auto", "strict"]), "Whether a single container of unknown language is taken for Python (auto), or only what is detected (strict).";
    "OPENLIT_INIT_RUN_AS_USER", "auto", Kind::User, "The user of the init container: auto, none (OpenShift assigns one), or a number.";
    "OPENLIT_INIT_CPU_REQUEST", "100m", Kind::Amount, "The processor time that the init container requests.";
    "OPENLIT_INIT_MEMORY_REQUEST", "128Mi", Kind::Amount, "The memory that the init container requests.";
    "OPENLIT_INIT_CPU_LIMIT", "200m", Kind::Amount, "The processor time that the init container may use.";
    "OPENLIT_INIT_MEMORY_LIMIT", "256Mi", Kind::Amount, "The memory that the init container may use.";
    "OPENLIT_VOLUME_SIZE_LIMIT", "", Kind::Amount, "The sizeLimit of the volume that holds the packages; without it, none.";
    "OPENLIT_KNATIVE", "webhook", Kind::Choice(&["webhook", "render"]), "Whether Knative templates are left to the webhook, or rendered (their feature flags must be on).";
    "OPENLIT_GLOBAL_NAMESPACE", "openlit", Kind::NamespaceOrNone, "The namespace whose AutoInstrumentations hold for all others; empty: none.";
    "OPENLIT_WORKLOADS", "", Kind::Workloads, "Further kinds that hold pod templates, as group/Kind=path.to.template items.";
    "WEBHOOK_PORT", "9443", Kind::Number(1, 65535), "The port of the webhook.";
    "WEBHOOK_PATH", "/mutate", Kind::Path, "The path of the webhook.";
    "HEALTH_PORT", "8081", Kind::Number(1, 65535), "The port of the probes.";
    "METRICS_PORT", "8080", Kind::Number(1, 65535), "The port of the metrics.";
    "WEBHOOK_SERVICE_NAME", "openlit-webhook-service", Kind::Syntax(syntax::DNS_LABEL), "The Service of the webhook.";
    "WEBHOOK_SERVICE_PORT", "443", Kind::Number(1, 65535), "The port of that Service.";
    "WEBHOOK_SECRET_NAME", "openlit-webhook-certs", Kind::Syntax(syntax::OBJECT_NAME), "The Secret that holds the webhook's certificates.";
    "WEBHOOK_CONFIG_NAME", "openlit-instrumentation-webhook", Kind::Syntax(syntax::OBJECT_NAME), "The MutatingWebhookConfiguration.";
    "WEBHOOK_CLUSTER_ROLE", "openlit-operator", Kind::Syntax(syntax::OBJECT_NAME), "The webhook's ClusterRole, which owns the MutatingWebhookConfiguration: they are deleted together.";
    "WEBHOOK_FAILURE_POLICY", "Ignore", Kind::Choice(&["Ignore", "Fail"]), "What the API server does when the webhook fails.";
    "WEBHOOK_REINVOCATION_POLICY", "Never", Kind::Choice(&["Never", "IfNeeded"]), "Whether the webhook is asked again after others changed the pod.";
    "WEBHOOK_TIMEOUT_SECONDS", "3", Kind::Number(1, 30), "How long the API server waits for the webhook.";
    "CERT_VALIDITY_DAYS", "365", Kind::Days(30), "How long a certificate is valid: days, or a duration such as 90m.";
    "CERT_REFRESH_DAYS", "30", Kind::Days(LEAST_REFRESH), "How long before its end a certificate is renewed: days, or a duration; below the validity.";
    "CERT_MODE", "self-signed", Kind::Choice(&["self-signed", "provided"]), "Whether the webhook makes its certificates, or finds them in WEBHOOK_CERT_DIR.";
    "WEBHOOK_CERT_DIR", "", Kind::Text, "Where provided certificates are.";
    "POD_NAMESPACE", "openlit", Kind::Syntax(syntax::DNS_LABEL), "The namespace of the webhook.";
    "WATCH_NAMESPACE", "", Kind::Namespaces, "The namespaces whose pods are instrumented; empty: all.";
    "LOG_LEVEL", "info", Kind::Choice(&["trace", "debug", "info", "warn", "error"]), "How much the webhook logs.";
    "SELF_MONITORING_ENABLED", "false", Kind::Boolean, "Whether the webhook sends telemetry of its own.";
    "OTEL_EXPORTER_OTLP_ENDPOINT", "", Kind::Url, "Where the webhook's own telemetry goes, under /v1/traces and /v1/metrics; never that of workloads.";
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "", Kind::Url, "Where the webhook's own traces go, as a whole URL.";
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "", Kind::Url, "Where the webhook's own metrics go, as a whole URL.";
    "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "", Kind::Url, "Logs are written to stderr alone: one that is set is named in a warning.";
    "OTEL_EXPORTER_OTLP_HEADERS", "", Kind::Headers, "The headers of the webhook's own telemetry.";
    "OTEL_EXPORTER_OTLP_TIMEOUT", "10000", Kind::Number(1, 600_000), "How many milliseconds one request may take.";
    "OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf", PROTOCOL, "How it is spoken; nothing else than http/protobuf is.";
    "OTEL_EXPORTER_OTLP_COMPRESSION", "none", COMPRESSION, "How it is compressed; nothing else than none is spoken.";
    "OTEL_EXPORTER_OTLP_CERTIFICATE", "", Kind::Text, "The file of the CAs that the receiver is trusted by; without it, those of the machine.";
    "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "", Kind::Text, "The file of the webhook's own certificate, for a receiver that asks for one.";
    "OTEL_EXPORTER_OTLP_CLIENT_KEY", "", Kind::Text, "The file of its key.";
    "OTEL_METRIC_EXPORT_INTERVAL", "60000", Kind::Number(100, 86_400_000), "How many milliseconds there are between two exports of metrics.";
    "OTEL_SERVICE_NAME", "openlit-operator", Kind::Text, "What the webhook's own telemetry calls it.";
    "OTEL_RESOURCE_ATTRIBUTES", "", Kind::Attributes, "Further attributes of the webhook's own telemetry.";
}

const PROTOCOL: Kind = Kind::Choice(&["http/protobuf", "http/json", "grpc"]);
const COMPRESSION: Kind = Kind::Choice(&["none", "gzip"]);

/// What the exporter of the `OpenTelemetry` specification asks of one signal, in place of the same of all signals.
const PARTS: &[(&str, Kind)] = &[
    ("ENDPOINT", Kind::Url),
    ("HEADERS", Kind::Headers),
    ("TIMEOUT", Kind::Number(1, 600_000)),
    ("PROTOCOL", PROTOCOL),
    ("COMPRESSION", COMPRESSION),
    ("INSECURE", Kind::Boolean),
    ("CERTIFICATE", Kind::Text),
    ("CLIENT_CERTIFICATE", Kind::Text),
    ("CLIENT_KEY", Kind::Text),
];

/// Whether there is a setting of this name.
pub(super) fn known(name: &str) -> bool {
    find(name).is_some()
}

/// The setting of this name.
pub(super) fn find(name: &str) -> Option<Variable> {
    VARIABLES.iter().find(|variable| variable.name == name).copied().or_else(|| {
        let rest = name.strip_prefix(telemetry::PREFIX)?;
        let part = ["TRACES_", "METRICS_", "LOGS_"].iter().find_map(|signal| rest.strip_prefix(signal)).unwrap_or(rest);
        let (_, kind) = PARTS.iter().find(|(known, _)| *known == part)?;
        Some(Variable { name: telemetry::PREFIX, default: "", kind: *kind, says: "" })
    })
}

impl Variable {
    /// Whether no message shows its value.
    pub(super) fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Headers | Kind::SecretEntry)
    }

    /// A value as a message may show it.
    pub(super) fn shown(&self, value: &str) -> String {
        if self.is_secret() {
            "a value that is not shown here".to_owned()
        } else {
            format!("{:?}", syntax::shown(value))
        }
    }
}

impl Kind {
    /// Whether an empty value says something else than none at all.
    pub(super) fn empty_counts(self) -> bool {
        self == Kind::NamespaceOrNone
    }

    /// What is allowed, if this value is not.
    pub(super) fn refuses(self, value: &str) -> Option<String> {
        let one_line = !value.contains(|c: char| c.is_control());
        let allowed = match self {
            Kind::Text if one_line => return None,
            Kind::Headers if telemetry::read_pairs(value).is_some_and(|pairs| pairs.iter().all(is_header)) => {
                return None;
            }
            Kind::Attributes if telemetry::read_pairs(value).is_some() => return None,
            Kind::Boolean if boolean(value).is_some() => return None,
            Kind::Number(least, most) if whole_number(value).is_some_and(|number| (least..=most).contains(&number)) => {
                return None;
            }
            Kind::Choice(words) if words.contains(&value) => return None,
            Kind::Syntax(wanted) if syntax::check(wanted, value) => return None,
            Kind::Url if syntax::check(syntax::ENDPOINT, value) && !value.contains(['@', '$']) => return None,
            Kind::SecretEntry if syntax::check(syntax::SECRET_REFERENCE, value) => return None,
            Kind::Path if value.starts_with('/') && one_line && !value.contains([' ', '?', '#']) => return None,
            Kind::Days(least) if duration(value).is_some_and(|time| time.as_secs() >= least) => return None,
            Kind::Amount if is_amount(value) => return None,
            Kind::User if matches!(value, "auto" | "none") => return None,
            Kind::User if whole_number(value).is_some_and(|id| (0..=i64::from(i32::MAX)).contains(&id)) => return None,
            Kind::NamespaceOrNone if syntax::check(syntax::DNS_LABEL, value) => return None,
            Kind::Namespaces
                if super::file::list_items(value).iter().all(|name| syntax::check(syntax::DNS_LABEL, name)) =>
            {
                return None;
            }
            Kind::Workloads
                if super::file::list_items(value).iter().all(|item| syntax::check(syntax::WORKLOAD, item)) =>
            {
                return None;
            }
            Kind::Text => "text of one line".to_owned(),
            Kind::Headers | Kind::Attributes => {
                "name=value pairs with commas between them; a comma inside a value is written %2C".to_owned()
            }
            Kind::Boolean => "true or false".to_owned(),
            Kind::Number(least, most) => format!("a whole number from {least} to {most}"),
            Kind::Choice(words) => match syntax::nearest(value, words.iter().copied()) {
                Some(near) => format!("one of {}; did you mean {near}?", words.join(", ")),
                None => format!("one of {}", words.join(", ")),
            },
            Kind::Syntax(wanted) => wanted.expected.to_owned(),
            Kind::Url => "an http:// or https:// URL such as http://collector:4318, without credentials".to_owned(),
            Kind::SecretEntry => syntax::SECRET_REFERENCE.expected.to_owned(),
            Kind::Path => "a path that begins with /".to_owned(),
            Kind::Days(least) => format!("days from 1 to 3650, or a duration from {least}s on such as 90m or 12h"),
            Kind::Amount => format!("{}, not negative", syntax::QUANTITY.expected),
            Kind::User => "auto, none, or the number of a user".to_owned(),
            Kind::NamespaceOrNone => {
                format!("the name of a namespace: {}; or empty, for none", syntax::DNS_LABEL.expected)
            }
            Kind::Namespaces => {
                format!("names of namespaces with commas between them, each {}", syntax::DNS_LABEL.expected)
            }
            Kind::Workloads => syntax::WORKLOAD.expected.to_owned(),
        };
        Some(allowed)
    }
}

/// `true` or `false`, in all forms that Go's `strconv.ParseBool` takes, as the original did.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Days as a number, or a duration of hours, minutes and seconds: `90m`, `1h30m`, `2d`. At most 3650 days.
pub(super) fn duration(text: &str) -> Option<Duration> {
    const DAY: u64 = 24 * 60 * 60;
    let seconds = if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse::<u64>().ok()?.checked_mul(DAY)?
    } else {
        let mut rest = text;
        let mut sum: u64 = 0;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|end| *end > 0)?;
            let unit = match rest.as_bytes()[digits] {
                b'd' => DAY,
                b'h' => 60 * 60,
                b'm' => 60,
                b's' => 1,
                _ => return None,
            };
            sum = sum.checked_add(rest[..digits].parse::<u64>().ok()?.checked_mul(unit)?)?;
            rest = &rest[digits + 1..];
        }
        sum
    };
    (seconds <= 3650 * DAY).then(|| Duration::from_secs(seconds))
}

fn whole_number(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn is_amount(text: &str) -> bool {
    syntax::check(syntax::QUANTITY, text) && Quantity::parse(text).is_some_and(|amount| amount >= Quantity::ZERO)
}

/// Whether this can be sent over HTTP.
fn is_header((name, value): &(String, String)) -> bool {
    syntax::check(syntax::HEADER_NAME, name) && value.chars().all(|c| matches!(c, ' '..='~'))
}
