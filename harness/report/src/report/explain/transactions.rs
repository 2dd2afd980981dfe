use super::{Topic, TopicKind};

const ADYA: &str = "Adya, Weak Consistency: A Generalized Theory and Optimistic Implementations for \
                    Distributed Transactions, MIT 1999";
const STRICT: &str = "Adya, Weak Consistency, MIT 1999 (strict serializability by real-time edges); \
                      Kingsbury & Alvaro, Elle, PVLDB 2020";

/// What transactions over several keys can go wrong in.
pub(super) const ENTRIES: &[Topic] = &[
    Topic {
        kind: TopicKind::Anomaly,
        name: "g0",
        summary: "transactions overwrote each other in a cycle (dirty write)",
        text: "T1 overwrote what T2 wrote on one key, and T2 what T1 wrote on another: neither came \
               first, and what is left is half of each.",
        timeline: "t=0ms    T1: write 4 = 1\n\
                   t=1ms    T2: write 4 = 2, write 5 = 2   -> committed\n\
                   t=2ms    T1: write 5 = 1                -> committed   4 is T2's, 5 is T1's",
        source: ADYA,
        cures: &[
            "write both keys in one database transaction: every isolation level excludes it there",
            "write to the cache only after the commit, and only what is newer than what is there",
        ],
    },
    Topic {
        kind: TopicKind::Anomaly,
        name: "g1a",
        summary: "a transaction read what another wrote and then rolled back",
        text: "The value never was: its transaction aborted, yet somebody acted on it.",
        timeline: "t=0ms    T1: write 4 = 9\n\
                   t=1ms    T2: read 4                     -> 9\n\
                   t=2ms    T1: rolled back                            9 never was",
        source: ADYA,
        cures: &[
            "READ COMMITTED or stronger",
            "fill and invalidate the cache after the commit, never before",
        ],
    },
    Topic {
        kind: TopicKind::Anomaly,
        name: "g1b",
        summary: "a transaction read a value that its writer overwrote before committing",
        text: "An intermediate state of another transaction was visible.",
        timeline: "t=0ms    T1: write 4 = 8\n\
                   t=1ms    T2: read 4                     -> 8\n\
                   t=2ms    T1: write 4 = 9                -> committed   8 was never final",
        source: ADYA,
        cures: &[
            "READ COMMITTED or stronger",
            "fill and invalidate the cache after the commit, never before",
        ],
    },
    Topic {
        kind: TopicKind::Anomaly,
        name: "g1c",
        summary: "transactions depend on each other in a cycle of writes and reads",
        text: "T1 read what T2 wrote, and T2 what T1 wrote: each would have to come before the \
               other.",
        timeline: "t=0ms    T1: write 4 = 1\n\
                   t=1ms    T2: write 5 = 2, read 4        -> 1\n\
                   t=2ms    T1: read 5                     -> 2   each read the other's write",
        source: ADYA,
        cures: &["READ COMMITTED or stronger, with reads and writes in one database transaction"],
    },
    Topic {
        kind: TopicKind::Anomaly,
        name: "lost-update",
        summary: "two transactions replaced the same version, so one update is gone",
        text: "Both read v1, both wrote their own successor; the second erased the first without \
               having seen it. A cache makes it likelier: what it returns may be older than what the \
               database holds.",
        timeline: "t=0ms    Writer A: read 7               -> 5\n\
                   t=1ms    Writer B: read 7               -> 5\n\
                   t=2ms    Writer A: write 7 = 6          -> ok\n\
                   t=3ms    Writer B: write 7 = 6          -> ok  one of two is gone",
        source: "Berenson et al., A Critique of ANSI SQL Isolation Levels, SIGMOD 1995 (P4)",
        cures: &[
            "compare the version when writing, and try again if it has changed (optimistic-lock)",
            "let the database count: UPDATE … SET n = n + 1; or lock the row by SELECT … FOR UPDATE",
            "never write what was computed from a cached value without such a check",
        ],
    },
    Topic {
        kind: TopicKind::Anomaly,
        name: "g-single",
        summary: "a transaction saw part of another's writes, and missed the rest (read skew)",
        text: "The reader looked at two moments at once: one key after a transaction, the other \
               before it. Two cache entries that are filled at different times do it even where each \
               is invalidated in time; of one transaction's writes it is called a fractured read.",
        timeline: "t=0ms    Writer A: write 4 = v2, 5 = v2 -> ok\n\
                   t=1ms    Reader B: GET 4                -> v1\n\
                   t=2ms    Reader B: GET 5                -> v2  so 4 must be v2",
        source: "Adya, Weak Consistency, MIT 1999 (G-single); Bailis et al., Scalable Atomic \
                 Visibility with RAMP Transactions, SIGMOD 2014 (fractured reads)",
        cures: &[
            "what must fit together goes into one cache entry, and is deleted as one",
            "read both keys from the database in one transaction, at REPEATABLE READ or stronger",
            "store with each entry which versions belong to it, and read again what does not fit \
             (RAMP)",
        ],
    },
    Topic {
        kind: TopicKind::Anomaly,
        name: "g2-item",
        summary: "transactions each overwrote what the other had read (write skew)",
        text: "A cycle with several reads of what was then overwritten, of which two follow each \
               other: each was right by itself, together they break a rule that spans both. Adya's \
               G2 without predicates.",
        timeline: "t=0ms    T1: read 4, read 5             -> on call, on call\n\
                   t=0ms    T2: read 4, read 5             -> on call, on call\n\
                   t=1ms    T1: write 4 = off              -> committed\n\
                   t=2ms    T2: write 5 = off              -> committed   nobody is on call",
        source: "Berenson et al., A Critique of ANSI SQL Isolation Levels, SIGMOD 1995 (A5B); Adya, \
                 Weak Consistency, MIT 1999 (G2)",
        cures: &[
            "SERIALIZABLE, which Postgres checks as it goes; REPEATABLE READ does not exclude it",
            "lock what the rule spans by SELECT … FOR UPDATE",
        ],
    },
    Topic {
        kind: TopicKind::Anomaly,
        name: "g0-realtime",
        summary: "transactions overwrote each other in an order that real time contradicts",
        text: "T1 overwrote what T2 wrote, although T2 began only after T1 had ended: serializable \
               perhaps, but not strictly so.",
        timeline: "t=0ms    T1: write 4 = 1                -> committed\n\
                   t=5ms    T2: write 4 = 2                -> committed  yet 1 comes last",
        source: STRICT,
        cures: &[
            "let one place decide the order of writes: a version from the primary, compared wherever \
             a value is stored",
        ],
    },
    Topic {
        kind: TopicKind::Anomaly,
        name: "g1c-realtime",
        summary: "a transaction read what another wrote that began after it had ended",
        text: "Writes and reads fit into an order, but not into the one in which transactions \
               followed each other.",
        timeline: "t=0ms    T1: read 4                     -> 2\n\
                   t=5ms    T2: write 4 = 2                -> committed  seen too early",
        source: STRICT,
        cures: &[
            "record every event of a history with one clock",
            "write each value only once: else one is taken for the other",
        ],
    },
    Topic {
        kind: TopicKind::Anomaly,
        name: "g-single-realtime",
        summary: "a transaction missed a write that had been committed before it began (stale read)",
        text: "T1 committed; T2 began afterwards and still saw what was there before T1. Plain \
               serializability allows it, for T2 may be placed first; strict serializability does \
               not.",
        timeline: "t=0ms    T1: write 4 = v2               -> committed\n\
                   t=5ms    T2: read 4                     -> v1  STALE: v2 was acknowledged",
        source: STRICT,
        cures: &[
            "read from the primary, or from a replica that has the write (lsn-fence)",
            "what stale-read and its causes name, where a cache is between",
        ],
    },
    Topic {
        kind: TopicKind::Anomaly,
        name: "g2-item-realtime",
        summary: "transactions missed each other's writes in a way that real time contradicts",
        text: "A cycle with several reads of what was then overwritten, closed by one transaction \
               having ended before another began.",
        timeline: "t=0ms    T1: read 4                     -> v1\n\
                   t=1ms    T2: write 4 = v2, read 5       -> v1, committed\n\
                   t=5ms    T3: write 5 = v2               -> committed\n\
                   t=9ms    T1: read 5                     -> v2  before T2, and after T3",
        source: STRICT,
        cures: &["SERIALIZABLE on the primary: a replica alone cannot give it"],
    },
    Topic {
        kind: TopicKind::Anomaly,
        name: "not-snapshot-isolated",
        summary: "no choice of snapshots and commits explains what transactions read",
        text: "Under snapshot isolation each transaction reads what had been committed at one moment, \
               and of two that run at once and write one key only one commits. Every choice of these \
               moments was tried, and each contradicts something that was read.",
        timeline: "t=0ms    T1: write 4 = 1                -> committed\n\
                   t=0ms    T2: write 5 = 1                -> committed\n\
                   t=9ms    T3: read 4, read 5             -> 1, nil  T1 is there, T2 is not\n\
                   t=9ms    T4: read 4, read 5             -> nil, 1  the other way (long fork)",
        source: "Berenson et al., A Critique of ANSI SQL Isolation Levels, SIGMOD 1995; Cerone & \
                 Gotsman, Analysing Snapshot Isolation, PODC 2016",
        cures: &[
            "read all keys of one transaction from one node, at REPEATABLE READ or stronger",
            "what must fit together goes into one cache entry, and is deleted as one",
        ],
    },
    Topic {
        kind: TopicKind::Anomaly,
        name: "not-serializable",
        summary: "no order of the transactions explains what they read",
        text: "Registers do not say which of two values came first. Every way of ordering these \
               transactions was tried, and in each of them one read something that another had \
               overwritten by then.",
        timeline: "t=0ms    T1: write 4 = 1, write 5 = 1   -> committed\n\
                   t=0ms    T2: write 4 = 2, write 5 = 2   -> committed\n\
                   t=9ms    T3: read 4, read 5             -> 1, 2   half of each, in any order",
        source: "Papadimitriou, The Serializability of Concurrent Database Updates, JACM 1979; Biswas \
                 & Enea, On the Complexity of Checking Transactional Consistency, OOPSLA 2019",
        cures: &[
            "SERIALIZABLE, which Postgres checks as it goes",
            "what must fit together goes into one cache entry, and is deleted as one",
        ],
    },
    Topic {
        kind: TopicKind::Anomaly,
        name: "not-serializable-realtime",
        summary: "no order of the transactions in real time explains what they read",
        text: "Some order explains every read, but it puts a transaction before one that had ended \
               when it began.",
        timeline: "t=0ms    T1: write 4 = 1                -> committed\n\
                   t=5ms    T2: write 4 = 2                -> committed\n\
                   t=9ms    T3: read 4                     -> 1  STALE, must be 2",
        source: STRICT,
        cures: &[
            "read from the primary, or from a replica that has the write (lsn-fence)",
            "what stale-read and its causes name, where a cache is between",
        ],
    },
    Topic {
        kind: TopicKind::Anomaly,
        name: "internal",
        summary: "a transaction did not see its own earlier write, or read",
        text: "Within itself a transaction must read what it wrote or read last; this one read \
               something else.",
        timeline: "t=0ms    T1: write 4 = v2\n\
                   t=1ms    T1: read 4                     -> v1  its own v2 is missing",
        source: "Kingsbury & Alvaro, Elle: Inferring Isolation Anomalies from Experimental \
                 Observations, PVLDB 2020",
        cures: &[
            "REPEATABLE READ or stronger, with all of the transaction on one connection",
            "inside a transaction that writes, read past the cache",
        ],
    },
    Topic {
        kind: TopicKind::Anomaly,
        name: "incompatible-order",
        summary: "reads contradict each other about the order of versions",
        text: "One read saw a list as [1 2], another as [2 1]: no single order of writes explains \
               both.",
        timeline: "t=0ms    T1: read 4                     -> [1 2]\n\
                   t=1ms    T2: read 4                     -> [2 1]  neither came first",
        source: "Kingsbury & Alvaro, Elle: Inferring Isolation Anomalies from Experimental \
                 Observations, PVLDB 2020",
        cures: &["let one place order the writes of a key, and make every copy follow it"],
    },
];
