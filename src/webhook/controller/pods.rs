//! What is known of the cluster's pods, small enough for a hundred thousand of them, and how many each resource selects.
//!
//! Pods that no rule can tell apart are one group: the engine is asked once for all of them, and again when it is
//! another. Of a pod nothing is kept but which group it is in. Knows no rule of selection.

use crate::api::names;
use crate::api::resource::PodCounts;
use crate::inject::engine::Engine;
use crate::inject::record::Record;
use crate::inject::select;
use crate::manifest::workloads_as;
use crate::value::{Path, Value};
use crate::webhook::configurations::Id;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::Event;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Stands for a pod: half of a digest of its uid, whatever form that has.
type Key = [u8; 16];

/// Where a pod is counted.
#[derive(Debug, Clone, Copy)]
struct Place {
    group: u32,
    /// The watch that showed it, and in which of its rounds it last did.
    watch: u16,
    round: u16,
}

/// Pods that are alike to every rule.
#[derive(Debug)]
struct Group {
    /// The smallest pod that is like them, as JSON.
    example: Arc<str>,
    /// How many there are.
    pods: u32,
    /// What the engine said: the resource that selects them, and whether they carry what it says.
    selected: Option<(Arc<Id>, Injection)>,
}

/// Whether a pod carries what the resource that selects it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Injection {
    Instrumented,
    Outdated,
    Missing,
}

/// How many pods a resource selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Tally {
    instrumented: u32,
    outdated: u32,
    missing: u32,
}

impl Tally {
    fn of(&mut self, injection: Injection) -> &mut u32 {
        match injection {
            Injection::Instrumented => &mut self.instrumented,
            Injection::Outdated => &mut self.outdated,
            Injection::Missing => &mut self.missing,
        }
    }

    fn counts(self) -> PodCounts {
        let count = |pods: u32| i32::try_from(pods).unwrap_or(i32::MAX);
        PodCounts {
            matching: count(self.instrumented.saturating_add(self.outdated).saturating_add(self.missing)),
            instrumented: count(self.instrumented),
            outdated: count(self.outdated),
            missing: count(self.missing),
        }
    }
}

/// The pods that are known.
#[derive(Debug, Default)]
pub struct Pods {
    places: HashMap<Key, Place>,
    groups: Vec<Group>,
    /// Places in `groups` that are free.
    free: Vec<u32>,
    by_example: HashMap<Arc<str>, u32>,
    /// Groups of which the engine is to be asked.
    unasked: Vec<u32>,
    tallies: HashMap<Arc<Id>, Tally>,
    /// The round that each watch is in: it begins a new one whenever it shows everything again.
    rounds: HashMap<u16, u16>,
}

impl Pods {
    /// Takes in what a watch says.
    pub fn take(&mut self, watch: u16, event: &Event<PartialObjectMeta<Pod>>) {
        match event {
            Event::Init => {
                let round = self.rounds.entry(watch).or_default();
                *round = round.wrapping_add(1);
            }
            Event::InitApply(pod) | Event::Apply(pod) => self.put(watch, &pod.metadata),
            Event::InitDone => self.forget_unseen(watch),
            Event::Delete(pod) => {
                let place = key(&pod.metadata).and_then(|key| self.places.remove(&key));
                place.inspect(|place| self.leave(place.group));
            }
        }
    }

    /// The engine is another: it is to be asked of every group again.
    pub fn doubt(&mut self) {
        self.unasked.clear();
        let groups = self.groups.iter().enumerate().filter(|(_, group)| group.pods > 0);
        // There are no more groups than `u32` can count: see `enter`.
        self.unasked.extend(groups.filter_map(|(index, _)| u32::try_from(index).ok()));
    }

    /// Asks the engine of so many groups that it was not asked of. Whether there are more.
    pub fn ask(&mut self, engine: &Engine, most: usize) -> bool {
        for _ in 0..most {
            let Some(index) = self.unasked.pop() else { return false };
            let group = &self.groups[index as usize];
            if group.pods > 0 {
                let selected = ask(engine, &group.example);
                let pods = group.pods;
                self.uncount(index, pods);
                self.groups[index as usize].selected = selected.map(|(id, injection)| (self.shared(id), injection));
                self.count(index, pods);
            }
        }
        !self.unasked.is_empty()
    }

    /// How many pods a resource selects, so far as the engine was asked.
    pub fn counts(&self, id: &Id) -> PodCounts {
        self.tallies.get(id).copied().unwrap_or_default().counts()
    }

    fn put(&mut self, watch: u16, pod: &ObjectMeta) {
        let Some(key) = key(pod) else { return };
        let round = self.rounds.get(&watch).copied().unwrap_or_default();
        let before = self.places.get(&key).map(|place| place.group);
        let example = example(pod);
        let group = if let Some(same) = before.filter(|group| *self.groups[*group as usize].example == *example) {
            same
        } else {
            let Some(group) = self.enter(&example) else { return };
            before.inspect(|before| self.leave(*before));
            group
        };
        self.places.insert(key, Place { group, watch, round });
    }

    /// Forgets the pods that a watch, which has shown everything, has not shown any more.
    fn forget_unseen(&mut self, watch: u16) {
        let round = self.rounds.get(&watch).copied().unwrap_or_default();
        let mut left = Vec::new();
        self.places.retain(|_, place| {
            let stays = place.watch != watch || place.round == round;
            if !stays {
                left.push(place.group);
            }
            stays
        });
        for group in left {
            self.leave(group);
        }
    }

    /// Adds a pod to the group of pods like it. None where there are more groups than can be counted: the API server
    /// has not that many pods.
    fn enter(&mut self, example: &str) -> Option<u32> {
        let index = if let Some(index) = self.by_example.get(example) {
            *index
        } else {
            let group = Group { example: example.into(), pods: 0, selected: None };
            let shared = Arc::clone(&group.example);
            let index = if let Some(index) = self.free.pop() {
                self.groups[index as usize] = group;
                index
            } else {
                let index = u32::try_from(self.groups.len()).ok()?;
                self.groups.push(group);
                index
            };
            self.by_example.insert(shared, index);
            self.unasked.push(index);
            index
        };
        self.groups[index as usize].pods += 1;
        self.count(index, 1);
        Some(index)
    }

    /// Takes a pod from its group, which goes with the last.
    fn leave(&mut self, index: u32) {
        self.uncount(index, 1);
        let group = &mut self.groups[index as usize];
        group.pods -= 1;
        if group.pods == 0 {
            group.selected = None;
            self.by_example.remove(&std::mem::replace(&mut group.example, Arc::from("")));
            self.free.push(index);
        }
    }

    fn count(&mut self, group: u32, pods: u32) {
        if let Some((id, injection)) = &self.groups[group as usize].selected {
            *self.tallies.entry(Arc::clone(id)).or_default().of(*injection) += pods;
        }
    }

    fn uncount(&mut self, group: u32, pods: u32) {
        let Some((id, injection)) = &self.groups[group as usize].selected else { return };
        let Some(tally) = self.tallies.get_mut(id) else { return };
        *tally.of(*injection) -= pods;
        if *tally == Tally::default() {
            self.tallies.remove(id);
        }
    }

    /// The same name is in memory once.
    fn shared(&self, id: Id) -> Arc<Id> {
        self.tallies.get_key_value(&id).map_or_else(|| Arc::new(id), |(known, _)| Arc::clone(known))
    }

    /// How many bytes are held, by the sizes and capacities of everything.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        use std::mem::size_of;
        // A table has an entry and a byte for each of its places, of which at most 7 in 8 are used; an Arc has two counters.
        let table = |capacity: usize, entry: usize| (capacity * 8 / 7).next_power_of_two() * (entry + 1);
        let arc = 2 * size_of::<usize>();
        let examples: usize = self.groups.iter().map(|group| group.example.len() + arc).sum();
        let ids: usize = self.tallies.keys().map(|id| id.0.capacity() + id.1.capacity() + size_of::<Id>() + arc).sum();
        table(self.places.capacity(), size_of::<(Key, Place)>())
            + table(self.by_example.capacity(), size_of::<(Arc<str>, u32)>())
            + table(self.tallies.capacity(), size_of::<(Arc<Id>, Tally)>())
            + self.groups.capacity() * size_of::<Group>()
            + (self.free.capacity() + self.unasked.capacity()) * size_of::<u32>()
            + examples
            + ids
    }

    /// How many groups there are.
    #[cfg(test)]
    pub(super) fn groups(&self) -> usize {
        self.by_example.len()
    }
}

fn key(pod: &ObjectMeta) -> Option<Key> {
    let digest = Sha256::digest(pod.uid.as_ref()?);
    let mut key = Key::default();
    key.copy_from_slice(&digest[..16]);
    Some(key)
}

/// The smallest pod that no rule can tell from this one: its namespace, the labels that a rule sees, the annotations that
/// are asked, and, in place of the record of an injection, the digest of the configuration that it was made by.
fn example(pod: &ObjectMeta) -> String {
    let labels = Value::map(entries(pod.labels.as_ref()).map(|(key, value)| (key, Value::text(value))));
    let owners = Value::List(pod.owner_references.iter().flatten().map(owner).collect());
    let whole = of_metadata([("labels", labels), ("ownerReferences", owners)]);
    let found = workloads_as(&whole, "Pod", "v1", &[]);
    let template = found.workloads.first().and_then(|workload| workload.templates.first());
    // Which labels a rule sees can depend on labels that it does not, and on the owner: the pod is asked, not a list.
    let seen = entries(pod.labels.as_ref())
        .filter(|(key, _)| template.is_some_and(|template| template.label(key).is_some()))
        .map(|(key, value)| (key, Value::text(value)));
    let asked = entries(pod.annotations.as_ref()).filter_map(|(key, value)| {
        if key == names::ANNOTATION_INJECTION {
            return Some((key, Value::text(digest_of(value))));
        }
        if key == names::ANNOTATION_MIRROR {
            return Some((key, Value::text("")));
        }
        let is_asked = select::OPT_OUTS.iter().any(|out| out.annotation && out.key == key);
        is_asked.then(|| (key, Value::text(value)))
    });
    let namespace = Value::text(pod.namespace.as_deref().unwrap_or_default());
    let smallest =
        of_metadata([("namespace", namespace), ("labels", Value::map(seen)), ("annotations", Value::map(asked))]);
    smallest.to_json().to_string()
}

fn entries(map: Option<&BTreeMap<String, String>>) -> impl Iterator<Item = (&str, &str)> {
    map.into_iter().flatten().map(|(key, value)| (key.as_str(), value.as_str()))
}

fn of_metadata<'v, const N: usize>(fields: [(&'static str, Value<'v>); N]) -> Value<'v> {
    Value::map([("metadata", Value::map(fields))])
}

fn owner(owner: &OwnerReference) -> Value<'_> {
    Value::map([
        ("apiVersion", Value::text(owner.api_version.as_str())),
        ("kind", Value::text(owner.kind.as_str())),
        ("name", Value::text(owner.name.as_str())),
        ("controller", Value::bool(owner.controller == Some(true))),
    ])
}

/// The digest of the configuration that an injection was made by; of a record that cannot be read none that is one.
fn digest_of(record: &str) -> String {
    // Whoever writes the annotation by hand is not to fill the memory.
    const LENGTH: usize = 16;
    let record = Record::read(record, &Path::ROOT).ok();
    record.map(|record| record.digest).filter(|digest| digest.len() == LENGTH).unwrap_or_default()
}

/// Asks the engine which resource selects such pods, and compares digests.
fn ask(engine: &Engine, example: &str) -> Option<(Id, Injection)> {
    let pod: Value<'_> = serde_json::from_str(example).ok()?;
    let found = workloads_as(&pod, "Pod", "v1", &[]);
    let workload = found.workloads.first()?;
    let template = workload.templates.first()?;
    let (resource, digest) = engine.selecting(workload, template)?;
    let injection = match template.annotation(names::ANNOTATION_INJECTION).and_then(Value::as_text) {
        None => Injection::Missing,
        Some(carried) if carried == digest => Injection::Instrumented,
        Some(_) => Injection::Outdated,
    };
    Some(((resource.namespace.clone().unwrap_or_default(), resource.name.clone()), injection))
}

#[cfg(test)]
mod tests;
