//! A CA of our own, and the leaves that it signs: ECDSA P-256, random serial numbers, valid from a little before now, since
//! clocks differ.

use super::Service;
use super::certificate::{Certificate, PROVIDER, pem};
use super::problem::Problem;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SerialNumber,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::fmt;
use std::sync::Arc;
use time::{Duration, OffsetDateTime};

/// A key or a certificate could not be made: the machine gives no random numbers.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a certificate: {0}")]
pub struct CannotMake(String);

impl From<rcgen::Error> for CannotMake {
    fn from(error: rcgen::Error) -> Self {
        CannotMake(error.to_string())
    }
}

/// How long before now a certificate begins to be valid that is to end after `valid`: an hour, or less of a short life.
/// That is a fifth of all its life: see [`Certificate::holds_at`].
pub fn back_dated(valid: Duration) -> Duration {
    Duration::HOUR.min(valid / 4_i32)
}

/// A private key. It is shown to nobody.
#[derive(PartialEq, Eq)]
pub struct PrivateKey(PrivateKeyDer<'static>);

impl PrivateKey {
    /// Reads a key (PEM).
    pub fn read(pem: &[u8]) -> Option<Self> {
        PrivateKeyDer::from_pem_slice(pem).ok().map(PrivateKey)
    }

    /// The key as text (PEM).
    pub fn to_pem(&self) -> String {
        let label = match &self.0 {
            PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
            PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
            _ => "PRIVATE KEY",
        };
        pem::encode(label, self.0.secret_der())
    }

    /// Its bytes.
    pub(crate) fn der(&self) -> PrivateKeyDer<'static> {
        self.0.clone_key()
    }
}

impl Clone for PrivateKey {
    fn clone(&self) -> Self {
        PrivateKey(self.der())
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(…)")
    }
}

/// What a server shows: a certificate and its key, and the CA that has signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// The certificate of the server.
    pub certificate: Certificate,
    /// It and what stands between it and its CA: nothing, in a leaf of ours.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its key.
    pub key: PrivateKey,
    /// The CA.
    pub issuer: Certificate,
}

impl Leaf {
    /// Whether it and its CA are valid now, for others too.
    pub fn holds_at(&self, now: OffsetDateTime) -> bool {
        self.certificate.holds_at(now) && self.issuer.holds_at(now)
    }
}

/// A CA whose key we have.
#[derive(Clone)]
pub struct Authority {
    certificate: Certificate,
    key: Arc<KeyPair>,
}

impl Authority {
    /// A new CA, valid for this long from now.
    ///
    /// # Errors
    /// When the machine gives no random numbers.
    pub fn new(valid: Duration, now: OffsetDateTime) -> Result<Self, CannotMake> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let serial = serial_number()?;
        // Each CA has a name of its own: where several are trusted, a verifier finds the right one by it.
        let name = serial.iter().take(4).map(|byte| format!("{byte:02x}")).collect::<String>();
        let mut params = params(&format!("prelit webhook CA {name}"), serial, valid, now);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = read(params.self_signed(&key)?.der())?;
        Ok(Authority { certificate, key: Arc::new(key) })
    }

    /// Reads the key (PEM) of a CA, which is one of these certificates; `name` is where it was found.
    ///
    /// # Errors
    /// When the key cannot be read, or is that of none of the certificates, or of one that is no CA.
    pub fn read(name: &'static str, pem: &[u8], among: &[Certificate]) -> Result<Self, Problem> {
        let text = std::str::from_utf8(pem).map_err(|_| Problem::Unreadable(name))?;
        let key = KeyPair::from_pem(text).map_err(|_| Problem::Unreadable(name))?;
        let keys = among.iter().filter_map(|certificate| Some((certificate, certificate.public_key()?)));
        let mut own = keys.filter(|(_, (public, _))| public == key.public_key_raw()).peekable();
        own.peek().ok_or(Problem::KeyMismatch(name))?;
        let (certificate, _) = own.find(|(_, (_, signs))| *signs).ok_or(Problem::NoAuthority(name))?;
        Ok(Authority { certificate: certificate.clone(), key: Arc::new(key) })
    }

    /// The certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The key as text (PEM).
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// A leaf for this Service, valid for this long from now, but not longer than the CA itself.
    ///
    /// # Errors
    /// When the machine gives no random numbers.
    pub fn leaf(&self, service: &Service, valid: Duration, now: OffsetDateTime) -> Result<Leaf, CannotMake> {
        self.leaf_for([service], valid, now)
    }

    /// A leaf for several Services.
    ///
    /// # Errors
    /// When the machine gives no random numbers.
    pub fn leaf_for<'s>(
        &self,
        services: impl IntoIterator<Item = &'s Service>,
        valid: Duration,
        now: OffsetDateTime,
    ) -> Result<Leaf, CannotMake> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let valid = valid.min(self.certificate.end() - now);
        // Not the host: common names end at 64 characters, and nobody asks for them any more.
        let mut params = params("prelit webhook", serial_number()?, valid, now);
        let hosts =
            services.into_iter().flat_map(Service::hosts).map(|host| Ok(rcgen::SanType::DnsName(host.try_into()?)));
        params.subject_alt_names = hosts.collect::<Result<_, rcgen::Error>>()?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let issuer = Issuer::from_ca_cert_der(self.certificate.der(), self.key.as_ref())?;
        let certificate = read(params.signed_by(&key, &issuer)?.der())?;
        Ok(Leaf {
            chain: vec![certificate.der().clone()],
            certificate,
            key: PrivateKey(PrivatePkcs8KeyDer::from(key.serialize_der()).into()),
            issuer: self.certificate.clone(),
        })
    }
}

impl PartialEq for Authority {
    fn eq(&self, other: &Self) -> bool {
        self.certificate == other.certificate
    }
}

impl Eq for Authority {}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authority({:?})", self.certificate)
    }
}

fn params(name: &str, serial: [u8; 16], valid: Duration, now: OffsetDateTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    // Certificates know seconds only.
    params.not_before = now.saturating_sub(back_dated(valid)).replace_nanosecond(0).unwrap_or(now);
    params.not_after = now.saturating_add(valid).replace_nanosecond(0).unwrap_or(now);
    params
}

/// 127 random bits: positive, and never zero.
fn serial_number() -> Result<[u8; 16], CannotMake> {
    let mut serial = [0; 16];
    PROVIDER.secure_random.fill(&mut serial).map_err(|_| CannotMake("no random numbers".to_owned()))?;
    serial[0] = serial[0] & 0x7f | 0x40;
    Ok(serial)
}

fn read(der: &CertificateDer<'_>) -> Result<Certificate, CannotMake> {
    Certificate::read(der.clone().into_owned()).ok_or_else(|| CannotMake("it cannot be read again".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::certificate::verify;
    use super::super::material::tests::{now, service};
    use super::*;
    use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

    fn seconds(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).unwrap()
    }

    #[test]
    fn a_ca_signs_leaves_and_nothing_else() {
        let authority = Authority::new(Duration::days(3), now()).unwrap();
        let (_, parsed) = X509Certificate::from_der(authority.certificate().der()).unwrap();
        let constraints = parsed.basic_constraints().unwrap().unwrap();
        assert!(constraints.critical && constraints.value.ca && constraints.value.path_len_constraint == Some(0));
        let usage = parsed.key_usage().unwrap().unwrap();
        assert!(usage.critical && usage.value.key_cert_sign() && !usage.value.digital_signature());
        assert!(parsed.extended_key_usage().unwrap().is_none());
        assert_eq!(parsed.raw_serial().len(), 16);
        let other = Authority::new(Duration::days(3), now()).unwrap();
        let (_, other) = X509Certificate::from_der(other.certificate().der()).unwrap();
        assert_ne!(parsed.subject().to_string(), other.subject().to_string());
        assert_ne!(parsed.raw_serial(), other.raw_serial());
    }

    #[test]
    fn a_leaf_is_for_every_name_of_the_service() {
        let authority = Authority::new(Duration::days(3), now()).unwrap();
        let leaf = authority.leaf(&service(), Duration::DAY, now()).unwrap();
        let (_, parsed) = X509Certificate::from_der(leaf.certificate.der()).unwrap();
        let names = &parsed.subject_alternative_name().unwrap().unwrap().value.general_names;
        let names: Vec<&str> = names
            .iter()
            .map(|name| match name {
                GeneralName::DNSName(name) => *name,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(names, ["hook.openlit.svc", "hook.openlit.svc.cluster.local", "hook.openlit", "hook"]);
        let purposes = parsed.extended_key_usage().unwrap().unwrap().value;
        assert!(purposes.server_auth && !purposes.client_auth && !purposes.any);
        assert!(parsed.key_usage().unwrap().unwrap().value.digital_signature() && !parsed.is_ca());
        for host in service().hosts() {
            let name = rustls::pki_types::ServerName::try_from(host).unwrap();
            verify(&leaf.chain, [authority.certificate()], &name, now()).unwrap();
        }
    }

    #[test]
    fn the_longest_names_fit() {
        let service = Service { name: "s".repeat(63), namespace: "n".repeat(63) };
        let leaf = Authority::new(Duration::days(3), now()).unwrap().leaf(&service, Duration::DAY, now()).unwrap();
        verify(&leaf.chain, [&leaf.issuer], &service.server_name().unwrap(), now()).unwrap();
    }

    #[test]
    fn it_begins_before_now_and_ends_with_its_ca() {
        let whole = now();
        let authority = Authority::new(Duration::days(3), whole + Duration::milliseconds(700)).unwrap();
        assert_eq!(authority.certificate().start(), whole - Duration::HOUR);
        assert_eq!(authority.certificate().end(), whole + Duration::days(3));
        let leaf = authority.leaf(&service(), Duration::MINUTE, now()).unwrap().certificate;
        assert_eq!((leaf.start(), leaf.end()), (whole - Duration::seconds(15), whole + Duration::MINUTE));
        let late = authority.leaf(&service(), Duration::DAY, now() + Duration::hours(71)).unwrap().certificate;
        assert_eq!(late.end(), authority.certificate().end());
    }

    #[test]
    fn a_life_of_centuries_is_possible() {
        let authority = Authority::new(Duration::days(3 * 3650), seconds(3_786_912_000)).unwrap();
        assert_eq!(authority.certificate().end().year(), 2119);
    }

    #[test]
    fn nothing_shows_a_key() {
        let authority = Authority::new(Duration::days(3), now()).unwrap();
        let leaf = authority.leaf(&service(), Duration::DAY, now()).unwrap();
        let shown = format!("{authority:?} {leaf:?}");
        for pem in [authority.key_pem(), leaf.key.to_pem()] {
            let inner = pem.lines().nth(1).unwrap();
            assert!(!shown.contains(inner) && !shown.contains("PRIVATE KEY"), "{shown}");
        }
    }
}
