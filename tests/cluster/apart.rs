//! Runs this process, with all that it will start, apart from the machine: in a network that has nothing but its own `lo`,
//! a process tree that the kernel kills as a whole when the first process of it ends, however that comes about, and a
//! folder for temporary files that is in memory and goes with it. So nothing is left behind, and tests can use any port.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// Every address of this prefix is local, as those of pods would be. An endpoint of a Service must not be a loopback
/// address, and nothing else can be reached here. Tests run side by side: each takes the third number that no other has.
pub const ADDRESSES: &str = "10.99.0.1/16";

/// Says to the process that runs apart that it does.
const MARK: &str = "PRELIT_TEST_APART";

/// Where temporary files are; Cargo makes it for integration tests.
const MEMORY: &str = env!("CARGO_TARGET_TMPDIR");

/// The child goes with `unshare`, should that be killed.
const UNSHARE: [&str; 6] = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];

/// The first process. It gets signals only where it asks for them, and when it ends, all others do.
const FIRST: &str = r#"
trap 'exit 130' INT TERM
mount -t tmpfs -o mode=700 tmpfs "$TMPDIR" && ip link set lo up && ip address add "$ADDRESSES" dev lo || exit 2
"$@" &
wait $!
"#;

/// Whether this process runs apart.
pub fn is_entered() -> bool {
    env::var_os(MARK).is_some()
}

/// Runs this process again, apart, in place of itself; in that one it returns at once.
///
/// # Errors
/// Why this machine or user cannot do that.
pub fn enter() -> Result<(), String> {
    if is_entered() {
        return Ok(());
    }
    std::fs::create_dir_all(MEMORY).map_err(|error| format!("{MEMORY}: {error}"))?;
    let probe = run("true").stdin(Stdio::null()).output().map_err(|error| format!("no unshare: {error}"))?;
    if !probe.status.success() {
        let why = String::from_utf8_lossy(&probe.stderr);
        return Err(format!("no network of its own for these tests, which takes root and ip: {}", why.trim()));
    }
    let this = env::current_exe().map_err(|error| error.to_string())?;
    let error = run(this).args(env::args_os().skip(1)).env(MARK, "1").exec();
    Err(format!("unshare: {error}"))
}

/// A program that is run apart, as soon as its arguments are added.
pub fn run(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("unshare");
    command.args(UNSHARE).args(["sh", "-c", FIRST, "sh"]).arg(program);
    command.env("TMPDIR", MEMORY).env("ADDRESSES", ADDRESSES);
    command
}
