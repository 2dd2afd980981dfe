//! The races that bring a cache and its database apart, forced on every
//! strategy: which it survives, and which break it.

use quarrel_checkers::Value;
use quarrel_harness::{
    cluster::Control,
    strategy::{Action, Outcome, perform},
};

use crate::simulation::{
    Subject, client, cluster, doomed, my_turn, replicated, slow_reader, value,
};

/// What a later reader gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sees {
    /// The new row.
    New,
    /// The old row, though the new one was acknowledged, or committed.
    Old,
}
use Sees::{New, Old};

fn sees(read: Option<Value>, old: &Value, new: &Value) -> Sees {
    match read {
        Some(read) if read == *old => Old,
        Some(read) if read == *new => New,
        other => panic!("read {other:?}, neither {old} nor {new}"),
    }
}

/// The differences between what was seen and what a table says.
fn compare(table: &[(&str, Sees)], seen: &[(&'static str, Sees)]) {
    let wrong: Vec<_> = seen.iter().filter(|case| !table.contains(case)).collect();
    assert!(wrong.is_empty(), "not as the table says: {wrong:?}");
    let missing: Vec<_> = table.iter().filter(|case| !seen.contains(case)).collect();
    assert!(missing.is_empty(), "in the table and not seen: {missing:?}");
}

/// A reader misses and reads the database; a writer commits and invalidates;
/// the reader fills. No lag is needed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_flight_refill() {
    let table = [
        ("primary-only", New),
        ("replica-only", New),
        ("validate-on-primary", New),
        ("cache-aside", Old),
        ("delete-before-write", Old),
        // The second delete comes after the reader's fill.
        ("double-delete", New),
        ("write-through", Old),
        ("ttl-only", Old),
        ("session-flag", Old),
        ("primary-marker", Old),
        ("read-your-writes", Old),
        ("lsn-fence", Old),
        ("causal-token", Old),
        ("remote-apply", Old),
        // The old row goes under the old version's name.
        ("versioned-keys", New),
        ("versioned-keys-repaired", New),
        ("version-guard", New),
        ("optimistic-lock", Old),
        ("lease", New),
        ("iq-lease", New),
        ("tombstone", New),
        ("singleflight", Old),
        ("outbox", Old),
        ("cdc", Old),
        ("cdc-tombstone", New),
        ("notify", Old),
        ("client-tracking", Old),
        ("stale-while-revalidate", Old),
        ("early-expiry", Old),
        ("admin-api", Old),
    ];
    let _turn = my_turn().await;
    let mut seen = Vec::new();
    for (name, _) in table {
        let mut subject = Subject::new(name, &[]).await;
        let old = first_value(&mut subject).await;
        let (mut reader, held) = slow_reader();
        let mut writer = client();
        let new = {
            let strategy = std::sync::Arc::clone(&subject.strategy);
            let read = Action::Read(subject.key);
            let reading =
                tokio::spawn(async move { perform(&*strategy, &mut reader, read, None).await });
            held.has_read().await;
            let new = value();
            let write = Action::Write(subject.key, new.clone());
            let written = perform(&*subject.strategy, &mut writer, write, None).await;
            assert!(matches!(written, Outcome::Written(_)), "{name}: {written:?}");
            subject.agents_work().await;
            held.release();
            let read = reading.await.expect("the reader ends");
            assert!(matches!(read, Outcome::Read(_)), "{name}: {read:?}");
            new
        };
        subject.jobs(&mut writer).await;
        replicated().await;
        let mut later = client();
        // The entry that `client-tracking` keeps near is the same as Redis's.
        seen.push((name, sees(subject.read(&mut later).await, &old, &new)));
    }
    compare(&table, &seen);
}

/// The replica stands still while a write is invalidated and a reader misses;
/// then it catches up. Does the old row stay?
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lag_on_invalidation() {
    let table = [
        ("primary-only", New),
        ("replica-only", New),
        ("validate-on-primary", New),
        ("cache-aside", Old),
        ("delete-before-write", New),
        // The lag outlasts the second delete.
        ("double-delete", Old),
        ("write-through", New),
        ("write-behind", New),
        ("ttl-only", Old),
        ("session-flag", Old),
        ("primary-marker", New),
        ("read-your-writes", Old),
        ("lsn-fence", Old),
        ("causal-token", Old),
        ("versioned-keys", New),
        ("versioned-keys-repaired", New),
        ("version-guard", New),
        ("optimistic-lock", Old),
        // A lease knows nothing of replicas.
        ("lease", Old),
        ("iq-lease", New),
        ("tombstone", New),
        ("singleflight", New),
        ("outbox", Old),
        ("cdc", Old),
        ("cdc-tombstone", New),
        ("notify", Old),
        ("client-tracking", Old),
        ("stale-while-revalidate", Old),
        ("early-expiry", Old),
        ("admin-api", Old),
    ];
    let options = [("double-delete", [("delay", "1ms")])];
    let _turn = my_turn().await;
    let mut seen = Vec::new();
    for (name, _) in table {
        let own = options.iter().find(|(of, _)| *of == name).map_or(&[][..], |(_, own)| &own[..]);
        let mut subject = Subject::new(name, own).await;
        let old = first_value(&mut subject).await;
        cluster().apply(&Control::PauseReplay).await.expect("replay stops");
        let new = subject.write(&mut client()).await;
        subject.read(&mut client()).await;
        cluster().apply(&Control::ResumeReplay).await.expect("replay goes on");
        replicated().await;
        seen.push((name, sees(subject.read(&mut client()).await, &old, &new)));
    }
    compare(&table, &seen);
}

/// As above, for the writer itself, while the replica still stands still and
/// somebody else has filled the entry.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn own_writes_under_lag() {
    let table = [
        ("cache-aside", Old),
        // The flag keeps the writer from filling an old row, not from hitting
        // one.
        ("session-flag", Old),
        ("lsn-fence", Old),
        ("read-your-writes", New),
        ("causal-token", New),
        ("primary-marker", New),
        ("tombstone", New),
        ("versioned-keys-repaired", New),
    ];
    let _turn = my_turn().await;
    let mut seen = Vec::new();
    for (name, _) in table {
        let mut subject = Subject::new(name, &[]).await;
        let old = first_value(&mut subject).await;
        cluster().apply(&Control::PauseReplay).await.expect("replay stops");
        let mut writer = client();
        let new = subject.write(&mut writer).await;
        subject.read(&mut client()).await;
        seen.push((name, sees(subject.read(&mut writer).await, &old, &new)));
        cluster().apply(&Control::ResumeReplay).await.expect("replay goes on");
    }
    replicated().await;
    compare(&table, &seen);
}

/// The same with nobody between: the flag and the fence do what they are for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flag_and_a_fence_fill_from_the_primary_for_the_writer() {
    let table = [("cache-aside", Old), ("session-flag", New), ("lsn-fence", New)];
    let _turn = my_turn().await;
    let mut seen = Vec::new();
    for (name, _) in table {
        let mut subject = Subject::new(name, &[]).await;
        let old = first_value(&mut subject).await;
        cluster().apply(&Control::PauseReplay).await.expect("replay stops");
        let mut writer = client();
        let new = subject.write(&mut writer).await;
        seen.push((name, sees(subject.read(&mut writer).await, &old, &new)));
        cluster().apply(&Control::ResumeReplay).await.expect("replay goes on");
    }
    replicated().await;
    compare(&table, &seen);
}

/// The writer dies between its commit and what it had to tell the cache, which
/// holds the old row.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_invalidation() {
    let table = [
        ("validate-on-primary", New),
        ("cache-aside", Old),
        ("delete-before-write", New),
        ("double-delete", New),
        ("write-through", Old),
        ("ttl-only", Old),
        ("session-flag", Old),
        ("primary-marker", Old),
        ("read-your-writes", Old),
        ("lsn-fence", Old),
        ("causal-token", Old),
        ("remote-apply", Old),
        ("versioned-keys", Old),
        ("versioned-keys-repaired", Old),
        ("version-guard", Old),
        ("optimistic-lock", Old),
        ("lease", Old),
        // The entry went before the commit.
        ("iq-lease", New),
        ("tombstone", Old),
        ("singleflight", Old),
        // The invalidation was committed with the row, or is read off the log.
        ("outbox", New),
        ("cdc", New),
        ("cdc-tombstone", New),
        ("notify", New),
        ("client-tracking", Old),
        ("admin-api", Old),
    ];
    let _turn = my_turn().await;
    let mut seen = Vec::new();
    for (name, _) in table {
        let mut subject = Subject::new(name, &[]).await;
        let old = first_value(&mut subject).await;
        subject.read(&mut client()).await;
        let new = value();
        let write = Action::Write(subject.key, new.clone());
        let mut writer = doomed();
        let end = perform(&*subject.strategy, &mut writer, write, None).await;
        let died = matches!(end, Outcome::Unknown(_));
        // Strategies whose last step is the commit cannot die behind it.
        assert!(died || matches!(end, Outcome::Written(_)), "{name}: {end:?}");
        assert_eq!(writer.has_crashed(), died, "{name}");
        subject.agents_work().await;
        replicated().await;
        seen.push((name, sees(subject.read(&mut client()).await, &old, &new)));
    }
    compare(&table, &seen);
}

/// A client that dies takes along what it had put off.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_put_off_dies_with_its_client() {
    let _turn = my_turn().await;
    let subject = Subject::new("write-behind", &[]).await;
    let mut writer = client();
    let value = value();
    let write = Action::Write(subject.key, value.clone());
    let end = perform(&*subject.strategy, &mut writer, write, None).await;
    assert_eq!(end, Outcome::Written(0), "acknowledged, and without a version");
    assert_eq!(subject.read(&mut client()).await, Some(value), "from the cache");
    drop(writer);
    cluster().apply(&Control::WipeCache).await.expect("redis forgets");
    assert_eq!(subject.read(&mut client()).await, None, "an acknowledged write is gone");
}

/// Somebody changes the row by SQL.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn manual_change() {
    let table = [
        ("primary-only", New),
        ("replica-only", New),
        ("validate-on-primary", New),
        ("cache-aside", Old),
        ("write-through", Old),
        ("versioned-keys-repaired", Old),
        ("lease", Old),
        ("iq-lease", Old),
        ("tombstone", Old),
        // No outbox row, no NOTIFY: plain SQL.
        ("outbox", Old),
        ("notify", Old),
        ("cdc", New),
        ("cdc-tombstone", New),
        ("admin-api", New),
    ];
    let _turn = my_turn().await;
    let mut seen = Vec::new();
    for (name, _) in table {
        let mut subject = Subject::new(name, &[]).await;
        let old = first_value(&mut subject).await;
        subject.read(&mut client()).await;
        let new = value();
        let changed = subject.strategy.manual(&mut client(), subject.key, new.clone()).await;
        assert_eq!(changed, Ok(2), "{name}");
        subject.agents_work().await;
        replicated().await;
        seen.push((name, sees(subject.read(&mut client()).await, &old, &new)));
    }
    compare(&table, &seen);
}

/// The commit of one writer is acknowledged only when the replica shows it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_remote_apply_waits_for_the_replica() {
    let _turn = my_turn().await;
    let mut subject = Subject::new("remote-apply", &[]).await;
    first_value(&mut subject).await;
    cluster().apply(&Control::PauseReplay).await.expect("replay stops");
    let write = Action::Write(subject.key, value());
    let end = perform(&*subject.strategy, &mut client(), write, None).await;
    assert!(matches!(end, Outcome::Unknown(_)), "{end:?}");
    cluster().apply(&Control::ResumeReplay).await.expect("replay goes on");
    let new = subject.write(&mut client()).await;
    let row = client().replica().read(subject.key).await.expect("the replica answers");
    assert_eq!(row.map(|row| row.value), Some(new), "acknowledged, so it is there");
}

/// The article's pointer goes where the slower writer puts it: back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slower_writer_moves_the_articles_pointer_back() {
    let table = [("versioned-keys", Old), ("versioned-keys-repaired", New)];
    let _turn = my_turn().await;
    let mut seen = Vec::new();
    for (name, _) in table {
        let mut subject = Subject::new(name, &[]).await;
        first_value(&mut subject).await;
        // Held behind its question for the version; repaired, it asks none and
        // is over before the other begins.
        let (mut slow, held) = slow_reader();
        let strategy = std::sync::Arc::clone(&subject.strategy);
        let old = value();
        let write = Action::Write(subject.key, old.clone());
        let writing =
            tokio::spawn(async move { perform(&*strategy, &mut slow, write, None).await });
        held.has_read().await;
        let new = subject.write(&mut client()).await;
        held.release();
        writing.await.expect("the writer ends");
        seen.push((name, sees(subject.read(&mut client()).await, &old, &new)));
    }
    compare(&table, &seen);
}

/// A first row, on primary and replica and in no cache.
async fn first_value(subject: &mut Subject) -> Value {
    let old = value();
    let version = client().primary().write(subject.key, old.clone()).await;
    assert_eq!(version, Ok(1), "{}: a key of its own", subject.name);
    subject.agents_work().await;
    replicated().await;
    old
}
