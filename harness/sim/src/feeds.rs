use std::collections::VecDeque;

use quarrel_checkers::{Key, Lsn};
use quarrel_strategy::stores::{Feed, FeedChange, Response};

use super::Fingerprint;

/// What the primary tells background agents: its outbox, its logical slot and
/// its notifications.
#[derive(Clone, Debug, Default)]
pub struct Feeds {
    outbox: VecDeque<FeedChange>,
    rows: u64,
    slot: Option<VecDeque<FeedChange>>,
    channel: Option<VecDeque<FeedChange>>,
    told: u64,
}

impl Feeds {
    /// Whether any feed has something to tell.
    #[must_use]
    pub fn have_news(&self) -> bool {
        let waiting = |queue: &Option<VecDeque<_>>| queue.as_ref().is_some_and(|q| !q.is_empty());
        !self.outbox.is_empty() || waiting(&self.slot) || waiting(&self.channel)
    }

    /// A commit: the slot tells every one.
    pub(super) fn committed(&mut self, key: Key, version: u64, end: Lsn) {
        if let Some(slot) = &mut self.slot {
            slot.push_back(FeedChange { position: end.0, key, version });
        }
    }

    pub(super) fn put_in_outbox(&mut self, key: Key, version: u64) {
        self.rows += 1;
        self.outbox.push_back(FeedChange { position: self.rows, key, version });
    }

    /// From now on notifications are heard.
    pub(super) fn listen(&mut self) {
        self.channel.get_or_insert_default();
    }

    /// Only those who listen hear a notification.
    pub(super) fn notify(&mut self, key: Key, version: u64) {
        if let Some(channel) = &mut self.channel {
            self.told += 1;
            channel.push_back(FeedChange { position: self.told, key, version });
        }
    }

    pub(super) fn open(&mut self, feed: Feed) -> Response {
        match feed {
            Feed::Outbox => self.outbox.clear(),
            Feed::Slot => self.slot = Some(VecDeque::new()),
            // The first poll begins to listen.
            Feed::Notify => {}
        }
        Response::Done
    }

    pub(super) fn poll(&mut self, feed: Feed, limit: u32) -> Response {
        let limit = limit as usize;
        Response::Changes(match feed {
            Feed::Outbox => self.outbox.iter().take(limit).copied().collect(),
            Feed::Slot => self.slot.iter().flatten().take(limit).copied().collect(),
            Feed::Notify => {
                let channel = self.channel.get_or_insert_default();
                let count = channel.len().min(limit);
                channel.drain(..count).collect()
            }
        })
    }

    pub(super) fn acknowledge(&mut self, feed: Feed, positions: &[u64]) -> Response {
        match feed {
            Feed::Outbox => self.outbox.retain(|change| !positions.contains(&change.position)),
            Feed::Slot => {
                let last = positions.iter().copied().max().unwrap_or(0);
                if let Some(slot) = &mut self.slot {
                    slot.retain(|change| change.position > last);
                }
            }
            Feed::Notify => {}
        }
        Response::Done
    }

    pub(super) fn close(&mut self, feed: Feed) -> Response {
        match feed {
            Feed::Slot => self.slot = None,
            Feed::Outbox | Feed::Notify => {}
        }
        Response::Done
    }

    /// The promoted replica has the outbox rows of the commits that it has,
    /// but neither slots nor listeners.
    pub(super) fn promote(&mut self, kept: impl Fn(Key, u64) -> bool) {
        self.outbox.retain(|change| kept(change.key, change.version));
        self.slot = None;
        self.channel = None;
    }

    pub(super) fn fingerprint(&self, print: &mut Fingerprint) {
        print.add(&(&self.outbox, self.rows, &self.slot, &self.channel, self.told));
    }
}
