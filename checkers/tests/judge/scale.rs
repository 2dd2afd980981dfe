//! What a judgement costs where every read is worse than the one before, so
//! that each of them looks like the worst.

use std::time::Duration;

use quarrel_checkers::{Class, History, JudgeOptions, Op, Process, Time, judge};
use rustix::time::{ClockId, clock_gettime};

/// CPU time of this thread: other tests run beside.
fn cpu() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().expect("a clock that counts from zero")
}

struct Recorder {
    history: History,
    now: u64,
}

impl Recorder {
    fn run(&mut self, process: u64, asked: Op, answered: Op) {
        let process = Process::Client(process);
        self.history.invoke(Time(self.now * 10), process, asked);
        self.history.ok(Time(self.now * 10 + 5), process, answered);
        self.now += 1;
    }
}

/// Writes of 1, 2, 3, …, and reads that fall ever further behind; the first
/// `links` of the writes are compare-and-sets.
fn falling_behind(writes: i64, links: i64) -> History {
    let mut recorder = Recorder { history: History::default(), now: 0 };
    let cas = |old: i64, new: i64| {
        let value = quarrel_checkers::Value::List([old.into(), new.into()].into());
        Op { f: quarrel_checkers::F::Cas, value, ..Op::read(7) }
    };
    for n in 1..=writes {
        let op = if (2..=links).contains(&n) { cas(n - 1, n) } else { Op::write(7, n) };
        recorder.run(0, op.clone(), op);
        if n % 3 == 0 {
            recorder.run(1, Op::read(7), Op::read(7).returning(n / 2 + 1));
        }
    }
    recorder.history
}

/// Linear in the operations, whether or not compare-and-sets chain the values:
/// reading the key for every witness took minutes.
#[test]
fn a_key_of_which_every_read_is_stale_is_judged_in_seconds() {
    for links in [0, 2, 100_000] {
        let history = falling_behind(100_000, links);
        let before = cpu();
        let judgement = judge(&history, &[], &JudgeOptions::default());
        let took = cpu() - before;
        assert_eq!(judgement.metrics.stale_reads, 33_333, "{links} links");
        assert_eq!(judgement.anomalies[0].class, Class::StaleRead);
        assert!(took < Duration::from_secs(3), "{took:?} with {links} links");
    }
}
