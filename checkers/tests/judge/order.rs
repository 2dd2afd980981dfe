//! Which value is newer: by version, whoever tells it, and by real time.

use std::time::Duration;

use quarrel_checkers::{Guarantee, Index, Validity};

use crate::{judged, told};

#[test]
fn a_write_ordered_before_what_had_been_seen_is_illegal() {
    let judgement = judged(
        "A: [w1@2]
         B:         [w2@1]",
        &[],
    );
    let rung = judgement.rung(Guarantee::Linearizable);
    assert_eq!(rung.validity, Validity::Invalid);
    assert_eq!(rung.reason, "1 write ordered before what had been seen");
    assert_eq!(
        told(&judgement),
        ["not-linearizable: key 0: process 1 wrote 2 (version 1), though 1 (version 2) had been \
          seen 3.0 ms before this write began"]
    );
    assert_eq!(judgement.anomalies[0].witness, [0, 1, 2, 3].map(Index));
    let at_once = judged(
        "A: [w1@2]
         B:   [w2@1]",
        &[],
    );
    assert_eq!(at_once.validity(Guarantee::Linearizable), Validity::Valid);
}

/// A failover lost 3: the numbers go on from 1, and 3 is older than 2.
#[test]
fn a_lost_write_is_older_than_the_first_of_the_next_timeline() {
    let stale = |first: &str, second: &str, read: &str| {
        let drawing = format!(
            "A: [w1@1] [{first}    ]
             B:                   [{second}    ] [{read}]"
        );
        let judgement = judged(&drawing, &[]);
        (judgement.metrics.stale_reads, judgement.metrics.sessions.read_your_writes)
    };
    for (first, second) in [("w3@3", "w2@2t2"), ("w3@3", "w2@2"), ("w3", "w2"), ("w3@2", "w2@2")] {
        assert_eq!(stale(first, second, "r3@3"), (1, 1), "{first} {second}");
        assert_eq!(stale(first, second, "r2@2"), (0, 0), "{first} {second}");
    }
}

/// 2 is only ever read: where its write would have happened says which timeline
/// its number is of.
#[test]
fn a_write_of_unknown_outcome_has_the_timeline_on_which_it_was_tried() {
    let stale = |unknown: &str| {
        let drawing = format!(
            "A: [w1@1] [w3@3]
             B:   [{unknown}        ]
             D:                       [w4@3t2] [r2@2]"
        );
        judged(&drawing, &[]).metrics
    };
    assert_eq!(stale("w2@t1?").stale_reads, 1);
    assert_eq!(stale("w2@t2?").max_versions_behind, Some(1));
    assert_eq!(stale("w2?").stale_reads, 0, "its write may have come last");
}

/// The second write has no answer, and so no version but what a read tells.
#[test]
fn a_read_tells_the_version_of_a_write_without_answer() {
    let judgement = judged(
        "A: [w1@1  ]
         C: [w2?   ]
         B:           [r2@2]
         D:                    [r2] [r1]",
        &[],
    );
    assert_eq!(judgement.metrics.sessions.monotonic_reads, 1);
    assert_eq!(judgement.metrics.stale_reads, 1);
}

#[test]
fn a_write_knows_its_version_better_than_its_readers() {
    let judgement = judged(
        "A: [w1@1] [w2@2]
         B:                 [r1@9]
         C:                         [r1]",
        &[],
    );
    let stale = judgement.anomalies.iter().filter(|a| a.explanation.contains("read 1 (version 1)"));
    assert_eq!(stale.count(), 2, "{:?}", told(&judgement));
}

/// The write that began first after the old value ended late; one that began
/// later had ended when the read began.
#[test]
fn whatever_ended_first_proves_that_a_value_was_overwritten() {
    let judgement = judged(
        "A: [w1]
         B:       [w2               ]
         E:         [w4               ]
         C:          [w3]
         D:                  [r1]",
        &[],
    );
    assert_eq!(judgement.metrics.stale_reads, 1);
    assert_eq!(judgement.metrics.worst_staleness, Duration::from_millis(5));
    let told = told(&judgement);
    assert!(told[0].contains("which was overwritten by 3, acknowledged 5.0 ms"), "{told:?}");
}

/// What was deleted has a version, and what never was there has none.
#[test]
fn nothing_is_told_with_its_version_where_it_has_one() {
    let read = |drawing: &str| {
        let mut judgement = judged(drawing, &[]);
        judgement.anomalies.remove(0).explanation
    };
    let deleted = "A: [w1@1] [w nil@2] [w3@3]
                   B:                           [r nil@2]";
    assert!(read(deleted).contains("read nothing (version 2), which was overwritten by 3"));
    let absent = "A: [w1@1]
                  B:           [r nil]";
    assert!(read(absent).contains("read nothing, which was overwritten by 1 (version 1)"));
}

/// The read of 2 began before its write did: only when that began tells that 2
/// came after 1.
#[test]
fn a_witness_has_the_write_that_tells_which_value_came_first() {
    let judgement = judged(
        "A: [w1]               [r1]
         B:  [r2       ]
         C:         [w2                  ]",
        &[],
    );
    assert_eq!(judgement.anomalies.len(), 1, "{:?}", told(&judgement));
    assert_eq!(judgement.anomalies[0].witness, [0, 1, 2, 3, 4, 5, 6, 7].map(Index));
}
