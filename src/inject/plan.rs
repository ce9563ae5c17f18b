//! The plan: everything that instrumenting a template changes, as edits of the object as it was, and
//! what is worth knowing about it. Which template and which containers is decided elsewhere.

use super::configuration::{Configuration, Headers};
use super::digest::{Added, AddedToContainer};
use super::environment::{Configured, environment, name_of};
use super::init_container::{init_container, without_dependencies};
use super::record::{Record, VERSION, configuration_digest};
use super::resource_attributes::Facts;
use super::volumes::{mounts, safe_to_evict, volumes};
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
        digest: configuration_digest(configuration),
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
    if has_latest_tag(&configuration.init_image) {
        note(Reason::LatestTag, &template.at, &configuration.init_image);
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
        if let Some(mesh) = mesh(template) {
            note(Reason::PackagesUnderMesh, &template.at, mesh);
        }
    }
}

/// Whether an image has the tag `latest`, or neither tag nor digest, which means the same.
fn has_latest_tag(image: &str) -> bool {
    let name = image.rsplit('/').next().unwrap_or(image);
    !name.contains('@') && name.split_once(':').is_none_or(|(_, tag)| tag == "latest")
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
