//! What Prelit renders, once the controllers have made pods of it.

use super::Ground;
use super::control_plane::ControlPlane;
use super::place::Place;
use super::process::wait_until;
use super::support::manifest::documents;
use libtest_mimic::Trial;
use serde_json::{Value, json};

pub fn trials(ground: &Ground) -> Vec<Trial> {
    vec![ground.trial("pods::are_what_was_rendered", are_what_was_rendered)]
}

/// What controllers add to the spec of a pod.
const OF_CONTROLLERS: [&str; 4] = ["affinity", "hostname", "subdomain", "tolerations"];

/// The pod of each workload has the spec that was rendered, defaults aside: these are what the API server makes of a Pod
/// with this spec. And Prelit, which sees the pod now, has nothing to add to it.
fn are_what_was_rendered(place: &Place) {
    ControlPlane::shared().welcome(place, "pods");
    // DaemonSets need a node, and one that is new is not ready. Nothing runs on it anyway.
    place.write("node.json", json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": "n" } }).to_string());
    place.out("kubectl create -f node.json && kubectl taint node n node.kubernetes.io/not-ready:NoSchedule-");
    place.copy("testdata/cluster", "");
    let rendered = place.out("prelit inject --config ai.yaml workloads.yaml");
    place.write("rendered.yaml", &rendered);
    place.out("kubectl apply -f rendered.yaml");
    // At night its controller would make one, of such a name.
    place.out("kubectl create job cronjob-29000000 --from=cronjob/cronjob");

    each_workload_has_its_pod(place, &rendered, |spec| spec);
    place.out("kubectl get pods --output=yaml > pods.yaml");
    let summary = place.line("prelit check --config ai.yaml pods.yaml").succeeded().stderr;
    assert!(summary.contains("no findings; 14 containers (7 current, 7 skipped)"), "{summary}");
    assert_eq!(place.out("prelit inject --config ai.yaml pods.yaml"), place.read("pods.yaml"));
}

/// Waits for a pod of each workload, and compares its spec, in some form, and its annotations with what was rendered; says
/// how many there are.
pub fn each_workload_has_its_pod(place: &Place, rendered: &str, form: fn(Value) -> Value) -> usize {
    let workloads = documents(rendered.as_bytes());
    let mut pods = Vec::new();
    wait_until("every workload has its pod", || {
        let list: Value = serde_json::from_str(&place.out("kubectl get pods --output=json")).unwrap();
        pods.clone_from(list["items"].as_array().unwrap());
        pods.len() == workloads.len()
    });
    for workload in &workloads {
        let kind = &workload["metadata"]["name"];
        let pod = pods.iter().find(|pod| pod["metadata"]["labels"]["kind"] == *kind).unwrap();
        let template = ["/spec/template", "/spec/jobTemplate/spec/template"];
        let template = template.iter().find_map(|at| workload.pointer(at)).unwrap();
        assert_eq!(form(spec(pod)), form(spec(&completed(place, template))), "{kind}");
        for (key, value) in template["metadata"]["annotations"].as_object().unwrap() {
            assert_eq!(pod["metadata"]["annotations"][key], *value, "{kind}: {key}");
        }
    }
    workloads.len()
}

/// A Pod with this template, as the API server would store it.
fn completed(place: &Place, template: &Value) -> Value {
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "it" }, "spec": template["spec"] });
    place.write("pod.json", pod.to_string());
    serde_json::from_str(&place.out("kubectl create --dry-run=server --output=json -f pod.json")).unwrap()
}

/// The spec of a pod without what its controller added, and with one name for the volume that is named by chance.
fn spec(pod: &Value) -> Value {
    let mut spec = pod["spec"].clone();
    for field in OF_CONTROLLERS {
        spec.as_object_mut().unwrap().remove(field);
    }
    let text = spec.to_string();
    let chance = text.split('"').find(|text| text.starts_with("kube-api-access-")).expect("a token is mounted");
    serde_json::from_str(&text.replace(chance, "kube-api-access")).unwrap()
}
