//! What must hold in a cell, and what is said of it in the table.

use super::application::{Application, Provider, Wanted};
use super::collector::Span;
use super::root::Ended;
use super::world::Run;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::OnceLock;

/// What the applications ask, and what the model answers: `applications/question.py` and `applications/model.py`.
const QUESTION: &str = "Does the heron know the weather?";
const ANSWER: &str = "is raining in Nantes";

/// How every line of ours begins.
const OURS: &str = "OpenLIT instrumentation";

/// Panics where something is not as it must be; otherwise the text of the cell.
pub fn judge(
    provider: Provider,
    python: &str,
    application: &Application,
    plain: &OnceLock<Ended>,
    run: &Run,
) -> String {
    let (plain, ended) = (plain.get().unwrap(), &run.ended);
    assert_eq!(
        (&ended.stdout, ended.code),
        (&plain.stdout, plain.code),
        "\n{}\nwithout Prelit:\n{}",
        ended.stderr,
        plain.stderr
    );
    assert!(!ended.stdout.is_empty(), "{}", ended.stderr);
    let (ours, others): (Vec<&str>, Vec<&str>) = ended.stderr.lines().partition(|line| line.starts_with(OURS));
    if !application.serves {
        assert_eq!(others, plain.stderr.lines().collect::<Vec<_>>());
    }
    let served = python != "3.8";
    match (application.wanted)(provider, python) {
        Wanted::Silence => {
            assert!(ours.is_empty() && run.received.text.is_empty(), "{ours:?}\n{}", run.received.text);
            "nothing to record".to_owned()
        }
        _ if !served => {
            left_alone(provider, run, &ours, "there are packages for CPython 3.9 to 3.14, and this is Python 3.8")
        }
        Wanted::LeftAlone(why) => left_alone(provider, run, &ours, why),
        Wanted::Calls(calls) => recorded(provider, application, run, &ours, calls),
    }
}

/// A library is left alone, or all of them; what else is instrumented may still have something to tell.
fn left_alone(provider: Provider, run: &Run, ours: &[&str], why: &str) -> String {
    let spans = &run.received.spans;
    let said: Vec<&str> = ours.iter().copied().filter(|line| line.contains(why)).collect();
    assert!(said.len() == 1 && ours.len() == 1 + usize::from(!spans.is_empty()), "{ours:?}\n{spans:?}");
    assert!(spans.iter().all(|span| !span.attributes.keys().any(|key| key.starts_with("gen_ai."))), "{spans:?}");
    for span in spans {
        assert_eq!(resource_of(span), expected_resource(provider, run));
    }
    let said = said[0].trim_start_matches(OURS).trim();
    let said = said.strip_prefix("not started: ").unwrap_or(said);
    if spans.is_empty() { said.to_owned() } else { format!("{}; {said}", summary(spans)) }
}

fn recorded(provider: Provider, application: &Application, run: &Run, ours: &[&str], calls: usize) -> String {
    let received = &run.received;
    let said = received.spans.iter().map(|span| format!("{} {:?}\n", span.name, span.attributes)).collect::<String>();
    assert!(ours.iter().all(|line| line.contains("initialized: provider ")), "{ours:?}");
    assert!(!ours.is_empty() && (application.serves || ours.len() == 1), "{ours:?}");
    assert!(!received.spans.is_empty(), "{ours:?}");
    for span in &received.spans {
        assert_eq!(resource_of(span), expected_resource(provider, run));
    }
    let called: Vec<_> = received.spans.iter().filter_map(tokens).collect();
    assert_eq!(called.len(), calls, "\n{said}");
    // Where a stream does not tell them, a provider may count them itself.
    assert!(called.contains(&(11, 7)), "\n{said}");
    for text in [QUESTION, ANSWER] {
        assert_eq!(received.text.contains(text), application.captures, "{text}\n{said}");
    }
    summary(&received.spans)
}

/// The tokens of a span that is a call of the model.
fn tokens(span: &Span) -> Option<(i64, i64)> {
    let number = |key: &str| span.attributes.get(key).and_then(Value::as_i64);
    // OpenInference has the model that has answered: `small-1-2026`.
    span.attributes.get("gen_ai.request.model")?.as_str()?.strip_prefix("small-1")?;
    Some((number("gen_ai.usage.input_tokens")?, number("gen_ai.usage.output_tokens")?))
}

/// The attributes of the resource, but those by which an SDK names itself.
fn resource_of(span: &Span) -> BTreeMap<&str, String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let others = span.resource.iter().filter(|(key, _)| !key.starts_with("telemetry."));
    others.map(|(key, value)| (key.as_str(), text(value))).collect()
}

/// Every attribute of the contract, and no other: by `deployment.rs`, and by `configurations/`.
fn expected_resource(provider: Provider, run: &Run) -> BTreeMap<&'static str, String> {
    let (environment, name, namespace, version) = match provider {
        Provider::OpenLit => ("staging", "assistant", "ai", "1.4.0"),
        Provider::OpenInference => ("production", "heron", "ai", "2026.11"),
        Provider::OpenLlmetry => ("production", "assistant", "birds", "1.4.0"),
    };
    let instance = format!("ai.{}.{}", run.pod_name, run.container);
    let mut attributes = BTreeMap::from([
        ("deployment.environment", environment),
        ("deployment.environment.name", environment),
        ("k8s.container.name", &run.container),
        ("k8s.deployment.name", "assistants"),
        ("k8s.namespace.name", "ai"),
        ("k8s.node.name", "node-7"),
        ("k8s.pod.name", &run.pod_name),
        ("k8s.pod.uid", &run.pod_uid),
        ("owner", "grey heron"),
        ("service.instance.id", &instance),
        ("service.name", name),
        ("service.namespace", namespace),
        ("service.version", version),
        ("team", "search, weather"),
    ]);
    if provider == Provider::OpenInference {
        attributes.insert("cost.center", "a=b, 100% $HOME");
    }
    attributes.into_iter().map(|(key, value)| (key, value.to_owned())).collect()
}

/// How often which span was seen.
fn summary(spans: &[Span]) -> String {
    let mut counts = BTreeMap::<&str, usize>::new();
    for span in spans {
        *counts.entry(&span.name).or_default() += 1;
    }
    let mut text = String::new();
    for (name, count) in counts {
        let comma = if text.is_empty() { "" } else { ", " };
        write!(text, "{comma}{count} `{name}`").unwrap();
    }
    text
}
