//! Manifests as somebody else reads them: `serde-saphyr` into `serde_json`, with Kubernetes' rules.

use serde_json::Value;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};

/// The documents of a stream that can be read. Kubernetes splits a stream textually, at lines that begin with `---`.
pub fn documents(bytes: &[u8]) -> Vec<Value> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    if let Ok(json) = serde_json::from_str(text) {
        return vec![json];
    }
    let mut documents = vec![String::new()];
    for line in text.split_inclusive('\n') {
        match line.strip_prefix("---") {
            Some(rest) if rest.trim_start().is_empty() || rest.trim_start().starts_with('#') => {
                documents.push(String::new());
            }
            _ => documents.last_mut().expect("never empty").push_str(line),
        }
    }
    documents.iter().filter_map(|document| read(document)).filter(|value| !value.is_null()).collect()
}

fn read(document: &str) -> Option<Value> {
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        merge_keys: MergeKeyPolicy::Merge,
        legacy_octal_numbers: true,
        emit_comments: false,
    };
    serde_saphyr::from_str_with_options(document, options).ok()
}

/// The document that `Kind/name` names, or the first one.
pub fn pick<'v>(documents: &'v [Value], name: Option<&str>) -> Option<&'v Value> {
    let Some(name) = name else { return documents.first() };
    documents.iter().find(|document| {
        let field = |at: &str| document.pointer(at).and_then(Value::as_str).unwrap_or_default();
        name == format!("{}/{}", field("/kind"), field("/metadata/name"))
    })
}

/// A value whose lists of named items have no order: at admission, ours stand in other positions than in a text.
#[allow(dead_code, reason = "the goldens know the filter alone")]
pub fn unordered(value: Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items: Vec<Value> = items.into_iter().map(unordered).collect();
            if items.iter().all(|item| item.get("name").is_some()) {
                items.sort_by_key(ToString::to_string);
            }
            Value::Array(items)
        }
        Value::Object(entries) => {
            Value::Object(entries.into_iter().map(|(key, value)| (key, unordered(value))).collect())
        }
        other => other,
    }
}
