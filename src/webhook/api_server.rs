//! How the API server is spoken to: each answer has its time, and a watch that broke off is soon taken up again. What waits
//! without end for a connection that a load balancer has forgotten is as good as ended, and nobody would notice.

use super::counted::Counted;
use super::metrics::Metrics;
use super::proxy;
use axum::http::{Method, Request};
use futures::future::{BoxFuture, FutureExt, ready};
use futures::stream::{Stream, StreamExt};
use kube::client::{Body, ClientBuilder};
use kube::config::{InferConfigError, Kubeconfig};
use kube::runtime::WatchStreamExt;
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, Config, Resource};
use serde::de::DeserializeOwned;
use std::env;
use std::error::Error;
use std::fmt::Debug;
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use tower::layer::layer_fn;
use tower::{BoxError, Service};

/// How long the API server lets a watch be, in seconds. If it says nothing at all five seconds later, the watch is dead.
const WATCH: u32 = 60;

/// The longest silence of a connection on which something is waited for. More than that of a watch.
const SILENCE: Duration = Duration::from_secs(75);

/// How long a write may take: as long as the API server itself waits for a webhook of somebody else.
const WRITE: Duration = Duration::from_secs(10);

/// The first pause after a watch broke off; each next is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest: when the API server is back, what it says is known within seconds.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// The longest of a watch of one object, which asks for little and decides whom the API server trusts. One that starts
/// refuses it at first, and knows nothing of what was seen before then: it takes two or three attempts.
const LONGEST_PAUSE_OF_ONE: Duration = Duration::from_secs(1);

/// After so long without a failure the pauses begin anew.
const PEACE: Duration = Duration::from_secs(10);

/// How to reach the cluster that a kubeconfig names, or else the one around this pod.
///
/// # Errors
/// When there is neither.
pub async fn config() -> Result<Config, InferConfigError> {
    let mut config = Config::infer().await?;
    let file = Kubeconfig::read();
    if let Some(cluster) = file.as_ref().ok().and_then(proxy::current) {
        let found = proxy::proxy(cluster, &config.cluster_url, |name| env::var(name).ok());
        // What is no URL is an error before.
        config.proxy_url = found.unwrap_or(config.proxy_url);
    }
    Ok(config)
}

/// The client of everything that has time.
///
/// # Errors
/// A configuration that is not usable.
pub fn client(config: Config, metrics: &Metrics) -> kube::Result<Client> {
    built(config, SILENCE, metrics)
}

/// A client of short requests that must be answered, or tried again, within a few seconds.
///
/// # Errors
/// A configuration that is not usable.
pub fn client_in_haste(mut config: Config, patience: Duration, metrics: &Metrics) -> kube::Result<Client> {
    config.connect_timeout = Some(patience);
    built(config, patience, metrics)
}

fn built(mut config: Config, silence: Duration, metrics: &Metrics) -> kube::Result<Client> {
    config.read_timeout = Some(silence);
    // The time for which a connection was idle does not count.
    config.reset_reader_on_write = true;
    let counted = layer_fn(|service| Counted { service, metrics: metrics.clone() });
    Ok(ClientBuilder::try_from(config)?.with_layer(&layer_fn(Timely)).with_layer(&counted).build())
}

/// Waits until the API server answers. That it does not say its version to us is an answer, too.
pub async fn answers(client: &Client) {
    let mut pauses = Pauses::default();
    loop {
        match client.apiserver_version().await {
            Ok(version) => {
                tracing::info!(version = version.git_version, "the API server answers");
                return;
            }
            Err(kube::Error::Api(status)) if status.code != 429 && status.code < 500 => {
                tracing::info!(answer = status.message, "the API server answers, and does not say its version");
                return;
            }
            Err(error) => tracing::warn!(error = told(&error), "the API server does not answer; trying again"),
        }
        sleep(pauses.next().unwrap_or(LONGEST_PAUSE)).await;
    }
}

/// Lets each write be answered in time.
struct Timely<S>(S);

impl<S> Service<Request<Body>> for Timely<S>
where
    S: Service<Request<Body>, Error: Into<BoxError>, Response: 'static, Future: Send + 'static>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let writes = *request.method() != Method::GET;
        let answer = self.0.call(request);
        async move {
            if !writes {
                return answer.await.map_err(Into::into);
            }
            let late = |_| io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", WRITE.as_secs()));
            timeout(WRITE, answer).await.map_err(late)?.map_err(Into::into)
        }
        .boxed()
    }
}

/// Watches objects for ever.
pub fn watch<K>(api: Api<K>, which: watcher::Config) -> impl Stream<Item = watcher::Result<Event<K>>> + Send
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    watch_with(api, which, Pauses::default())
}

fn watch_with<K>(
    api: Api<K>,
    which: watcher::Config,
    pauses: Pauses,
) -> impl Stream<Item = watcher::Result<Event<K>>> + Send
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    watcher::watcher(api, which.timeout(WATCH)).backoff(pauses)
}

/// Watches the one object of a name for ever: what it is, none where it is not there.
pub fn watch_object<K>(api: Api<K>, name: &str) -> impl Stream<Item = watcher::Result<Option<K>>> + Send + use<K>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let only = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let seen = |listed: &mut Option<K>, event| {
        let seen = match event {
            Ok(Event::Init) => {
                *listed = None;
                None
            }
            Ok(Event::InitApply(object)) => {
                *listed = Some(object);
                None
            }
            Ok(Event::InitDone) => Some(Ok(listed.take())),
            Ok(Event::Apply(object)) => Some(Ok(Some(object))),
            Ok(Event::Delete(_)) => Some(Ok(None)),
            Err(error) => Some(Err(error)),
        };
        ready(Some(seen))
    };
    watch_with(api, only, Pauses::up_to(LONGEST_PAUSE_OF_ONE)).scan(None, seen).filter_map(ready)
}

/// What went wrong and why, without what was received: of an answer that cannot be read, errors show parts.
pub fn told(error: &(dyn Error + 'static)) -> String {
    let mut said = String::new();
    let mut next = Some(error);
    while let Some(one) = next {
        if one.is::<serde_json::Error>() {
            return "an answer of the API server cannot be read".to_owned();
        }
        // Some say their cause themselves, others leave it to who asks: that nobody listens, that a name is not known.
        let cause = one.to_string();
        if said.is_empty() {
            said = cause;
        } else if !said.contains(&cause) {
            said = format!("{said}: {cause}");
        }
        next = one.source();
    }
    said
}

/// The pauses of a watch.
#[derive(Debug)]
struct Pauses {
    longest: Duration,
    last: Option<(Instant, Duration)>,
}

impl Pauses {
    fn up_to(longest: Duration) -> Self {
        Pauses { longest, last: None }
    }
}

impl Default for Pauses {
    fn default() -> Self {
        Pauses::up_to(LONGEST_PAUSE)
    }
}

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let now = Instant::now();
        let grown = self.last.filter(|(since, _)| now.duration_since(*since) < PEACE);
        let pause = grown.map_or(FIRST_PAUSE, |(_, before)| (before * 2).min(self.longest));
        self.last = Some((now, pause));
        Some(pause)
    }
}

impl Backoff for Pauses {
    /// A watch says that it begins each time that it tries to: that is no success yet.
    fn reset(&mut self) {}
}

#[cfg(test)]
mod tests;
