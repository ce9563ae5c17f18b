//! The engine: what is done to a pod template, and why not. Pure functions: no I/O, no text, no clock.

pub mod configuration;
mod digest;
mod environment;
mod init_container;
pub mod plan;
mod quantity;
pub mod record;
mod resource_attributes;
pub mod state;
pub mod undo;
mod volumes;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod testing;
