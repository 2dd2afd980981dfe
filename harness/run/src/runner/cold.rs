use std::time::Duration;

use quarrel_checkers::{Key, Probe, ProbePhase, Site};
use quarrel_strategy::stores::{Item, Request};

use super::{
    Plan,
    client::Storm,
    probes::{pause, probe_key},
};

/// Every other pair of the first so many keys begins cold: enough for a race
/// that a cold cache needs, and no long wait before a storm over many keys.
const AMONG: u64 = 64;
/// How long what was put off at the load has to reach the database.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Lets every other pair of keys begin with nothing in the cache, as the
/// explorer does: an application does not start with a warm one, and some
/// strategies never miss again what they have written.
///
/// Nobody is at work meanwhile, and only an entry that agrees with primary and
/// replica is removed: whatever a client reads next is not older for it.
pub(super) async fn cool(storm: &Storm) {
    let mut stores = storm.cluster.probe();
    let limit = storm.recorder.now() + PATIENCE;
    let mut warm: Vec<Key> = begin_cold(&storm.plan).collect();
    while !warm.is_empty() && !storm.is_over() {
        let mut later = Vec::new();
        for key in warm {
            let probes = probe_key(&mut stores, &storm.recorder, key, ProbePhase::Running).await;
            if !is_at_rest(&probes) {
                later.push(key);
                continue;
            }
            // One that stays is no harm: the key begins warm.
            drop(stores.call(&Request::CacheDel(Item::entry(key))).await);
        }
        warm = later;
        if storm.recorder.now() >= limit {
            return;
        }
        if !warm.is_empty() {
            pause(&mut stores, PAUSE).await;
        }
    }
}

/// Pairs, because workloads may pair neighbours from an even key on.
fn begin_cold(plan: &Plan) -> impl Iterator<Item = Key> + use<> {
    let first = plan.first_key;
    plan.every_key().take_while(move |key| key.0 - first < AMONG).filter(move |key| {
        let pair = (key.0 - first) / 2;
        pair.is_multiple_of(2)
    })
}

/// Whether the row is there, on the replica too, and the cache holds it or
/// nothing. What was cached before the primary gave it a version is known by
/// its value.
fn is_at_rest(probes: &[Probe]) -> bool {
    let at = |site: Site| probes.iter().find(|probe| probe.site == site);
    let (Some(primary), Some(replica), Some(cache)) =
        (at(Site::Primary), at(Site::Replica), at(Site::Cache))
    else {
        return false;
    };
    let same = |probe: &Probe| probe.value == primary.value;
    !primary.value.is_nil() && same(replica) && (cache.value.is_nil() || same(cache))
}

#[cfg(test)]
mod tests {
    use quarrel_checkers::{Time, Value};

    use super::*;

    fn probe(site: Site, value: impl Into<Value>) -> Probe {
        let (start, end) = (Time::ZERO, Time::ZERO);
        let value = value.into();
        Probe { start, end, site, key: Key(1), value, version: 1, phase: ProbePhase::Running }
    }

    #[test]
    fn an_entry_that_is_ahead_of_the_database_stays() {
        let [primary, replica] = [Site::Primary, Site::Replica].map(|site| probe(site, 1));
        let rests = |cache: Probe| is_at_rest(&[cache, replica.clone(), primary.clone()]);
        assert!(rests(probe(Site::Cache, 1)));
        assert!(rests(probe(Site::Cache, Value::Nil)));
        assert!(!rests(probe(Site::Cache, 2)));
        assert!(!is_at_rest(&[probe(Site::Cache, 1), primary.clone()]));
        let absent = [Site::Cache, Site::Replica, Site::Primary];
        assert!(!is_at_rest(&absent.map(|site| probe(site, Value::Nil))));
    }
}
