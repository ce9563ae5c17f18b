//! The laws of the filter, for any bytes at all: no panic, the same twice, nothing lost, removal gives
//! the original, a new configuration the same as without the old one, and three readings of a plan agree.
//! Shared by the property tests, the corpus and the fuzzer.

use super::manifests::Stream;
use prelit::api::resource::{self, AutoInstrumentation};
use prelit::api::settings::{self, Settings};
use prelit::inject::engine::{Engine, Work};
use prelit::manifest;
use prelit::render::report::{Report, State};
use prelit::render::{Action, Failures, Options, Rendered, Run, Source, Splice, Survey};
use prelit::value::patch::to_json_patch;
use prelit::value::{Edit, Value};
use prelit::yaml::{Tree, documents};
use serde_json::Value as Json;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};

/// A configuration that selects every pod template.
pub const EVERYTHING: &str = "apiVersion: openlit.io/v1alpha1
kind: AutoInstrumentation
metadata: {name: everything}
spec:
  selector:
    matchExpressions: [{key: no-pod-has-this-label, operator: DoesNotExist}]
  otlp: {endpoint: \"http://collector:4318\"}
";

/// Another one, with a bit of everything.
pub const OTHER: &str = "apiVersion: openlit.io/v1alpha1
kind: AutoInstrumentation
metadata: {name: other}
spec:
  selector:
    matchExpressions: [{key: no-pod-has-this-label, operator: DoesNotExist}]
  otlp: {endpoint: \"http://elsewhere:4318\", timeout: 30}
  resource: {environment: prod, attributes: {team: x}}
  python:
    instrumentation:
      provider: openinference
      version: 1.2.3
      env:
      - {name: EXTRA, value: \"1\"}
      - {name: PYTHONPATH, value: /more}
      volumes: [{name: ca, configMap: {name: ca}}]
      volumeMounts: [{name: ca, mountPath: /etc/ca}]
";

/// What a law is asked of.
pub struct Subject<'s> {
    pub name: &'s str,
    pub bytes: &'s [u8],
    /// Whether anything stands between brackets, where only the meaning comes back.
    pub has_flow: bool,
    /// The configuration that selects; none: the label.
    pub configuration: Option<&'s str>,
    /// Documents that cannot be parsed are passed over.
    pub lenient: bool,
}

/// Any bytes, with and without a configuration: for the fuzzer.
pub fn any_bytes(bytes: &[u8]) {
    let has_flow = bytes.contains(&b'{') || bytes.contains(&b'[');
    for configuration in [None, Some(EVERYTHING)] {
        let subject = Subject { name: "fuzzed.yaml", bytes, has_flow, configuration, lenient: true };
        holds(&subject);
    }
}

/// A made stream, with and without a configuration; all of it can be injected.
pub fn any_choices(stream: &Stream) {
    for configuration in [Some(EVERYTHING), None] {
        let bytes = stream.text.as_bytes();
        let subject = Subject { name: "made.yaml", bytes, has_flow: stream.has_flow, configuration, lenient: false };
        assert!(holds(&subject).is_some(), "cannot be injected\n{}", stream.text);
    }
}

/// Asks all laws. Gives what the injection did, unless there was an error.
pub fn holds(subject: &Subject<'_>) -> Option<Rendered> {
    let removed_first = subject.render(Action::Remove, subject.bytes, None);
    let rendered = subject.render(Action::Inject, subject.bytes, subject.configuration).ok()?;
    subject.is_sound(&rendered);
    let once = apply(subject.bytes, &rendered);
    check_agrees(&rendered);

    let again = subject.must("inject twice", Action::Inject, &once, subject.configuration, &once);
    subject.same("inject twice = inject once", &once, &apply(&once, &again), &once);
    check_agrees(&again);

    let carries_already = contains(subject.bytes, b"openlit.io/injection");
    if !carries_already {
        let removed = removed(subject, &once);
        subject.comes_back("remove after inject = the original", subject.bytes, &removed, &once);
        if let Ok(nothing) = removed_first {
            assert!(nothing.splices.is_empty(), "remove changes what was never injected\n{}", subject.text());
        }
        let second = subject.must("renew", Action::Inject, &once, Some(OTHER), &once);
        let directly = subject.must("inject with the other", Action::Inject, subject.bytes, Some(OTHER), subject.bytes);
        let expected = apply(subject.bytes, &directly);
        subject.comes_back(
            "a new configuration over an old = the new one alone",
            &expected,
            &apply(&once, &second),
            &once,
        );
    }
    subject.three_readings_agree(&rendered, &once);
    Some(rendered)
}

/// What removal leaves of an injected subject.
pub fn removed(subject: &Subject<'_>, once: &[u8]) -> Vec<u8> {
    let removal = subject.must("remove", Action::Remove, once, None, once);
    apply(once, &removal)
}

impl Subject<'_> {
    fn text(&self) -> String {
        format!("--- {}\n{}", self.name, String::from_utf8_lossy(self.bytes))
    }

    fn render(&self, action: Action, bytes: &[u8], configuration: Option<&str>) -> Result<Rendered, Failures> {
        let options = options(action);
        let source = Source { name: self.name, bytes, lenient: self.lenient, left_alone: None };
        let survey = Survey::of(&source, &options)?;
        let configs: Vec<Source<'_>> = configuration
            .iter()
            .map(|text| Source { name: "config.yaml", bytes: text.as_bytes(), lenient: false, left_alone: None })
            .collect();
        Run::new(options, &configs, vec![survey])?.render(&source)
    }

    fn must(&self, what: &str, action: Action, bytes: &[u8], configuration: Option<&str>, seen: &[u8]) -> Rendered {
        match self.render(action, bytes, configuration) {
            Ok(rendered) => rendered,
            Err(failures) => panic!(
                "{what}: {:?}\n{}\n--- on\n{}",
                failures.0.iter().map(|failure| &failure.message).collect::<Vec<_>>(),
                self.text(),
                String::from_utf8_lossy(seen),
            ),
        }
    }

    /// Splices are in order, and in block style they only add.
    fn is_sound(&self, rendered: &Rendered) {
        let mut end = 0;
        for splice in &rendered.splices {
            assert!(
                splice.range.start >= end && splice.range.end <= self.bytes.len(),
                "splices overlap\n{}",
                self.text()
            );
            end = splice.range.end;
        }
        let renewed = contains(self.bytes, b"openlit.io/injection");
        if !self.has_flow && !renewed && !self.bytes.contains(&b'{') {
            let adds_only = rendered.splices.iter().all(|splice| splice.range.is_empty());
            assert!(adds_only, "an edit of block style takes something away: {:?}\n{}", rendered.splices, self.text());
        }
    }

    #[track_caller]
    fn same(&self, law: &str, expected: &[u8], found: &[u8], between: &[u8]) {
        assert!(
            expected == found,
            "{law}\n{}\n--- between\n{}\n--- expected\n{}\n--- found\n{}",
            self.text(),
            String::from_utf8_lossy(between),
            String::from_utf8_lossy(expected),
            String::from_utf8_lossy(found),
        );
    }

    /// The bytes come back; in flow style and JSON what Kubernetes reads.
    fn comes_back(&self, law: &str, expected: &[u8], found: &[u8], between: &[u8]) {
        if expected != found && self.has_flow && meaning(expected) == meaning(found) {
            return;
        }
        self.same(law, expected, found, between);
    }

    /// The plan as a JSON patch, applied by somebody else to what somebody else reads of the original, is what
    /// that one reads of the edited text.
    fn three_readings_agree(&self, rendered: &Rendered, once: &[u8]) {
        let Some(engine) = self.engine() else { return };
        if rendered.splices.is_empty() || contains(self.bytes, b"openlit.io/injection") {
            return;
        }
        let refused = rendered.report.remarks.iter().any(|remark| {
            use prelit::api::Reason;
            matches!(remark.reason, Reason::SharedAnchor | Reason::UnsupportedYaml | Reason::Unparsable)
        });
        if refused {
            return;
        }
        let before: Vec<_> = documents(self.bytes).collect();
        let after: Vec<_> = documents(once).collect();
        assert_eq!(before.len(), after.len(), "documents came or went\n{}", self.text());
        for (before, after) in before.iter().zip(&after) {
            let (Ok(before), Ok(after)) =
                (std::str::from_utf8(&self.bytes[before.text.clone()]), std::str::from_utf8(&once[after.text.clone()]))
            else {
                continue;
            };
            let Ok(tree) = Tree::parse(before) else { continue };
            let Ok(value) = tree.value() else { continue };
            let edits = edits(&engine, &value);
            if edits.is_empty() {
                assert!(before == after, "a document was edited without a plan\n{}", self.text());
                continue;
            }
            let patch = to_json_patch(&value, &edits).expect("the plan fits the value");
            let operations: json_patch::Patch = serde_json::from_slice(&patch).expect("what we write is a JSON patch");
            let mut ours = value.to_json();
            json_patch::patch(&mut ours, &operations).expect("the patch applies to the value");
            let Ok(edited) = Tree::parse(after) else { panic!("the edited text does not parse\n{after}") };
            let meant = edited.value().expect("it was proven").to_json();
            assert!(
                ours == meant,
                "the patch does something else than the text\n{before}\n---\n{after}\n{ours}\n{meant}"
            );
            // What the other reader refuses (duplicates under another name, say) is not for it to judge.
            let (Some(mut theirs), Some(read)) = (read_by_another(before), read_by_another(after)) else { continue };
            json_patch::patch(&mut theirs, &operations).expect("the patch applies to what others read");
            assert!(theirs == read, "another reader does not read what was planned\n{before}\n---\n{after}");
        }
    }

    fn engine(&self) -> Option<Engine> {
        let resources: Vec<(AutoInstrumentation, bool)> = match self.configuration {
            None => Vec::new(),
            Some(text) => vec![(read_configuration(text)?, true)],
        };
        // Configurations of the stream itself would count, too.
        if contains(self.bytes, b"AutoInstrumentation") {
            return None;
        }
        Some(Engine::new(resources, &all_settings(), None))
    }
}

fn read_configuration(text: &str) -> Option<AutoInstrumentation> {
    let tree = Tree::parse(text).ok()?;
    let value = tree.value().ok()?;
    resource::read(&value).ok()
}

/// The edits of all pod templates of a document.
fn edits(engine: &Engine, value: &Value<'_>) -> Vec<Edit> {
    let mut edits = Vec::new();
    if manifest::is_sops(value) {
        return edits;
    }
    for workload in manifest::workloads(value, &[]).workloads {
        // An item of a list can be encrypted by itself.
        if manifest::is_sops(workload.object.value) {
            continue;
        }
        for template in &workload.templates {
            if let Work::Inject(plan) = engine.inject(&workload, template, &[], false).work {
                edits.extend(plan.into_iter().map(|edit| edit.below(&workload.object.at)));
            }
        }
    }
    edits
}

fn all_settings() -> Settings {
    let pairs = [("OPENLIT_KNATIVE".to_owned(), "render".to_owned())];
    settings::read(pairs.into_iter()).expect("a known setting")
}

/// What a run is to do: everything that can be rendered is.
pub fn options(action: Action) -> Options {
    Options { action, settings: all_settings(), namespace: None, workloads: Vec::new(), force: false, thorough: false }
}

/// The edited source.
pub fn apply(bytes: &[u8], rendered: &Rendered) -> Vec<u8> {
    let (mut edited, mut at) = (Vec::new(), 0);
    for Splice { range, text } in &rendered.splices {
        edited.extend_from_slice(&bytes[at..range.start]);
        edited.extend_from_slice(text.as_bytes());
        at = range.end;
    }
    edited.extend_from_slice(&bytes[at..]);
    edited
}

/// What `check` would complain of is what `inject` changes.
fn check_agrees(rendered: &Rendered) {
    let changes = |report: &Report| {
        report.rows.iter().any(|row| matches!(row.state, State::Injected | State::Stale | State::Removed))
    };
    assert_eq!(
        changes(&rendered.report),
        !rendered.splices.is_empty(),
        "check and inject disagree: {:?}",
        rendered.report
    );
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    memchr::memmem::find(bytes, wanted).is_some()
}

/// A document as a library reads it that Prelit does not use for reading.
pub fn read_by_another(document: &str) -> Option<Json> {
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        merge_keys: MergeKeyPolicy::Merge,
        legacy_octal_numbers: true,
        emit_comments: false,
    };
    serde_saphyr::from_str_with_options(document, options).ok()
}

/// What a stream means, without what may come back absent, and with all scalars as text.
pub fn meaning(stream: &[u8]) -> Vec<Option<Json>> {
    documents(stream)
        .map(|document| {
            let text = std::str::from_utf8(&stream[document.text]).ok()?;
            let tree = Tree::parse(text).ok()?;
            Some(without_nothing(&tree.value().ok()?))
        })
        .collect()
}

fn without_nothing(value: &Value<'_>) -> Json {
    let is_something = |value: &Json| match value {
        Json::Null => false,
        Json::String(text) => !text.is_empty(),
        Json::Array(items) => !items.is_empty(),
        Json::Object(map) => !map.is_empty(),
        _ => true,
    };
    match value {
        Value::Scalar(_) => value.as_text().map_or(Json::Null, Json::from),
        Value::List(items) => items.iter().map(without_nothing).collect(),
        Value::Map(map) => map
            .iter()
            .map(|(key, value)| (key.to_owned(), without_nothing(value)))
            .filter(|(_, value)| is_something(value))
            .collect(),
    }
}
