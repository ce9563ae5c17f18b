//! The engine: what is done to a pod template, and why not. Pure functions: no I/O, no text, no clock.

pub mod configuration;
