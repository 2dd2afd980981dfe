use quarrel_checkers::{Key, Kind, Op, Process, Value};

use super::{Disturbance, Ending, Following, Happened, Reaction, Stage, World};
use crate::{
    stores::{Durability, Item, Request, Response},
    strategy::Action,
};

impl Stage {
    pub(super) fn disturb(&mut self, disturbance: &Disturbance) -> Happened {
        let world = &mut self.world;
        let done = match disturbance {
            Disturbance::PauseReplica => {
                self.following = Following::WhenTold;
                true
            }
            Disturbance::ResumeReplica => {
                self.following = Following::AtOnce;
                world.catch_up();
                true
            }
            Disturbance::CatchUp => {
                world.catch_up();
                true
            }
            Disturbance::ReplayTo { key, version } => {
                let shown = |world: &World| {
                    world.replica_row(*key).is_some_and(|row| row.version >= *version)
                };
                while !shown(world) && world.replay() {}
                shown(world)
            }
            Disturbance::PauseAcknowledgements => {
                world.hold_acknowledgements();
                true
            }
            Disturbance::ResumeAcknowledgements => {
                world.release_acknowledgements();
                true
            }
            Disturbance::WipeCache => {
                world.cache.wipe();
                true
            }
            Disturbance::SaveCache => {
                world.cache.save();
                true
            }
            Disturbance::RestoreCache => {
                world.cache.restore();
                true
            }
            Disturbance::Evict(item) => world.evict(item),
            Disturbance::Expire(item) => self.expire(item),
            Disturbance::ManualUpdate { key, value } => self.manual_update(*key, value.clone()),
            Disturbance::FailOver => {
                world.fail_over();
                true
            }
            Disturbance::Wait(duration) => {
                self.pass(*duration);
                true
            }
        };
        if done { Happened::Other } else { Happened::Impossible }
    }

    fn expire(&mut self, item: &Item) -> bool {
        let now = self.world.now;
        let Some(Some(_)) = self.world.cache.ttl(item, now) else { return false };
        let entry = self.world.cache.entries(now).find(|(found, _)| *found == item);
        let Some(at) = entry.and_then(|(_, entry)| entry.expires) else { return false };
        self.move_clock_to(at);
        true
    }

    fn manual_update(&mut self, key: Key, value: Value) -> bool {
        let durability = Durability::Local;
        let request = Request::PrimaryWrite { key, value: value.clone(), durability };
        let Reaction::Answer(Ok(Response::Written { version, .. })) = self.world.apply(&request)
        else {
            return false;
        };
        let operation = self.play.begin(usize::MAX, u64::MAX, Action::Write(key, value.clone()));
        self.play.end(operation, Ending::Written(version));
        if let Some(recorder) = &self.setting.recorder {
            let op = Op::write(key, value);
            recorder.invoke(Process::Agent(0), op.clone());
            recorder.complete(Process::Agent(0), Kind::Ok, op.at_version(version), None);
        }
        true
    }
}
