use std::time::Duration;

use quarrel_checkers::{
    generate::Random,
    register::{
        Delta, DenseRecord, DenseRecords, OPEN, RegisterAction, RegisterOperation, ValueId, check,
        delta,
    },
};

use crate::{brute::is_linearizable, histories::histories};

/// Small enough instants that ties are frequent.
fn random_history(random: &mut Random) -> Vec<RegisterOperation> {
    let count = 2 + random.below(7);
    let span = 2 + random.below(14);
    let cas_permille = [0, 0, 300, 700][random.below(4) as usize];
    let open_permille = [0, 150, 500][random.below(3) as usize];
    let mut operations = Vec::new();
    let mut written = 0;
    for _ in 0..count {
        let invoked = random.below(span);
        let mut returned = invoked + random.below(5);
        // One value more than is written: now and then one that nobody wrote.
        let any = |random: &mut Random| ValueId(random.below(written + 2) as u32);
        let action = if random.permille(500) {
            RegisterAction::Read(any(random))
        } else {
            if random.permille(open_permille) {
                returned = OPEN;
            }
            let old = any(random);
            written += 1;
            let new = ValueId(written as u32);
            if random.permille(cas_permille) {
                RegisterAction::Cas { old, new }
            } else {
                RegisterAction::Write(new)
            }
        };
        operations.push(RegisterOperation { invoked, returned, action });
    }
    operations
}

fn later(operations: &[RegisterOperation], delta: u64) -> Vec<RegisterOperation> {
    // Everything else is moved later instead, so that nothing is negative.
    let mut shifted = operations.to_vec();
    for operation in &mut shifted {
        let is_read = matches!(operation.action, RegisterAction::Read(_));
        operation.invoked += if is_read { 0 } else { delta };
        if operation.returned != OPEN {
            operation.returned += delta;
        }
    }
    shifted
}

#[test]
fn register_check_agrees_with_every_order_tried() {
    let total = histories(1_000_000);
    let mut invalid = 0;
    for seed in 0..total {
        let operations = random_history(&mut Random::seeded(seed));
        let violation = check(&operations).expect("values are unique");
        let expected = is_linearizable(&operations);
        assert_eq!(violation.is_none(), expected, "seed {seed}: {operations:#?}\n{violation:?}");
        invalid += u64::from(!expected);
    }
    // Otherwise the test would say little.
    assert!((total / 5..total * 4 / 5).contains(&invalid), "{invalid} invalid");
}

#[test]
fn order_of_the_list_does_not_matter() {
    for seed in 0..histories(50_000) {
        let mut random = Random::seeded(seed);
        let mut operations = random_history(&mut random);
        let valid = check(&operations).expect("values are unique").is_none();
        let reversed: Vec<_> = operations.iter().rev().copied().collect();
        assert_eq!(check(&reversed).expect("unique").is_none(), valid, "seed {seed} reversed");
        operations.sort_by_key(|operation| operation.returned);
        assert_eq!(check(&operations).expect("unique").is_none(), valid, "seed {seed} sorted");
    }
}

#[test]
fn delta_is_the_smallest_shift_that_helps() {
    let (mut finite, mut infinite) = (0, 0);
    let total = histories(1_000_000);
    for seed in 0..total {
        let operations = random_history(&mut Random::seeded(seed));
        // All instants are below 32, so a larger shift changes nothing; and a
        // larger one only widens intervals, so that bisection finds the least.
        let helps = |shift| is_linearizable(&later(&operations, shift));
        let expected = helps(32).then(|| {
            let (mut too_little, mut enough) = (-1, 32);
            while enough - too_little > 1 {
                let middle = (too_little + enough) / 2;
                *(if helps(middle as u64) { &mut enough } else { &mut too_little }) = middle;
            }
            enough as u64
        });
        let expected =
            expected.map_or(Delta::Infinite, |shift| Delta::Finite(Duration::from_nanos(shift)));
        finite += u64::from(expected > Delta::default() && expected != Delta::Infinite);
        infinite += u64::from(expected == Delta::Infinite);
        assert_eq!(delta(&operations), Ok(expected), "seed {seed}: {operations:#?}");
    }
    assert!(finite > total / 100 && infinite > total / 100, "{finite} finite, {infinite} infinite");
}

/// Histories of three keys without compare-and-set, in both forms: the verdict
/// on each key and on all, and the shift.
#[test]
fn dense_records_say_the_same_as_operations() {
    let mut conflicts = 0;
    let total = histories(350_000);
    for seed in 0..total {
        let mut random = Random::seeded(seed);
        let keys: Vec<Vec<RegisterOperation>> = (0..3)
            .map(|_| {
                let mut operations = random_history(&mut random);
                operations.retain(|o| !matches!(o.action, RegisterAction::Cas { .. }));
                operations.truncate(3);
                operations
            })
            .collect();
        let mut all: Vec<DenseRecord> = Vec::new();
        for (key, operations) in (0..).zip(&keys) {
            all.extend(operations.iter().map(|o| {
                let value =
                    |v: ValueId| if v.0 == 0 { DenseRecord::INITIAL } else { v.0 * 3 + key };
                match o.action {
                    RegisterAction::Read(v) => {
                        DenseRecord::read(key, value(v), o.invoked, o.returned)
                    }
                    _ => {
                        let written = o.action.written().expect("no read");
                        DenseRecord::write(key, value(written), o.invoked, o.returned)
                    }
                }
            }));
        }
        // Now and then more come than room was made for.
        let mut records = DenseRecords::with_capacity(if seed % 8 == 0 { 1 } else { all.len() });
        let mut returned: Vec<u64> = keys.iter().flatten().map(|o| o.returned).collect();
        let mut order: Vec<usize> = (0..all.len()).collect();
        order.sort_by_key(|&at| returned[at]);
        order.iter().for_each(|&at| records.push(all[at]).expect("they are sorted"));
        assert_eq!((records.len(), records.is_empty()), (all.len(), all.is_empty()));
        returned.sort_unstable();

        let verdicts: Vec<bool> = keys.iter().map(|o| is_linearizable(o)).collect();
        let conflict = records.check().expect("values are unique");
        assert_eq!(conflict.is_none(), verdicts.iter().all(|valid| *valid), "seed {seed}");
        if let Some(conflict) = conflict {
            conflicts += 1;
            assert!(!verdicts[conflict.key as usize], "seed {seed}: the wrong key is blamed");
            assert!(check(&records.of_key(conflict.key)).expect("unique").is_some());
        }
        let expected = keys.iter().map(|o| delta(o).expect("unique")).max();
        assert_eq!(Some(records.delta().expect("unique")), expected, "seed {seed}");
    }
    assert!((total / 5..total * 9 / 10).contains(&conflicts), "{conflicts} conflicts");
}
