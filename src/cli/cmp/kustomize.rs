//! A kustomization, built by kustomize. It reads files of a kustomization's own folder only; that its folders are all in
//! the checkout, and that nothing is to be fetched, is asked before. What cannot be understood here is refused: kustomize
//! might understand it.

use super::checkout::{Astray, Checkout};
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

/// Keys that have charts rendered, for which kustomize starts helm and fetches.
const CHARTS: [&str; 2] = ["helmCharts", "helmChartInflationGenerator"];

/// More files than this are an accident, or an attack.
const MAX_FILES: usize = 10_000;

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

/// Follows every kustomization from the folder on.
///
/// # Errors
/// Everything that leads out of the repository, or cannot be understood.
fn refuse_outside(checkout: &Checkout) -> Result<(), Failures> {
    let mut seen: HashSet<PathBuf> = HashSet::new();
    let mut next = vec![checkout.folder().to_path_buf()];
    let mut failures = Vec::new();
    while let Some(path) = next.pop() {
        if seen.len() >= MAX_FILES {
            return Err(doors::error(&format!("found more than {MAX_FILES} files of kustomizations, expected less")));
        }
        if !seen.insert(path.clone()) {
            continue;
        }
        let (file, is_kustomization) = if path.is_dir() {
            match NAMES.iter().map(|name| path.join(name)).find(|file| file.is_file()) {
                Some(file) => (file, true),
                None => continue,
            }
        } else {
            (path, false)
        };
        let name = checkout.shown(&file);
        let bytes = files::read_named(&name, &file)?;
        let folder = file.parent().unwrap_or(Path::new(""));
        let looked = Look { checkout, folder, name: &name, bytes: &bytes }.at_all(is_kustomization);
        failures.extend(looked.failures);
        next.extend(looked.next);
    }
    if failures.is_empty() { Ok(()) } else { Err(Failures(failures)) }
}

/// What is in a file.
#[derive(Default)]
struct Looked {
    /// Folders, and files with paths in them, that are to be looked at next.
    next: Vec<PathBuf>,
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
    fn at_all(&self, is_kustomization: bool) -> Looked {
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
                for (key, _) in entries(&tree, root) {
                    let name = tree.key_text(key).unwrap_or_default();
                    if CHARTS.iter().any(|charts| name.eq_ignore_ascii_case(charts)) {
                        refuse(
                            key,
                            format!(
                                "{name}: found charts in a kustomization, which are not rendered; render them, and commit the manifests"
                            ),
                        );
                    }
                }
                for (list, item, entry) in items(&tree, root) {
                    match self.follow(list, &entry) {
                        Ok(found) => looked.next.extend(found),
                        Err(what) => refuse(item, format!("{list}: {}: {what}", syntax::shown(&entry))),
                    }
                }
            }
            for (node, text) in texts_of_paths(&tree) {
                if is_url(&text) {
                    let what = "found a URL; expected a file of the repository, since the plugin fetches nothing";
                    refuse(node, format!("{}: {what}", syntax::shown(&text)));
                }
            }
        }
        looked
    }

    /// What an entry of a list leads to that is to be looked at.
    fn follow(&self, list: &str, entry: &str) -> Result<Option<PathBuf>, String> {
        // Others are objects that are written out.
        if entry.contains('\n') || entry.trim_start().starts_with('{') {
            return Ok(None);
        }
        match self.checkout.resolve_in(self.folder, entry) {
            Ok(real) => Ok((real.is_dir() || CONFIGURATIONS.contains(&list)).then_some(real)),
            Err(Astray::Refused(what)) => Err(what),
            Err(Astray::Missing) => {
                Err("found nothing of this name; expected a file or folder of the repository, since the plugin fetches nothing"
                    .to_owned())
            }
        }
    }
}

/// The items of the lists, with the name of each list. kustomize does not tell capital letters in keys.
fn items(tree: &Tree<'_>, root: NodeId) -> Vec<(&'static str, NodeId, String)> {
    let mut found = Vec::new();
    for (key, value) in entries(tree, root) {
        let name = tree.key_text(key).unwrap_or_default();
        let Some(list) = LISTS.into_iter().find(|list| name.eq_ignore_ascii_case(list)) else { continue };
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

/// Every text below a key that stands for files, wherever it is in a document.
fn texts_of_paths<'t>(tree: &'t Tree<'_>) -> impl Iterator<Item = (NodeId, String)> + 't {
    let maps = (0..tree.len()).filter(|id| matches!(tree.node(*id).kind, NodeKind::Mapping { .. }));
    let entries = maps.flat_map(|map| tree.entries(map));
    let of_paths = entries.filter(|(key, _)| {
        tree.key_text(*key).is_some_and(|name| PATHS.iter().any(|path| name.eq_ignore_ascii_case(path)))
    });
    of_paths.flat_map(move |(_, value)| {
        let value = tree.follow(value);
        let nodes = match tree.node(value).kind {
            NodeKind::Sequence { .. } => tree.children(value).collect(),
            _ => vec![value],
        };
        nodes.into_iter().filter_map(|node| Some((node, tree.scalar_text(node)?.to_owned())))
    })
}

/// Whether kustomize would fetch a file. Those of generators may be written as `name=file`.
fn is_url(text: &str) -> bool {
    let file = text.split_once('=').map_or(text, |(_, file)| file);
    [text, file].iter().any(|text| text.contains("://"))
}
