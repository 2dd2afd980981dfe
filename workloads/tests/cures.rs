//! What `quarrel explain` says helps against a cause does: the explorer, which
//! breaks the strategy that has it, finds no break of that cause in the cure.

mod own;

use quarrel_checkers::{Cause, Guarantee};
use quarrel_harness::{
    explore::{Bounds, Finding, report},
    report::explain,
};

/// Strategies that keep copies in processes.
const NEAR: [&str; 3] = ["two-tier", "client-tracking", "near-pubsub"];

/// The shortest break. Two reads by one reader, so that what a process keeps
/// to itself can be seen.
fn broken(line: &str, faults: &[&str], guarantee: Guarantee) -> Option<Finding> {
    let faults = faults.iter().map(|fault| fault.parse().unwrap()).collect();
    let bounds = Bounds {
        writers: if line.starts_with("write-through") { 2 } else { 1 },
        readers: 2,
        reads: if NEAR.iter().any(|near| line.starts_with(near)) { 2 } else { 1 },
        faults,
        guarantee,
        max_states: 6_000,
        samples: 200,
        ..Bounds::default()
    };
    report(&own::made(line), line, &[], &bounds).unwrap().finding
}

/// A cure, by how its text begins, and the strategy that applies it.
type Cure = (&'static str, Applied);

enum Applied {
    /// The cause is gone.
    By(&'static str),
    /// It bounds the damage: this guarantee holds, or breaks for another reason.
    Bounds(&'static str, Guarantee),
    /// The fault itself is taken away.
    WithoutTheFault,
    /// It is done outside of what the explorer can see, or what breaks here.
    Beyond,
}

use Applied::{Beyond, By, WithoutTheFault};

struct Ill {
    cause: Cause,
    strategy: &'static str,
    faults: &'static [&'static str],
    guarantee: Guarantee,
    cures: &'static [Cure],
}

const LAG: &[&str] = &["replica-lag"];

const ILLS: &[Ill] = &[
    Ill {
        cause: Cause::ReplicaLagRefill,
        strategy: "cache-aside",
        faults: LAG,
        guarantee: Guarantee::Bounded,
        cures: &[
            ("fill from the primary", By("cache-aside --fill primary")),
            ("leave a marker", By("primary-marker")),
            ("leave a marker", By("tombstone")),
            ("accept a fill only if", By("version-guard")),
            ("delete once more", Applied::Bounds("double-delete", Guarantee::Eventual)),
        ],
    },
    Ill {
        cause: Cause::ReplicaLag,
        strategy: "replica-only",
        faults: LAG,
        guarantee: Guarantee::Linearizable,
        cures: &[
            ("read where the write", Applied::Bounds("lsn-fence", Guarantee::ReadYourWrites)),
            ("synchronous_commit", By("remote-apply")),
        ],
    },
    Ill {
        cause: Cause::InFlightRefill,
        strategy: "cache-aside --fill primary",
        faults: &[],
        guarantee: Guarantee::Bounded,
        cures: &[
            ("leases", By("lease --fill primary")),
            ("leases", By("iq-lease --fill primary")),
            ("store only what is newer", By("version-guard --fill primary")),
            ("store only what is newer", By("tombstone --fill primary")),
        ],
    },
    Ill {
        cause: Cause::FailedInvalidation,
        strategy: "cache-aside --fill primary",
        faults: &["redis-cut"],
        guarantee: Guarantee::Bounded,
        cures: &[
            ("let the database tell", By("outbox --fill primary")),
            ("let the database tell", By("cdc --fill primary")),
            ("retry the delete", By("cache-aside --fill primary --on-lost-invalidation retry")),
            (
                "a TTL short enough",
                Applied::Bounds("cache-aside --fill primary", Guarantee::Eventual),
            ),
        ],
    },
    Ill {
        cause: Cause::WriteWriteRace,
        strategy: "write-through --fill primary",
        faults: &[],
        guarantee: Guarantee::Bounded,
        cures: &[
            ("delete instead", By("cache-aside --fill primary")),
            ("compare versions", By("version-guard --fill primary")),
        ],
    },
    Ill {
        cause: Cause::OutOfBandChange,
        strategy: "cache-aside --fill primary",
        faults: &["manual-sql"],
        guarantee: Guarantee::Bounded,
        cures: &[
            ("a call that updates", By("admin-api --fill primary")),
            ("change data capture", By("cdc --fill primary")),
        ],
    },
    Ill {
        cause: Cause::LostWrite,
        strategy: "primary-only",
        faults: &["failover"],
        guarantee: Guarantee::Bounded,
        cures: &[("synchronous replication", Beyond), ("acknowledge after the commit", Beyond)],
    },
    Ill {
        cause: Cause::ResurrectedEntry,
        strategy: "version-guard --fill primary",
        faults: &["redis-rollback"],
        guarantee: Guarantee::Bounded,
        cures: &[("no snapshots", WithoutTheFault), ("a generation", Beyond)],
    },
    Ill {
        cause: Cause::InvalidateBeforeCommit,
        strategy: "delete-before-write",
        faults: &[],
        guarantee: Guarantee::Bounded,
        cures: &[
            ("invalidate after the commit", By("cache-aside --fill primary")),
            ("hold fills off", By("iq-lease --fill primary")),
            ("let the database tell", By("outbox --fill primary")),
            ("let the database tell", By("cdc --fill primary")),
        ],
    },
    Ill {
        cause: Cause::SetBeforeCommit,
        strategy: "write-behind",
        faults: &[],
        guarantee: Guarantee::Linearizable,
        cures: &[
            ("touch the cache only after", By("cache-aside --fill primary")),
            ("touch the cache only after", By("version-guard --fill primary")),
        ],
    },
    Ill {
        cause: Cause::ForgottenInvalidation,
        strategy: "bulk-forgets",
        faults: &[],
        guarantee: Guarantee::Bounded,
        cures: &[
            ("delete the entry after", By("cache-aside --fill primary")),
            ("let the database's own log", By("cdc --fill primary")),
        ],
    },
    Ill {
        cause: Cause::CachedAbsence,
        strategy: "guarded-negative",
        faults: &[],
        guarantee: Guarantee::Bounded,
        cures: &[
            ("treat a creation", By("cache-aside --fill primary")),
            ("do not cache", By("version-guard --fill primary")),
        ],
    },
    Ill {
        cause: Cause::NearCacheNotTold,
        strategy: "two-tier",
        faults: &[],
        guarantee: Guarantee::Linearizable,
        cures: &[
            ("keep no copies", By("cache-aside --fill primary")),
            ("let the cache tell", By("client-tracking")),
        ],
    },
    Ill {
        cause: Cause::LostInvalidation,
        strategy: "near-pubsub --fill primary",
        faults: &["messages-lost"],
        guarantee: Guarantee::Linearizable,
        cures: &[
            ("drop every copy", By("near-pubsub --fill primary --on-gap drop")),
            ("let the cache tell", By("client-tracking --fill primary")),
        ],
    },
    Ill {
        cause: Cause::ExpiryOnly,
        strategy: "ttl-only --ttl 200ms --fill primary",
        faults: &[],
        guarantee: Guarantee::Bounded,
        cures: &[
            ("delete the entry after", By("cache-aside --fill primary")),
            (
                "a shorter TTL",
                Applied::Bounds("ttl-only --ttl 200ms --fill primary", Guarantee::Eventual),
            ),
        ],
    },
    Ill {
        cause: Cause::PendingInvalidation,
        strategy: "outbox --fill primary",
        faults: &[],
        guarantee: Guarantee::Linearizable,
        cures: &[
            ("delete the entry before the write is ack", By("cache-aside --fill primary")),
            (
                "send the writer's own",
                Applied::Bounds("read-your-writes", Guarantee::ReadYourWrites),
            ),
            ("block the entry", By("iq-lease --fill primary")),
        ],
    },
];

/// Late messages need a longer race than a refill in flight does, and causes of
/// transactions more than one key: they are not looked for here.
const ELSEWHERE: [&str; 4] = ["late-message", "separate-reads", "unchecked-write", "unexplained"];

#[test]
fn what_is_said_to_help_helps() {
    let mut wrong = Vec::new();
    for ill in ILLS {
        match broken(ill.strategy, ill.faults, ill.guarantee) {
            Some(finding) if finding.cause == ill.cause => {}
            Some(finding) => wrong.push(format!("{}: not {}\n{finding}", ill.strategy, ill.cause)),
            None => wrong.push(format!("{} does not break ({})", ill.strategy, ill.cause)),
        }
        for (text, applied) in ill.cures {
            let (cured, faults, guarantee) = match applied {
                By(cured) => (*cured, ill.faults, ill.guarantee),
                Applied::Bounds(cured, guarantee) => (*cured, ill.faults, *guarantee),
                WithoutTheFault => (ill.strategy, &[][..], ill.guarantee),
                Beyond => continue,
            };
            if let Some(finding) = broken(cured, faults, guarantee)
                && finding.cause == ill.cause
            {
                wrong.push(format!("{}: \"{text}\" does not help\n{finding}", ill.cause));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn everything_that_is_said_to_help_is_tried() {
    let causes = explain::entries().filter(|entry| entry.kind == explain::TopicKind::Cause);
    for entry in causes.filter(|entry| !ELSEWHERE.contains(&entry.name)) {
        let ill = ILLS.iter().find(|ill| ill.cause.to_string() == entry.name);
        let ill = ill.unwrap_or_else(|| panic!("nobody has {}", entry.name));
        for cure in entry.cures {
            let tried = ill.cures.iter().any(|(text, _)| cure.starts_with(text));
            assert!(tried, "{}: nobody tries \"{cure}\"", entry.name);
        }
    }
}
