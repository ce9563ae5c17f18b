//! The status that a resource is to have. Pure: time comes in. What is not different is not written, so that a status that
//! was written brings no other.

use crate::api::resource::{
    AutoInstrumentation, AutoInstrumentationStatus as Status, Condition, ConditionStatus, PodCounts, Problem,
};
use crate::webhook::configurations::Found;
use crate::webhook::events::What;
use crate::webhook::text::shortened;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

/// The condition that is ours.
const READY: &str = "Ready";

/// How long a message may be: the API server takes 32768 bytes, and nobody reads as much.
const LONGEST_MESSAGE: usize = 4_096;

/// What is found of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Valid,
    Disabled,
    Invalid,
}

impl Verdict {
    fn of(content: &Result<Arc<AutoInstrumentation>, Vec<Problem>>) -> Self {
        match content {
            Err(_) => Verdict::Invalid,
            Ok(resource) if !resource.spec.python.instrumentation.enabled => Verdict::Disabled,
            Ok(_) => Verdict::Valid,
        }
    }

    /// The reason of the condition.
    fn reason(self) -> &'static str {
        match self {
            Verdict::Valid => "Valid",
            Verdict::Disabled => "Disabled",
            Verdict::Invalid => "Invalid",
        }
    }

    /// The reason of the event.
    fn event(self) -> &'static str {
        match self {
            Verdict::Valid => READY,
            other => other.reason(),
        }
    }
}

/// The status that a resource is to have, by what it says, how many pods it selects, and now; nothing where it has it.
/// Counts that are not known leave those that are there. Conditions of others stay.
pub fn wanted(found: &Found, pods: Option<PodCounts>, now: OffsetDateTime) -> Option<Status> {
    let there = found.status.as_ref();
    let verdict = Verdict::of(&found.content);
    let holds = if verdict == Verdict::Valid { ConditionStatus::True } else { ConditionStatus::False };
    let before = there.and_then(ready);
    let ours = Condition {
        r#type: READY.to_owned(),
        status: holds,
        observed_generation: found.generation,
        last_transition_time: match before {
            Some(before) if before.status == holds => before.last_transition_time.clone(),
            _ => text(now),
        },
        reason: verdict.reason().to_owned(),
        message: message(&found.content),
    };
    let mut conditions = there.map(|there| there.conditions.clone()).unwrap_or_default();
    match conditions.iter_mut().find(|condition| condition.r#type == READY) {
        Some(condition) => *condition = ours,
        None => conditions.push(ours),
    }
    let problems = found.content.as_ref().err().map(Vec::as_slice).unwrap_or_default();
    let mut wanted = Status {
        conditions,
        observed_generation: found.generation,
        validation_errors: problems.iter().map(|problem| shortened(problem.to_string(), LONGEST_MESSAGE)).collect(),
        pods: pods.or_else(|| there.and_then(|there| there.pods)),
        last_processed: there.and_then(|there| there.last_processed.clone()),
    };
    if there == Some(&wanted) {
        return None;
    }
    wanted.last_processed = Some(text(now));
    Some(wanted)
}

/// What is to be said when the status of a resource becomes another: only that its validity did.
pub fn turn(found: &Found, after: &Status) -> Option<What> {
    let facts = |status: &Status| ready(status).map(|ready| (ready.reason.clone(), status.validation_errors.clone()));
    if found.status.as_ref().and_then(facts) == facts(after) {
        return None;
    }
    let verdict = Verdict::of(&found.content);
    let reason = verdict.event();
    Some(What::Standing { reason, message: message(&found.content), warns: verdict == Verdict::Invalid })
}

/// A merge patch that makes a status so, of the version of the resource that was looked at and of no other.
pub fn patch(version: &str, status: &Status) -> Json {
    // What is not written is named all the same: a merge takes away only what is null.
    json!({
        "metadata": { "resourceVersion": version },
        "status": {
            "conditions": status.conditions,
            "observedGeneration": status.observed_generation,
            "validationErrors": Some(&status.validation_errors).filter(|errors| !errors.is_empty()),
            "pods": status.pods,
            "lastProcessed": status.last_processed,
        },
    })
}

fn ready(status: &Status) -> Option<&Condition> {
    status.conditions.iter().find(|condition| condition.r#type == READY)
}

fn message(content: &Result<Arc<AutoInstrumentation>, Vec<Problem>>) -> String {
    match content {
        Err(problems) => {
            let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
            shortened(format!("the resource is not valid, and passed over: {}", said.join("; ")), LONGEST_MESSAGE)
        }
        Ok(resource) if !resource.spec.python.instrumentation.enabled => {
            "spec.python.instrumentation.enabled is false: the resource is passed over".to_owned()
        }
        Ok(resource) => {
            let said: Vec<String> = resource.warnings().iter().map(|warning| format!("; warning: {warning}")).collect();
            shortened(format!("the resource is valid{}", said.concat()), LONGEST_MESSAGE)
        }
    }
}

/// As Kubernetes writes times: to the second, in UTC.
fn text(now: OffsetDateTime) -> String {
    let now = now.to_offset(UtcOffset::UTC);
    // Neither fails before the year 10000.
    now.replace_nanosecond(0).unwrap_or(now).format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests;
