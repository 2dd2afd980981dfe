use std::time::Duration;

use quarrel_checkers::{Key, Value};
use quarrel_strategy::{faults::Mishap, stores::Item};

/// Something that happens to the stores and is no client's step.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Disturbance {
    /// The replica stops replaying.
    PauseReplica,
    /// It replays what it missed and follows every commit from then on.
    ResumeReplica,
    /// It replays everything there is, then stands still again.
    CatchUp,
    /// It replays up to and including this version of the key, then stands
    /// still again.
    ReplayTo {
        /// The row.
        key: Key,
        /// Its version.
        version: u64,
    },
    /// The primary no longer hears what the replica has applied.
    PauseAcknowledgements,
    /// It hears it again.
    ResumeAcknowledgements,
    /// What the cache tells clients of changes stays on its way.
    HoldMessages,
    /// It arrives.
    ReleaseMessages,
    /// The connections break on which clients are told of changes; what is on
    /// its way is lost, and nobody says it again.
    LoseMessages,
    /// What is on its way arrives in the opposite order.
    ReorderMessages,
    /// The cache loses everything.
    WipeCache,
    /// The cache saves a snapshot.
    SaveCache,
    /// The cache comes back with its last snapshot.
    RestoreCache,
    /// The cache evicts an entry.
    Evict(Item),
    /// So much time passes that an entry expires.
    Expire(Item),
    /// Somebody changes a row by hand.
    ManualUpdate {
        /// The row.
        key: Key,
        /// Its new value.
        value: Value,
    },
    /// The replica is promoted; what it had not received is lost.
    FailOver,
    /// Time passes.
    Wait(Duration),
}

/// One thing that happens on a [`Simulation`](super::Simulation).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Move {
    /// A client makes its next step; it begins its next operation if none is
    /// open.
    Step {
        /// Which client.
        actor: usize,
        /// What goes wrong with the call.
        mishap: Option<Mishap>,
    },
    /// A client dies before its next step. A new session takes over its
    /// remaining operations.
    Crash {
        /// Which client.
        actor: usize,
    },
    /// A client that waits by itself has waited long enough.
    Wake {
        /// Which client.
        actor: usize,
    },
    /// A delayed call is executed.
    Deliver {
        /// Whose.
        actor: usize,
    },
    /// The replica replays one commit.
    Replay,
    /// Something happens to the stores.
    Disturb(Disturbance),
}
