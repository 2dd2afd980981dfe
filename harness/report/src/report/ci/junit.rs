use std::time::Duration;

use quarrel_run::results::{RunOutcome, VerdictFile};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::case_name;

/// Runs as JUnit XML: a case for each, in a suite for each strategy. The body
/// of one that is not green is what the terminal says of it: `told`, beside
/// its verdict and how long it took.
///
/// What a run violated is a failure; what could not be decided, or showed
/// nothing, is an error: neither is green.
#[must_use]
pub fn junit(runs: &[(&VerdictFile, &str, Duration)]) -> String {
    let mut report = Report::new("quarrel");
    let mut suites: Vec<TestSuite> = Vec::new();
    for (verdict, told, time) in runs {
        let status = match verdict.outcome {
            RunOutcome::Held(_) => TestCaseStatus::success(),
            outcome => {
                let kind = match outcome {
                    RunOutcome::Violated => NonSuccessKind::Failure,
                    _ => NonSuccessKind::Error,
                };
                let mut status = TestCaseStatus::non_success(kind);
                let first = told.lines().next().unwrap_or_default();
                status.set_type(outcome.to_string()).set_message(first).set_description(*told);
                status
            }
        };
        let mut case = TestCase::new(case_name(verdict), status);
        case.set_classname(verdict.strategy.clone()).set_time(*time);
        case.add_property(("run", verdict.run.as_str()));
        case.add_property(("seed", verdict.seed.to_string().as_str()));
        case.add_property(("strongest", verdict.strongest.to_string().as_str()));
        match suites.iter_mut().find(|suite| suite.name.as_str() == verdict.strategy) {
            Some(suite) => {
                suite.add_test_case(case);
            }
            None => {
                let mut suite = TestSuite::new(verdict.strategy.clone());
                suite.add_test_case(case);
                suites.push(suite);
            }
        }
    }
    // Only now: the report counts the cases of a suite when it takes it.
    report.add_test_suites(suites);
    report.to_string().expect("names and texts of runs are XML once escaped")
}
