//! What a request of Postgres consists of, and how its reply ends.

use super::subscriptions::Confirmations;
use bytes::Bytes;

/// One message of the group that makes up a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum GroupMessage {
    /// A simple query, which may hold several statements.
    Query,
    /// A call of a function by its number, which hardly anything uses.
    FunctionCall,
    /// A statement is prepared under this name; an empty one is forgotten with
    /// the next.
    Parse {
        /// Its name.
        statement: String,
    },
    /// A prepared statement is given its parameters.
    Bind {
        /// The statement's name.
        statement: String,
        /// Its parameters; none where the statement has a password.
        parameters: Vec<Parameter>,
    },
    /// What a statement or a portal takes and gives is asked for.
    Describe,
    /// A statement runs.
    Execute,
    /// A statement or a portal is forgotten.
    Close,
    /// Copied data end.
    CopyDone,
    /// Copied data end with a failure.
    CopyFail,
    /// The connection begins.
    Startup,
}

impl GroupMessage {
    pub(crate) fn weight(&self) -> usize {
        let inner = match self {
            Self::Bind { parameters, .. } => parameters.iter().map(Parameter::weight).sum(),
            _ => 0,
        };
        size_of::<Self>() + inner
    }
}

/// A parameter as a client sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parameter {
    /// Its bytes; None is NULL.
    pub value: Option<Bytes>,
    /// Whether they are in the binary format.
    pub binary: bool,
    /// The number of its type, if the client or the server has told it.
    pub oid: Option<u32>,
    /// As text; of a binary one of unknown type, in every way in which it can
    /// be read. Empty for NULL.
    pub readings: Vec<String>,
}

impl Parameter {
    fn weight(&self) -> usize {
        let readings = self.readings.iter().map(|text| text.len() + 24).sum::<usize>();
        size_of::<Self>() + self.value.as_ref().map_or(0, Bytes::len) + readings
    }
}

/// What ends a request of Postgres.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Ends {
    /// It is a simple query, a function call, or the start-up: a single
    /// message, at whose end an implicit transaction commits.
    #[default]
    Alone,
    /// A Sync, which commits what ran outside of a transaction block.
    Sync,
    /// A Flush: the client wants the replies so far. What ran outside of a
    /// transaction block is only committed by the Sync that is still to come.
    Flush,
    /// Nothing: data that the client copies begin behind it, or end with it,
    /// or it is too long to be waited for.
    Open,
}

/// How much a statement can change. Where that cannot be told, more is said
/// rather than less; what a function in a SELECT does is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Strength {
    /// Nothing: only prepared, or empty.
    #[default]
    Nothing,
    /// Changes the session only: BEGIN, SAVEPOINT, SET, LISTEN.
    Session,
    /// Reads.
    Read,
    /// Reads and locks rows.
    Lock,
    /// Takes back what the transaction wrote.
    Rollback,
    /// Writes, or may write.
    Write,
    /// Commits, or prepares to.
    Commit,
}

/// The state of a transaction, as ReadyForQuery tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionStatus {
    /// `I`: none is open.
    Idle,
    /// `T`: one is open.
    Open,
    /// `E`: one has failed, and can only be taken back.
    Failed,
}

impl TransactionStatus {
    pub(crate) const fn of(byte: u8) -> Option<Self> {
        match byte {
            b'I' => Some(Self::Idle),
            b'T' => Some(Self::Open),
            b'E' => Some(Self::Failed),
            _ => None,
        }
    }
}

/// How the end of a reply is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Expects {
    /// There is none.
    #[default]
    Nothing,
    /// One value of RESP.
    Value,
    /// As many values as a command about subscriptions names channels.
    Confirmations(Confirmations),
    /// ReadyForQuery.
    Ready,
    /// Messages that each complete one of the request's, and then
    /// ReadyForQuery if it has a Sync.
    Counted(Counted),
}

/// See [`Expects::Counted`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counted {
    /// None while the request is still being sent.
    pub(crate) total: Option<u32>,
    pub(crate) done: u32,
    /// An error made the server skip the rest.
    pub(crate) failed: bool,
    pub(crate) sync: Sync,
}

impl Counted {
    pub(crate) const fn new(total: Option<u32>, sync: Sync) -> Self {
        Self { total, done: 0, failed: false, sync }
    }

    /// Nothing is to come but for ReadyForQuery, if there is a Sync.
    pub(crate) fn is_done(&self) -> bool {
        self.total.is_some_and(|total| self.failed || self.done >= total)
    }
}

/// Whether a group of the extended protocol has a Sync at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sync {
    Yes,
    No,
}

/// What the messages of a request are, where there is more to say of them than
/// which commands they carry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Group {
    pub(crate) steps: Vec<GroupMessage>,
    pub(crate) ends: Ends,
    /// What earlier groups ran that this one's end commits.
    pub(crate) settles: Option<Strength>,
}
