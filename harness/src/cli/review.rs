use std::{
    collections::BTreeMap,
    io::{self, BufRead as _, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
};

use super::output::{eprintln, print, println};
use clap::Args;
use serde_json::{Value as Json, json};

use super::Failure;
use crate::{
    report::{
        Ink,
        ci::{Breach, Policy, case_name},
        command_line,
    },
    results::{FileError, FormError, RunFolder, VerdictFile, find_run, list_runs, write_text},
};

#[derive(Args, Clone, Debug)]
pub(super) struct ReviewArgs {
    /// The runs: folders, names, ids or `latest`; by default the newest of each strategy, fault and cluster
    runs: Vec<String>,
    /// The file with what is accepted of each strategy
    #[arg(long, default_value = "policy.toml", value_name = "FILE")]
    policy: PathBuf,
    /// Accept everything, without asking
    #[arg(long, conflicts_with = "check")]
    accept: bool,
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

/// What a person said to a breach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Accept,
    Reject,
    Later,
}

/// Holds runs against the policy, and asks whether to accept what is beyond
/// it. Exit code 0 if everything is accepted in the end, else 1.
pub(super) fn review(args: &ReviewArgs) -> Result<u8, Failure> {
    let mut policy = Policy::read(&args.policy)?;
    if args.format == "json" {
        return as_json(&policy, &chosen(args)?);
    }
    let mut open = 0;
    let mut changed = false;
    let ink = Ink::colours();
    let (good, bad) = (ink.good, ink.bad);
    for verdict in chosen(args)? {
        let breaches = policy.breaches(&verdict);
        let name = case_name(&verdict);
        if breaches.is_empty() {
            println!("{good}accepted{good:#}  {name}");
            continue;
        }
        println!("{bad}beyond  {bad:#}  {name}  (run {})", verdict.run);
        for breach in &breaches {
            println!("            {breach}");
        }
        match answer(args, &breaches)? {
            Answer::Accept => {
                policy.accept(&verdict);
                changed = true;
            }
            Answer::Reject | Answer::Later => open += 1,
        }
    }
    if changed {
        save(&policy, &args.policy)?;
    }
    Ok(u8::from(open > 0))
}

fn as_json(policy: &Policy, verdicts: &[VerdictFile]) -> Result<u8, Failure> {
    let mut all_accepted = true;
    let told = verdicts.iter().map(|verdict| {
        let breaches: Vec<String> =
            policy.breaches(verdict).iter().map(ToString::to_string).collect();
        all_accepted &= breaches.is_empty();
        json!({
            "case": case_name(verdict),
            "run": verdict.run,
            "accepted": breaches.is_empty(),
            "breaches": breaches,
        })
    });
    let told: Vec<Json> = told.collect();
    println!("{}", serde_json::to_string_pretty(&told).map_err(Failure::bug)?);
    Ok(u8::from(!all_accepted))
}

fn save(policy: &Policy, path: &Path) -> Result<(), FileError> {
    write_text(path, &policy.to_toml())?;
    eprintln!("wrote {}", path.display());
    Ok(())
}

/// The verdicts to look at.
fn chosen(args: &ReviewArgs) -> Result<Vec<VerdictFile>, Failure> {
    if !args.runs.is_empty() {
        return args
            .runs
            .iter()
            .map(|asked| read(&find_run(&args.results, asked).map_err(Failure::usage)?))
            .collect();
    }
    let mut newest: BTreeMap<String, VerdictFile> = BTreeMap::new();
    for run in list_runs(&args.results).iter().filter(|run| run.is_complete()) {
        let verdict = read(run)?;
        newest.insert(case_name(&verdict), verdict);
    }
    if newest.is_empty() {
        eprintln!("no finished runs in {}", args.results.display());
    }
    Ok(newest.into_values().collect())
}

fn read(run: &RunFolder) -> Result<VerdictFile, Failure> {
    let path = run.file("verdict.json");
    let text = run.text("verdict.json").map_err(|error| {
        let Failure { code, message } = match error.kind() {
            io::ErrorKind::NotFound => Failure::bad_input(format!("{}: {error}", path.display())),
            _ => Failure::reading(&path, &error),
        };
        Failure {
            code,
            message: format!("{message}; {} makes it", command_line(["quarrel", "check", &run.id])),
        }
    })?;
    serde_json::from_str(&text).map_err(|error| FormError::json(&path, 1, &error).into())
}

fn answer(args: &ReviewArgs, breaches: &[Breach]) -> Result<Answer, Failure> {
    if args.accept {
        return Ok(Answer::Accept);
    }
    if args.check || !io::stdin().is_terminal() || breaches.is_empty() {
        return Ok(Answer::Later);
    }
    let mut lines = io::stdin().lock().lines();
    loop {
        print!("            accept it? [y]es, [n]o, [s]kip: ");
        io::stdout().flush().map_err(Failure::environment)?;
        let line = lines.next().transpose().map_err(Failure::environment)?;
        match line.as_deref().map(str::trim) {
            Some("y" | "yes") => return Ok(Answer::Accept),
            Some("n" | "no") => return Ok(Answer::Reject),
            Some("s" | "skip") | None => return Ok(Answer::Later),
            Some(_) => {}
        }
    }
}
