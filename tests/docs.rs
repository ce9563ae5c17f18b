//! The documentation says what the code does: tables are made from the code, and every example that
//! shows a `prelit` command is run.
//!
//! A table stands between `<!-- made by tests/docs.rs: NAME -->` and `<!-- end -->`. An example is a
//! block ```` ```console ````: each line that begins with `$ prelit` is run at the root of the repository, without a
//! shell, and what follows it is what it writes: stdout, then stderr, as a terminal shows them. A line
//! `# exit N` after it is its exit code. Commands may be joined by ` | `; `diff - FILE` compares.
//!
//! `PRELIT_BLESS=1 cargo test --test docs` writes all of it anew; read the diff before you commit it.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use prelit::api::settings::{Kind, VARIABLES, Variable};
use prelit::api::{Reason, Severity};
use prelit::render::report::{Gate, ObjectReference, Position, Row, State};
use prelit::webhook::metrics::{self, METRICS};
use similar::TextDiff;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Every page, the README first.
fn pages() -> Vec<PathBuf> {
    let root = root();
    let mut pages: Vec<PathBuf> = fs::read_dir(root.join("docs"))
        .expect("there is documentation")
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    pages.sort();
    pages.insert(0, root.join("README.md"));
    pages.push(root.join(WEBHOOK));
    pages
}

/// How the webhook is installed and watched.
const WEBHOOK: &str = "deploy/webhook/README.md";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Compares a page with what it should be, or writes it.
fn settle(path: &Path, is: &str, should: &str) {
    if is == should {
        return;
    }
    if std::env::var_os("PRELIT_BLESS").is_some_and(|value| value == "1") {
        fs::write(path, should).unwrap();
        return;
    }
    let diff = TextDiff::from_lines(is, should);
    panic!("{} is not what the code gives:\n{}", path.display(), diff.unified_diff().context_radius(2));
}

#[test]
fn every_page_says_what_the_code_does() {
    for path in pages() {
        let text = fs::read_to_string(&path).unwrap();
        settle(&path, &text, &with_examples(&with_tables(&text)));
    }
}

#[test]
fn every_setting_and_every_reason_has_a_table() {
    let tables = |names: &[&str]| names.iter().map(|name| table(name)).collect::<String>();
    let settings = tables(&["settings of injections", "settings of the webhook"]);
    for variable in VARIABLES {
        assert!(settings.contains(&format!("| `{}` |", variable.name)), "{}", variable.name);
    }
    let reasons = tables(&["findings", "strict", "warnings", "notes", "infos"]);
    for reason in Reason::ALL {
        assert!(reasons.contains(&format!("| `{}` |", reason.code())), "{}", reason.code());
    }
}

/// Whatever name an alert or a sentence has, it is that of a metric.
#[test]
fn every_metric_that_is_named_is_there() {
    let known: Vec<String> = METRICS.iter().map(metrics::Metric::shown).collect();
    let mut named = 0;
    for path in pages() {
        let text = fs::read_to_string(&path).unwrap();
        let words = text.split(|c: char| !c.is_ascii_lowercase() && c != '_');
        for word in words.filter(|word| word.starts_with("prelit_")) {
            let plain = ["_bucket", "_count", "_sum"].iter().find_map(|part| word.strip_suffix(part)).unwrap_or(word);
            assert!(known.iter().any(|name| name == plain), "{}: {word}", path.display());
            named += 1;
        }
    }
    assert!(named > known.len(), "the alerts are read");
}

/// Every link between the pages leads to a file.
#[test]
fn every_link_leads_somewhere() {
    for path in pages() {
        let text = fs::read_to_string(&path).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            if !link.contains("://") && !file.is_empty() {
                assert!(path.with_file_name(file).exists(), "{}: {link}", path.display());
            }
        }
    }
}

/// The page with its tables made anew.
fn with_tables(text: &str) -> String {
    let mut made = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<!-- made by tests/docs.rs: ") {
        let (name, after) = after.split_once(" -->").expect("a name and -->");
        let (_, after) = after.split_once("<!-- end -->").expect("<!-- end -->");
        let _ = write!(made, "{before}<!-- made by tests/docs.rs: {name} -->\n\n{}\n<!-- end -->", table(name));
        rest = after;
    }
    made + rest
}

fn table(name: &str) -> String {
    let workloads = |variable: &&Variable| variable.name.starts_with("OPENLIT_");
    match name {
        "settings of injections" => settings(VARIABLES.iter().filter(workloads)),
        "settings of the webhook" => settings(VARIABLES.iter().filter(|variable| !workloads(variable))),
        "metrics" => metrics(),
        "findings" => reasons(|severity| severity == Severity::Finding),
        "strict" => reasons(|severity| severity == Severity::Strict),
        "warnings" => reasons(|severity| severity == Severity::Warning),
        "notes" => reasons(|severity| severity == Severity::Note),
        "infos" => reasons(|severity| severity == Severity::Info),
        _ => panic!("no table is named {name}"),
    }
}

fn settings<'v>(variables: impl Iterator<Item = &'v Variable>) -> String {
    let mut out = String::from("| variable | default | allowed | meaning |\n|---|---|---|---|\n");
    for Variable { name, default, kind, says } in variables {
        let default = if default.is_empty() { "–".to_owned() } else { format!("`{default}`") };
        let _ = writeln!(out, "| `{name}` | {default} | {} | {} |", cell(&allowed(*kind)), cell(says));
    }
    out
}

fn metrics() -> String {
    let mut out = String::from("| metric | type | labels | meaning |\n|---|---|---|---|\n");
    for metric in METRICS {
        let kind = match metric.kind {
            metrics::Kind::Counter => "counter",
            metrics::Kind::Gauge | metrics::Kind::Info => "gauge",
            metrics::Kind::Histogram => "histogram",
        };
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = if labels.is_empty() { "–".to_owned() } else { labels.join(", ") };
        let _ = writeln!(out, "| `{}` | {kind} | {labels} | {} |", metric.shown(), cell(metric.says));
    }
    out
}

fn allowed(kind: Kind) -> String {
    match kind {
        Kind::Text => "text of one line".to_owned(),
        Kind::Headers => "`name=value` pairs with commas between them; no message shows them".to_owned(),
        Kind::Attributes => "`name=value` pairs with commas between them".to_owned(),
        Kind::Boolean => "`true` or `false`".to_owned(),
        Kind::Number(least, most) => format!("{least} to {most}"),
        Kind::Choice(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        Kind::Syntax(syntax) => syntax.expected.to_owned(),
        Kind::Url => "an http or https URL without credentials".to_owned(),
        Kind::SecretEntry => "`name/key`; no message shows it".to_owned(),
        Kind::Path => "a path that begins with `/`".to_owned(),
        Kind::Days(least) => format!("days, or a duration such as `90m` or `12h`: {least} seconds to 3650 days"),
        Kind::Amount => "a quantity such as `100m` or `128Mi`, not negative".to_owned(),
        Kind::User => "`auto`, `none`, or the number of a user".to_owned(),
        Kind::NamespaceOrNone => "a namespace, or empty".to_owned(),
        Kind::Namespaces => "namespaces with commas between them".to_owned(),
        Kind::Workloads => "`group/Kind=path` items, with commas or line ends between them".to_owned(),
    }
}

fn reasons(wanted: impl Fn(Severity) -> bool) -> String {
    let mut out =
        String::from("| code | `check` | `inject --strict` | what it says | what to do |\n|---|---|---|---|---|\n");
    for reason in Reason::ALL.iter().filter(|reason| wanted(reason.severity())) {
        // What `inject` changes is a finding only before it is done.
        let before = reason.severity() == Severity::Finding;
        let after = reason.severity() >= Severity::Strict && !only_before(*reason);
        let says = |fails| if fails { "fails" } else { "passes" };
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {} | {} |",
            reason.code(),
            says(before),
            says(after),
            cell(reason.sentence()),
            cell(reason.remedy())
        );
    }
    out
}

/// Whether only `check` gives this reason, since `inject` does what it asks for.
fn only_before(reason: Reason) -> bool {
    [State::Injected, State::Stale, State::Removed].into_iter().any(|state| {
        let row = Row {
            position: Position::default(),
            object: ObjectReference::default(),
            field: String::new(),
            template: String::new(),
            container: String::new(),
            selected_by: None,
            init_image: None,
            state,
            reason: None,
            detail: String::new(),
        };
        row.reason_for(Gate::Check) == Some(reason) && row.reason_for(Gate::Done).is_none()
    })
}

/// Text as it may stand in a table: `<` begins no tag and `|` ends no cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}

/// The page with its examples run anew.
fn with_examples(text: &str) -> String {
    let mut shown = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        shown.push_str(line);
        shown.push('\n');
        if line != "```console" {
            continue;
        }
        for line in lines.by_ref().take_while(|line| *line != "```") {
            if let Some(command) = line.strip_prefix("$ ") {
                let _ = write!(shown, "{line}\n{}", run(command));
            }
        }
        shown.push_str("```\n");
    }
    shown
}

/// What a command, or several joined by `|`, shows on a terminal.
fn run(line: &str) -> String {
    let mut passed: Vec<u8> = Vec::new();
    let mut said = String::new();
    let mut code = 0;
    for stage in line.split(" | ") {
        let words: Vec<String> = words(stage);
        match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["prelit", arguments @ ..] => {
                let (out, err, exit) = prelit(arguments, &passed);
                (passed, code) = (out, exit);
                said.push_str(&err);
            }
            ["cat", file] => passed = fs::read(root().join(file)).unwrap(),
            ["tail", "-n", lines] => {
                let text = String::from_utf8(passed).unwrap();
                let kept: Vec<&str> = text.lines().rev().take(lines.parse().unwrap()).collect();
                passed = kept.iter().rev().map(|line| format!("{line}\n")).collect::<String>().into_bytes();
            }
            ["diff", "-", file] => {
                let file = fs::read(root().join(file)).unwrap();
                code = i32::from(file != passed);
                assert_eq!(code, 0, "{line}");
                passed.clear();
            }
            _ => panic!("an example may only run prelit: {line}"),
        }
    }
    let mut shown = String::from_utf8(passed).unwrap();
    shown.push_str(&said);
    if code != 0 {
        let _ = writeln!(shown, "# exit {code}");
    }
    shown
}

fn prelit(arguments: &[&str], stdin: &[u8]) -> (Vec<u8>, String, i32) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_prelit"))
        .args(arguments)
        .current_dir(root())
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("prelit starts");
    let (mut pipe, bytes) = (child.stdin.take().unwrap(), stdin.to_vec());
    // A run that reads files closes the pipe.
    std::thread::spawn(move || drop(pipe.write_all(&bytes)));
    let output = child.wait_with_output().expect("prelit ends");
    (output.stdout, String::from_utf8(output.stderr).unwrap(), output.status.code().unwrap_or(-1))
}

/// Words as a shell divides them; single quotes hold one together.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in command.split('\'').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}
