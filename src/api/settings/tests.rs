//! Each rule once.

use super::*;
use crate::value::{Path, Scalar, Value};

fn read_pairs(pairs: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
    read(owned(pairs)).map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn owned(pairs: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>().into_iter()
}

/// The only problem, which must begin with the name and hold the words.
fn refuses(name: &str, value: &str, words: &[&str]) {
    let problems = read_pairs(&[(name, value)]).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    for word in words.iter().chain([&name]) {
        assert!(problems[0].contains(word), "{} does not say {word}", problems[0]);
    }
}

#[test]
fn the_defaults_are_valid_and_those_of_the_documentation() {
    for variable in VARIABLES {
        let valid = variable.default.is_empty() || variable.kind.refuses(variable.default).is_none();
        assert!(valid, "{}", variable.name);
        assert!(variable.says.ends_with('.'), "{}", variable.name);
    }
    let settings = read_pairs(&[]).unwrap();
    assert_eq!(settings, Settings::default());
    assert_eq!(settings.otlp_endpoint, "http://openlit.default.svc.cluster.local:4318");
    assert_eq!((settings.capture_message_content, settings.detailed_tracing), (true, false));
    assert_eq!(settings.global_namespace.as_deref(), Some("openlit"));
    assert_eq!((settings.webhook.port, settings.webhook.timeout_seconds), (9443, 3));
    assert_eq!(settings.webhook.cert_validity, Duration::from_secs(365 * 86400));
    assert_eq!(settings.webhook.secret_name, "openlit-webhook-certs");
}

#[test]
fn every_setting_has_an_effect() {
    let other = |variable: &Variable| match variable.kind {
        Kind::Boolean => if variable.default == "true" { "false" } else { "true" }.to_owned(),
        Kind::Choice(words) => (*words
            .iter()
            .find(|word| **word != variable.default && **word != "custom" && **word != "provided")
            .unwrap_or(&"provided"))
        .to_owned(),
        Kind::Syntax(syntax::VERSION) => "1.2.3".to_owned(),
        Kind::Url | Kind::Syntax(syntax::ENDPOINT) => "http://x:1".to_owned(),
        Kind::SecretEntry => "a/b".to_owned(),
        Kind::Path => "/x".to_owned(),
        Kind::Amount => if variable.name.ends_with("REQUEST") { "1m" } else { "1Gi" }.to_owned(),
        Kind::Number(least, _) => least.max(7).to_string(),
        Kind::Headers | Kind::Attributes => "a=b".to_owned(),
        Kind::Days(_) | Kind::User => "7".to_owned(),
        Kind::Workloads => "x/Y=spec.template".to_owned(),
        _ => "x".to_owned(),
    };
    for variable in VARIABLES {
        let value = other(variable);
        let collector = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://y:1");
        let image = ("OPENLIT_IMAGE_OPENLIT", "r.example.com/prelit/openlit");
        let pairs = [collector, image, (variable.name, &value), ("WEBHOOK_CERT_DIR", "/certs")];
        let settings = read_pairs(&pairs).unwrap();
        let before = read_pairs(&[collector, image, ("WEBHOOK_CERT_DIR", "/other")]).unwrap();
        assert_ne!(settings.webhook.cert_dir, before.webhook.cert_dir);
        let without = Settings {
            webhook: WebhookSettings { cert_dir: before.webhook.cert_dir.clone(), ..settings.webhook.clone() },
            ..settings.clone()
        };
        assert!(without != before || variable.name == "WEBHOOK_CERT_DIR", "{} does nothing", variable.name);
    }
}

#[test]
fn unknown_names_are_refused_with_the_nearest() {
    refuses("OPENLIT_OTLP_ENDPIONT", "x", &["unknown setting", "did you mean OPENLIT_OTLP_ENDPOINT?"]);
    refuses("SOMETHING", "x", &["unknown setting"]);
    assert!(!read_pairs(&[("OPENLIT_API_KEY", "hunter2")]).unwrap_err().join("").contains("hunter2"));
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let pairs =
        [("WEBHOOK_PORT", "99999"), ("LOG_LEVEL", "loud"), ("OPENLIT_OTLP_ENDPOINT", "openlit:4318"), ("X", "")];
    assert_eq!(read_pairs(&pairs).unwrap_err().len(), 4);
}

#[test]
fn bad_values_name_what_is_allowed() {
    refuses("WEBHOOK_PORT", "0", &["\"0\"", "1 to 65535"]);
    refuses("WEBHOOK_PORT", "+80", &["1 to 65535"]);
    refuses("WEBHOOK_TIMEOUT_SECONDS", "31", &["1 to 30"]);
    refuses("OPENLIT_OTLP_TIMEOUT", "301", &["1 to 300"]);
    refuses("OPENLIT_DETAILED_TRACING", "yes", &["true or false"]);
    refuses(
        "OPENLIT_DEFAULT_PROVIDER",
        "openlt",
        &["openlit, openinference, openllmetry, custom", "did you mean openlit?"],
    );
    refuses("OPENLIT_IMAGE_PULL_POLICY", "always", &["did you mean Always?"]);
    refuses("OPENLIT_OTLP_ENDPOINT", "grpc://x", &["http:// or https:// URL"]);
    refuses("OPENLIT_DEFAULT_VERSION", "1.0", &["latest, or a whole version"]);
    refuses("OPENLIT_IMAGE_OPENLIT", "a b", &["an image such as"]);
    refuses("OPENLIT_INIT_CPU_LIMIT", "2 cores", &["a quantity such as"]);
    refuses("OPENLIT_VOLUME_SIZE_LIMIT", "-1Gi", &["not negative"]);
    refuses("OPENLIT_INIT_RUN_AS_USER", "root", &["auto, none, or the number of a user"]);
    refuses("OPENLIT_KNATIVE", "yes", &["webhook, render"]);
    refuses("OPENLIT_GLOBAL_NAMESPACE", "A", &["the name of a namespace"]);
    refuses("OPENLIT_WORKLOADS", "Job", &["group/Kind=path.to.template"]);
    refuses("WEBHOOK_PATH", "mutate", &["begins with /"]);
    refuses("CERT_VALIDITY_DAYS", "soon", &["90m"]);
    refuses("CERT_VALIDITY_DAYS", "29s", &["from 30s on"]);
    refuses("CERT_REFRESH_DAYS", "19s", &["from 20s on"]);
    refuses("CERT_MODE", "manual", &["self-signed, provided"]);
    refuses("OTEL_EXPORTER_OTLP_ENDPOINT", "$(X)", &["http:// or https:// URL"]);
}

#[test]
fn settings_that_do_not_fit_together_are_refused() {
    refuses("OPENLIT_DEFAULT_PROVIDER", "custom", &["needs OPENLIT_DEFAULT_INIT_IMAGE"]);
    refuses("OPENLIT_INIT_IMAGES", "prelit", &["OPENLIT_IMAGE_OPENLIT is ghcr.io/openlit/openlit-ai-instrumentation"]);
    refuses("CERT_MODE", "provided", &["needs WEBHOOK_CERT_DIR"]);
    refuses("OPENLIT_INIT_MEMORY_REQUEST", "1Gi", &["more than OPENLIT_INIT_MEMORY_LIMIT, which is 256Mi"]);
    refuses("METRICS_PORT", "8081", &["which is HEALTH_PORT too"]);
    refuses("CERT_REFRESH_DAYS", "365", &["below CERT_VALIDITY_DAYS"]);
}

#[test]
fn prelits_images_must_be_named_for_what_is_used() {
    let lacks = |pairs: &[(&str, &str)]| {
        let pairs = [&[("OPENLIT_INIT_IMAGES", "prelit")], pairs].concat();
        read_pairs(&pairs).map(|settings| Provider::ALL.map(|provider| settings.lacks_image_of(provider).is_some()))
    };
    assert_eq!(lacks(&[("OPENLIT_IMAGE_OPENLIT", "r/openlit")]), Ok([false, true, true, false]));
    let mirror = lacks(&[("OPENLIT_IMAGE_OPENLIT", "ghcr.io/openlit/openlit-ai-instrumentation:1.0.0")]);
    assert!(mirror.unwrap_err()[0].contains("1.0.0, which is the published one"));
    let other = [("OPENLIT_DEFAULT_PROVIDER", "openinference"), ("OPENLIT_IMAGE_OPENINFERENCE", "r/openinference")];
    assert_eq!(lacks(&other), Ok([true, false, true, false]));
    assert_eq!(lacks(&[("OPENLIT_DEFAULT_INIT_IMAGE", "r/own")]), Ok([false, true, true, false]));
    assert_eq!(Provider::ALL.map(|provider| Settings::default().lacks_image_of(provider)), [const { None }; 4]);
}

#[test]
fn certificates_may_be_valid_for_days_or_durations() {
    let webhook = |pairs| read_pairs(pairs).unwrap().webhook;
    let short = webhook(&[("CERT_VALIDITY_DAYS", "90m")]);
    assert_eq!(short.cert_validity, Duration::from_secs(90 * 60));
    assert_eq!(short.cert_refresh, Duration::from_secs(30 * 60), "the default would never end");
    let both = webhook(&[("CERT_VALIDITY_DAYS", "1h30m"), ("CERT_REFRESH_DAYS", "600s")]);
    assert_eq!(both.cert_refresh, Duration::from_secs(600));
    let shortest = webhook(&[("CERT_VALIDITY_DAYS", "30s")]);
    assert_eq!(shortest.cert_refresh, Duration::from_secs(20), "another replica must be able to take over");
    assert_eq!(
        webhook(&[("CERT_VALIDITY_DAYS", "2d")]).cert_validity,
        webhook(&[("CERT_VALIDITY_DAYS", "2")]).cert_validity
    );
}

#[test]
fn the_last_value_counts_and_an_empty_one_is_none() {
    let settings = read_pairs(&[("WEBHOOK_PORT", "bad"), ("WEBHOOK_PORT", "8443"), ("HEALTH_PORT", " ")]).unwrap();
    assert_eq!((settings.webhook.port, settings.webhook.health_port), (8443, 8081));
    assert_eq!(read_pairs(&[("OPENLIT_GLOBAL_NAMESPACE", "")]).unwrap().global_namespace, None);
}

#[test]
fn secrets_are_never_shown() {
    for (name, value) in [
        ("OPENLIT_OTLP_HEADERS_SECRET", "authorization=Bearer hunter2"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=hunter2\n"),
        ("OPENLIT_OTLP_ENDPOINT", "ftp://user:hunter2@host"),
    ] {
        let text = format!("{:?}", read_pairs(&[(name, value)]));
        assert!(!text.contains("hunter2"), "{text}");
    }
    let settings = read_pairs(&[("OTEL_EXPORTER_OTLP_HEADERS", "key=hunter2")]).unwrap();
    assert!(!format!("{settings:?}").contains("hunter2"));
}

#[test]
fn the_environment_may_hold_what_kubernetes_makes_from_services() {
    let settings = read_environment(owned(&[
        ("WEBHOOK_PORT", "tcp://10.0.0.1:443"),
        ("WEBHOOK_SERVICE_HOST", "10.0.0.1"),
        ("WEBHOOK_PORT_9443_TCP", "tcp://10.0.0.1:9443"),
        ("OPENLIT_PORT", "tcp://10.0.0.2:3000"),
        ("PATH", "/bin"),
        ("LOG_LEVEL", "debug"),
    ]))
    .unwrap();
    assert_eq!((settings.webhook.port, settings.webhook.log_level), (9443, LogLevel::Debug));
    let problems = read_environment(owned(&[("WEBHOOK_PORT", "http")])).unwrap_err();
    assert_eq!(problems[0].name, "WEBHOOK_PORT");
}

#[test]
fn what_is_written_wrong_in_an_environment_is_told_and_what_services_make_is_not() {
    let names = [
        "WEBHOOK_FAILURE_POLCY",
        "OPENLIT_OTEL_ENDPOINT_URL",
        "CERT_MODES",
        "WEBHOOK_PORT",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTHER",
        // Of the Services openlit and openlit-webhook.
        "OPENLIT_SERVICE_HOST",
        "OPENLIT_SERVICE_PORT",
        "OPENLIT_SERVICE_PORT_OTLP_HTTP",
        "OPENLIT_PORT",
        "OPENLIT_PORT_4318_TCP_ADDR",
        "OPENLIT_WEBHOOK_SERVICE_HOST",
        "OPENLIT_WEBHOOK_SERVICE_PORT_WEBHOOK",
        "OPENLIT_WEBHOOK_PORT_443_TCP",
    ];
    let told: Vec<String> = unknown_in_environment(names.into_iter()).iter().map(ToString::to_string).collect();
    assert_eq!(told[0], "WEBHOOK_FAILURE_POLCY: unknown setting; did you mean WEBHOOK_FAILURE_POLICY?");
    assert!(told[1].starts_with("OPENLIT_OTEL_ENDPOINT_URL: ") && told[2].starts_with("CERT_MODES: "), "{told:?}");
    assert_eq!(told.len(), 3, "{told:?}");
}

#[test]
fn files_are_config_maps_or_plain_maps() {
    let data = Value::map([("WEBHOOK_PORT", Value::int(8443)), ("LOG_LEVEL", Value::text("warn"))]);
    let object = Value::map([("kind", Value::text("ConfigMap")), ("data", data.clone())]);
    let expected = vec![("WEBHOOK_PORT".to_owned(), "8443".to_owned()), ("LOG_LEVEL".to_owned(), "warn".to_owned())];
    assert_eq!(pairs(&data).pairs, expected);
    assert_eq!(pairs(&object).pairs, expected);
    assert_eq!(place(&object, "LOG_LEVEL").to_string(), "data.LOG_LEVEL");
    assert_eq!(place(&data, "LOG_LEVEL").to_string(), "LOG_LEVEL");
    assert_eq!(place(&data, "OTHER"), Path::ROOT);
    assert_eq!(pairs(&Value::map([("A", Value::NULL)])).pairs, vec![("A".to_owned(), String::new())]);
    let wrong = |document: &Value<'_>| !pairs(document).problems.is_empty();
    assert!(wrong(&Value::map([("kind", Value::text("ConfigMap"))])));
    assert!(wrong(&Value::texts(["x"])));
    let half = pairs(&Value::map([("A", Value::texts(["x"])), ("LOG_LEVEL", Value::text("warn"))]));
    assert_eq!((half.pairs.len(), half.problems.len()), (1, 1), "the rest is read");
    assert!(pairs(&Value::NULL).pairs.is_empty());
}

#[test]
fn workloads_may_be_a_list_or_a_text() {
    let items = ["batch.volcano.sh/Job=spec.tasks[*].template", "example.com/App=spec.template"];
    let list = Value::map([("OPENLIT_WORKLOADS", Value::texts(items))]);
    assert_eq!(read(pairs(&list).pairs.into_iter()).unwrap().workloads, items);
    assert_eq!(read_pairs(&[("OPENLIT_WORKLOADS", &items.join(", "))]).unwrap().workloads, items);
    let block = Value::map([("OPENLIT_WORKLOADS", Value::Scalar(Scalar::text(items.join("\n") + "\n")))]);
    assert_eq!(read(pairs(&block).pairs.into_iter()).unwrap().workloads, items);
}

#[test]
fn lines_of_names_and_values_are_read_without_a_shell() {
    let text = "\u{feff}# a comment\r\nexport LOG_LEVEL=warn\r\n\nWEBHOOK_PATH = '/x'\nOPENLIT_OTLP_ENDPOINT=\"http://$(IP)/a=b\"";
    let pairs = parse_env_file(text).pairs;
    let expected = [("LOG_LEVEL", "warn"), ("WEBHOOK_PATH", "/x"), ("OPENLIT_OTLP_ENDPOINT", "http://$(IP)/a=b")];
    assert_eq!(pairs, owned(&expected).collect::<Vec<_>>());
    let given = parse_env_file("hunter2\nA=1\nA=2\n1=2\nB=3");
    let text: Vec<String> = given.problems.iter().map(ToString::to_string).collect();
    let lines: Vec<Option<usize>> = given.problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [Some(1), Some(3), Some(4)]);
    assert_eq!(given.pairs.len(), 2, "the rest is read");
    assert_eq!(line_of("# B=1\nA=1\nexport B = 2\n", "B"), Some(3));
    assert!(text[0].starts_with("line 1") && !text[0].contains("hunter2"), "{text:?}");
}

fn telemetry(pairs: &[(&str, &str)]) -> Telemetry {
    read_pairs(&[&[("SELF_MONITORING_ENABLED", "true")], pairs].concat()).unwrap().webhook.telemetry
}

#[test]
fn each_signal_goes_where_its_own_variables_say_or_those_of_all() {
    let both = telemetry(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "https://other/whole"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=1, authorization=Bearer%20x%2Cy"),
        ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "b=100%"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "250"),
    ]);
    let (traces, metrics) = (both.traces.unwrap(), both.metrics.unwrap());
    assert_eq!((traces.endpoint.as_str(), traces.timeout.as_millis()), ("http://collector:4318/v1/traces", 250));
    assert_eq!(traces.headers, owned(&[("a", "1"), ("authorization", "Bearer x,y")]).collect::<Vec<_>>());
    assert_eq!((metrics.endpoint.as_str(), metrics.timeout.as_secs()), ("https://other/whole", 10));
    assert_eq!(metrics.headers, owned(&[("b", "100%")]).collect::<Vec<_>>());
    assert!(!format!("{traces:?}").contains("Bearer"));
    let keyed = telemetry(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://in/otlp?tenant=a")]);
    assert_eq!(keyed.traces.unwrap().endpoint, "https://in/otlp/v1/traces?tenant=a");
    let one = telemetry(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://t")]);
    assert_eq!((one.traces.unwrap().endpoint.as_str(), one.metrics), ("http://t", None));
    let logs = telemetry(&[("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://l")]);
    assert_eq!((logs.traces, logs.metrics, logs.logs), (None, None, true));
}

#[test]
fn the_name_of_the_service_is_that_of_its_own_variable() {
    let named = |pairs: &[(&str, &str)]| {
        let telemetry = telemetry(&[&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c")], pairs].concat());
        (telemetry.service_name, telemetry.attributes.len())
    };
    assert_eq!(named(&[]), ("openlit-operator".to_owned(), 0));
    let attributes = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=a%20b,team=ai");
    assert_eq!(named(&[attributes]), ("a b".to_owned(), 1));
    assert_eq!(named(&[attributes, ("OTEL_SERVICE_NAME", "mine")]), ("mine".to_owned(), 1));
}

#[test]
fn telemetry_that_cannot_be_sent_is_refused_where_it_is_to_be() {
    let refuses = |pairs: &[(&str, &str)], words: &[&str]| {
        assert!(read_pairs(pairs).is_ok(), "nobody asks for it: {pairs:?}");
        let said = read_pairs(&[&[("SELF_MONITORING_ENABLED", "true")], pairs].concat()).unwrap_err();
        assert_eq!(said.len(), words.len(), "{said:?}");
        assert!(said.iter().zip(words).all(|(said, word)| said.contains(word)), "{said:?}");
    };
    refuses(&[], &["needs OTEL_EXPORTER_OTLP_ENDPOINT"]);
    let to = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4317");
    refuses(
        &[to, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip")],
        &["OTEL_EXPORTER_OTLP_PROTOCOL: found grpc, expected http/protobuf", "found gzip, expected none"],
    );
    refuses(&[to, ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/k")], &["needs OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"]);
}

#[test]
fn telemetry_that_is_malformed_is_refused_and_its_keys_are_not_shown() {
    let pairs = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:hunter2@collector"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "hunter2"),
        ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "a b=hunter2"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a=hunter2%0d"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "0"),
        ("OTEL_RESOURCE_ATTRIBUTES", "team"),
    ];
    let said = read_pairs(&pairs).unwrap_err();
    assert_eq!(said.len(), pairs.len(), "{said:?}");
    assert!(!said.concat().contains("hunter2"), "{said:?}");
}
