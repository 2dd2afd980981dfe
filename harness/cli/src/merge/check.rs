use quarrel_checkers::RunOutcome;
use quarrel_run::{judge::enough_reads, results::VerdictFile};
use serde_json::json;

use super::{Found, Joined, Share, differs};
use crate::Failure;

/// One verdict of those on the keys of all shares. Whether enough was at stake
/// is asked of all keys together: one machine would have asked that.
pub(super) fn join(command: &str, shares: &[Share]) -> Result<Joined, Failure> {
    let mut verdicts: Vec<&VerdictFile> = Vec::new();
    for share in shares {
        let Found::Check { verdict } = &share.part.found else {
            return Err(differs(command, share, "kind"));
        };
        if verdicts
            .first()
            .is_some_and(|first| (&first.run, first.expected) != (&verdict.run, verdict.expected))
        {
            return Err(differs(command, share, "run or guarantee"));
        }
        verdicts.push(verdict);
    }
    let (outcome, reason) = judge(&verdicts);
    let sum = |of: fn(&VerdictFile) -> u64| verdicts.iter().map(|verdict| of(verdict)).sum::<u64>();
    let (stale, at_risk) =
        (sum(|verdict| verdict.metrics.stale_reads), sum(|verdict| verdict.metrics.reads_at_risk));
    Ok(Joined {
        code: outcome.exit_code(),
        text: format!("{outcome}: {reason}\n  {stale} of {at_risk} reads at risk were stale"),
        json: json!({
            "kind": "check",
            "outcome": outcome.to_string(),
            "reason": reason,
            "reads": sum(|verdict| verdict.metrics.reads),
            "reads_at_risk": at_risk,
            "stale_reads": stale,
            "worst_staleness_ms": verdicts
                .iter()
                .map(|verdict| verdict.metrics.worst_staleness.as_secs_f64() * 1e3)
                .fold(0.0, f64::max),
            "anomalies": verdicts.iter().flat_map(|verdict| &verdict.anomalies).collect::<Vec<_>>(),
        }),
    })
}

fn judge(verdicts: &[&VerdictFile]) -> (RunOutcome, String) {
    let reasons = |outcome: RunOutcome| {
        let of = verdicts.iter().filter(|verdict| verdict.outcome == outcome);
        of.map(|verdict| verdict.reason.clone()).next().unwrap_or_default()
    };
    let worst = RunOutcome::of_all(verdicts.iter().map(|verdict| verdict.outcome));
    if !matches!(worst, RunOutcome::Held(_) | RunOutcome::Vacuous) {
        return (worst, reasons(worst));
    }
    // A fault that nobody saw take hold is no more seen by others.
    let unseen = verdicts.iter().find_map(|verdict| {
        let few = enough_reads(verdict.metrics.reads_at_risk, verdict.metrics.reads).err();
        verdict.nothing_at_stake.clone().filter(|why| few.as_ref() != Some(why))
    });
    if let Some(unseen) = unseen {
        return (RunOutcome::Vacuous, unseen);
    }
    let at_risk = verdicts.iter().map(|verdict| verdict.metrics.reads_at_risk).sum();
    let reads = verdicts.iter().map(|verdict| verdict.metrics.reads).sum();
    match enough_reads(at_risk, reads) {
        Ok(evidence) => {
            let guarantee = verdicts.first().map(|verdict| verdict.expected.to_string());
            let guarantee = guarantee.unwrap_or_default();
            (RunOutcome::Held(evidence), format!("{guarantee}: {at_risk} reads were at risk"))
        }
        Err(few) => (RunOutcome::Vacuous, few),
    }
}
