//! Findings as GitHub's workflow commands, which become annotations on the lines of a pull request.

use crate::api::Severity;
use crate::render::report::Item;
use std::fmt::Write;

/// One command a finding or warning, and a note unless it is to be quiet.
pub fn items(items: &[Item], quiet: bool) -> String {
    let mut out = String::new();
    for item in items {
        let command = match item.severity() {
            Severity::Finding => "error",
            Severity::Strict | Severity::Warning => "warning",
            Severity::Note if !quiet => "notice",
            // Why something is left alone is in order, and annotates nothing.
            Severity::Note | Severity::Info => continue,
        };
        let object = item.subject();
        let message = format!("{object}{}\nhelp: {}", item.message(), item.reason.remedy());
        let _infallible = writeln!(
            out,
            "::{command} file={},line={},col={},title={}::{}",
            property(&item.position.file),
            item.position.line.max(1),
            item.position.column.max(1),
            property(&format!("prelit: {}", item.reason.code())),
            data(&message),
        );
    }
    out
}

fn data(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '%' => out.push_str("%25"),
            '\r' => out.push_str("%0D"),
            '\n' => out.push_str("%0A"),
            control if control.is_control() => out.extend(control.escape_default()),
            other => out.push(other),
        }
    }
    out
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::report::{Gate, tests::sample};

    #[test]
    fn every_command_is_one_line_and_escaped() {
        let report = sample();
        let text = items(&report.items(Gate::Check), false);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 7, "{text}");
        assert!(lines[0].starts_with("::error file=<stdin>,line=1,col=1,title=prelit%3A unparsable::"));
        assert!(lines[1].starts_with("::warning file=apps/a b.yaml,line=4,col=1,title=prelit%3A kustomize-renames::"));
        assert!(lines.iter().any(|line| line.starts_with("::notice ")));
        assert!(lines[6].contains("(100%25, a: b%0Ac\\u{1b}[0m)%0Ahelp: rename it"), "{}", lines[6]);
        let quiet = items(&report.items(Gate::Check), true);
        assert!(quiet.lines().count() == 6 && !quiet.contains("::notice"), "{quiet}");
    }
}
