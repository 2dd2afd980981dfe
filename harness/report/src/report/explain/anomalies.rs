use super::{Topic, TopicKind};

pub(super) const ENTRIES: &[Topic] = &[
    Topic {
        kind: TopicKind::Anomaly,
        name: "stale-read",
        summary: "a read returned a value that had been overwritten before the read began",
        text: "A write of a newer value was acknowledged, or another client had already read the \
               newer value, and only then did this read begin; still it returned the old one. \
               Somebody who was told \"saved\" looks again and sees the old text. Which of two \
               writes that were under way at once is the newer, only the primary knows, by its \
               versions. Values alone prove less, and nothing that versions take back: what a \
               verdict was judged by stands below its guarantees.",
        timeline: "t=0ms    Writer A: UPDATE 7 = v2    -> ok\n\
                   t=1ms    Writer A: DEL 7            -> ok\n\
                   t=100ms  Reader B: GET 7            -> v1  STALE: v2 was acknowledged",
        source: "Herlihy & Wing, Linearizability, TOPLAS 1990; as a measure: Golab, Li & Shah, \
                 Analyzing Consistency Properties for Fun and Profit, PODC 2011",
        cures: &[
            "look at the cause behind the slash: it decides which cure works",
            "where a bound is enough, hold the run to it: --expect bounded=500ms",
        ],
    },
    Topic {
        kind: TopicKind::Anomaly,
        name: "not-linearizable",
        summary: "reads and writes contradict each other about the order of values",
        text: "No single read is stale by itself, but no order of the values fits all that was \
               seen: one client's answers say that A came before B, another's say the opposite.",
        timeline: "t=0ms    Writer A: write 7 = 1      -> ok\n\
                   t=2ms    Reader B: read 7           -> 1\n\
                   t=3ms    Reader C: read 7           -> 2\n\
                   t=5ms    Reader B: read 7           -> 1   2 is neither before nor after",
        source: "Gibbons & Korach, Testing Shared Memories, SIAM J. Comput. 1997",
        cures: &[
            "let one place decide the order: a version from the primary, compared wherever a value \
             is stored",
        ],
    },
    Topic {
        kind: TopicKind::Anomaly,
        name: "read-your-writes",
        summary: "a client did not see its own earlier write",
        text: "A client's write was acknowledged, and a later read by the same client returned an \
               older value. It is the staleness that people notice first: they saved, and the page \
               shows what it showed before.",
        timeline: "t=0ms    Writer A: UPDATE 7 = v2    -> ok\n\
                   t=2ms    Writer A: GET 7            -> v1  its own v2 is missing",
        source: "Terry et al., Session Guarantees for Weakly Consistent Replicated Data, PDIS 1994",
        cures: &[
            "send a client's reads to the primary for a while after it wrote (strategies \
             session-flag, read-your-writes)",
            "give the client a token of its last write, and read only where it has arrived \
             (lsn-fence, causal-token)",
        ],
    },
    Topic {
        kind: TopicKind::Anomaly,
        name: "non-monotonic-read",
        summary: "a client saw a newer version and then an older one",
        text: "Time went backwards for one client: it read v2, and later v1. Typical where a \
               client's reads go to replicas that lag differently, or to a cache and a database \
               in turns.",
        timeline: "t=0ms    Reader B: GET 7            -> v2\n\
                   t=8ms    Reader B: GET 7            -> v1  older than what it saw before",
        source: "Terry et al., Session Guarantees for Weakly Consistent Replicated Data, PDIS 1994",
        cures: &[
            "remember the newest version a client saw, and refuse older ones (causal-token)",
            "never overwrite a cache entry by an older version (version-guard)",
        ],
    },
    Topic {
        kind: TopicKind::Anomaly,
        name: "future-read",
        summary: "a read returned a value before its write had begun",
        text: "Impossible with honest clocks and one recorder: it points at a broken recording, a \
               clock that jumps, or a value that is written twice.",
        timeline: "t=0ms    Reader B: GET 7            -> v2\n\
                   t=4ms    Writer A: UPDATE 7 = v2    -> ok",
        source: "Lamport, Time, Clocks, and the Ordering of Events in a Distributed System, CACM \
                 1978",
        cures: &["record every event of a history with one clock", "write each value only once"],
    },
    Topic {
        kind: TopicKind::Anomaly,
        name: "phantom-read",
        summary: "a read returned a value that nobody wrote",
        text: "The value came from nowhere that the history knows: another application writes the \
               same keys, or the cache mixes up keys.",
        timeline: "t=0ms    Writer A: UPDATE 7 = v2    -> ok\n\
                   t=4ms    Reader B: GET 7            -> x9  which nobody wrote",
        source: "Adya, Weak Consistency, MIT 1999 (reads of what no transaction wrote)",
        cures: &[
            "give each application its own prefix of keys",
            "put everything that an entry depends on into its key",
        ],
    },
    Topic {
        kind: TopicKind::Anomaly,
        name: "dirty-read",
        summary: "a read returned a value whose write had failed",
        text: "A write put its value into the cache and then the database refused it: a \
               constraint, a conflict, a rollback. Its client was told so, and readers are shown \
               the value all the same: one that the database never had.",
        timeline: "t=0ms    Writer A: SET 7 = v2       -> ok\n\
                   t=1ms    Writer A: UPDATE 7 = v2    -> error: rolled back\n\
                   t=4ms    Reader B: GET 7            -> v2  which never was in the database",
        source: "Adya, Weak Consistency, MIT 1999 (aborted reads, G1a)",
        cures: &[
            "fill the cache after the commit, never before",
            "treat an error as \"nobody knows\" unless it proves that nothing happened",
        ],
    },
    Topic {
        kind: TopicKind::Anomaly,
        name: "lost-write",
        summary: "an acknowledged write is gone from the primary",
        text: "The client was told that its write had happened, and in the end the primary does \
               not hold it, nor anything newer. No cache can repair this.",
        timeline: "t=0ms    Writer A: SET 7 = v2       -> ok      acknowledged from the cache\n\
                   t=1s     Final read: SELECT primary 7 -> v1    v2 never arrived",
        source: "Bailis et al., Highly Available Transactions, PVLDB 2013",
        cures: &[
            "acknowledge after the primary has committed, not after the cache has (no write-behind)",
            "for failover: synchronous replication to the replica that will be promoted",
        ],
    },
    Topic {
        kind: TopicKind::Anomaly,
        name: "divergence",
        summary: "in the end the stores hold different versions",
        text: "Every fault was healed and everybody had time to catch up, and still a probe finds \
               the cache or the replica with another value than the primary. Clients need not \
               have seen it yet; they will.",
        timeline: "t=0ms    Writer A: UPDATE 7 = v2    -> ok\n\
                   t=1ms    Writer A: DEL 7            -> error: connection reset\n\
                   t=9s     probe: cache holds v1, primary holds v2",
        source: "Terry et al., Managing Update Conflicts in Bayou, SOSP 1995 (eventual consistency)",
        cures: &[
            "a TTL, as the backstop that ends what everything else missed",
            "invalidate from the database's own log (outbox, cdc), which forgets nothing",
        ],
    },
    Topic {
        kind: TopicKind::Anomaly,
        name: "non-monotonic-write",
        summary: "a client's later write was ordered before its earlier one",
        text: "One client wrote twice, in order, and the versions that the primary gave say the \
               opposite: a queue or a retry has turned them round.",
        timeline: "t=0ms    Writer A: write 7 = 1      -> ok  version 5\n\
                   t=3ms    Writer A: write 7 = 2      -> ok  version 4",
        source: "Terry et al., Session Guarantees for Weakly Consistent Replicated Data, PDIS 1994",
        cures: &[
            "one queue per key, or writes that carry the version they replace (optimistic-lock)",
        ],
    },
    Topic {
        kind: TopicKind::Anomaly,
        name: "write-before-read",
        summary: "a client's write was ordered before a version that it had already read",
        text: "A client read v5 and then wrote; its write was given a lower version. Whoever \
               follows the order of versions sees the answer before the question.",
        timeline: "t=0ms    Reader B: read 7           -> v5\n\
                   t=2ms    Reader B: write 7 = 9      -> ok  version 4",
        source: "Terry et al., Session Guarantees for Weakly Consistent Replicated Data, PDIS 1994 \
                 (writes follow reads)",
        cures: &["writes that carry the version they replace (optimistic-lock)"],
    },
];
