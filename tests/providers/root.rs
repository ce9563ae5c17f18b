//! What a container sees as `/`: the machine's programs and libraries, read-only, and what its image and its volumes add.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A folder of the machine, or of a volume, at a path of the container.
pub struct Mount {
    pub from: PathBuf,
    pub to: PathBuf,
    pub read_only: bool,
}

/// A root file system that nobody can write to, but where a volume is mounted for that.
pub struct Root(PathBuf);

impl Root {
    /// Mounts go with the mount namespace of this process.
    pub fn new(folder: PathBuf, mut mounts: Vec<Mount>) -> Root {
        fs::create_dir_all(&folder).unwrap();
        mount(&["-t", "tmpfs", "-o", "mode=755", "tmpfs"], &folder);
        let root = Root(folder);
        // Links on most systems, folders on some.
        for name in ["bin", "lib", "lib64", "sbin", "usr"] {
            let here = Path::new("/").join(name);
            match fs::read_link(&here) {
                Ok(target) => symlink(target, root.0.join(name)).unwrap(),
                Err(_) if here.is_dir() => root.bind(&here, &here, true),
                Err(_) => {}
            }
        }
        for device in ["null", "zero", "full", "random", "urandom"] {
            let here = Path::new("/dev").join(device);
            fs::create_dir_all(root.0.join("dev")).unwrap();
            fs::write(root.0.join("dev").join(device), "").unwrap();
            mount(&["--bind", here.to_str().unwrap()], &root.0.join("dev").join(device));
        }
        for (path, kind, options) in [("dev/shm", "tmpfs", "mode=1777,size=64m"), ("proc", "proc", "nosuid")] {
            fs::create_dir_all(root.0.join(path)).unwrap();
            mount(&["-t", kind, "-o", options, kind], &root.0.join(path));
        }
        fs::create_dir_all(root.0.join("etc")).unwrap();
        fs::write(root.0.join("etc/passwd"), "root:x:0:0::/:/bin/sh\n").unwrap();
        let libraries = Path::new("/etc/ld.so.cache");
        if libraries.exists() {
            fs::copy(libraries, root.0.join("etc/ld.so.cache")).unwrap();
        }
        // What is mounted inside another comes after it.
        mounts.sort_by(|one, other| one.to.cmp(&other.to));
        for Mount { from, to, read_only } in &mounts {
            root.bind(from, to, *read_only);
        }
        mount(&["-o", "remount,ro"], &root.0);
        root
    }

    fn bind(&self, from: &Path, to: &Path, read_only: bool) {
        let at = self.0.join(to.strip_prefix("/").unwrap());
        fs::create_dir_all(&at).unwrap_or_else(|error| panic!("{}: {error}", at.display()));
        mount(&["--bind", from.to_str().unwrap()], &at);
        if read_only {
            mount(&["-o", "remount,bind,ro"], &at);
        }
    }

    /// Runs a command as a user without any privilege.
    pub fn start(
        &self,
        user: u32,
        folder: &str,
        command: &[String],
        environment: &BTreeMap<String, String>,
    ) -> Running {
        let id = user.to_string();
        let mut chroot = Command::new("unshare");
        chroot.arg("--root").arg(&self.0).args(["--wd", folder, "setpriv", "--reuid", &id, "--regid", &id]);
        chroot.args(["--clear-groups", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--"]).args(command);
        chroot.env_clear().envs(environment);
        Running::new(&mut chroot)
    }
}

/// A folder that everybody may write to, as an `emptyDir` is.
pub fn empty_dir(folder: PathBuf) -> PathBuf {
    fs::create_dir_all(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    folder
}

fn mount(arguments: &[&str], at: &Path) {
    let output = Command::new("mount").args(arguments).arg(at).output().unwrap();
    assert!(
        output.status.success(),
        "mount {arguments:?} {}: {}",
        at.display(),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A container that runs.
pub struct Running {
    child: Child,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
}

/// What a container leaves behind.
#[derive(Debug)]
pub struct Ended {
    /// The exit code, or the number of a signal, negated.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Running {
    fn new(command: &mut Command) -> Running {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = Some(text(child.stdout.take().unwrap()));
        let stderr = Some(text(child.stderr.take().unwrap()));
        Running { child, stdout, stderr }
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end, and kills it when that does not come.
    pub fn end(mut self) -> Ended {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if start.elapsed() > super::process::PATIENCE {
                self.child.kill().unwrap();
            }
            thread::sleep(Duration::from_millis(10));
        };
        Ended {
            code: status.code().unwrap_or_else(|| -status.signal().unwrap()),
            stdout: self.stdout.take().unwrap().join().unwrap(),
            stderr: self.stderr.take().unwrap().join().unwrap(),
        }
    }
}

fn text(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
