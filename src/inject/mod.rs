//! The engine: what is done to a pod template, and why not. Pure functions: no I/O, no text, no clock.

pub mod command;
pub mod compatibility;
pub mod configuration;
pub mod containers;
pub mod foreign;
pub mod image;
pub mod isolated;
pub mod language;
pub mod select;
pub mod sidecars;
