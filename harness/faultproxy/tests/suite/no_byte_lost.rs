//! No byte is lost or reordered while toxics come, change and go.

use crate::testbed::{Server, proxy_to, start};
use proptest::prelude::*;
use quarrel_faultproxy::{FaultProxy, NewToxic, Release, Stream, ToxicKind};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// Bytes sent each way in one case.
const LENGTH: usize = 1 << 20;

/// The byte at a position of a stream: any byte lost, repeated or swapped
/// changes what follows. The low bits alone would repeat every 256 bytes.
fn byte_at(salt: u64, position: usize) -> u8 {
    let mixed = (position as u64 + salt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 56) as u8
}

fn send_all(stream: &mut TcpStream, salt: u64, writes: usize) {
    let all: Vec<u8> = (0..LENGTH).map(|at| byte_at(salt, at)).collect();
    for part in all.chunks(writes) {
        stream.write_all(part).expect("the other side reads on");
    }
    stream.shutdown(Shutdown::Write).expect("it is open");
}

/// Reads to the end; what went wrong, if anything.
fn receive_all(stream: &mut TcpStream, salt: u64) -> Result<(), String> {
    stream.set_read_timeout(Some(crate::testbed::PATIENCE)).expect("not zero");
    let mut buffer = vec![0; 1 << 16];
    let mut position = 0;
    loop {
        match stream.read(&mut buffer) {
            Ok(0) if position == LENGTH => return Ok(()),
            Ok(0) => return Err(format!("the stream ended at byte {position}")),
            Ok(len) => {
                for byte in &buffer[..len] {
                    if *byte != byte_at(salt, position) {
                        return Err(format!("byte {position} is wrong"));
                    }
                    position += 1;
                }
            }
            Err(error) => return Err(format!("after byte {position}: {error}")),
        }
    }
}

/// Both directions at once, through the proxy.
fn transfer(addr: SocketAddr, writes: usize) -> Result<(), String> {
    let mut reading = TcpStream::connect(addr).expect("the proxy listens");
    let mut writing = reading.try_clone().expect("a second handle");
    let sender = std::thread::spawn(move || send_all(&mut writing, 1, writes));
    let received = receive_all(&mut reading, 2);
    sender.join().map_err(|_| "the client's sender failed")?;
    received
}

/// Checks what the client sends while sending its own.
fn checking_server() -> (Server, std::sync::mpsc::Receiver<Result<(), String>>) {
    let (send, results) = std::sync::mpsc::channel();
    let send = std::sync::Mutex::new(send);
    let server = Server::start(move |mut stream, _| {
        let mut writing = stream.try_clone().expect("a second handle");
        let sender = std::thread::spawn(move || send_all(&mut writing, 2, 8192));
        let mut result = receive_all(&mut stream, 1);
        if sender.join().is_err() {
            result = Err("the server's sender failed".into());
        }
        let send = send.lock().expect("no panic inside");
        send.send(result).expect("the test waits for it");
    });
    (server, results)
}

#[derive(Debug, Clone)]
enum Change {
    Add(usize, ToxicKind, Stream, f64),
    Alter(usize, ToxicKind),
    Remove(usize),
    Reset,
    Hold(Stream),
    Release(Stream, Release),
}

/// Toxics that lose nothing.
fn gentle() -> impl Strategy<Value = ToxicKind> {
    prop_oneof![
        (0i64..30, 0i64..40)
            .prop_map(|(latency_ms, jitter_ms)| ToxicKind::Latency { latency_ms, jitter_ms }),
        prop_oneof![Just(0i64), 5_000i64..100_000]
            .prop_map(|rate_kb_s| ToxicKind::Bandwidth { rate_kb_s }),
        (0i64..50).prop_map(|delay_ms| ToxicKind::SlowClose { delay_ms }),
        (500i64..5_000, 0i64..400, 0i64..50).prop_map(
            |(average_size, size_variation, delay_us)| {
                ToxicKind::Slicer { average_size, size_variation, delay_us }
            }
        ),
        Just(ToxicKind::ResetPeer { timeout_ms: 3_600_000 }),
        Just(ToxicKind::LimitData { bytes: i64::MAX }),
        Just(ToxicKind::Noop),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    let stream = || prop_oneof![Just(Stream::Upstream), Just(Stream::Downstream)];
    let release = prop_oneof![Just(Release::All), (0u64..300_000).prop_map(Release::Bytes)];
    prop_oneof![
        1 => stream().prop_map(Change::Hold),
        2 => (stream(), release).prop_map(|(stream, release)| Change::Release(stream, release)),
        5 => (0usize..4, gentle(), stream(), 0.3f64..1.2)
            .prop_map(|(name, kind, stream, toxicity)| Change::Add(name, kind, stream, toxicity)),
        2 => (0usize..4, gentle()).prop_map(|(name, kind)| Change::Alter(name, kind)),
        3 => (0usize..4).prop_map(Change::Remove),
        1 => Just(Change::Reset),
    ]
}

/// A change that finds its toxic absent, its name taken or nothing held does
/// nothing.
fn apply(server: &FaultProxy, change: &Change) {
    let name = |n: &usize| format!("t{n}");
    match change {
        Change::Add(n, kind, stream, toxicity) => {
            let toxic = NewToxic::new(*kind, *stream).named(name(n));
            let _ = server.add_toxic("p", toxic.with_toxicity(*toxicity));
        }
        Change::Alter(n, kind) => {
            let _ = server.set_toxic("p", &name(n), *kind);
        }
        Change::Remove(n) => {
            let _ = server.remove_toxic("p", &name(n));
        }
        Change::Reset => server.reset().expect("the proxy is enabled"),
        Change::Hold(stream) => server.hold("p", *stream, None).expect("it exists"),
        Change::Release(stream, release) => {
            let _ = server.release("p", *stream, None, *release);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 50, ..ProptestConfig::default() })]

    #[test]
    fn changes_of_toxics_lose_and_reorder_nothing(
        changes in proptest::collection::vec((change(), 0u64..12), 1..40),
        writes in prop_oneof![Just(997usize), Just(65_536), Just(LENGTH)],
    ) {
        let server = start();
        let (upstream, results) = checking_server();
        let addr = proxy_to(&server, upstream.addr);
        let client = std::thread::spawn(move || transfer(addr, writes));
        for (change, pause_ms) in &changes {
            apply(&server, change);
            // Spreads the changes over the transfer; no condition to wait for.
            let (_never, wait) = std::sync::mpsc::channel::<()>();
            let _ = wait.recv_timeout(Duration::from_millis(*pause_ms));
        }
        for stream in Stream::BOTH {
            apply(&server, &Change::Release(stream, Release::All));
        }
        server.reset().expect("the proxy is enabled");
        prop_assert_eq!(client.join().expect("the client's thread"), Ok(()));
        let at_server = results.recv_timeout(crate::testbed::PATIENCE).expect("the server ends too");
        prop_assert_eq!(at_server, Ok(()));
    }
}
