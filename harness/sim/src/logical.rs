use quarrel_checkers::{Key, Process, Value, Version};
use quarrel_strategy::{stores::Row, strategy::Action};

use super::Fingerprint;

/// What the clients of a [`Simulation`](super::Simulation) did and saw: a small history
/// with logical time only.
#[derive(Clone, Debug, Default)]
pub struct LogicalHistory {
    operations: Vec<LogicalOperation>,
    /// Which of them have ended and surely took effect, as a set of bits.
    completed: u128,
    ended: usize,
    timelines: Timelines,
    /// How many writes surely never were in the database.
    failed: usize,
}

/// The primary's timelines on which writes were acknowledged.
#[derive(Clone, Copy, Debug, Default)]
enum Timelines {
    #[default]
    None,
    One(u32),
    Several,
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum OperationEnding {
    /// A read returned.
    Read(Option<Row>),
    /// A write was acknowledged with this version; its number is 0 if the
    /// primary has not given it one yet.
    Written(Version),
    /// It certainly changed nothing.
    Failed,
    /// Nobody knows.
    Unknown,
}

/// One operation of a logical history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogicalOperation {
    /// Which client of the simulation; `usize::MAX` is somebody beside the
    /// application.
    pub actor: usize,
    /// Its place among the operations of that client.
    pub ordinal: usize,
    /// The session: a client whose session died goes on under a new one.
    pub session: Process,
    /// What it does.
    pub action: Action,
    /// How it ended; none while it has not.
    pub ending: Option<OperationEnding>,
    /// The operations that had completed before it began, as a set of bits
    /// over [`LogicalHistory::operations`].
    pub before: u128,
}

impl LogicalHistory {
    /// The most operations that a logical history holds.
    pub const MAX_OPERATIONS: usize = 128;

    /// Every operation, in the order in which they began.
    #[must_use]
    pub fn operations(&self) -> &[LogicalOperation] {
        &self.operations
    }

    /// How many operations have ended, in whatever way.
    #[must_use]
    pub const fn ended(&self) -> usize {
        self.ended
    }

    /// What the operation does.
    #[must_use]
    pub fn action(&self, operation: usize) -> &Action {
        &self.operations[operation].action
    }

    /// Begins an operation; its place.
    ///
    /// # Panics
    ///
    /// When there are [`LogicalHistory::MAX_OPERATIONS`] already.
    pub fn begin(&mut self, actor: usize, session: Process, action: Action) -> usize {
        let place = self.operations.len();
        assert!(place < Self::MAX_OPERATIONS, "a logical holds at most 128 operations");
        let ordinal = self.operations.iter().filter(|played| played.actor == actor).count();
        let before = self.completed;
        self.operations.push(LogicalOperation {
            actor,
            ordinal,
            session,
            action,
            ending: None,
            before,
        });
        place
    }

    /// Ends it.
    pub fn end(&mut self, operation: usize, ending: OperationEnding) {
        if matches!(ending, OperationEnding::Read(_) | OperationEnding::Written(_)) {
            self.completed |= 1 << operation;
        }
        if let OperationEnding::Written(Version { timeline, number: 1.. }) = ending {
            self.timelines = match self.timelines {
                Timelines::None => Timelines::One(timeline),
                Timelines::One(other) if other == timeline => Timelines::One(timeline),
                _ => Timelines::Several,
            };
        }
        if ending == OperationEnding::Failed && matches!(self.action(operation), Action::Write(..))
        {
            self.failed += 1;
        }
        self.ended += 1;
        self.operations[operation].ending = Some(ending);
    }

    /// The version of what a read of `key` returned, as far as it is known. What
    /// is in a row or in a cache tells the number; its write was told the
    /// timeline.
    #[must_use]
    pub fn version_of(&self, key: Key, row: Option<&Row>) -> Option<Version> {
        let Some(row) = row else { return Some(Version::ABSENT) };
        if row.version == 0 {
            // The primary has not given it a version yet: nobody can say.
            return None;
        }
        if let (Timelines::None | Timelines::One(1), 0) = (self.timelines, self.failed) {
            return Some(Version::first(row.version));
        }
        let writes = |played: &&LogicalOperation| matches!(&played.action, Action::Write(of, value) if *of == key && *value == row.value);
        let Some(write) = self.operations.iter().find(writes) else {
            return Some(Version::first(row.version));
        };
        match (&write.ending, self.timelines) {
            (Some(OperationEnding::Written(version)), _) if version.number > 0 => Some(*version),
            // It never was one of the key's values, whatever stands beside it.
            (Some(OperationEnding::Failed), _) => None,
            (_, Timelines::None) => Some(Version::first(row.version)),
            (_, Timelines::One(timeline)) => Some(Version { timeline, number: row.version }),
            _ => None,
        }
    }

    /// The version of `key` that an operation showed to exist.
    #[must_use]
    pub fn shown(&self, played: &LogicalOperation, key: Key) -> Option<Version> {
        match (&played.action, &played.ending) {
            (Action::Read(of), Some(OperationEnding::Read(row))) if *of == key => {
                self.version_of(key, row.as_ref())
            }
            (Action::Write(of, _), Some(OperationEnding::Written(version))) if *of == key => {
                Some(*version)
            }
            _ => None,
        }
    }

    /// Whether an operation that has ended well showed a value of `key` which
    /// the primary had given no number yet.
    #[must_use]
    pub fn is_unnumbered(&self, played: &LogicalOperation, key: Key) -> bool {
        match (&played.action, &played.ending) {
            (Action::Read(of), Some(OperationEnding::Read(Some(row)))) => {
                *of == key && row.version == 0
            }
            (Action::Write(of, _), Some(OperationEnding::Written(version))) => {
                *of == key && version.number == 0
            }
            _ => false,
        }
    }

    /// Whether real time alone proves that `row` had been overwritten by the
    /// value that `operation` wrote or read: its own write was over before that
    /// value's began, or it was there from the beginning. Values tell writes
    /// apart, and a row that was deleted may be so again.
    #[must_use]
    pub fn overwrote(&self, played: &LogicalOperation, key: Key, row: Option<&Row>) -> bool {
        let shown = match (&played.action, &played.ending) {
            (Action::Write(of, value), Some(OperationEnding::Written(_))) if *of == key => value,
            (Action::Read(of), Some(OperationEnding::Read(Some(row)))) if *of == key => &row.value,
            _ => return false,
        };
        let read = row.map_or(&Value::Nil, |row| &row.value);
        let write_of = |wanted: &Value| {
            let writes = |played: &LogicalOperation| matches!(&played.action, Action::Write(of, value) if *of == key && value == wanted);
            self.operations.iter().position(writes)
        };
        match (write_of(shown), write_of(read)) {
            (Some(newer), Some(older)) => {
                !read.is_nil() && self.operations[newer].before & (1 << older) != 0
            }
            // Of what nobody wrote it is the older one.
            (Some(_), None) => shown != read,
            (None, _) => false,
        }
    }

    /// Adds what later verdicts depend on: what each operation returned and
    /// which of them were over when it began, whatever the order in which the
    /// others began.
    pub(super) fn fingerprint(&self, print: &mut Fingerprint, place: impl Fn(usize) -> usize) {
        print.map(self.operations.iter().map(|played| {
            let mut before = 0_u64;
            let mut rest = played.before;
            while rest != 0 {
                let other = &self.operations[rest.trailing_zeros() as usize];
                // A sum of odd multiples, so that the order does not matter.
                let id = (place(other.actor) as u64) << 8 | other.ordinal as u64;
                before = before.wrapping_add(mix(id));
                rest &= rest - 1;
            }
            (place(played.actor), played.ordinal, &played.action, &played.ending, before)
        }));
    }
}

/// The finaliser of `SplitMix64`: neighbours land far apart.
const fn mix(id: u64) -> u64 {
    let mut z = id.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
