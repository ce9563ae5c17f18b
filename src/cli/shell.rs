//! `prelit crd`, `completions` and `man`: what the tool knows of itself.

use super::args::Args;
use super::{Exit, doors};
use crate::render::Failures;
use clap::CommandFactory;

/// The definition of the `AutoInstrumentation` resource.
///
/// # Errors
///
/// A stdout that cannot be written.
pub fn crd() -> Result<Exit, Failures> {
    let definition = crate::api::crd::crd_yaml().map_err(|error| doors::error(&error.to_string()))?;
    doors::print(definition.as_bytes())?;
    Ok(Exit::Done)
}

/// Completions for a shell.
///
/// # Errors
///
/// A stdout that cannot be written.
pub fn completions(shell: clap_complete::Shell) -> Result<Exit, Failures> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "prelit", &mut script);
    doors::print(&script)?;
    Ok(Exit::Done)
}

/// The man page of the tool or of one of its commands.
///
/// # Errors
///
/// A stdout that cannot be written.
pub fn man(command: Option<&str>) -> Result<Exit, Failures> {
    let mut tool = Args::command();
    tool.build();
    let page = match command {
        None => &tool,
        Some(name) => {
            let found = tool.get_subcommands().find(|each| each.get_name() == name);
            found.ok_or_else(|| doors::error(&format!("man: found {name}, expected a command")))?
        }
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(page.clone()).render(&mut text).map_err(|error| doors::error(&format!("man: {error}")))?;
    doors::print(&text)?;
    Ok(Exit::Done)
}
