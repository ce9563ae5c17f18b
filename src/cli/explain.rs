//! `prelit explain`: one row a container, and what the reasons mean.

use super::args::{Explain, ExplainFormat};
use super::format::{json, text};
use super::pass::Keep;
use super::style::{Style, plain};
use super::{Exit, Talk, doors, options};
use crate::api::{Reason, Severity};
use crate::render::report::{self, Gate, InitImage, Report, Row, State};
use crate::render::{Action, Failures};
use std::fmt::Write;

/// Opens the door.
///
/// # Errors
///
/// Inputs or configuration that cannot be read; see [`doors::decide`].
pub fn run(arguments: &Explain, talk: Talk) -> Result<Exit, Failures> {
    let mut options = options::options(Action::Inject, &arguments.configuration, None)?;
    options.thorough = true;
    let (_, outcome) = doors::decide(&arguments.inputs, &arguments.configuration, options, Keep::Nothing, talk)?;
    let shown = match arguments.format {
        ExplainFormat::Text => table(&outcome.report, Style::of_stdout()),
        ExplainFormat::Json => json::report(&outcome.report),
    };
    doors::print(shown.as_bytes())?;
    doors::say(talk, &outcome.report, doors::Tense::Would);
    Ok(Exit::Done)
}

const HEAD: [&str; 6] = ["WORKLOAD", "CONTAINER", "WHERE", "SELECTED BY", "STATE", "REASON"];
const IMAGES: [&str; 3] = ["SELECTED BY", "INIT IMAGE", "PACKAGES FOR"];

/// The table, and below it what is to be known about what stands in it.
fn table(report: &Report, style: Style) -> String {
    if report.rows.is_empty() && report.remarks.is_empty() {
        return String::from("no workload was found\n");
    }
    let mut out = String::new();
    if !report.rows.is_empty() {
        let rows: Vec<[String; 6]> = report.rows.iter().map(cells).collect();
        columns(&mut out, HEAD, &rows, style, |row, column, cell| match (column, report.rows[row].state) {
            (4, State::Injected | State::Current) => style.green(cell),
            (4, State::Stale | State::Removed) => style.yellow(cell),
            (4, State::Edited) => style.red(cell),
            (4, State::Skipped) => style.dim(cell),
            _ => cell.to_owned(),
        });
    }
    let images = init_images(report);
    if !images.is_empty() {
        out.push('\n');
        columns(&mut out, IMAGES, &images, style, |_, _, cell| cell.to_owned());
    }
    let remarks = Report { remarks: report.remarks.clone(), ..Report::default() };
    let remarks = text::items(&remarks.items(Gate::Check), |_| true, style);
    if !remarks.is_empty() {
        let _infallible = write!(out, "{}{remarks}", if out.is_empty() { "" } else { "\n" });
    }
    out.push_str(&legend(report, style));
    out
}

fn cells(row: &Row) -> [String; 6] {
    let mut workload = row.object.to_string();
    if let Some(namespace) = &row.object.namespace {
        workload = format!("{namespace}/{workload}");
    }
    // Most kinds have one template; where there may be more, it is said which.
    if !matches!(row.template.as_str(), "" | "template" | "spec.template" | "spec.jobTemplate.spec.template") {
        workload = format!("{workload} {}", row.template);
    }
    let mut reason = why(row).map_or_else(|| "-".to_owned(), |reason| reason.code().to_owned());
    if !row.detail.is_empty() {
        reason = format!("{reason} ({})", row.detail);
    }
    let or_dash = |text: &str| if text.is_empty() { "-".to_owned() } else { plain(text).into_owned() };
    [
        plain(&workload).into_owned(),
        or_dash(&row.container),
        plain(&format!("{}:{}", row.position.file, row.position.line)).into_owned(),
        or_dash(row.selected_by.as_deref().unwrap_or_default()),
        report::state(row.state).to_owned(),
        plain(&reason).into_owned(),
    ]
}

/// The reason of a row, but for what is to be injected: that it is not yet needs no reason.
fn why(row: &Row) -> Option<Reason> {
    if row.state == State::Injected { row.reason } else { row.reason_for(Gate::Check) }
}

/// The init image of each configuration that selects something, and the Pythons that it serves.
fn init_images(report: &Report) -> Vec<[String; 3]> {
    let mut images: Vec<[String; 3]> = Vec::new();
    for row in &report.rows {
        let Some(InitImage { reference, packages }) = &row.init_image else { continue };
        let serves = packages.pythons().map_or_else(|| "not known".to_owned(), |pythons| pythons.to_string());
        let by = row.selected_by.as_deref().unwrap_or_default();
        let image = [plain(by).into_owned(), plain(reference).into_owned(), serves];
        if !images.contains(&image) {
            images.push(image);
        }
    }
    images
}

/// A head and rows, in columns that stand below each other.
fn columns<const N: usize>(
    out: &mut String,
    head: [&str; N],
    rows: &[[String; N]],
    style: Style,
    paint: impl Fn(usize, usize, &str) -> String,
) {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].len()]).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    line(out, &head.map(str::to_owned), &widths, |_, cell| style.bold(cell));
    for (row, cells) in rows.iter().enumerate() {
        line(out, cells, &widths, |column, cell| paint(row, column, cell));
    }
}

fn line<const N: usize>(
    out: &mut String,
    cells: &[String; N],
    widths: &[usize; N],
    paint: impl Fn(usize, &str) -> String,
) {
    for (column, cell) in cells.iter().enumerate() {
        out.push_str(&paint(column, cell));
        if column + 1 < cells.len() {
            out.extend(std::iter::repeat_n(' ', widths[column] - cell.chars().count() + 2));
        }
    }
    out.push('\n');
}

/// What every reason in the table means, once, and what to do about it.
fn legend(report: &Report, style: Style) -> String {
    let mut out = String::new();
    if report.rows.iter().any(|row| row.state == State::Injected) {
        let _infallible = writeln!(out, "\n{}: `prelit inject` adds the instrumentation", style.bold("injected"));
    }
    let mut seen: Vec<Reason> = Vec::new();
    for reason in report.rows.iter().filter_map(why) {
        if seen.contains(&reason) {
            continue;
        }
        seen.push(reason);
        let code = match reason.severity() {
            Severity::Finding => style.bold_red(reason.code()),
            _ => style.bold(reason.code()),
        };
        let _infallible = write!(out, "\n{code}: {}\n    what to do: {}\n", reason.sentence(), reason.remedy());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::report::tests::sample;

    #[test]
    fn one_row_a_container_with_every_column() {
        let text = table(&sample(), Style::PLAIN);
        let rows: Vec<&str> = text.lines().collect();
        assert!(HEAD.iter().all(|head| rows[0].contains(head)), "{text}");
        assert!(rows[1].contains("ai/Deployment/chat") && rows[1].contains("apps/a b.yaml:20"), "{text}");
        assert!(rows[4].contains("edited") && rows[4].contains("edited (PYTHONPATH)"), "{text}");
        // The columns stand below each other.
        let column = rows[0].find("STATE").unwrap();
        assert!(rows[1..7].iter().all(|row| row.as_bytes()[column - 1] == b' ' && row.as_bytes()[column] != b' '));
    }

    #[test]
    fn each_init_image_says_once_which_pythons_it_serves() {
        let text = table(&sample(), Style::PLAIN);
        let at = text.lines().position(|line| line == "SELECTED BY  INIT IMAGE  PACKAGES FOR").unwrap();
        let rows: Vec<&str> = text.lines().skip(at + 1).take_while(|line| !line.is_empty()).collect();
        assert_eq!(rows, ["label        i:1         CPython 3.11 (glibc)"]);
    }

    #[test]
    fn every_reason_says_what_to_do_once() {
        let text = table(&sample(), Style::PLAIN);
        assert_eq!(text.matches(Reason::Sidecar.remedy()).count(), 1);
        assert!(text.contains(Reason::KustomizeRenames.remedy()), "{text}");
        assert!(!text.contains('\x1b'), "{text:?}");
    }

    #[test]
    fn no_workload_is_an_answer_too() {
        assert_eq!(table(&Report::default(), Style::PLAIN), "no workload was found\n");
    }
}
