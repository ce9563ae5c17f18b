//! Argo CD's own plugin server, as the sidecar runs it: `plugin.yaml` in one folder, its socket in another, and nothing
//! in its environment but the PATH and folders of the place.

use crate::place::Place;
use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The folder of sockets, below the place; repo-server's side finds plugins in it.
pub const SOCKETS: &str = "../sockets";

/// A server that listens, until it is dropped.
pub struct Server {
    process: Child,
    log: PathBuf,
    /// Its name for an Application: that of the plugin, and its version.
    pub plugin: String,
}

impl Server {
    /// Starts a server with the text of a `plugin.yaml`.
    pub fn start(place: &Place, plugin: &str) -> Server {
        place.write("../sidecar/plugin.yaml", plugin);
        let sockets = place.path(SOCKETS);
        fs::create_dir_all(&sockets).unwrap();
        let log = place.path("../sidecar/log");
        let process = place
            .command("argocd-cmp-server")
            .args(["--config-dir-path".as_ref(), place.path("../sidecar").as_os_str()])
            .env("ARGOCD_PLUGINSOCKFILEPATH", &sockets)
            .stdin(Stdio::null())
            .stdout(File::create(&log).unwrap())
            .stderr(File::options().append(true).open(&log).unwrap())
            .spawn()
            .expect("the server starts");
        // From here on a panic ends the process.
        let mut server = Server { process, log, plugin: String::new() };
        let start = Instant::now();
        loop {
            let socket = fs::read_dir(&sockets).unwrap().next().map(|entry| entry.unwrap().path());
            if let Some(socket) = socket.filter(|socket| UnixStream::connect(socket).is_ok()) {
                server.plugin = socket.file_stem().unwrap().to_string_lossy().into_owned();
                return server;
            }
            if let Some(status) = server.process.try_wait().unwrap() {
                panic!("the server ended: {status}\n{}", server.log());
            }
            assert!(start.elapsed() < Duration::from_secs(30), "the server does not listen\n{}", server.log());
            sleep(Duration::from_millis(20));
        }
    }

    /// What it has logged: each command, how long it took, and its stderr.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }
}

/// It does not end on SIGTERM while nobody asks it anything.
impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
