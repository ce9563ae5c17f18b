//! The engine: what is done to a pod template, and why not. Pure functions: no I/O, no text, no clock.
//!
//! | question | module |
//! |---|---|
//! | what is to be done with this template? | [`engine`] |
//! | which configuration does it get? | [`select`] of those that `index` finds, [`configuration`] |
//! | which of its containers? | [`containers`], which asks `language`, `sidecars`, `foreign`, `isolated`, `compatibility` |
//! | what is written into it? | [`plan`], which asks `environment`, `resource_attributes`, `init_container`, `volumes` |
//! | what was written into it, and is it still there? | [`record`], [`state`], [`undo`], `digest` |

mod command;
mod compatibility;
pub mod configuration;
pub mod containers;
mod digest;
pub mod engine;
mod environment;
mod foreign;
mod index;
mod init_container;
mod isolated;
mod language;
mod mistakes;
pub mod plan;
pub mod record;
mod resource_attributes;
pub mod select;
mod sidecars;
pub mod state;
pub mod undo;
mod volumes;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod testing;
