use std::{
    collections::BTreeMap,
    io::{self, BufRead as _, IsTerminal as _, Write as _},
    path::PathBuf,
};

use clap::Args;
use quarrel_report::report::{
    Ink,
    ci::{Breach, BreachKind, Policy, Ruling},
    command_line, printable,
};
use quarrel_run::results::{
    Case, FormError, RunFolder, VerdictFile, find_run, list_runs, write_text,
};
use serde_json::json;

use super::Failure;
use super::output::{eprintln, print, println};

#[derive(Args, Clone, Debug)]
pub(super) struct ReviewArgs {
    /// The runs: folders, names, ids or `latest`; by default the newest of each case: strategy, options, workload, faults and cluster
    runs: Vec<String>,
    /// The file with what is accepted of each case
    #[arg(long, default_value = "policy.toml", value_name = "FILE")]
    policy: PathBuf,
    /// Accept stale reads without asking; what is worse only by its name, with --allow
    #[arg(long, conflicts_with = "check")]
    accept: bool,
    /// With --accept: accept this too, such as lost-write or never-heals; may be repeated
    #[arg(long, value_name = "NAME", requires = "accept")]
    allow: Vec<String>,
    /// With --accept: why, kept beside what is accepted
    #[arg(long, value_name = "TEXT", requires = "accept")]
    reason: Option<String>,
    /// Change nothing and ask nothing; the exit code says whether everything is accepted
    #[arg(long)]
    check: bool,
    /// Where results are kept
    #[arg(long, default_value = "results", value_name = "FOLDER", env = "QUARREL_RESULTS")]
    results: PathBuf,
    /// What to print: text or json; with json nothing is asked, as with --check
    #[arg(long, default_value = "text", value_name = "FORMAT", value_parser = ["text", "json"])]
    format: String,
}

/// How it is decided what to accept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Nothing is.
    Check,
    /// What the flags say.
    Flags,
    /// A person is asked.
    Ask,
}

/// Holds runs against the policy, and asks whether to accept what is beyond
/// it.
pub(super) fn review(args: &ReviewArgs) -> Result<u8, Failure> {
    let before = Policy::read(&args.policy)?;
    let mut cases = chosen(args)?;
    // What is worst is looked at first, while whoever is asked still reads.
    cases.sort_by_cached_key(|(case, verdict)| before.ruling(case, verdict).rank());
    if args.format == "json" {
        return as_json(&before, &cases);
    }
    let manner = match args {
        ReviewArgs { check: true, .. } => Manner::Check,
        ReviewArgs { accept: true, .. } => Manner::Flags,
        _ if io::stdin().is_terminal() => Manner::Ask,
        _ => {
            eprintln!(
                "standard input is no terminal, so nothing is asked: --check says so, --accept \
                 accepts without asking"
            );
            Manner::Check
        }
    };
    let mut policy = before.clone();
    for (case, verdict) in &cases {
        let ruling = policy.ruling(case, verdict);
        show(case, verdict, &ruling);
        if let Ruling::Beyond(breaches) = &ruling {
            settle(args, manner, &mut policy, case, breaches)?;
        }
    }
    if !write(args, manner, &before, &policy)? {
        policy = before;
    }
    let rulings: Vec<Ruling> =
        cases.iter().map(|(case, verdict)| policy.ruling(case, verdict)).collect();
    Ok(Ruling::exit_code_of(&rulings))
}

fn show(case: &Case, verdict: &VerdictFile, ruling: &Ruling) {
    let ink = Ink::colours();
    let name = printable(&case.to_string());
    let style = if *ruling == Ruling::Accepted { ink.good } else { ink.bad };
    let word = format!("{:<9}", ruling.to_string());
    match ruling {
        Ruling::Accepted => println!("{style}{word}{style:#}  {name}"),
        _ => println!("{style}{word}{style:#}  {name}  (run {})", verdict.run),
    }
    if let Ruling::Undecided(why) | Ruling::Vacuous(why) | Ruling::Environment(why) = ruling {
        println!("             {why}");
    }
}

/// Decides on each thing that a run did, by itself.
fn settle(
    args: &ReviewArgs,
    manner: Manner,
    policy: &mut Policy,
    case: &Case,
    breaches: &[Breach],
) -> Result<(), Failure> {
    let mut is_changed = false;
    for breach in breaches {
        println!("             {breach}");
        let accepts = match (&breach.kind, manner) {
            (BreachKind::Guarantee, _) | (_, Manner::Check) => false,
            (BreachKind::Stale { .. }, Manner::Flags) => true,
            (BreachKind::Grave(name) | BreachKind::Denied(name), Manner::Flags) => {
                let is_allowed = args.allow.contains(name);
                if !is_allowed {
                    println!("             not accepted with the rest: --allow {name} would");
                }
                is_allowed
            }
            (_, Manner::Ask) => {
                yes(&format!("             accept {} of this case?", breach.name()))?
            }
        };
        if accepts {
            policy.accept(case, breach);
            is_changed = true;
        }
    }
    if is_changed {
        let reason = match (&args.reason, manner) {
            (Some(reason), _) => Some(reason.clone()),
            (None, Manner::Ask) => {
                line("             why? (kept beside it; Enter for no reason): ")?
            }
            (None, _) => None,
        };
        if let Some(reason) = reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty()) {
            policy.give_reason(case, reason);
        }
    }
    Ok(())
}

/// Shows how the policy changes, and writes it unless a person says no.
fn write(
    args: &ReviewArgs,
    manner: Manner,
    before: &Policy,
    after: &Policy,
) -> Result<bool, Failure> {
    let difference = after.difference(before);
    if difference.is_empty() {
        return Ok(false);
    }
    let path = args.policy.display();
    println!("\n{path}:\n{difference}");
    if manner == Manner::Ask && !yes(&format!("write {path}?"))? {
        eprintln!("not written");
        return Ok(false);
    }
    write_text(&args.policy, &after.to_toml())?;
    eprintln!("wrote {path}");
    Ok(true)
}

fn as_json(policy: &Policy, cases: &[(Case, VerdictFile)]) -> Result<u8, Failure> {
    let rulings: Vec<Ruling> =
        cases.iter().map(|(case, verdict)| policy.ruling(case, verdict)).collect();
    let told: Vec<_> = cases
        .iter()
        .zip(&rulings)
        .map(|((case, verdict), ruling)| {
            let (breaches, why) = match ruling {
                Ruling::Beyond(breaches) => (breaches.as_slice(), None),
                Ruling::Undecided(why) | Ruling::Vacuous(why) | Ruling::Environment(why) => {
                    (&[][..], Some(why))
                }
                Ruling::Accepted => (&[][..], None),
            };
            let breaches = breaches.iter().map(|breach| {
                json!({"name": breach.name(), "seen": breach.seen, "accepted": breach.accepted})
            });
            json!({
                "case": case,
                "name": case.to_string(),
                "run": verdict.run,
                "ruling": ruling.to_string(),
                "accepted": *ruling == Ruling::Accepted,
                "why": why,
                "breaches": breaches.collect::<Vec<_>>(),
            })
        })
        .collect();
    println!("{}", serde_json::to_string_pretty(&told).map_err(Failure::bug)?);
    Ok(Ruling::exit_code_of(&rulings))
}

/// The verdicts to look at, each with its case.
fn chosen(args: &ReviewArgs) -> Result<Vec<(Case, VerdictFile)>, Failure> {
    if !args.runs.is_empty() {
        return args
            .runs
            .iter()
            .map(|asked| read(&find_run(&args.results, asked).map_err(Failure::usage)?))
            .collect();
    }
    let mut newest: BTreeMap<Case, VerdictFile> = BTreeMap::new();
    let mut without = 0;
    for run in list_runs(&args.results) {
        if run.file(RunFolder::VERDICT).is_file() {
            let (case, verdict) = read(&run)?;
            newest.insert(case, verdict);
        } else {
            without += 1;
        }
    }
    if without > 0 {
        eprintln!("runs without a verdict, passed over: {without}; quarrel list shows them");
    }
    if newest.is_empty() {
        eprintln!("no judged runs in {}", args.results.display());
    }
    Ok(newest.into_iter().collect())
}

fn read(run: &RunFolder) -> Result<(Case, VerdictFile), Failure> {
    let path = run.file(RunFolder::VERDICT);
    let text = run.text(RunFolder::VERDICT).map_err(|error| {
        let Failure { code, message } = match error.kind() {
            io::ErrorKind::NotFound => Failure::bad_input(format!("{}: {error}", path.display())),
            _ => Failure::reading(&path, &error),
        };
        Failure {
            code,
            message: format!(
                "{message}; {} makes it",
                command_line(["quarrel", "report", &run.called()])
            ),
        }
    })?;
    let verdict: VerdictFile =
        serde_json::from_str(&text).map_err(|error| FormError::json(&path, 1, &error))?;
    let case = verdict.case().ok_or_else(|| {
        Failure::bad_input(format!(
            "{}: judged before verdicts told the options of their run; {} judges it anew",
            path.display(),
            command_line(["quarrel", "report", &run.called()])
        ))
    })?;
    Ok((case, verdict))
}

/// Whether a person says yes. Nothing is taken for a yes but a yes.
fn yes(question: &str) -> Result<bool, Failure> {
    loop {
        match line(&format!("{question} [y]es, [n]o: "))?.as_deref().map(str::trim) {
            Some("y" | "yes") => return Ok(true),
            Some("n" | "no") | None => return Ok(false),
            Some(_) => {}
        }
    }
}

/// A line that a person enters; none at the end of the input.
fn line(prompt: &str) -> Result<Option<String>, Failure> {
    print!("{prompt}");
    io::stdout().flush().map_err(Failure::environment)?;
    io::stdin().lock().lines().next().transpose().map_err(Failure::environment)
}
