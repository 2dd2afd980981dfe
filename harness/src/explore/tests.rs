use std::sync::Arc;

use quarrel_checkers::Guarantee;

use super::{Bounds, Exploration, Extent, Fault, Reduction, Start, explore};
use crate::{
    sim::{Claim, subjects},
    strategy::AnyStrategy,
};

type Subject = fn() -> Arc<dyn AnyStrategy>;

fn explored(subject: Subject, bounds: &Bounds) -> Exploration {
    explore(&subject, bounds).expect("the subjects use nothing but their session")
}

fn small(faults: &[Fault], guarantee: Guarantee) -> Bounds {
    Bounds { writers: 1, readers: 2, faults: faults.to_vec(), guarantee, ..Bounds::default() }
}

#[test]
fn primary_only_is_linearizable_under_every_fault_but_failover() {
    let faults: Vec<_> = Fault::all().filter(|fault| *fault != Fault::Failover).collect();
    let found = explored(subjects::primary_only, &small(&faults, Guarantee::Linearizable));
    assert!(found.broken.is_none());
    assert_eq!(found.extent, Extent::Exhaustive);
    assert!(found.interleavings > 100, "{}", found.interleavings);
}

#[test]
fn a_lagging_replica_breaks_cache_aside_in_five_steps() {
    let bounds = Bounds::default();
    let broken = explored(subjects::cache_aside, &bounds).broken.expect("the article's case");
    // UPDATE, DEL, GET, SELECT replica, SET.
    assert_eq!((broken.claim, broken.steps, broken.start), (Claim::Stale, 5, Start::Cold));
}

#[test]
fn an_in_flight_refill_breaks_cache_aside_without_lag() {
    let bounds = Bounds { faults: Vec::new(), ..Bounds::default() };
    let broken = explored(subjects::cache_aside_primary, &bounds).broken.expect("no lag needed");
    // GET, SELECT, UPDATE, DEL, SET, GET.
    assert_eq!((broken.claim, broken.steps), (Claim::Stale, 6));
}

#[test]
fn one_writer_cannot_break_write_through_without_readers_refilling() {
    let bounds = Bounds { faults: Vec::new(), starts: vec![Start::Warm], ..Bounds::default() };
    let broken = explored(subjects::write_through, &bounds).broken.expect("two writers race");
    // UPDATE, UPDATE, SET, SET, GET.
    assert_eq!(broken.steps, 5);
    let alone = Bounds { writers: 1, ..bounds };
    assert!(explored(subjects::write_through, &alone).broken.is_none());
}

#[test]
fn searching_states_finds_what_running_everything_finds() {
    let cases: [(Subject, &[Fault], Guarantee); 6] = [
        (subjects::cache_aside, &[Fault::ReplicaLag], Guarantee::Linearizable),
        (subjects::cache_aside_primary, &[], Guarantee::Linearizable),
        (subjects::write_through, &[Fault::ReplicaLag], Guarantee::Linearizable),
        (subjects::cache_aside, &[Fault::ReplicaLag], Guarantee::MonotonicReads),
        (subjects::cache_aside, &[Fault::ReplicaLag], Guarantee::Eventual),
        (subjects::double_delete, &[Fault::ReplicaLag], Guarantee::Bounded),
    ];
    for (subject, faults, guarantee) in cases {
        let bounds = small(faults, guarantee);
        let quick = explored(subject, &bounds);
        let slow = explored(subject, &Bounds { reduction: Reduction::Off, ..bounds });
        let steps = |found: &Exploration| found.broken.as_ref().map(|broken| broken.steps);
        assert_eq!(steps(&quick), steps(&slow), "{guarantee} with {faults:?}");
        if quick.broken.is_none() {
            assert_eq!(quick.interleavings, slow.interleavings, "{guarantee} with {faults:?}");
        }
    }
}

#[test]
fn every_interleaving_that_running_everything_counts_is_covered() {
    // Nothing can break, so both count everything.
    for faults in [vec![], vec![Fault::ReplicaLag], Fault::all().collect::<Vec<_>>()] {
        let bounds = Bounds {
            writers: 1,
            readers: 1,
            faults,
            guarantee: Guarantee::None,
            ..Bounds::default()
        };
        for subject in [subjects::cache_aside as Subject, subjects::double_delete] {
            let quick = explored(subject, &bounds);
            let slow = explored(subject, &Bounds { reduction: Reduction::Off, ..bounds.clone() });
            assert_eq!(quick.interleavings, slow.interleavings, "{:?}", bounds.faults);
            assert!(quick.interleavings > 10);
        }
    }
}

#[test]
fn a_bound_on_states_is_admitted_and_sampling_goes_on() {
    let bounds = Bounds { max_states: 20, samples: 5_000, ..Bounds::default() };
    let found = explored(subjects::cache_aside, &bounds);
    assert!(matches!(found.extent, Extent::Sampled { samples: 5_000, .. }));
    assert!(found.broken.is_some(), "5,000 samples meet the article's case");
}
