//! What the answers of steps say about the order in which stores executed them.

use quarrel_checkers::{Content, Reply, Site, Step, Time, Value};

/// Whose step it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who<'a> {
    /// A client.
    Client(usize),
    /// An agent of the strategy.
    Agent(usize),
    /// Somebody who sets the row to this value by hand.
    Operator(&'a Value),
}

/// A recorded step and who made it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken<'a> {
    pub(super) who: Who<'a>,
    pub(super) step: &'a Step,
}

/// A recorded step, or something that must have happened between two.
#[derive(Clone, Copy, Debug)]
pub(super) enum Turn<'a> {
    Step(Taken<'a>),
    /// The cache saved what it held.
    Save,
    /// And came back with it.
    Restore,
    /// The entry went away by itself.
    Evict,
    /// The replica became the primary; it had the row up to this version.
    FailOver {
        kept: u64,
    },
}

/// What a step does to the entry, or finds in it; nothing is "no entry".
enum Effect<'a> {
    Stores(Option<&'a Content>),
    Finds(Option<&'a Content>),
}

/// Steps that were under way at the same time may have been executed in either
/// order: puts them so that their answers agree, and adds what must have
/// happened where none agrees.
pub(super) fn agreeing(mut taken: Vec<Taken<'_>>) -> Vec<Turn<'_>> {
    for at in 0..taken.len() {
        put_in_order_of_versions(&mut taken, at);
    }
    if taken.iter().all(|turn| is_plain(turn.step)) {
        for at in 0..taken.len() {
            put_after_what_it_found(&mut taken, at);
        }
    }
    let inserted = inferred(&taken);
    let mut turns = Vec::with_capacity(taken.len() + inserted.len());
    for (at, turn) in taken.into_iter().enumerate() {
        turns.extend(inserted.iter().filter(|(before, _)| *before == at).map(|(_, turn)| *turn));
        turns.push(Turn::Step(turn));
    }
    turns
}

/// Whether it is clear what a step does to the cache: scripts, and other
/// entries than the row's own, are not understood here.
fn is_plain(step: &Step) -> bool {
    step.site != Site::Cache
        || step.is_message()
        || (matches!(&*step.verb, "GET" | "SET" | "DEL" | "PTTL")
            && step.object.as_ref().is_none_or(|o| o.space.is_empty() && o.version.is_none()))
}

fn effect(step: &Step) -> Option<Effect<'_>> {
    if step.site != Site::Cache {
        return None;
    }
    match (&*step.verb, &step.reply) {
        ("SET", Reply::Done { .. }) => Some(Effect::Stores(step.argument.as_ref())),
        ("DEL", Reply::Done { .. }) => Some(Effect::Stores(None)),
        ("GET", Reply::Found(content)) => Some(Effect::Finds(Some(content))),
        ("GET", Reply::Miss) => Some(Effect::Finds(None)),
        _ => None,
    }
}

fn stores(step: &Step, content: Option<&Content>) -> bool {
    matches!(effect(step), Some(Effect::Stores(stored)) if stored == content)
}

fn is_change(step: &Step) -> bool {
    matches!(effect(step), Some(Effect::Stores(_)))
}

fn end(step: &Step) -> Time {
    step.end.unwrap_or(Time::MAX)
}

fn overlap(one: &Step, two: &Step) -> bool {
    one.start <= end(two) && two.start <= end(one)
}

/// The version that a primary's step showed to exist, and whether it made it.
fn shown(step: &Step) -> Option<(u64, Shows)> {
    match (step.site, &*step.verb, &step.reply) {
        (Site::Primary, "UPDATE", Reply::Done { version: Some(version) }) => {
            Some((*version, Shows::Made))
        }
        (Site::Primary, "SELECT", Reply::Found(Content::Row { version, .. })) => {
            Some((*version, Shows::Found))
        }
        _ => None,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shows {
    Made,
    Found,
}

/// Moves an UPDATE before those under way with it that were given a higher
/// version.
fn put_in_order_of_versions(taken: &mut [Taken<'_>], at: usize) {
    let Some((version, Shows::Made)) = shown(taken[at].step) else { return };
    let later = |turn: &Taken<'_>| {
        matches!(shown(turn.step), Some((other, Shows::Made)) if other > version)
            && overlap(turn.step, taken[at].step)
    };
    let Some(first) = taken[..at].iter().position(later) else { return };
    if taken[first..at].iter().all(|turn| turn.who != taken[at].who) {
        taken[first..=at].rotate_right(1);
    }
}

/// Moves the change whose content a GET found behind the last other change
/// before it, or the GET behind the change, if both were under way together.
fn put_after_what_it_found(taken: &mut [Taken<'_>], at: usize) {
    let Some(Effect::Finds(content)) = effect(taken[at].step) else { return };
    let Some(last) = taken[..at].iter().rposition(|turn| is_change(turn.step)) else { return };
    if stores(taken[last].step, content) {
        return;
    }
    let origin = (0..last).rev().find(|&from| {
        let moved = &taken[from];
        stores(moved.step, content)
            && taken[from + 1..=last].iter().all(|turn| {
                turn.who != moved.who && (!is_change(turn.step) || overlap(turn.step, moved.step))
            })
    });
    if let Some(origin) = origin {
        taken[origin..=last].rotate_left(1);
        return;
    }
    let found = taken[at];
    let later = (at + 1..taken.len()).find(|&from| {
        let moved = &taken[from];
        stores(moved.step, content)
            && overlap(moved.step, found.step)
            && taken[at..from].iter().all(|turn| turn.who != moved.who)
    });
    if let Some(later) = later {
        taken[at..=later].rotate_right(1);
    }
}

/// What must have happened before which turn.
fn inferred<'a>(taken: &[Taken<'_>]) -> Vec<(usize, Turn<'a>)> {
    let mut inserted = Vec::new();
    inserted.extend(failover(taken));
    if taken.iter().all(|turn| is_plain(turn.step)) {
        inserted.extend(losses_of_the_cache(taken));
    }
    inserted
}

/// The primary gave a version out again, or showed an older one than before:
/// it is another server.
fn failover<'a>(taken: &[Taken<'_>]) -> Option<(usize, Turn<'a>)> {
    let mut newest: Option<(u64, Time)> = None;
    for (at, turn) in taken.iter().enumerate() {
        let Some((version, shows)) = shown(turn.step) else { continue };
        if let Some((known, by)) = newest
            && by < turn.step.start
            && (version < known || (version == known && shows == Shows::Made))
        {
            let kept = if shows == Shows::Made { version - 1 } else { version };
            return Some((at, Turn::FailOver { kept }));
        }
        if newest.is_none_or(|(known, _)| version >= known) {
            newest = Some((version, end(turn.step)));
        }
    }
    None
}

/// An entry that is gone though nobody deleted it, or there again though
/// somebody did.
fn losses_of_the_cache<'a>(taken: &[Taken<'_>]) -> Vec<(usize, Turn<'a>)> {
    let mut inserted = Vec::new();
    let mut held: Option<Option<&Content>> = None;
    let mut restored = false;
    for (at, turn) in taken.iter().enumerate() {
        match effect(turn.step) {
            Some(Effect::Stores(content)) => held = Some(content),
            Some(Effect::Finds(found)) => {
                let differs = held.is_some_and(|held| held != found);
                held = Some(found);
                if !differs {
                    continue;
                }
                if found.is_none() {
                    inserted.push((at, Turn::Evict));
                } else if !restored
                    && let Some(from) = taken[..at].iter().rposition(|t| stores(t.step, found))
                {
                    restored = true;
                    inserted.push((from + 1, Turn::Save));
                    inserted.push((at, Turn::Restore));
                }
            }
            None => {}
        }
    }
    inserted
}
