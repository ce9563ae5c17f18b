//! How soon the Secret may be written again. Pure: times come in.
//!
//! One step often comes of another: a Secret that is restored may hold a leaf that is due. So the pause is short after what
//! was written, and grows only while writing fails.

use std::time::{Duration, Instant};

/// After what was written: what it is now is heard of within that time.
const SHORTEST: Duration = Duration::from_secs(1);

/// After many failures; a new leaf must not come too late for it.
const LONGEST: Duration = Duration::from_secs(8);

/// The pause after the last attempt to write.
#[derive(Debug, Default)]
pub struct Pause {
    until: Option<Instant>,
    length: Duration,
}

impl Pause {
    /// What is left of it.
    pub fn left(&self, now: Instant) -> Duration {
        self.until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    /// It was written.
    pub fn wrote(&mut self, now: Instant) {
        self.begin(SHORTEST, now);
    }

    /// It could not be written, or not over what was found.
    pub fn failed(&mut self, now: Instant) {
        self.begin((self.length * 2).clamp(SHORTEST, LONGEST), now);
    }

    fn begin(&mut self, length: Duration, now: Instant) {
        *self = Pause { until: Some(now + length), length };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_while_writing_fails_and_not_by_what_is_written() {
        let (mut pause, now) = (Pause::default(), Instant::now());
        assert_eq!(pause.left(now), Duration::ZERO);
        let after = |attempt: fn(&mut Pause, Instant), pause: &mut Pause| {
            attempt(pause, now);
            pause.left(now).as_secs()
        };
        assert_eq!([(); 3].map(|()| after(Pause::wrote, &mut pause)), [1, 1, 1]);
        assert_eq!([(); 5].map(|()| after(Pause::failed, &mut pause)), [2, 4, 8, 8, 8]);
        assert_eq!(pause.left(now + Duration::from_secs(5)), Duration::from_secs(3));
        assert_eq!(after(Pause::wrote, &mut pause), 1);
    }
}
