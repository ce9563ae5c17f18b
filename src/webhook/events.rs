//! Events: what `kubectl describe` of a workload says about pods that could not be instrumented as they were marked.
//! Bounded: a controller that makes pods without end gets one in a while.

use super::review::one_line;
use crate::api::Reason;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Events that wait to be written; further ones are dropped.
const WAITING: usize = 256;

/// How long the same is not said again of the same object.
const QUIET: Duration = Duration::from_secs(10 * 60);

/// How long there is between two events at least.
const PACE: Duration = Duration::from_millis(100);

/// What is remembered of what was said.
const REMEMBERED: usize = 4_096;

/// How long the API server lets a note be.
const LONGEST_NOTE: usize = 1_024;

/// Something that is worth an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// The object that it is about.
    pub object: ObjectReference,
    /// Why.
    pub reason: Reason,
    /// What is particular about it.
    pub detail: String,
}

/// Where notices are handed in: nobody waits for them.
#[derive(Debug, Clone)]
pub struct Events(mpsc::Sender<Notice>);

impl Events {
    /// And where they come out.
    pub fn new() -> (Events, mpsc::Receiver<Notice>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Events(sender), receiver)
    }

    /// Hands a notice in; while too many wait, it is dropped.
    pub fn notice(&self, notice: Notice) {
        let _dropped = self.0.try_send(notice);
    }
}

/// Writes notices as events for as long as any can come.
pub async fn write(client: Client, instance: String, mut notices: mpsc::Receiver<Notice>) {
    let reporter = Reporter { controller: "prelit.openlit.io/webhook".to_owned(), instance: Some(instance) };
    let recorder = Recorder::new(client, reporter);
    let mut said = Said::default();
    while let Some(notice) = notices.recv().await {
        if !said.is_new(&notice, Instant::now()) {
            continue;
        }
        let Notice { object, reason, detail } = &notice;
        let detail = if detail.is_empty() { String::new() } else { format!(": {detail}") };
        let event = Event {
            type_: EventType::Warning,
            reason: camel_case(reason.code()),
            note: Some(one_line(&format!("{}{detail}; {}", reason.sentence(), reason.remedy()), LONGEST_NOTE)),
            action: "Instrument".to_owned(),
            secondary: None,
        };
        if let Err(error) = recorder.publish(&event, object).await {
            tracing::warn!(%error, reason = reason.code(), "an event could not be written");
        }
        tokio::time::sleep(PACE).await;
    }
}

/// What was said, of which object, and when.
#[derive(Debug, Default)]
struct Said(HashMap<(String, Reason), Instant>);

impl Said {
    fn is_new(&mut self, notice: &Notice, now: Instant) -> bool {
        let ObjectReference { uid, namespace, kind, name, .. } = &notice.object;
        let object = uid.clone().unwrap_or_else(|| format!("{namespace:?}/{kind:?}/{name:?}"));
        let key = (object, notice.reason);
        if self.0.get(&key).is_some_and(|before| now.duration_since(*before) < QUIET) {
            return false;
        }
        if self.0.len() >= REMEMBERED {
            self.0.retain(|_, before| now.duration_since(*before) < QUIET);
        }
        // Who floods us is not remembered, and limited by the pace alone.
        if self.0.len() < REMEMBERED {
            self.0.insert(key, now);
        }
        true
    }
}

/// `not-selected` as `NotSelected`: the form of an event's reason.
fn camel_case(code: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    };
    code.split('-').map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(uid: &str, reason: Reason) -> Notice {
        let object = ObjectReference { uid: Some(uid.to_owned()), ..ObjectReference::default() };
        Notice { object, reason, detail: String::new() }
    }

    #[tokio::test]
    async fn the_same_is_said_once_in_a_while() {
        let (mut said, now) = (Said::default(), Instant::now());
        assert!(said.is_new(&notice("a", Reason::NameConflict), now));
        assert!(!said.is_new(&notice("a", Reason::NameConflict), now + QUIET / 2));
        assert!(said.is_new(&notice("a", Reason::IncompatiblePython), now));
        assert!(said.is_new(&notice("b", Reason::NameConflict), now));
        assert!(said.is_new(&notice("a", Reason::NameConflict), now + QUIET));
    }

    #[tokio::test]
    async fn memory_is_bounded() {
        let (mut said, now) = (Said::default(), Instant::now());
        for index in 0..2 * REMEMBERED {
            said.is_new(&notice(&index.to_string(), Reason::NameConflict), now);
        }
        assert!(said.0.len() <= REMEMBERED);
        said.is_new(&notice("x", Reason::NameConflict), now + QUIET);
        assert_eq!(said.0.len(), 1);
    }

    #[test]
    fn codes_become_reasons_of_events() {
        assert_eq!(camel_case("incompatible-python"), "IncompatiblePython");
    }

    #[test]
    fn too_many_are_dropped() {
        let (events, mut receiver) = Events::new();
        for _ in 0..2 * WAITING {
            events.notice(notice("a", Reason::NameConflict));
        }
        let mut waiting = 0;
        while receiver.try_recv().is_ok() {
            waiting += 1;
        }
        assert_eq!(waiting, WAITING);
    }
}
