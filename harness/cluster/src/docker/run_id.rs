use std::collections::HashMap;

use super::super::reaper::start_time;

/// Carried by everything of quarrel's.
pub(super) const OURS: &str = "dev.quarrel";
/// Which cluster a thing belongs to.
pub(super) const RUN: &str = "dev.quarrel.run";
/// Which process it dies with.
pub(super) const OWNER: &str = "dev.quarrel.owner";

/// What tells one cluster's things from another's.
#[derive(Clone, Debug)]
pub(super) struct RunId(String);

impl RunId {
    pub(super) fn new() -> Self {
        Self(format!("{:08x}", rand::random::<u32>()))
    }

    /// What its containers and its network are called, or begin with.
    pub(super) fn name(&self) -> String {
        format!("quarrel-{}", self.0)
    }

    /// The label that selects its things.
    pub(super) fn label(&self) -> String {
        format!("{RUN}={}", self.0)
    }

    /// All labels of its things.
    pub(super) fn labels(&self) -> HashMap<String, String> {
        HashMap::from([
            (OURS.to_owned(), "1".to_owned()),
            (RUN.to_owned(), self.0.clone()),
            (OWNER.to_owned(), owner(std::process::id())),
        ])
    }
}

/// A process by its machine, its id and its start time: machines may share an
/// engine, containers on one machine have process ids of their own, and ids
/// are used again.
fn owner(pid: u32) -> String {
    format!("{}/{pid}/{}", machine(), start_time(pid).unwrap_or_default())
}

fn machine() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    format!("{}/{}", host.trim(), namespace.display())
}

/// Whether the process that a label names was one of this machine and is gone.
pub(super) fn is_gone(label: &str) -> bool {
    let mut parts = label.rsplitn(3, '/');
    let (Some(_), Some(pid), Some(on)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    pid.parse().is_ok_and(|pid| on == machine() && owner(pid) != label)
}

#[cfg(test)]
mod tests {
    use super::{is_gone, machine, owner};

    #[test]
    fn a_process_that_runs_is_not_gone() {
        assert!(!is_gone(&owner(std::process::id())));
    }

    #[test]
    fn a_process_is_gone_when_its_id_belongs_to_a_later_one() {
        assert!(is_gone(&format!("{}/{}/1", machine(), std::process::id())));
    }

    #[test]
    fn nothing_is_known_of_the_processes_of_other_machines() {
        assert!(!is_gone(&format!("elsewhere/pid:[1]/{}/1", std::process::id())));
        assert!(!is_gone("compose"));
    }
}
