//! Streams and trees of manifests in, the same out, instrumented: which documents are parsed, the
//! engine's plans as splices of the text, positions, and what is to be said of it all.
//!
//! A run has two passes, because a configuration may stand behind the workloads that it selects:
//! [`Survey`] looks every source over for `AutoInstrumentation` resources, then [`Run::render`] decides each
//! document by itself. Both can be called for many sources at once.

mod document;
pub mod kustomization;
pub mod lines;
pub mod objects;
mod pieces;
pub mod report;
mod scan;
mod survey;

use crate::api::resource::AutoInstrumentation;
use crate::api::settings::Settings;
use crate::api::{Reason, names};
use crate::inject::engine::Engine;
use crate::manifest::Row as KindRow;
use crate::yaml;
use crate::yaml::documents::{Document, documents, is_blank};
use lines::Lines;
use rayon::prelude::*;
use report::{Position, Remark, Report};
use scan::Scan;
use std::collections::HashSet;
use std::ops::Range;

pub use survey::Survey;
pub use yaml::Splice;

/// What is done to the workloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Injections are made, renewed, and taken out where a workload is opted out.
    Inject,
    /// Injections are taken out.
    Remove,
}

/// What a run is to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// What is done.
    pub action: Action,
    /// The settings.
    pub settings: Settings,
    /// The namespace of objects that name none.
    pub namespace: Option<String>,
    /// Kinds that the user named, with the paths of their pod templates.
    pub workloads: Vec<KindRow>,
    /// Whether injections that somebody changed are renewed or removed all the same.
    pub force: bool,
    /// Whether every document is parsed, so that there is an answer for each.
    pub thorough: bool,
}

/// One file, or a stream.
#[derive(Debug, Clone, Copy)]
pub struct Source<'s> {
    /// As it is shown: a path, or `<stdin>`.
    pub name: &'s str,
    /// Its bytes.
    pub bytes: &'s [u8],
    /// Whether a document that cannot be parsed is a remark, not an error.
    pub lenient: bool,
    /// Why the whole file is left alone.
    pub left_alone: Option<Reason>,
}

/// What is to be done to one source.
#[derive(Debug, Clone, Default)]
pub struct Rendered {
    /// Splices of the source's bytes: sorted, disjoint.
    pub splices: Vec<Splice>,
    /// What was done and why.
    pub report: Report,
}

/// Why a run cannot go on: everything that was found, not only the first.
#[derive(Debug, Clone, Default)]
pub struct Failures(pub Vec<Failure>);

/// One reason why a run cannot go on.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// Where.
    pub position: Option<Position>,
    /// What was found, and what was expected.
    pub message: String,
    /// The line of the source at that position, as far as it holds no secret.
    pub source_line: Option<String>,
}

impl Failure {
    /// A failure that stands nowhere in a source.
    pub fn new(message: impl Into<String>) -> Self {
        Failure { position: None, message: message.into(), source_line: None }
    }

    /// A failure at an offset whose line is not to be shown: it says nothing, or may be a secret.
    pub fn without_line(lines: &Lines<'_>, offset: usize, message: impl Into<String>) -> Self {
        Failure { position: Some(lines.position(offset)), ..Failure::new(message) }
    }

    /// A failure at an offset of a source: of the line only the key is shown.
    pub fn at(lines: &Lines<'_>, offset: usize, message: impl Into<String>) -> Self {
        Failure { position: Some(lines.position(offset)), message: message.into(), source_line: lines.key_line(offset) }
    }

    /// A failure of a value that is no secret: it is shown with its key.
    fn of_value(lines: &Lines<'_>, value: Range<usize>, message: impl Into<String>) -> Self {
        Failure {
            position: Some(lines.position(value.start)),
            message: message.into(),
            source_line: lines.value_line(value),
        }
    }

    /// A failure of what stands in a source at a range. It is shown with its key only if it `may_be_shown`, being
    /// no secret, and is a single value: of a list or a map nobody knows what stands in it.
    pub fn of_part(
        lines: &Lines<'_>,
        (part, is_single): (Range<usize>, bool),
        may_be_shown: bool,
        message: impl Into<String>,
    ) -> Self {
        if may_be_shown && is_single {
            Failure::of_value(lines, part, message)
        } else {
            Failure::at(lines, part.start, message)
        }
    }
}

/// A run, ready to render its sources in any order.
#[derive(Debug)]
pub struct Run {
    options: Options,
    engine: Engine,
    scan: Scan,
    remarks: Vec<Remark>,
    apart: Vec<(String, Remark)>,
}

impl Run {
    /// Prepares a run from what its sources were found to hold, and from the configurations that are given apart.
    ///
    /// # Errors
    /// When a configuration cannot be read or is not valid, with every reason.
    pub fn new(options: Options, configs: &[Source<'_>], surveys: Vec<Survey>) -> Result<Run, Failures> {
        let mut failures = Failures::default();
        let mut found = Vec::with_capacity(configs.len() + surveys.len());
        for config in configs {
            match Survey::of_configuration(config, &options) {
                Ok(survey) => found.push(survey),
                Err(wrong) => failures.0.extend(wrong.0),
            }
        }
        if !failures.0.is_empty() {
            return Err(failures);
        }
        let (mut resources, mut remarks, mut apart) = (Vec::new(), Vec::new(), Vec::new());
        for survey in found.into_iter().chain(surveys) {
            for (resource, everywhere) in survey.resources {
                // What is given apart often stands among the manifests too.
                if !resources.iter().any(|(known, _): &(AutoInstrumentation, bool)| *known == resource) {
                    resources.push((resource, everywhere));
                }
            }
            remarks.extend(survey.remarks);
            apart.extend(survey.apart);
        }
        let kinds = crate::manifest::kind_names(&options.workloads);
        let scan = Scan::new(kinds, !resources.is_empty());
        let engine = Engine::new(resources, &options.settings, options.namespace.clone());
        Ok(Run { options, engine, scan, remarks, apart })
    }

    /// What is to be said of the configurations.
    pub fn remarks(&self) -> &[Remark] {
        &self.remarks
    }

    /// What is to be said when all sources are decided: that of what was given for them nothing selects anything,
    /// as after a typing error in a selector. Several resources that serve other manifests too are no error
    /// as long as one of them is used; what a label or an annotation keeps out says nothing of the selectors.
    pub fn idle(&self, whole: &Report) -> Vec<Remark> {
        let is_missed = |row: &report::Row| row.reason == Some(Reason::NotSelected);
        let names: HashSet<&str> = self.apart.iter().map(|(name, _)| name.as_str()).collect();
        let is_other = |row: &report::Row| match row.selected_by.as_deref() {
            Some(name) => !names.contains(name),
            None => is_missed(row) || row.reason == Some(Reason::NoPodTemplate),
        };
        let is_idle = self.options.action == Action::Inject
            && whole.rows.iter().any(is_missed)
            && whole.rows.iter().all(is_other);
        if is_idle { self.apart.iter().map(|(_, remark)| remark.clone()).collect() } else { Vec::new() }
    }

    /// Decides one source.
    ///
    /// # Errors
    /// When a document that must be parsed cannot be, unless the source is lenient; when an edit could
    /// not be proven.
    pub fn render(&self, source: &Source<'_>) -> Result<Rendered, Failures> {
        let lines = Lines::new(source.name, source.bytes);
        let mut rendered = Rendered::default();
        rendered.report.counts.files = 1;
        if let Some(reason) = source.left_alone {
            rendered.report.remarks.push(Remark::on_source(lines.position(0), reason));
            rendered.report.counts.files_left_alone = 1;
            return Ok(rendered);
        }
        if let Some(message) = not_utf8(source.bytes) {
            return unreadable(source, &lines, rendered, message);
        }
        if source.lenient && memchr::memmem::find(source.bytes, b"apiVersion").is_none() {
            rendered.report.remarks.push(Remark::on_source(lines.position(0), Reason::NotKubernetes));
            rendered.report.counts.files_left_alone = 1;
            return Ok(rendered);
        }
        let concerned = self.scan.may_concern(source.bytes);
        let mut work: Vec<Document> = Vec::new();
        for document in documents(source.bytes) {
            rendered.report.counts.documents += usize::from(!is_blank(&source.bytes[document.text.clone()]));
            let bytes = &source.bytes[document.text.start..document_end(&document)];
            if self.options.thorough || concerned && self.scan.must_parse(bytes) {
                work.push(document);
            } else if concerned {
                rendered.report.remarks.extend(unreached_injection(source, &lines, &document.text));
            }
        }
        let decide = |document: &Document| document::decide(self, source, document);
        let results = side_by_side(&work, decide);
        let mut failures = Failures::default();
        for (document, result) in work.iter().zip(results) {
            match result {
                Ok(result) => {
                    if !result.has_record {
                        rendered.report.remarks.extend(unreached_injection(source, &lines, &document.text));
                    }
                    result.append_to(&mut rendered, &lines, document.text.start);
                }
                Err(failed) => {
                    // Where everything is parsed, what need not be is no error.
                    let lenient = source.lenient || !self.scan.must_parse(&source.bytes[document.text.clone()]);
                    failed.append_to(&mut rendered, &mut failures, &lines, lenient, document);
                }
            }
        }
        rendered.report.counts.files_changed = usize::from(!rendered.splices.is_empty());
        if failures.0.is_empty() { Ok(rendered) } else { Err(failures) }
    }
}

/// Decides sources that are all at hand, with the configurations among them: the splices of each, and what is to be
/// said of them together.
///
/// # Errors
/// Everything that is wrong with the configurations and the sources.
pub fn render(
    sources: &[Source<'_>],
    options: Options,
    configs: &[Source<'_>],
) -> Result<(Vec<Vec<Splice>>, Report), Failures> {
    let surveys = all(side_by_side(sources, |source| Survey::of(source, &options)))?;
    let run = Run::new(options, configs, surveys)?;
    let mut splices = Vec::with_capacity(sources.len());
    let mut whole = Report { remarks: run.remarks().to_vec(), ..Report::default() };
    for rendered in all(side_by_side(sources, |source| run.render(source)))? {
        splices.push(rendered.splices);
        whole.append(rendered.report);
    }
    let idle = run.idle(&whole);
    whole.remarks.extend(idle);
    Ok((splices, whole))
}

/// All results, or all failures, in their order.
///
/// # Errors
/// When one of them is an error.
pub fn all<T>(results: Vec<Result<T, Failures>>) -> Result<Vec<T>, Failures> {
    let mut done = Vec::with_capacity(results.len());
    let mut failures = Failures::default();
    for result in results {
        match result {
            Ok(value) => done.push(value),
            Err(wrong) => failures.0.extend(wrong.0),
        }
    }
    if failures.0.is_empty() { Ok(done) } else { Err(failures) }
}

/// What is to be said of a document in which no pod template carries an injection, though our annotation stands in it.
fn unreached_injection(source: &Source<'_>, lines: &Lines<'_>, document: &Range<usize>) -> Option<Remark> {
    let found = memchr::memmem::find(&source.bytes[document.clone()], names::ANNOTATION_INJECTION.as_bytes())?;
    Some(Remark::on_source(lines.position(document.start + found), Reason::UnreachedInjection))
}

/// A source that is no text: an error, or a remark.
fn unreadable(
    source: &Source<'_>,
    lines: &Lines<'_>,
    mut rendered: Rendered,
    message: &str,
) -> Result<Rendered, Failures> {
    if source.lenient {
        rendered
            .report
            .remarks
            .push(Remark { detail: message.to_owned(), ..Remark::on_source(lines.position(0), Reason::Unparsable) });
        return Ok(rendered);
    }
    Err(Failures(vec![Failure::without_line(lines, 0, message)]))
}

/// Where a document ends, with what stands behind its `...`.
fn document_end(document: &Document) -> usize {
    document.after_end.as_ref().map_or(document.text.end, |rest| rest.end)
}

/// Encodings that could hide a workload from the scan.
fn not_utf8(bytes: &[u8]) -> Option<&'static str> {
    let utf16 = bytes.starts_with(&[0xff, 0xfe])
        || bytes.starts_with(&[0xfe, 0xff])
        || matches!(bytes, [0, _, ..] | [_, 0, ..]);
    utf16.then_some("the text is UTF-16 or UTF-32; expected UTF-8")
}

/// What is made of each of these, in their order: on every core, if there are enough to be worth it.
pub fn side_by_side<T: Sync, R: Send>(work: &[T], make: impl Fn(&T) -> R + Sync + Send) -> Vec<R> {
    /// From this number on.
    const ENOUGH: usize = 8;
    if work.len() >= ENOUGH { work.par_iter().map(make).collect() } else { work.iter().map(make).collect() }
}

/// A range moved by an offset.
fn shifted(range: &Range<usize>, by: usize) -> Range<usize> {
    range.start + by..range.end + by
}
