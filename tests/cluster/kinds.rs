//! Kinds that the API server does not know: pods as their controllers make them, through the API server and a running
//! webhook. What is made of the rendered workload is what becomes of the pod of the plain one.

use super::Ground;
use super::control_plane::Controllers;
use super::installation::Installation;
use super::made::make;
use super::place::{Place, ROOT};
use super::support::folder;
use super::support::manifest::{documents, unordered};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

pub fn trials(ground: &Ground) -> Vec<Trial> {
    vec![ground.trial("kinds::pods_of_other_controllers_are_what_is_rendered", pods_are_what_is_rendered)]
}

/// The kinds whose pods are compared here; that of a `TrainJob` is made of what stands elsewhere.
const KINDS: [&str; 18] = [
    "ClusterWorkflowTemplate",
    "Configuration",
    "CronWorkflow",
    "InferenceService",
    "JAXJob",
    "MPIJob",
    "PaddleJob",
    "PyTorchJob",
    "RayCluster",
    "RayCronJob",
    "RayJob",
    "RayService",
    "Rollout",
    "Service",
    "TFJob",
    "Workflow",
    "WorkflowTemplate",
    "XGBoostJob",
];

fn pods_are_what_is_rendered(place: &Place) {
    let webhook = Installation::start(&place.path(""), Controllers::None, "10.99.23.1");
    webhook.welcome(place, "kinds");
    let plain = workloads();
    let kinds: BTreeSet<&str> = plain.iter().filter_map(|workload| workload["kind"].as_str()).collect();
    assert_eq!(kinds, BTreeSet::from(KINDS));
    place.write("workloads.json", lines(&plain));
    // The webhook sees what Knative lets through: there its flags are on.
    let inject = "prelit inject --namespace kinds --set OPENLIT_KNATIVE=render workloads.json";
    let rendered = documents(place.out(inject).as_bytes());
    assert_eq!(plain.len(), rendered.len());

    let made = |workloads: &[Value]| -> Vec<Value> {
        workloads.iter().flat_map(make).map(|made| accepted_by_all(made.pod)).collect()
    };
    let names: Vec<String> = plain.iter().flat_map(|one| make(one).into_iter().map(|_| about(one))).collect();
    let reviewed = created(place, &made(&plain));
    let expected = created(place, &made(&rendered));
    assert_eq!((reviewed.len(), expected.len()), (names.len(), names.len()));
    let mut instrumented = 0;
    for ((name, reviewed), expected) in names.iter().zip(reviewed).zip(expected) {
        assert_eq!(reviewed, expected, "{name}");
        instrumented += usize::from(reviewed.to_string().contains("openlit.io/injection"));
    }
    println!("{} pods, {instrumented} of them instrumented", names.len());
    assert!(names.len() > 300 && instrumented > names.len() / 2, "{instrumented} of {}", names.len());
}

/// The workloads of `testdata/kinds` of other groups, and each with containers of many sorts in place of its own.
fn workloads() -> Vec<Value> {
    let mut all = Vec::new();
    for (_, path) in folder::find(&Path::new(ROOT).join("testdata/kinds")) {
        let Ok(text) = fs::read(path.join("input.yaml")) else { continue };
        for workload in documents(&text) {
            let group = workload["apiVersion"].as_str().and_then(|version| version.split_once('/')).map(|it| it.0);
            if group.is_some_and(|group| group.contains('.')) && !make(&workload).is_empty() {
                all.extend(containers().into_iter().map(|container| with(&workload, &container)));
                all.push(workload);
            }
        }
    }
    all.push(cron_of_ray());
    all
}

fn cron_of_ray() -> Value {
    let group = json!({ "template": {
        "metadata": { "labels": { "openlit.io/instrument": "true" } },
        "spec": { "containers": [{ "name": "ray", "image": "rayproject/ray:2.46.0-py311" }] },
    } });
    json!({
        "apiVersion": "ray.io/v1", "kind": "RayCronJob", "metadata": { "name": "nightly" },
        "spec": { "jobTemplate": { "rayClusterSpec": { "headGroupSpec": group, "workerGroupSpecs": [group] } } },
    })
}

/// What decides about a container, one thing a time; `openlit.io/instrument` is on every template.
fn containers() -> Vec<Value> {
    let own = |name: &str, value: &str| json!({ "name": name, "value": value });
    vec![
        json!({ "image": "acme/app:1", "command": ["python", "-m", "app"] }),
        json!({ "image": "acme/app:1", "command": ["python", "-I", "-m", "app"] }),
        json!({ "image": "acme/app:1", "command": ["/bin/sh", "-c", "exec python -E main.py"] }),
        json!({ "image": "acme/app:1", "command": ["sh"], "args": ["-c", "gunicorn app:app"] }),
        json!({ "image": "acme/app:1", "command": ["node", "server.js"] }),
        json!({ "image": "acme/app:1" }),
        json!({ "image": "python:3.13-alpine", "command": ["python", "app.py"] }),
        json!({ "image": "acme/app:1", "command": ["opentelemetry-instrument", "python", "app.py"] }),
        json!({
            "image": "python:3.11", "command": ["python", "app.py"],
            "env": [
                own("PYTHONPATH", "/srv"), own("OTEL_RESOURCE_ATTRIBUTES", "a=b"), own("OTEL_SERVICE_NAME", "mine"),
                own("PORT_OF_MINE", "1"),
            ],
            "envFrom": [{ "configMapRef": { "name": "more" } }],
        }),
        json!({
            "image": "python:3.11", "command": ["python", "app.py"],
            "securityContext": { "runAsNonRoot": true, "runAsUser": 1000 },
            "resources": { "limits": { "cpu": "1", "memory": "1Gi" }, "requests": { "cpu": "1", "memory": "1Gi" } },
        }),
    ]
}

/// A workload whose containers are this one, but for their names.
fn with(workload: &Value, container: &Value) -> Value {
    match workload {
        Value::Object(fields) if fields.contains_key("image") => {
            let mut all = container.as_object().unwrap().clone();
            for key in ["name", "dependencies", "source"] {
                all.extend(fields.get(key).map(|value| (key.to_owned(), value.clone())));
            }
            Value::Object(all)
        }
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(key, value)| (key.clone(), with(value, container))).collect())
        }
        Value::Array(items) => items.iter().map(|item| with(item, container)).collect(),
        other => other.clone(),
    }
}

fn about(workload: &Value) -> String {
    let metadata = &workload["metadata"];
    format!("{} {} {workload}", workload["kind"], metadata.get("name").unwrap_or(&metadata["generateName"]))
}

/// A pod with all that the API server asks for beside what its controller makes.
fn accepted_by_all(mut pod: Value) -> Value {
    let volumes: BTreeSet<String> = names(&pod["spec"]["volumes"]).collect();
    let mut missing = BTreeSet::new();
    for list in ["containers", "initContainers"] {
        for container in pod["spec"][list].as_array().into_iter().flatten() {
            missing.extend(names(&container["volumeMounts"]).filter(|name| !volumes.contains(name)));
        }
    }
    for name in missing {
        let volume = json!({ "name": name, "emptyDir": {} });
        match pod["spec"]["volumes"].as_array_mut() {
            Some(volumes) => volumes.push(volume),
            None => pod["spec"]["volumes"] = json!([volume]),
        }
    }
    // Null is what an absent list was made into.
    if let Some(spec) = pod["spec"].as_object_mut() {
        spec.retain(|_, value| !value.is_null());
    }
    pod
}

fn names(list: &Value) -> impl Iterator<Item = String> {
    list.as_array().into_iter().flatten().filter_map(|item| item["name"].as_str().map(str::to_owned))
}

fn lines(objects: &[Value]) -> String {
    objects.iter().map(|object| format!("---\n{object}\n")).collect()
}

/// The pods as the API server would store them, with one form for what it makes up and for what has no order.
fn created(place: &Place, pods: &[Value]) -> Vec<Value> {
    place.write("pods.json", pods.iter().map(|pod| format!("{pod}\n")).collect::<String>());
    let run = place.line("kubectl create --dry-run=server --output=json --validate=false -f pods.json").succeeded();
    let stored = serde_json::Deserializer::from_str(&run.stdout).into_iter::<Value>().map(Result::unwrap);
    let flat = stored.flat_map(|object| match object["items"].as_array() {
        Some(items) => items.clone(),
        None => vec![object],
    });
    let one_form = |mut pod: Value| {
        for field in ["name", "uid", "creationTimestamp", "managedFields"] {
            pod["metadata"].as_object_mut().unwrap().remove(field);
        }
        let text = pod.to_string();
        let chance = text.split('"').find(|text| text.starts_with("kube-api-access-")).expect("a token is mounted");
        unordered(serde_json::from_str(&text.replace(chance, "kube-api-access")).unwrap())
    };
    flat.map(one_form).collect()
}
