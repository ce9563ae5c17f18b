//! The process of the webhook: what runs beside what, from the first request to the API server to the last answer.

use super::certificates::Service;
use super::certificates::keeper::Keeper;
use super::certificates::provided::Provided;
use super::certificates::registered::Registered;
use super::certificates::rotation::Policy;
use super::certificates::serving::Serving;
use super::configurations::{Configurations, Standing};
use super::controller::run::Controller;
use super::logging::Level;
use super::metrics::Metrics;
use super::registration::desired;
use super::routes::{Readiness, Reviewer};
use super::server::{Limits, serve, tls};
use super::{events, lease, registration, routes};
use crate::api::settings::{CertMode, Settings, WebhookSettings};
use axum::Router;
use kube::{Client, Config};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// The Lease of the replicas, in their namespace: what the manifests grant.
pub const LEASE: &str = "openlit-operator";

/// The first pause before an API server that does not answer is asked again; each next is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long reviews are still taken after the process was told to end: until the API servers have noticed.
const FAREWELL: Duration = Duration::from_secs(5);

/// How long the Lease may take to be given back.
const RELEASE: Duration = Duration::from_secs(2);

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
    /// TLS cannot be had.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// As whom a replica runs.
#[derive(Debug, Clone)]
pub struct Replica {
    /// Its name among the others: that of its pod.
    pub identity: String,
    /// The address that is listened on; all, without it.
    pub address: Option<IpAddr>,
}

/// Answers reviews until the process is told to end.
///
/// # Errors
/// Ports that are taken, and no cluster. Whatever is wrong later is logged and tried again.
pub async fn run(settings: Settings, replica: Replica, level: Level) -> Result<(), Trouble> {
    // kube and we share the provider of TLS.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let metrics = Arc::new(Metrics::default());
    let serving = Arc::new(Serving::default());
    let service =
        Service { name: settings.webhook.service_name.clone(), namespace: settings.webhook.namespace.clone() };
    let standing = watch::Sender::new(Standing::default());
    let registered = watch::Sender::new(Registered::default());
    let leads = watch::Sender::new(false);
    let ends = Arc::new(AtomicBool::new(false));
    let stop = watch::Sender::new(false);

    // Whoever asks for our health is answered from the start.
    let readiness = readiness(&standing, &registered, &serving, &service, &ends);
    let webhook = &settings.webhook;
    let health = listen(&replica, webhook.health_port).await?;
    let numbers = listen(&replica, webhook.metrics_port).await?;
    let reviews = listen(&replica, webhook.port).await?;
    let mut servers = JoinSet::new();
    let mut open = |listener, tls, routes: Router| {
        let mut stop = stop.subscribe();
        let stopped = async move { drop(stop.wait_for(|stop| *stop).await) };
        servers.spawn(serve(listener, tls, routes, Limits::default(), stopped));
    };
    open(health, None, routes::probes(readiness, level));
    open(numbers, None, routes::metrics(Arc::clone(&metrics)));

    let client = connect().await?;
    let configurations = Configurations::new(&settings);
    let (events, notices) = events::Events::new();
    let deadline = Duration::from_secs(webhook.timeout_seconds.into()).mul_f64(0.8);
    let reviewer = Arc::new(Reviewer::new(configurations.clone(), Arc::clone(&metrics), events.clone(), deadline));
    open(reviews, Some(tls(Arc::clone(&serving) as _)?), routes::reviews(&webhook.path, reviewer));

    let controller = Controller {
        client: client.clone(),
        settings: settings.clone(),
        field_manager: desired::manager(webhook),
        resources: configurations.resources(),
        events: events.clone(),
    };
    let mut tasks: Vec<JoinHandle<()>> = vec![
        tokio::spawn(controller.run(leads.subscribe())),
        tokio::spawn(configurations.follow(client.clone(), settings.clone(), standing.clone())),
        tokio::spawn(events::write(client.clone(), replica.identity.clone(), notices)),
        tokio::spawn(count(Arc::clone(&metrics), standing.subscribe(), leads.subscribe(), Arc::clone(&serving))),
    ];
    let wanted = watch::Sender::new(Vec::new());
    tasks.push(tokio::spawn(registration::keeper::keep(
        client.clone(),
        webhook.clone(),
        leads.subscribe(),
        Some(wanted.subscribe()),
        registered.clone(),
    )));
    tasks.push(match (webhook.cert_mode, &webhook.cert_dir) {
        (CertMode::Provided, Some(folder)) => {
            let folder = PathBuf::from(folder);
            let registered = registered.subscribe();
            tokio::spawn(Provided { folder, service, serving, registered, wanted: Some(wanted) }.run())
        }
        _ => tokio::spawn(keeper(webhook, service, serving, &leads, &registered, wanted).run(client.clone())),
    });
    let lease =
        tokio::spawn(lease::lead(client, webhook.namespace.clone(), LEASE.to_owned(), replica.identity.clone(), leads));
    tracing::info!(identity = replica.identity, version = env!("CARGO_PKG_VERSION"), "the webhook runs");

    told_to_end().await;
    tracing::info!("told to end");
    ends.store(true, Ordering::Relaxed);
    tokio::time::sleep(FAREWELL).await;
    stop.send_replace(true);
    while servers.join_next().await.is_some() {}
    // Without those who ask who leads, the Lease is given back.
    tasks.iter().for_each(JoinHandle::abort);
    for task in tasks {
        let _aborted = task.await;
    }
    if tokio::time::timeout(RELEASE, lease).await.is_err() {
        tracing::warn!("the Lease was not given back in time");
    }
    Ok(())
}

/// The client, once the API server answers.
async fn connect() -> Result<Client, Trouble> {
    let client = Client::try_from(Config::infer().await?)?;
    let mut pause = FIRST_PAUSE;
    loop {
        match client.apiserver_version().await {
            Ok(version) => {
                tracing::info!(version = version.git_version, "the API server answers");
                return Ok(client);
            }
            Err(error) => tracing::warn!(%error, "the API server does not answer; trying again"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// The keeper of our own certificates.
fn keeper(
    webhook: &WebhookSettings,
    service: Service,
    serving: Arc<Serving>,
    leads: &watch::Sender<bool>,
    registered: &watch::Sender<Registered>,
    wanted: watch::Sender<Vec<u8>>,
) -> Keeper {
    Keeper {
        secret: webhook.secret_name.clone(),
        service,
        policy: Policy::new(webhook.cert_validity, webhook.cert_refresh),
        labels: BTreeMap::from([("app.kubernetes.io/managed-by".to_owned(), "prelit".to_owned())]),
        owner: None,
        field_manager: desired::manager(webhook),
        serving,
        leading: leads.subscribe(),
        registered: registered.subscribe(),
        wanted,
    }
}

/// Ready is who knows all configurations and serves a certificate that the API servers trust.
fn readiness(
    standing: &watch::Sender<Standing>,
    registered: &watch::Sender<Registered>,
    serving: &Arc<Serving>,
    service: &Service,
    ends: &Arc<AtomicBool>,
) -> Arc<Readiness> {
    let (standing, registered) = (standing.subscribe(), registered.subscribe());
    let (serving, service, ends) = (Arc::clone(serving), service.clone(), Arc::clone(ends));
    Arc::new(move || {
        if ends.load(Ordering::Relaxed) {
            return Err("the process ends".to_owned());
        }
        if !standing.borrow().synced {
            return Err("the AutoInstrumentations are not known yet".to_owned());
        }
        let ages = registered.borrow().ages(Instant::now());
        serving
            .check(ages.iter().map(|(authority, _)| authority), &service, OffsetDateTime::now_utc())
            .map_err(|problem| format!("the certificate: {problem}"))
    })
}

/// Listens on a port of all addresses, of both families where the machine has them.
async fn listen(replica: &Replica, port: u16) -> Result<TcpListener, Trouble> {
    let all = [IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::UNSPECIFIED)];
    let addresses = replica.address.map_or(all.to_vec(), |address| vec![address]);
    let mut last = None;
    for address in addresses {
        let address = SocketAddr::new(address, port);
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok(listener),
            Err(error) => last = Some(Trouble::Port(address, error)),
        }
    }
    Err(last.unwrap_or_else(|| {
        let address = SocketAddr::new(all[0], port);
        Trouble::Port(address, io::ErrorKind::AddrNotAvailable.into())
    }))
}

/// Keeps the gauges.
async fn count(
    metrics: Arc<Metrics>,
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

/// Waits for the signals that end a process.
async fn told_to_end() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        // Without a handler, the signal ends the process by itself.
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminated.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    let _ended = tokio::signal::ctrl_c().await;
}
