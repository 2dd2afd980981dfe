use serde::{Deserialize, Serialize};

use super::{JudgeOptions, tally::Tally};
use crate::{Guarantee, Validity, millis, thousands};

/// One guarantee, whether the run kept it, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rung {
    /// The guarantee.
    pub guarantee: Guarantee,
    /// Whether the run kept it.
    pub validity: Validity,
    /// The evidence, in a sentence.
    pub reason: String,
}

/// What is counted: one of it, and several.
type Counted = [&'static str; 2];

const LOST: Counted = ["acknowledged write lost", "acknowledged writes lost"];
const NOBODY_WROTE: Counted =
    ["read of a value that nobody wrote", "reads of values that nobody wrote"];
const ROLLED_BACK: Counted =
    ["read of a value whose write had failed", "reads of values whose write had failed"];
const NOT_YET: Counted = ["read of a value not yet written", "reads of values not yet written"];
const READ: Counted = ["read", "reads"];
const NEVER: Counted =
    ["read of a value never or not yet written", "reads of values never or not yet written"];
const KEY: Counted = ["key", "keys"];
const STALE: Counted = ["stale read", "stale reads"];
const MISORDERED: Counted =
    ["write ordered before what had been seen", "writes ordered before what had been seen"];
const NO_ORDER: Counted = ["key without a legal order", "keys without a legal order"];
const OF_SESSIONS: Counted = ["session violation", "session violations"];
const MISSED_OWN: Counted =
    ["read missed a write of its own session", "reads missed a write of their own session"];
const WENT_BACK: Counted = [
    "read was older than an earlier one of its session",
    "reads were older than an earlier one of their session",
];
const BEFORE_OWN: Counted = [
    "write was ordered before an earlier one of its session",
    "writes were ordered before an earlier one of their session",
];
const BEFORE_READ: Counted = [
    "write was ordered before what its session had read",
    "writes were ordered before what their session had read",
];

/// All rungs, strongest first.
pub(super) fn rungs(tally: &Tally, options: &JudgeOptions) -> Vec<Rung> {
    let rung = |guarantee, (validity, reason)| Rung { guarantee, validity, reason };
    let sessions = tally.metrics.sessions;
    let ryw = (sessions.read_your_writes, MISSED_OWN);
    let mr = (sessions.monotonic_reads, WENT_BACK);
    vec![
        rung(Guarantee::Linearizable, linearizable(tally)),
        rung(Guarantee::Sequential, sequential(tally)),
        rung(Guarantee::ReadYourWrites, session(tally, ryw)),
        rung(Guarantee::MonotonicReads, session(tally, mr)),
        rung(Guarantee::Bounded, bounded(tally, options)),
        rung(Guarantee::Eventual, eventual(tally)),
        rung(Guarantee::None, (Validity::Valid, "asks nothing".to_owned())),
    ]
}

/// The strongest rung that holds. Where the stores surely disagree in the end
/// it is the last, whatever the clients happened to see.
pub(super) fn strongest(rungs: &[Rung]) -> Guarantee {
    let diverged = rungs
        .iter()
        .any(|rung| rung.guarantee == Guarantee::Eventual && rung.validity == Validity::Invalid);
    let holds = rungs.iter().find(|rung| rung.validity == Validity::Valid);
    if diverged { Guarantee::None } else { holds.map_or(Guarantee::None, |rung| rung.guarantee) }
}

type Finding = (Validity, String);

/// Why nothing at all can be said, if so.
fn unreadable(tally: &Tally) -> Option<Finding> {
    tally.unreadable.clone().map(|why| (Validity::Unknown, why))
}

/// `3 stale reads`, with its thousands apart.
fn told(count: u64, [one, several]: Counted) -> String {
    format!("{} {}", thousands(count), if count == 1 { one } else { several })
}

/// The same of each that is not zero.
fn list(counts: &[(u64, Counted)]) -> Option<String> {
    let some = counts.iter().filter(|(count, _)| *count > 0);
    let texts: Vec<String> = some.map(|(count, what)| told(*count, *what)).collect();
    (!texts.is_empty()).then(|| texts.join(", "))
}

fn linearizable(tally: &Tally) -> Finding {
    let metrics = &tally.metrics;
    if let Some(unreadable) = unreadable(tally) {
        return unreadable;
    }
    let broken = list(&[
        (metrics.lost_updates, LOST),
        (metrics.phantom_reads, NOBODY_WROTE),
        (metrics.dirty_reads, ROLLED_BACK),
        (metrics.future_reads, NOT_YET),
        (metrics.stale_reads, STALE),
        (tally.misordered, MISORDERED),
    ]);
    // What follows from the above is not worth a word beside it.
    let broken = broken.or_else(|| {
        list(&[(tally.violated_keys, NO_ORDER), (metrics.sessions.total(), OF_SESSIONS)])
    });
    if let Some(broken) = broken {
        return (Validity::Invalid, broken);
    }
    if let Some(why) = &tally.undecided {
        return (
            Validity::Unknown,
            format!("{} undecided; {why}", told(tally.undecided_keys, KEY)),
        );
    }
    if tally.transactions > 0 {
        let why = format!("{} transactions are judged by `transactions`", tally.transactions);
        return (Validity::Unknown, why);
    }
    (Validity::Valid, none_stale(tally))
}

fn none_stale(tally: &Tally) -> String {
    let metrics = &tally.metrics;
    if metrics.reads_at_risk == 0 {
        return "no read was at risk of being stale".to_owned();
    }
    format!(
        "0 stale of {} at risk (< {:.2} % at 95 %)",
        told(metrics.reads_at_risk, READ),
        metrics.stale_share_upper * 100.0
    )
}

fn sequential(tally: &Tally) -> Finding {
    let metrics = &tally.metrics;
    let sessions = metrics.sessions;
    let broken = list(&[
        (metrics.phantom_reads, NOBODY_WROTE),
        (metrics.dirty_reads, ROLLED_BACK),
        (sessions.read_your_writes, MISSED_OWN),
        (sessions.monotonic_reads, WENT_BACK),
        (sessions.monotonic_writes, BEFORE_OWN),
        (sessions.writes_follow_reads, BEFORE_READ),
    ]);
    undecided_or_kept(tally, broken)
}

fn session(tally: &Tally, (count, what): (u64, Counted)) -> Finding {
    undecided_or_kept(tally, list(&[(count, what)]))
}

fn undecided_or_kept(tally: &Tally, broken: Option<String>) -> Finding {
    if let Some(unreadable) = unreadable(tally) {
        return unreadable;
    }
    if let Some(broken) = broken {
        return (Validity::Invalid, broken);
    }
    if tally.unordered_keys > 0 {
        let versions = match (tally.unordered_refuted, tally.unordered_keys) {
            (0, _) => "operations carry no versions",
            (refuted, all) if refuted == all => "versions contradict the order of time",
            _ => "operations carry no versions, or some that contradict the order of time",
        };
        let keys = told(tally.unordered_keys, KEY);
        let why = format!("on {keys} the order of the values is not known: {versions}");
        return (Validity::Unknown, why);
    }
    (Validity::Valid, format!("no violation in {}", told(tally.metrics.reads, READ)))
}

fn bounded(tally: &Tally, options: &JudgeOptions) -> Finding {
    let metrics = &tally.metrics;
    let worst = metrics.worst_staleness;
    let (healed, how) = eventual(tally);
    let impossible = metrics.phantom_reads + metrics.dirty_reads + metrics.future_reads;
    let text = format!("the worst staleness was {}; {how}", millis(worst));
    match options.bound {
        Some(bound) if worst > bound => (Validity::Invalid, text),
        _ if impossible > 0 => (Validity::Invalid, told(impossible, NEVER)),
        // Stores that never agree keep no bound at all.
        None if healed == Validity::Invalid => (healed, text),
        None => {
            (Validity::Unknown, format!("no bound was asked for; the worst was {}", millis(worst)))
        }
        Some(_) => (healed, text),
    }
}

fn eventual(tally: &Tally) -> Finding {
    let metrics = &tally.metrics;
    if let Some(unreadable) = unreadable(tally) {
        return unreadable;
    }
    if metrics.lost_updates > 0 {
        return (Validity::Invalid, told(metrics.lost_updates, LOST));
    }
    let convergence = metrics.convergence;
    match convergence.agree() {
        None => (Validity::Unknown, "the stores were not compared at the end".to_owned()),
        Some(true) => (
            Validity::Valid,
            format!("the stores agree on {}", told(convergence.keys_compared, KEY)),
        ),
        Some(false) => {
            let apart = convergence.keys_compared - convergence.keys_agreeing;
            let text = format!(
                "the stores disagree on {apart} of {}",
                told(convergence.keys_compared, KEY)
            );
            (Validity::Invalid, text)
        }
    }
}
