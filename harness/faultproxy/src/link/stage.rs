//! One toxic at work on one direction of one connection.

use super::plan::{Age, Close};
use crate::seed::Key;
use crate::toxic::{ToxicKind, millis};
use std::time::{Duration, Instant};

/// A toxic that the draw gave to this connection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Applied {
    pub(crate) id: u64,
    pub(crate) kind: ToxicKind,
    /// The key of what this toxic draws on this connection.
    pub(crate) key: Key,
}

impl Applied {
    /// How long it lets a connection wait for its server.
    pub(super) fn opening_delay(&self) -> Duration {
        match self.kind {
            ToxicKind::SlowOpen { delay_ms, jitter_ms } => {
                jittered(delay_ms, jitter_ms, self.key.number(0))
            }
            _ => Duration::ZERO,
        }
    }
}

/// A delay plus a jitter uniform in ±`jitter_ms`, never below zero.
pub(super) fn jittered(delay_ms: i64, jitter_ms: i64, noise: Key) -> Duration {
    let delay = millis(delay_ms);
    if jitter_ms <= 0 {
        return delay;
    }
    let spread = noise.unit().mul_add(2.0, -1.0) * millis(jitter_ms).as_secs_f64();
    Duration::try_from_secs_f64(delay.as_secs_f64() + spread).unwrap_or(Duration::ZERO)
}

#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) id: u64,
    pub(crate) kind: ToxicKind,
    key: Key,
    /// Nothing leaves this stage earlier than what left before.
    pub(crate) free: Option<Instant>,
    /// What `free` was for the bytes that were really sent.
    pub(crate) committed: Option<Instant>,
    /// When the toxic took hold of this connection.
    since: Instant,
    /// Last data seen by a timeout.
    pub(crate) active: Instant,
    /// What started the clock of a reset.
    pub(crate) trigger: Option<Instant>,
    /// Bytes sent since the toxic took hold, and those planned to be.
    passed: u64,
    pub(crate) planned: u64,
    slices: u64,
}

impl Stage {
    /// The stage of a toxic, going on where it stood `before`.
    pub(crate) fn of(toxic: &Applied, before: Option<&Self>, now: Instant, age: Age) -> Self {
        let mut stage = Self {
            id: toxic.id,
            kind: toxic.kind,
            key: toxic.key,
            free: None,
            committed: None,
            since: now,
            active: now,
            trigger: match (toxic.kind, age) {
                (ToxicKind::ResetPeer { .. }, Age::Open) => Some(now),
                _ => None,
            },
            passed: 0,
            planned: 0,
            slices: 0,
        };
        if let Some(before) = before {
            stage.committed = before.committed;
            stage.passed = before.passed;
            stage.planned = before.passed;
            stage.slices = before.slices;
            stage.since = before.since;
            if before.kind == toxic.kind {
                stage.active = before.active;
                stage.trigger = before.trigger;
            }
        }
        if matches!(toxic.kind, ToxicKind::Bandwidth { .. } | ToxicKind::Slicer { .. }) {
            // The link was idle until the toxic came: what was queued before
            // is not sent in the past.
            stage.free = Some(stage.committed.unwrap_or(stage.since));
        }
        stage
    }

    /// The time at which something arriving at `at` leaves, not overtaking.
    pub(crate) fn in_order(&mut self, at: Instant) -> Instant {
        let out = self.free.map_or(at, |free| free.max(at));
        self.free = Some(out);
        out
    }

    /// Size of the next slice in bytes, and the pause after it.
    pub(crate) fn next_slice(&mut self) -> (usize, Duration) {
        let ToxicKind::Slicer { average_size, size_variation, delay_us } = self.kind else {
            return (usize::MAX, Duration::ZERO);
        };
        self.slices += 1;
        let low = u64::try_from(average_size - size_variation).unwrap_or(1);
        let high = u64::try_from(average_size.saturating_add(size_variation)).unwrap_or(1);
        let size = self.key.number(self.slices).between(low.max(1), high.max(1));
        (
            usize::try_from(size).unwrap_or(usize::MAX),
            Duration::from_micros(u64::try_from(delay_us).unwrap_or(0)),
        )
    }

    pub(crate) const fn sent(&mut self, bytes: usize) {
        self.passed += bytes as u64;
    }

    pub(crate) fn deadline(&self) -> Option<(Instant, Close)> {
        match self.kind {
            ToxicKind::Timeout { timeout_ms } if timeout_ms > 0 => {
                Some((self.active + millis(timeout_ms), Close::Fin))
            }
            ToxicKind::ResetPeer { timeout_ms } => {
                self.trigger.map(|trigger| (trigger + millis(timeout_ms), Close::Rst))
            }
            _ => None,
        }
    }

    /// Changes bytes that are about to leave, if it is what this toxic does.
    pub(crate) fn corrupt(&self, bytes: &mut [u8]) {
        let ToxicKind::Corrupt { one_in } = self.kind else { return };
        let Ok(one_in) = u64::try_from(one_in) else { return };
        let Some(mut block) = self.passed.checked_div(one_in) else { return };
        // One byte of each block, and one bit of it.
        loop {
            let drawn = self.key.number(block);
            let at = block * one_in + drawn.between(0, one_in - 1);
            let end = self.passed + bytes.len() as u64;
            if let Some(index) = at.checked_sub(self.passed).filter(|_| at < end)
                && let Some(byte) = usize::try_from(index).ok().and_then(|i| bytes.get_mut(i))
            {
                *byte ^= 1 << drawn.number(1).between(0, 7);
            }
            block += 1;
            if block * one_in >= end {
                return;
            }
        }
    }
}
