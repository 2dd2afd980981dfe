use std::{path::PathBuf, time::Duration};

use clap::Args;
use quarrel_report::report::{
    Ink,
    ci::{Policy, Ruling},
};
use quarrel_run::results::{RunOutcome, VerdictFile};
use quarrel_strategy::record::Stop;
use tokio::time::Instant;

use super::{Failure, output::eprintln, run::duration};

/// What a build server asks of a run besides its verdict.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "On a build server")]
pub(super) struct GatekeeperArgs {
    /// Exit with 0 if all that went wrong is accepted by this file, with 1 if not; `quarrel review` keeps it
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// The longest that everything may take, report included: the storm is ended early where it must
    #[arg(long, value_name = "TIME", value_parser = duration)]
    budget: Option<Duration>,
    /// How often to start again when the environment failed. A verdict stands, whatever it is
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = clap::value_parser!(u32).range(..=10))]
    pub(super) retries: u32,
}

/// What is kept free at the end of a budget, besides the time to settle: for
/// healing, judging, the report and the teardown.
const LEAST_RESERVE: Duration = Duration::from_secs(5);

/// The decision of a gatekeeper, with what it needs for it.
#[derive(Clone, Debug)]
pub(super) struct Gatekeeper {
    policy: Option<(PathBuf, Policy)>,
    /// When what must end, if there is a budget.
    budget: Option<Budget>,
}

/// When what must end, so that everything ends in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Budget {
    storm: Instant,
    settled: Instant,
    judged: Instant,
    written: Instant,
    gone: Instant,
}

impl Budget {
    fn beginning_at(begin: Instant, budget: Duration, settle: Duration) -> Result<Self, Failure> {
        let reserve = LEAST_RESERVE.max(budget / 5);
        let storm = budget.checked_sub(reserve + settle).filter(|left| !left.is_zero());
        let storm = storm.ok_or_else(|| {
            Failure::usage(format!(
                "--budget {budget:?} is too short: {:?} of it are for settling (--settle \
                 {settle:?}) and for the report",
                reserve + settle
            ))
        })?;
        let end = begin + budget;
        Ok(Self {
            storm: begin + storm,
            settled: end - reserve,
            judged: end - reserve / 2,
            written: end - reserve / 2 + reserve / 5,
            // And this process needs a moment, too.
            gone: end - reserve / 20,
        })
    }
}

impl GatekeeperArgs {
    /// Reads the policy and splits the budget.
    pub(super) fn gatekeeper(&self, settle: Duration) -> Result<Gatekeeper, Failure> {
        let policy = match &self.policy {
            None => None,
            Some(path) if !path.exists() => {
                return Err(Failure::usage(format!(
                    "--policy {}: there is no such file; quarrel review --policy {0} makes one",
                    path.display()
                )));
            }
            Some(path) => Some((path.clone(), Policy::read(path)?)),
        };
        let begin = Instant::now();
        let budget = self.budget.map(|budget| Budget::beginning_at(begin, budget, settle));
        Ok(Gatekeeper { policy, budget: budget.transpose()? })
    }
}

impl Gatekeeper {
    /// Asks a storm to end while there is time for its report, and to end at
    /// once when the time to settle is over, too.
    pub(super) fn watch(&self, stop: &Stop) {
        let Some(Budget { storm, settled, .. }) = self.budget else { return };
        let stop = stop.clone();
        tokio::spawn(async move {
            tokio::time::sleep_until(storm).await;
            if !stop.asked() {
                eprintln!("budget: ending the storm here, so that there is time for the report");
                stop.ask();
            }
            tokio::time::sleep_until(settled).await;
            stop.hurry();
        });
    }

    /// Whether the budget leaves no more time for a storm.
    pub(super) fn is_over(&self) -> bool {
        self.budget.is_some_and(|budget| budget.storm <= Instant::now())
    }

    /// When the verdict must be there.
    pub(super) fn judged_until(&self) -> Option<std::time::Instant> {
        self.budget.map(|budget| budget.judged.into_std())
    }

    /// Until when the cluster may take to go by itself.
    pub(super) fn gone_until(&self) -> Option<Instant> {
        self.budget.map(|budget| budget.gone)
    }

    /// When the report must be there.
    pub(super) fn written_until(&self) -> Option<std::time::Instant> {
        self.budget.map(|budget| budget.written.into_std())
    }

    /// What came of a run that was asked to stop before it had begun.
    pub(super) fn never_begun(&self) -> Result<u8, Failure> {
        if self.is_over() {
            return Err(Failure::environment("the budget was used up before the cluster was up"));
        }
        Ok(130)
    }

    /// The exit code, and why it is not the verdict's where there is a policy: in
    /// lines, none where there is nothing to say.
    pub(super) fn exit_code(&self, verdict: &VerdictFile) -> (u8, String) {
        let outcome = verdict.outcome;
        let ruled = self.policy.as_ref().zip(verdict.case());
        let Some(((path, policy), case)) = ruled else {
            return (outcome.exit_code(), String::new());
        };
        let ink = Ink::colours();
        let path = path.display();
        let ruling = policy.ruling(&case, verdict);
        let told = match &ruling {
            Ruling::Accepted if outcome == RunOutcome::Violated => {
                format!("{0}accepted{0:#} by {path}: exit code 0\n", ink.good)
            }
            Ruling::Beyond(breaches) => {
                let beyond = format!("{0}beyond{0:#} what {path} accepts of {case}:\n", ink.bad);
                breaches.iter().fold(beyond, |told, breach| told + &format!("  {breach}\n"))
            }
            Ruling::Accepted
            | Ruling::Undecided(_)
            | Ruling::Vacuous(_)
            | Ruling::Environment(_) => String::new(),
        };
        (ruling.exit_code(), told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_leaves_time_to_settle_and_to_report() {
        let seconds = Duration::from_secs;
        let begin = Instant::now();
        let ends = |budget, settle| {
            let budget = Budget::beginning_at(begin, seconds(budget), seconds(settle)).unwrap();
            let Budget { storm, settled, judged, written, gone } = budget;
            [storm, settled, judged, written, gone].map(|at| (at - begin).as_millis())
        };
        assert_eq!(ends(60, 10), [38_000, 48_000, 54_000, 56_400, 59_400]);
        assert_eq!(ends(20, 10), [5_000, 15_000, 17_500, 18_500, 19_750]);
        let refused = Budget::beginning_at(begin, seconds(15), seconds(10)).unwrap_err();
        assert_eq!(refused.code, 64);
        assert!(refused.message.contains("15s of it are for settling"), "{}", refused.message);
    }
}
