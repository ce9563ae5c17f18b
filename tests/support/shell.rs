//! Commands as the guide writes them: lines for a shell, so that a test reads like what a user types.

use super::place::{Place, ROOT, Run};
use super::support::folder;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

impl Place {
    /// Runs a line as a shell does; a failure anywhere in a pipe is the line's.
    pub fn line(&self, line: &str) -> Run {
        let mut shell = self.command("bash");
        // What is not on this machine is not fetched: a test says the same today and tomorrow.
        shell.envs(["http_proxy", "https_proxy", "HTTPS_PROXY"].map(|name| (name, "http://127.0.0.1:9")));
        Run::of(shell.args(["-o", "pipefail", "-c", line]), "")
    }

    /// What a line writes, which must succeed.
    #[track_caller]
    pub fn out(&self, line: &str) -> String {
        self.line(line).succeeded().stdout
    }

    /// Replaces a text that must be in the file.
    #[track_caller]
    pub fn change(&self, name: &str, old: &str, new: &str) {
        let text = self.read(name);
        assert!(text.contains(old), "{name} has no {old:?}");
        self.write(name, text.replace(old, new));
    }

    /// Puts a shell script on the PATH, in place of what is there by that name.
    pub fn script(&self, name: &str, text: &str) {
        let path = self.path("../bin").join(name);
        // What is there is a link, and what it leads to is not ours to write.
        fs::remove_file(&path).ok();
        // Prelit gives what renders no PATH.
        let text = text.replacen(
            "#!/bin/sh\n",
            "#!/bin/sh\nif [ \"$PATH\" = /nonexistent ]; then PATH=/usr/bin:/bin; fi\n",
            1,
        );
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

impl Run {
    /// It must have failed, without a byte on stdout, and have said all of this.
    #[track_caller]
    pub fn failed_saying(self, words: &[&str]) -> Run {
        assert!(self.code != 0 && self.stdout.is_empty(), "{self}");
        self.says(words)
    }

    /// It must have said all of this, on stderr.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Run {
        for word in words {
            assert!(self.stderr.contains(word), "stderr does not say {word:?}\n{self}");
        }
        self
    }
}

/// As a terminal shows it.
impl std::fmt::Display for Run {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}{}", self.stdout, self.stderr)?;
        if self.code == 0 { Ok(()) } else { writeln!(formatter, "# exit {}", self.code) }
    }
}

/// Compares with a golden file of the repository, or writes it.
#[track_caller]
pub fn settle(golden: &str, is: &str) {
    if let Err(complaint) = folder::settle(Path::new(ROOT), golden, Some(is.as_bytes()), folder::bless()) {
        panic!("{complaint}");
    }
}
