mod decide;
mod initial;
mod model;
mod print;
mod quick;

use std::{fmt::Display, path::Path};

use clap::ValueEnum;
use decide::{AtStake, Decided, Finding, decide, is_judged};
use quarrel_checkers::{
    Evidence, Guarantee, RunOutcome, Stake, Validity, Value,
    formats::{self, Format, ImportOptions, Imported, Keys, ReadError},
    register::{StreamError, check_json_lines_within},
    transactions::Expected,
};
use quarrel_report::report::Ink;
use quarrel_run::{
    judge::Expectation,
    results::{Cut, most_memory, open_history, too_much_memory},
};

use super::Failure;
use crate::output::println;
pub(super) use model::ModelName;

/// The formats that histories are read in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum From {
    /// One JSON object a line, plain or compressed with zstd: quarrel's own
    JsonLines,
    /// One JSON array of objects
    Json,
    /// Jepsen's history.edn
    Edn,
    /// The log of a Jepsen run
    JepsenLog,
    /// Jepsen's history.txt: columns of process, type, function, value, error
    Text,
    /// Comma-separated values under a line of names
    Csv,
    /// Transactions by session: w(key,value,session,transaction), as of Plume and PolySI
    Plume,
    /// Transactions by session: `w key value`, lines of - and = between, as of AWDIT
    Awdit,
    /// Transactions by session in JSON, as of dbcop
    Dbcop,
}

/// Whether values are pairs of a key and a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum KeysIn {
    /// If all of them could be: `jepsen.independent` writes keys so
    Infer,
    /// They are
    Values,
    /// They are not: a pair is a value like any other
    None,
}

/// What a failed operation means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FailureMeaning {
    /// It had no effect, and nothing is known of why
    Dropped,
    /// Of a compare-and-set that the object said no: it found another value. Anything else had no
    /// effect
    Observed,
}

/// How to say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    Text,
    Json,
}

/// What is asked of a file.
pub(super) struct Asked<'a> {
    pub(super) path: &'a Path,
    pub(super) from: Option<From>,
    pub(super) model: Option<ModelName>,
    pub(super) failures: FailureMeaning,
    pub(super) keys: KeysIn,
    pub(super) initial: Option<&'a Value>,
    pub(super) isolation: Expected,
    pub(super) expected: Option<Expectation>,
    pub(super) output: Output,
}

/// Reads a history that quarrel did not record, and says whether its file ends
/// early.
pub(super) fn read(
    path: &Path,
    from: Option<From>,
    keys: KeysIn,
) -> Result<(Imported, Cut), Failure> {
    let keys = match keys {
        KeysIn::Infer => Keys::Infer,
        KeysIn::Values => Keys::InValues,
        KeysIn::None => Keys::None,
    };
    let most_memory = Some(most_memory());
    let options = ImportOptions { format: from.map(format), keys, most_memory };
    let (file, cut) = open_history(path).map_err(|error| Failure::reading(path, &error))?;
    let imported = formats::read(file, &options).map_err(|error| match error {
        ReadError::Io(error) => Failure::reading(path, &error),
        ReadError::Import(error) => not_understood(path, &error),
        ReadError::Memory { line } => out_of_memory(path, line),
    })?;
    Ok((imported, cut))
}

/// Judges a history that quarrel did not record.
pub(super) fn check(asked: &Asked<'_>) -> Result<u8, Failure> {
    if let Some(code) = quick::check(asked)? {
        return Ok(code);
    }
    let (mut imported, cut) = read(asked.path, asked.from, asked.keys)?;
    if !imported.is_in_real_time && asked.isolation.is_in_real_time() {
        return Err(Failure::usage(format!(
            "{}: {} tells no real time between sessions, which --isolation {} is about",
            asked.path.display(),
            imported.format,
            asked.isolation
        )));
    }
    if cut.was_met() {
        imported.assumptions.push(ENDS_EARLY.to_owned());
    }
    let (model, why) = match asked.model {
        Some(model) => (model, "as asked"),
        None => (model::infer(&imported.history)?, "by its functions; --model overrides"),
    };
    if asked.expected.is_some() && !is_judged(&imported.history, model, asked.failures) {
        return Err(Failure::usage(
            "--expect holds reads, writes and compare-and-sets to a guarantee; other objects are \
             linearizable or not, and transactions take --isolation",
        ));
    }
    if let Some(value) = asked.initial {
        let said = initial::place(&mut imported.history, model, value)?;
        imported.assumptions.extend(said);
    }
    imported.assumptions.extend(model::left_out(&imported.history, model));
    let decided = decide(&imported, model, asked);
    let expected = asked.expected.map_or(Guarantee::Linearizable, |expected| expected.guarantee);
    let ends_early = cut.was_met() || imported.truncated.is_some();
    let outcome =
        if ends_early { decided.outcome_so_far(expected) } else { decided.outcome(expected) };
    match asked.output {
        Output::Json => {
            let events = imported.history.events.len();
            print::json(&imported, events, model, outcome, &decided)?;
        }
        Output::Text => {
            print::read(&imported, asked.from);
            println!("model: {} ({why})", model.name());
            let events = imported.history.events.len();
            match (outcome, &decided.finding) {
                (RunOutcome::Vacuous, _) => print::vacuous(&decided.at_stake, events),
                (RunOutcome::Undecided, finding)
                    if finding.validity(expected) == Validity::Valid =>
                {
                    print::ends_early(events);
                }
                (_, Finding::Judgement(judgement)) => print::judgement(judgement, expected, events),
                (_, Finding::Verdict(verdict)) => print::verdict(verdict, events),
            }
            print::levels(&decided.levels);
            print::anomalies(&imported, decided.finding.anomalies());
        }
    }
    Ok(outcome.exit_code())
}

/// A file that is no history, and what would be one.
fn not_understood(path: &Path, error: &impl Display) -> Failure {
    Failure::bad_input(format!(
        "{}: {error}\n  `quarrel explain history` shows what a history looks like; --from names a \
         format that is not recognised",
        path.display()
    ))
}

fn out_of_memory(path: &Path, line: usize) -> Failure {
    Failure::bad_input(format!("{}: {}", path.display(), too_much_memory(line)))
}

const ENDS_EARLY: &str = "the compressed file ends early; it is judged as far as it goes";

/// Judges a file of reads and writes while it is read.
pub(super) fn stream(path: &Path) -> Result<u8, Failure> {
    let fail = |error: &dyn Display, advice: &str| {
        Failure::bad_input(format!("{}: {error}{advice}", path.display()))
    };
    let (file, cut) = open_history(path).map_err(|error| Failure::reading(path, &error))?;
    let streamed = check_json_lines_within(file, most_memory()).map_err(|error| match error {
        StreamError::Unsuitable { .. } => fail(&error, "; without --stream it can be judged"),
        StreamError::Io(error) => Failure::reading(path, &error),
        StreamError::Import(error) => not_understood(path, &error),
        StreamError::Memory { line } => out_of_memory(path, line),
    })?;
    if streamed.events == 0 {
        return Err(not_understood(path, &"line 1, column 1: expected a history, found nothing"));
    }
    let ink = Ink::colours();
    let (good, bad) = (ink.good, ink.bad);
    if cut.was_met() {
        println!("assumed: {ENDS_EARLY}");
    }
    if let Some(lost) = &streamed.truncated {
        println!("assumed: the file ends in the middle of a line, which was left out: {lost}");
    }
    let operations = streamed.operations;
    let validity = match &streamed.conflict {
        Some(_) => Validity::Invalid,
        None if cut.was_met() || streamed.truncated.is_some() => Validity::Unknown,
        None => Validity::Valid,
    };
    let events = usize::try_from(streamed.events).unwrap_or(usize::MAX);
    let evidence = Evidence::counted(Stake::ReadsAtRisk, streamed.reads_at_risk);
    let outcome = RunOutcome::of(validity, evidence);
    match (outcome, &streamed.conflict) {
        (RunOutcome::Held(_), _) => {
            println!("{good}valid{good:#}: every key is linearizable; {operations} operations");
        }
        (_, Some((key, _))) => {
            println!("{bad}invalid{bad:#}: key {key} is not linearizable; {operations} operations");
            println!("  without --stream it is said why");
        }
        (RunOutcome::Undecided, None) => print::ends_early(events),
        _ => print::vacuous(&AtStake::of(Stake::ReadsAtRisk, 0), events),
    }
    Ok(outcome.exit_code())
}

const fn format(from: From) -> Format {
    match from {
        From::JsonLines => Format::JsonLines,
        From::Json => Format::Json,
        From::Edn => Format::Edn,
        From::JepsenLog => Format::JepsenLog,
        From::Text => Format::Text,
        From::Csv => Format::Csv,
        From::Plume => Format::Plume,
        From::Awdit => Format::Awdit,
        From::Dbcop => Format::Dbcop,
    }
}
