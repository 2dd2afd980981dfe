//! `--max-memory`, of every command that reads histories or runs.

use clap::{Arg, ArgMatches, Command};
use quarrel_run::{faults::parse_bytes, results::allow_memory};

/// The flag's name.
const NAME: &str = "max_memory";

/// The commands that read what may be a stranger's.
pub(super) const READERS: [&str; 8] =
    ["check", "export", "report", "review", "replay", "shrink", "serve", "run"];

/// The least that is of any use.
const LEAST: u64 = 1_000_000;

/// The command with the flag, if it is one that reads.
pub(super) fn with_flag(command: Command) -> Command {
    if !READERS.contains(&command.get_name()) {
        return command;
    }
    command.arg(
        Arg::new(NAME)
            .long("max-memory")
            .value_name("SIZE")
            .env("QUARREL_MAX_MEMORY")
            .value_parser(size)
            .help(
                "About the most memory that reading histories and runs may take, such as 400MB or \
                 4GB [default: half of what is free]",
            ),
    )
}

/// Does what the flag says, until the next command or run of several says
/// otherwise.
pub(super) fn obey(matches: &ArgMatches) {
    // A command without the flag reads no history.
    if let Ok(bytes) = matches.try_get_one::<u64>(NAME) {
        allow_memory(bytes.copied());
    }
}

fn size(text: &str) -> Result<u64, String> {
    parse_bytes(text)
        .filter(|bytes| *bytes >= LEAST)
        .ok_or_else(|| format!("`{text}` is no size such as 400MB or 4GB, of at least 1MB"))
}
