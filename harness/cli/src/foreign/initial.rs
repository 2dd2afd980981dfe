//! A first value of one's own.

use quarrel_checkers::{Event, F, History, Kind, Value, transactions::is_transaction};

use super::{ModelName, model::invoked};
use crate::Failure;

/// Lets nil, which every register holds at first, and `initial` change places,
/// so that a read of `initial` is one of what nobody wrote. What a counter
/// begins at is its model's matter.
pub(super) fn place(
    history: &mut History,
    model: ModelName,
    initial: &Value,
) -> Result<Option<String>, Failure> {
    match (model, initial) {
        (ModelName::Counter, Value::Int(_)) => return Ok(None),
        (ModelName::Register | ModelName::CasRegister, _) => {}
        (ModelName::RwRegister | ModelName::MultiRegister, _) => {}
        _ => {
            return Err(Failure::usage(format!(
                "--initial {initial}: a {} does not begin with a value; registers do, and a \
                 counter with a number",
                model.name()
            )));
        }
    }
    let is_written =
        invoked(history).any(|event| event.op.f == F::Write && event.op.value.is_nil());
    history.events.iter_mut().for_each(|event| exchange(event, initial));
    let said = format!("every register holds {initial} at first, which is shown as nil");
    let nil = if is_written {
        format!("; nil, which was written, is shown as {initial}")
    } else {
        String::new()
    };
    Ok(Some(said + &nil))
}

fn exchange(event: &mut Event, initial: &Value) {
    let is_sure = event.kind == Kind::Ok;
    if is_transaction(&event.op) {
        let parts = event.op.value.items().unwrap_or_default().iter().map(|part| {
            let mut items = part.items().unwrap_or_default().to_vec();
            let is_read = items.first().and_then(Value::name).is_some_and(|f| f.starts_with('r'));
            if let Some(value) = items.get_mut(2).filter(|_| is_sure || !is_read) {
                *value = exchanged(value, initial);
            }
            Value::List(items.into())
        });
        event.op.value = Value::List(parts.collect());
        return;
    }
    match event.op.f {
        F::Read if !is_sure => {}
        F::Cas => {
            let pair = event.op.value.items().unwrap_or_default();
            let pair = pair.iter().map(|value| exchanged(value, initial)).collect();
            event.op.value = Value::List(pair);
        }
        _ => event.op.value = exchanged(&event.op.value, initial),
    }
}

fn exchanged(value: &Value, initial: &Value) -> Value {
    match value {
        Value::Nil => initial.clone(),
        value if value == initial => Value::Nil,
        value => value.clone(),
    }
}
