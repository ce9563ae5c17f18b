//! What the webhook costs: reviews per second and their latency beside a server that does nothing, with few resources and
//! with many; then, with a real API server, its memory, its start, and what the creation of a pod takes. Prints the tables
//! of `docs/performance.md`.
//!
//! `cargo bench --bench webhook` measures reviews with nothing but Rust. For the rest it needs root and a control plane, as
//! `tests/cluster` does: `PRELIT_TEST_TOOLS` is the folder with `etcd` and `kube-apiserver`.
//! `PRELIT_BENCH_RUNS` says how often each runs (default 7), `PRELIT_BENCH_SECONDS` how long (default 2), and a word after
//! `--` names the one part that is to be measured: `reviews`, `resources`, `start`, `memory` or `pods`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a bench fails by panicking, as the tests whose parts it uses"
)]

#[allow(dead_code, reason = "tests use all of it")]
#[path = "../../tests/cluster/apart.rs"]
mod apart;
mod cluster;
#[allow(dead_code, reason = "tests use all of it")]
#[path = "../../tests/cluster/control_plane.rs"]
mod control_plane;
#[allow(dead_code, reason = "tests use all of it")]
#[path = "../../tests/cluster/credentials.rs"]
mod credentials;
mod figures;
mod load;
#[allow(dead_code, reason = "tests use all of it")]
#[path = "../../tests/support/place.rs"]
mod place;
#[allow(dead_code, reason = "tests use all of it")]
#[path = "../../tests/cluster/process.rs"]
mod process;
#[allow(dead_code, reason = "shared with other benches")]
#[path = "../race/mod.rs"]
mod race;
#[allow(dead_code, reason = "tests use all of it")]
#[path = "../../tests/cluster/replicas.rs"]
mod replicas;
mod reviews;
mod servers;
#[allow(dead_code, reason = "tests use all of it")]
#[path = "../../tests/support/tools.rs"]
mod tools;

use figures::{Figures, print};
use load::{Load, Protocol};
use race::Outcome;
use reviews::Review;
use servers::{Server, What};
use std::env;
use std::time::Duration;

fn main() -> Outcome {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--serve", ..] => servers::serve(&arguments[1..]),
        ["--bench", ..] | [_, "--bench"] => report(arguments.iter().find(|argument| *argument != "--bench")),
        // Started by `cargo test --all-targets`: times are no test.
        _ => Ok(()),
    }
}

fn report(only: Option<&String>) -> Outcome {
    let apart = apart::enter();
    println!("{} runs of {:?} each, in turn\n", race::runs(), duration());
    let wanted = |part: &str| only.is_none_or(|only| only == part);
    if wanted("reviews") {
        reviews_beside_hello_world()?;
    }
    if wanted("resources") {
        few_resources_beside_many()?;
    }
    if cluster::PARTS.iter().any(|part| wanted(part)) {
        match apart {
            Ok(()) => cluster::report(&wanted)?,
            Err(why) => println!("Not measured in a cluster: {why}\n"),
        }
    }
    Ok(())
}

/// How long each is measured.
fn duration() -> Duration {
    let seconds = env::var("PRELIT_BENCH_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs_f64(seconds.unwrap_or(2.0))
}

/// The webhook and a server that reads and writes as many bytes and does nothing, in turn.
fn reviews_beside_hello_world() -> Outcome {
    for review in [Review::selected(), Review::not_selected()] {
        let ours = Server::start(&What::Webhook { resources: 10 })?;
        let answer = load::once(&ours, &review)?;
        let hello = Server::start(&What::Hello { bytes: answer.len() })?;
        println!("### {}: {} bytes in, {} out\n", review.name, review.body.len(), answer.len());
        let mut rows = Vec::new();
        for (protocol, connections) in Load::all() {
            let load = Load { protocol, connections, duration: duration() };
            let mut pair = [Figures::new("hello, world"), Figures::new("the webhook")];
            for run in 0..=race::runs() {
                for (figures, server) in pair.iter_mut().zip([&hello, &ours]) {
                    let measured = load.run(server, &review)?;
                    // The first round fills caches.
                    if run > 0 {
                        figures.push(measured);
                    }
                }
            }
            rows.push((load.name(), pair));
        }
        print(&rows);
    }
    Ok(())
}

/// A review costs as little where there are thousands of resources.
fn few_resources_beside_many() -> Outcome {
    println!("### One connection, by the number of resources in the namespace of the pod\n");
    let load = Load { protocol: Protocol::Http1, connections: 1, duration: duration() };
    let mut rows = Vec::new();
    for review in [Review::selected(), Review::not_selected()] {
        let few = Server::start(&What::Webhook { resources: 10 })?;
        for resources in [2_000, 10_000] {
            let many = Server::start(&What::Webhook { resources })?;
            let mut pair = [Figures::new("10 resources"), Figures::new(&format!("{resources} resources"))];
            for run in 0..=race::runs() {
                for (figures, server) in pair.iter_mut().zip([&few, &many]) {
                    let measured = load.run(server, &review)?;
                    if run > 0 {
                        figures.push(measured);
                    }
                }
            }
            rows.push((review.name.to_owned(), pair));
        }
    }
    print(&rows);
    Ok(())
}
