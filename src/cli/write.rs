//! Files in place, all or nothing: every new file is written and synced beside the old one first,
//! then all are renamed. A rename that fails puts back those before it. Knows nothing of YAML.

use super::stream::{self, Part};
use crate::render::{Failure, Failures, Splice};
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use tempfile::{Builder, TempPath};

/// What is to become of one file.
#[derive(Debug, Clone, Copy)]
pub struct Change<'c> {
    /// The file, or a link to it.
    pub path: &'c Path,
    /// The digest of what it held when the edits were decided.
    pub digest: u64,
    /// The edits.
    pub splices: &'c [Splice],
}

/// New files beside the old ones; dropping this removes them.
#[derive(Debug)]
pub struct Staged(Vec<Replacement>);

#[derive(Debug)]
struct Replacement {
    target: PathBuf,
    new: TempPath,
}

/// Tells whether a file still holds what it held.
pub fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

/// Writes every new file beside the old one. On an error none is left behind.
///
/// # Errors
///
/// Files that cannot be written beside, or were changed meanwhile.
pub fn stage(changes: &[Change]) -> Result<Staged, Failures> {
    // For a single file no threads are started.
    let results: Vec<Result<Replacement, Failure>> = match changes {
        [only] => vec![Replacement::of(only)],
        changes => changes.par_iter().map(Replacement::of).collect(),
    };
    let (done, failed): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    let failures: Vec<Failure> = failed.into_iter().filter_map(Result::err).collect();
    if !failures.is_empty() {
        return Err(Failures(failures));
    }
    let staged: Vec<Replacement> = done.into_iter().flatten().collect();
    let unsynced: Vec<Failure> = match &staged[..] {
        [only] => only.sync().err().into_iter().collect(),
        staged => staged.par_iter().filter_map(|each| each.sync().err()).collect(),
    };
    if unsynced.is_empty() { Ok(Staged(staged)) } else { Err(Failures(unsynced)) }
}

impl Replacement {
    fn of(change: &Change) -> Result<Self, Failure> {
        Self::attempt(change).map_err(|error| failure(change.path, "cannot be changed", &error))
    }

    fn attempt(change: &Change) -> io::Result<Self> {
        let target = fs::canonicalize(change.path)?;
        let metadata = fs::metadata(&target)?;
        if !metadata.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        let bytes = fs::read(&target)?;
        let part = Part { bytes: &bytes, splices: change.splices };
        if digest(&bytes) != change.digest || !part.is_sound() {
            return Err(io::Error::other("it was changed by somebody else meanwhile; run again"));
        }
        let folder = target.parent().ok_or_else(|| io::Error::other("it is in no folder"))?;
        // Only for us until it has the mode of the old one.
        let mut new = Builder::new().prefix(".prelit-").suffix(".new").tempfile_in(folder)?;
        stream::write_all(&mut new, &part.pieces().collect::<Vec<_>>())?;
        keep_owner(new.as_file(), &metadata);
        new.as_file().set_permissions(metadata.permissions())?;
        Ok(Replacement { target, new: new.into_temp_path() })
    }

    /// After all are written, so that the disk is asked once for many and not many times for one.
    fn sync(&self) -> Result<(), Failure> {
        let synced = File::open(&self.new).and_then(|file| file.sync_all());
        synced.map_err(|error| failure(&self.target, "cannot be changed", &error))
    }
}

/// Only root can give files away; for others, the file becomes theirs as with any editor.
fn keep_owner(file: &File, old: &fs::Metadata) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, fchown};
        if let Ok(new) = file.metadata()
            && (new.uid(), new.gid()) != (old.uid(), old.gid())
        {
            let _unprivileged = fchown(file, Some(old.uid()), Some(old.gid()));
        }
    }
    #[cfg(not(unix))]
    let _ = (file, old);
}

impl Staged {
    /// Renames all new files into place, or none.
    ///
    /// # Errors
    ///
    /// The rename that failed, and whatever could not be put back.
    pub fn commit(self) -> Result<(), Failures> {
        // A single rename needs no way back.
        let backups: Vec<Option<TempPath>> = if self.0.len() == 1 {
            vec![None]
        } else {
            self.0
                .iter()
                .map(|each| {
                    backup(&each.target).map(Some).map_err(|error| failure(&each.target, "cannot be changed", &error))
                })
                .collect::<Result<_, _>>()
                .map_err(|failure| Failures(vec![failure]))?
        };
        let mut replaced: Vec<(PathBuf, Option<TempPath>)> = Vec::with_capacity(self.0.len());
        let folders: BTreeSet<PathBuf> =
            self.0.iter().filter_map(|each| each.target.parent().map(Path::to_path_buf)).collect();
        for (each, backup) in self.0.into_iter().zip(backups) {
            match each.new.persist(&each.target) {
                Ok(()) => replaced.push((each.target, backup)),
                Err(error) => {
                    let mut failures = vec![failure(&each.target, "cannot be replaced", &error.error)];
                    failures.extend(put_back(replaced));
                    return Err(Failures(failures));
                }
            }
        }
        // So that the names are on the disk too; not every file system can.
        for folder in folders {
            let _unsupported = File::open(folder).and_then(|folder| folder.sync_all());
        }
        Ok(())
    }
}

/// A second name for the old file, or a copy where there can be none.
fn backup(target: &Path) -> io::Result<TempPath> {
    let folder = target.parent().unwrap_or(Path::new("."));
    let mut builder = Builder::new();
    builder.prefix(".prelit-").suffix(".old");
    if let Ok(link) = builder.make_in(folder, |name| fs::hard_link(target, name)) {
        return Ok(link.into_temp_path());
    }
    let copy = builder.tempfile_in(folder)?.into_temp_path();
    fs::copy(target, &copy)?;
    Ok(copy)
}

fn put_back(replaced: Vec<(PathBuf, Option<TempPath>)>) -> Vec<Failure> {
    let mut failures = Vec::new();
    for (target, backup) in replaced.into_iter().rev() {
        let Some(backup) = backup else { continue };
        if let Err(lost) = backup.persist(&target) {
            let error = lost.error;
            let place =
                lost.path.keep().map_or_else(|_| String::new(), |path| format!("; it is kept as {}", path.display()));
            failures.push(failure(&target, &format!("cannot be put back{place}"), &error));
        }
    }
    failures
}

fn failure(path: &Path, what: &str, error: &io::Error) -> Failure {
    Failure::new(format!("{}: {what}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(text: &str) -> Vec<Splice> {
        vec![Splice { range: 0..0, text: text.to_owned() }]
    }

    fn change<'c>(path: &'c Path, splices: &'c [Splice]) -> Change<'c> {
        Change { path, digest: digest(&fs::read(path).unwrap_or_default()), splices }
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn all_files_are_replaced_and_nothing_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&a, "a").unwrap();
        fs::write(&b, "b").unwrap();
        let splices = insert("new ");
        stage(&[change(&a, &splices), change(&b, &splices)]).unwrap().commit().unwrap();
        assert_eq!(fs::read_to_string(&a).unwrap(), "new a");
        assert_eq!(fs::read_to_string(&b).unwrap(), "new b");
        assert_eq!(names(folder.path()), ["a", "b"]);
    }

    #[test]
    fn nothing_is_left_behind_when_nothing_is_committed() {
        let folder = tempfile::tempdir().unwrap();
        let a = folder.path().join("a");
        fs::write(&a, "a").unwrap();
        let splices = insert("new ");
        let staged = stage(&[change(&a, &splices)]).unwrap();
        assert_eq!(names(folder.path()).len(), 2);
        drop(staged);
        assert_eq!(names(folder.path()), ["a"]);
        assert_eq!(fs::read_to_string(&a).unwrap(), "a");
    }

    #[cfg(unix)]
    #[test]
    fn mode_and_link_are_kept() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::write(&real, "a").unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o754)).unwrap();
        symlink("real", &link).unwrap();
        let splices = insert("new ");
        stage(&[change(&link, &splices)]).unwrap().commit().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&real).unwrap(), "new a");
        assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o7777, 0o754);
    }

    #[test]
    fn a_file_that_somebody_changed_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&a, "a").unwrap();
        fs::write(&b, "b").unwrap();
        let splices = insert("new ");
        let changes = [change(&a, &splices), change(&b, &splices)];
        fs::write(&b, "theirs").unwrap();
        let failures = stage(&changes).unwrap_err();
        assert!(failures.0[0].message.contains("somebody else"), "{failures:?}");
        assert_eq!(fs::read_to_string(&a).unwrap(), "a");
        assert_eq!(fs::read_to_string(&b).unwrap(), "theirs");
        assert_eq!(names(folder.path()), ["a", "b"]);
    }

    #[test]
    fn a_rename_that_fails_puts_back_those_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = ["a", "b", "c"].iter().map(|name| folder.path().join(name)).collect();
        for path in &paths {
            fs::write(path, "old").unwrap();
        }
        let splices = insert("new ");
        let changes: Vec<Change> = paths.iter().map(|path| change(path, &splices)).collect();
        let mut staged = stage(&changes).unwrap();
        // The new third file vanishes, so its rename must fail after two that succeed.
        fs::remove_file(&staged.0[2].new).unwrap();
        let failures = staged_commit(&mut staged);
        assert!(failures.0[0].message.contains("cannot be replaced"), "{failures:?}");
        for path in &paths {
            assert_eq!(fs::read_to_string(path).unwrap(), "old");
        }
        assert_eq!(names(folder.path()), ["a", "b", "c"]);
    }

    #[test]
    fn a_folder_that_vanishes_leaves_the_others_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("below");
        fs::create_dir(&below).unwrap();
        let (a, b) = (folder.path().join("a"), below.join("b"));
        fs::write(&a, "old").unwrap();
        fs::write(&b, "old").unwrap();
        let splices = insert("new ");
        let mut staged = stage(&[change(&a, &splices), change(&b, &splices)]).unwrap();
        fs::remove_dir_all(&below).unwrap();
        staged_commit(&mut staged);
        assert_eq!(fs::read_to_string(&a).unwrap(), "old");
        assert_eq!(names(folder.path()), ["a"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_cannot_be_written_is_an_error_and_nothing_changes() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("below");
        fs::create_dir(&below).unwrap();
        let (a, b) = (folder.path().join("a"), below.join("b"));
        fs::write(&a, "old").unwrap();
        fs::write(&b, "old").unwrap();
        fs::set_permissions(&below, fs::Permissions::from_mode(0o555)).unwrap();
        // Root may write everywhere; then there is nothing to see here.
        let barred = File::create(below.join("probe")).is_err();
        let splices = insert("new ");
        let result = stage(&[change(&a, &splices), change(&b, &splices)]);
        if barred {
            assert!(result.unwrap_err().0[0].message.contains("below/b"));
            assert_eq!(fs::read_to_string(&a).unwrap(), "old");
            assert_eq!(names(folder.path()), ["a", "below"]);
        }
        fs::set_permissions(&below, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn a_folder_is_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let failures = stage(&[change(folder.path(), &[])]).unwrap_err();
        assert!(failures.0[0].message.contains("not a regular file"), "{failures:?}");
    }

    fn staged_commit(staged: &mut Staged) -> Failures {
        Staged(std::mem::take(&mut staged.0)).commit().unwrap_err()
    }
}
