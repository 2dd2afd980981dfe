//! Messages that nobody asks about are followed where they lie: their borders
//! are found, the session hears of them, and nothing is copied or named.

use super::group::Expects;
use super::{Border, Pending, Scanner, Session, Sought, plain};

/// How far bytes were followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Followed {
    /// So many bytes at the front are whole messages that may pass at once.
    pub(crate) passed: usize,
    pub(crate) rest: Rest,
}

/// What the bytes behind those that pass are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    /// None, or the beginning of a message of which more must come.
    Waits,
    /// Something out of the ordinary, to be read by [`Scanner::next`].
    Special,
}

/// Why a message cannot be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// It is not all there.
    Short,
    Special,
}

impl From<Stop> for Rest {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Short => Self::Waits,
            Stop::Special => Self::Special,
        }
    }
}

impl Scanner {
    /// So many bytes wait for the rest of their message.
    pub(crate) fn kept(&self) -> usize {
        match self {
            Self::RespRequests(scanner) => scanner.buffer.len(),
            Self::RespReplies(scanner) => scanner.buffer.len(),
            Self::Frontend(scanner) => scanner.buffer.len(),
            Self::Backend(scanner) => scanner.buffer.len(),
        }
    }

    /// Whether what comes next, behind the bytes that wait, begins where a
    /// message begins.
    pub(crate) fn is_fresh(&self) -> bool {
        match self {
            Self::RespRequests(scanner) => scanner.is_fresh(),
            Self::RespReplies(scanner) => scanner.is_fresh(),
            Self::Frontend(scanner) => scanner.is_fresh(),
            Self::Backend(scanner) => scanner.is_fresh(),
        }
    }

    /// The bytes that wait, in a place where more can be read behind them.
    pub(crate) fn copy_kept(&mut self, to: &mut [u8]) {
        let rest = self.rest();
        to[..rest.len()].copy_from_slice(rest);
    }

    /// Follows `data`, which begins with what waits, for a session of which
    /// nobody asks what its messages say, but for commands that are sought. What
    /// does not pass waits.
    pub(crate) fn follow(
        &mut self,
        data: &[u8],
        session: &mut Session,
        sought: &Sought,
    ) -> Followed {
        debug_assert!(self.is_fresh(), "in the middle of a message");
        let followed = match self {
            Self::RespRequests(_) => resp_requests(data, session, sought),
            Self::RespReplies(_) => resp_replies(data, session),
            Self::Frontend(scanner) => scanner.follow(data, session, sought),
            Self::Backend(scanner) => scanner.follow(data, session),
        };
        let rest = self.rest();
        if followed.passed == data.len() {
            // An idle connection owns no buffer.
            *rest = bytes::BytesMut::new();
        } else {
            rest.clear();
            rest.extend_from_slice(&data[followed.passed..]);
        }
        followed
    }

    /// Where the bytes that come next stand.
    pub(crate) fn border(&mut self) -> Border {
        if self.rest().is_empty() { Border::Between } else { Border::Within }
    }
}

/// Takes note of requests in a row that go to the server.
fn ask(expects: Expects, run: u32, session: &mut Session) {
    let ordinal = session.number(run);
    session.ask(Pending { ordinal, expects, run, ..Pending::default() });
}

fn resp_requests(data: &[u8], session: &mut Session, sought: &Sought) -> Followed {
    let (passed, run, stop) = plain::requests(data, sought);
    if run > 0 {
        ask(Expects::Value, run, session);
    }
    Followed { passed, rest: stop.into() }
}

fn resp_replies(data: &[u8], session: &mut Session) -> Followed {
    let mut passed = 0;
    while passed < data.len() {
        let most = session.plain_replies();
        if most == 0 {
            return Followed { passed, rest: Rest::Special };
        }
        let (len, run, stop) = plain::replies(&data[passed..], most);
        passed += len;
        if run > 0 {
            session.answered(run);
        }
        if let Some(stop) = stop {
            return Followed { passed, rest: stop.into() };
        }
    }
    Followed { passed, rest: Rest::Waits }
}

/// The message of Postgres at the front: its type and where it ends.
pub(super) fn postgres_message(
    data: &[u8],
    is_type: impl Fn(&u8) -> bool,
) -> Result<(u8, usize), Stop> {
    let header: &[u8; 5] = data.first_chunk().ok_or(Stop::Short)?;
    let [kind, a, b, c, d] = *header;
    let len = u32::from_be_bytes([a, b, c, d]);
    if !is_type(&kind) || !(4..1 << 30).contains(&len) {
        return Err(Stop::Special);
    }
    let end = len as usize + 1;
    if end > data.len() { Err(Stop::Short) } else { Ok((kind, end)) }
}

/// Takes note of a request of Postgres that goes to the server.
pub(super) fn ask_group(expects: Expects, session: &mut Session) {
    ask(expects, 0, session);
}

/// Whether a reply to the first request that waits needs no more than to be
/// followed.
pub(super) fn is_plainly_awaited(session: &Session) -> bool {
    session.pending.front().is_none_or(|front| {
        front.reply.is_none() && front.command.name.is_empty() && front.id.is_none()
    })
}
