//! What `--help` says, in one place: groups of flags, which of them a first
//! look leaves out, examples and exit codes of every command.
//!
//! Flags are declared where they are used. Their group is said here, by name,
//! for a flattened struct would otherwise carry its heading on to whatever
//! follows it.

mod pages;

use clap::{Arg, Command};

use self::pages::{PAGES, Page};

/// A group of flags, in the order in which `--help` shows them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    Subject,
    Faults,
    Load,
    Search,
    Judging,
    Cluster,
    Build,
    Output,
}

impl Group {
    const fn heading(self) -> &'static str {
        match self {
            Self::Subject => "What",
            Self::Faults => "Faults",
            Self::Load => "Load",
            Self::Search => "Search",
            Self::Judging => "Judging",
            Self::Cluster => "Cluster",
            Self::Build => "On a build server",
            Self::Output => "Output",
        }
    }
}

/// The group of each flag, and whether `-h` shows it. A flag of one name means
/// the same in every command.
const FLAGS: &[(&str, Group, bool)] = &[
    ("app", Group::Subject, true),
    ("profile", Group::Subject, true),
    ("strategies", Group::Subject, true),
    ("control", Group::Subject, false),
    ("matrix", Group::Subject, true),
    ("only", Group::Subject, false),
    ("list", Group::Output, true),
    ("workload", Group::Load, true),
    ("faults", Group::Faults, true),
    ("schedule", Group::Faults, false),
    ("strikes", Group::Faults, false),
    ("time", Group::Load, true),
    ("clients", Group::Load, true),
    ("keys", Group::Load, false),
    ("skew", Group::Load, false),
    ("reads", Group::Load, false),
    ("rate", Group::Load, false),
    ("open", Group::Load, false),
    ("pauses", Group::Load, false),
    ("seed", Group::Load, true),
    ("seeds", Group::Load, true),
    ("timeout", Group::Load, false),
    ("settle", Group::Judging, false),
    ("expect", Group::Judging, true),
    ("ops", Group::Search, true),
    ("deletes", Group::Search, false),
    ("max_states", Group::Search, false),
    ("threads", Group::Search, false),
    ("replays", Group::Search, false),
    ("hold", Group::Search, false),
    ("from", Group::Subject, true),
    ("stream", Group::Subject, false),
    ("model", Group::Judging, true),
    ("isolation", Group::Judging, true),
    ("failures", Group::Judging, false),
    ("initial", Group::Judging, false),
    ("times", Group::Search, true),
    ("step", Group::Search, true),
    ("cluster", Group::Cluster, true),
    ("primary", Group::Cluster, false),
    ("replica", Group::Cluster, false),
    ("cache", Group::Cluster, false),
    ("toxiproxy", Group::Cluster, false),
    ("policy", Group::Build, true),
    ("accept", Group::Build, true),
    ("allow", Group::Build, true),
    ("reason", Group::Build, true),
    ("check", Group::Build, true),
    ("budget", Group::Build, false),
    ("retries", Group::Build, false),
    ("max_memory", Group::Judging, false),
    ("redact", Group::Output, false),
    ("partition", Group::Build, false),
    ("results", Group::Output, false),
    ("format", Group::Output, true),
    ("out", Group::Output, true),
];

/// A command line with its help.
pub(super) fn arrange(command: Command) -> Command {
    let command = command.mut_subcommands(|sub| {
        let name = sub.get_name().to_owned();
        arranged(sub, &name)
    });
    command.max_term_width(100)
}

fn arranged(command: Command, path: &str) -> Command {
    let mut command = command;
    let is_asked = command.has_subcommands();
    if is_asked {
        let path = path.to_owned();
        command = command.mut_subcommands(|sub| {
            let name = format!("{path} {}", sub.get_name());
            arranged(sub, &name)
        });
    }
    let many = command.get_arguments().count() > 6;
    let command = if many { command.mut_args(grouped) } else { command };
    match PAGES.iter().find(|page| page.command == path) {
        Some(page) => with_page(command, page),
        None => command,
    }
}

/// A flag under its heading. A positional argument stands by itself.
fn grouped(arg: Arg) -> Arg {
    if arg.is_positional() {
        return arg;
    }
    let name = arg.get_id().as_str().to_owned();
    match FLAGS.iter().position(|(flag, ..)| *flag == name) {
        Some(at) => {
            let (_, group, is_usual) = FLAGS[at];
            let order = (group as usize + 1) * 100 + at;
            arg.help_heading(group.heading()).hide_short_help(!is_usual).display_order(order)
        }
        // Options of strategies come last, and only in the long help.
        None if arg.get_help_heading() == Some("Strategy options") => {
            arg.hide_short_help(true).display_order(10_000)
        }
        None => arg,
    }
}

fn with_page(command: Command, page: &Page) -> Command {
    let mut text = examples(page.examples);
    let mut short = examples(&page.examples[..page.examples.len().min(2)]);
    if !page.more.is_empty() {
        text = format!("{}\n\n{text}", page.more);
    }
    if !page.codes.is_empty() {
        text.push_str("\nExit codes:\n");
        for (code, what) in page.codes.iter().chain(pages::ALWAYS) {
            text.push_str(&format!("  {code:>3}  {what}\n"));
        }
    }
    if command.get_arguments().any(|arg| arg.is_hide_short_help_set()) {
        short.push_str(&format!(
            "\n`quarrel {} --help` has all flags and the exit codes.",
            page.command
        ));
    } else {
        short.clone_from(&text);
    }
    let command = command.about(page.about).long_about(page.about);
    command.after_help(short.trim_end().to_owned()).after_long_help(text.trim_end().to_owned())
}

fn examples(lines: &[(&str, &str)]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let lines = lines.iter().map(|(line, what)| format!("  # {what}\n  quarrel {line}\n"));
    format!("Examples:\n{}", lines.collect::<String>())
}
