//! What `--help` says: read by people, so it is looked at as a whole.

use std::fmt::Write as _;

use clap::Command;

/// Every command of the command line, by its words.
fn commands() -> Vec<(String, Command)> {
    fn walk(command: &Command, path: &str, into: &mut Vec<(String, Command)>) {
        for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
            if sub.get_name() == "help" {
                continue;
            }
            let path = format!("{path} {}", sub.get_name());
            walk(sub, &path, into);
            into.push((path.trim().to_owned(), sub.clone()));
        }
    }
    let mut all = Vec::new();
    let mut whole = quarrel_harness::cli::command(&quarrel_workloads::catalogue());
    // So that usage lines begin with the whole command.
    whole.build();
    walk(&whole, "", &mut all);
    all
}

/// The words of a command line as a shell would split it, up to a redirection.
fn words(line: &str) -> Vec<String> {
    let mut words = vec!["quarrel".to_owned()];
    let mut pieces = line.split('"');
    while let Some(bare) = pieces.next() {
        for word in bare.split_whitespace() {
            if word == ">" {
                return words;
            }
            words.push(word.to_owned());
        }
        words.extend(pieces.next().map(str::to_owned));
    }
    words
}

#[test]
fn every_example_is_a_command_line() {
    let catalogue = quarrel_workloads::catalogue();
    let mut seen = 0;
    for (path, mut command) in commands() {
        let help = command.render_long_help().to_string();
        for line in help.lines().filter_map(|line| line.trim().strip_prefix("quarrel ")) {
            let parsed =
                quarrel_harness::cli::command(&catalogue).try_get_matches_from(words(line));
            assert!(parsed.is_ok(), "{path}: {line}: {}", parsed.unwrap_err());
            seen += 1;
        }
        let is_leaf = !command.has_subcommands();
        assert!(!is_leaf || help.contains("Exit codes:"), "{path} does not say its exit codes");
        assert!(!is_leaf || help.contains("Examples:"), "{path} has no example");
    }
    assert!(seen > 40, "{seen} examples");
}

#[test]
fn a_long_help_puts_every_flag_under_a_heading() {
    for (path, command) in commands() {
        let flags: Vec<_> = command.get_arguments().filter(|arg| !arg.is_positional()).collect();
        if flags.len() <= 8 {
            continue;
        }
        for flag in flags {
            let name = flag.get_id().as_str();
            let has_group = flag.get_help_heading().is_some() || name == "help";
            assert!(has_group, "{path}: --{name}");
        }
    }
}

#[test]
fn a_first_look_fits_a_screen() {
    for (path, command) in commands() {
        let mut command = command.term_width(100);
        let lines = command.render_help().to_string().lines().count();
        assert!(lines <= 50, "quarrel {path} -h has {lines} lines:\n{}", command.render_help());
    }
}

#[test]
fn the_whole_help() {
    let mut text = String::new();
    for (path, command) in commands() {
        let help = command.term_width(100).render_long_help();
        writeln!(text, "$ quarrel {path} --help\n{help}").unwrap();
    }
    // Defaults that depend on where it runs.
    let steady: Vec<_> = text.lines().map(str::trim_end).collect();
    insta::assert_snapshot!(steady.join("\n"));
}
