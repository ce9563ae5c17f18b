//! What Prelit renders, as the API server takes it: the output of every golden folder, as far as the API server knows its
//! kinds.
//!
//! The inputs of these folders leave out what Prelit does not look at, above all `spec.selector`. That is added here, and
//! each object gets a name of its own. Nothing is changed in a pod template.

use super::Ground;
use super::control_plane::{ControlPlane, Controllers};
use super::place::{Place, ROOT};
use super::support::doors::other_objects;
use super::support::folder;
use super::support::manifest::documents;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

/// Without controllers: hundreds of workloads are applied here, and none is to be run.
static CONTROL_PLANE: LazyLock<ControlPlane> = LazyLock::new(|| ControlPlane::start(Controllers::None));

pub fn trials(ground: &Ground) -> Vec<Trial> {
    vec![
        ground.trial("workloads::kubectl_reads_what_is_meant", kubectl_reads_what_is_meant),
        ground.trial("workloads::no_injection_makes_an_object_invalid", no_injection_makes_an_object_invalid),
        ground.trial("workloads::what_was_applied_has_no_difference", what_was_applied_has_no_difference),
    ]
}

/// A golden folder, and what came out of it.
struct Rendered {
    /// `containers/assumed`
    name: String,
    /// `output.yaml` or `output.json`, and its text.
    file: String,
    text: String,
    input: Vec<Value>,
    output: Vec<Value>,
}

/// Every golden folder that puts out a stream of manifests.
fn rendered() -> Vec<Rendered> {
    let mut all = Vec::new();
    for (name, path) in folder::find(&Path::new(ROOT).join("testdata")) {
        let text = |file: &str| fs::read_to_string(path.join(file)).ok();
        for extension in ["yaml", "json"] {
            if let (Some(input), Some(output)) =
                (text(&format!("input.{extension}")), text(&format!("output.{extension}")))
                && !name.starts_with("functions/")
            {
                let file = format!("output.{extension}");
                let [input, read] = [&input, &output].map(|text| documents(text.as_bytes()));
                all.push(Rendered { name: name.clone(), file, text: output, input, output: read });
            }
        }
    }
    assert!(all.len() > 300, "only {} folders", all.len());
    all
}

/// Whether the API server knows the kind of an object; of all that there are, what `testdata/` has.
fn is_known(object: &Value) -> bool {
    let [version, kind] = ["apiVersion", "kind"].map(|key| object[key].as_str().unwrap_or_default());
    match version {
        "v1" => ["Pod", "PodTemplate", "ReplicationController", "Service", "ConfigMap"].contains(&kind),
        "apps/v1" => ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"].contains(&kind),
        "batch/v1" => ["Job", "CronJob"].contains(&kind),
        _ => false,
    }
}

/// The objects that the API server knows, those of lists too, with all that it asks for and a name for each.
fn complete(all: &[Rendered], part: fn(&Rendered) -> &[Value]) -> Vec<(String, Value)> {
    let mut complete = Vec::new();
    for (number, one) in all.iter().enumerate() {
        let items = part(one).iter().flat_map(|object| match object["items"].as_array() {
            Some(items) => items.clone(),
            None => vec![object.clone()],
        });
        for (index, mut object) in items.filter(is_known).enumerate() {
            let name = format!("o{number}-{index}-{}", one.name.rsplit('/').next().unwrap());
            object["metadata"]["name"] = json!(name);
            for other in ["namespace", "generateName"] {
                object["metadata"].as_object_mut().unwrap().remove(other);
            }
            let labels = object["spec"]["template"]["metadata"]["labels"].clone();
            if object["apiVersion"] == "apps/v1" && object["spec"]["selector"].is_null() {
                object["spec"]["selector"] = json!({ "matchLabels": labels });
            }
            complete.push((name, object));
        }
    }
    complete
}

/// What comes out of the golden folders, each with a name of its own.
pub fn outputs() -> Vec<(String, Value)> {
    complete(&rendered(), |one| &one.output)
}

fn lines<'o>(objects: impl IntoIterator<Item = &'o (String, Value)>) -> String {
    objects.into_iter().map(|(_, object)| format!("{object}\n")).collect()
}

/// Two texts that are no YAML for Kubernetes, which Prelit lets through.
const NO_YAML: [&str; 2] = ["text/broken-document-without-a-label", "text/yaml-directive"];

/// The text that is written, as kubectl reads it, is what the goldens' own reader takes it for.
fn kubectl_reads_what_is_meant(place: &Place) {
    CONTROL_PLANE.welcome(place, "reading");
    let mut meant = Vec::new();
    for (number, one) in rendered().into_iter().enumerate() {
        if !one.output.is_empty() && one.output.iter().all(is_known) && !NO_YAML.contains(&one.name.as_str()) {
            place.write(format!("all/{number:03}-{}", one.file), &one.text);
            meant.extend(one.output);
        }
    }
    let read = place.out("kubectl create --dry-run=client --validate=false --output=json -f all");
    let mut read: Vec<Value> = serde_json::Deserializer::from_str(&read).into_iter().collect::<Result<_, _>>().unwrap();
    for (read, meant) in read.iter_mut().zip(&mut meant) {
        // kubectl adds the namespace, and JSON has one kind of numbers.
        if meant["metadata"]["namespace"].is_null() {
            read["metadata"].as_object_mut().unwrap().remove("namespace");
        }
        without_fractions(read);
        without_fractions(meant);
    }
    if let Some(complaint) = other_objects("kubectl", &meant, &read) {
        panic!("{complaint}");
    }
    assert!(read.len() > 300, "only {} objects", read.len());
}

/// 1000.0 as 1000, everywhere.
fn without_fractions(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(without_fractions),
        Value::Object(map) => map.values_mut().for_each(without_fractions),
        Value::Number(_) => {
            if let Ok(whole) = value.to_string().trim_end_matches(".0").parse::<i64>() {
                *value = json!(whole);
            }
        }
        _ => {}
    }
}

/// Some inputs are refused: they have no image, or fields that do not exist. Their outputs are, and no others.
fn no_injection_makes_an_object_invalid(place: &Place) {
    CONTROL_PLANE.welcome(place, "accepting");
    let all = rendered();
    let outputs = complete(&all, |one| &one.output);
    place.write("outputs.json", lines(&outputs));
    // The API server refuses unknown fields by itself; kubectl's own look at them takes six times as long.
    let apply = "kubectl apply --server-side --dry-run=server --validate=false -f";
    let run = place.line(&format!("{apply} outputs.json"));
    let (refused, accepted): (Vec<_>, Vec<_>) =
        complete(&all, |one| &one.input).into_iter().partition(|(name, _)| run.stderr.contains(name));
    assert!(accepted.len() > 300, "only {} were accepted\n{run}", accepted.len());
    place.write("inputs.json", lines(&refused));
    let inputs = place.line(&format!("{apply} inputs.json"));
    assert_eq!(inputs.stdout, "", "accepted without the injection, and refused with it\n{run}");
    assert_eq!(run.stdout.lines().count(), accepted.len(), "{run}");
}

/// Nothing that was written is changed or dropped on its way into the cluster.
fn what_was_applied_has_no_difference(place: &Place) {
    let mut all = rendered();
    CONTROL_PLANE.welcome(place, "differing");
    assert!(applied_without_difference(place, &all, "--server-side") > 300);
    // The older way takes kubectl ten times as long.
    all.retain(|one| one.name.starts_with("kinds/") || one.name.starts_with("original/"));
    CONTROL_PLANE.welcome(place, "differing-in-the-older-way");
    assert!(applied_without_difference(place, &all, "--server-side=false") > 30);
}

/// Applies outputs, asks for the difference, and says how many there are.
fn applied_without_difference(place: &Place, all: &[Rendered], way: &str) -> usize {
    let mut outputs = complete(all, |one| &one.output);
    place.write("outputs.json", lines(&outputs));
    // What is refused was so before Prelit came, as the test above shows.
    let applied = place.line(&format!("kubectl apply --validate=false {way} -f outputs.json")).stdout;
    let applied: BTreeSet<&str> = applied.lines().filter_map(|line| line.split(['/', ' ']).nth(1)).collect();
    outputs.retain(|(name, _)| applied.contains(name.as_str()));
    place.write("applied.json", lines(&outputs));
    assert_eq!(place.out(&format!("kubectl diff {way} -f applied.json")), "");
    outputs.len()
}
