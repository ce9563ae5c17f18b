//! Which containers of a selected pod template are instrumented. The checks, in this order; the
//! first that decides, decides:
//!
//! | | check | outcome | skipped for |
//! |---|---|---|---|
//! | 1 | Windows | `windows`, the whole template | |
//! | | no image | `no-image` | |
//! | 2 | `openlit.io/inject-python: "false"` | `injection-disabled`, the whole template | |
//! | | `openlit.io/exclude-containers` names it | `container-excluded` | |
//! | | `openlit.io/include-containers` is there and does not name it | `container-not-included` | |
//! | | an init container or native sidecar that is not named there | `init-container` | |
//! | | `openlit.io/container-languages` says something else | `other-language` | |
//! | 3 | a known sidecar | `sidecar` | those that `include-containers` names |
//! | 4 | another hand's instrumentation | `already-instrumented` | `inject-python: "true"` |
//! | 5 | Python that ignores its environment | `isolated-python` | containers where a controller starts the program |
//! | 6 | known to be something else | `not-python` | `inject-python: "true"`, and `container-languages: python` |
//! | | unknown, `detection: strict` | `not-detected` | likewise |
//! | | unknown, and the only one left that is not known to be something else | note `python-assumed` | |
//! | | unknown, beside others | `language-unknown` | likewise |
//! | 7 | the packages do not fit | `incompatible-python` | `inject-python: "true"` |
//! | | nothing says whether they fit | note `compatibility-unknown` | likewise, and with Prelit's images, which find out |
//!
//! Knows nothing of what is written into a container.

use super::command::commands;
use super::compatibility::{Fit, fit};
use super::configuration::{Configuration, Detection, Packages};
use super::foreign;
use super::isolated::isolated;
use super::language::{Evidence, Language, language};
use super::sidecars::sidecar;
use crate::api::image::Image;
use crate::api::{Reason, names};
use crate::manifest::{Container, PodTemplate, Role};
use crate::value::Value;

/// What is decided of one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is instrumented.
    Injected {
        /// What is worth knowing, with what is particular about it.
        notes: Vec<(Reason, String)>,
        /// What said that it runs Python, if anything had to.
        evidence: Option<String>,
    },
    /// It is left alone, and what is particular about the reason; empty where the reason says it all.
    Skipped(Reason, String),
}

/// What is decided of a pod template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// A reason that holds for the template as a whole, with what is particular about it. Its containers
    /// have outcomes of their own all the same, none of them [`Outcome::Injected`].
    pub whole: Option<(Reason, String)>,
    /// One outcome for each of the template's containers, in their order.
    pub containers: Vec<Outcome>,
}

impl Choice {
    /// The indexes of the containers that are instrumented.
    pub fn injected(&self) -> impl Iterator<Item = usize> {
        let containers = self.containers.iter().enumerate();
        containers.filter(|(_, outcome)| matches!(outcome, Outcome::Injected { .. })).map(|(index, _)| index)
    }
}

/// Decides which containers of a selected template are instrumented. Meant for the template without
/// our own injection: one that is still there is not taken for another hand's.
pub fn choose(template: &PodTemplate<'_>, configuration: &Configuration) -> Choice {
    let wishes = Wishes::of(template);
    let whole = if template.is_windows() {
        Some((Reason::Windows, String::new()))
    } else if wishes.inject_python == Some(false) {
        Some((Reason::InjectionDisabled, String::new()))
    } else {
        None
    };
    if let Some((reason, detail)) = whole {
        let containers = template.containers.iter().map(|_| Outcome::Skipped(reason, detail.clone())).collect();
        return Choice { whole: Some((reason, detail)), containers };
    }
    let foreign = if wishes.forced() { None } else { foreign::of_pod(template) };
    let first_app = template.containers.iter().position(|container| container.role == Role::App);
    let candidates: Vec<_> = template
        .containers
        .iter()
        .enumerate()
        .map(|(index, container)| {
            let runs = template.added.runs.filter(|_| first_app == Some(index));
            candidate(template, container, &wishes, foreign.as_deref(), runs)
        })
        .collect();
    let left =
        candidates.iter().flatten().filter(|candidate| !matches!(candidate.language, Language::Other(_))).count();
    let containers = candidates
        .into_iter()
        .map(|candidate| match candidate {
            Ok(candidate) => decide(candidate, left, &wishes, configuration),
            Err(skipped) => skipped,
        })
        .collect();
    Choice { whole: foreign.map(|detail| (Reason::AlreadyInstrumented, detail)), containers }
}

/// A container that checks 1 to 5 leave.
struct Candidate<'v> {
    image: Image<'v>,
    language: Language,
    /// The user said that it runs Python.
    told: bool,
}

/// Checks 1 to 5, and what runs in the container.
fn candidate<'v>(
    template: &PodTemplate<'v>,
    container: &Container<'v>,
    wishes: &Wishes<'v>,
    foreign: Option<&str>,
    runs: Option<&'static str>,
) -> Result<Candidate<'v>, Outcome> {
    let skip = |reason, detail: String| Err(Outcome::Skipped(reason, detail));
    let name = container.name.as_ref();
    let image = container.value.get("image").and_then(Value::as_text).map(str::trim).filter(|image| !image.is_empty());
    let Some(image) = image.map(Image::parse) else { return skip(Reason::NoImage, String::new()) };
    if wishes.excludes(name) {
        return skip(Reason::ContainerExcluded, String::new());
    }
    let included = wishes.includes(name);
    if included == Some(false) && container.role == Role::App {
        return skip(Reason::ContainerNotIncluded, String::new());
    }
    if included != Some(true) && container.role != Role::App {
        return skip(Reason::InitContainer, String::new());
    }
    let told = wishes.language(name);
    if let Some(other) = told.filter(|language| !language.eq_ignore_ascii_case("python")) {
        return skip(Reason::OtherLanguage, other.to_owned());
    }
    if included != Some(true)
        && let Some(entry) = sidecar(name, &image)
    {
        return skip(Reason::Sidecar, entry.to_owned());
    }
    let commands = commands(container.value);
    if !wishes.forced() {
        if let Some(detail) = foreign {
            return skip(Reason::AlreadyInstrumented, detail.to_owned());
        }
        if let Some(program) = foreign::program(&commands) {
            return skip(Reason::AlreadyInstrumented, format!("{program}: start the program without it"));
        }
    }
    if runs.is_none()
        && let Some(command) = isolated(&commands)
    {
        return skip(Reason::IsolatedPython, command);
    }
    let language = match runs {
        Some(program) => Language::Python(Evidence::Controller(program)),
        None => language(container.value, &image, &commands, template.added),
    };
    let told = told.is_some() || wishes.forced();
    Ok(Candidate { image, language: if told { told_python(language) } else { language }, told })
}

/// What the user says is Python is not known to be something else.
fn told_python(language: Language) -> Language {
    match language {
        Language::Other(_) => Language::Unknown,
        known => known,
    }
}

/// Checks 6 and 7. `left` is how many containers are not known to be something else.
fn decide(candidate: Candidate<'_>, left: usize, wishes: &Wishes<'_>, configuration: &Configuration) -> Outcome {
    let mut notes = Vec::new();
    let mut evidence = None;
    match candidate.language {
        Language::Python(found) => evidence = Some(found.to_string()),
        _ if candidate.told => {}
        Language::Other(found) => return Outcome::Skipped(Reason::NotPython, found.to_string()),
        Language::Unknown if configuration.detection == Detection::Strict => {
            return Outcome::Skipped(Reason::NotDetected, String::new());
        }
        Language::Unknown if left == 1 => notes.push((Reason::PythonAssumed, String::new())),
        Language::Unknown => return Outcome::Skipped(Reason::LanguageUnknown, String::new()),
    }
    if !wishes.forced() {
        match fit(&candidate.image, &configuration.init_image) {
            Fit::Yes => {}
            // They find out when they run, and leave alone what they do not fit.
            Fit::Unknown(_) if configuration.init_image.packages == Packages::Prelit => {}
            Fit::No(detail) => return Outcome::Skipped(Reason::IncompatiblePython, detail),
            Fit::Unknown(detail) => notes.push((Reason::CompatibilityUnknown, detail)),
        }
    }
    Outcome::Injected { notes, evidence }
}

/// The annotations of check 2.
struct Wishes<'v> {
    exclude: &'v str,
    include: Option<&'v str>,
    languages: &'v str,
    inject_python: Option<bool>,
}

impl<'v> Wishes<'v> {
    fn of(template: &PodTemplate<'v>) -> Self {
        let text = |key| template.annotation(key).and_then(Value::as_text);
        let inject_python = text(names::ANNOTATION_INJECT_PYTHON).map(str::trim);
        let is = |wanted: &str| inject_python.is_some_and(|value| value.eq_ignore_ascii_case(wanted));
        Wishes {
            exclude: text(names::ANNOTATION_EXCLUDE).unwrap_or_default(),
            // A list that names nothing restricts nothing.
            include: text(names::ANNOTATION_INCLUDE).filter(|list| items(list).next().is_some()),
            languages: text(names::ANNOTATION_LANGUAGES).unwrap_or_default(),
            inject_python: if is("true") {
                Some(true)
            } else if is("false") {
                Some(false)
            } else {
                None
            },
        }
    }

    /// `inject-python: "true"` skips checks 4, 6 and 7.
    fn forced(&self) -> bool {
        self.inject_python == Some(true)
    }

    fn excludes(&self, name: &str) -> bool {
        items(self.exclude).any(|item| item == name)
    }

    /// Whether the list names it, if there is one.
    fn includes(&self, name: &str) -> Option<bool> {
        self.include.map(|list| items(list).any(|item| item == name))
    }

    /// The language that the user says it has.
    fn language(&self, name: &str) -> Option<&'v str> {
        let mut pairs = items(self.languages).filter_map(|item| item.split_once(':'));
        let (_, language) = pairs.find(|(container, _)| container.trim() == name)?;
        Some(language.trim()).filter(|language| !language.is_empty())
    }
}

/// The items of a list in an annotation.
fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|item| !item.is_empty())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::api::settings::Settings;
    use crate::manifest::workloads;
    use serde_json::{Value as Json, json};

    /// The default profile.
    pub(crate) fn configuration() -> Configuration {
        Configuration::from_settings(&Settings::default())
    }

    /// What is chosen, as text: `name: code` or `name: + notes`.
    fn chosen_of(object: &Json, configuration: &Configuration) -> Vec<String> {
        let value = Value::from(object);
        let found = workloads(&value, &[]);
        let template = &found.workloads[0].templates[0];
        let choice = choose(template, configuration);
        assert_eq!(choice.containers.len(), template.containers.len());
        if choice.whole.is_some() {
            assert_eq!(choice.injected().count(), 0);
        }
        let line = |(container, outcome): (&Container<'_>, &Outcome)| match outcome {
            Outcome::Injected { notes, .. } => {
                let codes = notes.iter().map(|(note, _)| note.code()).filter(|code| *code != "compatibility-unknown");
                std::iter::once(format!("{}: +", container.name))
                    .chain(codes.map(str::to_owned))
                    .collect::<Vec<_>>()
                    .join(" ")
            }
            Outcome::Skipped(reason, _) => format!("{}: {}", container.name, reason.code()),
        };
        template.containers.iter().zip(&choice.containers).map(line).collect()
    }

    fn pod(annotations: &Json, containers: &Json, init: &Json) -> Json {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"annotations": annotations},
            "spec": {"containers": containers, "initContainers": init}})
    }

    fn chosen(annotations: &Json, containers: &Json) -> Vec<String> {
        chosen_of(&pod(annotations, containers, &json!([])), &configuration())
    }

    /// `name=image command…`
    fn containers(lines: &[&str]) -> Json {
        let one = |line: &&str| {
            let mut words = line.split(' ');
            let (name, image) = words.next().unwrap().split_once('=').unwrap();
            json!({"name": name, "image": image, "command": words.collect::<Vec<_>>()})
        };
        lines.iter().map(one).collect()
    }

    #[test]
    fn pods_of_the_original_operators_examples_come_out_right() {
        let none = json!({});
        for (lines, expected) in [
            (&["app=python:3.11-slim"][..], vec!["app: +"]),
            (&["app=ghcr.io/acme/rag:3"], vec!["app: + python-assumed"]),
            (
                &[
                    "web=acme/web:1 uvicorn app:app",
                    "worker=python:3.12-alpine celery",
                    "nginx=nginx:1.27",
                    "istio-proxy=istio/proxyv2:1.24",
                ],
                vec!["web: +", "worker: incompatible-python", "nginx: not-python", "istio-proxy: sidecar"],
            ),
            (&["app=acme/x bash -o pipefail -c java"], vec!["app: not-python"]),
            (&["xray=amazon/aws-xray-daemon:3"], vec!["xray: sidecar"]),
            (
                &["app=acme/pipeline:1", "array=acme/array", "ray=acme/xray"],
                vec!["app: language-unknown", "array: language-unknown", "ray: language-unknown"],
            ),
            (&["app=kafka-python-consumer"], vec!["app: +"]),
            // One that is unknown beside those that are known
            (&["app=acme/chat:1", "cache=redis:7"], vec!["app: + python-assumed", "cache: not-python"]),
            (&["app=acme/chat:1", "proxy=envoyproxy/envoy"], vec!["app: + python-assumed", "proxy: sidecar"]),
            (&["app=acme/chat:1", "web=python:3.11"], vec!["app: language-unknown", "web: +"]),
            (&["a=acme/chat:1", "b=acme/other:1"], vec!["a: language-unknown", "b: language-unknown"]),
            (&["app=nginx"], vec!["app: not-python"]),
            // Checks 4, 5 and 7
            (&["app=acme/x opentelemetry-instrument python app.py"], vec!["app: already-instrumented"]),
            (&["app=acme/x python3.12 -sE app.py"], vec!["app: isolated-python"]),
            (&["app=python:3.12"], vec!["app: incompatible-python"]),
            (&["app=pypy:3.10"], vec!["app: incompatible-python"]),
            (&["app=python:3.11-alpine"], vec!["app: incompatible-python"]),
        ] {
            assert_eq!(chosen(&none, &containers(lines)), expected, "{lines:?}");
        }
    }

    #[test]
    fn annotations_of_the_template_are_heeded() {
        let lines = containers(&["app=python:3.11", "web=acme/x", "proxy=envoyproxy/envoy", "db=redis"]);
        for (annotations, expected) in [
            (
                json!({"openlit.io/exclude-containers": "app, db"}),
                ["container-excluded", "+ python-assumed", "sidecar", "container-excluded"],
            ),
            (
                json!({"openlit.io/include-containers": "web"}),
                ["container-not-included", "+ python-assumed", "container-not-included", "container-not-included"],
            ),
            (
                json!({"openlit.io/include-containers": "app,proxy"}),
                ["+", "container-not-included", "language-unknown", "container-not-included"],
            ),
            (json!({"openlit.io/include-containers": " , "}), ["+", "language-unknown", "sidecar", "not-python"]),
            (
                json!({"openlit.io/include-containers": "app", "openlit.io/exclude-containers": "app"}),
                ["container-excluded", "container-not-included", "container-not-included", "container-not-included"],
            ),
            (
                json!({"openlit.io/container-languages": "app:go, web : Python ,db:python,proxy:python"}),
                ["other-language", "+", "sidecar", "+"],
            ),
            (
                json!({"openlit.io/container-languages": "app,web:,nobody:go"}),
                ["+", "language-unknown", "sidecar", "not-python"],
            ),
            (json!({"openlit.io/inject-python": "true"}), ["+", "+", "sidecar", "+"]),
            (
                json!({"openlit.io/inject-python": "TRUE", "openlit.io/exclude-containers": "app"}),
                ["container-excluded", "+", "sidecar", "+"],
            ),
            (
                json!({"openlit.io/inject-python": "true", "openlit.io/include-containers": "app,proxy"}),
                ["+", "container-not-included", "+", "container-not-included"],
            ),
            (
                json!({"openlit.io/inject-python": "true", "openlit.io/container-languages": "db:c"}),
                ["+", "+", "sidecar", "other-language"],
            ),
            (json!({"openlit.io/inject-python": "false"}), ["injection-disabled"; 4]),
            (json!({"openlit.io/inject-python": "maybe"}), ["+", "language-unknown", "sidecar", "not-python"]),
        ] {
            let names = ["app", "web", "proxy", "db"];
            let expected: Vec<_> =
                names.iter().zip(expected).map(|(name, outcome)| format!("{name}: {outcome}")).collect();
            assert_eq!(chosen(&annotations, &lines), expected, "{annotations}");
        }
    }

    #[test]
    fn inject_python_spares_exactly_checks_4_6_and_7() {
        let forced =
            json!({"openlit.io/inject-python": "true", "instrumentation.opentelemetry.io/inject-python": "true"});
        for (line, expected) in [
            ("app=acme/x ddtrace-run python", "app: +"),
            ("app=nginx", "app: +"),
            ("app=python:3.12-alpine", "app: +"),
            ("app=python:3.11 python -I app.py", "app: isolated-python"),
            ("istio-proxy=python:3.11", "istio-proxy: sidecar"),
        ] {
            assert_eq!(chosen(&forced, &containers(&[line])), [expected], "{line}");
        }
        let pod = pod(&forced, &containers(&["app=python:3.12"]), &json!([]));
        let value = Value::from(&pod);
        let choice = choose(&workloads(&value, &[]).workloads[0].templates[0], &configuration());
        let evidence = Some("the image path says python".to_owned());
        assert_eq!(choice.containers, [Outcome::Injected { notes: vec![], evidence }], "no word of compatibility");
    }

    #[test]
    fn init_containers_are_instrumented_only_by_name() {
        let init = json!([
            {"name": "migrate", "image": "python:3.11"},
            {"name": "helper", "image": "python:3.11", "restartPolicy": "Always"},
            {"name": "mesh", "image": "istio/proxyv2", "restartPolicy": "Always"},
        ]);
        let app = containers(&["app=python:3.11"]);
        for (annotations, expected) in [
            (json!({}), ["app: +", "migrate: init-container", "helper: init-container", "mesh: init-container"]),
            (
                json!({"openlit.io/include-containers": "migrate,helper"}),
                ["app: container-not-included", "migrate: +", "helper: +", "mesh: init-container"],
            ),
            (
                json!({"openlit.io/inject-python": "true"}),
                ["app: +", "migrate: init-container", "helper: init-container", "mesh: init-container"],
            ),
        ] {
            assert_eq!(chosen_of(&pod(&annotations, &app, &init), &configuration()), expected, "{annotations}");
        }
    }

    #[test]
    fn strict_detection_assumes_nothing() {
        let mut strict = configuration();
        strict.detection = Detection::Strict;
        for (lines, expected) in [
            (&["app=acme/x"][..], vec!["app: not-detected"]),
            (&["app=python:3.11", "web=acme/x", "db=redis"], vec!["app: +", "web: not-detected", "db: not-python"]),
        ] {
            assert_eq!(chosen_of(&pod(&json!({}), &containers(lines), &json!([])), &strict), expected);
        }
        let told =
            pod(&json!({"openlit.io/container-languages": "app:python"}), &containers(&["app=acme/x"]), &json!([]));
        assert_eq!(chosen_of(&told, &strict), ["app: +"]);
    }

    #[test]
    fn a_read_only_root_filesystem_is_no_obstacle() {
        let containers =
            json!([{"name": "app", "image": "python:3.11", "securityContext": {"readOnlyRootFilesystem": true}}]);
        assert_eq!(chosen(&json!({}), &containers), ["app: +"]);
    }

    #[test]
    fn what_is_never_instrumented() {
        let windows = json!({"apiVersion": "v1", "kind": "Pod", "spec": {
            "nodeSelector": {"kubernetes.io/os": "windows"}, "containers": [{"name": "app", "image": "python:3.11"}]}});
        assert_eq!(chosen_of(&windows, &configuration()), ["app: windows"]);
        let patch = json!([{"name": "app"}, {"name": "b", "image": ""}, {"name": "c", "image": null}, {"name": "d", "image": "python:3.11"}]);
        assert_eq!(chosen(&json!({}), &patch), ["app: no-image", "b: no-image", "c: no-image", "d: +"]);
    }

    #[test]
    fn another_hand_on_the_pod_keeps_ours_off() {
        let other = json!({"instrumentation.opentelemetry.io/inject-python": "true"});
        let lines = containers(&["app=python:3.11", "envoy=envoyproxy/envoy"]);
        assert_eq!(chosen(&other, &lines), ["app: already-instrumented", "envoy: sidecar"]);
        let original = pod(&json!({}), &lines, &json!([{"name": "auto-instrumentation-openlit", "image": "x"}]));
        assert_eq!(chosen_of(&original, &configuration())[0], "app: already-instrumented");
        let ours =
            pod(&json!({"openlit.io/injection": "{}"}), &lines, &json!([{"name": "openlit-init", "image": "x"}]));
        assert_eq!(chosen_of(&ours, &configuration())[0], "app: +");
    }

    /// `KubeRay` appends `ray start` to whatever the user runs: the manifest and the pod say the same.
    #[test]
    fn the_first_container_of_a_ray_pod_runs_ray_at_every_door() {
        let spec = |command: Json| json!({"containers": [{"name": "head", "image": "acme/train:1", "command": command}, {"name": "x", "image": "acme/y"}]});
        let cluster = json!({"apiVersion": "ray.io/v1", "kind": "RayCluster", "spec": {"headGroupSpec": {"template": {"spec": spec(json!(["python", "-I", "x"]))}}}});
        let mut pod = json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"ownerReferences": [{"apiVersion": "ray.io/v1", "kind": "RayCluster", "name": "r", "controller": true}]},
            "spec": spec(json!(["/bin/bash", "-c", "--", "python -I x && ulimit -n 65536; ray start --head"]))});
        pod["spec"]["containers"]
            .as_array_mut()
            .unwrap()
            .push(json!({"name": "autoscaler", "image": "acme/train:1", "command": ["ray"]}));
        let expected = ["head: +", "x: language-unknown"];
        assert_eq!(chosen_of(&cluster, &configuration()), expected);
        assert_eq!(chosen_of(&pod, &configuration()), expected);
    }

    #[test]
    fn what_controllers_add_changes_nothing() {
        let container = |env: Json| json!([{"name": "pytorch", "image": "acme/train:1", "env": env}]);
        let job = json!({"apiVersion": "kubeflow.org/v1", "kind": "PyTorchJob", "metadata": {"name": "t"},
            "spec": {"pytorchReplicaSpecs": {"Worker": {"template": {"spec": {"containers": container(json!([]))}}}}}});
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"training.kubeflow.org/job-name": "t"}},
            "spec": {"containers": container(json!([{"name": "PYTHONUNBUFFERED", "value": "1"}]))}});
        let mut strict = configuration();
        strict.detection = Detection::Strict;
        for configuration in [configuration(), strict] {
            assert_eq!(chosen_of(&job, &configuration), chosen_of(&pod, &configuration));
        }
    }

    #[test]
    fn evidence_and_details_are_told() {
        let value = pod(&json!({}), &containers(&["app=acme/x uvicorn app:app", "old=python:3.12"]), &json!([]));
        let value = Value::from(&value);
        let choice = choose(&workloads(&value, &[]).workloads[0].templates[0], &configuration());
        let notes =
            vec![(Reason::CompatibilityUnknown, "the image acme/x does not say which Python it holds".to_owned())];
        assert_eq!(
            choice.containers[0],
            Outcome::Injected { notes, evidence: Some("the command says uvicorn".to_owned()) }
        );
        assert_eq!(
            choice.containers[1],
            Outcome::Skipped(
                Reason::IncompatiblePython,
                "the tag 3.12 is Python 3.12; the init image serves CPython 3.11 (glibc)".to_owned()
            )
        );
        assert_eq!(choice.injected().collect::<Vec<_>>(), [0]);
    }
}
