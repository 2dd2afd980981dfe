use std::time::Duration;

use super::{Amount, PlacedFault, Sign, Strike};
use crate::cluster::Control;

/// A kind of fault, whole. It is made in a `static` or `const`:
/// [`new`](Self::new), then what it does.
#[derive(Clone, Copy)]
pub struct FaultEntry {
    pub(super) name: &'static str,
    pub(super) summary: &'static str,
    pub(super) amount: Option<Amount>,
    pub(super) ways: &'static [&'static str],
    pub(super) jitters: bool,
    pub(super) in_storms: Option<InStorms>,
    pub(super) placed: Option<PlacedFault>,
}

/// What a fault does in a storm.
#[derive(Clone, Copy)]
pub enum InStorms {
    /// Controls of the cluster.
    Cluster {
        /// Those that bring it about, in this order.
        inject: fn(&FaultArguments) -> Vec<Control>,
        /// Those that take it away.
        heal: fn(&FaultArguments) -> Vec<Control>,
        /// How one sees that it took hold.
        sign: fn(&FaultArguments) -> Sign,
    },
    /// Something that happens to clients, whose gates see it.
    Clients(fn(&FaultArguments) -> Strike),
}

impl FaultEntry {
    /// A fault that does nothing yet. `name` is its name on the command line;
    /// `summary` says in a line what it does.
    #[must_use]
    pub const fn new(name: &'static str, summary: &'static str) -> Self {
        Self {
            name,
            summary,
            amount: None,
            ways: &[],
            jitters: false,
            in_storms: None,
            placed: None,
        }
    }

    /// It takes an amount, which is usually this. Its bounds are those of the
    /// amount's [unit](super::Unit::most).
    #[must_use]
    pub const fn amount(mut self, usual: Amount) -> Self {
        self.amount = Some(usual);
        self
    }

    /// It can be brought about in these ways (`via=WAY`); the first is the
    /// usual one.
    #[must_use]
    pub const fn ways(mut self, ways: &'static [&'static str]) -> Self {
        self.ways = ways;
        self
    }

    /// It takes a jitter beside its amount (`jitter=20ms`).
    #[must_use]
    pub const fn jittery(mut self) -> Self {
        self.jitters = true;
        self
    }

    /// In storms, what brings it about on a cluster, what takes it away, and
    /// how one sees that it took hold.
    #[must_use]
    pub const fn controls(
        mut self,
        inject: fn(&FaultArguments) -> Vec<Control>,
        heal: fn(&FaultArguments) -> Vec<Control>,
        sign: fn(&FaultArguments) -> Sign,
    ) -> Self {
        self.in_storms = Some(InStorms::Cluster { inject, heal, sign });
        self
    }

    /// In storms, it strikes clients.
    #[must_use]
    pub const fn strikes(mut self, strike: fn(&FaultArguments) -> Strike) -> Self {
        self.in_storms = Some(InStorms::Clients(strike));
        self
    }

    /// A search places this at every possible point.
    #[must_use]
    pub const fn placed(mut self, placed: PlacedFault) -> Self {
        self.placed = Some(placed);
        self
    }

    /// Its name on the command line.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What it does, in a line.
    #[must_use]
    pub const fn summary(&self) -> &'static str {
        self.summary
    }

    /// Its usual amount, if it has one.
    #[must_use]
    pub const fn usual_amount(&self) -> Option<Amount> {
        self.amount
    }

    /// The ways in which it can be brought about; the first is the usual one.
    #[must_use]
    pub const fn its_ways(&self) -> &'static [&'static str] {
        self.ways
    }

    /// Whether storms know it.
    #[must_use]
    pub const fn is_in_storms(&self) -> bool {
        self.in_storms.is_some()
    }

    /// What a search places for it, if it can.
    #[must_use]
    pub const fn in_searches(&self) -> Option<PlacedFault> {
        self.placed
    }
}

/// The arguments of a fault: `200ms`, `20ms..200ms`, `jitter=5ms`, `via=link`.
#[derive(Clone, Copy, Debug)]
pub struct FaultArguments {
    /// How long, how much; least and most. None for faults without.
    pub(super) amount: Option<(Amount, Amount)>,
    pub(super) jitter: Duration,
    pub(super) via: &'static str,
}

impl FaultArguments {
    /// The amount as a time.
    #[must_use]
    pub const fn time(&self) -> Duration {
        Duration::from_nanos(self.count())
    }

    /// The amount as a number of its unit (nanoseconds, bytes, kilobytes a
    /// second); 0 for faults without.
    #[must_use]
    pub const fn count(&self) -> u64 {
        match self.amount {
            Some((_, most)) => most.count,
            None => 0,
        }
    }

    /// Plus or minus at most this, anew for each message.
    #[must_use]
    pub const fn jitter(&self) -> Duration {
        self.jitter
    }

    /// Which of its ways; empty for faults without.
    #[must_use]
    pub const fn via(&self) -> &'static str {
        self.via
    }
}
