//! RESP2 and RESP3: <https://redis.io/docs/latest/develop/reference/protocol-spec/>.

use super::sought::Sought;
use super::subscriptions::{self, Confirmations, Role, Verb};
use super::{
    Command, Expects, LARGEST_HEAD, LONGEST_TEXT, Lost, Part, Place, Script, Session, keys, plain,
    text,
};
use bytes::{Bytes, BytesMut};

/// Deeper nesting than any reply of Redis has.
const DEEPEST: usize = 32;
/// A longer line is no RESP.
const LONGEST_LINE: usize = 64 << 10;
/// How much of a command is kept for rules, in bytes: all that its head can
/// hold. Each argument also counts for the place that it takes by itself.
const MOST_KEPT: usize = LARGEST_HEAD;
const PLACE: usize = 32;

/// Walks over values byte by byte, whatever their size.
#[derive(Debug, Default)]
struct Walker {
    /// Elements left on each level of the value being read.
    open: Vec<u64>,
    /// Bytes left of the string being read, with its line end.
    string_left: u64,
    line: Vec<u8>,
    /// The first byte of the value: its type.
    kind: Option<u8>,
    first_line: String,
    /// Strings met; only where commands are read.
    arguments: Vec<Vec<u8>>,
    /// What of [`MOST_KEPT`] is left for them.
    room: usize,
}

/// Whether a walk has met the end of a value.
enum Walk {
    /// After this many bytes.
    Ended(usize),
    GoesOn,
}

impl Walker {
    /// One that keeps the strings it meets.
    fn keeping() -> Self {
        Self { room: MOST_KEPT, ..Self::default() }
    }

    /// It has met nothing yet.
    const fn is_fresh(&self) -> bool {
        self.kind.is_none() && self.line.is_empty()
    }

    /// The strings that are whole. The last one may still be under way, and
    /// then it is not what it will be.
    fn whole(&self) -> &[Vec<u8>] {
        let under_way = usize::from(self.string_left > 0 || self.room == 0);
        &self.arguments[..self.arguments.len().saturating_sub(under_way)]
    }

    fn walk(&mut self, data: &[u8]) -> Result<Walk, Lost> {
        let mut at = 0;
        while at < data.len() {
            if self.string_left > 0 {
                let part = self.string_left.min((data.len() - at) as u64);
                let part = usize::try_from(part).unwrap_or(usize::MAX);
                self.keep(&data[at..at + part]);
                self.string_left -= part as u64;
                at += part;
                if self.string_left == 0 && self.close_value() {
                    return Ok(Walk::Ended(at));
                }
                continue;
            }
            let Some(end) = data[at..].iter().position(|byte| *byte == b'\n') else {
                self.line.extend_from_slice(&data[at..]);
                if self.line.len() > LONGEST_LINE {
                    return Err(Lost("a line is too long for RESP"));
                }
                return Ok(Walk::GoesOn);
            };
            self.line.extend_from_slice(&data[at..at + end]);
            at += end + 1;
            let mut line = std::mem::take(&mut self.line);
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            if self.take_line(&line)? {
                return Ok(Walk::Ended(at));
            }
        }
        Ok(Walk::GoesOn)
    }

    /// True: the value is complete.
    fn take_line(&mut self, line: &[u8]) -> Result<bool, Lost> {
        let kind = line.first().copied();
        if self.kind.is_none() {
            self.kind = Some(kind.unwrap_or(b' '));
            self.first_line = text(&line[..line.len().min(64)]);
        }
        let number = |line: &[u8]| -> Result<Option<u64>, Lost> {
            let text = std::str::from_utf8(&line[1..]).unwrap_or_default();
            match text.parse::<i64>() {
                Ok(number) => Ok(u64::try_from(number).ok()),
                Err(_) => Err(Lost("a length is not a number")),
            }
        };
        match kind {
            Some(b'$' | b'=' | b'!') => {
                if let Some(length) = number(line)? {
                    self.arguments_open();
                    self.string_left = length + 2;
                    return Ok(false);
                }
            }
            Some(b'*' | b'~' | b'>') => {
                return Ok(self.open_values(number(line)?.unwrap_or(0))? && self.close_value());
            }
            Some(b'%') => {
                let pairs = number(line)?.unwrap_or(0);
                return Ok(self.open_values(pairs.saturating_mul(2))? && self.close_value());
            }
            Some(b'|') => {
                // Attributes precede the value they belong to, which is still
                // to come.
                let pairs = number(line)?.unwrap_or(0);
                self.open_values(pairs.saturating_mul(2).saturating_add(1))?;
                return Ok(false);
            }
            Some(b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(') => {}
            _ => return Err(Lost("a value has no type of RESP")),
        }
        Ok(self.close_value())
    }

    /// True: there is nothing in it.
    fn open_values(&mut self, count: u64) -> Result<bool, Lost> {
        if count == 0 {
            return Ok(true);
        }
        if self.open.len() == DEEPEST {
            return Err(Lost("values are nested too deeply"));
        }
        self.open.push(count);
        Ok(false)
    }

    /// Closes a value and all that end with it. True: that was the outermost.
    fn close_value(&mut self) -> bool {
        while let Some(left) = self.open.last_mut() {
            *left -= 1;
            if *left > 0 {
                return false;
            }
            self.open.pop();
        }
        true
    }

    fn arguments_open(&mut self) {
        if self.room > 0 {
            self.room = self.room.saturating_sub(PLACE);
            self.arguments.push(Vec::new());
        }
    }

    /// Keeps a piece of a string, without its line end.
    fn keep(&mut self, piece: &[u8]) {
        if self.room == 0 {
            return;
        }
        let content = self.string_left.saturating_sub(2);
        let content = usize::try_from(content).unwrap_or(usize::MAX).min(piece.len());
        if let Some(argument) = self.arguments.last_mut() {
            let kept = content.min(self.room);
            argument.extend_from_slice(&piece[..kept]);
            self.room -= kept;
        }
    }
}

/// The stream from a client to Redis.
#[derive(Debug)]
pub(crate) struct RespRequests {
    pub(super) buffer: BytesMut,
    scanned: usize,
    walker: Walker,
    /// The head of this message was already handed out.
    judged: bool,
    /// Why nothing can be told apart after the last part.
    lost: Option<&'static str>,
}

impl Default for RespRequests {
    fn default() -> Self {
        Self {
            buffer: BytesMut::new(),
            scanned: 0,
            walker: Walker::keeping(),
            judged: false,
            lost: None,
        }
    }
}

impl RespRequests {
    pub(crate) fn feed(&mut self, data: &[u8]) {
        self.buffer.extend_from_slice(data);
    }

    pub(crate) const fn rest(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// No message has been begun, but for bytes that nobody has looked at.
    pub(super) fn is_fresh(&self) -> bool {
        let is_begun = self.scanned > 0 || self.judged || self.lost.is_some();
        !is_begun && self.walker.is_fresh()
    }

    pub(crate) fn next(&mut self, session: &Session) -> Result<Option<Part>, Lost> {
        if let Some(reason) = self.lost {
            return Err(Lost(reason));
        }
        if !session.wanted && self.is_fresh() {
            let (len, run, _) = plain::requests(&self.buffer, &Sought::default());
            if run > 0 {
                let data = self.buffer.split_to(len).freeze();
                let (place, expects) = (Place::Last, Expects::Value);
                return Ok(Some(Part { data, place, expects, run, ..Part::default() }));
            }
        }
        let part = self.cut()?;
        let commands = part.iter().flat_map(|part| &part.commands);
        self.lost = commands.filter_map(loses_framing).next();
        Ok(part)
    }

    fn cut(&mut self) -> Result<Option<Part>, Lost> {
        let fresh = self.walker.is_fresh();
        match self.buffer.get(self.scanned) {
            None => return Ok(None),
            Some(0x16) if fresh => return Err(Lost("the client speaks TLS")),
            Some(b'*') => {}
            Some(_) if fresh => return self.inline(),
            Some(_) => {}
        }
        match self.walker.walk(&self.buffer[self.scanned..])? {
            Walk::Ended(len) => {
                let data = self.buffer.split_to(self.scanned + len).freeze();
                self.scanned = 0;
                let walker = std::mem::replace(&mut self.walker, Walker::keeping());
                let judged = std::mem::take(&mut self.judged);
                if walker.arguments.is_empty() {
                    // `*0` gets no reply.
                    return Ok(Some(Part { data, ..Part::default() }));
                }
                let arguments = (!judged).then(|| walker.whole());
                Ok(Some(request(data, Place::Last, arguments)))
            }
            Walk::GoesOn if self.buffer.len() < LARGEST_HEAD => {
                self.scanned = self.buffer.len();
                Ok(None)
            }
            Walk::GoesOn => {
                let data = self.buffer.split().freeze();
                self.scanned = 0;
                let arguments = (!self.judged).then(|| self.walker.whole());
                let part = request(data, Place::Inside, arguments);
                self.judged = true;
                // Nobody asks for what comes after the head.
                self.walker.room = 0;
                Ok(Some(part))
            }
        }
    }

    /// A command as a person types it, on one line.
    fn inline(&mut self) -> Result<Option<Part>, Lost> {
        let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') else {
            if self.buffer.len() > LONGEST_LINE {
                return Err(Lost("a line is too long for RESP"));
            }
            return Ok(None);
        };
        let data = self.buffer.split_to(end + 1).freeze();
        let words: Vec<Vec<u8>> = data
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty())
            .map(<[u8]>::to_vec)
            .collect();
        if words.is_empty() {
            return Ok(Some(Part { data, ..Part::default() }));
        }
        Ok(Some(request(data, Place::Last, Some(&words))))
    }
}

/// A piece of a request; the first one comes with the arguments.
fn request(data: Bytes, place: Place, arguments: Option<&[Vec<u8>]>) -> Part {
    let mut part = Part { data, place, ..Part::default() };
    if let Some(arguments) = arguments {
        let command = command(arguments);
        part.handshake = matches!(command.name.as_str(), "AUTH" | "HELLO");
        part.expects = match arguments.first().and_then(|name| Verb::named(name)) {
            None => Expects::Value,
            Some(verb) => {
                let names = arguments.len() - 1;
                let left = (names > 0).then_some(names);
                Expects::Confirmations(Confirmations { verb, left })
            }
        };
        part.commands = vec![command];
    }
    part
}

/// Names a command and finds its keys.
fn command(arguments: &[Vec<u8>]) -> Command {
    let word = |at: usize| arguments.get(at).map(|word| text(word).to_uppercase());
    let first = word(0).unwrap_or_default();
    let has_subcommand = matches!(
        first.as_str(),
        "ACL"
            | "CLIENT"
            | "CLUSTER"
            | "COMMAND"
            | "CONFIG"
            | "DEBUG"
            | "FUNCTION"
            | "LATENCY"
            | "MEMORY"
            | "MODULE"
            | "OBJECT"
            | "PUBSUB"
            | "SCRIPT"
            | "SLOWLOG"
            | "XGROUP"
            | "XINFO"
    );
    let name = match word(1) {
        Some(second) if has_subcommand => format!("{first} {second}"),
        _ => first.clone(),
    };
    let script = script(&name, arguments);
    let keys = keys::of(&first, arguments).into_iter().map(whole_text).collect();
    let mut written = Vec::new();
    let shown = keys::without_secrets(&first, arguments);
    let secret = shown != arguments;
    for argument in shown {
        if written.len() > LONGEST_TEXT {
            break;
        }
        if !written.is_empty() {
            written.push(b' ');
        }
        written.extend_from_slice(&argument);
    }
    Command { name, keys, text: text(&written), secret, script, ..Command::default() }
}

/// The script that a command brings or names.
fn script(name: &str, arguments: &[Vec<u8>]) -> Option<Script> {
    let given = |at: usize| {
        let text = arguments.get(at)?;
        Some(Script::Given(Bytes::copy_from_slice(text)))
    };
    match name {
        "EVAL" | "EVAL_RO" => given(1),
        "SCRIPT LOAD" => given(2),
        "EVALSHA" | "EVALSHA_RO" => {
            Some(Script::Digest(whole_text(arguments.get(1)?).to_ascii_lowercase()))
        }
        _ => None,
    }
}

fn whole_text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Why replies cannot be told apart after this command, if so.
fn loses_framing(command: &Command) -> Option<&'static str> {
    match command.name.as_str() {
        "MONITOR" => Some("MONITOR"),
        "SYNC" | "PSYNC" => Some("replication of Redis"),
        "CLIENT REPLY" if !command.text.to_uppercase().ends_with(" ON") => {
            Some("CLIENT REPLY OFF or SKIP")
        }
        _ => None,
    }
}

/// The stream from Redis to a client.
#[derive(Debug, Default)]
pub(crate) struct RespReplies {
    pub(super) buffer: BytesMut,
    scanned: usize,
    walker: Walker,
    /// What this value is, if a part of it was already handed out.
    begun: Option<Role>,
}

impl RespReplies {
    pub(crate) fn feed(&mut self, data: &[u8]) {
        self.buffer.extend_from_slice(data);
    }

    pub(crate) const fn rest(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// No value has been begun, but for bytes that nobody has looked at.
    pub(super) const fn is_fresh(&self) -> bool {
        self.scanned == 0 && self.begun.is_none() && self.walker.is_fresh()
    }

    pub(crate) fn next(&mut self, session: &mut Session) -> Result<Option<Part>, Lost> {
        if self.scanned == self.buffer.len() {
            return Ok(None);
        }
        let plain = session.plain_replies();
        if plain > 0 && self.is_fresh() {
            let (len, run, _) = plain::replies(&self.buffer, plain);
            if run > 0 {
                let data = self.buffer.split_to(len).freeze();
                return Ok(Some(Part { data, place: Place::Last, run, ..Part::default() }));
            }
        }
        match self.walker.walk(&self.buffer[self.scanned..])? {
            Walk::Ended(len) => {
                let len = self.scanned + len;
                let (role, begun) = self.role(len, session)?;
                let walker = std::mem::take(&mut self.walker);
                let mut part = self.piece(len, (role, begun));
                part.error = error_code(&walker.first_line);
                part.summary = Some(walker.first_line);
                Ok(Some(part))
            }
            Walk::GoesOn if self.buffer.len() < LARGEST_HEAD => {
                self.scanned = self.buffer.len();
                Ok(None)
            }
            Walk::GoesOn => {
                let len = self.buffer.len();
                let (role, begun) = self.role(len, session)?;
                self.begun = Some(role.clone());
                let mut part = self.piece(len, (role, begun));
                if part.place == Place::Last {
                    part.place = Place::Inside;
                }
                Ok(Some(part))
            }
        }
    }

    /// What the value is of which so many bytes are there, and whether a piece
    /// of it was handed out before.
    fn role(&mut self, len: usize, session: &mut Session) -> Result<(Role, bool), Lost> {
        if let Some(role) = self.begun.take() {
            return Ok((role, true));
        }
        let role = subscriptions::role(self.walker.kind, &self.buffer[..len], session)?;
        Ok((role, false))
    }

    /// A piece of a reply, or of a push, which is not the reply to anything.
    fn piece(&mut self, len: usize, (role, continues): (Role, bool)) -> Part {
        let data = self.buffer.split_to(len).freeze();
        self.scanned = 0;
        match role {
            Role::Reply(place) => Part { data, place, ..Part::default() },
            Role::Push(kind) => {
                let push = (!continues).then_some(kind);
                Part { data, continues, push, ..Part::default() }
            }
        }
    }
}

/// The first word of an error.
fn error_code(first_line: &str) -> Option<String> {
    let said = first_line.strip_prefix('-')?;
    Some(said.split(' ').next().unwrap_or_default().to_owned())
}
