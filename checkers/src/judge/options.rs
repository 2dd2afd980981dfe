use std::{num::NonZeroUsize, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{Budget, Key, Site, Time, Value};

/// What a store held at some moment, read beside the workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// When the question was sent.
    pub start: Time,
    /// When the answer came.
    pub end: Time,
    /// Which store.
    pub site: Site,
    /// Which key.
    pub key: Key,
    /// What it held; [`Value::Nil`] if nothing.
    pub value: Value,
    /// Which version of it, 0 if absent.
    pub version: u64,
    /// During or after the run.
    pub phase: ProbePhase,
}

/// When a probe was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProbePhase {
    /// While the workload ran.
    Running,
    /// After it, all faults healed and entries given their time to expire.
    Final,
}

/// What "before" means for two operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Order {
    /// An operation is before another if its completion was recorded before
    /// the other's invocation. Right wherever one log was written by all
    /// clients, invocations before the call and completions after it.
    #[default]
    Recorded,
    /// An operation is before another if it ended at an earlier time than the
    /// other began. For histories merged from several logs.
    Time,
}

/// How to judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JudgeOptions {
    /// How much search the general engine may do where it has to help.
    pub budget: Budget,
    /// How many anomalies keep their witness. Counts are exact beyond.
    pub max_anomalies: usize,
    /// How operations are ordered.
    pub order: Order,
    /// The staleness that [`Guarantee::Bounded`](crate::Guarantee::Bounded)
    /// allows; none if any finite one will do.
    pub bound: Option<Duration>,
    /// How long after an acknowledgement a read still counts as at risk;
    /// none if for ever.
    pub risk_window: Option<Duration>,
    /// How many threads judge keys at once, at most. The judgement does not
    /// depend on it.
    pub threads: NonZeroUsize,
}

impl Default for JudgeOptions {
    fn default() -> Self {
        Self {
            budget: Budget::default(),
            max_anomalies: 100,
            order: Order::Recorded,
            bound: None,
            risk_window: None,
            threads: NonZeroUsize::MIN,
        }
    }
}
