//! Keeps the registration: watches the configuration of our name and that of the original operator, and writes where this
//! replica leads and something is not as it should be. Every replica knows what is registered.

use super::desired::{self, Owner, Version};
use super::original::{self, Leftover};
use super::pace::Pace;
use super::told;
use crate::api::settings::WebhookSettings;
use crate::webhook::certificates::registered::Registered;
use crate::webhook::events::{Events, Notice, What};
use crate::webhook::metrics::{Metrics, Object};
use futures::StreamExt;
use futures::future::OptionFuture;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::watch_object;
use kube::{Client, ResourceExt};
use serde_json::Value as Json;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

/// How long the API server is waited for in one go at repairing; then it is tried again.
const PATIENCE: Duration = Duration::from_secs(10);

/// What went wrong.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{}", told(.0))]
    ApiServer(#[from] kube::Error),
    #[error(
        "the ClusterRole {0} is not there (WEBHOOK_CLUSTER_ROLE names it): an installation without it is being removed"
    )]
    NoOwner(String),
    #[error("the API server does not answer")]
    Late,
}

impl Trouble {
    /// Whether somebody else has written in the meantime.
    fn is_conflict(&self) -> bool {
        matches!(self, Trouble::ApiServer(kube::Error::Api(status)) if status.code == 409)
    }
}

/// Keeps the registration for as long as somebody says who leads and which bundle (PEM) is wanted. An empty one is none yet,
/// and nothing is registered without it. Where nobody says it, who is trusted is for somebody else to write, as
/// cert-manager's injector does.
pub async fn keep(
    client: Client,
    settings: WebhookSettings,
    mut leads: watch::Receiver<bool>,
    mut bundle: Option<watch::Receiver<Vec<u8>>>,
    registered: watch::Sender<Registered>,
    events: Events,
    metrics: Metrics,
) {
    let api: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    let mut ours = pin!(watch_object(api.clone(), &settings.config_name).default_backoff());
    let mut originals = pin!(watch_object(api.clone(), original::CONFIGURATION).default_backoff());
    let mut keeper = Keeper { client, api, events, metrics, settings, confirmed: false, warned: Vec::new() };
    // What was seen; None until it was looked for.
    let (mut found, mut original) = (None, None);
    let mut pace = Pace::default();
    let mut due = None;
    loop {
        tokio::select! {
            Some(event) = ours.next() => match event {
                Ok(object) => {
                    let now: Option<Json> = object.as_ref().and_then(json);
                    publish(&registered, now.as_ref());
                    found = Some(now);
                }
                Err(error) => tracing::warn!(%error, "the webhook configuration cannot be watched; trying again"),
            },
            Some(event) = originals.next() => match event {
                Ok(object) => original = object.as_ref().and_then(json),
                Err(error) => tracing::warn!(%error, "the original operator's webhook configuration cannot be watched; trying again"),
            },
            changed = leads.changed() => if changed.is_err() { return },
            Some(Ok(())) = OptionFuture::from(bundle.as_mut().map(watch::Receiver::changed)) => {},
            Some(()) = OptionFuture::from(due.map(sleep_until)) => {},
        }
        due = None;
        if !*leads.borrow() {
            keeper.confirmed = false;
            continue;
        }
        let Some(found) = &found else { continue };
        due = pace.rest(Instant::now());
        if due.is_some() {
            continue;
        }
        let wanted = bundle.as_ref().map(|bundle| bundle.borrow().clone());
        let work = keeper.repair(found.as_ref(), original.as_ref(), wanted.as_deref());
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
    /// What was warned of, once each.
    warned: Vec<String>,
}

impl Keeper {
    /// Writes what is not as it should be; whether there was anything to write. The one is done even if the other fails.
    async fn repair(
        &mut self,
        found: Option<&Json>,
        original: Option<&Json>,
        wanted: Option<&[u8]>,
    ) -> Result<bool, Trouble> {
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
    async fn apply(&mut self, found: Option<&Json>, wanted: Option<&[u8]>) -> Result<bool, Trouble> {
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
        if wanted.is_some_and(<[u8]>::is_empty) {
            return Ok(false);
        }
        let server = Version::of(&self.client.apiserver_version().await?);
        if server < Version::OLDEST {
            self.once(&format!("Kubernetes {server} is not supported: {} is the oldest that is", Version::OLDEST));
        }
        let desired = desired::desired(&self.settings, server, wanted, &self.owner().await?);
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

    /// Our `ClusterRole`, as it is now: one that was made anew is another owner. Where it is gone, so is the installation,
    /// and what it owned is not made again.
    async fn owner(&self) -> Result<Owner, Trouble> {
        let name = &self.settings.cluster_role;
        let roles: Api<ClusterRole> = Api::all(self.client.clone());
        let role = roles.get_metadata_opt(name).await?;
        let uid = role.filter(|role| role.metadata.deletion_timestamp.is_none()).and_then(|role| role.uid());
        let uid = uid.ok_or_else(|| Trouble::NoOwner(name.clone()))?;
        Ok(Owner { name: name.clone(), uid })
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
