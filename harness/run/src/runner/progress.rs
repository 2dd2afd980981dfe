use std::time::Duration;

/// What a storm is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunPhase {
    /// Every key gets its first value.
    Load,
    /// Clients and faults.
    Storm,
    /// Faults end.
    Heal,
    /// Reads by strategy and by probe until the stores agree.
    Final,
    /// What was recorded is judged.
    Judge,
}

/// How far a storm is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// What it is doing.
    pub phase: RunPhase,
    /// Time since the storm began.
    pub elapsed: Duration,
    /// Time that the storm takes in all.
    pub total: Duration,
    /// Events recorded so far.
    pub events: u64,
}
