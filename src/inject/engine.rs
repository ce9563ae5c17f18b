//! The engine's front: what is to be done with one pod template, under all configurations of a run.
//!
//! | the template carries | it is selected by | then |
//! |---|---|---|
//! | nothing | a resource, or the label | it is injected |
//! | nothing | nothing | it is left alone, and the reason is told |
//! | an injection that somebody changed | anything | it is left alone (with force: as the rows below) |
//! | an injection | what gives the same | it is current |
//! | an injection | what gives something else, or nothing any more | it is renewed |
//! | an injection | nothing, and it is opted out or its configuration is known | it is taken out |
//! | an injection | at most the label, and its configuration is not known | it is left alone |
//!
//! A configuration is not known when this run has no resource of its name; and the settings are not
//! known when none were given and theirs were others: nothing is removed or pointed to a default because a
//! file was not given.

use super::configuration::Configuration;
use super::containers::{Choice, choose};
use super::plan::{self, Plan};
use super::record::Record;
use super::select::{Candidate, Place, Selection, select};
use super::state::{self, Injection};
use super::undo::undo;
use crate::api::{AutoInstrumentation, Finding, Knative, Reason, Settings};
use crate::manifest::{PodTemplate, Role, Row, Workload};
use crate::value::{Edit, Value};

/// The name that the settings' own profile has in the annotation.
pub const SETTINGS: &str = super::configuration::SETTINGS_NAME;

/// All configurations of a run.
#[derive(Debug)]
pub struct Engine {
    resources: Vec<Entry>,
    profile: Configuration,
    profile_digest: String,
    settings: Settings,
    namespace: Option<String>,
}

#[derive(Debug)]
struct Entry {
    resource: AutoInstrumentation,
    everywhere: bool,
    configuration: Configuration,
}

/// What is so with a container or a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// It is to be injected.
    Injected,
    /// It is injected, and nothing is to be done.
    Current,
    /// It is injected, and to be renewed.
    Stale,
    /// It is injected, and somebody changed what was added.
    Edited,
    /// Its injection is to be taken out.
    Removed,
    /// Nothing is to be done.
    Skipped,
}

/// The edits that are to be made, addressed to the object.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// None.
    Nothing,
    /// These.
    Inject(Vec<Edit>),
    /// These take our part out.
    Remove(Vec<Edit>),
    /// These take our part out; then the template is to be decided anew.
    Renew(Vec<Edit>),
}

/// What was decided of a container.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerVerdict {
    /// Its index in [`PodTemplate::containers`].
    pub container: usize,
    /// What is so.
    pub state: State,
    /// Why, unless it is injected.
    pub reason: Option<Reason>,
    /// What is particular about the reason.
    pub detail: String,
}

/// What was decided of a template.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The name of the resource that selects it, or `label`.
    pub selected_by: Option<String>,
    /// What is so with the template.
    pub state: State,
    /// What is to be done.
    pub work: Work,
    /// One a container.
    pub containers: Vec<ContainerVerdict>,
    /// The reason that concerns all of it.
    pub whole: Option<Finding>,
    /// What is worth knowing.
    pub notes: Vec<Finding>,
}

impl Verdict {
    /// Nothing is done, for this reason.
    pub fn left_alone(template: &PodTemplate<'_>, finding: Finding) -> Self {
        Verdict::whole(template, State::Skipped, Work::Nothing, Some(finding))
    }

    /// One state and reason for every container that could have been instrumented.
    fn whole(template: &PodTemplate<'_>, state: State, work: Work, finding: Option<Finding>) -> Self {
        let concerned = template.containers.iter().enumerate().filter(|(_, container)| container.role == Role::App);
        let containers = concerned
            .map(|(container, _)| ContainerVerdict {
                container,
                state,
                reason: finding.as_ref().map(|finding| finding.reason),
                detail: finding.as_ref().map(|finding| finding.detail.clone()).unwrap_or_default(),
            })
            .collect();
        Verdict { selected_by: None, state, work, containers, whole: finding, notes: Vec::new() }
    }

    fn selected_by(mut self, name: Option<String>) -> Self {
        self.selected_by = name;
        self
    }
}

/// A selection, resolved to its configuration.
struct Selected<'e> {
    configuration: &'e Configuration,
    name: String,
}

impl Engine {
    /// An engine for a run. A resource that is given `everywhere` applies to every namespace.
    pub fn new(
        resources: impl IntoIterator<Item = (AutoInstrumentation, bool)>,
        settings: &Settings,
        namespace: Option<String>,
    ) -> Self {
        let resources = resources.into_iter().map(|(resource, everywhere)| {
            let configuration = Configuration::from_resource(&resource, settings);
            Entry { resource, everywhere, configuration }
        });
        let profile = Configuration::from_settings(settings);
        let profile_digest = profile.digest();
        Engine { resources: resources.collect(), profile, profile_digest, settings: settings.clone(), namespace }
    }

    /// Whether any resource is there, so that a template can be selected that does not name us.
    pub fn has_resources(&self) -> bool {
        !self.resources.is_empty()
    }

    /// Decides what injecting does to a template of a workload. `extra` are the kinds that the user named.
    pub fn inject(&self, workload: &Workload<'_>, template: &PodTemplate<'_>, extra: &[Row], force: bool) -> Verdict {
        let (selection, mut notes) = self.select(workload, template);
        let mut verdict = match state::read(template) {
            Injection::None => match selection {
                Err(finding) => {
                    notes.clear();
                    Verdict::left_alone(template, finding)
                }
                Ok(selected) => self.fresh(workload, template, &selected),
            },
            Injection::Unreadable(finding) => Verdict::left_alone(template, finding),
            Injection::Found(record) => self.again(workload, template, &record, selection, extra, force),
        };
        notes.append(&mut verdict.notes);
        verdict.notes = notes;
        verdict
    }

    /// Decides what taking our part out does to a template.
    ///
    /// # Errors
    /// When somebody changed what was added, or the annotation cannot be read, and nothing is forced.
    pub fn remove(&self, template: &PodTemplate<'_>, force: bool) -> Result<Option<Verdict>, Finding> {
        match state::read(template) {
            Injection::None => Ok(None),
            Injection::Unreadable(finding) => Err(finding),
            Injection::Found(record) => match state::examine(template, &record) {
                Some(finding) if !force => Err(finding),
                _ => {
                    let work = Work::Remove(undo(template, &record));
                    Ok(Some(of_record(template, &record, State::Removed, work, None)))
                }
            },
        }
    }

    fn select<'e>(&'e self, workload: &Workload<'_>, template: &PodTemplate<'_>) -> (Result<Selected<'e>, Finding>, Vec<Finding>) {
        // Objects that name no namespace belong to the run's; without one, all to the same unnamed one.
        let own = self.namespace.as_deref().unwrap_or_default();
        let namespace = workload.object.namespace().unwrap_or(own);
        let candidates: Vec<Candidate<'_>> = self
            .resources
            .iter()
            .map(|entry| Candidate {
                name: entry.resource.name(),
                namespace: (!entry.everywhere).then(|| entry.resource.namespace().unwrap_or(own)),
                priority: entry.resource.priority(),
                enabled: entry.resource.is_enabled(),
                invalid: false,
                selector: entry.resource.selector(),
                ignore: entry.resource.ignore(),
            })
            .collect();
        let place = Place { workload, namespace, global: self.settings.global_namespace() };
        let (selection, notes) = select(&place, template, &candidates);
        let selected = match selection {
            Selection::Resource(index) => {
                let configuration = &self.resources[index].configuration;
                Ok(Selected { configuration, name: configuration.name.clone() })
            }
            Selection::Label => Ok(Selected { configuration: &self.profile, name: "label".to_owned() }),
            Selection::No(finding) => Err(finding),
        };
        (selected, notes)
    }

    /// A template without an injection.
    fn fresh(&self, workload: &Workload<'_>, template: &PodTemplate<'_>, selected: &Selected<'_>) -> Verdict {
        let planned = self.plan(workload, template, selected.configuration);
        let verdict = match planned {
            Err(Refused { finding, containers: Some(containers) }) => {
                Verdict { selected_by: None, state: State::Skipped, work: Work::Nothing, containers, whole: finding, notes: Vec::new() }
            }
            Err(Refused { finding: Some(finding), containers: None }) => Verdict::left_alone(template, finding),
            Err(Refused { finding: None, containers: None }) => Verdict::whole(template, State::Skipped, Work::Nothing, None),
            Ok(Planned { plan, containers, notes }) => Verdict {
                selected_by: None,
                state: State::Injected,
                work: Work::Inject(plan.edits),
                containers,
                whole: None,
                notes: notes.into_iter().chain(plan.notes).collect(),
            },
        };
        verdict.selected_by(Some(selected.name.clone()))
    }
}
