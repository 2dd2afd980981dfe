use std::time::Duration;

use quarrel_checkers::Lsn;
use quarrel_strategy::stores::{Backend, TimeLimits};

use super::{
    Boxed, Cluster, ClusterKind, Control, ControlError, Link, Needs, Node, Roles, Unsupported,
    Vitals, admin, cache, inspect,
    links::{LinkChange, Links},
    vitals,
};
use crate::stores::{Endpoints, RealStores};

/// Advice where only a cluster of its own will do.
const OF_ITS_OWN: &str = "--cluster docker or native";

/// What can be done to the servers of a cluster: signals to processes, or
/// commands to containers.
pub trait NodeControl: Send + Sync {
    /// Ends a server at once, without a chance to save.
    fn kill(&self, node: Node) -> Boxed<'_, Result<(), String>>;
    /// Starts a killed server again.
    fn start(&self, node: Node) -> Boxed<'_, Result<(), String>>;
    /// Stops a server where it is.
    fn freeze(&self, node: Node) -> Boxed<'_, Result<(), String>>;
    /// Lets a frozen server go on.
    fn thaw(&self, node: Node) -> Boxed<'_, Result<(), String>>;
    /// Makes a dead server a copy of another, ready to start as its replica.
    fn rebuild(&self, node: Node, of: Node) -> Boxed<'_, Result<(), String>> {
        let why = format!("the {node} cannot be made a copy of the {of} here");
        Box::pin(async { Err(why) })
    }
    /// Where the fault proxy finds a server, as `HOST:PORT`; none if that
    /// cannot change, and a failover is impossible.
    fn address(&self, node: Node) -> Option<String> {
        let _ = node;
        None
    }
    /// What the servers have logged so far, by name.
    fn logs(&self) -> Boxed<'_, Vec<(String, String)>>;
    /// What of the servers' own is gone though nobody here took it away.
    fn missing(&self) -> Option<String> {
        None
    }
    /// Takes everything down and removes it; what could not be removed.
    fn down(&self) -> Boxed<'_, Vec<String>>;
}

/// A cluster of real servers: Postgres and Redis behind a fault proxy.
pub struct RealCluster {
    /// Which kind.
    pub kind: ClusterKind,
    /// What it is made of.
    pub pieces: Vec<(String, String)>,
    /// Where clients connect, through the links that faults strike.
    pub clients: Endpoints,
    /// Where probes connect, as long as no failover has changed the roles.
    pub probes: Endpoints,
    /// Who is primary and who is replica.
    pub roles: Roles,
    /// How long a client waits.
    pub limits: TimeLimits,
    /// The links, if there is a fault proxy.
    pub links: Option<Links>,
    /// The servers, if they are ours.
    pub nodes: Option<Box<dyn NodeControl>>,
}

impl RealCluster {
    /// Where programs connect: through the links that faults strike, and past
    /// them.
    #[must_use]
    pub fn endpoints(&self) -> (Endpoints, Endpoints) {
        (self.clients.clone(), self.probes_now())
    }

    async fn perform(&self, control: &Control) -> Result<(), String> {
        match *control {
            Control::Latency { link, latency, jitter } => {
                self.link(link, LinkChange::Latency { latency, jitter }).await
            }
            Control::Cut(link) => self.link(link, LinkChange::Cut).await,
            Control::DropReplies(link) => self.link(link, LinkChange::DropReplies).await,
            Control::Impair { link, impairment } => {
                self.link(link, LinkChange::Impair(impairment)).await
            }
            Control::Restore(link) => self.link(link, LinkChange::Restore).await,
            Control::Kill(node) => self.nodes()?.kill(self.roles.holder(node)).await,
            Control::Start(node) => self.nodes()?.start(self.roles.holder(node)).await,
            Control::Freeze(node) => self.nodes()?.freeze(self.roles.holder(node)).await,
            Control::Thaw(node) => self.nodes()?.thaw(self.roles.holder(node)).await,
            Control::PauseReplay => sql(admin::pause_replay(&self.probes_now().replica).await),
            Control::ResumeReplay => sql(admin::resume_replay(&self.probes_now().replica).await),
            Control::ApplyDelay(delay) => {
                sql(admin::apply_delay(&self.probes_now().replica, delay).await)
            }
            Control::WipeCache => redis(cache::wipe(&self.probes.cache).await),
            Control::SaveCache => redis(cache::save(&self.probes.cache).await),
            Control::LimitCache(spare) => redis(cache::limit(&self.probes.cache, spare).await),
            Control::Wait(time) => {
                tokio::time::sleep(time).await;
                Ok(())
            }
            Control::Promote(fencing) => self.promote(fencing).await,
            Control::Switch => self.switch().await,
            Control::Rejoin => self.rejoin().await,
        }
    }

    pub(super) async fn link(&self, link: Link, change: LinkChange) -> Result<(), String> {
        let links = self.links.as_ref().ok_or("the cluster has no fault proxy")?;
        links.change(link, change).await.map_err(|error| error.to_string())
    }

    pub(super) fn nodes(&self) -> Result<&dyn NodeControl, String> {
        self.nodes.as_deref().ok_or_else(|| "the servers are not ours".to_owned())
    }
}

impl Cluster for RealCluster {
    fn kind(&self) -> ClusterKind {
        self.kind
    }

    fn pieces(&self) -> Vec<(String, String)> {
        self.pieces.clone()
    }

    fn client(&self) -> Backend {
        Backend::new(RealStores::new(&self.clients, self.limits))
    }

    fn probe(&self) -> Backend {
        // A probe may wait longer than a client: it only looks, and a server
        // under load must not make a run look broken.
        let limits = TimeLimits { connect: Duration::from_secs(5), call: Duration::from_secs(5) };
        Backend::new(RealStores::new(&self.probes_now(), limits))
    }

    fn timeline(&self) -> Boxed<'_, Result<u64, String>> {
        Box::pin(async {
            let timeline = admin::timeline(&self.probes_now().primary).await;
            timeline.map_err(|error| error.to_string())
        })
    }

    fn received(&self) -> Boxed<'_, Result<Lsn, String>> {
        Box::pin(async {
            let received = admin::received(&self.probes_now().replica).await;
            received.map(Lsn).map_err(|error| error.to_string())
        })
    }

    fn close_lag(&self, link: Link) -> Boxed<'_, Result<Duration, String>> {
        Box::pin(inspect::close_lag(&self.clients, link))
    }

    fn addresses(&self) -> Vec<(String, String)> {
        let mut addresses = self.clients.urls("");
        addresses.extend(self.probes.urls("probe-"));
        let api = self.links.as_ref().map(|links| format!("http://{}", links.api()));
        addresses.extend(api.map(|api| ("toxiproxy".to_owned(), api)));
        addresses
    }

    fn supports(&self, control: &Control) -> Result<(), Unsupported> {
        let is_somebodys = self.kind == ClusterKind::External;
        let (missing, advice) = match control.needs() {
            Needs::Nothing => return Ok(()),
            Needs::Proxy(Link::ReplicaPrimary) if is_somebodys => {
                (Some("what the replica dials is not quarrel's to change"), OF_ITS_OWN)
            }
            Needs::Proxy(_) => (
                self.links.is_none().then_some("it needs a fault proxy between client and server"),
                "add --toxiproxy HOST:PORT, or use --cluster docker or native",
            ),
            Needs::Servers => (
                self.nodes.is_none().then_some("its servers are not quarrel's to stop"),
                OF_ITS_OWN,
            ),
            Needs::ReplicaSettings => (
                is_somebodys
                    .then_some("settings of somebody's replica are not quarrel's to change"),
                OF_ITS_OWN,
            ),
            Needs::WholeCache => {
                (is_somebodys.then_some("somebody else may keep things in this Redis"), OF_ITS_OWN)
            }
            Needs::Promotion => (
                (self.links.is_none()
                    || self.nodes.as_ref().is_none_or(|n| n.address(Node::Primary).is_none()))
                .then_some("it cannot make its old primary a replica of the new one"),
                OF_ITS_OWN,
            ),
        };
        missing.map_or(Ok(()), |why| {
            Err(Unsupported {
                control: control.to_string(),
                why: why.to_owned(),
                advice: advice.to_owned(),
            })
        })
    }

    fn apply<'a>(&'a self, control: &'a Control) -> Boxed<'a, Result<(), ControlError>> {
        Box::pin(async move {
            self.perform(control)
                .await
                .map_err(|why| ControlError { control: control.to_string(), why })
        })
    }

    fn logs(&self) -> Boxed<'_, Vec<(String, String)>> {
        match &self.nodes {
            Some(nodes) => nodes.logs(),
            None => Box::pin(async { Vec::new() }),
        }
    }

    fn vitals(&self) -> Boxed<'_, Result<Vec<Vitals>, String>> {
        Box::pin(async { vitals::of(&self.probes_now()).await })
    }

    fn missing(&self) -> Option<String> {
        self.nodes.as_ref().and_then(|nodes| nodes.missing())
    }

    fn down(&self) -> Boxed<'_, Vec<String>> {
        match &self.nodes {
            Some(nodes) => nodes.down(),
            None => Box::pin(async { Vec::new() }),
        }
    }
}

fn sql(result: Result<(), sqlx::Error>) -> Result<(), String> {
    result.map_err(|error| error.to_string())
}

fn redis(result: Result<(), redis::RedisError>) -> Result<(), String> {
    result.map_err(|error| error.to_string())
}
