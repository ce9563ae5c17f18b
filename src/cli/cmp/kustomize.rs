//! A kustomization, built by kustomize. It reads files of a kustomization's own folder only; that its folders are all in
//! the checkout, and that nothing is to be fetched, is asked before. What cannot be understood here is refused: kustomize
//! might understand it.

use super::checkout::{Astray, Checkout, LINK_OUT};
use super::program::Program;
use super::{Limits, Manifest, Output};
use crate::api::syntax;
use crate::cli::doors;
use crate::cli::files;
use crate::render::kustomization::NAMES;
use crate::render::lines::Lines;
use crate::render::{Failure, Failures};
use crate::yaml::Tree;
use crate::yaml::documents::contents;
use crate::yaml::tree::{NodeId, NodeKind};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Lists of a kustomization whose items are files, folders or URLs, or are written out.
const LISTS: [&str; 6] = ["resources", "bases", "components", "generators", "transformers", "validators"];

/// Those of them whose files have paths of their own in them.
const CONFIGURATIONS: [&str; 3] = ["generators", "transformers", "validators"];

/// Keys whose texts are files. kustomize fetches those that are URLs.
const PATHS: [&str; 12] = [
    "path",
    "paths",
    "file",
    "files",
    "env",
    "envs",
    "crds",
    "configurations",
    "openapi",
    "patchesStrategicMerge",
    "valuesFile",
    "additionalValuesFiles",
];

/// Keys below which every name is the user's.
const NAMED_BY_USERS: [&str; 5] = ["commonAnnotations", "commonLabels", "annotations", "labels", "pairs"];

/// Keys that have charts rendered, for which kustomize starts helm and fetches.
const CHARTS: [&str; 2] = ["helmCharts", "helmChartInflationGenerator"];

/// More files than this are an accident, or an attack.
const MAX_FILES: usize = 10_000;

/// And so is a larger one.
const MAX_BYTES: u64 = 4 << 20;

/// More is not looked for.
const MAX_FAILURES: usize = 100;

/// Builds the folder.
///
/// # Errors
/// What kustomize says, and what leads out of the repository.
pub fn build(checkout: &Checkout, limits: Limits) -> Result<Output, Failures> {
    refuse_outside(checkout)?;
    let program = Program { name: "kustomize", arguments: &["build".into(), ".".into()], stdin: None };
    let (bytes, said) = program.run(checkout, limits, str::to_owned)?;
    Ok(Output { manifests: vec![Manifest { name: "<kustomize build>".to_owned(), bytes }], said })
}

/// Whether the folder can be built without anything that is refused.
pub fn can_be_built(checkout: &Checkout) -> bool {
    refuse_outside(checkout).is_ok()
}

/// What is to be looked at: a folder with a kustomization, or a file. What belongs to a configuration has paths in it.
type Next = (PathBuf, bool);

/// Follows every kustomization from the folder on.
///
/// # Errors
/// Everything that leads out of the repository, or cannot be understood.
fn refuse_outside(checkout: &Checkout) -> Result<(), Failures> {
    let mut seen: HashSet<Next> = HashSet::new();
    let mut next = vec![(checkout.folder().to_path_buf(), false)];
    let mut failures = Vec::new();
    while let Some(one) = next.pop() {
        if seen.len() >= MAX_FILES {
            return Err(doors::error(&format!("found more than {MAX_FILES} files of kustomizations, expected less")));
        }
        if failures.len() >= MAX_FAILURES || !seen.insert(one.clone()) {
            continue;
        }
        let (path, is_configuration) = one;
        let (file, is_kustomization) = if path.is_dir() {
            match NAMES.iter().map(|name| path.join(name)).find(|file| file.is_file()) {
                Some(file) => (file, true),
                None => continue,
            }
        } else {
            (path, false)
        };
        let name = checkout.shown(&file);
        if !checkout.holds(&file) {
            return Err(doors::error(&format!("{name}: {LINK_OUT}")));
        }
        let bytes = files::read_small(&name, &file, MAX_BYTES)?;
        let folder = file.parent().unwrap_or(Path::new(""));
        let looked = Look { checkout, folder, name: &name, bytes: &bytes }.at_all(is_kustomization, is_configuration);
        failures.extend(looked.failures);
        next.extend(looked.next);
    }
    failures.truncate(MAX_FAILURES);
    if failures.is_empty() { Ok(()) } else { Err(Failures(failures)) }
}

/// What is in a file.
#[derive(Default)]
struct Looked {
    next: Vec<Next>,
    failures: Vec<Failure>,
}

/// One file, to be looked at.
struct Look<'l> {
    checkout: &'l Checkout,
    folder: &'l Path,
    name: &'l str,
    bytes: &'l [u8],
}

impl Look<'_> {
    fn at_all(&self, is_kustomization: bool, is_configuration: bool) -> Looked {
        let lines = Lines::new(self.name, self.bytes);
        let mut looked = Looked::default();
        for document in contents(self.bytes) {
            let parsed = match std::str::from_utf8(&self.bytes[document.clone()]) {
                Ok(text) => Tree::parse(text).map_err(|error| (error.offset, error.message)),
                Err(error) => Err((error.valid_up_to(), "the text is not UTF-8; expected UTF-8".to_owned())),
            };
            let tree = match parsed {
                Ok(tree) => tree,
                Err((offset, what)) => {
                    looked.failures.push(Failure::at(&lines, document.start + offset, what));
                    continue;
                }
            };
            let Some(root) = tree.root() else { continue };
            let mut refuse = |node: NodeId, what: String| {
                looked.failures.push(Failure::without_line(&lines, document.start + tree.node(node).start, what));
            };
            if is_kustomization {
                for (key, value) in entries(&tree, root) {
                    if let Some(what) = refusal_of_key(&tree, key, value) {
                        refuse(key, what);
                    }
                }
                for (list, item, entry) in items(&tree, root) {
                    match self.follow(list, &entry, is_configuration) {
                        Ok(found) => looked.next.extend(found),
                        Err(what) => refuse(item, format!("{list}: {}: {what}", syntax::shown(&entry))),
                    }
                }
            }
            for (node, text) in urls(&tree, root) {
                let what = "found a URL; expected a file of the repository, since the plugin fetches nothing";
                refuse(node, format!("{}: {what}", syntax::shown(&text)));
            }
        }
        looked
    }

    /// What an entry of a list leads to that is to be looked at.
    fn follow(&self, list: &str, entry: &str, is_configuration: bool) -> Result<Option<Next>, String> {
        let is_configuration = is_configuration || CONFIGURATIONS.contains(&list);
        if CONFIGURATIONS.contains(&list)
            && let Ok(tree) = Tree::parse(entry)
            && let Some(root) = tree.root().filter(|root| matches!(tree.node(*root).kind, NodeKind::Mapping { .. }))
        {
            // It is written out here.
            return match urls(&tree, root).first() {
                Some((_, url)) => {
                    Err(format!("found the URL {} in it; expected a file of the repository", syntax::shown(url)))
                }
                None => Ok(None),
            };
        }
        match self.checkout.resolve_in(self.folder, entry) {
            Ok(real) => Ok((real.is_dir() || is_configuration).then_some((real, is_configuration))),
            Err(Astray::Refused(what)) => Err(what),
            Err(Astray::Missing) => {
                Err("found nothing of this name; expected a file or folder of the repository, since the plugin fetches nothing"
                    .to_owned())
            }
        }
    }
}

/// Why a key of a kustomization cannot be.
fn refusal_of_key(tree: &Tree<'_>, key: NodeId, value: NodeId) -> Option<String> {
    let name = tree.key_text(key).unwrap_or_default();
    let is_empty = match &tree.node(tree.follow(value)).kind {
        NodeKind::Sequence { .. } => tree.children(tree.follow(value)).next().is_none(),
        NodeKind::Scalar { .. } => true,
        _ => false,
    };
    if tree.is_merge_key(key) {
        return Some("found a merge of another map; expected the lists of a kustomization written out".to_owned());
    }
    (CHARTS.iter().any(|charts| is_key(&name, charts)) && !is_empty).then(|| {
        format!(
            "{name}: found charts in a kustomization, which are not rendered; render them, and commit the manifests"
        )
    })
}

/// The items of the lists, with the name of each list.
fn items(tree: &Tree<'_>, root: NodeId) -> Vec<(&'static str, NodeId, String)> {
    let mut found = Vec::new();
    for (key, value) in entries(tree, root) {
        let name = tree.key_text(key).unwrap_or_default();
        let Some(list) = LISTS.into_iter().find(|list| is_key(&name, list)) else { continue };
        let value = tree.follow(value);
        let items: Vec<NodeId> = match tree.node(value).kind {
            NodeKind::Sequence { .. } => tree.children(value).collect(),
            _ => vec![value],
        };
        found.extend(items.into_iter().filter_map(|item| Some((list, item, tree.scalar_text(item)?.to_owned()))));
    }
    found
}

/// The entries of a document, if it is a map.
fn entries<'t>(tree: &'t Tree<'_>, root: NodeId) -> impl Iterator<Item = (NodeId, NodeId)> + 't {
    let root = tree.follow(root);
    let map = matches!(tree.node(root).kind, NodeKind::Mapping { .. }).then_some(root);
    map.into_iter().flat_map(|map| tree.entries(map))
}

/// Every URL in the place of a file, wherever it is in a document.
fn urls(tree: &Tree<'_>, root: NodeId) -> Vec<(NodeId, String)> {
    let mut found = Vec::new();
    // What several aliases stand for is looked at once in each role.
    let mut seen: HashSet<(NodeId, bool)> = HashSet::new();
    let mut open = vec![(root, false)];
    while let Some((node, is_file)) = open.pop() {
        let node = tree.follow(node);
        if !seen.insert((node, is_file)) {
            continue;
        }
        match &tree.node(node).kind {
            NodeKind::Scalar { text, .. } if is_file && is_url(text) => found.push((node, text.clone().into_owned())),
            NodeKind::Sequence { .. } => open.extend(tree.children(node).map(|item| (item, is_file))),
            NodeKind::Mapping { .. } => open.extend(tree.entries(node).filter_map(|(key, value)| {
                let name = tree.key_text(key).unwrap_or_default();
                let is = |names: &[&str]| names.iter().any(|known| is_key(&name, known));
                (!is(&NAMED_BY_USERS)).then(|| (value, is(&PATHS)))
            })),
            _ => {}
        }
    }
    found.sort_unstable();
    found
}

/// Whether kustomize, which reads keys as Go's JSON does, takes one for another: capital letters are none, and neither
/// are two letters that Unicode folds into ASCII.
fn is_key(found: &str, known: &str) -> bool {
    found.replace('\u{17f}', "s").replace('\u{212a}', "k").eq_ignore_ascii_case(known)
}

/// Whether kustomize would fetch a file. Those of generators may be written as `name=file`.
fn is_url(text: &str) -> bool {
    let begins =
        |text: &str, scheme: &str| text.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme));
    let file = text.split_once('=').map_or(text, |(_, file)| file);
    !text.contains(char::is_control)
        && [text, file].iter().any(|text| begins(text, "http://") || begins(text, "https://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls_of(text: &str) -> usize {
        let tree = Tree::parse(text).unwrap();
        urls(&tree, tree.root().unwrap()).len()
    }

    #[test]
    fn urls_count_in_the_place_of_files_only() {
        for (text, count) in [
            ("path: http://a", 1),
            ("patches: [{path: HTTPS://a}, {patch: 'http://a'}]", 1),
            ("configMapGenerator: [{files: [a=http://a, b], literals: [u=http://a]}]", 1),
            ("patchesStrategicMerge:\n- |-\n  data: {u: \"http://x\"}\n", 0),
            ("commonAnnotations: {path: http://a}", 0),
            ("crds: [a.yaml, 'oci://a']", 0),
            ("a: &a [http://a]\nb: [{path: *a}, {path: *a}]", 1),
        ] {
            assert_eq!(urls_of(text), count, "{text}");
        }
    }

    #[test]
    fn keys_are_those_that_go_takes_for_them() {
        assert!(is_key("Resources", "resources") && is_key("re\u{17f}ource\u{17f}", "resources"));
        assert!(!is_key("resource", "resources"));
    }

    #[test]
    fn nothing_is_written_out_but_configurations() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("t.yaml"), "").unwrap();
        let checkout = Checkout::at(folder.path());
        let look = Look { checkout: &checkout, folder: checkout.folder(), name: "k", bytes: b"" };
        assert_eq!(look.follow("transformers", "{kind: A}", false), Ok(None));
        assert_eq!(look.follow("transformers", "kind: A\nx: 1\n", false), Ok(None));
        assert!(look.follow("transformers", "kind: A\npath: http://a\n", false).is_err());
        assert!(look.follow("resources", "{x}/../../../out", false).is_err());
        assert!(look.follow("resources", "x\n/../../../out", false).is_err());
        let file = checkout.folder().join("t.yaml");
        assert_eq!(look.follow("resources", "t.yaml", false), Ok(None));
        assert_eq!(look.follow("resources", "t.yaml", true), Ok(Some((file.clone(), true))));
        assert_eq!(look.follow("generators", "t.yaml", false), Ok(Some((file, true))));
    }
}
