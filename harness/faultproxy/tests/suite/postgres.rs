//! Rules and holds on a real Postgres and its streaming replica.

use crate::testbed::native::{Background, Node, sql, try_sql};
use crate::testbed::{Client, Got, eventually, latency, native, proxy_to, start};
use quarrel_faultproxy::{
    FaultProxy, Framing, MessageLog, NewRule, NewToxic, RuleAction, WalPosition,
};
use quarrel_faultproxy::{Protocol, Release, Stream, ToxicKind};
use std::net::SocketAddr;
use std::time::Duration;

fn followed(server: &FaultProxy, node: &Node) -> SocketAddr {
    let addr = proxy_to(server, node.addr);
    server.set_protocol("p", Some(Protocol::Postgres), MessageLog::On).expect("the proxy exists");
    addr
}

#[test]
fn a_commit_is_applied_and_its_reply_reset() {
    let (server, node) = (start(), native::postgres());
    let addr = followed(&server, &node);
    sql(node.addr, &["CREATE TABLE t (id int PRIMARY KEY)"]);
    for (action, id, rows) in [
        // The ambiguous commit: it ran, and the client cannot know.
        (RuleAction::ResetAfter, "1", "1"),
        (RuleAction::ResetBefore, "2", "0"),
    ] {
        let rule = server
            .add_rule("p", NewRule::new(action).on("COMMIT").times(1))
            .expect("the proxy is followed");
        let insert = format!("INSERT INTO t VALUES ({id})");
        let output = try_sql(addr, &["BEGIN", &insert, "COMMIT"]);
        assert!(!output.status.success());
        let fired = server.remove_rule("p", rule.rule.id).expect("it exists").fired;
        assert_eq!(fired, 1);
        let count = format!("SELECT count(*) FROM t WHERE id = {id}");
        eventually("the server has noticed the reset", || {
            sql(node.addr, &["SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%'"])
                == "0"
        });
        assert_eq!(sql(node.addr, &[&count]), rows, "{action:?}");
    }
}

#[test]
fn a_statement_with_parameters_is_held_by_its_key() {
    let (server, node) = (start(), native::postgres());
    let addr = followed(&server, &node);
    sql(
        node.addr,
        &["CREATE TABLE t (id int PRIMARY KEY, v int)", "INSERT INTO t VALUES (17, 0), (18, 0)"],
    );
    server
        .add_rule("p", NewRule::new(RuleAction::HoldRequest).on("update").key("17"))
        .expect("the proxy is followed");
    let update = |id: u32| format!("\\set id {id}\nUPDATE t SET v = v + 1 WHERE id = :id;\n");
    let mut client = Background::pgbench(addr, &(update(18) + &update(17)));
    eventually("the update of 17 is held", || !server.held("p").expect("it exists").is_empty());
    let values = || sql(node.addr, &["SELECT string_agg(v::text, ',' ORDER BY id) FROM t"]);
    assert_eq!(values(), "0,1");
    assert!(!client.has_ended());
    let held = server.held("p").expect("it exists");
    server.release_message("p", held[0].id).expect("it is held");
    client.succeeds();
    assert_eq!(values(), "1,1");
}

/// A message with a type, as a client sends it.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len() + 4).expect("short");
    [&[kind][..], &len.to_be_bytes(), body].concat()
}

/// Reads until a message of this type has begun a piece of the answer.
fn until(client: &mut Client, end: &[u8]) {
    let mut got = Vec::new();
    while !got.windows(end.len()).any(|window| window == end) {
        match client.get() {
            Got::Data(data) => got.extend(data),
            other => panic!("{other:?} after {got:?}"),
        }
    }
}

/// As tokio-postgres and the JDBC driver copy.
#[test]
fn a_copy_from_the_client_by_the_extended_protocol_goes_through() {
    const READY: &[u8] = b"Z\0\0\0\x05I";
    let (server, node) = (start(), native::postgres());
    let addr = followed(&server, &node);
    sql(node.addr, &["CREATE TABLE t (id int)"]);
    let mut client = Client::connect(addr);
    let body = b"\0\x03\0\0user\0postgres\0database\0postgres\0\0";
    let len = u32::try_from(body.len() + 4).expect("short");
    client.send(&[&len.to_be_bytes()[..], body].concat());
    until(&mut client, READY);
    let copy = [
        message(b'P', b"\0COPY t FROM STDIN\0\0\0"),
        message(b'B', b"\0\0\0\0\0\0\0\0"),
        message(b'E', b"\0\0\0\0\0"),
        message(b'S', b""),
    ];
    client.send(&copy.concat());
    until(&mut client, b"G\0\0\0");
    client.send(&[message(b'd', b"1\n2\n"), message(b'c', b""), message(b'S', b"")].concat());
    until(&mut client, READY);
    assert_eq!(sql(node.addr, &["SELECT sum(id) FROM t"]), "3");
    let connections = server.connections("p").expect("it exists");
    assert_eq!(connections[0].framing, Framing::Followed);
}

#[test]
fn copied_data_passes_and_rules_wait_for_its_end() {
    let (server, node) = (start(), native::postgres());
    let addr = followed(&server, &node);
    sql(node.addr, &["CREATE TABLE t (id int)"]);
    server
        .add_rule("p", NewRule::new(RuleAction::DropReply).on("ROLLBACK"))
        .expect("the proxy is followed");
    Background::psql(addr, "COPY t FROM STDIN;\n1\n2\n\\.\nCOPY t TO STDOUT;\nSELECT 1;\n")
        .succeeds();
    assert_eq!(sql(node.addr, &["SELECT sum(id) FROM t"]), "3");
    let page = server.events(0, usize::MAX);
    let tags: Vec<String> = page
        .events
        .iter()
        .filter_map(|event| match &event.happening {
            quarrel_faultproxy::ProxyEventKind::Reply { summary, .. } => Some(summary.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(tags[1..], ["COPY 2", "COPY 2", "SELECT 1"]);
}

/// A replica that streams through the proxy.
fn replicating(server: &FaultProxy) -> (Node, Node) {
    let primary = native::postgres();
    let addr = followed(server, &primary);
    sql(primary.addr, &["CREATE TABLE t (id int)"]);
    let replica = native::replica(&primary, addr);
    eventually("the replica streams", || {
        let state = "SELECT state FROM pg_stat_replication";
        sql(primary.addr, &[state]) == "streaming"
            && sql(replica.addr, &["SELECT count(*) FROM t"]) == "0"
    });
    (primary, replica)
}

fn insert(primary: &Node, id: u32) -> WalPosition {
    let insert = format!("INSERT INTO t VALUES ({id})");
    let lsn = sql(primary.addr, &[&insert, "SELECT pg_current_wal_flush_lsn()"]);
    lsn.parse().expect("an LSN")
}

fn rows(node: &Node) -> String {
    sql(node.addr, &["SELECT coalesce(string_agg(id::text, ',' ORDER BY id), '') FROM t"])
}

#[test]
fn a_replica_is_held_at_an_lsn_and_released() {
    let server = start();
    let (primary, replica) = replicating(&server);
    let received = || -> WalPosition {
        let lsn = sql(replica.addr, &["SELECT pg_last_wal_receive_lsn()"]);
        lsn.parse().expect("an LSN")
    };
    let first = insert(&primary, 1);
    server.hold_wal("p", None, first).expect("the proxy is followed");
    eventually("the first row is there", || rows(&replica) == "1");
    let second = insert(&primary, 2);
    let held = || server.connections("p").expect("it exists")[0].downstream_bytes.held;
    eventually("the second row is held", || held() > 0);
    assert_eq!(received(), first);
    let third = insert(&primary, 3);
    assert_eq!(rows(&replica), "1");
    server.release("p", Stream::Downstream, None, Release::UpTo(second)).expect("it is held");
    eventually("the second row is there", || rows(&replica) == "1,2");
    // Exactly to the byte, though one message may carry both rows.
    eventually("all of it is received", || received() == second);
    assert!(held() > 0 && second < third);
    server.release("p", Stream::Downstream, None, Release::All).expect("it is held");
    eventually("the third row is there", || rows(&replica) == "1,2,3");
    assert_eq!(
        server.connections("p").expect("it exists")[0].framing,
        Framing::Suspended("the connection replicates")
    );
    let refused = server.add_rule(
        "p",
        NewRule {
            connection: Some(server.connections("p").expect("it exists")[0].connection),
            ..NewRule::new(RuleAction::DropReply)
        },
    );
    let refused = refused.expect_err("refused").to_string();
    assert!(refused.ends_with("the connection replicates"), "{refused}");
}

#[test]
fn a_replica_catches_up_unharmed_while_toxics_come_and_go() {
    let server = start();
    let (primary, replica) = replicating(&server);
    for stream in Stream::BOTH {
        let toxic = NewToxic::new(latency(20), stream).named(format!("base {}", stream.name()));
        server.add_toxic("p", toxic).expect("it is sound");
    }
    let load = "INSERT INTO t SELECT generate_series(1, 20000);\n".repeat(10);
    let mut loading = Background::psql(primary.addr, &load);
    let toxics = [
        ToxicKind::Bandwidth { rate_kb_s: 20_000 },
        latency(5),
        ToxicKind::Slicer { average_size: 1000, size_variation: 500, delay_us: 10 },
        ToxicKind::Bandwidth { rate_kb_s: 0 },
    ];
    let mut changes = 0;
    eventually("the load is done", || {
        for kind in toxics {
            let toxic = NewToxic::new(kind, Stream::Downstream).named("now and then");
            server.add_toxic("p", toxic).expect("it is sound");
            let (_never, wait) = std::sync::mpsc::channel::<()>();
            let _ = wait.recv_timeout(Duration::from_millis(15));
            server.remove_toxic("p", "now and then").expect("it is there");
            changes += 1;
        }
        loading.has_ended()
    });
    loading.succeeds();
    assert!(changes > 4);
    let digest = "SELECT count(*) || ' ' || sum(hashint4(id)::bigint) FROM t";
    let expected = sql(primary.addr, &[digest]);
    assert!(expected.starts_with("200000 "), "{expected}");
    eventually("the replica catches up", || sql(replica.addr, &[digest]) == expected);
    // One connection all along, and nothing wrong with the WAL.
    assert_eq!(server.connections("p").expect("it exists").len(), 1);
    let log = replica.log();
    for word in ["ERROR", "PANIC", "invalid", "incorrect", "unexpected", "terminat"] {
        assert!(!log.contains(word), "{word} in the replica's log:\n{log}");
    }
}
