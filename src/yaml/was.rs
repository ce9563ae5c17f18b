//! `# prelit:was `: the comment that keeps an old value where it stood, so that an edit of block
//! YAML only adds text, and its removal gives the bytes back.
//!
//! | as it was | with what was added |
//! |---|---|
//! | `env: []` | `env: # prelit:was []` and items below |
//! | `env: *common` | `env: # prelit:was *common` and all items written out below |
//! | `env:` | `env: # prelit:was` and items below |
//! | (a list that `<<` supplies) | `env: # prelit:was <<` and all items written out below |
//! | `value: null` | `value: "text" # prelit:was null` |

use super::gaps;
use super::tree::{NodeId, NodeKind, Tree};
use crate::value::Value;
use std::ops::Range;

/// The comment, without the blank that separates it from the old value.
pub const MARK: &str = "# prelit:was";

/// The mark that stands for "what a merge key supplies".
pub const MERGED: &str = "<<";

/// A mark that was found.
#[derive(Debug, Clone)]
pub struct Was {
    /// The comment's `#`.
    pub start: usize,
    /// The old value's text, without blanks around it; a user's own comment behind it included. Empty
    /// where nothing was written.
    pub old: Range<usize>,
}

/// What an old value means.
#[derive(Debug, Clone)]
pub enum Old {
    /// This value.
    Value(Value<'static>),
    /// The value that this alias stands for.
    Alias(NodeId),
    /// What `<<` supplied.
    Merged,
}

/// The mark that belongs to a value, if it has one: between its indicator and its first line for a
/// block collection, behind it for everything else.
pub fn find(tree: &Tree<'_>, value: NodeId) -> Option<Was> {
    let node = tree.node(value);
    let text = tree.text;
    let start = match node.kind {
        NodeKind::Sequence { flow: false } | NodeKind::Mapping { flow: false } => {
            let first = tree.children(value).next()?;
            let gap = node.lead + 1..tree.node(first).lead.min(node.start).max(node.lead + 1);
            memchr::memmem::find(text[gap.clone()].as_bytes(), MARK.as_bytes())? + gap.start
        }
        _ => gaps::comment_on_line(text, node.end)?.start,
    };
    let comment = &text[start..gaps::line_end(text, start)];
    let rest = comment.strip_prefix(MARK)?;
    if !rest.is_empty() && !rest.starts_with(' ') {
        return None;
    }
    let old_start = start + comment.len() - rest.trim_start().len();
    Some(Was { start, old: old_start..old_start + rest.trim().len() })
}

impl Was {
    /// Whether nothing was written where the value stands now (a comment may have stood there).
    pub fn was_empty(&self, text: &str) -> bool {
        let old = &text[self.old.clone()];
        old.is_empty() || old.starts_with('#')
    }

    /// What the old value means.
    pub fn old(&self, tree: &Tree<'_>) -> Option<Old> {
        let old = &tree.text[self.old.clone()];
        if self.was_empty(tree.text) {
            return Some(Old::Value(Value::NULL));
        }
        if old == MERGED {
            return Some(Old::Merged);
        }
        if let Some(name) = old.strip_prefix('*') {
            let name = name.split_ascii_whitespace().next()?;
            return tree.anchor_before(name, self.start).map(Old::Alias);
        }
        super::resolve::standalone(old).map(Old::Value)
    }
}
