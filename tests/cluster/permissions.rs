//! Every way to install the webhook, in namespaces that Pod Security holds to its profile `restricted`: its pods are
//! admitted there, and their account may do what deploy/webhook/README.md says, and nothing else.

use super::Ground;
use super::control_plane::{ControlPlane, Controllers};
use super::deployment::Deployment;
use super::place::{Place, ROOT};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub fn trials(ground: &Ground) -> Vec<Trial> {
    vec![
        ground.trial("permissions::of_every_overlay", of_every_overlay),
        ground.trial_with("permissions::of_the_chart", &["helm3"], of_the_chart),
    ]
}

/// The group of each resource that the table names.
const GROUPS: [(&str, &str); 7] = [
    ("autoinstrumentations", "openlit.io"),
    ("pods", ""),
    ("events", "events.k8s.io"),
    ("mutatingwebhookconfigurations", "admissionregistration.k8s.io"),
    ("clusterroles", "rbac.authorization.k8s.io"),
    ("secrets", ""),
    ("leases", "coordination.k8s.io"),
];

/// A right: the group and resource, the name (empty: all), the verb.
type Right = (String, String, String);

/// A row of the table.
struct Row {
    resource: String,
    /// Only of the webhook's own namespace.
    own: bool,
    which: String,
    verbs: Vec<String>,
}

/// The table of the README. What a cell leaves out is what stands above it.
fn table() -> Vec<Row> {
    let text = std::fs::read_to_string(format!("{ROOT}/deploy/webhook/README.md")).unwrap();
    let table = text.split("| what | which | verbs | why |\n|---|---|---|---|\n").nth(1).expect("the table");
    let mut rows: Vec<Row> = Vec::new();
    for line in table.lines().take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let (what, which, verbs) = (cells[1], cells[2], cells[3]);
        let (resource, own) = match (what, rows.last()) {
            ("", Some(above)) => (above.resource.clone(), above.own),
            _ => (what.trim_end_matches(" of its namespace").to_owned(), what.ends_with(" of its namespace")),
        };
        let verbs = verbs.split(", ").map(str::to_owned).collect();
        rows.push(Row { resource, own, which: which.to_owned(), verbs });
    }
    assert_eq!(rows.len(), 12);
    // What is no resource is asked for below.
    rows.retain(|row| !row.resource.starts_with('`'));
    rows
}

/// What a Deployment is called, and what it watches.
struct Case<'c> {
    deployment: Deployment<'c>,
    watched: Option<&'static str>,
    /// Whether it keeps its own certificates.
    keeps_certificates: bool,
    /// Names in place of those of the table, each behind its resource.
    names: &'static [(&'static str, &'static str)],
}

impl Case<'_> {
    /// What the table says of a namespace.
    fn expected(&self, namespace: &str) -> BTreeSet<Right> {
        let own = namespace == self.deployment.namespace;
        let mut rights = BTreeSet::new();
        for Row { resource, own: of_own, which, verbs } in table() {
            if of_own && !own || resource == "secrets" && !self.keeps_certificates {
                continue;
            }
            let granted = !which.starts_with("all")
                || self.watched.is_none_or(|watched| watched == namespace)
                || (which.contains("the global one") || which.contains("the own one")) && own
                || which.contains("`default`") && namespace == "default";
            let name = which.strip_prefix('`').map_or("", |name| name.trim_end_matches('`'));
            let here = self.names.iter().find(|(of_table, _)| *of_table == format!("{resource} {name}"));
            let name = here.map_or(name, |(_, here)| here);
            let plain = resource.split('/').next().unwrap();
            let (_, group) = GROUPS.iter().find(|(one, _)| *one == plain).unwrap_or_else(|| panic!("{resource}?"));
            if granted {
                rights.extend(verbs.into_iter().map(|verb| (format!("{group}/{resource}"), name.to_owned(), verb)));
            }
        }
        rights
    }

    /// The account may do in each namespace what the table says.
    fn may_do_what_is_said(&self, place: &Place) {
        let Deployment { control_plane, namespace, .. } = &self.deployment;
        let account = self.deployment.pods()[0]["spec"]["serviceAccountName"].as_str().unwrap().to_owned();
        let nobody = control_plane.kubeconfig_of("elsewhere", "default");
        let somebody = control_plane.kubeconfig_of(namespace, &account);
        for namespace in [namespace, "prod", "default", "kube-system", "elsewhere"] {
            let rights = |config: &std::path::Path| {
                let review = json!({
                    "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview",
                    "spec": { "namespace": namespace },
                });
                let config = config.to_str().unwrap();
                let create = ["create", "--kubeconfig", config, "--validate=false", "--filename=-", "--output=json"];
                let answer = place.pipe(&review.to_string(), "kubectl", &create).succeeded().stdout;
                rights(&serde_json::from_str(&answer).unwrap())
            };
            let may: BTreeSet<Right> = rights(&somebody).difference(&rights(&nobody)).cloned().collect();
            let expected = self.expected(namespace);
            let what = |rights: &BTreeSet<Right>, others: &BTreeSet<Right>| {
                rights.difference(others).map(|right| format!("{right:?}\n")).collect::<String>()
            };
            let (more, less) = (what(&may, &expected), what(&expected, &may));
            assert!(more.is_empty() && less.is_empty(), "in {namespace}, more:\n{more}less:\n{less}");
        }
        // The same by asking for it, as far as nothing is changed.
        let refused = |arguments: &str| {
            let line = format!("kubectl --kubeconfig {} {arguments}", somebody.display());
            place.line(&line).failed_saying(&["Forbidden"]);
        };
        refused("get secrets --namespace kube-system");
        refused(&format!("get secrets --namespace {namespace}"));
        refused("get secret any --namespace prod");
        refused("get mutatingwebhookconfigurations");
        refused("delete pod any --namespace prod");
        place.line(&format!("kubectl --kubeconfig {} get --raw /version", somebody.display())).succeeded();
        refused("auth can-i --list --as=system:admin");
        if self.watched.is_some() {
            refused("get pods --namespace elsewhere");
            refused("get autoinstrumentations --all-namespaces");
        }
    }
}

/// What a review of rules says, one by one.
fn rights(review: &Value) -> BTreeSet<Right> {
    assert_eq!(review["status"]["incomplete"], false, "{review}");
    let texts = |list: &Value| -> Vec<String> {
        list.as_array().into_iter().flatten().map(|one| one.as_str().unwrap().to_owned()).collect()
    };
    let mut rights = BTreeSet::new();
    for rule in review["status"]["resourceRules"].as_array().unwrap() {
        let names = match texts(&rule["resourceNames"]) {
            names if names.is_empty() => vec![String::new()],
            names => names,
        };
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                for (name, verb) in
                    names.iter().flat_map(|name| texts(&rule["verbs"]).into_iter().map(move |verb| (name, verb)))
                {
                    rights.insert((format!("{group}/{resource}"), name.clone(), verb));
                }
            }
        }
    }
    rights
}

/// A cluster with namespaces, of which that of the webhook takes restricted pods only.
fn cluster(place: &Place, namespace: &str) -> ControlPlane {
    let control_plane = ControlPlane::start(Controllers::All);
    for one in ["elsewhere", "prod", namespace] {
        control_plane.welcome(place, one);
    }
    place.out(&format!("kubectl label namespace {namespace} pod-security.kubernetes.io/enforce=restricted"));
    place
        .line(&format!("kubectl run plain --image=python:3.11 --namespace {namespace}"))
        .failed_saying(&["PodSecurity"]);
    place.copy("deploy", "deploy");
    control_plane
}

/// One over the other, as who changes their mind does.
fn of_every_overlay(place: &Place) {
    let control_plane = cluster(place, "openlit");
    place.write("cert-manager.json", stand_ins());
    place.out("kubectl create --filename cert-manager.json");
    let overlays = ["base", "overlays/ha", "overlays/cert-manager", "overlays/namespaced"];
    for overlay in overlays {
        place.out("kubectl delete deployments --all --namespace openlit --cascade=foreground");
        place.out(&format!("kubectl apply --server-side -k deploy/webhook/{overlay}"));
        let case = Case {
            deployment: Deployment::of_manifests(&control_plane),
            watched: (overlay == "overlays/namespaced").then_some("prod"),
            keeps_certificates: overlay != "overlays/cert-manager",
            names: &[],
        };
        let pods = case.deployment.pods();
        assert_eq!(pods.len(), if overlay == "overlays/ha" { 2 } else { 1 }, "{overlay}");
        if overlay == "overlays/ha" {
            let spec = &pods[0]["spec"];
            assert!(spec["affinity"]["podAntiAffinity"].is_object(), "{spec}");
            assert!(spec["topologySpreadConstraints"][0].is_object(), "{spec}");
            place.out("kubectl get poddisruptionbudget openlit-operator --namespace openlit");
        }
        case.may_do_what_is_said(place);
    }
}

/// Definitions of what the overlay asks of cert-manager, which take everything.
pub fn stand_ins() -> String {
    let definition = |plural: &str, kind: &str| {
        let schema = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": { "name": format!("{plural}.cert-manager.io") },
            "spec": {
                "group": "cert-manager.io", "scope": "Namespaced", "names": { "plural": plural, "kind": kind },
                "versions": [{
                    "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": schema },
                }],
            },
        })
    };
    format!("{}\n{}\n", definition("issuers", "Issuer"), definition("certificates", "Certificate"))
}

fn of_the_chart(place: &Place) {
    let control_plane = cluster(place, "ai");
    for (release, values, watched, keeps_certificates, names) in [
        (
            "openlit-operator",
            "",
            None,
            true,
            &[
                ("mutatingwebhookconfigurations openlit-instrumentation-webhook", "openlit-operator"),
                ("leases openlit-instrumentation-webhook", "openlit-operator"),
                ("secrets openlit-webhook-certs", "openlit-operator-certs"),
            ],
        ),
        (
            "second",
            "--set multiOperator.watchNamespace=prod --set tls.mode=provided",
            Some("prod"),
            false,
            &[
                ("mutatingwebhookconfigurations openlit-instrumentation-webhook", "second-openlit-operator"),
                ("leases openlit-instrumentation-webhook", "second-openlit-operator"),
                ("clusterroles openlit-operator", "second-openlit-operator"),
            ],
        ),
    ] {
        let template = format!(
            "helm3 template {release} deploy/helm/openlit-operator --namespace ai --kube-version 1.36.0 {values}"
        );
        place.out(&format!("{template} | kubectl apply --server-side --force-conflicts -f -"));
        let name = place.out("kubectl get deployments --output=name --namespace ai");
        let name = name.trim().strip_prefix("deployment.apps/").unwrap().to_owned();
        let deployment = Deployment { control_plane: &control_plane, namespace: "ai".to_owned(), name };
        let case = Case { deployment, watched, keeps_certificates, names };
        assert_eq!(case.deployment.pods().len(), 1);
        case.may_do_what_is_said(place);
        place.out(&format!("{template} --set crd.install=false | kubectl delete --cascade=foreground -f -"));
    }
}
