//! Files in which nothing is wrong, judged while they are read.

use quarrel_checkers::History;
use quarrel_checkers::{
    Guarantee, QuickJudgement, Stake,
    formats::{Format, Imported},
    judge_json_lines,
};
use quarrel_run::results::{STDIN, most_memory, open_history};

use super::{
    Asked, AtStake, Decided, Finding, From, KeysIn, ModelName, Output, RunOutcome, decide::options,
    print,
};
use crate::{Failure, output::println};

/// Judges a file of plain reads and writes and prints the same as after reading all
/// of it; none if it has to be read, which a pipe can be only once.
pub(super) fn check(asked: &Asked<'_>) -> Result<Option<u8>, Failure> {
    let is_of_lines = asked.from.is_none_or(|from| from == From::JsonLines);
    let is_of_registers = asked.model.is_none_or(ModelName::is_register);
    let is_plain = asked.initial.is_none() && asked.keys != KeysIn::Values;
    let is_file = asked.path.as_os_str() != STDIN && asked.path.is_file();
    if !(is_of_lines && is_of_registers && is_plain && is_file) {
        return Ok(None);
    }
    // What goes wrong here is told by those who read the whole.
    let Ok((file, cut)) = open_history(asked.path) else { return Ok(None) };
    let Some(quick) = judge_json_lines(file, &options(asked), Some(most_memory())) else {
        return Ok(None);
    };
    if cut.was_met() {
        return Ok(None);
    }
    tell(asked, quick).map(Some)
}

fn tell(asked: &Asked<'_>, quick: QuickJudgement) -> Result<u8, Failure> {
    let QuickJudgement { judgement, events, reads_at_risk, assumptions } = quick;
    let events = usize::try_from(events).unwrap_or(usize::MAX);
    // All but the events, of which nothing more is said.
    let imported = Imported {
        history: History::default(),
        probes: Vec::new(),
        format: Format::JsonLines,
        assumptions,
        is_in_real_time: true,
        key_names: Vec::new(),
        truncated: None,
    };
    let finding = Finding::Judgement(Box::new(judgement));
    let at_stake = AtStake::of(Stake::ReadsAtRisk, reads_at_risk);
    let decided = Decided { finding, at_stake, levels: Vec::new() };
    let expected = asked.expected.map_or(Guarantee::Linearizable, |expected| expected.guarantee);
    let outcome = decided.outcome(expected);
    let (model, why) = match asked.model {
        Some(model) => (model, "as asked"),
        None => (ModelName::Register, "by its functions; --model overrides"),
    };
    if asked.output == Output::Json {
        print::json(&imported, events, model, outcome, &decided)?;
        return Ok(outcome.exit_code());
    }
    print::read(&imported, asked.from);
    println!("model: {} ({why})", model.name());
    match (outcome, &decided.finding) {
        (RunOutcome::Vacuous, _) => print::vacuous(&decided.at_stake, events),
        (_, Finding::Judgement(judgement)) => print::judgement(judgement, expected, events),
        (_, Finding::Verdict(verdict)) => print::verdict(verdict, events),
    }
    Ok(outcome.exit_code())
}
