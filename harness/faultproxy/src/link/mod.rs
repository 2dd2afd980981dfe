//! The data path: what all connections of one proxy share.

pub(crate) mod connection;
mod gate;
pub(crate) mod hold;
mod judge;
pub(crate) mod plan;
mod pump;
pub(crate) mod queue;
mod stage;
mod tell;

use crate::address::ClientAddress;
use crate::attend::{Desk, NoticeKind};
use crate::error::Error;
use crate::message::{Command, Protocol, Sought};
use crate::rule::{HeldMessage, Rule, RuleAction};
use crate::seed::{Key, Seed};
use crate::tls::TlsSetup;
use crate::toxic::{Stream, Toxic};
use connection::{Connection, Traffic};
use hold::Hold;
use plan::Close;
use stage::Applied;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A proxy as its connections see it.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) name: Arc<str>,
    seed: Seed,
    toxics: Mutex<Arc<Vec<Toxic>>>,
    connections: Mutex<BTreeMap<u64, Arc<Connection>>>,
    accepted: AtomicU64,
    rules: Mutex<Arc<Vec<Arc<Rule>>>>,
    /// Whether there are any: spares most messages the lock.
    has_rules: AtomicBool,
    /// What they are about, if that can be told by names alone.
    sought: Mutex<Option<Arc<Sought>>>,
    /// Who attends, if anyone does.
    desk: Mutex<Option<Arc<Desk>>>,
    /// Whether anyone does.
    is_attended: AtomicBool,
    /// The proxy itself answers requests for encryption, with no.
    refuses_encryption: AtomicBool,
    /// Messages that wait, by their ids.
    held: Mutex<BTreeMap<u64, HeldMessage>>,
    /// What connections get when they are opened.
    opening: Mutex<Opening>,
    /// The same of those that are opened with TLS.
    tls: Mutex<Option<Arc<TlsSetup>>>,
    /// Bytes of connections that have ended, by direction.
    past: [Traffic; 2],
}

/// Whether requests and replies are written to the event log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MessageLog {
    /// No.
    #[default]
    Off,
    /// Yes, each of them.
    On,
}

/// Whether a proxy of Postgres itself answers requests for encryption, with no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Refuses {
    /// They go to the server.
    #[default]
    No,
    /// Clients that prefer encryption go on without it, and their messages can
    /// be followed though the server has TLS. Those that insist on it close
    /// the connection.
    Yes,
}

#[derive(Debug, Clone, Copy, Default)]
struct Opening {
    protocol: Option<Protocol>,
    logs: MessageLog,
    holds: [Hold; 2],
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
            rules: Mutex::default(),
            has_rules: AtomicBool::new(false),
            sought: Mutex::new(Some(Arc::default())),
            desk: Mutex::default(),
            is_attended: AtomicBool::new(false),
            refuses_encryption: AtomicBool::new(false),
            held: Mutex::default(),
            opening: Mutex::default(),
            tls: Mutex::default(),
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

    /// How long the toxics let a connection wait for its server.
    fn opening_delay(&self, connection: Key) -> Duration {
        let both = Stream::BOTH.into_iter().flat_map(|stream| self.applied(connection, stream));
        both.map(|toxic| toxic.opening_delay()).fold(Duration::ZERO, Duration::saturating_add)
    }

    /// Has the connections opened from now on speak TLS, or not.
    pub(crate) fn set_tls(&self, tls: Option<Arc<TlsSetup>>) {
        *lock(&self.tls) = tls;
    }

    pub(crate) fn tls(&self) -> Option<Arc<TlsSetup>> {
        lock(&self.tls).clone()
    }

    /// Numbers a connection that was just accepted.
    pub(crate) fn register(&self, client: ClientAddress, upstream: &Arc<str>) -> Arc<Connection> {
        let ordinal = self.accepted.fetch_add(1, Ordering::Relaxed) + 1;
        let key = self.seed.connection(&self.name, ordinal);
        // One lock inside the other: a hold on all connections must find this
        // one either listed, or about to be opened held.
        let mut connections = lock(&self.connections);
        let opening = *lock(&self.opening);
        let connection = Arc::new(Connection::new(
            ordinal,
            key,
            (client, Arc::clone(upstream)),
            (opening.protocol, opening.logs),
            lock(&self.tls).clone(),
            opening.holds,
        ));
        connections.insert(ordinal, Arc::clone(&connection));
        drop(connections);
        if let Some(desk) = self.desk() {
            desk.tell(&self.name, ordinal, NoticeKind::Opened { client });
        }
        connection
    }

    /// Who attends now.
    pub(crate) fn desk(&self) -> Option<Arc<Desk>> {
        if self.is_attended() { lock(&self.desk).clone() } else { None }
    }

    pub(crate) fn is_attended(&self) -> bool {
        self.is_attended.load(Ordering::Acquire)
    }

    /// Has messages from now on told to this desk.
    pub(crate) fn attend(&self, desk: &Arc<Desk>) -> Result<(), Error> {
        let mut attended = lock(&self.desk);
        if attended.is_some() {
            let reason = format!("somebody attends proxy {} already", self.name);
            return Err(Error::Refused(reason));
        }
        *attended = Some(Arc::clone(desk));
        self.is_attended.store(true, Ordering::Release);
        Ok(())
    }

    /// Ends that.
    pub(crate) fn leave(&self, desk: &Arc<Desk>) {
        let mut attended = lock(&self.desk);
        if attended.as_ref().is_some_and(|attended| Arc::ptr_eq(attended, desk)) {
            *attended = None;
            self.is_attended.store(false, Ordering::Release);
        }
    }

    pub(crate) fn refuse_encryption(&self, refuses: Refuses) {
        self.refuses_encryption.store(refuses == Refuses::Yes, Ordering::Release);
    }

    pub(crate) fn refuses_encryption(&self) -> bool {
        self.refuses_encryption.load(Ordering::Acquire)
    }

    pub(crate) fn forget(&self, connection: &Arc<Connection>, how: &'static str) {
        if let Some(desk) = self.desk() {
            desk.close(&self.name, connection, how);
        }
        let mut connections = lock(&self.connections);
        connections.remove(&connection.ordinal);
        lock(&self.held).retain(|_, held| held.connection != connection.ordinal);
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

    /// Has the connections opened from now on speak this protocol.
    pub(crate) fn set_protocol(&self, protocol: Option<Protocol>, logs: MessageLog) {
        let mut opening = lock(&self.opening);
        opening.protocol = protocol;
        opening.logs = logs;
    }

    pub(crate) fn protocol(&self) -> Option<Protocol> {
        lock(&self.opening).protocol
    }

    pub(crate) fn logs(&self) -> MessageLog {
        lock(&self.opening).logs
    }

    /// Sets a hold on all connections, those to come included.
    pub(crate) fn hold_all(&self, stream: Stream, hold: Hold) {
        let connections = lock(&self.connections);
        lock(&self.opening).holds[stream.index()] = hold;
        for connection in connections.values() {
            connection.set_hold(stream, hold);
        }
    }

    /// What connections to come will be held by.
    pub(crate) fn opening_hold(&self, stream: Stream) -> Hold {
        lock(&self.opening).holds[stream.index()]
    }

    pub(crate) fn set_opening_hold(&self, stream: Stream, hold: Hold) {
        lock(&self.opening).holds[stream.index()] = hold;
    }

    pub(crate) fn rules(&self) -> Arc<Vec<Arc<Rule>>> {
        Arc::clone(&lock(&self.rules))
    }

    fn has_rules(&self) -> bool {
        self.has_rules.load(Ordering::Acquire)
    }

    /// The commands that rules are about; None: any.
    fn sought(&self) -> Option<Arc<Sought>> {
        lock(&self.sought).clone()
    }

    /// Puts rules in force. The lock on them must be held.
    fn enforce(&self, rules: &mut Arc<Vec<Arc<Rule>>>, changed: Vec<Arc<Rule>>) {
        let names: Option<Vec<_>> =
            changed.iter().map(|rule| rule.rule.command.as_deref()).collect();
        *lock(&self.sought) = names.and_then(Sought::of).map(Arc::new);
        self.has_rules.store(!changed.is_empty(), Ordering::Release);
        *rules = Arc::new(changed);
    }

    pub(crate) fn add_rule(&self, rule: Arc<Rule>) {
        let mut rules = lock(&self.rules);
        let mut changed = Vec::clone(&rules);
        changed.push(rule);
        self.enforce(&mut rules, changed);
    }

    /// Removes a rule and releases what it holds; None if there is none.
    pub(crate) fn remove_rule(&self, id: u64) -> Option<Arc<Rule>> {
        let removed = {
            let mut rules = lock(&self.rules);
            let at = rules.iter().position(|rule| rule.id == id)?;
            let mut changed = Vec::clone(&rules);
            let removed = changed.remove(at);
            self.enforce(&mut rules, changed);
            removed
        };
        lock(&self.held).retain(|_, held| held.rule != id);
        self.nudge_all();
        Some(removed)
    }

    /// The first rule that acts on one of these commands. Every rule that
    /// matches counts, whether or not another one acts.
    fn fires(&self, connection: u64, commands: &[Command]) -> Option<(u64, Command, RuleAction)> {
        let rules = self.rules();
        let mut first = None;
        for command in commands {
            for rule in rules.iter() {
                if rule.acts_on(connection, command) && first.is_none() {
                    first = Some((rule.id, command.clone(), rule.rule.action));
                }
            }
        }
        first
    }

    fn hold_message(&self, message: HeldMessage) {
        lock(&self.held).insert(message.id, message);
    }

    fn is_held(&self, id: u64) -> bool {
        lock(&self.held).contains_key(&id)
    }

    pub(crate) fn held(&self) -> Vec<HeldMessage> {
        lock(&self.held).values().cloned().collect()
    }

    /// Lets a held message go; its connection, if there is such a message.
    pub(crate) fn release_message(&self, id: u64) -> Option<u64> {
        let released = lock(&self.held).remove(&id)?;
        if let Some(connection) = self.connection(released.connection) {
            connection.nudge();
        }
        Some(released.connection)
    }
}
