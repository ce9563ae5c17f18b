//! The init container `openlit-init`: it copies the packages into the volume, and installs the
//! user's own. Knows nothing of the instrumented containers but what they demand of it.

use super::configuration::{Configuration, Packages, Provider, RunAsUser};
use super::environment::name_of;
use super::volumes::{list_of, same_path};
use crate::api::quantity::Quantity;
use crate::api::{Finding, Reason, names};
use crate::manifest::{Container, PodTemplate, Role};
use crate::value::{Map, Path, Step, Value};
use std::borrow::Cow;

/// What the published images and unknown ones need for the user's packages; Prelit's images bring such a program.
///
/// Runs the image's script, then pip with the arguments; stops at the first failure. The
/// packages are arguments, so no shell ever reads them, and a failure does not repeat them.
///
/// pip installs beside the target, and what it installed is copied over it: `pip install --target`
/// leaves out a directory that is there already, or with `--upgrade` deletes it first, and several
/// packages share directories such as `opentelemetry`.
pub(super) const INSTALL: &str = "import os, shutil, subprocess, sys, tempfile; \
    target, new = \"/instrumentation-packages\", tempfile.mkdtemp(); \
    run = lambda *command: subprocess.call([sys.executable, *command]) and sys.exit(1); \
    run(\"/usr/local/bin/setup-instrumentation.py\"); \
    run(\"-m\", \"pip\", \"install\", \"--no-cache-dir\", \"--target\", new, *sys.argv[1:]); \
    [shutil.copytree(entry.path, os.path.join(target, entry.name), dirs_exist_ok=True) if entry.is_dir() \
    else shutil.copy(entry.path, target) for entry in os.scandir(new)]";

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
    put("image", Value::text(configuration.init_image.reference.clone()));
    if !configuration.pull_policy.is_empty() {
        put("imagePullPolicy", Value::text(configuration.pull_policy.clone()));
    }
    let has_packages = !configuration.custom_packages.is_empty();
    if has_packages && configuration.init_image.packages != Packages::Prelit {
        put("command", Value::texts(["python3", "-c", INSTALL]));
    } else {
        put("command", Value::texts(["python3", names::SETUP_SCRIPT]));
    }
    if has_packages {
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
    configuration.no_deps.unwrap_or(configuration.init_image.packages == Packages::Published)
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
    let theirs = &configuration.init_env;
    let mut entries = Vec::with_capacity(2 + theirs.len());
    for (name, value) in
        [(names::ENV_PROVIDER, configuration.provider.as_str()), (names::ENV_TARGET_PATH, names::MOUNT_PATH)]
    {
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
    // The published images of these two write where nobody looks: the volume is there too.
    if configuration.init_image.packages == Packages::Published
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
                    Some(value.as_text().and_then(Quantity::parse)).filter(|_| !value.is_null())
                };
                match (amount("limits"), amount("requests")) {
                    (Some(Some(limit)), None) => limit > Quantity::ZERO,
                    (Some(Some(limit)), Some(Some(request))) => limit > Quantity::ZERO && limit == request,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inject::plan::inject;
    use crate::inject::testing::{Template, configuration, injected, notes, refusal, values};
    use crate::value::edit::apply;
    use serde_json::{Value as Json, json};

    fn init(object: &Template, configuration: &Configuration) -> Json {
        let (template, _) = injected(object, configuration);
        let containers = template["spec"]["initContainers"].as_array().unwrap().clone();
        containers.into_iter().find(|container| container["name"] == "openlit-init").unwrap()
    }

    #[test]
    fn the_init_container_as_it_usually_is() {
        assert_eq!(
            init(&Template::new(), &configuration()),
            json!({
                "name": "openlit-init",
                "image": "ghcr.io/openlit/openlit-ai-instrumentation:1.2.3",
                "imagePullPolicy": "IfNotPresent",
                "command": ["python3", "/usr/local/bin/setup-instrumentation.py"],
                "env": [
                    {"name": "INSTRUMENTATION_PROVIDER", "value": "openlit"},
                    {"name": "TARGET_PATH", "value": "/instrumentation-packages"},
                ],
                "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "200m", "memory": "256Mi"}},
                "securityContext": {
                    "allowPrivilegeEscalation": false,
                    "capabilities": {"drop": ["ALL"]},
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "volumeMounts": [{"name": "instrumentation-packages", "mountPath": "/instrumentation-packages"}],
            })
        );
    }

    #[test]
    fn the_published_openinference_and_openllmetry_images_find_the_volume_where_they_write() {
        let mut configuration = configuration();
        for (provider, packages, paths) in [
            (Provider::Openinference, Packages::Published, 2),
            (Provider::Openllmetry, Packages::Published, 2),
            (Provider::Openinference, Packages::Prelit, 1),
            (Provider::Openllmetry, Packages::Unknown, 1),
            (Provider::Custom, Packages::Unknown, 1),
        ] {
            configuration.provider = provider;
            configuration.init_image.packages = packages;
            let mounts = init(&Template::new(), &configuration)["volumeMounts"].as_array().unwrap().clone();
            assert_eq!(mounts.len(), paths, "{provider:?}");
            assert!(
                paths == 1 || mounts[1] == json!({"name": "instrumentation-packages", "mountPath": "/openlit-sdk"})
            );
        }
    }

    #[test]
    fn packages_are_arguments_of_a_constant_program() {
        let mut configuration = configuration();
        configuration.custom_packages = vec!["my-sdk>=2.0.0".into(), "x; rm -rf /".into(), "--index-url=evil".into()];
        let container = init(&Template::new(), &configuration);
        assert_eq!(container["command"], json!(["python3", "-c", INSTALL]));
        assert_eq!(container["args"], json!(["--no-deps", "--", "my-sdk>=2.0.0", "x; rm -rf /", "--index-url=evil"]));
        assert!(notes(&Template::new(), &configuration).contains(&Reason::PackagesWithoutDependencies));
        assert!(INSTALL.contains(names::SETUP_SCRIPT) && INSTALL.contains(names::MOUNT_PATH));
    }

    #[test]
    fn prelits_images_bring_the_program_that_installs() {
        let mut configuration = configuration();
        configuration.init_image.packages = Packages::Prelit;
        let container = init(&Template::new(), &configuration);
        assert_eq!(container["command"], json!(["python3", names::SETUP_SCRIPT]));
        assert_eq!(container.get("args"), None);
        configuration.custom_packages = vec!["my-sdk>=2.0.0".into(), "x; rm -rf /".into()];
        let container = init(&Template::new(), &configuration);
        assert_eq!(container["command"], json!(["python3", names::SETUP_SCRIPT]));
        assert_eq!(container["args"], json!(["--", "my-sdk>=2.0.0", "x; rm -rf /"]));
        assert!(notes(&Template::new(), &configuration).contains(&Reason::PurePackagesOnly));
        configuration.init_image.packages = Packages::Published;
        assert!(!notes(&Template::new(), &configuration).contains(&Reason::PurePackagesOnly));
    }

    #[test]
    fn dependencies_are_left_out_by_where_the_packages_come_unless_the_resource_says() {
        let mut configuration = configuration();
        configuration.custom_packages = vec!["a".into()];
        for (packages, no_deps, left_out, noted) in [
            (Packages::Published, None, true, true),
            (Packages::Unknown, None, false, false),
            (Packages::Prelit, None, false, false),
            (Packages::Published, Some(false), false, false),
            (Packages::Prelit, Some(true), true, false),
        ] {
            configuration.init_image.packages = packages;
            configuration.no_deps = no_deps;
            let arguments = init(&Template::new(), &configuration)["args"].clone();
            assert_eq!(arguments[0] == "--no-deps", left_out);
            assert_eq!(notes(&Template::new(), &configuration).contains(&Reason::PackagesWithoutDependencies), noted);
        }
    }

    #[test]
    fn the_configurations_variables_follow_and_each_name_stands_once() {
        let mut configuration = configuration();
        configuration.init_env = values(json!([
            {"name": "PIP_INDEX_URL", "value": "a"},
            {"name": "INSTRUMENTATION_PROVIDER", "value": "mine"},
            {"name": "PIP_INDEX_URL", "value": "b"},
        ]));
        assert_eq!(
            init(&Template::new(), &configuration)["env"],
            json!([
                {"name": "TARGET_PATH", "value": "/instrumentation-packages"},
                {"name": "INSTRUMENTATION_PROVIDER", "value": "mine"},
                {"name": "PIP_INDEX_URL", "value": "b"},
            ])
        );
    }

    #[test]
    fn a_mount_of_the_configuration_over_ours_is_a_conflict() {
        let mut configuration = configuration();
        configuration.init_volume_mounts = values(json!([{"name": "x", "mountPath": "/instrumentation-packages"}]));
        assert_eq!(refusal(&Template::new(), &configuration).0, Reason::NameConflict);
    }

    #[test]
    fn it_runs_last_or_before_the_first_instrumented_init_container() {
        let object = Template::new().spec(json!({"initContainers": [
            {"name": "a", "image": "x"}, {"name": "b", "image": "python"}, {"name": "c", "image": "python"},
        ]}));
        for (chosen, expected) in
            [(vec![0], ["a", "b", "c", "openlit-init"]), (vec![0, 3, 2], ["a", "openlit-init", "b", "c"])]
        {
            let value = object.value();
            let plan = inject(&object.template(&value), &chosen, &configuration()).unwrap();
            let json = apply(object.value(), &plan.edits).unwrap().to_json();
            let list = json["spec"]["template"]["spec"]["initContainers"].as_array().unwrap().clone();
            assert_eq!(list.iter().map(|container| container["name"].as_str().unwrap()).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn the_user_is_named_where_non_root_is_demanded() {
        use RunAsUser::{Auto, Id, None as Nobody};
        let user = json!({"runAsUser": 1000});
        let demand = json!({"runAsNonRoot": true});
        let both = json!({"runAsNonRoot": true, "runAsUser": 1000});
        let root = json!({"runAsNonRoot": true, "runAsUser": 0});
        let off = json!({"runAsNonRoot": false});
        let nothing = json!({});
        for (setting, pod, container, expected) in [
            (Auto, &nothing, &nothing, (None, None)),
            (Auto, &user, &user, (None, None)),
            (Auto, &demand, &nothing, (Some(true), Some(65532))),
            (Auto, &both, &nothing, (Some(true), Some(1000))),
            (Auto, &demand, &user, (Some(true), Some(1000))),
            (Auto, &nothing, &both, (Some(true), Some(1000))),
            (Auto, &user, &demand, (Some(true), Some(1000))),
            (Auto, &nothing, &root, (Some(true), Some(65532))),
            (Auto, &both, &off, (Some(true), Some(1000))),
            (Auto, &nothing, &off, (None, None)),
            (Nobody, &demand, &nothing, (Some(true), None)),
            (Nobody, &nothing, &nothing, (None, None)),
            (Id(7), &nothing, &nothing, (Some(true), Some(7))),
            (Id(0), &nothing, &nothing, (None, Some(0))),
        ] {
            let mut configuration = configuration();
            configuration.run_as_user = setting;
            let object =
                Template::container(json!({"securityContext": container})).spec(json!({"securityContext": pod}));
            let context = init(&object, &configuration)["securityContext"].clone();
            let found = (context["runAsNonRoot"].as_bool(), context["runAsUser"].as_i64());
            assert_eq!(found, expected, "{setting:?} {pod} {container}");
        }
    }

    #[test]
    fn the_resources_security_context_wins_field_by_field() {
        let mut configuration = configuration();
        configuration.init_security_context =
            Some(values(json!({"runAsUser": 5, "capabilities": {"drop": ["NET_RAW"]}})).remove(0));
        let context = init(&Template::new(), &configuration)["securityContext"].clone();
        assert_eq!(
            context,
            json!({
                "allowPrivilegeEscalation": false,
                "capabilities": {"drop": ["NET_RAW"]},
                "seccompProfile": {"type": "RuntimeDefault"},
                "runAsUser": 5,
            })
        );
    }

    #[test]
    fn guaranteed_as_kubernetes_counts_it() {
        let full = json!({"limits": {"cpu": "1", "memory": "1Gi"}});
        for (resources, expected) in [
            (full.clone(), true),
            (json!({"limits": {"cpu": 1, "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1024Mi"}}), true),
            (json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}), false),
            (json!({"limits": {"cpu": "1"}}), false),
            (json!({"limits": {"cpu": "0", "memory": "1Gi"}}), false),
            (json!({"limits": {"cpu": "many", "memory": "1Gi"}}), false),
            (json!({"requests": {"cpu": "1", "memory": "1Gi"}}), false),
            (json!(null), false),
        ] {
            let object = Template::container(json!({"resources": resources}));
            let value = object.value();
            assert_eq!(is_guaranteed(&object.template(&value)), expected, "{resources}");
        }
        let object = Template::container(json!({"resources": full}))
            .spec(json!({"initContainers": [{"name": "i", "image": "x"}]}));
        assert!(!is_guaranteed(&object.template(&object.value())));
        let object =
            Template::container(json!({"resources": full})).spec(json!({"resources": {"limits": {"cpu": "2"}}}));
        assert!(!is_guaranteed(&object.template(&object.value())));
    }

    #[test]
    fn a_guaranteed_pod_stays_guaranteed() {
        let object = Template::container(json!({"resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}));
        let mut configuration = configuration();
        let list = json!({"cpu": "200m", "memory": "256Mi"});
        assert_eq!(init(&object, &configuration)["resources"], json!({"requests": list, "limits": list}));
        configuration.init_resources = Some(values(json!({"requests": {"cpu": "50m", "memory": "1Gi", "ephemeral-storage": "1Gi"}, "limits": {"cpu": "1"}})).remove(0));
        assert_eq!(
            init(&object, &configuration)["resources"],
            json!({
                "requests": {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "1Gi"},
                "limits": {"cpu": "1", "memory": "1Gi"},
            })
        );
        let theirs = init(&Template::new(), &configuration)["resources"].clone();
        assert_eq!(theirs["requests"]["cpu"], "50m");
    }
}
