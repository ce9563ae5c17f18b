//! The task that serves a certificate which somebody else keeps: a mounted Secret, cert-manager. Nothing is written; the
//! files are read again and again, since a kubelet changes them when it pleases.

use super::Service;
use super::certificate::{Certificate, to_pem, verify};
use super::material::{BUNDLE, Data, LEAF, LEAF_KEY, bundle, pair};
use super::problem::Problem;
use super::registered::{Age, Registered};
use super::report::Report;
use super::serving::{Identity, Serving, Swap, swap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use tokio::sync::watch;
use tracing::info;

/// How often the files are read.
const PERIOD: Duration = Duration::from_secs(5);

/// How long a CA is registered before a leaf of it is served.
const NOTICE: time::Duration = time::Duration::seconds(10);

/// How long a CA that was registered stays so beside new ones: kubelets bring a changed Secret to all pods within minutes.
const SETTLE: Duration = Duration::from_secs(300);

/// Serves the certificate of a folder.
#[derive(Debug)]
pub struct Provided {
    /// The folder, which has `tls.crt`, `tls.key` and `ca.crt`.
    pub folder: PathBuf,
    /// What the certificate must be for.
    pub service: Service,
    /// Where what is served is put.
    pub serving: Arc<Serving>,
    /// What is registered.
    pub registered: watch::Receiver<Registered>,
    /// What is to be registered (PEM); it stays empty where there is no `ca.crt`.
    pub wanted: watch::Sender<Vec<u8>>,
    /// Who is told what is wrong.
    pub report: Report,
}

/// What the task knows between two readings.
#[derive(Default)]
struct State {
    /// The CAs of `ca.crt`, and since when.
    bundle: Option<(Vec<Certificate>, Instant)>,
}

impl Provided {
    /// Serves it until it is dropped.
    pub async fn run(mut self) {
        let mut state = State::default();
        loop {
            self.step(&mut state, Instant::now(), OffsetDateTime::now_utc());
            tokio::select! {
                () = tokio::time::sleep(PERIOD) => {}
                Ok(()) = self.registered.changed() => {}
            }
        }
    }

    fn step(&mut self, state: &mut State, instant: Instant, now: OffsetDateTime) {
        let ages = self.registered.borrow_and_update().ages(instant);
        let data = self.read();
        let served = self.serve(&data, &ages, now);
        let published = self.publish(state, &data, &ages, instant);
        let mut problems: Vec<Problem> = Vec::new();
        for problem in [served, published, self.check(&data, now)].into_iter().filter_map(Result::err) {
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
        self.serving.lacks(problems.first().copied());
        self.report.found(&format!("folder {}", self.folder.display()), &problems);
    }

    /// The files. They are few, small and in memory: it takes less time than to ask another thread.
    fn read(&self) -> Data {
        let read = |key: &str| Some((key.to_owned(), std::fs::read(self.folder.join(key)).ok()?));
        [LEAF, LEAF_KEY, BUNDLE].into_iter().filter_map(read).collect()
    }

    fn serve(&self, data: &Data, registered: &[Age], now: OffsetDateTime) -> Result<(), Problem> {
        // Between two files the kubelet may have changed them: then they do not belong together, until the next reading.
        let (chain, key) = pair(data)?;
        let current = self.serving.current();
        let leaf = chain.first().ok_or(Problem::Unreadable(LEAF))?;
        if current.as_ref().is_some_and(|current| current.certificate() == leaf) {
            return leaf.check_time(LEAF, now);
        }
        let identity = Identity::new(chain.iter().map(|one| one.der().clone()).collect(), &key)?;
        if swap(current.as_deref(), &identity, registered, NOTICE, &self.service, now) == Swap::Now {
            info!(certificate = leaf.fingerprint(), until = %leaf.end(), "serving a new certificate");
            self.serving.set(Arc::new(identity));
        }
        Ok(())
    }

    /// Whether API servers that trust `ca.crt` will take the leaf.
    fn check(&self, data: &Data, now: OffsetDateTime) -> Result<(), Problem> {
        // What is missing or cannot be read is told already.
        let (Ok(given), Ok((chain, _))) = (bundle(data), pair(data)) else { return Ok(()) };
        let chain: Vec<_> = chain.iter().map(|one| one.der().clone()).collect();
        verify(&chain, &given, &self.service.server_name().ok_or(Problem::WrongName)?, now)
    }

    /// Says what is to be registered: what is in `ca.crt`, and beside it for a while what was registered before.
    fn publish(&self, state: &mut State, data: &Data, registered: &[Age], instant: Instant) -> Result<(), Problem> {
        let given = bundle(data).map_err(|(_, problem)| problem)?;
        let known = state.bundle.take_if(|(before, _)| *before == given);
        let (given, since) = known.unwrap_or((given, instant));
        let mut wanted = given.clone();
        if instant.saturating_duration_since(since) < SETTLE {
            wanted.extend(registered.iter().map(|(one, _)| one.clone()).filter(|one| !given.contains(one)));
        }
        state.bundle = Some((given, since));
        let wanted = to_pem(&wanted);
        self.wanted.send_if_modified(|before| {
            let changed = *before != wanted;
            *before = wanted;
            changed
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::authority::Authority;
    use super::super::certificate::to_pem;
    use super::super::material::Material;
    use super::super::material::tests::{material, now, service, written};
    use super::super::report::tests::codes;
    use super::*;
    use crate::webhook::events::{Events, Notice};
    use crate::webhook::logging::tests::Lines;
    use crate::webhook::metrics::Metrics;
    use k8s_openapi::api::core::v1::ObjectReference;
    use tokio::sync::mpsc;
    use tracing::level_filters::LevelFilter;

    struct Case {
        folder: tempfile::TempDir,
        provided: Provided,
        state: State,
        registered: watch::Sender<Registered>,
        wanted: watch::Receiver<Vec<u8>>,
        notices: mpsc::Receiver<Notice>,
        start: Instant,
    }

    impl Case {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let (registered, receiver) = watch::channel(Registered::default());
            let (sender, wanted) = watch::channel(Vec::new());
            let (events, notices) = Events::new(Metrics::default());
            let provided = Provided {
                folder: folder.path().to_owned(),
                service: service(),
                serving: Arc::default(),
                registered: receiver,
                wanted: sender,
                report: Report::new(events, Metrics::default(), ObjectReference::default()),
            };
            Case { folder, provided, state: State::default(), registered, wanted, notices, start: Instant::now() }
        }

        fn put(&self, material: &Material, keys: &[&str]) {
            for key in keys {
                std::fs::write(self.folder.path().join(key), &written(material)[*key]).unwrap();
            }
        }

        /// What is served and what is wanted after so many seconds; what was wanted is registered then.
        fn after(&mut self, seconds: u64) -> (Option<Certificate>, Vec<u8>) {
            let instant = self.start + Duration::from_secs(seconds);
            self.provided.step(&mut self.state, instant, now());
            let wanted = self.wanted.borrow().clone();
            self.registered.send_modify(|registered| registered.see(&wanted, instant));
            (self.provided.serving.current().map(|current| current.certificate().clone()), wanted)
        }

        fn ready(&self) -> Result<(), Problem> {
            let ages = self.registered.borrow().ages(Instant::now());
            self.provided.serving.check(ages.iter().map(|(one, _)| one), &service(), now())
        }

        fn told(&mut self) -> Vec<&'static str> {
            codes(&mut self.notices)
        }
    }

    fn leaf(material: &Material) -> Option<Certificate> {
        material.leaf.as_ref().map(|leaf| leaf.certificate.clone())
    }

    const ALL: [&str; 3] = ["tls.crt", "tls.key", "ca.crt"];

    #[test]
    fn files_are_served_as_soon_as_they_belong_together() {
        let mut case = Case::new();
        let (one, two) = (material(), material());
        assert_eq!(case.after(0), (None, Vec::new()));
        assert_eq!(case.told(), ["missing", "missing"]);
        case.put(&one, &["tls.crt", "ca.crt"]);
        case.put(&two, &["tls.key"]);
        assert_eq!(case.after(1), (None, to_pem(&one.bundle)));
        assert_eq!(case.told(), ["key-mismatch"]);
        case.put(&one, &ALL);
        assert_eq!(case.after(2), (leaf(&one), to_pem(&one.bundle)));
        assert!(case.told().is_empty());
    }

    #[test]
    fn a_leaf_that_nobody_will_take_is_told() {
        let mut case = Case::new();
        let (one, two) = (material(), material());
        case.put(&one, &["tls.crt", "tls.key"]);
        case.put(&two, &["ca.crt"]);
        case.after(1);
        assert_eq!(case.told(), ["untrusted"]);
        case.after(2);
        assert!(case.told().is_empty(), "once");
        case.put(&one, &ALL);
        case.provided.service.name = "other".to_owned();
        case.after(3);
        assert_eq!(case.told(), ["wrong-name"]);
    }

    #[test]
    fn a_new_ca_is_registered_beside_the_old_one_before_its_leaf_is_served() {
        let mut case = Case::new();
        let (one, two) = (material(), material());
        case.put(&one, &ALL);
        assert_eq!(case.after(0).0, leaf(&one));
        assert_eq!(case.after(400), (leaf(&one), to_pem(&one.bundle)));
        case.put(&two, &ALL);
        let both = to_pem([&two.bundle[0], &one.bundle[0]]);
        assert_eq!(case.after(401), (leaf(&one), both.clone()));
        assert_eq!(case.after(405), (leaf(&one), both.clone()));
        assert_eq!(case.after(412), (leaf(&two), both));
        assert!(case.told().is_empty(), "nothing is wrong with a change");
        assert_eq!(case.after(702), (leaf(&two), to_pem(&two.bundle)));
    }

    #[test]
    fn a_leaf_of_the_same_ca_is_served_at_once_and_broken_files_change_nothing() {
        let mut case = Case::new();
        let mut one = material();
        case.put(&one, &ALL);
        case.after(0);
        case.after(20);
        let signer: Authority = one.signer.clone().unwrap();
        one.leaf = Some(signer.leaf(&service(), time::Duration::HOUR, now()).unwrap());
        case.put(&one, &ALL);
        assert_eq!(case.after(21).0, leaf(&one));
        for file in ALL {
            std::fs::write(case.folder.path().join(file), "-----BEGIN").unwrap();
        }
        assert_eq!(case.after(25), (leaf(&one), to_pem(&one.bundle)));
    }

    #[test]
    fn without_cas_nothing_is_registered_and_it_is_said_why() {
        for (bundle, problem) in [(None, Problem::Missing(BUNDLE)), (Some("nonsense"), Problem::Unreadable(BUNDLE))] {
            let mut case = Case::new();
            let one = material();
            case.put(&one, &["tls.crt", "tls.key"]);
            if let Some(text) = bundle {
                std::fs::write(case.folder.path().join(BUNDLE), text).unwrap();
            }
            let (lines, _guard) = Lines::begin(LevelFilter::WARN);
            assert_eq!((case.after(0), case.after(5)), ((leaf(&one), Vec::new()), (leaf(&one), Vec::new())));
            assert_eq!(lines.text().matches(&problem.to_string()).count(), 1, "{}", lines.text());
            // Not only that nobody trusts what is served, which is what comes of it.
            assert_eq!(case.ready(), Err(problem));
            case.put(&one, &ALL);
            case.after(10);
            assert_eq!(case.ready(), Ok(()));
        }
    }
}
