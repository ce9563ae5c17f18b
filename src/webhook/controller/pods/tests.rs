use super::*;
use crate::api::settings::Settings;
use crate::webhook::configurations::Found;
use crate::webhook::controller::testing::{pod, resource};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

fn engine<'f>(resources: impl IntoIterator<Item = &'f Found>) -> Engine {
    let resources = resources.into_iter().filter_map(|found| found.content.clone().map(Arc::unwrap_or_clone).ok());
    Engine::new(resources.map(|resource| (resource, false)), &Settings::default(), None)
}

/// The digest of what a resource gives.
fn digest(found: &Found) -> String {
    use crate::inject::configuration::Configuration;
    Configuration::from_resource(found.content.as_ref().unwrap(), &Settings::default()).digest()
}

fn id(namespace: &str, name: &str) -> Id {
    (namespace.to_owned(), name.to_owned())
}

fn counted(pods: &mut Pods, engine: &Engine, id: &Id) -> [i32; 4] {
    while pods.ask(engine, 3) {}
    let PodCounts { matching, instrumented, outdated, missing } = pods.counts(id);
    [matching, instrumented, outdated, missing]
}

#[test]
fn pods_are_counted_by_what_they_carry() {
    let chat = resource("prod", "chat", &json!({}));
    let (engine, current) = (engine([&chat]), digest(&chat));
    let app = json!({"app": "chat", "pod-template-hash": "x"});
    let mut pods = Pods::default();
    for (index, (namespace, labels, carried)) in [
        ("prod", app.clone(), Some(current.as_str())),
        ("prod", app.clone(), Some(current.as_str())),
        ("prod", app.clone(), Some("0123456789abcdef")),
        ("prod", app.clone(), Some("hand-written, and no digest")),
        ("prod", app.clone(), None),
        ("prod", json!({"app": "other"}), None),
        ("prod", json!({"app": "chat", "openlit.io/instrument": "false"}), None),
        ("prod", json!({"openlit.io/instrument": "true"}), None),
        ("other", app, None),
    ]
    .into_iter()
    .enumerate()
    {
        pods.take(0, &Event::Apply(pod(namespace, &index.to_string(), &labels, carried)));
    }
    assert_eq!(counted(&mut pods, &engine, &chat.id), [5, 2, 2, 1]);
    assert_eq!(counted(&mut pods, &engine, &id("prod", "nobody")), [0; 4]);
}

#[test]
fn an_annotation_that_cannot_be_read_is_an_injection_that_is_outdated() {
    let chat = resource("prod", "chat", &json!({}));
    let engine = engine([&chat]);
    let mut strange = pod("prod", "a", &json!({"app": "chat"}), None);
    strange.metadata.annotations.as_mut().unwrap().insert(names::ANNOTATION_INJECTION.into(), "{".repeat(1000));
    let mut pods = Pods::default();
    pods.take(0, &Event::Apply(strange));
    assert_eq!(counted(&mut pods, &engine, &chat.id), [1, 0, 1, 0]);
    assert!(pods.groups[0].example.len() < 200, "{}", pods.groups[0].example);
}

#[test]
fn what_is_known_to_the_engine_alone_decides() {
    let (low, high) = (resource("prod", "chat", &json!({})), resource("prod", "top", &json!({})));
    let skip = pod("prod", "b", &json!({"app": "chat"}), None);
    let mut pods = Pods::default();
    pods.take(0, &Event::Apply(pod("prod", "a", &json!({"app": "chat"}), None)));
    assert_eq!(counted(&mut pods, &engine([&low, &high]), &low.id), [1, 0, 0, 1]);
    // Another resource takes the pod.
    let high = resource("prod", "top", &json!({"selector": {"matchLabels": {"app": "chat"}}, "priority": 5}));
    let both = engine([&low, &high]);
    pods.doubt();
    assert_eq!(counted(&mut pods, &both, &low.id), [0; 4]);
    assert_eq!(counted(&mut pods, &both, &high.id), [1, 0, 0, 1]);
    // An opt-out by annotation counts for nobody.
    let mut skip = skip;
    skip.metadata.annotations.as_mut().unwrap().insert(names::SKIP.into(), "true".into());
    pods.take(0, &Event::Apply(skip));
    assert_eq!(counted(&mut pods, &both, &high.id), [1, 0, 0, 1]);
    // So does a mirror pod, whatever its digest is.
    for (name, digest) in [("c", "0b1b"), ("d", "9f8e")] {
        let mut mirror = pod("prod", name, &json!({"app": "chat"}), None);
        mirror.metadata.annotations.as_mut().unwrap().insert(names::ANNOTATION_MIRROR.into(), digest.into());
        pods.take(0, &Event::Apply(mirror));
    }
    assert_eq!((counted(&mut pods, &both, &high.id), pods.groups()), ([1, 0, 0, 1], 3));
}

#[test]
fn labels_that_a_controller_made_are_not_seen_though_what_tells_so_is_not_kept() {
    // Knative's `app` is the name of the revision; as a label of the user it would be selected.
    let chat = resource("prod", "chat", &json!({}));
    let engine = engine([&chat]);
    let knative = json!({
        "app": "chat", "serving.knative.dev/revision": "chat", "serving.knative.dev/configuration": "c",
    });
    let mut pods = Pods::default();
    pods.take(0, &Event::Apply(pod("prod", "a", &knative, None)));
    assert_eq!(counted(&mut pods, &engine, &chat.id), [0; 4]);
    // KubeRay's names are seen by the owner alone.
    let ray = resource("prod", "ray", &json!({"selector": {"matchLabels": {"app.kubernetes.io/name": "kuberay"}}}));
    let engine = self::engine([&ray]);
    let owner = json!({"apiVersion": "ray.io/v1", "kind": "RayCluster", "name": "r", "uid": "u", "controller": true});
    let mut made = pod("prod", "b", &json!({"app.kubernetes.io/name": "kuberay"}), None);
    pods.take(0, &Event::Apply(made.clone()));
    pods.doubt();
    assert_eq!(counted(&mut pods, &engine, &ray.id), [1, 0, 0, 1]);
    made.metadata.owner_references = Some(vec![serde_json::from_value(owner).unwrap()]);
    pods.take(0, &Event::Apply(made));
    assert_eq!(counted(&mut pods, &engine, &ray.id), [0; 4]);
}

#[test]
fn a_watch_that_begins_anew_forgets_what_is_gone_and_leaves_others_alone() {
    let chat = resource("prod", "chat", &json!({}));
    let engine = engine([&chat]);
    let shown = |uid: &str| pod("prod", uid, &json!({"app": "chat"}), None);
    let mut pods = Pods::default();
    for (watch, event) in [
        (0, Event::Init),
        (0, Event::InitApply(shown("a"))),
        (0, Event::InitApply(shown("b"))),
        (0, Event::InitDone),
        (1, Event::Apply(shown("of another watch"))),
        (0, Event::Apply(shown("c"))),
        (0, Event::Init),
        (0, Event::InitApply(shown("c"))),
    ] {
        pods.take(watch, &event);
    }
    assert_eq!(counted(&mut pods, &engine, &chat.id)[0], 4, "until everything was shown, nothing is forgotten");
    // It breaks off, and begins once more.
    for event in [Event::Init, Event::InitApply(shown("b")), Event::InitDone] {
        pods.take(0, &event);
    }
    assert_eq!(counted(&mut pods, &engine, &chat.id)[0], 2);
}

/// A step of what a cluster may bring.
#[derive(Debug, Clone)]
enum Step {
    Pod {
        uid: u8,
        namespace: usize,
        app: usize,
        label: usize,
        carried: usize,
    },
    Gone {
        uid: u8,
    },
    Begin,
    End,
    Resource {
        namespace: usize,
        name: usize,
        variant: usize,
    },
    NoResource {
        namespace: usize,
        name: usize,
    },
    /// The engine is asked of so many groups, perhaps not all.
    Ask(usize),
}

const NAMESPACES: [&str; 4] = ["prod", "test", "openlit", "kube-system"];
const APPS: [&str; 3] = ["a", "b", "c"];

fn variants(name: &str) -> [Json; 5] {
    [
        json!({}),
        json!({"otlp": {"endpoint": "http://other:4318"}}),
        json!({"selector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}, "priority": 3}),
        json!({"ignore": {"matchLabels": {"x": "y"}}}),
        json!({"python": {"instrumentation": {"enabled": name == "b"}}}),
    ]
}

fn labels(app: usize, label: usize) -> Json {
    let mut labels = json!({"app": APPS[app], "pod-template-hash": label.to_string()});
    let more = [("x", "y"), ("openlit.io/instrument", "true"), ("openlit.io/instrument", "false"), ("x", "z")];
    if let Some((key, value)) = more.get(label) {
        labels[*key] = (*value).into();
    }
    labels
}

fn step() -> impl Strategy<Value = Step> {
    let (namespace, name) = (0..NAMESPACES.len(), 0..APPS.len());
    prop_oneof![
        6 => (0..24_u8, namespace.clone(), name.clone(), 0..5_usize, 0..7_usize)
            .prop_map(|(uid, namespace, app, label, carried)| Step::Pod { uid, namespace, app, label, carried }),
        2 => (0..24_u8).prop_map(|uid| Step::Gone { uid }),
        1 => Just(Step::Begin),
        1 => Just(Step::End),
        2 => (namespace.clone(), name.clone(), 0..5_usize)
            .prop_map(|(namespace, name, variant)| Step::Resource { namespace, name, variant }),
        1 => (namespace, name).prop_map(|(namespace, name)| Step::NoResource { namespace, name }),
        2 => (0..4_usize).prop_map(Step::Ask),
    ]
}

/// Everything that is there, as a model would keep it.
#[derive(Default)]
struct World {
    pods: BTreeMap<u8, PartialObjectMeta<Pod>>,
    resources: BTreeMap<Id, Found>,
    /// What a watch that began anew has shown so far.
    shown: Option<Vec<u8>>,
}

impl World {
    fn engine(&self) -> Engine {
        engine(self.resources.values())
    }

    fn carried(&self, which: usize) -> Option<String> {
        let digests: Vec<String> = self.resources.values().map(digest).collect();
        match which {
            0 => None,
            1 => Some("0123456789abcdef".to_owned()),
            other => digests.get(other - 2).cloned(),
        }
    }
}

/// Counts from scratch: every whole pod is shown to the engine.
fn from_scratch(world: &World, engine: &Engine) -> BTreeMap<Id, [i32; 4]> {
    let mut counts: BTreeMap<Id, [i32; 4]> = BTreeMap::new();
    for pod in world.pods.values() {
        let json = json!({"metadata": pod.metadata});
        let value = Value::from(&json);
        let found = workloads_as(&value, "Pod", "v1", &[]);
        let template = &found.workloads[0].templates[0];
        let Some((resource, digest)) = engine.selecting(&found.workloads[0], template) else { continue };
        let counts = counts.entry((resource.namespace.clone().unwrap(), resource.name.clone())).or_default();
        let record = pod.metadata.annotations.as_ref().and_then(|map| map.get(names::ANNOTATION_INJECTION));
        let place = match record.map(|record| Record::read(record, &Path::ROOT).unwrap().digest == digest) {
            Some(true) => 1,
            Some(false) => 2,
            None => 3,
        };
        counts[0] += 1;
        counts[place] += 1;
    }
    counts
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn counting_on_is_counting_from_scratch(steps in prop::collection::vec(step(), 1..80)) {
        let mut world = World::default();
        let mut pods = Pods::default();
        let mut engine = world.engine();
        pods.take(0, &Event::Init);
        pods.take(0, &Event::InitDone);
        for step in steps {
            match step {
                Step::Pod { uid, namespace, app, label, carried } => {
                    let carried = world.carried(carried);
                    let pod = pod(NAMESPACES[namespace], &uid.to_string(), &labels(app, label), carried.as_deref());
                    world.pods.insert(uid, pod.clone());
                    let event = match &mut world.shown {
                        Some(shown) => { shown.push(uid); Event::InitApply(pod) }
                        None => Event::Apply(pod),
                    };
                    pods.take(0, &event);
                }
                Step::Gone { uid } => if let Some(pod) = world.pods.remove(&uid) {
                    // While a watch begins anew it deletes nothing: what is gone is not shown.
                    match &mut world.shown {
                        Some(shown) if shown.contains(&uid) => { world.pods.insert(uid, pod); }
                        Some(_) => {}
                        None => pods.take(0, &Event::Delete(pod)),
                    }
                },
                Step::Begin => {
                    world.shown = Some(Vec::new());
                    pods.take(0, &Event::Init);
                }
                Step::End => if let Some(shown) = world.shown.take() {
                    world.pods.retain(|uid, _| shown.contains(uid));
                    pods.take(0, &Event::InitDone);
                },
                Step::Resource { namespace, name, variant } => {
                    let found = resource(NAMESPACES[namespace], APPS[name], &variants(APPS[name])[variant]);
                    world.resources.insert(found.id.clone(), found);
                    engine = world.engine();
                    pods.doubt();
                }
                Step::NoResource { namespace, name } => {
                    world.resources.remove(&id(NAMESPACES[namespace], APPS[name]));
                    engine = world.engine();
                    pods.doubt();
                }
                Step::Ask(most) => { pods.ask(&engine, most); }
            }
        }
        if let Some(shown) = world.shown.take() {
            world.pods.retain(|uid, _| shown.contains(uid));
            pods.take(0, &Event::InitDone);
        }
        while pods.ask(&engine, 1) {}
        let expected = from_scratch(&world, &engine);
        for namespace in NAMESPACES {
            for name in APPS {
                let id = id(namespace, name);
                let PodCounts { matching, instrumented, outdated, missing } = pods.counts(&id);
                let counts = [matching, instrumented, outdated, missing];
                prop_assert_eq!(counts, expected.get(&id).copied().unwrap_or_default(), "{:?}", id);
            }
        }
        // Nothing stays of what is gone.
        prop_assert_eq!(pods.places.len(), world.pods.len());
        prop_assert!(pods.groups() <= world.pods.len());
        prop_assert_eq!(pods.groups.len(), pods.groups() + pods.free.len());
    }
}

/// A pod as a Deployment of a real cluster makes it: labels, annotations and owners that no rule asks about.
fn ordinary(index: usize, of_its_own: bool) -> ObjectMeta {
    let (workload, team) = (index / 20, index / 1_000);
    let mut labels: BTreeMap<String, String> = [
        ("app.kubernetes.io/name", format!("service-{workload}")),
        ("app.kubernetes.io/instance", format!("service-{workload}")),
        ("app.kubernetes.io/version", "1.4.0".to_owned()),
        ("app.kubernetes.io/part-of", "platform".to_owned()),
        ("app.kubernetes.io/managed-by", "Helm".to_owned()),
        ("helm.sh/chart", "service-1.4.0".to_owned()),
        ("team", format!("team-{team}")),
        ("pod-template-hash", format!("{:010x}", workload * 7_919)),
        ("statefulset.kubernetes.io/pod-name", format!("service-{workload}-{index}")),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into();
    if of_its_own {
        labels.insert("spark-app-selector".to_owned(), format!("spark-{index:032x}"));
    }
    let record = Record { v: 1, digest: "0123456789abcdef".into(), added: index.to_string(), ..Record::default() };
    let record = index.is_multiple_of(2).then(|| (names::ANNOTATION_INJECTION.to_owned(), record.to_text()));
    let other = ("kubernetes.io/config".to_owned(), "x".repeat(2_000));
    ObjectMeta {
        namespace: Some(format!("team-{team}")),
        uid: Some(format!("{index:08x}-6393-11e8-b7cc-42010a800002")),
        labels: Some(labels),
        annotations: Some(record.into_iter().chain([other]).collect()),
        ..ObjectMeta::default()
    }
}

#[test]
fn a_hundred_thousand_pods_are_held_in_a_few_bytes_each() {
    // Of a workload there are 20; or each is unlike every other, as with labels that a job has to itself.
    for (count, of_its_own, bytes_a_pod) in [(100_000, false, 100), (20_000, true, 700)] {
        let mut pods = Pods::default();
        pods.take(0, &Event::Init);
        for index in 0..count {
            pods.put(0, &ordinary(index, of_its_own));
        }
        pods.take(0, &Event::InitDone);
        let team = resource("team-7", "all", &json!({"selector": {"matchLabels": {"team": "team-7"}}}));
        let engine = engine([&team]);
        assert_eq!(counted(&mut pods, &engine, &team.id), [1_000, 0, 500, 500]);
        let (held, groups) = (pods.held(), pods.groups());
        assert!(held < count * bytes_a_pod, "{count} pods in {groups} groups: {held} bytes");
        // All go, and with them what is known of them.
        pods.take(0, &Event::Init);
        pods.take(0, &Event::InitDone);
        assert_eq!((pods.groups(), pods.counts(&team.id)), (0, PodCounts::default()));
    }
}
