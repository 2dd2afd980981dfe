use std::{
    io::IsTerminal as _,
    path::Path,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use jiff::Timestamp;
use quarrel_report::report::write_files;
use quarrel_run::{
    detection::{
        Charge, DetectionRow, ExpectedVerdict, Pair, Table, Trial, conviction, is_convicted,
    },
    faults::Receipt,
    judge::judge_run,
    results::{
        Journal, LoadedRun, RunFolder, VerdictFile, append_to_index, write_json, write_text,
    },
    run::save,
    runner::{StormOutcome, storm},
};
use quarrel_sim::SimCluster;
use quarrel_strategy::{
    cluster::{Cluster, ClusterKind},
    record::{Recorder, Stop},
    stores::TimeLimits,
    strategy::{Catalogue, Workload},
};

use super::{
    Failure,
    bench::DetectionArgs,
    choose::{Choice, Wanted, start, unless_stopped},
    run::{self, Prepared, take_down, warn_of_unloaded},
    signals::stop_on_signals,
    watch::Watch,
    words::as_given,
};
use crate::output::eprintln;

/// When a storm of a broken pair is first looked at, whether it has convicted
/// already; each further look is after twice the time, so that all of them
/// together cost little.
const FIRST_LOOK: Duration = Duration::from_millis(250);
/// How often a wish to stop is looked for.
const HEED: Duration = Duration::from_millis(20);

/// What was measured.
pub(super) struct Measured {
    pub(super) table: Table,
    /// Whether every storm ran.
    pub(super) is_complete: bool,
    /// The name of the folder with the table.
    pub(super) folder: String,
}

pub(super) fn measure(
    args: &DetectionArgs,
    pairs: Vec<Pair>,
    catalogue: &Catalogue,
) -> Result<Measured, Failure> {
    // Words that make no sense are found now, not after half an hour.
    for pair in &pairs {
        let prepared = run::prepare(&pair.run, catalogue, args.time, args.seed)?;
        if !prepared.expect.is_kept_by_prefixes() {
            let why = format!(
                "`{}`: --expect {} is not decided by what clients saw up to some moment",
                pair.run, prepared.expect
            );
            return Err(Failure::usage(why));
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::environment)?;
    runtime.block_on(async {
        let stop = stop_on_signals().map_err(Failure::environment)?;
        let mut bench = Bench { args, catalogue, stop, ground: None, kind: None, next_key: 0 };
        let measured = bench.all(pairs).await;
        // The table stands, whatever the teardown says.
        bench.leave().await;
        measured
    })
}

/// Storms one after the other, on one cluster where that is possible.
struct Bench<'a> {
    args: &'a DetectionArgs,
    catalogue: &'a Catalogue,
    /// Somebody wants to stop.
    stop: Stop,
    ground: Option<Arc<dyn Cluster>>,
    /// The kind of cluster, once it is known.
    kind: Option<ClusterKind>,
    /// No storm has used this key or a later one.
    next_key: u64,
}

impl Bench<'_> {
    async fn all(&mut self, pairs: Vec<Pair>) -> Result<Measured, Failure> {
        let folder = RunFolder::create(&self.args.results, "detection", Timestamp::now())?;
        eprintln!("results: {}", folder.path.display());
        let count = pairs.len() as u64 * self.args.seeds;
        let mut table = self.table();
        let mut done = 0;
        for pair in pairs {
            table.rows.push(DetectionRow { pair: pair.clone(), trials: Vec::new() });
            for seed in (self.args.seed..).take(usize::try_from(self.args.seeds).unwrap_or(0)) {
                let Some(trial) = self.trial(&pair, seed).await? else {
                    table.rows.retain(|row| !row.trials.is_empty());
                    keep(&folder, &table)?;
                    return Ok(Measured { table, is_complete: false, folder: folder.name });
                };
                done += 1;
                eprintln!("[{done}/{count}] {}, seed {seed}: {}", pair.run, told(&trial));
                table.cluster = self.kind.map_or_else(String::new, |kind| kind.to_string());
                if let Some(row) = table.rows.last_mut() {
                    row.trials.push(trial);
                }
                // A bench that is killed leaves what it has measured.
                keep(&folder, &table)?;
            }
        }
        // Also of no pair at all.
        keep(&folder, &table)?;
        Ok(Measured { table, is_complete: true, folder: folder.name })
    }

    fn table(&self) -> Table {
        Table {
            schema: Table::SCHEMA,
            began: Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            command: as_given(),
            cluster: String::new(),
            time_ms: u64::try_from(self.args.time.as_millis()).unwrap_or(u64::MAX),
            seeds: self.args.seeds,
            rows: Vec::new(),
        }
    }

    /// One storm; none if somebody wants to stop.
    async fn trial(&mut self, pair: &Pair, seed: u64) -> Result<Option<Trial>, Failure> {
        let Some(cluster) = self.cluster(seed).await? else { return Ok(None) };
        let mut prepared = run::prepare(&pair.run, self.catalogue, self.args.time, seed)?;
        prepared.settings.cluster = cluster.kind().to_string();
        prepared.plan.first_key = self.next_key;
        // Workloads may pair neighbours, from an even key on.
        self.next_key += prepared.plan.keys.next_multiple_of(2);
        if cluster.kind() == ClusterKind::Sim {
            prepared.plan.deadline = None;
        }
        if pair.expected == ExpectedVerdict::Convicted {
            // What the stores come to is no part of a conviction.
            prepared.plan.settle = Duration::ZERO;
        }
        let charge = Charge {
            guarantee: prepared.expect.guarantee,
            cause: pair.cause,
            by: Some(prepared.plan.strategy.invalidation()),
        };
        let (outcome, recorder) = self.storm(&cluster, &prepared, charge, pair.expected).await?;
        if self.stop.asked() {
            return Ok(None);
        }
        if let Some(failure) = &outcome.failure {
            return Err(Failure::environment(failure));
        }
        warn_of_unloaded(&outcome.unloaded);
        let judged = Judged::of(prepared, charge, &outcome, recorder);
        let mut trial = judged.trial(seed, &outcome);
        let expected = match pair.expected {
            ExpectedVerdict::Convicted => trial.conviction.is_some(),
            ExpectedVerdict::Acquitted => trial.outcome.is_held(),
        };
        if !expected {
            trial.kept = Some(judged.keep(&self.args.results, &outcome, &*cluster).await?);
        }
        if !outcome.receipts.iter().all(is_over) {
            self.leave().await;
        }
        Ok(Some(trial))
    }

    /// The cluster of the last storm if it can be used again, else a new one.
    async fn cluster(&mut self, seed: u64) -> Result<Option<Arc<dyn Cluster>>, Failure> {
        if self.kind == Some(ClusterKind::Sim) {
            // Nothing costs less, and each seed begins alike.
            self.next_key = 0;
            return Ok((!self.stop.asked()).then(|| Arc::new(SimCluster::new(seed)) as _));
        }
        if self.ground.is_none() {
            let wanted = Wanted {
                external: self.args.external.clone(),
                choice: self.kind.map_or(self.args.cluster, Choice::Kind),
                limits: TimeLimits { connect: self.args.timeout, call: self.args.timeout },
                seed,
                clients: 16,
            };
            let started = unless_stopped(&self.stop, wanted.choice, start(&wanted)).await?;
            let Some(started) = started else { return Ok(None) };
            self.kind = Some(started.kind());
            self.ground = Some(Arc::from(started));
        }
        if self.stop.asked() {
            return Ok(None);
        }
        Ok(self.ground.clone())
    }

    async fn leave(&mut self) {
        if let Some(cluster) = self.ground.take() {
            take_down(&*cluster).await;
        }
    }

    async fn storm(
        &self,
        cluster: &Arc<dyn Cluster>,
        prepared: &Prepared,
        charge: Charge,
        expected: ExpectedVerdict,
    ) -> Result<(StormOutcome, Arc<Recorder>), Failure> {
        let recorder = Arc::new(Recorder::new(cluster.clock()));
        let over = Stop::default();
        let is_real = cluster.kind() != ClusterKind::Sim;
        let guard = Guard::start(
            Look {
                recorder: Arc::clone(&recorder),
                workload: Arc::clone(&prepared.plan.workload),
                charge,
                asked: self.stop.clone(),
                over: over.clone(),
            },
            // Simulated time is not worth saving.
            (is_real && expected == ExpectedVerdict::Convicted).then_some(FIRST_LOOK),
        );
        let watch = std::io::stderr().is_terminal().then(Watch::new);
        let tell = |progress| watch.iter().for_each(|watch: &Watch| watch.tell(progress));
        let mut ended = None;
        let plan = prepared.plan.clone();
        let (ground, records) = (Arc::clone(cluster), Arc::clone(&recorder));
        let work = Box::pin(async {
            ended = Some(storm(ground, plan, records, None, over, &tell).await);
        });
        let driven = cluster.drive(work).await;
        watch.iter().for_each(Watch::end);
        guard.end();
        driven?;
        let ended = ended.ok_or_else(|| Failure::bug("the storm did not end"))?;
        Ok((ended.map_err(Failure::environment)?, recorder))
    }
}

/// What a storm left behind, and what it comes to.
struct Judged {
    run: LoadedRun,
    verdict: VerdictFile,
    prepared: Prepared,
    charge: Charge,
    recorder: Arc<Recorder>,
}

impl Judged {
    fn of(
        prepared: Prepared,
        charge: Charge,
        outcome: &StormOutcome,
        recorder: Arc<Recorder>,
    ) -> Self {
        // It gets a folder only if it is kept.
        let folder =
            RunFolder { path: Path::new("").into(), name: String::new(), id: String::new() };
        let run = LoadedRun {
            folder,
            settings: prepared.settings.clone(),
            history: recorder.history().into(),
            truncated: false,
            receipts: outcome.receipts.clone(),
            probes: outcome.probes.clone(),
            failure: outcome.failure.clone(),
        };
        let verdict = judge_run(&run, prepared.expect, &*prepared.plan.workload);
        Self { run, verdict, prepared, charge, recorder }
    }

    fn trial(&self, seed: u64, outcome: &StormOutcome) -> Trial {
        let charge = self.charge;
        let workload = &*self.prepared.plan.workload;
        let began = outcome.storm_began;
        Trial {
            seed,
            outcome: self.verdict.outcome,
            reason: self.verdict.reason.clone(),
            conviction: conviction(&self.recorder.history(), charge, workload, began),
            reads_at_risk: self.verdict.metrics.reads_at_risk,
            faults: self.verdict.fault_count,
            kept: None,
        }
    }

    /// Keeps it as a run like any other; its name.
    async fn keep(
        mut self,
        results: &Path,
        outcome: &StormOutcome,
        cluster: &dyn Cluster,
    ) -> Result<String, Failure> {
        let settings = &self.run.settings;
        let folder = RunFolder::create(results, &settings.strategy, Timestamp::now())?;
        let toml = toml::to_string_pretty(settings).map_err(Failure::bug)?;
        write_text(&folder.file(RunFolder::SETTINGS), &toml)?;
        let pieces: std::collections::BTreeMap<_, _> = cluster.pieces().into_iter().collect();
        write_json(&folder.file(RunFolder::ENVIRONMENT), &pieces)?;
        Journal::start(&folder.file(RunFolder::HISTORY), self.recorder)
            .and_then(Journal::finish)
            .map_err(Failure::environment)?;
        save(&folder, outcome, cluster).await?;
        self.run.folder = folder;
        self.verdict.run = self.run.folder.name.clone();
        write_files(&self.run, &self.verdict)?;
        append_to_index(results, &self.run.folder, &self.verdict)?;
        write_text(&self.run.folder.file("COMPLETE"), "")?;
        Ok(self.verdict.run)
    }
}

/// Whether nothing of a fault is left.
fn is_over(receipt: &Receipt) -> bool {
    receipt.errors.is_empty() && receipt.healed.is_some()
}

fn told(trial: &Trial) -> String {
    let kept = trial.kept.as_ref().map_or_else(String::new, |run| format!("; kept as {run}"));
    let Some(found) = &trial.conviction else {
        return format!("{}: {}{kept}", trial.outcome, trial.reason);
    };
    let class = found.class.map_or_else(String::new, |class| format!(" of {class}"));
    let cause = found.cause.map_or_else(String::new, |cause| format!(", {cause}"));
    format!("convicted{class} after {:.2} s{cause}{kept}", found.after.as_secs_f64())
}

/// The name of a table's file in its folder.
pub(super) const TABLE_FILE: &str = "detection.json";

pub(super) fn keep(folder: &RunFolder, table: &Table) -> Result<(), Failure> {
    write_json(&folder.file(TABLE_FILE), table)?;
    write_text(&folder.file("detection.md"), &table.markdown())?;
    Ok(())
}

/// What a guard looks at.
struct Look {
    recorder: Arc<Recorder>,
    workload: Arc<dyn Workload>,
    charge: Charge,
    /// Somebody wants everything to stop.
    asked: Stop,
    /// Stops this storm.
    over: Stop,
}

/// Stops a storm that has shown what it was to show, or that nobody wants any
/// more. A thread of its own: judging must not stand in the way of clients.
struct Guard {
    end: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

impl Guard {
    fn start(look: Look, first: Option<Duration>) -> Self {
        let (end, ended) = mpsc::channel();
        let thread = thread::spawn(move || {
            let began = look.recorder.now();
            let mut next = first;
            while ended.recv_timeout(HEED) == Err(mpsc::RecvTimeoutError::Timeout) {
                let due = next.is_some_and(|next| look.recorder.now().since(began) >= next);
                if look.asked.asked() || (due && look.has_convicted()) {
                    return look.over.ask();
                }
                if due {
                    next = next.map(|next| next * 2);
                }
            }
        });
        Self { end, thread }
    }

    fn end(self) {
        // A guard that has stopped its storm listens no more.
        let _ = self.end.send(());
        if self.thread.join().is_err() {
            tracing::warn!("the guard of a storm panicked; the storm ran to its end");
        }
    }
}

impl Look {
    fn has_convicted(&self) -> bool {
        is_convicted(&self.recorder.history(), self.charge, &*self.workload)
    }
}
