use std::{path::Path, time::Duration};

use quarrel_harness::report::{
    Ink, Width,
    ci::{Policy, annotation, junit, open_metrics, step_summary},
    summary,
};

use crate::example;

fn nowhere() -> &'static Path {
    Path::new("results")
}

#[test]
fn junit_has_a_case_per_strategy_and_fault() {
    let (run, violated) = example::refill(nowhere(), "Alex", "Alice");
    let (_, held) = example::quiet(nowhere(), 120);
    let (_, vacuous) = example::quiet(nowhere(), 5);
    let told = summary(&run, &violated, Ink::plain(), Width::Free);
    let time = Duration::from_millis(1500);
    let xml = junit(&[(&violated, &told, time), (&held, "", time), (&vacuous, "vacuous", time)]);
    insta::assert_snapshot!(xml);
}

#[test]
fn github_gets_a_summary_and_an_annotation() {
    let (run, verdict) = example::refill(nowhere(), "Alex", "Alice");
    insta::assert_snapshot!("step_summary", step_summary(&run, &verdict));
    insta::assert_snapshot!("annotation", annotation(&run, &verdict).unwrap());
    let (run, verdict) = example::quiet(nowhere(), 120);
    assert_eq!(annotation(&run, &verdict), None);
}

#[test]
fn an_annotation_is_one_line_whatever_it_says() {
    let (mut run, verdict) = example::refill(nowhere(), "Alex", "Alice");
    run.settings.source = "a,b:c\n::error::x".to_owned();
    let line = annotation(&run, &verdict).unwrap();
    assert!(line.starts_with("::error file=a%2Cb%3Ac%0A%3A%3Aerror%3A%3Ax,title="), "{line}");
    assert_eq!(line.lines().count(), 1);
}

#[test]
fn numbers_are_open_metrics() {
    let (_, verdict) = example::refill(nowhere(), "Alex", "Alice");
    insta::assert_snapshot!(open_metrics(&verdict));
}

#[test]
fn nothing_is_accepted_that_no_policy_names() {
    let (_, verdict) = example::refill(nowhere(), "Alex", "Alice");
    let breaches: Vec<String> =
        Policy::default().breaches(&verdict).iter().map(ToString::to_string).collect();
    assert_eq!(
        breaches,
        [
            "a read was 115 ms stale; accepted: 0 ms",
            "50.000 % of the reads at risk were stale; accepted: 0.000 %"
        ]
    );
}

#[test]
fn what_was_accepted_once_stays_accepted_and_no_more() {
    let (_, verdict) = example::refill(nowhere(), "Alex", "Alice");
    let mut policy = Policy::default();
    policy.accept(&verdict);
    assert_eq!(policy.breaches(&verdict), []);
    let again: Policy = policy.to_toml().parse().unwrap();
    assert_eq!(again, policy);
    let mut worse = verdict.clone();
    worse.metrics.worst_staleness += Duration::from_millis(5);
    assert_eq!(again.breaches(&worse).len(), 1);
}

#[test]
fn what_is_denied_must_not_happen_at_all() {
    let (_, verdict) = example::refill(nowhere(), "Alex", "Alice");
    let policy: Policy =
        "[strategy.cache-aside]\nstale_max = \"1s\"\ndeny = [\"replica-lag-refill\"]"
            .parse()
            .unwrap();
    let breaches = policy.breaches(&verdict);
    assert_eq!(breaches.len(), 1);
    assert_eq!(breaches[0].accepted, "no replica-lag-refill");
}

#[test]
fn a_policy_that_names_nothing_real_is_refused() {
    let complain = |text: &str| text.parse::<Policy>().unwrap_err().to_string();
    let denies = complain("[strategy.x]\ndeny = [\"stale-reed\"]");
    assert!(denies.contains("nothing is called `stale-reed`"), "{denies}");
    let bound = complain("[strategy.x]\nstale_max = \"soon\"");
    assert!(bound.contains("is not a duration such as 50ms"), "{bound}");
    assert!(complain("[strategy.x]\nstale_min = 1").contains("unknown field"));
}
