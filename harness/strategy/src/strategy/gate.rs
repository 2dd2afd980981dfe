use std::{borrow::Cow, future::Future, pin::Pin, time::Duration};

use quarrel_checkers::{Content, Object, Process, Reply, Site};

use crate::stores::Request;

/// A step that is about to be made, described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Which store it goes to.
    pub site: Site,
    /// Its name: `GET`, `UPDATE`.
    pub verb: Cow<'static, str>,
    /// What it reads or changes.
    pub object: Option<Object>,
    /// What it stores.
    pub argument: Option<Content>,
}

impl From<&Request> for Call {
    fn from(request: &Request) -> Self {
        Self {
            site: request.site(),
            verb: Cow::Borrowed(request.verb()),
            object: request.object(),
            argument: request.argument(),
        }
    }
}

/// What a gate decides about a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// The step is made.
    Proceed,
    /// The client stands still for a while, as in a long pause of its garbage
    /// collector, and then makes the step.
    Delay(Duration),
    /// The step is made, but the client waits no longer than this for its
    /// answer; what it asked may run all the same. Counted in real time, so
    /// not for simulated clients.
    GiveUpAfter(Duration),
    /// The client dies here: neither this step nor any later one of its
    /// operation is made.
    Crash,
}

/// Stands before and behind every step of every client.
///
/// A race forces its order with one; the faults that strike clients (a crash
/// between two steps, a long pause) are gates too.
pub trait Gate: Send + Sync {
    /// Waits until `call` of `process` may be made.
    fn enter<'a>(
        &'a self,
        process: Process,
        call: &'a Call,
    ) -> Pin<Box<dyn Future<Output = Passage> + Send + 'a>>;

    /// Learns how it ended.
    fn leave(&self, process: Process, call: &Call, reply: &Reply);

    /// Learns that an operation of `process` is over, so that nobody waits
    /// for more steps of it.
    fn finished(&self, process: Process) {
        let _ = process;
    }
}
