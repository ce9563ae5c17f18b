//! The engine's front: what is to be done with one pod template, under all configurations of a run.
//!
//! | the template carries | it is selected by | then |
//! |---|---|---|
//! | nothing | a resource, or the label | it is injected |
//! | nothing | nothing | it is left alone, and the reason is told |
//! | an injection that somebody changed | anything | it is left alone (with force: as the rows below, and renewed where it would be current) |
//! | an injection | what gives the same | it is current |
//! | an injection | what gives something else, or nothing any more | it is renewed |
//! | an injection | nothing, and it is opted out or its configuration is known | it is taken out |
//! | an injection | at most the label, and its configuration is not known | it is left alone |
//!
//! A configuration is not known when this run has no resource of its name; and the settings' profile is not
//! known when no setting was given that it is made of and theirs were others: nothing is removed or pointed to a
//! default because a file was not given.

use super::configuration::{Configuration, InitImage};
use super::containers::{Outcome, choose};
use super::index::Index;
use super::mistakes::mistakes;
use super::plan::{self, Plan};
use super::record::Record;
use super::select::{self, Candidate, Matches, Namespaces, Subject};
use super::state::{self, Injection};
use super::undo::undo;
use crate::api::resource::AutoInstrumentation;
use crate::api::selector::LabelSelector;
use crate::api::settings::{Knative, Settings};
use crate::api::{Finding, Reason, names};
use crate::manifest::{Container, PodTemplate, Role, Row, Workload, workloads_as};
use crate::value::{Edit, Value};
use std::sync::Arc;

/// What is shown for a template that no resource selects, but the label.
const LABEL: &str = "label";
/// The setting that decides on Knative's pods.
const KNATIVE: &str = "OPENLIT_KNATIVE";

/// All configurations of a run.
#[derive(Debug)]
pub struct Engine {
    resources: Vec<Arc<Prepared>>,
    index: Index,
    /// The settings' own profile, for what the label selects.
    profile: Effective,
    settings: Settings,
    /// The namespace of objects that name none; empty for the unnamed one.
    namespace: String,
}

/// A resource, and what comes of it with the settings: whoever makes one engine after another keeps it.
#[derive(Debug)]
pub struct Prepared {
    resource: Arc<AutoInstrumentation>,
    /// Its namespace; none where it applies to all.
    namespace: Option<String>,
    effective: Effective,
}

/// A configuration, and its digest.
#[derive(Debug, PartialEq)]
struct Effective {
    configuration: Configuration,
    digest: String,
}

impl From<Configuration> for Effective {
    fn from(configuration: Configuration) -> Self {
        Effective { digest: configuration.digest(), configuration }
    }
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

impl ContainerVerdict {
    fn new(container: usize, state: State, reason: Option<Reason>, detail: String) -> Self {
        ContainerVerdict { container, state, reason, detail }
    }
}

/// What was decided of a template.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The name of the resource that selects it, or `label`.
    pub selected_by: Option<String>,
    /// The init image that whatever selects it chooses.
    pub init_image: Option<InitImage>,
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
        // Every container has the reason of the whole.
        let skipped =
            |index| ContainerVerdict::new(index, State::Skipped, Some(finding.reason), finding.detail.clone());
        Verdict {
            selected_by: None,
            init_image: None,
            state: State::Skipped,
            work: Work::Nothing,
            containers: of_the_user(template).map(skipped).collect(),
            whole: Some(finding),
            notes: Vec::new(),
        }
    }

    /// Nothing takes the place of what was to be renewed: it is taken out, for this reason.
    pub fn becomes_removal(&mut self, cause: Option<&Finding>) {
        let Work::Renew(edits) = std::mem::replace(&mut self.work, Work::Nothing) else { return };
        self.work = Work::Remove(edits);
        let finding = no_longer_selected(cause);
        for container in self.containers.iter_mut().filter(|container| container.state == self.state) {
            container.state = State::Removed;
            container.reason = Some(finding.reason);
            container.detail.clone_from(&finding.detail);
        }
        self.state = State::Removed;
        self.whole = Some(finding);
    }
}

/// The reason of any removal; what brought it about stands in the detail.
fn no_longer_selected(cause: Option<&Finding>) -> Finding {
    let at = cause.map(|cause| cause.at.clone()).unwrap_or_default();
    let parts = cause.iter().flat_map(|cause| [cause.reason.code(), cause.detail.as_str()]);
    let detail: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    Finding::new(Reason::NoLongerSelected, at).with(detail.join(": "))
}

/// Why a selected template is not injected, as a finding or for each container.
enum Refused {
    Whole(Finding),
    Containers(Vec<ContainerVerdict>),
}

impl Refused {
    fn verdict(self, template: &PodTemplate<'_>) -> Verdict {
        match self {
            Refused::Whole(finding) => Verdict::left_alone(template, finding),
            Refused::Containers(containers) => Verdict {
                selected_by: None,
                init_image: None,
                state: State::Skipped,
                work: Work::Nothing,
                containers,
                whole: None,
                notes: Vec::new(),
            },
        }
    }

    /// One finding for all of it.
    fn finding(&self, template: &PodTemplate<'_>) -> Finding {
        match self {
            Refused::Whole(finding) => finding.clone(),
            Refused::Containers(containers) => {
                let reason = containers.iter().find_map(|container| container.reason).unwrap_or(Reason::NotSelected);
                Finding::new(reason, template.at.clone())
            }
        }
    }
}

/// A plan, and what became of each container.
struct Planned {
    plan: Plan,
    containers: Vec<ContainerVerdict>,
}

/// What selects a template.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Selected<'e> {
    by: By,
    effective: &'e Effective,
}

/// What kind of thing selects a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// The resource of this number.
    Resource(usize),
    Label,
}

impl Selected<'_> {
    /// As it is shown.
    fn name(&self) -> &str {
        match self.by {
            By::Resource(_) => &self.effective.configuration.name,
            By::Label => LABEL,
        }
    }
}

impl Engine {
    /// An engine for a run. A resource that comes with `true` was given apart and names no namespace:
    /// it applies to all.
    pub fn new(
        resources: impl IntoIterator<Item = (AutoInstrumentation, bool)>,
        settings: &Settings,
        namespace: Option<String>,
    ) -> Self {
        let namespace = namespace.unwrap_or_default();
        let resources = resources.into_iter().map(|(resource, everywhere)| {
            let own = resource.namespace.clone().unwrap_or_else(|| namespace.clone());
            Arc::new(Prepared::new(resource.into(), (!everywhere).then_some(own), settings))
        });
        let resources = resources.collect();
        Engine { namespace, ..Engine::of(resources, settings) }
    }

    /// An engine of resources that were prepared with these settings, for objects that all name their namespace.
    pub fn of(resources: Vec<Arc<Prepared>>, settings: &Settings) -> Self {
        let mut index = Index::default();
        for (number, Prepared { resource, namespace, .. }) in resources.iter().map(AsRef::as_ref).enumerate() {
            index.add(number, namespace.as_deref(), &resource.spec.selector, resource.spec.ignore.as_ref());
        }
        Engine {
            resources,
            index,
            profile: Configuration::from_settings(settings).into(),
            settings: settings.clone(),
            namespace: String::new(),
        }
    }

    /// Decides what injecting does to a template of a workload. `extra` are the kinds that the user named.
    pub fn inject(&self, workload: &Workload<'_>, template: &PodTemplate<'_>, extra: &[Row], force: bool) -> Verdict {
        let (selected, mut notes) = self.select(workload, template);
        notes.extend(mistakes(workload, template, |key| self.index.asks_for(key)));
        let mut verdict = match state::read(template) {
            Injection::Unreadable(finding) => Verdict::left_alone(template, finding),
            Injection::Found(record) => self.inject_again(workload, template, &record, &selected, extra, force),
            Injection::None if lost_its_record(template) => {
                let at = template.annotations.key(names::ANNOTATION_INJECTION);
                Verdict::left_alone(template, Finding::new(Reason::UnreadableRecord, at).with("it is missing"))
            }
            Injection::None => match &selected {
                Err(finding) => Verdict::left_alone(template, finding.clone()),
                Ok(selected) => match self.plan(workload, template, selected.effective) {
                    Err(refused) => refused.verdict(template),
                    Ok(Planned { plan, containers }) => Verdict {
                        selected_by: None,
                        init_image: None,
                        state: State::Injected,
                        work: Work::Inject(plan.edits),
                        containers,
                        whole: None,
                        notes: plan.notes,
                    },
                },
            },
        };
        if let Ok(selected) = selected {
            verdict.selected_by = Some(selected.name().to_owned());
            verdict.init_image = Some(selected.effective.configuration.init_image.clone());
        }
        verdict.notes.splice(0..0, notes);
        verdict
    }

    /// The resource that selects a template, and the digest of what it gives: a record with another one is outdated.
    /// Nothing where only the label does, or nothing.
    pub fn selecting(
        &self,
        workload: &Workload<'_>,
        template: &PodTemplate<'_>,
    ) -> Option<(&AutoInstrumentation, String)> {
        let (selected, _) = self.select(workload, template);
        let Selected { by: By::Resource(number), effective } = selected.ok()? else { return None };
        Some((&self.resources[number].resource, effective.digest.clone()))
    }

    /// Decides what taking our part out does to a template; nothing where there is none.
    ///
    /// # Errors
    /// When somebody changed what was added, or the annotation cannot be read, and nothing is forced.
    pub fn remove(&self, template: &PodTemplate<'_>, force: bool) -> Result<Option<Verdict>, Finding> {
        match state::read(template) {
            Injection::None => Ok(None),
            Injection::Unreadable(finding) => Err(finding),
            Injection::Found(record) => match state::examine(template, &record) {
                Some(finding) if !force => Err(finding),
                _ => Ok(Some(removed(template, &record, None))),
            },
        }
    }

    /// What selects a template, and what is worth knowing about that.
    fn select(
        &self,
        workload: &Workload<'_>,
        template: &PodTemplate<'_>,
    ) -> (Result<Selected<'_>, Finding>, Vec<Finding>) {
        let global = self.settings.global_namespace.as_deref();
        let near = self.index.near(template, std::iter::once(self.namespace_of(workload)).chain(global));
        self.select_among(&near, workload, template)
    }

    /// The same, where these resources are asked alone.
    fn select_among(
        &self,
        numbers: &[usize],
        workload: &Workload<'_>,
        template: &PodTemplate<'_>,
    ) -> (Result<Selected<'_>, Finding>, Vec<Finding>) {
        let candidates: Vec<Candidate<'_>> = numbers.iter().map(|number| self.resources[*number].candidate()).collect();
        let namespace = Some(self.namespace_of(workload)).filter(|name| !name.is_empty());
        let subject = Subject { template, workload_labels: workload.object.labels(), namespace };
        let namespaces = Namespaces {
            global: self.settings.global_namespace.as_deref(),
            own: Some(self.settings.webhook.namespace.as_str()),
        };
        let selection = select::select(&subject, &candidates, !self.resources.is_empty(), &namespaces);
        let at = |(reason, detail): (Reason, String)| Finding::new(reason, template.at.clone()).with(detail);
        let selected = match selection.by {
            select::Selected::Resource { index, .. } => {
                let number = numbers[index];
                Ok(Selected { by: By::Resource(number), effective: &self.resources[number].effective })
            }
            select::Selected::Label { .. } => Ok(Selected { by: By::Label, effective: &self.profile }),
            select::Selected::No(reason, detail) => Err(at((reason, detail))),
        };
        (selected, selection.notes.into_iter().map(at).collect())
    }

    /// The namespace of a workload; empty for the unnamed one.
    fn namespace_of<'w>(&'w self, workload: &'w Workload<'_>) -> &'w str {
        workload.object.namespace().unwrap_or(&self.namespace)
    }

    /// Plans the injection of a template that carries none.
    fn plan(
        &self,
        workload: &Workload<'_>,
        template: &PodTemplate<'_>,
        Effective { configuration, digest }: &Effective,
    ) -> Result<Planned, Refused> {
        if workload.knative && self.settings.knative != Knative::Render {
            return Err(Refused::Whole(Finding::new(Reason::KnativeFeatures, template.at.clone())));
        }
        if !template.containers.iter().any(|container| container.role == Role::App) {
            return Err(Refused::Whole(Finding::new(Reason::NoContainers, template.at.clone())));
        }
        let choice = choose(template, configuration);
        let mut notes = Vec::new();
        let mut containers = Vec::with_capacity(choice.containers.len());
        for (index, outcome) in choice.containers.iter().enumerate() {
            containers.push(match outcome {
                Outcome::Injected { notes: of_container, evidence } => {
                    let at = &template.containers[index].at;
                    notes.extend(
                        of_container
                            .iter()
                            .map(|(reason, detail)| Finding::new(*reason, at.clone()).with(detail.clone())),
                    );
                    ContainerVerdict::new(index, State::Injected, None, evidence.clone().unwrap_or_default())
                }
                Outcome::Skipped(reason, detail) => {
                    ContainerVerdict::new(index, State::Skipped, Some(*reason), detail.clone())
                }
            });
        }
        let chosen: Vec<usize> = choice.injected().collect();
        if chosen.is_empty() {
            return Err(match choice.whole {
                Some((reason, detail)) => Refused::Whole(Finding::new(reason, template.at.clone()).with(detail)),
                None => Refused::Containers(containers),
            });
        }
        let mut plan = plan::inject_by(template, &chosen, configuration, digest.clone()).map_err(Refused::Whole)?;
        plan.notes.splice(0..0, notes);
        Ok(Planned { plan, containers })
    }

    /// Decides a template that carries an injection.
    fn inject_again(
        &self,
        workload: &Workload<'_>,
        template: &PodTemplate<'_>,
        record: &Record,
        selected: &Result<Selected<'_>, Finding>,
        extra: &[Row],
        force: bool,
    ) -> Verdict {
        let edited = state::examine(template, record);
        if let Some(finding) = edited.as_ref().filter(|_| !force) {
            return of_record(template, record, State::Edited, Work::Nothing, Some(finding));
        }
        let unknown = || {
            let finding =
                Finding::new(Reason::ConfigurationUnknown, template.at.clone()).with(record.configuration.clone());
            of_record(template, record, State::Skipped, Work::Nothing, Some(&finding))
        };
        let effective = match selected {
            Err(finding) if !decides_alone(finding.reason) && !self.knows(record) => return unknown(),
            Err(finding) => return removed(template, record, Some(finding)),
            Ok(Selected { by: By::Label, .. }) if !self.knows(record) => return unknown(),
            Ok(selected) => selected.effective,
        };
        if edited.is_some() {
            // With force what somebody changed is taken out with the rest, and decided anew.
            return of_record(template, record, State::Stale, Work::Renew(undo(template, record)), None);
        }
        let mut skipped = Vec::new();
        let standing = state::compare(template, record, |stripped| {
            let found = workloads_as(stripped, workload.object.kind, workload.object.api_version, extra);
            let again =
                found.workloads.iter().flat_map(|workload| &workload.templates).find(|again| again.at == template.at);
            let Some(again) = again else { return Err(Finding::new(Reason::NotSelected, template.at.clone())) };
            match self.plan(workload, again, effective) {
                Ok(planned) => {
                    skipped = named(again, planned.containers);
                    Ok(planned.plan)
                }
                Err(refused) => Err(refused.finding(again)),
            }
        });
        let mut verdict = match standing {
            state::State::Current(plan) => {
                Verdict { notes: plan.notes, ..of_record(template, record, State::Current, Work::Nothing, None) }
            }
            state::State::Stale(plan) => Verdict {
                notes: plan.notes,
                ..of_record(template, record, State::Stale, Work::Renew(undo(template, record)), None)
            },
            state::State::Edited(finding) => of_record(template, record, State::Edited, Work::Nothing, Some(&finding)),
            state::State::Refused(finding)
                if finding.reason == Reason::KnativeFeatures && !self.settings.give(KNATIVE) =>
            {
                return unknown();
            }
            state::State::Refused(finding) => return removed(template, record, Some(&finding)),
        };
        // Containers that are not instrumented have their own reasons.
        for container in &mut verdict.containers {
            let name = template.containers[container.container].name.as_ref();
            let own =
                skipped.iter().find(|(skipped, ..)| skipped == name).filter(|_| container.state == State::Skipped);
            if let Some((_, reason, detail)) = own {
                container.reason = Some(*reason);
                container.detail.clone_from(detail);
            }
        }
        verdict
    }

    /// Whether the configuration that an injection was made by is one of this run: a resource of its name, or
    /// the settings' profile, if this run was given settings that make another or if they are still the same.
    fn knows(&self, record: &Record) -> bool {
        if record.configuration == self.profile.configuration.name {
            return self.settings.give_profile() || record.digest == self.profile.digest;
        }
        self.resources.iter().any(|one| one.effective.configuration.name == record.configuration)
    }
}

/// Whether a template without a record has our own init container: somebody took the annotation away.
fn lost_its_record(template: &PodTemplate<'_>) -> bool {
    template
        .containers
        .iter()
        .filter(|container| container.role != Role::App && container.name == names::INIT_CONTAINER)
        .any(|init| {
            let command = init.value.get("command").and_then(Value::as_list).unwrap_or_default();
            command.iter().any(|word| word.as_text().is_some_and(|word| word.contains(names::SETUP_SCRIPT)))
        })
}

/// Whether a reason for not selecting holds whatever configurations there are.
fn decides_alone(reason: Reason) -> bool {
    matches!(reason, Reason::OptedOut | Reason::NamespaceExcluded)
}

impl Prepared {
    /// A resource of a namespace, or, without one, of all.
    pub fn new(resource: Arc<AutoInstrumentation>, namespace: Option<String>, settings: &Settings) -> Self {
        let effective = Configuration::from_resource(&resource, settings).into();
        Prepared { resource, namespace, effective }
    }

    fn candidate(&self) -> Candidate<'_> {
        let spec = &self.resource.spec;
        Candidate {
            name: &self.resource.name,
            namespace: self.namespace.as_deref(),
            priority: spec.priority.into(),
            enabled: spec.python.instrumentation.enabled,
            invalid: false,
            selector: &spec.selector,
            ignore: spec.ignore.as_ref().filter(|ignore| !ignore.is_empty()).map(|ignore| ignore as &dyn Matches),
        }
    }
}

impl Matches for LabelSelector {
    fn matches<'l>(&self, label: &dyn Fn(&str) -> Option<&'l str>) -> bool {
        self.matches(label)
    }
}

/// The reasons of the containers that are skipped, by name: their places differ once our init container is out.
fn named(template: &PodTemplate<'_>, containers: Vec<ContainerVerdict>) -> Vec<(String, Reason, String)> {
    let skipped = containers.into_iter().filter_map(|container| {
        let name = template.containers[container.container].name.clone().into_owned();
        Some((name, container.reason?, container.detail))
    });
    skipped.collect()
}

/// The containers of a template but our own init container, where it carries an injection.
fn of_the_user(template: &PodTemplate<'_>) -> impl Iterator<Item = usize> {
    let injected = template.annotation(names::ANNOTATION_INJECTION).is_some();
    let is_ours = move |container: &Container<'_>| {
        injected && container.role != Role::App && container.name == names::INIT_CONTAINER
    };
    template.containers.iter().enumerate().filter(move |(_, container)| !is_ours(container)).map(|(index, _)| index)
}

/// A verdict on an injection that is there: its containers have the state, the others are skipped.
fn of_record(
    template: &PodTemplate<'_>,
    record: &Record,
    state: State,
    work: Work,
    finding: Option<&Finding>,
) -> Verdict {
    let reason = finding.map(|finding| finding.reason);
    let detail = finding.map(|finding| finding.detail.clone()).unwrap_or_default();
    let of_container = |index: usize| {
        if record.containers.contains_key(template.containers[index].name.as_ref()) {
            ContainerVerdict::new(index, state, reason, detail.clone())
        } else {
            ContainerVerdict::new(index, State::Skipped, None, String::new())
        }
    };
    Verdict {
        selected_by: None,
        init_image: None,
        state,
        work,
        containers: of_the_user(template).map(of_container).collect(),
        whole: finding.cloned(),
        notes: Vec::new(),
    }
}

/// A verdict that takes an injection out, and why.
fn removed(template: &PodTemplate<'_>, record: &Record, cause: Option<&Finding>) -> Verdict {
    let finding = cause.map(|cause| no_longer_selected(Some(cause)));
    of_record(template, record, State::Removed, Work::Remove(undo(template, record)), finding.as_ref())
}

#[cfg(test)]
mod tests;
