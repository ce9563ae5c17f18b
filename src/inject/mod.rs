//! The engine: what is done to a pod template, and why not. Pure functions: no I/O, no text, no clock.

mod command;
mod compatibility;
pub mod configuration;
pub mod containers;
mod digest;
pub mod engine;
mod environment;
mod foreign;
mod image;
mod init_container;
mod isolated;
mod language;
pub mod plan;
mod quantity;
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
