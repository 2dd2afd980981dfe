mod print;

use std::{collections::BTreeSet, fmt::Display, num::NonZeroUsize, path::Path};

use crate::cli::output::println;
use clap::ValueEnum;
use quarrel_checkers::{
    Anomaly, Budget, Checker, Event, F, Guarantee, History, JudgeOptions, Judgement, Kind, Model,
    Validity, Value, Verdict,
    formats::{self, Format, ImportOptions, Imported},
    judge, models,
    register::{StreamError, check_json_lines},
    search::{Failures, Linearizable},
    transactions::{Expected, ListAppend, RwRegister},
};
use serde::Serialize;

use super::Failure;
use crate::{judge::Expectation, report::Ink, results::open_history};

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

/// What transactions are held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Isolation {
    /// Some order of the transactions explains every read
    Serializable,
    /// Some order that also keeps real time does
    StrictSerializable,
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
    pub(super) isolation: Isolation,
    pub(super) expected: Option<Expectation>,
    pub(super) output: Output,
}

/// What a checker says of a file.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Finding {
    /// Of a register: every guarantee, and how far it was missed.
    Judgement(Box<Judgement>),
    /// Of anything else.
    Verdict(Verdict),
}

impl Finding {
    fn anomalies(&self) -> &[Anomaly] {
        match self {
            Self::Judgement(judgement) => &judgement.anomalies,
            Self::Verdict(verdict) => &verdict.anomalies,
        }
    }
}

/// Judges a history that quarrel did not record.
pub(super) fn check(asked: &Asked<'_>) -> Result<u8, Failure> {
    let options = ImportOptions { format: asked.from.map(format), ..ImportOptions::default() };
    let fail =
        |error: &dyn Display| Failure::bad_input(format!("{}: {error}", asked.path.display()));
    let opened = open_history(asked.path);
    let (file, cut) = opened.map_err(|error| Failure::reading(asked.path, &error))?;
    let mut imported = formats::read(file, &options).map_err(|error| fail(&error))?;
    if cut.was_met() {
        imported.assumptions.push(ENDS_EARLY.to_owned());
    }
    let (model, why) = match asked.model {
        Some(model) => (model, "as asked"),
        None => (infer(&imported.history)?, "by its functions; --model overrides"),
    };
    if asked.expected.is_some() && !is_judged(&imported.history, model, asked.failures) {
        return Err(Failure::usage(
            "--expect holds reads, writes and compare-and-sets to a guarantee; other objects are \
             linearizable or not, and transactions take --isolation",
        ));
    }
    let finding = judge_as(&imported, model, asked);
    let expected = asked.expected.map_or(Guarantee::Linearizable, |expected| expected.guarantee);
    let validity = match &finding {
        Finding::Judgement(judgement) => judgement.validity(expected),
        Finding::Verdict(verdict) => verdict.validity,
    };
    match asked.output {
        Output::Json => print::json(&imported, model, validity, &finding)?,
        Output::Text => {
            print::read(&imported, asked.from);
            println!("model: {} ({why})", name(model));
            let events = imported.history.events.len();
            match &finding {
                Finding::Judgement(judgement) => print::judgement(judgement, expected, events),
                Finding::Verdict(verdict) => print::verdict(verdict, events),
            }
            print::anomalies(&imported, finding.anomalies());
        }
    }
    Ok(exit_code(validity))
}

const ENDS_EARLY: &str = "the compressed file ends early; it is judged as far as it goes";

const fn exit_code(validity: Validity) -> u8 {
    match validity {
        Validity::Valid => 0,
        Validity::Invalid => 1,
        Validity::Unknown => 2,
    }
}

/// Judges a file of reads and writes while it is read.
pub(super) fn stream(path: &Path) -> Result<u8, Failure> {
    let fail = |error: &dyn Display, advice: &str| {
        Failure::bad_input(format!("{}: {error}{advice}", path.display()))
    };
    let (file, cut) = open_history(path).map_err(|error| Failure::reading(path, &error))?;
    let streamed = check_json_lines(file).map_err(|error| match error {
        StreamError::Unsuitable { .. } => fail(&error, "; without --stream it can be judged"),
        _ => fail(&error, ""),
    })?;
    let ink = Ink::colours();
    let (good, bad) = (ink.good, ink.bad);
    if cut.was_met() {
        println!("assumed: {ENDS_EARLY}");
    }
    if let Some(lost) = &streamed.truncated {
        println!("assumed: the file ends in the middle of a line, which was left out: {lost}");
    }
    let operations = streamed.operations;
    Ok(match &streamed.conflict {
        None => {
            println!("{good}valid{good:#}: every key is linearizable; {operations} operations");
            0
        }
        Some((key, _)) => {
            println!("{bad}invalid{bad:#}: key {key} is not linearizable; {operations} operations");
            println!("  without --stream it is said why");
            1
        }
    })
}

fn name(model: ModelName) -> String {
    let shown = model.to_possible_value().expect("no model is hidden");
    shown.get_name().to_owned()
}

/// Whether a history is one of registers without answers that only a search
/// can use: a refused compare-and-set says what the value was not.
fn is_judged(history: &History, model: ModelName, failures: FailureMeaning) -> bool {
    let is_register = matches!(model, ModelName::Register | ModelName::CasRegister);
    let is_refusal =
        |event: &Event| event.kind == Kind::Fail && event.op.f == F::Cas && event.error.is_none();
    let has_refusals =
        || failures == FailureMeaning::Observed && history.events.iter().any(is_refusal);
    is_register && !has_refusals()
}

fn judge_as(imported: &Imported, model: ModelName, asked: &Asked<'_>) -> Finding {
    let history = &imported.history;
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    if is_judged(history, model, asked.failures) {
        let mut options = JudgeOptions::default();
        options.threads = threads;
        options.bound = asked.expected.and_then(|expected| expected.bound);
        return Finding::Judgement(Box::new(judge(history, &imported.probes, &options)));
    }
    Finding::Verdict(search(history, model, asked, threads))
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

fn search(
    history: &History,
    model: ModelName,
    asked: &Asked<'_>,
    threads: NonZeroUsize,
) -> Verdict {
    fn object<M: Model>(
        model: M,
        history: &History,
        failures: FailureMeaning,
        threads: NonZeroUsize,
    ) -> Verdict {
        let failures = match failures {
            FailureMeaning::Dropped => Failures::Dropped,
            FailureMeaning::Observed => Failures::Observed,
        };
        let checker = Linearizable::new(model).failures(failures).threads(threads);
        checker.check(history, Budget::default())
    }
    let failures = asked.failures;
    let expected = match asked.isolation {
        Isolation::Serializable => Expected::Serializable,
        Isolation::StrictSerializable => Expected::StrictSerializable,
    };
    match model {
        ModelName::Register => object(models::Register, history, failures, threads),
        ModelName::CasRegister => object(models::CasRegister, history, failures, threads),
        ModelName::Counter => object(models::Counter, history, failures, threads),
        ModelName::Set => object(models::Set, history, failures, threads),
        ModelName::Queue => object(models::Queue, history, failures, threads),
        ModelName::Map => object(models::Map, history, failures, threads),
        ModelName::Mutex => object(models::Mutex, history, failures, threads),
        ModelName::ListAppend => ListAppend::expecting(expected).check(history, Budget::default()),
        ModelName::RwRegister => RwRegister::expecting(expected).check(history, Budget::default()),
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
            let models: Vec<_> = ModelName::value_variants().iter().map(|m| name(*m)).collect();
            return Err(Failure::bad_input(format!(
                "no model is known for the functions {found}; if one of these fits, name it with \
                 --model: {}",
                models.join(", ")
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
