//! Each rule once, and the manifests of the original's documentation.
//!
//! The manifests are written in JSON here, since this floor knows no YAML.

use super::*;
use serde_json::{Value as Json, json};

/// A resource with this spec.
fn resource(spec: &Json) -> Json {
    json!({
        "apiVersion": "openlit.io/v1alpha1",
        "kind": "AutoInstrumentation",
        "metadata": { "name": "quick", "namespace": "default" },
        "spec": spec,
    })
}

/// A minimal spec, with a value put at a place.
fn with(pointer: &str, value: Json) -> Json {
    let mut spec =
        json!({ "selector": { "matchLabels": { "app": "chat" } }, "otlp": { "endpoint": "http://openlit:4318" } });
    let mut place = &mut spec;
    for key in pointer.split('/').skip(1) {
        place = &mut place[key];
    }
    *place = value;
    spec
}

fn read_spec(spec: &Json) -> Result<AutoInstrumentation, Vec<String>> {
    let object = resource(spec);
    read(&Value::from(&object)).map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn accepts(pointer: &str, value: Json) -> AutoInstrumentation {
    read_spec(&with(pointer, value)).unwrap()
}

/// The only problem, which must name this place and these words.
fn refuses(pointer: &str, value: Json, at: &str, words: &[&str]) {
    let problems = read_spec(&with(pointer, value)).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with(&format!("{at}: ")), "{} is not at {at}", problems[0]);
    for word in words {
        assert!(problems[0].contains(word), "{} does not say {word}", problems[0]);
    }
}

const PYTHON: &str = "/python/instrumentation";

#[test]
fn a_minimal_resource_has_the_documented_defaults() {
    let read = read_spec(&json!({ "selector": { "matchLabels": { "app": "chat" } } })).unwrap();
    assert_eq!(read.full_name(), "default/quick");
    assert_eq!(read.spec.python.instrumentation, Instrumentation::default());
    assert!(read.spec.python.instrumentation.enabled);
    assert_eq!(read.spec.python.instrumentation.provider, Provider::Openlit);
    assert_eq!((read.spec.priority, read.spec.ignore, read.spec.otlp.endpoint), (0, None, None));
    assert!(read_spec(&with("/python", json!({}))).is_ok());
    assert!(
        read_spec(&with("/python", json!({ "instrumentation": null }))).is_ok(),
        "a null that stands for a default"
    );
}

#[test]
fn a_null_is_as_if_the_field_were_not_there() {
    let init = json!({ "resources": null, "securityContext": { "runAsUser": null, "runAsGroup": 1 }, "env": null });
    let read = read_spec(&json!({
        "selector": { "matchLabels": { "app": "chat" }, "matchExpressions": null },
        "ignore": null,
        "python": { "instrumentation": { "provider": null, "enabled": null, "version": null, "initContainer": init } },
        "otlp": { "endpoint": null, "headers": null, "timeout": null },
        "resource": { "environment": null, "attributes": null },
    }))
    .unwrap();
    let init = read.spec.python.instrumentation.init_container;
    assert_eq!(init.resources, None);
    assert_eq!(init.security_context, Some(Value::map([("runAsGroup", Value::int(1))])));
    let variable = json!([{ "name": "A", "value": null }]);
    refuses(&format!("{PYTHON}/env"), variable, "spec.python.instrumentation.env[0]", &["neither value nor valueFrom"]);
    let problems = read_spec(&json!({ "selector": null })).unwrap_err();
    assert_eq!(problems, ["spec.selector: missing, expected a map"]);
}

#[test]
fn the_manifests_of_the_original_documentation_are_accepted() {
    let destination = |otlp: Json| {
        json!({
            "selector": { "matchLabels": { "instrument": "true" } },
            "python": { "instrumentation": { "provider": "openlit", "version": "latest" } },
            "otlp": otlp,
            "resource": { "environment": "production", "serviceName": "my-ai-service" },
        })
    };
    let specs = [
        // overview: no python at all
        json!({ "selector": { "matchLabels": { "app": "x" } }, "otlp": { "endpoint": "http://openlit:4318" } }),
        // destinations: dash0 gives a map, highlight a path, murnitur a field of its own
        destination(
            json!({ "endpoint": "https://ingress.eu-west-1.aws.dash0.com:4318", "headers": { "Authorization": "Bearer auth_your_token_here" }, "timeout": 30 }),
        ),
        destination(
            json!({ "endpoint": "https://otel.highlight.io:4318/v1/traces", "headers": "x-highlight-project=YOUR_PROJECT_ID", "timeout": 30 }),
        ),
        destination(
            json!({ "endpoint": "https://YOUR_ENVIRONMENT_ID.live.dynatrace.com/api/v2/otlp", "headers": "Authorization=Api-Token YOUR_DYNATRACE_API_TOKEN" }),
        ),
        destination(
            json!({ "endpoint": "https://cloud.langfuse.com/api/public/otel", "headers": "Authorization=Basic <BASE64_ENCODED_AUTH>" }),
        ),
        destination(
            json!({ "endpoint": "https://otlp.nr-data.net:443", "headers": "api-key=YOUR_NEWRELIC_LICENSE_KEY" }),
        ),
        {
            let mut murnitur = destination(
                json!({ "endpoint": "https://middleware.murnitur.ai", "headers": "x-murnix-trace-token=KEY" }),
            );
            murnitur["disableMetrics"] = json!(true);
            murnitur
        },
        // configuration: versions with v, every source of a variable, all operators
        json!({
            "selector": {
                "matchLabels": { "team": "ai-platform" },
                "matchExpressions": [
                    { "key": "version", "operator": "In", "values": ["v2", "v3"] },
                    { "key": "tier", "operator": "NotIn", "values": ["test"] },
                    { "key": "ai-framework", "operator": "Exists" },
                    { "key": "experimental", "operator": "DoesNotExist" },
                ],
            },
            "ignore": { "matchLabels": { "openlit.io/skip": "true", "openlit.ignore": "true" } },
            "python": { "instrumentation": {
                "enabled": true,
                "provider": "custom",
                "version": "v1.0.0",
                "customInitImage": "my-registry.com/custom-openlit:v2.0.0",
                "imagePullPolicy": "Always",
                "customPackages": "langchain>=0.1.0,chromadb>=0.4.0,numpy==1.21.0",
                "env": [
                    { "name": "OPENLIT_DEBUG", "value": "true" },
                    { "name": "EMPTY", "value": "" },
                    { "name": "OPENLIT_API_KEY", "valueFrom": { "secretKeyRef": { "name": "openlit-secret", "key": "api-key" } } },
                    { "name": "LOG_LEVEL", "valueFrom": { "configMapKeyRef": { "name": "app-config", "key": "log-level", "optional": true } } },
                    { "name": "NODE_NAME", "valueFrom": { "fieldRef": { "fieldPath": "spec.nodeName" } } },
                    { "name": "CPU_REQUEST", "valueFrom": { "resourceFieldRef": { "resource": "requests.cpu" } } },
                ],
            } },
            "otlp": { "endpoint": "http://localhost:4318", "timeout": 300 },
            "resource": { "environment": "", "serviceName": "a", "serviceNamespace": "b", "serviceVersion": "v1.0.0-beta" },
            "go": { "image": "x", "env": [] },
        }),
    ];
    for spec in &specs {
        assert!(read_spec(spec).is_ok(), "{spec}: {:?}", read_spec(spec));
    }
}

#[test]
fn the_new_fields_are_read() {
    let read = accepts(
        PYTHON,
        json!({
            "detection": "strict",
            "noDeps": false,
            "volumes": [{ "name": "wheels", "configMap": { "name": "wheels" } }],
            "volumeMounts": [{ "name": "wheels", "mountPath": "/wheels", "readOnly": true }],
            "volumeSizeLimit": "1Gi",
            "initContainer": {
                "env": [{ "name": "PIP_INDEX_URL", "value": "https://pypi.example.com" }],
                "volumeMounts": [{ "name": "wheels", "mountPath": "/wheels" }],
                "resources": { "requests": { "cpu": 1, "memory": "64Mi" }, "limits": { "cpu": "1000m" } },
                "securityContext": { "runAsUser": 1000, "capabilities": { "drop": ["ALL"] } },
            },
        }),
    );
    let python = read.spec.python.instrumentation;
    assert_eq!((python.detection, python.no_deps), (Some(Detection::Strict), Some(false)));
    assert_eq!(python.volume_size_limit.as_deref(), Some("1Gi"));
    assert_eq!(python.volumes.len(), 1);
    assert_eq!(python.init_container.security_context.and_then(|map| map.get("runAsUser")?.as_int()), Some(1000));

    let read = accepts("/otlp", json!({ "headersFrom": { "secretKeyRef": { "name": "otlp", "key": "headers" } } }));
    assert_eq!(read.spec.otlp.headers_from.unwrap().secret_key_ref.key, "headers");
    assert_eq!(accepts("/priority", json!(-5)).spec.priority, -5);
    assert_eq!(accepts("/captureMessageContent", json!(false)).spec.capture_message_content, Some(false));
    let read = accepts("/resource", json!({ "attributes": { "team.name": "ai, platform" }, "serviceVersion": "2" }));
    assert_eq!(read.spec.resource.attributes["team.name"], "ai, platform");
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let problems = read_spec(&json!({
        "selector": {},
        "pyhton": {},
        "python": { "instrumentation": { "provider": "openlt", "enabled": "true" } },
        "otlp": { "endpoint": "grpc://x", "timeout": 0 },
    }))
    .unwrap_err();
    let places: Vec<&str> = problems.iter().filter_map(|problem| problem.split(": ").next()).collect();
    for place in [
        "spec.selector",
        "spec.pyhton",
        "spec.python.instrumentation.provider",
        "spec.python.instrumentation.enabled",
        "spec.otlp.endpoint",
        "spec.otlp.timeout",
    ] {
        assert!(places.contains(&place), "{place} is missing in {problems:#?}");
    }
    assert_eq!(places.len(), 6, "{problems:#?}");
}

#[test]
fn unknown_fields_are_refused_with_their_place() {
    refuses("/otlp/endpont", json!("x"), "spec.otlp.endpont", &["unknown field", "did you mean endpoint?"]);
    refuses("/python/enabled", json!(true), "spec.python.enabled", &["expected one of instrumentation"]);
    let init = json!({ "securityContext": { "runAsUsr": 1 } });
    refuses(
        "/python/instrumentation/initContainer",
        init,
        "spec.python.instrumentation.initContainer.securityContext.runAsUsr",
        &["runAsUser"],
    );
    let mut object = resource(&with("/priority", json!(1)));
    object["speck"] = json!({});
    object["status"] = json!({ "whatever": [1] });
    let problems = read(&Value::from(&object)).unwrap_err();
    assert_eq!(problems.len(), 1, "the status is not looked at: {problems:?}");
    assert_eq!(problems[0].at.to_string(), "speck");
}

#[test]
fn arguments_that_kustomize_gives_to_a_plugin_stand_beside_spec() {
    let mut object = resource(&with("/priority", json!(1)));
    object["argsOneLiner"] = json!("--strict");
    object["argsFromFile"] = json!("arguments");
    read(&Value::from(&object)).unwrap();
    refuses("/argsOneLiner", json!("--strict"), "spec.argsOneLiner", &["unknown field"]);
}

#[test]
fn wrong_types_are_those_that_the_cluster_would_refuse() {
    refuses(
        "/selector/matchLabels/app",
        json!(true),
        "spec.selector.matchLabels.app",
        &["found the boolean true", "quotes"],
    );
    refuses("/resource/serviceVersion", json!(1.0), "spec.resource.serviceVersion", &["found the number 1", "quotes"]);
    refuses("/otlp/timeout", json!("30"), "spec.otlp.timeout", &["found \"30\"", "1 to 300"]);
    refuses("/otlp", json!([]), "spec.otlp", &["found a list", "a map"]);
    refuses("/selector/matchLabels/app", Json::Null, "spec.selector.matchLabels.app", &["found null", "text"]);
    let env = json!([{ "name": "A", "value": 1 }]);
    refuses(&format!("{PYTHON}/env"), env, "spec.python.instrumentation.env[0].value", &["found a number", "quotes"]);
    let yes = Value::map([("enabled", Value::Scalar(crate::value::Scalar::plain("yes")))]);
    let mut object = Value::from(&resource(&with("/priority", json!(0)))).into_owned();
    if let Some(spec) = match &mut object {
        Value::Map(map) => map.get_mut("spec"),
        _ => None,
    } && let Value::Map(spec) = spec
    {
        spec.insert("python", Value::map([("instrumentation", yes)]));
    }
    assert!(read(&object).is_ok(), "kubectl takes an unquoted yes for a boolean");
}

#[test]
fn the_head_is_checked() {
    let object = json!({ "apiVersion": "openlit.io/v1", "kind": "AutoInstrumentation", "metadata": { "name": "A b" } });
    let problems = read(&Value::from(&object)).unwrap_err();
    let places: Vec<String> = problems.iter().map(|problem| problem.at.to_string()).collect();
    assert_eq!(places, ["apiVersion", "metadata.name", "spec"]);
    let unnamed =
        json!({ "apiVersion": "openlit.io/v1alpha1", "kind": "AutoInstrumentation", "spec": with("/go", json!({})) });
    assert_eq!(read(&Value::from(&unnamed)).unwrap().full_name(), "unnamed", "as in the original's first example");
}

#[test]
fn a_selector_must_not_be_empty() {
    let words = &["empty selector would select every pod"];
    for selector in [json!({}), json!({ "matchLabels": {} }), json!({ "matchExpressions": [], "matchLabels": {} })] {
        refuses("/selector", selector, "spec.selector", words);
    }
    assert!(accepts("/ignore", json!({})).spec.ignore.unwrap().is_empty(), "an empty ignore is valid");
}

#[test]
fn operators_have_the_values_they_need() {
    let at = "spec.selector.matchExpressions[0]";
    let case = |operator: &str, values: Json, place: &str, word: &str| {
        let selector = json!({ "matchExpressions": [{ "key": "k", "operator": operator, "values": values }] });
        refuses("/selector", selector, &format!("{at}.{place}"), &[word]);
    };
    case("In", json!([]), "values", "at least one for In");
    case("NotIn", json!([]), "values", "at least one for NotIn");
    case("Exists", json!(["a"]), "values", "none for Exists");
    case("DoesNotExist", json!(["a"]), "values", "none for DoesNotExist");
    case("in", json!(["a"]), "operator", "one of In, NotIn, Exists, DoesNotExist");
}

#[test]
fn labels_have_the_syntax_of_kubernetes() {
    refuses("/selector/matchLabels", json!({ "a b": "x" }), "spec.selector.matchLabels.a b", &["a label key"]);
    refuses("/selector/matchLabels/app", json!("a b"), "spec.selector.matchLabels.app", &["a label value"]);
    let expression = json!({ "matchExpressions": [{ "key": "k", "operator": "In", "values": ["-"] }] });
    refuses("/ignore", expression, "spec.ignore.matchExpressions[0].values[0]", &["a label value"]);
}

#[test]
fn custom_needs_an_image() {
    let at = "spec.python.instrumentation.customInitImage";
    refuses(PYTHON, json!({ "provider": "custom" }), at, &["provider is custom"]);
    refuses(PYTHON, json!({ "provider": "custom", "customInitImage": "" }), at, &["provider is custom"]);
    refuses(PYTHON, json!({ "customInitImage": "a b" }), at, &["found \"a b\"", "an image such as"]);
    accepts(
        PYTHON,
        json!({ "provider": "custom", "customInitImage": "registry:5000/team/x@sha256:0000000000000000000000000000000000000000000000000000000000000000" }),
    );
    assert_eq!(accepts(PYTHON, json!({ "customInitImage": "" })).spec.python.instrumentation.custom_init_image, None);
}

#[test]
fn a_variable_has_a_value_or_a_source() {
    let env = |entry: Json| json!([entry]);
    let place = format!("{PYTHON}/env");
    let at = "spec.python.instrumentation.env[0]";
    refuses(&place, env(json!({ "name": "A" })), at, &["neither value nor valueFrom"]);
    let field = json!({ "fieldRef": { "fieldPath": "metadata.name" } });
    refuses(&place, env(json!({ "name": "A", "value": "", "valueFrom": field })), at, &["value and valueFrom"]);
    let words = &["exactly one of", "configMapKeyRef, fieldRef, resourceFieldRef, secretKeyRef"];
    refuses(&place, env(json!({ "name": "A", "valueFrom": {} })), &format!("{at}.valueFrom"), words);
    refuses(&place, env(json!({ "name": "1A", "value": "x" })), &format!("{at}.name"), &["the name of a variable"]);
    refuses(&place, env(json!({ "value": "x" })), &format!("{at}.name"), &["missing"]);
    let key = json!({ "name": "A", "valueFrom": { "secretKeyRef": { "name": "s" } } });
    refuses(&place, env(key), &format!("{at}.valueFrom.secretKeyRef.key"), &["missing"]);
}

#[test]
fn a_variable_stands_once() {
    let env = json!([{ "name": "A", "value": "1" }, { "name": "B", "value": "1" }, { "name": "A", "value": "2" }]);
    refuses(&format!("{PYTHON}/env"), env, "spec.python.instrumentation.env[2].name", &["\"A\" for the second time"]);
}

#[test]
fn values_of_variables_and_headers_are_never_shown() {
    let problems = read_spec(&json!({
        "selector": { "matchLabels": { "app": "chat" } },
        "otlp": { "headers": "hunter2", "endpoint": "ftp://user:hunter2@h" },
        "python": { "instrumentation": { "env": [{ "name": "A", "value": ["hunter2"] }] } },
    }))
    .unwrap_err();
    assert_eq!(problems.len(), 3);
    assert!(!problems.join("\n").contains("hunter2"), "{problems:?}");
}

#[test]
fn packages_are_requirements() {
    let place = format!("{PYTHON}/customPackages");
    let at = "spec.python.instrumentation.customPackages";
    refuses(&place, json!("a b"), at, &["\"a b\"", "comma"]);
    accepts(&place, json!("uvicorn[standard]>=0.1, torch>=2,<3"));
    let problems = read_spec(&with(&place, json!("--index-url=http://x"))).unwrap_err();
    assert!(problems.iter().all(|problem| problem.contains("begins with -")), "{problems:?}");
}

#[test]
fn headers_are_a_text_a_map_or_from_a_secret() {
    let text = |value: Json| accepts("/otlp/headers", value).spec.otlp.headers.and_then(|headers| headers.text());
    assert_eq!(text(json!({ "b": "1,2", "a": "50%" })).as_deref(), Some("a=50%25,b=1%2C2"));
    assert_eq!(text(json!("a=1")).as_deref(), Some("a=1"));
    assert_eq!(text(json!("")), None);
    refuses("/otlp/headers", json!({ "a b": "1" }), "spec.otlp.headers.a b", &["the name of an HTTP header"]);
    refuses("/otlp/headers", json!({ "a": 1 }), "spec.otlp.headers.a", &["found a number"]);
    refuses("/otlp/headers", json!([]), "spec.otlp.headers", &["found a list"]);
    refuses("/otlp/headers", json!("YOUR_AUTH"), "spec.otlp.headers", &["replace the placeholder"]);
    let both = json!({ "headers": "a=1", "headersFrom": { "secretKeyRef": { "name": "s", "key": "k" } } });
    refuses("/otlp", both, "spec.otlp", &["headers and headersFrom", "only one"]);
}

#[test]
fn endpoints_are_urls() {
    let at = "spec.otlp.endpoint";
    refuses("/otlp/endpoint", json!("YOUR_OTELCOL_URL:4318"), at, &["replace the placeholder"]);
    refuses("/otlp/endpoint", json!("openlit:4318"), at, &["put http:// or https:// before it"]);
    accepts("/otlp/endpoint", json!("http://[::1]:4318"));
    accepts("/otlp/endpoint", json!("http://$(NODE_IP):4318"));
}

#[test]
fn quantities_are_quantities() {
    let place = "/python/instrumentation/initContainer/resources";
    let at = "spec.python.instrumentation.initContainer.resources";
    refuses(place, json!({ "limits": { "cpu": "1 core" } }), &format!("{at}.limits.cpu"), &["a quantity such as"]);
    refuses(place, json!({ "limits": { "cpu": "-1" } }), &format!("{at}.limits.cpu"), &["not negative"]);
    let more = json!({ "requests": { "memory": "1Gi" }, "limits": { "memory": "1G" } });
    refuses(place, more, &format!("{at}.requests.memory"), &["at most the limit, which is 1G"]);
    refuses(
        "/python/instrumentation/volumeSizeLimit",
        json!(true),
        "spec.python.instrumentation.volumeSizeLimit",
        &["quantity"],
    );
}

#[test]
fn names_of_the_injection_are_taken() {
    let at = "spec.python.instrumentation";
    let volume = json!([{ "name": "instrumentation-packages", "emptyDir": {} }]);
    refuses(&format!("{PYTHON}/volumes"), volume, &format!("{at}.volumes[0].name"), &["the injection itself"]);
    let mount = json!([{ "name": "x", "mountPath": "/instrumentation-packages/" }]);
    refuses(
        &format!("{PYTHON}/volumeMounts"),
        mount,
        &format!("{at}.volumeMounts[0].mountPath"),
        &["the injection itself"],
    );
    let env = json!([{ "name": "TARGET_PATH", "value": "/x" }]);
    refuses(
        &format!("{PYTHON}/initContainer/env"),
        env,
        &format!("{at}.initContainer.env[0].name"),
        &["the injection itself"],
    );
    let sources = json!([{ "name": "x", "emptyDir": {}, "configMap": { "name": "y" } }]);
    refuses(&format!("{PYTHON}/volumes"), sources, &format!("{at}.volumes[0]"), &["exactly one source"]);
}

#[test]
fn what_is_passed_on_keeps_its_order() {
    let mut object = Value::from(&resource(&with("/priority", json!(0)))).into_owned();
    let variable = Value::map([("value", Value::text("1")), ("name", Value::text("A"))]);
    let python = Value::map([("instrumentation", Value::map([("env", Value::List(vec![variable]))]))]);
    if let Value::Map(map) = &mut object
        && let Some(Value::Map(spec)) = map.get_mut("spec")
    {
        spec.insert("python", python);
    }
    let read = read(&object).unwrap();
    let keys: Vec<&str> =
        read.spec.python.instrumentation.env[0].as_map().unwrap().iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["value", "name"]);
}

#[test]
fn what_is_probably_not_meant_is_a_warning() {
    let warns = |pointer: &str, value: Json, at: &str, word: &str| {
        let warnings = accepts(pointer, value).warnings();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert_eq!(warnings[0].at.to_string(), at);
        assert!(warnings[0].message.contains(word), "{}", warnings[0]);
    };
    warns("/otlp/endpoint", json!("http://h:4318/v1/traces"), "spec.otlp.endpoint", "appends itself");
    warns("/otlp/endpoint", json!("http://h:4317"), "spec.otlp.endpoint", "gRPC");
    warns("/otlp/endpoint", json!("http://u:hunter2@h"), "spec.otlp.endpoint", "headersFrom");
    warns("/ignore", json!({}), "spec.ignore", "ignores nothing");
    warns("/resource/environment", json!("prod.eu"), "spec.resource.environment", "dot");
    warns("/go", json!({}), "spec.go", "ignored");
    warns("/disableMetrics", json!(true), "spec.disableMetrics", "ignored");
    warns(
        &format!("{PYTHON}/customInitImage"),
        json!("r:5000/x"),
        "spec.python.instrumentation.customInitImage",
        "latest",
    );
    let negative = json!({ "matchExpressions": [{ "key": "k", "operator": "DoesNotExist" }] });
    warns("/selector", negative, "spec.selector", "every pod that lacks");
    let named = json!({ "attributes": { "service.name": "x" } });
    warns("/resource", named, "spec.resource.attributes[\"service.name\"]", "resource.serviceName");
    assert_eq!(accepts("/priority", json!(1)).warnings(), []);
}

#[test]
fn what_is_wrong_with_packages_is_said_once_and_without_credentials() {
    let packages = format!("{PYTHON}/customPackages");
    let at = "spec.python.instrumentation.customPackages";
    refuses(
        &packages,
        json!("--extra-index-url https://u:s3cr3t@h/simple"),
        at,
        &["https://***@h/simple", "begins with -"],
    );
    refuses(&packages, json!("a b u:s3cr3t@h"), at, &["a b ***@h", "more than one"]);
}

#[test]
fn a_problem_says_whether_its_value_may_be_shown() {
    let shown = |pointer: &str, value: Json| {
        let object = resource(&with(pointer, value));
        read(&Value::from(&object)).unwrap_err().iter().map(|problem| problem.shown).collect::<Vec<_>>()
    };
    assert_eq!(shown("/otlp/timeout", json!(0)), [true]);
    assert_eq!(shown("/otlp/headers", json!("Authorization Bearer s3cr3t")), [false]);
    assert_eq!(shown("/otlp/headrs", json!("a=s3cr3t")), [false]);
    assert_eq!(shown(&format!("{PYTHON}/env"), json!([{ "name": "A", "value": 1 }])), [false]);
}

#[test]
fn hostile_resources_are_refused_quickly() {
    let variables: Vec<Json> = (0..40_000).map(|_| json!({ "name": "A", "value": "1" })).collect();
    let amounts = || Json::Object((0..60_000).map(|index| (format!("x{index}"), json!("1"))).collect());
    let env = format!("{PYTHON}/env");
    let resources = format!("{PYTHON}/initContainer/resources");
    let start = std::time::Instant::now();
    refuses(&env, Json::Array(variables), "spec.python.instrumentation.env", &["found 40000 items"]);
    assert!(read_spec(&with("/go", amounts())).is_ok());
    assert!(read_spec(&with(&resources, json!({ "requests": amounts(), "limits": amounts() }))).is_err());
    assert!(read_spec(&with("/otlp", amounts())).unwrap_err().len() <= 200);
    assert!(start.elapsed() < std::time::Duration::from_secs(20), "{:?}", start.elapsed());
}
