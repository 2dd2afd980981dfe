use std::time::Duration;

use quarrel_checkers::{
    Anomaly, Cause, Class, Key, Kind, Operation, Process, Reply, Site, Version, millis,
};
use quarrel_run::{judge::CauseEvidence, results::VerdictFile};

use super::{printable, width::cut};
use crate::report::{Timeline, explain, names::Names};

/// Columns of a value beside its version.
const LONGEST_VALUE: usize = 16;

/// The operations that an anomaly of one key sets against each other: what was
/// seen last, and what proves that it must not have been.
struct Pair<'a> {
    late: &'a Operation,
    proof: &'a Operation,
}

impl<'a> Pair<'a> {
    fn of(evidence: &'a CauseEvidence<'_>, anomaly: &Anomaly) -> Option<Self> {
        let mut operations: Vec<&Operation> = anomaly
            .witness
            .iter()
            .filter_map(|index| evidence.operation_at(*index))
            .filter(|operation| operation.complete.is_some())
            .collect();
        operations.sort_by_key(|operation| operation.invoke);
        operations.dedup_by_key(|operation| operation.invoke);
        let late = evidence.guilty(anomaly)?;
        operations.retain(|operation| operation.invoke != late.invoke);
        let version =
            |operation: &Operation| anomaly.key.and_then(|key| evidence.version_on(operation, key));
        let proof = operations.into_iter().max_by_key(|operation| version(operation))?;
        Some(Self { late, proof })
    }
}

/// A read of two keys that saw one half of a transaction and missed the other.
pub(in crate::report) struct Fracture {
    /// What was seen: the key that was missed at an old version, then the
    /// other.
    pub(in crate::report) seen: [(Key, Version); 2],
    /// The versions that the transaction had given them.
    pub(in crate::report) written: [Version; 2],
}

impl Fracture {
    /// Of an anomaly; none if it is of another kind, or of a history whose
    /// transactions carry no versions.
    pub(in crate::report) fn of(evidence: &CauseEvidence<'_>, anomaly: &Anomaly) -> Option<Self> {
        let missed = anomaly.key.filter(|_| anomaly.class == Class::GSingle)?;
        let pair = Pair::of(evidence, anomaly)?;
        let other = evidence.sides(pair.late).iter().map(|side| side.key).find(|k| *k != missed)?;
        let versions = |operation| {
            let version = |key| evidence.version_on(operation, key);
            Some([version(missed)?, version(other)?])
        };
        let [old, new] = versions(pair.late)?;
        Some(Self { seen: [(missed, old), (other, new)], written: versions(pair.proof)? })
    }
}

/// `v2`; `v2 of timeline 2` after a failover, `nothing` of what is absent.
pub(in crate::report) fn numeral(version: Version) -> String {
    match version {
        Version::ABSENT => "nothing".to_owned(),
        Version { timeline: 0 | 1, number } => format!("v{number}"),
        Version { timeline, number } => format!("v{number} of timeline {timeline}"),
    }
}

/// What happened, in the fewest words: `key 7 read v1, 118 ms after v2 was
/// acknowledged`. Where an anomaly is of no common kind, the checker's words.
#[must_use]
pub fn headline(evidence: Option<&CauseEvidence<'_>>, anomaly: &Anomaly) -> String {
    let short = || {
        let evidence = evidence?;
        let key = anomaly.key?;
        if let Some([lost, held]) = lost(evidence, anomaly) {
            return Some(format!(
                "key {key} lost {lost}: it was acknowledged, and in the end the primary holds {held}"
            ));
        }
        let pair = Pair::of(evidence, anomaly)?;
        if let Some(Fracture { seen: [(missed, old), (other, new)], written }) =
            Fracture::of(evidence, anomaly)
        {
            let [first, second] = written.map(numeral);
            return Some(format!(
                "key {missed} read {} beside key {other} {}, though one transaction had written \
                 them {first} and {second}",
                numeral(old),
                numeral(new)
            ));
        }
        let seen = version_and_value(evidence, pair.late, key);
        let newer = version_and_value(evidence, pair.proof, key);
        let after = millis(anomaly.stale_for);
        let due = evidence.due(anomaly).filter(|due| due.invoke != pair.proof.invoke);
        Some(match (anomaly.class, due) {
            // It had been overtaken before by a write that is not the one to be
            // seen: the newest of those that were acknowledged is.
            (Class::StaleRead, Some(due)) => format!(
                "key {key} read {seen} after {} had been acknowledged; {after} stale",
                version_and_value(evidence, due, key)
            ),
            (class, _) => match class {
                Class::StaleRead if evidence.writes(pair.proof) => {
                    format!("key {key} read {seen}, {after} after {newer} was acknowledged")
                }
                Class::StaleRead => {
                    format!("key {key} read {seen}, {after} after another client had read {newer}")
                }
                Class::ReadYourWrites => {
                    format!(
                        "key {key} read {seen}, {after} after the same client had written {newer}"
                    )
                }
                Class::NonMonotonicRead => {
                    format!("key {key} went back: read {newer}, and {after} later {seen}")
                }
                _ => return None,
            },
        })
    };
    short().unwrap_or_else(|| {
        // The sentence is the checker's; its actors have the names of the story.
        let names = evidence.map(|evidence| Timeline::of(evidence, anomaly).names);
        let told = names.map(|names| names.told(&anomaly.explanation));
        printable(told.as_ref().unwrap_or(&anomaly.explanation))
    })
}

/// Of a lost write what was acknowledged, and what the primary holds instead.
fn lost(evidence: &CauseEvidence<'_>, anomaly: &Anomaly) -> Option<[String; 2]> {
    let is_known = anomaly.class == Class::LostWrite && anomaly.versions_behind > 0;
    let key = anomaly.key.filter(|_| is_known)?;
    let write = evidence.guilty(anomaly)?;
    let lost = evidence.version_on(write, key)?;
    let held = lost.number.checked_sub(anomaly.versions_behind)?;
    let held = numeral(Version { number: held, ..lost });
    Some([version_and_value(evidence, write, key), held])
}

/// Why it must not have been: the sentence behind `= why`.
pub(in crate::report) fn why(
    evidence: &CauseEvidence<'_>,
    names: &Names,
    anomaly: &Anomaly,
) -> String {
    let short = || {
        let pair = Pair::of(evidence, anomaly)?;
        let key = anomaly.key?;
        let who = |operation: &Operation| names.of(process(evidence, operation));
        let (late, proof) = (who(pair.late), who(pair.proof));
        if let Some(Fracture { seen: [(missed, _), (other, _)], .. }) =
            Fracture::of(evidence, anomaly)
        {
            return Some(format!(
                "{late} saw what {proof} had written to key {other} and missed what it had \
                 written to key {missed}: the two never were so at any moment"
            ));
        }
        Some(match anomaly.class {
            Class::StaleRead if evidence.writes(pair.proof) => {
                let due = evidence.due(anomaly).unwrap_or(pair.proof);
                let (writer, written) = (who(due), version(evidence, due, key));
                if writer == late {
                    return Some(format!(
                        "{late}'s own write of {written} was acknowledged before its read began"
                    ));
                }
                format!("{writer}'s write of {written} was acknowledged before {late}'s read began")
            }
            Class::StaleRead => format!(
                "{proof} had read {} before {late}'s read began",
                version(evidence, pair.proof, key)
            ),
            Class::ReadYourWrites => {
                format!("{late}'s own write was acknowledged before its read began")
            }
            Class::NonMonotonicRead => format!("both reads are {late}'s own, one after the other"),
            _ => return None,
        })
    };
    short().unwrap_or_else(|| printable(&names.told(&anomaly.explanation)))
}

fn process(evidence: &CauseEvidence<'_>, operation: &Operation) -> Process {
    evidence.history().event(operation.invoke).process
}

/// How it came about, in a sentence: of a lost write who forgot it, as its steps
/// and the faults of the run tell, else what the cause stands for.
pub(in crate::report) fn cause_told(
    evidence: Option<&CauseEvidence<'_>>,
    verdict: &VerdictFile,
    anomaly: &Anomaly,
) -> Option<&'static str> {
    let cause = anomaly.cause?;
    let forgotten = || {
        let evidence = evidence.filter(|_| cause == Cause::LostWrite)?;
        let write = evidence.guilty(anomaly).filter(|guilty| evidence.writes(guilty))?;
        let mut steps = evidence.steps_of(write);
        let asked_nothing = steps.len() == 0;
        let reached = steps.any(|step| {
            step.site == Site::Primary && matches!(step.reply, Reply::Done { version: Some(_) })
        });
        let is_failover = |fault: &String| fault.split('=').next() == Some("failover");
        match reached {
            true if verdict.faults.iter().any(is_failover) => {
                Some("failover: the new primary had not received the write")
            }
            true => Some("the primary acknowledged the write, and has it no more"),
            false if asked_nothing => None,
            false => Some("it was acknowledged before the primary had it, and never reached it"),
        }
    };
    Some(forgotten().unwrap_or_else(|| explain::cause(cause).summary))
}

/// `v2`, or the value where versions are not known.
fn version(evidence: &CauseEvidence<'_>, operation: &Operation, key: Key) -> String {
    let history = evidence.history();
    let last = operation.complete.unwrap_or(operation.invoke);
    let event = history.event(last);
    match evidence.version_on(operation, key) {
        Some(version) => numeral(version),
        None if event.op.value.is_nil() && event.kind == Kind::Ok => "nothing".to_owned(),
        None => printable(&event.op.value.to_string()),
    }
}

/// `v2 (Alice)`: a version with the value that it is of, as races and logs
/// know values only.
fn version_and_value(evidence: &CauseEvidence<'_>, operation: &Operation, key: Key) -> String {
    let told = version(evidence, operation, key);
    match value_of(evidence, operation) {
        Some(value) if evidence.version_on(operation, key).is_some_and(|v| v > Version::ABSENT) => {
            format!("{told} ({value})")
        }
        _ => told,
    }
}

/// The value that an operation on one key read or wrote, short.
pub(in crate::report) fn value_of(
    evidence: &CauseEvidence<'_>,
    operation: &Operation,
) -> Option<String> {
    let is_of_one = evidence.sides(operation).is_empty();
    let last = operation.complete.filter(|_| is_of_one)?;
    let event = evidence.history().event(last);
    let value = &event.op.value;
    (!value.is_nil()).then(|| cut(&printable(&value.to_string()), Some(LONGEST_VALUE)))
}

/// When the stale value was gone from the cache again, and what removed it,
/// counted from the timeline's origin.
pub(super) fn healed(
    evidence: &CauseEvidence<'_>,
    anomaly: &Anomaly,
    origin: quarrel_checkers::Time,
) -> Option<String> {
    use quarrel_checkers::{Content, Time};
    let key = anomaly.key?;
    // What was wrong only beside something else does not heal.
    if anomaly.cause == Some(Cause::SeparateReads) {
        return None;
    }
    let provenance = evidence.provenance(anomaly)?;
    let seen = provenance.source.end?;
    if provenance.source.site != Site::Cache {
        return None;
    }
    let after = |at: Time| {
        let nanos = at.since(origin).as_nanos();
        Time(u64::try_from(nanos).unwrap_or(u64::MAX))
    };
    let steps = evidence.steps_on(key).filter(|step| !step.is_message());
    for step in steps.filter(|step| step.site == Site::Cache) {
        // A delete that was under way when the value was read counts.
        let Some(end) = step.end.filter(|end| *end >= seen) else { continue };
        let stored = evidence.version_of(&step) > Some(provenance.version);
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
        let last = evidence.history().events().next_back();
        let last = last.map_or(Time::ZERO, |event| event.time);
        millis(Duration::max(last.since(seen), Duration::ZERO))
    }))
}
