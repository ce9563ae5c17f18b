//! The annotation `openlit.io/injection`: what was done to a template, and what it takes to undo it.
//!
//! It says what is unusual. Every instrumented container gets the variables of [`USUAL`], the
//! volume's mount and nothing else, so `{}` is the record of most containers; what differs is named.
//! Nothing is a position: everything is found again by name. Knows neither templates nor edits.

use crate::api::{Finding, Reason, names};
use crate::value::Path;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The version of the annotation that is written and read.
pub const VERSION: u32 = 1;

/// The API server takes no larger annotations.
const LONGEST: usize = 256 * 1024;

/// The variables that an instrumented container has from us if its record does not say otherwise.
/// Part of version 1 of the annotation: a change here is a new version.
pub const USUAL: [&str; 13] = [
    names::ENV_NAMESPACE,
    names::ENV_POD_NAME,
    names::ENV_POD_UID,
    names::ENV_NODE_NAME,
    names::ENV_PYTHONPATH,
    names::ENV_ENDPOINT,
    names::ENV_SERVICE_NAME,
    names::ENV_SERVICE_NAMESPACE,
    names::ENV_SERVICE_INSTANCE_ID,
    names::ENV_DEPLOYMENT_ENVIRONMENT,
    names::ENV_RESOURCE_ATTRIBUTES,
    names::ENV_CAPTURE,
    names::ENV_DETAILED_TRACING,
];

/// A name in the record.
pub type Name = Cow<'static, str>;

/// What was done to a template.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Record {
    /// The version of the annotation.
    pub v: u32,
    /// The configuration's name.
    pub configuration: String,
    /// The digest of the effective configuration.
    pub digest: String,
    /// The digest of what was added.
    pub added: String,
    /// The instrumented containers, by name.
    pub containers: BTreeMap<String, ContainerRecord>,
    /// The configuration's volumes, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<String>,
    /// The configuration's mounts in every instrumented container, by path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<String>,
    /// The configuration's variables of the init container.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub init_env: Vec<String>,
    /// The configuration's mounts of the init container, by path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub init_mounts: Vec<String>,
    /// How many bytes of the autoscaler's annotation are ours, where the user had one; none: all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub safe_to_evict: Option<usize>,
}

/// What is unusual about a container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContainerRecord {
    /// Usual variables that were not written: the user had them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<Name>,
    /// Variables that were written beside the usual ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<Name>,
    /// The user's variables that ours were put before, and how many bytes of them are ours.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub merged: BTreeMap<Name, usize>,
    /// The user's variables that had no `value` and got ours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filled: Vec<Name>,
    /// The user's variables that were renamed `OPENLIT_ORIGINAL_…`, and stand under their old name again with ours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub renamed: Vec<Name>,
}

impl ContainerRecord {
    /// The variables that are ours as a whole.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        let usual = USUAL.into_iter().filter(|name| {
            !self.without.iter().any(|other| other == name)
                && !self.merged.contains_key(*name)
                && !self.filled.iter().any(|other| other == name)
        });
        usual.chain(self.with.iter().map(AsRef::as_ref))
    }
}

impl Record {
    /// The annotation's text: JSON in one line, without `'`, so that YAML can write it single-quoted.
    pub fn to_text(&self) -> String {
        // Maps with text keys and numbers: there is nothing that JSON could not say.
        serde_json::to_string(self).unwrap_or_default().replace('\'', "\\u0027")
    }

    /// Reads the annotation's text, which anybody may have written.
    ///
    /// # Errors
    /// [`Reason::UnreadableRecord`] with what is wrong; `at` is where the annotation stands.
    pub fn read(text: &str, at: &Path) -> Result<Self, Finding> {
        #[derive(Deserialize)]
        struct Version {
            v: u32,
        }
        let unreadable = |detail: String| Finding::new(Reason::UnreadableRecord, at.clone()).with(detail);
        if text.len() > LONGEST {
            return Err(unreadable(format!("{} bytes are too many", text.len())));
        }
        match serde_json::from_str::<Record>(text) {
            Ok(record) if record.v == VERSION => Ok(record),
            Ok(Record { v, .. }) => Err(unreadable(format!("version {v} is not known"))),
            Err(error) => Err(unreadable(match serde_json::from_str(text) {
                Ok(Version { v }) if v != VERSION => format!("version {v} is not known"),
                _ => error.to_string(),
            })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inject::testing::configuration;

    #[test]
    fn the_usual_annotation_is_short() {
        let record = Record {
            v: 1,
            configuration: "settings".into(),
            digest: "0123456789abcdef".into(),
            added: "fedcba9876543210".into(),
            containers: BTreeMap::from([("app".into(), ContainerRecord::default())]),
            ..Record::default()
        };
        assert_eq!(
            record.to_text(),
            r#"{"v":1,"configuration":"settings","digest":"0123456789abcdef","added":"fedcba9876543210","containers":{"app":{}}}"#
        );
    }

    #[test]
    fn what_is_unusual_is_named_and_comes_back_and_no_apostrophe_stands_in_it() {
        let record = Record {
            v: 1,
            configuration: "it's/so".into(),
            containers: BTreeMap::from([(
                "a'b".into(),
                ContainerRecord {
                    without: vec!["OTEL_SERVICE_NAME".into()],
                    with: vec!["KEY'".into()],
                    merged: BTreeMap::from([("PYTHONPATH".into(), 26)]),
                    filled: vec!["X".into()],
                    renamed: vec!["OTEL_RESOURCE_ATTRIBUTES".into()],
                },
            )]),
            volumes: vec!["v".into()],
            mounts: vec!["/m".into()],
            init_env: vec!["PIP_INDEX_URL".into()],
            init_mounts: vec!["/etc/pip".into()],
            safe_to_evict: Some(0),
            ..Record::default()
        };
        let text = record.to_text();
        assert!(!text.contains('\''), "{text}");
        assert_eq!(Record::read(&text, &Path::ROOT), Ok(record));
    }

    #[test]
    fn hostile_text_is_unreadable_and_never_a_panic() {
        let deep = "[".repeat(100_000);
        let long = format!("{{\"v\":1,\"configuration\":\"{}\"}}", "x".repeat(LONGEST));
        for (text, detail) in [
            ("", "EOF"),
            ("null", "null"),
            ("[]", "invalid length"),
            ("{", "EOF"),
            (r#"{"v":2,"whatever":[]}"#, "version 2 is not known"),
            (r#"{"v":2,"configuration":"","digest":"","added":"","containers":{}}"#, "version 2 is not known"),
            (r#"{"v":1,"configuration":"","digest":"","added":"","containers":{},"surprise":1}"#, "surprise"),
            (r#"{"v":1,"configuration":"","digest":"","added":"","containers":{"a":{"merged":{"A":-1}}}}"#, "-1"),
            (deep.as_str(), "recursion"),
            (long.as_str(), "too many"),
        ] {
            let finding = Record::read(text, &Path::ROOT).unwrap_err();
            assert_eq!(finding.reason, Reason::UnreadableRecord);
            assert!(
                finding.detail.contains(detail)
                    || detail == "null"
                    || detail == "recursion"
                    || detail == "invalid length",
                "{}",
                finding.detail
            );
        }
    }

    #[test]
    fn the_configurations_digest_knows_what_is_written_and_not_the_name() {
        let one = configuration();
        let mut other = one.clone();
        other.name = "team-a/rag".into();
        assert_eq!(one.digest(), other.digest());
        other.timeout = Some(0);
        assert_ne!(one.digest(), other.digest());
        let (mut a, mut b) = (one.clone(), one);
        a.attributes = vec![("ab".into(), "c".into())];
        b.attributes = vec![("a".into(), "bc".into())];
        assert_ne!(a.digest(), b.digest());
        assert_eq!(a.digest().len(), 16);
    }
}
