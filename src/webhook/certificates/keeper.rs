//! The task that keeps our own certificates: watches the one Secret, serves what it holds, and, where this replica leads,
//! writes what `rotation` says. Everything that fails is tried again.

use super::Service;
use super::certificate::{Certificate, to_pem};
use super::material::{Data, KEYS, Material};
use super::pause::Pause;
use super::problem::Problem;
use super::registered::{Age, Registered};
use super::report::Report;
use super::rotation::{Change, Next, Policy, Seen, Situation, carry_out, decide, wanted};
use super::serving::{Identity, Serving, Swap, swap};
use crate::webhook::api_server::{told, watch_object};
use crate::webhook::metrics::{Metrics, Object};
use crate::webhook::owner::{NoOwner, Owner};
use futures::StreamExt;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, PostParams, Preconditions};
use kube::{Api, Client};
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use tokio::sync::watch;
use tracing::{info, warn};

/// The type of the Secret.
const SECRET_TYPE: &str = "kubernetes.io/tls";

/// How long the leader waits, before it writes at first, to hear what is registered: CAs that are must be kept.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long nothing is done where nothing is known to come.
const LONG: Duration = Duration::from_secs(60);

/// Keeps our own certificates in a Secret.
#[derive(Debug)]
pub struct Keeper {
    /// The Secret, in the namespace of the Service.
    pub secret: String,
    /// What leaves are made for.
    pub service: Service,
    /// How long they live.
    pub policy: Policy,
    /// Whose the Secret is, so that it goes when that goes.
    pub cluster_role: String,
    /// As whom we write.
    pub field_manager: String,
    /// Where what is served is put.
    pub serving: Arc<Serving>,
    /// Whether this replica leads, and writes.
    pub leading: watch::Receiver<bool>,
    /// What is registered.
    pub registered: watch::Receiver<Registered>,
    /// What is to be registered (PEM); empty at first.
    pub wanted: watch::Sender<Vec<u8>>,
    /// Who is told what is wrong.
    pub report: Report,
    /// Where it is counted what was written.
    pub metrics: Metrics,
}

/// What the task knows between two steps.
struct State {
    api: Api<Secret>,
    secret: Option<Secret>,
    /// Whether anybody has looked for the Secret.
    known: bool,
    seen: Seen,
    /// Since when this replica could write.
    started: Instant,
    pause: Pause,
}

impl Keeper {
    /// Keeps them until it is dropped.
    pub async fn run(mut self, client: Client) {
        let api = Api::namespaced(client, &self.service.namespace);
        let mut seen = pin!(watch_object(api.clone(), &self.secret));
        let mut state = State {
            api,
            secret: None,
            known: false,
            seen: Seen::default(),
            started: Instant::now(),
            pause: Pause::default(),
        };
        let mut wait = LONG;
        loop {
            tokio::select! {
                secret = seen.next() => match secret {
                    Some(Ok(secret)) => self.see(&mut state, secret),
                    Some(Err(error)) => {
                        warn!(error = told(&error), secret = self.secret, "cannot watch the certificates");
                    }
                    None => return,
                },
                Ok(()) = self.leading.changed() => state.started = Instant::now(),
                Ok(()) = self.registered.changed() => {}
                () = tokio::time::sleep(wait) => {}
            }
            wait = self.step(&mut state).await;
        }
    }

    /// Takes in what the Secret is now.
    fn see(&self, state: &mut State, secret: Option<Secret>) {
        let data: Option<Data> = secret.as_ref().map(|secret| {
            let data = secret.data.clone().unwrap_or_default();
            data.into_iter().map(|(key, ByteString(value))| (key, value)).collect()
        });
        state.seen.see(data.as_ref(), &self.service, Instant::now());
        (state.secret, state.known) = (secret, true);
    }

    /// Tells what is wrong with what was found.
    fn tell(&mut self, seen: &Seen, now: OffsetDateTime) {
        let mut problems = [&seen.found.problems[..], &seen.found.check_time(now)].concat();
        // Before there was anything, it is the beginning.
        if seen.remembered.leaf.is_none() {
            problems.retain(|problem| *problem != Problem::Absent);
        }
        self.report.found(&self.place(), &problems);
    }

    fn place(&self) -> String {
        format!("Secret {}", self.secret)
    }

    /// Serves, decides, writes; says how long nothing is to be done.
    async fn step(&mut self, state: &mut State) -> Duration {
        if !state.known {
            return LONG;
        }
        let (instant, now) = (Instant::now(), OffsetDateTime::now_utc());
        let registered = self.registered.borrow_and_update().clone();
        let ages = registered.ages(instant);
        self.tell(&state.seen, now);
        let wait = self.serve(&state.seen.found, &ages, now);
        let situation = Situation {
            found: &state.seen.found,
            remembered: &state.seen.remembered,
            issuer_age: state.seen.issuer_age(instant),
            registered: &ages,
            now,
        };
        if let Some(bundle) = wanted(&self.policy, &situation) {
            self.publish(bundle);
        }
        let change = match decide(&self.policy, &situation) {
            Next::Wait(longest) => {
                state.pause = Pause::default();
                return wait.min(longest.unsigned_abs());
            }
            Next::Do(_) if !*self.leading.borrow_and_update() => {
                return wait.min(self.policy.notice().unsigned_abs());
            }
            Next::Do(change) => change,
        };
        let patience = (state.started + PATIENCE).saturating_duration_since(instant);
        let heard = if registered.is_known() { Duration::ZERO } else { patience };
        let pause = heard.max(state.pause.left(instant));
        if !pause.is_zero() {
            return wait.min(pause);
        }
        let made = match carry_out(change, &self.policy, &self.service, &situation) {
            Ok(made) => made,
            Err(error) => {
                warn!(%error, "cannot {}", change.word());
                state.pause.failed(instant);
                return wait.min(state.pause.left(instant));
            }
        };
        match self.write(state, &made).await {
            Ok(()) => {
                state.pause.wrote(instant);
                self.metrics.wrote(Object::Certificates);
                self.told(change, &made);
            }
            Err(error) => {
                state.pause.failed(instant);
                let why = told(&error);
                warn!(error = why, secret = self.secret, "cannot write the certificates, to {}", change.word());
                // Another replica that has just written is no trouble.
                if !matches!(&error, NoOwner::ApiServer(kube::Error::Api(status)) if status.code == 409) {
                    self.report.not_written(&self.place(), &why);
                }
            }
        }
        wait.min(state.pause.left(instant))
    }

    /// Serves what was found, when it is time to; says how long that is.
    fn serve(&self, found: &Material, registered: &[Age], now: OffsetDateTime) -> Duration {
        let current = self.serving.current();
        let Some(leaf) = &found.leaf else { return LONG };
        if current.as_ref().is_some_and(|current| *current.certificate() == leaf.certificate) {
            return LONG;
        }
        let identity = match Identity::new(leaf.chain.clone(), &leaf.key) {
            Ok(identity) => identity,
            Err(problem) => {
                warn!(%problem, "cannot serve the certificate");
                return LONG;
            }
        };
        let fingerprint = leaf.certificate.fingerprint();
        match swap(current.as_deref(), &identity, registered, self.policy.notice(), &self.service, now) {
            Swap::Now => {
                info!(certificate = fingerprint, until = %leaf.certificate.end(), "serving a new certificate");
                self.serving.set(Arc::new(identity));
                LONG
            }
            Swap::In(time) => time.unsigned_abs(),
            Swap::Hold => LONG,
        }
    }

    /// Says what is to be registered.
    fn publish(&self, bundle: &[Certificate]) {
        let bundle = to_pem(bundle);
        self.wanted.send_if_modified(|wanted| {
            let changed = *wanted != bundle;
            *wanted = bundle;
            changed
        });
    }

    fn told(&self, change: Change, made: &Material) {
        let leaf = made.leaf.as_ref().map(|leaf| leaf.certificate.fingerprint()).unwrap_or_default();
        let trusted: Vec<String> = made.bundle.iter().map(Certificate::fingerprint).collect();
        info!(secret = self.secret, certificate = leaf, authorities = trusted.join(" "), "{}", change.word());
    }

    /// Writes the Secret in place of the one that was found, and of no other.
    async fn write(&self, state: &State, made: &Material) -> Result<(), NoOwner> {
        let owner = Owner::find(state.api.clone().into_client(), &self.cluster_role).await?.reference();
        let params = PostParams { field_manager: Some(self.field_manager.clone()), ..PostParams::default() };
        let mut secret = state.secret.clone().unwrap_or_else(|| self.empty());
        let mut data = secret.data.take().unwrap_or_default();
        data.retain(|key, _| !KEYS.contains(&key.as_str()));
        data.extend(made.data().into_iter().filter_map(|(key, value)| Some((key.to_owned(), ByteString(value?)))));
        secret.data = Some(data);
        let owners = secret.metadata.owner_references.get_or_insert_default();
        if !owners.contains(&owner) {
            owners.push(owner);
        }
        let Some(found) = &state.secret else {
            state.api.create(&params, &secret).await?;
            return Ok(());
        };
        if found.immutable != Some(true) && found.type_.as_deref() == Some(SECRET_TYPE) {
            state.api.replace(&self.secret, &params, &secret).await?;
            return Ok(());
        }
        // Such a Secret cannot be changed into ours. Only the one that was found is deleted.
        let only = Preconditions {
            resource_version: found.metadata.resource_version.clone(),
            uid: found.metadata.uid.clone(),
        };
        let delete = DeleteParams { preconditions: Some(only), ..DeleteParams::default() };
        state.api.delete(&self.secret, &delete).await?;
        let mut anew = Secret { data: secret.data, ..self.empty() };
        anew.metadata.owner_references = secret.metadata.owner_references;
        state.api.create(&params, &anew).await?;
        Ok(())
    }

    /// A Secret of ours that holds nothing.
    fn empty(&self) -> Secret {
        let mut secret = Secret { type_: Some(SECRET_TYPE.to_owned()), ..Secret::default() };
        secret.metadata.name = Some(self.secret.clone());
        secret.metadata.namespace = Some(self.service.namespace.clone());
        let label = ("app.kubernetes.io/managed-by".to_owned(), "prelit".to_owned());
        secret.metadata.labels = Some(BTreeMap::from([label]));
        secret
    }
}

#[cfg(test)]
mod tests;
