//! Whoever speaks to the webhook's port by itself, from an address of its own, as a pod of the cluster could.

use super::control_plane::ControlPlane;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Where reviews are sent to, as the API server knows it.
const PATH: &str = "/mutate";

/// Somebody at an address.
#[derive(Clone)]
pub struct Visitor {
    pub from: Ipv4Addr,
    to: SocketAddr,
    tls: TlsConnector,
    h2: TlsConnector,
}

impl Visitor {
    /// One that trusts the webhook at an address.
    pub fn new(control_plane: &ControlPlane, from: Ipv4Addr, to: &str) -> Visitor {
        let config = trusting(control_plane);
        let tls = |protocol: &str| {
            let mut config = config.clone();
            config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
            TlsConnector::from(Arc::new(config))
        };
        let to = SocketAddr::new(to.parse::<IpAddr>().unwrap(), 9443);
        Visitor { from, to, tls: tls("http/1.1"), h2: tls("h2") }
    }

    /// The same at another address.
    pub fn at(&self, from: Ipv4Addr) -> Visitor {
        Visitor { from, ..self.clone() }
    }

    /// A connection on which nothing was said yet.
    pub async fn knock(&self) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(self.from.into(), 0))?;
        socket.connect(self.to).await
    }

    /// A connection for HTTP/1.1.
    pub async fn connect(&self) -> io::Result<TlsStream<TcpStream>> {
        self.tls.connect(name(), self.knock().await?).await
    }

    /// A connection for HTTP/2.
    pub async fn connect_h2(&self) -> io::Result<TlsStream<TcpStream>> {
        self.h2.connect(name(), self.knock().await?).await
    }

    /// What is answered to bytes on a connection of their own, up to its end.
    pub async fn say(&self, bytes: &[u8]) -> io::Result<String> {
        let mut stream = self.connect().await?;
        // Who refuses a body does not read it.
        let _cut_off = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        let _cut_off = stream.read_to_end(&mut answer).await;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

/// TLS that trusts the webhook as the API server does: by what is registered.
pub fn trusting(control_plane: &ControlPlane) -> ClientConfig {
    let bundle = "--output=jsonpath={.webhooks[0].clientConfig.caBundle}";
    let registered = ["get", "mutatingwebhookconfiguration", "openlit-instrumentation-webhook", bundle];
    let bundle = BASE64.decode(control_plane.kubectl(&registered, "").stdout).unwrap();
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&bundle) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    config.with_root_certificates(roots).with_no_client_auth()
}

/// Whom the API server asks for.
pub fn name() -> ServerName<'static> {
    "openlit-webhook-service.openlit.svc".try_into().unwrap()
}

/// A request over HTTP/1.1 with these headers, after which the connection ends.
pub fn request(headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let length = body.as_ref().len();
    let head = format!("POST {PATH} HTTP/1.1\r\nHost: webhook\r\nContent-Length: {length}\r\n{headers}\r\n");
    [head.as_bytes(), body.as_ref()].concat()
}

/// The review of a pod that is to be instrumented.
pub fn review() -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": { "group": "", "version": "v1", "kind": "Pod" },
            "resource": { "group": "", "version": "v1", "resource": "pods" },
            "namespace": "apps", "operation": "CREATE",
            "object": {
                "apiVersion": "v1", "kind": "Pod",
                "metadata": { "name": "it", "labels": { "openlit.io/instrument": "true" } },
                "spec": { "containers": [{ "name": "app", "image": "python:3.11" }] },
            },
        },
    })
}
