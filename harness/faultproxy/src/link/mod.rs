//! The data path: what all connections of one proxy share.

pub(crate) mod connection;
pub(crate) mod plan;
mod pump;
pub(crate) mod queue;
mod stage;

use crate::seed::{Key, Seed};
use crate::toxic::{Stream, Toxic};
use connection::{Connection, Traffic};
use plan::Close;
use stage::Applied;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A proxy as its connections see it.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) name: Arc<str>,
    seed: Seed,
    toxics: Mutex<Arc<Vec<Toxic>>>,
    connections: Mutex<BTreeMap<u64, Arc<Connection>>>,
    accepted: AtomicU64,
    /// Bytes of connections that have ended, by direction.
    past: [Traffic; 2],
}

/// Every critical section on these locks leaves the data whole, so a panic
/// elsewhere does not spoil it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Link {
    pub(crate) fn new(name: Arc<str>, seed: Seed) -> Self {
        Self {
            name,
            seed,
            toxics: Mutex::default(),
            connections: Mutex::default(),
            accepted: AtomicU64::new(0),
            past: Default::default(),
        }
    }

    pub(crate) fn toxics(&self) -> Arc<Vec<Toxic>> {
        Arc::clone(&lock(&self.toxics))
    }

    /// Changes the toxics and tells all connections.
    pub(crate) fn change_toxics<T, E>(
        &self,
        change: impl FnOnce(&mut Vec<Toxic>) -> Result<T, E>,
    ) -> Result<T, E> {
        let result = {
            let mut toxics = lock(&self.toxics);
            // A refused change leaves no trace.
            let mut changed = Vec::clone(&toxics);
            let result = change(&mut changed)?;
            *toxics = Arc::new(changed);
            result
        };
        self.nudge_all();
        Ok(result)
    }

    pub(crate) fn nudge_all(&self) {
        for connection in self.connections() {
            connection.nudge();
        }
    }

    /// The toxics that the draw gives to a connection, in their order.
    fn applied(&self, connection: Key, stream: Stream) -> Vec<Applied> {
        self.toxics()
            .iter()
            .filter(|toxic| toxic.stream == stream)
            .filter_map(|toxic| {
                let key = connection.with(toxic.name.as_bytes());
                (key.unit() < toxic.toxicity).then_some(Applied {
                    id: toxic.id,
                    kind: toxic.kind,
                    key,
                })
            })
            .collect()
    }

    /// Numbers a connection that was just accepted.
    pub(crate) fn register(&self, client: SocketAddr, upstream: &Arc<str>) -> Arc<Connection> {
        let ordinal = self.accepted.fetch_add(1, Ordering::Relaxed) + 1;
        let key = self.seed.connection(&self.name, ordinal);
        let connection = Arc::new(Connection::new(ordinal, key, client, Arc::clone(upstream)));
        lock(&self.connections).insert(ordinal, Arc::clone(&connection));
        connection
    }

    pub(crate) fn forget(&self, connection: &Connection) {
        let mut connections = lock(&self.connections);
        connections.remove(&connection.ordinal);
        for (past, traffic) in self.past.iter().zip(&connection.traffic) {
            let add = |to: &AtomicU64, from: &AtomicU64| {
                to.fetch_add(from.load(Ordering::Relaxed), Ordering::Relaxed);
            };
            add(&past.received, &traffic.received);
            add(&past.sent, &traffic.sent);
        }
    }

    pub(crate) fn connections(&self) -> Vec<Arc<Connection>> {
        lock(&self.connections).values().cloned().collect()
    }

    pub(crate) fn connection(&self, ordinal: u64) -> Option<Arc<Connection>> {
        lock(&self.connections).get(&ordinal).cloned()
    }

    pub(crate) fn close_all(&self, how: Close) {
        for connection in self.connections() {
            connection.close(how);
        }
    }

    /// Bytes received and sent in one direction, over all connections so far.
    pub(crate) fn traffic(&self, stream: Stream) -> (u64, u64) {
        let connections = lock(&self.connections);
        let all = connections.values().map(|connection| &connection.traffic).chain([&self.past]);
        all.fold((0, 0), |(received, sent), traffic| {
            let traffic = &traffic[stream.index()];
            (
                received + traffic.received.load(Ordering::Relaxed),
                sent + traffic.sent.load(Ordering::Relaxed),
            )
        })
    }
}
