use clap::{Args, Command};
use quarrel_run::faults::known;
use serde_json::{Value as Json, json};

use super::{Catalogue, Failure, output::println};

#[derive(Args, Clone, Debug)]
pub(super) struct CatalogueArgs {
    /// What to print: text or json
    #[arg(long, default_value = "text", value_name = "FORMAT", value_parser = ["text", "json"])]
    format: String,
}

pub(super) fn command(name: &'static str) -> Command {
    CatalogueArgs::augment_args(Command::new(name))
}

/// Something that can be named on the command line.
struct Listed {
    /// As it is written, with its usual amount.
    written: String,
    summary: String,
    json: Json,
}

/// Lists the strategies, with their options in JSON.
pub(super) fn strategies(args: &CatalogueArgs, catalogue: &Catalogue) -> Result<u8, Failure> {
    let listed = catalogue.strategies.iter().map(|entry| {
        let options = entry.options.iter().map(
            |option| json!({"name": option.name, "default": option.default, "help": option.help}),
        );
        let json = json!({
            "name": entry.name,
            "summary": entry.summary,
            "source": entry.source,
            "options": options.collect::<Vec<_>>(),
        });
        Listed { written: entry.name.to_owned(), summary: entry.summary.to_owned(), json }
    });
    print(args, listed)
}

/// Lists what clients can do.
pub(super) fn workloads(args: &CatalogueArgs, catalogue: &Catalogue) -> Result<u8, Failure> {
    let listed = catalogue.workloads().map(|entry| Listed {
        written: entry.name.to_owned(),
        summary: entry.summary.to_owned(),
        json: json!({"name": entry.name, "summary": entry.summary, "keys": entry.keys}),
    });
    print(args, listed)
}

/// Lists the faults, each with its usual amount and the commands that know it.
pub(super) fn faults(args: &CatalogueArgs) -> Result<u8, Failure> {
    let listed = known().into_iter().map(|entry| {
        let amount = entry.usual_amount().map(|amount| amount.to_string());
        let (in_storms, in_searches) = (entry.is_in_storms(), entry.in_searches().is_some());
        let json = json!({
            "name": entry.name(),
            "summary": entry.summary(),
            "amount": amount,
            "ways": entry.its_ways(),
            "storms": in_storms,
            "searches": in_searches,
        });
        let usual = amount.map_or_else(String::new, |amount| format!("={amount}"));
        let known_to = match (in_storms, in_searches) {
            (true, true) => "run explore",
            (true, false) => "run",
            _ => "    explore",
        };
        let summary = format!("{known_to:<11}  {}", entry.summary());
        Listed { written: format!("{}{usual}", entry.name()), summary, json }
    });
    print(args, listed)
}

fn print(args: &CatalogueArgs, listed: impl Iterator<Item = Listed>) -> Result<u8, Failure> {
    let listed: Vec<Listed> = listed.collect();
    if args.format == "json" {
        let all: Vec<Json> = listed.into_iter().map(|one| one.json).collect();
        println!("{}", serde_json::to_string_pretty(&all).map_err(Failure::bug)?);
        return Ok(0);
    }
    let widest = listed.iter().map(|one| one.written.len()).max().unwrap_or(0);
    for one in listed {
        println!("{:<widest$}  {}", one.written, one.summary);
    }
    Ok(0)
}
