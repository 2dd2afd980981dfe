//! A timer that is finer than the runtime's.
//!
//! tokio's timer wheel rounds up to whole milliseconds, which would make a
//! latency of 1 ms take 2. Here one thread sleeps until the earliest deadline
//! and wakes the task that waits for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The thread is woken this much before the deadline and spins the rest, since
/// waking a sleeping thread takes tens of microseconds.
const SPIN: Duration = Duration::from_micros(60);

/// The thread and its queue of deadlines. Dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct Timer {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
}

/// Where tasks register; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct TimerHandle(Arc<Queue>);

#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Ordered by deadline; the number tells equal deadlines apart.
    waiting: BTreeMap<(Instant, u64), Waker>,
    next: u64,
    stopped: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A poisoned queue is still whole: every critical section is one call
        // on the map.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Timer {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// The operating system refused another thread.
    pub(crate) fn start() -> std::io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let shared = Arc::clone(&queue);
        let thread =
            std::thread::Builder::new().name("faultproxy-timer".into()).spawn(move || {
                sharpen_this_thread();
                run(&shared);
            })?;
        Ok(Self { queue, thread: Some(thread) })
    }

    pub(crate) fn handle(&self) -> TimerHandle {
        TimerHandle(Arc::clone(&self.queue))
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.queue.lock().stopped = true;
        self.queue.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed by the panic hook.
            let _ = thread.join();
        }
    }
}

/// One task's pending wake-up; at most one at a time.
#[derive(Debug)]
pub(crate) struct Alarm {
    timer: TimerHandle,
    set: Option<(Instant, u64)>,
}

impl Alarm {
    pub(crate) const fn new(timer: TimerHandle) -> Self {
        Self { timer, set: None }
    }

    /// Wakes `waker` at `due`, replacing what was set before.
    pub(crate) fn set(&mut self, due: Instant, waker: &Waker) {
        let mut state = self.timer.0.lock();
        if let Some(key) = self.set {
            if key.0 == due
                && let Some(waiting) = state.waiting.get_mut(&key)
            {
                waiting.clone_from(waker);
                return;
            }
            state.waiting.remove(&key);
        }
        let key = (due, state.next);
        state.next += 1;
        let earliest = state.waiting.first_key_value().is_none_or(|(first, _)| key < *first);
        state.waiting.insert(key, waker.clone());
        drop(state);
        self.set = Some(key);
        if earliest {
            self.timer.0.changed.notify_one();
        }
    }

    pub(crate) fn clear(&mut self) {
        if let Some(key) = self.set.take() {
            self.timer.0.lock().waiting.remove(&key);
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.clear();
    }
}

fn run(queue: &Queue) {
    let mut state = queue.lock();
    loop {
        if state.stopped {
            return;
        }
        let Some((&(due, _), _)) = state.waiting.first_key_value() else {
            state = queue.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        let now = Instant::now();
        if due > now {
            let left = due - now;
            if left > SPIN {
                state = queue
                    .changed
                    .wait_timeout(state, left - SPIN)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
            } else {
                // Unlocked, so that tasks can register meanwhile.
                drop(state);
                while Instant::now() < due {
                    std::hint::spin_loop();
                }
                state = queue.lock();
            }
            continue;
        }
        let (_, waker) = state
            .waiting
            .pop_first()
            .expect("the first deadline was just looked at under this lock");
        drop(state);
        waker.wake();
        state = queue.lock();
    }
}

/// Asks Linux not to delay this thread's wake-ups by the default slack of
/// 50 microseconds. Best effort: without it deadlines are only less sharp.
fn sharpen_this_thread() {
    #[cfg(target_os = "linux")]
    if let Ok(link) = std::fs::read_link("/proc/thread-self")
        && let Some(id) = link.file_name().and_then(|id| id.to_str())
    {
        let _ = std::fs::write(format!("/proc/{id}/timerslack_ns"), "1");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::task::Wake;

    struct Send(mpsc::Sender<Instant>);

    impl Wake for Send {
        fn wake(self: Arc<Self>) {
            self.0.send(Instant::now()).expect("the test still listens");
        }
    }

    #[test]
    fn wakes_in_order_of_deadlines_and_never_early() {
        let timer = Timer::start().expect("a thread");
        let start = Instant::now();
        let mut waiting = Vec::new();
        for ms in [30u64, 10, 20] {
            let (send, woken) = mpsc::channel();
            let mut alarm = Alarm::new(timer.handle());
            let due = start + Duration::from_millis(ms);
            alarm.set(due, &Waker::from(Arc::new(Send(send))));
            waiting.push((due, woken, alarm));
        }
        for (due, woken, _alarm) in waiting {
            let at = woken.recv_timeout(Duration::from_secs(10)).expect("woken in time");
            assert!(at >= due);
        }
    }

    #[test]
    fn a_cleared_alarm_is_silent() {
        let timer = Timer::start().expect("a thread");
        let (send, woken) = mpsc::channel();
        let waker = Waker::from(Arc::new(Send(send)));
        let mut alarm = Alarm::new(timer.handle());
        alarm.set(Instant::now() + Duration::from_millis(5), &waker);
        alarm.clear();
        let mut later = Alarm::new(timer.handle());
        let (send, done) = mpsc::channel();
        later.set(Instant::now() + Duration::from_millis(20), &Waker::from(Arc::new(Send(send))));
        done.recv_timeout(Duration::from_secs(10)).expect("woken");
        assert!(woken.try_recv().is_err());
    }
}
