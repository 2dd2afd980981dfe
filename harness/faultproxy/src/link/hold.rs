//! Directions that are held, and how much of them is released.

use crate::message::wal::WalPosition;

/// Whether bytes of one direction of one connection may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Hold {
    /// All of them.
    #[default]
    Open,
    /// Those that were released.
    Held {
        /// Bytes released and not yet passed.
        bytes: u64,
        /// WAL before this position is released.
        lsn: Option<WalPosition>,
    },
}

impl Hold {
    pub(crate) const SHUT: Self = Self::Held { bytes: 0, lsn: None };
}

/// How much of a held direction to release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// Everything; the direction is not held any more.
    All,
    /// So many bytes more; the direction stays held behind them.
    Bytes(u64),
    /// On a replication stream: WAL before this position. The direction stays
    /// held behind it. Pages of WAL are cut exactly there; of logical changes,
    /// those pass that begin no later.
    UpTo(WalPosition),
}
