//! By time, what ends when something else begins is concurrent with it: of two
//! events at one instant nobody knows the order, so that nothing is proved.

use quarrel_checkers::{
    Guarantee, History, JudgeOptions, Judgement, Kind, Op, Order, Probe, ProbePhase, Process, Site,
    Time, Validity, judge,
};

/// Writes and reads of one key: process, value, version, begin and end.
enum Ran {
    Write(u64, i64, Option<u64>, u64, u64),
    Read(u64, i64, Option<u64>, u64, u64),
}

use Ran::{Read, Write};

fn by_time(ran: &[Ran], probes: &[Probe]) -> Judgement {
    let mut events = Vec::new();
    for one in ran {
        let (process, asked, answered, begin, end) = match *one {
            Write(process, value, version, begin, end) => {
                let op = Op::write(1, value);
                (process, op.clone(), Op { version, ..op }, begin, end)
            }
            Read(process, value, version, begin, end) => {
                let answered = Op { version, ..Op::read(1).returning(value) };
                (process, Op::read(1), answered, begin, end)
            }
        };
        events.push((begin, process, Kind::Invoke, asked));
        events.push((end, process, Kind::Ok, answered));
    }
    // What ends stands before what begins in the same instant: by the order of
    // lines alone it would have ended before.
    events.sort_by_key(|(time, _, kind, _)| (*time, *kind == Kind::Invoke));
    let mut history = History::default();
    for (time, process, kind, op) in events {
        history.push(Time(time), Process::Client(process), kind, op, None);
    }
    let mut options = JudgeOptions::default();
    options.order = Order::Time;
    judge(&history, probes, &options)
}

/// Whether it is linearizable when the second begins a moment after the first
/// ended, and when it begins as that ends.
fn valid_apart_and_at_once(history: impl Fn(u64) -> Vec<Ran>) -> [bool; 2] {
    [6, 5].map(|begin| {
        let judgement = by_time(&history(begin), &[]);
        judgement.validity(Guarantee::Linearizable) == Validity::Valid
    })
}

#[test]
fn a_lower_version_given_at_once_is_no_lie() {
    let misordered = |begin| vec![Write(0, 1, Some(2), 0, 5), Write(1, 2, Some(1), begin, 9)];
    assert_eq!(valid_apart_and_at_once(misordered), [false, true]);
}

#[test]
fn a_value_read_as_its_write_begins_may_be_that() {
    let future = |begin| vec![Read(0, 1, None, 0, 5), Write(1, 1, None, begin, 9)];
    assert_eq!(valid_apart_and_at_once(future), [false, true]);
}

#[test]
fn a_read_that_begins_as_a_write_ends_is_not_at_risk() {
    let at_risk = |begin| {
        by_time(&[Write(0, 1, None, 0, 5), Read(1, 1, None, begin, 9)], &[]).metrics.reads_at_risk
    };
    assert_eq!([6, 5].map(at_risk), [1, 0]);
}

#[test]
fn a_version_acknowledged_as_the_read_begins_is_not_missed() {
    let behind = |end| {
        let ran = [
            Write(0, 1, Some(1), 0, 1),
            Write(0, 2, Some(2), 2, 3),
            Write(0, 3, Some(3), 4, end),
            Read(1, 1, Some(1), 8, 9),
        ];
        by_time(&ran, &[]).metrics.max_versions_behind
    };
    assert_eq!([7, 8].map(behind), [Some(2), Some(1)]);
}

#[test]
fn a_write_that_begins_as_another_ends_need_not_have_replaced_it() {
    let replaced = |begin| {
        vec![Write(0, 1, None, 0, 5), Write(1, 2, None, begin, 9), Read(2, 1, None, 11, 12)]
    };
    assert_eq!(valid_apart_and_at_once(replaced), [false, true]);
    let sessions = |begin| {
        let ran = [
            Write(0, 1, None, 0, 5),
            Write(1, 2, None, begin, 9),
            Read(2, 2, None, 10, 11),
            Read(2, 1, None, 12, 13),
        ];
        by_time(&ran, &[]).metrics.sessions.monotonic_reads
    };
    assert_eq!([6, 5].map(sessions), [1, 0]);
}

#[test]
fn a_write_that_begins_as_the_held_one_ends_is_not_lost() {
    let lost = |begin| {
        let primary = Probe {
            start: Time(20),
            end: Time(21),
            site: Site::Primary,
            key: 1.into(),
            value: 1.into(),
            version: 0,
            phase: ProbePhase::Final,
        };
        let ran = [Write(0, 1, None, 0, 5), Write(1, 2, None, begin, 9)];
        by_time(&ran, &[primary]).metrics.lost_updates
    };
    assert_eq!([6, 5].map(lost), [1, 0]);
}
