//! Keeps the registration: watches the configuration of our name and that of the original operator, and writes where this
//! replica leads and something is not as it should be. Every replica knows what is registered.

use super::desired::{self, Version};
use super::original::{self, Leftover};
use super::pace::Pace;
use super::told;
use crate::api::settings::{FailurePolicy, WebhookSettings};
use crate::webhook::api_server::{self, watch_object};
use crate::webhook::certificates::registered::Registered;
use crate::webhook::events::{Events, Notice, What};
use crate::webhook::metrics::{Metrics, Object};
use crate::webhook::owner::{NoOwner, Owner};
use crate::webhook::routes::Readiness;
use futures::StreamExt;
use futures::future::OptionFuture;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use serde_json::Value as Json;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// How long the API server is waited for in one go at repairing; then it is tried again.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long this replica must be ready before pods are refused when nobody answers: longer than probes, endpoints and the
/// machines' rules need to lead to it.
const PROOF: Duration = Duration::from_secs(10);

/// How often is looked whether it is.
const LOOK: Duration = Duration::from_secs(1);

/// What went wrong.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{}", told(.0))]
    ApiServer(#[from] kube::Error),
    #[error("{0}")]
    NoOwner(String),
    #[error("the API server does not answer")]
    Late,
}

impl From<NoOwner> for Trouble {
    fn from(why: NoOwner) -> Self {
        match why {
            NoOwner::ApiServer(error) => Trouble::ApiServer(error),
            NoOwner::Gone(_) => Trouble::NoOwner(why.to_string()),
        }
    }
}

impl Trouble {
    /// Whether somebody else has written in the meantime.
    fn is_conflict(&self) -> bool {
        matches!(self, Trouble::ApiServer(kube::Error::Api(status)) if status.code == 409)
    }
}

/// What the registration depends on, and who hears of it.
pub struct Surroundings {
    /// Says who leads, and writes.
    pub leads: watch::Receiver<bool>,
    /// Which bundle (PEM) is wanted. An empty one is none yet, and nothing is registered without it.
    pub bundle: watch::Receiver<Vec<u8>>,
    /// Whether this replica is ready.
    pub readiness: Arc<Readiness>,
    /// Hears what is registered.
    pub registered: watch::Sender<Registered>,
    /// Where it is told what is wrong.
    pub events: Events,
    /// Where it is counted what was written.
    pub metrics: Metrics,
}

/// Keeps the registration for as long as somebody says who leads.
///
/// Where pods are to be refused when nobody answers, that begins when this replica has been ready for a while: ready is who
/// is registered, and the API server must find its way to somebody first.
pub async fn keep(client: Client, settings: WebhookSettings, surroundings: Surroundings) {
    let Surroundings { mut leads, mut bundle, readiness, registered, events, metrics } = surroundings;
    let api: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    let mut ours = pin!(watch_object(api.clone(), &settings.config_name));
    let mut originals = pin!(watch_object(api.clone(), original::CONFIGURATION));
    let warned = Vec::new();
    let mut keeper = Keeper { client, api, events, metrics, settings, confirmed: false, proven: false, warned };
    // What was seen; None until it was looked for.
    let (mut found, mut original) = (None, None);
    let mut pace = Pace::default();
    let mut due = None;
    let mut ready_since: Option<Instant> = None;
    loop {
        tokio::select! {
            Some(event) = ours.next() => match event {
                Ok(object) => {
                    let now: Option<Json> = object.as_ref().and_then(json);
                    publish(&registered, now.as_ref());
                    found = Some(now);
                }
                Err(error) => tracing::warn!(error = api_server::told(&error), "the webhook configuration cannot be watched; trying again"),
            },
            Some(event) = originals.next() => match event {
                Ok(object) => original = object.as_ref().and_then(json),
                Err(error) => tracing::warn!(error = api_server::told(&error), "the original operator's webhook configuration cannot be watched; trying again"),
            },
            changed = leads.changed() => if changed.is_err() { return },
            Ok(()) = bundle.changed() => {},
            Some(()) = OptionFuture::from(due.map(sleep_until)) => {},
            () = sleep(LOOK), if !keeper.proven && keeper.settings.failure_policy == FailurePolicy::Fail => {},
        }
        due = None;
        if !*leads.borrow() {
            (keeper.confirmed, ready_since) = (false, None);
            continue;
        }
        ready_since = if readiness().is_ok() { ready_since.or(Some(Instant::now())) } else { None };
        keeper.proven = ready_since.is_some_and(|since| since.elapsed() >= PROOF);
        let Some(found) = &found else { continue };
        let wanted = bundle.borrow().clone();
        pace.wants(&wanted);
        due = pace.rest(Instant::now());
        if due.is_some() {
            continue;
        }
        let work = keeper.repair(found.as_ref(), original.as_ref(), &wanted);
        match timeout(PATIENCE, work).await.unwrap_or(Err(Trouble::Late)) {
            Ok(false) => {}
            Ok(true) => {
                pace.wrote(Instant::now());
                if pace.is_quarrel() {
                    let name = &keeper.settings.config_name;
                    tracing::warn!(name, "somebody else keeps changing the webhook configuration");
                }
            }
            Err(trouble) => {
                pace.failed(Instant::now());
                due = pace.rest(Instant::now());
                if trouble.is_conflict() {
                    tracing::debug!(%trouble, "the webhook configuration has changed; looking again");
                } else {
                    tracing::warn!(%trouble, "the webhook cannot be registered; trying again");
                }
            }
        }
    }
}

struct Keeper {
    client: Client,
    api: Api<MutatingWebhookConfiguration>,
    events: Events,
    metrics: Metrics,
    settings: WebhookSettings,
    /// Whether this leader has applied. What an older version applied and this one does not is only removed by applying.
    confirmed: bool,
    /// Whether somebody answers: this replica has been ready for a while.
    proven: bool,
    /// What was warned of, once each.
    warned: Vec<String>,
}

impl Keeper {
    /// Writes what is not as it should be; whether there was anything to write. The one is done even if the other fails.
    async fn repair(&mut self, found: Option<&Json>, original: Option<&Json>, wanted: &[u8]) -> Result<bool, Trouble> {
        let disarmed = self.disarm([original, found].into_iter().flatten()).await;
        let applied = self.apply(found, wanted).await;
        Ok(disarmed? | applied?)
    }

    /// Lets the API server pass over what the original operator left in these configurations, and warns of it.
    async fn disarm(&mut self, configurations: impl Iterator<Item = &Json>) -> Result<bool, Trouble> {
        let mut wrote = false;
        for configuration in configurations {
            let Some(leftover) = Leftover::of(configuration, &self.settings) else { continue };
            if let Some(patch) = leftover.disarmed() {
                let params = PatchParams::default();
                self.api.patch(&leftover.configuration, &params, &Patch::Strategic(patch)).await?;
                self.metrics.wrote(Object::Registration);
                wrote = true;
            }
            self.warn("leftover-webhook", configuration, leftover.warning());
        }
        Ok(wrote)
    }

    /// Applies our fields, if they are not there, and the configuration is not somebody else's.
    async fn apply(&mut self, found: Option<&Json>, wanted: &[u8]) -> Result<bool, Trouble> {
        if wanted.is_empty() {
            return Ok(false);
        }
        // What is not there has no version to write over, and another replica may have made it just now.
        let just_now = match found {
            Some(_) => None,
            None => self.api.get_opt(&self.settings.config_name).await?.as_ref().and_then(json),
        };
        let found = found.or(just_now.as_ref());
        if let Some(found) = found
            && let Some(other) = desired::held_by_another(found, &self.settings)
        {
            let name = &self.settings.config_name;
            let text = format!(
                "MutatingWebhookConfiguration {name} is of the installation in namespace {other}. Give this one another \
                 name (WEBHOOK_CONFIG_NAME), or, if that one is gone: kubectl delete mutatingwebhookconfiguration {name}"
            );
            self.warn("foreign-configuration", found, text);
            return Ok(false);
        }
        let server = self.server().await?;
        if server < Version::OLDEST {
            self.once(&format!("Kubernetes {server} is not supported: {} is the oldest that is", Version::OLDEST));
        }
        let owner = Owner::find(self.client.clone(), &self.settings.cluster_role).await?;
        let mut desired = desired::desired(&self.settings, server, wanted, &owner);
        if !self.proven && !found.is_some_and(|found| desired::refuses(found, &self.settings)) {
            desired::spare(&mut desired);
        }
        if let Some(patch) = found.and_then(|found| desired::without_url(found, &desired)) {
            // What was written is seen, and then applied over.
            self.api.patch(&self.settings.config_name, &PatchParams::default(), &Patch::Strategic(patch)).await?;
            return Ok(true);
        }
        let patch =
            if self.confirmed { desired::needed(found, &desired) } else { Some(desired::merged(found, &desired)) };
        let Some(patch) = patch else { return Ok(false) };
        let params = PatchParams::apply(&desired::manager(&self.settings)).force();
        self.api.patch(&self.settings.config_name, &params, &Patch::Apply(patch)).await?;
        self.confirmed = true;
        self.metrics.wrote(Object::Registration);
        tracing::info!(name = self.settings.config_name, %server, "the webhook is registered");
        Ok(true)
    }

    /// The version of the API server. One that does not say it to us may be the oldest, and gets what that understands.
    async fn server(&mut self) -> Result<Version, Trouble> {
        match self.client.apiserver_version().await {
            Ok(info) => Ok(Version::of(&info)),
            Err(kube::Error::Api(status)) if matches!(status.code, 401 | 403) => {
                self.once("the API server does not say its version to us (the ClusterRole grants it: nonResourceURLs, /version); no matchConditions are registered");
                Ok(Version::OLDEST)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Warns in the log and by an event about a configuration, once.
    fn warn(&mut self, code: &'static str, about: &Json, text: String) {
        if !self.once(&text) {
            return;
        }
        let part = |name: &str| about["metadata"][name].as_str().map(str::to_owned);
        let object = ObjectReference {
            api_version: Some("admissionregistration.k8s.io/v1".to_owned()),
            kind: Some("MutatingWebhookConfiguration".to_owned()),
            name: part("name"),
            uid: part("uid"),
            ..ObjectReference::default()
        };
        self.events.notice(Notice { object, what: What::Registration(code, text) });
    }

    /// Warns in the log, unless it was said before.
    fn once(&mut self, text: &str) -> bool {
        let new = !self.warned.iter().any(|warned| warned == text);
        if new {
            tracing::warn!("{text}");
            self.warned.push(text.to_owned());
        }
        new
    }
}

/// An object as the decisions read it. What was JSON is JSON again.
fn json(object: &MutatingWebhookConfiguration) -> Option<Json> {
    serde_json::to_value(object).ok()
}

/// Says what is registered.
fn publish(registered: &watch::Sender<Registered>, found: Option<&Json>) {
    let bundle = found.map(desired::bundle).unwrap_or_default();
    registered.send_modify(|registered| registered.see(&bundle, std::time::Instant::now()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::settings::Settings;
    use axum::body::Body;
    use axum::http::{Method, Request, Response, StatusCode};
    use serde_json::json;
    use std::sync::Mutex;

    /// A configuration that another replica has just made.
    fn made() -> Json {
        serde_json::from_str(include_str!("desired/found.json")).unwrap()
    }

    /// An API server that has `made`, and keeps what is applied.
    fn server(made: Option<Json>) -> (Keeper, Arc<Mutex<Vec<Json>>>) {
        let applied = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&applied);
        let service = tower::service_fn(move |request: Request<kube::client::Body>| {
            let (seen, made) = (Arc::clone(&seen), made.clone());
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect_bytes().await.unwrap();
                let path = parts.uri.path().to_owned();
                let found = match path.as_str() {
                    "/version" => Some(serde_json::to_value(version()).unwrap()),
                    "/apis/rbac.authorization.k8s.io/v1/clusterroles/openlit-operator" => Some(json!({
                        "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
                        "metadata": { "name": "openlit-operator", "uid": "u" },
                    })),
                    _ if parts.method == Method::PATCH => {
                        let ours: Json = serde_json::from_slice(&body).unwrap();
                        seen.lock().unwrap().push(ours.clone());
                        Some(ours)
                    }
                    _ => made,
                };
                let code = if found.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
                let absent = json!({ "kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404 });
                let answer = found.unwrap_or(absent).to_string();
                Ok::<_, std::convert::Infallible>(Response::builder().status(code).body(Body::from(answer)).unwrap())
            }
        });
        let client = Client::new(service, "openlit");
        let keeper = Keeper {
            api: Api::all(client.clone()),
            events: Events::new(Metrics::default()).0,
            metrics: Metrics::default(),
            client,
            settings: Settings::default().webhook,
            confirmed: false,
            proven: true,
            warned: Vec::new(),
        };
        (keeper, applied)
    }

    fn version() -> k8s_openapi::apimachinery::pkg::version::Info {
        k8s_openapi::apimachinery::pkg::version::Info {
            major: "1".to_owned(),
            minor: "36".to_owned(),
            ..Default::default()
        }
    }

    #[tokio::test]
    async fn what_was_made_just_now_is_written_over_in_its_version_alone() {
        let (mut keeper, applied) = server(Some(made()));
        assert!(keeper.apply(None, b"CA").await.unwrap());
        assert_eq!(applied.lock().unwrap()[0]["metadata"]["resourceVersion"], made()["metadata"]["resourceVersion"]);
        let (mut keeper, applied) = server(None);
        assert!(keeper.apply(None, b"CA").await.unwrap());
        assert_eq!(applied.lock().unwrap()[0]["metadata"].get("resourceVersion"), None);
        assert!(!keeper.apply(None, b"").await.unwrap(), "nobody is trusted yet");
    }
}
