use std::{
    collections::VecDeque,
    future::Future,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Which task is woken: the one that [`Executor::run`] waits for, or one that
/// was spawned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TaskId {
    Main,
    Spawned(usize),
}

/// Nothing can happen any more, yet the simulation is not over: somebody waits
/// for something that is not simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the simulation stands still: a task waits for something that is not simulated (a timer or channel of its own?)"
)]
pub struct StandStill;

/// Runs tasks on one thread, in the order in which they were woken. It has no
/// notion of time: when no task can run, it asks its caller to make something
/// happen.
#[derive(Default)]
pub(super) struct Executor {
    ready: Arc<Ready>,
    spawned: Mutex<Vec<Task>>,
}

#[derive(Default)]
struct Ready(Mutex<VecDeque<TaskId>>);

struct TaskWaker {
    id: TaskId,
    ready: Arc<Ready>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        locked(&self.ready.0).push_back(self.id);
    }
}

struct Running {
    /// None once it has ended; and while it is polled.
    task: Option<Task>,
    waker: Waker,
}

impl Executor {
    /// Adds a task. It begins to run when the caller next waits.
    pub(super) fn spawn(&self, task: Task) {
        locked(&self.spawned).push(task);
    }

    /// Runs `main` and whatever is spawned until `main` has ended. `advance`
    /// makes the next thing happen; it returns false if nothing ever will.
    pub(super) fn run<T>(
        &self,
        main: impl Future<Output = T>,
        mut advance: impl FnMut() -> bool,
    ) -> Result<T, StandStill> {
        let mut main = pin!(main);
        let main_waker = self.waker(TaskId::Main);
        let mut tasks: Vec<Running> = Vec::new();
        locked(&self.ready.0).push_back(TaskId::Main);
        loop {
            self.adopt(&mut tasks);
            let next = locked(&self.ready.0).pop_front();
            match next {
                Some(TaskId::Main) => {
                    let mut context = Context::from_waker(&main_waker);
                    if let Poll::Ready(value) = main.as_mut().poll(&mut context) {
                        return Ok(value);
                    }
                }
                Some(TaskId::Spawned(number)) => {
                    let running = &mut tasks[number];
                    // A task may have been woken twice, the second time after
                    // its end.
                    let Some(task) = &mut running.task else { continue };
                    let mut context = Context::from_waker(&running.waker);
                    if task.as_mut().poll(&mut context).is_ready() {
                        running.task = None;
                    }
                }
                None if advance() => {}
                None => return Err(StandStill),
            }
        }
    }

    fn adopt(&self, tasks: &mut Vec<Running>) {
        let mut spawned = locked(&self.spawned);
        for task in spawned.drain(..) {
            let id = TaskId::Spawned(tasks.len());
            tasks.push(Running { task: Some(task), waker: self.waker(id) });
            locked(&self.ready.0).push_back(id);
        }
    }

    fn waker(&self, id: TaskId) -> Waker {
        Waker::from(Arc::new(TaskWaker { id, ready: Arc::clone(&self.ready) }))
    }
}

/// Nobody ever waits for these locks, as a simulation has one thread; they are
/// there because sessions and clusters must be `Send`.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
