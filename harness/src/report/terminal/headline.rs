use std::time::Duration;

use quarrel_checkers::{Anomaly, Class, F, Kind, Operation, Process, millis};

use super::printable;
use crate::{judge::Evidence, report::names::Names};

/// The operations that an anomaly of one key sets against each other: what was
/// seen last, and what proves that it must not have been.
struct Pair<'a> {
    late: &'a Operation,
    proof: &'a Operation,
}

impl<'a> Pair<'a> {
    fn of(evidence: &'a Evidence<'_>, anomaly: &Anomaly) -> Option<Self> {
        let mut operations: Vec<&Operation> = anomaly
            .witness
            .iter()
            .filter_map(|index| evidence.operation_at(*index))
            .filter(|operation| operation.complete.is_some())
            .collect();
        operations.sort_by_key(|operation| operation.invoke);
        operations.dedup_by_key(|operation| operation.invoke);
        let late = operations.pop()?;
        let version = |operation: &Operation| {
            evidence.history().events[operation.complete?.position()].op.version
        };
        let proof = operations.into_iter().max_by_key(|operation| version(operation))?;
        Some(Self { late, proof })
    }
}

/// What happened, in the fewest words: `key 7 read v1, 118 ms after v2 was
/// acknowledged`. Where an anomaly is of no common kind, the checker's words.
#[must_use]
pub fn headline(evidence: Option<&Evidence<'_>>, anomaly: &Anomaly) -> String {
    let short = || {
        let evidence = evidence?;
        let pair = Pair::of(evidence, anomaly)?;
        let key = anomaly.key?;
        let seen = version(evidence, pair.late);
        let newer = version(evidence, pair.proof);
        let after = millis(anomaly.stale_for);
        Some(match anomaly.class {
            Class::StaleRead if is_write(evidence, pair.proof) => {
                format!("key {key} read {seen}, {after} after {newer} was acknowledged")
            }
            Class::StaleRead => {
                format!("key {key} read {seen}, {after} after another client had read {newer}")
            }
            Class::ReadYourWrites => {
                format!("key {key} read {seen}, {after} after the same client had written {newer}")
            }
            Class::NonMonotonicRead => {
                format!("key {key} went back: read {newer}, and {after} later {seen}")
            }
            _ => return None,
        })
    };
    short().unwrap_or_else(|| printable(&anomaly.explanation))
}

/// Why it must not have been: the sentence behind `= why`.
pub(super) fn why(evidence: &Evidence<'_>, names: &Names, anomaly: &Anomaly) -> String {
    let short = || {
        let pair = Pair::of(evidence, anomaly)?;
        let who = |operation: &Operation| names.of(process(evidence, operation));
        let (late, proof) = (who(pair.late), who(pair.proof));
        Some(match anomaly.class {
            Class::StaleRead if is_write(evidence, pair.proof) => {
                format!("{proof}'s write was acknowledged before {late}'s read began")
            }
            Class::StaleRead => format!(
                "{proof} had read {} before {late}'s read began",
                version(evidence, pair.proof)
            ),
            Class::ReadYourWrites => {
                format!("{late}'s own write was acknowledged before its read began")
            }
            Class::NonMonotonicRead => format!("both reads are {late}'s own, one after the other"),
            _ => return None,
        })
    };
    short().unwrap_or_else(|| printable(&anomaly.explanation))
}

fn process(evidence: &Evidence<'_>, operation: &Operation) -> Process {
    evidence.history().events[operation.invoke.position()].process
}

fn is_write(evidence: &Evidence<'_>, operation: &Operation) -> bool {
    evidence.history().events[operation.invoke.position()].op.f == F::Write
}

/// `v2`, or the value where versions are not known.
fn version(evidence: &Evidence<'_>, operation: &Operation) -> String {
    let events = &evidence.history().events;
    let last = operation.complete.unwrap_or(operation.invoke);
    let event = &events[last.position()];
    match event.op.version {
        Some(0) => "nothing".to_owned(),
        Some(version) => format!("v{version}"),
        None if event.op.value.is_nil() && event.kind == Kind::Ok => "nothing".to_owned(),
        None => printable(&event.op.value.to_string()),
    }
}

/// When the stale value was gone from the cache again, and what removed it,
/// counted from the timeline's origin.
pub(super) fn healed(
    evidence: &Evidence<'_>,
    anomaly: &Anomaly,
    origin: quarrel_checkers::Time,
) -> Option<String> {
    use quarrel_checkers::{Content, Reply, Site, Time};
    let key = anomaly.key?;
    let provenance = evidence.provenance(anomaly)?;
    let seen = provenance.source.end?;
    if provenance.source.site != Site::Cache {
        return None;
    }
    let after = |at: Time| {
        let nanos = at.since(origin).as_nanos();
        Time(u64::try_from(nanos).unwrap_or(u64::MAX))
    };
    for step in evidence.steps_on(key).filter(|step| step.site == Site::Cache) {
        // A delete that was under way when the value was read counts.
        let Some(end) = step.end.filter(|end| *end >= seen) else { continue };
        let stored = Evidence::version_of(step).is_some_and(|v| v > provenance.version);
        match (&step.reply, &step.argument) {
            (Reply::Done { .. }, None) => {
                return Some(format!("healed by {} at t={}", step.verb, after(end)));
            }
            (Reply::Done { .. }, Some(Content::Row { .. })) if stored => {
                return Some(format!("healed by {} at t={}", step.verb, after(end)));
            }
            (Reply::Miss, _) if step.start >= seen => {
                return Some(format!("gone by itself before t={}", after(end)));
            }
            _ => {}
        }
    }
    Some(format!("not healed while the run lasted, {} more", {
        let last = evidence.history().events.last().map_or(Time::ZERO, |event| event.time);
        millis(Duration::max(last.since(seen), Duration::ZERO))
    }))
}
