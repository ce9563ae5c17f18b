//! The servers that are measured, each in a process of its own: this bench again, with `--serve`. A server writes its port
//! and the CA of its certificate, and ends with its stdin.

use super::race::{self, Outcome};
use super::reviews::{self, PATH};
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderValue, header};
use axum::routing::post;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use prelit::api::resource;
use prelit::api::settings::{LogLevel, Settings};
use prelit::inject::engine::Engine;
use prelit::value::Value;
use prelit::webhook::certificates::Service;
use prelit::webhook::certificates::authority::Authority;
use prelit::webhook::certificates::certificate::to_pem;
use prelit::webhook::certificates::serving::{Identity, Serving};
use prelit::webhook::configurations::Configurations;
use prelit::webhook::events::Events;
use prelit::webhook::logging::Level;
use prelit::webhook::metrics::Metrics;
use prelit::webhook::routes::{self, Reviewer};
use prelit::webhook::server::{self, Limits};
use std::env;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What is served.
pub enum What {
    /// The webhook's own routes and connections, with so many resources.
    Webhook { resources: usize },
    /// What one writes with axum and rustls: it reads the request and answers so many bytes.
    Hello { bytes: usize },
}

/// A server that runs until it is dropped.
pub struct Server {
    child: Child,
    _stdin: ChildStdin,
    pub port: u16,
    pub authority: String,
}

impl Server {
    pub fn start(what: &What) -> Outcome<Server> {
        let (word, number) = match what {
            What::Webhook { resources } => ("webhook", resources),
            What::Hello { bytes } => ("hello", bytes),
        };
        let mut command = Command::new(env::current_exe()?);
        command.args(["--serve", word, &number.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        // As in a cluster, what is logged is written to a file.
        command.stderr(tempfile::tempfile()?);
        let mut child = command.spawn()?;
        let (stdin, stdout) = child.stdin.take().zip(child.stdout.take()).ok_or("no pipes")?;
        let mut lines = BufReader::new(stdout).lines();
        let port = lines.next().ok_or("the server does not start")??.parse()?;
        let mut authority = String::new();
        for line in lines {
            let line = line?;
            authority.push_str(&line);
            authority.push('\n');
            if line.starts_with("-----END") {
                break;
            }
        }
        Ok(Server { child, _stdin: stdin, port, authority })
    }

    /// Processor seconds so far.
    pub fn cpu(&self) -> f64 {
        race::cpu_of(self.child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The name that the certificate is for.
pub fn service() -> Service {
    Service { name: "openlit-webhook-service".to_owned(), namespace: "openlit".to_owned() }
}

/// Serves until stdin ends.
pub fn serve(arguments: &[String]) -> Outcome {
    let [what, number] = arguments else { return Err("expected what to serve, and a number".into()) };
    let number: usize = number.parse()?;
    let now = OffsetDateTime::now_utc();
    let authority = Authority::new(time::Duration::DAY, now)?;
    let leaf = authority.leaf(&service(), time::Duration::DAY, now)?;
    let identity = Identity::new(leaf.chain, &leaf.key).map_err(|problem| problem.to_string())?;
    let serving = Arc::new(Serving::default());
    serving.set(Arc::new(identity));
    let tls = server::tls(serving)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        println!("{}", listener.local_addr()?.port());
        print!("{}", String::from_utf8(to_pem([authority.certificate()]))?);
        let serving = async {
            match what.as_str() {
                "webhook" => server::serve(listener, Some(tls), webhook(number), Limits::default(), ended()).await,
                _ => hello(listener, tls, number).await,
            }
        };
        tokio::select! {
            () = serving => {}
            () = ended() => {}
        }
        Ok(())
    })
}

/// The routes of the webhook, as `prelit webhook` makes them.
fn webhook(resources: usize) -> Router {
    Level::begin(LogLevel::Info);
    let settings = Settings::default();
    let resources = (0..resources).map(|number| {
        let object = reviews::resource(number);
        (resource::read(&Value::from(&object)).expect("a valid resource"), false)
    });
    let configurations = Configurations::of(Engine::new(resources, &settings, None));
    let metrics = Metrics::default();
    let (events, notices) = Events::new(metrics.clone());
    // Nobody writes events, and nobody ends for it.
    Box::leak(Box::new(notices));
    let reviewer = Reviewer::new(configurations, metrics, events, Duration::from_millis(2_400));
    routes::reviews(PATH, Arc::new(reviewer))
}

/// As in axum's own example of TLS with hyper.
async fn hello(listener: TcpListener, tls: Arc<rustls::ServerConfig>, bytes: usize) {
    let answer = Bytes::from(vec![b' '; bytes]);
    let json = HeaderValue::from_static("application/json");
    let answer = move |_: Bytes| async move { ([(header::CONTENT_TYPE, json)], answer) };
    let routes = Router::new().route(PATH, post(answer));
    let acceptor = TlsAcceptor::from(tls);
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, routes) = (acceptor.clone(), routes.clone());
        tokio::spawn(async move {
            let _ignored = stream.set_nodelay(true);
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = TowerToHyperService::new(routes);
            let _ended = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// Waits until stdin ends.
async fn ended() {
    let read = || File::open("/dev/stdin").and_then(|mut stdin| stdin.read(&mut [0]));
    let _ended = tokio::task::spawn_blocking(read).await;
}
