//! What the parts of a replica tell one another, and what follows from all of it: whether it is ready, and whether it would be
//! if it led.

use super::certificates::Service;
use super::certificates::certificate::Certificate;
use super::certificates::registered::Registered;
use super::certificates::serving::Serving;
use super::configurations::Census;
use super::metrics::Metrics;
use super::routes::Readiness;
use crate::api::settings::WebhookSettings;
use std::sync::Arc;
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use tokio::sync::watch;

/// How often the expiry of the certificate is looked at.
const LOOK: Duration = Duration::from_secs(5);

/// What the parts of a replica tell one another. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Shared {
    /// The Service that leads here.
    pub service: Service,
    /// The certificate that is served.
    pub serving: Arc<Serving>,
    /// How many resources are known.
    pub census: watch::Sender<Census>,
    /// What is registered.
    pub registered: watch::Sender<Registered>,
    /// Which bundle (PEM) is to be registered; empty while there is none.
    pub wanted: watch::Sender<Vec<u8>>,
    /// Whether this replica leads.
    pub leads: watch::Sender<bool>,
    /// Whether the process is to end.
    pub ends: watch::Sender<bool>,
}

impl Shared {
    /// Nothing is known yet.
    pub fn new(settings: &WebhookSettings) -> Self {
        Shared {
            service: Service { name: settings.service_name.clone(), namespace: settings.namespace.clone() },
            serving: Arc::default(),
            census: watch::Sender::default(),
            registered: watch::Sender::default(),
            wanted: watch::Sender::default(),
            leads: watch::Sender::default(),
            ends: watch::Sender::default(),
        }
    }

    /// Ready is who knows all configurations and serves a certificate that the API servers trust.
    pub fn readiness(&self) -> Arc<Readiness> {
        let shared = self.clone();
        Arc::new(move || {
            if *shared.ends.borrow() {
                return Err("the process ends".to_owned());
            }
            if !shared.census.borrow().synced {
                return Err("the AutoInstrumentations are not known yet".to_owned());
            }
            let lately = shared.registered.borrow().lately(Instant::now());
            let checked = shared.serving.check(&lately, &shared.service, OffsetDateTime::now_utc());
            checked.map_err(|problem| format!("the certificate: {problem}"))
        })
    }

    /// Whether this replica would be trusted if only it wrote: what it serves is, by what it would register, or nothing
    /// could be served before it has written.
    pub fn waits(&self) -> Arc<dyn Fn() -> bool + Send + Sync> {
        let shared = self.clone();
        Arc::new(move || {
            let trusted_by = |bundle: Vec<Certificate>| {
                shared.serving.check(&bundle, &shared.service, OffsetDateTime::now_utc()).is_ok()
            };
            let now = shared.registered.borrow().lately(Instant::now());
            let (then, _) = Certificate::read_all(&shared.wanted.borrow());
            shared.census.borrow().synced && !trusted_by(now) && (then.is_empty() || trusted_by(then))
        })
    }

    /// Keeps the gauges.
    pub async fn gauge(self, metrics: Metrics) {
        let (mut census, mut leads) = (self.census.subscribe(), self.leads.subscribe());
        loop {
            metrics.configured(*census.borrow_and_update());
            metrics.leads(*leads.borrow_and_update());
            if let Some(expiry) = self.serving.expiry() {
                metrics.expires(expiry.unix_timestamp());
            }
            tokio::select! {
                Ok(()) = census.changed() => {}
                Ok(()) = leads.changed() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }
}
