//! Which moves may change places without anybody noticing.

use quarrel_checkers::Object;
use quarrel_sim::{Called, Move, Simulation};
use quarrel_strategy::stores::{Durability, Item, Request};

/// What one move did, as far as its order with another one matters. It is
/// taken from the execution: what a move will do is not known before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Footprint {
    /// Whose turn it was; none if nobody's.
    actor: Option<usize>,
    touches: Touches,
    tells: Tells,
    /// Whether it began or ended an operation. What was over when something
    /// began is what verdicts are about.
    bound: Bound,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Touches {
    /// No store: what the client has in its memory, or has been told.
    Nothing,
    ReadsPrimary,
    /// The log and, where it follows at once, the replica.
    WritesPrimary,
    ReadsReplica,
    WritesReplica,
    ReadsCache(Object),
    WritesCache(Object),
    /// Nothing may change places with it: a fault, a wait, a script.
    Everything,
}

/// What a move has to do with messages to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tells {
    Nobody,
    /// Its client takes in what it was told.
    Takes,
    /// Somebody is told.
    Sends,
}

impl Tells {
    /// Two clients take in their own; what is sent has an order.
    const fn commutes_with(self, other: Self) -> bool {
        matches!((self, other), (Self::Nobody, _) | (_, Self::Nobody) | (Self::Takes, Self::Takes))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    None,
    Begins,
    Ends,
    Both,
}

/// What a simulation looked like before a move.
pub(super) struct Before {
    operations: usize,
    ended: usize,
    actors: usize,
    waiting: bool,
    sent: u64,
}

impl Before {
    pub(super) fn of(simulation: &Simulation) -> Self {
        Self {
            operations: simulation.logical().operations().len(),
            ended: simulation.logical().ended(),
            actors: simulation.actors(),
            waiting: simulation.anyone_waits(),
            sent: simulation.world.cache.posted().sent(),
        }
    }
}

impl Footprint {
    /// Of `a_move`, which has just been made on `simulation`.
    pub(super) fn of(a_move: &Move, before: &Before, simulation: &Simulation) -> Self {
        let after = Before::of(simulation);
        let settled = before.waiting || after.waiting;
        let last = simulation.last_call().map(|called| &called.request);
        let tells = match (a_move, last) {
            (Move::Step { mishap: None, .. }, Some(request)) if request.listens() => Tells::Takes,
            // Who is not told because nobody listens yet would be, a little later.
            (Move::Step { mishap: None, .. }, Some(Request::CachePublish { .. })) => Tells::Sends,
            _ if after.sent > before.sent => Tells::Sends,
            _ => Tells::Nobody,
        };
        let (actor, touches) = match a_move {
            // Jobs have numbers in the order in which they were put off.
            _ if settled || after.actors != before.actors => (None, Touches::Everything),
            Move::Step { actor, mishap: None } => (Some(*actor), touches(simulation.last_call())),
            Move::Replay => (None, Touches::WritesReplica),
            _ => (None, Touches::Everything),
        };
        let bound = match (after.operations > before.operations, after.ended > before.ended) {
            (false, false) => Bound::None,
            (true, false) => Bound::Begins,
            (false, true) => Bound::Ends,
            (true, true) => Bound::Both,
        };
        Self { actor, touches, tells, bound }
    }

    /// Of a move after which nothing is possible.
    pub(super) const fn of_the_last() -> Self {
        let (touches, tells) = (Touches::Everything, Tells::Sends);
        Self { actor: None, touches, tells, bound: Bound::Both }
    }

    /// Whether two moves that were both possible lead to the same state in
    /// either order, with the same answers.
    pub(super) fn commutes_with(&self, other: &Self) -> bool {
        let same_actor = self.actor.is_some() && self.actor == other.actor;
        // Nothing happens after the last operation has ended: what is nobody's
        // turn may be possible only as long as that one is not over.
        let outlasts = |one: &Self, other: &Self| {
            one.actor.is_none() && matches!(other.bound, Bound::Ends | Bound::Both)
        };
        !same_actor
            && !outlasts(self, other)
            && !outlasts(other, self)
            && self.bound.commutes_with(other.bound)
            && self.tells.commutes_with(other.tells)
            && !self.touches.meets(&other.touches)
    }
}

impl Bound {
    const fn commutes_with(self, other: Self) -> bool {
        matches!(
            (self, other),
            (Self::None, _)
                | (_, Self::None)
                | (Self::Begins, Self::Begins)
                | (Self::Ends, Self::Ends)
        )
    }
}

impl Touches {
    fn meets(&self, other: &Self) -> bool {
        use Touches::{
            Everything, Nothing, ReadsCache, ReadsPrimary, ReadsReplica, WritesCache,
            WritesPrimary, WritesReplica,
        };
        match (self, other) {
            (Everything, _) | (_, Everything) => true,
            (Nothing, _) | (_, Nothing) => false,
            (WritesCache(one), WritesCache(two) | ReadsCache(two))
            | (ReadsCache(one), WritesCache(two)) => one == two,
            (ReadsCache(_) | WritesCache(_), _) | (_, ReadsCache(_) | WritesCache(_)) => false,
            (WritesPrimary, _) | (_, WritesPrimary) => true,
            (WritesReplica, WritesReplica | ReadsReplica) | (ReadsReplica, WritesReplica) => true,
            (ReadsPrimary | ReadsReplica | WritesReplica, _) => false,
        }
    }
}

fn touches(called: Option<&Called>) -> Touches {
    // Without an answer it waits for a lock or for the replica.
    let Some(Called { request, answer: Some(_) }) = called else { return Touches::Everything };
    let object = |item: &Item| Object::from(*item);
    match request {
        Request::PrimaryRead(_) => Touches::ReadsPrimary,
        Request::PrimaryWrite { durability: Durability::Local, .. } => Touches::WritesPrimary,
        Request::ReplicaRead(_) => Touches::ReadsReplica,
        // Who reads as one who is told of changes is put on the entry's list, which
        // only a change of the entry looks at.
        Request::CacheGet(item) | Request::CacheGetTracked(item) | Request::CacheTtl(item) => {
            Touches::ReadsCache(object(item))
        }
        Request::CacheInvalidations
        | Request::CacheHear
        | Request::CachePublish { .. }
        | Request::Near { .. } => Touches::Nothing,
        Request::CacheSet { item, .. }
        | Request::CacheSetIfAbsent { item, .. }
        | Request::CacheDel(item) => Touches::WritesCache(object(item)),
        _ => Touches::Everything,
    }
}
