//! What `argocd-cmp/` adds to argocd-repo-server: as a component of a kustomization that installs Argo CD, here over a
//! Deployment of its shape, and as values of its chart. Both must give the same container, which may do very little.

use super::application::Application;
use super::manifest::{documents, pick};
use super::place::{Place, Run};
use super::shell::settle;
use super::tools::Tools;
use libtest_mimic::Trial;
use prelit::argocd::{PARAMETERS, Scope, announcements};
use serde_json::{Value, json};

pub fn trials(tools: &Tools) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (name, needs, test) in [
        ("is_added_and_nothing_is_changed", &["kustomize"][..], added as fn(&Place)),
        ("may_do_very_little", &["kustomize"], may_do_very_little),
        ("shares_nothing_to_write_but_its_socket", &["kustomize"], shares_its_socket),
        ("is_the_same_by_helm", &[], same_by_helm),
        ("follows_a_plugin_yaml_of_ones_own", &["kustomize"], plugin_yaml_of_ones_own),
        ("exec_function_is_put_on_the_path", &["kustomize"], exec_function),
        ("plugin_yaml_is_complete", &[], plugin_yaml),
        ("every_parameter_is_explained", &[], every_parameter_is_explained),
        ("examples_are_rendered", &["kustomize", "helm4"], examples),
    ] {
        trials.push(tools.trial(&format!("sidecar::{name}"), needs, test));
    }
    trials
}

/// What `argocd-cmp/install` gives with these components, over the Deployment in place of Argo CD's.
fn install(place: &Place, components: &str) -> String {
    place.copy("argocd-cmp", "argocd-cmp");
    place.copy("testdata/pipelines/argocd-sidecar/input", "argocd");
    let kustomization = "argocd-cmp/install/kustomization.yaml";
    let url = place.read(kustomization).lines().find_map(|line| Some(line.split_once("- https://")?.1.to_owned()));
    place.change(kustomization, &format!("https://{}", url.expect("the address of Argo CD")), "../../argocd");
    place.change(kustomization, "  - ../sidecar\n", components);
    place.out("kustomize build argocd-cmp/install")
}

fn repo_server(stream: &str) -> Value {
    pick(&documents(stream.as_bytes()), Some("Deployment/argocd-repo-server")).expect("the Deployment").clone()
}

/// The item of a list that has this name.
fn named<'v>(list: &'v Value, name: &str) -> &'v Value {
    let mut items = list.as_array().expect("a list").iter();
    items.find(|item| item["name"] == name).unwrap_or_else(|| panic!("no {name} in {list}"))
}

fn sidecar(deployment: &Value) -> &Value {
    named(&deployment["spec"]["template"]["spec"]["containers"], "prelit")
}

fn added(place: &Place) {
    let result = install(place, "  - ../sidecar\n");
    settle("testdata/pipelines/argocd-sidecar/output.yaml", &result);
    let mut with = repo_server(&result);
    assert_eq!(sidecar(&with)["image"], "registry.example.com/prelit-argocd-cmp:0.1.0");
    let without = repo_server(&place.out("kustomize build argocd"));
    // Nothing else is another than it was.
    for list in ["containers", "volumes"] {
        let items = with["spec"]["template"]["spec"][list].as_array_mut().unwrap();
        items.retain(|item| !item["name"].as_str().unwrap().starts_with("prelit"));
    }
    let metadata = with["spec"]["template"]["metadata"].as_object_mut().unwrap();
    let annotations = metadata.remove("annotations").unwrap();
    assert_eq!(annotations, json!({"kubectl.kubernetes.io/default-container": "argocd-repo-server"}));
    with["metadata"].as_object_mut().unwrap().remove("namespace");
    assert_eq!(with, without);
}

fn may_do_very_little(place: &Place) {
    let deployment = repo_server(&install(place, "  - ../sidecar\n"));
    let sidecar = sidecar(&deployment);
    assert_eq!(
        sidecar["securityContext"],
        json!({
            "runAsUser": 999,
            "runAsGroup": 999,
            "runAsNonRoot": true,
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        })
    );
    assert_eq!(sidecar["command"], json!(["/var/run/argocd/argocd-cmp-server"]));
    assert!(sidecar["resources"]["limits"]["memory"].is_string(), "{sidecar}");
    assert!(sidecar.get("env").is_none() && sidecar.get("envFrom").is_none(), "{sidecar}");
    let volumes = &deployment["spec"]["template"]["spec"]["volumes"];
    let mounted = |path: &str| {
        let mounts = sidecar["volumeMounts"].as_array().unwrap().iter();
        let mount = mounts.clone().find(|mount| mount["mountPath"] == path).unwrap_or_else(|| panic!("no {path}"));
        named(volumes, mount["name"].as_str().unwrap())
    };
    assert!(mounted("/tmp")["emptyDir"]["sizeLimit"].is_string(), "/tmp can fill the node");
    // Kubernetes puts no token where something is mounted.
    assert_eq!(mounted("/var/run/secrets/kubernetes.io/serviceaccount")["emptyDir"], json!({}));
    // The ConfigMap that the kustomization generates, by the name with its digest; an Argo CD without it starts too.
    let defaults = &mounted("/etc/prelit")["configMap"];
    assert!(defaults["name"].as_str().unwrap().starts_with("prelit-defaults-"), "{defaults}");
    assert_eq!(defaults["optional"], true);
}

fn shares_its_socket(place: &Place) {
    let deployment = repo_server(&install(place, "  - ../sidecar\n"));
    let pod = &deployment["spec"]["template"]["spec"];
    let volumes = |container: &Value, to_write: bool| -> Vec<String> {
        let mounts = container["volumeMounts"].as_array().unwrap().iter();
        let mounts = mounts.filter(|mount| !to_write || mount["readOnly"] != true);
        mounts.map(|mount| mount["name"].as_str().unwrap().to_owned()).collect()
    };
    let mut others = volumes(named(&pod["containers"], "argocd-repo-server"), false);
    others.extend(volumes(named(&pod["initContainers"], "copyutil"), false));
    let mut shared = volumes(sidecar(&deployment), true);
    shared.retain(|volume| others.contains(volume));
    assert_eq!(shared, ["plugins"]);
}

fn same_by_helm(place: &Place) {
    place.copy("argocd-cmp", "");
    let values = place.read("helm-values.yaml");
    assert!(!values.contains("{{"), "the chart reads its values as templates");
    let values = documents(values.as_bytes()).remove(0);
    let patch = documents(place.read("sidecar/repo-server.yaml").as_bytes()).remove(0);
    let pod = &patch["spec"]["template"]["spec"];
    assert_eq!(values["repoServer"]["extraContainers"], pod["containers"]);
    assert_eq!(values["repoServer"]["volumes"], pod["volumes"]);
}

fn plugin_yaml_of_ones_own(place: &Place) {
    place.copy("argocd-cmp/plugin.yaml", "mine.yaml");
    let text = place.read("mine.yaml");
    // The comment is the discovery.
    let (before, discovery) = text.split_once("  # discover:\n").expect("a discovery");
    let (discovery, after) = discovery.split_once("\n\n").expect("an end");
    let discovery = discovery.replace("  # ", "  ");
    place.write("argocd-cmp/discovery/plugin.yaml", format!("{before}  discover:\n{discovery}\n\n{after}"));
    let result = install(place, "  - ../sidecar\n  - ../discovery\n");
    let deployment = repo_server(&result);
    let mounts = &sidecar(&deployment)["volumeMounts"];
    assert_eq!(named(mounts, "prelit-plugin")["mountPath"], "/home/argocd/cmp-server/config");
    let volume = named(&deployment["spec"]["template"]["spec"]["volumes"], "prelit-plugin");
    let name = volume["configMap"]["name"].as_str().unwrap();
    let map = pick(&documents(result.as_bytes()), Some(&format!("ConfigMap/{name}"))).expect("its ConfigMap").clone();
    let plugin = documents(map["data"]["plugin.yaml"].as_str().unwrap().as_bytes()).remove(0);
    assert_eq!(plugin["spec"]["discover"]["find"]["command"], json!(["prelit", "cmp", "discover"]));
}

fn exec_function(place: &Place) {
    let result = install(place, "  - ../exec-function\n");
    let deployment = repo_server(&result);
    let pod = &deployment["spec"]["template"]["spec"];
    let mount = named(&named(&pod["containers"], "argocd-repo-server")["volumeMounts"], "prelit-program");
    assert_eq!((&mount["mountPath"], &mount["readOnly"]), (&json!("/usr/local/bin/prelit"), &json!(true)));
    assert_eq!(named(&pod["initContainers"], "prelit")["command"], json!(["cp", "/prelit", "/program/prelit"]));
    let map = pick(&documents(result.as_bytes()), Some("ConfigMap/argocd-cm")).expect("the ConfigMap").clone();
    assert_eq!(map["data"]["kustomize.buildOptions"], "--enable-alpha-plugins --enable-exec");
}

/// What Argo CD's plugin server reads, by the names that it knows: it passes over others without a word.
fn plugin_yaml(place: &Place) {
    place.copy("argocd-cmp", "");
    let plugin = documents(place.read("plugin.yaml").as_bytes()).remove(0);
    assert_eq!(plugin["kind"], "ConfigManagementPlugin");
    assert_eq!(plugin["metadata"], json!({"name": "prelit"}));
    let mut spec = plugin["spec"].as_object().unwrap().clone();
    let parameters = spec.remove("parameters").unwrap();
    assert_eq!(Value::Object(spec), json!({"generate": {"command": ["prelit", "cmp", "generate"]}}));
    assert_eq!(parameters["dynamic"], json!({"command": ["prelit", "cmp", "parameters"]}));
    let of_all = announcements(|scope| scope == Scope::Plugin, |_| String::new()).collect::<Vec<_>>();
    assert_eq!(parameters["static"], serde_json::to_value(of_all).unwrap(), "what `prelit cmp parameters` leaves out");
}

/// The guide's table has every parameter, and no other.
fn every_parameter_is_explained(place: &Place) {
    place.copy("argocd-cmp", "");
    let text = place.read("README.md");
    let (_, section) = text.split_once("## Parameters\n").expect("the section");
    let (section, _) = section.split_once("\n## ").expect("its end");
    let (table, _) = section.split_once("\n### ").expect("the table's end");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once(" | "));
    let names = rows.flat_map(|(names, _)| names.split(", ").map(|name| name.trim_matches('`').to_owned()));
    assert_eq!(names.collect::<Vec<_>>(), PARAMETERS.iter().map(|parameter| parameter.name).collect::<Vec<_>>());
}

/// Each Application uses the plugin by its name, and what it gets is what the plugin is for.
fn examples(place: &Place) {
    place.copy("argocd-cmp", "argocd-cmp");
    place.link(&place.program("helm4"), "helm");
    for (example, instrumented) in [("kustomize", 2), ("helm", 3), ("hydrator", 2)] {
        let application = Application::example(example);
        let source = application.source();
        assert_eq!(source["plugin"]["name"], "prelit", "{example}");
        // Argo CD refuses a source with two.
        assert!(["kustomize", "helm", "directory"].iter().all(|section| source.get(section).is_none()), "{source}");
        let generate = || {
            let mut command = place.command("prelit");
            command.current_dir(place.path(application.path())).args(["cmp", "generate", "--defaults"]);
            command.arg(place.path("argocd-cmp/install/defaults")).envs(application.environment());
            Run::of(&mut command, "").succeeded().stdout
        };
        let generated = generate();
        settle(&format!("testdata/pipelines/argocd-sidecar/output-{example}.yaml"), &generated);
        assert_eq!(generated.matches("openlit.io/injection:").count(), instrumented, "{generated}");
        assert_eq!(generate(), generated, "a second time");
    }
}
