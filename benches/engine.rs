//! The steps of one Deployment, from its text to the proof; the scan; a document that is injected
//! already. `cargo bench --bench engine`; whole processes are in `whole.rs`.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use prelit::api::resource;
use prelit::api::settings::Settings;
use prelit::inject::engine::{Engine, Prepared, Verdict, Work};
use prelit::manifest::workloads;
use prelit::render::{Action, Options, Run, Source};
use prelit::value::{Edit, Value};
use prelit::yaml::{Tree, edit, proof};
use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;

const DEPLOYMENT: &str = r#"apiVersion: apps/v1
kind: Deployment
metadata:
  name: chat-00001
  namespace: assistants
spec:
  replicas: 2
  selector:
    matchLabels:
      app: chat-00001
  template:
    metadata:
      labels:
        app: chat-00001
        openlit.io/instrument: "true"
    spec:
      containers:
        - name: app
          image: python:3.11-slim
          command: ["python", "-m", "assistance"]
          ports:
            - containerPort: 8080
          resources:
            limits:
              memory: 256Mi
"#;

const SERVICE: &str = "---
apiVersion: v1
kind: Service
metadata:
  name: chat
spec:
  selector:
    app: chat
  ports:
    - port: 80
";

fn run() -> Result<Run, Box<dyn Error>> {
    let options = Options {
        action: Action::Inject,
        settings: Settings::default(),
        namespace: None,
        workloads: Vec::new(),
        force: false,
        thorough: false,
    };
    Run::new(options, &[], Vec::new()).map_err(|failures| format!("{failures:?}").into())
}

fn source(text: &str) -> Source<'_> {
    Source { name: "bench.yaml", bytes: text.as_bytes(), lenient: false, left_alone: None }
}

fn injected(run: &Run, text: &str) -> Result<String, Box<dyn Error>> {
    let rendered = run.render(&source(text)).map_err(|failures| format!("{failures:?}"))?;
    Ok(edit::Edited { splices: rendered.splices, ..edit::Edited::default() }.text(text))
}

fn decide(engine: &Engine, tree: &Tree<'_>) -> Vec<Edit> {
    let Ok(value) = tree.value() else { return Vec::new() };
    let found = workloads(&value, &[]);
    let Some(workload) = found.workloads.first() else { return Vec::new() };
    let Verdict { work, .. } = engine.inject(workload, &workload.templates[0], &[], false);
    if let Work::Inject(edits) = work { edits } else { Vec::new() }
}

fn steps(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
    let settings = Settings::default();
    let engine = Engine::new([], &settings, None);
    let tree = Tree::parse(DEPLOYMENT)?;
    let edits = decide(&engine, &tree);
    let edited = edit::edit(&tree, &edits)?;
    let text = edited.text(DEPLOYMENT);
    assert!(text.len() > DEPLOYMENT.len(), "nothing was injected");

    let mut group = criterion.benchmark_group("deployment");
    group.bench_function("parse", |bencher| bencher.iter(|| Tree::parse(black_box(DEPLOYMENT))));
    group.bench_function("value", |bencher| bencher.iter(|| black_box(&tree).value()));
    group.bench_function("value and decide", |bencher| bencher.iter(|| decide(&engine, black_box(&tree))));
    group.bench_function("edit", |bencher| bencher.iter(|| edit::edit(black_box(&tree), &edits)));
    group.bench_function("text", |bencher| bencher.iter(|| edited.text(black_box(DEPLOYMENT))));
    group.bench_function("value and proof", |bencher| {
        bencher.iter(|| Ok::<_, Box<dyn Error>>(proof::prove(tree.value()?, &edits, &edited, black_box(&text))?));
    });
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("parse what was edited", |bencher| bencher.iter(|| Tree::parse(black_box(&text))));
    group.finish();
    Ok(())
}

fn documents(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
    let run = run()?;
    let mut group = criterion.benchmark_group("document");
    group.bench_function("injected", |bencher| bencher.iter(|| run.render(&source(black_box(DEPLOYMENT)))));
    let again = injected(&run, DEPLOYMENT)?;
    assert_eq!(injected(&run, &again)?, again, "what is injected is current");
    group.bench_function("current", |bencher| bencher.iter(|| run.render(&source(black_box(&again)))));
    group.finish();

    let mut group = criterion.benchmark_group("scan");
    let services = SERVICE.repeat(40_000);
    group.throughput(Throughput::Bytes(services.len() as u64));
    group.bench_function("nothing of ours", |bencher| bencher.iter(|| run.render(&source(black_box(&services)))));
    let one = format!("{services}---\n{DEPLOYMENT}");
    group.bench_function("one of ours", |bencher| bencher.iter(|| run.render(&source(black_box(&one)))));
    group.finish();
    Ok(())
}

/// An engine of many resources: how long it takes to make one, and to decide by it.
fn resources(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
    let settings = Settings::default();
    let tree = Tree::parse(DEPLOYMENT)?;
    let mut group = criterion.benchmark_group("resources");
    for count in [10, 1_000, 10_000] {
        let prepared: Vec<Arc<Prepared>> = (0..count)
            .map(|number| {
                let resource = serde_json::json!({
                    "apiVersion": "openlit.io/v1alpha1", "kind": "AutoInstrumentation",
                    "metadata": {"name": format!("chat-{number:05}"), "namespace": "assistants"},
                    "spec": {"selector": {"matchLabels": {"app": format!("chat-{number:05}"), "part-of": "assistants"}}},
                });
                let resource = resource::read(&Value::from(&resource)).map_err(|problems| format!("{problems:?}"))?;
                Ok(Arc::new(Prepared::new(Arc::new(resource), Some("assistants".to_owned()), &settings)))
            })
            .collect::<Result<_, String>>()?;
        let engine = Engine::of(prepared.clone(), &settings);
        assert!(!decide(&engine, &tree).is_empty(), "nothing was injected");
        group.bench_function(format!("make the engine of {count}"), |bencher| {
            bencher.iter(|| Engine::of(black_box(&prepared).clone(), &settings));
        });
        group.bench_function(format!("value and decide with {count}"), |bencher| {
            bencher.iter(|| decide(&engine, black_box(&tree)));
        });
    }
    group.finish();
    Ok(())
}

/// The steps of a review of the webhook, without its connection.
#[cfg(feature = "webhook")]
fn review(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
    use prelit::webhook::decision::{Outcome, decide};
    use prelit::webhook::review::{Request, admit};

    let labels = serde_json::json!({"app": "chat", "openlit.io/instrument": "true", "pod-template-hash": "5d5bbfd8c9"});
    let review = serde_json::json!({
        "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"}, "namespace": "assistants",
            "operation": "CREATE", "dryRun": false,
            "object": {
                "kind": "Pod", "apiVersion": "v1", "metadata": {"generateName": "chat-5d5bbfd8c9-", "labels": labels},
                "spec": {"containers": [{
                    "name": "app", "image": "python:3.11-slim", "command": ["python", "-m", "assistance"],
                    "ports": [{"containerPort": 8080}], "resources": {"limits": {"memory": "256Mi"}},
                }]},
            },
        },
    });
    let body = review.to_string();
    let engine = Engine::new([], &Settings::default(), None);
    let read = || Request::read(black_box(body.as_bytes()));
    let request = read()?;
    let decision = decide(&engine, &request);
    assert_eq!(decision.outcome, Outcome::Injected);

    let mut group = criterion.benchmark_group("review");
    group.bench_function("read", |bencher| bencher.iter(read));
    group.bench_function("decide", |bencher| bencher.iter(|| decide(&engine, black_box(&request))));
    group.bench_function("answer", |bencher| bencher.iter(|| admit(&request.uid, black_box(&decision.patch), &[])));
    group.finish();
    Ok(())
}

#[cfg(not(feature = "webhook"))]
fn review(_: &mut Criterion) -> Result<(), Box<dyn Error>> {
    Ok(())
}

fn all(criterion: &mut Criterion) {
    if let Err(error) = steps(criterion)
        .and_then(|()| documents(criterion))
        .and_then(|()| resources(criterion))
        .and_then(|()| review(criterion))
    {
        panic!("{error}");
    }
}

criterion_group!(benches, all);
criterion_main!(benches);
