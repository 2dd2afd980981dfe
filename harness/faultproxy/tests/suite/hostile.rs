//! Hostile input: a clear error or bounded memory, never a crash or a hang.

use crate::testbed::{
    Client, Got, PATIENCE, Server, add, call, eventually, from_server, latency, proxy_to, start,
};
use quarrel_faultproxy::{Framing, MessageLog, NewRule, Protocol, RuleAction, Stream, ToxicKind};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

#[test]
fn bodies_that_are_no_requests_are_refused_with_a_reason() {
    let server = start();
    proxy_to(&server, "127.0.0.1:9".parse().expect("valid"));
    let deep = "[".repeat(100_000);
    let long = format!(r#"{{"name":"{}","upstream":"x:1"}}"#, "n".repeat(5 << 20));
    for (path, body) in [
        ("/proxies", ""),
        ("/proxies", "{"),
        ("/proxies", "[]"),
        ("/proxies", "\"\u{fffd}\""),
        ("/proxies", deep.as_str()),
        ("/proxies", long.as_str()),
        ("/proxies", r#"{"name":"a","upstream":"x:1","enabled":"yes"}"#),
        ("/populate", "7"),
        ("/populate", r#"[[]]"#),
        ("/proxies/p", r#"{"enabled":1}"#),
        ("/proxies/p/toxics", r#"{"type":"latency","toxicity":"all"}"#),
        ("/proxies/p/toxics", r#"{"type":"latency","attributes":[]}"#),
        ("/proxies/p/toxics", r#"{"type":"latency","toxicity":1e999}"#),
    ] {
        let answer = call(server.api_addr(), "POST", path, body);
        let shown = &body[..body.len().min(60)];
        assert_eq!(answer.status, 400, "{path} {shown}: {answer:?}");
        let reason = answer.json()["error"].as_str().expect("a reason").to_owned();
        assert!(reason.starts_with("bad request body: "), "{shown}: {reason}");
    }
    assert_eq!(server.proxies().len(), 1);
}

#[test]
fn what_is_no_http_does_not_hurt_the_api() {
    let server = start();
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01"[..],
        b"\0\0\0\0\0\0\0\0\0\0\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /proxies HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST /proxies HTTP/1.1\r\nContent-Length: 1000\r\n\r\n{",
    ] {
        let mut stream = TcpStream::connect(server.api_addr()).expect("the API listens");
        stream.write_all(garbage).expect("it takes bytes");
        drop(stream);
    }
    assert_eq!(call(server.api_addr(), "GET", "/version", "").status, 200);
}

#[test]
fn names_are_free_text() {
    let server = start();
    for name in ["a b", "ü", "a/b", "%41", "\"\\", "x?y#z"] {
        let body = serde_json::json!({"name": name, "upstream": "127.0.0.1:9"}).to_string();
        assert_eq!(call(server.api_addr(), "POST", "/proxies", &body).status, 201);
        let encoded: String = name.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let path = format!("/proxies/{encoded}");
        let shown = call(server.api_addr(), "GET", &path, "").json();
        assert_eq!(shown["name"], name);
        assert_eq!(call(server.api_addr(), "DELETE", &path, "").status, 204);
    }
}

#[test]
fn a_listen_address_that_cannot_be_had_is_an_error() {
    let server = start();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = taken.local_addr().expect("bound").to_string();
    for (listen, reason) in [
        (taken.as_str(), "listen tcp"),
        ("no-such-host.invalid:80", "lookup no-such-host.invalid"),
        ("192.0.2.1:80", "listen tcp 192.0.2.1:80: bind: "),
        ("127.0.0.1:65536", "invalid port"),
        ("[::1", "missing"),
    ] {
        let body = serde_json::json!({"name": "q", "listen": listen, "upstream": "x:1"});
        let answer = call(server.api_addr(), "POST", "/proxies", &body.to_string());
        assert_eq!(answer.status, 500, "{listen}: {answer:?}");
        assert!(answer.body.contains(reason), "{listen}: {answer:?}");
    }
    assert!(server.proxies().is_empty());
}

#[test]
fn a_client_that_never_reads_fills_no_more_than_its_share() {
    // What is only under way makes nobody wait as soon.
    for (toxic, share) in
        [(ToxicKind::Bandwidth { rate_kb_s: 1 }, 4 << 20), (latency(3_600_000), 64 << 20)]
    {
        let server = start();
        let flood = Server::start(|mut stream, _| {
            let mut first = [0];
            let _ = stream.read(&mut first);
            while stream.write_all(&[7; 65536]).is_ok() {}
        });
        let mut client = Client::connect(proxy_to(&server, flood.addr));
        add(&server, toxic, Stream::Downstream);
        client.send(b"g");
        let mut before = 0;
        let mut last_change = std::time::Instant::now();
        eventually("the flood stands", || {
            let now = from_server(&server);
            // The bandwidth lets a little through.
            if now > before + 8_000 || before == 0 {
                before = now;
                last_change = std::time::Instant::now();
            }
            before > 0 && last_change.elapsed() > std::time::Duration::from_millis(500)
        });
        // And the last read on top.
        assert!(before <= share + (64 << 10), "{before} bytes are queued");
        assert_eq!(call(server.api_addr(), "GET", "/proxies", "").status, 200);
    }
}

/// A proxy that was told the wrong protocol forwards whatever comes.
#[test]
fn bytes_of_another_protocol_pass_unharmed() {
    for protocol in [Protocol::Redis, Protocol::Postgres] {
        for opening in [
            &b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03"[..],
            b"GET / HTTP/1.1\r\n\r\n",
            b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff",
            b"$99999999999999999999\r\n",
            b"*1000000000\r\n$-5\r\n",
            b"*2\r\n*2\r\n*2\r\n*2\r\n",
        ] {
            let (server, echo) = (start(), Server::echo());
            let addr = proxy_to(&server, echo.addr);
            let logs = MessageLog::On;
            server.set_protocol("p", Some(protocol), logs).expect("it exists");
            let rule = NewRule::new(RuleAction::DropRequest).on("NEVER SENT");
            server.add_rule("p", rule).expect("the proxy is followed");
            let mut client = Client::connect(addr);
            // Whatever waits for more passes at the end.
            client.send(opening);
            client.send(&vec![0xfe; 300_000]);
            client.0.shutdown(std::net::Shutdown::Write).expect("open");
            let (got, _) = client.drain();
            assert_eq!(got.len(), opening.len() + 300_000, "{protocol:?} {opening:?}");
            assert!(got.starts_with(opening) && got.ends_with(&[0xfe; 300_000]));
        }
    }
}

#[test]
fn rules_for_an_encrypted_connection_are_refused() {
    let (server, echo) = (start(), Server::echo());
    let addr = proxy_to(&server, echo.addr);
    server.set_protocol("p", Some(Protocol::Redis), MessageLog::Off).expect("it exists");
    let mut client = Client::connect(addr);
    client.echo(b"\x16\x03\x01\x00\xa5 a TLS hello");
    let lost = Framing::Lost("the client speaks TLS");
    eventually("its framing is lost", || {
        server.connections("p").expect("it exists")[0].framing == lost
    });
    let rule = NewRule { connection: Some(1), ..NewRule::new(RuleAction::HoldReply) };
    let refused = server.add_rule("p", rule).expect_err("refused").to_string();
    let reason = "connection 1 of proxy p takes no rules: the client speaks TLS";
    assert_eq!(refused, reason);
    client.echo(b"still forwarded");
}

#[test]
fn a_rule_that_drops_everything_leaves_a_connection_that_can_be_closed() {
    let (server, echo) = (start(), Server::echo());
    let addr = proxy_to(&server, echo.addr);
    server.set_protocol("p", Some(Protocol::Redis), MessageLog::Off).expect("it exists");
    server.add_rule("p", NewRule::new(RuleAction::DropRequest)).expect("the proxy is followed");
    let mut client = Client::connect(addr);
    for _ in 0..100 {
        client.send(&b"PING\r\n".repeat(1000));
    }
    client.0.shutdown(std::net::Shutdown::Write).expect("open");
    client.0.set_read_timeout(Some(PATIENCE)).expect("not zero");
    assert_eq!(client.get(), Got::Fin);
    assert_eq!(echo.received(), b"");
}

#[test]
fn a_proxy_to_itself_is_refused() {
    let server = start();
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = free.local_addr().expect("bound").to_string();
    drop(free);
    let body = serde_json::json!({"name": "loop", "listen": addr, "upstream": addr}).to_string();
    let answer = call(server.api_addr(), "POST", "/proxies", &body);
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("is the proxy itself"), "{answer:?}");
    TcpListener::bind(&addr).expect("its port is free again");
}
