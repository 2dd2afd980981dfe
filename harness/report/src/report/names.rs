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
