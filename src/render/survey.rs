//! The first pass: which `AutoInstrumentation` resources a source holds.

use super::lines::Lines;
use super::pieces::{Pieces, Scope};
use super::report::{ObjectReference, Remark};
use super::{Failure, Failures, Options, Source, scan};
use crate::api::resource::{self, AutoInstrumentation};
use crate::api::{Reason, names};
use crate::manifest::Object;
use crate::value::Path;
use crate::yaml::documents::documents;
use crate::yaml::tree::{ParseError, Tree};

/// What was found in one source.
#[derive(Debug, Default)]
pub struct Survey {
    /// The resources, and whether each applies to every namespace because it was given apart and names none.
    pub(super) resources: Vec<(AutoInstrumentation, bool)>,
    /// What is probably not meant.
    pub(super) remarks: Vec<Remark>,
    /// For every resource that was given apart its name, and what is to be said if it selects nothing.
    pub(super) apart: Vec<(String, Remark)>,
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
            return Err(Failures(vec![Failure::without_line(&lines, 0, message)]));
        }
        Ok(survey)
    }
}

fn survey(source: &Source<'_>, options: &Options, apart: bool) -> Result<Survey, Failures> {
    let lines = Lines::new(source.name, source.bytes);
    let mut surveyor =
        Surveyor { lines: &lines, options, apart, function: None, survey: Survey::default(), failures: Vec::new() };
    for document in documents(source.bytes) {
        let range = document.text;
        let bytes = &source.bytes[range.clone()];
        if !apart && !scan::may_configure(bytes) {
            continue;
        }
        let looked = std::str::from_utf8(bytes)
            .map_err(|error| (error.valid_up_to(), "the text is not UTF-8; expected UTF-8".to_owned()))
            .and_then(|text| surveyor.document(text, range.start).map_err(|error| (error.offset, error.message)));
        if let Err((offset, message)) = looked
            && apart
        {
            surveyor.failures.push(Failure::at(&lines, range.start + offset, message));
        }
    }
    if surveyor.failures.is_empty() { Ok(surveyor.survey) } else { Err(Failures(surveyor.failures)) }
}

struct Surveyor<'s> {
    lines: &'s Lines<'s>,
    options: &'s Options,
    /// Whether the source is a file of configurations.
    apart: bool,
    /// Name and namespace of what a list brings for the function that reads it.
    function: Option<(Option<String>, Option<String>)>,
    survey: Survey,
    failures: Vec<Failure>,
}

impl Surveyor<'_> {
    /// Looks through a document that begins at an offset of the source: piece by piece, if it is a long list.
    fn document(&mut self, text: &str, start: usize) -> Result<(), ParseError> {
        self.function = None;
        if let Some(pieces) = Pieces::of(text) {
            let mut piecemeal = Surveyor { survey: Survey::default(), failures: Vec::new(), function: None, ..*self };
            if piecemeal.pieces(text, &pieces, start).is_ok() {
                self.survey.resources.append(&mut piecemeal.survey.resources);
                self.survey.remarks.append(&mut piecemeal.survey.remarks);
                self.survey.apart.append(&mut piecemeal.survey.apart);
                self.failures.append(&mut piecemeal.failures);
                return Ok(());
            }
        }
        self.piece(text, &Scope::Document, &|offset| start + offset)
    }

    /// Looks through a list item by item.
    fn pieces(&mut self, text: &str, pieces: &Pieces, start: usize) -> Result<(), ParseError> {
        self.piece(&pieces.frame, &Scope::Document, &|offset| start + pieces.list.outside(offset))?;
        // What an item does not say itself is said by its list, or by what an alias stands for elsewhere.
        let inherits = pieces.scope.inherits_kind(names::KIND);
        let has_anchors = memchr::memchr(b'&', text.as_bytes()).is_some();
        for item in &pieces.list.items {
            let item_text = &text[item.clone()];
            let bytes = item_text.as_bytes();
            if inherits || scan::may_configure(bytes) || has_anchors && memchr::memchr(b'*', bytes).is_some() {
                self.piece(item_text, &pieces.scope, &|offset| start + item.start + offset)?;
            }
        }
        Ok(())
    }

    /// Looks through a piece, whose offsets `place` turns into those of the source.
    fn piece(&mut self, text: &str, scope: &Scope, place: &dyn Fn(usize) -> usize) -> Result<(), ParseError> {
        let tree = Tree::parse(text)?;
        scope.fit(&tree)?;
        let value = tree.value()?;
        let found = scope.look(&value, &self.options.workloads);
        if let Some(object) = &found.function_config {
            self.function = Some(owned_id(object));
            self.configuration(&tree, object, place, true);
        }
        for object in &found.configurations {
            // A function's own configuration is often one of the items too.
            if self.function == Some(owned_id(object)) {
                self.compare(&tree, object, place);
            } else {
                self.configuration(&tree, object, place, self.apart);
            }
        }
        Ok(())
    }

    /// Says of an item with the name of the function's own configuration if it is another one.
    fn compare(&mut self, tree: &Tree<'_>, object: &Object<'_>, place: &dyn Fn(usize) -> usize) {
        let is_known = |other: &AutoInstrumentation| self.survey.resources.iter().any(|(known, _)| known == other);
        if resource::read(object.value).is_ok_and(|other| !is_known(&other)) {
            self.survey.remarks.push(Remark {
                position: self.lines.position(place(super::document::offset_of(tree, &object.at))),
                object: Some(object.into()),
                field: String::new(),
                reason: Reason::ConfigurationWarning,
                detail: "the functionConfig has the same name and another content, and is used".to_owned(),
            });
        }
    }

    /// Reads one of them, which was given `apart` or stands among the manifests.
    fn configuration(&mut self, tree: &Tree<'_>, object: &Object<'_>, place: &dyn Fn(usize) -> usize, apart: bool) {
        let name = ObjectReference::from(object);
        let offset = |at: &Path| place(super::document::offset_of(tree, at));
        match resource::read_for(object.value, &self.options.settings) {
            Ok(resource) => {
                self.survey.remarks.extend(resource.warnings().into_iter().map(|problem| Remark {
                    position: self.lines.position(offset(&object.at.join(&problem.at))),
                    object: Some(name.clone()),
                    field: problem.at.to_string(),
                    reason: Reason::ConfigurationWarning,
                    detail: problem.to_string(),
                }));
                if apart {
                    let idle = Remark {
                        position: self.lines.position(offset(&object.at)),
                        object: Some(name.clone()),
                        field: "spec.selector".to_owned(),
                        reason: Reason::SelectsNothing,
                        detail: String::new(),
                    };
                    self.survey.apart.push((resource.full_name(), idle));
                }
                let everywhere = apart && object.namespace().is_none();
                self.survey.resources.push((resource, everywhere));
            }
            Err(problems) => self.failures.extend(problems.into_iter().map(|problem| {
                let at = object.at.join(&problem.at);
                let message = format!("{name}: {problem}");
                let is_single = object.value.at(&problem.at).is_some_and(|value| value.as_scalar().is_some());
                match tree.locate(at.steps()).map(|id| tree.node(id)) {
                    Some(node) => {
                        let part = (place(node.start)..place(node.end), is_single);
                        Failure::of_part(self.lines, part, problem.shown, message)
                    }
                    None => Failure::at(self.lines, offset(&at), message),
                }
            })),
        }
    }
}

fn owned_id(object: &Object<'_>) -> (Option<String>, Option<String>) {
    let (name, namespace) = object.id();
    (name.map(str::to_owned), namespace.map(str::to_owned))
}
