//! What becomes of each message of one direction: rules decide, or those who
//! attend, and the event log hears of it.

use super::connection::Connection;
use super::gate::{Frame, Stop};
use super::tell::Teller;
use crate::attend::StreamEnd;
use crate::core::Core;
use crate::event::ProxyEventKind;
use crate::link::Link;
use crate::message::{
    Border, Command, Counted, Expects, Framing, GroupMessage, Part, Pending, Place, Session,
    Sought, Strength, Sync, front,
};
use crate::rule::{ReplyAction, RequestAction, RuleAction};
use crate::toxic::Stream;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the rest of a request is waited for. A client that sends an
/// Execute and no Sync is rare, and must not wait for ever.
const PAUSE: Duration = Duration::from_millis(5);
/// And where somebody has messages wait, for whom half a request is of no use:
/// some clients write a request in five pieces, and lose the processor between
/// two of them.
const HELD_PAUSE: Duration = Duration::from_millis(100);

/// See the module.
pub(super) struct Judge {
    core: Arc<Core>,
    link: Arc<Link>,
    connection: Arc<Connection>,
    stream: Stream,
    teller: Teller,
    /// What happens to the rest of the request being scanned.
    discarding: bool,
    /// The request being scanned has more parts to come; its ordinal.
    in_request: Option<u64>,
    /// How many messages of it that have passed the server will confirm.
    sent: u32,
}

/// What a rule leaves of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    Yes,
    No,
    /// Nothing, and the connection is reset in its place.
    Reset,
}

impl Judge {
    pub(super) fn new(
        core: &Arc<Core>,
        link: &Arc<Link>,
        connection: &Arc<Connection>,
        stream: Stream,
    ) -> Self {
        Self {
            core: Arc::clone(core),
            link: Arc::clone(link),
            connection: Arc::clone(connection),
            stream,
            teller: Teller::new(core, link, connection, stream),
            discarding: false,
            in_request: None,
            sent: 0,
        }
    }

    /// Takes note of who attends now.
    pub(super) fn attend(&mut self) {
        self.teller.attend();
    }

    /// Bytes have come, at the border of messages or within one.
    pub(super) const fn begin_read(&mut self, border: Border) {
        self.teller.begin_read(border);
    }

    /// Whether anybody asks what messages say.
    pub(super) fn is_wanted(&self) -> bool {
        self.teller.is_attended() || self.connection.logs_messages() || self.link.has_rules()
    }

    /// How long the rest of a request is waited for.
    pub(super) fn pause(&self) -> Duration {
        if self.teller.holds() { HELD_PAUSE } else { PAUSE }
    }

    /// Whether messages need no judging: nobody asks what they say, but for
    /// rules on commands that are [sought](Judge::sought), and nothing is under
    /// way.
    pub(super) fn is_idle(&self) -> bool {
        let is_asked = self.connection.logs_messages()
            || self.link.has_rules() && self.link.sought().is_none()
            || self.link.is_attended()
            || self.teller.is_attended();
        !is_asked && self.in_request.is_none() && self.teller.is_idle()
    }

    /// Where messages need no judging: the commands that do.
    pub(super) fn sought(&self) -> Arc<Sought> {
        let sought = if self.link.has_rules() { self.link.sought() } else { None };
        sought.unwrap_or_default()
    }

    pub(super) fn has_room(&self) -> bool {
        self.teller.has_room()
    }

    pub(super) fn tell_unfinished(&mut self) {
        self.teller.tell_unfinished();
    }

    pub(super) fn gone(&self, how: StreamEnd, waiting: Vec<u64>) {
        self.teller.gone(how, waiting);
    }

    pub(super) fn lost(&self, reason: &'static str) {
        self.record(ProxyEventKind::FramingLost { reason: reason.to_owned() });
        self.teller.lost(reason);
    }

    /// Requests that get no reply, as an error before them made the server
    /// skip them.
    pub(super) fn skipped(&mut self, session: &mut Session) {
        for pending in session.skipped.drain(..) {
            self.log_reply(pending.ordinal, &pending.command, Some("skipped".into()));
            self.teller.skipped(&pending);
        }
    }

    /// Finds out what is wanted done with a request.
    pub(super) fn request(
        &mut self,
        mut part: Part,
        session: &mut Session,
    ) -> (Kept, Option<Frame>) {
        if part.place == Place::Between {
            return self.between(part, session);
        }
        let begins = self.in_request.is_none();
        let ordinal = self.in_request.unwrap_or_else(|| session.number(part.run));
        self.in_request = (part.place == Place::Inside).then_some(ordinal);
        if begins {
            self.discarding = false;
        }
        for digest in self.core.scripts.resolve(&mut part.commands) {
            self.record(ProxyEventKind::ScriptUnknown { digest });
        }
        for command in &part.commands {
            self.log_message(command);
        }
        let mut kept = Kept::Yes;
        let mut frame = Frame { last: part.place == Place::Last, ..Frame::default() };
        let mut on_reply = None;
        if let Some((rule, command, action)) = self.fired(&part.commands, session) {
            match RuleAction::split(action) {
                Ok(RequestAction::Drop) => self.discarding = true,
                Ok(RequestAction::Reset) => {
                    self.discarding = true;
                    kept = Kept::Reset;
                }
                Ok(RequestAction::Hold) => frame.stop = Some(self.hold(rule, &command)),
                Ok(RequestAction::Delay(delay)) => frame.stop = Some(until(delay)),
                Err(reply) => on_reply = Some((rule, reply)),
            }
        }
        if self.discarding {
            kept = if kept == Kept::Reset { kept } else { Kept::No };
        }
        let told = self.teller.request(&part, (ordinal, begins), kept, session);
        if kept != Kept::Yes {
            session.dropped(ordinal);
            // What went before is answered as far as it goes.
            let sent = std::mem::replace(&mut self.sent, 0);
            frame.close = (sent > 0).then(|| {
                let counted = Counted::new(Some(sent), Sync::No);
                (ordinal, Expects::Counted(counted))
            });
            return (kept, frame.close.is_some().then_some(frame));
        }
        self.sent = if part.place == Place::Last { 0 } else { part.confirmable };
        let steps = part.group.as_ref().map_or(&[][..], |group| &group.steps);
        frame.ends_copy = steps
            .iter()
            .any(|step| matches!(step, GroupMessage::CopyDone | GroupMessage::CopyFail));
        frame.ticket = told.ticket;
        if begins {
            frame.ask = Some(Pending {
                ordinal,
                id: told.id,
                command: part.commands.into_iter().next().unwrap_or_default(),
                expects: part.expects,
                handshake: part.handshake,
                copies: 0,
                run: part.run,
                reply: on_reply,
            });
        } else if part.group.is_some() && part.place == Place::Last {
            frame.close = Some((ordinal, part.expects));
        }
        if !begins {
            frame.on_reply = on_reply.map(|reply| (ordinal, reply));
        }
        frame.data = part.data;
        (Kept::Yes, Some(frame))
    }

    /// What is outside of requests: a password, copied data, the farewell.
    fn between(&mut self, part: Part, session: &mut Session) -> (Kept, Option<Frame>) {
        if part.asks_encryption && self.link.refuses_encryption() {
            session.encryption_asked = None;
            self.connection.answer(b"N");
            return (Kept::No, None);
        }
        (Kept::Yes, Some(Frame { data: part.data, wal: part.wal, ..Frame::default() }))
    }

    /// The first rule that acts on these commands, and on which of them.
    fn fired(&self, commands: &[Command], session: &Session) -> Option<(u64, Command, RuleAction)> {
        if *session.framing() != Framing::Followed {
            return None;
        }
        let (rule, command, action) = self.link.fires(self.connection.ordinal, commands)?;
        self.record(ProxyEventKind::RuleFired {
            rule,
            action: action.name(),
            command: command.name.clone(),
            text: cut(&command.text),
        });
        Some((rule, command, action))
    }

    /// Does to a reply what was wanted when its request passed.
    pub(super) fn reply(&mut self, part: Part, session: &mut Session) -> (Kept, Option<Frame>) {
        let last = part.place == Place::Last;
        let mut frame = Frame { wal: part.wal, last, ..Frame::default() };
        // Nobody asked for some: an error at the end of a session, say.
        let pending = session.pending.front_mut().filter(|_| part.place != Place::Between);
        let Some(pending) = pending else {
            frame.ticket = self.teller.push(&part);
            frame.last = true;
            frame.data = part.data;
            return (Kept::Yes, Some(frame));
        };
        let mut kept = Kept::Yes;
        match pending.reply.filter(|_| !precedes_copy(pending, &part.data)) {
            Some((rule, ReplyAction::Hold)) => {
                pending.reply = None;
                frame.stop = Some(self.hold(rule, &pending.command));
            }
            Some((_, ReplyAction::Delay(delay))) => {
                pending.reply = None;
                frame.stop = Some(until(delay));
            }
            Some((_, ReplyAction::Drop)) => kept = Kept::No,
            Some((_, ReplyAction::ResetAfter)) if last => kept = Kept::Reset,
            Some((_, ReplyAction::ResetAfter)) => kept = Kept::No,
            None => {}
        }
        frame.ticket = self.teller.reply(&part, pending, kept);
        if last && let Some(done) = session.answered(part.run) {
            self.log_reply(done.ordinal, &done.command, part.summary);
        }
        frame.data = part.data;
        (kept, (kept == Kept::Yes).then_some(frame))
    }

    fn hold(&self, rule: u64, command: &Command) -> Stop {
        let id = self.core.next_id();
        self.link.hold_message(crate::rule::HeldMessage {
            id,
            rule,
            connection: self.connection.ordinal,
            stream: self.stream,
            command: command.name.clone(),
            text: cut(&command.text),
        });
        self.record(ProxyEventKind::MessageHeld { held: id, rule });
        Stop::Held(id)
    }

    fn log_message(&self, command: &Command) {
        if self.connection.logs_messages() {
            self.record(ProxyEventKind::Request {
                command: command.name.clone(),
                keys: command.keys.clone(),
                text: cut(&command.text),
                script: command.script_text().map(|text| cut(text)),
            });
        }
    }

    fn log_reply(&self, request: u64, command: &Command, summary: Option<String>) {
        if self.connection.logs_messages() {
            self.record(ProxyEventKind::Reply {
                request,
                command: command.name.clone(),
                summary: summary.unwrap_or_default(),
            });
        }
    }

    fn record(&self, happening: ProxyEventKind) {
        let connection = Some(self.connection.ordinal);
        self.core.events.record(&self.link.name, connection, happening);
    }
}

/// Whether this part of the answer to a COPY from the client comes before the
/// data, which would never come without it.
fn precedes_copy(pending: &Pending, data: &[u8]) -> bool {
    pending.command.name == "COPY"
        && pending.command.strength == Strength::Write
        && !matches!(data.first(), Some(b'C' | b'E' | b'Z'))
}

fn until(delay: Duration) -> Stop {
    Stop::Until(Instant::now() + delay)
}

/// The most of a text that the event log keeps.
const LOGGED_TEXT: usize = 1024;

/// A text cut short for the log.
fn cut(text: &str) -> String {
    front(text, LOGGED_TEXT).to_owned()
}
