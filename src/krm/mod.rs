//! The protocol of KRM functions, which kustomize and kpt speak: a `ResourceList` in, the same list with its
//! items instrumented and with `results` out.
//! <https://github.com/kubernetes-sigs/kustomize/blob/master/cmd/config/docs/api-conventions/functions-spec.md>
//!
//! Bytes in, bytes out: what is edited is the list's own text, so that comments, the order of keys and every
//! annotation stay, those of the orchestrator above all. Knows no rule of injection, and no process.

mod resource_list;
mod results;

pub use resource_list::{FunctionConfig, ResourceList};
pub use results::FunctionResult;

use crate::render::report::Item;
use crate::render::{Failures, Options, Rendered, Run, Source, Splice, Survey};
use crate::value::{Edit, Path, Value};
use crate::yaml::edit::{self, compose};
use crate::yaml::{Tree, proof};
use std::fmt;

/// The key of a list under which functions say what they found.
const RESULTS: &str = "results";

impl ResourceList<'_> {
    /// Decides every item. Unlike the filter, nothing is passed over: there is an answer for every container.
    ///
    /// # Errors
    /// Everything that is wrong with the configurations and the items, with the files of the items.
    pub fn render(&self, options: Options, configs: &[Source<'_>]) -> Result<Rendered, Failures> {
        let options = Options { thorough: true, ..options };
        let render = || {
            let source = self.source();
            let survey = Survey::of(&source, &options)?;
            let run = Run::new(options.clone(), configs, vec![survey])?;
            let mut rendered = run.render(&source)?;
            rendered.report.remarks.extend_from_slice(run.remarks());
            rendered.report.remarks.extend(self.duplicates());
            Ok(rendered)
        };
        render().map_err(|failures| self.name_items(failures))
    }

    /// What is to be said of the items, in the form of the protocol.
    pub fn results<'r>(&'r self, items: &'r [Item<'r>], failed: bool) -> Vec<FunctionResult<'r>> {
        items.iter().map(|item| FunctionResult::new(item, self.item_at(item.position), failed)).collect()
    }

    /// The splices of an answer: those of the items, and the results behind those that other functions left.
    ///
    /// # Errors
    /// When the text does not come out as it is meant: a defect of ours.
    pub fn answer(&self, splices: Vec<Splice>, results: &[FunctionResult<'_>]) -> Result<Vec<Splice>, Failures> {
        let new: Vec<Value> = results.iter().map(FunctionResult::to_value).collect();
        let new: Vec<Value> = new.into_iter().filter(|result| !self.earlier_results().contains(result)).collect();
        if new.is_empty() {
            return Ok(splices);
        }
        let edits = [Edit::Insert { list: Path::keys(&[RESULTS]), at: self.earlier_results().len(), items: new }];
        let defect = |what: &dyn fmt::Display| {
            Failures(vec![self.failure(0, format!("the results could not be written: {what}"))])
        };
        let edited = self.in_text(splices);
        let text = edited.text(self.text());
        let tree = Tree::parse(&text).map_err(|error| defect(&error))?;
        let value = tree.value().map_err(|error| defect(&error))?;
        let with_results = edit::edit(&tree, &edits).map_err(|error| defect(&error))?;
        proof::prove(value, &edits, &with_results, &with_results.text(&text)).map_err(|error| defect(&error))?;
        Ok(self.in_bytes(compose(&edited.splices, &with_results.splices, self.text().len())))
    }
}
