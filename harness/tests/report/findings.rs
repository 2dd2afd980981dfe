//! A report says of single reads what the verdict counts.

use std::time::Duration;

use quarrel_checkers::{
    Class, History, JudgeOptions, Kind, Verdict,
    generate::{GeneratedLoad, Random, Store},
    judge_reads,
};
use quarrel_harness::{judge::judge_with, report::View};

use crate::example;

/// A history of a store that is stale now and then, whose numbers are lost in
/// part, come from several timelines, or are missing.
fn history(seed: u64) -> History {
    let mut random = Random::seeded(seed);
    let stores = [
        Store::Linearizable,
        Store::Replica { lag_ns: 30_000 },
        Store::Lossy { lost_permille: 50 },
        Store::OneStaleRead { from: 40 },
    ];
    let mut history = GeneratedLoad {
        operations: 120,
        clients: 4,
        keys: 1 + random.below(4),
        indeterminate_permille: 50,
        store: stores[random.below(4) as usize],
        seed,
        ..GeneratedLoad::default()
    }
    .history();
    let (kept, failover) = (random.below(3) * 500, random.below(240));
    for event in history.events.iter_mut().filter(|event| event.kind != Kind::Invoke) {
        if !random.permille(kept) {
            event.op.version = None;
        }
        if event.index.0 > failover && seed.is_multiple_of(2) {
            event.timeline = Some(2);
        }
    }
    history
}

#[test]
fn what_rows_say_is_what_the_verdict_counts() {
    let scratch = tempfile::tempdir().unwrap();
    let (mut run, _) = example::refill(scratch.path(), "Alex", "Alice");
    let (mut stale_runs, mut clean_runs) = (0, 0);
    for seed in 0..200 {
        run.history = history(seed).into();
        let verdict = judge_with(&run, "linearizable".parse().unwrap(), Verdict::valid());
        let view = View::new(&run, &verdict);
        let stale: Vec<Duration> = view.rows.iter().filter_map(|row| row.stale).collect();
        let metrics = &verdict.metrics;
        assert_eq!(stale.len() as u64, metrics.stale_reads, "seed {seed}");
        let worst = stale.iter().max().copied().unwrap_or_default();
        assert_eq!(worst, metrics.worst_staleness, "seed {seed}");
        let (judgement, reads) = judge_reads(&run.history, &[], &JudgeOptions::default(), &[]);
        let count = |is: fn(&quarrel_checkers::ReadFinding) -> bool| {
            reads.iter().filter(|read| is(read)).count() as u64
        };
        let metrics = &judgement.metrics;
        assert_eq!(reads.len() as u64, metrics.reads, "seed {seed}");
        assert_eq!(count(|read| read.class == Some(Class::StaleRead)), metrics.stale_reads);
        assert_eq!(count(|read| read.is_at_risk), metrics.reads_at_risk, "seed {seed}");
        let behind = reads.iter().filter_map(|read| read.versions_behind).max();
        assert_eq!(behind.unwrap_or(0), metrics.max_versions_behind.unwrap_or(0), "seed {seed}");
        *if stale.is_empty() { &mut clean_runs } else { &mut stale_runs } += 1;
    }
    assert!(stale_runs > 50 && clean_runs > 20, "{stale_runs} stale, {clean_runs} not");
}
