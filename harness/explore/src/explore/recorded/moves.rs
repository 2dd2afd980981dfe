//! From turns that were recorded to moves on simulated stores.

use std::collections::BTreeSet;

use quarrel_checkers::{Certainty, Content, Key, Reply, Site, Step};
use quarrel_sim::{Disturbance, Mishap, Move};
use quarrel_strategy::stores::Item;

use super::{
    looks::{Heard, Looks},
    order::{Taken, Turn, Who},
};

/// Whether messages are held, and who would learn of a gap.
#[derive(Default)]
struct Post {
    held: Delivery,
    /// Clients that have looked before.
    listening: BTreeSet<usize>,
    /// Those of them whose connection has broken since.
    cut_off: BTreeSet<usize>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Delivery {
    #[default]
    Flows,
    Held,
}

/// Turns become moves.
pub(super) struct Moves<'a> {
    pub(super) made: Vec<Move>,
    /// The newest version that the replica is known to have.
    replayed: u64,
    first_agent: usize,
    unanswered: Mishap,
    looks: &'a Looks,
    post: Post,
}

impl<'a> Moves<'a> {
    /// Of a replica that has this number's row at the beginning, where agents
    /// stand after the clients, and a call without an answer meets with
    /// `unanswered`.
    pub(super) fn new(
        replayed: u64,
        first_agent: usize,
        unanswered: Mishap,
        looks: &'a Looks,
    ) -> Self {
        let (made, post) = (Vec::new(), Post::default());
        Self { made, replayed, first_agent, unanswered, looks, post }
    }

    pub(super) fn add(&mut self, turn: &Turn<'_>, key: Key) {
        let item = Item::entry(key);
        match turn {
            Turn::Step(Taken { who: Who::Operator(value), .. }) => {
                let value = (*value).clone();
                self.made.push(Move::Disturb(Disturbance::ManualUpdate { key, value }));
            }
            Turn::Step(Taken { who: Who::Client(actor), step }) => self.step(*actor, step),
            Turn::Step(Taken { who: Who::Agent(agent), step }) => {
                self.step(self.first_agent + agent, step);
            }
            Turn::Save => self.made.push(Move::Disturb(Disturbance::SaveCache)),
            Turn::Restore => self.made.push(Move::Disturb(Disturbance::RestoreCache)),
            Turn::Evict => self.made.push(Move::Disturb(Disturbance::Evict(item))),
            Turn::FailOver { kept } => {
                self.replay_to(*kept);
                self.made.push(Move::Disturb(Disturbance::FailOver));
            }
        }
    }

    /// `actor` hears at its next look what it `heard`, or cannot listen.
    fn look(&mut self, actor: usize, heard: Heard, reply: &Reply) {
        let post = &mut self.post;
        if matches!(reply, Reply::Failed { .. }) {
            if post.listening.contains(&actor) && !post.cut_off.contains(&actor) {
                post.cut_off.clone_from(&post.listening);
                self.made.push(Move::Disturb(Disturbance::LoseMessages));
            }
            return;
        }
        let has_a_gap = post.cut_off.remove(&actor) || post.listening.insert(actor);
        let disturbance = match heard {
            Heard::Gap if !has_a_gap => {
                post.cut_off = post.listening.iter().copied().filter(|it| *it != actor).collect();
                Disturbance::LoseMessages
            }
            Heard::Nothing if post.held == Delivery::Flows => {
                post.held = Delivery::Held;
                Disturbance::HoldMessages
            }
            Heard::Change if post.held == Delivery::Held => {
                post.held = Delivery::Flows;
                Disturbance::ReleaseMessages
            }
            _ => return,
        };
        self.made.push(Move::Disturb(disturbance));
    }

    fn step(&mut self, actor: usize, step: &Step) {
        if let Some(heard) = self.looks.at(step) {
            self.look(actor, heard, &step.reply);
        }
        // The replica had got as far as it showed, and no further.
        if let (Site::Replica, Reply::Found(Content::Row { version, .. })) =
            (step.site, &step.reply)
        {
            self.replay_to(*version);
        }
        self.made.push(match &step.reply {
            Reply::Pending => Move::Crash { actor },
            Reply::Failed { certainty: Certainty::Definite, .. } => {
                Move::Step { actor, mishap: Some(Mishap::Fails) }
            }
            Reply::Failed { certainty: Certainty::Indefinite, .. } => {
                Move::Step { actor, mishap: Some(self.unanswered) }
            }
            _ => Move::Step { actor, mishap: None },
        });
    }

    fn replay_to(&mut self, version: u64) {
        let newer = version.saturating_sub(self.replayed);
        self.made.extend((0..newer).map(|_| Move::Replay));
        self.replayed = self.replayed.max(version);
    }
}
