//! A guest behind a pooler that drops what a session asks for: somebody's
//! tables, which are called as quarrel's are, stay as they were.

use std::process::Command;

use sqlx::{Connection as _, Executor as _, PgConnection, postgres::PgListener};

use crate::{
    lifecycle::{Child, Held, possible},
    servers::{Pooler, Pooling, dump, port},
};

/// Somebody's database: tables with the names of ours, and a listener on a
/// channel with a likely name.
pub(crate) const THEIRS: &str = "CREATE TABLE kv (key bigint PRIMARY KEY, value text NOT NULL, \
       version bigint NOT NULL); \
     INSERT INTO kv SELECT n, 'theirs ' || n, 1 FROM generate_series(0, 50) n; \
     CREATE TABLE outbox (id bigserial PRIMARY KEY, key bigint NOT NULL, version bigint NOT NULL); \
     INSERT INTO outbox (key, version) SELECT n, 1 FROM generate_series(1, 10) n; \
     CREATE SCHEMA quarrel_0; CREATE TABLE quarrel_0.kv (key bigint PRIMARY KEY);";

/// Runs each strategy behind a pooler of this mode.
pub(crate) async fn spares_what_is_not_ours(mode: &str, strategies: &[&str]) {
    if !possible("pooler", Command::new("pgbouncer").arg("--version")) {
        return;
    }
    let held = Held::up("native");
    let ports = ["probe-primary", "probe-replica"].map(|part| port(held.url(part)));
    let mut owner = PgConnection::connect(held.url("probe-primary")).await.unwrap();
    owner.execute("CREATE DATABASE shop").await.unwrap();
    let shop = format!("postgres://postgres@127.0.0.1:{}/shop", ports[0]);
    let mut theirs = PgConnection::connect(&shop).await.unwrap();
    theirs.execute(sqlx::raw_sql(THEIRS)).await.unwrap();
    let mut listener = PgListener::connect(&shop).await.unwrap();
    listener.listen_all(["invalidate", "public_invalidate"]).await.unwrap();
    let before = dump(&shop);

    let pooler = Pooler::start(&Pooling { mode, ports, database: "shop", door: None });
    let servers = [pooler.url("primary"), pooler.url("replica")];
    let cache = held.url("probe-cache");
    for strategy in strategies {
        let at = ["--primary", &servers[0], "--replica", &servers[1], "--cache", cache];
        let run = ["--cluster", "external", strategy, "--time", "1s", "--seed=7"];
        let finished = Child::run(&[&run[..], &at].concat(), &[]).wait();
        assert!(matches!(finished.code, Some(0 | 1)), "{strategy}: {finished:?}");
        let writes = finished.verdict()["metrics"]["writes"].as_u64();
        assert!(writes > Some(20), "{strategy}: {finished:?}");
        assert_eq!(dump(&shop), before, "{strategy}");
        let slots = "SELECT slot_name FROM pg_replication_slots WHERE slot_type = 'logical'";
        assert!(theirs.fetch_all(slots).await.unwrap().is_empty(), "{strategy}");
    }
    // The first message on somebody's channels is somebody's own.
    theirs.execute("NOTIFY invalidate, 'theirs'").await.unwrap();
    assert_eq!(listener.recv().await.unwrap().payload(), "theirs");
    // A pooler holds sessions of the database open; it goes first.
    drop(pooler);
}
