//! The command line. A binary is three lines over [`main`]; users with
//! strategies of their own write the same three lines over a larger
//! [`Catalogue`].

mod app_explore;
mod bench;
mod catalogue;
mod cells;
mod check;
mod choose;
mod cluster;
mod completions;
mod cut;
mod descriptors;
mod detection;
mod doctor;
mod explain;
mod explore;
mod export;
mod failure;
mod foreign;
mod gatekeeper;
mod help;
mod init;
mod keep;
mod leftovers;
mod list;
mod long;
mod matrix;
mod memory;
mod merge;
mod new;
mod new_app;
mod options;
mod output;
mod partition;
mod perform;
mod profile;
mod proxy;
mod race;
mod recorded;
mod redact;
mod report;
mod review;
mod run;
mod schema;
mod serve;
mod shrink;
mod signals;
mod subject;
mod watch;
mod words;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
};

use clap::{ArgMatches, Args as _, Command, FromArgMatches};
use quarrel_strategy::strategy::Catalogue;

use self::{failure::Failure, output::eprintln};

const ABOUT: &str = "Finds out when a cache and its database disagree";

const AFTER: &str = "\
Exit codes: 0 the guarantee held; 1 violated; 2 undecided; 3 vacuous (nothing was at stake); \
4 environment (no engine, image, port, or a server died under the run); 64 usage: the command line makes no sense; \
65 bad input: a file does not; 70 a bug in quarrel; 130 interrupted. `quarrel COMMAND --help` has those of a command.

Start with:
  quarrel doctor                                 what this machine can run
  quarrel run cache-aside --fault replica-lag    a failing run
  quarrel explore cache-aside                    the smallest race that breaks it
  quarrel list                                   runs so far";

/// Runs the command line of this process and returns its exit code.
#[must_use]
pub fn main(catalogue: Catalogue) -> ExitCode {
    if let Err(taken) = quarrel_strategy::faults::add(&catalogue.faults) {
        return fail(&Failure { code: 70, message: taken.to_string() });
    }
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
    descriptors::raise_limit();
    // A panic has told where already; what is missing is the code that tells a
    // bug of ours from a verdict.
    let done = catch_unwind(AssertUnwindSafe(|| dispatch(&matches, &catalogue)));
    let done = done.unwrap_or_else(|_| Err(Failure::bug("a panic")));
    match done.and_then(|code| output::finish().map(|()| code)) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => fail(&failure),
    }
}

fn fail(failure: &Failure) -> ExitCode {
    let bad = quarrel_report::report::Ink::colours().bad;
    eprintln!("{bad}error{bad:#}: {}", failure.message);
    ExitCode::from(failure.code)
}

fn dispatch(matches: &ArgMatches, catalogue: &Catalogue) -> Result<u8, Failure> {
    let Some((name, matches)) = matches.subcommand() else {
        unreachable!("clap asks for a subcommand")
    };
    memory::obey(matches);
    match name {
        "run" => run::run(matches, catalogue),
        "bench" => bench::bench(matches, catalogue),
        "explore" => explore::explore(matches, catalogue),
        "replay" => race::replay(&args(matches)?, catalogue),
        "shrink" => shrink::shrink(&args(matches)?, catalogue),
        "check" => check::check(&args(matches)?, catalogue),
        "export" => export::export(&args(matches)?),
        "list" => list::list(&args(matches)?),
        "matrix" => matrix::matrix(&args(matches)?, catalogue),
        "merge" => merge::merge(&args(matches)?),
        "app" => app_explore::app(&args(matches)?),
        "strategies" => catalogue::strategies(&args(matches)?, catalogue),
        "workloads" => catalogue::workloads(&args(matches)?, catalogue),
        "faults" => catalogue::faults(&args(matches)?),
        "init" => init::init(),
        "new" => new::new(&args(matches)?),
        "explain" => explain::explain(&args(matches)?),
        "schema" => schema::schema(&args(matches)?),
        "report" => report::report(&args(matches)?, catalogue),
        "review" => review::review(&args(matches)?),
        "serve" => serve::serve(&args(matches)?),
        "cluster" => cluster::cluster(args(matches)?),
        "doctor" => doctor::doctor(&args(matches)?),
        "completions" => completions::completions(&args(matches)?, catalogue),
        "man" => completions::man(&args(matches)?, catalogue),
        "proxy" => proxy::proxy(&args(matches)?),
        _ => unreachable!("clap knows no `{name}`"),
    }
}

/// The arguments of a command, which clap has checked already.
fn args<A: FromArgMatches>(matches: &ArgMatches) -> Result<A, Failure> {
    A::from_arg_matches(matches).map_err(Failure::bug)
}

/// The whole command line, for parsing, help and completions.
#[must_use]
pub fn command(catalogue: &Catalogue) -> Command {
    let named = |name: &'static str| Command::new(name);
    let command = Command::new("quarrel")
        .version(env!("CARGO_PKG_VERSION"))
        .about(ABOUT)
        .after_help(AFTER)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(run::command(catalogue))
        .subcommand(explore::command(catalogue))
        .subcommand(matrix::command())
        .subcommand(bench::command())
        .subcommand(race::ReplayArgs::augment_args(named("replay")))
        .subcommand(shrink::ShrinkArgs::augment_args(named("shrink")))
        .subcommand(check::CheckArgs::augment_args(named("check")))
        .subcommand(export::ExportArgs::augment_args(named("export")))
        .subcommand(report::ReportArgs::augment_args(named("report")))
        .subcommand(review::ReviewArgs::augment_args(named("review")))
        .subcommand(merge::MergeArgs::augment_args(named("merge")))
        .subcommand(serve::ServeArgs::augment_args(named("serve")))
        .subcommand(list::ListArgs::augment_args(named("list")))
        .subcommand(explain::ExplainArgs::augment_args(named("explain")))
        .subcommand(schema::SchemaArgs::augment_args(named("schema")))
        .subcommand(named("init"))
        .subcommand(new::NewArgs::augment_args(named("new")))
        .subcommand(app_explore::AppArgs::augment_args(named("app")))
        .subcommand(catalogue::command("strategies"))
        .subcommand(catalogue::command("workloads"))
        .subcommand(catalogue::command("faults"))
        .subcommand(doctor::DoctorArgs::augment_args(named("doctor")))
        .subcommand(cluster::ClusterArgs::augment_args(named("cluster")))
        .subcommand(proxy::ProxyArgs::augment_args(named("proxy")))
        .subcommand(completions::CompletionsArgs::augment_args(named("completions")))
        .subcommand(completions::ManArgs::augment_args(named("man")));
    help::arrange(command.mut_subcommands(memory::with_flag))
}

/// Diagnostics go to standard error when `QUARREL_LOG` asks for them.
fn logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("QUARREL_LOG");
    if let Ok(filter) = filter {
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(|| output::Diagnostics)
            .init();
    }
}
