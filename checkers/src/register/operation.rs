use std::fmt;

/// When an operation that never completed returns: after everything.
pub const OPEN: u64 = u64::MAX;

/// A value of one register, by number. Number 0 is the initial value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueId(pub u32);

impl ValueId {
    /// What the register held before anything was written.
    pub const INITIAL: Self = Self(0);

    pub(crate) const fn position(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for ValueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// What an operation did to the register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RegisterAction {
    /// It returned this value.
    Read(ValueId),
    /// It stored this value.
    Write(ValueId),
    /// It found `old` and stored `new`.
    Cas {
        /// What it had to find.
        old: ValueId,
        /// What it stored.
        new: ValueId,
    },
}

impl RegisterAction {
    /// The value that it stored, if it stored one.
    #[must_use]
    pub const fn written(self) -> Option<ValueId> {
        match self {
            Self::Read(_) => None,
            Self::Write(value) | Self::Cas { new: value, .. } => Some(value),
        }
    }

    /// The value that it saw, if it saw one.
    #[must_use]
    pub const fn seen(self) -> Option<ValueId> {
        match self {
            Self::Write(_) => None,
            Self::Read(value) | Self::Cas { old: value, .. } => Some(value),
        }
    }
}

/// An operation on one register, with the instants between which it ran.
///
/// Instants are any clock on which "returned before invoked" is meant
/// strictly: nanoseconds, or positions in a log that one process wrote.
/// Operations that certainly had no effect are left out by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RegisterOperation {
    /// When it was invoked. Less than [`OPEN`]` - 1`.
    pub invoked: u64,
    /// When it returned, or [`OPEN`] if nobody knows whether it happened.
    pub returned: u64,
    /// What it did.
    pub action: RegisterAction,
}

impl RegisterOperation {
    /// A read of `value`.
    #[must_use]
    pub const fn read(value: ValueId, invoked: u64, returned: u64) -> Self {
        Self { invoked, returned, action: RegisterAction::Read(value) }
    }

    /// A write of `value`; `returned` is [`OPEN`] if its outcome is unknown.
    #[must_use]
    pub const fn write(value: ValueId, invoked: u64, returned: u64) -> Self {
        Self { invoked, returned, action: RegisterAction::Write(value) }
    }

    /// A successful compare-and-set; `returned` is [`OPEN`] if its outcome is
    /// unknown.
    #[must_use]
    pub const fn cas(old: ValueId, new: ValueId, invoked: u64, returned: u64) -> Self {
        Self { invoked, returned, action: RegisterAction::Cas { old, new } }
    }

    /// Whether it is known to have happened.
    #[must_use]
    pub const fn is_certain(&self) -> bool {
        self.returned != OPEN
    }
}

/// A value was written twice, so reads of it do not name their write.
/// The numbers are positions in the list of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotUnique {
    /// Two operations wrote the same value.
    #[error("operations {first} and {second} write the same value")]
    Twice {
        /// One.
        first: usize,
        /// The other.
        second: usize,
    },
    /// An operation wrote the initial value.
    #[error("operation {writer} writes the initial value")]
    Initial {
        /// Which.
        writer: usize,
    },
}

/// Why operations are not linearizable. Numbers are positions in the list of
/// operations that was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// It saw a value that nobody wrote.
    NeverWritten {
        /// The read or compare-and-set.
        reader: usize,
    },
    /// It returned a value before the write of that value was invoked.
    BeforeWritten {
        /// The write.
        writer: usize,
        /// The read or compare-and-set.
        reader: usize,
    },
    /// Two compare-and-sets both replaced the same value.
    TwoSuccessors {
        /// One.
        first: usize,
        /// The other.
        second: usize,
    },
    /// Each compare-and-set found what the next one wrote, in a circle.
    Circle {
        /// One of them.
        member: usize,
    },
    /// Two values each have to precede the other: `first_returned` and
    /// `first_invoked` belong to one value (or to one chain of
    /// compare-and-sets), the other two to the other;
    /// `first_returned` ended before `second_invoked` began and
    /// `second_returned` before `first_invoked`.
    Contradiction {
        /// The operation of the first value that ended first; none for the
        /// initial value, which was there before everything.
        first_returned: Option<usize>,
        /// The operation of the first value that began last.
        first_invoked: usize,
        /// The operation of the second value that ended first.
        second_returned: usize,
        /// The operation of the second value that began last.
        second_invoked: usize,
    },
    /// A value that a chain of compare-and-sets put later was seen, or
    /// written, before an operation on an earlier value of it began.
    ChainOrder {
        /// The operation on the later value, which ended first.
        later_returned: usize,
        /// The operation on the earlier value, which began afterwards.
        earlier_invoked: usize,
    },
}
