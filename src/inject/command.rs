//! The commands that a container starts, so far as its manifest says: `command` and `args`, seen
//! through shells (`sh -c "…"`), wrappers (`exec`, `env`, `tini --`) and launchers (`uv run`).
//!
//! Shell text is split at its operators and quotes, not understood: substitutions and here-documents
//! come out as commands of their own. Good enough to find programs and their options.

use crate::value::Value;
use std::borrow::Cow;

/// How deep commands may stand in the text of commands.
const MAX_DEPTH: usize = 4;
/// How many wrappers may stand before a program.
const MAX_WRAPPERS: usize = 16;

/// One program and its arguments, quotes removed. Never empty.
pub type Command<'c> = Vec<Cow<'c, str>>;

/// The words of `command` and `args` as they stand.
pub fn words<'c>(container: &'c Value<'c>) -> impl Iterator<Item = &'c str> {
    let list = |key| container.get(key).and_then(Value::as_list).into_iter().flatten().filter_map(Value::as_text);
    list("command").chain(list("args"))
}

/// The commands that a container starts. Without `command` the image's own program stands first,
/// which nobody here knows; most images have none, or one that runs its arguments.
pub fn commands<'c>(container: &'c Value<'c>) -> Vec<Command<'c>> {
    let mut found = Vec::new();
    let start: Command<'c> = words(container).map(Cow::Borrowed).collect();
    unwrap(start, MAX_DEPTH, &mut found);
    found
}

/// The file name of a program: `python3` of `/usr/bin/python3`.
pub fn file_name(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

/// Programs that run the program that follows them: their options that take a value, and how many
/// arguments of their own come before the program.
const WRAPPERS: &[(&str, &[&str], usize)] = &[
    ("exec", &["-a"], 0),
    ("command", &[], 0),
    ("builtin", &[], 0),
    ("nohup", &[], 0),
    ("setsid", &[], 0),
    ("time", &["-f", "-o"], 0),
    ("env", &["-u", "--unset", "-C", "--chdir"], 0),
    ("nice", &["-n", "--adjustment"], 0),
    ("ionice", &["-c", "-n"], 0),
    ("stdbuf", &["-i", "-o", "-e"], 0),
    ("timeout", &["-s", "--signal", "-k", "--kill-after"], 1),
    ("tini", &["-p", "-e"], 0),
    ("tini-static", &["-p", "-e"], 0),
    ("docker-init", &["-p", "-e"], 0),
    ("dumb-init", &["-r", "--rewrite"], 0),
    ("catatonit", &[], 0),
    ("sudo", &["-u", "--user", "-g", "--group"], 0),
    ("gosu", &[], 1),
    ("su-exec", &[], 1),
    ("setpriv", &["--reuid", "--regid", "--groups"], 0),
    ("chroot", &[], 1),
    ("taskset", &["-c"], 1),
    ("xvfb-run", &["-s", "-n"], 0),
];

/// Programs that run another in their environment by `run`, and their options that take a value.
const LAUNCHERS: &[(&str, &[&str])] = &[
    ("uv", &["--with", "--extra", "--group", "--python", "-p", "--project", "--directory", "--env-file"]),
    ("poetry", &["-C", "-P", "--directory", "--project"]),
    ("pipenv", &[]),
    ("pdm", &["-p", "--project"]),
    ("rye", &[]),
    ("hatch", &["-e", "--env"]),
    ("conda", &["-n", "--name", "-p", "--prefix", "--cwd"]),
    ("mamba", &["-n", "--name", "-p", "--prefix", "--cwd"]),
    ("micromamba", &["-n", "--name", "-p", "--prefix", "--cwd"]),
];

const SHELLS: &[&str] = &["sh", "bash", "dash", "ash", "zsh", "ksh"];

/// Words of shell grammar before a command.
const KEYWORDS: &[&str] = &["if", "then", "elif", "else", "while", "until", "do", "!", "{", "&&", "||"];

fn unwrap<'c>(mut command: Command<'c>, depth: usize, found: &mut Vec<Command<'c>>) {
    for _ in 0..MAX_WRAPPERS {
        let skip = command.iter().take_while(|word| is_assignment(word) || KEYWORDS.contains(&word.as_ref())).count();
        command.drain(..skip);
        let Some(program) = command.first() else { return };
        let program = file_name(program);
        if SHELLS.contains(&program) {
            match script(&command).filter(|_| depth > 0) {
                Some(at) => {
                    let text = command.swap_remove(at);
                    for command in split(text) {
                        unwrap(command, depth - 1, found);
                    }
                    return;
                }
                None => break,
            }
        }
        if program == "env"
            && let Some((at, text)) = split_string(&command)
            && depth > 0
        {
            let mut rest = split(Cow::Owned(text)).into_iter().next().unwrap_or_default();
            rest.extend(command.drain(at..));
            return unwrap(rest, depth - 1, found);
        }
        let Some(start) = wrapped(&command, program) else { break };
        command.drain(..start);
    }
    found.push(command);
}

/// `NAME=value`
fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    })
}

/// Where the program stands that a wrapper or launcher runs.
fn wrapped(command: &[Cow<'_, str>], program: &str) -> Option<usize> {
    if program == "argoexec" {
        // Argo Workflows: `argoexec emissary … -- program`.
        let dashes = command.iter().position(|word| word == "--")?;
        return (command.get(1).is_some_and(|word| word == "emissary") && dashes + 1 < command.len())
            .then_some(dashes + 1);
    }
    if let Some((_, valued, arguments)) = WRAPPERS.iter().find(|(name, ..)| *name == program) {
        let mut at = operand(command, 1, valued);
        if program == "env" {
            at += command[at.min(command.len())..].iter().take_while(|word| is_assignment(word)).count();
        }
        at += arguments;
        return (at < command.len()).then_some(at);
    }
    let (_, valued) = LAUNCHERS.iter().find(|(name, _)| *name == program)?;
    let run = operand(command, 1, valued);
    if command.get(run).is_none_or(|word| word != "run") {
        return None;
    }
    let at = operand(command, run + 1, valued);
    // `uv run app.py` runs Python itself: there is no other program to see.
    (at < command.len() && !has_extension(&command[at], "py")).then_some(at)
}

fn has_extension(word: &str, extension: &str) -> bool {
    std::path::Path::new(word).extension().is_some_and(|found| found == extension)
}

/// The first word from `at` on that is neither an option nor the value of one.
fn operand(command: &[Cow<'_, str>], mut at: usize, valued: &[&str]) -> usize {
    while let Some(word) = command.get(at) {
        if word == "--" {
            return at + 1;
        }
        if !word.starts_with('-') || word == "-" {
            break;
        }
        at += if valued.contains(&word.as_ref()) { 2 } else { 1 };
    }
    at
}

/// `env -S "program arguments"`: where the words after it begin, and the text.
fn split_string(command: &[Cow<'_, str>]) -> Option<(usize, String)> {
    let at = command.iter().position(|word| word.starts_with("-S") || word.starts_with("--split-string"))?;
    if command[1..at].iter().any(|word| !word.starts_with('-')) {
        return None;
    }
    let word = command[at].as_ref();
    let attached = word.strip_prefix("--split-string=").or_else(|| word.strip_prefix("-S"));
    match attached.filter(|text| !text.is_empty() && !word.ends_with("split-string")) {
        Some(text) => Some((at + 1, text.to_owned())),
        None => Some((at + 2, command.get(at + 1)?.to_string())).filter(|(at, _)| *at <= command.len()),
    }
}

/// Where the text of `sh -c text` stands.
fn script(command: &[Cow<'_, str>]) -> Option<usize> {
    let mut is_text = false;
    let mut at = 1;
    while let Some(word) = command.get(at) {
        if word == "--" {
            at += 1;
            break;
        }
        let Some(letters) = word.strip_prefix(['-', '+']).filter(|letters| !letters.is_empty()) else { break };
        if !letters.starts_with('-') {
            is_text |= letters.contains('c') && word.starts_with('-');
            if letters.ends_with(['o', 'O']) {
                at += 1;
            }
        } else if matches!(letters, "-rcfile" | "-init-file") {
            at += 1;
        }
        at += 1;
    }
    (is_text && at < command.len()).then_some(at)
}

/// Splits shell text into commands and words.
fn split(text: Cow<'_, str>) -> Vec<Command<'_>> {
    // What borrows from borrowed text costs no copy; text that was itself unquoted is rare.
    match text {
        Cow::Borrowed(text) => Splitter::new(text).run(),
        Cow::Owned(text) => {
            let commands = Splitter::new(&text).run().into_iter();
            commands.map(|command| command.into_iter().map(|word| Cow::Owned(word.into_owned())).collect()).collect()
        }
    }
}

struct Splitter<'t> {
    text: &'t str,
    commands: Vec<Command<'t>>,
    command: Command<'t>,
    /// Where the word began, while it stands in the text as it is.
    start: Option<usize>,
    /// The word so far, once something was taken out of it.
    word: Option<String>,
}

impl<'t> Splitter<'t> {
    fn new(text: &'t str) -> Self {
        Splitter { text, commands: Vec::new(), command: Vec::new(), start: None, word: None }
    }

    fn run(mut self) -> Vec<Command<'t>> {
        let text = self.text;
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            match bytes[at] {
                b' ' | b'\t' | b'\r' => self.end_word(at),
                b'&' if self.is_redirection(at) => {
                    self.begin(at);
                    self.push('&');
                }
                b'\n' | b';' | b'|' | b'&' | b'(' | b')' | b'`' => self.end_command(at),
                b'#' if self.start.is_none() => {
                    at += text[at..].find('\n').unwrap_or(text.len() - at);
                    continue;
                }
                b'\\' => {
                    self.take_out(at);
                    at += 1;
                    match text[at..].chars().next() {
                        Some('\n') | None => {}
                        Some(next) => {
                            self.push(next);
                            at += next.len_utf8() - 1;
                        }
                    }
                }
                quote @ (b'\'' | b'"') => {
                    self.take_out(at);
                    at = self.quoted(at + 1, quote);
                }
                _ => {
                    self.begin(at);
                    let length = text[at..].chars().next().map_or(1, char::len_utf8);
                    if let Some(word) = &mut self.word {
                        word.push_str(&text[at..at + length]);
                    }
                    at += length - 1;
                }
            }
            at += 1;
        }
        self.end_command(bytes.len().min(at));
        self.commands
    }

    /// `2>&1`, `&>file`
    fn is_redirection(&self, at: usize) -> bool {
        let bytes = self.text.as_bytes();
        bytes.get(at + 1) == Some(&b'>') || at > 0 && matches!(bytes[at - 1], b'>' | b'<')
    }

    fn begin(&mut self, at: usize) {
        self.start.get_or_insert(at);
    }

    fn push(&mut self, character: char) {
        if let Some(word) = &mut self.word {
            word.push(character);
        }
    }

    /// From here on the word is not what stands in the text.
    fn take_out(&mut self, at: usize) {
        let start = *self.start.get_or_insert(at);
        self.word.get_or_insert_with(|| self.text[start..at].to_owned());
    }

    /// Reads to the end of a quote; where it stands.
    fn quoted(&mut self, mut at: usize, quote: u8) -> usize {
        while let Some(next) = self.text.get(at..).and_then(|rest| rest.chars().next()) {
            match next {
                '\'' if quote == b'\'' => return at,
                '"' if quote == b'"' => return at,
                '\\' if quote == b'"' => {
                    at += 1;
                    if let Some(next) = self.text[at..].chars().next() {
                        self.push(next);
                        at += next.len_utf8();
                    }
                }
                next => {
                    self.push(next);
                    at += next.len_utf8();
                }
            }
        }
        at
    }

    fn end_word(&mut self, at: usize) {
        if let Some(start) = self.start.take() {
            let word = match self.word.take() {
                Some(word) => Cow::Owned(word),
                None => Cow::Borrowed(&self.text[start..at]),
            };
            self.command.push(word);
        }
    }

    fn end_command(&mut self, at: usize) {
        self.end_word(at);
        if !self.command.is_empty() {
            self.commands.push(std::mem::take(&mut self.command));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn seen(command: &[&str]) -> Vec<String> {
        let json = json!({"command": command});
        let container = Value::from(&json);
        commands(&container).iter().map(|command| command.join(" ")).collect()
    }

    #[test]
    fn commands_are_seen_through_shells_and_wrappers() {
        for (command, expected) in [
            (&["python", "app.py"][..], vec!["python app.py"]),
            (&[], vec![]),
            (&["sh", "-c", "python app.py"], vec!["python app.py"]),
            (&["/bin/bash", "-euxo", "pipefail", "-c", "java -jar a.jar"], vec!["java -jar a.jar"]),
            (&["bash", "-o", "pipefail", "-c", "java"], vec!["java"]),
            (&["bash", "-lc", "--", "a; b && c || d | e & f\ng"], vec!["a", "b", "c", "d", "e", "f", "g"]),
            (&["bash", "--login", "-c", "a"], vec!["a"]),
            (&["bash", "start.sh", "-c"], vec!["bash start.sh -c"]),
            (&["sh", "-c", "exec env FOO=1 python3 -I 'my app.py'"], vec!["python3 -I my app.py"]),
            (&["sh", "-c", "A=1 B=2 python \"a b\" c\\ d 2>&1 >log"], vec!["python a b c d 2>&1 >log"]),
            (&["sh", "-c", "if true; then exec python x; fi # python -I"], vec!["true", "python x", "fi"]),
            (&["sh", "-c", "sh -c 'sh -c \"python -I\"'"], vec!["python -I"]),
            (&["tini", "-g", "--", "gosu", "app", "python", "x"], vec!["python x"]),
            (&["timeout", "-k", "5", "10", "python", "-E"], vec!["python -E"]),
            (&["nice", "-n", "5", "python"], vec!["python"]),
            (&["env", "-i", "-u", "X", "A=b", "python", "x"], vec!["python x"]),
            (&["/usr/bin/env", "-S", "python3 -I", "app.py"], vec!["python3 -I app.py"]),
            (&["/usr/bin/env", "-Spython3 -I", "app.py"], vec!["python3 -I app.py"]),
            (&["uv", "run", "--frozen", "ddtrace-run", "python", "a"], vec!["ddtrace-run python a"]),
            (&["uv", "run", "app.py"], vec!["uv run app.py"]),
            (&["conda", "run", "-n", "ml", "python", "-I", "a"], vec!["python -I a"]),
            (&["pip", "install", "x"], vec!["pip install x"]),
            (&["/var/run/argo/argoexec", "emissary", "--loglevel", "info", "--", "python", "-I"], vec!["python -I"]),
            (&["exec"], vec!["exec"]),
            (&["env", "A=b"], vec!["env A=b"]),
            (&["env", "-S"], vec!["env -S"]),
            (&["sh", "-c"], vec!["sh -c"]),
            (&["sh", "-c", ""], vec![]),
            (&["sh", "-c", "'unclosed \\"], vec!["unclosed \\"]),
            (&["sh", "-c", "ü'ö'\\ä \"\\"], vec!["üöä "]),
        ] {
            assert_eq!(seen(command), expected, "{command:?}");
        }
    }

    #[test]
    fn wrappers_are_bounded() {
        let mut command = vec!["env"; 100_000];
        command.push("python");
        assert_eq!(seen(&command).len(), 1);
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_odd(text in "(?s).{0,40}", more in r#"([a-z'"\\;&|#$() \n=-]|exec|env|-S|-c|sh| ){0,40}"#) {
            for script in [&text, &more, &format!("sh -c {more}{text}")] {
                for command in [&["sh", "-c", script][..], &[script, "x"], &["env", "-S", script], &["uv", "run", script]] {
                    let json = json!({"command": command});
                    assert!(commands(&Value::from(&json)).iter().all(|command| !command.is_empty()));
                }
            }
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let mut text = "python".to_owned();
        for _ in 0..20 {
            text = format!("sh -c {}", text.replace(' ', "\\ ").replace('\\', "\\\\"));
        }
        assert!(seen(&["sh", "-c", &text]).len() <= 1);
    }
}
