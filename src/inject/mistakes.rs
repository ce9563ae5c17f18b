//! Labels and annotations of ours that cannot mean what their author wanted: a key or a value that is
//! nearly one that we know. What is said here changes nothing that is done.

use crate::api::{Finding, Reason, names, syntax};
use crate::manifest::{PodTemplate, Workload};
use crate::value::{Path, Value};

/// Labels that mean something to us.
const LABELS: [&str; 2] = [names::LABEL_INSTRUMENT, names::SKIP];
/// Annotations that mean something to us.
const ANNOTATIONS: [&str; 6] = [
    names::ANNOTATION_EXCLUDE,
    names::ANNOTATION_INCLUDE,
    names::ANNOTATION_LANGUAGES,
    names::ANNOTATION_INJECT_PYTHON,
    names::ANNOTATION_INJECTION,
    names::SKIP,
];

/// Warnings about the labels and annotations of a template, and the labels of its workload.
/// `is_selected_by` tells keys that some selector asks for: these have a meaning of their own.
pub(super) fn mistakes(
    workload: &Workload<'_>,
    template: &PodTemplate<'_>,
    is_selected_by: impl Fn(&str) -> bool,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut warn = |at: Path, detail: String| findings.push(Finding::new(Reason::UnknownMark, at).with(detail));
    let own = template.object.at(&template.labels).map(|labels| (template.labels.clone(), labels));
    let of_workload = workload.object.labels().map(|labels| (Path::keys(&["metadata", "labels"]), labels));
    for (at, labels) in own.into_iter().chain(of_workload) {
        for (key, value) in entries(labels).filter(|(key, _)| !is_selected_by(key)) {
            if LABELS.contains(&key) {
                if let Some(problem) = not_a_switch(value) {
                    warn(at.key(key.to_owned()), format!("label {key}: {problem}"));
                }
            } else if let Some(near) = nearly(key, &LABELS, &ANNOTATIONS) {
                warn(at.key(key.to_owned()), format!("label {key}: {near}"));
            }
        }
    }
    for (key, value) in template.object.at(&template.annotations).into_iter().flat_map(entries) {
        let at = || template.annotations.key(key.to_owned());
        if let Some(problem) = wrong_annotation(key, value, template) {
            warn(at(), format!("annotation {key}: {problem}"));
        }
    }
    findings
}

/// What is wrong with an annotation, if anything is.
fn wrong_annotation(key: &str, value: &Value<'_>, template: &PodTemplate<'_>) -> Option<String> {
    let names_of = |text: &str| {
        text.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect::<Vec<_>>()
    };
    let unknown = |listed: Vec<String>| {
        let missing =
            listed.into_iter().find(|name| template.containers.iter().all(|container| container.name != *name))?;
        Some(format!("no container is named {missing}"))
    };
    let text = value.as_text().unwrap_or_default();
    match key {
        names::ANNOTATION_INJECT_PYTHON | names::SKIP => not_a_switch(value),
        names::ANNOTATION_EXCLUDE | names::ANNOTATION_INCLUDE => unknown(names_of(text)),
        names::ANNOTATION_LANGUAGES => {
            let pairs = names_of(text);
            match pairs.iter().find(|pair| pair.split(':').filter(|part| !part.trim().is_empty()).count() != 2) {
                Some(pair) => Some(format!("found {pair}, expected pairs such as app:python")),
                None => {
                    unknown(pairs.iter().filter_map(|pair| Some(pair.split_once(':')?.0.trim().to_owned())).collect())
                }
            }
        }
        _ => nearly(key, &ANNOTATIONS, &LABELS),
    }
}

/// What is wrong with a value that must be true or false.
fn not_a_switch(value: &Value<'_>) -> Option<String> {
    let text = value.as_text().unwrap_or_default();
    (text != "true" && text != "false").then(|| format!("found \"{text}\", expected \"true\" or \"false\""))
}

/// What a key of ours was probably meant to be, when it is none of `known`: one of these, or one that stands
/// in the wrong map.
fn nearly(key: &str, known: &[&'static str], elsewhere: &[&'static str]) -> Option<String> {
    let group = key.split('/').next().unwrap_or_default();
    if known.contains(&key) || !group.eq_ignore_ascii_case(names::GROUP) {
        return None;
    }
    if elsewhere.contains(&key) {
        let place = if elsewhere.contains(&names::LABEL_INSTRUMENT) { "a label" } else { "an annotation" };
        return Some(format!("this is {place}, and means nothing here"));
    }
    let near = syntax::nearest(key, known.iter().chain(elsewhere).copied())?;
    Some(format!("did you mean {near}?"))
}

fn entries<'v>(map: &'v Value<'v>) -> impl Iterator<Item = (&'v str, &'v Value<'v>)> {
    map.as_map().into_iter().flat_map(crate::value::Map::iter)
}
