//! What is recorded of a run, thing by thing, without what is an application's.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashSet},
};

use jiff::Timestamp;
use quarrel_checkers::{
    CompactHistory, Content, Event, F, Kind, Object, Op, Probe, Reply, Step, Value,
};
use quarrel_strategy::record::{Commit, EnvironmentFailure, Record};

use super::{
    super::{Environment, RunSettings},
    DIGITS, Redactor,
};
use crate::faults::{Fault, Receipt, Schedule};

/// What a redacted run says of itself, in the file [`Veil::FILE`].
const NOTE: &str = "What an application's rows, statements, headers and messages hold was replaced \
                    by tokens (redacted-1, redacted-2, ...); the same text has the same token.\n";

/// Shows what is recorded of one run. What was equal is equal behind it.
#[derive(Debug, Default)]
pub(crate) struct Veil {
    redactor: Redactor,
    /// What clients wrote: quarrel chose it.
    own: HashSet<Value>,
    is_of_app: bool,
}

/// Each of these names every field, so that none that is new is forgotten.
impl Veil {
    /// The file that says that a run is redacted.
    pub(crate) const FILE: &str = "REDACTED";

    /// For a run of an application, or of a strategy, as its settings say.
    pub(crate) fn of(settings: &RunSettings) -> Self {
        Self { is_of_app: settings.app.is_some(), ..Self::default() }
    }

    /// What a redacted run says of itself.
    pub(crate) const fn note() -> &'static str {
        NOTE
    }

    /// Learns what clients write of a whole history.
    pub(super) fn learn(&mut self, history: &CompactHistory) {
        history.events().for_each(|event| self.hear(&event));
    }

    /// Learns what a client writes, which is recorded before anybody can read it.
    fn hear(&mut self, event: &Event) {
        if event.kind == Kind::Invoke {
            self.adopt(&event.op.value);
        }
    }

    fn adopt(&mut self, value: &Value) {
        match value {
            Value::List(items) => items.iter().for_each(|item| self.adopt(item)),
            // What had a token when nobody had written it yet keeps it.
            one if !self.redactor.has_token(one) => drop(self.own.insert(one.clone())),
            _ => {}
        }
    }

    /// What is recorded next.
    pub(crate) fn record(&mut self, record: &Record) -> Record {
        match record {
            Record::Event(event) => {
                self.hear(event);
                Record::Event(self.event(event))
            }
            Record::Step(step) => Record::Step(self.step(step)),
        }
    }

    pub(crate) fn text(&mut self, text: &str) -> String {
        self.redactor.text(text)
    }

    pub(crate) fn failure(&mut self, failure: &EnvironmentFailure) -> EnvironmentFailure {
        let EnvironmentFailure { at, what, spoils } = failure;
        EnvironmentFailure { at: *at, what: self.text(what), spoils: *spoils }
    }

    pub(crate) fn settings(&mut self, settings: &RunSettings) -> RunSettings {
        let RunSettings {
            schema,
            began,
            strategy,
            source,
            app,
            invalidation,
            cluster,
            expect,
            seed,
            workload,
            clients,
            keys,
            skew,
            reads,
            arrivals,
            rate,
            time_ms,
            settle_ms,
            timeout_ms,
            faults,
            options,
            given,
            pauses,
            schedule,
        } = settings;
        let began = match began.parse::<Timestamp>() {
            Ok(time) => time.to_string(),
            Err(_) => self.redactor.text(began),
        };
        let schedule = match schedule.parse::<Schedule>() {
            Ok(schedule) => schedule.to_string(),
            Err(_) => self.redactor.text(schedule),
        };
        RunSettings {
            schema: *schema,
            began,
            strategy: strategy.clone(),
            // Of a strategy it is the place in its crate.
            source: if app.is_some() { self.redactor.text(source) } else { source.clone() },
            app: app.as_deref().map(|app| self.redactor.text(app)),
            invalidation: *invalidation,
            cluster: cluster.clone(),
            expect: expect.clone(),
            seed: *seed,
            workload: workload.clone(),
            clients: *clients,
            keys: *keys,
            skew: *skew,
            reads: *reads,
            arrivals: self.redactor.text(arrivals),
            rate: *rate,
            time_ms: *time_ms,
            settle_ms: *settle_ms,
            timeout_ms: *timeout_ms,
            faults: faults.iter().map(|fault| self.fault(fault)).collect(),
            options: self.texts(options),
            given: given.as_ref().map(|given| self.texts(given)),
            pauses: self.redactor.text(pauses),
            schedule,
        }
    }

    fn texts(&mut self, texts: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let shown = |(name, value): (&String, &String)| (name.clone(), self.redactor.text(value));
        texts.iter().map(shown).collect()
    }

    fn fault(&mut self, fault: &str) -> String {
        match Fault::parse(fault) {
            Ok(fault) => fault.to_string(),
            Err(_) => self.redactor.text(fault),
        }
    }

    pub(crate) fn receipt(&mut self, receipt: &Receipt) -> Receipt {
        let Receipt { fault, injected, observed, evidence, healed, recovered, errors } = receipt;
        Receipt {
            fault: self.fault(fault),
            injected: *injected,
            observed: *observed,
            evidence: evidence.as_deref().map(|text| self.redactor.text(text)),
            healed: *healed,
            recovered: *recovered,
            errors: errors.iter().map(|text| self.redactor.text(text)).collect(),
        }
    }

    pub(crate) fn probe(&mut self, probe: &Probe) -> Probe {
        let value = self.value(&probe.value);
        let Probe { start, end, site, key, value: _, version, phase } = *probe;
        Probe { start, end, site, key, value, version, phase }
    }

    pub(crate) fn commit(&mut self, commit: &Commit) -> Commit {
        let Commit { key, value, version } = commit;
        Commit { key: *key, value: self.value(value), version: *version }
    }

    pub(crate) fn environment(&mut self, environment: Environment) -> Environment {
        let Environment { commit, clock_zero, pieces } = environment;
        let is_commit = |text: &String| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        Environment { commit: commit.filter(is_commit), clock_zero, pieces: self.texts(&pieces) }
    }

    fn value(&mut self, value: &Value) -> Value {
        self.redactor.value(value, &self.own)
    }

    pub(super) fn event(&mut self, event: &Event) -> Event {
        let Event { index, time, process, kind, op, timeline, error } = event;
        let Op { f, key, value, version } = op;
        let f = match f {
            F::Other(name) => F::Other(self.redactor.text(name).into()),
            known => known.clone(),
        };
        Event {
            index: *index,
            time: *time,
            process: *process,
            kind: *kind,
            op: Op { f, key: *key, value: self.value(value), version: *version },
            timeline: *timeline,
            error: error.as_deref().map(|error| self.redactor.text(error)),
        }
    }

    pub(super) fn step(&mut self, step: &Step) -> Step {
        let Step { operation, process, start, end, site, verb, object, argument, reply, lsn } =
            step;
        let object = object.as_ref().map(|Object { space, key, version }| Object {
            space: Cow::Owned(self.redactor.text(space)),
            key: *key,
            version: *version,
        });
        Step {
            operation: *operation,
            process: *process,
            start: *start,
            end: *end,
            site: *site,
            verb: Cow::Owned(self.redactor.text(verb)),
            object,
            argument: argument.as_ref().map(|content| self.content(content)),
            reply: match reply {
                Reply::Found(content) => Reply::Found(self.content(content)),
                Reply::Failed { certainty, error } => {
                    Reply::Failed { certainty: *certainty, error: self.redactor.text(error) }
                }
                Reply::Done { version } => Reply::Done { version: *version },
                Reply::Pending => Reply::Pending,
                Reply::Miss => Reply::Miss,
                Reply::Refused => Reply::Refused,
                Reply::Gap => Reply::Gap,
            },
            lsn: *lsn,
        }
    }

    fn content(&mut self, content: &Content) -> Content {
        match content {
            Content::Row { value, version } => {
                Content::Row { value: self.value(value), version: *version }
            }
            Content::Marker => Content::Marker,
            Content::Tombstone(version) => Content::Tombstone(*version),
            // Of a strategy it is a lease or a counter, which quarrel chose; of an
            // application it may be anybody's, as a number in a text is.
            Content::Number(number) => {
                let is_short = number.to_string().len() <= DIGITS;
                let is_shown = !self.is_of_app || is_short;
                if is_shown { Content::Number(*number) } else { Content::Marker }
            }
        }
    }
}
