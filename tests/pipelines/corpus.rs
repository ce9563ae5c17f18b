//! The component of the guide over real kustomizations, which others wrote: a test each. They are kept beside the checkout,
//! since they are not ours; without them one test says so.

use super::kustomize::BUILD;
use super::manifest::documents;
use super::place::{Place, ROOT};
use super::tools::Tools;
use libtest_mimic::{Completion, Trial};
use prelit::render::kustomization::is_kustomization;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

const CORPUS: &str = "../shared/corpus";

/// These have parts that are fetched from elsewhere; all others must build.
const FETCHED: [&str; 3] = [
    "kubeflow/training-operator/upstream/v2/overlays/only-manager",
    "kubeflow/training-operator/upstream/v2/overlays/standalone",
    "kustomize/examples/loadHttp",
];

/// Files that kustomizations ask for and that are no YAML, so the corpus has them not. What is in them does not matter here.
const BESIDE: [&str; 6] = [
    "ldap/base/env.startup.txt",
    "ldap/overlays/staging/config.env",
    "springboot/base/application.properties",
    "springboot/overlays/staging/application.properties",
    "springboot/overlays/staging/staging.env",
    "transformerconfigs/images/kustomizeconfig/mykind.yaml",
];

/// Asks for Prelit by name, since most of these pods run no Python.
const ASKED: &str = r#"apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
patches:
  - target: {kind: Deployment|StatefulSet|DaemonSet|Job}
    patch: |-
      apiVersion: any/v1
      kind: Any
      metadata: {name: any}
      spec: {template: {metadata: {annotations: {openlit.io/inject-python: "true"}}}}
"#;

/// Every kustomization of the corpus.
pub fn trials(tools: &Tools) -> Vec<Trial> {
    let mut found = Vec::new();
    find(&Path::new(ROOT).join(CORPUS), Path::new(""), &mut found);
    if found.is_empty() {
        let why = format!("skipped: no folder {CORPUS}");
        return vec![Trial::ignorable_test("corpus", || Ok(Completion::ignored_with(why)))];
    }
    let trial = |folder: PathBuf| {
        let name = folder.to_string_lossy().into_owned();
        tools.ignorable_trial(&format!("corpus::{name}"), &["kustomize"], move |place| is_instrumented(place, &name))
    };
    found.into_iter().map(trial).collect()
}

/// Every folder with a kustomization, but for components, which build only inside another.
fn find(corpus: &Path, folder: &Path, into: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(corpus.join(folder)) else { return };
    let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
    names.sort();
    for name in names {
        let path = folder.join(&name);
        if corpus.join(&path).is_dir() {
            find(corpus, &path, into);
        } else if is_kustomization(&path)
            && !fs::read_to_string(corpus.join(&path)).unwrap().contains("kind: Component")
        {
            into.push(folder.to_owned());
        }
    }
}

fn is_instrumented(place: &Place, name: &str) -> Completion {
    set_up(place);
    let layer = |components: &str| format!("resources: [../corpus/{name}]\ncomponents: [{components}]\n");
    place.write("plain/kustomization.yaml", layer("../asked"));
    place.write("injected/kustomization.yaml", layer("../asked, ../component"));
    let plain = place.line("kustomize build plain");
    let injected = place.line(&format!("{BUILD} injected"));
    if FETCHED.contains(&name) {
        assert!(injected.code != 0 && injected.stdout.is_empty(), "{injected}");
        return Completion::ignored_with("skipped: parts of it are fetched from elsewhere");
    }
    let (plain, injected) = (plain.succeeded().stdout, injected.succeeded().stdout);
    place.write("result.yaml", &injected);
    assert_eq!(place.out("prelit remove < result.yaml"), plain);
    place.out("prelit check --config exec/openlit.yaml < result.yaml");
    let asked = documents(plain.as_bytes()).iter().filter(|object| is_asked_for(object)).count();
    assert_eq!(injected.matches("openlit.io/injection:").count(), asked, "{injected}");
    Completion::Completed
}

/// The corpus with what is missing in it, the component of the guide, and a resource that selects every pod.
fn set_up(place: &Place) {
    let corpus = Path::new(ROOT).join(CORPUS);
    place.copy(&format!("{CORPUS}/kustomize"), "corpus/kustomize");
    for other in ["kubeflow", "kube-prometheus", "kuberay", "kubernetes-examples"] {
        symlink(corpus.join(other), place.path("corpus").join(other)).unwrap();
    }
    for file in BESIDE {
        place.write(format!("corpus/kustomize/examples/{file}"), "");
    }
    place.write("asked/kustomization.yaml", ASKED);
    place.copy("kustomize-plugin/component", "component");
    place.copy("kustomize-plugin/exec", "exec");
    let every_pod = "matchExpressions: [{key: no-pod-has-this-label, operator: DoesNotExist}]";
    place.change("exec/openlit.yaml", "matchLabels:\n      app: chat", every_pod);
}

/// Whether an object is one of the workloads that `ASKED` is about, with a container that is told where its image is.
/// They are known by their kind and not by the annotation: were that missing, nothing would be injected or expected.
fn is_asked_for(object: &Value) -> bool {
    let kinds = [("apps/v1", ["Deployment", "StatefulSet", "DaemonSet"].as_slice()), ("batch/v1", &["Job"])];
    kinds
        .iter()
        .any(|(version, kinds)| object["apiVersion"] == *version && kinds.iter().any(|kind| object["kind"] == *kind))
        && object.pointer("/spec/template/spec/containers/0/image").is_some()
}
