use std::{
    collections::BTreeSet, fmt, num::NonZeroUsize, str::FromStr, thread::available_parallelism,
    time::Duration,
};

use quarrel_checkers::{
    Evidence, Guarantee, HistoryRef, JudgeOptions, Judgement, ReadFinding, RunOutcome, Stake, Time,
    Validity, Verdict, judge_stale,
};
use quarrel_strategy::{
    record::{EnvironmentFailure, Spoils},
    strategy::{Workload, parse_duration},
};

use super::{find_causes, phases::phases, steps::is_gap};
use crate::{
    faults::Receipt,
    results::{FaultCount, LoadedRun, SCHEMA, VerdictFile},
};

/// Fewer reads at risk than this prove nothing.
const ENOUGH_READS: u64 = 100;

/// The guarantee that a run is held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// Which.
    pub guarantee: Guarantee,
    /// The staleness that [`Guarantee::Bounded`] allows.
    pub bound: Option<Duration>,
}

impl Default for Expectation {
    fn default() -> Self {
        Self { guarantee: Guarantee::Linearizable, bound: None }
    }
}

impl Expectation {
    /// Whether what clients saw up to some moment can break it for good: every
    /// part of a history, from its beginning on, keeps it if the whole does.
    #[must_use]
    pub const fn is_kept_by_prefixes(&self) -> bool {
        !matches!(self.guarantee, Guarantee::Bounded | Guarantee::Eventual | Guarantee::None)
    }
}

/// Not a guarantee.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseExpectationError {
    /// A guarantee without what it promises.
    #[error("`bounded` needs a bound, e.g. bounded=500ms")]
    NoBound,
    /// A bound that is no length of time.
    #[error("`{0}` is no bound: a length of time such as bounded=500ms")]
    WrongBound(String),
    /// Anything else.
    #[error(
        "`{0}` is no guarantee: linearizable, sequential, read-your-writes, monotonic-reads, bounded=TIME or eventual"
    )]
    Unknown(String),
}

impl FromStr for Expectation {
    type Err = ParseExpectationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "bounded" {
            return Err(ParseExpectationError::NoBound);
        }
        if let Some(bound) = text.strip_prefix("bounded=") {
            let wrong = || ParseExpectationError::WrongBound(text.to_owned());
            let bound = Some(parse_duration(bound).ok_or_else(wrong)?);
            return Ok(Self { guarantee: Guarantee::Bounded, bound });
        }
        let named = [
            Guarantee::Linearizable,
            Guarantee::Sequential,
            Guarantee::ReadYourWrites,
            Guarantee::MonotonicReads,
            Guarantee::Eventual,
        ];
        let guarantee = named.into_iter().find(|guarantee| guarantee.to_string() == text);
        let known = guarantee.map(|guarantee| Self { guarantee, bound: None });
        known.ok_or_else(|| ParseExpectationError::Unknown(text.to_owned()))
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bound {
            None => self.guarantee.fmt(f),
            Some(bound) => write!(f, "bounded={bound:?}"),
        }
    }
}

/// Judges a run, by the guarantee that it is held to and by what its workload
/// asks for besides.
#[must_use]
pub fn judge_run(run: &LoadedRun, expected: Expectation, workload: &dyn Workload) -> VerdictFile {
    judge_with(run, expected, workload.check((&run.history).into()))
}

/// The same, and what was found of every stale read, which a report tells.
#[must_use]
pub fn judge_run_and_reads(
    run: &LoadedRun,
    expected: Expectation,
    workload: &dyn Workload,
) -> (VerdictFile, Vec<ReadFinding>) {
    judge_all(run, expected, workload.check((&run.history).into()))
}

/// What is found of every stale read of a run.
#[must_use]
pub fn stale_reads(run: &LoadedRun) -> Vec<ReadFinding> {
    judge_stale(&run.history, &[], &options(), &[]).1
}

fn options() -> JudgeOptions {
    let mut options = JudgeOptions::default();
    // The storm is over: every core is free for its verdict.
    options.threads = available_parallelism().unwrap_or(NonZeroUsize::MIN);
    options
}

/// Judges a run whose workload said `own` of its history.
#[must_use]
pub fn judge_with(run: &LoadedRun, expected: Expectation, own: Verdict) -> VerdictFile {
    judge_all(run, expected, own).0
}

fn judge_all(
    run: &LoadedRun,
    expected: Expectation,
    own: Verdict,
) -> (VerdictFile, Vec<ReadFinding>) {
    let mut options = options();
    options.bound = expected.bound;
    let end = HistoryRef::from(&run.history).events().next_back();
    let end = end.map_or(Time::ZERO, |event| event.time);
    let phases = phases(&run.receipts, end);
    let (mut judgement, stale) = judge_stale(&run.history, &run.probes, &options, &phases);
    // What the workload itself asks for is told first.
    judgement.anomalies.splice(..0, own.anomalies.iter().cloned());
    let by = run.settings.invalidation;
    find_causes(&run.history, by, &mut judgement.anomalies);
    let own_anomalies = own.count.filter(|_| own.validity == Validity::Invalid);
    let evidence = at_stake(run, &judgement);
    let nothing_at_stake = evidence.clone().err();
    let (outcome, reason) = decide(run, expected, &judgement, own, evidence);
    let (outcome, reason) = match &run.failure {
        Some(failure) => spoilt(failure, outcome, reason, &mut judgement),
        None => (outcome, reason),
    };
    let settings = &run.settings;
    let verdict = VerdictFile {
        schema: SCHEMA,
        quarrel: env!("CARGO_PKG_VERSION").to_owned(),
        run: run.folder.name.clone(),
        strategy: settings.strategy.clone(),
        options: Some(settings.case().options),
        workload: settings.workload.clone(),
        cluster: settings.cluster.clone(),
        simulated: settings.is_simulated(),
        seed: settings.seed,
        faults: settings.faults.clone(),
        outcome,
        reason,
        expected: expected.guarantee,
        strongest: judgement.strongest,
        ladder: judgement.ladder,
        fault_count: count(&run.receipts),
        truncated: run.truncated,
        nothing_at_stake,
        own_anomalies: own_anomalies.filter(|_| !judgement.anomalies.is_empty()),
        anomalies: judgement.anomalies,
        metrics: judgement.metrics,
    };
    (verdict, stale)
}

/// What is to be said of a run that nobody had the time to judge: nothing is
/// decided, whatever happened in it.
#[must_use]
pub fn judge_nothing(run: &LoadedRun, expected: Expectation) -> VerdictFile {
    let mut verdict = judge_with(run, expected, Verdict::valid());
    if run.failure.is_some() {
        return verdict;
    }
    let guarantee = expected.guarantee;
    let reason = format!(
        "{guarantee} is undecided: the time was over before the history had been judged; \
         quarrel check {} judges it",
        run.folder.called()
    );
    verdict.outcome = RunOutcome::Undecided;
    verdict.strongest = Guarantee::None;
    for rung in &mut verdict.ladder {
        rung.validity = Validity::Unknown;
        rung.reason.clone_from(&reason);
    }
    verdict.anomalies.clear();
    verdict.reason = reason;
    verdict
}

/// What is left of a judgement when the world broke around its run.
fn spoilt(
    failure: &EnvironmentFailure,
    outcome: RunOutcome,
    reason: String,
    judgement: &mut Judgement,
) -> (RunOutcome, String) {
    if failure.spoils == Spoils::Completeness && outcome == RunOutcome::Violated {
        return (outcome, reason);
    }
    if failure.spoils == Spoils::Evidence {
        judgement.anomalies.clear();
        judgement.strongest = Guarantee::None;
        for rung in &mut judgement.ladder {
            rung.validity = Validity::Unknown;
            rung.reason = failure.to_string();
        }
    }
    (RunOutcome::Environment, failure.to_string())
}

/// What was found, weighed by what was at stake; what is grave first.
fn decide(
    run: &LoadedRun,
    expected: Expectation,
    judgement: &Judgement,
    own: Verdict,
    evidence: Result<Evidence, String>,
) -> (RunOutcome, String) {
    if own.validity == Validity::Invalid {
        let first = own.anomalies.into_iter().next().map(|anomaly| anomaly.explanation);
        let why = first.unwrap_or_else(|| "what the workload asks for did not hold".to_owned());
        return (RunOutcome::Violated, why);
    }
    let rung = judgement.rung(expected.guarantee);
    if rung.validity != Validity::Valid {
        // Nobody was left to look into the stores.
        let nobody = run.truncated
            && rung.validity == Validity::Unknown
            && matches!(rung.guarantee, Guarantee::Bounded | Guarantee::Eventual)
            && judgement.metrics.convergence.agree().is_none();
        let why = if nobody { " (the run was killed)" } else { "" };
        return (RunOutcome::of(rung.validity, None), format!("{}{why}", rung.reason));
    }
    if own.validity == Validity::Unknown {
        // What the workload asks for could not be decided: nothing held.
        let why = own.undecided.unwrap_or_else(|| "the workload's own check is open".to_owned());
        return (RunOutcome::Undecided, why);
    }
    if run.truncated {
        let why = format!(
            "the history breaks off, and what came then may break it; up to there: {}",
            rung.reason
        );
        return (RunOutcome::Undecided, why);
    }
    if let Some(gap) = run.history.steps().find(is_gap) {
        let why = format!(
            "from {} on not all was heard of what was said to the stores, and what was not may \
             be what goes wrong; of what clients saw: {}",
            gap.start, rung.reason
        );
        return (RunOutcome::Undecided, why);
    }
    match evidence {
        Ok(evidence) => (RunOutcome::Held(evidence), rung.reason.clone()),
        Err(why) => (RunOutcome::Vacuous, why),
    }
}

/// What could have gone wrong; why a run in which nothing did proves nothing, if
/// it does not.
fn at_stake(run: &LoadedRun, judgement: &Judgement) -> Result<Evidence, String> {
    let name = |fault: &str| fault.split('=').next().unwrap_or_default().to_owned();
    let seen: BTreeSet<_> = run
        .receipts
        .iter()
        .filter(|receipt| receipt.observed.is_some())
        .map(|receipt| name(&receipt.fault))
        .collect();
    let unseen: BTreeSet<_> = run
        .settings
        .faults
        .iter()
        .map(|fault| name(fault))
        .filter(|fault| !seen.contains(fault))
        .collect();
    if !unseen.is_empty() {
        let unseen: Vec<_> = unseen.into_iter().collect();
        return Err(format!("{} was never observed to take hold", unseen.join(", ")));
    }
    enough_reads(judgement.metrics.reads_at_risk, judgement.metrics.reads)
}

/// Whether so many reads at risk, of so many that succeeded, prove anything; why
/// not, if they do not. Of a history that was judged in shares, their sums.
///
/// # Errors
///
/// When they are too few.
pub fn enough_reads(at_risk: u64, reads: u64) -> Result<Evidence, String> {
    let evidence = Evidence::counted(Stake::ReadsAtRisk, at_risk);
    evidence.filter(|_| at_risk >= ENOUGH_READS).ok_or_else(|| {
        let one = if at_risk == 1 { "read" } else { "reads" };
        match reads {
            0 => "no read succeeded, so nothing was tested".to_owned(),
            _ => format!(
                "{at_risk} {one} could have been stale; at least {ENOUGH_READS} are needed for a verdict"
            ),
        }
    })
}

fn count(receipts: &[Receipt]) -> FaultCount {
    let observed = receipts.iter().filter(|receipt| receipt.observed.is_some()).count();
    FaultCount { injected: receipts.len(), observed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expectations_are_printed_as_they_are_parsed() {
        for text in ["linearizable", "sequential", "read-your-writes", "eventual", "bounded=50ms"] {
            assert_eq!(text.parse::<Expectation>().unwrap().to_string(), text);
        }
        let error = "strong".parse::<Expectation>().unwrap_err().to_string();
        assert!(error.starts_with("`strong` is no guarantee: linearizable,"), "{error}");
        let asked = |text: &str| text.parse::<Expectation>().unwrap_err();
        assert_eq!(asked("bounded"), ParseExpectationError::NoBound);
        assert_eq!(
            asked("bounded=soon"),
            ParseExpectationError::WrongBound("bounded=soon".to_owned())
        );
    }
}
