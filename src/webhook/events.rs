//! Events: what `kubectl describe` of a workload says about pods that could not be instrumented as they were marked, of an
//! `AutoInstrumentation` whether it is valid, and of our own pod and registration what is wrong there. Bounded: a controller
//! that makes pods without end gets one in a while.

use super::api_server;
use super::metrics::Metrics;
use super::text::one_line;
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

/// How often in that time it is said how a resource stands: every time that it changes, unless others fight over it.
const TURNS: u32 = 10;

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
    /// What is said of it.
    pub what: What,
}

/// What is said of an object.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// Of what made a pod: why the pod is not instrumented as it was marked, and what is particular about it.
    Finding(Reason, String),
    /// Of an `AutoInstrumentation`: how it stands now.
    Standing {
        /// In one word.
        reason: &'static str,
        /// In a sentence.
        message: String,
        /// Whether something is to be done about it.
        warns: bool,
    },
    /// Of our pod: what is wrong with the certificates, in a code and in a sentence.
    Certificate(&'static str, String),
    /// Of a configuration of webhooks: what somebody must do about it.
    Registration(&'static str, String),
}

impl What {
    /// The same is not said again, and not more often than so in a while.
    fn limit(&self) -> (&'static str, u32) {
        match self {
            What::Finding(reason, _) => (reason.code(), 1),
            What::Certificate(code, _) | What::Registration(code, _) => (code, 1),
            What::Standing { .. } => ("standing", TURNS),
        }
    }

    fn event(&self) -> Event {
        let (type_, reason, note, action) = match self {
            What::Finding(reason, detail) => {
                let detail = if detail.is_empty() { String::new() } else { format!(": {detail}") };
                let note = format!("{}{detail}; {}", reason.sentence(), reason.remedy());
                (EventType::Warning, camel_case(reason.code()), note, "Instrument")
            }
            What::Standing { reason, message, warns } => {
                let type_ = if *warns { EventType::Warning } else { EventType::Normal };
                (type_, (*reason).to_owned(), message.clone(), "Validate")
            }
            What::Certificate(code, message) => {
                (EventType::Warning, format!("Certificate{}", camel_case(code)), message.clone(), "Serve")
            }
            What::Registration(code, message) => (EventType::Warning, camel_case(code), message.clone(), "Register"),
        };
        Event { type_, reason, note: Some(one_line(&note, LONGEST_NOTE)), action: action.to_owned(), secondary: None }
    }
}

/// Where notices are handed in: nobody waits for them.
#[derive(Debug, Clone)]
pub struct Events {
    queue: mpsc::Sender<Notice>,
    metrics: Metrics,
}

impl Events {
    /// And where they come out.
    pub fn new(metrics: Metrics) -> (Events, mpsc::Receiver<Notice>) {
        let (queue, receiver) = mpsc::channel(WAITING);
        (Events { queue, metrics }, receiver)
    }

    /// Hands a notice in; while too many wait, it is dropped.
    pub fn notice(&self, notice: Notice) {
        if self.queue.try_send(notice).is_err() {
            self.metrics.event("dropped");
        }
    }
}

/// Writes notices as events for as long as any can come.
pub async fn write(client: Client, instance: String, metrics: Metrics, mut notices: mpsc::Receiver<Notice>) {
    let reporter = Reporter { controller: "prelit.openlit.io/webhook".to_owned(), instance: Some(instance) };
    let mut said = Said::default();
    while let Some(Notice { object, what }) = notices.recv().await {
        if !said.is_new(&object, what.limit(), Instant::now()) {
            metrics.event("limited");
            continue;
        }
        let event = what.event();
        // A new one each time: a recorder that remembers would count what is said again under the note of the first.
        let recorder = Recorder::new(client.clone(), reporter.clone());
        match recorder.publish(&event, &object).await {
            Ok(()) => metrics.event("written"),
            Err(error) => {
                metrics.event("failed");
                tracing::warn!(
                    error = api_server::told(&error),
                    reason = event.reason,
                    "an event could not be written"
                );
            }
        }
        tokio::time::sleep(PACE).await;
    }
}

/// What was said, of which object, since when, and how often.
#[derive(Debug, Default)]
struct Said(HashMap<(String, &'static str), (Instant, u32)>);

impl Said {
    fn is_new(&mut self, object: &ObjectReference, (word, most): (&'static str, u32), now: Instant) -> bool {
        let ObjectReference { uid, namespace, kind, name, .. } = object;
        let key = (uid.clone().unwrap_or_else(|| format!("{namespace:?}/{kind:?}/{name:?}")), word);
        let is_recent = |since: &Instant| now.duration_since(*since) < QUIET;
        if let Some((_, times)) = self.0.get_mut(&key).filter(|(since, _)| is_recent(since)) {
            *times += 1;
            return *times <= most;
        }
        if self.0.len() >= REMEMBERED {
            self.0.retain(|_, (since, _)| is_recent(since));
        }
        // Who floods us is not remembered, and limited by the pace alone.
        if self.0.len() < REMEMBERED {
            self.0.insert(key, (now, 1));
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

    fn object(uid: &str) -> ObjectReference {
        ObjectReference { uid: Some(uid.to_owned()), ..ObjectReference::default() }
    }

    const CONFLICT: What = What::Finding(Reason::NameConflict, String::new());

    #[tokio::test]
    async fn the_same_is_said_once_in_a_while() {
        let (mut said, now) = (Said::default(), Instant::now());
        let (conflict, python) = (CONFLICT.limit(), What::Finding(Reason::IncompatiblePython, "app".into()).limit());
        assert!(said.is_new(&object("a"), conflict, now));
        assert!(!said.is_new(&object("a"), conflict, now + QUIET / 2));
        assert!(said.is_new(&object("a"), python, now));
        assert!(said.is_new(&object("b"), conflict, now));
        assert!(said.is_new(&object("a"), conflict, now + QUIET));
    }

    #[tokio::test]
    async fn every_turn_of_a_resource_is_said_until_there_are_many() {
        let (mut said, now) = (Said::default(), Instant::now());
        let turn = |warns| What::Standing { reason: "Ready", message: String::new(), warns };
        let told = (0..100).filter(|index| said.is_new(&object("a"), turn(index % 2 == 0).limit(), now)).count();
        assert_eq!(told, 10);
        assert!(said.is_new(&object("a"), turn(true).limit(), now + QUIET));
    }

    #[tokio::test]
    async fn memory_is_bounded() {
        let (mut said, now) = (Said::default(), Instant::now());
        for index in 0..2 * REMEMBERED {
            said.is_new(&object(&index.to_string()), CONFLICT.limit(), now);
        }
        assert!(said.0.len() <= REMEMBERED);
        said.is_new(&object("x"), CONFLICT.limit(), now + QUIET);
        assert_eq!(said.0.len(), 1);
    }

    #[test]
    fn a_note_is_no_longer_than_the_api_server_takes() {
        let what = What::Standing { reason: "Invalid", message: "ä\n".repeat(2_000), warns: true };
        let event = what.event();
        assert!(matches!(event.type_, EventType::Warning));
        let note = event.note.unwrap();
        assert!(note.len() <= 1_024 && !note.contains('\n'), "{note}");
    }

    #[test]
    fn codes_become_reasons_of_events() {
        assert_eq!(camel_case("incompatible-python"), "IncompatiblePython");
        let reason = |what: What| what.event().reason;
        assert_eq!(reason(What::Certificate("key-mismatch", String::new())), "CertificateKeyMismatch");
        assert_eq!(reason(What::Registration("leftover-webhook", String::new())), "LeftoverWebhook");
    }

    #[test]
    fn too_many_are_dropped() {
        let metrics = Metrics::default();
        let (events, mut receiver) = Events::new(metrics.clone());
        for _ in 0..2 * WAITING {
            events.notice(Notice { object: object("a"), what: CONFLICT });
        }
        let mut waiting = 0;
        while receiver.try_recv().is_ok() {
            waiting += 1;
        }
        assert_eq!(waiting, WAITING);
        assert!(metrics.text().contains("prelit_events_total{result=\"dropped\"} 256"));
    }
}
