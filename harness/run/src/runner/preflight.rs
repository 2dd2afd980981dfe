//! Before a run each store shows that it does what strategies need.

use std::time::Duration;

use quarrel_checkers::{Content, Key, Site};
use quarrel_strategy::{
    cluster::{Cluster, ClusterKind},
    stores::{Backend, ConnectionState, Item, Request, Response, Script, ScriptCall, StoreError},
};
use smallvec::smallvec;

use super::probes::pause;
use crate::faults::HEARTBEAT;

/// A store that cannot do what a run needs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {} cannot do what a run needs: {what}: {}\n  try: {advice}", error.site, error.message)]
pub struct NotReady {
    /// What it was asked.
    pub what: &'static str,
    /// What it answered.
    #[source]
    pub error: StoreError,
    /// What would help.
    pub advice: &'static str,
}

/// How often what does not answer is asked; what says no is asked once.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(100);

const POSTGRES: &str = "the connection's address, and the role's rights on quarrel's schema";
const REDIS: &str = "the address of a Redis that takes writes (no Sentinel, no read-only \
                     replica, no single node of a cluster) and a user with +@read +@write \
                     +@scripting +@connection on the run's keys";

/// A script that only shows that scripts run.
static ECHO: Script = Script {
    verb: "EVAL",
    lua: "return redis.call('GET', KEYS[1])",
    model: |store, call| {
        let found = call.items.first().and_then(|item| store.get(item));
        found.map_or(Response::Refused, |found| Response::Content(Some(found)))
    },
};

/// Asks each store, over the links that clients use, for one of everything, on
/// a key that no workload uses.
pub(super) async fn preflight(cluster: &dyn Cluster) -> Result<(), NotReady> {
    if cluster.kind() == ClusterKind::Sim {
        return Ok(());
    }
    let mut stores = cluster.client();
    for (what, request) in questions(HEARTBEAT) {
        let answer = ask(&mut stores, &request).await;
        let advice = if request.site() == Site::Cache { REDIS } else { POSTGRES };
        answer.map_err(|error| NotReady { what, error, advice })?;
    }
    Ok(())
}

fn questions(key: Key) -> [(&'static str, Request); 8] {
    let item = Item::named("preflight", key);
    let content = Content::Number(1);
    let call = ScriptCall { items: smallvec![item], ..ScriptCall::default() };
    let ttl = Some(Duration::from_secs(10));
    [
        ("its log position", Request::PrimaryLsn),
        ("SELECT", Request::PrimaryRead(key)),
        ("its replay position (is it a replica?)", Request::ReplicaLsn),
        ("SELECT", Request::ReplicaRead(key)),
        ("SET", Request::CacheSet { item, content, ttl }),
        ("GET", Request::CacheGet(item)),
        ("EVAL", Request::CacheScript { script: &ECHO, call }),
        ("DEL", Request::CacheDel(item)),
    ]
}

async fn ask(stores: &mut Backend, request: &Request) -> Result<Response, StoreError> {
    let mut answer = stores.call(request).await;
    for _ in 1..ATTEMPTS {
        let is_silent =
            answer.as_ref().is_err_and(|error| error.connection == ConnectionState::Broken);
        if !is_silent {
            break;
        }
        pause(stores, PAUSE).await;
        answer = stores.call(request).await;
    }
    answer
}
