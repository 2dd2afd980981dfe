//! Runs on local processes.

mod broken;
mod guests;
mod lifecycle;
mod pooler;
mod releases;
#[allow(dead_code, unused_imports, reason = "other tests need more of it")]
mod servers;

use std::{
    fs,
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use lifecycle::{Child, Held, Kind};
use rustix::process::Signal;
use serde_json::Value;
use servers::here;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

const NATIVE: Kind = Kind { name: "native", traces: processes };

/// Servers whose data are in the workspace of the quarrel with this id.
fn processes(pid: u32) -> Vec<String> {
    let ours = format!("quarrel-{pid}-");
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| {
            let folder = fs::read_link(entry.path().join("cwd")).ok()?;
            let folder = folder.to_str()?;
            folder.contains(&ours).then(|| format!("{} in {folder}", entry.path().display()))
        })
        .collect()
}

#[test]
fn cache_aside_is_convicted_of_refilling_from_a_lagging_replica() {
    if here() {
        NATIVE.convicts_cache_aside();
    }
}

#[test]
fn primary_only_is_acquitted_under_the_same_fault() {
    if here() {
        NATIVE.acquits_primary_only();
    }
}

#[test]
fn two_clusters_run_side_by_side() {
    if here() {
        NATIVE.runs_two_side_by_side();
    }
}

#[test]
fn a_cluster_stays_up_until_it_is_told_to_go() {
    if here() {
        NATIVE.stays_up_until_told();
    }
}

#[test]
fn nothing_is_left_after_a_failure() {
    if here() {
        NATIVE.cleans_up_after_a_failure();
    }
}

#[test]
fn nothing_is_left_after_a_panic() {
    if here() {
        NATIVE.cleans_up_after_a_panic();
    }
}

#[test]
fn nothing_is_left_after_ctrl_c() {
    if here() {
        NATIVE.stops_cleanly_at(Signal::INT);
    }
}

#[test]
fn nothing_is_left_after_sigterm() {
    if here() {
        NATIVE.stops_cleanly_at(Signal::TERM);
    }
}

#[test]
fn nothing_is_left_after_its_terminal_goes_away() {
    if here() {
        NATIVE.stops_cleanly_at(Signal::HUP);
    }
}

#[test]
fn nothing_is_left_after_ctrl_c_while_it_starts() {
    if here() {
        NATIVE.stops_cleanly_while_it_starts();
    }
}

#[test]
fn nothing_is_left_after_kill_9() {
    if here() {
        NATIVE.cleans_up_after_kill_9();
    }
}

#[test]
fn nothing_is_left_after_kill_9_while_it_starts() {
    if here() {
        NATIVE.cleans_up_after_kill_9_while_it_starts();
    }
}

/// A shell that cleans up, two copies of a database, three servers.
#[test]
fn nothing_is_left_after_kill_9_whatever_it_has_just_started() {
    if here() {
        NATIVE.cleans_up_after_kill_9_at_each_child(6);
    }
}

/// A deployment of somebody's, with tables and keys that look like quarrel's.
async fn settle(held: &Held) -> (PgConnection, redis::Connection) {
    let mut primary = PgConnection::connect(held.url("probe-primary")).await.unwrap();
    let sql = "CREATE SCHEMA quarrel_mine; \
               CREATE TABLE quarrel_mine.kv (key bigint PRIMARY KEY, value text); \
               INSERT INTO quarrel_mine.kv VALUES (1, 'mine')";
    primary.execute(sqlx::raw_sql(sql)).await.unwrap();
    let mut cache = redis::Client::open(held.url("probe-cache")).unwrap().get_connection().unwrap();
    for key in ["kv:1", "quarrel:kv:1"] {
        redis::cmd("SET").arg(key).arg("mine").exec(&mut cache).unwrap();
    }
    (primary, cache)
}

async fn texts(primary: &mut PgConnection, sql: &str) -> Vec<String> {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_all(primary).await.unwrap()
}

#[tokio::test]
async fn a_guest_leaves_an_external_cluster_as_it_was() {
    if !here() {
        return;
    }
    let held = Held::up("native");
    let (mut primary, mut cache) = settle(&held).await;
    let schemas = "SELECT nspname::text FROM pg_namespace ORDER BY 1";
    let before = texts(&mut primary, schemas).await;
    let toxiproxy = held.url("toxiproxy").trim_start_matches("http://");
    let [at_primary, at_replica, at_cache] =
        ["probe-primary", "probe-replica", "probe-cache"].map(|part| held.url(part));
    let servers = ["--primary", at_primary, "--replica", at_replica, "--cache", at_cache];
    let run = ["--cluster", "external", "--toxiproxy", toxiproxy, "cache-aside"];
    let fault = ["--fault", "redis-cut", "--time", "3s", "--seed=7"];
    let finished = Child::run(&[&servers[..], &run, &fault].concat(), &[]).wait();
    let verdict = finished.verdict();
    assert_eq!(verdict["cluster"], "external");
    assert!(verdict["fault_count"]["observed"].as_u64() > Some(0), "{verdict}");
    assert!(verdict["metrics"]["writes"].as_u64() > Some(0), "{verdict}");

    assert_eq!(texts(&mut primary, schemas).await, before);
    assert_eq!(texts(&mut primary, "SELECT value FROM quarrel_mine.kv").await, ["mine"]);
    let mut keys: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut cache).unwrap();
    keys.sort();
    assert_eq!(keys, ["kv:1", "quarrel:kv:1"]);
}

#[tokio::test]
async fn a_guest_behind_a_pooler_of_sessions_spares_what_is_not_ours() {
    if here() {
        let strategies = ["cache-aside", "outbox", "cdc", "notify", "optimistic-lock"];
        pooler::spares_what_is_not_ours("session", &strategies).await;
    }
}

#[tokio::test]
async fn a_guest_behind_a_pooler_of_transactions_spares_what_is_not_ours() {
    if here() {
        let strategies = ["remote-apply", "outbox", "cdc", "optimistic-lock"];
        pooler::spares_what_is_not_ours("transaction", &strategies).await;
    }
}

/// What a Toxiproxy says of its proxies.
fn proxies(api: &str) -> String {
    let mut stream = TcpStream::connect(api).unwrap();
    write!(stream, "GET /proxies HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").expect("an answer has a head").1.to_owned()
}

/// Where the guest's own proxy to a server listens.
fn link_to(server: &str, proxies: &str) -> String {
    let server = server.split_once("://").unwrap().1.split('/').next().unwrap();
    let proxies: Value = serde_json::from_str(proxies).unwrap();
    let to_it = proxies.as_object().unwrap().values().find(|proxy| proxy["upstream"] == server);
    to_it.unwrap_or_else(|| panic!("{server}: {proxies}"))["listen"].as_str().unwrap().to_owned()
}

/// Waits until a link is cut: it takes what goes through it along.
fn until_cut(link: &str) {
    let Ok(mut through) = TcpStream::connect(link) else { return };
    through.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    match through.read(&mut [0]) {
        Ok(read) => assert_eq!(read, 0),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}

#[test]
fn a_guest_that_is_interrupted_takes_its_faults_along() {
    if !here() {
        return;
    }
    let held = Held::up("native");
    let toxiproxy = held.url("toxiproxy").trim_start_matches("http://");
    let [primary, replica, cache] = ["primary", "replica", "cache"].map(|part| held.url(part));
    let before = proxies(toxiproxy);
    let servers = ["--primary", primary, "--replica", replica, "--cache", cache];
    let run = ["--cluster", "external", "--toxiproxy", toxiproxy, "cache-aside"];
    for signal in [Signal::INT, Signal::TERM] {
        let fault = ["--fault", "redis-cut", "--time", "30s"];
        let mut child = Child::run(&[&servers[..], &run, &fault].concat(), &[]);
        child.until_said("storm:");
        until_cut(&link_to(cache, &proxies(toxiproxy)));
        assert!(proxies(toxiproxy).contains("\"enabled\":false"));
        child.send(signal);
        let verdict = child.wait().verdict();
        assert!(verdict["metrics"]["reads"].as_u64() > Some(0), "{verdict}");
        assert_eq!(proxies(toxiproxy), before, "{signal:?}");
    }
}

#[test]
fn an_external_cluster_is_refused_what_is_not_ours_to_do() {
    if !here() {
        return;
    }
    let held = Held::up("native");
    let [primary, replica, cache] = ["primary", "replica", "cache"].map(|part| held.url(part));
    let refused = |primary: &str, fault: &str, why: &str| {
        let servers = ["--primary", primary, "--replica", replica, "--cache", cache];
        let run = ["--cluster", "external", "cache-aside", "--time", "1s", "--fault", fault];
        let finished = Child::run(&[&servers[..], &run].concat(), &[]).wait();
        assert_eq!(finished.code, Some(4), "{finished:?}");
        assert!(finished.stderr.contains(why), "{why}: {finished:?}");
        assert!(finished.stderr.contains("try: "), "{finished:?}");
    };
    refused(replica, "replica-lag", "is a replica, and takes no writes");
    refused(primary, "redis-cut", "it needs a fault proxy");
    refused(primary, "kill-redis", "its servers are not quarrel's to stop");
    refused(primary, "replica-lag", "settings of somebody's replica are not quarrel's to change");
    refused(primary, "replica-lag=via=link", "what the replica dials is not quarrel's to change");
}
