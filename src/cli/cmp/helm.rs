//! A chart, rendered by Helm: the options that Argo CD gives it, made of the Application's parameters. Everything of
//! these is an option's value or comes after `--`; nothing can become an option.

use super::Manifest;
use super::checkout::{Astray, Checkout};
use super::program::Program;
use crate::api::syntax;
use crate::argocd::{Environment, Parameters};
use crate::render::lines::Lines;
use crate::render::{Failure, Failures};
use crate::yaml::Tree;
use crate::yaml::tree::{NodeKind, ParseError};
use std::ffi::OsString;
use std::time::Instant;

/// How the output is called in messages.
const OUTPUT: &str = "<helm template>";

/// Before each object Helm says which template it comes from.
const ORIGIN: &[u8] = b"# Source: ";

/// The longest name of a release.
const LONGEST_RELEASE: usize = 53;

/// Renders the chart.
///
/// # Errors
/// Parameters that are none, what leads out of the repository, and what Helm says.
pub fn template(checkout: &Checkout, environment: &Environment, deadline: Instant) -> Result<Vec<Manifest>, Failures> {
    refuse_links_outside(checkout)?;
    let arguments = arguments(checkout, environment)?;
    let parameters = &environment.parameters;
    let stdin = parameters.text("values").map(|values| values.as_bytes().to_vec());
    let program = Program { name: "helm", arguments: &arguments, stdin };
    let bytes = program.run(checkout, deadline, |stderr| explained(&hidden(stderr, parameters)))?;
    Ok(vec![Manifest { name: OUTPUT.to_owned(), bytes }])
}

/// The arguments, in the order in which Argo CD gives them. Values that are written out come by stdin.
fn arguments(checkout: &Checkout, environment: &Environment) -> Result<Vec<OsString>, Failures> {
    let parameters = &environment.parameters;
    let mut failures = Vec::new();
    let mut arguments: Vec<OsString> = vec!["template".into()];
    let mut option = |name: &str, value: &str| arguments.push(format!("--{name}={value}").into());
    if let Some(namespace) = &environment.namespace {
        option("namespace", namespace);
    }
    if let Some(version) = &environment.kube_version {
        option("kube-version", version);
    }
    for (path, value) in parameters.entries("helm-parameters") {
        if path.is_empty() || path.contains(['=', ',']) {
            failures.push(Failure::new(format!(
                "parameter \"helm-parameters\": found {:?}, expected the path of one value, such as image.tag",
                syntax::shown(path)
            )));
        }
        option("set", &format!("{path}={}", escaped(value)));
    }
    for file in parameters.texts("values-files") {
        match checkout.resolve(file) {
            Ok(real) => option("values", &real.to_string_lossy()),
            Err(Astray::Missing) if parameters.is_true("ignore-missing-values-files") => {}
            Err(astray) => {
                let what = match astray {
                    Astray::Missing => "there is no such file".to_owned(),
                    Astray::Refused(what) => what,
                };
                failures.push(Failure::new(format!("parameter \"values-files\": {}: {what}", syntax::shown(file))));
            }
        }
    }
    if let Some(values) = parameters.text("values") {
        failures.extend(refusal_of_values(values));
        option("values", "-");
    }
    for version in &environment.api_versions {
        option("api-versions", version);
    }
    if !parameters.is_true("skip-crds") {
        arguments.push("--include-crds".into());
    }
    if parameters.is_true("skip-tests") {
        arguments.push("--skip-tests".into());
    }
    let release = parameters.text("release-name").or(environment.application.as_deref());
    match release {
        Some(name) if name.len() <= LONGEST_RELEASE && syntax::check(syntax::OBJECT_NAME, name) => {
            arguments.extend(["--".into(), name.into(), ".".into()]);
        }
        found => failures.push(Failure::new(format!(
            "parameter \"release-name\": found {}, expected {}, at most {LONGEST_RELEASE} characters",
            found.map_or("neither it nor ARGOCD_APP_NAME".to_owned(), |name| format!("{:?}", syntax::shown(name))),
            syntax::OBJECT_NAME.expected
        ))),
    }
    if failures.is_empty() { Ok(arguments) } else { Err(Failures(failures)) }
}

/// What is wrong with values that are written out: Helm would call them `-`. No part of them is shown.
fn refusal_of_values(values: &str) -> Option<Failure> {
    let lines = Lines::new("parameter \"values\"", values.as_bytes());
    let refuse = |offset, what: &str| Some(Failure::without_line(&lines, offset, what));
    match Tree::parse(values) {
        Err(ParseError { related: Some(_), .. }) => None,
        Err(error) => refuse(error.offset, &error.message),
        Ok(tree) => match tree.root().map(|root| tree.node(tree.follow(root))) {
            None => None,
            Some(root) if root.is_empty() || matches!(root.kind, NodeKind::Mapping { .. }) => None,
            Some(root) => refuse(root.start, "found no map; expected values as YAML, such as image: python:3.11"),
        },
    }
}

/// A value for `--set`, in which a comma would begin the next one. `{a,b}` is a list, as for Argo CD.
fn escaped(value: &str) -> String {
    if value.starts_with('{') && value.ends_with('}') {
        return value.to_owned();
    }
    let mut text = String::with_capacity(value.len());
    let mut last = None;
    for character in value.chars() {
        if character == ',' && last != Some('\\') {
            text.push('\\');
        }
        text.push(character);
        last = Some(character);
    }
    text
}

/// Helm reads what links lead to, wherever that is.
fn refuse_links_outside(checkout: &Checkout) -> Result<(), Failures> {
    let links = checkout.files(true)?.into_iter().filter(|file| file.is_symlink());
    let outside: Vec<Failure> = links
        .filter_map(|link| {
            let name = checkout.shown(&link);
            match checkout.resolve(&name) {
                Err(Astray::Refused(what)) => Some(Failure::new(format!("{name}: {what}"))),
                Ok(_) | Err(Astray::Missing) => None,
            }
        })
        .collect();
    if outside.is_empty() { Ok(()) } else { Err(Failures(outside)) }
}

/// What Helm says, without the values that the Application gave it: short ones say nothing.
fn hidden(stderr: &str, parameters: &Parameters) -> String {
    let is_telling = |value: &str| value.len() >= 6 && !matches!(value, "true" | "false");
    let values = parameters.entries("helm-parameters").map(|(_, value)| value).filter(|value| is_telling(value));
    values.fold(stderr.to_owned(), |text, value| text.replace(value, "***").replace(&escaped(value), "***"))
}

/// What Helm says, and what to do where it does not say it.
fn explained(stderr: &str) -> String {
    if stderr.contains("missing in charts/") {
        format!("{stderr}; the plugin has no network: run helm dependency build, and commit the folder charts/")
    } else {
        stderr.to_owned()
    }
}

/// Failures of the output with the template that each comes from.
pub fn named(mut failures: Failures, manifests: &[Manifest]) -> Failures {
    for failure in &mut failures.0 {
        let Some(position) = failure.position.as_ref().filter(|position| position.file == OUTPUT) else { continue };
        let lines = manifests.iter().flat_map(|manifest| manifest.bytes.split(|byte| *byte == b'\n'));
        let origin = lines.take(position.line).filter_map(|line| line.strip_prefix(ORIGIN)).last();
        if let Some(origin) = origin {
            failure.message = format!("{}: {}", String::from_utf8_lossy(origin).trim_end(), failure.message);
        }
    }
    failures
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::report::Position;

    fn arguments_of(json: &str) -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("values-prod.yaml"), "a: 1\n").unwrap();
        let checkout = Checkout::at(folder.path());
        let variables = [
            ("ARGOCD_APP_NAME", "chat"),
            ("ARGOCD_APP_NAMESPACE", "prod"),
            ("ARGOCD_APP_PARAMETERS", json),
            ("KUBE_VERSION", "1.36.0"),
            ("KUBE_API_VERSIONS", "v1,apps/v1"),
        ];
        let environment = Environment::read(variables.map(|(name, value)| (name.into(), value.into()))).unwrap();
        let text = |argument: OsString| {
            let argument = argument.into_string().unwrap();
            argument.replace(&format!("{}/", checkout.folder().display()), "/repo/")
        };
        match arguments(&checkout, &environment) {
            Ok(arguments) => Ok(arguments.into_iter().map(text).collect()),
            Err(failures) => Err(failures.0.into_iter().map(|failure| failure.message).collect::<Vec<_>>().join("\n")),
        }
    }

    #[test]
    fn the_options_are_those_of_argo_cd() {
        let found = arguments_of(
            r#"[{"name":"values-files","array":["values-prod.yaml"]},{"name":"values","string":"b: 2"},
                {"name":"helm-parameters","map":{"image.tag":"v1,v2","args":"{a,b}"}},{"name":"skip-tests","string":"true"}]"#,
        );
        let expected = [
            "template",
            "--namespace=prod",
            "--kube-version=1.36.0",
            "--set=args={a,b}",
            "--set=image.tag=v1\\,v2",
            "--values=/repo/values-prod.yaml",
            "--values=-",
            "--api-versions=v1",
            "--api-versions=apps/v1",
            "--include-crds",
            "--skip-tests",
            "--",
            "chat",
            ".",
        ];
        assert_eq!(found.unwrap(), expected);
    }

    #[test]
    fn nothing_becomes_an_option_or_leaves_the_repository() {
        for (json, problem) in [
            (
                r#"[{"name":"release-name","string":"--post-renderer=/bin/sh"}]"#,
                "expected the name of a Kubernetes object",
            ),
            (r#"[{"name":"values-files","array":["../../etc/passwd"]}]"#, "found a path out of the repository"),
            (r#"[{"name":"values-files","array":["https://example.com/v.yaml"]}]"#, "found a URL"),
            (r#"[{"name":"values-files","array":["none.yaml"]}]"#, "there is no such file"),
            (r#"[{"name":"helm-parameters","map":{"a=1,b":"2"}}]"#, "expected the path of one value"),
        ] {
            let problems = arguments_of(json).unwrap_err();
            assert!(problems.contains(problem), "{json}: {problems}");
        }
        let option = arguments_of(r#"[{"name":"helm-parameters","map":{"--debug":"--post-renderer"}}]"#).unwrap();
        assert!(option.contains(&"--set=--debug=--post-renderer".to_owned()));
    }

    proptest::proptest! {
        /// Whatever an Application says, Helm sees options of ours and two words behind `--`.
        #[test]
        fn whatever_is_said_is_a_value(
            texts in proptest::collection::vec("(--)?[-a-z=,./ \\\\{}\"'$\n]{0,12}", 5),
            files in proptest::collection::vec(proptest::sample::select(vec!["values-prod.yaml", "../x", "-f", "/", "."]), 0..3),
        ) {
            let json = serde_json::json!([
                {"name": "release-name", "string": texts[0]},
                {"name": "values", "string": texts[1]},
                {"name": "helm-parameters", "map": {&texts[2]: texts[3]}},
                {"name": "skip-crds", "string": "true"},
                {"name": "values-files", "array": files},
                {"name": "ignore-missing-values-files", "string": "true"},
            ]);
            if let Ok(arguments) = arguments_of(&json.to_string()) {
                let (options, operands) = arguments.split_at(arguments.len() - 3);
                proptest::prop_assert_eq!(&operands[0], "--");
                proptest::prop_assert!(syntax::check(syntax::OBJECT_NAME, &operands[1]));
                proptest::prop_assert_eq!(&operands[2], ".");
                let ours = ["--namespace=", "--kube-version=", "--set=", "--values=", "--api-versions="];
                for option in &options[1..] {
                    proptest::prop_assert!(ours.iter().any(|ours| option.starts_with(ours)), "{}", option);
                }
            }
        }
    }

    #[test]
    fn a_missing_file_may_be_passed_over() {
        let json =
            r#"[{"name":"values-files","array":["none.yaml"]},{"name":"ignore-missing-values-files","string":"true"}]"#;
        assert!(arguments_of(json).unwrap().iter().all(|argument| !argument.contains("none.yaml")));
    }

    #[test]
    fn what_helm_says_shows_no_value_of_the_application() {
        let parameters =
            Parameters::read(r#"[{"name":"helm-parameters","map":{"password":"hunter2,x","on":"true"}}]"#).unwrap();
        assert_eq!(hidden("bad hunter2,x or hunter2\\,x: true", &parameters), "bad *** or ***: true");
    }

    #[test]
    fn a_failure_names_its_template() {
        let bytes =
            b"---\n# Source: chat/templates/a.yaml\nkind: A\n---\n# Source: chat/templates/b.yaml\nx: [\n".to_vec();
        let at = |line| Failure {
            position: Some(Position { file: OUTPUT.to_owned(), line, column: 1 }),
            ..Failure::new("found x")
        };
        let manifests = [Manifest { name: OUTPUT.to_owned(), bytes }];
        let failures = named(Failures(vec![at(3), at(6)]), &manifests).0;
        assert_eq!(failures[0].message, "chat/templates/a.yaml: found x");
        assert_eq!(failures[1].message, "chat/templates/b.yaml: found x");
    }
}
