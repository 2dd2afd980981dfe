//! Passwords stand in nothing that the fault proxy tells.

use crate::testbed::{Client, call, eventually, native, packed, proxy_to, start};
use quarrel_faultproxy::{Attend, FaultProxy, MessageLog, NewRule, Protocol, RuleAction};
use std::time::Duration;

/// All that is told of a proxy, as text.
fn told(server: &FaultProxy) -> String {
    let api = server.api_addr();
    let paths = ["/x/events?limit=100000", "/x/proxies/p/held", "/x/proxies/p/rules", "/proxies"];
    paths.map(|path| call(api, "GET", path, "").body).concat()
}

#[test]
fn passwords_of_redis_are_told_nowhere() {
    let (server, node) = (start(), native::redis());
    let addr = proxy_to(&server, node.addr);
    server.set_protocol("p", Some(Protocol::Redis), MessageLog::On).expect("it exists");
    server.add_rule("p", NewRule::new(RuleAction::DelayRequest { delay_ms: 1 })).expect("followed");
    let attention = server.attend("p", Attend::watching()).expect("followed");
    let mut client = Client::connect(addr);
    let commands: &[&[&str]] = &[
        &["CONFIG", "SET", "requirepass", "sesame"],
        &["AUTH", "sesame"],
        &["auth", "default", "sesame"],
        &["HELLO", "3", "AUTH", "default", "sesame", "SETNAME", "x"],
        &["ACL", "SETUSER", "ann", "on", ">sesame"],
        &["MIGRATE", "127.0.0.1", "1", "", "0", "9", "AUTH2", "ann", "sesame", "KEYS", "k"],
        &["CONFIG", "SET", "requirepass", ""],
    ];
    for command in commands {
        client.send(&packed(command));
        client.get();
    }
    client.send(b"AUTH sesame\r\n");
    client.get();
    eventually("all of it is told", || told(&server).matches("\"event\":\"reply\"").count() == 8);
    assert!(!told(&server).contains("sesame"), "{}", told(&server));
    assert!(told(&server).contains("HELLO 3 AUTH default (hidden) SETNAME x"));
    let mut notices = String::new();
    while let Some(notice) = attention.next_within(Duration::from_millis(100)) {
        notices += &format!("{notice:?}");
    }
    assert!(notices.contains("ACL SETUSER ann (hidden)"), "{notices}");
    assert!(!notices.contains("sesame"), "{notices}");
}

#[test]
fn passwords_of_postgres_are_told_nowhere() {
    let (server, node) = (start(), native::postgres());
    let addr = proxy_to(&server, node.addr);
    server.set_protocol("p", Some(Protocol::Postgres), MessageLog::On).expect("it exists");
    server.add_rule("p", NewRule::new(RuleAction::DelayReply { delay_ms: 1 })).expect("followed");
    let attention = server.attend("p", Attend::watching()).expect("followed");
    let statements = [
        "CREATE ROLE ann PASSWORD 'sesame'",
        "create user bob encrypted password 'sesame'",
        "ALTER ROLE ann WITH PASSWORD 'sesame' VALID UNTIL 'infinity'",
        "SELECT 1; ALTER USER bob PASSWORD 'sesame'; SELECT 2",
        "DO $$ BEGIN ALTER ROLE ann PASSWORD 'sesame'; END $$",
        "CREATE SUBSCRIPTION s CONNECTION 'postgresql://ann:sesame@127.0.0.1:1/x' \
         PUBLICATION p WITH (connect = false)",
    ];
    native::sql(addr, &statements);
    let done = || told(&server).matches("\"event\":\"reply\"").count() > statements.len();
    eventually("all of it is told", done);
    assert!(!told(&server).contains("sesame"), "{}", told(&server));
    assert!(told(&server).contains("ALTER ROLE ann WITH PASSWORD (hidden)"), "{}", told(&server));
    let mut notices = String::new();
    while let Some(notice) = attention.next_within(Duration::from_millis(100)) {
        notices += &format!("{notice:?}");
    }
    assert!(notices.contains("create user bob encrypted password (hidden)"), "{notices}");
    assert!(!notices.contains("sesame"), "{notices}");
}
