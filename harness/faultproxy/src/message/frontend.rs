//! What a Postgres client sends:
//! <https://www.postgresql.org/docs/current/protocol-message-formats.html>.

mod follow;

use super::group::{Counted, Ends, Expects, Group, GroupMessage, Strength, Sync};
use super::reader::Reader;
use super::session::Encryption;
use super::statements::Statement;
use super::wal::Replication;
use super::{Command, LARGEST_HEAD, Lost, Part, Place, Session, sql};
use bytes::{Bytes, BytesMut};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Portals remembered by name; drivers have one or two.
const MOST_PORTALS: usize = 10_000;
/// No message can be longer, by the protocol.
const LONGEST_MESSAGE: u32 = 1 << 30;

const TLS_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;
const CANCEL_REQUEST: u32 = 80_877_102;

/// The stream from a client to Postgres.
#[derive(Debug, Default)]
pub(crate) struct Frontend {
    pub(super) buffer: BytesMut,
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
    /// The last portal that was bound, …
    bound: Option<String>,
    /// … whose commands were told of before it was executed.
    told_ahead: bool,
    /// Somebody asks what messages say.
    wanted: bool,
    /// A statement of the request has a password, whether or not it runs.
    secret: bool,
    /// A statement of the request runs.
    executes: bool,
    steps: Vec<GroupMessage>,
    /// Messages of the request that the server will say it has done.
    expected: u32,
    /// The strongest statement run since the last Sync, by earlier requests.
    unsettled: Option<Strength>,
    portals: BTreeMap<String, Portal>,
}

/// A statement with its parameters. They are read when somebody asks, which may
/// be between its Bind and its Execute.
#[derive(Debug, Clone)]
struct Portal {
    statement: Option<Arc<Statement>>,
    parameters: Bytes,
}

impl Portal {
    fn commands(&self) -> Vec<Command> {
        let Some(statement) = &self.statement else { return Vec::new() };
        let mut commands = statement.commands().to_vec();
        if statement.is_secret() {
            return commands;
        }
        let parameters = Reader(&self.parameters).parameters(statement.types());
        for command in &mut commands {
            let readings = parameters.iter().flat_map(|parameter| &parameter.readings);
            command.keys.extend(readings.cloned());
        }
        commands
    }
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
        self.wanted = session.wanted;
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
            // Put aside, to be read while the rest of this changes.
            let buffer = std::mem::take(&mut self.buffer);
            let body = &buffer[self.scanned + 5..self.scanned + there];
            let role = self.take(kind, body, session);
            self.buffer = buffer;
            let role = role?;
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

    /// Takes note of how a request ends; what earlier ones ran that this
    /// commits.
    fn settle(&mut self, ends: Ends) -> Option<Strength> {
        let executes = std::mem::take(&mut self.executes);
        match ends {
            Ends::Sync => self.unsettled.take(),
            Ends::Alone => None,
            Ends::Flush | Ends::Open => {
                let strongest = self.commands.iter().map(|command| command.strength).max();
                // What nobody asked for may be anything.
                let unknown = (executes && strongest.is_none()).then_some(Strength::Write);
                self.unsettled = self.unsettled.max(strongest).max(unknown);
                None
            }
        }
    }

    /// Hands out a part of a request.
    fn request(&mut self, place: Place, ends: Ends, expects: Expects) -> Part {
        let settles = self.settle(ends);
        let confirmable = self.expected;
        if place == Place::Inside
            && self.wanted
            && self.commands.is_empty()
            && let Some(portal) = self.bound.take()
        {
            // What was bound is going to run.
            self.commands = self.portals.get(&portal).map(Portal::commands).unwrap_or_default();
            self.told_ahead = !self.commands.is_empty();
        }
        let mut part = self.cut(place);
        let steps = std::mem::take(&mut self.steps);
        if place == Place::Last {
            self.bound = None;
            self.told_ahead = false;
        }
        if self.wanted && part.commands.is_empty() && !self.begun {
            part.commands.push(nameless(&steps, ends));
        }
        let secret = std::mem::take(&mut self.secret);
        for command in &mut part.commands {
            command.secret |= secret;
        }
        part.group = Some(Group { steps, ends, settles });
        part.expects = expects;
        part.confirmable = confirmable;
        self.begun = place == Place::Inside;
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
                self.steps.push(GroupMessage::Startup);
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
    fn take(&mut self, kind: u8, body: &[u8], session: &mut Session) -> Result<Role, Lost> {
        let mut reader = Reader(body);
        match kind {
            b'Q' => {
                if self.wanted || begins_replication(body) {
                    self.commands = sql::statements(&reader.text());
                    self.steps.push(GroupMessage::Query);
                    note_replication(&self.commands, session);
                }
                return Ok(Role::Last(Ends::Alone, Expects::Ready));
            }
            b'F' => {
                self.commands.push(Command {
                    name: "FUNCTION CALL".into(),
                    strength: Strength::Write,
                    ..Command::default()
                });
                self.steps.push(GroupMessage::FunctionCall);
                return Ok(Role::Last(Ends::Alone, Expects::Ready));
            }
            b'S' => return Ok(Role::Last(Ends::Sync, self.counted(Sync::Yes))),
            b'H' => return Ok(Role::Last(Ends::Flush, self.counted(Sync::No))),
            // Copied data do not wait for the Sync behind them.
            b'd' if self.extended => {
                return Ok(Role::Last(Ends::Open, self.counted(Sync::No)));
            }
            b'c' | b'f' => {
                self.steps.push(if kind == b'c' {
                    GroupMessage::CopyDone
                } else {
                    GroupMessage::CopyFail
                });
                return Ok(Role::Last(Ends::Open, self.counted(Sync::No)));
            }
            b'P' => self.parse(&mut reader, session)?,
            b'B' => self.bind(&mut reader, session)?,
            b'E' => {
                let portal = reader.text();
                self.executes = true;
                self.bound = None;
                if self.wanted {
                    if !std::mem::take(&mut self.told_ahead)
                        && let Some(portal) = self.portals.get(&portal)
                    {
                        self.commands.extend(portal.commands());
                    }
                    self.steps.push(GroupMessage::Execute);
                }
            }
            b'C' => {
                let what = reader.byte();
                let name = reader.text();
                self.step(GroupMessage::Close);
                match what {
                    Some(b'S') => session.statements.close(self.ordinal(session), &name),
                    _ => drop(self.portals.remove(&name)),
                }
            }
            b'D' => {
                let describes_statement = reader.byte() == Some(b'S');
                if describes_statement {
                    session.statements.describe(self.ordinal(session), &reader.text());
                }
                self.step(GroupMessage::Describe);
            }
            // Passwords, copied data, the farewell.
            _ => return Ok(Role::Between),
        }
        self.extended = true;
        self.expected += 1;
        Ok(Role::Part)
    }

    fn counted(&mut self, sync: Sync) -> Expects {
        match (std::mem::take(&mut self.expected), sync) {
            (0, Sync::No) => Expects::Nothing,
            (total, sync) => Expects::Counted(Counted::new(Some(total), sync)),
        }
    }

    /// The ordinal of the request that is being read.
    const fn ordinal(&self, session: &Session) -> u64 {
        session.upcoming() - if self.begun { 1 } else { 0 }
    }

    /// Takes note of what is in the request, if anybody asks.
    fn step(&mut self, step: GroupMessage) {
        if self.wanted {
            self.steps.push(step);
        }
    }

    fn parse(&mut self, reader: &mut Reader<'_>, session: &mut Session) -> Result<(), Lost> {
        let name = reader.text();
        let sql = Bytes::copy_from_slice(reader.bytes());
        let statement = Statement::new(sql, reader.types());
        self.secret |= self.wanted && statement.is_secret();
        session.statements.parse(self.ordinal(session), &name, statement);
        self.step(GroupMessage::Parse { statement: name });
        if session.statements.is_full() {
            return Err(Lost("more prepared statements than can be remembered"));
        }
        Ok(())
    }

    fn bind(&mut self, reader: &mut Reader<'_>, session: &Session) -> Result<(), Lost> {
        let (portal, name) = (reader.text(), reader.text());
        let statement = session.statements.get(&name).cloned();
        if self.wanted {
            let types = statement.as_ref().map_or(&[][..], |statement| statement.types());
            let is_secret = statement.as_ref().is_some_and(|statement| statement.is_secret());
            let parameters =
                if is_secret { Vec::new() } else { Reader(reader.rest()).parameters(types) };
            self.secret |= is_secret;
            self.steps.push(GroupMessage::Bind { statement: name, parameters });
        }
        let parameters = Bytes::copy_from_slice(reader.rest());
        self.bound = Some(portal.clone());
        self.portals.insert(portal, Portal { statement, parameters });
        if self.portals.len() > MOST_PORTALS {
            return Err(Lost("more portals than can be remembered"));
        }
        Ok(())
    }

    /// Whether a request waits for more messages that need not come.
    pub(crate) const fn is_pausing(&self) -> bool {
        self.extended && self.scanned > 0
    }

    /// Hands out what there is of such a request.
    pub(crate) fn cut_short(&mut self) -> Option<Part> {
        if !self.is_pausing() {
            return None;
        }
        let open = Expects::Counted(Counted::new(None, Sync::No));
        Some(self.request(Place::Inside, Ends::Open, open))
    }
}

/// What a request without a statement is called: by what it does, the last
/// thing first, as the first ones are only done for its sake.
fn nameless(steps: &[GroupMessage], ends: Ends) -> Command {
    let name = steps.iter().rev().find_map(|step| match step {
        GroupMessage::Query => Some("EMPTY"),
        GroupMessage::Execute => Some("EXECUTE"),
        GroupMessage::Parse { .. } => Some("PARSE"),
        GroupMessage::Bind { .. } => Some("BIND"),
        GroupMessage::Close => Some("CLOSE"),
        GroupMessage::CopyDone => Some("COPY DONE"),
        GroupMessage::CopyFail => Some("COPY FAIL"),
        GroupMessage::Describe | GroupMessage::FunctionCall | GroupMessage::Startup => None,
    });
    let name = name.unwrap_or(match ends {
        _ if !steps.is_empty() => "DESCRIBE",
        Ends::Sync => "SYNC",
        Ends::Flush => "FLUSH",
        Ends::Alone | Ends::Open => "EMPTY",
    });
    Command { name: name.into(), ..Command::default() }
}

/// Whether the connection is going to replicate, which must be known whether or
/// not anybody asks what messages say.
fn begins_replication(body: &[u8]) -> bool {
    const START: &[u8] = b"START_REPLICATION";
    let body = body.trim_ascii_start();
    body.get(..START.len()).is_some_and(|front| front.eq_ignore_ascii_case(START))
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
