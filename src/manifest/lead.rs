//! How a pod leads back to the name of its workload: once from the workload's side, where
//! manifests are rendered, and once from the pod's, at admission. The two must agree, so whatever
//! one of them cannot know, neither says.
//!
//! From the side of the workload, first row that fits:
//!
//! | the workload | name | attribute |
//! |---|---|---|
//! | its kind is known by a label of the pods | its own | – |
//! | its template carries such a label | the label's value | – |
//! | Deployment, `StatefulSet`, `DaemonSet`, `CronJob` | its own | `k8s.<kind>.name` |
//! | `ReplicationController`, Rollout | its own | – |
//! | `ReplicaSet` | without `-<pod-template-hash>`: of a Deployment | `k8s.deployment.name` |
//! | | without `-<rollouts-pod-template-hash>`: of a Rollout | – |
//! | | its own | – |
//! | Job | without the scheduled minute: of a `CronJob` | `k8s.cronjob.name` |
//! | | its own | `k8s.job.name` |
//! | Pod | as below | |
//! | any other | none | – |
//!
//! A pod with such a label, or a controller among its owners, is read in the same way; a pod
//! without either has its own name, unless the API server makes it up.

use super::kinds::group_of;
use super::template::Lead;
use crate::value::Value;

/// What a kind's name is to its pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeadRule {
    /// The kind is a pod.
    Pod,
    /// Nothing leads back.
    None,
    /// The name of the object, and the attribute that carries it.
    Own(Option<&'static str>),
    /// A `ReplicaSet`, perhaps made by something larger.
    ReplicaSet,
    /// A Job, perhaps made by a `CronJob`.
    Job,
    /// The value of this label, which the controller puts on the pods.
    Label(&'static str),
}

/// The labels that name a workload, in the order in which they are asked. In serverless mode a pod
/// of `KServe` has Knative's too; a Service of Knative has a Configuration of its own name.
pub const LABELS: &[&str] = &[
    "serving.kserve.io/inferenceservice",
    "serving.knative.dev/service",
    "serving.knative.dev/configuration",
    "training.kubeflow.org/job-name",
];

/// The smallest scheduled minute that is taken for one: 25 million minutes after 1970, in 2017.
const FIRST_MINUTE: u32 = 25_000_000;

/// The lead of a workload's pods, from its kind's rule, its name, and the labels of its template.
pub fn lead<'t>(rule: LeadRule, name: Option<&str>, label: &dyn Fn(&str) -> Option<&'t str>) -> Lead {
    for key in LABELS {
        if rule == LeadRule::Label(key) {
            return named(name, None);
        }
        if let Some(value) = label(key).filter(|value| !value.is_empty()) {
            return named(Some(value), None);
        }
    }
    match rule {
        LeadRule::Own(attribute) => named(name, attribute),
        LeadRule::ReplicaSet => name.map(|name| replica_set(name, label)).unwrap_or_default(),
        LeadRule::Job => name.map(job).unwrap_or_default(),
        LeadRule::Pod | LeadRule::None | LeadRule::Label(_) => Lead::default(),
    }
}

/// The lead of a pod, from its labels and its owner.
pub fn lead_of_pod(pod: &Value<'_>) -> Lead {
    let metadata = pod.get("metadata");
    let text = |key: &str| metadata.and_then(|metadata| metadata.get(key)).and_then(Value::as_text);
    let labels = metadata.and_then(|metadata| metadata.get("labels"));
    let label = |key: &str| labels.and_then(|labels| labels.get(key)).and_then(Value::as_text);
    let Some(owner) = controller(pod) else {
        let generated = text("generateName").is_some_and(|prefix| !prefix.is_empty());
        let rule = if generated { LeadRule::None } else { LeadRule::Own(None) };
        return lead(rule, text("name"), &label);
    };
    let rule = match (owner.group, owner.kind) {
        ("apps", "ReplicaSet") => LeadRule::ReplicaSet,
        ("apps", "StatefulSet") => LeadRule::Own(Some("k8s.statefulset.name")),
        ("apps", "DaemonSet") => LeadRule::Own(Some("k8s.daemonset.name")),
        ("", "ReplicationController") => LeadRule::Own(None),
        ("batch", "Job") => LeadRule::Job,
        _ => LeadRule::None,
    };
    lead(rule, Some(owner.name), &label)
}

/// The owner of an object that controls it.
pub(super) struct Owner<'p> {
    pub(super) group: &'p str,
    pub(super) kind: &'p str,
    pub(super) name: &'p str,
}

pub(super) fn controller<'p>(object: &'p Value<'_>) -> Option<Owner<'p>> {
    let owners = object.dig(&["metadata", "ownerReferences"])?.as_list()?;
    let owner = owners.iter().find(|owner| owner.get("controller").and_then(Value::as_bool) == Some(true))?;
    let text = |key| owner.get(key).and_then(Value::as_text);
    Some(Owner { group: group_of(text("apiVersion")?), kind: text("kind")?, name: text("name")? })
}

fn named(name: Option<&str>, attribute: Option<&'static str>) -> Lead {
    match name.filter(|name| !name.is_empty()) {
        Some(name) => Lead { name: Some(name.to_owned()), attribute },
        None => Lead::default(),
    }
}

/// Deployments: `k8s.io/kubernetes` `pkg/controller/deployment/sync.go`; Rollouts: `rollout/sync.go`.
/// Both name their `ReplicaSet` after themselves, a dash, and the hash that they put on the pods.
fn replica_set<'t>(name: &str, label: &dyn Fn(&str) -> Option<&'t str>) -> Lead {
    let without = |key: &str| {
        let hash = label(key).filter(|hash| !hash.is_empty())?;
        name.strip_suffix(hash)?.strip_suffix('-').filter(|name| !name.is_empty())
    };
    if let Some(name) = without("pod-template-hash") {
        return named(Some(name), Some("k8s.deployment.name"));
    }
    named(without("rollouts-pod-template-hash").or(Some(name)), None)
}

/// `CronJob`s: `k8s.io/kubernetes` `pkg/controller/cronjob/utils.go`: the name, a dash, and the
/// scheduled time in minutes since 1970.
fn job(name: &str) -> Lead {
    let scheduled = name.rsplit_once('-').filter(|(cron_job, minute)| {
        !cron_job.is_empty()
            && minute.len() == 8
            && minute.bytes().all(|b| b.is_ascii_digit())
            && minute.parse().is_ok_and(|minute: u32| minute >= FIRST_MINUTE)
    });
    match scheduled {
        Some((cron_job, _)) => named(Some(cron_job), Some("k8s.cronjob.name")),
        None => named(Some(name), Some("k8s.job.name")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::kinds::table;
    use serde_json::{Value as Json, json};

    fn of_pod(pod: &Json) -> (Option<String>, Option<&'static str>) {
        let Lead { name, attribute } = lead_of_pod(&Value::from(pod));
        (name, attribute)
    }

    fn owned(api_version: &str, kind: &str, name: &str, labels: &Json) -> Json {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {
        "generateName": format!("{name}-"), "labels": labels,
        "ownerReferences": [
            {"apiVersion": "v1", "kind": "Node", "name": "other"},
            {"apiVersion": api_version, "kind": kind, "name": name, "controller": true},
        ]}})
    }

    /// A pod as the controllers of a kind make it, for a workload named `name`.
    fn pod_of(group: &str, kind: &str, name: &str, own_labels: &Json) -> Json {
        let with = |more: Json| {
            let mut labels = own_labels.clone();
            for (key, value) in more.as_object().unwrap() {
                labels[key] = value.clone();
            }
            labels
        };
        let hash = "6b7c8d9f55";
        let replica_set = |name: &str, hash_label: &str| {
            owned("apps/v1", "ReplicaSet", &format!("{name}-{hash}"), &with(json!({hash_label: hash})))
        };
        match (group, kind) {
            ("", "Pod") => json!({"metadata": {"name": name, "labels": own_labels}}),
            ("", "PodTemplate") => json!({"metadata": {"generateName": "x-", "labels": own_labels}}),
            ("", "ReplicationController") => owned("v1", kind, name, own_labels),
            ("apps", "Deployment") => replica_set(name, "pod-template-hash"),
            ("apps", _) => owned("apps/v1", kind, name, own_labels),
            ("argoproj.io", "Rollout") => replica_set(name, "rollouts-pod-template-hash"),
            ("batch", "Job") => owned("batch/v1", kind, name, &with(json!({"job-name": name}))),
            ("batch", "CronJob") => owned("batch/v1", "Job", &format!("{name}-28374650"), own_labels),
            ("ray.io", _) => {
                let generated = format!("{name}-x7k2p");
                owned("ray.io/v1", "RayCluster", &generated, &with(json!({"ray.io/cluster": generated})))
            }
            ("kubeflow.org", "MPIJob") => {
                let labels = with(json!({"training.kubeflow.org/job-name": name}));
                owned("batch/v1", "Job", &format!("{name}-launcher"), &labels)
            }
            ("kubeflow.org", _) => {
                owned("kubeflow.org/v1", kind, name, &with(json!({"training.kubeflow.org/job-name": name})))
            }
            ("argoproj.io", _) => {
                let labels = with(json!({"workflows.argoproj.io/workflow": format!("{name}-abcde")}));
                owned("argoproj.io/v1alpha1", "Workflow", &format!("{name}-abcde"), &labels)
            }
            ("serving.kserve.io", _) => {
                let service = format!("{name}-predictor");
                let labels = with(json!({
                    "serving.kserve.io/inferenceservice": name, "serving.knative.dev/service": service,
                    "serving.knative.dev/configuration": service, "pod-template-hash": hash,
                }));
                owned("apps/v1", "ReplicaSet", &format!("{service}-00001-deployment-{hash}"), &labels)
            }
            ("serving.knative.dev", kind) => {
                let mut labels = with(json!({"serving.knative.dev/configuration": name, "pod-template-hash": hash}));
                if kind == "Service" {
                    labels["serving.knative.dev/service"] = name.into();
                }
                owned("apps/v1", "ReplicaSet", &format!("{name}-00001-deployment-{hash}"), &labels)
            }
            other => panic!("how are pods of {other:?} made?"),
        }
    }

    /// The law: what a manifest says of its pods is what the pods say of themselves.
    #[test]
    fn both_sides_agree_for_every_kind() {
        let label_sets = [
            json!({"app": "chat"}),
            json!({"pod-template-hash": "old"}),
            json!({"training.kubeflow.org/job-name": "copied", "serving.knative.dev/service": ""}),
            json!({"serving.kserve.io/inferenceservice": "copied"}),
            json!({"ray.io/cluster": "copied", "workflows.argoproj.io/workflow": "copied"}),
        ];
        for row in table().iter().filter(|row| !row.only_refers) {
            for name in ["chat", "my-backendservice", "report-28374650", "report-12345678", "x-28374650-28374651"] {
                for labels in &label_sets {
                    let pod = pod_of(&row.group, &row.kind, name, labels);
                    let label = |key: &str| labels.get(key).and_then(Json::as_str);
                    let here = match row.lead {
                        LeadRule::Pod => lead_of_pod(&Value::from(&pod)),
                        rule => lead(rule, Some(name), &label),
                    };
                    assert_eq!(here, lead_of_pod(&Value::from(&pod)), "{}/{} {name} {labels}", row.group, row.kind);
                }
            }
        }
    }

    #[test]
    fn a_pod_leads_back_to_what_the_user_wrote() {
        let none = json!({});
        for (pod, name, attribute) in [
            (
                owned("apps/v1", "ReplicaSet", "api-86c6b9b", &json!({"pod-template-hash": "86c6b9b"})),
                Some("api"),
                Some("k8s.deployment.name"),
            ),
            (owned("apps/v1", "ReplicaSet", "api-86c6b9b", &none), Some("api-86c6b9b"), None),
            (owned("apps/v1", "ReplicaSet", "my-backendservice", &none), Some("my-backendservice"), None),
            (owned("apps/v1", "ReplicaSet", "a-1", &json!({"rollouts-pod-template-hash": "1"})), Some("a"), None),
            (owned("apps/v1", "StatefulSet", "ml", &none), Some("ml"), Some("k8s.statefulset.name")),
            (owned("apps/v1", "DaemonSet", "d", &none), Some("d"), Some("k8s.daemonset.name")),
            (owned("batch/v1", "Job", "report-28374650", &none), Some("report"), Some("k8s.cronjob.name")),
            (owned("batch/v1", "Job", "report-24999999", &none), Some("report-24999999"), Some("k8s.job.name")),
            (owned("batch/v1", "Job", "report-283746501", &none), Some("report-283746501"), Some("k8s.job.name")),
            (owned("batch/v1", "Job", "-28374650", &none), Some("-28374650"), Some("k8s.job.name")),
            (owned("batch.volcano.sh/v1alpha1", "Job", "v", &none), None, None),
            (owned("example.com/v1", "StatefulSet", "v", &none), None, None),
            (owned("ray.io/v1", "RayCluster", "r-abcde", &json!({"ray.io/cluster": "r-abcde"})), None, None),
            (json!({"metadata": {"name": "bare"}}), Some("bare"), None),
            (json!({"metadata": {"generateName": "bare-"}}), None, None),
            (json!({"metadata": {"generateName": "bare-", "name": "bare-x1"}}), None, None),
            (json!({}), None, None),
            (json!("x"), None, None),
        ] {
            assert_eq!(of_pod(&pod), (name.map(str::to_owned), attribute), "{pod}");
        }
    }

    #[test]
    fn a_workload_without_a_name_leads_nowhere() {
        for rule in [
            LeadRule::Own(Some("k8s.deployment.name")),
            LeadRule::ReplicaSet,
            LeadRule::Job,
            LeadRule::Label(LABELS[3]),
        ] {
            assert_eq!(lead(rule, None, &|_| None), Lead::default());
        }
    }
}
