//! Workloads as pods: what the controllers of Kubernetes, and of others, make of a pod template. Those of others are made
//! as their sources have it: the same that `src/manifest/kinds.rs` names.

use serde_json::{Map, Value as Json, json};

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
    // What has no name gets one of the API server's.
    let name = match (&workload["metadata"]["name"], &workload["metadata"]["generateName"]) {
        (Json::String(name), _) => name.clone(),
        (_, Json::String(beginning)) => format!("{beginning}x7k2p"),
        _ => return Vec::new(),
    };
    let maker = Maker { workload, kind, name: &name };
    match (group, kind) {
        ("", "Pod") => vec![Made { template: String::new(), pod: workload.clone() }],
        ("", "ReplicationController")
        | ("apps", "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet")
        | ("batch", "Job" | "CronJob")
        | ("argoproj.io", "Rollout") => maker.of_kubernetes(),
        ("kubeflow.org", _) => maker.of_kubeflow(),
        ("ray.io", _) => maker.of_kuberay(),
        ("argoproj.io", _) => maker.of_argo(),
        ("serving.knative.dev", _) => maker.of_knative(),
        ("serving.kserve.io", _) => maker.of_kserve(),
        _ => Vec::new(),
    }
}

struct Maker<'w> {
    workload: &'w Json,
    kind: &'w str,
    name: &'w str,
}

impl Maker<'_> {
    /// The workload as the owner of its pods.
    fn itself(&self) -> Json {
        owner(self.workload["apiVersion"].as_str().unwrap_or_default(), self.kind, self.name)
    }

    /// The template at a pointer, if it holds containers.
    fn template(&self, at: &str) -> Option<Json> {
        let template = self.workload.pointer(at)?;
        template["spec"]["containers"].is_array().then(|| template.clone())
    }

    fn of_kubernetes(&self) -> Vec<Made> {
        let name = self.name;
        let (at, owner, labels) = match self.kind {
            "Deployment" => (SPEC, replica_set(name), json!({ "pod-template-hash": HASH })),
            "Rollout" => (SPEC, replica_set(name), json!({ "rollouts-pod-template-hash": HASH })),
            "Job" => {
                let labels = json!({ "batch.kubernetes.io/job-name": name, "job-name": name, "controller-uid": "u" });
                (SPEC, self.itself(), labels)
            }
            "CronJob" => {
                let job = format!("{name}-29000000");
                let labels = json!({ "batch.kubernetes.io/job-name": job, "job-name": job });
                ("/spec/jobTemplate/spec/template", owner("batch/v1", "Job", &job), labels)
            }
            _ => (SPEC, self.itself(), json!({})),
        };
        let Some(mut template) = self.template(at) else { return Vec::new() };
        let claims = self.workload["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten();
        for name in claims.filter_map(|claim| claim["metadata"]["name"].as_str()) {
            let claim = json!({ "name": name, "persistentVolumeClaim": { "claimName": format!("{name}-0") } });
            push(&mut template["spec"]["volumes"], claim);
        }
        vec![Made { template: at.to_owned(), pod: pod(template, name, &owner, &labels) }]
    }

    /// The training operator's `pkg/controller.v1`, and the MPI operator's `mpi_job_controller.go`, whose launcher is a Job.
    fn of_kubeflow(&self) -> Vec<Made> {
        let replicas = |(field, specs): (&String, &Json)| {
            let roles = specs.as_object().into_iter().flatten();
            roles.map(|(role, _)| (format!("/spec/{field}/{role}/template"), role.to_lowercase())).collect::<Vec<_>>()
        };
        let fields = self.workload["spec"].as_object().into_iter().flatten();
        let roles = fields.filter(|(field, _)| field.ends_with("ReplicaSpecs")).flat_map(replicas);
        let made = roles.filter_map(|(at, role)| {
            let mut template = self.template(&at)?;
            let labels = json!({
                "training.kubeflow.org/job-name": self.name, "training.kubeflow.org/operator-name": "controller",
                "training.kubeflow.org/replica-index": "0", "training.kubeflow.org/replica-type": role,
            });
            let variables: &[(&str, &str)] = match self.kind {
                "PyTorchJob" => &[
                    ("PYTHONUNBUFFERED", "1"),
                    ("MASTER_PORT", "23456"),
                    ("PET_MASTER_PORT", "23456"),
                    ("MASTER_ADDR", "chat-master-0"),
                    ("WORLD_SIZE", "2"),
                    ("RANK", "0"),
                ],
                "TFJob" => &[("TF_CONFIG", "{\"cluster\":{}}")],
                "XGBoostJob" => &[("MASTER_ADDR", "chat-master-0"), ("WORKER_ADDRS", "a"), ("PYTHONUNBUFFERED", "0")],
                "JAXJob" => &[("PYTHONUNBUFFERED", "1"), ("COORDINATOR_PORT", "6666"), ("PROCESS_ID", "0")],
                "PaddleJob" => &[("PADDLE_JOB_ID", "chat"), ("PADDLE_NNODES", "2"), ("POD_IP_DUMMY", "10.0.0.1")],
                _ if role == "launcher" => {
                    &[("K_MPI_JOB_ROLE", "launcher"), ("OMPI_MCA_orte_keep_fqdn_hostnames", "true")]
                }
                _ => &[("K_MPI_JOB_ROLE", "worker")],
            };
            for container in template["spec"]["containers"].as_array_mut()? {
                for (name, value) in variables {
                    push(&mut container["env"], variable(name, value));
                }
            }
            if self.kind == "PyTorchJob" && role == "worker" {
                let wait = json!({
                    "name": "init-pytorch", "image": "alpine:3.10", "imagePullPolicy": "IfNotPresent",
                    "command": ["sh", "-c", "until nslookup chat-master-0; do sleep 2; done"],
                });
                push(&mut template["spec"]["initContainers"], wait);
            }
            if self.kind == "MPIJob" && role == "launcher" {
                let delivery = json!({ "name": "kubectl-delivery", "image": "mpioperator/kubectl-delivery:v0.2" });
                push(&mut template["spec"]["initContainers"], delivery);
                let job = owner("batch/v1", "Job", &format!("{}-launcher", self.name));
                return Some(Made { template: at, pod: pod(template, self.name, &job, &labels) });
            }
            Some(Made { template: at, pod: pod(template, self.name, &self.itself(), &labels) })
        });
        made.collect()
    }

    /// `controllers/ray/common/pod.go`. The init container that waits is a copy of the first container in much; what of
    /// that is ours in a manifest is not looked at here.
    fn of_kuberay(&self) -> Vec<Made> {
        let (spec, cluster) = match self.kind {
            "RayJob" => ("/spec/rayClusterSpec", format!("{}-x7k2p", self.name)),
            "RayService" => ("/spec/rayClusterConfig", format!("{}-x7k2p", self.name)),
            "RayCronJob" => ("/spec/jobTemplate/rayClusterSpec", format!("{}-29000000-x7k2p", self.name)),
            _ => ("/spec", self.name.to_owned()),
        };
        let workers = self.workload.pointer(&format!("{spec}/workerGroupSpecs"));
        let workers = (0..workers.and_then(Json::as_array).map_or(0, Vec::len))
            .map(|number| (format!("{spec}/workerGroupSpecs/{number}"), "worker"));
        let groups = std::iter::once((format!("{spec}/headGroupSpec"), "head")).chain(workers);
        let made = groups.filter_map(|(group, role)| {
            let at = format!("{group}/template");
            let mut template = self.template(&at)?;
            let mut labels = json!({
                "ray.io/cluster": cluster, "ray.io/node-type": role, "ray.io/is-ray-node": "yes",
                "ray.io/identifier": format!("{cluster}-{role}"), "ray.io/group": format!("{role}group"),
                "app.kubernetes.io/name": "kuberay", "app.kubernetes.io/created-by": "kuberay-operator",
            });
            let of_group = self.workload.pointer(&format!("{group}/labels"));
            labels.as_object_mut()?.extend(of_group.and_then(Json::as_object).cloned().unwrap_or_default());
            // Its own labels stand where the user has none.
            let own = template["metadata"]["labels"].as_object().cloned().unwrap_or_default();
            labels.as_object_mut()?.extend(own);
            let first = &mut template["spec"]["containers"][0];
            let words = [&first["command"], &first["args"]].map(|words| words.as_array().cloned().unwrap_or_default());
            let own: Vec<String> = words.concat().iter().filter_map(Json::as_str).map(str::to_owned).collect();
            let start = format!("ray start --{role} --block");
            first["command"] = json!(["/bin/bash", "-c", "--"]);
            let then = if own.is_empty() { String::new() } else { format!(" && {}", own.join(" ")) };
            first["args"] = json!([format!("ulimit -n 65536; {start}{then}")]);
            let by_label = |key: &str| json!({ "fieldRef": { "fieldPath": format!("metadata.labels['{key}']") } });
            for entry in [
                json!({ "name": "RAY_CLUSTER_NAME", "valueFrom": by_label("ray.io/cluster") }),
                json!({ "name": "RAY_NODE_TYPE_NAME", "valueFrom": by_label("ray.io/group") }),
                variable("FQ_RAY_IP", "chat-head-svc.apps.svc.cluster.local"),
                variable("KUBERAY_GEN_RAY_START_CMD", &start),
                variable("RAY_PORT", "6379"),
                variable("RAY_USAGE_STATS_KUBERAY_IN_USE", "1"),
                variable("REDIS_PASSWORD", ""),
            ] {
                push(&mut first["env"], entry);
            }
            push(&mut first["volumeMounts"], json!({ "name": "shared-mem", "mountPath": "/dev/shm" }));
            let image = first["image"].clone();
            let shared = json!({ "name": "shared-mem", "emptyDir": { "medium": "Memory" } });
            push(&mut template["spec"]["volumes"], shared);
            if role == "head" {
                let autoscaler =
                    json!({ "name": "autoscaler", "image": image, "command": ["/bin/bash", "-c", "--"], "args": ["ray"] });
                push(&mut template["spec"]["containers"], autoscaler);
            } else {
                let wait = json!({
                    "name": "wait-gcs-ready", "image": image, "command": ["/bin/bash", "-c", "--"],
                    "args": ["until ray health-check; do sleep 5; done"],
                });
                push(&mut template["spec"]["initContainers"], wait);
            }
            let owner = owner("ray.io/v1", "RayCluster", &cluster);
            Some(Made { template: at, pod: pod(template, &cluster, &owner, &labels) })
        });
        made.collect()
    }

    /// `workflow/controller/workflowpod.go`, with the executor that there is now, which is put before each program.
    fn of_argo(&self) -> Vec<Made> {
        let cron = self.kind == "CronWorkflow";
        let spec = if cron { "/spec/workflowSpec" } else { "/spec" };
        let workflow = &self.workload.pointer(spec).cloned().unwrap_or_default();
        let templates = workflow["templates"].as_array().cloned().unwrap_or_default();
        let made = templates.into_iter().enumerate().filter_map(|(number, mut template)| {
            let mut containers = Vec::new();
            for key in ["container", "script"] {
                if let Json::Object(mut main) = template[key].take() {
                    main.remove("source");
                    main.insert("name".into(), json!("main"));
                    containers.push(Json::Object(main));
                }
            }
            let of_set = template["containerSet"]["containers"].as_array().cloned().unwrap_or_default();
            containers.extend(of_set.into_iter().map(|mut container| {
                container.as_object_mut().map(|container| container.remove("dependencies"));
                container
            }));
            if containers.is_empty() {
                return None;
            }
            containers.extend(template["sidecars"].as_array().cloned().unwrap_or_default());
            let run = json!({ "name": "var-run-argo", "mountPath": "/var/run/argo" });
            for container in &mut containers {
                let mut command = vec![json!("/var/run/argo/argoexec"), json!("emissary"), json!("--")];
                // Of an image without a command the controller asks the registry.
                let own = container["command"].as_array().cloned().unwrap_or_else(|| vec![json!("/entrypoint")]);
                command.extend(own);
                container["command"] = json!(command);
                let name = container["name"].clone();
                push(&mut container["env"], json!({ "name": "ARGO_CONTAINER_NAME", "value": name }));
                push(&mut container["env"], variable("ARGO_INCLUDE_SCRIPT_OUTPUT", "false"));
                push(&mut container["volumeMounts"], run.clone());
            }
            let executor = |name: &str| {
                json!({
                    "name": name, "image": "quay.io/argoproj/argoexec:v3.6.0", "command": ["argoexec", name],
                    "env": [variable("ARGO_WORKFLOW_NAME", self.name)], "volumeMounts": [run],
                })
            };
            containers.insert(0, executor("wait"));
            let mut init = vec![executor("init")];
            init.extend(template["initContainers"].as_array().cloned().unwrap_or_default());
            let mut volumes = vec![json!({ "name": "var-run-argo", "emptyDir": {} })];
            volumes.extend(template["volumes"].as_array().cloned().unwrap_or_default());
            let spec = json!({
                "restartPolicy": "Never", "containers": containers, "initContainers": init, "volumes": volumes,
            });
            // The nearer one wins.
            let all = [&workflow["podMetadata"], &workflow["templateDefaults"]["metadata"], &template["metadata"]];
            let merged = |field: &str| {
                let maps = all.iter().filter_map(|metadata| metadata[field].as_object().cloned());
                maps.flatten().collect::<Map<String, Json>>()
            };
            let metadata = json!({ "labels": merged("labels"), "annotations": merged("annotations") });
            let name = match self.kind {
                "Workflow" => self.name.to_owned(),
                _ => format!("{}-x7k2p", self.name),
            };
            let labels = json!({ "workflows.argoproj.io/workflow": name, "workflows.argoproj.io/completed": "false" });
            let owner = owner("argoproj.io/v1alpha1", "Workflow", &name);
            let at = format!("{}/templates/{number}", if cron { "/spec/workflowSpec" } else { "/spec" });
            Some(Made { template: at, pod: pod(json!({ "metadata": metadata, "spec": spec }), &name, &owner, &labels) })
        });
        made.collect()
    }

    /// `pkg/reconciler/revision/resources/deploy.go`.
    fn of_knative(&self) -> Vec<Made> {
        let Some(mut template) = self.template(SPEC) else { return Vec::new() };
        let revision = format!("{}-00001", self.name);
        let mut labels = json!({
            "app": revision, "serving.knative.dev/configuration": self.name,
            "serving.knative.dev/configurationGeneration": "1", "serving.knative.dev/revision": revision,
            "pod-template-hash": HASH,
        });
        if self.kind == "Service" {
            labels["serving.knative.dev/service"] = json!(self.name);
        }
        through_queue(&mut template["spec"], &revision);
        let owner = replica_set(&format!("{revision}-deployment"));
        vec![Made { template: SPEC.to_owned(), pod: pod(template, self.name, &owner, &labels) }]
    }

    /// `pkg/controller/v1beta1/inferenceservice/components`, and `pkg/webhook/admission/pod`: a Deployment, or in serverless
    /// mode Knative's.
    fn of_kserve(&self) -> Vec<Made> {
        let annotations = self.workload["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
        let mode = annotations.get("serving.kserve.io/deploymentMode").and_then(Json::as_str);
        let components = ["predictor", "transformer", "explainer"].into_iter().filter_map(|component| {
            let at = format!("/spec/{component}");
            let mut spec = self.workload.pointer(&at)?.clone();
            spec["containers"].as_array()?;
            let fields = spec.as_object_mut()?;
            let copied = |field: &str, own: Option<Json>| {
                let of_service = self.workload["metadata"][field].as_object().cloned().unwrap_or_default();
                let own = own.as_ref().and_then(Json::as_object).cloned().unwrap_or_default();
                of_service.into_iter().chain(own).collect::<Map<String, Json>>()
            };
            let metadata = json!({
                "labels": copied("labels", fields.remove("labels")),
                "annotations": copied("annotations", fields.remove("annotations")),
            });
            let service = format!("{}-{component}", self.name);
            let mut labels = json!({
                "serving.kserve.io/inferenceservice": self.name, "component": component, "pod-template-hash": HASH,
            });
            let owner = if mode == Some("RawDeployment") {
                labels["app"] = json!(format!("isvc.{service}"));
                replica_set(&service)
            } else {
                labels["serving.knative.dev/service"] = json!(service);
                labels["serving.knative.dev/configuration"] = json!(service);
                labels["serving.knative.dev/revision"] = json!(format!("{service}-00001"));
                labels["app"] = json!(format!("{service}-00001"));
                through_queue(&mut spec, &format!("{service}-00001"));
                replica_set(&format!("{service}-00001-deployment"))
            };
            let storage =
                json!({ "name": "storage-initializer", "image": "kserve/storage-initializer:v0.14.0", "args": ["gs://a", "/mnt"] });
            push(&mut spec["initContainers"], storage);
            let template = json!({ "metadata": metadata, "spec": spec });
            Some(Made { template: at, pod: pod(template, &service, &owner, &labels) })
        });
        components.collect()
    }
}

/// Where most kinds have their template.
const SPEC: &str = "/spec/template";

fn owner(version: &str, kind: &str, name: &str) -> Json {
    json!({ "apiVersion": version, "kind": kind, "name": name, "uid": "u", "controller": true })
}

fn replica_set(of: &str) -> Json {
    owner("apps/v1", "ReplicaSet", &format!("{of}-{HASH}"))
}

fn variable(name: &str, value: &str) -> Json {
    json!({ "name": name, "value": value })
}

/// Adds an item to a list, which need not be there.
fn push(list: &mut Json, item: Json) {
    match list.as_array_mut() {
        Some(items) => items.push(item),
        None => *list = json!([item]),
    }
}

/// Knative's proxy beside the user's containers, and what these are told.
fn through_queue(spec: &mut Json, revision: &str) {
    for container in spec["containers"].as_array_mut().into_iter().flatten() {
        if container.get("name").is_none() {
            container["name"] = json!("user-container");
        }
        for (name, value) in [("PORT", "8080"), ("K_REVISION", revision), ("K_CONFIGURATION", "c"), ("K_SERVICE", "s")]
        {
            push(&mut container["env"], variable(name, value));
        }
    }
    let proxy = json!({ "name": "queue-proxy", "image": "gcr.io/knative-releases/queue:v1.16", "env": [] });
    push(&mut spec["containers"], proxy);
}

/// A pod of a template, whose name begins with that of what made it.
fn pod(mut template: Json, name: &str, owner: &Json, labels: &Json) -> Json {
    let mut metadata = template["metadata"].take().as_object().cloned().unwrap_or_default();
    let mut all = metadata.get("labels").and_then(Json::as_object).cloned().unwrap_or_default();
    all.extend(labels.as_object().cloned().unwrap_or_default());
    metadata.insert("labels".into(), Json::Object(all));
    metadata.insert("generateName".into(), json!(format!("{name}-")));
    metadata.insert("ownerReferences".into(), json!([owner]));
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"] })
}
