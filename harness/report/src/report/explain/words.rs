use super::{Topic, TopicKind};

pub(super) const ENTRIES: &[Topic] = &[
    word(
        "at-risk",
        "a read that could have been stale: its key had been written before it",
        "A read of a key that nobody has written yet cannot be stale, and says nothing about a \
         cache. Shares of stale reads are of those at risk, and a verdict needs at least a hundred \
         of them.",
    ),
    word(
        "vacuous",
        "nothing went wrong, but nothing was shown either",
        "Too few reads were at risk, no read succeeded, or a fault that was asked for was never \
         seen to take hold. It is neither a pass nor a failure, and has an exit code of its own, 3.",
    ),
    word(
        "undecided",
        "what was asked could not be told from what is known",
        "The run was killed before the stores were compared, the checker's budget was used up, or \
         values do not say in which order they were written. Exit code 2.",
    ),
    word(
        "environment",
        "the world in which the run took place broke, and its verdict counts for nothing",
        "A server did not answer though no fault said so, an engine, image or port could not be \
         had, or a disk was full. Exit code 4.",
    ),
    word(
        "receipt",
        "the proof that a fault took hold, and that it went away again",
        "A connection that was refused, a row that was not on the replica yet. A fault without a \
         receipt makes a run vacuous.",
    ),
    word(
        "refill",
        "after a miss, the store of what was read into the cache",
        "It is where most caches come apart from their database: what it stores may be old by the \
         time it is stored.",
    ),
    word(
        "invalidation",
        "what a write does to the entry that it made wrong: delete it, replace it, or tell others",
        "By the writer itself, by an agent that follows the database, or by the entry's expiry.",
    ),
    word(
        "step",
        "one call of a strategy to the primary, the replica or the cache",
        "Steps are recorded inside their operation, can be held at a gate, and are where faults \
         strike. Timelines, causes and races are made of them.",
    ),
    word(
        "storm",
        "many clients at once on running servers, while faults come and go",
        "quarrel run is one. What it finds it found by luck and load; quarrel explore needs none.",
    ),
    word(
        "race",
        "a written order of steps, forced",
        "A file that ends in .race: what a report prints as a timeline, to be edited and performed \
         again by quarrel replay, simulated or on real servers.",
    ),
    word(
        "lsn",
        "log sequence number: a place in the log of Postgres",
        "A write has one, and a replica says up to which it has replayed: together they tell \
         whether the replica could have known of the write.",
    ),
    word(
        "version",
        "the number that the primary gave a row when it was written: v1, v2, ...",
        "Beside it stands the value in parentheses, as logs and races know it. After a failover \
         numbers are given a second time, which the judge knows.",
    ),
    word(
        "probe",
        "a look into a store beside the strategy",
        "Taken all through a run, and of every key in the end: what the stores hold, whatever \
         clients were told.",
    ),
    word(
        "case",
        "what was run against what: strategy, options, workload, faults and cluster",
        "What a policy accepts of one case it accepts of no other.",
    ),
    word(
        "stale-for",
        "how long before the read began the newer write had been acknowledged",
        "Counted from the first write that overtook what was read, to the begin of the read.",
    ),
    word(
        "near-cache",
        "a copy that a process keeps in its own memory, beside the shared cache",
        "It is as old as the last message that the process heard about it.",
    ),
];

const fn word(name: &'static str, summary: &'static str, text: &'static str) -> Topic {
    Topic { kind: TopicKind::Word, name, summary, text, timeline: "", source: "", cures: &[] }
}
