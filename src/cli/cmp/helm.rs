//! A chart, rendered by Helm: the options that Argo CD gives it, made of the Application's parameters. Everything of
//! these is an option's value or comes after `--`; nothing can become an option.

use super::checkout::{Astray, Checkout, LINK_OUT};
use super::program::Program;
use super::{Limits, Manifest, Output, not_json};
use crate::api::syntax;
use crate::argocd::Environment;
use crate::cli::files;
use crate::render::lines::Lines;
use crate::render::{Failure, Failures};
use crate::value::{ScalarType, Value, scalar};
use crate::yaml::Tree;
use crate::yaml::documents::{byte_order_mark, contents};
use crate::yaml::tree::{NodeKind, ParseError};
use serde_json::Value as Json;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

/// How the output is called in messages.
const OUTPUT: &str = "<helm template>";

/// Before each object Helm says which template it comes from.
const ORIGIN: &[u8] = b"# Source: ";

/// A larger schema is none.
const MAX_SCHEMA: u64 = 4 << 20;

/// The longest name of a release.
const LONGEST_RELEASE: usize = 53;

/// Renders the chart.
///
/// # Errors
/// Parameters that are none, what leads out of the repository, and what Helm says.
pub fn template(checkout: &Checkout, environment: &Environment, limits: Limits) -> Result<Output, Failures> {
    let chart = Chart::find(checkout)?;
    chart.refuse_outside(checkout)?;
    let arguments = arguments(checkout, environment, chart.has_archives())?;
    let parameters = &environment.parameters;
    let stdin = parameters.text("values").map(|values| values.as_bytes().to_vec());
    let program = Program { name: "helm", arguments: &arguments, stdin };
    let (bytes, said) = program.run(checkout, limits, |stderr| explained(&hidden(stderr, environment)))?;
    Ok(Output { manifests: vec![Manifest { name: OUTPUT.to_owned(), bytes }], said })
}

/// The arguments, in the order in which Argo CD gives them. Values that are written out come by stdin.
fn arguments(checkout: &Checkout, environment: &Environment, has_archives: bool) -> Result<Vec<OsString>, Failures> {
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
        let value = environment.expanded(value);
        if path.is_empty() || path.contains(['=', ',']) {
            failures.push(Failure::new(format!(
                "parameter \"helm-parameters\": found {:?}, expected the path of one value, such as image.tag",
                syntax::shown(path)
            )));
        }
        option("set", &format!("{path}={}", escaped(&value)));
    }
    for file in parameters.texts("values-files") {
        match values_file(checkout, &environment.expanded(file)) {
            Ok(real) => match real.to_str() {
                Some(path) => option("values", &quoted(path)),
                None => failures.push(Failure::new(format!(
                    "parameter \"values-files\": {}: its path is not UTF-8",
                    syntax::shown(file)
                ))),
            },
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
    if has_archives {
        // A schema in an archive may refer to files and URLs, and nobody here looks into archives.
        arguments.push("--skip-schema-validation".into());
    }
    if parameters.is_true("skip-tests") {
        arguments.push("--skip-tests".into());
    }
    let (given, of_application) = (parameters.text("release-name"), environment.application.as_deref());
    match given.or(of_application) {
        Some(name) if name.len() <= LONGEST_RELEASE && syntax::check(syntax::OBJECT_NAME, name) => {
            arguments.extend(["--".into(), name.into(), ".".into()]);
        }
        _ => failures.push(Failure::new(format!(
            "parameter \"release-name\": found {}, expected {}, at most {LONGEST_RELEASE} characters",
            match (given, of_application) {
                (Some(name), _) => format!("{:?}", syntax::shown(name)),
                (None, Some(name)) => format!("none, and the Application's name {:?} is none", syntax::shown(name)),
                (None, None) => "neither it nor ARGOCD_APP_NAME".to_owned(),
            },
            syntax::OBJECT_NAME.expected
        ))),
    }
    if failures.is_empty() { Ok(arguments) } else { Err(Failures(failures)) }
}

/// The file that a parameter names. Argo CD's own Helm takes patterns, too.
fn values_file(checkout: &Checkout, file: &str) -> Result<PathBuf, Astray> {
    if file.starts_with('$') {
        return Err(Astray::Refused(
            "found a reference to another source; expected a file of the repository".to_owned(),
        ));
    }
    let found = checkout.resolve(file);
    if found.as_ref().is_ok_and(|real| real.is_dir()) {
        return Err(Astray::Refused("found a folder; expected a file".to_owned()));
    }
    if found == Err(Astray::Missing) && file.contains(['*', '?', '[']) {
        return Err(Astray::Refused("found a pattern; expected the name of one file".to_owned()));
    }
    found
}

/// A path as one value: Helm reads the option as CSV, in which a comma would begin a further file.
fn quoted(path: &str) -> String {
    format!("\"{}\"", path.replace('"', "\"\""))
}

/// What is wrong with values that are written out: Helm would call them `-`. No part of them is shown.
fn refusal_of_values(values: &str) -> Option<Failure> {
    let lines = Lines::new("parameter \"values\"", values.as_bytes());
    contents(values.as_bytes()).find_map(|document| {
        let refuse = |offset, what: &str| Some(Failure::without_line(&lines, document.start + offset, what));
        match Tree::parse(&values[document.clone()]) {
            Err(ParseError { related: Some(_), .. }) => None,
            Err(error) => refuse(error.offset, &error.message),
            Ok(tree) => match tree.root().map(|root| tree.node(tree.follow(root))) {
                Some(root) if !is_map_or_nothing(&root.kind) => {
                    refuse(root.start, "found no map; expected values as YAML, such as image: python:3.11")
                }
                _ => None,
            },
        }
    })
}

fn is_map_or_nothing(kind: &NodeKind<'_>) -> bool {
    match kind {
        NodeKind::Mapping { .. } => true,
        NodeKind::Scalar { text, typed, .. } => *typed && scalar::resolve(text) == ScalarType::Null,
        _ => false,
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

/// What of a checkout Helm may come to read.
struct Chart {
    /// Every link of the checkout: Helm follows them.
    links: Vec<PathBuf>,
    /// The files that may be of the chart: those of its folder, and where that has links to folders, all.
    files: Vec<PathBuf>,
}

impl Chart {
    fn find(checkout: &Checkout) -> Result<Self, Failures> {
        let all = checkout.all_files()?;
        let links: Vec<PathBuf> = all.iter().filter(|file| file.is_symlink()).cloned().collect();
        let folder = checkout.folder();
        let files = if links.iter().any(|link| link.starts_with(folder) && link.is_dir()) {
            all
        } else {
            all.into_iter().filter(|file| file.starts_with(folder)).collect()
        };
        Ok(Chart { links, files })
    }

    /// Helm reads what links lead to, wherever that is, and what schemas refer to, files and URLs.
    fn refuse_outside(&self, checkout: &Checkout) -> Result<(), Failures> {
        let mut failures = Vec::new();
        for link in self.links.iter().filter(|link| !checkout.holds(link)) {
            failures.push(Failure::new(format!("{}: {LINK_OUT}", checkout.shown(link))));
        }
        let is_schema = |file: &&PathBuf| file.file_name().is_some_and(|file| file == "values.schema.json");
        for file in self.files.iter().filter(is_schema) {
            let name = checkout.shown(file);
            let bytes = files::read_small(&name, file, MAX_SCHEMA)?;
            match serde_json::from_slice::<Json>(&bytes[byte_order_mark(&bytes)..]) {
                Ok(schema) => failures.extend(outside_references(&schema).into_iter().map(|reference| {
                    let reference = syntax::shown(&reference);
                    let expected = "found a reference out of the schema; expected one that begins with #";
                    Failure::new(format!("{name}: {reference}: {expected}"))
                })),
                Err(error) => {
                    let message = "found what is no JSON; expected a JSON schema".to_owned();
                    failures.push(not_json(name, &error, message));
                }
            }
        }
        if failures.is_empty() { Ok(()) } else { Err(Failures(failures)) }
    }

    /// Whether dependencies are vendored as archives.
    fn has_archives(&self) -> bool {
        self.files.iter().any(|file| file.extension().is_some_and(|extension| extension == "tgz"))
    }
}

/// What a schema refers to outside of itself, and of the schemas of schemas, which Helm has built in.
fn outside_references(schema: &Json) -> Vec<String> {
    let mut identities = Vec::new();
    let mut references = Vec::new();
    let mut open = vec![schema];
    while let Some(part) = open.pop() {
        match part {
            Json::Object(entries) => {
                for (key, value) in entries {
                    match (key.as_str(), value.as_str()) {
                        ("$id" | "id", Some(text)) => identities.push(text.trim_end_matches('#')),
                        ("$ref" | "$dynamicRef" | "$recursiveRef" | "$schema", Some(text)) => references.push(text),
                        // What stands there is data.
                        ("default" | "const" | "enum" | "examples", _) => {}
                        _ => open.push(value),
                    }
                }
            }
            Json::Array(items) => open.extend(items),
            _ => {}
        }
    }
    references.retain(|reference| {
        let (of, _) = reference.split_once('#').unwrap_or((reference, ""));
        let is_built_in =
            ["http", "https"].iter().any(|scheme| of.starts_with(&format!("{scheme}://json-schema.org/")));
        !of.is_empty() && !is_built_in && !identities.contains(&of)
    });
    references.into_iter().map(str::to_owned).collect()
}

/// What Helm says, without the values that the Application gave it: short ones say nothing. Longer ones go first, since
/// one may be a part of another.
fn hidden(stderr: &str, environment: &Environment) -> String {
    let parameters = &environment.parameters;
    let is_telling = |value: &String| value.len() >= 6 && !matches!(value.as_str(), "true" | "false");
    let mut values = scalars(parameters.text("values").unwrap_or_default());
    for (_, value) in parameters.entries("helm-parameters") {
        // A list, as `{a,b}`.
        let items = value.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or_default();
        values.extend(items.split(',').map(|item| item.trim().to_owned()));
        values.extend([value.to_owned(), environment.expanded(value)]);
    }
    // As they are, as `--set` has them, as Go and JSON quote them, and without what YAML takes for its own.
    let forms = values.iter().flat_map(|value| {
        let quoted = serde_json::to_string(value).unwrap_or_default();
        let within = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default();
        let bare = value.trim_start_matches(['*', '&', '!', '%', '@', '"', '\'']).trim_end_matches(['"', '\'']);
        [escaped(value), value.replace('\\', ""), within.to_owned(), bare.to_owned()]
    });
    let forms: Vec<String> = forms.collect();
    values.extend(forms);
    values.retain(is_telling);
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    values.dedup();
    values.iter().fold(stderr.to_owned(), |text, value| text.replace(value.as_str(), "***"))
}

/// Every text of values that are written out, and every line of it.
fn scalars(values: &str) -> Vec<String> {
    let mut texts = Vec::new();
    for document in contents(values.as_bytes()) {
        let Ok(tree) = Tree::parse(&values[document.clone()]) else {
            // Of what has a key twice, the lines, and what stands behind their keys.
            for line in values[document].lines().map(str::trim) {
                texts.extend([line, line.split_once(": ").map_or("", |(_, value)| value.trim())].map(str::to_owned));
            }
            continue;
        };
        for id in 0..tree.len() {
            let NodeKind::Scalar { text, .. } = &tree.node(id).kind else { continue };
            texts.push(text.clone().into_owned());
            texts.extend(text.lines().map(|line| line.trim().to_owned()));
        }
    }
    texts
}

/// Whether all that the chart depends on is at hand, and nothing is refused.
pub fn can_be_rendered(checkout: &Checkout) -> bool {
    let text = fs::read_to_string(checkout.folder().join("Chart.yaml")).unwrap_or_default();
    let Ok(tree) = Tree::parse(&text) else { return false };
    let Ok(chart) = tree.value() else { return false };
    let vendored: Vec<String> = fs::read_dir(checkout.folder().join("charts"))
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    // A folder, or an archive with a version behind the name.
    let is_vendored = |name: &str| vendored.iter().any(|found| found == name || found.starts_with(&format!("{name}-")));
    let dependencies = chart.get("dependencies").and_then(Value::as_list).unwrap_or_default();
    let names = dependencies.iter().filter_map(|dependency| dependency.get("name")?.as_text());
    names.into_iter().all(is_vendored) && Chart::find(checkout).and_then(|chart| chart.refuse_outside(checkout)).is_ok()
}

/// What Helm says, and what to do where it does not say it.
fn explained(stderr: &str) -> String {
    let told = stderr.lines().filter(|line| !line.contains("Use --debug flag"));
    let stderr = told.collect::<Vec<_>>().join("\n");
    if stderr.contains("missing in charts/") {
        format!("{stderr}\nthe plugin fetches nothing: run helm dependency build, and commit the folder charts/")
    } else {
        stderr
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
        for name in ["values-prod.yaml", "a,\"b\".yaml"] {
            std::fs::write(folder.path().join(name), "a: 1\n").unwrap();
        }
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
        match arguments(&checkout, &environment, false) {
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
            "--values=\"/repo/values-prod.yaml\"",
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
            (r#"[{"name":"values-files","array":["values-*.yaml"]}]"#, "found a pattern"),
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
            files in proptest::collection::vec(proptest::sample::select(vec!["values-prod.yaml", "a,\"b\".yaml", "../x", "-f", "/", "."]), 0..3),
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
    fn a_name_with_a_comma_is_one_file() {
        let found = arguments_of(r#"[{"name":"values-files","array":["a,\"b\".yaml"]}]"#).unwrap();
        assert!(found.contains(&"--values=\"/repo/a,\"\"b\"\".yaml\"".to_owned()), "{found:?}");
    }

    #[test]
    fn values_that_are_written_out_are_maps_or_nothing() {
        for values in ["", "a: 1", "# x\n", "null", "a: 1\n---\nb: 2\n", "a: 1\na: 2"] {
            assert_eq!(refusal_of_values(values), None, "{values:?}");
        }
        for values in ["[a]", "a", "a: [", "a: 1\n---\n- b\n"] {
            assert!(refusal_of_values(values).is_some(), "{values:?}");
        }
    }

    #[test]
    fn references_out_of_a_schema_are_found() {
        let schema = serde_json::json!({
            "$schema": "http://json-schema.org/draft-07/schema#", "$id": "https://example.com/chat",
            "default": {"$ref": "http://example.com/data"}, "allOf": [{"$ref": "https://example.com/chat#/definitions/a"}],
            "$ref": "#/definitions/a", "properties": {"$ref": {"type": "string"}, "b": [{"$ref": "file:///etc/hosts"}]},
            "definitions": {"a": {"$dynamicRef": "http://example.com/x", "$schema": "file:///etc/schema"}},
        });
        let mut found = outside_references(&schema);
        found.sort();
        assert_eq!(found, ["file:///etc/hosts", "file:///etc/schema", "http://example.com/x"]);
    }

    #[test]
    fn a_missing_file_may_be_passed_over() {
        let json =
            r#"[{"name":"values-files","array":["none.yaml"]},{"name":"ignore-missing-values-files","string":"true"}]"#;
        assert!(arguments_of(json).unwrap().iter().all(|argument| !argument.contains("none.yaml")));
    }

    #[test]
    fn what_helm_says_shows_no_value_of_the_application() {
        let json = serde_json::json!([
            {"name": "helm-parameters", "map": {"password": "hunter2,x", "longer": "hunter2,x-and-more", "on": "true",
                "list": "{first-secret,second-secret}", "expanded": "$ARGOCD_APP_NAME-and-secret"}},
            {"name": "values", "string": "token: top-secret\ntext: |\n  first \"line\"\n  second line\nreplicas: 2\n"},
        ]);
        let variables = [("ARGOCD_APP_PARAMETERS", json.to_string()), ("ARGOCD_APP_NAME", "chat".to_owned())];
        let environment = Environment::read(variables.map(|(name, value)| (name.into(), value.into()))).unwrap();
        for (said, shown) in [
            ("bad hunter2,x or hunter2\\,x: true", "bad *** or ***: true"),
            ("'hunter2,x-and-more' is long", "'***' is long"),
            ("got [first-secret second-secret] of chat-and-secret", "got [*** ***] of ***"),
            ("parsing \"top-secret\" as 2", "parsing \"***\" as 2"),
            ("got \"first \\\"line\\\"\"; got second line", "got \"***\"; got ***"),
        ] {
            assert_eq!(hidden(said, &environment), shown);
        }
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
