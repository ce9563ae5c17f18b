//! The volume of the packages, its mounts, those of the configuration, and the annotation that
//! keeps it from holding a node. What has our name already and is not ours is a conflict: it is never
//! adopted, and never duplicated. Knows nothing of variables.

use super::configuration::Configuration;
use crate::api::{Finding, Reason, names};
use crate::manifest::{Container, PodTemplate};
use crate::value::{Edit, Path, Value};

/// The items of a list field, none where it is absent or null.
///
/// # Errors
/// Where it is something else than a list.
pub(super) fn list_of<'v>(value: Option<&'v Value<'v>>, at: impl FnOnce() -> Path) -> Result<&'v [Value<'v>], Finding> {
    match value {
        None => Ok(&[]),
        Some(Value::List(items)) => Ok(items),
        Some(value) if value.is_null() => Ok(&[]),
        Some(_) => Err(Finding::new(Reason::UnsupportedYaml, at()).with("not a list")),
    }
}

fn text_of<'v>(item: &'v Value<'_>, field: &str) -> &'v str {
    item.get(field).and_then(Value::as_text).unwrap_or_default()
}

/// Whether two paths are one for the kubelet.
pub(super) fn same_path(a: &str, b: &str) -> bool {
    fn parts(path: &str) -> impl Iterator<Item = &str> {
        path.split('/').filter(|part| !part.is_empty() && *part != ".")
    }
    a == b || parts(a).eq(parts(b))
}

/// The mount of the packages in an instrumented container.
pub(super) fn mount() -> Value<'static> {
    Value::map([
        ("name", Value::text(names::VOLUME)),
        ("mountPath", Value::text(names::MOUNT_PATH)),
        ("readOnly", Value::bool(true)),
    ])
}

/// The new volumes of the pod: ours, then the configuration's.
///
/// # Errors
/// [`Reason::NameConflict`] where the pod has one of the names already, or gets it from elsewhere.
pub(super) fn volumes(
    template: &PodTemplate<'_>,
    configuration: &Configuration,
) -> Result<(usize, Vec<Value<'static>>), Finding> {
    let at = || template.spec.key("volumes");
    let present = list_of(template.field("volumes"), at)?;
    let source = match &configuration.volume_size_limit {
        Some(limit) => Value::map([("sizeLimit", Value::text(limit.clone()))]),
        None => Value::Map(crate::value::Map::default()),
    };
    let mut new = Vec::with_capacity(1 + configuration.volumes.len());
    new.push(Value::map([("name", Value::text(names::VOLUME)), ("emptyDir", source)]));
    new.extend(configuration.volumes.iter().cloned());
    for (index, volume) in new.iter().enumerate() {
        let name = text_of(volume, "name");
        let conflict = |at: Path| Err(Finding::new(Reason::NameConflict, at).with(format!("volume {name}")));
        if let Some(index) = present.iter().position(|volume| text_of(volume, "name") == name) {
            return conflict(at().index(index));
        }
        if template.other_volumes.iter().any(|other| other == name)
            || new[..index].iter().any(|other| text_of(other, "name") == name)
        {
            return conflict(template.spec.clone());
        }
    }
    Ok((present.len(), new))
}

/// The new mounts of an instrumented container: ours, then the configuration's.
///
/// # Errors
/// [`Reason::NameConflict`] where something else is mounted at one of the paths.
pub(super) fn mounts(
    container: &Container<'_>,
    configuration: &Configuration,
) -> Result<(usize, Vec<Value<'static>>), Finding> {
    let at = || container.at.key("volumeMounts");
    let present = list_of(container.value.get("volumeMounts"), at)?;
    let devices = container.value.get("volumeDevices").and_then(Value::as_list).unwrap_or_default();
    let mut new = Vec::with_capacity(1 + configuration.volume_mounts.len());
    new.push(mount());
    new.extend(configuration.volume_mounts.iter().cloned());
    for (index, mount) in new.iter().enumerate() {
        let path = text_of(mount, "mountPath");
        let conflict = |at: Path| Err(Finding::new(Reason::NameConflict, at).with(format!("mount path {path}")));
        if let Some(index) = present.iter().position(|mount| same_path(text_of(mount, "mountPath"), path)) {
            return conflict(at().index(index));
        }
        if devices.iter().any(|device| same_path(text_of(device, "devicePath"), path))
            || new[..index].iter().any(|other| same_path(text_of(other, "mountPath"), path))
        {
            return conflict(container.at.clone());
        }
    }
    Ok((present.len(), new))
}

/// How the volume's name comes into the autoscaler's annotation.
#[derive(Debug, PartialEq)]
pub(super) enum SafeToEvict {
    /// The annotation is ours: its text.
    New(String),
    /// Before the user's text.
    Before(String),
    /// It says so already.
    Present,
}

/// Decides about the autoscaler's annotation.
///
/// # Errors
/// Where the user's is not text.
pub(super) fn safe_to_evict(template: &PodTemplate<'_>) -> Result<SafeToEvict, Finding> {
    let own = template.object.at(&template.annotations).and_then(|map| map.get(names::ANNOTATION_SAFE_TO_EVICT));
    if let Some(Value::List(_) | Value::Map(_)) = own {
        let at = template.annotations.key(names::ANNOTATION_SAFE_TO_EVICT);
        return Err(Finding::new(Reason::UnsupportedYaml, at).with("not text"));
    }
    // One that the pods get from elsewhere would be hidden by ours, so ours says the same.
    let text = match own {
        Some(value) => value.as_text(),
        None => template.annotation(names::ANNOTATION_SAFE_TO_EVICT).and_then(Value::as_text),
    };
    let text = text.unwrap_or_default();
    let volume = names::VOLUME;
    Ok(match own {
        _ if text.split(',').any(|name| name.trim() == volume) => SafeToEvict::Present,
        None if text.is_empty() => SafeToEvict::New(volume.to_owned()),
        None => SafeToEvict::New(format!("{volume},{text}")),
        Some(_) if text.is_empty() => SafeToEvict::Before(volume.to_owned()),
        Some(_) => SafeToEvict::Before(format!("{volume},")),
    })
}

impl SafeToEvict {
    /// Our part of its text.
    pub(super) fn ours(&self) -> &str {
        match self {
            SafeToEvict::New(text) | SafeToEvict::Before(text) => text,
            SafeToEvict::Present => "",
        }
    }

    /// What the record says of it.
    pub(super) fn recorded(&self) -> Option<usize> {
        match self {
            SafeToEvict::New(_) => None,
            SafeToEvict::Before(text) => Some(text.len()),
            SafeToEvict::Present => Some(0),
        }
    }

    /// The edit that carries it out.
    pub(super) fn into_edit(self, annotations: &Path) -> Option<Edit> {
        let key = names::ANNOTATION_SAFE_TO_EVICT;
        match self {
            SafeToEvict::New(text) => {
                Some(Edit::Add { map: annotations.clone(), key: key.to_owned(), value: Value::text(text) })
            }
            SafeToEvict::Before(text) => Some(Edit::Prefix { scalar: annotations.key(key), text }),
            SafeToEvict::Present => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inject::testing::{Template, configuration, injected, refusal, values};
    use serde_json::json;

    const EVICT: &str = names::ANNOTATION_SAFE_TO_EVICT;

    #[test]
    fn the_volume_is_appended_and_mounted_read_only() {
        let object = Template::container(json!({"volumeMounts": [{"name": "cfg", "mountPath": "/etc/rag"}]}))
            .spec(json!({"volumes": [{"name": "cfg", "configMap": {"name": "rag"}}]}));
        let (template, _) = injected(&object, &configuration());
        assert_eq!(
            template["spec"]["volumes"],
            json!([{"name": "cfg", "configMap": {"name": "rag"}}, {"name": "instrumentation-packages", "emptyDir": {}}])
        );
        assert_eq!(
            template["spec"]["containers"][0]["volumeMounts"],
            json!([
                {"name": "cfg", "mountPath": "/etc/rag"},
                {"name": "instrumentation-packages", "mountPath": "/instrumentation-packages", "readOnly": true},
            ])
        );
    }

    #[test]
    fn the_volume_has_a_size_limit_when_one_is_set() {
        let mut configuration = configuration();
        configuration.volume_size_limit = Some("1Gi".into());
        let (template, _) = injected(&Template::new(), &configuration);
        assert_eq!(template["spec"]["volumes"][0]["emptyDir"], json!({"sizeLimit": "1Gi"}));
    }

    #[test]
    fn the_configurations_volumes_and_mounts_are_added_the_same_way() {
        let mut configuration = configuration();
        configuration.volumes = values(json!([{"name": "certs", "secret": {"secretName": "ca"}}]));
        configuration.volume_mounts = values(json!([{"name": "certs", "mountPath": "/etc/ca", "readOnly": true}]));
        let (template, plan) = injected(&Template::new(), &configuration);
        assert_eq!(template["spec"]["volumes"][1], json!({"name": "certs", "secret": {"secretName": "ca"}}));
        assert_eq!(template["spec"]["containers"][0]["volumeMounts"][1]["mountPath"], "/etc/ca");
        assert_eq!((plan.record.volumes, plan.record.mounts), (vec!["certs".to_owned()], vec!["/etc/ca".to_owned()]));
    }

    #[test]
    fn what_has_our_name_and_is_not_ours_is_a_conflict() {
        let volume = Template::new()
            .spec(json!({"volumes": [{"name": "instrumentation-packages", "configMap": {"name": "x"}}]}));
        let mut claim = Template::new();
        claim.other_volumes = vec!["instrumentation-packages".into()];
        let mount =
            Template::container(json!({"volumeMounts": [{"name": "x", "mountPath": "/instrumentation-packages/"}]}));
        let device =
            Template::container(json!({"volumeDevices": [{"name": "x", "devicePath": "/instrumentation-packages"}]}));
        let init = Template::new().spec(json!({"initContainers": [{"name": "openlit-init", "image": "x"}]}));
        let app = Template::containers(json!([{"name": "openlit-init", "image": "x"}]));
        for (object, at) in [
            (volume, ".volumes[0]"),
            (claim, ""),
            (mount, ".containers[0].volumeMounts[0]"),
            (device, ".containers[0]"),
            (init, ".initContainers[0]"),
            (app, ".containers[0]"),
        ] {
            assert_eq!(refusal(&object, &configuration()), (Reason::NameConflict, format!("spec.template.spec{at}")));
        }
    }

    #[test]
    fn the_configurations_volumes_and_mounts_never_hide_the_users() {
        let mut with_volume = configuration();
        with_volume.volumes = values(json!([{"name": "cfg", "emptyDir": {}}]));
        let object = Template::new().spec(json!({"volumes": [{"name": "cfg", "configMap": {"name": "rag"}}]}));
        assert_eq!(refusal(&object, &with_volume).0, Reason::NameConflict);
        let mut with_mount = configuration();
        with_mount.volume_mounts = values(json!([{"name": "cfg", "mountPath": "/etc/rag"}]));
        let object = Template::container(json!({"volumeMounts": [{"name": "own", "mountPath": "/etc//rag/"}]}));
        assert_eq!(refusal(&object, &with_mount).0, Reason::NameConflict);
        with_mount.volume_mounts = values(json!([{"name": "cfg", "mountPath": "/instrumentation-packages"}]));
        assert_eq!(refusal(&Template::new(), &with_mount).0, Reason::NameConflict);
    }

    #[test]
    fn the_volume_does_not_stop_the_autoscaler() {
        for (own, expected, recorded) in [
            (None, "instrumentation-packages", None),
            (Some("cache"), "instrumentation-packages,cache", Some(25)),
            (Some(""), "instrumentation-packages", Some(24)),
            (Some("cache, instrumentation-packages"), "cache, instrumentation-packages", Some(0)),
        ] {
            let object = match own {
                Some(own) => Template::new().annotation(EVICT, own),
                None => Template::new(),
            };
            let (template, plan) = injected(&object, &configuration());
            assert_eq!(template["metadata"]["annotations"][EVICT], expected);
            assert_eq!(plan.record.safe_to_evict, recorded, "{own:?}");
        }
    }

    #[test]
    fn what_the_pods_get_from_elsewhere_is_kept_in_the_autoscalers_annotation() {
        let object = Template::new();
        let mut json = object.object.clone();
        json["spec"]["podMetadata"] = json!({"annotations": {EVICT: "scratch"}});
        let value = Value::from(&json);
        let mut template = object.template(&value);
        let above = Path::keys(&["spec", "podMetadata"]);
        template.inherited = vec![(above.key("labels"), above.key("annotations"))];
        assert_eq!(safe_to_evict(&template), Ok(SafeToEvict::New("instrumentation-packages,scratch".into())));
    }
}
