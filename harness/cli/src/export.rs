use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use quarrel_checkers::{
    HistoryRef,
    formats::{Format, write_probed},
};
use quarrel_run::results::{STDIN, find_run, load_run};

use super::{
    Failure,
    foreign::{self, From, KeysIn},
    output::eprintln,
};

/// The formats that histories are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum To {
    /// One JSON object a line: all that is known
    Jsonl,
    /// Jepsen's history.edn, without the calls to the stores
    Edn,
    /// Comma-separated values under a line of names, without the calls to the stores
    Csv,
}

#[derive(Args, Clone, Debug)]
pub(super) struct ExportArgs {
    /// A run (its folder, name, id, the beginning of either, or `latest`), or the file of any
    /// history; `-` is standard input
    #[arg(value_name = "RUN|FILE")]
    run: String,
    /// The format to write
    #[arg(long, value_name = "FORMAT")]
    format: To,
    /// Where to write it; standard output if not given. A file that is there is left alone
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The format of a history's file; recognised if not given
    #[arg(long, value_name = "FORMAT")]
    from: Option<From>,
    /// Whether values in a file are pairs of a key and a value
    #[arg(long, default_value = "infer", value_name = "WHERE")]
    keys: KeysIn,
    /// Where results are kept
    #[arg(long, default_value = "results", value_name = "FOLDER", env = "QUARREL_RESULTS")]
    results: PathBuf,
}

/// Writes the history of a run or of a file in another format.
pub(super) fn export(args: &ExportArgs) -> Result<u8, Failure> {
    let path = Path::new(&args.run);
    let (history, probes) = if args.run == STDIN || path.exists() && !path.is_dir() {
        let (imported, _) = foreign::read(path, args.from, args.keys)?;
        for assumption in &imported.assumptions {
            eprintln!("assumed: {assumption}");
        }
        (imported.history, imported.probes)
    } else {
        let run = load_run(find_run(&args.results, &args.run).map_err(Failure::usage)?)?;
        (HistoryRef::from(&run.history).to_history(), run.probes)
    };
    let format = match args.format {
        To::Jsonl => Format::JsonLines,
        To::Edn => Format::Edn,
        To::Csv => Format::Csv,
    };
    let left_out = history.steps.len() + probes.len();
    if format != Format::JsonLines && left_out > 0 {
        eprintln!("left out: {left_out} calls to the stores and probes of them; jsonl has them");
    }
    let written = match &args.out {
        None => written_to(io::stdout().lock(), |to| write_probed(&history, &probes, format, to)),
        Some(out) => File::create_new(out)
            .and_then(|file| written_to(file, |to| write_probed(&history, &probes, format, to))),
    };
    match written {
        Ok(()) => Ok(0),
        // The reader has seen enough, as in `quarrel export latest --format csv | head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(0),
        Err(error) => {
            let out = args.out.as_deref().unwrap_or(Path::new("standard output"));
            Err(Failure::environment(format!("{} cannot be written: {error}", out.display())))
        }
    }
}

fn written_to<W: Write>(
    to: W,
    write: impl FnOnce(&mut BufWriter<W>) -> io::Result<()>,
) -> io::Result<()> {
    let mut to = BufWriter::with_capacity(1 << 18, to);
    write(&mut to)?;
    to.flush()
}
