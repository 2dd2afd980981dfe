use std::collections::BTreeMap;

use quarrel_checkers::{Process, Time};

use super::Fingerprint;
use quarrel_strategy::stores::Stale;

/// A connection on which a client hears what was invalidated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Watcher(pub u64);

impl Watcher {
    /// The connection of a client, which it loses with its process id.
    #[must_use]
    pub const fn of(process: Process) -> Self {
        match process {
            Process::Client(number) => Self(number << 1),
            Process::Agent(number) => Self(number << 1 | 1),
            Process::Nemesis => Self(u64::MAX),
        }
    }

    /// The number of the client's session; none of an agent.
    #[must_use]
    pub const fn client(self) -> Option<u64> {
        if self.0 & 1 == 0 { Some(self.0 >> 1) } else { None }
    }
}

/// Why a client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wire {
    /// It had read an item that has changed since: client tracking.
    Tracking,
    /// It listens to what is published.
    Channel,
}

/// Messages to clients that nobody has asked for yet.
#[derive(Clone, Debug, Default)]
pub struct Mail {
    boxes: BTreeMap<(Wire, Watcher), Inbox>,
    delivery: Delivery,
    /// How many were ever sent.
    sent: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Inbox {
    line: LineState,
    /// Whether it was cut off since its client last asked.
    missed: Missed,
    /// By when they were sent.
    messages: Vec<(Time, Stale)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum LineState {
    #[default]
    Open,
    Broken,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Missed {
    #[default]
    Nothing,
    Perhaps,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Delivery {
    /// Messages arrive.
    #[default]
    Flows,
    /// They are on their way, and stay there.
    Held,
    /// They are sent, and vanish; nobody learns of it.
    Swallowed,
}

impl Mail {
    /// From now on messages stay on their way.
    pub const fn hold(&mut self) {
        self.delivery = Delivery::Held;
    }

    /// They arrive again, and so do those that were held.
    pub const fn release(&mut self) {
        self.delivery = Delivery::Flows;
    }

    /// From now on what is sent vanishes, as on a link that loses replies.
    pub(super) const fn swallow(&mut self) {
        self.delivery = Delivery::Swallowed;
    }

    /// How many messages were ever sent to anybody.
    #[must_use]
    pub const fn sent(&self) -> u64 {
        self.sent
    }

    /// Whether messages stay on their way.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.delivery == Delivery::Held
    }

    /// Whether a message is on its way to anybody of whom `counts` says so.
    pub fn is_on_its_way(&self, counts: impl Fn(Watcher) -> bool) -> bool {
        self.boxes.iter().any(|((_, who), inbox)| !inbox.messages.is_empty() && counts(*who))
    }

    /// Whether anybody of whom `counts` says so listens on a wire that may
    /// break.
    pub fn is_listened_to(&self, counts: impl Fn(Watcher) -> bool) -> bool {
        self.boxes.iter().any(|((_, who), inbox)| inbox.line == LineState::Open && counts(*who))
    }

    /// Whether it would make a difference to `counts` if messages came in
    /// another order.
    pub fn has_an_order(&self, counts: impl Fn(Watcher) -> bool) -> bool {
        self.boxes.iter().any(|((_, who), inbox)| {
            let told = || inbox.messages.iter().map(|(_, stale)| stale);
            counts(*who) && !told().eq(told().rev())
        })
    }

    /// Whether `who` listens on `wire`.
    #[must_use]
    pub fn listens(&self, wire: Wire, who: Watcher) -> bool {
        self.boxes.get(&(wire, who)).is_some_and(|inbox| inbox.line == LineState::Open)
    }

    /// `who` listens from now on, if it does not yet.
    pub(super) fn listen(&mut self, wire: Wire, who: Watcher) {
        self.boxes.entry((wire, who)).or_default().line = LineState::Open;
    }

    /// Tells `who`.
    pub(super) fn tell(&mut self, wire: Wire, who: Watcher, stale: Stale, now: Time) {
        if self.delivery == Delivery::Swallowed {
            return;
        }
        if let Some(inbox) = self.boxes.get_mut(&(wire, who))
            && inbox.line == LineState::Open
        {
            inbox.messages.push((now, stale));
            self.sent += 1;
        }
    }

    /// Tells all who listen on `wire`.
    pub(super) fn tell_all(&mut self, wire: Wire, stale: &Stale, now: Time) {
        let listeners: Vec<Watcher> =
            self.boxes.keys().filter(|(of, _)| *of == wire).map(|(_, who)| *who).collect();
        for who in listeners {
            self.tell(wire, who, stale.clone(), now);
        }
    }

    /// The connection of `who` breaks; what is on its way is lost, which its
    /// client learns when it next asks.
    pub(super) fn hang_up(&mut self, who: Watcher) {
        for wire in [Wire::Tracking, Wire::Channel] {
            if let Some(inbox) = self.boxes.get_mut(&(wire, who)) {
                *inbox = Inbox {
                    line: LineState::Broken,
                    missed: Missed::Perhaps,
                    messages: Vec::new(),
                };
            }
        }
    }

    /// Every connection breaks.
    pub(super) fn hang_up_all(&mut self) {
        let all: Vec<Watcher> = self.boxes.keys().map(|(_, who)| *who).collect();
        for who in all {
            self.hang_up(who);
        }
    }

    /// `who` is gone for good.
    pub(super) fn leave(&mut self, who: Watcher) {
        self.boxes.retain(|(_, of), _| *of != who);
    }

    /// Messages that are on their way arrive the other way round.
    pub fn reverse(&mut self) {
        for inbox in self.boxes.values_mut() {
            let mut told: Vec<Stale> =
                inbox.messages.iter().map(|(_, stale)| stale.clone()).collect();
            told.reverse();
            for ((_, stale), other) in inbox.messages.iter_mut().zip(told) {
                *stale = other;
            }
        }
    }

    /// What has arrived at `who` until a moment.
    pub(super) fn told(&mut self, wire: Wire, who: Watcher, until: Time) -> Vec<Stale> {
        // Without a connection nobody would have told.
        let Some(inbox) = self.boxes.get_mut(&(wire, who)) else { return vec![Stale::All] };
        if inbox.line == LineState::Broken || inbox.missed == Missed::Perhaps {
            inbox.missed = Missed::Nothing;
            inbox.messages.clear();
            return vec![Stale::All];
        }
        if self.delivery == Delivery::Held {
            return Vec::new();
        }
        let arrived = inbox.messages.iter().take_while(|(sent, _)| *sent <= until).count();
        inbox.messages.drain(..arrived).map(|(_, stale)| stale).collect()
    }

    /// Adds what is left to hear for those whom `name` knows, by that name.
    pub(super) fn fingerprint(
        &self,
        print: &mut Fingerprint,
        name: impl Fn(Watcher) -> Option<Watcher>,
    ) {
        let boxes = self.boxes.iter();
        print.map(boxes.filter_map(|((wire, who), inbox)| Some((*wire, name(*who)?, inbox))));
        print.add(&self.delivery);
    }
}
