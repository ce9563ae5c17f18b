//! How telemetry leaves: HTTP, by the client that the API server is spoken to with, and the same TLS. Bounded in time and
//! in what is read; each attempt is counted, and the first that fails after one that did not is logged. No header is.

use super::Trouble;
use crate::api::settings::Target;
use crate::webhook::metrics::Metrics;
use axum::body::{Body, to_bytes};
use futures::future::BoxFuture;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// Of an answer, nobody needs more.
const MAX_ANSWER: usize = 64 << 10;

/// How long a connection that nobody needs is kept.
const IDLE: Duration = Duration::from_secs(30);

/// How a receiver is connected to: in the clear or by TLS, as its URL says.
#[derive(Clone)]
pub struct Reach(HttpsConnector<HttpConnector>);

impl fmt::Debug for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reach")
    }
}

impl Reach {
    /// Reads the files that the settings name.
    pub fn of(target: &Target) -> Result<Reach, Trouble> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let wrong = |file: &str| {
            let file = file.to_owned();
            move |error: &dyn fmt::Display| Trouble::File(file, error.to_string())
        };
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong("TLS")(&error))?;
        let tls = match &target.certificate {
            Some(file) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(file)? {
                    roots.add(certificate).map_err(|error| wrong(file)(&error))?;
                }
                tls.with_root_certificates(roots)
            }
            None if target.endpoint.starts_with("https:") => {
                tls.with_native_roots().map_err(|error| wrong("OTEL_EXPORTER_OTLP_CERTIFICATE is not set")(&error))?
            }
            None => tls.with_root_certificates(RootCertStore::empty()),
        };
        let tls = match &target.identity {
            None => tls.with_no_client_auth(),
            Some((certificate, key)) => {
                let private = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key)(&error))?;
                tls.with_client_auth_cert(certificates(certificate)?, private)
                    .map_err(|error| wrong(certificate)(&error))?
            }
        };
        Ok(Reach(HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build()))
    }
}

fn certificates(file: &str) -> Result<Vec<CertificateDer<'static>>, Trouble> {
    let wrong = |error: &dyn fmt::Display| Trouble::File(file.to_owned(), error.to_string());
    let read: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file).map_err(|error| wrong(&error))?.collect();
    let read = read.map_err(|error| wrong(&error))?;
    if read.is_empty() { Err(wrong(&"expected certificates as PEM, found none")) } else { Ok(read) }
}

/// Sends one signal.
#[derive(Debug, Clone)]
pub struct Transport {
    signal: &'static str,
    client: Client<HttpsConnector<HttpConnector>, Body>,
    patience: Duration,
    metrics: Metrics,
    runtime: Handle,
    fails: Arc<AtomicBool>,
}

impl Transport {
    /// A request may take so long, with its answer.
    pub fn new(signal: &'static str, reach: Reach, patience: Duration, metrics: Metrics, runtime: Handle) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(1)
            .build(reach.0);
        Transport { signal, client, patience, metrics, runtime, fails: Arc::default() }
    }

    /// Sends a request.
    ///
    /// # Errors
    /// When there is no answer, or not in time. What is answered may be an error, too.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer =
            timeout(self.patience, self.exchange(request)).await.unwrap_or_else(|_| Err("no answer in time".into()));
        let trouble = match &answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("the receiver answers {}", answer.status())),
            Err(error) => Some(told(error.as_ref())),
        };
        self.metrics.exported(self.signal, trouble.is_none());
        match (trouble, self.signal) {
            (Some(trouble), signal) if !self.fails.swap(true, Ordering::Relaxed) => {
                tracing::warn!(signal, trouble, "telemetry cannot be sent; what is too much to keep is dropped");
            }
            (None, signal) if self.fails.swap(false, Ordering::Relaxed) => {
                tracing::info!(signal, "telemetry can be sent again");
            }
            _ => {}
        }
        answer
    }

    async fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = self.client.request(request.map(Body::from)).await?.into_parts();
        Ok(Response::from_parts(head, to_bytes(Body::new(body), MAX_ANSWER).await?))
    }
}

/// An error with its causes; the first says little.
pub(super) fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |said, cause| format!("{said}: {cause}"))
}

impl HttpClient for Transport {
    /// The SDK asks from a thread of its own, which knows no runtime.
    fn send_bytes<'s, 'f>(&'s self, request: Request<Bytes>) -> BoxFuture<'f, Result<Response<Bytes>, HttpError>>
    where
        's: 'f,
        Self: 'f,
    {
        let transport = self.clone();
        let sending = self.runtime.spawn(async move { transport.send(request).await });
        Box::pin(async move { sending.await? })
    }
}
