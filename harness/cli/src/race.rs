use std::{
    io::{BufRead as _, Write as _},
    path::{Path, PathBuf},
};

use clap::Args;
use quarrel_app::AppRace;
use quarrel_checkers::{Evidence, RunOutcome, Stake, Validity};
use quarrel_explore::race::{ParseRaceError, Race, Told};
use quarrel_report::report::Ink;
use quarrel_run::{
    judge::judge_run,
    results::{FormError, RunFolder, find_run},
};
use quarrel_strategy::{cluster::ClusterKind, strategy::Catalogue};
use serde_json::json;

use super::output::{self, eprintln, print, println};
use super::{
    Failure, app_explore,
    choose::{Choice, ExternalArgs},
    cut::{Cutter, Making, making, written},
    perform::{ReplayJob, ReplayWatcher, perform},
    recorded::Recorded,
};

#[derive(Args, Clone, Debug)]
pub(super) struct ReplayArgs {
    /// A .race file, or an anomaly of a run: RUN, or RUN:N for the N-th
    #[arg(value_name = "FILE.race|RUN[:N]")]
    race: String,
    /// How often to perform it
    #[arg(short = 'n', long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    times: u64,
    /// Where to perform it: auto, docker, native, external or sim
    #[arg(long, default_value = "auto", value_name = "KIND", value_parser = |t: &str| t.parse::<Choice>())]
    cluster: Choice,
    #[command(flatten)]
    external: ExternalArgs,
    /// Of a race of an application: its app.toml, whose commands are run
    #[arg(long, value_name = "FILE")]
    app: Option<PathBuf>,
    /// Print tokens for what an application's rows, statements, headers and messages hold
    #[arg(long)]
    redact: bool,
    /// Wait for Enter before each line
    #[arg(long)]
    step: bool,
    /// Where results are kept
    #[arg(long, default_value = "results", value_name = "FOLDER", env = "QUARREL_RESULTS")]
    results: PathBuf,
    /// What to print: text or json
    #[arg(long, default_value = "text", value_name = "FORMAT", value_parser = ["text", "json"], conflicts_with = "step")]
    format: String,
}

/// Performs a race, line by line. Exit code 0 if what it claims came true every
/// time, 1 if not, 2 if an anomaly could not be cut out of its run, 3 if it
/// claims nothing, 4 if a replay failed and no other one differed.
pub(super) fn replay(args: &ReplayArgs, catalogue: &Catalogue) -> Result<u8, Failure> {
    if args.redact {
        output::redact();
    }
    let named = Named::of(&args.race, &args.results)?;
    if let Named::File(path) = &named {
        let text = std::fs::read_to_string(path).map_err(|error| Failure::reading(path, &error))?;
        if AppRace::is_race(&text) {
            let times = usize::try_from(args.times).map_err(Failure::usage)?;
            let app = args.app.as_deref();
            return app_explore::replay(path, &text, app, args.cluster, times);
        }
    }
    if let Some(app) = &args.app {
        let why = format!("--app {}: {} is no race of an application", app.display(), args.race);
        return Err(Failure::usage(why));
    }
    let (race, make) = match named {
        Named::File(path) => read(&path, catalogue)?,
        Named::Anomaly { run, number } => match written(&run, number) {
            Some(path) => {
                eprintln!("race: {}", path.display());
                read(&path, catalogue)?
            }
            None => cut(run, number, catalogue)?,
        },
    };
    let as_json = args.format == "json";
    let mut score = Score {
        args,
        as_json,
        claims: race.claims(),
        hits: 0,
        failed: Vec::new(),
        lines: Vec::new(),
        differences: Vec::new(),
    };
    let job = ReplayJob {
        race: &race,
        make: &make,
        choice: args.cluster,
        external: &args.external,
        times: args.times,
    };
    let on = perform(&job, &mut score)?;
    Ok(score.end(on))
}

/// Tells of simulations and counts those that went as written.
struct Score<'a> {
    args: &'a ReplayArgs,
    as_json: bool,
    /// How much of the race can turn out to be false.
    claims: u64,
    hits: u64,
    /// Why simulations came to nothing.
    failed: Vec<String>,
    /// Of the first performance, for JSON.
    lines: Vec<String>,
    /// Of all that went differently, for JSON.
    differences: Vec<String>,
}

impl ReplayWatcher for Score<'_> {
    fn hear(&mut self, round: u64, told: Told<'_>) {
        match told {
            Told::Happened(happening) if round == 0 && self.as_json => {
                self.lines.push(happening.line.to_string());
            }
            Told::Happened(happening) if round == 0 => println!("  {}", happening.line),
            Told::Next(line) if round == 0 && self.args.step => {
                print!("  next: {line} ");
                // Whoever closed the terminal does not want to wait.
                let _ = std::io::stdout().flush();
                let _ = std::io::stdin().lock().read_line(&mut String::new());
            }
            _ => {}
        }
    }

    fn judge(&mut self, complaint: Option<String>) {
        match complaint {
            None => self.hits += 1,
            Some(complaint) if self.as_json => self.differences.push(complaint),
            Some(complaint) => {
                let bad = Ink::colours().bad;
                println!("{bad}differs{bad:#}: {complaint}");
            }
        }
    }

    fn fail(&mut self, why: String) {
        if !self.as_json {
            let warn = Ink::colours().warn;
            println!("{warn}failed{warn:#}: {why}");
        }
        self.failed.push(why);
    }
}

impl Score<'_> {
    /// A race that was performed and said nothing that could be false shows
    /// nothing; what failed by itself refutes nothing.
    fn outcome(&self) -> RunOutcome {
        let held = Evidence::counted(Stake::Claims, self.hits.saturating_mul(self.claims));
        let differed = self.args.times - self.hits - self.failed.len() as u64;
        let judged = match differed {
            0 => RunOutcome::of(Validity::Valid, held),
            _ => RunOutcome::Violated,
        };
        let failed = (!self.failed.is_empty()).then_some(RunOutcome::Environment);
        RunOutcome::of_all([Some(judged), failed].into_iter().flatten())
    }

    fn end(&self, on: ClusterKind) -> u8 {
        let times = self.args.times;
        let outcome = self.outcome();
        if self.as_json {
            let Self { hits, claims, lines, failed, differences, .. } = self;
            let told = json!({
                "race": self.args.race,
                "cluster": on.to_string(),
                "outcome": outcome.to_string(),
                "exit_code": outcome.exit_code(),
                "times": times,
                "hits": hits,
                "claims": claims,
                "failed": failed,
                "lines": lines,
                "differences": differences,
            });
            println!("{told:#}");
            return outcome.exit_code();
        }
        let ink = Ink::colours();
        if outcome == RunOutcome::Vacuous {
            let warn = ink.warn;
            println!(
                "{warn}vacuous{warn:#}: the race claims nothing: no reply (`-> miss`) and no \
                 anomaly (`!stale`)"
            );
            return outcome.exit_code();
        }
        let style = if outcome.is_held() { ink.good } else { ink.bad };
        let plural = if times == 1 { "" } else { "s" };
        println!("{style}reproduced {} of {times} time{plural}{style:#}", self.hits);
        outcome.exit_code()
    }
}

/// The race that a person means.
pub(super) enum Named {
    /// One in a file.
    File(PathBuf),
    /// An anomaly of a run, counted from 1.
    Anomaly { run: RunFolder, number: usize },
}

impl Named {
    pub(super) fn of(asked: &str, results: &Path) -> Result<Self, Failure> {
        if Path::new(asked).is_file() {
            return Ok(Self::File(asked.into()));
        }
        if asked.ends_with(".race") {
            return Err(Failure::usage(format!("there is no file {asked}")));
        }
        let (run, number) = match asked.rsplit_once(':') {
            Some((run, number)) => {
                let number: usize = number.parse().map_err(|_| {
                    Failure::usage(format!("`{asked}`: expected RUN or RUN:N, N counted from 1"))
                })?;
                (run, number)
            }
            None => (asked, 1),
        };
        let run = find_run(results, run).map_err(Failure::usage)?;
        Ok(Self::Anomaly { run, number })
    }
}

/// The race in a file, and how its strategy is made.
pub(super) fn read(path: &Path, catalogue: &Catalogue) -> Result<(Race, Making), Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::reading(path, &error))?;
    let race: Race = text.parse().map_err(|ParseRaceError { line, column, expected, found }| {
        FormError::at(path, line, column, format!("expected {expected}, found {found}"))
    })?;
    let named = text.lines().position(|line| line.trim_start().starts_with("strategy"));
    let wrong = |error: &dyn std::fmt::Display| {
        FormError::at(path, named.map_or(1, |line| line + 1), 1, error)
    };
    if race.strategy.is_empty() {
        let why = "expected a line that names the strategy, such as `strategy cache-aside`; \
                   `quarrel strategies` lists them";
        return Err(wrong(&why).into());
    }
    let given = race.options.iter().cloned().collect();
    let make = making(catalogue, &race.strategy, &given).map_err(|error| wrong(&error))?;
    Ok((race, make))
}

/// An anomaly of a run, cut out of its history.
pub(super) fn cut(
    run: RunFolder,
    number: usize,
    catalogue: &Catalogue,
) -> Result<(Race, Making), Failure> {
    let name = run.name.clone();
    let cutter = cutter(run, catalogue)?;
    let count = cutter.count();
    if !(1..=count).contains(&number) {
        let none = format!("{name} has {count} anomalies, and no number {number}");
        return Err(Failure::usage(none));
    }
    if let Some(why) = cutter.is_no_race(number) {
        return Err(Failure::undecided(why));
    }
    let (race, _) = cutter.cut(number).map_err(Failure::usage)?.ok_or_else(|| {
        Failure::undecided(format!(
            "anomaly {number} of {name} could not be cut out: nothing that was tried shows it in \
             simulation; another one may: RUN:2, RUN:3, …"
        ))
    })?;
    Ok((race, cutter.into_making()))
}

/// What the races of a run are cut out of.
pub(super) fn cutter(run: RunFolder, catalogue: &Catalogue) -> Result<Cutter, Failure> {
    let Recorded { run, expected, workload } = Recorded::load(run, catalogue)?;
    // By the same judgement as the verdict: anomalies are known by their number.
    let verdict = judge_run(&run, expected, &*(workload.build)());
    Cutter::new(run, verdict.anomalies, catalogue)
}
