use std::{borrow::Cow, collections::BTreeMap};

use quarrel_checkers::{
    Anomaly, Certainty, Class, Content, Event, F, HistoryRef, Index, Key, Operation, Process,
    Reply, Site, Step, StepAt, Time, Value, Version,
};
use quarrel_run::judge;
use quarrel_sim::{Following, Mishap};
use quarrel_strategy::strategy::{Action, OPERATOR};

use super::{
    Evidence, Instant, Origin,
    looks::Looks,
    moves::Moves,
    order::{Taken, Turn, Who, agreeing},
    when,
};
use crate::race::{Cached, Course, Setup};

/// The most operations that are cut out: what a refill needs happened close to
/// it.
const MOST_OPERATIONS: usize = 60;

/// The part of a history that an anomaly is about.
pub(super) struct Cut<'a> {
    key: Key,
    /// In order of invocation.
    operations: Vec<Told<'a>>,
    /// Steps of the strategy's agents that lead to one on the key.
    agents: Vec<(usize, StepAt<'a>)>,
    looks: Looks,
    /// The row from which everything begins, at this version; none if it was
    /// absent.
    value: Option<Value>,
    version: Version,
    /// Where the operation that went wrong begins; none if it is the end that
    /// is wrong.
    victim: Option<Index>,
}

/// An operation that is cut out.
struct Told<'a> {
    invoke: Cow<'a, Event>,
    /// The calls that it made.
    steps: Vec<StepAt<'a>>,
}

/// What an anomaly is about.
struct Subject {
    key: Key,
    victim: Option<Index>,
    /// The version from which everything begins.
    version: Version,
    end: Time,
}

/// A history's operations on one key.
struct OnKey<'a, 'h> {
    evidence: &'a judge::CauseEvidence<'h>,
    key: Key,
}

impl<'h> OnKey<'_, 'h> {
    fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.evidence.operations_on(self.key)
    }

    fn version(&self, operation: &Operation) -> Option<Version> {
        self.evidence.version_on(operation, self.key)
    }

    /// The first completion that tells of a version.
    fn first(&self, version: Version) -> Option<Cow<'h, Event>> {
        let told = self.operations().filter(|it| self.version(it) == Some(version));
        let first = told.filter_map(|it| it.complete).min()?;
        Some(self.evidence.history().event(first))
    }

    /// Whether the history has the write of a version. What nobody wrote was there
    /// before it began, however late somebody first read it.
    fn is_written(&self, version: Version) -> bool {
        let history = self.evidence.history();
        let is_write = |it: &&Operation| history.event(it.invoke).op.f != F::Read;
        self.operations().filter(is_write).any(|it| self.version(it) == Some(version))
    }

    /// The version that was overwritten by `version`: the newest below it with
    /// the number before. What a failover lost is not among its predecessors,
    /// and has a number of its own.
    fn before(&self, version: Version) -> Option<Version> {
        let number = version.number.checked_sub(1)?;
        let known = self.operations().filter_map(|it| self.version(it));
        let below = known.filter(|it| it.number == number && *it < version);
        Some(below.max().unwrap_or(Version::first(number)))
    }

    /// Whether an operation is the write that gave a row this version and value.
    /// Deletes all leave the same value: only the version tells them apart.
    fn is_write_of(&self, write: &Operation, version: Version, value: Option<&Value>) -> bool {
        let invoke = self.evidence.history().event(write.invoke);
        let told = self.version(write);
        let is_it = told.map_or(!invoke.op.value.is_nil(), |told| told == version);
        invoke.op.f == F::Write && Some(&invoke.op.value) == value && is_it
    }
}

impl<'a> Cut<'a> {
    pub(super) fn of(
        evidence: &judge::CauseEvidence<'a>,
        anomaly: &Anomaly,
        agents: usize,
        origin: Origin,
    ) -> Option<Self> {
        let history = evidence.history();
        let Subject { key, victim, version: witnessed, end } = subject(evidence, anomaly)?;
        let on_key = OnKey { evidence, key };
        let version = match origin {
            Origin::Witnessed => witnessed,
            Origin::Before => on_key.before(witnessed)?,
        };
        let first = on_key.first(version);
        let wrote = first.as_ref().filter(|_| on_key.is_written(version));
        let began = wrote.map_or(Time::ZERO, |it| it.time);
        // An absent row has no value to begin with.
        let is_there = version != Version::ABSENT;
        let value = first.filter(|_| is_there).map(|event| event.op.value.clone());
        if value.is_none() && is_there {
            return None;
        }
        let mut cut: Vec<Operation> = on_key
            .operations()
            .filter(|operation| {
                let invoke = history.event(operation.invoke);
                let ends =
                    operation.complete.map_or(Time::MAX, |complete| history.event(complete).time);
                invoke.time <= end
                    && ends >= began
                    && !did_nothing(evidence, operation)
                    // The write that began it all is part of the set-up.
                    && !on_key.is_write_of(operation, version, value.as_ref())
            })
            .copied()
            .collect();
        thin_out(evidence, &mut cut, witnessed, victim);
        let from = cut.first().map_or(began, |first| began.max(history.event(first.invoke).time));
        let agents = turns_of_agents(history, key, agents, from, end);
        let looks = Looks::of(evidence.looks(), key, &cut.iter().map(|it| it.invoke).collect());
        let told = cut.iter().map(|operation| Told {
            invoke: history.event(operation.invoke),
            steps: evidence.steps_of(operation).collect(),
        });
        let operations = told.collect();
        Some(Self { key, operations, agents, looks, value, version, victim })
    }

    pub(super) fn course(
        &self,
        evidence: Evidence,
        unanswered: Mishap,
        instant: Instant,
        cached: Cached,
    ) -> (Course, Option<(usize, usize)>) {
        let AllTurns { clients, mut taken, victim } = self.all_turns();
        taken.sort_by_key(|turn| when(turn.step, instant));
        let turns = match evidence {
            Evidence::Answers => agreeing(taken),
            Evidence::Instants => taken.into_iter().map(Turn::Step).collect(),
        };
        // Agents stand after the clients and the auditor of the key.
        let first_agent = clients.len() + 1;
        let mut moves = Moves::new(self.version.number, first_agent, unanswered, &self.looks);
        for turn in &turns {
            moves.add(turn, self.key);
        }
        let key = Setup { key: self.key, value: self.value.clone(), cached };
        let replica = Following::WhenTold;
        (Course { keys: vec![key], replica, clients, moves: moves.made }, victim)
    }

    /// What each client does, and all turns.
    fn all_turns(&self) -> AllTurns<'_> {
        let mut victim = None;
        let mut clients: Vec<Vec<Action>> = Vec::new();
        let mut numbers: BTreeMap<Process, usize> = BTreeMap::new();
        let mut taken = Vec::new();
        for Told { invoke, steps } in &self.operations {
            let steps = steps.iter().map(|step| &**step);
            let mut looked = None;
            // One look is a step for each key that it heard of.
            let steps = steps.filter(move |step| {
                !step.is_look() || looked.replace(step.start) != Some(step.start)
            });
            if is_by_hand(invoke.process) {
                // The operator's change is one event; its UPDATE says when.
                let updates = steps.filter(|step| step.site == Site::Primary).take(1);
                let value = &invoke.op.value;
                taken.extend(updates.map(|step| Taken { who: Who::Operator(value), step }));
                continue;
            }
            let number = *numbers.entry(invoke.process).or_insert_with(|| {
                clients.push(Vec::new());
                clients.len() - 1
            });
            if self.victim == Some(invoke.index) {
                victim = Some((number, clients[number].len()));
            }
            clients[number].push(match invoke.op.f {
                F::Write => Action::Write(self.key, invoke.op.value.clone()),
                _ => Action::Read(self.key),
            });
            taken.extend(steps.map(|step| Taken { who: Who::Client(number), step }));
        }
        let agents = self.agents.iter();
        taken.extend(agents.map(|(agent, step)| Taken { who: Who::Agent(*agent), step }));
        AllTurns { clients, taken, victim }
    }
}

/// What clients do, and all turns.
struct AllTurns<'a> {
    clients: Vec<Vec<Action>>,
    taken: Vec<Taken<'a>>,
    /// Client and number of the operation that went wrong.
    victim: Option<(usize, usize)>,
}

/// Whether an operation surely left no trace and saw nothing.
fn did_nothing(evidence: &judge::CauseEvidence<'_>, operation: &Operation) -> bool {
    let failed =
        |step: &Step| matches!(step.reply, Reply::Failed { certainty: Certainty::Definite, .. });
    let mut steps = evidence.steps_of(operation);
    steps.len() > 0 && steps.all(|step| failed(&step))
}

/// Leaves no more than [`MOST_OPERATIONS`] if it can: all that put into the cache
/// what was read in vain, and of the others first those that changed something;
/// of those that are too many still, the first ones and the last ones.
fn thin_out(
    evidence: &judge::CauseEvidence<'_>,
    operations: &mut Vec<Operation>,
    witnessed: Version,
    victim: Option<Index>,
) {
    let mut surplus = operations.len().saturating_sub(MOST_OPERATIONS);
    let steps = |operation: &Operation| evidence.steps_of(operation).collect::<Vec<_>>();
    let caches = |operation: &Operation| {
        steps(operation).into_iter().any(|step| {
            let is_it = match &step.argument {
                Some(Content::Row { .. }) => evidence.version_of(&step) == Some(witnessed),
                // What stands for "there is none" is no row.
                Some(_) => witnessed == Version::ABSENT,
                None => false,
            };
            step.site == Site::Cache && is_it
        })
    };
    // Whoever keeps copies is changed by what it reads.
    let only_looked = |operation: &Operation| {
        steps(operation).into_iter().all(|step| {
            matches!(&*step.verb, "GET" | "SELECT" | "PTTL" | "LSN")
                && !matches!(step.reply, Reply::Failed { .. } | Reply::Pending)
        })
    };
    operations.retain(|operation| {
        let stays = surplus == 0 || victim == Some(operation.invoke) || !only_looked(operation);
        surplus -= usize::from(!stays);
        stays
    });
    let mut place = 0;
    operations.retain(|operation| {
        place += 1;
        let stays = surplus == 0 || place <= MOST_OPERATIONS / 4 || caches(operation);
        surplus -= usize::from(!stays);
        stays
    });
}

/// What the read among the witnesses, or else the first write, is about.
fn subject(evidence: &judge::CauseEvidence<'_>, anomaly: &Anomaly) -> Option<Subject> {
    let history = evidence.history();
    let of_witness = |operation: &&Operation| {
        anomaly.witness.contains(&operation.invoke)
            || operation.complete.is_some_and(|complete| anomaly.witness.contains(&complete))
    };
    let key_of = |operation: &Operation| history.event(operation.invoke).op.key;
    let completed = |f: F| {
        let ended = evidence.operations().iter().filter(of_witness).filter(move |operation| {
            history.event(operation.invoke).op.f == f && operation.complete.is_some()
        });
        ended.filter_map(move |operation| Some((operation, key_of(operation)?)))
    };
    let end = |operation: &Operation| Some(history.event(operation.complete?).time);
    if anomaly.class == Class::Divergence {
        let key = anomaly.key?;
        // Of what the stores hold in the end the older is what stayed.
        let held = || completed(F::Write).filter_map(|(write, _)| evidence.version_on(write, key));
        let version = match held().count() {
            0 => return None,
            // Whoever wrote the other is not known; it may be the row before.
            1 => OnKey { evidence, key }.before(held().next()?)?,
            _ => held().min()?,
        };
        return Some(Subject { key, victim: None, version, end: Time::MAX });
    }
    if let Some((read, key)) = completed(F::Read).next_back() {
        let version = evidence.version_on(read, key)?;
        return Some(Subject { key, victim: Some(read.invoke), version, end: end(read)? });
    }
    let (lost, key) = completed(F::Write).next()?;
    let (last, _) = completed(F::Write).next_back()?;
    let version = OnKey { evidence, key }.before(evidence.version_on(lost, key)?)?;
    Some(Subject { key, victim: None, version, end: end(last)? })
}

fn is_by_hand(process: Process) -> bool {
    let Process::Agent(first) = OPERATOR else { return false };
    // Beyond the operators' lives are the workers of clients.
    matches!(process, Process::Agent(number) if (first..first + 100).contains(&number))
}

/// The steps of agents on the key between two times, each with the poll before
/// it and the acknowledgement after it.
fn turns_of_agents(
    history: HistoryRef<'_>,
    key: Key,
    agents: usize,
    from: Time,
    end: Time,
) -> Vec<(usize, StepAt<'_>)> {
    if agents == 0 {
        return Vec::new();
    }
    let mut polled: Vec<Option<StepAt<'_>>> = vec![None; agents];
    let mut touched = vec![false; agents];
    let mut turns = Vec::new();
    let background = history.background_steps();
    for step in background.filter(|step| step.start >= from && step.start <= end) {
        let Process::Agent(number) = step.process else { continue };
        let Some(agent) = usize::try_from(number).ok().filter(|agent| *agent < agents) else {
            continue;
        };
        match &step.object {
            Some(object) if object.key == key => {
                turns.extend(polled[agent].take().map(|poll| (agent, poll)));
                turns.push((agent, step));
                touched[agent] = true;
            }
            Some(_) => {}
            None if std::mem::take(&mut touched[agent]) => turns.push((agent, step)),
            None => polled[agent] = Some(step),
        }
    }
    turns
}
