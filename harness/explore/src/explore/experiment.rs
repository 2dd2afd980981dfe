//! A course with one thing changed.

use std::time::Duration;

use quarrel_checkers::{Cause, Index, Time};
use quarrel_sim::{Claim, Disturbance, Following, Mishap, Move};
use quarrel_strategy::strategy::Action;

use super::shrink::actor;
use crate::race::{Course, CourseTurn, SimulatedRace, Timed};

/// One thing that may be changed.
pub(super) struct Change {
    /// What.
    pub(super) words: &'static str,
    /// What it proves, of what steps show.
    proves: &'static [Cause],
    /// What it proves where steps show nothing.
    suggests: Option<Cause>,
    apply: fn(&Original<'_>) -> Option<Changed>,
}

/// What may be changed, the most telling first: a fault that was injected says
/// more than an order that happened to come about.
pub(super) const CHANGES: &[Change] = &[
    Change {
        words: "nobody changes a row by hand",
        proves: &[Cause::OutOfBandChange],
        suggests: Some(Cause::OutOfBandChange),
        apply: without_manual_updates,
    },
    Change {
        words: "there is no failover",
        proves: &[Cause::LostWrite],
        suggests: Some(Cause::LostWrite),
        apply: without_failover,
    },
    Change {
        words: "the cache loses nothing and brings nothing old back",
        proves: &[Cause::ResurrectedEntry],
        suggests: Some(Cause::ResurrectedEntry),
        apply: with_a_faithful_cache,
    },
    Change {
        words: "no delayed call is executed late",
        proves: &[Cause::LateMessage],
        suggests: Some(Cause::LateMessage),
        apply: without_late_messages,
    },
    Change {
        words: "every call succeeds and no client crashes",
        proves: &[Cause::FailedInvalidation, Cause::LostWrite, Cause::SetBeforeCommit],
        suggests: Some(Cause::FailedInvalidation),
        apply: without_mishaps,
    },
    Change {
        words: "the replica is never behind",
        proves: &[Cause::ReplicaLagRefill, Cause::ReplicaLag],
        suggests: Some(Cause::ReplicaLagRefill),
        apply: with_fresh_replica,
    },
    Change {
        words: "writers take turns",
        proves: &[Cause::WriteWriteRace],
        suggests: Some(Cause::WriteWriteRace),
        apply: with_writers_one_by_one,
    },
    Change {
        words: "nobody comes between the steps of the read that filled the cache",
        proves: &[Cause::InFlightRefill],
        suggests: Some(Cause::InFlightRefill),
        apply: with_the_fill_undisturbed,
    },
    Change {
        words: "nobody comes between a writer's steps",
        proves: &[
            Cause::InvalidateBeforeCommit,
            Cause::PendingInvalidation,
            Cause::SetBeforeCommit,
        ],
        suggests: None,
        apply: with_undisturbed_writers,
    },
    Change {
        words: "every message arrives at once",
        proves: &[Cause::PendingInvalidation],
        suggests: None,
        apply: with_prompt_messages,
    },
    Change {
        words: "no message is lost",
        proves: &[Cause::LostInvalidation],
        suggests: Some(Cause::LostInvalidation),
        apply: without_lost_messages,
    },
    Change {
        words: "messages arrive in their order",
        proves: &[Cause::LateMessage],
        suggests: Some(Cause::LateMessage),
        apply: with_messages_in_order,
    },
    Change {
        words: "background work is done at once",
        proves: &[Cause::PendingInvalidation, Cause::SetBeforeCommit],
        suggests: Some(Cause::PendingInvalidation),
        apply: with_prompt_agents,
    },
    Change {
        words: "every write empties the cache",
        proves: &[Cause::ForgottenInvalidation, Cause::ExpiryOnly, Cause::CachedAbsence],
        suggests: None,
        apply: with_emptying_writes,
    },
];

impl Change {
    /// What it proves if the anomaly goes away with it, where steps show
    /// `shown`.
    pub(super) fn could_prove(&self, shown: Cause) -> Option<Cause> {
        self.proves.contains(&shown).then_some(shown).or(self.suggests)
    }
}

/// A course and when its turns were taken.
pub(super) struct Original<'a> {
    course: &'a Course,
    turns: Vec<Timed>,
    /// Whose turn each is: the client and its operation.
    owners: &'a [Option<(usize, usize)>],
    /// The operation that went wrong; none if that shows only in the end.
    victim: Option<(usize, usize)>,
    /// The operation that filled the cache.
    filler: Option<(usize, usize)>,
    /// Operations that had not come to their end.
    open: Vec<(usize, usize)>,
}

/// The same with one thing changed.
pub(super) struct Changed {
    pub(super) course: Course,
    pub(super) turns: Vec<Timed>,
}

impl<'a> Original<'a> {
    pub(super) fn of(
        course: &'a Course,
        performance: &'a SimulatedRace,
        victim: Index,
        filler: Option<Index>,
        claim: Claim,
    ) -> Self {
        let owner = |invoke: Index| {
            let found = performance.operations.iter().find(|it| it.invoke == invoke);
            found.map(|it| it.owner)
        };
        let timed = |(a_move, at): (&Move, &Time)| Timed {
            at: Some(*at),
            turn: CourseTurn::Move(a_move.clone()),
        };
        let is_about_the_end = matches!(claim, Claim::Lost | Claim::Diverged);
        Self {
            course,
            turns: performance.moves.iter().zip(&performance.instants).map(timed).collect(),
            owners: &performance.owners,
            victim: owner(victim).filter(|_| !is_about_the_end),
            filler: filler.and_then(owner),
            open: performance
                .operations
                .iter()
                .filter(|it| !it.has_ended)
                .map(|it| it.owner)
                .collect(),
        }
    }

    /// The operation that went wrong; none if that shows only in the end.
    pub(super) const fn victim(&self) -> Option<(usize, usize)> {
        self.victim
    }

    /// Everything as it was.
    pub(super) fn unchanged(&self) -> Changed {
        self.changed(self.turns.clone())
    }

    /// With one thing changed; none if there is nothing to change.
    pub(super) fn with(&self, change: &Change) -> Option<Changed> {
        (change.apply)(self)
    }

    /// Whether what went wrong had the chance to.
    pub(super) fn came_to_its_end(&self, performed: &SimulatedRace) -> bool {
        match self.victim {
            None => performed.is_settled,
            Some(victim) => {
                performed.operations.iter().any(|it| it.owner == victim && it.has_ended)
            }
        }
    }

    fn changed(&self, turns: Vec<Timed>) -> Changed {
        let mut turns = turns;
        turns.extend(self.last_turns());
        Changed { course: self.course.clone(), turns }
    }

    fn if_other(&self, turns: Vec<Timed>) -> Option<Changed> {
        (turns != self.turns).then(|| self.changed(turns))
    }

    /// After a change operations may take more steps than before: all of them
    /// get the turns to end, and so does what they leave to others.
    fn last_turns(&self) -> impl Iterator<Item = Timed> + use<> {
        const ENOUGH: usize = 20;
        let at = self.turns.last().and_then(|turn| turn.at);
        // Nobody begins anything new: only those who had a turn go on.
        let clients = self.course.clients.len();
        let mut begun: Vec<usize> = self.course.moves.iter().filter_map(actor).collect();
        begun.retain(|client| *client < clients);
        begun.sort_unstable();
        begun.dedup();
        let clients = begun.into_iter().flat_map(|client| std::iter::repeat_n(client, ENOUGH));
        let turns = clients.chain(self.background());
        turns.map(move |actor| Timed { at, turn: CourseTurn::Finish(actor) })
    }

    /// Turns for whatever agents and jobs there may be; those that are not
    /// there leave them out.
    fn background(&self) -> impl Iterator<Item = usize> + use<> {
        const TURNS: usize = 20;
        const MOST: usize = 8;
        let first = self.course.clients.len() + self.course.keys.len();
        (first..first + MOST).flat_map(|actor| std::iter::repeat_n(actor, TURNS))
    }

    fn without(&self, is_left_out: impl Fn(&Move) -> bool) -> Option<Changed> {
        let mut turns = self.turns.clone();
        turns.retain(|turn| !matches!(&turn.turn, CourseTurn::Move(a_move) if is_left_out(a_move)));
        self.if_other(turns)
    }

    /// All turns of each chosen operation directly after its first one, and at
    /// the same instant.
    fn undisturbed(&self, chosen: impl Fn((usize, usize)) -> bool) -> Option<Changed> {
        // An operation may now take more steps than it did.
        const MORE: usize = 12;
        let mut turns: Vec<Timed> = Vec::new();
        let mut moved: Vec<(usize, usize)> = Vec::new();
        let mut has_gap = false;
        for (place, (turn, owner)) in self.turns.iter().zip(self.owners).enumerate() {
            let Some(owner) = owner.filter(|owner| chosen(*owner)) else {
                turns.push(turn.clone());
                continue;
            };
            if moved.contains(&owner) {
                has_gap |= self.owners[place - 1] != Some(owner);
                continue;
            }
            moved.push(owner);
            has_gap |= self.open.contains(&owner);
            let its = self.turns.iter().zip(self.owners).filter(|(_, of)| **of == Some(owner));
            turns.extend(its.map(|(its, _)| Timed { at: turn.at, turn: hurried(&its.turn) }));
            let more = Timed { at: turn.at, turn: CourseTurn::GoOn(owner.0) };
            turns.extend(std::iter::repeat_n(more, MORE));
        }
        has_gap.then(|| self.changed(turns))
    }

    fn is_write(&self, (client, number): (usize, usize)) -> bool {
        let action = self.course.clients.get(client).and_then(|actions| actions.get(number));
        matches!(action, Some(Action::Write(..)))
    }

    fn writes(&self) -> Vec<(usize, usize)> {
        let mut writes: Vec<_> = self.owners.iter().copied().flatten().collect();
        writes.retain(|owner| self.is_write(*owner));
        writes.sort_unstable();
        writes.dedup();
        writes
    }
}

impl Changed {
    /// Whether it differs from what it was made of in more than hurry.
    pub(super) fn is_another(&self, original: &Original<'_>) -> bool {
        let unhurried = self.turns.iter().filter(|turn| !matches!(turn.turn, CourseTurn::Hurry(_)));
        let unchanged = original.unchanged();
        self.course != unchanged.course || !unhurried.eq(unchanged.turns.iter())
    }
}

/// A client that waits by itself is not waited for when its turn is moved.
fn hurried(turn: &CourseTurn) -> CourseTurn {
    match turn {
        CourseTurn::Move(Move::Wake { actor }) => CourseTurn::GoOn(*actor),
        other => other.clone(),
    }
}

fn without_manual_updates(original: &Original<'_>) -> Option<Changed> {
    original.without(|a_move| matches!(a_move, Move::Disturb(Disturbance::ManualUpdate { .. })))
}

fn without_failover(original: &Original<'_>) -> Option<Changed> {
    original.without(|a_move| *a_move == Move::Disturb(Disturbance::FailOver))
}

fn with_a_faithful_cache(original: &Original<'_>) -> Option<Changed> {
    let is_lossy = |a_move: &Move| {
        matches!(
            a_move,
            Move::Disturb(
                Disturbance::RestoreCache
                    | Disturbance::WipeCache
                    | Disturbance::Evict(_)
                    | Disturbance::Expire(_)
            )
        )
    };
    let mut turns = Vec::new();
    // An entry whose time does not come makes no time pass.
    let mut saved = Duration::ZERO;
    for (place, Timed { at, turn }) in original.turns.iter().enumerate() {
        if let CourseTurn::Move(a_move) = turn
            && is_lossy(a_move)
        {
            let next = original.turns.get(place + 1).and_then(|next| next.at);
            if let (Move::Disturb(Disturbance::Expire(_)), Some(at), Some(next)) =
                (a_move, at, next)
            {
                saved += next.since(*at).saturating_sub(Duration::from_millis(1));
            }
            continue;
        }
        let earlier = |at: Time| Time::ZERO + at.since(Time::ZERO).saturating_sub(saved);
        turns.push(Timed { at: at.map(earlier), turn: turn.clone() });
    }
    original.if_other(turns)
}

fn without_late_messages(original: &Original<'_>) -> Option<Changed> {
    original.without(|a_move| matches!(a_move, Move::Deliver { .. }))
}

fn without_mishaps(original: &Original<'_>) -> Option<Changed> {
    let mut turns = original.turns.clone();
    turns.retain(|turn| {
        !matches!(turn.turn, CourseTurn::Move(Move::Crash { .. } | Move::Deliver { .. }))
    });
    for turn in &mut turns {
        if let CourseTurn::Move(Move::Step {
            mishap:
                mishap @ Some(Mishap::Fails | Mishap::RequestLost | Mishap::ReplyLost | Mishap::Delayed),
            ..
        }) = &mut turn.turn
        {
            *mishap = None;
        }
    }
    original.if_other(turns)
}

fn with_prompt_messages(original: &Original<'_>) -> Option<Changed> {
    original.without(|a_move| *a_move == Move::Disturb(Disturbance::HoldMessages))
}

fn without_lost_messages(original: &Original<'_>) -> Option<Changed> {
    original.without(|a_move| *a_move == Move::Disturb(Disturbance::LoseMessages))
}

fn with_messages_in_order(original: &Original<'_>) -> Option<Changed> {
    original.without(|a_move| *a_move == Move::Disturb(Disturbance::ReorderMessages))
}

fn with_fresh_replica(original: &Original<'_>) -> Option<Changed> {
    let moves_the_replica = |a_move: &Move| {
        matches!(
            a_move,
            Move::Replay
                | Move::Disturb(
                    Disturbance::PauseReplica
                        | Disturbance::ResumeReplica
                        | Disturbance::CatchUp
                        | Disturbance::ReplayTo { .. }
                )
        )
    };
    let mut turns = original.turns.clone();
    turns.retain(
        |turn| !matches!(&turn.turn, CourseTurn::Move(a_move) if moves_the_replica(a_move)),
    );
    let mut changed = original.changed(turns);
    changed.course.replica = Following::AtOnce;
    changed.is_another(original).then_some(changed)
}

fn with_writers_one_by_one(original: &Original<'_>) -> Option<Changed> {
    // With one writer there is no order to change.
    let mut writers: Vec<_> = original.writes().iter().map(|(client, _)| *client).collect();
    writers.dedup();
    if writers.len() < 2 { None } else { with_undisturbed_writers(original) }
}

/// Where steps do not show who filled the cache, the first read that somebody
/// came between.
fn with_the_fill_undisturbed(original: &Original<'_>) -> Option<Changed> {
    if let Some(filler) = original.filler {
        return original.undisturbed(|owner| owner == filler);
    }
    let clients = original.course.clients.len();
    let mut reads: Vec<_> = original.owners.iter().copied().flatten().collect();
    reads.retain(|owner| owner.0 < clients && !original.is_write(*owner));
    reads.into_iter().find_map(|read| original.undisturbed(|owner| owner == read))
}

fn with_undisturbed_writers(original: &Original<'_>) -> Option<Changed> {
    let writes = original.writes();
    original.undisturbed(|owner| writes.contains(&owner))
}

/// Agents and jobs get many turns at the beginning and after every turn of
/// anybody else.
fn with_prompt_agents(original: &Original<'_>) -> Option<Changed> {
    let prompt =
        |at| original.background().map(move |actor| Timed { at, turn: CourseTurn::Hurry(actor) });
    let mut turns: Vec<Timed> = prompt(Some(Time::ZERO)).collect();
    for turn in &original.turns {
        turns.push(turn.clone());
        turns.extend(prompt(turn.at));
    }
    Some(original.changed(turns))
}

fn with_emptying_writes(original: &Original<'_>) -> Option<Changed> {
    let writes = original.writes();
    let mut turns = Vec::new();
    for (place, (turn, owner)) in original.turns.iter().zip(original.owners).enumerate() {
        turns.push(turn.clone());
        let is_last = !original.owners[place + 1..].contains(owner);
        if is_last && owner.is_some_and(|owner| writes.contains(&owner)) {
            let wipe = CourseTurn::Move(Move::Disturb(Disturbance::WipeCache));
            turns.push(Timed { at: turn.at, turn: wipe });
        }
    }
    original.if_other(turns)
}
