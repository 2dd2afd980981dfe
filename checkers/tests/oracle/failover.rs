//! Versions that failovers give twice, against the order in which the stores
//! really changed, and against the values alone.

use quarrel_checkers::{
    Guarantee, History, JudgeOptions, Judgement, Op, Process, SessionViolations, Time, Validity,
    Value, Version, generate::Random, judge,
};

use crate::histories::histories;

const KEY: u64 = 1;

/// A completed operation: what it read or wrote, and its place among the
/// values; or a write of unknown outcome.
#[derive(Clone, Copy)]
struct Ran {
    process: u64,
    is_write: bool,
    is_answered: bool,
    value: i64,
    invoked: u64,
    returned: u64,
}

struct Run {
    history: History,
    ran: Vec<Ran>,
    /// The version of each value that the primary ever held, 0 for absent.
    versions: Vec<Option<Version>>,
    failovers: u32,
}

/// What one client has under way.
#[derive(Clone, Copy)]
struct Open {
    value: i64,
    is_write: bool,
    invoked: u64,
    written: Option<Version>,
}

/// A primary with its replica: what was committed, how much of it has
/// arrived, and how often it failed over.
#[derive(Default)]
struct Store {
    log: Vec<(i64, Version)>,
    arrived: usize,
    failovers: u32,
    ever: Vec<i64>,
}

impl Store {
    fn commit(&mut self, value: i64) -> Version {
        let number = self.log.last().map_or(0, |(_, version)| version.number) + 1;
        let version = Version { timeline: self.failovers + 1, number };
        self.log.push((value, version));
        self.ever.push(value);
        version
    }

    fn fail_over(&mut self) {
        self.log.truncate(self.arrived);
        self.failovers += 1;
    }

    /// Mostly the newest, else anything that was ever there, lost or not.
    fn read(&self, random: &mut Random) -> i64 {
        let newest = self.log.last().map_or(0, |(value, _)| *value);
        if random.permille(600) {
            return newest;
        }
        let at = random.below(self.ever.len() as u64 + 1) as usize;
        self.ever.get(at).copied().unwrap_or(0)
    }
}

/// Three clients that read and write a store which fails over now and then.
/// A write commits at some moment while it is under way.
fn run(random: &mut Random) -> Run {
    let count = 4 + random.below(9);
    let mut store = Store::default();
    let mut run = Run {
        history: History::default(),
        ran: Vec::new(),
        versions: vec![Some(Version::ABSENT)],
        failovers: 0,
    };
    let mut open: [Option<Open>; 3] = [None; 3];
    let mut processes = [0_u64, 1, 2];
    let mut begun = 0;
    while begun < count || open.iter().any(Option::is_some) {
        match random.below(10) {
            0 => store.arrived = store.log.len(),
            1 if store.failovers < 3 => store.fail_over(),
            _ => {}
        }
        let client = random.below(3) as usize;
        let now = run.history.events.len() as u64;
        match &mut open[client] {
            None if begun < count => {
                begun += 1;
                let is_write = random.permille(500);
                let value = if is_write { run.versions.len() as i64 } else { 0 };
                if is_write {
                    run.versions.push(None);
                }
                let op = if is_write { Op::write(KEY, value) } else { Op::read(KEY) };
                run.history.invoke(Time(now), Process::Client(processes[client]), op);
                open[client] = Some(Open { value, is_write, invoked: now, written: None });
            }
            Some(write) if write.is_write && write.written.is_none() && random.permille(700) => {
                let version = store.commit(write.value);
                write.written = Some(version);
                run.versions[write.value as usize] = Some(version);
            }
            Some(operation) => {
                let mut operation = *operation;
                open[client] = None;
                if !operation.is_write {
                    operation.value = store.read(random);
                }
                run.end(operation, &mut processes[client], store.failovers + 1, random);
            }
            None => {}
        }
    }
    run.failovers = store.failovers;
    run
}

impl Run {
    fn end(&mut self, open: Open, process: &mut u64, timeline: u32, random: &mut Random) {
        let returned = self.history.events.len() as u64;
        let (value, who) = (open.value, Process::Client(*process));
        let version = self.versions[value as usize];
        let is_answered = !open.is_write || open.written.is_some() && random.permille(800);
        self.ran.push(Ran {
            process: *process,
            is_write: open.is_write,
            is_answered,
            value,
            invoked: open.invoked,
            returned,
        });
        let told = if value == 0 { Value::Nil } else { Value::Int(value) };
        let op = if open.is_write { Op::write(KEY, value) } else { Op::read(KEY).returning(told) };
        if is_answered {
            let number = version.map_or(0, |version| version.number);
            self.history.ok(Time(returned), who, op.at_version(number));
        } else {
            let kind = quarrel_checkers::Kind::Info;
            self.history.push(Time(returned), who, kind, op, None);
            *process += 3;
        }
        if open.is_write {
            // Nobody sends it again, so where it would have happened it did.
            self.history.on_timeline(version.map_or(timeline, |version| version.timeline));
        }
    }

    /// The same history without what the primary told.
    fn stripped(&self, keeps: Keeps) -> History {
        let mut history = self.history.clone();
        for event in &mut history.events {
            event.timeline = None;
            event.op.version = event.op.version.filter(|_| keeps == Keeps::Numbers);
        }
        history
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Keeps {
    Numbers,
    Nothing,
}

/// Stale reads and what sessions missed, by an order of values.
fn definition(ran: &[Ran], is_newer: impl Fn(i64, i64) -> bool) -> (u64, SessionViolations) {
    let answered = || ran.iter().filter(|ran| ran.is_answered);
    let missed = |later: &Ran, wanted: &dyn Fn(&Ran) -> bool| {
        answered().any(|earlier| {
            earlier.returned < later.invoked
                && wanted(earlier)
                && is_newer(earlier.value, later.value)
        })
    };
    let reads = || answered().filter(|ran| !ran.is_write);
    let stale = reads().filter(|read| missed(read, &|_| true)).count() as u64;
    let own = |writes: bool| {
        let of = |read: &&Ran| missed(read, &|e| e.process == read.process && e.is_write == writes);
        reads().filter(of).count() as u64
    };
    let sessions = SessionViolations {
        read_your_writes: own(true),
        monotonic_reads: own(false),
        ..SessionViolations::default()
    };
    (stale, sessions)
}

/// By values alone: the older one was there before the newer one's write began.
fn by_values(ran: &[Ran]) -> impl Fn(i64, i64) -> bool {
    move |newer, older| {
        let write = ran.iter().find(|ran| ran.is_write && ran.value == newer);
        let Some(write) = write else { return false };
        let is_sign = |o: &Ran| o.is_answered && o.value == older && o.returned < write.invoked;
        newer != older && (older == 0 || ran.iter().any(is_sign))
    }
}

const LADDER: [Guarantee; 4] = [
    Guarantee::Linearizable,
    Guarantee::Sequential,
    Guarantee::ReadYourWrites,
    Guarantee::MonotonicReads,
];

fn judged(history: &History) -> Judgement {
    judge(history, &[], &JudgeOptions::default())
}

/// Whether some order of all values that respects real time keeps a guarantee:
/// everything that ever was there comes before what was written later. By brute
/// force, of the values alone.
fn some_order_keeps(ran: &[Ran], is_kept: impl Fn(&dyn Fn(i64, i64) -> bool) -> bool) -> bool {
    let mut values: Vec<i64> = ran.iter().filter(|ran| ran.is_answered).map(|r| r.value).collect();
    values.extend([0]);
    values.sort_unstable();
    values.dedup();
    let is_newer = by_values(ran);
    let surely = |newer, older| is_newer(newer, older);
    let mut order = Vec::new();
    extend(&mut order, &values, &surely, &is_kept)
}

fn extend(
    order: &mut Vec<i64>,
    values: &[i64],
    surely: &impl Fn(i64, i64) -> bool,
    is_kept: &impl Fn(&dyn Fn(i64, i64) -> bool) -> bool,
) -> bool {
    if order.len() == values.len() {
        let place = |value: i64| order.iter().position(|v| *v == value);
        return is_kept(&|newer, older| place(newer) > place(older));
    }
    let rest: Vec<i64> = values.iter().copied().filter(|v| !order.contains(v)).collect();
    rest.iter().any(|&next| {
        // Nothing that is left must have been there before it.
        if rest.iter().any(|&other| surely(next, other)) {
            return false;
        }
        order.push(next);
        let is_kept = extend(order, values, surely, is_kept);
        order.pop();
        is_kept
    })
}

/// What each guarantee of a session and linearizability ask of an order.
fn keeps(guarantee: Guarantee, ran: &[Ran], is_newer: &dyn Fn(i64, i64) -> bool) -> bool {
    let (stale, sessions) = definition(ran, is_newer);
    match guarantee {
        Guarantee::Linearizable => stale == 0,
        Guarantee::Sequential => sessions.total() == 0,
        Guarantee::ReadYourWrites => sessions.read_your_writes == 0,
        _ => sessions.monotonic_reads == 0,
    }
}

/// The theorem that the judge's documentation states: versions convict more than
/// values alone, and only where values leave the order open.
#[test]
fn values_alone_never_contradict_versions() {
    let total = histories(20_000);
    let mut seen = [0; 3];
    for seed in 0..total {
        let run = run(&mut Random::seeded(seed));
        let options = JudgeOptions::default();
        let (whole, reads) = quarrel_checkers::judge_reads(&run.history, &[], &options, &[]);
        let stripped = run.stripped(Keeps::Nothing);
        let (values, stripped) = quarrel_checkers::judge_reads(&stripped, &[], &options, &[]);
        // Read by read: what is stale by values is stale by versions, and both
        // judgements say so of the same reads.
        for (with, without) in reads.iter().zip(&stripped) {
            assert_eq!(with.invoke, without.invoke, "seed {seed}");
            let is_stale = without.stale_for.is_some();
            assert_eq!(with.is_stale_by_value, is_stale, "seed {seed}: {with:?} {without:?}");
            assert_eq!(without.is_stale_by_value, is_stale, "seed {seed}: {without:?}");
            assert!(with.stale_for.is_some() || !is_stale, "seed {seed}: {with:?} {without:?}");
        }
        let by_values = whole.metrics.by_values.expect("it is told");
        assert_eq!(Some(by_values), values.metrics.by_values, "seed {seed}");
        assert_eq!(by_values.stale_reads, values.metrics.stale_reads, "seed {seed}");
        assert_eq!(by_values.sessions, values.metrics.sessions, "seed {seed}");
        for guarantee in LADDER {
            let is_open =
                some_order_keeps(&run.ran, |is_newer| keeps(guarantee, &run.ran, is_newer));
            let (with, without) = (whole.validity(guarantee), values.validity(guarantee));
            match without {
                Validity::Invalid => {
                    assert!(!is_open, "seed {seed}: {guarantee}: some order keeps it");
                    assert_eq!(with, Validity::Invalid, "seed {seed}: {guarantee}");
                }
                Validity::Valid => assert!(is_open, "seed {seed}: {guarantee}: no order keeps it"),
                Validity::Unknown => assert_ne!(guarantee, Guarantee::Linearizable, "seed {seed}"),
            }
            let real = |newer: i64, older: i64| {
                let version = |value: i64| run.versions[value as usize];
                version(newer).zip(version(older)).is_some_and(|(newer, older)| newer > older)
            };
            // A write that a failover lost is a violation of its own, whoever read.
            if keeps(guarantee, &run.ran, &real) && whole.metrics.lost_updates == 0 {
                assert_eq!(with, Validity::Valid, "seed {seed}: {guarantee}");
            }
            seen[0] += u64::from(with == Validity::Invalid && is_open);
            seen[1] += u64::from(without == Validity::Invalid && run.failovers > 0);
            seen[2] += u64::from(without == Validity::Valid && run.failovers > 0);
        }
    }
    assert!(seen.into_iter().min() > Some(total / 200), "{seen:?}");
}

#[test]
fn failovers_hide_nothing_and_accuse_nobody() {
    let total = histories(300_000);
    let mut told = (0, 0, 0);
    for seed in 0..total {
        let run = run(&mut Random::seeded(seed));
        let real = |newer: i64, older: i64| {
            let version = |value: i64| run.versions[value as usize];
            version(newer).zip(version(older)).is_some_and(|(newer, older)| newer > older)
        };
        // With timelines: exactly what really happened.
        let whole = judged(&run.history);
        let expected = definition(&run.ran, real);
        let found = (whole.metrics.stale_reads, whole.metrics.sessions);
        assert_eq!(found, expected, "seed {seed}: {:#?}", run.history.events);
        // By values alone, and never more than really happened.
        let values = judged(&run.stripped(Keeps::Nothing));
        let by_values = definition(&run.ran, by_values(&run.ran));
        let found = (values.metrics.stale_reads, values.metrics.sessions);
        assert_eq!(found, by_values, "seed {seed}: {:#?}", run.history.events);
        assert!(by_values.0 <= expected.0, "seed {seed}");
        // What values prove, numbers never take back, with timelines or without.
        let numbers = judged(&run.stripped(Keeps::Numbers));
        for guarantee in LADDER {
            if values.validity(guarantee) == Validity::Invalid {
                for (name, other) in [("timelines", &whole), ("numbers", &numbers)] {
                    let validity = other.validity(guarantee);
                    assert_eq!(validity, Validity::Invalid, "seed {seed}: {name}, {guarantee}");
                }
            }
        }
        let is_hidden = numbers.metrics.stale_reads != expected.0;
        told.0 += u64::from(run.failovers > 0 && expected.0 > by_values.0);
        told.1 += u64::from(run.failovers > 0 && by_values.1.read_your_writes > 0);
        told.2 += u64::from(is_hidden);
    }
    assert!(told.0.min(told.1).min(told.2) > total / 200, "{told:?}");
}

/// Which acknowledged writes a failover lost, as far as later numbers tell.
#[test]
fn a_write_is_lost_if_a_later_timeline_gives_a_number_that_is_no_higher() {
    for seed in 0..histories(100_000) {
        let run = run(&mut Random::seeded(seed));
        let is_told = |value: i64| run.ran.iter().any(|ran| ran.is_answered && ran.value == value);
        let shown = || {
            let versions = run.versions.iter().enumerate();
            versions.filter_map(|(at, version)| (*version).filter(|_| is_told(at as i64)))
        };
        let is_lost = |write: &&Ran| {
            let version = run.versions[write.value as usize].expect("it was acknowledged");
            let is_proof = |v: Version| v.timeline > version.timeline && v.number <= version.number;
            shown().any(is_proof)
        };
        let acknowledged = run.ran.iter().filter(|ran| ran.is_write && ran.is_answered);
        let expected = acknowledged.filter(is_lost).count() as u64;
        assert_eq!(judged(&run.history).metrics.lost_updates, expected, "seed {seed}");
    }
}
