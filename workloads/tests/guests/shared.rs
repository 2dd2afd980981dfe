//! What happens to somebody's servers while a run is on.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use crate::{
    here,
    lifecycle::{Child, Finished, Held},
    servers::{Guest, Postgres, Redis},
};

/// The verdict is that there is none.
#[track_caller]
fn is_no_verdict(finished: &Finished, why: &str) {
    assert_eq!(finished.code, Some(4), "{finished:?}");
    let verdict = finished.verdict();
    assert_eq!(verdict["outcome"], "environment", "{verdict}");
    assert!(verdict["reason"].as_str().unwrap().contains(why), "{why}: {verdict}");
}

/// Faster than anybody misses it.
#[tokio::test]
async fn a_server_that_starts_anew_is_noticed() {
    if !here() {
        return;
    }
    let held = Held::up("native");
    let mut redis = Redis::start(&[]);
    let [primary, replica] = ["probe-primary", "probe-replica"].map(|part| held.url(part));
    let cache = redis.url();
    let guest = Guest { primary, replica, cache: &cache };
    let storm = || -> Child {
        let mut child = guest.run(&["cache-aside", "--time", "60s"]);
        child.until_said("storm:");
        child
    };
    let child = storm();
    redis.restart();
    is_no_verdict(&child.wait(), "the cache was started anew, though no fault says so");
    for (url, site) in [(replica, "replica"), (primary, "primary")] {
        let server = Postgres::at(url).await;
        let child = storm();
        server.restart();
        let finished = child.wait();
        is_no_verdict(&finished, &format!("the {site} was started anew, though no fault says so"));
    }
    for url in [replica, primary] {
        Postgres::at(url).await.stop();
    }
}

#[tokio::test]
async fn a_server_that_begins_to_fail_is_left_alone() {
    if !here() {
        return;
    }
    let held = Held::up("native");
    let [primary, replica, cache] =
        ["probe-primary", "probe-replica", "probe-cache"].map(|part| held.url(part));
    let guest = Guest { primary, replica, cache };
    let mut child = guest.run(&["cache-aside", "--time", "60s", "--rate", "100"]);
    child.until_said("storm:");
    // Somebody else's application begins to fail.
    let on = Arc::new(AtomicBool::new(true));
    let mut other = PgConnection::connect(primary).await.unwrap();
    let fails = tokio::spawn({
        let on = Arc::clone(&on);
        async move {
            while on.load(Ordering::Relaxed) {
                assert!(other.execute(sqlx::raw_sql("SELECT 1/0")).await.is_err());
            }
        }
    });
    let finished = tokio::task::spawn_blocking(|| child.wait()).await.unwrap();
    on.store(false, Ordering::Relaxed);
    fails.await.unwrap();
    is_no_verdict(&finished, "the primary fails ");
}

/// Whoever removes the mark of a run says that its schema is not quarrel's.
#[tokio::test]
async fn nothing_is_written_where_the_mark_is_missing() {
    if !here() {
        return;
    }
    let held = Held::up("native");
    let [primary, replica, cache] =
        ["probe-primary", "probe-replica", "probe-cache"].map(|part| held.url(part));
    let guest = Guest { primary, replica, cache };
    let mut child = guest.run(&["cache-aside", "--time", "60s"]);
    child.until_said("storm:");
    let mut owner = PgConnection::connect(primary).await.unwrap();
    let named = "SELECT nspname::text FROM pg_namespace WHERE nspname ~ '^quarrel_'";
    let schema: String = sqlx::query_scalar(named).fetch_one(&mut owner).await.unwrap();
    let written = || AssertSqlSafe(format!("SELECT sum(version)::text FROM {schema}.kv"));
    // Who writes at this moment ends first, and who comes then finds no mark.
    let mut taken = owner.begin().await.unwrap();
    let take = format!(
        "LOCK TABLE {schema}.kv IN SHARE MODE; DELETE FROM {schema}.quarrel_run RETURNING run"
    );
    let marks = taken.fetch_all(sqlx::raw_sql(AssertSqlSafe(take))).await.unwrap();
    assert_eq!(marks.len(), 1);
    let before: String = sqlx::query_scalar(written()).fetch_one(&mut *taken).await.unwrap();
    taken.commit().await.unwrap();

    let finished = tokio::task::spawn_blocking(|| child.wait()).await.unwrap();
    assert_eq!(finished.code, Some(4), "{finished:?}");
    // Nor is it taken away: without a mark it is somebody's.
    let after: String = sqlx::query_scalar(written()).fetch_one(&mut owner).await.unwrap();
    assert_eq!(after, before);
}
