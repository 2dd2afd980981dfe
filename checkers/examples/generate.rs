//! Writes a random history of a simulated store to the standard output; see
//! `--help`. The same arguments give the same bytes.
//!
//! ```text
//! cargo run --release --example generate -- --operations 100000 --store one-stale-read > history.jsonl
//! ```

use std::{
    env,
    error::Error,
    io::{self, BufWriter, Write},
    process::ExitCode,
};

use quarrel_checkers::{
    formats::{self, Format},
    generate::{GeneratedLoad, Store},
};

const USAGE: &str = "\
Writes a random history of clients on a simulated store to the standard output.

usage: generate [OPTION VALUE]...

  --operations N       reads and writes in all (1000)
  --clients N          clients at once (8)
  --keys N             keys, chosen uniformly (1)
  --writes N           writes in a thousand operations, the rest are reads (500)
  --indeterminate N    writes in a thousand whose outcome is never known (0)
  --seed N             the same seed gives the same history (0)
  --store STORE        what answers the clients:
                         linearizable     one copy (the default)
                         replica[=NS]     reads are so many nanoseconds behind (50000)
                         lossy[=N]        of a thousand writes N never happen (10)
                         one-stale-read   one read in the last tenth is stale
  --format FORMAT      json-lines (the default), edn or text

An operation takes 2 to 20,000 ns, as does the pause behind it.
What to do with it: quarrel check FILE";

fn main() -> ExitCode {
    if env::args().skip(1).any(|argument| argument == "--help" || argument == "-h") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    match generate() {
        Ok(()) => ExitCode::SUCCESS,
        // The reader has seen enough, as in `generate | head`.
        Err(error) if is_closed(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(64)
        }
    }
}

fn is_closed(error: &(dyn Error + 'static)) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn generate() -> Result<(), Box<dyn Error>> {
    let (workload, format) = arguments(env::args().skip(1))?;
    eprintln!("{workload:?}");
    let mut out = BufWriter::new(io::stdout().lock());
    let mut written = Ok(());
    workload.each_event(|event| {
        if written.is_ok() {
            written = formats::write_event(&event, format, &mut out);
        }
    });
    written?;
    Ok(out.flush()?)
}

fn arguments(
    mut arguments: impl Iterator<Item = String>,
) -> Result<(GeneratedLoad, Format), Box<dyn Error>> {
    let mut workload = GeneratedLoad::default();
    let mut format = Format::JsonLines;
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value; see --help"))?;
        let number = || value.parse().map_err(|e| format!("{name} {value}: {e}"));
        match name.as_str() {
            "--operations" => workload.operations = number()?,
            "--clients" => workload.clients = number()?,
            "--keys" => workload.keys = number()?,
            "--writes" => workload.writes_permille = number()?,
            "--indeterminate" => workload.indeterminate_permille = number()?,
            "--seed" => workload.seed = number()?,
            "--store" => workload.store = store(&value)?,
            "--format" => {
                format = match value.as_str() {
                    "json-lines" => Format::JsonLines,
                    "edn" => Format::Edn,
                    "text" => Format::Text,
                    _ => return Err(format!("unknown format {value}; see --help").into()),
                }
            }
            _ => return Err(format!("unknown option {name}; see --help").into()),
        }
    }
    // Where the one stale read can be is only known now.
    if let Store::OneStaleRead { from } = &mut workload.store {
        *from = workload.operations * 9 / 10;
    }
    Ok((workload, format))
}

fn store(text: &str) -> Result<Store, String> {
    let (name, parameter) = text.split_once('=').map_or((text, None), |(n, p)| (n, Some(p)));
    let parameter = |default| match parameter {
        Some(text) => text.parse().map_err(|e| format!("--store {name}={text}: {e}")),
        None => Ok(default),
    };
    match name {
        "linearizable" => Ok(Store::Linearizable),
        "replica" => Ok(Store::Replica { lag_ns: parameter(50_000)? }),
        "lossy" => Ok(Store::Lossy { lost_permille: parameter(10)? }),
        "one-stale-read" => Ok(Store::OneStaleRead { from: 0 }),
        _ => Err(format!("unknown store {name}; see --help")),
    }
}
