//! TLS ended at a proxy and begun again behind it, with drivers and servers
//! that insist on it.

use crate::testbed::authority::Authority;
use crate::testbed::{Client, Got, Server, add, call, eventually, latency, native, start};
use quarrel_faultproxy::{
    FaultProxy, Framing, MessageLog, NewProxy, NewRule, Protocol, ProxyEventKind, ProxyTls,
    RuleAction, Stream, TlsIdentity, UpstreamTls, Verify,
};
use sqlx::{Connection, Row};
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let limited = async { tokio::time::timeout(Duration::from_secs(60), future).await };
    runtime.expect("a runtime").block_on(limited).expect("in time")
}

/// TLS on both sides.
fn both(authority: &Authority) -> ProxyTls {
    ProxyTls {
        listen: Some(TlsIdentity {
            certificate: authority.file("server.crt"),
            key: authority.file("server.key"),
        }),
        upstream: Some(UpstreamTls { verify: Verify::Ca(authority.file("ca.crt")), name: None }),
    }
}

fn proxy(server: &FaultProxy, upstream: SocketAddr, protocol: Protocol, tls: &ProxyTls) -> u16 {
    let new = NewProxy::new("p", "127.0.0.1:0", upstream.to_string());
    let view = server.create_proxy(new).expect("a free port");
    server.set_protocol("p", Some(protocol), MessageLog::Off).expect("it exists");
    server.set_tls("p", tls).expect("its files fit");
    view.listen.parse::<SocketAddr>().expect("bound").port()
}

fn failures(server: &FaultProxy) -> Vec<(&'static str, String)> {
    let events = server.events(0, 10_000).events.into_iter();
    let failures = events.filter_map(|event| match event.happening {
        ProxyEventKind::TlsFailed { side, reason } => Some((side, reason)),
        _ => None,
    });
    failures.collect()
}

async fn redis_client(port: u16, authority: &Authority) -> redis::aio::MultiplexedConnection {
    let root_cert = Some(std::fs::read(authority.file("ca.crt")).expect("it is there"));
    let certificates = redis::TlsCertificates { client_tls: None, root_cert };
    let client = redis::Client::build_with_tls(format!("rediss://localhost:{port}"), certificates);
    let client = client.expect("a sound URL");
    client.get_multiplexed_async_connection().await.expect("it connects")
}

#[test]
fn rules_reach_a_redis_that_speaks_tls_only() {
    let authority = Authority::new();
    let (server, node) = (start(), native::redis_over_tls(&authority));
    let port = proxy(&server, node.addr, Protocol::Redis, &both(&authority));
    let rule = NewRule::new(RuleAction::DropRequest).on("SET").key("b");
    server.add_rule("p", rule).expect("followed");
    block_on(async {
        let mut connection = redis_client(port, &authority).await;
        let () =
            redis::cmd("SET").arg("a").arg("1").query_async(&mut connection).await.expect("OK");
        // Dropped: no answer comes.
        let dropped = async {
            let mut command = redis::cmd("SET");
            command.arg("b").arg("1").exec_async(&mut connection).await
        };
        let waited = tokio::time::timeout(Duration::from_millis(300), dropped).await;
        assert!(!matches!(waited, Ok(Ok(()))), "{waited:?}");
        let mut other = redis_client(port, &authority).await;
        let exist: i64 =
            redis::cmd("EXISTS").arg("a").arg("b").query_async(&mut other).await.expect("it does");
        assert_eq!(exist, 1);
        // A value larger than what sockets take at once comes whole.
        let long = "x".repeat(8 << 20);
        let () = redis::cmd("SET").arg("l").arg(&long).query_async(&mut other).await.expect("OK");
        let back: String = redis::cmd("GET").arg("l").query_async(&mut other).await.expect("it is");
        assert!(back == long, "{} bytes", back.len());
        let framing = server.connections("p").expect("it exists")[0].framing.clone();
        assert_eq!(framing, Framing::Followed);
    });
    assert_eq!(server.rules("p").expect("it exists")[0].fired, 1);
    assert_eq!(failures(&server), []);
}

#[test]
fn rules_reach_a_postgres_whose_client_insists_on_tls() {
    let authority = Authority::new();
    let (server, node) = (start(), native::postgres());
    native::require_tls(&node, &authority);
    let port = proxy(&server, node.addr, Protocol::Postgres, &both(&authority));
    server.add_rule("p", NewRule::new(RuleAction::ResetAfter).on("COMMIT")).expect("followed");
    let ca = authority.file("ca.crt").display().to_string();
    let url = |user: &str| {
        format!("postgres://{user}@localhost:{port}/postgres?sslmode=verify-full&sslrootcert={ca}")
    };
    block_on(async {
        let mut connection = sqlx::PgConnection::connect(&url("postgres")).await.expect("TLS");
        let over_tls = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        let row = sqlx::query(over_tls).fetch_one(&mut connection).await.expect("a row");
        assert!(row.get::<bool, _>(0));
        sqlx::query("CREATE TABLE t (v int)").execute(&mut connection).await.expect("made");
        let mut transaction = connection.begin().await.expect("it begins");
        sqlx::query("INSERT INTO t VALUES (1)").execute(&mut *transaction).await.expect("added");
        transaction.commit().await.expect_err("the client cannot know");
    });
    let at_localhost = format!("host=localhost port={port} user=postgres dbname=postgres");
    for mode in ["verify-full", "require"] {
        let how = format!("{at_localhost} sslmode={mode} sslrootcert={ca}");
        assert_eq!(native::sql_at(&how, "SELECT count(*) FROM t"), "1", "{mode}");
    }
    // GSS is refused, and TLS asked for behind it, as libpq does where it can.
    assert_eq!(failures(&server), []);
}

#[test]
fn one_side_may_have_tls_and_the_other_none() {
    let authority = Authority::new();
    let tls = both(&authority);
    // Clients without, the server with TLS: the proxy asks for it.
    let (server, node) = (start(), native::postgres());
    native::require_tls(&node, &authority);
    let only_upstream = ProxyTls { listen: None, ..tls.clone() };
    let port = proxy(&server, node.addr, Protocol::Postgres, &only_upstream);
    let how = format!("host=127.0.0.1 port={port} user=postgres sslmode=disable");
    assert_eq!(native::sql_at(&how, "SELECT 1"), "1");
    // Clients with, the server without.
    let (server, node) = (start(), native::redis());
    let only_listen = ProxyTls { upstream: None, ..tls.clone() };
    let port = proxy(&server, node.addr, Protocol::Redis, &only_listen);
    block_on(async {
        let mut connection = redis_client(port, &authority).await;
        let pong: String = redis::cmd("PING").query_async(&mut connection).await.expect("PONG");
        assert_eq!(pong, "PONG");
    });
    // And one that begins without is served without.
    let mut plain = Client::connect(([127, 0, 0, 1], port).into());
    plain.send(b"PING\r\n");
    assert_eq!(plain.get(), crate::testbed::data(b"+PONG\r\n"));
    // Any certificate, if it is said that none is checked.
    let node = native::redis_over_tls(&Authority::new());
    let server = start();
    let upstream = Some(UpstreamTls { verify: Verify::Nothing, name: None });
    let port = proxy(&server, node.addr, Protocol::Redis, &ProxyTls { listen: None, upstream });
    let mut plain = Client::connect(([127, 0, 0, 1], port).into());
    plain.send(b"PING\r\n");
    assert_eq!(plain.get(), crate::testbed::data(b"+PONG\r\n"));
}

#[test]
fn a_server_that_is_somebody_else_is_not_spoken_to() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let node = native::redis_over_tls(&stranger);
    for tls in [
        both(&authority),
        ProxyTls {
            upstream: Some(UpstreamTls {
                verify: Verify::Ca(stranger.file("ca.crt")),
                name: Some("elsewhere".into()),
            }),
            listen: None,
        },
    ] {
        let server = start();
        let port = proxy(&server, node.addr, Protocol::Redis, &ProxyTls { listen: None, ..tls });
        let mut client = Client::connect(([127, 0, 0, 1], port).into());
        client.send(b"PING\r\n");
        assert!(matches!(client.get(), Got::Fin | Got::Rst));
        eventually("it is said", || !failures(&server).is_empty());
        let (side, reason) = failures(&server).remove(0);
        assert_eq!(side, "server");
        assert!(reason.contains("certificate"), "{reason}");
    }
}

#[test]
fn toxics_and_resets_work_behind_tls() {
    let authority = Authority::new();
    let (server, node) = (start(), native::redis_over_tls(&authority));
    let port = proxy(&server, node.addr, Protocol::Redis, &both(&authority));
    block_on(async {
        let mut connection = redis_client(port, &authority).await;
        add(&server, latency(80), Stream::Downstream);
        let begin = std::time::Instant::now();
        let _: String = redis::cmd("PING").query_async(&mut connection).await.expect("PONG");
        assert!(begin.elapsed() >= Duration::from_millis(80));
        server.remove_toxic("p", "latency_downstream").expect("it is there");
        server
            .close_connection("p", 1, quarrel_faultproxy::Close::Rst)
            .expect("the first one is open");
        let broken = redis::cmd("PING").query_async::<String>(&mut connection).await;
        broken.expect_err("it was reset");
    });
}

#[test]
fn a_handshake_that_does_not_come_closes_the_connection() {
    let authority = Authority::new();
    let (server, echo) = (start(), Server::echo());
    let tls = ProxyTls { upstream: None, ..both(&authority) };
    let port = proxy(&server, echo.addr, Protocol::Postgres, &tls);
    let connect = || Client::connect(([127, 0, 0, 1], port).into());
    // Asked for, and then something else; garbage; gone in the middle.
    let mut client = connect();
    client.send(&[0, 0, 0, 8, 4, 210, 22, 47]);
    assert_eq!(client.get(), crate::testbed::data(b"S"));
    client.send(b"no TLS at all");
    assert!(matches!(client.get(), Got::Fin | Got::Rst));
    let mut client = connect();
    client.send(b"\x16\x03\x01\x00\x05hello this is no hello of TLS");
    while let Got::Data(_) = client.get() {}
    let mut client = connect();
    client.send(&[0, 0, 0, 8]);
    drop(client);
    eventually("all are told of", || failures(&server).len() == 3);
    assert!(failures(&server).iter().all(|(side, _)| *side == "client"));
}

#[test]
fn tls_is_set_over_the_api_and_refused_where_it_does_not_fit() {
    let authority = Authority::new();
    let server = start();
    let api = server.api_addr();
    let file = |name: &str| authority.file(name).display().to_string();
    let listen = serde_json::json!({
        "certificate": file("server.crt"), "key": file("server.key"),
    });
    let proxy = |listen: &str, tls: serde_json::Value| {
        let body = serde_json::json!([
            {"name": "p", "listen": listen, "upstream": "127.0.0.1:9", "tls": tls},
        ]);
        call(api, "POST", "/populate", &body.to_string())
    };
    let swapped = serde_json::json!({"certificate": file("server.key"), "key": file("server.crt")});
    let missing = serde_json::json!({"certificate": "/no/such", "key": "/no/such"});
    for (at, tls, reason) in [
        ("", serde_json::json!({"listen": missing}), "cannot read /no/such"),
        ("", serde_json::json!({"listen": swapped}), "no certificate in it"),
        ("", serde_json::json!({"listen": {"key": "x"}}), "missing required field: certificate"),
        ("", serde_json::json!({"upstream": {}}), "needs either ca"),
        ("", serde_json::json!({"upstream": {"verify": true}}), "needs either ca"),
        ("", serde_json::json!({"server": {}}), "unknown field"),
        ("unix:/nowhere/s", serde_json::json!({"listen": listen}), "is a unix socket"),
    ] {
        let refused = proxy(at, tls.clone());
        assert_eq!(refused.status, 400, "{tls}: {refused:?}");
        assert!(refused.body.contains(reason), "{tls}: {refused:?}");
    }
    assert!(server.proxies().is_empty());
    let asked = serde_json::json!({"listen": listen, "upstream": {"verify": false}});
    let made = proxy("", asked.clone());
    assert_eq!(made.json()["proxies"][0]["tls"], asked, "{made:?}");
    let off = call(api, "POST", "/x/proxies/p/tls", "{}");
    assert_eq!(off.status, 204, "{off:?}");
    assert!(call(api, "GET", "/proxies/p", "").json().get("tls").is_none());
    let on = call(api, "POST", "/x/proxies/p/tls", &asked.to_string());
    assert_eq!(on.status, 204, "{on:?}");
    // It must still fit when the proxy moves.
    let moved = call(api, "POST", "/proxies/p", r#"{"upstream":"unix:/nowhere/s"}"#);
    assert_eq!(moved.status, 400, "{moved:?}");
}
