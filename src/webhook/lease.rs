//! Which replica writes: the holder of one Lease. What it writes carries a `resourceVersion` all the same, so that two
//! that both believe to lead do no harm.

use super::succession::Succession;
use kube_lease_manager::LeaseManagerBuilder;
use std::time::Duration;
use tokio::sync::watch;

/// How long a leader that is gone is waited for, in seconds: what it should have repaired is repaired a second later.
pub const DURATION: u64 = 10;

/// How long before that a leader that lives says so again, in seconds: it does every three.
const GRACE: u64 = 7;

/// How long a leader may not know that it is none any more.
pub const RENEWAL: Duration = Duration::from_secs(DURATION - GRACE);

/// How long to wait for an API server that does not answer.
const RETRY: Duration = Duration::from_secs(1);

/// Tries to lead for as long as somebody listens, and gives the Lease back then.
pub async fn lead(succession: Succession, leads: watch::Sender<bool>) {
    let Succession { api, lease: name, holder: identity, .. } = &succession;
    let (client, namespace) = (api.clone().into_client(), api.namespace().unwrap_or_default().to_owned());
    while !leads.is_closed() {
        let manager = LeaseManagerBuilder::new(client.clone(), name.clone())
            .with_namespace(namespace.clone())
            .with_identity(identity.clone())
            .with_duration(DURATION)
            .with_grace(GRACE)
            .build()
            .await;
        let manager = match manager {
            Ok(manager) => manager,
            Err(error) => {
                tracing::warn!(%error, lease = name, "the Lease cannot be read; trying again");
                tokio::time::sleep(RETRY).await;
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
                // A manager that begins anew sees at once that it holds it.
                () = succession.taken() => break,
                changed = manager.changed() => match changed {
                    Ok(now) => {
                        tracing::info!(leader = now, lease = name, "leadership changed");
                        leads.send_replace(now);
                    }
                    Err(error) => {
                        tracing::warn!(%error, lease = name, "the Lease cannot be kept; trying again");
                        leads.send_replace(false);
                        tokio::time::sleep(RETRY).await;
                        break;
                    }
                },
            }
        }
    }
}
