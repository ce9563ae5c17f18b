//! Tells what is wrong with the certificates where somebody looks: in the log, as an event on our pod, and as a metric.
//! Once for as long as it lasts.

use super::problem::{Problem, list};
use crate::webhook::events::{Events, Notice, What};
use crate::webhook::metrics::Metrics;
use k8s_openapi::api::core::v1::ObjectReference;
use tracing::{info, warn};

/// Who tells it.
#[derive(Debug)]
pub struct Report {
    events: Events,
    metrics: Metrics,
    about: ObjectReference,
    told: Vec<Problem>,
}

impl Report {
    /// Events are about this object.
    pub fn new(events: Events, metrics: Metrics, about: ObjectReference) -> Self {
        Report { events, metrics, about, told: Vec::new() }
    }

    /// This is wrong now with what is in this place, and nothing else.
    pub fn found(&mut self, place: &str, problems: &[Problem]) {
        if self.told == problems {
            return;
        }
        self.metrics.found(problems);
        let before = std::mem::replace(&mut self.told, problems.to_vec());
        if problems.is_empty() {
            info!(place, "nothing is wrong with the certificates any more");
        } else {
            warn!(place, problems = list(problems), "something is wrong with the certificates");
        }
        for problem in problems.iter().filter(|problem| !before.contains(problem)) {
            self.tell(problem.code(), format!("{place}: {problem}"));
        }
    }

    /// They could not be written.
    pub fn not_written(&self, place: &str, why: &str) {
        self.tell("not-written", format!("{place} cannot be written: {why}"));
    }

    fn tell(&self, code: &'static str, message: String) {
        self.events.notice(Notice { object: self.about.clone(), what: What::Certificate(code, message) });
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use tokio::sync::mpsc;

    /// The codes of what was told since.
    pub fn codes(notices: &mut mpsc::Receiver<Notice>) -> Vec<&'static str> {
        let code = |what| match what {
            What::Certificate(code, _) => code,
            other => panic!("{other:?}"),
        };
        std::iter::from_fn(|| notices.try_recv().ok()).map(|notice| code(notice.what)).collect()
    }

    #[tokio::test]
    async fn what_lasts_is_told_once_and_what_is_mended_is_counted_no_more() {
        let metrics = Metrics::default();
        let (events, mut notices) = Events::new(metrics.clone());
        let about = ObjectReference { kind: Some("Pod".to_owned()), ..ObjectReference::default() };
        let mut report = Report::new(events, metrics.clone(), about.clone());
        let mut said = || std::iter::from_fn(|| notices.try_recv().ok()).map(|notice| notice.what).collect::<Vec<_>>();
        let expired = What::Certificate("expired", "Secret certs: the certificate in tls.crt has expired".to_owned());
        let absent = What::Certificate("absent", "Secret certs: nothing is there".to_owned());
        report.found("Secret certs", &[]);
        assert_eq!(said(), []);
        report.found("Secret certs", &[Problem::Expired("tls.crt")]);
        report.found("Secret certs", &[Problem::Expired("tls.crt")]);
        assert_eq!(said(), std::slice::from_ref(&expired));
        report.found("Secret certs", &[Problem::Expired("tls.crt"), Problem::Absent]);
        assert_eq!(said(), [absent]);
        assert!(metrics.text().contains("prelit_certificate_problems{problem=\"expired\"} 1"));
        report.found("Secret certs", &[]);
        assert!(metrics.text().contains("prelit_certificate_problems{problem=\"expired\"} 0"));
        report.found("Secret certs", &[Problem::Expired("tls.crt")]);
        assert_eq!(said(), [expired]);
    }
}
