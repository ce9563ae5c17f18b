//! The listeners: connections, with or without TLS, bounded in number and time, and drained at the end. Knows no route.

use super::routes::Peer;
use axum::{Extension, Router};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls::server::ResolvesServerCert;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// Bounds of a listener.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once; further ones wait.
    pub connections: usize,
    /// For a handshake, and for the head of a request.
    pub patience: Duration,
    /// For what is under way when the process is to end.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { connections: 1_024, patience: Duration::from_secs(5), drain: Duration::from_secs(10) }
    }
}

/// What TLS is spoken with: the certificate of each handshake is that of its moment.
///
/// # Errors
/// When the versions of TLS cannot be had.
pub fn tls(certificates: Arc<dyn ResolvesServerCert>) -> Result<Arc<ServerConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = builder.with_no_client_auth().with_cert_resolver(certificates);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// How long to wait when a connection cannot be taken, as without file descriptors.
const BREATH: Duration = Duration::from_millis(50);

/// Serves a listener until `shutdown`, then lets what is under way end. Without `tls`, in the clear.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    routes: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) {
    let acceptor = tls.map(TlsAcceptor::from);
    let connections = Arc::new(Semaphore::new(limits.connections));
    let graceful = Arc::new(GracefulShutdown::new());
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = async {
            // The semaphore is never closed.
            let permit = Arc::clone(&connections).acquire_owned().await.ok();
            (listener.accept().await, permit)
        };
        let (accepted, permit) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut shutdown => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(BREATH).await;
                continue;
            }
        };
        let (acceptor, watcher) = (acceptor.clone(), graceful.watcher());
        let routes = routes.clone().layer(Extension(Peer(peer)));
        tokio::spawn(async move {
            if let Err(error) = connect(stream, acceptor, routes, limits, watcher).await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(permit);
        });
    }
    drop(listener);
    if let Some(graceful) = Arc::into_inner(graceful)
        && timeout(limits.drain, graceful.shutdown()).await.is_err()
    {
        tracing::warn!("connections were still open at the end");
    }
}

async fn connect(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    routes: Router,
    limits: Limits,
    watcher: hyper_util::server::graceful::Watcher,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    match acceptor {
        None => answer(stream, routes, limits, watcher).await,
        Some(acceptor) => {
            let stream = timeout(limits.patience, acceptor.accept(stream)).await??;
            answer(stream, routes, limits, watcher).await
        }
    }
}

async fn answer<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    routes: Router,
    limits: Limits,
    watcher: hyper_util::server::graceful::Watcher,
) -> io::Result<()> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.patience);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(250).keep_alive_interval(Duration::from_secs(30));
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes)).into_owned();
    watcher.watch(connection).await.map_err(io::Error::other)
}
