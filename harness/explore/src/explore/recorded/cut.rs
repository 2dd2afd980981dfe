use std::collections::{BTreeMap, BTreeSet};

use quarrel_checkers::{
    Anomaly, Certainty, Class, Content, F, History, Index, Key, Operation, Process, Reply, Site,
    Step, Time, Value,
};
use quarrel_sim::{Disturbance, Following, Mishap, Move};
use quarrel_strategy::{
    stores::Item,
    strategy::{Action, OPERATOR},
};

use super::{
    Evidence, Instant, Origin,
    looks::{Heard, Looks},
    order::{Taken, Turn, Who, agreeing},
    when,
};
use crate::race::{Cached, Plot, Setup};

/// The most operations that are cut out: what a refill needs happened close to
/// it.
const MOST_OPERATIONS: usize = 60;

/// The part of a history that an anomaly is about.
pub(super) struct Cut<'a> {
    history: &'a History,
    key: Key,
    /// In order of invocation.
    operations: Vec<Operation>,
    /// Steps of the strategy's agents that lead to one on the key.
    agents: Vec<(usize, &'a Step)>,
    looks: Looks,
    /// The row from which everything begins, at this version; none if it was
    /// absent.
    value: Option<Value>,
    version: u64,
    /// Where the operation that went wrong begins; none if it is the end that
    /// is wrong.
    victim: Option<Index>,
}

/// What an anomaly is about.
struct Subject {
    key: Key,
    victim: Option<Index>,
    /// The version from which everything begins.
    version: u64,
    end: Time,
}

/// Whether an operation is the write that gave a row this version and value.
/// Deletes all leave the same value: only the version tells them apart.
fn is_of(history: &History, write: &Operation, version: u64, value: Option<&Value>) -> bool {
    let invoke = &history.events[write.invoke.position()];
    let told = write.complete.and_then(|end| history.events[end.position()].op.version);
    let is_it = told.map_or(!invoke.op.value.is_nil(), |told| told == version);
    invoke.op.f == F::Write && Some(&invoke.op.value) == value && is_it
}

impl<'a> Cut<'a> {
    pub(super) fn of(
        history: &'a History,
        anomaly: &Anomaly,
        agents: usize,
        origin: Origin,
    ) -> Option<Self> {
        let operations = history.operations().ok()?;
        let Subject { key, victim, version, end } = subject(history, &operations, anomaly)?;
        let witnessed = version;
        let version = match origin {
            Origin::Witnessed => witnessed,
            Origin::Before => witnessed.checked_sub(1)?,
        };
        let first = history
            .events
            .iter()
            .find(|event| event.op.key == Some(key) && event.op.version == Some(version));
        let began = first.map_or(Time::ZERO, |event| event.time);
        // Version 0 is that of a row that never was.
        let value = first.filter(|_| version > 0).map(|event| event.op.value.clone());
        if value.is_none() && version > 0 {
            return None;
        }
        let mut cut: Vec<Operation> = operations
            .into_iter()
            .filter(|operation| {
                let invoke = &history.events[operation.invoke.position()];
                let ends = operation
                    .complete
                    .map_or(Time::MAX, |complete| history.events[complete.position()].time);
                invoke.op.key == Some(key)
                    && invoke.time <= end
                    && ends >= began
                    && !did_nothing(history, operation)
                    // The write that began it all is part of the set-up.
                    && !is_of(history, operation, version, value.as_ref())
            })
            .collect();
        thin_out(history, &mut cut, witnessed, victim);
        let from = cut
            .first()
            .map_or(began, |first| began.max(history.events[first.invoke.position()].time));
        let agents = turns_of_agents(history, key, agents, from, end);
        let looks = Looks::of(history, key, &cut.iter().map(|it| it.invoke).collect());
        Some(Self { history, key, operations: cut, agents, looks, value, version, victim })
    }

    pub(super) fn plot(
        &self,
        evidence: Evidence,
        unanswered: Mishap,
        instant: Instant,
        cached: Cached,
    ) -> (Plot, Option<(usize, usize)>) {
        let Cast { clients, mut taken, victim } = self.cast();
        taken.sort_by_key(|turn| when(turn.step, instant));
        let turns = match evidence {
            Evidence::Answers => agreeing(taken),
            Evidence::Instants => taken.into_iter().map(Turn::Step).collect(),
        };
        // Agents stand after the clients and the auditor of the key.
        let first_agent = clients.len() + 1;
        let mut moves = Moves {
            made: Vec::new(),
            replayed: self.version,
            first_agent,
            unanswered,
            looks: &self.looks,
            post: Post::default(),
        };
        for turn in &turns {
            moves.add(turn, self.key);
        }
        let key = Setup { key: self.key, value: self.value.clone(), cached };
        let replica = Following::WhenTold;
        (Plot { keys: vec![key], replica, clients, moves: moves.made }, victim)
    }

    /// What each client does, and all turns.
    fn cast(&self) -> Cast<'a> {
        let mut victim = None;
        let mut clients: Vec<Vec<Action>> = Vec::new();
        let mut numbers: BTreeMap<Process, usize> = BTreeMap::new();
        let mut taken = Vec::new();
        for operation in &self.operations {
            let invoke = &self.history.events[operation.invoke.position()];
            let steps = operation.steps.iter().map(|&step| &self.history.steps[step]);
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
            if self.victim == Some(operation.invoke) {
                victim = Some((number, clients[number].len()));
            }
            clients[number].push(match invoke.op.f {
                F::Write => Action::Write(self.key, invoke.op.value.clone()),
                _ => Action::Read(self.key),
            });
            taken.extend(steps.map(|step| Taken { who: Who::Client(number), step }));
        }
        let agents = self.agents.iter();
        taken.extend(agents.map(|&(agent, step)| Taken { who: Who::Agent(agent), step }));
        Cast { clients, taken, victim }
    }
}

/// What clients do, and all turns.
struct Cast<'a> {
    clients: Vec<Vec<Action>>,
    taken: Vec<Taken<'a>>,
    /// Client and number of the operation that went wrong.
    victim: Option<(usize, usize)>,
}

/// Whether an operation surely left no trace and saw nothing.
fn did_nothing(history: &History, operation: &Operation) -> bool {
    let failed = |&step: &usize| {
        let reply = &history.steps[step].reply;
        matches!(reply, Reply::Failed { certainty: Certainty::Definite, .. })
    };
    !operation.steps.is_empty() && operation.steps.iter().all(failed)
}

/// Leaves no more than [`MOST_OPERATIONS`] if it can: all that put into the cache
/// what was read in vain, and of the others first those that changed something;
/// of those that are too many still, the first ones and the last ones.
fn thin_out(
    history: &History,
    operations: &mut Vec<Operation>,
    witnessed: u64,
    victim: Option<Index>,
) {
    let mut surplus = operations.len().saturating_sub(MOST_OPERATIONS);
    let steps = |operation: &Operation| {
        let steps = operation.steps.clone().into_iter();
        steps.map(|step| &history.steps[step]).collect::<Vec<_>>()
    };
    let caches = |operation: &Operation| {
        steps(operation).into_iter().any(|step| {
            let is_it = match &step.argument {
                Some(Content::Row { version, .. }) => *version == witnessed,
                // What stands for "there is none" is no row.
                Some(_) => witnessed == 0,
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
fn subject(history: &History, operations: &[Operation], anomaly: &Anomaly) -> Option<Subject> {
    let of_witness = |operation: &&Operation| {
        anomaly.witness.contains(&operation.invoke)
            || operation.complete.is_some_and(|complete| anomaly.witness.contains(&complete))
    };
    let completed = |f: F| {
        operations.iter().filter(of_witness).filter_map(move |operation| {
            let is_it = history.events[operation.invoke.position()].op.f == f;
            let end = operation.complete.filter(|_| is_it)?;
            Some((operation.invoke, &history.events[end.position()]))
        })
    };
    if anomaly.class == Class::Divergence {
        // Of what the stores hold in the end the older is what stayed.
        let held = || completed(F::Write).filter_map(|(_, write)| write.op.version);
        let version = match held().count() {
            0 => return None,
            // Whoever wrote the other is not known; it may be the row before.
            1 => held().next()?.checked_sub(1)?,
            _ => held().min()?,
        };
        return Some(Subject { key: anomaly.key?, victim: None, version, end: Time::MAX });
    }
    if let Some((invoke, read)) = completed(F::Read).next_back() {
        let (key, version) = (read.op.key?, read.op.version?);
        return Some(Subject { key, victim: Some(invoke), version, end: read.time });
    }
    let (_, lost) = completed(F::Write).next()?;
    let (_, last) = completed(F::Write).next_back()?;
    let version = lost.op.version?.checked_sub(1)?;
    Some(Subject { key: lost.op.key?, victim: None, version, end: last.time })
}

fn is_by_hand(process: Process) -> bool {
    let Process::Agent(first) = OPERATOR else { return false };
    // Beyond the operators' lives are the workers of clients.
    matches!(process, Process::Agent(number) if (first..first + 100).contains(&number))
}

/// The steps of agents on the key between two times, each with the poll before
/// it and the acknowledgement after it.
fn turns_of_agents(
    history: &History,
    key: Key,
    agents: usize,
    from: Time,
    end: Time,
) -> Vec<(usize, &Step)> {
    let mut polled: Vec<Option<&Step>> = vec![None; agents];
    let mut touched = vec![false; agents];
    let mut turns = Vec::new();
    for step in history.steps.iter().filter(|step| step.start >= from && step.start <= end) {
        let (None, Process::Agent(number)) = (step.operation, step.process) else { continue };
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

/// Whether messages are held, and who would learn of a gap.
#[derive(Default)]
struct Post {
    held: Delivery,
    /// Clients that have looked before.
    listening: BTreeSet<usize>,
    /// Those of them whose connection has broken since.
    cut_off: BTreeSet<usize>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Delivery {
    #[default]
    Flows,
    Held,
}

/// Turns become moves.
struct Moves<'a> {
    made: Vec<Move>,
    /// The newest version that the replica is known to have.
    replayed: u64,
    first_agent: usize,
    unanswered: Mishap,
    looks: &'a Looks,
    post: Post,
}

impl Moves<'_> {
    fn add(&mut self, turn: &Turn<'_>, key: Key) {
        let item = Item::entry(key);
        match turn {
            Turn::Step(Taken { who: Who::Operator(value), .. }) => {
                let value = (*value).clone();
                self.made.push(Move::Disturb(Disturbance::ManualUpdate { key, value }));
            }
            Turn::Step(Taken { who: Who::Client(actor), step }) => self.step(*actor, step),
            Turn::Step(Taken { who: Who::Agent(agent), step }) => {
                self.step(self.first_agent + agent, step);
            }
            Turn::Save => self.made.push(Move::Disturb(Disturbance::SaveCache)),
            Turn::Restore => self.made.push(Move::Disturb(Disturbance::RestoreCache)),
            Turn::Evict => self.made.push(Move::Disturb(Disturbance::Evict(item))),
            Turn::FailOver { kept } => {
                self.replay_to(*kept);
                self.made.push(Move::Disturb(Disturbance::FailOver));
            }
        }
    }

    /// `actor` hears at its next look what it `heard`, or cannot listen.
    fn look(&mut self, actor: usize, heard: Heard, reply: &Reply) {
        let post = &mut self.post;
        if matches!(reply, Reply::Failed { .. }) {
            if post.listening.contains(&actor) && !post.cut_off.contains(&actor) {
                post.cut_off.clone_from(&post.listening);
                self.made.push(Move::Disturb(Disturbance::LoseMessages));
            }
            return;
        }
        let has_a_gap = post.cut_off.remove(&actor) || post.listening.insert(actor);
        let disturbance = match heard {
            Heard::Gap if !has_a_gap => {
                post.cut_off = post.listening.iter().copied().filter(|it| *it != actor).collect();
                Disturbance::LoseMessages
            }
            Heard::Nothing if post.held == Delivery::Flows => {
                post.held = Delivery::Held;
                Disturbance::HoldMessages
            }
            Heard::Change if post.held == Delivery::Held => {
                post.held = Delivery::Flows;
                Disturbance::ReleaseMessages
            }
            _ => return,
        };
        self.made.push(Move::Disturb(disturbance));
    }

    fn step(&mut self, actor: usize, step: &Step) {
        if let Some(heard) = self.looks.at(step) {
            self.look(actor, heard, &step.reply);
        }
        // The replica had got as far as it showed, and no further.
        if let (Site::Replica, Reply::Found(Content::Row { version, .. })) =
            (step.site, &step.reply)
        {
            self.replay_to(*version);
        }
        self.made.push(match &step.reply {
            Reply::Pending => Move::Crash { actor },
            Reply::Failed { certainty: Certainty::Definite, .. } => {
                Move::Step { actor, mishap: Some(Mishap::Fails) }
            }
            Reply::Failed { certainty: Certainty::Indefinite, .. } => {
                Move::Step { actor, mishap: Some(self.unanswered) }
            }
            _ => Move::Step { actor, mishap: None },
        });
    }

    fn replay_to(&mut self, version: u64) {
        let newer = version.saturating_sub(self.replayed);
        self.made.extend((0..newer).map(|_| Move::Replay));
        self.replayed = self.replayed.max(version);
    }
}
