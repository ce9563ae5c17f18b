//! Texts with edits, as lists of borrowed pieces: nothing is copied together, and the list is
//! written with as few system calls as there can be. Knows no YAML but document markers.

use crate::render::Splice;
use std::io::{self, ErrorKind, IoSlice, Write};

/// One file of the stream.
#[derive(Debug, Clone, Copy)]
pub struct Part<'p> {
    /// The file as it was read.
    pub bytes: &'p [u8],
    /// The edits: sorted, disjoint, within the bytes.
    pub splices: &'p [Splice],
}

impl<'p> Part<'p> {
    /// The edited text, piece by piece; no piece is empty.
    pub fn pieces(self) -> impl Iterator<Item = &'p [u8]> {
        let ends = self.splices.iter().map(|splice| splice.range.start).chain([self.bytes.len()]);
        let starts = std::iter::once(0).chain(self.splices.iter().map(|splice| splice.range.end));
        let texts = self.splices.iter().map(|splice| splice.text.as_bytes()).chain([&[][..]]);
        starts
            .zip(ends)
            .zip(texts)
            .flat_map(move |((start, end), text)| [&self.bytes[start..end], text])
            .filter(|piece| !piece.is_empty())
    }

    /// Whether the edits can be carried out: sorted, disjoint, within the bytes.
    pub fn is_sound(self) -> bool {
        let mut last = 0;
        self.splices.iter().all(|splice| {
            let sound = last <= splice.range.start && splice.range.start <= splice.range.end;
            last = splice.range.end;
            sound && last <= self.bytes.len()
        })
    }
}

const BOM: &[u8] = b"\xef\xbb\xbf";

/// Several files as one stream. A single file keeps every byte; between several, what would run
/// together is separated, and byte order marks are dropped. A stream that begins with JSON begins with
/// `---`, since `kubectl` would read all of it as JSON.
pub fn join<'p>(parts: &[Part<'p>]) -> Vec<&'p [u8]> {
    if let [only] = parts {
        return only.pieces().collect();
    }
    let mut stream: Vec<&'p [u8]> = Vec::new();
    let (mut opens_with_json, mut several) = (false, false);
    for part in parts {
        let mut pieces: Vec<&'p [u8]> = part.pieces().collect();
        if let Some(first) = pieces.first_mut() {
            *first = first.strip_prefix(BOM).unwrap_or(first);
        }
        pieces.retain(|piece| !piece.is_empty());
        if pieces.is_empty() {
            continue;
        }
        if stream.is_empty() && is_json(pieces[0]) {
            opens_with_json = true;
        }
        if let Some(last) = stream.last() {
            several = true;
            let ends_line = last.ends_with(b"\n");
            let open = ends_open(last);
            if !ends_line {
                stream.push(b"\n");
            }
            match Opening::of(&pieces) {
                Opening::Marker => {}
                Opening::Directive => stream.push(b"...\n"),
                Opening::Content if open => {}
                Opening::Content => stream.push(b"---\n"),
            }
        }
        stream.extend(pieces);
    }
    if opens_with_json && several {
        stream.insert(0, b"---\n");
    }
    stream
}

/// Whether `kubectl` reads what begins so as JSON, to the end: there are no documents in it.
fn is_json(text: &[u8]) -> bool {
    text.trim_ascii_start().starts_with(b"{")
}

/// Whether the text ends with a marker that has begun a document already.
fn ends_open(text: &[u8]) -> bool {
    let text = text.trim_ascii_end();
    text.strip_suffix(b"---").is_some_and(|before| before.is_empty() || before.ends_with(b"\n"))
}

/// How a file begins.
enum Opening {
    /// With `---`, perhaps below comments.
    Marker,
    /// With `%YAML` or the like: the document before must be ended.
    Directive,
    /// With anything else.
    Content,
}

impl Opening {
    fn of(pieces: &[&[u8]]) -> Self {
        let first = pieces.first().copied().unwrap_or_default();
        let mut lines = first.split_inclusive(|byte| *byte == b'\n').enumerate();
        // Blank lines at the very start would belong to a block scalar that ends the file before;
        // a comment ends such a scalar.
        let opening = lines.find(|(index, line)| *index == 0 && line.trim_ascii().is_empty() || !is_remark(line));
        match opening {
            Some((_, line)) if line.starts_with(b"%") => Opening::Directive,
            Some((_, line)) if line.starts_with(b"---") && line.get(3).is_none_or(u8::is_ascii_whitespace) => {
                Opening::Marker
            }
            _ => Opening::Content,
        }
    }
}

fn is_remark(line: &[u8]) -> bool {
    line.starts_with(b"#") || line.trim_ascii().is_empty()
}

/// At most so many pieces go into one system call; the limit of Linux and macOS.
const BATCH: usize = 1024;

/// Writes all pieces.
///
/// # Errors
///
/// Whatever the writer says, but for interruptions.
pub fn write_all(out: &mut impl Write, pieces: &[&[u8]]) -> io::Result<()> {
    for batch in pieces.chunks(BATCH) {
        let mut slices: Vec<IoSlice> = batch.iter().map(|piece| IoSlice::new(piece)).collect();
        let mut rest = &mut slices[..];
        // Empty pieces at the front are none.
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            match out.write_vectored(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => IoSlice::advance_slices(&mut rest, written),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
    out.flush()
}

/// Lets a pipe hold more, so that the processes at its ends wake each other less often. Anything
/// that is no pipe, or a system that does not allow it, stays as it is.
#[cfg(unix)]
pub fn widen(pipe: &std::fs::File) {
    /// What Linux grants everybody.
    #[cfg(target_os = "linux")]
    const PIPE: usize = 1 << 20;
    #[cfg(target_os = "linux")]
    let _refused = rustix::pipe::fcntl_setpipe_size(pipe, PIPE);
    #[cfg(not(target_os = "linux"))]
    let _ = pipe;
}

/// Writes to stdout, past its line buffer. A reader that has gone away is no error: it has seen
/// what it wanted.
///
/// # Errors
///
/// A full disk and the like.
pub fn to_stdout(pieces: &[&[u8]]) -> io::Result<()> {
    #[cfg(unix)]
    let result = {
        use std::os::fd::AsFd;
        let out = io::stdout().as_fd().try_clone_to_owned().map(std::fs::File::from);
        out.and_then(|mut out| {
            widen(&out);
            write_all(&mut out, pieces)
        })
    };
    #[cfg(not(unix))]
    let result = write_all(&mut io::stdout().lock(), pieces);
    match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(files: &[&str]) -> String {
        let parts: Vec<Part> = files.iter().map(|file| Part { bytes: file.as_bytes(), splices: &[] }).collect();
        String::from_utf8(join(&parts).concat()).unwrap()
    }

    fn splice(start: usize, end: usize, text: &str) -> Splice {
        Splice { range: start..end, text: text.to_owned() }
    }

    #[test]
    fn edits_are_pieces() {
        let splices = [splice(0, 0, "<"), splice(1, 2, ""), splice(2, 2, "+"), splice(3, 3, ">")];
        let part = Part { bytes: b"abc", splices: &splices };
        assert!(part.is_sound());
        assert_eq!(part.pieces().collect::<Vec<_>>(), [&b"<"[..], b"a", b"+", b"c", b">"]);
    }

    #[test]
    fn unsound_edits_are_known() {
        for splices in [vec![splice(2, 1, "")], vec![splice(0, 9, "")], vec![splice(1, 2, ""), splice(1, 1, "")]] {
            assert!(!Part { bytes: b"abc", splices: &splices }.is_sound());
        }
    }

    #[test]
    fn one_file_keeps_every_byte() {
        assert_eq!(joined(&["\u{feff}a: 1"]), "\u{feff}a: 1");
        assert_eq!(joined(&[""]), "");
    }

    #[test]
    fn several_files_are_separated() {
        // before, after, stream
        for (before, after, stream) in [
            ("a: 1\n", "b: 2\n", "a: 1\n---\nb: 2\n"),
            ("a: 1", "b: 2", "a: 1\n---\nb: 2"),
            ("a: 1\n", "---\nb: 2\n", "a: 1\n---\nb: 2\n"),
            ("a: 1\n", "--- # b\nb: 2\n", "a: 1\n--- # b\nb: 2\n"),
            ("a: 1\n", "---b: 2\n", "a: 1\n---\n---b: 2\n"),
            ("a: 1\n", "# b\n\n---\nb: 2\n", "a: 1\n# b\n\n---\nb: 2\n"),
            ("a: |+\n  x\n", "\n---\nb: 2\n", "a: |+\n  x\n---\n\n---\nb: 2\n"),
            ("a: 1\n---\n", "b: 2\n", "a: 1\n---\nb: 2\n"),
            ("a: 1\n", "%YAML 1.2\n---\nb: 2\n", "a: 1\n...\n%YAML 1.2\n---\nb: 2\n"),
            ("a: 1\n", "\u{feff}b: 2\n", "a: 1\n---\nb: 2\n"),
            ("\u{feff}a: 1\n", "b: 2\n", "a: 1\n---\nb: 2\n"),
            ("a: 1\n", "", "a: 1\n"),
            ("", "b: 2\n", "b: 2\n"),
            ("{\"a\": 1}", "{\"b\": 2}", "---\n{\"a\": 1}\n---\n{\"b\": 2}"),
            ("\n {\"a\": 1}\n", "b: 2\n", "---\n\n {\"a\": 1}\n---\nb: 2\n"),
            ("{\"a\": 1}\n", "", "{\"a\": 1}\n"),
            ("", "{\"b\": 2}", "{\"b\": 2}"),
            ("a: 1\n", "{\"b\": 2}", "a: 1\n---\n{\"b\": 2}"),
        ] {
            assert_eq!(joined(&[before, after]), stream, "{before:?} {after:?}");
        }
    }

    /// Takes one byte at a time, and is interrupted before each.
    struct Slow(Vec<u8>, bool);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(ErrorKind::Interrupted.into());
            }
            self.0.extend(bytes.first());
            Ok(bytes.len().min(1))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_slow_reader_gets_everything() {
        let mut pieces: Vec<&[u8]> = std::iter::repeat_n(&b"xyz"[..], 3000).collect();
        pieces.insert(0, b"");
        let mut slow = Slow(Vec::new(), false);
        write_all(&mut slow, &pieces).unwrap();
        assert_eq!(slow.0, pieces.concat());
    }
}
