//! Sources that render: a kustomization, a chart, a plain folder. What counts is what Argo CD itself makes of the same
//! folder without any plugin; the filter over that is what must come out of the plugin, object by object.

use super::Test;
use super::plugin;
use super::repository::{ArgoCd, REPOSITORY, application, through};
use crate::assistant;
use crate::manifest;
use crate::place::Place;
use serde_json::{Value, json};

pub const TESTS: &[Test] = &[
    ("kustomization", &["kustomize"], kustomization),
    ("helm3::chart", &["helm3"], chart),
    ("helm4::chart", &["helm4"], chart),
    ("folder", &[], folder),
    ("folder_is_read_as_argo_cd_reads_it", &[], folder_is_read_as_argo_cd_reads_it),
    ("settings_by_parameters", &[], settings_by_parameters),
    ("settings_by_strength", &[], settings_by_strength),
    ("defaults_of_the_sidecar", &[], defaults_of_the_sidecar),
    ("overrides_in_the_repository", &[], overrides_in_the_repository),
    ("second_generation_is_the_same", &["kustomize", "helm3"], second_generation_is_the_same),
    ("examples_of_the_guide", &["kustomize", "helm4"], examples_of_the_guide),
    ("parameters_are_announced", &["kustomize", "helm3"], parameters_are_announced),
    ("discovery", &["kustomize", "helm3"], discovery),
];

/// The three kinds of sources, in the repository.
pub const FOLDERS: [&str; 3] = ["kustomize/production", "chart", "folder"];

/// Fills the repository.
pub fn repository(place: &Place) {
    place.copy("kustomize-plugin/example/base", format!("{REPOSITORY}/kustomize/base"));
    let overlay = "resources: [../base]\nnamePrefix: production-\n\
                   labels: [{pairs: {openlit.io/instrument: 'true'}, includeTemplates: true}]\n";
    place.write(format!("{REPOSITORY}/kustomize/production/kustomization.yaml"), overlay);
    place.copy("testdata/charts/chat", format!("{REPOSITORY}/chart"));
    for file in ["chat.yaml", "ai.yaml"] {
        place.copy(&format!("docs/examples/{file}"), format!("{REPOSITORY}/folder/{file}"));
    }
    assistant::link_helm(place);
}

/// What Argo CD makes of a folder by itself, with Prelit behind it as a filter.
fn filtered(place: &Place, argo: &ArgoCd, native: &Value, options: &[&str]) -> Vec<Value> {
    let plain = argo.ask_without_plugins(native).texts().join("\n---\n");
    let arguments = [&["inject", "--namespace", "shop"], options].concat();
    let run = place.pipe(&plain, "prelit", &arguments).succeeded();
    manifest::documents(run.stdout.as_bytes())
}

/// The plugin gives what Argo CD gives without it, injected. At least one object is.
#[track_caller]
fn is_argo_cds_own(place: &Place, argo: &ArgoCd, folder: &str, parameters: &Value, native: &Value) {
    let expected = filtered(place, argo, native, &[]);
    let found = argo.render(folder, parameters).objects();
    assert!(is_injected(&found), "{folder} {parameters}: nothing is injected");
    assert_eq!(found, expected, "{folder} {parameters}");
}

pub fn is_injected(objects: &[Value]) -> bool {
    objects.iter().any(|object| object.to_string().contains("\"openlit.io/injection\":"))
}

fn kustomization(place: &Place) {
    repository(place);
    let argo = ArgoCd::start(place);
    let folder = "kustomize/production";
    let native = application(folder, "kustomize", &json!({ "namePrefix": "" }));
    is_argo_cds_own(place, &argo, folder, &json!({}), &native);
}

/// Each parameter beside the field of Argo CD's own Helm source.
fn chart(place: &Place) {
    repository(place);
    place.write(format!("{REPOSITORY}/chart/values-eu.yaml"), "model: eu\napi: {replicas: 3}\n");
    place.write(format!("{REPOSITORY}/values/shared.yaml"), "model: shared\n");
    place.write(format!("{REPOSITORY}/chart/crds/model.yaml"), CRD);
    let argo = ArgoCd::start(place);
    for (parameters, native) in [
        (json!({}), json!({ "releaseName": "chat" })),
        (json!({ "release-name": "other" }), json!({ "releaseName": "other" })),
        (json!({ "values-files": ["values-eu.yaml"] }), json!({ "valueFiles": ["values-eu.yaml"] })),
        (
            json!({ "values-files": ["values-eu.yaml", "../values/shared.yaml"] }),
            json!({ "valueFiles": ["values-eu.yaml", "../values/shared.yaml"] }),
        ),
        (json!({ "values-files": ["/values/shared.yaml"] }), json!({ "valueFiles": ["/values/shared.yaml"] })),
        (
            json!({ "values-files": ["values-us.yaml"], "ignore-missing-values-files": "true" }),
            json!({ "valueFiles": ["values-us.yaml"], "ignoreMissingValueFiles": true }),
        ),
        (
            json!({ "values": "model: inline\nworker: {enabled: false}\n", "values-files": ["values-eu.yaml"] }),
            json!({ "values": "model: inline\nworker: {enabled: false}\n", "valueFiles": ["values-eu.yaml"] }),
        ),
        (
            json!({ "helm-parameters": { "api.replicas": "5", "model": "set" } }),
            json!({ "parameters": [{ "name": "api.replicas", "value": "5" }, { "name": "model", "value": "set" }] }),
        ),
        (json!({ "skip-crds": "true" }), json!({ "skipCrds": true })),
        (json!({ "skip-tests": "true" }), json!({ "skipTests": true })),
    ] {
        is_argo_cds_own(place, &argo, "chart", &parameters, &application("chart", "helm", &native));
    }
}

const CRD: &str = "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: models.ml.example.com}
spec:
  group: ml.example.com
  names: {kind: Model, plural: models}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
";

fn folder(place: &Place) {
    repository(place);
    let argo = ArgoCd::start(place);
    let native = application("folder", "directory", &json!({ "recurse": false, "exclude": "none" }));
    is_argo_cds_own(place, &argo, "folder", &json!({}), &native);
    // The resource that selects is a manifest of the application, too.
    let kinds: Vec<Value> =
        argo.render("folder", &json!({})).objects().into_iter().map(|object| object["kind"].clone()).collect();
    assert_eq!(kinds, ["AutoInstrumentation", "Deployment"]);
}

/// Which files, in which order, and what of them.
fn folder_is_read_as_argo_cd_reads_it(place: &Place) {
    repository(place);
    let labelled = |kind: &str, name: &str| {
        format!(
            "{{apiVersion: apps/v1, kind: {kind}, metadata: {{name: {name}}}, spec: {{selector: {{matchLabels: {{a: b}}}}, \
             template: {{metadata: {{labels: {{a: b, openlit.io/instrument: 'true'}}}}, \
             spec: {{containers: [{{name: a, image: 'python:3.11-slim'}}]}}}}}}}}\n"
        )
    };
    for (file, text) in [
        (
            "b.yaml",
            format!(
                "# the second\n---\n{}---\n# nothing\n---\n{}",
                labelled("Deployment", "b1"),
                labelled("DaemonSet", "b2")
            ),
        ),
        ("a.yml", labelled("Deployment", "a")),
        (
            "c.json",
            r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "1"}}"#.to_owned(),
        ),
        ("d.txt", "no manifest".to_owned()),
        ("e.YAML", labelled("Deployment", "e")),
        ("f.yaml", format!("# +argocd:skip-file-rendering\n{}", labelled("Deployment", "f"))),
        (
            "g.yaml",
            format!(
                "apiVersion: v1\nkind: List\nitems:\n- {}- {}",
                labelled("Deployment", "g1"),
                labelled("Deployment", "g2")
            ),
        ),
        ("--strict.yaml", labelled("Deployment", "option")),
        ("deep/h.yaml", labelled("Deployment", "h")),
        ("deep/deeper/i.yaml", labelled("Deployment", "i")),
        ("deep-er/j.yaml", labelled("Deployment", "j")),
        (".hidden/k.yaml", labelled("Deployment", "k")),
        (".l.yaml", labelled("Deployment", "l")),
    ] {
        place.write(format!("{REPOSITORY}/many/{file}"), text);
    }
    std::os::unix::fs::symlink("../folder/chat.yaml", place.path(format!("{REPOSITORY}/many/m.yaml"))).unwrap();
    std::os::unix::fs::symlink("../folder", place.path(format!("{REPOSITORY}/many/link"))).unwrap();
    let argo = ArgoCd::start(place);
    for (parameters, native) in [
        (json!({}), json!({ "exclude": "none" })),
        (json!({ "recurse": "true" }), json!({ "recurse": true })),
        (json!({ "include": "*.yml" }), json!({ "include": "*.yml" })),
        (json!({ "include": "{a.yml,c.json}" }), json!({ "include": "{a.yml,c.json}" })),
        (json!({ "exclude": "[ab].*" }), json!({ "exclude": "[ab].*" })),
        (json!({ "recurse": "true", "include": "deep/*" }), json!({ "recurse": true, "include": "deep/*" })),
        (json!({ "recurse": "true", "exclude": "*/*" }), json!({ "recurse": true, "exclude": "*/*" })),
        (json!({ "recurse": "true", "include": "**/h.yaml" }), json!({ "recurse": true, "include": "**/h.yaml" })),
        (
            json!({ "recurse": "true", "include": "*.yaml", "exclude": "deep*" }),
            json!({ "recurse": true, "include": "*.yaml", "exclude": "deep*" }),
        ),
    ] {
        is_argo_cds_own(place, &argo, "many", &parameters, &application("many", "directory", &native));
    }
}

/// Each parameter beside the option of the filter.
fn settings_by_parameters(place: &Place) {
    repository(place);
    // Without a resource, so that the settings decide all.
    let labelled = place
        .read(format!("{REPOSITORY}/folder/chat.yaml"))
        .replace("labels: {app: chat, ", "labels: {app: chat, openlit.io/instrument: \"true\", ");
    place.write(format!("{REPOSITORY}/labelled/chat.yaml"), labelled);
    let argo = ArgoCd::start(place);
    let native = application("labelled", "directory", &json!({ "exclude": "none" }));
    for (parameters, options) in [
        (json!({}), vec![]),
        (json!({ "endpoint": "http://c.example.com:4318" }), vec!["OPENLIT_OTLP_ENDPOINT=http://c.example.com:4318"]),
        (json!({ "environment": "staging" }), vec!["OPENLIT_DEFAULT_ENVIRONMENT=staging"]),
        (json!({ "provider": "openinference" }), vec!["OPENLIT_DEFAULT_PROVIDER=openinference"]),
        (json!({ "version": "1.2.3" }), vec!["OPENLIT_DEFAULT_VERSION=1.2.3"]),
        (json!({ "capture-message-content": "false" }), vec!["OPENLIT_CAPTURE_MESSAGE_CONTENT=false"]),
        (json!({ "detailed-tracing": "true" }), vec!["OPENLIT_DETAILED_TRACING=true"]),
        (
            json!({ "settings": { "OPENLIT_INIT_RUN_AS_USER": "2000", "OPENLIT_IMAGE_PULL_POLICY": "Always" } }),
            vec!["OPENLIT_INIT_RUN_AS_USER=2000", "OPENLIT_IMAGE_PULL_POLICY=Always"],
        ),
        (json!({ "strict": "false", "allow-empty": "false" }), vec![]),
    ] {
        let options: Vec<&str> = options.iter().flat_map(|setting| ["--set", setting]).collect();
        let expected = filtered(place, &argo, &native, &options);
        assert_eq!(argo.render("labelled", &parameters).objects(), expected, "{parameters}");
        let plain = filtered(place, &argo, &native, &[]);
        assert!(options.is_empty() || expected != plain, "{parameters} changes nothing");
    }
}

/// Parameters, then the environment of the Application, then the sidecar.
fn settings_by_strength(place: &Place) {
    repository(place);
    let labelled = place
        .read(format!("{REPOSITORY}/folder/chat.yaml"))
        .replace("labels: {app: chat, ", "labels: {app: chat, openlit.io/instrument: \"true\", ");
    place.write(format!("{REPOSITORY}/labelled/chat.yaml"), labelled);
    place.write(
        format!("{}/settings.env", plugin::DEFAULTS),
        "OPENLIT_DEFAULT_ENVIRONMENT=of-the-sidecar\nOPENLIT_DEFAULT_VERSION=3.0.0\nOPENLIT_INIT_RUN_AS_USER=3000\n",
    );
    let argo = ArgoCd::start(place);
    let mut application = through(&argo.server.plugin, "labelled", &json!({ "environment": "of-the-parameter" }));
    // Argo CD puts its own variables into the values.
    application["spec"]["source"]["plugin"]["env"] = json!([
        { "name": "OPENLIT_DEFAULT_ENVIRONMENT", "value": "of-the-env" },
        { "name": "OPENLIT_DEFAULT_VERSION", "value": "2.0.0" },
        { "name": "OPENLIT_OTLP_ENDPOINT", "value": "http://$ARGOCD_APP_NAME.example.com:4318" },
        { "name": "OTHER", "value": "not ours" },
    ]);
    let native = self::application("labelled", "directory", &json!({ "exclude": "none" }));
    let options = [
        "OPENLIT_DEFAULT_ENVIRONMENT=of-the-parameter",
        "OPENLIT_DEFAULT_VERSION=2.0.0",
        "OPENLIT_OTLP_ENDPOINT=http://chat.example.com:4318",
        "OPENLIT_INIT_RUN_AS_USER=3000",
    ]
    .map(|setting| ["--set", setting])
    .concat();
    assert_eq!(argo.ask(&application).objects(), filtered(place, &argo, &native, &options));
}

/// A resource and settings that hold for every Application; the resource is none of its manifests.
fn defaults_of_the_sidecar(place: &Place) {
    repository(place);
    place.write(format!("{REPOSITORY}/alone/chat.yaml"), place.read(format!("{REPOSITORY}/folder/chat.yaml")));
    place.copy("docs/examples/ai.yaml", format!("{}/ai.yaml", plugin::DEFAULTS));
    place.write(format!("{}/settings.yaml", plugin::DEFAULTS), "OPENLIT_INIT_RUN_AS_USER: '3000'\n");
    let argo = ArgoCd::start(place);
    let native = application("alone", "directory", &json!({ "exclude": "none" }));
    let resource = place.path(plugin::DEFAULTS).join("ai.yaml");
    let options = ["--config", resource.to_str().unwrap(), "--set", "OPENLIT_INIT_RUN_AS_USER=3000"];
    let found = argo.render("alone", &json!({})).objects();
    assert!(is_injected(&found));
    assert_eq!(found, filtered(place, &argo, &native, &options));
}

/// Argo CD reads parameters from `.argocd-source.yaml`, too, and that file is no manifest of a plain folder.
fn overrides_in_the_repository(place: &Place) {
    repository(place);
    // Of the same type: where the types differ, Argo CD gives the parameter both values.
    let parameters = "plugin: {parameters: [{name: environment, string: overridden}]}\n";
    place.write(format!("{REPOSITORY}/folder/.argocd-source.yaml"), parameters);
    place.change(&format!("{REPOSITORY}/folder/ai.yaml"), "  resource:\n    environment: production\n", "");
    let argo = ArgoCd::start(place);
    let found = argo.render("folder", &json!({ "environment": "of-the-parameter" })).objects();
    let text = json!(found).to_string();
    assert!(text.contains("deployment.environment=overridden"), "{text}");
    assert!(!text.contains("of-the-parameter"), "Argo CD has learnt to merge lists\n{text}");
    assert_eq!(found.len(), 2);
}

/// Byte for byte, also from another server.
fn second_generation_is_the_same(place: &Place) {
    repository(place);
    let argo = ArgoCd::start(place);
    let render = |argo: &ArgoCd| FOLDERS.map(|folder| argo.render(folder, &json!({})).texts());
    let first = render(&argo);
    assert_eq!(render(&argo), first);
    drop(argo);
    place.write(format!("{REPOSITORY}/README.md"), "another commit");
    assert_eq!(render(&ArgoCd::start(place)), first);
}

/// The Applications of `argocd-cmp/examples`, which name this repository.
fn examples_of_the_guide(place: &Place) {
    place.copy("argocd-cmp/examples", format!("{REPOSITORY}/argocd-cmp/examples"));
    assistant::link_helm(place);
    let argo = ArgoCd::start(place);
    for example in ["kustomize", "helm", "hydrator"] {
        let application = place.read(format!("{REPOSITORY}/argocd-cmp/examples/{example}/application.yaml"));
        // The name of the only branch is up to git.
        let application = application.replace("targetRevision: main", "targetRevision: HEAD");
        let application = manifest::documents(application.as_bytes()).remove(0);
        let answer = argo.ask(&application);
        assert!(is_injected(&answer.objects()), "{example}");
        let rendered = answer.texts().join("\n---\n");
        place.pipe(&rendered, "prelit", &["check"]).succeeded();
        assert_eq!(argo.ask(&application).texts(), answer.texts(), "{example}: a second time");
    }
}

fn parameters_are_announced(place: &Place) {
    repository(place);
    let argo = ArgoCd::start(place);
    let every = [
        "endpoint",
        "environment",
        "provider",
        "version",
        "capture-message-content",
        "detailed-tracing",
        "settings",
        "strict",
        "allow-empty",
    ];
    let of_charts = [
        "values-files",
        "values",
        "helm-parameters",
        "release-name",
        "skip-crds",
        "skip-tests",
        "ignore-missing-values-files",
    ];
    let of_folders = ["recurse", "include", "exclude"];
    for (folder, own) in FOLDERS.into_iter().zip([&[][..], &of_charts, &of_folders]) {
        let answer = argo.details(folder);
        assert_eq!(*answer.get("sourceType"), "Plugin");
        assert_eq!(argo.call("parameters", folder, &[]).get("parameters"), answer.get("parameters"), "{folder}");
        let parameters = answer.get("parameters").as_array().expect("a list").clone();
        let mut names: Vec<&str> = parameters.iter().map(|it| it["name"].as_str().unwrap()).collect();
        let mut expected = [&every, own].concat();
        names.sort_unstable();
        expected.sort_unstable();
        assert_eq!(names, expected, "{folder}");
        for parameter in &parameters {
            let name = parameter["name"].as_str().unwrap();
            for word in ["title", "tooltip"] {
                assert!(parameter[word].as_str().is_some_and(|text| !text.is_empty()), "{folder}: {parameter}");
            }
            let kind = match name {
                "values-files" => "array",
                "settings" | "helm-parameters" => "map",
                _ => "string",
            };
            let said = parameter["collectionType"].as_str().filter(|kind| !kind.is_empty()).unwrap_or("string");
            assert_eq!(said, kind, "{folder}: {name}");
        }
    }
}

/// An Application that names no plugin.
fn discovery(place: &Place) {
    repository(place);
    place.write(format!("{REPOSITORY}/nothing/README.md"), "no manifests");
    place.write(
        format!("{REPOSITORY}/jsonnet/a.jsonnet"),
        "{apiVersion: 'v1', kind: 'ConfigMap', metadata: {name: 'a'}}",
    );
    let argo = ArgoCd::with(place, &plugin::with_discovery(&plugin::yaml(place)));
    for folder in FOLDERS {
        let application = application(folder, "ref", &json!(""));
        let found = argo.ask(&application);
        assert_eq!(*found.get("sourceType"), "Plugin", "{folder}");
        assert!(is_injected(&found.objects()), "{folder}");
        let named = argo.render(folder, &json!({}));
        assert_eq!(named.texts(), found.texts(), "{folder}: by name");
        assert_eq!(*argo.call("match", folder, &[]).get("supported"), true, "{folder}");
    }
    // Who names another tool gets it.
    let native = argo.ask(&application("folder", "directory", &json!({ "recurse": true })));
    assert_eq!(*native.get("sourceType"), "Directory");
    assert!(!is_injected(&native.objects()));
    for folder in ["nothing", "jsonnet"] {
        let application = application(folder, "ref", &json!(""));
        assert_eq!(*argo.ask(&application).get("sourceType"), "Directory", "{folder}");
        argo.render(folder, &json!({})).error();
        let answer = argo.call("match", folder, &[]);
        assert!(answer.get("supported").is_null() && *answer.get("discovery") == true, "{folder}");
    }
}
