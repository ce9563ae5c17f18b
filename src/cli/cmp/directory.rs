//! Plain manifests in a folder, found and told from other files as Argo CD does it for sources of its kind `directory`.
//! <https://github.com/argoproj/argo-cd/blob/v3.5.1/reposerver/repository/repository.go>, `findManifests`

use super::checkout::Checkout;
use super::{Limits, Manifest, not_json};
use crate::argocd::Parameters;
use crate::cli::{doors, files};
use crate::render::{Failure, Failures, all, objects, side_by_side};
use crate::yaml::documents::byte_order_mark;
use globset::{GlobBuilder, GlobMatcher};
use memchr::memmem;
use serde::de::IgnoredAny;
use std::fs;
use std::path::{Path, PathBuf};

/// A file that holds this is none to render.
const SKIP: &[u8] = b"+argocd:skip-file-rendering";

/// What a YAML file has that is a manifest, or was to be one. Argo CD asks for the colons, too, and so passes JSON by.
const TRAITS: [&[u8]; 3] = [b"apiVersion", b"kind", b"metadata"];

/// Larger files are not opened only to be asked whether they are manifests.
const LARGEST_ASKED: u64 = 1 << 20;

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
pub fn read(checkout: &Checkout, parameters: &Parameters, limits: Limits) -> Result<Vec<Manifest>, Failures> {
    let files = candidates(checkout, parameters)?;
    let sizes = files.iter().filter_map(|file| Some(fs::metadata(file).ok()?.len()));
    if sizes.sum::<u64>() > limits.bytes {
        let most = limits.bytes >> 20;
        return Err(doors::error(&format!(
            "found more than {most} MiB of manifests, expected less; --max-size of prelit cmp generate sets the limit"
        )));
    }
    let read = all(side_by_side(&files, |file| manifest(checkout, file)))?;
    Ok(read.into_iter().flatten().collect())
}

/// Whether there is any manifest, and nothing that only Jsonnet can read.
pub fn has_manifest(checkout: &Checkout, parameters: &Parameters) -> bool {
    let files = candidates(checkout, parameters).unwrap_or_default();
    let is_small = |file: &&PathBuf| fs::metadata(file).is_ok_and(|found| found.len() <= LARGEST_ASKED);
    !files.iter().any(|file| is_jsonnet(file))
        && files.iter().filter(is_small).any(|file| manifest(checkout, file).is_ok_and(|manifest| manifest.is_some()))
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

/// A pattern with Argo CD's meaning: `*` stands for anything, `/` too, however many there are.
fn matcher(name: &str, pattern: &str) -> Result<GlobMatcher, Failures> {
    let refuse = |what: &str| {
        let message = format!("parameter {name:?}: {what}, expected a pattern such as *.yaml or {{a,b}}/*.yaml");
        Failures(vec![Failure::new(message)])
    };
    let mut text = String::with_capacity(pattern.len());
    for character in pattern.chars() {
        if character != '*' || !text.ends_with('*') || text.ends_with("\\*") {
            text.push(character);
        }
    }
    // What is read in one way here and in another there.
    let classes =
        text.split('[').skip(1).map(|rest| rest.split(']').next().unwrap_or_default().trim_start_matches('!'));
    let is_read_otherwise =
        |class: &str| class.is_empty() || class.starts_with('^') || class.contains('-') && class.chars().count() != 3;
    if classes.into_iter().any(is_read_otherwise) {
        return Err(refuse("found a class of characters that Argo CD reads otherwise"));
    }
    let glob = GlobBuilder::new(&text).literal_separator(false).backslash_escape(true).empty_alternates(true).build();
    glob.map(|glob| glob.compile_matcher()).map_err(|error| refuse(&error.kind().to_string()))
}

fn has_extension(file: &Path) -> bool {
    [".yaml", ".yml", ".json", ".jsonnet"].iter().any(|end| ends_with(file, end))
}

/// A name that is nothing but an extension counts, too.
fn ends_with(file: &Path, end: &str) -> bool {
    file.file_name().is_some_and(|name| name.as_encoded_bytes().ends_with(end.as_bytes()))
}

fn is_jsonnet(file: &Path) -> bool {
    ends_with(file, ".jsonnet")
}

/// A file, if it is a manifest.
fn manifest(checkout: &Checkout, file: &Path) -> Result<Option<Manifest>, Failures> {
    let name = checkout.shown(file);
    let refuse = |what: &str| Err(Failures(vec![Failure::new(format!("{name}: {what}"))]));
    let bytes = files::read_named(&name, file)?;
    if memmem::find(&bytes, SKIP).is_some() {
        return Ok(None);
    }
    if is_jsonnet(file) {
        return refuse("found Jsonnet, which is not supported; expected YAML or JSON");
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return refuse("found UTF-16, which is not supported; expected UTF-8");
    }
    let is_json = ends_with(file, ".json");
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
        // The library ends its message with the position.
        let what = error.to_string();
        let what = what.split(" at line ").next().unwrap_or_default();
        Failures(vec![not_json(name.to_owned(), &error, format!("{what}; expected one JSON object"))])
    })
}
