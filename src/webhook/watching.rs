//! How soon a watch is begun again that has ended.

use kube::runtime::utils::Backoff;
use std::time::Duration;

/// Before the first attempt; each next pause is twice as long.
const FIRST: Duration = Duration::from_millis(500);

/// The longest.
const LONGEST: Duration = Duration::from_secs(4);

/// The pauses of a watch of one object that must be right within seconds, even if the API server was away for minutes. The
/// usual pauses grow to half a minute, for those who list thousands of objects.
#[derive(Debug)]
pub struct Soon(Duration);

impl Default for Soon {
    fn default() -> Self {
        Soon(FIRST)
    }
}

impl Iterator for Soon {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = self.0;
        self.0 = (pause * 2).min(LONGEST);
        Some(pause)
    }
}

impl Backoff for Soon {
    fn reset(&mut self) {
        *self = Soon::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_server_is_asked_again_within_seconds_however_long_it_was_away() {
        let mut soon = Soon::default();
        let pauses: Vec<u128> = soon.by_ref().take(6).map(|pause| pause.as_millis()).collect();
        assert_eq!(pauses, [500, 1_000, 2_000, 4_000, 4_000, 4_000]);
        soon.reset();
        assert_eq!(soon.next(), Some(FIRST));
    }
}
