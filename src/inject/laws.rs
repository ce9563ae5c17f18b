//! The laws of the engine, over generated templates and configurations.

use super::configuration::{Configuration, Headers, Packages, Provider, RunAsUser};
use super::plan::{Plan, inject};
use super::record::{ContainerRecord, Record};
use super::state::{self, Injection, State};
use super::testing::{configuration, pod_template, values};
use super::undo::undo;
use crate::value::edit::apply;
use crate::value::patch::to_json_patch;
use crate::value::{Edit, Path, Value};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value as Json, json};

const NAMES: [&str; 10] = [
    "PYTHONPATH",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_SERVICE_NAME",
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT",
    "OTEL_SERVICE_VERSION",
    "OPENLIT_K8S_POD_NAME",
    "CUSTOM_PACKAGES",
    "A",
    "B",
    "C",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        select(vec!["", "/app:/lib", "a=b,service.name=x%20$(A)", "k8s.pod.name=p", "true", "$(A)", " ", ",", "it's"])
            .prop_map(str::to_owned),
        "[ -~ü]{0,12}",
    ]
}

fn entry() -> impl Strategy<Value = Json> {
    let source = prop_oneof![
        text().prop_map(|text| json!({"value": text})),
        Just(json!({})),
        Just(json!({"value": null})),
        Just(json!({"valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}})),
        Just(json!({"valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}})),
    ];
    (select(NAMES.to_vec()), source).prop_map(|(name, mut entry)| {
        entry["name"] = json!(name);
        entry
    })
}

/// A list that is absent, null or has some items.
fn list(items: impl Strategy<Value = Json> + 'static) -> impl Strategy<Value = Option<Json>> {
    prop_oneof![
        1 => Just(None),
        1 => Just(Some(Json::Null)),
        4 => prop::collection::vec(items, 0..5).prop_map(|items| Some(Json::Array(items))),
    ]
}

fn with(mut object: Json, fields: impl IntoIterator<Item = (&'static str, Option<Json>)>) -> Json {
    for (key, value) in fields {
        if let Some(value) = value {
            object[key] = value;
        }
    }
    object
}

fn container(name: &'static str) -> impl Strategy<Value = Json> {
    let mount = select(vec!["/a", "/b"]).prop_map(|path| json!({"name": "data", "mountPath": path}));
    let sources = list(Just(json!({"configMapRef": {"name": "c"}})));
    let resources = prop::option::of(Just(json!({"limits": {"cpu": "1", "memory": "1Gi"}})));
    (list(entry()), list(mount), sources, resources).prop_map(move |(env, mounts, sources, resources)| {
        let fields = [("env", env), ("volumeMounts", mounts), ("envFrom", sources), ("resources", resources)];
        with(json!({"name": name, "image": "python:3.11"}), fields)
    })
}

fn metadata() -> impl Strategy<Value = Option<Json>> {
    let keys = select(vec![
        "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes",
        "resource.opentelemetry.io/service.name",
        "resource.opentelemetry.io/team",
        "note",
    ]);
    let value = prop_oneof![3 => text().prop_map(Json::String), 1 => Just(Json::Null)];
    let annotations = prop_oneof![
        Just(None),
        Just(Some(Json::Null)),
        prop::collection::btree_map(keys.prop_map(str::to_owned), value, 0..3)
            .prop_map(|map| Some(Json::Object(map.into_iter().collect::<Map<_, _>>()))),
    ];
    let labels = prop::option::of(Just(json!({"app.kubernetes.io/version": "1"})));
    prop_oneof![
        1 => Just(None),
        1 => Just(Some(Json::Null)),
        4 => (annotations, labels).prop_map(|(annotations, labels)| {
            Some(with(json!({}), [("annotations", annotations), ("labels", labels)]))
        }),
    ]
}

fn workload() -> impl Strategy<Value = Json> {
    let init = list(Just(json!({"name": "migrate", "image": "python:3.11"})));
    let init = init.prop_map(|list| list.map(|list| if list.is_array() { json!([list[0]]) } else { list }));
    let volume = list(Just(json!({"name": "data", "emptyDir": {}})));
    (container("app"), container("web"), any::<bool>(), init, volume, metadata()).prop_map(
        |(app, web, both, init, volumes, metadata)| {
            let containers = if both { json!([app, web]) } else { json!([app]) };
            let init = init.filter(|list| list.is_null() || !list[0].is_null());
            let spec = with(json!({"containers": containers}), [("initContainers", init), ("volumes", volumes)]);
            json!({"kind": "Deployment", "spec": {"template": with(json!({"spec": spec}), [("metadata", metadata)])}})
        },
    )
}

fn settings() -> impl Strategy<Value = Configuration> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let user = select(vec![RunAsUser::Auto, RunAsUser::None, RunAsUser::Id(1)]);
    let provider = select(vec![Provider::Openlit, Provider::Openllmetry]);
    let whose = select(vec![Packages::Published, Packages::Prelit, Packages::Unknown]);
    (prop::collection::vec(entry(), 0..4), flags, user, (provider, whose), text()).prop_map(
        |(env, (capture, rich, packages, secret), run_as_user, (provider, whose), value)| {
            let mut configuration = Configuration { provider, run_as_user, ..configuration() };
            configuration.init_image.packages = whose;
            configuration.env = values(Json::Array(env));
            configuration.capture_message_content = capture;
            configuration.attributes = vec![("team".into(), value)];
            if rich {
                configuration.volumes = values(json!([{"name": "ca", "configMap": {"name": "ca"}}]));
                configuration.volume_mounts = values(json!([{"name": "ca", "mountPath": "/etc/ca"}]));
                configuration.init_env = values(json!([{"name": "PIP_INDEX_URL", "value": "https://pip"}]));
                configuration.volume_size_limit = Some("1Gi".into());
            }
            if packages {
                configuration.custom_packages = vec!["a>1".into()];
                configuration.custom_packages_text = Some("a>1".into());
            }
            configuration.headers = Some(if secret {
                Headers::Secret { name: "s".into(), key: "k".into() }
            } else {
                Headers::Literal("a=b".into())
            });
            configuration
        },
    )
}

fn plan(object: &Value<'_>, configuration: &Configuration) -> Plan {
    let template = pod_template(object);
    let chosen: Vec<usize> = (0..template.containers.len()).collect();
    inject(&template, &chosen, configuration).unwrap()
}

fn record_of(object: &Value<'_>) -> Record {
    match state::read(&pod_template(object)) {
        Injection::Found(record) => record,
        other => panic!("{other:?}"),
    }
}

/// Without what says nothing: null, empty lists and maps, empty text.
fn without_nothing(json: Json) -> Json {
    let says_nothing = |json: &Json| match json {
        Json::Null => true,
        Json::String(text) => text.is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Object(map) => map.is_empty(),
        _ => false,
    };
    match json {
        Json::Array(items) => Json::Array(items.into_iter().map(without_nothing).collect()),
        Json::Object(map) => {
            let entries = map.into_iter().map(|(key, value)| (key, without_nothing(value)));
            Json::Object(entries.filter(|(_, value)| !says_nothing(value)).collect())
        }
        json => json,
    }
}

fn patched(object: &Json, edits: &[Edit]) -> Json {
    let patch = to_json_patch(&Value::from(object), edits).unwrap();
    let patch: json_patch::Patch = serde_json::from_slice(&patch).unwrap();
    let mut object = object.clone();
    json_patch::patch(&mut object, &patch).unwrap();
    object
}

/// What others do to an object: another order of lists, and what the API server fills in.
fn served(json: &mut Json, turns: Index) {
    match json {
        Json::Array(items) => {
            for item in items.iter_mut() {
                served(item, turns);
            }
            if items.iter().all(|item| item.get("name").is_some()) && !items.is_empty() {
                let turn = turns.index(items.len());
                items.rotate_left(turn);
            }
        }
        Json::Object(map) => {
            for (key, value) in map.iter_mut() {
                served(value, turns);
                match (key.as_str(), value) {
                    ("fieldRef", Json::Object(field)) => drop(field.insert("apiVersion".into(), json!("v1"))),
                    ("resourceFieldRef", Json::Object(field)) => drop(field.insert("divisor".into(), json!("0"))),
                    ("configMap", Json::Object(source)) => drop(source.insert("defaultMode".into(), json!(420))),
                    _ => {}
                }
            }
            if map.contains_key("image") {
                map.insert("terminationMessagePath".into(), json!("/dev/termination-log"));
            }
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn removing_after_injecting_gives_the_original(json in workload(), configuration in settings()) {
        let object = Value::from(&json);
        let injected = apply(object.clone(), &plan(&object, &configuration).edits).unwrap();
        let edits = undo(&pod_template(&injected), &record_of(&injected));
        let removed = apply(injected.clone(), &edits).unwrap();
        prop_assert_eq!(without_nothing(removed.to_json()), without_nothing(json.clone()));
        let injected = injected.to_json();
        prop_assert_eq!(patched(&injected, &edits), removed.to_json());
    }

    #[test]
    fn the_patch_and_the_edits_say_the_same(json in workload(), configuration in settings()) {
        let object = Value::from(&json);
        let edits = plan(&object, &configuration).edits;
        prop_assert_eq!(patched(&json, &edits), apply(object, &edits).unwrap().to_json());
    }

    #[test]
    fn the_same_input_gives_the_same_plan(json in workload(), configuration in settings()) {
        let object = Value::from(&json);
        prop_assert_eq!(plan(&object, &configuration), plan(&object, &configuration));
    }

    #[test]
    fn what_was_injected_is_current_however_it_is_served(json in workload(), configuration in settings(), turns: Index) {
        let object = Value::from(&json);
        let edits = plan(&object, &configuration).edits;
        let mut injected = apply(object, &edits).unwrap().to_json();
        // Of a name that stands twice the order decides, so such lists are as they were.
        let has_twice = |container: &Json| {
            let names: Vec<_> = container["env"].as_array().into_iter().flatten().map(|entry| &entry["name"]).collect();
            (1..names.len()).any(|index| names[..index].contains(&names[index]))
        };
        let containers = &injected["spec"]["template"]["spec"]["containers"];
        if !containers.as_array().unwrap().iter().any(has_twice) {
            served(&mut injected, turns);
        }
        let value = Value::from(&injected);
        let state = state::compare(&pod_template(&value), &record_of(&value), |stripped| Ok(plan(stripped, &configuration)));
        prop_assert!(matches!(state, State::Current(_)));
    }

    #[test]
    fn a_new_configuration_over_an_old_injection_is_the_new_one_on_the_original(
        json in workload(), old in settings(), new in settings(),
    ) {
        let object = Value::from(&json);
        let injected = apply(object.clone(), &plan(&object, &old).edits).unwrap();
        let record = record_of(&injected);
        let stripped = state::strip(&pod_template(&injected), &record).unwrap();
        let renewed = apply(stripped.clone(), &plan(&stripped, &new).edits).unwrap();
        let fresh = apply(object.clone(), &plan(&object, &new).edits).unwrap();
        prop_assert_eq!(without_nothing(renewed.to_json()), without_nothing(fresh.to_json()));
    }

    #[test]
    fn every_name_of_ours_stands_once_and_what_it_refers_to_before_it(json in workload(), configuration in settings()) {
        let object = Value::from(&json);
        let injected = apply(object.clone(), &plan(&object, &configuration).edits).unwrap().to_json();
        let count = |list: &Json, name: &Json| {
            list.as_array().into_iter().flatten().filter(|entry| entry["name"] == *name).count()
        };
        for (before, after) in json["spec"]["template"]["spec"]["containers"].as_array().unwrap().iter()
            .zip(injected["spec"]["template"]["spec"]["containers"].as_array().unwrap())
        {
            let entries = after["env"].as_array().unwrap();
            for (index, entry) in entries.iter().enumerate() {
                let was = count(&before["env"], &entry["name"]);
                prop_assert!(count(&after["env"], &entry["name"]) <= was.max(1));
                // The user's own downward variables stand where the user put them.
                for name in ["OPENLIT_K8S_NAMESPACE", "OPENLIT_K8S_POD_UID", "OPENLIT_K8S_NODE_NAME"] {
                    if entry["value"].as_str().is_some_and(|text| text.contains(&format!("$({name})"))) {
                        prop_assert!(entries[..index].iter().any(|earlier| earlier["name"] == name));
                    }
                }
            }
        }
    }

    #[test]
    fn no_record_is_too_strange_to_be_read_or_undone(
        json in workload(), configuration in settings(), junk in ".{0,40}",
        names in prop::collection::vec(select(NAMES.to_vec()), 0..6), bytes in 0usize..40,
    ) {
        prop_assert!(Record::read(&junk, &Path::ROOT).is_err());
        let object = Value::from(&json);
        let injected = apply(object.clone(), &plan(&object, &configuration).edits).unwrap();
        let strange = ContainerRecord {
            without: names.iter().take(2).map(|name| (*name).into()).collect(),
            with: names.iter().skip(1).take(2).map(|name| (*name).into()).collect(),
            merged: names.iter().skip(2).map(|name| ((*name).into(), bytes)).collect(),
            filled: names.iter().skip(3).map(|name| (*name).into()).collect(),
            renamed: names.iter().skip(3).map(|name| (*name).into()).collect(),
        };
        let mut record = record_of(&injected);
        record.containers.insert("app".into(), strange);
        record.safe_to_evict = Some(bytes);
        for object in [&object, &injected] {
            let template = pod_template(object);
            let _ = state::examine(&template, &record);
            prop_assert!(state::strip(&template, &record).is_ok());
            let edits = undo(&template, &record);
            prop_assert_eq!(patched(&object.to_json(), &edits), apply(object.clone(), &edits).unwrap().to_json());
        }
    }
}
