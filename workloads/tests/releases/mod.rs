//! Servers of Debian's next release, Postgres 17 and Valkey 8, as a cluster of
//! ours and as somebody's.

use std::{path::Path, process::Command};

use serde_json::Value;
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::{
    lifecycle::{Child, Finished, Held, possible},
    pooler::THEIRS,
    servers::{Guest, keys, port},
};

const RELEASE: &str = "trixie";

/// The variables by which quarrel takes its images.
const IMAGES: [(&str, &str); 2] = [
    ("QUARREL_POSTGRES_IMAGE", "quarrel/postgres:trixie"),
    ("QUARREL_CACHE_IMAGE", "quarrel/cache:trixie"),
];

/// Makes the images if they are not there. It takes root and a mirror.
fn here() -> bool {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docker/images.sh");
    let mut images = Command::new("bash");
    images.arg(script).args(["--release", RELEASE]);
    possible("container engine", Command::new("docker").arg("version"))
        && possible("images of trixie", &mut images)
}

/// What a run says that it ran on.
fn pieces(results: &Path) -> Value {
    let text = std::fs::read_to_string(results.join("latest/env.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn is_of_the_release(pieces: &Value) {
    let told = pieces.to_string();
    let values = || pieces.as_object().unwrap().values().filter_map(Value::as_str);
    assert!(values().any(|piece| piece.starts_with("17.")), "{told}");
    assert!(values().any(|piece| piece.starts_with("Valkey 8.")), "{told}");
}

fn writes(finished: &Finished) -> Option<u64> {
    finished.verdict()["metrics"]["writes"].as_u64()
}

#[test]
fn a_cluster_of_the_next_release_convicts_and_acquits() {
    if !here() {
        return;
    }
    for (strategy, code) in [("cache-aside", 1), ("primary-only", 0)] {
        let results = tempfile::tempdir().unwrap();
        let folder = [("QUARREL_RESULTS", results.path().to_str().unwrap())];
        let run = ["--cluster", "docker", strategy, "--fault", "replica-lag", "--time", "5s"];
        let variables = [&IMAGES[..], &folder].concat();
        let finished = Child::run(&[&run[..], &["--seed=7"]].concat(), &variables).wait();
        assert_eq!(finished.code, Some(code), "{finished:?}");
        is_of_the_release(&pieces(results.path()));
    }
}

/// Everything in a database, by the dump of its own version.
fn dump(owner: u32) -> String {
    let listed = Command::new("docker")
        .args(["ps", "--format", "{{.Names}} {{.Label \"dev.quarrel.owner\"}}"])
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let owner = format!("/{owner}/");
    let mut pairs = listed.lines().filter_map(|line| line.split_once(' '));
    let primary = pairs.find(|(name, by)| name.ends_with("-primary") && by.contains(&owner));
    let (primary, _) = primary.unwrap_or_else(|| panic!("no primary of {owner}: {listed}"));
    let dump = ["exec", primary, "sh", "-c", "pg_dump --inserts -h 127.0.0.1 -U postgres shop"];
    let output = Command::new("docker").args(dump).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    // A word that is drawn anew for each dump.
    text.lines().filter(|line| !line.starts_with('\\')).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_guest_on_the_next_release_spares_what_is_not_ours() {
    if !here() {
        return;
    }
    let held = Held::up_with("docker", &IMAGES);
    let [primary, replica, cache] =
        ["probe-primary", "probe-replica", "probe-cache"].map(|part| held.url(part));
    let mut owner = PgConnection::connect(primary).await.unwrap();
    owner.execute("CREATE DATABASE shop").await.unwrap();
    let [primary, replica] =
        [primary, replica].map(|url| format!("postgres://postgres@127.0.0.1:{}/shop", port(url)));
    let mut theirs = PgConnection::connect(&primary).await.unwrap();
    theirs.execute(sqlx::raw_sql(THEIRS)).await.unwrap();
    let mut redis = redis::Client::open(cache).unwrap().get_connection().unwrap();
    for key in ["kv:1", "quarrel:kv:1"] {
        redis::cmd("SET").arg(key).arg("theirs").exec(&mut redis).unwrap();
    }
    let before = (dump(held.pid), keys(&mut redis));
    let results = tempfile::tempdir().unwrap();
    let folder = [("QUARREL_RESULTS", results.path().to_str().unwrap())];
    let guest = Guest { primary: &primary, replica: &replica, cache };
    // Plain calls, the feed by a slot, NOTIFY, scripts, and CLIENT TRACKING.
    for strategy in ["outbox", "cdc", "notify", "iq-lease", "client-tracking"] {
        let finished = guest.run_with(&[strategy, "--time", "1s"], &folder).wait();
        // A busy machine may do too little to say much.
        assert!(matches!(finished.code, Some(0 | 1 | 3)), "{strategy}: {finished:?}");
        assert!(writes(&finished) > Some(20), "{strategy}: {finished:?}");
        is_of_the_release(&pieces(results.path()));
        assert_eq!((dump(held.pid), keys(&mut redis)), before, "{strategy}");
    }
}
