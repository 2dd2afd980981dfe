//! How long a cluster takes from nothing to a client's first write and read,
//! and to be gone again, with images, binaries and template present:
//!
//! ```text
//! cargo bench -p quarrel-workloads --bench startup [-- docker|native]
//! ```
//!
//! Promised are medians of at most 3 s on docker and 1 s on native, on two
//! cores.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use quarrel_checkers::{Key, Value};
use quarrel_harness::{
    cluster::{
        Cluster, ClusterError,
        docker::{self, DockerOptions},
        native::{self, NativeOptions},
    },
    stores::{Durability, Request},
};

const ROUNDS: usize = 9;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    // `cargo test --benches` only asks whether it starts.
    if words.iter().any(|word| word == "--test") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    for (kind, promised) in [("docker", 3.0), ("native", 1.0)] {
        if words.is_empty() || words.iter().any(|word| word == kind) {
            runtime.block_on(bench(kind, promised));
        }
    }
}

async fn bench(kind: &str, promised: f64) {
    // The first makes what is missing.
    if let Err(error) = round(kind).await {
        println!("{kind}: {error}");
        return;
    }
    let (mut up, mut first, mut down) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let times = round(kind).await.expect("it worked a moment ago");
        up.push(times[0]);
        first.push(times[1]);
        down.push(times[2]);
    }
    let (start, operation, gone) = (spread(up), spread(first), spread(down));
    println!(
        "{kind}: up {start}, first operation {operation} (promised: {promised} s), down {gone}"
    );
}

/// When the cluster was up, when the first operation was done, both from the
/// beginning; how long it took to be gone.
async fn round(kind: &str) -> Result<[Duration; 3], ClusterError> {
    let begin = Instant::now();
    let cluster = start(kind).await?;
    let up = begin.elapsed();
    let mut client = cluster.client();
    let write =
        Request::PrimaryWrite { key: Key(1), value: Value::Int(1), durability: Durability::Local };
    client.call(&write).await.expect("a cluster that is up takes writes");
    client.call(&Request::ReplicaRead(Key(1))).await.expect("and reads");
    let first = begin.elapsed();
    let end = Instant::now();
    assert_eq!(cluster.down().await, Vec::<String>::new());
    Ok([up, first, end.elapsed()])
}

async fn start(kind: &str) -> Result<Box<dyn Cluster>, ClusterError> {
    if kind == "native" {
        return native::start(NativeOptions::default()).await;
    }
    let proxy = Some(PathBuf::from(env!("CARGO_BIN_EXE_quarrel")));
    docker::start(DockerOptions { proxy, ..DockerOptions::default() }).await
}

/// Median, least and most.
fn spread(mut times: Vec<Duration>) -> String {
    times.sort();
    let (least, most) = (times[0].as_secs_f64(), times[times.len() - 1].as_secs_f64());
    format!("{:.2} s ({least:.2}–{most:.2})", times[times.len() / 2].as_secs_f64())
}
