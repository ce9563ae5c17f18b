//! The definition of `AutoInstrumentation` in a real API server: it is stored as it is written, sets what it promises,
//! and refuses what Prelit itself refuses.

use super::Ground;
use super::control_plane::ControlPlane;
use super::place::{Place, ROOT};
use super::support::manifest::documents;
use libtest_mimic::Trial;
use prelit::api::crd::crd;
use prelit::api::resource;
use prelit::value::Value;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

pub fn trials(ground: &Ground) -> Vec<Trial> {
    vec![
        ground.trial("definition::is_stored_as_it_is_written", is_stored_as_it_is_written),
        ground.trial("definition::sets_its_defaults", sets_its_defaults),
        ground.trial("definition::takes_nulls_for_what_is_left_out", takes_nulls_for_what_is_left_out),
        ground.trial("definition::drops_what_it_does_not_know", drops_what_it_does_not_know),
        ground.trial("definition::has_a_status_of_its_own", has_a_status_of_its_own),
        ground.trial("definition::shows_its_columns", shows_its_columns),
        ground.trial("definition::judges_every_resource_as_prelit_does", judges_every_resource_as_prelit_does),
        ground.trial("definition::judges_every_field_as_prelit_does", judges_every_field_as_prelit_does),
    ]
}

fn resource(name: &str, spec: &Json) -> Json {
    let metadata = json!({ "name": name });
    json!({ "apiVersion": "openlit.io/v1alpha1", "kind": "AutoInstrumentation", "metadata": metadata, "spec": spec })
}

/// What is stored of a resource.
fn stored(place: &Place, name: &str) -> Json {
    serde_json::from_str(&place.out(&format!("kubectl get ai {name} --output=json"))).unwrap()
}

fn is_stored_as_it_is_written(place: &Place) {
    ControlPlane::shared().welcome(place, "stored");
    place.copy("deploy/crds", "crds");
    assert_eq!(place.out("kubectl diff -f crds"), "");
    let conditions = "kubectl get crd autoinstrumentations.openlit.io --output=jsonpath='{.status.conditions}'";
    for condition in serde_json::from_str::<Vec<Json>>(&place.out(conditions)).unwrap() {
        // It would have a third one if its schema were not structural.
        assert!(["NamesAccepted", "Established"].contains(&condition["type"].as_str().unwrap()), "{condition}");
        assert_eq!(condition["status"], "True", "{condition}");
    }
}

fn sets_its_defaults(place: &Place) {
    ControlPlane::shared().welcome(place, "defaults");
    let selector = json!({ "matchLabels": { "app": "chat" } });
    let instrumentation = json!({ "enabled": true, "provider": "openlit" });
    place.write("minimal.json", resource("minimal", &json!({ "selector": selector })).to_string());
    place.out("kubectl apply -f minimal.json");
    let spec = json!({ "selector": selector, "priority": 0, "python": { "instrumentation": instrumentation } });
    assert_eq!(stored(place, "minimal")["spec"], spec);
    // And it stays so when it is applied again.
    assert_eq!(place.out("kubectl diff -f minimal.json"), "");
}

/// As Prelit does, but for server-side apply, which takes a null for a value of the wrong type.
fn takes_nulls_for_what_is_left_out(place: &Place) {
    ControlPlane::shared().welcome(place, "nulls");
    let spec = json!({
        "selector": { "matchLabels": { "app": "chat" }, "matchExpressions": null },
        "priority": null, "captureMessageContent": null, "python": { "instrumentation": null },
        "otlp": { "endpoint": null, "headers": null },
    });
    let resource = resource("nulls", &spec);
    resource::read(&Value::from(&resource)).unwrap();
    place.write("nulls.json", resource.to_string());
    place.line("kubectl apply --server-side -f nulls.json").failed_saying(&["endpoint in body must be of type string"]);
    place.out("kubectl apply -f nulls.json");
    let spec = &stored(place, "nulls")["spec"];
    assert_eq!((&spec["priority"], &spec["python"]["instrumentation"]["provider"]), (&json!(0), &json!("openlit")));
    assert!(spec.get("captureMessageContent").is_none(), "{spec}");
}

fn drops_what_it_does_not_know(place: &Place) {
    ControlPlane::shared().welcome(place, "unknown");
    let volume = json!({ "name": "later", "sourceOfTomorrow": { "deep": [1] } });
    let spec = json!({
        "selector": { "matchLabels": { "app": "chat" } },
        "python": { "instrumentation": { "volumes": [volume] } },
        "otlp": { "endpiont": "http://x", "timeout": 3 },
        "go": { "any": "thing" },
        "pyhton": {},
    });
    place.write("unknown.json", resource("unknown", &spec).to_string());
    // kubectl asks for an error, as it does by default, and the API server gives it.
    place.line("kubectl apply -f unknown.json").failed_saying(&["unknown field \"spec.otlp.endpiont\"", "spec.pyhton"]);
    place.out("kubectl apply --validate=false -f unknown.json");
    let kept = &stored(place, "unknown")["spec"];
    assert_eq!(kept["otlp"], json!({ "timeout": 3 }));
    assert_eq!(kept["pyhton"], Json::Null);
    assert_eq!((&kept["python"]["instrumentation"]["volumes"][0], &kept["go"]["any"]), (&volume, &json!("thing")));
}

fn has_a_status_of_its_own(place: &Place) {
    ControlPlane::shared().welcome(place, "status");
    let spec = json!({ "selector": { "matchLabels": { "app": "chat" } } });
    let pods = json!({ "matching": 3, "instrumented": 1, "outdated": 1, "missing": 1 });
    let ready = json!({
        "type": "Ready", "status": "True", "reason": "Valid", "message": "", "lastTransitionTime": "2026-01-02T03:04:05Z",
    });
    let status = json!({ "observedGeneration": 1, "conditions": [ready], "pods": pods });
    let mut written = resource("chat", &spec);
    written["status"] = status.clone();
    place.write("chat.json", written.to_string());
    place.out("kubectl create --validate=false -f chat.json");
    assert_eq!(stored(place, "chat")["status"], Json::Null, "whoever writes the resource cannot write its status");

    let patch = |status: &Json| {
        place.write("status.json", json!({ "status": status, "spec": { "priority": 7 } }).to_string());
        place.line("kubectl patch ai chat --subresource=status --type=merge --patch-file=status.json")
    };
    patch(&status).succeeded();
    let chat = stored(place, "chat");
    assert_eq!(chat["status"], status);
    assert_eq!((&chat["spec"]["priority"], &chat["metadata"]["generation"]), (&json!(0), &json!(1)));
    patch(&json!({ "pods": { "matching": "three" } }))
        .failed_saying(&["status.pods.matching", "must be of type integer"]);
}

fn shows_its_columns(place: &Place) {
    ControlPlane::shared().welcome(place, "columns");
    place.copy("docs/examples/ai.yaml", "ai.yaml");
    place.out("kubectl apply -f ai.yaml");
    let shown = place.out("kubectl get autoinstrumentations");
    let words: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(words[0], ["NAME", "PROVIDER", "ENDPOINT", "ENVIRONMENT", "READY", "PODS", "AGE"]);
    assert_eq!(words[1][..4], ["chat", "openlit", "http://openlit.openlit.svc.cluster.local:4318", "production"]);
}

/// What Prelit says of a resource that the API server accepts: no schema can say it, or only in words that nobody
/// understands.
const BEYOND_THE_SCHEMA: [&str; 11] = [
    "expected exactly one of them",
    "expected at most the limit",
    "expected a quantity that is not negative",
    "which the injection itself uses",
    "which is more than one package",
    "which does not begin with the name of a package",
    // Keys of maps, and headers, which are a text or a map of texts.
    "expected a label key",
    "expected the key of a resource attribute",
    "expected the name of an HTTP header",
    "spec.otlp.headers: found",
    "spec.otlp.headers.a: found",
];

/// Asks Prelit and the API server about resources, each with a word for it, and compares.
fn judges_as_prelit_does(place: &Place, resources: &[(String, Json)]) {
    let mut stream = String::new();
    for (number, (_, resource)) in resources.iter().enumerate() {
        let mut resource = resource.clone();
        resource["metadata"] = json!({ "name": format!("number-{number}") });
        let _ = writeln!(stream, "{resource}");
    }
    place.write("resources.json", stream);
    // The API server refuses unknown fields by itself; kubectl's own look at them takes six times as long.
    let run = place.line("kubectl apply --server-side --dry-run=server --validate=false -f resources.json");
    let accepted: BTreeSet<&str> = run.stdout.lines().filter_map(|line| line.split(['/', ' ']).nth(1)).collect();
    let mut disagreements = Vec::new();
    for (number, (what, resource)) in resources.iter().enumerate() {
        let name = format!("number-{number}");
        match (resource::read(&Value::from(resource)), accepted.contains(name.as_str())) {
            (Ok(_), false) => {
                let is_it = |line: &&str| line.contains(&format!("{name}\"")) || line.contains(&format!("{name};"));
                let why = run.stderr.lines().find(is_it).unwrap_or("for no reason");
                // Of nulls only server-side apply says this.
                if !why.contains("Invalid value: \"null\"") {
                    disagreements.push(format!("only Prelit accepts {what}\n    {why}"));
                }
            }
            (Err(problems), true) => {
                let mut problems = problems.iter().map(ToString::to_string);
                if let Some(problem) = problems.find(|one| !BEYOND_THE_SCHEMA.iter().any(|words| one.contains(words))) {
                    disagreements.push(format!("only the API server accepts {what}\n    {problem}"));
                }
            }
            _ => {}
        }
    }
    assert!(disagreements.is_empty(), "{}", disagreements.join("\n"));
    assert!(accepted.len() > resources.len() / 8, "only {} of {} were accepted", accepted.len(), resources.len());
}

fn judges_every_resource_as_prelit_does(place: &Place) {
    ControlPlane::shared().welcome(place, "resources");
    let mut resources = Vec::new();
    let mut open = ["testdata", "docs", "kustomize-plugin"].map(|folder| Path::new(ROOT).join(folder)).to_vec();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(path.read_dir().unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|end| end == "yaml" || end == "json") {
            let all = documents(&fs::read(&path).unwrap());
            let ours = |object: &Json| {
                object["apiVersion"] == "openlit.io/v1alpha1" && object["kind"] == "AutoInstrumentation"
            };
            resources.extend(all.into_iter().filter(ours).map(|object| (path.display().to_string(), object)));
        }
    }
    assert!(resources.len() > 150, "only {}", resources.len());
    judges_as_prelit_does(place, &resources);
}

/// Two specs that between them have every field.
fn specs() -> [Json; 2] {
    let selector = json!({
        "matchLabels": { "app.kubernetes.io/name": "chat" },
        "matchExpressions": [{ "key": "tier", "operator": "In", "values": ["a"] }],
    });
    let env = json!([
        { "name": "A", "value": "1" },
        { "name": "B", "valueFrom": { "configMapKeyRef": { "name": "c", "key": "k", "optional": true } } },
        { "name": "C", "valueFrom": { "secretKeyRef": { "name": "s", "key": "k", "optional": true } } },
        { "name": "D", "valueFrom": { "fieldRef": { "apiVersion": "v1", "fieldPath": "metadata.name" } } },
        { "name": "E", "valueFrom": { "resourceFieldRef": {
            "containerName": "c", "resource": "limits.cpu", "divisor": "1",
        } } },
    ]);
    let mounts = json!([{
        "name": "wheels", "mountPath": "/wheels", "readOnly": true, "subPath": "a", "subPathExpr": "$(A)",
        "mountPropagation": "None", "recursiveReadOnly": "IfPossible",
    }]);
    let profile = json!({ "type": "Localhost", "localhostProfile": "a.json" });
    let first = json!({
        "selector": selector, "priority": 5, "captureMessageContent": true, "disableMetrics": true, "go": {},
        "python": { "instrumentation": {
            "enabled": true, "provider": "custom", "version": "1.0.0", "imagePullPolicy": "Always", "noDeps": true,
            "customInitImage": "registry:5000/team/init:1", "customPackages": "langchain>=0.1,chromadb",
            "detection": "strict", "env": env, "volumes": [{ "name": "wheels", "emptyDir": {} }],
            "volumeMounts": mounts, "volumeSizeLimit": "1Gi",
        } },
        "otlp": { "endpoint": "https://collector:4318", "headers": { "a": "b" }, "timeout": 30 },
        "resource": {
            "environment": "e", "serviceName": "n", "serviceNamespace": "ns", "serviceVersion": "v",
            "attributes": { "team": "x" },
        },
    });
    let second = json!({
        "selector": { "matchLabels": { "a": "b" } }, "ignore": selector, "detailedTracing": false,
        "otlp": { "headersFrom": { "secretKeyRef": { "name": "s", "key": "k", "optional": true } } },
        "python": { "instrumentation": { "initContainer": {
            "env": env, "volumeMounts": mounts,
            "resources": { "requests": { "cpu": "1" }, "limits": { "cpu": 2 } },
            "securityContext": {
                "allowPrivilegeEscalation": false, "privileged": false, "readOnlyRootFilesystem": true,
                "runAsNonRoot": true, "runAsUser": 1, "runAsGroup": 1, "procMount": "Default",
                "capabilities": { "add": ["CHOWN"], "drop": ["ALL"] },
                "seccompProfile": profile, "appArmorProfile": profile,
                "seLinuxOptions": { "user": "u", "role": "r", "type": "t", "level": "l" },
            },
        } } },
    });
    [first, second]
}

/// What may stand where something else should.
fn wrong_values() -> [Json; 15] {
    [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(5_000_000_000_i64),
        json!(""),
        json!("a b"),
        json!("-x"),
        json!("X_1"),
        json!("x".repeat(5000)),
        json!([]),
        json!(["x"]),
        json!({}),
        json!({ "x": "y" }),
    ]
}

/// Every value that is wrong, at every place.
fn judges_every_field_as_prelit_does(place: &Place) {
    ControlPlane::shared().welcome(place, "fields");
    let mut resources = Vec::new();
    let mut named = BTreeSet::new();
    for spec in specs() {
        resources.push(("all of it".to_owned(), resource("it", &spec)));
        let mut places = Vec::new();
        walk(&spec, String::new(), &mut places);
        for at in places {
            named.insert(without_indices(&at));
            let mut change = |what: &str, with: &dyn Fn(&mut Json)| {
                let mut spec = spec.clone();
                with(spec.pointer_mut(&at).unwrap());
                resources.push((format!("{at}: {what}"), resource("it", &spec)));
            };
            for wrong in wrong_values() {
                change(&wrong.to_string(), &|value| *value = wrong.clone());
            }
            match spec.pointer(&at).unwrap() {
                Json::Object(map) => {
                    for key in map.keys() {
                        change(&format!("without {key}"), &|value| drop(value.as_object_mut().unwrap().remove(key)));
                    }
                    for (key, value) in [("unknown", "x"), ("a b", "x"), ("a/b", "a b")] {
                        change(&format!("with {key}: {value}"), &|map| map[key] = json!(value));
                    }
                }
                Json::Array(items) => {
                    change("the first twice", &|value| value.as_array_mut().unwrap().push(items[0].clone()));
                }
                _ => {}
            }
        }
    }
    let definition = crd();
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let mut known = Vec::new();
    fields(schema, "", &mut known);
    known.retain(|field| !named.contains(field));
    assert!(known.is_empty(), "no spec has {known:?}");
    judges_as_prelit_does(place, &resources);
}

/// The pointers to every value in a value, but the root.
fn walk(value: &Json, at: String, places: &mut Vec<String>) {
    let below: Vec<(String, &Json)> = match value {
        Json::Object(map) => map.iter().map(|(key, value)| (key.replace('/', "~1"), value)).collect(),
        Json::Array(items) => items.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    for (key, value) in below {
        walk(value, format!("{at}/{key}"), places);
    }
    if !at.is_empty() {
        places.push(at);
    }
}

/// `/env/0/name` as `/env/name`.
fn without_indices(at: &str) -> String {
    at.split('/').filter(|step| step.parse::<usize>().is_err()).collect::<Vec<_>>().join("/")
}

/// Every field of a schema, as [`without_indices`] writes it.
fn fields(schema: &Json, at: &str, known: &mut Vec<String>) {
    for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
        let below = format!("{at}/{key}");
        known.push(below.clone());
        fields(inner, &below, known);
        fields(&inner["items"], &below, known);
    }
}
