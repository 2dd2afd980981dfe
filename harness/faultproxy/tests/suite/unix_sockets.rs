//! Unix sockets on either side of a proxy.

use crate::testbed::{Seen, Server, call, eventually, native, start};
use quarrel_faultproxy::{
    Enabled, MessageLog, NewProxy, NewRule, NewToxic, Protocol, RuleAction, Stream, ToxicKind,
};
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

fn address(path: &Path) -> String {
    format!("unix:{}", path.display())
}

fn connect(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).expect("the proxy listens");
    stream.set_read_timeout(Some(crate::testbed::PATIENCE)).expect("not zero");
    stream
}

fn ask(stream: &mut UnixStream, bytes: &[u8], answer: &[u8]) {
    stream.write_all(bytes).expect("open");
    let mut got = vec![0; answer.len()];
    stream.read_exact(&mut got).expect("it answers");
    assert_eq!(got, answer);
}

#[test]
fn redis_is_followed_over_unix_sockets_on_both_sides() {
    let (server, node) = (start(), native::redis());
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (listen, upstream) = (dir.path().join("listen"), dir.path().join("upstream"));
    // Redis listens on TCP here; a first proxy gives it a socket.
    server
        .create_proxy(NewProxy::new("inner", address(&upstream), node.addr.to_string()))
        .expect("a free path");
    let view = server
        .create_proxy(NewProxy::new("p", address(&listen), address(&upstream)))
        .expect("a free path");
    assert_eq!(view.listen, address(&listen));
    server.set_protocol("p", Some(Protocol::Redis), MessageLog::Off).expect("it exists");
    server
        .add_rule("p", NewRule::new(RuleAction::DropReply).on("INCR").ordinal(2))
        .expect("followed");
    let mut client = connect(&listen);
    ask(&mut client, b"INCR n\r\n", b":1\r\n");
    ask(&mut client, b"INCR n\r\nGET n\r\n", b"$1\r\n2\r\n");
    let connections = server.connections("p").expect("it exists");
    assert_eq!(connections[0].client, "unix");
    // A half-close goes through, and the farewell comes back.
    client.shutdown(std::net::Shutdown::Write).expect("open");
    assert_eq!(client.read(&mut [0]).expect("in order"), 0);
}

#[test]
fn toxics_work_on_them_and_disabling_frees_the_path() {
    let (server, echo) = (start(), Server::echo());
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("s");
    server
        .create_proxy(NewProxy::new("p", address(&path), echo.addr.to_string()))
        .expect("a free path");
    let slow = ToxicKind::Latency { latency_ms: 60, jitter_ms: 0 };
    server.add_toxic("p", NewToxic::new(slow, Stream::Downstream)).expect("sound");
    let mut client = connect(&path);
    let begin = std::time::Instant::now();
    ask(&mut client, b"abc", b"abc");
    assert!(begin.elapsed() >= Duration::from_millis(60));
    server.set_enabled("p", Enabled::No).expect("it exists");
    assert_eq!(client.read(&mut [0]).expect("in order"), 0);
    echo.wait_for(&Seen::Fin);
    assert!(!path.exists());
    server.set_enabled("p", Enabled::Yes).expect("its path is free");
    ask(&mut connect(&path), b"abc", b"abc");
    drop(server);
    eventually("nothing is left behind", || !path.exists());
}

#[test]
fn paths_that_cannot_be_had_are_refused_with_a_reason() {
    let server = start();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let taken = dir.path().join("taken");
    let _listener = UnixListener::bind(&taken).expect("a free path");
    let precious = dir.path().join("precious");
    std::fs::write(&precious, "data").expect("a free path");
    let long = format!("unix:/{}", "x".repeat(200));
    for (listen, upstream, status, reason) in [
        (address(&taken), "x:1", 500, "bind: address already in use"),
        (address(&precious), "x:1", 500, "bind: address already in use"),
        ("unix:relative".into(), "x:1", 500, "must be absolute"),
        (address(&dir.path().join("no/such")), "x:1", 500, "listen unix /"),
        (long, "x:1", 500, "bind: "),
        ("127.0.0.1:0".into(), "unix:relative", 400, "must be absolute"),
        ("unix:/nowhere/s".into(), "unix:", 400, "must be absolute"),
    ] {
        let body = serde_json::json!({"name": "q", "listen": listen, "upstream": upstream});
        let answer = call(server.api_addr(), "POST", "/proxies", &body.to_string());
        assert_eq!(answer.status, status, "{listen} {upstream}: {answer:?}");
        assert!(answer.body.contains(reason), "{listen} {upstream}: {answer:?}");
    }
    assert!(server.proxies().is_empty());
    assert_eq!(std::fs::read(&precious).expect("still there"), b"data");
    // One that does not exist is found out when it is dialled, as with TCP.
    let gone = address(&dir.path().join("gone"));
    let view = server.create_proxy(NewProxy::new("p", "", gone)).expect("a free port");
    let mut client = crate::testbed::Client::connect(view.listen.parse().expect("bound"));
    assert_eq!(client.get(), crate::testbed::Got::Fin);
    let itself = address(&dir.path().join("self"));
    let body = serde_json::json!({"name": "self", "listen": itself, "upstream": itself});
    let answer = call(server.api_addr(), "POST", "/proxies", &body.to_string());
    assert!(answer.body.contains("is the proxy itself"), "{answer:?}");
}
