//! Which operations of an illegal history contradict each other.

use std::time::Duration;

use super::{CLASS, Call, Calls, Engine, Moment, Outcome, search};
use crate::{Anomaly, Budget, F, Index, Key, Model, Value};

/// More operations than this are not taken apart one by one.
const MAX_CALLS: usize = 2_000;

/// The most steps that go into making a witness small.
const MAX_STEPS: u64 = 500_000;

/// The most of them on one question: whether it is still illegal without an
/// operation. An operation of unknown effect stays in the witness.
const MAX_STEPS_EACH: u64 = 50_000;

/// Explains an illegal history: the shortest illegal prefix, and in it as few
/// operations as will do. An operation is left out by forgetting when it ran
/// and what it answered, so that what it stored is still there to be read.
pub(super) fn anomaly<M: Model>(
    model: &M,
    key: Option<Key>,
    calls: &Calls,
    budget: Budget,
) -> Anomaly {
    let mut left = budget.steps.min(MAX_STEPS);
    let end = first_illegal(model, calls, &mut left);
    let mut rest = calls.prefix(end);
    let invoked = rest.moments.iter().filter_map(|moment| match *moment {
        Moment::Invoke(call) => Some(call),
        Moment::Return(_) => None,
    });
    let (mut members, under_way): (Vec<usize>, Vec<usize>) =
        invoked.partition(|&call| rest.calls[call].returned.is_some());
    if members.len() + under_way.len() <= MAX_CALLS {
        // What is under way matters seldom, and is much: it is left out at once
        // if that will do.
        let without = rest.forgetting(&under_way);
        if is_illegal(model, &without, &mut left) {
            rest = without;
        } else {
            members.extend(under_way);
            members.sort_unstable();
        }
        // The latest operations are the likeliest to matter, so they go last.
        members.retain(|&call| {
            let without = rest.forgetting(&[call]);
            let is_needed = left == 0 || !is_illegal(model, &without, &mut left);
            if !is_needed {
                rest = without;
            }
            is_needed
        });
    }
    let mut witness: Vec<Index> = Vec::new();
    for &call in &members {
        let Call { invoke, complete, .. } = calls.calls[call];
        witness.push(invoke);
        // What was still under way had not answered.
        witness.extend(complete.filter(|_| rest.calls[call].returned.is_some()));
    }
    witness.sort_unstable();
    let explanation = explanation(key, &rest, calls.moments.get(end).copied(), &members);
    Anomaly {
        class: CLASS,
        cause: None,
        key,
        witness,
        stale_for: Duration::ZERO,
        versions_behind: 0,
        explanation,
    }
}

fn is_illegal<M: Model>(model: &M, calls: &Calls, left: &mut u64) -> bool {
    let steps = MAX_STEPS_EACH.min(*left);
    let (outcome, made) = search(model, calls, Engine::Competition, steps);
    *left -= made.min(*left);
    outcome == Outcome::Invalid
}

/// The first return, as far as the steps suffice, up to which the history is
/// illegal: a prefix of a legal history is legal, so it is found by bisection.
fn first_illegal<M: Model>(model: &M, calls: &Calls, left: &mut u64) -> usize {
    let (mut legal, mut illegal) = (0, calls.moments.len().saturating_sub(1));
    while illegal - legal > 1 && *left > 0 {
        let middle = legal + (illegal - legal) / 2;
        if is_illegal(model, &calls.prefix(middle), left) {
            illegal = middle;
        } else {
            legal = middle;
        }
    }
    illegal
}

fn explanation(key: Option<Key>, calls: &Calls, end: Option<Moment>, members: &[usize]) -> String {
    let subject = key.map_or_else(String::new, |key| format!("key {key}: "));
    let last = match end {
        Some(Moment::Invoke(call) | Moment::Return(call)) => Some(call),
        None => None,
    };
    let others = members.iter().filter(|&&call| Some(call) != last);
    let last = last.map_or_else(|| "it".to_owned(), |call| describe(calls, call));
    let names: Vec<String> = others.take(8).map(|&call| describe(calls, call)).collect();
    let more = members.len().saturating_sub(9);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    if names.is_empty() {
        return format!("{subject}no order of operations explains {last}, whenever they ran");
    }
    format!(
        "{subject}no order of operations explains {last} together with {}{more}",
        names.join(", ")
    )
}

/// `cas [1 2] (event 12)`, `read -> 4 (event 7)`, `append a (event 3, under way)`.
fn describe(calls: &Calls, call: usize) -> String {
    let (op, response) = calls.asked(call);
    // An empty text would leave a gap.
    let shown = |value: &Value| match value {
        Value::Text(text) if text.is_empty() => "\"\"".to_owned(),
        value => value.to_string(),
    };
    let argument = if op.value.is_nil() { String::new() } else { format!(" {}", shown(&op.value)) };
    let answer = match response {
        Some(Value::Bool(false)) if op.f == F::Cas => " -> refused".to_owned(),
        // What was asked to store something has nothing to say.
        Some(Value::Nil) if !op.value.is_nil() => String::new(),
        Some(answer) if *answer != op.value || op.f == F::Read => {
            format!(" -> {}", shown(answer))
        }
        Some(answer) if op.value.is_nil() => format!(" -> {}", shown(answer)),
        _ => String::new(),
    };
    let Call { invoke, returned, .. } = calls.calls[call];
    let is_over = if returned.is_some() { "" } else { ", under way" };
    format!("{}{argument}{answer} (event {}{is_over})", op.f, invoke.0)
}
