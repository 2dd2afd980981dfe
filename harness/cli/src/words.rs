//! The command as it was given, for results that say how they were made.

use quarrel_cluster::stores::StoreUrl;
use quarrel_report::report::command_line;

/// Flags whose values are addresses, which may hold passwords.
const ADDRESSES: [&str; 4] = ["--primary", "--replica", "--cache", "--toxiproxy"];

/// The command line of this process, without what only this machine knows and
/// without passwords.
pub(super) fn as_given() -> String {
    told(std::env::args().skip(1))
}

/// The same without `--partition`: the command whose work is split, alike on
/// every machine that does a share of it.
pub(super) fn whole() -> String {
    told(without_partition(std::env::args().skip(1)))
}

fn without_partition(words: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut kept = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--partition" => drop(words.next()),
            word if word.starts_with("--partition=") => {}
            _ => kept.push(word),
        }
    }
    kept
}

pub(super) fn told(words: impl IntoIterator<Item = String>) -> String {
    let mut words = words.into_iter();
    let mut told = vec!["quarrel".to_owned()];
    while let Some(word) = words.next() {
        let (flag, value) = match word.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => (flag, Some(value)),
            _ => (word.as_str(), None),
        };
        let is_address = ADDRESSES.contains(&flag);
        match (flag, value) {
            ("--results", None) => drop(words.next()),
            ("--results", Some(_)) => {}
            (flag, Some(value)) if is_address || value.contains("://") => {
                told.push(format!("{flag}={}", StoreUrl::from(value.to_owned())));
            }
            (flag, None) if is_address => {
                told.push(flag.to_owned());
                told.extend(words.next().map(|url| StoreUrl::from(url).to_string()));
            }
            // An address in a place where none belongs.
            (_, None) if word.contains("://") => told.push(StoreUrl::from(word).to_string()),
            _ => told.push(word),
        }
    }
    command_line(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_is_told_alike_for_every_share() {
        let of = |words: &str| told(without_partition(words.split(' ').map(str::to_owned)));
        let whole = "quarrel matrix --strategy ttl-only";
        assert_eq!(of("matrix --partition 2/8 --strategy ttl-only --results a"), whole);
        assert_eq!(of("matrix --strategy ttl-only --partition=7/8 --results=b"), whole);
    }

    #[test]
    fn a_command_is_told_without_passwords_and_places() {
        let of = |words: &str| told(words.split(' ').map(str::to_owned));
        assert_eq!(
            of("matrix --results /home/me --primary postgres://u:pw@h/d --cache=redis://:pw@h:1"),
            "quarrel matrix --primary postgres://u@h/d --cache=redis://@h:1"
        );
        assert_eq!(
            of(
                "matrix --results=x --toxiproxy http://u:pw@h:1 --strategy cache-aside,fill=primary"
            ),
            "quarrel matrix --toxiproxy http://u@h:1 --strategy cache-aside,fill=primary"
        );
        assert_eq!(of("matrix postgres://u:p@w@h/d"), "quarrel matrix 'postgres://…'");
    }
}
