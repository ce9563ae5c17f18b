//! How a new replica with other settings comes to lead while an old one does. In an update the new one must be ready before
//! an old one goes, and it is ready only by what a leader writes: another Secret, a leaf for another Service, another CA in
//! the registration. The old leader would never write that, and would never go.
//!
//! So a replica that could be trusted if only it wrote, and is not, takes the Lease, if its holder is of other settings. A
//! replica that is ready never does, nor does one from another of the same settings: where a clock is wrong, or the API
//! server is ailing, nobody else would do better. What the old replicas serve stays trusted for as long as certificates
//! need to change: see `certificates::rotation`.

use crate::api::settings::{CertMode, WebhookSettings};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::time::{Duration, Instant};

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

/// Whether who is called so leads for other settings than this holder.
pub fn differs(other: &str, holder: &str) -> bool {
    let settings = |holder: &str| holder.rsplit_once(SEPARATOR).map(|(_, digest)| digest.to_owned());
    settings(other) != settings(holder)
}

/// A replica that may have to lead in place of one of other settings.
pub struct Succession {
    /// Whether it could be trusted if it wrote, and is not.
    waits: Arc<dyn Fn() -> bool + Send + Sync>,
    since: Option<Instant>,
    patience: Duration,
}

impl Succession {
    /// Of a replica that says whether it could be trusted if only it wrote, and is not.
    pub fn new(waits: Arc<dyn Fn() -> bool + Send + Sync>) -> Self {
        Succession { waits, since: None, patience: PATIENCE }
    }

    /// The same with less patience.
    #[cfg(test)]
    pub(super) fn hasty(waits: bool, patience: Duration) -> Self {
        Succession { patience, ..Succession::new(Arc::new(move || waits)) }
    }

    /// Whether it has waited for too long.
    pub fn is_due(&mut self, now: Instant) -> bool {
        if !(self.waits)() {
            self.since = None;
            return false;
        }
        now.saturating_duration_since(*self.since.get_or_insert(now)) >= self.patience
    }
}

impl std::fmt::Debug for Succession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Succession").field("since", &self.since).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::settings::{self, Settings};
    use std::sync::atomic::{AtomicBool, Ordering};

    fn settings(name: &str, value: &str) -> WebhookSettings {
        settings::read([(name.to_owned(), value.to_owned())].into_iter()).unwrap().webhook
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
    fn only_a_holder_of_other_settings_differs() {
        assert!(differs("old_1", "new_2") && differs("of-an-older-version", "new_2"));
        assert!(!differs("other_2", "new_2") && !differs("new_2", "new_2"));
    }

    #[test]
    fn who_waits_without_a_break_is_due() {
        let waits = Arc::new(AtomicBool::new(true));
        let asked = Arc::clone(&waits);
        let mut succession = Succession::new(Arc::new(move || asked.load(Ordering::Relaxed)));
        let (begun, later) = (Instant::now(), |seconds| Duration::from_secs(seconds));
        assert!(!succession.is_due(begun) && !succession.is_due(begun + later(4)));
        assert!(succession.is_due(begun + later(5)));
        waits.store(false, Ordering::Relaxed);
        assert!(!succession.is_due(begun + later(6)));
        waits.store(true, Ordering::Relaxed);
        assert!(!succession.is_due(begun + later(7)) && !succession.is_due(begun + later(11)));
        assert!(succession.is_due(begun + later(12)));
    }
}
