use quarrel_checkers::{Site, Value};
use quarrel_sim::{Disturbance, Happened, Mishap, Move, Stage, Stuck};
use quarrel_strategy::stores::{Item, Request};

use super::{Bounds, PlacedFault, bounds::KEY, walk::Ground};

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
pub(super) fn candidates(stage: &Stage, ground: &Ground<'_>, struck: Struck) -> Vec<Move> {
    let bounds = ground.bounds;
    let mut moves = Vec::new();
    if struck.post == Post::Looked {
        let others = (0..stage.actors()).filter(|actor| *actor != ground.auditor());
        let would_hear = others.filter(|actor| stage.would_hear(*actor));
        return would_hear.map(|actor| Move::Step { actor, mishap: None }).collect();
    }
    let strike = struck.count < bounds.strikes;
    for actor in (0..stage.actors()).filter(|actor| *actor != ground.auditor()) {
        let ready = stage.could_begin(actor) || stage.next_call(actor).is_some();
        if ready {
            moves.push(Move::Step { actor, mishap: None });
        }
        if ready && strike {
            mishaps(stage, actor, bounds, &mut moves);
        }
        if strike && bounds.allows(PlacedFault::ClientCrash) && !stage.idle(actor) {
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
    // After the faults: of two breaks of one length the fault says more.
    climate_of_messages(stage, ground, &mut moves);
    moves
}

fn mishaps(stage: &Stage, actor: usize, bounds: &Bounds, moves: &mut Vec<Move>) {
    let next = stage.next_call(actor);
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
fn climate_of_messages(stage: &Stage, ground: &Ground<'_>, moves: &mut Vec<Move>) {
    let mut others = (0..stage.actors()).filter(|actor| *actor != ground.auditor());
    if others.any(|actor| stage.would_hear(actor)) {
        moves.push(Move::Disturb(match stage.world.cache.posted().is_held() {
            false => Disturbance::HoldMessages,
            true => Disturbance::ReleaseMessages,
        }));
    }
}

fn disturbances(stage: &Stage, bounds: &Bounds, struck: Struck, moves: &mut Vec<Move>) {
    let mut add = |disturbance| moves.push(Move::Disturb(disturbance));
    let now = stage.world.now;
    if struck.acks == Acks::Held {
        add(Disturbance::ResumeAcknowledgements);
    }
    if bounds.allows(PlacedFault::CacheRollback)
        && struck.saved == Saved::Never
        && stage.world.cache.differs_from_snapshot()
    {
        add(Disturbance::SaveCache);
    }
    if struck.count >= bounds.strikes {
        return;
    }
    let looks = |who| stage.may_go_on(who);
    let mail = stage.world.cache.posted();
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
    if bounds.allows(PlacedFault::CacheRollback) && stage.world.cache.differs_from_snapshot() {
        add(Disturbance::RestoreCache);
    }
    if bounds.allows(PlacedFault::CacheWiped) && !stage.world.cache.is_empty() {
        add(Disturbance::WipeCache);
    }
    if bounds.allows(PlacedFault::Eviction) || bounds.allows(PlacedFault::Expiry) {
        let mut items: Vec<(Item, bool)> = stage
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
    if bounds.allows(PlacedFault::Failover) && !stage.world.failed_over() {
        add(Disturbance::FailOver);
    }
}

/// Makes a move that [`candidates`] named.
pub(super) fn make(
    stage: &mut Stage,
    bounds: &Bounds,
    struck: Struck,
    a_move: &Move,
) -> Result<Happened, Stuck> {
    if let (Move::Step { actor, mishap: None }, Post::Looked) = (a_move, struck.post) {
        stage.begin(*actor)?;
        if !stage.next_call(*actor).is_some_and(Request::listens) {
            return Ok(Happened::Impossible);
        }
    }
    if let Move::Step { actor, mishap: Some(mishap) } = a_move {
        stage.begin(*actor)?;
        let fits = stage
            .next_call(*actor)
            .filter(|call| may_go_wrong(call, *mishap))
            .is_some_and(|call| bounds.allows(PlacedFault::Call(call.site(), *mishap)));
        if !fits {
            return Ok(Happened::Impossible);
        }
    }
    stage.perform(a_move)
}
