//! What a Postgres client sends:
//! <https://www.postgresql.org/docs/current/protocol-message-formats.html>.

use super::group::{Counted, Ends, Expects, Group, Step, Strength, Sync};
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
    /// In a request of the extended protocol that a Sync or a Flush will end.
    extended: bool,
    /// A part of the request was already handed out.
    begun: bool,
    commands: Vec<Command>,
    /// The commands of the last portal that was bound, …
    bound: Vec<Command>,
    /// … which were told of before it was executed.
    told_ahead: bool,
    steps: Vec<Step>,
    /// Messages of the request that the server will say it has done.
    expected: u32,
    /// The strongest statement run since the last Sync, by earlier requests.
    unsettled: Option<Strength>,
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
    Last(Ends, Expects),
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
            let (place, ends, expects) = match role {
                Role::Between if self.extended => continue,
                Role::Between => {
                    let mut part = self.cut(Place::Between);
                    part.handshake = kind == b'p';
                    return Ok(Some(part));
                }
                Role::Last(ends, expects) => (Place::Last, ends, expects),
                // More of the request is to come, unless it is too long to wait.
                Role::Part if self.ahead == 0 && self.scanned < LARGEST_HEAD => continue,
                Role::Part => {
                    let open = Expects::Counted(Counted::new(None, Sync::No));
                    (Place::Inside, Ends::Open, open)
                }
            };
            return Ok(Some(self.request(place, ends, expects)));
        }
    }

    /// Hands out a part of a request.
    fn request(&mut self, place: Place, ends: Ends, expects: Expects) -> Part {
        let settles = match ends {
            Ends::Sync => self.unsettled.take(),
            Ends::Alone => None,
            Ends::Flush | Ends::Open => {
                let strongest = self.commands.iter().map(|command| command.strength).max();
                self.unsettled = self.unsettled.max(strongest);
                None
            }
        };
        if place == Place::Inside && self.commands.is_empty() {
            // What was bound is going to run.
            self.commands = std::mem::take(&mut self.bound);
            self.told_ahead = !self.commands.is_empty();
        }
        let mut part = self.cut(place);
        let steps = std::mem::take(&mut self.steps);
        if place == Place::Last {
            self.bound.clear();
            self.told_ahead = false;
        }
        if part.commands.is_empty() && !self.begun {
            part.commands.push(nameless(&steps, ends));
        }
        part.group = Some(Group { steps, ends, settles });
        part.expects = expects;
        self.begun = place == Place::Inside && self.ahead == 0;
        part
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
                self.steps.push(Step::Startup);
                let mut part = self.request(Place::Last, Ends::Alone, Expects::Ready);
                part.handshake = true;
                return Ok(Some(part));
            }
            _ => return Err(Lost("not version 3 of the Postgres protocol")),
        }
        let mut part = self.cut(Place::Between);
        part.asks_encryption = matches!(code, TLS_REQUEST | GSS_REQUEST);
        part.handshake = true;
        Ok(Some(part))
    }

    /// Takes note of a message.
    fn take(&mut self, kind: u8, body: &[u8], session: &mut Session) -> Role {
        let mut reader = Reader(body);
        match kind {
            b'Q' => {
                self.commands = sql::statements(&reader.text());
                self.steps.push(Step::Query);
                note_replication(&self.commands, session);
                return Role::Last(Ends::Alone, Expects::Ready);
            }
            b'F' => {
                self.commands.push(Command {
                    name: "FUNCTION CALL".into(),
                    strength: Strength::Write,
                    ..Command::default()
                });
                self.steps.push(Step::FunctionCall);
                return Role::Last(Ends::Alone, Expects::Ready);
            }
            b'S' => return Role::Last(Ends::Sync, self.counted(Sync::Yes)),
            b'H' => return Role::Last(Ends::Flush, self.counted(Sync::No)),
            // Copied data do not wait for the Sync behind them.
            b'd' if self.extended => return Role::Last(Ends::Open, self.counted(Sync::No)),
            b'c' | b'f' => {
                self.steps.push(if kind == b'c' { Step::CopyDone } else { Step::CopyFail });
                return Role::Last(Ends::Open, self.counted(Sync::No));
            }
            b'P' => self.parse(&mut reader),
            b'B' => self.bind(&mut reader, session),
            b'E' => {
                let portal = reader.text();
                if !std::mem::take(&mut self.told_ahead) {
                    let commands = self.portals.get(&portal).cloned().unwrap_or_default();
                    self.commands.extend(commands);
                }
                self.bound.clear();
                self.steps.push(Step::Execute);
            }
            b'C' => {
                let what = reader.byte();
                let name = reader.text();
                self.steps.push(Step::Close);
                match what {
                    Some(b'S') => drop(self.statements.remove(&name)),
                    _ => drop(self.portals.remove(&name)),
                }
            }
            b'D' => {
                let describes_statement = reader.byte() == Some(b'S');
                if describes_statement {
                    session.describe(reader.text());
                }
                self.steps.push(Step::Describe);
            }
            // Passwords, copied data, the farewell.
            _ => return Role::Between,
        }
        self.extended = true;
        self.expected += 1;
        Role::Part
    }

    fn counted(&mut self, sync: Sync) -> Expects {
        match (std::mem::take(&mut self.expected), sync) {
            (0, Sync::No) => Expects::Nothing,
            (total, sync) => Expects::Counted(Counted::new(Some(total), sync)),
        }
    }

    fn parse(&mut self, reader: &mut Reader<'_>) {
        let name = reader.text();
        let commands = sql::statements(&reader.text());
        let types = reader.types();
        self.steps.push(Step::Parse { statement: name.clone() });
        remember(&mut self.statements, name, Statement { commands, types });
    }

    fn bind(&mut self, reader: &mut Reader<'_>, session: &Session) {
        let (portal, name) = (reader.text(), reader.text());
        let statement = self.statements.get(&name).cloned().unwrap_or_default();
        let given = statement.types.iter().all(|oid| *oid != 0) && !statement.types.is_empty();
        let told = session.described(&name).filter(|_| !given);
        let parameters = reader.parameters(told.unwrap_or(&statement.types));
        let mut commands = statement.commands;
        for command in &mut commands {
            let readings = parameters.iter().flat_map(|parameter| &parameter.readings);
            command.keys.extend(readings.cloned());
        }
        self.steps.push(Step::Bind { statement: name, parameters });
        self.bound.clone_from(&commands);
        remember(&mut self.portals, portal, commands);
    }
}

/// What a request without a statement is called: by what it does, the last
/// thing first, as the first ones are only done for its sake.
fn nameless(steps: &[Step], ends: Ends) -> Command {
    let name = steps.iter().rev().find_map(|step| match step {
        Step::Query => Some("EMPTY"),
        Step::Execute => Some("EXECUTE"),
        Step::Parse { .. } => Some("PARSE"),
        Step::Bind { .. } => Some("BIND"),
        Step::Close => Some("CLOSE"),
        Step::CopyDone => Some("COPY DONE"),
        Step::CopyFail => Some("COPY FAIL"),
        Step::Describe | Step::FunctionCall | Step::Startup => None,
    });
    let name = name.unwrap_or(match ends {
        _ if !steps.is_empty() => "DESCRIBE",
        Ends::Sync => "SYNC",
        Ends::Flush => "FLUSH",
        Ends::Alone | Ends::Open => "EMPTY",
    });
    Command { name: name.into(), ..Command::default() }
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
