//! The table of kinds: which hold pod templates, where, in what shape, how a pod leads back to
//! the name of its workload, and what the kind's controller adds to the pod. Data only.
//!
//! A kind is known by API group, any version, and name: `Job` of `batch.volcano.sh` and the core
//! `Service` are not in the table though their names are.

use super::lead::LeadRule;
use super::pattern::{Pattern, PatternError};
use std::borrow::Cow;
use std::sync::LazyLock;
use thiserror::Error;

/// The shape of what a pattern leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `metadata` and `spec`: an ordinary pod template, or a pod.
    Template,
    /// The pod spec itself, with `labels` and `annotations` among its fields: a component of a
    /// `KServe` `InferenceService`.
    Inline,
    /// A template of Argo Workflows: `container`, `script` or `containerSet`.
    Argo,
}

/// One kind.
#[derive(Debug, Clone)]
pub struct Row {
    /// The API group; empty for the core group.
    pub group: Cow<'static, str>,
    /// The kind.
    pub kind: Cow<'static, str>,
    /// Where its pod templates stand.
    pub templates: Vec<Pattern>,
    /// What stands there.
    pub shape: Shape,
    /// How a pod leads back to the name of the workload.
    pub lead: LeadRule,
    /// Whether the cluster refuses a change of the template.
    pub immutable: bool,
    /// Whether Knative makes the pods, which refuses init containers and `fieldRef` by default.
    pub knative: bool,
    /// Fields that refer to a pod template that stands elsewhere.
    pub refers: &'static [&'static [&'static str]],
    /// Whether the kind only ever refers.
    pub only_refers: bool,
    /// What its controller adds to the pods.
    pub added: &'static Added,
}

/// What a controller adds to the pods of its kind: no rule may notice it, since it is not there
/// when manifests are rendered.
#[derive(Debug, PartialEq, Eq)]
pub struct Added {
    /// Names of containers; `*` at the end stands for any end.
    pub containers: &'static [&'static str],
    /// Names of init containers, likewise.
    pub init_containers: &'static [&'static str],
    /// Names of variables, likewise.
    pub env: &'static [&'static str],
    /// Labels, and which of their values are the controller's.
    pub labels: &'static [(&'static str, Given)],
    /// A Python program that the controller runs in the first container, whatever its image.
    pub runs: Option<&'static str>,
}

/// Which values of a label come from a controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    /// This one.
    Is(&'static str),
    /// Those that begin so.
    Begins(&'static str),
    /// The one that this other label has.
    SameAs(&'static str),
}

impl Given {
    /// Whether a value is the controller's.
    pub(super) fn is<'t>(self, value: Option<&str>, label: &dyn Fn(&str) -> Option<&'t str>) -> bool {
        match (self, value) {
            (_, None) => false,
            (Given::Is(own), Some(value)) => own == value,
            (Given::Begins(own), Some(value)) => value.starts_with(own),
            (Given::SameAs(key), Some(value)) => label(key) == Some(value),
        }
    }
}

impl Added {
    /// Whether the controller adds a container of this name.
    pub fn has_container(&self, name: &str) -> bool {
        listed(self.containers, name)
    }

    /// Whether the controller adds an init container of this name.
    pub fn has_init_container(&self, name: &str) -> bool {
        listed(self.init_containers, name)
    }

    /// Whether the controller adds a variable of this name.
    pub fn has_env(&self, name: &str) -> bool {
        listed(self.env, name)
    }
}

fn listed(names: &[&str], name: &str) -> bool {
    names.iter().any(|listed| match listed.as_bytes() {
        [beginning @ .., b'*'] => name.as_bytes().starts_with(beginning),
        _ => *listed == name,
    })
}

/// Nothing: the controllers of Kubernetes itself and of Argo Rollouts copy the template.
pub static NOTHING: Added = Added { containers: &[], init_containers: &[], env: &[], labels: &[], runs: None };

/// `KubeRay`, from its `controllers/ray/common/pod.go` and `utils/constant.go`: the first container
/// always runs `ray start`, which the controller appends to the user's command.
pub static KUBERAY: Added = Added {
    containers: &["autoscaler", "ray-history-collector", "ray-job-submitter"],
    init_containers: &["wait-gcs-ready", "wait-for-tls-ip-san"],
    env: &["RAY_*", "FQ_RAY_IP", "KUBERAY_*", "REDIS_USERNAME", "REDIS_PASSWORD"],

    labels: &[
        ("app.kubernetes.io/name", Given::Is("kuberay")),
        ("app.kubernetes.io/created-by", Given::Is("kuberay-operator")),
    ],
    runs: Some("ray start"),
};

/// Kubeflow, from the training operator's `pkg/controller.v1/*/envvar.go`,
/// `pytorch/initcontainer.go` and the MPI operator's `mpi_job_controller.go`.
pub static KUBEFLOW: Added = Added {
    containers: &[],
    init_containers: &["init-pytorch", "kubectl-delivery"],
    env: &[
        "PYTHONUNBUFFERED",
        "TF_CONFIG",
        "PET_*",
        "MASTER_ADDR",
        "MASTER_PORT",
        "WORLD_SIZE",
        "RANK",
        "WORKER_PORT",
        "WORKER_ADDRS",
        "COORDINATOR_*",
        "NUM_PROCESSES",
        "PROCESS_ID",
        "PADDLE_*",
        "POD_IP_DUMMY",
        "K_MPI_JOB_ROLE",
        "OMPI_MCA_*",
        "I_MPI_*",
        "HYDRA_*",
        "NVIDIA_VISIBLE_DEVICES",
        "NVIDIA_DRIVER_CAPABILITIES",
    ],

    labels: &[],
    runs: None,
};

/// Argo Workflows, from its `workflow/common/common.go` and `workflow/controller/workflowpod.go`.
pub static ARGO: Added = Added {
    containers: &["wait", "supervisor", "artifact-plugin-*"],
    init_containers: &["init", "init-artifact-*"],
    env: &["ARGO_*", "TRACEPARENT", "TRACESTATE"],

    labels: &[],
    runs: None,
};

/// Knative Serving, from its `pkg/reconciler/revision/resources/{deploy,queue,env_var,meta}.go`.
pub static KNATIVE: Added = Added {
    containers: &["queue-proxy"],
    init_containers: &[],
    env: &["PORT", "K_*"],

    labels: &[("app", Given::SameAs("serving.knative.dev/revision"))],
    runs: None,
};

/// `KServe`, from its `pkg/constants/constants.go` and `pkg/webhook/admission/pod`; in serverless mode
/// Knative adds its own.
pub static KSERVE: Added = Added {
    containers: &["queue-proxy", "agent", "modelcar"],
    init_containers: &["storage-initializer", "modelcar-init"],
    env: &["PORT", "K_*", "STORAGE_CONFIG"],

    labels: &[
        ("app", Given::SameAs("serving.knative.dev/revision")),
        ("app", Given::Begins("isvc.")),
        ("component", Given::Is("predictor")),
        ("component", Given::Is("transformer")),
        ("component", Given::Is("explainer")),
    ],
    runs: None,
};

/// Labels that controllers put on every pod they make: no selector and no rule takes them for the
/// template's own. From Kubernetes (`k8s.io/api` `apps/v1` and `batch/v1` well-known labels), Argo
/// Rollouts, `KubeRay`, Kubeflow, Argo Workflows, Knative and `KServe`.
const CONTROLLER_LABELS: &[&str] = &[
    "pod-template-hash",
    "pod-template-generation",
    "controller-revision-hash",
    "controller-uid",
    "job-name",
    "rollouts-pod-template-hash",
    "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
    "batch.kubernetes.io/*",
    "training.kubeflow.org/*",
    "ray.io/cluster",
    "ray.io/group",
    "ray.io/identifier",
    "ray.io/is-ray-node",
    "ray.io/node-type",
    "ray.io/serve",
    "ray.io/worker-group-replica-*",
    "ray.io/replica-host-index",
    "workflows.argoproj.io/workflow",
    "workflows.argoproj.io/completed",
    "workflows.argoproj.io/on-exit",
    "workflows.argoproj.io/controller-instanceid",
    "serving.knative.dev/revision",
    "serving.knative.dev/revisionUID",
    "serving.knative.dev/configuration",
    "serving.knative.dev/configurationGeneration",
    "serving.knative.dev/configurationUID",
    "serving.knative.dev/service",
    "serving.knative.dev/serviceUID",
    "serving.kserve.io/inferenceservice",
];

/// Whether only controllers put this label on pods.
pub fn is_controller_label(key: &str) -> bool {
    listed(CONTROLLER_LABELS, key)
}

/// The resource attributes that carry the name of a workload (OpenTelemetry semantic conventions).
mod attribute {
    pub(super) const DEPLOYMENT: Option<&str> = Some("k8s.deployment.name");
    pub(super) const STATEFUL_SET: Option<&str> = Some("k8s.statefulset.name");
    pub(super) const DAEMON_SET: Option<&str> = Some("k8s.daemonset.name");
    pub(super) const CRON_JOB: Option<&str> = Some("k8s.cronjob.name");
}

struct Definition {
    group: &'static str,
    kind: &'static str,
    templates: &'static [&'static str],
    shape: Shape,
    lead: LeadRule,
    immutable: bool,
    refers: &'static [&'static [&'static str]],
    added: &'static Added,
}

impl Definition {
    const fn new(group: &'static str, kind: &'static str, templates: &'static [&'static str], lead: LeadRule) -> Self {
        Definition {
            group,
            kind,
            templates,
            shape: Shape::Template,
            lead,
            immutable: false,
            refers: &[],
            added: &NOTHING,
        }
    }

    const fn immutable(self) -> Self {
        Definition { immutable: true, ..self }
    }

    const fn shape(self, shape: Shape) -> Self {
        Definition { shape, ..self }
    }

    const fn refers(self, refers: &'static [&'static [&'static str]]) -> Self {
        Definition { refers, ..self }
    }

    const fn added(self, added: &'static Added) -> Self {
        Definition { added, ..self }
    }
}

const SPEC_TEMPLATE: &[&str] = &["spec.template"];
const REPLICAS: &[&str] = &["spec.*ReplicaSpecs.*.template"];

/// The templates of a workflow below `$at`; steps and tasks may hold whole templates `inline`
/// (Argo Workflows, `WorkflowStep.Inline` and `DAGTask.Inline` of `workflow_types.go`).
macro_rules! workflow {
    ($at:literal) => {
        &[
            concat!($at, ".templates[*]"),
            concat!($at, ".templates[*].steps[*][*].inline"),
            concat!($at, ".templates[*].dag.tasks[*].inline"),
        ]
    };
}

/// The pod templates of a `RayCluster` spec below `$at`.
macro_rules! ray {
    ($at:literal) => {
        &[concat!($at, ".headGroupSpec.template"), concat!($at, ".workerGroupSpecs[*].template")]
    };
}

const WORKFLOW_REF: &[&[&str]] = &[&["spec", "workflowTemplateRef"], &["spec", "workflowSpec", "workflowTemplateRef"]];

#[rustfmt::skip]
static DEFINITIONS: &[Definition] = &[
    // Kubernetes
    Definition::new("", "Pod", &[""], LeadRule::Pod).immutable(),
    Definition::new("", "PodTemplate", &["template"], LeadRule::None),
    Definition::new("", "ReplicationController", SPEC_TEMPLATE, LeadRule::Own(None)),
    Definition::new("apps", "Deployment", SPEC_TEMPLATE, LeadRule::Own(attribute::DEPLOYMENT)),
    Definition::new("apps", "ReplicaSet", SPEC_TEMPLATE, LeadRule::ReplicaSet),
    Definition::new("apps", "StatefulSet", SPEC_TEMPLATE, LeadRule::Own(attribute::STATEFUL_SET)),
    Definition::new("apps", "DaemonSet", SPEC_TEMPLATE, LeadRule::Own(attribute::DAEMON_SET)),
    Definition::new("batch", "Job", SPEC_TEMPLATE, LeadRule::Job).immutable(),
    Definition::new("batch", "CronJob", &["spec.jobTemplate.spec.template"], LeadRule::Own(attribute::CRON_JOB)),
    // Argo Rollouts: pkg/apis/rollouts/v1alpha1/types.go, rollout/sync.go
    Definition::new("argoproj.io", "Rollout", SPEC_TEMPLATE, LeadRule::Own(None)).refers(&[&["spec", "workloadRef"]]),
    // KubeRay: ray-operator/apis/ray/v1
    Definition::new("ray.io", "RayCluster", ray!("spec"), LeadRule::None).added(&KUBERAY),
    Definition::new("ray.io", "RayJob", ray!("spec.rayClusterSpec"), LeadRule::None).added(&KUBERAY).refers(&[&["spec", "clusterSelector"]]),
    Definition::new("ray.io", "RayService", ray!("spec.rayClusterConfig"), LeadRule::None).added(&KUBERAY),
    Definition::new("ray.io", "RayCronJob", ray!("spec.jobTemplate.rayClusterSpec"), LeadRule::None).added(&KUBERAY).refers(&[&["spec", "jobTemplate", "clusterSelector"]]),
    // Kubeflow: training operator 1.x pkg/apis/kubeflow.org/v1, MPI operator pkg/apis/kubeflow/v2beta1, trainer 2.x
    Definition::new("kubeflow.org", "PyTorchJob", REPLICAS, LeadRule::Label("training.kubeflow.org/job-name")).added(&KUBEFLOW),
    Definition::new("kubeflow.org", "TFJob", REPLICAS, LeadRule::Label("training.kubeflow.org/job-name")).added(&KUBEFLOW),
    Definition::new("kubeflow.org", "MPIJob", REPLICAS, LeadRule::Label("training.kubeflow.org/job-name")).added(&KUBEFLOW),
    Definition::new("kubeflow.org", "XGBoostJob", REPLICAS, LeadRule::Label("training.kubeflow.org/job-name")).added(&KUBEFLOW),
    Definition::new("kubeflow.org", "JAXJob", REPLICAS, LeadRule::Label("training.kubeflow.org/job-name")).added(&KUBEFLOW),
    Definition::new("kubeflow.org", "PaddleJob", REPLICAS, LeadRule::Label("training.kubeflow.org/job-name")).added(&KUBEFLOW),
    Definition::new("trainer.kubeflow.org", "TrainJob", &[], LeadRule::None),
    Definition::new("trainer.kubeflow.org", "OptimizationJob", &[], LeadRule::None),
    // Argo Workflows: pkg/apis/workflow/v1alpha1
    Definition::new("argoproj.io", "Workflow", workflow!("spec"), LeadRule::None).shape(Shape::Argo).added(&ARGO).refers(WORKFLOW_REF),
    Definition::new("argoproj.io", "WorkflowTemplate", workflow!("spec"), LeadRule::None).shape(Shape::Argo).added(&ARGO).refers(WORKFLOW_REF),
    Definition::new("argoproj.io", "ClusterWorkflowTemplate", workflow!("spec"), LeadRule::None).shape(Shape::Argo).added(&ARGO).refers(WORKFLOW_REF),
    Definition::new("argoproj.io", "CronWorkflow", workflow!("spec.workflowSpec"), LeadRule::None).shape(Shape::Argo).added(&ARGO).refers(WORKFLOW_REF),
    // KServe: pkg/apis/serving/v1beta1; a predictor that names a model or a framework takes its container from a ServingRuntime
    Definition::new("serving.kserve.io", "InferenceService", &["spec.predictor", "spec.transformer", "spec.explainer"], LeadRule::Label("serving.kserve.io/inferenceservice")).shape(Shape::Inline).added(&KSERVE).refers(&[&["spec", "predictor"]]),
    // Knative Serving: pkg/apis/serving/v1; a Configuration without a Service has only its own label
    Definition::new("serving.knative.dev", "Service", SPEC_TEMPLATE, LeadRule::Label("serving.knative.dev/service")).added(&KNATIVE),
    Definition::new("serving.knative.dev", "Configuration", SPEC_TEMPLATE, LeadRule::Label("serving.knative.dev/configuration")).added(&KNATIVE),
];

static TABLE: LazyLock<Vec<Row>> = LazyLock::new(|| DEFINITIONS.iter().map(Row::from).collect());

impl From<&Definition> for Row {
    fn from(definition: &Definition) -> Self {
        Row {
            group: Cow::Borrowed(definition.group),
            kind: Cow::Borrowed(definition.kind),
            // That every pattern of the table can be read is tested; the empty one is the object itself.
            templates: definition
                .templates
                .iter()
                .filter_map(|text| if text.is_empty() { Some(Pattern::ROOT) } else { Pattern::parse(text).ok() })
                .collect(),
            shape: definition.shape,
            lead: definition.lead,
            immutable: definition.immutable,
            knative: definition.group == "serving.knative.dev",
            refers: definition.refers,
            only_refers: definition.templates.is_empty(),
            added: definition.added,
        }
    }
}

/// A kind that the user named and that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RowError {
    /// There is no `=`.
    #[error("{0:?} does not have the form group/Kind=spec.path.template")]
    Form(String),
    /// Not a name of a group.
    #[error("{0:?} is not an API group")]
    Group(String),
    /// Not a name of a kind.
    #[error("{0:?} is not a kind")]
    Kind(String),
    /// The path cannot be read.
    #[error("in {text:?}, {error}")]
    Path {
        /// The whole text.
        text: String,
        /// What is wrong with its path.
        error: PatternError,
    },
}

impl Row {
    /// A kind that the user names: `group/Kind=spec.path[*].template`, or `Kind=…` for the core group.
    ///
    /// # Errors
    /// When the text does not have that form.
    pub fn parse(text: &str) -> Result<Self, RowError> {
        let (name, path) = text.split_once('=').ok_or_else(|| RowError::Form(shortened(text)))?;
        let (group, kind) = name.trim().rsplit_once('/').unwrap_or(("", name.trim()));
        let is_group = group.is_empty() && !name.trim().starts_with('/')
            || !group.is_empty()
                && group.len() <= 253
                && group.split('.').all(|part| {
                    !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                });
        if !is_group {
            return Err(RowError::Group(shortened(group)));
        }
        let is_kind = kind.len() <= 253
            && kind.starts_with(|c: char| c.is_ascii_uppercase())
            && kind.bytes().all(|b| b.is_ascii_alphanumeric());
        if !is_kind {
            return Err(RowError::Kind(shortened(kind)));
        }
        let pattern = Pattern::parse(path.trim()).map_err(|error| RowError::Path { text: shortened(text), error })?;
        Ok(Row {
            group: Cow::Owned(group.to_owned()),
            kind: Cow::Owned(kind.to_owned()),
            templates: vec![pattern],
            shape: Shape::Template,
            lead: LeadRule::None,
            immutable: false,
            knative: false,
            refers: &[],
            only_refers: false,
            added: &NOTHING,
        })
    }
}

/// Enough of a hostile text for a message.
fn shortened(text: &str) -> String {
    text.chars().take(100).collect()
}

/// The table.
pub fn table() -> &'static [Row] {
    &TABLE
}

/// The rows for a kind: one of the table, and those that the user named.
pub(super) fn rows<'r>(group: &str, kind: &str, extra: &'r [Row]) -> impl Iterator<Item = &'r Row> {
    table().iter().chain(extra).filter(move |row| row.kind == kind && row.group == group)
}

/// Words of which one stands in the bytes of every document that can hold a workload or an
/// `AutoInstrumentation`, for a scan that decides what must be parsed: the kinds, which the kinds of
/// lists contain too. For the kinds of Knative, whose names many documents hold, it is the group.
pub fn kind_names(extra: &[Row]) -> impl Iterator<Item = &str> {
    let table = table().iter().map(|row| if row.knative { &*row.group } else { &*row.kind });
    table.chain(extra.iter().map(|row| &*row.kind)).chain(std::iter::once(crate::api::names::KIND))
}

/// The group of an `apiVersion`: empty for the core group, which has no slash.
pub fn group_of(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_of_the_table_can_be_read() {
        for (row, definition) in table().iter().zip(DEFINITIONS) {
            assert_eq!(row.templates.len(), definition.templates.len(), "{}", row.kind);
        }
    }

    #[test]
    fn no_kind_stands_twice() {
        for (index, row) in table().iter().enumerate() {
            let again = table()[index + 1..].iter().any(|other| other.kind == row.kind && other.group == row.group);
            assert!(!again, "{}/{}", row.group, row.kind);
        }
    }

    #[test]
    fn a_user_may_name_a_kind() {
        let row = Row::parse("acme.io/Trainer=spec.pods[*].template").unwrap();
        assert_eq!((&*row.group, &*row.kind), ("acme.io", "Trainer"));
        assert_eq!(row.templates[0].to_string(), "spec.pods[*].template");
        assert_eq!(Row::parse("Trainer=spec.template").unwrap().group, "");
        for (text, error) in [
            ("acme.io/Trainer", RowError::Form("acme.io/Trainer".into())),
            ("", RowError::Form(String::new())),
            ("/Trainer=a", RowError::Group(String::new())),
            ("acme.io/v1/Trainer=a", RowError::Group("acme.io/v1".into())),
            ("Acme/Trainer=a", RowError::Group("Acme".into())),
            ("acme..io/Trainer=a", RowError::Group("acme..io".into())),
            ("acme.io/trainer=a", RowError::Kind("trainer".into())),
            ("acme.io/=a", RowError::Kind(String::new())),
        ] {
            assert_eq!(Row::parse(text).map(|row| row.kind).unwrap_err(), error, "{text}");
        }
        assert!(matches!(Row::parse("a/B=spec..x"), Err(RowError::Path { error: PatternError::NoKey(6), .. })));
    }

    #[test]
    fn the_scan_looks_for_every_kind_but_not_for_service() {
        let extra = [Row::parse("acme.io/Trainer=spec.template").unwrap()];
        let names: Vec<_> = kind_names(&extra).collect();
        for name in ["Deployment", "Pod", "AutoInstrumentation", "Trainer", "serving.knative.dev", "TrainJob"] {
            assert!(names.contains(&name), "{name}");
        }
        assert!(!names.contains(&"Service") && !names.contains(&"Configuration"));
    }

    #[test]
    fn labels_of_controllers_are_known() {
        for key in
            ["pod-template-hash", "batch.kubernetes.io/job-name", "training.kubeflow.org/replica-index", "job-name"]
        {
            assert!(is_controller_label(key), "{key}");
        }
        for key in ["app", "openlit.io/instrument", "ray.io/priority-class-name", "app.kubernetes.io/name"] {
            assert!(!is_controller_label(key), "{key}");
        }
    }
}
