use super::*;
use crate::webhook::controller::testing::resource;
use proptest::prelude::*;
use time::Duration;

/// Noon in Helsinki and a half second, on the first of March 2026.
fn now() -> OffsetDateTime {
    let noon = OffsetDateTime::parse("2026-03-01T12:00:00+02:00", &Rfc3339).unwrap();
    noon + Duration::milliseconds(500)
}

fn later() -> OffsetDateTime {
    now() + Duration::hours(3)
}

fn pods(matching: i32, instrumented: i32) -> PodCounts {
    PodCounts { matching, instrumented, outdated: 0, missing: matching - instrumented }
}

fn invalid() -> Found {
    resource("prod", "a", &json!({"otlp": {"endpoint": "not a URL", "timeout": 900}}))
}

#[test]
fn a_valid_resource_is_ready() {
    let found = resource("prod", "a", &json!({}));
    let status = wanted(&found, Some(pods(3, 2)), now()).unwrap();
    assert_eq!(
        serde_json::to_value(&status).unwrap(),
        json!({
            "conditions": [{
                "type": "Ready", "status": "True", "observedGeneration": 1, "reason": "Valid",
                "message": "the resource is valid", "lastTransitionTime": "2026-03-01T10:00:00Z",
            }],
            "observedGeneration": 1,
            "pods": {"matching": 3, "instrumented": 2, "outdated": 0, "missing": 1},
            "lastProcessed": "2026-03-01T10:00:00Z",
        })
    );
    assert_eq!(
        turn(&found, &status),
        Some(What::Standing { reason: "Ready", message: "the resource is valid".into(), warns: false })
    );
}

#[test]
fn what_is_wrong_is_said_and_when_it_is_mended_taken_back() {
    let mut found = invalid();
    let status = wanted(&found, None, now()).unwrap();
    let ready = ready(&status).unwrap();
    assert_eq!((ready.status, ready.reason.as_str()), (ConditionStatus::False, "Invalid"));
    assert_eq!(status.validation_errors.len(), 2, "{:?}", status.validation_errors);
    assert!(ready.message.contains("spec.otlp.endpoint"), "{}", ready.message);
    assert!(matches!(turn(&found, &status), Some(What::Standing { reason: "Invalid", warns: true, .. })));

    found.status = Some(status);
    let mended = Found { status: found.status.clone(), generation: Some(2), ..resource("prod", "a", &json!({})) };
    let status = wanted(&mended, None, later()).unwrap();
    assert_eq!((status.observed_generation, status.validation_errors.len()), (Some(2), 0));
    assert_eq!(self::ready(&status).unwrap().last_transition_time, "2026-03-01T13:00:00Z");
    assert!(matches!(turn(&mended, &status), Some(What::Standing { reason: "Ready", .. })));
    // A merge takes away what was said before.
    let patch = patch("7", &status);
    assert_eq!(
        (&patch["status"]["validationErrors"], &patch["metadata"]["resourceVersion"]),
        (&Json::Null, &json!("7"))
    );
    assert!(patch["status"].as_object().unwrap().contains_key("validationErrors"));
}

#[test]
fn a_count_or_an_edit_changes_no_validity() {
    let mut found = resource("prod", "a", &json!({}));
    found.status = wanted(&found, Some(pods(1, 0)), now());
    for (generation, counts) in [(1, pods(2, 0)), (2, pods(1, 0))] {
        found.generation = Some(generation);
        let status = wanted(&found, Some(counts), later()).unwrap();
        assert_eq!(turn(&found, &status), None);
        assert_eq!(ready(&status).unwrap().last_transition_time, "2026-03-01T10:00:00Z");
        assert_eq!(status.last_processed.as_deref(), Some("2026-03-01T13:00:00Z"));
    }
}

#[test]
fn other_problems_than_before_are_said_again() {
    let mut found = invalid();
    found.status = wanted(&found, None, now());
    let other = resource("prod", "a", &json!({"otlp": {"endpoint": "http://c:4318", "timeout": 900}}));
    let found = Found { status: found.status, ..other };
    let status = wanted(&found, None, later()).unwrap();
    assert!(matches!(turn(&found, &status), Some(What::Standing { reason: "Invalid", .. })));
    assert_eq!(ready(&status).unwrap().last_transition_time, "2026-03-01T10:00:00Z", "it did not become false");
}

#[test]
fn a_resource_that_is_turned_off_is_not_ready() {
    let found = resource("prod", "a", &json!({"python": {"instrumentation": {"enabled": false}}}));
    let status = wanted(&found, None, now()).unwrap();
    let ready = ready(&status).unwrap();
    assert_eq!((ready.status, ready.reason.as_str()), (ConditionStatus::False, "Disabled"));
    assert!(matches!(turn(&found, &status), Some(What::Standing { reason: "Disabled", warns: false, .. })));
}

#[test]
fn conditions_of_others_stay() {
    let mut found = resource("prod", "a", &json!({}));
    let other = Condition {
        r#type: "Reviewed".into(),
        status: ConditionStatus::Unknown,
        observed_generation: None,
        last_transition_time: "2020-01-01T00:00:00Z".into(),
        reason: "Somebody".into(),
        message: String::new(),
    };
    found.status = Some(Status { conditions: vec![other.clone()], ..Status::default() });
    let status = wanted(&found, None, now()).unwrap();
    assert_eq!((status.conditions.len(), &status.conditions[0]), (2, &other));
}

#[test]
fn messages_are_bounded() {
    let errors: Vec<Problem> = (0..100).map(|_| Problem::new(crate::value::Path::ROOT, "ä".repeat(3_000))).collect();
    let found = Found { content: Err(errors), ..invalid() };
    let status = wanted(&found, None, now()).unwrap();
    assert!(ready(&status).unwrap().message.len() <= LONGEST_MESSAGE);
    assert!(status.validation_errors.iter().all(|error| error.len() <= LONGEST_MESSAGE));
}

#[test]
fn what_was_written_is_in_the_schema_and_comes_back_the_same() {
    for found in [invalid(), resource("prod", "a", &json!({}))] {
        let status = wanted(&found, Some(pods(2, 2)), now()).unwrap();
        let written = patch("1", &status)["status"].clone();
        let schema = &crate::api::resource::schema::object()["properties"]["status"]["properties"];
        for key in written.as_object().unwrap().keys() {
            assert!(schema.get(key).is_some(), "{key} would be pruned");
        }
        let stored: Json =
            written.as_object().unwrap().clone().into_iter().filter(|(_, value)| !value.is_null()).collect();
        assert_eq!(serde_json::from_value::<Status>(stored).unwrap(), status);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn for_the_same_facts_a_status_is_written_once(
        turns in prop::collection::vec((0..4_usize, 1..4_i64, prop::option::of((0..3_i32, 0..3_i32)), 0..90_i64), 1..12),
    ) {
        let contents = [
            resource("prod", "a", &json!({})),
            invalid(),
            resource("prod", "a", &json!({"python": {"instrumentation": {"enabled": false}}})),
            resource("prod", "a", &json!({"otlp": {"endpoint": "http://d:4318"}})),
        ];
        let (mut status, mut at) = (None, now());
        for (content, generation, counts, seconds) in turns {
            let counts = counts.map(|(matching, instrumented)| pods(matching + instrumented, instrumented));
            let found = |status| Found { generation: Some(generation), status, ..contents[content].clone() };
            at += Duration::seconds(seconds);
            let found_before = found(status.clone());
            if let Some(written) = wanted(&found_before, counts, at) {
                status = Some(written);
            }
            // Whatever time it is, and though the counts are not known for a while.
            for later in [0, 1, 86_400] {
                let later = at + Duration::seconds(later);
                prop_assert_eq!(wanted(&found(status.clone()), counts, later), None);
                prop_assert_eq!(wanted(&found(status.clone()), None, later), None);
            }
            let after = status.clone().unwrap();
            prop_assert_eq!(turn(&found(status.clone()), &after), None);
            prop_assert_eq!(after.observed_generation, Some(generation));
        }
    }
}
