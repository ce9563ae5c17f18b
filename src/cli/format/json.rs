//! Everything for programs. The schema is stable: fields may be added, none changes its meaning
//! while `schema` is 1.
//!
//! ```json
//! {
//!   "schema": 1,
//!   "findings": 1,
//!   "containers": [{
//!     "file": "a.yaml", "line": 20, "column": 9,
//!     "apiVersion": "apps/v1", "kind": "Deployment", "name": "chat", "namespace": "ai",
//!     "template": "spec.template", "container": "app", "field": "spec.template.spec.containers[0]",
//!     "selectedBy": "label", "state": "injected",
//!     "initImage": {"reference": "ghcr.io/…:1.0.0", "serves": "CPython 3.11 (glibc)"},
//!     "reason": "not-injected", "severity": "finding",
//!     "detail": "", "message": "…", "remedy": "run prelit inject"
//!   }],
//!   "remarks": [{
//!     "file": "a.yaml", "line": 4, "column": 1, "object": "Deployment/chat", "field": "",
//!     "reason": "kustomize-renames", "severity": "warning",
//!     "detail": "", "message": "…", "remedy": "…"
//!   }],
//!   "counts": {"files": 2, "filesLeftAlone": 1, "filesChanged": 1, "documents": 3, "podTemplates": 1}
//! }
//! ```
//!
//! `state` is injected (`prelit inject` adds it), current, stale, edited, removed or skipped;
//! `severity` is finding, warning, note or info; `namespace`, `selectedBy`, `initImage` and in it `serves`, and where nothing is to
//! be said `reason`, `severity`, `message` and `remedy`, are null.

use crate::api::{Reason, Severity};
use crate::render::report::{self, Gate, InitImage, Position, Report, severity};
use serde_json::{Map, Value, json};

/// The whole report.
pub fn report(whole: &Report) -> String {
    let containers: Vec<Value> = whole
        .rows
        .iter()
        .map(|row| {
            let mut entry = place(&row.position);
            entry.insert("apiVersion".to_owned(), json!(row.object.api_version));
            entry.insert("kind".to_owned(), json!(row.object.kind));
            entry.insert("name".to_owned(), json!(row.object.name));
            entry.insert("namespace".to_owned(), json!(row.object.namespace));
            entry.insert("template".to_owned(), json!(row.template));
            entry.insert("container".to_owned(), json!(row.container));
            entry.insert("field".to_owned(), json!(row.field));
            entry.insert("selectedBy".to_owned(), json!(row.selected_by));
            entry.insert("initImage".to_owned(), row.init_image.as_ref().map_or(Value::Null, init_image));
            entry.insert("state".to_owned(), json!(report::state(row.state)));
            because(&mut entry, row.reason_for(Gate::Check), &row.detail);
            Value::Object(entry)
        })
        .collect();
    let remarks: Vec<Value> = whole
        .remarks
        .iter()
        .map(|remark| {
            let mut entry = place(&remark.position);
            entry.insert(
                "object".to_owned(),
                json!(remark.object.as_ref().map(ToString::to_string).unwrap_or_default()),
            );
            entry.insert("field".to_owned(), json!(remark.field));
            because(&mut entry, Some(remark.reason), &remark.detail);
            Value::Object(entry)
        })
        .collect();
    let counts = whole.counts;
    let json = json!({
        "schema": 1,
        "findings": report::count(&whole.items(Gate::Check), Severity::Finding),
        "containers": containers,
        "remarks": remarks,
        "counts": {
            "files": counts.files,
            "filesLeftAlone": counts.files_left_alone,
            "filesChanged": counts.files_changed,
            "documents": counts.documents,
            "podTemplates": counts.templates,
        },
    });
    format!("{json:#}\n")
}

fn place(position: &Position) -> Map<String, Value> {
    let mut entry = Map::new();
    entry.insert("file".to_owned(), json!(position.file));
    entry.insert("line".to_owned(), json!(position.line));
    entry.insert("column".to_owned(), json!(position.column));
    entry
}

fn init_image(InitImage { reference, packages }: &InitImage) -> Value {
    json!({ "reference": reference, "serves": packages.pythons().map(|pythons| pythons.to_string()) })
}

fn because(entry: &mut Map<String, Value>, reason: Option<Reason>, detail: &str) {
    entry.insert("reason".to_owned(), json!(reason.map(Reason::code)));
    entry.insert("severity".to_owned(), json!(reason.map(|reason| severity(reason.severity()))));
    entry.insert("detail".to_owned(), json!(detail));
    entry.insert("message".to_owned(), json!(reason.map(Reason::sentence)));
    entry.insert("remedy".to_owned(), json!(reason.map(Reason::remedy)));
}

#[cfg(test)]
mod tests {
    use crate::render::report::tests::sample;

    #[test]
    fn the_schema_is_as_documented() {
        let json: serde_json::Value = serde_json::from_str(&super::report(&sample())).unwrap();
        assert_eq!(json["schema"], 1);
        assert_eq!(json["findings"], 5);
        assert_eq!(json["containers"][0]["reason"], "not-injected");
        assert_eq!(json["containers"][0]["namespace"], "ai");
        assert!(json["containers"][1]["reason"].is_null());
        assert_eq!(json["containers"][1]["initImage"]["serves"], "CPython 3.11 (glibc)");
        assert_eq!(json["containers"][5]["detail"], "100%, a: b\nc\u{1b}[0m");
        assert_eq!(json["remarks"][1]["severity"], "warning");
        assert_eq!(json["counts"]["podTemplates"], 1);
    }
}
