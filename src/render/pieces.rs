//! A document as the pieces that are read one by one: a list of objects as its frame and its items, so that a
//! list of thousands costs the memory of one, and every core works on it; anything else as a whole.

use crate::manifest::workload::ITEMS;
use crate::manifest::{self, Found, Object, Row};
use crate::value::Value;
use crate::yaml::block_list::{BlockList, is_one_item};
use crate::yaml::{ParseError, Tree};

/// A list that can be taken apart.
#[derive(Debug)]
pub(super) struct Pieces {
    pub list: BlockList,
    /// The document without the items.
    pub frame: String,
    pub scope: Scope,
}

/// What a piece is a part of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scope {
    /// Of nothing: it is a document.
    Document,
    /// Of a list.
    List {
        /// What its items inherit.
        kind: Option<String>,
        api_version: Option<String>,
        /// Whether sops has encrypted all of it.
        sops: bool,
    },
}

impl Pieces {
    /// Takes a document apart, if it is a list that is written so.
    pub fn of(text: &str) -> Option<Pieces> {
        let list = BlockList::of(text, ITEMS)?;
        let frame = list.frame(text);
        let scope = {
            let tree = Tree::parse(&frame).ok()?;
            let value = tree.value().ok()?;
            let (kind, api_version) = manifest::inherited_from(&Object::read(&value)?)?;
            Scope::List {
                kind: kind.map(str::to_owned),
                api_version: api_version.map(str::to_owned),
                sops: manifest::is_sops(&value),
            }
        };
        Some(Pieces { list, frame, scope })
    }
}

impl Scope {
    /// What a piece holds.
    pub fn look<'v>(&'v self, value: &'v Value<'v>, extra: &[Row]) -> Found<'v> {
        match self {
            Scope::Document => manifest::workloads(value, extra),
            Scope::List { kind, api_version, .. } => {
                manifest::workloads_of_items(value, (kind.as_deref(), api_version.as_deref()), extra)
            }
        }
    }

    /// Looks whether a tree is what a piece must be.
    ///
    /// # Errors
    /// When lines were wrong about where the items of the list are: it must be read as a whole.
    pub fn fit(&self, tree: &Tree<'_>) -> Result<(), ParseError> {
        if *self == Scope::Document || is_one_item(tree) {
            return Ok(());
        }
        Err(ParseError { offset: 0, message: "the piece is no item of a list".to_owned(), related: None })
    }

    /// Whether an item is of a kind that its list says.
    pub fn inherits_kind(&self, name: &str) -> bool {
        matches!(self, Scope::List { kind: Some(kind), .. } if kind == name)
    }

    /// Whether sops has encrypted what the piece is a part of.
    pub fn is_sops(&self) -> bool {
        matches!(self, Scope::List { sops: true, .. })
    }
}
