//! The `prelit` command: parse the command line, open one door, map the result to an exit code.

fn main() {}
