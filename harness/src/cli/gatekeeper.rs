use std::{path::PathBuf, time::Duration};

use clap::Args;
use tokio::time::Instant;

use super::{
    Failure,
    output::{eprintln, println},
    run::duration,
};
use crate::{
    record::Stop,
    report::{
        Ink,
        ci::{Policy, Ruling},
    },
    results::{RunOutcome, VerdictFile},
};

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
    /// When a storm must end, if there is a budget.
    storm_until: Option<Instant>,
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
        let share = self.budget.map(|budget| storm_share(budget, settle)).transpose()?;
        let storm_until = share.map(|share| Instant::now() + share);
        Ok(Gatekeeper { policy, storm_until })
    }
}

fn storm_share(budget: Duration, settle: Duration) -> Result<Duration, Failure> {
    let reserve = settle + LEAST_RESERVE.max(budget / 5);
    budget.checked_sub(reserve).filter(|left| !left.is_zero()).ok_or_else(|| {
        Failure::usage(format!(
            "--budget {budget:?} is too short: {reserve:?} of it are for settling (--settle \
             {settle:?}) and for the report"
        ))
    })
}

impl Gatekeeper {
    /// Asks a storm to end while there is time for its report.
    pub(super) fn watch(&self, stop: &Stop) {
        let Some(until) = self.storm_until else { return };
        let stop = stop.clone();
        tokio::spawn(async move {
            tokio::time::sleep_until(until).await;
            if !stop.asked() {
                eprintln!("budget: ending the storm here, so that there is time for the report");
                stop.ask();
            }
        });
    }

    /// Whether the budget leaves no more time for a storm.
    pub(super) fn is_over(&self) -> bool {
        self.storm_until.is_some_and(|until| until <= Instant::now())
    }

    /// What came of a run that was asked to stop before it had begun.
    pub(super) fn never_begun(&self) -> Result<u8, Failure> {
        if self.is_over() {
            return Err(Failure::environment("the budget was used up before the cluster was up"));
        }
        Ok(130)
    }

    /// The exit code, and why it is not the verdict's where there is a policy.
    pub(super) fn exit_code(&self, verdict: &VerdictFile) -> u8 {
        let outcome = verdict.outcome;
        let Some((path, policy)) = &self.policy else { return outcome.exit_code() };
        let Some(case) = verdict.case() else { return outcome.exit_code() };
        let ink = Ink::colours();
        let path = path.display();
        let ruling = policy.ruling(&case, verdict);
        match &ruling {
            Ruling::Accepted if outcome == RunOutcome::Violated => {
                println!("{0}accepted{0:#} by {path}: exit code 0", ink.good);
            }
            Ruling::Beyond(breaches) => {
                println!("{0}beyond{0:#} what {path} accepts of {case}:", ink.bad);
                for breach in breaches {
                    println!("  {breach}");
                }
            }
            Ruling::Accepted
            | Ruling::Undecided(_)
            | Ruling::Vacuous(_)
            | Ruling::Environment(_) => {}
        }
        ruling.exit_code()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_leaves_time_to_settle_and_to_report() {
        let seconds = Duration::from_secs;
        assert_eq!(storm_share(seconds(60), seconds(10)).unwrap(), seconds(38));
        assert_eq!(storm_share(seconds(20), seconds(10)).unwrap(), seconds(5));
        let refused = storm_share(seconds(15), seconds(10)).unwrap_err();
        assert_eq!(refused.code, 64);
        assert!(refused.message.contains("too short"), "{}", refused.message);
    }
}
