//! Plain manifests in a folder, found and told from other files as Argo CD does it for sources of its kind `directory`.
//! <https://github.com/argoproj/argo-cd/blob/v3.5.1/reposerver/repository/repository.go>, `findManifests`

use super::Manifest;
use super::checkout::Checkout;
use crate::argocd::Parameters;
use crate::cli::files;
use crate::render::report::Position;
use crate::render::{Failure, Failures, all, objects, side_by_side};
use crate::yaml::documents::byte_order_mark;
use globset::{GlobBuilder, GlobMatcher};
use memchr::memmem;
use serde::de::IgnoredAny;
use std::fs;
use std::path::{Path, PathBuf};

/// A file that holds this is none to render.
const SKIP: &[u8] = b"+argocd:skip-file-rendering";

/// What a YAML file has that is a manifest, or was to be one.
const TRAITS: [&[u8]; 3] = [b"apiVersion:", b"kind:", b"metadata:"];

/// More bytes in all files together are no manifests but an accident, or an attack.
const MAX_BYTES: u64 = 256 << 20;

/// What other tools render, by the ends of their files' names.
const UNSUPPORTED: [(&str, &str); 7] = [
    (".jsonnet", "Jsonnet"),
    (".libsonnet", "Jsonnet"),
    ("helmfile.yaml", "Helmfile"),
    ("helmfile.yaml.gotmpl", "Helmfile"),
    (".cue", "CUE"),
    (".k", "KCL"),
    (".pkl", "Pkl"),
];

/// Reads all manifests of the folder.
///
/// # Errors
/// Patterns that are none, links out of the repository, what only Jsonnet can read, and a JSON file or a part of a YAML
/// file that is no manifest. A YAML file that is none at all is passed over.
pub fn read(checkout: &Checkout, parameters: &Parameters) -> Result<Vec<Manifest>, Failures> {
    let files = candidates(checkout, parameters)?;
    let jsonnet = files.iter().filter(|file| is_jsonnet(file)).map(|file| {
        let name = checkout.shown(file);
        Failure::new(format!("{name}: found Jsonnet, which is not supported; expected YAML or JSON"))
    });
    let jsonnet: Vec<Failure> = jsonnet.collect();
    if !jsonnet.is_empty() {
        return Err(Failures(jsonnet));
    }
    let sizes = files.iter().filter_map(|file| Some(fs::metadata(file).ok()?.len()));
    if sizes.sum::<u64>() > MAX_BYTES {
        let message = format!("found more than {} MiB of manifests, expected less", MAX_BYTES >> 20);
        return Err(Failures(vec![Failure::new(message)]));
    }
    let read = all(side_by_side(&files, |file| manifest(checkout, file)))?;
    Ok(read.into_iter().flatten().collect())
}

/// Whether there is any manifest, and nothing that only Jsonnet can read.
pub fn has_manifest(checkout: &Checkout, parameters: &Parameters) -> bool {
    let files = candidates(checkout, parameters).unwrap_or_default();
    !files.iter().any(|file| is_jsonnet(file))
        && files.iter().any(|file| manifest(checkout, file).is_ok_and(|manifest| manifest.is_some()))
}

/// What a folder without manifests is for.
pub fn unsupported(checkout: &Checkout) -> Option<String> {
    let files = checkout.files(false).ok()?;
    files.iter().find_map(|file| {
        let name = file.file_name()?.to_str()?;
        let (_, tool) = UNSUPPORTED.iter().find(|(end, _)| name.ends_with(end))?;
        Some(format!("{name} ({tool})"))
    })
}

/// The files that are asked for, as real paths.
fn candidates(checkout: &Checkout, parameters: &Parameters) -> Result<Vec<PathBuf>, Failures> {
    let [include, exclude] = ["include", "exclude"].map(|name| parameters.text(name).map(|glob| matcher(name, glob)));
    let (include, exclude) = (include.transpose()?, exclude.transpose()?);
    let mut files = Vec::new();
    let mut failures = Vec::new();
    for file in checkout.files(parameters.is_true("recurse"))? {
        let Ok(below) = file.strip_prefix(checkout.folder()) else { continue };
        let is_asked_for = has_extension(&file)
            && include.as_ref().is_none_or(|include| include.is_match(below))
            && !exclude.as_ref().is_some_and(|exclude| exclude.is_match(below));
        if !is_asked_for {
            continue;
        }
        if !file.is_symlink() {
            files.push(file);
            continue;
        }
        let target = below.to_str().ok_or(()).and_then(|below| checkout.resolve(below).map_err(|_| ()));
        match target {
            Ok(real) if real.is_file() => files.push(file),
            Ok(_) => {}
            Err(()) => failures.push(Failure::new(format!(
                "{}: found a link to nothing, or out of the repository; expected a file of it",
                below.display()
            ))),
        }
    }
    if failures.is_empty() { Ok(files) } else { Err(Failures(failures)) }
}

fn matcher(name: &str, glob: &str) -> Result<GlobMatcher, Failures> {
    // As Argo CD's: `*` matches `/`, too.
    let glob = GlobBuilder::new(glob).literal_separator(false).backslash_escape(true).build();
    glob.map(|glob| glob.compile_matcher()).map_err(|error| {
        let message = format!("parameter {name:?}: {}, expected a pattern such as *.yaml", error.kind());
        Failures(vec![Failure::new(message)])
    })
}

fn has_extension(file: &Path) -> bool {
    let extension = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    matches!(extension, "yaml" | "yml" | "json" | "jsonnet")
}

fn is_jsonnet(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "jsonnet")
}

/// A file, if it is a manifest.
fn manifest(checkout: &Checkout, file: &Path) -> Result<Option<Manifest>, Failures> {
    let name = checkout.shown(file);
    let bytes = files::read_named(&name, file)?;
    if memmem::find(&bytes, SKIP).is_some() {
        return Ok(None);
    }
    let is_json = file.extension().is_some_and(|extension| extension == "json");
    if is_json {
        refuse_other_than_json(&name, &bytes)?;
    }
    let is_manifest = is_json
        || objects::begins_with_object(&bytes)
        || TRAITS.iter().all(|each| memmem::find(&bytes, each).is_some());
    Ok(is_manifest.then_some(Manifest { name, bytes }))
}

/// A file that says that it is JSON holds one value of it. The parser of YAML would take more, and blame other places.
fn refuse_other_than_json(name: &str, bytes: &[u8]) -> Result<(), Failures> {
    let text = &bytes[byte_order_mark(bytes)..];
    serde_json::from_slice::<IgnoredAny>(text).map(drop).map_err(|error| {
        let position = Position { file: name.to_owned(), line: error.line(), column: error.column() };
        // The library ends its message with the position.
        let what = error.to_string();
        let what = what.split(" at line ").next().unwrap_or_default();
        Failures(vec![Failure {
            position: Some(position),
            ..Failure::new(format!("{what}; expected one JSON object"))
        }])
    })
}
