//! Whether a stream holds objects and nothing else: what `kubectl` and Argo CD take. Looks at the syntax of every
//! document, and of what stands in it only at the kind.

use super::lines::Lines;
use super::{Failure, Failures, Source, all, side_by_side};
use crate::yaml::Tree;
use crate::yaml::documents::contents;
use crate::yaml::tree::{NodeKind, ParseError};
use std::ops::Range;

/// Counts the objects of a source.
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
    Ok(all(looked)?.into_iter().filter(|is_object| *is_object).count())
}

/// Whether the first document that is something is an object.
pub fn begins_with_object(bytes: &[u8]) -> bool {
    contents(bytes)
        .find_map(|document| match look(&bytes[document]) {
            Ok(false) => None,
            Ok(true) => Some(true),
            Err(_) => Some(false),
        })
        .unwrap_or(false)
}

/// Whether a document is an object, or nothing at all.
fn look(bytes: &[u8]) -> Result<bool, (usize, String)> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| (error.valid_up_to(), "the text is not UTF-8; expected UTF-8".to_owned()))?;
    let tree = match Tree::parse(text) {
        Ok(tree) => tree,
        // Kubernetes takes the last of two equal keys. Where it matters to us, rendering refuses it.
        Err(ParseError { related: Some(_), .. }) => return Ok(true),
        Err(error) => return Err((error.offset, error.message)),
    };
    let Some(root) = tree.root().map(|root| tree.follow(root)) else { return Ok(false) };
    if matches!(&tree.node(root).kind, NodeKind::Scalar { text, typed: true, .. } if is_null(text)) {
        return Ok(false);
    }
    let is_kind = |(key, value)| {
        tree.key_text(key).as_deref() == Some("kind") && tree.scalar_text(value).is_some_and(|text| !text.is_empty())
    };
    let has_kind = matches!(tree.node(root).kind, NodeKind::Mapping { .. })
        // What is merged in may bring a kind.
        && tree.entries(root).any(|(key, value)| is_kind((key, value)) || tree.is_merge_key(key));
    if has_kind {
        Ok(true)
    } else {
        Err((tree.node(root).start, "found no kind; expected a Kubernetes object with apiVersion and kind".to_owned()))
    }
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
        ] {
            assert_eq!(count_of(text).unwrap(), objects, "{text:?}");
        }
    }

    #[test]
    fn everything_else_is_said_with_its_place() {
        let failures = count_of("kind: A\n---\n- x\n---\nkind:\n---\nx: [\n---\ntext\n").unwrap_err().0;
        let places: Vec<usize> = failures.iter().map(|failure| failure.position.as_ref().unwrap().line).collect();
        assert_eq!(places, [3, 5, 7, 9]);
        assert!(failures[0].message.contains("expected a Kubernetes object"), "{failures:?}");
    }

    #[test]
    fn what_comes_first_decides_whether_a_file_is_a_manifest() {
        for (text, is) in [("# x\n---\nkind: A\n", true), ("a: 1\n---\nkind: A\n", false), ("", false), ("[", false)] {
            assert_eq!(begins_with_object(text.as_bytes()), is, "{text:?}");
        }
    }
}
