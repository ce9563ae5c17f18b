//! What installs the webhook: one file that is made of the base by kustomize, and overlays. Names that stand in several places,
//! in the settings too, are the same; what runs may do no more than it must.

use super::manifest::{documents, pick};
use super::place::Place;
use super::shell::settle;
use super::tools::Tools;
use libtest_mimic::Trial;
use prelit::api::settings::{self, Settings};
use serde_json::{Value, json};

/// Every test.
pub fn trials(tools: &Tools) -> Vec<Trial> {
    let trial = |(name, test): &(&str, Test)| tools.trial(&format!("deploy::{name}"), &["kustomize"], *test);
    TESTS.iter().map(trial).collect()
}

type Test = fn(&Place);

const TESTS: &[(&str, Test)] = &[
    ("one_file", one_file),
    ("names_are_those_of_the_settings", names_are_those_of_the_settings),
    ("the_pod_is_restricted", the_pod_is_restricted),
    ("roles_are_the_least", roles_are_the_least),
    ("high_availability", high_availability),
    ("cert_manager", cert_manager),
    ("namespaced", namespaced),
];

const ONE_FILE: &str = "deploy/openlit-operator.yaml";

const HEADER: &str = "# The webhook: kubectl apply -f openlit-operator.yaml
# Made of deploy/webhook/base, which has the comments: PRELIT_BLESS=1 cargo test --test pipelines deploy::one_file
";

/// What kustomize makes of a folder of `deploy/webhook`.
fn build(place: &Place, folder: &str) -> String {
    place.copy("deploy", "deploy");
    place.out(&format!("kustomize build deploy/webhook/{folder}"))
}

/// The same as objects, each at `Kind/name`.
struct Objects(Vec<Value>);

impl Objects {
    fn of(place: &Place, folder: &str) -> Objects {
        Objects(documents(build(place, folder).as_bytes()))
    }

    #[track_caller]
    fn get(&self, name: &str) -> &Value {
        pick(&self.0, Some(name)).unwrap_or_else(|| panic!("no {name}"))
    }

    /// The settings that the pods of the Deployment get.
    fn settings(&self) -> Settings {
        let data = self.get("ConfigMap/openlit-operator-config")["data"].as_object().unwrap();
        let pairs = data.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
        settings::read(pairs).expect("settings that are valid")
    }

    fn pod(&self) -> &Value {
        &self.get("Deployment/openlit-operator")["spec"]["template"]["spec"]
    }

    /// What a role grants: of each resource, to which names (all: none) and verbs.
    fn grants(&self, role: &str) -> Vec<(String, Vec<String>, Vec<String>)> {
        let texts = |list: &Value| -> Vec<String> {
            let items = list.as_array().into_iter().flatten();
            items.map(|item| item.as_str().unwrap().to_owned()).collect()
        };
        let rules = self.get(role)["rules"].as_array().unwrap().iter();
        let each = rules.flat_map(|rule| {
            let (names, verbs) = (texts(&rule["resourceNames"]), texts(&rule["verbs"]));
            texts(&rule["resources"]).into_iter().map(move |resource| (resource, names.clone(), verbs.clone()))
        });
        each.collect()
    }
}

fn one_file(place: &Place) {
    settle(ONE_FILE, &format!("{HEADER}{}", build(place, "base")));
}

fn names_are_those_of_the_settings(place: &Place) {
    for folder in ["base", "overlays/ha", "overlays/cert-manager", "overlays/namespaced"] {
        let objects = Objects::of(place, folder);
        let webhook = objects.settings().webhook;
        let container = &objects.pod()["containers"][0];
        let port = |name: &str| {
            let ports = container["ports"].as_array().unwrap();
            ports.iter().find(|port| port["name"] == name).unwrap()["containerPort"].clone()
        };
        assert_eq!(
            (port("webhook"), port("health"), port("metrics")),
            (json!(webhook.port), json!(webhook.health_port), json!(webhook.metrics_port))
        );
        let service = objects.get(&format!("Service/{}", webhook.service_name));
        assert_eq!(service["spec"]["ports"][0]["port"], 443);
        assert_eq!(service["spec"]["ports"][0]["targetPort"], "webhook");
        let labels = &objects.get("Deployment/openlit-operator")["spec"]["template"]["metadata"]["labels"];
        assert_eq!(service["spec"]["selector"], *labels);
        assert_eq!(container["envFrom"][0]["configMapRef"]["name"], "openlit-operator-config");
        let cluster = objects.grants(&format!("ClusterRole/{}", webhook.cluster_role));
        let may = |resource: &str, name: &str| {
            cluster.iter().any(|(kind, names, _)| kind == resource && *names == [name.to_owned()])
        };
        assert!(may("mutatingwebhookconfigurations", &webhook.config_name), "{cluster:?}");
        assert!(may("clusterroles", &webhook.cluster_role), "{cluster:?}");
        let own = objects.grants("Role/openlit-operator");
        let leases = own.iter().find(|(kind, ..)| kind == "leases").unwrap();
        assert_eq!(leases.1, [webhook.lease()]);
        for object in &objects.0 {
            let namespace = &object["metadata"]["namespace"];
            assert!(
                namespace.is_null() || *namespace == webhook.namespace || folder == "overlays/namespaced",
                "{object}"
            );
        }
    }
}

/// As Pod Security's profile `restricted` asks, and within what the original asked for.
fn the_pod_is_restricted(place: &Place) {
    for folder in ["base", "overlays/ha", "overlays/cert-manager", "overlays/namespaced"] {
        let objects = Objects::of(place, folder);
        let pod = objects.pod();
        assert_eq!(pod["enableServiceLinks"], false);
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(pod["securityContext"]["seccompProfile"], json!({ "type": "RuntimeDefault" }));
        let container = &pod["containers"][0];
        let context = json!({
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] },
        });
        assert_eq!(container["securityContext"], context);
        let resources = json!({
            "requests": { "cpu": "100m", "memory": "128Mi" }, "limits": { "cpu": "500m", "memory": "512Mi" },
        });
        assert_eq!(container["resources"], resources);
        assert_eq!(pod["containers"].as_array().map(Vec::len), Some(1));
    }
}

fn roles_are_the_least(place: &Place) {
    let objects = Objects::of(place, "base");
    let webhook = objects.settings().webhook;
    let grants = [objects.grants("ClusterRole/openlit-operator"), objects.grants("Role/openlit-operator")].concat();
    for (resource, names, verbs) in &grants {
        assert!(verbs.iter().all(|verb| verb != "*") && resource != "*", "{resource}");
        // What may be written is named, but for what is not there yet and what every installation adds to.
        let writes = verbs.iter().any(|verb| !["get", "list", "watch"].contains(&verb.as_str()));
        let free = *verbs == ["create"] || resource == "events" || resource == "autoinstrumentations/status";
        assert!(!writes || !names.is_empty() || free, "{resource} {verbs:?}");
    }
    assert!(objects.grants("ClusterRole/openlit-operator").iter().all(|(resource, ..)| resource != "secrets"));
    let secrets = |named: bool| {
        let of = |(resource, names, _): &&(String, Vec<String>, Vec<String>)| {
            resource == "secrets" && names.is_empty() != named
        };
        grants.iter().filter(of).cloned().collect::<Vec<_>>()
    };
    // Clusters that are locked tell nobody their version unasked.
    for folder in ["base", "overlays/namespaced"] {
        let objects = Objects::of(place, folder);
        let rules = objects.get("ClusterRole/openlit-operator")["rules"].as_array().unwrap();
        let version = json!({ "nonResourceURLs": ["/version"], "verbs": ["get"] });
        let others: Vec<&Value> = rules.iter().filter(|rule| rule.get("nonResourceURLs").is_some()).collect();
        assert_eq!(others, [&version], "{folder}");
    }
    assert_eq!(secrets(true)[0].1, [webhook.secret_name]);
    assert_eq!(secrets(false)[0].2, ["create"]);
}

fn high_availability(place: &Place) {
    let objects = Objects::of(place, "overlays/ha");
    let deployment = &objects.get("Deployment/openlit-operator")["spec"];
    assert_eq!(deployment["replicas"], 2);
    let selector = &deployment["selector"];
    let pod = &deployment["template"]["spec"];
    let apart = &pod["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"][0];
    assert_eq!(apart["podAffinityTerm"]["labelSelector"], *selector);
    assert_eq!(pod["topologySpreadConstraints"][0]["labelSelector"], *selector);
    let budget = &objects.get("PodDisruptionBudget/openlit-operator")["spec"];
    assert_eq!(
        *budget,
        json!({ "minAvailable": 1, "selector": selector, "unhealthyPodEvictionPolicy": "AlwaysAllow" })
    );
}

fn cert_manager(place: &Place) {
    let objects = Objects::of(place, "overlays/cert-manager");
    let webhook = objects.settings().webhook;
    let certificate = &objects.get("Certificate/openlit-webhook")["spec"];
    assert_eq!(certificate["secretName"], webhook.secret_name);
    let name = format!("{}.{}.svc", webhook.service_name, webhook.namespace);
    assert_eq!(certificate["dnsNames"][0], name);
    let pod = objects.pod();
    assert_eq!(pod["volumes"][0]["secret"]["secretName"], webhook.secret_name);
    let mount = &pod["containers"][0]["volumeMounts"][0];
    assert_eq!(mount["mountPath"].as_str(), webhook.cert_dir.as_deref());
    let grants = objects.grants("Role/openlit-operator");
    assert!(grants.iter().all(|(resource, ..)| resource != "secrets"), "{grants:?}");
}

fn namespaced(place: &Place) {
    let objects = Objects::of(place, "overlays/namespaced");
    let watched = objects.get("Role/openlit-operator-watched");
    assert_eq!(objects.settings().webhook.watch_namespaces, [watched["metadata"]["namespace"].as_str().unwrap()]);
    // Nothing of all namespaces is read or written.
    let cluster = objects.grants("ClusterRole/openlit-operator");
    assert!(cluster.iter().all(|(_, names, _)| !names.is_empty()), "{cluster:?}");
    // Of what the base grants everywhere, nothing is missing here.
    let everywhere = Objects::of(place, "base").grants("ClusterRole/openlit-operator");
    let mut here = cluster;
    here.extend(objects.grants("Role/openlit-operator-watched"));
    for grant in &everywhere {
        assert!(here.contains(grant), "{grant:?}");
    }
}
