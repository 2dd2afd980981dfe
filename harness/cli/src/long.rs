//! How much memory and time a long storm takes, and what comes after it.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use clap::Args;
use jiff::Timestamp;
use quarrel_run::{
    results::RunFolder,
    run::Run,
    runner::{Arrivals, Progress, RunPhase},
};
use quarrel_strategy::{cluster::Cluster, record::Stop, stores::TimeLimits, strategy::Catalogue};
use serde::Serialize;

use super::{
    Failure,
    choose::{Choice, ExternalArgs, Wanted, start},
    keep::keep,
    output::{eprintln, println},
    run::{Prepared, duration, prepare, take_down},
    signals::stop_on_signals,
};

/// Measures what a long storm takes: memory, and the time to its verdict
#[derive(Args, Clone, Debug)]
pub(super) struct LongArgs {
    /// The run, in quotes, as after `quarrel run`; with --rate 0 as fast as it goes
    #[arg(value_name = "RUN", default_value = "cache-aside --fault replica-lag")]
    run: String,
    /// How many operations
    #[arg(long, default_value_t = 1_000_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    ops: u64,
    /// Where to run: auto, docker, native, external or sim
    #[arg(long, default_value = "sim", value_name = "KIND", value_parser = |t: &str| t.parse::<Choice>())]
    cluster: Choice,
    #[command(flatten)]
    external: ExternalArgs,
    /// Decides every draw
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    seed: u64,
    /// How long a client waits for a connection or an answer
    #[arg(long, default_value = "1s", value_name = "TIME", value_parser = duration)]
    timeout: Duration,
    /// Where results are kept
    #[arg(long, default_value = "results", value_name = "FOLDER", env = "QUARREL_RESULTS")]
    results: PathBuf,
    /// What to print: text or json
    #[arg(long, default_value = "text", value_name = "FORMAT", value_parser = ["text", "json"])]
    format: String,
}

/// A storm without a rate ends by its operations, long before this.
const LONGEST: Duration = Duration::from_secs(3_600);
/// How often the memory is looked at.
const EVERY: Duration = Duration::from_millis(100);
/// How many looks at the memory of a storm are told.
const TOLD: usize = 12;

/// What is measured one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Stage {
    Load,
    Storm,
    Settle,
    Judge,
    Write,
}

/// One of them.
#[derive(Clone, Debug, Serialize)]
struct Measured {
    stage: Stage,
    seconds: f64,
    peak_mb: u64,
}

/// What came of all of it.
#[derive(Clone, Debug, Serialize)]
struct Long {
    operations: u64,
    stages: Vec<Measured>,
    /// Seconds since the storm began, and MB.
    storm_mb: Vec<(f64, u64)>,
    /// Seconds from the end of the storm, settled, to the verdict.
    to_verdict: f64,
    /// From the verdict to the folder that says that it is complete.
    to_complete: f64,
}

pub(super) fn long(args: &LongArgs, catalogue: &Catalogue) -> Result<u8, Failure> {
    // How long it takes decides when faults strike; its rate says how long.
    let draft = prepare(&args.run, catalogue, LONGEST, args.seed)?;
    let time = match draft.plan.arrivals {
        Arrivals::Closed => LONGEST,
        Arrivals::Paced(rate) | Arrivals::Open(rate) => {
            Duration::from_secs_f64(args.ops as f64 / rate)
        }
    };
    let prepared = prepare(&args.run, catalogue, time, args.seed)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::environment)?;
    let long = runtime.block_on(measure(args, prepared, catalogue))?;
    print(args, &long)?;
    Ok(0)
}

async fn measure(
    args: &LongArgs,
    prepared: Prepared,
    catalogue: &Catalogue,
) -> Result<Long, Failure> {
    let stop = stop_on_signals().map_err(Failure::environment)?;
    let wanted = Wanted {
        external: args.external.clone(),
        choice: args.cluster,
        limits: TimeLimits { connect: args.timeout, call: args.timeout },
        seed: args.seed,
        clients: prepared.plan.clients,
    };
    let cluster: Arc<dyn Cluster> = Arc::from(start(&wanted).await?);
    let measured = on(args, prepared, catalogue, &cluster, stop).await;
    take_down(&*cluster).await;
    measured
}

async fn on(
    args: &LongArgs,
    prepared: Prepared,
    catalogue: &Catalogue,
    cluster: &Arc<dyn Cluster>,
    stop: Stop,
) -> Result<Long, Failure> {
    let Prepared { plan, settings, expect } = prepared;
    let folder = RunFolder::create(&args.results, &settings.strategy, Timestamp::now())?;
    eprintln!("run: {}", folder.path.display());
    let looks = Looks::start();
    let most = args.ops * 2;
    let tell = |progress: Progress| {
        looks.enter(match progress.phase {
            RunPhase::Load => Stage::Load,
            RunPhase::Storm => Stage::Storm,
            RunPhase::Heal | RunPhase::Final => Stage::Settle,
            RunPhase::Judge => Stage::Judge,
        });
        if progress.phase == RunPhase::Storm && progress.events >= most {
            stop.ask();
        }
    };
    let run = Run::planned(plan, settings, expect);
    let ran = run.in_folder(folder, cluster, stop.clone(), &tell).await?;
    looks.enter(Stage::Write);
    let operations = ran.run.history.event_count() as u64 / 2;
    keep(ran, &args.results, catalogue, None)?;
    Ok(looks.end(operations))
}

/// A look at the memory of this process.
#[derive(Clone, Copy, Debug)]
struct Look {
    stage: Stage,
    at: Instant,
    mb: u64,
}

/// Looks at the memory all the time.
struct Looks {
    all: Arc<Mutex<(Stage, Vec<Look>)>>,
    over: mpsc::Sender<()>,
    watcher: thread::JoinHandle<()>,
}

impl Looks {
    fn start() -> Self {
        let all = Arc::new(Mutex::new((Stage::Load, Vec::new())));
        let looks = Arc::clone(&all);
        let (over, ended) = mpsc::channel();
        let watcher = thread::spawn(move || {
            while ended.recv_timeout(EVERY) == Err(mpsc::RecvTimeoutError::Timeout) {
                look(&mut looks.lock().unwrap_or_else(PoisonError::into_inner));
            }
        });
        Self { all, over, watcher }
    }

    fn enter(&self, stage: Stage) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if all.0 != stage {
            // One look at each border, so that every stage has its times.
            look(&mut all);
            all.0 = stage;
            look(&mut all);
        }
    }

    fn end(self, operations: u64) -> Long {
        look(&mut self.all.lock().unwrap_or_else(PoisonError::into_inner));
        drop(self.over);
        // It looks at a file and cannot panic.
        drop(self.watcher.join());
        let looks = std::mem::take(&mut self.all.lock().unwrap_or_else(PoisonError::into_inner).1);
        let stages: Vec<Measured> = looks.chunk_by(|a, b| a.stage == b.stage).map(stage).collect();
        let seconds = |wanted: &[Stage]| {
            let of = stages.iter().filter(|measured| wanted.contains(&measured.stage));
            of.map(|measured| measured.seconds).sum()
        };
        let storm: Vec<&Look> = looks.iter().filter(|look| look.stage == Stage::Storm).collect();
        let told = storm.iter().step_by(storm.len().div_ceil(TOLD).max(1));
        Long {
            operations,
            storm_mb: told.map(|look| ((look.at - storm[0].at).as_secs_f64(), look.mb)).collect(),
            to_verdict: seconds(&[Stage::Judge]),
            to_complete: seconds(&[Stage::Write]),
            stages,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn look((stage, looks): &mut (Stage, Vec<Look>)) {
    looks.push(Look { stage: *stage, at: Instant::now(), mb: resident().unwrap_or(0) });
}

fn stage(looks: &[Look]) -> Measured {
    let (first, last) = (looks[0], looks[looks.len() - 1]);
    Measured {
        stage: first.stage,
        seconds: (last.at - first.at).as_secs_f64(),
        peak_mb: looks.iter().map(|look| look.mb).max().unwrap_or(0),
    }
}

/// What this process holds in memory, in MB, as Linux counts it.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kb: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kb >> 10)
}

fn print(args: &LongArgs, long: &Long) -> Result<(), Failure> {
    if args.format == "json" {
        println!("{}", serde_json::to_string_pretty(long).map_err(Failure::bug)?);
        return Ok(());
    }
    println!("{} operations of {}", long.operations, args.run);
    for Measured { stage, seconds, peak_mb } in &long.stages {
        let stage = format!("{stage:?}").to_lowercase();
        println!("  {stage:<7} {seconds:>8.1} s, at most {peak_mb:>5} MB");
    }
    let memory: Vec<_> =
        long.storm_mb.iter().map(|(at, mb)| format!("{mb} MB at {at:.0} s")).collect();
    println!("storming: {}", memory.join(", "));
    println!(
        "from the end of the storm to the verdict {:.1} s, from there to COMPLETE {:.1} s",
        long.to_verdict, long.to_complete
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_has_its_time_and_its_peak() {
        let looks = Looks::start();
        for stage in [Stage::Storm, Stage::Settle, Stage::Judge, Stage::Write] {
            looks.enter(stage);
            for _ in 0..10 {
                assert!(resident().is_some_and(|mb| mb > 0));
            }
        }
        let long = looks.end(7);
        let stages: Vec<_> = long.stages.iter().map(|measured| measured.stage).collect();
        assert_eq!(stages.last(), Some(&Stage::Write));
        assert!(stages.contains(&Stage::Storm) && long.storm_mb.len() <= TOLD);
        assert!(long.to_verdict > 0.0 && long.to_complete > 0.0, "{long:?}");
    }
}
