//! Against the definition: a small history is serializable iff some order of
//! its transactions explains every read, strictly so iff one in real time does.

use quarrel_checkers::{
    Budget, Checker, Class, Kind, Validity, Verdict,
    generate::Random,
    transactions::{Expected, ListAppend, RwRegister},
};

use crate::{
    histories::histories,
    small::{List, Micro, Order, Shape, Small},
};

const EXPECTED: [(Expected, Order); 2] =
    [(Expected::Serializable, Order::Any), (Expected::StrictSerializable, Order::RealTime)];

#[test]
fn small_lists_are_valid_iff_an_order_explains_them() {
    let total = histories(500_000);
    for (expected, order) in EXPECTED {
        let mut valid = 0;
        for seed in 0..total {
            let small = Small::random(Shape::Lists, &mut Random::seeded(seed));
            let history = small.history();
            let verdict = ListAppend::expecting(expected).check(&history, Budget::default());
            let is_legal = small.has_order(order);
            assert_eq!(
                verdict.validity == Validity::Valid,
                is_legal,
                "seed {seed}, {order:?}: {small:#?}: {:#?}",
                verdict.anomalies
            );
            valid += u64::from(is_legal);
            minimal(&small, &verdict, seed);
        }
        // Otherwise the test would say little.
        assert!((total / 50..total / 2).contains(&valid), "{valid} valid");
    }
}

/// Of registers less can be inferred, so that only convictions are exact; but
/// most of what is wrong must be found.
#[test]
fn small_registers_are_convicted_only_if_no_order_explains_them() {
    let total = histories(500_000);
    for (expected, order) in EXPECTED {
        let (mut illegal, mut convicted) = (0, 0);
        for seed in 0..total {
            let small = Small::random(Shape::Registers, &mut Random::seeded(seed));
            let history = small.history();
            let verdict = RwRegister::expecting(expected).check(&history, Budget::default());
            let is_legal = small.has_order(order);
            if verdict.validity == Validity::Invalid {
                convicted += 1;
                assert!(!is_legal, "seed {seed}, {order:?}: {small:#?}: {:#?}", verdict.anomalies);
            }
            illegal += u64::from(!is_legal);
        }
        assert!(illegal > total / 4, "{illegal} illegal");
        assert!(convicted > illegal * 6 / 10, "{convicted} of {illegal} illegal ones convicted");
    }
}

/// Whether one transaction directly depends on another: it wrote or read the
/// next version, or began after it had ended.
fn depends(small: &Small, from: usize, to: usize, order: Order) -> bool {
    if from == to {
        return false;
    }
    let (first, second) = (&small.ran[from], &small.ran[to]);
    if order == Order::RealTime && first.kind == Kind::Ok && first.end < second.begin {
        return true;
    }
    (0..2).any(|key| {
        let reads = |at: usize| {
            let ran = &small.ran[at];
            ran.micros.iter().filter_map(move |micro| match *micro {
                Micro::Read(k, list) if k == key && ran.kind == Kind::Ok => Some(list),
                _ => None,
            })
        };
        let writes = |at: usize, item: u8| small.ran[at].micros.contains(&Micro::Write(key, item));
        let longest = longest(small, key);
        // What nobody read comes behind all that somebody did, if it happened.
        let is_unread = |at: usize| {
            has_happened(small, at)
                && small.ran[at].micros.iter().any(|micro| {
                    matches!(*micro, Micro::Write(k, n) if k == key && !longest.items().contains(&n))
                })
        };
        let is_next = |length: usize| match longest.items().get(length) {
            Some(&next) => writes(to, next),
            None => is_unread(to),
        };
        let own = |at: usize, item: u8| writes(at, item);
        let read = |at: usize| {
            // Without what it had written itself, which stands at the end.
            reads(at).map(move |list| {
                let tail = list.items().iter().rev().take_while(|n| own(at, **n)).count();
                list.length - tail
            })
        };
        let overwrote = (0..longest.length)
            .any(|place| writes(from, longest.items[place]) && is_next(place + 1));
        let saw = read(to).any(|length| length > 0 && writes(from, longest.items[length - 1]));
        let missed = read(from).any(is_next);
        overwrote || saw || missed
    })
}

fn longest(small: &Small, key: usize) -> List {
    let certain = small.ran.iter().filter(|ran| ran.kind == Kind::Ok);
    let lists = certain.flat_map(|ran| &ran.micros).filter_map(|micro| match *micro {
        Micro::Read(k, list) if k == key => Some(list),
        _ => None,
    });
    lists.max_by_key(|list| list.length).unwrap_or_default()
}

/// Whether it was acknowledged, or something that it wrote was read.
fn has_happened(small: &Small, at: usize) -> bool {
    let ran = &small.ran[at];
    let is_read = |micro: &Micro| matches!(*micro, Micro::Write(key, n) if longest(small, key).items().contains(&n));
    ran.kind == Kind::Ok || ran.kind == Kind::Info && ran.micros.iter().any(is_read)
}

/// A cycle that is reported is one, and without any of its members none.
fn minimal(small: &Small, verdict: &Verdict, seed: u64) {
    // Reads that contradict themselves or each other say nothing of order.
    let is_odd =
        |class| matches!(class, Class::Internal | Class::IncompatibleOrder | Class::PhantomRead);
    if verdict.anomalies.iter().any(|anomaly| is_odd(anomaly.class)) {
        return;
    }
    for anomaly in &verdict.anomalies {
        let order = match anomaly.class {
            Class::G0 | Class::G1c | Class::GSingle | Class::G2 => Order::Any,
            Class::G0Realtime | Class::G1cRealtime | Class::GSingleRealtime | Class::G2Realtime => {
                Order::RealTime
            }
            _ => continue,
        };
        let is_member = |at: &usize| anomaly.witness.iter().any(|i| i.0 == small.ran[*at].begin);
        let members: Vec<usize> = (0..small.ran.len()).filter(is_member).collect();
        let told = || format!("seed {seed}: {small:#?}: {anomaly:#?}");
        assert!(has_cycle(small, &members, order), "no cycle: {}", told());
        for member in &members {
            let rest: Vec<usize> = members.iter().copied().filter(|m| m != member).collect();
            assert!(!has_cycle(small, &rest, order), "{member} is not needed: {}", told());
        }
    }
}

/// Whether dependencies lead from some member back to it.
fn has_cycle(small: &Small, members: &[usize], order: Order) -> bool {
    members.iter().any(|&start| {
        let mut reached = vec![start];
        let mut at = 0;
        while let Some(&from) = reached.get(at) {
            at += 1;
            for &to in members.iter().filter(|&&to| depends(small, from, to, order)) {
                if to == start {
                    return true;
                }
                if !reached.contains(&to) {
                    reached.push(to);
                }
            }
        }
        false
    })
}
