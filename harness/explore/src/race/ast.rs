use std::time::Duration;

use quarrel_checkers::{Content, Key, Object, Reply, Site, Value};
use quarrel_sim::{Claim, Mishap};

/// A timeline that runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Race {
    /// The strategy's name; empty if the file does not say.
    pub strategy: String,
    /// Its options, in order.
    pub options: Vec<(String, String)>,
    /// What the stores hold at the beginning.
    pub keys: Vec<Setup>,
    /// What happens, in order.
    pub lines: Vec<Line>,
}

/// What the stores hold under a key at the beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setup {
    /// The key.
    pub key: Key,
    /// The row on primary and replica, at version 1; none if it is absent.
    pub value: Option<Value>,
    /// What the cache holds.
    pub cached: Cached,
}

/// What the cache holds of a row at the beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cached {
    /// Nothing.
    Nowhere,
    /// Whatever the strategy keeps after it has read the row.
    ByStrategy,
    /// A plain entry of this value and version.
    As(Value, u64),
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where it stands in its file, counted from 1; 0 if it comes from none.
    pub number: usize,
    /// Where in it stands what happens, counted in characters from 1; 0 if it
    /// comes from no file.
    pub column: usize,
    /// When, counted from the first line.
    pub at: Option<Duration>,
    /// What happens.
    pub what: LineEvent,
    /// What must come of it.
    pub claim: Option<Claim>,
    /// The comment at its end, without `#`.
    pub comment: Option<String>,
}

/// What happens at a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineEvent {
    /// Nothing: a comment, a claim about the end.
    Nothing,
    /// A client makes a step.
    Step {
        /// Which.
        actor: String,
        /// The step.
        call: Pattern,
        /// What goes wrong with it.
        mishap: Option<Mishap>,
        /// What must come back.
        reply: Option<Answer>,
    },
    /// A client begins a read.
    Read {
        /// Which.
        actor: String,
        /// Of what.
        key: Key,
    },
    /// A client begins a write.
    Write {
        /// Which.
        actor: String,
        /// Of what.
        key: Key,
        /// The new value.
        value: Value,
    },
    /// A client dies before its next step.
    Crash {
        /// Which.
        actor: String,
    },
    /// A delayed call is executed: the oldest of this client.
    Deliver {
        /// Whose.
        actor: String,
        /// Which, for the reader.
        call: Option<Pattern>,
    },
    /// The stores are disturbed.
    Event(StoreEvent),
    /// What a store holds is looked at, beside everything.
    Check {
        /// Which store.
        site: Site,
        /// What.
        object: Object,
        /// What it must hold.
        reply: Answer,
    },
    /// These happen in any order.
    Group(Vec<Line>),
}

/// A step as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// `GET`, `UPDATE`.
    pub verb: String,
    /// Where, if it is said: only `SELECT` and `LSN` go to more than one.
    pub site: Option<Site>,
    /// What it reads or changes.
    pub object: Option<Object>,
    /// What it stores.
    pub content: Option<Shown>,
}

/// A content as it is written. Versions are not shown, and a marker looks like
/// the word `marker`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// A value, a number, a marker.
    Value(Value),
    /// "Deleted or changed as of this version".
    Tombstone(u64),
}

/// What comes back, as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing was found.
    Miss,
    /// It was done.
    Ok,
    /// Its condition was false.
    Refused,
    /// It had not been listening, and listens from now on.
    Gap,
    /// It surely did nothing.
    Failed,
    /// Nobody knows.
    Unknown,
    /// This was found.
    Found(Shown),
}

/// Something that happens to the stores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreEvent {
    /// The replica stops replaying.
    PauseReplica,
    /// It follows every commit again.
    ResumeReplica,
    /// It catches up and stops again.
    ReplayReplica,
    /// It replays up to a version of a row and stops again.
    ReplayTo(Key, u64),
    /// The primary does not hear what the replica has applied.
    PauseAcks,
    /// It hears it again.
    ResumeAcks,
    /// What the cache tells clients of changes (client tracking, what is
    /// published) stays on its way.
    HoldMessages,
    /// It arrives.
    ReleaseMessages,
    /// The connections break on which clients are told: what is on its way is
    /// lost.
    LoseMessages,
    /// What is on its way arrives in the opposite order.
    ReorderMessages,
    /// The cache loses everything.
    WipeCache,
    /// The cache saves a snapshot.
    SaveCache,
    /// The cache comes back with its snapshot.
    RestoreCache,
    /// The cache evicts an entry.
    Evict(Object),
    /// An entry's time to live is over.
    Expire(Object),
    /// Somebody changes a row by hand.
    ManualUpdate(Key, Value),
    /// The replica is promoted.
    Failover,
}

impl Line {
    /// A line that comes from no file.
    #[must_use]
    pub const fn of(what: LineEvent) -> Self {
        Self { number: 0, column: 0, at: None, what, claim: None, comment: None }
    }
}

impl StoreEvent {
    /// Whether it may change what the cache holds.
    pub(super) const fn is_about_the_cache(&self) -> bool {
        match self {
            Self::WipeCache
            | Self::SaveCache
            | Self::RestoreCache
            | Self::Evict(_)
            | Self::Expire(_)
            // A strategy may keep the cache in step with a change by hand.
            | Self::ManualUpdate(..) => true,
            Self::PauseReplica
            | Self::ResumeReplica
            | Self::ReplayReplica
            | Self::ReplayTo(..)
            | Self::PauseAcks
            | Self::ResumeAcks
            | Self::HoldMessages
            | Self::ReleaseMessages
            | Self::LoseMessages
            | Self::ReorderMessages
            | Self::Failover => false,
        }
    }
}

impl LineEvent {
    /// Whether it may change a row of the primary.
    pub(super) fn commits(&self) -> bool {
        match self {
            Self::Step { call, .. } | Self::Deliver { call: Some(call), .. } => {
                call.verb == "UPDATE"
            }
            Self::Event(StoreEvent::ManualUpdate(..)) => true,
            _ => false,
        }
    }

    /// The client that it is about.
    #[must_use]
    pub fn actor(&self) -> Option<&str> {
        match self {
            Self::Step { actor, .. }
            | Self::Read { actor, .. }
            | Self::Write { actor, .. }
            | Self::Crash { actor }
            | Self::Deliver { actor, .. } => Some(actor),
            _ => None,
        }
    }
}

impl Race {
    /// The most keys: in the end each of them is read.
    pub const MAX_KEYS: usize = 64;

    /// Every line, with those of groups in their place.
    pub fn flat(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().flat_map(|line| match &line.what {
            LineEvent::Group(lines) => lines.as_slice(),
            _ => std::slice::from_ref(line),
        })
    }

    /// The clients, in order of appearance.
    #[must_use]
    pub fn actors(&self) -> Vec<&str> {
        let mut actors: Vec<&str> = Vec::new();
        for actor in self.flat().filter_map(|line| line.what.actor()) {
            if !actors.contains(&actor) {
                actors.push(actor);
            }
        }
        actors
    }

    /// How much of it can turn out to be false: replies and claims.
    #[must_use]
    pub fn claims(&self) -> u64 {
        let claims = self.flat().map(|line| {
            let is_said = matches!(
                line.what,
                LineEvent::Step { reply: Some(_), .. } | LineEvent::Check { .. }
            );
            u64::from(is_said) + u64::from(line.claim.is_some())
        });
        claims.sum()
    }

    /// How many of its lines are steps.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.flat().filter(|line| matches!(line.what, LineEvent::Step { .. })).count()
    }
}

impl Shown {
    /// As it is written.
    #[must_use]
    pub fn of(content: &Content) -> Self {
        match content {
            Content::Row { value, .. } => Self::Value(value.clone()),
            Content::Marker => Self::Value(Value::from("marker")),
            Content::Tombstone(version) => Self::Tombstone(*version),
            Content::Number(n) => Self::Value(Value::Int(i64::try_from(*n).unwrap_or(i64::MAX))),
        }
    }
}

impl Answer {
    /// As it is written; none while there is no reply.
    #[must_use]
    pub fn of(reply: &Reply) -> Option<Self> {
        Some(match reply {
            Reply::Pending => return None,
            Reply::Found(content) => Self::Found(Shown::of(content)),
            Reply::Miss => Self::Miss,
            Reply::Done { .. } => Self::Ok,
            Reply::Refused => Self::Refused,
            Reply::Gap => Self::Gap,
            Reply::Failed { certainty: quarrel_checkers::Certainty::Definite, .. } => Self::Failed,
            Reply::Failed { .. } => Self::Unknown,
        })
    }
}

impl Pattern {
    /// How a step is written.
    #[must_use]
    pub fn of(call: &quarrel_strategy::strategy::Call) -> Self {
        let named = matches!(&*call.verb, "SELECT" | "LSN");
        Self {
            verb: call.verb.to_string(),
            site: named.then_some(call.site),
            object: call.object.clone(),
            content: call.argument.as_ref().map(Shown::of),
        }
    }

    /// Whether a step is the one that is written. What is left open fits
    /// everything.
    #[must_use]
    pub fn fits(&self, call: &quarrel_strategy::strategy::Call) -> bool {
        let actual = Self::of(call);
        self.verb == actual.verb
            && self.site.is_none_or(|site| site == call.site)
            && (self.object.is_none() || self.object == actual.object)
            && (self.content.is_none() || self.content == actual.content)
    }
}
