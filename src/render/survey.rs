//! The first pass: which `AutoInstrumentation` resources a source holds.

use super::lines::Lines;
use super::report::{ObjectReference, Remark};
use super::{Failure, Failures, Options, Source, scan};
use crate::api::Reason;
use crate::api::resource::{self, AutoInstrumentation};
use crate::manifest::{self, Object};
use crate::value::Path;
use crate::yaml::documents::documents;
use crate::yaml::tree::Tree;

/// What was found in one source.
#[derive(Debug, Default)]
pub struct Survey {
    /// The resources, and whether each applies to every namespace because it was given apart and names none.
    pub(super) resources: Vec<(AutoInstrumentation, bool)>,
    /// What is probably not meant.
    pub(super) remarks: Vec<Remark>,
}

impl Survey {
    /// Looks one source over. Documents that cannot be parsed are left to the second pass.
    ///
    /// # Errors
    /// When a configuration is not valid, with every reason.
    pub fn of(source: &Source<'_>, options: &Options) -> Result<Survey, Failures> {
        if source.left_alone.is_some() || !scan::may_configure(source.bytes) {
            return Ok(Survey::default());
        }
        survey(source, options, false)
    }

    /// Reads a file of configurations: everything in it must be readable.
    pub(super) fn of_configuration(source: &Source<'_>, options: &Options) -> Result<Survey, Failures> {
        let survey = survey(source, options, true)?;
        if survey.resources.is_empty() {
            let lines = Lines::new(source.name, source.bytes);
            let message = "no AutoInstrumentation (openlit.io/v1alpha1) was found; expected at least one";
            return Err(Failures(vec![Failure {
                position: Some(lines.position(0)),
                message: message.to_owned(),
                source_line: None,
            }]));
        }
        Ok(survey)
    }
}

fn survey(source: &Source<'_>, options: &Options, apart: bool) -> Result<Survey, Failures> {
    let lines = Lines::new(source.name, source.bytes);
    let mut survey = Survey::default();
    let mut failures = Vec::new();
    for document in documents(source.bytes) {
        let range = document.text.clone();
        if !apart && !scan::may_configure(&source.bytes[range.clone()]) {
            continue;
        }
        let parsed = std::str::from_utf8(&source.bytes[range.clone()])
            .map_err(|error| (error.valid_up_to(), "the text is not UTF-8; expected UTF-8".to_owned()))
            .and_then(|text| Tree::parse(text).map_err(|error| (error.offset, error.message)));
        let tree = match parsed {
            Ok(tree) => tree,
            Err((offset, message)) if apart => {
                failures.push(Failure::at(&lines, range.start + offset, message));
                continue;
            }
            Err(_) => continue,
        };
        let Ok(value) = tree.value() else { continue };
        let offset = |at: &Path| range.start + super::document::offset_of(&tree, at);
        let found = manifest::workloads(&value, &options.workloads);
        // A function's own configuration is often one of its items too.
        let function = found.function_config.as_ref().map(Object::id);
        let others = found.configurations.into_iter().filter(|object| Some(object.id()) != function);
        let others = others.map(|object| (object, apart));
        for (object, apart) in found.function_config.map(|object| (object, true)).into_iter().chain(others) {
            let name = ObjectReference::from(&object);
            match resource::read(object.value) {
                Ok(resource) => {
                    survey.remarks.extend(resource.warnings().into_iter().map(|problem| Remark {
                        position: lines.position(offset(&object.at.join(&problem.at))),
                        object: Some(name.clone()),
                        field: problem.at.to_string(),
                        reason: Reason::ConfigurationWarning,
                        detail: problem.to_string(),
                    }));
                    let everywhere = apart && object.namespace().is_none();
                    survey.resources.push((resource, everywhere));
                }
                Err(problems) => failures.extend(problems.into_iter().map(|problem| {
                    let at = object.at.join(&problem.at);
                    let message = format!("{name}: {problem}");
                    let shown = problem.shown && value.at(&at).is_some_and(|value| value.as_scalar().is_some());
                    match tree.locate(at.steps()).filter(|_| shown).map(|id| tree.node(id)) {
                        Some(node) => {
                            Failure::of_value(&lines, range.start + node.start..range.start + node.end, message)
                        }
                        None => Failure::at(&lines, offset(&at), message),
                    }
                })),
            }
        }
    }
    if failures.is_empty() { Ok(survey) } else { Err(Failures(failures)) }
}
