//! What the judge says about histories drawn by hand.

mod clients;
mod options;
mod order;
mod phases;
mod scale;
mod sessions;
mod stores;
mod ties;

use quarrel_checkers::{JudgeOptions, Judgement, Probe, judge, notation};

/// Judges a drawing.
fn judged(drawing: &str, probes: &[Probe]) -> Judgement {
    let history = notation::parse(drawing).expect("the drawing is well-formed");
    judge(&history, probes, &JudgeOptions::default())
}

/// One line for each anomaly.
fn told(judgement: &Judgement) -> Vec<String> {
    let line = |a: &quarrel_checkers::Anomaly| format!("{}: {}", a.class, a.explanation);
    judgement.anomalies.iter().map(line).collect()
}
