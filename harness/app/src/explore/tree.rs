//! Which orders are tried, one execution after the other.
//!
//! Executions cannot be taken back, so each begins anew and follows the tree
//! down to where it differs. Depth first, the client that went last goes on
//! first. With *sleep sets* (Godefroid 1996) of orders that differ only in
//! neighbours that do not concern each other one is tried; with a bound on
//! *switches* (Musuvathi and Qadeer 2007) those come first that interrupt
//! clients least.

use std::sync::Arc;

use quarrel_checkers::Site;

use super::mishap::Deed;
use crate::wire::Effect;

/// A message that could go on next.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    /// Whose.
    pub(crate) client: usize,
    pub(crate) site: Site,
    pub(crate) shape: Arc<str>,
    pub(super) effect: Effect,
    pub(super) keys: Vec<String>,
    /// Whether its operation begins with it.
    pub(super) is_first: bool,
    /// What becomes of it.
    pub(super) deed: Deed,
}

impl PartialEq for Choice {
    /// Choices are named by client and shape: numbers and connections differ
    /// from one execution to the next.
    fn eq(&self, other: &Self) -> bool {
        self.client == other.client
            && self.site == other.site
            && self.shape == other.shape
            && self.deed == other.deed
    }
}

impl Choice {
    /// Whether nobody can tell in which order two messages went on. What is
    /// not known to be independent is dependent.
    fn is_independent_of(&self, other: &Self, pushes: Pushes) -> bool {
        // Of faults, and of replies, behind which an application may read its
        // clock, nothing is known.
        let goes_on = self.deed == Deed::GoesOn && other.deed == Deed::GoesOn;
        if self.client == other.client || !goes_on {
            return false;
        }
        // An operation that begins after another has ended must see what that
        // did; whether a message is the last of its operation is known only
        // afterwards, and the first may be the last.
        if self.is_first || other.is_first {
            return false;
        }
        // Whoever is told of a change may do anything differently from then on,
        // whatever it is that comes before or after.
        if pushes == Pushes::Seen && (self.may_be_told() || other.may_be_told()) {
            return false;
        }
        match (self.site, other.site) {
            (Site::Cache, Site::Cache) => {
                let both_read = self.effect == Effect::Reads && other.effect == Effect::Reads;
                let apart = !self.keys.is_empty()
                    && !other.keys.is_empty()
                    && self.keys.iter().all(|key| !other.keys.contains(key));
                both_read || apart
            }
            // No server of these two knows of the other, and no client hears of
            // one what another did there.
            (Site::Cache, Site::Primary | Site::Replica)
            | (Site::Primary | Site::Replica, Site::Cache) => true,
            // The replica follows the primary.
            (Site::Primary | Site::Replica, Site::Primary | Site::Replica) => matches!(
                (self.effect, other.effect),
                (Effect::Reads, Effect::Reads | Effect::Hidden) | (Effect::Hidden, Effect::Reads)
            ),
            _ => false,
        }
    }

    /// Whether a store may tell others of it, who asked to be told: a message to
    /// a channel, a write of a key that is tracked, a NOTIFY that is committed.
    const fn may_be_told(&self) -> bool {
        !matches!(self.effect, Effect::Reads | Effect::Hidden)
    }
}

/// Whether stores have told clients of what others did.
///
/// As long as none has, in no execution, none would have in any other order: it
/// would have come of the same messages, of which those that bring it about
/// depend on each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushes {
    None,
    Seen,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    reduction: Reduction,
    pushes: Pushes,
}

/// How the orders that are tried are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reduction {
    /// All with at most so many switches away from a client that could go on.
    Switches(usize),
    /// One of all that differ in the order of independent neighbours only.
    Sleep,
    /// All.
    #[cfg(test)]
    Off,
}

#[derive(Debug)]
struct Node {
    enabled: Vec<Choice>,
    /// What need not be tried here.
    asleep: Vec<Choice>,
    chosen: usize,
    /// What was tried here before.
    done: Vec<Choice>,
    /// How many switches the way to here has.
    switches: usize,
}

/// What comes next in an execution.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    /// This one of the choices.
    Go(usize),
    /// Nothing new can come of this execution.
    Enough,
    /// Something else is possible here than was the last time.
    Diverged,
}

impl Tree {
    pub(super) const fn new(reduction: Reduction, pushes: Pushes) -> Self {
        Self { nodes: Vec::new(), reduction, pushes }
    }

    /// What to let go on at this depth, where these can.
    pub(super) fn next(&mut self, depth: usize, enabled: Vec<Choice>) -> Next {
        if let Some(node) = self.nodes.get_mut(depth) {
            let chosen = &node.enabled[node.chosen];
            let same = node.enabled.len() == enabled.len();
            let Some(at) = enabled.iter().position(|choice| choice == chosen).filter(|_| same)
            else {
                return Next::Diverged;
            };
            node.chosen = at;
            node.enabled = enabled;
            return Next::Go(at);
        }
        let (asleep, switches, last) = self.inherited();
        let mut node = Node { enabled, asleep, chosen: 0, done: Vec::new(), switches };
        match self.first(&node, last) {
            None => Next::Enough,
            Some(at) => {
                node.chosen = at;
                self.nodes.push(node);
                Next::Go(at)
            }
        }
    }

    /// Goes on to the next order; whether there is one.
    pub(super) fn backtrack(&mut self) -> bool {
        while let Some(mut node) = self.nodes.pop() {
            let tried = node.enabled[node.chosen].clone();
            node.done.push(tried);
            let (_, _, last) = self.inherited();
            if let Some(at) = self.first(&node, last) {
                node.chosen = at;
                self.nodes.push(node);
                return true;
            }
        }
        false
    }

    /// What the way to the end of the tree leaves asleep, how many switches it
    /// has, and who went last.
    fn inherited(&self) -> (Vec<Choice>, usize, Option<usize>) {
        let Some(parent) = self.nodes.last() else { return (Vec::new(), 0, None) };
        let chosen = &parent.enabled[parent.chosen];
        let asleep = match self.reduction {
            Reduction::Sleep => {
                let sleepers = parent.asleep.iter().chain(&parent.done);
                let stays = |other: &&Choice| other.is_independent_of(chosen, self.pushes);
                sleepers.filter(stays).cloned().collect()
            }
            _ => Vec::new(),
        };
        let before = self.nodes.len().checked_sub(2).map(|at| &self.nodes[at]);
        let last = before.map(|node| node.enabled[node.chosen].client);
        (asleep, parent.switches + switch(parent, chosen, last), Some(chosen.client))
    }

    fn first(&self, node: &Node, last: Option<usize>) -> Option<usize> {
        let may = |choice: &Choice| {
            let in_bound = match self.reduction {
                Reduction::Switches(most) => node.switches + switch(node, choice, last) <= most,
                _ => true,
            };
            in_bound && !node.done.contains(choice) && !node.asleep.contains(choice)
        };
        let goes_on = node.enabled.iter().position(|c| Some(c.client) == last && may(c));
        goes_on.or_else(|| node.enabled.iter().position(may))
    }
}

/// Whether a choice interrupts a client that could go on.
fn switch(node: &Node, choice: &Choice, last: Option<usize>) -> usize {
    let Some(last) = last else { return 0 };
    let could_go_on = node.enabled.iter().any(|other| other.client == last && !other.is_first);
    usize::from(choice.client != last && could_go_on)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// A little world: a row with a hidden write, and cache entries. Clients
    /// are lists of calls; what each read, and when it began and ended, is what
    /// can be seen of an order.
    #[derive(Clone, Copy, Debug)]
    enum Do {
        Get(u8),
        Put(u8),
        Select,
        Update,
        Begin,
        Commit,
        /// Says something to all the others, who hear it at once.
        Publish,
    }

    /// Whether a transaction is under way.
    #[derive(Clone, Copy, PartialEq)]
    enum Block {
        Open,
        Closed,
    }

    fn choice(client: usize, at: usize, call: Do, block: Block) -> Choice {
        let (site, effect, keys) = match call {
            Do::Get(key) => (Site::Cache, Effect::Reads, vec![key.to_string()]),
            Do::Put(key) => (Site::Cache, Effect::Writes, vec![key.to_string()]),
            Do::Select => (Site::Primary, Effect::Reads, Vec::new()),
            Do::Update if block == Block::Open => (Site::Primary, Effect::Hidden, Vec::new()),
            Do::Update => (Site::Primary, Effect::Writes, Vec::new()),
            // Here an order is of no matter; the explorer never holds one.
            Do::Begin => (Site::Primary, Effect::Writes, Vec::new()),
            Do::Commit => (Site::Primary, Effect::Commits, Vec::new()),
            Do::Publish => (Site::Cache, Effect::Writes, Vec::new()),
        };
        Choice {
            client,
            site,
            shape: format!("{call:?}{at}").into(),
            effect,
            keys,
            is_first: at == 0,
            deed: Deed::GoesOn,
        }
    }

    #[derive(Default)]
    struct World {
        row: u32,
        hidden: Vec<(usize, u32)>,
        entries: [u32; 2],
        /// How often somebody published.
        published: u32,
        next: u32,
    }

    impl World {
        fn perform(&mut self, client: usize, call: Do) -> Option<u32> {
            // Values tell who wrote them, and not when.
            let value = u32::try_from(client).unwrap() * 100 + self.next;
            match call {
                Do::Publish => self.published += 1,
                Do::Get(key) => return Some(self.entries[usize::from(key)]),
                Do::Put(key) => self.entries[usize::from(key)] = value,
                Do::Select => {
                    let own = self.hidden.iter().rev().find(|(owner, _)| *owner == client);
                    return Some(own.map_or(self.row, |(_, value)| *value));
                }
                Do::Update if self.hidden.iter().any(|(owner, _)| *owner == client) => {
                    self.hidden.push((client, value));
                }
                Do::Update => self.row = value,
                Do::Begin => self.hidden.push((client, self.row)),
                Do::Commit => {
                    let own = self.hidden.iter().rev().find(|(owner, _)| *owner == client);
                    if let Some((_, value)) = own {
                        self.row = *value;
                    }
                    self.hidden.retain(|(owner, _)| *owner != client);
                }
            }
            None
        }
    }

    /// Every outcome that a search meets, and how many executions it took. An
    /// outcome is what was read, what is left, and which operations ended
    /// before others began.
    fn outcomes(
        clients: &[Vec<Do>],
        reduction: Reduction,
        pushes: Pushes,
    ) -> (BTreeSet<String>, usize) {
        let mut tree = Tree::new(reduction, pushes);
        let mut found = BTreeSet::new();
        for executions in 1.. {
            let mut world = World::default();
            let mut at = vec![0; clients.len()];
            let mut open = vec![Block::Closed; clients.len()];
            let mut read = vec![Vec::new(); clients.len()];
            let mut heard = vec![Vec::new(); clients.len()];
            let mut order = Vec::new();
            let mut depth = 0;
            let complete = loop {
                let enabled: Vec<_> = (0..clients.len())
                    .filter_map(|client| {
                        let call = *clients[client].get(at[client])?;
                        Some(choice(client, at[client], call, open[client]))
                    })
                    .collect();
                if enabled.is_empty() {
                    break true;
                }
                let Next::Go(chosen) = tree.next(depth, enabled.clone()) else { break false };
                let client = enabled[chosen].client;
                let call = clients[client][at[client]];
                world.next = u32::try_from(at[client]).unwrap();
                // Who hears what is published sees after which of its own calls.
                heard[client].push(world.published);
                read[client].extend(world.perform(client, call));
                open[client] = match call {
                    Do::Begin => Block::Open,
                    Do::Commit => Block::Closed,
                    _ => open[client],
                };
                if at[client] == 0 {
                    order.push(format!("{client} begins"));
                }
                at[client] += 1;
                if at[client] == clients[client].len() {
                    order.push(format!("{client} ends"));
                }
                depth += 1;
            };
            if complete {
                let ends_before = |a: &str, b: &str| {
                    let place = |what: String| order.iter().position(|other| *other == what);
                    place(format!("{a} ends")) < place(format!("{b} begins"))
                };
                let names: Vec<_> = (0..clients.len()).map(|n| n.to_string()).collect();
                let before: Vec<_> = names
                    .iter()
                    .flat_map(|a| names.iter().map(move |b| (a, b)))
                    .filter(|(a, b)| a != b && ends_before(a, b))
                    .collect();
                let left = (world.row, world.entries);
                found.insert(format!("{read:?} {heard:?} {left:?} {before:?}"));
            }
            if !tree.backtrack() {
                return (found, executions);
            }
        }
        unreachable!("every search ends")
    }

    fn call() -> impl Strategy<Value = Do> {
        prop_oneof![silent_call(), Just(Do::Publish)]
    }

    /// Of which nobody is told.
    fn silent_call() -> impl Strategy<Value = Do> {
        prop_oneof![
            (0u8..2).prop_map(Do::Get),
            (0u8..2).prop_map(Do::Put),
            Just(Do::Select),
            Just(Do::Update),
            Just(Do::Begin),
            Just(Do::Commit),
        ]
    }

    /// Whether the reduced search meets what the full one does, with no more
    /// executions.
    fn loses_nothing(clients: &[Vec<Do>], pushes: Pushes) -> Result<(), TestCaseError> {
        let (all, full) = outcomes(clients, Reduction::Off, pushes);
        let (some, reduced) = outcomes(clients, Reduction::Sleep, pushes);
        prop_assert_eq!(all, some);
        prop_assert!(reduced <= full);
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

        /// The reduced search meets what the full one meets, with no more
        /// executions.
        #[test]
        fn sleep_sets_lose_no_outcome(
            clients in prop::collection::vec(prop::collection::vec(silent_call(), 1..4), 2..4),
        ) {
            loses_nothing(&clients, Pushes::None)?;
        }

        /// The same where clients are told of what others do.
        #[test]
        fn sleep_sets_lose_no_push(
            clients in prop::collection::vec(prop::collection::vec(call(), 1..4), 2..4),
        ) {
            loses_nothing(&clients, Pushes::Seen)?;
        }

        /// With switches enough the bounded search is the full one.
        #[test]
        fn a_bound_on_switches_grows_to_everything(
            clients in prop::collection::vec(prop::collection::vec(call(), 1..4), 2..3),
        ) {
            let (all, full) = outcomes(&clients, Reduction::Off, Pushes::None);
            let (some, bounded) = outcomes(&clients, Reduction::Switches(20), Pushes::None);
            prop_assert_eq!((all, full), (some, bounded));
        }
    }

    #[test]
    fn a_write_that_everybody_sees_is_not_taken_for_a_hidden_one() {
        let update = choice(0, 1, Do::Update, Block::Closed);
        let select = choice(1, 1, Do::Select, Block::Closed);
        assert!(!update.is_independent_of(&select, Pushes::None));
        let hidden = choice(0, 1, Do::Update, Block::Open);
        assert!(hidden.is_independent_of(&select, Pushes::None));
    }

    /// Two clients of which one publishes while the other is between its calls:
    /// only an order in which it is told between them shows what it does then.
    #[test]
    fn what_is_published_depends_on_whatever_its_hearers_do() {
        let clients = [vec![Do::Get(0), Do::Publish], vec![Do::Put(0), Do::Select, Do::Select]];
        let (all, _) = outcomes(&clients, Reduction::Off, Pushes::Seen);
        assert_eq!(outcomes(&clients, Reduction::Sleep, Pushes::Seen).0, all);
        assert_ne!(outcomes(&clients, Reduction::Sleep, Pushes::None).0, all);
        let publish = choice(0, 1, Do::Publish, Block::Closed);
        for other in [Do::Select, Do::Get(0), Do::Put(0), Do::Update, Do::Commit] {
            let other = choice(1, 1, other, Block::Open);
            assert!(!publish.is_independent_of(&other, Pushes::Seen), "{other:?}");
        }
    }
}
