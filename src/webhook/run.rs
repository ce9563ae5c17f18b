//! The process of the webhook: what runs beside what, from the first request to the API server to the last answer.

use super::certificates::Service;
use super::certificates::certificate::Certificate;
use super::certificates::keeper::Keeper;
use super::certificates::provided::Provided;
use super::certificates::registered::Registered;
use super::certificates::report::Report;
use super::certificates::rotation::Policy;
use super::certificates::serving::Serving;
use super::configurations::{Configurations, Standing};
use super::controller::run::Controller;
use super::farewell::with_farewell;
use super::lease::{Candidate, Times};
use super::logging::Level;
use super::metrics::Metrics;
use super::registration::desired;
use super::registration::keeper::{Surroundings, keep};
use super::routes::{Readiness, Reviewer};
use super::server::{Limits, serve, tls};
use super::succession::{Succession, holder};
use super::tasks::Tasks;
use super::{api_server, events, listener, routes, signals, telemetry};
use crate::api::settings::{CertMode, Settings};
use axum::Router;
use k8s_openapi::api::core::v1::ObjectReference;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use tokio::sync::watch;

/// How long reviews are still taken after the process was told to end: until the API servers have noticed.
const FAREWELL: Duration = Duration::from_secs(5);

/// How often the expiry of the certificate is looked at.
const LOOK: Duration = Duration::from_secs(5);

/// Why the webhook cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// There is no cluster to speak to.
    #[error("no cluster: {0}; expected to run in a pod, or KUBECONFIG")]
    Cluster(#[from] kube::config::InferConfigError),
    /// The configuration of the cluster is not usable.
    #[error("the API server cannot be spoken to: {0}")]
    Client(#[from] kube::Error),
    /// A port cannot be listened on.
    #[error("{0} cannot be listened on: {1}")]
    Port(SocketAddr, io::Error),
    /// Signals cannot be listened for.
    #[error("signals cannot be listened for: {0}")]
    Signals(io::Error),
    /// A part of it has ended that never should. All is made anew by whoever started the process.
    #[error("internal error: {0} has ended; please report it")]
    Ended(&'static str),
    /// TLS cannot be had.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// Its own telemetry cannot be sent.
    #[error("telemetry: {0}")]
    Telemetry(#[from] telemetry::Trouble),
}

/// As whom a replica runs.
#[derive(Debug, Clone)]
pub struct Replica {
    /// Its name among the others: that of its pod.
    pub identity: String,
    /// The uid of its pod, if it is known: without it, `kubectl describe` does not find what is told of it.
    pub uid: Option<String>,
    /// The address that is listened on; all, without it.
    pub address: Option<IpAddr>,
}

impl Replica {
    /// Its pod, as events name it.
    fn object(&self, namespace: &str) -> ObjectReference {
        ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            namespace: Some(namespace.to_owned()),
            name: Some(self.identity.clone()),
            uid: self.uid.clone(),
            ..ObjectReference::default()
        }
    }
}

/// Answers reviews until the process is told to end.
///
/// # Errors
/// Ports that are taken, and no cluster. Whatever is wrong later is logged and tried again.
pub async fn run(
    settings: Settings,
    replica: Replica,
    level: Level,
    telemetry: Option<telemetry::Plan>,
) -> Result<(), Trouble> {
    let mut told_to_end = pin!(signals::told_to_end().map_err(Trouble::Signals)?);
    // kube and we share the provider of TLS.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let metrics = Metrics::default();
    let telemetry = telemetry.map(|plan| plan.begin(&metrics)).transpose()?;
    let serving = Arc::new(Serving::default());
    let service =
        Service { name: settings.webhook.service_name.clone(), namespace: settings.webhook.namespace.clone() };
    let standing = watch::Sender::new(Standing::default());
    let registered = watch::Sender::new(Registered::default());
    let leads = watch::Sender::new(false);
    let ends = watch::Sender::new(false);
    let stop = watch::Sender::new(false);

    // Whoever asks for our health is answered from the start.
    let readiness = readiness(&standing, &registered, &serving, &service, &ends);
    let webhook = &settings.webhook;
    let listen =
        |port| listener::listen(replica.address, port).map_err(|(address, error)| Trouble::Port(address, error));
    let health = listen(webhook.health_port)?;
    let numbers = listen(webhook.metrics_port)?;
    let reviews = listen(webhook.port)?;
    let mut servers = Tasks::default();
    let mut open = |name, listener, tls, routes: Router| {
        let mut stop = stop.subscribe();
        let stopped = async move { drop(stop.wait_for(|stop| *stop).await) };
        servers.spawn(name, serve(listener, tls, routes, Limits::default(), stopped));
    };
    open("the server of probes", health, None, routes::probes(Arc::clone(&readiness), level));
    open("the server of metrics", numbers, None, routes::metrics(metrics.clone()));

    let config = api_server::config().await?;
    let client = api_server::client(config.clone(), &metrics)?;
    let times = Times::default();
    let in_haste = api_server::client_in_haste(config, times.patience, &metrics)?;
    tokio::select! {
        () = api_server::answers(&client) => {}
        // Nobody has asked for a review yet.
        () = &mut told_to_end => return Ok(()),
    }
    let configurations = Configurations::new(&settings);
    let (events, notices) = events::Events::new(metrics.clone());
    let deadline = Duration::from_secs(webhook.timeout_seconds.into()).mul_f64(0.8);
    let reviewer = Reviewer::new(configurations.clone(), metrics.clone(), events.clone(), deadline);
    let reviewer = Arc::new(reviewer.with_spans(telemetry.as_ref().and_then(telemetry::Telemetry::spans)));
    let answers = with_farewell(routes::reviews(&webhook.path, reviewer), ends.subscribe());
    open("the server of reviews", reviews, Some(tls(Arc::clone(&serving) as _)?), answers);

    let controller = Controller {
        client: client.clone(),
        settings: settings.clone(),
        field_manager: desired::manager(webhook),
        resources: configurations.resources(),
        events: events.clone(),
        metrics: metrics.clone(),
    };
    let mut tasks = Tasks::default();
    tasks.spawn("the controller", controller.run(leads.subscribe()));
    let configured = configurations.follow(client.clone(), settings.clone(), standing.clone());
    tasks.spawn("the watch of AutoInstrumentations", configured);
    let written = events::write(client.clone(), replica.identity.clone(), metrics.clone(), notices);
    tasks.spawn("the writer of events", written);
    let gauges = count(metrics.clone(), standing.subscribe(), leads.subscribe(), Arc::clone(&serving));
    tasks.spawn("the keeper of gauges", gauges);
    let wanted = watch::Sender::new(Vec::new());
    let waits = waits(&standing, &registered, &serving, &service, wanted.subscribe());
    let surroundings = Surroundings {
        leads: leads.subscribe(),
        bundle: wanted.subscribe(),
        readiness,
        registered: registered.clone(),
        events: events.clone(),
        metrics: metrics.clone(),
    };
    let registration = keep(client.clone(), webhook.clone(), surroundings);
    tasks.spawn("the keeper of the registration", registration);
    let report = Report::new(events, metrics.clone(), replica.object(&webhook.namespace));
    let folder = webhook.cert_dir.as_ref().filter(|_| webhook.cert_mode == CertMode::Provided);
    if let Some(folder) = folder.map(PathBuf::from) {
        let registered = registered.subscribe();
        let provided = Provided { folder, service, serving, registered, wanted, report };
        tasks.spawn("the keeper of certificates", provided.run());
    } else {
        let keeper = Keeper {
            secret: webhook.secret_name.clone(),
            service,
            policy: Policy::new(webhook.cert_validity, webhook.cert_refresh),
            cluster_role: webhook.cluster_role.clone(),
            field_manager: desired::manager(webhook),
            serving,
            leading: leads.subscribe(),
            registered: registered.subscribe(),
            wanted,
            report,
            metrics,
        };
        tasks.spawn("the keeper of certificates", keeper.run(client));
    }
    let candidate = Candidate {
        lease: webhook.lease().to_owned(),
        identity: holder(&replica.identity, webhook),
        succession: Succession::new(waits),
        times,
    };
    let (namespace, ending) = (webhook.namespace.clone(), ends.subscribe());
    let mut lease = Tasks::default();
    lease.spawn("the candidate for the Lease", async move { candidate.run(in_haste, &namespace, leads, ending).await });
    tracing::info!(identity = replica.identity, version = env!("CARGO_PKG_VERSION"), "the webhook runs");

    let early = tokio::select! {
        () = told_to_end => {
            tracing::info!("told to end");
            None
        }
        early = servers.first_to_end() => Some(early),
        early = tasks.first_to_end() => Some(early),
        early = lease.first_to_end() => Some(early),
    };
    if let Some(task) = early {
        tracing::error!(task, "a task has ended that never should; ending");
    }
    // Not ready any more, and leader no more: another goes on while this one still answers.
    ends.send_replace(true);
    tokio::time::sleep(FAREWELL).await;
    stop.send_replace(true);
    servers.all_to_end().await;
    tasks.stop().await;
    // It says itself what went wrong with it.
    lease.all_to_end().await;
    if let Some(telemetry) = telemetry {
        telemetry.end().await;
    }
    early.map_or(Ok(()), |task| Err(Trouble::Ended(task)))
}

/// Ready is who knows all configurations and serves a certificate that the API servers trust.
fn readiness(
    standing: &watch::Sender<Standing>,
    registered: &watch::Sender<Registered>,
    serving: &Arc<Serving>,
    service: &Service,
    ends: &watch::Sender<bool>,
) -> Arc<Readiness> {
    let (standing, registered) = (standing.subscribe(), registered.subscribe());
    let (serving, service, ends) = (Arc::clone(serving), service.clone(), ends.subscribe());
    Arc::new(move || {
        if *ends.borrow() {
            return Err("the process ends".to_owned());
        }
        if !standing.borrow().synced {
            return Err("the AutoInstrumentations are not known yet".to_owned());
        }
        let lately = registered.borrow().lately(Instant::now());
        serving
            .check(&lately, &service, OffsetDateTime::now_utc())
            .map_err(|problem| format!("the certificate: {problem}"))
    })
}

/// Whether this replica would be trusted if only it wrote: what it serves is, by what it would register, or nothing could
/// be served before it has written.
fn waits(
    standing: &watch::Sender<Standing>,
    registered: &watch::Sender<Registered>,
    serving: &Arc<Serving>,
    service: &Service,
    wanted: watch::Receiver<Vec<u8>>,
) -> Arc<dyn Fn() -> bool + Send + Sync> {
    let (standing, registered) = (standing.subscribe(), registered.subscribe());
    let (serving, service) = (Arc::clone(serving), service.clone());
    Arc::new(move || {
        let trusted_by = |bundle: Vec<Certificate>| serving.check(&bundle, &service, OffsetDateTime::now_utc()).is_ok();
        let now = registered.borrow().lately(Instant::now());
        let (then, _) = Certificate::read_all(&wanted.borrow());
        standing.borrow().synced && !trusted_by(now) && (then.is_empty() || trusted_by(then))
    })
}

/// Keeps the gauges.
async fn count(
    metrics: Metrics,
    mut standing: watch::Receiver<Standing>,
    mut leads: watch::Receiver<bool>,
    serving: Arc<Serving>,
) {
    loop {
        metrics.configured(*standing.borrow_and_update());
        metrics.leads(*leads.borrow_and_update());
        if let Some(expiry) = serving.expiry() {
            metrics.expires(expiry.unix_timestamp());
        }
        tokio::select! {
            Ok(()) = standing.changed() => {}
            Ok(()) = leads.changed() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}
