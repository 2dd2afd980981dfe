//! What is heard while an execution goes on.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt as _, stream::FuturesUnordered};
use quarrel_checkers::{Certainty, Kind, Process, Site, Time, Value};
use quarrel_faultproxy::attend::{NoticeKind, Peer, Waits, WireReply, WireRequest};
use tokio::time::sleep;

use super::{
    executor::{Ended, Lost},
    mishap::Deed,
    ongoing::{JUST_AFTER, Ongoing, Waiting},
    tree::{Choice, Next},
};
use crate::{
    shape::fits,
    transcript::{Owner, Place},
    wire::Effect,
};
use quarrel_strategy::stores::StoreError;

impl<N: FnMut(usize, &[Choice]) -> Next> Ongoing<'_, N> {
    /// Takes in the next thing that happens; whether anything did in time.
    pub(super) async fn hear<F>(
        &mut self,
        limit: Duration,
        answers: &mut FuturesUnordered<F>,
    ) -> Result<bool, Lost>
    where
        F: Future<Output = (usize, Result<Option<Value>, StoreError>)>,
    {
        tokio::select! {
            biased;
            notice = self.executor.attention.next() => self.notice(notice)?,
            Some((client, answer)) = answers.next() => self.answer(client, answer),
            () = sleep(limit) => return Ok(false),
        }
        Ok(true)
    }

    fn notice(&mut self, notice: quarrel_faultproxy::Notice) -> Result<(), Lost> {
        let Some(&(client, site)) = self.executor.proxies.get(&notice.proxy) else { return Ok(()) };
        let place: Place = (Arc::clone(&notice.proxy), notice.connection);
        match notice.what {
            NoticeKind::Reply(reply) => {
                let at = self.now();
                let steps = self.executor.scribe.answers(&place, &reply, at);
                self.execution.history.steps.extend(steps);
                self.reply(client, &place, &reply)?;
            }
            NoticeKind::Gone { side: Peer::Client, waiting, .. } => {
                // Held for longer than its client waits: it will go on all the same,
                // late, which no order of messages is about.
                let is_held = |one: &Waiting| waiting.contains(&one.id);
                let held = self.parts[client].waiting.iter().filter(|one| is_held(one));
                self.execution.given_up += held.count();
                let at = self.now();
                let steps = self.executor.scribe.ends(&place, at);
                self.execution.history.steps.extend(steps);
            }
            NoticeKind::Opened { .. } => {
                let at = self.now();
                let process = Process::Client(client as u64);
                let owner = Owner { process, operation: None, key: Some(self.key) };
                self.executor.scribe.opens(&place, site, at, owner);
            }
            NoticeKind::Request(request) => return self.request(client, site, &place, &request),
            NoticeKind::Closed { undecided, .. } => {
                self.executor.connections.closed(&notice.proxy, notice.connection);
                self.parts[client].waiting.retain(|waiting| !undecided.contains(&waiting.id));
                self.late.retain(|(_, waiting)| !undecided.contains(&waiting.id));
                self.parts[client].holds_row = false;
                let at = self.now();
                let steps = self.executor.scribe.ends(&place, at);
                self.execution.history.steps.extend(steps);
            }
            NoticeKind::FramingLost { reason } => {
                return Err(Lost::Broken(format!(
                    "messages of client {client} to the {site} cannot be told apart: {reason}"
                )));
            }
            NoticeKind::Missed { notices } => {
                return Err(Lost::Broken(format!("{notices} messages were missed")));
            }
            what => self.executor.count_push(&what),
        }
        Ok(())
    }

    /// A client asks a store for something: it waits for its turn, unless its
    /// order is of no matter.
    fn request(
        &mut self,
        client: usize,
        site: Site,
        place: &Place,
        request: &WireRequest,
    ) -> Result<(), Lost> {
        let message =
            self.executor.connections.message(&place.0, place.1, site, request, Some(self.row));
        let is_answered = self.parts[client].ended.is_some();
        let steps = &self.executor.app.file.steps;
        let is_local = message.effect == Effect::Local
            || steps.local.iter().any(|pattern| fits(&message.shape, pattern));
        let is_of_nobody =
            is_answered || steps.background.iter().any(|pattern| fits(&message.shape, pattern));
        let at = self.now();
        let process = match is_of_nobody {
            true => Process::Agent(client as u64),
            false => Process::Client(client as u64),
        };
        let owner = Owner { process, operation: None, key: Some(self.key) };
        self.executor.scribe.asks(place, request, &message, at, owner);
        if request.waits == Waits::No {
            return Ok(());
        }
        if is_of_nobody && !is_local {
            self.execution.of_nobody += 1;
        }
        if is_local || is_of_nobody {
            return self.decide(message.id);
        }
        if site == Site::Cache {
            self.entries.extend(message.keys.iter().map(|name| (name.clone(), false)));
        }
        let place = place.clone();
        self.wait(client, Waiting { id: message.id, message, place, turn: Deed::GoesOn });
        Ok(())
    }

    /// A message waits for its turn. Of one client they have theirs in the order
    /// in which they came: on one connection that is the only one there is.
    fn wait(&mut self, client: usize, waiting: Waiting) {
        let part = &mut self.parts[client];
        if part.waiting.iter().any(|other| other.place != waiting.place) {
            self.execution.at_once += 1;
        }
        part.waiting.push_back(waiting);
    }

    /// A reply has come: it waits for its turn if its request had one.
    fn reply(&mut self, client: usize, place: &Place, reply: &WireReply) -> Result<(), Lost> {
        let request = reply.request_id.unwrap_or_default();
        self.answered.insert(request);
        if reply.waits == Waits::No {
            return Ok(());
        }
        match self.unanswered.remove(&request) {
            None => self.decide(reply.id),
            Some(message) => {
                let place = place.clone();
                self.wait(client, Waiting { id: reply.id, message, place, turn: Deed::Answered });
                Ok(())
            }
        }
    }

    fn answer(&mut self, client: usize, answer: Result<Option<Value>, StoreError>) {
        let is_writer = self.values[client].is_some();
        let ended = match answer {
            Ok(_) if is_writer => Ended::Written,
            Ok(value) => Ended::Read(value),
            Err(error) if !is_writer || error.certainty == Certainty::Definite => {
                Ended::Refused(error.message)
            }
            Err(error) => Ended::Unknown(error.message),
        };
        let steps = self.execution.taken.len() as u64;
        let process = Process::Client(client as u64);
        let op = self.op(client);
        let history = &mut self.execution.history;
        if !self.parts[client].has_begun {
            // It asked no store: it began and ended before anything happened.
            history.invoke(JUST_AFTER + Duration::from_nanos(1), process, op.clone());
        }
        let at = Time::from_millis(steps).max(JUST_AFTER) + Duration::from_micros(500);
        let (kind, op, error) = match &ended {
            Ended::Read(value) => {
                (Kind::Ok, op.returning(value.clone().unwrap_or(Value::Nil)), None)
            }
            Ended::Written => (Kind::Ok, op, None),
            Ended::Refused(why) => (Kind::Fail, op, Some(why.clone())),
            Ended::Unknown(why) => (Kind::Info, op, Some(why.clone())),
        };
        history.push(at, process, kind, op, error);
        if let Some(taken) =
            self.execution.taken.iter_mut().rev().find(|taken| taken.choice.client == client)
        {
            taken.ended = Some(ended.clone());
        }
        self.parts[client].ended = Some(ended);
    }
}
