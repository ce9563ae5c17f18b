//! Findings as SARIF 2.1.0, for code scanning. Every reason is a rule, whether it was met or not.

use crate::api::{Reason, Severity};
use crate::render::report::{Item, severity};
use serde_json::{Value, json};
use std::fmt::Write;

/// One log with one run.
pub fn items(items: &[Item]) -> String {
    let rules: Vec<Value> = Reason::ALL.iter().map(|reason| rule(*reason)).collect();
    let results: Vec<Value> =
        // Why something is left alone is in order, and no result.
        items.iter().filter(|item| item.severity() != Severity::Info).map(result).collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "prelit",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{"executionSuccessful": true}],
            "results": results,
        }],
    });
    format!("{log:#}\n")
}

fn rule(reason: Reason) -> Value {
    json!({
        "id": reason.code(),
        "name": name(reason.code()),
        "shortDescription": {"text": reason.sentence()},
        "help": {"text": reason.remedy()},
        "defaultConfiguration": {"level": level(reason.severity())},
        "properties": {"severity": severity(reason.severity())},
    })
}

fn result(item: &Item) -> Value {
    let object = item.subject();
    let mut location = json!({
        "physicalLocation": {
            "artifactLocation": {"uri": uri(&item.position.file)},
            "region": {"startLine": item.position.line.max(1), "startColumn": item.position.column.max(1)},
        },
    });
    if let Some(object) = item.object {
        let object = object.to_string();
        let path: Vec<&str> =
            [&object, item.field, item.container].into_iter().filter(|part| !part.is_empty()).collect();
        location["logicalLocations"] = json!([{"fullyQualifiedName": path.join("/"), "kind": "resource"}]);
    }
    json!({
        "ruleId": item.reason.code(),
        "ruleIndex": Reason::ALL.iter().position(|reason| *reason == item.reason),
        "level": level(item.severity()),
        "message": {"text": format!("{object}{}. What to do: {}", item.message(), item.reason.remedy())},
        "locations": [location],
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Finding => "error",
        Severity::Strict | Severity::Warning => "warning",
        Severity::Note | Severity::Info => "note",
    }
}

/// `NotInjected` for `not-injected`.
fn name(code: &str) -> String {
    code.split('-').map(|word| word[..1].to_ascii_uppercase() + &word[1..]).collect()
}

/// A reference as RFC 3986 wants it: relative ones stay relative, so that they fit the repository.
fn uri(file: &str) -> String {
    let (prefix, file) = match file {
        "<stdin>" => ("", "stdin"),
        absolute if absolute.starts_with('/') => ("file://", absolute),
        // A first segment with a colon would be read as a scheme.
        relative if relative.split('/').next().is_some_and(|first| first.contains(':')) => ("./", relative),
        relative => ("", relative),
    };
    let mut out = String::from(prefix);
    for byte in file.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/:@!$&'()*+,;=".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _infallible = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::report::{Gate, tests::sample};
    use std::collections::HashSet;

    fn log() -> Value {
        let report = sample();
        serde_json::from_str(&items(&report.items(Gate::Check))).unwrap()
    }

    #[test]
    fn rules_are_all_reasons_once() {
        let log = log();
        let rules = log["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
        let ids: HashSet<&str> = rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
        assert_eq!((ids.len(), rules.len()), (Reason::ALL.len(), Reason::ALL.len()));
    }

    #[test]
    fn results_point_to_their_rules_and_places() {
        let log = log();
        let run = &log["runs"][0];
        let results = run["results"].as_array().unwrap();
        assert_eq!(results.len(), 7);
        for result in results {
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(run["tool"]["driver"]["rules"][index]["id"], result["ruleId"]);
            let region = &result["locations"][0]["physicalLocation"]["region"];
            assert!(region["startLine"].as_u64() >= Some(1) && region["startColumn"].as_u64() >= Some(1));
            assert!(["error", "warning", "note"].contains(&result["level"].as_str().unwrap()));
        }
        assert_eq!(results[1]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "apps/a%20b.yaml");
    }

    #[test]
    fn references_are_valid() {
        assert_eq!(uri("<stdin>"), "stdin");
        assert_eq!(uri("/tmp/ä.yaml"), "file:///tmp/%C3%A4.yaml");
        assert_eq!(uri("a:b/c%d.yaml"), "./a:b/c%25d.yaml");
    }
}
