//! The pods of the webhook, and what a kubelet and the controllers of a cluster do for them: what has ended is started
//! again or replaced, and what is not ready leaves the `EndpointSlice`. No sooner than they do it: a kubelet hears within a
//! second that a container has ended, and asks ours every other second whether it is ready. That a pod was deleted is found
//! out in the second way too, which is later than controllers know it.

use super::super::replicas::{Replica, get, slice};
use super::client::{APPLIED, Client};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often it looks whether a container has ended.
const RELIST: Duration = Duration::from_secs(1);

/// How often it asks whether a container is ready.
const PROBE: Duration = Duration::from_secs(2);

/// Between two looks at what is due.
const TICK: Duration = Duration::from_millis(50);

/// The addresses of pods, one after the other: one that is replaced has another.
const ADDRESSES: [&str; 8] =
    ["10.99.20.1", "10.99.20.2", "10.99.20.3", "10.99.20.4", "10.99.20.5", "10.99.20.6", "10.99.20.7", "10.99.20.8"];

/// What pods are started with.
pub struct Template {
    pub folder: PathBuf,
    pub kubeconfig: PathBuf,
    pub settings: &'static [(&'static str, &'static str)],
}

/// A pod whose process was killed, until no new connection is led to it.
#[derive(Debug, Clone, Copy)]
pub struct Loss {
    pub address: &'static str,
    pub killed: Instant,
    pub left: Option<Instant>,
}

struct Pod {
    name: String,
    replica: Replica,
    ready: bool,
    /// It was deleted, and is not started again.
    deleted: bool,
    looked: Instant,
    probed: Instant,
}

struct State {
    template: Template,
    pods: Vec<Pod>,
    made: usize,
    losses: Vec<Loss>,
}

/// It kills its pods when it is dropped.
pub struct Kubelet {
    state: Arc<Mutex<State>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Kubelet {
    /// Runs so many pods; writes the slice as the user of this kubeconfig.
    pub fn start(template: Template, pods: usize, kubeconfig: &Path) -> Kubelet {
        let mut state = State { template, pods: Vec::new(), made: 0, losses: Vec::new() };
        (0..pods).for_each(|_| state.make());
        let (state, stop) = (Arc::new(Mutex::new(state)), Arc::new(AtomicBool::new(false)));
        let thread = thread::spawn({
            let (client, state, stop) = (Client::new(kubeconfig), Arc::clone(&state), Arc::clone(&stop));
            move || run(&client, &state, &stop)
        });
        Kubelet { state, stop, thread: Some(thread) }
    }

    /// The pods that are ready, by name and address.
    pub fn ready(&self) -> Vec<(String, &'static str)> {
        let state = self.state();
        state.pods.iter().filter(|pod| pod.ready).map(|pod| (pod.name.clone(), pod.replica.address)).collect()
    }

    /// All pods, those too that were deleted and have not ended.
    pub fn names(&self) -> Vec<String> {
        self.state().pods.iter().map(|pod| pod.name.clone()).collect()
    }

    /// Kills the process of a pod; the container is started again.
    pub fn kill(&self, name: &str) {
        self.state().kill(name);
    }

    /// Kills a pod as its machine would in going; another pod takes its place.
    pub fn lose(&self, name: &str) {
        let mut state = self.state();
        state.kill(name);
        state.pod(name).deleted = true;
        state.make();
    }

    /// Deletes a pod; another takes its place.
    pub fn delete(&self, name: &str) {
        let mut state = self.state();
        let pod = state.pod(name);
        pod.replica.process.ask_to_end();
        pod.deleted = true;
        state.make();
    }

    /// Everything that was killed.
    pub fn losses(&self) -> Vec<Loss> {
        self.state().losses.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.thread.take().map(JoinHandle::join));
    }
}

impl State {
    fn pod(&mut self, name: &str) -> &mut Pod {
        self.pods.iter_mut().find(|pod| pod.name == name).unwrap()
    }

    fn kill(&mut self, name: &str) {
        let replica = &mut self.pod(name).replica;
        let (address, killed) = (replica.address, Instant::now());
        replica.process.kill();
        self.losses.push(Loss { address, killed, left: None });
    }

    fn make(&mut self) {
        let address = ADDRESSES[self.made];
        self.made += 1;
        let name = format!("replica-{}", self.made);
        let replica = self.template.start(&name, address);
        let now = Instant::now();
        self.pods.push(Pod { name, replica, ready: false, deleted: false, looked: now, probed: now });
    }
}

impl Template {
    fn start(&self, name: &str, address: &'static str) -> Replica {
        Replica::start_with(&self.kubeconfig, self.settings, &self.folder, name, address)
    }
}

fn run(client: &Client, state: &Mutex<State>, stop: &AtomicBool) {
    let mut written: Vec<&'static str> = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let probes = look(&mut state.lock().unwrap());
        // Without the lock: somebody may take two seconds to answer.
        let answers: Vec<(String, bool)> = probes
            .into_iter()
            .map(|(name, address)| (name, get(address, 8081, "/readyz").starts_with("HTTP/1.1 200")))
            .collect();
        let ready = take(&mut state.lock().unwrap(), &answers);
        if ready != written && write(client, &ready) {
            written = ready;
            let now = Instant::now();
            for loss in &mut state.lock().unwrap().losses {
                if !written.contains(&loss.address) {
                    loss.left.get_or_insert(now);
                }
            }
        }
        thread::sleep(TICK);
    }
}

/// Starts again what has ended; says who is to be asked whether it is ready.
fn look(state: &mut State) -> Vec<(String, &'static str)> {
    let now = Instant::now();
    let State { template, pods, .. } = state;
    pods.retain_mut(|pod| {
        if now - pod.looked < RELIST {
            return true;
        }
        pod.looked = now;
        if pod.replica.process.has_ended() {
            pod.ready = false;
            if pod.deleted {
                return false;
            }
            pod.replica = template.start(&pod.name, pod.replica.address);
        }
        true
    });
    let due = pods.iter_mut().filter(|pod| now - pod.probed >= PROBE);
    due.map(|pod| {
        pod.probed = now;
        (pod.name.clone(), pod.replica.address)
    })
    .collect()
}

/// Takes in who is ready; says who of all is.
fn take(state: &mut State, answers: &[(String, bool)]) -> Vec<&'static str> {
    for (name, ready) in answers {
        if let Some(pod) = state.pods.iter_mut().find(|pod| pod.name == *name) {
            pod.ready = *ready;
        }
    }
    state.pods.iter().filter(|pod| pod.ready).map(|pod| pod.replica.address).collect()
}

fn write(client: &Client, ready: &[&str]) -> bool {
    let path = "/apis/discovery.k8s.io/v1/namespaces/openlit/endpointslices/replicas?fieldManager=kubelet&force=true";
    client.send("PATCH", path, Some((APPLIED, &slice(ready)))).is_ok_and(|(status, _)| status < 300)
}
