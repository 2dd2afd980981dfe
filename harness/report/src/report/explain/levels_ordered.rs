use super::{Topic, TopicKind};

/// Anomalies in which the order of a session, or real time, has part.
pub(super) const ENTRIES: &[Topic] = &[
    in_sessions("g0-process", "transactions overwrote each other in a cycle, as its session shows"),
    in_sessions(
        "g1c-process",
        "transactions depend on each other in a cycle of writes and reads, as its session shows",
    ),
    in_sessions(
        "observed-transaction-vanishes-process",
        "a transaction had read something of another, and then missed the rest, as its session shows",
    ),
    in_sessions(
        "fractured-read-process",
        "a transaction saw part of another's writes, and missed the rest, as its session shows",
    ),
    in_sessions(
        "g-single-process",
        "a transaction missed what another wrote and depends on it, as its session shows",
    ),
    in_sessions(
        "g-nonadjacent-process",
        "transactions saw others' writes in different orders, as its session shows",
    ),
    in_sessions(
        "g-update-process",
        "transactions that write contradict each other, or one that reads contradicts them, as its session shows",
    ),
    in_sessions(
        "g2-item-process",
        "transactions each overwrote what the other had read, as its session shows",
    ),
    in_sessions(
        "not-parallel-snapshot-isolated-process",
        "no order of versions explains what transactions read, as its session shows",
    ),
    in_sessions(
        "not-snapshot-isolated-process",
        "no choice of snapshots and commits explains what transactions read, as its session shows",
    ),
    in_sessions(
        "not-update-serializable-process",
        "no order of those that write explains what they, and each that only reads, saw, as its session shows",
    ),
    in_sessions(
        "not-serializable-process",
        "no order of the transactions explains what they read, as its session shows",
    ),
    in_real_time(
        "observed-transaction-vanishes-realtime",
        "a transaction had read something of another, and then missed the rest, as real time shows",
    ),
    in_real_time(
        "fractured-read-realtime",
        "a transaction saw part of another's writes, and missed the rest, as real time shows",
    ),
    in_real_time(
        "write-co-init-read-realtime",
        "a transaction found a key empty that is written in its past, as real time shows",
    ),
    in_real_time(
        "write-co-read-realtime",
        "a transaction read what had been overwritten in its past, as real time shows",
    ),
    in_real_time(
        "cyclic-cf-realtime",
        "transactions disagree about the order of writes that they all saw, as real time shows",
    ),
    in_real_time(
        "g-nonadjacent-realtime",
        "transactions saw others' writes in different orders, as real time shows",
    ),
    in_real_time(
        "g-update-realtime",
        "transactions that write contradict each other, or one that reads contradicts them, as real time shows",
    ),
    in_real_time(
        "not-parallel-snapshot-isolated-realtime",
        "no order of versions explains what transactions read, as real time shows",
    ),
    in_real_time(
        "not-snapshot-isolated-realtime",
        "no choice of snapshots and commits explains what transactions read, as real time shows",
    ),
    in_real_time(
        "not-update-serializable-realtime",
        "no order of those that write explains what they, and each that only reads, saw, as real time shows",
    ),
];

const fn in_sessions(name: &'static str, summary: &'static str) -> Topic {
    Topic {
        kind: TopicKind::Anomaly,
        name,
        summary,
        text: "The anomaly without -process, where it counts as a dependency, too, that a transaction \
               follows those which its process had run before. Levels called strong-session-… exclude \
               it; others do not, for they may place each transaction where it fits.",
        timeline: "t=0ms    A, T1: write 4 = v2            -> committed\n\
                   t=5ms    A, T2: read 4                  -> v1  its session had written v2",
        source: "Daudjee & Salem, Lazy Database Replication with Ordering Guarantees, ICDE 2004; \
                 Kingsbury & Alvaro, Elle, PVLDB 2020 (-process)",
        cures: &[
            "let a session carry how far it has written and read, and wait for that (lsn-fence)",
        ],
    }
}

const fn in_real_time(name: &'static str, summary: &'static str) -> Topic {
    Topic {
        kind: TopicKind::Anomaly,
        name,
        summary,
        text: "The anomaly without -realtime, where it counts as a dependency, too, that a transaction \
               follows all that had ended when it began. Levels called strong-…, and strict \
               serializability, exclude it; others do not, for they may place each transaction where \
               it fits.",
        timeline: "t=0ms    T1: write 4 = v2               -> committed\n\
                   t=5ms    T2: read 4                     -> v1  T1 had ended before",
        source: "Adya, Weak Consistency, MIT 1999 (real-time edges); Kingsbury & Alvaro, Elle, PVLDB \
                 2020 (-realtime)",
        cures: &["read from the primary, or from a replica that has the write (lsn-fence)"],
    }
}
