//! Paths into a manifest: `spec.template.spec.containers[0].env[?name=PYTHONPATH].value`,
//! `metadata.annotations[openlit.io/injection]`, `env[*].name`; `Deployment/chat:spec` in a stream.

use serde_json::Value;

/// A path, read.
pub struct ValuePath {
    /// `Kind/name` of the document; without it, the first one.
    pub document: Option<String>,
    steps: Vec<Step>,
}

enum Step {
    /// `key`, `[a.key/with-dots]`
    Key(String),
    /// `[0]`
    Index(usize),
    /// `[?key=value]`
    Where(String, String),
    /// `[*]`
    Every,
}

impl ValuePath {
    pub fn read(text: &str) -> Result<ValuePath, String> {
        let (document, mut rest) = match text.split_once(':') {
            Some((document, rest)) if document.contains('/') && !document.contains('[') => {
                (Some(document.to_owned()), rest)
            }
            _ => (None, text),
        };
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if let Some(bracket) = rest.strip_prefix('[') {
                let (inside, after) = bracket.split_once(']').ok_or("a [ without its ]")?;
                steps.push(match (inside.strip_prefix('?'), inside.parse()) {
                    (Some(condition), _) => {
                        let (key, value) = condition.split_once('=').ok_or("[?key=value] has no =")?;
                        Step::Where(key.to_owned(), value.to_owned())
                    }
                    (None, Ok(index)) => Step::Index(index),
                    (None, Err(_)) if inside == "*" => Step::Every,
                    (None, Err(_)) => Step::Key(inside.to_owned()),
                });
                rest = after;
            } else {
                rest = rest.strip_prefix('.').unwrap_or(rest);
                let end = rest.find(['.', '[']).unwrap_or(rest.len());
                if end == 0 {
                    return Err("an empty step in the path".to_owned());
                }
                steps.push(Step::Key(rest[..end].to_owned()));
                rest = &rest[end..];
            }
        }
        Ok(ValuePath { document, steps })
    }

    /// Whether the path may lead to several values.
    pub fn is_plural(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Every))
    }

    /// The values that the path leads to.
    pub fn follow<'v>(&self, root: &'v Value) -> Vec<&'v Value> {
        self.steps.iter().fold(vec![root], |values, step| values.into_iter().flat_map(|v| step.follow(v)).collect())
    }
}

impl Step {
    fn follow<'v>(&self, value: &'v Value) -> Vec<&'v Value> {
        let items = || value.as_array().into_iter().flatten();
        match self {
            Step::Key(key) => value.get(key).into_iter().collect(),
            Step::Index(index) => value.get(*index).into_iter().collect(),
            Step::Where(key, wanted) => {
                items().filter(|item| item.get(key).is_some_and(|found| as_text(found) == *wanted)).collect()
            }
            Step::Every => items().collect(),
        }
    }
}

/// A scalar as text, anything else as JSON.
pub fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
