//! How long `quarrel serve` takes for its pages over ten thousand runs.
//!
//! Prints the median of each page, and fails if the list of runs takes longer
//! than the 200 ms that the project has set itself.

use std::{fmt::Write as _, fs, net::SocketAddr, path::Path};

use quarrel_harness::{
    results::IndexLine,
    web::{Noting, ServeOptions, Server},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const RUNS: usize = 10_000;
const ROUNDS: usize = 11;

const SETTINGS: &str = r#"
schema = 1
began = "2026-03-01T08:00:00Z"
strategy = "cache-aside"
source = ""
cluster = "sim"
expect = "linearizable"
seed = 1
clients = 16
keys = 20
skew = 0.8
reads = 0.8
arrivals = "paced"
time_ms = 10000
settle_ms = 10000
timeout_ms = 1000
faults = []
schedule = ""
[options]
"#;

#[tokio::main]
async fn main() {
    let scratch = tempfile::tempdir().expect("a folder");
    fill(scratch.path());
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let options = ServeOptions {
        results: scratch.path().to_owned(),
        address,
        policy: None,
        noting: Noting::Off,
    };
    let server = Server::bind(options).await.expect("a free port");
    let address = server.address();
    tokio::spawn(server.run(std::future::pending()));
    for page in ["/", "/?strategy=cache-aside&commit=00000003&page=3", "/matrix", "/trend"] {
        let mut took = Vec::new();
        for _ in 0..ROUNDS {
            let begin = tokio::time::Instant::now();
            let bytes = get(address, page).await;
            took.push((begin.elapsed().as_secs_f64() * 1e3, bytes));
        }
        took.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (median, bytes) = took[ROUNDS / 2];
        println!("{page:<48} {median:>7.1} ms, {:.0} kB, {RUNS} runs", bytes as f64 / 1e3);
        let is_list = page.starts_with("/?") || page == "/";
        assert!(!is_list || median < 200.0, "{page}: {median} ms");
    }
}

/// Runs as they lie there when nobody has looked at any for a year.
fn fill(root: &Path) {
    let strategies = ["cache-aside", "write-through", "double-delete", "version-guard"];
    let faults = ["replica-lag=200ms", "redis-cut", "failover=300ms"];
    let mut index = String::new();
    let settings = root.join("settings");
    fs::write(&settings, SETTINGS).expect("room for a file");
    for number in 0..RUNS {
        let strategy = strategies[number % strategies.len()];
        let name = format!("20260302T080000Z-{strategy}-{number:05}");
        fs::create_dir(root.join(&name)).expect("room for a folder");
        fs::hard_link(&settings, root.join(&name).join("run.toml")).expect("room for a link");
        let line = IndexLine {
            run: name,
            strategy: strategy.to_owned(),
            workload: "register".to_owned(),
            commit: format!("{:08x}{:032x}", number / 100, number),
            cluster: "native".to_owned(),
            faults: vec![faults[number % faults.len()].to_owned()],
            outcome: if number % 2 == 0 { "violated" } else { "held" }.to_owned(),
            strongest: "monotonic-reads".to_owned(),
            stale_reads: 12,
            reads_at_risk: 3000,
            cause: "stale-read/replica-lag-refill".to_owned(),
            case: format!("{strategy} × replica-lag on native"),
        };
        let _ = writeln!(index, "{}", serde_json::to_string(&line).expect("a line is JSON"));
    }
    fs::write(root.join("index.jsonl"), index).expect("room for the index");
}

async fn get(address: SocketAddr, page: &str) -> usize {
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    let ask = format!("GET {page} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(ask.as_bytes()).await.expect("the server reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("the server answers");
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{page}");
    answer.len()
}
