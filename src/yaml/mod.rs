//! Text to values with byte spans, and edits as splices. Knows nothing of Kubernetes' objects.
//!
//! | step | module |
//! |---|---|
//! | a stream into documents, at the lines that Kubernetes splits at | [`mod@documents`] |
//! | a document that is a long list into its items | [`block_list`] |
//! | a document into nodes with spans | [`tree`]; `simple` where it is written simply |
//! | what is asked of a tree often: lines, items, keys | `index` |
//! | nodes into values: aliases, merge keys, keys as text | `resolve` |
//! | values into text, in the style of their surroundings | `emit` |
//! | edits into splices | [`edit`] |
//! | the edited text is what was meant | [`proof`] |

pub mod block_list;
pub mod documents;
pub mod edit;
mod emit;
mod gaps;
mod index;
pub mod proof;
mod resolve;
mod simple;
mod style;
pub mod tree;
mod was;

pub use block_list::BlockList;
pub use documents::{Document, documents};
pub use edit::{Edited, Refusal, Splice};
pub use tree::{ParseError, Tree};
