//! Which resources could select a template, found without asking each: thousands of resources cost a template no more than
//! the few that ask for one of its labels.
//!
//! Every resource stands under one condition of its selector that is about a label, the one under which fewest stand. What
//! is found may hold more than what matches, and never less: the selectors themselves are asked all the same, in the order
//! of the resources, so that the outcome is that of asking all.

use crate::api::selector::{LabelSelector, Operator};
use crate::manifest::PodTemplate;
use crate::value::{Map, Value};
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

/// Resources by where they apply and what they ask for.
#[derive(Debug, Default)]
pub(super) struct Index {
    everywhere: Place,
    by_namespace: HashMap<String, Place>,
    /// Keys of labels that any selector asks for.
    keys: HashSet<String>,
    state: RandomState,
}

/// Resources of one namespace, by their number.
#[derive(Debug, Default)]
struct Place {
    /// By a digest of what they ask for. That two digests may be alike makes the search longer, not wrong.
    asking: HashMap<u64, Vec<usize>>,
    /// Those that ask for no label to be there: any template may be theirs.
    any: Vec<usize>,
}

impl Index {
    /// Adds a resource. Without a namespace it applies everywhere.
    pub(super) fn add(
        &mut self,
        number: usize,
        namespace: Option<&str>,
        selector: &LabelSelector,
        ignore: Option<&LabelSelector>,
    ) {
        for asked in std::iter::once(selector).chain(ignore) {
            let expressions = asked.match_expressions.iter().map(|one| &one.key);
            for key in asked.match_labels.keys().chain(expressions) {
                if !self.keys.contains(key) {
                    self.keys.insert(key.clone());
                }
            }
        }
        let place = match namespace {
            None => &mut self.everywhere,
            Some(namespace) => {
                if !self.by_namespace.contains_key(namespace) {
                    self.by_namespace.insert(namespace.to_owned(), Place::default());
                }
                // It was put there.
                let Some(place) = self.by_namespace.get_mut(namespace) else { return };
                place
            }
        };
        let conditions = conditions(&self.state, selector);
        let crowd = |digest: &u64| place.asking.get(digest).map_or(0, Vec::len);
        match conditions.into_iter().min_by_key(|any_of| any_of.iter().map(crowd).sum::<usize>()) {
            None => place.any.push(number),
            Some(any_of) => any_of.into_iter().for_each(|digest| place.asking.entry(digest).or_default().push(number)),
        }
    }

    /// Resources of these namespaces, and those that apply everywhere, that could select a template, in their order.
    pub(super) fn near<'n>(
        &self,
        template: &PodTemplate<'_>,
        namespaces: impl IntoIterator<Item = &'n str>,
    ) -> Vec<usize> {
        let named = namespaces.into_iter().filter_map(|namespace| self.by_namespace.get(namespace));
        let places: Vec<&Place> =
            std::iter::once(&self.everywhere).chain(named).filter(|place| !place.is_empty()).collect();
        if places.is_empty() {
            return Vec::new();
        }
        let mut found: Vec<usize> = places.iter().flat_map(|place| &place.any).copied().collect();
        // Labels that no selector sees are among these: to leave them out would take longer.
        for (key, value) in template.label_maps().filter_map(Value::as_map).flat_map(Map::iter) {
            let Some(value) = value.as_text().filter(|_| self.asks_for(key)) else { continue };
            for digest in [self.state.hash_one((key, Some(value))), self.state.hash_one((key, None::<&str>))] {
                found.extend(places.iter().filter_map(|place| place.asking.get(&digest)).flatten());
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Whether the selector of any resource asks for a label.
    pub(super) fn asks_for(&self, key: &str) -> bool {
        self.keys.contains(key)
    }
}

impl Place {
    fn is_empty(&self) -> bool {
        self.asking.is_empty() && self.any.is_empty()
    }
}

/// What a selector asks to be there: for each condition, the digests of which a template that it matches has one.
fn conditions(state: &RandomState, selector: &LabelSelector) -> Vec<Vec<u64>> {
    let pairs =
        selector.match_labels.iter().map(|(key, value)| vec![state.hash_one((key.as_str(), Some(value.as_str())))]);
    let expressions = selector.match_expressions.iter().filter_map(|one| {
        let key = one.key.as_str();
        match one.operator {
            Operator::In => Some(one.values.iter().map(|value| state.hash_one((key, Some(value.as_str())))).collect()),
            Operator::Exists => Some(vec![state.hash_one((key, None::<&str>))]),
            Operator::NotIn | Operator::DoesNotExist => None,
        }
    });
    pairs.chain(expressions).collect()
}
