//! Which replica writes: the holder of one Lease. What it writes carries a `resourceVersion` all the same, so that two
//! that both believe to lead do no harm.
//!
//! Who holds the Lease leads until it ends, and no longer: an API server that does not answer for a while is no reason to
//! forget everything, and one that never answers again is no reason to go on.

use axum::http::{Method, Request};
use futures::future::OptionFuture;
use kube::Client;
use kube::client::Body;
use kube_lease_manager::LeaseManagerBuilder;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tower::service_fn;

/// The times of a Lease.
#[derive(Debug, Clone, Copy)]
struct Times {
    /// How long a leader that is gone is waited for.
    duration: Duration,
    /// How long before that a leader that lives says so again.
    grace: Duration,
    /// How long to wait for an API server that does not answer.
    retry: Duration,
}

const TIMES: Times =
    Times { duration: Duration::from_secs(15), grace: Duration::from_secs(5), retry: Duration::from_secs(1) };

/// How long one answer may take: so that there is time for a second attempt before the Lease ends.
pub const PATIENCE: Duration = Duration::from_secs(3);

/// What is held, and by whom.
#[derive(Debug)]
struct Claim {
    namespace: String,
    name: String,
    identity: String,
    times: Times,
}

/// Tries to lead for as long as somebody listens, and gives the Lease back then.
pub async fn lead(client: Client, namespace: String, name: String, identity: String, leads: watch::Sender<bool>) {
    Claim { namespace, name, identity, times: TIMES }.lead(client, leads).await;
}

/// The same client, which notes when it wrote last. The moment before counts, since the Lease runs from then.
fn noting(client: Client, namespace: &str, renewed: watch::Sender<Option<Instant>>) -> Client {
    let send = move |request: Request<Body>| {
        let (client, renewed) = (client.clone(), renewed.clone());
        async move {
            let (asked, writes) = (Instant::now(), *request.method() == Method::PATCH);
            let answer = client.send(request).await?;
            if writes && answer.status().is_success() {
                renewed.send_replace(Some(asked));
            }
            Ok::<_, kube::Error>(answer)
        }
    };
    Client::new(service_fn(send), namespace)
}

impl Claim {
    async fn lead(&self, client: Client, leads: watch::Sender<bool>) {
        let (renewed, holds) = (watch::Sender::new(None), watch::Sender::new(false));
        let client = noting(client, &self.namespace, renewed.clone());
        tokio::select! {
            () = self.hold(&client, &renewed, &holds, &leads) => {}
            () = self.tell(renewed.subscribe(), holds.subscribe(), &leads) => {}
        }
    }

    /// Holds the Lease whenever it can be had, until nobody listens any more.
    async fn hold(
        &self,
        client: &Client,
        renewed: &watch::Sender<Option<Instant>>,
        holds: &watch::Sender<bool>,
        leads: &watch::Sender<bool>,
    ) {
        let Claim { namespace, name, identity, times } = self;
        while !leads.is_closed() {
            let manager = LeaseManagerBuilder::new(client.clone(), name)
                .with_namespace(namespace)
                .with_identity(identity)
                .with_duration(times.duration.as_secs())
                .with_grace(times.grace.as_secs())
                .build()
                .await;
            let manager = match manager {
                Ok(manager) => manager,
                Err(error) => {
                    tracing::warn!(%error, lease = name, "the Lease cannot be read; trying again");
                    sleep(times.retry).await;
                    continue;
                }
            };
            loop {
                tokio::select! {
                    () = leads.closed() => {
                        // The next leader need not wait for the end of it.
                        let _expires = manager.release().await;
                        return;
                    }
                    changed = manager.changed() => match changed {
                        Ok(now) => {
                            if now && renewed.borrow().is_none() {
                                // A process that was started anew in its pod finds it held, and has written nothing yet.
                                renewed.send_replace(Some(Instant::now()));
                            }
                            holds.send_replace(now);
                        }
                        Err(error) => {
                            tracing::warn!(%error, lease = name, "the Lease cannot be kept; trying again");
                            sleep(times.retry).await;
                            if !*leads.borrow() {
                                // It may be gone: then it is made anew.
                                holds.send_replace(false);
                                break;
                            }
                        }
                    },
                }
            }
        }
    }

    /// Says who leads: whoever holds the Lease, until it ends.
    async fn tell(
        &self,
        mut renewed: watch::Receiver<Option<Instant>>,
        mut holds: watch::Receiver<bool>,
        leads: &watch::Sender<bool>,
    ) {
        loop {
            let (last, held) = (*renewed.borrow_and_update(), *holds.borrow_and_update());
            let end = last.filter(|_| held).map(|last| last + self.times.duration).filter(|end| *end > Instant::now());
            let leader = end.is_some();
            if leads.send_if_modified(|before| std::mem::replace(before, leader) != leader) {
                tracing::info!(leader, lease = self.name, "leadership changed");
            }
            tokio::select! {
                Ok(()) = renewed.changed() => {}
                Ok(()) = holds.changed() => {}
                Some(()) = OptionFuture::from(end.map(sleep_until)) => {}
                else => return,
            }
        }
    }
}

#[cfg(test)]
mod tests;
