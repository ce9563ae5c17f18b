//! The language of `expect.txt`: one assertion a line, ten verbs, `#` for comments.
//!
//! | line | what must be |
//! |---|---|
//! | `contains TEXT` | the output has the text |
//! | `absent TEXT` | the output has it not |
//! | `path P = V` | the path leads to exactly this one value; `~` it contains, `!~` it does not contain, `absent` nothing there |
//! | `reason CONTAINER WORD` | the rows of the container (`-`: of the template; `workload/container`) have this reason or state |
//! | `note WORD` | this reason is given somewhere, in a remark or a row; `note !WORD`: nowhere |
//! | `only-added-lines` | every line of the input stands in the output, in its order |
//! | `unchanged` | the output is the input, byte for byte |
//! | `exit N` | exit code of `inject` (0 without this line); `exit check N`: of `check` on the output |
//! | `stderr ~ TEXT` | the message has the text |
//! | `remove-equivalent` | `remove` gives back the meaning of the input, not its bytes |

use super::command::Run;
use super::manifest;
use super::path::{ValuePath, as_text};
use serde_json::Value;

/// The list of `explain --format json` with one entry a container.
pub const ROWS: &str = "containers";
/// Its list of remarks on documents, files and what was injected.
const REMARKS: &str = "remarks";

/// One line.
pub enum Expectation {
    Contains(String),
    Absent(String),
    Path(String, ValuePath, Test),
    Reason { container: String, word: String },
    Note { word: String, wanted: bool },
    OnlyAddedLines,
    Unchanged,
    Exit(i32),
    ExitOfCheck(i32),
    Stderr(String),
    RemoveEquivalent,
}

/// What a path must lead to.
pub enum Test {
    /// `= V`, where V is JSON if it is a list or a map, and text otherwise.
    Is(String),
    /// `~ V`
    Has(String),
    /// `!~ V`
    HasNot(String),
    /// `absent`
    Absent,
}

/// What the assertions speak of.
pub struct Outcome<'r> {
    pub input: Option<&'r [u8]>,
    pub inject: &'r Run,
    /// `containers` and `remarks` of `explain --format json`.
    pub report: &'r Value,
}

impl Expectation {
    pub fn read(line: &str) -> Result<Expectation, String> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        Ok(match (verb, rest) {
            ("contains" | "absent" | "path" | "reason" | "note" | "exit" | "stderr", "") => {
                return Err(format!("{verb} what?"));
            }
            ("contains", text) => Expectation::Contains(text.to_owned()),
            ("absent", text) => Expectation::Absent(text.to_owned()),
            ("path", rest) => {
                let (path, test) = read_test(rest)?;
                Expectation::Path(rest.to_owned(), ValuePath::read(path)?, test)
            }
            ("reason", rest) => {
                let (container, word) = rest.split_once(' ').ok_or("reason CONTAINER WORD")?;
                Expectation::Reason { container: container.to_owned(), word: word.to_owned() }
            }
            ("note", word) => {
                Expectation::Note { word: word.trim_start_matches('!').to_owned(), wanted: !word.starts_with('!') }
            }
            ("only-added-lines", "") => Expectation::OnlyAddedLines,
            ("unchanged", "") => Expectation::Unchanged,
            ("exit", rest) => match rest.strip_prefix("check ") {
                Some(code) => Expectation::ExitOfCheck(code.parse().map_err(|_| "no exit code")?),
                None => Expectation::Exit(rest.parse().map_err(|_| "no exit code")?),
            },
            ("stderr", rest) => Expectation::Stderr(rest.strip_prefix("~ ").ok_or("stderr ~ TEXT")?.to_owned()),
            ("remove-equivalent", "") => Expectation::RemoveEquivalent,
            _ => return Err("no such assertion".to_owned()),
        })
    }

    /// Whether it speaks of what `explain`, `check` or `remove` say, and so of nothing where these are not run.
    #[allow(dead_code, reason = "the goldens run them")]
    pub fn is_of_a_report(&self) -> bool {
        use Expectation::{ExitOfCheck, Note, Reason, RemoveEquivalent};
        matches!(self, Reason { .. } | Note { .. } | ExitOfCheck(_) | RemoveEquivalent)
    }

    /// Says what is wrong, if anything.
    pub fn check(&self, outcome: &Outcome) -> Option<String> {
        let output = String::from_utf8_lossy(&outcome.inject.stdout);
        let (holds, otherwise) = match self {
            Expectation::Contains(text) => (output.contains(text), format!("the output has no {text:?}")),
            Expectation::Absent(text) => (!output.contains(text), format!("the output has {text:?}")),
            Expectation::Path(line, path, test) => return check_path(line, path, test, &outcome.inject.stdout),
            Expectation::Reason { container, word } => return check_reason(container, word, outcome.report),
            Expectation::Note { word, wanted } => {
                let given = entries(outcome.report, REMARKS).chain(entries(outcome.report, ROWS));
                let found = given.filter(|entry| text_of(entry, "reason") == word).count() > 0;
                let what = if *wanted { "nowhere" } else { "somewhere" };
                (found == *wanted, format!("the reason {word} is given {what}"))
            }
            Expectation::OnlyAddedLines => {
                let input = String::from_utf8_lossy(outcome.input.unwrap_or_default());
                let mut lines = output.split('\n');
                match input.split('\n').find(|wanted| !lines.any(|line| line == *wanted)) {
                    None => (true, String::new()),
                    Some(lost) => (false, format!("a line of the input is gone or changed: {lost:?}")),
                }
            }
            Expectation::Unchanged => {
                (outcome.input == Some(&outcome.inject.stdout[..]), "the output is not the input".to_owned())
            }
            Expectation::Exit(code) => {
                (outcome.inject.code == *code, format!("exit {} and not {code}", outcome.inject.code))
            }
            Expectation::Stderr(text) => {
                let stderr = outcome.inject.stderr();
                (stderr.contains(text), format!("stderr has no {text:?}:\n{stderr}"))
            }
            // Said to the laws.
            Expectation::ExitOfCheck(_) | Expectation::RemoveEquivalent => (true, String::new()),
        };
        (!holds).then_some(otherwise)
    }
}

/// The entries of a list of the report.
pub fn entries<'v>(report: &'v Value, list: &str) -> impl Iterator<Item = &'v Value> {
    report.get(list).and_then(Value::as_array).into_iter().flatten()
}

/// A field of an entry; empty where there is none.
pub fn text_of<'v>(entry: &'v Value, field: &str) -> &'v str {
    entry.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn read_test(line: &str) -> Result<(&str, Test), String> {
    if let Some(path) = line.strip_suffix(" absent") {
        return Ok((path, Test::Absent));
    }
    let (path, rest) = line.split_once(' ').ok_or("path P = V")?;
    let (sign, value) = rest.split_once(' ').unwrap_or((rest, ""));
    let value = value.to_owned();
    match sign {
        "=" => Ok((path, Test::Is(value))),
        "~" => Ok((path, Test::Has(value))),
        "!~" => Ok((path, Test::HasNot(value))),
        _ => Err("path P = V, path P ~ V, path P !~ V or path P absent".to_owned()),
    }
}

fn check_path(line: &str, path: &ValuePath, test: &Test, output: &[u8]) -> Option<String> {
    let documents = manifest::documents(output);
    let Some(document) = manifest::pick(&documents, path.document.as_deref()) else {
        return Some(format!("path {line}: the output has no such document"));
    };
    let mut found = path.follow(document);
    let every = Value::Array(found.iter().copied().cloned().collect());
    if path.is_plural() {
        found = vec![&every];
    }
    let wrong = match (test, found.as_slice()) {
        (Test::Absent, []) => None,
        (Test::Absent, _) => Some("something is there"),
        (_, []) => Some("nothing is there"),
        (Test::Is(wanted), [value]) => (!is(value, wanted)).then_some("something else is there"),
        (Test::Has(wanted), [value]) => (!as_text(value).contains(wanted)).then_some("it has no such part"),
        (Test::HasNot(unwanted), [value]) => as_text(value).contains(unwanted).then_some("it has such a part"),
        _ => Some("it stands there more than once"),
    };
    wrong.map(|what| {
        let found = found.iter().map(|value| as_text(value)).collect::<Vec<_>>().join("\n  ");
        format!("path {line}: {what}\n  {found}")
    })
}

fn is(value: &Value, wanted: &str) -> bool {
    match wanted.as_bytes().first() {
        Some(b'[' | b'{') => serde_json::from_str::<Value>(wanted).is_ok_and(|wanted| *value == wanted),
        _ => as_text(value) == wanted,
    }
}

fn check_reason(container: &str, word: &str, report: &Value) -> Option<String> {
    let (workload, name) = container.split_once('/').map_or((None, container), |(w, name)| (Some(w), name));
    let says = |row: &Value| [text_of(row, "reason"), text_of(row, "state")].contains(&word);
    let name = if name == "-" { "" } else { name };
    let rows: Vec<&Value> = entries(report, ROWS)
        .filter(|row| text_of(row, "container") == name && workload.is_none_or(|w| text_of(row, "name") == w))
        .collect();
    let wrong: Vec<&Value> = rows.iter().copied().filter(|row| !says(row)).collect();
    if rows.is_empty() {
        let there = entries(report, ROWS).map(|row| text_of(row, "container")).collect::<Vec<_>>().join(", ");
        return Some(format!("reason {container} {word}: no such row, only: {there}"));
    }
    wrong.first().map(|row| {
        format!("reason {container} {word}: it is {:?}, state {:?}", text_of(row, "reason"), text_of(row, "state"))
    })
}
