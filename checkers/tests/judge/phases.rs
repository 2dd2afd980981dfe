use std::time::Duration;

use proptest::prelude::*;
use quarrel_checkers::{JudgeOptions, Metrics, Phase, Time, judge_phases, notation};

const DRAWING: &str = "
    A: [w1@1] [w2@2]                [w3@3]
    B:                 [r1]  [r2@2]          [r2]  [r1]
";

fn phase(name: &str, from: u64, to: u64) -> Phase {
    Phase { name: name.to_owned(), from: Time::from_millis(from), to: Time::from_millis(to) }
}

fn metrics(phases: &[Phase]) -> Metrics {
    let history = notation::parse(DRAWING).expect("the drawing is well-formed");
    judge_phases(&history, &[], &JudgeOptions::default(), phases).metrics
}

#[test]
fn a_read_belongs_to_the_phase_in_which_it_began() {
    let phases = [phase("calm", 0, 19), phase("lag", 19, 42), phase("calm", 42, 1_000)];
    let found = metrics(&phases).phases;
    let told: Vec<_> = found
        .iter()
        .map(|phase| (phase.name.as_str(), phase.reads, phase.stale_reads, phase.staleness.max))
        .collect();
    // The reads begin at 18, 24, 40 and 46; newer values are there from 14 and 36.
    let ms = Duration::from_millis;
    assert_eq!(told, [("calm", 2, 2, ms(32)), ("lag", 2, 1, ms(4))]);
    assert_eq!(found[0].length, ms(19 + 958));
    // Both stale values were older than what the session had read before.
    assert_eq!(found[0].sessions.monotonic_reads, 1);
}

#[test]
fn nothing_is_counted_outside_phases_and_nothing_without() {
    assert_eq!(metrics(&[phase("late", 900, 901)]).phases[0].reads, 0);
    assert!(metrics(&[]).phases.is_empty());
    // The first read begins at 18.
    let reads = |from, to| metrics(&[phase("one", from, to)]).phases[0].reads;
    assert_eq!([reads(17, 18), reads(18, 19), reads(19, 20)], [0, 1, 0]);
}

proptest! {
    /// Phases that cover everything, however they are cut, add up to the whole.
    #[test]
    fn phases_add_up(cuts in proptest::collection::btree_set(1_u64..60, 0..8)) {
        let edges: Vec<u64> = [0].into_iter().chain(cuts).chain([1_000]).collect();
        let phases: Vec<Phase> = edges
            .windows(2)
            .enumerate()
            .map(|(at, edge)| phase(["calm", "lag", "cut"][at % 3], edge[0], edge[1]))
            .collect();
        let whole = metrics(&phases);
        let sum = |of: fn(&quarrel_checkers::PhaseMetrics) -> u64| -> u64 {
            whole.phases.iter().map(of).sum()
        };
        prop_assert_eq!(sum(|phase| phase.reads), whole.reads);
        prop_assert_eq!(sum(|phase| phase.reads_at_risk), whole.reads_at_risk);
        prop_assert_eq!(sum(|phase| phase.stale_reads), whole.stale_reads);
        prop_assert_eq!(sum(|phase| phase.stale_misses), whole.stale_misses);
        prop_assert_eq!(sum(|phase| phase.sessions.total()), whole.sessions.total());
        let worst = whole.phases.iter().map(|phase| phase.staleness.max).max();
        prop_assert_eq!(worst, Some(whole.worst_staleness));
    }
}
