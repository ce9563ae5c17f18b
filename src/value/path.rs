//! Where something stands in a value: keys and indexes from the root.

use std::borrow::Cow;
use std::fmt::{self, Write};

/// One step down.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Into a map, by key.
    Key(Cow<'static, str>),
    /// Into a list, by index from 0.
    Index(usize),
}

impl Step {
    /// Appends a key to a JSON pointer (RFC 6901).
    pub(super) fn write_key(key: &str, pointer: &mut String) {
        pointer.push('/');
        if key.contains(['~', '/']) {
            pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
        } else {
            pointer.push_str(key);
        }
    }

    /// Appends an index to a JSON pointer.
    pub(super) fn write_index(index: usize, pointer: &mut String) {
        // Writing into a String does not fail.
        let _infallible = write!(pointer, "/{index}");
    }
}

/// The steps from the root of a document to a value. Written `spec.containers[0].env`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Path(Vec<Step>);

impl Path {
    /// The root itself.
    pub const ROOT: Path = Path(Vec::new());

    /// A path of keys only.
    pub fn keys(keys: &[&'static str]) -> Self {
        Path(keys.iter().map(|key| Step::Key(Cow::Borrowed(key))).collect())
    }

    /// The steps, from the root.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// This path and one key more.
    #[must_use]
    pub fn key(&self, key: impl Into<Cow<'static, str>>) -> Self {
        self.step(Step::Key(key.into()))
    }

    /// This path and one index more.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.step(Step::Index(index))
    }

    /// This path and one step more.
    #[must_use]
    pub fn step(&self, step: Step) -> Self {
        let mut steps = Vec::with_capacity(self.0.len() + 1);
        steps.extend_from_slice(&self.0);
        steps.push(step);
        Path(steps)
    }

    /// This path followed by another.
    #[must_use]
    pub fn join(&self, tail: &Path) -> Self {
        Path(self.0.iter().chain(&tail.0).cloned().collect())
    }

    /// The path without its last step, and that step.
    pub fn split_last(&self) -> Option<(Path, &Step)> {
        let (last, rest) = self.0.split_last()?;
        Some((Path(rest.to_vec()), last))
    }
}

impl FromIterator<Step> for Path {
    fn from_iter<I: IntoIterator<Item = Step>>(steps: I) -> Self {
        Path(steps.into_iter().collect())
    }
}

/// The form of the KRM function specification: `spec.template.spec.containers[3].image`; keys
/// with a dot stand in brackets and quotes.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) if key.contains(['.', '[', ']']) => write!(f, "[\"{key}\"]")?,
                Step::Key(key) if position == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}
