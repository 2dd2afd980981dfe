//! How a copy in a client's own memory came to be stale.

use quarrel_checkers::{Cause, Invalidation, Key, Kind, Reply, Step, StepAt};

use super::{
    CauseEvidence,
    steps::{failed, is_of_cache, is_on, succeeded},
    versions::Versions,
};

/// A copy that should not have been there any more.
struct Copied<'a> {
    key: Key,
    /// The step that brought it.
    by: &'a Step,
    /// The step that found it.
    near: &'a Step,
    /// The write that it missed.
    newer: &'a Step,
    /// Every look of its client at what it was told.
    looks: Vec<StepAt<'a>>,
}

impl<'a> CauseEvidence<'a> {
    /// Why a copy was stale when it was found by `near`, unless it was so when
    /// `by` brought it. `newer` is the write that it missed.
    pub(super) fn copy_cause(
        &self,
        key: Key,
        by: &Step,
        near: &Step,
        newer: &Step,
    ) -> Option<Cause> {
        let copied = Copied { key, by, near, newer, looks: self.looks_of(near.process) };
        let tellings = self.tellings(&copied);
        let told = tellings.iter().rfind(|step| succeeded(step));
        if by.is_message()
            && let Some(told) = told
            && copied.heard_more_before(&self.versions)
        {
            // Somebody who puts an older row into the copies after a newer one.
            let mut said = self.on(key).filter(|step| step.verb == "PUBLISH");
            let said =
                said.rfind(|step| self.versions.stored_or_said(step) == self.versions.found(by));
            return Some(match said.is_some_and(|said| said.start >= told.start) {
                true => Cause::WriteWriteRace,
                false => Cause::LateMessage,
            });
        }
        let outlived = by.is_message() || by.end < told.map_or(newer.end, |told| told.end);
        if !outlived {
            return None;
        }
        if copied.looks.is_empty() {
            return Some(Cause::NearCacheNotTold);
        }
        Some(match told {
            Some(told) => copied.unheard(told),
            None => self.untold(&copied, &tellings),
        })
    }

    /// The steps that told whoever keeps copies of the write, before the copy was
    /// found: what was published, or else every change of the entry of which the
    /// cache tells by itself.
    fn tellings(&self, copied: &Copied<'_>) -> Vec<StepAt<'a>> {
        let Copied { key, near, newer, .. } = *copied;
        let by_channel = copied.hears_the_channel();
        let steps = self.on_between(key, newer.start, near.start).filter(|step| {
            let is_about_it = step.operation == newer.operation || step.operation.is_none();
            let is_telling = match by_channel {
                true => step.verb == "PUBLISH",
                false => is_of_cache(step) && (step.verb == "DEL" || step.argument.is_some()),
            };
            is_about_it && is_telling
        });
        steps.collect()
    }

    /// Nobody had told anybody of the write when the copy was found.
    fn untold(&self, copied: &Copied<'_>, tellings: &[StepAt<'_>]) -> Cause {
        let &Copied { newer, near, .. } = copied;
        if tellings.iter().any(|step| failed(step)) {
            return Cause::FailedInvalidation;
        }
        let writer = newer.operation.and_then(|invoke| self.operation_at(invoke));
        let end = writer.and_then(|writer| writer.complete);
        let end = end.map(|end| self.history().event(end));
        match end.filter(|end| end.time <= near.start) {
            // Others had seen the write; it was to be told of.
            None => Cause::PendingInvalidation,
            Some(end) if end.kind != Kind::Ok => Cause::FailedInvalidation,
            Some(_) if self.invalidation() == Invalidation::ByAgent => Cause::PendingInvalidation,
            Some(_) if copied.hears_the_channel() => Cause::NearCacheNotTold,
            Some(_) => Cause::ForgottenInvalidation,
        }
    }
}

impl Copied<'_> {
    fn hears_the_channel(&self) -> bool {
        self.looks.iter().any(|step| step.verb == "HEAR")
    }

    /// Whether its client had heard of a newer version before it heard this one.
    fn heard_more_before(&self, versions: &Versions) -> bool {
        self.looks.iter().any(|step| {
            let is_before = is_on(step, self.key) && step.start <= self.by.start;
            is_before && versions.found(step) > versions.found(self.by)
        })
    }

    /// Somebody had told, and the client had not heard of it when it found the
    /// copy: what it heard later says whether the message was on its way.
    fn unheard(&self, told: &Step) -> Cause {
        // It learnt that it had missed something, and kept what it had. What was
        // told only after that it did not miss.
        let kept = self.looks.iter().any(|step| {
            let is_between = self.by.end < step.end && step.start <= self.near.start;
            was_deaf(step) && is_between && Some(told.start) <= step.end
        });
        if kept {
            return Cause::LostInvalidation;
        }
        let mut later = self.looks.iter().filter(|step| {
            // Where no time passes, the look before the copy was found begins with it.
            step.operation != self.near.operation
                && step.start >= self.near.start
                && told.end.is_some_and(|end| end <= step.start)
        });
        let has_looked = later.clone().next().is_some();
        match later.find(|step| was_deaf(step) || is_on(step, self.key)) {
            Some(step) if was_deaf(step) => Cause::LostInvalidation,
            // It came in the end, or nobody knows.
            Some(_) => Cause::PendingInvalidation,
            None if has_looked => Cause::LostInvalidation,
            None => Cause::PendingInvalidation,
        }
    }
}

/// Whether a client learnt by a look that it had not been listening, or could
/// not listen.
const fn was_deaf(look: &Step) -> bool {
    matches!(look.reply, Reply::Gap) || failed(look)
}
