//! How to record the clients of your own store and judge what they saw. The
//! store here is a cache beside a database, both of one number; a reader may
//! put back what a writer has just thrown out.
//!
//! ```text
//! cargo run --example record
//! ```

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use quarrel_checkers::{Guarantee, History, Index, JudgeOptions, Op, Process, Time, judge};

const EMPTY: i64 = 0;

#[derive(Default)]
struct Store {
    database: AtomicI64,
    cache: AtomicI64,
}

impl Store {
    fn read(&self) -> i64 {
        let cached = self.cache.load(SeqCst);
        if cached != EMPTY {
            return cached;
        }
        let value = self.database.load(SeqCst);
        on_the_way();
        self.cache.store(value, SeqCst);
        value
    }

    fn write(&self, value: i64) {
        on_the_way();
        self.database.store(value, SeqCst);
        self.cache.store(EMPTY, SeqCst);
    }
}

/// What a message takes.
fn on_the_way() {
    thread::sleep(Duration::from_micros(50));
}

/// One log for all clients, so that its order is the order of events.
struct Recorder {
    start: Instant,
    history: Mutex<History>,
}

impl Recorder {
    /// Records the begin before the call and the end after it. A call that
    /// fails and may have happened all the same ends with `Kind::Info`, by
    /// [`History::push`]; then its client goes on as a new process.
    fn call(&self, process: u64, op: Op, call: impl FnOnce() -> Op) {
        let process = Process::Client(process);
        self.log(|history, now| history.invoke(now, process, op));
        let done = call();
        self.log(|history, now| history.ok(now, process, done));
    }

    fn log(&self, write: impl FnOnce(&mut History, Time) -> Index) {
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        let nanos = self.start.elapsed().as_nanos();
        write(&mut history, Time(u64::try_from(nanos).expect("it runs for less than 500 years")));
    }
}

fn main() {
    let store = Store::default();
    let recorder = Recorder { start: Instant::now(), history: Mutex::default() };
    thread::scope(|scope| {
        for client in 0..4 {
            let (store, recorder) = (&store, &recorder);
            scope.spawn(move || {
                for n in 1..=500 {
                    if client == 0 {
                        // Unique values say which write a read saw.
                        let op = Op::write(1, n);
                        recorder.call(client, op.clone(), || {
                            store.write(n);
                            op
                        });
                    } else {
                        recorder.call(client, Op::read(1), || {
                            // An absent value is nil.
                            match store.read() {
                                EMPTY => Op::read(1),
                                value => Op::read(1).returning(value),
                            }
                        });
                    }
                }
            });
        }
    });
    let history = recorder.history.into_inner().unwrap_or_else(PoisonError::into_inner);
    let judgement = judge(&history, &[], &JudgeOptions::default());
    let rung = judgement.rung(Guarantee::Linearizable);
    println!("linearizable: {:?}: {}", rung.validity, rung.reason);
    if let Some(worst) = judgement.anomalies.first() {
        println!("{}: {}", worst.class, worst.explanation);
    }
}
