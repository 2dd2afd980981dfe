//! Stores of known strength: what is sound must be acquitted, what is broken
//! convicted, whatever the size, the concurrency and the share of unknown
//! outcomes.

use quarrel_checkers::{
    Budget, Checker, Class, Guarantee, JudgeOptions, Validity,
    generate::{GeneratedLoad, Store},
    judge, models,
    search::{Linearizable, Witness},
};

fn workloads(store: Store) -> impl Iterator<Item = GeneratedLoad> {
    let shapes = [(1, 1), (2, 1), (8, 3), (64, 10), (300, 2)];
    shapes.into_iter().enumerate().flat_map(move |(seed, (clients, keys))| {
        [0, 50, 300].map(|indeterminate_permille| GeneratedLoad {
            operations: 5_000,
            clients,
            keys,
            indeterminate_permille,
            store,
            seed: seed as u64,
            ..GeneratedLoad::default()
        })
    })
}

#[test]
fn a_linearizable_store_is_acquitted() {
    for workload in workloads(Store::Linearizable) {
        let judgement = judge(&workload.history(), &[], &JudgeOptions::default());
        assert_eq!(judgement.strongest, Guarantee::Linearizable, "{workload:?}");
        assert_eq!(judgement.metrics.stale_reads, 0);
        assert_eq!(judgement.metrics.sessions.total(), 0);
        assert!(judgement.metrics.reads_at_risk > 2_000, "{workload:?}");
        assert_eq!(workload.records().check(), Ok(None), "{workload:?}");
    }
}

#[test]
fn one_stale_read_among_thousands_is_found_and_nothing_else() {
    for workload in workloads(Store::OneStaleRead { from: 4_000 }) {
        let judgement = judge(&workload.history(), &[], &JudgeOptions::default());
        assert_eq!(judgement.validity(Guarantee::Linearizable), Validity::Invalid, "{workload:?}");
        assert_eq!(judgement.metrics.stale_reads, 1, "{workload:?}");
        assert_eq!(judgement.anomalies[0].class, Class::StaleRead);
        assert!(workload.records().check().expect("values are unique").is_some());
    }
}

#[test]
fn a_lagging_replica_is_convicted_and_its_lag_measured() {
    for workload in workloads(Store::Replica { lag_ns: 200_000 }) {
        let judgement = judge(&workload.history(), &[], &JudgeOptions::default());
        assert_eq!(judgement.validity(Guarantee::Linearizable), Validity::Invalid, "{workload:?}");
        // A read is no staler than the lag, give and take its own length.
        let worst = judgement.metrics.worst_staleness.as_nanos();
        assert!((100_000..=220_000).contains(&worst), "{worst} ns: {workload:?}");
    }
}

#[test]
fn a_store_that_loses_writes_is_convicted() {
    for workload in workloads(Store::Lossy { lost_permille: 100 }) {
        let judgement = judge(&workload.history(), &[], &JudgeOptions::default());
        assert_eq!(judgement.validity(Guarantee::Linearizable), Validity::Invalid, "{workload:?}");
        assert!(judgement.metrics.lost_updates > 0, "two writes share a version: {workload:?}");
    }
}

#[test]
fn the_search_agrees_where_it_gets_through() {
    for (store, expected) in [
        (Store::Linearizable, Validity::Valid),
        (Store::OneStaleRead { from: 1_000 }, Validity::Invalid),
    ] {
        for clients in [1, 2, 4] {
            let workload =
                GeneratedLoad { operations: 2_000, clients, store, ..GeneratedLoad::default() };
            let checker = Linearizable::new(models::Register).witness(Witness::Omitted);
            let verdict = checker.check(&workload.history(), Budget::default());
            assert_eq!(verdict.validity, expected, "{workload:?}: {:?}", verdict.undecided);
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_history() {
    let history = |seed| GeneratedLoad { seed, ..GeneratedLoad::default() }.history();
    assert_eq!(history(3), history(3));
    assert_ne!(history(3), history(4));
}
