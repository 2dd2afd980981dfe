//! Caching strategies, one a file, each written as an application would.

mod admin_api;
pub mod aside;
mod cache_aside;
mod causal_token;
mod cdc;
mod cdc_tombstone;
mod client_tracking;
mod delete_before_write;
mod double_delete;
mod early_expiry;
mod iq_lease;
mod lease;
mod lsn_fence;
mod near_pubsub;
mod notify;
mod optimistic_lock;
mod outbox;
mod primary_marker;
mod primary_only;
mod read_your_writes;
mod remote_apply;
mod replica_only;
pub mod scripts;
mod session_flag;
mod singleflight;
mod stale_while_revalidate;
mod tombstone;
mod ttl_only;
mod validate_on_primary;
mod version_guard;
mod versioned_keys;
mod versioned_keys_repaired;
mod write_behind;
mod write_through;

pub use admin_api::AdminApi;
pub use cache_aside::CacheAside;
pub use causal_token::CausalToken;
pub use cdc::Cdc;
pub use cdc_tombstone::CdcTombstone;
pub use client_tracking::ClientTracking;
pub use delete_before_write::DeleteBeforeWrite;
pub use double_delete::DoubleDelete;
pub use early_expiry::EarlyExpiry;
pub use iq_lease::IqLease;
pub use lease::Lease;
pub use lsn_fence::LsnFence;
pub use near_pubsub::{NearPubsub, OnGap, Published};
pub use notify::Notify;
pub use optimistic_lock::OptimisticLock;
pub use outbox::Outbox;
pub use primary_marker::PrimaryMarker;
pub use primary_only::PrimaryOnly;
pub use read_your_writes::ReadYourWrites;
pub use remote_apply::RemoteApply;
pub use replica_only::ReplicaOnly;
pub use session_flag::SessionFlag;
pub use singleflight::Singleflight;
pub use stale_while_revalidate::StaleWhileRevalidate;
pub use tombstone::Tombstone;
pub use ttl_only::TtlOnly;
pub use validate_on_primary::ValidateOnPrimary;
pub use version_guard::VersionGuard;
pub use versioned_keys::VersionedKeys;
pub use versioned_keys_repaired::VersionedKeysRepaired;
pub use write_behind::WriteBehind;
pub use write_through::WriteThrough;

use quarrel_harness::strategy::StrategyEntry;

/// Every built-in strategy, in the order in which they are listed.
#[must_use]
pub fn all() -> Vec<StrategyEntry> {
    vec![
        primary_only::ENTRY,
        replica_only::ENTRY,
        validate_on_primary::ENTRY,
        cache_aside::ENTRY,
        delete_before_write::ENTRY,
        double_delete::ENTRY,
        write_through::ENTRY,
        write_behind::ENTRY,
        ttl_only::ENTRY,
        session_flag::ENTRY,
        primary_marker::ENTRY,
        read_your_writes::ENTRY,
        lsn_fence::ENTRY,
        causal_token::ENTRY,
        remote_apply::ENTRY,
        versioned_keys::ENTRY,
        versioned_keys_repaired::ENTRY,
        version_guard::ENTRY,
        optimistic_lock::ENTRY,
        lease::ENTRY,
        iq_lease::ENTRY,
        tombstone::ENTRY,
        singleflight::ENTRY,
        outbox::ENTRY,
        cdc::ENTRY,
        cdc_tombstone::ENTRY,
        notify::ENTRY,
        client_tracking::ENTRY,
        near_pubsub::ENTRY,
        stale_while_revalidate::ENTRY,
        early_expiry::ENTRY,
        admin_api::ENTRY,
    ]
}
