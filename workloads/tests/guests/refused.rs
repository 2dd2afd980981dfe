//! What cannot carry a run is refused with a sentence before there is one.

use sqlx::PgConnection;

use crate::{
    here,
    lifecycle::{Held, possible},
    servers::{Guest, Pooler, Pooling, Postgres, Redis, port},
};
use std::process::Command;

/// Expects that a run is refused, and says so.
#[track_caller]
fn refused(guest: &Guest<'_>, strategy: &str, why: &str) {
    let finished = guest.run(&[strategy, "--time", "1s"]).wait();
    assert_eq!(finished.code, Some(4), "{why}: {finished:?}");
    assert!(finished.stderr.contains(why), "{why}: {finished:?}");
    assert!(finished.stderr.contains("try: "), "{why}: {finished:?}");
    assert!(!finished.stderr.contains("storm:"), "before a run: {finished:?}");
    assert_eq!(finished.stdout, "", "no verdict: {finished:?}");
}

/// Expects that a run is carried.
#[track_caller]
fn carried(guest: &Guest<'_>, strategy: &str) {
    let finished = guest.run(&[strategy, "--time", "1s"]).wait();
    assert!(matches!(finished.code, Some(0 | 1)), "{finished:?}");
    assert!(finished.verdict()["metrics"]["hits"].as_u64() > Some(0), "{finished:?}");
}

/// The schemas of guests.
async fn schemas(postgres: &Postgres) -> Vec<String> {
    let sql = "SELECT nspname::text FROM pg_namespace WHERE nspname LIKE 'quarrel%'";
    let mut owner: PgConnection = postgres.connect().await;
    sqlx::query_scalar(sql).fetch_all(&mut owner).await.unwrap()
}

#[tokio::test]
async fn a_cache_that_cannot_carry_a_run_is_refused() {
    if !here() {
        return;
    }
    let held = Held::up("native");
    let [primary, replica] = ["probe-primary", "probe-replica"].map(|part| held.url(part));
    let postgres = Postgres::at(primary).await;
    let with = |cache: &str, strategy: &str, why: &str| {
        refused(&Guest { primary, replica, cache }, strategy, why);
    };

    let sentinel = Redis::sentinel();
    with(&sentinel.url(), "cache-aside", "is a Redis Sentinel");
    drop(sentinel);

    let follower = Redis::start(&["--replicaof", "127.0.0.1 1"]);
    with(&follower.url(), "cache-aside", "is a replica, and takes no writes");
    drop(follower);

    let full = Redis::start(&["--maxclients", "10"]);
    with(&full.url(), "cache-aside", "the cache takes 10 connections");
    drop(full);

    let redis = Redis::start(&[]);
    let mut connection = redis.connect();
    let mut user = |name: &str, rights: &[&str]| {
        let words = [&["SETUSER", name, "on", ">pass", "~*"], rights].concat();
        redis::cmd("ACL").arg(words).exec(&mut connection).unwrap();
        format!("redis://{name}:pass@127.0.0.1:{}", redis.port)
    };
    let few = user("few", &["+get", "+info", "+exists", "+client"]);
    let no_scripts = user("no-scripts", &["+@all", "-eval", "-evalsha"]);
    let no_tracking = user("no-tracking", &["+@all", "-client"]);
    let elsewhere = user("elsewhere", &["resetkeys", "~shop:*", "+@all"]);
    let enough = user(
        "enough",
        &["resetkeys", "~quarrel:*", "+get", "+set", "+del", "+pttl", "+eval", "+evalsha"],
    );
    redis::cmd("ACL")
        .arg(&["SETUSER", "enough", "+scan", "+unlink", "+exists", "+info"])
        .exec(&mut connection)
        .unwrap();
    with(&few, "cache-aside", "refuses what a run needs: SET: ");
    with(&no_scripts, "cache-aside", "refuses what a run needs: EVAL: ");
    with(&elsewhere, "cache-aside", "refuses what a run needs: ");
    // It has all that every strategy needs, but not what this one does.
    let guest = Guest { primary, replica, cache: &no_tracking };
    let finished = guest.run(&["client-tracking", "--time", "60s"]).wait();
    assert_eq!(finished.code, Some(4), "{finished:?}");
    let reason = finished.verdict()["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("the cache does not let quarrel do"), "{reason}");
    carried(&Guest { primary, replica, cache: &enough }, "version-guard");
    assert_eq!(schemas(&postgres).await, [""; 0]);
}

#[tokio::test]
async fn a_node_of_a_cluster_carries_a_run_if_it_holds_slots() {
    if !here() {
        return;
    }
    let held = Held::up("native");
    let [primary, replica] = ["probe-primary", "probe-replica"].map(|part| held.url(part));
    let nodes = [(); 2].map(|()| Redis::start(&["--cluster-enabled", "yes"]));
    let urls = nodes.each_ref().map(Redis::url);
    let guest = |cache| Guest { primary, replica, cache };
    refused(&guest(&urls[0]), "cache-aside", "refuses what a run needs: ");

    let mut connections = nodes.each_ref().map(Redis::connect);
    for (connection, slots) in connections.iter_mut().zip([[0, 8191], [8192, 16383]]) {
        redis::cmd("CLUSTER").arg("ADDSLOTSRANGE").arg(&slots).exec(connection).unwrap();
    }
    let meet = ["MEET", "127.0.0.1", &nodes[1].port.to_string()];
    redis::cmd("CLUSTER").arg(&meet).exec(&mut connections[0]).unwrap();
    for connection in &mut connections {
        let state = |connection: &mut redis::Connection| -> String {
            redis::cmd("CLUSTER").arg("INFO").query(connection).unwrap()
        };
        while !state(connection).contains("cluster_state:ok") {
            std::thread::yield_now();
        }
    }
    for url in &urls {
        carried(&guest(url), "version-guard");
    }
}

#[tokio::test]
async fn a_server_without_room_is_refused() {
    if !here() {
        return;
    }
    let held = Held::up("native");
    let [primary, replica, cache] = ["primary", "replica", "cache"].map(|part| held.url(part));
    let postgres = Postgres::at(held.url("probe-primary")).await;
    postgres.execute("CREATE ROLE small LOGIN CONNECTION LIMIT 20").await;
    postgres.execute("GRANT CREATE ON DATABASE postgres TO small").await;
    let small = format!("postgres://small@127.0.0.1:{}/postgres", port(primary));
    let guest = Guest { primary: &small, replica, cache };
    refused(&guest, "cache-aside", "the primary has room for 20 connections, and the run needs 20");

    postgres.execute("CREATE DATABASE small CONNECTION LIMIT 8").await;
    let database = format!("postgres://postgres@127.0.0.1:{}/small", port(primary));
    let guest = Guest { primary: &database, replica, cache };
    refused(&guest, "cache-aside", "the primary has room for 8 connections");

    postgres.execute("ALTER SYSTEM SET max_connections = 24").await;
    postgres.restart();
    let guest = Guest { primary, replica, cache };
    refused(&guest, "cache-aside", "the primary has room for ");
    postgres.stop();
}

#[tokio::test]
async fn what_a_server_does_not_grant_is_refused() {
    if !here() {
        return;
    }
    let held = Held::up("native");
    let [primary, replica, cache] = ["primary", "replica", "cache"].map(|part| held.url(part));
    let postgres = Postgres::at(held.url("probe-primary")).await;
    postgres.execute("CREATE ROLE visitor LOGIN; CREATE ROLE tenant LOGIN").await;
    postgres.execute("GRANT CREATE ON DATABASE postgres TO tenant").await;
    let url = |user: &str| format!("postgres://{user}@127.0.0.1:{}/postgres", port(primary));
    let guest = |primary| Guest { primary, replica, cache };
    let [visitor, tenant] = ["visitor", "tenant"].map(url);
    refused(&guest(&visitor), "cache-aside", "cannot make the schema quarrel_");
    refused(&guest(&tenant), "cdc", "replication");
    carried(&guest(&tenant), "outbox");
    refused(&guest(replica), "cache-aside", "is a replica, and takes no writes");

    if possible("pooler", Command::new("pgbouncer").arg("--version")) {
        let ports = ["probe-primary", "probe-replica"].map(|part| port(held.url(part)));
        let pooler = Pooler::start(&Pooling {
            mode: "transaction",
            ports,
            database: "postgres",
            door: None,
        });
        let (primary, replica) = (pooler.url("primary"), pooler.url("replica"));
        let guest = Guest { primary: &primary, replica: &replica, cache };
        refused(&guest, "notify", "what is notified does not arrive at a connection that listens");
    }
    assert_eq!(schemas(&postgres).await, [""; 0]);
}
