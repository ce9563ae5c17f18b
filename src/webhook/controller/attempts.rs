//! When the status of a resource may be written again. Pure: time comes in.
//!
//! | the last attempt | then |
//! |---|---|
//! | was written, or met another version | the watch must have shown another version first |
//! | failed | later, each time twice as late |
//! | was written, and somebody wrote something else | the same: two who write in turn do so ever more rarely |
//! | was of another generation | now: somebody waits for an answer |

use crate::api::resource::AutoInstrumentationStatus as Status;
use crate::webhook::configurations::Found;
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::time::Instant;

/// The first pause; each next is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(2);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(10 * 60);

/// Whether a status may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// It may.
    Now,
    /// Not before this.
    At(Instant),
    /// Not before the watch shows another version of the resource.
    AfterChange,
}

/// The last attempts to write the status of each resource, by uid.
#[derive(Debug, Default)]
pub struct Attempts(HashMap<String, Attempt>);

#[derive(Debug, Default)]
struct Attempt {
    /// The version that is out of date, whatever the watch still shows.
    stale: Option<String>,
    /// What was written.
    wrote: Option<Status>,
    /// The generation that this was about.
    generation: Option<i64>,
    /// Nothing more is written about it before this.
    not_before: Option<Instant>,
    pause: Duration,
}

impl Attempt {
    fn pause(&mut self, now: Instant) {
        self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        self.not_before = Some(now + self.pause);
    }
}

impl Attempts {
    /// Whether the status of a resource may be written.
    pub fn leave(&self, found: &Found, now: Instant) -> Leave {
        match self.0.get(&found.uid) {
            Some(attempt) if attempt.stale.as_ref() == Some(&found.version) => Leave::AfterChange,
            Some(Attempt { not_before: Some(at), generation, .. }) if *at > now && *generation == found.generation => {
                Leave::At(*at)
            }
            _ => Leave::Now,
        }
    }

    /// It was written, and the resource has this version now.
    pub fn wrote(&mut self, found: &Found, status: Status, version: &str, now: Instant) {
        let attempt = self.of(found);
        let overwritten = attempt.wrote.is_some() && attempt.wrote != found.status;
        if overwritten {
            attempt.pause(now);
        } else {
            (attempt.pause, attempt.not_before) = (Duration::ZERO, None);
        }
        // What changes nothing makes no version, and the watch would wait for ever.
        attempt.stale = (version != found.version).then(|| found.version.clone());
        attempt.wrote = Some(status);
    }

    /// The resource has another version by now, or is gone.
    pub fn met_another(&mut self, found: &Found) {
        self.of(found).stale = Some(found.version.clone());
    }

    /// It could not be written.
    pub fn failed(&mut self, found: &Found, now: Instant) {
        self.of(found).pause(now);
    }

    /// Forgets the resources that are gone.
    pub fn keep(&mut self, uids: &HashSet<&str>) {
        self.0.retain(|uid, _| uids.contains(uid.as_str()));
    }

    fn of(&mut self, found: &Found) -> &mut Attempt {
        let attempt = self.0.entry(found.uid.clone()).or_default();
        attempt.generation = found.generation;
        attempt
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::controller::testing::resource;

    fn version(version: &str) -> Found {
        Found { version: version.to_owned(), ..resource("prod", "a", &serde_json::json!({})) }
    }

    fn status(generation: i64) -> Status {
        Status { observed_generation: Some(generation), ..Status::default() }
    }

    #[tokio::test]
    async fn what_was_written_or_met_another_version_waits_for_the_watch() {
        let (mut attempts, now) = (Attempts::default(), Instant::now());
        assert_eq!(attempts.leave(&version("1"), now), Leave::Now);
        attempts.wrote(&version("1"), status(1), "2", now);
        assert_eq!(attempts.leave(&version("1"), now + LONGEST_PAUSE), Leave::AfterChange);
        let written = Found { status: Some(status(1)), ..version("2") };
        assert_eq!(attempts.leave(&written, now), Leave::Now);
        attempts.met_another(&written);
        assert_eq!(attempts.leave(&written, now), Leave::AfterChange);
        assert_eq!(attempts.leave(&version("3"), now), Leave::Now);
        attempts.wrote(&version("3"), status(1), "3", now);
        assert_eq!(attempts.leave(&version("3"), now + LONGEST_PAUSE), Leave::Now, "nothing will come");
    }

    #[tokio::test]
    async fn what_fails_is_tried_again_ever_later_and_a_new_generation_at_once() {
        let (mut attempts, mut now) = (Attempts::default(), Instant::now());
        let mut pauses = Vec::new();
        for _ in 0..12 {
            attempts.failed(&version("1"), now);
            let Leave::At(at) = attempts.leave(&version("1"), now) else { panic!("it failed just now") };
            pauses.push((at - now).as_secs());
            now = at;
        }
        assert_eq!(pauses, [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600]);
        attempts.failed(&version("1"), now);
        let edited = Found { generation: Some(7), ..version("2") };
        assert_eq!(attempts.leave(&edited, now), Leave::Now);
    }

    #[tokio::test]
    async fn two_who_write_in_turn_do_so_ever_more_rarely() {
        let (mut attempts, start) = (Attempts::default(), Instant::now());
        let mut now = start;
        let mut writes = 0;
        for second in 0_u64..60 * 60 {
            now = start + Duration::from_secs(second);
            // Each time, what we wrote is overwritten at once.
            let found = Found { status: Some(status(99)), ..version(&second.to_string()) };
            if attempts.leave(&found, now) == Leave::Now {
                attempts.wrote(&found, status(1), "ours", now);
                writes += 1;
            }
        }
        assert!(writes < 16, "{writes} in an hour");
        // Left alone, it is as before.
        let ours = Found { status: Some(status(1)), ..version("last") };
        attempts.wrote(&ours, status(2), "later", now);
        let found = Found { status: Some(status(2)), ..version("later") };
        assert_eq!(attempts.leave(&found, now), Leave::Now);
    }

    #[tokio::test]
    async fn what_is_gone_is_forgotten() {
        let (mut attempts, now) = (Attempts::default(), Instant::now());
        attempts.failed(&version("1"), now);
        attempts.keep(&HashSet::new());
        assert_eq!(attempts.0.len(), 0);
    }
}
