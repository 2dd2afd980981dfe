use std::sync::{Mutex, MutexGuard, PoisonError};

use quarrel_checkers::Site;
use quarrel_strategy::cluster::{Control, Link, Node};

use super::Fault;

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
pub struct Excuses(Mutex<Vec<Bout>>);

/// A fault from its beginning to its end.
#[derive(Debug)]
struct Bout {
    fault: Fault,
    on: bool,
}

/// How often something had been struck at some moment, and whether it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StrikeTally {
    begun: usize,
    on: bool,
}

impl StrikeTally {
    /// Whether it was struck at this moment, or at any time between it and a
    /// later one.
    #[must_use]
    pub const fn struck_until(self, later: Self) -> bool {
        self.on || later.begun > self.begun
    }
}

impl Excuses {
    pub(crate) fn begin(&self, fault: &Fault) {
        self.lock().push(Bout { fault: fault.clone(), on: true });
    }

    pub(crate) fn end(&self, fault: &Fault) {
        if let Some(bout) = self.lock().iter_mut().find(|bout| bout.on && bout.fault == *fault) {
            bout.on = false;
        }
    }

    /// How often a fault was to start a server of this store anew.
    #[must_use]
    pub fn restarts(&self, site: Site) -> StrikeTally {
        self.tally(|control| may_restart(control, site))
    }

    /// How often anything was struck.
    #[must_use]
    pub fn strikes(&self) -> StrikeTally {
        self.tally(|_| true)
    }

    fn tally(&self, counts: impl Fn(&Control) -> bool) -> StrikeTally {
        let mut tally = StrikeTally::default();
        for bout in self.lock().iter().filter(|bout| bout.does(&counts)) {
            tally.begun += 1;
            tally.on |= bout.on;
        }
        tally
    }

    /// Whether a fault that is on may be why `site` does not answer over `way`.
    #[must_use]
    pub fn cover(&self, site: Site, way: Way) -> bool {
        let silences = |control: &Control| may_silence(control, site, way);
        self.lock().iter().any(|bout| bout.on && bout.does(&silences))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Bout>> {
        // A list of faults is whole at every moment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bout {
    fn does(&self, what: &impl Fn(&Control) -> bool) -> bool {
        self.fault.inject().into_iter().chain(self.fault.heal()).any(|control| what(&control))
    }
}

fn may_restart(control: &Control, site: Site) -> bool {
    match control {
        Control::Kill(node) | Control::Start(node) => site_of_node(*node) == site,
        // Servers change places, and one becomes a copy of the other.
        Control::Promote(_) | Control::Switch | Control::Rejoin => site != Site::Cache,
        _ => false,
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
    fn what_was_struck_meanwhile_is_told_when_it_is_over() {
        let excuses = Excuses::default();
        let [kill, cut] = ["kill-redis", "redis-cut"].map(|fault| Fault::parse(fault).unwrap());
        let before = excuses.restarts(Site::Cache);
        excuses.begin(&cut);
        assert!(!before.struck_until(excuses.restarts(Site::Cache)), "a cut restarts nothing");
        excuses.begin(&kill);
        let during = excuses.restarts(Site::Cache);
        excuses.end(&kill);
        let after = excuses.restarts(Site::Cache);
        assert!(before.struck_until(after) && during.struck_until(after));
        assert!(!after.struck_until(excuses.restarts(Site::Cache)));
        assert!(!before.struck_until(excuses.restarts(Site::Primary)));
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
