use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{Index, Key};

/// Whether a history keeps a guarantee. Merging takes the worst, so unknown
/// never hides invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Validity {
    /// It does.
    Valid,
    /// Could not be decided.
    Unknown,
    /// It does not.
    Invalid,
}

/// The guarantees that a run can be held to, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Guarantee {
    /// Every operation takes effect at one instant between its begin and end
    /// (Herlihy & Wing 1990).
    Linearizable,
    /// Per key, every session reads its own writes and never goes back.
    Sequential,
    /// A session's reads see its own earlier writes.
    ReadYourWrites,
    /// A session's reads of a key never go back to an older version.
    MonotonicReads,
    /// No read is staler than the bound, and the stores agree in the end.
    Bounded,
    /// The stores agree in the end.
    Eventual,
    /// The stores never agree again, or an acknowledged write is lost.
    None,
}

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Linearizable => "linearizable",
            Self::Sequential => "sequential",
            Self::ReadYourWrites => "read-your-writes",
            Self::MonotonicReads => "monotonic-reads",
            Self::Bounded => "bounded",
            Self::Eventual => "eventual",
            Self::None => "none",
        })
    }
}

/// What kind of thing a client or a probe saw that it must not see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// A read returned a value that had been overwritten, and the overwriting
    /// write acknowledged or read, before the read began.
    StaleRead,
    /// Two reads or writes contradict each other about the order of values
    /// without any single read being stale by itself.
    NotLinearizable,
    /// A session did not see its own earlier write.
    ReadYourWrites,
    /// A session saw a newer version and then an older one.
    NonMonotonicRead,
    /// A read returned a value whose write had not begun.
    FutureRead,
    /// A read returned a value that nobody wrote.
    PhantomRead,
    /// A read returned a value whose write had failed for certain: it was in the
    /// cache, and never in the database. Adya's G1a (aborted read), of a single
    /// key.
    DirtyRead,
    /// An acknowledged write is gone from the primary.
    LostWrite,
    /// At the end the stores hold different versions, seen by a probe.
    Divergence,
    /// A session's later write was ordered before its earlier one.
    NonMonotonicWrite,
    /// A session's write was ordered before a version that it had read.
    WriteBeforeRead,
    /// Transactions: a cycle of overwrites (dirty write; Adya 1999).
    G0,
    /// Transactions: a read of a value whose transaction aborted.
    G1a,
    /// Transactions: a read of a value that its transaction overwrote.
    G1b,
    /// Transactions: a cycle of overwrites and reads of what was written.
    G1c,
    /// Transactions: one had read something of another, and then missed what that one wrote
    /// elsewhere (OTV; Adya 1999, Bailis et al. 2013).
    ObservedTransactionVanishes,
    /// Transactions: one read part of what another wrote, and missed the rest (Bailis et al.
    /// 2014).
    FracturedRead,
    /// Transactions: one found a key empty whose write it causally follows (`WriteCOInitRead`;
    /// Bouajjani et al. 2017).
    WriteCoInitRead,
    /// Transactions: one read what had been overwritten in its own causal past (`WriteCORead`;
    /// Bouajjani et al. 2017).
    WriteCoRead,
    /// Transactions: several disagree about the order of writes (`CyclicCF`; Bouajjani et al.
    /// 2017).
    CyclicCf,
    /// Transactions: two replaced the same version, so one update is lost.
    LostUpdate,
    /// Transactions: a cycle with exactly one read of what was then overwritten (read skew).
    GSingle,
    /// Transactions: a cycle with several such reads, of which no two follow each other (long
    /// fork).
    GNonadjacent,
    /// Transactions: a cycle with such reads in which at most one transaction only reads (Adya
    /// 1999).
    GUpdate,
    /// Transactions: a cycle with such reads that follow each other (write skew).
    #[serde(alias = "g2")]
    G2Item,
    /// Transactions: [`Self::G0`], if each must also follow what its own session did before.
    G0Process,
    /// Transactions: [`Self::G1c`], if each must also follow what its own session did before.
    G1cProcess,
    /// Transactions: [`Self::ObservedTransactionVanishes`], if each must also follow what its own session did before.
    ObservedTransactionVanishesProcess,
    /// Transactions: [`Self::FracturedRead`], if each must also follow what its own session did before.
    FracturedReadProcess,
    /// Transactions: [`Self::GSingle`], if each must also follow what its own session did before.
    GSingleProcess,
    /// Transactions: [`Self::GNonadjacent`], if each must also follow what its own session did before.
    GNonadjacentProcess,
    /// Transactions: [`Self::GUpdate`], if each must also follow what its own session did before.
    GUpdateProcess,
    /// Transactions: [`Self::G2Item`], if each must also follow what its own session did before.
    G2ItemProcess,
    /// Transactions: [`Self::G0`], if each must also follow all that had ended before it began.
    G0Realtime,
    /// Transactions: [`Self::G1c`], if each must also follow all that had ended before it began.
    G1cRealtime,
    /// Transactions: [`Self::ObservedTransactionVanishes`], if each must also follow all that had ended before it began.
    ObservedTransactionVanishesRealtime,
    /// Transactions: [`Self::FracturedRead`], if each must also follow all that had ended before it began.
    FracturedReadRealtime,
    /// Transactions: [`Self::WriteCoInitRead`], if each must also follow all that had ended before it began.
    WriteCoInitReadRealtime,
    /// Transactions: [`Self::WriteCoRead`], if each must also follow all that had ended before it began.
    WriteCoReadRealtime,
    /// Transactions: [`Self::CyclicCf`], if each must also follow all that had ended before it began.
    CyclicCfRealtime,
    /// Transactions: [`Self::GSingle`], if each must also follow all that had ended before it began.
    GSingleRealtime,
    /// Transactions: [`Self::GNonadjacent`], if each must also follow all that had ended before it began.
    GNonadjacentRealtime,
    /// Transactions: [`Self::GUpdate`], if each must also follow all that had ended before it began.
    GUpdateRealtime,
    /// Transactions: [`Self::G2Item`], if each must also follow all that had ended before it began.
    #[serde(alias = "g2-realtime")]
    G2ItemRealtime,
    /// Transactions: no order of versions and no sets of visible transactions explain what they
    /// read, though no cycle is evident.
    NotParallelSnapshotIsolated,
    /// Transactions: no choice of a snapshot and a commit for each explains what they read and
    /// wrote, though no cycle is evident.
    NotSnapshotIsolated,
    /// Transactions: no order of those that write explains what they read, and what each that
    /// only reads saw, though no cycle is evident.
    NotUpdateSerializable,
    /// Transactions: no order of them explains what they read, though no cycle is evident.
    NotSerializable,
    /// Transactions: [`Self::NotParallelSnapshotIsolated`], if each must also follow what its own session did
    /// before.
    NotParallelSnapshotIsolatedProcess,
    /// Transactions: [`Self::NotSnapshotIsolated`], if each must also follow what its own session did
    /// before.
    NotSnapshotIsolatedProcess,
    /// Transactions: [`Self::NotUpdateSerializable`], if each must also follow what its own session did
    /// before.
    NotUpdateSerializableProcess,
    /// Transactions: [`Self::NotSerializable`], if each must also follow what its own session did
    /// before.
    NotSerializableProcess,
    /// Transactions: [`Self::NotParallelSnapshotIsolated`], if each must also follow all that had ended before
    /// it began.
    NotParallelSnapshotIsolatedRealtime,
    /// Transactions: [`Self::NotSnapshotIsolated`], if each must also follow all that had ended before
    /// it began.
    NotSnapshotIsolatedRealtime,
    /// Transactions: [`Self::NotUpdateSerializable`], if each must also follow all that had ended before
    /// it began.
    NotUpdateSerializableRealtime,
    /// Transactions: [`Self::NotSerializable`], if each must also follow all that had ended before
    /// it began.
    NotSerializableRealtime,
    /// Transactions: one did not see its own earlier writes.
    Internal,
    /// Transactions: reads contradict each other about the order of versions.
    IncompatibleOrder,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StaleRead => "stale-read",
            Self::NotLinearizable => "not-linearizable",
            Self::ReadYourWrites => "read-your-writes",
            Self::NonMonotonicRead => "non-monotonic-read",
            Self::FutureRead => "future-read",
            Self::PhantomRead => "phantom-read",
            Self::DirtyRead => "dirty-read",
            Self::LostWrite => "lost-write",
            Self::Divergence => "divergence",
            Self::NonMonotonicWrite => "non-monotonic-write",
            Self::WriteBeforeRead => "write-before-read",
            Self::G0 => "g0",
            Self::G1a => "g1a",
            Self::G1b => "g1b",
            Self::G1c => "g1c",
            Self::ObservedTransactionVanishes => "observed-transaction-vanishes",
            Self::FracturedRead => "fractured-read",
            Self::WriteCoInitRead => "write-co-init-read",
            Self::WriteCoRead => "write-co-read",
            Self::CyclicCf => "cyclic-cf",
            Self::LostUpdate => "lost-update",
            Self::GSingle => "g-single",
            Self::GNonadjacent => "g-nonadjacent",
            Self::GUpdate => "g-update",
            Self::G2Item => "g2-item",
            Self::G0Process => "g0-process",
            Self::G1cProcess => "g1c-process",
            Self::ObservedTransactionVanishesProcess => "observed-transaction-vanishes-process",
            Self::FracturedReadProcess => "fractured-read-process",
            Self::GSingleProcess => "g-single-process",
            Self::GNonadjacentProcess => "g-nonadjacent-process",
            Self::GUpdateProcess => "g-update-process",
            Self::G2ItemProcess => "g2-item-process",
            Self::G0Realtime => "g0-realtime",
            Self::G1cRealtime => "g1c-realtime",
            Self::ObservedTransactionVanishesRealtime => "observed-transaction-vanishes-realtime",
            Self::FracturedReadRealtime => "fractured-read-realtime",
            Self::WriteCoInitReadRealtime => "write-co-init-read-realtime",
            Self::WriteCoReadRealtime => "write-co-read-realtime",
            Self::CyclicCfRealtime => "cyclic-cf-realtime",
            Self::GSingleRealtime => "g-single-realtime",
            Self::GNonadjacentRealtime => "g-nonadjacent-realtime",
            Self::GUpdateRealtime => "g-update-realtime",
            Self::G2ItemRealtime => "g2-item-realtime",
            Self::NotParallelSnapshotIsolated => "not-parallel-snapshot-isolated",
            Self::NotSnapshotIsolated => "not-snapshot-isolated",
            Self::NotUpdateSerializable => "not-update-serializable",
            Self::NotSerializable => "not-serializable",
            Self::NotParallelSnapshotIsolatedProcess => "not-parallel-snapshot-isolated-process",
            Self::NotSnapshotIsolatedProcess => "not-snapshot-isolated-process",
            Self::NotUpdateSerializableProcess => "not-update-serializable-process",
            Self::NotSerializableProcess => "not-serializable-process",
            Self::NotParallelSnapshotIsolatedRealtime => "not-parallel-snapshot-isolated-realtime",
            Self::NotSnapshotIsolatedRealtime => "not-snapshot-isolated-realtime",
            Self::NotUpdateSerializableRealtime => "not-update-serializable-realtime",
            Self::NotSerializableRealtime => "not-serializable-realtime",
            Self::Internal => "internal",
            Self::IncompatibleOrder => "incompatible-order",
        })
    }
}

/// How a cache and a database come apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// A miss refilled the cache from a replica that was behind.
    ReplicaLagRefill,
    /// The replica itself was read while behind; no cache is involved.
    ReplicaLag,
    /// A reader carried a value across a write and its invalidation, and put
    /// it into the cache afterwards. Needs no lag.
    InFlightRefill,
    /// The write happened and its invalidation did not.
    FailedInvalidation,
    /// Two writers updated the database in one order and the cache in the
    /// other.
    WriteWriteRace,
    /// The database changed beside the application.
    OutOfBandChange,
    /// An acknowledged write did not survive.
    LostWrite,
    /// The cache came back with an entry that had been deleted.
    ResurrectedEntry,
    /// A request that its client had given up took effect later.
    LateMessage,
    /// The write could be seen already, and its invalidation, by the writer or
    /// by a background agent, was still to come.
    PendingInvalidation,
    /// The writer deleted the entry before its write was committed, and a
    /// reader put the old value back in between.
    InvalidateBeforeCommit,
    /// The writer put its value into the cache before the database had it: it
    /// may be rolled back, or not be there yet.
    SetBeforeCommit,
    /// The write left the cache alone, and nobody else tells it.
    ForgottenInvalidation,
    /// The cache kept "there is none" over the creation of the row.
    CachedAbsence,
    /// A copy in a client's own memory outlived the change, and no message
    /// that it should be dropped had been on its way.
    NearCacheNotTold,
    /// The message that should have told a client arrived nowhere, as nobody
    /// listened when it was sent, and nothing was made of that afterwards.
    LostInvalidation,
    /// The strategy serves entries until they expire, by design.
    ExpiryOnly,
    /// A transaction read its keys at different moments, and another one came
    /// in between; each value was current when it was read.
    SeparateReads,
    /// A client wrote what followed from a value that somebody had replaced
    /// since it was read, and nothing compared.
    UncheckedWrite,
    /// None of the above is evident in the steps.
    Unexplained,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReplicaLagRefill => "replica-lag-refill",
            Self::ReplicaLag => "replica-lag",
            Self::InFlightRefill => "in-flight-refill",
            Self::FailedInvalidation => "failed-invalidation",
            Self::WriteWriteRace => "write-write-race",
            Self::OutOfBandChange => "out-of-band-change",
            Self::LostWrite => "lost-write",
            Self::ResurrectedEntry => "resurrected-entry",
            Self::LateMessage => "late-message",
            Self::PendingInvalidation => "pending-invalidation",
            Self::InvalidateBeforeCommit => "invalidate-before-commit",
            Self::SetBeforeCommit => "set-before-commit",
            Self::ForgottenInvalidation => "forgotten-invalidation",
            Self::CachedAbsence => "cached-absence",
            Self::NearCacheNotTold => "near-cache-not-told",
            Self::LostInvalidation => "lost-invalidation",
            Self::ExpiryOnly => "expiry-only",
            Self::SeparateReads => "separate-reads",
            Self::UncheckedWrite => "unchecked-write",
            Self::Unexplained => "unexplained",
        })
    }
}

/// Who keeps the cache in step with a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Invalidation {
    /// Whoever writes.
    ByWriter,
    /// A background agent, which hears of the write.
    ByAgent,
    /// Nobody: entries are as stale as they are old, by design.
    ByExpiry,
}

/// One thing that must not have been seen, with its evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anomaly {
    /// What kind.
    pub class: Class,
    /// How it came about, once the steps were looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The key it happened to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// Events that prove it, in order: the invocations and completions of the
    /// operations that contradict each other. Forgetting when any one of them
    /// ran makes the rest legal.
    pub witness: Vec<Index>,
    /// How long before the read began its value was overwritten; zero where
    /// that has no meaning.
    pub stale_for: Duration,
    /// How many newer versions had been acknowledged; zero if not known.
    pub versions_behind: u64,
    /// The reason, in a sentence.
    pub explanation: String,
}

/// What a checker found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The claim.
    pub validity: Validity,
    /// Evidence of an invalid history, worst first.
    pub anomalies: Vec<Anomaly>,
    /// How many there are of the first one's class, where not all of them are
    /// kept as evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Why it is unknown, if it is: what was undecided and what would help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undecided: Option<String>,
}

impl Verdict {
    /// A valid verdict.
    #[must_use]
    pub const fn valid() -> Self {
        Self { validity: Validity::Valid, anomalies: Vec::new(), count: None, undecided: None }
    }

    /// An unknown verdict, because of `reason`.
    #[must_use]
    pub fn unknown(reason: impl Into<String>) -> Self {
        let undecided = Some(reason.into());
        Self { validity: Validity::Unknown, anomalies: Vec::new(), count: None, undecided }
    }

    /// An invalid verdict with its evidence.
    #[must_use]
    pub const fn invalid(anomalies: Vec<Anomaly>) -> Self {
        Self { validity: Validity::Invalid, anomalies, count: None, undecided: None }
    }

    /// The same, of so many anomalies, not all of which are kept.
    #[must_use]
    pub const fn of(mut self, count: u64) -> Self {
        self.count = Some(count);
        self
    }

    /// Both verdicts as one: the worse validity, all evidence.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.validity = self.validity.max(other.validity);
        self.count = if self.anomalies.is_empty() { other.count } else { self.count };
        self.anomalies.extend(other.anomalies);
        self.undecided = self.undecided.or(other.undecided);
        self
    }
}
