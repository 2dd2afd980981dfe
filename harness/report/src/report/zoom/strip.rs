use quarrel_checkers::{Content, Key, Lsn, Probe, Reply, Site, Step, Time, Version};
use quarrel_run::judge::CauseEvidence;

/// What a store held under a key, over the time of a picture.
pub(super) struct Strip {
    pub(super) name: String,
    pub(super) class: &'static str,
    pub(super) pieces: Vec<Piece>,
}

/// A while during which a store held one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) from: Time,
    pub(super) to: Time,
    pub(super) held: Held,
}

/// What is known about a store at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// A version that is the primary's newest.
    Fresh(Version),
    /// A version that the primary has overwritten.
    Old(Version),
    /// Nothing.
    Empty,
    /// One of two things: nobody looked.
    Unknown,
}

/// How a sighting came about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// The store changed at that moment.
    Change,
    /// Somebody looked at that moment.
    Look,
}

/// A version, or none, seen in a store.
type Sighting = (Time, Option<Version>, By);

/// The three stores, the cache on top.
pub(super) fn strips(
    evidence: &CauseEvidence<'_>,
    probes: &[Probe],
    key: Key,
    window: (Time, Time),
) -> Vec<Strip> {
    let seen = |site: Site| {
        let steps = evidence.steps_on(key).filter(|step| step.site == site);
        let mut seen: Vec<Sighting> = steps.filter_map(|step| sighting(evidence, &step)).collect();
        let looks = probes.iter().filter(|probe| probe.site == site && probe.key == key);
        seen.extend(looks.map(|probe| {
            let version = evidence.version_at(probe);
            (probe.end, Some(version).filter(|version| *version != Version::ABSENT), By::Look)
        }));
        seen.sort_by_key(|(time, _, _)| *time);
        seen
    };
    let primary = seen(Site::Primary);
    let mut replica = seen(Site::Replica);
    replica.extend(by_position(evidence, key, &replica));
    replica.sort_by_key(|(time, _, _)| *time);
    let strip = |name: &str, class, sightings: &[Sighting]| Strip {
        name: name.to_owned(),
        class,
        pieces: age(&pieces(sightings, window), &primary),
    };
    vec![
        strip("Cache", "cache", &seen(Site::Cache)),
        strip("Replica", "replica", &replica),
        strip("Primary", "primary", &primary),
    ]
}

/// What the replica must have held of a key whenever another key was read
/// from it: each of its answers says how far it had replayed the log, and each
/// write where it stands in it.
///
/// A write's position is that of its row, and its commit follows: right behind
/// it the replica may still show the version before. What the looks at the key
/// itself contradict is therefore left out.
fn by_position(evidence: &CauseEvidence<'_>, key: Key, looks: &[Sighting]) -> Vec<Sighting> {
    let mut writes: Vec<(Version, Lsn)> = evidence
        .steps_on(key)
        .filter(|step| step.site == Site::Primary)
        .filter_map(|step| match step.reply {
            Reply::Done { version: Some(_) } => Some((evidence.version_of(&step)?, step.lsn?)),
            _ => None,
        })
        .collect();
    writes.sort_unstable();
    // After a failover the log counts anew.
    if !writes.is_sorted_by(|a, b| a.1 < b.1) {
        return Vec::new();
    }
    let agrees = |time: Time, version: Version| {
        let at = looks.partition_point(|(look, _, _)| *look <= time);
        let before = at.checked_sub(1).and_then(|at| looks[at].1);
        let after = looks.get(at).and_then(|look| look.1);
        before <= Some(version) && after.is_none_or(|after| version <= after)
    };
    let steps = evidence.history().steps();
    steps
        .filter(|step| step.site == Site::Replica)
        .filter_map(|step| {
            let (end, lsn) = (step.end?, step.lsn?);
            let newest = writes.partition_point(|(_, position)| *position <= lsn).checked_sub(1)?;
            let version = writes[newest].0;
            agrees(end, version).then_some((end, Some(version), By::Look))
        })
        .collect()
}

fn sighting(evidence: &CauseEvidence<'_>, step: &Step) -> Option<Sighting> {
    let object = step.object.as_ref()?;
    // What clients are told is nothing that the cache holds.
    if !object.space.is_empty() || step.is_message() {
        return None;
    }
    let end = step.end?;
    let version = evidence.version_of(step);
    match (&step.reply, &step.argument) {
        (Reply::Found(Content::Row { .. }), _) => Some((end, version, By::Look)),
        (Reply::Miss, _) => Some((end, None, By::Look)),
        (Reply::Done { version: Some(_) }, _) | (Reply::Done { .. }, Some(Content::Row { .. })) => {
            Some((end, version, By::Change))
        }
        (Reply::Done { .. }, None) => Some((end, None, By::Change)),
        _ => None,
    }
}

/// What is known between the sightings. Two looks that saw the same make the
/// time between them certain; a look that saw something else does not say
/// when it changed.
fn pieces(seen: &[Sighting], window: (Time, Time)) -> Vec<Piece> {
    let (from, to) = window;
    let mut pieces: Vec<Piece> = Vec::new();
    let held = |version: Option<Version>| version.map_or(Held::Empty, Held::Fresh);
    for (at, (time, version, _)) in seen.iter().enumerate() {
        let next = seen.get(at + 1);
        // After the last sighting nobody knows, but nothing speaks against
        // what was there.
        let until = next.map_or(to, |(time, _, _)| *time);
        let certain = next.is_none_or(|(_, other, by)| *by == By::Change || other == version);
        let held = if certain { held(*version) } else { Held::Unknown };
        let piece = Piece { from: (*time).max(from), to: until.min(to), held };
        if piece.from >= piece.to {
            continue;
        }
        match pieces.last_mut().filter(|last| last.held == piece.held) {
            Some(last) if held != Held::Unknown => last.to = piece.to,
            _ => pieces.push(piece),
        }
    }
    let first = pieces.first().map_or(to, |piece| piece.from);
    if first > from {
        pieces.insert(0, Piece { from, to: first, held: Held::Unknown });
    }
    pieces
}

/// Cuts pieces where the primary went on, and says which are overtaken.
fn age(pieces: &[Piece], primary: &[Sighting]) -> Vec<Piece> {
    let mut aged = Vec::new();
    for piece in pieces {
        let Held::Fresh(version) = piece.held else {
            aged.push(piece.clone());
            continue;
        };
        let overtaken = primary
            .iter()
            .find(|(_, newer, by)| *by == By::Change && newer.is_some_and(|newer| newer > version))
            .map_or(Time::MAX, |(time, _, _)| *time);
        if piece.from < overtaken {
            let to = piece.to.min(overtaken);
            aged.push(Piece { from: piece.from, to, held: Held::Fresh(version) });
        }
        if piece.to > overtaken {
            let from = piece.from.max(overtaken);
            aged.push(Piece { from, to: piece.to, held: Held::Old(version) });
        }
    }
    aged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::from_millis(ms)
    }

    fn v(number: u64) -> Option<Version> {
        Some(Version::first(number))
    }

    #[test]
    fn a_version_is_old_from_the_moment_the_primary_went_on() {
        let primary = [(at(0), v(1), By::Change), (at(5), v(2), By::Change)];
        let cache = [(at(1), v(1), By::Change), (at(9), None, By::Change)];
        let aged = age(&pieces(&cache, (at(0), at(10))), &primary);
        let piece = |from, to, held| Piece { from: at(from), to: at(to), held };
        assert_eq!(
            aged,
            [
                piece(0, 1, Held::Unknown),
                piece(1, 5, Held::Fresh(Version::first(1))),
                piece(5, 9, Held::Old(Version::first(1))),
                piece(9, 10, Held::Empty),
            ]
        );
    }

    #[test]
    fn between_two_different_looks_nobody_knows() {
        let replica = [(at(2), v(1), By::Look), (at(4), v(1), By::Look), (at(8), v(2), By::Look)];
        let held: Vec<_> =
            pieces(&replica, (at(2), at(9))).into_iter().map(|piece| piece.held).collect();
        assert_eq!(
            held,
            [Held::Fresh(Version::first(1)), Held::Unknown, Held::Fresh(Version::first(2))]
        );
    }
}
