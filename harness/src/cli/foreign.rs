use std::{collections::BTreeSet, fs::File, io::BufReader, path::Path};

use super::output::println;
use clap::ValueEnum;
use quarrel_checkers::{
    Budget, Checker, History, Validity, Value, Verdict,
    formats::{self, Format, ImportOptions},
    models,
    search::{Failures, Linearizable},
    transactions::{ListAppend, RwRegister},
};

use super::Failure;
use crate::report::Ink;

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
}

/// What the history is a history of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ModelName {
    /// Reads and writes
    Register,
    /// Reads, writes and compare-and-set
    CasRegister,
    /// Adds and reads of a sum
    Counter,
    /// Adds and reads of all members
    Set,
    /// Enqueues and dequeues
    Queue,
    /// Gets, puts and appends of text by key
    Map,
    /// Acquires and releases
    Mutex,
    /// Transactions that append to lists and read them
    ListAppend,
    /// Transactions that write registers and read them
    RwRegister,
}

/// What a failed operation means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FailureMeaning {
    /// It had no effect, and nothing is known of why
    Dropped,
    /// The object said no: a failed compare-and-set found another value
    Observed,
}

/// Judges a history that quarrel did not record.
pub(super) fn check(
    path: &Path,
    from: Option<From>,
    model: Option<ModelName>,
    failures: FailureMeaning,
) -> Result<u8, Failure> {
    let name = path.display();
    let options = ImportOptions { format: from.map(format), ..ImportOptions::default() };
    let file = File::open(path).map_err(|e| Failure::usage(format!("{name}: {e}")))?;
    let imported = if path.extension().is_some_and(|ending| ending == "zst") {
        let stream =
            zstd::stream::Decoder::new(file).map_err(|e| Failure::usage(format!("{name}: {e}")))?;
        formats::read(BufReader::new(stream), &options)
    } else {
        formats::read(BufReader::new(file), &options)
    }
    .map_err(|e| Failure::usage(format!("{name}: {e}")))?;

    println!("format: {}{}", imported.format, if from.is_none() { " (recognised)" } else { "" });
    for assumption in &imported.assumptions {
        println!("assumed: {assumption}");
    }
    if let Some(lost) = &imported.truncated {
        println!("assumed: the file ends in the middle of a line, which was left out: {lost}");
    }
    let (model, why) = match model {
        Some(model) => (model, "as asked"),
        None => (infer(&imported.history)?, "by its functions; --model overrides"),
    };
    let shown = model.to_possible_value().expect("no model is hidden");
    println!("model: {} ({why})", shown.get_name());
    let verdict = judge(&imported.history, model, failures);
    print(&verdict, imported.history.events.len());
    Ok(match verdict.validity {
        Validity::Valid => 0,
        Validity::Invalid => 1,
        Validity::Unknown => 2,
    })
}

const fn format(from: From) -> Format {
    match from {
        From::JsonLines => Format::JsonLines,
        From::Json => Format::Json,
        From::Edn => Format::Edn,
        From::JepsenLog => Format::JepsenLog,
        From::Text => Format::Text,
    }
}

fn judge(history: &History, model: ModelName, failures: FailureMeaning) -> Verdict {
    let failures = match failures {
        FailureMeaning::Dropped => Failures::Dropped,
        FailureMeaning::Observed => Failures::Observed,
    };
    let budget = Budget::default();
    match model {
        ModelName::Register => {
            Linearizable::new(models::Register).failures(failures).check(history, budget)
        }
        ModelName::CasRegister => {
            Linearizable::new(models::CasRegister).failures(failures).check(history, budget)
        }
        ModelName::Counter => {
            Linearizable::new(models::Counter).failures(failures).check(history, budget)
        }
        ModelName::Set => Linearizable::new(models::Set).failures(failures).check(history, budget),
        ModelName::Queue => {
            Linearizable::new(models::Queue).failures(failures).check(history, budget)
        }
        ModelName::Map => Linearizable::new(models::Map).failures(failures).check(history, budget),
        ModelName::Mutex => {
            Linearizable::new(models::Mutex).failures(failures).check(history, budget)
        }
        ModelName::ListAppend => ListAppend.check(history, budget),
        ModelName::RwRegister => RwRegister.check(history, budget),
    }
}

/// The model whose functions the history has.
fn infer(history: &History) -> Result<ModelName, Failure> {
    let functions: BTreeSet<&str> =
        history.events.iter().map(|event| event.op.f.as_str()).collect();
    let has = |name: &str| functions.contains(name);
    let appends = || history.events.iter().any(|event| mentions(&event.op.value, "append"));
    Ok(match () {
        () if has("txn") && appends() => ModelName::ListAppend,
        () if has("txn") => ModelName::RwRegister,
        () if has("cas") => ModelName::CasRegister,
        () if has("put") || has("get") || has("append") => ModelName::Map,
        () if has("enqueue") || has("dequeue") => ModelName::Queue,
        () if has("acquire") || has("release") => ModelName::Mutex,
        () if has("add") && reads_a_collection(history) => ModelName::Set,
        () if has("add") || has("inc") => ModelName::Counter,
        () if has("write") => ModelName::Register,
        () => {
            let found: Vec<_> = functions.into_iter().collect();
            let found = found.join(", ");
            return Err(Failure::usage(format!(
                "no model is known for the functions {found}; name one with --model"
            )));
        }
    })
}

fn reads_a_collection(history: &History) -> bool {
    history
        .events
        .iter()
        .any(|event| event.op.f.as_str() == "read" && matches!(event.op.value, Value::List(_)))
}

/// Whether a word stands anywhere in a transaction, as a name or a keyword.
fn mentions(value: &Value, word: &str) -> bool {
    match value {
        Value::Text(text) => text.trim_start_matches(':') == word,
        Value::List(items) => items.iter().any(|item| mentions(item, word)),
        _ => false,
    }
}

fn print(verdict: &Verdict, events: usize) {
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
    for anomaly in &verdict.anomalies {
        println!("  {}: {}", anomaly.class, anomaly.explanation);
        let events: Vec<_> = anomaly.witness.iter().map(|index| index.0.to_string()).collect();
        println!("    events {}", events.join(", "));
    }
}
