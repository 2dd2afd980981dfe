use std::time::Duration;

use super::Sign;
use crate::cluster::{Control, Link, Node};

/// A kind of fault.
pub struct FaultEntry {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// Its usual amount; zero if it has none.
    pub amount: Duration,
    /// The ways in which it can be brought about; the first is the usual one.
    pub ways: &'static [&'static str],
    pub(super) inject: fn(Duration, &str) -> Vec<Control>,
    pub(super) heal: fn(&str) -> Vec<Control>,
    pub(super) sign: fn(Duration, &str) -> Sign,
}

/// The faults that are built in.
pub const BUILTIN: &[FaultEntry] = &[
    FaultEntry {
        name: "replica-lag",
        summary: "the replica is behind: by its apply delay, a slow link, or a replay that stands still",
        amount: Duration::from_millis(200),
        ways: &["apply", "link", "pause"],
        inject: |amount, via| {
            vec![match via {
                "link" => Control::Latency {
                    link: Link::ReplicaPrimary,
                    latency: amount,
                    jitter: Duration::ZERO,
                },
                "pause" => Control::PauseReplay,
                _ => Control::ApplyDelay(amount),
            }]
        },
        heal: |via| {
            vec![match via {
                "link" => Control::Restore(Link::ReplicaPrimary),
                "pause" => Control::ResumeReplay,
                _ => Control::ApplyDelay(Duration::ZERO),
            }]
        },
        sign: |amount, _| Sign::ReplicaBehind { by: amount },
    },
    FaultEntry {
        name: "pause-replica",
        summary: "the replica stops where it is (SIGSTOP); its connections stay open",
        amount: Duration::ZERO,
        ways: &[],
        inject: |_, _| vec![Control::Freeze(Node::Replica)],
        heal: |_| vec![Control::Thaw(Node::Replica)],
        sign: |_, _| Sign::Silent(Link::ClientReplica),
    },
    FaultEntry {
        name: "primary-latency",
        summary: "answers of the primary reach clients late",
        amount: Duration::from_millis(100),
        ways: &[],
        inject: |latency, _| vec![slow(Link::ClientPrimary, latency)],
        heal: |_| vec![Control::Restore(Link::ClientPrimary)],
        sign: |by, _| Sign::Slow { link: Link::ClientPrimary, by },
    },
    FaultEntry {
        name: "redis-latency",
        summary: "answers of the cache reach clients late",
        amount: Duration::from_millis(100),
        ways: &[],
        inject: |latency, _| vec![slow(Link::ClientCache, latency)],
        heal: |_| vec![Control::Restore(Link::ClientCache)],
        sign: |by, _| Sign::Slow { link: Link::ClientCache, by },
    },
    FaultEntry {
        name: "redis-cut",
        summary: "no client reaches the cache: connections break, new ones are refused",
        amount: Duration::ZERO,
        ways: &[],
        inject: |_, _| vec![Control::Cut(Link::ClientCache)],
        heal: |_| vec![Control::Restore(Link::ClientCache)],
        sign: |_, _| Sign::Unreachable(Link::ClientCache),
    },
    FaultEntry {
        name: "redis-reply-lost",
        summary: "requests reach the cache and run, answers never come back",
        amount: Duration::ZERO,
        ways: &[],
        inject: |_, _| vec![Control::DropReplies(Link::ClientCache)],
        heal: |_| vec![Control::Restore(Link::ClientCache)],
        sign: |_, _| Sign::RepliesLost,
    },
    FaultEntry {
        name: "kill-redis",
        summary: "the cache dies (SIGKILL) and comes back empty",
        amount: Duration::ZERO,
        ways: &[],
        inject: |_, _| vec![Control::Kill(Node::Cache)],
        heal: |_| vec![Control::Start(Node::Cache)],
        sign: |_, _| Sign::Unreachable(Link::ClientCache),
    },
];

const fn slow(link: Link, latency: Duration) -> Control {
    Control::Latency { link, latency, jitter: Duration::ZERO }
}
