//! The state of an earlier injection: what the annotation says, whether somebody changed what was
//! added, and whether the configuration still gives the same. Decides nothing about what to do then.

use super::plan::Plan;
use super::record::Record;
use super::undo::{digest_now, undo};
use crate::api::{Finding, Reason, names};
use crate::manifest::PodTemplate;
use crate::value::{EditError, Value, edit};

/// What the annotation of a template says.
#[derive(Debug, Clone, PartialEq)]
pub enum Injection {
    /// There is none.
    None,
    /// It cannot be read; why.
    Unreadable(Finding),
    /// The record of an injection.
    Found(Record),
}

/// Reads the annotation of a template; only the template's own, since that is where we write.
pub fn read(template: &PodTemplate<'_>) -> Injection {
    let annotations = template.object.at(&template.annotations);
    let Some(value) = annotations.and_then(|map| map.get(names::ANNOTATION_INJECTION)) else { return Injection::None };
    let at = template.annotations.key(names::ANNOTATION_INJECTION);
    match value.as_text() {
        None => Injection::Unreadable(Finding::new(Reason::UnreadableRecord, at).with("it is not text")),
        Some(text) => match Record::read(text, &at) {
            Ok(record) => Injection::Found(record),
            Err(finding) => Injection::Unreadable(finding),
        },
    }
}

/// Whether what was added is still what was added: nothing, or [`Reason::Edited`].
pub fn examine(template: &PodTemplate<'_>, record: &Record) -> Option<Finding> {
    match digest_now(template, record) {
        Some(digest) if digest == record.added => None,
        found => {
            let finding = Finding::new(Reason::Edited, template.annotations.key(names::ANNOTATION_INJECTION));
            Some(if found.is_none() { finding.with("a part of it is missing") } else { finding })
        }
    }
}

/// The object without our part of one template.
///
/// # Errors
/// When the edits do not fit, which a template as Kubernetes takes it never does.
pub fn strip<'v>(template: &PodTemplate<'v>, record: &Record) -> Result<Value<'v>, EditError> {
    edit::apply(template.object.clone(), &undo(template, record))
}

/// Where an injection stands.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// Somebody changed what was added.
    Edited(Finding),
    /// Injecting again gives the same: the plan for the stripped object, for its notes.
    Current(Box<Plan>),
    /// Injecting again gives something else: the plan for the stripped object.
    Stale(Box<Plan>),
    /// Injecting again is not in order any more, for this reason.
    Refused(Finding),
}

/// Compares an injection with what injecting again gives.
///
/// | what was added | injecting again | state |
/// |---|---|---|
/// | changed | – | edited |
/// | as it was | gives a reason | refused |
/// | as it was | gives the same record | current |
/// | as it was | gives another record | stale |
///
/// `again` gets the object without our part, and answers for the same template of it. The records tell:
/// each has the digests of its configuration and of what it adds, and which parts are the user's. So
/// positions in lists do not count, nor do fields that others add to our items.
pub fn compare<'v>(
    template: &PodTemplate<'v>,
    record: &Record,
    again: impl FnOnce(&Value<'v>) -> Result<Plan, Finding>,
) -> State {
    if let Some(finding) = examine(template, record) {
        return State::Edited(finding);
    }
    let stripped = match strip(template, record) {
        Ok(stripped) => stripped,
        Err(error) => {
            return State::Edited(Finding::new(Reason::Edited, error.at).with(error.problem));
        }
    };
    match again(&stripped) {
        Err(finding) => State::Refused(finding),
        Ok(plan) if plan.record == *record => State::Current(Box::new(plan)),
        Ok(plan) => State::Stale(Box::new(plan)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inject::configuration::Configuration;
    use crate::inject::plan::inject;
    use crate::inject::testing::{Template, configuration, pod_template, values};
    use crate::value::edit::apply;
    use serde_json::{Value as Json, json};

    /// An instrumented Deployment with a bit of everything, as JSON.
    fn instrumented(configuration: &Configuration) -> Json {
        let object = Template::env(json!([
            {"name": "PYTHONPATH", "value": "/app"},
            {"name": "OTEL_RESOURCE_ATTRIBUTES", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
        ]))
        .annotation(names::ANNOTATION_SAFE_TO_EVICT, "cache");
        let plan = inject(&pod_template(&object.value()), &[0], configuration).unwrap();
        apply(object.value(), &plan.edits).unwrap().to_json()
    }

    fn rich() -> Configuration {
        let mut configuration = configuration();
        configuration.env =
            values(json!([{"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}]));
        configuration.volumes = values(json!([{"name": "ca", "configMap": {"name": "ca"}}]));
        configuration.volume_mounts = values(json!([{"name": "ca", "mountPath": "/etc/ca"}]));
        configuration.init_env = values(json!([{"name": "PIP_INDEX_URL", "value": "https://pip"}]));
        configuration
    }

    fn state(object: &Json, configuration: &Configuration) -> State {
        let value = Value::from(object);
        let template = pod_template(&value);
        let Injection::Found(record) = read(&template) else { panic!("no record") };
        compare(&template, &record, |stripped| inject(&pod_template(stripped), &[0], configuration))
    }

    fn spec(object: &mut Json) -> &mut Json {
        &mut object["spec"]["template"]["spec"]
    }

    #[test]
    fn what_was_just_injected_is_current() {
        assert!(matches!(state(&instrumented(&rich()), &rich()), State::Current(_)));
    }

    #[test]
    fn positions_and_what_others_add_to_our_items_do_not_count() {
        let mut object = instrumented(&rich());
        let spec = spec(&mut object);
        let container = &mut spec["containers"][0];
        container["env"].as_array_mut().unwrap().reverse();
        container["env"].as_array_mut().unwrap().push(json!({"name": "USERS", "value": "x"}));
        for entry in container["env"].as_array_mut().unwrap() {
            if let Some(field) = entry.pointer_mut("/valueFrom/fieldRef") {
                field["apiVersion"] = json!("v1");
            }
            if let Some(field) = entry.pointer_mut("/valueFrom/resourceFieldRef") {
                field["divisor"] = json!("0");
            }
        }
        container["volumeMounts"].as_array_mut().unwrap().insert(0, json!({"name": "token", "mountPath": "/var/run"}));
        container["terminationMessagePath"] = json!("/dev/termination-log");
        spec["volumes"].as_array_mut().unwrap().reverse();
        spec["volumes"][0]["configMap"]["defaultMode"] = json!(420);
        spec["volumes"].as_array_mut().unwrap().push(json!({"name": "token", "projected": {"sources": []}}));
        let init = &mut spec["initContainers"][0];
        init["terminationMessagePolicy"] = json!("File");
        init["resources"]["limits"] = json!({"memory": "0.25Gi", "cpu": 0.2});
        init["volumeMounts"].as_array_mut().unwrap().push(json!({"name": "token", "mountPath": "/var/run"}));
        init["env"].as_array_mut().unwrap().insert(0, json!({"name": "AWS_REGION", "value": "x"}));
        assert!(matches!(state(&object, &rich()), State::Current(_)));
    }

    #[test]
    fn the_users_part_of_a_merged_value_is_the_users() {
        let mut object = instrumented(&rich());
        for entry in spec(&mut object)["containers"][0]["env"].as_array_mut().unwrap() {
            if entry["name"] == "PYTHONPATH" {
                entry["value"] = json!("/instrumentation-packages:/app:/more");
            }
        }
        object["spec"]["template"]["metadata"]["annotations"][names::ANNOTATION_SAFE_TO_EVICT] =
            json!("instrumentation-packages,cache,scratch");
        assert!(matches!(state(&object, &rich()), State::Current(_)));
    }

    #[test]
    fn whoever_changes_our_part_makes_it_edited() {
        type Change = fn(&mut Json);
        let edits: [(&str, Change); 12] = [
            ("an image for a mirror", |spec| spec["initContainers"][0]["image"] = json!("mirror/x:1")),
            ("a mount that may be written", |spec| spec["containers"][0]["volumeMounts"][0]["readOnly"] = json!(false)),
            ("a value", |spec| {
                let env = spec["containers"][0]["env"].as_array_mut().unwrap();
                env.iter_mut().find(|entry| entry["name"] == "OTEL_SERVICE_NAME").unwrap()["value"] = json!("other");
            }),
            ("a second entry of a name", |spec| {
                spec["containers"][0]["env"]
                    .as_array_mut()
                    .unwrap()
                    .push(json!({"name": "OTEL_SERVICE_NAME", "value": "x"}));
            }),
            ("a lost entry", |spec| {
                spec["containers"][0]["env"].as_array_mut().unwrap().retain(|entry| entry["name"] != "CPU");
            }),
            ("a lost renamed entry", |spec| {
                let env = spec["containers"][0]["env"].as_array_mut().unwrap();
                env.retain(|entry| entry["name"] != "OPENLIT_ORIGINAL_OTEL_RESOURCE_ATTRIBUTES");
            }),
            ("our part of a merged value", |spec| {
                let env = spec["containers"][0]["env"].as_array_mut().unwrap();
                env.iter_mut().find(|entry| entry["name"] == "PYTHONPATH").unwrap()["value"] =
                    json!("/app:/and/much/more/besides");
            }),
            ("a lost init container", |spec| spec["initContainers"] = json!([])),
            ("arguments of the init container", |spec| spec["initContainers"][0]["args"] = json!(["x"])),
            ("another volume under our name", |spec| {
                spec["volumes"][0] = json!({"name": "instrumentation-packages", "configMap": {"name": "x"}});
            }),
            ("a lost volume", |spec| drop(spec["volumes"].as_array_mut().unwrap().pop())),
            ("a renamed container", |spec| spec["containers"][0]["name"] = json!("other")),
        ];
        for (what, edit) in edits {
            let mut object = instrumented(&rich());
            edit(spec(&mut object));
            assert!(matches!(state(&object, &rich()), State::Edited(_)), "{what}");
        }
        let mut object = instrumented(&rich());
        object["spec"]["template"]["metadata"]["annotations"][names::ANNOTATION_SAFE_TO_EVICT] = json!("cache");
        assert!(matches!(state(&object, &rich()), State::Edited(_)));
    }

    #[test]
    fn another_configuration_a_new_label_or_a_new_entry_of_the_users_makes_it_stale() {
        let mut other = rich();
        other.endpoint = "http://other:4318".into();
        assert!(matches!(state(&instrumented(&rich()), &other), State::Stale(_)));
        let mut renamed = rich();
        renamed.name = "team-a/rag".into();
        assert!(matches!(state(&instrumented(&rich()), &renamed), State::Stale(_)));
        let mut object = instrumented(&rich());
        object["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/version"] = json!("2");
        assert!(matches!(state(&object, &rich()), State::Stale(_)));
        let mut object = instrumented(&rich());
        let env = spec(&mut object)["containers"][0]["env"].as_array_mut().unwrap();
        env.insert(0, json!({"name": "OTEL_SERVICE_NAME", "value": "mine now"}));
        assert!(matches!(state(&object, &rich()), State::Stale(_)));
    }

    #[test]
    fn what_is_refused_now_says_why() {
        let mut object = instrumented(&rich());
        spec(&mut object)["containers"].as_array_mut().unwrap().push(json!({"name": "openlit-init"}));
        let State::Refused(finding) = state(&object, &rich()) else { panic!() };
        assert_eq!(finding.reason, Reason::NameConflict);
    }

    #[test]
    fn an_annotation_that_cannot_be_read_is_told_from_none() {
        let object = Template::new();
        assert_eq!(read(&pod_template(&object.value())), Injection::None);
        for text in ["", "{}", "null", "{\"v\":9}"] {
            let object = Template::new().annotation(names::ANNOTATION_INJECTION, text);
            let Injection::Unreadable(finding) = read(&pod_template(&object.value())) else { panic!("{text}") };
            assert_eq!(finding.reason, Reason::UnreadableRecord);
        }
        let mut object = Template::new().annotation(names::ANNOTATION_INJECTION, "x");
        object.object["spec"]["template"]["metadata"]["annotations"][names::ANNOTATION_INJECTION] = json!(null);
        assert!(matches!(read(&pod_template(&object.value())), Injection::Unreadable(_)));
    }
}
