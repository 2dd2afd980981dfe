//! Writes a random history of a simulated store to the standard output.
//!
//! ```text
//! cargo run --release --example generate -- --operations 100000 --store one-stale-read > history.jsonl
//! ```

use std::{
    env,
    error::Error,
    io::{self, BufWriter, Write},
};

use quarrel_checkers::{
    formats::{self, Format},
    generate::{Store, Workload},
};

const USAGE: &str = "\
usage: generate [--operations N] [--clients N] [--keys N] [--writes PERMILLE]
                [--indeterminate PERMILLE] [--seed N]
                [--store linearizable|replica|lossy|one-stale-read]
                [--format json-lines|edn|text]";

fn main() -> Result<(), Box<dyn Error>> {
    let mut workload = Workload::default();
    let mut format = Format::JsonLines;
    let mut arguments = env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value\n{USAGE}"))?;
        let number = || value.parse().map_err(|e| format!("{name} {value}: {e}\n{USAGE}"));
        match name.as_str() {
            "--operations" => workload.operations = number()?,
            "--clients" => workload.clients = number()?,
            "--keys" => workload.keys = number()?,
            "--writes" => workload.writes_permille = number()?,
            "--indeterminate" => workload.indeterminate_permille = number()?,
            "--seed" => workload.seed = number()?,
            "--store" => workload.store = store(&value, &workload)?,
            "--format" => {
                format = match value.as_str() {
                    "json-lines" => Format::JsonLines,
                    "edn" => Format::Edn,
                    "text" => Format::Text,
                    _ => return Err(USAGE.into()),
                }
            }
            _ => return Err(USAGE.into()),
        }
    }
    // Where the one stale read can be is only known now.
    if let Store::OneStaleRead { from } = &mut workload.store {
        *from = workload.operations * 9 / 10;
    }
    eprintln!("{workload:?}");
    let mut out = BufWriter::new(io::stdout().lock());
    formats::write(&workload.history(), format, &mut out)?;
    Ok(out.flush()?)
}

fn store(name: &str, workload: &Workload) -> Result<Store, String> {
    match name {
        "linearizable" => Ok(Store::Linearizable),
        "replica" => Ok(Store::Replica { lag_ns: 50_000 }),
        "lossy" => Ok(Store::Lossy { lost_permille: 10 }),
        "one-stale-read" => Ok(Store::OneStaleRead { from: workload.operations }),
        _ => Err(format!("unknown store {name}\n{USAGE}")),
    }
}
