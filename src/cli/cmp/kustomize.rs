//! A kustomization, built by kustomize. It reads files of a kustomization's own folder only; that its folders are all in
//! the checkout, and nothing is to be fetched, is asked before.

use super::Manifest;
use super::checkout::{Astray, Checkout};
use super::program::Program;
use crate::api::syntax;
use crate::cli::doors;
use crate::cli::files;
use crate::render::kustomization::NAMES;
use crate::render::lines::Lines;
use crate::render::{Failure, Failures};
use crate::value::{Path as ValuePath, Value};
use crate::yaml::Tree;
use crate::yaml::documents::contents;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Lists of a kustomization whose items may be folders or URLs.
const LISTS: [&str; 6] = ["resources", "bases", "components", "generators", "transformers", "validators"];

/// More folders than this are an accident, or an attack.
const MAX_FOLDERS: usize = 10_000;

/// Builds the folder.
///
/// # Errors
/// What kustomize says, and what leads out of the repository.
pub fn build(checkout: &Checkout, deadline: Instant) -> Result<Vec<Manifest>, Failures> {
    refuse_outside(checkout)?;
    let program = Program { name: "kustomize", arguments: &["build".into(), ".".into()], stdin: None };
    let bytes = program.run(checkout, deadline, str::to_owned)?;
    Ok(vec![Manifest { name: "<kustomize build>".to_owned(), bytes }])
}

/// Follows every kustomization from the folder on.
fn refuse_outside(checkout: &Checkout) -> Result<(), Failures> {
    let mut seen: HashSet<PathBuf> = HashSet::new();
    let mut next = vec![checkout.folder().to_path_buf()];
    let mut failures = Vec::new();
    while let Some(folder) = next.pop() {
        if seen.len() >= MAX_FOLDERS {
            return Err(doors::error(&format!("found more than {MAX_FOLDERS} kustomizations, expected less")));
        }
        if !seen.insert(folder.clone()) {
            continue;
        }
        let Some(file) = NAMES.iter().map(|name| folder.join(name)).find(|file| file.is_file()) else { continue };
        let bytes = files::read_named(&checkout.shown(&file), &file)?;
        look(checkout, &file, &bytes, &mut next, &mut failures);
    }
    if failures.is_empty() { Ok(()) } else { Err(Failures(failures)) }
}

/// Looks at one kustomization: folders that it names are to be looked at next. What cannot be read, kustomize refuses.
fn look(checkout: &Checkout, file: &Path, bytes: &[u8], next: &mut Vec<PathBuf>, failures: &mut Vec<Failure>) {
    let name = checkout.shown(file);
    let lines = Lines::new(&name, bytes);
    let Some(document) = contents(bytes).next() else { return };
    let Ok(text) = std::str::from_utf8(&bytes[document.clone()]) else { return };
    let Ok(tree) = Tree::parse(text) else { return };
    let Ok(value) = tree.value() else { return };
    let folder = file.parent().unwrap_or(Path::new(""));
    for list in LISTS {
        let items = value.get(list).and_then(Value::as_list).unwrap_or_default();
        for (index, entry) in items.iter().enumerate().filter_map(|(index, item)| Some((index, item.as_text()?))) {
            // Others are objects that are written out.
            if entry.contains('\n') {
                continue;
            }
            let path = ValuePath::ROOT.key(list).index(index);
            let place = tree.locate(path.steps()).map_or(0, |id| document.start + tree.node(id).start);
            let mut refuse = |what: &str| {
                let message = format!("{list}: {}: {what}", syntax::shown(entry));
                failures.push(Failure::without_line(&lines, place, message));
            };
            match checkout.resolve_in(folder, entry) {
                Ok(real) if real.is_dir() => next.push(real),
                Err(_) if is_remote(entry) => {
                    refuse("found a remote base; expected a folder of the repository, since the plugin has no network");
                }
                Err(Astray::Refused(what)) => refuse(&what),
                // Of a file kustomize itself says what is wrong with it.
                Ok(_) | Err(Astray::Missing) => {}
            }
        }
    }
}

/// Whether kustomize takes an entry that is no path here for a repository.
fn is_remote(entry: &str) -> bool {
    entry.contains("://")
        || entry.contains("::")
        || entry.starts_with("git@")
        || ["github.com/", "gitlab.com/", "bitbucket.org/"].iter().any(|host| entry.starts_with(host))
}
