//! Rules strike the message they are meant for, whatever came before it.

use crate::testbed::{Client, Got, data, eventually, native, proxy_to, start};
use quarrel_faultproxy::{
    FaultProxy, Framing, MessageLog, NewRule, Protocol, ProxyEventKind, RuleAction,
};
use std::net::SocketAddr;
use std::time::Duration;

const MOMENT: Duration = Duration::from_millis(300);

fn followed(node: &native::Node, protocol: Protocol) -> (FaultProxy, SocketAddr) {
    let server = start();
    let addr = proxy_to(&server, node.addr);
    server.set_protocol("p", Some(protocol), MessageLog::On).expect("the proxy exists");
    (server, addr)
}

fn rule(server: &FaultProxy, rule: NewRule) {
    server.add_rule("p", rule).expect("the proxy is followed");
}

/// Reads until what came ends so.
fn until(client: &mut Client, end: &[u8]) -> Vec<u8> {
    let mut got = Vec::new();
    while !got.ends_with(end) {
        match client.get() {
            Got::Data(part) => got.extend(part),
            other => panic!("{other:?} after {}", String::from_utf8_lossy(&got)),
        }
    }
    got
}

fn is_followed(server: &FaultProxy) -> bool {
    server.connections("p").expect("it exists")[0].framing == Framing::Followed
}

#[test]
fn subscriptions_are_followed_in_both_versions() {
    for hello in ["HELLO 2\r\n", "HELLO 3\r\n"] {
        let node = native::redis();
        let (server, addr) = followed(&node, Protocol::Redis);
        let (mut client, mut around) = (Client::connect(addr), Client::connect(node.addr));
        client.send(hello.as_bytes());
        until(&mut client, b"modules\r\n*0\r\n");
        // What unsubscribes from nothing is answered all the same.
        client.send(b"UNSUBSCRIBE\r\n");
        until(&mut client, b":0\r\n");
        client.send(b"SUBSCRIBE a b\r\nPSUBSCRIBE c*\r\n");
        until(&mut client, b"$2\r\nc*\r\n:3\r\n");
        around.send(b"PUBLISH a hello\r\n");
        until(&mut client, b"$1\r\na\r\n$5\r\nhello\r\n");
        client.send(b"UNSUBSCRIBE\r\nPUNSUBSCRIBE\r\n");
        until(&mut client, b"$2\r\nc*\r\n:0\r\n");
        assert!(is_followed(&server));
        rule(&server, NewRule::new(RuleAction::DropReply).on("SET"));
        client.send(b"SET k 1\r\nGET k\r\n");
        assert_eq!(client.get(), data(b"$1\r\n1\r\n"));
        assert_eq!(server.rules("p").expect("it exists")[0].fired, 1);
    }
}

/// A message of Postgres with a type.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len() + 4).expect("short");
    [&[kind][..], &len.to_be_bytes(), body].concat()
}

fn query(sql: &str) -> Vec<u8> {
    message(b'Q', format!("{sql}\0").as_bytes())
}

fn parse(name: &str, sql: &str) -> Vec<u8> {
    message(b'P', format!("{name}\0{sql}\0\0\0").as_bytes())
}

fn bind(name: &str) -> Vec<u8> {
    message(b'B', format!("\0{name}\0\0\0\0\0\0\0").as_bytes())
}

fn execute() -> Vec<u8> {
    message(b'E', b"\0\0\0\0\0")
}

fn sync() -> Vec<u8> {
    message(b'S', b"")
}

fn flush() -> Vec<u8> {
    message(b'H', b"")
}

const IDLE: &[u8] = b"Z\0\0\0\x05I";

fn postgres() -> (native::Node, FaultProxy, Client) {
    let node = native::postgres();
    native::sql(node.addr, &["CREATE TABLE t (id int)"]);
    let (server, addr) = followed(&node, Protocol::Postgres);
    let mut client = Client::connect(addr);
    let body = b"\0\x03\0\0user\0postgres\0database\0postgres\0\0";
    let len = u32::try_from(body.len() + 4).expect("short");
    client.send(&[&len.to_be_bytes()[..], body].concat());
    until(&mut client, IDLE);
    (node, server, client)
}

fn fired(server: &FaultProxy) -> Vec<u64> {
    server.rules("p").expect("it exists").iter().map(|rule| rule.fired).collect()
}

#[test]
fn a_refused_statement_keeps_the_name_of_the_one_before() {
    let (_node, server, mut client) = postgres();
    client.send(&[parse("s", "SELECT 1"), sync()].concat());
    until(&mut client, IDLE);
    // The name is taken: the server refuses.
    client.send(&[parse("s", "INSERT INTO t VALUES (1)"), sync()].concat());
    until(&mut client, IDLE);
    rule(&server, NewRule::new(RuleAction::DropReply).on("INSERT"));
    rule(&server, NewRule::new(RuleAction::DelayReply { delay_ms: 1 }).on("SELECT"));
    client.send(&[bind("s"), execute(), sync()].concat());
    until(&mut client, IDLE);
    assert_eq!(fired(&server), [0, 1]);
}

#[test]
fn replies_stay_paired_behind_flushes_errors_and_dropped_requests() {
    let (_node, server, mut client) = postgres();
    rule(&server, NewRule::new(RuleAction::DropRequest).on("DELETE"));
    client.send(&[query("DELETE FROM t"), parse("a", "SELECT 1"), flush()].concat());
    until(&mut client, b"1\0\0\0\x04");
    client.send(&[bind("a"), execute(), flush()].concat());
    until(&mut client, b"C\0\0\0\x0dSELECT 1\0");
    // All of this is skipped after the first error, up to the Sync.
    let failing = [parse("", "SELECT nothing FROM nowhere"), flush(), bind("a"), execute()];
    client.send(&[failing.concat(), sync(), query(";")].concat());
    let got = until(&mut client, &[b"I\0\0\0\x04", IDLE].concat());
    assert!(got.starts_with(b"E"), "{got:?}");
    rule(&server, NewRule::new(RuleAction::DropReply).on("INSERT"));
    client.send(&[query("INSERT INTO t VALUES (1)"), query("SELECT count(*) FROM t")].concat());
    let got = until(&mut client, &[b"SELECT 1\0", IDLE].concat());
    assert!(!got.windows(6).any(|part| part == b"INSERT"), "{}", String::from_utf8_lossy(&got));
    assert!(is_followed(&server));
    let events = server.events(0, usize::MAX).events;
    let unnamed = events.iter().any(
        |event| matches!(&event.happening, ProxyEventKind::Reply { command, .. } if command.is_empty()),
    );
    assert!(!unnamed, "{events:?}");
}

#[test]
fn an_execute_without_sync_or_flush_reaches_the_server() {
    let (node, server, mut client) = postgres();
    rule(&server, NewRule::new(RuleAction::DropRequest).on("TRUNCATE"));
    // A sequence moves even though nothing is committed.
    native::sql(node.addr, &["CREATE SEQUENCE q"]);
    let asked = [parse("", "SELECT nextval('q')"), bind(""), execute()].concat();
    client.send(&asked);
    eventually("it has run", || native::sql(node.addr, &["SELECT is_called FROM q"]) == "t");
    client.send(&sync());
    until(&mut client, IDLE);
    client.send(&query("SELECT 1"));
    until(&mut client, IDLE);
    assert!(is_followed(&server));
}

#[test]
fn dropping_the_reply_of_a_copy_lets_it_run() {
    let (node, server, mut client) = postgres();
    rule(&server, NewRule::new(RuleAction::DropReply).on("COPY").times(1));
    client.send(&query("COPY t FROM STDIN"));
    until(&mut client, b"G\0\0\0\x09\0\0\x01\0\0");
    client.send(&[message(b'd', b"1\n2\n"), message(b'c', b"")].concat());
    eventually("it has run", || native::sql(node.addr, &["SELECT count(*) FROM t"]) == "2");
    assert_eq!(client.get_within(MOMENT), Got::Silence);
    client.send(&query("SELECT 1"));
    let got = until(&mut client, IDLE);
    assert!(!got.windows(4).any(|part| part == b"COPY"), "{got:?}");
}

#[test]
fn all_of_a_request_in_pieces_is_dropped() {
    let (node, server, mut client) = postgres();
    rule(&server, NewRule::new(RuleAction::DropRequest).on("INSERT"));
    let long = format!("INSERT INTO t SELECT length('{}')", "x".repeat(1 << 20));
    client.send(&[query(&long), query("SELECT 1")].concat());
    until(&mut client, &[b"SELECT 1\0", IDLE].concat());
    let parameter = [&b"\0\0\0\0\0\x01\0\x10\0\0"[..], &vec![b'x'; 1 << 20], b"\0\0"].concat();
    let pieces = [
        parse("", "INSERT INTO t SELECT length($1::text)"),
        message(b'B', &parameter),
        execute(),
        sync(),
        query("SELECT 1"),
    ];
    client.send(&pieces.concat());
    until(&mut client, &[b"SELECT 1\0", IDLE].concat());
    assert_eq!(native::sql(node.addr, &["SELECT count(*) FROM t"]), "0");
    assert_eq!(fired(&server), [2]);
}

#[test]
fn a_rule_made_between_bind_and_execute_sees_the_statement() {
    let (node, server, mut client) = postgres();
    client.send(&[parse("", "INSERT INTO t VALUES (1)"), bind(""), flush()].concat());
    until(&mut client, b"2\0\0\0\x04");
    rule(&server, NewRule::new(RuleAction::ResetBefore).on("INSERT"));
    client.send(&[execute(), sync()].concat());
    assert_eq!(client.drain().1, Got::Rst);
    assert_eq!(native::sql(node.addr, &["SELECT count(*) FROM t"]), "0");
}
