//! The scan: which documents must be parsed at all. It may be slow, never wrong: a document that it
//! passes over can neither be selected nor carry an injection.
//!
//! | in the run | what a document must have to be parsed |
//! |---|---|
//! | no `AutoInstrumentation` | the bytes `openlit.io`, of which all our labels and annotations have some |
//! | some | the name of a kind from the table |
//! | either | or an escape that could hide those bytes |
//!
//! A block mapping that shows its own `kind` plainly is passed over if that kind holds no pods.

use crate::api::names;
use memchr::memmem::{self, Finder};
use memchr::{memchr, memchr3_iter};
use std::sync::LazyLock;

/// Searches are prepared once, not for every document.
static GROUP: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(names::GROUP));
static KIND: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(names::KIND));

/// What is looked for.
#[derive(Debug, Clone)]
pub struct Scan {
    /// The kinds that can hold a workload, or their group; lists are known by their ending.
    kinds: Vec<Finder<'static>>,
    /// Whether a selector can match a document that does not name us.
    has_selectors: bool,
    /// Whether every document is parsed.
    thorough: bool,
}

impl Scan {
    /// A scan for these kinds.
    pub fn new<'k>(kinds: impl Iterator<Item = &'k str>, has_selectors: bool, thorough: bool) -> Self {
        Scan { kinds: kinds.map(|kind| Finder::new(kind).into_owned()).collect(), has_selectors, thorough }
    }

    /// Whether any document of a stream can need parsing: one look at all of it.
    pub fn may_concern(&self, stream: &[u8]) -> bool {
        self.thorough || self.has_selectors || GROUP.find(stream).is_some() || hides_text(stream)
    }

    /// Whether a document must be parsed.
    pub fn must_parse(&self, document: &[u8]) -> bool {
        if self.thorough {
            return true;
        }
        if !self.has_selectors && GROUP.find(document).is_none() {
            return hides_text(document);
        }
        match plain_kind(document) {
            // A kind that others have too (`Service`) is known by its group.
            Some(kind) => kind.ends_with(b"List") || self.kinds.iter().any(|known| {
                known.needle() == kind || known.needle().contains(&b'.') && known.find(document).is_some()
            }),
            None => self.kinds.iter().any(|kind| kind.find(document).is_some()) || hides_text(document),
        }
    }
}

/// Whether a document can hold an `AutoInstrumentation`.
pub fn may_configure(document: &[u8]) -> bool {
    KIND.find(document).is_some() || hides_text(document)
}

/// Whether escapes or tags could hide text from a search: `\x2f`, `\u002f`, `\/`, an escaped line
/// end, `!!binary`, a tag's own prefix.
fn hides_text(text: &[u8]) -> bool {
    memchr3_iter(b'\\', b'!', b'%', text).any(|at| {
        let rest = &text[at..];
        match rest.get(1) {
            Some(b'x' | b'u' | b'U' | b'/' | b'\n' | b'\r') => rest[0] == b'\\',
            Some(b'!') => rest.starts_with(b"!!binary"),
            Some(b'<') => rest[0] == b'!',
            Some(b'T') => rest.starts_with(b"%TAG"),
            _ => false,
        }
    })
}

/// The kind of a document that is a block mapping and says it once, plainly: `kind: Deployment` at
/// the start of a line. None where that is not certain.
///
/// Lines that begin at column 0 are keys of the root, if no text goes on there: so every such line
/// must look like `word:`, a comment, or an item of a list.
fn plain_kind(document: &[u8]) -> Option<&[u8]> {
    let mut kind = None;
    let mut line = 0;
    while line < document.len() {
        let end = memchr(b'\n', &document[line..]).map_or(document.len(), |at| line + at);
        let content = &document[line..end];
        match content.first() {
            None | Some(b' ' | b'#' | b'\r') => {}
            Some(b'-') if matches!(content.get(1), None | Some(b' ' | b'\r')) => {}
            Some(first) if first.is_ascii_alphabetic() => {
                let colon = memchr(b':', content)?;
                if !content[..colon].iter().all(u8::is_ascii_alphanumeric) {
                    return None;
                }
                if &content[..colon] == b"kind" {
                    let value = content[colon + 1..].trim_ascii();
                    let plain = content.get(colon + 1) == Some(&b' ')
                        && !value.is_empty()
                        && value.iter().all(u8::is_ascii_alphanumeric);
                    if !plain || kind.replace(value).is_some() {
                        return None;
                    }
                }
            }
            Some(_) => return None,
        }
        line = end + 1;
    }
    // A value that goes on below its key would not be the whole kind.
    kind.filter(|kind| !continues(document, kind))
}

/// Whether the line after the one that `part` ends is indented, so that a plain text could go on there.
fn continues(document: &[u8], part: &[u8]) -> bool {
    let Some(at) = memmem::find_iter(document, part).find(|at| {
        let line = memchr::memrchr(b'\n', &document[..*at]).map_or(0, |found| found + 1);
        document[line..].starts_with(b"kind:")
    }) else {
        return true;
    };
    let Some(next) = memchr(b'\n', &document[at..]).map(|found| at + found + 1) else { return false };
    let mut rest = &document[next..];
    // Blank lines and comments in between do not end a plain text for sure; look at the first line with content.
    loop {
        let end = memchr(b'\n', rest).unwrap_or(rest.len());
        let content = rest[..end].trim_ascii();
        if content.is_empty() && end < rest.len() {
            rest = &rest[end + 1..];
            continue;
        }
        return matches!(rest.first(), Some(b' ' | b'\t')) && !content.is_empty();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_kind_is_seen_without_a_parser() {
        let kind = |text: &'static str| plain_kind(text.as_bytes()).map(|kind| std::str::from_utf8(kind).unwrap());
        assert_eq!(kind("apiVersion: v1\nkind: Service # here\n"), None);
        assert_eq!(kind("apiVersion: v1\nkind: Service\r\nspec:\r\n  a: b\r\n"), Some("Service"));
        assert_eq!(kind("items:\n- a\n- b\nkind: PodList"), Some("PodList"));
        assert_eq!(kind("kind: Ser\n  vice\n"), None);
        assert_eq!(kind("data: \"\nkind: Service\n\"\n\"kind\": Deployment\n"), None);
        assert_eq!(kind("kind: Service\nkind: Pod\n"), None);
        assert_eq!(kind("{kind: Service}\n"), None);
        assert_eq!(kind("? kind\n: Service\n"), None);
        assert_eq!(kind("kind:\tPod\n"), None);
        assert_eq!(kind("metadata:\n  kind: Pod\n"), None);
    }

    #[test]
    fn escapes_are_not_trusted() {
        let scan = Scan::new(["Pod"].into_iter(), false, false);
        assert!(!scan.must_parse(b"kind: Pod\n"));
        assert!(scan.must_parse(b"kind: Pod\nlabels: {openlit.io/instrument: x}\n"));
        assert!(scan.must_parse(b"kind: Pod\nlabels: {\"openlit\\x2eio/instrument\": x}\n"));
        assert!(!scan.must_parse(b"kind: ConfigMap\nlabels: {openlit.io/instrument: x}\n"));
        assert!(!scan.must_parse(b"kind: Pod\ntext: \"a\\n\\\"b\"\n"));
    }
}
