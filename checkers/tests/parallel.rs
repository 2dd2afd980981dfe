//! However many threads there are, the same comes out, byte for byte.

use std::num::NonZeroUsize;

use quarrel_checkers::{
    Budget, Checker, JudgeOptions, Judgement,
    generate::{GeneratedLoad, Store},
    judge, models,
    search::Linearizable,
};

const THREADS: [usize; 5] = [1, 2, 3, 8, 200];

fn workloads() -> impl Iterator<Item = GeneratedLoad> {
    let stores = [
        Store::Linearizable,
        Store::Replica { lag_ns: 80_000 },
        Store::Lossy { lost_permille: 100 },
    ];
    stores.into_iter().flat_map(|store| {
        [1, 7, 300].map(|keys| GeneratedLoad {
            operations: 6_000,
            clients: 20,
            keys,
            indeterminate_permille: 50,
            store,
            ..GeneratedLoad::default()
        })
    })
}

#[test]
fn a_judgement_does_not_depend_on_the_number_of_threads() {
    for workload in workloads() {
        let history = workload.history();
        let judged = |threads| -> (Judgement, String) {
            let mut options = JudgeOptions::default();
            options.threads = NonZeroUsize::new(threads).expect("at least one");
            options.max_anomalies = 20;
            let judgement = judge(&history, &[], &options);
            let json = serde_json::to_string(&judgement).expect("it can be written");
            (judgement, json)
        };
        let alone = judged(1);
        for threads in THREADS {
            assert_eq!(judged(threads), alone, "{threads} threads, {workload:?}");
        }
    }
}

#[test]
fn a_search_does_not_depend_on_the_number_of_threads() {
    for workload in workloads() {
        let workload = GeneratedLoad { operations: 600, ..workload };
        let history = workload.history();
        let verdict = |threads| {
            let checker = Linearizable::new(models::Register)
                .threads(NonZeroUsize::new(threads).expect("at least one"));
            checker.check(&history, Budget { steps: 20_000 })
        };
        let alone = verdict(1);
        for threads in THREADS {
            assert_eq!(verdict(threads), alone, "{threads} threads, {workload:?}");
        }
    }
}
