//! Where bytes and messages can be held before the toxics see them.
//!
//! The gate is a queue as well: what is held holds up everything behind it,
//! so the order never changes, and only a rule that says "drop" removes bytes.

use super::connection::Connection;
use super::hold::Hold;
use super::plan::Close;
use crate::core::Core;
use crate::event::Happening;
use crate::link::{Link, lock};
use crate::message::wal::{Replication, Wal};
use crate::message::{Command, Lost, Part, Place, Scanner, Session};
use crate::rule::{Action, ReplyAction, RequestAction};
use crate::toxic::Stream;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(Debug)]
struct Frame {
    data: Bytes,
    wal: Option<Wal>,
    stop: Option<Stop>,
}

/// Why a frame waits.
#[derive(Debug, Clone, Copy)]
enum Stop {
    /// Until this held message is released.
    Held(u64),
    Until(Instant),
}

/// See the module.
pub(crate) struct Gate {
    core: Arc<Core>,
    link: Arc<Link>,
    connection: Arc<Connection>,
    stream: Stream,
    scanner: Option<Scanner>,
    frames: VecDeque<Frame>,
    /// Bytes in `frames`.
    waiting: usize,
    /// What happens to the rest of the request being scanned.
    discarding: bool,
    in_request: bool,
    /// The connection is to be reset in place of what comes next.
    reset: bool,
}

/// What the gate lets through.
pub(crate) enum Passed {
    Data(Bytes),
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
            core: Arc::clone(core),
            link: Arc::clone(link),
            stream,
            scanner: connection.protocol.map(|protocol| Scanner::new(protocol, stream)),
            connection: Arc::clone(connection),
            frames: VecDeque::new(),
            waiting: 0,
            discarding: false,
            in_request: false,
            reset: false,
        }
    }

    /// Nothing is looked at, nothing waits: bytes may bypass the gate.
    pub(crate) fn is_open(&self) -> bool {
        self.scanner.is_none()
            && self.frames.is_empty()
            && !self.reset
            && self.connection.hold(self.stream) == Hold::Open
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty() && !self.reset
    }

    /// A rule asks for a reset, and everything before it has passed.
    pub(crate) fn resets(&self) -> bool {
        self.frames.is_empty() && self.reset
    }

    /// Takes bytes in; how many of them a rule dropped.
    pub(crate) fn push(&mut self, data: &[u8]) -> usize {
        if self.reset {
            return data.len();
        }
        let connection = Arc::clone(&self.connection);
        let (Some(session), Some(scanner)) = (&connection.session, &mut self.scanner) else {
            self.frame(Bytes::copy_from_slice(data), None, None);
            return 0;
        };
        let mut session = lock(session);
        scanner.feed(data);
        let mut dropped = 0;
        loop {
            if self.reset {
                // Nothing that stands behind the reset may pass: it would run,
                // or be taken for the answer, as if what the rule struck had
                // never been there.
                let rest = self.scanner.take().map(|mut scanner| scanner.take_rest());
                dropped += rest.map_or(0, |rest| rest.len());
                break;
            }
            if matches!(session.framing(), crate::message::Framing::Lost(_)) {
                self.connection.lose_framing();
                self.stop_scanning();
                break;
            }
            let Some(scanner) = &mut self.scanner else {
                break;
            };
            match scanner.next(&mut session) {
                Ok(Some(part)) => {
                    let len = part.data.len();
                    let kept = match self.stream {
                        Stream::Upstream => self.judge_request(part, &mut session),
                        Stream::Downstream => self.judge_reply(part, &mut session),
                    };
                    if kept == Kept::No {
                        dropped += len;
                    }
                }
                Ok(None) => break,
                Err(Lost(reason)) => {
                    self.lose(&mut session, reason);
                }
            }
        }
        drop(session);
        self.note_waiting();
        dropped
    }

    /// The stream has ended: a message that is not whole passes as it is.
    pub(crate) fn finish(&mut self) {
        self.stop_scanning();
    }

    /// What may pass now.
    pub(crate) fn pass(&mut self, now: Instant) -> Passed {
        if self.scanner.is_some() && self.connection.has_lost_framing() {
            self.stop_scanning();
        }
        let Some(frame) = self.frames.front_mut() else {
            if self.reset {
                return Passed::Close(Close::Rst);
            }
            return Passed::Wait(None);
        };
        match frame.stop {
            Some(Stop::Held(id)) if self.link.is_held(id) => return Passed::Wait(None),
            Some(Stop::Until(at)) if now < at => return Passed::Wait(Some(at)),
            _ => frame.stop = None,
        }
        let (wal, len) = (frame.wal, frame.data.len() as u64);
        let passed = self.connection.change_hold(self.stream, |hold| {
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
        });
        let data = match passed {
            Pass::Bytes(0) => return Passed::Wait(None),
            Pass::Whole => self.frames.pop_front().map(|frame| frame.data).unwrap_or_default(),
            Pass::Bytes(len) => {
                let frame = self.frames.front_mut().expect("it was just looked at");
                // Half a message cannot be cut by position any more.
                frame.wal = None;
                frame.data.split_to(usize::try_from(len).expect("below its length"))
            }
            Pass::Cut(at) => {
                let frame = self.frames.front_mut().expect("it was just looked at");
                let wal = frame.wal.expect("only WAL is cut");
                let (first, (rest, rest_wal)) = wal.cut(&frame.data, at);
                self.waiting += first.len() + rest.len() - frame.data.len();
                (frame.data, frame.wal) = (rest, Some(rest_wal));
                first
            }
        };
        self.waiting = self.waiting.saturating_sub(data.len());
        self.note_waiting();
        Passed::Data(data)
    }

    fn frame(&mut self, data: Bytes, wal: Option<Wal>, stop: Option<Stop>) {
        if data.is_empty() {
            return;
        }
        self.waiting += data.len();
        self.frames.push_back(Frame { data, wal, stop });
        self.note_waiting();
    }

    fn note_waiting(&self) {
        self.connection.note_held(self.stream, self.waiting as u64);
    }

    fn lose(&mut self, session: &mut Session, reason: &'static str) {
        if session.lose(reason) {
            self.record(Happening::FramingLost { reason: reason.to_owned() });
        }
        self.connection.lose_framing();
        self.stop_scanning();
    }

    fn stop_scanning(&mut self) {
        if let Some(mut scanner) = self.scanner.take() {
            let rest = scanner.take_rest();
            self.frame(rest, None, None);
        }
    }

    /// Finds out what the rules want done with a request.
    fn judge_request(&mut self, part: Part, session: &mut Session) -> Kept {
        let Part { data, place, commands, .. } = part;
        if place == Place::Between {
            self.frame(data, None, None);
            return Kept::Yes;
        }
        let begins = !self.in_request;
        self.in_request = place == Place::Inside;
        if begins {
            self.discarding = false;
        }
        for command in &commands {
            self.log_message(command);
        }
        let followed = *session.framing() == crate::message::Framing::Followed;
        let fired = followed.then(|| self.link.fires(self.connection.ordinal, &commands)).flatten();
        let action = fired.as_ref().map(|(rule, command, action)| {
            self.record(Happening::RuleFired {
                rule: *rule,
                action: action.name(),
                command: command.name.clone(),
                text: command.text.clone(),
            });
            (*rule, command.clone(), *action)
        });
        let mut stop = None;
        let mut on_reply = None;
        if let Some((rule, command, action)) = action {
            match Action::split(action) {
                Ok(RequestAction::Drop) => self.discarding = true,
                Ok(RequestAction::Reset) => {
                    self.reset = true;
                    self.discarding = true;
                }
                Ok(RequestAction::Hold) => stop = Some(self.hold(rule, &command)),
                Ok(RequestAction::Delay(delay)) => stop = Some(until(delay)),
                Err(reply) => on_reply = Some((rule, reply)),
            }
        }
        if self.discarding {
            return Kept::No;
        }
        if begins {
            session.ask(commands.into_iter().next().unwrap_or_default());
        }
        if let (Some(reply), Some(last)) = (on_reply, session.pending.back_mut()) {
            last.reply = Some(reply);
        }
        self.frame(data, None, stop);
        Kept::Yes
    }

    /// Does to a reply what the rules wanted when its request passed.
    fn judge_reply(&mut self, part: Part, session: &mut Session) -> Kept {
        let Part { data, place, summary, wal, .. } = part;
        if place == Place::Between {
            self.frame(data, wal, None);
            return Kept::Yes;
        }
        let Some(pending) = session.pending.front_mut() else {
            // Nobody asked: an error at the end of a session, say.
            self.frame(data, wal, None);
            return Kept::Yes;
        };
        let mut stop = None;
        let mut kept = Kept::Yes;
        match pending.reply {
            Some((rule, ReplyAction::Hold)) => {
                pending.reply = None;
                stop = Some(self.hold(rule, &pending.command));
            }
            Some((_, ReplyAction::Delay(delay))) => {
                pending.reply = None;
                stop = Some(until(delay));
            }
            Some((_, ReplyAction::Drop)) => kept = Kept::No,
            Some((_, ReplyAction::ResetAfter)) => {
                kept = Kept::No;
                self.reset |= place == Place::Last;
            }
            None => {}
        }
        if place == Place::Last
            && let Some(done) = session.pending.pop_front()
        {
            self.log_reply(done.ordinal, &done.command, summary);
        }
        if kept == Kept::Yes {
            self.frame(data, wal, stop);
        }
        kept
    }

    fn hold(&self, rule: u64, command: &Command) -> Stop {
        let id = self.core.next_id();
        self.link.hold_message(crate::rule::HeldMessage {
            id,
            rule,
            connection: self.connection.ordinal,
            stream: self.stream,
            command: command.name.clone(),
            text: command.text.clone(),
        });
        self.record(Happening::MessageHeld { held: id, rule });
        Stop::Held(id)
    }

    fn log_message(&self, command: &Command) {
        if self.connection.logs_messages() && !command.name.is_empty() {
            self.record(Happening::Request {
                command: command.name.clone(),
                keys: command.keys.clone(),
                text: command.text.clone(),
            });
        }
    }

    fn log_reply(&self, request: u64, command: &Command, summary: Option<String>) {
        if self.connection.logs_messages() {
            self.record(Happening::Reply {
                request,
                command: command.name.clone(),
                summary: summary.unwrap_or_default(),
            });
        }
    }

    fn record(&self, happening: Happening) {
        let connection = Some(self.connection.ordinal);
        self.core.events.record(&self.link.name, connection, happening);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    Yes,
    No,
}

/// How much of the first frame passes.
enum Pass {
    Whole,
    Bytes(u64),
    Cut(crate::message::wal::Lsn),
}

fn until(delay: Duration) -> Stop {
    Stop::Until(Instant::now() + delay)
}
