//! The effective configuration: one `AutoInstrumentation` and the settings, or the settings alone,
//! resolved to everything that decides what is written.

use super::digest::Digest;
use crate::api::image::Image;
use crate::api::resource::AutoInstrumentation;
use crate::api::settings::{InitImages, SecretEntry, Settings};
use crate::api::syntax;
use crate::value::Value;

pub use crate::api::resource::{Detection, Provider};
pub use crate::api::settings::RunAsUser;

/// The name of the settings' own profile: none that a resource can have.
pub const PROFILE: &str = "(settings)";

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

/// Whose packages an init image holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packages {
    /// Those of the published images, which are put before the application's own.
    Published,
    /// Prelit's, which choose themselves by the Python that runs, and come after the application's own.
    Prelit,
    /// Somebody else's: nothing is known of them.
    Unknown,
}

/// The image of the init container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitImage {
    /// Complete with tag or digest.
    pub reference: String,
    /// What is known of it.
    pub packages: Packages,
}

/// Everything that decides what is written into a selected pod template.
#[derive(Debug, Clone, PartialEq)]
pub struct Configuration {
    /// `namespace/name` or `name` of the `AutoInstrumentation`; [`PROFILE`] for the settings' own.
    pub name: String,
    /// Which packages.
    pub provider: Provider,
    /// The init container's image.
    pub init_image: InitImage,
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

/// The version of [`Configuration::digest`]: another one for another serialisation.
const DIGEST_VERSION: u32 = 2;

impl Configuration {
    /// The configuration of pods that a resource selects. What the resource does not say, the
    /// settings do.
    pub fn from_resource(resource: &AutoInstrumentation, settings: &Settings) -> Self {
        let spec = &resource.spec;
        let python = &spec.python.instrumentation;
        let init = &python.init_container;
        let literal = spec.otlp.headers.as_ref().and_then(crate::api::resource::Headers::text);
        let secret = spec.otlp.headers_from.as_ref().map(|from| &from.secret_key_ref);
        let headers = match (literal, secret) {
            (_, Some(entry)) => Some(Headers::Secret { name: entry.name.clone(), key: entry.key.clone() }),
            (Some(text), None) => Some(Headers::Literal(text)),
            (None, None) => headers_of(settings),
        };
        let packages = python.custom_packages.as_deref().map(syntax::packages).unwrap_or_default();
        Configuration {
            name: resource.full_name(),
            provider: python.provider,
            init_image: init_image(
                python.provider,
                python.custom_init_image.as_deref(),
                python.version.as_deref(),
                settings,
            ),
            pull_policy: python.image_pull_policy.unwrap_or(settings.image_pull_policy).as_str().to_owned(),
            endpoint: spec.otlp.endpoint.clone().unwrap_or_else(|| settings.otlp_endpoint.clone()),
            headers,
            timeout: spec.otlp.timeout.or(settings.otlp_timeout).map(i64::from),
            environment: spec.resource.environment.clone().unwrap_or_else(|| settings.default_environment.clone()),
            service_name: spec.resource.service_name.clone(),
            service_namespace: spec.resource.service_namespace.clone(),
            service_version: spec.resource.service_version.clone(),
            attributes: spec.resource.attributes.clone().into_iter().collect(),
            capture_message_content: spec.capture_message_content.unwrap_or(settings.capture_message_content),
            detailed_tracing: spec.detailed_tracing.unwrap_or(settings.detailed_tracing),
            custom_packages_text: python.custom_packages.clone().filter(|_| !packages.is_empty()),
            custom_packages: packages,
            no_deps: python.no_deps,
            env: python.env.clone(),
            volumes: python.volumes.clone(),
            volume_mounts: python.volume_mounts.clone(),
            volume_size_limit: python.volume_size_limit.clone().or_else(|| settings.volume_size_limit.clone()),
            init_env: init.env.clone(),
            init_volume_mounts: init.volume_mounts.clone(),
            init_resources: init.resources.clone(),
            init_security_context: init.security_context.clone(),
            resources: resources_of(settings),
            run_as_user: settings.init_run_as_user,
            detection: python.detection.unwrap_or(settings.detection),
        }
    }

    /// The default profile: the configuration of pods that the label selects, and no resource.
    pub fn from_settings(settings: &Settings) -> Self {
        Configuration {
            name: PROFILE.to_owned(),
            provider: settings.default_provider,
            init_image: init_image(settings.default_provider, None, None, settings),
            pull_policy: settings.image_pull_policy.as_str().to_owned(),
            endpoint: settings.otlp_endpoint.clone(),
            headers: headers_of(settings),
            timeout: settings.otlp_timeout.map(i64::from),
            environment: settings.default_environment.clone(),
            service_name: None,
            service_namespace: None,
            service_version: None,
            attributes: Vec::new(),
            capture_message_content: settings.capture_message_content,
            detailed_tracing: settings.detailed_tracing,
            custom_packages: Vec::new(),
            custom_packages_text: None,
            no_deps: None,
            env: Vec::new(),
            volumes: Vec::new(),
            volume_mounts: Vec::new(),
            volume_size_limit: settings.volume_size_limit.clone(),
            init_env: Vec::new(),
            init_volume_mounts: Vec::new(),
            init_resources: None,
            init_security_context: None,
            resources: resources_of(settings),
            run_as_user: settings.init_run_as_user,
            detection: settings.detection,
        }
    }

    /// 16 hex digits that stand for everything that decides the result, the name excepted: the same
    /// on every run and machine, whatever the order of keys in the manifest or the cluster.
    pub fn digest(&self) -> String {
        // Every field is named here, so that a new one cannot be forgotten.
        let Configuration {
            name: _,
            provider,
            init_image: InitImage { reference, packages },
            pull_policy,
            endpoint,
            headers,
            timeout,
            environment,
            service_name,
            service_namespace,
            service_version,
            attributes,
            capture_message_content,
            detailed_tracing,
            custom_packages,
            custom_packages_text,
            no_deps,
            env,
            volumes,
            volume_mounts,
            volume_size_limit,
            init_env,
            init_volume_mounts,
            init_resources,
            init_security_context,
            resources,
            run_as_user,
            detection,
        } = self;
        let InitResources { cpu_request, memory_request, cpu_limit, memory_limit } = resources;
        let mut digest = Digest::default();
        digest.number(DIGEST_VERSION.into());
        for text in [provider.as_str(), reference, pull_policy, endpoint, environment, detection.as_str()] {
            digest.text(text);
        }
        digest.optional(headers.as_ref(), |digest, headers| match headers {
            Headers::Literal(literal) => digest.list(&[literal], |digest, text| digest.text(text)),
            Headers::Secret { name, key } => digest.list(&[name, key], |digest, text| digest.text(text)),
        });
        digest.optional(timeout.as_ref(), |digest, timeout| digest.number((*timeout).into()));
        for text in [service_name, service_namespace, service_version, custom_packages_text] {
            digest.optional(text.as_ref(), |digest, text| digest.text(text));
        }
        digest.list(attributes, |digest, (key, value)| {
            digest.text(key);
            digest.text(value);
        });
        match packages {
            Packages::Published => digest.flag(true),
            Packages::Unknown => digest.flag(false),
            // Digests that were written before there was a third stay as they are.
            Packages::Prelit => digest.text("prelit"),
        }
        for flag in [*capture_message_content, *detailed_tracing] {
            digest.flag(flag);
        }
        digest.list(custom_packages, |digest, item| digest.text(item));
        digest.optional(no_deps.as_ref(), |digest, flag| digest.flag(*flag));
        for values in [env, volumes, volume_mounts, init_env, init_volume_mounts] {
            digest.list(values, Digest::value);
        }
        digest.optional(volume_size_limit.as_ref(), |digest, limit| digest.quantity(limit));
        for value in [init_resources, init_security_context] {
            digest.optional(value.as_ref(), Digest::value);
        }
        for amount in [cpu_request, memory_request, cpu_limit, memory_limit] {
            digest.quantity(amount);
        }
        match run_as_user {
            RunAsUser::Auto => digest.text("auto"),
            RunAsUser::None => digest.text("none"),
            RunAsUser::Id(id) => digest.number((*id).into()),
        }
        digest.finish()
    }
}

/// The init image, strongest first:
///
/// | given | image | tag |
/// |---|---|---|
/// | `customInitImage` | as it is written | its own |
/// | `OPENLIT_DEFAULT_INIT_IMAGE`, for the provider `OPENLIT_DEFAULT_PROVIDER` only | the setting | as below |
/// | `OPENLIT_IMAGE_<PROVIDER>` | the setting | as below |
///
/// A digest in a setting pins the image: no version changes it. A tag in a setting stands in place
/// of `OPENLIT_DEFAULT_VERSION`, and `version` of the resource takes its place. Versions stay as they
/// are written: `v1.0.0` is not `1.0.0`.
///
/// Whose packages an image holds:
///
/// | image | `OPENLIT_INIT_IMAGES=published` | `prelit` |
/// |---|---|---|
/// | of a published repository, however it is given | published | published |
/// | `OPENLIT_IMAGE_*` | published: a mirror | Prelit's |
/// | another one of the same repository | unknown | Prelit's |
/// | any other | unknown | unknown |
fn init_image(provider: Provider, custom: Option<&str>, version: Option<&str>, settings: &Settings) -> InitImage {
    if let Some(custom) = custom {
        return InitImage { reference: custom.to_owned(), packages: packages_of(custom, settings) };
    }
    let reference = |image| with_version(image, version, &settings.default_version);
    if let Some(default) = settings.default_init_image_of(provider) {
        return InitImage { reference: reference(default), packages: packages_of(default, settings) };
    }
    // None is there only for a custom provider without an image, which no valid resource or setting has.
    let image = settings.provider_images().into_iter().find(|(of, ..)| *of == provider).map_or("", |(.., image)| image);
    let packages = match settings.init_images {
        InitImages::Published => Packages::Published,
        InitImages::Prelit => packages_of(image, settings),
    };
    InitImage { reference: reference(image), packages }
}

/// What the name of an image tells.
fn packages_of(image: &str, settings: &Settings) -> Packages {
    let image = Image::parse(image);
    let is_named = || {
        let mut images = settings.provider_images().into_iter();
        images.any(|(.., named)| Image::parse(named).repository == image.repository)
    };
    if image.is_published() {
        Packages::Published
    } else if settings.init_images == InitImages::Prelit && is_named() {
        Packages::Prelit
    } else {
        Packages::Unknown
    }
}

fn with_version(image: &str, version: Option<&str>, default: &str) -> String {
    let Image { repository, tag, digest, .. } = Image::parse(image);
    if repository.is_empty() || digest.is_some() {
        return image.to_owned();
    }
    format!("{repository}:{}", version.or(tag).unwrap_or(default))
}

fn headers_of(settings: &Settings) -> Option<Headers> {
    let SecretEntry { name, key } = settings.otlp_headers_secret.clone()?;
    Some(Headers::Secret { name, key })
}

fn resources_of(settings: &Settings) -> InitResources {
    InitResources {
        cpu_request: settings.init_cpu_request.clone(),
        memory_request: settings.init_memory_request.clone(),
        cpu_limit: settings.init_cpu_limit.clone(),
        memory_limit: settings.init_memory_limit.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{resource, settings};
    use serde_json::{Value as Json, json};

    fn configured(instrumentation: &Json, pairs: &[(&str, &str)]) -> Configuration {
        let spec =
            json!({ "selector": { "matchLabels": { "app": "x" } }, "python": { "instrumentation": instrumentation } });
        from_spec(&spec, pairs)
    }

    fn from_spec(spec: &Json, pairs: &[(&str, &str)]) -> Configuration {
        let object = json!({
            "apiVersion": "openlit.io/v1alpha1",
            "kind": "AutoInstrumentation",
            "metadata": { "name": "quick", "namespace": "chat" },
            "spec": spec,
        });
        let resource = resource::read(&Value::from(&object)).unwrap();
        Configuration::from_resource(&resource, &settings(pairs))
    }

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        settings::read(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))).unwrap()
    }

    fn image(instrumentation: &Json, pairs: &[(&str, &str)]) -> (String, Packages) {
        let InitImage { reference, packages } = configured(instrumentation, pairs).init_image;
        (reference, packages)
    }

    #[test]
    fn the_default_profile_is_made_of_the_settings() {
        let configuration = Configuration::from_settings(&Settings::default());
        assert_eq!(configuration.name, PROFILE);
        assert_eq!(configuration.init_image.reference, "ghcr.io/openlit/openlit-ai-instrumentation:latest");
        assert_eq!(configuration.init_image.packages, Packages::Published);
        assert_eq!(configuration.endpoint, "http://openlit.default.svc.cluster.local:4318");
        assert_eq!(
            (configuration.environment.as_str(), configuration.pull_policy.as_str()),
            ("kubernetes", "IfNotPresent")
        );
        assert_eq!((configuration.headers, configuration.timeout), (None, None));
        assert!(configuration.capture_message_content && !configuration.detailed_tracing);
    }

    #[test]
    fn what_the_resource_says_beats_the_settings() {
        let pairs = [
            ("OPENLIT_OTLP_ENDPOINT", "http://setting:4318"),
            ("OPENLIT_OTLP_HEADERS_SECRET", "otlp/headers"),
            ("OPENLIT_OTLP_TIMEOUT", "7"),
            ("OPENLIT_DEFAULT_ENVIRONMENT", "staging"),
            ("OPENLIT_CAPTURE_MESSAGE_CONTENT", "false"),
            ("OPENLIT_DETECTION", "strict"),
            ("OPENLIT_VOLUME_SIZE_LIMIT", "1Gi"),
            ("OPENLIT_IMAGE_PULL_POLICY", "Always"),
        ];
        let silent = configured(&json!({}), &pairs);
        assert_eq!(silent.name, "chat/quick");
        assert_eq!(silent.endpoint, "http://setting:4318");
        assert_eq!(silent.headers, Some(Headers::Secret { name: "otlp".to_owned(), key: "headers".to_owned() }));
        assert_eq!((silent.timeout, silent.environment.as_str()), (Some(7), "staging"));
        assert_eq!((silent.capture_message_content, silent.detection), (false, Detection::Strict));
        assert_eq!((silent.volume_size_limit.as_deref(), silent.pull_policy.as_str()), (Some("1Gi"), "Always"));

        let spec = json!({
            "selector": { "matchLabels": { "app": "x" } },
            "otlp": { "endpoint": "http://own:4318", "headers": { "b": "2", "a": "1" }, "timeout": 9 },
            "resource": { "environment": "production", "serviceName": "chat", "attributes": { "b": "2", "a": "1" } },
            "captureMessageContent": true,
            "python": { "instrumentation": { "detection": "auto", "volumeSizeLimit": "2Gi", "imagePullPolicy": "Never" } },
        });
        let own = from_spec(&spec, &pairs);
        assert_eq!(own.endpoint, "http://own:4318");
        assert_eq!(own.headers, Some(Headers::Literal("a=1,b=2".to_owned())));
        assert_eq!((own.timeout, own.environment.as_str()), (Some(9), "production"));
        assert_eq!((own.capture_message_content, own.detection), (true, Detection::Auto));
        assert_eq!((own.volume_size_limit.as_deref(), own.pull_policy.as_str()), (Some("2Gi"), "Never"));
        assert_eq!(own.service_name.as_deref(), Some("chat"));
        assert_eq!(own.attributes[0].0, "a");
    }

    #[test]
    fn the_version_is_the_tag_as_it_is_written() {
        let repository = "ghcr.io/openlit/openllmetry-ai-instrumentation";
        let provider = |version: &str| json!({ "provider": "openllmetry", "version": version });
        assert_eq!(image(&provider("v1.0.0"), &[]), (format!("{repository}:v1.0.0"), Packages::Published));
        assert_eq!(image(&provider("1.0.0"), &[]).0, format!("{repository}:1.0.0"));
        let default = [("OPENLIT_DEFAULT_VERSION", "2.0.0")];
        assert_eq!(image(&json!({ "provider": "openllmetry" }), &default).0, format!("{repository}:2.0.0"));
    }

    #[test]
    fn a_custom_image_is_used_as_it_is_written() {
        let custom = |image: &str| json!({ "customInitImage": image, "version": "1.0.0" });
        assert_eq!(image(&custom("registry:5000/x"), &[]), ("registry:5000/x".to_owned(), Packages::Unknown));
        let published = "ghcr.io/openlit/openlit-ai-instrumentation:1.2.3";
        assert_eq!(image(&custom(published), &[]), (published.to_owned(), Packages::Published));
    }

    #[test]
    fn a_mirror_keeps_what_is_known_of_the_published_image() {
        let mirror = [("OPENLIT_IMAGE_OPENLIT", "registry:5000/mirror/ai")];
        assert_eq!(image(&json!({}), &mirror), ("registry:5000/mirror/ai:latest".to_owned(), Packages::Published));
    }

    #[test]
    fn images_are_prelits_by_a_setting_and_the_repository() {
        let ours = "registry:5000/prelit/openlit";
        let settings = [("OPENLIT_INIT_IMAGES", "prelit"), ("OPENLIT_IMAGE_OPENLIT", "registry:5000/prelit/openlit:1")];
        assert_eq!(image(&json!({}), &settings), (format!("{ours}:1"), Packages::Prelit));
        let custom = |image: &str| json!({ "provider": "openinference", "customInitImage": image });
        assert_eq!(image(&custom("registry:5000/prelit/openlit:2"), &settings).1, Packages::Prelit);
        assert_eq!(image(&custom("registry:5000/prelit/openlit:2"), &settings[1..]).1, Packages::Unknown);
        assert_eq!(image(&custom("registry:5000/prelit/other:1"), &settings).1, Packages::Unknown);
        // What is published is known by its name, whatever was announced.
        let published = "ghcr.io/openlit/openinference-ai-instrumentation:1.0.0";
        assert_eq!(image(&custom(published), &settings).1, Packages::Published);
        assert_eq!(image(&json!({ "provider": "openinference" }), &settings).1, Packages::Published);
        let default = [settings[0], settings[1], ("OPENLIT_DEFAULT_INIT_IMAGE", "registry:5000/prelit/openlit:3")];
        assert_eq!(image(&json!({}), &default), (format!("{ours}:3"), Packages::Prelit));
    }

    #[test]
    fn a_tag_in_a_setting_is_a_default_version_and_a_digest_is_pinned() {
        let tagged = [("OPENLIT_IMAGE_OPENLIT", "registry:5000/ai:3.0.0")];
        assert_eq!(image(&json!({}), &tagged).0, "registry:5000/ai:3.0.0");
        assert_eq!(image(&json!({ "version": "1.0.0" }), &tagged).0, "registry:5000/ai:1.0.0");
        let digest = format!("ai:3.0.0@sha256:{}", "a".repeat(64));
        let pinned = [("OPENLIT_IMAGE_OPENLIT", digest.as_str())];
        assert_eq!(image(&json!({ "version": "1.0.0" }), &pinned).0, digest);
    }

    #[test]
    fn the_default_init_image_is_that_of_the_default_provider() {
        let default = [("OPENLIT_DEFAULT_INIT_IMAGE", "registry/own:1")];
        assert_eq!(image(&json!({}), &default), ("registry/own:1".to_owned(), Packages::Unknown));
        assert_eq!(
            image(&json!({ "provider": "openinference" }), &default),
            ("ghcr.io/openlit/openinference-ai-instrumentation:latest".to_owned(), Packages::Published)
        );
        assert_eq!(image(&json!({ "customInitImage": "a/b:1" }), &default).0, "a/b:1");
        let custom =
            settings(&[("OPENLIT_DEFAULT_PROVIDER", "custom"), ("OPENLIT_DEFAULT_INIT_IMAGE", "registry/own")]);
        assert_eq!(Configuration::from_settings(&custom).init_image.reference, "registry/own:latest");
    }

    #[test]
    fn packages_are_divided_and_their_text_is_kept() {
        let configuration = configured(&json!({ "customPackages": "a>=1,<2, b" }), &[]);
        assert_eq!(configuration.custom_packages, ["a>=1,<2", "b"]);
        assert_eq!(configuration.custom_packages_text.as_deref(), Some("a>=1,<2, b"));
        let none = configured(&json!({ "customPackages": " , " }), &[]);
        assert_eq!((none.custom_packages.len(), none.custom_packages_text), (0, None));
    }

    #[test]
    fn the_digest_is_the_same_on_every_machine() {
        let configuration = Configuration::from_settings(&Settings::default());
        assert_eq!(configuration.digest(), "69d409de8ecf6de4", "a new serialisation needs a new DIGEST_VERSION");
    }

    #[test]
    fn the_digest_does_not_depend_on_names_and_order() {
        let base = configured(&json!({ "env": [{ "name": "A", "value": "1" }] }), &[]);
        let mut other = base.clone();
        other.name = "elsewhere/other".to_owned();
        other.env = vec![Value::map([("value", Value::text("1")), ("name", Value::text("A"))])];
        assert_eq!(base.digest(), other.digest());
    }

    #[test]
    fn the_digest_takes_quantities_by_value() {
        let with = |cpu: Json, limit: &str, setting: &str| {
            let init = json!({ "resources": { "requests": { "cpu": cpu } } });
            let instrumentation = json!({ "initContainer": init, "volumeSizeLimit": limit });
            configured(&instrumentation, &[("OPENLIT_INIT_CPU_LIMIT", setting)]).digest()
        };
        assert_eq!(with(json!("100m"), "1Gi", "1"), with(json!("0.1"), "1024Mi", "1000m"));
        assert_ne!(with(json!("100m"), "1Gi", "1"), with(json!("200m"), "1Gi", "1"));
    }

    #[test]
    fn the_digest_depends_on_every_field() {
        let text = || Some("x".to_owned());
        let value = || Value::map([("name", Value::text("x"))]);
        let changes: Vec<fn(&mut Configuration)> = vec![
            |c| c.provider = Provider::Custom,
            |c| c.init_image.reference.push('x'),
            |c| c.init_image.packages = Packages::Prelit,
            |c| c.init_image.packages = Packages::Unknown,
            |c| c.pull_policy.push('x'),
            |c| c.endpoint.push('x'),
            |c| c.headers = Some(Headers::Literal("a/b".to_owned())),
            |c| c.headers = Some(Headers::Secret { name: "a".to_owned(), key: "b".to_owned() }),
            |c| c.timeout = Some(1),
            |c| c.environment.push('x'),
            |c| c.attributes.push(("a".to_owned(), "b".to_owned())),
            |c| c.capture_message_content = false,
            |c| c.detailed_tracing = true,
            |c| c.custom_packages.push("x".to_owned()),
            |c| c.no_deps = Some(false),
            |c| c.no_deps = Some(true),
            |c| c.resources.cpu_request.insert(0, '9'),
            |c| c.resources.memory_request.insert(0, '9'),
            |c| c.resources.cpu_limit.insert(0, '9'),
            |c| c.resources.memory_limit.insert(0, '9'),
            |c| c.run_as_user = RunAsUser::None,
            |c| c.run_as_user = RunAsUser::Id(1),
            |c| c.detection = Detection::Strict,
        ];
        let base = Configuration::from_settings(&Settings::default());
        let mut digests = vec![base.digest()];
        for change in changes {
            let mut other = base.clone();
            change(&mut other);
            digests.push(other.digest());
        }
        digests.extend([
            Configuration { service_name: text(), ..base.clone() }.digest(),
            Configuration { service_namespace: text(), ..base.clone() }.digest(),
            Configuration { service_version: text(), ..base.clone() }.digest(),
            Configuration { custom_packages_text: text(), ..base.clone() }.digest(),
            Configuration { volume_size_limit: text(), ..base.clone() }.digest(),
            Configuration { env: vec![value()], ..base.clone() }.digest(),
            Configuration { volumes: vec![value()], ..base.clone() }.digest(),
            Configuration { volume_mounts: vec![value()], ..base.clone() }.digest(),
            Configuration { init_env: vec![value()], ..base.clone() }.digest(),
            Configuration { init_volume_mounts: vec![value()], ..base.clone() }.digest(),
            Configuration { init_resources: Some(value()), ..base.clone() }.digest(),
            Configuration { init_security_context: Some(value()), ..base.clone() }.digest(),
        ]);
        let count = digests.len();
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), count);
        assert!(digests.iter().all(|digest| digest.len() == 16));
    }
}
