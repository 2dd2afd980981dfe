use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use crate::{
    stores::{Backend, Port, Request, Response, StoreError},
    strategy::{Action, AnyStrategy, Outcome, Session, SessionParts, perform},
};

type Answer = Result<Response, StoreError>;

/// What passes between a client's code and the simulator.
#[derive(Default)]
struct Slot {
    action: Option<Action>,
    request: Option<Request>,
    answer: Option<Answer>,
    outcome: Option<Outcome>,
}

/// The client's side of the slot.
///
/// A lock, because sessions must be `Send`; nobody ever waits for it, as a
/// simulation has one thread.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Slot>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Slot> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Port for Shared {
    fn call<'a>(
        &'a mut self,
        request: &'a Request,
    ) -> Pin<Box<dyn Future<Output = Answer> + Send + 'a>> {
        self.lock().request = Some(request.clone());
        Box::pin(poll_fn(|_| self.lock().answer.take().map_or(Poll::Pending, Poll::Ready)))
    }
}

/// What a client does when it is run as far as it gets.
#[derive(Debug, PartialEq)]
pub(crate) enum Progress {
    /// It makes a call and waits for the answer.
    Calls(Request),
    /// Its operation is over.
    Ended(Outcome),
    /// It waits for something that is not a store: a timer of tokio's, a
    /// channel. The simulator cannot know when that would come.
    Stuck,
}

/// A strategy's client in a simulation: a future that is polled by hand.
pub(crate) struct Client {
    shared: Shared,
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Client {
    /// A client whose session is made by `parts` around its simulated port.
    pub(crate) fn new(
        strategy: Arc<dyn AnyStrategy>,
        parts: impl FnOnce(Backend) -> SessionParts,
    ) -> Self {
        let shared = Shared::default();
        let port = Backend::Simulated(Box::new(shared.clone()));
        let session = Session::new(parts(port));
        let future = Box::pin(live(strategy, session, shared.clone()));
        Self { shared, future }
    }

    /// Begins an operation and runs up to its first call.
    pub(crate) fn start(&mut self, action: Action) -> Progress {
        self.shared.lock().action = Some(action);
        self.run()
    }

    /// Hands over the answer to the last call and runs up to the next one.
    pub(crate) fn answer(&mut self, answer: Answer) -> Progress {
        self.shared.lock().answer = Some(answer);
        self.run()
    }

    fn run(&mut self) -> Progress {
        let mut context = Context::from_waker(Waker::noop());
        let polled = self.future.as_mut().poll(&mut context);
        debug_assert!(polled.is_pending(), "a client waits for its next operation for ever");
        let mut slot = self.shared.lock();
        if let Some(outcome) = slot.outcome.take() {
            Progress::Ended(outcome)
        } else {
            slot.request.take().map_or(Progress::Stuck, Progress::Calls)
        }
    }
}

async fn live(strategy: Arc<dyn AnyStrategy>, mut session: Session, shared: Shared) {
    loop {
        let action =
            poll_fn(|_| shared.lock().action.take().map_or(Poll::Pending, Poll::Ready)).await;
        let outcome = perform(&*strategy, &mut session, action, None).await;
        shared.lock().outcome = Some(outcome);
    }
}
