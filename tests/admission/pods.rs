//! Workloads as pods: what the controllers of Kubernetes, and of others, make of a pod template.

use serde_json::{Value as Json, json};

/// What controllers tell the generations of a template by.
const HASH: &str = "5d5bbfd8c9";

/// A pod, and where its template stands in the workload, as a JSON pointer.
pub struct Made {
    pub template: String,
    pub pod: Json,
}

/// The pods of a workload of a kind whose controller is known; templates that are none are passed over.
pub fn make(workload: &Json) -> Vec<Made> {
    let kind = workload["kind"].as_str().unwrap_or_default();
    let (group, _) = workload["apiVersion"].as_str().unwrap_or_default().split_once('/').unwrap_or_default();
    let Some(name) = workload["metadata"]["name"].as_str() else { return Vec::new() };
    let by_itself = |by: &str| json!({ "apiVersion": workload["apiVersion"], "kind": kind, "name": by });
    let replica_set =
        |hash: &str| json!({ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("{name}-{hash}") });
    let (at, owner, labels): (Vec<String>, Json, Json) = match (group, kind) {
        ("", "Pod") => return vec![Made { template: String::new(), pod: workload.clone() }],
        ("apps", "Deployment") => {
            (vec!["/spec/template".into()], replica_set(HASH), json!({ "pod-template-hash": HASH }))
        }
        ("argoproj.io", "Rollout") => {
            (vec!["/spec/template".into()], replica_set(HASH), json!({ "rollouts-pod-template-hash": HASH }))
        }
        ("apps", "ReplicaSet" | "StatefulSet" | "DaemonSet") | ("", "ReplicationController") => {
            (vec!["/spec/template".into()], by_itself(name), json!({}))
        }
        ("batch", "Job") => {
            let labels = json!({ "batch.kubernetes.io/job-name": name, "job-name": name, "controller-uid": "u" });
            (vec!["/spec/template".into()], by_itself(name), labels)
        }
        ("batch", "CronJob") => {
            let job = format!("{name}-29000000");
            let labels = json!({ "batch.kubernetes.io/job-name": job, "job-name": job });
            let of_job = json!({ "apiVersion": "batch/v1", "kind": "Job", "name": job });
            (vec!["/spec/jobTemplate/spec/template".into()], of_job, labels)
        }
        ("kubeflow.org", _) => {
            let replicas = |(field, specs): (&String, &Json)| {
                let roles =
                    specs.as_object().into_iter().flatten().map(|(role, _)| format!("/spec/{field}/{role}/template"));
                roles.collect::<Vec<_>>()
            };
            let fields = workload["spec"].as_object().into_iter().flatten();
            let at = fields.filter(|(field, _)| field.ends_with("ReplicaSpecs")).flat_map(replicas).collect();
            let labels = json!({
                "training.kubeflow.org/job-name": name, "training.kubeflow.org/operator-name": "controller",
                "training.kubeflow.org/replica-index": "0", "training.kubeflow.org/replica-type": "worker",
            });
            (at, by_itself(name), labels)
        }
        _ => return Vec::new(),
    };
    let pod = |template: String| {
        let found = workload.pointer(&template)?.clone();
        found["spec"]["containers"].is_array().then(|| Made { pod: of(found, workload, &owner, &labels), template })
    };
    at.into_iter().filter_map(pod).collect()
}

fn of(mut template: Json, workload: &Json, owner: &Json, labels: &Json) -> Json {
    let mut metadata = template["metadata"].take().as_object().cloned().unwrap_or_default();
    let mut all = metadata.get("labels").and_then(Json::as_object).cloned().unwrap_or_default();
    all.extend(labels.as_object().cloned().unwrap_or_default());
    metadata.insert("labels".into(), Json::Object(all));
    metadata.insert(
        "generateName".into(),
        json!(format!("{}-", workload["metadata"]["name"].as_str().unwrap_or_default())),
    );
    let mut owner = owner.clone();
    owner["controller"] = json!(true);
    owner["uid"] = json!("u");
    metadata.insert("ownerReferences".into(), json!([owner]));
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": Json::Object(metadata), "spec": with_claims(template["spec"].take(), workload) })
}

/// A pod spec with the volumes that a `StatefulSet`'s controller adds: one for each claim.
pub fn with_claims(mut spec: Json, workload: &Json) -> Json {
    let claims = workload["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten();
    for name in claims.filter_map(|claim| claim["metadata"]["name"].as_str()) {
        let volume = json!({ "name": name, "persistentVolumeClaim": { "claimName": format!("{name}-0") } });
        match spec["volumes"].as_array_mut() {
            Some(volumes) => volumes.push(volume),
            None => spec["volumes"] = json!([volume]),
        }
    }
    spec
}
