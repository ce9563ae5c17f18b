//! The parameters of an Application: a table of all that there are, and what one Application gives.

use super::SourceKind;
use crate::api::syntax;
use serde::Deserialize;
use std::collections::BTreeMap;

/// One parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// What it is for, in a sentence.
    pub tooltip: &'static str,
    /// What it allows.
    pub form: Form,
    /// Which sources have it.
    pub scope: Scope,
    /// The setting that it is.
    pub setting: Option<&'static str>,
}

/// What a parameter allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `string: text`
    Text,
    /// `string: "true"` or `"false"`: Argo CD has no booleans.
    Boolean,
    /// `array: [text]`
    Texts,
    /// `map: {name: text}`
    Map,
}

impl Form {
    fn expected(self) -> &'static str {
        match self {
            Form::Text => "string",
            Form::Boolean => "string: \"true\" or \"false\"",
            Form::Texts => "array",
            Form::Map => "map",
        }
    }
}

/// Which sources have a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All, and the plugin's own configuration announces it.
    Plugin,
    /// All, with a default that the sidecar's configuration decides.
    Sidecar,
    /// Those of one kind.
    Source(SourceKind),
}

impl Scope {
    /// Whether a plugin announces it for a folder, beside what its own configuration announces for all.
    pub fn is_dynamic(self, kind: SourceKind) -> bool {
        match self {
            Scope::Plugin => false,
            Scope::Sidecar => true,
            Scope::Source(of) => of == kind,
        }
    }
}

macro_rules! table {
    ($($name:literal, $title:literal, $form:ident, $scope:expr, $setting:expr, $tooltip:literal;)*) => {
        /// Every parameter, in the order in which Argo CD shows them.
        pub const PARAMETERS: &[Parameter] = &[$(Parameter {
            name: $name, title: $title, tooltip: $tooltip, form: Form::$form, scope: $scope, setting: $setting,
        }),*];
    };
}

const HELM: Scope = Scope::Source(SourceKind::Helm);
const DIRECTORY: Scope = Scope::Source(SourceKind::Directory);

table! {
    "endpoint", "OTLP endpoint", Text, Scope::Sidecar, Some("OPENLIT_OTLP_ENDPOINT"), "Where telemetry goes, unless an AutoInstrumentation says it.";
    "environment", "Environment", Text, Scope::Sidecar, Some("OPENLIT_DEFAULT_ENVIRONMENT"), "deployment.environment, unless an AutoInstrumentation says it.";
    "provider", "Provider", Text, Scope::Sidecar, Some("OPENLIT_DEFAULT_PROVIDER"), "openlit, openinference or openllmetry: for pods that the label selects, and no AutoInstrumentation.";
    "version", "Version", Text, Scope::Sidecar, Some("OPENLIT_DEFAULT_VERSION"), "The tag of the provider's image, unless an AutoInstrumentation says it.";
    "capture-message-content", "Capture message content", Boolean, Scope::Sidecar, Some("OPENLIT_CAPTURE_MESSAGE_CONTENT"), "Whether prompts and answers are captured: true or false.";
    "detailed-tracing", "Detailed tracing", Boolean, Scope::Sidecar, Some("OPENLIT_DETAILED_TRACING"), "Whether the SDK records detailed traces: true or false.";
    "settings", "Further settings", Map, Scope::Plugin, None, "Any other setting of Prelit by its name, such as OPENLIT_DETECTION: strict.";
    "strict", "Strict", Boolean, Scope::Plugin, None, "Whether findings, such as injections that were changed by hand, fail the sync: true or false.";
    "allow-empty", "Allow an empty result", Boolean, Scope::Plugin, None, "Whether a source that renders to nothing is no error; Argo CD then deletes all resources: true or false.";
    "values-files", "Values files", Texts, HELM, None, "Values files below the chart, or with a leading / below the root of the repository.";
    "values", "Values", Text, HELM, None, "Values as YAML, stronger than those of the files.";
    "helm-parameters", "Helm parameters", Map, HELM, None, "Single values by their path, such as image.tag: v2, as helm --set takes them; stronger than values.";
    "release-name", "Release name", Text, HELM, None, "The name of the release; without it, that of the Application.";
    "skip-crds", "Skip CRDs", Boolean, HELM, None, "Whether the chart's definitions in crds/ are left out: true or false.";
    "skip-tests", "Skip tests", Boolean, HELM, None, "Whether the chart's tests are left out: true or false.";
    "ignore-missing-values-files", "Ignore missing values files", Boolean, HELM, None, "Whether a values file that does not exist is passed over: true or false.";
    "recurse", "Recurse", Boolean, DIRECTORY, None, "Whether folders below this one are read, too: true or false.";
    "include", "Include", Text, DIRECTORY, None, "The only files that are read, as a pattern such as *.yaml or {a,b}/*.yaml.";
    "exclude", "Exclude", Text, DIRECTORY, None, "Files that are not read, as a pattern such as values*.yaml.";
}

/// What stands in `ARGOCD_APP_PARAMETERS` for one parameter.
#[derive(Debug, Deserialize)]
struct Given {
    name: String,
    string: Option<String>,
    array: Option<Vec<String>>,
    map: Option<BTreeMap<String, String>>,
}

/// A value in the form of its parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    Text(String),
    Texts(Vec<String>),
    Map(BTreeMap<String, String>),
}

/// The parameters that an Application gives: each is one of the table, in its form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameters {
    given: BTreeMap<&'static str, Content>,
}

impl Parameters {
    /// Reads `ARGOCD_APP_PARAMETERS`: a JSON array of `{name, string | array | map}`, or `null`. How long it may be is for
    /// the kernel to say, which passes on no variable of more than 128 KiB.
    ///
    /// # Errors
    /// Everything that is wrong with it. No value is shown: it may be a secret.
    pub fn read(json: &str) -> Result<Parameters, Vec<String>> {
        let (parameters, problems) = Parameters::read_what_can_be(json);
        if problems.is_empty() { Ok(parameters) } else { Err(problems) }
    }

    /// What is right in it, and what is wrong.
    pub fn read_what_can_be(json: &str) -> (Parameters, Vec<String>) {
        let mut parameters = Parameters::default();
        let list: Option<Vec<Given>> = match serde_json::from_str(json) {
            Ok(list) => list,
            Err(error) => {
                // The message of the library may show a value.
                let (line, column) = (error.line(), error.column());
                let expected = "expected a JSON array of objects with name and string, array or map";
                let problem = format!("ARGOCD_APP_PARAMETERS: {expected} (line {line}, column {column})");
                return (parameters, vec![problem]);
            }
        };
        let mut problems = Vec::new();
        for given in list.into_iter().flatten() {
            let name = given.name.clone();
            match parameters.add(given) {
                Ok(()) => {}
                Err(what) => problems.push(format!("parameter {:?}: {what}", syntax::shown(&name))),
            }
        }
        (parameters, problems)
    }

    fn add(&mut self, given: Given) -> Result<(), String> {
        let Some(parameter) = PARAMETERS.iter().find(|parameter| parameter.name == given.name) else {
            let names = PARAMETERS.iter().map(|parameter| parameter.name);
            return Err(match syntax::nearest(&given.name, names.clone()) {
                Some(near) => format!("there is none of this name; did you mean {near}?"),
                None => {
                    format!("there is none of this name, expected one of {}", names.collect::<Vec<_>>().join(", "))
                }
            });
        };
        if self.given.contains_key(parameter.name) {
            return Err("it stands twice, expected it once".to_owned());
        }
        let forms =
            [("string", given.string.is_some()), ("array", given.array.is_some()), ("map", given.map.is_some())];
        let found: Vec<&str> = forms.into_iter().filter(|(_, given)| *given).map(|(form, _)| form).collect();
        if found.is_empty() {
            // As with `value`, which Helm's parameters have, and Argo CD does not know here.
            return Err(format!("found no value, expected {}", parameter.form.expected()));
        }
        // What is cleared in Argo CD's user interface stays as an empty value.
        let string = given.string.filter(|text| !text.is_empty());
        let array = given.array.filter(|texts| !texts.is_empty());
        let map = given.map.filter(|map| !map.is_empty());
        let content = match (parameter.form, string, array, map) {
            (Form::Boolean, Some(text), None, None) if !matches!(text.as_str(), "true" | "false") => {
                return Err(format!("found another text, expected {}", parameter.form.expected()));
            }
            (Form::Text | Form::Boolean, Some(text), None, None) => Content::Text(text),
            (Form::Texts, None, Some(texts), None) => Content::Texts(texts),
            (Form::Map, None, None, Some(map)) => Content::Map(map),
            (_, None, None, None) => return Ok(()),
            (form, ..) => return Err(format!("found {}, expected {}", found.join(" and "), form.expected())),
        };
        self.given.insert(parameter.name, content);
        Ok(())
    }

    /// Parameters that only sources of another kind have.
    pub fn foreign_to(&self, kind: SourceKind) -> impl Iterator<Item = (&'static str, SourceKind)> {
        PARAMETERS.iter().filter_map(move |parameter| match parameter.scope {
            Scope::Source(other) if other != kind && self.given.contains_key(parameter.name) => {
                Some((parameter.name, other))
            }
            _ => None,
        })
    }

    /// A text.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.given.get(name) {
            Some(Content::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Whether a boolean is given as true.
    pub fn is_true(&self, name: &str) -> bool {
        self.text(name) == Some("true")
    }

    /// The items of an array.
    pub fn texts(&self, name: &str) -> &[String] {
        match self.given.get(name) {
            Some(Content::Texts(texts)) => texts,
            _ => &[],
        }
    }

    /// The entries of a map, by their names.
    pub fn entries(&self, name: &str) -> impl Iterator<Item = (&str, &str)> {
        let map = match self.given.get(name) {
            Some(Content::Map(map)) => Some(map),
            _ => None,
        };
        map.into_iter().flatten().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::settings::VARIABLES;

    #[test]
    fn every_parameter_stands_once_and_every_setting_exists() {
        for (index, parameter) in PARAMETERS.iter().enumerate() {
            assert!(PARAMETERS[..index].iter().all(|other| other.name != parameter.name), "{}", parameter.name);
            assert!(parameter.tooltip.ends_with('.') && !parameter.title.is_empty());
            if let Some(setting) = parameter.setting {
                assert!(VARIABLES.iter().any(|variable| variable.name == setting), "{setting}");
            }
        }
    }

    #[test]
    fn parameters_are_read_in_their_forms() {
        let read = Parameters::read(
            r#"[{"name":"endpoint","string":"http://a:4318"},{"name":"values-files","array":["a.yaml"]},
                {"name":"settings","map":{"OPENLIT_DETECTION":"strict"}},{"name":"allow-empty","string":"true"},
                {"name":"version","string":""},{"name":"recurse","map":{}}]"#,
        )
        .unwrap();
        assert_eq!(read.text("endpoint"), Some("http://a:4318"));
        assert_eq!(read.texts("values-files"), ["a.yaml"]);
        assert_eq!(read.entries("settings").collect::<Vec<_>>(), [("OPENLIT_DETECTION", "strict")]);
        assert!(read.is_true("allow-empty") && !read.is_true("strict"));
        assert_eq!((read.text("version"), read.text("recurse")), (None, None));
    }

    #[test]
    fn no_parameters_are_none() {
        assert_eq!(Parameters::read("null"), Ok(Parameters::default()));
        assert_eq!(Parameters::read("[]"), Ok(Parameters::default()));
    }

    #[test]
    fn everything_that_is_wrong_is_said_and_no_value_is_shown() {
        for (json, problem) in [
            ("{", "line 1"),
            (r#"[{"name":7}]"#, "expected a JSON array"),
            (r#"[{"name":"settings","map":{"A":7}}]"#, "expected a JSON array"),
            (r#"[{"name":"endpont","string":"s3cret"}]"#, "did you mean endpoint?"),
            (
                r#"[{"name":"--post-renderer","string":"s3cret"}]"#,
                "there is none of this name, expected one of endpoint",
            ),
            (r#"[{"name":"values","array":["s3cret"]}]"#, "found array, expected string"),
            (r#"[{"name":"values","value":"s3cret"}]"#, "found no value, expected string"),
            (r#"[{"name":"values-files","string":"s3cret"}]"#, "expected array"),
            (r#"[{"name":"values","string":"s3cret","map":{"a":"b"}}]"#, "found string and map"),
            (r#"[{"name":"strict","string":"s3cret"}]"#, "expected string: \"true\" or \"false\""),
            (r#"[{"name":"values","string":"a"},{"name":"values","string":"s3cret"}]"#, "it stands twice"),
        ] {
            let problems = Parameters::read(json).unwrap_err().join("\n");
            assert!(problems.contains(problem) && !problems.contains("s3cret"), "{json}: {problems}");
        }
    }

    #[test]
    fn a_parameter_of_another_kind_of_source_is_known() {
        let read = Parameters::read(r#"[{"name":"recurse","string":"true"},{"name":"strict","string":"true"}]"#);
        let read = read.unwrap();
        let foreign: Vec<_> = read.foreign_to(SourceKind::Helm).collect();
        assert_eq!(foreign, [("recurse", SourceKind::Directory)]);
        assert_eq!(read.foreign_to(SourceKind::Directory).count(), 0);
    }
}
