//! What single steps say.

use quarrel_checkers::{
    Certainty, Content, HistoryRef, Key, Object, Process, Reply, Site, Step, Value,
};
use quarrel_strategy::{record::GAP, strategy::OPERATOR};

/// Whether all was heard of what was said to the stores.
#[must_use]
pub fn is_heard_whole<'h>(history: impl Into<HistoryRef<'h>>) -> bool {
    !history.into().steps().any(|step| is_gap(&step))
}

/// Whether a step says that others are missing.
pub(super) fn is_gap(step: &Step) -> bool {
    step.process == Process::Nemesis && step.verb == GAP
}

/// Whether a step is about what the cache holds, and not about what it tells
/// clients: nobody finds in the cache what was published.
pub(super) fn is_of_cache(step: &Step) -> bool {
    step.site == Site::Cache && !step.is_message()
}

/// Whether a standing agent of the strategy changed the cache by this step.
pub(super) fn invalidates_as_agent(step: &Step) -> bool {
    matches!(step.process, Process::Agent(_))
        && step.process < OPERATOR
        && is_of_cache(step)
        && step.verb != "GET"
}

/// Whether a step commits on the primary what it stores, or nobody knows.
pub(super) const fn may_be_committed(step: &Step) -> bool {
    let is_refused =
        matches!(step.reply, Reply::Refused | Reply::Failed { certainty: Certainty::Definite, .. });
    matches!(step.site, Site::Primary) && !is_refused
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
