//! What is said about a file.

use quarrel_checkers::{
    Anomaly, Guarantee, Judgement, Key, RunOutcome, Validity, Verdict, formats::Imported,
    transactions::Expected,
};
use quarrel_report::report::Ink;
use serde::Serialize;

use super::{AtStake, Decided, Finding, From, ModelName};
use crate::Failure;
use crate::output::println;

/// What was read, and what that took for granted.
pub(super) fn read(imported: &Imported, asked: Option<From>) {
    let recognised = if asked.is_none() { " (recognised; --from overrides)" } else { "" };
    println!("format: {}{recognised}", imported.format);
    // The first of them is the format itself.
    let others = imported.assumptions.iter().filter(|text| !text.starts_with("the file is "));
    for assumption in others {
        println!("assumed: {assumption}");
    }
    if let Some(lost) = &imported.truncated {
        println!("assumed: the file ends in the middle of a line, which was left out: {lost}");
    }
}

/// A verdict in a line.
pub(super) fn verdict(verdict: &Verdict, events: usize) {
    let ink = Ink::colours();
    let (good, warn, bad) = (ink.good, ink.warn, ink.bad);
    match verdict.validity {
        Validity::Valid => println!("{good}valid{good:#}: {events} events"),
        Validity::Unknown => {
            let why = verdict.undecided.as_deref().unwrap_or("no reason was given");
            println!("{warn}undecided{warn:#}: {why}");
        }
        Validity::Invalid => println!("{bad}invalid{bad:#}: {events} events"),
    }
}

/// That nothing could have gone wrong.
pub(super) fn vacuous(at_stake: &AtStake, events: usize) {
    let warn = Ink::colours().warn;
    println!(
        "{warn}vacuous{warn:#}: nothing was at stake: {}; {events} events",
        at_stake.nothing()
    );
}

/// That nothing is wrong as far as it goes.
pub(super) fn ends_early(events: usize) {
    let warn = Ink::colours().warn;
    println!(
        "{warn}undecided{warn:#}: the history breaks off, and what came then may be wrong; up to there, \
         {events} events, nothing is"
    );
}

/// The levels of isolation, strongest first: what a level comes to alone, and if
/// sessions and real time count, too.
pub(super) fn levels(levels: &[(Expected, Validity)]) {
    let ink = Ink::colours();
    let (good, warn, bad) = (ink.good, ink.warn, ink.bad);
    let said = |validity: Validity, text: &str| match validity {
        Validity::Valid => format!("{good}{text}yes{good:#}"),
        Validity::Unknown => format!("{warn}{text}unknown{warn:#}"),
        Validity::Invalid => format!("{bad}{text}no{bad:#}"),
    };
    let of = |name: &str| {
        let parsed = name.parse::<Expected>().ok()?;
        levels.iter().find(|(level, _)| *level == parsed).map(|(_, validity)| *validity)
    };
    for (level, validity) in levels.iter().rev() {
        let name = level.to_string();
        if name.starts_with("strong-") || name.starts_with("strict-") {
            continue;
        }
        let beside = [
            (of(&format!("strong-session-{name}")), ", in sessions "),
            (of(&format!("strong-{name}")), ", in real time "),
        ];
        let beside = beside.into_iter().filter_map(|(validity, text)| Some(said(validity?, text)));
        let beside: String = beside.collect();
        println!("  {name:<27} {}{beside}", said(*validity, ""));
    }
}

/// Whether what was expected held, and what else did.
pub(super) fn judgement(judgement: &Judgement, expected: Guarantee, events: usize) {
    let ink = Ink::colours();
    let (good, warn, bad) = (ink.good, ink.warn, ink.bad);
    let said = |validity, text: &str| match validity {
        Validity::Valid => format!("{good}{text}{good:#}"),
        Validity::Unknown => format!("{warn}{text}{warn:#}"),
        Validity::Invalid => format!("{bad}{text}{bad:#}"),
    };
    let rung = judgement.rung(expected);
    let word = match rung.validity {
        Validity::Valid => "valid",
        Validity::Unknown => "undecided",
        Validity::Invalid => "invalid",
    };
    println!("{}: {events} events; {expected}: {}", said(rung.validity, word), rung.reason);
    for rung in judgement.ladder.iter().filter(|rung| rung.guarantee != Guarantee::None) {
        let answer = match rung.validity {
            Validity::Valid => "yes",
            Validity::Unknown => "unknown",
            Validity::Invalid => "no",
        };
        let guarantee = rung.guarantee.to_string();
        println!(
            "  {guarantee:<17} {} {}",
            said(rung.validity, &format!("{answer:<8}")),
            rung.reason
        );
    }
    let mut lead = "judged";
    for part in judgement.metrics.order().iter().flat_map(|order| order.split("; ")) {
        println!("  {lead:<6} {part}");
        lead = "";
    }
}

/// More anomalies are only counted, and of more events the first are named.
const SHOWN: usize = 5;
const SHOWN_EVENTS: usize = 20;

/// The worst of them, each with its reason.
pub(super) fn anomalies(imported: &Imported, anomalies: &[Anomaly]) {
    for anomaly in anomalies.iter().take(SHOWN) {
        println!("  {}: {}", anomaly.class, anomaly.explanation);
        let named = |key: Key| Some((key, imported.key_names.get(usize::try_from(key.0).ok()?)?));
        if let Some((key, name)) = anomaly.key.and_then(named) {
            println!("    key {key} stands for {name}");
        }
        let events = anomaly.witness.iter().take(SHOWN_EVENTS).map(|index| index.0.to_string());
        let events: Vec<_> = events.collect();
        let more = anomaly.witness.len().saturating_sub(SHOWN_EVENTS);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        println!("    events {}{more}", events.join(", "));
    }
    if anomalies.len() > SHOWN {
        println!("  and {} more; --format json has them", anomalies.len() - SHOWN);
    }
}

/// All of it, for programs.
pub(super) fn json(
    imported: &Imported,
    events: usize,
    model: ModelName,
    outcome: RunOutcome,
    decided: &Decided,
) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Said<'a> {
        format: String,
        assumptions: &'a [String],
        truncated: Option<String>,
        model: String,
        events: usize,
        #[serde(flatten)]
        outcome: RunOutcome,
        validity: Validity,
        /// Why a valid history proves nothing, if it does not.
        #[serde(skip_serializing_if = "Option::is_none")]
        vacuous: Option<&'a str>,
        /// Of transactions, weakest first.
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        levels: &'a [(Expected, Validity)],
        #[serde(flatten)]
        finding: &'a Finding,
    }
    // What proves nothing is no pass.
    let validity = match outcome {
        RunOutcome::Held(_) => Validity::Valid,
        RunOutcome::Violated => Validity::Invalid,
        RunOutcome::Vacuous | RunOutcome::Undecided | RunOutcome::Environment => Validity::Unknown,
    };
    let vacuous = (outcome == RunOutcome::Vacuous).then(|| decided.at_stake.nothing());
    let said = Said {
        format: imported.format.to_string(),
        assumptions: &imported.assumptions,
        truncated: imported.truncated.as_ref().map(ToString::to_string),
        model: model.name(),
        events,
        outcome,
        validity,
        vacuous,
        levels: &decided.levels,
        finding: &decided.finding,
    };
    println!("{}", serde_json::to_string_pretty(&said).map_err(Failure::bug)?);
    Ok(())
}
