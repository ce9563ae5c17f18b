//! What the parts of a control plane, and its users, prove themselves with.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use std::fs;
use std::path::{Path, PathBuf};

/// The names by which the API server is reached; the last addresses are the Service `kubernetes`, and the one behind it.
const API_SERVER: [&str; 6] =
    ["127.0.0.1", "localhost", "kubernetes.default", "kubernetes.default.svc", "10.96.0.1", "10.99.0.1"];

/// Keys and certificates, in files.
pub struct Credentials {
    folder: PathBuf,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Credentials {
    /// A certificate authority, `api-server.{crt,key}`, and the key `accounts.{key,pub}` that signs the tokens of
    /// accounts.
    pub fn make(folder: &Path) -> Credentials {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "authority");
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let credentials = Credentials { folder: folder.to_owned(), authority };
        credentials.write("authority.crt", &credentials.authority.pem());

        let params = CertificateParams::new(API_SERVER.map(str::to_owned)).unwrap();
        credentials.sign("api-server", params, ExtendedKeyUsagePurpose::ServerAuth);
        let accounts = KeyPair::generate().unwrap();
        credentials.write("accounts.key", &accounts.serialize_pem());
        credentials.write("accounts.pub", &accounts.public_key_pem());
        credentials
    }

    /// `NAME.{crt,key}` for a user of a group.
    pub fn user(&self, name: &str, user: &str, group: &str) {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, user);
        params.distinguished_name.push(DnType::OrganizationName, group);
        self.sign(name, params, ExtendedKeyUsagePurpose::ClientAuth);
    }

    /// A file of the folder.
    pub fn file(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }

    fn sign(&self, name: &str, mut params: CertificateParams, usage: ExtendedKeyUsagePurpose) {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        self.write(&format!("{name}.crt"), &certificate.pem());
        self.write(&format!("{name}.key"), &key.serialize_pem());
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.join(name), text).unwrap();
    }
}
