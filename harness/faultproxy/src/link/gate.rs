//! Where bytes and messages can be held before the toxics see them.
//!
//! The gate is a queue as well: what is held holds up everything behind it,
//! so the order never changes, and only a rule or a decision that says "drop"
//! removes bytes.

mod follow;

use super::connection::Connection;
use super::hold::Hold;
use super::judge::{Judge, Kept};
use super::plan::Close;
use crate::attend::{Decision, StreamEnd, Ticket};
use crate::core::Core;
use crate::link::{Link, lock};
use crate::message::wal::{Replication, Wal};
use crate::message::{Expects, Framing, Lost, Part, Pending, Scanner, Session};
use crate::rule::ReplyAction;
use crate::toxic::Stream;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// A piece of a message, or of what is between messages.
#[derive(Debug, Default)]
pub(super) struct Frame {
    pub(super) data: Bytes,
    pub(super) wal: Option<Wal>,
    pub(super) stop: Option<Stop>,
    /// What a controller decides about its message.
    pub(super) ticket: Option<Arc<Ticket>>,
    /// It begins a request, of which the session is told when it passes.
    pub(super) ask: Option<Pending>,
    /// It ends the request of this ordinal, which began in another piece.
    pub(super) close: Option<(u64, Expects)>,
    /// What a rule that struck this later piece of a request wants done with
    /// the reply to it.
    pub(super) on_reply: Option<(u64, (u64, ReplyAction))>,
    /// It ends the data of a COPY.
    pub(super) ends_copy: bool,
    /// It is the last piece of its message.
    pub(super) last: bool,
}

impl Frame {
    const fn concerns_session(&self) -> bool {
        self.ask.is_some() || self.close.is_some() || self.on_reply.is_some() || self.ends_copy
    }
}

/// Why a frame waits.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stop {
    /// Until this message, which a rule holds, is released.
    Held(u64),
    Until(Instant),
}

/// See the module.
pub(crate) struct Gate {
    judge: Judge,
    link: Arc<Link>,
    connection: Arc<Connection>,
    stream: Stream,
    scanner: Option<Scanner>,
    frames: VecDeque<Frame>,
    /// Bytes in `frames`.
    waiting: usize,
    /// How the stream ended, once it has.
    ended: Option<StreamEnd>,
    /// There was no room to tell of more messages: those that have come are
    /// still to be looked at.
    stalled: bool,
    /// When what there is of a request passes, though it is not whole.
    pause_ends: Option<Instant>,
    /// The connection is to be reset in place of what comes next.
    reset: bool,
}

/// What the gate lets through.
pub(crate) enum Passed {
    Data(Bytes),
    /// So many bytes were dropped.
    Dropped(usize),
    /// Nothing before this time, or (None) before something else changes.
    Wait(Option<Instant>),
    /// The connection is to be closed behind what passed before.
    Close(Close),
}

impl Gate {
    pub(crate) fn new(
        core: &Arc<Core>,
        link: &Arc<Link>,
        connection: &Arc<Connection>,
        stream: Stream,
    ) -> Self {
        Self {
            judge: Judge::new(core, link, connection, stream),
            link: Arc::clone(link),
            stream,
            scanner: connection.protocol.map(|protocol| Scanner::new(protocol, stream)),
            connection: Arc::clone(connection),
            frames: VecDeque::new(),
            waiting: 0,
            ended: None,
            stalled: false,
            pause_ends: None,
            reset: false,
        }
    }

    /// Nothing is looked at, nothing waits: bytes may bypass the gate.
    pub(crate) fn is_open(&self) -> bool {
        self.scanner.is_none() && self.is_empty() && self.connection.hold(self.stream) == Hold::Open
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty() && !self.reset && !self.stalled
    }

    /// A reset is due, and everything before it has passed.
    pub(crate) fn resets(&self) -> bool {
        self.frames.is_empty() && self.reset
    }

    /// Takes bytes in; how many of them a rule dropped.
    pub(crate) fn push(&mut self, data: &[u8]) -> usize {
        if self.reset {
            return data.len();
        }
        let Some(scanner) = &mut self.scanner else {
            self.frame(Frame { data: Bytes::copy_from_slice(data), ..Frame::default() });
            return 0;
        };
        self.judge.begin_read(scanner.border());
        scanner.feed(data);
        self.scan()
    }

    /// Looks at the messages that have come; how many bytes a rule dropped.
    fn scan(&mut self) -> usize {
        self.judge.attend();
        self.stalled = false;
        let connection = Arc::clone(&self.connection);
        let Some(session) = &connection.session else {
            return 0;
        };
        let mut session = lock(session);
        session.wanted = self.judge.is_wanted();
        let mut dropped = 0;
        while let Some(scanner) = &mut self.scanner {
            if self.reset {
                // Nothing that stands behind the reset may pass: it would run,
                // or be taken for the answer, as if what the rule struck had
                // never been there.
                dropped += scanner.take_rest().len();
                self.scanner = None;
                break;
            }
            if matches!(session.framing(), Framing::Lost(_)) {
                if let Some(reason) = session.untold.take() {
                    self.judge.lost(reason);
                }
                self.connection.lose_framing();
                self.stop_scanning();
                break;
            }
            if !self.judge.has_room() {
                self.stalled = true;
                break;
            }
            let scanned = scanner.next(&mut session);
            self.judge.skipped(&mut session);
            match scanned {
                Ok(Some(part)) => dropped += self.judge(part, &mut session),
                Ok(None) => {
                    if self.ended.is_some() {
                        // A message that is not whole passes as it is.
                        self.stop_scanning();
                    }
                    let pauses = self.scanner.as_ref().is_some_and(Scanner::is_pausing);
                    if pauses && !session.wanted {
                        let part = self.scanner.as_mut().and_then(Scanner::cut_short);
                        dropped += part.map_or(0, |part| self.judge(part, &mut session));
                    } else {
                        self.pause_ends = pauses.then(|| Instant::now() + self.judge.pause());
                    }
                    break;
                }
                Err(Lost(reason)) => self.lose(&mut session, reason),
            }
        }
        drop(session);
        self.note_waiting();
        dropped
    }

    /// Queues a part, or what is left of it; how many bytes a rule dropped.
    fn judge(&mut self, part: Part, session: &mut Session) -> usize {
        let len = part.data.len();
        let (kept, frame) = match self.stream {
            Stream::Upstream => self.judge.request(part, session),
            Stream::Downstream => self.judge.reply(part, session),
        };
        self.reset |= kept == Kept::Reset;
        if let Some(frame) = frame {
            self.frame(frame);
        }
        if kept == Kept::Yes { 0 } else { len }
    }

    /// The rest of a request was waited for long enough; how many bytes a rule
    /// dropped.
    fn end_pause(&mut self) -> usize {
        self.pause_ends = None;
        let connection = Arc::clone(&self.connection);
        let Some(session) = &connection.session else { return 0 };
        let mut session = lock(session);
        let part = self.scanner.as_mut().and_then(Scanner::cut_short);
        part.map_or(0, |part| self.judge(part, &mut session))
    }

    /// The stream has ended; how many bytes a rule dropped.
    pub(crate) fn finish(&mut self, how: StreamEnd) -> usize {
        self.ended = Some(how);
        let connection = Arc::clone(&self.connection);
        if let Some(session) = &connection.session
            && self.stream == Stream::Upstream
            && self.connection.was_answered()
        {
            let mut session = lock(session);
            if session.upcoming() == 1 {
                self.lose(&mut session, "the client insists on encryption");
            }
        }
        let dropped = self.scan();
        let waiting = self.frames.iter().filter_map(|frame| frame.ticket.as_ref());
        let mut waiting: Vec<u64> =
            waiting.filter(|ticket| ticket.decision().is_none()).map(|ticket| ticket.id).collect();
        waiting.dedup();
        self.judge.gone(how, waiting);
        dropped
    }

    /// There is no room for the rest of a message before it is told of.
    pub(crate) fn tell_unfinished(&mut self) {
        self.judge.tell_unfinished();
    }

    /// What may pass now.
    pub(crate) fn pass(&mut self, now: Instant) -> Passed {
        if self.scanner.is_some() && self.connection.has_lost_framing() {
            self.stop_scanning();
        }
        if self.stalled {
            let dropped = self.scan();
            if dropped > 0 {
                return Passed::Dropped(dropped);
            }
        }
        if self.stream == Stream::Downstream
            && let Some(data) = self.connection.take_answer()
        {
            return Passed::Data(data);
        }
        if self.pause_ends.is_some_and(|at| at <= now) {
            let dropped = self.end_pause();
            if dropped > 0 {
                return Passed::Dropped(dropped);
            }
        }
        match self.front(now) {
            Front::None if self.reset => Passed::Close(Close::Rst),
            Front::None => Passed::Wait(self.pause_ends),
            Front::Waits(until) => Passed::Wait(until.into_iter().chain(self.pause_ends).min()),
            Front::Drop => {
                let frame = self.frames.pop_front().expect("it was just looked at");
                if let (Some(pending), Some(session)) = (frame.ask, &self.connection.session) {
                    lock(session).dropped(pending.ordinal);
                }
                self.passed(frame.data.len());
                Passed::Dropped(frame.data.len())
            }
            Front::Reset => {
                self.reset_here();
                Passed::Close(Close::Rst)
            }
            Front::Passes => self.pass_front(),
        }
    }

    /// Whether the first frame may pass.
    fn front(&mut self, now: Instant) -> Front {
        let Some(frame) = self.frames.front_mut() else {
            return Front::None;
        };
        match frame.stop {
            Some(Stop::Held(id)) if self.link.is_held(id) => return Front::Waits(None),
            Some(Stop::Until(at)) if now < at => return Front::Waits(Some(at)),
            _ => frame.stop = None,
        }
        let Some(ticket) = &frame.ticket else {
            return Front::Passes;
        };
        let Some((decision, at)) = ticket.decision() else {
            return Front::Waits(None);
        };
        let on_reply = match decision {
            Decision::Drop => return Front::Drop,
            Decision::ResetBefore => return Front::Reset,
            Decision::Delay(time) => {
                return match at.checked_add(time) {
                    Some(at) if at <= now => Front::Passes,
                    at => Front::Waits(at),
                };
            }
            Decision::Forward => return Front::Passes,
            Decision::DropReply => ReplyAction::Drop,
            Decision::ResetAfter => ReplyAction::ResetAfter,
        };
        if let Some(pending) = &mut frame.ask {
            pending.reply = Some((0, on_reply));
        }
        Front::Passes
    }

    /// Lets the first frame pass, or as much of it as was released.
    fn pass_front(&mut self) -> Passed {
        let frame = self.frames.front_mut().expect("it was just looked at");
        let (wal, len) = (frame.wal, frame.data.len() as u64);
        let passed = self.connection.change_hold(self.stream, |hold| released(hold, wal, len));
        if let Pass::Bytes(0) = passed
            && len > 0
        {
            return Passed::Wait(None);
        }
        if let Some(session) = &self.connection.session
            && frame.concerns_session()
        {
            let mut session = lock(session);
            if let Some(pending) = frame.ask.take() {
                session.ask(pending);
            }
            if let Some((ordinal, expects)) = frame.close.take() {
                session.close(ordinal, expects);
            }
            if let Some((ordinal, reply)) = frame.on_reply.take() {
                session.set_reply(ordinal, reply);
            }
            if std::mem::take(&mut frame.ends_copy) {
                session.end_copy();
            }
        }
        let data = match passed {
            Pass::Whole => {
                let frame = self.frames.pop_front().expect("it was just looked at");
                let resets = self.stream == Stream::Downstream && frame.last;
                let decision = frame.ticket.filter(|_| resets).and_then(|one| one.decision());
                if matches!(decision, Some((Decision::ResetAfter, _))) {
                    self.reset_here();
                }
                frame.data
            }
            Pass::Bytes(len) => {
                // Half a message cannot be cut by position any more.
                frame.wal = None;
                frame.data.split_to(usize::try_from(len).expect("below its length"))
            }
            Pass::Cut(at) => {
                let wal = frame.wal.expect("only WAL is cut");
                let (first, (rest, rest_wal)) = wal.cut(&frame.data, at);
                self.waiting += first.len() + rest.len() - frame.data.len();
                (frame.data, frame.wal) = (rest, Some(rest_wal));
                first
            }
        };
        self.passed(data.len());
        Passed::Data(data)
    }

    /// The connection is reset in place of everything that waits.
    fn reset_here(&mut self) {
        self.frames.clear();
        self.waiting = 0;
        self.scanner = None;
        self.stalled = false;
        self.reset = true;
    }

    fn passed(&mut self, len: usize) {
        self.waiting = self.waiting.saturating_sub(len);
        self.note_waiting();
    }

    fn frame(&mut self, frame: Frame) {
        if frame.data.is_empty() && !frame.concerns_session() {
            return;
        }
        self.waiting += frame.data.len();
        self.frames.push_back(frame);
        self.note_waiting();
    }

    fn note_waiting(&self) {
        self.connection.note_held(self.stream, self.waiting as u64);
    }

    fn lose(&mut self, session: &mut Session, reason: &'static str) {
        if session.lose(reason) {
            self.judge.lost(reason);
        }
        self.connection.lose_framing();
        self.stop_scanning();
    }

    fn stop_scanning(&mut self) {
        self.stalled = false;
        self.judge.tell_unfinished();
        if let Some(mut scanner) = self.scanner.take() {
            let data = scanner.take_rest();
            self.frame(Frame { data, ..Frame::default() });
        }
    }
}

/// Whether the first frame may pass.
enum Front {
    /// There is none.
    None,
    Waits(Option<Instant>),
    Drop,
    Reset,
    Passes,
}

/// How much of the first frame passes.
enum Pass {
    Whole,
    Bytes(u64),
    Cut(crate::message::wal::WalPosition),
}

/// How much of a frame a hold lets pass.
fn released(hold: &mut Hold, wal: Option<Wal>, len: u64) -> Pass {
    let Hold::Held { bytes, lsn } = hold else {
        return Pass::Whole;
    };
    match (lsn, wal) {
        (Some(lsn), Some(wal)) if wal.kind == Replication::Logical && wal.start <= *lsn => {
            return Pass::Whole;
        }
        (Some(lsn), Some(wal)) if wal.end <= *lsn => return Pass::Whole,
        (Some(lsn), Some(wal)) if wal.kind == Replication::Physical && wal.start < *lsn => {
            return Pass::Cut(*lsn);
        }
        // What is not WAL (a keepalive) says nothing to be held back.
        (Some(_), None) => return Pass::Whole,
        _ => {}
    }
    let part = (*bytes).min(len);
    *bytes -= part;
    if part == len { Pass::Whole } else { Pass::Bytes(part) }
}
