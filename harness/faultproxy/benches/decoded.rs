//! What it costs to follow messages: the same work through a plain forwarder,
//! and through the fault proxy with decoding off, on, with a rule, logging, and
//! attended; in turns within one run. Servers of fixed answers stand in for
//! Redis and Postgres, so that the way there is most of the work.
//!
//! `cargo bench -p quarrel-faultproxy --bench decoded`

mod plain;

use plain::plain_forwarder;
use quarrel_faultproxy::{Action, Attend, Attention, Config, FaultProxy, MessageLog, NewProxy};
use quarrel_faultproxy::{NewRule, Protocol, Seed};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const ROUNDS: usize = 7;
const WAYS: [&str; 6] = ["plain", "undecoded", "decoded", "one rule", "logging", "attended"];

fn main() {
    let threads = Config::default().threads;
    let server = FaultProxy::start(&Config::embedded(Seed(1))).expect("it starts");
    let forwarder = plain_forwarder(threads);
    let done = Arc::new(AtomicBool::new(false));
    println!("{threads} threads each; loopback; ratios to undecoded, medians of {ROUNDS} rounds");
    let redis = serve(|stream| answers(stream, 33, b"+OK\r\n"));
    let postgres = serve(rows);
    let mut ways = |protocol, upstream| {
        let mut addrs = vec![forwarder.forward(upstream)];
        addrs.extend(WAYS[1..].iter().map(|way| prepare(&server, way, protocol, upstream, &done)));
        addrs
    };
    let (redis, postgres) = (ways(Protocol::Redis, redis), ways(Protocol::Postgres, postgres));
    for (pipelined, goal) in [(1, 0.9), (16, 0.9), (64, 0.85)] {
        report(&format!("SET -P {pipelined}, requests/s"), &redis, goal, |addr| {
            pipeline(addr, pipelined)
        });
    }
    report("SELECT of 10^6 rows, rows/s", &postgres, 1.0 / 1.15, select);
    report("simple queries, requests/s", &postgres, 0.95, queries);
    done.store(true, Ordering::Relaxed);
}

/// Makes the proxy for one way; its address.
fn prepare(
    server: &FaultProxy,
    way: &str,
    protocol: Protocol,
    upstream: SocketAddr,
    done: &Arc<AtomicBool>,
) -> SocketAddr {
    let name = format!("{way} {protocol:?}");
    let new = NewProxy::new(&name, "127.0.0.1:0", upstream.to_string());
    let view = server.create_proxy(new).expect("loopback has a free port");
    let logs = if way == "logging" { MessageLog::On } else { MessageLog::Off };
    if way != "undecoded" {
        server.set_protocol(&name, Some(protocol), logs).expect("it exists");
    }
    if way == "one rule" {
        let never = NewRule::new(Action::DropReply).on("FLUSHALL").key("nothing");
        server.add_rule(&name, never).expect("followed");
    }
    if way == "attended" {
        let attention = server.attend(&name, Attend::watching()).expect("followed");
        let done = Arc::clone(done);
        std::thread::spawn(move || read_on(&attention, &done));
    }
    view.listen.parse().expect("a bound address")
}

fn read_on(attention: &Attention, done: &AtomicBool) {
    while !done.load(Ordering::Relaxed) {
        while attention.next_within(Duration::from_millis(100)).is_some() {}
    }
}

fn report(what: &str, addrs: &[SocketAddr], goal: f64, work: impl Fn(SocketAddr) -> f64) {
    let mut rates = vec![Vec::new(); addrs.len()];
    for _ in 0..ROUNDS {
        for (addr, rates) in addrs.iter().zip(&mut rates) {
            rates.push(work(*addr));
        }
    }
    let medians: Vec<f64> = rates
        .into_iter()
        .map(|mut rates| {
            rates.sort_by(f64::total_cmp);
            rates[rates.len() / 2]
        })
        .collect();
    let undecoded = medians[1];
    print!("{what}: undecoded {undecoded:.0};");
    for (way, rate) in WAYS.iter().zip(&medians) {
        print!(" {way} {:.2}", rate / undecoded);
    }
    let mark = if medians[2] / undecoded >= goal { "ok" } else { "MISSED" };
    println!(" (goal of decoded {goal:.2}: {mark})");
}

fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).expect("it listens");
    stream.set_nodelay(true).expect("a TCP socket");
    stream
}

/// Requests a second of one connection that sends so many at once.
fn pipeline(addr: SocketAddr, pipelined: usize) -> f64 {
    let mut connection = connect(addr);
    let set = b"*3\r\n$3\r\nSET\r\n$5\r\nkey:1\r\n$2\r\nab\r\n";
    assert_eq!(set.len(), 33, "what the server counts");
    let requests = set.repeat(pipelined);
    let mut replies = vec![0; 5 * pipelined];
    let rounds = 60_000 / (pipelined + 5);
    let start = Instant::now();
    for _ in 0..rounds {
        connection.write_all(&requests).expect("open");
        connection.read_exact(&mut replies).expect("answered");
    }
    (rounds * pipelined) as f64 / start.elapsed().as_secs_f64()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len() + 4).expect("short");
    [&[kind][..], &len.to_be_bytes(), body].concat()
}

/// Connects as a client of Postgres does.
fn open(addr: SocketAddr) -> TcpStream {
    let mut connection = connect(addr);
    let body = b"\0\x03\0\0user\0me\0\0";
    let len = u32::try_from(body.len() + 4).expect("short");
    connection.write_all(&[&len.to_be_bytes()[..], body].concat()).expect("open");
    until_ready(&mut connection);
    connection
}

fn until_ready(connection: &mut TcpStream) -> usize {
    let mut buffer = vec![0; 256 << 10];
    let mut got = 0;
    let mut end = Vec::new();
    loop {
        let len = connection.read(&mut buffer).expect("open");
        got += len;
        end.extend_from_slice(&buffer[len.saturating_sub(6)..len]);
        if end.ends_with(b"Z\0\0\0\x05I") {
            return got;
        }
        end.drain(..end.len().saturating_sub(6));
    }
}

const ROWS: usize = 1_000_000;

fn select(addr: SocketAddr) -> f64 {
    let mut connection = open(addr);
    let start = Instant::now();
    connection.write_all(&message(b'Q', b"SELECT many\0")).expect("open");
    assert!(until_ready(&mut connection) > ROWS * 20);
    ROWS as f64 / start.elapsed().as_secs_f64()
}

fn queries(addr: SocketAddr) -> f64 {
    const COUNT: usize = 5_000;
    let mut connection = open(addr);
    let query = message(b'Q', b"UPDATE accounts SET balance = balance + 17 WHERE id = 4711\0");
    let start = Instant::now();
    for _ in 0..COUNT {
        connection.write_all(&query).expect("open");
        until_ready(&mut connection);
    }
    COUNT as f64 / start.elapsed().as_secs_f64()
}

/// A server with a thread for each connection.
fn serve(each: impl Fn(TcpStream) -> std::io::Result<()> + Send + Clone + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let addr = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            stream.set_nodelay(true).expect("a TCP socket");
            let each = each.clone();
            // A client that has gone ends it.
            std::thread::spawn(move || each(stream));
        }
    });
    addr
}

/// Sends a reply for every so many bytes.
fn answers(mut stream: TcpStream, every: usize, reply: &[u8]) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    let mut got = 0;
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            len => got += len,
        }
        stream.write_all(&reply.repeat(got / every))?;
        got %= every;
    }
}

/// Answers `SELECT many` with rows, and everything else with a tag.
fn rows(mut stream: TcpStream) -> std::io::Result<()> {
    let ready = message(b'Z', b"I");
    let row = message(b'D', b"\0\x02\0\0\0\x07account\0\0\0\x06balance");
    let block = row.repeat(1000);
    let done = [message(b'C', b"UPDATE 1\0"), ready.clone()].concat();
    let mut buffer = vec![0; 4096];
    stream.read(&mut buffer)?;
    stream.write_all(&[message(b'R', &[0; 4]), ready].concat())?;
    loop {
        let len = stream.read(&mut buffer)?;
        if len == 0 {
            return Ok(());
        }
        if buffer[..len].windows(4).any(|part| part == b"many") {
            for _ in 0..ROWS / 1000 {
                stream.write_all(&block)?;
            }
        }
        stream.write_all(&done)?;
    }
}
