use quarrel_checkers::{Site, Value};
use quarrel_sim::{Disturbance, Happened, Mishap, Move, Stage, Stuck};
use quarrel_strategy::stores::Item;

use super::{Bounds, Fault, bounds::KEY, walk::Ground};

/// How many faults have struck on the way to a state, and which of those that
/// strike once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Struck {
    pub(super) count: usize,
    saved: Saved,
    acks: Acks,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Saved {
    #[default]
    Never,
    Once,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Acks {
    #[default]
    Flow,
    Held,
}

impl Struck {
    /// Takes note of a move.
    pub(super) fn note(&mut self, a_move: &Move) {
        match a_move {
            Move::Step { mishap: Some(_), .. } | Move::Crash { .. } => self.count += 1,
            Move::Disturb(Disturbance::SaveCache) => self.saved = Saved::Once,
            Move::Disturb(Disturbance::PauseAcknowledgements) => {
                self.count += 1;
                self.acks = Acks::Held;
            }
            Move::Disturb(Disturbance::ResumeAcknowledgements) => self.acks = Acks::Flow,
            // As replica lag: a climate.
            Move::Disturb(Disturbance::HoldMessages | Disturbance::ReleaseMessages) => {}
            Move::Disturb(_) => self.count += 1,
            Move::Step { mishap: None, .. }
            | Move::Wake { .. }
            | Move::Deliver { .. }
            | Move::Replay => {}
        }
    }
}

/// What a move costs: steps first, everything else second.
pub(super) fn cost(a_move: &Move) -> (u32, u32) {
    match a_move {
        Move::Step { mishap: None, .. } => (1, 0),
        Move::Step { mishap: Some(_), .. } => (1, 1),
        _ => (0, 1),
    }
}

/// Every move that may be possible next, in an order that depends on nothing
/// but the state. Some of them turn out to be impossible when tried: which
/// store an operation calls first is not known before it begins.
pub(super) fn candidates(stage: &Stage, ground: &Ground<'_>, struck: Struck) -> Vec<Move> {
    let bounds = ground.bounds;
    let mut moves = Vec::new();
    let strike = struck.count < bounds.strikes;
    for actor in (0..stage.actors()).filter(|actor| *actor != ground.auditor()) {
        let ready = stage.could_begin(actor) || stage.next_call(actor).is_some();
        if ready {
            moves.push(Move::Step { actor, mishap: None });
        }
        if ready && strike {
            mishaps(stage, actor, bounds, &mut moves);
        }
        if strike && bounds.allows(Fault::ClientCrash) && !stage.idle(actor) {
            moves.push(Move::Crash { actor });
        }
        if stage.asleep(actor) {
            moves.push(Move::Wake { actor });
        }
        if stage.delayed().any(|late| late == actor) {
            moves.push(Move::Deliver { actor });
        }
    }
    if stage.world.behind() > 0 && stage.following() == quarrel_sim::Following::WhenTold {
        moves.push(Move::Replay);
    }
    disturbances(stage, bounds, struck, &mut moves);
    moves
}

fn mishaps(stage: &Stage, actor: usize, bounds: &Bounds, moves: &mut Vec<Move>) {
    let next = stage.next_call(actor).map(quarrel_strategy::stores::Request::site);
    for mishap in Mishap::ALL {
        let fits = |site: Site| {
            bounds.allows(Fault::Call(site, mishap)) && next.is_none_or(|next| next == site)
        };
        if [Site::Primary, Site::Replica, Site::Cache].into_iter().any(fits) {
            moves.push(Move::Step { actor, mishap: Some(mishap) });
        }
    }
}

fn disturbances(stage: &Stage, bounds: &Bounds, struck: Struck, moves: &mut Vec<Move>) {
    let mut add = |disturbance| moves.push(Move::Disturb(disturbance));
    let now = stage.world.now;
    if struck.acks == Acks::Held {
        add(Disturbance::ResumeAcknowledgements);
    }
    if bounds.allows(Fault::CacheRollback)
        && struck.saved == Saved::Never
        && stage.world.cache.differs_from_snapshot()
    {
        add(Disturbance::SaveCache);
    }
    let tracking = stage.world.cache.tracked();
    match tracking.is_held() {
        false if tracking.is_watched() => add(Disturbance::HoldMessages),
        true if tracking.has_messages() => add(Disturbance::ReleaseMessages),
        _ => {}
    }
    if struck.count >= bounds.strikes {
        return;
    }
    if bounds.allows(Fault::LateAcknowledgement) && struck.acks == Acks::Flow {
        add(Disturbance::PauseAcknowledgements);
    }
    if bounds.allows(Fault::CacheRollback) && stage.world.cache.differs_from_snapshot() {
        add(Disturbance::RestoreCache);
    }
    if bounds.allows(Fault::CacheWiped) && !stage.world.cache.is_empty() {
        add(Disturbance::WipeCache);
    }
    if bounds.allows(Fault::Eviction) || bounds.allows(Fault::Expiry) {
        let mut items: Vec<(Item, bool)> = stage
            .world
            .cache
            .entries(now)
            .map(|(item, entry)| (*item, entry.expires.is_some()))
            .collect();
        items.sort_unstable();
        for (item, mortal) in items {
            if bounds.allows(Fault::Eviction) {
                add(Disturbance::Evict(item));
            }
            if mortal && bounds.allows(Fault::Expiry) {
                add(Disturbance::Expire(item));
            }
        }
    }
    if bounds.allows(Fault::ManualSql) {
        let value = Value::from(format!("Manual{}", struck.count + 1).as_str());
        add(Disturbance::ManualUpdate { key: KEY, value });
    }
    if bounds.allows(Fault::Failover) && !stage.world.failed_over() {
        add(Disturbance::FailOver);
    }
}

/// Makes a move that [`candidates`] named.
pub(super) fn make(stage: &mut Stage, bounds: &Bounds, a_move: &Move) -> Result<Happened, Stuck> {
    if let Move::Step { actor, mishap: Some(mishap) } = a_move {
        stage.begin(*actor)?;
        let fits = stage
            .next_call(*actor)
            .is_some_and(|call| bounds.allows(Fault::Call(call.site(), *mishap)));
        if !fits {
            return Ok(Happened::Impossible);
        }
    }
    stage.perform(a_move)
}
