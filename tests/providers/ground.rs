//! What the tests stand on: the tools, and what `prepare` makes. It is made before this process goes apart, since that takes
//! PyPI where something is missing.

use super::apart;
use super::application::{APPLICATIONS, Application, BARE, PROVIDERS, Provider};
use super::place::ROOT;
use super::tools::{self, Tools};
use libtest_mimic::{Completion, Trial};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What `prepare` has said, for the process that runs apart.
const SAID: &str = "prepared.json";

/// The row of the short run.
const SHORT: &str = "openai-newest";

pub struct Ground {
    pub tools: Tools,
    prepared: Result<Prepared, String>,
    slow: bool,
    full: bool,
}

/// What `prepare` says.
#[derive(Deserialize)]
pub struct Prepared {
    /// CPython -> the folder that it is installed in.
    pub pythons: BTreeMap<String, PathBuf>,
    /// Provider -> what its image holds.
    pub images: BTreeMap<String, PathBuf>,
    /// CPython -> environment -> its folder.
    pub environments: BTreeMap<String, BTreeMap<String, PathBuf>>,
}

impl Prepared {
    /// One without packages, of any version.
    pub fn bare_python(&self) -> &Path {
        &self.environments.values().next_back().expect("a CPython")[BARE]
    }
}

impl Ground {
    /// Prepares, and goes apart.
    pub fn find() -> Ground {
        let is = |variable: &str, wanted: &str| env::var_os(variable).is_some_and(|value| value == wanted);
        let slow = is("PRELIT_SLOW", "1");
        let full = is("PRELIT_MATRIX", "full") || is("PRELIT_BLESS", "1");
        // What tests do not run is not prepared.
        let listed = env::args().any(|argument| argument == "--list");
        let prepared = if listed { Err("only listed".to_owned()) } else { prepared(slow) };
        Ground { tools: Tools::find(), prepared, slow, full }
    }

    pub fn prepared(&self) -> &Prepared {
        self.prepared.as_ref().expect("asked before")
    }

    /// What is to be said in place of a test that cannot or need not be run.
    pub fn instead(
        &self,
        name: &str,
        provider: Provider,
        python: &'static str,
        application: &'static Application,
    ) -> Option<Trial> {
        let not_run = |why: String| Trial::ignorable_test(name, || Ok(Completion::ignored_with(why)));
        let prepared = match &self.prepared {
            Ok(prepared) => prepared,
            Err(why) => return Some(tools::skipped(name, why.clone())),
        };
        if self.tools.file("otelcol").is_none() {
            return Some(tools::skipped(name, "no otelcol (set PRELIT_TEST_TOOLS or put it on PATH)".to_owned()));
        }
        if !self.slow && (provider != Provider::OpenLit || application.name != SHORT) {
            return Some(not_run("skipped: slow (set PRELIT_SLOW=1)".to_owned()));
        }
        if !prepared.pythons.contains_key(python) {
            return Some(not_run(if self.slow {
                format!("not run: no CPython {python} on this machine")
            } else {
                "skipped: slow (set PRELIT_SLOW=1)".to_owned()
            }));
        }
        let served = prepared.pythons.keys().filter(|python| *python != "3.8").map(|python| minor(python));
        let is_another = |end: Option<usize>| end.is_some_and(|end| end != minor(python));
        let between = is_another(served.clone().min()) && is_another(served.max());
        // There, packages and libraries are those of the newest.
        if !self.full && between && application.name != SHORT && !takes_turn(provider, python, application) {
            return Some(not_run("skipped: another provider's turn (set PRELIT_MATRIX=full)".to_owned()));
        }
        None
    }
}

/// Between the oldest and the newest Python each row is run for one provider, and each provider has its rows.
fn takes_turn(provider: Provider, python: &str, application: &Application) -> bool {
    let row = APPLICATIONS.iter().position(|each| each.name == application.name).unwrap();
    (row + minor(python)) % PROVIDERS.len() == provider as usize
}

fn minor(python: &str) -> usize {
    python.split_once('.').and_then(|(_, minor)| minor.parse().ok()).expect("a version")
}

/// Prepares and goes apart; there it reads what was said before.
fn prepared(slow: bool) -> Result<Prepared, String> {
    let folder = env::var_os("PRELIT_TEST_TOOLS").ok_or("no packages and applications (set PRELIT_TEST_TOOLS)")?;
    let folder = Path::new(&folder).join("providers");
    let said = folder.join(SAID);
    if !apart::is_entered() {
        let mut command = Command::new(python().ok_or("no Python 3.11 or later, which builds the packages")?);
        command.arg(Path::new(ROOT).join("tests/providers/prepare")).arg(&folder);
        if !slow {
            command.args(["--newest", "--provider", "openlit", "--environment", "current", "--environment", BARE]);
        }
        let output =
            command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err("tests/providers/prepare has failed, and has said why".to_owned());
        }
        fs::write(&said, output.stdout).map_err(|error| format!("{}: {error}", said.display()))?;
    }
    apart::enter()?;
    let said = fs::read(&said).map_err(|error| format!("{}: {error}", said.display()))?;
    serde_json::from_slice(&said).map_err(|error| error.to_string())
}

/// A Python that can build.
fn python() -> Option<PathBuf> {
    let ask = ["-c", "import sys; sys.exit(sys.version_info < (3, 11)) "];
    let folders: Vec<PathBuf> = env::split_paths(&env::var_os("PATH")?).collect();
    let names = ["python3", "python3.13", "python3.12", "python3.11"];
    let mut programs = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    programs.find(|program| {
        let asked = Command::new(program).args(ask).stdin(Stdio::null()).stderr(Stdio::null()).status();
        asked.is_ok_and(|status| status.success())
    })
}
