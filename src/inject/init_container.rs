//! The init container `openlit-init`: it copies the packages into the volume, and installs the
//! user's own. Knows nothing of the instrumented containers but what they demand of it.

use super::configuration::{Configuration, Provider, RunAsUser};
use super::environment::name_of;
use super::quantity::nanos;
use super::volumes::{list_of, same_path};
use crate::api::{Finding, Reason, names};
use crate::manifest::{Container, PodTemplate, Role};
use crate::value::{Map, Path, Step, Value};
use std::borrow::Cow;

/// Runs the image's script, then pip with the arguments; stops at the first failure (D14). The
/// packages are arguments, so no shell ever reads them (D13, D55).
pub(super) const INSTALL: &str = "import subprocess, sys; \
    run = lambda *command: subprocess.check_call([sys.executable, *command]); \
    run(\"/usr/local/bin/setup-instrumentation.py\"); \
    run(\"-m\", \"pip\", \"install\", \"--no-cache-dir\", \"--target\", \"/instrumentation-packages\", *sys.argv[1:])";

/// The user of the init container where non-root is demanded and no user named.
const NOBODY: i64 = 65532;

/// The init container, the list it goes to, and where in it.
///
/// # Errors
/// [`Reason::NameConflict`] where a container or a mount has its name already.
pub(super) fn init_container(
    template: &PodTemplate<'_>,
    chosen: &[&Container<'_>],
    configuration: &Configuration,
) -> Result<(usize, Value<'static>), Finding> {
    let at = template.spec.key("initContainers");
    let present = list_of(template.field("initContainers"), || at.clone())?;
    if let Some(index) = present.iter().position(|container| name_of(container) == Some(names::INIT_CONTAINER)) {
        let finding = Finding::new(Reason::NameConflict, at.index(index));
        return Err(finding.with(format!("init container {}", names::INIT_CONTAINER)));
    }
    if let Some(container) = template.containers.iter().find(|container| container.name == names::INIT_CONTAINER) {
        let finding = Finding::new(Reason::NameConflict, container.at.clone());
        return Err(finding.with(format!("container {}", names::INIT_CONTAINER)));
    }

    let mut container = Map::default();
    let mut put = |key: &'static str, value: Value<'static>| container.push_unique(Cow::Borrowed(key), value);
    put("name", Value::text(names::INIT_CONTAINER));
    put("image", Value::text(configuration.init_image.clone()));
    if !configuration.pull_policy.is_empty() {
        put("imagePullPolicy", Value::text(configuration.pull_policy.clone()));
    }
    if configuration.custom_packages.is_empty() {
        put("command", Value::texts(["python3", names::SETUP_SCRIPT]));
    } else {
        put("command", Value::texts(["python3", "-c", INSTALL]));
        put("args", arguments(configuration));
    }
    put("env", environment(configuration));
    if let Some(resources) = resources(template, configuration) {
        put("resources", resources);
    }
    put("securityContext", security_context(template, chosen, configuration));
    put("volumeMounts", mounts(template, configuration)?);
    let index = first_instrumented(chosen, &at).unwrap_or(present.len());
    Ok((index, Value::Map(container)))
}

/// Where the first instrumented init container stands.
fn first_instrumented(chosen: &[&Container<'_>], list: &Path) -> Option<usize> {
    let depth = list.steps().len();
    chosen
        .iter()
        .filter(|container| container.role != Role::App)
        .filter_map(|container| match container.at.steps().split_at_checked(depth)? {
            (head, [Step::Index(index), ..]) if head == list.steps() => Some(*index),
            _ => None,
        })
        .min()
}

/// Whether pip leaves dependencies out: the published images' packages come before the application's
/// own, which theirs must not hide.
pub(super) fn without_dependencies(configuration: &Configuration) -> bool {
    configuration.no_deps.unwrap_or(configuration.published_image)
}

/// What follows the program: pip's options, and after `--` nothing is one.
fn arguments(configuration: &Configuration) -> Value<'static> {
    let mut arguments = Vec::with_capacity(2 + configuration.custom_packages.len());
    if without_dependencies(configuration) {
        arguments.push(Value::text("--no-deps"));
    }
    arguments.push(Value::text("--"));
    arguments.extend(configuration.custom_packages.iter().map(|package| Value::text(package.clone())));
    Value::List(arguments)
}

fn environment(configuration: &Configuration) -> Value<'static> {
    let provider = match configuration.provider {
        Provider::Openlit => "openlit",
        Provider::Openinference => "openinference",
        Provider::Openllmetry => "openllmetry",
        Provider::Custom => "custom",
    };
    let theirs = &configuration.init_env;
    let mut entries = Vec::with_capacity(2 + theirs.len());
    for (name, value) in [(names::ENV_PROVIDER, provider), (names::ENV_TARGET_PATH, names::MOUNT_PATH)] {
        if !theirs.iter().any(|entry| name_of(entry) == Some(name)) {
            entries.push(Value::map([("name", Value::text(name)), ("value", Value::text(value))]));
        }
    }
    for (index, entry) in theirs.iter().enumerate() {
        // One entry per name: the last counts, as for the kubelet.
        if !theirs[index + 1..].iter().any(|later| name_of(later) == name_of(entry)) {
            entries.push(entry.clone());
        }
    }
    Value::List(entries)
}

fn mounts(template: &PodTemplate<'_>, configuration: &Configuration) -> Result<Value<'static>, Finding> {
    let ours =
        |path: &'static str| Value::map([("name", Value::text(names::VOLUME)), ("mountPath", Value::text(path))]);
    let mut mounts = vec![ours(names::MOUNT_PATH)];
    // The published images of these two write where nobody looks (D8): the volume is there too.
    if configuration.published_image
        && matches!(configuration.provider, Provider::Openinference | Provider::Openllmetry)
    {
        mounts.push(ours(names::LEGACY_MOUNT_PATH));
    }
    for mount in &configuration.init_volume_mounts {
        let path = mount.get("mountPath").and_then(Value::as_text).unwrap_or_default();
        let taken = |other: &Value<'_>| {
            other.get("mountPath").and_then(Value::as_text).is_some_and(|other| same_path(other, path))
        };
        if mounts.iter().any(taken) {
            let finding = Finding::new(Reason::NameConflict, template.spec.clone());
            return Err(finding.with(format!("mount path {path} of the init container")));
        }
        mounts.push(mount.clone());
    }
    Ok(Value::List(mounts))
}

/// | configuration | pod Guaranteed | resources |
/// |---|---|---|
/// | settings | no | as they are |
/// | settings | yes | the limits, for requests too |
/// | the resource's | no | as they are |
/// | the resource's | yes | of CPU and memory the limit, else the request, else the settings' limit, for both |
fn resources(template: &PodTemplate<'_>, configuration: &Configuration) -> Option<Value<'static>> {
    let settings = &configuration.resources;
    let guaranteed = is_guaranteed(template);
    let Some(theirs) = &configuration.init_resources else {
        let list = |cpu: &str, memory: &str| {
            let entries = [("cpu", cpu), ("memory", memory)].into_iter().filter(|(_, text)| !text.is_empty());
            let map: Map<'static> =
                entries.map(|(key, text)| (Cow::Borrowed(key), Value::text(text.to_owned()))).collect();
            Some(Value::Map(map)).filter(|map| map.as_map().is_some_and(|map| !map.is_empty()))
        };
        let limits = list(&settings.cpu_limit, &settings.memory_limit);
        let requests = if guaranteed { limits.clone() } else { list(&settings.cpu_request, &settings.memory_request) };
        let mut map = Map::default();
        for (key, value) in [("requests", requests), ("limits", limits)] {
            if let Some(value) = value {
                map.push_unique(Cow::Borrowed(key), value);
            }
        }
        return Some(Value::Map(map)).filter(|map| map.as_map().is_some_and(|map| !map.is_empty()));
    };
    let mut resources = theirs.clone();
    if guaranteed && let Value::Map(map) = &mut resources {
        for (key, default) in [("cpu", &settings.cpu_limit), ("memory", &settings.memory_limit)] {
            let of = |list: &str| theirs.dig(&[list, key]).and_then(Value::as_text).map(str::to_owned);
            let amount = of("limits").or_else(|| of("requests")).unwrap_or_else(|| default.clone());
            for list in ["requests", "limits"] {
                match map.get_mut(list) {
                    Some(Value::Map(list)) => list.insert(key, Value::text(amount.clone())),
                    _ => map.insert(list, Value::map([(key, Value::text(amount.clone()))])),
                }
            }
        }
    }
    Some(resources)
}

/// Whether Kubernetes gives the pod the class Guaranteed: every container has limits of CPU and memory,
/// and its requests, which are its limits where it names none, equal them. Resources of the pod as a
/// whole decide the class without its containers.
pub(super) fn is_guaranteed(template: &PodTemplate<'_>) -> bool {
    let whole = template.field("resources");
    if ["requests", "limits"]
        .iter()
        .any(|list| whole.and_then(|value| value.get(list)).is_some_and(|list| !list.is_null()))
    {
        return false;
    }
    !template.containers.is_empty()
        && template.containers.iter().all(|container| {
            ["cpu", "memory"].iter().all(|key| {
                let amount = |list: &str| {
                    let value = container.value.dig(&["resources", list, key])?;
                    Some(value.as_text().and_then(nanos)).filter(|_| !value.is_null())
                };
                match (amount("limits"), amount("requests")) {
                    (Some(Some(limit)), None) => limit > 0,
                    (Some(Some(limit)), Some(Some(request))) => limit > 0 && limit == request,
                    _ => false,
                }
            })
        })
}

/// What Pod Security `restricted` asks, and the user.
///
/// | setting | demanded non-root | written |
/// |---|---|---|
/// | `auto` | no | nothing |
/// | `auto` | yes | `runAsNonRoot`, and the user of who demands it, or 65532 |
/// | `none` | no | nothing |
/// | `none` | yes | `runAsNonRoot` |
/// | 0 | – | `runAsUser` |
/// | a number | – | `runAsNonRoot` and `runAsUser` |
fn security_context(
    template: &PodTemplate<'_>,
    chosen: &[&Container<'_>],
    configuration: &Configuration,
) -> Value<'static> {
    let (non_root, user) = match configuration.run_as_user {
        RunAsUser::Id(id) => (id != 0, Some(id)),
        RunAsUser::None => (demanded(template, chosen).is_some(), None),
        RunAsUser::Auto => match demanded(template, chosen) {
            None => (false, None),
            Some(user) => (true, Some(user.filter(|id| *id > 0).unwrap_or(NOBODY))),
        },
    };
    let mut context = Map::default();
    context.push_unique(Cow::Borrowed("allowPrivilegeEscalation"), Value::bool(false));
    context.push_unique(Cow::Borrowed("capabilities"), Value::map([("drop", Value::texts(["ALL"]))]));
    context.push_unique(Cow::Borrowed("seccompProfile"), Value::map([("type", Value::text("RuntimeDefault"))]));
    if non_root {
        context.push_unique(Cow::Borrowed("runAsNonRoot"), Value::bool(true));
    }
    if let Some(user) = user {
        context.push_unique(Cow::Borrowed("runAsUser"), Value::int(user));
    }
    if let Some(Value::Map(theirs)) = &configuration.init_security_context {
        for (key, value) in theirs.iter() {
            context.insert(key.to_owned(), value.clone());
        }
    }
    Value::Map(context)
}

/// Whether the pod or an instrumented container demands non-root, and the user of the first that does.
#[expect(clippy::option_option, reason = "whether, and who: two questions")]
fn demanded(template: &PodTemplate<'_>, chosen: &[&Container<'_>]) -> Option<Option<i64>> {
    let pod = template.field("securityContext");
    let of_pod = |key: &str| pod.and_then(|context| context.get(key)).filter(|value| !value.is_null());
    let container = chosen.iter().find_map(|container| {
        let of = |key: &str| {
            container.value.dig(&["securityContext", key]).filter(|value| !value.is_null()).or_else(|| of_pod(key))
        };
        (of("runAsNonRoot")?.as_bool()?).then(|| of("runAsUser").and_then(Value::as_int))
    });
    // Our container inherits the pod's demand, whatever the others say.
    container.or_else(|| of_pod("runAsNonRoot")?.as_bool()?.then(|| of_pod("runAsUser").and_then(Value::as_int)))
}
