//! The table in `docs/providers.md`. A row says for which Pythons the same was seen.

use super::application::{APPLICATIONS, Application, PROVIDERS, Provider};
use super::place::ROOT;
use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Provider, row, Python.
type Cell = (Provider, &'static str, String);

const FIRST_LINE: &str = "| application | Python | what is seen |\n|---|---|---|\n";
/// What most applications have in common stands once, behind the others.
const REST: &str = "all others";
const END: &str = "<!-- end -->";

pub struct Page {
    text: String,
    is: BTreeMap<Cell, String>,
    seen: Mutex<BTreeMap<Cell, String>>,
}

impl Page {
    pub fn read() -> Page {
        let text = fs::read_to_string(path()).unwrap();
        let mut is = BTreeMap::new();
        for provider in PROVIDERS {
            for row in text[between(&text, provider)].lines().skip(2) {
                let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
                let [title, pythons, seen] = cells[..] else { panic!("a row of three cells: {row}") };
                for python in pythons.split(", ") {
                    for application in APPLICATIONS.iter().filter(|each| title == REST || each.title == title) {
                        let cell = (provider, application.title, python.to_owned());
                        is.entry(cell).or_insert_with(|| seen.to_owned());
                    }
                }
            }
        }
        Page { text, is, seen: Mutex::default() }
    }

    /// Compares a cell with what was seen, or takes it down.
    pub fn settle(&self, provider: Provider, application: &Application, python: &str, seen: &str) {
        let cell = (provider, application.title, python.to_owned());
        if bless() {
            self.seen.lock().unwrap().insert(cell, seen.to_owned());
        } else {
            assert_eq!(self.is.get(&cell).map(String::as_str), Some(seen), "docs/providers.md says something else");
        }
    }

    /// Writes the table with what was seen in this run, and what was not asked as it was.
    pub fn write(&self) {
        let seen = self.seen.lock().unwrap();
        if seen.is_empty() {
            return;
        }
        let mut all = self.is.clone();
        all.extend(seen.clone());
        let mut text = self.text.clone();
        for provider in PROVIDERS {
            text.replace_range(between(&text, provider), &table(&all, provider));
        }
        fs::write(path(), text).unwrap();
    }
}

fn table(all: &BTreeMap<Cell, String>, provider: Provider) -> String {
    let mut common = BTreeMap::<(&str, &str), usize>::new();
    for ((_, _, python), seen) in all.iter().filter(|((whose, _, _), _)| *whose == provider) {
        *common.entry((python, seen)).or_default() += 1;
    }
    common.retain(|_, count| *count > APPLICATIONS.len() / 2);
    let mut text = FIRST_LINE.to_owned();
    for application in APPLICATIONS {
        let mut cells: Vec<(&str, &str)> = all
            .iter()
            .filter(|((whose, title, _), _)| *whose == provider && *title == application.title)
            .map(|((_, _, python), seen)| (python.as_str(), seen.as_str()))
            .filter(|cell| !common.contains_key(cell))
            .collect();
        cells.sort_by_key(|(python, _)| python.split_once('.').map(|(_, minor)| minor.parse::<u8>().unwrap()));
        for same in cells.chunk_by(|one, other| one.1 == other.1) {
            let pythons: Vec<&str> = same.iter().map(|(python, _)| *python).collect();
            text.push_str(&format!("| {} | {} | {} |\n", application.title, pythons.join(", "), same[0].1));
        }
    }
    for (python, seen) in common.keys() {
        text.push_str(&format!("| {REST} | {python} | {seen} |\n"));
    }
    text
}

/// Where the table of a provider stands.
fn between(text: &str, provider: Provider) -> Range<usize> {
    let begin = format!("<!-- made by tests/providers: {} -->\n", provider.title());
    let from = text.find(&begin).unwrap_or_else(|| panic!("docs/providers.md has no {begin}")) + begin.len();
    from..from + text[from..].find(END).expect("an end")
}

fn path() -> PathBuf {
    Path::new(ROOT).join("docs/providers.md")
}

fn bless() -> bool {
    std::env::var_os("PRELIT_BLESS").is_some_and(|value| value == "1")
}
