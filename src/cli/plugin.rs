//! The older form of kustomize's plugins, which is the only one that `kubectl kustomize` runs: a program with the
//! name of a kind, at a path that is made of the kind's group and version. It gets the object as a file and the
//! manifests on stdin, and writes the manifests.

use super::args::{Edit, Plugin};
use super::{Exit, doors, inject};
use crate::api::names::{GROUP, KIND, VERSION};
use crate::render::{Action, Failures};
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Whether the program was called by the name of the kind: as kustomize calls the plugin.
pub fn is_called(arguments: &[OsString]) -> bool {
    arguments.first().and_then(|program| Path::new(program).file_stem()).is_some_and(|name| name == KIND)
}

/// Is the plugin: the filter, with the resource as its configuration.
///
/// # Errors
///
/// As for `prelit inject`.
pub fn run(arguments: Plugin) -> Result<Exit, Failures> {
    let Plugin { resource, findings, mut configuration, talk } = arguments;
    configuration.config.insert(0, resource);
    inject::run(Action::Inject, &Edit { findings, configuration, ..Edit::default() }, talk)
}

/// Puts a link to this program where kustomize looks for the plugin of the kind. One that is there already
/// is replaced, in one step.
///
/// # Errors
///
/// A folder that is not known or cannot be written.
pub fn install(home: Option<&Path>) -> Result<Exit, Failures> {
    let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    let home = home.map(Path::to_owned).or_else(|| plugin_home(variable, Path::is_dir)).ok_or_else(|| {
        doors::error("no folder for kustomize's plugins is known: expected --dir DIR, or HOME to be set")
    })?;
    let folder = home.join(GROUP).join(VERSION).join(KIND.to_lowercase());
    let target = folder.join(KIND);
    let program = env::current_exe().and_then(fs::canonicalize);
    let placed = program.and_then(|program| {
        fs::create_dir_all(&folder)?;
        place(&program, &target)
    });
    placed.map_err(|error| doors::error(&format!("{}: {error}", target.display())))?;
    doors::print(format!("{}\n", target.display()).as_bytes())?;
    Ok(Exit::Done)
}

/// Where kustomize looks, by the environment (`api/konfig/plugins.go`, `DefaultAbsPluginHome`): the first that
/// there is, and of those that there are not the one that is meant.
fn plugin_home(variable: impl Fn(&str) -> Option<OsString>, is_there: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    let folder = |name: &str, below: &str| Some(PathBuf::from(variable(name)?).join(below));
    if let Some(home) = variable("KUSTOMIZE_PLUGIN_HOME") {
        return Some(PathBuf::from(home));
    }
    let mut homes = Vec::new();
    homes.extend(folder("XDG_CONFIG_HOME", "kustomize/plugin"));
    homes.extend(folder("HOME", ".config/kustomize/plugin"));
    homes.extend(folder("HOME", "kustomize/plugin"));
    // A new folder before the one that is used would hide the plugins in it.
    let found = homes.iter().position(|home| is_there(home)).unwrap_or(0);
    homes.into_iter().nth(found)
}

/// Puts a link beside the target, and renames it over the target.
#[cfg(unix)]
fn place(program: &Path, target: &Path) -> io::Result<()> {
    let beside = target.with_extension(std::process::id().to_string());
    std::os::unix::fs::symlink(program, &beside)?;
    fs::rename(&beside, target).inspect_err(|_| {
        // What cannot be put in place is not left behind.
        let _gone = fs::remove_file(&beside);
    })
}

/// Where links need rights, the program is copied.
#[cfg(not(unix))]
fn place(program: &Path, target: &Path) -> io::Result<()> {
    fs::copy(program, target).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plugin_is_known_by_its_name() {
        let called = |name: &str| is_called(&[OsString::from(name), OsString::from("file")]);
        assert!(called("/x/openlit.io/v1alpha1/autoinstrumentation/AutoInstrumentation"));
        assert!(called("AutoInstrumentation.exe"));
        assert!(!called("prelit") && !called("/AutoInstrumentation/prelit") && !is_called(&[]));
    }

    #[test]
    fn kustomizes_folder_is_found_as_kustomize_finds_it() {
        let home = |set: &[(&str, &str)], there: &str| {
            let variable =
                |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
            let found = plugin_home(variable, |folder| folder == Path::new(there));
            found.map(|path| path.to_string_lossy().into_owned())
        };
        let all = [("KUSTOMIZE_PLUGIN_HOME", "/p"), ("XDG_CONFIG_HOME", "/x"), ("HOME", "/h")];
        assert_eq!(home(&all, "").as_deref(), Some("/p"));
        assert_eq!(home(&all[1..], "").as_deref(), Some("/x/kustomize/plugin"));
        assert_eq!(home(&all[1..], "/h/kustomize/plugin").as_deref(), Some("/h/kustomize/plugin"));
        assert_eq!(home(&all[2..], "").as_deref(), Some("/h/.config/kustomize/plugin"));
        assert_eq!(home(&[], ""), None);
    }
}
