use std::sync::{Mutex, MutexGuard, PoisonError};

use quarrel_checkers::Site;

use super::Fault;
use crate::cluster::{Control, Link, Node};

/// How a store can be asked something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Over the link that faults strike.
    Link,
    /// Beside it.
    Direct,
}

/// Which stores the faults that are on may have silenced. A store that is
/// silent without an excuse is lost, and so is the run.
#[derive(Debug, Default)]
pub struct Excuses(Mutex<Vec<Fault>>);

impl Excuses {
    pub(super) fn begin(&self, fault: &Fault) {
        self.lock().push(fault.clone());
    }

    pub(super) fn end(&self, fault: &Fault) {
        let mut on = self.lock();
        if let Some(at) = on.iter().position(|other| other == fault) {
            on.remove(at);
        }
    }

    /// Whether a fault that is on may be why `site` does not answer over `way`.
    #[must_use]
    pub fn cover(&self, site: Site, way: Way) -> bool {
        let silences = |fault: &Fault| {
            let mut controls = fault.inject().into_iter().chain(fault.heal());
            controls.any(|control| may_silence(&control, site, way))
        };
        self.lock().iter().any(silences)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Fault>> {
        // A list of faults is whole at every moment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn may_silence(control: &Control, site: Site, way: Way) -> bool {
    match control {
        Control::Latency { link, .. }
        | Control::Cut(link)
        | Control::DropReplies(link)
        | Control::Impair { link, .. }
        | Control::Restore(link) => way == Way::Link && site_of_link(*link) == Some(site),
        Control::Kill(node)
        | Control::Start(node)
        | Control::Freeze(node)
        | Control::Thaw(node) => site_of_node(*node) == site,
        // Servers change places, and there is no replica for a while.
        Control::Promote(_) | Control::Switch | Control::Rejoin => site != Site::Cache,
        // It saves on the thread that answers.
        Control::SaveCache | Control::WipeCache | Control::LimitCache(_) => site == Site::Cache,
        Control::PauseReplay | Control::ResumeReplay | Control::ApplyDelay(_) => {
            // Postgres makes queries of the replica wait for its replay.
            site == Site::Replica
        }
        Control::Wait(_) => false,
    }
}

const fn site_of_link(link: Link) -> Option<Site> {
    match link {
        Link::ClientPrimary => Some(Site::Primary),
        Link::ClientReplica => Some(Site::Replica),
        Link::ClientCache => Some(Site::Cache),
        // No client's question goes over it.
        Link::ReplicaPrimary => None,
    }
}

const fn site_of_node(node: Node) -> Site {
    match node {
        Node::Primary => Site::Primary,
        Node::Replica => Site::Replica,
        Node::Cache => Site::Cache,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covered(fault: &str) -> Vec<(Site, Way)> {
        let excuses = Excuses::default();
        let fault = Fault::parse(fault).unwrap();
        excuses.begin(&fault);
        let all = [Site::Primary, Site::Replica, Site::Cache]
            .into_iter()
            .flat_map(|site| [(site, Way::Link), (site, Way::Direct)]);
        let covered = all.clone().filter(|(site, way)| excuses.cover(*site, *way)).collect();
        excuses.end(&fault);
        assert!(all.clone().all(|(site, way)| !excuses.cover(site, way)));
        covered
    }

    #[test]
    fn a_fault_excuses_what_it_strikes_and_nothing_else() {
        assert_eq!(covered("redis-cut"), [(Site::Cache, Way::Link)]);
        let failover = covered("failover");
        assert!(failover.contains(&(Site::Primary, Way::Direct)), "{failover:?}");
        assert!(failover.contains(&(Site::Replica, Way::Direct)), "{failover:?}");
        assert!(!failover.contains(&(Site::Cache, Way::Direct)), "{failover:?}");
        assert_eq!(covered("client-crash"), []);
    }
}
