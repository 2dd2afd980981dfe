use std::fmt;

use quarrel_checkers::{Content, Time};
use smallvec::SmallVec;

use super::{Item, Response, Ttl};

/// A Lua script and the same thing in Rust.
///
/// Redis runs the Lua, the simulator runs the model, and a conformance test
/// compares the two. The script gets the names of the call's items as `KEYS`,
/// and as `ARGV` the encoded content (or an empty string), the number (or an
/// empty string) and the time to live in milliseconds (0 is "for ever"). It
/// returns a string as Redis holds it (decoded like any entry), an integer
/// (a [`Content::Number`]), or false ([`Response::Refused`]).
pub struct Script {
    /// Its name in timelines, in capitals.
    pub verb: &'static str,
    /// The Lua source.
    pub lua: &'static str,
    /// What it does, for the simulator.
    pub model: fn(&mut dyn ScriptStore, &ScriptCall) -> Response,
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").field("verb", &self.verb).finish_non_exhaustive()
    }
}

impl PartialEq for Script {
    fn eq(&self, other: &Self) -> bool {
        self.verb == other.verb && self.lua == other.lua
    }
}

/// The arguments of a script.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScriptCall {
    /// What it reads and changes.
    pub items: SmallVec<[Item; 2]>,
    /// What it may store.
    pub content: Option<Content>,
    /// A version, a token.
    pub number: Option<u64>,
    /// How long what it stores lives.
    pub ttl: Ttl,
}

/// The simulated cache, as a script's model sees it.
pub trait ScriptStore {
    /// The simulated time.
    fn now(&self) -> Time;
    /// What an item holds, unless it has expired.
    fn get(&self, item: &Item) -> Option<Content>;
    /// Stores.
    fn set(&mut self, item: Item, content: Content, ttl: Ttl);
    /// Deletes; whether there was something.
    fn del(&mut self, item: &Item) -> bool;
}
