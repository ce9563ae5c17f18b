//! The certificate that is served. It is swapped between two handshakes: connections that stand go on with the keys that
//! they have agreed on.

use super::Service;
use super::authority::PrivateKey;
use super::certificate::{Certificate, verify};
use super::material::{LEAF, certified};
use super::problem::Problem;
use super::registered::Age;
use arc_swap::ArcSwapOption;
use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::sync::Arc;
use time::{Duration, OffsetDateTime};

/// A certificate, ready to be served.
#[derive(Debug)]
pub struct Identity {
    certified: Arc<CertifiedKey>,
    certificate: Certificate,
}

impl Identity {
    /// Of a chain and the key of its first certificate.
    ///
    /// # Errors
    /// When they do not belong together, or are of a kind that cannot be served.
    pub fn new(chain: Vec<CertificateDer<'static>>, key: &PrivateKey) -> Result<Self, Problem> {
        let first = chain.first().cloned().and_then(Certificate::read).ok_or(Problem::Unreadable(LEAF))?;
        Ok(Identity { certified: Arc::new(certified(chain, key)?), certificate: first })
    }

    /// The certificate of the server.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Whether API servers that trust these CAs take it, now and for our Service.
    ///
    /// # Errors
    /// The reason why not.
    pub fn check<'c>(
        &self,
        trusted: impl IntoIterator<Item = &'c Certificate>,
        service: &Service,
        now: OffsetDateTime,
    ) -> Result<(), Problem> {
        self.certificate.check_time(LEAF, now)?;
        verify(&self.certified.cert, trusted, &service.server_name().ok_or(Problem::WrongName)?, now)
    }

    /// For how long it has been trusted by what is registered; none if it is not.
    fn trusted_for(&self, registered: &[Age], service: &Service, now: OffsetDateTime) -> Option<Duration> {
        let of = registered.iter().filter(|(one, _)| self.check([one], service, now).is_ok());
        of.map(|(_, age)| *age).max()
    }
}

/// When a certificate is to be served in place of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swap {
    /// Now.
    Now,
    /// When its CA has been registered for long enough: in this time.
    In(Duration),
    /// When its CA is registered.
    Hold,
}

/// When `candidate` is to be served in place of `current`: when API servers have had `notice` of its CA, or at once where
/// they do not trust what is served now, so that nothing is lost.
pub fn swap(
    current: Option<&Identity>,
    candidate: &Identity,
    registered: &[Age],
    notice: Duration,
    service: &Service,
    now: OffsetDateTime,
) -> Swap {
    let trusted_for = |identity: &Identity| identity.trusted_for(registered, service, now);
    if current.and_then(trusted_for).is_none() {
        return Swap::Now;
    }
    match trusted_for(candidate) {
        None => Swap::Hold,
        Some(age) if age < notice => Swap::In(notice - age),
        Some(_) => Swap::Now,
    }
}

/// What every handshake asks for the certificate. It has none until it is given one; handshakes fail until then.
#[derive(Debug, Default)]
pub struct Serving {
    current: ArcSwapOption<Identity>,
    lacks: ArcSwapOption<Problem>,
}

impl Serving {
    /// What is served.
    pub fn current(&self) -> Option<Arc<Identity>> {
        self.current.load_full()
    }

    /// Serves this from the next handshake on.
    pub fn set(&self, identity: Arc<Identity>) {
        self.current.store(Some(identity));
    }

    /// Why nothing can be served or trusted, if that is so: the cause of what comes of it.
    pub fn lacks(&self, problem: Option<Problem>) {
        self.lacks.store(problem.map(Arc::new));
    }

    /// Whether API servers that trust these CAs take what is served: what readiness asks.
    ///
    /// # Errors
    /// The reason why not, or its cause where that is known.
    pub fn check<'c>(
        &self,
        trusted: impl IntoIterator<Item = &'c Certificate>,
        service: &Service,
        now: OffsetDateTime,
    ) -> Result<(), Problem> {
        let current = self.current.load();
        let checked = current.as_ref().ok_or(Problem::Absent).and_then(|current| current.check(trusted, service, now));
        checked.map_err(|problem| self.lacks.load().as_ref().map_or(problem, |cause| **cause))
    }

    /// Until when what is served is valid.
    pub fn expiry(&self) -> Option<OffsetDateTime> {
        self.current.load().as_ref().map(|identity| identity.certificate.end())
    }
}

impl ResolvesServerCert for Serving {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.current.load().as_ref().map(|identity| identity.certified.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::super::authority::{Authority, Leaf};
    use super::super::certificate::PROVIDER;
    use super::super::material::tests::{authority, now, service};
    use super::*;
    use rustls::client::Resumption;
    use rustls::{ClientConfig, RootCertStore, ServerConfig};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio_rustls::client::TlsStream;
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    const NOTICE: Duration = Duration::seconds(10);

    fn identity(leaf: &Leaf) -> Identity {
        Identity::new(leaf.chain.clone(), &leaf.key).unwrap()
    }

    fn leaf(authority: &Authority) -> Identity {
        identity(&authority.leaf(&service(), Duration::DAY, now()).unwrap())
    }

    #[test]
    fn readiness_asks_for_time_name_and_trust() {
        let (ours, other) = (authority(), authority());
        let serving = Serving::default();
        let check = |authority: &Authority, at| serving.check([authority.certificate()], &service(), at);
        assert_eq!(check(&ours, now()), Err(Problem::Absent));
        assert_eq!(serving.expiry(), None);
        serving.set(Arc::new(leaf(&ours)));
        assert_eq!(check(&ours, now()), Ok(()));
        assert_eq!(serving.check([other.certificate(), ours.certificate()], &service(), now()), Ok(()));
        assert_eq!(check(&other, now()), Err(Problem::Untrusted));
        assert_eq!(serving.check([], &service(), now()), Err(Problem::Untrusted));
        assert_eq!(check(&ours, now() + Duration::hours(25)), Err(Problem::Expired(LEAF)));
        assert_eq!(check(&ours, now() - Duration::hours(2)), Err(Problem::NotYetValid(LEAF)));
        let renamed = Service { name: "other".to_owned(), ..service() };
        assert_eq!(serving.check([ours.certificate()], &renamed, now()), Err(Problem::WrongName));
        assert_eq!(serving.expiry(), Some(now() + Duration::DAY));
    }

    #[test]
    fn a_ca_that_has_expired_is_trusted_no_more() {
        let short = Authority::new(Duration::MINUTE, now()).unwrap();
        let serving = Serving::default();
        serving.set(Arc::new(leaf(&short)));
        let later = now() + Duration::minutes(2);
        assert!(serving.check([short.certificate()], &service(), later).is_err());
    }

    #[test]
    fn a_leaf_is_taken_up_when_it_is_trusted_and_nothing_is_lost() {
        let (old, new) = (authority(), authority());
        let (current, candidate) = (leaf(&old), leaf(&new));
        let age = |authority: &Authority, seconds| (authority.certificate().clone(), Duration::seconds(seconds));
        let swap = |current, registered: &[Age]| swap(current, &candidate, registered, NOTICE, &service(), now());
        assert_eq!(swap(None, &[]), Swap::Now);
        assert_eq!(swap(Some(&current), &[]), Swap::Now, "neither is trusted");
        assert_eq!(swap(Some(&current), &[age(&old, 99)]), Swap::Hold);
        assert_eq!(swap(Some(&current), &[age(&old, 99), age(&new, 4)]), Swap::In(Duration::seconds(6)));
        assert_eq!(swap(Some(&current), &[age(&old, 99), age(&new, 10)]), Swap::Now);
        assert_eq!(swap(Some(&current), &[age(&new, 0)]), Swap::Now, "what is served is trusted no more");
    }

    /// A server that answers each byte with the same, on a port of its own.
    async fn echo(serving: Arc<Serving>) -> u16 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let config = ServerConfig::builder_with_provider(PROVIDER.clone()).with_safe_default_protocol_versions();
        let config = config.unwrap().with_no_client_auth().with_cert_resolver(serving);
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    while let Ok(byte) = stream.read_u8().await {
                        stream.write_u8(byte).await.unwrap();
                        stream.flush().await.unwrap();
                    }
                });
            }
        });
        port
    }

    async fn connect(port: u16, trusted: &Authority) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(trusted.certificate().der().clone()).unwrap();
        let config = ClientConfig::builder_with_provider(PROVIDER.clone()).with_safe_default_protocol_versions();
        let mut config = config.unwrap().with_root_certificates(roots).with_no_client_auth();
        // Otherwise the second connection goes on with the certificate of the first.
        config.resumption = Resumption::disabled();
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        TlsConnector::from(Arc::new(config)).connect(service().server_name().unwrap(), stream).await
    }

    async fn shout(stream: &mut TlsStream<TcpStream>, byte: u8) {
        stream.write_u8(byte).await.unwrap();
        stream.flush().await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), byte);
    }

    #[tokio::test]
    async fn a_swap_is_seen_by_the_next_handshake_and_by_no_connection_that_stands() {
        let today = OffsetDateTime::now_utc();
        let of_today = || Authority::new(Duration::DAY, today).unwrap();
        let (old, new) = (of_today(), of_today());
        let leaf = |authority: &Authority| authority.leaf(&service(), Duration::HOUR, today).unwrap();
        let serving = Arc::new(Serving::default());
        let port = echo(serving.clone()).await;
        assert!(connect(port, &old).await.is_err(), "there is none yet");
        serving.set(Arc::new(identity(&leaf(&old))));
        let mut before = connect(port, &old).await.unwrap();
        shout(&mut before, 1).await;
        let second = leaf(&new);
        serving.set(Arc::new(identity(&second)));
        let mut after = connect(port, &new).await.unwrap();
        assert_eq!(after.get_ref().1.peer_certificates().unwrap(), second.chain);
        assert!(connect(port, &old).await.is_err());
        for byte in 2..10 {
            shout(&mut before, byte).await;
            shout(&mut after, byte).await;
        }
    }
}
