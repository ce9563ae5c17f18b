//! What runs beside the containers, and the pods: one for each provider, one with the text of messages off, and one without
//! Prelit. Each is made when it is first asked for.

use super::application::{ASKED, Application, Provider};
use super::collector::{Collector, Received};
use super::deployment::{container, deployment};
use super::ground::{Ground, Prepared};
use super::place::{Place, ROOT};
use super::pod::{NODE, Pod, read};
use super::process::Process;
use super::root::{Ended, Running};
use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

pub struct World {
    ground: Arc<Ground>,
    place: Place,
    collector: Collector,
    _model: Process,
    pods: Once<(Provider, Kind), Pod>,
    /// What is run without Prelit may be the same for several providers.
    plain: Once<String, Ended>,
}

/// What is made once, by whoever needs it first.
type Once<Key, Thing> = Mutex<BTreeMap<Key, Arc<OnceLock<Thing>>>>;

/// Whether Prelit was there, and whether the text of messages is recorded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Kind {
    Plain,
    Captures,
    Quiet,
}

/// A container that ran, with Prelit.
pub struct Run {
    pub ended: Ended,
    pub received: Received,
    pub pod_name: String,
    pub pod_uid: String,
    pub container: String,
}

impl World {
    pub fn new(ground: &Arc<Ground>) -> World {
        let otelcol = ground.tools.file("otelcol").unwrap().to_owned();
        let place = Place::new(vec![("otelcol".to_owned(), otelcol)]);
        let collector = Collector::start(&place);
        let python = ground.prepared().bare_python().join("bin/python");
        let mut command = Command::new(python);
        command.arg(format!("{ROOT}/tests/providers/applications/model.py")).args([NODE, "9000"]).env_clear();
        let mut model = Process::start(&mut command, &place.path(""), "model");
        model.wait_until("the model listens", || TcpStream::connect((NODE, 9000)).is_ok());
        let (pods, plain) = (Mutex::default(), Mutex::default());
        World { ground: Arc::clone(ground), place, collector, _model: model, pods, plain }
    }

    /// The same container without Prelit and with it.
    pub fn run(&self, provider: Provider, python: &str, application: &Application) -> (Arc<OnceLock<Ended>>, Run) {
        let name = container(python, application);
        let path = self.path(provider, python, application);
        let key = format!("{path} {:?} {:?}", (application.command)(provider), application.python_path);
        let plain = Arc::clone(self.plain.lock().unwrap().entry(key).or_default());
        plain.get_or_init(|| {
            let pod = self.pod(provider, Kind::Plain);
            drive(application, pod.get().unwrap(), &name, path.clone())
        });
        let pod = self.pod(provider, if application.captures { Kind::Captures } else { Kind::Quiet });
        let pod = pod.get().unwrap();
        let ended = drive(application, pod, &name, path);
        let pod_name = pod.field("metadata.name").to_owned();
        let run = Run {
            ended,
            received: self.collector.received(&(pod_name.clone(), name.clone())),
            pod_name,
            pod_uid: pod.field("metadata.uid").to_owned(),
            container: name,
        };
        (plain, run)
    }

    fn prepared(&self) -> &Prepared {
        self.ground.prepared()
    }

    /// The PATH of an image that has this Python, and what the application needs.
    fn path(&self, provider: Provider, python: &str, application: &Application) -> String {
        let folder = &self.prepared().environments[python][(application.environment)(provider)];
        format!("{}/bin:/usr/bin:/bin", folder.display())
    }

    fn pod(&self, provider: Provider, kind: Kind) -> Arc<OnceLock<Pod>> {
        let pod = Arc::clone(self.pods.lock().unwrap().entry((provider, kind)).or_default());
        pod.get_or_init(|| {
            let pythons: Vec<&str> = self.prepared().pythons.keys().map(String::as_str).collect();
            let name = format!("{}-{kind:?}", provider.name()).to_lowercase();
            let manifest = deployment(provider, &pythons);
            let deployment = match kind {
                Kind::Plain => read(&manifest),
                Kind::Captures | Kind::Quiet => self.inject(provider, kind, &name, manifest),
            };
            let address = format!("10.99.{}.{}", 10 + provider as u8, 10 + kind as u8);
            let image = (kind != Kind::Plain).then(|| self.prepared().images[provider.name()].as_path());
            Pod::admit(&deployment, &name, &address, image, self.prepared(), &self.place)
        });
        pod
    }

    /// As a user does it.
    fn inject(&self, provider: Provider, kind: Kind, name: &str, manifest: String) -> Value {
        let file = format!("{name}.yaml");
        self.place.write(&file, manifest);
        let configurations = format!("{ROOT}/tests/providers/configurations");
        let mut arguments =
            vec!["inject".to_owned(), "--settings".to_owned(), format!("{configurations}/settings.yaml")];
        arguments.push(format!("--set=OPENLIT_CAPTURE_MESSAGE_CONTENT={}", kind == Kind::Captures));
        if provider != Provider::OpenLit {
            arguments.push(format!("--config={configurations}/{}.yaml", provider.name()));
        }
        arguments.push(file);
        let injected = read(&self.place.run("prelit", &arguments).succeeded().stdout);
        let image = injected["spec"]["template"]["spec"]["initContainers"][0]["image"].as_str();
        assert_eq!(image, Some(&*format!("registry.example.com/prelit/{}:0.1.0", provider.name())));
        injected
    }
}

/// Runs a container to its end; of one that serves, what it answers is a part of its stdout.
fn drive(application: &Application, pod: &Pod, container: &str, path: String) -> Ended {
    let mut running = pod.run(container, path);
    if !application.serves {
        return running.end();
    }
    let environment = pod.environment(container);
    let address = format!("{}:{}", environment["POD_IP"], environment["PORT"]);
    let answers = ask(&mut running, &address);
    if let Err(why) = &answers {
        signal::kill(Pid::from_raw(i32::try_from(running.id()).unwrap()), Signal::SIGKILL).ok();
        panic!("{container}: {why}: {:?}", running.end());
    }
    signal::kill(Pid::from_raw(i32::try_from(running.id()).unwrap()), Signal::SIGTERM).unwrap();
    let mut ended = running.end();
    ended.stdout.push_str(&answers.unwrap().join("\n"));
    ended
}

fn ask(running: &mut Running, address: &str) -> Result<Vec<String>, String> {
    let start = Instant::now();
    while TcpStream::connect(address).is_err() {
        if running.has_ended() || start.elapsed() > super::process::PATIENCE {
            return Err("does not listen".to_owned());
        }
        thread::sleep(Duration::from_millis(20));
    }
    // At the same time, so that more than one process has something to do.
    let asked: Vec<_> = (0..ASKED)
        .map(|_| {
            thread::spawn({
                let address = address.to_owned();
                move || get(&address)
            })
        })
        .collect();
    asked.into_iter().map(|answer| answer.join().unwrap().map_err(|error| error.to_string())).collect()
}

fn get(address: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(super::process::PATIENCE))?;
    stream.write_all(format!("GET /ask HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    Ok(format!("{} {body}", head.lines().next().unwrap_or_default()))
}
