//! How a new replica with other settings comes to lead while an old one does. In an update the new one must be ready before
//! an old one goes, and it is ready only by what a leader writes: another Secret, a leaf for another Service, another CA in
//! the registration. The old leader would never write that, and would never go.
//!
//! So a replica that could be trusted if only it wrote, and is not, takes the Lease, if its holder is of other settings. A
//! replica that is ready never does, nor does one from another of the same settings: where a clock is wrong, or the API
//! server is ailing, nobody else would do better. What the old replicas serve stays trusted for as long as certificates
//! need to change: see `certificates::rotation`.

use super::lease;
use crate::api::settings::{CertMode, WebhookSettings};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How often is looked.
const LOOK: Duration = Duration::from_secs(1);

/// How long a replica waits for the leader that there is: longer than any leader of its own settings needs.
const PATIENCE: Duration = Duration::from_secs(5);

/// Between the name of a replica and what it leads for.
const SEPARATOR: char = '_';

/// What a replica of these settings is called as the holder of the Lease: its name, and a digest of all that a leader writes
/// for it to be ready.
pub fn holder(name: &str, settings: &WebhookSettings) -> String {
    let mode = match settings.cert_mode {
        CertMode::SelfSigned => "self-signed",
        CertMode::Provided => "provided",
    };
    let all = [&settings.service_name, &settings.secret_name, &settings.cluster_role, mode].join("\n");
    let digest: String = Sha256::digest(all).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("{name}{SEPARATOR}{digest}")
}

/// What a replica needs to take the Lease.
pub struct Succession {
    /// Where the Lease is.
    pub api: Api<Lease>,
    /// Its name.
    pub lease: String,
    /// This replica, as its [`holder`].
    pub holder: String,
    /// Whether this replica could be trusted if it wrote, and is not.
    pub waits: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl Succession {
    /// Waits until the Lease had to be taken, and whoever held it must have noticed.
    pub async fn taken(&self) {
        let mut since = Instant::now();
        loop {
            sleep(LOOK).await;
            if !(self.waits)() {
                since = Instant::now();
            } else if since.elapsed() >= PATIENCE {
                match self.take().await {
                    Ok(true) => return sleep(lease::RENEWAL + LOOK).await,
                    Ok(false) => {}
                    Err(error) => tracing::warn!(%error, lease = self.lease, "the Lease cannot be taken; trying again"),
                }
                since = Instant::now();
            }
        }
    }

    /// Takes the Lease, if its holder is of other settings.
    async fn take(&self) -> kube::Result<bool> {
        let found = self.api.get(&self.lease).await?;
        let Some(patch) = taken(&found, &self.holder, Timestamp::now()) else { return Ok(false) };
        let before = found.spec.and_then(|spec| spec.holder_identity);
        self.api.patch(&self.lease, &PatchParams::default(), &Patch::Merge(patch)).await?;
        tracing::info!(lease = self.lease, before, "the Lease is taken: its holder is of other settings");
        Ok(true)
    }
}

/// The patch by which a holder takes the Lease as it was found, unless nobody holds it, or somebody of the same settings.
fn taken(found: &Lease, holder: &str, now: Timestamp) -> Option<Json> {
    let spec = found.spec.as_ref()?;
    let before = spec.holder_identity.as_deref().filter(|before| !before.is_empty())?;
    let settings = |holder: &str| holder.rsplit_once(SEPARATOR).map(|(_, digest)| digest.to_owned());
    (settings(before) != settings(holder)).then(|| {
        json!({
            "metadata": { "resourceVersion": found.metadata.resource_version },
            "spec": {
                "holderIdentity": holder, "acquireTime": MicroTime(now), "renewTime": MicroTime(now),
                "leaseDurationSeconds": lease::DURATION,
                "leaseTransitions": spec.lease_transitions.unwrap_or_default() + 1,
            },
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::settings::{self, Settings};

    fn settings(name: &str, value: &str) -> WebhookSettings {
        settings::read([(name.to_owned(), value.to_owned())].into_iter()).unwrap().webhook
    }

    fn lease(holder: Option<&str>) -> Lease {
        serde_json::from_value(json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": { "resourceVersion": "7" },
            "spec": { "holderIdentity": holder, "leaseTransitions": 2 },
        }))
        .unwrap()
    }

    #[test]
    fn a_holder_is_known_by_what_it_leads_for() {
        let own = Settings::default().webhook;
        let names = ["WEBHOOK_SERVICE_NAME", "WEBHOOK_SECRET_NAME", "WEBHOOK_CLUSTER_ROLE"];
        let others = names.map(|name| holder("a", &settings(name, "other")));
        assert!(others.iter().all(|other| *other != holder("a", &own)), "{others:?}");
        assert_eq!(holder("a", &settings("WEBHOOK_FAILURE_POLICY", "Fail")), holder("a", &own));
        assert!(holder("a", &own).starts_with("a_"));
    }

    #[test]
    fn the_lease_is_taken_from_a_holder_of_other_settings_alone() {
        let take = |before| taken(&lease(before), "new_2", Timestamp::UNIX_EPOCH);
        let patch = take(Some("old_1")).unwrap();
        assert_eq!(patch["metadata"]["resourceVersion"], "7");
        assert_eq!(
            (&patch["spec"]["holderIdentity"], &patch["spec"]["leaseTransitions"]),
            (&json!("new_2"), &json!(3))
        );
        assert!(take(Some("of-an-older-version")).is_some());
        for before in [Some("other_2"), Some("new_2"), Some(""), None] {
            assert_eq!(take(before), None, "{before:?}");
        }
    }
}
