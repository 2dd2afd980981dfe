//! `quarrel merge`: what shares of one command found, on however many machines,
//! as if one machine had done all of it.

mod check;
mod detection;
mod exploration;
mod matrix;
mod runs;
mod tree;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use quarrel_checkers::gravest_exit;
use quarrel_run::results::FileError;
use serde_json::{Value as Json, json};

use super::{
    Failure,
    output::{eprintln, println},
    partition::{Found, Part, Partition},
};

#[derive(Args, Clone, Debug)]
pub(super) struct MergeArgs {
    /// The results folders of the shares
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Where the whole is kept
    #[arg(long, default_value = "results", value_name = "FOLDER", env = "QUARREL_RESULTS")]
    results: PathBuf,
    /// What to print: text or json
    #[arg(long, default_value = "text", value_name = "FORMAT", value_parser = ["text", "json"])]
    format: String,
}

/// A share, and the results folder in which it was found.
struct Share {
    folder: PathBuf,
    part: Part,
}

impl Share {
    /// A folder beside the part, by a name that may be a stranger's.
    fn beside(&self, name: &str) -> Result<PathBuf, Failure> {
        let is_plain =
            !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0']);
        if !is_plain {
            let why = format!("{}: `{name}` is no name of a folder", self.folder.display());
            return Err(Failure::bad_input(why));
        }
        Ok(self.folder.join(name))
    }
}

/// What the shares of one command come to.
struct Joined {
    /// The worst of it, by what was found alone.
    code: u8,
    text: String,
    json: Json,
}

/// The exit code is the gravest of all that was joined, and a share that is not
/// there leaves its command undecided at best: what one machine convicts stays
/// convicted.
pub(super) fn merge(args: &MergeArgs) -> Result<u8, Failure> {
    let mut commands: BTreeMap<String, Vec<Share>> = BTreeMap::new();
    for share in shares(&args.folders)? {
        commands.entry(share.part.command.clone()).or_default().push(share);
    }
    fs::create_dir_all(&args.results).map_err(FileError::io(&args.results))?;
    let mut told = Vec::new();
    let mut codes = Vec::new();
    for (command, shares) in &commands {
        let missing = missing(command, shares)?;
        let joined = join(command, shares, &args.results)?;
        let open = (!missing.is_empty()).then_some(2);
        let code = gravest_exit([joined.code].into_iter().chain(open));
        codes.push(code);
        let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
        if args.format == "text" {
            println!("{command}");
            println!("{}", joined.text.trim_end());
        }
        for share in &missing {
            eprintln!("undecided: share {share} of `{command}` is not there");
        }
        told.push(json!({
            "command": command,
            "exit_code": code,
            "missing": missing,
            "found": joined.json,
        }));
    }
    let code = gravest_exit(codes);
    if args.format == "json" {
        println!("{:#}", json!({"schema": 1, "exit_code": code, "merged": told}));
    }
    Ok(code)
}

/// Every share in the folders.
fn shares(folders: &[PathBuf]) -> Result<Vec<Share>, Failure> {
    let mut shares = Vec::new();
    for folder in folders {
        let entries = fs::read_dir(folder).map_err(|error| Failure::reading(folder, &error))?;
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let names: BTreeSet<String> = names.filter(|name| Part::is_name(name)).collect();
        if names.is_empty() {
            let why = "no share of a command was kept here; run one with --partition I/N";
            return Err(Failure::usage(format!("{}: {why}", folder.display())));
        }
        for name in names {
            let part = Part::read(folder, &name)?;
            shares.push(Share { folder: folder.clone(), part });
        }
    }
    Ok(shares)
}

/// The shares of a command that are not there.
fn missing(command: &str, shares: &[Share]) -> Result<Vec<Partition>, Failure> {
    let of = shares.first().map_or(1, |share| share.part.partition.of);
    let mut known: BTreeMap<Partition, &Path> = BTreeMap::new();
    for share in shares {
        let partition = share.part.partition;
        if partition.of != of {
            let why = format!("`{command}` was split into {of} and into {} shares", partition.of);
            return Err(Failure::usage(why));
        }
        if let Some(other) = known.insert(partition, &share.folder) {
            let why = format!(
                "share {partition} of `{command}` is in {} and in {}; name one of them",
                other.display(),
                share.folder.display()
            );
            return Err(Failure::usage(why));
        }
    }
    let all = (1..=of).map(|number| Partition { number, of });
    Ok(all.filter(|partition| !known.contains_key(partition)).collect())
}

fn join(command: &str, shares: &[Share], results: &Path) -> Result<Joined, Failure> {
    match shares.first().map(|share| &share.part.found) {
        Some(Found::Matrix { .. }) => matrix::join(command, shares, results),
        Some(Found::Runs { .. }) => runs::join(command, shares, results),
        Some(Found::Detection { .. }) => detection::join(command, shares, results),
        Some(Found::Exploration(_)) => exploration::join(command, shares),
        Some(Found::Check { .. }) => check::join(command, shares),
        None => unreachable!("a command is known by a share of it"),
    }
}

/// Shares of one command that are not of one kind, or not of one whole.
fn differs(command: &str, share: &Share, what: &str) -> Failure {
    Failure::bad_input(format!(
        "{}: share {} of `{command}` has another {what} than the first",
        share.folder.display(),
        share.part.partition
    ))
}
