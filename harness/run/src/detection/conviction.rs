use std::time::Duration;

use quarrel_checkers::{
    Anomaly, Cause, Class, Guarantee, History, Index, JudgeOptions, Time, Validity, judge,
};
use quarrel_strategy::strategy::Workload;
use serde::{Deserialize, Serialize};

use super::Charge;
use crate::judge::find_causes;

/// The moment from which on a history proves that a guarantee was broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conviction {
    /// The completion that makes it provable.
    pub at: Index,
    /// How long after the storm began it was recorded; zero if before.
    #[serde(rename = "after_ns", with = "nanoseconds")]
    pub after: Duration,
    /// What it shows; none if the checkers name no single anomaly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    /// How it came about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
}

/// Finds the first event of `history` by which `charge`, or what `workload`
/// asks for besides, is proved: everything up to and including it proves it,
/// everything before it does not.
///
/// It looks only at what clients saw, and only at guarantees of which every
/// prefix of a history that keeps them keeps them too: linearizable,
/// sequential, read-your-writes and monotonic-reads. So without a cause the
/// first such event can be found by halving. With one, the anomalies are gone
/// through in the order in which their last witness spoke.
#[must_use]
pub fn conviction(
    history: &History,
    charge: Charge,
    workload: &dyn Workload,
    storm_began: Time,
) -> Option<Conviction> {
    let anomaly = match charge.cause {
        None => first(history, charge, workload)?,
        Some(cause) => first_of(history, charge, workload, cause)?,
    };
    let at = *anomaly.witness.last()?;
    Some(Conviction {
        at,
        after: history.events[at.position()].time.since(storm_began),
        class: Some(anomaly.class),
        cause: anomaly.cause,
    })
}

/// Whether there is anything to find, for less than it costs to find it.
#[must_use]
pub fn is_convicted(history: &History, charge: Charge, workload: &dyn Workload) -> bool {
    match charge.cause {
        None => anomalies(history, charge.guarantee, workload).is_some(),
        Some(cause) => first_of(history, charge, workload, cause).is_some(),
    }
}

/// The anomaly that is there first, whatever its cause. Its last witness is
/// the event that makes it provable.
fn first(history: &History, charge: Charge, workload: &dyn Workload) -> Option<Anomaly> {
    let found = |length: usize| {
        let events = history.events[..length].to_vec();
        // Steps say where values came from, and convict nobody.
        anomalies(&History { events, steps: Vec::new() }, charge.guarantee, workload)
    };
    found(history.events.len())?;
    let (mut innocent, mut guilty) = (0, history.events.len());
    while guilty - innocent > 1 {
        let middle = innocent.midpoint(guilty);
        if found(middle).is_some() {
            guilty = middle;
        } else {
            innocent = middle;
        }
    }
    let last = history.events[guilty - 1].index;
    let all = found(guilty)?;
    let by_last = |anomaly: &&Anomaly| anomaly.witness.last() == Some(&last);
    let mut anomaly = all.iter().find(by_last).or(all.first())?.clone();
    find_causes(history, charge.by, std::slice::from_mut(&mut anomaly));
    // Whatever the anomaly shows, it is this event that proves it.
    anomaly.witness.retain(|index| *index < last);
    anomaly.witness.push(last);
    Some(anomaly)
}

/// So many anomalies are asked for their causes at a time.
const BATCH: usize = 64;

/// The first anomaly that came about so.
fn first_of(
    history: &History,
    charge: Charge,
    workload: &dyn Workload,
    cause: Cause,
) -> Option<Anomaly> {
    let mut all = anomalies(history, charge.guarantee, workload)?;
    all.sort_by_key(|anomaly| anomaly.witness.last().copied());
    all.chunks_mut(BATCH).find_map(|batch| {
        find_causes(history, charge.by, batch);
        batch.iter().find(|anomaly| anomaly.cause == Some(cause)).cloned()
    })
}

/// Everything that is wrong with a history; none if nothing provably is.
fn anomalies(
    history: &History,
    guarantee: Guarantee,
    workload: &dyn Workload,
) -> Option<Vec<Anomaly>> {
    let own = workload.check(history.into());
    let mut options = JudgeOptions::default();
    options.max_anomalies = usize::MAX;
    let judgement = judge(history, &[], &options);
    let is_broken =
        own.validity == Validity::Invalid || judgement.validity(guarantee) == Validity::Invalid;
    is_broken.then(|| [own.anomalies, judgement.anomalies].concat())
}

/// Durations as whole nanoseconds.
mod nanoseconds {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_nanos)
    }
}

#[cfg(test)]
mod tests {
    use quarrel_checkers::{Content, Object, Reply, Site, Step, notation};

    use super::*;
    use quarrel_strategy::strategy::RegisterWorkload;

    fn convict(text: &str) -> Option<Conviction> {
        let history = notation::parse(text).unwrap();
        let charge = Charge { guarantee: Guarantee::Linearizable, cause: None, by: None };
        let found = conviction(&history, charge, &RegisterWorkload, Time::from_millis(2));
        assert_eq!(found.is_some(), is_convicted(&history, charge, &RegisterWorkload));
        found
    }

    #[test]
    fn a_history_is_convicted_by_the_end_of_its_first_stale_read() {
        let found = convict(
            "A: [w1@1] [w2@2]           [w3@3]
             B:                  [r1@1]         [r2@2]",
        )
        .unwrap();
        let history = notation::parse(
            "A: [w1@1] [w2@2]           [w3@3]
             B:                  [r1@1]         [r2@2]",
        )
        .unwrap();
        let first = history.events.iter().position(|event| {
            event.kind == quarrel_checkers::Kind::Ok && event.op.f == quarrel_checkers::F::Read
        });
        assert_eq!(Some(found.at.position()), first);
        assert_eq!(found.class, Some(Class::StaleRead));
        let ended = history.events[found.at.position()].time;
        assert_eq!(found.after, ended.since(Time::from_millis(2)));
    }

    /// A write, and three reads that are stale by it: the first out of the
    /// replica, the others out of a cache that was never told.
    #[test]
    fn a_cause_convicts_by_its_own_anomalies_alone() {
        let mut history = notation::parse(
            "A: [w1@1] [w2@2]
             B:                  [r1@1]     [r1@1]     [r1@1]",
        )
        .unwrap();
        let operations = history.operations().unwrap();
        let step = |at: usize, site: Site| {
            let operation = &operations[at];
            let event = &history.events[operation.invoke.position()];
            Step {
                operation: Some(operation.invoke),
                process: event.process,
                start: event.time,
                end: Some(event.time),
                site,
                verb: if site == Site::Cache { "GET" } else { "SELECT" }.into(),
                object: event.op.key.map(Object::of),
                argument: None,
                reply: Reply::Found(Content::Row { value: 1.into(), version: 1 }),
                lsn: None,
            }
        };
        history.steps = vec![step(2, Site::Replica), step(3, Site::Cache), step(4, Site::Cache)];
        let charge = |cause| Charge { guarantee: Guarantee::Linearizable, cause, by: None };
        let found = |cause| conviction(&history, charge(cause), &RegisterWorkload, Time::ZERO);
        let lag = found(Some(Cause::ReplicaLag)).unwrap();
        assert_eq!(Some(lag.at), operations[2].complete);
        assert_eq!(found(None).map(|any| any.at), operations[2].complete);
        assert_eq!(found(Some(Cause::WriteWriteRace)), None);
        let other = find_cause(&history, operations[3].complete.unwrap());
        assert_ne!(other, Some(Cause::ReplicaLag));
        let later = found(other).unwrap();
        assert_eq!(Some(later.at), operations[3].complete);
    }

    fn find_cause(history: &History, read: Index) -> Option<Cause> {
        let all = anomalies(history, Guarantee::Linearizable, &RegisterWorkload)?;
        let mut of_read: Vec<_> =
            all.into_iter().filter(|anomaly| anomaly.witness.last() == Some(&read)).collect();
        find_causes(history, None, &mut of_read);
        of_read.first()?.cause
    }

    #[test]
    fn a_clean_history_convicts_nobody() {
        assert_eq!(convict("A: [w1@1] [w2@2]\nB:                  [r2@2]"), None);
    }
}
