//! The task: pods from watches of their metadata, resources from those that decide reviews, and statuses to the API
//! server. Of several replicas the leader alone watches pods and writes; the memory of the others stays small.

use super::attempts::{Attempts, Leave};
use super::pods::Pods;
use super::status::{patch, turn, wanted};
use crate::api::names;
use crate::api::resource::{self, AutoInstrumentationStatus as Status};
use crate::api::settings::Settings;
use crate::inject::engine::Engine;
use crate::webhook::api_server;
use crate::webhook::configurations::{Found, Resources, api_resource};
use crate::webhook::events::{Events, Notice};
use crate::webhook::metrics::{Metrics, Object};
use futures::future::OptionFuture;
use futures::stream::{self, BoxStream, SelectAll, StreamExt};
use k8s_openapi::api::core::v1::{ObjectReference, Pod};
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Event};
use kube::{Client, ResourceExt};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// How long changes of resources are collected before they are answered.
const SOON: Duration = Duration::from_millis(200);

/// How long there is between two counts of pods at least: they never stand still.
const BETWEEN_COUNTS: Duration = Duration::from_secs(5);

/// Groups of pods that the engine is asked of before reviews get their turn.
const ASKED_AT_ONCE: usize = 32;

/// Statuses that are written before pods get their turn.
const WRITTEN_AT_ONCE: usize = 100;

/// Requests that are under way at the same time.
const CONCURRENT: usize = 4;

/// Pods that have not ended. What has ended is no pod that anybody waits to see instrumented.
const NOT_ENDED: &str = "status.phase!=Succeeded,status.phase!=Failed";

/// The controller.
#[derive(Clone)]
pub struct Controller {
    /// The API server.
    pub client: Client,
    /// What is watched, and which namespaces.
    pub settings: Settings,
    /// As whom we write.
    pub field_manager: String,
    /// The resources.
    pub resources: watch::Receiver<Resources>,
    /// Where it is said that a resource became valid or invalid.
    pub events: Events,
    /// Where it is counted what was written.
    pub metrics: Metrics,
}

/// The API server sends no more of a pod than this.
type PodMetadata = PartialObjectMeta<Pod>;

type PodEvents = SelectAll<BoxStream<'static, (u16, watcher::Result<Event<PodMetadata>>)>>;

impl Controller {
    /// Works whenever this replica leads, until nobody can say any more whether it does.
    pub async fn run(self, mut leads: watch::Receiver<bool>) {
        while leads.wait_for(|leads| *leads).await.is_ok() {
            tokio::select! {
                () = Work::begin(self.clone()).go_on() => return,
                no_more = leads.wait_for(|leads| !*leads) => if no_more.is_err() { return },
            }
        }
    }

    /// Whether the status of resources of a namespace is ours to write. Those of the global namespace are read wherever
    /// we watch; their status is for who watches there.
    fn writes_in(&self, namespace: &str) -> bool {
        let watched = &self.settings.webhook.watch_namespaces;
        watched.is_empty() || watched.iter().any(|one| one == namespace)
    }

    /// One watch a namespace, by number.
    fn pod_events(&self) -> PodEvents {
        let mut apis: Vec<Api<PodMetadata>> = Vec::new();
        match self.settings.webhook.watch_namespaces.as_slice() {
            [] => apis.push(Api::all(self.client.clone())),
            some => apis.extend(some.iter().map(|one| Api::namespaced(self.client.clone(), one))),
        }
        let watch = |(number, api): (u16, Api<PodMetadata>)| {
            let events = api_server::watch(api, watcher::Config::default().fields(NOT_ENDED));
            events.map(move |event| (number, event)).boxed()
        };
        (0..).zip(apis).map(watch).collect()
    }

    /// Writes a status; the version that the resource has then.
    async fn write(&self, found: &Found, status: &Status) -> Result<String, kube::Error> {
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &found.id.0, &api_resource());
        let params = PatchParams { field_manager: Some(self.field_manager.clone()), ..PatchParams::default() };
        let patch = Patch::Merge(patch(&found.version, status));
        Ok(api.patch_status(&found.id.1, &params, &patch).await?.resource_version().unwrap_or_default())
    }
}

/// What a leader knows and is about to do.
struct Work {
    controller: Controller,
    pods: Pods,
    /// Which watches of pods have shown everything once.
    synced: Vec<bool>,
    /// By which engine pods were counted.
    engine: Option<Arc<Engine>>,
    attempts: Attempts,
    /// When there is something to look at.
    due: Option<Instant>,
    /// Not before this, pods are counted again.
    next_count: Instant,
    /// Whether the last round left statuses to be written.
    left_some: bool,
}

impl Work {
    fn begin(controller: Controller) -> Self {
        let now = Instant::now();
        Work {
            controller,
            pods: Pods::default(),
            synced: Vec::new(),
            engine: None,
            attempts: Attempts::default(),
            due: Some(now + SOON),
            next_count: now,
            left_some: false,
        }
    }

    /// Goes on until there are no resources any more, as at the end of the process.
    async fn go_on(mut self) {
        let mut pod_events = self.controller.pod_events();
        self.synced = vec![false; pod_events.len()];
        let mut resources = self.controller.resources.clone();
        loop {
            tokio::select! {
                Some((watch, event)) = pod_events.next() => match event {
                    Ok(event) => self.take(watch, &event),
                    Err(error) => tracing::warn!(error = api_server::told(&error), "pods cannot be watched; trying again"),
                },
                changed = resources.changed() => match changed {
                    Ok(()) => self.look_at(Instant::now() + SOON),
                    Err(_) => return,
                },
                Some(()) = OptionFuture::from(self.due.map(sleep_until)) => {
                    self.due = None;
                    let now = resources.borrow_and_update().clone();
                    self.round(&now).await;
                }
            }
        }
    }

    fn take(&mut self, watch: u16, event: &Event<PodMetadata>) {
        self.pods.take(watch, event);
        if let (Event::InitDone, Some(synced)) = (event, self.synced.get_mut(usize::from(watch))) {
            *synced = true;
        }
        if self.synced.iter().all(|synced| *synced) {
            self.look_at(self.next_count.max(Instant::now() + SOON));
        }
    }

    /// Looks at everything at that time at the latest.
    fn look_at(&mut self, at: Instant) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// Counts, if it is time to, and writes the statuses that are to be others.
    async fn round(&mut self, resources: &Resources) {
        // As long as some are not known, others would seem to select their pods.
        if !resources.synced {
            return;
        }
        let counted = self.count(&resources.engine).await;
        let uids: HashSet<&str> = resources.found.iter().map(|found| found.uid.as_str()).collect();
        self.attempts.keep(&uids);
        let (now, time) = (Instant::now(), OffsetDateTime::now_utc());
        let mut writes = Vec::new();
        self.left_some = false;
        for found in &*resources.found {
            if !self.controller.writes_in(&found.id.0) {
                continue;
            }
            let counts = counted.then(|| self.pods.counts(&found.id));
            let Some(status) = wanted(found, counts, time) else { continue };
            match self.attempts.leave(found, now) {
                Leave::Now if writes.len() < WRITTEN_AT_ONCE => writes.push((Arc::clone(found), status)),
                // The rest is for the next round, which comes at once.
                Leave::Now => {
                    self.left_some = true;
                    self.look_at(now);
                    break;
                }
                Leave::At(at) => self.look_at(at),
                Leave::AfterChange => {}
            }
        }
        self.write(writes).await;
    }

    /// Counts pods by this engine. Whether it was time to, and all are known.
    async fn count(&mut self, engine: &Arc<Engine>) -> bool {
        if !self.synced.iter().all(|synced| *synced) {
            return false;
        }
        let now = Instant::now();
        let is_same = self.engine.as_ref().is_some_and(|before| Arc::ptr_eq(before, engine));
        // What the last round left is of the same count.
        if now < self.next_count && !(self.left_some && is_same) {
            self.look_at(self.next_count);
            return false;
        }
        self.next_count = now + BETWEEN_COUNTS;
        if !is_same {
            self.pods.doubt();
            self.engine = Some(Arc::clone(engine));
        }
        while self.pods.ask(engine, ASKED_AT_ONCE) {
            tokio::task::yield_now().await;
        }
        true
    }

    async fn write(&mut self, writes: Vec<(Arc<Found>, Status)>) {
        let controller = &self.controller;
        let outcomes = stream::iter(writes).map(|(found, status)| async move {
            let outcome = controller.write(&found, &status).await;
            (found, status, outcome)
        });
        let outcomes: Vec<_> = outcomes.buffer_unordered(CONCURRENT).collect().await;
        let now = Instant::now();
        let mut failures = Vec::new();
        for (found, status, outcome) in outcomes {
            match outcome {
                Ok(version) => {
                    self.controller.metrics.wrote(Object::Status);
                    if let Some(what) = turn(&found, &status) {
                        self.controller.events.notice(Notice { object: reference(&found), what });
                    }
                    self.attempts.wrote(&found, status, &version, now);
                }
                Err(kube::Error::Api(answer)) if matches!(answer.code, 404 | 409) => self.attempts.met_another(&found),
                Err(error) => {
                    self.attempts.failed(&found, now);
                    // The next round finds out when.
                    self.look_at(now + SOON);
                    failures.push((found, error));
                }
            }
        }
        if let Some((found, error)) = failures.first() {
            let (namespace, name) = &found.id;
            tracing::warn!(
                error = api_server::told(error),
                namespace,
                name,
                failed = failures.len(),
                "a status could not be written; trying again"
            );
        }
    }
}

fn reference(found: &Found) -> ObjectReference {
    ObjectReference {
        api_version: Some(resource::api_version()),
        kind: Some(names::KIND.to_owned()),
        namespace: Some(found.id.0.clone()),
        name: Some(found.id.1.clone()),
        uid: Some(found.uid.clone()),
        resource_version: Some(found.version.clone()),
        ..ObjectReference::default()
    }
}

#[cfg(test)]
mod tests;
