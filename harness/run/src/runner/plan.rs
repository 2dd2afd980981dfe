use std::{sync::Arc, time::Duration};

use quarrel_checkers::Key;
use quarrel_strategy::strategy::{AnyStrategy, KeyDraw, Skew, Workload};

use super::Pauses;
use crate::faults::Schedule;

/// When clients begin operations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arrivals {
    /// Each client begins its next operation as soon as the last one ended.
    Closed,
    /// As [`Arrivals::Closed`], but all together not faster than this many
    /// operations a second; a client that is late does not hurry.
    Paced(f64),
    /// This many operations a second are due whether or not earlier ones have
    /// ended; a client that is late hurries.
    Open(f64),
}

/// What a storm does.
#[derive(Clone)]
pub struct Plan {
    /// The subject.
    pub strategy: Arc<dyn AnyStrategy>,
    /// What clients do with it.
    pub workload: Arc<dyn Workload>,
    /// How many clients at once.
    pub clients: u64,
    /// How many keys.
    pub keys: u64,
    /// The first of them. Storms that follow each other on one cluster take
    /// keys of their own, so that none sees what another left behind.
    pub first_key: u64,
    /// How unevenly they are chosen.
    pub skew: Skew,
    /// The share of reads among operations, between 0 and 1.
    pub read_share: f64,
    /// When operations begin.
    pub arrivals: Arrivals,
    /// How long the storm lasts, without load, heal and final reads.
    pub time: Duration,
    /// Decides every draw.
    pub seed: u64,
    /// Whether clients now and then stand still between two steps.
    pub pauses: Pauses,
    /// What goes wrong when.
    pub schedule: Schedule,
    /// The longest wait for primary, replica and cache to agree in the end.
    pub settle: Duration,
    /// The most one operation may take, in real time; none in the simulator.
    pub deadline: Option<Duration>,
    /// How long between two looks at what the stores hold.
    pub probe_every: Duration,
}

impl Plan {
    /// Every key, in order.
    pub(super) fn every_key(&self) -> impl Iterator<Item = Key> + use<> {
        (self.first_key..self.first_key + self.keys).map(Key)
    }

    /// Draws keys as unevenly as the plan says.
    pub(super) fn draw(&self) -> KeyDraw {
        KeyDraw::new(self.keys, self.skew).beginning_at(self.first_key)
    }
}
