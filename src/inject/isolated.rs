//! Whether a program is Python that ignores its environment, and with it PYTHONPATH: `python -I`,
//! `python -E`, also in clusters of options (`-sE`), behind shells and wrappers.

use super::command::{Command, file_name};
use super::language::is_python_program;

/// Programs that prepare an environment, unless they `run` something in it.
const INSTALLERS: &[&str] = &["pip", "pip3", "uv", "poetry", "pipenv", "pdm", "conda", "mamba", "micromamba"];
/// Modules that do.
const INSTALLING_MODULES: &[&str] = &["pip", "venv", "virtualenv", "ensurepip"];

/// The command that ignores its environment, if every Python program among the commands does.
/// What only installs packages does not count.
pub fn isolated(commands: &[Command<'_>]) -> Option<String> {
    let mut found = None;
    for command in commands.iter().filter(|command| is_python_program(&command[0]) && !installs(command)) {
        match isolating_option(command) {
            Some(option) => found = found.or_else(|| Some(format!("{} {option}", file_name(&command[0])))),
            None => return None,
        }
    }
    found
}

/// `pip install x`, `python -m venv x`
fn installs(command: &Command<'_>) -> bool {
    let word = |at: usize| command.get(at).map(AsRef::as_ref).unwrap_or_default();
    let is_module = is_interpreter(file_name(word(0))) && word(1) == "-m" && INSTALLING_MODULES.contains(&word(2));
    is_module || INSTALLERS.contains(&file_name(word(0))) && word(1) != "run"
}

/// `python`, `python3`, `python3.12`, `pypy3`, not `python-wrapper`.
fn is_interpreter(program: &str) -> bool {
    let version = program.strip_prefix("python").or_else(|| program.strip_prefix("pypy"));
    version.is_some_and(|version| version.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
}

/// The option that isolates. The options of the interpreter end at the first word that is none, at
/// `-c` and at `-m`; `-W` and `-X` take a value.
fn isolating_option<'c>(command: &'c Command<'_>) -> Option<&'c str> {
    if !is_interpreter(file_name(&command[0])) {
        return None;
    }
    let mut words = command[1..].iter();
    while let Some(word) = words.next() {
        let letters = word.strip_prefix('-').filter(|letters| !letters.is_empty())?;
        if letters.starts_with('-') {
            if letters == "-check-hash-based-pycs" {
                words.next();
            }
            if letters == "-" {
                return None;
            }
            continue;
        }
        for (at, letter) in letters.char_indices() {
            match letter {
                // What else the word holds may be a program.
                'I' | 'E' => return Some(&word[..at + 2]),
                'c' | 'm' => return None,
                'W' | 'X' => {
                    if at + 1 == letters.len() {
                        words.next();
                    }
                    break;
                }
                _ => {}
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::command::commands;
    use super::*;
    use crate::value::Value;
    use serde_json::json;

    #[test]
    fn python_that_ignores_its_environment_is_known() {
        for (command, expected) in [
            (&["python", "-I", "app.py"][..], Some("python -I")),
            (&["python", "-E", "app.py"], Some("python -E")),
            (&["python3.12", "-sE", "-m", "app"], Some("python3.12 -sE")),
            (&["/usr/bin/python3", "-u", "-OI", "app.py"], Some("python3 -OI")),
            (&["python", "-W", "ignore", "-I", "a"], Some("python -I")),
            (&["python", "-Wignore", "-X", "dev", "-E", "a"], Some("python -E")),
            (&["python", "--check-hash-based-pycs", "always", "-I", "a"], Some("python -I")),
            (&["python", "-IcTOKEN=1"], Some("python -I")),
            (&["pypy3", "-E", "a"], Some("pypy3 -E")),
            (&["python", "-IB", "-c", "x"], Some("python -I")),
            (&["sh", "-c", "cd /app && exec python -I app.py"], Some("python -I")),
            (&["env", "A=b", "python", "-E", "x"], Some("python -E")),
            (&["uv", "run", "python", "-I", "x"], Some("python -I")),
            (&["/var/run/argo/argoexec", "emissary", "--", "python", "-I"], Some("python -I")),
            (&["sh", "-c", "pip install x; python -m venv v; exec python -I app.py"], Some("python -I")),
            (&["sh", "-c", "python -I setup.py; uv run app.py"], None),
            (&["pip", "install", "x"], None),
            (&["python", "app.py", "-I"], None),
            (&["python", "-m", "app", "-E"], None),
            (&["python", "-mapp", "-E"], None),
            (&["python", "-c", "print()", "-I"], None),
            (&["python", "-cIE"], None),
            (&["python", "-WIgnoreE", "a"], None),
            (&["python", "-XE", "a"], None),
            (&["python", "-", "-I"], None),
            (&["python", "--", "-I"], None),
            (&["python", "--version"], None),
            (&["python"], None),
            (&["grep", "-E", "x"], None),
            (&["sh", "-c", "python -I setup.py && python app.py"], None),
            (&["sh", "-c", "python -I setup.py && uvicorn app:app"], None),
            (&["sh", "-c", "grep -E python x; sed -E s/a/b/ | python app.py"], None),
        ] {
            let json = json!({"command": command});
            assert_eq!(isolated(&commands(&Value::from(&json))).as_deref(), expected, "{command:?}");
        }
    }
}
