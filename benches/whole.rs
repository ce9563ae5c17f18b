//! Whole processes, side by side: wall time and peak memory from start to exit, as a user pays for
//! them. Prints the Markdown tables of `docs/performance.md`.
//!
//! `cargo bench --bench whole` needs nothing but Rust; programs to compare with that are not
//! installed are named as not measured. `PRELIT_BENCH_RUNS` says how often each runs (default 7).
//!
//! What is compared runs in turn, A B A B, so that a machine whose speed drifts treats both alike;
//! ratios are taken pair by pair. Each process is started by a small one that does nothing else
//! (this program again, with `--measure`): the kernel's figures of its children are those of one.

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> Outcome {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    match arguments.first().and_then(|first| first.to_str()) {
        Some("--copy") => copy(),
        Some("--measure") => measure(&arguments[1..]),
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

// -- one process

/// What is run.
struct Job {
    name: String,
    program: PathBuf,
    arguments: Vec<OsString>,
    /// Nothing, a file as it is, or a file through a pipe.
    input: Input,
}

enum Input {
    None,
    File(PathBuf),
    Pipe(PathBuf),
}

/// What a run cost.
#[derive(Clone, Copy)]
struct Cost {
    wall: f64,
    cpu: f64,
    peak_kib: u64,
    written: u64,
}

impl Job {
    fn new<A: Into<OsString>>(
        name: &str,
        program: &Path,
        arguments: impl IntoIterator<Item = A>,
        input: Input,
    ) -> Self {
        let arguments = arguments.into_iter().map(Into::into).collect();
        Job { name: name.to_owned(), program: program.to_path_buf(), arguments, input }
    }

    fn prelit<A: Into<OsString>>(name: &str, arguments: impl IntoIterator<Item = A>, input: Input) -> Self {
        Job::new(name, Path::new(env!("CARGO_BIN_EXE_prelit")), arguments, input)
    }

    /// Runs it once, in a process of its own that only measures.
    fn run(&self) -> Outcome<Cost> {
        let (kind, path) = match &self.input {
            Input::None => ("none", Path::new("-")),
            Input::File(path) => ("file", path.as_path()),
            Input::Pipe(path) => ("pipe", path.as_path()),
        };
        let mut command = Command::new(env::current_exe()?);
        command.args(["--measure", kind]).arg(path).arg(&self.program).args(&self.arguments);
        let output = command.stderr(Stdio::inherit()).output()?;
        let text = String::from_utf8(output.stdout)?;
        let figures: Vec<&str> = text.split_whitespace().collect();
        let [wall, cpu, peak, written] = figures[..] else { return Err(format!("{} failed", self.name).into()) };
        Ok(Cost { wall: wall.parse()?, cpu: cpu.parse()?, peak_kib: peak.parse()?, written: written.parse()? })
    }
}

/// Starts a process, feeds it, takes what it writes, and prints what it cost.
fn measure(arguments: &[OsString]) -> Outcome {
    let [kind, path, program, rest @ ..] = arguments else { return Err("expected a command".into()) };
    let mut command = Command::new(program);
    command.args(rest).stdout(Stdio::piped()).stderr(Stdio::null());
    command.stdin(match kind.to_str() {
        Some("file") => File::open(path)?.into(),
        Some("pipe") => Stdio::piped(),
        _ => Stdio::null(),
    });
    let source = if kind == "pipe" { Some(File::open(path)?) } else { None };
    let start = Instant::now();
    let mut child = command.spawn()?;
    let feeder = child.stdin.take().zip(source).map(|(mut pipe, mut file)| {
        // The pipe is closed at the end of the thread; a reader that goes away shows as a failure of its own.
        thread::spawn(move || io::copy(&mut file, &mut pipe).is_ok())
    });
    let mut written = 0;
    if let Some(mut out) = child.stdout.take() {
        let mut buffer = vec![0; 1 << 16];
        loop {
            match out.read(&mut buffer)? {
                0 => break,
                count => written += count,
            }
        }
    }
    let status = child.wait()?;
    let wall = start.elapsed().as_secs_f64();
    let fed = feeder.is_none_or(|feeder| feeder.join().unwrap_or(false));
    if !status.success() || !fed {
        return Err(format!("{} failed: {status}", program.to_string_lossy()).into());
    }
    let (cpu, peak_kib) = usage_of_children()?;
    println!("{wall} {cpu} {peak_kib} {written}");
    Ok(())
}

/// Processor seconds and the peak of resident memory in KiB.
#[cfg(unix)]
fn usage_of_children() -> Outcome<(f64, i64)> {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeVal;
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let seconds = |time: TimeVal| {
        Duration::from_secs(time.tv_sec().unsigned_abs()).as_secs_f64()
            + f64::from(i32::try_from(time.tv_usec()).unwrap_or(0)) / 1e6
    };
    // macOS counts in bytes.
    let unit = if cfg!(target_os = "macos") { 1024 } else { 1 };
    Ok((seconds(usage.user_time()) + seconds(usage.system_time()), usage.max_rss() / unit))
}

#[cfg(not(unix))]
fn usage_of_children() -> Outcome<(f64, i64)> {
    Ok((0.0, 0))
}

// -- several, in turn

/// All runs of several jobs, in turn.
struct Race {
    jobs: Vec<Job>,
    costs: Vec<Vec<Cost>>,
}

impl Race {
    fn run(jobs: Vec<Job>, runs: usize) -> Outcome<Self> {
        Self::run_between(jobs, runs, || Ok(()))
    }

    /// `reset` is called after every run and not measured.
    fn run_between(jobs: Vec<Job>, runs: usize, reset: impl Fn() -> Outcome) -> Outcome<Self> {
        let mut costs: Vec<Vec<Cost>> = jobs.iter().map(|_| Vec::with_capacity(runs)).collect();
        for run in 0..=runs {
            for (job, costs) in jobs.iter().zip(&mut costs) {
                let cost = job.run()?;
                reset()?;
                // The first round fills caches.
                if run > 0 {
                    costs.push(cost);
                }
            }
        }
        Ok(Race { jobs, costs })
    }

    /// One line a job; ratios are those of the first job.
    fn print(&self) {
        println!("| | wall time, median (min–max) | processor time | peak memory | written | times the first |");
        println!("|---|---|---|---|---|---|");
        for (index, (job, costs)) in self.jobs.iter().zip(&self.costs).enumerate() {
            let wall = spread(costs.iter().map(|cost| cost.wall));
            println!(
                "| {} | {} ({}–{}) | {} | {:.1} MiB | {:.1} MB | {:.2} |",
                job.name,
                seconds(wall.median),
                seconds(wall.min),
                seconds(wall.max),
                seconds(spread(costs.iter().map(|cost| cost.cpu)).median),
                self.peak(index),
                self.written(index),
                self.ratio(index, 0),
            );
        }
        println!();
    }

    /// How many times as long one job takes as another: the median of pairs.
    fn ratio(&self, one: usize, other: usize) -> f64 {
        spread(self.costs[one].iter().zip(&self.costs[other]).map(|(one, other)| one.wall / other.wall)).median
    }

    /// The same of processor time, which other programs on the machine disturb less.
    fn cpu_ratio(&self, one: usize, other: usize) -> f64 {
        spread(self.costs[one].iter().zip(&self.costs[other]).map(|(one, other)| one.cpu / other.cpu)).median
    }

    /// Peak memory in MiB, the median.
    fn peak(&self, index: usize) -> f64 {
        spread(self.costs[index].iter().map(|cost| as_float(cost.peak_kib) / 1024.0)).median
    }

    /// Bytes written, in MB.
    fn written(&self, index: usize) -> f64 {
        self.costs[index].first().map_or(0.0, |cost| as_float(cost.written) / 1e6)
    }

    /// How many cores were at work.
    fn cores(&self, index: usize) -> f64 {
        spread(self.costs[index].iter().map(|cost| cost.cpu / cost.wall)).median
    }
}

struct Spread {
    min: f64,
    median: f64,
    max: f64,
}

fn spread(figures: impl Iterator<Item = f64>) -> Spread {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    let at = |index: usize| figures.get(index).copied().unwrap_or(f64::NAN);
    let last = figures.len().saturating_sub(1);
    Spread { min: at(0), median: f64::midpoint(at(last / 2), at(last.div_ceil(2))), max: at(last) }
}

fn seconds(figure: f64) -> String {
    if figure < 0.1 { format!("{:.1} ms", figure * 1e3) } else { format!("{figure:.2} s") }
}

fn as_float(figure: u64) -> f64 {
    u32::try_from(figure).map_or(f64::MAX, f64::from)
}

// -- what is measured

fn report() -> Outcome {
    let runs = env::var("PRELIT_BENCH_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(7);
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

/// Whether a program is there, and the one that is meant.
fn answers(program: &str, arguments: &[&str], expected: &str) -> bool {
    let output = Command::new(program).args(arguments).stderr(Stdio::null()).output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(expected))
}

// -- what is read

/// A document of 519 bytes, its marker included.
fn deployment(index: usize, labelled: bool) -> String {
    let label = if labelled { "openlit.io/instrument: \"true\"" } else { "app.kubernetes.io/part-of: ai" };
    let text = format!(
        "---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: chat-{index:05}\n  namespace: assistants\n\
         spec:\n  replicas: 2\n  selector:\n    matchLabels:\n      app: chat-{index:05}\n  template:\n    metadata:\n      \
         labels:\n        app: chat-{index:05}\n        {label}\n    spec:\n      containers:\n        - name: app\n          \
         image: python:3.11-slim\n          command: [\"python\", \"-m\", \"assistance\"]\n          ports:\n            \
         - containerPort: 8080\n          resources:\n            limits:\n              memory: 256Mi\n"
    );
    assert_eq!(text.len(), 519, "the figures of others were measured with documents of this size");
    text
}

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
