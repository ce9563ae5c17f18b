//! A stream into documents, textually, as `kubectl`, kustomize and Argo CD do it: at lines that
//! begin with `---`. No parser is asked, so a broken document costs nothing but itself.

use memchr::memmem::Finder;
use std::ops::Range;
use std::sync::LazyLock;

/// Searches are prepared once, not for every document.
static MARKER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\n---"));
static END: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\n..."));

/// One document of a stream. The ranges are of the stream's bytes and adjoin: marker line, text, rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// What is parsed and edited: from after the `---` line (and a byte order mark) up to the next
    /// one, or up to a `...` line.
    pub text: Range<usize>,
    /// From a `...` line to the end of the document: `kubectl` drops what stands there.
    pub after_end: Option<Range<usize>>,
    /// Whether something other than a comment stands on the `---` line itself, which Kubernetes refuses.
    pub content_on_marker: bool,
}

/// Where the next document ends: at the next line that begins with `---`, or at the end.
///
/// `from` is the start of a line.
fn next_marker(stream: &[u8], from: usize) -> usize {
    if is_marker(stream, from) {
        return from;
    }
    let mut searched = from;
    while let Some(found) = MARKER.find(&stream[searched..]) {
        let line = searched + found + 1;
        if is_marker(stream, line) {
            return line;
        }
        searched = line;
    }
    stream.len()
}

/// Whether the line that starts at `line` is a document marker: `---` and then nothing or a blank.
fn is_marker(stream: &[u8], line: usize) -> bool {
    stream[line..].starts_with(b"---") && matches!(stream.get(line + 3), None | Some(b' ' | b'\t' | b'\r' | b'\n'))
}

/// The documents of a stream, in order. Empty ones are there too.
pub fn documents(stream: &[u8]) -> Documents<'_> {
    Documents { stream, next: Some(0) }
}

/// Iterator of [`documents`].
#[derive(Debug, Clone)]
pub struct Documents<'s> {
    stream: &'s [u8],
    /// Where the next document starts: at its marker line, if it has one.
    next: Option<usize>,
}

impl Iterator for Documents<'_> {
    type Item = Document;

    fn next(&mut self) -> Option<Document> {
        let stream = self.stream;
        let start = self.next?;
        // A marker that follows a byte order mark is one too: files are often joined without care.
        let marked = start + byte_order_mark(&stream[start..]);
        let mut content_on_marker = false;
        let mut text = marked;
        let mut after_marker = marked;
        if is_marker(stream, marked) {
            let line_end = memchr::memchr(b'\n', &stream[marked..]).map_or(stream.len(), |at| marked + at + 1);
            let rest = stream[marked + 3..line_end].trim_ascii();
            content_on_marker = !rest.is_empty() && rest[0] != b'#';
            // What stands on the marker's line is looked at too, though only to refuse it.
            text = if content_on_marker { marked } else { line_end };
            after_marker = line_end;
        }
        let end = if text < stream.len() { next_marker(stream, after_marker) } else { stream.len() };
        self.next = (end < stream.len()).then_some(end);
        text += byte_order_mark(&stream[text..end]);
        let after_end = document_end(&stream[text..end]).map(|at| text + at..end);
        let text = text..after_end.as_ref().map_or(end, |range| range.start);
        Some(Document { text, after_end, content_on_marker })
    }
}

/// The texts of the documents that hold more than comments.
pub fn contents(bytes: &[u8]) -> impl Iterator<Item = Range<usize>> {
    documents(bytes).map(|document| document.text).filter(|text| !is_blank(&bytes[text.clone()]))
}

/// Whether a document holds nothing but comments and directives: what stands before a first `---`.
pub fn is_blank(text: &[u8]) -> bool {
    // Between the two, a carriage return is a line break for YAML, if for nobody else.
    text.split(|byte| matches!(byte, b'\n' | b'\r'))
        .all(|line| line.starts_with(b"%") || matches!(line.trim_ascii_start().first(), None | Some(b'#')))
}

/// The length of a byte order mark at the start of `bytes`.
pub fn byte_order_mark(bytes: &[u8]) -> usize {
    if bytes.starts_with("\u{feff}".as_bytes()) { 3 } else { 0 }
}

/// Where a line begins that is `...`.
fn document_end(text: &[u8]) -> Option<usize> {
    let is_end = |line: usize| {
        text[line..].starts_with(b"...") && matches!(text.get(line + 3), None | Some(b' ' | b'\t' | b'\r' | b'\n'))
    };
    if is_end(0) {
        return Some(0);
    }
    END.find_iter(text).map(|at| at + 1).find(|line| is_end(*line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(stream: &str) -> Vec<&str> {
        documents(stream.as_bytes()).map(|document| &stream[document.text]).collect()
    }

    #[test]
    fn a_stream_is_split_at_marker_lines_only() {
        assert_eq!(texts("a: 1\n---\nb: 2\n"), ["a: 1\n", "b: 2\n"]);
        assert_eq!(texts("---\na: 1\n--- # next\nb: 2"), ["a: 1\n", "b: 2"]);
        assert_eq!(texts("a: |\n  ---\n  x\n"), ["a: |\n  ---\n  x\n"]);
        assert_eq!(texts("a: 1\n----\nb: 2\n"), ["a: 1\n----\nb: 2\n"]);
        assert_eq!(texts("---\n---\n"), ["", ""]);
        assert_eq!(texts("\u{feff}---\na: 1\n---\n\u{feff}b: 2\n"), ["a: 1\n", "b: 2\n"]);
        assert_eq!(texts("a: 1\r\n---\r\nb: 2\r\n"), ["a: 1\r\n", "b: 2\r\n"]);
        assert_eq!(texts(""), [""]);
    }

    #[test]
    fn what_follows_a_document_end_is_not_part_of_the_document() {
        let stream = "a: 1\n...\nb: 2\n---\nc: 3\n";
        let documents: Vec<_> = documents(stream.as_bytes()).collect();
        assert_eq!(&stream[documents[0].text.clone()], "a: 1\n");
        assert_eq!(documents[0].after_end.clone().map(|range| &stream[range]), Some("...\nb: 2\n"));
        assert_eq!(documents[1].after_end, None);
    }

    #[test]
    fn content_on_the_marker_line_is_noticed() {
        let flags: Vec<_> =
            documents(b"--- {a: b}\n--- # fine\nc: d\n").map(|document| document.content_on_marker).collect();
        assert_eq!(flags, [true, false]);
    }
}
