use std::time::Duration;

/// What a fault does to clients rather than to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Strike {
    /// Now and then one dies between two steps, background agents included.
    Crash,
    /// Now and then one stands still for this long before a step.
    Pause(Duration),
    /// All wait no longer than this for an answer.
    GiveUp(Duration),
    /// An operator changes a row by plain SQL this often.
    Manual(Duration),
}
