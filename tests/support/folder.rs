//! What stands in a golden folder.

use super::command::{Run, prelit};
use super::expect::Expectation;
use std::fs;
use std::path::{Path, PathBuf};

/// Every folder below `root` that holds an `about.md`, with its name.
pub fn find(root: &Path) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        if directory.join("about.md").is_file() {
            let name = directory.strip_prefix(root).unwrap_or(&directory).to_string_lossy().replace('\\', "/");
            found.push((name, directory));
            continue;
        }
        let entries = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        // No link is followed: some lead out of the repository.
        let is_folder = |path: &PathBuf| path.is_dir() && !path.is_symlink();
        open.extend(entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_folder));
    }
    found.sort();
    found
}

/// A golden folder.
pub struct Folder {
    pub path: PathBuf,
    /// `input.yaml`, `input.json` or, for a tree, `input`.
    pub input: String,
    /// What goes to `--config`, `--settings` and the lines of `args`.
    pub options: Vec<String>,
    pub expectations: Vec<Expectation>,
    /// Whether the laws hold here.
    pub laws: bool,
}

impl Folder {
    /// Reads a folder; where it has a `given.yaml`, its input is made first.
    pub fn read(path: &Path, bless: bool) -> Result<Folder, String> {
        if let Some(input) = made_input(path)? {
            settle(path, "input.yaml", Some(&input), bless)?;
        }
        let input = ["input.yaml", "input.json", "input"]
            .into_iter()
            .find(|name| path.join(name).exists())
            .ok_or("the folder has no input.yaml, input.json or input/")?;
        let mut options = Vec::new();
        for (file, option) in [("config.yaml", "--config"), ("settings.yaml", "--settings")] {
            if path.join(file).is_file() {
                options.extend([option.to_owned(), file.to_owned()]);
            }
        }
        options.extend(text(path, "args").unwrap_or_default().lines().map(str::to_owned));
        let mut expectations = Vec::new();
        for (number, line) in text(path, "expect.txt").unwrap_or_default().lines().enumerate() {
            let line = line.trim_end();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let read = Expectation::read(line).map_err(|why| format!("expect.txt:{}: {why}: {line}", number + 1))?;
            expectations.push(read);
        }
        Ok(Folder {
            path: path.to_owned(),
            input: input.to_owned(),
            options,
            expectations,
            laws: !path.join("laws-off").is_file(),
        })
    }

    /// `prelit VERB` over the input, with the folder's options.
    pub fn over_input(&self, verb: &[&str]) -> Run {
        let input = [self.input.as_str()];
        prelit(&self.path, verb, &self.options, &input, None)
    }

    /// `prelit VERB` over other bytes, without the options that a later run must not need.
    pub fn over(&self, verb: &[&str], bytes: &[u8]) -> Run {
        let options: Vec<_> = self.options.iter().filter(|o| *o != "--force" && *o != "--strict").cloned().collect();
        prelit(&self.path, verb, &options, &["-"], Some(bytes))
    }

    /// The bytes of the input, unless it is a tree.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        fs::read(self.path.join(&self.input)).ok()
    }

    /// The file that holds what comes out.
    pub fn output(&self) -> &'static str {
        if self.input == "input.json" { "output.json" } else { "output.yaml" }
    }
}

/// `given.yaml` injected with `given-config.yaml`, and changed by hand as `change.txt` says: the
/// input of a folder that shows what becomes of an earlier injection.
fn made_input(path: &Path) -> Result<Option<Vec<u8>>, String> {
    let Some(given) = text(path, "given.yaml") else { return Ok(None) };
    let mut options = Vec::new();
    if path.join("given-config.yaml").is_file() {
        options.extend(["--config".to_owned(), "given-config.yaml".to_owned()]);
    }
    options.extend(text(path, "given-args").unwrap_or_default().lines().map(str::to_owned));
    let run = prelit(path, &["inject"], &options, &["-"], Some(given.as_bytes()));
    if run.code != 0 {
        return Err(format!("given.yaml cannot be injected: exit {}\n{}", run.code, run.stderr()));
    }
    let mut input = String::from_utf8(run.stdout).map_err(|error| error.to_string())?;
    for line in text(path, "change.txt").unwrap_or_default().lines().filter(|line| !line.is_empty()) {
        let (from, to) = line.split_once(" => ").ok_or(format!("change.txt: no ` => ` in: {line}"))?;
        let (from, to) = (from.replace("\\n", "\n"), to.replace("\\n", "\n"));
        if input.matches(&from).count() != 1 {
            return Err(format!("change.txt: does not stand exactly once in the injected given.yaml: {from:?}"));
        }
        input = input.replace(&from, &to);
    }
    Ok(Some(input.into_bytes()))
}

/// Whether expected files are to be written.
pub fn bless() -> bool {
    std::env::var_os("PRELIT_BLESS").is_some_and(|value| value == "1")
}

/// Compares an expected file with what came out (`None`: there must be none), or writes it.
pub fn settle(path: &Path, name: &str, actual: Option<&[u8]>, bless: bool) -> Result<(), String> {
    let file = path.join(name);
    let expected = fs::read(&file).ok();
    if expected.as_deref() == actual {
        return Ok(());
    }
    if bless {
        return match actual {
            Some(bytes) => fs::write(&file, bytes),
            None => fs::remove_file(&file),
        }
        .map_err(|error| format!("{name}: {error}"));
    }
    match (expected, actual) {
        (None, _) => Err(format!("{name}: not there yet; PRELIT_BLESS=1 writes it")),
        (Some(_), None) => Err(format!("{name}: is there, and should not be")),
        (Some(expected), Some(actual)) => Err(format!("{name}: differs\n{}", difference(&expected, actual))),
    }
}

/// Two texts as a unified diff, with what cannot be seen made visible.
pub fn difference(expected: &[u8], actual: &[u8]) -> String {
    let [expected, actual] = [expected, actual].map(|bytes| String::from_utf8_lossy(bytes).replace('\r', "␍"));
    similar::TextDiff::from_lines(&expected, &actual).unified_diff().header("expected", "actual").to_string()
}

fn text(path: &Path, name: &str) -> Option<String> {
    fs::read_to_string(path.join(name)).ok()
}
