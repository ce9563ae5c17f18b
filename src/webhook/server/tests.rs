use super::*;
use axum::routing::get;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use tokio::time::sleep;

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
async fn a_connection_that_is_idle_is_there_when_it_is_asked() {
    let mut stream = TcpStream::connect(server().await).await.unwrap();
    for _ in 0..3 {
        sleep(PATIENCE * 3).await;
        assert!(ask(&mut stream).await);
    }
}

#[test]
fn idle_connections_are_kept_for_longer_than_api_servers_keep_them() {
    assert!(Limits::default().idle > Duration::from_secs(90));
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: it\r\n\r\n";
/// The same, by one who asks no more.
const LAST: &[u8] = b"GET / HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n";

/// A server for few, that waits so long for requests, and what ends it.
async fn small_server(patience: Duration) -> (SocketAddr, watch::Sender<bool>, JoinHandle<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = Router::new().route("/", get(|| async { "here" }));
    let limits =
        Limits { connections: 6, patience, idle: patience, drain: Duration::from_secs(5), fresh: PATIENCE * 10 };
    let (end, mut ended) = watch::channel(false);
    let shutdown = async move { drop(ended.wait_for(|ended| *ended).await) };
    (address, end, tokio::spawn(serve(listener, None, routes, limits, shutdown)))
}

/// What comes up to the end of a connection, on which this is said.
async fn say(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = String::new();
    let end = timeout(PATIENCE * 100, stream.read_to_string(&mut answer)).await;
    // Who is turned away at once may see it as a reset.
    let _reset = end.expect("it ends");
    answer
}

#[tokio::test]
async fn a_connection_on_which_nothing_is_asked_ends() {
    let (address, _end, _server) = small_server(PATIENCE).await;
    for bytes in [&b""[..], b"GET / HT", b"PRI * HTTP/2.0\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        assert!(!say(address, bytes).await.contains("here"), "{bytes:?}");
    }
    assert!(say(address, REQUEST).await.ends_with("here"), "and one on which something was");
}

#[tokio::test]
async fn a_peer_has_as_many_connections_as_are_left_over() {
    let (address, _end, _server) = small_server(PATIENCE * 100).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(REQUEST).await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'H');
        held.push(stream);
    }
    assert_eq!(say(address, REQUEST).await, "");
    drop(held);
    while !say(address, LAST).await.ends_with("here") {}
}

#[tokio::test]
async fn what_is_under_way_is_answered_at_the_end() {
    let (address, end, server) = small_server(PATIENCE * 100).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(REQUEST).await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'H');
    end.send_replace(true);
    timeout(Duration::from_secs(5), server).await.expect("it ends").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("here"));
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn who_has_come_just_before_the_end_is_answered() {
    // Not taken yet, and taken.
    for before in [Duration::ZERO, PATIENCE / 10] {
        let (address, end, server) = small_server(PATIENCE * 100).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        sleep(before).await;
        end.send_replace(true);
        sleep(PATIENCE / 3).await;
        stream.write_all(REQUEST).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("here"), "{answer:?}");
        timeout(Duration::from_secs(5), server).await.expect("it ends").unwrap();
    }
}

#[tokio::test]
async fn who_has_come_just_before_the_end_and_does_not_ask_is_not_waited_for() {
    let (address, end, server) = small_server(PATIENCE * 100).await;
    let _stream = TcpStream::connect(address).await.unwrap();
    sleep(PATIENCE / 10).await;
    end.send_replace(true);
    timeout(PATIENCE * 20, server).await.expect("it ends").unwrap();
}
