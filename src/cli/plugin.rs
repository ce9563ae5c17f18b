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
/// is replaced, in one step; what is not ours is left alone.
///
/// # Errors
///
/// A folder that is not known or cannot be written, and what somebody else has put there.
pub fn install(home: Option<&Path>) -> Result<Exit, Failures> {
    let target = target(home)?;
    refuse_others(&target)?;
    let place = || {
        fs::create_dir_all(target.parent().unwrap_or(Path::new(".")))?;
        place(&program()?, &target)
    };
    place().map_err(|error| doors::error(&format!("{}: {error}", target.display())))?;
    doors::print(format!("{}\n", target.display()).as_bytes())?;
    Ok(Exit::Done)
}

/// Takes the link away again, if it is ours.
///
/// # Errors
///
/// The same, and no link at all.
pub fn uninstall(home: Option<&Path>) -> Result<Exit, Failures> {
    let target = target(home)?;
    refuse_others(&target)?;
    fs::remove_file(&target).map_err(|error| doors::error(&format!("{}: {error}", target.display())))?;
    doors::print(format!("{}\n", target.display()).as_bytes())?;
    Ok(Exit::Done)
}

/// The place of the plugin.
fn target(home: Option<&Path>) -> Result<PathBuf, Failures> {
    let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    let home = home.map(Path::to_owned).or_else(|| plugin_home(variable, Path::is_dir)).ok_or_else(|| {
        doors::error("no folder for kustomize's plugins is known: expected --dir DIR, or HOME to be set")
    })?;
    Ok(home.join(GROUP).join(VERSION).join(KIND.to_lowercase()).join(KIND))
}

/// Refuses a place at which there is something else than a link to Prelit, or a copy of it.
fn refuse_others(target: &Path) -> Result<(), Failures> {
    let Ok(there) = fs::symlink_metadata(target) else { return Ok(()) };
    let is_ours = if there.is_symlink() {
        let leads_to = fs::read_link(target).unwrap_or_default();
        leads_to.file_stem().is_some_and(|name| name.to_string_lossy().starts_with(env!("CARGO_PKG_NAME")))
    } else {
        cfg!(not(unix)) && there.is_file()
    };
    if is_ours {
        return Ok(());
    }
    Err(doors::error(&format!(
        "{}: found something that is not a link to prelit; expected nothing, so take it away, or name another folder with --dir",
        target.display()
    )))
}

/// This program, by the name under which it is on the PATH: what that leads to is another file after an update.
fn program() -> io::Result<PathBuf> {
    let this = fs::canonicalize(env::current_exe()?)?;
    let folders = env::var_os("PATH").unwrap_or_default();
    let name = format!("{}{}", env!("CARGO_PKG_NAME"), env::consts::EXE_SUFFIX);
    let found = env::split_paths(&folders).filter(|folder| folder.is_absolute()).map(|folder| folder.join(&name));
    let known = found.into_iter().find(|path| fs::canonicalize(path).is_ok_and(|path| path == this));
    Ok(known.unwrap_or(this))
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
