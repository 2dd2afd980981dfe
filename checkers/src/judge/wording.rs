//! Anomalies in sentences.

use std::time::Duration;

use super::{Probe, keyed::Keyed, reads::Order, witness::minimal};
use crate::{
    Anomaly, Class, Index, Key, Site, Value, Version, millis,
    register::{ValueId, Violation},
};

/// The events of the operations at `entries`, in order.
fn witness(keyed: &Keyed, entries: &[usize]) -> Vec<Index> {
    let mut events: Vec<Index> = Vec::with_capacity(entries.len() * 2);
    for &at in entries {
        let entry = &keyed.entries[at];
        events.push(entry.invoke);
        events.extend(entry.complete);
    }
    events.sort_unstable();
    events.dedup();
    events
}

fn anomaly(keyed: &Keyed, class: Class, entries: &[usize], explanation: String) -> Anomaly {
    Anomaly {
        class,
        cause: None,
        key: keyed.key,
        witness: witness(keyed, entries),
        stale_for: Duration::ZERO,
        versions_behind: 0,
        explanation: format!("{}{explanation}", subject(keyed)),
    }
}

fn subject(keyed: &Keyed) -> String {
    keyed.key.map_or_else(String::new, |key| format!("key {key}: "))
}

/// `5 (version 2)`, `nothing`.
fn value(keyed: &Keyed, at: usize, version: Option<Version>) -> String {
    let value = &keyed.values[keyed.entries[at].value().position()];
    let text = if value.is_nil() { "nothing".to_owned() } else { value.to_string() };
    match version {
        Some(version) if !value.is_nil() || version.number > 0 => format!("{text} ({version})"),
        _ => text,
    }
}

/// A read that returned an overwritten value; `proof` is the operation on a
/// newer value that ended before it began.
pub(super) fn stale(
    keyed: &Keyed,
    order: &Order,
    at: usize,
    proof: usize,
    behind: u64,
    writers: &[Option<usize>],
) -> Anomaly {
    let (read, newer) = (&keyed.entries[at], &keyed.entries[proof]);
    let stale_for = read.begin.since(newer.end);
    let how = if newer.is_read() {
        format!("which process {} had read", newer.process)
    } else {
        "acknowledged".to_owned()
    };
    let extent = match behind {
        0 | 1 => String::new(),
        n => format!("; {n} newer versions had been acknowledged"),
    };
    let explanation = format!(
        "process {} read {}, which was overwritten by {}, {how} {} before this read began{extent}",
        read.process,
        value(keyed, at, order.version_of(keyed, at)),
        value(keyed, proof, order.version_of(keyed, proof)),
        millis(stale_for),
    );
    let mut operations = vec![proof, at];
    let by_version = (order.version_of(keyed, at), order.version_of(keyed, proof));
    let is_by_version = matches!(by_version, (Some(old), Some(new)) if old < new);
    if !is_by_version {
        // Without versions it also takes proof that one write came after the
        // other: the first sign of the old value, and the newer value's write.
        operations.extend(first_ended(keyed, keyed.entries[at].value()));
        operations.extend(writers[newer.value().position()]);
    }
    let operations =
        if is_by_version { operations } else { minimal(keyed, &operations, || suspects(keyed)) };
    let mut anomaly = anomaly(keyed, Class::StaleRead, &operations, explanation);
    anomaly.stale_for = stale_for;
    anomaly.versions_behind = behind;
    anomaly
}

/// The operation on a value that ended first, by whose end it was there.
fn first_ended(keyed: &Keyed, value: ValueId) -> Option<usize> {
    keyed.by_value().first_ended(value)
}

fn writer(keyed: &Keyed, value: ValueId) -> Option<usize> {
    keyed.by_value().writer(value)
}

/// The operation that tells the version of the value of the one at `at`, if
/// that does not tell it itself.
fn showed_version(keyed: &Keyed, at: usize) -> Option<usize> {
    let entry = &keyed.entries[at];
    let is_told = entry.number.is_some() || entry.value() == ValueId::INITIAL;
    if is_told { None } else { keyed.by_value().told(entry.value()) }
}

/// Compare-and-sets, each with the first sign of its value: a chain of them may
/// hold a contradiction together, and unfinished ones happened only if they
/// were seen.
fn suspects(keyed: &Keyed) -> Vec<usize> {
    let mut suspects = Vec::new();
    for &at in keyed.by_value().links() {
        suspects.push(at);
        suspects.extend(first_ended(keyed, keyed.entries[at].value()));
    }
    suspects
}

/// A read of what nobody wrote, or not yet.
pub(super) fn impossible(
    keyed: &Keyed,
    at: usize,
    class: Class,
    writers: &[Option<usize>],
) -> Anomaly {
    let read = &keyed.entries[at];
    let value = &keyed.values[read.value().position()];
    let writer = writers[read.value().position()];
    let mut operations = vec![at];
    let reason = match (class, writer, keyed.failed.get(&read.value())) {
        (Class::FutureRead, Some(writer), _) => {
            operations.push(writer);
            let early = keyed.entries[writer].begin.since(read.end);
            format!("{} before its write began", millis(early))
        }
        (_, _, Some(_)) => "whose write had failed for certain".to_owned(),
        _ => "which nobody wrote".to_owned(),
    };
    let explanation = format!("process {} read {value}, {reason}", read.process);
    let mut anomaly = anomaly(keyed, class, &operations, explanation);
    if let Some(&failed) = keyed.failed.get(&read.value()) {
        anomaly.witness.push(failed);
        anomaly.witness.sort_unstable();
    }
    anomaly
}

/// An operation that went behind an earlier one of its session.
/// `versions` are those by which it did, if they tell it.
pub(super) fn session(
    keyed: &Keyed,
    class: Class,
    [earlier, later]: [usize; 2],
    versions: Option<(Version, Version)>,
) -> Anomaly {
    let (first, second) = (&keyed.entries[earlier], &keyed.entries[later]);
    let past = if first.is_read() { "read" } else { "written" };
    let verb = if second.is_read() { "read" } else { "wrote" };
    let relation = if second.is_read() { "which is older" } else { "which is ordered before it" };
    let stale_for = second.begin.since(first.end);
    let explanation = format!(
        "process {} had {past} {} and {} later {verb} {}, {relation}",
        second.process,
        value(keyed, earlier, versions.map(|(earlier, _)| earlier)),
        millis(stale_for),
        value(keyed, later, versions.map(|(_, later)| later)),
    );
    let mut operations = vec![earlier, later];
    if versions.is_some() {
        operations.extend([earlier, later].iter().filter_map(|&at| showed_version(keyed, at)));
    } else {
        // Real time orders the values: the older one was there before the
        // newer one's write began.
        if second.value() != ValueId::INITIAL {
            operations.extend(first_ended(keyed, second.value()));
        }
        operations.extend(writer(keyed, first.value()));
    }
    let mut anomaly = anomaly(keyed, class, &operations, explanation);
    anomaly.stale_for = stale_for;
    anomaly
}

/// A write that was given a lower version than one already seen before it
/// began.
pub(super) fn misordered(keyed: &Keyed, earlier: usize, write: usize) -> Anomaly {
    let (first, second) = (&keyed.entries[earlier], &keyed.entries[write]);
    let explanation = format!(
        "process {} wrote {}, though {} had been seen {} before this write began",
        second.process,
        value(keyed, write, second.version),
        value(keyed, earlier, first.version),
        millis(second.begin.since(first.end)),
    );
    anomaly(keyed, Class::NotLinearizable, &[earlier, write], explanation)
}

/// `5 (version 2)`, `nothing`, as a probe saw it.
fn held(probe: &Probe) -> String {
    match (&probe.value, probe.version) {
        (Value::Nil, _) => "nothing".to_owned(),
        (value, 0) => value.to_string(),
        (value, version) => format!("{value} (version {version})"),
    }
}

/// Two stores that hold different things in the end.
pub(super) fn divergence(
    key: Key,
    primary: &Probe,
    other: &Probe,
    keyed: Option<&Keyed>,
) -> Anomaly {
    let relation = match other.version.cmp(&primary.version) {
        _ if other.version == 0 || primary.version == 0 => "another value",
        std::cmp::Ordering::Less => "an older version",
        std::cmp::Ordering::Equal => "another value of the same version",
        std::cmp::Ordering::Greater => "a newer version",
    };
    let explanation = format!(
        "key {key}: in the end the {} holds {} and the primary {}: {relation}",
        other.site,
        held(other),
        held(primary),
    );
    let writes = keyed.map_or_else(Vec::new, |keyed| {
        let id = |probe: &Probe| keyed.known_id(&probe.value, probe.version);
        let held = [id(primary), id(other)];
        let is_write = |at: &usize| {
            let written = keyed.entries[*at].operation.action.written();
            written.is_some() && held.contains(&written)
        };
        witness(keyed, &(0..keyed.entries.len()).filter(is_write).collect::<Vec<_>>())
    });
    Anomaly {
        class: Class::Divergence,
        cause: None,
        key: Some(key),
        witness: writes,
        stale_for: Duration::ZERO,
        versions_behind: primary.version.saturating_sub(other.version),
        explanation,
    }
}

/// An acknowledged write that the primary does not hold in the end.
pub(super) fn lost(keyed: &Keyed, write: usize, primary: &Probe) -> Anomaly {
    debug_assert_eq!(primary.site, Site::Primary, "only the primary can lose a write");
    let entry = &keyed.entries[write];
    let version = entry.version.map_or_else(String::new, |v| format!(" ({v})"));
    let explanation = format!(
        "process {} was told at {} that its write of {}{version} had happened, but in the end the primary holds {}",
        entry.process,
        entry.end,
        keyed.values[entry.value().position()],
        held(primary),
    );
    let mut anomaly = anomaly(keyed, Class::LostWrite, &[write], explanation);
    anomaly.versions_behind = entry.number.unwrap_or(0).saturating_sub(primary.version);
    anomaly
}

/// An acknowledged write that a promoted server cannot have had: its own first
/// version is no higher.
pub(super) fn overtaken(keyed: &Keyed, write: usize, first: Version) -> Anomaly {
    let entry = &keyed.entries[write];
    let version = entry.version.map_or_else(String::new, |version| format!(" ({version})"));
    let explanation = format!(
        "process {} was told at {} that its write of {}{version} had happened, but the server \
         promoted later did not have it: it gave {first} anew",
        entry.process,
        entry.end,
        keyed.values[entry.value().position()],
    );
    let mut operations = vec![write];
    operations.extend(keyed.by_value().of_version(first));
    anomaly(keyed, Class::LostWrite, &operations, explanation)
}

/// Two acknowledged writes with the same version: one of them is gone.
pub(super) fn same_version(
    keyed: &Keyed,
    first: usize,
    second: usize,
    version: Version,
) -> Anomaly {
    let describe = |at: usize| {
        let entry = &keyed.entries[at];
        let value = &keyed.values[entry.value().position()];
        format!("{value} by process {}", entry.process)
    };
    let explanation = format!(
        "two acknowledged writes were both given {version}: {} and {}; one of them is lost",
        describe(first),
        describe(second),
    );
    anomaly(keyed, Class::LostWrite, &[first, second], explanation)
}

/// A contradiction that no single read is to blame for.
pub(super) fn not_linearizable(keyed: &Keyed, violation: Violation) -> Anomaly {
    let name = |at: usize| {
        let entry = &keyed.entries[at];
        let value = &keyed.values[entry.value().position()];
        let verb = if entry.is_read() { "read" } else { "write" };
        format!("the {verb} of {value} by process {}", entry.process)
    };
    let class = Class::NotLinearizable;
    let convict = |named: &[usize]| minimal(keyed, named, || suspects(keyed));
    match violation {
        Violation::NeverWritten { reader } => {
            let text = format!("{} needs a value that nobody wrote", name(reader));
            anomaly(keyed, Class::PhantomRead, &[reader], text)
        }
        Violation::BeforeWritten { writer, reader } => {
            let text = format!("{} ended before {} began", name(reader), name(writer));
            anomaly(keyed, Class::FutureRead, &[reader, writer], text)
        }
        Violation::TwoSuccessors { first, second } => {
            let text = format!(
                "{} and {} are compare-and-sets that both replaced the same value",
                name(first),
                name(second)
            );
            anomaly(keyed, class, &convict(&[first, second]), text)
        }
        Violation::Circle { member } => {
            let text = format!("{} belongs to a circle of compare-and-sets", name(member));
            anomaly(keyed, class, &convict(&[member]), text)
        }
        Violation::ChainOrder { later_returned, earlier_invoked } => {
            let text = format!(
                "{} began after {} had ended, though compare-and-sets order their values the \
                 other way round",
                name(earlier_invoked),
                name(later_returned)
            );
            anomaly(keyed, class, &convict(&[later_returned, earlier_invoked]), text)
        }
        Violation::Contradiction {
            first_returned,
            first_invoked,
            second_returned,
            second_invoked,
        } => {
            let before = first_returned.map_or_else(
                || "its value was there before everything".to_owned(),
                |first| format!("{} ended before {} began", name(first), name(second_invoked)),
            );
            let text = format!(
                "{} ended before {} began, yet {before}: neither value can come first",
                name(second_returned),
                name(first_invoked)
            );
            let mut operations = vec![first_invoked, second_returned, second_invoked];
            operations.extend(first_returned);
            anomaly(keyed, class, &convict(&operations), text)
        }
    }
}
