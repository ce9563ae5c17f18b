//! Whole processes, side by side: wall time and peak memory from start to exit, as a user pays for
//! them. Prints the Markdown tables of `docs/performance.md`.
//!
//! `cargo bench --bench whole` needs nothing but Rust; programs to compare with that are not
//! installed are named as not measured. `PRELIT_BENCH_RUNS` says how often each runs (default 7).

#[allow(dead_code, reason = "shared with another bench")]
mod race;

use race::{Input, Job, Outcome, Race, answers, as_float, deployment};
use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::thread;

fn main() -> Outcome {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    match arguments.first().and_then(|first| first.to_str()) {
        Some("--copy") => copy(),
        Some("--measure") => race::measure(&arguments[1..]),
        Some("--bench") => report(),
        // Started by `cargo test --all-targets`: times are no test.
        _ => Ok(()),
    }
}

/// The yardstick of a filter: reads all of stdin, then writes it.
fn copy() -> Outcome {
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes)?;
    Ok(io::stdout().lock().write_all(&bytes)?)
}

// -- what is measured

fn report() -> Outcome {
    let runs = race::runs();
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    println!("{} cores, {runs} runs each, in turn\n", thread::available_parallelism()?);
    one_deployment(folder, runs)?;
    many_deployments(folder, runs)?;
    large_stream(folder, runs)?;
    many_files(folder, runs)
}

fn one_deployment(folder: &Path, runs: usize) -> Outcome {
    println!("### One small Deployment, start to finish\n");
    let input = folder.join("one.yaml");
    fs::write(&input, deployment(0, true))?;
    let race = Race::run(vec![Job::prelit("`prelit inject`", ["inject"], Input::File(input))], runs * 5)?;
    race.print();
    Ok(())
}

fn many_deployments(folder: &Path, runs: usize) -> Outcome {
    println!("### Deployments of 519 bytes in one stream\n");
    let thousand = folder.join("1000.yaml");
    let ten_thousand = folder.join("10000.yaml");
    for (path, count) in [(&thousand, 1_000), (&ten_thousand, 10_000)] {
        fs::write(path, (0..count).map(|index| deployment(index, true)).collect::<String>())?;
    }
    let mut jobs = vec![
        Job::prelit("`prelit inject`, 1,000", ["inject"], Input::File(thousand.clone())),
        Job::prelit("`prelit inject`, 10,000", ["inject"], Input::File(ten_thousand)),
    ];
    let mut missing = Vec::new();
    if answers("kubectl", &["version", "--client"], "Kustomize Version") {
        let overlay = folder.join("overlay");
        fs::create_dir(&overlay)?;
        fs::copy(&thousand, overlay.join("1000.yaml"))?;
        fs::write(overlay.join("patch.yaml"), PATCH)?;
        fs::write(overlay.join("kustomization.yaml"), KUSTOMIZATION)?;
        let arguments = [OsString::from("kustomize"), overlay.into_os_string()];
        jobs.push(Job::new("`kubectl kustomize` with a patch, 1,000", Path::new("kubectl"), arguments, Input::None));
    } else {
        missing.push("kubectl");
    }
    if answers("yq", &["--version"], "mikefarah") {
        jobs.push(Job::new(
            "`yq` with an expression, 1,000",
            Path::new("yq"),
            [EXPRESSION, "-"],
            Input::File(thousand),
        ));
    } else {
        missing.push("yq (github.com/mikefarah/yq, version 4)");
    }
    let race = Race::run(jobs, runs)?;
    race.print();
    for name in missing {
        println!("Not measured, because it is not installed: {name}.");
    }
    println!("10,000 take {:.1} times as long as 1,000.\n", race.ratio(1, 0));
    Ok(())
}

fn large_stream(folder: &Path, runs: usize) -> Outcome {
    println!("### 50 MB from a pipe to a pipe, 1 % of the documents labelled workloads\n");
    let plain = folder.join("mix.yaml");
    let configured = folder.join("mix-configured.yaml");
    write_mix(&plain, "")?;
    write_mix(&configured, RESOURCE)?;
    let race = Race::run(
        vec![
            Job::new("reads all, then writes it", &env::current_exe()?, ["--copy"], Input::Pipe(plain.clone())),
            Job::prelit("`prelit inject`, no resource", ["inject", "-q"], Input::Pipe(plain)),
            Job::prelit("`prelit inject`, a resource in the stream", ["inject", "-q"], Input::Pipe(configured)),
        ],
        runs * 2,
    )?;
    race.print();
    println!(
        "Without a resource {:.2} times the wall time and {:.2} times the processor time of the copy, with one {:.2} and {:.2}.\n",
        race.ratio(1, 0),
        race.cpu_ratio(1, 0),
        race.ratio(2, 0),
        race.cpu_ratio(2, 0),
    );
    Ok(())
}

fn many_files(folder: &Path, runs: usize) -> Outcome {
    println!("### A folder of 10,000 files, one in ten a labelled workload\n");
    let tree = folder.join("tree");
    let mut size = 0;
    for index in 0..10_000 {
        let below = tree.join(format!("{:02}", index / 100));
        fs::create_dir_all(&below)?;
        let text = if index % 10 == 0 { deployment(index, true) } else { other(index) };
        size += text.len() as u64;
        fs::write(below.join(format!("{index:05}.yaml")), text)?;
    }
    let arguments = |command: &str| [OsString::from(command), "-q".into(), "--write".into(), tree.clone().into()];
    let to_stdout = ["inject".into(), "-q".into(), tree.clone().into_os_string()];
    let undo = Job::prelit("undo", arguments("remove"), Input::None);
    let race = Race::run_between(
        vec![
            Job::prelit("`prelit inject`, to stdout", to_stdout, Input::None),
            Job::prelit("`prelit inject --write`", arguments("inject"), Input::None),
        ],
        runs,
        || undo.run().map(|_| ()),
    )?;
    race.print();
    println!(
        "The files hold {:.1} MB. Cores at work: {:.1} to stdout, {:.1} with `--write`. Peak memory to stdout is {:.2} times the output.\n",
        as_float(size) / 1e6,
        race.cores(0),
        race.cores(1),
        race.peak(0) * 1.048_576 / race.written(0),
    );
    Ok(())
}

// -- what is read

/// What stands between workloads: Deployments without a label, `ConfigMap`s with block scalars,
/// Services and definitions of resources.
fn other(index: usize) -> String {
    match index % 4 {
        0 => deployment(index, false),
        1 => {
            let line = |line| format!("    key{line} = the value of line {}\n", line * index);
            let lines = (0..60).map(line).collect::<Vec<_>>().concat();
            format!(
                "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings-{index}\ndata:\n  app.conf: |\n{lines}"
            )
        }
        2 => format!(
            "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: chat-{index:05}\nspec:\n  selector:\n    \
             app: chat-{index:05}\n  ports:\n    - port: 80\n      targetPort: 8080\n"
        ),
        _ => {
            let property = |field| {
                format!(
                    "                field{field}:\n                  description: >-\n                    \
                     Says what the field {field} is for, in a sentence or two,\n                    \
                     as the definitions of resources do.\n                  type: string\n"
                )
            };
            let properties = (0..150).map(property).collect::<Vec<_>>().concat();
            format!(
                "---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  \
                 name: things{index}.example.com\nspec:\n  group: example.com\n  scope: Namespaced\n  names:\n    \
                 kind: Thing{index}\n    plural: things{index}\n  versions:\n    - name: v1\n      served: true\n      \
                 storage: true\n      schema:\n        openAPIV3Schema:\n          type: object\n          \
                 properties:\n            spec:\n              type: object\n              properties:\n{properties}"
            )
        }
    }
}

fn write_mix(path: &Path, beginning: &str) -> Outcome {
    const SIZE: usize = 50_000_000;
    let mut file = BufWriter::new(File::create(path)?);
    file.write_all(beginning.as_bytes())?;
    let mut size = 0;
    for index in 0.. {
        let text = if index % 100 == 0 { deployment(index, true) } else { other(index) };
        file.write_all(text.as_bytes())?;
        size += text.len();
        if size >= SIZE {
            break;
        }
    }
    Ok(file.flush()?)
}

/// Selects what the label selects too, so that the same workloads are injected.
const RESOURCE: &str = "---
apiVersion: openlit.io/v1alpha1
kind: AutoInstrumentation
metadata:
  name: all
  namespace: assistants
spec:
  selector:
    matchLabels:
      openlit.io/instrument: \"true\"
  otlp:
    endpoint: http://collector.observability:4318
";

const KUSTOMIZATION: &str = "resources:
  - 1000.yaml
patches:
  - path: patch.yaml
    target:
      kind: Deployment
";

/// What `prelit inject` adds, as a strategic-merge patch.
const PATCH: &str = "apiVersion: apps/v1
kind: Deployment
metadata:
  name: any
spec:
  template:
    metadata:
      annotations:
        example.com/injection: done
    spec:
      volumes:
        - name: instrumentation-packages
          emptyDir: {}
      initContainers:
        - name: instrumentation-init
          image: example.com/init:1
          env:
            - name: INSTRUMENTATION_PROVIDER
              value: openlit
          volumeMounts:
            - name: instrumentation-packages
              mountPath: /instrumentation-packages
      containers:
        - name: app
          env:
            - name: NODE_NAME
              valueFrom:
                fieldRef:
                  fieldPath: spec.nodeName
            - name: POD_NAME
              valueFrom:
                fieldRef:
                  fieldPath: metadata.name
            - name: POD_UID
              valueFrom:
                fieldRef:
                  fieldPath: metadata.uid
            - name: NAMESPACE
              valueFrom:
                fieldRef:
                  fieldPath: metadata.namespace
            - name: PYTHONPATH
              value: /instrumentation-packages
            - name: OTEL_EXPORTER_OTLP_ENDPOINT
              value: http://collector.observability:4318
            - name: OTEL_SERVICE_NAMESPACE
              value: $(NAMESPACE)
            - name: OTEL_SERVICE_INSTANCE_ID
              value: $(NAMESPACE).$(POD_NAME).app
            - name: OTEL_DEPLOYMENT_ENVIRONMENT
              value: production
            - name: OTEL_RESOURCE_ATTRIBUTES
              value: k8s.node.name=$(NODE_NAME),k8s.pod.uid=$(POD_UID)
          volumeMounts:
            - name: instrumentation-packages
              mountPath: /instrumentation-packages
";

/// The same for `yq`.
const EXPRESSION: &str = r#"with(select(.kind == "Deployment") | .spec.template;
  .metadata.annotations["example.com/injection"] = "done"
  | .spec.volumes += [{"name": "instrumentation-packages", "emptyDir": {}}]
  | .spec.initContainers += [{"name": "instrumentation-init", "image": "example.com/init:1",
      "env": [{"name": "INSTRUMENTATION_PROVIDER", "value": "openlit"}],
      "volumeMounts": [{"name": "instrumentation-packages", "mountPath": "/instrumentation-packages"}]}]
  | .spec.containers[].env += [
      {"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
      {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
      {"name": "POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
      {"name": "NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
      {"name": "PYTHONPATH", "value": "/instrumentation-packages"},
      {"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://collector.observability:4318"},
      {"name": "OTEL_SERVICE_NAMESPACE", "value": "$(NAMESPACE)"},
      {"name": "OTEL_SERVICE_INSTANCE_ID", "value": "$(NAMESPACE).$(POD_NAME).app"},
      {"name": "OTEL_DEPLOYMENT_ENVIRONMENT", "value": "production"},
      {"name": "OTEL_RESOURCE_ATTRIBUTES", "value": "k8s.node.name=$(NODE_NAME),k8s.pod.uid=$(POD_UID)"}]
  | .spec.containers[].volumeMounts += [{"name": "instrumentation-packages", "mountPath": "/instrumentation-packages"}])"#;
