//! The `AutoInstrumentation` resources of the cluster, kept in memory by watches, as the engine that decides reviews: a
//! review waits for nobody. Knows no rule of selection.

use super::api_server;
use crate::api::resource::{self, AutoInstrumentation, AutoInstrumentationStatus, Problem};
use crate::api::settings::Settings;
use crate::api::{crd, names};
use crate::inject::engine::{Engine, Prepared};
use crate::value::Value;
use arc_swap::ArcSwap;
use futures::future::OptionFuture;
use futures::stream::{SelectAll, StreamExt};
use kube::api::{Api, ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use kube::runtime::watcher::{self, Event};
use kube::{Client, ResourceExt};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch as channel;
use tokio::time::{Instant, sleep_until};

/// How long changes are collected before the engine is made anew: thousands that come at once cost one.
const SETTLE: Duration = Duration::from_millis(20);

/// Where they go on coming, the engine is made anew for a part of the time: they are collected for so many times as long as
/// the last one took to be made, but not for longer than this.
const REST: u32 = 4;
const LONGEST_REST: Duration = Duration::from_secs(1);

/// Namespace and name of a resource.
pub type Id = (String, String);

/// A resource as it was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Its namespace and name.
    pub id: Id,
    /// Its `metadata.uid`.
    pub uid: String,
    /// Its `metadata.resourceVersion`.
    pub version: String,
    /// Its `metadata.generation`.
    pub generation: Option<i64>,
    /// Its status; none where there is none that can be read.
    pub status: Option<AutoInstrumentationStatus>,
    /// What it says, or what is wrong with it.
    pub content: Result<Arc<AutoInstrumentation>, Vec<Problem>>,
}

/// All resources of a moment, and the engine that is made of the valid ones. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Resources {
    /// The engine; the same one as before, unless what a resource says has changed.
    pub engine: Arc<Engine>,
    /// The resources, by namespace and name.
    pub found: Arc<[Arc<Found>]>,
    /// Whether these are all.
    pub synced: bool,
}

/// What decides reviews. Cheap to clone; readers never wait.
#[derive(Debug, Clone)]
pub struct Configurations {
    engine: Arc<ArcSwap<Engine>>,
    resources: channel::Sender<Resources>,
}

/// How many resources there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Census {
    /// Whether all watches have shown everything once.
    pub synced: bool,
    /// Resources that are valid.
    pub valid: usize,
    /// Resources that are not.
    pub invalid: usize,
}

impl Configurations {
    /// None yet: only the settings' own profile.
    pub fn new(settings: &Settings) -> Self {
        Configurations::of(Engine::new([], settings, None))
    }

    /// Those of an engine, until others are followed.
    pub fn of(engine: Engine) -> Self {
        let engine = Arc::new(engine);
        let resources = Resources { engine: Arc::clone(&engine), found: [].into(), synced: false };
        Configurations { engine: Arc::new(ArcSwap::new(engine)), resources: channel::Sender::new(resources) }
    }

    /// The engine of this moment.
    pub fn engine(&self) -> Arc<Engine> {
        self.engine.load_full()
    }

    /// The resources, now and whenever they change: their status and version are among it.
    pub fn resources(&self) -> channel::Receiver<Resources> {
        self.resources.subscribe()
    }

    /// Follows the resources of the namespaces that the settings name, and of the global one, for as long as the
    /// process lives. What is wrong with the API server is logged and tried again.
    pub async fn follow(self, client: Client, settings: Settings, census: channel::Sender<Census>) {
        let mut events: SelectAll<_> = apis(&client, &settings)
            .into_iter()
            .enumerate()
            .map(|(index, api)| {
                let events = api_server::watch(api, watcher::Config::default());
                events.map(move |event| (index, event)).boxed()
            })
            .collect();
        let mut synced = vec![false; events.len()];
        let mut known = Known { settings, ..Known::default() };
        let mut due: Option<Instant> = None;
        let mut settle = SETTLE;
        loop {
            tokio::select! {
                event = events.next() => match event {
                    Some((index, Ok(event))) => {
                        synced[index] |= matches!(event, Event::InitDone);
                        known.take(index, event);
                        due.get_or_insert_with(|| Instant::now() + settle);
                    }
                    Some((_, Err(error))) => tracing::warn!(error = api_server::told(&error), "AutoInstrumentations cannot be watched; trying again"),
                    None => return,
                },
                Some(()) = OptionFuture::from(due.map(sleep_until)) => {
                    due = None;
                    // A status that was written decides nothing.
                    if std::mem::take(&mut known.says_something_else) {
                        let begin = Instant::now();
                        self.engine.store(Arc::new(known.engine()));
                        settle = (begin.elapsed() * REST).clamp(SETTLE, LONGEST_REST);
                    }
                    let synced = synced.iter().all(|synced| *synced);
                    let found: Arc<[Arc<Found>]> = known.found.values().map(|entry| Arc::clone(&entry.found)).collect();
                    let valid = found.iter().filter(|found| found.content.is_ok()).count();
                    let now = Census { synced, valid, invalid: found.len() - valid };
                    census.send_if_modified(|before| std::mem::replace(before, now) != now);
                    self.resources.send_replace(Resources { engine: self.engine(), found, synced });
                }
            }
        }
    }
}

/// What the API server calls them.
pub(super) fn api_resource() -> ApiResource {
    let kind = GroupVersionKind::gvk(names::GROUP, names::VERSION, names::KIND);
    ApiResource::from_gvk_with_plural(&kind, crd::PLURAL)
}

/// Where resources are looked for: in all namespaces, or in those that are watched and the global one.
fn apis(client: &Client, settings: &Settings) -> Vec<Api<DynamicObject>> {
    let of = api_resource();
    let watched = &settings.webhook.watch_namespaces;
    if watched.is_empty() {
        return vec![Api::all_with(client.clone(), &of)];
    }
    let mut namespaces: Vec<&str> = watched.iter().map(String::as_str).collect();
    namespaces.extend(settings.global_namespace.as_deref());
    namespaces.sort_unstable();
    namespaces.dedup();
    namespaces.into_iter().map(|namespace| Api::namespaced_with(client.clone(), namespace, &of)).collect()
}

/// Something that was found.
#[derive(Debug)]
struct Entry {
    /// The watch that found it.
    by: usize,
    found: Arc<Found>,
    /// For one engine after another, as long as it says the same; none if it is not valid.
    prepared: Option<Arc<Prepared>>,
}

/// Everything that was found.
#[derive(Debug, Default)]
struct Known {
    settings: Settings,
    found: BTreeMap<Id, Entry>,
    /// What a watch that begins anew has shown so far.
    shown: BTreeMap<usize, BTreeSet<Id>>,
    /// Whether any resource came, went, or says something else than before.
    says_something_else: bool,
}

impl Known {
    fn take(&mut self, watch: usize, event: Event<DynamicObject>) {
        match event {
            Event::Init => {
                self.shown.insert(watch, BTreeSet::new());
            }
            Event::InitApply(object) => {
                let id = self.put(watch, &object);
                self.shown.entry(watch).or_default().insert(id);
            }
            Event::InitDone => {
                // What it did not show any more is gone.
                let shown = self.shown.remove(&watch).unwrap_or_default();
                let before = self.found.len();
                self.found.retain(|id, entry| entry.by != watch || shown.contains(id));
                self.says_something_else |= self.found.len() != before;
            }
            Event::Apply(object) => {
                self.put(watch, &object);
            }
            Event::Delete(object) => {
                self.says_something_else |= self.found.remove(&id(&object)).is_some();
            }
        }
    }

    fn put(&mut self, by: usize, object: &DynamicObject) -> Id {
        let mut found = found(object, &self.settings);
        let id = found.id.clone();
        let before = self.found.remove(&id).filter(|before| before.found.content == found.content);
        let prepared = if let Some(before) = before {
            // One copy is enough.
            found.content.clone_from(&before.found.content);
            before.prepared
        } else {
            self.says_something_else = true;
            if let Err(problems) = &found.content {
                let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
                tracing::warn!(namespace = id.0, name = id.1, problems = ?said, "the AutoInstrumentation is not valid, and passed over");
            }
            let prepare = |content: &Arc<AutoInstrumentation>| {
                Arc::new(Prepared::new(Arc::clone(content), Some(id.0.clone()), &self.settings))
            };
            found.content.as_ref().ok().map(prepare)
        };
        self.found.insert(id.clone(), Entry { by, found: Arc::new(found), prepared });
        id
    }

    fn engine(&self) -> Engine {
        Engine::of(self.found.values().filter_map(|entry| entry.prepared.clone()).collect(), &self.settings)
    }
}

fn id(object: &DynamicObject) -> Id {
    (object.namespace().unwrap_or_default(), object.name_any())
}

/// Reads a resource as every other door does.
pub(super) fn found(object: &DynamicObject, settings: &Settings) -> Found {
    let json = serde_json::to_value(object).unwrap_or_default();
    Found {
        id: id(object),
        uid: object.uid().unwrap_or_default(),
        version: object.resource_version().unwrap_or_default(),
        generation: object.metadata.generation,
        status: json.get("status").and_then(|status| AutoInstrumentationStatus::deserialize(status).ok()),
        content: resource::read_for(&Value::from(&json), settings).map(Arc::new),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::settings;

    fn object(name: &str, endpoint: &str) -> DynamicObject {
        serde_json::from_value(serde_json::json!({
            "apiVersion": "openlit.io/v1alpha1", "kind": "AutoInstrumentation",
            "metadata": {"name": name, "namespace": "prod", "uid": name, "generation": 1},
            "spec": {"selector": {"matchLabels": {"app": name}}, "otlp": {"endpoint": endpoint}},
        }))
        .unwrap()
    }

    fn names(known: &Known) -> Vec<String> {
        let valid = |entry: &Entry| Some(entry.found.content.as_ref().ok()?.name.clone());
        known.found.values().filter_map(valid).collect()
    }

    #[test]
    fn a_watch_that_begins_anew_forgets_what_is_gone() {
        let mut known = Known::default();
        for event in [
            Event::Init,
            Event::InitApply(object("a", "http://c:4318")),
            Event::InitApply(object("b", "http://c:4318")),
            Event::InitDone,
            Event::Apply(object("c", "http://c:4318")),
            Event::Delete(object("b", "http://c:4318")),
        ] {
            known.take(0, event);
        }
        assert_eq!(names(&known), ["a", "c"]);
        known.take(1, Event::Apply(object("other", "http://c:4318")));
        for event in [Event::Init, Event::InitApply(object("c", "http://c:4318"))] {
            known.take(0, event);
        }
        assert_eq!(names(&known), ["a", "c", "other"], "until everything was shown, nothing is forgotten");
        known.take(0, Event::InitDone);
        assert_eq!(names(&known), ["c", "other"]);
    }

    #[test]
    fn a_resource_whose_provider_has_no_image_is_not_valid() {
        let pairs = [("OPENLIT_INIT_IMAGES", "prelit"), ("OPENLIT_IMAGE_OPENLIT", "r.example.com/prelit/openlit")];
        let pairs = pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut known = Known { settings: settings::read(pairs).unwrap(), ..Known::default() };
        let with = |name: &str, instrumentation: serde_json::Value| {
            let mut object = object(name, "http://c:4318");
            object.data["spec"]["python"] = serde_json::json!({ "instrumentation": instrumentation });
            Event::Apply(object)
        };
        known.take(0, with("has", serde_json::json!({})));
        known.take(0, with("lacks", serde_json::json!({"provider": "openinference"})));
        known.take(0, with("off", serde_json::json!({"provider": "openinference", "enabled": false})));
        known.take(0, with("own", serde_json::json!({"provider": "openinference", "customInitImage": "i:1"})));
        assert_eq!(names(&known), ["has", "off", "own"]);
        let problems = known.found[&("prod".into(), "lacks".into())].found.content.clone().unwrap_err();
        assert!(problems[0].to_string().contains("OPENLIT_IMAGE_OPENINFERENCE"), "{problems:?}");
    }

    #[test]
    fn a_status_that_is_written_makes_no_new_engine() {
        let mut known = Known::default();
        known.take(0, Event::Apply(object("a", "http://c:4318")));
        assert!(std::mem::take(&mut known.says_something_else));
        let mut written = object("a", "http://c:4318");
        written.metadata.resource_version = Some("2".into());
        written.data["status"] = serde_json::json!({"observedGeneration": 1});
        known.take(0, Event::Apply(written));
        assert!(!known.says_something_else);
        let Entry { found, .. } = known.found.values().next().unwrap();
        assert_eq!((found.version.as_str(), found.status.clone().unwrap().observed_generation), ("2", Some(1)));
        for event in [
            Event::Apply(object("a", "http://d:4318")),
            Event::Apply(object("a", "not a URL")),
            Event::Delete(object("a", "")),
        ] {
            known.take(0, event);
            assert!(std::mem::take(&mut known.says_something_else));
        }
    }

    #[test]
    fn what_is_not_valid_is_known_and_not_used() {
        let mut known = Known::default();
        known.take(0, Event::Apply(object("a", "not a URL")));
        assert_eq!((known.found.len(), names(&known).len()), (1, 0));
    }
}
