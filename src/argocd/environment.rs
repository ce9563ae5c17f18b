//! The environment that Argo CD runs a plugin in. `PARAM_*` is never read: its names are made from those of parameters,
//! and two can become one. `ARGOCD_APP_PARAMETERS` says the same without doubt.

use super::parameters::{PARAMETERS, Parameters};
use crate::api::settings::{Given, SettingProblem, VARIABLES};
use crate::api::syntax;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// What Argo CD puts before the variables of an Application's `plugin.env`.
const OF_APPLICATION: &str = "ARGOCD_ENV_";

/// What the names of Argo CD's build environment begin with.
const OF_BUILD: &str = "ARGOCD_APP_";

/// What the names of settings begin with. Those of the webhook and its own telemetry are no business of an Application.
const SETTING: &str = "OPENLIT_";

/// What Argo CD says of an Application.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// `ARGOCD_APP_NAME`, without the namespace of the Application, which may stand before a `_`.
    pub application: Option<String>,
    /// `ARGOCD_APP_NAMESPACE`: where the Application's objects go that name no namespace.
    pub namespace: Option<String>,
    /// `ARGOCD_APP_SOURCE_PATH`: the folder, from the root of the repository; empty for a chart of a registry. None where
    /// it is not Argo CD that runs the command.
    pub source_path: Option<PathBuf>,
    /// `KUBE_VERSION`
    pub kube_version: Option<String>,
    /// `KUBE_API_VERSIONS`
    pub api_versions: Vec<String>,
    /// `ARGOCD_APP_PARAMETERS`
    pub parameters: Parameters,
    /// `ARGOCD_APP_*`, but for the parameters: Argo CD's build environment.
    build: BTreeMap<String, String>,
    /// `ARGOCD_ENV_OPENLIT_*`: names without the prefix, in their order.
    settings: Vec<(String, String)>,
}

impl Environment {
    /// Reads it from the variables of a process.
    ///
    /// # Errors
    /// Everything that is wrong with it. No value is shown that may be a secret.
    pub fn read(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Environment, Vec<String>> {
        let (environment, problems) = Environment::read_what_can_be(variables);
        if problems.is_empty() { Ok(environment) } else { Err(problems) }
    }

    /// The same with what is right in it, for commands that help to mend the rest, and what is wrong.
    pub fn read_what_can_be(variables: impl IntoIterator<Item = (OsString, OsString)>) -> (Environment, Vec<String>) {
        let mut environment = Environment::default();
        let mut problems = Vec::new();
        for (name, value) in variables {
            let Ok(name) = name.into_string() else { continue };
            let setting = name.strip_prefix(OF_APPLICATION).filter(|setting| setting.starts_with(SETTING));
            let is_read = setting.is_some()
                || matches!(name.as_str(), "KUBE_VERSION" | "KUBE_API_VERSIONS")
                || name.starts_with(OF_BUILD);
            if !is_read {
                continue;
            }
            if let Some(build) = name.strip_prefix(OF_BUILD) {
                environment.source_path.get_or_insert_default();
                if build != "PARAMETERS" {
                    environment.build.insert(name.clone(), value.to_string_lossy().into_owned());
                }
            }
            let Ok(value) = value.into_string() else {
                problems.push(format!("{name}: found what is not UTF-8, expected text"));
                continue;
            };
            if let Some(setting) = setting {
                environment.settings.push((setting.to_owned(), value));
            } else if !value.is_empty()
                && let Err(wrong) = environment.set(&name, value)
            {
                problems.extend(wrong);
            }
        }
        // The order of an environment is nobody's intention.
        environment.settings.sort();
        (environment, problems)
    }

    fn set(&mut self, name: &str, value: String) -> Result<(), Vec<String>> {
        match name {
            "ARGOCD_APP_NAME" => {
                self.application = Some(value.rsplit_once('_').map_or(value.as_str(), |(_, name)| name).to_owned());
            }
            "ARGOCD_APP_NAMESPACE" if syntax::check(syntax::DNS_LABEL, &value) => self.namespace = Some(value),
            "ARGOCD_APP_NAMESPACE" => {
                let found = syntax::shown(&value);
                return Err(vec![format!("{name}: found {found:?}, expected {}", syntax::DNS_LABEL.expected)]);
            }
            "ARGOCD_APP_SOURCE_PATH" => self.source_path = Some(PathBuf::from(value)),
            "ARGOCD_APP_PARAMETERS" => {
                let (parameters, problems) = Parameters::read_what_can_be(&value);
                self.parameters = parameters;
                if !problems.is_empty() {
                    return Err(problems);
                }
            }
            "KUBE_VERSION" => self.kube_version = Some(value),
            "KUBE_API_VERSIONS" => {
                let versions = value.split(',').map(str::trim).filter(|version| !version.is_empty());
                self.api_versions = versions.map(str::to_owned).collect();
            }
            _ => {}
        }
        Ok(())
    }

    /// The settings of the Application: those of its parameters after those of its variables, which are weaker.
    pub fn settings(&self) -> Given {
        let mut given = Given { pairs: self.settings.clone(), problems: Vec::new() };
        for (name, value) in self.parameters.entries("settings") {
            if name.starts_with(SETTING) {
                given.pairs.push((name.to_owned(), self.expanded(value)));
            } else {
                let is_known = VARIABLES.iter().any(|variable| variable.name == name);
                let what =
                    if is_known { "a setting of the webhook, which does nothing here" } else { "unknown setting" };
                given
                    .problems
                    .push(SettingProblem::new(name, format!("{what}; expected one that begins with {SETTING}")));
            }
        }
        for parameter in PARAMETERS {
            if let Some((setting, value)) = parameter.setting.zip(self.parameters.text(parameter.name)) {
                given.pairs.push((setting.to_owned(), self.expanded(value)));
            }
        }
        given
    }

    /// A text of a parameter with Argo CD's build environment put in: `$ARGOCD_APP_NAME` and the like. Argo CD does so in
    /// the parameters of its own Helm, and in no plugin's.
    pub fn expanded(&self, text: &str) -> String {
        let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let mut parts = text.split('$');
        let mut expanded = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = match part.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
                Some(braced) => braced,
                None => part.split_at(part.find(|c| !is_of_name(c)).unwrap_or(part.len())),
            };
            match self.build.get(name) {
                Some(value) => expanded.extend([value.as_str(), rest]),
                None => expanded.extend(["$", part]),
            }
        }
        expanded
    }

    /// Where the Application says a setting: the one that counts.
    pub fn origin(&self, setting: &str) -> String {
        let is_it = |name: Option<&str>| name == Some(setting);
        let parameter = PARAMETERS.iter().find(|each| is_it(each.setting) && self.parameters.text(each.name).is_some());
        if let Some(parameter) = parameter {
            format!("parameter {:?}", parameter.name)
        } else if self.parameters.entries("settings").any(|(name, _)| name == setting) {
            format!("parameter \"settings\": {}", syntax::shown(setting))
        } else {
            format!("{OF_APPLICATION}{}", syntax::shown(setting))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Environment, Vec<String>> {
        Environment::read(variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))))
    }

    #[test]
    fn what_argo_cd_says_is_read() {
        let environment = read(&[
            ("ARGOCD_APP_NAME", "team-a_chat"),
            ("ARGOCD_APP_NAMESPACE", "prod"),
            ("ARGOCD_APP_SOURCE_PATH", "apps/chat"),
            ("ARGOCD_APP_PARAMETERS", r#"[{"name":"endpoint","string":"http://b:4318"}]"#),
            ("ARGOCD_ENV_OPENLIT_DETECTION", "strict"),
            ("ARGOCD_ENV_OPENLIT_OTLP_ENDPOINT", "http://a:4318"),
            ("ARGOCD_ENV_HELM_PLUGINS", "/evil"),
            ("PARAM_ENDPOINT", "http://c:4318"),
            ("OPENLIT_OTLP_ENDPOINT", "http://d:4318"),
            ("KUBE_VERSION", "1.36"),
            ("KUBE_API_VERSIONS", "v1,apps/v1,apps/v1/Deployment"),
        ])
        .unwrap();
        assert_eq!(environment.application.as_deref(), Some("chat"));
        assert_eq!(environment.namespace.as_deref(), Some("prod"));
        assert_eq!(environment.api_versions, ["v1", "apps/v1", "apps/v1/Deployment"]);
        let pairs: Vec<_> = environment.settings().pairs;
        let expected = [
            ("OPENLIT_DETECTION", "strict"),
            ("OPENLIT_OTLP_ENDPOINT", "http://a:4318"),
            ("OPENLIT_OTLP_ENDPOINT", "http://b:4318"),
        ];
        assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(environment.origin("OPENLIT_OTLP_ENDPOINT"), "parameter \"endpoint\"");
        assert_eq!(environment.origin("OPENLIT_DETECTION"), "ARGOCD_ENV_OPENLIT_DETECTION");
    }

    #[test]
    fn the_build_environment_is_put_into_parameters() {
        let json = r#"[{"name":"environment","string":"$ARGOCD_APP_NAMESPACE-${ARGOCD_APP_NAME}-$HOME"}]"#;
        let environment = read(&[
            ("ARGOCD_APP_NAME", "chat"),
            ("ARGOCD_APP_NAMESPACE", "prod"),
            ("ARGOCD_APP_REVISION", "abc"),
            ("ARGOCD_APP_REVISION_SHORT", "a"),
            ("ARGOCD_APP_PARAMETERS", json),
        ])
        .unwrap();
        assert_eq!(environment.settings().pairs[0].1, "prod-chat-$HOME");
        assert_eq!(environment.expanded("$ARGOCD_APP_REVISION_SHORT $ARGOCD_APP_REVISION"), "a abc");
        assert_eq!(
            environment.expanded("$ARGOCD_APP_NAMEX ${ARGOCD_APP_NAME $$ $"),
            "$ARGOCD_APP_NAMEX ${ARGOCD_APP_NAME $$ $"
        );
    }

    #[test]
    fn empty_variables_say_nothing() {
        let empty = ["ARGOCD_APP_NAMESPACE", "ARGOCD_APP_PARAMETERS", "KUBE_VERSION"].map(|name| (name, ""));
        let environment = read(&empty).unwrap();
        assert_eq!((environment.namespace, environment.kube_version), (None, None));
        assert_eq!(environment.source_path, Some(PathBuf::new()), "it is Argo CD that says so");
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let problems = read(&[
            ("ARGOCD_APP_NAMESPACE", "-n kube-system"),
            ("ARGOCD_APP_PARAMETERS", r#"[{"name":"x","string":"y"},{"name":"strict","string":"si"}]"#),
        ]);
        assert_eq!(problems.unwrap_err().len(), 3);
    }

    #[test]
    fn the_settings_of_the_webhook_are_none_of_an_application() {
        let json = r#"[{"name":"settings","map":{"WEBHOOK_PORT":"1","OTEL_EXPORTER_OTLP_HEADERS":"s3cret"}}]"#;
        let given = read(&[("ARGOCD_APP_PARAMETERS", json)]).unwrap().settings();
        assert!(given.pairs.is_empty());
        assert_eq!(given.problems.len(), 2);
        assert!(given.problems.iter().all(|problem| !problem.to_string().contains("s3cret")));
    }
}
