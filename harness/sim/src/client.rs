use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use quarrel_checkers::{Key, Process, Value};
use quarrel_strategy::{
    record::{Clock, VirtualClock},
    stores::{Backend, Port, Request, Response, StoreError},
    strategy::{
        Action, AnyStrategy, ByHand, Job, Outcome, Session, SessionParts, do_job, perform,
        take_turn,
    },
};

use super::{Reaction, World};

type Answer = Result<Response, StoreError>;

/// What passes between a client's code and the simulator.
#[derive(Default)]
struct Slot {
    task: Option<Task>,
    request: Option<Request>,
    answer: Option<Answer>,
    ended: Option<Ended>,
    identity: Identity,
}

/// Whether a client's code has asked who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Identity {
    #[default]
    Unasked,
    Asked,
}

/// What a client is told to do.
#[derive(Clone, Debug)]
pub enum Task {
    /// An operation.
    Operation(Action),
    /// A turn of a background agent.
    Turn(usize),
    /// A job that an operation put off.
    Job(Job),
    /// To make the stores ready.
    Prepare,
    /// To take away what was made ready.
    Finish,
    /// To change a row by hand.
    Manual(Key, Value),
}

/// How it went.
#[derive(Debug, PartialEq)]
pub enum Ended {
    /// An operation ended so, wrote on this timeline of the primary, if it is
    /// known, and put these jobs off.
    Operation(Outcome, Option<u32>, Vec<Job>),
    /// Work without an operation ended.
    Work,
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

    fn identified(&self) {
        self.lock().identity = Identity::Asked;
    }

    /// Whoever runs the client by hand has its connections, and breaks them.
    fn hang_up(&mut self) {}
}

/// What a client does when it is run as far as it gets.
#[derive(Debug, PartialEq)]
pub enum ClientProgress {
    /// It makes a call and waits for the answer.
    Calls(Request),
    /// What it was told to do is done.
    Ended(Ended),
    /// It waits for something that is not a store: a timer of tokio's, a
    /// channel. The simulator cannot know when that would come.
    Stuck,
}

/// A strategy's client in a simulation: a future that is polled by hand.
pub struct Client {
    shared: Shared,
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Client {
    /// A client whose session is made by `parts` around its simulated port.
    pub fn new(
        strategy: Arc<dyn AnyStrategy>,
        parts: impl FnOnce(Backend) -> SessionParts,
    ) -> Self {
        let shared = Shared::default();
        let port = Backend::new(shared.clone());
        let session = Session::new(parts(port));
        let future = Box::pin(live(strategy, session, shared.clone()));
        Self { shared, future }
    }

    /// Whether its code has asked who it is.
    pub(crate) fn has_asked_who_it_is(&self) -> bool {
        self.shared.lock().identity == Identity::Asked
    }

    /// Begins something and runs up to its first call.
    pub fn start(&mut self, task: Task) -> ClientProgress {
        self.shared.lock().task = Some(task);
        self.run()
    }

    /// Hands over the answer to the last call and runs up to the next one.
    pub fn answer(&mut self, answer: Answer) -> ClientProgress {
        self.shared.lock().answer = Some(answer);
        self.run()
    }

    fn run(&mut self) -> ClientProgress {
        let mut context = Context::from_waker(Waker::noop());
        let polled = self.future.as_mut().poll(&mut context);
        debug_assert!(polled.is_pending(), "a client waits for its next operation for ever");
        let mut slot = self.shared.lock();
        if let Some(ended) = slot.ended.take() {
            ClientProgress::Ended(ended)
        } else {
            slot.request.take().map_or(ClientProgress::Stuck, ClientProgress::Calls)
        }
    }
}

async fn live(strategy: Arc<dyn AnyStrategy>, mut session: Session, shared: Shared) {
    loop {
        let task = poll_fn(|_| shared.lock().task.take().map_or(Poll::Pending, Poll::Ready)).await;
        let ended = match task {
            Task::Operation(action) => {
                let outcome = perform(&*strategy, &mut session, action, None).await;
                Ended::Operation(outcome, session.timeline(), session.take_jobs())
            }
            Task::Turn(agent) => {
                drop(take_turn(&*strategy, &mut session, agent).await);
                Ended::Work
            }
            Task::Job(job) => {
                drop(do_job(&*strategy, &mut session, job).await);
                Ended::Work
            }
            Task::Manual(key, value) => {
                // As the operator of a storm does it, so that it is recorded.
                let (by_hand, action) = (ByHand(Arc::clone(&strategy)), Action::Write(key, value));
                drop(perform(&by_hand, &mut session, action, None).await);
                Ended::Work
            }
            Task::Finish => {
                drop(strategy.finish(&mut session).await);
                Ended::Work
            }
            Task::Prepare => {
                // Stores that cannot be made ready show in the first operation.
                drop(strategy.prepare(&mut session).await);
                Ended::Work
            }
        };
        shared.lock().ended = Some(ended);
    }
}

impl World {
    /// Lets `strategy` make the stores ready, as before any run.
    pub fn prepare(&mut self, strategy: Arc<dyn AnyStrategy>) {
        let mut client = Client::new(strategy, |backend| SessionParts {
            process: Process::Agent(0),
            backend,
            clock: Clock::Virtual(VirtualClock::default()),
            recorder: None,
            gate: None,
            seed: 0,
        });
        let mut progress = client.start(Task::Prepare);
        while let ClientProgress::Calls(request) = progress {
            let Reaction::Answer(answer) = self.apply(&request) else { return };
            progress = client.answer(answer);
        }
    }
}
