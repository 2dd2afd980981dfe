use super::{Topic, TopicKind};

/// Anomalies of the levels between read committed and serializable.
pub(super) const ENTRIES: &[Topic] = &[
    Topic {
        kind: TopicKind::Anomaly,
        name: "observed-transaction-vanishes",
        summary: "a transaction had read something of another, and then missed the rest (OTV)",
        text: "What was there is gone again: the reader had seen one of the writes of a transaction, and read another key, later, as if that transaction had never been.",
        timeline: "t=0ms    T1: write 4 = 1, write 5 = 1   -> committed\n\
                   t=1ms    T2: read 4                     -> 1\n\
                   t=2ms    T2: read 5                     -> nil  T1 was there, and is not",
        source: "Bailis et al., Highly Available Transactions, PVLDB 2013 (OTV); Adya, Weak Consistency, MIT 1999 (G-monotonic)",
        cures: &[
            "read all keys of one transaction from one node",
            "what must fit together goes into one cache entry, and is deleted as one",
        ],
    },
    Topic {
        kind: TopicKind::Anomaly,
        name: "fractured-read",
        summary: "a transaction read part of what another wrote, and missed the rest",
        text: "The writes of one transaction became visible one by one: the reader has some of them and not the others, in whatever order it asked.",
        timeline: "t=0ms    T1: write 4 = 1, write 5 = 1   -> committed\n\
                   t=1ms    T2: read 4                     -> nil\n\
                   t=2ms    T2: read 5                     -> 1    half of T1",
        source: "Bailis et al., Scalable Atomic Visibility with RAMP Transactions, SIGMOD 2014",
        cures: &[
            "what must fit together goes into one cache entry, and is deleted as one",
            "read both keys from the database in one transaction, at REPEATABLE READ or stronger",
        ],
    },
    Topic {
        kind: TopicKind::Anomaly,
        name: "write-co-init-read",
        summary: "a transaction found a key empty that is written in its causal past",
        text: "It follows a write of the key, by its session or by what it read, and saw the key as it was before anybody wrote it (WriteCOInitRead).",
        timeline: "t=0ms    T1: write 4 = 1                -> committed\n\
                   t=1ms    T2: read 4, write 5 = 1        -> 1\n\
                   t=2ms    T3: read 5, read 4             -> 1, nil  it knows of T2, not of T1",
        source: "Bouajjani, Enea, Guerraoui & Hamza, On Verifying Causal Consistency, POPL 2017",
        cures: &[
            "let a session carry how far it has read, and wait for that wherever it reads (causal tokens)",
        ],
    },
    Topic {
        kind: TopicKind::Anomaly,
        name: "write-co-read",
        summary: "a transaction read what had been overwritten in its own causal past",
        text: "It follows a newer write of the key, by its session or by what it read, and got the older one all the same; no order of its past explains what it read (WriteCORead).",
        timeline: "t=0ms    T1: write 4 = 1                -> committed\n\
                   t=1ms    T2: read 4, write 4 = 2        -> 1\n\
                   t=2ms    T2: read 4                     -> 1    its session wrote 2",
        source: "Bouajjani, Enea, Guerraoui & Hamza, On Verifying Causal Consistency, POPL 2017",
        cures: &[
            "let a session carry how far it has read, and wait for that wherever it reads (causal tokens)",
        ],
    },
    Topic {
        kind: TopicKind::Anomaly,
        name: "cyclic-cf",
        summary: "transactions disagree about the order of writes that they all saw",
        text: "Each of them has an order of its causal past that explains what it read, but not the same one: two replicas settled a conflict in different ways (CyclicCF).",
        timeline: "t=0ms    T1: write 4 = 1                -> committed\n\
                   t=0ms    T2: write 4 = 2                -> committed\n\
                   t=9ms    T3 saw both: read 4            -> 1\n\
                   t=9ms    T4 saw both: read 4            -> 2    for good",
        source: "Bouajjani, Enea, Guerraoui & Hamza, On Verifying Causal Consistency, POPL 2017",
        cures: &[
            "let one place decide the order of writes, or settle conflicts by a rule that is the same everywhere",
        ],
    },
    Topic {
        kind: TopicKind::Anomaly,
        name: "g-nonadjacent",
        summary: "transactions saw others' writes in different orders (long fork)",
        text: "A cycle with several reads of what was then overwritten, of which no two follow each other: there is no one line of snapshots.",
        timeline: "t=0ms    T1: write 4 = 1                -> committed\n\
                   t=0ms    T2: write 5 = 1                -> committed\n\
                   t=9ms    T3: read 4, read 5             -> 1, nil  T1 is there, T2 is not\n\
                   t=9ms    T4: read 4, read 5             -> nil, 1  the other way (long fork)",
        source: "Cerone & Gotsman, Analysing Snapshot Isolation, PODC 2016; Kingsbury & Alvaro, Elle, PVLDB 2020 (G-nonadjacent)",
        cures: &["read from one node, or let all replicas apply commits in one order"],
    },
    Topic {
        kind: TopicKind::Anomaly,
        name: "g-update",
        summary: "transactions that write contradict each other, or one that reads contradicts them",
        text: "A cycle with reads of what was then overwritten, in which at most one transaction only reads: those that write are not serializable with it.",
        timeline: "t=0ms    T1: read 4, write 5 = 1        -> nil, committed\n\
                   t=0ms    T2: read 5, write 4 = 1        -> nil, committed\n\
                   t=9ms    both are committed             neither saw the other",
        source: "Adya, Weak Consistency, MIT 1999 (G-update)",
        cures: &["SERIALIZABLE, which Postgres checks as it goes"],
    },
    Topic {
        kind: TopicKind::Anomaly,
        name: "not-parallel-snapshot-isolated",
        summary: "no order of versions explains what transactions read and that all of them committed",
        text: "Registers do not say which of two values came first. Every order was tried that causality leaves open, and in each of them somebody misses what he must have seen, or an update is lost.",
        timeline: "t=0ms    T1: write 4 = 1, write 5 = 1   -> committed\n\
                   t=0ms    T2: write 4 = 2, write 5 = 2   -> committed\n\
                   t=9ms    T3: read 4, read 5             -> 1, 2  whichever came first",
        source: "Sovran et al., Transactional Storage for Geo-replicated Systems, SOSP 2011; Cerone & Gotsman, Analysing Snapshot Isolation, PODC 2016",
        cures: &["check whoever writes a key against those that wrote it since his snapshot"],
    },
    Topic {
        kind: TopicKind::Anomaly,
        name: "not-update-serializable",
        summary: "no order of those that write explains what they, and each that only reads, saw",
        text: "Registers do not say which of two values came first. Every order was tried, and in each of them a transaction read what had been overwritten by then.",
        timeline: "t=0ms    T1: read 4, write 5 = 1        -> nil, committed\n\
                   t=0ms    T2: read 5, write 4 = 1        -> nil, committed\n\
                   t=9ms    both are committed             neither saw the other",
        source: "Adya, Weak Consistency, MIT 1999 (PL-3U)",
        cures: &["SERIALIZABLE, which Postgres checks as it goes"],
    },
];
