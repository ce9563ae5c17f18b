//! Names that stand in manifests: labels, annotations, variables, volumes. Those that the original
//! operator's users already have stay as they are.

/// The group of our resources, and the prefix of our labels and annotations.
pub const GROUP: &str = "openlit.io";
/// The version of the resource that is served.
pub const VERSION: &str = "v1alpha1";
/// The kind of the resource.
pub const KIND: &str = "AutoInstrumentation";

/// Label: `"true"` selects a pod template, `"false"` opts it out.
pub const LABEL_INSTRUMENT: &str = "openlit.io/instrument";
/// Label or annotation: `"true"` opts a pod template out.
pub const SKIP: &str = "openlit.io/skip";
/// The annotation of a mirror pod: what a kubelet shows the API server of a static pod. Kubernetes' `ConfigMirrorAnnotationKey`.
pub const ANNOTATION_MIRROR: &str = "kubernetes.io/config.mirror";
/// Annotation: what we did to this template, and what it takes to undo it.
pub const ANNOTATION_INJECTION: &str = "openlit.io/injection";
/// Annotation: containers to leave alone, by name, separated by commas.
pub const ANNOTATION_EXCLUDE: &str = "openlit.io/exclude-containers";
/// Annotation: the only containers to instrument; may name init containers.
pub const ANNOTATION_INCLUDE: &str = "openlit.io/include-containers";
/// Annotation: the language of containers, `app:python,proxy:go`.
pub const ANNOTATION_LANGUAGES: &str = "openlit.io/container-languages";
/// Annotation: `"true"` spares detection, `"false"` instruments nothing.
pub const ANNOTATION_INJECT_PYTHON: &str = "openlit.io/inject-python";
/// Prefix of annotations that are resource attributes.
pub const RESOURCE_PREFIX: &str = "resource.opentelemetry.io/";
/// Annotation of the cluster autoscaler: local volumes that do not hold a node.
pub const ANNOTATION_SAFE_TO_EVICT: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes";

/// The volume that the init container fills.
pub const VOLUME: &str = "instrumentation-packages";
/// Where it is mounted.
pub const MOUNT_PATH: &str = "/instrumentation-packages";
/// Where the published openinference and openllmetry images write.
pub const LEGACY_MOUNT_PATH: &str = "/openlit-sdk";
/// The init container.
pub const INIT_CONTAINER: &str = "openlit-init";
/// A user's own entry that could not be merged is kept under this prefix and referred to.
pub const ORIGINAL_PREFIX: &str = "OPENLIT_ORIGINAL_";

/// Variable: the pod's namespace, from the downward API.
pub const ENV_NAMESPACE: &str = "OPENLIT_K8S_NAMESPACE";
/// Variable: the pod's name, from the downward API.
pub const ENV_POD_NAME: &str = "OPENLIT_K8S_POD_NAME";
/// Variable: the pod's UID, from the downward API.
pub const ENV_POD_UID: &str = "OPENLIT_K8S_POD_UID";
/// Variable: the pod's node, from the downward API.
pub const ENV_NODE_NAME: &str = "OPENLIT_K8S_NODE_NAME";
/// Variable: where Python looks for packages first.
pub const ENV_PYTHONPATH: &str = "PYTHONPATH";
/// Variable: where telemetry goes.
pub const ENV_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// Variable: headers of OTLP requests, often a secret.
pub const ENV_HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
/// Variable: timeout of OTLP requests; the Python SDK reads seconds.
pub const ENV_TIMEOUT: &str = "OTEL_EXPORTER_OTLP_TIMEOUT";
/// Variable: `service.name`
pub const ENV_SERVICE_NAME: &str = "OTEL_SERVICE_NAME";
/// Variable: `service.namespace`, for the provider packages that read it.
pub const ENV_SERVICE_NAMESPACE: &str = "OTEL_SERVICE_NAMESPACE";
/// Variable: `service.version`, for the provider packages that read it.
pub const ENV_SERVICE_VERSION: &str = "OTEL_SERVICE_VERSION";
/// Variable: `service.instance.id`, for the provider packages that read it.
pub const ENV_SERVICE_INSTANCE_ID: &str = "OTEL_SERVICE_INSTANCE_ID";
/// Variable: `deployment.environment`, for the provider packages that read it.
pub const ENV_DEPLOYMENT_ENVIRONMENT: &str = "OTEL_DEPLOYMENT_ENVIRONMENT";
/// Variable: resource attributes, `k=v` separated by commas, values percent-encoded.
pub const ENV_RESOURCE_ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
/// Variable: whether prompts and answers are captured.
pub const ENV_CAPTURE: &str = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT";
/// Variable: whether tracing goes into detail.
pub const ENV_DETAILED_TRACING: &str = "OPENLIT_DETAILED_TRACING";
/// Variable: further packages, as the user wrote them.
pub const ENV_CUSTOM_PACKAGES: &str = "CUSTOM_PACKAGES";
/// Variable of the init container: which packages it copies.
pub const ENV_PROVIDER: &str = "INSTRUMENTATION_PROVIDER";
/// Variable of the init container: where it copies them.
pub const ENV_TARGET_PATH: &str = "TARGET_PATH";

/// Label: the name of an application; a name for its service.
pub const LABEL_APP_NAME: &str = "app.kubernetes.io/name";
/// Label: the instance of an application; a better name for its service.
pub const LABEL_APP_INSTANCE: &str = "app.kubernetes.io/instance";
/// Label: the version of an application.
pub const LABEL_APP_VERSION: &str = "app.kubernetes.io/version";

/// The script of the init image that copies the packages.
pub const SETUP_SCRIPT: &str = "/usr/local/bin/setup-instrumentation.py";

/// The repository of the published image of `OpenLIT`.
pub const IMAGE_OPENLIT: &str = "ghcr.io/openlit/openlit-ai-instrumentation";
/// The repository of the published image of `OpenInference`.
pub const IMAGE_OPENINFERENCE: &str = "ghcr.io/openlit/openinference-ai-instrumentation";
/// The repository of the published image of `OpenLLMetry`.
pub const IMAGE_OPENLLMETRY: &str = "ghcr.io/openlit/openllmetry-ai-instrumentation";
