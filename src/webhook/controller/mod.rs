//! The controller of `AutoInstrumentation` resources: says in each one's status whether it is valid, and how many pods it
//! selects and has instrumented. What is decided is pure (`pods`, `status`, `attempts`); `run` is the task around it, of
//! which only the leader's does anything.

pub mod attempts;
pub mod pods;
pub mod run;
pub mod status;

#[cfg(test)]
mod testing;
