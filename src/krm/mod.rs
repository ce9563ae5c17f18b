//! The protocol of KRM functions, which kustomize and kpt speak: a `ResourceList` in, the same list with its
//! items instrumented and with `results` out.
//! <https://github.com/kubernetes-sigs/kustomize/blob/master/cmd/config/docs/api-conventions/functions-spec.md>
//!
//! Bytes in, bytes out: what is edited is the list's own text, so that comments, the order of keys and every
//! annotation stay, those of the orchestrator above all. Knows no rule of injection, and no process.

mod form;
mod item;
mod resource_list;
mod results;

pub use form::FunctionConfig;
pub use resource_list::ResourceList;
pub use results::{FunctionResult, Level};

use crate::render::report::Item;
use crate::render::{self, Failures, Options, Rendered, Source, Splice};
use crate::value::{Edit, Path, Value};
use crate::yaml::{Tree, edit, proof};
use std::collections::HashSet;

/// The key of a list under which functions say what they found.
const RESULTS: &str = "results";

impl ResourceList<'_> {
    /// Decides every item. Unlike the filter, nothing is passed over: there is an answer for every container.
    ///
    /// # Errors
    /// Everything that is wrong with the configurations and the items, with the files of the items.
    pub fn render(&self, options: Options, configs: &[Source<'_>]) -> Result<Rendered, Failures> {
        let options = Options { thorough: true, ..options };
        let (splices, mut report) =
            render::render(&[self.source()], options, configs).map_err(|failures| self.name_items(failures))?;
        report.remarks.extend(self.duplicates());
        Ok(Rendered { splices: splices.concat(), report })
    }

    /// What is to be said of the items, in the form of the protocol: what weighs most first, since kpt cuts off
    /// what comes later.
    pub fn results<'r>(&'r self, items: &'r [Item<'r>], failed: bool) -> Vec<FunctionResult<'r>> {
        let result = |item: &'r Item<'r>| FunctionResult::new(item, self.item_at(item.position), failed);
        let mut results: Vec<FunctionResult<'r>> = items.iter().map(result).collect();
        results.sort_by_key(FunctionResult::level);
        results
    }

    /// The splices of an answer: those of the items, and the results behind those that other functions left.
    /// To kustomize only what is more than information is told so.
    ///
    /// # Errors
    /// When the text does not come out as it is meant: a defect of ours.
    pub fn answer(&self, mut splices: Vec<Splice>, results: &[FunctionResult<'_>]) -> Result<Vec<Splice>, Failures> {
        let earlier = self.earlier_results();
        let all = self.wants_information();
        let told = results.iter().filter(|result| all || result.level() < Level::Info).map(FunctionResult::to_value);
        // As text, so that a run over what an earlier run wrote does not compare each with each.
        let known: HashSet<String> = earlier.iter().map(|result| result.to_json().to_string()).collect();
        let is_new = |result: &Value| known.is_empty() || !known.contains(&result.to_json().to_string());
        let new: Vec<Value> = told.filter(is_new).collect();
        if new.is_empty() {
            return Ok(splices);
        }
        let edits = [Edit::Insert { list: Path::keys(&[RESULTS]), at: earlier.len(), items: new }];
        let added = self
            .splices_of_frame(&edits)
            .map_err(|what| Failures(vec![self.failure(format!("the results could not be written: {what}"))]))?;
        splices.extend(added);
        // Where an item ends with the text, what was added to it comes first: the sort keeps that order.
        splices.sort_by_key(|splice| splice.range.start);
        Ok(splices)
    }

    /// Edits of what stands around the items, proven there, as splices of the bytes.
    fn splices_of_frame(&self, edits: &[Edit]) -> Result<Vec<Splice>, String> {
        let frame = self.frame();
        let tree = Tree::parse(&frame).map_err(|error| error.to_string())?;
        let value = tree.value().map_err(|error| error.to_string())?;
        let edited = edit::edit(&tree, edits).map_err(|error| error.to_string())?;
        proof::prove(value, edits, &edited, &edited.text(&frame)).map_err(|error| error.to_string())?;
        let moved = |Splice { range, mut text }: Splice| {
            let range = self.in_bytes(range.start)..self.in_bytes(range.end);
            // The frame ends with a line end where the last item does not.
            if range.start == self.end() && self.is_open_ended() && text.ends_with('\n') {
                let newline = if text.ends_with("\r\n") { "\r\n" } else { "\n" };
                text = format!("{newline}{}", text.trim_end_matches(newline));
            }
            Splice { range, text }
        };
        Ok(edited.splices.into_iter().map(moved).collect())
    }
}
