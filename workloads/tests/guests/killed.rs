//! What a run that was killed leaves on somebody's servers is told, and only
//! that is removed.

use std::process::Output;

use rustix::process::Signal;
use sqlx::{AssertSqlSafe, PgConnection};

use crate::{
    here,
    lifecycle::Held,
    proxies,
    servers::{Guest, Postgres, keys},
};

async fn texts(owner: &mut PgConnection, sql: &str) -> Vec<String> {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_all(owner).await.unwrap()
}

/// The numbers of the runs that have schemas.
async fn runs(owner: &mut PgConnection) -> Vec<String> {
    let sql = "SELECT substr(nspname::text, 9) FROM pg_namespace \
               WHERE nspname ~ '^quarrel_[0-9a-f]{8}$' ORDER BY 1";
    texts(owner, sql).await
}

/// Schemas that are called as ours are, and are not.
const THEIRS: &str = "CREATE SCHEMA quarrel_deadbeef; CREATE TABLE quarrel_deadbeef.kv (key int); \
    CREATE SCHEMA quarrel_0badcafe; \
    CREATE TABLE quarrel_0badcafe.quarrel_run (run text, beat timestamptz, toxiproxy text); \
    INSERT INTO quarrel_0badcafe.quarrel_run VALUES ('theirs', '2000-01-01', NULL)";

/// Standard output, standard error and the exit code.
fn said(output: &Output) -> (String, String, Option<i32>) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

/// All commands that tell of what was left do so.
fn is_told(guest: &Guest<'_>, told: &str) {
    let (status, doctor) = (guest.quarrel(&["cluster", "status"]), guest.quarrel(&["doctor"]));
    assert!(said(&status).1.contains(told), "{status:?}");
    assert!(said(&doctor).0.contains(told), "{doctor:?}");
    assert!(!said(&doctor).0.contains("0badcafe"), "{doctor:?}");
    let next = guest.run(&["primary-only", "--time", "1s"]).wait();
    assert!(next.stderr.contains(told), "{next:?}");
    // A busy machine may do too little to say much.
    assert!(matches!(next.code, Some(0 | 3)), "{next:?}");
}

/// The number of a run that was killed in its storm.
async fn kill(guest: &Guest<'_>, storm: &[&str], owner: &mut PgConnection) -> String {
    let before = runs(owner).await;
    let mut killed = guest.run(&[&["cdc", "--fault", "redis-cut"], storm].concat());
    killed.until_said("storm:");
    killed.send(Signal::KILL);
    killed.wait();
    let found = runs(owner).await;
    found.into_iter().find(|run| !before.contains(run)).expect("its schema is left")
}

#[tokio::test]
async fn what_a_killed_run_left_is_told_and_swept() {
    if !here() {
        return;
    }
    let held = Held::up("native");
    let [primary, replica, cache] =
        ["probe-primary", "probe-replica", "probe-cache"].map(|part| held.url(part));
    let guest = Guest { primary, replica, cache };
    let toxiproxy = held.url("toxiproxy").trim_start_matches("http://");
    let server = Postgres::at(primary).await;
    let mut owner = server.connect().await;
    let mut redis = redis::Client::open(cache).unwrap().get_connection().unwrap();
    redis::cmd("SET").arg("quarrel:kv:1").arg("theirs").exec(&mut redis).unwrap();
    server.execute(THEIRS).await;
    let (theirs, links) = (runs(&mut owner).await, proxies(toxiproxy));

    let storm = ["--time", "60s", "--toxiproxy", toxiproxy];
    let dead = kill(&guest, &storm, &mut owner).await;
    let slots = "SELECT slot_name::text FROM pg_replication_slots WHERE slot_type = 'logical'";
    assert_eq!(texts(&mut owner, slots).await, [format!("quarrel_quarrel_{dead}")]);
    assert!(proxies(toxiproxy).contains(&format!("quarrel-{dead}-client-cache")));

    let mut alive = guest.run(&[&["cache-aside"], &storm[..]].concat());
    alive.until_said("storm:");
    let sweep =
        |arguments: &[&str]| said(&guest.quarrel(&[&["cluster", "sweep"], arguments].concat()));
    // Nobody knows yet that its heart stands still.
    let (out, _, code) = sweep(&["--toxiproxy", toxiproxy]);
    assert!(out.contains("nothing was left"), "{out}");
    assert_eq!((runs(&mut owner).await.len(), code), (theirs.len() + 2, Some(0)));
    let age = format!("UPDATE quarrel_{dead}.quarrel_run SET beat = beat - interval '61 seconds'");
    server.execute(&age).await;
    is_told(
        &guest,
        &format!("schema quarrel_{dead}, keys quarrel:{{{dead}}}:*, a replication slot"),
    );

    // Where its proxies are somebody must say.
    let (_, error, code) = sweep(&[]);
    assert!(error.contains("give it as --toxiproxy") && code == Some(4), "{error}");
    // What somebody else keeps in its schema stays, and the schema with it.
    server.execute(&format!("CREATE TABLE quarrel_{dead}.theirs (a int)")).await;
    let (_, error, code) = sweep(&["--toxiproxy", toxiproxy]);
    assert!(error.contains("other objects depend on it") && code == Some(4), "{error}");
    assert!(runs(&mut owner).await.contains(&dead));
    server.execute(&format!("DROP TABLE quarrel_{dead}.theirs")).await;
    let (out, error, code) = sweep(&["--toxiproxy", toxiproxy]);
    assert!(out.contains(&format!("removed schema quarrel_{dead}")) && code == Some(0), "{error}");

    let left = runs(&mut owner).await;
    assert!(!left.contains(&dead) && left.len() == theirs.len() + 1, "{left:?}");
    assert_eq!(texts(&mut owner, slots).await, [""; 0]);
    assert!(!proxies(toxiproxy).contains(&dead));
    assert!(!keys(&mut redis).iter().any(|key| key.contains(&dead)));

    // Whoever lives was not disturbed, and takes its own along.
    alive.send(Signal::INT);
    let alive = alive.wait();
    assert!(alive.verdict()["metrics"]["writes"].as_u64() > Some(20), "{alive:?}");
    assert_ne!(alive.code, Some(4), "{alive:?}");
    assert_eq!(runs(&mut owner).await, theirs);
    assert_eq!(keys(&mut redis), ["quarrel:kv:1"]);
    assert_eq!(proxies(toxiproxy), links);
}
