//! The faults that are built in: a file for each, and a line below.

mod bandwidth;
mod client_crash;
mod client_give_up;
mod client_pause;
mod cut;
mod expiry;
mod failover;
mod kill;
mod late_ack;
mod late_message;
mod latency;
mod limit;
mod manual_sql;
mod messages_lost;
mod messages_reordered;
mod pause;
mod redis_evict;
mod redis_rollback;
mod redis_wipe;
mod replica_behind;
mod replica_lag;
mod reply_lost;
mod request_lost;
mod reset;
mod slicer;
mod slow_close;
mod stall;

use std::time::Duration;

use super::{FaultArguments, FaultEntry};
use crate::cluster::{Control, Impairment, Link, Node};

/// In the order in which they are listed.
static BUILTIN: [&FaultEntry; 56] = [
    &replica_lag::ENTRY,
    &replica_behind::ENTRY,
    &cut::REPLICATION,
    &failover::ENTRY,
    &stall::REPLICATION,
    &bandwidth::REPLICATION,
    &reply_lost::REPLICATION,
    &request_lost::REPLICATION,
    &reset::REPLICATION,
    &slicer::REPLICATION,
    &limit::REPLICATION,
    &latency::REDIS,
    &cut::REDIS,
    &reply_lost::REDIS,
    &request_lost::REDIS,
    &reset::REDIS,
    &slow_close::REDIS,
    &slicer::REDIS,
    &limit::REDIS,
    &bandwidth::REDIS,
    &latency::PRIMARY,
    &cut::PRIMARY,
    &reply_lost::PRIMARY,
    &request_lost::PRIMARY,
    &reset::PRIMARY,
    &slow_close::PRIMARY,
    &slicer::PRIMARY,
    &limit::PRIMARY,
    &bandwidth::PRIMARY,
    &latency::REPLICA,
    &cut::REPLICA,
    &reply_lost::REPLICA,
    &request_lost::REPLICA,
    &reset::REPLICA,
    &slow_close::REPLICA,
    &slicer::REPLICA,
    &limit::REPLICA,
    &bandwidth::REPLICA,
    &kill::REDIS,
    &kill::PRIMARY,
    &kill::REPLICA,
    &pause::REDIS,
    &pause::PRIMARY,
    &pause::REPLICA,
    &redis_wipe::ENTRY,
    &redis_rollback::ENTRY,
    &redis_evict::ENTRY,
    &client_crash::ENTRY,
    &client_pause::ENTRY,
    &client_give_up::ENTRY,
    &manual_sql::ENTRY,
    &late_message::ENTRY,
    &late_ack::ENTRY,
    &expiry::ENTRY,
    &messages_lost::ENTRY,
    &messages_reordered::ENTRY,
];

/// The faults that are built in.
pub fn builtin() -> impl Iterator<Item = &'static FaultEntry> {
    BUILTIN.into_iter()
}

/// A link as a type: what an entry does is a function, and knows its link.
trait Over {
    const LINK: Link;
}

/// Clients to the cache.
struct Cache;
/// Clients to the primary.
struct Primary;
/// Clients to the replica.
struct Replica;
/// The replica to the primary.
struct Replication;

/// A link to a server, as a type.
trait To: Over {
    const NODE: Node;
}

impl To for Cache {
    const NODE: Node = Node::Cache;
}

impl To for Primary {
    const NODE: Node = Node::Primary;
}

impl To for Replica {
    const NODE: Node = Node::Replica;
}

impl Over for Cache {
    const LINK: Link = Link::ClientCache;
}

impl Over for Primary {
    const LINK: Link = Link::ClientPrimary;
}

impl Over for Replica {
    const LINK: Link = Link::ClientReplica;
}

impl Over for Replication {
    const LINK: Link = Link::ReplicaPrimary;
}

fn impair<L: Over>(impairment: Impairment) -> Vec<Control> {
    vec![Control::Impair { link: L::LINK, impairment }]
}

fn restore<L: Over>(_: &FaultArguments) -> Vec<Control> {
    vec![Control::Restore(L::LINK)]
}

/// Bytes are missing from the replica's stream: its connection is of no use any
/// more.
fn new_stream(_: &FaultArguments) -> Vec<Control> {
    vec![Control::Cut(Replication::LINK), Control::Restore(Replication::LINK)]
}

/// How far behind a replica must be that gets no log at all.
const LITTLE: Duration = Duration::from_millis(50);
