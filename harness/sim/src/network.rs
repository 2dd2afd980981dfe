use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    task::Waker,
    time::Duration,
};

use quarrel_checkers::{Site, Time};
use quarrel_strategy::{
    cluster::{Impairment, Link, Node},
    record::VirtualClock,
    stores::{Request, Response, StoreError, TimeLimits},
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::{
    Reaction, Wait, Watcher, Wire, World,
    conditions::Conditions,
    impair::{self, Fate},
    slot::{CallState, Route, Slot},
    stream::Streamed,
};

pub(super) type Answer = Result<Response, StoreError>;

/// What one message takes from a client to a store, on average.
const ONE_WAY: Duration = Duration::from_micros(120);

/// Everything between clients and stores, and what is going to happen when.
pub(super) struct Network {
    pub(super) world: World,
    pub(super) conditions: Conditions,
    pub(super) clock: VirtualClock,
    random: ChaCha8Rng,
    limits: TimeLimits,
    events: BinaryHeap<Reverse<Event>>,
    sequence: u64,
    pub(super) slots: Vec<Slot>,
    /// Commits on their way to the replica, in step with the world's own list.
    pub(super) streaming: VecDeque<Streamed>,
    /// Bytes that the stream has carried since something was done to it.
    pub(super) streamed_bytes: u64,
}

/// Ordered by time, then by the order in which they were planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    at: Time,
    sequence: u64,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    /// A request reaches its store.
    Arrive { slot: usize, ticket: u64 },
    /// The answer, which is in the slot, reaches its client.
    Reply { slot: usize, ticket: u64 },
    /// A client stops waiting.
    GiveUp { slot: usize, ticket: u64, site: Site },
    /// The replica may have something to replay.
    Replay,
}

impl Network {
    pub(super) fn new(seed: u64, limits: TimeLimits) -> Self {
        Self {
            world: World::new(),
            conditions: Conditions::default(),
            clock: VirtualClock::default(),
            random: ChaCha8Rng::seed_from_u64(seed),
            limits,
            events: BinaryHeap::new(),
            sequence: 0,
            slots: Vec::new(),
            streaming: VecDeque::new(),
            streamed_bytes: 0,
        }
    }

    /// A new client's end.
    pub(super) fn open(&mut self, route: Route) -> usize {
        self.slots.push(Slot::new(route));
        self.slots.len() - 1
    }

    /// Sends a request. What an earlier call, given up, left under way still
    /// happens at the store.
    pub(super) fn send(&mut self, slot: usize, request: Request) {
        self.slots[slot].ticket += 1;
        let ticket = self.slots[slot].ticket;
        let now = self.clock.now();
        if let Request::Sleep(duration) = request {
            self.slots[slot].state = CallState::Answered(Site::Client, Ok(Response::Done));
            self.plan(now + duration, What::Reply { slot, ticket });
            return;
        }
        if let Request::Near { row, .. } = request {
            let found = Response::Content(Some(row.into()));
            self.slots[slot].state = CallState::Here(Ok(found));
            return;
        }
        let site = request.site();
        let link = self.link(slot, site);
        let who = Watcher(slot as u64);
        let hears =
            request == Request::CacheHear && self.world.cache.posted().listens(Wire::Channel, who);
        if hears || request == Request::CacheInvalidations {
            // It asks nobody: what was sent long enough ago is here.
            let late = self.one_way() + self.back(link);
            let until = Time::ZERO + now.since(Time::ZERO).saturating_sub(late);
            let told = match request {
                Request::CacheHear => self.world.cache.heard(who, until),
                _ => self.world.cache.invalidations(who, until),
            };
            self.slots[slot].state = CallState::Here(Ok(Response::Invalidated(told)));
            return;
        }
        let mut there = self.one_way();
        if !self.slots[slot].connected[index(site)] {
            if self.conditions.refuses(site, link) {
                let answer = Err(StoreError::unreachable(site, "connection refused"));
                return self.reply(slot, site, answer, ONE_WAY);
            }
            if self.conditions.is_silent(site, link) {
                let why = format!("no connection within {} ms", self.limits.connect.as_millis());
                let answer = Err(StoreError::unreachable(site, why));
                return self.reply(slot, site, answer, self.limits.connect);
            }
            // Postgres greets before it is asked anything; Redis does not.
            if site != Site::Cache && self.impairment(link) == Some(Impairment::Reset) {
                let answer = Err(StoreError::unreachable(site, "connection reset by peer"));
                return self.reply(slot, site, answer, ONE_WAY);
            }
            // The greetings of a new connection cost a round trip.
            there += self.one_way() + self.back(link);
            self.slots[slot].connected[index(site)] = true;
            self.slots[slot].passed[index(site)] = 0;
        } else if link.is_some_and(|link| self.conditions.drops_requests(link)) {
            self.slots[slot].state = CallState::Quiet;
            return self.wait_no_longer_than_allowed(slot, ticket, site);
        }
        self.slots[slot].state = CallState::Sent(request);
        self.plan(now + there, What::Arrive { slot, ticket });
    }

    /// The answer, if it is here.
    pub(super) fn receive(&mut self, slot: usize, waker: &Waker) -> Option<Answer> {
        let slot = &mut self.slots[slot];
        if let CallState::Here(_) = slot.state {
            let CallState::Here(answer) = std::mem::replace(&mut slot.state, CallState::Quiet)
            else {
                unreachable!("it was here a line ago")
            };
            return Some(answer);
        }
        if slot.waker.as_ref().is_none_or(|known| !known.will_wake(waker)) {
            slot.waker = Some(waker.clone());
        }
        None
    }

    /// Makes the next thing happen; whether there was one.
    pub(super) fn advance(&mut self) -> bool {
        let Some(Reverse(event)) = self.events.pop() else { return false };
        self.clock.advance_to(event.at);
        self.world.now = event.at;
        match event.what {
            What::Arrive { slot, ticket } => self.arrive(slot, ticket),
            What::Reply { slot, ticket } => self.hand_over(slot, ticket),
            What::GiveUp { slot, ticket, site } => self.give_up(slot, ticket, site),
            What::Replay => self.replay(),
        }
        true
    }

    fn arrive(&mut self, slot: usize, ticket: u64) {
        if self.slots[slot].ticket != ticket {
            return;
        }
        let state = std::mem::replace(&mut self.slots[slot].state, CallState::Quiet);
        let CallState::Sent(request) = state else {
            self.slots[slot].state = state;
            return;
        };
        let site = request.site();
        if self.conditions.is_frozen(site) {
            self.slots[slot].state = CallState::Held(request);
            self.wait_no_longer_than_allowed(slot, ticket, site);
            return;
        }
        self.execute(slot, ticket, request);
    }

    fn execute(&mut self, slot: usize, ticket: u64, request: Request) {
        let site = request.site();
        if site == Site::Cache {
            self.make_room(&request);
        }
        let behind = self.world.behind();
        let reaction = self.world.apply_for(Watcher(slot as u64), &request);
        if self.world.behind() > behind {
            self.stream();
        }
        match reaction {
            Reaction::Answer(answer) => self.executed(slot, ticket, site, answer),
            Reaction::Waits(wait) => {
                self.slots[slot].state = CallState::Waits(request, wait);
                self.wait_no_longer_than_allowed(slot, ticket, site);
            }
        }
    }

    fn executed(&mut self, slot: usize, ticket: u64, site: Site, answer: Answer) {
        let link = self.link(slot, site);
        if link.is_some_and(|link| self.conditions.drops_replies(link)) {
            self.slots[slot].state = CallState::Quiet;
            return self.wait_no_longer_than_allowed(slot, ticket, site);
        }
        let back = self.back(link);
        let Some(impairment) = self.impairment(link) else {
            return self.reply(slot, site, answer, back);
        };
        let bytes = impair::bytes(site, &answer);
        let passed = &mut self.slots[slot].passed[index(site)];
        match impair::fate(impairment, site, bytes, *passed) {
            Fate::Later(by) => {
                *passed += bytes;
                self.reply(slot, site, answer, back + by);
            }
            Fate::Never => {
                self.slots[slot].state = CallState::Quiet;
                self.wait_no_longer_than_allowed(slot, ticket, site);
            }
            Fate::Breaks(error) => {
                self.slots[slot].connected[index(site)] = false;
                self.reply(slot, site, Err(error), back);
            }
        }
    }

    /// Evicts entries at random while the cache holds more than it may, as
    /// Redis does before a command that needs memory.
    fn make_room(&mut self, request: &Request) {
        let Some(most) = self.conditions.cache_limit() else { return };
        let grows = matches!(
            request,
            Request::CacheSet { .. }
                | Request::CacheSetIfAbsent { .. }
                | Request::CacheScript { .. }
        );
        let now = self.clock.now();
        while grows && self.cache_bytes() > most {
            let mut items: Vec<_> = self.world.cache.entries(now).map(|(item, _)| *item).collect();
            // The map's own order depends on more than the seed.
            items.sort_unstable();
            let chosen = self.random.random_range(0..items.len());
            self.world.evict(&items[chosen]);
        }
    }

    /// What the cache holds now.
    pub(super) fn cache_bytes(&self) -> u64 {
        let entries = self.world.cache.entries(self.clock.now());
        entries.map(|(_, entry)| impair::entry_bytes(&entry.content)).sum()
    }

    fn impairment(&self, link: Option<Link>) -> Option<Impairment> {
        link.and_then(|link| self.conditions.impairment(link))
    }

    fn reply(&mut self, slot: usize, site: Site, answer: Answer, after: Duration) {
        let ticket = self.slots[slot].ticket;
        // A reply that takes longer than its client waits is as good as lost.
        if site != Site::Client && after > self.limits.call && answer.is_ok() {
            self.slots[slot].state = CallState::Quiet;
            return self.wait_no_longer_than_allowed(slot, ticket, site);
        }
        self.slots[slot].state = CallState::Answered(site, answer);
        self.plan(self.clock.now() + after, What::Reply { slot, ticket });
    }

    fn hand_over(&mut self, slot: usize, ticket: u64) {
        if self.slots[slot].ticket != ticket {
            return;
        }
        let state = std::mem::replace(&mut self.slots[slot].state, CallState::Quiet);
        match state {
            CallState::Answered(_, answer) => self.wake(slot, answer),
            other => self.slots[slot].state = other,
        }
    }

    fn give_up(&mut self, slot: usize, ticket: u64, site: Site) {
        if self.slots[slot].ticket != ticket || matches!(self.slots[slot].state, CallState::Here(_))
        {
            return;
        }
        let waited = self.limits.call.as_millis();
        self.slots[slot].connected = [false; 3];
        self.wake(slot, Err(StoreError::unknown(site, format!("no answer within {waited} ms"))));
    }

    fn wake(&mut self, slot: usize, answer: Answer) {
        let slot = &mut self.slots[slot];
        slot.state = CallState::Here(answer);
        if let Some(waker) = &slot.waker {
            waker.wake_by_ref();
        }
    }

    fn wait_no_longer_than_allowed(&mut self, slot: usize, ticket: u64, site: Site) {
        let until = self.clock.now() + self.limits.call;
        self.plan(until, What::GiveUp { slot, ticket, site });
    }

    /// Breaks every call under way over a link or at a server that is gone.
    pub(super) fn break_calls(&mut self, concerned: impl Fn(Site, Option<Link>) -> bool) {
        for slot in 0..self.slots.len() {
            for site in [Site::Primary, Site::Replica, Site::Cache] {
                let link = self.link(slot, site);
                if !concerned(site, link) {
                    continue;
                }
                self.slots[slot].connected[index(site)] = false;
                if site == Site::Cache {
                    self.world.cache.hang_up(Watcher(slot as u64));
                }
                let open = match &self.slots[slot].state {
                    CallState::Sent(request)
                    | CallState::Held(request)
                    | CallState::Waits(request, _) => request.site() == site,
                    CallState::Answered(from, _) => *from == site,
                    CallState::Quiet | CallState::Here(_) => false,
                };
                if open {
                    // Its request may have been executed: nobody can tell.
                    let answer = Err(StoreError::unknown(site, "connection reset by peer"));
                    let heard = ONE_WAY + self.conditions.slow_close(link);
                    self.reply(slot, site, answer, heard.min(self.limits.call));
                }
            }
        }
    }

    /// A frozen server goes on with what has reached it.
    pub(super) fn go_on(&mut self, node: Node) {
        for slot in 0..self.slots.len() {
            let held = matches!(&self.slots[slot].state, CallState::Held(request) if node_of(request.site()) == Some(node));
            if held {
                let state = std::mem::replace(&mut self.slots[slot].state, CallState::Quiet);
                let CallState::Held(request) = state else {
                    unreachable!("it was held a line ago")
                };
                let ticket = self.slots[slot].ticket;
                self.execute(slot, ticket, request);
            }
        }
    }

    pub(super) fn end_wait(&mut self, slot: usize) {
        let state = std::mem::replace(&mut self.slots[slot].state, CallState::Quiet);
        let CallState::Waits(request, wait) = state else { unreachable!("it waited a line ago") };
        let ticket = self.slots[slot].ticket;
        match wait {
            Wait::Acknowledgement { response, .. } => {
                self.executed(slot, ticket, request.site(), Ok(response));
            }
            Wait::Lock(_) => self.execute(slot, ticket, request),
        }
    }

    pub(super) fn plan(&mut self, at: Time, what: What) {
        self.sequence += 1;
        self.events.push(Reverse(Event { at, sequence: self.sequence, what }));
    }

    fn link(&self, slot: usize, site: Site) -> Option<Link> {
        match (self.slots[slot].route, site) {
            (Route::Beside, _) | (_, Site::Client) => None,
            (Route::Links, Site::Primary) => Some(Link::ClientPrimary),
            (Route::Links, Site::Replica) => Some(Link::ClientReplica),
            (Route::Links, Site::Cache) => Some(Link::ClientCache),
        }
    }

    fn one_way(&mut self) -> Duration {
        self.about(ONE_WAY)
    }

    fn back(&mut self, link: Option<Link>) -> Duration {
        self.about(ONE_WAY) + self.extra(link)
    }

    /// Between half and one and a half of `mean`.
    pub(super) fn about(&mut self, mean: Duration) -> Duration {
        let nanos = u64::try_from(mean.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(nanos / 2 + self.random.random_range(0..nanos))
    }

    pub(super) fn extra(&mut self, link: Option<Link>) -> Duration {
        let Some((latency, jitter)) = link.and_then(|link| self.conditions.latency(link)) else {
            return Duration::ZERO;
        };
        let span = u64::try_from(jitter.as_nanos()).unwrap_or(u64::MAX / 2);
        let more = Duration::from_nanos(self.random.random_range(0..=span.saturating_mul(2)));
        (latency + more).saturating_sub(jitter)
    }
}

fn index(site: Site) -> usize {
    match site {
        Site::Primary => 0,
        Site::Replica => 1,
        Site::Cache | Site::Client => 2,
    }
}

pub(super) const fn node_of(site: Site) -> Option<Node> {
    match site {
        Site::Primary => Some(Node::Primary),
        Site::Replica => Some(Node::Replica),
        Site::Cache => Some(Node::Cache),
        Site::Client => None,
    }
}
