//! One document: parsed, decided, edited, proven.

use super::lines::Lines;
use super::report::{Position, Remark, Row, State};
use super::{Action, Failure, Failures, Rendered, Run, Source, Splice, shifted};
use crate::api::{Finding, Reason};
use crate::inject::engine::{ContainerVerdict, Verdict, Work};
use crate::manifest::{self, Object, PodTemplate, Workload};
use std::rc::Rc;
use crate::value::{Edit, Path};
use crate::yaml::documents::Document;
use crate::yaml::edit::{self, Edited, Refusal};
use crate::yaml::tree::{ParseError, Tree};
use crate::yaml::proof;

/// What was decided of a document. Offsets are of the document's text.
#[derive(Debug, Default)]
pub(super) struct DocumentResult {
    splices: Vec<Splice>,
    rows: Vec<(usize, Row)>,
    remarks: Vec<(usize, Remark)>,
    templates: usize,
}

/// A document that could not be decided.
#[derive(Debug)]
pub(super) enum Failed {
    /// It cannot be parsed.
    Unparsable(ParseError),
    /// It was parsed, and something is wrong with it or with us.
    Error(usize, String),
}

/// Decides a document.
pub(super) fn decide(run: &Run, source: &Source<'_>, document: &Document) -> Result<DocumentResult, Failed> {
    let bytes = &source.bytes[document.text.clone()];
    let text = std::str::from_utf8(bytes)
        .map_err(|error| Failed::unparsable(error.valid_up_to(), "the text is not UTF-8; expected UTF-8"))?;
    if document.content_on_marker {
        return Err(Failed::unparsable(0, "the document goes on behind its ---, which kubectl refuses; expected it on the next line"));
    }
    let mut result = round(run, text, true)?;
    if let Some(rest) = &document.after_end {
        let rest = &source.bytes[rest.clone()];
        if rest.split(|byte| *byte == b'\n').skip(1).any(|line| !matches!(line.trim_ascii_start().first(), None | Some(b'#'))) {
            let lost = Finding::new(Reason::AfterDocumentEnd, Path::ROOT);
            result.remarks.push((text.len(), remark("", &lost)));
        }
    }
    Ok(result)
}

/// Decides the document once. What must be taken out first is taken out, and the rest is decided in a second round.
fn round(run: &Run, text: &str, first: bool) -> Result<DocumentResult, Failed> {
    let tree = Tree::parse(text).map_err(Failed::Unparsable)?;
    let value = tree.value().map_err(Failed::Unparsable)?;
    let found = manifest::workloads(&value, &run.options.workloads);
    let mut result = DocumentResult::default();
    for object in &found.references {
        let row = row_of(object, State::Skipped, Some(Reason::NoPodTemplate), "");
        result.rows.push((offset_of(&tree, &object.at), row));
    }
    let sops = manifest::is_sops(&value);
    let mut decisions = Vec::new();
    for workload in found.workloads {
        decide_workload(run, workload, sops, &mut decisions).map_err(|(at, finding)| {
            let message = format!("{}: {}; {}", finding.reason.code(), finding.reason.sentence(), "remove with --force, or undo the change");
            Failed::Error(offset_of(&tree, &at.join(&finding.at)), message)
        })?;
    }
    result.templates = decisions.len();
    let renew = first && decisions.iter().any(|decision| matches!(decision.verdict.work, Work::Renew(_)));
    let (edits, edited) = if renew {
        let edits: Vec<Edit> =
            decisions.iter().filter(|decision| matches!(decision.verdict.work, Work::Renew(_) | Work::Remove(_))).flat_map(Decision::edits).collect();
        let edited = edit::edit(&tree, &edits);
        (edits, edited)
    } else {
        carry_out(&tree, &mut decisions, &mut result)
    };
    if !first && decisions.iter().any(|decision| matches!(decision.verdict.work, Work::Renew(_))) {
        return Err(Failed::Error(0, "an injection could not be renewed: this is a defect of Prelit".to_owned()));
    }
    report(&tree, &decisions, &mut result);
    if edits.is_empty() {
        return Ok(result);
    }
    let edited = edited.map_err(|refusal| Failed::refused(&refusal))?;
    let new_text = edited.text(text);
    proof::prove(value, &edits, &edited, &new_text).map_err(|error| Failed::Error(0, error.to_string()))?;
    if renew {
        let second = round(run, &new_text, false)?;
        let mut renewed = new_text.clone();
        for splice in second.splices.iter().rev() {
            renewed.replace_range(splice.range.clone(), &splice.text);
        }
        result.splices = difference(text, &renewed);
    } else {
        result.splices = edited.splices;
    }
    Ok(result)
}

/// One pod template with its verdict.
struct Decision<'v> {
    workload: Rc<Workload<'v>>,
    /// Which of the workload's templates.
    template: usize,
    verdict: Verdict,
}

impl<'v> Decision<'v> {
    /// The edits, addressed to the document.
    fn edits(&self) -> impl Iterator<Item = Edit> + '_ {
        let edits = match &self.verdict.work {
            Work::Nothing => &[],
            Work::Inject(edits) | Work::Remove(edits) | Work::Renew(edits) => edits.as_slice(),
        };
        edits.iter().map(|edit| edit.clone().below(&self.workload.object.at))
    }

    fn template(&self) -> &PodTemplate<'v> {
        &self.workload.templates[self.template]
    }

    /// A path of the object as one of the document.
    fn in_document(&self, at: &Path) -> Path {
        self.workload.object.at.join(at)
    }
}

/// Decides the templates of a workload.
fn decide_workload<'v>(run: &Run, workload: Workload<'v>, sops: bool, decisions: &mut Vec<Decision<'v>>) -> Result<(), (Path, Finding)> {
    let workload = Rc::new(workload);
    for (index, template) in workload.templates.iter().enumerate() {
        let verdict = match run.options.action {
            _ if sops => Some(Verdict::left_alone(template, Finding::new(Reason::Sops, Path::keys(&["sops"])))),
            Action::Inject => Some(run.engine.inject(&workload, template, &run.options.workloads, run.options.force)),
            Action::Remove => run.engine.remove(template, run.options.force).map_err(|finding| (workload.object.at.clone(), finding))?,
        };
        if let Some(verdict) = verdict {
            decisions.push(Decision { workload: workload.clone(), template: index, verdict });
        }
    }
    Ok(())
}

/// The edits of all templates, carried out, without those that the text does not allow: these are reported.
fn carry_out(tree: &Tree<'_>, decisions: &mut [Decision<'_>], result: &mut DocumentResult) -> (Vec<Edit>, Result<Edited, Refusal>) {
    let all: Vec<Edit> = decisions.iter().flat_map(Decision::edits).collect();
    if all.is_empty() {
        return (all, Ok(Edited::default()));
    }
    let edited = edit::edit(tree, &all);
    if edited.is_ok() {
        return (all, edited);
    }
    for decision in decisions.iter_mut() {
        let edits: Vec<Edit> = decision.edits().collect();
        if edits.is_empty() {
            continue;
        }
        if let Err(refusal) = edit::edit(tree, &edits) {
            let (reason, offset, detail) = match &refusal {
                Refusal::SharedAnchor { offset } => (Reason::SharedAnchor, *offset, String::new()),
                Refusal::Unsupported { offset, what } => (Reason::UnsupportedYaml, *offset, (*what).to_owned()),
                Refusal::Parse(error) => (Reason::UnsupportedYaml, error.offset, error.message.clone()),
                Refusal::Misfit(error) => (Reason::UnsupportedYaml, offset_of(tree, &error.at), error.to_string()),
            };
            let object = object_name(&decision.workload.object);
            let finding = Finding::new(reason, Path::ROOT).with(detail);
            result.remarks.push((offset, remark(&object, &finding)));
            let selected_by = decision.verdict.selected_by.take();
            decision.verdict = Verdict { selected_by, ..Verdict::left_alone(decision.template(), finding) };
        }
    }
    let allowed: Vec<Edit> = decisions.iter().flat_map(Decision::edits).collect();
    let edited = edit::edit(tree, &allowed);
    (allowed, edited)
}

/// Rows and remarks of the decisions.
fn report(tree: &Tree<'_>, decisions: &[Decision<'_>], result: &mut DocumentResult) {
    for decision in decisions {
        let (template, verdict) = (decision.template(), &decision.verdict);
        let object = &decision.workload.object;
        let mut push = |at: &Path, container: &str, state, reason, detail: &str| {
            let mut row = row_of(object, state, reason, detail);
            row.template = template.at.to_string();
            container.clone_into(&mut row.container);
            row.selected_by.clone_from(&verdict.selected_by);
            result.rows.push((offset_of(tree, &decision.in_document(at)), row));
        };
        if verdict.containers.is_empty() {
            let finding = verdict.whole.as_ref();
            push(&template.at, "", verdict.state, finding.map(|finding| finding.reason), finding.map_or("", |finding| &finding.detail));
        }
        for ContainerVerdict { container, state, reason, detail } in &verdict.containers {
            let container = &template.containers[*container];
            push(&container.at, &container.name, *state, *reason, detail);
        }
        for note in &verdict.notes {
            let offset = offset_of(tree, &decision.in_document(&note.at));
            result.remarks.push((offset, remark(&object_name(object), note)));
        }
    }
}

fn object_name(object: &Object<'_>) -> String {
    format!("{}/{}", object.kind, object.name().unwrap_or_default())
}

fn row_of(object: &Object<'_>, state: State, reason: Option<Reason>, detail: &str) -> Row {
    Row {
        position: Position::default(),
        kind: object.kind.to_owned(),
        api_version: object.api_version.to_owned(),
        name: object.name().unwrap_or_default().to_owned(),
        namespace: object.namespace().map(str::to_owned),
        template: String::new(),
        container: String::new(),
        selected_by: None,
        state,
        reason,
        detail: detail.to_owned(),
    }
}

fn remark(object: &str, finding: &Finding) -> Remark {
    Remark {
        position: Position::default(),
        object: object.to_owned(),
        field: finding.at.to_string(),
        reason: finding.reason,
        detail: finding.detail.clone(),
    }
}

/// The offset of the deepest node on a path that is there.
pub(super) fn offset_of(tree: &Tree<'_>, at: &Path) -> usize {
    let steps = at.steps();
    let found = (0..=steps.len()).rev().find_map(|length| tree.locate(&steps[..length]));
    found.map_or(0, |id| tree.node(id).start)
}

/// The lines in which two texts differ, as splices of the first.
fn difference(old: &str, new: &str) -> Vec<Splice> {
    if old == new {
        return Vec::new();
    }
    let old_lines: Vec<&str> = old.split_inclusive('\n').collect();
    let new_lines: Vec<&str> = new.split_inclusive('\n').collect();
    let offsets: Vec<usize> = std::iter::once(0)
        .chain(old_lines.iter().scan(0, |at, line| {
            *at += line.len();
            Some(*at)
        }))
        .collect();
    let operations = similar::capture_diff_slices(similar::Algorithm::Myers, &old_lines, &new_lines);
    operations
        .iter()
        .filter(|operation| operation.tag() != similar::DiffTag::Equal)
        .map(|operation| {
            let range = operation.old_range();
            Splice { range: offsets[range.start]..offsets[range.end], text: new_lines[operation.new_range()].concat() }
        })
        .collect()
}

impl Failed {
    fn unparsable(offset: usize, message: &str) -> Self {
        Failed::Unparsable(ParseError { offset, message: message.to_owned(), related: None })
    }

    fn refused(refusal: &Refusal) -> Self {
        Failed::Error(0, format!("{refusal}: this is a defect of Prelit"))
    }

    /// Says it: as a remark, where the source is lenient, else as an error.
    pub(super) fn append_to(self, rendered: &mut Rendered, failures: &mut Failures, lines: &Lines<'_>, lenient: bool, document: &Document) {
        let start = document.text.start;
        match self {
            Failed::Unparsable(error) if lenient => {
                let mut remark = remark("", &Finding::new(Reason::Unparsable, Path::ROOT).with(error.message));
                remark.position = lines.position(start + error.offset);
                rendered.report.remarks.push(remark);
            }
            Failed::Unparsable(error) => {
                let mut message = error.message;
                if let Some(related) = error.related {
                    let first = lines.position(start + related);
                    message = format!("{message} (the first is at {}:{})", first.line, first.column);
                }
                failures.0.push(Failure::at(lines, start + error.offset, message));
            }
            Failed::Error(offset, message) => failures.0.push(Failure::at(lines, start + offset, message)),
        }
    }
}

impl DocumentResult {
    /// Adds what was decided to what is known of the source.
    pub(super) fn append_to(self, rendered: &mut Rendered, lines: &Lines<'_>, start: usize) {
        rendered.report.counts.templates += self.templates;
        for splice in self.splices {
            rendered.splices.push(Splice { range: shifted(&splice.range, start), text: splice.text });
        }
        for (offset, mut row) in self.rows {
            row.position = lines.position(start + offset);
            rendered.report.rows.push(row);
        }
        for (offset, mut remark) in self.remarks {
            remark.position = lines.position(start + offset);
            rendered.report.remarks.push(remark);
        }
    }
}
