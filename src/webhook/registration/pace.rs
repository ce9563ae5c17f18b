//! How soon may be written again: at once after a while of peace, and ever later while somebody else takes back what is
//! written. Where writing fails, it is tried again within seconds. Pure: times come in.

use std::time::Duration;
use tokio::time::Instant;

/// After the first write.
const SHORTEST: Duration = Duration::from_millis(250);

/// After many.
const LONGEST: Duration = Duration::from_secs(60);

/// How long nothing is written before what was is forgotten. More than the longest wait, or it would never grow to it.
const PEACE: Duration = Duration::from_secs(150);

/// How many failures make the wait longer: the API server may be back at any time.
const FAILURES: u32 = 4;

/// How many writes without peace are somebody else's work.
const QUARREL: u32 = 6;

/// What was written lately, or tried to be.
#[derive(Debug, Clone, Default)]
pub struct Pace {
    last: Option<Instant>,
    writes: u32,
    /// Since the last write. They are nobody's quarrel.
    failures: u32,
    bundle: Vec<u8>,
}

impl Pace {
    /// Takes in which bundle is wanted. A new one is written at once: that those before were written is nobody's work but
    /// ours, and a rotation is no quarrel.
    pub fn wants(&mut self, bundle: &[u8]) {
        if self.bundle != bundle {
            *self = Pace { bundle: bundle.to_vec(), ..Pace::default() };
        }
    }

    /// Something was written.
    pub fn wrote(&mut self, now: Instant) {
        let peace = self.last.is_none_or(|last| now.duration_since(last) >= PEACE);
        self.writes = if peace { 1 } else { self.writes.saturating_add(1) };
        self.failures = 0;
        self.last = Some(now);
    }

    /// Something could not be written.
    pub fn failed(&mut self, now: Instant) {
        self.failures = (self.failures + 1).min(FAILURES);
        self.last = Some(now);
    }

    /// Until when is not written, if it is not yet allowed.
    pub fn rest(&self, now: Instant) -> Option<Instant> {
        let tries = self.writes.max(self.failures);
        let wait = SHORTEST.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(LONGEST);
        self.last.map(|last| last + wait).filter(|until| *until > now)
    }

    /// Whether this is the write that shows that somebody else takes it back each time.
    pub fn is_quarrel(&self) -> bool {
        self.writes == QUARREL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_repaired_at_once_and_a_quarrel_ever_later() {
        let mut pace = Pace::default();
        let mut now = Instant::now();
        assert_eq!(pace.rest(now), None);
        let mut waits = Vec::new();
        for _ in 0..12 {
            pace.wrote(now);
            let until = pace.rest(now).unwrap();
            waits.push((until - now).as_millis());
            assert_eq!(pace.rest(until), None);
            now = until;
        }
        assert_eq!(waits[..4], [250, 500, 1000, 2000]);
        assert_eq!(waits[10..], [60_000, 60_000]);
        now += PEACE;
        pace.wrote(now);
        assert_eq!(pace.rest(now), Some(now + SHORTEST));
    }

    #[test]
    fn what_fails_is_tried_again_within_seconds() {
        let mut pace = Pace::default();
        let now = Instant::now();
        for _ in 0..100 {
            pace.failed(now);
        }
        assert_eq!(pace.rest(now), Some(now + 8 * SHORTEST));
        // Of an API server that was away nothing is left, once it is back.
        pace.wrote(now);
        assert_eq!((pace.rest(now), pace.is_quarrel()), (Some(now + SHORTEST), false));
    }

    #[test]
    fn a_rotation_is_no_quarrel() {
        let mut pace = Pace::default();
        let mut now = Instant::now();
        for bundle in 0..20_u8 {
            pace.wants(&[bundle]);
            assert_eq!(pace.rest(now), None, "bundle {bundle}");
            pace.wrote(now);
            assert!(!pace.is_quarrel());
            now += SHORTEST;
            // What somebody takes back then is repaired as soon as ever.
            assert_eq!(pace.rest(now), None);
        }
        pace.wants(&[19]);
        pace.wrote(now);
        assert_eq!(pace.rest(now), Some(now + 2 * SHORTEST), "the same again");
    }

    #[test]
    fn a_quarrel_is_told_once() {
        let mut pace = Pace::default();
        let now = Instant::now();
        let told = (0..20).filter(|_| {
            pace.wrote(now);
            pace.is_quarrel()
        });
        assert_eq!(told.count(), 1);
    }
}
