//! Toxics do to connections what those of Toxiproxy 2.12.0 do, as measured.

use crate::testbed::{Client, Got, Seen, Server, add, data, latency, proxy_to, start};
use quarrel_faultproxy::{Enabled, Stream, ToxicKind};
use std::time::{Duration, Instant};

const MOMENT: Duration = Duration::from_millis(300);

#[test]
fn disabling_closes_connections_and_refuses_new_ones() {
    let (server, echo) = (start(), Server::echo());
    let addr = proxy_to(&server, echo.addr);
    let mut client = Client::connect(addr);
    client.echo(b"a");
    server.set_enabled("p", Enabled::No).expect("it exists");
    assert_eq!(client.get(), Got::Fin);
    echo.wait_for(&Seen::Fin);
    let refused = std::net::TcpStream::connect(addr).expect_err("nobody listens");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    server.set_enabled("p", Enabled::Yes).expect("its port is still free");
    Client::connect(addr).echo(b"b");
}

#[test]
fn a_black_hole_swallows_data_and_closes_when_removed() {
    let (server, echo) = (start(), Server::echo());
    let mut client = Client::connect(proxy_to(&server, echo.addr));
    client.echo(b"a");
    add(&server, ToxicKind::Timeout { timeout_ms: 0 }, Stream::Downstream);
    client.send(b"LOST");
    echo.wait_for(&Seen::Data(b"LOST".to_vec()));
    assert_eq!(client.get_within(MOMENT), Got::Silence);
    server.remove_toxic("p", "timeout_downstream").expect("it is there");
    assert_eq!(client.get(), Got::Fin);
}

#[test]
fn a_timeout_closes_an_idle_connection_and_leaves_a_busy_one() {
    let (server, echo) = (start(), Server::echo());
    let addr = proxy_to(&server, echo.addr);
    add(&server, ToxicKind::Timeout { timeout_ms: 1500 }, Stream::Downstream);
    let (begin, mut idle) = (Instant::now(), Client::connect(addr));
    assert_eq!(idle.get(), Got::Fin);
    assert!(begin.elapsed() >= Duration::from_millis(1500));
    let mut busy = Client::connect(addr);
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(2500) {
        busy.send(b"x");
        assert_eq!(busy.get_within(Duration::from_millis(50)), Got::Silence);
    }
    assert_eq!(busy.get(), Got::Fin);
}

#[test]
fn an_upstream_black_hole_keeps_requests_from_the_server() {
    for connect_first in [true, false] {
        let (server, echo) = (start(), Server::echo());
        let addr = proxy_to(&server, echo.addr);
        let connect = || {
            let mut client = Client::connect(addr);
            client.send(b"REQ");
            client
        };
        let black_hole = ToxicKind::Timeout { timeout_ms: 0 };
        let mut client = if connect_first {
            let mut client = Client::connect(addr);
            client.echo(b"a");
            add(&server, black_hole, Stream::Upstream);
            client.send(b"REQ");
            client
        } else {
            add(&server, black_hole, Stream::Upstream);
            connect()
        };
        assert_eq!(client.get_within(MOMENT), Got::Silence);
        assert!(!echo.received().ends_with(b"REQ"));
    }
}

#[test]
fn limit_data_closes_after_its_bytes() {
    let (server, source) = (start(), Server::replies(vec![b'y'; 1000]));
    let addr = proxy_to(&server, source.addr);
    add(&server, ToxicKind::LimitData { bytes: 100 }, Stream::Downstream);
    let mut client = Client::connect(addr);
    let (got, end) = client.send(b"g").drain();
    assert_eq!((got.len(), end), (100, Got::Fin));
}

#[test]
fn limit_data_counts_over_changes_of_other_toxics() {
    let (server, echo) = (start(), Server::echo());
    let mut client = Client::connect(proxy_to(&server, echo.addr));
    add(&server, ToxicKind::LimitData { bytes: 10 }, Stream::Downstream);
    client.echo(b"1234");
    add(&server, latency(1), Stream::Downstream);
    client.echo(b"5678");
    let (got, end) = client.send(b"90ab").drain();
    assert_eq!((got.as_slice(), end), (&b"90"[..], Got::Fin));
}

#[test]
fn latency_delays_each_message_and_not_their_sum() {
    let (server, echo) = (start(), Server::echo());
    let mut client = Client::connect(proxy_to(&server, echo.addr));
    add(&server, latency(200), Stream::Downstream);
    // 20 messages sent while the first is under way: were their delays added
    // up, the last would take four seconds.
    let begin = Instant::now();
    for n in 0..20u8 {
        client.send(&[n]);
    }
    let mut got = Vec::new();
    while got.len() < 20 {
        match client.get() {
            Got::Data(part) => got.extend(part),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(got, (0..20).collect::<Vec<u8>>());
    assert!(begin.elapsed() >= Duration::from_millis(200));
    assert!(begin.elapsed() < Duration::from_secs(2));
}

#[test]
fn latency_delivers_the_tail_before_the_end() {
    let (server, source) = (start(), Server::replies(vec![b'y'; 1000]));
    let addr = proxy_to(&server, source.addr);
    add(&server, latency(50), Stream::Downstream);
    let mut client = Client::connect(addr);
    let (got, end) = client.send(b"g").drain();
    assert_eq!((got.len(), end), (1000, Got::Fin));
}

#[test]
fn jitter_larger_than_latency_is_no_negative_delay() {
    let (server, echo) = (start(), Server::echo());
    let mut client = Client::connect(proxy_to(&server, echo.addr));
    let kind = ToxicKind::Latency { latency_ms: 2, jitter_ms: 10 };
    add(&server, kind, Stream::Downstream);
    for n in 0..30 {
        client.echo(&[n]);
    }
}

#[test]
fn bandwidth_spreads_bytes_over_time() {
    let (server, source) = (start(), Server::replies(vec![b'y'; 30_000]));
    let addr = proxy_to(&server, source.addr);
    add(&server, ToxicKind::Bandwidth { rate_kb_s: 50 }, Stream::Downstream);
    let mut client = Client::connect(addr);
    let begin = Instant::now();
    let (got, end) = client.send(b"g").drain();
    assert_eq!((got.len(), end), (30_000, Got::Fin));
    // 30 KB at 50 KB/s are 0.6 s.
    assert!(begin.elapsed() >= Duration::from_millis(600));
    assert!(begin.elapsed() < Duration::from_secs(4));
}

#[test]
fn bandwidth_zero_stalls_without_loss() {
    let (server, echo) = (start(), Server::echo());
    let mut client = Client::connect(proxy_to(&server, echo.addr));
    client.echo(b"a");
    add(&server, ToxicKind::Bandwidth { rate_kb_s: 0 }, Stream::Downstream);
    client.send(b"HELD");
    assert_eq!(client.get_within(MOMENT), Got::Silence);
    server.remove_toxic("p", "bandwidth_downstream").expect("it is there");
    assert_eq!(client.get(), data(b"HELD"));
    client.echo(b"after");
}

#[test]
fn frequent_changes_of_other_toxics_do_not_starve_a_slow_link() {
    let (server, source) = (start(), Server::replies(vec![b'y'; 20_000]));
    let addr = proxy_to(&server, source.addr);
    add(&server, ToxicKind::Bandwidth { rate_kb_s: 50 }, Stream::Downstream);
    let mut client = Client::connect(addr);
    client.send(b"g");
    let begin = Instant::now();
    let mut got = 0;
    // Changes come every few milliseconds, portions of bytes every hundred.
    while got < 20_000 {
        assert!(begin.elapsed() < crate::testbed::PATIENCE, "starved at {got} bytes");
        add(&server, latency(0), Stream::Downstream);
        if let Got::Data(part) = client.get_within(Duration::from_millis(5)) {
            got += part.len();
        }
        server.remove_toxic("p", "latency_downstream").expect("it is there");
    }
    assert!(begin.elapsed() >= Duration::from_millis(390), "{:?}", begin.elapsed());
}

#[test]
fn slow_close_delays_the_end_and_not_the_data() {
    let (server, source) = (start(), Server::replies(b"y".to_vec()));
    let addr = proxy_to(&server, source.addr);
    add(&server, ToxicKind::SlowClose { delay_ms: 400 }, Stream::Downstream);
    let mut client = Client::connect(addr);
    let begin = Instant::now();
    assert_eq!(client.send(b"g").get(), data(b"y"));
    assert_eq!(client.get(), Got::Fin);
    assert!(begin.elapsed() >= Duration::from_millis(400));
}

#[test]
fn a_slicer_cuts_the_stream_into_pieces() {
    let (server, echo) = (start(), Server::echo());
    let mut client = Client::connect(proxy_to(&server, echo.addr));
    let kind = ToxicKind::Slicer { average_size: 10, size_variation: 4, delay_us: 20_000 };
    add(&server, kind, Stream::Upstream);
    client.echo(&[7; 100]);
    let sizes: Vec<usize> = echo
        .seen()
        .iter()
        .filter_map(|seen| match seen {
            Seen::Data(data) => Some(data.len()),
            _ => None,
        })
        .collect();
    // A slow reader may see two pieces at once, never half of one.
    assert!(sizes.len() >= 5, "{sizes:?}");
    assert!(sizes.iter().filter(|size| **size <= 14).count() >= 4, "{sizes:?}");
}

#[test]
fn removing_all_toxics_releases_what_they_delayed() {
    let (server, echo) = (start(), Server::echo());
    let mut client = Client::connect(proxy_to(&server, echo.addr));
    client.echo(b"a");
    add(&server, latency(3_600_000), Stream::Downstream);
    client.send(b"b");
    echo.wait_for(&Seen::Data(b"b".to_vec()));
    assert_eq!(client.get_within(MOMENT), Got::Silence);
    server.reset().expect("everything can be enabled");
    assert_eq!(client.get(), data(b"b"));
}

#[test]
fn a_reset_of_a_new_connection_comes_after_its_first_data() {
    let (server, echo) = (start(), Server::echo());
    let addr = proxy_to(&server, echo.addr);
    add(&server, ToxicKind::ResetPeer { timeout_ms: 300 }, Stream::Downstream);
    let mut client = Client::connect(addr);
    assert_eq!(client.get_within(Duration::from_millis(500)), Got::Silence);
    let begin = Instant::now();
    assert_eq!(client.send(b"b").get(), Got::Rst);
    assert!(begin.elapsed() >= Duration::from_millis(300));
    assert_eq!(echo.received(), b"b");
    echo.wait_for(&Seen::Rst);
}
