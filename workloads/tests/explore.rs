//! What the explorer finds about every built-in strategy.

use std::{collections::BTreeMap, sync::Arc};

use quarrel_checkers::Guarantee;
use quarrel_harness::{
    explore::{Bounds, report},
    strategy::{AnyStrategy, Options},
};

/// One line for each strategy: the shortest break and its cause.
fn explored(bounds: &Bounds) -> String {
    let mut found = String::new();
    for entry in quarrel_workloads::catalogue().strategies {
        let options = Options::resolve(entry.name, entry.options, &BTreeMap::new()).unwrap();
        let make = || -> Arc<dyn AnyStrategy> { (entry.build)(&options).unwrap() };
        let line = match report(&make, entry.name, &[], bounds) {
            Err(error) => format!("{}: {error}", entry.name),
            Ok(report) => match report.finding {
                None => format!("{}: holds", entry.name),
                Some(finding) => format!(
                    "{}: {} in {} steps, {}",
                    entry.name,
                    finding.claim,
                    finding.race.steps(),
                    finding.cause
                ),
            },
        };
        found.push_str(&line);
        found.push('\n');
    }
    found
}

/// A write that the primary has given no number yet is missed all the same: the
/// cache is cut off, and the database has not been told.
#[test]
fn a_session_misses_what_write_behind_has_not_written() {
    let catalogue = quarrel_workloads::catalogue();
    let entry = catalogue.strategy("write-behind").unwrap();
    let options = Options::resolve(entry.name, entry.options, &BTreeMap::new()).unwrap();
    let make = || -> Arc<dyn AnyStrategy> { (entry.build)(&options).unwrap() };
    for (guarantee, steps) in [(Guarantee::ReadYourWrites, 3), (Guarantee::MonotonicReads, 4)] {
        let bounds = Bounds {
            writers: 1,
            both: 1,
            readers: 1,
            reads: 2,
            faults: vec!["redis-cut".parse().unwrap()],
            guarantee,
            ..Bounds::default()
        };
        let found = report(&make, entry.name, &[], &bounds).unwrap().finding.expect("it breaks");
        assert_eq!(found.race.steps(), steps, "{}", found.race);
    }
}

#[test]
fn one_writer_two_readers_and_a_lagging_replica() {
    // Strategies that poll for a lock have endless interleavings.
    let bounds = &Bounds { writers: 1, max_states: 4_000, samples: 0, ..Bounds::default() };
    insta::assert_snapshot!(explored(bounds), @r"
    primary-only: holds
    replica-only: !stale in 2 steps, replica-lag
    validate-on-primary: holds
    cache-aside: !stale in 4 steps, replica-lag
    delete-before-write: !stale in 6 steps, invalidate-before-commit
    double-delete: !stale in 4 steps, replica-lag
    write-through: !stale in 6 steps, replica-lag-refill
    write-behind: !stale in 5 steps, set-before-commit
    ttl-only: !stale in 2 steps, expiry-only
    session-flag: !stale in 4 steps, replica-lag
    primary-marker: !stale in 8 steps, in-flight-refill
    read-your-writes: !stale in 4 steps, replica-lag
    lsn-fence: !stale in 5 steps, replica-lag
    causal-token: !stale in 4 steps, replica-lag
    remote-apply: !stale in 6 steps, in-flight-refill
    versioned-keys: holds
    versioned-keys-repaired: holds
    version-guard: holds
    optimistic-lock: !stale in 5 steps, replica-lag
    lease: !stale in 4 steps, replica-lag
    iq-lease: holds
    tombstone: holds
    singleflight: !stale in 8 steps, in-flight-refill
    outbox: !stale in 2 steps, pending-invalidation
    cdc: !stale in 2 steps, pending-invalidation
    cdc-tombstone: !stale in 2 steps, pending-invalidation
    notify: !stale in 2 steps, pending-invalidation
    client-tracking: !stale in 5 steps, replica-lag
    near-pubsub: !stale in 6 steps, replica-lag
    stale-while-revalidate: !stale in 3 steps, expiry-only
    early-expiry: !stale in 3 steps, expiry-only
    admin-api: !stale in 4 steps, replica-lag
    ");
}
