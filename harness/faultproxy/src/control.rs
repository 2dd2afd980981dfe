//! What goes beyond Toxiproxy, on one proxy: holds, rules, connections.

use crate::attend::Desk;
use crate::error::Error;
use crate::event::ProxyEventKind;
use crate::link::MessageLog;
use crate::link::connection::Connection;
use crate::link::hold::{Hold, Release};
use crate::message::wal::WalPosition;
use crate::message::{Framing, Protocol, REPLICATES};
use crate::proxy::Proxy;
use crate::rule::{NewRule, Rule, RuleView};
use crate::toxic::Stream;
use serde::Serialize;
use std::sync::Arc;

/// A rule that was made, and the open connections it cannot reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RuleAdded {
    /// The rule.
    #[serde(flatten)]
    pub rule: RuleView,
    /// Connections on which messages cannot be told apart, and why.
    pub uncovered: Vec<Uncovered>,
}

/// An open connection that rules do not reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Uncovered {
    /// Its ordinal.
    pub connection: u64,
    /// Why.
    #[serde(flatten)]
    pub framing: Framing,
}

impl Proxy {
    pub(crate) fn open_connection(&self, ordinal: u64) -> Result<Arc<Connection>, Error> {
        let open = self.link.connection(ordinal);
        open.ok_or(Error::ConnectionNotFound)
    }

    /// Connections opened from now on are scanned for messages of `protocol`.
    pub(crate) fn set_protocol(&self, protocol: Option<Protocol>, logs: MessageLog) {
        self.link.set_protocol(protocol, logs);
    }

    /// Holds a direction of one connection, or of all and those to come.
    pub(crate) fn hold(&self, stream: Stream, connection: Option<u64>) -> Result<(), Error> {
        self.set_hold(stream, connection, Hold::SHUT)
    }

    /// Holds WAL from a position on; everything else passes.
    pub(crate) fn hold_wal(&self, connection: Option<u64>, lsn: WalPosition) -> Result<(), Error> {
        if self.link.protocol() != Some(Protocol::Postgres) {
            return Err(Error::Refused(format!(
                "proxy {} does not know that its connections speak Postgres; \
                 set its protocol before they are opened",
                self.name
            )));
        }
        if let Some(ordinal) = connection {
            can_follow_wal(&*self.open_connection(ordinal)?)?;
        }
        let hold = Hold::Held { bytes: 0, lsn: Some(lsn) };
        self.set_hold(Stream::Downstream, connection, hold)
    }

    fn set_hold(&self, stream: Stream, connection: Option<u64>, hold: Hold) -> Result<(), Error> {
        match connection {
            Some(ordinal) => self.open_connection(ordinal)?.set_hold(stream, hold),
            None => self.link.hold_all(stream, hold),
        }
        self.record(connection, ProxyEventKind::Held { stream });
        Ok(())
    }

    /// Releases a held direction, or a part of it, of one connection or of all
    /// that are held.
    pub(crate) fn release(
        &self,
        stream: Stream,
        connection: Option<u64>,
        release: Release,
    ) -> Result<(), Error> {
        let targets = match connection {
            Some(ordinal) => vec![self.open_connection(ordinal)?],
            None => self.link.connections(),
        };
        let mut targets: Vec<_> =
            targets.into_iter().filter(|target| target.hold(stream) != Hold::Open).collect();
        let opening_held = connection.is_none() && self.link.opening_hold(stream) != Hold::Open;
        if targets.is_empty() && !opening_held {
            return Err(Error::Refused(format!("nothing is held {}", stream.name())));
        }
        if let Release::UpTo(_) = release {
            if stream == Stream::Upstream {
                let reason = "WAL flows downstream; only there it can be released by LSN";
                return Err(Error::Refused(reason.into()));
            }
            // On a connection that does not replicate (yet), a position would
            // let everything pass.
            targets.retain(|target| {
                let by_lsn = matches!(target.hold(stream), Hold::Held { lsn: Some(_), .. });
                by_lsn || target.framing() == Framing::Suspended(REPLICATES)
            });
            if targets.is_empty() {
                let reason = "no held connection is a replication stream of Postgres";
                return Err(Error::Refused(reason.into()));
            }
        }
        for target in targets {
            target.change_hold(stream, |hold| *hold = released(*hold, release));
            target.nudge();
        }
        if connection.is_none() {
            let opening = match release {
                Release::All => Hold::Open,
                // Bytes released are those of connections that exist.
                Release::Bytes(_) => self.link.opening_hold(stream),
                Release::UpTo(_) => released(self.link.opening_hold(stream), release),
            };
            self.link.set_opening_hold(stream, opening);
        }
        self.record(connection, ProxyEventKind::Released { stream });
        Ok(())
    }

    pub(crate) fn add_rule(&self, new: NewRule) -> Result<RuleAdded, Error> {
        new.validate()?;
        if let Some(ordinal) = new.connection {
            let framing = self.open_connection(ordinal)?.framing();
            if let Some(reason) = uncovered(&framing) {
                return Err(Error::Refused(format!(
                    "connection {ordinal} of proxy {} takes no rules: {reason}",
                    self.name
                )));
            }
        } else if self.link.protocol().is_none() {
            return Err(Error::Refused(format!(
                "proxy {} knows no protocol; set it to redis or postgres first",
                self.name
            )));
        }
        let rule = Arc::new(Rule::new(self.next_id(), new));
        self.link.add_rule(Arc::clone(&rule));
        let connections = self.link.connections();
        let uncovered = connections.iter().filter_map(|connection| {
            let framing = connection.framing();
            uncovered(&framing)?;
            let covered = rule.rule.connection.is_none();
            covered.then_some(Uncovered { connection: connection.ordinal, framing })
        });
        Ok(RuleAdded { rule: rule.view(), uncovered: uncovered.collect() })
    }

    /// Has messages from now on told to this desk; which open connections
    /// cannot be followed.
    pub(crate) fn attend(&self, desk: &Arc<Desk>) -> Result<Vec<Uncovered>, Error> {
        if self.link.protocol().is_none() {
            return Err(Error::Refused(format!(
                "proxy {} knows no protocol; set it to redis or postgres first",
                self.name
            )));
        }
        self.link.attend(desk)?;
        let connections = self.link.connections();
        let uncovered = connections.iter().filter_map(|connection| {
            let framing = connection.framing();
            uncovered(&framing)?;
            Some(Uncovered { connection: connection.ordinal, framing })
        });
        Ok(uncovered.collect())
    }

    pub(crate) fn rules(&self) -> Vec<RuleView> {
        self.link.rules().iter().map(|rule| rule.view()).collect()
    }

    pub(crate) fn remove_rule(&self, id: u64) -> Result<RuleView, Error> {
        let removed = self.link.remove_rule(id);
        removed.map(|rule| rule.view()).ok_or(Error::RuleNotFound)
    }

    pub(crate) fn remove_all_rules_and_holds(&self) {
        for rule in self.rules() {
            // Somebody else may have been faster.
            drop(self.remove_rule(rule.id));
        }
        for stream in Stream::BOTH {
            // That nothing is held is as good.
            let _ = self.release(stream, None, Release::All);
        }
    }

    pub(crate) fn release_message(&self, id: u64) -> Result<(), Error> {
        let connection = self.link.release_message(id).ok_or(Error::HeldNotFound)?;
        self.record(Some(connection), ProxyEventKind::MessageReleased { held: id });
        Ok(())
    }
}

/// A hold after a release.
fn released(hold: Hold, release: Release) -> Hold {
    let Hold::Held { bytes, lsn } = hold else {
        return hold;
    };
    match release {
        Release::All => Hold::Open,
        Release::Bytes(more) => Hold::Held { bytes: bytes.saturating_add(more), lsn },
        Release::UpTo(to) => Hold::Held { bytes, lsn: Some(to) },
    }
}

/// Why rules do not reach a connection, if so.
fn uncovered(framing: &Framing) -> Option<&'static str> {
    match framing {
        Framing::Followed => None,
        Framing::None => Some("its proxy knew no protocol when it was opened"),
        Framing::Suspended(reason) | Framing::Lost(reason) => Some(reason),
    }
}

fn can_follow_wal(connection: &Connection) -> Result<(), Error> {
    match connection.framing() {
        Framing::Followed | Framing::Suspended(REPLICATES)
            if connection.protocol == Some(Protocol::Postgres) =>
        {
            Ok(())
        }
        framing => Err(Error::Refused(format!(
            "connection {} is no replication stream of Postgres that can be followed: {}",
            connection.ordinal,
            uncovered(&framing).unwrap_or("it speaks another protocol")
        ))),
    }
}
