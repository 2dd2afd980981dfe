use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use quarrel_checkers::{Certainty, Index, Key, Object, Process, Reply, Site, Step, Time, Value};
use quarrel_faultproxy::attend::{self, WireRequest};

use super::{
    Names,
    call::{Asked, of_redis, of_sql, told_by_redis, told_by_sql, touched_nothing},
};
use crate::wire::{Effect, Message};

/// Whose a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) process: Process,
    /// Its operation; none of what nobody asked for.
    pub(crate) operation: Option<Index>,
    /// The row that the operation is about.
    pub(crate) key: Option<Key>,
}

/// A connection, by its proxy and its number there.
pub(crate) type Place = (Arc<str>, u64);

/// Pairs requests with replies, and writes each pair down as steps.
pub(crate) struct Scribe {
    names: Names,
    lines: HashMap<Place, Line>,
}

/// What is known of a connection.
#[derive(Default)]
struct Line {
    /// Where it leads, and who opened it and when, as long as nothing came back.
    opened: Option<(Site, Time, Owner)>,
    open: VecDeque<Open>,
    /// What a MULTI has queued; none outside of one.
    queued: Option<Queued>,
    /// What the transaction was to write, and did not: no row fitted.
    void: Vec<Value>,
}

/// What MULTI has queued.
#[derive(Default)]
struct Queued {
    asked: Vec<Asked>,
    /// Commands, of which EXEC answers each.
    commands: usize,
}

/// A request without its reply.
struct Open {
    id: u64,
    start: Time,
    owner: Owner,
    asked: Vec<Asked>,
    /// It is the EXEC of what was queued.
    is_exec: bool,
    /// What it writes without anybody seeing it yet.
    hidden: Vec<Value>,
    /// It surely never got to the store.
    is_broken: bool,
}

impl Scribe {
    pub(crate) fn new(names: Names) -> Self {
        Self { names, lines: HashMap::new() }
    }

    /// The keys that a request names.
    pub(crate) fn keys(&mut self, request: &WireRequest, message: &Message) -> Vec<Key> {
        if message.site != Site::Cache {
            let mut keys = self.names.keys(&request.keys);
            keys.extend(message.values.iter().filter_map(|value| self.names.of(value)));
            return keys;
        }
        let names = &mut self.names;
        let named = request.keys.iter().filter_map(|name| names.object(name, None, None));
        named.map(|object| object.key).collect()
    }

    /// A client connects at `at`.
    pub(crate) fn opens(&mut self, place: &Place, site: Site, at: Time, owner: Owner) {
        let line = Line { opened: Some((site, at, owner)), ..Line::default() };
        self.lines.insert(place.clone(), line);
    }

    /// A request begins at `at`.
    pub(crate) fn asks(
        &mut self,
        place: &Place,
        request: &WireRequest,
        message: &Message,
        at: Time,
        owner: Owner,
    ) {
        let line = self.lines.entry(place.clone()).or_default();
        let asked = if message.site == Site::Cache {
            redis(line, request, &mut self.names, owner.key)
        } else {
            let written = message.values.iter().filter(|value| !line.void.contains(value));
            of_sql(request, message, written, &self.names, owner.key)
        };
        let hidden = match message.effect {
            Effect::Hidden => message.values.clone(),
            Effect::Commits | Effect::TakesBack => {
                line.void.clear();
                Vec::new()
            }
            _ => Vec::new(),
        };
        line.open.push_back(Open {
            id: request.id,
            start: at,
            owner,
            asked,
            is_exec: message.site == Site::Cache && request.name == "EXEC",
            hidden,
            is_broken: false,
        });
    }

    /// A request that waited goes on at `at`.
    pub(crate) fn goes_on(&mut self, id: u64, at: Time) {
        let open = self.lines.values_mut().flat_map(|line| &mut line.open);
        for open in open.filter(|open| open.id == id) {
            open.start = at;
        }
    }

    /// A request that waited will not get to the store.
    pub(crate) fn breaks(&mut self, id: u64) {
        let open = self.lines.values_mut().flat_map(|line| &mut line.open);
        for open in open.filter(|open| open.id == id) {
            open.is_broken = true;
        }
    }

    /// A reply comes at `at`: what it completes.
    pub(crate) fn answers(
        &mut self,
        place: &Place,
        reply: &attend::WireReply,
        at: Time,
    ) -> Vec<Step> {
        let Some(line) = self.lines.get_mut(place) else { return Vec::new() };
        line.opened = None;
        let Some(request) = reply.request_id else { return Vec::new() };
        let Some(found) = line.open.iter().position(|open| open.id == request) else {
            return Vec::new();
        };
        let Some(open) = line.open.remove(found) else { return Vec::new() };
        if reply.skipped {
            let reply = Reply::Failed {
                certainty: Certainty::Definite,
                error: "left out after an error".to_owned(),
            };
            return steps(open, Some(at), |_| reply.clone());
        }
        if open.asked.is_empty() && open.hidden.is_empty() {
            return Vec::new();
        }
        if open.asked.iter().all(|asked| asked.site == Site::Cache) && open.hidden.is_empty() {
            let names = &self.names;
            let is_aborted = open.is_exec && reply.value() == Some(attend::WireValue::Nil);
            return steps(open, Some(at), |asked| match is_aborted {
                // EXEC of what was watched, and had changed.
                true => Reply::Refused,
                false => told_by_redis(asked, reply, names),
            });
        }
        let outcomes = reply.outcomes();
        let is_void =
            outcomes.iter().any(|outcome| outcome.error.is_some() || touched_nothing(&outcome.tag));
        if is_void {
            line.void.extend(open.hidden.iter().cloned());
        }
        let names = &self.names;
        steps(open, Some(at), |asked| told_by_sql(asked, &outcomes, names))
    }

    /// A connection ends at `at`: nobody knows what became of what was under
    /// way.
    pub(crate) fn ends(&mut self, place: &Place, at: Time) -> Vec<Step> {
        let line = self.lines.remove(place).unwrap_or_default();
        let lost = |certainty| Reply::Failed {
            certainty,
            error: "the connection ended before the answer".to_owned(),
        };
        let asked = line.open.iter().any(|open| !open.asked.is_empty());
        let dialled = line.opened.filter(|_| !asked).and_then(|opened| not_reached(opened, at));
        let ended = line.open.into_iter().flat_map(|open| {
            let certainty = match open.is_broken {
                true => Certainty::Definite,
                false => Certainty::Indefinite,
            };
            steps(open, Some(at), |_| lost(certainty))
        });
        dialled.into_iter().chain(ended).collect()
    }

    /// Whether every request that is about a row has its reply.
    pub(crate) fn is_idle(&self) -> bool {
        let mut open = self.lines.values().flat_map(|line| &line.open);
        open.all(|open| open.asked.is_empty() && open.hidden.is_empty())
    }

    /// What is still under way when nobody listens any more.
    pub(crate) fn rest(&mut self) -> Vec<Step> {
        let lines = std::mem::take(&mut self.lines);
        let open = lines.into_values().flat_map(|line| line.open);
        open.flat_map(|open| steps(open, None, |_| Reply::Pending)).collect()
    }
}

/// A connection that ended before anything came back: what its client wanted to
/// say there was never said.
fn not_reached((site, start, owner): (Site, Time, Owner), end: Time) -> Option<Step> {
    let object = Object { space: "connection".into(), key: owner.key?, version: None };
    Some(Step {
        operation: owner.operation,
        process: owner.process,
        start,
        end: Some(end),
        site,
        verb: "CONNECT".into(),
        object: Some(object),
        argument: None,
        reply: Reply::Failed {
            certainty: Certainty::Definite,
            error: "the store was not reached".to_owned(),
        },
        lsn: None,
    })
}

/// What a command asks for now: what MULTI has queued happens with EXEC.
fn redis(
    line: &mut Line,
    request: &WireRequest,
    names: &mut Names,
    key: Option<Key>,
) -> Vec<Asked> {
    match (request.name.as_str(), &mut line.queued) {
        ("MULTI", queued) => {
            *queued = Some(Queued::default());
            Vec::new()
        }
        ("EXEC", queued) => queued.take().unwrap_or_default().asked,
        ("DISCARD", queued) => {
            *queued = None;
            Vec::new()
        }
        (_, Some(queued)) => {
            let within = Some(queued.commands);
            queued.commands += 1;
            let asked = of_redis(request, names, key);
            queued.asked.extend(asked.into_iter().map(|asked| Asked { within, ..asked }));
            Vec::new()
        }
        (_, None) => of_redis(request, names, key),
    }
}

fn steps(open: Open, end: Option<Time>, reply: impl Fn(&Asked) -> Reply) -> Vec<Step> {
    let Open { start, owner, asked, .. } = open;
    let step = |asked: Asked| {
        let reply = reply(&asked);
        Step {
            operation: owner.operation,
            process: owner.process,
            start,
            end,
            site: asked.site,
            verb: asked.verb,
            object: asked.object,
            argument: asked.argument,
            reply,
            lsn: None,
        }
    };
    asked.into_iter().map(step).collect()
}
