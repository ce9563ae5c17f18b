//! Other hands that instrument Python: their programs, their annotations on the pod, and the init
//! containers of the original operator. Data, and how it is found.

use super::command::{Command, file_name};
use crate::api::names;
use crate::manifest::{PodTemplate, Role};
use crate::value::{Map, Value};

/// Programs that instrument the program that follows them.
const PROGRAMS: &[&str] = &["openlit-instrument", "opentelemetry-instrument", "ddtrace-run", "newrelic-admin"];

/// Annotations that ask for Python instrumentation, unless they say `false`: the OpenTelemetry
/// operator (`internal/instrumentation/annotation.go`), the New Relic agents operator up to 0.x,
/// Datadog's admission controller (`pkg/clusteragent/admission/mutate/autoinstrumentation`), and what
/// Dash0's operator writes on what it instrumented (`internal/util/labels.go`; whether it does Python
/// is its own setting).
const ANNOTATIONS: &[&str] = &[
    "instrumentation.opentelemetry.io/inject-python",
    "instrumentation.newrelic.com/inject-python",
    "admission.datadoghq.com/python-lib.version",
    "admission.datadoghq.com/python-lib.custom-image",
    "dash0.com/instrumentation-delivery",
];

/// Datadog names single containers: `admission.datadoghq.com/<container>.python-lib.version`.
const DATADOG: &str = "admission.datadoghq.com/";
const DATADOG_OF_CONTAINER: &[&str] = &[".python-lib.version", ".python-lib.custom-image"];
/// Datadog's label that keeps its hands off a pod.
const DATADOG_ENABLED: &str = "admission.datadoghq.com/enabled";
/// Dash0's label on what it instrumented.
const DASH0_INSTRUMENTED: &str = "dash0.com/instrumented";

/// The program among a container's commands that instruments it.
pub fn program(commands: &[Command<'_>]) -> Option<&'static str> {
    let mut programs = commands.iter().filter_map(|command| command.first()).map(|program| file_name(program));
    programs.find_map(|program| PROGRAMS.iter().copied().find(|listed| *listed == program))
}

/// What says that another hand instruments the whole pod.
pub fn of_pod(template: &PodTemplate<'_>) -> Option<String> {
    annotation(template)
        .map(|key| format!("annotation {key}: remove it, or leave the pod to its owner"))
        .or_else(|| dash0(template))
        .or_else(|| init_container(template))
}

fn annotation<'v>(template: &PodTemplate<'v>) -> Option<&'v str> {
    let datadog_is_off = || text(template.label(DATADOG_ENABLED)) == Some("false");
    let entries = template.annotation_maps().filter_map(Value::as_map).flat_map(Map::iter);
    entries
        .filter(|(key, _)| ANNOTATIONS.contains(key) || is_datadogs_container(key))
        .filter(|(_, value)| !value.as_text().unwrap_or_default().trim().is_empty())
        .filter(|(_, value)| !value.as_text().is_some_and(|value| value.trim().eq_ignore_ascii_case("false")))
        .find(|(key, _)| !(key.starts_with(DATADOG) && datadog_is_off()))
        .map(|(key, _)| key)
}

fn is_datadogs_container(key: &str) -> bool {
    key.strip_prefix(DATADOG).is_some_and(|rest| DATADOG_OF_CONTAINER.iter().any(|end| rest.ends_with(end)))
}

fn dash0(template: &PodTemplate<'_>) -> Option<String> {
    let instrumented = text(template.label(DASH0_INSTRUMENTED)) == Some("true");
    instrumented
        .then(|| format!("label {DASH0_INSTRUMENTED}: opt the workload out of Dash0 with dash0.com/enable: \"false\""))
}

/// The original operator left no annotation; ours is there wherever ours is.
fn init_container(template: &PodTemplate<'_>) -> Option<String> {
    if template.annotation(names::ANNOTATION_INJECTION).is_some() {
        return None;
    }
    let is_original = |name: &str| {
        name == names::INIT_CONTAINER || name == "auto-instrumentation" || name.starts_with("auto-instrumentation-")
    };
    let container =
        template.containers.iter().find(|container| container.role != Role::App && is_original(&container.name))?;
    Some(format!(
        "init container {} of the original operator: remove it, its volume, mount and variables, or recreate the pod \
         without that operator",
        container.name
    ))
}

fn text<'v>(value: Option<&'v Value<'v>>) -> Option<&'v str> {
    value.and_then(Value::as_text)
}

#[cfg(test)]
mod tests {
    use super::super::command::commands;
    use super::*;
    use crate::manifest::workloads;
    use serde_json::{Value as Json, json};

    #[test]
    fn programs_of_other_hands_are_known() {
        for (command, expected) in [
            (&["opentelemetry-instrument", "python", "app.py"][..], Some("opentelemetry-instrument")),
            (&["/venv/bin/ddtrace-run", "gunicorn"], Some("ddtrace-run")),
            (&["newrelic-admin", "run-program", "uvicorn"], Some("newrelic-admin")),
            (&["sh", "-c", "exec openlit-instrument python app.py"], Some("openlit-instrument")),
            (&["uv", "run", "opentelemetry-instrument", "python"], Some("opentelemetry-instrument")),
            (&["/var/run/argo/argoexec", "emissary", "--", "ddtrace-run", "x"], Some("ddtrace-run")),
            (&["python", "ddtrace-run"], None),
            (&["pip", "install", "opentelemetry-instrument"], None),
            (&["python", "app.py"], None),
        ] {
            let json = json!({"command": command});
            assert_eq!(program(&commands(&Value::from(&json))), expected, "{command:?}");
        }
    }

    fn whole(labels: &Json, annotations: &Json, init: &str) -> Option<String> {
        let pod = json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"labels": labels, "annotations": annotations},
            "spec": {"initContainers": [{"name": init}], "containers": [{"name": "auto-instrumentation-app"}]}});
        let value = Value::from(&pod);
        of_pod(&workloads(&value, &[]).workloads[0].templates[0])
    }

    #[test]
    fn annotations_of_other_hands_are_known() {
        for (annotation, value, expected) in [
            ("instrumentation.opentelemetry.io/inject-python", "true", true),
            ("instrumentation.opentelemetry.io/inject-python", "observability/python", true),
            ("instrumentation.opentelemetry.io/inject-python", "false", false),
            ("instrumentation.opentelemetry.io/inject-python", "", false),
            ("instrumentation.opentelemetry.io/inject-java", "true", false),
            ("instrumentation.newrelic.com/inject-python", "true", true),
            ("admission.datadoghq.com/python-lib.version", "v2", true),
            ("admission.datadoghq.com/app.python-lib.version", "v2", true),
            ("admission.datadoghq.com/java-lib.version", "v1", false),
            ("dash0.com/instrumentation-delivery", "init-container", true),
            ("openlit.io/inject-python", "true", false),
        ] {
            assert_eq!(whole(&json!({}), &json!({annotation: value}), "x").is_some(), expected, "{annotation}={value}");
        }
        let datadog = json!({"admission.datadoghq.com/python-lib.version": "v2"});
        assert_eq!(whole(&json!({"admission.datadoghq.com/enabled": "false"}), &datadog, "x"), None);
        assert!(whole(&json!({"dash0.com/instrumented": "true"}), &json!({}), "x").is_some());
        assert_eq!(whole(&json!({"dash0.com/instrumented": "false"}), &json!({}), "x"), None);
    }

    #[test]
    fn init_containers_of_the_original_operator_are_known_unless_they_are_ours() {
        for (init, expected) in [
            ("openlit-init", true),
            ("auto-instrumentation", true),
            ("auto-instrumentation-openlit", true),
            ("auto-instrumentations", false),
            ("migrate", false),
        ] {
            assert_eq!(whole(&json!({}), &json!({}), init).is_some(), expected, "{init}");
            assert_eq!(whole(&json!({}), &json!({"openlit.io/injection": "{}"}), init), None, "{init}");
        }
    }
}
