use std::collections::BTreeMap;

use anstyle::Style;
use quarrel_checkers::{Anomaly, Validity};
use quarrel_run::{
    judge::{CauseEvidence, is_heard_whole},
    results::{LoadedRun, RunOutcome, VerdictFile},
};

use super::{
    Ink, Width, extent, faults_seen, headline,
    headline::{cause_told, healed, why},
    outcome::{checked_note, counted, is_unasked, open_rungs, reach},
    phases::by_phase,
    printable,
    sheet::Sheet,
    verdict_line,
};
use crate::report::{Timeline, again::again, command_line};

/// What a run says.
#[must_use]
pub fn summary(run: &LoadedRun, verdict: &VerdictFile, ink: Ink, width: Width) -> String {
    let mut sheet = Sheet::new(width, ink);
    match (verdict.outcome, verdict.anomalies.first()) {
        (RunOutcome::Violated, Some(anomaly)) => violation(&mut sheet, run, verdict, anomaly),
        _ => plainly(&mut sheet, run, verdict),
    }
    by_phase(&mut sheet, &verdict.metrics.phases);
    ladder(&mut sheet, verdict);
    if let Some(note) = checked_note(verdict) {
        sheet.item((ink.warn, "note: "), (Style::new(), note), 6);
    }
    sheet.text
}

fn violation(sheet: &mut Sheet, run: &LoadedRun, verdict: &VerdictFile, anomaly: &Anomaly) {
    let ink = sheet.ink;
    let evidence = CauseEvidence::new(&run.history);
    let cause = anomaly.cause.map_or_else(|| "unexplained".to_owned(), |cause| cause.to_string());
    let said = headline(evidence.as_ref(), anomaly);
    let lead = format!("error[{}/{cause}]: ", anomaly.class);
    sheet.item((ink.bad, &lead), (ink.strong, &said), 2);
    sheet.item((ink.mark, "  --> "), (Style::new(), &place(run, verdict)), 6);
    let mut healing = None;
    if let Some(evidence) = &evidence {
        let timeline = Timeline::of(evidence, anomaly);
        for line in timeline.lines(sheet.width.beside(2)) {
            sheet.line(&format!("  {line}"));
        }
        let reason = why(evidence, &timeline.names, anomaly);
        // The checker's sentence is not said twice.
        if reason != said {
            sheet.item((ink.mark, "  = why: "), (Style::new(), &reason), 4);
        }
        healing = healed(evidence, anomaly, timeline.origin);
    }
    let told = cause_told(evidence.as_ref(), verdict, anomaly).unwrap_or_default();
    let words = cause.replacen("-refill", " refill", 1);
    sheet.item((ink.mark, "  = cause: "), (Style::new(), &format!("{words}: {told}")), 4);
    let mut reach = reach(verdict, anomaly.class);
    if let Some(healing) = healing {
        reach += &format!("; {healing}");
    }
    sheet.item((ink.mark, "  = extent: "), (Style::new(), &reach), 4);
    sheet.item((ink.mark, "  = faults: "), (Style::new(), &faults_seen(verdict)), 4);
    if evidence.is_some_and(|evidence| evidence.is_retold(anomaly)) {
        let replay = command_line(["quarrel", "replay", &format!("{}:1", run.folder.called())]);
        sheet.item((ink.mark, "  = reproduce: "), (Style::new(), &replay), 4);
    } else {
        // No race can be cut out of it; the same run may show it again.
        sheet.item((ink.mark, "  = run again: "), (Style::new(), &again(run)), 4);
    }
    let more = format!(
        "quarrel explain {}, {}",
        anomaly.cause.map_or_else(|| anomaly.class.to_string(), |cause| cause.to_string()),
        command_line(["quarrel", "report", &run.folder.called()])
    );
    sheet.item((ink.mark, "  = more: "), (Style::new(), &more), 4);
}

/// What ran, where, under which faults.
fn place(run: &LoadedRun, verdict: &VerdictFile) -> String {
    let faults = match verdict.faults.as_slice() {
        [] => "no fault".to_owned(),
        faults => format!("fault {}", faults.join(" ")),
    };
    let simulated = if verdict.simulated { " (simulated)" } else { "" };
    let source = match run.settings.source.as_str() {
        "" => String::new(),
        source => format!(" ({source})"),
    };
    let kind = if run.settings.app.is_some() { "application" } else { "strategy" };
    format!(
        "{kind} {}{source}, {faults}, cluster {}{simulated}, seed {}",
        verdict.strategy, verdict.cluster, verdict.seed
    )
}

fn plainly(sheet: &mut Sheet, run: &LoadedRun, verdict: &VerdictFile) {
    let ink = sheet.ink;
    let (style, word) = match verdict.outcome {
        RunOutcome::Held(_) => (ink.good, "ok: "),
        RunOutcome::Vacuous => (ink.warn, "vacuous: "),
        RunOutcome::Undecided => (ink.warn, "undecided: "),
        RunOutcome::Environment => (ink.bad, "environment: "),
        RunOutcome::Violated => (ink.bad, "error: "),
    };
    sheet.item((style, word), (Style::new(), &verdict_line(verdict)), 2);
    sheet.item((ink.mark, "  --> "), (Style::new(), &place(run, verdict)), 6);
    if verdict.outcome == RunOutcome::Undecided {
        let open: Vec<_> =
            open_rungs(verdict).map(|rung| format!("`{}`", rung.guarantee)).collect();
        let advice = match open.as_slice() {
            [] if verdict.truncated => {
                format!("what was saved shows nothing wrong; to its end: {}", again(run))
            }
            [] if !is_heard_whole(&run.history) => {
                format!("what was heard shows nothing wrong; once more: {}", again(run))
            }
            [] => "what the workload asks for could not be checked".to_owned(),
            open => format!("{} could not be checked; see `?` below", open.join(", ")),
        };
        sheet.item((ink.mark, "  = help: "), (Style::new(), &advice), 4);
    }
    if verdict.outcome == RunOutcome::Vacuous {
        let seen = format!("{}; {}", extent(&verdict.metrics), faults_seen(verdict));
        sheet.item((ink.mark, "  = extent: "), (Style::new(), &seen), 4);
        sheet.item((ink.mark, "  = help: "), (Style::new(), &advice(run, verdict)), 4);
    }
}

/// What would show something where nothing was shown.
fn advice(run: &LoadedRun, verdict: &VerdictFile) -> String {
    if verdict.metrics.reads > 0 {
        return "no violation, but too little evidence: try a longer --time or a higher --rate"
            .to_owned();
    }
    let mut errors: BTreeMap<String, u64> = BTreeMap::new();
    let failed = run.history.events().filter_map(|event| event.error);
    failed.for_each(|error| *errors.entry(error).or_default() += 1);
    match errors.into_iter().max_by_key(|(_, count)| *count) {
        Some((error, count)) => format!(
            "no operation can be judged until this is mended, which ended {}: {}",
            counted(count, "operation"),
            printable(&error)
        ),
        None => "no client read anything: is --reads above 0, and --time long enough?".to_owned(),
    }
}

fn ladder(sheet: &mut Sheet, verdict: &VerdictFile) {
    let ink = sheet.ink;
    sheet.line("");
    let heading = match verdict.outcome {
        RunOutcome::Vacuous => {
            "guarantees (not contradicted, but next to nothing was seen):".to_owned()
        }
        _ => format!("guarantees (strongest that held: {}):", verdict.strongest),
    };
    sheet.item((Style::new(), ""), (Style::new(), &heading), 2);
    for rung in &verdict.ladder {
        if rung.guarantee == quarrel_checkers::Guarantee::None {
            continue;
        }
        let (style, sign) = match rung.validity {
            // Where nothing was at stake nothing was shown to hold.
            Validity::Valid if verdict.outcome == RunOutcome::Vacuous => (ink.mark, "  -"),
            Validity::Valid => (ink.good, "yes"),
            Validity::Unknown if is_unasked(verdict, rung) => (ink.mark, "  -"),
            Validity::Unknown => (ink.warn, "  ?"),
            Validity::Invalid => (ink.bad, " no"),
        };
        let lead = format!("  {sign} {:<17} ", rung.guarantee.to_string());
        sheet.item((style, &lead), (Style::new(), &rung.reason), 24);
    }
    let mut lead = "      judged ";
    for part in verdict.metrics.order().iter().flat_map(|order| order.split("; ")) {
        sheet.item((Style::new(), lead), (Style::new(), part), 13);
        lead = "             ";
    }
}
