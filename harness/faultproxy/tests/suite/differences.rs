//! Where the fault proxy deliberately differs from Toxiproxy 2.12.0.

use crate::testbed::{
    Client, Got, Seen, Server, add, call, data, eventually, latency, proxy_to, start,
};
use quarrel_faultproxy::{
    Config, Enabled, FaultProxy, MessageLog, NewProxy, NewRule, NewToxic, Protocol, RuleAction,
    Seed, Stream, ToxicKind,
};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::time::{Duration, Instant};

/// Far below the 25 s for which Toxiproxy hangs, far above a busy machine.
const AT_ONCE: Duration = Duration::from_secs(5);

#[test]
fn a_half_close_is_forwarded() {
    let server = start();
    let counting = Server::start(|mut stream, _| {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).expect("the client only half-closes");
        write!(stream, "got {}", all.len()).expect("the client still reads");
    });
    let mut client = Client::connect(proxy_to(&server, counting.addr));
    client.send(b"hello").0.shutdown(Shutdown::Write).expect("open");
    // The server's answer may come in two pieces.
    assert_eq!(client.drain(), (b"got 5".to_vec(), Got::Fin));
}

#[test]
fn reset_peer_resets_connections_that_are_open() {
    let (server, echo) = (start(), Server::echo());
    let mut client = Client::connect(proxy_to(&server, echo.addr));
    client.echo(b"a");
    add(&server, ToxicKind::ResetPeer { timeout_ms: 0 }, Stream::Downstream);
    assert_eq!(client.get(), Got::Rst);
    echo.wait_for(&Seen::Rst);
}

#[test]
fn removing_a_pending_reset_does_not_wait_for_it_and_loses_nothing() {
    let (server, echo) = (start(), Server::echo());
    let addr = proxy_to(&server, echo.addr);
    add(&server, ToxicKind::ResetPeer { timeout_ms: 3_600_000 }, Stream::Downstream);
    let mut client = Client::connect(addr);
    client.send(b"b");
    echo.wait_for(&Seen::Data(b"b".to_vec()));
    let begin = Instant::now();
    server.remove_toxic("p", "reset_peer_downstream").expect("it is there");
    assert!(begin.elapsed() < AT_ONCE);
    assert_eq!(client.get(), data(b"b"));
}

/// Which of `count` connections, opened one after another, are hit. A reset
/// tells at once and for certain, where a silence would take time.
fn fates(seed: u64, count: usize) -> Vec<bool> {
    let server = FaultProxy::start(&Config::embedded(Seed(seed))).expect("it starts");
    let addr = proxy_to(&server, Server::echo().addr);
    let reset = ToxicKind::ResetPeer { timeout_ms: 0 };
    let half = NewToxic::new(reset, Stream::Downstream).with_toxicity(0.5);
    server.add_toxic("p", half).expect("it is sound");
    let mut clients: Vec<Client> = (0..count).map(|_| Client::connect(addr)).collect();
    clients.iter_mut().map(|client| client.send(b"x").get() == Got::Rst).collect()
}

#[test]
fn the_seed_decides_which_connections_a_toxic_hits() {
    let first = fates(11, 100);
    assert_eq!(first, fates(11, 100));
    assert_ne!(first, fates(12, 100));
    assert!(first.contains(&true) && first.contains(&false));
}

/// Whether a connection is subject to 60 ms: one faster echo disproves it, and
/// a busy machine does not make ten of ten slow.
fn is_slow(client: &mut Client) -> bool {
    (0..10).all(|_| client.echo(b"x") >= Duration::from_millis(60))
}

#[test]
fn a_draw_stays_when_other_toxics_come_and_go() {
    let (server, echo) = (start(), Server::echo());
    let addr = proxy_to(&server, echo.addr);
    let half = NewToxic::new(latency(60), Stream::Downstream).named("half").with_toxicity(0.5);
    server.add_toxic("p", half).expect("it is sound");
    let mut slow = 0;
    for _ in 0..6 {
        let mut client = Client::connect(addr);
        let was_slow = is_slow(&mut client);
        slow += usize::from(was_slow);
        for _ in 0..3 {
            add(&server, latency(0), Stream::Downstream);
            assert_eq!(is_slow(&mut client), was_slow);
            server.remove_toxic("p", "latency_downstream").expect("it is there");
        }
    }
    assert!((1..6).contains(&slow), "{slow} of 6 were slow");
}

#[test]
fn a_dial_that_hangs_blocks_no_call() {
    // A listener whose backlog is full neither accepts nor refuses.
    let full =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    full.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().expect("valid").into())
        .expect("loopback has a free port");
    full.listen(0).expect("bound");
    let upstream = full.local_addr().expect("bound").as_socket().expect("IPv4");
    let fill: Vec<_> = (0..4)
        .map(|_| {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)
                .expect("a socket");
            socket.set_nonblocking(true).expect("a socket");
            // In progress, which is the point.
            let _ = socket.connect(&upstream.into());
            socket
        })
        .collect();
    let server = start();
    let mut client = Client::connect(proxy_to(&server, upstream));
    crate::testbed::eventually("the connection is accepted", || {
        !server.connections("p").expect("it exists").is_empty()
    });
    let begin = Instant::now();
    let answer = call(server.api_addr(), "POST", "/proxies/p", r#"{"enabled":false}"#);
    assert_eq!(answer.status, 200);
    assert!(begin.elapsed() < AT_ONCE);
    assert_eq!(client.get(), Got::Fin);
    drop(fill);
}

#[test]
fn an_empty_listen_address_is_loopback() {
    let server = start();
    for (name, listen) in [("a", ""), ("b", ":0")] {
        let view = server
            .create_proxy(NewProxy::new(name, listen, "127.0.0.1:9"))
            .expect("loopback has free ports");
        assert!(view.listen.starts_with("127.0.0.1:"), "{}", view.listen);
    }
    assert!(server.api_addr().ip().is_loopback());
}

#[test]
fn removing_a_toxic_does_not_wait_for_a_client_that_does_not_read() {
    let server = start();
    let flood = Server::start(|mut stream, _| {
        let mut first = [0];
        let _ = stream.read(&mut first);
        while stream.write_all(&[7; 65536]).is_ok() {}
    });
    let mut client = Client::connect(proxy_to(&server, flood.addr));
    add(&server, latency(10), Stream::Downstream);
    client.send(b"g");
    // Until nothing moves any more: the client's and our buffers are full.
    let received = || crate::testbed::from_server(&server);
    let (mut before, mut still) = (0, Instant::now());
    crate::testbed::eventually("the flood stands", || {
        if received() != before {
            (before, still) = (received(), Instant::now());
        }
        before > 0 && still.elapsed() > Duration::from_millis(300)
    });
    let begin = Instant::now();
    let api = server.api_addr();
    let answer = call(api, "DELETE", "/proxies/p/toxics/latency_downstream", "");
    assert_eq!(answer.status, 204);
    assert_eq!(call(api, "GET", "/proxies", "").status, 200);
    assert!(begin.elapsed() < AT_ONCE);
}

#[test]
fn hostile_attributes_are_refused_and_change_nothing() {
    let (server, echo) = (start(), Server::echo());
    let mut client = Client::connect(proxy_to(&server, echo.addr));
    for toxic in [
        r#"{"type":"bandwidth","attributes":{"rate":-1}}"#,
        r#"{"type":"slicer"}"#,
        r#"{"type":"slicer","attributes":{"average_size":10,"size_variation":100}}"#,
        r#"{"type":"limit_data","attributes":{"bytes":-1}}"#,
        r#"{"type":"latency","attributes":{"latency":9223372036854775807}}"#,
        r#"{"type":"latency","attributes":{"jitter":9223372036854775807}}"#,
        r#"{"type":"timeout","attributes":{"timeout":9223372036854775807}}"#,
        r#"{"type":"latency","attributes":{"latency":99999999999999999999}}"#,
    ] {
        let answer = call(server.api_addr(), "POST", "/proxies/p/toxics", toxic);
        assert_eq!(answer.status, 400, "{toxic}: {answer:?}");
        client.echo(b"alive");
    }
    assert!(server.proxy("p").expect("it exists").toxics.is_empty());
}

#[test]
fn a_reset_by_the_server_reaches_the_client_after_the_data_before_it() {
    let server = start();
    let resetting = Server::start(|mut stream, _| {
        let mut first = [0];
        stream.read_exact(&mut first).expect("the client asks");
        stream.write_all(b"last words").expect("the client reads");
        // Until the proxy has taken them, or the reset would overtake them.
        stream.read_exact(&mut first).expect("the client asks again");
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a TCP socket");
    });
    let mut client = Client::connect(proxy_to(&server, resetting.addr));
    add(&server, latency(100), Stream::Downstream);
    client.send(b"a");
    crate::testbed::eventually("the proxy has the reply", || {
        crate::testbed::from_server(&server) == 10
    });
    client.send(b"b");
    assert_eq!(client.get(), data(b"last words"));
    assert_eq!(client.get(), Got::Rst);
}

#[test]
fn an_unreachable_upstream_closes_the_client() {
    let server = start();
    let gone = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let upstream = gone.local_addr().expect("bound");
    drop(gone);
    let mut client = Client::connect(proxy_to(&server, upstream));
    assert_eq!(client.get(), Got::Fin);
    let unresolvable = NewProxy::new("q", "", "no-such-host.invalid:1");
    let view = server.create_proxy(unresolvable).expect("dialled only on demand");
    let mut client = Client::connect(view.listen.parse().expect("bound"));
    assert_eq!(client.get(), Got::Fin);
}

#[test]
fn dropping_the_server_frees_its_ports_at_once() {
    let (server, echo) = (start(), Server::echo());
    let addr = proxy_to(&server, echo.addr);
    let mut client = Client::connect(addr);
    client.echo(b"a");
    let api = server.api_addr();
    server.set_enabled("p", Enabled::No).expect("it exists");
    server.set_enabled("p", Enabled::Yes).expect("its port is free");
    drop(server);
    for free in [addr, api] {
        let refused = std::net::TcpStream::connect(free).expect_err("nobody listens");
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    }
}

#[test]
fn it_can_be_started_and_dropped_inside_of_a_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let server = std::sync::Arc::new(start());
        let taken = Config { port: server.api_addr().port(), ..Config::embedded(Seed(1)) };
        let error = FaultProxy::start(&taken).expect_err("the port is taken");
        assert!(error.to_string().contains("choose another port"), "{error}");
        let shared = std::sync::Arc::clone(&server);
        let other = std::thread::spawn(move || shared.proxies().len());
        assert_eq!(other.join().expect("it may be shared by threads"), 0);
    });
}

#[test]
fn a_reset_clears_rules_and_holds_too() {
    let (server, echo) = (start(), Server::echo());
    let addr = proxy_to(&server, echo.addr);
    server.set_protocol("p", Some(Protocol::Redis), MessageLog::Off).expect("it exists");
    server.add_rule("p", NewRule::new(RuleAction::HoldRequest)).expect("followed");
    server.hold("p", Stream::Downstream, None).expect("it exists");
    let mut client = Client::connect(addr);
    client.send(b"PING\r\n");
    eventually("it is held", || !server.held("p").expect("it exists").is_empty());
    server.reset().expect("it is enabled");
    assert_eq!(client.get(), data(b"PING\r\n"));
    assert_eq!(server.rules("p").expect("it exists"), []);
    // Connections to come are not held either.
    Client::connect(addr).echo(b"PING\r\n");
}

#[test]
fn toxics_given_with_a_proxy_are_taken_or_refused() {
    let server = start();
    let api = server.api_addr();
    let proxy = |toxics: &str| {
        format!(r#"{{"name":"p","listen":"","upstream":"127.0.0.1:9","toxics":{toxics}}}"#)
    };
    let slow = r#"[{"type":"latency","attributes":{"latency":5}}]"#;
    let unknown = call(api, "POST", "/proxies", &proxy(r#"[{"type":"nonsense"}]"#));
    assert_eq!(unknown.status, 400, "{unknown:?}");
    assert_eq!(call(api, "GET", "/proxies", "").body, "{}");
    let made = call(api, "POST", "/populate", &format!("[{}]", proxy(slow)));
    assert_eq!(made.json()["proxies"][0]["toxics"][0]["attributes"]["latency"], 5, "{made:?}");
    let listen = made.json()["proxies"][0]["listen"].clone();
    let faster = slow.replace('5', "3");
    let again =
        format!(r#"[{{"name":"p","listen":{listen},"upstream":"127.0.0.1:9","toxics":{faster}}}]"#);
    let again = call(api, "POST", "/populate", &again);
    assert_eq!(again.json()["proxies"][0]["toxics"][0]["attributes"]["latency"], 3, "{again:?}");
    assert!(again.json().get("forgot").is_none(), "{again:?}");
    let moved = format!(r#"[{{"name":"p","listen":{listen},"upstream":"127.0.0.1:10"}}]"#);
    let moved = call(api, "POST", "/populate", &moved);
    assert_eq!(moved.json()["forgot"][0]["toxics"][0], "latency_downstream", "{moved:?}");
}

#[test]
fn the_api_answers_no_web_page() {
    use std::io::{Read, Write};
    let server = start();
    let ask = |headers: &str| {
        let mut stream = std::net::TcpStream::connect(server.api_addr()).expect("it listens");
        let request = format!("GET /proxies HTTP/1.1\r\n{headers}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it takes requests");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("text");
        answer.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    for (headers, status) in [
        ("Host: 127.0.0.1:8474", "200"),
        ("Host: [::1]:8474", "200"),
        ("Host: localhost", "200"),
        ("Host: toxiproxy:8474", "200"),
        ("Host: rebound.example.com:8474", "403"),
        ("Host: localhost\r\nOrigin: http://example.com", "403"),
    ] {
        assert_eq!(ask(headers), status, "{headers}");
    }
}
