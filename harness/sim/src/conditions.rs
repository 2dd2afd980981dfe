use std::{collections::BTreeMap, time::Duration};

use quarrel_checkers::Site;
use quarrel_strategy::cluster::{Impairment, Link, Node};

use super::network::node_of;

/// What is wrong with links and servers at the moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Conditions {
    links: BTreeMap<Link, LinkState>,
    nodes: BTreeMap<Node, NodeState>,
    replay: Replay,
    delay: Duration,
    /// Bytes that the cache may hold.
    cache_limit: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Passing {
    #[default]
    Everything,
    Nothing,
    RequestsOnly,
}

#[derive(Clone, Copy, Debug, Default)]
struct LinkState {
    passing: Passing,
    latency: Option<(Duration, Duration)>,
    impairment: Option<Impairment>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum NodeState {
    #[default]
    Up,
    Frozen,
    Dead,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Replay {
    #[default]
    Runs,
    Paused,
}

impl Conditions {
    pub(super) fn slow(&mut self, link: Link, latency: Duration, jitter: Duration) {
        self.links.entry(link).or_default().latency = Some((latency, jitter));
    }

    pub(super) fn cut(&mut self, link: Link) {
        self.links.entry(link).or_default().passing = Passing::Nothing;
    }

    pub(super) fn drop_replies(&mut self, link: Link) {
        self.links.entry(link).or_default().passing = Passing::RequestsOnly;
    }

    pub(super) fn impair(&mut self, link: Link, impairment: Impairment) {
        self.links.entry(link).or_default().impairment = Some(impairment);
    }

    pub(super) fn impairment(&self, link: Link) -> Option<Impairment> {
        self.links.get(&link)?.impairment
    }

    /// How much later than it happened the end of a connection is heard of.
    pub(super) fn slow_close(&self, link: Option<Link>) -> Duration {
        match link.and_then(|link| self.impairment(link)) {
            Some(Impairment::SlowClose(delay)) => delay,
            _ => Duration::ZERO,
        }
    }

    pub(super) fn limit_cache(&mut self, bytes: Option<u64>) {
        self.cache_limit = bytes;
    }

    pub(super) const fn cache_limit(&self) -> Option<u64> {
        self.cache_limit
    }

    pub(super) fn restore(&mut self, link: Link) {
        self.links.remove(&link);
    }

    pub(super) fn kill(&mut self, node: Node) {
        self.nodes.insert(node, NodeState::Dead);
    }

    pub(super) fn freeze(&mut self, node: Node) {
        self.nodes.insert(node, NodeState::Frozen);
    }

    /// The server runs, whatever it did before; whether it had been dead.
    pub(super) fn revive(&mut self, node: Node) -> bool {
        self.nodes.remove(&node) == Some(NodeState::Dead)
    }

    pub(super) fn pause_replay(&mut self) {
        self.replay = Replay::Paused;
    }

    pub(super) fn resume_replay(&mut self) {
        self.replay = Replay::Runs;
    }

    pub(super) fn set_delay(&mut self, delay: Duration) {
        self.delay = delay;
    }

    /// Whether a new connection is turned away at once.
    pub(super) fn refuses(&self, site: Site, link: Option<Link>) -> bool {
        self.node(site) == NodeState::Dead || self.passing(link) == Passing::Nothing
    }

    /// Whether a new connection gets no answer.
    pub(super) fn is_silent(&self, site: Site, link: Option<Link>) -> bool {
        self.node(site) == NodeState::Frozen
            || self.passing(link) == Passing::RequestsOnly
            || link.is_some_and(|link| self.drops_requests(link))
    }

    pub(super) fn drops_requests(&self, link: Link) -> bool {
        self.impairment(link) == Some(Impairment::DropRequests)
    }

    pub(super) fn is_frozen(&self, site: Site) -> bool {
        self.node(site) == NodeState::Frozen
    }

    pub(super) fn drops_replies(&self, link: Link) -> bool {
        self.passing(Some(link)) == Passing::RequestsOnly
    }

    pub(super) fn latency(&self, link: Link) -> Option<(Duration, Duration)> {
        self.links.get(&link)?.latency
    }

    /// Whether the log flows from the primary to the replica.
    pub(super) fn streams(&self) -> bool {
        let impairment = self.impairment(Link::ReplicaPrimary);
        let stalls =
            matches!(impairment, Some(Impairment::Reset | Impairment::Bandwidth { kb_per_s: 0 }));
        !stalls
            && self.passing(Some(Link::ReplicaPrimary)) == Passing::Everything
            && self.node(Site::Primary) == NodeState::Up
            && self.node(Site::Replica) == NodeState::Up
    }

    /// How long after its commit a change is replayed; none while nothing is.
    pub(super) fn replay_delay(&self) -> Option<Duration> {
        (self.replay == Replay::Runs && self.node(Site::Replica) == NodeState::Up)
            .then_some(self.delay)
    }

    fn node(&self, site: Site) -> NodeState {
        if self.nodes.is_empty() {
            return NodeState::Up;
        }
        node_of(site).and_then(|node| self.nodes.get(&node)).copied().unwrap_or_default()
    }

    fn passing(&self, link: Option<Link>) -> Passing {
        if self.links.is_empty() {
            return Passing::Everything;
        }
        link.and_then(|link| self.links.get(&link)).map_or(Passing::Everything, |link| link.passing)
    }
}
