use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, RngSeed, TestRunner},
};
use quarrel_checkers::{Cause, Guarantee, RunOutcome};
use quarrel_sim::{Claim, subjects};
use quarrel_strategy::strategy::AnyStrategy;

use super::{
    Bounds, Break, Exploration, Extent, PlacedFault, Reduction, Start,
    brute::brute,
    cause, explore,
    sample::schedules,
    search::search,
    shrink,
    shrink::{shown, shrink_shown},
    shrink_race,
    symmetry::Symmetry,
    walk::SearchSpace,
};
use crate::race::{Course, simulate};

type Subject = fn() -> Arc<dyn AnyStrategy>;

fn explored(subject: Subject, bounds: &Bounds) -> Exploration {
    explore(&subject, bounds).expect("the subjects use nothing but their session")
}

fn small(faults: &[PlacedFault], guarantee: Guarantee) -> Bounds {
    Bounds { writers: 1, readers: 2, faults: faults.to_vec(), guarantee, ..Bounds::default() }
}

#[test]
fn primary_only_is_linearizable_under_every_fault_but_failover() {
    let faults: Vec<_> =
        PlacedFault::all().filter(|fault| *fault != PlacedFault::Failover).collect();
    let found = explored(subjects::primary_only, &small(&faults, Guarantee::Linearizable));
    assert!(found.broken.is_none());
    assert_eq!(found.extent, Extent::Exhaustive);
    assert!(found.interleavings > 100, "{}", found.interleavings);
}

/// A strategy that answers no read, and one that acknowledges no write.
#[test]
fn a_search_in_which_nothing_was_answered_is_vacuous() {
    for silent in [subjects::reads_fail as Subject, subjects::writes_fail] {
        for guarantee in [Guarantee::Linearizable, Guarantee::MonotonicReads] {
            let found = explored(silent, &small(&[], guarantee));
            assert!(found.interleavings > 0 && found.extent == Extent::Exhaustive);
            assert_eq!(found.outcome(), RunOutcome::Vacuous, "{guarantee}");
        }
    }
    let found = explored(subjects::writes_fail, &small(&[], Guarantee::Eventual));
    assert_eq!(found.outcome(), RunOutcome::Vacuous);
    // The control: the same search of what answers.
    let found = explored(subjects::primary_only, &small(&[], Guarantee::Linearizable));
    assert!(found.outcome().is_held() && found.at_stake < found.interleavings);
}

/// Where not everything is searched, what was drawn is evidence, and no proof.
#[test]
fn what_was_only_sampled_is_undecided() {
    let bounds = Bounds { max_states: 4, samples: 50, ..small(&[], Guarantee::Linearizable) };
    let found = explored(subjects::primary_only, &bounds);
    assert!(found.at_stake > 0);
    assert_eq!(found.outcome(), RunOutcome::Undecided);
}

#[test]
fn a_lagging_replica_breaks_cache_aside_in_five_steps() {
    let bounds = Bounds::default();
    let broken = explored(subjects::cache_aside, &bounds).broken.expect("a new row is not there");
    // UPDATE, DEL, GET, SELECT replica.
    assert_eq!((broken.claim, broken.steps, broken.start), (Claim::Stale, 4, Start::Absent));
    let bounds = Bounds { starts: vec![Start::Cold, Start::Warm], ..Bounds::default() };
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
    let cases: [(Subject, &[PlacedFault], Guarantee); 6] = [
        (subjects::cache_aside, &[PlacedFault::ReplicaLag], Guarantee::Linearizable),
        (subjects::cache_aside_primary, &[], Guarantee::Linearizable),
        (subjects::write_through, &[PlacedFault::ReplicaLag], Guarantee::Linearizable),
        (subjects::cache_aside, &[PlacedFault::ReplicaLag], Guarantee::MonotonicReads),
        (subjects::cache_aside, &[PlacedFault::ReplicaLag], Guarantee::Eventual),
        (subjects::double_delete, &[PlacedFault::ReplicaLag], Guarantee::Bounded),
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
fn leaving_out_orders_that_commute_leaves_out_no_state_and_no_break() {
    let faults: [Vec<PlacedFault>; 3] =
        [vec![], vec![PlacedFault::ReplicaLag], PlacedFault::all().collect::<Vec<_>>()];
    for (subject, faults) in [subjects::cache_aside as Subject, subjects::double_delete]
        .into_iter()
        .flat_map(|subject| faults.iter().map(move |faults| (subject, faults)))
    {
        for guarantee in [Guarantee::None, Guarantee::Linearizable, Guarantee::Eventual] {
            let readers = if faults.len() > 1 { 1 } else { 2 };
            let all = Bounds { readers, ..small(faults, guarantee) };
            let found = |reduction| explored(subject, &Bounds { reduction, ..all.clone() });
            let (every, fewer) = (found(Reduction::States), found(Reduction::Orders));
            let steps = |found: &Exploration| found.broken.as_ref().map(|broken| broken.steps);
            assert_eq!(steps(&every), steps(&fewer), "{guarantee} with {faults:?}");
            if every.broken.is_none() {
                assert_eq!(every.states, fewer.states, "{guarantee} with {faults:?}");
                assert!(fewer.interleavings < every.interleavings, "{guarantee} with {faults:?}");
                assert!(fewer.interleavings > 0);
            }
        }
    }
}

#[test]
fn every_interleaving_that_running_everything_counts_is_covered() {
    // Nothing can break, so both count everything.
    for faults in [vec![], vec![PlacedFault::ReplicaLag], PlacedFault::all().collect::<Vec<_>>()] {
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
fn the_number_of_threads_changes_nothing() {
    let faults = ["replica-lag", "redis-request-lost", "client-crash"];
    let faults: Vec<PlacedFault> = faults.iter().map(|name| name.parse().unwrap()).collect();
    for (max_states, guarantee) in [
        (600, Guarantee::None),
        (300_000, Guarantee::Linearizable),
        (200, Guarantee::Eventual),
        (40, Guarantee::Linearizable),
    ] {
        for subject in [subjects::cache_aside as Subject, subjects::double_delete] {
            let told = |threads: usize| {
                let threads = threads.try_into().unwrap();
                let bounds = Bounds {
                    faults: faults.clone(),
                    max_states,
                    guarantee,
                    samples: 300,
                    threads,
                    reduction: Reduction::Orders,
                    ..Bounds::default()
                };
                let found = explored(subject, &bounds);
                let broken = found.broken.map(|broken| (broken.claim, broken.moves));
                (broken, found.interleavings, found.states, found.extent)
            };
            let one = told(1);
            assert_eq!(told(2), one);
            assert_eq!(told(5), one);
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

/// The race of the shortest break, which must be met when it is read back.
fn race_of(subject: Subject, bounds: &Bounds) -> String {
    let broken = explored(subject, bounds).broken.expect("it breaks");
    let performed = broken.course().perform(&subject, broken.claim).expect("it uses its session");
    assert!(performed.came_true, "{}", performed.race);
    let text = performed.race.to_string();
    let read = text.parse().expect("what is printed can be read");
    let run = simulate(&read, &subject, &mut |_| {}).expect("it can be performed");
    assert!(run.is_met(), "{:?}\n{text}", run.complaint());
    assert_eq!(run.claims.len(), 1, "{text}");
    text
}

#[test]
fn a_break_is_written_as_a_race_that_runs() {
    let bounds = Bounds { starts: vec![Start::Cold], ..Bounds::default() };
    insta::assert_snapshot!(race_of(subjects::cache_aside, &bounds), @r"
    key 1 = Alex, cached nowhere
    pause replica
    t=0ms Writer A: UPDATE 1 = Alice -> ok
    t=1ms Writer A: DEL 1            -> ok
    t=2ms Reader B: GET 1            -> miss
    t=3ms Reader B: SELECT replica 1 -> Alex
    t=4ms Reader B: SET 1 = Alex     -> ok   !stale
    ");
}

#[test]
fn every_kind_of_break_is_written_as_a_race_that_runs() {
    let once = |fault: PlacedFault| Bounds { faults: vec![fault], ..Bounds::default() };
    race_of(subjects::cache_aside_primary, &Bounds { faults: vec![], ..Bounds::default() });
    race_of(subjects::write_through, &Bounds { faults: vec![], ..Bounds::default() });
    for fault in [
        "redis-cut",
        "redis-request-lost",
        "late-message",
        "client-crash",
        "redis-rollback",
        "manual-sql",
    ] {
        let bounds = Bounds { starts: vec![Start::Warm], ..once(fault.parse().unwrap()) };
        let text = race_of(subjects::cache_aside_primary, &bounds);
        println!("{fault}\n{text}");
    }
    race_of(subjects::primary_only, &once(PlacedFault::Failover));
    for guarantee in [Guarantee::Bounded, Guarantee::MonotonicReads, Guarantee::ReadYourWrites] {
        let bounds = Bounds {
            guarantee,
            writers: 1,
            readers: 1,
            both: 1,
            operations: if guarantee == Guarantee::MonotonicReads { 2 } else { 1 },
            ..Bounds::default()
        };
        println!("{guarantee}\n{}", race_of(subjects::cache_aside, &bounds));
    }
}

#[test]
fn a_long_recorded_race_shrinks_to_the_shortest_break() {
    // A sample goes the long way round.
    let starts = vec![Start::Cold, Start::Warm];
    let bounds = Bounds { max_states: 2, samples: 300, writers: 3, starts, ..Bounds::default() };
    let broken = explored(subjects::cache_aside, &bounds).broken.expect("samples meet it");
    let make: &crate::race::Make<'_> = &subjects::cache_aside;
    let (course, performance) =
        shrink(make, &broken.course(), broken.claim).unwrap().expect("it came true before");
    assert_eq!(performance.race.steps(), 5, "{}", performance.race);
    assert!(course.moves.len() <= broken.moves.len());
}

#[test]
fn a_sample_is_the_same_for_the_same_seed_and_another_for_another() {
    let found = |seed| {
        let bounds = Bounds { max_states: 2, samples: 40, writers: 3, seed, ..Bounds::default() };
        explored(subjects::cache_aside, &bounds).broken.expect("samples meet it").moves
    };
    assert_eq!(found(1), found(1));
    assert!((2..10).any(|seed| found(seed) != found(1)), "eight seeds find the same");
}

fn space<'a>(
    make: &'a crate::race::Make<'a>,
    bounds: &'a Bounds,
    start: Start,
    setting: Arc<quarrel_sim::Setting>,
) -> SearchSpace<'a> {
    let symmetry = Symmetry::of(&setting.scripts);
    SearchSpace { make, bounds, start, setting, below: None, symmetry, outcomes: None }
}

/// What may come of whole executions, by a search that keeps in mind what
/// `symmetry` and the bounds say, or by running everything.
fn outcomes(
    subject: Subject,
    bounds: &Bounds,
    start: Start,
    symmetry: fn(&[Vec<quarrel_strategy::strategy::Action>]) -> Symmetry,
) -> (BTreeSet<Vec<String>>, u128, usize) {
    let setting = Arc::new(bounds.setting(&subject(), start));
    let symmetry = symmetry(&setting.scripts);
    let space = SearchSpace {
        symmetry,
        outcomes: Some(Mutex::default()),
        ..space(&subject, bounds, start, setting)
    };
    let searched = match bounds.reduction {
        Reduction::Off => brute(&space).unwrap(),
        Reduction::States | Reduction::Orders => search(&space).unwrap(),
    };
    assert!(!space.symmetry.is_broken());
    let outcomes = space.outcomes.unwrap().into_inner().unwrap();
    (outcomes, searched.interleavings, searched.states)
}

/// The oracle of every reduction: whatever can come of a small world when all
/// of it is run comes of it when it is searched, and nothing else.
#[test]
fn a_reduced_search_meets_every_outcome_that_there_is() {
    let near: &[Subject] = &[subjects::near_by_channel, subjects::near_by_tracking];
    let plain: &[Subject] =
        &[subjects::cache_aside, subjects::cache_aside_primary, subjects::write_through];
    let cases: [(&[Subject], &[&str], usize, usize); 5] = [
        (plain, &[], 1, 2),
        (plain, &["replica-lag"], 1, 2),
        (&plain[..1], &["redis-reply-lost", "client-crash"], 1, 2),
        (near, &[], 1, 2),
        (near, &["messages-lost"], 1, 1),
    ];
    let mut saved = false;
    for (these, faults, writers, readers) in cases {
        for (&subject, start) in these
            .iter()
            .flat_map(|subject| [Start::Cold, Start::Warm].map(|start| (subject, start)))
        {
            let bounds = |reduction| Bounds {
                writers,
                readers,
                faults: faults.iter().map(|fault| fault.parse().unwrap()).collect(),
                guarantee: Guarantee::None,
                reduction,
                ..Bounds::default()
            };
            let found =
                |reduction, symmetry| outcomes(subject, &bounds(reduction), start, symmetry);
            let (all, count, _) = found(Reduction::Off, Symmetry::none);
            let (plain, plain_count, plain_states) = found(Reduction::States, Symmetry::none);
            let (named, named_count, named_states) = found(Reduction::States, Symmetry::of);
            let (orders, _, order_states) = found(Reduction::Orders, Symmetry::of);
            let case = format!("{faults:?}, {writers} writers, {readers} readers, {start:?}");
            assert!(all.len() > 1, "{case}");
            assert_eq!(plain, all, "{case}");
            assert_eq!(named, all, "{case}");
            assert_eq!(orders, all, "{case}");
            assert_eq!((plain_count, named_count), (count, count), "{case}");
            assert_eq!(order_states, named_states, "{case}");
            assert!(named_states <= plain_states, "{case}");
            saved |= readers == 2 && named_states * 10 < plain_states * 7;
        }
    }
    assert!(saved, "two readers that do the same save nothing anywhere");
}

/// What breaks, as a random schedule leads to it, at its full length.
fn break_by_chance(subject: Subject, seed: u64) -> Option<Break> {
    let faults = ["replica-lag", "redis-reply-lost", "late-message", "client-crash", "manual-sql"];
    let faults = faults.iter().map(|name| name.parse().unwrap()).collect();
    let bounds = &Bounds { operations: 2, strikes: 3, faults, ..Bounds::default() };
    let start = if seed.is_multiple_of(2) { Start::Cold } else { Start::Warm };
    let setting = Arc::new(bounds.setting(&subject(), start));
    let setting_of = Arc::clone(&setting);
    let space = space(&subject, bounds, start, setting_of);
    let config = Config { rng_seed: RngSeed::Fixed(seed), ..Config::default() };
    let schedule = schedules(5).new_tree(&mut TestRunner::new(config)).unwrap().current();
    let led = schedule.follow(&space).unwrap();
    led.broken.map(|claim| Break { claim, start, setting, moves: led.moves, steps: 0 })
}

fn without_any_one_move_it_is_gone(seed: u64) -> Result<(), TestCaseError> {
    let subjects: [Subject; 3] =
        [subjects::cache_aside, subjects::write_through, subjects::double_delete];
    let subject = subjects[usize::try_from(seed % 3).unwrap()];
    let broken = break_by_chance(subject, seed);
    prop_assume!(broken.is_some());
    let broken = broken.unwrap();
    let (course, performance, why) =
        shrink_shown(&subject, &broken.course(), broken.claim, None).unwrap().unwrap();
    prop_assert!(course.moves.len() <= broken.moves.len());
    for left_out in 0..course.moves.len() {
        let mut without: Course = course.clone();
        let a_move = without.moves.remove(left_out);
        let shows = shown(&subject, broken.claim, why, &without).unwrap().is_some();
        prop_assert!(!shows, "without {a_move:?} as well:\n{}", performance.race);
    }
    let again = shrink_race(&subject, &performance.race).unwrap().unwrap();
    prop_assert_eq!(again.race.to_string(), performance.race.to_string(), "a fixed point");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..Config::default() })]

    #[test]
    fn without_any_one_move_a_shrunk_race_no_longer_shows_the_same(seed in any::<u64>()) {
        without_any_one_move_it_is_gone(seed)?;
    }
}

/// Two replays in a row are one line, and some moves are none.
#[test]
fn moves_without_a_line_of_their_own_take_no_time() {
    for seed in [14_333_665_618_421_816_010, 15_017_867_650_866_650_670] {
        without_any_one_move_it_is_gone(seed).unwrap();
    }
}

#[test]
fn causes_are_proved_by_changing_one_thing() {
    let cases: [(Subject, &[&str], Start, Cause); 7] = [
        (subjects::cache_aside, &["replica-lag"], Start::Cold, Cause::ReplicaLag),
        (subjects::cache_aside_primary, &[], Start::Cold, Cause::InFlightRefill),
        (subjects::write_through, &[], Start::Warm, Cause::WriteWriteRace),
        (subjects::cache_aside_primary, &["redis-cut"], Start::Warm, Cause::FailedInvalidation),
        (subjects::cache_aside_primary, &["manual-sql"], Start::Warm, Cause::OutOfBandChange),
        (subjects::cache_aside_primary, &["redis-rollback"], Start::Warm, Cause::ResurrectedEntry),
        (subjects::primary_only, &["failover"], Start::Cold, Cause::LostWrite),
    ];
    for (subject, faults, start, expected) in cases {
        let faults = faults.iter().map(|name| name.parse().unwrap()).collect();
        let bounds = Bounds { faults, starts: vec![start], ..Bounds::default() };
        let broken = explored(subject, &bounds).broken.expect("it breaks");
        let (course, performance) =
            shrink(&subject, &broken.course(), broken.claim).unwrap().unwrap();
        let why = cause(&subject, &course, broken.claim).unwrap();
        assert_eq!(why.cause, expected, "{why:?}\n{}", performance.race);
        assert!(why.proof().is_some(), "{why:?}\n{}", performance.race);
    }
}

#[test]
fn the_articles_race_is_a_refill_from_a_lagging_replica() {
    let bounds =
        Bounds { guarantee: Guarantee::Bounded, starts: vec![Start::Cold], ..Bounds::default() };
    let broken = explored(subjects::cache_aside, &bounds).broken.expect("it diverges");
    let course = broken.course();
    let make: &crate::race::Make<'_> = &subjects::cache_aside;
    let race = course.perform(make, broken.claim).unwrap().race;
    let found = cause(make, &course, broken.claim).unwrap().cause;
    assert_eq!((found, broken.steps), (Cause::ReplicaLagRefill, 5), "{race}");
}

/// Two readers store the same value, and the one that sent it first is the last
/// to be heard: nothing came back from anywhere.
#[test]
fn a_value_that_two_readers_stored_is_no_resurrected_entry() {
    let race = "strategy cache-aside
key 1 = Alex, cached nowhere
Reader A: GET 1              -> miss
Reader A: SELECT replica 1   -> Alex
Reader B: GET 1              -> miss
Reader B: SELECT replica 1   -> Alex
Reader B: SET 1 = Alex       -> ok
Writer C: UPDATE 1 = Alice   -> ok
Writer C: DEL 1              -> ok
Reader A: SET 1 = Alex       -> ok
Reader D: GET 1              -> Alex !stale
";
    let race = race.parse().expect("it can be read");
    let run = simulate(&race, &subjects::cache_aside, &mut |_| {}).expect("it can be performed");
    assert!(run.is_met(), "{:?}", run.complaint());
    let shrunk = shrink_race(&subjects::cache_aside, &race).unwrap().expect("it shows it");
    assert_eq!(shrunk.cause, Cause::InFlightRefill, "{}", shrunk.race);
}
