//! Whether a stream holds objects and nothing else: what `kubectl` and Argo CD take. Looks at the syntax of every
//! document, and of what stands in it only at the kind.

use super::lines::Lines;
use super::{Failure, Failures, Source, all, side_by_side};
use crate::value::{ScalarType, scalar};
use crate::yaml::Tree;
use crate::yaml::documents::contents;
use crate::yaml::tree::{NodeId, NodeKind, ParseError};
use std::ops::Range;

/// Counts the objects of a source; those of a list one by one, so that an empty list is none.
///
/// # Errors
/// Every document that cannot be parsed or says no kind.
pub fn count(source: &Source<'_>) -> Result<usize, Failures> {
    let documents: Vec<Range<usize>> = contents(source.bytes).collect();
    let looked = side_by_side(&documents, |document| {
        look(&source.bytes[document.clone()]).map_err(|(offset, message)| {
            // Where a document begins is found again for each: only errors ask.
            let lines = Lines::new(source.name, source.bytes);
            Failures(vec![Failure::at(&lines, document.start + offset, message)])
        })
    });
    Ok(all(looked)?.into_iter().flatten().sum())
}

/// Whether the first document that is something is an object.
pub fn begins_with_object(bytes: &[u8]) -> bool {
    let first = contents(bytes).find_map(|document| look(&bytes[document]).transpose());
    first.is_some_and(|looked| looked.is_ok())
}

/// How many objects a document holds; none where it is nothing at all.
fn look(bytes: &[u8]) -> Result<Option<usize>, (usize, String)> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| (error.valid_up_to(), "the text is not UTF-8; expected UTF-8".to_owned()))?;
    let tree = match Tree::parse(text) {
        Ok(tree) => tree,
        // Kubernetes takes the last of two equal keys. Where it matters to us, rendering refuses it.
        Err(ParseError { related: Some(_), .. }) => return Ok(Some(1)),
        Err(error) => return Err((error.offset, error.message)),
    };
    let Some(root) = tree.root().map(|root| tree.follow(root)) else { return Ok(None) };
    if matches!(&tree.node(root).kind, NodeKind::Scalar { text, typed: true, .. } if is_null(text)) {
        return Ok(None);
    }
    let entry = |name: &str| {
        let is_map = matches!(tree.node(root).kind, NodeKind::Mapping { .. });
        let mut entries = tree.entries(root).filter(|_| is_map);
        entries.find(|(key, _)| tree.key_text(*key).as_deref() == Some(name)).map(|(_, value)| tree.follow(value))
    };
    // What is merged in may bring a kind.
    let merges = || tree.children(root).any(|child| tree.is_merge_key(child));
    match entry("kind").and_then(|kind| text_of(&tree, kind)) {
        Some(kind) if kind.ends_with("List") && entry("spec").is_none() && entry("status").is_none() => {
            Ok(Some(entry("items").map_or(1, |items| match tree.node(items).kind {
                NodeKind::Sequence { .. } => tree.children(items).count(),
                _ => 0,
            })))
        }
        Some(_) => Ok(Some(1)),
        None if merges() => Ok(Some(1)),
        None => {
            let expected = "found no kind; expected a Kubernetes object with apiVersion and kind";
            Err((tree.node(root).start, expected.to_owned()))
        }
    }
}

/// A text that is one: not empty, no number.
fn text_of<'t>(tree: &'t Tree<'_>, id: NodeId) -> Option<&'t str> {
    let NodeKind::Scalar { text, typed, .. } = &tree.node(id).kind else { return None };
    (!text.is_empty() && (!typed || scalar::resolve(text) == ScalarType::Text)).then_some(text)
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count_of(text: &str) -> Result<usize, Failures> {
        count(&Source { name: "f.yaml", bytes: text.as_bytes(), lenient: false, left_alone: None })
    }

    #[test]
    fn documents_that_hold_something_are_objects() {
        for (text, objects) in [
            ("", 0),
            ("# nothing\n---\n", 0),
            ("null\n---\n~\n", 0),
            ("---\nkind: A\n---\n{\"kind\": \"B\"}\n", 2),
            ("kind: A\nx: 1\nx: 2\n", 1),
            ("a: &a {kind: A}\n<<: *a\n", 1),
            ("kind: List\nitems:\n- kind: A\n- kind: B\n", 2),
            ("kind: List\nitems: []\n---\nkind: ConfigMapList\nitems:\n", 0),
            ("kind: AllowList\nspec: {}\nitems: []\n", 1),
        ] {
            assert_eq!(count_of(text).unwrap(), objects, "{text:?}");
        }
    }

    #[test]
    fn everything_else_is_said_with_its_place() {
        let failures = count_of("kind: A\n---\n- x\n---\nkind:\n---\nx: [\n---\ntext\n---\nkind: 5\n").unwrap_err().0;
        let places: Vec<usize> = failures.iter().map(|failure| failure.position.as_ref().unwrap().line).collect();
        assert_eq!(places, [3, 5, 7, 9, 11]);
        assert!(failures[0].message.contains("expected a Kubernetes object"), "{failures:?}");
    }

    #[test]
    fn what_comes_first_decides_whether_a_file_is_a_manifest() {
        for (text, is) in [("# x\n---\nkind: A\n", true), ("a: 1\n---\nkind: A\n", false), ("", false), ("[", false)] {
            assert_eq!(begins_with_object(text.as_bytes()), is, "{text:?}");
        }
    }
}
