//! Errors as people read them: `file:line:column: what was found, and what was expected`, with the
//! source line and the column marked. Text from manifests never steers the terminal.

use super::style::{Style, plain};
use crate::render::Failure;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use std::collections::HashSet;
use std::fmt::Write;

/// More errors than this are only counted.
const MOST: usize = 50;

/// A longer source line is shown around the column only.
const WIDEST: usize = 160;

/// All errors, each on lines of its own; what is the same is said once.
pub fn errors(failures: &[Failure], style: Style) -> String {
    let mut out = String::new();
    let mut seen = HashSet::new();
    let distinct = failures.iter().filter(|failure| seen.insert((&failure.position, &failure.message)));
    let failures: Vec<&Failure> = distinct.collect();
    for failure in failures.iter().take(MOST) {
        out.push_str(&error(failure, style));
    }
    if failures.len() > MOST {
        let _infallible = writeln!(out, "prelit: and {} more errors", failures.len() - MOST);
    }
    out
}

fn error(failure: &Failure, style: Style) -> String {
    let message = plain(&failure.message);
    let Some(position) = &failure.position else {
        return format!("{} {message}\n", style.bold_red("prelit:"));
    };
    let place = format!("{}:{}:{}:", plain(&position.file), position.line, position.column);
    let mut out = format!("{} {message}\n", style.bold(&place));
    if let Some(line) = &failure.source_line {
        let (line, span) = shortened(line, position.column);
        let snippet = Snippet::source(line).line_start(position.line).annotation(AnnotationKind::Primary.span(span));
        let renderer = if style.coloured() { Renderer::styled() } else { Renderer::plain() };
        let picture = renderer.term_width(WIDEST + 20).render(&[Group::with_level(Level::ERROR).element(snippet)]);
        out.push_str(&picture);
        out.push('\n');
    }
    out
}

/// The part of a line around a column, without its end, and the bytes of the column in it.
fn shortened(line: &str, column: usize) -> (String, std::ops::Range<usize>) {
    let line = line.trim_end_matches(['\n', '\r']);
    let column = column.saturating_sub(1);
    let skipped = if column > WIDEST * 3 / 4 { column - WIDEST / 2 } else { 0 };
    // Of a column that is behind what there is of the line, the end is shown.
    let skipped = skipped.min(line.chars().count().saturating_sub(WIDEST));
    let mut text = String::new();
    let mut mark = None;
    for (index, character) in line.chars().enumerate().skip(skipped).take(WIDEST) {
        let start = text.len();
        // One column each, so that the mark stands where it should.
        text.push(if character.is_control() && character != '\t' { '\u{fffd}' } else { character });
        if index == column {
            mark = Some(start..text.len());
        }
    }
    let end = text.len();
    (text, mark.unwrap_or(end..end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::report::Position;

    fn failure(line: usize, column: usize, source: &str) -> Failure {
        Failure {
            position: Some(Position { file: "a/chat.yaml".to_owned(), line, column }),
            message: "found a tab, expected spaces".to_owned(),
            source_line: Some(source.to_owned()),
        }
    }

    #[test]
    fn the_line_is_shown_and_the_column_marked() {
        let text = errors(&[failure(12, 5, "  a: é\tb\n")], Style::PLAIN);
        assert!(text.starts_with("a/chat.yaml:12:5: found a tab, expected spaces\n"), "{text}");
        assert!(text.contains("12 |   a: é"), "{text}");
        let mark = text.lines().last().unwrap();
        assert_eq!(mark.find('^'), text.lines().nth(2).unwrap().find(": é").map(|at| at + 1), "{text}");
    }

    #[test]
    fn a_column_behind_the_end_is_shown_too() {
        for column in [0, 1, 4, 400] {
            assert!(errors(&[failure(1, column, "abc")], Style::PLAIN).contains('^'));
        }
        assert!(errors(&[failure(1, 1, "")], Style::PLAIN).contains("chat.yaml:1:1"));
    }

    #[test]
    fn a_long_line_is_shown_around_the_column() {
        let line = format!("{}X{}", "a".repeat(100_000), "b".repeat(100_000));
        let text = errors(&[failure(1, 100_001, &line)], Style::PLAIN);
        assert!(text.contains("aX") && text.len() < 1000, "{text}");
    }

    #[test]
    fn the_same_error_is_said_once() {
        let (one, other) = (failure(1, 1, "abc"), failure(1, 2, "abc"));
        let text = errors(&[one.clone(), other, one], Style::PLAIN);
        assert_eq!(text.matches("found a tab").count(), 2, "{text}");
    }

    #[test]
    fn a_line_that_was_cut_before_the_column_is_shown_all_the_same() {
        let text = errors(&[failure(1, 50_001, &"[".repeat(160))], Style::PLAIN);
        assert!(text.contains("[[[["), "{text}");
    }

    #[test]
    fn manifests_do_not_steer_the_terminal() {
        let mut hostile = failure(1, 1, "a\x1b[31m\u{202e}b");
        hostile.message = "found \x1b]0;x\x07".to_owned();
        let text = errors(&[hostile], Style::PLAIN);
        assert!(!text.contains('\x1b') && !text.contains('\x07'), "{text:?}");
    }

    #[test]
    fn what_has_no_position_names_the_tool() {
        let failure = Failure::new("x.yaml: no such file");
        assert_eq!(errors(&[failure], Style::PLAIN), "prelit: x.yaml: no such file\n");
    }
}
