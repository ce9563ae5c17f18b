//! What the Secret holds.
//!
//! | key | what it is |
//! |---|---|
//! | `tls.crt` | the leaf that every replica serves (PEM) |
//! | `tls.key` | its private key (PKCS #8, PEM) |
//! | `ca.crt` | every CA that is to be trusted: what is registered as `caBundle`. That which signs is first; during a rotation the next one, or the one before, is there too |
//! | `ca.key` | the private key of the CA that signs, one of those in `ca.crt` |
//! | `ca-next.key` | only while a new CA is announced, and signs nothing yet: its private key; the CA is in `ca.crt` |
//!
//! Other keys are left as they are. Each part is read by itself: what is still good is kept when another part is not.

use super::Service;
use super::authority::{Authority, Leaf, PrivateKey};
use super::certificate::{Certificate, PROVIDER, to_pem, verify};
use super::problem::Problem;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use std::collections::BTreeMap;
use time::OffsetDateTime;

/// The key of the leaf.
pub const LEAF: &str = "tls.crt";
/// The key of the leaf's private key.
pub const LEAF_KEY: &str = "tls.key";
/// The key of the CAs that are to be trusted.
pub const BUNDLE: &str = "ca.crt";
/// The key of the private key of the CA that signs.
pub const SIGNER_KEY: &str = "ca.key";
/// The key of the private key of the CA that is announced.
pub const NEXT_KEY: &str = "ca-next.key";

/// Every key of ours.
pub const KEYS: [&str; 5] = [LEAF, LEAF_KEY, BUNDLE, SIGNER_KEY, NEXT_KEY];

/// The data of a Secret.
pub type Data = BTreeMap<String, Vec<u8>>;

/// What a Secret holds, as far as it could be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Material {
    /// The CAs that are to be trusted.
    pub bundle: Vec<Certificate>,
    /// The CA that signs.
    pub signer: Option<Authority>,
    /// The CA that is announced.
    pub next: Option<Authority>,
    /// What is served: signed by a CA of the bundle, for our Service; it need not be valid now.
    pub leaf: Option<Leaf>,
    /// Another Service of our namespace, which the leaf that is there is for, and not for ours: the name was changed.
    pub before: Option<Service>,
    /// What is wrong with the rest. That something is not valid now is none of it: see [`Material::check_time`].
    pub problems: Vec<Problem>,
}

impl Material {
    /// Reads the data of a Secret, or that there is none.
    pub fn read(data: Option<&Data>, service: &Service) -> Self {
        let Some(data) = data else { return Material { problems: vec![Problem::Absent], ..Material::default() } };
        let mut problems = Vec::new();
        let bundle = bundle(data).unwrap_or_else(|(bundle, problem)| {
            problems.push(problem);
            bundle
        });
        let mut authority = |key| {
            let read = present(data, key).and_then(|pem| Authority::read(key, pem, &bundle));
            match read {
                Ok(authority) => Some(authority),
                // Nothing need be announced.
                Err(Problem::Missing(NEXT_KEY)) => None,
                Err(problem) => {
                    problems.push(problem);
                    None
                }
            }
        };
        let (signer, next) = (authority(SIGNER_KEY), authority(NEXT_KEY));
        let leaf = leaf(data, &bundle, service).map_err(|problem| problems.push(problem)).ok();
        let before = if problems.contains(&Problem::WrongName) { before(data, &bundle, service) } else { None };
        Material { bundle, signer, next, leaf, before, problems }
    }

    /// The data of a Secret that holds this: each key, and its value if it is to be there.
    pub fn data(&self) -> BTreeMap<&'static str, Option<Vec<u8>>> {
        let key_of = |authority: &Option<Authority>| authority.as_ref().map(|one| one.key_pem().into_bytes());
        // A Secret of this type must have both, if only empty.
        let leaf = self.leaf.as_ref().map(|leaf| certificates_to_pem(&leaf.chain)).unwrap_or_default();
        let leaf_key = self.leaf.as_ref().map(|leaf| leaf.key.to_pem().into_bytes()).unwrap_or_default();
        BTreeMap::from([
            (LEAF, Some(leaf)),
            (LEAF_KEY, Some(leaf_key)),
            (BUNDLE, Some(to_pem(&self.bundle))),
            (SIGNER_KEY, key_of(&self.signer)),
            (NEXT_KEY, key_of(&self.next)),
        ])
    }

    /// Whether it may be published: what is served, somebody who will sign what is served next, and nothing damaged. A CA
    /// that was lost with half of the bundle may be the one whose leaf is served next.
    pub fn is_sound(&self) -> bool {
        self.leaf.is_some() && (self.signer.is_some() || self.next.is_some()) && !self.is_damaged()
    }

    /// Whether something is wrong but that no CA signs: that is no longer so when the one that is announced does.
    pub fn is_damaged(&self) -> bool {
        self.problems.iter().any(|problem| *problem != Problem::Missing(SIGNER_KEY))
    }

    /// What is not valid now.
    pub fn check_time(&self, now: OffsetDateTime) -> Vec<Problem> {
        let leaf = self.leaf.iter().flat_map(|leaf| [(LEAF, &leaf.certificate), (BUNDLE, &leaf.issuer)]);
        let signer = self.signer.iter().map(|signer| (SIGNER_KEY, signer.certificate()));
        let next = self.next.iter().map(|next| (NEXT_KEY, next.certificate()));
        leaf.chain(signer).chain(next).filter_map(|(key, one)| one.check_time(key, now).err()).collect()
    }
}

/// The leaf of such data, and the CA that has signed it.
fn leaf(data: &Data, bundle: &[Certificate], service: &Service) -> Result<Leaf, Problem> {
    let (chain, key) = pair(data)?;
    let certificate = chain.first().ok_or(Problem::Unreadable(LEAF))?;
    let name = service.server_name().ok_or(Problem::WrongName)?;
    let ders: Vec<_> = chain.iter().map(|one| one.der().clone()).collect();
    // Whether it is valid now is a question of its own, which is asked again and again.
    let mut refused = Problem::Untrusted;
    for issuer in bundle {
        let at = chain.iter().map(Certificate::start).fold(issuer.start(), OffsetDateTime::max);
        match verify(&ders, [issuer], &name, at) {
            Ok(()) => return Ok(Leaf { certificate: certificate.clone(), chain: ders, key, issuer: issuer.clone() }),
            Err(Problem::Untrusted) => {}
            Err(problem) => refused = problem,
        }
    }
    Err(refused)
}

/// The Service of our namespace that the leaf of such data is for.
fn before(data: &Data, bundle: &[Certificate], service: &Service) -> Option<Service> {
    let (chain, _) = pair(data).ok()?;
    let end = format!(".{}.svc", service.namespace);
    let hosts = chain.first()?.hosts();
    let name = hosts.iter().find_map(|host| host.strip_suffix(&end).filter(|name| !name.contains('.')))?;
    let before = Service { name: name.to_owned(), namespace: service.namespace.clone() };
    leaf(data, bundle, &before).is_ok().then_some(before)
}

/// Certificate and private key of a server, which belong together.
///
/// # Errors
/// When one of them is missing, cannot be read, or is not that of the other.
pub(crate) fn pair(data: &Data) -> Result<(Vec<Certificate>, PrivateKey), Problem> {
    let (chain, whole) = Certificate::read_all(present(data, LEAF)?);
    if !whole || chain.is_empty() {
        return Err(Problem::Unreadable(LEAF));
    }
    let key = PrivateKey::read(present(data, LEAF_KEY)?).ok_or(Problem::Unreadable(LEAF_KEY))?;
    certified(chain.iter().map(|one| one.der().clone()).collect(), &key)?;
    Ok((chain, key))
}

/// Certificate and private key in the form in which they are served.
///
/// # Errors
/// When the key is of no known kind, or not that of the certificate.
pub(crate) fn certified(chain: Vec<CertificateDer<'static>>, key: &PrivateKey) -> Result<CertifiedKey, Problem> {
    CertifiedKey::from_der(chain, key.der(), &PROVIDER).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => Problem::KeyMismatch(LEAF_KEY),
        rustls::Error::InvalidCertificate(_) => Problem::Unreadable(LEAF),
        _ => Problem::Unreadable(LEAF_KEY),
    })
}

/// The CAs of such data; if not all can be read, those that can, and what is wrong.
pub(crate) fn bundle(data: &Data) -> Result<Vec<Certificate>, (Vec<Certificate>, Problem)> {
    let pem = present(data, BUNDLE).map_err(|problem| (Vec::new(), problem))?;
    let (bundle, whole) = Certificate::read_all(pem);
    if whole && !bundle.is_empty() { Ok(bundle) } else { Err((bundle, Problem::Unreadable(BUNDLE))) }
}

fn present<'d>(data: &'d Data, key: &'static str) -> Result<&'d [u8], Problem> {
    let value = data.get(key).map(Vec::as_slice).filter(|value| !value.is_empty());
    value.ok_or(Problem::Missing(key))
}

fn certificates_to_pem(chain: &[CertificateDer<'static>]) -> Vec<u8> {
    to_pem(&chain.iter().filter_map(|der| Certificate::read(der.clone())).collect::<Vec<_>>())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;
    use time::Duration;

    pub(crate) fn now() -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap()
    }

    pub(crate) fn service() -> Service {
        Service { name: "hook".to_owned(), namespace: "openlit".to_owned() }
    }

    pub(crate) fn authority() -> Authority {
        Authority::new(Duration::days(3), now()).unwrap()
    }

    /// What a first start makes.
    pub(crate) fn material() -> Material {
        let signer = authority();
        let leaf = signer.leaf(&service(), Duration::DAY, now()).unwrap();
        Material {
            bundle: vec![signer.certificate().clone()],
            signer: Some(signer),
            leaf: Some(leaf),
            ..Material::default()
        }
    }

    pub(crate) fn written(material: &Material) -> Data {
        material.data().into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
    }

    fn problems(data: &Data) -> Vec<Problem> {
        Material::read(Some(data), &service()).problems
    }

    #[test]
    fn what_was_written_is_read() {
        let mut material = material();
        assert_eq!(Material::read(Some(&written(&material)), &service()), material);
        let next = authority();
        material.bundle.push(next.certificate().clone());
        material.next = Some(next);
        assert_eq!(Material::read(Some(&written(&material)), &service()), material);
        assert!(material.is_sound() && material.check_time(now()).is_empty());
    }

    #[test]
    fn what_is_wrong_has_a_name() {
        let good = written(&material());
        let other = written(&material());
        let change = |changes: &[(&str, Option<&[u8]>)]| {
            let mut data = good.clone();
            for (key, value) in changes {
                match value {
                    Some(value) => data.insert((*key).to_owned(), value.to_vec()),
                    None => data.remove(*key),
                };
            }
            problems(&data)
        };
        assert_eq!(change(&[]), []);
        assert_eq!(change(&[("tls.crt", None)]), [Problem::Missing(LEAF)]);
        assert_eq!(change(&[("tls.key", Some(b""))]), [Problem::Missing(LEAF_KEY)]);
        assert_eq!(change(&[("tls.crt", Some(b"hello"))]), [Problem::Unreadable(LEAF)]);
        assert_eq!(change(&[("tls.key", Some(&other["tls.key"]))]), [Problem::KeyMismatch(LEAF_KEY)]);
        assert_eq!(change(&[("ca.key", None)]), [Problem::Missing(SIGNER_KEY)]);
        assert_eq!(change(&[("ca.key", Some(&other["ca.key"]))]), [Problem::KeyMismatch(SIGNER_KEY)]);
        assert_eq!(change(&[("ca-next.key", Some(b"\xff"))]), [Problem::Unreadable(NEXT_KEY)]);
        let leaf_as_authority: &[(&str, Option<&[u8]>)] =
            &[("ca.key", Some(&good["tls.key"])), ("ca.crt", Some(&[&good["ca.crt"][..], &good["tls.crt"]].concat()))];
        assert_eq!(change(leaf_as_authority), [Problem::NoAuthority(SIGNER_KEY)]);
        assert_eq!(
            change(&[("ca.crt", Some(&other["ca.crt"]))]),
            [Problem::KeyMismatch(SIGNER_KEY), Problem::Untrusted]
        );
        let foreign: Vec<_> = ["tls.crt", "tls.key"].map(|key| (key, Some(&other[key][..]))).into();
        assert_eq!(change(&foreign), [Problem::Untrusted]);
        let half = [&good["ca.crt"][..], b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"].concat();
        let read = Material::read(Some(&Data::from_iter([("ca.crt".to_owned(), half)])), &service());
        assert_eq!((read.bundle.len(), read.problems[0]), (1, Problem::Unreadable(BUNDLE)));
        assert_eq!(Material::read(None, &service()).problems, [Problem::Absent]);
    }

    #[test]
    fn another_service_or_a_client_is_told() {
        let renamed = Service { name: "other".to_owned(), ..service() };
        let read = Material::read(Some(&written(&material())), &renamed);
        assert_eq!((read.problems, read.signer.is_some()), (vec![Problem::WrongName], true));
        assert_eq!(read.before, Some(service()));
        let elsewhere = Service { namespace: "other".to_owned(), ..service() };
        let read = Material::read(Some(&written(&material())), &elsewhere);
        assert_eq!((read.problems, read.before), (vec![Problem::WrongName], None));
    }

    #[test]
    fn time_is_a_question_of_its_own() {
        let read = Material::read(Some(&written(&material())), &service());
        assert_eq!(read.check_time(now() + Duration::hours(25)), [Problem::Expired(LEAF)]);
        assert_eq!(read.check_time(now() - Duration::hours(2)).len(), 3);
        assert_eq!(read.check_time(now() - Duration::minutes(50)), []);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever is done to a value: nothing panics, and what is not told has not changed.
        #[test]
        fn damage_is_told(key in 0..4usize, at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
            let material = material();
            let mut data = written(&material);
            let value = data.get_mut(KEYS[key]).unwrap();
            let at = at.index(value.len());
            if cut { value.truncate(at) } else { value[at] = byte }
            let read = Material::read(Some(&data), &service());
            prop_assert!(!read.problems.is_empty() || (read.leaf == material.leaf && read.signer == material.signer));
        }

        #[test]
        fn nothing_panics(values in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 5)) {
            let data: Data = KEYS.iter().map(ToString::to_string).zip(values).collect();
            prop_assert!(!Material::read(Some(&data), &service()).problems.is_empty());
        }
    }
}
