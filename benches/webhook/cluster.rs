//! The real process with a real API server: how long it takes to be ready, what it holds in memory, what thousands of
//! resources cost it, and how many pods a second are created with it and without.

use super::control_plane::{ControlPlane, Controllers, NEEDS};
use super::load::latencies;
use super::place::ROOT;
use super::process::wait_until;
use super::race::{self, Outcome, Spread, spread};
use super::replicas::{endpoints, get};
use super::reviews::{self, NAMESPACE, pod};
use super::tools::Tools;
use futures::stream::{self, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::GroupVersionKind;
use kube::{Client, Config};
use serde_json::json;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Where the replica listens; the API server leads to it as to any pod.
const ADDRESS: &str = "10.99.2.1";

/// How many resources there are at once, and how often they are changed in all.
const RESOURCES: usize = 1_000;
const UPDATES: usize = 5_000;

/// What an idle process has done by then.
const SETTLED: Duration = Duration::from_secs(8);

/// Requests of ours that are under way at once.
const AT_ONCE: usize = 16;

/// The parts of this.
pub const PARTS: [&str; 3] = ["start", "memory", "pods"];

pub fn report(wanted: &dyn Fn(&str) -> bool) -> Outcome {
    let tools = Tools::find();
    if let Some(missing) = NEEDS.iter().find(|tool| **tool != "kube-controller-manager" && tools.file(tool).is_none()) {
        println!("Not measured in a cluster: {missing} is not installed.\n");
        return Ok(());
    }
    let cluster = Cluster::start()?;
    if wanted("start") {
        cluster.starts()?;
    }
    if wanted("memory") {
        cluster.memory()?;
    }
    if wanted("pods") {
        cluster.pods()?;
    }
    Ok(())
}

/// An API server to which the manifests were applied.
struct Cluster {
    control_plane: ControlPlane,
    kubeconfig: PathBuf,
    runtime: Runtime,
    client: Client,
}

/// `prelit webhook`; killed when it is dropped.
struct Replica(Child);

impl Drop for Replica {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Memory of a process, in MiB.
struct Memory {
    resident: f64,
    /// The part that is its own, and no part of a file such as the program itself.
    own: f64,
    peak: f64,
}

impl Replica {
    fn memory(&self) -> Outcome<Memory> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let figure = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib =
                line.and_then(|line| line.trim_start_matches(':').trim_end_matches("kB").trim().parse::<f64>().ok());
            kib.map_or(f64::NAN, |kib| kib / 1024.0)
        };
        Ok(Memory { resident: figure("VmRSS"), own: figure("RssAnon"), peak: figure("VmHWM") })
    }

    fn print(&self, what: &str) -> Outcome {
        let Memory { resident, own, peak } = self.memory()?;
        println!("| {what} | {resident:.1} MiB | {own:.1} MiB | {peak:.1} MiB |");
        Ok(())
    }

    fn cpu(&self) -> f64 {
        race::cpu_of(self.0.id())
    }
}

impl Cluster {
    fn start() -> Outcome<Cluster> {
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let control_plane = ControlPlane::start(Controllers::None);
        control_plane.kubectl(&["apply", "--server-side", "-f", &format!("{ROOT}/deploy/openlit-operator.yaml")], "");
        control_plane.kubectl(&["wait", "--for=condition=Established", "crd/autoinstrumentations.openlit.io"], "");
        for namespace in [NAMESPACE, "kube-system"] {
            control_plane.namespace(namespace);
        }
        let kubeconfig = control_plane.kubeconfig_of("openlit", "openlit-operator");
        endpoints(&control_plane, &[ADDRESS]);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let administrator = Kubeconfig::read_from(control_plane.administrator("default"))?;
        let client = runtime.block_on(async {
            let config = Config::from_custom_kubeconfig(administrator, &KubeConfigOptions::default()).await?;
            Ok::<_, Box<dyn std::error::Error>>(Client::try_from(config)?)
        })?;
        Ok(Cluster { control_plane, kubeconfig, runtime, client })
    }

    /// Starts a replica, and waits until it says that it is ready; how long that took.
    fn replica(&self) -> Outcome<(Replica, f64)> {
        let start = Instant::now();
        let mut command = Command::new(env!("CARGO_BIN_EXE_prelit"));
        command.args(["webhook", "--bind", ADDRESS]).env_clear().env("KUBECONFIG", &self.kubeconfig);
        command.envs([("POD_NAMESPACE", "openlit"), ("POD_NAME", "replica")]).stdin(Stdio::null());
        let replica = Replica(command.stderr(tempfile::tempfile()?).spawn()?);
        while !get(ADDRESS, 8081, "/readyz").starts_with("HTTP/1.1 200") {
            if start.elapsed() > Duration::from_secs(60) {
                return Err("the replica is not ready within a minute".into());
            }
            sleep(Duration::from_millis(1));
        }
        Ok((replica, start.elapsed().as_secs_f64()))
    }

    /// From the start of the process to its readiness: where nothing is there, and where all is.
    fn starts(&self) -> Outcome {
        let (mut first, mut again) = (Vec::new(), Vec::new());
        for _ in 0..race::runs() {
            self.control_plane.kubectl(&["delete", "mutatingwebhookconfiguration", "--all"], "");
            self.control_plane.kubectl(&["delete", "secret,lease", "--all", "--namespace=openlit"], "");
            first.push(self.replica()?.1);
            again.push(self.replica()?.1);
        }
        println!("### From the start of the process to its readiness\n");
        println!("| | median (min–max) |\n|---|---|");
        for (what, times) in [
            ("the first start: no Secret, no registration, no Lease", first),
            ("with a Secret and a registration", again),
        ] {
            let Spread { min, median, max } = spread(times.into_iter());
            println!("| {what} | {:.0} ms ({:.0}–{:.0}) |", median * 1e3, min * 1e3, max * 1e3);
        }
        println!();
        Ok(())
    }

    fn memory(&self) -> Outcome {
        let (replica, _) = self.replica()?;
        println!("### Memory\n\n| | resident | of that its own | at most so far |\n|---|---|---|---|");
        sleep(SETTLED);
        replica.print("idle, no resource")?;
        self.change(0..RESOURCES, 0)?;
        self.wait_for_statuses();
        sleep(SETTLED);
        replica.print(&format!("{RESOURCES} resources that were made one after another, their statuses written"))?;
        let (before, start) = (replica.cpu(), Instant::now());
        for round in 1..=UPDATES / RESOURCES {
            self.change(0..RESOURCES, round)?;
        }
        let took = start.elapsed().as_secs_f64();
        sleep(SETTLED);
        let cpu = replica.cpu() - before;
        replica.print(&format!("after {UPDATES} changes of them"))?;
        drop(replica);
        let (replica, ready) = self.replica()?;
        sleep(SETTLED);
        replica.print(&format!("a new process, {RESOURCES} resources"))?;
        println!(
            "\n{UPDATES} changes in {took:.1} s took {cpu:.1} s of processor time. With {RESOURCES} resources a start takes {:.0} ms.\n",
            ready * 1e3
        );
        Ok(())
    }

    /// Makes resources, or changes what they say.
    fn change(&self, numbers: std::ops::Range<usize>, round: usize) -> Outcome {
        let of = ApiResource::from_gvk_with_plural(
            &GroupVersionKind::gvk("openlit.io", "v1alpha1", "AutoInstrumentation"),
            "autoinstrumentations",
        );
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), NAMESPACE, &of);
        let changes = stream::iter(numbers).map(|number| {
            let api = api.clone();
            async move {
                let mut object = reviews::resource(number);
                object["spec"]["resource"]["environment"] = json!(format!("round-{round}"));
                let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
                api.patch(&name, &PatchParams::apply("bench").force(), &Patch::Apply(object)).await.map(drop)
            }
        });
        self.runtime.block_on(async {
            for outcome in changes.buffer_unordered(AT_ONCE).collect::<Vec<_>>().await {
                outcome?;
            }
            Ok(())
        })
    }

    fn wait_for_statuses(&self) {
        let ready = [
            "get",
            "autoinstrumentations",
            "--namespace",
            NAMESPACE,
            "--output=jsonpath={.items[*].status.conditions[0].type}",
        ];
        wait_until("the statuses are written", || {
            self.control_plane.kubectl(&ready, "").stdout.split_whitespace().count() == RESOURCES
        });
    }

    /// Creates a pod, by dry-run; whether it came out instrumented.
    async fn create(&self, namespace: &str) -> Result<bool, kube::Error> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let made = api.create(&PostParams { dry_run: true, field_manager: None }, &pod()).await?;
        Ok(made.metadata.annotations.is_some_and(|all| all.contains_key("openlit.io/injection")))
    }

    /// Pods by dry-run: in a namespace for which the webhook is asked, and in one for which it is not.
    fn pods(&self) -> Outcome {
        let (replica, _) = self.replica()?;
        self.change(0..10, 0)?;
        // The API server takes a moment to hear of a webhook.
        wait_until("the webhook is asked", || {
            self.runtime.block_on(self.create(NAMESPACE)).is_ok_and(|injected| injected)
        });
        println!("### Pods that the API server creates (dry-run)\n");
        println!(
            "| clients at once | | pods/s, median (min–max) | p50 | times without | processor time of the webhook, a pod |\n|---|---|---|---|---|---|"
        );
        for clients in [1, 8] {
            let mut rates = [Vec::new(), Vec::new()];
            let mut medians = [Vec::new(), Vec::new()];
            let mut cpu = Vec::new();
            for run in 0..=race::runs() {
                for (index, namespace) in ["kube-system", NAMESPACE].into_iter().enumerate() {
                    let before = replica.cpu();
                    let taken = self.runtime.block_on(latencies(clients, super::duration(), || async {
                        let expected = namespace == NAMESPACE;
                        if self.create(namespace).await? == expected {
                            Ok(())
                        } else {
                            Err("the pod is not what was expected".into())
                        }
                    }))?;
                    if run > 0 {
                        let count = f64::from(u32::try_from(taken.len())?);
                        rates[index].push(count / super::duration().as_secs_f64());
                        medians[index].push(taken[taken.len() / 2]);
                        if index == 1 {
                            cpu.push((replica.cpu() - before) / count);
                        }
                    }
                }
            }
            let ratio = spread(rates[1].iter().zip(&rates[0]).map(|(with, without)| with / without)).median;
            let [without, with] = rates.map(|rates| spread(rates.into_iter()));
            let [p50_without, p50_with] = medians.map(|times| spread(times.into_iter()).median * 1e3);
            println!(
                "| {clients} | without the webhook | {:.0} ({:.0}–{:.0}) | {p50_without:.2} ms | 1 | |",
                without.median, without.min, without.max
            );
            println!(
                "| {clients} | with it | {:.0} ({:.0}–{:.0}) | {p50_with:.2} ms | {ratio:.2} | {:.0} µs |",
                with.median,
                with.min,
                with.max,
                spread(cpu.into_iter()).median * 1e6
            );
        }
        let memory = replica.memory()?;
        println!("\nThe process has {:.1} MiB after that, and had {:.1} MiB at most.\n", memory.resident, memory.peak);
        Ok(())
    }
}
