//! The process of the webhook: what runs beside what, from the first request to the API server to the last answer.

use super::certificates::keeper::Keeper;
use super::certificates::provided::Provided;
use super::certificates::report::Report;
use super::certificates::rotation::Policy;
use super::configurations::Configurations;
use super::controller::run::Controller;
use super::events::{self, Events};
use super::farewell::with_farewell;
use super::lease::{Candidate, Times};
use super::logging::Level;
use super::metrics::Metrics;
use super::registration::desired;
use super::registration::keeper::{Surroundings, keep};
use super::routes::{self, Reviewer};
use super::server::{Limits, serve, tls};
use super::shared::Shared;
use super::succession::{Succession, holder};
use super::tasks::Tasks;
use super::{api_server, listener, signals, telemetry};
use crate::api::settings::{CertMode, Settings};
use axum::Router;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use rustls::ServerConfig;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// How long reviews are still taken after the process was told to end: until the API servers have noticed.
const FAREWELL: Duration = Duration::from_secs(5);

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
    let shared = Shared::new(&settings.webhook);

    // Whoever asks for our health is answered from the start.
    let ports = Ports::listen(&settings, &replica)?;
    let mut servers = Servers::default();
    servers.open("the server of probes", ports.health, None, routes::probes(shared.readiness(), level));
    servers.open("the server of metrics", ports.metrics, None, routes::metrics(metrics.clone()));

    let config = api_server::config().await?;
    let times = Times::default();
    let client = api_server::client(config.clone(), &metrics)?;
    let in_haste = api_server::client_in_haste(config, times.patience, &metrics)?;
    tokio::select! {
        () = api_server::answers(&client) => {}
        // Nobody has asked for a review yet.
        () = &mut told_to_end => return Ok(()),
    }

    let configurations = Configurations::new(&settings);
    let (events, notices) = Events::new(metrics.clone());
    let deadline = Duration::from_secs(settings.webhook.timeout_seconds.into()).mul_f64(0.8);
    let reviewer = Reviewer::new(configurations.clone(), metrics.clone(), events.clone(), deadline)
        .with_spans(telemetry.as_ref().and_then(telemetry::Telemetry::spans));
    let answers = with_farewell(routes::reviews(&settings.webhook.path, Arc::new(reviewer)), shared.ends.subscribe());
    let certificates = tls(Arc::clone(&shared.serving) as _)?;
    servers.open("the server of reviews", ports.reviews, Some(certificates), answers);

    let mut tasks = Tasks::default();
    let written = events::write(client.clone(), replica.identity.clone(), metrics.clone(), notices);
    tasks.spawn("the writer of events", written);
    tasks.spawn("the keeper of gauges", shared.clone().gauge(metrics.clone()));
    let work = Work { settings: &settings, replica: &replica, client, shared: &shared, events, metrics };
    work.follow(configurations, &mut tasks);
    work.keep_registration(&mut tasks);
    work.keep_certificates(&mut tasks);
    let mut lease = Tasks::default();
    work.want_to_lead(in_haste, times, &mut lease);
    tracing::info!(identity = replica.identity, version = env!("CARGO_PKG_VERSION"), "the webhook runs");

    let early = tokio::select! {
        () = told_to_end => {
            tracing::info!("told to end");
            None
        }
        early = servers.tasks.first_to_end() => Some(early),
        early = tasks.first_to_end() => Some(early),
        early = lease.first_to_end() => Some(early),
    };
    if let Some(task) = early {
        tracing::error!(task, "a task has ended that never should; ending");
    }
    // Not ready any more, and leader no more: another goes on while this one still answers.
    shared.ends.send_replace(true);
    tokio::time::sleep(FAREWELL).await;
    servers.drain().await;
    tasks.stop().await;
    // It says itself what went wrong with it.
    lease.all_to_end().await;
    if let Some(telemetry) = telemetry {
        telemetry.end().await;
    }
    early.map_or(Ok(()), |task| Err(Trouble::Ended(task)))
}

/// The ports, each listened on.
struct Ports {
    health: TcpListener,
    metrics: TcpListener,
    reviews: TcpListener,
}

impl Ports {
    fn listen(settings: &Settings, replica: &Replica) -> Result<Ports, Trouble> {
        let listen =
            |port| listener::listen(replica.address, port).map_err(|(address, error)| Trouble::Port(address, error));
        let webhook = &settings.webhook;
        Ok(Ports {
            health: listen(webhook.health_port)?,
            metrics: listen(webhook.metrics_port)?,
            reviews: listen(webhook.port)?,
        })
    }
}

/// The servers, which end together.
#[derive(Default)]
struct Servers {
    tasks: Tasks,
    stop: watch::Sender<bool>,
}

impl Servers {
    fn open(&mut self, name: &'static str, listener: TcpListener, tls: Option<Arc<ServerConfig>>, routes: Router) {
        let mut stop = self.stop.subscribe();
        let stopped = async move { drop(stop.wait_for(|stop| *stop).await) };
        self.tasks.spawn(name, serve(listener, tls, routes, Limits::default(), stopped));
    }

    /// Lets nobody in any more, and waits until what is under way is answered.
    async fn drain(&mut self) {
        self.stop.send_replace(true);
        self.tasks.all_to_end().await;
    }
}

/// What the tasks work with.
struct Work<'a> {
    settings: &'a Settings,
    replica: &'a Replica,
    client: Client,
    shared: &'a Shared,
    events: Events,
    metrics: Metrics,
}

impl Work<'_> {
    /// Follows the resources, and, where this replica leads, writes their statuses.
    fn follow(&self, configurations: Configurations, tasks: &mut Tasks) {
        let controller = Controller {
            client: self.client.clone(),
            settings: self.settings.clone(),
            field_manager: desired::manager(&self.settings.webhook),
            resources: configurations.resources(),
            events: self.events.clone(),
            metrics: self.metrics.clone(),
        };
        tasks.spawn("the controller", controller.run(self.shared.leads.subscribe()));
        let followed = configurations.follow(self.client.clone(), self.settings.clone(), self.shared.census.clone());
        tasks.spawn("the watch of AutoInstrumentations", followed);
    }

    /// Keeps the registration.
    fn keep_registration(&self, tasks: &mut Tasks) {
        let surroundings = Surroundings {
            leads: self.shared.leads.subscribe(),
            bundle: self.shared.wanted.subscribe(),
            readiness: self.shared.readiness(),
            registered: self.shared.registered.clone(),
            events: self.events.clone(),
            metrics: self.metrics.clone(),
        };
        let kept = keep(self.client.clone(), self.settings.webhook.clone(), surroundings);
        tasks.spawn("the keeper of the registration", kept);
    }

    /// Keeps our own certificates, or reads those that are provided.
    fn keep_certificates(&self, tasks: &mut Tasks) {
        const NAME: &str = "the keeper of certificates";
        let (webhook, shared) = (&self.settings.webhook, self.shared);
        let report = Report::new(self.events.clone(), self.metrics.clone(), self.replica.object(&webhook.namespace));
        let service = shared.service.clone();
        let serving = Arc::clone(&shared.serving);
        let registered = shared.registered.subscribe();
        let wanted = shared.wanted.clone();
        if let (CertMode::Provided, Some(folder)) = (webhook.cert_mode, &webhook.cert_dir) {
            let folder = PathBuf::from(folder);
            let provided = Provided { folder, service, serving, registered, wanted, report };
            tasks.spawn(NAME, provided.run());
            return;
        }
        let keeper = Keeper {
            secret: webhook.secret_name.clone(),
            service,
            policy: Policy::new(webhook.cert_validity, webhook.cert_refresh),
            cluster_role: webhook.cluster_role.clone(),
            field_manager: desired::manager(webhook),
            serving,
            leading: shared.leads.subscribe(),
            registered,
            wanted,
            report,
            metrics: self.metrics.clone(),
        };
        tasks.spawn(NAME, keeper.run(self.client.clone()));
    }

    /// Wants to lead, by a client that does not wait for long, and gives the Lease back when the process is to end.
    fn want_to_lead(&self, in_haste: Client, times: Times, tasks: &mut Tasks) {
        let (webhook, shared) = (&self.settings.webhook, self.shared);
        let candidate = Candidate {
            lease: webhook.lease().to_owned(),
            identity: holder(&self.replica.identity, webhook),
            succession: Succession::new(shared.waits()),
            times,
        };
        let (namespace, leads, ends) = (webhook.namespace.clone(), shared.leads.clone(), shared.ends.subscribe());
        let led = async move { candidate.run(in_haste, &namespace, leads, ends).await };
        tasks.spawn("the candidate for the Lease", led);
    }
}
