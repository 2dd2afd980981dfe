use clap::Args;
use quarrel_report::report::{Ink, Width, explain};

use super::Failure;
use super::output::{print, println};

#[derive(Args, Clone, Debug)]
pub(super) struct ExplainArgs {
    /// An anomaly, a cause or a guarantee, as verdicts print it, such as stale-read/replica-lag-refill, or a word of reports, such as at-risk; `history` shows what a history of your own looks like; all names are listed without one
    name: Option<String>,
    /// What to print: text or json
    #[arg(long, default_value = "text", value_name = "FORMAT", value_parser = ["text", "json"])]
    format: String,
}

/// Says what a name in a verdict means.
pub(super) fn explain(args: &ExplainArgs) -> Result<u8, Failure> {
    let (ink, width) = (Ink::colours(), Width::of_terminal());
    if args.name.as_deref() == Some("history") {
        if args.format == "json" {
            println!("{}", serde_json::json!({ "name": "history", "text": explain::HISTORY }));
        } else {
            print!("{}", explain::HISTORY);
        }
        return Ok(0);
    }
    let entries = match &args.name {
        Some(name) => explain::find(name).map_err(Failure::usage)?,
        None => explain::entries().collect(),
    };
    if args.format == "json" {
        println!("{}", serde_json::to_string_pretty(&entries).map_err(Failure::bug)?);
        return Ok(0);
    }
    if args.name.is_none() {
        print!("{}", explain::list_text(ink, width));
        println!(
            "\nmore: `quarrel explain NAME`; `quarrel explain history` shows what a file to check looks like"
        );
        return Ok(0);
    }
    for (number, entry) in entries.into_iter().enumerate() {
        if number > 0 {
            println!();
        }
        print!("{}", explain::entry_text(entry, ink, width));
    }
    Ok(0)
}
