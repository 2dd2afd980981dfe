//! The command line. A binary is three lines over [`main`]; users with
//! strategies of their own write the same three lines over a larger
//! [`Catalogue`].

mod check;
mod choose;
mod doctor;
mod explain;
mod failure;
mod list;
mod proxy;
mod report;
mod review;
mod run;
mod serve;
mod signals;
mod watch;

use std::process::ExitCode;

use anstream::{eprintln, println};
use clap::{Arg, ArgMatches, Args as _, Command, FromArgMatches as _};

use self::failure::Failure;
use crate::strategy::Catalogue;

const ABOUT: &str = "Finds out when a cache and its database disagree";

const AFTER: &str = "\
Exit codes: 0 the guarantee held; 1 violated; 2 undecided; 3 vacuous (nothing was at stake); \
4 environment (no engine, image, port); 64 usage; 70 a bug in quarrel.

Start with:
  quarrel doctor                                 what this machine can run
  quarrel run cache-aside --fault replica-lag    a failing run
  quarrel list                                   runs so far";

/// Runs the command line of this process and returns its exit code.
#[must_use]
pub fn main(catalogue: Catalogue) -> ExitCode {
    let words = proxy::accept_single_dashes(std::env::args());
    let matches = match command(&catalogue).try_get_matches_from(words) {
        Ok(matches) => matches,
        Err(error) => {
            // Printing fails only when nobody listens.
            drop(error.print());
            let code = if error.use_stderr() { 64 } else { 0 };
            return ExitCode::from(code);
        }
    };
    logging();
    match dispatch(&matches, &catalogue) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            let bad = crate::report::Ink::colours().bad;
            eprintln!("{bad}error{bad:#}: {}", failure.message);
            ExitCode::from(failure.code)
        }
    }
}

fn dispatch(matches: &ArgMatches, catalogue: &Catalogue) -> Result<u8, Failure> {
    match matches.subcommand() {
        Some(("run", matches)) => run::run(matches, catalogue),
        Some(("check", matches)) => {
            check::check(&check::CheckArgs::from_arg_matches(matches).map_err(Failure::bug)?)
        }
        Some(("list", matches)) => {
            list::list(&list::ListArgs::from_arg_matches(matches).map_err(Failure::bug)?)
        }
        Some(("strategies", _)) => {
            for entry in &catalogue.strategies {
                println!("{:<24} {}", entry.name, entry.summary);
            }
            Ok(0)
        }
        Some(("explain", matches)) => explain::explain(
            &explain::ExplainArgs::from_arg_matches(matches).map_err(Failure::bug)?,
        ),
        Some(("report", matches)) => {
            report::report(&report::ReportArgs::from_arg_matches(matches).map_err(Failure::bug)?)
        }
        Some(("review", matches)) => {
            review::review(&review::ReviewArgs::from_arg_matches(matches).map_err(Failure::bug)?)
        }
        Some(("serve", matches)) => {
            serve::serve(&serve::ServeArgs::from_arg_matches(matches).map_err(Failure::bug)?)
        }
        Some(("doctor", _)) => Ok(doctor::doctor()),
        Some(("proxy", matches)) => {
            proxy::proxy(&proxy::ProxyArgs::from_arg_matches(matches).map_err(Failure::bug)?)
        }
        _ => unreachable!("clap asks for a subcommand"),
    }
}

/// The whole command line, for parsing, help and completions.
#[must_use]
pub fn command(catalogue: &Catalogue) -> Command {
    Command::new("quarrel")
        .version(env!("CARGO_PKG_VERSION"))
        .about(ABOUT)
        .after_help(AFTER)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(run::command(catalogue))
        .subcommand(check::CheckArgs::augment_args(
            Command::new("check").about("Judges a run again, from what it left behind"),
        ))
        .subcommand(report::ReportArgs::augment_args(
            Command::new("report").about("Makes the report of a run and says where it is"),
        ))
        .subcommand(review::ReviewArgs::augment_args(
            Command::new("review").about(
                "Holds runs against policy.toml, and asks whether to accept what is beyond it",
            ),
        ))
        .subcommand(serve::ServeArgs::augment_args(
            Command::new("serve").about("Shows the results in a browser, on this machine only"),
        ))
        .subcommand(list::ListArgs::augment_args(Command::new("list").about("Lists runs")))
        .subcommand(explain::ExplainArgs::augment_args(
            Command::new("explain").about("Says what a name in a verdict means, and what helps"),
        ))
        .subcommand(Command::new("strategies").about("Lists the strategies"))
        .subcommand(
            Command::new("doctor")
                .about("Says what this machine can run, and how to mend the rest"),
        )
        .subcommand(proxy::ProxyArgs::augment_args(
            Command::new("proxy").about("Serves the fault proxy alone, with Toxiproxy's API"),
        ))
}

/// The flag of an option that some strategy takes.
fn option_flag(name: &'static str, help: String) -> Arg {
    Arg::new(name).long(name).value_name("VALUE").help(help).help_heading("Strategy options")
}

/// Diagnostics go to standard error when `QUARREL_LOG` asks for them.
fn logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("QUARREL_LOG");
    if let Ok(filter) = filter {
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    }
}
