//! The cause of an anomaly is read off the steps.

use quarrel_checkers::Cause;

use crate::example::{Told, read, run, write};

/// The cause of the first anomaly; none if nothing is wrong.
fn cause(told: Vec<Told>) -> Option<Cause> {
    let scratch = tempfile::tempdir().expect("a folder");
    let (_, verdict) = run(scratch.path(), told, &[]);
    verdict.anomalies.first().and_then(|anomaly| anomaly.cause)
}

#[test]
fn the_older_writer_comes_last_to_the_cache() {
    let told = vec![
        write(0, 1, "Alice", (0, 20)).update((0, 1), 1).set((9, 10)),
        write(1, 2, "Alicia", (2, 6)).update((2, 3), 2).set((4, 5)),
        read(2, 1, "Alice", (30, 31)).hit((30, 31)),
    ];
    assert_eq!(cause(told), Some(Cause::WriteWriteRace));
}

/// Both calls are under way at once: only the entry tells which came last.
#[test]
fn writers_whose_calls_overlap_race_too() {
    let told = vec![
        write(0, 1, "Alice", (0, 20)).update((0, 1), 1).set((4, 10)),
        write(1, 2, "Alicia", (2, 12)).update((2, 3), 2).set((6, 11)),
        read(2, 1, "Alice", (30, 31)).hit((30, 31)),
    ];
    assert_eq!(cause(told), Some(Cause::WriteWriteRace));
}

#[test]
fn a_write_that_leaves_the_cache_alone_forgot_it() {
    let told = vec![
        write(0, 1, "Alice", (0, 5)).update((0, 1), 1).set((2, 3)),
        write(1, 2, "Alicia", (6, 9)).update((6, 7), 2),
        read(2, 1, "Alice", (30, 31)).hit((30, 31)),
    ];
    assert_eq!(cause(told), Some(Cause::ForgottenInvalidation));
}

#[test]
fn a_miss_that_was_under_way_refills_without_lag() {
    let told = vec![
        write(0, 1, "Alice", (0, 3)).update((0, 1), 1).del((2, 3)),
        read(1, 1, "Alice", (4, 20)).miss((4, 5)).select_replica((6, 7), 1).set((18, 19)),
        write(0, 2, "Alicia", (8, 12)).update((8, 9), 2).del((10, 11)),
        read(2, 1, "Alice", (30, 31)).hit((30, 31)),
    ];
    assert_eq!(cause(told), Some(Cause::InFlightRefill));
}

#[test]
fn a_relay_that_has_not_come_yet_leaves_the_invalidation_pending() {
    let told = |relay: (u64, u64)| {
        vec![
            write(0, 1, "Alice", (0, 5)).update((0, 1), 1).set((2, 3)),
            write(1, 2, "Alicia", (6, 9)).update((6, 7), 2).relayed(relay),
            read(2, 1, "Alice", (30, 31)).hit((30, 31)),
        ]
    };
    assert_eq!(cause(told((40, 41))), Some(Cause::PendingInvalidation));
    let mut failed = told((10, 11));
    failed[1] = write(1, 2, "Alicia", (6, 9)).update((6, 7), 2).relayed((10, 11)).failed();
    assert_eq!(cause(failed), Some(Cause::FailedInvalidation));
    // It deleted the entry, and there the entry is again.
    assert_eq!(cause(told((10, 11))), Some(Cause::ResurrectedEntry));
}

#[test]
fn a_write_that_others_saw_before_its_own_delete_is_pending() {
    let told = vec![
        write(0, 1, "Alice", (0, 5)).update((0, 1), 1).set((2, 3)),
        write(1, 2, "Alicia", (6, 40)).update((6, 7), 2).del((38, 39)),
        read(2, 2, "Alicia", (10, 11)).select_replica((10, 11), 2),
        read(3, 1, "Alice", (30, 31)).hit((30, 31)),
    ];
    assert_eq!(cause(told), Some(Cause::PendingInvalidation));
}

#[test]
fn a_near_entry_outlives_the_change_or_was_copied_stale() {
    let late = vec![
        write(0, 1, "Alice", (0, 5)).update((0, 1), 1).set((2, 3)),
        read(2, 1, "Alice", (6, 7)).hit((6, 7)),
        write(1, 2, "Alicia", (8, 12)).update((8, 9), 2).del((10, 11)),
        read(2, 1, "Alice", (30, 31)).near((30, 31)),
    ];
    assert_eq!(cause(late), Some(Cause::NearCacheNotTold));
    // What was copied into the near cache was stale before.
    let refilled = vec![
        write(0, 1, "Alice", (0, 3)).update((0, 1), 1).del((2, 3)),
        write(1, 2, "Alicia", (8, 12)).update((8, 9), 2).del((10, 11)),
        read(2, 1, "Alice", (14, 20)).miss((14, 15)).select_replica((16, 17), 1).set((18, 19)),
        read(3, 1, "Alice", (21, 22)).hit((21, 22)),
        read(3, 1, "Alice", (30, 31)).near((30, 31)),
    ];
    assert_eq!(cause(refilled), Some(Cause::ReplicaLagRefill));
}
