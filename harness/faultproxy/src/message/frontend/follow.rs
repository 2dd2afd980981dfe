//! Requests of Postgres that nobody asks about.

use super::{Frontend, Phase, Role, begins_replication};
use crate::message::follow::{Followed, Rest, ask_group, postgres_message};
use crate::message::reader::Reader;
use crate::message::{Session, Sought};

impl Frontend {
    /// No request has been begun, but for bytes that nobody has looked at.
    pub(in crate::message) fn is_fresh(&self) -> bool {
        let is_begun = self.scanned > 0 || self.extended || self.begun || self.ahead > 0;
        !is_begun && self.phase == Phase::Open
    }

    /// See [`Scanner::follow`](crate::message::Scanner::follow).
    pub(in crate::message) fn follow(
        &mut self,
        data: &[u8],
        session: &mut Session,
        sought: &Sought,
    ) -> Followed {
        self.wanted = false;
        let (mut passed, mut at) = (0, 0);
        let rest = loop {
            let (kind, len) = match postgres_message(&data[at..], u8::is_ascii_alphabetic) {
                Ok((kind, len)) if self.is_special(kind, &data[at + 5..at + len], sought) => {
                    break Rest::Special;
                }
                Ok(message) => message,
                Err(stop) => break stop.into(),
            };
            let Ok(role) = self.take(kind, &data[at + 5..at + len], session) else {
                break Rest::Special;
            };
            at += len;
            match role {
                Role::Between if self.extended => {}
                Role::Part => {}
                Role::Between => passed = at,
                Role::Last(ends, expects) => {
                    self.settle(ends);
                    (self.bound, self.extended, passed) = (None, false, at);
                    ask_group(expects, session);
                }
            }
        };
        // A group of which the end has not come is for `next`, which knows what
        // of it was looked at.
        self.scanned = at - passed;
        let rest = if self.scanned > 0 { Rest::Special } else { rest };
        Followed { passed, rest }
    }

    /// Whether a message cannot be followed by its length alone.
    fn is_special(&self, kind: u8, body: &[u8], sought: &Sought) -> bool {
        match kind {
            b'Q' => begins_replication(body) || sought.may_be_in(body),
            b'E' if !sought.is_empty() => {
                let portal = self.portals.get(&Reader(body).text());
                let statement = portal.and_then(|portal| portal.statement.as_ref());
                statement.is_some_and(|statement| {
                    let mut commands = statement.commands().iter();
                    commands.any(|command| sought.has(command.first_word().as_bytes()))
                })
            }
            // What a COPY by the extended protocol consists of, and what hardly
            // anybody sends.
            b'c' | b'f' | b'F' => true,
            b'd' => self.extended,
            _ => false,
        }
    }
}
