//! What the way of a value says about how it came to be read.

use quarrel_checkers::{
    Anomaly, Cause, Class, Content, Invalidation, Key, Kind, Operation, Process, Reply, Site, Step,
    StepAt, Time, Version,
};

use super::{
    CauseEvidence,
    steps::{failed, invalidates_as_agent, is_of_cache, succeeded, value},
};

/// An entry that should not have been there: what put it there, what it says,
/// who found it, and the write that it missed.
struct Entry<'a> {
    read: &'a Operation,
    key: Key,
    version: Version,
    hit: &'a StepAt<'a>,
    newer: &'a StepAt<'a>,
}

impl<'a> CauseEvidence<'a> {
    /// How an anomaly came about, as far as its steps show it.
    pub(super) fn cause(&self, anomaly: &Anomaly) -> Cause {
        if self.has_gap {
            return Cause::Unexplained;
        }
        self.explain(anomaly).unwrap_or(Cause::Unexplained)
    }

    fn explain(&self, anomaly: &Anomaly) -> Option<Cause> {
        if anomaly.class == Class::LostWrite {
            // No read is needed to see it: the primary holds something else.
            return Some(Cause::LostWrite);
        }
        if anomaly.class == Class::LostUpdate {
            // That is what it is: two writes from one value, neither refused.
            return Some(Cause::UncheckedWrite);
        }
        let key = anomaly.key?;
        if anomaly.class == Class::Divergence && self.never_written(key) {
            return Some(Cause::LostWrite);
        }
        if self.was_never_committed(anomaly) {
            return Some(Cause::LostWrite);
        }
        let read = self.guilty(anomaly)?;
        let version = self.version_on(read, key)?;
        let source = self.source(read, key, version)?;
        if self.is_current(anomaly, key, version, &source) {
            return Some(Cause::SeparateReads);
        }
        let newer = self.newer_write(anomaly, key, version);
        let hit = match source.site {
            Site::Replica => return Some(Cause::ReplicaLag),
            Site::Primary => {
                if self.cached_too_early(key, &source) {
                    return Some(Cause::SetBeforeCommit);
                }
                // It had been committed, and the primary does not have it.
                let is_gone = newer?.end.is_some_and(|end| end <= source.start);
                return is_gone.then_some(Cause::LostWrite);
            }
            Site::Cache => source,
            Site::Client => {
                let copied = self.copied(key, version, &source)?;
                if let Some(cause) = self.copy_cause(key, &copied, &source, newer.as_ref()?) {
                    return Some(cause);
                }
                copied
            }
        };
        match hit.site {
            // It was kept: the next reads find it, too.
            Site::Replica => return Some(Cause::ReplicaLagRefill),
            Site::Primary | Site::Client => return None,
            Site::Cache if hit.is_message() => return None,
            Site::Cache => {}
        }
        let hit = &hit;
        let fill = self.fill(key, version, hit);
        if fill.as_ref().is_some_and(|fill| self.never_committed(fill)) {
            return Some(Cause::SetBeforeCommit);
        }
        if let Some(cause) = self.put_back(read, hit) {
            return Some(cause);
        }
        if self.lost_what_replaced(read, hit) {
            return Some(Cause::ResurrectedEntry);
        }
        if self.is_overtaken(hit, fill.as_deref()) {
            return Some(Cause::ResurrectedEntry);
        }
        let Some(newer) = &newer else {
            // What is newer is in the cache alone, or was.
            return self.cached_too_early(key, hit).then_some(Cause::SetBeforeCommit);
        };
        let is_before = |fill: &StepAt<'_>| fill.start < newer.start;
        if self.cached_too_early(key, newer) && fill.as_ref().is_some_and(is_before) {
            return Some(Cause::SetBeforeCommit);
        }
        let entry = Entry { read, key, version, hit, newer };
        Some(match fill {
            Some(fill) => self.fill_cause(&entry, &fill),
            None => self.old_entry_cause(&entry),
        })
    }

    /// Whether a value was put into the cache, where others could see it, and
    /// had not reached the primary when `source` was read.
    fn cached_too_early(&self, key: Key, source: &Step) -> bool {
        source.end.is_some_and(|end| self.was_ahead(key, end, source.start))
    }

    /// Whether a write without a version yet had replaced what was found, and
    /// nobody had put that back.
    fn is_overtaken(&self, hit: &Step, fill: Option<&Step>) -> bool {
        let Some(object) = &hit.object else { return false };
        self.unnumbered(object.key).any(|step| {
            step.object == hit.object
                && step.end.is_some_and(|end| end < hit.start)
                && fill.is_none_or(|fill| fill.end.is_some_and(|end| end < step.start))
        })
    }

    /// Whether a write put its value into the cache, failed, and the primary
    /// never had it.
    fn never_committed(&self, fill: &Step) -> bool {
        let ended = fill.operation.and_then(|invoke| self.operation_at(invoke)?.complete);
        let failed = ended.is_some_and(|end| {
            let kind = self.history().event(end).kind;
            matches!(kind, Kind::Fail | Kind::Info)
        });
        let Some(object) = &fill.object else { return false };
        // What stores its own has a value.
        let reached = |value| self.may_have_reached(object.key, value);
        failed && self.stores_its_own(fill) && !value(&fill.argument).is_some_and(reached)
    }

    /// Whether a step stores the value that its own operation writes.
    pub(super) fn stores_its_own(&self, store: &Step) -> bool {
        let Some(operation) = store.operation.and_then(|invoke| self.operation_at(invoke)) else {
            return false;
        };
        let event = self.history().event(operation.invoke);
        self.writes(operation) && value(&store.argument) == Some(&event.op.value)
    }

    /// The entry was there before the history began.
    fn old_entry_cause(&self, entry: &Entry<'_>) -> Cause {
        let removed = self.on_before(entry.key, entry.hit.start).any(|step| {
            step.object == entry.hit.object
                && step.end.is_some_and(|end| end < entry.hit.start)
                && self.versions.replaces(&step, entry.hit)
        });
        if removed {
            return Cause::ResurrectedEntry;
        }
        let own: Vec<_> = self.invalidations(entry.newer).collect();
        self.missing_invalidation(entry, &own)
    }

    /// Whether a read found in the cache what had been replaced there before:
    /// a store whose client had given up may have run late; else the cache
    /// itself brought it back.
    fn put_back(&self, read: &Operation, source: &Step) -> Option<Cause> {
        let steps = self.steps_of(read);
        let hits = steps.filter(|step| is_of_cache(step) && step.start <= source.start);
        let store = hits.filter_map(|hit| self.store_replaced_before(&hit)).next()?;
        Some(match store.as_ref().map(|store| &store.reply) {
            Some(Reply::Pending | Reply::Failed { .. }) => Cause::LateMessage,
            _ => Cause::ResurrectedEntry,
        })
    }

    /// Whether the read found its value under another name than the newest,
    /// as the cache had lost, by itself, what named that.
    fn lost_what_replaced(&self, read: &Operation, hit: &Step) -> bool {
        let steps = self.steps_of(read);
        steps.filter(|step| step.object != hit.object && step.start <= hit.start).any(|missed| {
            let Some(object) = missed.object.as_ref() else { return false };
            let mut changes = self.on_before(object.key, missed.start).filter(|step| {
                let is_change = step.verb == "DEL" || step.argument.is_some();
                let before = step.end.is_some_and(|end| end < missed.start);
                let is_there = is_of_cache(step) && step.object.as_ref() == Some(object);
                is_change && before && is_there && succeeded(step)
            });
            is_of_cache(&missed)
                && missed.reply == Reply::Miss
                && changes.next_back().is_some_and(|last| last.argument.is_some())
        })
    }

    /// The step that stored what `hit` found and ended last, if something newer was
    /// stored in its place, or it was deleted, before `hit` began. What was there
    /// before the history, nobody stored.
    fn store_replaced_before(&self, hit: &Step) -> Option<Option<StepAt<'a>>> {
        let object = hit.object.as_ref()?;
        let Reply::Found(_) = &hit.reply else { return None };
        let is_there = |step: &StepAt<'_>| step.object.as_ref() == Some(object);
        let store = self.store_of(hit);
        // What is still under way when this is asked, nothing came after.
        let stored = store.as_ref().map_or(Some(Time::ZERO), |store| store.end)?;
        let replaced =
            self.on_between(object.key, stored, hit.start).filter(is_there).any(|step| {
                self.versions.replaces(&step, hit)
                    && store.as_ref().is_none_or(|_| stored < step.start)
                    && step.end.is_some_and(|end| end < hit.start)
            });
        replaced.then_some(store)
    }

    /// The step that stored what `hit` found: of several that stored the same
    /// the one that may have run last.
    fn store_of(&self, hit: &Step) -> Option<StepAt<'a>> {
        let object = hit.object.as_ref()?;
        let Reply::Found(content) = &hit.reply else { return None };
        let stores = self.stores(object.key, content);
        let stores = stores.filter(|step| step.object.as_ref() == Some(object));
        let stores = stores.filter(|step| Some(step.start) < hit.end);
        stores.max_by_key(|step| step.end.unwrap_or(Time::MAX))
    }

    /// Whether the read was led to its entry by a name, and an older write had put
    /// that back after the newer one, whose steps in the cache are `own`, had
    /// changed it: the entry itself may have been there long before.
    fn was_led_back(&self, entry: &Entry<'_>, own: &[StepAt<'_>]) -> bool {
        let &Entry { read, newer, hit, .. } = entry;
        let names = self.steps_of(read).filter(|step| {
            is_of_cache(step) && step.object != hit.object && step.start <= hit.start
        });
        names.filter_map(|name| self.store_of(&name)).any(|store| {
            let by = store.operation.filter(|_| store.operation != newer.operation);
            let by = by.and_then(|invoke| self.operation_at(invoke));
            let is_by_a_write = by.is_some_and(|operation| self.writes(operation));
            let came_later = |step: &StepAt<'_>| is_before(step, &store);
            is_by_a_write && own.iter().filter(|step| step.object == store.object).any(came_later)
        })
    }

    fn fill_cause(&self, entry: &Entry<'_>, fill: &Step) -> Cause {
        let &Entry { key, version, newer, hit, .. } = entry;
        let own: Vec<_> = self.invalidations(newer).collect();
        if self.was_led_back(entry, &own) {
            return Cause::WriteWriteRace;
        }
        let filler = fill.operation.and_then(|invoke| self.operation_at(invoke));
        if filler.is_some_and(|operation| self.writes(operation)) {
            // The newer write touched the cache first, the older one last.
            return match own.iter().any(|step| is_before(step, fill)) {
                true => Cause::WriteWriteRace,
                false => self.missing_invalidation(entry, &own),
            };
        }
        let source = match filler {
            Some(operation) => self.source(operation, key, version),
            None => self.fetched(key, fill),
        };
        let committed_before = |step: &Step| newer.end.is_some_and(|end| end <= step.start);
        match source {
            None => return Cause::Unexplained,
            Some(step) if step.site == Site::Replica && committed_before(&step) => {
                return Cause::ReplicaLagRefill;
            }
            Some(_) => {}
        }
        // Whoever took the entry away: the value was on its way past that.
        let before_fill = |step: &StepAt<'_>| Some(step.start) < fill.end;
        let (early, late) = self.around_the_commit(newer);
        let mut by_agents = self.by_agents(newer, hit).filter(|step| succeeded(step));
        if late.iter().any(&before_fill) || by_agents.any(|step| before_fill(&step)) {
            return Cause::InFlightRefill;
        }
        let took_away = |step: &&StepAt<'_>| {
            let is_store = self.versions.stored(step).is_some();
            step.object == hit.object && !is_store && succeeded(step)
        };
        let only_early = !late.iter().any(|step| step.object == hit.object);
        if only_early && early.iter().filter(took_away).any(before_fill) {
            return Cause::InvalidateBeforeCommit;
        }
        self.missing_invalidation(entry, &own)
    }

    /// The entry is older than the write, and the write's own invalidation,
    /// `own`, did not remove it.
    fn missing_invalidation(&self, entry: &Entry<'_>, own: &[StepAt<'_>]) -> Cause {
        let &Entry { newer, hit, .. } = entry;
        match own {
            // An operation that no client asked for: somebody's plain SQL.
            [] if newer.operation.is_some() && matches!(newer.process, Process::Agent(_)) => {
                Cause::OutOfBandChange
            }
            [] => self.left_alone(entry),
            steps if steps.iter().any(|step| failed(step)) => Cause::FailedInvalidation,
            // Others had seen the write, its own invalidation was to come.
            steps if steps.iter().any(|step| step.end > Some(hit.start)) => {
                Cause::PendingInvalidation
            }
            // What it did so far was something else.
            _ if self.is_under_way(newer, hit) => Cause::PendingInvalidation,
            _ if self.is_of_absence(entry) => Cause::CachedAbsence,
            _ => Cause::Unexplained,
        }
    }

    /// Whether the write of `newer` had not ended when `hit` began.
    fn is_under_way(&self, newer: &Step, hit: &Step) -> bool {
        let operation = newer.operation.and_then(|invoke| self.operation_at(invoke));
        operation.is_some_and(|operation| {
            let end = operation.complete.map(|end| self.history().event(end));
            end.is_none_or(|end| end.time > hit.start)
        })
    }

    /// The write left the cache alone: that is an agent's task, or nobody's.
    fn left_alone(&self, entry: &Entry<'_>) -> Cause {
        let &Entry { newer, hit, .. } = entry;
        match self.invalidation() {
            Invalidation::ByExpiry => Cause::ExpiryOnly,
            Invalidation::ByAgent if self.by_agents(newer, hit).any(|step| failed(&step)) => {
                Cause::FailedInvalidation
            }
            Invalidation::ByAgent => Cause::PendingInvalidation,
            Invalidation::ByWriter => {
                let operation = newer.operation.and_then(|invoke| self.operation_at(invoke));
                let ended = operation.and_then(|operation| operation.complete);
                match ended.map(|end| self.history().event(end)) {
                    // It had not come to its invalidation yet, or never did.
                    None => Cause::PendingInvalidation,
                    Some(end) if end.kind != Kind::Ok => Cause::FailedInvalidation,
                    Some(end) if end.time > hit.start => Cause::PendingInvalidation,
                    Some(_) if self.is_of_absence(entry) => Cause::CachedAbsence,
                    Some(_) => Cause::ForgottenInvalidation,
                }
            }
        }
    }

    /// What the write of `newer` did to the cache before and after it, in the
    /// order of its steps: instants do not tell that where none passes.
    fn around_the_commit(&self, newer: &StepAt<'_>) -> (Vec<StepAt<'a>>, Vec<StepAt<'a>>) {
        let operation = newer.operation.and_then(|invoke| self.operation_at(invoke));
        let place = |step: &StepAt<'_>| self.steps_of(operation?).position(|other| other.is(step));
        let commit = place(newer);
        self.invalidations(newer).partition(|step| place(step) < commit)
    }

    /// Whether the entry says that there is no row.
    fn is_of_absence(&self, entry: &Entry<'_>) -> bool {
        entry.version == Version::ABSENT
            && !matches!(&entry.hit.reply, Reply::Found(Content::Row { value, .. }) if !value.is_nil())
    }

    /// What agents did to the key's entry after the write of `newer` and before
    /// `hit`.
    fn by_agents(
        &self,
        newer: &Step,
        hit: &Step,
    ) -> impl Iterator<Item = StepAt<'a>> + use<'_, 'a> {
        let key = newer.object.as_ref().map(|object| object.key);
        let (after, before) = (newer.start, hit.start);
        key.into_iter()
            .flat_map(move |key| self.on_between(key, after, before))
            .filter(move |step| invalidates_as_agent(step) && after < step.start)
    }
}

/// Whether a step ran before one that undid it. Of two calls under way at once
/// the times do not tell the order, but what was left does.
fn is_before(step: &Step, undone_by: &Step) -> bool {
    step.start < undone_by.start
        || matches!(step.reply, Reply::Done { .. }) && Some(step.start) < undone_by.end
}
