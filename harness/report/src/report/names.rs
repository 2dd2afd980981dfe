use std::collections::BTreeMap;

use quarrel_checkers::{Operation, Process};
use quarrel_run::judge::CauseEvidence;

/// What the processes of one story are called: writers first, then readers,
/// each in order of appearance, with letters that go on from one to the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(BTreeMap<Process, String>);

impl Names {
    /// For the clients of a story.
    #[must_use]
    pub fn of_story(evidence: &CauseEvidence<'_>, story: &[&Operation]) -> Self {
        let mut writers: Vec<Process> = Vec::new();
        let mut readers: Vec<Process> = Vec::new();
        for operation in story {
            let event = evidence.history().event(operation.invoke);
            let role = if evidence.writes(operation) { &mut writers } else { &mut readers };
            if !role.contains(&event.process) {
                role.push(event.process);
            }
        }
        readers.retain(|process| !writers.contains(process));
        let roles =
            writers.iter().map(|p| (p, "Writer")).chain(readers.iter().map(|p| (p, "Reader")));
        Self(
            roles
                .enumerate()
                .map(|(number, (process, role))| (*process, format!("{role} {}", letter(number))))
                .collect(),
        )
    }

    /// The name of a process; its number if it has no part in the story.
    #[must_use]
    pub fn of(&self, process: Process) -> String {
        self.0.get(&process).cloned().unwrap_or_else(|| match process {
            Process::Agent(number) => format!("Agent {number}"),
            other => format!("Process {other}"),
        })
    }
}

impl Names {
    /// A checker's sentence with these names in it, where it says `process 3` or
    /// `processes 3 and 5`. One that speaks of somebody without a name stays as
    /// it is.
    #[must_use]
    pub fn told(&self, text: &str) -> String {
        let named = || {
            let mut words: Vec<String> = Vec::new();
            let mut due = 0;
            for word in text.split(' ') {
                match word {
                    "process" => due = 1,
                    "processes" => due = 2,
                    "and" if due > 0 => words.push(word.to_owned()),
                    _ if due > 0 => {
                        let digits = word.trim_end_matches(|c: char| !c.is_ascii_digit());
                        let name = self.0.get(&Process::Client(digits.parse().ok()?))?;
                        words.push(format!("{name}{}", &word[digits.len()..]));
                        due -= 1;
                    }
                    _ => words.push(word.to_owned()),
                }
            }
            (due == 0).then(|| words.join(" "))
        };
        named().unwrap_or_else(|| text.to_owned())
    }
}

/// What a client is called wherever it has no part in a story: processes that
/// took over from each other are one client.
pub(super) fn client_name(process: Process, clients: u64) -> String {
    match process {
        Process::Client(number) => format!("client {}", number % clients.max(1)),
        other => other.to_string(),
    }
}

/// `A` to `Z`, then `A2` and so on.
fn letter(number: usize) -> String {
    let letter = char::from(b'A' + u8::try_from(number % 26).unwrap_or(0));
    match number / 26 {
        0 => letter.to_string(),
        round => format!("{letter}{}", round + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_of_a_checker_has_the_names_of_its_story() {
        let names = [(3, "Writer A"), (15, "Writer B")];
        let names = names.map(|(number, name)| (Process::Client(number), name.to_owned()));
        let names = Names(names.into());
        for (text, told) in [
            ("key 8: process 3 was told so", "key 8: Writer A was told so"),
            ("processes 15 and 3 both counted", "Writer B and Writer A both counted"),
            ("it was process 15's, not process 3.", "it was Writer B's, not Writer A."),
            ("process 3 saw what process 9 wrote", "process 3 saw what process 9 wrote"),
            ("a process", "a process"),
            ("no process 3-4", "no process 3-4"),
        ] {
            assert_eq!(names.told(text), told);
        }
    }
}
