//! One client, no race.

use quarrel_checkers::Site;
use quarrel_harness::stores::Item;

use crate::simulation::{Subject, client, my_turn, recorded, replicated};

fn names() -> Vec<&'static str> {
    quarrel_workloads::strategies::all().iter().map(|entry| entry.name).collect()
}

/// Whose reads ask a database even when the cache has the row.
const UNCACHED: [&str; 3] = ["primary-only", "replica-only", "validate-on-primary"];
/// Whose writes leave the cache alone.
const UNTOUCHED: [&str; 3] = ["ttl-only", "stale-while-revalidate", "early-expiry"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_strategy_reads_what_was_written() {
    let _turn = my_turn().await;
    for name in names() {
        let mut subject = Subject::new(name, &[]).await;
        assert_eq!(subject.read(&mut client()).await, None, "{name}: nobody wrote yet");
        let mut writer = client();
        let value = subject.write(&mut writer).await;
        replicated().await;
        assert_eq!(subject.read(&mut writer).await, Some(value.clone()), "{name}: the writer");
        assert_eq!(subject.read(&mut client()).await, Some(value), "{name}: somebody else");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_read_asks_no_database() {
    let _turn = my_turn().await;
    for name in names() {
        let mut subject = Subject::new(name, &[]).await;
        subject.write(&mut client()).await;
        replicated().await;
        subject.read(&mut client()).await;
        let (mut reader, recorder) = recorded();
        subject.read(&mut reader).await;
        let steps = recorder.history().steps;
        let asked = steps.iter().any(|step| matches!(step.site, Site::Primary | Site::Replica));
        assert_eq!(asked, UNCACHED.contains(&name), "{name}: {steps:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_reaches_whoever_had_the_row_cached() {
    let _turn = my_turn().await;
    for name in names() {
        let mut subject = Subject::new(name, &[]).await;
        let mut writer = client();
        let old = subject.write(&mut writer).await;
        replicated().await;
        let mut reader = client();
        assert_eq!(subject.read(&mut reader).await, Some(old.clone()), "{name}: cached");
        let new = subject.write(&mut writer).await;
        replicated().await;
        let expected = if UNTOUCHED.contains(&name) { old } else { new };
        if matches!(name, "client-tracking" | "near-pubsub") {
            // The message that the entry is gone comes by itself.
            until(async || subject.read(&mut reader).await == Some(expected.clone())).await;
        }
        assert_eq!(subject.read(&mut reader).await, Some(expected), "{name}: after the write");
    }
}

/// Waits until `condition` holds, ten seconds at most.
async fn until(mut condition: impl AsyncFnMut() -> bool) {
    let mut clock = client();
    let limit = clock.now() + std::time::Duration::from_secs(10);
    while !condition().await {
        assert!(clock.now() < limit, "it never came to hold");
        let pause = std::time::Duration::from_millis(2);
        clock.sleep(pause).await.expect("sleeping never fails");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_live_as_long_as_they_are_told() {
    let _turn = my_turn().await;
    for name in ["cache-aside", "write-through", "version-guard", "lease", "ttl-only"] {
        let mut subject = Subject::new(name, &[("ttl", "40s")]).await;
        subject.write(&mut client()).await;
        replicated().await;
        subject.read(&mut client()).await;
        let left = client().cache().ttl(Item::entry(subject.key)).await.expect("redis answers");
        let left = left.flatten().expect("an entry that expires").as_secs();
        assert!((30..=40).contains(&left), "{name}: {left} s");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_marker_and_a_tombstone_stand_where_the_write_left_them() {
    let _turn = my_turn().await;
    let mut marked = Subject::new("primary-marker", &[("marker", "40s")]).await;
    marked.write(&mut client()).await;
    let marker = Item::named("marker", marked.key);
    let held = client().cache().get(marker).await.expect("redis answers");
    assert_eq!(held, Some(quarrel_checkers::Content::Marker));

    let mut buried = Subject::new("tombstone", &[("tombstone", "40s")]).await;
    buried.write(&mut client()).await;
    let held = client().cache().get(Item::entry(buried.key)).await.expect("redis answers");
    assert_eq!(held, Some(quarrel_checkers::Content::Tombstone(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_past_its_soft_life_is_served_and_refreshed() {
    let _turn = my_turn().await;
    let options = [("soft-ttl", "1ms"), ("ttl", "40s")];
    let mut subject = Subject::new("stale-while-revalidate", &options).await;
    let old = subject.write(&mut client()).await;
    replicated().await;
    subject.read(&mut client()).await;
    let new = subject.write(&mut client()).await;
    replicated().await;
    let mut reader = client();
    until(async || {
        subject.read(&mut reader).await == Some(old.clone()) && {
            // The soft life is over as soon as something is put off.
            let jobs = reader.take_jobs();
            let due = !jobs.is_empty();
            for job in jobs {
                let strategy = &*subject.strategy;
                quarrel_harness::strategy::do_job(strategy, &mut client(), job).await;
            }
            due
        }
    })
    .await;
    assert_eq!(subject.read(&mut client()).await, Some(new));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_is_held_by_one_reader_at_a_time() {
    let _turn = my_turn().await;
    let mut subject = Subject::new("singleflight", &[]).await;
    let value = subject.write(&mut client()).await;
    let mut readers = Vec::new();
    let mut recorders = Vec::new();
    for _ in 0..8 {
        let (session, recorder) = recorded();
        readers.push(session);
        recorders.push(recorder);
    }
    let reads = readers.iter_mut().map(|session| subject.read(session));
    let found = futures::future::join_all(reads).await;
    assert!(found.iter().all(|read| *read == Some(value.clone())), "{found:?}");
    let asked: usize = recorders
        .iter()
        .flat_map(|recorder| recorder.history().steps)
        .filter(|step| step.site == Site::Primary)
        .count();
    assert_eq!(asked, 1, "eight readers missed at once");
}
