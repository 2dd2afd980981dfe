//! Small runs made by hand, that go through the same judge as real ones.

use std::{borrow::Cow, collections::BTreeMap, path::Path, time::Duration};

use quarrel_checkers::{
    Certainty, Content, F, History, Key, Kind, Lsn, Object, Op, Probe, ProbePhase, Process, Reply,
    Site, Step, Time, Value, Verdict,
};
use quarrel_harness::{
    faults::{Fault, Receipt, Schedule},
    judge::judge_with,
    results::{LoadedRun, RunFolder, RunSettings, SCHEMA, VerdictFile},
};

/// The key that everything is about.
pub(crate) const KEY: u64 = 7;

/// An operation with its steps, in milliseconds.
pub(crate) struct Told {
    process: u64,
    f: F,
    version: u64,
    value: Value,
    from: u64,
    to: u64,
    steps: Vec<Step>,
}

pub(crate) fn write(process: u64, version: u64, value: &str, (from, to): (u64, u64)) -> Told {
    told(process, F::Write, version, value, (from, to))
}

pub(crate) fn read(process: u64, version: u64, value: &str, (from, to): (u64, u64)) -> Told {
    told(process, F::Read, version, value, (from, to))
}

fn told(process: u64, f: F, version: u64, value: &str, (from, to): (u64, u64)) -> Told {
    Told { process, f, version, value: Value::Text(value.into()), from, to, steps: Vec::new() }
}

impl Told {
    fn step(
        mut self,
        site: Site,
        verb: &'static str,
        (from, to): (u64, u64),
        reply: Reply,
    ) -> Self {
        self.steps.push(Step {
            operation: None,
            process: Process::Client(self.process),
            start: Time::from_millis(from),
            end: Some(Time::from_millis(to)),
            site,
            verb: Cow::Borrowed(verb),
            object: Some(Object::of(Key(KEY))),
            argument: None,
            reply,
            lsn: None,
        });
        self
    }

    fn last(&mut self) -> &mut Step {
        self.steps.last_mut().expect("a step was told")
    }

    fn row(&self) -> Content {
        Content::Row { value: self.value.clone(), version: self.version }
    }

    pub(crate) fn update(self, at: (u64, u64), lsn: u64) -> Self {
        let version = Some(self.version);
        let row = Content::Row { value: self.value.clone(), version: 0 };
        let mut told = self.step(Site::Primary, "UPDATE", at, Reply::Done { version });
        told.last().argument = Some(row);
        told.last().lsn = Some(Lsn(lsn));
        told
    }

    pub(crate) fn del(self, at: (u64, u64)) -> Self {
        self.step(Site::Cache, "DEL", at, Reply::Done { version: None })
    }

    pub(crate) fn miss(self, at: (u64, u64)) -> Self {
        self.step(Site::Cache, "GET", at, Reply::Miss)
    }

    pub(crate) fn hit(self, at: (u64, u64)) -> Self {
        let row = self.row();
        self.step(Site::Cache, "GET", at, Reply::Found(row))
    }

    /// Found in the client's own memory.
    pub(crate) fn near(self, at: (u64, u64)) -> Self {
        let row = self.row();
        self.step(Site::Client, "NEAR", at, Reply::Found(row))
    }

    /// A background agent deletes the entry, in no operation of a client.
    pub(crate) fn relayed(self, at: (u64, u64)) -> Self {
        let mut told = self.del(at);
        told.last().process = Process::Agent(0);
        told
    }

    /// The last step got no answer.
    pub(crate) fn failed(mut self) -> Self {
        self.last().reply =
            Reply::Failed { certainty: Certainty::Indefinite, error: "gone".into() };
        self
    }

    pub(crate) fn select_replica(self, at: (u64, u64), lsn: u64) -> Self {
        let row = self.row();
        let mut told = self.step(Site::Replica, "SELECT", at, Reply::Found(row));
        told.last().lsn = Some(Lsn(lsn));
        told
    }

    pub(crate) fn set(self, at: (u64, u64)) -> Self {
        let row = self.row();
        let mut told = self.step(Site::Cache, "SET", at, Reply::Done { version: None });
        told.last().argument = Some(row);
        told
    }
}

fn history(told: Vec<Told>) -> History {
    let mut edges: Vec<(u64, bool, usize)> = Vec::new();
    for (at, told) in told.iter().enumerate() {
        edges.extend([(told.from, false, at), (told.to, true, at)]);
    }
    edges.sort_unstable();
    let mut history = History::default();
    let mut invoked = vec![None; told.len()];
    for (ms, is_end, at) in edges {
        let Told { process, f, version, value, .. } = &told[at];
        let (time, process) = (Time::from_millis(ms), Process::Client(*process));
        let asked = if *f == F::Read { Value::Nil } else { value.clone() };
        let op = Op { f: f.clone(), key: Some(Key(KEY)), value: asked, version: None };
        if is_end {
            let op = Op { value: value.clone(), version: Some(*version), ..op };
            history.push(time, process, Kind::Ok, op, None);
        } else {
            invoked[at] = Some(history.invoke(time, process, op));
        }
    }
    for (told, invoke) in told.into_iter().zip(invoked) {
        let of_client = |step: &Step| matches!(step.process, Process::Client(_));
        let steps = told.steps.into_iter().map(|step| {
            let operation = invoke.filter(|_| of_client(&step));
            Step { operation, ..step }
        });
        history.steps.extend(steps);
    }
    history.steps.sort_by_key(|step| step.end);
    history
}

fn settings(faults: &[&str]) -> RunSettings {
    let drawn: Vec<Fault> = faults.iter().map(|fault| Fault::parse(fault).unwrap()).collect();
    RunSettings {
        schema: SCHEMA,
        began: "2026-03-01T08:00:00Z".to_owned(),
        strategy: "cache-aside".to_owned(),
        source: "workloads/src/strategies/cache_aside.rs".to_owned(),
        app: None,
        invalidation: None,
        cluster: "native".to_owned(),
        expect: "linearizable".to_owned(),
        seed: 42,
        workload: "register".to_owned(),
        clients: 4,
        keys: 1,
        skew: 0.0,
        reads: 0.8,
        arrivals: "closed".to_owned(),
        rate: None,
        time_ms: 200,
        settle_ms: 1000,
        timeout_ms: 1000,
        faults: faults.iter().map(|fault| (*fault).to_owned()).collect(),
        options: BTreeMap::from([("ttl".to_owned(), "3s".to_owned())]),
        given: Some(BTreeMap::new()),
        pauses: "on".to_owned(),
        schedule: Schedule::periodic(&drawn, Duration::from_millis(200), 42).to_string(),
    }
}

fn receipt(fault: &str) -> Receipt {
    Receipt {
        fault: fault.to_owned(),
        injected: Time::from_millis(10),
        observed: Some(Time::from_millis(12)),
        evidence: Some("the replica stood still".to_owned()),
        healed: Some(Time::from_millis(60)),
        recovered: None,
        errors: Vec::new(),
    }
}

pub(crate) fn run(folder: &Path, told: Vec<Told>, faults: &[&str]) -> (LoadedRun, VerdictFile) {
    let newest = told.iter().filter(|told| told.f == F::Write).max_by_key(|told| told.version);
    let newest = newest.map(|told| (told.value.clone(), told.version));
    let end = told.iter().map(|told| told.to).max().unwrap_or(0);
    let final_probe = |site| {
        let (value, version) = newest.clone()?;
        let (start, end) = (Time::from_millis(end + 1), Time::from_millis(end + 2));
        Some(Probe { start, end, site, key: Key(KEY), value, version, phase: ProbePhase::Final })
    };
    let name = "20260301T080000Z-cache-aside-9f3a".to_owned();
    let run = LoadedRun {
        folder: RunFolder { path: folder.join(&name), name, id: "9f3a".to_owned() },
        settings: settings(faults),
        history: history(told).into(),
        truncated: false,
        receipts: faults.iter().map(|fault| receipt(fault)).collect(),
        probes: [Site::Cache, Site::Replica, Site::Primary]
            .into_iter()
            .filter_map(final_probe)
            .collect(),
        failure: None,
    };
    let verdict = judge_with(&run, "linearizable".parse().expect("a guarantee"), Verdict::valid());
    (run, verdict)
}

/// The first failing run of every newcomer: a miss refills the cache from a
/// replica that is behind. `old` and `new` are the values.
pub(crate) fn refill(folder: &Path, old: &str, new: &str) -> (LoadedRun, VerdictFile) {
    let told = vec![
        write(0, 1, old, (0, 3)).update((0, 1), 0x39F8).del((2, 3)),
        read(1, 1, old, (20, 27)).miss((20, 21)).select_replica((24, 25), 0x39F8).set((26, 27)),
        write(0, 2, new, (21, 24)).update((21, 22), 0x3A10).del((23, 24)),
        read(2, 1, old, (139, 140)).hit((139, 140)),
        write(3, 3, "Alma", (150, 153)).update((150, 151), 0x3B00).del((151, 152)),
    ];
    run(folder, told, &["replica-lag=200ms"])
}

/// Reads and writes by turns, each as it should be, under no fault.
pub(crate) fn quiet(folder: &Path, rounds: u64) -> (LoadedRun, VerdictFile) {
    let mut told = Vec::new();
    for round in 0..rounds {
        let (at, version) = (round * 10, round + 1);
        let value = format!("value {version}");
        told.push(
            write(0, version, &value, (at, at + 3))
                .update((at, at + 1), version)
                .del((at + 2, at + 3)),
        );
        told.push(
            read(1, version, &value, (at + 4, at + 8))
                .miss((at + 4, at + 5))
                .select_replica((at + 5, at + 6), version)
                .set((at + 6, at + 7)),
        );
    }
    run(folder, told, &[])
}
