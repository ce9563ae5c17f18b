//! What is registered as `caBundle`, and since when this process has seen it there. By the process's own clock, which is
//! never put back.

use super::certificate::Certificate;
use std::time::Instant;
use time::Duration;

/// How long what was registered counts for readiness: a configuration that was deleted or changed is repaired in less, even
/// if the replica that does it has just died and another must take over. Replicas that all left their Service for that would
/// be missing when it is there again.
const LATELY: std::time::Duration = std::time::Duration::from_secs(20);

/// A CA and for how long it has been registered, as far as is known.
pub type Age = (Certificate, Duration);

/// The CAs that are registered. The default: nobody has looked yet.
#[derive(Debug, Clone, Default)]
pub struct Registered {
    since: Vec<(Certificate, Instant)>,
    /// Those that were, and until when.
    until: Vec<(Certificate, Instant)>,
    known: bool,
}

impl Registered {
    /// Takes in what is registered now: the `caBundle` (PEM), empty where nothing is registered.
    pub fn see(&mut self, bundle: &[u8], now: Instant) {
        let (certificates, _) = Certificate::read_all(bundle);
        let before = std::mem::take(&mut self.since);
        let since = |one: &Certificate| before.iter().find(|(seen, _)| seen == one).map_or(now, |(_, since)| *since);
        self.since = certificates.into_iter().map(|one| (since(&one), one)).map(|(since, one)| (one, since)).collect();
        self.until.extend(before.into_iter().map(|(one, _)| (one, now)));
        self.until.retain(|(_, until)| now.saturating_duration_since(*until) < LATELY);
        self.known = true;
    }

    /// Whether anybody has looked.
    pub fn is_known(&self) -> bool {
        self.known
    }

    /// The CAs that are registered, or were a moment ago.
    pub fn lately(&self, now: Instant) -> Vec<Certificate> {
        let until = self.until.iter().filter(|(_, until)| now.saturating_duration_since(*until) < LATELY);
        self.since.iter().chain(until).map(|(one, _)| one.clone()).collect()
    }

    /// The CAs, and for how long each has been there.
    pub fn ages(&self, now: Instant) -> Vec<Age> {
        let age = |since| Duration::try_from(now.saturating_duration_since(since)).unwrap_or(Duration::MAX);
        self.since.iter().map(|(one, since)| (one.clone(), age(*since))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::certificate::to_pem;
    use super::super::material::tests::authority;
    use super::*;

    #[test]
    fn each_ca_has_an_age_of_its_own() {
        let (one, two) = (authority(), authority());
        let (one, two) = (one.certificate(), two.certificate());
        let start = Instant::now();
        let at = |seconds| start + std::time::Duration::from_secs(seconds);
        let mut registered = Registered::default();
        assert!(!registered.is_known());
        registered.see(&to_pem([one]), at(0));
        registered.see(&to_pem([two, one]), at(10));
        assert_eq!(
            registered.ages(at(15)),
            [(two.clone(), Duration::seconds(5)), (one.clone(), Duration::seconds(15))]
        );
        registered.see(b"nonsense", at(20));
        assert!(registered.is_known() && registered.ages(at(20)).is_empty());
        registered.see(&to_pem([one]), at(30));
        assert_eq!(registered.ages(at(30)), [(one.clone(), Duration::ZERO)]);
    }

    #[test]
    fn what_was_registered_counts_for_a_moment() {
        let one = authority();
        let one = one.certificate();
        let start = Instant::now();
        let at = |seconds| start + std::time::Duration::from_secs(seconds);
        let mut registered = Registered::default();
        registered.see(&to_pem([one]), at(0));
        registered.see(b"", at(60));
        assert!(registered.ages(at(60)).is_empty());
        assert_eq!(registered.lately(at(79)), std::slice::from_ref(one));
        registered.see(b"", at(79));
        assert_eq!(registered.lately(at(80)), []);
    }
}
