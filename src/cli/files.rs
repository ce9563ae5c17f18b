//! Which files are read: the arguments and the folders below them, in an order that is the same on
//! every machine. Knows what a chart and a kustomization look like as files, and nothing of what
//! stands in a manifest.

#[cfg(unix)]
use super::stream;
use crate::api::Reason;
use crate::render::kustomization::{Kustomizations, NAMES, Renaming, is_kustomization};
use crate::render::{Failure, Failures};
use crate::value::Value;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use ignore::{DirEntry, WalkBuilder};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{self, IsTerminal, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// How stdin is shown.
pub const STDIN: &str = "<stdin>";

/// A larger file is no manifest but an accident, or an attack.
const MAX_BYTES: u64 = 1 << 30;

/// How many folders above a named file are asked for a kustomization.
const MAX_ABOVE: usize = 8;

/// Room for a stream whose length nobody knows. Memory that is not written to costs nothing, and
/// growing would copy what was read.
const ROOM_FOR_STDIN: u64 = 64 << 20;

/// One thing to read.
#[derive(Debug, Clone)]
pub struct Input {
    /// As it is shown.
    pub name: String,
    /// Where it is; nothing for stdin.
    pub path: Option<PathBuf>,
    /// Whether it was named, and not found in a folder.
    pub named: bool,
    /// Whether it can be read twice.
    pub regular: bool,
    /// Why it is not to be changed.
    pub left_alone: Option<Reason>,
    /// The kustomization that renames what stands in it, as it is shown.
    pub renamed: Option<(Renaming, String)>,
}

/// What there is to read.
#[derive(Debug, Default)]
pub struct Inputs {
    /// In order.
    pub inputs: Vec<Input>,
    /// Whether a folder was among the arguments.
    pub folders: bool,
}

/// Finds everything that the arguments name. No argument is stdin.
///
/// # Errors
///
/// Everything that is not there, and patterns that are none.
pub fn find(
    paths: &[PathBuf],
    exclude: &[String],
    read: impl Fn(&[u8]) -> Option<Value<'static>>,
) -> Result<Inputs, Failures> {
    let exclude = Exclude::new(exclude)?;
    let mut found = Found { inputs: Inputs::default(), kustomizations: Vec::new(), stdin: false };
    let mut failures = Vec::new();
    if paths.is_empty() {
        found.stdin();
    }
    for path in paths {
        if path.as_os_str() == "-" {
            found.stdin();
            continue;
        }
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => failures.extend(found.folder(path, &exclude).err()),
            Ok(_) if exclude.matches(path, path, false) => {}
            Ok(metadata) => found.file(path, true, metadata.is_file()),
            Err(error) => failures.push(failure(path, &error)),
        }
    }
    if !failures.is_empty() {
        return Err(Failures(failures));
    }
    found.drop_repeated(paths.len() > 1);
    found.add_kustomizations_of_named();
    found.ask_kustomizations(read);
    Ok(found.inputs)
}

/// Reads an input as a whole.
///
/// # Errors
///
/// What cannot be read, or is larger than any manifest.
pub fn read(input: &Input) -> Result<Vec<u8>, Failures> {
    match &input.path {
        Some(path) => read_named(&input.name, path),
        None => read_stdin().map_err(|error| unreadable(&input.name, &error)),
    }
}

/// Reads a file as a whole; messages call it as it is shown.
///
/// # Errors
///
/// What cannot be read, or is larger than any manifest.
pub fn read_named(name: &str, path: &Path) -> Result<Vec<u8>, Failures> {
    let read = fs::File::open(path).and_then(|file| {
        let size = file.metadata().map_or(0, |metadata| metadata.len());
        read_bounded(file, size)
    });
    read.map_err(|error| unreadable(name, &error))
}

/// The same of a file that is small, or an attack.
///
/// # Errors
///
/// What cannot be read, or is larger.
pub fn read_small(name: &str, path: &Path, most: u64) -> Result<Vec<u8>, Failures> {
    let size = fs::metadata(path).map_err(|error| unreadable(name, &error))?.len();
    if size > most {
        let message = format!("{name}: found {size} bytes, expected at most {most}");
        return Err(Failures(vec![Failure::new(message)]));
    }
    read_named(name, path)
}

fn unreadable(name: &str, error: &io::Error) -> Failures {
    Failures(vec![Failure::new(format!("{name}: cannot be read: {error}"))])
}

/// Reads stdin as a whole: what another program sends.
///
/// # Errors
///
/// A terminal, what cannot be read, or is larger than any manifest.
pub fn sent() -> Result<Vec<u8>, Failures> {
    let wrong = |message: String| Failures(vec![Failure::new(message)]);
    if io::stdin().is_terminal() {
        return Err(wrong(format!("{STDIN}: found a terminal; expected what kustomize or kpt send, a ResourceList")));
    }
    read_stdin().map_err(|error| wrong(format!("{STDIN}: cannot be read: {error}")))
}

/// Past the buffer of the standard library, which would copy every byte once more.
#[cfg(unix)]
fn read_stdin() -> io::Result<Vec<u8>> {
    use std::os::fd::AsFd;
    let file = fs::File::from(io::stdin().as_fd().try_clone_to_owned()?);
    stream::widen(&file);
    let size = file.metadata().map_or(0, |metadata| metadata.len());
    read_bounded(file, size.max(ROOM_FOR_STDIN))
}

#[cfg(not(unix))]
fn read_stdin() -> io::Result<Vec<u8>> {
    read_bounded(io::stdin().lock(), ROOM_FOR_STDIN)
}

fn read_bounded(source: impl Read, size: u64) -> io::Result<Vec<u8>> {
    // One byte more than the size, so that the end is seen without growing.
    let capacity = usize::try_from(size.min(MAX_BYTES) + 1).unwrap_or(0);
    let mut bytes = Vec::with_capacity(capacity);
    source.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(io::Error::other(format!("it holds more than {} MiB", MAX_BYTES >> 20)));
    }
    Ok(bytes)
}

struct Found {
    inputs: Inputs,
    kustomizations: Vec<PathBuf>,
    stdin: bool,
}

impl Found {
    fn stdin(&mut self) {
        // It can be read once only.
        if !std::mem::replace(&mut self.stdin, true) {
            self.inputs.inputs.push(Input {
                name: STDIN.to_owned(),
                path: None,
                named: true,
                regular: false,
                left_alone: None,
                renamed: None,
            });
        }
    }

    fn file(&mut self, path: &Path, named: bool, regular: bool) {
        if is_kustomization(path) && regular {
            self.kustomizations.push(path.to_path_buf());
        }
        self.inputs.inputs.push(Input {
            name: shown(path),
            path: Some(path.to_path_buf()),
            named,
            regular,
            left_alone: None,
            renamed: None,
        });
    }

    fn folder(&mut self, root: &Path, exclude: &Exclude) -> Result<(), Failure> {
        self.inputs.folders = true;
        let real_root = fs::canonicalize(root).map_err(|error| failure(root, &error))?;
        for entry in walk(root, exclude) {
            let entry = entry.map_err(|error| Failure::new(format!("{}: cannot be listed: {error}", shown(root))))?;
            let path = entry.path();
            if !is_manifest_name(path) && !is_kustomization(path) {
                continue;
            }
            let Some(kind) = entry.file_type() else { continue };
            // A link is followed to a file, but not out of the folder that was asked for.
            let regular = if kind.is_symlink() {
                fs::canonicalize(path).is_ok_and(|real| real.starts_with(&real_root) && real.is_file())
            } else {
                kind.is_file()
            };
            if !regular {
                continue;
            }
            if is_manifest_name(path) {
                self.file(path, false, true);
            } else {
                self.kustomizations.push(path.to_path_buf());
            }
        }
        Ok(())
    }

    /// The same file under two arguments, or by a link beside it, is read once: what is found first.
    fn drop_repeated(&mut self, several: bool) {
        let is_link = |input: &Input| input.path.as_ref().is_some_and(|path| path.is_symlink());
        if several || self.inputs.inputs.iter().any(is_link) {
            // A link gives way to the file itself.
            let real = |input: &Input| input.path.as_ref().and_then(|path| fs::canonicalize(path).ok());
            let files: HashSet<PathBuf> =
                self.inputs.inputs.iter().filter(|input| !is_link(input)).filter_map(real).collect();
            let mut seen = HashSet::new();
            self.inputs.inputs.retain(|input| match real(input) {
                _ if !input.regular => true,
                Some(path) if is_link(input) && files.contains(&path) => false,
                Some(path) => seen.insert(path),
                None => true,
            });
        }
    }

    /// A file that is named by itself may be a patch too: the kustomizations of its folder and of those
    /// above it, up to the current one, are asked.
    fn add_kustomizations_of_named(&mut self) {
        let mut folders: HashSet<PathBuf> = HashSet::new();
        for input in self.inputs.inputs.iter().filter(|input| input.named && input.regular) {
            let Some(folder) = input.path.as_deref().and_then(Path::parent) else { continue };
            let above = folder.ancestors().filter(|above| folder.is_relative() || *above == folder);
            folders.extend(above.take(MAX_ABOVE).map(Path::to_path_buf));
        }
        let candidates = folders.iter().flat_map(|folder| NAMES.map(|name| folder.join(name)));
        let known: HashSet<PathBuf> = self.kustomizations.iter().cloned().collect();
        let mut more: Vec<PathBuf> = candidates.filter(|path| !known.contains(path) && path.is_file()).collect();
        more.sort();
        self.kustomizations.extend(more);
    }

    fn ask_kustomizations(&mut self, read: impl Fn(&[u8]) -> Option<Value<'static>>) {
        let mut charts = Charts::default();
        if !self.inputs.folders && self.kustomizations.is_empty() {
            return;
        }
        let here = std::env::current_dir().unwrap_or_default();
        let mut files: Vec<(PathBuf, Vec<u8>)> = Vec::new();
        for path in &self.kustomizations {
            // One that vanishes or cannot be read says nothing; if it is an input, reading it will tell.
            if let Ok(bytes) = fs::File::open(path).and_then(|file| read_bounded(file, 0)) {
                files.push((here.join(path), bytes));
            }
        }
        let known = Kustomizations::read(files.iter().map(|(path, bytes)| (path.as_path(), bytes.as_slice())), read);
        for input in &mut self.inputs.inputs {
            let Some(path) = &input.path else { continue };
            let absolute = here.join(path);
            if known.patch_of(&absolute).is_some() {
                input.left_alone = Some(Reason::PatchFile);
            } else if !input.named && (is_kustomization(path) || charts.holds(path)) {
                input.left_alone = Some(Reason::NotKubernetes);
            }
            input.renamed = known.renaming_of(&absolute).map(|renaming| {
                let kustomization = &renaming.kustomization;
                (renaming.clone(), shown(kustomization.strip_prefix(&here).unwrap_or(kustomization)))
            });
        }
    }
}

/// Everything below a folder, in the order of the names. Hidden and git-ignored files are left out.
/// What is ignored only on this machine (`core.excludesFile`) counts not: the same tree gives the
/// same result everywhere.
fn walk(root: &Path, exclude: &Exclude) -> ignore::Walk {
    let in_repository =
        std::path::absolute(root).is_ok_and(|root| root.ancestors().any(|folder| folder.join(".git").exists()));
    let (exclude, base) = (exclude.clone(), root.to_path_buf());
    WalkBuilder::new(root)
        .hidden(true)
        .ignore(false)
        .git_global(false)
        .git_exclude(true)
        .git_ignore(true)
        // Outside of a repository (a plugin is handed a tree without .git), .gitignore means the same
        // below the folder, and nothing above it.
        .require_git(in_repository)
        .parents(in_repository)
        .follow_links(false)
        .sort_by_file_name(std::ffi::OsStr::cmp)
        .filter_entry(move |entry: &DirEntry| {
            let folder = entry.file_type().is_some_and(|kind| kind.is_dir());
            entry.depth() == 0 || !exclude.matches(&base, entry.path(), folder)
        })
        .build()
}

/// What `--exclude` leaves out.
#[derive(Debug, Clone)]
struct Exclude(Option<Arc<Gitignore>>);

impl Exclude {
    fn new(globs: &[String]) -> Result<Self, Failures> {
        if globs.is_empty() {
            return Ok(Exclude(None));
        }
        let wrong = |glob: &str, error: ignore::Error| {
            Failure::new(format!("--exclude {glob}: {error}, expected a pattern as in .gitignore"))
        };
        let mut builder = GitignoreBuilder::new("");
        builder.allow_unclosed_class(false);
        let failures: Vec<Failure> =
            globs.iter().filter_map(|glob| Some(wrong(glob, builder.add_line(None, glob).err()?))).collect();
        if !failures.is_empty() {
            return Err(Failures(failures));
        }
        let matcher = builder.build().map_err(|error| Failures(vec![wrong(&globs.join(" "), error)]))?;
        Ok(Exclude(Some(Arc::new(matcher))))
    }

    /// A pattern may be meant from where the user stands or from the folder that was named.
    fn matches(&self, root: &Path, path: &Path, folder: bool) -> bool {
        let Some(matcher) = &self.0 else { return false };
        let below = path.strip_prefix(root).ok().filter(|below| !below.as_os_str().is_empty());
        let forms = [Some(relative(path)), below.map(Path::to_path_buf)];
        forms.into_iter().flatten().any(|form| {
            // A folder is pruned while walking; for a named file, the folders above it count too.
            let above = form.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
            matcher.matched(&form, folder).is_ignore()
                || above.into_iter().any(|it| matcher.matched(it, true).is_ignore())
        })
    }
}

fn relative(path: &Path) -> PathBuf {
    path.components().filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir)).collect()
}

/// Helm charts as folders: templates are no manifests until Helm has rendered them.
#[derive(Default)]
struct Charts {
    folders: HashMap<PathBuf, bool>,
}

impl Charts {
    /// Whether the file is part of a chart that only Helm can read.
    fn holds(&mut self, path: &Path) -> bool {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let beside = path.parent().unwrap_or(Path::new(""));
        if matches!(name, "Chart.yaml" | "Chart.yml") || name.starts_with("values") && self.is_chart(beside) {
            return true;
        }
        let templates = beside.ancestors().find(|folder| folder.file_name().is_some_and(|name| name == "templates"));
        // A template without any action is a plain manifest, and may be injected where it stands.
        templates.and_then(Path::parent).is_some_and(|chart| self.is_chart(chart))
            && fs::read(path).is_ok_and(|bytes| memchr::memmem::find(&bytes, b"{{").is_some())
    }

    fn is_chart(&mut self, folder: &Path) -> bool {
        if let Some(known) = self.folders.get(folder) {
            return *known;
        }
        let is_chart = folder.join("Chart.yaml").is_file();
        self.folders.insert(folder.to_path_buf(), is_chart);
        is_chart
    }
}

fn is_manifest_name(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

/// A path as it is shown: `a/b.yaml` for `./a/b.yaml`, with slashes everywhere.
fn shown(path: &Path) -> String {
    let text = path.to_string_lossy();
    let text = if cfg!(windows) { text.replace('\\', "/") } else { text.into_owned() };
    text.strip_prefix("./").map_or_else(|| text.clone(), |rest| rest.trim_start_matches('/').to_owned())
}

fn failure(path: &Path, error: &io::Error) -> Failure {
    let expected = if error.kind() == io::ErrorKind::NotFound { ", expected a file, a folder or -" } else { "" };
    Failure::new(format!("{}: {error}{expected}", shown(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with the given files, each with a text that tells them apart.
    fn tree(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "a: 1\n").unwrap();
        }
        folder
    }

    fn json(bytes: &[u8]) -> Option<Value<'static>> {
        let json: serde_json::Value = serde_json::from_slice(bytes).ok()?;
        Some(Value::from(&json).into_owned())
    }

    fn found(folder: &Path, paths: &[&str], exclude: &[&str]) -> Vec<Input> {
        let paths: Vec<PathBuf> = paths.iter().map(|path| folder.join(path)).collect();
        let exclude: Vec<String> = exclude.iter().map(|glob| (*glob).to_owned()).collect();
        find(&paths, &exclude, json).unwrap().inputs
    }

    fn names(folder: &Path, paths: &[&str], exclude: &[&str]) -> Vec<String> {
        let below = |input: Input| input.path.unwrap().strip_prefix(folder).unwrap().to_string_lossy().into_owned();
        found(folder, paths, exclude).into_iter().map(below).collect()
    }

    #[test]
    fn folders_are_read_in_order_and_hidden_files_left_out() {
        let folder =
            tree(&["b.yaml", "a/z.yml", "a/b/c.json", "c.txt", ".hidden.yaml", ".git/x.yaml", "UP.YAML", "Z.yaml"]);
        assert_eq!(names(folder.path(), &[""], &[]), ["UP.YAML", "Z.yaml", "a/b/c.json", "a/z.yml", "b.yaml"]);
    }

    #[test]
    fn ignored_files_are_left_out_with_and_without_a_repository() {
        let folder = tree(&["keep.yaml", "out/x.yaml", "sub/y.yaml"]);
        fs::write(folder.path().join(".gitignore"), "out/\n").unwrap();
        fs::write(folder.path().join("sub/.gitignore"), "y.yaml\n").unwrap();
        assert_eq!(names(folder.path(), &[""], &[]), ["keep.yaml"]);
        fs::create_dir(folder.path().join(".git")).unwrap();
        assert_eq!(names(folder.path(), &[""], &[]), ["keep.yaml"]);
    }

    #[test]
    fn a_named_file_is_read_whatever_it_is_called() {
        let folder = tree(&["x.txt", ".hidden.yaml", "ignored.yaml"]);
        fs::write(folder.path().join(".gitignore"), "*\n").unwrap();
        let all = ["x.txt", ".hidden.yaml", "ignored.yaml"];
        assert_eq!(names(folder.path(), &all, &[]), all);
    }

    #[test]
    fn exclusions_are_patterns_of_gitignore() {
        let folder = tree(&["a/x.yaml", "a/y.yaml", "b/x.yaml", "b/c/x.yaml"]);
        let left = |globs: &[&str]| names(folder.path(), &[""], globs);
        assert_eq!(left(&["y.yaml"]), ["a/x.yaml", "b/c/x.yaml", "b/x.yaml"]);
        assert_eq!(left(&["/b"]), ["a/x.yaml", "a/y.yaml"]);
        assert_eq!(left(&["b/c/", "a/*"]), ["b/x.yaml"]);
        assert_eq!(left(&["**/x.yaml"]), ["a/y.yaml"]);
        assert_eq!(names(folder.path(), &["a/x.yaml", "b/x.yaml"], &["b"]), ["a/x.yaml"]);
        for wrong in ["a{b", "[", "a/[b"] {
            assert!(find(&[], &[wrong.to_owned()], json).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_named_twice_is_read_once() {
        let folder = tree(&["a.yaml", "b.yaml"]);
        assert_eq!(names(folder.path(), &["b.yaml", "", "a.yaml"], &[]), ["b.yaml", "a.yaml"]);
        assert_eq!(find(&["-".into(), "-".into()], &[], json).unwrap().inputs.len(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_to_files_but_not_to_folders_nor_out_of_the_tree() {
        use std::os::unix::fs::symlink;
        let outside = tree(&["secret.yaml"]);
        let folder = tree(&["a.yaml", "sub/b.yaml", "text"]);
        symlink("text", folder.path().join("file.yaml")).unwrap();
        symlink("a.yaml", folder.path().join("0-again.yaml")).unwrap();
        symlink("sub", folder.path().join("link.yaml")).unwrap();
        symlink("nowhere", folder.path().join("dangling.yaml")).unwrap();
        symlink(outside.path().join("secret.yaml"), folder.path().join("out.yaml")).unwrap();
        assert_eq!(names(folder.path(), &[""], &[]), ["a.yaml", "file.yaml", "sub/b.yaml"]);
        assert_eq!(names(folder.path(), &["out.yaml"], &[]), ["out.yaml"]);
    }

    #[test]
    fn what_is_not_there_is_an_error_each() {
        let folder = tree(&["a.yaml"]);
        let failures = find(&[folder.path().join("x"), folder.path().join("y")], &[], json).unwrap_err();
        assert_eq!(failures.0.len(), 2);
    }

    #[test]
    fn patches_and_charts_are_left_alone() {
        let folder = tree(&["app/d.yaml", "app/p.yaml", "chart/Chart.yaml", "chart/values.yaml", "chart/crds/c.yaml"]);
        fs::write(
            folder.path().join("app/kustomization.yaml"),
            r#"{"resources": ["d.yaml"], "patches": [{"path": "p.yaml"}], "namePrefix": "x-"}"#,
        )
        .unwrap();
        fs::create_dir(folder.path().join("chart/templates")).unwrap();
        fs::write(folder.path().join("chart/templates/d.yaml"), "a: {{ .Values.x }}\n").unwrap();
        fs::write(folder.path().join("chart/templates/plain.yaml"), "a: 1\n").unwrap();
        let left: Vec<(String, Option<Reason>, bool)> = found(folder.path(), &[""], &[])
            .into_iter()
            .map(|input| {
                let name = input.path.unwrap().strip_prefix(folder.path()).unwrap().to_string_lossy().into_owned();
                (name, input.left_alone, input.renamed.is_some())
            })
            .collect();
        let expected = [
            ("app/d.yaml", None, true),
            ("app/kustomization.yaml", Some(Reason::NotKubernetes), false),
            ("app/p.yaml", Some(Reason::PatchFile), false),
            ("chart/Chart.yaml", Some(Reason::NotKubernetes), false),
            ("chart/crds/c.yaml", None, false),
            ("chart/templates/d.yaml", Some(Reason::NotKubernetes), false),
            ("chart/templates/plain.yaml", None, false),
            ("chart/values.yaml", Some(Reason::NotKubernetes), false),
        ];
        assert_eq!(left, expected.map(|(name, reason, renamed)| (name.to_owned(), reason, renamed)));
    }

    #[test]
    fn paths_are_shown_as_they_would_be_typed() {
        assert_eq!(shown(Path::new("./a/b.yaml")), "a/b.yaml");
        assert_eq!(shown(Path::new("../a.yaml")), "../a.yaml");
        assert_eq!(shown(Path::new("/a.yaml")), "/a.yaml");
    }
}
