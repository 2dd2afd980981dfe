//! Which operation an instance is serving, and who listens meanwhile.

use std::sync::Arc;

use quarrel_checkers::{Index, Key};
use quarrel_strategy::{
    record::{Clock, Spoils},
    strategy::Session,
};

use super::App;
use crate::{
    file::Instances,
    transcript::{Answered, Listener, Names, Spans, gap},
};

/// An operation that an instance is serving.
pub(super) struct Serving<'a> {
    spans: &'a Spans,
    clock: Clock,
    operation: Option<Index>,
    answered: Answered,
}

impl Serving<'_> {
    pub(super) fn end(mut self, answered: Answered) {
        self.answered = answered;
    }
}

impl Drop for Serving<'_> {
    /// Whoever gives it up drops it.
    fn drop(&mut self) {
        if let Some(operation) = self.operation {
            let answered = std::mem::replace(&mut self.answered, Answered::Never);
            self.spans.end(operation, self.clock.now(), answered);
        }
    }
}

impl App {
    /// Notes that a client's instance serves an operation, for whoever asks
    /// whose a message is.
    pub(super) fn begin(&self, client: u64, session: &Session, key: Key) -> Serving<'_> {
        self.listen(session);
        let spans = &self.running().spans[usize::try_from(client).unwrap_or_default()];
        let operation = session.operation();
        if let Some(operation) = operation {
            let forgotten = spans.begin(session.process(), operation, key, session.now());
            if let (Some(_), Some(recorder)) = (forgotten, session.recorder()) {
                gap(recorder);
            }
        }
        let clock = session.clock().clone();
        Serving { spans, clock, operation, answered: Answered::Never }
    }

    /// Listens to the instances, if they can be told apart and somebody writes
    /// it down.
    fn listen(&self, session: &Session) {
        let running = self.running();
        running.listener.get_or_init(|| {
            let recorder = session.recorder()?;
            if !running.fleet.is_read || self.file.instances == Instances::Shared {
                return None;
            }
            let names = Names::new(&self.file, Arc::clone(&running.fleet.commits.announced));
            let spans = Arc::clone(&running.spans);
            let proxy = &running.fleet.proxy;
            match Listener::begin(proxy, names, spans, Arc::clone(recorder)) {
                Ok(listener) => Some(listener),
                Err(error) => {
                    let why = format!("what the application says cannot be read: {error}");
                    recorder.fail(why, Spoils::Completeness);
                    None
                }
            }
        });
    }
}
