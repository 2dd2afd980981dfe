use quarrel_checkers::{Guarantee, Metrics, Validity, millis};

use crate::results::{RunOutcome, VerdictFile};

/// A run's verdict in one line, as a list or a pass shows it.
#[must_use]
pub fn verdict_line(verdict: &VerdictFile) -> String {
    let metrics = &verdict.metrics;
    match verdict.outcome {
        RunOutcome::Held => {
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
    let unknown = verdict.ladder.iter().any(|rung| rung.validity == Validity::Unknown);
    if verdict.truncated {
        "checked up to where the run was killed"
    } else if unknown {
        "checked, a weaker guarantee undecided"
    } else {
        "checked completely"
    }
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

/// How many faults were seen to take hold: `4 of 4 faults observed`.
#[must_use]
pub fn faults_seen(verdict: &VerdictFile) -> String {
    match verdict.fault_count.injected {
        0 => "no faults".to_owned(),
        injected => format!("{} of {injected} faults observed", verdict.fault_count.observed),
    }
}

/// A number with its thousands apart: `2,210`.
pub(in crate::report) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
