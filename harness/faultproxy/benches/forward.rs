//! The fault proxy against a plain `tokio::io::copy_bidirectional` forwarder,
//! in one run and in turns, as two runs on one machine rarely agree.
//!
//! `cargo bench -p quarrel-faultproxy --bench forward`

mod plain;

use plain::{Plain, plain_forwarder};
use quarrel_faultproxy::{Config, FaultProxy, NewProxy, NewToxic, Seed, Stream, ToxicKind};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

const ROUNDS: usize = 10;
const ECHOES: usize = 1500;
const BULK: usize = 256 << 20;
const CONNECTIONS: usize = 32;

fn main() {
    // Cargo passes --bench; anything else is a filter nobody needs here.
    let threads = Config::default().threads;
    let server = FaultProxy::start(&Config::embedded(Seed(1))).expect("it starts");
    let plain = plain_forwarder(threads);
    println!("{threads} threads each; loopback");
    echoes(&server, &plain);
    bulk(&server, &plain);
    cpu(&server, &plain);
    latencies(&server);
    jitter(&server);
}

/// What is measured against what.
struct Paths {
    direct: SocketAddr,
    plain: SocketAddr,
    ours: SocketAddr,
}

fn paths(server: &FaultProxy, plain: &Plain, upstream: SocketAddr) -> Paths {
    let name = format!("to {upstream}");
    let view = server
        .create_proxy(NewProxy::new(name, "127.0.0.1:0", upstream.to_string()))
        .expect("loopback has a free port");
    Paths {
        direct: upstream,
        plain: plain.forward(upstream),
        ours: view.listen.parse().expect("a bound address"),
    }
}

/// What a measured value should be.
enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

fn verdict(what: &str, value: f64, goal: &Goal) {
    let (sign, limit, holds) = match goal {
        Goal::AtMost(limit) => ("<=", limit, value <= *limit),
        Goal::AtLeast(limit) => (">=", limit, value >= *limit),
    };
    let mark = if holds { "ok" } else { "MISSED" };
    println!("  {what} {value:.3} (goal {sign} {limit:.3}) {mark}");
}

fn echoes(server: &FaultProxy, plain: &Plain) {
    let paths = paths(server, plain, echo_server());
    let mut connections = [paths.direct, paths.plain, paths.ours].map(connect);
    let mut times: [Vec<Duration>; 3] = Default::default();
    for _ in 0..ROUNDS {
        for (connection, times) in connections.iter_mut().zip(&mut times) {
            for _ in 0..ECHOES {
                times.push(echo(connection, b"0123456789abcdef"));
            }
        }
    }
    let [direct, plain, ours] = times.map(|mut times| micros(quantile(&mut times, 0.5)));
    println!(
        "round trip of one connection, p50: direct {direct:.1} us, plain {plain:.1} us, ours {ours:.1} us"
    );
    verdict("ours / plain", ours / plain, &Goal::AtMost(1.1));
}

fn bulk(server: &FaultProxy, plain: &Plain) {
    let paths = paths(server, plain, source());
    let mut rates: [Vec<f64>; 3] = Default::default();
    for _ in 0..5 {
        for (addr, rates) in [paths.direct, paths.plain, paths.ours].iter().zip(&mut rates) {
            rates.push(receive(*addr));
        }
    }
    let [direct, plain, ours] = rates.map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    });
    println!("bulk, median: direct {direct:.0} MB/s, plain {plain:.0} MB/s, ours {ours:.0} MB/s");
    verdict("ours / plain", ours / plain, &Goal::AtLeast(1.2));
}

fn cpu(server: &FaultProxy, plain: &Plain) {
    let paths = paths(server, plain, echo_server());
    let mut costs: [Vec<f64>; 2] = Default::default();
    for _ in 0..5 {
        for ((addr, name), costs) in
            [(paths.plain, "plain"), (paths.ours, "faultproxy")].into_iter().zip(&mut costs)
        {
            costs.push(cost(addr, name));
        }
    }
    let [plain, ours] = costs.map(|mut costs| {
        costs.sort_by(f64::total_cmp);
        costs[costs.len() / 2]
    });
    println!(
        "CPU of the forwarder per operation, {CONNECTIONS} connections: plain {plain:.1} us, ours {ours:.1} us"
    );
    verdict("ours / plain", ours / plain, &Goal::AtMost(1.1));
}

fn latencies(server: &FaultProxy) {
    for (latency_ms, goal_ms, echoes) in [(1, 1.2, 400), (20, 20.5, 60), (100, 100.6, 20)] {
        let kind = ToxicKind::Latency { latency_ms, jitter_ms: 0 };
        let mut times = poisoned(server, kind, echoes);
        let p50 = quantile(&mut times, 0.5).as_secs_f64() * 1e3;
        let p99 = quantile(&mut times, 0.99).as_secs_f64() * 1e3;
        println!("latency {latency_ms} ms: p50 {p50:.3} ms, p99 {p99:.3} ms");
        verdict("p50", p50, &Goal::AtMost(goal_ms));
    }
}

/// Echoes through a toxic.
fn poisoned(server: &FaultProxy, kind: ToxicKind, echoes: usize) -> Vec<Duration> {
    let upstream = echo_server();
    let name = format!("to {upstream}");
    let view = server
        .create_proxy(NewProxy::new(&name, "127.0.0.1:0", upstream.to_string()))
        .expect("loopback has a free port");
    server.add_toxic(&name, NewToxic::new(kind, Stream::Downstream)).expect("it is sound");
    let mut connection = connect(view.listen.parse().expect("a bound address"));
    (0..echoes).map(|_| echo(&mut connection, b"x")).collect()
}

/// Jitter is uniform: the largest distance of the measured distribution from
/// the stated one (Kolmogorov-Smirnov) stays below what chance allows.
fn jitter(server: &FaultProxy) {
    let kind = ToxicKind::Latency { latency_ms: 10, jitter_ms: 8 };
    let mut times = poisoned(server, kind, 500);
    times.sort();
    let count = times.len() as f64;
    let distance = times
        .iter()
        .enumerate()
        .map(|(index, time)| {
            let stated = ((time.as_secs_f64() * 1e3 - 2.0) / 16.0).clamp(0.0, 1.0);
            let (low, high) = (index as f64 / count, (index + 1) as f64 / count);
            (stated - low).abs().max((stated - high).abs())
        })
        .fold(0.0, f64::max);
    // 1.63 / sqrt(n) is exceeded by chance once in a hundred runs.
    let limit = 1.63 / count.sqrt();
    println!(
        "jitter 10 +- 8 ms, {count} echoes: from {:?} to {:?}",
        times[0],
        times[times.len() - 1]
    );
    verdict("distance from uniform", distance, &Goal::AtMost(limit));
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn quantile(times: &mut [Duration], at: f64) -> Duration {
    times.sort();
    times[((times.len() - 1) as f64 * at) as usize]
}

fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).expect("it listens");
    stream.set_nodelay(true).expect("a TCP socket");
    stream
}

fn echo(connection: &mut TcpStream, bytes: &[u8]) -> Duration {
    let start = Instant::now();
    connection.write_all(bytes).expect("open");
    let mut back = [0; 64];
    connection.read_exact(&mut back[..bytes.len()]).expect("echoed");
    start.elapsed()
}

/// Megabytes a second.
fn receive(addr: SocketAddr) -> f64 {
    let mut connection = connect(addr);
    let start = Instant::now();
    connection.write_all(b"g").expect("open");
    let mut buffer = vec![0; 256 << 10];
    let mut got = 0;
    while got < BULK {
        got += connection.read(&mut buffer).expect("open");
    }
    got as f64 / 1e6 / start.elapsed().as_secs_f64()
}

/// Microseconds that the threads named `name` spend on one echo.
fn cost(addr: SocketAddr, name: &str) -> f64 {
    let before = cpu_time(name);
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            std::thread::spawn(move || {
                let mut connection = connect(addr);
                for _ in 0..ECHOES {
                    echo(&mut connection, b"0123456789abcdef");
                }
            })
        })
        .collect();
    for client in clients {
        client.join().expect("it echoes");
    }
    micros(cpu_time(name) - before) / (CONNECTIONS * ECHOES) as f64
}

/// Time on the processor of this process' threads whose names begin so.
fn cpu_time(name: &str) -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux tells");
    let nanos = tasks.flatten().filter_map(|task| {
        let read = |file: &str| std::fs::read_to_string(task.path().join(file)).ok();
        let wanted = read("comm")?.starts_with(name);
        let nanos: u64 = read("schedstat")?.split(' ').next()?.parse().ok()?;
        wanted.then_some(nanos)
    });
    Duration::from_nanos(nanos.sum())
}

/// A server with a thread for each connection.
fn serve(each: impl Fn(TcpStream) + Send + Sync + Clone + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let addr = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            stream.set_nodelay(true).expect("a TCP socket");
            let each = each.clone();
            std::thread::spawn(move || each(stream));
        }
    });
    addr
}

fn echo_server() -> SocketAddr {
    serve(|mut stream| {
        let mut buffer = [0; 4096];
        while let Ok(len @ 1..) = stream.read(&mut buffer) {
            if stream.write_all(&buffer[..len]).is_err() {
                return;
            }
        }
    })
}

/// Sends [`BULK`] bytes for the first byte it gets.
fn source() -> SocketAddr {
    serve(|mut stream| {
        let block = vec![7; 256 << 10];
        let mut first = [0];
        if stream.read_exact(&mut first).is_err() {
            return;
        }
        for _ in 0..BULK / block.len() {
            if stream.write_all(&block).is_err() {
                return;
            }
        }
    })
}
