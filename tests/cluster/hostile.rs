//! What any pod of the cluster can do to the webhook's port: nothing of it may end the process, fill its memory, keep the API
//! server waiting, or deny a pod.

use super::Ground;
use super::control_plane::Controllers;
use super::frames;
use super::installation::Installation;
use super::place::Place;
use super::replicas::get;
use super::visitor::{Visitor, request, review};
use futures::future::{BoxFuture, join_all};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use std::io;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Who sends good reviews, beside the API server.
const FRIEND: Ipv4Addr = Ipv4Addr::new(10, 99, 21, 2);

/// How long a good review may take while others do their worst: half of them, and each, since all share a machine that is
/// busy. The API server waits for three seconds.
const AT_ONCE: Duration = Duration::from_secs(2);
const AT_LAST: Duration = Duration::from_secs(10);

/// How long each flood lasts.
const FLOOD: Duration = Duration::from_secs(3);

/// When who was turned away comes again: two thousand make a thousand connections each second.
const AGAIN: Duration = Duration::from_secs(2);

/// Half of what the manifests allow a replica.
const MOST_MEMORY: u64 = 256 << 20;

pub fn trials(ground: &Ground) -> Vec<Trial> {
    vec![
        ground.trial("hostile::no_answer_denies_a_pod", no_answer_denies_a_pod),
        ground.slow_trial("hostile::no_flood_keeps_reviews_waiting", no_flood_keeps_reviews_waiting),
    ]
}

/// Answered, and with this status.
const REVIEWED: u16 = 200;

fn no_answer_denies_a_pod(place: &Place) {
    let webhook = Installation::start(&place.path(""), Controllers::None, "10.99.21.1");
    webhook.welcome(place, "apps");
    let friend = Visitor::new(&webhook.control_plane, FRIEND, webhook.replica.address);
    Runtime::new().unwrap().block_on(async {
        for (name, bytes, status) in requests() {
            let answer = friend.say(&bytes).await.unwrap();
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{name}: {answer}");
            let body = answer.split_once("\r\n\r\n").unwrap().1;
            if status == REVIEWED {
                let body: Value =
                    serde_json::from_str(body).unwrap_or_else(|error| panic!("{name}: {error}\n{answer}"));
                assert_eq!(body["response"]["allowed"], true, "{name}: {answer}");
            } else {
                assert!(!body.contains("allowed") && !body.contains("s3cret"), "{name}: {answer}");
            }
            fares_well(&webhook, &friend, name).await;
        }
        for (name, bytes) in no_handshakes() {
            let mut stream = friend.knock().await.unwrap();
            stream.write_all(&bytes).await.unwrap();
            let mut answer = Vec::new();
            let _cut_off = timeout(AT_LAST, stream.read_to_end(&mut answer)).await.expect(name);
            // An alert, or nothing.
            assert!(answer.is_empty() || answer[0] == 0x15, "{name}: {answer:?}");
            fares_well(&webhook, &friend, name).await;
        }
    });
}

/// What is no handshake of a TLS that is spoken.
fn no_handshakes() -> Vec<(&'static str, Vec<u8>)> {
    // A version, 32 random bytes, no session, four suites of that time, and no packing.
    let hello = |minor: u8| {
        let suites = b"\0\x08\xc0\x13\xc0\x09\0\x2f\0\x0a\x01\0";
        let hello = [&[3, minor][..], &[7; 32], b"\0", suites].concat();
        let length = u8::try_from(hello.len()).unwrap();
        [&[0x16, 3, 1, 0, length + 4, 1, 0, 0, length][..], &hello].concat()
    };
    vec![
        ("SSL 3.0", hello(0)),
        ("TLS 1.0", hello(1)),
        ("TLS 1.1", hello(2)),
        ("no TLS", request("", review().to_string())),
        ("HTTP/2 without TLS", begin(&[], Vec::new())),
        ("zeros", vec![0; 1 << 10]),
        ("a record that is too long", b"\x16\x03\x01\xff\xff\x01".repeat(100)),
    ]
}

/// The review of a pod with something in it that should not be there.
fn review_with(pointer: &str, value: Value) -> String {
    let mut review = review();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    review.pointer_mut(parent).unwrap()[key] = value;
    review.to_string()
}

/// Requests, by what is odd about them, and how they are answered.
fn requests() -> Vec<(&'static str, Vec<u8>, u16)> {
    let good = review().to_string();
    let post = |body: &str| request("Connection: close\r\n", body);
    let instead = |old: &str, new: &str| {
        let text = String::from_utf8(post(&good)).unwrap();
        assert!(text.contains(old), "{old}");
        text.replacen(old, new, 1).into_bytes()
    };
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let object = |object: &str| post(&good.replacen("\"python:3.11\"", object, 1));
    let mut all = vec![
        ("nothing odd", post(&good), REVIEWED),
        ("no JSON", post("s3cret"), 400),
        ("nothing", post(""), 400),
        ("half of it", post(&good[..good.len() / 2]), 400),
        ("no UTF-8", request("Connection: close\r\n", b"\"\xff\xfe\""), 400),
        ("a NUL before it", post(&format!("\0{good}")), 400),
        ("twice", post(&good.repeat(2)), 400),
        ("deep lists", post(&nested(1_000_000)), 400),
        ("deep lists in the object", object(&nested(1_000_000)), REVIEWED),
        (
            "deep maps in the object",
            object(&format!("{}1{}", "{\"a\":".repeat(500_000), "}".repeat(500_000))),
            REVIEWED,
        ),
        ("a number without end", object(&"9".repeat(1_000_000)), REVIEWED),
        ("a NUL in a name", object("\"a\\u0000b\""), REVIEWED),
        ("half a surrogate in the object", object("\"\\ud800\""), REVIEWED),
        ("half a surrogate in the uid", post(&good.replacen("705ab4f5", "\\udc00", 1)), 400),
        ("no uid", post(&good.replacen("\"uid\"", "\"none\"", 1)), 400),
        ("an empty uid", post(&review_with("/request/uid", json!(""))), REVIEWED),
        ("a long uid", post(&review_with("/request/uid", json!("u".repeat(1 << 20)))), REVIEWED),
        ("a uid that is none", post(&review_with("/request/uid", json!("\n\u{0}\u{1b}[31m\"}}"))), REVIEWED),
        ("a number as uid", post(&review_with("/request/uid", json!(7))), 400),
        ("no request", post(&review_with("/request", json!(null))), 400),
        ("an answer", post(&review_with("/response", json!({ "uid": "u", "allowed": false }))), REVIEWED),
        ("v1beta1", post(&review_with("/apiVersion", json!("admission.k8s.io/v1beta1"))), 400),
        ("another kind of review", post(&review_with("/kind", json!("ConversionReview"))), 400),
        ("a Deployment", post(&review_with("/request/kind/kind", json!("Deployment"))), REVIEWED),
        ("another resource", post(&review_with("/request/resource/resource", json!("podtemplates"))), REVIEWED),
        ("an update", post(&review_with("/request/operation", json!("UPDATE"))), REVIEWED),
        ("a deletion", post(&review_with("/request/operation", json!("DELETE"))), REVIEWED),
        ("ephemeral containers", post(&review_with("/request/subResource", json!("ephemeralcontainers"))), REVIEWED),
        ("no object", post(&review_with("/request/object", json!(null))), REVIEWED),
        ("an object that is none", post(&review_with("/request/object", json!("s3cret"))), REVIEWED),
        (
            "containers that are none",
            post(&review_with("/request/object/spec/containers", json!({ "a": 1 }))),
            REVIEWED,
        ),
        ("labels that are none", post(&review_with("/request/object/metadata/labels", json!([1]))), REVIEWED),
        ("a namespace that is none", post(&review_with("/request/namespace", json!("../../\u{0}"))), REVIEWED),
        ("a namespace that is excluded", post(&review_with("/request/namespace", json!("kube-system"))), REVIEWED),
        ("plain text", request("Connection: close\r\nContent-Type: text/plain\r\n", &good), REVIEWED),
        ("said to be packed", request("Connection: close\r\nContent-Encoding: gzip\r\n", [0x1f, 0x8b, 8, 0]), 400),
        ("another path", instead("/mutate", "/mutate/../healthz"), 404),
        ("no path", instead("/mutate", "*"), 404),
        ("the path with a question", instead("/mutate", "/mutate?timeout=3s"), REVIEWED),
        ("another method", instead("POST", "PUT"), 405),
        ("TRACE", instead("POST", "TRACE"), 405),
        ("a method that is none", instead("POST", "P\u{1}ST"), 400),
        ("another version", instead("HTTP/1.1", "HTTP/3.0"), 400),
        ("two lengths", instead("Host: webhook", "Host: webhook\r\nContent-Length: 3"), 400),
        ("a length that is none", instead("Host: webhook", "Host: webhook\r\nTransfer-Encoding: sausage"), 400),
        ("a long head", instead("Host: webhook", &format!("Host: {}", "w".repeat(1 << 20))), 431),
        ("many headers", instead("Host: webhook", &"A: b\r\n".repeat(10_000)), 431),
        ("50 MB announced", instead("Content-Length", "Content-Length: 52428800\r\nX-Length"), 413),
        ("more than there can be", instead("Content-Length", "Content-Length: 9223372036854775807\r\nX-Length"), 413),
    ];
    // The last chunk does not come: it is too much before.
    let chunk = format!("100000\r\n{}\r\n", " ".repeat(1 << 20));
    let chunked = format!("Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n{}", chunk.repeat(50));
    all.push(("50 MB in chunks", format!("POST /mutate HTTP/1.1\r\nHost: w\r\n{chunked}").into_bytes(), 413));
    // As many values as fit into it, each as small as can be.
    for (name, value) in [("many numbers", "0,"), ("many lists", "[],"), ("many maps", "{},"), ("many texts", "\"\",")]
    {
        let many = format!("[{}0]", value.repeat((6 << 20) / value.len()));
        all.push((name, object(&many), REVIEWED));
    }
    let keys: String = (0..400_000).map(|key| format!("\"{key}\":0,")).collect();
    all.push(("many keys", object(&format!("{{{keys}\"a\":0}}")), REVIEWED));
    all.push(("one key many times", object(&format!("{{{}\"a\":0}}", "\"a\":0,".repeat(1 << 20))), REVIEWED));
    all
}

/// The process answers its probes, and a good review; its memory is bounded. Gives how long the review took, on a connection
/// of its own.
async fn fares_well(webhook: &Installation, friend: &Visitor, after: &str) -> Duration {
    let begin = Instant::now();
    let good = request("Connection: close\r\n", review().to_string());
    let answer = timeout(AT_LAST, friend.say(&good)).await.expect(after).unwrap_or_default();
    assert!(answer.contains("\"patchType\":\"JSONPatch\"") && answer.contains("\"allowed\":true"), "{after}: {answer}");
    let took = begin.elapsed();
    for path in ["/healthz", "/readyz"] {
        assert!(get(webhook.replica.address, 8081, path).starts_with("HTTP/1.1 200"), "{after}: {path}");
    }
    let peak = webhook.replica.process.peak_memory();
    assert!(peak < MOST_MEMORY, "{after}: {} MiB", peak >> 20);
    took
}

/// Something that is done without end, by somebody at an address.
type Flood = fn(Visitor) -> BoxFuture<'static, io::Result<()>>;

/// Each flood comes from a few pods, with so many connections of each at once.
const FLOODS: [(&str, usize, Flood); 16] = [
    ("heads that do not end", 1_500, |visitor| Box::pin(slowly(visitor, b"POST /mutate HTTP/1.1\r\nX-A: "))),
    ("bodies that do not end", 1_500, |visitor| {
        Box::pin(slowly(visitor, b"POST /mutate HTTP/1.1\r\nHost: w\r\nContent-Length: 7000000\r\n\r\n{"))
    }),
    ("connections that say nothing", 1_500, |visitor| Box::pin(slowly(visitor, b""))),
    ("half of a preface", 1_500, |visitor| Box::pin(slowly_h2(visitor, frames::PREFACE[..9].to_vec()))),
    ("handshakes that do not end", 2_000, |visitor| Box::pin(half_a_handshake(visitor))),
    ("two thousand at once", 2_000, |visitor| Box::pin(good(visitor))),
    ("no TLS", 50, |visitor| Box::pin(plainly(visitor, b"POST /mutate HTTP/1.1\r\nHost: w\r\n\r\n"))),
    ("large bodies", 3, |visitor| Box::pin(large(visitor))),
    ("streams without a body", 30, |visitor| {
        let heads = (0..100).flat_map(|number| frames::post(2 * number + 1)).collect();
        Box::pin(slowly_h2(visitor, begin(&[], heads)))
    }),
    ("streams that fill the window", 30, |visitor| {
        let body = vec![b' '; 60 << 10];
        let requests = (0..100).flat_map(|number| {
            let mut request = frames::request(2 * number + 1, &body);
            request.truncate(request.len() - 9);
            request
        });
        Box::pin(slowly_h2(visitor, begin(&[], requests.collect())))
    }),
    ("answers that nobody takes", 30, |visitor| {
        // No byte of an answer may be sent.
        Box::pin(slowly_h2(visitor, begin(&[(4, 0)], many_reviews())))
    }),
    ("answers of which a byte is taken", 30, |visitor| Box::pin(slowly_h2(visitor, begin(&[(4, 1)], many_reviews())))),
    ("streams that are given up", 10, |visitor| {
        Box::pin(repeat(visitor, Vec::new(), |round| {
            (0..1_000).flat_map(|number| frames::post_and_reset(2 * (1_000 * round + number) + 1)).collect()
        }))
    }),
    ("pings", 10, |visitor| Box::pin(repeat(visitor, Vec::new(), |_| frames::ping().repeat(1_000)))),
    ("settings", 10, |visitor| Box::pin(repeat(visitor, Vec::new(), |_| frames::settings(&[(4, 7)]).repeat(1_000)))),
    ("a head in parts without end", 10, |visitor| {
        let (first, next) = frames::endless_head(1);
        assert!(next.len() < 16 << 10);
        Box::pin(repeat(visitor, first, |_| frames::endless_head(1).1))
    }),
];

fn no_flood_keeps_reviews_waiting(place: &Place) {
    let webhook = Installation::start(&place.path(""), Controllers::None, "10.99.21.3");
    webhook.welcome(place, "apps");
    let friend = Visitor::new(&webhook.control_plane, FRIEND, webhook.replica.address);
    let runtime = Runtime::new().unwrap();
    // Who is hostile does not keep the friend from its work here, but for the machine that they share.
    let theirs = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for (name, connections, flood) in FLOODS {
        let pods = [[10, 99, 22, 1], [10, 99, 22, 2], [10, 99, 22, 3]].map(Ipv4Addr::from);
        let hostile: Vec<Visitor> = pods.into_iter().map(|pod| friend.at(pod)).collect();
        let mut under_way = JoinSet::new();
        for visitor in hostile.iter().cycle().take(connections) {
            let visitor = visitor.clone();
            let without_end = async move {
                loop {
                    // What is refused is tried again.
                    let _refused = flood(visitor.clone()).await;
                    sleep(AGAIN).await;
                }
            };
            under_way.spawn_on(without_end, theirs.handle());
        }
        runtime.block_on(async {
            sleep(Duration::from_millis(500)).await;
            let (begin, mut took) = (Instant::now(), Vec::new());
            while begin.elapsed() < FLOOD || took.len() < 3 {
                took.push(fares_well(&webhook, &friend, name).await);
                sleep(Duration::from_millis(100)).await;
            }
            took.sort_unstable();
            let (median, longest) = (took[took.len() / 2], took[took.len() - 1]);
            let memory = webhook.replica.process.peak_memory() >> 20;
            println!(
                "{name}: {} good reviews, half within {median:?}, all within {longest:?}; {memory} MiB",
                took.len()
            );
            assert!(median < AT_ONCE, "{name}: {median:?}");
        });
        // The API server gets through, too, by the connection that it has or another.
        let through = |_| place.out("kubectl create --dry-run=server --output=json --filename probe.json");
        assert!((0..3).map(through).any(|pod| pod.contains("openlit.io/injection")), "{name}: the API server");
        runtime.block_on(under_way.shutdown());
    }
    runtime.block_on(join_all((0..10).map(|_| fares_well(&webhook, &friend, "all of them"))));
}

/// Says the first bytes, and then one each second.
async fn slowly(visitor: Visitor, first: &[u8]) -> io::Result<()> {
    let mut stream = visitor.connect().await?;
    stream.write_all(first).await?;
    loop {
        sleep(Duration::from_secs(1)).await;
        stream.write_all(if first.is_empty() { b"" } else { b"a" }).await?;
        stream.flush().await?;
    }
}

/// The beginning of a connection over HTTP/2, with these settings.
fn begin(settings: &[(u16, u32)], then: Vec<u8>) -> Vec<u8> {
    [frames::PREFACE.to_vec(), frames::settings(settings), then].concat()
}

fn many_reviews() -> Vec<u8> {
    let review = review().to_string();
    (0..100).flat_map(|number| frames::request(2 * number + 1, review.as_bytes())).collect()
}

/// Says all of it, reads what is answered, and then nothing more.
async fn slowly_h2(visitor: Visitor, bytes: Vec<u8>) -> io::Result<()> {
    let (mut reader, mut writer) = tokio::io::split(visitor.connect_h2().await?);
    let reading = async { tokio::io::copy(&mut reader, &mut tokio::io::sink()).await };
    let writing = async {
        writer.write_all(&bytes).await?;
        writer.flush().await
    };
    let (read, _) = tokio::join!(reading, writing);
    read.map(drop)
}

/// Says one thing after the other for as long as it is let, and does not read what is answered.
async fn repeat(visitor: Visitor, first: Vec<u8>, next: fn(u32) -> Vec<u8>) -> io::Result<()> {
    let mut stream = visitor.connect_h2().await?;
    stream.write_all(&begin(&[], first)).await?;
    for round in 0.. {
        timeout(Duration::from_secs(1), stream.write_all(&next(round))).await??;
    }
    Ok(())
}

async fn good(visitor: Visitor) -> io::Result<()> {
    let mut stream = visitor.connect().await?;
    let request = request("", review().to_string());
    loop {
        stream.write_all(&request).await?;
        let mut answer = vec![0; 64 << 10];
        if stream.read(&mut answer).await? == 0 {
            return Ok(());
        }
        sleep(Duration::from_secs(4)).await;
    }
}

async fn large(visitor: Visitor) -> io::Result<()> {
    let text = review().to_string().replacen("\"python:3.11\"", &format!("[{}0]", "[],".repeat(2 << 20)), 1);
    visitor.say(&request("Connection: close\r\n", text)).await.map(drop)
}

async fn plainly(visitor: Visitor, bytes: &[u8]) -> io::Result<()> {
    let mut stream = visitor.knock().await?;
    stream.write_all(bytes).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
    Ok(())
}

/// The head of a record of TLS, and the beginning of what it announces.
async fn half_a_handshake(visitor: Visitor) -> io::Result<()> {
    let mut stream = visitor.knock().await?;
    stream.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.map(drop)
}
