//! Whether a replica that is not trusted any more is to say that it is not ready.
//!
//! What is registered is one thing for all replicas. Where somebody edits or deletes it none is trusted, and if all left
//! their Service for it, nobody could be asked when it is repaired, until each has been found ready again. It would help
//! nobody: without a registration nobody asks, and no other replica is trusted more. So one that was trusted just now waits
//! for the repair. One whose certificate alone is not trusted leaves a little later for it.

use super::problem::Problem;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Within what a registration is repaired, even if the replica that does it has just died and another must take over.
const REPAIR: Duration = Duration::from_secs(20);

/// When a replica was trusted last.
#[derive(Debug, Default)]
pub struct Trust {
    last: Mutex<Option<Instant>>,
}

impl Trust {
    /// Whether this counts, of what was found now.
    ///
    /// # Errors
    /// What was found, unless it may be repaired soon.
    pub fn judge(&self, found: Result<(), Problem>, now: Instant) -> Result<(), Problem> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match found {
            Ok(()) => *last = Some(now),
            Err(Problem::Untrusted) if last.is_some_and(|last| now.saturating_duration_since(last) < REPAIR) => {}
            Err(problem) => return Err(problem),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::material::LEAF;
    use super::*;

    #[test]
    fn who_was_trusted_just_now_waits_for_the_repair() {
        let (trust, start) = (Trust::default(), Instant::now());
        let judge = |found, seconds| trust.judge(found, start + Duration::from_secs(seconds));
        let untrusted = Err(Problem::Untrusted);
        assert_eq!(judge(untrusted, 0), untrusted, "it never was");
        assert_eq!(judge(Ok(()), 1), Ok(()));
        assert_eq!(judge(untrusted, 2), Ok(()));
        assert_eq!(judge(untrusted, 20), Ok(()));
        assert_eq!(judge(untrusted, 21), untrusted, "nobody repairs it");
        assert_eq!(judge(Ok(()), 30), Ok(()));
        assert_eq!(judge(untrusted, 31), Ok(()));
    }

    #[test]
    fn what_is_wrong_with_the_certificate_itself_counts_at_once() {
        let (trust, now) = (Trust::default(), Instant::now());
        assert_eq!(trust.judge(Ok(()), now), Ok(()));
        for problem in [Problem::Expired(LEAF), Problem::WrongName, Problem::Absent] {
            assert_eq!(trust.judge(Err(problem), now), Err(problem));
        }
    }
}
