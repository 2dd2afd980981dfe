//! What Postgres sends.

use super::follow::{Followed, Rest, is_plainly_awaited, postgres_message};
use super::group::{Counted, Expects, Sync, TransactionStatus};
use super::reader::Reader;
use super::session::{Encryption, REPLICATES};
use super::wal::Wal;
use super::{LARGEST_HEAD, Lost, Part, Place, Session, text};
use bytes::BytesMut;

/// The stream from Postgres to a client.
#[derive(Debug, Default)]
pub(crate) struct Backend {
    pub(super) buffer: BytesMut,
    /// Bytes of a long message that are still to come.
    ahead: usize,
    /// Where the last of them stands.
    after: Place,
    /// A reply has begun and not ended.
    in_reply: bool,
    summary: Option<String>,
    error: Option<String>,
    phase: Phase,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    #[default]
    Queries,
    /// CopyBoth: WAL flows until either side ends it.
    Replication,
}

impl Backend {
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
        let Some(kind) = self.buffer.first().copied() else {
            return Ok(None);
        };
        if let Some(asked) = session.encryption_asked {
            return self.encryption(kind, asked, session);
        }
        let Some(header) = self.buffer.get(..5) else {
            return Ok(None);
        };
        let len = u32::from_be_bytes(header[1..5].try_into().expect("four bytes"));
        if !kind.is_ascii_alphanumeric() || !(4..1 << 30).contains(&len) {
            return Err(Lost("an answer has no type or length of Postgres"));
        }
        let mut whole = len as usize + 1;
        if self.buffer.len() < whole && self.buffer.len() < LARGEST_HEAD {
            return Ok(None);
        }
        let is_row = kind == b'D' || kind == b'd' && self.phase == Phase::Queries;
        if is_row && self.in_reply {
            whole = rows(&self.buffer, kind, whole);
        }
        let data = self.buffer.split_to(whole.min(self.buffer.len())).freeze();
        self.ahead = whole - data.len();
        let mut part = Part { data, ..Part::default() };
        part.place = match self.take(kind, &part.data[5..], session) {
            Ok(place) => place,
            Err(lost) => {
                // What cannot be followed must still be forwarded.
                let behind = std::mem::replace(&mut self.buffer, BytesMut::from(&part.data[..]));
                self.buffer.unsplit(behind);
                self.ahead = 0;
                return Err(lost);
            }
        };
        if kind == b'd' && self.phase == Phase::Replication && self.ahead == 0 {
            part.wal = Wal::of(&part.data, session.replication);
        }
        part.awaits_client = kind == b'G';
        match part.place {
            Place::Between => part.push = unasked(kind, self.phase),
            Place::Inside => {}
            Place::Last => {
                self.in_reply = false;
                part.summary = Some(self.summary.take().unwrap_or_default());
                part.error = self.error.take();
                part.transaction = session.transaction.filter(|_| kind == b'Z');
            }
        }
        if self.ahead > 0 {
            self.after = part.place;
            if part.place == Place::Last {
                part.place = Place::Inside;
            }
        }
        Ok(Some(part))
    }

    /// No message has been begun, but for bytes that nobody has looked at.
    pub(super) fn is_fresh(&self) -> bool {
        self.ahead == 0 && self.phase == Phase::Queries
    }

    /// See [`Scanner::follow`](super::Scanner::follow).
    pub(super) fn follow(&mut self, data: &[u8], session: &mut Session) -> Followed {
        let mut passed = 0;
        let rest = loop {
            if session.encryption_asked.is_some() || !is_plainly_awaited(session) {
                break Rest::Special;
            }
            let message = postgres_message(&data[passed..], u8::is_ascii_alphanumeric);
            let (kind, len) = match message {
                // A COPY that goes both ways, or from the client.
                Ok((b'W' | b'G', _)) => break Rest::Special,
                Ok(message) => message,
                Err(stop) => break stop.into(),
            };
            let Ok(place) = self.take(kind, &data[passed + 5..passed + len], session) else {
                // It says so again where somebody can be told.
                break Rest::Special;
            };
            passed += len;
            match place {
                Place::Last => {
                    self.in_reply = false;
                    session.answered(1);
                }
                Place::Inside if matches!(kind, b'D' | b'd') => passed = rows(data, kind, passed),
                Place::Inside | Place::Between => {}
            }
        };
        // Nobody asks what was said.
        (self.summary, self.error) = (None, None);
        Followed { passed, rest }
    }

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

    /// The answer to a request for encryption is one byte, or an error of a
    /// server from before such requests.
    fn encryption(
        &mut self,
        kind: u8,
        asked: Encryption,
        session: &mut Session,
    ) -> Result<Option<Part>, Lost> {
        match (kind, asked) {
            (b'S', Encryption::Tls) => return Err(Lost("the connection is encrypted (TLS)")),
            (b'G', Encryption::Gss) => return Err(Lost("the connection is encrypted (GSS)")),
            (b'N', _) => {}
            _ => return Err(Lost("the server did not understand encryption")),
        }
        session.encryption_asked = None;
        Ok(Some(Part { data: self.buffer.split_to(1).freeze(), ..Part::default() }))
    }

    /// Takes note of a message.
    fn take(&mut self, kind: u8, body: &[u8], session: &mut Session) -> Result<Place, Lost> {
        session.skip();
        let front = session.pending.front();
        let (asked, request) = (front.map(|front| front.expects), front.map_or(0, |f| f.ordinal));
        match kind {
            // Notices, parameters and notifications come at any time.
            b'N' | b'S' if !self.in_reply => return Ok(Place::Between),
            b'A' => return Ok(Place::Between),
            b'Z' => {
                self.phase = Phase::Queries;
                session.ready(body.first().copied().and_then(TransactionStatus::of));
                return match asked {
                    None => Ok(Place::Between),
                    Some(Expects::Counted(Counted { sync: Sync::No, .. })) => {
                        Err(Lost("an answer fits no request"))
                    }
                    Some(_) => Ok(Place::Last),
                };
            }
            b'C' if session.wanted => {
                self.summary = Some(text(body.split(|b| *b == 0).next().unwrap_or_default()))
            }
            b'E' => {
                let code = error_field(body, b'C');
                self.summary = Some(format!("{} {code}", error_field(body, b'V')));
                self.error.get_or_insert(code);
            }
            b'1' => session.statements.parsed(request),
            b't' => session.statements.told(request, Reader(body).types()),
            b'G' if matches!(asked, Some(Expects::Counted(_))) => session.begin_copy(),
            b'G' => session.suspend("a COPY is running"),
            b'W' => {
                self.phase = Phase::Replication;
                session.suspend(REPLICATES);
            }
            _ => {}
        }
        if self.phase == Phase::Replication || asked.is_none() {
            return Ok(Place::Between);
        }
        self.in_reply = true;
        let ends = match kind {
            b'1' | b'2' | b'3' | b'T' | b'n' | b'C' | b'I' | b's' => session.complete_one(),
            b'E' => session.fail(),
            _ => false,
        };
        Ok(if ends { Place::Last } else { Place::Inside })
    }
}

/// Where the last of the rows ends that are there one behind the other: as
/// nothing ends within them, they are one part.
fn rows(data: &[u8], kind: u8, mut end: usize) -> usize {
    while let Ok((next, len)) = postgres_message(&data[end.min(data.len())..], |_| true)
        && next == kind
    {
        end += len;
    }
    end
}

/// What kind of message that nobody asked for this is.
fn unasked(kind: u8, phase: Phase) -> Option<String> {
    match (kind, phase) {
        (b'A', _) => Some("notification".into()),
        (b'E', Phase::Queries) => Some("error".into()),
        _ => None,
    }
}

/// A field of an error message.
fn error_field(body: &[u8], wanted: u8) -> String {
    body.split(|byte| *byte == 0)
        .find(|field| field.first() == Some(&wanted))
        .map(|field| text(&field[1..]))
        .unwrap_or_default()
}
