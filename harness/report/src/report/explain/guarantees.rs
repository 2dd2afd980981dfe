use super::{Topic, TopicKind};

pub(super) const ENTRIES: &[Topic] = &[
    guarantee(
        "linearizable",
        "every operation seems to happen at one instant between its begin and its end",
        "As if there were no cache and no replica: once a write is acknowledged, or its value \
         seen by anybody, nobody reads anything older.",
        "Herlihy & Wing, Linearizability, TOPLAS 1990",
    ),
    guarantee(
        "sequential",
        "per key, every client reads its own writes and never goes back",
        "Clients may see old values, but each for itself sees a history that only goes forward \
         and has its own writes in it.",
        "Lamport, How to Make a Multiprocessor Computer That Correctly Executes Multiprocess \
         Programs, 1979; here per key and from session guarantees",
    ),
    guarantee(
        "read-your-writes",
        "a client's reads see its own earlier writes",
        "Others may see them later.",
        "Terry et al., Session Guarantees for Weakly Consistent Replicated Data, PDIS 1994",
    ),
    guarantee(
        "monotonic-reads",
        "a client never reads an older version after a newer one",
        "What a client has seen stays seen.",
        "Terry et al., Session Guarantees for Weakly Consistent Replicated Data, PDIS 1994",
    ),
    guarantee(
        "bounded",
        "no read is staler than the bound, and the stores agree in the end",
        "Set the bound with --expect bounded=500ms; without one, the worst that was seen is \
         reported.",
        "Golab, Li & Shah, Analyzing Consistency Properties for Fun and Profit, PODC 2011",
    ),
    guarantee(
        "eventual",
        "once writes and faults end, the stores agree",
        "How long it took stands in the numbers of the run.",
        "Terry et al., Managing Update Conflicts in Bayou, SOSP 1995",
    ),
    guarantee(
        "none",
        "the stores never agree again, or an acknowledged write is lost",
        "What is left when even eventual does not hold: nothing heals it but a person.",
        "",
    ),
];

const fn guarantee(
    name: &'static str,
    summary: &'static str,
    text: &'static str,
    source: &'static str,
) -> Topic {
    Topic { kind: TopicKind::Guarantee, name, summary, text, timeline: "", source, cures: &[] }
}
