use std::time::Duration;

use crate::{Class, Index, Key, Version};

/// What the judge found of one completed read of one key: what a report, a
/// trace or a search says of a read is looked up here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadFinding {
    /// The invocation of the read; a transaction has one finding for each key
    /// that it read.
    pub invoke: Index,
    /// What it read.
    pub key: Option<Key>,
    /// What is wrong with it by itself, if anything is: [`Class::StaleRead`],
    /// [`Class::DirtyRead`], [`Class::PhantomRead`] or [`Class::FutureRead`].
    pub class: Option<Class>,
    /// How long before it began its value had been overwritten; none if it is
    /// not stale.
    pub stale_for: Option<Duration>,
    /// The invocation of the operation on a newer value that had ended before
    /// the read began.
    pub proof: Option<Index>,
    /// The version of what it returned, as far as it is known.
    pub version: Option<Version>,
    /// How many newer versions had been acknowledged when it began; none where
    /// versions do not tell.
    pub versions_behind: Option<u64>,
    /// Whether it is stale whatever its version: real time alone proves that
    /// its value had been replaced.
    pub is_stale_by_value: bool,
    /// Whether it returned what a step of its own had found in the cache.
    pub is_hit: bool,
    /// Whether it could have been stale: a write had been acknowledged before.
    pub is_at_risk: bool,
}
