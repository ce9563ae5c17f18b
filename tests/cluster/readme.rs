//! The README's section about the webhook, as a new user follows it: its commands are run in their order, and what it shows
//! is what comes out (its blocks are ```` ```console cluster ````; `tests/docs.rs` runs those that need no cluster). What
//! takes a moment in a cluster is waited for. `PRELIT_BLESS=1` writes what comes out into it.

use super::Ground;
use super::control_plane::{ControlPlane, Controllers};
use super::place::{Place, ROOT};
use super::probe::wait_until_injected;
use super::process::PATIENCE;
use super::replicas::{Replica, endpoints};
use super::shell::settle;
use super::support::folder::bless;
use libtest_mimic::Trial;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

const SECTION: &str = "\n## In the cluster\n";

pub fn trials(ground: &Ground) -> Vec<Trial> {
    vec![ground.trial("readme::a_new_user_sees_what_is_shown", a_new_user_sees_what_is_shown)]
}

fn a_new_user_sees_what_is_shown(place: &Place) {
    let page = std::fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let (before, rest) = page.split_once(SECTION).expect("the section");
    let (section, after) = rest.split_at(rest.find("\n## ").expect("another section"));
    place.copy("deploy", "deploy");
    place.copy("docs/examples", "docs/examples");
    let control_plane = ControlPlane::start(Controllers::All);
    control_plane.welcome(place, "apps");

    let applied = section.lines().find(|line| line.starts_with("kubectl apply ")).expect("one file is applied");
    place.out(applied);
    control_plane.wait_until_defined();
    // There is no node on which the Deployment that was applied could run.
    let mut replica = Replica::start(&control_plane, &place.path(""), "replica-1", "10.99.15.1");
    endpoints(&control_plane, &[replica.address]);
    replica.wait_until_ready();
    wait_until_injected(place, "apps");

    let mut lines = section.lines().peekable();
    let mut shown = String::new();
    let mut in_console = false;
    while let Some(line) = lines.next() {
        writeln!(shown, "{line}").unwrap();
        in_console = line == "```console cluster" || in_console && line != "```";
        if let Some(command) = line.strip_prefix("$ ").filter(|_| in_console) {
            let mut should = String::new();
            while let Some(line) = lines.next_if(|line| *line != "```" && !line.starts_with("$ ")) {
                writeln!(should, "{line}").unwrap();
            }
            let run = || without_ages(&place.out(command));
            let only_looks = ["get", "describe"].iter().any(|verb| command.starts_with(&format!("kubectl {verb} ")));
            shown += &if only_looks { once_it_is(&should, run) } else { run() };
        }
    }
    settle("README.md", &format!("{before}{SECTION}{shown}{after}"));
}

/// What comes out once it is as it should be, or in the end.
fn once_it_is(should: &str, run: impl Fn() -> String) -> String {
    // While it is not known how it should be, it is what stays.
    let patience = if bless() { PATIENCE / 10 } else { PATIENCE };
    let start = Instant::now();
    loop {
        let is = run();
        if is == should || start.elapsed() > patience {
            return is;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// With every age that kubectl writes as five seconds, in as many columns.
fn without_ages(text: &str) -> String {
    let mut words: Vec<String> = text.split(' ').map(str::to_owned).collect();
    for word in &mut words {
        let (age, end) = word.split_at(word.find('\n').unwrap_or(word.len()));
        let is_age = age.strip_suffix('s').is_some_and(|number| number.parse::<u32>().is_ok());
        if is_age {
            // What follows is padding, but at the end of a line.
            let padding = if end.is_empty() { " ".repeat(age.len() - 2) } else { String::new() };
            *word = format!("5s{padding}{end}");
        }
    }
    words.join(" ")
}
