use std::{path::PathBuf, sync::Arc};

use anstream::{eprintln, print, println};
use clap::Args;

use super::Failure;
use crate::{
    explore::shrink_race,
    race::{Happening, Race, rehearse},
    report::Ink,
    results::write_text,
    strategy::{AnyStrategy, Catalogue, Options},
};

#[derive(Args, Clone, Debug)]
pub(super) struct ReplayArgs {
    /// The race
    file: PathBuf,
    /// How often to perform it
    #[arg(short = 'n', long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    times: u64,
}

#[derive(Args, Clone, Debug)]
pub(super) struct ShrinkArgs {
    /// The race
    file: PathBuf,
    /// Write the smaller race to this file
    #[arg(long, value_name = "FILE.race")]
    out: Option<PathBuf>,
}

type Making = Box<dyn Fn() -> Arc<dyn AnyStrategy>>;

/// Performs a race on simulated stores, line by line. Exit code 0 if what it
/// claims came true every time, 1 if not.
pub(super) fn replay(args: &ReplayArgs, catalogue: &Catalogue) -> Result<u8, Failure> {
    let (race, make) = read(&args.file, catalogue)?;
    eprintln!("cluster: sim (simulated stores, virtual time)");
    let ink = Ink::colours();
    let mut hits = 0;
    for round in 0..args.times {
        let mut tell = |happening: &Happening| {
            if round == 0 {
                println!("  {}", happening.line);
            }
        };
        let run = rehearse(&race, &*make, &mut tell).map_err(Failure::usage)?;
        let met = run.divergence.is_none() && run.claims.iter().all(|(_, _, met)| *met);
        hits += u64::from(met);
        if let Some(divergence) = &run.divergence {
            let bad = ink.bad;
            println!(
                "{bad}line {}{bad:#}: expected {}, got {}{}",
                divergence.line,
                divergence.expected,
                divergence.found,
                divergence.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default()
            );
        }
        for (line, claim, _) in run.claims.iter().filter(|(_, _, met)| !met) {
            println!("line {line}: claimed {claim}, and it is not so");
        }
    }
    let style = if hits == args.times { ink.good } else { ink.bad };
    println!("{style}{hits}/{}{style:#} performances went as written", args.times);
    Ok(u8::from(hits < args.times))
}

/// Finds the smallest race that shows what a race shows. Exit code 0 if there
/// is one, 1 if the race does not show what it claims.
pub(super) fn shrink(args: &ShrinkArgs, catalogue: &Catalogue) -> Result<u8, Failure> {
    let (race, make) = read(&args.file, catalogue)?;
    let Some(finding) = shrink_race(&*make, &race).map_err(Failure::usage)? else {
        println!(
            "{} does not show what it claims; quarrel replay tells where",
            args.file.display()
        );
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

fn read(file: &std::path::Path, catalogue: &Catalogue) -> Result<(Race, Making), Failure> {
    let name = file.display();
    let text = std::fs::read_to_string(file).map_err(|e| Failure::usage(format!("{name}: {e}")))?;
    let race: Race = text.parse().map_err(|e| Failure::usage(format!("{name}: {e}")))?;
    let entry =
        catalogue.strategy(&race.strategy).map_err(|e| Failure::usage(format!("{name}: {e}")))?;
    let given = race.options.iter().cloned().collect();
    let options = Options::resolve(entry.name, entry.options, &given)
        .map_err(|e| Failure::usage(format!("{name}: {e}")))?;
    let build = entry.build;
    build(&options).map_err(|e| Failure::usage(format!("{name}: {e}")))?;
    let make = move || build(&options).expect("the same options made a strategy before");
    Ok((race, Box::new(make)))
}
