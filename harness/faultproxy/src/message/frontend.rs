//! What a Postgres client sends:
//! <https://www.postgresql.org/docs/current/protocol-message-formats.html>.

use super::reader::Reader;
use super::session::Encryption;
use super::wal::Replication;
use super::{Command, LARGEST_HEAD, Lost, Part, Place, Session, sql};
use bytes::BytesMut;
use std::collections::BTreeMap;

/// Prepared statements remembered; drivers cache hundreds.
const MOST_STATEMENTS: usize = 10_000;
/// No message can be longer, by the protocol.
const LONGEST_MESSAGE: u32 = 1 << 30;

const TLS_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;
const CANCEL_REQUEST: u32 = 80_877_102;

/// The stream from a client to Postgres.
#[derive(Debug, Default)]
pub(crate) struct Frontend {
    buffer: BytesMut,
    /// Bytes of the buffer already looked at.
    scanned: usize,
    /// Bytes still to come of a message that was too long to wait for …
    ahead: usize,
    /// … and where its last byte stands.
    after: Place,
    phase: Phase,
    /// In a request that a Sync will end.
    extended: bool,
    commands: Vec<Command>,
    statements: BTreeMap<String, Statement>,
    portals: BTreeMap<String, Vec<Command>>,
}

/// A prepared statement.
#[derive(Debug, Default, Clone)]
struct Statement {
    commands: Vec<Command>,
    /// Types of its parameters as far as the client gave them; 0 is none.
    types: Vec<u32>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Messages have no type yet.
    #[default]
    Startup,
    Open,
    /// A cancel request was sent; nothing follows.
    Cancel,
}

/// What a message does to the request it is in.
enum Role {
    /// Outside of requests.
    Between,
    /// Part of an extended request.
    Part,
    /// Ends an extended request, or is a whole one.
    Last,
    /// Asks for what there is so far.
    Flush,
}

impl Frontend {
    pub(crate) fn feed(&mut self, data: &[u8]) {
        self.buffer.extend_from_slice(data);
    }

    pub(crate) const fn rest(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    pub(crate) fn next(&mut self, session: &mut Session) -> Result<Option<Part>, Lost> {
        if self.ahead > 0 {
            return Ok(self.pass_ahead());
        }
        loop {
            let rest = &self.buffer[self.scanned..];
            if rest.is_empty() {
                return Ok(None);
            }
            if self.phase != Phase::Open {
                return self.startup(session);
            }
            let Some(header) = rest.get(..5) else {
                return Ok(None);
            };
            let len = u32::from_be_bytes(header[1..5].try_into().expect("four bytes"));
            if !header[0].is_ascii_alphabetic() || !(4..LONGEST_MESSAGE).contains(&len) {
                return Err(Lost("a message has no type or length of Postgres"));
            }
            let whole = len as usize + 1;
            if rest.len() < whole && self.buffer.len() < LARGEST_HEAD {
                return Ok(None);
            }
            let kind = header[0];
            let there = whole.min(rest.len());
            let role = {
                let body = self.buffer[self.scanned + 5..self.scanned + there].to_vec();
                self.take(kind, &body, session)
            };
            self.scanned += there;
            self.ahead = whole - there;
            let place = match role {
                Role::Between if self.extended => continue,
                Role::Between => Place::Between,
                Role::Last => Place::Last,
                Role::Flush => Place::Inside,
                // More of the request is to come, unless it is too long to wait.
                Role::Part if self.ahead == 0 && self.scanned < LARGEST_HEAD => continue,
                Role::Part => Place::Inside,
            };
            return Ok(Some(self.cut(place)));
        }
    }

    /// Hands out the rest of a message that was too long to wait for.
    fn pass_ahead(&mut self) -> Option<Part> {
        let len = self.ahead.min(self.buffer.len());
        if len == 0 {
            return None;
        }
        self.ahead -= len;
        let place = match (self.ahead, self.after) {
            (1.., Place::Last) => Place::Inside,
            (_, after) => after,
        };
        Some(Part { data: self.buffer.split_to(len).freeze(), place, ..Part::default() })
    }

    fn cut(&mut self, mut place: Place) -> Part {
        let data = self.buffer.split_to(self.scanned).freeze();
        self.scanned = 0;
        if place == Place::Last {
            self.extended = false;
        }
        if self.ahead > 0 {
            self.after = place;
            if place == Place::Last {
                place = Place::Inside;
            }
        }
        Part { data, place, commands: std::mem::take(&mut self.commands), ..Part::default() }
    }

    fn startup(&mut self, session: &mut Session) -> Result<Option<Part>, Lost> {
        if self.buffer[0] == 0x16 {
            return Err(Lost("the client speaks TLS"));
        }
        let Some(header) = self.buffer.get(..8) else {
            return Ok(None);
        };
        let len = u32::from_be_bytes(header[..4].try_into().expect("four bytes")) as usize;
        let code = u32::from_be_bytes(header[4..8].try_into().expect("four bytes"));
        if !(8..=LARGEST_HEAD).contains(&len) || self.phase == Phase::Cancel {
            return Err(Lost("no startup message of Postgres"));
        }
        if self.buffer.len() < len {
            return Ok(None);
        }
        self.scanned = len;
        match code {
            TLS_REQUEST => session.encryption_asked = Some(Encryption::Tls),
            GSS_REQUEST => session.encryption_asked = Some(Encryption::Gss),
            CANCEL_REQUEST => self.phase = Phase::Cancel,
            _ if code >> 16 == 3 => {
                self.phase = Phase::Open;
                self.commands = vec![Command { name: "STARTUP".into(), ..Command::default() }];
                return Ok(Some(self.cut(Place::Last)));
            }
            _ => return Err(Lost("not version 3 of the Postgres protocol")),
        }
        Ok(Some(self.cut(Place::Between)))
    }

    /// Takes note of a message.
    fn take(&mut self, kind: u8, body: &[u8], session: &mut Session) -> Role {
        let mut reader = Reader(body);
        match kind {
            b'Q' => {
                self.commands = sql::statements(&reader.text());
                if self.commands.is_empty() {
                    self.commands.push(Command::default());
                }
                note_replication(&self.commands, session);
                session.extended = false;
                return Role::Last;
            }
            b'F' => {
                self.commands.push(Command { name: "FUNCTION CALL".into(), ..Command::default() });
                session.extended = false;
                return Role::Last;
            }
            b'P' => {
                let name = reader.text();
                let commands = sql::statements(&reader.text());
                let types = reader.types();
                remember(&mut self.statements, name, Statement { commands, types });
            }
            b'B' => {
                let (portal, statement) = (reader.text(), reader.text());
                let statement = self.statements.get(&statement).cloned().unwrap_or_default();
                let parameters = reader.parameters(&statement.types);
                let mut commands = statement.commands;
                for command in &mut commands {
                    command.keys.extend_from_slice(&parameters);
                }
                remember(&mut self.portals, portal, commands);
            }
            b'E' => {
                let portal = reader.text();
                let commands = self.portals.get(&portal).cloned().unwrap_or_default();
                self.commands.extend(commands);
            }
            b'C' => {
                let what = reader.byte();
                let name = reader.text();
                match what {
                    Some(b'S') => drop(self.statements.remove(&name)),
                    _ => drop(self.portals.remove(&name)),
                }
            }
            b'D' => {}
            b'S' => {
                session.extended = true;
                return Role::Last;
            }
            // Copied data must not wait for the Sync behind it.
            b'H' | b'd' | b'c' | b'f' if self.extended => return Role::Flush,
            // Passwords, copied data, the farewell.
            _ => return Role::Between,
        }
        self.extended = true;
        Role::Part
    }
}

fn remember<T>(map: &mut BTreeMap<String, T>, name: String, what: T) {
    if map.len() < MOST_STATEMENTS || map.contains_key(&name) {
        map.insert(name, what);
    }
}

/// Logical and physical replication differ in what can be cut.
fn note_replication(commands: &[Command], session: &mut Session) {
    if let Some(start) = commands.iter().find(|c| c.name == "START_REPLICATION") {
        session.replication = if sql::has_word(&start.text.to_uppercase(), "LOGICAL") {
            Replication::Logical
        } else {
            Replication::Physical
        };
    }
}
