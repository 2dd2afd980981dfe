use std::sync::Arc;

use quarrel_checkers::Time;
use quarrel_strategy::{
    record::VirtualClock,
    stores::{Request, Response, StoreError},
    strategy::AnyStrategy,
};

use super::{
    Fingerprints, Simulation, Stuck,
    actor::{Actor, State},
    client::{Client, ClientProgress, Task},
};

/// Everything that a client's code was told, and when: with the strategy it
/// decides all that the code does, so that the code can be brought where it is
/// once more. (It is a future, and those cannot be copied.)
#[derive(Clone, Default)]
pub(super) struct Life {
    told: Arc<Vec<(Time, Told)>>,
    clock: VirtualClock,
}

#[derive(Clone)]
enum Told {
    Task(Task),
    Answer(Result<Response, StoreError>),
}

impl Life {
    /// Lives it through with `client`, whose clock is `clock`; what that does at
    /// last.
    fn relive(&self, client: &mut Client, clock: &VirtualClock) -> Option<ClientProgress> {
        let mut last = None;
        for (time, told) in self.told.iter() {
            clock.advance_to(*time);
            last = Some(match told {
                Told::Task(task) => client.start(task.clone()),
                Told::Answer(answer) => client.answer(answer.clone()),
            });
        }
        last
    }
}

impl Actor {
    /// The same without its client, who comes back when it goes on.
    fn fork(&self) -> Self {
        Self {
            client: None,
            life: self.life.clone(),
            role: self.role.clone(),
            process: self.process,
            begun: self.begun,
            added: self.added.clone(),
            state: self.state.clone(),
            open: self.open,
            seen: self.seen.clone(),
        }
    }
}

impl Simulation {
    /// The same simulation once more, to go on from here in another way: what happens
    /// on one of them does not show on the other. `strategy` must be made as the
    /// simulation's own was.
    ///
    /// # Panics
    ///
    /// If what clients have seen is not [kept](crate::Fingerprints::Kept), or a recorder
    /// writes down what happens: it could not tell the two apart.
    #[must_use]
    pub fn fork(&self, strategy: Arc<dyn AnyStrategy>) -> Self {
        assert!(self.keeps_lives(), "lives are kept where nothing is recorded");
        Self {
            world: self.world.clone(),
            strategy,
            setting: Arc::clone(&self.setting),
            following: self.following,
            actors: self.actors.iter().map(Actor::fork).collect(),
            late: self.late.clone(),
            logical: self.logical.clone(),
            steps: self.steps,
            last_call: self.last_call.clone(),
            has_told: self.has_told_clients_apart(),
        }
    }

    fn keeps_lives(&self) -> bool {
        self.setting.memory == Fingerprints::Kept && self.setting.recorder.is_none()
    }

    /// A clock that shows what time it is.
    pub(super) fn clock_of_now(&self) -> VirtualClock {
        let clock = match &self.setting.recorder {
            Some(_) => self.setting.clock.clone(),
            None => VirtualClock::default(),
        };
        clock.advance_to(self.world.now);
        clock
    }

    /// Sees to it that `actor` has a client, who is where it was.
    pub(super) fn revive(&mut self, actor: usize) -> Result<(), Stuck> {
        if self.actors[actor].client.is_some() {
            return Ok(());
        }
        let life = &self.actors[actor].life;
        let clock = match life.told.first() {
            None => self.clock_of_now(),
            Some(_) => VirtualClock::default(),
        };
        let mut client = self.client(self.actors[actor].process, clock.clone());
        let last = life.relive(&mut client, &clock);
        let a = &mut self.actors[actor];
        if !is_there(last.as_ref(), &a.state) {
            return Err(Stuck::Wavers);
        }
        a.life.clock = clock;
        a.client = Some(client);
        Ok(())
    }

    /// Lets the client of `actor`, who is there, begin something.
    pub(super) fn start(&mut self, actor: usize, task: Task) -> ClientProgress {
        self.tell(actor, || Told::Task(task.clone()));
        let client = self.actors[actor].client.as_mut();
        client.expect("whoever begins something was revived").start(task)
    }

    /// Hands the client of `actor`, who is there, the answer to its last call.
    pub(super) fn answer(
        &mut self,
        actor: usize,
        answer: Result<Response, StoreError>,
    ) -> ClientProgress {
        self.tell(actor, || Told::Answer(answer.clone()));
        let client = self.actors[actor].client.as_mut();
        client.expect("only who has begun something is answered").answer(answer)
    }

    fn tell(&mut self, actor: usize, told: impl FnOnce() -> Told) {
        let (now, keeps_lives) = (self.world.now, self.keeps_lives());
        let life = &mut self.actors[actor].life;
        life.clock.advance_to(now);
        if keeps_lives {
            Arc::make_mut(&mut life.told).push((now, told()));
        }
    }
}

/// Whether a client that did this at last is where its actor is.
fn is_there(last: Option<&ClientProgress>, state: &State) -> bool {
    match (last, state) {
        (None | Some(ClientProgress::Ended(_)), State::Idle)
        | (Some(ClientProgress::Calls(Request::Sleep(_))), State::Asleep(_)) => true,
        (Some(ClientProgress::Calls(now)), State::Calls(then) | State::Waits(_, then)) => {
            now == then
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use quarrel_checkers::{Key, Value};
    use quarrel_strategy::{stores::Row, strategy::Action};

    use super::*;
    use crate::{Disturbance, Fingerprint, Following, Mishap, Move, Setting, World, subjects};

    const KEY: Key = Key(1);

    fn simulation(strategy: Arc<dyn AnyStrategy>) -> Simulation {
        let mut world = World::new();
        world.seed(KEY, Row { value: Value::from("Alex"), version: 1 });
        let write = |value: &str| Action::Write(KEY, Value::from(value));
        let setting = Setting {
            world,
            scripts: vec![
                vec![write("Alice"), Action::Read(KEY)],
                vec![Action::Read(KEY), write("Alicia")],
                vec![Action::Read(KEY); 2],
            ],
            replica: Following::WhenTold,
            tick: Duration::ZERO,
            recorder: None,
            clock: VirtualClock::default(),
            memory: Fingerprints::Kept,
        };
        Simulation::new(strategy, &Arc::new(setting))
    }

    fn a_move(actor: usize, kind: u8) -> Move {
        match kind {
            0..7 => Move::Step { actor, mishap: None },
            7 => Move::Step { actor, mishap: Some(Mishap::ReplyLost) },
            8 => Move::Step { actor, mishap: Some(Mishap::Delayed) },
            9 => Move::Crash { actor },
            10 | 11 => Move::Wake { actor },
            12 => Move::Deliver { actor },
            13 => Move::Replay,
            14 => Move::Disturb(Disturbance::ManualUpdate { key: KEY, value: Value::from("Anna") }),
            _ => Move::Disturb(Disturbance::Wait(Duration::from_secs(1))),
        }
    }

    fn print(simulation: &Simulation) -> u128 {
        let mut print = Fingerprint::default();
        simulation.fingerprint(&mut print);
        print.finish()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..Default::default() })]

        /// The control is the simulation itself, whose clients are never made again.
        #[test]
        fn a_fork_goes_on_as_its_stage_would(
            moves in prop::collection::vec((0_usize..6, 0_u8..16), 1..40),
        ) {
            let all: [fn() -> Arc<dyn AnyStrategy>; 5] = [
                subjects::cache_aside,
                subjects::write_through,
                subjects::double_delete,
                subjects::near_by_channel,
                subjects::near_by_tracking,
            ];
            for subject in all {
                let mut simulation = simulation(subject());
                let mut follower = simulation.fork(subject());
                for &(actor, kind) in &moves {
                    let a_move = a_move(actor, kind);
                    let before = print(&simulation);
                    let mut fork = simulation.fork(subject());
                    let happened = fork.perform(&a_move).unwrap();
                    prop_assert_eq!(print(&simulation), before, "what a fork does shows on its simulation");
                    prop_assert_eq!(simulation.perform(&a_move).unwrap(), happened);
                    prop_assert_eq!(print(&simulation), print(&fork), "{:?}", a_move);
                    prop_assert_eq!(simulation.logical().operations(), fork.logical().operations());
                    prop_assert_eq!(simulation.last_call(), fork.last_call());
                    // A fork of a fork of a fork.
                    follower.perform(&a_move).unwrap();
                    follower = follower.fork(subject());
                    prop_assert_eq!(print(&simulation), print(&follower), "{:?}", a_move);
                }
            }
        }
    }

    /// Its second client goes another way than its first, whatever they are told.
    struct Shares(std::sync::atomic::AtomicU64);

    impl quarrel_strategy::strategy::Strategy for Shares {
        async fn read(
            &self,
            session: &mut quarrel_strategy::strategy::Session,
            key: Key,
        ) -> Result<Option<Row>, StoreError> {
            let reads = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            session.primary().read(key).await?;
            session.primary().read(Key(key.0 + reads)).await
        }

        async fn write(
            &self,
            session: &mut quarrel_strategy::strategy::Session,
            key: Key,
            value: Value,
        ) -> Result<u64, StoreError> {
            session.primary().write(key, value).await
        }
    }

    #[test]
    fn who_shares_more_than_the_stores_cannot_be_forked() {
        let make = || -> Arc<dyn AnyStrategy> { Arc::new(Shares(0.into())) };
        let mut simulation = simulation(make());
        for actor in [2, 1] {
            simulation.perform(&Move::Step { actor, mishap: None }).unwrap();
        }
        let step = Move::Step { actor: 1, mishap: None };
        assert_eq!(simulation.fork(make()).perform(&step), Err(Stuck::Wavers));
        assert!(simulation.perform(&step).is_ok());
    }
}
