use std::fmt;

use quarrel_checkers::{Guarantee, Key, Value, Version};
use quarrel_strategy::{stores::Row, strategy::Action};
use rustc_hash::FxHashSet;

use super::{LogicalHistory, LogicalOperation, OperationEnding, World};

/// What must not happen, and in a `.race` file is said to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Claim {
    /// A read returned what had been overwritten before it began.
    Stale,
    /// No order of the operations explains what they returned, though no read
    /// is stale by itself.
    NotLinearizable,
    /// A session did not see its own write.
    ReadYourWrites,
    /// A session saw a version and then an older one.
    NonMonotonic,
    /// A read returned a value whose write had failed for certain: it was never
    /// in the database (Adya's G1a).
    Dirty,
    /// An acknowledged write is gone.
    Lost,
    /// In the end the strategy's read differs from the primary's row.
    Diverged,
}

impl Claim {
    /// Every claim.
    pub const ALL: [Self; 7] = [
        Self::Stale,
        Self::NotLinearizable,
        Self::ReadYourWrites,
        Self::NonMonotonic,
        Self::Dirty,
        Self::Lost,
        Self::Diverged,
    ];

    /// Its word in a `.race` file, after the `!`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Stale => "stale",
            Self::NotLinearizable => "not-linearizable",
            Self::ReadYourWrites => "read-your-writes",
            Self::NonMonotonic => "non-monotonic",
            Self::Dirty => "dirty",
            Self::Lost => "lost",
            Self::Diverged => "diverged",
        }
    }

    /// The first claim against `guarantee` that the operation which has just
    /// ended makes true. Claims about the end of a run are not looked at:
    /// [`Claim::in_the_end`].
    #[must_use]
    pub fn against(
        guarantee: Guarantee,
        logical: &LogicalHistory,
        ended: usize,
        initial: impl Fn(Key) -> Option<Row>,
    ) -> Option<Self> {
        let played = &logical.operations()[ended];
        let session =
            |claims: &[Self]| claims.iter().copied().find(|claim| claim.is_made_by(logical, ended));
        match guarantee {
            Guarantee::Linearizable => {
                let Action::Read(key) = played.action else { return None };
                matches!(played.ending, Some(OperationEnding::Read(_)))
                    .then(|| linearizable(logical, key, initial(key).as_ref()))
                    .filter(|fine| !fine)?;
                let single = session(&[Self::Dirty, Self::Stale]);
                Some(single.unwrap_or(Self::NotLinearizable))
            }
            Guarantee::Sequential => {
                session(&[Self::Dirty, Self::ReadYourWrites, Self::NonMonotonic])
            }
            Guarantee::ReadYourWrites => session(&[Self::ReadYourWrites]),
            Guarantee::MonotonicReads => session(&[Self::NonMonotonic]),
            Guarantee::Bounded | Guarantee::Eventual | Guarantee::None => None,
        }
    }

    /// Whether it is about how everything stands in the end, and not about an
    /// operation.
    #[must_use]
    pub const fn is_about_the_end(self) -> bool {
        matches!(self, Self::Lost | Self::Diverged)
    }

    /// The first claim that the end of `logical`, after which a fresh client of
    /// the strategy read `read` from `key`, makes true.
    #[must_use]
    pub fn in_the_end(
        logical: &LogicalHistory,
        world: &World,
        key: Key,
        read: Option<&Row>,
    ) -> Option<Self> {
        [Self::Lost, Self::Diverged]
            .into_iter()
            .find(|claim| claim.is_true_in_the_end(logical, world, key, read))
    }

    /// Whether the end of `logical`, after which a fresh client of the strategy
    /// read `read` from `key`, makes the claim true. One does not hide another:
    /// what a failover lost may still be in the cache.
    #[must_use]
    pub fn is_true_in_the_end(
        self,
        logical: &LogicalHistory,
        world: &World,
        key: Key,
        read: Option<&Row>,
    ) -> bool {
        match self {
            Self::Lost => logical.operations().iter().any(|played| is_lost(played, world)),
            Self::Diverged => differs(read, world.primary.row(key)),
            Self::Stale
            | Self::NotLinearizable
            | Self::ReadYourWrites
            | Self::NonMonotonic
            | Self::Dirty => false,
        }
    }

    /// Whether the operation at `place` makes the claim true, as far as a
    /// single operation can. [`Claim::NotLinearizable`], [`Claim::Lost`] and
    /// [`Claim::Diverged`] are about more than one.
    #[must_use]
    pub fn is_made_by(self, logical: &LogicalHistory, place: usize) -> bool {
        let read = &logical.operations()[place];
        let (Action::Read(key), Some(OperationEnding::Read(row))) = (&read.action, &read.ending)
        else {
            return false;
        };
        if self == Self::Dirty {
            return row.as_ref().is_some_and(|row| never_was(logical, *key, &row.value));
        }
        let version = logical.version_of(*key, row.as_ref());
        let is_newer = |other: &LogicalOperation| match (version, logical.shown(other, *key)) {
            (Some(read), Some(shown)) if shown.number > 0 => shown > read,
            (Some(_), None) if !logical.is_unnumbered(other, *key) => false,
            // Of what the primary has given no number yet, real time tells.
            _ => logical.overwrote(other, *key, row.as_ref()),
        };
        let newer = |wanted: fn(&LogicalOperation, &LogicalOperation) -> bool| {
            logical.operations().iter().enumerate().any(|(at, other)| {
                read.before & (1 << at) != 0 && wanted(other, read) && is_newer(other)
            })
        };
        match self {
            Self::Stale => newer(|_, _| true),
            Self::ReadYourWrites => newer(|other, read| {
                other.session == read.session && matches!(other.action, Action::Write(..))
            }),
            Self::NonMonotonic => newer(|other, read| {
                other.session == read.session && matches!(other.action, Action::Read(_))
            }),
            Self::NotLinearizable | Self::Dirty | Self::Lost | Self::Diverged => false,
        }
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "!{}", self.word())
    }
}

/// Whether a read differs from the primary's row. One without a version, which
/// was cached before the primary had given it one, is known by its value.
pub fn differs(read: Option<&Row>, row: Option<&Row>) -> bool {
    match (read, row) {
        (Some(read), Some(row)) if read.version == 0 => read.value != row.value,
        (read, row) => read != row,
    }
}

/// Whether the write of a value failed for certain.
fn never_was(logical: &LogicalHistory, key: Key, value: &Value) -> bool {
    logical.operations().iter().any(|played| {
        let writes = matches!(&played.action, Action::Write(of, it) if *of == key && it == value);
        writes && played.ending == Some(OperationEnding::Failed)
    })
}

fn is_lost(played: &LogicalOperation, world: &World) -> bool {
    let (Action::Write(key, value), Some(OperationEnding::Written(version))) =
        (&played.action, &played.ending)
    else {
        return false;
    };
    world.lost().iter().any(|commit| {
        commit.key == *key && commit.row.version == version.number && commit.row.value == *value
    })
}

/// Whether the operations on `key` are those of a register that began with
/// `initial` and counts its versions up: the search of Wing and Gong (1993)
/// with failed states remembered, as Lowe (2017) does. Writes of unknown
/// outcome, and those still open, may have happened at any time after they
/// began, or never.
///
/// Values tell writes apart, so they must be unique within the key. Versions
/// order them, by timeline first: a write that was told version 2 comes before
/// one that was told version 3, as part of what the two returned. A write that a
/// failover lost is one that the next write overwrote.
#[must_use]
pub fn linearizable(logical: &LogicalHistory, key: Key, initial: Option<&Row>) -> bool {
    let mut search = Search::default();
    for (place, played) in logical.operations().iter().enumerate() {
        search.add(place, played, key, logical);
    }
    let nil = Value::Nil;
    let value = initial.map_or(&nil, |row| &row.value);
    search.explains(0, value, initial.map_or(Version::ABSENT, |row| Version::first(row.version)))
}

#[derive(Default)]
struct Search<'a> {
    /// Operations that must be explained, and writes that may be.
    candidates: Vec<(usize, &'a LogicalOperation, Effect<'a>)>,
    required: u128,
    failed: FxHashSet<(u128, &'a Value)>,
}

#[derive(Clone, Copy)]
enum Effect<'a> {
    Reads(Option<&'a Value>),
    /// The version is none while nobody has seen it.
    Writes(&'a Value, Option<Version>),
}

impl<'a> Search<'a> {
    fn add(
        &mut self,
        place: usize,
        played: &'a LogicalOperation,
        key: Key,
        logical: &'a LogicalHistory,
    ) {
        let (required, effect) = match (&played.action, &played.ending) {
            (Action::Read(of), Some(OperationEnding::Read(row))) if *of == key => {
                (true, Effect::Reads(row.as_ref().map(|row| &row.value)))
            }
            (Action::Write(of, value), Some(OperationEnding::Written(version))) if *of == key => {
                // Version 0: the primary had not given it one yet.
                let given = Some(*version).filter(|version| version.number > 0);
                (true, Effect::Writes(value, given.or_else(|| version_read(logical, key, value))))
            }
            (Action::Write(of, value), None | Some(OperationEnding::Unknown)) if *of == key => {
                (false, Effect::Writes(value, version_read(logical, key, value)))
            }
            _ => return,
        };
        if required {
            self.required |= 1 << place;
        }
        self.candidates.push((place, played, effect));
    }

    fn explains(&mut self, done: u128, value: &'a Value, version: Version) -> bool {
        if done & self.required == self.required {
            return true;
        }
        // The version follows from the writes that are done.
        if self.failed.contains(&(done, value)) {
            return false;
        }
        for at in 0..self.candidates.len() {
            let (place, played, effect) = self.candidates[at];
            let bit = 1 << place;
            // Everything on this key that was over before it began must come
            // first.
            if done & bit != 0 || played.before & self.required & !done != 0 {
                continue;
            }
            let (value, version) = match effect {
                Effect::Writes(_, Some(given)) if given <= version => continue,
                Effect::Writes(written, given) => (written, given.unwrap_or(version)),
                Effect::Reads(read) if read.unwrap_or(&Value::Nil) == value => (value, version),
                Effect::Reads(_) => continue,
            };
            if self.explains(done | bit, value, version) {
                return true;
            }
        }
        self.failed.insert((done, value));
        false
    }
}

/// The version of a value, as some read returned it.
fn version_read(logical: &LogicalHistory, key: Key, value: &Value) -> Option<Version> {
    logical.operations().iter().find_map(|played| match (&played.action, &played.ending) {
        (Action::Read(of), Some(OperationEnding::Read(Some(row))))
            if *of == key && row.value == *value =>
        {
            logical.version_of(key, Some(row))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quarrel_checkers::{Key, Process, Value, Version};

    use super::{Claim, linearizable};
    use crate::{LogicalHistory, LogicalOperation, OperationEnding};
    use quarrel_strategy::{stores::Row, strategy::Action};

    const KEY: Key = Key(1);

    /// The definition: some order of all completed and any of the unknown
    /// operations respects real time and is that of a register.
    fn by_definition(logical: &LogicalHistory) -> bool {
        let operations = logical.operations();
        let optional: Vec<usize> = (0..operations.len())
            .filter(|&at| matches!(operations[at].ending, None | Some(OperationEnding::Unknown)))
            .filter(|&at| matches!(operations[at].action, Action::Write(..)))
            .collect();
        let required: Vec<usize> = (0..operations.len())
            .filter(|&at| {
                matches!(
                    operations[at].ending,
                    Some(OperationEnding::Read(_) | OperationEnding::Written(_))
                )
            })
            .collect();
        (0..1_u32 << optional.len()).any(|chosen| {
            let taken = optional.iter().enumerate().filter(|(i, _)| chosen & (1 << i) != 0);
            let mut order = required.clone();
            order.extend(taken.map(|(_, &at)| at));
            some_order_is_legal(operations, &mut order, 0)
        })
    }

    fn some_order_is_legal(
        operations: &[LogicalOperation],
        order: &mut [usize],
        from: usize,
    ) -> bool {
        if from == order.len() {
            return is_legal(operations, order);
        }
        (from..order.len()).any(|at| {
            order.swap(from, at);
            let legal = some_order_is_legal(operations, order, from + 1);
            order.swap(from, at);
            legal
        })
    }

    fn is_legal(operations: &[LogicalOperation], order: &[usize]) -> bool {
        let mut now = (Value::Nil, Version::ABSENT);
        for (place, &at) in order.iter().enumerate() {
            if order[place..].iter().any(|&later| operations[at].before & (1 << later) != 0) {
                return false;
            }
            match (&operations[at].action, &operations[at].ending) {
                (Action::Write(_, value), Some(OperationEnding::Written(version))) => {
                    if *version <= now.1 {
                        return false;
                    }
                    now = (value.clone(), *version);
                }
                (Action::Write(_, value), _) => now = (value.clone(), now.1),
                (_, Some(OperationEnding::Read(row))) => {
                    let read = row.as_ref().map_or(&Value::Nil, |row| &row.value);
                    if *read != now.0 {
                        return false;
                    }
                }
                _ => unreachable!("only reads that returned are required"),
            }
        }
        true
    }

    /// A logical history of two clients: which one moves, whether it writes, what a read
    /// returns, how it ends. Unknown writes are never read with a version, so
    /// that the definition needs none.
    fn logical_histories() -> impl Strategy<Value = LogicalHistory> {
        let turn = (0..3_usize, any::<bool>(), 0..6_i64, 0..4_u8);
        proptest::collection::vec(turn, 1..12).prop_map(|turns| {
            let mut logical = LogicalHistory::default();
            let mut open = [None; 3];
            let (mut written, mut version) = (0, 0);
            for (actor, writes, value, ending) in turns {
                if let Some(place) = open[actor].take() {
                    let is_write = matches!(logical.action(place), Action::Write(..));
                    let ending = match (is_write, ending) {
                        (_, 3) => OperationEnding::Unknown,
                        (true, _) => {
                            version += 1;
                            OperationEnding::Written(Version::first(version))
                        }
                        (false, _) if value == 0 => OperationEnding::Read(None),
                        (false, _) => OperationEnding::Read(Some(Row {
                            value: Value::Int(value),
                            version: 0,
                        })),
                    };
                    logical.end(place, ending);
                } else if logical.operations().len() < 6 {
                    let action = if writes {
                        written += 1;
                        Action::Write(KEY, Value::Int(written))
                    } else {
                        Action::Read(KEY)
                    };
                    open[actor] = Some(logical.begin(actor, Process::Client(actor as u64), action));
                }
            }
            logical
        })
    }

    /// The same, as if the primary numbered nothing before all is over.
    fn unnumbered(logical: &LogicalHistory) -> LogicalHistory {
        let mut again = LogicalHistory::default();
        let mut places: Vec<usize> = Vec::new();
        // Begun and ended in an order that gives the same sets of what was over.
        let operations = logical.operations();
        for (place, played) in operations.iter().enumerate() {
            for (other, ended) in operations[..place].iter().enumerate() {
                let is_over = played.before & (1 << other) != 0;
                if is_over && again.operations()[places[other]].ending.is_none() {
                    again.end(places[other], without_number(ended));
                }
            }
            places.push(again.begin(played.actor, played.session, played.action.clone()));
        }
        for (place, played) in operations.iter().enumerate() {
            if played.ending.is_some() && again.operations()[places[place]].ending.is_none() {
                again.end(places[place], without_number(played));
            }
        }
        again
    }

    fn without_number(played: &LogicalOperation) -> OperationEnding {
        match played.ending.clone().expect("it has ended") {
            OperationEnding::Written(_) => OperationEnding::Written(Version::first(0)),
            other => other,
        }
    }

    /// A session writes and reads, the primary has numbered nothing yet, and the
    /// cache is gone: what it reads is the row before.
    #[test]
    fn a_write_without_a_number_is_missed_all_the_same() {
        let mut logical = LogicalHistory::default();
        let session = Process::Client(0);
        let write = logical.begin(0, session, Action::Write(KEY, Value::Int(1)));
        logical.end(write, OperationEnding::Written(Version::first(0)));
        let read = |logical: &mut LogicalHistory, value: i64, version: u64| {
            let place = logical.begin(0, session, Action::Read(KEY));
            logical
                .end(place, OperationEnding::Read(Some(Row { value: Value::Int(value), version })));
            place
        };
        let own = read(&mut logical, 1, 0);
        assert!(!Claim::ReadYourWrites.is_made_by(&logical, own));
        let older = read(&mut logical, 7, 1);
        for claim in [Claim::Stale, Claim::ReadYourWrites, Claim::NonMonotonic] {
            assert!(claim.is_made_by(&logical, older), "{claim}");
        }
        let late = read(&mut logical, 1, 2);
        assert!(!Claim::Stale.is_made_by(&logical, late));
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 3_000,
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn the_search_agrees_with_the_definition(logical in logical_histories()) {
            prop_assert_eq!(linearizable(&logical, KEY, None), by_definition(&logical));
        }

        #[test]
        fn what_real_time_alone_calls_stale_no_order_explains(logical in logical_histories()) {
            let logical = unnumbered(&logical);
            let is_stale = (0..logical.operations().len())
                .any(|place| Claim::Stale.is_made_by(&logical, place));
            prop_assert!(!is_stale || !linearizable(&logical, KEY, None));
        }
    }
}
