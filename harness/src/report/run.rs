use std::{fmt::Write as _, io, time::Duration};

use quarrel_checkers::{Anomaly, Metrics, Validity};

use super::{Ink, Timeline};
use crate::{
    judge::Evidence,
    results::{LoadedRun, RunOutcome, VerdictFile},
};

/// Prints what a run says, coloured where the stream can show it.
///
/// # Errors
///
/// When the stream is closed.
pub fn print_summary(
    stream: &mut dyn io::Write,
    run: &LoadedRun,
    verdict: &VerdictFile,
) -> io::Result<()> {
    stream.write_all(summary(run, verdict, Ink::colours()).as_bytes())
}

/// What a run says.
#[must_use]
pub fn summary(run: &LoadedRun, verdict: &VerdictFile, ink: Ink) -> String {
    let mut text = String::new();
    if verdict.outcome == RunOutcome::Violated
        && let Some(anomaly) = verdict.anomalies.first()
    {
        explain(&mut text, run, verdict, anomaly, ink);
    } else {
        plainly(&mut text, verdict, ink);
    }
    ladder(&mut text, verdict, ink);
    text
}

fn explain(text: &mut String, run: &LoadedRun, verdict: &VerdictFile, anomaly: &Anomaly, ink: Ink) {
    let (bad, mark, strong) = (ink.bad, ink.mark, ink.strong);
    let cause = anomaly.cause.map_or_else(|| "unexplained".to_owned(), |cause| cause.to_string());
    out(
        text,
        format_args!(
            "{bad}error[{}/{cause}]{bad:#}: {strong}{}{strong:#}",
            anomaly.class, anomaly.explanation
        ),
    );
    let faults =
        if verdict.faults.is_empty() { "none".to_owned() } else { verdict.faults.join(" ") };
    let simulated = if verdict.simulated { ", simulated" } else { "" };
    out(
        text,
        format_args!(
            "  {mark}-->{mark:#} strategy {} ({}), fault {faults}, cluster {}{simulated}",
            verdict.strategy, run.settings.source, verdict.cluster
        ),
    );
    if let Some(evidence) = Evidence::new(&run.history) {
        for line in Timeline::of(&evidence, anomaly).to_string().lines() {
            out(text, format_args!("  {mark}|{mark:#} {line}"));
        }
    }
    out(text, format_args!("  {mark}={mark:#} cause: {cause}"));
    out(text, format_args!("  {mark}={mark:#} extent: {}", extent(&verdict.metrics)));
    out(text, format_args!("  {mark}={mark:#} faults: {}", faults_seen(verdict)));
    out(text, format_args!("  {mark}={mark:#} run: {}", verdict.run));
}

fn plainly(text: &mut String, verdict: &VerdictFile, ink: Ink) {
    let metrics = &verdict.metrics;
    let (good, warn, bad) = (ink.good, ink.warn, ink.bad);
    match verdict.outcome {
        RunOutcome::Held => out(
            text,
            format_args!(
                "{good}ok{good:#}: {} ({}); {}; {}",
                verdict.expected,
                extent(metrics),
                faults_seen(verdict),
                verdict.reason
            ),
        ),
        RunOutcome::Vacuous => {
            out(text, format_args!("{warn}vacuous{warn:#}: {}", verdict.reason));
            out(text, format_args!("  = {}; {}", extent(metrics), faults_seen(verdict)));
            out(
                text,
                format_args!(
                    "  = nothing went wrong, but nothing was shown either: give it more --time, or another fault"
                ),
            );
        }
        RunOutcome::Undecided => {
            out(text, format_args!("{warn}undecided{warn:#}: {}", verdict.reason));
        }
        RunOutcome::Violated => {
            out(text, format_args!("{bad}error{bad:#}: {}", verdict.reason));
        }
    }
}

fn ladder(text: &mut String, verdict: &VerdictFile, ink: Ink) {
    out(text, format_args!("\nwhat held (strongest: {}):", verdict.strongest));
    for rung in &verdict.ladder {
        if rung.guarantee == quarrel_checkers::Guarantee::None {
            continue;
        }
        let (style, sign) = match rung.validity {
            Validity::Valid => (ink.good, "yes"),
            Validity::Unknown => (ink.warn, " ? "),
            Validity::Invalid => (ink.bad, " no"),
        };
        let name = rung.guarantee.to_string();
        out(text, format_args!("  {style}{sign}{style:#} {name:<17} {}", rung.reason));
    }
    if verdict.truncated {
        let warn = ink.warn;
        out(
            text,
            format_args!(
                "{warn}note{warn:#}: the run was killed; its history is judged up to where it was saved"
            ),
        );
    }
}

fn extent(metrics: &Metrics) -> String {
    let risk = metrics.reads_at_risk;
    if metrics.stale_reads == 0 {
        let upper = metrics.stale_share_upper * 100.0;
        return format!("0 stale of {} reads at risk (< {upper:.2} % at 95 %)", thousands(risk));
    }
    format!(
        "{} stale of {} reads at risk; worst {}",
        thousands(metrics.stale_reads),
        thousands(risk),
        millis(metrics.worst_staleness)
    )
}

fn faults_seen(verdict: &VerdictFile) -> String {
    if verdict.fault_count.injected == 0 {
        return "no faults".to_owned();
    }
    let count = verdict.fault_count;
    format!("{} of {} faults observed", count.observed, count.injected)
}

/// A length of time in milliseconds, or seconds where that reads better.
fn millis(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1e3;
    if ms < 10.0 {
        format!("{ms:.1} ms")
    } else if ms < 10_000.0 {
        format!("{ms:.0} ms")
    } else {
        format!("{:.1} s", ms / 1e3)
    }
}

/// A number with its thousands apart: `2,210`.
fn thousands(number: u64) -> String {
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

fn out(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string never fails.
    let _ = writeln!(text, "{line}");
}
