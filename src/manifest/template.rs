//! One pod template, as the rules ask about it, whatever shape its kind gives it.

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
    /// as pairs of labels and annotations; the template's own win.
    pub inherited: Vec<(Path, Path)>,
    /// The map that holds `volumes`, `initContainers`, `securityContext` and the like.
    pub spec: Path,
    /// Volumes that the pod gets from elsewhere: names of `volumeClaimTemplates`, of a workflow's own volumes.
    pub other_volumes: Vec<String>,
    /// The containers, app containers first, in their order.
    pub containers: Vec<Container<'v>>,
    /// What leads back to the workload.
    pub lead: Lead,
    /// Whether the cluster refuses a change of the template (Job, Pod).
    pub immutable: bool,
}

impl<'v> PodTemplate<'v> {
    /// The value of a label of the pods.
    pub fn label(&self, key: &str) -> Option<&'v Value<'v>> {
        self.lookup(&self.labels, self.inherited.iter().map(|(labels, _)| labels), key)
    }

    /// The value of an annotation of the pods.
    pub fn annotation(&self, key: &str) -> Option<&'v Value<'v>> {
        self.lookup(&self.annotations, self.inherited.iter().map(|(_, annotations)| annotations), key)
    }

    /// A field of the pod spec.
    pub fn field(&self, key: &str) -> Option<&'v Value<'v>> {
        self.object.at(&self.spec)?.get(key)
    }

    fn lookup<'p>(&self, own: &'p Path, inherited: impl Iterator<Item = &'p Path>, key: &str) -> Option<&'v Value<'v>> {
        std::iter::once(own).chain(inherited).find_map(|map| self.object.at(map)?.get(key))
    }
}
