//! What the kustomizations among the files say of the others: which files are patches and no
//! workloads, and which are renamed by a `namePrefix` or `nameSuffix` after an injection.
//!
//! Pure: paths are compared as text and never opened, so a hostile kustomization can only speak of
//! files that the run has anyway. Knows no rule of injection.

use super::report::{Position, Remark, Report, State};
use crate::api::Reason;
use crate::value::Value;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::path::{Component, Path, PathBuf};

/// More entries of one kustomization than this are not looked at.
const MAX_ENTRIES: usize = 10_000;

/// The names that a kustomization can have.
pub const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// Whether a file of this name is a kustomization.
pub fn is_kustomization(path: &Path) -> bool {
    path.file_name().is_some_and(|name| NAMES.iter().any(|known| name == *known))
}

/// What all kustomizations of a run say.
#[derive(Debug, Default)]
pub struct Kustomizations {
    /// A patch, and the kustomization that lists it.
    patches: HashMap<PathBuf, PathBuf>,
    /// A file, and what renames it.
    renamed: HashMap<PathBuf, Renaming>,
}

/// What renames the objects of a file after it was injected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renaming {
    /// The kustomization, by the path under which it was given.
    pub kustomization: PathBuf,
    /// `namePrefix` or `nameSuffix`.
    pub field: &'static str,
}

/// One kustomization, as far as it matters here.
#[derive(Debug, Default)]
struct Kustomization {
    path: PathBuf,
    patches: Vec<PathBuf>,
    resources: Vec<PathBuf>,
    renames: Option<&'static str>,
}

impl Kustomizations {
    /// Reads all kustomizations of a run: pairs of path and content. `read` gives the first document
    /// of a text as a value; what cannot be read says nothing. The paths must be of the same form as
    /// those that are asked about later: all absolute, or all relative to the same folder.
    pub fn read<'f>(
        files: impl IntoIterator<Item = (&'f Path, &'f [u8])>,
        read: impl Fn(&[u8]) -> Option<Value<'static>>,
    ) -> Self {
        // By folder; BTreeMap, so that the answers do not depend on the order of the files.
        let mut by_folder: BTreeMap<PathBuf, Kustomization> = BTreeMap::new();
        for (path, bytes) in files {
            let Some(normal) = normalise(path) else { continue };
            let Some(folder) = normal.parent().map(Path::to_path_buf) else { continue };
            if let Some(value) = read(bytes) {
                by_folder.entry(folder.clone()).or_insert_with(|| Kustomization::of(path, &folder, &value));
            }
        }
        Kustomizations { patches: patches(&by_folder), renamed: renamed(&by_folder) }
    }

    /// The kustomization that lists the file as a patch.
    pub fn patch_of(&self, path: &Path) -> Option<&Path> {
        self.patches.get(&normalise(path)?).map(PathBuf::as_path)
    }

    /// What renames the objects of the file.
    pub fn renaming_of(&self, path: &Path) -> Option<&Renaming> {
        self.renamed.get(&normalise(path)?)
    }
}

impl Renaming {
    /// Adds a warning for every object of the report that carries an injection, now or before.
    pub fn warn(&self, shown: &str, report: &mut Report) {
        let mut seen = HashSet::new();
        for row in &report.rows {
            let carries = matches!(row.state, State::Injected | State::Current | State::Stale | State::Edited);
            if carries && seen.insert(&row.object) {
                report.remarks.push(Remark {
                    position: row.position.clone(),
                    object: Some(row.object.clone()),
                    field: String::new(),
                    reason: Reason::KustomizeRenames,
                    detail: format!("{} of {shown}", self.field),
                });
            }
        }
        // By position, as the other remarks of a file.
        report.remarks.sort_by_key(|remark| position(&remark.position));
    }
}

fn position(position: &Position) -> (usize, usize) {
    (position.line, position.column)
}

impl Kustomization {
    fn of(path: &Path, folder: &Path, value: &Value) -> Self {
        let listed = |field: &str, key: Option<&str>| -> Vec<PathBuf> {
            let items = value.get(field).and_then(Value::as_list).unwrap_or_default();
            let entries = items.iter().take(MAX_ENTRIES).filter_map(|item| match key {
                Some(key) => item.get(key)?.as_text(),
                None => item.as_text(),
            });
            entries.filter_map(|entry| resolve(folder, entry)).collect()
        };
        let patches = [
            listed("patches", Some("path")),
            // Entries may be patches written out; those are no paths of any file.
            listed("patchesStrategicMerge", None),
            listed("patchesJson6902", Some("path")),
            listed("replacements", Some("path")),
        ]
        .concat();
        let resources =
            ["resources", "bases", "components"].into_iter().flat_map(|field| listed(field, None)).collect();
        let renames = ["namePrefix", "nameSuffix"]
            .into_iter()
            .find(|field| value.get(field).and_then(Value::as_text).is_some_and(|text| !text.is_empty()));
        Kustomization { path: path.to_path_buf(), patches, resources, renames }
    }
}

/// A file that is listed as a resource somewhere is a workload, whatever else lists it.
fn patches(by_folder: &BTreeMap<PathBuf, Kustomization>) -> HashMap<PathBuf, PathBuf> {
    let resources: HashSet<&PathBuf> = by_folder.values().flat_map(|each| &each.resources).collect();
    let mut patches = HashMap::new();
    for kustomization in by_folder.values() {
        for patch in kustomization.patches.iter().filter(|patch| !resources.contains(patch)) {
            patches.entry(patch.clone()).or_insert_with(|| kustomization.path.clone());
        }
    }
    patches
}

/// Walks down from every kustomization that renames. Each folder is entered once, whoever renames
/// it, so that this is linear and a cycle ends.
fn renamed(by_folder: &BTreeMap<PathBuf, Kustomization>) -> HashMap<PathBuf, Renaming> {
    let mut renamed = HashMap::new();
    let mut queue: VecDeque<(&Kustomization, Renaming)> = by_folder
        .values()
        .filter_map(|each| Some((each, Renaming { kustomization: each.path.clone(), field: each.renames? })))
        .collect();
    let mut entered: HashSet<&Path> = queue.iter().map(|(each, _)| each.path.as_path()).collect();
    while let Some((kustomization, renaming)) = queue.pop_front() {
        for resource in &kustomization.resources {
            match by_folder.get(resource) {
                Some(below) if entered.insert(&below.path) => queue.push_back((below, renaming.clone())),
                Some(_) => {}
                None => {
                    renamed.entry(resource.clone()).or_insert_with(|| renaming.clone());
                }
            }
        }
    }
    renamed
}

fn resolve(folder: &Path, entry: &str) -> Option<PathBuf> {
    let ordinary = !entry.is_empty() && !entry.contains('\n') && !entry.contains("://");
    // An absolute entry is refused by kustomize too.
    (ordinary && !Path::new(entry).is_absolute()).then(|| normalise(&folder.join(entry)))?
}

/// Takes `.` and `..` out, as text; nothing for a path that climbs out of where it starts.
fn normalise(path: &Path) -> Option<PathBuf> {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                if !matches!(normal.components().next_back(), Some(Component::Normal(_))) {
                    return None;
                }
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    Some(normal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::report::ObjectReference;

    // JSON is YAML, and its reader is at hand.
    fn read(bytes: &[u8]) -> Option<Value<'static>> {
        let json: serde_json::Value = serde_json::from_slice(bytes).ok()?;
        Some(Value::from(&json).into_owned())
    }

    fn tree(files: &[(&str, &str)]) -> Kustomizations {
        Kustomizations::read(files.iter().map(|(path, text)| (Path::new(*path), text.as_bytes())), read)
    }

    #[test]
    fn every_way_to_list_a_patch_counts() {
        let tree = tree(&[(
            "app/kustomization.yaml",
            r#"{"resources": ["deploy.yaml"],
                "patches": [{"path": "a.yaml"}, {"patch": "inline"}],
                "patchesStrategicMerge": ["./b.yaml", "kind: Deployment\nmetadata: {}"],
                "patchesJson6902": [{"target": {}, "path": "sub/../c.json"}],
                "replacements": [{"path": "d.yml"}, {"source": {}}]}"#,
        )]);
        for patch in ["app/a.yaml", "app/b.yaml", "app/c.json", "app/d.yml", "./app/a.yaml"] {
            assert_eq!(tree.patch_of(Path::new(patch)), Some(Path::new("app/kustomization.yaml")), "{patch}");
        }
        assert_eq!(tree.patch_of(Path::new("app/deploy.yaml")), None);
    }

    #[test]
    fn components_list_patches_and_the_three_names_are_known() {
        let tree = tree(&[
            ("c/kustomization.yml", r#"{"kind": "Component", "patches": [{"path": "p.yaml"}]}"#),
            ("d/Kustomization", r#"{"patches": [{"path": "../e/p.yaml"}]}"#),
        ]);
        assert!(tree.patch_of(Path::new("c/p.yaml")).is_some());
        assert!(tree.patch_of(Path::new("e/p.yaml")).is_some());
        assert!(is_kustomization(Path::new("d/Kustomization")) && is_kustomization(Path::new("kustomization.yml")));
        assert!(!is_kustomization(Path::new("d/kustomization.json")));
    }

    #[test]
    fn a_resource_is_no_patch_even_if_another_kustomization_lists_it_as_one() {
        let tree = tree(&[
            ("a/kustomization.yaml", r#"{"resources": ["d.yaml"]}"#),
            ("b/kustomization.yaml", r#"{"patches": [{"path": "../a/d.yaml"}]}"#),
        ]);
        assert_eq!(tree.patch_of(Path::new("a/d.yaml")), None);
    }

    #[test]
    fn renaming_reaches_through_folders_and_components_and_ends_in_a_cycle() {
        let tree = tree(&[
            ("prod/kustomization.yaml", r#"{"namePrefix": "prod-", "resources": ["../base", "own.yaml"]}"#),
            ("base/kustomization.yaml", r#"{"resources": ["deploy.yaml", "../more"], "components": ["../part"]}"#),
            ("more/kustomization.yaml", r#"{"bases": ["../prod", "../base"], "resources": ["job.yaml"]}"#),
            ("part/kustomization.yaml", r#"{"resources": ["extra.yaml"]}"#),
            ("dev/kustomization.yaml", r#"{"resources": ["dev.yaml"], "nameSuffix": ""}"#),
        ]);
        for file in ["prod/own.yaml", "base/deploy.yaml", "more/job.yaml", "part/extra.yaml"] {
            let renaming = tree.renaming_of(Path::new(file));
            assert_eq!(renaming.map(|it| it.field), Some("namePrefix"), "{file}");
        }
        assert_eq!(tree.renaming_of(Path::new("dev/dev.yaml")), None);
    }

    #[test]
    fn a_renamed_workload_is_warned_of_once_and_only_if_it_is_injected() {
        let row = |name: &str, line, state| crate::render::report::Row {
            position: Position { file: "d.yaml".to_owned(), line, column: 1 },
            object: ObjectReference {
                kind: "Deployment".to_owned(),
                name: name.to_owned(),
                ..ObjectReference::default()
            },
            template: String::new(),
            field: String::new(),
            container: "app".to_owned(),
            selected_by: None,
            init_image: None,
            state,
            reason: None,
            detail: String::new(),
        };
        let rows = vec![
            row("chat", 3, State::Injected),
            row("chat", 9, State::Injected),
            row("web", 20, State::Skipped),
            row("old", 30, State::Current),
        ];
        let mut report = Report { rows, ..Report::default() };
        let renaming = Renaming { kustomization: PathBuf::from("/x/kustomization.yaml"), field: "nameSuffix" };
        renaming.warn("x/kustomization.yaml", &mut report);
        let said: Vec<(&str, usize)> = report
            .remarks
            .iter()
            .map(|remark| (remark.object.as_ref().unwrap().name.as_str(), remark.position.line))
            .collect();
        assert_eq!(said, [("chat", 3), ("old", 30)]);
        assert_eq!(report.remarks[0].detail, "nameSuffix of x/kustomization.yaml");
    }

    #[test]
    fn hostile_kustomizations_say_nothing() {
        let tree = tree(&[
            (
                "kustomization.yaml",
                r#"{"patches": [{"path": "../../etc/passwd"}, {"path": "/etc/passwd"}, {"path": ""}, {"path": 7}, 8, null]}"#,
            ),
            ("a/kustomization.yaml", r#"{"patches": "x", "resources": {"a": "b"}, "namePrefix": ["x"]}"#),
            ("b/kustomization.yaml", r#"["patches"]"#),
            ("c/kustomization.yaml", "not json"),
        ]);
        assert!(tree.patch_of(Path::new("/etc/passwd")).is_none());
        assert!(tree.patch_of(Path::new("../../etc/passwd")).is_none());
        assert!(tree.renamed.is_empty());
    }
}
