use quarrel_checkers::{Site, Value};
use quarrel_sim::{Disturbance, Happened, Mishap, Move, Simulation, Stuck};
use quarrel_strategy::stores::{Item, Request};

use super::{Bounds, PlacedFault, bounds::KEY, walk::SearchSpace};

/// How many faults have struck on the way to a state, and which of those that
/// strike once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Struck {
    pub(super) count: usize,
    saved: Saved,
    acks: Acks,
    post: Post,
}

/// What the next move may be about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Post {
    #[default]
    Anything,
    /// Messages have just been held or released, which shows only to who looks:
    /// somebody looks, before anything else happens.
    Looked,
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
        let turns = Move::Disturb(Disturbance::HoldMessages) == *a_move
            || Move::Disturb(Disturbance::ReleaseMessages) == *a_move;
        self.post = if turns { Post::Looked } else { Post::Anything };
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
pub(super) fn candidates(
    simulation: &Simulation,
    space: &SearchSpace<'_>,
    struck: Struck,
) -> Vec<Move> {
    let bounds = space.bounds;
    let mut moves = Vec::new();
    if struck.post == Post::Looked {
        let others = (0..simulation.actors()).filter(|actor| *actor != space.auditor());
        let would_hear = others.filter(|actor| simulation.would_hear(*actor));
        return would_hear.map(|actor| Move::Step { actor, mishap: None }).collect();
    }
    let strike = struck.count < bounds.strikes;
    for actor in (0..simulation.actors()).filter(|actor| *actor != space.auditor()) {
        let ready = simulation.could_begin(actor) || simulation.next_call(actor).is_some();
        if ready {
            moves.push(Move::Step { actor, mishap: None });
        }
        if ready && strike {
            mishaps(simulation, actor, bounds, &mut moves);
        }
        if strike && bounds.allows(PlacedFault::ClientCrash) && !simulation.idle(actor) {
            moves.push(Move::Crash { actor });
        }
        if simulation.asleep(actor) {
            moves.push(Move::Wake { actor });
        }
        if simulation.delayed().any(|late| late == actor) {
            moves.push(Move::Deliver { actor });
        }
    }
    if simulation.world.behind() > 0 && simulation.following() == quarrel_sim::Following::WhenTold {
        moves.push(Move::Replay);
    }
    disturbances(simulation, bounds, struck, &mut moves);
    // After the faults: of two breaks of one length the fault says more.
    climate_of_messages(simulation, space, &mut moves);
    moves
}

fn mishaps(simulation: &Simulation, actor: usize, bounds: &Bounds, moves: &mut Vec<Move>) {
    let next = simulation.next_call(actor);
    for mishap in Mishap::ALL {
        let fits = |site: Site| {
            bounds.allows(PlacedFault::Call(site, mishap))
                && next.is_none_or(|next| next.site() == site && may_go_wrong(next, mishap))
        };
        if [Site::Primary, Site::Replica, Site::Cache].into_iter().any(fits) {
            moves.push(Move::Step { actor, mishap: Some(mishap) });
        }
    }
}

/// Whether a call can meet with `mishap`. Who looks at what it was told asks
/// nobody; where it has to connect first, that may fail, and has no effect that
/// could be late.
fn may_go_wrong(call: &Request, mishap: Mishap) -> bool {
    match call {
        Request::CacheInvalidations => false,
        Request::CacheHear => mishap == Mishap::Fails,
        _ => true,
    }
}

/// Messages may be under way for any time: at each look of a client either all
/// that was sent to it has arrived, or nothing of it. That a part of it has is
/// not tried. To hold back nothing, or from nobody who looks, changes nothing.
fn climate_of_messages(simulation: &Simulation, space: &SearchSpace<'_>, moves: &mut Vec<Move>) {
    let mut others = (0..simulation.actors()).filter(|actor| *actor != space.auditor());
    if others.any(|actor| simulation.would_hear(actor)) {
        moves.push(Move::Disturb(match simulation.world.cache.posted().is_held() {
            false => Disturbance::HoldMessages,
            true => Disturbance::ReleaseMessages,
        }));
    }
}

fn disturbances(simulation: &Simulation, bounds: &Bounds, struck: Struck, moves: &mut Vec<Move>) {
    let mut add = |disturbance| moves.push(Move::Disturb(disturbance));
    let now = simulation.world.now;
    if struck.acks == Acks::Held {
        add(Disturbance::ResumeAcknowledgements);
    }
    if bounds.allows(PlacedFault::CacheRollback)
        && struck.saved == Saved::Never
        && simulation.world.cache.differs_from_snapshot()
    {
        add(Disturbance::SaveCache);
    }
    if struck.count >= bounds.strikes {
        return;
    }
    let looks = |who| simulation.may_go_on(who);
    let mail = simulation.world.cache.posted();
    let breaks = bounds.allows(PlacedFault::MessagesLost)
        || bounds.allows(PlacedFault::Call(Site::Cache, Mishap::Fails));
    if breaks && mail.is_listened_to(looks) {
        add(Disturbance::LoseMessages);
    }
    if bounds.allows(PlacedFault::MessagesReordered) && mail.has_an_order(looks) {
        add(Disturbance::ReorderMessages);
    }
    if bounds.allows(PlacedFault::LateAcknowledgement) && struck.acks == Acks::Flow {
        add(Disturbance::PauseAcknowledgements);
    }
    if bounds.allows(PlacedFault::CacheRollback) && simulation.world.cache.differs_from_snapshot() {
        add(Disturbance::RestoreCache);
    }
    if bounds.allows(PlacedFault::CacheWiped) && !simulation.world.cache.is_empty() {
        add(Disturbance::WipeCache);
    }
    if bounds.allows(PlacedFault::Eviction) || bounds.allows(PlacedFault::Expiry) {
        let mut items: Vec<(Item, bool)> = simulation
            .world
            .cache
            .entries(now)
            .map(|(item, entry)| (*item, entry.expires.is_some()))
            .collect();
        items.sort_unstable();
        for (item, mortal) in items {
            if bounds.allows(PlacedFault::Eviction) {
                add(Disturbance::Evict(item));
            }
            if mortal && bounds.allows(PlacedFault::Expiry) {
                add(Disturbance::Expire(item));
            }
        }
    }
    if bounds.allows(PlacedFault::ManualSql) {
        let value = Value::from(format!("Manual{}", struck.count + 1).as_str());
        add(Disturbance::ManualUpdate { key: KEY, value });
    }
    if bounds.allows(PlacedFault::Failover) && !simulation.world.failed_over() {
        add(Disturbance::FailOver);
    }
}

/// Makes a move that [`candidates`] named.
pub(super) fn make(
    simulation: &mut Simulation,
    bounds: &Bounds,
    struck: Struck,
    a_move: &Move,
) -> Result<Happened, Stuck> {
    if let (Move::Step { actor, mishap: None }, Post::Looked) = (a_move, struck.post) {
        simulation.begin(*actor)?;
        if !simulation.next_call(*actor).is_some_and(Request::listens) {
            return Ok(Happened::Impossible);
        }
    }
    if let Move::Step { actor, mishap: Some(mishap) } = a_move {
        simulation.begin(*actor)?;
        let fits = simulation
            .next_call(*actor)
            .filter(|call| may_go_wrong(call, *mishap))
            .is_some_and(|call| bounds.allows(PlacedFault::Call(call.site(), *mishap)));
        if !fits {
            return Ok(Happened::Impossible);
        }
    }
    simulation.perform(a_move)
}
