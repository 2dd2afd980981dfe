//! What sessions may expect, where values have no versions or only some have.

use quarrel_checkers::{Guarantee, Validity};

use crate::{judged, told};

#[test]
fn without_versions_real_time_orders_what_a_session_saw() {
    let read_back = "A: [w1] [w2]
                     B:            [r2] [r1]";
    let judgement = judged(read_back, &[]);
    assert_eq!(judgement.metrics.sessions.monotonic_reads, 1);
    assert_eq!(judgement.metrics.sessions.total(), 1);
    assert!(
        told(&judgement).contains(
            &"non-monotonic-read: key 0: process 1 had read 2 and 2.0 ms later read 1, which is \
              older"
                .to_owned()
        ),
        "{:?}",
        told(&judgement)
    );
    let own_write = "A: [w1] [w2] [r1]
                     B:            [r2]";
    assert_eq!(judged(own_write, &[]).metrics.sessions.read_your_writes, 1);
}

/// Neither write surely replaced the other: something is wrong, and nobody
/// knows with which session.
#[test]
fn writes_at_the_same_time_leave_open_what_a_session_saw() {
    for first in ["w1", "w1@1"] {
        let drawing = format!(
            "A: [{first}     ]
             C: [w2       ]
             B:             [r2] [r1]"
        );
        let judgement = judged(&drawing, &[]);
        assert_eq!(judgement.metrics.sessions.total(), 0, "{first}");
        let validity = |guarantee| judgement.validity(guarantee);
        assert_eq!(validity(Guarantee::Linearizable), Validity::Invalid, "{first}");
        assert_eq!(validity(Guarantee::MonotonicReads), Validity::Unknown, "{first}");
        assert_eq!(validity(Guarantee::Sequential), Validity::Unknown, "{first}");
    }
}
