//! The command that is tested, as a user runs it.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// What a run left behind.
pub struct Run {
    pub code: i32,
    pub stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Run {
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

/// Runs `prelit VERB OPTIONS OPERANDS` in `directory`, in a bare environment: it takes nothing from it.
pub fn prelit(directory: &Path, verb: &[&str], options: &[String], operands: &[&str], stdin: Option<&[u8]>) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_prelit"));
    command.args(verb).args(options).args(operands);
    run(command, directory, stdin)
}

/// Runs a command in `directory`, in a bare environment.
pub fn run(mut command: Command, directory: &Path, stdin: Option<&[u8]>) -> Run {
    let mut child = command
        .current_dir(directory)
        .env_clear()
        .stdin(if stdin.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("prelit starts");
    if let (Some(bytes), Some(mut pipe)) = (stdin.map(<[u8]>::to_vec), child.stdin.take()) {
        // A run that fails early closes the pipe; its exit code and message say more than the write.
        std::thread::spawn(move || drop(pipe.write_all(&bytes)));
    }
    let output = child.wait_with_output().expect("prelit ends");
    Run { code: output.status.code().unwrap_or(-1), stdout: output.stdout, stderr: output.stderr }
}
