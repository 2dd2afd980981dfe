use std::time::Duration;

use quarrel_checkers::{Content, Key, Probe, ProbePhase, Site, Value};
use quarrel_strategy::{
    record::Recorder,
    stores::{Backend, Item, Request, Response, StoreError},
};

/// What a store holds under a key right now, read beside the links that faults
/// strike.
///
/// # Errors
///
/// When the store does not answer.
pub(super) async fn probe(
    stores: &mut Backend,
    recorder: &Recorder,
    site: Site,
    key: Key,
    phase: ProbePhase,
) -> Result<Probe, StoreError> {
    let request = match site {
        Site::Replica => Request::ReplicaRead(key),
        Site::Cache => Request::CacheGet(Item::entry(key)),
        Site::Primary | Site::Client => Request::PrimaryRead(key),
    };
    let start = recorder.now();
    let response = stores.call(&request).await?;
    let end = recorder.now();
    let (value, version) = match response {
        Response::Row { row: Some(row), .. } => (row.value, row.version),
        Response::Content(content) => row_of(content),
        _ => (Value::Nil, 0),
    };
    Ok(Probe { start, end, site, key, value, version, phase })
}

/// All three stores under one key. What does not answer is left out: claims are
/// about stores that were asked and answered.
pub(super) async fn probe_key(
    stores: &mut Backend,
    recorder: &Recorder,
    key: Key,
    phase: ProbePhase,
) -> Vec<Probe> {
    let mut probes = Vec::with_capacity(3);
    // The cache first: a cache older than a primary read later is no proof,
    // but a cache *newer than or equal to* it is agreement.
    for site in [Site::Cache, Site::Replica, Site::Primary] {
        if let Ok(probe) = probe(stores, recorder, site, key, phase).await {
            probes.push(probe);
        }
    }
    probes
}

/// The same of many keys at once, with a few questions: what is there of each
/// key is in the order of `keys`.
pub(super) async fn probe_keys(
    stores: &mut Backend,
    recorder: &Recorder,
    keys: &[Key],
    phase: ProbePhase,
) -> Vec<Probe> {
    let mut probes = Vec::with_capacity(3 * keys.len());
    for site in [Site::Cache, Site::Replica, Site::Primary] {
        let start = recorder.now();
        let request = Request::ReadMany { site, keys: keys.to_vec() };
        let Ok(Response::Contents(contents)) = stores.call(&request).await else { continue };
        let end = recorder.now();
        for (key, content) in keys.iter().zip(contents) {
            let (value, version) = row_of(content);
            probes.push(Probe { start, end, site, key: *key, value, version, phase });
        }
    }
    probes.sort_by_key(|probe| probe.key);
    probes
}

/// What a row, or an entry that stands for one, says.
fn row_of(content: Option<Content>) -> (Value, u64) {
    match content {
        Some(Content::Row { value, version }) => (value, version),
        _ => (Value::Nil, 0),
    }
}

/// Whether replica and cache hold nothing older than the primary, going by
/// probes of one key.
pub(super) fn agree(probes: &[Probe]) -> Agreement {
    let version = |site: Site| probes.iter().find(|p| p.site == site).map(|p| p.version);
    let Some(primary) = version(Site::Primary) else { return Agreement::Unknown };
    let replica = version(Site::Replica) == Some(primary);
    // An empty cache agrees with everything.
    let cache = version(Site::Cache).is_none_or(|cache| cache == 0 || cache == primary);
    if replica && cache { Agreement::Same } else { Agreement::Different }
}

/// Whether the stores agree about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Agreement {
    /// They do.
    Same,
    /// They do not.
    Different,
    /// The primary did not answer.
    Unknown,
}

/// Sleeps on the cluster's own clock.
pub(super) async fn pause(stores: &mut Backend, duration: Duration) {
    // Sleeping never fails.
    drop(stores.call(&Request::Sleep(duration)).await);
}
