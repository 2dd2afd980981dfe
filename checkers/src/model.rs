use crate::{F, Op, Value};

/// A sequential specification: what a single-threaded object would answer.
///
/// ```
/// use quarrel_checkers::{F, Model, Op, Value};
///
/// struct Register;
/// impl Model for Register {
///     type State = Value;
///
///     fn initial(&self) -> Value {
///         Value::Nil
///     }
///
///     fn step(&self, state: &Value, op: &Op, response: Option<&Value>) -> Option<Value> {
///         match op.f {
///             F::Write => Some(op.value.clone()),
///             F::Read => response.is_none_or(|seen| seen == state).then(|| state.clone()),
///             _ => None,
///         }
///     }
/// }
/// let after = Register.step(&Register.initial(), &Op::write(1, 5), None);
/// assert_eq!(after, Some(Value::Int(5)));
/// ```
pub trait Model: Sync {
    /// What the object holds. Equal states must compare and hash equal.
    type State: Clone + Eq + std::hash::Hash;

    /// What the object holds before the first operation.
    fn initial(&self) -> Self::State;

    /// The state after `op`, or none if the object could not have answered
    /// `response`. `response` is none when the answer is not known.
    fn step(&self, state: &Self::State, op: &Op, response: Option<&Value>) -> Option<Self::State>;

    /// Whether the model has something to say about `op`, whatever the state:
    /// it knows the function, and the argument is one that the function takes.
    /// A history with others is not decided, and never illegal because of them.
    fn knows(&self, _op: &Op) -> bool {
        true
    }

    /// Whether an `op` that failed is an answer of the object, the response
    /// `false`, as of a compare-and-set that found another value. Any other
    /// operation that failed had no effect, and says nothing.
    fn may_refuse(&self, op: &Op) -> bool {
        op.f == F::Cas
    }

    /// Whether `op`, answered so, leaves every state as it is, as a read does.
    /// A search is much faster if it knows; to answer false is never wrong.
    fn is_observation(&self, _op: &Op, _response: Option<&Value>) -> bool {
        false
    }

    /// Whether two operations, each with its response, may change places
    /// wherever one directly follows the other: whatever the state, if one
    /// order is legal the other is, and leads to the same state. Operations on
    /// different parts of an object do. A search that knows leaves aside what
    /// does not matter for what it has to explain; to answer false is never
    /// wrong.
    fn commute(&self, _one: (&Op, Option<&Value>), _other: (&Op, Option<&Value>)) -> bool {
        false
    }
}
