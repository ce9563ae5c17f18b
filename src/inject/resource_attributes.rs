//! What a template and a configuration say about the service: its names, and the text of
//! `OTEL_RESOURCE_ATTRIBUTES`. Knows no list of variables and makes no edit.
//!
//! Strongest first: annotations `resource.opentelemetry.io/*`, the resource's own fields, its
//! `resource.attributes`, what is derived, what is built in. Text from manifests is data: it can
//! neither break the list apart nor refer to a variable.

use super::configuration::Configuration;
use crate::api::names;
use crate::manifest::{Lead, PodTemplate};
use crate::value::{Map, Value};
use std::borrow::Cow;
use std::fmt::Write as _;

const NAMESPACE: &str = "$(OPENLIT_K8S_NAMESPACE)";
const POD_NAME: &str = "$(OPENLIT_K8S_POD_NAME)";
const POD_UID: &str = "$(OPENLIT_K8S_POD_UID)";
const NODE_NAME: &str = "$(OPENLIT_K8S_NODE_NAME)";

/// A value that is written both as a variable and as a resource attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Term<'t> {
    /// Text as data.
    Data(Cow<'t, str>),
    /// Text that stands as it is: references to variables, what the user wrote in an entry.
    Raw(Cow<'t, str>),
    /// `namespace.pod.container` by reference; the container's name.
    Instance(&'t str),
}

impl<'t> Term<'t> {
    fn data(text: &'t str) -> Self {
        Term::Data(Cow::Borrowed(text))
    }

    /// As the value of a variable.
    pub(super) fn to_variable(&self) -> String {
        match self {
            Term::Data(text) => escape_references(text).into_owned(),
            Term::Raw(text) => text.clone().into_owned(),
            Term::Instance(container) => format!("{NAMESPACE}.{POD_NAME}.{}", escape_references(container)),
        }
    }

    fn write_attribute(&self, out: &mut String) {
        match self {
            Term::Data(text) => percent_encode(text, out),
            Term::Raw(text) => out.push_str(text),
            Term::Instance(container) => {
                let _ = write!(out, "{NAMESPACE}.{POD_NAME}.");
                percent_encode(container, out);
            }
        }
    }
}

/// Where the text comes from that a list of attributes is put before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Theirs<'t> {
    /// There is none.
    Nothing,
    /// The container's own text.
    Own(&'t str),
    /// The container's own entry, known only in the cluster.
    OwnReference,
    /// The configuration's entry, which template annotations beat.
    Configured(&'t str),
    /// The configuration's entry, known only in the cluster.
    ConfiguredReference,
}

impl<'t> Theirs<'t> {
    fn text(self) -> Option<&'t str> {
        match self {
            Theirs::Own(text) | Theirs::Configured(text) => Some(text),
            _ => None,
        }
    }
}

/// What is the same for every container of a template.
pub(super) struct Facts<'t> {
    configuration: &'t Configuration,
    lead: &'t Lead,
    /// Keys without their prefix, sorted; none empty.
    annotations: Vec<(&'t str, &'t str)>,
    instance: Option<&'t str>,
    name: Option<&'t str>,
    version: Option<&'t str>,
}

impl<'t> Facts<'t> {
    pub(super) fn new(template: &'t PodTemplate<'_>, configuration: &'t Configuration) -> Self {
        let mut annotations: Vec<(&str, &str)> = Vec::new();
        let inherited = template.inherited.iter().map(|(_, annotations)| annotations);
        for map in std::iter::once(&template.annotations).chain(inherited) {
            for (key, value) in template.object.at(map).and_then(Value::as_map).into_iter().flat_map(Map::iter) {
                let Some(key) = key.strip_prefix(names::RESOURCE_PREFIX) else { continue };
                annotations
                    .extend(value.as_text().filter(|text| !key.is_empty() && !text.is_empty()).map(|text| (key, text)));
            }
        }
        // Stable: of one key, the template's own comes first.
        annotations.sort_by_key(|(key, _)| *key);
        annotations.dedup_by_key(|(key, _)| *key);
        let label = |key| template.label(key).and_then(Value::as_text).filter(|text| !text.is_empty());
        Facts {
            configuration,
            lead: &template.lead,
            annotations,
            instance: label(names::LABEL_APP_INSTANCE),
            name: label(names::LABEL_APP_NAME),
            version: label(names::LABEL_APP_VERSION),
        }
    }

    fn annotation(&self, key: &str) -> Option<Term<'t>> {
        let index = self.annotations.binary_search_by(|(known, _)| (*known).cmp(key)).ok()?;
        Some(Term::data(self.annotations[index].1))
    }

    fn configured(&self, field: Option<&'t String>, key: &str) -> Option<Term<'t>> {
        let attribute =
            || self.configuration.attributes.iter().rfind(|(known, _)| known == key).map(|(_, value)| value);
        field
            .filter(|text| !text.is_empty())
            .or_else(attribute)
            .filter(|text| !text.is_empty())
            .map(|text| Term::data(text.as_str()))
    }

    /// Whether an annotation of the template decides a variable, so that it beats the configuration's `env[]`.
    pub(super) fn annotation_decides(&self, variable: &str) -> bool {
        let has = |key| self.annotation(key).is_some();
        match variable {
            names::ENV_SERVICE_NAME => has("service.name"),
            names::ENV_SERVICE_NAMESPACE => has("service.namespace"),
            names::ENV_SERVICE_VERSION => has("service.version"),
            names::ENV_SERVICE_INSTANCE_ID => has("service.instance.id"),
            names::ENV_DEPLOYMENT_ENVIRONMENT => has("deployment.environment") || has("deployment.environment.name"),
            _ => false,
        }
    }

    /// `service.name`, beside what the user's own resource attributes say.
    ///
    /// | order | where |
    /// |---|---|
    /// | 1 | annotation `resource.opentelemetry.io/service.name` |
    /// | 2 | `service.name` in the user's own resource attributes |
    /// | 3 | `resource.serviceName`, `resource.attributes` |
    /// | 4 | labels `app.kubernetes.io/instance`, `app.kubernetes.io/name` |
    /// | 5 | name of the workload, where every door knows it |
    /// | 6 | name of the container |
    pub(super) fn service_name(&self, container: &'t str, theirs: Theirs<'_>) -> Term<'t> {
        self.annotation("service.name")
            .or_else(|| theirs.text().and_then(own_service_name).map(|text| Term::Raw(Cow::Owned(text))))
            .or_else(|| self.configured(self.configuration.service_name.as_ref(), "service.name"))
            .or_else(|| self.instance.or(self.name).map(Term::data))
            .or_else(|| self.lead.name.as_deref().filter(|name| !name.is_empty()).map(Term::data))
            .unwrap_or_else(|| Term::data(container))
    }

    /// `service.namespace`: annotation, configuration, the pod's namespace.
    pub(super) fn service_namespace(&self) -> Term<'t> {
        self.annotation("service.namespace")
            .or_else(|| self.configured(self.configuration.service_namespace.as_ref(), "service.namespace"))
            .unwrap_or(Term::Raw(Cow::Borrowed(NAMESPACE)))
    }

    /// `service.version`: annotation, configuration, label.
    pub(super) fn service_version(&self) -> Option<Term<'t>> {
        self.annotation("service.version")
            .or_else(|| self.configured(self.configuration.service_version.as_ref(), "service.version"))
            .or_else(|| self.version.map(Term::data))
    }

    /// `service.instance.id`: annotation, configuration, namespace, pod and container.
    pub(super) fn service_instance(&self, container: &'t str) -> Term<'t> {
        self.annotation("service.instance.id")
            .or_else(|| self.configured(None, "service.instance.id"))
            .unwrap_or(Term::Instance(container))
    }

    /// `deployment.environment`, whose newer name is `deployment.environment.name`: either name counts for both.
    pub(super) fn environment(&self) -> Option<Term<'t>> {
        const KEYS: [&str; 2] = ["deployment.environment.name", "deployment.environment"];
        let environment = &self.configuration.environment;
        KEYS.iter()
            .find_map(|key| self.annotation(key))
            .or_else(|| KEYS.iter().find_map(|key| self.configured(None, key)))
            .or_else(|| (!environment.is_empty()).then(|| Term::data(environment)))
    }

    /// The text of `OTEL_RESOURCE_ATTRIBUTES` before the user's text, and what stands after it:
    /// annotations beat the configuration's text, and the Python SDK takes the last of a key.
    pub(super) fn attributes(
        &self,
        container: &'t str,
        service_name: Option<&Term<'t>>,
        theirs: Theirs<'_>,
    ) -> (String, String) {
        let mut pairs: Vec<(&str, Term<'_>, bool)> = Vec::with_capacity(16 + self.annotations.len());
        pairs.extend(self.annotations.iter().map(|(key, value)| (*key, Term::data(value), true)));
        let mut put = |key, term| pairs.push((key, term, false));
        if let Some(term) = service_name {
            put("service.name", term.clone());
        }
        put("service.namespace", self.service_namespace());
        if let Some(term) = self.service_version() {
            put("service.version", term);
        }
        put("service.instance.id", self.service_instance(container));
        if let Some(term) = self.environment() {
            put("deployment.environment", term.clone());
            put("deployment.environment.name", term);
        }
        for (key, value) in self.configuration.attributes.iter().rev() {
            put(key, Term::data(value));
        }
        put("k8s.namespace.name", Term::Raw(Cow::Borrowed(NAMESPACE)));
        put("k8s.pod.name", Term::Raw(Cow::Borrowed(POD_NAME)));
        put("k8s.pod.uid", Term::Raw(Cow::Borrowed(POD_UID)));
        put("k8s.node.name", Term::Raw(Cow::Borrowed(NODE_NAME)));
        put("k8s.container.name", Term::data(container));
        if let Lead { name: Some(name), attribute: Some(attribute) } = self.lead {
            put(attribute, Term::data(name));
        }
        // Stable: of one key, what was put first is the strongest.
        pairs.sort_by_key(|(key, ..)| *key);
        pairs.dedup_by_key(|(key, ..)| *key);

        let mut taken: Vec<Cow<'_, str>> = theirs.text().map(|text| own_keys(text).collect()).unwrap_or_default();
        taken.sort_unstable();
        let (mut before, mut after) = (String::with_capacity(512), String::new());
        for (key, term, annotated) in &pairs {
            if *key == "service.name" && service_name.is_none() {
                continue;
            }
            let is_taken = taken.binary_search_by(|theirs| theirs.as_ref().cmp(key)).is_ok();
            let out = match theirs {
                Theirs::Configured(_) if is_taken && *annotated => &mut after,
                Theirs::ConfiguredReference if *annotated => &mut after,
                Theirs::Own(_) | Theirs::Configured(_) if is_taken => continue,
                _ => &mut before,
            };
            if !out.is_empty() {
                out.push(',');
            }
            percent_encode(key, out);
            out.push('=');
            term.write_attribute(out);
        }
        (before, after)
    }
}

/// The keys of a user's list, decoded and trimmed.
fn own_keys(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    text.split(',').filter_map(|pair| pair.split_once('=')).map(|(key, _)| percent_decode(key.trim(), "$"))
}

/// Whether the user's list has this key.
pub(super) fn has_own_key(text: &str, key: &str) -> bool {
    own_keys(text).any(|own| own == key)
}

/// `service.name` of a user's list as a variable's value: the SDK takes the last; references stay.
fn own_service_name(text: &str) -> Option<String> {
    let value = text
        .split(',')
        .filter_map(|pair| pair.split_once('='))
        .rfind(|(key, _)| percent_decode(key.trim(), "$") == "service.name")?;
    Some(percent_decode(value.1.trim(), "$$").into_owned()).filter(|value| !value.is_empty())
}

/// Text that the kubelet leaves as it is: `$(` becomes `$$(`, and so that this stays right, the
/// dollars of a run are doubled.
pub(super) fn escape_references(text: &str) -> Cow<'_, str> {
    if !text.contains("$(") && !text.contains("$$") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 4);
    let mut rest = text;
    while let Some(start) = rest.find('$') {
        let (head, run) = rest.split_at(start);
        let tail = run.trim_start_matches('$');
        let dollars = run.len() - tail.len();
        out.push_str(head);
        let doubled = dollars > 1 || tail.starts_with('(');
        out.extend(std::iter::repeat_n('$', if doubled { 2 * dollars } else { dollars }));
        rest = tail;
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// What the SDKs decode: everything but letters, digits and `-._~/:@` as `%XX`.
fn percent_encode(text: &str, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/:@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

/// The text behind `%XX`; an encoded dollar becomes `dollar`.
fn percent_decode<'a>(text: &'a str, dollar: &str) -> Cow<'a, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let hex = |at: usize| {
            bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16)).and_then(|digit| u8::try_from(digit).ok())
        };
        match (bytes[index], hex(index + 1), hex(index + 2)) {
            (b'%', Some(high), Some(low)) => {
                match high << 4 | low {
                    b'$' => out.extend_from_slice(dollar.as_bytes()),
                    byte => out.push(byte),
                }
                index += 3;
            }
            (byte, ..) => {
                out.push(byte);
                index += 1;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inject::testing::{Template, configuration};

    fn facts_of<T>(object: &Template, configuration: &Configuration, ask: impl FnOnce(&Facts<'_>) -> T) -> T {
        let value = object.value();
        let template = object.template(&value);
        ask(&Facts::new(&template, configuration))
    }

    fn attributes(object: &Template, configuration: &Configuration, theirs: Theirs<'_>) -> String {
        facts_of(object, configuration, |facts| {
            let name = facts.service_name("app", theirs);
            let name = Some(&name).filter(|_| !theirs.text().is_some_and(|text| has_own_key(text, "service.name")));
            facts.attributes("app", name, theirs).0
        })
    }

    #[test]
    fn attributes_are_sorted_and_carry_the_real_kind_of_the_workload() {
        assert_eq!(
            attributes(&Template::new().lead("chat", Some("k8s.statefulset.name")), &configuration(), Theirs::Nothing),
            "deployment.environment=kubernetes,deployment.environment.name=kubernetes,k8s.container.name=app,\
             k8s.namespace.name=$(OPENLIT_K8S_NAMESPACE),k8s.node.name=$(OPENLIT_K8S_NODE_NAME),\
             k8s.pod.name=$(OPENLIT_K8S_POD_NAME),k8s.pod.uid=$(OPENLIT_K8S_POD_UID),k8s.statefulset.name=chat,\
             service.instance.id=$(OPENLIT_K8S_NAMESPACE).$(OPENLIT_K8S_POD_NAME).app,service.name=chat,\
             service.namespace=$(OPENLIT_K8S_NAMESPACE)"
        );
    }

    #[test]
    fn values_are_percent_encoded_dollars_too_so_that_an_annotation_cannot_break_the_list() {
        let object = Template::new().annotation("resource.opentelemetry.io/team", "a,b=c $(HOME) ü");
        let text = attributes(&object, &configuration(), Theirs::Nothing);
        assert!(text.contains(",team=a%2Cb%3Dc%20%24%28HOME%29%20%C3%BC"), "{text}");
    }

    #[test]
    fn keys_that_the_users_text_has_are_left_out_after_decoding_and_trimming() {
        let text = attributes(
            &Template::new(),
            &configuration(),
            Theirs::Own("team=ai, k8s.pod.name=mine,bogus,deployment%2Eenvironment = x ,service.name=me"),
        );
        assert!(
            !text.contains("k8s.pod.name=")
                && !text.contains("deployment.environment=")
                && !text.contains("service.name=")
        );
        assert!(text.contains("deployment.environment.name=kubernetes"), "{text}");
    }

    #[test]
    fn annotations_beat_the_resource_and_the_resource_beats_what_is_derived() {
        let mut configuration = configuration();
        configuration.attributes =
            vec![("k8s.node.name".into(), "n1".into()), ("team".into(), "ops".into()), ("tier".into(), "gold".into())];
        let object = Template::new().annotation("resource.opentelemetry.io/team", "ai");
        let text = attributes(&object, &configuration, Theirs::Nothing);
        assert!(text.contains("k8s.node.name=n1,") && text.contains("team=ai,tier=gold"), "{text}");
    }

    #[test]
    fn the_service_name_is_the_first_of_its_row() {
        let mut configuration = configuration();
        let mut object = Template::new();
        let name = |object: &Template, configuration: &Configuration, theirs: Theirs<'_>| {
            facts_of(object, configuration, |facts| facts.service_name("app", theirs).to_variable())
        };
        assert_eq!(name(&object, &configuration, Theirs::Nothing), "app");
        object = object.lead("workload", None);
        assert_eq!(name(&object, &configuration, Theirs::Nothing), "workload");
        object = object.label("app.kubernetes.io/name", "by-name");
        assert_eq!(name(&object, &configuration, Theirs::Nothing), "by-name");
        object = object.label("app.kubernetes.io/instance", "by-instance");
        assert_eq!(name(&object, &configuration, Theirs::Nothing), "by-instance");
        configuration.attributes = vec![("service.name".into(), "by-attributes".into())];
        assert_eq!(name(&object, &configuration, Theirs::Nothing), "by-attributes");
        configuration.service_name = Some("by-field".into());
        assert_eq!(name(&object, &configuration, Theirs::Nothing), "by-field");
        let own = Theirs::Own("service.name=a,service.name=$(X)%20%24(Y)");
        assert_eq!(name(&object, &configuration, own), "$(X) $$(Y)");
        object = object.annotation("resource.opentelemetry.io/service.name", "by-annotation $(HOME)");
        assert_eq!(name(&object, &configuration, own), "by-annotation $$(HOME)");
    }

    #[test]
    fn namespace_version_instance_and_environment_have_their_orders() {
        let mut configuration = configuration();
        let mut object = Template::new();
        let all = |object: &Template, configuration: &Configuration| {
            facts_of(object, configuration, |facts| {
                (
                    facts.service_namespace().to_variable(),
                    facts.service_version().map(|term| term.to_variable()),
                    facts.service_instance("app").to_variable(),
                    facts.environment().map(|term| term.to_variable()),
                )
            })
        };
        let instance = "$(OPENLIT_K8S_NAMESPACE).$(OPENLIT_K8S_POD_NAME).app".to_owned();
        let environment = Some("kubernetes".to_owned());
        assert_eq!(all(&object, &configuration), (NAMESPACE.to_owned(), None, instance.clone(), environment.clone()));
        object = object.label("app.kubernetes.io/version", "1");
        configuration.service_namespace = Some("shop".into());
        assert_eq!(
            all(&object, &configuration),
            ("shop".to_owned(), Some("1".to_owned()), instance.clone(), environment)
        );
        configuration.service_version = Some("2".into());
        configuration.attributes = vec![("deployment.environment".into(), "staging".into())];
        let staging = Some("staging".to_owned());
        assert_eq!(all(&object, &configuration), ("shop".to_owned(), Some("2".to_owned()), instance, staging));
        for (key, value) in [("namespace", "n"), ("version", "3"), ("instance.id", "i")] {
            object = object.annotation(&format!("resource.opentelemetry.io/service.{key}"), value);
        }
        object = object.annotation("resource.opentelemetry.io/deployment.environment", "live");
        let expected = ("n".to_owned(), Some("3".to_owned()), "i".to_owned(), Some("live".to_owned()));
        assert_eq!(all(&object, &configuration), expected);
    }

    #[test]
    fn annotations_beat_the_configurations_text_by_standing_after_it() {
        let object = Template::new()
            .annotation("resource.opentelemetry.io/team", "ai")
            .annotation("resource.opentelemetry.io/tier", "gold");
        facts_of(&object, &configuration(), |facts| {
            let (before, after) = facts.attributes("app", None, Theirs::Configured("team=ops,x=y"));
            assert!(before.contains("tier=gold") && !before.contains("team"), "{before}");
            assert_eq!(after, "team=ai");
            let (before, after) = facts.attributes("app", None, Theirs::ConfiguredReference);
            assert!(!before.contains("tier"), "{before}");
            assert_eq!(after, "team=ai,tier=gold");
        });
    }

    #[test]
    fn escaped_text_is_what_the_kubelet_gives_back() {
        // k8s.io/kubernetes/third_party/forked/golang/expansion, with every name defined.
        fn expand(text: &str) -> String {
            let (bytes, mut out, mut index) = (text.as_bytes(), Vec::new(), 0);
            while index < bytes.len() {
                match (bytes[index], bytes.get(index + 1)) {
                    (b'$', Some(b'$')) => (out.push(b'$'), index += 2).1,
                    (b'$', Some(b'(')) if text[index..].contains(')') => {
                        out.extend(b"EXPANDED");
                        index += text[index..].find(')').unwrap() + 1;
                    }
                    (byte, _) => (out.push(byte), index += 1).1,
                }
            }
            String::from_utf8(out).unwrap()
        }
        for text in ["", "$", "$$", "$(A)", "$$(A)", "$$$(A)", "a$b$$c", "x$(A)$", "$($(A))", "cost: 5$", "$)("] {
            assert_eq!(expand(&escape_references(text)), text);
        }
        assert_eq!(escape_references("a $(B)"), "a $$(B)");
    }
}
