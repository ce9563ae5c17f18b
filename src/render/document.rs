//! One document: parsed, decided, edited, proven.

use super::lines::Lines;
use super::pieces::{Pieces, Scope};
use super::report::{ObjectReference, Position, Remark, Row, State};
use super::{Action, Failure, Failures, Rendered, Run, Source, Splice, shifted, side_by_side};
use crate::api::{Finding, Reason};
use crate::inject::engine::{ContainerVerdict, Verdict, Work};
use crate::inject::state;
use crate::manifest::{self, Object, PodTemplate, Workload};
use crate::value::{Edit, Path, Value};
use crate::yaml::documents::{Document, is_blank};
use crate::yaml::edit::{self, Edited, Refusal};
use crate::yaml::proof;
use crate::yaml::tree::{ParseError, Tree};
use std::ops::Range;
use std::rc::Rc;

/// What was decided of a document. Offsets are of the document's text.
#[derive(Debug, Default)]
pub(super) struct DocumentResult {
    splices: Vec<Splice>,
    rows: Vec<(usize, Row)>,
    remarks: Vec<(usize, Remark)>,
    templates: usize,
    /// Whether a template carries an injection, readable or not.
    pub(super) has_record: bool,
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
        return Err(Failed::unparsable(
            0,
            "the document goes on behind its ---, which kubectl refuses; expected it on the next line",
        ));
    }
    if is_blank(bytes) {
        return Ok(DocumentResult::default());
    }
    let mut result = decide_text(run, text)?;
    if let Some(rest) = &document.after_end {
        let rest = &source.bytes[rest.clone()];
        if rest
            .split(|byte| *byte == b'\n')
            .skip(1)
            .any(|line| !matches!(line.trim_ascii_start().first(), None | Some(b'#')))
        {
            let lost = Finding::new(Reason::AfterDocumentEnd, Path::ROOT);
            result.remarks.push((text.len(), remark(None, &lost)));
        }
    }
    Ok(result)
}

/// Decides a document's text: a list item by item, if it can be taken apart.
fn decide_text(run: &Run, text: &str) -> Result<DocumentResult, Failed> {
    if let Some(pieces) = Pieces::of(text)
        && let Some(result) = decide_pieces(run, text, &pieces)?
    {
        return Ok(result);
    }
    decide_piece(run, text, &Scope::Document)
}

/// Decides the items of a list; none where one of them is no YAML by itself.
fn decide_pieces(run: &Run, text: &str, pieces: &Pieces) -> Result<Option<DocumentResult>, Failed> {
    let items = &pieces.list.items;
    let decide = |item: &Range<usize>| decide_piece(run, &text[item.clone()], &pieces.scope);
    let mut whole = DocumentResult::default();
    for (item, result) in items.iter().zip(side_by_side(items, decide)) {
        match result {
            Ok(result) => whole.add(result, item.start),
            Err(Failed::Unparsable(_)) => return Ok(None),
            Err(Failed::Error(offset, message)) => return Err(Failed::Error(item.start + offset, message)),
        }
    }
    Ok(Some(whole))
}

/// Decides a document, or an item of a list. What is to be renewed is taken out first, and everything is decided anew
/// on the text without it: so a renewal gives what an injection of the original gives.
fn decide_piece(run: &Run, text: &str, scope: &Scope) -> Result<DocumentResult, Failed> {
    let tree = Tree::parse(text).map_err(Failed::Unparsable)?;
    scope.fit(&tree).map_err(Failed::Unparsable)?;
    let value = tree.value().map_err(Failed::Unparsable)?;
    let mut result = DocumentResult::default();
    let mut decisions = decide_templates(run, &tree, &value, scope, &mut result)?;
    result.templates = decisions.len();
    result.has_record = decisions.iter().any(|decision| state::read(decision.template()) != state::Injection::None);
    loop {
        let renews = decisions.iter().any(Decision::is_renewal);
        let (edits, edited) = carry_out(&tree, &mut decisions, renews, &mut result)?;
        if edits.is_empty() {
            break;
        }
        let new_text = edited.text(text);
        proof::prove(value.clone(), &edits, &edited, &new_text).map_err(|error| Failed::Error(0, error.to_string()))?;
        if !renews {
            note_written_over(run, &edited, &mut result);
            result.splices = edited.splices;
            break;
        }
        // Where the text refuses what would take an injection's place, the old one stays: decided once more.
        if let Some(splices) = renew(run, &new_text, scope, &edited, &mut decisions, &mut result)? {
            result.splices = changes(text, &edit::compose(&edited.splices, &splices, text.len()));
            break;
        }
    }
    report(&tree, &decisions, &mut result);
    Ok(result)
}

/// Decides every template of a document.
fn decide_templates<'v>(
    run: &Run,
    tree: &Tree<'_>,
    value: &'v Value<'v>,
    scope: &'v Scope,
    result: &mut DocumentResult,
) -> Result<Vec<Decision<'v>>, Failed> {
    let found = scope.look(value, &run.options.workloads);
    if found.too_deep {
        return Err(Failed::unparsable(0, "lists stand in lists more than 16 deep; expected a Kubernetes manifest"));
    }
    for object in &found.references {
        let row = row_of(object, State::Skipped, Some(Reason::NoPodTemplate), "");
        result.rows.push((offset_of(tree, &object.at), row));
    }
    let sops = scope.is_sops() || manifest::is_sops(value);
    let mut decisions = Vec::new();
    for workload in found.workloads {
        let name = ObjectReference::from(&workload.object);
        let sops = sops || manifest::is_sops(workload.object.value);
        decide_workload(run, workload, sops, &mut decisions).map_err(|(at, finding)| {
            let detail = if finding.detail.is_empty() { String::new() } else { format!(" ({})", finding.detail) };
            let (sentence, remedy) = (finding.reason.sentence(), finding.reason.remedy());
            Failed::Error(offset_of(tree, &at.join(&finding.at)), format!("{name}: {sentence}{detail}; {remedy}"))
        })?;
    }
    Ok(decisions)
}

/// Decides the text anew from which old injections were taken by `taken`, and gives the splices of that text.
/// None when it refused something: then the decisions say so, and are to be carried out again.
fn renew(
    run: &Run,
    text: &str,
    scope: &Scope,
    taken: &Edited,
    decisions: &mut [Decision<'_>],
    result: &mut DocumentResult,
) -> Result<Option<Vec<Splice>>, Failed> {
    let tree = Tree::parse(text).map_err(Failed::Unparsable)?;
    let value = tree.value().map_err(Failed::Unparsable)?;
    let mut again = decide_templates(run, &tree, &value, scope, &mut DocumentResult::default())?;
    if again.len() != decisions.len()
        || again.iter().zip(&*decisions).any(|(now, before)| now.place() != before.place())
    {
        return Err(Failed::defect("a pod template was lost"));
    }
    for (now, before) in again.iter_mut().zip(&*decisions) {
        if before.is_refused() {
            now.verdict.work = Work::Nothing;
        } else if now.is_renewal() {
            return Err(Failed::defect("an injection could not be renewed"));
        }
    }
    let mut refusals = DocumentResult::default();
    let (edits, edited) = carry_out(&tree, &mut again, false, &mut refusals)?;
    if !refusals.remarks.is_empty() {
        for (now, before) in again.into_iter().zip(decisions) {
            if let Some(finding) =
                now.verdict.whole.filter(|finding| is_refusal(finding.reason) && !before.is_refused())
            {
                before.refuse(finding);
            }
        }
        result
            .remarks
            .extend(refusals.remarks.into_iter().map(|(offset, remark)| (taken.original_offset(offset), remark)));
        return Ok(None);
    }
    for (now, before) in again.iter().zip(decisions) {
        if before.is_renewal() && now.verdict.work == Work::Nothing {
            before.verdict.becomes_removal(now.verdict.whole.as_ref());
        }
    }
    let new_text = edited.text(text);
    proof::prove(value.clone(), &edits, &edited, &new_text).map_err(|error| Failed::Error(0, error.to_string()))?;
    let mut written = DocumentResult::default();
    note_written_over(run, &edited, &mut written);
    result.remarks.extend(written.remarks.into_iter().map(|(offset, remark)| (taken.original_offset(offset), remark)));
    Ok(Some(edited.splices))
}

/// Notes values between brackets that `remove` will not bring back as they are written.
fn note_written_over(run: &Run, edited: &Edited, result: &mut DocumentResult) {
    if run.options.action == Action::Inject {
        let finding = Finding::new(Reason::EmptiedInFlow, Path::ROOT);
        result.remarks.extend(edited.written_over.iter().map(|offset| (*offset, remark(None, &finding))));
    }
}

/// Whether a reason says that the text does not allow an edit.
fn is_refusal(reason: Reason) -> bool {
    matches!(reason, Reason::SharedAnchor | Reason::UnsupportedYaml)
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

    /// The template's place in the document.
    fn place(&self) -> Path {
        self.in_document(&self.template().at)
    }

    /// Whether an old injection is to be taken out and a new one made.
    fn is_renewal(&self) -> bool {
        matches!(self.verdict.work, Work::Renew(_))
    }

    /// Whether the text was found not to allow it.
    fn is_refused(&self) -> bool {
        self.verdict.whole.as_ref().is_some_and(|finding| is_refusal(finding.reason))
    }

    /// Leaves the template as it is, because the text does not allow what was planned.
    fn refuse(&mut self, finding: Finding) {
        let (selected_by, init_image) = (self.verdict.selected_by.take(), self.verdict.init_image.take());
        self.verdict = Verdict { selected_by, init_image, ..Verdict::left_alone(self.template(), finding) };
    }

    /// A path of the object as one of the document.
    fn in_document(&self, at: &Path) -> Path {
        self.workload.object.at.join(at)
    }
}

/// Decides the templates of a workload.
fn decide_workload<'v>(
    run: &Run,
    workload: Workload<'v>,
    sops: bool,
    decisions: &mut Vec<Decision<'v>>,
) -> Result<(), (Path, Finding)> {
    let workload = Rc::new(workload);
    for (index, template) in workload.templates.iter().enumerate() {
        let verdict = match run.options.action {
            _ if sops => Some(Verdict::left_alone(template, Finding::new(Reason::Sops, Path::keys(&["sops"])))),
            Action::Inject => Some(run.engine.inject(&workload, template, &run.options.workloads, run.options.force)),
            Action::Remove => run
                .engine
                .remove(template, run.options.force)
                .map_err(|finding| (workload.object.at.clone(), finding))?,
        };
        if let Some(verdict) = verdict {
            decisions.push(Decision { workload: workload.clone(), template: index, verdict });
        }
    }
    Ok(())
}

/// The edits of all templates and what they do to the text, without those that the text does not
/// allow: these are reported. With `only_out`, only what takes our part out is carried out.
fn carry_out(
    tree: &Tree<'_>,
    decisions: &mut [Decision<'_>],
    only_out: bool,
    result: &mut DocumentResult,
) -> Result<(Vec<Edit>, Edited), Failed> {
    let due = |decision: &&Decision<'_>| !only_out || matches!(decision.verdict.work, Work::Renew(_) | Work::Remove(_));
    let collect =
        |decisions: &[Decision<'_>]| -> Vec<Edit> { decisions.iter().filter(due).flat_map(Decision::edits).collect() };
    let edits = collect(decisions);
    if edits.is_empty() {
        return Ok((edits, Edited::default()));
    }
    if let Ok(edited) = edit::edit(tree, &edits) {
        return Ok((edits, edited));
    }
    // Some template is to blame: each is tried by itself.
    for decision in decisions.iter_mut() {
        let edits: Vec<Edit> = decision.edits().collect();
        if edits.is_empty() {
            continue;
        }
        if let Err(refusal) = edit::edit(tree, &edits) {
            let (reason, offset, detail) = refused(tree, &refusal);
            let finding = Finding::new(reason, Path::ROOT).with(detail);
            result.remarks.push((offset, remark(Some(&decision.workload.object), &finding)));
            decision.refuse(finding);
        }
    }
    let edits = collect(decisions);
    match edit::edit(tree, &edits) {
        Ok(edited) => Ok((edits, edited)),
        Err(refusal) => Err(Failed::defect(&refusal.to_string())),
    }
}

/// A refusal as a reason, at an offset, with what is particular about it.
fn refused(tree: &Tree<'_>, refusal: &Refusal) -> (Reason, usize, String) {
    match refusal {
        Refusal::SharedAnchor { offset } => (Reason::SharedAnchor, *offset, String::new()),
        Refusal::Unsupported { offset, what } => (Reason::UnsupportedYaml, *offset, (*what).to_owned()),
        Refusal::Parse(error) => (Reason::UnsupportedYaml, error.offset, error.message.clone()),
        Refusal::Misfit(error) => (Reason::UnsupportedYaml, offset_of(tree, &error.at), error.to_string()),
    }
}

/// Rows and remarks of the decisions.
fn report(tree: &Tree<'_>, decisions: &[Decision<'_>], result: &mut DocumentResult) {
    for decision in decisions {
        let (template, verdict) = (decision.template(), &decision.verdict);
        let object = &decision.workload.object;
        let mut push = |at: &Path, container: &str, state, reason, detail: &str| {
            let mut row = row_of(object, state, reason, detail);
            row.template = template.at.to_string();
            row.field = at.to_string();
            container.clone_into(&mut row.container);
            row.selected_by.clone_from(&verdict.selected_by);
            row.init_image.clone_from(&verdict.init_image);
            result.rows.push((offset_of(tree, &decision.in_document(at)), row));
        };
        if verdict.containers.is_empty() {
            let finding = verdict.whole.as_ref();
            push(
                &template.at,
                "",
                verdict.state,
                finding.map(|finding| finding.reason),
                finding.map_or("", |finding| &finding.detail),
            );
        }
        for ContainerVerdict { container, state, reason, detail } in &verdict.containers {
            let container = &template.containers[*container];
            push(&container.at, &container.name, *state, *reason, detail);
        }
        for note in &verdict.notes {
            let offset = offset_of(tree, &decision.in_document(&note.at));
            result.remarks.push((offset, remark(Some(object), note)));
        }
    }
}

fn row_of(object: &Object<'_>, state: State, reason: Option<Reason>, detail: &str) -> Row {
    Row {
        position: Position::default(),
        object: object.into(),
        template: String::new(),
        field: String::new(),
        container: String::new(),
        selected_by: None,
        init_image: None,
        state,
        reason,
        detail: detail.to_owned(),
    }
}

fn remark(object: Option<&Object<'_>>, finding: &Finding) -> Remark {
    Remark {
        position: Position::default(),
        object: object.map(ObjectReference::from),
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

/// Splices without what they take out and put back: the lines that differ.
fn changes(text: &str, splices: &[Splice]) -> Vec<Splice> {
    splices.iter().flat_map(|splice| difference(&text[splice.range.clone()], splice)).collect()
}

/// The lines in which a splice and what it replaces differ.
fn difference(old: &str, splice: &Splice) -> Vec<Splice> {
    let old_lines: Vec<&str> = old.split_inclusive('\n').collect();
    let new_lines: Vec<&str> = splice.text.split_inclusive('\n').collect();
    let mut offsets = Vec::with_capacity(old_lines.len() + 1);
    offsets.push(splice.range.start);
    for line in &old_lines {
        offsets.push(offsets[offsets.len() - 1] + line.len());
    }
    let operations = similar::capture_diff_slices(similar::Algorithm::Myers, &old_lines, &new_lines);
    let changed = operations.iter().filter(|operation| operation.tag() != similar::DiffTag::Equal);
    changed
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

    fn defect(what: &str) -> Self {
        Failed::Error(0, format!("{what}: this is a defect of Prelit; please report it with the document"))
    }

    /// Says it: as a remark, where the source is lenient, else as an error.
    pub(super) fn append_to(
        self,
        rendered: &mut Rendered,
        failures: &mut Failures,
        lines: &Lines<'_>,
        lenient: bool,
        document: &Document,
    ) {
        let start = document.text.start;
        let is_template = memchr::memmem::find(&lines.bytes()[document.text.clone()], b"{{").is_some();
        match self {
            // A folder holds templates of Helm and others beside manifests: they are nobody's mistake.
            Failed::Unparsable(_) if lenient && is_template => {
                let mut remark = remark(None, &Finding::new(Reason::NotKubernetes, Path::ROOT).with("a template"));
                remark.position = lines.position(start);
                rendered.report.remarks.push(remark);
            }
            Failed::Unparsable(error) if lenient => {
                let mut remark = remark(None, &Finding::new(Reason::Unparsable, Path::ROOT).with(error.message));
                remark.position = lines.position(start + error.offset);
                rendered.report.remarks.push(remark);
            }
            Failed::Unparsable(error) => {
                let mut message = error.message;
                if is_template {
                    message.push_str(
                        "; this looks like a template: render it first, as in helm template CHART | prelit inject",
                    );
                }
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
    /// Adds what was decided of a piece that begins at an offset.
    fn add(&mut self, piece: DocumentResult, start: usize) {
        self.templates += piece.templates;
        self.has_record |= piece.has_record;
        self.rows.extend(piece.rows.into_iter().map(|(offset, row)| (start + offset, row)));
        self.remarks.extend(piece.remarks.into_iter().map(|(offset, remark)| (start + offset, remark)));
        let moved = |splice: Splice| Splice { range: shifted(&splice.range, start), ..splice };
        self.splices.extend(piece.splices.into_iter().map(moved));
    }

    /// Adds what was decided to what is known of the source.
    pub(super) fn append_to(self, rendered: &mut Rendered, lines: &Lines<'_>, start: usize) {
        rendered.report.counts.templates += self.templates;
        let moved = |splice: Splice| Splice { range: shifted(&splice.range, start), ..splice };
        rendered.splices.extend(self.splices.into_iter().map(moved));
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
