//! The guides of `kustomize-plugin/` and `argocd-cmp/` say what the tools do: each line of a block ```` ```console ```` that
//! begins with `$ ` is run by a shell, with the real tools, in a copy of the guide's folder, one copy a block; what follows it
//! is what a terminal shows. A test a block, named after its section. `PRELIT_BLESS=1` writes them anew; read the diff before
//! you commit it.

use super::docker;
use super::place::{Place, ROOT};
use super::shell::settle;
use super::tools::Tools;
use libtest_mimic::Trial;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// The folders that have a guide.
const GUIDES: [&str; 2] = ["kustomize-plugin", "argocd-cmp"];

/// A page is one, and its tests are several: they take turns to write it.
static PAGE_IN_HAND: Mutex<()> = Mutex::new(());

/// Those of every guide.
pub fn trials(tools: &Tools) -> Vec<Trial> {
    GUIDES.into_iter().flat_map(|guide| trials_of(tools, guide)).collect()
}

/// The text of a guide.
fn text(guide: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(page(guide))).expect("the guide")
}

fn page(guide: &str) -> String {
    format!("{guide}/README.md")
}

/// A test a block, and one for the links.
fn trials_of(tools: &Tools, guide: &'static str) -> Vec<Trial> {
    let text = text(guide);
    let name = format!("guide::{guide}: links");
    let mut trials = vec![tools.trial(&name, &[], move |_| every_link_leads_somewhere(guide))];
    let (mut section, mut block) = (String::new(), None);
    for line in text.lines() {
        match (line, &mut block) {
            ("```console", None) => block = Some(String::new()),
            ("```", Some(shown)) => {
                let name = format!("guide::{guide}: {} {}", anchor(&section), trials.len());
                let (needs, shown) = (needs(shown), std::mem::take(shown));
                trials.push(tools.trial(&name, &needs, move |place| is_shown(place, guide, &shown)));
                block = None;
            }
            (line, Some(shown)) => drop(writeln!(shown, "{line}")),
            (line, None) => {
                if let Some((_, heading)) = line.split_once("# ") {
                    heading.clone_into(&mut section);
                }
            }
        }
    }
    trials
}

/// The tools that the commands of a block run: the first words behind a prompt, a pipe and an `&&`. `prelit cmp` runs others.
fn needs(block: &str) -> Vec<&'static str> {
    let lines = block.lines().filter_map(|line| line.strip_prefix("$ "));
    let programs = lines.flat_map(|line| line.split(['|', '&'])).filter_map(|part| part.split_whitespace().next());
    let programs: Vec<&str> = programs.collect();
    let renders = block.contains("prelit cmp ");
    let tools = ["kustomize", "kubectl", "kpt", "helm4"].into_iter();
    tools.filter(|tool| programs.contains(tool) || renders && ["kustomize", "helm4"].contains(tool)).collect()
}

fn is_shown(place: &Place, guide: &str, block: &str) {
    place.copy(guide, "");
    // A user has it in a repository, from which no path leads out.
    place.write(".git/HEAD", "");
    docker::put(place);
    if place.has("helm4") {
        place.link(&place.program("helm4"), "helm");
    }
    let mut shown = String::new();
    for line in block.lines().filter(|line| line.starts_with("$ ")) {
        let text = place.line(&line[2..]).to_string().replace(&home(place), "~");
        let _ = write!(shown, "{line}\n{}", without_times(&text));
    }
    let _in_hand = PAGE_IN_HAND.lock().unwrap_or_else(PoisonError::into_inner);
    let text = text(guide);
    let should = format!("```console\n{block}```\n");
    settle(&page(guide), &text.replacen(&should, &format!("```console\n{shown}```\n"), 1));
}

/// As a user's shell would call the home folder.
fn home(place: &Place) -> String {
    place.home("").canonicalize().unwrap().to_string_lossy().into_owned()
}

/// kpt says how long a function ran: `in 100ms`, which is no two times the same.
fn without_times(text: &str) -> String {
    let line = |line: &str| match line.rsplit_once(" in ") {
        Some((before, time)) if line.starts_with('[') && time.ends_with('s') => format!("{before}\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

fn every_link_leads_somewhere(guide: &str) {
    let text = text(guide);
    let headings: Vec<String> = text.lines().filter(|line| line.starts_with("##")).map(anchor).collect();
    let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    for link in links.filter(|link| !link.starts_with("https://")) {
        let (file, place) = link.split_once('#').unwrap_or((link, ""));
        assert!(Path::new(ROOT).join(guide).join(file).exists(), "{link}");
        assert!(!file.is_empty() || headings.iter().any(|heading| heading == place), "{link}: {headings:?}");
    }
}

/// A heading as a link names it.
fn anchor(heading: &str) -> String {
    let letters = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = letters.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
    kept.collect::<String>().replace(' ', "-")
}
