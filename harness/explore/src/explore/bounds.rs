use std::{num::NonZero, sync::Arc, time::Duration};

use quarrel_checkers::{Content, Guarantee, Key, Value};
use quarrel_sim::{Fingerprints, Following, Setting, World};
use quarrel_strategy::{
    record::{Stop, VirtualClock},
    stores::{Item, Row},
    strategy::{Action, AnyStrategy},
};

use super::PlacedFault;

/// The one key that explorations are about.
pub const KEY: Key = Key(1);

/// The row before the first operation has this version.
const INITIAL_VERSION: u64 = 1;

/// What is searched.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// How many clients write.
    pub writers: usize,
    /// How many clients read.
    pub readers: usize,
    /// How many clients write and then read.
    pub both: usize,
    /// How many operations each client performs; of those that write and read,
    /// how many pairs.
    pub operations: usize,
    /// How many times each reader reads, if that is more than `operations`.
    pub reads: usize,
    /// How many of those that only write delete the row, and create it again
    /// with their next operation.
    pub deleters: usize,
    /// Faults that may strike.
    pub faults: Vec<PlacedFault>,
    /// How many of them may strike in one interleaving; replica lag is not
    /// counted, as it is a climate rather than an event.
    pub strikes: usize,
    /// The states of the cache to start from.
    pub starts: Vec<Start>,
    /// What must hold.
    pub guarantee: Guarantee,
    /// Whether states seen before are searched again.
    pub reduction: Reduction,
    /// The most distinct states that are kept before the search gives up being
    /// exhaustive and samples.
    pub max_states: usize,
    /// How many interleavings are then sampled.
    pub samples: u64,
    /// Decides the samples.
    pub seed: u64,
    /// How many threads search. What is found does not depend on it.
    pub threads: NonZero<usize>,
    /// Ends the search early: what it reached by then is all it says.
    pub stop: Stop,
}

/// What the explorer does not do twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// A state that was reached before is not searched again. Every
    /// interleaving is counted.
    States,
    /// Nor are moves made again in another order where the two orders lead to
    /// the same state: sleep sets (Godefroid 1996). Every state is still met.
    Orders,
    /// Every interleaving is run. For a strategy whose clients share anything
    /// but the stores (an in-process cache, a queue), which no fingerprint
    /// can see.
    Off,
}

/// What the stores hold at the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Start {
    /// The row is there, and nothing in the cache.
    Cold,
    /// The cache holds the row, and everything else the strategy keeps of it: a
    /// client has read it before.
    Warm,
    /// There is no row: the first write creates it.
    Absent,
}

impl Start {
    /// The row before the first operation.
    #[must_use]
    pub fn row(self) -> Option<Row> {
        (self != Self::Absent).then(Bounds::initial)
    }
}

impl Default for Bounds {
    /// Two writers and two readers of one key, one operation each, replica
    /// lag, from a cold and from a warm cache, and without the row.
    fn default() -> Self {
        Self {
            writers: 2,
            readers: 2,
            both: 0,
            operations: 1,
            reads: 1,
            deleters: 0,
            faults: vec![PlacedFault::ReplicaLag],
            strikes: 1,
            starts: vec![Start::Cold, Start::Warm, Start::Absent],
            guarantee: Guarantee::Linearizable,
            reduction: Reduction::States,
            max_states: 300_000,
            samples: 200_000,
            seed: 0,
            threads: NonZero::<usize>::MIN,
            stop: Stop::default(),
        }
    }
}

impl Bounds {
    /// The row before the first operation, where there is one.
    #[must_use]
    pub fn initial() -> Row {
        Row { value: Value::from("Alex"), version: INITIAL_VERSION }
    }

    /// What each client does. Values are the names of the article that this
    /// project began with, then numbered.
    #[must_use]
    pub fn scripts(&self) -> Vec<Vec<Action>> {
        let mut written = 0;
        let mut write = || {
            written += 1;
            let value = match written {
                1 => Value::from("Alice"),
                2 => Value::from("Alicia"),
                n => Value::from(format!("Name{n}").as_str()),
            };
            Action::Write(KEY, value)
        };
        let mut scripts = Vec::new();
        let deletes = |writer: usize, operation: usize| {
            writer + self.deleters >= self.writers && operation.is_multiple_of(2)
        };
        for writer in 0..self.writers {
            let operation = |number| match deletes(writer, number) {
                true => Action::Write(KEY, Value::Nil),
                false => write(),
            };
            scripts.push((0..self.operations).map(operation).collect());
        }
        for _ in 0..self.both {
            let script = (0..self.operations).flat_map(|_| [write(), Action::Read(KEY)]).collect();
            scripts.push(script);
        }
        for _ in 0..self.readers {
            scripts.push(vec![Action::Read(KEY); self.operations.max(self.reads)]);
        }
        scripts
    }

    /// Whether `fault` is among those that may strike.
    #[must_use]
    pub fn allows(&self, fault: PlacedFault) -> bool {
        self.faults.contains(&fault)
    }

    /// Whether the replica may be behind; else it shows every commit at once,
    /// as no server's does.
    #[must_use]
    pub fn lags(&self) -> bool {
        self.allows(PlacedFault::ReplicaLag) || self.allows(PlacedFault::Failover)
    }

    /// Whether the guarantee is about the end of the run rather than about
    /// what single operations return.
    #[must_use]
    pub fn is_about_the_end(&self) -> bool {
        matches!(self.guarantee, Guarantee::Bounded | Guarantee::Eventual)
    }

    /// The simulation for one start.
    ///
    /// A warm cache is made by the strategy itself: a client reads the key
    /// before anything else happens.
    #[must_use]
    pub fn setting(&self, strategy: &Arc<dyn AnyStrategy>, start: Start) -> Setting {
        let mut world = World::new();
        if let Some(row) = start.row() {
            world.seed(KEY, row);
        }
        world.prepare(Arc::clone(strategy));
        if start == Start::Warm {
            world = warmed(strategy, world);
        }
        world.cache.save();
        let mut scripts = self.scripts();
        // An auditor, who reads when everything else is over.
        scripts.push(vec![Action::Read(KEY)]);
        Setting {
            world,
            scripts,
            replica: if self.lags() { Following::WhenTold } else { Following::AtOnce },
            tick: Duration::ZERO,
            recorder: None,
            clock: VirtualClock::default(),
            memory: match self.reduction {
                Reduction::States | Reduction::Orders => Fingerprints::Kept,
                Reduction::Off => Fingerprints::Dropped,
            },
        }
    }
}

/// The world after one client has read the key; as it was, with the row as a
/// plain entry, if the strategy would not.
fn warmed(strategy: &Arc<dyn AnyStrategy>, world: World) -> World {
    let setting = Arc::new(Setting {
        world: world.clone(),
        scripts: vec![vec![Action::Read(KEY)]],
        replica: Following::AtOnce,
        tick: Duration::ZERO,
        recorder: None,
        clock: VirtualClock::default(),
        memory: Fingerprints::Dropped,
    });
    let mut simulation = quarrel_sim::Simulation::new(Arc::clone(strategy), &setting);
    let read = simulation.run_alone(0);
    let mut world = if read.is_ok() { simulation.world } else { world };
    // Whoever read it is none of the clients to come.
    world.cache.nobody_listens();
    if world.cache.is_empty() {
        let row: Content = Bounds::initial().into();
        world.cache.set(Item::entry(KEY), row, None, world.now);
    }
    world
}
