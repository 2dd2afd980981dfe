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
