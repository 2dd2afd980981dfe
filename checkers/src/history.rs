use crate::{Event, HistoryRef, Index, Kind, Op, Process, Step, Time};

/// What the clients of one run saw, in the order in which it was recorded,
/// and the steps inside their operations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Begins and ends of operations; `events[i].index == i`.
    pub events: Vec<Event>,
    /// Calls to the stores, ordered by the time at which they ended.
    pub steps: Vec<Step>,
}

/// An invocation and its completion. [`History::steps_of`] has the calls that it
/// made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Where it begins.
    pub invoke: Index,
    /// Where it ends; none if it never did.
    pub complete: Option<Index>,
}

/// Positions in [`History::steps`] by the invocations that they belong to.
#[derive(Clone, Debug, Default)]
pub struct StepsOf {
    /// Where the steps of each event begin in `positions`, and one more.
    first: Vec<u32>,
    positions: Vec<u32>,
}

impl StepsOf {
    /// Sorts steps by the events that they name; what names none of `events` is
    /// left out.
    pub(crate) fn of<I: Iterator<Item = Option<Index>>>(
        events: usize,
        named: impl Fn() -> I,
    ) -> Self {
        let at = |invoke: Option<Index>| {
            usize::try_from(invoke?.0).ok().filter(|invoke| *invoke < events)
        };
        let mut first = vec![0_u32; events + 1];
        // Counted where they are, and moved up by one place when all are.
        for invoke in named().filter_map(at) {
            first[invoke] += 1;
        }
        let mut before = 0;
        for place in &mut first {
            before += std::mem::replace(place, before);
        }
        let mut positions = vec![0; before as usize];
        for (position, invoke) in named().enumerate() {
            if let Some(invoke) = at(invoke) {
                let place = &mut first[invoke];
                positions[*place as usize] = u32::try_from(position).expect("fewer than 2^32");
                *place += 1;
            }
        }
        // Each now says where its own end; that is where the next ones begin.
        first.rotate_right(1);
        first[0] = 0;
        Self { first, positions }
    }

    /// The steps of the operation that begins at `invoke`, in their order.
    pub fn operation(
        &self,
        invoke: Index,
    ) -> impl DoubleEndedIterator<Item = usize> + ExactSizeIterator + '_ {
        self.positions(invoke).iter().map(|position| *position as usize)
    }

    /// The same as they are kept.
    #[must_use]
    pub fn positions(&self, invoke: Index) -> &[u32] {
        let at = usize::try_from(invoke.0).unwrap_or(usize::MAX - 1);
        let bounds = self.first.get(at).zip(self.first.get(at + 1));
        let (from, to) = bounds.map_or((0, 0), |(from, to)| (*from as usize, *to as usize));
        &self.positions[from..to]
    }
}

/// The events are not a history.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// A process began an operation before its last one ended.
    #[error(
        "event {second}: process {process} invokes again, but its operation of event {first} is still open"
    )]
    StillOpen {
        /// Who.
        process: Process,
        /// The open invocation.
        first: u64,
        /// The one too many.
        second: u64,
    },
    /// A completion without an invocation.
    #[error("event {index}: process {process} completes an operation that it never invoked")]
    NeverInvoked {
        /// Who.
        process: Process,
        /// The stray completion.
        index: u64,
    },
    /// A completion of another function or key than the one invoked.
    #[error("event {index}: process {process} completes `{found}`, but had invoked `{expected}`")]
    Mismatch {
        /// Who.
        process: Process,
        /// The completion.
        index: u64,
        /// The function invoked.
        expected: String,
        /// The function completed.
        found: String,
    },
}

impl HistoryError {
    pub(crate) fn mismatch(invoke: &Event, complete: &Event) -> Self {
        Self::Mismatch {
            process: complete.process,
            index: complete.index.0,
            expected: describe(&invoke.op),
            found: describe(&complete.op),
        }
    }
}

impl History {
    /// Appends an event and numbers it.
    pub fn push(
        &mut self,
        time: Time,
        process: Process,
        kind: Kind,
        op: Op,
        error: Option<String>,
    ) -> Index {
        let index = Index(self.events.len() as u64);
        self.events.push(Event { index, time, process, kind, op, timeline: None, error });
        index
    }

    /// Appends an invocation.
    pub fn invoke(&mut self, time: Time, process: Process, op: Op) -> Index {
        self.push(time, process, Kind::Invoke, op, None)
    }

    /// Appends a completion that surely happened.
    pub fn ok(&mut self, time: Time, process: Process, op: Op) -> Index {
        self.push(time, process, Kind::Ok, op, None)
    }

    /// Says on which timeline of the primary the last event's write happened.
    pub fn on_timeline(&mut self, timeline: u32) {
        if let Some(event) = self.events.last_mut() {
            event.timeline = Some(timeline);
        }
    }

    /// Sorts the steps by the operations that they belong to.
    ///
    /// # Panics
    ///
    /// If there are 2³² steps: they do not fit into a memory.
    #[must_use]
    pub fn steps_of(&self) -> StepsOf {
        HistoryRef::from(self).steps_of()
    }

    /// Pairs invocations with completions, in order of invocation.
    ///
    /// Events of [`Process::Nemesis`] are no operations and are left out:
    /// both of its lines are `info`.
    ///
    /// # Errors
    ///
    /// When a process has two operations open, or completes what it never
    /// invoked.
    pub fn operations(&self) -> Result<Vec<Operation>, HistoryError> {
        HistoryRef::from(self).operations()
    }
}

fn describe(op: &Op) -> String {
    op.key.map_or_else(|| op.f.to_string(), |key| format!("{} {key}", op.f))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Process = Process::Client(0);
    const B: Process = Process::Client(1);

    #[test]
    fn operations_are_told_in_the_order_in_which_they_began() {
        let mut history = History::default();
        assert_eq!(history.invoke(Time(1), A, Op::write(7, 1)), Index(0));
        assert_eq!(history.invoke(Time(2), B, Op::read(7)), Index(1));
        assert_eq!(history.ok(Time(3), B, Op::read(7)), Index(2));
        let nemesis = Op { key: None, ..Op::read(0) };
        history.push(Time(4), Process::Nemesis, Kind::Info, nemesis, None);
        assert_eq!(history.push(Time(5), A, Kind::Info, Op::write(7, 1), None), Index(4));
        history.invoke(Time(6), B, Op::read(7));
        let told: Vec<_> =
            history.operations().unwrap().into_iter().map(|o| (o.invoke, o.complete)).collect();
        assert_eq!(
            told,
            [(Index(0), Some(Index(4))), (Index(1), Some(Index(2))), (Index(5), None),]
        );
    }

    #[test]
    fn what_a_process_cannot_do_is_told() {
        let told = |events: &[(Process, Kind, Op)]| {
            let mut history = History::default();
            for (process, kind, op) in events {
                history.push(Time(0), *process, *kind, op.clone(), None);
            }
            history.operations().unwrap_err().to_string()
        };
        let begin = || (A, Kind::Invoke, Op::read(7));
        assert_eq!(
            told(&[begin(), begin()]),
            "event 1: process 0 invokes again, but its operation of event 0 is still open"
        );
        assert_eq!(
            told(&[begin(), (B, Kind::Ok, Op::read(7))]),
            "event 1: process 1 completes an operation that it never invoked"
        );
        assert_eq!(
            told(&[begin(), (A, Kind::Ok, Op::read(8))]),
            "event 1: process 0 completes `read 8`, but had invoked `read 7`"
        );
        assert_eq!(
            told(&[begin(), (A, Kind::Fail, Op::write(7, 1))]),
            "event 1: process 0 completes `write 7`, but had invoked `read 7`"
        );
        assert_eq!(
            told(&[begin(), (A, Kind::Ok, Op { key: None, ..Op::read(7) })]),
            "event 1: process 0 completes `read`, but had invoked `read 7`"
        );
    }
}
