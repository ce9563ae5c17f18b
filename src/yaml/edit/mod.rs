//! Edits as splices of the source text: what a plan asks for, carried out in the file's own style.
//!
//! Every edit of block YAML only adds text; what it replaces is kept in a comment (see
//! `was`). Removal takes that text out again.
//!
//! | module | what it edits |
//! |---|---|
//! | `block` | block mappings and sequences, by lines |
//! | `flow` | flow collections and JSON, between brackets |
//! | `scalars` | the text of scalars |
//! | `restore` | places where an old value stands behind a mark |
//! | [`compose()`] | two rounds of splices as one |

mod block;
mod compose;
mod flow;
mod restore;
mod scalars;

pub use compose::compose;

use super::resolve::Entry;
use super::style::Style;
use super::tree::{NodeId, NodeKind, ParseError, Tree};
use crate::value::edit::{EditError, EditTree, apply_tree};
use crate::value::{Edit, Path, Step, Value};
use std::ops::Range;
use thiserror::Error;

/// Text in place of a range of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splice {
    /// What goes; empty for an insertion.
    pub range: Range<usize>,
    /// What comes.
    pub text: String,
}

/// What is to be done to a document's text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Edited {
    /// The splices: sorted, disjoint.
    pub splices: Vec<Splice>,
    /// Places of the document as it was that do not become what the plan says, because their old value was
    /// restored as it was written: an empty list instead of none.
    pub restored: Vec<(Path, Value<'static>)>,
    /// Offsets of values between brackets that are written over: there is no room for a mark there, so
    /// removal cannot bring them back as they were written.
    pub written_over: Vec<usize>,
}

/// Why a plan cannot be carried out on a text.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum Refusal {
    /// The edit falls inside a node that an alias elsewhere stands for.
    #[error("the edit would change every place that uses this anchor")]
    SharedAnchor {
        /// The anchored node.
        offset: usize,
    },
    /// The place is written in a way that is not edited.
    #[error("{what}")]
    Unsupported {
        /// The place.
        offset: usize,
        /// In what way.
        what: &'static str,
    },
    /// The document's aliases stand for too much.
    #[error("{0}")]
    Parse(#[from] ParseError),
    /// The plan does not fit the document: a defect of the plan.
    #[error("{0}")]
    Misfit(#[from] EditError),
}

/// Turns edits into splices.
///
/// # Errors
/// When the place of an edit is shared or written in a way that is not edited.
pub fn edit(tree: &Tree<'_>, edits: &[Edit]) -> Result<Edited, Refusal> {
    let edits = EditTree::new(edits);
    let Some(root) = tree.root() else {
        return Err(Refusal::Unsupported { offset: 0, what: "the document is empty" });
    };
    if tree.has_lone_carriage_return() {
        return Err(Refusal::Unsupported {
            offset: 0,
            what: "a carriage return ends a line by itself; expected \\n or \\r\\n",
        });
    }
    let mut editor = Editor { tree, style: tree.style(), done: Edited::default(), path: Vec::new() };
    editor.node(root, &edits, Parent::Root)?;
    let mut edited = editor.done;
    // What is put at one place stays in the order in which it was decided: inner before outer.
    edited.splices.sort_by_key(|splice| splice.range.start);
    edited.splices = block::join_deletions(tree.text, edited.splices);
    Ok(edited)
}

impl Edited {
    /// The edited text.
    pub fn text(&self, original: &str) -> String {
        let added: usize = self.splices.iter().map(|splice| splice.text.len()).sum();
        let mut text = String::with_capacity(original.len() + added);
        let mut at = 0;
        for splice in &self.splices {
            text.push_str(&original[at..splice.range.start]);
            text.push_str(&splice.text);
            at = splice.range.end;
        }
        text.push_str(&original[at..]);
        text
    }

    /// The offset in the original text of what stands at an offset of the edited one: for what was put
    /// there, the place where it was put.
    pub fn original_offset(&self, offset: usize) -> usize {
        // How far the edited text is ahead of the original.
        let (mut original, mut edited) = (0, 0);
        for splice in &self.splices {
            let kept = splice.range.start - original;
            if offset < edited + kept {
                break;
            }
            if offset < edited + kept + splice.text.len() {
                return splice.range.start;
            }
            edited += kept + splice.text.len();
            original = splice.range.end;
        }
        original + (offset - edited)
    }
}

/// Of `length` children, which are at one of these indexes.
fn marked(length: usize, indexes: &[usize]) -> Vec<bool> {
    let mut marked = vec![false; length];
    for index in indexes {
        marked[*index] = true;
    }
    marked
}

/// How a node hangs in its collection.
#[derive(Debug, Clone, Copy)]
enum Parent {
    /// It is the document.
    Root,
    /// It is the value of this key in a block mapping.
    BlockEntry { key: NodeId, mapping: NodeId },
    /// It is an item of a block sequence.
    BlockItem,
    /// It stands between brackets.
    Flow,
}

/// What is to happen to the entries of a mapping as wholes.
struct EntryEdits {
    /// The keys of those that go.
    deleted: Vec<NodeId>,
    /// Those that come, and whether `<<` supplied their value.
    added: Vec<(String, Value<'static>, bool)>,
}

struct Editor<'r, 't> {
    tree: &'r Tree<'t>,
    style: Style,
    /// What was decided so far.
    done: Edited,
    /// Where the walk is.
    path: Vec<Step>,
}

impl Editor<'_, '_> {
    /// Carries out what is to happen at a node and below.
    fn node(&mut self, id: NodeId, edits: &EditTree<'_>, parent: Parent) -> Result<(), Refusal> {
        let node = self.tree.node(id);
        if self.tree.is_shared(id) {
            return Err(Refusal::SharedAnchor { offset: node.start });
        }
        if node.explicit {
            return Err(self.unsupported(id, "an entry written with ? is not edited; expected `key: value`"));
        }
        match &node.kind {
            NodeKind::Alias { .. } => {
                let value = self.edited_value(id, edits)?;
                self.write_out(id, &value, parent)
            }
            NodeKind::Scalar { text, typed, .. } => {
                if *typed
                    && crate::value::scalar::resolve(text) == crate::value::ScalarType::Null
                    && edits.cut.is_none()
                {
                    let value = edits.make(&self.here())?;
                    self.write_out(id, &value, parent)
                } else {
                    self.scalar(id, edits, parent)
                }
            }
            NodeKind::Sequence { flow: false } => self.block_sequence(id, edits),
            NodeKind::Mapping { flow: false } => self.block_mapping(id, edits, parent),
            // `env: []` in block style becomes a block list; brackets over several lines stay.
            NodeKind::Sequence { .. } | NodeKind::Mapping { .. } if self.is_empty_in_block(id, parent) => {
                let value = self.edited_value(id, edits)?;
                if super::emit::is_block(&value) { self.write_out(id, &value, parent) } else { Ok(()) }
            }
            NodeKind::Sequence { .. } => self.flow_sequence(id, edits),
            NodeKind::Mapping { .. } => self.flow_mapping(id, edits),
        }
    }

    /// Carries out what is to happen at the items of a sequence; gives the indexes of those that are to go.
    fn items(&mut self, id: NodeId, edits: &EditTree<'_>, parent: Parent) -> Result<Vec<usize>, Refusal> {
        let mut deleted = Vec::new();
        for (step, child) in &edits.below {
            let Step::Index(index) = step else {
                return Err(self.unsupported(id, "a list stands where a map was expected"));
            };
            let Some(item) = self.tree.item(id, *index) else {
                return Err(self.unsupported(id, "the list has no such item"));
            };
            self.path.push((*step).clone());
            if child.delete {
                deleted.push(*index);
            } else if !matches!(parent, Parent::BlockItem) || !self.restore(item, child, parent)? {
                self.node(item, child, parent)?;
            }
            self.path.pop();
        }
        Ok(deleted)
    }

    /// Carries out what is to happen at the entries of a mapping; gives those that are to go and to come.
    fn entries(&mut self, id: NodeId, edits: &EditTree<'_>, block: bool) -> Result<EntryEdits, Refusal> {
        let tree = self.tree;
        let mut found = EntryEdits { deleted: Vec::new(), added: Vec::new() };
        for (step, child) in &edits.below {
            let Step::Key(key) = step else {
                return Err(self.unsupported(id, "a map stands where a list was expected"));
            };
            self.path.push((*step).clone());
            match tree.lookup(id, key) {
                Some(Entry::Overridden(own, _)) => {
                    let what =
                        "the key stands in the map and in what << merges, which kubectl and kustomize read differently";
                    return Err(self.unsupported(own, what));
                }
                Some(Entry::Own(own, _)) if block && tree.node(own).explicit => {
                    return Err(self.unsupported(own, "an entry written with ? is not edited; expected `key: value`"));
                }
                Some(Entry::Own(own, value)) => {
                    let parent = if block { Parent::BlockEntry { key: own, mapping: id } } else { Parent::Flow };
                    // Between brackets there are no marks to restore by.
                    let restored = block && self.restore(value, child, parent)?;
                    if child.delete && !restored {
                        found.deleted.push(own);
                    } else if !restored {
                        self.node(value, child, parent)?;
                    }
                }
                Some(Entry::Merged(_)) if child.delete => {
                    return Err(self.unsupported(id, "what << supplies cannot be deleted"));
                }
                Some(Entry::Merged(value)) => {
                    let value = self.edited_value(value, child)?;
                    found.added.push((key.to_string(), value, true));
                }
                None => found.added.push((key.to_string(), child.make(&self.here())?, false)),
            }
            self.path.pop();
        }
        Ok(found)
    }

    /// Puts a value in the place of a null, an alias or an empty collection.
    fn write_out(&mut self, id: NodeId, value: &Value<'_>, parent: Parent) -> Result<(), Refusal> {
        if self.tree.node(id).is_anchored() {
            return Err(self.unsupported(id, "an anchor on an empty value is not edited; write the value out"));
        }
        match parent {
            Parent::Flow => self.write_out_in_flow(id, value),
            Parent::BlockEntry { .. } | Parent::BlockItem => self.write_out_in_block(id, value, parent),
            Parent::Root => Err(self.unsupported(id, "the document is empty")),
        }
    }

    fn is_empty_in_block(&self, id: NodeId, parent: Parent) -> bool {
        let node = self.tree.node(id);
        matches!(parent, Parent::BlockEntry { .. } | Parent::BlockItem)
            && node.next == id + 1
            && !self.tree.text[node.start..node.end].contains('\n')
            && node.start < node.end
    }

    /// The value of a node once the edits are made.
    fn edited_value(&self, id: NodeId, edits: &EditTree<'_>) -> Result<Value<'static>, Refusal> {
        let value = self.tree.value_of(id)?.into_owned();
        Ok(apply_tree(value, edits, &self.here())?)
    }

    fn here(&self) -> Path {
        self.path.iter().cloned().collect()
    }

    fn insert(&mut self, at: usize, text: String) {
        self.done.splices.push(Splice { range: at..at, text });
    }

    fn delete(&mut self, range: Range<usize>) {
        self.done.splices.push(Splice { range, text: String::new() });
    }

    fn unsupported(&self, id: NodeId, what: &'static str) -> Refusal {
        Refusal::Unsupported { offset: self.tree.node(id).start, what }
    }
}
