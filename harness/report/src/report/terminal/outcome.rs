use quarrel_checkers::{Class, Guarantee, Metrics, Rung, Validity, millis, thousands};
use quarrel_run::results::{RunOutcome, VerdictFile};

/// A run's verdict in one line, as a list or a pass shows it.
#[must_use]
pub fn verdict_line(verdict: &VerdictFile) -> String {
    let metrics = &verdict.metrics;
    match verdict.outcome {
        RunOutcome::Held(_) => {
            let held = match verdict.expected {
                Guarantee::Linearizable => String::new(),
                other => format!("; {other} held"),
            };
            format!("{}{held}; {}; {}", extent(metrics), faults_seen(verdict), checked(verdict))
        }
        RunOutcome::Violated if metrics.stale_reads > 0 => {
            format!("{}: {}", verdict.reason, extent(metrics))
        }
        _ => verdict.reason.clone(),
    }
}

/// How much of the run stands behind the verdict.
fn checked(verdict: &VerdictFile) -> &'static str {
    let unknown = open_rungs(verdict).next().is_some();
    if verdict.truncated {
        "checked up to where the run was killed"
    } else if unknown {
        "checked, a weaker guarantee undecided"
    } else {
        "checked completely"
    }
}

/// Whether a rung asks for a bound that nobody gave: it is no open question.
pub(in crate::report) fn is_unasked(verdict: &VerdictFile, rung: &Rung) -> bool {
    rung.guarantee == Guarantee::Bounded
        && verdict.expected != Guarantee::Bounded
        && rung.validity == Validity::Unknown
}

/// What was asked and could not be decided.
pub(super) fn open_rungs(verdict: &VerdictFile) -> impl Iterator<Item = &Rung> {
    let open = verdict.ladder.iter().filter(|rung| rung.validity == Validity::Unknown);
    open.filter(|rung| !is_unasked(verdict, rung))
}

/// What a reader must know about how the verdict was reached.
pub(super) fn checked_note(verdict: &VerdictFile) -> Option<&'static str> {
    verdict
        .truncated
        .then_some("the run was killed; its history is judged up to where it was saved")
}

/// How many reads went wrong, of how many that could have: `0 stale of 2,210
/// reads at risk (< 0.14 % at 95 %)`.
#[must_use]
pub fn extent(metrics: &Metrics) -> String {
    let risk = thousands(metrics.reads_at_risk);
    if metrics.stale_reads == 0 {
        let upper = metrics.stale_share_upper * 100.0;
        return format!("0 stale of {risk} reads at risk (< {upper:.2} % at 95 %)");
    }
    format!(
        "{} stale of {risk} reads at risk; worst {}",
        thousands(metrics.stale_reads),
        millis(metrics.worst_staleness)
    )
}

/// How often what the headline is about happened, with its own number.
pub(in crate::report) fn reach(verdict: &VerdictFile, class: Class) -> String {
    let metrics = &verdict.metrics;
    let sessions = &metrics.sessions;
    let of_reads = |count: u64, what: &str| {
        let (count, reads) = (thousands(count), counted(metrics.reads, "read"));
        format!("{count} of {reads} {what}")
    };
    match class {
        Class::StaleRead => {
            let risk = metrics.reads_at_risk;
            format!(
                "{} of {} at risk were stale ({:.3} %); the worst by {}",
                thousands(metrics.stale_reads),
                counted(risk, "read"),
                metrics.stale_reads as f64 / risk.max(1) as f64 * 100.0,
                millis(metrics.worst_staleness)
            )
        }
        Class::ReadYourWrites => {
            of_reads(sessions.read_your_writes, "missed a write of their own session")
        }
        Class::NonMonotonicRead => {
            of_reads(sessions.monotonic_reads, "were older than an earlier one of their session")
        }
        Class::PhantomRead => of_reads(metrics.phantom_reads, "returned what nobody wrote"),
        Class::DirtyRead => of_reads(metrics.dirty_reads, "returned what was rolled back"),
        Class::FutureRead => of_reads(metrics.future_reads, "returned what was not yet written"),
        Class::LostWrite => format!(
            "{} of {} are gone from the primary",
            thousands(metrics.lost_updates),
            counted(metrics.writes, "acknowledged write")
        ),
        Class::Divergence => {
            let convergence = &metrics.convergence;
            let differ = convergence.keys_compared.saturating_sub(convergence.keys_agreeing);
            let compared = counted(convergence.keys_compared, "key");
            format!("the stores differ on {} of {compared} in the end", thousands(differ))
        }
        // Of what a workload asks for not all of the evidence is kept.
        class => {
            let kept = verdict.anomalies.iter().filter(|anomaly| anomaly.class == class).count();
            let what = match class {
                Class::LostUpdate => "update lost",
                Class::GSingle => "pair read in halves",
                _ => "time kept as evidence",
            };
            let is_first = verdict.anomalies.first().is_some_and(|first| first.class == class);
            let all = verdict.own_anomalies.filter(|_| is_first);
            let least = if all.is_none() && kept >= KEPT_AT_LEAST { "at least " } else { "" };
            let writes = counted(metrics.writes, "acknowledged write");
            let told = counted_first(all.unwrap_or(kept as u64), what);
            format!("{least}{told}, beside {writes} and {}", counted(metrics.reads, "read"))
        }
    }
}

/// As much evidence of one kind as a checker keeps is perhaps not all of it.
const KEPT_AT_LEAST: usize = 100;

/// `1 read`, `2,210 reads`.
pub(in crate::report) fn counted(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {what}{plural}", thousands(count))
}

/// The same of words of which the first is counted: `2 updates lost`.
fn counted_first(count: u64, words: &str) -> String {
    let (first, rest) = words.split_once(' ').unwrap_or((words, ""));
    format!("{} {rest}", counted(count, first))
}

/// How many faults were seen to take hold: `4 of 4 faults observed`.
#[must_use]
pub fn faults_seen(verdict: &VerdictFile) -> String {
    match verdict.fault_count.injected {
        0 => "no faults".to_owned(),
        injected => format!("{} of {injected} faults observed", verdict.fault_count.observed),
    }
}
