use quarrel_checkers::Cause;

use super::shrink::actor;
use crate::{
    race::{Answer, Make, Plot, Race, What},
    sim::{Claim, Disturbance, Following, Mishap, Move, Stuck},
    strategy::Action,
};

/// One thing that was changed, and whether the anomaly went away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Experiment {
    /// What was changed.
    pub change: &'static str,
    /// What it would prove.
    pub cause: Cause,
    /// Whether the anomaly went away with it.
    pub vanished: bool,
}

type Change = fn(&Plot) -> Option<Plot>;

/// What may be changed, the most telling first: a fault that was injected says
/// more than an order that happened to come about.
const CHANGES: [(&str, Cause, Change); 11] = [
    ("nobody changes a row by hand", Cause::OutOfBandChange, without_manual_updates),
    ("there is no failover", Cause::LostWrite, without_failover),
    ("the cache does not come back with old entries", Cause::ResurrectedEntry, without_rollback),
    ("no delayed call is executed late", Cause::LateMessage, without_late_messages),
    ("every call succeeds and no client crashes", Cause::FailedInvalidation, without_mishaps),
    ("the replica is never behind", Cause::ReplicaLagRefill, with_fresh_replica),
    ("writers take turns", Cause::WriteWriteRace, with_writers_one_by_one),
    ("nobody comes between a reader's steps", Cause::InFlightRefill, with_undisturbed_readers),
    ("nobody comes between a writer's steps", Cause::InFlightRefill, with_undisturbed_writers),
    ("background work is done at once", Cause::PendingInvalidation, with_prompt_agents),
    ("the cache is empty before the last operation", Cause::ExpiryOnly, with_expired_entries),
];

/// Performs the plot again and again with one thing changed, and names as cause
/// the first change with which `claim` no longer comes true. `race` is the plot
/// in words.
///
/// # Errors
///
/// When the strategy waits for something that is no store.
pub fn cause(
    make: &Make<'_>,
    plot: &Plot,
    race: &Race,
    claim: Claim,
) -> Result<(Cause, Vec<Experiment>), Stuck> {
    let mut experiments = Vec::new();
    for (change, cause, apply) in CHANGES {
        let Some(mut changed) = apply(plot) else { continue };
        finish(&mut changed);
        let vanished = !changed.perform(make, claim)?.came_true;
        let cause = match cause {
            Cause::ReplicaLagRefill if !was_cached(race) => Cause::ReplicaLag,
            other => other,
        };
        experiments.push(Experiment { change, cause, vanished });
    }
    let found = experiments.iter().find(|experiment| experiment.vanished);
    Ok((found.map_or(Cause::Unexplained, |experiment| experiment.cause), experiments))
}

/// Whether what the last client saw came out of the cache.
fn was_cached(race: &Race) -> bool {
    let Some(last) = race.flat().filter(|line| line.claim.is_some()).find_map(|l| l.what.actor())
    else {
        // A claim about the end: whatever stays wrong is in the cache.
        return true;
    };
    let mine = race.flat().filter(|line| line.what.actor() == Some(last));
    let calls = mine.filter_map(|line| match &line.what {
        What::Step { call, reply, .. } => Some((call, reply)),
        _ => None,
    });
    let last_found = calls.filter(|(_, reply)| matches!(reply, Some(Answer::Found(_)))).last();
    last_found.is_some_and(|(call, _)| call.site.is_none())
}

/// After a change operations may take more steps than before: all of them get
/// the turns to end.
fn finish(plot: &mut Plot) {
    const ENOUGH: usize = 20;
    // Nobody begins anything new: only those who had a turn go on.
    let mut begun: Vec<usize> = plot.moves.iter().filter_map(actor).collect();
    begun.sort_unstable();
    begun.dedup();
    for client in begun.into_iter().filter(|client| *client < plot.clients.len()) {
        // Readers that had ended have nothing left to do.
        for _ in 0..ENOUGH {
            plot.moves.push(Move::Step { actor: client, mishap: None });
        }
    }
    plot.moves.extend(background_turns(plot));
}

/// Turns for whatever agents and jobs there may be; those that are not there
/// leave them out.
fn background_turns(plot: &Plot) -> impl Iterator<Item = Move> + use<> {
    const TURNS: usize = 20;
    const MOST: usize = 8;
    let first = plot.clients.len() + plot.keys.len();
    (first..first + MOST).flat_map(|actor| {
        (0..TURNS).flat_map(move |_| [Move::Wake { actor }, Move::Step { actor, mishap: None }])
    })
}

fn changed(plot: &Plot, keep: impl Fn(&Move) -> bool) -> Option<Plot> {
    let mut changed = plot.clone();
    changed.moves.retain(keep);
    (changed.moves.len() < plot.moves.len()).then_some(changed)
}

fn without_manual_updates(plot: &Plot) -> Option<Plot> {
    changed(plot, |a_move| !matches!(a_move, Move::Disturb(Disturbance::ManualUpdate { .. })))
}

fn without_failover(plot: &Plot) -> Option<Plot> {
    changed(plot, |a_move| *a_move != Move::Disturb(Disturbance::FailOver))
}

fn without_rollback(plot: &Plot) -> Option<Plot> {
    changed(plot, |a_move| *a_move != Move::Disturb(Disturbance::RestoreCache))
}

fn without_late_messages(plot: &Plot) -> Option<Plot> {
    changed(plot, |a_move| !matches!(a_move, Move::Deliver { .. }))
}

fn without_mishaps(plot: &Plot) -> Option<Plot> {
    let mut changed = plot.clone();
    changed.moves.retain(|a_move| !matches!(a_move, Move::Crash { .. } | Move::Deliver { .. }));
    for a_move in &mut changed.moves {
        if let Move::Step {
            mishap:
                mishap @ Some(Mishap::Fails | Mishap::RequestLost | Mishap::ReplyLost | Mishap::Delayed),
            ..
        } = a_move
        {
            *mishap = None;
        }
    }
    (changed != *plot).then_some(changed)
}

fn with_fresh_replica(plot: &Plot) -> Option<Plot> {
    let mut changed = plot.clone();
    changed.replica = Following::AtOnce;
    changed.moves.retain(|a_move| {
        !matches!(
            a_move,
            Move::Replay
                | Move::Disturb(
                    Disturbance::PauseReplica | Disturbance::CatchUp | Disturbance::ReplayTo { .. }
                )
        )
    });
    (changed != *plot).then_some(changed)
}

fn with_writers_one_by_one(plot: &Plot) -> Option<Plot> {
    let writes = |client: usize| {
        plot.clients.get(client).is_some_and(|operations| {
            operations.iter().any(|action| matches!(action, Action::Write(..)))
        })
    };
    let moves = |client: usize| plot.moves.iter().any(|a_move| actor(a_move) == Some(client));
    let writers =
        (0..plot.clients.len()).filter(|client| writes(*client) && moves(*client)).count();
    // With one writer there is no order to change.
    if writers < 2 { None } else { undisturbed(plot, writes) }
}

fn with_undisturbed_readers(plot: &Plot) -> Option<Plot> {
    undisturbed(plot, |client| {
        plot.clients.get(client).is_some_and(|operations| {
            operations.iter().all(|action| matches!(action, Action::Read(_)))
        })
    })
}

fn with_undisturbed_writers(plot: &Plot) -> Option<Plot> {
    undisturbed(plot, |client| {
        plot.clients.get(client).is_some_and(|operations| {
            operations.iter().any(|action| matches!(action, Action::Write(..)))
        })
    })
}

/// Agents and jobs get many turns at the beginning and after every turn of
/// anybody else.
fn with_prompt_agents(plot: &Plot) -> Option<Plot> {
    let mut changed = plot.clone();
    changed.moves = background_turns(plot).collect();
    for a_move in &plot.moves {
        changed.moves.push(a_move.clone());
        changed.moves.extend(background_turns(plot));
    }
    Some(changed)
}

/// All turns of each chosen client directly after its first one.
fn undisturbed(plot: &Plot, chosen: impl Fn(usize) -> bool) -> Option<Plot> {
    let mut moves: Vec<Move> = Vec::new();
    let mut moved = vec![false; plot.clients.len()];
    for a_move in &plot.moves {
        match actor(a_move) {
            Some(client) if client < moved.len() && chosen(client) => {
                if !std::mem::replace(&mut moved[client], true) {
                    let of = |other: &&Move| actor(other) == Some(client);
                    moves.extend(plot.moves.iter().filter(of).cloned());
                }
            }
            _ => moves.push(a_move.clone()),
        }
    }
    (moves != plot.moves).then(|| Plot { moves, ..plot.clone() })
}

fn with_expired_entries(plot: &Plot) -> Option<Plot> {
    let last = plot.moves.iter().rev().find_map(actor)?;
    let first_of_last = plot.moves.iter().position(|a_move| actor(a_move) == Some(last))?;
    let mut changed = plot.clone();
    changed.moves.insert(first_of_last, Move::Disturb(Disturbance::WipeCache));
    Some(changed)
}
