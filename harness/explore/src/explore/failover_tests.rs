//! After a failover numbers are given again: what orders the writes of random
//! executions, and what orders nothing.

use std::sync::Arc;

use proptest::{
    strategy::{Strategy as _, ValueTree as _},
    test_runner::{Config, RngSeed, TestRunner},
};
use quarrel_checkers::{F, Guarantee, History, Kind, Version};
use quarrel_run::judge::CauseEvidence;
use quarrel_sim::{Claim, subjects};
use quarrel_strategy::strategy::AnyStrategy;

use super::{Bounds, Break, KEY, Start, sample::schedules, symmetry::Symmetry, walk::SearchSpace};
use crate::race::Aim;

type Subject = fn() -> Arc<dyn AnyStrategy>;

/// What clients saw of an execution with a failover, as a random schedule leads
/// to it.
fn history(subject: Subject, seed: u64) -> History {
    let faults = vec![super::PlacedFault::ReplicaLag, super::PlacedFault::Failover];
    let bounds = &Bounds { operations: 3, faults, guarantee: Guarantee::None, ..Bounds::default() };
    let setting = Arc::new(bounds.setting(&subject(), Start::Cold));
    let symmetry = Symmetry::none(&setting.scripts);
    let space = SearchSpace {
        make: &subject,
        bounds,
        start: Start::Cold,
        setting: Arc::clone(&setting),
        below: None,
        symmetry,
        outcomes: None,
    };
    let config = Config { rng_seed: RngSeed::Fixed(seed), ..Config::default() };
    let schedule = schedules(5).new_tree(&mut TestRunner::new(config)).unwrap().current();
    let moves = schedule.follow(&space).unwrap().moves;
    let whole = Break { claim: Claim::Stale, start: Start::Cold, setting, moves, steps: 0 };
    let never = Aim { counts: &|_, _| false, ..Aim::at(Claim::Stale) };
    whole.course().perform_until(&subject, never).unwrap().history
}

/// By its number alone a write that was acknowledged after another seems the
/// older of the two, or the same, wherever a failover lost the first: that such
/// pairs are met is part of the test.
#[test]
fn versions_order_writes_as_time_does_whatever_a_failover_lost() {
    let (mut given_again, mut read_again) = (0, 0);
    let subjects: [Subject; 3] =
        [subjects::primary_only, subjects::cache_aside_primary, subjects::write_through];
    for (seed, subject) in (0..120).flat_map(|seed| subjects.map(|subject| (seed, subject))) {
        let history = history(subject, seed);
        let evidence = CauseEvidence::new(&history).expect("what was performed pairs");
        let ended = evidence.operations().iter().filter_map(|operation| {
            let end = &history.events[operation.complete?.position()];
            let version = evidence.version_on(operation, KEY)?;
            (end.kind == Kind::Ok).then_some((operation, end, version))
        });
        let (reads, writes): (Vec<_>, Vec<_>) = ended.partition(|(_, end, _)| end.op.f == F::Read);
        for (first, end, older) in &writes {
            for (second, _, newer) in &writes {
                if first.complete.is_some_and(|end| end < second.invoke) {
                    assert!(older < newer, "{older} and {newer}, seed {seed}: {history:?}");
                    given_again += usize::from(older.number >= newer.number);
                }
            }
            for (_, read, version) in &reads {
                if read.op.value == end.op.value {
                    assert_eq!(version, older, "seed {seed}: {history:?}");
                    let is_another = |it: &&Version| it.number == older.number && **it != *older;
                    read_again += writes.iter().map(|(_, _, it)| it).filter(is_another).count();
                }
            }
        }
    }
    assert!(given_again > 10, "only {given_again} pairs of writes tell numbers from versions");
    assert!(read_again > 10, "only {read_again} reads do");
}
