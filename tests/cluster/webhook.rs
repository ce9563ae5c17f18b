//! The webhook in a cluster, with the rights that its manifests give it: pods of plain workloads come out as those of
//! rendered ones.

use super::Ground;
use super::control_plane::{ControlPlane, Controllers};
use super::place::Place;
use super::pods::each_workload_has_its_pod;
use super::probe::wait_until_injected;
use super::process::wait_until;
use super::replicas::{Replica, endpoints, get};
use super::support::manifest::unordered;
use libtest_mimic::Trial;
use serde_json::{Value, json};

pub fn trials(ground: &Ground) -> Vec<Trial> {
    vec![ground.trial("webhook::pods_are_what_is_rendered", pods_are_what_is_rendered)]
}

fn pods_are_what_is_rendered(place: &Place) {
    let control_plane = ControlPlane::installed(Controllers::All);
    control_plane.welcome(place, "apps");
    place.copy("testdata/cluster", "");
    place.out("kubectl create -f ai.yaml");
    let mut replica = Replica::start(&control_plane, &place.path(""), "replica-1", "10.99.2.1");
    endpoints(&control_plane, &["10.99.2.1"]);
    replica.wait_until_ready();

    place.write("node.json", json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": "n" } }).to_string());
    place.out("kubectl create -f node.json && kubectl taint node n node.kubernetes.io/not-ready:NoSchedule-");
    wait_until_injected(place, "apps");

    place.out("kubectl apply -f workloads.yaml");
    place.out("kubectl create job cronjob-29000000 --from=cronjob/cronjob");
    // With the resource as the cluster has it: whose it is stands in the annotation.
    place.out("kubectl get autoinstrumentation all --output=yaml > ai-of-the-cluster.yaml");
    let rendered = place.out("prelit inject --namespace apps --config ai-of-the-cluster.yaml workloads.yaml");
    let count = each_workload_has_its_pod(place, &rendered, unordered);
    // What the resource says of them: in each template one container is instrumented.
    let status = || -> Value {
        let text = place.out("kubectl get autoinstrumentation all --output=json");
        serde_json::from_str::<Value>(&text).unwrap()["status"].take()
    };
    wait_until("the status counts them", || status()["pods"]["instrumented"] == json!(count));
    let counted = status();
    assert_eq!(counted["conditions"][0]["type"], "Ready", "{counted}");
    assert_eq!(
        (&counted["conditions"][0]["status"], &counted["pods"]["missing"]),
        (&json!("True"), &json!(0)),
        "{counted}"
    );
    let metrics = get(replica.address, 8080, "/metrics");
    assert!(metrics.contains("prelit_reviews_total{outcome=\"injected\""), "{metrics}");

    // What cannot be instrumented says why where one looks first.
    let image = "kubectl create deployment modern --image=python:3.13-alpine --dry-run=client --output=json";
    let mut modern: Value = serde_json::from_str(&place.out(image)).unwrap();
    modern["spec"]["template"]["metadata"]["labels"]["openlit.io/instrument"] = "true".into();
    place.write("modern.json", modern.to_string());
    place.out("kubectl create -f modern.json");
    wait_until("an event says why", || place.out("kubectl describe replicaset").contains("IncompatiblePython"));

    // What was rendered is seen to be done.
    place.write("rendered.yaml", &rendered);
    place.out("kubectl delete deployments,statefulsets,daemonsets,replicasets,rc,jobs,cronjobs --all --wait");
    let carried = |metrics: &str| metrics.contains("prelit_reviews_total{outcome=\"carried\"");
    place.out("kubectl apply -f rendered.yaml");
    wait_until("pods are there again", || place.out("kubectl get pods --output=name").lines().count() >= 6);
    assert!(!carried(&get(replica.address, 8080, "/metrics")), "the API server need not ask");
    drop(replica);
}
