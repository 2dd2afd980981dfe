use serde::{Deserialize, Serialize};

use super::{JudgeOptions, tally::Tally};
use crate::{Guarantee, Validity, millis};

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

const NOBODY_WROTE: &str = "reads of values that nobody wrote";
const ROLLED_BACK: &str = "reads of values whose write had failed";
const MISSED_OWN: &str = "reads that missed a write of their own session";
const WENT_BACK: &str = "reads older than an earlier one of their session";

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

/// `stale reads: 3`, without the ones that are zero.
fn list(counts: &[(u64, &str)]) -> Option<String> {
    let some = counts.iter().filter(|(count, _)| *count > 0);
    let texts: Vec<String> = some.map(|(count, what)| format!("{what}: {count}")).collect();
    (!texts.is_empty()).then(|| texts.join(", "))
}

fn linearizable(tally: &Tally) -> Finding {
    let metrics = &tally.metrics;
    if let Some(unreadable) = unreadable(tally) {
        return unreadable;
    }
    let broken = list(&[
        (metrics.lost_updates, "acknowledged writes lost"),
        (metrics.phantom_reads, NOBODY_WROTE),
        (metrics.dirty_reads, ROLLED_BACK),
        (metrics.future_reads, "reads of values not yet written"),
        (metrics.stale_reads, "stale reads"),
        (tally.misordered, "writes ordered before what had been seen"),
    ]);
    // What follows from the above is not worth a word beside it.
    let broken = broken.or_else(|| {
        list(&[
            (tally.violated_keys, "keys without a legal order"),
            (metrics.sessions.total(), "session violations"),
        ])
    });
    if let Some(broken) = broken {
        return (Validity::Invalid, broken);
    }
    if let Some(why) = &tally.undecided {
        return (Validity::Unknown, format!("{} keys undecided; {why}", tally.undecided_keys));
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
        "0 stale of {} reads at risk (< {:.2} % at 95 %)",
        metrics.reads_at_risk,
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
        (sessions.monotonic_writes, "writes ordered before an earlier one of their session"),
        (sessions.writes_follow_reads, "writes ordered before what their session had read"),
    ]);
    undecided_or_kept(tally, broken)
}

fn session(tally: &Tally, (count, what): (u64, &str)) -> Finding {
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
        let why = format!(
            "on {} keys the order of the values is not known: operations carry no versions",
            tally.unordered_keys
        );
        return (Validity::Unknown, why);
    }
    (Validity::Valid, format!("no violation in {} reads", tally.metrics.reads))
}

fn bounded(tally: &Tally, options: &JudgeOptions) -> Finding {
    let worst = tally.metrics.worst_staleness;
    let (healed, how) = eventual(tally);
    let text = format!("worst staleness {}; {how}", millis(worst));
    if options.bound.is_some_and(|bound| worst > bound) {
        return (Validity::Invalid, text);
    }
    let metrics = &tally.metrics;
    let impossible = metrics.phantom_reads + metrics.dirty_reads + metrics.future_reads;
    if impossible > 0 {
        return (
            Validity::Invalid,
            format!("{impossible} reads of values never or not yet written"),
        );
    }
    (healed, text)
}

fn eventual(tally: &Tally) -> Finding {
    let metrics = &tally.metrics;
    if let Some(unreadable) = unreadable(tally) {
        return unreadable;
    }
    if metrics.lost_updates > 0 {
        return (Validity::Invalid, format!("{} acknowledged writes lost", metrics.lost_updates));
    }
    let convergence = metrics.convergence;
    match convergence.agree() {
        None => (Validity::Unknown, "nobody looked into the stores in the end".to_owned()),
        Some(true) => {
            (Validity::Valid, format!("the stores agree on {} keys", convergence.keys_compared))
        }
        Some(false) => {
            let apart = convergence.keys_compared - convergence.keys_agreeing;
            let text =
                format!("the stores disagree on {apart} of {} keys", convergence.keys_compared);
            (Validity::Invalid, text)
        }
    }
}
