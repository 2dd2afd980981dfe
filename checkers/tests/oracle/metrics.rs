//! Staleness, versions behind and session guarantees against their
//! definitions, read off all pairs of operations.

use std::time::Duration;

use quarrel_checkers::{
    F, History, JudgeOptions, Kind, Op, Process, SessionViolations, Time, Value,
    generate::Random,
    judge,
    register::{VersionedRecord, VersionedRecords},
};

use crate::histories::histories;

#[derive(Clone, Copy)]
struct Ran {
    process: u64,
    is_write: bool,
    kind: Kind,
    version: u64,
    /// Positions in the history, and times.
    invoked: (usize, u64),
    returned: (usize, u64),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Does {
    Read,
    Write,
}

/// Every write has a version of its own, in any order; reads have any that is
/// written, or none. Writes may fail, and be of unknown outcome. With the
/// history: what was answered, and the writes that did not fail.
fn random(random: &mut Random) -> (History, Vec<Ran>, Vec<Ran>) {
    let count = 3 + random.below(10) as usize;
    let mut versions: Vec<u64> = (1..=count as u64).collect();
    for at in (1..count).rev() {
        // Mostly in order, as a store would give them.
        if random.permille(300) {
            versions.swap(at, random.below(at as u64 + 1) as usize);
        }
    }
    let mut history = History::default();
    let mut running: Vec<Option<Ran>> = vec![None; 3];
    let mut processes = [0, 1, 2];
    let mut done = Vec::new();
    let mut next = 0;
    let mut now = 0;
    while next < count || running.iter().any(Option::is_some) {
        let process = random.below(3);
        now += random.below(3);
        let here = (history.events.len(), now);
        let op = |ran: &Ran| {
            let value = if ran.version == 0 { Value::Nil } else { Value::Int(ran.version as i64) };
            let f = if ran.is_write { F::Write } else { F::Read };
            Op { f, key: Some(1.into()), value, version: None }
        };
        if let Some(mut ran) = running[process as usize].take() {
            ran.returned = here;
            let mut op = op(&ran);
            op.version = (ran.kind == Kind::Ok).then_some(ran.version);
            history.push(Time(now), Process::Client(ran.process), ran.kind, op, None);
            if ran.kind == Kind::Info {
                processes[process as usize] += 3;
            }
            done.push(ran);
        } else if next < count {
            let is_write = random.permille(500);
            let version = if is_write { versions[next] } else { random.below(count as u64 + 1) };
            next += 1;
            let kind = match random.below(12) {
                0 if is_write => Kind::Info,
                1 if is_write => Kind::Fail,
                _ => Kind::Ok,
            };
            let name = processes[process as usize];
            let ran = Ran { process: name, is_write, kind, version, invoked: here, returned: here };
            history.invoke(Time(now), Process::Client(name), op(&ran));
            running[process as usize] = Some(ran);
        }
    }
    // A read of a version that nobody wrote is another matter.
    let may_be = |ran: &&Ran| ran.is_write && ran.kind != Kind::Fail;
    let written: Vec<u64> = done.iter().filter(may_be).map(|ran| ran.version).collect();
    for ran in done.iter_mut().filter(|ran| !ran.is_write) {
        if !written.contains(&ran.version) {
            ran.version = 0;
            let event = &mut history.events[ran.returned.0];
            (event.op.value, event.op.version) = (Value::Nil, Some(0));
        }
    }
    // So is one that ended before the write of its version began.
    let early = |read: &Ran| {
        !read.is_write
            && done
                .iter()
                .any(|w| w.is_write && w.version == read.version && w.invoked.0 > read.returned.0)
    };
    if done.iter().any(early) {
        return self::random(random);
    }
    let writes = done.iter().filter(|ran| may_be(ran)).copied().collect();
    done.retain(|ran| ran.kind == Kind::Ok);
    (history, done, writes)
}

/// Whether the value of one version is newer than that of another, by what
/// `ran` and `writes` show.
fn orders(ran: &[Ran], writes: &[Ran]) -> impl Fn(u64, u64) -> bool {
    let before = |a: &Ran, b: &Ran| a.returned.0 < b.invoked.0;
    let is_known = |w: &Ran| ran.iter().any(|o| o.version == w.version);
    let is_late = |w: &Ran| ran.iter().any(|o| o.version > w.version && before(o, w));
    let is_refuted = writes.iter().any(|w| is_known(w) && is_late(w));
    move |newer: u64, older: u64| {
        if !is_refuted {
            return newer > older;
        }
        // By values: the older one was there before the newer one's write began.
        let Some(write) = writes.iter().find(|w| w.version == newer) else { return false };
        older == 0 || ran.iter().any(|o| o.version == older && before(o, write))
    }
}

/// The same as records, with one session for each process.
fn records(ran: &[Ran]) -> VersionedRecords {
    let mut records = VersionedRecords::default();
    for ran in ran {
        let make = if ran.is_write { VersionedRecord::write } else { VersionedRecord::read };
        let (invoked, returned) = (ran.invoked.0 as u64, ran.returned.0 as u64);
        let record = make(0, ran.process as u32, ran.version, invoked, returned);
        records.push(record).expect("they are in order of return");
    }
    records
}

#[test]
fn metrics_are_what_their_definitions_say() {
    let mut told = SessionViolations::default();
    let total = histories(1_000_000);
    for seed in 0..total {
        let (history, ran, writes) = random(&mut Random::seeded(seed));
        let is_newer = orders(&ran, &writes);
        let metrics = judge(&history, &[], &JudgeOptions::default()).metrics;
        let before = |a: &Ran, b: &Ran| a.returned.0 < b.invoked.0;
        let newer_before = |read: &Ran| {
            let newer = ran.iter().filter(|o| is_newer(o.version, read.version) && before(o, read));
            newer.map(|o| read.invoked.1 - o.returned.1).max()
        };
        let reads = || ran.iter().filter(|r| !r.is_write);
        let stale: Vec<u64> = reads().filter_map(newer_before).collect();
        assert_eq!(metrics.stale_reads, stale.len() as u64, "seed {seed}");
        let worst = Duration::from_nanos(stale.iter().copied().max().unwrap_or(0));
        assert_eq!(metrics.worst_staleness, worst, "seed {seed}");
        let behind = |read: &Ran| {
            let newer = |w: &&Ran| w.is_write && w.version > read.version && before(w, read);
            ran.iter().filter(newer).count() as u64
        };
        let most = reads().map(behind).max().unwrap_or(0);
        if let Some(told) = metrics.max_versions_behind {
            assert_eq!(told, most, "seed {seed}");
        }
        let records = records(&ran);
        assert_eq!(records.k(), most + 1, "seed {seed}");
        let at_risk = |read: &&Ran| ran.iter().any(|w| w.is_write && before(w, read));
        assert_eq!(metrics.reads_at_risk, reads().filter(at_risk).count() as u64, "seed {seed}");
        let broken = |later: Does, earlier: Does, is_newer: &dyn Fn(u64, u64) -> bool| {
            let later = ran.iter().filter(|r| r.is_write == (later == Does::Write));
            let went_back = later.filter(|later| {
                ran.iter().any(|other| {
                    let earlier = (other.is_write == (earlier == Does::Write)).then_some(other);
                    let Some(earlier) = earlier else { return false };
                    earlier.process == later.process
                        && before(earlier, later)
                        && is_newer(earlier.version, later.version)
                })
            });
            went_back.count() as u64
        };
        // What a write was given is judged by the numbers themselves.
        let by_number = |newer: u64, older: u64| newer > older;
        let sessions = |by: &dyn Fn(u64, u64) -> bool| SessionViolations {
            read_your_writes: broken(Does::Read, Does::Write, by),
            monotonic_reads: broken(Does::Read, Does::Read, by),
            monotonic_writes: broken(Does::Write, Does::Write, &by_number),
            writes_follow_reads: broken(Does::Write, Does::Read, &by_number),
        };
        let expected = sessions(&is_newer);
        assert_eq!(metrics.sessions, expected, "seed {seed}");
        assert_eq!(records.sessions(), sessions(&by_number), "seed {seed}");
        told.read_your_writes += expected.read_your_writes;
        told.monotonic_reads += expected.monotonic_reads;
        told.monotonic_writes += expected.monotonic_writes;
        told.writes_follow_reads += expected.writes_follow_reads;
    }
    let least = told.read_your_writes.min(told.monotonic_reads).min(told.monotonic_writes);
    assert!(least.min(told.writes_follow_reads) > total / 1_000, "{told:?}");
}

/// Long histories of one or two keys, whose versions come twice, lie far apart, leave
/// gaps, come in another order than their writes end, or are read long after.
#[test]
fn k_is_counted_whatever_the_versions_look_like() {
    for seed in 0..3_000 {
        let mut random = Random::seeded(seed);
        let (factor, spread, stale) =
            (1 + random.below(3) * 50, random.below(3), 1 + random.below(120));
        let mut records = VersionedRecords::default();
        let mut all: Vec<(bool, u32, u64, u64, u64)> = Vec::new();
        let mut version = random.below(3);
        let (disorder, keys) = (random.below(4) * 20, 1 + random.below(2));
        // Each is used once, if the history takes its versions from here.
        let mut unordered: Vec<u64> = (1..200).collect();
        for at in 0..unordered.len() {
            let far = (at + random.below(disorder + 1) as usize).min(unordered.len() - 1);
            unordered.swap(at, far);
        }
        let mut unordered = unordered.into_iter();
        for returned in 10..150_u64 {
            let invoked = returned - random.below(10);
            let is_write = random.permille(600);
            if is_write {
                version += if random.permille(900) { 1 } else { random.below(spread + 1) };
            }
            let behind = if random.permille(100) { random.below(stale) } else { 0 };
            let shown = match (is_write, disorder) {
                (true, 0) => version,
                (true, _) => unordered.next().expect("there are enough"),
                (false, _) => version.saturating_sub(behind),
            } * factor;
            let key = random.below(keys) as u32;
            all.push((is_write, key, shown, invoked, returned));
            let make = if is_write { VersionedRecord::write } else { VersionedRecord::read };
            records.push(make(key, key, shown, invoked, returned)).expect("they are in order");
        }
        let behind = all.iter().filter(|(is_write, ..)| !is_write).map(|read| {
            let &(_, read_key, shown, invoked, _) = read;
            let newer = |&&(is_write, key, version, _, ended): &&(bool, u32, u64, u64, u64)| {
                is_write && key == read_key && version > shown && ended < invoked
            };
            all.iter().filter(newer).count() as u64
        });
        assert_eq!(records.k(), behind.max().unwrap_or(0) + 1, "seed {seed}");
    }
}
