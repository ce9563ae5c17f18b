//! Findings for people: a line with position, weight, object, sentence and code, and one with what
//! to do.

use crate::api::Severity;
use crate::cli::style::{Style, plain};
use crate::render::report::{Item, severity};

/// All items that weigh as much as `least`.
pub fn items(items: &[Item], least: impl Fn(Severity) -> bool, style: Style) -> String {
    items.iter().filter(|item| least(item.severity())).map(|found| item(found, style)).collect()
}

fn item(item: &Item, style: Style) -> String {
    let place = format!("{}:{}:{}:", plain(&item.position.file), item.position.line, item.position.column);
    let word = severity(item.severity());
    let word = match item.severity() {
        Severity::Finding => style.bold_red(word),
        Severity::Strict | Severity::Warning => style.yellow(word),
        Severity::Note | Severity::Info => style.green(word),
    };
    let object = item.subject();
    let object = plain(&object);
    let (message, code) = (item.message(), item.reason.code());
    let remedy = format!("    help: {}", item.reason.remedy());
    format!("{} {word}: {object}{} [{code}]\n{}\n", style.bold(&place), plain(&message), style.dim(&remedy))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::report::{Gate, tests::sample};

    #[test]
    fn a_finding_is_two_lines() {
        let report = sample();
        let text = items(&report.items(Gate::Check), |weight| weight == Severity::Finding, Style::PLAIN);
        assert_eq!(text.lines().count(), 10);
        assert!(text.contains("apps/a b.yaml:20:9: finding: Deployment/chat: container app: the pod template is"));
        assert!(text.contains("[not-injected]\n    help: run prelit inject\n"), "{text}");
        assert!(!text.contains('\x1b'), "{text:?}");
    }
}
