//! The results of a KRM function for people, on stderr: kustomize throws results away.

use crate::api::Reason;
use crate::cli::style::plain;
use crate::krm::{FunctionResult, Level};
use std::collections::BTreeMap;
use std::fmt::Write;

/// So much information is given a line each; more is put together by its reason.
const FEW: usize = 10;
/// So many objects are named for one reason.
const NAMED: usize = 5;

/// All results: a line each, and what to do below it where it is more than information. Much information is put
/// together, unless all of it is asked for.
pub fn results(results: &[FunctionResult<'_>], all: bool) -> String {
    let (information, others): (Vec<&FunctionResult>, Vec<&FunctionResult>) =
        results.iter().partition(|result| result.level() == Level::Info);
    let mut out = String::new();
    for result in others {
        let _infallible = writeln!(out, "{}    help: {}", line(result), result.item().reason.remedy());
    }
    if all || information.len() <= FEW {
        out.extend(information.into_iter().map(line));
    } else {
        out.push_str(&by_reason(&information));
    }
    out
}

/// File, severity, object, place, what is so.
fn line(result: &FunctionResult<'_>) -> String {
    let item = result.item();
    let file = result.file().map(|file| format!("{file}: ")).unwrap_or_default();
    let field = if item.field.is_empty() { String::new() } else { format!("{}: ", item.field) };
    let said = format!(
        "{file}{}: {}{field}{} [{}]",
        result.level().word(),
        item.subject(),
        item.message(),
        item.reason.code()
    );
    format!("{}\n", plain(&said))
}

/// One line a reason, with the first objects that have it.
fn by_reason(information: &[&FunctionResult<'_>]) -> String {
    let mut groups: BTreeMap<Reason, Vec<String>> = BTreeMap::new();
    for result in information {
        let item = result.item();
        let objects = groups.entry(item.reason).or_default();
        let object = item.object.map(ToString::to_string).unwrap_or_default();
        if objects.last() != Some(&object) {
            objects.push(object);
        }
    }
    let mut out = String::new();
    for (reason, objects) in groups {
        let named = objects.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = match objects.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more, which --verbose names"),
        };
        let said = format!("info: {} [{}]: {named}{more}", reason.sentence(), reason.code());
        let _infallible = writeln!(out, "{}", plain(&said));
    }
    out
}
