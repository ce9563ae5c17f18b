//! The checkout that Argo CD made of a repository, and the folder of the Application in it. No path leads out of it,
//! however it is written and whatever links there are.

use crate::cli::doors;
use crate::render::{Failure, Failures};
use ignore::{DirEntry, WalkBuilder};
use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

/// What is wrong with a link that leads out.
pub const LINK_OUT: &str = "found a link out of the repository; expected a file of it";

/// A checkout. Its paths are real ones: absolute and without links.
#[derive(Debug)]
pub struct Checkout {
    root: PathBuf,
    folder: PathBuf,
    /// The part of the repository's path that was not sent: the server may send a part of the repository.
    above: PathBuf,
}

/// Why a path of an Application leads nowhere.
#[derive(Debug, PartialEq, Eq)]
pub enum Astray {
    /// Nothing is there.
    Missing,
    /// It is none that may be used; what was found and what was expected.
    Refused(String),
}

impl Checkout {
    /// The checkout that the current folder stands in. `source_path` is that folder as Argo CD calls it: from the
    /// root of the repository. Whoever tries the command by hand says none, and has a repository of git.
    ///
    /// # Errors
    /// A current folder that is not there.
    pub fn here(source_path: Option<&Path>) -> Result<Checkout, Failures> {
        let folder = fs::canonicalize(".").map_err(|error| doors::error(&format!("the current folder: {error}")))?;
        // The path of the source may lead through links, and so does the name of the folder that Argo CD went to.
        let gone_to = std::env::var_os("PWD").map(PathBuf::from).filter(|named| is_same(named, &folder));
        Ok(Checkout::around(gone_to.as_deref().unwrap_or(&folder), folder.clone(), source_path))
    }

    /// A checkout that is one folder.
    #[cfg(test)]
    pub fn at(folder: &Path) -> Checkout {
        let folder = fs::canonicalize(folder).unwrap();
        Checkout { root: folder.clone(), folder, above: PathBuf::new() }
    }

    /// `named` is the folder as it was gone to.
    fn around(named: &Path, folder: PathBuf, source_path: Option<&Path>) -> Checkout {
        let Some(source_path) = source_path else {
            let root = folder.ancestors().find(|above| above.join(".git").exists()).unwrap_or(&folder).to_path_buf();
            return Checkout { root, folder, above: PathBuf::new() };
        };
        let said: Vec<Component> =
            source_path.components().filter(|component| matches!(component, Component::Normal(_))).collect();
        let sent = named.components().rev().zip(said.iter().rev()).take_while(|(is, said)| is == *said).count();
        let root = named.ancestors().nth(sent).and_then(|above| fs::canonicalize(above).ok());
        let root = root.filter(|root| folder.starts_with(root)).unwrap_or_else(|| folder.clone());
        Checkout { root, folder, above: said[..said.len() - sent].iter().collect() }
    }

    /// The folder of the Application.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The real path of what an Application names: from its folder, or with a `/` in front from the root of the
    /// repository.
    ///
    /// # Errors
    /// A path that leads nowhere, or out of the checkout.
    pub fn resolve(&self, path: &str) -> Result<PathBuf, Astray> {
        self.resolve_in(&self.folder, path)
    }

    /// The same from another folder of the checkout, which is a real path.
    ///
    /// # Errors
    /// A path that leads nowhere, or out of the checkout.
    pub fn resolve_in(&self, folder: &Path, path: &str) -> Result<PathBuf, Astray> {
        let refused = |what: &str| Err(Astray::Refused(what.to_owned()));
        if path.contains("://") {
            return refused("found a URL; expected a file of the repository, since the plugin fetches nothing");
        }
        let whole = match path.strip_prefix('/') {
            None => folder.join(path),
            Some(rest) => match Path::new(rest).strip_prefix(&self.above) {
                Ok(rest) => self.root.join(rest),
                Err(_) => return refused("found a file outside of the part of the repository that Argo CD sent"),
            },
        };
        // As Argo CD does: the text first, and what it leads to then. What is outside is refused before anybody looks
        // whether it is there.
        let Some(whole) = cleaned(&whole, &self.root) else {
            return refused("found a path out of the repository; expected a file of it");
        };
        match fs::canonicalize(&whole) {
            Ok(real) if real.starts_with(&self.root) => Ok(real),
            Ok(_) => refused(LINK_OUT),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(Astray::Missing),
            Err(error) => refused(&format!("cannot be read: {error}")),
        }
    }

    /// A real path as an Application would name it: from its folder, or with a `/` in front from the root of the repository.
    pub fn shown(&self, path: &Path) -> String {
        match (path.strip_prefix(&self.folder), path.strip_prefix(&self.root)) {
            (Ok(below), _) => below.to_string_lossy().into_owned(),
            (_, Ok(below)) => format!("/{}", self.above.join(below).to_string_lossy()),
            _ => path.to_string_lossy().into_owned(),
        }
    }

    /// Where what is rendered may be read from.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether a path really leads into the checkout. One that leads nowhere does no harm.
    pub fn holds(&self, path: &Path) -> bool {
        match fs::canonicalize(path) {
            Ok(real) => real.starts_with(&self.root),
            Err(error) => error.kind() == ErrorKind::NotFound,
        }
    }

    /// A message of a program without the place of the checkout, which is another one every time.
    pub fn without_place(&self, message: &str) -> String {
        let [folder, root] = [&self.folder, &self.root].map(|path| path.to_string_lossy().into_owned());
        message.replace(&format!("{folder}/"), "").replace(&folder, ".").replace(&root, "")
    }

    /// Every file and link of the folder, and with `recurse` below it, in the order of the names. Links are not followed.
    ///
    /// # Errors
    /// A folder that cannot be listed.
    pub fn files(&self, recurse: bool) -> Result<Vec<PathBuf>, Failures> {
        self.walk(WalkBuilder::new(&self.folder).max_depth((!recurse).then_some(1)))
    }

    /// Every file and link of the whole checkout, but for what git keeps.
    ///
    /// # Errors
    /// A folder that cannot be listed.
    pub fn all_files(&self) -> Result<Vec<PathBuf>, Failures> {
        let is_of_git = |entry: &DirEntry| {
            let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
            entry.depth() == 1 && is_folder && entry.file_name() == ".git"
        };
        self.walk(WalkBuilder::new(&self.root).filter_entry(move |entry| !is_of_git(entry)))
    }

    fn walk(&self, builder: &mut WalkBuilder) -> Result<Vec<PathBuf>, Failures> {
        let walk = builder.standard_filters(false).follow_links(false).sort_by_file_name(OsStr::cmp).build();
        let mut files = Vec::new();
        for entry in walk {
            let entry = entry.map_err(|error| {
                let message = self.without_place(&error.to_string());
                Failures(vec![Failure::new(format!("the folder cannot be listed: {message}"))])
            })?;
            // Of others, such as pipes, nobody knows whether reading them ends.
            if entry.file_type().is_some_and(|kind| kind.is_file() || kind.is_symlink()) {
                files.push(entry.into_path());
            }
        }
        Ok(files)
    }
}

fn is_same(named: &Path, folder: &Path) -> bool {
    fs::canonicalize(named).is_ok_and(|real| real == folder)
}

/// A path without `.` and `..`, taken as text; none where it ever leaves a folder.
fn cleaned(path: &Path, root: &Path) -> Option<PathBuf> {
    let mut below: Vec<&OsStr> = Vec::new();
    for component in path.strip_prefix(root).ok()?.components() {
        match component {
            Component::Normal(name) => below.push(name),
            Component::ParentDir => {
                below.pop()?;
            }
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(root.join(below.iter().collect::<PathBuf>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A repository with `apps/chat/values.yaml` and `shared.yaml`.
    fn repository() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("repo/apps/chat")).unwrap();
        for file in ["repo/apps/chat/values.yaml", "repo/shared.yaml", "secret.yaml"] {
            fs::write(folder.path().join(file), "a: 1\n").unwrap();
        }
        folder
    }

    fn checkout(folder: &tempfile::TempDir, source_path: &str) -> Checkout {
        let real = fs::canonicalize(folder.path().join("repo/apps/chat")).unwrap();
        Checkout::around(&real, real.clone(), Some(Path::new(source_path)))
    }

    #[test]
    fn the_root_is_where_the_path_of_the_source_begins() {
        let folder = repository();
        let root = fs::canonicalize(folder.path().join("repo")).unwrap();
        assert_eq!(checkout(&folder, "apps/chat").root, root);
        assert_eq!(checkout(&folder, "./apps/chat/").root, root);
        assert_eq!(checkout(&folder, ".").root, root.join("apps/chat"));
        let part = checkout(&folder, "platform/apps/chat");
        assert_eq!((part.root.as_path(), part.above.as_path()), (root.as_path(), Path::new("platform")));
        let hostile = checkout(&folder, "../../../..");
        assert_eq!(hostile.root, root.join("apps/chat"));
    }

    #[test]
    #[cfg(unix)]
    fn the_path_of_the_source_may_lead_through_links() {
        let folder = repository();
        std::os::unix::fs::symlink("apps", folder.path().join("repo/linked")).unwrap();
        let named = fs::canonicalize(folder.path()).unwrap().join("repo/linked/chat");
        let checkout = Checkout::around(&named, fs::canonicalize(&named).unwrap(), Some(Path::new("linked/chat")));
        assert_eq!(checkout.root, fs::canonicalize(folder.path().join("repo")).unwrap());
        assert!(checkout.resolve("/shared.yaml").is_ok());
    }

    #[test]
    fn a_file_is_shown_as_an_application_names_it() {
        let folder = repository();
        let checkout = checkout(&folder, "platform/apps/chat");
        assert_eq!(checkout.shown(&checkout.folder.join("values.yaml")), "values.yaml");
        assert_eq!(checkout.shown(&checkout.root.join("shared.yaml")), "/platform/shared.yaml");
    }

    #[test]
    fn paths_are_from_the_folder_or_from_the_root() {
        let folder = repository();
        let root = fs::canonicalize(folder.path().join("repo")).unwrap();
        let checkout = checkout(&folder, "apps/chat");
        for (path, file) in [
            ("values.yaml", "apps/chat/values.yaml"),
            ("../../shared.yaml", "shared.yaml"),
            ("/shared.yaml", "shared.yaml"),
            ("/apps/./chat/../chat/values.yaml", "apps/chat/values.yaml"),
            ("none/../values.yaml", "apps/chat/values.yaml"),
        ] {
            assert_eq!(checkout.resolve(path), Ok(root.join(file)), "{path}");
        }
        assert_eq!(checkout.resolve("none.yaml"), Err(Astray::Missing));
        let part = self::checkout(&folder, "platform/apps/chat");
        assert_eq!(part.resolve("/platform/shared.yaml"), Ok(root.join("shared.yaml")));
        assert!(matches!(part.resolve("/shared.yaml"), Err(Astray::Refused(_))));
    }

    #[test]
    #[cfg(unix)]
    fn no_path_leads_out() {
        let folder = repository();
        let checkout = checkout(&folder, "apps/chat");
        let link = |target: &str, name: &str| {
            std::os::unix::fs::symlink(target, folder.path().join("repo/apps/chat").join(name)).unwrap();
        };
        link("../../../secret.yaml", "link.yaml");
        link("/", "everything");
        let everything = format!("everything{}/secret.yaml", folder.path().display());
        for path in [
            "../../../secret.yaml",
            "../../../none.yaml",
            "/../secret.yaml",
            "link.yaml",
            everything.as_str(),
            "https://example.com/values.yaml",
        ] {
            assert!(matches!(checkout.resolve(path), Err(Astray::Refused(_))), "{path}");
        }
    }

    proptest::proptest! {
        /// Whatever a path is put together from, and whatever links there are, what it leads to is in the checkout.
        #[test]
        #[cfg(unix)]
        fn whatever_is_found_is_inside(
            parts in proptest::collection::vec(
                proptest::sample::select(vec!["..", ".", "", "apps", "chat", "values.yaml", "up", "out", "root", "shared.yaml", "x"]),
                0..8,
            ),
            absolute in proptest::bool::ANY,
        ) {
            let folder = repository();
            for (name, target) in [("up", ".."), ("out", "../../.."), ("root", "/")] {
                std::os::unix::fs::symlink(target, folder.path().join("repo/apps/chat").join(name)).unwrap();
            }
            let path = format!("{}{}", if absolute { "/" } else { "" }, parts.join("/"));
            for source_path in ["apps/chat", ".", "platform/apps/chat", "../..", "/"] {
                let checkout = checkout(&folder, source_path);
                if let Ok(real) = checkout.resolve(&path) {
                    assert!(real.starts_with(&checkout.root), "{path} from {source_path}: {}", real.display());
                    assert_eq!(fs::canonicalize(&real).unwrap(), real);
                }
            }
        }
    }

    #[test]
    fn messages_do_not_say_where_the_checkout_is() {
        let folder = repository();
        let checkout = checkout(&folder, "apps/chat");
        let message =
            format!("{}: no; {}", checkout.folder.join("a.yaml").display(), checkout.root.join("b").display());
        assert_eq!(checkout.without_place(&message), "a.yaml: no; /b");
    }
}
