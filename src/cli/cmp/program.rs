//! Runs a program that renders manifests: without a shell, with nothing of the environment but what it needs, and
//! bounded in time and size.

use super::Limits;
use super::checkout::Checkout;
use super::confine::confined;
use crate::api::syntax;
use crate::cli::doors;
use crate::render::Failures;
use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// Argo CD shows what a program says, and keeps it: so many characters of its beginning are enough, and as many of its
/// end, where errors stand that come after warnings.
const MAX_SAID: usize = 1_000;

/// So many bytes of both are listened to, so that what must not be shown is found before it is cut.
const MAX_HEARD: usize = 64 << 10;

/// Where no user has a home: what a program would read or run from there is nowhere.
const NOWHERE: &str = "/nonexistent";

/// Variables that name such places.
const PLACES: [&str; 9] = [
    "PATH",
    "HOME",
    "HELM_CACHE_HOME",
    "HELM_CONFIG_HOME",
    "HELM_DATA_HOME",
    "HELM_PLUGINS",
    "KUSTOMIZE_PLUGIN_HOME",
    "XDG_CONFIG_HOME",
    "KUBECONFIG",
];

/// Where a program would ask for what it wants to fetch: nobody listens there, and what is asked of a name of the network
/// goes there. The kernel refuses the rest, where it can ([`confined`]).
const NO_PROXY: &str = "http://127.0.0.1:9";

/// Variables that name it.
const PROXIES: [&str; 6] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];

/// How long after its last word a program may take to end, between one look and the next.
const LOOK: Duration = Duration::from_millis(1);

/// A program, and what it is to do.
pub struct Program<'p> {
    /// Its name on the PATH.
    pub name: &'static str,
    /// Its arguments.
    pub arguments: &'p [OsString],
    /// What it is sent.
    pub stdin: Option<Vec<u8>>,
}

impl Program<'_> {
    /// Runs it in the folder of an Application; gives what it writes, and what it says. `explain` makes of its own words
    /// what may be shown.
    ///
    /// # Errors
    /// A program that is not there, fails, takes too long or writes too much. Its words are told without the place
    /// of the checkout and without credentials of URLs.
    pub fn run(
        self,
        checkout: &Checkout,
        limits: Limits,
        explain: impl Fn(&str) -> String,
    ) -> Result<(Vec<u8>, String), Failures> {
        let name = self.name;
        let limit = limits.deadline.saturating_duration_since(Instant::now());
        let mut child = self.spawn(checkout)?;
        let ended = wait(&mut child, self.stdin, limits);
        if ended.is_err() {
            // It may be gone already. What it has started itself ends with its pipes, or with the container.
            let _gone = child.kill();
            let _reaped = child.wait();
        }
        let Ended { status, stdout, stderr } = ended.map_err(|unfinished| {
            doors::error(&match unfinished {
                Unfinished::Late => format!(
                    "{name}: found no end of it after {} s, expected one; --timeout of prelit cmp generate sets the limit",
                    limit.as_secs_f64().ceil()
                ),
                Unfinished::Long => format!(
                    "{name}: found more than {} MiB, expected less; --max-size of prelit cmp generate sets the limit",
                    limits.bytes >> 20
                ),
                Unfinished::Broken(error) => format!("{name}: cannot be waited for: {error}"),
            })
        })?;
        let said = said(&explain(&String::from_utf8_lossy(&stderr)), checkout);
        if status.success() {
            return Ok((stdout, said));
        }
        let said = if said.is_empty() { "it says nothing".to_owned() } else { said };
        Err(doors::error(&format!("{name} failed ({status}): {said}")))
    }

    fn spawn(&self, checkout: &Checkout) -> Result<Child, Failures> {
        let name = self.name;
        let Some(program) = on_path(name) else {
            return Err(doors::error(&format!("{name}: not found on the PATH; expected it in the plugin's image")));
        };
        let mut command = Command::new(&program);
        command
            .args(self.arguments)
            .current_dir(checkout.folder())
            .env_clear()
            .envs(std::env::var_os("TMPDIR").map(|folder| ("TMPDIR", folder)))
            .envs(PLACES.map(|name| (name, NOWHERE)))
            .envs(PROXIES.map(|name| (name, NO_PROXY)))
            .env("HELM_NO_PLUGINS", "1")
            .stdin(if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let spawned = confined(&[checkout.root(), &program], || command.spawn());
        spawned.map_err(|error| doors::error(&format!("{name}: cannot be started: {error}")))
    }
}

/// Where a program is. It is started by this path and knows no PATH itself, so that it starts no other: kustomize would
/// start git.
fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find_map(|program| fs::canonicalize(program).ok())
}

/// How a program ended.
struct Ended {
    status: ExitStatus,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

/// Why it did not.
enum Unfinished {
    Late,
    Long,
    Broken(io::Error),
}

fn wait(child: &mut Child, input: Option<Vec<u8>>, limits: Limits) -> Result<Ended, Unfinished> {
    if let Some((mut pipe, input)) = child.stdin.take().zip(input) {
        // Who does not read to the end says why on stderr.
        thread::spawn(move || drop(pipe.write_all(&input)));
    }
    let stdout = child.stdout.take().map(|pipe| beside(move || read(pipe, limits.bytes)));
    let stderr = child.stderr.take().map(|pipe| beside(move || listen(pipe)));
    let [stdout, stderr] = [stdout, stderr].map(|reader| match reader {
        Some(reader) => {
            let left = limits.deadline.saturating_duration_since(Instant::now());
            reader.recv_timeout(left).map_err(|_| Unfinished::Late)?.map_err(Unfinished::Broken)
        }
        None => Ok(Vec::new()),
    });
    let (stdout, stderr) = (stdout?, stderr?);
    if stdout.len() as u64 > limits.bytes {
        return Err(Unfinished::Long);
    }
    loop {
        if let Some(status) = child.try_wait().map_err(Unfinished::Broken)? {
            return Ok(Ended { status, stdout, stderr });
        }
        if Instant::now() >= limits.deadline {
            return Err(Unfinished::Late);
        }
        thread::sleep(LOOK);
    }
}

/// Does something beside, and gives where its result will be.
fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        // Nobody waits any more for one that is late.
        let _late = sender.send(work());
    });
    receiver
}

/// Reads up to one byte more than the limit.
fn read(pipe: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    pipe.take(most + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads to the end, and keeps the beginning and the end.
fn listen(mut pipe: impl Read) -> io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    let mut buffer = [0; 4096];
    let mut is_cut = false;
    loop {
        let count = match pipe.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        kept.extend_from_slice(&buffer[..count]);
        if kept.len() > 2 * MAX_HEARD {
            is_cut = true;
            kept.drain(MAX_HEARD..kept.len() - MAX_HEARD);
        }
    }
    if is_cut {
        // What was cut through is not half shown.
        let before = kept[..MAX_HEARD].iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
        let after = kept[MAX_HEARD..].iter().position(|byte| *byte == b'\n').map_or(kept.len(), |at| MAX_HEARD + at);
        kept.splice(before..after, "\n…".bytes());
    }
    Ok(kept)
}

/// What a program says, on one line.
fn said(text: &str, checkout: &Checkout) -> String {
    let mut line = String::new();
    for part in text.lines().map(str::trim).filter(|part| !part.is_empty()) {
        line.push_str(if line.is_empty() || line.ends_with(':') { "" } else { ";" });
        line.push_str(if line.is_empty() { "" } else { " " });
        line.push_str(part);
    }
    let line = syntax::shown(&checkout.without_place(&line));
    let (begin, end) = (line.char_indices().nth(MAX_SAID), line.char_indices().rev().nth(MAX_SAID - 1));
    match (begin, end) {
        (Some((begin, _)), Some((end, _))) if begin < end => format!("{} … {}", &line[..begin], &line[end..]),
        _ => line,
    }
}
