//! Toxics that Toxiproxy's users have asked for.

use crate::testbed::{
    Client, Got, Seen, Server, add, call, eventually, from_server, latency, proxy_to, start,
};
use quarrel_faultproxy::{Config, FaultProxy, NewToxic, Seed, Stream, ToxicKind};
use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher;
use std::time::{Duration, Instant};

const fn slow_open(delay_ms: i64) -> ToxicKind {
    ToxicKind::SlowOpen { delay_ms, jitter_ms: 0 }
}

#[test]
fn a_slow_open_delays_the_connection_and_nothing_after_it() {
    for stream in Stream::BOTH {
        let (server, echo) = (start(), Server::echo());
        let addr = proxy_to(&server, echo.addr);
        add(&server, slow_open(300), stream);
        let begin = Instant::now();
        let mut client = Client::connect(addr);
        // What is sent meanwhile waits, and arrives.
        client.echo(b"a");
        assert!(begin.elapsed() >= Duration::from_millis(300), "{stream:?}");
        let fastest = (0..10).map(|_| client.echo(b"b")).min().expect("ten");
        assert!(fastest < Duration::from_millis(200), "{fastest:?}");
    }
}

#[test]
fn a_connection_that_waits_to_be_opened_follows_every_change() {
    let (server, echo) = (start(), Server::echo());
    let addr = proxy_to(&server, echo.addr);
    add(&server, slow_open(3_600_000), Stream::Upstream);
    let mut client = Client::connect(addr);
    client.send(b"a");
    assert_eq!(client.get_within(Duration::from_millis(200)), Got::Silence);
    assert_eq!(echo.seen(), []);
    server.remove_toxic("p", "slow_open_upstream").expect("it is there");
    assert_eq!(client.get(), crate::testbed::data(b"a"));
    // One that waits can be closed, and disabling does not wait for it.
    add(&server, slow_open(3_600_000), Stream::Downstream);
    let mut waiting = Client::connect(addr);
    eventually("it is accepted", || server.connections("p").expect("it exists").len() == 2);
    server.close_connection("p", 2, quarrel_faultproxy::Close::Fin).expect("it waits");
    assert_eq!(waiting.get(), Got::Fin);
}

#[test]
fn jitter_of_a_slow_open_is_drawn_for_each_connection() {
    let server = FaultProxy::start(&Config::embedded(Seed(3))).expect("it starts");
    let echo = Server::echo();
    let addr = proxy_to(&server, echo.addr);
    add(&server, ToxicKind::SlowOpen { delay_ms: 150, jitter_ms: 150 }, Stream::Upstream);
    let open = || {
        let begin = Instant::now();
        Client::connect(addr).echo(b"a");
        begin.elapsed()
    };
    let times: Vec<Duration> = (0..8).map(|_| open()).collect();
    let (least, most) = (times.iter().min().expect("8"), times.iter().max().expect("8"));
    assert!(*most > *least + Duration::from_millis(40), "{times:?}");
}

fn checksum(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

/// What arrives of `sent` through a proxy with this seed and these toxics.
fn through(seed: u64, sent: &[u8], kinds: &[ToxicKind]) -> Vec<u8> {
    let server = FaultProxy::start(&Config::embedded(Seed(seed))).expect("it starts");
    let source = Server::replies(sent.to_vec());
    let addr = proxy_to(&server, source.addr);
    for kind in kinds {
        add(&server, *kind, Stream::Downstream);
    }
    let (got, end) = Client::connect(addr).send(b"g").drain();
    assert_eq!(end, Got::Fin);
    assert_eq!(source.received(), b"g", "the other direction is left alone");
    got
}

#[test]
fn a_checksum_finds_corrupted_bytes() {
    let sent: Vec<u8> = (0..100_000_u32).map(|n| (n % 251) as u8).collect();
    let corrupt = ToxicKind::Corrupt { one_in: 1000 };
    let got = through(5, &sent, &[corrupt]);
    assert_eq!(got.len(), sent.len());
    assert_ne!(checksum(&got), checksum(&sent));
    // One bit of one byte in each thousand, spread over them.
    let changed: Vec<usize> = (0..sent.len()).filter(|at| got[*at] != sent[*at]).collect();
    let blocks: Vec<usize> = changed.iter().map(|at| at / 1000).collect();
    assert_eq!(blocks, (0..100).collect::<Vec<_>>());
    assert!(changed.iter().all(|at| (got[*at] ^ sent[*at]).count_ones() == 1));
    let places: std::collections::BTreeSet<_> = changed.iter().map(|at| at % 1000).collect();
    assert!(places.len() > 80, "{places:?}");
    // However the bytes are cut and delayed, the seed decides what is hit.
    let slicer = ToxicKind::Slicer { average_size: 700, size_variation: 600, delay_us: 1 };
    assert_eq!(through(5, &sent, &[corrupt, latency(5), slicer]), got);
    assert_ne!(through(6, &sent, &[corrupt]), got);
    assert_eq!(checksum(&through(5, &sent, &[])), checksum(&sent));
}

#[test]
fn corruption_goes_on_where_it_was_when_other_toxics_change() {
    let (server, echo) = (start(), Server::echo());
    let mut client = Client::connect(proxy_to(&server, echo.addr));
    add(&server, ToxicKind::Corrupt { one_in: 10 }, Stream::Upstream);
    let mut arrived = 0;
    for round in 0..6 {
        client.send(&[0; 7]);
        arrived += 7;
        eventually("it is there", || echo.received().len() == arrived);
        match round % 2 {
            0 => add(&server, latency(1), Stream::Upstream),
            _ => server.remove_toxic("p", "latency_upstream").expect("it is there"),
        }
    }
    let got = echo.received();
    let hit = |block: &[u8]| block.iter().filter(|byte| **byte != 0).count();
    assert_eq!(got.chunks(10).take(4).map(hit).collect::<Vec<_>>(), [1; 4], "{got:?}");
    assert!(from_server(&server) > 0);
}

#[test]
fn they_are_validated_and_shown_as_the_others_are() {
    let server = start();
    proxy_to(&server, "127.0.0.1:9".parse().expect("valid"));
    let api = server.api_addr();
    let add = |body: &str| call(api, "POST", "/proxies/p/toxics", body);
    for refused in [
        r#"{"type":"corrupt"}"#,
        r#"{"type":"corrupt","attributes":{"one_in":0}}"#,
        r#"{"type":"corrupt","attributes":{"one_in":"ten"}}"#,
        r#"{"type":"slow_open","attributes":{"delay":99999999999999}}"#,
    ] {
        assert_eq!(add(refused).status, 400, "{refused}");
    }
    let made = add(r#"{"type":"slow_open","stream":"upstream","attributes":{"delay":5}}"#);
    let attributes = serde_json::json!({"delay": 5, "jitter": 0});
    assert_eq!(made.json()["attributes"], attributes, "{made:?}");
    assert_eq!(made.json()["name"], "slow_open_upstream");
    let made = add(r#"{"type":"corrupt","attributes":{"one_in":1000}}"#);
    assert_eq!(made.json()["attributes"], serde_json::json!({"one_in": 1000}));
}

#[test]
fn toxicity_decides_which_connections_are_corrupted() {
    let (server, echo) = (start(), Server::echo());
    let addr = proxy_to(&server, echo.addr);
    let half = NewToxic::new(ToxicKind::Corrupt { one_in: 1 }, Stream::Upstream);
    server.add_toxic("p", half.with_toxicity(0.5)).expect("it is sound");
    let begin = Instant::now();
    let mut hit = 0;
    for _ in 0..40 {
        let mut client = Client::connect(addr);
        client.send(&[0]);
        let Got::Data(back) = client.get() else { panic!("it is echoed") };
        hit += usize::from(back != [0]);
    }
    assert!((5..36).contains(&hit), "{hit} of 40 in {:?}", begin.elapsed());
    assert!(echo.seen().contains(&Seen::Data(vec![0])));
}
