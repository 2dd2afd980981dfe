use std::{
    io::{BufRead as _, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::output::{eprintln, print, println};
use clap::Args;
use quarrel_checkers::Class;

use super::{
    Failure,
    choose::{Choice, ExternalArgs, Wanted, start},
};
use crate::{
    cluster::{Cluster, ClusterKind},
    explore::{recorded, shrink_race},
    judge::judge_with,
    race::{Happening, Race, Run, RunError, force, rehearse},
    report::Ink,
    results::{find_run, load_run, write_text},
    sim::Claim,
    stores::real::TimeLimits,
    strategy::{AnyStrategy, Catalogue, Options},
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
    /// Wait for Enter after each line
    #[arg(long)]
    step: bool,
    /// Where results are kept
    #[arg(long, default_value = "results", value_name = "FOLDER", env = "QUARREL_RESULTS")]
    results: PathBuf,
}

#[derive(Args, Clone, Debug)]
pub(super) struct ShrinkArgs {
    /// A .race file, or an anomaly of a run: RUN, or RUN:N for the N-th
    #[arg(value_name = "FILE.race|RUN[:N]")]
    race: String,
    /// Write the smaller race to this file
    #[arg(long, value_name = "FILE.race")]
    out: Option<PathBuf>,
    /// Where results are kept
    #[arg(long, default_value = "results", value_name = "FOLDER", env = "QUARREL_RESULTS")]
    results: PathBuf,
}

type Making = Box<dyn Fn() -> Arc<dyn AnyStrategy> + Send + Sync>;

/// Performs a race, line by line. Exit code 0 if what it claims came true every
/// time, 1 if not.
pub(super) fn replay(args: &ReplayArgs, catalogue: &Catalogue) -> Result<u8, Failure> {
    let (race, make) = find(&args.race, &args.results, catalogue)?;
    if args.cluster == Choice::Kind(ClusterKind::Sim) {
        eprintln!("cluster: sim, as asked (simulated stores, virtual time)");
        let mut score = Score::new(args);
        for round in 0..args.times {
            let ran = rehearse(&race, &*make, &mut |line| score.tell(round, line));
            score.count(&ran.map_err(Failure::usage)?);
        }
        return Ok(score.end());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::environment)?;
    runtime.block_on(async {
        let wanted = Wanted {
            choice: args.cluster,
            external: args.external.clone(),
            limits: TimeLimits::default(),
            seed: 0,
        };
        let cluster = start(&wanted).await?;
        let performed = perform(args, &race, &make, &*cluster).await;
        let left = cluster.down().await;
        if !left.is_empty() {
            eprintln!("could not remove everything: {}", left.join("; "));
        }
        performed
    })
}

async fn perform(
    args: &ReplayArgs,
    race: &Race,
    make: &Making,
    cluster: &dyn Cluster,
) -> Result<u8, Failure> {
    let mut score = Score::new(args);
    for round in 0..args.times {
        // Every performance has keys of its own, so that it finds nothing of
        // the ones before.
        let first_key = (round + 1) * 1_000;
        let mut tell = |line: &Happening| score.tell(round, line);
        match force(race, &**make, cluster, first_key, &mut tell).await {
            Ok(run) => score.count(&run),
            Err(error @ RunError::Failed { .. }) => return Err(Failure::environment(error)),
            Err(error) => return Err(Failure::usage(error)),
        }
    }
    Ok(score.end())
}

/// Finds the smallest race that shows what a race shows. Exit code 0 if there
/// is one, 1 if the race does not show what it claims.
pub(super) fn shrink(args: &ShrinkArgs, catalogue: &Catalogue) -> Result<u8, Failure> {
    let (race, make) = find(&args.race, &args.results, catalogue)?;
    let Some(finding) = shrink_race(&*make, &race).map_err(Failure::usage)? else {
        println!("{} does not show what it claims; quarrel replay tells where", args.race);
        return Ok(1);
    };
    print!("{finding}");
    if let Some(path) = &args.out {
        if path.exists() {
            return Err(Failure::usage(format!("{} exists; name another file", path.display())));
        }
        write_text(path, &finding.race.to_string())?;
    }
    Ok(0)
}

/// Tells of performances and counts those that went as written.
struct Score<'a> {
    args: &'a ReplayArgs,
    hits: u64,
}

impl<'a> Score<'a> {
    const fn new(args: &'a ReplayArgs) -> Self {
        Self { args, hits: 0 }
    }

    fn tell(&self, round: u64, happening: &Happening) {
        if round > 0 {
            return;
        }
        println!("  {}", happening.line);
        if self.args.step {
            // Whoever closed the terminal does not want to wait.
            let _ = std::io::stdout().flush();
            let _ = std::io::stdin().lock().read_line(&mut String::new());
        }
    }

    fn count(&mut self, run: &Run) {
        match run.complaint() {
            None => self.hits += 1,
            Some(complaint) => {
                let bad = Ink::colours().bad;
                println!("{bad}differs{bad:#}: {complaint}");
            }
        }
    }

    fn end(&self) -> u8 {
        let times = self.args.times;
        let ink = Ink::colours();
        let style = if self.hits == times { ink.good } else { ink.bad };
        println!("{style}{}/{times}{style:#} performances went as written", self.hits);
        u8::from(self.hits < times)
    }
}

/// The race that a person means: a file, or an anomaly cut out of a run.
fn find(asked: &str, results: &Path, catalogue: &Catalogue) -> Result<(Race, Making), Failure> {
    if Path::new(asked).is_file() {
        let wrong = |error: &dyn std::fmt::Display| Failure::usage(format!("{asked}: {error}"));
        let text = std::fs::read_to_string(asked).map_err(|error| wrong(&error))?;
        let race: Race = text.parse().map_err(|error| wrong(&error))?;
        let given = race.options.iter().cloned().collect();
        let make = making(catalogue, &race.strategy, given)?;
        return Ok((race, make));
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
    let folder = find_run(results, run).map_err(Failure::usage)?;
    let run = load_run(folder).map_err(Failure::usage)?;
    let expected = run.settings.expect.parse().map_err(Failure::usage)?;
    let verdict = judge_with(&run, expected, quarrel_checkers::Verdict::valid());
    let count = verdict.anomalies.len();
    let anomaly = number.checked_sub(1).and_then(|at| verdict.anomalies.get(at));
    let anomaly = anomaly.ok_or_else(|| {
        Failure::usage(format!("{} has {count} anomalies, and no number {number}", run.folder.name))
    })?;
    let claim = match anomaly.class {
        Class::StaleRead => Claim::Stale,
        Class::ReadYourWrites => Claim::ReadYourWrites,
        Class::NonMonotonicRead => Claim::NonMonotonic,
        Class::LostWrite => Claim::Lost,
        Class::Divergence => Claim::Diverged,
        _ => Claim::NotLinearizable,
    };
    let options = run.settings.options.clone();
    let make = making(catalogue, &run.settings.strategy, options.clone())?;
    let cut = recorded(&*make, &run.history, &anomaly.witness, claim).map_err(Failure::usage)?;
    let (_, performance) = cut.ok_or_else(|| {
        Failure::usage(format!(
            "anomaly {number} of {} could not be cut out: nothing that was tried shows it in \
             simulation; another one may: RUN:2, RUN:3, …",
            run.folder.name
        ))
    })?;
    let race = Race {
        strategy: run.settings.strategy.clone(),
        options: options.into_iter().collect(),
        ..performance.race
    };
    Ok((race, make))
}

fn making(
    catalogue: &Catalogue,
    strategy: &str,
    given: std::collections::BTreeMap<String, String>,
) -> Result<Making, Failure> {
    let entry = catalogue.strategy(strategy).map_err(Failure::usage)?;
    let options = Options::resolve(entry.name, entry.options, &given).map_err(Failure::usage)?;
    let build = entry.build;
    build(&options).map_err(Failure::usage)?;
    Ok(Box::new(move || build(&options).expect("the same options made a strategy before")))
}
