//! The listeners: connections, with or without TLS, bounded in number, memory and time, and drained at the end. Knows no
//! route.
//!
//! Every pod of the cluster can reach them, and the API servers must always find a place. So a peer may have as many
//! connections as are left over for others, one that is too many is closed instead of waiting, and none may be quiet for
//! long.

use super::paced::Paced;
use super::routes::Peer;
use super::shares::Shares;
use super::turns::Turns;
use axum::{Extension, Router};
use futures::FutureExt as _;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls::server::ResolvesServerCert;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

/// Bounds of a listener.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once; further ones are closed, and those of a peer that has as many as are left over.
    pub connections: usize,
    /// For a handshake.
    pub patience: Duration,
    /// For each request. Longer than the 90 seconds for which an API server keeps a connection that it does not need: where
    /// both close it, the API server may just have asked, and it does not ask twice. For the first request too, since it
    /// opens connections in advance.
    pub idle: Duration,
    /// For what is under way when the process is to end.
    pub drain: Duration,
    /// For the first request of a connection on which nothing was asked, when the process is to end.
    pub fresh: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 1_024,
            patience: Duration::from_secs(5),
            idle: Duration::from_secs(120),
            drain: Duration::from_secs(10),
            fresh: Duration::from_secs(1),
        }
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

/// What is read of the heads of requests, and of bodies that nobody has taken yet: of these a thousand connections are to
/// fit into the memory of a small pod.
const HEAD: usize = 16 << 10;
const WINDOW: u32 = 64 << 10;

/// Requests of a connection at once. The API server opens a further connection for more.
const STREAMS: u32 = 100;

/// Handshakes of a peer at once, which are what costs most.
const HANDSHAKES: usize = 16;

/// Serves a listener until `shutdown`, then lets what is under way end. Without `tls`, in the clear.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    routes: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) {
    let acceptor = tls.map(TlsAcceptor::from);
    let (places, turns) = (Shares::new(limits.connections), Arc::new(Turns::new(HANDSHAKES)));
    let (stop, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    let admit = |connections: &mut JoinSet<()>, (stream, peer): (TcpStream, SocketAddr)| {
        let Some(place) = places.take(peer.ip(), 1) else {
            tracing::debug!(%peer, "a connection too many was closed");
            return;
        };
        let tls = acceptor.clone().map(|acceptor| (acceptor, Arc::clone(&turns)));
        let stopped = stopped.clone();
        let routes = routes.clone().layer(Extension(Peer(peer)));
        connections.spawn(async move {
            if let Err(error) = connect(stream, peer.ip(), tls, routes, limits, stopped).await {
                tracing::debug!(%error, %peer, "a connection ended early");
            }
            drop(place);
        });
    };
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_ended) = connections.join_next() => continue,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok(accepted) => admit(&mut connections, accepted),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                sleep(BREATH).await;
            }
        }
    }
    // Those that wait to be taken have come before the end, too.
    for _ in 0..limits.connections {
        let Some(Ok(accepted)) = listener.accept().now_or_never() else { break };
        admit(&mut connections, accepted);
    }
    drop(listener);
    stop.send_replace(true);
    let drained = async { while connections.join_next().await.is_some() {} };
    if timeout(limits.drain, drained).await.is_err() {
        tracing::warn!("connections were still open at the end");
    }
}

async fn connect(
    stream: TcpStream,
    peer: IpAddr,
    tls: Option<(TlsAcceptor, Arc<Turns>)>,
    routes: Router,
    limits: Limits,
    stopped: watch::Receiver<bool>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let stream = Paced::new(stream);
    match tls {
        None => answer(stream, routes, limits, stopped).await,
        Some((acceptor, turns)) => {
            let handshake = async {
                let _turn = turns.wait(peer).await;
                acceptor.accept(stream).await
            };
            let stream = timeout(limits.patience, handshake).await??;
            answer(stream, routes, limits, stopped).await
        }
    }
}

async fn answer<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    routes: Router,
    limits: Limits,
    mut stopped: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.idle).max_buf_size(HEAD);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(30))
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(2 * WINDOW);
    let traffic = Arc::new(Traffic::default());
    let (routes, counted) = (TowerToHyperService::new(routes), Arc::clone(&traffic));
    let service = service_fn(move |request: Request<Incoming>| {
        let (answer, under_way) = (routes.call(request), counted.begin());
        async move {
            let answer = answer.await;
            drop(under_way);
            answer
        }
    });
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let at_most = tokio::select! {
        ended = connection.as_mut() => return ended.map_err(io::Error::other),
        () = traffic.quiet(limits.idle) => limits.patience,
        () = async {
            drop(stopped.wait_for(|stopped| *stopped).await);
            // Whoever has just come is about to ask, and an API server does not ask twice where that was in vain.
            drop(timeout(limits.fresh, traffic.asked.notified()).await);
        } => limits.drain,
    };
    connection.as_mut().graceful_shutdown();
    timeout(at_most, connection).await?.map_err(io::Error::other)
}

/// The requests of a connection so far.
#[derive(Debug, Default)]
struct Traffic {
    begun: AtomicUsize,
    ended: AtomicUsize,
    /// As soon as something was asked, once.
    asked: Notify,
}

/// A request that is under way, whatever becomes of it.
struct UnderWay(Arc<Traffic>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

impl Traffic {
    /// A request begins.
    fn begin(self: &Arc<Self>) -> UnderWay {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.asked.notify_one();
        UnderWay(Arc::clone(self))
    }

    /// Waits until nothing was asked for so long.
    async fn quiet(&self, idle: Duration) {
        let mut before = 0;
        loop {
            sleep(idle).await;
            let begun = self.begun.load(Ordering::Relaxed);
            if begun == before && begun == self.ended.load(Ordering::Relaxed) {
                return;
            }
            before = begun;
        }
    }
}

#[cfg(test)]
mod tests;
