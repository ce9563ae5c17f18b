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
/// Where the published openinference and openllmetry images write (D8).
pub const LEGACY_MOUNT_PATH: &str = "/openlit-sdk";
/// The init container.
pub const INIT_CONTAINER: &str = "openlit-init";
/// A user's own entry that could not be merged is kept under this prefix and referred to.
pub const ORIGINAL_PREFIX: &str = "OPENLIT_ORIGINAL_";
