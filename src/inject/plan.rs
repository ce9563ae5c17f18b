//! The plan: everything that instrumenting a template changes, as edits of the object as it was, and
//! what is worth knowing about it. Which template and which containers is decided elsewhere.

use super::configuration::{Configuration, Headers, InitImage, Packages};
use super::digest::{Added, AddedToContainer};
use super::environment::{Configured, environment, name_of};
use super::init_container::{init_container, without_dependencies};
use super::record::{Record, VERSION};
use super::resource_attributes::Facts;
use super::volumes::{mounts, safe_to_evict, volumes};
use crate::api::image::Image;
use crate::api::{Finding, Reason, names};
use crate::manifest::{Container, PodTemplate};
use crate::value::{Edit, Value};

/// What instrumenting a template changes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// The edits, addressed to the object as it was.
    pub edits: Vec<Edit>,
    /// What is worth knowing about them.
    pub notes: Vec<Finding>,
    /// What the annotation says: all that decides whether two plans add the same.
    pub record: Record,
}

/// Plans the instrumentation of the chosen containers (indexes into [`PodTemplate::containers`]) of a
/// template that carries no injection. Without chosen containers there is nothing to do.
///
/// # Errors
/// The reason why the whole template is left alone: [`Reason::NameConflict`] where something foreign has
/// one of our names, [`Reason::UnsupportedYaml`] where a field is not what Kubernetes takes.
pub fn inject(template: &PodTemplate<'_>, chosen: &[usize], configuration: &Configuration) -> Result<Plan, Finding> {
    inject_by(template, chosen, configuration, configuration.digest())
}

/// The same by a configuration whose digest is known.
///
/// # Errors
/// The same.
pub fn inject_by(
    template: &PodTemplate<'_>,
    chosen: &[usize],
    configuration: &Configuration,
    digest: String,
) -> Result<Plan, Finding> {
    let mut indexes = chosen.to_vec();
    indexes.sort_unstable();
    indexes.dedup();
    let chosen: Vec<&Container<'_>> = indexes.iter().filter_map(|index| template.containers.get(*index)).collect();
    if chosen.is_empty() {
        return Ok(Plan::default());
    }
    check_names(template, &chosen)?;

    let mut notes = Vec::new();
    let facts = Facts::new(template, configuration);
    let (configured, duplicates) = Configured::new(configuration);
    for name in duplicates {
        notes.push(
            Finding::new(Reason::DuplicateVariable, template.at.clone())
                .with(format!("{name} of {}", configuration.name)),
        );
    }
    let mut record = Record {
        v: VERSION,
        configuration: configuration.name.clone(),
        digest,
        volumes: field_of(&configuration.volumes, "name"),
        mounts: field_of(&configuration.volume_mounts, "mountPath"),
        init_env: field_of(&configuration.init_env, "name"),
        init_mounts: field_of(&configuration.init_volume_mounts, "mountPath"),
        ..Record::default()
    };

    let mut parts = Vec::with_capacity(chosen.len());
    for container in &chosen {
        let (environment, of_container) = environment(container, &facts, configuration, &configured, &mut notes)?;
        record.containers.insert(container.name.clone().into_owned(), of_container);
        parts.push((*container, environment, mounts(container, configuration)?));
    }
    let (volume_index, volumes) = volumes(template, configuration)?;
    let (init_index, init) = init_container(template, &chosen, configuration)?;
    let evict = safe_to_evict(template)?;
    record.safe_to_evict = evict.recorded();

    let added = Added {
        containers: parts
            .iter()
            .map(|(container, environment, (_, mounts))| {
                let env = environment.entries().collect();
                let merged = environment.merged().collect();
                (container.name.as_ref(), AddedToContainer { env, merged, mounts: mounts.iter().collect() })
            })
            .collect(),
        volumes: volumes.iter().collect(),
        init: Some(&init),
        safe_to_evict: evict.ours(),
    };
    record.added = added.digest(&record).unwrap_or_default();
    let header = parts.iter().any(|(_, environment, _)| {
        environment.entries().any(|entry| name_of(entry) == Some(names::ENV_HEADERS))
            && !configured.has(names::ENV_HEADERS)
    });
    describe(template, configuration, header, &mut notes);

    let mut edits = Vec::with_capacity(4 + 4 * parts.len());
    for (container, environment, (index, mounts)) in parts {
        environment.into_edits(container, &mut edits);
        edits.push(Edit::Insert { list: container.at.key("volumeMounts"), at: index, items: mounts });
    }
    edits.push(Edit::Insert { list: template.spec.key("volumes"), at: volume_index, items: volumes });
    edits.push(Edit::Insert { list: template.spec.key("initContainers"), at: init_index, items: vec![init] });
    edits.extend(evict.into_edit(&template.annotations));
    edits.push(Edit::Add {
        map: template.annotations.clone(),
        key: names::ANNOTATION_INJECTION.to_owned(),
        value: Value::text(record.to_text()),
    });
    Ok(Plan { edits, notes, record })
}

/// What must hold so that everything can be found again by name.
fn check_names(template: &PodTemplate<'_>, chosen: &[&Container<'_>]) -> Result<(), Finding> {
    for container in chosen {
        if container.name.is_empty() || container.value.as_map().is_none() {
            let finding = Finding::new(Reason::UnsupportedYaml, container.at.clone());
            return Err(finding.with("the container has no name"));
        }
        if template.containers.iter().filter(|other| other.name == container.name).count() > 1 {
            let finding = Finding::new(Reason::NameConflict, container.at.clone());
            return Err(finding.with(format!("two containers are named {}", container.name)));
        }
    }
    match template.object.at(&template.annotations) {
        Some(annotations) if annotations.as_map().is_none() && !annotations.is_null() => {
            Err(Finding::new(Reason::UnsupportedYaml, template.annotations.clone()).with("annotations are not a map"))
        }
        Some(annotations) if annotations.get(names::ANNOTATION_INJECTION).is_some() => {
            let at = template.annotations.key(names::ANNOTATION_INJECTION);
            Err(Finding::new(Reason::NameConflict, at).with("the template carries an injection"))
        }
        _ => Ok(()),
    }
}

fn field_of(items: &[Value<'static>], field: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::with_capacity(items.len());
    for name in items.iter().filter_map(|item| item.get(field).and_then(Value::as_text)) {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

/// Notes on the template as a whole.
fn describe(template: &PodTemplate<'_>, configuration: &Configuration, header: bool, notes: &mut Vec<Finding>) {
    let mut note =
        |reason, at: &crate::value::Path, detail: &str| notes.push(Finding::new(reason, at.clone()).with(detail));
    let InitImage { reference, packages } = &configuration.init_image;
    if Image::parse(reference).is_latest() {
        note(Reason::LatestTag, &template.at, reference);
    }
    if header && matches!(configuration.headers, Some(Headers::Literal(_))) {
        note(Reason::SecretInManifest, &template.at, &configuration.name);
    }
    if template.immutable {
        note(Reason::ImmutableTemplate, &template.at, "");
    }
    let text = |field| template.field(field).and_then(Value::as_text);
    if template.field("hostNetwork").and_then(Value::as_bool) == Some(true)
        && matches!(text("dnsPolicy"), None | Some("ClusterFirst" | ""))
    {
        note(Reason::HostNetworkDns, &template.spec.key("hostNetwork"), "");
    }
    if !configuration.custom_packages.is_empty() {
        if configuration.no_deps.is_none() && without_dependencies(configuration) {
            note(Reason::PackagesWithoutDependencies, &template.at, &configuration.custom_packages.join(", "));
        }
        if *packages == Packages::Prelit {
            note(Reason::PurePackagesOnly, &template.at, &configuration.custom_packages.join(", "));
        }
        if let Some(mesh) = mesh(template) {
            note(Reason::PackagesUnderMesh, &template.at, mesh);
        }
    }
}

/// The mesh that captures what the pod's init containers send, where the template shows one.
fn mesh(template: &PodTemplate<'_>) -> Option<&'static str> {
    let says = |key: &str, word: &str| {
        [template.label(key), template.annotation(key)].iter().any(|value| value.and_then(Value::as_text) == Some(word))
    };
    let has = |names: &[&str]| template.containers.iter().any(|container| names.contains(&container.name.as_ref()));
    if says("sidecar.istio.io/inject", "true") || has(&["istio-proxy", "istio-init", "istio-validation"]) {
        Some("Istio")
    } else if says("linkerd.io/inject", "enabled")
        || has(&["linkerd-proxy", "linkerd-init", "linkerd-network-validator"])
    {
        Some("Linkerd")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inject::configuration::Provider;
    use crate::inject::testing::{Template, configuration, injected, notes, refusal, values, variable, variables};
    use serde_json::json;

    #[test]
    fn notes_say_what_is_worth_knowing() {
        let mut configuration = configuration();
        let mut object = Template::new();
        assert_eq!(notes(&object, &configuration), [Reason::PythonPathHidden]);
        configuration.init_image.reference = "a:latest".into();
        assert!(notes(&object, &configuration).contains(&Reason::LatestTag));
        object.immutable = true;
        assert!(notes(&object, &configuration).contains(&Reason::ImmutableTemplate));
        for (dns, expected) in
            [(json!(null), true), (json!("ClusterFirst"), true), (json!("ClusterFirstWithHostNet"), false)]
        {
            object = object.spec(json!({"hostNetwork": true, "dnsPolicy": dns}));
            assert_eq!(notes(&object, &configuration).contains(&Reason::HostNetworkDns), expected, "{dns}");
        }
        object = object.label("sidecar.istio.io/inject", "true");
        assert!(!notes(&object, &configuration).contains(&Reason::PackagesUnderMesh));
        configuration.custom_packages = vec!["a".into()];
        assert!(notes(&object, &configuration).contains(&Reason::PackagesUnderMesh));
        let object = Template::new().annotation("linkerd.io/inject", "enabled");
        assert!(notes(&object, &configuration).contains(&Reason::PackagesUnderMesh));
    }

    #[test]
    fn the_annotation_of_an_ordinary_workload() {
        let (template, plan) = injected(&Template::new(), &configuration());
        let text = template["metadata"]["annotations"]["openlit.io/injection"].as_str().unwrap();
        let Record { digest, added, .. } = &plan.record;
        assert_eq!(
            text,
            format!(
                r#"{{"v":1,"configuration":"(settings)","digest":"{digest}","added":"{added}","containers":{{"app":{{}}}}}}"#
            )
        );
    }

    #[test]
    fn a_container_that_cannot_be_found_again_by_name_is_not_touched() {
        let twice =
            Template::containers(json!([{"name": "app", "image": "python"}, {"name": "app", "image": "python"}]));
        assert_eq!(refusal(&twice, &configuration()).0, Reason::NameConflict);
        let nameless = Template::containers(json!([{"image": "python"}]));
        assert_eq!(refusal(&nameless, &configuration()).0, Reason::UnsupportedYaml);
        let annotated = Template::new().annotation("openlit.io/injection", "{}");
        assert_eq!(refusal(&annotated, &configuration()).0, Reason::NameConflict);
    }

    #[test]
    fn without_a_chosen_container_there_is_nothing_to_do() {
        let object = Template::new();
        let value = object.value();
        assert_eq!(inject(&object.template(&value), &[], &configuration()), Ok(Plan::default()));
    }

    // The examples of the original operator's documentation, as it meant them.

    #[test]
    fn example_1_a_deployment_and_the_default_configuration() {
        let (template, _) = injected(&Template::new().lead("chat", Some("k8s.deployment.name")), &configuration());
        let spec = &template["spec"];
        assert_eq!(spec["volumes"], json!([{"name": "instrumentation-packages", "emptyDir": {}}]));
        assert_eq!(spec["initContainers"].as_array().unwrap().len(), 1);
        assert_eq!(spec["containers"][0]["image"], "python:3.11-slim");
        assert_eq!(spec["containers"][0]["volumeMounts"].as_array().unwrap().len(), 1);
        assert_eq!(spec["containers"][0]["env"].as_array().unwrap().len(), 13);
    }

    #[test]
    fn example_2_a_custom_provider_and_a_stateful_set() {
        let mut configuration = configuration();
        configuration.provider = Provider::Custom;
        configuration.init_image.reference = "my-registry.com/custom-instrumentation:v2.0.0".into();
        configuration.init_image.packages = Packages::Unknown;
        configuration.pull_policy = "Always".into();
        configuration.custom_packages = vec!["my-sdk>=2.0.0".into(), "custom-metrics==1.5.0".into()];
        configuration.custom_packages_text = Some("my-sdk>=2.0.0,custom-metrics==1.5.0".into());
        configuration.endpoint = "http://openlit:4318".into();
        configuration.headers = Some(Headers::Literal("authorization=Bearer abc".into()));
        configuration.timeout = Some(60);
        configuration.environment = "production".into();
        configuration.env = values(json!([
            {"name": "OTEL_SERVICE_NAME", "value": "custom-ai-service"},
            {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        ]));
        let object = Template::containers(json!([
            {"name": "trainer", "image": "my-registry.com/ml/trainer:2.4", "command": ["python"], "args": ["train.py"]},
        ]))
        .label("app.kubernetes.io/name", "ml")
        .label("app.kubernetes.io/version", "2.4")
        .lead("ml", Some("k8s.statefulset.name"));
        assert_eq!(
            variables(&object, &configuration)[4..],
            [
                "OTEL_SERVICE_NAME=custom-ai-service",
                r#"KEY: {"secretKeyRef":{"key":"k","name":"s"}}"#,
                "PYTHONPATH=/instrumentation-packages",
                "OTEL_EXPORTER_OTLP_ENDPOINT=http://openlit:4318",
                "OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer abc",
                "OTEL_EXPORTER_OTLP_TIMEOUT=60",
                "OTEL_SERVICE_NAMESPACE=$(OPENLIT_K8S_NAMESPACE)",
                "OTEL_SERVICE_VERSION=2.4",
                "OTEL_SERVICE_INSTANCE_ID=$(OPENLIT_K8S_NAMESPACE).$(OPENLIT_K8S_POD_NAME).trainer",
                "OTEL_DEPLOYMENT_ENVIRONMENT=production",
                "OTEL_RESOURCE_ATTRIBUTES=deployment.environment=production,deployment.environment.name=production,\
                 k8s.container.name=trainer,k8s.namespace.name=$(OPENLIT_K8S_NAMESPACE),\
                 k8s.node.name=$(OPENLIT_K8S_NODE_NAME),k8s.pod.name=$(OPENLIT_K8S_POD_NAME),\
                 k8s.pod.uid=$(OPENLIT_K8S_POD_UID),k8s.statefulset.name=ml,\
                 service.instance.id=$(OPENLIT_K8S_NAMESPACE).$(OPENLIT_K8S_POD_NAME).trainer,\
                 service.namespace=$(OPENLIT_K8S_NAMESPACE),service.version=2.4",
                "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true",
                "OPENLIT_DETAILED_TRACING=false",
                "CUSTOM_PACKAGES=my-sdk>=2.0.0,custom-metrics==1.5.0",
            ]
        );
        let (template, plan) = injected(&object, &configuration);
        assert_eq!(template["spec"]["containers"][0]["command"], json!(["python"]));
        assert_eq!(
            template["spec"]["initContainers"][0]["args"],
            json!(["--", "my-sdk>=2.0.0", "custom-metrics==1.5.0"])
        );
        assert_eq!(
            plan.record.containers["trainer"].with,
            [
                "KEY",
                "OTEL_EXPORTER_OTLP_HEADERS",
                "OTEL_EXPORTER_OTLP_TIMEOUT",
                "OTEL_SERVICE_VERSION",
                "CUSTOM_PACKAGES"
            ]
        );
    }

    #[test]
    fn example_3_what_is_there_already_wins_and_is_merged() {
        let mut configuration = configuration();
        configuration.headers = Some(Headers::Literal("x-api-key=s".into()));
        let object = Template::of(json!({"spec": {
            "volumes": [{"name": "cfg", "configMap": {"name": "rag"}}],
            "initContainers": [{"name": "migrate", "image": "python:3.11-slim"}],
            "containers": [{
                "name": "app",
                "image": "ghcr.io/acme/rag:3",
                "env": [
                    {"name": "PYTHONPATH", "value": "/app:/lib"},
                    {"name": "OTEL_SERVICE_NAME", "value": "mine"},
                    {"name": "OTEL_RESOURCE_ATTRIBUTES", "value": "team=ai, k8s.deployment.name=my-rag,bogus"},
                    {"name": "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "value": "false"},
                ],
                "volumeMounts": [{"name": "cfg", "mountPath": "/etc/rag"}],
            }],
        }}))
        .label("app.kubernetes.io/instance", "rag-prod")
        .annotation("resource.opentelemetry.io/service.version", "9.1")
        .lead("rag", Some("k8s.deployment.name"));
        assert_eq!(
            variables(&object, &configuration)[4..],
            [
                "PYTHONPATH=/instrumentation-packages:/app:/lib",
                "OTEL_SERVICE_NAME=mine",
                "OTEL_RESOURCE_ATTRIBUTES=deployment.environment=kubernetes,deployment.environment.name=kubernetes,\
                 k8s.container.name=app,k8s.namespace.name=$(OPENLIT_K8S_NAMESPACE),\
                 k8s.node.name=$(OPENLIT_K8S_NODE_NAME),k8s.pod.name=$(OPENLIT_K8S_POD_NAME),\
                 k8s.pod.uid=$(OPENLIT_K8S_POD_UID),\
                 service.instance.id=$(OPENLIT_K8S_NAMESPACE).$(OPENLIT_K8S_POD_NAME).app,\
                 service.namespace=$(OPENLIT_K8S_NAMESPACE),service.version=9.1,\
                 team=ai, k8s.deployment.name=my-rag,bogus",
                "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=false",
                "OTEL_EXPORTER_OTLP_ENDPOINT=http://openlit.default.svc.cluster.local:4318",
                "OTEL_EXPORTER_OTLP_HEADERS=x-api-key=s",
                "OTEL_SERVICE_NAMESPACE=$(OPENLIT_K8S_NAMESPACE)",
                "OTEL_SERVICE_VERSION=9.1",
                "OTEL_SERVICE_INSTANCE_ID=$(OPENLIT_K8S_NAMESPACE).$(OPENLIT_K8S_POD_NAME).app",
                "OTEL_DEPLOYMENT_ENVIRONMENT=kubernetes",
                "OPENLIT_DETAILED_TRACING=false",
            ]
        );
        let (template, plan) = injected(&object, &configuration);
        let names = |list: &str| -> Vec<String> {
            let items = template["spec"][list].as_array().unwrap();
            items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(names("initContainers"), ["migrate", "openlit-init"]);
        assert_eq!(names("volumes"), ["cfg", "instrumentation-packages"]);
        let container = &plan.record.containers["app"];
        assert_eq!(container.without, ["OTEL_SERVICE_NAME", "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"]);
        assert_eq!(container.merged["PYTHONPATH"], 26);
    }

    #[test]
    fn example_4_of_several_containers_only_the_chosen_change() {
        let object = Template::containers(json!([
            {"name": "web", "image": "acme/web:1", "command": ["uvicorn", "app:app"]},
            {"name": "worker", "image": "python:3.11-alpine", "command": ["celery"]},
            {"name": "nginx", "image": "nginx:1.27"},
            {"name": "istio-proxy", "image": "istio/proxyv2:1.24"},
        ]))
        .lead("agent", Some("k8s.deployment.name"));
        let value = object.value();
        let plan = inject(&object.template(&value), &[1, 0, 1], &configuration()).unwrap();
        let json = crate::value::edit::apply(object.value(), &plan.edits).unwrap().to_json();
        let containers = &json["spec"]["template"]["spec"]["containers"];
        for index in [2, 3] {
            assert_eq!(containers[index], object.object["spec"]["template"]["spec"]["containers"][index]);
        }
        for (index, name) in [(0, "web"), (1, "worker")] {
            let instance = containers[index]["env"]
                .as_array()
                .unwrap()
                .iter()
                .find(|entry| entry["name"] == "OTEL_SERVICE_INSTANCE_ID");
            let expected = format!("$(OPENLIT_K8S_NAMESPACE).$(OPENLIT_K8S_POD_NAME).{name}");
            assert_eq!(instance.unwrap()["value"], json!(expected));
        }
        assert_eq!(plan.record.containers.keys().collect::<Vec<_>>(), ["web", "worker"]);
        assert_eq!(variable(&object, &configuration(), "OTEL_SERVICE_NAME").as_deref(), Some("agent"));
    }
}
