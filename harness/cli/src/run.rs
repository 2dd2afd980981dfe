use std::{path::PathBuf, sync::Arc, time::Duration};

use clap::{ArgMatches, Args, Command, FromArgMatches as _};
use jiff::Timestamp;
use quarrel_app::Reading;
use quarrel_report::report::{Ink, Width, ci::tell_github, summary, write_files};
use quarrel_run::{
    faults::{Fault, ParseScheduleError, Schedule},
    judge::Expectation,
    results::{FormError, LoadedRun, RunFolder, RunOutcome, RunSettings, SCHEMA, VerdictFile},
    run::{Ran, Run},
    runner::{Arrivals, Pauses, Plan, Progress, Skew, Unloaded},
};
use quarrel_strategy::{
    cluster::{Cluster, ClusterKind},
    record::Stop,
    stores::TimeLimits,
    strategy::{Catalogue, WorkloadEntry, parse_duration},
};

use super::output::{self, eprint, eprintln, print};
use super::{
    Failure,
    choose::{Choice, ExternalArgs, Wanted, start, unless_stopped},
    descriptors::enough_descriptors,
    gatekeeper::{Gatekeeper, GatekeeperArgs},
    keep::keep,
    options::{flags, given},
    partition::PartitionArgs,
    profile,
    signals::stop_on_signals,
    subject::{Subject, announce},
    watch::Watch,
};

mod many;

pub(super) use many::{Prepared, makes_sense, one_of_many, prepare};

#[derive(Args, Clone, Debug)]
pub(super) struct RunArgs {
    /// The strategy; `quarrel strategies` lists them
    #[arg(required_unless_present_any = ["app", "profile"])]
    strategy: Option<String>,
    /// Several runs, as this profile of the project's quarrel.toml says; flags given beside it hold for all of them
    #[arg(long, value_name = "NAME", conflicts_with_all = ["strategy", "app"])]
    profile: Option<String>,
    /// An application in place of a strategy: its app.toml. The commands in it are run: read a file that is not yours first
    #[arg(long, value_name = "FILE", conflicts_with = "strategy")]
    app: Option<PathBuf>,
    /// A fault, such as replica-lag, replica-lag=20ms..200ms,via=link or redis-cut; may be repeated
    #[arg(long = "fault", value_name = "FAULT", value_parser = Fault::parse)]
    pub(super) faults: Vec<Fault>,
    /// A schedule of faults to follow instead: a file of lines such as `t=1s inject redis-cut`, or the run.toml of a run
    #[arg(long, value_name = "FILE", conflicts_with = "faults")]
    schedule: Option<PathBuf>,
    /// How long the storm lasts
    #[arg(long, default_value = "10s", value_name = "TIME", value_parser = duration)]
    pub(super) time: Duration,
    /// How many clients at once [default: 16; 8 of an application, each with an instance of its own]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    clients: Option<u64>,
    /// What clients do; `quarrel workloads` lists what there is
    #[arg(long, default_value = "register", value_name = "NAME")]
    workload: String,
    /// How many keys [default: the workload's, 20 for register]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    keys: Option<u64>,
    /// How unevenly keys are chosen: the exponent of Zipf's law, 0 for evenly [default: the workload's, 0.8 for register]
    #[arg(long, value_name = "EXPONENT")]
    skew: Option<f64>,
    /// The share of reads among operations, between 0 and 1 [default: the workload's, 0.8 for register]
    #[arg(long, value_name = "SHARE")]
    reads: Option<f64>,
    /// Operations a second, all clients together; 0 for as many as they can
    #[arg(long, default_value_t = 2000.0, value_name = "N")]
    rate: f64,
    /// Operations arrive at --rate whether or not earlier ones have ended
    #[arg(long)]
    open: bool,
    /// Let clients stand still for a few milliseconds between two steps now and then, where races lie: on or off (to measure times)
    #[arg(long, default_value = "on", value_name = "WORD", value_parser = |t: &str| t.parse::<Pauses>())]
    pauses: Pauses,
    /// Decides every draw; a random one is taken, and printed, if none is given
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// The guarantee to hold the run to: linearizable, sequential, read-your-writes, monotonic-reads, bounded=TIME or eventual
    #[arg(long, default_value = "linearizable", value_name = "GUARANTEE", value_parser = |t: &str| t.parse::<Expectation>())]
    expect: Expectation,
    /// How long a client waits for a connection or an answer
    #[arg(long, default_value = "1s", value_name = "TIME", value_parser = duration)]
    timeout: Duration,
    /// The longest wait, in the end, for primary, replica and cache to agree
    #[arg(long, default_value = "10s", value_name = "TIME", value_parser = duration)]
    settle: Duration,
    /// Where to run it: auto, docker, native, external or sim
    #[arg(long, default_value = "auto", value_name = "KIND", value_parser = |t: &str| t.parse::<Choice>())]
    cluster: Choice,
    #[command(flatten)]
    external: ExternalArgs,
    /// Keep and print tokens for what an application's rows, statements, headers and messages hold, from the first moment on
    #[arg(long)]
    redact: bool,
    #[command(flatten)]
    split: PartitionArgs,
    /// Where results are kept
    #[arg(long, default_value = "results", value_name = "FOLDER", env = "QUARREL_RESULTS")]
    results: PathBuf,
    /// What to print: text or json
    #[arg(long, default_value = "text", value_name = "FORMAT", value_parser = ["text", "json"])]
    format: String,
    #[command(flatten)]
    gatekeeper: GatekeeperArgs,
    /// Whether its verdict is one of several that are told together.
    #[arg(skip)]
    is_one_of_many: bool,
}

/// The subcommand, with a flag for every option that some strategy takes.
pub(super) fn command(catalogue: &Catalogue) -> Command {
    RunArgs::augment_args(Command::new("run")).args(flags(catalogue))
}

pub(super) fn run(matches: &ArgMatches, catalogue: &Catalogue) -> Result<u8, Failure> {
    let args = RunArgs::from_arg_matches(matches).map_err(Failure::usage)?;
    match &args.profile {
        Some(name) => profile::run(name, &args.format, matches, catalogue),
        None if args.split.partition.is_some() => Err(Failure::usage(
            "--partition splits the runs of a --profile; a single run is one storm",
        )),
        None => Ok(storms(&args, matches, catalogue)?.code),
    }
}

/// What came of a run.
pub(super) struct Ended {
    pub(super) code: u8,
    /// None of one that was stopped before it had begun.
    pub(super) verdict: Option<VerdictFile>,
}

/// A run, begun again as often as its environment fails and `--retries` allows.
fn storms(args: &RunArgs, matches: &ArgMatches, catalogue: &Catalogue) -> Result<Ended, Failure> {
    if args.redact {
        output::redact();
    }
    let subject = subject(args, matches, catalogue)?;
    subject.suits(&args.faults)?;
    let seed = args.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    let workload = catalogue.workload(&args.workload).map_err(Failure::usage)?;
    let keeper = args.gatekeeper.gatekeeper(args.settle)?;
    eprintln!("seed: {seed}");
    if args.cluster != Choice::Kind(ClusterKind::Sim) {
        enough_descriptors(args.clients.unwrap_or(subject.clients()))?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::environment)?;
    for attempt in 0.. {
        let subject = subject.anew();
        let plan = plan(args, &subject, workload, seed)?;
        if attempt == 0 {
            for step in plan.schedule.to_string().lines().skip(1) {
                eprintln!("schedule: {step}");
            }
        }
        let settings = settings(args, &subject, &plan);
        let ran = run_on_cluster(args, &subject, plan, settings, &keeper, catalogue);
        match runtime.block_on(ran) {
            Ok(Ended { code: 4, .. }) if attempt < args.gatekeeper.retries && !keeper.is_over() => {
                eprintln!("the environment failed, once more");
            }
            // Never a verdict: a violation that is tried again until it is not
            // seen has happened all the same.
            Err(failure)
                if failure.is_environment()
                    && attempt < args.gatekeeper.retries
                    && !keeper.is_over() =>
            {
                eprintln!("the environment failed, once more: {}", failure.message);
            }
            done => return done,
        }
    }
    unreachable!("the last attempt returns")
}

/// What the command line names: a strategy with its options, or an application,
/// whose file is told before anything of it runs.
fn subject<'a>(
    args: &RunArgs,
    matches: &ArgMatches,
    catalogue: &'a Catalogue,
) -> Result<Subject<'a>, Failure> {
    let subject = subject_unannounced(args, matches, catalogue)?;
    if let Some(file) = &args.app {
        announce(file);
    }
    Ok(subject)
}

/// The same, of which nothing is run.
fn subject_unannounced<'a>(
    args: &RunArgs,
    matches: &ArgMatches,
    catalogue: &'a Catalogue,
) -> Result<Subject<'a>, Failure> {
    if let Some(file) = &args.app {
        if args.workload != "register" {
            let why = format!(
                "--workload {}: an application takes reads and writes of one row, which is register",
                args.workload
            );
            return Err(Failure::usage(why));
        }
        return Subject::app(file);
    }
    let name = args.strategy.as_deref().unwrap_or_default();
    let entry = catalogue.strategy(name).map_err(Failure::usage)?;
    Ok(Subject::Strategy(entry, given(matches, catalogue, entry)?))
}

pub(super) fn plan(
    args: &RunArgs,
    subject: &Subject<'_>,
    workload: &WorkloadEntry,
    seed: u64,
) -> Result<Plan, Failure> {
    let reads = args.reads.unwrap_or(workload.reads);
    if !(0.0..=1.0).contains(&reads) {
        return Err(Failure::usage(format!("--reads {reads}: expected a share from 0 to 1")));
    }
    let skew = args.skew.unwrap_or(workload.skew.0);
    if !(0.0..=10.0).contains(&skew) {
        return Err(Failure::usage(format!("--skew {skew}: expected 0 to 10")));
    }
    let arrivals = if args.rate == 0.0 {
        Arrivals::Closed
    } else if args.rate > 0.0 && args.rate.is_finite() {
        if args.open { Arrivals::Open(args.rate) } else { Arrivals::Paced(args.rate) }
    } else {
        return Err(Failure::usage(format!("--rate {}: expected 0 or more", args.rate)));
    };
    Ok(Plan {
        strategy: subject.build()?,
        workload: (workload.build)(),
        clients: args.clients.unwrap_or(subject.clients()),
        keys: args.keys.unwrap_or(workload.keys),
        first_key: 0,
        skew: Skew(skew),
        read_share: reads,
        arrivals,
        time: args.time,
        seed,
        pauses: args.pauses,
        schedule: schedule(args, seed)?,
        settle: args.settle,
        deadline: Some(args.timeout * 5),
        probe_every: Duration::from_millis(20),
    })
}

/// The schedule that was given, or bouts of the faults drawn from the seed.
fn schedule(args: &RunArgs, seed: u64) -> Result<Schedule, Failure> {
    let Some(path) = &args.schedule else {
        return Ok(Schedule::periodic(&args.faults, args.time, seed));
    };
    let mut text = std::fs::read_to_string(path).map_err(|error| Failure::reading(path, &error))?;
    let mut place = path.display().to_string();
    if path.extension().is_some_and(|extension| extension == "toml") {
        let settings: RunSettings =
            toml::from_str(&text).map_err(|error| FormError::toml(path, &text, &error))?;
        text = settings.schedule;
        place.push_str(", schedule");
    }
    text.parse()
        .map_err(|error: ParseScheduleError| Failure::bad_input(format!("{place}, {error}")))
}

pub(super) fn settings(args: &RunArgs, subject: &Subject<'_>, plan: &Plan) -> RunSettings {
    let arrivals = match (args.rate == 0.0, args.open) {
        (true, _) => "closed",
        (false, false) => "paced",
        (false, true) => "open",
    };
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut settings = RunSettings {
        schema: SCHEMA,
        began: Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        strategy: String::new(),
        source: String::new(),
        app: None,
        invalidation: Some(plan.strategy.invalidation()),
        cluster: String::new(),
        expect: args.expect.to_string(),
        seed: plan.seed,
        workload: args.workload.clone(),
        clients: plan.clients,
        keys: plan.keys,
        skew: plan.skew.0,
        reads: plan.read_share,
        arrivals: arrivals.to_owned(),
        rate: (args.rate > 0.0).then_some(args.rate),
        time_ms: millis(args.time),
        settle_ms: millis(args.settle),
        timeout_ms: millis(args.timeout),
        faults: faults(args, &plan.schedule),
        options: std::collections::BTreeMap::new(),
        given: None,
        pauses: plan.pauses.to_string(),
        schedule: plan.schedule.to_string(),
    };
    subject.describe(&mut settings);
    settings
}

async fn run_on_cluster(
    args: &RunArgs,
    subject: &Subject<'_>,
    plan: Plan,
    mut settings: RunSettings,
    keeper: &Gatekeeper,
    catalogue: &Catalogue,
) -> Result<Ended, Failure> {
    let never_begun = || Ok(Ended { code: keeper.never_begun()?, verdict: None });
    let stop = stop_on_signals().map_err(Failure::environment)?;
    keeper.watch(&stop);
    let wanted = Wanted {
        external: args.external.clone(),
        choice: args.cluster,
        limits: TimeLimits { connect: args.timeout, call: args.timeout },
        seed: plan.seed,
        clients: plan.clients,
    };
    let up = async {
        subject.on(start(&wanted).await?, plan.clients, plan.seed, Reading::Messages).await
    };
    let cluster: Option<Arc<dyn Cluster>> = unless_stopped(&stop, args.cluster, up).await?;
    let Some(cluster) = cluster else { return never_begun() };
    // The wish to stop may have come in the moment in which it came up.
    if stop.asked() {
        take_down(&*cluster).await;
        return never_begun();
    }
    settings.cluster = cluster.kind().to_string();
    let mut plan = plan;
    if cluster.kind() == ClusterKind::Sim {
        // The simulator ends every call, and real time means nothing to it.
        plan.deadline = None;
    }
    let judged = storm_and_judge(args, plan, &settings, &cluster, stop, keeper, catalogue)
        .await
        .map(|verdict| {
            let (code, told) = keeper.exit_code(&verdict);
            // Standard output is one document where a program reads it.
            match args.format.as_str() {
                "json" => eprint!("{told}"),
                _ => print!("{told}"),
            }
            Ended { code, verdict: Some(verdict) }
        });
    // The verdict stands, whatever the teardown says.
    match keeper.gone_until() {
        None => take_down(&*cluster).await,
        Some(until) => {
            if tokio::time::timeout_at(until, take_down(&*cluster)).await.is_err() {
                eprintln!("budget: what is left of the cluster is removed when this ends");
            }
        }
    }
    judged
}

/// The faults of a run, as on the command line: with a schedule, each that it
/// injects.
fn faults(args: &RunArgs, schedule: &Schedule) -> Vec<String> {
    if args.schedule.is_none() {
        return args.faults.iter().map(ToString::to_string).collect();
    }
    let mut faults: Vec<_> = schedule.steps.iter().map(|step| step.fault.to_string()).collect();
    faults.sort_unstable();
    faults.dedup();
    faults
}

pub(super) async fn take_down(cluster: &dyn Cluster) {
    let left = cluster.down().await;
    if !left.is_empty() {
        eprintln!("could not remove everything: {}", left.join("; "));
    }
}

async fn storm_and_judge(
    args: &RunArgs,
    plan: Plan,
    settings: &RunSettings,
    cluster: &Arc<dyn Cluster>,
    stop: Stop,
    keeper: &Gatekeeper,
    catalogue: &Catalogue,
) -> Result<VerdictFile, Failure> {
    let folder = RunFolder::create(&args.results, &settings.strategy, Timestamp::now())?;
    output::tell_folder(&folder.path);
    let watch = Watch::new();
    let tell = |progress| watch.tell(progress);
    let run = Run::planned(plan, settings.clone(), args.expect);
    let run = run.judged_until(keeper.judged_until());
    let run = if args.redact { run.redacted() } else { run };
    let ran = run.in_folder(folder, cluster, stop, &tell).await;
    watch.end();
    let ran = ran?;
    warn_of_unloaded(&ran.unloaded);
    // Before anything else is written: that takes time, and may fail.
    print(args, &ran.run, &ran.verdict)?;
    let folder = ran.run.folder.path.display().to_string();
    let mut verdict = ran.verdict.clone();
    if let Err(failure) = keep(ran, &args.results, catalogue, keeper.written_until()) {
        eprintln!("the run could not be kept whole in {folder}: {}", failure.message);
        // It convicts by what was seen; to acquit, somebody must be able to look.
        if verdict.outcome != RunOutcome::Violated {
            verdict.outcome = RunOutcome::Environment;
        }
    }
    Ok(verdict)
}

/// A run that was judged, and whether its folder holds all of it.
pub(super) struct Conducted {
    pub(super) run: LoadedRun,
    pub(super) verdict: VerdictFile,
    pub(super) kept: Result<(), Failure>,
}

/// Storms, judges, and leaves everything in `folder` but the word that it is
/// complete.
pub(super) async fn conduct(
    args: &RunArgs,
    folder: RunFolder,
    plan: Plan,
    settings: &RunSettings,
    cluster: &Arc<dyn Cluster>,
    stop: Stop,
    tell: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Conducted, Failure> {
    let run = Run::planned(plan, settings.clone(), args.expect);
    // It is held until all of it is written.
    let ran = run.in_folder(folder, cluster, stop, tell).await?;
    let Ran { run, verdict, unloaded, kept, .. } = ran;
    warn_of_unloaded(&unloaded);
    let kept =
        kept.map_err(Failure::from).and_then(|()| Ok(write_files(&run, &verdict).map(drop)?));
    Ok(Conducted { run, verdict, kept })
}

/// Says which keys began without a value, and what that means.
pub(super) fn warn_of_unloaded(unloaded: &[Unloaded]) {
    let Some(first) = unloaded.first() else { return };
    let keys: Vec<_> = unloaded.iter().map(|unloaded| unloaded.key.to_string()).collect();
    eprintln!(
        "warning: no first value could be written under key {}: {}\n  \
         they are absent until a client writes them; if the servers are slow, try a longer --timeout",
        keys.join(", "),
        first.why
    );
}

fn print(args: &RunArgs, run: &LoadedRun, verdict: &VerdictFile) -> Result<(), Failure> {
    let annotation = tell_github(run, verdict);
    if args.format == "json" && args.is_one_of_many {
        return Ok(());
    }
    if args.format == "json" {
        let json = serde_json::to_string_pretty(verdict).map_err(Failure::bug)?;
        output::print_own(&format!("{json}\n"));
        return Ok(());
    }
    if let Some(annotation) = annotation {
        output::print_own(&format!("{annotation}\n"));
    }
    output::print_own(&summary(run, verdict, Ink::colours(), Width::of_terminal()));
    Ok(())
}

/// Returns when a stop was asked for.
pub(super) async fn asked(stop: &Stop) {
    while !stop.asked() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text)
        .ok_or_else(|| format!("`{text}` is not a duration such as 500ms, 10s or 2m"))
}
