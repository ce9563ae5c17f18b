//! Looks on: what is registered, who leads, and what each ready replica shows to who connects, over time.

use super::client::Client;
use super::kubelet::Kubelet;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use prelit::webhook::certificates::certificate::Certificate;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::collections::BTreeMap;
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use time::OffsetDateTime;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// What was seen, each thing when it was seen first.
#[derive(Debug, Default, Clone)]
pub struct Seen {
    /// The CAs that are registered, as their fingerprints.
    pub bundles: Vec<(Instant, Vec<String>)>,
    /// Who holds the Lease; nobody, if it is given back.
    pub leaders: Vec<(Instant, String)>,
    /// The certificates that each address has shown.
    pub leaves: BTreeMap<&'static str, Vec<String>>,
    /// For how long any of them was valid still, at least.
    pub least_left: Option<time::Duration>,
    /// Handshakes that failed with a replica that is ready, and why.
    pub distrust: Vec<(Instant, String)>,
    /// Handshakes.
    pub handshakes: usize,
}

impl Seen {
    /// The CAs that were trusted alone, one after the other: between two of them is a whole rotation.
    pub fn authorities(&self) -> Vec<&str> {
        let alone = self.bundles.iter().filter(|(_, bundle)| bundle.len() == 1);
        let mut authorities: Vec<&str> = alone.map(|(_, bundle)| bundle[0].as_str()).collect();
        authorities.dedup();
        authorities
    }

    /// Whether each of these was trusted beside the one before at first.
    pub fn were_announced(&self) -> bool {
        let beside = |pair: &[&str]| {
            let mut bundles = self.bundles.iter().map(|(_, bundle)| bundle);
            bundles.any(|bundle| pair.iter().all(|one| bundle.iter().any(|trusted| trusted == one)))
        };
        self.authorities().windows(2).all(beside)
    }

    /// Who holds the Lease now.
    pub fn leader(&self) -> Option<&str> {
        self.leaders.last().map(|(_, leader)| leader.as_str()).filter(|leader| !leader.is_empty())
    }
}

/// It looks on until it is dropped.
pub struct Witness {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Witness {
    pub fn start(kubelet: &Arc<Kubelet>, kubeconfig: &Path) -> Witness {
        let (seen, stop) = (Arc::new(Mutex::new(Seen::default())), Arc::new(AtomicBool::new(false)));
        let thread = thread::spawn({
            let (client, kubelet) = (Client::new(kubeconfig), Arc::clone(kubelet));
            let (seen, stop) = (Arc::clone(&seen), Arc::clone(&stop));
            move || {
                while !stop.load(Ordering::Relaxed) {
                    look(&client, &kubelet, &seen);
                    thread::sleep(PAUSE);
                }
            }
        });
        Witness { seen, stop, thread: Some(thread) }
    }

    /// Everything so far.
    pub fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.thread.take().map(JoinHandle::join));
    }
}

fn look(client: &Client, kubelet: &Kubelet, seen: &Mutex<Seen>) {
    if let Some(lease) = client.find(super::LEASE) {
        // Behind the name of the pod it says for which settings that leads.
        let holder = lease["spec"]["holderIdentity"].as_str().unwrap_or_default().split('_').next();
        note(&mut seen.lock().unwrap().leaders, holder.unwrap_or_default().to_owned());
    }
    let Some(configuration) = client.find(super::CONFIGURATION) else { return };
    let bundle = configuration["webhooks"][0]["clientConfig"]["caBundle"].as_str().unwrap_or_default();
    let (bundle, _) = Certificate::read_all(&BASE64.decode(bundle).unwrap_or_default());
    note(&mut seen.lock().unwrap().bundles, bundle.iter().map(Certificate::fingerprint).collect());
    for (_, address) in kubelet.ready() {
        let shown = handshake(address, &bundle);
        let seen = &mut *seen.lock().unwrap();
        seen.handshakes += 1;
        match shown {
            Ok(Some(leaf)) => {
                let left = leaf.end() - OffsetDateTime::now_utc();
                seen.least_left = Some(seen.least_left.map_or(left, |least| least.min(left)));
                let leaves = seen.leaves.entry(address).or_default();
                if leaves.last() != Some(&leaf.fingerprint()) {
                    leaves.push(leaf.fingerprint());
                }
            }
            // It is going, or gone.
            Ok(None) => {}
            Err(why) => seen.distrust.push((Instant::now(), format!("{address}: {why}"))),
        }
    }
}

/// What somebody shows to who trusts these; nothing, if there is nobody.
fn handshake(address: &str, trusted: &[Certificate]) -> Result<Option<Certificate>, String> {
    let mut roots = RootCertStore::empty();
    for one in trusted {
        roots.add(one.der().clone()).map_err(|error| error.to_string())?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("openlit-webhook-service.openlit.svc").unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let Ok(mut stream) = TcpStream::connect((address, 9443)) else { return Ok(None) };
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    while connection.is_handshaking() {
        if let Err(error) = connection.complete_io(&mut stream) {
            // What TLS says, not that the other end is gone.
            let told = error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>);
            return if told { Err(error.to_string()) } else { Ok(None) };
        }
    }
    let shown = connection.peer_certificates().and_then(|chain| chain.first().cloned());
    Ok(shown.and_then(|leaf| Certificate::read(leaf.into_owned())))
}

fn note<T: PartialEq>(history: &mut Vec<(Instant, T)>, now: T) {
    if history.last().is_none_or(|(_, last)| *last != now) {
        history.push((Instant::now(), now));
    }
}
