//! Thousands: of resources that change, and of pods that are counted.

use super::Ground;
use super::control_plane::{ControlPlane, Controllers};
use super::installation::Installation;
use super::place::Place;
use futures::stream::{self, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ApiResource, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::{Client, ResourceExt};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::env;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::time::sleep;

/// Resources that are made, and then changed, unless `PRELIT_TEST_RESOURCES` says how many. What is not optimised takes ten
/// times as long for each.
const RESOURCES: usize = if cfg!(debug_assertions) { 500 } else { 5_000 };

/// Among so many namespaces.
const NAMESPACES: usize = 10;

/// Resources that select the pods that are counted, and how many of these there are, unless `PRELIT_TEST_SELECTING` and
/// `PRELIT_TEST_PODS` say so.
const SELECTING: usize = if cfg!(debug_assertions) { 200 } else { 2_000 };
const PODS: usize = 5 * SELECTING;

/// What the process may hold, as the issue of it says.
const MOST_MEMORY: u64 = 150 << 20;

/// How long a test waits for what should take seconds.
const PATIENCE: Duration = Duration::from_secs(90);

/// Requests that a test has under way at once.
const AT_ONCE: usize = 32;

pub fn trials(ground: &Ground) -> Vec<Trial> {
    vec![
        ground.slow_trial("load::resources_that_change_are_followed", resources_that_change_are_followed),
        ground.slow_trial("load::pods_are_counted", pods_are_counted),
    ]
}

/// How many, if nothing else is asked for.
fn many(variable: &str, usual: usize) -> usize {
    env::var(variable).map_or(usual, |number| number.parse().expect("a number"))
}

/// Somebody who makes and changes thousands of things.
struct Cluster {
    client: Client,
}

impl Cluster {
    async fn of(control_plane: &ControlPlane) -> Cluster {
        // The other tests have it by their own means.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        Cluster { client: control_plane.client().await }
    }

    fn api(&self, namespace: Option<&str>) -> Api<DynamicObject> {
        let kind = GroupVersionKind::gvk("openlit.io", "v1alpha1", "AutoInstrumentation");
        let of = ApiResource::from_gvk_with_plural(&kind, "autoinstrumentations");
        match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &of),
            None => Api::all_with(self.client.clone(), &of),
        }
    }

    /// Makes resources; each selects the pods of its name.
    async fn create(&self, count: usize) {
        let all = stream::iter(0..count).map(|number| async move {
            let resource = json!({
                "apiVersion": "openlit.io/v1alpha1", "kind": "AutoInstrumentation", "metadata": { "name": name(number) },
                "spec": {
                    "selector": { "matchLabels": { "app": name(number) } },
                    "otlp": { "endpoint": "http://first:4318" },
                    "python": { "instrumentation": { "version": "1.0.0" } },
                },
            });
            let resource = serde_json::from_value(resource).unwrap();
            self.api(Some(&namespace(number))).create(&PostParams::default(), &resource).await.unwrap();
        });
        all.buffer_unordered(AT_ONCE).collect::<()>().await;
    }

    /// The resources by name.
    async fn resources(&self) -> BTreeMap<String, DynamicObject> {
        let all = self.api(None).list(&ListParams::default()).await.unwrap();
        all.items.into_iter().map(|resource| (resource.name_any(), resource)).collect()
    }

    /// Waits until all of them are right.
    async fn wait_until(&self, what: &str, right: impl Fn(&DynamicObject) -> bool) -> Duration {
        let begin = Instant::now();
        loop {
            let all = self.resources().await;
            let wrong = all.values().filter(|resource| !right(resource)).count();
            if wrong == 0 {
                return begin.elapsed();
            }
            let example = all.values().find(|resource| !right(resource)).unwrap();
            let status = &example.data["status"];
            assert!(begin.elapsed() < PATIENCE, "{what}: {wrong} of {} are not, as {status}", all.len());
            sleep(Duration::from_millis(500)).await;
        }
    }
}

fn name(number: usize) -> String {
    format!("ai-{number}")
}

fn namespace(number: usize) -> String {
    format!("load-{}", number % NAMESPACES)
}

/// Whether a status is about what the resource says now, and says that it is so.
fn is_said(resource: &DynamicObject, reason: &str) -> bool {
    let status = &resource.data["status"];
    status["observedGeneration"] == json!(resource.metadata.generation)
        && status["conditions"][0]["reason"] == reason
        && status["conditions"][0]["observedGeneration"] == json!(resource.metadata.generation)
}

/// How many statuses were written, as the API server counts its requests.
fn writes(control_plane: &ControlPlane) -> u64 {
    let metrics = control_plane.kubectl(&["get", "--raw", "/metrics"], "").stdout;
    let ours = metrics.lines().filter(|line| {
        line.starts_with("apiserver_request_total{")
            && ["code=\"200\"", "resource=\"autoinstrumentations\"", "subresource=\"status\"", "verb=\"PATCH\""]
                .iter()
                .all(|label| line.contains(label))
    });
    ours.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

fn resources_that_change_are_followed(place: &Place) {
    let webhook = Installation::start(&place.path(""), Controllers::None, "10.99.25.1");
    (0..NAMESPACES).for_each(|number| webhook.control_plane.namespace(&namespace(number)));
    webhook.welcome(place, &namespace(0));
    let resources = many("PRELIT_TEST_RESOURCES", RESOURCES);
    let last = resources - NAMESPACES;
    let probe = place.read("probe.json").replace("openlit.io/instrument\":\"true", &format!("app\":\"{}", name(last)));
    place.write("probe.json", &probe);
    let reviewed = || place.out("kubectl create --dry-run=server --output=json --filename probe.json");
    Runtime::new().unwrap().block_on(async {
        let cluster = Cluster::of(&webhook.control_plane).await;
        let begin = Instant::now();
        cluster.create(resources).await;
        let created = begin.elapsed();
        let right = cluster.wait_until("valid", |resource| is_said(resource, "Valid")).await;
        assert!(reviewed().contains("http://first:4318"));
        println!("{resources} resources in {created:?}, their statuses {right:?} later");

        // Each a second time; every tenth is turned off.
        let begin = Instant::now();
        let changes = stream::iter(0..resources).map(|number| {
            let api = cluster.api(Some(&namespace(number)));
            let enabled = number % 10 != 1;
            let spec = json!({ "spec": {
                "otlp": { "endpoint": "http://second:4318" }, "python": { "instrumentation": { "enabled": enabled } },
            } });
            async move { api.patch(&name(number), &PatchParams::default(), &Patch::Merge(&spec)).await.unwrap() }
        });
        changes.buffer_unordered(AT_ONCE).for_each(|_| async {}).await;
        let (took, begin) = (begin.elapsed(), Instant::now());
        while !reviewed().contains("http://second:4318") {
            assert!(begin.elapsed() < Duration::from_secs(10), "the webhook does not follow");
        }
        let followed = begin.elapsed();
        let is_right = |resource: &DynamicObject| {
            let number: usize = resource.name_any().trim_start_matches("ai-").parse().unwrap();
            is_said(resource, if number % 10 == 1 { "Disabled" } else { "Valid" })
        };
        let right = cluster.wait_until("right", is_right).await;
        println!("changed in {took:?}, followed by reviews {followed:?} later and by statuses {right:?} later");

        // In the calm nothing is written.
        let (before, count) = (cluster.resources().await, writes(&webhook.control_plane));
        sleep(Duration::from_secs(10)).await;
        let after = cluster.resources().await;
        for (name, resource) in &after {
            assert_eq!(resource.resource_version(), before[name].resource_version(), "{name} was written");
        }
        assert_eq!(writes(&webhook.control_plane), count);
        // One for each time that a resource was made or changed, and one where its pods were counted later.
        println!("{count} statuses written");
        assert!((resources as u64..=3 * resources as u64).contains(&count), "{count}");
    });
    let process = &webhook.replica.process;
    println!("{} MiB at most, {} MiB now", process.peak_memory() >> 20, process.memory_now() >> 20);
    assert!(process.peak_memory() < MOST_MEMORY);
}

/// Pods that are there before the webhook is, a third each instrumented, outdated and missing.
fn pods_are_counted(place: &Place) {
    let (pods, selecting) = (many("PRELIT_TEST_PODS", PODS), many("PRELIT_TEST_SELECTING", SELECTING));
    let control_plane = ControlPlane::installed(Controllers::None);
    (0..NAMESPACES).for_each(|number| control_plane.namespace(&namespace(number)));
    control_plane.welcome(place, &namespace(0));
    let runtime = Runtime::new().unwrap();
    let cluster = runtime.block_on(Cluster::of(&control_plane));
    runtime.block_on(async {
        cluster.create(selecting).await;
        let annotation = annotation(place);
        let begin = Instant::now();
        let all = stream::iter(0..pods).map(|number| {
            let api: Api<Pod> = Api::namespaced(cluster.client.clone(), &namespace(number % selecting));
            let annotations = match number / selecting % 3 {
                0 => json!({ "openlit.io/injection": annotation }),
                1 => json!({ "openlit.io/injection": annotation.replacen("\"digest\":\"", "\"digest\":\"f", 1) }),
                _ => json!({}),
            };
            let pod: Pod = serde_json::from_value(json!({
                "metadata": {
                    "name": format!("pod-{number}"), "annotations": annotations,
                    "labels": { "app": name(number % selecting), "pod-template-hash": format!("{}", number % 1_000) },
                },
                "spec": { "containers": [{ "name": "app", "image": "python:3.11" }] },
            }))
            .unwrap();
            async move { api.create(&PostParams::default(), &pod).await.map(drop).unwrap() }
        });
        all.buffer_unordered(AT_ONCE).collect::<()>().await;
        println!("{pods} pods in {:?}", begin.elapsed());
    });
    let begin = Instant::now();
    let webhook = Installation::begin(control_plane, &place.path(""), "10.99.25.2");
    let ready = begin.elapsed();
    let mut counts = vec![[0; 3]; selecting];
    (0..pods).for_each(|pod| counts[pod % selecting][pod / selecting % 3] += 1);
    let expected = |[instrumented, outdated, missing]: [usize; 3]| {
        let matching = instrumented + outdated + missing;
        json!({ "matching": matching, "instrumented": instrumented, "outdated": outdated, "missing": missing })
    };
    let counts: Vec<Value> = counts.into_iter().map(expected).collect();
    let right = runtime.block_on(cluster.wait_until("counted", |resource| {
        let number: usize = resource.name_any().trim_start_matches("ai-").parse().unwrap();
        resource.data["status"]["pods"] == counts[number]
    }));
    // What is freed need not be given back at once.
    runtime.block_on(async { sleep(Duration::from_secs(10)).await });
    let process = &webhook.replica.process;
    let [peak, now] = [process.peak_memory() >> 20, process.memory_now() >> 20];
    println!("ready after {ready:?}, statuses right {right:?} later; {peak} MiB at most, {now} MiB in the calm");
    assert!(process.peak_memory() < MOST_MEMORY, "{peak} MiB");
}

/// The annotation of a pod that is instrumented as it should be: the resources differ in nothing that it would show.
fn annotation(place: &Place) -> String {
    place.out(&format!("kubectl get autoinstrumentation {} --output=yaml > ai.yaml", name(0)));
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "it" },
        "spec": { "template": {
            "metadata": { "labels": { "app": name(0) } },
            "spec": { "containers": [{ "name": "app", "image": "python:3.11" }] },
        } },
    });
    place.write("deployment.json", deployment.to_string());
    let rendered = place.out(&format!("prelit inject --namespace {} --config ai.yaml deployment.json", namespace(0)));
    let rendered: Value = serde_json::from_str(&rendered).unwrap();
    rendered["spec"]["template"]["metadata"]["annotations"]["openlit.io/injection"].as_str().unwrap().to_owned()
}
