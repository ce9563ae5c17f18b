use super::*;
use axum::routing::get;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep};

/// What a connection gets to feel before it has waited for long.
const PATIENCE: Duration = Duration::from_millis(300);

async fn server() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = Router::new().route("/", get(|| async { "ok" }));
    let limits = Limits { patience: PATIENCE, ..Limits::default() };
    tokio::spawn(serve(listener, None, routes, limits, std::future::pending()));
    address
}

/// Asks on a connection, and says whether it was answered.
async fn ask(stream: &mut TcpStream) -> bool {
    let mut answer = [0; 15];
    stream.write_all(b"GET / HTTP/1.1\r\nHost: it\r\n\r\n").await.is_ok()
        && stream.read_exact(&mut answer).await.is_ok()
        && &answer == b"HTTP/1.1 200 OK"
        && rest(stream).await
}

/// Reads an answer to its end.
async fn rest(stream: &mut TcpStream) -> bool {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\nok") {
        match stream.read_u8().await {
            Ok(byte) => read.push(byte),
            Err(_) => return false,
        }
    }
    true
}

#[tokio::test]
async fn a_connection_that_is_idle_is_there_when_it_is_asked_again() {
    let mut stream = TcpStream::connect(server().await).await.unwrap();
    for _ in 0..3 {
        assert!(ask(&mut stream).await);
        sleep(PATIENCE * 3).await;
    }
}

#[test]
fn idle_connections_are_kept_for_longer_than_api_servers_keep_them() {
    assert!(Limits::default().idle > Duration::from_secs(90));
}

#[tokio::test]
async fn who_never_asks_is_sent_away() {
    let address = server().await;
    for sent in ["", "GET / HTTP/1.1\r\nHost:"] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let start = Instant::now();
        let mut answer = Vec::new();
        let ended = timeout(PATIENCE * 10, stream.read_to_end(&mut answer)).await;
        assert!(ended.is_ok() && start.elapsed() >= PATIENCE, "{sent:?}");
    }
}
