use super::{Topic, TopicKind};

pub(super) const ENTRIES: &[Topic] = &[
    Topic {
        kind: TopicKind::Cause,
        name: "replica-lag-refill",
        summary: "a miss refilled the cache from a replica that was behind",
        text: "The write reached the primary and the cache entry was deleted, all as it should \
               be. The next reader misses, asks a replica that has not replayed the write, and \
               stores what it finds. From then on everybody reads the old value, until the entry \
               expires or the next write deletes it: a lag of milliseconds becomes staleness of \
               a whole TTL.",
        timeline: "t=0ms    Writer A: UPDATE 7 = v2    -> ok\n\
                   t=1ms    Writer A: DEL 7            -> ok\n\
                   t=2ms    Reader B: GET 7            -> miss\n\
                   t=3ms    Reader B: SELECT replica 7 -> v1  one write behind\n\
                   t=4ms    Reader B: SET 7 = v1       -> ok\n\
                   t=119ms  Reader C: GET 7            -> v1  STALE: v2 was acknowledged",
        source: "Nishtala et al., Scaling Memcache at Facebook, NSDI 2013 (remote markers)",
        cures: &[
            "fill from the primary: cache-aside --fill primary, at the price of its load",
            "leave a marker at the write that sends the next miss to the primary (primary-marker, \
             tombstone)",
            "accept a fill only if it is not older than the last write (version-guard)",
            "delete once more when the replica has caught up (double-delete): bounds it, no more",
        ],
    },
    Topic {
        kind: TopicKind::Cause,
        name: "replica-lag",
        summary: "the replica itself was read while it was behind",
        text: "No cache is involved: the value came straight from a replica that had not replayed \
               the write. It heals by itself as soon as the replica has caught up.",
        timeline: "t=0ms    Writer A: UPDATE 7 = v2    -> ok\n\
                   t=1ms    Reader B: SELECT replica 7 -> v1  one write behind",
        source: "Bailis et al., Probabilistically Bounded Staleness, VLDB 2012",
        cures: &[
            "read where the write has arrived: compare log positions (lsn-fence)",
            "synchronous_commit = remote_apply, at the price of every write's latency",
        ],
    },
    Topic {
        kind: TopicKind::Cause,
        name: "in-flight-refill",
        summary: "a reader carried an old value past a write and its invalidation, then cached it",
        text: "The reader missed and read the old value while it was still current. Before it \
               stored that value, a writer committed the new one and deleted the entry. Then the \
               reader's SET arrived. It needs no lag at all, only a pause of the reader between \
               its read and its store: a full queue, a garbage collection, a slow network.",
        timeline: "t=0ms    Reader B: GET 7            -> miss\n\
                   t=1ms    Reader B: SELECT primary 7 -> v1\n\
                   t=2ms    Writer A: UPDATE 7 = v2    -> ok\n\
                   t=3ms    Writer A: DEL 7            -> ok\n\
                   t=4ms    Reader B: SET 7 = v1       -> ok\n\
                   t=90ms   Reader C: GET 7            -> v1  STALE: v2 was acknowledged",
        source: "Nishtala et al., Scaling Memcache at Facebook, NSDI 2013 (leases)",
        cures: &[
            "leases: a fill counts only while no delete has come since its miss (lease, iq-lease)",
            "store only what is newer than what is there (version-guard, tombstone)",
        ],
    },
    Topic {
        kind: TopicKind::Cause,
        name: "failed-invalidation",
        summary: "the write happened, its invalidation did not",
        text: "The database committed, and then the delete of the cache entry failed or never \
               left: the cache could not be reached, or the client died in between. The write was \
               acknowledged all the same.",
        timeline: "t=0ms    Writer A: UPDATE 7 = v2    -> ok\n\
                   t=1ms    Writer A: DEL 7            -> error: connection reset\n\
                   t=80ms   Reader B: GET 7            -> v1  STALE: v2 was acknowledged",
        source: "Kleppmann, Designing Data-Intensive Applications, ch. 11 (dual writes)",
        cures: &[
            "let the database tell the cache: an outbox written in the same transaction, or change \
             data capture (outbox, cdc)",
            "retry the delete, and fail the write if it cannot be done (--on-lost-invalidation)",
            "a TTL short enough to live with",
        ],
    },
    Topic {
        kind: TopicKind::Cause,
        name: "write-write-race",
        summary: "two writers updated the database in one order and the cache in the other",
        text: "Each writer updates the database and then the cache. Between the two steps of the \
               first, the second does both of its own; the first then overwrites the newer entry \
               by its older one.",
        timeline: "t=0ms    Writer A: UPDATE 7 = v2    -> ok\n\
                   t=1ms    Writer B: UPDATE 7 = v3    -> ok\n\
                   t=2ms    Writer B: SET 7 = v3       -> ok\n\
                   t=3ms    Writer A: SET 7 = v2       -> ok\n\
                   t=80ms   Reader C: GET 7            -> v2  STALE: v3 was acknowledged",
        source: "Nishtala et al., Scaling Memcache at Facebook, NSDI 2013 (stale sets)",
        cures: &[
            "delete instead of storing: deletes commute (cache-aside)",
            "compare versions in the cache, in one atomic script (version-guard)",
        ],
    },
    Topic {
        kind: TopicKind::Cause,
        name: "out-of-band-change",
        summary: "the database changed beside the application",
        text: "Somebody changed rows by hand, or another program did. Nobody told the cache: \"but \
               I fixed it in the database\".",
        timeline: "t=0ms    by hand: UPDATE 7 = v2     -> ok\n\
                   t=80ms   Reader B: GET 7            -> v1  STALE: v2 was acknowledged",
        source: "Kleppmann, Designing Data-Intensive Applications, ch. 11 (change data capture)",
        cures: &[
            "a call that updates and invalidates, used for repairs too (admin-api)",
            "change data capture, which sees every change whoever makes it (cdc)",
        ],
    },
    Topic {
        kind: TopicKind::Cause,
        name: "lost-write",
        summary: "an acknowledged write did not survive",
        text: "It was acknowledged by something that then forgot it: a primary whose log had not \
               reached the replica that took over, or a cache that was to write it down later.",
        timeline: "t=0ms    Writer A: UPDATE 7 = v2    -> ok  on the old primary\n\
                   t=1ms    failover: the replica, which has only v1, takes over\n\
                   t=90ms   Reader B: SELECT primary 7 -> v1",
        source: "Kleppmann, Designing Data-Intensive Applications, ch. 5 (failover)",
        cures: &[
            "synchronous replication, and fencing of the old primary",
            "acknowledge after the commit (no write-behind)",
        ],
    },
    Topic {
        kind: TopicKind::Cause,
        name: "resurrected-entry",
        summary: "the cache came back with an old entry, or lost what had replaced it",
        text: "The cache restarted from a snapshot older than the delete. Redis saves such \
               snapshots unless told otherwise. Or it evicted the newer entry, and an older one \
               under another name counts again.",
        timeline: "t=0ms    Reader B: SET 7 = v1       -> ok\n\
                   t=1ms    the cache saves a snapshot\n\
                   t=2ms    Writer A: UPDATE 7 = v2    -> ok\n\
                   t=3ms    Writer A: DEL 7            -> ok\n\
                   t=9ms    the cache restarts from its snapshot\n\
                   t=80ms   Reader C: GET 7            -> v1  STALE: v2 was acknowledged",
        source: "Redis documentation, Persistence (RDB snapshots, and what a restart brings back)",
        cures: &[
            "no snapshots where Redis is a cache: save \"\"",
            "a generation in the key names that changes with every restart",
        ],
    },
    Topic {
        kind: TopicKind::Cause,
        name: "late-message",
        summary: "a request that its client had given up took effect later",
        text: "The client stopped waiting, but the request was still on its way, and arrived \
               after newer ones. Giving up waiting is not taking back.",
        timeline: "t=0ms    Reader B: SET 7 = v1       -> no answer, given up\n\
                   t=2ms    Writer A: UPDATE 7 = v2    -> ok\n\
                   t=3ms    Writer A: DEL 7            -> ok\n\
                   t=9ms    the SET of Reader B arrives\n\
                   t=80ms   Reader C: GET 7            -> v1  STALE: v2 was acknowledged",
        source: "Kleppmann, How to do distributed locking, 2016 (late writes, fencing tokens)",
        cures: &[
            "conditional stores that a late arrival fails (version-guard, lease)",
            "close the connection on a time-out instead of reusing it: it helps, it does not cure",
        ],
    },
    Topic {
        kind: TopicKind::Cause,
        name: "invalidate-before-commit",
        summary: "the entry was deleted before the write was committed, and refilled in between",
        text: "The writer deletes the entry and then commits: in a hook that runs after the save but \
               inside the transaction, or by design, so that a crash leaves no stale entry. A reader \
               that comes in between finds nothing in the cache, reads the row as it still is, and \
               stores that. Nobody deletes it again. A lease does not help: the reader missed after \
               the delete, and its token is good.",
        timeline: "t=0ms    Writer A: DEL 7            -> ok\n\
                   t=1ms    Reader B: GET 7            -> miss\n\
                   t=2ms    Reader B: SELECT primary 7 -> v1\n\
                   t=3ms    Reader B: SET 7 = v1       -> ok\n\
                   t=4ms    Writer A: UPDATE 7 = v2    -> ok\n\
                   t=90ms   Reader C: GET 7            -> v1  STALE: v2 was acknowledged",
        source: "Django documentation, Performing actions after commit (transaction.on_commit)",
        cures: &[
            "invalidate after the commit, in an after-commit hook (cache-aside)",
            "hold fills off from before the commit until after it (iq-lease)",
            "let the database tell the cache what was committed (outbox, cdc)",
        ],
    },
    Topic {
        kind: TopicKind::Cause,
        name: "set-before-commit",
        summary: "a value stood in the cache before the database had it",
        text: "The writer put its value into the cache and only then wrote it to the database. Whoever \
               reads in between sees a value that does not exist yet; if the transaction is rolled \
               back, or the writer dies, one that never did. Who asks the database is told the old \
               one at the same time.",
        timeline: "t=0ms    Writer A: SET 7 = v2       -> ok\n\
                   t=1ms    Reader B: GET 7            -> v2\n\
                   t=2ms    Writer A: ROLLBACK\n\
                   t=90ms   Reader C: SELECT primary 7 -> v1  so v2 never was",
        source: "Adya, Weak Consistency, MIT 1999 (aborted reads, G1a)",
        cures: &["touch the cache only after the commit (cache-aside, version-guard)"],
    },
    Topic {
        kind: TopicKind::Cause,
        name: "forgotten-invalidation",
        summary: "a write left the cache alone, and nobody else tells it",
        text: "Some writes go past the code that invalidates: a bulk update that runs no callbacks, a \
               counter that is incremented in place, a second service. The entry stays as it was \
               until it expires, and nothing in the write's steps will change that.",
        timeline: "t=0ms    Writer A: UPDATE 7 = v2    -> ok\n\
                   t=80ms   Reader B: GET 7            -> v1  STALE: v2 was acknowledged",
        source: "Rails guide, Active Record Callbacks (methods that skip callbacks)",
        cures: &[
            "delete the entry after every write (cache-aside)",
            "let the database's own log tell the cache, which forgets no write (cdc)",
        ],
    },
    Topic {
        kind: TopicKind::Cause,
        name: "cached-absence",
        summary: "\"there is none\" stayed in the cache when the row was created",
        text: "A reader found no row and cached that, so that the next one need not ask. Then the row \
               was created, and the write that created it left the entry: there was nothing to \
               invalidate, it believed. A new user is told that there is no such user.",
        timeline: "t=0ms    Reader A: GET 7            -> miss\n\
                   t=1ms    Reader A: SELECT primary 7 -> miss\n\
                   t=2ms    Reader A: SETNX 7 = marker -> ok\n\
                   t=3ms    Writer B: UPDATE 7 = v1    -> ok\n\
                   t=90ms   Reader C: GET 7            -> marker  STALE: v1 was acknowledged",
        source: "RFC 2308, Negative Caching of DNS Queries",
        cures: &[
            "treat a creation like any other write: delete the entry (cache-aside)",
            "do not cache what is not there (version-guard)",
        ],
    },
    Topic {
        kind: TopicKind::Cause,
        name: "near-cache-not-told",
        summary: "a process kept a copy of its own, and nobody told it to drop it",
        text: "Each process keeps what it read in its own memory, before the shared cache. The writer \
               changes the database and the shared cache; the other processes hear nothing, and go \
               on showing their copies.",
        timeline: "t=0ms    Reader B: GET 7            -> v1  and keeps it\n\
                   t=1ms    Writer A: UPDATE 7 = v2    -> ok\n\
                   t=2ms    Writer A: DEL 7            -> ok\n\
                   t=90ms   Reader B: NEAR 7           -> v1  STALE: v2 was acknowledged",
        source: "Redis documentation, Client-side caching (tracking)",
        cures: &[
            "keep no copies in processes (cache-aside)",
            "let the cache tell them what changed (client-tracking): stale only while the message is \
             on its way",
        ],
    },
    Topic {
        kind: TopicKind::Cause,
        name: "lost-invalidation",
        summary: "a process was told to drop its copy while it was not listening, and kept it",
        text: "What is published reaches those who listen at that moment, once, and nobody else: \
               Redis keeps nothing for a subscriber whose connection is down. Client libraries \
               connect and subscribe again by themselves and say nothing of it, so the process \
               goes on with copies of which it will never be told.",
        timeline: "t=0ms    Reader B: NEAR 7           -> v1\n\
                   t=1ms    lose messages\n\
                   t=2ms    Writer A: UPDATE 7 = v2    -> ok\n\
                   t=3ms    Writer A: DEL 7            -> ok\n\
                   t=4ms    Writer A: PUBLISH 7        -> ok\n\
                   t=90ms   Reader B: HEAR             -> gap\n\
                   t=90ms   Reader B: NEAR 7           -> v1  STALE: v2 was acknowledged",
        source: "Redis documentation, Pub/Sub (delivery semantics: at most once)",
        cures: &[
            "drop every copy when the connection was gone (near-pubsub with --on-gap drop)",
            "let the cache tell them what changed, on the connection by which they read \
             (client-tracking): it cannot break unnoticed",
        ],
    },
    Topic {
        kind: TopicKind::Cause,
        name: "expiry-only",
        summary: "the strategy lets entries grow old until they expire, by design",
        text: "Nothing invalidates the entry at a write, so it is served until its TTL is over. \
               If that is what was chosen, hold the run to the bound: --expect bounded=TTL.",
        timeline: "t=0ms    Reader B: SET 7 = v1       -> ok      TTL 3 s\n\
                   t=10ms   Writer A: UPDATE 7 = v2    -> ok\n\
                   t=2.9s   Reader C: GET 7            -> v1  STALE: v2 was acknowledged",
        source: "Cao & Liu, Maintaining Strong Cache Consistency in the World-Wide Web, ICDCS 1997 (TTL)",
        cures: &["delete the entry after the write (cache-aside)", "a shorter TTL"],
    },
    Topic {
        kind: TopicKind::Cause,
        name: "pending-invalidation",
        summary: "the write could be seen already, its invalidation was still to come",
        text: "Between the commit and the delete of the entry the cache holds the old value and \
               the database the new one. If the writer deletes, only who learnt of the write in \
               another way sees a contradiction: it was not acknowledged yet. If a relay, a \
               listener or a message of Redis does it after the acknowledgement, even the writer \
               reads its own old value, for as long as that is slow or dead.",
        timeline: "t=0ms    Writer A: UPDATE+OUTBOX 7 = v2 -> ok\n\
                   t=3ms    Reader B: GET 7            -> v1  STALE: v2 was acknowledged\n\
                   t=9ms    Agent: DEL 7               -> ok",
        source: "Richardson, Microservices Patterns, 2018 (transactional outbox)",
        cures: &[
            "delete the entry before the write is acknowledged as well (cache-aside)",
            "send the writer's own session past the cache for a while (read-your-writes)",
            "block the entry before the write and release it after (iq-lease)",
        ],
    },
    Topic {
        kind: TopicKind::Cause,
        name: "separate-reads",
        summary: "two keys were read at two moments, and a transaction fell in between",
        text: "Each value was current when it was read. But the reader asked for one key before the \
               writer's transaction and for the other after it, and so saw a pair that never was. It \
               needs neither a lag nor a cache: two calls are two moments.",
        timeline: "t=0ms    Reader B: GET 4            -> miss\n\
                   t=1ms    Reader B: SELECT primary 4 -> v1\n\
                   t=2ms    Writer A: UPDATE 4 = v2    -> ok\n\
                   t=2ms    Writer A: UPDATE 5 = v2    -> ok\n\
                   t=3ms    Reader B: GET 5            -> miss\n\
                   t=4ms    Reader B: SELECT primary 5 -> v2  so 4 must be v2",
        source: "Berenson et al., A Critique of ANSI SQL Isolation Levels, SIGMOD 1995 (A5A, read skew)",
        cures: &[
            "read both in one transaction, at REPEATABLE READ or stronger",
            "keep what belongs together in one row and one cache entry",
        ],
    },
    Topic {
        kind: TopicKind::Cause,
        name: "unchecked-write",
        summary: "a write followed from a value that somebody had replaced, and nobody compared",
        text: "Two clients read the same value, both computed the next one, and both wrote it. The \
               second write replaced the first without having seen it, and both were acknowledged. \
               A cache makes it likelier, because what it holds is older, but it needs none.",
        timeline: "t=0ms    Writer A: SELECT primary 7 -> 5\n\
                   t=1ms    Writer B: SELECT primary 7 -> 5\n\
                   t=2ms    Writer A: UPDATE 7 = 6     -> ok\n\
                   t=3ms    Writer B: UPDATE 7 = 6     -> ok  one of two is gone",
        source: "Berenson et al., A Critique of ANSI SQL Isolation Levels, SIGMOD 1995 (P4)",
        cures: &[
            "write only if the version is still the one that was read (optimistic-lock)",
            "let the database compute: UPDATE ... SET n = n + 1",
            "lock the row when reading it: SELECT ... FOR UPDATE",
        ],
    },
    Topic {
        kind: TopicKind::Cause,
        name: "unexplained",
        summary: "the recorded steps show none of the known causes",
        text: "The anomaly is real, but its steps do not tell how it came about: the history has \
               none (an imported one), or the value took a way that was not recorded. Worth a \
               look, and if it is a new way of coming apart, a name.",
        timeline: "",
        source: "",
        cures: &["record the steps: run the strategy through quarrel's sessions"],
    },
];
