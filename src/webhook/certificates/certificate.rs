//! A certificate: its bytes, how long it is valid, and by whom it is trusted. Verified as API servers do it.

use super::problem::Problem;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, Error};
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::{Arc, LazyLock};
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// The one provider of cryptography; never the process's default, which somebody must have installed.
pub(crate) static PROVIDER: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(rustls::crypto::ring::default_provider()));

/// A certificate that could be read.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    der: CertificateDer<'static>,
    start: OffsetDateTime,
    end: OffsetDateTime,
}

impl Certificate {
    /// Reads a certificate; none if it is none.
    pub fn read(der: CertificateDer<'static>) -> Option<Self> {
        let (rest, parsed) = X509Certificate::from_der(&der).ok()?;
        let time = |time: x509_parser::time::ASN1Time| OffsetDateTime::from_unix_timestamp(time.timestamp()).ok();
        let (start, end) = (time(parsed.validity().not_before)?, time(parsed.validity().not_after)?);
        rest.is_empty().then_some(())?;
        Some(Certificate { der, start, end })
    }

    /// The certificates of a text (PEM), as many as can be read, and whether that was all of it.
    pub fn read_all(pem: &[u8]) -> (Vec<Certificate>, bool) {
        let mut whole = true;
        let read = CertificateDer::pem_slice_iter(pem).filter_map(|der| {
            let certificate = der.ok().and_then(Certificate::read);
            whole &= certificate.is_some();
            certificate
        });
        (read.collect(), whole)
    }

    /// Its bytes.
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// From when it is valid.
    pub fn start(&self) -> OffsetDateTime {
        self.start
    }

    /// Until when it is valid.
    pub fn end(&self) -> OffsetDateTime {
        self.end
    }

    /// For how long it is valid, all in all.
    pub fn lifetime(&self) -> time::Duration {
        self.end - self.start
    }

    /// Whether it is valid now; `key` is where it was found.
    ///
    /// # Errors
    /// That it is not valid yet, or no more.
    pub fn check_time(&self, key: &'static str, now: OffsetDateTime) -> Result<(), Problem> {
        if now < self.start {
            Err(Problem::NotYetValid(key))
        } else if now > self.end {
            Err(Problem::Expired(key))
        } else {
            Ok(())
        }
    }

    /// Whether it is valid now.
    pub fn valid_at(&self, now: OffsetDateTime) -> bool {
        (self.start..=self.end).contains(&now)
    }

    /// Whether it is valid now, and was so a while ago: then it is for others too, whose clocks are behind. What is made
    /// here always is, since it is back-dated by twice that.
    pub fn holds_at(&self, now: OffsetDateTime) -> bool {
        let while_ago = (self.lifetime() / 10_i32).min(time::Duration::minutes(30));
        self.valid_at(now) && self.valid_at(now.saturating_sub(while_ago))
    }

    /// The public key, and whether the certificate is that of a CA which may sign leaves, and has signed itself: that no
    /// byte of it has changed.
    pub(crate) fn public_key(&self) -> Option<(Vec<u8>, bool)> {
        let (_, parsed) = X509Certificate::from_der(&self.der).ok()?;
        let may_sign = parsed.is_ca() && parsed.key_usage().ok()?.is_none_or(|usage| usage.value.key_cert_sign());
        let signs = may_sign && parsed.verify_signature(None).is_ok();
        Some((parsed.public_key().subject_public_key.data.to_vec(), signs))
    }

    /// The names of the servers that it is for.
    pub(crate) fn hosts(&self) -> Vec<String> {
        let parsed = X509Certificate::from_der(&self.der).ok();
        let names = parsed.as_ref().and_then(|(_, parsed)| parsed.subject_alternative_name().ok().flatten());
        let host = |name: &GeneralName<'_>| match name {
            GeneralName::DNSName(host) => Some((*host).to_owned()),
            _ => None,
        };
        names.map(|names| names.value.general_names.iter().filter_map(host).collect()).unwrap_or_default()
    }

    /// As logs call it: the beginning of its digest.
    pub fn fingerprint(&self) -> String {
        Sha256::digest(&self.der).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({}, {} to {})", self.fingerprint(), self.start, self.end)
    }
}

/// Certificates as text (PEM).
pub fn to_pem<'c>(certificates: impl IntoIterator<Item = &'c Certificate>) -> Vec<u8> {
    let blocks = certificates.into_iter().map(|certificate| pem::encode("CERTIFICATE", certificate.der()));
    blocks.collect::<String>().into_bytes()
}

/// Whether one of `authorities` vouches for the first certificate of this chain, for a server of this name, at this time.
///
/// # Errors
/// The reason why not.
pub fn verify<'c>(
    chain: &[CertificateDer<'static>],
    authorities: impl IntoIterator<Item = &'c Certificate>,
    name: &ServerName<'_>,
    at: OffsetDateTime,
) -> Result<(), Problem> {
    let (leaf, between) = chain.split_first().ok_or(Problem::Missing(super::material::LEAF))?;
    let mut roots = RootCertStore::empty();
    // What verifies here does not look at the time of a root, but API servers do.
    for authority in authorities.into_iter().filter(|authority| authority.valid_at(at)) {
        let _ = roots.add(authority.der().clone());
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), PROVIDER.clone());
    let verifier = verifier.build().map_err(|_| Problem::Untrusted)?;
    let seconds = u64::try_from(at.unix_timestamp()).unwrap_or_default();
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    verifier.verify_server_cert(leaf, between, name, &[], at).map(|_| ()).map_err(|error| match error {
        Error::InvalidCertificate(error) => match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                Problem::Expired(super::material::LEAF)
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Problem::NotYetValid(super::material::LEAF)
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Problem::WrongName,
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Problem::Untrusted,
            _ => Problem::Unfit,
        },
        _ => Problem::Unfit,
    })
}

/// The text form of bytes (RFC 7468).
pub(crate) mod pem {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;

    /// One block of text.
    pub(crate) fn encode(label: &str, bytes: &[u8]) -> String {
        let text = BASE64.encode(bytes);
        let mut block = format!("-----BEGIN {label}-----\n");
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (line, after) = rest.split_at(rest.len().min(64));
            block.push_str(line);
            block.push('\n');
            rest = after;
        }
        block + &format!("-----END {label}-----\n")
    }
}
