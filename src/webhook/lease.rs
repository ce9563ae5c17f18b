//! Which replica writes: the holder of one Lease. What it writes carries a `resourceVersion` all the same, so that two
//! that both believe to lead do no harm.
//!
//! Nobody's time of the day counts. Who wants to lead watches whether the Lease is renewed, by a clock of its own that is
//! never put back, and takes one that was not for its whole length. Who leads holds itself for the leader for a shorter
//! time than that after each renewal. Every write is for the version of the Lease that was found, so that of two who want
//! it one gets it. A leader that ends gives it back, and others, who look every other second, need not wait for its end. Who
//! takes it from a leader of other settings (see `succession`) does not lead before that one must have noticed.

use super::api_server;
use super::succession::{Succession, differs};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value as Json, json};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// How long things take.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// How long a leader that is gone is waited for.
    pub length: Duration,
    /// How long after a renewal the leader holds itself for one.
    pub sure: Duration,
    /// Between two renewals.
    pub renew: Duration,
    /// Between two looks of the others.
    pub look: Duration,
    /// For an API server that does not answer, and before it is asked again.
    pub patience: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Times {
            length: Duration::from_secs(15),
            sure: Duration::from_secs(10),
            renew: Duration::from_secs(3),
            look: Duration::from_secs(2),
            patience: Duration::from_secs(2),
        }
    }
}

/// What is to be done about the Lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// There is none.
    Create,
    /// It is nobody's, or was not renewed.
    Take,
    /// It is held for other settings, and ours wait in vain.
    Succeed,
    /// It is ours.
    Renew,
    /// It is another's.
    Wait,
}

/// What is to be done about a Lease that has said the same for so long, by who may have to succeed its holder.
fn decide(found: Option<&LeaseSpec>, identity: &str, same_for: Duration, is_due: bool, times: &Times) -> Step {
    let Some(found) = found else { return Step::Create };
    match found.holder_identity.as_deref().unwrap_or_default() {
        "" => Step::Take,
        holder if holder == identity => Step::Renew,
        _ if same_for >= times.length => Step::Take,
        holder if is_due && differs(holder, identity) => Step::Succeed,
        _ => Step::Wait,
    }
}

/// What a Lease says, and since when this process has seen it say so.
#[derive(Debug, Default)]
struct Watched(Option<(LeaseSpec, Instant)>);

impl Watched {
    /// Takes in what it says now; for how long it has said so.
    fn see(&mut self, found: &LeaseSpec, now: Instant) -> Duration {
        let before = self.0.take_if(|(before, _)| before == found);
        let (_, since) = self.0.insert(before.unwrap_or_else(|| (found.clone(), now)));
        now.saturating_duration_since(*since)
    }
}

/// A replica that wants to lead.
#[derive(Debug)]
pub struct Candidate {
    /// The Lease, in the namespace of the replicas.
    pub lease: String,
    /// Its own name, as a [`holder`](super::succession::holder): whoever has it is this replica, or was it before a restart.
    pub identity: String,
    /// Whether it may have to succeed a leader of other settings.
    pub succession: Succession,
    /// How long things take.
    pub times: Times,
}

/// What a candidate knows between two steps.
struct State {
    api: Api<Lease>,
    watched: Watched,
    /// When the last renewal was asked for.
    renewed: Option<Instant>,
    /// Before this, another may not know that it leads no more.
    from: Instant,
}

impl Candidate {
    /// Wants to lead until the process is to end, and gives the Lease back then.
    pub async fn run(
        mut self,
        client: Client,
        namespace: &str,
        leads: watch::Sender<bool>,
        mut ends: watch::Receiver<bool>,
    ) {
        let api = Api::namespaced(client, namespace);
        let mut state = State { api, watched: Watched::default(), renewed: None, from: Instant::now() };
        let lives = async {
            loop {
                let pause = self.step(&mut state, &leads).await;
                sleep(pause).await;
            }
        };
        tokio::select! {
            () = lives => {}
            _ = ends.wait_for(|ends| *ends) => {}
        }
        self.tell(&leads, false);
        let patience = self.times.patience;
        match timeout(patience, self.give_back(&state.api)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, lease = self.lease, "the Lease was not given back"),
            Err(_) => tracing::warn!(lease = self.lease, "the Lease was not given back in time"),
        }
    }

    /// Tries once, and says how long to wait.
    async fn step(&mut self, state: &mut State, leads: &watch::Sender<bool>) -> Duration {
        let Times { sure, renew, look, patience, .. } = self.times;
        let now = Instant::now();
        let left = state.renewed.map(|at| (at + sure).saturating_duration_since(now));
        let error = match timeout(left.unwrap_or(patience).min(patience), self.attempt(state, now)).await {
            Ok(Ok(holds)) => {
                state.renewed = holds.then_some(now);
                self.tell(leads, holds && now >= state.from);
                return if holds { renew } else { look };
            }
            // Somebody else has written it. It is looked at again.
            Ok(Err(kube::Error::Api(status))) if status.code == 409 => None,
            Ok(Err(error)) => Some(api_server::told(&error)),
            Err(_) => Some("the API server does not answer".to_owned()),
        };
        if let Some(error) = error {
            tracing::warn!(error, lease = self.lease, "the Lease cannot be read or written; trying again");
        }
        if state.renewed.is_some_and(|at| at.elapsed() >= sure) {
            state.renewed = None;
            self.tell(leads, false);
        }
        patience / 2
    }

    /// Does what is to be done, and says whether the Lease is ours.
    async fn attempt(&mut self, state: &mut State, now: Instant) -> kube::Result<bool> {
        let found = state.api.get_opt(&self.lease).await?;
        let spec = found.as_ref().map(|found| found.spec.clone().unwrap_or_default());
        let same_for = spec.as_ref().map_or(Duration::ZERO, |spec| state.watched.see(spec, now));
        let is_due = self.succession.is_due(now);
        let step = decide(spec.as_ref(), &self.identity, same_for, is_due, &self.times);
        let version = found.and_then(|found| found.resource_version());
        let mut wanted = json!({
            "holderIdentity": self.identity, "leaseDurationSeconds": self.times.length.as_secs().max(1),
            "renewTime": MicroTime(Timestamp::now()),
        });
        match step {
            Step::Wait => return Ok(false),
            Step::Renew => {}
            Step::Create | Step::Take | Step::Succeed => {
                wanted["acquireTime"] = wanted["renewTime"].clone();
                wanted["leaseTransitions"] = json!(spec.and_then(|spec| spec.lease_transitions).unwrap_or(0) + 1);
            }
        }
        if step == Step::Create {
            let spec = serde_json::from_value(wanted).map_err(kube::Error::SerdeError)?;
            let metadata = ObjectMeta { name: Some(self.lease.clone()), ..ObjectMeta::default() };
            state.api.create(&PostParams::default(), &Lease { metadata, spec }).await?;
        } else {
            self.write(&state.api, version, &wanted).await?;
        }
        if step == Step::Succeed {
            tracing::info!(lease = self.lease, "the Lease is taken: its holder is of other settings");
            state.from = now + self.times.sure;
        }
        Ok(true)
    }

    async fn give_back(&self, api: &Api<Lease>) -> kube::Result<()> {
        let Some(found) = api.get_opt(&self.lease).await? else { return Ok(()) };
        let version = found.resource_version();
        if found.spec.and_then(|spec| spec.holder_identity).as_ref() != Some(&self.identity) {
            return Ok(());
        }
        let nobody = json!({ "holderIdentity": null, "renewTime": null, "acquireTime": null });
        self.write(api, version, &nobody).await
    }

    /// Writes the version that was found, and no other.
    async fn write(&self, api: &Api<Lease>, version: Option<String>, spec: &Json) -> kube::Result<()> {
        let patch = json!({ "metadata": { "resourceVersion": version }, "spec": spec });
        api.patch(&self.lease, &PatchParams::default(), &Patch::Merge(patch)).await.map(drop)
    }

    fn tell(&self, leads: &watch::Sender<bool>, now: bool) {
        if leads.send_replace(now) != now {
            tracing::info!(leader = now, lease = self.lease, "leadership changed");
        }
    }
}

#[cfg(test)]
mod tests;
