//! One pod template, as the rules ask about it, whatever shape its kind gives it.

use super::kinds::{Added, is_controller_label};
use crate::value::{Path, Value};
use std::borrow::Cow;

/// What leads from a pod back to its workload, known at every door alike.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lead {
    /// The name of the workload, where the webhook could find it too.
    pub name: Option<String>,
    /// The resource attribute that carries it: `k8s.deployment.name` and the like.
    pub attribute: Option<&'static str>,
}

/// What a container is in its pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Of `containers` (or the one of an Argo Workflows template).
    App,
    /// Of `initContainers`.
    Init,
    /// Of `initContainers`, with `restartPolicy: Always`.
    NativeSidecar,
}

/// One container of a pod template.
#[derive(Debug, Clone)]
pub struct Container<'v> {
    /// Where it stands, from the root of the object.
    pub at: Path,
    /// Its name in the pod.
    pub name: Cow<'v, str>,
    /// The container itself.
    pub value: &'v Value<'v>,
    /// What it is.
    pub role: Role,
}

/// One pod template of an object. All paths are from the root of the object, so that an edit made
/// from them is addressed to the object.
#[derive(Debug, Clone)]
pub struct PodTemplate<'v> {
    /// The object that holds it.
    pub object: &'v Value<'v>,
    /// Where the template itself stands.
    pub at: Path,
    /// The map of its labels; the place need not exist.
    pub labels: Path,
    /// The map of its annotations; the place need not exist. What we write stands here.
    pub annotations: Path,
    /// Maps of labels and annotations elsewhere that the pod gets too (Argo's `podMetadata`),
    /// as pairs of labels and annotations; the template's own win. Neither place need exist.
    pub inherited: Vec<(Path, Path)>,
    /// The map that holds `volumes`, `initContainers`, `securityContext` and the like.
    pub spec: Path,
    /// Maps elsewhere whose [fields](PodTemplate::field) the pod gets where `spec` has none
    /// (an Argo workflow's own `securityContext`).
    pub inherited_specs: Vec<Path>,
    /// Volumes that the pod gets from elsewhere: names of `volumeClaimTemplates`, of a workflow's own volumes.
    pub other_volumes: Vec<String>,
    /// The containers that the user wrote, app containers first, in their order; those that a
    /// controller adds to the pod are left out.
    pub containers: Vec<Container<'v>>,
    /// What leads back to the workload.
    pub lead: Lead,
    /// Whether the cluster refuses a change of the template (Job, Pod).
    pub immutable: bool,
    /// What the controller of the kind adds to the pod, which no rule may notice.
    pub added: &'static Added,
}

/// Fields of the pod spec that a template gets from elsewhere where it has none of its own.
const INHERITED_FIELDS: &[&str] = &[
    "securityContext",
    "nodeSelector",
    "hostNetwork",
    "dnsPolicy",
    "dnsConfig",
    "tolerations",
    "affinity",
    "serviceAccountName",
    "automountServiceAccountToken",
];

impl<'v> PodTemplate<'v> {
    /// The value of a label of the pods. Labels that only a controller puts there are not seen,
    /// so that every door sees the same.
    pub fn label(&self, key: &str) -> Option<&'v Value<'v>> {
        // Most labels that are asked for are not there.
        let value = self.raw_label(key)?;
        if is_controller_label(key) {
            return None;
        }
        let raw = |key: &str| self.raw_label(key).and_then(Value::as_text);
        let made = self.added.labels.iter().any(|(name, given)| *name == key && given.is(value.as_text(), &raw));
        (!made).then_some(value)
    }

    /// The value of an annotation of the pods.
    pub fn annotation(&self, key: &str) -> Option<&'v Value<'v>> {
        self.lookup(&self.annotations, self.inherited.iter().map(|(_, annotations)| annotations), key)
    }

    /// The maps of annotations that the pods get, the template's own first.
    pub fn annotation_maps(&self) -> impl Iterator<Item = &'v Value<'v>> {
        let inherited = self.inherited.iter().map(|(_, annotations)| annotations);
        std::iter::once(&self.annotations).chain(inherited).filter_map(|map| self.object.at(map))
    }

    /// The maps of labels that the pods get, the template's own first.
    pub fn label_maps(&self) -> impl Iterator<Item = &'v Value<'v>> {
        let inherited = self.inherited.iter().map(|(labels, _)| labels);
        std::iter::once(&self.labels).chain(inherited).filter_map(|map| self.object.at(map))
    }

    /// A field of the pod spec.
    pub fn field(&self, key: &str) -> Option<&'v Value<'v>> {
        let own = self.object.at(&self.spec).and_then(|spec| spec.get(key));
        if own.is_some() || self.inherited_specs.is_empty() || !INHERITED_FIELDS.contains(&key) {
            return own;
        }
        self.inherited_specs.iter().find_map(|spec| self.object.at(spec)?.get(key))
    }

    /// Whether the pods run on Windows, by `os.name` or a node selector.
    pub fn is_windows(&self) -> bool {
        let windows = |value: Option<&Value<'_>>| value.and_then(Value::as_text) == Some("windows");
        windows(self.field("os").and_then(|os| os.get("name")))
            || self.field("nodeSelector").is_some_and(|selector| {
                windows(selector.get("kubernetes.io/os")) || windows(selector.get("beta.kubernetes.io/os"))
            })
    }

    /// The value of a label, whoever put it there.
    pub(super) fn raw_label(&self, key: &str) -> Option<&'v Value<'v>> {
        self.lookup(&self.labels, self.inherited.iter().map(|(labels, _)| labels), key)
    }

    fn lookup<'p>(&self, own: &'p Path, inherited: impl Iterator<Item = &'p Path>, key: &str) -> Option<&'v Value<'v>> {
        std::iter::once(own).chain(inherited).find_map(|map| self.object.at(map)?.get(key))
    }
}
