//! The index finds all resources that matter: asking those alone has the same outcome as asking all.

use super::*;
use crate::api::resource;
use crate::manifest::workloads;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value as Json, json};

const KEYS: [&str; 4] = ["app", "team", "openlit.io/instrument", "pod-template-hash"];

fn label() -> impl Strategy<Value = String> {
    select(vec!["a", "b", "", "1e3", "true", "false"]).prop_map(str::to_owned)
}

fn requirement() -> impl Strategy<Value = Json> {
    let values = prop::collection::vec(label(), 1..3);
    (select(KEYS.to_vec()), select(vec!["In", "NotIn", "Exists", "DoesNotExist"]), values).prop_map(
        |(key, operator, values)| {
            if operator.ends_with("In") {
                json!({"key": key, "operator": operator, "values": values})
            } else {
                json!({"key": key, "operator": operator})
            }
        },
    )
}

fn selector() -> impl Strategy<Value = Json> {
    let labels = prop::collection::btree_map(select(KEYS.to_vec()), label(), 0..3);
    (labels, prop::collection::vec(requirement(), 0..2))
        .prop_filter("a selector is not empty", |(labels, requirements)| labels.len() + requirements.len() > 0)
        .prop_map(|(labels, requirements)| json!({"matchLabels": labels, "matchExpressions": requirements}))
}

/// A resource, and whether it applies everywhere.
fn resource() -> impl Strategy<Value = (AutoInstrumentation, bool)> {
    let metadata = (select(vec!["a", "b", "c"]), select(vec!["", "apps", "global", "other"]));
    let used = (0..2_i32, prop::bool::weighted(0.8), prop::bool::weighted(0.1));
    (metadata, used, selector(), prop::option::weighted(0.3, selector())).prop_map(
        |((name, namespace), (priority, enabled, everywhere), selector, ignore)| {
            let object = json!({
                "apiVersion": "openlit.io/v1alpha1", "kind": "AutoInstrumentation",
                "metadata": {"name": name, "namespace": namespace},
                "spec": {
                    "selector": selector, "ignore": ignore, "priority": priority,
                    "python": {"instrumentation": {"enabled": enabled}}, "otlp": {"endpoint": "http://c:4318"},
                },
            });
            (resource::read(&Value::from(&object)).unwrap(), everywhere)
        },
    )
}

fn labels() -> impl Strategy<Value = Json> {
    let value = prop_oneof![4 => label().prop_map(Json::from), 1 => Just(json!(null)), 1 => Just(json!(1000))];
    let all: Vec<&str> = KEYS.into_iter().chain(["other"]).collect();
    (subsequence(all, 0..=5), prop::collection::vec(value, 5)).prop_map(|(keys, values)| {
        keys.into_iter().map(str::to_owned).zip(values).collect::<serde_json::Map<_, _>>().into()
    })
}

/// A workload whose pods get labels from one place, or from two.
fn workload() -> impl Strategy<Value = Json> {
    let namespace = select(vec![json!(null), json!("apps"), json!("global"), json!("kube-system")]);
    (namespace, labels(), labels(), any::<bool>()).prop_map(|(namespace, labels, others, is_workflow)| {
        if is_workflow {
            let template = json!({"metadata": {"labels": labels}, "container": {"image": "python:3.11"}});
            json!({
                "apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow",
                "metadata": {"name": "w", "namespace": namespace},
                "spec": {"podMetadata": {"labels": others}, "templates": [template]},
            })
        } else {
            let template = json!({"metadata": {"labels": labels}, "spec": {"containers": []}});
            json!({
                "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": "w", "namespace": namespace, "labels": others},
                "spec": {"template": template},
            })
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]

    #[test]
    fn asking_those_that_are_found_is_asking_all(
        resources in prop::collection::vec(resource(), 0..12),
        workload in workload(),
    ) {
        let all: Vec<usize> = (0..resources.len()).collect();
        let settings = Settings { global_namespace: Some("global".to_owned()), ..Settings::default() };
        let engine = Engine::new(resources, &settings, None);
        let value = Value::from(&workload);
        let found = workloads(&value, &[]);
        let workload = &found.workloads[0];
        let template = &workload.templates[0];
        prop_assert_eq!(engine.select(workload, template), engine.select_among(&all, workload, template));
    }
}
