//! What the checkers say of a history.

use std::num::NonZeroUsize;

use quarrel_checkers::{
    Anomaly, Budget, Checker, Event, Evidence, F, Guarantee, History, JudgeOptions, Judgement,
    Kind, Model, RunOutcome, Stake, Validity, Value, Verdict,
    formats::Imported,
    judge, models,
    search::{Failures, Linearizable, Partition},
    transactions::{Examined, Expected, ListAppend, RwRegister},
};
use serde::Serialize;

use super::{Asked, FailureMeaning, ModelName, model::at_stake};

/// What a checker says of a file.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Finding {
    /// Of a register: every guarantee, and how far it was missed.
    Judgement(Box<Judgement>),
    /// Of anything else.
    Verdict(Verdict),
}

impl Finding {
    pub(super) fn anomalies(&self) -> &[Anomaly] {
        match self {
            Self::Judgement(judgement) => &judgement.anomalies,
            Self::Verdict(verdict) => &verdict.anomalies,
        }
    }

    pub(super) fn validity(&self, expected: Guarantee) -> Validity {
        match self {
            Self::Judgement(judgement) => judgement.validity(expected),
            Self::Verdict(verdict) => verdict.validity,
        }
    }
}

/// A finding, and what could have shown otherwise.
pub(super) struct Decided {
    pub(super) finding: Finding,
    pub(super) at_stake: AtStake,
    /// Of transactions: every level that the expected one implies.
    pub(super) levels: Vec<(Expected, Validity)>,
}

impl Decided {
    /// What it comes to.
    pub(super) fn outcome(&self, expected: Guarantee) -> RunOutcome {
        self.outcome_of(self.finding.validity(expected))
    }

    /// What it comes to where the history breaks off: it may break later on.
    pub(super) fn outcome_so_far(&self, expected: Guarantee) -> RunOutcome {
        self.outcome_of(match self.finding.validity(expected) {
            Validity::Valid => Validity::Unknown,
            validity => validity,
        })
    }

    fn outcome_of(&self, validity: Validity) -> RunOutcome {
        RunOutcome::of(validity, Evidence::counted(self.at_stake.of, self.at_stake.count))
    }
}

/// What could have been found wrong, counted.
#[derive(Clone, Copy)]
pub(super) struct AtStake {
    of: Stake,
    count: u64,
}

impl AtStake {
    pub(super) const fn of(of: Stake, count: u64) -> Self {
        Self { of, count }
    }

    /// What there was none of, in words.
    pub(super) const fn nothing(self) -> &'static str {
        match self.of {
            Stake::ReadsAtRisk => {
                "no read and no compare-and-set succeeded that began after a write of its key had \
                 been acknowledged"
            }
            Stake::Dependencies => "no transaction depends on what another one read or wrote",
            Stake::Operations | Stake::Executions | Stake::Claims => "no operation succeeded",
        }
    }
}

/// Whether a history is one of registers without answers that only a search
/// can use: a refused compare-and-set says what the value was not.
pub(super) fn is_judged(history: &History, model: ModelName, failures: FailureMeaning) -> bool {
    let is_refusal =
        |event: &Event| event.kind == Kind::Fail && event.op.f == F::Cas && event.error.is_none();
    let has_refusals =
        || failures == FailureMeaning::Observed && history.events.iter().any(is_refusal);
    model.is_register() && !has_refusals()
}

fn threads() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// How registers are judged.
pub(super) fn options(asked: &Asked<'_>) -> JudgeOptions {
    let mut options = JudgeOptions::default();
    options.threads = threads();
    options.bound = asked.expected.and_then(|expected| expected.bound);
    options
}

/// Judges it as a history of `model`.
pub(super) fn decide(imported: &Imported, model: ModelName, asked: &Asked<'_>) -> Decided {
    let history = &imported.history;
    let threads = threads();
    let at_stake = at_stake(history, model, asked.initial);
    if is_judged(history, model, asked.failures) {
        let judgement = judge(history, &imported.probes, &options(asked));
        let finding = Finding::Judgement(Box::new(judgement));
        return Decided { finding, at_stake, levels: Vec::new() };
    }
    let expected = asked.isolation;
    let examined = match model {
        ModelName::ListAppend => {
            ListAppend::expecting(expected).examine(history, Budget::default())
        }
        ModelName::RwRegister => {
            RwRegister::expecting(expected).examine(history, Budget::default())
        }
        _ => {
            let verdict = search(history, model, asked, threads);
            return Decided { finding: Finding::Verdict(verdict), at_stake, levels: Vec::new() };
        }
    };
    let Examined { verdict, levels, dependencies } = examined;
    let at_stake = AtStake::of(Stake::Dependencies, dependencies as u64);
    Decided { finding: Finding::Verdict(verdict), at_stake, levels }
}

fn search(
    history: &History,
    model: ModelName,
    asked: &Asked<'_>,
    threads: NonZeroUsize,
) -> Verdict {
    let object = Object { history, failures: asked.failures, threads, whole: Partition::ByKey };
    match model {
        ModelName::Register => object.check(models::Register),
        ModelName::CasRegister => object.check(models::CasRegister),
        ModelName::Counter => match asked.initial {
            Some(Value::Int(first)) => object.check(models::Starting::at(models::Counter, *first)),
            _ => object.check(models::Counter),
        },
        ModelName::Set => object.check(models::Set),
        ModelName::Queue => object.check(models::Queue),
        ModelName::Map => object.check(models::Map),
        ModelName::Mutex => object.check(models::Mutex),
        ModelName::MultiRegister | ModelName::ListAppend | ModelName::RwRegister => {
            Object { whole: Partition::Whole, ..object }.check(models::MultiRegister)
        }
    }
}

struct Object<'a> {
    history: &'a History,
    failures: FailureMeaning,
    threads: NonZeroUsize,
    whole: Partition,
}

impl Object<'_> {
    fn check<M: Model>(&self, model: M) -> Verdict {
        let failures = match self.failures {
            FailureMeaning::Dropped => Failures::Dropped,
            FailureMeaning::Observed => Failures::Observed,
        };
        let checker = Linearizable::new(model).failures(failures).partition(self.whole);
        checker.threads(self.threads).check(self.history, Budget::default())
    }
}
