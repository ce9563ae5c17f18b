//! A unified diff made from the edits themselves: no text is compared, so it costs what the edits
//! cost. Applies with `patch -p1` and `git apply`.

use super::files::Input;
use super::stream::Part;
use memchr::{memchr, memchr_iter, memrchr};
use std::fs;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

/// Lines of context.
const CONTEXT: usize = 3;

/// Some whole lines of the old text and what stands there in the new.
#[derive(Debug, PartialEq)]
struct Block {
    /// Bytes of the old text, from the start of a line to the start of another or the end.
    old: Range<usize>,
    new: Vec<u8>,
}

/// What the files are called in one diff, so that one command applies all of it: relative to the current
/// folder where every file is below it, else from the root of the file system.
pub fn names<'i>(inputs: impl Iterator<Item = &'i Input> + Clone) -> Vec<String> {
    let below = |input: &Input| input.path.as_deref().map_or_else(|| Some(input.name.clone()), below_here);
    if let Some(names) = inputs.clone().map(below).collect() {
        return names;
    }
    let from_root = |input: &Input| {
        let path = input.path.as_deref()?;
        Some(with_slashes(&real(path)?).trim_start_matches('/').to_owned())
    };
    inputs.map(|input| from_root(input).unwrap_or_else(|| input.name.clone())).collect()
}

/// A path relative to the current folder; nothing for a file that is elsewhere.
fn below_here(path: &Path) -> Option<String> {
    if path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        // As it was typed, whatever links are on the way.
        return Some(with_slashes(&path.components().filter(|part| *part != Component::CurDir).collect::<PathBuf>()));
    }
    let here = fs::canonicalize(".").ok()?;
    Some(with_slashes(real(path)?.strip_prefix(here).ok()?))
}

/// Without links and `..` on the way to a file; the file itself may be a link.
fn real(path: &Path) -> Option<PathBuf> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Some(fs::canonicalize(folder).ok()?.join(path.file_name()?))
}

fn with_slashes(path: &Path) -> String {
    let text = path.to_string_lossy();
    if cfg!(windows) { text.replace('\\', "/") } else { text.into_owned() }
}

/// The diff of one file; empty where nothing changes.
pub fn unified(name: &str, part: Part) -> Vec<u8> {
    let text = part.bytes;
    let blocks = blocks(part);
    let mut out = Vec::new();
    if blocks.is_empty() {
        return out;
    }
    header(&mut out, "--- a/", name);
    header(&mut out, "+++ b/", name);
    let mut rest = &blocks[..];
    // The offset up to which lines have been counted, and the lines that begin there.
    let (mut counted, mut old_line, mut new_line) = (0, 1, 1);
    while let Some(first) = rest.first() {
        let start = before(text, first.old.start);
        let mut end = after(text, first.old.end);
        let mut size = 1;
        // Blocks whose contexts meet are one hunk.
        while let Some(next) = rest.get(size).filter(|next| before(text, next.old.start) <= end) {
            end = after(text, next.old.end);
            size += 1;
        }
        let (hunk, others) = rest.split_at(size);
        let between = count(&text[counted..start]);
        old_line += between;
        new_line += between;
        let old_lines = count(&text[start..end]);
        let removed: usize = hunk.iter().map(|block| count(&text[block.old.clone()])).sum();
        let added: usize = hunk.iter().map(|block| count(&block.new)).sum();
        let new_lines = old_lines - removed + added;
        // An empty side is named by the line before it.
        let place = |line: usize, lines: usize| if lines == 0 { line - 1 } else { line };
        let (old_place, new_place) = (place(old_line, old_lines), place(new_line, new_lines));
        out.extend_from_slice(format!("@@ -{old_place},{old_lines} +{new_place},{new_lines} @@\n").as_bytes());
        let mut at = start;
        for block in hunk {
            lines(&mut out, b' ', &text[at..block.old.start]);
            lines(&mut out, b'-', &text[block.old.clone()]);
            lines(&mut out, b'+', &block.new);
            at = block.old.end;
        }
        lines(&mut out, b' ', &text[at..end]);
        (counted, old_line, new_line) = (end, old_line + old_lines, new_line + new_lines);
        rest = others;
    }
    out
}

/// The same with colours, line by line.
pub fn coloured(diff: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(diff.len() * 2);
    for line in diff.split_inclusive(|byte| *byte == b'\n') {
        let style: &[u8] = match line {
            [b'-', b'-', b'-', b' ', ..] | [b'+', b'+', b'+', b' ', ..] => b"\x1b[1m",
            [b'@', ..] => b"\x1b[36m",
            [b'+', ..] => b"\x1b[32m",
            [b'-', ..] => b"\x1b[31m",
            _ => b"",
        };
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        out.extend_from_slice(style);
        // What a manifest holds must not steer the terminal.
        for byte in text {
            if byte.is_ascii_control() && *byte != b'\t' { out.push(b'?') } else { out.push(*byte) }
        }
        if !style.is_empty() {
            out.extend_from_slice(b"\x1b[0m");
        }
        out.push(b'\n');
    }
    out
}

/// Widens every edit to whole lines, puts those that share a line together, and leaves out lines
/// that are the same on both sides.
fn blocks(part: Part) -> Vec<Block> {
    let text = part.bytes;
    let mut blocks: Vec<Block> = Vec::new();
    let mut splices = part.splices.iter().peekable();
    while let Some(splice) = splices.next() {
        let start = line_start(text, splice.range.start);
        let mut new = text[start..splice.range.start].to_vec();
        new.extend_from_slice(splice.text.as_bytes());
        let mut end = splice.range.end;
        loop {
            let whole = (new.is_empty() || new.ends_with(b"\n")) && end == line_start(text, end);
            let stop = if whole { end } else { line_end(text, end) };
            // The next edit belongs to the same lines if it touches one of them.
            let Some(next) = splices.next_if(|next| next.range.start <= stop) else {
                new.extend_from_slice(&text[end..stop]);
                end = stop;
                break;
            };
            new.extend_from_slice(&text[end..next.range.start]);
            new.extend_from_slice(next.text.as_bytes());
            end = next.range.end;
        }
        blocks.extend(trimmed(text, start..end, new));
    }
    blocks
}

fn trimmed(text: &[u8], mut old: Range<usize>, mut new: Vec<u8>) -> Option<Block> {
    let mut skip = 0;
    loop {
        let (left, right) = (first_line(&text[old.clone()]), first_line(&new[skip..]));
        if left.is_empty() || left != right {
            break;
        }
        old.start += left.len();
        skip += right.len();
    }
    new.drain(..skip);
    loop {
        let (left, right) = (last_line(&text[old.clone()]), last_line(&new));
        if left.is_empty() || left != right {
            break;
        }
        old.end -= left.len();
        new.truncate(new.len() - right.len());
    }
    (!old.is_empty() || !new.is_empty()).then_some(Block { old, new })
}

fn first_line(text: &[u8]) -> &[u8] {
    &text[..line_end(text, 0)]
}

fn last_line(text: &[u8]) -> &[u8] {
    let body = text.len().saturating_sub(1);
    &text[line_start(text, body)..]
}

/// The start of the line that holds the offset.
fn line_start(text: &[u8], offset: usize) -> usize {
    memrchr(b'\n', &text[..offset]).map_or(0, |at| at + 1)
}

/// The end of the line that holds the offset, with its line feed.
fn line_end(text: &[u8], offset: usize) -> usize {
    memchr(b'\n', &text[offset..]).map_or(text.len(), |at| offset + at + 1)
}

/// Where the context before a line starts.
fn before(text: &[u8], mut offset: usize) -> usize {
    for _ in 0..CONTEXT {
        offset = line_start(text, offset.saturating_sub(1));
    }
    offset
}

/// Where the context behind a line ends.
fn after(text: &[u8], mut offset: usize) -> usize {
    for _ in 0..CONTEXT {
        offset = line_end(text, offset);
    }
    offset
}

/// Lines, the last one too if it has no end.
fn count(text: &[u8]) -> usize {
    memchr_iter(b'\n', text).count() + usize::from(!text.is_empty() && !text.ends_with(b"\n"))
}

fn lines(out: &mut Vec<u8>, sign: u8, text: &[u8]) {
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        out.push(sign);
        out.extend_from_slice(line);
        if !line.ends_with(b"\n") {
            out.extend_from_slice(b"\n\\ No newline at end of file\n");
        }
    }
}

/// A file name as git writes it: quoted if it must be, with a tab behind it if it holds spaces.
fn header(out: &mut Vec<u8>, sign: &str, name: &str) {
    let name = match name {
        "<stdin>" => "stdin",
        name => name,
    };
    let (marker, side) = sign.split_at(4);
    out.extend_from_slice(marker.as_bytes());
    if name.bytes().any(|byte| byte.is_ascii_control() || byte == b'"' || byte == b'\\') {
        out.extend_from_slice(format!("\"{side}").as_bytes());
        for byte in name.bytes() {
            match byte {
                b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
                byte if byte.is_ascii_control() => out.extend_from_slice(format!("\\{byte:03o}").as_bytes()),
                byte => out.push(byte),
            }
        }
        out.push(b'"');
    } else {
        out.extend_from_slice(side.as_bytes());
        out.extend_from_slice(name.as_bytes());
        if name.contains(' ') {
            out.push(b'\t');
        }
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Splice;
    use proptest::prelude::*;
    use std::fs;
    use std::process::{Command, Stdio};

    fn splice(start: usize, end: usize, text: &str) -> Splice {
        Splice { range: start..end, text: text.to_owned() }
    }

    fn diff(text: &str, splices: &[Splice]) -> String {
        String::from_utf8(unified("dir/a.yaml", Part { bytes: text.as_bytes(), splices })).unwrap()
    }

    const TEN: &str = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n";

    #[test]
    fn no_edit_no_diff() {
        assert_eq!(diff(TEN, &[]), "");
        assert_eq!(diff(TEN, &[splice(2, 3, "2")]), "");
    }

    #[test]
    fn an_insertion_is_an_added_line_wherever_it_is_put() {
        let expected = "--- a/dir/a.yaml\n+++ b/dir/a.yaml\n@@ -2,6 +2,7 @@\n 2\n 3\n 4\n+new\n 5\n 6\n 7\n";
        assert_eq!(diff(TEN, &[splice(8, 8, "new\n")]), expected);
        assert_eq!(diff(TEN, &[splice(7, 7, "\nnew")]), expected);
    }

    #[test]
    fn distant_edits_are_two_hunks() {
        let expected = "--- a/dir/a.yaml\n+++ b/dir/a.yaml\n\
            @@ -1,3 +1,4 @@\n+0\n 1\n 2\n 3\n@@ -8,3 +9,4 @@\n 8\n 9\n 10\n+11\n";
        assert_eq!(diff(TEN, &[splice(0, 0, "0\n"), splice(21, 21, "11\n")]), expected);
    }

    #[test]
    fn a_missing_last_newline_is_said() {
        assert_eq!(
            diff("a\nb", &[splice(3, 3, "\nc")]),
            "--- a/dir/a.yaml\n+++ b/dir/a.yaml\n@@ -1,2 +1,3 @@\n a\n-b\n\\ No newline at end of file\n+b\n+c\n\\ No newline at end of file\n"
        );
    }

    #[test]
    fn names_are_written_as_git_writes_them() {
        let name = |name: &str| {
            let mut out = Vec::new();
            header(&mut out, "--- a/", name);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(name("tmp/x.yaml"), "--- a/tmp/x.yaml\n");
        assert_eq!(name("<stdin>"), "--- a/stdin\n");
        assert_eq!(name("a b.yaml"), "--- a/a b.yaml\t\n");
        assert_eq!(name("a\"\nb"), "--- \"a/a\\\"\\012b\"\n");
    }

    /// The edited text by way of a real tool; nothing where the tool is not there.
    fn applied(tool: &[&str], old: &str, diff: &[u8]) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("dir")).unwrap();
        fs::write(folder.path().join("dir/a.yaml"), old).unwrap();
        fs::write(folder.path().join("change.diff"), diff).unwrap();
        let (program, arguments) = tool.split_first().unwrap();
        let output = Command::new(program)
            .args(arguments)
            .arg("change.diff")
            .current_dir(folder.path())
            .env("GIT_CEILING_DIRECTORIES", folder.path().parent().unwrap())
            .stdin(Stdio::null())
            .output()
            .ok()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}\n{old:?}\n{}", String::from_utf8_lossy(diff));
        Some(fs::read_to_string(folder.path().join("dir/a.yaml")).unwrap())
    }

    fn edited() -> impl Strategy<Value = (String, Vec<Splice>)> {
        let line = prop_oneof!["[ab]{0,2}\n", Just("\n".to_owned()), Just("é\r\n".to_owned())];
        let text =
            (proptest::collection::vec(line, 0..30), "[ab]{0,2}").prop_map(|(lines, last)| lines.concat() + &last);
        (text, proptest::collection::vec((0..1000_usize, 0..4_usize, "([ab]{0,2}\n){0,2}[ab]{0,1}"), 0..5)).prop_map(
            |(text, edits)| {
                let offsets: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
                let mut edits: Vec<Splice> = edits
                    .into_iter()
                    .map(|(at, length, new)| {
                        let at = at % offsets.len();
                        splice(offsets[at], offsets[(at + length).min(offsets.len() - 1)], &new)
                    })
                    .collect();
                edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
                let mut last = 0;
                edits.retain(|edit| {
                    let keep = edit.range.start >= last;
                    last = if keep { edit.range.end } else { last };
                    keep
                });
                (text, edits)
            },
        )
    }

    /// Reads the diff as the format says, so that thousands of cases need no process.
    fn apply(old: &str, diff: &str) -> String {
        let mut old = old.split_inclusive('\n').collect::<Vec<_>>().into_iter();
        let mut new: Vec<String> = Vec::new();
        let mut taken = 0;
        for line in diff.split_inclusive('\n').skip(2) {
            let (sign, rest) = line.split_at(1);
            match sign {
                "@" => {
                    let from = rest.split(['-', ',']).nth(1).unwrap().parse::<usize>().unwrap();
                    let none = rest.split(' ').nth(1).unwrap().ends_with(",0");
                    let until = if none { from } else { from - 1 };
                    new.extend(old.by_ref().take(until - taken).map(str::to_owned));
                    taken = until;
                    let place = rest.split('+').nth(1).unwrap().split(',').next().unwrap().parse::<usize>().unwrap();
                    let empty = rest.split(' ').nth(2).unwrap().ends_with(",0");
                    assert_eq!(place, new.len() + usize::from(!empty));
                }
                " " => {
                    taken += 1;
                    assert_eq!(old.next().unwrap().trim_end_matches('\n'), rest.trim_end_matches('\n'));
                    new.push(rest.to_owned());
                }
                "-" => {
                    taken += 1;
                    assert_eq!(old.next().unwrap().trim_end_matches('\n'), rest.trim_end_matches('\n'));
                }
                "+" => new.push(rest.to_owned()),
                "\\" => {
                    // Speaks of the line before; that of the new text only if it was added or kept.
                    if let Some(last) = new.last_mut().filter(|_| !diff_line_before_was_removed(diff, line)) {
                        last.pop();
                    }
                }
                _ => panic!("{line:?}"),
            }
        }
        new.extend(old.map(str::to_owned));
        new.concat()
    }

    fn diff_line_before_was_removed(diff: &str, marker: &str) -> bool {
        let offset = marker.as_ptr() as usize - diff.as_ptr() as usize;
        diff[..offset].trim_end_matches('\n').rsplit('\n').next().unwrap().starts_with('-')
            && diff[..offset].ends_with('\n')
    }

    proptest! {
        #[test]
        fn the_diff_gives_the_edited_text((text, splices) in edited()) {
            let part = Part { bytes: text.as_bytes(), splices: &splices };
            prop_assert!(part.is_sound());
            let new = String::from_utf8(part.pieces().collect::<Vec<_>>().concat()).unwrap();
            let diff = diff(&text, &splices);
            // Not the other way round: a line added here and an equal one taken away there are two changes.
            prop_assert!(!diff.is_empty() || new == text);
            prop_assert_eq!(apply(&text, &diff), new);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn git_and_patch_apply_it((text, splices) in edited()) {
            let part = Part { bytes: text.as_bytes(), splices: &splices };
            let new = String::from_utf8(part.pieces().collect::<Vec<_>>().concat()).unwrap();
            let diff = unified("dir/a.yaml", part);
            // A diff that empties a file deletes it for some tools.
            if !diff.is_empty() && !new.is_empty() && !text.is_empty() {
                for tool in [&["git", "apply", "--whitespace=nowarn"][..], &["patch", "-p1", "--binary", "-s", "-i"]] {
                    if let Some(result) = applied(tool, &text, &diff) {
                        prop_assert_eq!(result, new.clone());
                    }
                }
            }
        }
    }
}
