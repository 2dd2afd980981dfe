use super::{Topic, TopicKind};

/// What transactions can be held to.
pub(super) const ENTRIES: &[Topic] = &[
    level(
        "read-uncommitted",
        "nobody overwrites in a circle (PL-1)",
        "Excludes g0.",
        "Adya, Weak Consistency, MIT 1999",
    ),
    level(
        "strong-session-read-uncommitted",
        "read-uncommitted that keeps the order of each session",
        SESSIONS,
        DAUDJEE,
    ),
    level("strong-read-uncommitted", "read-uncommitted that keeps real time", REAL_TIME, DAUDJEE),
    level(
        "read-committed",
        "nor reads what was never committed, or not yet (PL-2)",
        "Excludes g1a, g1b and g1c as well. Biswas & Enea (2019), and AWDIT after them, mean strong-session-monotonic-atomic-view by this name.",
        "Adya, Weak Consistency, MIT 1999",
    ),
    level(
        "strong-session-read-committed",
        "read-committed that keeps the order of each session",
        SESSIONS,
        DAUDJEE,
    ),
    level("strong-read-committed", "read-committed that keeps real time", REAL_TIME, DAUDJEE),
    level(
        "monotonic-atomic-view",
        "who has read something of a transaction reads the rest of it from then on",
        "Excludes observed-transaction-vanishes as well.",
        "Bailis et al., Highly Available Transactions, PVLDB 2013",
    ),
    level(
        "strong-session-monotonic-atomic-view",
        "monotonic-atomic-view that keeps the order of each session",
        SESSIONS,
        DAUDJEE,
    ),
    level(
        "strong-monotonic-atomic-view",
        "monotonic-atomic-view that keeps real time",
        REAL_TIME,
        DAUDJEE,
    ),
    level(
        "read-atomic",
        "of another transaction everything is read or nothing",
        "Excludes fractured-read and internal as well. With sessions it is what Biswas & Enea, and AWDIT, call read atomic.",
        "Bailis et al., Scalable Atomic Visibility with RAMP Transactions, SIGMOD 2014; Cerone, Bernardi & Gotsman, CONCUR 2015",
    ),
    level(
        "strong-session-read-atomic",
        "read-atomic that keeps the order of each session",
        SESSIONS,
        DAUDJEE,
    ),
    level("strong-read-atomic", "read-atomic that keeps real time", REAL_TIME, DAUDJEE),
    level(
        "causal",
        "each transaction can explain what it read by an order of its causal past (CC)",
        "Its past is what its session did before, what that had read, and so on. Excludes g1c-process (CyclicCO), write-co-init-read and write-co-read. It does not imply read-atomic: each may have an order of its own.",
        "Bouajjani, Enea, Guerraoui & Hamza, On Verifying Causal Consistency, POPL 2017",
    ),
    level(
        "strong-causal",
        "causal where all that had ended belongs to the past",
        REAL_TIME,
        DAUDJEE,
    ),
    level(
        "causal-convergence",
        "one order explains what all read of their causal pasts (CCv)",
        "Excludes cyclic-cf as well. Biswas & Enea, and AWDIT, call it causal consistency.",
        "Bouajjani et al., POPL 2017; Biswas & Enea, On the Complexity of Checking Transactional Consistency, OOPSLA 2019",
    ),
    level(
        "strong-causal-convergence",
        "causal-convergence where all that had ended belongs to the past",
        REAL_TIME,
        DAUDJEE,
    ),
    level(
        "parallel-snapshot-isolation",
        "causal views, and of two that write one key one has seen the other (PSI)",
        "Excludes g-single and lost-update as well. For keys without predicates it is Adya's consistent view (PL-2+).",
        "Sovran et al., SOSP 2011; Cerone & Gotsman, Analysing Snapshot Isolation, PODC 2016",
    ),
    level(
        "strong-session-parallel-snapshot-isolation",
        "parallel-snapshot-isolation that keeps the order of each session",
        SESSIONS,
        DAUDJEE,
    ),
    level(
        "strong-parallel-snapshot-isolation",
        "parallel-snapshot-isolation that keeps real time",
        REAL_TIME,
        DAUDJEE,
    ),
    level(
        "snapshot-isolation",
        "each reads one snapshot, and of two at once that write one key one fails (SI)",
        "Any snapshot will do, an old one too (generalized). Excludes g-nonadjacent as well, and allows write skew.",
        "Berenson et al., SIGMOD 1995; Elnikety, Pedone & Zwaenepoel, SRDS 2005",
    ),
    level(
        "strong-session-snapshot-isolation",
        "snapshot-isolation that keeps the order of each session",
        SESSIONS,
        DAUDJEE,
    ),
    level(
        "strong-snapshot-isolation",
        "snapshot-isolation that keeps real time",
        REAL_TIME,
        DAUDJEE,
    ),
    level(
        "update-serializable",
        "those that write are serializable, and so with each one that only reads (PL-3U)",
        "Excludes g-update as well. Two that only read may disagree about the order (long fork).",
        "Adya, Weak Consistency, MIT 1999",
    ),
    level(
        "strong-session-update-serializable",
        "update-serializable that keeps the order of each session",
        SESSIONS,
        DAUDJEE,
    ),
    level(
        "strong-update-serializable",
        "update-serializable that keeps real time",
        REAL_TIME,
        DAUDJEE,
    ),
    level(
        "repeatable-read",
        "nothing that was read is overwritten in a circle (PL-2.99)",
        "Excludes g2-item as well. Without predicates that is as much as serializable. Databases call weaker things by this name: in Postgres it is snapshot isolation.",
        "Adya, Weak Consistency, MIT 1999",
    ),
    level(
        "strong-session-repeatable-read",
        "repeatable-read that keeps the order of each session",
        SESSIONS,
        DAUDJEE,
    ),
    level("strong-repeatable-read", "repeatable-read that keeps real time", REAL_TIME, DAUDJEE),
    level(
        "serializable",
        "some order of all transactions explains every read",
        "The order may be any.",
        "Papadimitriou, The Serializability of Concurrent Database Updates, JACM 1979",
    ),
    level(
        "strong-session-serializable",
        "the same in an order that keeps that of each session",
        SESSIONS,
        DAUDJEE,
    ),
    level(
        "strict-serializable",
        "the same in an order that keeps real time",
        REAL_TIME,
        "Adya, Weak Consistency, MIT 1999 (PL-SS); Papadimitriou, JACM 1979",
    ),
];

const SESSIONS: &str = "It counts as a dependency that a transaction follows those which its process had \
                        run before. Excludes the anomalies that end in -process as well.";
const REAL_TIME: &str = "It counts as a dependency that a transaction follows all that had ended when it \
                         began. Excludes the anomalies that end in -realtime as well.";
const DAUDJEE: &str = "Daudjee & Salem, Lazy Database Replication with Ordering Guarantees, ICDE 2004, \
                       and with Snapshot Isolation, VLDB 2006; Kingsbury & Alvaro, Elle, PVLDB 2020";

const fn level(
    name: &'static str,
    summary: &'static str,
    text: &'static str,
    source: &'static str,
) -> Topic {
    Topic { kind: TopicKind::Level, name, summary, text, timeline: "", source, cures: &[] }
}
