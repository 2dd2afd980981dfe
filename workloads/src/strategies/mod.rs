//! Caching strategies, one a file, each written as an application would.

pub mod aside;
mod cache_aside;
mod primary_only;
mod read_your_writes;
mod replica_only;
mod ttl_only;
mod write_through;

pub use cache_aside::CacheAside;
pub use primary_only::PrimaryOnly;
pub use read_your_writes::ReadYourWrites;
pub use replica_only::ReplicaOnly;
pub use ttl_only::TtlOnly;
pub use write_through::WriteThrough;

use quarrel_harness::strategy::StrategyEntry;

/// Every built-in strategy, in the order in which they are listed.
#[must_use]
pub fn all() -> Vec<StrategyEntry> {
    vec![
        primary_only::ENTRY,
        replica_only::ENTRY,
        cache_aside::ENTRY,
        write_through::ENTRY,
        ttl_only::ENTRY,
        read_your_writes::ENTRY,
    ]
}
