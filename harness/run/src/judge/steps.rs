//! What single steps say.

use quarrel_checkers::{Content, Key, Object, Process, Reply, Site, Step, Value};
use quarrel_strategy::{record::GAP, strategy::OPERATOR};

/// Whether a step says that others are missing.
pub(super) fn is_gap(step: &Step) -> bool {
    step.process == Process::Nemesis && step.verb == GAP
}

/// Whether a step is about what the cache holds, and not about what it tells
/// clients: nobody finds in the cache what was published.
pub(super) fn is_of_cache(step: &Step) -> bool {
    step.site == Site::Cache && !step.is_message()
}

/// The version that a step stored in the cache, or told of.
pub(super) fn stored_or_said(step: &Step) -> Option<u64> {
    match &step.argument {
        Some(Content::Row { version, .. }) if step.site == Site::Cache => Some(*version),
        _ => None,
    }
}

/// Whether a standing agent of the strategy changed the cache by this step.
pub(super) fn invalidates_as_agent(step: &Step) -> bool {
    matches!(step.process, Process::Agent(_))
        && step.process < OPERATOR
        && is_of_cache(step)
        && step.verb != "GET"
}

/// Whether a store of `new` leaves what was `found`.
pub(super) fn same(new: &Content, found: &Content) -> bool {
    match (new, found) {
        (Content::Row { version: new, .. }, Content::Row { version: found, .. }) => new == found,
        _ => new == found,
    }
}

/// Whether a step on the same object takes away what `hit` found, or puts
/// something newer in its place.
pub(super) fn replaces(step: &Step, hit: &Step) -> bool {
    let Reply::Found(content) = &hit.reply else { return false };
    let is_newer = || step.argument.as_ref().is_some_and(|new| newer(new, content));
    let is_change = step.verb == "DEL" || is_newer();
    is_of_cache(step) && succeeded(step) && is_change
}

/// Whether a store of `new` replaces what was `found` by something newer.
const fn newer(new: &Content, found: &Content) -> bool {
    match (new, found) {
        (
            Content::Row { version: new, .. } | Content::Tombstone(new),
            Content::Row { version: found, .. } | Content::Tombstone(found),
        )
        | (Content::Number(new), Content::Number(found)) => *new > *found,
        _ => false,
    }
}

pub(super) const fn value(content: &Option<Content>) -> Option<&Value> {
    match content {
        Some(Content::Row { value, .. }) => Some(value),
        _ => None,
    }
}

pub(super) const fn succeeded(step: &Step) -> bool {
    matches!(step.reply, Reply::Done { .. })
}

/// Whether a call went wrong, or nobody knows how it went.
pub(super) const fn failed(step: &Step) -> bool {
    matches!(step.reply, Reply::Failed { .. } | Reply::Pending)
}

/// Whether a step says that there is no row: a database has none, or a cache
/// entry stands for that.
pub(super) fn is_absence(step: &Step) -> bool {
    match (step.site, &step.reply) {
        (Site::Primary | Site::Replica, Reply::Miss) => true,
        (Site::Cache | Site::Client, Reply::Found(content)) => {
            let is_entry = |object: &Object| object.space.is_empty() && object.version.is_none();
            let is_row = matches!(content, Content::Row { value, .. } if !value.is_nil());
            step.object.as_ref().is_some_and(is_entry) && !is_row
        }
        _ => false,
    }
}

/// Whether a step stored in the same place what `hit` found there.
pub(super) fn stores_same(step: &Step, hit: &Step) -> bool {
    let Reply::Found(content) = &hit.reply else { return false };
    step.object == hit.object && step.argument.as_ref() == Some(content)
}

pub(super) fn is_on(step: &Step, key: Key) -> bool {
    step.object.as_ref().is_some_and(|object| object.key == key)
}

pub(super) fn found(step: &Step) -> Option<u64> {
    match &step.reply {
        Reply::Found(Content::Row { version, .. }) => Some(*version),
        _ => None,
    }
}

pub(super) fn stored(step: &Step) -> Option<u64> {
    stored_or_said(step).filter(|_| is_of_cache(step))
}
