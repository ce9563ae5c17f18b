//! What an object of a document is: a workload with its pod templates, an `AutoInstrumentation`, a
//! list of such, something that only refers to a template, or nothing of the kind. Looks at
//! values only, and decides nothing.

use super::kinds::{self, ARGO, Added, KNATIVE, KSERVE, KUBEFLOW, KUBERAY, NOTHING, Row, Shape, group_of};
use super::lead::{LeadRule, controller, lead, lead_of_pod};
use super::template::{Container, Lead, PodTemplate, Role};
use crate::api::names;
use crate::value::{Path, Value};
use std::borrow::Cow;

/// The group of what orchestrators of KRM functions send them.
pub const FUNCTION_GROUP: &str = "config.kubernetes.io";

/// The key of a `ResourceList` under which a function's own configuration stands.
pub const FUNCTION_CONFIG: &str = "functionConfig";

/// The key of a list of objects under which they stand.
pub const ITEMS: &str = "items";

/// How deep lists may stand in lists.
const MAX_LIST_DEPTH: usize = 16;

/// An object and where it stands.
#[derive(Debug, Clone)]
pub struct Object<'v> {
    /// Where it stands, from the root of the document: the root itself, or an item of a list.
    pub at: Path,
    /// The object.
    pub value: &'v Value<'v>,
    /// Its kind, or the one that its list says.
    pub kind: &'v str,
    /// Its `apiVersion`, likewise.
    pub api_version: &'v str,
}

impl<'v> Object<'v> {
    /// A value as an object, if it says of which kind.
    pub fn read(value: &'v Value<'v>) -> Option<Self> {
        Object::inheriting(value, Path::ROOT, (None, None))
    }

    /// A value as an object, with the kind and version of its list where it has none of its own. Nothing is no object,
    /// whatever list it stands in.
    fn inheriting(value: &'v Value<'v>, at: Path, inherited: (Option<&'v str>, Option<&'v str>)) -> Option<Self> {
        if value.is_null() {
            return None;
        }
        let text = |key| value.get(key).and_then(Value::as_text);
        let kind = text("kind").or(inherited.0)?;
        let api_version = text("apiVersion").or(inherited.1).unwrap_or_default();
        Some(Object { at, value, kind, api_version })
    }

    /// Its name and namespace, as they are written.
    pub fn id(&self) -> (Option<&'v str>, Option<&'v str>) {
        (self.name(), self.namespace())
    }

    /// `metadata.name`
    pub fn name(&self) -> Option<&'v str> {
        self.value.dig(&["metadata", "name"]).and_then(Value::as_text)
    }

    /// `metadata.generateName`
    pub fn generate_name(&self) -> Option<&'v str> {
        self.value.dig(&["metadata", "generateName"]).and_then(Value::as_text)
    }

    /// `metadata.namespace`
    pub fn namespace(&self) -> Option<&'v str> {
        self.value.dig(&["metadata", "namespace"]).and_then(Value::as_text).filter(|namespace| !namespace.is_empty())
    }

    /// Whether it is what a KRM function reads and writes, of whatever version.
    pub fn is_resource_list(&self) -> bool {
        self.kind == "ResourceList" && group_of(self.api_version) == FUNCTION_GROUP
    }

    /// Whether it is an `AutoInstrumentation`, of whatever version.
    pub fn is_configuration(&self) -> bool {
        self.kind == names::KIND && group_of(self.api_version) == names::GROUP
    }

    /// `metadata.labels`
    pub fn labels(&self) -> Option<&'v Value<'v>> {
        self.value.dig(&["metadata", "labels"])
    }

    /// `metadata.annotations`
    pub fn annotations(&self) -> Option<&'v Value<'v>> {
        self.value.dig(&["metadata", "annotations"])
    }
}

/// An object that holds pod templates.
#[derive(Debug, Clone)]
pub struct Workload<'v> {
    /// The object.
    pub object: Object<'v>,
    /// Its pod templates, in document order; none where the object is only a part of one, as in a
    /// kustomize patch. Their paths are from the root of the object.
    pub templates: Vec<PodTemplate<'v>>,
    /// Whether Knative makes its pods, so far as the manifest says: `KServe` in serverless mode, which
    /// is its default, too.
    pub knative: bool,
}

/// What a document holds.
#[derive(Debug, Clone, Default)]
pub struct Found<'v> {
    /// Workloads.
    pub workloads: Vec<Workload<'v>>,
    /// `AutoInstrumentation` resources.
    pub configurations: Vec<Object<'v>>,
    /// The `AutoInstrumentation` that a `ResourceList` brings for the function that reads it.
    pub function_config: Option<Object<'v>>,
    /// Objects that only refer to a pod template that stands elsewhere (reason `no-pod-template`).
    pub references: Vec<Object<'v>>,
    /// Whether lists stand in lists deeper than was looked.
    pub too_deep: bool,
}

/// Looks through a document: the object itself, and the items of a list.
pub fn workloads<'v>(document: &'v Value<'v>, extra: &[Row]) -> Found<'v> {
    let mut found = Found::default();
    look(document, Path::ROOT, (None, None), extra, MAX_LIST_DEPTH, &mut found);
    found
}

/// Looks through a list of objects, of whose kind and version another list may have said something.
pub fn workloads_of_items<'v>(
    items: &'v Value<'v>,
    inherited: (Option<&'v str>, Option<&'v str>),
    extra: &[Row],
) -> Found<'v> {
    let mut found = Found::default();
    for (index, item) in items.as_list().unwrap_or_default().iter().enumerate() {
        look(item, Path::ROOT.index(index), inherited, extra, MAX_LIST_DEPTH - 1, &mut found);
    }
    found
}

/// What the items of a list inherit from it: kind and version; none if the object is no list.
pub fn inherited_from<'v>(list: &Object<'v>) -> Option<(Option<&'v str>, Option<&'v str>)> {
    let of = list.kind.strip_suffix("List")?;
    // Those of a plain `List`, and of a function's, say themselves what they are.
    let says_nothing = of.is_empty() || list.is_resource_list();
    Some(if says_nothing { (None, None) } else { (Some(of), Some(list.api_version)) })
}

/// Looks through one object whose kind and version are known already, as for an item that inherits
/// them from its list.
pub fn workloads_as<'v>(object: &'v Value<'v>, kind: &'v str, api_version: &'v str, extra: &[Row]) -> Found<'v> {
    let mut found = Found::default();
    look(object, Path::ROOT, (Some(kind), Some(api_version)), extra, MAX_LIST_DEPTH, &mut found);
    found
}

/// Whether a document, or an item of a list that was one, is encrypted by sops: an edit would break its MAC.
pub fn is_sops(document: &Value<'_>) -> bool {
    document.get("sops").is_some_and(|sops| !sops.is_null())
}

fn look<'v>(
    value: &'v Value<'v>,
    at: Path,
    inherited: (Option<&'v str>, Option<&'v str>),
    extra: &[Row],
    depth: usize,
    found: &mut Found<'v>,
) {
    let Some(object) = Object::inheriting(value, at, inherited) else { return };
    if object.is_resource_list()
        && let Some(config) = value.get(FUNCTION_CONFIG)
    {
        let config = Object::inheriting(config, object.at.key(FUNCTION_CONFIG), (None, None));
        found.function_config = config.filter(Object::is_configuration);
    }
    let items = inherited_from(&object).and_then(|inherited| Some((inherited, value.get(ITEMS)?.as_list()?)));
    if let Some((inherited, items)) = items {
        if depth == 0 {
            found.too_deep = true;
            return;
        }
        let at = object.at.key(ITEMS);
        for (index, item) in items.iter().enumerate() {
            look(item, at.index(index), inherited, extra, depth - 1, found);
        }
        return;
    }
    if object.is_configuration() {
        found.configurations.push(object);
        return;
    }
    let mut rows = kinds::rows(group_of(object.api_version), object.kind, extra).peekable();
    let Some(first) = rows.peek() else { return };
    let knative = first.knative || is_serverless(first, &object);
    let only_refers = first.only_refers;
    let refers = first.refers.iter().any(|field| value.dig(field).is_some_and(|field| !field.is_null()));
    // A Rollout with a workloadRef has no template of its own, whatever stands there.
    let ignored = refers && first.kind == "Rollout";
    let mut templates: Vec<PodTemplate<'v>> = Vec::new();
    if !ignored {
        for row in rows {
            for template in templates_of(row, &object) {
                if templates.iter().all(|earlier| earlier.at != template.at) {
                    templates.push(template);
                }
            }
        }
    }
    if templates.is_empty() && (only_refers || refers) {
        found.references.push(object);
    } else {
        found.workloads.push(Workload { object, templates, knative });
    }
}

/// `KServe`'s mode, from `pkg/constants/constants.go`: by annotation, else by its `ConfigMap`, which
/// says serverless as it is shipped.
fn is_serverless(row: &Row, object: &Object<'_>) -> bool {
    if row.group != "serving.kserve.io" {
        return false;
    }
    let mode = object.annotations().and_then(|annotations| annotations.get("serving.kserve.io/deploymentMode"));
    !matches!(mode.and_then(Value::as_text), Some("RawDeployment" | "Standard" | "ModelMesh"))
}

fn templates_of<'v>(row: &Row, object: &Object<'v>) -> Vec<PodTemplate<'v>> {
    let mut templates = Vec::new();
    for pattern in &row.templates {
        for (at, value) in pattern.expand(object.value) {
            if value.as_map().is_none() {
                continue;
            }
            let template = match row.shape {
                Shape::Template => Some(ordinary(row, object, at, value)),
                Shape::Inline => inline(row, object, at, value),
                Shape::Argo => argo(row, object, at, value),
            };
            templates.extend(template.map(|template| finished(row, object, template)));
        }
    }
    templates
}

/// `metadata` and `spec`.
fn ordinary<'v>(row: &Row, object: &Object<'v>, at: Path, value: &'v Value<'v>) -> PodTemplate<'v> {
    let metadata = at.key("metadata");
    let spec = at.key("spec");
    let mut template = PodTemplate {
        object: object.value,
        labels: metadata.key("labels"),
        annotations: metadata.key("annotations"),
        inherited: Vec::new(),
        inherited_specs: Vec::new(),
        other_volumes: Vec::new(),
        containers: containers_of(value.get("spec"), &spec),
        lead: Lead::default(),
        immutable: row.immutable,
        added: row.added,
        at,
        spec,
    };
    if row.knative {
        name_by_default(&mut template.containers);
    }
    if row.kind == "StatefulSet" {
        template.other_volumes = claim_names(object.value.dig(&["spec", "volumeClaimTemplates"]));
    }
    // KubeRay's group has labels of its own, which the pods get too (HeadGroupSpec.Labels).
    if row.group == "ray.io"
        && let Some((group, _)) = template.at.split_last()
    {
        template.inherited.push((group.key("labels"), nowhere()));
    }
    template
}

/// Containers without a name get Knative's default (`pkg/apis/serving/v1/revision_defaults.go`).
fn name_by_default(containers: &mut [Container<'_>]) {
    const DEFAULT: &str = "user-container";
    let apps = containers.iter().filter(|container| container.role == Role::App).count();
    let mut suffix = 0;
    for index in 0..containers.len() {
        if !containers[index].name.is_empty() || containers[index].role != Role::App {
            continue;
        }
        // Several are numbered, past the names that the user took.
        let mut name = Cow::Borrowed(DEFAULT);
        while apps > 1 && (name == DEFAULT || containers.iter().any(|container| container.name == name)) {
            name = Cow::Owned(format!("{DEFAULT}-{suffix}"));
            suffix += 1;
        }
        containers[index].name = name;
    }
}

/// A component of an `InferenceService`: the pod spec itself, and the labels and annotations of the
/// service are copied down (`components/predictor.go`, `buildObjectMeta`). Without containers of
/// its own, it takes them from a `ServingRuntime`.
fn inline<'v>(row: &Row, object: &Object<'v>, at: Path, value: &'v Value<'v>) -> Option<PodTemplate<'v>> {
    let containers = containers_of(Some(value), &at);
    if !containers.iter().any(|container| container.role == Role::App) {
        return None;
    }
    Some(PodTemplate {
        object: object.value,
        labels: at.key("labels"),
        annotations: at.key("annotations"),
        inherited: vec![(Path::keys(&["metadata", "labels"]), Path::keys(&["metadata", "annotations"]))],
        spec: at.clone(),
        inherited_specs: Vec::new(),
        other_volumes: Vec::new(),
        containers,
        lead: Lead::default(),
        immutable: row.immutable,
        added: row.added,
        at,
    })
}

/// A template of Argo Workflows (`workflow/controller/workflowpod.go`): the container of `container`
/// and `script` is named `main` whatever it says; `sidecars` become containers of the pod like any
/// other; `templateDefaults` and `podMetadata` fill in what the template leaves open. Containers,
/// init containers and sidecars that only `templateDefaults` has are seen by the webhook alone.
fn argo<'v>(row: &Row, object: &Object<'v>, at: Path, value: &'v Value<'v>) -> Option<PodTemplate<'v>> {
    const MAIN: &str = "main";
    let mut containers = Vec::new();
    let single = ["container", "script"].into_iter().find_map(|key| Some((key, value.get(key)?)));
    if let Some((key, container)) = single.filter(|(_, container)| container.as_map().is_some()) {
        let name = Cow::Borrowed(MAIN);
        containers.push(Container { at: at.key(key), name, value: container, role: Role::App });
    } else {
        let set = value.get("containerSet")?;
        push_containers(
            set.get("containers"),
            &at.key("containerSet").key("containers"),
            Some(Role::App),
            &mut containers,
        );
    }
    // A sidecar that mirrors the mounts of main gets ours from there; a second one would be refused.
    let mirrors = |container: &Value<'_>| container.get("mirrorVolumeMounts").and_then(Value::as_bool) == Some(true);
    push_containers(value.get("sidecars"), &at.key("sidecars"), Some(Role::App), &mut containers);
    containers.retain(|container| !mirrors(container.value));
    push_containers(value.get("initContainers"), &at.key("initContainers"), None, &mut containers);

    let workflow =
        if row.kind == "CronWorkflow" { Path::keys(&["spec", "workflowSpec"]) } else { Path::keys(&["spec"]) };
    let defaults = workflow.key("templateDefaults");
    let pairs = |at: Path| (at.key("labels"), at.key("annotations"));
    let spec = object.value.at(&workflow);
    let field = |key: &str| spec.and_then(|spec| spec.get(key));
    let mut other_volumes = claim_names(field("volumeClaimTemplates"));
    push_names(field("volumes"), &mut other_volumes);
    push_names(field("templateDefaults").and_then(|defaults| defaults.get("volumes")), &mut other_volumes);
    Some(PodTemplate {
        object: object.value,
        labels: at.key("metadata").key("labels"),
        annotations: at.key("metadata").key("annotations"),
        inherited: vec![pairs(defaults.key("metadata")), pairs(workflow.key("podMetadata"))],
        spec: at.clone(),
        inherited_specs: vec![defaults, workflow],
        other_volumes,
        containers,
        lead: Lead::default(),
        immutable: row.immutable,
        added: row.added,
        at,
    })
}

/// The lead, and what controllers add.
fn finished<'v>(row: &Row, object: &Object<'v>, mut template: PodTemplate<'v>) -> PodTemplate<'v> {
    let is_pod = row.lead == LeadRule::Pod;
    template.lead = if is_pod {
        lead_of_pod(object.value)
    } else {
        lead(row.lead, object.name(), &|key| template.raw_label(key).and_then(Value::as_text))
    };
    if *row.added == NOTHING {
        template.added = added_to(&template, is_pod);
    }
    // A pod holds what its controller added; a manifest may, if it was read from a cluster.
    if is_pod && *template.added != NOTHING {
        let added = template.added;
        template.containers.retain(|container| match container.role {
            Role::App => !added.has_container(&container.name),
            Role::Init | Role::NativeSidecar => !added.has_init_container(&container.name),
        });
    }
    template
}

/// Who made pods with such labels or such an owner, so that a pod at admission is seen as its
/// template was.
fn added_to(template: &PodTemplate<'_>, is_pod: bool) -> &'static Added {
    let owner = if is_pod { controller(template.object).map(|owner| (owner.group, owner.kind)) } else { None };
    let labelled = |key: &str| template.raw_label(key).and_then(Value::as_text).is_some_and(|value| !value.is_empty());
    match owner {
        Some(("ray.io", "RayCluster")) => &KUBERAY,
        Some(("argoproj.io", "Workflow")) => &ARGO,
        _ if labelled("serving.kserve.io/inferenceservice") => &KSERVE,
        _ if labelled("serving.knative.dev/configuration") => &KNATIVE,
        _ if labelled("training.kubeflow.org/job-name") => &KUBEFLOW,
        _ => &NOTHING,
    }
}

fn containers_of<'v>(spec: Option<&'v Value<'v>>, at: &Path) -> Vec<Container<'v>> {
    let mut containers = Vec::new();
    let field = |key: &str| spec.and_then(|spec| spec.get(key));
    push_containers(field("containers"), &at.key("containers"), Some(Role::App), &mut containers);
    push_containers(field("initContainers"), &at.key("initContainers"), None, &mut containers);
    containers
}

/// Without a role, they are init containers or native sidecars.
fn push_containers<'v>(
    list: Option<&'v Value<'v>>,
    at: &Path,
    role: Option<Role>,
    containers: &mut Vec<Container<'v>>,
) {
    for (index, value) in list.and_then(Value::as_list).into_iter().flatten().enumerate() {
        if value.as_map().is_none() {
            continue;
        }
        let always = || value.get("restartPolicy").and_then(Value::as_text) == Some("Always");
        containers.push(Container {
            at: at.index(index),
            name: Cow::Borrowed(value.get("name").and_then(Value::as_text).unwrap_or_default()),
            value,
            role: role.unwrap_or_else(|| if always() { Role::NativeSidecar } else { Role::Init }),
        });
    }
}

fn claim_names(claims: Option<&Value<'_>>) -> Vec<String> {
    let claims = claims.and_then(Value::as_list).into_iter().flatten();
    claims.filter_map(|claim| claim.dig(&["metadata", "name"])?.as_text().map(str::to_owned)).collect()
}

fn push_names(list: Option<&Value<'_>>, names: &mut Vec<String>) {
    let items = list.and_then(Value::as_list).into_iter().flatten();
    names.extend(items.filter_map(|item| item.get("name")?.as_text().map(str::to_owned)));
}

/// A place that no object has: no map of Kubernetes has an empty key.
fn nowhere() -> Path {
    Path::keys(&[""])
}

#[cfg(test)]
mod tests;
