//! When each byte of one direction may leave, by the toxics in its way.
//!
//! A plan holds no data: it says "the next 1200 bytes, at 12:00:00.020". The
//! bytes themselves stay in one queue in the order of their arrival, which is
//! why no change of toxics can lose or reorder them. A change throws the plan
//! away and makes a new one for what is still queued, from the time each chunk
//! arrived: the toxics in force now apply to every byte not yet sent.

use super::queue::WaitsFor;
use super::stage::{Applied, Stage, jittered};
use crate::seed::Key;
use crate::toxic::{ToxicKind, millis};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How a connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    /// In order: both sides see the end of the stream (FIN).
    Fin,
    /// Reset: both sides see "connection reset by peer" (RST).
    Rst,
}

/// What happens next to the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Write this many bytes.
    Write(usize),
    /// Forget this many bytes.
    Drop(usize),
    /// Forward the end of the stream and keep the other direction open.
    HalfClose,
    /// Close both directions.
    Close(Close),
}

/// A step and the time from which it may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) step: Step,
    pub(crate) due: Instant,
    /// Until when the first bandwidth and the first slicer are busy with the
    /// bytes up to here; survives a change of toxics, so that frequent changes
    /// neither starve nor speed up a slow link.
    busy: Busy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Busy {
    bandwidth: Option<Instant>,
    slicer: Option<Instant>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Plan {
    stages: Vec<Stage>,
    pieces: VecDeque<Piece>,
    /// Nothing behind this point can be planned before the toxics change.
    blocked: bool,
    /// Slices must reach the wire one by one.
    sliced: bool,
}

/// What a change of toxics asks of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rebuilt {
    /// Plan the queue anew.
    Replan,
    /// A toxic that swallowed bytes was removed: the stream cannot go on.
    Close,
}

impl Plan {
    pub(crate) const fn new() -> Self {
        Self { stages: Vec::new(), pieces: VecDeque::new(), blocked: false, sliced: false }
    }

    /// Nothing stands in the way of the bytes.
    pub(crate) fn is_clear(&self) -> bool {
        self.stages.is_empty() && self.pieces.is_empty()
    }

    /// Why the front of the queue has not left.
    pub(crate) fn waits_for(&self, now: Instant) -> WaitsFor {
        let delays = |stage: &Stage| {
            matches!(
                stage.kind,
                ToxicKind::Latency { .. }
                    | ToxicKind::SlowOpen { .. }
                    | ToxicKind::SlowClose { .. }
                    | ToxicKind::Noop
            )
        };
        match self.pieces.front() {
            Some(front) if front.due > now && self.stages.iter().all(delays) => WaitsFor::Time,
            _ => WaitsFor::Receiver,
        }
    }

    /// Takes the toxics in force now. `age` says whether the connection was
    /// open before.
    pub(crate) fn rebuild(&mut self, toxics: &[Applied], now: Instant, age: Age) -> Rebuilt {
        let old = std::mem::take(&mut self.stages);
        let swallowed = old.iter().any(|stage| {
            matches!(stage.kind, ToxicKind::Timeout { .. })
                && !toxics.iter().any(|toxic| toxic.id == stage.id)
        });
        self.stages = toxics
            .iter()
            .map(|toxic| {
                let before = old.iter().find(|stage| stage.id == toxic.id);
                Stage::of(toxic, before, now, age)
            })
            .collect();
        self.pieces.clear();
        self.blocked = false;
        self.sliced =
            self.stages.iter().any(|stage| matches!(stage.kind, ToxicKind::Slicer { .. }));
        if swallowed { Rebuilt::Close } else { Rebuilt::Replan }
    }

    /// Plans a chunk of `len` bytes that arrived at `at`.
    pub(crate) fn chunk(&mut self, len: usize, at: Instant, noise: Key) {
        self.pass(0, len, at, noise, Busy::default());
    }

    /// Plans the end of the stream, seen at `at`.
    pub(crate) fn end(&mut self, at: Instant, step: Step) {
        self.finish(0, at, step);
    }

    /// Whether more chunks can be planned; they cannot behind a stall.
    pub(crate) fn wants_more(&self, most: usize) -> bool {
        !self.blocked && self.pieces.len() < most
    }

    pub(crate) fn front(&self) -> Option<Piece> {
        self.pieces.front().copied()
    }

    /// How many bytes from the front of the queue one write may carry now, at
    /// most `chunk`: pieces due are joined, unless a slicer forbids it.
    pub(crate) fn writable(&self, now: Instant, chunk: usize) -> usize {
        let mut total = 0;
        for piece in &self.pieces {
            match piece.step {
                Step::Write(len) if piece.due <= now && total < chunk => total += len,
                _ => break,
            }
            if self.sliced {
                break;
            }
        }
        total.min(chunk)
    }

    /// Whether bytes are changed on their way out.
    pub(crate) fn corrupts(&self) -> bool {
        self.stages.iter().any(|stage| matches!(stage.kind, ToxicKind::Corrupt { .. }))
    }

    /// Changes bytes from the front of the queue that are about to leave.
    pub(crate) fn corrupt(&self, bytes: &mut [u8]) {
        for stage in &self.stages {
            stage.corrupt(bytes);
        }
    }

    /// Takes note that `len` bytes were written or dropped.
    pub(crate) fn advance(&mut self, mut len: usize) {
        while len > 0 {
            let Some(piece) = self.pieces.front_mut() else {
                return;
            };
            let (Step::Write(left) | Step::Drop(left)) = &mut piece.step else {
                return;
            };
            let part = len.min(*left);
            *left -= part;
            len -= part;
            let (done, written, busy) =
                (*left == 0, matches!(piece.step, Step::Write(_)), piece.busy);
            if done {
                self.pieces.pop_front();
            }
            for stage in &mut self.stages {
                stage.sent(if written { part } else { 0 });
            }
            if done {
                self.commit(busy);
            }
        }
    }

    /// When the connection is to be closed whatever the queue does.
    pub(crate) fn deadline(&self) -> Option<(Instant, Close)> {
        self.stages.iter().filter_map(Stage::deadline).min_by_key(|(at, _)| *at)
    }

    fn commit(&mut self, busy: Busy) {
        for stage in &mut self.stages {
            match stage.kind {
                ToxicKind::Bandwidth { .. } => {
                    stage.committed = busy.bandwidth.or(stage.committed);
                }
                ToxicKind::Slicer { .. } => stage.committed = busy.slicer.or(stage.committed),
                _ => {}
            }
        }
    }

    /// Sends bytes through the stages from `from` on.
    fn pass(&mut self, from: usize, len: usize, at: Instant, noise: Key, busy: Busy) {
        if self.blocked || len == 0 {
            return;
        }
        let Some(stage) = self.stages.get_mut(from) else {
            self.pieces.push_back(Piece { step: Step::Write(len), due: at, busy });
            return;
        };
        match stage.kind {
            ToxicKind::Latency { latency_ms, jitter_ms } => {
                let delay = jittered(latency_ms, jitter_ms, noise.number(stage.id));
                let out = stage.in_order(at + delay);
                self.pass(from + 1, len, out, noise, busy);
            }
            ToxicKind::Bandwidth { rate_kb_s } => {
                self.throttle(from, len, at, noise, busy, rate_kb_s);
            }
            ToxicKind::Slicer { .. } => self.slice(from, len, at, noise, busy),
            ToxicKind::LimitData { bytes } => {
                let left = u64::try_from(bytes).unwrap_or(0).saturating_sub(stage.planned);
                let part = usize::try_from(left).unwrap_or(usize::MAX).min(len);
                stage.planned += part as u64;
                let full = left <= len as u64;
                self.pass(from + 1, part, at, noise, busy);
                if full {
                    self.finish(from + 1, at, Step::Close(Close::Fin));
                }
            }
            ToxicKind::Timeout { .. } => {
                stage.active = stage.active.max(at);
                self.pieces.push_back(Piece { step: Step::Drop(len), due: at, busy });
            }
            ToxicKind::ResetPeer { .. } => {
                stage.trigger.get_or_insert(at);
                self.blocked = true;
            }
            ToxicKind::SlowClose { .. }
            | ToxicKind::SlowOpen { .. }
            | ToxicKind::Corrupt { .. }
            | ToxicKind::Noop => {
                self.pass(from + 1, len, at, noise, busy);
            }
        }
    }

    /// Bytes leave in portions of a tenth of a second, as from Toxiproxy.
    fn throttle(
        &mut self,
        from: usize,
        len: usize,
        at: Instant,
        noise: Key,
        busy: Busy,
        rate: i64,
    ) {
        let Some(rate) = u64::try_from(rate).ok().filter(|rate| *rate > 0) else {
            self.blocked = true;
            return;
        };
        let portion = usize::try_from(rate.saturating_mul(100)).unwrap_or(usize::MAX);
        let mut left = len;
        let mut clock = self.stages[from].in_order(at);
        while left > 0 {
            let part = left.min(portion);
            left -= part;
            // 1 KB/s is 1000 B/s, a million nanoseconds a byte.
            clock += Duration::from_nanos((part as u64).saturating_mul(1_000_000) / rate);
            let busy = Busy { bandwidth: busy.bandwidth.or(Some(clock)), ..busy };
            self.pass(from + 1, part, clock, noise, busy);
        }
        self.stages[from].free = Some(clock);
    }

    fn slice(&mut self, from: usize, len: usize, at: Instant, noise: Key, busy: Busy) {
        let mut left = len;
        let mut clock = self.stages[from].in_order(at);
        while left > 0 {
            let (size, delay) = self.stages[from].next_slice();
            let part = left.min(size);
            left -= part;
            let busy = Busy { slicer: busy.slicer.or(Some(clock + delay)), ..busy };
            self.pass(from + 1, part, clock, noise, busy);
            clock += delay;
        }
        self.stages[from].free = Some(clock);
    }

    /// Sends the end of the stream through the stages from `from` on.
    fn finish(&mut self, from: usize, at: Instant, step: Step) {
        if self.blocked {
            return;
        }
        let mut due = at;
        for stage in &mut self.stages[from..] {
            match stage.kind {
                ToxicKind::Bandwidth { rate_kb_s: 0 } => {
                    self.blocked = true;
                    return;
                }
                // A black hole swallows the end as well; its timeout, or its
                // removal, closes the connection.
                ToxicKind::Timeout { .. } => {
                    self.blocked = true;
                    return;
                }
                ToxicKind::ResetPeer { .. } if stage.trigger.is_some() => {
                    self.blocked = true;
                    return;
                }
                ToxicKind::SlowClose { delay_ms } if step == Step::HalfClose => {
                    due = stage.in_order(due) + millis(delay_ms);
                }
                _ => due = stage.in_order(due),
            }
        }
        self.pieces.push_back(Piece { step, due, busy: Busy::default() });
        self.blocked = true;
    }
}

/// Whether a connection was open before the toxics that it now gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Age {
    New,
    Open,
}

#[cfg(test)]
mod tests;
