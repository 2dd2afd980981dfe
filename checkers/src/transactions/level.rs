//! The levels of isolation, which of them imply which, and what excludes them.

use std::{fmt, str::FromStr};

use serde::Serialize;

use crate::Class;

/// What transactions are held to.
///
/// Every level says that there is an order of versions of each key so that
/// dependencies have no circles of some kind; `strong-session-…` counts among
/// dependencies that a transaction follows those which its process had run
/// before, and `strong-…` that it follows all that had ended when it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expected {
    /// Nobody overwrites in a circle (Adya's PL-1).
    ReadUncommitted,
    /// [`Self::ReadUncommitted`] that keeps the order of each session.
    StrongSessionReadUncommitted,
    /// [`Self::ReadUncommitted`] that keeps real time.
    StrongReadUncommitted,
    /// Nor reads what was never committed, or not yet (PL-2).
    ReadCommitted,
    /// [`Self::ReadCommitted`] that keeps the order of each session.
    StrongSessionReadCommitted,
    /// [`Self::ReadCommitted`] that keeps real time.
    StrongReadCommitted,
    /// Who has read something of a transaction reads everything else that it
    /// wrote, too, from then on (Bailis et al. 2013). Biswas & Enea (2019), and
    /// AWDIT after them, call this read committed.
    MonotonicAtomicView,
    /// [`Self::MonotonicAtomicView`] that keeps the order of each session.
    StrongSessionMonotonicAtomicView,
    /// [`Self::MonotonicAtomicView`] that keeps real time.
    StrongMonotonicAtomicView,
    /// Of another transaction everything is read or nothing (Bailis et al.
    /// 2014).
    ReadAtomic,
    /// [`Self::ReadAtomic`] that keeps the order of each session, which is what
    /// Biswas & Enea (2019) and AWDIT call read atomic.
    StrongSessionReadAtomic,
    /// [`Self::ReadAtomic`] that keeps real time.
    StrongReadAtomic,
    /// Each transaction can explain what it read by an order of its causal past:
    /// what its session did before, what that had read, and so on (weak causal
    /// consistency, CC; Bouajjani et al. 2017).
    Causal,
    /// [`Self::Causal`] where all that had ended belongs to the past.
    StrongCausal,
    /// The same order explains what all of them read (causal convergence, CCv;
    /// Biswas & Enea, and AWDIT, call it causal consistency).
    CausalConvergence,
    /// [`Self::CausalConvergence`] where all that had ended belongs to the past.
    StrongCausalConvergence,
    /// And of two that write one key, one has seen the other: no update is lost
    /// (PSI; Sovran et al. 2011, Cerone & Gotsman 2016). For keys without
    /// predicates that is Adya's consistent view (PL-2+).
    ParallelSnapshotIsolation,
    /// [`Self::ParallelSnapshotIsolation`] that keeps the order of each session.
    StrongSessionParallelSnapshotIsolation,
    /// [`Self::ParallelSnapshotIsolation`] that keeps real time.
    StrongParallelSnapshotIsolation,
    /// Every transaction reads one snapshot, and of two at once that write one
    /// key one fails (Berenson et al. 1995; any snapshot will do: generalized,
    /// Elnikety et al. 2005).
    SnapshotIsolation,
    /// A snapshot holds what the session had committed (Daudjee & Salem 2006).
    StrongSessionSnapshotIsolation,
    /// A snapshot holds all that had been committed (Daudjee & Salem 2006).
    StrongSnapshotIsolation,
    /// Some order of those that write explains what they read, and for each one
    /// that only reads, such an order with it in addition (Adya's PL-3U).
    UpdateSerializable,
    /// [`Self::UpdateSerializable`] that keeps the order of each session.
    StrongSessionUpdateSerializable,
    /// [`Self::UpdateSerializable`] that keeps real time.
    StrongUpdateSerializable,
    /// Nothing that was read is overwritten in a circle (Adya's PL-2.99). Without
    /// predicates that is as much as serializable.
    RepeatableRead,
    /// [`Self::RepeatableRead`] that keeps the order of each session.
    StrongSessionRepeatableRead,
    /// [`Self::RepeatableRead`] that keeps real time.
    StrongRepeatableRead,
    /// Some order of all transactions explains every read.
    #[default]
    Serializable,
    /// Some order that also keeps that of each session does (Daudjee & Salem
    /// 2004).
    StrongSessionSerializable,
    /// Some order that also keeps real time does.
    StrictSerializable,
}

/// A level without what it counts as a dependency besides data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Isolation {
    ReadUncommitted,
    ReadCommitted,
    MonotonicAtomicView,
    ReadAtomic,
    Causal,
    CausalConvergence,
    ParallelSnapshot,
    Snapshot,
    UpdateSerializable,
    RepeatableRead,
    Serializable,
}

/// What counts as a dependency besides data, each including the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Order {
    Any,
    Sessions,
    RealTime,
}

impl Order {
    pub(super) const ALL: [Self; 3] = [Self::Any, Self::Sessions, Self::RealTime];
}

impl Isolation {
    /// Whether whatever keeps this keeps the other.
    fn implies(self, other: Self) -> bool {
        use Isolation::{
            Causal, CausalConvergence, MonotonicAtomicView, ParallelSnapshot, ReadAtomic,
            ReadCommitted, ReadUncommitted, RepeatableRead, Serializable, Snapshot,
            UpdateSerializable,
        };
        let weaker: &[Self] = match self {
            ReadUncommitted => &[],
            ReadCommitted => &[ReadUncommitted],
            // The one looks at one transaction at a time, the other at one read.
            MonotonicAtomicView | Causal => &[ReadCommitted],
            ReadAtomic => &[MonotonicAtomicView],
            CausalConvergence => &[ReadAtomic, Causal],
            ParallelSnapshot => &[CausalConvergence],
            Snapshot | UpdateSerializable => &[ParallelSnapshot],
            RepeatableRead => &[Snapshot, UpdateSerializable],
            // Without predicates they are the same.
            Serializable => &[RepeatableRead],
        };
        self == other || weaker.iter().any(|weaker| weaker.implies(other))
    }
}

impl Expected {
    /// Every level, those that a level implies in front of it.
    pub const ALL: [Self; 31] = [
        Self::ReadUncommitted,
        Self::StrongSessionReadUncommitted,
        Self::StrongReadUncommitted,
        Self::ReadCommitted,
        Self::StrongSessionReadCommitted,
        Self::StrongReadCommitted,
        Self::MonotonicAtomicView,
        Self::StrongSessionMonotonicAtomicView,
        Self::StrongMonotonicAtomicView,
        Self::ReadAtomic,
        Self::StrongSessionReadAtomic,
        Self::StrongReadAtomic,
        Self::Causal,
        Self::StrongCausal,
        Self::CausalConvergence,
        Self::StrongCausalConvergence,
        Self::ParallelSnapshotIsolation,
        Self::StrongSessionParallelSnapshotIsolation,
        Self::StrongParallelSnapshotIsolation,
        Self::SnapshotIsolation,
        Self::StrongSessionSnapshotIsolation,
        Self::StrongSnapshotIsolation,
        Self::UpdateSerializable,
        Self::StrongSessionUpdateSerializable,
        Self::StrongUpdateSerializable,
        Self::RepeatableRead,
        Self::StrongSessionRepeatableRead,
        Self::StrongRepeatableRead,
        Self::Serializable,
        Self::StrongSessionSerializable,
        Self::StrictSerializable,
    ];

    /// Whether every history that keeps this level keeps the other one.
    ///
    /// ```
    /// use quarrel_checkers::transactions::Expected;
    ///
    /// assert!(Expected::SnapshotIsolation.implies(Expected::ReadAtomic));
    /// // A snapshot may be older than what its own session wrote.
    /// assert!(!Expected::SnapshotIsolation.implies(Expected::Causal));
    /// assert!(Expected::StrongSessionSnapshotIsolation.implies(Expected::Causal));
    /// ```
    #[must_use]
    pub fn implies(self, other: Self) -> bool {
        self.order() >= other.order() && self.isolation().implies(other.isolation())
    }

    pub(super) const fn isolation(self) -> Isolation {
        match self {
            Self::ReadUncommitted
            | Self::StrongSessionReadUncommitted
            | Self::StrongReadUncommitted => Isolation::ReadUncommitted,
            Self::ReadCommitted | Self::StrongSessionReadCommitted | Self::StrongReadCommitted => {
                Isolation::ReadCommitted
            }
            Self::MonotonicAtomicView
            | Self::StrongSessionMonotonicAtomicView
            | Self::StrongMonotonicAtomicView => Isolation::MonotonicAtomicView,
            Self::ReadAtomic | Self::StrongSessionReadAtomic | Self::StrongReadAtomic => {
                Isolation::ReadAtomic
            }
            Self::Causal | Self::StrongCausal => Isolation::Causal,
            Self::CausalConvergence | Self::StrongCausalConvergence => Isolation::CausalConvergence,
            Self::ParallelSnapshotIsolation
            | Self::StrongSessionParallelSnapshotIsolation
            | Self::StrongParallelSnapshotIsolation => Isolation::ParallelSnapshot,
            Self::SnapshotIsolation
            | Self::StrongSessionSnapshotIsolation
            | Self::StrongSnapshotIsolation => Isolation::Snapshot,
            Self::UpdateSerializable
            | Self::StrongSessionUpdateSerializable
            | Self::StrongUpdateSerializable => Isolation::UpdateSerializable,
            Self::RepeatableRead
            | Self::StrongSessionRepeatableRead
            | Self::StrongRepeatableRead => Isolation::RepeatableRead,
            Self::Serializable | Self::StrongSessionSerializable | Self::StrictSerializable => {
                Isolation::Serializable
            }
        }
    }

    /// Whether it is about real time: about who had ended when another began,
    /// whatever their sessions. Of a file without such an order it says nothing.
    #[must_use]
    pub const fn is_in_real_time(self) -> bool {
        matches!(self.order(), Order::RealTime)
    }

    pub(super) const fn order(self) -> Order {
        match self {
            Self::ReadUncommitted
            | Self::ReadCommitted
            | Self::MonotonicAtomicView
            | Self::ReadAtomic
            | Self::ParallelSnapshotIsolation
            | Self::SnapshotIsolation
            | Self::UpdateSerializable
            | Self::RepeatableRead
            | Self::Serializable => Order::Any,
            Self::StrongSessionReadUncommitted
            | Self::StrongSessionReadCommitted
            | Self::StrongSessionMonotonicAtomicView
            | Self::StrongSessionReadAtomic
            | Self::Causal
            | Self::CausalConvergence
            | Self::StrongSessionParallelSnapshotIsolation
            | Self::StrongSessionSnapshotIsolation
            | Self::StrongSessionUpdateSerializable
            | Self::StrongSessionRepeatableRead
            | Self::StrongSessionSerializable => Order::Sessions,
            Self::StrongReadUncommitted
            | Self::StrongReadCommitted
            | Self::StrongMonotonicAtomicView
            | Self::StrongReadAtomic
            | Self::StrongCausal
            | Self::StrongCausalConvergence
            | Self::StrongParallelSnapshotIsolation
            | Self::StrongSnapshotIsolation
            | Self::StrongUpdateSerializable
            | Self::StrongRepeatableRead
            | Self::StrictSerializable => Order::RealTime,
        }
    }

    /// The level of a kind that counts `order`; causal levels count at least
    /// sessions.
    pub(super) fn of(isolation: Isolation, order: Order) -> Option<Self> {
        Self::ALL.into_iter().find(|l| l.isolation() == isolation && l.order() == order)
    }

    /// Whether no history with such an anomaly keeps this level.
    #[must_use]
    pub fn excludes(self, class: Class) -> bool {
        // Who does not see its own writes has no past that explains its reads.
        let is_own = class == Class::Internal && self.implies(Self::Causal);
        is_own || Self::excluded_by(class).is_some_and(|level| self.implies(level))
    }

    /// The weakest level that an anomaly excludes; none if it is no matter of
    /// isolation. What implies that level is excluded, too, and causality, which
    /// does not, by [`Class::Internal`].
    #[must_use]
    pub fn excluded_by(class: Class) -> Option<Self> {
        if let Some((base, order)) = plain(class) {
            let isolation = Self::excluded_by(base)?.isolation();
            return Self::of(isolation, order);
        }
        Some(match class {
            Class::G0 | Class::PhantomRead | Class::IncompatibleOrder => Self::ReadUncommitted,
            Class::G1a | Class::G1b | Class::G1c | Class::FutureRead => Self::ReadCommitted,
            Class::ObservedTransactionVanishes => Self::MonotonicAtomicView,
            Class::Internal | Class::FracturedRead => Self::ReadAtomic,
            Class::WriteCoInitRead | Class::WriteCoRead => Self::Causal,
            Class::CyclicCf => Self::CausalConvergence,
            Class::LostUpdate | Class::GSingle | Class::NotParallelSnapshotIsolated => {
                Self::ParallelSnapshotIsolation
            }
            Class::GNonadjacent | Class::NotSnapshotIsolated => Self::SnapshotIsolation,
            Class::GUpdate | Class::NotUpdateSerializable => Self::UpdateSerializable,
            Class::G2Item => Self::RepeatableRead,
            Class::NotSerializable => Self::RepeatableRead,
            _ => return None,
        })
    }
}

/// Classes with their variants in sessions and in real time.
const VARIANTS: [(Class, Option<Class>, Class); 15] = [
    (Class::G0, Some(Class::G0Process), Class::G0Realtime),
    (Class::G1c, Some(Class::G1cProcess), Class::G1cRealtime),
    (
        Class::ObservedTransactionVanishes,
        Some(Class::ObservedTransactionVanishesProcess),
        Class::ObservedTransactionVanishesRealtime,
    ),
    (Class::FracturedRead, Some(Class::FracturedReadProcess), Class::FracturedReadRealtime),
    // Causality counts sessions in any case.
    (Class::WriteCoInitRead, None, Class::WriteCoInitReadRealtime),
    (Class::WriteCoRead, None, Class::WriteCoReadRealtime),
    (Class::CyclicCf, None, Class::CyclicCfRealtime),
    (Class::GSingle, Some(Class::GSingleProcess), Class::GSingleRealtime),
    (Class::GNonadjacent, Some(Class::GNonadjacentProcess), Class::GNonadjacentRealtime),
    (Class::GUpdate, Some(Class::GUpdateProcess), Class::GUpdateRealtime),
    (Class::G2Item, Some(Class::G2ItemProcess), Class::G2ItemRealtime),
    (
        Class::NotParallelSnapshotIsolated,
        Some(Class::NotParallelSnapshotIsolatedProcess),
        Class::NotParallelSnapshotIsolatedRealtime,
    ),
    (
        Class::NotSnapshotIsolated,
        Some(Class::NotSnapshotIsolatedProcess),
        Class::NotSnapshotIsolatedRealtime,
    ),
    (
        Class::NotUpdateSerializable,
        Some(Class::NotUpdateSerializableProcess),
        Class::NotUpdateSerializableRealtime,
    ),
    (Class::NotSerializable, Some(Class::NotSerializableProcess), Class::NotSerializableRealtime),
];

/// A class without sessions or real time, and which of them it had.
fn plain(class: Class) -> Option<(Class, Order)> {
    VARIANTS.into_iter().find_map(|(base, process, realtime)| match class {
        _ if Some(class) == process => Some((base, Order::Sessions)),
        _ if class == realtime => Some((base, Order::RealTime)),
        _ => None,
    })
}

/// What a class is called where `order` has part in it.
pub(super) fn with_order(class: Class, order: Order) -> Class {
    let variants = VARIANTS.into_iter().find(|(base, ..)| *base == class);
    match (variants, order) {
        (Some((_, process, _)), Order::Sessions) => process.unwrap_or(class),
        (Some((_, _, realtime)), Order::RealTime) => realtime,
        _ => class,
    }
}

/// A class whether or not sessions or real time have part in it.
pub(super) fn without_order(class: Class) -> Class {
    plain(class).map_or(class, |(base, _)| base)
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The name is the variant's, in kebab case.
        for (at, letter) in format!("{self:?}").char_indices() {
            if letter.is_ascii_uppercase() && at > 0 {
                f.write_str("-")?;
            }
            write!(f, "{}", letter.to_ascii_lowercase())?;
        }
        Ok(())
    }
}

/// What is no level.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no level of isolation is called {0}")]
pub struct ParseLevelError(String);

/// Other names that levels are known by.
const ALIASES: [(&str, Expected); 22] = [
    ("ru", Expected::ReadUncommitted),
    ("pl-1", Expected::ReadUncommitted),
    ("rc", Expected::ReadCommitted),
    ("pl-2", Expected::ReadCommitted),
    ("mav", Expected::MonotonicAtomicView),
    ("ra", Expected::ReadAtomic),
    ("cc", Expected::Causal),
    ("ccv", Expected::CausalConvergence),
    ("psi", Expected::ParallelSnapshotIsolation),
    ("consistent-view", Expected::ParallelSnapshotIsolation),
    ("pl-2+", Expected::ParallelSnapshotIsolation),
    ("si", Expected::SnapshotIsolation),
    ("strong-session-si", Expected::StrongSessionSnapshotIsolation),
    ("strong-si", Expected::StrongSnapshotIsolation),
    ("pl-3u", Expected::UpdateSerializable),
    ("rr", Expected::RepeatableRead),
    ("pl-2.99", Expected::RepeatableRead),
    ("ser", Expected::Serializable),
    ("pl-3", Expected::Serializable),
    ("strong-serializable", Expected::StrictSerializable),
    ("sser", Expected::StrictSerializable),
    ("pl-ss", Expected::StrictSerializable),
];

impl FromStr for Expected {
    type Err = ParseLevelError;

    fn from_str(text: &str) -> Result<Self, ParseLevelError> {
        let name = text.to_ascii_lowercase();
        let alias = ALIASES.into_iter().find(|(alias, _)| *alias == name).map(|(_, level)| level);
        alias
            .or_else(|| Self::ALL.into_iter().find(|level| level.to_string() == name))
            .ok_or_else(|| ParseLevelError(text.to_owned()))
    }
}
