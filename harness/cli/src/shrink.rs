use std::path::{Path, PathBuf};

use clap::Args;
use quarrel_checkers::RunOutcome;
use quarrel_explore::{
    explore::{Finding, shrink_race},
    race::{Race, Told},
};
use quarrel_report::report::command_line;
use quarrel_run::results::{RunFolder, load_run};
use quarrel_strategy::{cluster::ClusterKind, strategy::Catalogue};
use serde_json::{Value as Json, json};

use super::{
    Failure,
    choose::{Choice, ExternalArgs},
    cut::{Cutter, Making, Written, place_of_smallest, write_new, written_as_recorded},
    perform::{ReplayJob, ReplayWatcher, impossible, perform},
    race::{Named, cut, cutter, read},
};
use crate::output::{eprintln, print, println};

#[derive(Args, Clone, Debug)]
pub(super) struct ShrinkArgs {
    /// A .race file, or an anomaly of a run: RUN, or RUN:N for the N-th
    #[arg(value_name = "FILE.race|RUN[:N]")]
    race: String,
    /// Write the smaller race to this file; an anomaly's goes to its folder, as min.race, if none is named
    #[arg(long, value_name = "FILE.race")]
    out: Option<PathBuf>,
    /// How often the smaller race is performed to confirm it; 0 for never
    #[arg(short = 'n', long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u64).range(0..=1_000))]
    times: u64,
    /// Where it is confirmed: docker, native, external or sim [default: the cluster that the run came from; nowhere for a file]
    #[arg(long, value_name = "KIND", value_parser = |t: &str| t.parse::<Choice>())]
    cluster: Option<Choice>,
    #[command(flatten)]
    external: ExternalArgs,
    /// Where results are kept
    #[arg(long, default_value = "results", value_name = "FOLDER", env = "QUARREL_RESULTS")]
    results: PathBuf,
    /// What to print: text or json
    #[arg(long, default_value = "text", value_name = "FORMAT", value_parser = ["text", "json"])]
    format: String,
}

/// Finds the smallest race that shows what a race shows, and performs it on
/// real servers. Exit code 0 if there is one, 1 if the race does not show what
/// it claims or no performance of the smaller one did, 2 if what was found is
/// another anomaly than the one that was named, 3 if the race claims
/// nothing, 4 if the cluster that was named could not confirm it.
pub(super) fn shrink(args: &ShrinkArgs, catalogue: &Catalogue) -> Result<u8, Failure> {
    if let Some(path) = args.out.as_ref().filter(|path| path.exists()) {
        return Err(Failure::usage(format!("{} exists; name another file", path.display())));
    }
    let named = Named::of(&args.race, &args.results)?;
    let (race, make) = match &named {
        Named::File(path) => read(path, catalogue)?,
        Named::Anomaly { run, number } => match written_as_recorded(run, *number) {
            Some(path) => read(&path, catalogue)?,
            None => cut(run.clone(), *number, catalogue)?,
        },
    };
    let Some(finding) = shrink_race(&*make, &race).map_err(impossible)? else {
        if race.claims() == 0 {
            return Ok(nothing_claimed(args));
        }
        let why = format!("{} does not show what it claims; quarrel replay tells where", args.race);
        match args.format.as_str() {
            "json" => println!("{:#}", json!({"finding": null, "why": why})),
            _ => println!("{why}"),
        }
        return Ok(1);
    };
    let cutter = match &named {
        Named::File(_) => None,
        Named::Anomaly { run, number } => {
            let cutter = cutter(run.clone(), catalogue)?;
            if let Some(another) = cutter.is_another(*number, &finding) {
                return Err(Failure::undecided(another));
            }
            Some(cutter)
        }
    };
    let as_text = args.format != "json";
    if as_text {
        print!("{finding}");
    }
    let confirmation = confirm(args, &named, &finding.race, &make)?;
    match as_text {
        true => println!("  = {confirmation}"),
        false => println!(
            "{:#}",
            json!({"finding": finding.to_json(), "confirmation": confirmation.to_json()})
        ),
    }
    save(args, named, &finding, &confirmation, cutter)?;
    Ok(u8::from(confirmation.is_refuted()))
}

/// Nothing can be shown of what claims nothing.
fn nothing_claimed(args: &ShrinkArgs) -> u8 {
    let why = format!("{} claims nothing, such as `!stale` after a read", args.race);
    match args.format.as_str() {
        "json" => println!("{:#}", json!({"finding": null, "why": why})),
        _ => println!("vacuous: {why}"),
    }
    RunOutcome::Vacuous.exit_code()
}

/// What simulations of the smaller race showed.
enum Confirmation {
    /// It was only simulated, and why no more was done.
    Simulated(String),
    /// It was performed on this kind of cluster.
    SimulatedOperation { on: ClusterKind, hits: u64, times: u64, complaint: Option<String> },
}

impl Confirmation {
    const fn is_refuted(&self) -> bool {
        matches!(self, Self::SimulatedOperation { hits: 0, .. })
    }

    fn to_json(&self) -> Json {
        match self {
            Self::Simulated(why) => json!({"cluster": "sim", "why": why}),
            Self::SimulatedOperation { on, hits, times, complaint } => json!({
                "cluster": on.to_string(),
                "hits": hits,
                "times": times,
                "first_difference": complaint,
            }),
        }
    }
}

impl std::fmt::Display for Confirmation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Simulated(why) => write!(f, "simulated only: {why}"),
            Self::SimulatedOperation { on, hits, times, complaint } => {
                let word = match *hits {
                    0 => "not confirmed",
                    some if some < *times => "confirmed in part",
                    _ => "confirmed",
                };
                write!(f, "{word}: reproduced {hits} of {times} times on {on}")?;
                complaint.as_ref().map_or(Ok(()), |why| write!(f, "; first difference: {why}"))
            }
        }
    }
}

fn confirm(
    args: &ShrinkArgs,
    named: &Named,
    race: &Race,
    make: &Making,
) -> Result<Confirmation, Failure> {
    let choice = match (args.cluster, named) {
        (Some(choice), _) => choice,
        (None, Named::File(_)) => {
            return Ok(Confirmation::Simulated("--cluster says where to confirm it".to_owned()));
        }
        (None, Named::Anomaly { run, .. }) => came_from(run)?,
    };
    match choice {
        _ if args.times == 0 => Ok(Confirmation::Simulated("-n 0 was asked for".to_owned())),
        Choice::Kind(ClusterKind::Sim) => {
            Ok(Confirmation::Simulated("and the run was simulated, too".to_owned()))
        }
        _ => {
            let mut count = Count { hits: 0, failed: 0, complaint: None };
            let external = &args.external;
            let job = ReplayJob { race, make, choice, external, times: args.times };
            match perform(&job, &mut count) {
                Ok(on) => {
                    let Count { hits, failed, complaint } = count;
                    let times = args.times - failed;
                    Ok(Confirmation::SimulatedOperation { on, hits, times, complaint })
                }
                // Whoever interrupts it wants to be gone.
                Err(failure) if failure.code == 130 => Err(failure),
                // Who asked for a cluster wants to hear of that one.
                Err(failure) if args.cluster.is_some() => Err(failure),
                Err(failure) => Ok(Confirmation::Simulated(failure.message)),
            }
        }
    }
}

fn came_from(run: &RunFolder) -> Result<Choice, Failure> {
    let run = load_run(run.clone())?;
    let path = run.folder.file(RunFolder::SETTINGS);
    let kind = run.settings.cluster.parse();
    kind.map_err(|error| Failure::bad_input(format!("{}: cluster: {error}", path.display())))
}

struct Count {
    hits: u64,
    failed: u64,
    complaint: Option<String>,
}

impl ReplayWatcher for Count {
    fn hear(&mut self, _: u64, _: Told<'_>) {}

    fn judge(&mut self, complaint: Option<String>) {
        match complaint {
            None => self.hits += 1,
            Some(complaint) => drop(self.complaint.get_or_insert(complaint)),
        }
    }

    fn fail(&mut self, why: String) {
        self.failed += 1;
        self.complaint.get_or_insert(why);
    }
}

/// Writes the smaller race where it belongs.
fn save(
    args: &ShrinkArgs,
    named: Named,
    finding: &Finding,
    confirmation: &Confirmation,
    cutter: Option<Cutter>,
) -> Result<(), Failure> {
    let (folder, name, text) = match (&args.out, named, cutter) {
        (Some(path), ..) => {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            (folder.unwrap_or(Path::new(".")).to_owned(), name, finding.race.to_string())
        }
        (None, Named::File(_), _) | (None, _, None) => return Ok(()),
        (None, Named::Anomaly { run, number }, Some(cutter)) => {
            let text = cutter.smallest(number, finding, Some(&confirmation.to_string()));
            (run.path, place_of_smallest(number), text)
        }
    };
    let path = folder.join(&name);
    match write_new(&folder, &name, &text)? {
        Written::Now => {
            let again = command_line(["quarrel", "replay", &path.to_string_lossy()]);
            eprintln!("written: {}; {again}", path.display());
        }
        Written::Before => eprintln!("it is in {} already", path.display()),
        Written::Kept => eprintln!(
            "not written: {} says something else, perhaps somebody's own; remove it or use --out",
            path.display()
        ),
    }
    Ok(())
}
