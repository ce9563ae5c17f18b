//! The chart that installs the webhook: every value that `OpenLIT`'s own chart documents, and ours, does what it says, in
//! Helm 3 and 4.

mod schema;

use super::manifest::{documents, pick};
use super::place::Place;
use super::shell::settle;
use super::tools::Tools;
use libtest_mimic::Trial;
use prelit::api::settings::{self, Settings};
use serde_json::{Value, json};

const CHART: &str = "deploy/helm/openlit-operator";

/// The version of Kubernetes that Helm is to render for: one that is built from its module knows none.
const TEMPLATE: &str = "template openlit-operator chart --namespace openlit --kube-version 1.36.0";

type Test = fn(&Chart<'_>);

/// Every test.
pub fn trials(tools: &Tools) -> Vec<Trial> {
    let mut trials = vec![tools.trial("chart::definition_is_ours", &[], |_| {
        let definition = prelit::api::crd::crd_yaml().unwrap();
        settle(&format!("{CHART}/files/definition.yaml"), &definition);
    })];
    trials.push(tools.trial("chart::schema_is_ours", &[], |_| schema::schema_is_ours()));
    for helm in ["helm3", "helm4"] {
        let tests: [(&str, Test); 8] = [
            ("what_is_no_value_is_refused", schema::what_is_no_value_is_refused),
            ("what_kubernetes_takes_is_taken", schema::what_kubernetes_takes_is_taken),
            ("every_value_has_an_effect", every_value_has_an_effect),
            ("defaults_fit_together", defaults_fit_together),
            ("two_releases_share_nothing", two_releases_share_nothing),
            ("some_namespaces_only", some_namespaces_only),
            ("provided_certificates", provided_certificates),
            ("definition_without_a_schema", definition_without_a_schema),
        ];
        for (name, test) in tests {
            trials.push(tools.trial(&format!("chart::{helm}::{name}"), &[helm], move |place| {
                place.copy(CHART, "chart");
                test(&Chart { place, helm });
            }));
        }
    }
    trials
}

struct Chart<'p> {
    place: &'p Place,
    helm: &'static str,
}

/// Objects, each at `Kind/name`.
struct Objects(Vec<Value>);

impl Chart<'_> {
    /// What comes of values.
    fn with(&self, values: &Value) -> Objects {
        self.rendered(TEMPLATE, values)
    }

    fn rendered(&self, template: &str, values: &Value) -> Objects {
        self.place.write("values.yaml", values.to_string());
        Objects(documents(self.place.out(&format!("{} {template} --values values.yaml", self.helm)).as_bytes()))
    }
}

impl Objects {
    #[track_caller]
    fn get(&self, name: &str) -> &Value {
        pick(&self.0, Some(name)).unwrap_or_else(|| panic!("no {name} in {:?}", self.names()))
    }

    fn names(&self) -> Vec<String> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        self.0.iter().map(|one| format!("{}/{}", text(&one["kind"]), text(&one["metadata"]["name"]))).collect()
    }

    /// The settings that the pods get.
    fn settings(&self, config: &str) -> Settings {
        let data = self.get(&format!("ConfigMap/{config}"))["data"].as_object().unwrap();
        let pairs = data.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
        settings::read(pairs).expect("settings that are valid")
    }
}

/// The value `path`, such as `image.tag`, in a file of values.
fn nested(path: &str, value: &Value) -> Value {
    path.rsplit('.').fold(value.clone(), |inner, key| json!({ key: inner }))
}

/// Each value, something that it is set to, and what is then where; `POD` and `CONTAINER` stand for their paths.
#[rustfmt::skip]
fn effects() -> Vec<(&'static str, Value, &'static str, &'static str, Value)> {
    const SETTINGS: &str = "ConfigMap/openlit-operator-config";
    const DEPLOYMENT: &str = "Deployment/openlit-operator";
    const SERVICE: &str = "Service/openlit-operator-webhook";
    let variable = json!({ "name": "OPENLIT_DETECTION", "value": "strict" });
    let volume = json!({ "name": "cache", "emptyDir": {} });
    let mount = json!({ "name": "cache", "mountPath": "/cache" });
    let affinity = json!({ "nodeAffinity": {} });
    let toleration = json!([{ "key": "ai", "operator": "Exists" }]);
    vec![
        ("global.namespace", json!("ai"), DEPLOYMENT, "/metadata/namespace", json!("ai")),
        ("global.commonLabels", json!({"team": "a"}), SERVICE, "/metadata/labels/team", json!("a")),
        ("global.commonAnnotations", json!({"team": "a"}), SERVICE, "/metadata/annotations/team", json!("a")),
        ("image.repository", json!("r.example.com/p"), DEPLOYMENT, "/CONTAINER/image", json!("r.example.com/p:0.1.0")),
        ("image.tag", json!("2"), DEPLOYMENT, "/CONTAINER/image", json!("prelit:2")),
        ("image.pullPolicy", json!("Always"), DEPLOYMENT, "/CONTAINER/imagePullPolicy", json!("Always")),
        ("image.pullSecrets", json!([{"name": "s"}]), DEPLOYMENT, "/POD/imagePullSecrets", json!([{"name": "s"}])),
        ("providerImages.openlit.repository", json!("r.example.com/a"), SETTINGS, "/data/OPENLIT_IMAGE_OPENLIT", json!("r.example.com/a")),
        ("providerImages.openlit.tag", json!("1.2.0"), SETTINGS, "/data/OPENLIT_IMAGE_OPENLIT", json!("ghcr.io/openlit/openlit-ai-instrumentation:1.2.0")),
        ("providerImages.openllmetry.repository", json!("r.example.com/b"), SETTINGS, "/data/OPENLIT_IMAGE_OPENLLMETRY", json!("r.example.com/b")),
        ("providerImages.openllmetry.tag", json!("1.2.0"), SETTINGS, "/data/OPENLIT_IMAGE_OPENLLMETRY", json!("ghcr.io/openlit/openllmetry-ai-instrumentation:1.2.0")),
        ("providerImages.openinference.repository", json!("r.example.com/c"), SETTINGS, "/data/OPENLIT_IMAGE_OPENINFERENCE", json!("r.example.com/c")),
        ("providerImages.openinference.tag", json!("1.2.0"), SETTINGS, "/data/OPENLIT_IMAGE_OPENINFERENCE", json!("ghcr.io/openlit/openinference-ai-instrumentation:1.2.0")),
        ("resources.requests.cpu", json!("50m"), DEPLOYMENT, "/CONTAINER/resources/requests/cpu", json!("50m")),
        ("resources.requests.memory", json!("64Mi"), DEPLOYMENT, "/CONTAINER/resources/requests/memory", json!("64Mi")),
        ("resources.limits.cpu", json!("1"), DEPLOYMENT, "/CONTAINER/resources/limits/cpu", json!("1")),
        ("resources.limits.memory", json!("1Gi"), DEPLOYMENT, "/CONTAINER/resources/limits/memory", json!("1Gi")),
        ("deployment.replicas", json!(3), DEPLOYMENT, "/spec/replicas", json!(3)),
        ("deployment.replicas", json!(2), "PodDisruptionBudget/openlit-operator", "/spec/maxUnavailable", json!(1)),
        ("deployment.strategy.type", json!("Recreate"), DEPLOYMENT, "/spec/strategy", json!({"type": "Recreate"})),
        ("deployment.podAnnotations", json!({"v": "1"}), DEPLOYMENT, "/spec/template/metadata/annotations/v", json!("1")),
        ("deployment.podLabels", json!({"tier": "a"}), DEPLOYMENT, "/spec/template/metadata/labels/tier", json!("a")),
        ("deployment.nodeSelector", json!({"role": "a"}), DEPLOYMENT, "/POD/nodeSelector", json!({"role": "a"})),
        ("deployment.tolerations", toleration.clone(), DEPLOYMENT, "/POD/tolerations", toleration),
        ("deployment.affinity", affinity.clone(), DEPLOYMENT, "/POD/affinity", affinity),
        ("deployment.priorityClassName", json!("p"), DEPLOYMENT, "/POD/priorityClassName", json!("p")),
        ("deployment.podSecurityContext.runAsNonRoot", json!(false), DEPLOYMENT, "/POD/securityContext/runAsNonRoot", json!(false)),
        ("deployment.podSecurityContext.runAsUser", json!(7), DEPLOYMENT, "/POD/securityContext/runAsUser", json!(7)),
        ("deployment.podSecurityContext.fsGroup", json!(7), DEPLOYMENT, "/POD/securityContext/fsGroup", json!(7)),
        ("deployment.securityContext.allowPrivilegeEscalation", json!(true), DEPLOYMENT, "/CONTAINER/securityContext/allowPrivilegeEscalation", json!(true)),
        ("deployment.securityContext.readOnlyRootFilesystem", json!(false), DEPLOYMENT, "/CONTAINER/securityContext/readOnlyRootFilesystem", json!(false)),
        ("deployment.securityContext.runAsNonRoot", json!(false), DEPLOYMENT, "/CONTAINER/securityContext/runAsNonRoot", json!(false)),
        ("webhook.service.name", json!("hook"), "Service/hook", "/spec/ports/0/name", json!("webhook")),
        ("webhook.service.name", json!("hook"), SETTINGS, "/data/WEBHOOK_SERVICE_NAME", json!("hook")),
        ("webhook.service.type", json!("NodePort"), SERVICE, "/spec/type", json!("NodePort")),
        ("webhook.service.port", json!(8443), SERVICE, "/spec/ports/0/port", json!(8443)),
        ("webhook.service.port", json!(8443), SETTINGS, "/data/WEBHOOK_SERVICE_PORT", json!("8443")),
        ("webhook.service.targetPort", json!(7443), SERVICE, "/spec/ports/0/targetPort", json!(7443)),
        ("webhook.service.annotations", json!({"a": "b"}), SERVICE, "/metadata/annotations/a", json!("b")),
        ("webhook.server.port", json!(7443), SETTINGS, "/data/WEBHOOK_PORT", json!("7443")),
        ("webhook.server.port", json!(7443), DEPLOYMENT, "/CONTAINER/ports/0/containerPort", json!(7443)),
        ("webhook.server.path", json!("/w"), SETTINGS, "/data/WEBHOOK_PATH", json!("/w")),
        ("webhook.failurePolicy", json!("Fail"), SETTINGS, "/data/WEBHOOK_FAILURE_POLICY", json!("Fail")),
        ("webhook.reinvocationPolicy", json!("IfNeeded"), SETTINGS, "/data/WEBHOOK_REINVOCATION_POLICY", json!("IfNeeded")),
        ("webhook.configName", json!("c"), SETTINGS, "/data/WEBHOOK_CONFIG_NAME", json!("c")),
        ("serviceAccount.name", json!("sa"), "ServiceAccount/sa", "/metadata/namespace", json!("openlit")),
        ("serviceAccount.name", json!("sa"), DEPLOYMENT, "/POD/serviceAccountName", json!("sa")),
        ("serviceAccount.annotations", json!({"a": "b"}), "ServiceAccount/openlit-operator", "/metadata/annotations/a", json!("b")),
        ("serviceAccount.create", json!(false), DEPLOYMENT, "/POD/serviceAccountName", json!("default")),
        ("rbac.clusterRoleName", json!("cr"), "ClusterRole/cr", "/rules/6/resourceNames", json!(["cr"])),
        ("rbac.clusterRoleName", json!("cr"), SETTINGS, "/data/WEBHOOK_CLUSTER_ROLE", json!("cr")),
        ("rbac.clusterRoleBindingName", json!("crb"), "ClusterRoleBinding/crb", "/roleRef/name", json!("openlit-operator")),
        ("tls.validityDays", json!(730), SETTINGS, "/data/CERT_VALIDITY_DAYS", json!("730")),
        ("tls.refreshDays", json!(60), SETTINGS, "/data/CERT_REFRESH_DAYS", json!("60")),
        ("tls.secretName", json!("t"), SETTINGS, "/data/WEBHOOK_SECRET_NAME", json!("t")),
        ("tls.secretName", json!("t"), "Role/openlit-operator", "/rules/0/resourceNames", json!(["t"])),
        ("observability.logLevel", json!("debug"), SETTINGS, "/data/LOG_LEVEL", json!("debug")),
        ("observability.selfMonitoringEnabled", json!(true), SETTINGS, "/data/SELF_MONITORING_ENABLED", json!("true")),
        ("observability.otel.endpoint", json!("http://c:4318"), SETTINGS, "/data/OTEL_EXPORTER_OTLP_ENDPOINT", json!("http://c:4318")),
        ("observability.otel.headers", json!("k=s3cret"), "Secret/openlit-operator-otlp", "/stringData/headers", json!("k=s3cret")),
        ("observability.otel.headers", json!("k=s3cret"), DEPLOYMENT, "/CONTAINER/env/3/valueFrom/secretKeyRef/name", json!("openlit-operator-otlp")),
        ("observability.otel.logsEndpoint", json!("http://c:4318/l"), SETTINGS, "/data/OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", json!("http://c:4318/l")),
        ("observability.otel.metricsEndpoint", json!("http://c:4318/m"), SETTINGS, "/data/OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", json!("http://c:4318/m")),
        ("healthcheck.port", json!(9090), SETTINGS, "/data/HEALTH_PORT", json!("9090")),
        ("healthcheck.port", json!(9090), DEPLOYMENT, "/CONTAINER/ports/1/containerPort", json!(9090)),
        ("healthcheck.livenessProbe.initialDelaySeconds", json!(30), DEPLOYMENT, "/CONTAINER/livenessProbe/initialDelaySeconds", json!(30)),
        ("healthcheck.livenessProbe.periodSeconds", json!(30), DEPLOYMENT, "/CONTAINER/livenessProbe/periodSeconds", json!(30)),
        ("healthcheck.readinessProbe.initialDelaySeconds", json!(10), DEPLOYMENT, "/CONTAINER/readinessProbe/initialDelaySeconds", json!(10)),
        ("healthcheck.readinessProbe.periodSeconds", json!(15), DEPLOYMENT, "/CONTAINER/readinessProbe/periodSeconds", json!(15)),
        ("instrumentation.defaultProvider", json!("openinference"), SETTINGS, "/data/OPENLIT_DEFAULT_PROVIDER", json!("openinference")),
        ("instrumentation.defaultVersion", json!("v1.0.0"), SETTINGS, "/data/OPENLIT_DEFAULT_VERSION", json!("v1.0.0")),
        ("instrumentation.defaultImagePullPolicy", json!("Always"), SETTINGS, "/data/OPENLIT_IMAGE_PULL_POLICY", json!("Always")),
        ("operator.defaultInitImage", json!("r.example.com/i:1"), SETTINGS, "/data/OPENLIT_DEFAULT_INIT_IMAGE", json!("r.example.com/i:1")),
        ("multiOperator.watchNamespace", json!("prod"), SETTINGS, "/data/WATCH_NAMESPACE", json!("prod")),
        ("crd.annotations", json!({"a": "b"}), "CustomResourceDefinition/autoinstrumentations.openlit.io", "/metadata/annotations", json!({"a": "b", "helm.sh/resource-policy": "keep"})),
        ("env.extra", json!([variable]), DEPLOYMENT, "/CONTAINER/env/3", variable.clone()),
        ("volumes.extra", json!([volume]), DEPLOYMENT, "/POD/volumes", json!([volume])),
        ("volumeMounts.extra", json!([mount]), DEPLOYMENT, "/CONTAINER/volumeMounts", json!([mount])),
        ("nameOverride", json!("hook"), "Deployment/openlit-operator-hook", "/spec/selector/matchLabels/app.kubernetes.io~1name", json!("hook")),
        ("fullnameOverride", json!("f"), "Deployment/f", "/metadata/name", json!("f")),
        ("settings.OPENLIT_OTLP_ENDPOINT", json!("http://c:4318"), SETTINGS, "/data/OPENLIT_OTLP_ENDPOINT", json!("http://c:4318")),
        ("settings.OPENLIT_INIT_IMAGES", json!("prelit"), SETTINGS, "/data/OPENLIT_INIT_IMAGES", json!("prelit")),
        ("settings.LOG_LEVEL", json!("warn"), SETTINGS, "/data/LOG_LEVEL", json!("warn")),
        ("settings.OPENLIT_WORKLOADS", json!(["a/B=c", "d/E=f"]), SETTINGS, "/data/OPENLIT_WORKLOADS", json!("a/B=c,d/E=f")),
        ("settings.OPENLIT_GLOBAL_NAMESPACE", json!(""), SETTINGS, "/data/OPENLIT_GLOBAL_NAMESPACE", json!("")),
    ]
}

fn every_value_has_an_effect(chart: &Chart<'_>) {
    let without = chart.with(&json!({}));
    for (path, value, object, pointer, expected) in effects() {
        let pointer = pointer.replace("/CONTAINER", "/POD/containers/0").replace("/POD", "/spec/template/spec");
        let objects = chart.with(&nested(path, &value));
        let found = objects.get(object).pointer(&pointer);
        assert_eq!(found, Some(&expected), "{path}: {object} {pointer}");
        let before = pick(&without.0, Some(object)).and_then(|object| object.pointer(&pointer));
        assert!(before != Some(&expected), "{path} is already so without it");
    }
    for (path, value, absent) in [
        ("serviceAccount.create", json!(false), "ServiceAccount/openlit-operator"),
        ("crd.install", json!(false), "CustomResourceDefinition/autoinstrumentations.openlit.io"),
    ] {
        without.get(absent);
        let names = chart.with(&nested(path, &value)).names();
        assert!(!names.iter().any(|name| name == absent), "{path}: {names:?}");
    }
    let yours = chart.with(&json!({ "rbac": { "create": false, "clusterRoleName": "yours" } }));
    assert!(!yours.names().iter().any(|name| name.contains("Role")), "{:?}", yours.names());
    let budget = "PodDisruptionBudget/openlit-operator";
    let none = chart.with(&json!({ "deployment": { "replicas": 2 }, "podDisruptionBudget": { "create": false } }));
    assert!(!none.names().iter().any(|name| name == budget));
}

/// And the values file has no value that no test sets.
fn defaults_fit_together(chart: &Chart<'_>) {
    let objects = chart.with(&json!({}));
    let webhook = objects.settings("openlit-operator-config").webhook;
    let service = objects.get(&format!("Service/{}", webhook.service_name));
    let deployment = &objects.get("Deployment/openlit-operator")["spec"];
    assert_eq!(service["spec"]["selector"], deployment["selector"]["matchLabels"]);
    assert_eq!(service["spec"]["ports"][0]["targetPort"], json!(webhook.port));
    let pod = &deployment["template"]["spec"];
    assert_eq!(pod["enableServiceLinks"], false);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    // The roles of the chart are those of the base, but for names.
    let base = documents(&std::fs::read("deploy/openlit-operator.yaml").unwrap());
    let rules = |objects: &[Value], name: &str| {
        let mut rules = pick(objects, Some(name)).unwrap()["rules"].clone();
        for rule in rules.as_array_mut().unwrap() {
            rule.as_object_mut().unwrap().remove("resourceNames");
        }
        rules
    };
    for role in ["ClusterRole/openlit-operator", "Role/openlit-operator"] {
        assert_eq!(rules(&objects.0, role), rules(&base, role), "{role}");
    }
    let definition = "CustomResourceDefinition/autoinstrumentations.openlit.io";
    assert_eq!(objects.get(definition)["spec"], pick(&base, Some(definition)).unwrap()["spec"]);
    let mut known: Vec<&str> = effects().into_iter().map(|(path, ..)| path).collect();
    known.extend([
        "serviceAccount.create",
        "rbac.create",
        "crd.install",
        "schema.validation",
        "tls.mode",
        "webhook.server.certDir",
        "podDisruptionBudget.create",
        "deployment.strategy",
        "deployment.podSecurityContext",
        "deployment.securityContext",
        "healthcheck.livenessProbe",
        "healthcheck.readinessProbe",
    ]);
    let values = &documents(&std::fs::read(format!("{CHART}/values.yaml")).unwrap())[0];
    for path in leaves(values, "") {
        assert!(known.iter().any(|known| path.starts_with(known) || known.starts_with(&path)), "{path} is not tested");
    }
}

/// The paths of everything that is no map.
fn leaves(value: &Value, path: &str) -> Vec<String> {
    match value.as_object().filter(|map| !map.is_empty()) {
        None => vec![path.trim_start_matches('.').to_owned()],
        Some(map) => map.iter().flat_map(|(key, value)| leaves(value, &format!("{path}.{key}"))).collect(),
    }
}

fn two_releases_share_nothing(chart: &Chart<'_>) {
    let first = chart.with(&json!({}));
    let template = "template second chart --namespace second --kube-version 1.36.0";
    let second = chart.rendered(template, &json!({ "crd": { "install": false } }));
    let cluster = |objects: &Objects| -> Vec<String> {
        let names = objects.names();
        names.into_iter().filter(|name| name.starts_with("Cluster") || name.starts_with("Custom")).collect()
    };
    assert!(cluster(&second).iter().all(|name| !cluster(&first).contains(name)), "{:?}", second.names());
    let (one, two) = (first.settings("openlit-operator-config"), second.settings("second-openlit-operator-config"));
    assert!(one.webhook.config_name != two.webhook.config_name);
    assert!(one.webhook.cluster_role != two.webhook.cluster_role);
    assert_eq!(two.global_namespace.as_deref(), Some("second"));
    // In one namespace, too: which of a release's replicas writes is of no concern to those of another.
    let template = "template second chart --namespace openlit --kube-version 1.36.0";
    let beside = chart.rendered(template, &json!({ "crd": { "install": false } }));
    assert!(beside.names().iter().all(|name| !first.names().contains(name)), "{:?}", beside.names());
    let two = beside.settings("second-openlit-operator-config");
    for (objects, settings, role) in
        [(&first, one, "Role/openlit-operator"), (&beside, two, "Role/second-openlit-operator")]
    {
        let rules = objects.get(role)["rules"].as_array().unwrap();
        let leases = rules.iter().find(|rule| rule["resources"] == json!(["leases"])).unwrap();
        assert_eq!(leases["resourceNames"], json!([settings.webhook.lease()]), "{role}");
    }
}

fn some_namespaces_only(chart: &Chart<'_>) {
    let objects = chart.with(&json!({ "multiOperator": { "watchNamespace": "prod, shop" } }));
    assert_eq!(objects.settings("openlit-operator-config").webhook.watch_namespaces, ["prod", "shop"]);
    for rule in objects.get("ClusterRole/openlit-operator")["rules"].as_array().unwrap() {
        assert!(rule["resourceNames"].is_array() || rule["nonResourceURLs"] == json!(["/version"]), "{rule}");
    }
    let grants = |namespace: &str| -> Vec<String> {
        let role = objects.0.iter().find(|object| {
            object["kind"] == "Role"
                && object["metadata"]["name"] == "openlit-operator-watched"
                && object["metadata"]["namespace"] == namespace
        });
        let rules = role.unwrap_or_else(|| panic!("no Role in {namespace}"))["rules"].as_array().unwrap();
        rules.iter().map(|rule| rule["resources"][0].as_str().unwrap().to_owned()).collect()
    };
    let all = ["autoinstrumentations", "autoinstrumentations/status", "pods", "events"];
    assert_eq!((grants("prod"), grants("shop")), (all.map(str::to_owned).to_vec(), all.map(str::to_owned).to_vec()));
    assert_eq!(grants("openlit"), ["autoinstrumentations", "events"]);
    assert_eq!(grants("default"), ["events"]);
}

fn provided_certificates(chart: &Chart<'_>) {
    let values =
        json!({ "tls": { "mode": "provided", "secretName": "t" }, "webhook": { "server": { "certDir": "/c" } } });
    let objects = chart.with(&values);
    assert_eq!(objects.settings("openlit-operator-config").webhook.cert_dir.as_deref(), Some("/c"));
    let pod = &objects.get("Deployment/openlit-operator")["spec"]["template"]["spec"];
    assert_eq!(pod["volumes"][0]["secret"]["secretName"], "t");
    assert_eq!(pod["containers"][0]["volumeMounts"][0]["mountPath"], "/c");
    let rules = objects.get("Role/openlit-operator")["rules"].to_string();
    assert!(!rules.contains("secrets"), "{rules}");
}

fn definition_without_a_schema(chart: &Chart<'_>) {
    let objects = chart.with(&json!({ "schema": { "validation": false } }));
    let definition = objects.get("CustomResourceDefinition/autoinstrumentations.openlit.io");
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    assert_eq!(*schema, json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true }));
}
