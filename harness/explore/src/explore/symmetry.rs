//! Clients that do the same are interchangeable: of executions that differ in
//! nothing but which of them did what, one is searched.

use std::sync::atomic::{AtomicBool, Ordering};

use quarrel_sim::{Fingerprint, Simulation};
use quarrel_strategy::strategy::Action;

/// More ways to name clients than this are not looked at: each costs a
/// fingerprint of every state.
const MOST_NAMINGS: usize = 24;

/// The ways in which clients may change names without anybody noticing.
///
/// Two clients may if their scripts are the same, word for word: then whatever
/// one does the other would have done in its place, unless the strategy's code
/// asks which client it runs for. A search during which it did has to be made
/// again without this ([`Symmetry::is_broken`]).
pub(super) struct Symmetry {
    /// For each client the number that it has by this naming; the first leaves
    /// everybody their own.
    namings: Vec<Vec<usize>>,
    broken: AtomicBool,
}

/// What stands for a state, and the naming by which it does: two states of one
/// naming have the same names, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) print: u128,
    pub(super) naming: usize,
}

impl Symmetry {
    /// Nobody is interchangeable.
    pub(super) fn none(scripts: &[Vec<Action>]) -> Self {
        Self { namings: vec![(0..scripts.len()).collect()], broken: AtomicBool::new(false) }
    }

    /// Of the clients with these scripts; the last is the auditor.
    pub(super) fn of(scripts: &[Vec<Action>]) -> Self {
        let mut namings: Vec<Vec<usize>> = vec![(0..scripts.len()).collect()];
        let clients = scripts.len().saturating_sub(1);
        // Every permutation is a product of exchanges of a client with one before
        // it: those of the clients so far, each followed by every exchange.
        for client in 1..clients {
            let same = (0..client).filter(|other| scripts[*other] == scripts[client]);
            let exchanges: Vec<usize> = same.collect();
            if namings.len() * (exchanges.len() + 1) > MOST_NAMINGS {
                break;
            }
            let before = namings.clone();
            for other in exchanges {
                namings.extend(before.iter().map(|naming| {
                    let mut naming = naming.clone();
                    naming.swap(other, client);
                    naming
                }));
            }
        }
        Self { namings, broken: AtomicBool::new(false) }
    }

    /// Whether there is anything to gain.
    pub(super) fn is_of_use(&self) -> bool {
        self.namings.len() > 1
    }

    /// Whether a client's code asked who it is.
    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    /// The smallest of the fingerprints by all namings. `and` adds what belongs
    /// to a state beside the simulation.
    pub(super) fn fingerprint(
        &self,
        simulation: &Simulation,
        and: impl Fn(&mut Fingerprint),
    ) -> Named {
        if self.is_of_use() && simulation.has_told_clients_apart() {
            self.broken.store(true, Ordering::Relaxed);
        }
        let named = |(naming, names): (usize, &Vec<usize>)| {
            let mut print = Fingerprint::default();
            simulation.fingerprint_as(&mut print, names);
            and(&mut print);
            Named { print: print.finish(), naming }
        };
        let all = self.namings.iter().enumerate().map(named);
        all.min_by_key(|named| named.print).expect("everybody may keep their own name")
    }
}

#[cfg(test)]
mod tests {
    use quarrel_checkers::{Key, Value};

    use super::Symmetry;
    use quarrel_strategy::strategy::Action;

    fn read() -> Vec<Action> {
        vec![Action::Read(Key(1))]
    }

    fn write(value: i64) -> Vec<Action> {
        vec![Action::Write(Key(1), Value::Int(value))]
    }

    fn namings(scripts: &[Vec<Action>]) -> Vec<Vec<usize>> {
        let mut namings = Symmetry::of(scripts).namings;
        namings.sort();
        namings
    }

    #[test]
    fn those_who_do_the_same_may_change_names_and_nobody_else() {
        // The last is the auditor, who reads as well.
        assert_eq!(namings(&[write(1), write(2), read(), read()]), [[0, 1, 2, 3]]);
        assert_eq!(namings(&[write(1), read(), read(), read()]), [[0, 1, 2, 3], [0, 2, 1, 3]]);
        let three = namings(&[read(), write(1), read(), read(), read()]);
        assert_eq!(three.len(), 6);
        let mut distinct = three.clone();
        distinct.dedup();
        assert_eq!(distinct, three);
        assert!(three.iter().all(|naming| naming[1] == 1 && naming[4] == 4));
    }
}
