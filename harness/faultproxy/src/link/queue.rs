//! The bytes of one direction that have arrived and not yet left.

use crate::seed::Key;
use bytes::Bytes;
use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// A direction may always queue this many bytes …
const FLOOR: usize = 64 << 10;
/// … and this many while the whole proxy is below [`SHARED`] …
const CEILING: usize = 4 << 20;
/// … and this many while nothing but a latency keeps them: as on a long line,
/// the sender need not wait for what is under way.
const UNDER_WAY: usize = 64 << 20;
/// Reads that a direction may queue, as each takes memory of its own.
const MOST_CHUNKS: usize = 1 << 16;
/// Bytes queued by all directions above which each is held to its floor.
const SHARED: usize = 256 << 20;

/// Bytes queued in the whole process, shared by all queues of one fault proxy.
#[derive(Debug, Default)]
pub(crate) struct Budget(AtomicUsize);

impl Budget {
    pub(crate) fn queued(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// One direction's share of the budget; gives it back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Share {
    pub(crate) const fn new(budget: Arc<Budget>) -> Self {
        Self { budget, bytes: 0 }
    }

    pub(crate) fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.budget.0.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn remove(&mut self, bytes: usize) {
        // Cutting a WAL message adds a header that nobody counted.
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.budget.0.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Whether this direction may read on.
    pub(crate) fn has_room(&self, waits_for: WaitsFor) -> bool {
        let ceiling = match waits_for {
            WaitsFor::Receiver => CEILING,
            WaitsFor::Time => UNDER_WAY,
        };
        self.bytes < FLOOR || (self.bytes < ceiling && self.budget.queued() < SHARED)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.remove(self.bytes);
    }
}

/// Why bytes are queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitsFor {
    /// Their receiver, or a hold, a rule, or a toxic that lets little through.
    Receiver,
    /// The end of their latency.
    Time,
}

/// What arrived in one read.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) data: Bytes,
    pub(crate) at: Instant,
    /// What jitter draws for this chunk; kept, so that planning it again after
    /// a change of toxics draws the same.
    pub(crate) noise: Key,
}

/// First in, first out; nothing else.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    chunks: VecDeque<Chunk>,
    /// How many of them the plan has seen.
    planned: usize,
}

impl Queue {
    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Whether another read may be queued.
    pub(crate) fn has_place(&self) -> bool {
        self.chunks.len() < MOST_CHUNKS
    }

    pub(crate) fn push(&mut self, chunk: Chunk) {
        self.chunks.push_back(chunk);
    }

    /// Forgets which chunks were planned.
    pub(crate) const fn replan(&mut self) {
        self.planned = 0;
    }

    /// The next chunk that the plan has not seen, marked as seen.
    pub(crate) fn next_unplanned(&mut self) -> Option<&Chunk> {
        let chunk = self.chunks.get(self.planned)?;
        self.planned += 1;
        Some(chunk)
    }

    pub(crate) fn all_planned(&self) -> bool {
        self.planned == self.chunks.len()
    }

    /// At most `len` bytes at the front, in as many slices as fit; how many
    /// slices those are.
    pub(crate) fn front<'a>(&'a self, mut len: usize, slices: &mut [IoSlice<'a>]) -> usize {
        let mut count = 0;
        for (slice, chunk) in slices.iter_mut().zip(&self.chunks) {
            if len == 0 {
                break;
            }
            let part = len.min(chunk.data.len());
            *slice = IoSlice::new(&chunk.data[..part]);
            len -= part;
            count += 1;
        }
        count
    }

    /// Removes `len` bytes from the front, which must be there.
    pub(crate) fn advance(&mut self, mut len: usize) {
        while len > 0 {
            let chunk =
                self.chunks.front_mut().expect("the plan never covers more bytes than are queued");
            let part = len.min(chunk.data.len());
            let _ = chunk.data.split_to(part);
            len -= part;
            if chunk.data.is_empty() {
                self.chunks.pop_front();
                self.planned -= 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_budget_holds_everyone_to_the_floor() {
        let budget = Arc::new(Budget::default());
        let (mut hog, mut small) = (Share::new(Arc::clone(&budget)), Share::new(budget));
        hog.add(CEILING - 1);
        assert!(hog.has_room(WaitsFor::Receiver));
        hog.add(SHARED);
        assert!(!hog.has_room(WaitsFor::Receiver));
        small.add(FLOOR - 1);
        assert!(small.has_room(WaitsFor::Receiver));
        small.add(1);
        assert!(!small.has_room(WaitsFor::Receiver));
        drop(hog);
        assert!(small.has_room(WaitsFor::Receiver));
    }

    #[test]
    fn a_latency_makes_nobody_wait() {
        let mut share = Share::new(Arc::default());
        share.add(UNDER_WAY - 1);
        assert!(share.has_room(WaitsFor::Time) && !share.has_room(WaitsFor::Receiver));
        share.add(1);
        assert!(!share.has_room(WaitsFor::Time));
    }
}
