//! Connections that send the same review again and again, each as soon as the last was answered.

use super::race::Outcome;
use super::reviews::{PATH, Review};
use super::servers::{Server, service};
use axum::http::{Request, StatusCode, header};
use h2::client::SendRequest;
use memchr::memmem;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How long each run is not measured at first.
const WARMING: Duration = Duration::from_millis(300);

/// What Go's client, and with it the API server, allows to be sent before it says more.
const WINDOW_OF_STREAM: u32 = 4 << 20;
const WINDOW_OF_CONNECTION: u32 = 1 << 30;

/// How reviews are sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// One at a time on each connection.
    Http1,
    /// All on one connection, as the API server does.
    Http2,
}

/// A load.
#[derive(Clone, Copy)]
pub struct Load {
    pub protocol: Protocol,
    /// Reviews that are under way at once.
    pub connections: usize,
    pub duration: Duration,
}

/// What came of it.
pub struct Measured {
    /// Reviews a second.
    pub rate: f64,
    /// Seconds from question to answer.
    pub p50: f64,
    pub p99: f64,
    /// Processor seconds of the server for each.
    pub cpu: f64,
}

impl Load {
    /// Those that are measured.
    pub fn all() -> impl Iterator<Item = (Protocol, usize)> {
        let numbers = [1, 8, 64];
        [Protocol::Http1, Protocol::Http2]
            .into_iter()
            .flat_map(move |protocol| numbers.map(|number| (protocol, number)))
    }

    pub fn name(&self) -> String {
        match self.protocol {
            Protocol::Http1 => format!("HTTP/1.1, connections: {}", self.connections),
            Protocol::Http2 => format!("HTTP/2, one connection, at once: {}", self.connections),
        }
    }

    /// Loads a server for a while.
    pub fn run(&self, server: &Server, review: &Review) -> Outcome<Measured> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        runtime.block_on(async {
            let mut senders = Vec::new();
            match self.protocol {
                Protocol::Http1 => {
                    for _ in 0..self.connections {
                        senders.push(Sender::Http1(Box::new(connect(server, b"http/1.1").await?)));
                    }
                }
                Protocol::Http2 => {
                    let sender = http2(server).await?;
                    senders.extend((0..self.connections).map(|_| Sender::Http2(sender.clone())));
                }
            }
            let start = Instant::now() + WARMING;
            let end = start + self.duration;
            let mut tasks = JoinSet::new();
            for mut sender in senders {
                let question = Question::of(review);
                tasks.spawn(async move {
                    let mut latencies = Vec::new();
                    loop {
                        let asked = Instant::now();
                        if asked >= end {
                            return Ok::<_, io::Error>(latencies);
                        }
                        sender.ask(&question).await?;
                        if asked >= start {
                            latencies.push(asked.elapsed().as_secs_f64());
                        }
                    }
                });
            }
            tokio::time::sleep_until(start.into()).await;
            let before = server.cpu();
            tokio::time::sleep_until(end.into()).await;
            let cpu = server.cpu() - before;
            let mut latencies = Vec::new();
            while let Some(one) = tasks.join_next().await {
                latencies.extend(one??);
            }
            latencies.sort_unstable_by(f64::total_cmp);
            let count = f64::from(u32::try_from(latencies.len())?);
            let at = |part: usize| latencies.get(latencies.len() * part / 100).copied().unwrap_or(f64::NAN);
            Ok(Measured { rate: count / self.duration.as_secs_f64(), p50: at(50), p99: at(99), cpu: cpu / count })
        })
    }
}

/// How long each request took, in order of length, where so many are under way at once for a while.
pub async fn latencies<F: Future<Output = Outcome>>(
    at_once: usize,
    duration: Duration,
    ask: impl Fn() -> F,
) -> Outcome<Vec<f64>> {
    let end = Instant::now() + duration;
    let one = async || {
        let mut taken = Vec::new();
        while Instant::now() < end {
            let asked = Instant::now();
            ask().await?;
            taken.push(asked.elapsed().as_secs_f64());
        }
        Outcome::Ok(taken)
    };
    let all = futures::future::try_join_all((0..at_once).map(|_| one())).await?;
    let mut taken = all.concat();
    taken.sort_unstable_by(f64::total_cmp);
    Ok(taken)
}

/// The answer to one review.
pub fn once(server: &Server, review: &Review) -> Outcome<Vec<u8>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut sender = Sender::Http1(Box::new(connect(server, b"http/1.1").await?));
        sender.ask(&Question::of(review)).await?;
        let Sender::Http1(connection) = sender else { return Err("not so".into()) };
        Ok(connection.answer)
    })
}

struct Question {
    /// All of it, as HTTP/1.1 has it.
    text: Vec<u8>,
    body: axum::body::Bytes,
}

impl Question {
    fn of(review: &Review) -> Question {
        let head = format!(
            "POST {PATH}?timeout=3s HTTP/1.1\r\nHost: {}:443\r\nUser-Agent: kube-apiserver-admission\r\nContent-Length: {}\r\n\
             Accept: application/json, */*\r\nContent-Type: application/json\r\n\r\n",
            service().host(),
            review.body.len()
        );
        Question { text: [head.as_bytes(), review.body.as_bytes()].concat(), body: review.body.clone().into() }
    }
}

/// A connection that has one question under way at a time.
struct Connection {
    stream: TlsStream<TcpStream>,
    buffer: Vec<u8>,
    answer: Vec<u8>,
}

enum Sender {
    Http1(Box<Connection>),
    Http2(SendRequest<axum::body::Bytes>),
}

impl Sender {
    async fn ask(&mut self, question: &Question) -> io::Result<()> {
        match self {
            Sender::Http1(connection) => connection.ask(question).await,
            Sender::Http2(sender) => ask_http2(sender, question).await,
        }
    }
}

impl Connection {
    async fn ask(&mut self, question: &Question) -> io::Result<()> {
        self.stream.write_all(&question.text).await?;
        self.stream.flush().await?;
        self.buffer.clear();
        let (head, length) = loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(end) = memmem::find(&self.buffer, b"\r\n\r\n") {
                break (end + 4, length_of(&self.buffer[..end])?);
            }
        };
        while self.buffer.len() < head + length {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        self.answer.clear();
        self.answer.extend_from_slice(&self.buffer[head..]);
        Ok(())
    }
}

/// How long the body is of an answer that has this head.
fn length_of(head: &[u8]) -> io::Result<usize> {
    const FIELD: &[u8] = b"content-length: ";
    let head = if head.starts_with(b"HTTP/1.1 200") { head } else { b"" };
    let field = memmem::find(head, FIELD).map(|at| &head[at + FIELD.len()..]);
    let digits = field.and_then(|field| field.split(|byte| !byte.is_ascii_digit()).next()).unwrap_or_default();
    let length = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    length.ok_or_else(|| io::Error::other("the answer has no length, or is no answer"))
}

async fn ask_http2(sender: &mut SendRequest<axum::body::Bytes>, question: &Question) -> io::Result<()> {
    let request = Request::post(format!("https://{}{PATH}?timeout=3s", service().host()))
        .header(header::USER_AGENT, "kube-apiserver-admission")
        .header(header::ACCEPT, "application/json, */*")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONTENT_LENGTH, question.body.len())
        .body(())
        .map_err(io::Error::other)?;
    let mut ready = sender.clone().ready().await.map_err(io::Error::other)?;
    let (answer, mut body) = ready.send_request(request, false).map_err(io::Error::other)?;
    body.send_data(question.body.clone(), true).map_err(io::Error::other)?;
    let answer = answer.await.map_err(io::Error::other)?;
    if answer.status() != StatusCode::OK {
        return Err(io::Error::other("the answer is no answer"));
    }
    let mut body = answer.into_body();
    while let Some(data) = body.data().await {
        let length = data.map_err(io::Error::other)?.len();
        body.flow_control().release_capacity(length).map_err(io::Error::other)?;
    }
    Ok(())
}

async fn http2(server: &Server) -> io::Result<SendRequest<axum::body::Bytes>> {
    let stream = connect(server, b"h2").await?.stream;
    let mut builder = h2::client::Builder::new();
    builder
        .initial_window_size(WINDOW_OF_STREAM)
        .initial_connection_window_size(WINDOW_OF_CONNECTION)
        .enable_push(false);
    let (sender, connection) = builder.handshake(stream).await.map_err(io::Error::other)?;
    tokio::spawn(connection);
    Ok(sender)
}

/// A connection that trusts the server's CA.
async fn connect(server: &Server, protocol: &[u8]) -> io::Result<Connection> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(server.authority.as_bytes()).map_err(io::Error::other)?)
        .map_err(io::Error::other)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = config.map_err(io::Error::other)?.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let name = ServerName::try_from(service().host()).map_err(io::Error::other)?;
    let stream = TcpStream::connect(("127.0.0.1", server.port)).await?;
    stream.set_nodelay(true)?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    Ok(Connection { stream, buffer: Vec::with_capacity(32 << 10), answer: Vec::new() })
}
