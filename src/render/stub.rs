//! A stand-in for the streams and trees that are being built: the types of the interface, and an
//! engine that adds a comment line above every `openlit.io/instrument: "true"`.

use super::report::{Counts, Position, Report, Row, State};
use crate::api::Reason;
use std::ops::Range;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Add the instrumentation.
    Inject,
    /// Take it out.
    Remove,
}

/// The seed configuration.
#[derive(Debug, Clone, Default)]
pub struct Settings;

impl Settings {
    /// Reads settings from pairs of name and value; every error at once.
    pub fn read(pairs: Vec<(String, String)>) -> Result<Self, Vec<String>> {
        let wrong: Vec<String> = pairs
            .iter()
            .filter(|(name, _)| !name.starts_with("OPENLIT_"))
            .map(|(name, value)| format!("{name}={value}: no setting has this name"))
            .collect();
        if wrong.is_empty() { Ok(Settings) } else { Err(wrong) }
    }
}

/// A row of the table of kinds, as `--workload` gives it.
#[derive(Debug, Clone)]
pub struct KindRow;

impl std::str::FromStr for KindRow {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains('=') { Ok(KindRow) } else { Err("expected group/Kind=spec.path[*].template".to_owned()) }
    }
}

/// What a run is to do, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// What.
    pub action: Action,
    /// The seed configuration.
    pub settings: Settings,
    /// The namespace of what names none.
    pub namespace: Option<String>,
    /// Kinds that the user names.
    pub workloads: Vec<KindRow>,
    /// Renew or remove what was edited.
    pub force: bool,
    /// Parse everything, so that there is an answer for everything.
    pub thorough: bool,
}

/// One file or stream.
#[derive(Debug, Clone, Copy)]
pub struct Source<'s> {
    /// As it is shown: a path or `<stdin>`.
    pub name: &'s str,
    /// All of it.
    pub bytes: &'s [u8],
    /// Whether what cannot be parsed is a remark instead of an error.
    pub lenient: bool,
    /// Why it is not to be changed.
    pub left_alone: Option<Reason>,
}

/// What the first pass finds in a source.
#[derive(Debug)]
pub struct Survey {
    interesting: bool,
}

impl Survey {
    /// Looks for configurations, cheaply.
    pub fn of(source: &Source, _options: &Options) -> Result<Survey, Failures> {
        Ok(Survey { interesting: memchr::memmem::find(source.bytes, b"openlit.io").is_some() })
    }

    /// Whether the source may change though there is no configuration anywhere.
    pub fn must_render(&self) -> bool {
        self.interesting
    }
}

/// The second pass over all sources.
#[derive(Debug)]
pub struct Run {
    options: Options,
}

impl Run {
    /// From the first pass over all sources, and the configurations.
    pub fn new(options: Options, _configs: &[Source], _surveys: Vec<Survey>) -> Result<Run, Failures> {
        Ok(Run { options })
    }

    /// Decides one source.
    pub fn render(&self, source: &Source) -> Result<Rendered, Failures> {
        let mut report = Report { counts: Counts { files: 1, documents: 1, ..Counts::default() }, ..Report::default() };
        let mut splices = Vec::new();
        for (index, line) in source.bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let start = line.as_ptr() as usize - source.bytes.as_ptr() as usize;
            let here = Position { file: source.name.to_owned(), line: index + 1, column: 5 };
            let row = |state, reason| Row {
                position: here.clone(),
                kind: "Deployment".to_owned(),
                api_version: "apps/v1".to_owned(),
                name: "chat".to_owned(),
                namespace: None,
                template: "spec.template".to_owned(),
                container: "app".to_owned(),
                selected_by: Some("label".to_owned()),
                state,
                reason,
                detail: String::new(),
            };
            if memchr::memmem::find(line, b"STUB-BROKEN").is_some() {
                if source.lenient {
                    report.rows.push(row(State::Skipped, Some(Reason::Unparsable)));
                    continue;
                }
                return Err(Failures(vec![Failure {
                    position: Some(here),
                    message: "found STUB-BROKEN, expected anything else".to_owned(),
                    source_line: Some(String::from_utf8_lossy(line).trim_end().to_owned()),
                }]));
            }
            match self.options.action {
                _ if source.left_alone.is_some() => {}
                Action::Inject if memchr::memmem::find(line, b"instrument: \"true\"").is_some() => {
                    report.counts.templates += 1;
                    if source.bytes[..start].ends_with(b"# stub\n") {
                        report.rows.push(row(State::Current, None));
                    } else {
                        report.rows.push(row(State::Injected, None));
                        splices.push(Splice { range: start..start, text: "# stub\n".to_owned() });
                    }
                }
                Action::Remove if line == b"# stub\n" => {
                    report.rows.push(row(State::Removed, None));
                    splices.push(Splice { range: start..start + line.len(), text: String::new() });
                }
                _ => {}
            }
        }
        Ok(Rendered { splices, report })
    }
}

/// What becomes of one source.
#[derive(Debug, Clone, Default)]
pub struct Rendered {
    /// The edits: sorted, disjoint.
    pub splices: Vec<Splice>,
    /// What is to be said.
    pub report: Report,
}

/// One edit of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splice {
    /// The bytes of the source that it replaces; may be empty.
    pub range: Range<usize>,
    /// What stands there instead.
    pub text: String,
}

/// Everything that is wrong.
#[derive(Debug, Clone, Default)]
pub struct Failures(pub Vec<Failure>);

/// One thing that is wrong.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Where.
    pub position: Option<Position>,
    /// What was found, and what was expected.
    pub message: String,
    /// The line of the source.
    pub source_line: Option<String>,
}
