//! Where a test runs: a folder of its own, in which everything is that a tool may read or write of a user.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// The repository.
pub const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// `work/` is the working directory, `bin/` is first on the PATH, `home/` is HOME.
pub struct Place {
    folder: TempDir,
}

impl Place {
    /// A place with `prelit` and these tools, by their names, on its PATH.
    pub fn new(tools: Vec<(String, PathBuf)>) -> Place {
        let place = Place { folder: tempfile::tempdir().expect("a temporary folder") };
        for folder in ["work", "bin", "home", "tmp"] {
            fs::create_dir(place.root().join(folder)).unwrap();
        }
        let prelit = ("prelit".to_owned(), PathBuf::from(env!("CARGO_BIN_EXE_prelit")));
        for (name, file) in tools.into_iter().chain([prelit]) {
            place.link(&file, &name);
        }
        place
    }

    fn root(&self) -> &Path {
        self.folder.path()
    }

    /// A path below the working directory.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root().join("work").join(name)
    }

    /// A file or folder of the home folder.
    pub fn home(&self, name: &str) -> PathBuf {
        self.path("../home").join(name)
    }

    /// Puts a program on the PATH, under a name.
    pub fn link(&self, program: &Path, name: &str) {
        symlink(program, self.root().join("bin").join(name)).unwrap();
    }

    /// Takes a program from the PATH again.
    pub fn unlink(&self, name: &str) {
        fs::remove_file(self.root().join("bin").join(name)).unwrap();
    }

    /// Writes a file, and the folders that lead to it.
    pub fn write(&self, name: impl AsRef<Path>, text: impl AsRef<[u8]>) {
        let file = self.path(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    /// The text of a file.
    pub fn read(&self, name: impl AsRef<Path>) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Copies a file or a folder of the repository to a path below the working directory, and makes the folders that
    /// lead to it.
    pub fn copy(&self, from: &str, to: impl AsRef<Path>) {
        let to = self.path(to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        copy(&Path::new(ROOT).join(from), &to);
    }

    /// A command in the working directory, with nothing of the user's environment.
    pub fn command(&self, program: &str) -> Command {
        let home = self.root().join("home");
        let mut command = Command::new(self.program(program));
        command
            .current_dir(self.path(""))
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", self.root().join("bin").display()))
            .env("TMPDIR", self.root().join("tmp"))
            .env("XDG_CONFIG_HOME", home.join(".config"))
            .env("XDG_CACHE_HOME", home.join(".cache"))
            .env("XDG_DATA_HOME", home.join(".local/share"))
            // What is written in Go has ended before it needs to collect its garbage.
            .env("GOGC", "400")
            .env("HOME", home);
        command
    }

    /// Whether a program is in `bin/`.
    pub fn has(&self, name: &str) -> bool {
        self.root().join("bin").join(name).exists()
    }

    /// A program of `bin/`, or one of the system.
    pub fn program(&self, name: &str) -> PathBuf {
        if self.has(name) { self.root().join("bin").join(name) } else { PathBuf::from(name) }
    }

    /// Runs a program with nothing on its stdin.
    pub fn run<A: AsRef<OsStr>>(&self, program: &str, arguments: &[A]) -> Run {
        Run::of(self.command(program).args(arguments), "")
    }

    /// Runs a program with a text on its stdin.
    pub fn pipe<A: AsRef<OsStr>>(&self, text: &str, program: &str, arguments: &[A]) -> Run {
        Run::of(self.command(program).args(arguments), text)
    }
}

/// What a run left behind.
#[derive(Debug)]
pub struct Run {
    command: String,
    /// -1 for a signal.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// Runs a command with a text on its stdin.
    pub fn of(command: &mut Command, text: &str) -> Run {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (mut pipe, text) = (child.stdin.take().unwrap(), text.to_owned());
        // Who does not read its stdin closes the pipe; that is no failure of the test.
        std::thread::spawn(move || drop(pipe.write_all(text.as_bytes())));
        let output = child.wait_with_output().unwrap();
        Run {
            command: format!("{command:?}"),
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Itself, if the exit code is 0.
    pub fn succeeded(self) -> Run {
        self.exited(0)
    }

    /// Itself, if the exit code is this one.
    pub fn exited(self, code: i32) -> Run {
        let Run { command, code: was, stdout, stderr } = &self;
        assert_eq!(*was, code, "{command}\n-- stdout\n{stdout}\n-- stderr\n{stderr}");
        self
    }
}

fn copy(from: &Path, to: &Path) {
    if from.is_symlink() {
        symlink(fs::read_link(from).unwrap(), to).unwrap();
        return;
    }
    if from.is_file() {
        fs::copy(from, to).unwrap();
        return;
    }
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
        let entry = entry.unwrap();
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}
