//! `prelit cmp`: what Argo CD's plugin server runs in the folder of an Application. The server sends no option and
//! nothing on stdin; what there is to know stands in the environment.

mod checkout;
mod confine;
mod defaults;
mod directory;
mod helm;
mod kustomize;
mod program;

use super::args::Cmp;
use super::format::text;
use super::options::{self, Sent};
use super::stream::{self, Part};
use super::style::Style;
use super::{Exit, Talk, doors};
use crate::api::settings::{SettingProblem, VARIABLES};
use crate::api::{Reason, Severity};
use crate::argocd::{Environment, SourceKind, announcements};
use crate::render::kustomization::NAMES;
use crate::render::report::{Gate, Item, Position, count};
use crate::render::{self, Action, Failure, Failures, Source, objects};
use checkout::Checkout;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Argo CD shows an error as one paragraph and keeps it: more errors than this are only counted.
const MOST: usize = 10;

/// Opens the door.
///
/// # Errors
///
/// Everything that is wrong with the environment, the folder and its manifests. Nothing was written then.
pub fn run(command: &Cmp, talk: Talk) -> Result<Exit, Failures> {
    let result = match command {
        Cmp::Generate { defaults, timeout, max_size } => {
            let limits = Limits { deadline: Instant::now() + Duration::from_secs(*timeout), bytes: max_size << 20 };
            generate(defaults, limits, talk)
        }
        Cmp::Parameters { defaults } => parameters(defaults),
        Cmp::Discover => discover(),
    };
    result.map_err(shortened)
}

/// One manifest of many: as it is shown, and its bytes.
struct Manifest {
    name: String,
    bytes: Vec<u8>,
}

/// What was rendered, and what was said meanwhile.
struct Output {
    manifests: Vec<Manifest>,
    said: String,
}

/// Bounds of what renders.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// When it must be done.
    deadline: Instant,
    /// How much all manifests may be together: what is read takes many times as much memory.
    bytes: u64,
}

fn generate(defaults: &Path, limits: Limits, talk: Talk) -> Result<Exit, Failures> {
    let (environment, problems) = Environment::read_what_can_be(std::env::vars_os());
    let mut failures: Vec<Failure> = problems.into_iter().map(Failure::new).collect();
    let checkout = Checkout::here(environment.source_path.as_deref())?;
    let kind = kind_of(checkout.folder());
    let parameters = &environment.parameters;
    failures.extend(foreign(&environment, kind));

    let mut configuration = defaults::read(defaults)?;
    configuration.namespace.clone_from(&environment.namespace);
    let given = environment.settings();
    let placed = |problems: &[SettingProblem]| problems.iter().map(|problem| wrong(&environment, problem)).collect();
    let sent = Sent { given: &given, failures: &placed };
    let options = options::options(Action::Inject, &configuration, Some(sent));
    let options = match options {
        Ok(options) if failures.is_empty() => options,
        others => {
            failures.extend(others.err().into_iter().flat_map(|wrong| wrong.0));
            return Err(Failures(failures));
        }
    };
    let configs = options::configs(&configuration)?;

    let output = match kind {
        SourceKind::Kustomize => kustomize::build(&checkout, limits)?,
        SourceKind::Helm => helm::template(&checkout, &environment, limits)?,
        SourceKind::Directory => {
            Output { manifests: directory::read(&checkout, parameters, limits)?, said: String::new() }
        }
    };
    let Output { manifests, said } = output;
    let sources: Vec<Source> = manifests
        .iter()
        .map(|Manifest { name, bytes }| Source { name, bytes, lenient: false, left_alone: None })
        .collect();
    let say_template =
        |failures: Failures| if kind == SourceKind::Helm { helm::named(failures, &manifests) } else { failures };
    let counts = render::all(render::side_by_side(&sources, objects::count)).map_err(say_template)?;
    if counts.iter().sum::<usize>() == 0 && !parameters.is_true("allow-empty") {
        return Err(doors::error(&empty(kind, &checkout)));
    }
    let (splices, mut report) = render::render(&sources, options, &options::sources(&configs)).map_err(say_template)?;
    // The defaults of the sidecar are for all Applications: that one of them selects nothing here says nothing.
    report.remarks.retain(|remark| remark.reason != Reason::SelectsNothing);

    let items = report.items(Gate::Done);
    let barred = parameters.is_true("strict") && count(&items, Severity::Strict) > 0;
    if !barred {
        let parts: Vec<Part> =
            manifests.iter().zip(&splices).map(|(Manifest { bytes, .. }, splices)| Part { bytes, splices }).collect();
        stream::to_stdout(&stream::join(&parts)).map_err(|error| doors::error(&format!("stdout: {error}")))?;
    }
    let shown = |weight| match weight {
        Severity::Finding | Severity::Strict => barred || !talk.quiet,
        Severity::Warning => !barred && !talk.quiet,
        // A log is all that there is to ask why something was skipped.
        Severity::Info => !talk.quiet,
        Severity::Note => talk.verbose,
    };
    let items: Vec<Item> =
        items.into_iter().filter(|item| talk.verbose || item.reason != Reason::NotSelected).collect();
    if !said.is_empty() && !talk.quiet {
        doors::mutter(&format!("{}: {said}\n", kind.word()));
    }
    doors::mutter(&text::items(&items, shown, Style::of_stderr()));
    if barred {
        doors::say_barred("parameter \"strict\"", &items, ", so nothing was written");
        return Ok(Exit::Findings);
    }
    let place = match kind {
        SourceKind::Kustomize => "what kustomize built".to_owned(),
        SourceKind::Helm => "what helm rendered".to_owned(),
        SourceKind::Directory => doors::plural(manifests.len(), "file"),
    };
    doors::say_of(talk, &report, doors::Tense::Did, &place);
    Ok(Exit::Done)
}

/// What is wrong with the parameters of the Application is no obstacle: here is where it is mended.
fn parameters(defaults: &Path) -> Result<Exit, Failures> {
    let (environment, _) = Environment::read_what_can_be(std::env::vars_os());
    let kind = kind_of(Checkout::here(environment.source_path.as_deref())?.folder());
    let mut pairs = options::pairs(&defaults::read(defaults)?)?;
    pairs.extend(environment.settings().pairs);
    let default = |setting: &'static str| {
        let given = pairs.iter().rfind(|(name, _)| name == setting).map(|(_, value)| value.clone());
        let built_in = || VARIABLES.iter().find(|variable| variable.name == setting).map(|it| it.default.to_owned());
        given.or_else(built_in).unwrap_or_default()
    };
    let list: Vec<_> = announcements(|scope| scope.is_dynamic(kind), default).collect();
    let json = serde_json::to_string_pretty(&list).map_err(|error| doors::error(&error.to_string()))?;
    doors::print(format!("{json}\n").as_bytes())?;
    Ok(Exit::Done)
}

/// Says the kind of a folder that can be rendered, and nothing of any other: Argo CD takes silence for a no.
fn discover() -> Result<Exit, Failures> {
    let (environment, _) = Environment::read_what_can_be(std::env::vars_os());
    let checkout = Checkout::here(environment.source_path.as_deref())?;
    let kind = kind_of(checkout.folder());
    let can_be_rendered = match kind {
        SourceKind::Kustomize => kustomize::can_be_built(&checkout),
        SourceKind::Helm => helm::can_be_rendered(&checkout),
        SourceKind::Directory => directory::has_manifest(&checkout, &environment.parameters),
    };
    if can_be_rendered {
        doors::print(format!("{}\n", kind.word()).as_bytes())?;
    }
    Ok(Exit::Done)
}

/// As Argo CD finds it: where both stand, the kustomization counts.
fn kind_of(folder: &Path) -> SourceKind {
    // A link to nothing is a mistake that its program names.
    let has = |name: &str| fs::symlink_metadata(folder.join(name)).is_ok_and(|found| !found.is_dir());
    if NAMES.iter().any(|name| has(name)) {
        SourceKind::Kustomize
    } else if has("Chart.yaml") {
        SourceKind::Helm
    } else {
        SourceKind::Directory
    }
}

/// A parameter that cannot have an effect was meant to have one.
fn foreign(environment: &Environment, kind: SourceKind) -> impl Iterator<Item = Failure> {
    environment.parameters.foreign_to(kind).map(move |(name, other)| {
        let (found, expected) = (kind.word(), other.word());
        Failure::new(format!("parameter {name:?}: it is for sources of the kind {expected}, found {found}"))
    })
}

/// What is wrong with a setting of the Application.
fn wrong(environment: &Environment, problem: &SettingProblem) -> Failure {
    Failure::new(format!("{}: {}", environment.origin(&problem.name), problem.message))
}

/// An empty answer would make Argo CD delete everything.
fn empty(kind: SourceKind, checkout: &Checkout) -> String {
    let what = match kind {
        SourceKind::Kustomize => "the kustomization builds nothing".to_owned(),
        SourceKind::Helm => "the chart renders to nothing".to_owned(),
        SourceKind::Directory => match directory::unsupported(checkout) {
            Some(name) => format!("found {name}, which is not supported, and no Kubernetes manifest"),
            None => "found no Kubernetes manifest (*.yaml, *.yml, *.json) in the folder".to_owned(),
        },
    };
    format!("{what}; expected some, since Argo CD deletes what is missing (parameter \"allow-empty\" allows it)")
}

/// Where something that should be JSON is none.
fn not_json(name: String, error: &serde_json::Error, message: String) -> Failure {
    let position = Position { file: name, line: error.line(), column: error.column() };
    Failure { position: Some(position), ..Failure::new(message) }
}

fn shortened(mut failures: Failures) -> Failures {
    let more = failures.0.len().saturating_sub(MOST);
    if more > 0 {
        failures.0.truncate(MOST);
        failures.0.push(Failure::new(format!("and {}", doors::plural(more, "more error"))));
    }
    failures
}
