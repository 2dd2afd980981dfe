use std::{sync::Arc, time::Duration};

use quarrel_checkers::Key;
use quarrel_sim::{Fingerprints, Following, Setting, Simulation, World};
use quarrel_strategy::{
    record::{Recorder, VirtualClock},
    stores::{Item, Row},
    strategy::{Action, AnyStrategy},
};

use super::{Cached, Setup};

/// Makes the strategy of a race. Every performance gets a fresh one;
/// searches make many at once.
pub type Make<'a> = dyn Fn() -> Arc<dyn AnyStrategy> + Sync + 'a;

/// Simulated stores as `keys` describe them.
pub(super) fn world(make: &Make<'_>, keys: &[Setup]) -> World {
    let mut world = World::new();
    for setup in keys {
        if let Some(row) = row(setup) {
            world.seed(setup.key, row);
        }
    }
    world.prepare(make());
    for setup in keys {
        match &setup.cached {
            Cached::Nowhere => {}
            Cached::ByStrategy => world = read_before(make, world, setup.key),
            Cached::As(value, version) => {
                let row = Row { value: value.clone(), version: *version };
                world.cache.set(Item::entry(setup.key), row.into(), None, world.now);
            }
        }
    }
    world.cache.save();
    world
}

/// The row that a key has at the beginning.
pub(super) fn row(setup: &Setup) -> Option<Row> {
    setup.value.as_ref().map(|value| Row { value: value.clone(), version: 1 })
}

/// The initial row of `key`.
pub(super) fn initial(keys: &[Setup], key: Key) -> Option<Row> {
    keys.iter().find(|setup| setup.key == key).and_then(row)
}

/// A simulation for `scripts` on `world`.
pub(super) fn setting(
    world: World,
    scripts: Vec<Vec<Action>>,
    replica: Following,
    tick: Duration,
    recorder: Option<Arc<Recorder>>,
    clock: VirtualClock,
) -> Arc<Setting> {
    Arc::new(Setting {
        world,
        scripts,
        replica,
        tick,
        recorder,
        clock,
        memory: Fingerprints::Dropped,
    })
}

/// The world after a client of the strategy has read the key.
fn read_before(make: &Make<'_>, world: World, key: Key) -> World {
    let clock = VirtualClock::default();
    let scripts = vec![vec![Action::Read(key)]];
    let before = world.clone();
    let setting = setting(world, scripts, Following::AtOnce, Duration::ZERO, None, clock);
    let mut simulation = Simulation::new(make(), &setting);
    // A strategy that cannot even read leaves everything as it was.
    let mut world = if simulation.run_alone(0).is_ok() { simulation.world } else { before };
    // Whoever read it is none of the race's clients.
    world.cache.nobody_listens();
    world
}
