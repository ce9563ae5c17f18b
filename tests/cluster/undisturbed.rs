//! What must go on as without a webhook: what was rendered stays as it is, and so do pods that are there.

use super::Ground;
use super::control_plane::Controllers;
use super::installation::Installation;
use super::place::Place;
use super::replicas::get;
use super::workloads::outputs;
use libtest_mimic::Trial;
use serde_json::{Value, json};

/// A namespace that the webhook leaves alone.
const LEFT_ALONE: &str = "kube-public";

pub fn trials(ground: &Ground) -> Vec<Trial> {
    vec![
        ground.trial("undisturbed::a_dry_run_changes_nothing", a_dry_run_changes_nothing),
        ground.trial("undisturbed::pods_that_are_there_stay_as_they_are", pods_that_are_there_stay_as_they_are),
    ]
}

/// The outputs of all golden folders, and bare pods of their templates: a server-side dry run gives the same with and
/// without the webhook. So do the workloads of `testdata/cluster`, which have no difference once they are applied.
fn a_dry_run_changes_nothing(place: &Place) {
    let webhook = Installation::start(&place.path(""), Controllers::None, "10.99.29.1");
    webhook.control_plane.namespace(LEFT_ALONE);
    webhook.welcome(place, "synced");
    let workloads: Vec<Value> = outputs().into_iter().map(|(_, object)| object).collect();
    let pods: Vec<Value> = workloads.iter().filter_map(bare_pod).filter(is_done).collect();
    for (objects, least) in [(&pods, 300), (&workloads, 300)] {
        let with = dry_run(place, objects, "synced");
        assert!(with.len() > least, "only {} were accepted", with.len());
        for (with, without) in with.iter().zip(&dry_run(place, objects, LEFT_ALONE)) {
            assert!(with == without, "with the webhook it is another:\n{with}\n{without}");
        }
    }
    // As these: what is not done is instrumented, in a dry run too.
    let probe: Value = serde_json::from_str(&place.read("probe.json")).unwrap();
    let [with, without] =
        ["synced", LEFT_ALONE].map(|namespace| dry_run(place, std::slice::from_ref(&probe), namespace));
    assert_ne!(with, without);

    place.copy("testdata/cluster", "");
    place.out("kubectl create -f ai.yaml && kubectl get autoinstrumentation all --output=yaml > there.yaml");
    place.out("prelit inject --namespace synced --config there.yaml workloads.yaml > rendered.yaml");
    for way in ["--server-side=false", "--server-side"] {
        place.out(&format!("kubectl apply {way} -f rendered.yaml"));
        assert_eq!(place.out(&format!("kubectl diff {way} -f rendered.yaml")), "");
        place.out("kubectl delete -f rendered.yaml");
    }
}

/// The template of a workload, as a pod; a pod itself.
fn bare_pod(workload: &Value) -> Option<Value> {
    let templates = ["/spec/template", "/spec/jobTemplate/spec/template", "/template"];
    let template = templates.iter().find_map(|at| workload.pointer(at));
    let template = template.or_else(|| (workload["kind"] == "Pod").then_some(workload))?;
    let mut metadata = json!({ "name": workload["metadata"]["name"] });
    for field in ["labels", "annotations"] {
        metadata[field] = template["metadata"][field].clone();
    }
    Some(json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"] }))
}

/// Whether nothing is to be done to a pod: it is instrumented, or not marked. What a golden folder's own resource leaves
/// alone is not the cluster's.
fn is_done(pod: &Value) -> bool {
    let metadata = &pod["metadata"];
    metadata["annotations"]["openlit.io/injection"].is_string()
        || metadata["labels"]["openlit.io/instrument"].as_str() != Some("true")
}

/// What the API server would store, as far as it accepts it, without what differs from one namespace and moment to another.
fn dry_run(place: &Place, objects: &[Value], namespace: &str) -> Vec<Value> {
    place.write("objects.json", objects.iter().map(|object| format!("{object}\n")).collect::<String>());
    // What is refused was so before Prelit came, as the tests of workloads show.
    let create = "kubectl create --dry-run=server --validate=false --output=json -f objects.json";
    let stdout = place.line(&format!("{create} --namespace {namespace}")).stdout;
    let stored = serde_json::Deserializer::from_str(&stdout).into_iter::<Value>().map(Result::unwrap);
    let flat = stored.flat_map(|object| match object["items"].as_array() {
        Some(items) => items.clone(),
        None => vec![object],
    });
    let without_chance = |mut object: Value| {
        let metadata = object["metadata"].as_object_mut().unwrap();
        let uid = metadata.remove("uid").unwrap();
        for field in ["namespace", "creationTimestamp", "managedFields"] {
            metadata.remove(field);
        }
        // That of a Job is in its labels too.
        let mut text = object.to_string().replace(uid.as_str().unwrap(), "uid");
        let volume = text.split('"').find(|text| text.starts_with("kube-api-access-")).map(str::to_owned);
        volume.inspect(|volume| text = text.replace(volume, "kube-api-access"));
        serde_json::from_str(&text).unwrap()
    };
    flat.map(without_chance).collect()
}

/// Debug, scale, patch, evict, bind and delete: the webhook is asked of none of it.
fn pods_that_are_there_stay_as_they_are(place: &Place) {
    let webhook = Installation::start(&place.path(""), Controllers::None, "10.99.29.2");
    webhook.welcome(place, "there");
    place.out("kubectl create -f probe.json && kubectl create deployment scaled --image=python:3.11");
    let pod = || serde_json::from_str::<Value>(&place.out("kubectl get pod probe --output=json")).unwrap();
    let reviews = || {
        let metrics = get(webhook.replica.address, 8080, "/metrics");
        let lines = metrics.lines().filter(|line| line.starts_with("prelit_reviews_total{"));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum::<u64>()
    };
    let (before, asked) = (pod(), reviews());
    assert!(before["metadata"]["annotations"]["openlit.io/injection"].is_string(), "{before}");
    place.write(
        "binding.json",
        json!({
            "apiVersion": "v1", "kind": "Binding", "metadata": { "name": "probe" },
            "target": { "apiVersion": "v1", "kind": "Node", "name": "n" },
        })
        .to_string(),
    );
    place.write(
        "eviction.json",
        json!({ "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": "probe" } }).to_string(),
    );
    let status = r#"'{"status":{"phase":"Running"}}'"#;
    let image = r#"'{"spec":{"containers":[{"name":"app","image":"python:3.11-slim"}]}}'"#;
    for line in [
        "kubectl debug probe --image=busybox --container=debugger",
        "kubectl label pod probe more=1",
        "kubectl annotate pod probe more=1",
        &format!("kubectl patch pod probe --patch {image}"),
        &format!("kubectl patch pod probe --subresource=status --patch {status}"),
        "kubectl scale deployment scaled --replicas=3",
        "kubectl create --raw /api/v1/namespaces/there/pods/probe/binding -f binding.json",
    ] {
        place.out(line);
    }
    let mut after = pod();
    assert_eq!(after["spec"]["ephemeralContainers"][0]["name"], "debugger", "{after}");
    assert_eq!(after["spec"]["nodeName"], "n", "{after}");
    assert_eq!(after["spec"]["initContainers"], before["spec"]["initContainers"]);
    after["spec"]["containers"][0]["image"] = before["spec"]["containers"][0]["image"].clone();
    assert_eq!(after["spec"]["containers"], before["spec"]["containers"]);
    place.out("kubectl create --raw /api/v1/namespaces/there/pods/probe/eviction -f eviction.json");
    assert_eq!(reviews(), asked, "the webhook was asked");

    // A copy is a new pod, which carries the injection of the first.
    place.out("kubectl create --filename probe.json --dry-run=client --output=json | sed s/probe/again/ > again.json");
    place
        .out("kubectl create -f again.json && kubectl debug again --copy-to=copy --image=busybox --container=debugger");
    let of = |name: &str, what: &str| place.out(&format!("kubectl get pod {name} --output=jsonpath={{{what}}}"));
    for what in [
        ".metadata.annotations.openlit\\\\.io/injection",
        ".spec.initContainers[*].name",
        ".spec.containers[0].env[*].name",
    ] {
        assert_eq!(of("copy", what), of("again", what), "{what}");
    }
}
