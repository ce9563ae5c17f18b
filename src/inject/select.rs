//! Which configuration a pod template gets. In this order; the first that decides, decides:
//!
//! | | what stands there | outcome |
//! |---|---|---|
//! | 1 | template label `openlit.io/instrument: "false"` | `opted-out` |
//! | | template label or annotation `openlit.io/skip: "true"` | `opted-out` |
//! | | workload label `openlit.io/instrument: "false"` | `opted-out`, note `label-on-workload` |
//! | – | annotation `kubernetes.io/config.mirror` | `mirror-pod` |
//! | – | a namespace that is left out | `namespace-excluded` |
//! | 2 | a resource of the workload's namespace matches | that resource |
//! | | a resource of the global namespace matches | that resource |
//! | 3 | a selector matched, and every such resource was passed over | `configuration-passed-over` |
//! | | template label `openlit.io/instrument: "true"` | the label |
//! | | the template has no such label, the workload says `"true"` | the label, note `label-on-workload` |
//! | 4 | anything else | `not-selected` |
//!
//! A resource matches when its selector does and `ignore` does not, and it is enabled and valid; one
//! whose selector matches and the rest does not is passed over. Of several in one namespace the
//! highest priority is used, then the first by name.
//!
//! Knows labels and annotations; knows nothing of what resources hold.

use crate::api::{Reason, names};
use crate::manifest::PodTemplate;
use crate::value::{Map, ScalarType, Value, scalar};

/// A label selector.
pub trait Matches {
    /// Whether the labels fit. `label` gives the value of a label, or nothing where there is none.
    fn matches<'l>(&self, label: &dyn Fn(&str) -> Option<&'l str>) -> bool;
}

/// An `AutoInstrumentation`, as selection sees it.
#[derive(Clone, Copy)]
pub struct Candidate<'c> {
    /// Its name.
    pub name: &'c str,
    /// Its namespace; the empty text is the unnamed one. None: it applies everywhere.
    pub namespace: Option<&'c str>,
    /// `spec.priority`
    pub priority: i64,
    /// `spec.python.instrumentation.enabled`
    pub enabled: bool,
    /// Whether it was found wanting.
    pub invalid: bool,
    /// `spec.selector`
    pub selector: &'c dyn Matches,
    /// `spec.ignore`
    pub ignore: Option<&'c dyn Matches>,
}

/// The template and its workload.
#[derive(Clone, Copy)]
pub struct Subject<'s, 'v> {
    /// The pod template.
    pub template: &'s PodTemplate<'v>,
    /// The labels of the workload itself, at doors that see it.
    pub workload_labels: Option<&'v Value<'v>>,
    /// The namespace of the workload, its default filled in. None: the unnamed one.
    pub namespace: Option<&'s str>,
}

/// Namespaces that have a meaning of their own.
#[derive(Debug, Clone, Copy, Default)]
pub struct Namespaces<'s> {
    /// The one whose resources apply to all.
    pub global: Option<&'s str>,
    /// The webhook's own, where it is known: it is left out.
    pub own: Option<&'s str>,
}

/// Namespaces that are left out wherever they are known.
pub const EXCLUDED_NAMESPACES: &[&str] = &["kube-system", "kube-public", "kube-node-lease"];

/// A label or annotation of a template that opts it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptOut {
    /// Whether it is an annotation, and no label.
    pub annotation: bool,
    /// Its key.
    pub key: &'static str,
    /// The value that opts out.
    pub value: &'static str,
}

/// Everything that opts a template out, whoever selects it. The webhook tells them to the API server, too.
pub const OPT_OUTS: [OptOut; 3] = [
    OptOut { annotation: false, key: names::LABEL_INSTRUMENT, value: "false" },
    OptOut { annotation: false, key: names::SKIP, value: "true" },
    OptOut { annotation: true, key: names::SKIP, value: "true" },
];

impl OptOut {
    fn found(&self, template: &PodTemplate<'_>) -> bool {
        let found = if self.annotation { template.annotation(self.key) } else { template.label(self.key) };
        found.and_then(Value::as_text) == Some(self.value)
    }
}

impl std::fmt::Display for OptOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let place = if self.annotation { "annotation" } else { "label" };
        write!(f, "{place} {}: \"{}\"", self.key, self.value)
    }
}

/// What selects a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selected {
    /// A resource, by its index among the candidates.
    Resource {
        /// The one that is used.
        index: usize,
        /// Others of the same namespace that match too, by rank.
        others: Vec<usize>,
    },
    /// The label: the default profile.
    Label {
        /// Whether it stands on the workload, where the webhook cannot see it.
        on_workload: bool,
    },
    /// Nothing, and why.
    No(Reason, String),
}

/// What selects a template, and what is worth knowing about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// What selects it.
    pub by: Selected,
    /// Notes and warnings, with what is particular about them.
    pub notes: Vec<(Reason, String)>,
}

/// Selects the configuration of a pod template. Candidates whose selectors do not match may be left out; `any` says
/// whether there are resources at all.
pub fn select(
    subject: &Subject<'_, '_>,
    candidates: &[Candidate<'_>],
    any: bool,
    namespaces: &Namespaces<'_>,
) -> Selection {
    let mut notes = Vec::new();
    let by = decide(subject, candidates, namespaces, &mut notes);
    note_ambiguous_labels(subject, any, &mut notes);
    Selection { by, notes }
}

fn decide(
    subject: &Subject<'_, '_>,
    candidates: &[Candidate<'_>],
    namespaces: &Namespaces<'_>,
    notes: &mut Vec<(Reason, String)>,
) -> Selected {
    let template = subject.template;
    let label = |key: &str| template.label(key).and_then(Value::as_text);
    let own = label(names::LABEL_INSTRUMENT);
    let on_workload =
        subject.workload_labels.and_then(|labels| labels.get(names::LABEL_INSTRUMENT)).and_then(Value::as_text);
    for opt_out in OPT_OUTS {
        if opt_out.found(template) {
            return Selected::No(Reason::OptedOut, opt_out.to_string());
        }
    }
    if on_workload == Some("false") {
        let detail = format!("label {}: \"false\" on the workload", names::LABEL_INSTRUMENT);
        notes.push((Reason::LabelOnWorkload, detail.clone()));
        return Selected::No(Reason::OptedOut, detail);
    }
    if template.annotation(names::ANNOTATION_MIRROR).is_some() {
        return Selected::No(Reason::MirrorPod, String::new());
    }
    let namespace = subject.namespace.unwrap_or_default();
    if EXCLUDED_NAMESPACES.contains(&namespace) || !namespace.is_empty() && namespaces.own == Some(namespace) {
        return Selected::No(Reason::NamespaceExcluded, namespace.to_owned());
    }

    let mut passed_over = Vec::new();
    let global = namespaces.global.filter(|global| !global.is_empty() && *global != namespace);
    let here = |candidate: &Candidate<'_>| candidate.namespace.is_none_or(|of| of == namespace);
    let there = |candidate: &Candidate<'_>| global.is_some() && candidate.namespace == global;
    let tiers: [&dyn Fn(&Candidate<'_>) -> bool; 2] = [&here, &there];
    for tier in tiers {
        let mut matching = Vec::new();
        for (index, candidate) in candidates.iter().enumerate().filter(|(_, candidate)| tier(candidate)) {
            if !candidate.selector.matches(&label) {
                continue;
            }
            match passed_over_for(candidate, &label) {
                Some(cause) => passed_over.push(format!("{} {cause}", full_name(candidate))),
                None => matching.push(index),
            }
        }
        matching.sort_by(|a, b| {
            let (a, b) = (&candidates[*a], &candidates[*b]);
            b.priority.cmp(&a.priority).then_with(|| a.name.cmp(b.name))
        });
        if let Some((index, others)) = matching.split_first() {
            if !others.is_empty() {
                let names: Vec<_> = others.iter().map(|other| full_name(&candidates[*other])).collect();
                let detail = format!("{} is used; {} too", full_name(&candidates[*index]), matches_too(&names));
                notes.push((Reason::SeveralConfigurations, detail));
            }
            return Selected::Resource { index: *index, others: others.to_vec() };
        }
    }
    if !passed_over.is_empty() {
        return Selected::No(Reason::ConfigurationPassedOver, passed_over.join(", "));
    }
    match (own, on_workload) {
        (Some("true"), _) => Selected::Label { on_workload: false },
        (None, Some("true")) => {
            notes.push((Reason::LabelOnWorkload, format!("label {}: \"true\"", names::LABEL_INSTRUMENT)));
            Selected::Label { on_workload: true }
        }
        _ => Selected::No(Reason::NotSelected, String::new()),
    }
}

fn matches_too(names: &[String]) -> String {
    format!("{} {}", names.join(", "), if names.len() == 1 { "matches" } else { "match" })
}

/// Why a resource whose selector matches is not used.
fn passed_over_for<'l>(candidate: &Candidate<'_>, label: &dyn Fn(&str) -> Option<&'l str>) -> Option<&'static str> {
    if candidate.invalid {
        Some("is invalid")
    } else if !candidate.enabled {
        Some("is disabled")
    } else if candidate.ignore.is_some_and(|ignore| ignore.matches(label)) {
        Some("ignores it")
    } else {
        None
    }
}

fn full_name(candidate: &Candidate<'_>) -> String {
    match candidate.namespace.filter(|namespace| !namespace.is_empty()) {
        Some(namespace) => format!("{namespace}/{}", candidate.name),
        None => candidate.name.to_owned(),
    }
}

/// Notes labels that decide and that `kubectl` and kustomize read differently: our own, and, where
/// there are selectors, any.
fn note_ambiguous_labels(subject: &Subject<'_, '_>, any: bool, notes: &mut Vec<(Reason, String)>) {
    let is_ours = |key: &str| key == names::LABEL_INSTRUMENT || key == names::SKIP;
    let counts = |key: &str| any || is_ours(key);
    let own = subject.template.label_maps().flat_map(entries).filter(|(key, _)| counts(key));
    let workload =
        subject.workload_labels.into_iter().flat_map(entries).filter(|(key, _)| *key == names::LABEL_INSTRUMENT);
    for (key, value) in own.chain(workload) {
        if let Some(text) = ambiguous(value) {
            let detail = format!("{key}: {text}");
            if !notes.iter().any(|(reason, noted)| *reason == Reason::AmbiguousLabel && *noted == detail) {
                notes.push((Reason::AmbiguousLabel, detail));
            }
        }
    }
}

fn entries<'v>(map: &'v Value<'v>) -> impl Iterator<Item = (&'v str, &'v Value<'v>)> {
    map.as_map().into_iter().flat_map(Map::iter)
}

/// The text of an unquoted value that is not the same to everybody: `yes`, `on`, a date, and
/// numbers that are written back in another form, such as `1e3` or `0o14`.
fn ambiguous<'v>(value: &'v Value<'v>) -> Option<&'v str> {
    let scalar = value.as_scalar().filter(|scalar| scalar.is_plain())?;
    let text = scalar.as_str();
    let rewritten = match scalar.kind() {
        ScalarType::Int(number) => number.to_string() != text,
        ScalarType::Float(number) => number.to_string() != text,
        _ => false,
    };
    (rewritten || scalar::dialects_differ(text)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::workloads;
    use crate::value::Scalar;
    use serde_json::{Value as Json, json};

    /// Matches where every pair is there; `!key` where the key is not.
    struct Has(Vec<(&'static str, &'static str)>);

    impl Matches for Has {
        fn matches<'l>(&self, label: &dyn Fn(&str) -> Option<&'l str>) -> bool {
            self.0.iter().all(|(key, value)| match key.strip_prefix('!') {
                Some(key) => label(key).is_none(),
                None => label(key) == Some(*value),
            })
        }
    }

    fn has(pairs: &[(&'static str, &'static str)]) -> Has {
        Has(pairs.to_vec())
    }

    fn workload(labels: &Json, annotations: &Json, own_labels: &Json) -> Json {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "chat", "labels": own_labels},
            "spec": {"template": {"metadata": {"labels": labels, "annotations": annotations}, "spec": {"containers": []}}}})
    }

    fn selected(
        object: &Json,
        namespace: Option<&str>,
        candidates: &[Candidate<'_>],
        namespaces: &Namespaces<'_>,
    ) -> Selection {
        let value = Value::from(object);
        let found = workloads(&value, &[]);
        let workload = &found.workloads[0];
        let subject =
            Subject { template: &workload.templates[0], workload_labels: workload.object.labels(), namespace };
        select(&subject, candidates, !candidates.is_empty(), namespaces)
    }

    fn candidate<'c>(name: &'c str, namespace: Option<&'c str>, selector: &'c dyn Matches) -> Candidate<'c> {
        Candidate { name, namespace, priority: 0, enabled: true, invalid: false, selector, ignore: None }
    }

    const GLOBAL: Namespaces<'_> = Namespaces { global: Some("openlit"), own: None };

    #[test]
    fn labels_select_and_opt_out() {
        let none = json!({});
        let yes = json!({"openlit.io/instrument": "true"});
        let no = json!({"openlit.io/instrument": "false"});
        let skip = json!({"openlit.io/instrument": "true", "openlit.io/skip": "true"});
        for (labels, annotations, own, expected, note) in [
            (&yes, &none, &none, "label", false),
            (&none, &none, &yes, "label on workload", true),
            (&yes, &none, &yes, "label", false),
            (&none, &none, &none, "not-selected", false),
            (&json!({"openlit.io/instrument": "yes"}), &none, &none, "not-selected", false),
            (&json!({"openlit.io/instrument": "yes"}), &none, &yes, "not-selected", false),
            (&json!({"openlit.io/instrument": true}), &none, &none, "label", false),
            (&no, &none, &yes, "opted-out", false),
            (&yes, &none, &no, "opted-out", true),
            (&skip, &none, &none, "opted-out", false),
            (&yes, &json!({"openlit.io/skip": "true"}), &none, "opted-out", false),
            (&yes, &json!({"openlit.io/skip": "false"}), &none, "label", false),
            (&yes, &none, &json!({"openlit.io/skip": "true"}), "label", false),
        ] {
            let selection = selected(&workload(labels, annotations, own), None, &[], &GLOBAL);
            let by = match &selection.by {
                Selected::Label { on_workload: true } => "label on workload",
                Selected::Label { on_workload: false } => "label",
                Selected::No(reason, _) => reason.code(),
                Selected::Resource { .. } => "resource",
            };
            assert_eq!(by, expected, "{labels} {annotations} {own}");
            assert_eq!(
                selection.notes.iter().any(|(reason, _)| *reason == Reason::LabelOnWorkload),
                note,
                "{labels} {own}"
            );
        }
    }

    #[test]
    fn the_own_namespace_comes_before_the_global_one() {
        let all = has(&[]);
        let object = workload(&json!({"app": "chat"}), &json!({}), &json!({}));
        let candidates = [
            candidate("a-global", Some("openlit"), &all),
            candidate("z-own", Some("prod"), &all),
            candidate("other", Some("dev"), &all),
            candidate("everywhere", None, &all),
            candidate("unnamed", Some(""), &all),
        ];
        for (namespace, expected) in [
            (Some("prod"), vec![3, 1]),
            (Some("dev"), vec![3, 2]),
            (Some("else"), vec![3]),
            (None, vec![3, 4]),
            (Some("openlit"), vec![0, 3]),
        ] {
            let selection = selected(&object, namespace, &candidates, &GLOBAL);
            let (index, others) = (expected[0], expected[1..].to_vec());
            assert_eq!(selection.by, Selected::Resource { index, others }, "{namespace:?}");
        }
        let selection = selected(&object, Some("else"), &candidates[..3], &GLOBAL);
        assert_eq!(selection.by, Selected::Resource { index: 0, others: vec![] });
        for global in [None, Some("")] {
            let selection = selected(&object, Some("else"), &candidates[..3], &Namespaces { global, own: None });
            assert_eq!(selection.by, Selected::No(Reason::NotSelected, String::new()));
        }
    }

    #[test]
    fn the_highest_priority_is_used_then_the_first_by_name() {
        let all = has(&[]);
        let object = workload(&json!({}), &json!({}), &json!({}));
        let mut candidates = [
            candidate("c", Some("p"), &all),
            candidate("b", Some("p"), &all),
            candidate("a", Some("p"), &all),
            candidate("z", Some("openlit"), &all),
        ];
        candidates[0].priority = -1;
        candidates[3].priority = 9;
        let selection = selected(&object, Some("p"), &candidates, &GLOBAL);
        assert_eq!(selection.by, Selected::Resource { index: 2, others: vec![1, 0] });
        assert_eq!(selection.notes, [(Reason::SeveralConfigurations, "p/a is used; p/b, p/c match too".to_owned())]);
        candidates[0].priority = 1;
        let selection = selected(&object, Some("p"), &candidates, &GLOBAL);
        assert_eq!(selection.by, Selected::Resource { index: 0, others: vec![2, 1] });
    }

    #[test]
    fn resources_that_do_not_apply_are_passed_over() {
        let (all, chat, other) = (has(&[]), has(&[("app", "chat")]), has(&[("app", "other")]));
        let object = workload(&json!({"app": "chat", "openlit.io/instrument": "true"}), &json!({}), &json!({}));
        let ignoring = Candidate { ignore: Some(&chat), ..candidate("ignoring", Some("p"), &all) };
        let disabled = Candidate { enabled: false, ..candidate("disabled", Some("p"), &all) };
        let invalid = Candidate { invalid: true, ..candidate("invalid", Some("p"), &all) };
        let unmatched = Candidate { enabled: false, ..candidate("unmatched", Some("p"), &other) };
        let global = candidate("global", Some("openlit"), &chat);
        let lenient = Candidate { ignore: Some(&other), ..candidate("lenient", Some("p"), &chat) };
        let detail = "p/ignoring ignores it, p/disabled is disabled, p/invalid is invalid";
        for (candidates, expected) in [
            // Some selector matched, so the label does not count.
            (vec![ignoring, disabled, invalid], Selected::No(Reason::ConfigurationPassedOver, detail.to_owned())),
            (vec![ignoring, disabled, global], Selected::Resource { index: 2, others: vec![] }),
            (vec![disabled, lenient], Selected::Resource { index: 1, others: vec![] }),
            (vec![unmatched], Selected::Label { on_workload: false }),
            (vec![], Selected::Label { on_workload: false }),
        ] {
            assert_eq!(selected(&object, Some("p"), &candidates, &GLOBAL).by, expected);
        }
    }

    #[test]
    fn labels_of_controllers_are_no_labels_of_the_template() {
        let (hash, free) = (has(&[("pod-template-hash", "1")]), has(&[("!job-name", "")]));
        let labels = json!({"pod-template-hash": "1", "job-name": "x", "batch.kubernetes.io/job-name": "x"});
        let object = workload(&labels, &json!({}), &json!({}));
        let candidates = [candidate("hash", None, &hash), candidate("free", None, &free)];
        assert_eq!(selected(&object, None, &candidates, &GLOBAL).by, Selected::Resource { index: 1, others: vec![] });
    }

    #[test]
    fn some_namespaces_are_left_out() {
        let all = has(&[]);
        let object = workload(&json!({"openlit.io/instrument": "true"}), &json!({}), &json!({}));
        let namespaces = Namespaces { global: Some("openlit"), own: Some("openlit") };
        for (namespace, excluded) in [
            (Some("kube-system"), true),
            (Some("kube-public"), true),
            (Some("kube-node-lease"), true),
            (Some("openlit"), true),
            (Some("prod"), false),
            (None, false),
        ] {
            let selection = selected(&object, namespace, &[candidate("a", None, &all)], &namespaces);
            let is = matches!(selection.by, Selected::No(Reason::NamespaceExcluded, _));
            assert_eq!(is, excluded, "{namespace:?}");
        }
        let out = workload(&json!({"openlit.io/skip": "true"}), &json!({}), &json!({}));
        let selection = selected(&out, Some("kube-system"), &[], &namespaces);
        assert!(matches!(selection.by, Selected::No(Reason::OptedOut, _)), "an opt-out comes first");
    }

    #[test]
    fn labels_that_tools_read_differently_are_noted() {
        let plain = |text: &'static str| Value::Scalar(Scalar::plain(text));
        for (text, noted) in [
            ("yes", true),
            ("on", true),
            ("1e3", true),
            ("0o14", true),
            ("1_000", true),
            ("2001-01-01", true),
            ("true", false),
            ("false", false),
            ("12", false),
            ("1.5", false),
            ("1.10", true),
            ("chat", false),
        ] {
            let mut labels = Map::default();
            labels.insert("openlit.io/instrument", plain(text));
            let metadata = Value::map([("labels", Value::Map(labels))]);
            let pod =
                Value::map([("apiVersion", Value::text("v1")), ("kind", Value::text("Pod")), ("metadata", metadata)]);
            let found = workloads(&pod, &[]);
            let workload = &found.workloads[0];
            let subject = Subject {
                template: &workload.templates[0],
                workload_labels: workload.object.labels(),
                namespace: None,
            };
            let notes = select(&subject, &[], false, &GLOBAL).notes;
            let count = notes.iter().filter(|(reason, _)| *reason == Reason::AmbiguousLabel).count();
            assert_eq!(count, usize::from(noted), "{text}");
        }
    }
}
