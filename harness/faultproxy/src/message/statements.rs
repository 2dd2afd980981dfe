//! The prepared statements of one connection, as its server has them.
//!
//! A client may use a statement before it hears that the server made it, so
//! changes count at once, and are taken back if the server refuses or never
//! sees them.

use super::{Command, sql};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, OnceLock};

/// What the texts of all statements of a connection may take.
const MOST_BYTES: usize = 16 << 20;
/// What one takes at least.
const PLACE: usize = 256;

/// A prepared statement.
#[derive(Debug, Default, Clone)]
pub(crate) struct Statement {
    sql: Bytes,
    /// What is in it, once somebody has asked.
    commands: OnceLock<Vec<Command>>,
    /// Types of its parameters as far as the client gave them; 0 is none.
    types: Vec<u32>,
    /// All of them, once the server has told them.
    told: Option<Vec<u32>>,
}

impl Statement {
    pub(crate) fn new(sql: Bytes, types: Vec<u32>) -> Self {
        Self { sql, types, ..Self::default() }
    }

    pub(crate) fn commands(&self) -> &[Command] {
        self.commands.get_or_init(|| sql::statements(&String::from_utf8_lossy(&self.sql)))
    }

    /// Whether a password is in it: its parameters may be parts of that.
    pub(crate) fn is_secret(&self) -> bool {
        self.commands().iter().any(|command| command.secret)
    }

    fn weight(&self) -> usize {
        // Its commands, once they are asked for, take about as much again.
        PLACE + 2 * self.sql.len() + 4 * self.types.len()
    }

    /// The types of its parameters, as far as they are known.
    pub(crate) fn types(&self) -> &[u32] {
        self.told.as_deref().unwrap_or(&self.types)
    }
}

/// What a message does that the server has not confirmed.
#[derive(Debug)]
enum Change {
    /// Makes or forgets a statement; what was there before.
    Set(Kind, String, Option<Arc<Statement>>),
    /// Asks for the types of a statement.
    Describe(String),
}

/// Which message makes a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Parse,
    Close,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Statements {
    all: BTreeMap<String, Arc<Statement>>,
    bytes: usize,
    /// Changes under way, with the ordinals of their requests, in order.
    under_way: VecDeque<(u64, Change)>,
}

impl Statements {
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Statement>> {
        self.all.get(name)
    }

    /// Whether they are more than can be remembered.
    pub(crate) const fn is_full(&self) -> bool {
        self.bytes > MOST_BYTES
    }

    fn set(&mut self, name: &str, statement: Option<Arc<Statement>>) -> Option<Arc<Statement>> {
        let weight = |one: &Option<Arc<Statement>>| one.as_ref().map_or(0, |one| one.weight());
        self.bytes += weight(&statement);
        let before = match statement {
            Some(statement) => self.all.insert(name.to_owned(), statement),
            None => self.all.remove(name),
        };
        self.bytes -= weight(&before);
        before
    }

    pub(crate) fn parse(&mut self, request: u64, name: &str, statement: Statement) {
        let before = self.set(name, Some(Arc::new(statement)));
        let change = Change::Set(Kind::Parse, name.to_owned(), before);
        self.under_way.push_back((request, change));
    }

    pub(crate) fn close(&mut self, request: u64, name: &str) {
        let before = self.set(name, None);
        let change = Change::Set(Kind::Close, name.to_owned(), before);
        self.under_way.push_back((request, change));
    }

    pub(crate) fn describe(&mut self, request: u64, name: &str) {
        self.under_way.push_back((request, Change::Describe(name.to_owned())));
    }

    /// Removes the first change under way of this request that fits.
    fn confirm(&mut self, request: u64, fits: impl Fn(&Change) -> bool) -> Option<Change> {
        let mut under_way = self.under_way.iter();
        let at = under_way.position(|(of, change)| *of == request && fits(change))?;
        self.under_way.remove(at).map(|(_, change)| change)
    }

    /// The server has prepared a statement.
    pub(crate) fn parsed(&mut self, request: u64) {
        self.confirm(request, |change| matches!(change, Change::Set(Kind::Parse, ..)));
    }

    /// The server tells the types of a statement's parameters.
    pub(crate) fn told(&mut self, request: u64, types: Vec<u32>) {
        let change = self.confirm(request, |change| matches!(change, Change::Describe(_)));
        if let Some(Change::Describe(name)) = change
            && let Some(statement) = self.all.get_mut(&name)
        {
            Arc::make_mut(statement).told = Some(types);
        }
    }

    /// The reply to a request has ended: what it changed is so.
    pub(crate) fn settle(&mut self, request: u64) {
        self.under_way.retain(|(of, _)| *of != request);
    }

    /// What a request has not been confirmed to change did not happen: the
    /// server refused it, skipped it, or never got it.
    pub(crate) fn take_back(&mut self, request: u64) {
        while let Some(at) = self.under_way.iter().rposition(|(of, _)| *of == request) {
            let Some((_, Change::Set(_, name, before))) = self.under_way.remove(at) else {
                continue;
            };
            // A later change of the same name stands on this one.
            let later = self.under_way.iter_mut().skip(at).find_map(|(_, change)| match change {
                Change::Set(_, other, before) if *other == name => Some(before),
                _ => None,
            });
            match later {
                Some(later) => *later = before,
                None => drop(self.set(&name, before)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(text: &str) -> Statement {
        Statement::new(Bytes::copy_from_slice(text.as_bytes()), Vec::new())
    }

    fn text<'a>(statements: &'a Statements, name: &str) -> Option<&'a str> {
        statements.get(name).map(|statement| statement.commands()[0].text.as_str())
    }

    #[test]
    fn a_refused_statement_leaves_the_one_that_had_its_name() {
        let mut all = Statements::default();
        all.parse(1, "s", statement("first"));
        all.parsed(1);
        all.parse(2, "s", statement("second"));
        assert_eq!(text(&all, "s"), Some("second"));
        all.take_back(2);
        assert_eq!(text(&all, "s"), Some("first"));
        all.close(3, "s");
        assert_eq!(text(&all, "s"), None);
        all.take_back(3);
        assert_eq!(text(&all, "s"), Some("first"));
        all.close(4, "s");
        all.settle(4);
        all.take_back(4);
        assert_eq!((text(&all, "s"), all.bytes), (None, 0));
    }

    #[test]
    fn taking_back_spares_what_came_later() {
        let mut all = Statements::default();
        all.parse(1, "s", statement("refused"));
        all.parse(2, "s", statement("later"));
        all.take_back(1);
        assert_eq!(text(&all, "s"), Some("later"));
        all.take_back(2);
        assert_eq!(text(&all, "s"), None);
    }
}
