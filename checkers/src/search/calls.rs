use rustc_hash::FxHashMap;

use super::Failures;
use crate::{Event, F, HistoryRef, Index, Kind, Model, Op, Operation, Value};

/// An operation, as the engines see it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    /// Equal operations with equal responses are of one class.
    pub(super) class: u32,
    /// When it returned, as a position among the moments; none if it is open
    /// for ever.
    pub(super) returned: Option<usize>,
    pub(super) invoke: Index,
    pub(super) complete: Option<Index>,
}

/// Something that happens in a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    Invoke(usize),
    Return(usize),
}

/// An operation and what came back, if that is known.
pub(super) type Asked = (Op, Option<Value>);

/// The operations on one object, and the order of their begins and ends.
#[derive(Clone, Debug, Default)]
pub(super) struct Calls {
    pub(super) calls: Vec<Call>,
    pub(super) moments: Vec<Moment>,
    classes: Vec<Asked>,
}

impl Calls {
    /// Takes `operations` out of `history`, in the order of its events.
    pub(super) fn of<'a, M: Model>(
        model: &M,
        history: HistoryRef<'_>,
        operations: impl Iterator<Item = &'a Operation>,
        failures: Failures,
    ) -> Self {
        let mut gathered = Self::default();
        let mut ids: FxHashMap<Asked, u32> = FxHashMap::default();
        let mut moments: Vec<(Index, Moment)> = Vec::new();
        for operation in operations {
            let invoke = history.event(operation.invoke);
            let complete = operation.complete.map(|index| history.event(index));
            let answered = asked(model, &invoke, complete.as_deref(), failures);
            let Some((asked, is_closed)) = answered else {
                continue;
            };
            let next = u32::try_from(ids.len()).expect("a history has < 2^32 operations");
            let class = *ids.entry(asked.clone()).or_insert(next);
            if class == next {
                gathered.classes.push(asked);
            }
            let at = gathered.calls.len();
            let (invoke, complete) = (operation.invoke, operation.complete);
            gathered.calls.push(Call { class, returned: None, invoke, complete });
            moments.push((invoke, Moment::Invoke(at)));
            moments.extend(complete.filter(|_| is_closed).map(|at_| (at_, Moment::Return(at))));
        }
        moments.sort_unstable_by_key(|&(index, _)| index);
        gathered.moments = moments.into_iter().map(|(_, moment)| moment).collect();
        gathered.place_returns();
        gathered
    }

    fn place_returns(&mut self) {
        for call in &mut self.calls {
            call.returned = None;
        }
        for (position, moment) in self.moments.iter().enumerate() {
            if let Moment::Return(call) = *moment {
                self.calls[call].returned = Some(position);
            }
        }
    }

    pub(super) fn classes(&self) -> &[Asked] {
        &self.classes
    }

    /// What a call asked and got.
    pub(super) fn asked(&self, call: usize) -> &Asked {
        &self.classes[self.calls[call].class as usize]
    }

    /// The event of a moment.
    pub(super) fn event(&self, moment: usize) -> Option<Index> {
        match *self.moments.get(moment)? {
            Moment::Invoke(call) => Some(self.calls[call].invoke),
            Moment::Return(call) => self.calls[call].complete,
        }
    }

    pub(super) fn last_event(&self) -> Option<Index> {
        self.event(self.moments.len().checked_sub(1)?)
    }

    /// How many operations that never return had been invoked by then.
    pub(super) fn open_before(&self, moment: usize) -> usize {
        let moments = self.moments.iter().take(moment);
        let is_open = |m: &&Moment| matches!(**m, Moment::Invoke(call) if self.calls[call].returned.is_none());
        moments.filter(is_open).count()
    }

    /// The moments up to and with `end` only. What is under way then has not
    /// answered yet.
    pub(super) fn prefix(&self, end: usize) -> Self {
        let mut prefix = self.clone();
        prefix.moments.truncate(end + 1);
        let mut is_invoked = vec![false; self.calls.len()];
        for moment in &prefix.moments {
            if let Moment::Invoke(call) = *moment {
                is_invoked[call] = true;
            }
        }
        for moment in &self.moments[prefix.moments.len()..] {
            if let Moment::Return(call) = *moment
                && is_invoked[call]
            {
                prefix.forget_answer(call);
            }
        }
        prefix.place_returns();
        prefix
    }

    fn forget_answer(&mut self, call: usize) {
        let (op, _) = self.asked(call).clone();
        let asked = (op, None);
        let known = self.classes.iter().position(|class| *class == asked);
        let class = known.unwrap_or_else(|| {
            self.classes.push(asked);
            self.classes.len() - 1
        });
        self.calls[call].class = u32::try_from(class).expect("as many as there are operations");
    }

    /// The same, but nothing is known of `forgotten` but that they were asked:
    /// each may happen at any time or never.
    pub(super) fn forgetting(&self, forgotten: &[usize]) -> Self {
        let mut rest = self.clone();
        let mut is_forgotten = vec![false; self.calls.len()];
        forgotten.iter().for_each(|&call| is_forgotten[call] = true);
        let known = self.moments.iter().filter(|moment| {
            let (Moment::Invoke(call) | Moment::Return(call)) = **moment;
            !is_forgotten[call]
        });
        let asked = forgotten.iter().map(|&call| Moment::Invoke(call));
        rest.moments = asked.chain(known.copied()).collect();
        forgotten.iter().for_each(|&call| rest.forget_answer(call));
        rest.place_returns();
        rest
    }
}

/// What was asked and answered, and whether the operation is over; none if it
/// had no effect.
fn asked<M: Model>(
    model: &M,
    invoke: &Event,
    complete: Option<&Event>,
    failures: Failures,
) -> Option<(Asked, bool)> {
    let mut op = invoke.op.clone();
    op.version = None;
    match complete {
        Some(event) if event.kind == Kind::Ok => {
            // Some tools fill a read's result into its invocation as well.
            if op.f == F::Read {
                op.value = Value::Nil;
            }
            Some(((op, Some(event.op.value.clone())), true))
        }
        Some(event) if event.kind == Kind::Fail => {
            let is_answer = failures == Failures::Observed
                && event.error.is_none()
                && model.may_refuse(&invoke.op);
            is_answer.then_some(((op, Some(Value::Bool(false))), true))
        }
        _ => Some(((op, None), false)),
    }
}
