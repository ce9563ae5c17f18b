//! Digests: of a configuration, and of what was added to a template, by value. Two spellings of a
//! quantity are one, the order of keys does not count, nor do fields that the API server fills in.
//!
//! [`Added`] is what was added, whoever collects it: the plan that adds it, or the reader that finds it again.

use super::record::Record;
use crate::api::names;
use crate::api::quantity::Quantity;
use crate::value::{Map, Scalar, ScalarType, Value};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// Collects what is digested, each part with its length, so that no two run into one another.
pub(super) struct Digest(Vec<u8>);

impl Default for Digest {
    fn default() -> Self {
        Digest(Vec::with_capacity(4096))
    }
}

impl Digest {
    pub(super) fn text(&mut self, text: &str) {
        self.mark(b't', text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    /// An amount by value, so that `100m` and `0.1` are one; a text that is none as it is.
    pub(super) fn quantity(&mut self, text: &str) {
        self.scalar(&Scalar::text(text), true);
    }

    pub(super) fn flag(&mut self, flag: bool) {
        self.0.push(if flag { b'y' } else { b'f' });
    }

    pub(super) fn number(&mut self, number: i128) {
        self.0.push(b'n');
        self.0.extend_from_slice(&number.to_be_bytes());
    }

    pub(super) fn optional<T>(&mut self, item: Option<&T>, write: impl FnOnce(&mut Self, &T)) {
        self.0.push(if item.is_some() { b'+' } else { b'-' });
        if let Some(item) = item {
            write(self, item);
        }
    }

    pub(super) fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.mark(b'l', items.len());
        for item in items {
            write(self, item);
        }
    }

    pub(super) fn value(&mut self, value: &Value<'_>) {
        self.value_of(value, false);
    }

    /// 16 hexadecimal digits: enough to tell a change, short enough for an annotation.
    pub(super) fn finish(self) -> String {
        let mut text = String::with_capacity(16);
        for byte in &Sha256::digest(&self.0)[..8] {
            let _ = write!(text, "{byte:02x}");
        }
        text
    }

    fn mark(&mut self, kind: u8, length: usize) {
        self.0.push(kind);
        // A length of up to 127 bytes in one, as nearly all are; others never look like one of them.
        if let Ok(short @ 0..=127) = u8::try_from(length) {
            self.0.push(short);
        } else {
            self.0.push(255);
            self.0.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }

    fn value_of(&mut self, value: &Value<'_>, quantities: bool) {
        match value {
            Value::Scalar(scalar) => self.scalar(scalar, quantities),
            Value::List(items) => self.list(items, |digest, item| digest.value_of(item, false)),
            Value::Map(map) => {
                let mut entries: Vec<_> = map.iter().filter(|(key, value)| !is_default(key, value)).collect();
                entries.sort_unstable_by_key(|(key, _)| *key);
                self.mark(b'm', entries.len());
                for (key, value) in entries {
                    self.text(key);
                    self.value_of(value, is_quantity(key, value) || (quantities && value.as_scalar().is_some()));
                }
            }
        }
    }

    fn scalar(&mut self, scalar: &Scalar<'_>, quantity: bool) {
        if quantity && let Some(quantity) = Quantity::parse(scalar.as_str()) {
            self.0.push(b'q');
            return self.number(quantity.nanos());
        }
        match scalar.kind() {
            ScalarType::Null => self.0.push(b'0'),
            ScalarType::Bool(value) => self.flag(value),
            ScalarType::Int(value) => self.number(value),
            #[expect(clippy::cast_possible_truncation, reason = "within the bounds just tested")]
            ScalarType::Float(value) if value.fract() == 0.0 && value.abs() < 1e15 => self.number(value as i128),
            ScalarType::Float(value) => {
                self.0.push(b'd');
                self.0.extend_from_slice(&value.to_be_bytes());
            }
            ScalarType::Text => self.text(scalar.as_str()),
        }
    }
}

/// Maps of quantities, and fields that are one.
fn is_quantity(key: &str, value: &Value<'_>) -> bool {
    match value {
        Value::Map(_) => matches!(key, "requests" | "limits" | "capacity"),
        Value::Scalar(_) => matches!(key, "sizeLimit" | "divisor"),
        Value::List(_) => false,
    }
}

/// Fields that the API server fills in, or leaves out when they say nothing.
fn is_default(key: &str, value: &Value<'_>) -> bool {
    match value {
        Value::List(items) => items.is_empty(),
        Value::Map(map) => map.is_empty(),
        Value::Scalar(scalar) => match (key, scalar.kind()) {
            (_, ScalarType::Null)
            | ("readOnly", ScalarType::Bool(false))
            | ("defaultMode", ScalarType::Int(420))
            | ("expirationSeconds", ScalarType::Int(3600)) => true,
            ("divisor", _) => Quantity::parse(scalar.as_str()) == Some(Quantity::ZERO),
            (_, ScalarType::Text) if scalar.as_str().is_empty() => true,
            ("apiVersion", ScalarType::Text) => scalar.as_str() == "v1",
            ("procMount", ScalarType::Text) => scalar.as_str() == "Default",
            ("volumeMode", ScalarType::Text) => scalar.as_str() == "Filesystem",
            _ => false,
        },
    }
}

/// What was added to a template.
#[derive(Default)]
pub(super) struct Added<'a> {
    /// By container: the name, and what was added to it.
    pub(super) containers: Vec<(&'a str, AddedToContainer<'a>)>,
    /// The volumes.
    pub(super) volumes: Vec<&'a Value<'a>>,
    /// The init container.
    pub(super) init: Option<&'a Value<'a>>,
    /// Our part of the autoscaler's annotation.
    pub(super) safe_to_evict: &'a str,
}

/// What was added to a container.
#[derive(Default)]
pub(super) struct AddedToContainer<'a> {
    /// Entries of `env`.
    pub(super) env: Vec<&'a Value<'a>>,
    /// Our part of the user's variables.
    pub(super) merged: Vec<(&'a str, &'a str)>,
    /// Mounts.
    pub(super) mounts: Vec<&'a Value<'a>>,
}

impl Added<'_> {
    /// The digest, whatever the order in which things stand; none where a part of the init container is missing.
    pub(super) fn digest(mut self, record: &Record) -> Option<String> {
        let mut digest = Digest::default();
        self.containers.sort_unstable_by_key(|(name, _)| *name);
        for (name, mut added) in self.containers {
            digest.text(name);
            sort_by_field(&mut added.env, "name");
            sort_by_field(&mut added.mounts, "mountPath");
            added.merged.sort_unstable();
            digest.list(&added.env, |digest, entry| digest.value(entry));
            digest.list(&added.mounts, |digest, mount| digest.value(mount));
            digest.list(&added.merged, |digest, (name, text)| {
                digest.text(name);
                digest.text(text);
            });
        }
        sort_by_field(&mut self.volumes, "name");
        digest.list(&self.volumes, |digest, volume| digest.value(volume));
        digest.text(self.safe_to_evict);
        init_container(&mut digest, self.init?.as_map()?, record)?;
        Some(digest.finish())
    }
}

fn sort_by_field(items: &mut [&Value<'_>], field: &str) {
    items.sort_by_cached_key(|item| text_of(item, field));
}

fn text_of<'v>(item: &'v Value<'_>, field: &str) -> &'v str {
    item.get(field).and_then(Value::as_text).unwrap_or_default()
}

/// The fields that we write, of variables and mounts only ours.
fn init_container(digest: &mut Digest, container: &Map<'_>, record: &Record) -> Option<()> {
    for field in ["name", "image", "imagePullPolicy", "command", "args", "resources", "securityContext"] {
        let value = container.get(field).filter(|value| !is_default(field, value));
        digest.optional(value, |digest, value| digest.value(value));
    }
    let items = |field| container.get(field).and_then(Value::as_list).unwrap_or_default();
    let mut variables: Vec<&str> = [names::ENV_PROVIDER, names::ENV_TARGET_PATH].to_vec();
    variables.extend(record.init_env.iter().map(String::as_str));
    variables.sort_unstable();
    variables.dedup();
    for name in variables {
        digest.value(items("env").iter().rfind(|entry| text_of(entry, "name") == name)?);
    }
    let ours = |mount: &&Value<'_>| {
        text_of(mount, "name") == names::VOLUME
            || record.init_mounts.iter().any(|path| text_of(mount, "mountPath") == path)
    };
    let mut mounts: Vec<_> = items("volumeMounts").iter().filter(ours).collect();
    sort_by_field(&mut mounts, "mountPath");
    digest.list(&mounts, |digest, mount| digest.value(mount));
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn digest(value: &serde_json::Value) -> String {
        let mut digest = Digest::default();
        digest.value(&Value::from(value));
        digest.finish()
    }

    #[test]
    fn what_kubernetes_cannot_tell_apart_has_one_digest() {
        for (a, b) in [
            (json!({"limits": {"memory": "1024Mi", "cpu": 1}}), json!({"limits": {"cpu": "1000m", "memory": "1Gi"}})),
            (json!({"emptyDir": {"sizeLimit": "0.5Gi"}}), json!({"emptyDir": {"sizeLimit": "512Mi", "medium": ""}})),
            (json!({"fieldRef": {"fieldPath": "a"}}), json!({"fieldRef": {"fieldPath": "a", "apiVersion": "v1"}})),
            (json!({"name": "A"}), json!({"name": "A", "value": ""})),
            (json!({"name": "A", "value": null}), json!({"name": "A"})),
            (json!({"configMap": {"name": "c"}}), json!({"configMap": {"name": "c", "defaultMode": 420}})),
            (json!({"mountPath": "/a", "readOnly": false}), json!({"mountPath": "/a"})),
            (json!({"runAsUser": 1}), json!({"runAsUser": 1.0})),
        ] {
            assert_eq!(digest(&a), digest(&b), "{a} {b}");
        }
    }

    #[test]
    fn what_differs_has_another_digest() {
        for (a, b) in [
            (json!({"value": "1"}), json!({"value": 1})),
            (json!({"value": "0.5"}), json!({"value": "500m"})),
            (json!({"readOnly": true}), json!({"readOnly": false})),
            (json!({"allowPrivilegeEscalation": false}), json!({})),
            (json!(["ab", "c"]), json!(["a", "bc"])),
            (json!({"a": {"b": "c"}}), json!({"a": "b", "c": ""})),
        ] {
            assert_ne!(digest(&a), digest(&b), "{a} {b}");
        }
    }
}
