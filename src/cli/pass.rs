//! The two passes over all inputs, on every core: look for configurations, then decide every file.
//! What comes out is decided as a whole, in the order of the inputs. Writes nothing.

use super::files::{self, Input, Inputs};
use super::progress::Progress;
use super::stream::Part;
use super::write;
use crate::api::Reason;
use crate::render::kustomization::is_kustomization;
use crate::render::report::{Counts, Position, Remark, Report};
use crate::render::{Failure, Failures, Options, Rendered, Run, Source, Splice, Survey, all};
use rayon::prelude::*;

/// What of the files is kept in memory when everything is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// All: they are written out.
    All,
    /// Those that change: the change is shown.
    Changed,
    /// None: files are read again where they are needed.
    Nothing,
}

/// One input, decided.
#[derive(Debug)]
pub struct Decided {
    /// The input, by its place among the inputs.
    pub input: usize,
    /// What was kept of it.
    pub bytes: Option<Vec<u8>>,
    /// The digest of what it holds, where it changes.
    pub digest: u64,
    /// What changes.
    pub splices: Vec<Splice>,
    /// Found in a folder, and no manifest or a patch: not part of what is written to stdout.
    pub left_alone: bool,
}

/// All inputs, decided.
#[derive(Debug)]
pub struct Outcome {
    /// In the order of the inputs.
    pub files: Vec<Decided>,
    /// What is to be said.
    pub report: Report,
}

/// Whether what cannot be parsed is an error.
#[derive(Debug, Clone, Copy)]
pub struct Lenience {
    /// `--skip-unparsable`; in folders it is always so.
    pub named: bool,
}

/// Decides all inputs. Everything that is wrong comes back at once.
///
/// # Errors
///
/// Everything that is wrong with any input.
pub fn run(
    inputs: &Inputs,
    options: Options,
    configs: &[Source],
    keep: Keep,
    lenience: Lenience,
    progress: &Progress,
) -> Result<Outcome, Failures> {
    let inputs = &inputs.inputs;
    let thorough = options.thorough;
    progress.begin(inputs.len() * 2);
    // Files that are no manifests are not YAML either; patches are read, so that explain can speak of them.
    let is_foreign = |index: usize| inputs[index].left_alone == Some(Reason::NotKubernetes);

    let first = |index: usize| -> Result<(Option<Survey>, Option<Vec<u8>>), Failures> {
        progress.step();
        if is_foreign(index) {
            return Ok((None, None));
        }
        let bytes = files::read(&inputs[index])?;
        let survey = Survey::of(&source(&inputs[index], lenience, &bytes), &options)?;
        let again = keep != Keep::All && inputs[index].regular;
        Ok((Some(survey), (!again).then_some(bytes)))
    };
    let mut surveys = Vec::with_capacity(inputs.len());
    let mut kept = Vec::with_capacity(inputs.len());
    for (survey, bytes) in each(inputs.len(), first)? {
        surveys.extend(survey);
        kept.push(bytes);
    }

    let run = Run::new(options, configs, surveys)?;
    let second = |index: usize| -> Result<(Decided, Report), Failures> {
        progress.step();
        let input = &inputs[index];
        if is_foreign(index) {
            let decided = Decided { input: index, bytes: None, digest: 0, splices: Vec::new(), left_alone: true };
            return Ok((decided, foreign(input, thorough)));
        }
        let again = if kept[index].is_none() { Some(files::read(input)?) } else { None };
        let bytes = again.as_deref().or(kept[index].as_deref()).unwrap_or_default();
        let Rendered { splices, mut report } = run.render(&source(input, lenience, bytes))?;
        if !(Part { bytes, splices: &splices }).is_sound() {
            let message = format!("{}: internal error: the edits overlap; nothing was written", input.name);
            return Err(Failures(vec![Failure::new(message)]));
        }
        if let Some((renaming, shown)) = &input.renamed {
            renaming.warn(shown, &mut report);
        }
        let changes = !splices.is_empty();
        let left_alone = !input.named && !changes && (input.left_alone.is_some() || !report.is_of_manifest(bytes));
        let digest = if changes && keep == Keep::Nothing { write::digest(bytes) } else { 0 };
        let bytes = again.filter(|_| changes && keep == Keep::Changed);
        Ok((Decided { input: index, bytes, digest, splices, left_alone }, report))
    };
    let decided = each(inputs.len(), second)?;
    progress.end();

    let mut outcome = Outcome { files: Vec::with_capacity(decided.len()), report: Report::default() };
    outcome.report.remarks.extend_from_slice(run.remarks());
    let mut counts = Counts { files: inputs.len(), ..Counts::default() };
    for (mut file, report) in decided {
        if file.bytes.is_none() {
            let wanted = match keep {
                Keep::All => !file.left_alone,
                Keep::Changed => !file.splices.is_empty(),
                Keep::Nothing => false,
            };
            file.bytes = kept[file.input].take().filter(|_| wanted);
        }
        counts.files_left_alone += usize::from(file.left_alone || inputs[file.input].left_alone.is_some());
        counts.files_changed += usize::from(!file.splices.is_empty());
        counts.documents += report.counts.documents;
        counts.templates += report.counts.templates;
        outcome.report.append(report);
        outcome.files.push(file);
    }
    outcome.report.counts = counts;
    let idle = run.idle(&outcome.report);
    outcome.report.remarks.extend(idle);
    Ok(outcome)
}

fn source<'s>(input: &'s Input, lenience: Lenience, bytes: &'s [u8]) -> Source<'s> {
    Source { name: &input.name, bytes, lenient: !input.named || lenience.named, left_alone: input.left_alone }
}

/// Does something with every input, on every core; results in order, or all failures in order.
fn each<T: Send>(count: usize, work: impl Fn(usize) -> Result<T, Failures> + Sync + Send) -> Result<Vec<T>, Failures> {
    // For a single file no threads are started.
    let results: Vec<Result<T, Failures>> =
        if count > 1 { (0..count).into_par_iter().map(work).collect() } else { (0..count).map(work).collect() };
    all(results)
}

/// What is said of a file that only another tool can read.
fn foreign(input: &Input, thorough: bool) -> Report {
    let mut report = Report::default();
    // That a kustomization is no workload needs no saying.
    if thorough && !input.path.as_deref().is_some_and(is_kustomization) {
        let position = Position { file: input.name.clone(), line: 1, column: 1 };
        report.remarks.push(Remark::on_source(position, Reason::NotKubernetes));
    }
    report
}
