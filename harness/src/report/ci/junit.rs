use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::case_name;
use crate::results::{RunOutcome, VerdictFile};

/// Runs as JUnit XML: a case for each, in a suite for each strategy. The body
/// of one that is not green is what the terminal says of it: `told`, beside
/// its verdict and how long it took.
///
/// What a run violated is a failure; what could not be decided, or showed
/// nothing, is an error: neither is green.
#[must_use]
pub fn junit(runs: &[(&VerdictFile, &str, Duration)]) -> String {
    let mut report = Report::new("quarrel");
    for (verdict, told, time) in runs {
        let status = match verdict.outcome {
            RunOutcome::Held => TestCaseStatus::success(),
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
        let suite = report.test_suites.iter_mut().find(|s| s.name.as_str() == verdict.strategy);
        match suite {
            Some(suite) => {
                suite.add_test_case(case);
            }
            None => {
                let mut suite = TestSuite::new(verdict.strategy.clone());
                suite.add_test_case(case);
                report.add_test_suite(suite);
            }
        }
    }
    report.to_string().expect("names and texts of runs are XML once escaped")
}
