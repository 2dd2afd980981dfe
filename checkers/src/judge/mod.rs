//! One pass over a run: the whole ladder of guarantees, what broke them, and
//! how far the stores came apart.

mod absence;
mod chains;
mod collect;
mod findings;
mod keyed;
mod ladder;
mod metrics;
mod options;
mod order;
mod parts;
mod phases;
mod quick;
mod reads;
mod sessions;
mod stores;
mod tally;
mod versions;
mod witness;
mod wording;

pub use findings::ReadFinding;
pub use ladder::Rung;
pub use metrics::{
    ByValues, Convergence, DivergenceWindow, Metrics, PbsBin, Quantiles, SessionViolations,
    StalenessBin, wilson,
};
pub use options::{JudgeOptions, Order, Probe, ProbePhase};
pub use phases::{Phase, PhaseMetrics};
pub use quick::{QuickJudgement, judge_json_lines};

use collect::Collector;
use keyed::{Keyed, Split};
use phases::PhaseTally;
use serde::{Deserialize, Serialize};
use tally::Tally;

use crate::{
    Anomaly, Guarantee, HistoryRef, Validity, Verdict, models, parallel,
    register::{Clusters, Delta, Violation},
    search::Linearizable,
};

/// What is to be said about a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// Every guarantee, strongest first, [`Guarantee::None`] last.
    pub ladder: Vec<Rung>,
    /// The strongest guarantee that the run kept; [`Guarantee::None`] if the
    /// stores did not agree in the end, whatever the clients saw.
    pub strongest: Guarantee,
    /// Evidence, worst first: at most
    /// [`max_anomalies`](JudgeOptions::max_anomalies), of every class that
    /// occurred at least one. The metrics have the exact counts.
    pub anomalies: Vec<Anomaly>,
    /// Numbers.
    pub metrics: Metrics,
}

impl Judgement {
    /// The rung of `guarantee`.
    #[must_use]
    pub fn rung(&self, guarantee: Guarantee) -> &Rung {
        let rung = self.ladder.iter().find(|rung| rung.guarantee == guarantee);
        rung.expect("every guarantee has a rung")
    }

    /// Whether the run kept `guarantee`.
    #[must_use]
    pub fn validity(&self, guarantee: Guarantee) -> Validity {
        self.rung(guarantee).validity
    }
}

/// Judges a run from what its clients saw and what its stores held.
///
/// Keys are judged each by itself; operations without a key are taken to be
/// about one unnamed register. Transactions whose parts carry versions are
/// taken apart by key too; how they hold together is judged elsewhere.
/// Operations are ordered as
/// [`JudgeOptions::order`] says. A read that failed or whose outcome is
/// unknown counts as no read, though its steps may have filled a cache. Where
/// an operation's [`Version`](crate::Version) is known, versions order the
/// values; where it is not, values are ordered only as far as real time proves
/// it. A value has the version that its write was told, whatever a reader says.
/// Where two values of a key have one version, or a write got a lower one than
/// had been seen before it began, versions do not order that key and real time
/// alone does: what values prove is never taken back because of a number.
///
/// So versions may convict and never acquit. Every read that is stale by values
/// alone is stale by versions, and so is every violation of a session: a version
/// orders two writes as real time does where that orders them, and orders two
/// that were under way at one time, which real time leaves open.
/// A guarantee that is invalid by values alone is invalid whatever versions a
/// history carries; one that only versions refute is refuted by an order that
/// nobody but the primary knows. [`Metrics::by_values`] has the figures without
/// versions beside those with them, and [`Metrics::order`] says by which order
/// a history was judged.
///
/// A write that a failover lost keeps its place: after what it replaced, and
/// before the first write of the next timeline. So a read of what it replaced
/// has missed it, and a read of it is stale once that next write is
/// acknowledged.
///
/// It never panics on a history that it does not understand: it answers
/// unknown and says why.
///
/// ```
/// use quarrel_checkers::{Guarantee, History, JudgeOptions, Op, Process, Time, Validity, judge};
///
/// let mut history = History::default();
/// let mut run = |client, from, to, asked: Op, answered: Op| {
///     history.invoke(Time::from_millis(from), Process::Client(client), asked);
///     history.ok(Time::from_millis(to), Process::Client(client), answered);
/// };
/// run(0, 0, 1, Op::write(7, 1), Op::write(7, 1).at_version(1));
/// run(0, 2, 3, Op::write(7, 2), Op::write(7, 2).at_version(2));
/// run(1, 83, 84, Op::read(7), Op::read(7).returning(1).at_version(1));
///
/// let judgement = judge(&history, &[], &JudgeOptions::default());
/// assert_eq!(judgement.validity(Guarantee::Linearizable), Validity::Invalid);
/// assert_eq!(judgement.strongest, Guarantee::Sequential);
/// assert_eq!(
///     judgement.anomalies[0].explanation,
///     "key 7: process 1 read 1 (version 1), which was overwritten by 2 (version 2), \
///      acknowledged 80 ms before this read began"
/// );
/// ```
#[must_use]
pub fn judge<'h>(
    history: impl Into<HistoryRef<'h>>,
    probes: &[Probe],
    options: &JudgeOptions,
) -> Judgement {
    judge_phases(history, probes, options, &[])
}

/// The same, with the numbers also by `phases`.
#[must_use]
pub fn judge_phases<'h>(
    history: impl Into<HistoryRef<'h>>,
    probes: &[Probe],
    options: &JudgeOptions,
    phases: &[Phase],
) -> Judgement {
    judge_keeping(Kept::Nothing, history.into(), probes, options, phases).0
}

/// The same, with what was found of every completed read, in order of their
/// invocations.
#[must_use]
pub fn judge_reads<'h>(
    history: impl Into<HistoryRef<'h>>,
    probes: &[Probe],
    options: &JudgeOptions,
    phases: &[Phase],
) -> (Judgement, Vec<ReadFinding>) {
    let kept = Kept::Reads(Vec::new());
    let (judgement, mut reads) = judge_keeping(kept, history.into(), probes, options, phases);
    reads.sort_by_key(|read| (read.invoke, read.key));
    (judgement, reads)
}

/// The same, with what was found of stale reads alone: of a long history most
/// are not.
#[must_use]
pub fn judge_stale<'h>(
    history: impl Into<HistoryRef<'h>>,
    probes: &[Probe],
    options: &JudgeOptions,
    phases: &[Phase],
) -> (Judgement, Vec<ReadFinding>) {
    let kept = Kept::Stale(Vec::new());
    let (judgement, mut reads) = judge_keeping(kept, history.into(), probes, options, phases);
    reads.sort_by_key(|read| (read.invoke, read.key));
    (judgement, reads)
}

/// What is kept of single reads.
#[derive(Clone, Debug)]
enum Kept {
    Nothing,
    Stale(Vec<ReadFinding>),
    Reads(Vec<ReadFinding>),
}

impl Kept {
    fn add(&mut self, found: &reads::Found, keyed: &Keyed) {
        match self {
            Self::Nothing => {}
            Self::Stale(kept) => kept.extend(found.stale(keyed)),
            Self::Reads(kept) => kept.extend(found.findings(keyed)),
        }
    }

    const fn count(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Stale(kept) | Self::Reads(kept) => kept.len(),
        }
    }

    /// Makes room for as many and no more: of a long run there are many.
    fn reserve(&mut self, more: usize) {
        if let Self::Stale(kept) | Self::Reads(kept) = self {
            kept.reserve_exact(more);
        }
    }

    fn merge(&mut self, other: Self) {
        if let (Self::Stale(kept), Self::Stale(reads)) | (Self::Reads(kept), Self::Reads(reads)) =
            (self, other)
        {
            kept.extend(reads);
        }
    }
}

fn judge_keeping(
    mut kept: Kept,
    history: HistoryRef<'_>,
    probes: &[Probe],
    options: &JudgeOptions,
    phases: &[Phase],
) -> (Judgement, Vec<ReadFinding>) {
    let mut collector = Collector::new(options.max_anomalies);
    let phases = PhaseTally::new(phases);
    let mut tally = Tally::of(&phases);
    match keyed::split(history, options) {
        Ok(split) => {
            let groups: Vec<&[Keyed]> = groups(&split.keys);
            let judged = parallel::map(options.threads, &groups, |keys| {
                let mut collector = Collector::new(options.max_anomalies);
                let mut tally = Tally::of(&phases);
                let mut kept = kept.clone();
                for keyed in *keys {
                    let found = key(history, keyed, &split, options, &mut collector, &mut tally);
                    kept.add(&found, keyed);
                }
                (collector, tally, kept)
            });
            kept.reserve(judged.iter().map(|(_, _, reads)| reads.count()).sum());
            for (of_group, counted, reads) in judged {
                collector.merge(of_group);
                tally.merge(counted);
                kept.merge(reads);
            }
            tally.transactions = split.transactions;
            stores::judge(&split, probes, options, &mut collector, &mut tally);
        }
        Err(error) => tally.unreadable = Some(error.to_string()),
    }
    tally.finish(options);
    let ladder = ladder::rungs(&tally, options);
    let strongest = ladder::strongest(&ladder);
    let anomalies = collector.finish();
    let judgement = Judgement { ladder, strongest, anomalies, metrics: tally.metrics };
    match kept {
        Kept::Nothing => (judgement, Vec::new()),
        Kept::Stale(reads) | Kept::Reads(reads) => (judgement, reads),
    }
}

/// How many groups of keys are judged each by itself, at most.
const GROUPS: usize = 64;

/// Neighbouring keys in groups, which are the same however many threads there
/// are, and so is what they lead to.
fn groups(keys: &[Keyed]) -> Vec<&[Keyed]> {
    let all: usize = keys.iter().map(|keyed| keyed.entries.len()).sum();
    let enough = all.div_ceil(GROUPS).max(1);
    let mut groups = Vec::new();
    let (mut start, mut entries) = (0, 0);
    for (at, keyed) in keys.iter().enumerate() {
        entries += keyed.entries.len();
        if entries >= enough {
            groups.push(&keys[start..=at]);
            (start, entries) = (at + 1, 0);
        }
    }
    if start < keys.len() {
        groups.push(&keys[start..]);
    }
    groups
}

/// How linearizability of a key was decided.
enum Decision {
    /// By its values, which name their writes.
    Exact(Option<Violation>, Clusters),
    /// By search.
    Searched(Verdict),
    /// Not.
    Unknown(String),
}

fn decide(history: HistoryRef<'_>, keyed: &Keyed, options: &JudgeOptions) -> Decision {
    if let Some(why) = &keyed.unsuitable {
        return Decision::Unknown(format!("{}: {why}", tally::name(keyed.key)));
    }
    if !keyed.is_ambiguous {
        let operations = keyed.operations();
        if let Ok(mut clusters) = Clusters::build(&operations) {
            return Decision::Exact(clusters.violation(&operations), clusters);
        }
    }
    if keyed.has_parts {
        let why = "transactions wrote values that are not unique";
        return Decision::Unknown(format!("{}: {why}", tally::name(keyed.key)));
    }
    let checker = Linearizable::new(models::CasRegister);
    let verdict = checker.register(history, keyed.key, &keyed.paired(), options.budget);
    match verdict.validity {
        Validity::Unknown => Decision::Unknown(verdict.undecided.unwrap_or_default()),
        _ => Decision::Searched(verdict),
    }
}

/// One key.
fn key(
    history: HistoryRef<'_>,
    keyed: &Keyed,
    split: &Split<'_>,
    options: &JudgeOptions,
    collector: &mut Collector,
    tally: &mut Tally,
) -> reads::Found {
    tally.count(keyed);
    let decision = decide(history, keyed, options);
    let broken = match &decision {
        Decision::Exact(Some(_), clusters) => Some(clusters),
        _ => None,
    };
    let order = reads::Order::of(keyed, broken);
    let found = reads::judge(keyed, split, &order, options, collector, tally);
    sessions::judge(keyed, &order, collector, tally);
    if broken.is_some() {
        tally.by_values.sessions += sessions::by_values(keyed, &order);
    }
    tally.metrics.keys_by_version += u64::from(order.is_by_version());
    tally.metrics.keys_refuted += u64::from(order.is_refuted());
    let is_linearizable = match decision {
        Decision::Exact(None, _) => true,
        Decision::Exact(Some(violation), _) => {
            tally.violated();
            tally.metrics.delta = tally.metrics.delta.max(delta_of(keyed));
            if !found.explain(violation) {
                collector.add(wording::not_linearizable(keyed, violation));
            }
            false
        }
        Decision::Searched(verdict) => {
            if verdict.validity == Validity::Invalid {
                tally.violated();
            }
            verdict.anomalies.into_iter().for_each(|anomaly| collector.add(anomaly));
            verdict.validity == Validity::Valid
        }
        Decision::Unknown(why) => {
            tally.undecided(why);
            false
        }
    };
    if !is_linearizable && !order.is_by_version() {
        tally.unordered(&order);
    }
    found
}

/// The shift of reads that would make a key linearizable.
fn delta_of(keyed: &Keyed) -> Delta {
    let delta = crate::register::delta(&keyed.timed_operations());
    delta.expect("the values were unique when the key was judged")
}
