//! Finds the real tools, and makes tests that need them.

use crate::place::Place;
use libtest_mimic::{Completion, Trial};
use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is looked for. `helm3` and `helm4` are found as `helm`, too.
const NAMES: [&str; 14] = [
    "kustomize",
    "helm3",
    "helm4",
    "pre-commit",
    "actionlint",
    "kpt",
    "kubectl",
    "git",
    "go",
    "argocd-cmp-server",
    "argocd-cmp-client",
    "x86_64-linux-gnu-gcc",
    "aarch64-linux-gnu-gcc",
    "otelcol",
];

/// The programs of a control plane, which lie together in a folder of their own.
const CONTROL_PLANE: [&str; 3] = ["etcd", "kube-apiserver", "kube-controller-manager"];

/// The tools of this machine by their names, and the other versions of kubectl that lie beside it, such as
/// `kubectl.1.27`.
pub struct Tools {
    found: BTreeMap<String, PathBuf>,
}

impl Tools {
    /// Looks into the folder `PRELIT_TEST_TOOLS`, then into those of the PATH. For a control plane `KUBEBUILDER_ASSETS`
    /// comes first, as everywhere.
    pub fn find() -> Tools {
        let path = env::var_os("PATH").unwrap_or_default();
        let folder = |variable: &str| env::var_os(variable).map(PathBuf::from);
        let folders: Vec<PathBuf> = folder("PRELIT_TEST_TOOLS").into_iter().chain(env::split_paths(&path)).collect();
        let mut found = BTreeMap::new();
        let together = folders.iter().map(|folder| folder.join("kubernetes")).chain(folders.iter().cloned());
        for folder in folder("KUBEBUILDER_ASSETS").into_iter().chain(together) {
            for name in CONTROL_PLANE {
                if let Some(file) = real_file(&folder.join(name)) {
                    found.entry(name.to_owned()).or_insert(file);
                }
            }
        }
        for folder in folders {
            for name in NAMES {
                if let Some(file) = real_file(&folder.join(name)) {
                    found.entry(name.to_owned()).or_insert(file);
                }
            }
            if let Some(file) = real_file(&folder.join("helm"))
                && let Some(name) = name_of_helm(&file)
            {
                found.entry(name.to_owned()).or_insert(file);
            }
        }
        if let Some(folder) = found.get("kubectl").and_then(|file| file.parent()).map(Path::to_owned) {
            let beside = folder.read_dir().expect("the folder of kubectl").filter_map(|entry| Some(entry.ok()?.path()));
            for file in beside.filter_map(|file| real_file(&file)) {
                let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if name.starts_with("kubectl.1.") {
                    found.insert(name, file);
                }
            }
        }
        Tools { found }
    }

    /// Where a tool is that is there.
    pub fn file(&self, name: &str) -> Option<&Path> {
        self.found.get(name).map(PathBuf::as_path)
    }

    /// Every version of kubectl; `kubectl` alone where there is none, so that a test that is made for each
    /// says what is missing.
    pub fn kubectls(&self) -> Vec<String> {
        let mut names: Vec<String> = self.found.keys().filter(|name| name.starts_with("kubectl")).cloned().collect();
        if names.is_empty() {
            names.push("kubectl".to_owned());
        }
        names
    }

    /// A test in a place of its own, where `prelit` and the tools that it needs are on the PATH by their names.
    pub fn trial(&self, name: &str, needs: &[&str], test: impl FnOnce(&Place) + Send + 'static) -> Trial {
        self.ignorable_trial(name, needs, |place| {
            test(place);
            Completion::Completed
        })
    }

    /// The same for a test that may find out that it cannot be run, and says why.
    pub fn ignorable_trial(
        &self,
        name: &str,
        needs: &[&str],
        test: impl FnOnce(&Place) -> Completion + Send + 'static,
    ) -> Trial {
        let missing: Vec<&str> = needs.iter().copied().filter(|need| self.file(need).is_none()).collect();
        if !missing.is_empty() {
            let missing = missing.join(", ");
            return skipped(name, format!("no {missing} (set PRELIT_TEST_TOOLS or put it on PATH)"));
        }
        let needs = needs.iter().map(|need| ((*need).to_owned(), self.found[*need].clone())).collect();
        Trial::ignorable_test(name, move || Ok(test(&Place::new(needs))))
    }

    /// A test that takes minutes.
    pub fn slow_trial(&self, name: &str, needs: &[&str], test: impl FnOnce(&Place) + Send + 'static) -> Trial {
        if is_set("PRELIT_SLOW") { self.trial(name, needs, test) } else { slow(name) }
    }

    /// One of many tests that take minutes together, and that may find out that they cannot be run.
    pub fn slow_ignorable_trial(
        &self,
        name: &str,
        needs: &[&str],
        test: impl FnOnce(&Place) -> Completion + Send + 'static,
    ) -> Trial {
        if is_set("PRELIT_SLOW") { self.ignorable_trial(name, needs, test) } else { slow(name) }
    }
}

/// What this module itself promises.
pub fn trials(tools: &Tools) -> Vec<Trial> {
    vec![tools.trial("tools::prelit_is_on_the_path", &[], |place| {
        assert!(place.run("prelit", &["--version"]).succeeded().stdout.starts_with("prelit "));
    })]
}

/// A test that was not run, and why. It is a failure where every tool must be there.
pub fn skipped(name: &str, why: String) -> Trial {
    Trial::ignorable_test(name, move || {
        if is_set("PRELIT_REQUIRE_TOOLS") {
            Err(why.into())
        } else {
            Ok(Completion::ignored_with(format!("skipped: {why}")))
        }
    })
}

fn slow(name: &str) -> Trial {
    Trial::ignorable_test(name, || Ok(Completion::ignored_with("skipped: slow (set PRELIT_SLOW=1)")))
}

fn is_set(variable: &str) -> bool {
    env::var_os(variable).is_some_and(|value| value == "1")
}

/// The file that a path leads to, through links: the other versions of kubectl lie beside the real one.
fn real_file(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok().filter(|file| file.is_file())
}

/// `helm3` or `helm4`, as the program itself says.
fn name_of_helm(file: &Path) -> Option<&'static str> {
    let output = Command::new(file).args(["version", "--short"]).output().ok()?;
    match output.stdout.get(..3)? {
        b"v3." => Some("helm3"),
        b"v4." => Some("helm4"),
        _ => None,
    }
}
