use std::{borrow::Cow, path::Path};

use quarrel_checkers::{Process, Verdict};
use quarrel_harness::{
    judge::judge_with,
    report::{Ink, Timeline, Width, explain, summary},
    results::LoadedRun,
};

use crate::example;

fn nowhere() -> &'static Path {
    Path::new("results")
}

#[test]
fn a_violation_is_told_step_by_step() {
    let (run, verdict) = example::refill(nowhere(), "Alex", "Alice");
    insta::assert_snapshot!(summary(&run, &verdict, Ink::plain(), Width::Free));
}

#[test]
fn a_narrow_terminal_is_never_overrun() {
    let (run, verdict) = example::refill(nowhere(), "Alex", "Alice");
    for width in [40, 60, 80] {
        let text = summary(&run, &verdict, Ink::plain(), Width::Columns(width));
        for line in text.lines() {
            assert!(line.chars().count() <= width, "{width} columns: {line}");
        }
    }
    insta::assert_snapshot!(summary(&run, &verdict, Ink::plain(), Width::Columns(60)));
}

#[test]
fn colours_say_no_more_than_words() {
    let (run, verdict) = example::refill(nowhere(), "Alex", "Alice");
    let coloured = summary(&run, &verdict, Ink::colours(), Width::Free);
    assert!(coloured.contains("\u{1b}["));
    let stripped = anstream::adapter::strip_str(&coloured).to_string();
    assert_eq!(stripped, summary(&run, &verdict, Ink::plain(), Width::Free));
}

#[test]
fn a_run_that_held_says_on_what_evidence() {
    let (run, verdict) = example::quiet(nowhere(), 120);
    insta::assert_snapshot!(summary(&run, &verdict, Ink::plain(), Width::Free));
}

#[test]
fn a_run_in_which_little_happened_is_no_pass() {
    let (run, verdict) = example::quiet(nowhere(), 5);
    insta::assert_snapshot!(summary(&run, &verdict, Ink::plain(), Width::Free));
}

#[test]
fn a_run_that_nobody_could_judge_is_no_pass_either() {
    let (mut run, _) = example::quiet(nowhere(), 120);
    run.probes.clear();
    let expected = "eventual".parse().unwrap();
    let verdict = judge_with(&run, expected, Verdict::valid());
    insta::assert_snapshot!(summary(&run, &verdict, Ink::plain(), Width::Free));
}

/// The help is about why it is open, and not about a workload's own check.
#[test]
fn what_is_open_for_want_of_a_part_of_the_history_is_told_so() {
    let told = |run: &LoadedRun| {
        let verdict = judge_with(run, "linearizable".parse().unwrap(), Verdict::valid());
        assert_eq!(verdict.outcome.exit_code(), 2);
        summary(run, &verdict, Ink::plain(), Width::Free)
    };
    let (whole, _) = example::quiet(nowhere(), 120);
    let mut cut = whole.clone();
    cut.truncated = true;
    let text = told(&cut);
    assert!(text.contains("= help: what was saved shows nothing wrong; to its end: quarrel run"));
    let mut unheard = whole;
    let mut gap = unheard.history.step(0);
    (gap.process, gap.operation) = (Process::Nemesis, None);
    gap.verb = Cow::Borrowed("UNHEARD");
    unheard.history.push_step(&gap);
    let text = told(&unheard);
    assert!(
        text.contains("= help: what was heard shows nothing wrong; once more: quarrel run"),
        "{text}"
    );
}

#[test]
fn a_value_cannot_move_the_cursor() {
    let (run, mut verdict) = example::refill(nowhere(), "\u{1b}[2J\u{7}", "Alice");
    for anomaly in &mut verdict.anomalies {
        // Without versions, values are named.
        anomaly.class = quarrel_checkers::Class::NotLinearizable;
    }
    let text = summary(&run, &verdict, Ink::plain(), Width::Free);
    assert!(text.contains("\\u{1b}[2J\\u{7}"), "{text}");
    assert!(!text.contains('\u{1b}') && !text.contains('\u{7}'));
}

#[test]
fn a_long_story_is_cut_around_what_matters() {
    let (run, verdict) = example::refill(nowhere(), "Alex", "Alice");
    let evidence = quarrel_harness::judge::CauseEvidence::new(&run.history).unwrap();
    let mut timeline = Timeline::of(&evidence, &verdict.anomalies[0]);
    let filler = quarrel_harness::report::TimelineRow {
        weight: quarrel_harness::report::Weight::Context,
        call: "GET pointer:7".to_owned(),
        ..timeline.rows[0].clone()
    };
    for _ in 0..40 {
        timeline.rows.insert(3, filler.clone());
    }
    let lines = timeline.lines(None);
    assert!(lines.len() <= 10, "{lines:#?}");
    assert_eq!(lines.iter().filter(|line| *line == "…").count(), 1);
    assert!(lines.last().unwrap().ends_with("STALE: v2 was acknowledged at t=4ms"));
}

#[test]
fn names_are_explained() {
    let found = explain::find("stale-read/replica-lag-refill").unwrap();
    let text: Vec<String> = found
        .into_iter()
        .map(|entry| explain::entry_text(entry, Ink::plain(), Width::Columns(80)))
        .collect();
    insta::assert_snapshot!(text.join("\n"));
    insta::assert_snapshot!("list_of_names", explain::list_text(Ink::plain(), Width::Columns(80)));
}
