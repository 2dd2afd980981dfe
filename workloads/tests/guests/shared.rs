//! What happens to somebody's servers while a run is on.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use sqlx::{Connection as _, Executor as _, PgConnection};

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
