//! Every level against its definition.

use std::collections::BTreeMap;

use quarrel_checkers::{
    Budget, Validity,
    generate::Random,
    transactions::{Examined, Expected, ListAppend, RwRegister},
};

use crate::{
    definition::Defined,
    histories::histories,
    small::{Shape, Small},
};

fn examined(small: &Small, expected: Expected) -> Examined {
    let history = small.history();
    match small.shape {
        Shape::Lists => ListAppend::expecting(expected).examine(&history, Budget::default()),
        Shape::Registers => RwRegister::expecting(expected).examine(&history, Budget::default()),
    }
}

/// How many of how many histories keep a level.
type Kept = BTreeMap<Expected, u64>;

fn agree(total: u64, random: impl Fn(u64) -> Small) -> Kept {
    let mut kept = Kept::new();
    for seed in 0..total {
        let small = random(seed);
        let defined = Defined::new(&small);
        let told = examined(&small, Expected::StrictSerializable);
        let levels: BTreeMap<Expected, Validity> = told.levels.into_iter().collect();
        assert_eq!(levels.len(), Expected::ALL.len());
        for (&level, &validity) in &levels {
            let is_kept = defined.keeps(level);
            let expected = if is_kept { Validity::Valid } else { Validity::Invalid };
            assert_eq!(validity, expected, "seed {seed}, {level}: {small:#?}: {:#?}", told.verdict);
            *kept.entry(level).or_default() += u64::from(is_kept);
        }
        // By itself a level comes to the same, and what breaks it is told.
        let level = Expected::ALL[(seed % 31) as usize];
        let alone = examined(&small, level).verdict;
        assert_eq!(alone.validity, levels[&level], "seed {seed}, {level}: {small:#?}: {alone:#?}");
        assert_eq!(alone.validity == Validity::Invalid, !alone.anomalies.is_empty(), "seed {seed}");
    }
    kept
}

/// Each level is kept by some and broken by some, and all that the weaker one
/// of a pair allows is not allowed by the stronger one.
fn tells_apart(kept: &Kept, total: u64, same: &[(Expected, Expected)]) {
    for (level, count) in kept {
        assert!((1..total).contains(count), "{level}: {count} of {total}");
    }
    for (&level, &count) in kept {
        let weaker = kept.iter().filter(|(other, _)| **other != level && level.implies(**other));
        for (&other, &more) in weaker {
            let is_same = same.contains(&(level, other)) || is_item_only(level, other);
            assert!(is_same || more > count, "{level} and {other}: {count}, {more}");
        }
    }
}

/// Without predicates these are the same.
fn is_item_only(level: Expected, other: Expected) -> bool {
    let name = |level: Expected| level.to_string().replace("strict-", "strong-");
    name(level).replace("serializable", "") == name(other).replace("repeatable-read", "")
}

/// So many tell every two levels apart.
const FEWEST: u64 = 10_000;

fn lists(total: u64) {
    let kept = agree(total, |seed| {
        let mut random = Random::seeded(seed);
        let small = match seed % 3 {
            0 => Small::forked(Shape::Lists, &mut random),
            _ => Small::random(Shape::Lists, &mut random),
        };
        small.in_sessions(&mut random)
    });
    // All agree about the order that lists show.
    let same = [
        (Expected::CausalConvergence, Expected::Causal),
        (Expected::StrongCausalConvergence, Expected::StrongCausal),
    ];
    tells_apart(&kept, total, &same);
}

fn registers(total: u64) {
    let kept = agree(total, |seed| {
        let mut random = Random::seeded(seed);
        let small = match seed % 4 {
            0 => Small::random(Shape::Registers, &mut random),
            1 => Small::forked(Shape::Registers, &mut random),
            2 => Small::blind(&mut random, 4),
            _ => Small::blind(&mut random, 6),
        };
        small.in_sessions(&mut random)
    });
    tells_apart(&kept, total, &[]);
}

#[test]
fn small_lists_keep_the_levels_that_they_keep_by_definition() {
    lists(histories(FEWEST).max(FEWEST));
}

#[test]
fn small_registers_keep_the_levels_that_they_keep_by_definition() {
    registers(histories(FEWEST).max(FEWEST));
}

/// What implies what, as Elle's graph of consistency models has it (without
/// models that ours has no name for, such as cursor stability; what they pass
/// on is written out). Elle's causal level counts no sessions, ours does.
#[test]
fn levels_imply_each_other_as_in_the_field() {
    let implied: [(&str, &[&str]); 17] = [
        ("read-committed", &["read-uncommitted"]),
        ("monotonic-atomic-view", &["read-committed"]),
        ("read-atomic", &["monotonic-atomic-view"]),
        ("parallel-snapshot-isolation", &["read-atomic"]),
        ("consistent-view", &["read-committed"]),
        ("update-serializable", &["consistent-view"]),
        (
            "snapshot-isolation",
            &["consistent-view", "monotonic-atomic-view", "parallel-snapshot-isolation"],
        ),
        ("repeatable-read", &["monotonic-atomic-view", "read-committed"]),
        ("serializable", &["repeatable-read", "update-serializable", "snapshot-isolation"]),
        ("strong-session-read-uncommitted", &["read-uncommitted"]),
        ("strong-session-read-committed", &["read-committed", "strong-session-read-uncommitted"]),
        ("strong-read-uncommitted", &["strong-session-read-uncommitted"]),
        ("strong-read-committed", &["strong-session-read-committed", "strong-read-uncommitted"]),
        (
            "strong-session-snapshot-isolation",
            &["snapshot-isolation", "strong-session-read-committed"],
        ),
        (
            "strong-snapshot-isolation",
            &["strong-session-snapshot-isolation", "strong-read-committed"],
        ),
        ("strong-session-serializable", &["serializable", "strong-session-snapshot-isolation"]),
        (
            "strict-serializable",
            &["serializable", "strong-snapshot-isolation", "strong-session-serializable"],
        ),
    ];
    let level = |name: &str| name.parse::<Expected>().unwrap();
    for (stronger, weaker) in implied {
        for weaker in weaker {
            assert!(level(stronger).implies(level(weaker)), "{stronger} and {weaker}");
            assert!(!level(weaker).implies(level(stronger)), "{weaker} and {stronger}");
        }
    }
    // And these do not.
    for (one, other) in [
        ("snapshot-isolation", "update-serializable"),
        ("parallel-snapshot-isolation", "causal"),
        ("read-atomic", "causal"),
        ("serializable", "strong-session-read-uncommitted"),
    ] {
        assert!(!level(one).implies(level(other)), "{one} and {other}");
        assert!(!level(other).implies(level(one)), "{other} and {one}");
    }
    for level in Expected::ALL {
        assert_eq!(level.to_string().parse(), Ok(level));
        assert!(Expected::StrictSerializable.implies(level) && level.implies(level));
    }
}

/// Which classes a history shows when held to all levels.
fn classes(small: &[&str]) -> Vec<String> {
    let history = crate::history(small);
    let checker = ListAppend::expecting(Expected::Serializable);
    let verdict = checker.examine(&history, Budget::default()).verdict;
    verdict.anomalies.iter().map(|anomaly| anomaly.class.to_string()).collect()
}

/// Each has the name that it was published under, and the smallest of them the
/// one by which everybody knows them.
#[test]
fn anomalies_have_their_published_names() {
    let fork = ["ax1", "ay1", "rx1 ry_", "rx_ ry1"];
    assert_eq!(classes(&fork), ["g-nonadjacent"]);
    assert_eq!(classes(&["rx_ ay1", "ry_ ax1"]), ["g2-item"]);
    assert_eq!(classes(&["ax1 ay1", "rx1 ry_"]), ["observed-transaction-vanishes", "g-single"]);
    assert_eq!(classes(&["ax1 ay1", "ry_ rx1"]), ["fractured-read", "g-single"]);
    let told = |small: &[&str]| {
        let history = crate::history(small);
        let checker = ListAppend::expecting(Expected::Serializable);
        let verdict = checker.examine(&history, Budget::default()).verdict;
        verdict.anomalies[0].explanation.clone()
    };
    assert!(told(&fork).ends_with("(long fork)"), "{}", told(&fork));
    let skew = told(&["rx_ ay1", "ry_ ax1"]);
    assert!(skew.ends_with("(write skew)"), "{skew}");
}
