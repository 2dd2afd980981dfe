//! Messages that need no judging pass the gate without being queued.

use super::Gate;
use crate::link::hold::Hold;
use crate::link::lock;
use crate::message::{Rest, Scanner};
use crate::toxic::Stream;
use std::sync::Arc;

/// Bytes of a message that may wait where it is followed in place: each read
/// looks at them again.
const MOST_KEPT: usize = 32 << 10;

impl Gate {
    /// Messages are followed, and nobody asks what they say: those that are
    /// whole may bypass the gate, once [`Gate::follow`] has seen them.
    pub(crate) fn follows(&self) -> bool {
        let Some(scanner) = &self.scanner else { return false };
        scanner.is_fresh()
            && scanner.kept() <= MOST_KEPT
            && self.is_empty()
            && self.pause_ends.is_none()
            && self.ended.is_none()
            && self.judge.is_idle()
            && self.connection.hold(self.stream) == Hold::Open
            && !self.connection.has_lost_framing()
            && !(self.stream == Stream::Downstream && self.connection.owes_answer())
    }

    /// So many bytes, those of a message that is not whole, come before what is
    /// read next; they are copied to the front.
    pub(crate) fn copy_kept(&mut self, to: &mut [u8]) -> usize {
        let Some(scanner) = &mut self.scanner else { return 0 };
        let kept = scanner.kept();
        if kept > 0 {
            scanner.copy_kept(&mut to[..kept]);
        }
        kept
    }

    /// So many bytes of a message that is not whole wait for its rest.
    pub(crate) fn kept(&self) -> usize {
        self.scanner.as_ref().map_or(0, Scanner::kept)
    }

    /// Has messages followed that [need no judging](Gate::follows); how many
    /// bytes at the front of `data` pass at once, and how many behind them a
    /// rule dropped. `data` begins with what was kept.
    pub(crate) fn follow(&mut self, data: &[u8]) -> (usize, usize) {
        let connection = Arc::clone(&self.connection);
        let (Some(scanner), Some(session)) = (&mut self.scanner, &connection.session) else {
            return (data.len(), 0);
        };
        let sought = self.judge.sought();
        let mut session = lock(session);
        session.wanted = false;
        let followed = scanner.follow(data, &mut session, &sought);
        session.skipped.clear();
        drop(session);
        let is_special = followed.rest == Rest::Special || scanner.kept() > MOST_KEPT;
        let dropped = if is_special { self.scan() } else { 0 };
        (followed.passed, dropped)
    }
}
