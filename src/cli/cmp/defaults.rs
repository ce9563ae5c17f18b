//! What holds for every Application of a sidecar: a folder with `AutoInstrumentation` resources and settings, as a
//! volume from a `ConfigMap` shows it.

use crate::cli::args::Configuration;
use crate::cli::doors;
use crate::render::Failures;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The names of the file that holds settings.
const SETTINGS: [&str; 4] = ["settings.yaml", "settings.yml", "settings.json", "settings.env"];

/// Reads the folder. One that is not there holds nothing.
///
/// # Errors
/// A folder that cannot be listed, and two files with settings.
pub fn read(folder: &Path) -> Result<Configuration, Failures> {
    let wrong = |what: String| doors::error(&format!("{}: {what}", folder.display()));
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Configuration::default()),
        Err(error) => return Err(wrong(format!("cannot be listed: {error}"))),
    };
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| wrong(format!("cannot be listed: {error}")))?.path();
        // A volume has folders beside its files, `..data` and the like, and the files are links into them.
        match fs::metadata(&path) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => files.push(path),
            Err(error) => return Err(wrong(format!("{}: {error}", path.display()))),
        }
    }
    files.sort();
    let is_settings = |path: &Path| path.file_name().is_some_and(|name| SETTINGS.iter().any(|known| name == *known));
    let (settings, files): (Vec<_>, Vec<_>) = files.into_iter().partition(|path| is_settings(path));
    if let [one, other, ..] = &settings[..] {
        return Err(wrong(format!("found {} and {}, expected one file of settings", one.display(), other.display())));
    }
    let is_manifest = |path: &PathBuf| path.extension().is_some_and(|it| it == "yaml" || it == "yml" || it == "json");
    Ok(Configuration {
        config: files.into_iter().filter(is_manifest).collect(),
        settings: settings.into_iter().next(),
        ..Configuration::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_holds_nothing() {
        let none = read(Path::new("/nonexistent/prelit")).unwrap();
        assert!(none.config.is_empty() && none.settings.is_none());
    }

    #[test]
    fn a_volume_shows_links_and_folders_beside_them() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("..2026_data");
        fs::create_dir(&data).unwrap();
        for name in ["b.yaml", "a.yml", "settings.env", "notes.txt"] {
            fs::write(data.join(name), "").unwrap();
            #[cfg(unix)]
            std::os::unix::fs::symlink(data.join(name), folder.path().join(name)).unwrap();
        }
        let read = read(folder.path()).unwrap();
        assert_eq!(read.config, [folder.path().join("a.yml"), folder.path().join("b.yaml")]);
        assert_eq!(read.settings, Some(folder.path().join("settings.env")));
    }

    #[test]
    fn two_files_of_settings_are_an_error() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["settings.yaml", "settings.env"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        assert!(read(folder.path()).unwrap_err().0[0].message.contains("expected one file of settings"));
    }
}
