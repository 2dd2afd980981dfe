//! Telling those who attend of the messages of one direction.

use super::connection::Connection;
use super::judge::Kept;
use crate::attend::{
    Desk, Detail, NoticeKind, Peer, Push, Statement, StreamEnd, Ticket, Waits, WireReply,
    WireRequest,
};
use crate::core::Core;
use crate::link::Link;
use crate::message::{Border, Command, Part, Pending, Place, Session, Strength, front};
use crate::toxic::Stream;
use bytes::{Bytes, BytesMut};
use std::sync::Arc;

/// See the module.
pub(super) struct Teller {
    core: Arc<Core>,
    link: Arc<Link>,
    connection: Arc<Connection>,
    stream: Stream,
    desk: Option<Arc<Desk>>,
    /// The next message is the first one of what was read.
    first_of_read: bool,
    /// That of the request, or of the push, whose pieces are coming.
    ticket: Option<Arc<Ticket>>,
    reply: Option<Unfinished>,
}

/// A reply of which not all has come.
struct Unfinished {
    told: WireReply,
    ticket: Option<Arc<Ticket>>,
    /// The desk was told of it.
    is_told: bool,
    raw: BytesMut,
}

/// What became of telling.
#[derive(Default)]
pub(super) struct Told {
    pub(super) id: Option<u64>,
    pub(super) ticket: Option<Arc<Ticket>>,
}

impl Teller {
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
            desk: None,
            first_of_read: true,
            ticket: None,
            reply: None,
        }
    }

    pub(super) fn attend(&mut self) {
        self.desk = self.link.desk();
    }

    pub(super) const fn begin_read(&mut self, border: Border) {
        self.first_of_read = matches!(border, Border::Between);
    }

    pub(super) const fn is_attended(&self) -> bool {
        self.desk.is_some()
    }

    /// Whether somebody has messages wait.
    pub(super) fn holds(&self) -> bool {
        self.desk.as_ref().is_some_and(|desk| desk.options.holds_anything())
    }

    /// Nothing is half told.
    pub(super) const fn is_idle(&self) -> bool {
        self.ticket.is_none() && self.reply.is_none()
    }

    pub(super) fn has_room(&self) -> bool {
        let desk = self.desk.as_ref();
        desk.is_none_or(|desk| desk.has_room(&self.connection, self.stream))
    }

    fn tell(&self, what: NoticeKind) {
        if let Some(desk) = &self.desk {
            desk.tell(&self.link.name, self.connection.ordinal, what);
        }
    }

    pub(super) fn lost(&self, reason: &'static str) {
        self.tell(NoticeKind::FramingLost { reason });
    }

    pub(super) fn gone(&self, how: StreamEnd, waiting: Vec<u64>) {
        let side = match self.stream {
            Stream::Upstream => Peer::Client,
            Stream::Downstream => Peer::Server,
        };
        self.tell(NoticeKind::Gone { side, how, waiting });
    }

    /// A ticket for a message that waits, if it is one that does.
    fn ticket(&self, desk: &Desk, id: u64, waits: Waits) -> Option<Arc<Ticket>> {
        match waits {
            Waits::Yes => desk.ask(&self.connection, self.stream, id),
            Waits::No => None,
        }
    }

    pub(super) fn request(
        &mut self,
        part: &Part,
        (ordinal, begins): (u64, bool),
        kept: Kept,
        session: &Session,
    ) -> Told {
        let with_previous = !std::mem::replace(&mut self.first_of_read, false);
        if !begins {
            let ticket = self.ticket.clone();
            if part.place == Place::Last {
                self.ticket = None;
            }
            return Told { id: None, ticket };
        }
        self.ticket = None;
        let Some(desk) = self.desk.clone() else {
            return Told::default();
        };
        let id = self.core.next_id();
        let waits = match kept {
            Kept::Yes if !part.handshake => desk.options.requests,
            _ => Waits::No,
        };
        let ticket = self.ticket(&desk, id, waits);
        let request = WireRequest {
            id,
            ordinal,
            waits: waits_with(&ticket),
            with_previous,
            ..request(part, &desk, session)
        };
        self.tell(NoticeKind::Request(request));
        if part.place == Place::Inside {
            self.ticket.clone_from(&ticket);
        }
        Told { id: Some(id), ticket }
    }

    /// What a server says unasked, or between its messages.
    pub(super) fn push(&mut self, part: &Part) -> Option<Arc<Ticket>> {
        if part.continues {
            return self.ticket.clone();
        }
        self.ticket = None;
        let (Some(kind), Some(desk)) = (&part.push, self.desk.clone()) else {
            return None;
        };
        let id = self.core.next_id();
        let ticket = self.ticket(&desk, id, desk.options.pushes);
        self.tell(NoticeKind::Push(Push {
            id,
            waits: waits_with(&ticket),
            kind: kind.clone(),
            size: part.data.len(),
            raw: raw(&part.data, &desk),
        }));
        self.ticket.clone_from(&ticket);
        ticket
    }

    pub(super) fn reply(
        &mut self,
        part: &Part,
        pending: &Pending,
        kept: Kept,
    ) -> Option<Arc<Ticket>> {
        if self.reply.is_none() {
            let desk = self.desk.clone()?;
            let id = self.core.next_id();
            let waits = match kept {
                Kept::Yes if !pending.handshake => desk.options.replies,
                _ => Waits::No,
            };
            let ticket = self.ticket(&desk, id, waits);
            let told = WireReply { id, waits: waits_with(&ticket), ..reply_to(pending) };
            self.reply = Some(Unfinished { told, ticket, is_told: false, raw: BytesMut::new() });
        }
        let cap = self.desk.as_ref().map_or(0, |desk| desk.options.raw_cap);
        let reply = self.reply.as_mut()?;
        let room = cap.saturating_sub(reply.raw.len()).min(part.data.len());
        reply.raw.extend_from_slice(&part.data[..room]);
        reply.told.size += part.data.len();
        let ticket = reply.ticket.clone();
        if part.place == Place::Last {
            reply.told.complete = true;
            reply.told.summary = part.summary.clone().unwrap_or_default();
            reply.told.error.clone_from(&part.error);
            reply.told.transaction = part.transaction;
        }
        if part.place == Place::Last || part.awaits_client {
            self.tell_unfinished();
            self.reply = None;
        }
        ticket
    }

    /// Tells of the reply of which a part has come, once.
    pub(super) fn tell_unfinished(&mut self) {
        let Some(reply) = &mut self.reply else { return };
        if std::mem::replace(&mut reply.is_told, true) {
            return;
        }
        let told = WireReply { raw: reply.raw.clone().freeze(), ..reply.told.clone() };
        self.tell(NoticeKind::Reply(told));
    }

    pub(super) fn skipped(&mut self, pending: &Pending) {
        if self.desk.is_some() {
            let id = self.core.next_id();
            let reply = WireReply { id, complete: true, skipped: true, ..reply_to(pending) };
            self.tell(NoticeKind::Reply(WireReply { summary: "skipped".into(), ..reply }));
        }
    }
}

const fn waits_with(ticket: &Option<Arc<Ticket>>) -> Waits {
    match ticket {
        Some(_) => Waits::Yes,
        None => Waits::No,
    }
}

fn reply_to(pending: &Pending) -> WireReply {
    WireReply {
        id: 0,
        request: pending.ordinal,
        request_id: pending.id,
        waits: Waits::No,
        complete: false,
        skipped: false,
        handshake: pending.handshake,
        size: 0,
        summary: String::new(),
        error: None,
        transaction: None,
        raw: Bytes::new(),
    }
}

fn raw(data: &Bytes, desk: &Desk) -> Bytes {
    // A copy, as a slice would keep all that was read with it.
    Bytes::copy_from_slice(&data[..data.len().min(desk.options.raw_cap)])
}

fn statement(command: &Command, cap: usize) -> Statement {
    let text = &command.text;
    Statement {
        name: command.name.clone(),
        text: front(text, cap).to_owned(),
        keys: command.keys.clone(),
        strength: command.strength,
        script: command.script_text().cloned(),
    }
}

/// What can be told of a request by its first part.
fn request(part: &Part, desk: &Desk, session: &Session) -> WireRequest {
    let cap = desk.options.text_cap;
    let statements: Vec<_> = part.commands.iter().map(|one| statement(one, cap)).collect();
    let texts: Vec<&str> = part.commands.iter().map(|one| one.text.as_str()).collect();
    let mut text = texts.join("; ");
    let text_cut = text.len() > cap;
    text.truncate(front(&text, cap).len());
    // The last one of the strongest.
    let strongest = part.commands.iter().max_by_key(|one| one.strength);
    let secret = part.commands.iter().any(|one| one.secret);
    WireRequest {
        id: 0,
        ordinal: 0,
        waits: Waits::No,
        with_previous: false,
        handshake: part.handshake,
        size: part.data.len(),
        name: strongest.map(|one| one.name.clone()).unwrap_or_default(),
        text,
        text_cut,
        keys: part.commands.iter().flat_map(|one| one.keys.clone()).collect(),
        statements,
        detail: part.group.as_ref().map_or(Detail::Redis, |group| Detail::Postgres {
            steps: group.steps.clone(),
            ends: group.ends,
            strongest: strongest.map_or(Strength::Nothing, |one| one.strength),
            settles: group.settles,
            transaction: session.transaction,
        }),
        raw: if secret { Bytes::new() } else { raw(&part.data, desk) },
    }
}
