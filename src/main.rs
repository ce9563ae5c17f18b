//! The `prelit` command: parse the command line, open one door, map the result to an exit code.

use prelit::cli::{self, Exit};
use std::panic;
use std::process::ExitCode;

/// The images have the static program: with musl's own allocator a review takes half as long again.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    // A defect is ours: short, without a trace, and never with half of an output.
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(|place| format!(" at {}:{}", place.file(), place.line())).unwrap_or_default();
        cli::doors::mutter(&format!("prelit: internal error{place}; nothing was written. Please report it.\n"));
    }));
    let exit = panic::catch_unwind(|| cli::run(std::env::args_os())).unwrap_or(Exit::Error);
    ExitCode::from(exit as u8)
}
