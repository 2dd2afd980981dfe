use std::collections::BTreeMap;

use quarrel_checkers::{
    Certainty, Content, F, History, Index, Key, Operation, Process, Reply, Site, Step, Time, Value,
};

use crate::{
    race::{Cached, Make, Performance, Plot, Setup},
    sim::{Claim, Following, Mishap, Move, Stuck},
    strategy::Action,
};

/// The most operations that are cut out: what a refill needs happened close to
/// it.
const MOST_OPERATIONS: usize = 60;

/// Which instant of a recorded step is taken for the one at which its store
/// executed it: the record only knows when it was sent and answered.
#[derive(Clone, Copy)]
enum Instant {
    Start,
    Middle,
    End,
}

/// Cuts an anomaly out of a history as a plot that shows it in simulation:
/// the operations on its key, from the write of the value that was read in vain
/// up to that read. `witness` is the anomaly's.
///
/// What the record cannot say is tried out: at which instant a step was
/// executed, and whether a call without an answer had been. Returns none if
/// nothing that was tried shows the anomaly.
///
/// # Errors
///
/// When the strategy waits for something that is no store.
pub fn recorded(
    make: &Make<'_>,
    history: &History,
    witness: &[Index],
    claim: Claim,
) -> Result<Option<(Plot, Performance)>, Stuck> {
    let Some(cut) = Cut::of(history, witness) else { return Ok(None) };
    for unanswered in [Mishap::RequestLost, Mishap::ReplyLost] {
        for instant in [Instant::End, Instant::Middle, Instant::Start] {
            for cached in [Cached::Nowhere, Cached::ByStrategy] {
                let plot = cut.plot(unanswered, instant, cached);
                let performance = plot.perform(make, claim)?;
                if performance.came_true {
                    return Ok(Some((plot, performance)));
                }
            }
        }
    }
    Ok(None)
}

/// The part of a history that an anomaly is about.
struct Cut<'a> {
    history: &'a History,
    key: Key,
    /// In order of invocation.
    operations: Vec<Operation>,
    /// The row from which everything begins.
    value: Value,
    version: u64,
}

impl<'a> Cut<'a> {
    fn of(history: &'a History, witness: &[Index]) -> Option<Self> {
        let operations = history.operations().ok()?;
        let of_witness = |operation: &&Operation| {
            witness.contains(&operation.invoke)
                || operation.complete.is_some_and(|complete| witness.contains(&complete))
        };
        let read = operations.iter().filter(of_witness).rfind(|operation| {
            history.events[operation.invoke.position()].op.f == F::Read
                && operation.complete.is_some()
        })?;
        let end = &history.events[read.complete?.position()];
        let (key, version) = (end.op.key?, end.op.version?);
        let began = history
            .events
            .iter()
            .find(|event| event.op.key == Some(key) && event.op.version == Some(version))
            .map_or(Time::ZERO, |event| event.time);
        let value = end.op.value.clone();
        let mut cut: Vec<Operation> = operations
            .iter()
            .filter(|operation| {
                let invoke = &history.events[operation.invoke.position()];
                let ends = operation
                    .complete
                    .map_or(Time::MAX, |complete| history.events[complete.position()].time);
                invoke.op.key == Some(key)
                    && invoke.time <= end.time
                    && ends >= began
                    // The write that began it all is part of the set-up.
                    && !(invoke.op.f == F::Write && invoke.op.value == value)
            })
            .cloned()
            .collect();
        let surplus = cut.len().saturating_sub(MOST_OPERATIONS);
        cut.drain(..surplus);
        Some(Self { history, key, operations: cut, value, version })
    }

    fn plot(&self, unanswered: Mishap, instant: Instant, cached: Cached) -> Plot {
        let mut clients: Vec<Vec<Action>> = Vec::new();
        let mut numbers: BTreeMap<Process, usize> = BTreeMap::new();
        let mut turns: Vec<(Time, usize, &Step)> = Vec::new();
        for operation in &self.operations {
            let invoke = &self.history.events[operation.invoke.position()];
            let number = *numbers.entry(invoke.process).or_insert_with(|| {
                clients.push(Vec::new());
                clients.len() - 1
            });
            clients[number].push(match invoke.op.f {
                F::Write => Action::Write(self.key, invoke.op.value.clone()),
                _ => Action::Read(self.key),
            });
            for &step in &operation.steps {
                let step = &self.history.steps[step];
                turns.push((when(step, instant), number, step));
            }
        }
        turns.sort_by_key(|(at, _, _)| *at);
        let mut replayed = self.version;
        let mut moves = Vec::new();
        for (_, actor, step) in turns {
            // The replica had got as far as it showed, and no further.
            if let (Site::Replica, Reply::Found(Content::Row { version, .. })) =
                (step.site, &step.reply)
            {
                let newer = version.saturating_sub(replayed);
                moves.extend((0..newer).map(|_| Move::Replay));
                replayed = replayed.max(*version);
            }
            match &step.reply {
                Reply::Pending => moves.push(Move::Crash { actor }),
                Reply::Failed { certainty, .. } => {
                    let mishap = match certainty {
                        Certainty::Definite => Mishap::Fails,
                        Certainty::Indefinite => unanswered,
                    };
                    moves.push(Move::Step { actor, mishap: Some(mishap) });
                }
                _ => moves.push(Move::Step { actor, mishap: None }),
            }
        }
        let value = Some(self.value.clone());
        Plot {
            keys: vec![Setup { key: self.key, value, cached }],
            replica: Following::WhenTold,
            clients,
            moves,
        }
    }
}

fn when(step: &Step, instant: Instant) -> Time {
    let end = step.end.unwrap_or(step.start);
    match instant {
        Instant::Start => step.start,
        Instant::Middle => step.start + end.since(step.start) / 2,
        Instant::End => end,
    }
}
