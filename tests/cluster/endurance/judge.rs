//! What became of the pods, and whose fault it was.

use super::kubelet::Loss;
use super::stream::{CREATORS, Creation, Outcome};
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

/// How late the API server hears of a change of what it watches.
const LATE: Duration = Duration::from_secs(1);

/// How long nothing may have been created while the API server runs: as long as it waits for one webhook.
const STALL: Duration = Duration::from_secs(3);

/// From when to when something was as it should not be.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    pub from: Instant,
    pub to: Instant,
}

impl Window {
    /// Whether it meets a time from one moment to another.
    pub fn meets(&self, from: Instant, to: Instant) -> bool {
        from <= self.to + LATE && to >= self.from
    }
}

/// How many creations there were, by what became of them, and those that nothing excuses.
pub struct Verdict {
    injected: usize,
    excused: BTreeMap<&'static str, usize>,
    guilty: Vec<String>,
    /// Questions that died with the replica that was asked, the most for one.
    in_flight: usize,
    stall: Duration,
}

/// Whose fault it was.
pub fn judge(creations: &[Creation], down: &[Window], edited: &[Window], losses: &[Loss]) -> Verdict {
    let mut verdict =
        Verdict { injected: 0, excused: BTreeMap::new(), guilty: Vec::new(), in_flight: 0, stall: Duration::ZERO };
    let mut cut = vec![0; losses.len()];
    let meets = |windows: &[Window], one: &Creation| windows.iter().any(|window| window.meets(one.began, one.ended));
    // Once it is ready, there is no excuse.
    let unready = |one: &Creation| down.iter().any(|window| one.began <= window.to && one.ended >= window.from);
    let mut last: Option<Instant> = None;
    for creation in creations {
        let excuse = match &creation.outcome {
            Outcome::Injected => {
                verdict.injected += 1;
                let gap = last.map_or(Duration::ZERO, |last| creation.ended.saturating_duration_since(last));
                let pause = Window { from: last.unwrap_or(creation.ended), to: creation.ended };
                if !down.iter().chain(edited).any(|window| window.meets(pause.from, pause.to)) {
                    verdict.stall = verdict.stall.max(gap);
                }
                last = Some(last.map_or(creation.ended, |last| last.max(creation.ended)));
                continue;
            }
            Outcome::Unanswered(_) => unready(creation).then_some("while the API server was down"),
            Outcome::Missed => meets(edited, creation).then_some("missed while the registration was edited or deleted"),
            Outcome::Refused(_) if unready(creation) => Some("refused while the API server started"),
            Outcome::Refused(_) if meets(edited, creation) => Some("refused while the registration was edited"),
            Outcome::Refused(why) => killed(why, creation, losses, &mut cut),
        };
        match excuse {
            Some(excuse) => *verdict.excused.entry(excuse).or_default() += 1,
            None => verdict.guilty.push(format!(
                "{:?} after {:?}, {:.1?} after the first",
                creation.outcome,
                creation.ended - creation.began,
                creation.began - creations[0].began
            )),
        }
    }
    verdict.in_flight = cut.into_iter().max().unwrap_or_default();
    verdict
}

/// Whether a replica was asked that had been killed and had not left the slice yet, or that died with the question.
fn killed(why: &str, creation: &Creation, losses: &[Loss], cut: &mut [usize]) -> Option<&'static str> {
    for (loss, cut) in losses.iter().zip(cut) {
        let window = Window { from: loss.killed, to: loss.left? };
        if !window.meets(creation.began, creation.ended) {
            continue;
        }
        if why.contains(&format!("dial tcp {}:9443: connect: connection refused", loss.address)) {
            return Some("refused by an address of a replica that was killed, before it left the slice");
        }
        // Not each says whose end it was. The last is said of a new connection: its end was found before the question was
        // written.
        let anonymous = [": EOF", "\": use of closed network connection"].iter().any(|end| why.ends_with(end));
        let ended = ["connection reset by peer", "broken pipe"].iter().any(|end| why.ends_with(end));
        if anonymous || ended && why.contains(&format!("->{}:9443: ", loss.address)) {
            *cut += 1;
            return Some("refused with the question that a replica had when it was killed");
        }
    }
    None
}

impl Verdict {
    #[track_caller]
    pub fn assert_innocence(&self) {
        assert!(self.guilty.is_empty(), "{} without an excuse: {:#?}", self.guilty.len(), self.guilty);
        assert!(self.injected > 1_000, "only {} pods", self.injected);
        assert!(self.in_flight <= CREATORS, "more questions died with one replica than there were");
        assert!(self.stall < STALL, "no pod was created for {:?}", self.stall);
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} pods injected, {} without an excuse not", self.injected, self.guilty.len())?;
        for (excuse, count) in &self.excused {
            write!(f, "; {count} {excuse}")?;
        }
        write!(f, "; the longest pause was {:.1?}", self.stall)
    }
}
